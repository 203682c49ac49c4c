--- Group commit: requests of an nginx worker that are ready at the same time share one commit, which costs no more than
-- one request's. Without nginx each commits for itself.
--
-- The first request starts a light thread, which waits for an event that nginx handles after those of all connections
-- that are ready now. Until then other requests add to it.

local platform = require "leadcat.util.platform"

local group_commit = {}

local PATIENCE = 1 -- seconds before a waiting request commits by itself: the one that was to do it may have ended
local LONGEST = 30 -- seconds that a write may take when its request has ended, or waits for the store

---@class leadcat.Gathered a shared commit
---@field key string
---@field items table[] what will be written
---@field requests integer how many wait
---@field ready table semaphore: nginx has handled all connections
---@field done table semaphore: it is written
---@field begun? boolean it is being written, or was
---@field result? table {ok, message, code}

-- Writes it, once. A store may yield meanwhile.
local function commit(self, gathered, write)
  if gathered.begun then
    return
  end
  gathered.begun = true
  self._shared.gathered[gathered.key] = nil
  gathered.result = { write(gathered.items) }
  gathered.done:post(gathered.requests)
end

local function begin(self, key, write)
  local semaphore = platform.semaphore
  local gathered = { key = key, items = {}, requests = 0, ready = semaphore.new(), done = semaphore.new() }
  self._shared.gathered[key] = gathered
  platform.spawn(function()
    gathered.ready:wait(PATIENCE)
    commit(self, gathered, write)
  end)
  gathered.ready:post()
  return gathered
end

--- Writes items, together with those of other requests.
---@param self leadcat.Engine
---@param name string only calls with the same name share a commit
---@param items table[]
---@param write fun(items: table[]): any, string?, string? writes all of them, or none
---@return any ok, string? message, string? code
function group_commit.write(self, name, items, write)
  if not platform.semaphore or not platform.can_yield() then
    return write(items)
  end
  local key = name .. " " .. self._tenant
  local gathered = self._shared.gathered[key] or begin(self, key, write)
  for _, item in ipairs(items) do
    gathered.items[#gathered.items + 1] = item
  end
  gathered.requests = gathered.requests + 1
  if not gathered.done:wait(PATIENCE) then
    commit(self, gathered, write)
  end
  if not gathered.result and not gathered.done:wait(LONGEST) then
    return nil, "the store has not answered: nobody knows whether this was written", "unavailable"
  end
  return gathered.result[1], gathered.result[2], gathered.result[3]
end

return group_commit
