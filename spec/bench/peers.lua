--- Rules engines beside leadcat: each in a node process of its own, with its own best API, on the same random events. A peer
--- is measured once it has decided all of them as leadcat does. PEERS is the directory where npm has installed them.

local cjson = require "cjson" -- leadcat.util.json writes no nulls
local decisions = require "bench.decisions"
local leadcat = require "leadcat"
local measure = require "bench.measure"

local EVENTS, ROUNDS, CALLS = 1000, measure.times(5, 1), 1000000
local PEERS = {
  { name = "json-logic-js", script = "json-logic-js.mjs" },
  { name = "json-rules-engine", script = "json-rules-engine.mjs" },
  { name = "GoRules zen", script = "zen.mjs" },
}

local directory = measure.directory()
local engine = assert(leadcat.open { path = directory })

-- A config, events, and what leadcat decides about each.
local function case(triggers)
  local cfg = decisions.config(triggers)
  assert(engine:save(cfg))
  local events, decide = decisions.events(EVENTS, decisions.ids(cfg)), engine:decider()
  decisions.check(events, decide, decisions.by_hand(cfg))
  local listed, expected = {}, {}
  for i, trigger in ipairs(events.trigger) do
    local category, status = events.category[i], events.lead_status[i] or nil
    local action, to, reason = decide(trigger, category, status)
    listed[i] = { trigger, category, status or cjson.null }
    expected[i] = { action, to or cjson.null, reason }
  end
  return { categories = cfg.categories, rules = cfg.rules, events = listed, expected = expected }, events
end

local cases = directory .. "/cases.json"
local function write_cases()
  local one_less = case { sale_registered = true, sale_won = true, lead_status_set = true }
  local all, events = case(decisions.ALL) -- which is measured
  local file = assert(io.open(cases, "w"))
  file:write(cjson.encode { cases = { all, one_less }, seconds = measure.times(5, 2) / 10 })
  file:close()
  return events
end

-- Seconds a decision. Raises when the peer has decided otherwise: then it says where.
local function peer(script)
  local pipe = assert(io.popen(("node '%s/%s' '%s'"):format(os.getenv "PEERS", script, cases)))
  local nanoseconds = tonumber(pipe:read "*a")
  pipe:close()
  return nanoseconds and nanoseconds / 1e9 or error(script .. ": see above")
end

local timer = decisions.timer(engine:decider(), write_cases())
local functions = { function() return timer(CALLS) end }
for k, row in ipairs(PEERS) do
  functions[k + 1] = function() return peer(row.script) end
end
local seconds, ratios = measure.rounds(ROUNDS, functions)
for k, row in ipairs(PEERS) do
  measure.row(("`decider`, 1,000 random events (%s)"):format(measure.lua), measure.time(seconds[1]),
    ("%s: %s"):format(measure.time(seconds[k + 1]), row.name), ratios[k + 1])
end
engine:close()
measure.remove(directory)
