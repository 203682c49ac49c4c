-- Facts for conditions: from the event, and from the host, which is asked once and for many at a time.

local stores = require "support.stores"

local CONFIG = {
  categories = {
    { id = 1, name = "Lead", group = "potential_customer" }, { id = 2, name = "Customer", group = "customer" },
    { id = 3, name = "Norway", group = "customer" },
  },
  rules = {
    { trigger = "sale_won", enabled = true, set_category = 3, when = {
      { { field = "company.country", is = "equals", value = "NO" }, { field = "company.size", is = "known" } },
    } },
    { trigger = "sale_won", enabled = true, set_category = 2 },
    { trigger = "sale_lost", enabled = true, set_category = 2 },
  },
}

-- An engine whose host knows `known`, by company, and notes what it is asked in `asked`.
local function open(known, options)
  local asked = {}
  local host = require("leadcat.host.lmdb").new { facts = function(requests, tenant)
    local answers = {}
    asked[#asked + 1] = { requests = requests, tenant = tenant }
    for i, request in ipairs(requests) do
      answers[i] = known[request.company]
    end
    return answers
  end }
  local engine = stores.open { host = host, tenant = options and options.tenant }
  assert(engine:save(CONFIG, { actor = { id = 1, admin = true } }))
  for _, company in ipairs { "a", "b", "c", "d" } do
    engine.host:create(company, 1)
  end
  return engine, asked
end

describe("facts", function()
  after_each(stores.check)

  it("are asked of the host together, and only where a condition needs them", function()
    local known = { a = { ["company.country"] = "no", ["company.size"] = 5 }, b = {}, d = {} }
    local engine, asked = open(known, { tenant = "t" })
    local outcomes = assert(engine:handle_many {
      { trigger = "sale_won", company = "a" },
      { trigger = "sale_won", company = "b", facts = { ["company.size"] = 1 } },
      { trigger = "sale_won", company = "c", facts = { ["company.size"] = 1, ["company.country"] = "NO" } },
      { trigger = "sale_lost", company = "d" },
      { trigger = "sale_won", company = "nobody" },
    })
    assert.equal(1, #asked)
    assert.equal("t", asked[1].tenant)
    assert.same({ { "a", { "company.country", "company.size" } }, { "b", { "company.country" } } }, {
      { asked[1].requests[1].company, asked[1].requests[1].names },
      { asked[1].requests[2].company, asked[1].requests[2].names },
    })
    assert.equal("a", asked[1].requests[1].event.company)
    assert.same({ 3, 2, 3, 2 }, { outcomes[1].to, outcomes[2].to, outcomes[3].to, outcomes[4].to })
    assert.equal("unknown_category", outcomes[5].reason)
    assert.matches("^sale_won$", outcomes[1].rule)
    assert.matches("^sale_won#%d+$", outcomes[2].rule)
    engine:close()
  end)

  it("of the host are not asked for again when its guard has its say, and are shown to the guard", function()
    local engine, asked = open { a = { ["company.country"] = "NO", ["company.size"] = 5 } }
    local seen
    engine:on("guard", function(_, decision, about)
      seen = { decision.to, about.facts["company.size"], about.tenant }
    end)
    assert.equal(3, assert(engine:handle { trigger = "sale_won", company = "a" }).to)
    assert.same({ 3, 5, "" }, seen)
    assert.equal(1, #asked)
    engine:close()
  end)

  it("that the host cannot read leave the event untaken, and others go on", function()
    local engine = open {}
    local outcome, message, code = engine:handle { trigger = "sale_won", company = "a" }
    assert.is_nil(outcome)
    assert.equal("host.facts returned nil, not a table, for company a", message)
    assert.equal("unavailable", code)
    assert.equal("updated", assert(engine:handle { trigger = "sale_lost", company = "a" }).status)
    for answer, expected in pairs {
      [function() error("no line", 0) end] = "host.facts raised: no line",
      [function() return nil, "no line" end] = "no line",
      [function() return 7 end] = "host.facts returned 7, not a list of tables",
    } do
      engine.host.facts = answer
      local _
      _, message = engine:handle { trigger = "sale_won", company = "b" }
      assert.equal(expected, message)
    end
    engine:close()
  end)

  it("are asked for explaining and proposing, too; explain tells each condition", function()
    local engine, asked = open { a = { ["company.country"] = "SE", ["company.size"] = 5 } }
    local explained = assert(engine:explain { trigger = "sale_won", company = "a" })
    assert.equal(1, #asked)
    assert.same({ "update", 2 }, { explained.action, explained.to })
    local check
    for _, one in ipairs(explained.checks) do
      check = one.name == "conditions_not_met" and one or check
    end
    assert.is_true(check.pass)
    assert.same({ { false, "text" }, { true, "number" } }, {
      { check.rules[1].when[1][1].holds, check.rules[1].when[1][1].fact },
      { check.rules[1].when[1][2].holds, check.rules[1].when[1][2].fact },
    })
    assert.same({ "sale_won", false, true }, { check.rules[1].rule, check.rules[1].applies, check.rules[2].applies })
    assert.is_nil(engine:propose { trigger = "sale_won", company = "a" })
    assert.equal(2, #asked)
    engine:close()
  end)

  it("that were asked for by older rules are asked for anew", function()
    local engine, asked = open { a = { ["company.country"] = "NO", ["company.size"] = 5, ["company.age"] = 9 } }
    local ask, newer = engine.host.facts, false
    function engine.host.facts(...)
      if not newer then
        newer = true
        local cfg = assert(engine:config())
        cfg.rules[1].when = { { { field = "company.age", is = "unknown" } } }
        assert(engine:save(cfg, { actor = { id = 1, admin = true } }))
        return { {} }
      end
      return ask(...)
    end
    assert.equal(2, assert(engine:handle { trigger = "sale_won", company = "a" }).to)
    assert.same({ "company.age" }, asked[1].requests[1].names)
    engine:close()
  end)

  it("of other types than a table are a mistake in the event", function()
    local engine = open {}
    local _, message, code = engine:handle { trigger = "sale_won", company = "a", facts = 7 }
    assert.equal("facts must be a table of facts by name, not 7", message)
    assert.equal("invalid", code)
    assert.has_error(function()
      engine:decide("sale_won", 1, nil, { facts = 7 })
    end, "event: facts must be a table, not a number")
    local decide = engine:decider()
    assert.equal("update", decide("sale_won", 1, nil, {}))
    assert.has_error(function() decide("sale_won", 1, nil, { facts = false }) end,
      "event: facts must be a table, not a boolean")
    engine:close()
  end)
end)
