--- A store among coroutines of a scheduler, such as nginx's, which must not stand still while another process holds the
-- writers' lock: the store waits for the lock only a moment, and the call sleeps, while other coroutines go on, before it
-- tries again.

local core = require "leadcat.core"
local platform = require "leadcat.util.platform"
local store_methods = require "leadcat.store"

local patient = {}

--- Seconds that one try waits for the lock.
patient.MOMENT = 0.002

local PATIENCE = 5 -- seconds, then the call is `unavailable`
local LONGEST_PAUSE = 0.05 -- seconds between two tries
local SILENCE = 60 -- seconds between two lines in the log

-- Calls the method until it gets the lock. `warn` has the log told why not. No method takes more than seven arguments, or gives
-- more than ten values (`explain`): LuaJIT does not compile `...`.
local function try(store, method, warn, k, l, m, n, o, p, q)
  local pause, waited = 0.001, 0
  while true do
    local result, second, code, d, e, f, g, h, i, j = method(store, k, l, m, n, o, p, q)
    if result ~= nil or code ~= "locked" then
      return result, second, code, d, e, f, g, h, i, j
    elseif waited >= PATIENCE then
      warn(second)
      return nil, second, "unavailable"
    end
    platform.sleep(pause)
    waited, pause = waited + pause, math.min(pause * 2, LONGEST_PAUSE)
  end
end

--- Makes a store of one that was opened with `patience`.
---@param store userdata
---@return leadcat.Store
function patient.new(store)
  local wrapped, silent_until = {}, 0
  local function warn(message)
    if core.uptime() >= silent_until then
      silent_until = core.uptime() + SILENCE
      platform.warn(message)
    end
  end
  for _, names in pairs(store_methods) do
    for _, name in ipairs(names) do
      local method = store[name]
      wrapped[name] = function(_, k, l, m, n, o, p, q)
        return try(store, method, warn, k, l, m, n, o, p, q)
      end
    end
  end
  return wrapped
end

return patient
