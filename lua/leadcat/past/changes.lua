--- The sequence of all that was done in a tenant, for programs that follow it.

local confirmation = require "leadcat.events.confirmation"
local core = require "leadcat.core"
local journal = require "leadcat.past.journal"
local json = require "leadcat.util.json"
local options_of = require "leadcat.util.options"
local platform = require "leadcat.util.platform"

---@class leadcat.engine.changes: leadcat.Engine the engine's methods that stand here
local changes = {}

local LONGEST_WAIT = 30 -- seconds
local PAUSE = 0.2 -- seconds between two looks while waiting

---@class leadcat.Change
---@field cursor string where to go on behind it
---@field kind "ended"|"asked"|"closed"|"held"|"assigned" what the entry has done: with it, which is held, its rule has come to a stop; it has reached its end (again, when it was tried again), has asked a question, or has closed its question; of assigned: the question that it has asked was given to another user
---@field entry leadcat.Entry as it is now
---@field confirmation? leadcat.Confirmation of asked, closed and assigned: the question, as it is now

--- Behind all that has been done so far, as `after` of `engine:changes`.
changes.NEWEST = "newest"

changes.WAIT = options_of.kind(("a number of seconds from 0 to %d"):format(LONGEST_WAIT), function(value)
  return type(value) == "number" and value >= 0 and value <= LONGEST_WAIT
end)
local OPTIONS = { limit = options_of.limit, wait = changes.WAIT }

-- A number as a cursor, and the other way round: nil when it is none.
local function to_cursor(number)
  return ("%d"):format(number)
end

local function number_of(cursor)
  return cursor:find "^%d+$" and #cursor <= 16 and json.integer(tonumber(cursor)) or nil
end

-- Adds the question. Retention may have removed it.
local function with_question(self, change, id)
  local stored, message, code = self._store:confirmation(self._tenant, id)
  if stored then
    change.confirmation, message, code = confirmation.record(stored, self._tenant)
  end
  return (change.confirmation or code == "not_found") and change or nil, message, code
end

local function shown(self, stored)
  local change = {
    cursor = to_cursor(stored.number), kind = stored.kind, entry = journal.entry(stored.entry, self._tenant),
  }
  if stored.kind == "ended" or stored.kind == "held" then
    return change
  end
  return with_question(self, change, stored.entry.confirmation)
end

-- The changes behind a number, and the number of the last one.
local function read(self, after, limit)
  local found, last, removed = self._store:changes(self._tenant, after, limit)
  if found and after ~= 0 and after < removed then
    return nil, "changes behind this cursor have been removed since: go on at the start", "expired", to_cursor(removed)
  end
  return found, last, removed
end

-- Reads until there is something, or the time is over. Where other coroutines would have to stand still it does not wait.
local function wait_for(self, after, limit, seconds)
  local deadline = core.uptime() + (platform.may_wait() and seconds or 0)
  while true do
    local found, last, code, start = read(self, after, limit)
    local left = deadline - core.uptime()
    if not found or found[1] or last > after or left <= 0 then
      return found, last, code, start
    end
    platform.sleep(math.min(left, PAUSE))
  end
end

---@class (exact) leadcat.ChangesOptions
---@field limit? integer 1 to 1,000; default 100
---@field wait? number seconds, at most 30, for a change when there is none yet; other coroutines go on meanwhile. Default 0

--- All that was done in this tenant, oldest first, in the order in which it was done: entries that have reached their end, and
-- questions that were asked, given to somebody else, and closed. What is written later is always behind what has been read. What an entry or a question is now is
-- shown, so a question that was asked may be closed by now: that is a later change.
---@param after? string the cursor to go on behind; nil: from the oldest that is kept; "newest": behind all that has been done so far
---@param options? leadcat.ChangesOptions
---@return leadcat.Change[]? found
---@return string next the cursor to go on behind, also when nothing was found (or the message)
---@return string? code `expired`: changes behind the cursor have been removed; `invalid`: it is no cursor
---@return string? start of `expired`: where to go on
function changes:changes(after, options)
  self:_check_open()
  options = options_of.check(options, OPTIONS)
  if after ~= nil and type(after) ~= "string" then
    error("after: a cursor, a string, expected, got " .. type(after), 2)
  end
  if after == changes.NEWEST then
    local newest, message, code = self._store:newest_change(self._tenant)
    if not newest then
      return nil, message, code
    end
    after = to_cursor(newest)
  end
  local behind = number_of(after or "0")
  if not behind then
    return nil, "this is no cursor of changes", "invalid"
  end
  local found, last, code, start = wait_for(self, behind, options_of.page(options.limit), options.wait or 0)
  if not found then
    return nil, last, code, start
  end
  for i, stored in ipairs(found) do
    local message
    found[i], message, code = shown(self, stored)
    if not found[i] then
      return nil, message, code
    end
    platform.give_way()
  end
  return found, to_cursor(last)
end

return changes
