--- `engine:decider()`. In Lua 5.4 it is the core's own function. In LuaJIT, calling that would leave compiled code, so
-- the same C code is called through the FFI.

local core = require "leadcat.core"

local decider = {}

local jit, loadstring, unpack = rawget(_G, "jit"), rawget(_G, "loadstring"), rawget(_G, "unpack")

---@alias leadcat.Decider fun(trigger: string, category?: integer, lead_status?: integer, event?: leadcat.Event): string?, integer|string?, string

local TRIGGERS, REASONS = core.ffi.triggers, core.ffi.reasons
local UPDATE = #REASONS -- "matched", the last one
local CONFIRM = UPDATE + 1
local UNKNOWN, NUMBER, BOOLEAN, LENT = 0, 1, 2, 6 -- lc_fact_kind

local ffi = jit and jit.status() and require "ffi"
local answer_pointer = ffi and ffi.typeof("$ *", ffi.typeof(core.ffi.answer))
local decide = ffi and ffi.cast(ffi.typeof("int32_t (*)($, uint32_t, double, double)", answer_pointer), core.ffi.decide)

-- Writes a value where the core reads it. False when it is none of the simple ones, which are left to `plain`.
local function write(fact, value)
  local kind = type(value)
  if kind == "number" then
    fact.kind, fact.is.number = NUMBER, value
  elseif kind == "string" then
    fact.kind, fact.size, fact.is.lent = LENT, #value, value
  elseif kind == "boolean" then
    fact.kind, fact.size = BOOLEAN, value and 1 or 0
  elseif value == nil then
    fact.kind = UNKNOWN
  else
    return false
  end
  return true
end

local MOST = 20 -- facts a function: it has at most 60 upvalues, and each takes two

-- Makes a function that writes so many facts, which are found in one of the event's tables, and then does what `rest` does. It is
-- straight code, compiled for these facts alone: LuaJIT then takes its upvalues for constants. False when that must be left
-- to `plain`.
local function compile(count)
  local parameters, writes = {}, {}
  for i = 1, count do
    parameters[i] = (", fact%d, name%d"):format(i, i)
    writes[i] = (" and write(fact%d, from and rawget(from, name%d))"):format(i, i)
  end
  return loadstring(([[
    local rawget, type, write, rest, place%s = ...
    return function(event)
      local from = event and rawget(event, place)
      return (from == nil or type(from) == "table")%s and rest(event)
    end
  ]]):format(table.concat(parameters), table.concat(writes)))
end

local function is_event(event)
  return event == nil or type(event) == "table"
end

-- A function that writes what a trigger's rules name.
local function reader(facts, fields)
  local places, rest = {}, is_event
  for _, field in ipairs(fields) do
    local list = places[#places]
    if not list or list.place ~= field.place or #list == 2 * MOST then
      list = { place = field.place }
      places[#places + 1] = list
    end
    list[#list + 1], list[#list + 2] = facts + field.field, field.name
  end
  for _, list in ipairs(places) do
    rest = compile(#list / 2)(rawget, type, write, rest, list.place, unpack(list))
  end
  return rest
end

-- These by trigger, and the numbers of own triggers.
local function readers(answer, rules)
  local made = {}
  local all, own_triggers = core.ffi.fields(rules)
  for trigger, fields in pairs(all) do
    made[trigger] = reader(answer.facts, fields)
  end
  return made, own_triggers
end

-- Decides with the FFI. Unusual calls (no number, an unknown trigger, rules that must be read first) go to `plain`,
-- which also keeps `rules` alive. Own triggers that have come to be known since the rules were read have none.
local function compiled(plain, rules)
  local answer = ffi.cast(answer_pointer, rules)
  local generation = answer.generation -- first: asking for the fields may run a finalizer that makes it outdated
  local read, own_triggers = readers(answer, rules)
  return function(trigger, category, lead_status, event)
    if answer.generation ~= generation then
      generation = answer.generation
      read, own_triggers = readers(answer, rules)
    end
    local index = TRIGGERS[trigger] or own_triggers[trigger]
    if not index or type(category) ~= "number" or lead_status ~= nil and type(lead_status) ~= "number" then
      return plain(trigger, category, lead_status, event)
    end
    local own = read[trigger]
    if own and not own(event) then
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
  return ffi and rules and compiled(plain, rules) or plain
end

return decider
