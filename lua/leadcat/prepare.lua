--- What an event comes to before anything is written: was it seen before, where does the company stand, what does the
-- config say to that, what do the guards, and what has the user chosen? Apart from `write.lua` because who only asks what
-- would be done goes so far and no further.

local apply = require "leadcat.apply"
local as_text = require "leadcat.as_text"
local config = require "leadcat.config"
local confirmation = require "leadcat.confirmation"
local event_of = require "leadcat.event"
local json = require "leadcat.json"
local journal = require "leadcat.journal"
local settings = require "leadcat.settings"

local prepare = {}

-- Seen before ---------------------------------------------------------------------------------------------------------

--- What comes of an event that is delivered again.
---@param first leadcat.Outcome of its first delivery
---@return leadcat.Outcome
function prepare.duplicate(first)
  local outcome = {}
  for name, value in pairs(first) do
    outcome[name] = value
  end
  outcome.status, outcome.first = "duplicate", first
  return outcome
end

-- Whether nobody knows yet what will come of an entry.
local function is_under_way(entry)
  return entry and entry.status == "applying" and not entry.error
end

--- The outcome of the first delivery of the event with this id, if it has one and was written down.
---@param self leadcat.Engine
---@param id string|integer|nil
---@param only_look? boolean
---@return leadcat.Outcome? outcome
---@return string? message
---@return string? code
function prepare.find_duplicate(self, id, only_look)
  if id == nil then
    return nil
  end
  local key = event_of.key(id)
  local entry, message, code = self._store:seen(self._tenant, key)
  if is_under_way(entry) and not only_look then -- its outcome is worth waiting for
    local _, why, failure = apply.settle(self, event_of.key(entry.company))
    entry, message, code = self._store:seen(self._tenant, key)
    if is_under_way(entry) then
      return nil, why, failure
    end
  end
  if entry then
    return prepare.duplicate(journal.outcome(entry))
  elseif code == "not_found" then
    return nil
  end
  return nil, message, code
end

-- Deciding ------------------------------------------------------------------------------------------------------------

local UNSETTLED = -1 -- no entry's number

-- By what the store is to tell that the company has changed while its event was being decided: read before the category.
---@return "given"|"company"|"newest"|nil basis
---@return integer|string|nil newest the company's newest entry, for "newest"; UNSETTLED while it is applying (or the message)
---@return string? code
local function basis_of(self, event)
  if event.category ~= nil then
    return "given"
  elseif self.host.embedded then
    return "company"
  end
  local newest, message, code = self._store:newest(self._tenant, event_of.key(event.company))
  if newest or code == "conflict" then
    return "newest", newest or UNSETTLED
  end
  return nil, message, code
end

-- Where the company stands, and what the config says to that. What would come to nothing only because an earlier change
-- of the company has not come to its end yet is decided behind that.
---@param pending? integer where an earlier event of the same batch leaves the company
---@param only_look? boolean whether nothing is to be written: the change is left as it is
---@return table? decided {basis, newest, category, action, to, reason, revision}
---@return string? message
---@return string? code
local function decide(self, event, pending, only_look)
  while true do
    local basis, newest, failure = basis_of(self, event)
    if not basis then
      return nil, newest, failure
    end
    local category, message, code = self:_category(event, pending)
    if code then
      return nil, message, code
    end
    local action, to, reason, revision = self:_evaluate(event.trigger, category, event.lead_status)
    if not action then
      return nil, to, reason
    elseif only_look or action ~= "none" or newest ~= UNSETTLED or reason == "rule_disabled" then
      return { basis = basis, newest = newest, category = category, action = action, to = to, reason = reason,
        revision = revision }
    end
    local settled
    settled, message, code = apply.settle(self, event_of.key(event.company))
    if not settled then
      return nil, message, code
    end
  end
end

-- Guards, and what a user has chosen ----------------------------------------------------------------------------------

local function unchanged(reason, category, revision, item)
  return {
    status = "unchanged",
    action = "none",
    reason = reason,
    from = category,
    rule = item and config.rule_key(item.trigger, item.lead_status),
    revision = revision,
  }
end

-- Whether a category can be a target: a guard or a user has chosen it.
local function check_target(cfg, id, who)
  local category = config.find(cfg.categories, id)
  if not category then
    return ("%s chose category %s, which does not exist"):format(who, tostring(id))
  elseif category.deleted then
    return ("%s chose category %d, which is deleted"):format(who, id)
  end
end

-- Lets the guards see what is about to happen: each may veto it or change its target.
---@return leadcat.Outcome? vetoed
---@return string? message
---@return string? code
local function ask_guards(self, event, item)
  for _, guard in ipairs(self._hooks.guard) do
    local decision = {
      action = item.action, to = item.to, reason = "matched", rule = config.rule_key(item.trigger, item.lead_status),
      from = item.from, revision = item.revision,
    }
    local ok, verdict, why = pcall(guard, event, decision)
    if not ok then
      return nil, ("a guard raised: %s"):format(as_text(verdict)), "unavailable"
    elseif verdict == false then
      local outcome = unchanged("vetoed", item.from, item.revision, item)
      outcome.error = why
      return outcome
    elseif verdict ~= nil then
      local cfg, message, code = settings.known(self, item.revision)
      if not cfg then
        return nil, message, code
      end
      local problem = check_target(cfg, verdict, "a guard")
      if problem then
        return nil, problem, "invalid"
      end
      item.to = json.integer(verdict)
    end
  end
  if item.to == item.from then
    return unchanged("already_in_category", item.from, item.revision, item)
  end
