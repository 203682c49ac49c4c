-- What is noted of an event that changes nothing (`record_unchanged`) has the facts that its rules looked at, as an entry has
-- them: so that an explanation later shows what was known then.

local config = require "leadcat.rules.config"
local crm = require "support.crm"
local http = require "leadcat.http"
local stores = require "support.stores"
local web = require "support.web"

local LEAD, CUSTOMER, NORWAY = 1, 2, 3
local ANN = { id = 17, name = "Ann Berg" }

local RULES = config.normalize {
  categories = {
    { id = LEAD, name = "Lead", group = "potential_customer" },
    { id = CUSTOMER, name = "Customer", group = "customer" }, { id = NORWAY, name = "Norway", group = "customer" },
  },
  lead_statuses = {},
  rules = {
    { trigger = "sale_won", enabled = true, set_category = NORWAY, when = { {
      { field = "sale.amount", is = "at_least", value = 100 },
      { field = "company.country", is = "equals", value = "NO" },
    } } },
    { trigger = "sale_won", enabled = false, id = 7, set_category = CUSTOMER, when = { {
      { field = "company.size", is = "known" },
    } } },
    { trigger = "sale_lost", enabled = true, set_category = CUSTOMER },
  },
}

-- What each host knows is told by `countries`.
local function facts(countries)
  return function(requests)
    local answers = {}
    for i, request in ipairs(requests) do
      answers[i] = { ["company.country"] = countries[request.company], ["company.size"] = 5 }
    end
    return answers
  end
end

local HOSTS = {
  ["the embedded host"] = function(known) return require("leadcat.host.lmdb").new { facts = known } end,
  ["a host of one's own"] = function(known)
    local host = crm.new { Acme = LEAD, Bolt = LEAD, Fjord = CUSTOMER }
    host.facts = known
    return host
  end,
}

local function open(name, countries, options)
  local host = HOSTS[name](facts(countries or {}))
  local engine = stores.open { host = host, record_unchanged = options and options.share or "full" }
  assert(engine:save(RULES, { actor = { id = 1, admin = true } }))
  if engine.host.create then
    for company, category in pairs { Acme = LEAD, Bolt = LEAD, Fjord = CUSTOMER } do
      assert(engine.host:create(company, category))
    end
  end
  return engine
end

local function won(company, more)
  local event = { trigger = "sale_won", company = company, actor = ANN }
  for name, value in pairs(more or {}) do
    event[name] = value
  end
  return event
end

-- The facts and the sale of the newest notes, by company and reason.
local function noted(engine)
  local found = {}
  for _, note in ipairs(assert(engine:history { unchanged = true })) do
    if note.status == "unchanged" then
      found[note.company .. " " .. note.reason] = { facts = note.facts, sale = note.sale, actor = note.actor }
    end
  end
  return found
end

describe("a note of what has come to nothing", function()
  after_each(stores.check)

  for name in pairs(HOSTS) do
    local with = ", with " .. name

    it("has what the enabled rules looked at, of the event and of what the host told" .. with, function()
      local engine = open(name, { Acme = "SE" })
      local sale = { id = 5, name = "Pumps", amount = 150, colour = "red" }
      local told = { ["company.size"] = 9, ["company.name"] = "Acme Ltd" }
      local outcome = assert(engine:handle(won("Acme", { id = "e1", sale = sale, facts = told })))
      assert.equal("conditions_not_met", outcome.reason)
      assert.is_nil(rawget(outcome, "details"))
      assert.same({ ["Acme conditions_not_met"] = {
        facts = { ["company.country"] = "SE" }, sale = sale, actor = ANN,
      } }, noted(engine))
      engine:close()
    end)

    it("has them of each event of many" .. with, function()
      local engine = open(name, { Acme = "SE" })
      local outcomes = assert(engine:handle_many {
        won("Acme", { sale = { amount = 150 } }),
        won("Bolt", { sale = { amount = 50 }, facts = { ["company.country"] = "NO" } }),
        won("Fjord", { facts = { ["company.country"] = { "NO", "SE" } } }),
        { trigger = "sale_lost", company = "Fjord", facts = { ["company.country"] = "NO" } }, -- no condition looks at it
        won("Acme", { facts = { ["company.country"] = "NO" }, sale = { amount = 500 } }),
      })
      local unchanged = { outcomes[1].status, outcomes[2].status, outcomes[3].status, outcomes[4].status }
      assert.same({ "unchanged", "unchanged", "unchanged", "unchanged" }, unchanged)
      assert.equal("updated", outcomes[5].status)
      local found = noted(engine)
      assert.same({ ["company.country"] = "SE" }, found["Acme conditions_not_met"].facts)
      assert.same({ ["company.country"] = "NO" }, found["Bolt conditions_not_met"].facts)
      for _, outcome in ipairs(outcomes) do
        assert.is_nil(rawget(outcome, "details"))
      end
      engine:close()
    end)

    it("has them where a guard has stopped it" .. with, function()
      local engine = open(name, { Acme = "NO" })
      local told
      engine:on("guard", function() return false, "Frozen by finance." end)
      engine:on("unchanged", function(_, outcome) told = rawget(outcome, "details") end)
      local outcome = assert(engine:handle(won("Acme", { id = "e1", sale = { amount = 150 } })))
      assert.same({ "vetoed", "Frozen by finance." }, { outcome.reason, outcome.error })
      assert.same({ nil, nil }, { told, rawget(outcome, "details") })
      assert.same({ ["company.country"] = "NO" }, noted(engine)["Acme vetoed"].facts)
      engine:close()
    end)
  end

  it("leaves nothing in outcomes where only a share is noted", function()
    local engine = open("the embedded host", {}, { share = 1e-9 })
    assert.is_nil(rawget(assert(engine:handle(won "Acme")), "details"))
    assert.same({}, noted(engine))
    engine:close()
  end)

  it("keeps as much of an event as an entry does", function()
    local engine = open("the embedded host", { Acme = "SE" })
    local sale = { id = 5, amount = 150, text = ("x"):rep(9000) }
    assert(engine:handle(won("Acme", { sale = sale })))
    assert.same({ id = 5, amount = 150 }, noted(engine)["Acme conditions_not_met"].sale)
    engine:close()
  end)

  it("is shown with them on the page that asks why nothing happened, and can be tried again with them", function()
    local site = { engine = open("the embedded host", { Acme = "Sweden" }) }
    site.app = http.new { engine = site.engine, authenticate = web.authenticate }
    assert(site.engine:handle(won("Acme", { sale = { amount = 137 } })))
    local body = web.is_page(web.ask(site, "GET", "/leadcat/why?company=Acme", { as = "ann" })).body
    web.contains(body, "&amp;if.sale.amount=137&amp;if.company.country=Sweden\"")
    web.contains(body, " <span class=\"leadcat-line leadcat-muted\">sale.amount is 137 and ")
    site.engine:close()
  end)
end)
