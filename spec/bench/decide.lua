--- What a decision costs beside what it could cost at least: a call of an empty function; beside what an integrator would
--- write by hand; and beside a read of LMDB.

local arguments = require "bench.arguments"
local decisions = require "bench.decisions"
local empty = require "bench.empty"
local leadcat = require "leadcat"
local measure = require "bench.measure"
local raw_lmdb = require "bench.raw_lmdb"

local EVENTS, CALLS = 1000, measure.times(1000000, 200000)

local cfg = decisions.config(decisions.ALL)
local directory = measure.directory()
local engine = assert(leadcat.open { path = directory })
assert(engine:save(cfg))
local events = decisions.events(EVENTS, decisions.ids(cfg))

-- LMDB as it is asked once a decision: for a record of the size of the ruleset.
local raw_directory = measure.directory()
os.execute("mkdir " .. raw_directory)
local raw = raw_lmdb.table(raw_directory .. "/raw.mdb", "rulesets")
raw:fill({ "ruleset" }, ("r"):rep(384))
local function read_lmdb()
  raw:read "ruleset"
  return "none", nil, "rule_disabled"
end

-- An empty function of C called through the FFI, with the same arguments and no results to speak of.
local function ffi_call()
  local ffi = require "ffi"
  ffi.cdef "int bench_empty(const char *trigger, int category, int lead_status);"
  local library = ffi.load(assert(rawget(package, "searchpath")("bench.empty", package.cpath)))
  return function(trigger, category, lead_status)
    return library.bench_empty(trigger, category, lead_status or 0), nil, "rule_disabled"
  end
end

local function wrapper(trigger, category, lead_status)
  return engine:decide(trigger, category, lead_status)
end

-- Seconds that a call takes, of events of no order, and without the loop around it. Each round everything is compiled anew:
-- which traces LuaJIT happens upon is a matter of luck.
local function random(make)
  return function() return decisions.timer(make(), events)(CALLS) - decisions.timer(nil, events)(CALLS) end
end

-- The same of a few events in turn, as a program of its own would call it: finding the arguments is part of it.
local EIGHT = {
  { "sale_won", 1 }, { "sale_registered", 3 }, { "sale_lost", 3 }, { "sale_won", 5 },
  { "lead_status_set", 1, 5 }, { "lead_status_set", 4, 5 }, { "sale_lost", 8 }, { "lead_status_set", 3, 1 },
}
local in_turn = decisions.compile([[
  local decide, events, clock = ...
  return function(calls)
    local begun, n = clock(), #events
    for i = 1, calls do
      local event = events[i % n + 1]
      decide(event[1], event[2], event[3])
    end
    return (clock() - begun) / calls
  end
]])
local function turn(make)
  return function() return in_turn(make(), EIGHT, measure.cpu)(CALLS) end
end

local jit = rawget(_G, "jit")
local LIMITS = {
  { "written by hand in Lua", function() return decisions.by_hand(cfg) end, { most = jit and 1.1 or 0.8 } },
  { "an empty C function", function() return empty end, not jit and { most = 1.3 } or nil },
}
local ALSO = {
  { "a read of LMDB", function() return read_lmdb end },
  { "`engine:decide`", function() return wrapper end },
  jit and { "an empty FFI call", ffi_call }
    or { "only reading the arguments by Lua's API", function() return arguments end },
}

local function rows(manner, timer, compared)
  local timers = { timer(function() return engine:decider() end) }
  for k, row in ipairs(compared) do
    timers[k + 1] = timer(row[2])
  end
  local seconds, ratios = measure.rounds(measure.times(15, 5), timers)
  for k, row in ipairs(compared) do
    measure.row(("`decider`, %s (%s)"):format(manner, measure.lua), measure.time(seconds[1]),
      ("%s: %s"):format(measure.time(seconds[k + 1]), row[1]), ratios[k + 1], row[3])
  end
end

rows("1,000 random events, the loop taken off", random, LIMITS)
for _, row in ipairs(ALSO) do
  LIMITS[#LIMITS + 1] = row
end
rows("eight events in turn, with their loop", turn, LIMITS)
decisions.check(events, engine:decider(), decisions.by_hand(cfg)) -- not before: LuaJIT would have compiled for that loop
engine:close()
raw:close()
measure.remove(directory)
measure.remove(raw_directory)
