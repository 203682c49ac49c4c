--- Maintains a store in use: expires questions, carries out what is scheduled, trims journals, frees the reader slots of dead processes, makes copies.
-- Methods of the engine, for a timer or an administrator.

local calendar = require "leadcat.insight.calendar"
local cursor = require "leadcat.util.cursor"
local drafts = require "leadcat.rules.drafts"
local expiry = require "leadcat.events.expiry"
local later = require "leadcat.events.later"
local merged = require "leadcat.util.merged"
local options_of = require "leadcat.util.options"
local platform = require "leadcat.util.platform"
local unicode = require "leadcat.util.unicode"

---@class leadcat.engine.upkeep: leadcat.Engine the engine's methods that stand here
local upkeep = {}

local ROUND_STEPS = 16 -- of about 256 tenants each, whose journals one call of `maintain` looks at

local BACKUP = { compact = options_of.of_type "boolean" }

local KEPT = { -- how much of it is kept, where not the engine's `retention` says so
  marks = { age = 30 * 24 * 3600, count = 1000000 }, -- of events that came to nothing
  deliveries = { age = 30 * 24 * 3600, count = 100000 },
  calendar = { age = 1, count = 0 }, -- the list is of tenants that have a journal
}

local function kept_of(self, work)
  return KEPT[work] or self._shared.retention
end

-- Removes what is not kept: of the journal, of the notes of unchanged events, or of marks.
local function trim(self, what)
  local keep, total, from = kept_of(self, what), 0, 0
  local moves_on = cursor "the entries to be removed"
  repeat
    local removed
    local ok, following, code = moves_on(from)
    if ok then
      removed, following, code = self._store:trim(self._tenant, keep.age, keep.count, self:_now(), from, what)
    end
    if not removed then
      return nil, following, code
    end
    total, from = total + removed, following
    platform.give_way()
  until from == 0
  return { removed = total }
end

local function expire(engine)
  local expired, message, code = expiry.carry_out(engine)
  return expired and { expired = expired }, message, code
end

-- The work for one tenant, by the name of its due list in the store; `questions` is a part of `timed`. Returns counts.
local WORK = {
  questions = expire,
  timed = function(engine)
    local expired, message, code = expire(engine)
    local active, done
    if expired then
      active, message, code = drafts.carry_out(engine)
    end
    if active then
      done, message, code = later.carry_out(engine)
    end
    return done and merged(expired, {
      carried_out = active.carried_out + done.carried_out, dropped = active.dropped + done.dropped,
    }), message, code
  end,
  journal = function(engine) return trim(engine, "journal") end,
  unchanged = function(engine) return trim(engine, "unchanged") end,
  marks = function(engine) return trim(engine, "marks") end,
  deliveries = function(engine) return trim(engine, "deliveries") end,
  changes = function(engine) return engine:recover() end,
  calendar = calendar.step,
}
local DUE = { calendar = "journal" } -- where the list has another name

-- Does one kind of work, and adds what it did to the counts.
local function work_on(engine, work, counts)
  local done, message, code = WORK[work](engine)
  for name, count in pairs(done or {}) do
    counts[name] = counts[name] + count
  end
  return done, message, code
end

--- Ends this tenant's questions whose time is over (`expired`, also where `on_expiry` was done), and removes what is older than is kept.
---@return {expired: integer, removed: integer}? counts, string? message, string? code `unavailable`, `full`, `io`, `corrupt`
function upkeep:sweep()
  self:_check_open()
  local counts = { expired = 0, removed = 0 }
  for _, work in ipairs { "questions", "journal", "unchanged", "marks", "deliveries" } do
    local done, message, code = work_on(self, work, counts)
    if not done then
      return nil, message, code
    end
  end
  return counts
end

-- A failure does not stop the other work. The first one is reported at the end.
local function fail(run, message, code)
  run.failure = run.failure or { message, code }
end

local function visit(self, run, work, tenant)
  local engine = self:_visit(tenant)
  local done, message, code = work_on(engine, work, run.counts)
  if not done then
    local who = engine == self and "" or ("tenant '%s': "):format(unicode.visible(tenant))
    fail(run, who .. message, code)
  end
end

-- Does some work for the tenants that have it due, from a place ("": the first tenant), in at most `steps` steps.
-- Returns where to go on; "" when all had their turn.
local function visit_next(self, run, work, place, steps)
  local keep, moves_on = kept_of(self, work), cursor("the tenants with " .. work)
  repeat
    local tenants
    local ok, following, code = moves_on(place)
    if ok then
      tenants, following, code = self._store:due(DUE[work] or work, keep.age, keep.count, self:_now(), place)
    end
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

