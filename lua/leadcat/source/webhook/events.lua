--- Makes events of a delivery: reads its body, asks the integrator for what the sender does not say, and invents nothing.

local core = require "leadcat.core"
local event_of = require "leadcat.events.event"
local json = require "leadcat.util.json"
local merged = require "leadcat.util.merged"
local unicode = require "leadcat.util.unicode"

local NO_SALE = "it does not say which sale it is about"

local CLOSING = { won = "sale_won", lost = "sale_lost" }
local CLOSED = { sale_won = true, sale_lost = true }

-- A word for a status, as a text: stages may have numbers.
local function word_of(value)
  return event_of.key(value) or tostring(value)
end

-- What the sender's word means; nil, problem.
local function meaning_of(self, word)
  local meaning = self.statuses[word_of(word)]
  if not meaning then
    return nil, ("the sale's status is '%s', which `statuses` does not have"):format(
      unicode.visible(tostring(word):sub(1, 60)))
  end
  return meaning
end

-- Whether the sale was closed, as far as leadcat has been told: by its newest event of the company.
local function was_closed(engine, change)
  local entries = engine:history { company = change.company, sale = change.sale.id, limit = 1 }
  return entries ~= nil and entries[1] ~= nil and CLOSED[entries[1].trigger] == true
end

-- What the sender's statuses say: the triggers; or nil, problem.
local function triggers_of(self, engine, change)
  local triggers, is, was, problem = { change.trigger }, nil, nil, nil
  if change.status ~= nil then
    is, problem = meaning_of(self, change.status)
  end
  if change.was ~= nil and not problem then
    was, problem = meaning_of(self, change.was)
  end
  if problem then
    return nil, problem
  elseif CLOSING[is] and CLOSING[is] ~= change.trigger and is ~= was then
    triggers[#triggers + 1] = CLOSING[is]
  elseif is and not CLOSING[is] and not change.trigger
    and (CLOSING[was] or was == nil and was_closed(engine, change)) then
    triggers[1] = "sale_reopened"
  end
  return triggers
end

-- Where the company of a sale is not told, since it is no more, leadcat may know it.
local function company_of(engine, change)
  local entries = change.trigger == "sale_deleted" and engine:history { sale = change.sale.id, limit = 1 }
  return entries and entries[1] and entries[1].company or nil
end

-- Whether something has to be asked for.
local function lacks(change)
  return change.company == nil or change.trigger == nil and change.status == nil
end

-- The change with what the integrator's lookup knows; nil, problem, for_good.
local function completed(self, engine, change)
  if not lacks(change) then
    return change
  end
  local known, problem = {}, nil
  if self.lookup then
    known, problem = self.lookup(change.sale, change)
  end
  if not known then
    return nil, "lookup: " .. tostring(problem or "it gave nothing"), known == false
  end
  change = merged(merged(known, change), { sale = merged({ name = known.name }, change.sale) })
  change.company = change.company or company_of(engine, change)
  return change
end

-- The events of one change; nil, problem, for_good. None: then why.
local function of_change(self, engine, change, version)
  change = merged(change, { sale = change.sale or {} })
  if change.trigger ~= "lead_status_set" and not event_of.key(change.sale.id) then
    return nil, NO_SALE, true
  end
  local whole, problem, for_good = completed(self, engine, change)
  if not whole then
    return nil, problem, for_good
  elseif whole.company == nil and not self.lookup then
    return nil, "the sender does not say which company it is about: the hook needs a `lookup`", true
  elseif whole.company == nil then
    return {}, "the sale has no company"
  end
  local triggers, why = triggers_of(self, engine, whole)
  local events = {}
  for place, trigger in ipairs(triggers or {}) do
    events[place] = {
      id = ("%s/%s/%s"):format(self.name, version, trigger), trigger = trigger, company = whole.company,
      sale = change.sale.id ~= nil and whole.sale or nil, at = whole.at, actor = whole.actor, facts = whole.facts,
      contact = whole.contact, lead_status = whole.lead_status,
    }
  end
  return triggers and events, why or "nothing that events are about has changed", triggers == nil
end

-- What identifies a delivery in the ids of its events.
local function version_of(delivery)
  local id = delivery.sender_id or ("%d"):format(delivery.id)
  return #id > 64 and core.hex(core.sha256(id)):sub(1, 32) or id
end

-- What names a change, so that its events are handled once: what the sender calls it, else its place in the delivery.
local function name_of(change, place, version)
  local id = change.id ~= nil and event_of.key(change.id)
  if id then
    return #id > 120 and core.hex(core.sha256(id)) or id
  end
  return place == 1 and version or ("%s-%d"):format(version, place)
end

-- The changes that a delivery tells of: a list, why there are none; or nil, problem. `as_events`: they are events already.
local function changes_of(self, delivery, version)
  local payload, problem = json.decode_foreign(delivery.body or "")
  if not payload then
    return nil, problem
  end
  local headers = json.decode(delivery.about or "{}") or {}
  local changes, why, what = (self.map or self.of_kind.map)(payload, headers, self, { version = version })
  if type(changes) == "table" and (changes.trigger ~= nil or changes.status ~= nil or changes.sale ~= nil) then
    changes = { changes }
  end
  return changes, why, what == "events" and not self.map
end

-- The events; or nil, problem, whether that is for good. When there are none, then why.
local function events_of(self, engine, delivery)
  local version, all = version_of(delivery), {}
  local changes, note, as_events = changes_of(self, delivery, version)
  if type(changes) ~= "table" then
    return nil, note or "it cannot be understood", true
  end
  for place, change in ipairs(changes) do
    local events, problem, for_good = { change }, nil, nil
    if not as_events then
      events, problem, for_good = of_change(self, engine, change, name_of(change, place, version))
    end
    if not events then
      return nil, problem, for_good
    end
    note = problem or note
    for _, event in ipairs(events) do
      local wrong = event_of.problem(event, engine:_own_triggers())
      if wrong or not event.id then -- without one it would be handled as often as it comes
        return nil, wrong and "its event: " .. wrong or NO_SALE, true
      end
      all[#all + 1] = event
    end
  end
  return all, note or "it is about nothing of ours"
end

return setmetatable({ word = word_of }, { __call = function(_, ...) return events_of(...) end })
