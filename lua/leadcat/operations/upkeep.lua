--- What keeps a store in order while it is in use: old questions and entries, the slots of dead processes, copies. Methods
-- of the engine, apart because no event and no user asks for any of it, but a timer or an administrator.

local options_of = require "leadcat.util.options"
local platform = require "leadcat.util.platform"
local question = require "leadcat.events.question"

local upkeep = {}

local ROUND_STEPS = 16 -- of some 256 tenants each: those whose journals one call of `maintain` looks at

local BACKUP = { compact = options_of.of_type "boolean" }

-- Removes what is older or more than is to be kept, some at a time: of the journal, or of what came to nothing.
local function trim(self, unchanged)
  local keep, total, from = self._shared.retention, 0, 0
  repeat
    local removed, following, code = self._store:trim(self._tenant, keep.age, keep.count, self:_now(), from, unchanged)
    if not removed then
      return nil, following, code
    end
    total, from = total + removed, following
    platform.give_way()
  until from == 0
  return total
end

--- Closes this tenant's questions whose time is over, and removes the entries of its journal that are older or more than
-- `retention` says.
---@return {expired: integer, removed: integer}? counts
---@return string? message
---@return string? code
function upkeep:sweep()
  self:_check_open()
  local expired, message, code = question.expire(self)
  if not expired then
    return nil, message, code
  end
  local removed, unchanged
  removed, message, code = trim(self)
  if removed then
    unchanged, message, code = trim(self, true)
  end
  if not unchanged then
    return nil, message, code
  end
  return { expired = expired, removed = removed + unchanged }
end

local function removed(engine, unchanged)
  local total, message, code = trim(engine, unchanged)
  return total and { removed = total }, message, code
end

-- What is done for a tenant that has it due, by what the store calls it; gives counts.
local WORK = {
  questions = function(engine)
    local expired, message, code = question.expire(engine)
    return expired and { expired = expired }, message, code
  end,
  journal = function(engine) return removed(engine, false) end,
  unchanged = function(engine) return removed(engine, true) end,
  changes = function(engine) return engine:recover() end,
}

-- What fails is not to keep the rest waiting: the first of it is told when all is done.
local function fail(run, message, code)
  run.failure = run.failure or { message, code }
end

local function visit(self, run, work, tenant)
  local engine = self:_visit(tenant)
  local counts, message, code = WORK[work](engine)
  if not counts then
    local who = engine == self and "" or ("tenant '%s': "):format(tenant:gsub("%c", "?"))
    fail(run, who .. message, code)
  end
  for name, count in pairs(counts or {}) do
    run.counts[name] = run.counts[name] + count
  end
end

-- Has some work done for the tenants that have it due, from a place on ("": the first), in so many steps.
---@return string place where to go on; "" when all have had their turn
local function visit_next(self, run, work, place, steps)
  local keep = self._shared.retention
  repeat
    local tenants, following, code = self._store:due(work, keep.age, keep.count, self:_now(), place)
    if not tenants then
      fail(run, following, code)
      return place
    end
    for _, tenant in ipairs(tenants) do
      if not self._shared.of_one_tenant or tenant == self._tenant then
        visit(self, run, work, tenant)
      end
    end
    place, steps = following, steps - 1
    platform.give_way()
  until place == "" or steps == 0
  return place
end

-- The same for work that is never urgent, and would need a look at every tenant: the first call has it done for all, as it
-- may be the only one; the next ones go round.
local function visit_in_rounds(self, run, work)
  local rounds = self._shared.rounds
  local place = visit_next(self, run, work, rounds[work] or "", rounds[work] and ROUND_STEPS or math.huge)
  if rounds[work] or place == "" then
    rounds[work] = place
  end
end

--- What is to be done from time to time, for a timer, for all tenants of the store: closes the questions whose time is
-- over, removes what is older or more than `retention` says, frees the reader slots of processes that were killed (a config
-- that one of them has saved unseen is seen then), and finishes what a crash or a failing host has left unfinished: that
-- last, as hosts may be slow. Where `leadcat.open` was given a tenant, it is for that one. It costs what is due, and a
-- look at each tenant with open questions and at each unfinished change. Journals are gone through in rounds: all of them
-- in the first call of an engine, then those of some 4,000 tenants a call. What goes wrong for one tenant does not keep the
-- others from their turn. All are maintained with this engine's host, which is told the tenant, and its `retention`.
---@return {finished: integer, failed: integer, busy: integer, expired: integer, removed: integer, readers: integer}? counts of all tenants
---@return string? message the first thing that went wrong; the rest has been done
---@return string? code
function upkeep:maintain()
  self:_check_open()
  local run = { counts = { finished = 0, failed = 0, busy = 0, expired = 0, removed = 0 } }
  visit_next(self, run, "questions", "", math.huge)
  visit_in_rounds(self, run, "journal")
  visit_in_rounds(self, run, "unchanged")
  local readers, message, code = self._store:check_readers()
  if not readers then
    fail(run, message, code)
  end
  visit_next(self, run, "changes", "", math.huge)
  if run.failure then
    return nil, run.failure[1], run.failure[2]
  end
  run.counts.readers = readers
  return run.counts
end

--- Copies the store, while it is in use, into a directory that has none yet. What is returned as done is on disk.
---@param path string made when its parent exists
---@param options? {compact?: boolean} without the pages that are not used
---@return true? done
---@return string? message
---@return string? code `conflict`: there is a store already; `io`, `full`
function upkeep:backup(path, options)
  self:_check_open()
  if type(path) ~= "string" or path == "" or path:find "%z" then
    error("path: a directory's name expected", 2)
  end
  return self._store:copy(path, options_of.check(options, BACKUP).compact)
end

return upkeep
