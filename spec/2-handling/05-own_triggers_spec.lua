-- The integrator's own triggers: declared when a store is opened, remembered by it, and used as the built-in ones are.

local config = require "leadcat.rules.config"
local leadcat = require "leadcat"
local processes = require "support.processes"
local stores = require "support.stores"

local LEAD, OPPORTUNITY, CUSTOMER, LOST = 1, 3, 5, 7 -- the preset's categories
local EXPIRED = { trigger = "contract_expired", name = { en = "Contract expired", no = "Kontrakt utløpt" } }
local BACK = { -- a customer whose contract has expired is lost
  trigger = "contract_expired", enabled = true, set_category = LOST, from = { groups = { "customer" } },
}

-- The preset with these rules.
local function with_rules(...)
  local cfg = leadcat.preset "superoffice"
  cfg.rules = { ... }
  return cfg
end

local function won(to)
  return { trigger = "sale_won", enabled = true, set_category = to }
end

local function expired(company, fields)
  local event = { trigger = "contract_expired", company = company }
  for name, value in pairs(fields or {}) do
    event[name] = value
  end
  return event
end

local function codes(problems)
  local found = {}
  for i, problem in ipairs(problems) do
    found[i] = ("%s %s %s"):format(problem.severity, problem.path, problem.code)
  end
  return found
end

