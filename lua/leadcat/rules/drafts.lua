--- Drafts of the config: saved with what they would do, looked at, discarded, and approved, which makes them active at once or at a
-- time. Methods of the engine.
--
-- What becomes active is what the draft has changed, put together with what others have saved since (`rules/merge.lua`); where both
-- have changed the same, it is refused. The revision knows the draft's key: whoever is killed between saving it and removing the
-- draft, or approves at the same moment as somebody else, finds it there, and nothing is saved twice.

local compare = require "leadcat.past.compare"
local check = require "leadcat.rules.check"
local config = require "leadcat.rules.config"
local confirmation = require "leadcat.events.confirmation"
local core = require "leadcat.core"
local event_of = require "leadcat.events.event"
local json = require "leadcat.util.json"
local merge = require "leadcat.rules.merge"
local merged = require "leadcat.util.merged"
local options_of = require "leadcat.util.options"
local replay = require "leadcat.past.replay"
local settings = require "leadcat.rules.save"

---@class leadcat.engine.drafts: leadcat.Engine the engine's methods that stand here
local drafts = {}

--- Newest entries of the journal that a config is tried on.
drafts.TRIED = 1000

local MOST = 20 -- of a tenant
local LONGEST_NOTE = 1000 -- bytes
local TRIES = 16 -- of an approval that others overtake

---@class leadcat.DraftEffect what the draft would have done with the newest events, compared with the rules then in force
---@field events integer that were tried
---@field companies integer whose events they are
---@field moved integer companies that would stand in another category

---@class leadcat.Draft
---@field id integer
---@field at number when it was saved: seconds since 1970
---@field actor? leadcat.Actor who has written it; absent for the program itself
---@field base integer the revision that it was made from
---@field note? string why, in its author's words
---@field reverted? integer the revision that it would restore
---@field effect leadcat.DraftEffect
---@field approved_by? leadcat.Actor of one that waits for its time; absent for the program itself
---@field approved_at? number likewise
---@field due? number when it becomes active
---@field problem? string why it could not be made active at its time, in English
---@field revision? integer of one that has just been approved: the revision that it has become
---@field config? leadcat.Config of one that was asked for by its id

-- Records -------------------------------------------------------------------------------------------------------------

-- The draft of a store's record, with what only this file needs: `key` and `json`.
local function decode(record)
  local draft, message = json.decode(record.json)
  if type(draft) ~= "table" or type(draft.config) ~= "table" then
    return nil, ("draft %d is damaged: %s"):format(record.id, message or "it has no config"), "corrupt"
  end
  draft.id, draft.due, draft.json, draft.config = record.id, record.due, record.json, config.normalize(draft.config)
  return draft
end

-- What callers see of it.
local function shown(draft, more)
  local copy = merged(draft, more)
  copy.key, copy.json, copy.config = nil, nil, more and more.config
  return copy
end

-- All of a tenant, by id; with `due_by` only those that are due then.
local function read(self, due_by)
  local records, message, code = self._store:drafts(self._tenant, MOST, due_by)
  local list = {}
  for i, record in ipairs(records or {}) do
    list[i], message, code = decode(record)
    if not list[i] then
      return nil, message, code
    end
  end
  return records and list, message, code
end

local function find(self, id)
  event_of.check_entry(id)
  local list, message, code = read(self)
  for _, draft in ipairs(list or {}) do
    if draft.id == id then
      return draft
    end
  end
  if not list then
    return nil, message, code
  end
  return nil, ("there is no draft %.0f"):format(id), "not_found"
end

-- Writes the draft in place of what it was; `draft.json` is what is there from now on.
local function put(self, draft)
  local record = merged(draft)
  record.id, record.due, record.json, record.revision = nil, nil, nil, nil
  local text = json.encode(record)
  local id, message, code = self._store:put_draft(self._tenant, {
    id = draft.id, before = draft.json, json = text, due = draft.due,
  }, self:_now())
  draft.id, draft.json = id or draft.id, id and text or draft.json
  return id, message, code
end

-- One that is gone already is removed.
local function remove(self, draft)
  local done, message, code = self._store:put_draft(self._tenant, { id = draft.id, before = draft.json }, self:_now())
  return (done or code == "conflict") and true or nil, message, code
