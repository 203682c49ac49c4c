--- Methods of the engine for administrators: read, check, save and revert the config.

local check = require "leadcat.rules.check"
local config = require "leadcat.rules.config"
local core = require "leadcat.core"
local json = require "leadcat.util.json"
local options_of = require "leadcat.util.options"
local triggers = require "leadcat.rules.triggers"

---@class leadcat.engine.save: leadcat.Engine the engine's methods that stand here
local settings = {}

local MAX_REVISION = 2 ^ 53
local TRIES = 16 -- of a save that others overtake

---@class leadcat.Revision
---@field revision integer
---@field at number seconds since 1970
---@field actor? leadcat.Actor who saved it; absent for the program itself
---@field reverted? integer the revision that it restored
---@field draft? string of one that was a draft: its key
---@field approved_by? leadcat.Actor who approved the draft; absent for the program itself
---@field approved_at? number when, in seconds since 1970

local function decode(text, tenant, revision)
  local cfg, message = json.decode(text)
  if not cfg then
    return nil, ("tenant '%s', config revision %s: %s"):format(tenant, revision or "(newest)", message), "corrupt"
  end
  cfg = config.normalize(cfg)
  if (revision or 0) ~= 0 and cfg.revision ~= revision then
    return nil, ("tenant '%s': config revision %d says that it is revision %s"):format(tenant, revision,
      tostring(cfg.revision)), "corrupt"
  end
  return cfg
end

local function is_revision(value)
  return type(value) == "number" and value % 1 == 0 and value >= 0 and value < MAX_REVISION
end

--- A copy of the config, or of an older revision. Changes take effect when it is saved. Before the first save it is
--- revision 0 with empty lists.
---@param revision? integer default: the newest
---@return leadcat.Config? config, string? message, string? code `not_found`: no such revision; `corrupt`
function settings:config(revision)
  self:_check_open()
  if revision ~= nil and not is_revision(revision) then
    error("revision: an integer from 0 expected", 2)
  end
  local text, message, code = self._store:config(self._tenant, revision or 0)
  if text then
    return decode(text, self._tenant, revision)
  elseif code == "not_found" and (revision or 0) == 0 then
    return config.normalize { revision = 0 }
  elseif code == "not_found" then
    return nil, ("there is no revision %d"):format(revision), code
  end
  return nil, message, code
end

--- Rebuilds a tenant's packed ruleset from the config's JSON, which is the source of truth.
---@param store table
---@param tenant string
---@return true? done, string? message
function settings.repair(store, tenant)
  local cfg
  local text, message, code = store:config(tenant, 0)
  if not text then
    return nil, code == "not_found" and ("tenant '%s': the config is missing"):format(tenant) or message
  end
  cfg, message = json.decode(text)
  if type(cfg) ~= "table" or type(cfg.revision) ~= "number" or check.has_errors(check.problems(cfg)) then
    return nil, ("tenant '%s': the config is damaged: %s"):format(tenant, message or "it has errors")
  end
  local own
  own, message = triggers.for_config(store, cfg)
  if not own then
    return nil, message
  end
  return store:repair(tenant, cfg.revision, core.ruleset(config.normalize(cfg), cfg.revision, own))
end

--- A config, read-only, from the cache if possible.
---@param self leadcat.Engine
---@param revision? integer default: the newest
---@return leadcat.Config? config, string? message, string? code
function settings.known(self, revision)
  if not revision then
    local action, message, code, newest = self:_evaluate "sale_won"
    if not action then
      return nil, message, code
    end
    revision = newest
  end
  local known = self._known_config
  if not known or known.revision ~= revision then
    local message, code
    known, message, code = self:config(revision)
    if not known then
      return nil, message, code
    end
    self._known_config = known
  end
  return known
end

--- What is wrong with a config. Errors block a save, warnings do not.
---@param cfg any a config, whatever is wrong with it
---@return leadcat.Problem[] problems empty when clean
function settings:check(cfg)
  self:_check_open()
  return check.problems(cfg, self:_own_triggers() or {})
end

local SAVE = { actor = options_of.actor, revision = options_of.kind("an integer from 0", is_revision) }

--- Why a config with errors is refused, in a sentence.
---@param problems leadcat.Problem[]
---@return string
function settings.refusal(problems)
  local errors, first = 0, nil
  for _, problem in ipairs(problems) do
    if problem.severity == "error" then
      errors, first = errors + 1, first or problem
    end
  end
  local rest = errors > 1 and (" (and %d more)"):format(errors - 1) or ""
  return ("the config is refused: %s%s"):format(first.message, rest)
end

