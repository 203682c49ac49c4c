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
os.execute("mkdir " .. directory)
local engines = {}

-- A decider of an engine with that config.
local function decider(cfg)
  local engine = assert(leadcat.open { path = ("%s/%d"):format(directory, #engines) })
  engines[#engines + 1] = engine
  assert(engine:save(cfg))
  return engine:decider()
end

-- A config, events of {trigger, category, lead status, sale}, and what leadcat decides about each.
local function case(cfg, events, decide)
  local expected = {}
  for i, event in ipairs(events) do
    local status = event[3] ~= cjson.null and event[3] or nil
    local action, to, reason = decide(event[1], event[2], status, { sale = event[4] })
    expected[i] = { action, to or cjson.null, reason }
  end
  return { categories = cfg.categories, rules = cfg.rules, events = events, expected = expected }
end

-- Without conditions; and what times leadcat.
local function plain_case(triggers)
  local cfg = decisions.config(triggers)
  local events, decide, listed = decisions.events(EVENTS, decisions.ids(cfg)), decider(cfg), {}
  decisions.check(events, decide, decisions.by_hand(cfg))
  for i, trigger in ipairs(events.trigger) do
    listed[i] = { trigger, events.category[i], events.lead_status[i] or cjson.null }
  end
  return case(cfg, listed, decide), decisions.timer(decide, events)
end

-- With a rule of four conditions; one sale of eight is of a company that is a customer already.
local function conditional_case()
  local cfg, events, listed = decisions.conditional(decisions.FOUR, 1), {}, {}
  local decide = decider(cfg)
  for i, sale in ipairs(decisions.sales(EVENTS)) do
    local category = i % 8 == 0 and 2 or 1
    events[i], listed[i] = { category = category, sale = sale }, { "sale_won", category, cjson.null, sale }
  end
  return case(cfg, listed, decide), function(calls)
    local begun = measure.cpu()
    for i = 1, calls do
      local event = events[i % EVENTS + 1]
      decide("sale_won", event.category, nil, event)
    end
    return (measure.cpu() - begun) / calls
  end
end

local all, all_timer = plain_case(decisions.ALL)
local conditional, conditional_timer = conditional_case()
local one_less = plain_case { sale_registered = true, sale_won = true, lead_status_set = true }
local cases = directory .. "/cases.json"
local file = assert(io.open(cases, "w"))
file:write(cjson.encode { cases = { all, conditional, one_less }, seconds = measure.times(5, 2) / 10 })
file:close()

-- Seconds a decision of the case with that number. Raises when the peer has decided otherwise: then it says where.
local function peer(script, measured)
  local pipe = assert(io.popen(("node '%s/%s' '%s' %d"):format(os.getenv "PEERS", script, cases, measured)))
  local nanoseconds = tonumber(pipe:read "*a")
  pipe:close()
  return nanoseconds and nanoseconds / 1e9 or error(script .. ": see above")
end

local function rows(what, timer, measured)
  local functions = { function() return timer(CALLS) end }
  for k, row in ipairs(PEERS) do
    functions[k + 1] = function() return peer(row.script, measured) end
  end
  local seconds, ratios = measure.rounds(ROUNDS, functions)
  for k, row in ipairs(PEERS) do
    measure.row(("`decider`, %s (%s)"):format(what, measure.lua), measure.time(seconds[1]),
      ("%s: %s"):format(measure.time(seconds[k + 1]), row.name), ratios[k + 1])
  end
end

rows("1,000 random events", all_timer, 0)
rows("1,000 random sales, one rule with four conditions", conditional_timer, 1)
for _, engine in ipairs(engines) do
  engine:close()
end
measure.remove(directory)