end

--- Checks a category that a user has chosen, as a rule's target is.
---@param cfg leadcat.Config the newest
---@param choice integer|false
---@param from integer the category that the company is taken to have
---@return integer|false|nil category false: it stays
---@return string? message
---@return string? code
function prepare.check_answer(cfg, choice, from)
  if choice == false or choice == from then
    return false
  end
  local problem = check_target(cfg, choice, "the user")
  if problem then
    return nil, problem, "invalid"
  end
  return json.integer(choice)
end

-- What the user has answered before the event came, checked as a resolution is: the category to set, or false to keep.
---@return integer|false|nil category
---@return string? message
---@return string? code
local function check_choice(self, event, item, cfg)
  local allowed, denial, failure = self:can(event.actor, "confirm", confirmation.draft(item, event, cfg, self._tenant))
  if not allowed then
    return nil, denial or "the actor may not answer for this company", failure or "forbidden"
  end
  return prepare.check_answer(cfg, event.choice, item.from)
end

-- How the item is to be written: as asked, as chosen by the user, as the host's to change, or as changed here.
---@return true? ok
---@return string? message
---@return string? code
local function settle_status(self, event, item)
  local applied = self.host.embedded and "updated" or "applying"
  if event.choice == nil and item.action == "update" then
    item.status = applied
    return true
  end
  local cfg, message, code = settings.known(self, item.revision)
  if not cfg then
    return nil, message, code
  end
  if event.choice == nil then
    item.status = "awaiting_confirmation"
    item.question, message, code = confirmation.ask(event, cfg, self:_now(), self._shared.confirmation_ttl)
    return item.question and true, message, code
  end
  local choice
  choice, message, code = check_choice(self, event, item, cfg)
  if choice == nil then
    return nil, message, code
  end
  item.to, item.status = choice or item.to, choice and applied or "declined"
  return true
end

-- The job -------------------------------------------------------------------------------------------------------------

-- What to write down for an event that matched.
---@return table? item
---@return string? message
---@return string? code
local function new_item(self, event, decided)
  local ok, details = pcall(journal.details, event, self._run)
  if not ok then
    return nil, "the event's actor, sale or contact cannot be kept: " .. details, "invalid"
  end
  return {
    at = event.at or self:_now(),
    trigger = event.trigger,
    lead_status = event.trigger == "lead_status_set" and event.lead_status or nil,
    action = decided.action,
    from = decided.category,
    to = decided.to,
    revision = decided.revision,
    basis = decided.basis,
    newest = decided.newest,
    company = event_of.key(event.company),
    company_is_integer = type(event.company) == "number",
    event_id = event.id and event_of.key(event.id),
    details = details,
  }
end

-- What an event comes to that was not seen before and matched: written down later, or settled by a guard.
---@return table? job
---@return leadcat.Outcome|string|nil outcome (or the message)
---@return string? code
local function new_job(self, event, decided)
  local item, message, code = new_item(self, event, decided)
  if not item then
    return nil, message, code
  end
  local outcome
  outcome, message, code = ask_guards(self, event, item)
  if outcome or code then
    return nil, outcome or message, code
  end
  local ok
  ok, message, code = settle_status(self, event, item)
  if not ok then
    return nil, message, code
  end
  return { event = event, company = event.company, item = item, planned = item.status, attempts = 0 }
end

-- What an event comes to that does not match. Delivered twice at once, it may not match because its other delivery has
-- changed the company just now: so that one is looked for once more.
---@return nil
---@return leadcat.Outcome|string|nil outcome (or the message)
---@return string? code
local function come_to_nothing(self, event, decided, only_look)
  local outcome, message, code = prepare.find_duplicate(self, event.id, only_look)
  if outcome or code then
    return nil, outcome or message, code
  end
  local item = decided.reason == "already_in_category" and event or nil
  return nil, unchanged(decided.reason, decided.category, decided.revision, item)
end

--- Steps 1 to 5 of an event: seen before? where does the company stand? decide; ask the guards.
---@param self leadcat.Engine
---@param event leadcat.Event
---@param pending? integer as for `decide`
---@param only_look? boolean as for `decide`
---@return table? job {event, company, item, attempts} to be written down; nil when there is nothing to write, then
---@return leadcat.Outcome|string|nil outcome what the event came to (or the message)
---@return string? code
function prepare.job(self, event, pending, only_look)
  local outcome, message, code = prepare.find_duplicate(self, event.id, only_look)
  if outcome or code then
    return nil, outcome or message, code
  end
  local licensed
  licensed, message, code = self:licensed()
  if code then
    return nil, message, code
  elseif licensed == false then
    return nil, unchanged("not_licensed")
  end
  local decided
  decided, message, code = decide(self, event, pending, only_look)
  if not decided then
    return nil, message, code
  elseif decided.action == "none" then
    return come_to_nothing(self, event, decided, only_look)
  end
  return new_job(self, event, decided)
end

return prepare
