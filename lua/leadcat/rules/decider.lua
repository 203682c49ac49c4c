--- `engine:decider()`. In Lua 5.4 it is the core's own function. In LuaJIT, calling that would leave compiled code, so
-- the same C code is called through the FFI.

local core = require "leadcat.core"

local decider = {}

local jit = rawget(_G, "jit")

---@alias leadcat.Decider fun(trigger: string, category?: integer, lead_status?: integer): string?, integer|string?, string

local TRIGGERS, REASONS = core.ffi.triggers, core.ffi.reasons
local UPDATE = #REASONS -- "matched", the last one
local CONFIRM = UPDATE + 1

local ffi = jit and jit.status() and require "ffi"
local answer_pointer = ffi and ffi.typeof("$ *", ffi.typeof(core.ffi.answer))
local decide = ffi and ffi.cast(ffi.typeof("int32_t (*)($, uint32_t, double, double)", answer_pointer), core.ffi.decide)

-- Decides with the FFI. Unusual calls (no number, an unknown trigger, rules that must be read first) go to `plain`,
-- which also keeps `rules` alive.
local function compiled(plain, rules)
  local answer = ffi.cast(answer_pointer, rules)
  return function(trigger, category, lead_status)
    local index = TRIGGERS[trigger]
    if not index or type(category) ~= "number" or lead_status ~= nil and type(lead_status) ~= "number" then
      return plain(trigger, category, lead_status)
    end
    local reason = decide(answer, index, category, lead_status or 0)
    if reason == UPDATE then
      return "update", answer.to, "matched"
    elseif reason == CONFIRM then
      return "confirm", answer.to, "matched"
    elseif reason < 0 then
      return plain(trigger, category, lead_status)
    end
    return "none", nil, REASONS[reason]
  end
end

--- The fastest function that decides by these rules.
---@param plain leadcat.Decider from the core
---@param rules userdata from the core
---@return leadcat.Decider
function decider.new(plain, rules)
  return ffi and compiled(plain, rules) or plain
end

return decider
