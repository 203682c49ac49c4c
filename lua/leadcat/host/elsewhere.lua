--- Companies that a host keeps, in a process that leaves their changes to another one (`leadcat.open{apply = "elsewhere"}`). A
-- change is written as `applying`, and nobody's: whoever recovers changes makes it (`foreign.lua`). An event that comes
-- before that is `queued` behind it.

local foreign = require "leadcat.host.foreign"
local platform = require "leadcat.util.platform"

local elsewhere = {
  CHANGING = foreign.CHANGING,
  HANDLING = { most = foreign.HANDLING.most, queues = true },
  category = foreign.category, categories = foreign.categories, may_change = foreign.may_change,
  change = foreign.change,
}

local PATIENCE, POLL = 5, 0.02 -- seconds to wait for another process, and between two looks

--- For how many seconds changes are claimed: whoever makes them claims them.
function elsewhere.seconds()
  return 0
end

--- As `foreign.in_flight` does. Here nobody waits for the host.
---@return any ...
function elsewhere.in_flight(_, _, fn, ...)
  return fn(nil, ...)
end

--- The outcomes of changes that were written: they are `applying`.
---@param changes leadcat.HostChange[]
---@return leadcat.Outcome[] outcomes
function elsewhere.apply(_, changes)
  local outcomes = {}
  for i, change in ipairs(changes) do
    outcomes[i] = change.outcome
  end
  return outcomes
end

--- Waits until another process has made the company's unfinished change and what is queued behind it.
---@param self leadcat.Engine
---@param key string the company's text
---@return boolean? done, string? message, string? code `unavailable` when it does not in a few seconds
function elsewhere.settle(self, key)
  local waited = 0
  while true do
    local newest, message, code = self._store:newest(self._tenant, key)
    if newest or code ~= "conflict" then
      return newest and true, message, code
    elseif waited >= PATIENCE then
      return nil, ("company %s has a change that waits for the process that makes changes"):format(key), "unavailable"
    end
    platform.sleep(POLL)
    waited = waited + POLL
  end
end

--- Nothing to do: another process makes the changes.
---@return {finished: integer, failed: integer, busy: integer} counts
function elsewhere.recover()
  return { finished = 0, failed = 0, busy = 0 }
end

return elsewhere
