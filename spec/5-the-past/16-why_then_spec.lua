-- Why, of a moment of the past: what is said afterwards is what was so when it happened, as far as it was kept; what was not is named.

local answered = require "support.answered"
local clock = require "support.clock"
local crm = require "support.crm"
local json = require "leadcat.util.json"
local stores = require "support.stores"
local web = require "support.web"

local LEAD, OPPORTUNITY, CUSTOMER, LOST = 1, 3, 5, 7 -- the preset's categories
local START, DAY = 1700000000, 86400

local function open(options)
  local host, time = crm.new { Acme = LEAD, Bolt = LEAD }, clock.new(START)
  local all = { host = host, record_unchanged = "full", clock = function() return time.now end, durability = "relaxed" }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  local engine, path = stores.open(all)
  return engine, time, host, path
end

-- The decisions of an explanation, by trigger: {action, to, reason}.
local function decided(why)
  local list = {}
  for _, decision in ipairs(why.decisions) do
    list[decision.trigger] = { decision.action, decision.to, decision.reason }
  end
  return list
end

describe("why, at a moment of the past,", function()
  after_each(stores.check)

  -- Saves rules, wins, loses, registers and moves by hand at random; what the engine said at each moment is written down as it happens.
  it("says what was so when it happened", function()
    local TRIGGERS = { "sale_registered", "sale_won", "sale_lost" }
    for seed = 1, 4 do
      local random = answered.random(seed)
      local engine, time, host = open()
      local moments = {}
      local function step()
        local what = random(10)
        if what <= 2 then
          local rules = {}
          for _, trigger in ipairs(TRIGGERS) do
            rules[trigger] = random(3) > 1 and ({ LEAD, OPPORTUNITY, CUSTOMER, LOST, 2 })[random(5)] or nil
          end
          local cfg = stores.config(rules)
          for _, rule in ipairs(cfg.rules) do
            rule.from = { groups = json.array { "potential_customer", "customer" } }
          end
          cfg.revision = nil
          assert(engine:save(cfg))
        elseif what == 3 then
          host.companies.Acme = ({ LEAD, OPPORTUNITY, CUSTOMER })[random(3)]
        else
          assert(engine:handle { trigger = TRIGGERS[random(3)], company = random(3) > 1 and "Acme" or "Bolt" })
        end
      end
      for i = 1, 40 do
        step()
        time.now = time.now + 10
        local live, category = {}, host.companies.Acme
        for _, trigger in ipairs(TRIGGERS) do
          live[trigger] = { engine:decide(trigger, category) }
        end
        moments[i] = { at = time.now - 5, revision = engine:config().revision, category = category, live = live }
      end
      time.now = time.now + DAY
      for _, moment in ipairs(moments) do
        local why = assert(engine:why("Acme", { at = moment.at }))
        assert.equal(moment.revision, why.past.revision)
        if why.past.category_by ~= "unknown" and why.category == moment.category then
          local found = decided(why)
          for trigger, live in pairs(moment.live) do
            assert.same({ live[1], live[2], live[3] }, found[trigger], trigger .. " of seed " .. seed)
          end
        else -- only a hand that moved it can be the reason; the next entry, if there is one, has seen that
          local seen = engine:why("Acme", { at = moment.at }).past
          assert.is_true(seen.moved_to ~= nil or host.companies.Acme ~= why.category or seen.category_by ~= "change")
        end
      end
      engine:close()
    end
  end)

  it("goes by the version, the conditions and the category of then", function()
    local engine, time, host = open()
    local cfg = stores.config { sale_won = CUSTOMER }
    cfg.rules[1].when = json.array { json.array { { field = "sale.amount", is = "at_least", value = 100 } } }
    assert(engine:save(cfg))
    time.now = START + DAY
    assert(engine:handle { trigger = "sale_won", company = "Acme", sale = { id = 1, amount = 50 } })
    time.now = START + 2 * DAY
    cfg = engine:config()
    cfg.rules[1].when = nil
    assert(engine:save(cfg))
    time.now = START + 3 * DAY
    assert(engine:handle { trigger = "sale_won", company = "Acme", sale = { id = 2, amount = 60 } })
    time.now = START + 4 * DAY
    host.companies.Acme = LOST

    local first = engine:why("Acme", { at = START + DAY + 60 })
    assert.same({ 1, LEAD, "conditions_not_met" }, { first.past.revision, first.category, decided(first).sale_won[3] })
    assert.same({ "sale.amount" }, first.past.not_known)
    assert.matches("^On 15 Nov 2023, 22:14 UTC, under version 1 of the rules, Acme was in Lead%.", first.past.sentence)
    assert.matches("Not kept, or not known then: sale.amount.", first.past.sentence, 1, true)
    assert.equal("update", decided(engine:why("Acme", {
      at = START + DAY + 60, event = { sale = { amount = 100 } },
    })).sale_won[1])

    local second = engine:why("Acme", { at = START + 2 * DAY + 60 })
    assert.same({ 2, LEAD, "update" }, { second.past.revision, second.category, decided(second).sale_won[1] })
    assert.equal(CUSTOMER, engine:why("Acme", { at = START + 3 * DAY + 60 }).category)
    assert.same({ 0, "later" }, { engine:why("Acme", { at = START - 60 }).past.revision,
      engine:why("Acme", { at = START - 60 }).past.category_by })
    assert.equal("now", engine:why("Bolt", { at = START + DAY }).past.category_by)
    assert.equal(LOST, engine:why("Acme").category)
    assert.is_nil(engine:why("Acme").past)
    engine:close()
  end)

  it("says that something else has moved the company, and does not claim to know when", function()
    local engine, time, host = open()
    assert(engine:save(stores.config { sale_won = CUSTOMER, sale_registered = OPPORTUNITY }))
    assert(engine:handle { trigger = "sale_registered", company = "Acme" })
    time.now = START + DAY
    host.companies.Acme = 2
    time.now = START + 2 * DAY
    assert(engine:handle { trigger = "sale_won", company = "Acme" })
    local why = engine:why("Acme", { at = START + DAY + 60 })
    assert.same({ OPPORTUNITY, 2 }, { why.category, why.past.moved_to })
    assert.matches("something other than leadcat moved it to Marketing qualified lead; when is not known.",
      why.past.sentence, 1, true)
    engine:close()
  end)

  it("tells of one entry what its event said, what was decided, and by which rules", function()
    local engine, time = open()
    local cfg = stores.config { sale_won = CUSTOMER }
    cfg.rules[1].when = json.array { json.array { { field = "sale.amount", is = "at_least", value = 100 } } }
    assert(engine:save(cfg))
    assert(engine:handle { trigger = "sale_won", company = "Acme", sale = { id = 1, amount = 50 } })
    time.now = START + DAY
    assert(engine:handle { trigger = "sale_won", company = "Acme", sale = { id = 2, amount = 500 } })
    time.now = START + 2 * DAY
    cfg = engine:config()
    cfg.rules[1].enabled = false
    assert(engine:save(cfg))
    assert(engine:company_renamed("Acme", "Acme AS"))
    local entries = engine:history { company = "Acme AS", unchanged = true }
    assert.equal("renamed", entries[1].status)
    for i, row in ipairs {
      { CUSTOMER, "update", "matched", "The category of Acme AS will be updated from Lead to Customer." },
      { nil, "none", "conditions_not_met", "(it is 50)" },
    } do
      local why = assert(engine:why("Acme AS", { entry = entries[i + 1].entry, limit = 5 }))
      local decision = why.decisions[1]
      assert.same({ 1, 1, LEAD, "entry" }, { #why.decisions, why.past.revision, why.category, why.past.category_by })
      assert.same({ row[1], row[2], row[3] }, { decision.to, decision.action, decision.reason })
      assert.matches(row[4], decision.sentence, 1, true)
      assert.equal(entries[i + 1].entry, why.past.entry.entry)
      assert.equal(why.past.entry.entry, why.entries[1].entry)
    end
    assert.equal("invalid", select(3, engine:why("Acme AS", { entry = entries[1].entry })))
    assert.equal("not_found", select(3, engine:why("Bolt", { entry = entries[2].entry })))
    assert.has_error(function() engine:why("Acme", { entry = 0 }) end)
    engine:close()
  end)
end)

describe("the page why, at a moment of the past,", function()
  after_each(stores.check)

  local function see(site, query, who)
    return web.is_page(web.ask(site, "GET", "/leadcat/why?" .. query, { as = who or "bob" })).body
  end

  it("has a field for the day, and is where rows of the history lead", function()
    local site = web.new_site { record_unchanged = "full" }
    local company = web.new_company(site)
    assert(site.engine:handle { trigger = "sale_won", company = company, sale = { id = 1, name = "Printers" } })
    local entry = site.engine:history { company = company }[1].entry
    local link = ("/leadcat/why?company=%s&amp;entry=%d"):format(company, entry)
    web.contains(web.ask(site, "GET", "/leadcat/history", { as = "bob" }).body, 'href="' .. link .. '"')

    local body = see(site, ("company=%s&entry=%d"):format(company, entry))
    web.contains(body, "What was decided, and why")
    web.contains(body, "The sale Printers was won.")
    web.contains(body, ('href="/leadcat/why?company=%s">Show what would happen now</a>'):format(company))

    web.contains(see(site, "company=" .. company .. "&at="), "What would happen now")
    body = see(site, "company=" .. company .. "&at=2023-11-14")
    web.contains(body, 'name="at" type="date" value="2023-11-14"')
    web.contains(body, "under version 1 of the rules")
    web.contains(body, "What the rules of that time would have done")
    for _, at in ipairs { "2020-01-01", "1577836800.5" } do
      web.contains(see(site, "company=" .. company .. "&at=" .. at), "no rules had been saved yet")
    end
    for language, words in pairs(site.engine.strings:all "why.then_title") do
      web.ACTORS.reader = { id = "reader", language = language }
      web.contains(see(site, "company=" .. company .. "&at=2023-11-14", "reader"), words)
    end
    assert.equal(422, web.ask(site, "GET", "/leadcat/why?company=x&at=yesterday", { as = "bob" }).status)
    assert.equal(404, web.ask(site, "GET", "/leadcat/why?company=" .. company .. "&entry=7", { as = "bob" }).status)
    site.engine:close()
  end)

  it("is the same for programs, and on the command line", function()
    local engine, _, _, path = open()
    assert(engine:save(stores.config { sale_won = CUSTOMER }))
    assert(engine:handle { trigger = "sale_won", company = "Acme", category = LEAD })
    local entry = engine:history {}[1].entry
    engine:close()
    local function run(...)
      local code = 'os.exit(require("leadcat.cli").main(arg))'
      return stores.run(code, "explain", "--path", path, "--company", "Acme", ...)
    end
    assert.matches("under version 1 of the rules, Acme was in Customer", (run("--at", "2023-11-15")))
    assert.matches("under version 1 of the rules, Acme was in Lead", (run("--entry", ("%d"):format(entry))))
    assert.equal(entry, json.decode((run("--json", "--entry", ("%d"):format(entry)))).past.entry.entry)
    for _, words in ipairs {
      { "--at", "soon" }, { "--at", "1", "--entry", "2" }, { "--at", "1", "--trigger", "sale_won" },
    } do
      assert.equal(2, select(2, run(stores.unpack(words))))
    end

    local site = web.new_site()
    local company = web.new_company(site)
    assert(site.engine:handle { trigger = "sale_won", company = company })
    local found = json.decode(web.ask(site, "GET", "/leadcat/api/explain?at=2023-11-14&company=" .. company,
      { as = "bob" }).body)
    assert.same({ 1, CUSTOMER, "change" }, { found.past.revision, found.category, found.past.category_by })
    site.engine:close()
  end)
end)