local function names(engine)
  local found = {}
  for _, row in ipairs(engine:triggers()) do
    found[#found + 1] = row.own and row.trigger or nil
  end
  return table.concat(found, " ")
end

describe("declaring triggers", function()
  after_each(stores.check)

  local MANY = {}
  for i = 1, 65 do
    MANY[i] = { trigger = "own_" .. i }
  end
  -- The option, and what the error says.
  local MISUSE = {
    { "no list", "contract_expired", "option 'triggers': a list of {trigger, name} expected" },
    { "a list with gaps", { EXPIRED, nil, EXPIRED }, "triggers must be a list without gaps" },
    { "a name that is no table", { "contract_expired" },
      "triggers%[1%]: a table {trigger, name} expected, got string" },
    { "no name", { {} }, "triggers%[1%]: trigger: a text of small letters, digits and _.* got nil" },
    { "a capital letter", { { trigger = "Expired" } }, "triggers%[1%]: trigger: .* got 'Expired'" },
    { "a digit in front", { { trigger = "1st" } }, "triggers%[1%]: trigger: .* got '1st'" },
    { "a blank", { { trigger = "not paid" } }, "triggers%[1%]: trigger: .* got 'not paid'" },
    { "a name of 41 bytes", { { trigger = ("t"):rep(41) } }, "at most 40 bytes expected" },
    { "a built-in's name", { EXPIRED, { trigger = "sale_won" } }, "triggers%[2%]: trigger: 'sale_won' is built in" },
    { "a name twice", { EXPIRED, EXPIRED },
      "triggers%[2%]: trigger: 'contract_expired' is also that of triggers%[1%]" },
    { "another field", { { trigger = "paid", text = "x" } },
      "triggers%[1%]: unknown field 'text' %(there are name, trigger%)" },
    { "a display name that is no text", { { trigger = "paid", name = 7 } }, "triggers%[1%]: name must be text" },
    { "a display name in no language", { { trigger = "paid", name = { 7 } } },
      "triggers%[1%]: name must have only texts" },
    { "65 of them", MANY, "triggers: at most 64 expected, got 65" },
  }
  for _, row in ipairs(MISUSE) do
    it("raises for " .. row[1], function()
      assert.error_matches(function()
        leadcat.open { path = stores.path(), triggers = row[2] }
      end, "leadcat.open: .*" .. row[3])
    end)
  end

  it("makes them known for good, with their names in all languages", function()
    local engine, path = stores.open { triggers = { EXPIRED, { trigger = ("t"):rep(40), name = "" } } }
    engine:close()
    engine = stores.open { path = path }
    local list = engine:triggers()
    assert.equal(#config.TRIGGERS + 2, #list)
    assert.same({ trigger = "sale_registered", own = false, name = {
      en = "Sale registered", no = "Salg registrert", sv = "Försäljning registrerad", da = "Salg registreret",
      de = "Verkauf registriert", nl = "Verkoop geregistreerd",
    } }, list[1])
    assert.same({ trigger = "contract_expired", own = true, name = EXPIRED.name }, list[#list - 1])
    engine:close()
  end)

  it("keeps a name where none is given, and takes a new one", function()
    local engine, path = stores.open { triggers = { EXPIRED } }
    stores.open({ path = path, triggers = { { trigger = "contract_expired" } } }):close()
    assert.same(EXPIRED.name, engine:triggers()[#config.TRIGGERS + 1].name)
    stores.open({ path = path, triggers = { { trigger = "contract_expired", name = "Over" } } }):close()
    assert.equal("Over", engine:triggers()[#config.TRIGGERS + 1].name)
    engine:close()
  end)

  it("writes nothing when all are known", function()
    local engine, path = stores.open { triggers = { EXPIRED } }
    local before = engine:stats().config.used
    local newest = engine._store:triggers()
    for _ = 1, 20 do
      stores.open({ path = path, triggers = { EXPIRED } }):close()
    end
    assert.same({ before, newest }, { engine:stats().config.used, (engine._store:triggers()) })
    engine:close()
  end)

  it("adds up to 64 in all, and says when there is no room", function()
    local first, second = {}, {}
    for i = 1, 40 do
      first[i], second[i] = { trigger = "first_" .. i }, { trigger = i <= 20 and "first_" .. i or "second_" .. i }
    end
    local engine, path = stores.open { triggers = first }
    stores.open({ path = path, triggers = second }):close()
    local none, message, code = leadcat.open { path = path, triggers = {
      { trigger = "a" }, { trigger = "b" }, { trigger = "c" }, { trigger = "d" }, { trigger = "e" },
    } }
    assert.same({ nil, "invalid" }, { none, code })
    assert.matches("64 triggers of its own, which is the most: there is no room for e", message)
    assert.equal(#config.TRIGGERS + 60, #engine:triggers())
    engine:close()
  end)
end)

describe("a config with own triggers", function()
  after_each(stores.check)

  it("is warned of without a store, as nobody knows there what is declared", function()
    assert.same({ "warning rules[2].trigger unknown_trigger" }, codes(leadcat.check(with_rules(won(CUSTOMER), BACK))))
  end)

  it("is warned of in a store that does not know them", function()
    local engine, path = stores.open { triggers = { { trigger = "trial_ended" } } }
    local cfg = with_rules(won(CUSTOMER), BACK)
    local problems = engine:check(cfg)
    assert.same({ "warning rules[2].trigger unknown_trigger" }, codes(problems))
    assert.matches('is "contract_expired", which no program has declared .* its own are trial_ended$',
      problems[1].message)
    stores.open({ path = path, triggers = { EXPIRED } }):close()
    assert.same({}, engine:check(cfg))
    engine:close()
  end)

  -- The trigger, what check gives for it.
  for _, row in ipairs {
    { "sale_wonn", "warning" }, { "Sale_won", "error" }, { "", "error" }, { ("t"):rep(40), "warning" },
    { ("t"):rep(41), "error" }, { "a-b", "error" }, { "\195\165", "error" }, { 7, "error" },
    { "_a", "error" }, { "a_9", "warning" },
  } do
    it(("has the trigger %s: %s"):format(tostring(row[1]), row[2]), function()
      local cfg = with_rules { trigger = row[1] }
      local problem = leadcat.check(cfg)[1]
      assert.equal(row[2], problem.severity)
      assert.equal("rules[1].trigger", problem.path)
    end)
  end

  it("is linted as others are", function()
    local engine = stores.open { triggers = { EXPIRED } }
    local second = { trigger = "contract_expired", enabled = true, set_category = OPPORTUNITY, from = BACK.from }
    local hidden = { trigger = "contract_expired", enabled = true, set_category = LEAD, lead_status = 5 }
    local problems = engine:check(with_rules(BACK, second, hidden))
    local found = codes(problems)
    assert.equal("warning rules[3].lead_status unknown_field", found[1])
    assert.equal("warning rules[2] rule_unreachable", found[#found])
    assert.equal("contract_expired", problems[#problems].example.trigger)
    engine:close()
  end)
end)

describe("own triggers", function()
  after_each(stores.check)

  it("are decided, explained, handled, asked about, counted and found again", function()
    local ask = { trigger = "contract_expired", enabled = true, set_category = OPPORTUNITY, ask = true, id = 7,
      from = { groups = { "lost" } }, when = { { { field = "sale.amount", is = "at_least", value = 10 } } } }
    local engine = stores.open { triggers = { { trigger = "trial_ended" }, EXPIRED } }
    assert.equal(1, engine:save(with_rules(BACK, ask, won(CUSTOMER))))
    local decide = engine:decider()
    for _, fn in ipairs { function(...) return engine:decide(...) end, decide } do
      assert.same({ "update", LOST, "matched" }, { fn("contract_expired", CUSTOMER) })
      local large, small = { sale = { amount = 10 } }, { sale = { amount = 9 } }
      assert.same({ "confirm", OPPORTUNITY, "matched" }, { fn("contract_expired", LOST, nil, large) })
      assert.same({ "none", nil, "conditions_not_met" }, { fn("contract_expired", LOST, nil, small) })
      assert.same({ "none", nil, "rule_disabled" }, { fn("trial_ended", LOST) })
      assert.same({ "none", nil, "not_potential_customer" }, { fn("contract_expired", LEAD) })
    end
    engine.host:create_many({ "Acme", "Bolt" }, CUSTOMER)
    local explained = engine:explain(expired "Acme")
    assert.same({ "contract_expired", "update" }, { explained.rule, explained.action })
    assert.equal("contract_expired", explained.checks[1].trigger)
    local outcomes = assert(engine:handle_many {
      expired("Acme", { sale = { id = 1, name = "Printers" }, id = "e1" }), expired "Bolt",
    })
    for _, outcome in ipairs(outcomes) do
      assert.same({ "updated", "contract_expired", LOST }, { outcome.status, outcome.rule, outcome.to })
    end
    assert.equal("duplicate", engine:handle(expired("Acme", { id = "e1" })).status)
    local outcome = engine:handle(expired("Acme", { sale = { amount = 20 }, actor = { id = "bob" } }))
    assert.same({ "awaiting_confirmation", "contract_expired#7" }, { outcome.status, outcome.rule })
    local record = engine:confirmation(outcome.confirmation)
    assert.same({ "contract_expired", "contract_expired#7" }, { record.trigger, record.rule })
    assert.matches("^.*Contract expired.*%. ", engine:view(record).sentence)
    local norwegian = { actor = { id = "x", language = "nb-NO" } }
    assert.matches("^.*Kontrakt utløpt.*%. ", engine:view(record, norwegian).sentence)
    assert.equal("updated", engine:resolve(outcome.confirmation, { accept = true }).status)
    local found = engine:history { trigger = "contract_expired" }
    assert.same({ "updated", "awaiting_confirmation", "updated", "updated" }, {
      found[1].status, found[2].status, found[3].status, found[4].status,
    })
    assert.equal("updated", engine:undo(found[3].entry).status)
    assert.matches('trigger="contract_expired",status="updated",reason="matched"} 3\n', engine:metrics())
    assert.matches("Contract expired.*: .*Printers", engine:explain(expired("Acme", { id = "e1" })).sentence)
    local why = engine:why "Bolt"
    assert.equal("contract_expired", why.decisions[#why.decisions].trigger)
    engine:close()
  end)

  it("are invalid in an event as long as nobody has declared them", function()
    local engine, path = stores.open()
    assert.equal(1, engine:save(with_rules(BACK, won(CUSTOMER))))
    local expected = "trigger must be one of sale_registered, .*, no_sale_for, not 'contract_expired'"
    for name, call in pairs {
      handle = function() return engine:handle(expired "Acme") end,
      handle_many = function() return engine:handle_many { expired "Acme" } end,
      propose = function() return engine:propose(expired "Acme") end,
      explain = function() return engine:explain(expired "Acme") end,
      simulate = function() return engine:simulate { expired "Acme" } end,
      backfill = function() return engine:backfill { expired("Acme", { at = 1 }) } end,
    } do
      local result, message, code = call()
      assert.same({ nil, "invalid" }, { result, code }, name)
      assert.matches(expected, message, name)
    end
    for _, call in ipairs {
      function() engine:decide("contract_expired", LEAD) end,
      function() engine:decider()("contract_expired", LEAD) end,
      function() engine:history { trigger = "contract_expired" } end,
    } do
      assert.error_matches(call, "contract_expired")
    end
    assert.same({ "update", CUSTOMER, "matched" }, { engine:decide("sale_won", LEAD) }) -- the other rules work
    stores.open({ path = path, triggers = { EXPIRED } }):close()
    assert.equal("unknown_category", engine:handle(expired "Acme").reason)
    assert.same({ "update", LOST, "matched" }, { engine:decide("contract_expired", CUSTOMER) })
    assert.same({}, engine:history { trigger = "contract_expired" })
    engine:close()
  end)

  it("are tried on the past: simulated, compared, and applied to it", function()
    local engine = stores.open { triggers = { EXPIRED } }
    local events = {}
    for i = 1, 5 do
      local sale = i > 3 and { amount = 5 } or nil
      events[i] = expired("c" .. i, { category = CUSTOMER, at = 1700000000 + i, sale = sale })
    end
    local rich = { trigger = "contract_expired", enabled = true, set_category = LOST, from = BACK.from,
      when = { { { field = "sale.amount", is = "known" } } } }
    assert.equal(1, engine:save(with_rules(BACK)))
    assert.same({ contract_expired = { update = 5 } }, engine:simulate(events).outcomes)
    local compared = engine:simulate(events, { config = with_rules(rich), against = with_rules(BACK) })
    assert.equal(1, #compared.changes)
    assert.same({ "contract_expired", 3 }, { compared.changes[1].trigger, compared.changes[1].count })
    assert.equal("contract_expired", compared.changes[1].examples[1].before.rule)
    engine.host:create_many({ "c1", "c2", "c3", "c4", "c5" }, CUSTOMER)
    local report = engine:backfill(events)
    assert.same({ contract_expired = { update = 5 } }, report.outcomes)
    assert.equal(LOST, engine.host:get "c3")
    engine:close()
  end)

  it("keep their numbers whatever is declared later, in the journal too", function()
    local engine, path = stores.open { triggers = { { trigger = "b" }, { trigger = "a" } } }
    local rule = function(trigger) return { trigger = trigger, enabled = true, set_category = CUSTOMER } end
    assert.equal(1, engine:save(with_rules(rule "a", rule "b", rule "c")))
    engine.host:create_many({ "1", "2", "3" }, LEAD)
    engine:handle { trigger = "a", company = "1" }
    engine:close()
    engine = stores.open { path = path, triggers = { { trigger = "c" }, { trigger = "a" } } }
    assert.equal("b a c", names(engine))
    engine:handle { trigger = "c", company = "2" }
    engine:close()
    engine = stores.open { path = path } -- which declares nothing: the store still knows them
    engine:handle { trigger = "b", company = "3" }
    local found = {}
    for i, entry in ipairs(engine:history {}) do
      found[i] = entry.trigger .. " " .. entry.company .. " " .. entry.rule
    end
    assert.same({ "b 3 b", "c 2 c", "a 1 a" }, found)
    engine:close()
  end)

  it("are those of all tenants", function()
    local engine, path = stores.open()
    local north, south = engine:tenant "north", engine:tenant "south"
    assert.equal(1, north:save(with_rules(BACK)))
    assert.equal(1, south:save(with_rules(BACK)))
    assert.same({ "none", nil, "rule_disabled" }, { north:decide("sale_won", CUSTOMER) })
    stores.open({ path = path, tenant = "east", triggers = { EXPIRED } }):close()
    for _, tenant in ipairs { north, south } do
      assert.same({ "update", LOST, "matched" }, { tenant:decide("contract_expired", CUSTOMER) })
    end
    engine:close()
  end)

  it("have 64 in one config", function()
    local declared, rules = {}, {}
    for i = 1, 64 do
      declared[i] = { trigger = "own_" .. i }
      rules[i] = { trigger = "own_" .. i, enabled = true, set_category = i % 2 == 0 and CUSTOMER or OPPORTUNITY,
        when = i % 3 == 0 and { { { field = "sale.f" .. i, is = "equals", value = i } } } or nil }
    end
    local engine = stores.open { triggers = declared }
    assert.equal(1, engine:save(with_rules(stores.unpack(rules))))
    local decide = engine:decider()
    for i = 1, 64 do
      local event = { sale = { ["f" .. i] = i } }
      local expected = { "update", i % 2 == 0 and CUSTOMER or OPPORTUNITY, "matched" }
      assert.same(expected, { decide("own_" .. i, LEAD, nil, event) })
      assert.same(expected, { engine:decide("own_" .. i, LEAD, nil, event) })
      engine.host:create(i, LEAD)
      assert.equal("updated", engine:handle({ trigger = "own_" .. i, company = i, sale = event.sale }).status)
    end
    engine:close()
  end)
end)

describe("a trigger that another process declares", function()
  after_each(stores.check)

  local DECLARE = [[
    local leadcat = require "leadcat"
    local engine = assert(leadcat.open { path = arg[1], map_size = 2 ^ 26, triggers = {
      { trigger = "contract_expired", name = "Over" },
    } })
    print(engine:handle({ trigger = "contract_expired", company = "Acme" }).status)
    engine:close()
  ]]

  it("is known at once: its rules decide, its events are taken, its entries are read", function()
    local engine, path = stores.open()
    assert.equal(1, engine:save(with_rules(BACK, won(CUSTOMER))))
    engine.host:create_many({ "Acme", "Bolt" }, CUSTOMER)
    local decide = engine:decider()
    assert.same({ "none", nil, "not_potential_customer" }, { decide("sale_won", CUSTOMER) })
    local other = processes.start(DECLARE, { path })
    assert.same({ "updated", 0 }, { other:wait() })
    assert.same({ "update", LOST, "matched" }, { decide("contract_expired", CUSTOMER) })
    assert.equal("updated", engine:handle(expired "Bolt").status)
    assert.equal("contract_expired", engine:history({ company = "Acme" })[1].trigger)
    assert.equal("Over", engine:triggers()[#config.TRIGGERS + 1].name)
    assert.same({}, engine:check(with_rules(BACK, won(CUSTOMER))))
    engine:close()
  end)

  it("gets one number when many declare it at once", function()
    local code = [[
      local leadcat = require "leadcat"
      local list = {}
      for i = 1, 30 do
        list[i] = { trigger = "own_" .. (i * tonumber(arg[2]) % 31) }
      end
      local engine = assert(leadcat.open { path = arg[1], map_size = 2 ^ 26, triggers = list })
      engine:close()
      print "done"
    ]]
    local engine, path = stores.open()
    local running = {}
    for i = 1, 4 do
      running[i] = processes.start(code, { path, tostring(i + 2) })
    end
    for _, process in ipairs(running) do
      assert.same({ "done", 0 }, { process:wait() })
    end
    local seen = {}
    for _, name in ipairs((engine._store:triggers())) do
      assert.is_nil(seen[name])
      seen[name] = true
    end
    assert.equal(30, #engine._store:triggers())
    engine:close()
  end)
end)