end

-- Before the first save the config is empty.
local function config_of(self, revision)
  if revision == 0 then
    return config.normalize { revision = 0 }
  end
  return self:config(revision)
end

-- Saving --------------------------------------------------------------------------------------------------------------

-- What the config would have done, or nil, message, code, problems.
local function effect_of(self, cfg, before)
  local entries, message, code = self:history { limit = drafts.TRIED, unchanged = true }
  if not entries then
    return nil, message, code
  end
  local own
  own, message, code = self:_own_triggers()
  if not own then
    return nil, message, code
  end
  local report, problems
  report, message, code, problems = compare.run(before, cfg, replay.events(entries), { triggers = own, limit = 1 })
  return report and { events = report.events, companies = report.companies, moved = report.changed.companies }, message,
    code, problems
end

drafts.SAVE = {
  actor = options_of.actor, revision = options_of.whole(0, 2 ^ 53), reverted = options_of.whole(1, 2 ^ 53),
  note = options_of.kind(("a text of at most %d bytes"):format(LONGEST_NOTE), function(value)
    return type(value) == "string" and #value <= LONGEST_NOTE
  end),
}

---@class (exact) leadcat.SaveDraftOptions
---@field actor? leadcat.Actor who writes it; without one it is the program itself
---@field revision? integer that it was made from; default: the newest
---@field note? string why, for whoever approves it: at most 1,000 bytes
---@field reverted? integer the revision that it restores

--- Saves a config as a draft, with what it would have done. Nothing is decided by it until it is approved.
---@param cfg leadcat.Config
---@param options? leadcat.SaveDraftOptions
---@return leadcat.Draft? draft, string? message, string? code `invalid`, `forbidden`, `full`: there are 20 drafts, or no room; `not_found`: no such revision
---@return leadcat.Problem[]? problems when `invalid`: all of them
function drafts:save_draft(cfg, options)
  self:_check_open()
  if cfg == nil then
    error("config: a table expected, got nil", 2)
  end
  options = options_of.check(options, drafts.SAVE)
  local allowed, message, code = self:can(options.actor, "configure")
  if not allowed then
    return nil, message or "only an administrator may write drafts of the rules", code or "forbidden"
  end
  local problems = self:check(cfg)
  if check.has_errors(problems) then
    return nil, settings.refusal(problems), "invalid", problems
  end
  local list, before, effect
  list, message, code = read(self)
  if list and #list >= MOST then
    return nil, ("there are %d drafts already: discard one first"):format(MOST), "full"
  elseif list then
    before, message, code = self:config()
  end
  if before and (options.revision or before.revision) ~= before.revision then
    before, message, code = config_of(self, options.revision)
  end
  if before then
    effect, message, code, problems = effect_of(self, cfg, before)
  end
  if not effect then
    return nil, message, code, problems
  end
  local draft = {
    key = core.random_id(), at = self:_now(), actor = options.actor, base = before.revision, note = options.note,
    reverted = options.reverted, effect = effect, config = config.normalize(cfg),
  }
  local id
  id, message, code = put(self, draft)
  return id and shown(draft), message, code
end

-- Looking -------------------------------------------------------------------------------------------------------------

