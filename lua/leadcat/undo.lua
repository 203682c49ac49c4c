--- Takes a change back: a new entry of the journal that leads the other way. A method of the engine, apart because it
-- is the only change that no event and no answer has asked for.

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

-- The same, and that nobody else has changed it: what is refused must leave neither an entry nor a closed question.
---@return integer? newest
---@return string? message
---@return string? code `conflict`
local function unchanged_since(self, entry, key)
  local newest, message, code = newest_of(self, entry, key)
  if not newest then
    return nil, message, code
  end
  local ok, category
  ok, category, code = apply.category(self, entry.company)
  if not ok then
    return nil, category, code
  elseif category ~= entry.to then
    return changed_since(key)
  end
  return newest
end

local function undo_item(self, entry, newest, actor)
  return {
    at = self:_now(),
    trigger = entry.trigger,
    lead_status = entry.lead_status,
    action = "update",
    status = self.host.embedded and "updated" or "applying",
    from = entry.to,
    to = entry.from,
    revision = entry.revision,
    basis = "newest",
    newest = newest,
    company = event_of.key(entry.company),
    company_is_integer = type(entry.company) == "number",
    details = journal.details { actor = actor, undoes = entry.entry },
  }
end

-- The entry to be undone, when it may be.
local function find(self, id, actor)
  local entry, message, code = self._store:entry(self._tenant, id)
  if not entry then
    return nil, code == "not_found" and ("there is no entry %d"):format(id) or message, code
  end
  local allowed
  allowed, message, code = self:can(actor, "undo", journal.entry(entry, self._tenant))
  if not allowed then
    return nil, message or "only an administrator may undo a change", code or "forbidden"
  elseif entry.status ~= "updated" then
    return nil, ("entry %d is %s: it has changed nothing"):format(id, entry.status), "invalid"
  end
  return entry
end

--- Takes back what one entry of the journal has changed. An undo can be undone.
---@param id integer the entry
---@param options? {actor?: leadcat.Actor}
---@return leadcat.Outcome? outcome its reason is `undo`
---@return string? message
---@return string? code `conflict`: the company has changed since; `not_found`, `forbidden`, `invalid`: it changed nothing
function undo:undo(id, options)
  self:_check_open()
  if type(id) ~= "number" or id % 1 ~= 0 or id < 1 or id > 2 ^ 53 then
    error("entry: an integer expected, got " .. tostring(id), 2)
  end
  local actor = options_of.check(options, OPTIONS).actor
  local entry, message, code = find(self, id, actor)
  if not entry then
    return nil, message, code
  end
  local key = event_of.key(entry.company)
  while true do
    local newest, outcome
    newest, message, code = unchanged_since(self, entry, key)
    if not newest then
      return nil, message, code
    end
    local item = undo_item(self, entry, newest, actor)
    outcome, message, code = handle.write_one(self, { company = entry.company, item = item, attempts = 0 })
    if code then
      return nil, message, code
    elseif outcome and outcome.status == "conflict" then
      return changed_since(key)
    elseif outcome then
      self:_report({
        trigger = entry.trigger, company = entry.company, lead_status = entry.lead_status, actor = actor, at = item.at,
        undoes = entry.entry,
      }, outcome)
      return outcome
    end
  end
end

return undo