-- Saves a config without errors as the revision after `expected`.
local function write(self, cfg, expected, about)
  local saved = config.normalize(cfg)
  saved.revision, about.revision = expected + 1, expected + 1
  local own, message, code = triggers.for_config(self._store, saved)
  if not own then
    return nil, message, code
  end
  local ok
  ok, message, code = self._store:save(self._tenant, expected, core.ruleset(saved, expected + 1, own),
    json.encode(saved), json.encode(about))
  return ok and expected + 1, message, code
end

-- The newest revision, even when its JSON or ruleset is damaged: the next save repairs that. `refused`: what the JSON
-- says was not the newest.
local function newest_revision(self, refused)
  local newest, message, code = self:config()
  if newest and newest.revision ~= refused then
    return newest.revision
  end
  local revisions = (newest or code == "corrupt") and self:revisions()
  if revisions and revisions[1] and revisions[1].revision ~= refused then
    return revisions[1].revision
  elseif newest then
    return nil, ("tenant '%s': the newest config says that it is revision %d"):format(self._tenant, refused), "corrupt"
  end
  return nil, message, code
end

-- With four eyes what somebody saves waits for another administrator.
local function as_draft(self, cfg, options, reverted)
  local draft, message, code, problems = self:save_draft(cfg, {
    actor = options.actor, revision = options.revision, reverted = reverted,
  })
  if not draft then
    return nil, message, code, problems
  end
  return nil, ("saved as draft %.0f: another administrator has to approve it"):format(draft.id), "approval", draft
end

--- Saves what was approved as the revision after `expected`.
---@param self leadcat.Engine
---@param cfg leadcat.Config
---@param expected integer
---@param about table of the revision
---@return integer? revision, string? message, string? code `invalid`, `stale`
function settings.save_approved(self, cfg, expected, about)
  local problems = self:check(cfg)
  if check.has_errors(problems) then
    return nil, settings.refusal(problems), "invalid"
  end
  return write(self, cfg, expected, about)
end

local function save(self, cfg, options, reverted)
  local allowed, denial, reason = self:can(options.actor, "configure")
  if not allowed then
    return nil, denial or "only an administrator may change the rules", reason or "forbidden"
  end
  local problems = self:check(cfg)
  if check.has_errors(problems) then
    return nil, settings.refusal(problems), "invalid", problems
  elseif self.four_eyes and options.actor then
    return as_draft(self, cfg, options, reverted)
  end
  local about = { at = self:_now(), actor = options.actor, reverted = reverted }
  local newest, message, code
  for _ = 1, TRIES do
    newest, message, code = newest_revision(self, newest)
    if not newest then
      return nil, message, code
    end
    local revision
    revision, message, code = write(self, cfg, options.revision or newest, about)
    if revision then
      return revision
    elseif code ~= "stale" or options.revision then
      return nil, message, code
    end -- somebody else has just saved, and the caller named no revision
  end
  return nil, "others keep saving the rules", "unavailable"
end

---@class (exact) leadcat.SaveOptions
---@field actor? leadcat.Actor who saves; without one it is the program itself, which may
---@field revision? integer the newest one that the actor has seen: if another was saved since, `stale`

--- Saves a whole config as a new revision. Every process decides by it at once.
---@param cfg leadcat.Config
---@param options? leadcat.SaveOptions
---@return integer? revision, string? message, string? code `invalid`, `stale`, `forbidden`, `full`, `io`; `approval`: with `four_eyes`, what an actor saves is a draft
---@return leadcat.Problem[]|leadcat.Draft|nil problems when `invalid`: all of them; when `approval` the draft
function settings:save(cfg, options)
  self:_check_open()
  if cfg == nil then
    error("config: a table expected, got nil", 2)
  end
  options = options_of.check(options, SAVE)
  return save(self, cfg, options)
end

--- All revisions, newest first.
---@return leadcat.Revision[]? revisions, string? message, string? code `unavailable`, `io`, `corrupt`: the store cannot be read
function settings:revisions()
  self:_check_open()
  local texts, message, code = self._store:revisions(self._tenant)
  if not texts then
    return nil, message, code
  end
  local revisions = {}
  for i, text in ipairs(texts) do
    revisions[i], message = json.decode(text)
    if not revisions[i] then
      return nil, ("the revisions are damaged: %s"):format(message), "corrupt"
    end
  end
  return revisions
end

--- Saves an old revision as a new one.
---@param revision integer the number of the version that is to hold again
---@param options? leadcat.SaveOptions
---@return integer? revision, string? message, string? code as `save`, and `not_found`
function settings:revert(revision, options)
  self:_check_open()
  if not is_revision(revision) or revision == 0 then
    error("revision: an integer from 1 expected", 2)
  end
  options = options_of.check(options, SAVE)
  local cfg, message, code = self:config(revision)
  if not cfg then
    return nil, message, code
  end
  return save(self, cfg, options, revision)
end

return settings
