--- How many companies are in each category now, where the store or the host can say. Counting takes at most a hundredth of
-- the time, however often it is asked for: what was counted stands for a hundred times as long as counting took.

local contract = require "leadcat.host.contract"
local core = require "leadcat.core"
local platform = require "leadcat.util.platform"

local category_counts = {}

local SLICE = 10000 -- companies that are counted at a time
local SHARE = 100

local known = setmetatable({}, { __mode = "k" }) -- by what the engines of a store share, and tenant

-- Counts those that the store keeps. Returns the counts, or nil, message, code.
local function of_store(self)
  local counts, after = {}, ""
  repeat
    local some, going_on, code = self._store:tally(self._tenant, after, SLICE)
    if not some then
      return nil, going_on, code
    end
    for category, count in pairs(some) do
      counts[category] = (counts[category] or 0) + count
    end
    after = going_on
    platform.give_way()
  until not after
  return counts
end

local function count(self)
  if self._companies.HANDLING.keeps_companies then
    return of_store(self)
  elseif self.host.category_counts then
    return contract.category_counts(self)
  end
end

--- How many companies are in each category.
---@param self leadcat.Engine
---@return table<integer, integer>? counts those of other categories are missing; nil: nobody can say
---@return string? message, string? code of a host or a store that has failed
function category_counts.of(self)
  local of_tenants = known[self._shared] or {}
  local last, began = of_tenants[self._tenant], core.uptime()
  if not last or began >= last.until_then then
    last = { count(self) }
    local now = core.uptime()
    last.until_then = now + (now - began) * SHARE
    known[self._shared], of_tenants[self._tenant] = of_tenants, last
  end
  return last[1], last[2], last[3]
end

return category_counts
