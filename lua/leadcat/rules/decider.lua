--- `engine:decider()`. In Lua 5.4 it is the core's own function. In LuaJIT, calling that would leave compiled code, so
-- the same C code is called through the FFI.

local core = require "leadcat.core"

local decider = {}

local jit = rawget(_G, "jit")

---@alias leadcat.Decider fun(trigger: string, category?: integer, lead_status?: integer, event?: leadcat.Event): string?, integer|string?, string

local TRIGGERS, REASONS = core.ffi.triggers, core.ffi.reasons
local UPDATE = #REASONS -- "matched", the last one
local CONFIRM = UPDATE + 1
local UNKNOWN, NUMBER, BOOLEAN, TEXT = 0, 1, 2, 3 -- lc_fact_kind

local ffi = jit and jit.status() and require "ffi"
local answer_pointer = ffi and ffi.typeof("$ *", ffi.typeof(core.ffi.answer))
local decide = ffi and ffi.cast(ffi.typeof("int32_t (*)($, uint32_t, double, double)", answer_pointer), core.ffi.decide)

-- Writes a value where the core reads it. False when it is none of the simple ones, which are left to `plain`.
local function write(fact, value)
  local kind = type(value)
  if kind == "number" then
    fact.kind, fact.number = NUMBER, value
  elseif kind == "string" then
    fact.kind, fact.size, fact.text = TEXT, #value, value
  elseif kind == "boolean" then
    fact.kind, fact.size = BOOLEAN, value and 1 or 0
  elseif value == nil then
    fact.kind = UNKNOWN
  else
    return false
  end
  return true
end

-- Writes what the conditions of a trigger's rules name. False when that must be left to `plain`.
local function write_all(facts, fields, event)
  if event ~= nil and type(event) ~= "table" then
    return false
  end
  for i = 1, #fields do
    local field = fields[i]
    local place = event and rawget(event, field.place)
    if place ~= nil and type(place) ~= "table" then
      return false
    elseif not write(facts[field.field], place and rawget(place, field.name)) then
      return false
    end
  end
  return true
end

-- Decides with the FFI. Unusual calls (no number, an unknown trigger, rules that must be read first) go to `plain`,
-- which also keeps `rules` alive. Own triggers that have come to be known since the rules were read have none.
local function compiled(plain, rules)
  local answer = ffi.cast(answer_pointer, rules)
  local generation = answer.generation -- first: asking for the fields may run a finalizer that makes it outdated
  local fields, own_triggers = core.ffi.fields(rules)
  return function(trigger, category, lead_status, event)
    if answer.generation ~= generation then
      generation = answer.generation
      fields, own_triggers = core.ffi.fields(rules)
    end
    local index = TRIGGERS[trigger] or own_triggers[trigger]
    if not index or type(category) ~= "number" or lead_status ~= nil and type(lead_status) ~= "number" then
      return plain(trigger, category, lead_status, event)
    end
    local own = fields[trigger]
    if own and not write_all(answer.facts, own, event) then
      return plain(trigger, category, lead_status, event)
    end
    local reason = decide(answer, index, category, lead_status or 0)
    if reason == UPDATE then
      return "update", answer.to, "matched"
    elseif reason == CONFIRM then
      return "confirm", answer.to, "matched"
    elseif reason < 0 then
      return plain(trigger, category, lead_status, event)
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
