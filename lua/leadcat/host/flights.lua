--- The companies that the host is changing for coroutines of an engine, by tenant: the store cannot tell coroutines apart.

local core = require "leadcat.core"
local platform = require "leadcat.util.platform"
local protected = require "leadcat.util.protected"

local flights = {}

---@class leadcat.Flight companies that the host is changing for a coroutine of this engine
---@field coroutine any (`platform.running`)
---@field deadline number of its claims, by `core.uptime`

local function all_of(self)
  local all = self._in_flight[self._tenant]
  if not all then
    all = {}
    self._in_flight[self._tenant] = all
  end
  return all
end

--- The flight that a company is in, if any.
---@param self leadcat.Engine
---@param company string its text
---@return leadcat.Flight?
function flights.of(self, company)
  return all_of(self)[company]
end

local function land(self, companies, flight)
  local all = all_of(self)
  for _, company in ipairs(companies) do
    if all[company] == flight then
      all[company] = nil
    end
  end
  if next(all) == nil then
    self._in_flight[self._tenant] = nil
  end
end

--- Calls `fn(flight, ...)` while the companies are in flight, for at most so many seconds.
---@param self leadcat.Engine
---@param companies string[] their texts
---@param seconds number
---@param fn fun(flight: leadcat.Flight, ...): ...
---@return any ... what `fn` returns; raises what it raises
function flights.with(self, companies, seconds, fn, ...)
  local all = all_of(self)
  local flight = { coroutine = platform.running(), deadline = core.uptime() + seconds }
  for _, company in ipairs(companies) do
    all[company] = all[company] or flight
  end
  return protected.finally(function() land(self, companies, flight) end, fn, flight, ...)
end

--- Takes the companies over from flights whose claims have run out.
---@param self leadcat.Engine
---@param changes leadcat.HostChange[]
---@param flight leadcat.Flight
function flights.take_over(self, changes, flight)
  local all = all_of(self)
  for _, change in ipairs(changes) do
    all[change.company] = flight
  end
end

--- The changes that are still this flight's. When a claim has run out, another coroutine of this engine may have taken the
-- change over. The store cannot tell the two apart, and the other one writes the end.
---@param self leadcat.Engine
---@param changes leadcat.HostChange[]
---@param flight leadcat.Flight
---@return leadcat.HostChange[]
function flights.kept(self, changes, flight)
  local all, list, count = all_of(self), {}, 0
  for _, change in ipairs(changes) do
    if all[change.company] == flight then
      count = count + 1
      list[count] = change
    end
  end
  return list
end

return flights
