--- The verdict on a matched decision: of the guards, and of the user when the event brings the answer. It counts for
-- this decision only.

local as_text = require "leadcat.util.as_text"
local config = require "leadcat.rules.config"
local confirmation = require "leadcat.events.confirmation"
local json = require "leadcat.util.json"
local merged = require "leadcat.util.merged"
local protected = require "leadcat.util.protected"
local settings = require "leadcat.rules.save"

local verdict = {}

-- The target that a guard or user has chosen; nil, message, code when it cannot be one.
local function check_target(cfg, id, who)
  local category = config.find(cfg.categories, id)
  if not category then
    return nil, ("%s chose category %s, which does not exist"):format(who, tostring(id)), "invalid"
  elseif category.deleted then
    return nil, ("%s chose category %d, which is deleted"):format(who, id), "invalid"
  end
  return json.integer(id)
end

--- Checks a category that a user has chosen, as a rule's target is.
---@param cfg leadcat.Config the newest
---@param choice integer|false
---@param from integer the category that the company is taken to have
---@return integer|false|nil category, string? message, string? code false: it stays
function verdict.check_answer(cfg, choice, from)
  if choice == false or choice == from then
    return false
  end
  return check_target(cfg, choice, "the user")
end

local function unchanged(reason, about, error)
  return {
    status = "unchanged", action = "none", reason = reason, from = about.from, rule = about.rule,
    revision = about.revision, error = error,
  }
end

-- One guard: returns a category to set, nothing, or nil and the outcome of its veto.
local function ask_guard(self, guard, event, decision, about)
  local ok, answer, why = protected.call(guard, event, decision, {
    facts = merged(event.facts or {}, about.facts), tenant = self._tenant,
  })
  if not ok then
    return nil, ("a guard raised: %s"):format(as_text(answer)), "unavailable"
  elseif answer == nil then
    return nil
  elseif answer == false then
    return nil, unchanged("vetoed", about, why)
  end
  local cfg, message, code = settings.known(self, about.revision)
  if not cfg then
    return nil, message, code
  end
  return check_target(cfg, answer, "a guard")
end

-- Asks all guards: each may veto or change the target, and gets a table of its own. Returns the target, or nil and the
-- outcome.
local function ask_guards(self, event, asked)
  local to = asked.to
  for _, guard in ipairs(self._hooks.guard) do
    local said, outcome, code = ask_guard(self, guard, event, {
      action = asked.action, reason = "matched", from = asked.from, to = to, rule = asked.rule,
      revision = asked.revision,
    }, asked)
    if outcome then
      return nil, outcome, code
    end
    to = said or to
  end
  if to == asked.from then
    return nil, unchanged("already_in_category", asked)
  end
  return to
end

-- The user's answer that came with the event: the category to set, or false to keep.
local function check_choice(self, event, asked)
  local cfg, message, code = settings.known(self, asked.revision)
  if not cfg then
    return nil, message, code
  end
  local draft = confirmation.draft(event, asked, cfg, self._tenant)
  local allowed, denial, failure = self:can(event.actor, "confirm", draft)
  if not allowed then
    return nil, denial or "the actor may not answer for this company", failure or "forbidden"
  end
  return verdict.check_answer(cfg, event.choice, asked.from)
end

--- Adds the verdict to `asked`: `passed`, and where they are needed `target` and `keep`.
---@param self leadcat.Engine
---@param event leadcat.Event
---@param asked table the decision, as `store:handle` returns it when it lacks the verdict
---@return leadcat.Outcome? outcome, string? message, string? code outcome: of a veto, or when the company is in the target
function verdict.ask(self, event, asked)
  local to, outcome, code = ask_guards(self, event, asked)
  if code then
    return nil, outcome, code
  elseif not to then
    return outcome
  end
  local keep
  if asked.is_answered then
    local choice, message, failure = check_choice(self, event, asked)
    if choice == nil then
      return nil, message, failure
    end
    to, keep = choice or to, not choice or nil
  end
  asked.passed, asked.target, asked.keep = asked.about, to ~= asked.to and to or nil, keep
end

return verdict
