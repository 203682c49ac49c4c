--- What keeps a store in order while it is in use: old questions and entries, the slots of dead processes, copies. Methods
-- of the engine, apart because no event and no user asks for any of it, but a timer or an administrator.

local options_of = require "leadcat.options"
local platform = require "leadcat.platform"
local question = require "leadcat.question"

local upkeep = {}

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

--- Closes the questions whose time is over, and removes the entries of the journal that are older than `retention` says.
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

--- What is to be done from time to time, for a timer, each whatever becomes of the others: `recover`, `sweep`, and freeing
-- the reader slots of processes that were killed; a config that one of them has saved unseen is seen then.
---@return {finished: integer, failed: integer, busy: integer, expired: integer, removed: integer, readers: integer}? counts
---@return string? message
---@return string? code
function upkeep:maintain()
  self:_check_open()
  local counts, message, code = self:recover()
  local swept, problem, failure = self:sweep()
  local readers, trouble, cause = self._store:check_readers()
  if not counts then
    return nil, message, code
  elseif not swept then
    return nil, problem, failure
  elseif not readers then
    return nil, trouble, cause
  end
  counts.expired, counts.removed, counts.readers = swept.expired, swept.removed, readers
  return counts
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
