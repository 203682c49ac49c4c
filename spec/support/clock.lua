--- A clock that stands still unless a test moves its `now`. Moving it ahead also moves the clock of claims
-- (`core.uptime`) of this process, as time itself would.

local core = require "leadcat.core"

local clock = {}

---@param now number seconds since 1970
---@return {now: number}
function clock.new(now)
  return setmetatable({}, {
    __index = function(_, name)
      return name == "now" and now or nil
    end,
    __newindex = function(_, name, value)
      assert(name == "now", "a clock has only `now`")
      core.forward(math.max(0, value - now))
      now = value
    end,
  })
end

return clock
