--- What waits: the matches of rules with `after`, which are scheduled, events that are queued behind a change, and what is held
-- (`events/held.lua`). The core writes them down; this decides them when their time or their turn has come, and calls off what is scheduled. Methods of the engine.

local event_of = require "leadcat.events.event"
local journal = require "leadcat.past.journal"
local merged = require "leadcat.util.merged"
local options_of = require "leadcat.util.options"
local platform = require "leadcat.util.platform"
local rounds = require "leadcat.events.rounds"

---@class leadcat.engine.later: leadcat.Engine the engine's methods that stand here
local later = {}

local PAGE = 100 -- decided together
local SOONEST, LATEST = 10, 3600 -- seconds until what could not be decided is tried again

-- When to try again: the longer it has been overdue, the later. What is queued has its turn again in so many seconds.
local function next_try(entry, now)
  if entry.status == "queued" then
    return math.max(SOONEST, math.min(now - entry.at, LATEST))
  end
  return now + math.max(SOONEST, math.min(now - entry.due, LATEST))
end

-- An item for `store:end_scheduled`.
local function ending(entry, fields)
  return merged({ entry = entry.entry, company = event_of.key(entry.company), reason = "matched" }, fields)
end

-- Writes how entries have ended, and tells of those that were dropped. Gives true and the outcomes of these by place.
local function write_endings(self, endings, drops, counts)
  local dropped = {}
  if #endings == 0 then
    return true, dropped
  end
  local ok, message, code = self._store:end_scheduled(self._tenant, endings, self:_now())
  if not ok then
    return nil, message, code
  end
  for item, drop in pairs(drops) do
    if not item.lost then
      counts.dropped, dropped[drop.place] = counts.dropped + 1, drop.outcome
      self:_report(drop.event, drop.outcome)
    end
  end
  return true, dropped
end

local function text_of(error)
  return type(error) == "string" and error or nil
end

-- The event as listeners are told of it: a queued one has its id, with which it has not been handled again.
local function told_of(entry, event)
  return entry.status == "queued" and merged(event, { id = entry.event_id }) or event
end