--- All drafts, newest first: 20 at most.
---@return leadcat.Draft[]? drafts, string? message, string? code `unavailable`, `io`, `corrupt`
function drafts:drafts()
  self:_check_open()
  local list, message, code = read(self)
  if not list then
    return nil, message, code
  end
  local newest = json.array {}
  for i = #list, 1, -1 do
    newest[#newest + 1] = shown(list[i])
  end
  return newest
end

-- New rules of the draft whose keys somebody else's new rules have by now get ids of their own.
local function tell_apart(base, theirs, mine)
  local function keys(cfg)
    local found = {}
    for _, rule in ipairs(cfg.rules) do
      found[config.rule_key(rule.trigger, rule.lead_status, rule.id)] = true
    end
    return found
  end
  local old, new, next_id = keys(base), keys(theirs), config.free_ids(theirs.rules, mine.rules)
  for _, rule in ipairs(mine.rules) do
    local key = config.rule_key(rule.trigger, rule.lead_status, rule.id)
    if new[key] and not old[key] then
      rule.id = next_id()
    end
  end
end

-- Paths of what both have added under the same id, which nobody can tell apart.
local function twins(base, theirs, mine)
  local paths = {}
  for _, list in ipairs { "categories", "lead_statuses" } do
    for _, item in ipairs(mine[list]) do
      local other = config.find(theirs[list], item.id)
      if other and not config.find(base[list], item.id) and json.encode(other) ~= json.encode(item) then
        paths[#paths + 1] = ("%s.%d.exists"):format(list, item.id)
      end
    end
  end
  return paths
end

---@class leadcat.DraftOutlook what approving a draft would come to now
---@field config leadcat.Config what would be in force
---@field newest leadcat.Config what is
---@field base leadcat.Config what the draft was made from
---@field conflicts string[] paths of what others have changed otherwise since; none: it can be made active

-- What the draft and the newest config come to together.
local function foresee(self, draft)
  local newest, message, code = self:config()
  local base
  if newest then
    base, message, code = config_of(self, draft.base)
  end
  if not base then
    return nil, message, code
  end
  local mine = config.copy(draft.config)
  mine.revision = nil
  tell_apart(base, newest, mine)
  local together, conflicts = merge.configs(base, newest, mine)
  for _, path in ipairs(twins(base, newest, mine)) do
    conflicts[#conflicts + 1] = path
  end
  return { config = together, newest = newest, base = base, conflicts = conflicts }
end

--- One draft, with its config, and what approving it would come to now.
---@param id integer of the draft
---@return leadcat.Draft? draft
---@return leadcat.DraftOutlook|string|nil foreseen, string? code (or the message) `not_found`, `unavailable`, `io`, `corrupt`
function drafts:draft(id)
  self:_check_open()
  local draft, message, code = find(self, id)
  local foreseen
  if draft then
    foreseen, message, code = foresee(self, draft)
  end
  if not foreseen then
    return nil, message, code
  end
  return shown(draft, { config = draft.config }), foreseen
end

-- Approving -----------------------------------------------------------------------------------------------------------

-- The revision that the draft has become already.
local function revision_of(self, draft)
  local revisions, message, code = self:revisions()
  for _, revision in ipairs(revisions or {}) do
    if revision.draft == draft.key then
      return revision.revision
    end
  end
  return revisions and 0, message, code
end

local function conflict(conflicts)
  return ("others have changed the same since: %s"):format(table.concat(conflicts, ", ", 1, math.min(#conflicts, 5)))
end

-- Saves what the draft comes to now. Its revision; nil, message, code: `conflict`, `invalid`.
local function activate(self, draft)
  for _ = 1, TRIES do
    local revision, message, code = revision_of(self, draft)
    if revision ~= 0 then
      return revision, message, code
    end
    local foreseen
    foreseen, message, code = foresee(self, draft)
    if not foreseen then
      return nil, message, code
    elseif foreseen.conflicts[1] then
      return nil, conflict(foreseen.conflicts), "conflict"
    elseif merge.is_same(foreseen.config, foreseen.newest) then
      return foreseen.newest.revision -- others have saved the same
    end
    revision, message, code = settings.save_approved(self, foreseen.config, foreseen.newest.revision, {
      at = self:_now(), actor = draft.actor, reverted = draft.reverted, draft = draft.key,
      approved_by = draft.approved_by, approved_at = draft.approved_at,
    })
    if revision or code ~= "stale" then
      return revision, message, code
    end
  end
  return nil, "others keep saving the rules", "unavailable"
end

-- Makes a draft active and removes it.
local function carry_out(self, draft)
  local revision, message, code = activate(self, draft)
  local done = revision
  if done then
    done, message, code = remove(self, draft)
  end
  return done and revision, message, code
end

--- Whether the actor may approve the draft: `approve`, and with four eyes not his own.
---@param draft leadcat.Draft
---@return boolean? allowed, string? message, string? code
function drafts.may_approve(self, actor, draft)
  local is_known = actor and event_of.key(actor.id) ~= nil
  if actor and self.four_eyes and (not is_known or confirmation.same_user(actor, draft.actor)) then
    return false, "another administrator has to approve it"
  end
  return self:can(actor, "approve", draft)
end

drafts.APPROVE = {
  actor = options_of.actor, at = options_of.kind("seconds since 1970", function(value)
    return type(value) == "number" and value > 0 and value < 253402300800
  end),
}

---@class (exact) leadcat.ApproveOptions
---@field actor? leadcat.Actor who approves; without one it is the program itself, which may
---@field at? number when it is to become active, in seconds since 1970; default: now

--- Makes a draft active: now, or at a time, when `maintain` does it. `can` is asked for `approve`; with `four_eyes` nobody may
-- approve his own.
---@param id integer of the draft
---@param options? leadcat.ApproveOptions
---@return leadcat.Draft? draft with its `revision`, or when it is `due`
---@return string? message, string? code `not_found`, `forbidden`, `conflict`: others have changed the same since, or the draft itself; `invalid`: with what others have saved since it has errors
function drafts:approve(id, options)
  self:_check_open()
  options = options_of.check(options, drafts.APPROVE)
  local draft, message, code = find(self, id)
  if not draft then
    return nil, message, code
  end
  local allowed
  allowed, message, code = drafts.may_approve(self, options.actor, shown(draft))
  if not allowed then
    return nil, message or "only an administrator may approve drafts of the rules", code or "forbidden"
  end
  draft.approved_by, draft.approved_at, draft.problem = options.actor, self:_now(), nil
  local done
  draft.due = options.at and options.at > self:_now() and options.at or nil
  if draft.due then
    done, message, code = put(self, draft)
  else
    done, message, code = carry_out(self, draft)
    draft.revision = done
  end
  return done and shown(draft), message, code
end

---@class (exact) leadcat.DiscardOptions
---@field actor? leadcat.Actor `can` is asked whether he may `configure`

--- Removes a draft, also one that waits for its time.
---@param id integer of the draft
---@param options? leadcat.DiscardOptions
---@return true? done, string? message, string? code `not_found`, `forbidden`; `conflict`: somebody has just changed it
function drafts:discard(id, options)
  self:_check_open()
  options = options_of.check(options, { actor = options_of.actor })
  local allowed, message, code = self:can(options.actor, "configure")
  if not allowed then
    return nil, message or "only an administrator may discard drafts of the rules", code or "forbidden"
  end
  local draft
  draft, message, code = find(self, id)
  if not draft then
    return nil, message, code
  end
  local done
  done, message, code = self._store:put_draft(self._tenant, { id = draft.id, before = draft.json }, self:_now())
  return done and true, message, code
end

-- Upkeep --------------------------------------------------------------------------------------------------------------

local REFUSED = { conflict = true, invalid = true } -- what does not get better by itself

--- Makes drafts active whose time has come. One that cannot be stays, says why, and waits for somebody to approve it anew.
---@param self leadcat.Engine
---@return {carried_out: integer, dropped: integer}? counts, string? message, string? code
function drafts.carry_out(self)
  local counts = { carried_out = 0, dropped = 0 }
  local list, message, code = read(self, self:_now())
  for _, draft in ipairs(list or {}) do
    local revision, why, failure = carry_out(self, draft)
    if revision then
      counts.carried_out = counts.carried_out + 1
    elseif REFUSED[failure] then
      draft.due, draft.approved_by, draft.approved_at, draft.problem = nil, nil, nil, why
      counts.dropped = counts.dropped + 1
      local _
      _, why, failure = put(self, draft)
    end
    if failure and not REFUSED[failure] then
      return nil, why, failure
    end
  end
  return list and counts, message, code
end

--- Erases a person: `erase` takes him out of a draft without its config, and tells whether he was there.
---@param self leadcat.Engine
---@param erase fun(draft: table): boolean
---@return integer? erased, string? message, string? code
function drafts.forget(self, erase)
  local erased = 0
  local list, message, code = read(self)
  for _, draft in ipairs(list or {}) do
    local cfg, before, id, key = draft.config, draft.json, draft.id, draft.key
    draft.config, draft.json, draft.id, draft.key = nil, nil, nil, nil
    local found = erase(draft)
    draft.config, draft.json, draft.id, draft.key = cfg, before, id, key
    local done = not found or put(self, draft)
    if found and done then
      erased = erased + 1
    elseif not done then
      return nil, "a draft that names the person keeps changing", "unavailable"
    end
  end
  return list and erased, message, code
end

return drafts
