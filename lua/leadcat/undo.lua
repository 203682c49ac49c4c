--- Takes a change back, or makes one that a host had refused: a new entry of the journal, made from an old one. Methods of
-- the engine, apart because these are the only changes that no event and no answer has asked for.

local apply = require "leadcat.apply"
local event_of = require "leadcat.event"
local handle = require "leadcat.handle"
local journal = require "leadcat.journal"
local options_of = require "leadcat.options"

local undo = {}

local OPTIONS = { actor = options_of.actor }
local PAGE = 100

local function changed_since(key, how)
  return nil, ("company %s has been changed since%s"):format(key, how or ""), "conflict"
end

-- The company's newest entry, after making sure that no newer one than `entry` has changed it.
---@return integer? newest
---@return string? message
---@return string? code `conflict`
local function newest_of(self, entry, key)
  local newest, after
  repeat
    local entries, message, code = self._store:history(self._tenant, key, nil, after, PAGE)
    if not entries then
      return nil, message, code
    end
    for _, later in ipairs(entries) do
      newest, after = newest or later.entry, later.entry
      if later.entry <= entry.entry then
        return newest
      elseif later.status == "updated" then
        return changed_since(key, (", by entry %d"):format(later.entry))
      end
    end
  until #entries < PAGE
  return newest
end

-- The same, and that the company is in `from`, so that nobody else has changed it: what is refused must leave neither an
-- entry nor a closed question.
---@return integer? newest
---@return string? message
---@return string? code `conflict`
local function unchanged_since(self, entry, key, from)
  local newest, message, code = newest_of(self, entry, key)
  if not newest then
    return nil, message, code
  end
  local ok, category
  ok, category, code = apply.category(self, entry.company)
  if not ok then
    return nil, category, code
  elseif category ~= from then
    return changed_since(key)
  end
  return newest
end

-- What is made of an old entry: its status, where the company must stand and where it is to go, and what is said where the
-- entry is another.
local UNDO = {
  of = "updated", from = "to", to = "from", refusal = "entry %d is %s: it has changed nothing",
}
local RETRY = {
  of = "failed", from = "from", to = "to", refusal = "entry %d is %s, not failed",
}

-- The entry, when it may be used so.
local function find(self, id, actor, plan)
  local entry, message, code = self._store:entry(self._tenant, id)
  if not entry then
    return nil, code == "not_found" and ("there is no entry %d"):format(id) or message, code
  end
  local allowed
  allowed, message, code = self:can(actor, "undo", journal.entry(entry, self._tenant))
  if not allowed then
    return nil, message or "only an administrator may undo or retry a change", code or "forbidden"
  elseif entry.status ~= plan.of then
    return nil, plan.refusal:format(id, entry.status), "invalid"
  end
  return entry
end

local function new_item(self, entry, plan, newest, details)
  return {
    at = self:_now(),
    trigger = entry.trigger,
    lead_status = entry.lead_status,
    action = "update",
    status = self.host.embedded and "updated" or "applying",
    from = entry[plan.from],
    to = entry[plan.to],
    revision = entry.revision,
    basis = "newest",
    newest = newest,
    company = event_of.key(entry.company),
    company_is_integer = type(entry.company) == "number",
    details = journal.details(details),
  }
end

-- Makes the change, unless the company has changed since. `details` are kept with the new entry.
local function make(self, entry, plan, details)
  local key = event_of.key(entry.company)
  while true do
    local newest, message, code = unchanged_since(self, entry, key, entry[plan.from])
    if not newest then
      return nil, message, code
    end
    local outcome
    local item = new_item(self, entry, plan, newest, details)
    outcome, message, code = handle.write_one(self, { company = entry.company, item = item, attempts = 0 })
    if code then
      return nil, message, code
    elseif outcome and outcome.status == "conflict" then
      return changed_since(key)
    elseif outcome then
      self:_report({
        trigger = entry.trigger, company = entry.company, lead_status = entry.lead_status, actor = details.actor,
        sale = details.sale, contact = details.contact, at = item.at, undoes = details.undoes,
      }, outcome)
      return outcome
    end
  end
end

local function check_id(id)
  if type(id) ~= "number" or id % 1 ~= 0 or id < 1 or id > 2 ^ 53 then
    error("entry: an integer expected, got " .. tostring(id), 3)
  end
end

--- Takes back what one entry of the journal has changed. An undo can be undone.
---@param id integer the entry
---@param options? {actor?: leadcat.Actor}
---@return leadcat.Outcome? outcome its reason is `undo`
---@return string? message
---@return string? code `conflict`: the company has changed since; `not_found`, `forbidden`, `invalid`: it changed nothing
function undo:undo(id, options)
  self:_check_open()
  check_id(id)
  local actor = options_of.check(options, OPTIONS).actor
  local entry, message, code = find(self, id, actor, UNDO)
  if not entry then
    return nil, message, code
  end
  return make(self, entry, UNDO, { actor = actor, undoes = entry.entry })
end

--- Has the host asked once more for a change that was put aside as `failed`.
---@param id integer the entry
---@param options? {actor?: leadcat.Actor}
---@return leadcat.Outcome? outcome with a new entry
---@return string? message
---@return string? code `conflict`: the company has changed since; `not_found`, `forbidden`, `invalid`: it has not failed
function undo:retry(id, options)
  self:_check_open()
  check_id(id)
  local actor = options_of.check(options, OPTIONS).actor
  local entry, message, code = find(self, id, actor, RETRY)
  if not entry then
    return nil, message, code
  end
  local question = entry.confirmation and self:confirmation(entry.confirmation)
  if question and question.state == "open" then
    return nil, ("entry %d was the answer to a question that is open again: answer it"):format(id), "invalid"
  end
  local happened = journal.event(entry)
  return make(self, entry, RETRY, {
    actor = actor or happened.actor, sale = happened.sale, contact = happened.contact, undoes = happened.undoes,
  })
end

return undo
