--- Servers that keep callers waiting. One on which a call has waited in vain is left alone for a time that grows: whoever
-- wants it then fails at once. After that it is asked for a sign of life, for which nobody waits; when it has given one, one
-- call tries whether it works. A server that refuses costs no time, and is asked each time.

local core = require "leadcat.core"
local message = require "leadcat.store.pg.message"
local platform = require "leadcat.util.platform"
local socket = require "leadcat.util.socket"

local breaker = {}

local IN_VAIN = 1 -- seconds
local FIRST, LONGEST = 0.5, 8 -- seconds that a server is left alone for
local MOMENT, NAP = 0.05, 0.002 -- seconds in which a server that works gives a sign; between two looks

---@class leadcat.pg.Breaker
---@field resting table<leadcat.pg.Host, {pause: number, ends: number, has_answered?: fun(): boolean}>
---@field trial number seconds that a call may take, connecting included
local Breaker = {}
Breaker.__index = Breaker

--- Notes how a call ended.
---@param host leadcat.pg.Host
---@param silence? number seconds for which it has waited in vain; nil: the server has answered, whatever it was
function Breaker:note(host, silence)
  local rest = self.resting[host] or { pause = FIRST }
  self.resting[host] = (silence or 0) >= IN_VAIN and rest or nil
  rest.ends, rest.has_answered = core.uptime() + rest.pause, nil
end

-- Asks for a sign of life, which a server that works gives before the moment is over.
local function ask(rest, host)
  local has_answered = socket.probe({ host = host.host, port = host.port, path = host.path, timeout = LONGEST },
    message.SSL_REQUEST)
  rest.pause = math.min(rest.pause * 2, LONGEST)
  rest.ends, rest.has_answered = core.uptime() + rest.pause, has_answered
  local deadline = core.uptime() + (platform.may_wait() and MOMENT or 0)
  while not has_answered() and core.uptime() < deadline do
    platform.sleep(NAP)
  end
end

--- Whether a server may be asked by this call: one that is left alone, only to try whether it works.
---@param host leadcat.pg.Host
---@return boolean allowed, string? reason
function Breaker:allows(host)
  local rest = self.resting[host]
  if not rest then
    return true
  elseif core.uptime() >= rest.ends and not (rest.has_answered and rest.has_answered()) then
    ask(rest, host)
  end
  if rest.has_answered and rest.has_answered() then
    rest.has_answered, rest.ends = nil, core.uptime() + self.trial -- for the others, in case that it is never heard of
    return true
  end
  return false, ("has not answered, and is left alone for %.1f s"):format(rest.ends - core.uptime())
end

---@param trial number
---@return leadcat.pg.Breaker
function breaker.new(trial)
  return setmetatable({ resting = {}, trial = trial }, Breaker)
end

return breaker
