--- Group commit: requests of an nginx worker that are ready at the same time share one commit, which costs no more than
-- one request's. Without nginx each commits for itself.
--
-- The first request starts a light thread, which waits for an event that nginx handles after those of all connections
-- that are ready now. Until then other requests add to it.

local platform = require "leadcat.util.platform"

local group_commit = {}

local PATIENCE = 1 -- seconds before a waiting request commits by itself: the one that was to do it may have ended
local LONGEST = 30 -- seconds that a write may take when its request has ended, or waits for the store

---@class leadcat.SharedCommit
---@field key string
---@field items table[] what will be written
---@field requests integer how many wait
---@field ready table semaphore: nginx has handled all connections
---@field done table semaphore: it is written
---@field begun? boolean it is being written, or was
---@field result? table {ok, message, code}

-- Writes it, once. A store may yield meanwhile.
local function commit(self, pending, write)
  if pending.begun then
    return
  end
  pending.begun = true
  self._shared.commits[pending.key] = nil
  pending.result = { write(pending.items) }
  pending.done:post(pending.requests)
end

local function begin(self, key, write)
  local semaphore = platform.semaphore
  local pending = { key = key, items = {}, requests = 0, ready = semaphore.new(), done = semaphore.new() }
  self._shared.commits[key] = pending
  platform.spawn(function()
    pending.ready:wait(PATIENCE)
    commit(self, pending, write)
  end)
  pending.ready:post()
  return pending
end

--- Writes items, together with those of other requests.
---@param self leadcat.Engine
---@param name string only calls with the same name share a commit
---@param items table[]
---@param write fun(items: table[]): any, string?, string? writes all of them, or none
---@return any ok, string? message, string? code
function group_commit.write(self, name, items, write)
  if not platform.can_share() then
    return write(items)
  end
  local key = name .. " " .. self._tenant
  local pending = self._shared.commits[key] or begin(self, key, write)
  for _, item in ipairs(items) do
    pending.items[#pending.items + 1] = item
  end
  pending.requests = pending.requests + 1
  if not pending.done:wait(PATIENCE) then
    commit(self, pending, write)
  end
  if not pending.result and not pending.done:wait(LONGEST) then
    return nil, "the store has not answered: nobody knows whether this was written", "unavailable"
  end
  return pending.result[1], pending.result[2], pending.result[3]
end

return group_commit