-- Sorts the outcomes of a page: what was made of an entry is counted and told of; what came to nothing is dropped; what could
-- not be decided is tried again, or stays held. `actor`: who releases it. Gives true and the outcomes of what was dropped, by place.
local function settle(self, entries, events, outcomes, counts, actor)
  local endings, drops, now = {}, {}, self:_now()
  for place, entry in ipairs(entries) do
    local outcome = outcomes[place]
    if not outcome then
      if entry.status ~= "held" then
        endings[#endings + 1] = ending(entry, { status = entry.status, again = next_try(entry, now) })
      end
    elseif outcome.status == "unchanged" then
      local item = ending(entry, {
        status = "dropped", reason = outcome.reason, error = text_of(outcome.error), revision = outcome.revision,
        from = outcome.from, details = actor and journal.ended_by(entry, actor) or nil,
      })
      endings[#endings + 1] = item
      drops[item] = { event = told_of(entry, events[place]), place = place, outcome = merged(outcome, {
        status = "dropped", entry = entry.entry, key = entry.key, due = entry.due,
      }) }
    elseif outcome.status ~= "over" then
      counts.carried_out = counts.carried_out + 1
      self:_report(told_of(entry, events[place]), outcome)
    end
  end
  return write_endings(self, endings, drops, counts)
end

-- How the handling of what waits begins. What is scheduled or held is decided by its rule alone.
local function beginning(entry, actor)
  if entry.status == "queued" then
    return { lacks = "commit", queued = entry.entry }
  elseif entry.status == "held" then
    local released = actor and journal.ended_by(entry, actor) or nil
    return { lacks = "commit", held = entry.entry, alone = entry.rule_id, released = released }
  end
  return { lacks = "commit", carries_out = entry.entry, alone = entry.rule_id }
end

--- Decides entries that wait, of different companies. A failure of the host stops none of the others.
---@param self leadcat.Engine
---@param entries table[] as the store gives them: scheduled and due, or queued and claimed by this store
---@param counts {carried_out: integer, dropped: integer}
---@return table<integer, leadcat.Outcome>? outcomes without those of entries that wait on, string? message, string? code of the first failure; with outcomes, all else was done
function later.decide(self, entries, counts)
  return later.release(self, entries, nil, counts)
end

-- The events of entries that wait, and how their handling begins.
local function begin(entries, actor)
  local events, begun = {}, {}
  for place, entry in ipairs(entries) do
    events[place], begun[place] = journal.waiting_event(entry), beginning(entry, actor)
  end
  return events, begun
end

--- The same of what is held, which somebody releases. These may be of one company.
---@param actor? leadcat.Actor
---@return table<integer, leadcat.Outcome>? outcomes, string? message, string? code as of `decide`
---@return table<integer, leadcat.Outcome>? drops the outcomes of what was dropped, by place
function later.release(self, entries, actor, counts)
  local events, begun = begin(entries, actor)
  local outcomes, message, code = rounds.carry_out(self, events, begun)
  local ok, drops, failure = settle(self, entries, events, outcomes, counts, actor)
  if not ok then
    return nil, drops, failure
  end
  return outcomes, message, code, drops
end

--- What releasing entries would come to. Writes nothing.
---@return table<integer, leadcat.Outcome>? outcomes by place; none of those that cannot be decided now
---@return string? message, string? code
function later.foresee(self, entries)
  local events, begun = begin(entries)
  local outcomes, message, code = rounds.carry_out(self, events, begun, { overlay = self._store:overlay() })
  if code and code ~= "unavailable" then
    return nil, message, code
  end
  return outcomes
end

-- Whether each entry comes for the first time: what was looked at is no longer due, unless the store is damaged.
local function are_new(entries, seen)
  for _, entry in ipairs(entries) do
    if seen[entry.entry] then
      return nil, ("the schedule: entry %d stays due"):format(entry.entry), "corrupt"
    end
    seen[entry.entry] = true
  end
  return true
end

--- Carries out what is scheduled and due.
---@param self leadcat.Engine
---@return {carried_out: integer, dropped: integer}? counts, string? message, string? code of the first failure; all else was done
function later.carry_out(self)
  local counts, seen, now, failure = { carried_out = 0, dropped = 0 }, {}, self:_now(), nil
  repeat
    local entries, message, code = self._store:scheduled(self._tenant, now, PAGE)
    local ok
    if entries then
      ok, message, code = are_new(entries, seen)
    end
    if ok and #entries > 0 then
      ok, message, code = later.decide(self, entries, counts)
      failure = failure or code and { message, code }
    end
    if not ok then
      return nil, message, code
    end
    platform.give_way()
  until #entries < PAGE
  if failure then
    return nil, failure[1], failure[2]
  end
  return counts
end

-- Calling off ---------------------------------------------------------------------------------------------------------

local OPTIONS = { actor = options_of.actor }

local function find(self, id, actor)
  local entry, message, code = self._store:entry(self._tenant, id)
  if not entry then
    return nil, code == "not_found" and ("there is no entry %d"):format(id) or message, code
  end
  local allowed
  allowed, message, code = self:can(actor, "undo", journal.entry(entry, self._tenant))
  if not allowed then
    return nil, message or "only an administrator may cancel what is scheduled", code or "forbidden"
  elseif entry.status ~= "scheduled" then
    return nil, ("entry %d is %s, not scheduled"):format(id, entry.status), "invalid"
  end
  return entry
end

--- Calls off what is scheduled, with one commit, and tells of it.
---@param self leadcat.Engine
---@param entries table[] scheduled ones, as the store returns them
---@param actor? leadcat.Actor
---@param why? "undo"
---@return table<integer, leadcat.Outcome>? outcomes by the entries' places; none of those that are no longer scheduled
---@return string? message, string? code
function later.call_off(self, entries, actor, why)
  local items, outcomes = {}, {}
  for place, entry in ipairs(entries) do
    items[place] = ending(entry, { status = "cancelled", details = journal.ended_by(entry, actor, why) })
  end
  local ok, message, code = self._store:end_scheduled(self._tenant, items, self:_now())
  if not ok then
    return nil, message, code
  end
  for place, entry in ipairs(entries) do
    if not items[place].lost then
      outcomes[place] = journal.outcome(merged(entry, { status = "cancelled", reason = why }))
      self:_report(merged(journal.waiting_event(entry), { actor = actor }), outcomes[place])
    end
  end
  return outcomes
end

--- Calls off what is scheduled. The host's `can` is asked for the permission `undo`, about the entry.
---@param id integer the entry whose status is `scheduled`
---@param options? leadcat.ByActor
---@return leadcat.Outcome? outcome with the status `cancelled`
---@return string? message, string? code `not_found`, `forbidden`, `invalid`: it is not scheduled, or no longer
function later:cancel(id, options)
  self:_check_open()
  event_of.check_entry(id)
  local actor = options_of.check(options, OPTIONS).actor
  local entry, message, code = find(self, id, actor)
  if not entry then
    return nil, message, code
  end
  local outcomes
  outcomes, message, code = later.call_off(self, { entry }, actor)
  if not outcomes then
    return nil, message, code
  elseif not outcomes[1] then
    return nil, ("entry %d is no longer scheduled"):format(id), "invalid"
  end
  return outcomes[1]
end

return later
