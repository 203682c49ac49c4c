-- What `engine:why` says of a company beyond what is so: what would be if something were different, its newest entries in
-- words, and what the host is asked for; also where coroutines share the store.

local clock = require "support.clock"
local crm = require "support.crm"
local json = require "leadcat.util.json"
local patient = require "leadcat.store.patient"
local stores = require "support.stores"

local LEAD, CUSTOMER = 1, 5 -- the preset's categories

-- Rules whose condition asks for an amount, and for what the host knows.
local function config()
  local cfg = stores.config { sale_won = CUSTOMER }
  cfg.rules[1].when = json.array { json.array {
    { field = "sale.amount", is = "at_least", value = 100 },
    { field = "company.country", is = "equals", value = "NO" },
  } }
  return cfg
end

-- An engine with these rules, and a host that says where a company is; `asked` are the companies it was asked about.
local function open(options)
  local host, asked, time = crm.new { Acme = LEAD, Nordic = LEAD }, {}, clock.new(1700000000)
  local countries = { Acme = "SE", Nordic = "NO" }
  function host.facts(requests)
    local answers = {}
    for i, request in ipairs(requests) do
      asked[#asked + 1], answers[i] = request.company, { ["company.country"] = countries[request.company] }
    end
    return answers
  end
  local all = { host = host, record_unchanged = "full", clock = function() return time.now end }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  local engine = stores.open(all)
  assert(engine:save(config()))
  return engine, asked, time
end

-- What would happen on a won sale.
local function won(why)
  for _, decision in ipairs(why.decisions) do
    if decision.trigger == "sale_won" then
      return decision
    end
  end
end

describe("why, for a company", function()
  after_each(stores.check)

  it("asks the host for the facts of that company", function()
    local engine, asked = open()
    assert.equal("update", won(engine:why("Nordic", { event = { sale = { amount = 200 } } })).action)
    assert.equal("conditions_not_met", won(engine:why("Acme", { event = { sale = { amount = 200 } } })).reason)
    assert.same({ "Nordic", "Acme" }, asked)
    engine:close()
  end)

  it("takes what is to be tried instead of what is known", function()
    local engine, asked = open()
    local tried = { sale = { amount = 200 }, facts = { ["company.country"] = "NO" } }
    assert.equal("update", won(engine:why("Acme", { event = tried })).action)
    assert.same({}, asked)
    tried.category = CUSTOMER
    local why = engine:why("Acme", { event = tried })
    assert.same({ CUSTOMER, "not_potential_customer" }, { why.category, won(why).reason })
    assert.equal(LEAD, engine.host.category "Acme")
    assert.equal("conditions_not_met", won(engine:why "Acme").reason)
    engine:close()
  end)

  it("refuses what no event can say", function()
    local engine = open()
    for _, event in ipairs { { id = "x" }, { trigger = "sale_won" }, { facts = 1 }, { sale = { id = {} } }, 17 } do
      assert.has_error(function() engine:why("Acme", { event = event }) end)
    end
    engine:close()
  end)

  it("tells of as many entries as asked for, newest first, also of what came to nothing", function()
    local engine, _, time = open()
    for amount = 1, 3 do
      time.now = time.now + 60
      assert(engine:handle { trigger = "sale_won", company = "Acme", sale = { id = amount, name = "Sale " .. amount } })
    end
    local why = engine:why("Acme", { limit = 2 })
    assert.equal(2, #why.entries)
    assert.matches("^The sale Sale 3 was won. Nothing was changed", why.entries[1].sentence)
    assert.matches("^The sale Sale 2 was won", why.entries[2].sentence)
    assert.equal(why.entries[1], why.newest)
    assert.is_nil(engine:why("Acme").entries)
    engine:close()
  end)

  it("calls fields what the host calls them", function()
    local host = crm.new { Acme = LEAD }
    host.fields = { { field = "sale.amount", type = "number", name = { en = "Amount", no = "Beløp" } } }
    local engine = open { host = host }
    assert.matches("Amount is at least 100", won(engine:why "Acme").sentence, 1, true)
    assert.matches("Beløp er minst 100", won(engine:why("Acme", { language = "no" })).sentence, 1, true)
    assert.matches("Amount is at least 100",
      engine:explain({ trigger = "sale_won", company = "Acme" }).sentence, 1, true)
    engine:close()
  end)

  it("says all of it where a store is shared by the coroutines of a scheduler, too", function()
    local engine = open()
    local event = { trigger = "sale_won", company = "Nordic", sale = { amount = 5 } }
    local function explained(store)
      local all = { store:explain("", "sale_won", LEAD, nil, event) }
      return all[8][1].starts, all[10]
    end
    assert.same({ true, { "company.country" } }, { explained(engine._store) })
    assert.same({ true, { "company.country" } }, { explained(patient.new(engine._store)) })
    engine:close()
  end)
end)
