--- Rules with a limit: what is beyond it is held, until somebody releases or drops it. Each case with both kinds of host and with a
-- shared store; those of time with a clock of ours.

local clock = require "support.clock"
local core = require "leadcat.core"
local crm = require "support.crm"
local databases = require "support.databases"
local leadcat = require "leadcat"
local notices = require "leadcat.operations.notices"
local shared = require "support.shared"
local stores = require "support.stores"

local SLOW = os.getenv "LEADCAT_SLOW"
local START, MINUTE, HOUR, DAY = 1700000000, 60, 3600, 86400
local LEAD, OPPORTUNITY, LOST, CUSTOMER, PARTNER = 1, 3, 4, 5, 6 -- the preset's categories
local ANN, BOB = { id = "ann", name = "Ann", admin = true }, { id = "bob" }
local ANYWHERE = { groups = { "potential_customer", "customer", "lost", "partner", "other" } }
local HOSTS = { "the embedded host", "a host of one's own", "a shared store" }
local COMPANIES = 12

local function with_rules(rules)
  local cfg = leadcat.preset "superoffice"
  cfg.rules = {}
  for i, rule in ipairs(rules) do
    cfg.rules[i] = { enabled = true }
    for name, value in pairs(rule) do
      cfg.rules[i][name] = value
    end
  end
  return cfg
end

-- An engine with the leads c1 to c12, and what moves a company past leadcat.
local function open(name, rules, options)
  local time = clock.new(START)
  local engine, path
  options = options or {}
  options.clock, options.durability = function() return time.now end, "relaxed"
  local leads = {}
  for i = 1, COMPANIES do
    leads["c" .. i] = LEAD
  end
  if name == HOSTS[2] then
    options.host = crm.new(leads)
    options.host.facts = options.facts
  end
  options.facts = nil
  if name == HOSTS[3] then
    options.durability = nil
    engine, path = shared.open(shared.database(), options)
  else
    engine, path = stores.open(options)
  end
  assert(engine:save(with_rules(rules)))
  for company in pairs(engine.host.create and leads or {}) do
    assert(engine.host:create(company, LEAD))
  end
  local function move(company, to)
    assert(engine.host.set_category(company, to, engine.host.category(company)))
  end
  return engine, time, move, path
end

local WON = { trigger = "sale_won", set_category = CUSTOMER, limit = { changes = 3, hours = 1 } }

local function won(i, fields)
  local made = { trigger = "sale_won", company = "c" .. i, id = "e" .. i, sale = { id = i } }
  for field, value in pairs(fields or {}) do
    made[field] = value
  end
  return made
end