-- The same for work that is never urgent, but must look at every tenant. The first call looks at all, because it may be
-- the only one. Later calls go round.
local function visit_in_rounds(self, run, work)
  local rounds = self._shared.rounds
  local place = visit_next(self, run, work, rounds[work] or "", rounds[work] and ROUND_STEPS or math.huge)
  if rounds[work] or place == "" then
    rounds[work] = place
  end
end

-- Goes on with the calendars: this tenant's, and those of others that have a journal.
local function visit_calendars(self, run)
  visit(self, run, "calendar", self._tenant)
  if not self._shared.of_one_tenant then
    visit_in_rounds(self, run, "calendar")
  end
end

--- Does the regular maintenance, for a timer: of all tenants of the store, or of one when `leadcat.open` was given a
-- tenant. It ends questions whose time is over (`expired`, also where the rule's `on_expiry` was done), carries out what is scheduled and due, makes drafts active whose time has come, removes what `retention` does not keep, and frees the reader slots of killed
-- processes (after which a config that one of them saved is seen). Last, because hosts may be slow, it finishes changes
-- that a crash or a failing host left. It costs the work that is due, plus a look at each tenant with open questions
-- or something scheduled and at each unfinished change. An engine's first call looks at all journals, each later call at about 4,000. A
-- failure for one tenant does not stop the others. All are maintained with this engine's `retention` and host, which is
-- told the tenant. Marks of events that came to nothing are written, and those over 30 days old or beyond a million of a tenant
-- removed; so are deliveries over 30 days old or beyond 100,000 of a tenant, but not those that wait. Last, each day, by UTC, all companies
-- are looked at for rules of `no_sale_for` (`engine:calendar`), 1,000 of a tenant a call.
---@return {finished: integer, failed: integer, busy: integer, expired: integer, carried_out: integer, dropped: integer, removed: integer, readers: integer, calendar: integer, no_sale: integer}? counts of all tenants; calendar: companies that it has looked at for rules of `no_sale_for`, not 0 while there are more; no_sale: events of theirs
---@return string? message, string? code of the first failure, `unavailable`, `full`, `io` or `corrupt`; everything else was done
function upkeep:maintain()
  self:_check_open()
  local run = { counts = {
    finished = 0, failed = 0, busy = 0, expired = 0, carried_out = 0, dropped = 0, removed = 0,
    calendar = 0, no_sale = 0,
  } }
  visit_next(self, run, "timed", "", math.huge)
  visit_in_rounds(self, run, "journal")
  visit_in_rounds(self, run, "unchanged")
  visit_in_rounds(self, run, "marks")
  visit_in_rounds(self, run, "deliveries")
  local settled, message, code = self._store:settle()
  if not settled then
    fail(run, message, code)
  end
  local readers
  readers, message, code = self._store:check_readers()
  if not readers then
    fail(run, message, code)
  end
  visit_next(self, run, "changes", "", math.huge)
  visit_calendars(self, run)
  if run.failure then
    return nil, run.failure[1], run.failure[2]
  end
  run.counts.readers = readers
  return run.counts
end

--- Makes the changes that wait for it, of all tenants as `maintain` does, and decides what is queued behind them: for the loop of
-- a process that makes what engines with `apply = "elsewhere"` have written. It costs the work that is due.
---@return {finished: integer, failed: integer, busy: integer}? counts
---@return string? message, string? code of the first failure, `unavailable`, `full`, `io` or `corrupt`; everything else was done
function upkeep:apply_pending()
  self:_check_open()
  local run = { counts = { finished = 0, failed = 0, busy = 0 } }
  visit_next(self, run, "changes", "", math.huge)
  if run.failure then
    return nil, run.failure[1], run.failure[2]
  end
  return run.counts
end

local IDLE = 5 -- seconds without a commit, then a probe writes

--- Whether the store works: both files can be read, and something was committed in the last seconds, or can be now.
---@return true? works, string? message, string? code `unavailable`, `full`, `io`, `corrupt`: why it does not
function upkeep:probe()
  self:_check_open()
  return self._store:probe(IDLE)
end

---@class (exact) leadcat.BackupOptions
---@field compact? boolean without unused pages: smaller, and takes longer

--- Copies the store, while it is in use, into a directory that has none. On success the copy is on disk.
---@param path string created when its parent exists
---@param options? leadcat.BackupOptions
---@return true? done, string? message, string? code `conflict`: the directory has a store; `io`, `full`
function upkeep:backup(path, options)
  self:_check_open()
  if type(path) ~= "string" or path == "" or path:find "%z" then
    error("path: a directory's name expected", 2)
  end
  return self._store:copy(path, options_of.check(options, BACKUP).compact)
end

return upkeep
