--- Engines on a host, for specs, and the events that they are given.

local assert = require "luassert"
local clock = require "support.clock"
local histories = require "support.histories"
local stores = require "support.stores"

local QUALIFIED, OPPORTUNITY, CUSTOMER = 2, 3, 5 -- the preset's categories

local hosting = {}

hosting.RULES = { sale_registered = OPPORTUNITY, sale_won = CUSTOMER, ["lead_status_set:5"] = QUALIFIED }
hosting.REGISTERED = {
  id = "r", trigger = "sale_registered", company = "Acme", actor = { id = "bob" }, sale = { id = 17 },
}
hosting.WON = { id = "w", trigger = "sale_won", company = "Acme" }

--- An engine with RULES, or `options.rules`, and a clock that a test moves.
function hosting.open(host, options)
  local time = clock.new(1700000000)
  options = options or {}
  local rules = options.rules or hosting.RULES
  options.rules, options.host, options.durability = nil, host, "relaxed"
  options.clock = options.clock or function() return time.now end
  local engine, path = stores.open(options)
  if engine:config().revision == 0 then
    assert(engine:save(stores.config(rules)))
  end
  return engine, time, path
end

--- The event is not taken now: nothing is written, and it can be delivered again.
function hosting.assert_unavailable(engine, event, message)
  local before = histories.statuses(engine)
  local outcome, why, code = engine:handle(event)
  assert.is_nil(outcome)
  assert.matches(message, why)
  assert.equal("unavailable", code)
  assert.equal(before, histories.statuses(engine))
end

return hosting