-- The statuses of what comes of the sales from one to another, one by one.
local function win(engine, first, last, fields)
  local found = {}
  for i = first, last do
    found[#found + 1] = assert(engine:handle(won(i, fields))).status
  end
  return table.concat(found, " ")
end

local function held(engine)
  local list = {}
  for i, entry in ipairs(assert(engine:held { limit = 1000 })) do
    list[i] = entry.company
  end
  return table.concat(list, " ")
end

local function counts_of(result, message)
  assert(result, message)
  return { result.released, result.dropped, result.left }
end

-- The companies that are customers now.
local function customers(engine)
  local list = {}
  for i = 1, COMPANIES do
    list[#list + 1] = engine.host.category("c" .. i) == CUSTOMER and i or nil
  end
  return table.concat(list, " ")
end

for _, name in ipairs(HOSTS) do
  describe("with " .. name .. ", a rule with a limit", function()
    if name == HOSTS[3] and SLOW then
      return
    end
    after_each(function()
      shared.close()
      stores.check()
    end)
    teardown(databases.stop)

    it("holds what is beyond it: nothing is changed, and nobody is told but once", function()
      local engine = open(name, { WON, { trigger = "sale_lost", set_category = LOST, from = ANYWHERE } })
      local cursor = select(2, engine:changes "newest")
      assert.equal("updated updated updated held held held", win(engine, 1, 6))
      assert.same({ "1 2 3", "c4 c5 c6" }, { customers(engine), held(engine) })
      local told = {}
      for _, change in ipairs(engine:changes(cursor)) do
        told[#told + 1] = notices.told(change).type .. " " .. change.entry.company
      end
      assert.same({ "change.made c1", "change.made c2", "change.made c3", "rule.held c4" }, told)
      assert.equal("held", engine:handle(won(4)).first.status)
      assert.equal("updated", engine:handle({ trigger = "sale_lost", company = "c5" }).status) -- it blocks nothing
      assert.same({ "held", "updated" }, { engine:history({ company = "c5" })[2].status,
        engine:history({ company = "c5" })[1].status })
      assert.equal(3, #engine:history { status = "held" })
      engine:close()
    end)

    it("counts in one batch as one by one", function()
      local engine, events = open(name, { WON }), {}
      for i = 1, 8 do
        events[i] = won(i)
      end
      assert(engine:handle_many(events))
      assert.same({ "1 2 3", "c4 c5 c6 c7 c8" }, { customers(engine), held(engine) })
      engine:close()
    end)

    it("asks so many users, and holds the other questions", function()
      local engine = open(name, { { trigger = "sale_won", set_category = CUSTOMER, ask = true,
        limit = { changes = 2, hours = 1 } } })
      assert.equal("awaiting_confirmation awaiting_confirmation held", win(engine, 1, 3, { actor = ANN }))
      assert.equal(2, #engine:confirmations())
      assert.same({ 1, 0, 0 }, counts_of(engine:release { all = true }))
      assert.same({ 3, "" }, { #engine:confirmations(), customers(engine) })
      assert.equal("updated", engine:handle(won(4, { actor = ANN, choice = CUSTOMER })).status)
      engine:close()
    end)

    it("lets what the user has decided pass", function()
      local engine = open(name, { { trigger = "sale_won", set_category = CUSTOMER, ask = true,
        limit = { changes = 1, hours = 1 } } })
      assert.equal("updated updated declined", win(engine, 1, 2, { choice = CUSTOMER }) .. " "
        .. win(engine, 3, 3, { choice = false }))
      assert.equal("awaiting_confirmation held", win(engine, 4, 5))
      assert.equal("updated", win(engine, 6, 6, { choice = PARTNER }))
      engine:close()
    end)

    it("is released: each match is decided anew, by its rule alone", function()
      local engine, _, move = open(name, { WON, { trigger = "sale_won", set_category = PARTNER } })
      assert.equal("updated updated updated held held held held", win(engine, 1, 7))
      move("c5", PARTNER)
      move("c6", CUSTOMER)
      local seen = assert(engine:held { foresee = true })
      local would = {}
      for i, entry in ipairs(seen) do
        would[i] = entry.would.status .. " " .. entry.would.reason
      end
      assert.same({ "updated matched", "unchanged not_potential_customer", "unchanged not_potential_customer",
        "updated matched" }, would)
      assert.equal("1 2 3 6", customers(engine))
      local result = assert(engine:release({ rule = "sale_won" }, { actor = ANN }))
      assert.same({ 2, 2, 0 }, counts_of(result))
      assert.same({ "1 2 3 4 6 7", "" }, { customers(engine), held(engine) })
      local first = result.outcomes[1]
      assert.same({ "updated", CUSTOMER, seen[1].entry }, { first.status, first.to, first.carries_out })
      local old = engine:history({ company = "c4" })[2]
      assert.same({ "carried_out", "ann" }, { old.status, old.ended_by.id })
      local gone = engine:history({ company = "c5" })[1]
      assert.same({ "dropped", "not_potential_customer", "ann" }, { gone.status, gone.reason, gone.ended_by.id })
      engine:close()
    end)

    it("is released entry by entry, once", function()
      local engine = open(name, { WON })
      win(engine, 1, 7)
      local list = engine:held()
      assert.same({ 1, 0, 0 }, counts_of(engine:release(list[2].entry)))
      assert.same({ "nil", "invalid" }, { tostring(engine:release(list[2].entry)),
        (select(3, engine:release(list[2].entry))) })
      assert.same({ 2, 0, 0 }, counts_of(engine:release { list[1].entry, list[1].entry, list[3].entry }))
      assert.equal("not_found", (select(3, engine:release(77))))
      assert.equal("invalid", (select(3, engine:drop(engine:history()[1].entry))))
      assert.equal("1 2 3 4 5 6", customers(engine))
      engine:close()
    end)

    it("is dropped: nothing comes of it, and the journal says who did", function()
      local engine = open(name, { WON })
      win(engine, 1, 7)
      assert.same({ 0, 1, 0 }, counts_of(engine:drop(engine:held()[1].entry, { actor = ANN })))
      assert.same({ 0, 3, 0 }, counts_of(engine:drop({ rule = "sale_won" }, { actor = ANN })))
      assert.same({ "1 2 3", "" }, { customers(engine), held(engine) })
      local entry = engine:history({ company = "c5" })[1]
      assert.same({ "dropped", "by_hand", "ann" }, { entry.status, entry.reason, entry.ended_by.id })
      assert.equal("duplicate", engine:handle(won(5)).status)
      engine:close()
    end)

    it("is only for who may, and refuses what is no choice", function()
      local engine = open(name, { WON })
      win(engine, 1, 5)
      for _, method in ipairs { "release", "drop" } do
        for _, what in ipairs { engine:held()[1].entry, { rule = "sale_won" }, { all = true } } do
          assert.equal("forbidden", (select(3, engine[method](engine, what, { actor = BOB }))))
        end
        for _, what in ipairs { "sale_won", {}, { "x" }, { 0 }, { rule = "a", all = true }, { all = false } } do
          assert.has_error(function() engine[method](engine, what) end)
        end
      end
      assert.equal("c4 c5", held(engine))
      engine:close()
    end)

    it("stays at a stop until nothing of it is held; then it counts anew", function()
      local engine, time = open(name, { WON })
      assert.equal("updated updated updated held held", win(engine, 1, 5))
      time.now = time.now + 3 * DAY
      assert.equal("held", win(engine, 6, 6))
      assert.same({ 2, 0, 0 }, counts_of(engine:release { engine:held()[1].entry, engine:held()[2].entry }))
      assert.equal("held", win(engine, 7, 7))
      assert.same({ 0, 2, 0 }, counts_of(engine:drop { all = true }))
      assert.equal("updated updated updated held", win(engine, 8, 11))
      engine:close()
    end)

    it("is no limit for the past, for previews, and for rules on trial", function()
      local engine, events = open(name, { WON, { trigger = "sale_lost", set_category = LOST, shadow = true, id = 9,
        limit = { changes = 1, hours = 1 } } }), {}
      for i = 1, 6 do
        events[i] = won(i, { at = START - DAY, id = "past" .. i })
      end
      assert(engine:backfill(events))
      assert.equal("1 2 3 4 5 6", customers(engine))
      for i = 7, 9 do
        assert(engine:handle { trigger = "sale_lost", company = "c" .. i })
      end
      assert.same({ "", 3 }, { held(engine), #engine:history { status = "shadow" } })
      assert.equal("updated updated updated held", win(engine, 7, 10))
      engine:close()
    end)

    it("holds what takes back, too, which looks at what its sale did when it is released", function()
      local engine, _, move = open(name, { { trigger = "sale_won", set_category = CUSTOMER },
        { trigger = "sale_deleted", take_back = true, limit = { changes = 1, hours = 1 } } })
      win(engine, 1, 3)
      local found = {}
      for i = 1, 3 do
        found[i] = engine:handle({ trigger = "sale_deleted", company = "c" .. i, sale = { id = i } }).status
      end
      assert.same({ "updated", "held", "held" }, found)
      move("c3", PARTNER)
      local result = assert(engine:release { all = true })
      assert.same({ 1, 1, 0 }, counts_of(result))
      assert.same({ true, LEAD, PARTNER }, { result.outcomes[1].takes_back, engine.host.category "c2",
        engine.host.category "c3" })
      assert.equal("nothing_to_take_back", result.outcomes[2].reason)
      engine:close()
    end)

    it("goes with companies that move, are merged and deleted", function()
      local engine, _, move = open(name, { WON })
      win(engine, 1, 7)
      if name == HOSTS[2] then
        engine.host.companies.n4 = LEAD
      end
      assert(engine:company_renamed("c4", "n4"))
      assert(engine:company_merged("c5", "c1"))
      assert(engine:company_deleted "c6")
      assert.equal("n4 c7", held(engine))
      local merged = engine:history({ company = "c1", status = "cancelled" })[1]
      assert.equal("c5", merged.former)
      assert.same({ 2, 0, 0 }, counts_of(engine:release { all = true }))
      assert.equal(CUSTOMER, engine.host.category "n4")
      move("c8", LEAD)
      assert.equal("updated updated updated held", win(engine, 8, 11)) -- and nothing of it is counted as held
      engine:close()
    end)

    it("drops what its rule no longer does", function()
      local engine = open(name, { WON })
      win(engine, 1, 5)
      assert(engine:save(with_rules { { trigger = "sale_won", set_category = CUSTOMER, enabled = false } }))
      local result = assert(engine:release { all = true })
      assert.same({ 0, 2, 0 }, counts_of(result))
      assert.equal("rule_disabled", result.outcomes[1].reason)
      engine:close()
    end)
  end)
end

describe("the hours of a limit", function()
  after_each(stores.check)

  -- Wins a sale at each of these minutes; what became of them.
  local function at(minutes, limit)
    local engine, time = open(HOSTS[1], { { trigger = "sale_won", set_category = CUSTOMER, limit = limit } })
    local found = {}
    for i, minute in ipairs(minutes) do
      time.now = START - START % HOUR + minute * MINUTE
      found[i] = engine:handle(won(i)).status == "held" and "held" or "done"
    end
    engine:close()
    return table.concat(found, " ")
  end

  for _, case in ipairs {
    { { 0, 30, 59, 60 }, "done done done held" },
    { { 0, 30, 59, 61 }, "done done done done" },
    { { 0, 30, 59, 61, 62 }, "done done done done held" },
    { { 0, 30, 59, 61, 91 }, "done done done done done" },
    { { 0, 0, 0, 60 * 24 * 30, 60 * 24 * 30, 60 * 24 * 30, 60 * 24 * 30 }, "done done done done done done held" },
    { { 100, 40, 40, 40 }, "done done done held" }, -- a clock that goes back
    { { 60 * 24 * 365, 0, 0, 0, 0 }, "done done done done held" }, -- one that was far ahead
  } do
    it("go by a clock: " .. table.concat(case[1], " "), function()
      assert.equal(case[2], at(case[1], { changes = 3, hours = 1 }))
    end)
  end

  it("may be days", function()
    assert.equal("done done held", at({ 0, 47 * 60, 48 * 60 }, { changes = 2, hours = 48 }))
    assert.equal("done done done", at({ 0, 47 * 60, 49 * 60 }, { changes = 2, hours = 48 }))
  end)

  it("may be changed, and what was done counts on", function()
    local engine, time = open(HOSTS[1], { WON })
    win(engine, 1, 2)
    time.now = time.now + 30 * MINUTE
    assert(engine:save(with_rules { { trigger = "sale_won", set_category = CUSTOMER,
      limit = { changes = 3, hours = 4 } } }))
    assert.equal("updated held", win(engine, 3, 4))
    engine:close()
  end)

  it("count what waits when it is carried out", function()
    local engine, time = open(HOSTS[1], { { trigger = "sale_won", set_category = CUSTOMER, after = { hours = 1 },
      limit = { changes = 2, hours = 1 } } })
    assert.equal("scheduled scheduled scheduled scheduled", win(engine, 1, 4))
    time.now = time.now + 2 * HOUR
    assert.equal(4, engine:maintain().carried_out)
    assert.same({ "1 2", "c3 c4" }, { customers(engine), held(engine) })
    assert.same({ 2, 0, 0 }, counts_of(engine:release { all = true }))
    assert.equal("1 2 3 4", customers(engine))
    engine:close()
  end)
end)

describe("what is held", function()
  after_each(stores.check)

  it("is decided with the facts of the moment", function()
    local country = "NO"
    local engine = open(HOSTS[2], { { trigger = "sale_won", set_category = CUSTOMER,
      limit = { changes = 1, hours = 1 },
      when = { { { field = "company.country", is = "equals", value = "NO" } } } } }, {
      facts = function(requests)
        local answers = {}
        for i in ipairs(requests) do
          answers[i] = { ["company.country"] = country }
        end
        return answers
      end,
    })
    assert.equal("updated held held", win(engine, 1, 3))
    country = "SE"
    assert.equal("conditions_not_met", engine:held({ foresee = true })[1].would.reason)
    local result = assert(engine:release { all = true })
    assert.same({ 0, 2, 0 }, counts_of(result))
    engine:close()
  end)

  it("stays where it cannot be decided, and is listed page by page, of a rule", function()
    local engine = open(HOSTS[2], { WON, { trigger = "sale_lost", set_category = LOST,
      limit = { changes = 1, hours = 1 } } })
    win(engine, 1, 6)
    for i = 7, 9 do
      assert(engine:handle { trigger = "sale_lost", company = "c" .. i })
    end
    local page, after = engine:held { rule = "sale_won", limit = 2 }
    local rest = engine:held { rule = "sale_won", after = after }
    assert.same({ 2, "c4", "c6" }, { #page, page[1].company, rest[1].company })
    assert.same({ "c8", "c9" }, { engine:held({ rule = "sale_lost" })[1].company,
      engine:held({ rule = "sale_lost" })[2].company })
    local category = engine.host.category
    engine.host.category = function(company)
      if company == "c4" then
        error "away"
      end
      return category(company)
    end
    assert.same({ 2, 0, 1 }, counts_of(engine:release { rule = "sale_won" }))
    assert.equal("c4 c8 c9", held(engine))
    engine.host.category = category
    assert.same({ 3, 0, 0 }, counts_of(engine:release { all = true }))
    engine:close()
  end)

  it("is of one company in the order of its events", function()
    local engine = open(HOSTS[1], { { trigger = "sale_won", set_category = CUSTOMER, limit = { changes = 1, hours = 1 },
      from = ANYWHERE }, { trigger = "sale_lost", set_category = LOST, limit = { changes = 1, hours = 1 },
      from = ANYWHERE } })
    win(engine, 1, 2)
    assert(engine:handle { trigger = "sale_lost", company = "c3" })
    for _, trigger in ipairs { "sale_lost", "sale_lost", "sale_won" } do
      assert(engine:handle { trigger = trigger, company = "c2" })
    end
    assert.equal("c2 c2 c2 c2", held(engine))
    local result = assert(engine:release { all = true })
    assert.same({ 3, 1, 0 }, counts_of(result))
    assert.same({ CUSTOMER, LOST, "already_in_category", CUSTOMER },
      { result.outcomes[1].to, result.outcomes[2].to, result.outcomes[3].reason, result.outcomes[4].to })
    engine:close()
  end)

  it("is kept whatever retention says, and known to a check of the store", function()
    local engine, time, _, path = open(HOSTS[1], { WON }, { retention = { age = DAY } })
    win(engine, 1, 5)
    time.now = time.now + 2 * DAY
    stores.write_at(engine._store, time.now)
    assert(engine:maintain())
    assert.same({ "c4 c5", 2 }, { held(engine), #engine:history() })
    assert.same({}, core.check_store(path))
    assert.same({ 2, 0, 0 }, counts_of(engine:release { all = true }))
    assert.same({}, core.check_store(path))
    engine:close()
  end)

  it("may have come from a queue, whose next event has its turn", function()
    local host = crm.new { c1 = LEAD, c2 = LEAD }
    local here, path = stores.open { host = host, durability = "relaxed" }
    local engine = stores.open { path = path, host = host, apply = "elsewhere", durability = "relaxed" }
    assert(engine:save(with_rules { { trigger = "sale_registered", set_category = OPPORTUNITY },
      { trigger = "sale_won", set_category = CUSTOMER, limit = { changes = 1, hours = 1 } },
      { trigger = "sale_lost", set_category = LOST } }))
    assert(engine:handle(won(2)))
    assert.equal("applying", engine:handle({ trigger = "sale_registered", company = "c1" }).status)
    assert.equal("queued", engine:handle(won(1)).status)
    assert.equal("queued", engine:handle({ trigger = "sale_lost", company = "c1" }).status)
    assert(here:apply_pending())
    assert.same({ "c1", LOST }, { held(engine), host.companies.c1 })
    assert.same({}, core.check_store(path))
    engine:close()
    here:close()
  end)
end)

describe("a limit in a config", function()
  it("is checked", function()
    for _, case in ipairs {
      { { changes = 500, hours = 1 } }, { { changes = 1, hours = 720 } }, { 5, "wrong_type" }, { {}, "wrong_type" },
      { { changes = 0, hours = 1 }, "out_of_range" }, { { changes = 1, hours = 721 }, "out_of_range" },
      { { changes = 1.5, hours = 1 }, "wrong_type" }, { { changes = 1, hours = 1, days = 1 }, "wrong_type" },
    } do
      local problems = require("leadcat.rules.check").problems(with_rules { { trigger = "sale_won",
        set_category = CUSTOMER, limit = case[1] } })
      assert.equal(case[2], problems[1] and problems[1].severity == "error" and problems[1].code or nil)
    end
  end)
end)
