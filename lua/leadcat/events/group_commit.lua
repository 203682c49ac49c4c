--- Group commit: what the requests of a nginx worker write that are ready at the same time goes to disk with one commit,
-- which costs as much as one of them alone. Without nginx each commits for itself.
--
-- The first request that has something to write starts a light thread, which waits for an event that nginx handles behind
-- those of all connections that are ready now: until then the others add to it.

local platform = require "leadcat.util.platform"

local group_commit = {}

local PATIENCE = 1 -- seconds, until whoever waits sees to it himself, because the request that was to do it has ended
local LONGEST = 30 -- seconds that a write may take whose request has ended, or waits for the store

---@class leadcat.Gathered what is to be written with one commit
---@field key string under which it is found
---@field items table[]
---@field requests integer that wait for it
---@field ready table a semaphore: nginx has come round
---@field done table a semaphore: it is written
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
  local gathered = {
    key = key, items = {}, requests = 0, ready = semaphore.new(), done = semaphore.new(),
  }
  self._shared.gathered[key] = gathered
  platform.spawn(function()
    gathered.ready:wait(PATIENCE)
    commit(self, gathered, write)
  end)
  gathered.ready:post()
  return gathered
end

--- Writes items, with those of other requests where there are any.
---@param self leadcat.Engine
---@param name string of what is written: only the same goes together
---@param items table[]
---@param write fun(items: table[]): any, string?, string? writes all of them, or none
---@return any ok
---@return string? message
---@return string? code
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
