--- What conditions cost: a decision by one rule with four of them beside the same rule without any, and a condition among
--- many that do not hold.

local core = require "leadcat.core"
local decider = require "leadcat.rules.decider"
local decisions = require "bench.decisions"
local measure = require "bench.measure"
local reading = require "bench.reading"

local CALLS, RULES = measure.times(1000000, 100000), 1000
local jit = rawget(_G, "jit")

local EVENT = { sale = { amount = 150, type = "New", currency = "nok", probability = 80 } }
local FOUR = decisions.FOUR
local NEVER = { { { field = "sale.amount", is = "above", value = 1000 } } }

local function decide_by(when, rules)
  return decider.new(core.decider(decisions.conditional(when, rules)))
end

-- Seconds that a decision takes.
local function timer(decide, calls, expected)
  return function()
    local begun = measure.cpu()
    for _ = 1, calls do
      decide("sale_won", 1, nil, EVENT)
    end
    assert(select(3, decide("sale_won", 1, nil, EVENT)) == expected)
    return (measure.cpu() - begun) / calls
  end
end

local seconds, ratios = measure.rounds(measure.times(15, 5), {
  timer(decide_by(FOUR, 1), CALLS, "matched"), timer(decide_by(nil, 1), CALLS, "matched"),
  timer(reading, CALLS, "matched"),
})
local four = ("`decider`, one rule with four conditions (%s)"):format(measure.lua)
measure.row(four, measure.time(seconds[1]), measure.time(seconds[2]) .. ": without conditions", ratios[2],
  { most = jit and 4 or 2.5 })
if not jit then -- which does not go by Lua's API
  measure.row(four, measure.time(seconds[1]), measure.time(seconds[3]) .. ": only reading the four facts by Lua's API",
    ratios[3])
end

seconds = measure.rounds(measure.times(15, 5), {
  timer(decide_by(NEVER, RULES), CALLS / RULES, "conditions_not_met"),
  timer(decide_by(NEVER, 1), CALLS, "conditions_not_met"),
})
measure.row(("each of %d conditions that do not hold (%s)"):format(RULES, measure.lua),
  measure.time((seconds[1] - seconds[2]) / (RULES - 1)), "")
