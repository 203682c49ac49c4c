-- What a host may say and take besides: that it refuses a change for good, categories by its own ids, and many
-- companies at once.

local core = require "leadcat.core"
local crm = require "support.crm"
local histories = require "support.histories"
local hosting = require "support.hosting"
local leadcat = require "leadcat"
local stores = require "support.stores"

local LEAD, OPPORTUNITY, CUSTOMER, PARTNER = 1, 3, 5, 6 -- the preset's categories
local REGISTERED, WON = hosting.REGISTERED, hosting.WON
local open, assert_unavailable, statuses = hosting.open, hosting.assert_unavailable, histories.statuses

local function won(company)
  return { id = "w" .. company, trigger = "sale_won", company = company }
end

describe("a host that refuses a change for good", function()
  after_each(stores.check)

  -- How the host says it, and the error of the entry.
  local REFUSALS = {
    { "with its reason", { nil, "a reason is mandatory", "refused" }, "a reason is mandatory" },
    { "without one", { nil, nil, "refused" }, "host.set_category returned nil" },
    { "by false", { false, "locked for ever", "refused" }, "locked for ever" },
  }
  for _, row in ipairs(REFUSALS) do
    it("is not asked again, and its company is free: " .. row[1], function()
      local host = crm.new { Acme = LEAD }
      local set, asked, told = host.set_category, 0, {}
      host.set_category = function()
        asked = asked + 1
        return row[2][1], row[2][2], row[2][3]
      end
      local engine, time = open(host)
      engine:on("failed", function(_, outcome) told[#told + 1] = outcome.code end)
      local outcome = assert(engine:handle(REGISTERED))
      assert.same({ "failed", row[3], "refused" }, { outcome.status, outcome.error, outcome.code })
      local entry = engine:history()[1]
      assert.same({ "failed", row[3] }, { entry.status, entry.error })
      time.now = time.now + 7 * 86400
      assert.same({ finished = 0, failed = 0, busy = 0 }, engine:recover())
      assert.same({ 1, { "refused" } }, { asked, told })
      assert.equal("failed", engine:handle(REGISTERED).first.status)

      host.set_category = set
      assert.same({ "updated", LEAD, CUSTOMER }, { engine:handle(WON).status, LEAD, host.companies.Acme })
      engine:close()
    end)
  end

  it("may say so when the change is tried again", function()
    local host = crm.new { Acme = LEAD }
    host.set_category = function() return nil, "away" end
    local engine, time = open(host)
    local outcome = engine:handle(REGISTERED)
    assert.same({ "failed", nil, "applying" }, { outcome.status, outcome.code, statuses(engine) })
    host.set_category = function() return nil, "no such field", "refused" end
    time.now = time.now + 60
    assert.same({ finished = 0, failed = 1, busy = 0 }, engine:recover())
    assert.same({ "failed", "no such field" }, { statuses(engine), engine:history()[1].error })
    engine:close()
  end)

  it("is asked once more when an administrator retries the entry", function()
    local host = crm.new { Acme = LEAD }
    local set = host.set_category
    host.set_category = function() return nil, "no right to edit", "refused" end
    local engine = open(host)
    local entry = engine:handle(REGISTERED).entry
    local admin = { actor = { id = "ann", admin = true } }
    assert.same({ "failed", "refused" }, { engine:retry(entry, admin).status, engine:retry(entry, admin).code })
    host.set_category = set
    assert.same({ "updated", OPPORTUNITY }, { engine:retry(entry, admin).status, host.companies.Acme })
    engine:close()
  end)

  it("leaves the question open whose answer it refuses", function()
    local host = crm.new { Acme = LEAD }
    host.set_category = function() return nil, "no right to edit", "refused" end
    local config = stores.config(hosting.RULES)
    for _, rule in ipairs(config.rules) do
      rule.ask = true
    end
    local engine = open(host)
    assert(engine:save(config))
    local asked = assert(engine:handle(WON))
    local outcome = assert(engine:resolve(asked.confirmation, { accept = true }))
    assert.same({ "failed", "refused" }, { outcome.status, outcome.code })
    assert.equal("open", engine:confirmation(asked.confirmation).state)
    engine:close()
  end)

  it("has its undo listed as refused", function()
    local host = crm.new { Acme = LEAD, Bolt = LEAD }
    local engine = open(host)
    assert(engine:handle_many { won "Acme", won "Bolt" })
    local set = host.set_category
    host.set_category = function(company, ...)
      if company == "Acme" then
        return nil, "closed for good", "refused"
      end
      return set(company, ...)
    end
    local result = assert(engine:undo { revision = 1 })
    assert.same({ 1, 1 }, { #result.undone, #result.refused })
    assert.same({ "Acme", "closed for good", "refused" },
      { result.refused[1].company, result.refused[1].why, result.refused[1].code })
    engine:close()
  end)
end)

describe("a host with ids of its own for categories", function()
  after_each(stores.check)

  local NAMES = { [LEAD] = "lead", [OPPORTUNITY] = "opp", [CUSTOMER] = "customer" }

  local function config_with_names()
    local config = stores.config(hosting.RULES)
    for _, category in ipairs(config.categories) do
      category.external = NAMES[category.id]
    end
    return config
  end

  -- A CRM that knows only the texts.
  local function own_ids(companies)
    local host, told = {}, {}
    function host.category(company) return companies[company] end
    function host.set_category(company, to, from, outcome)
      told[#told + 1] = { to, from, outcome.external.to, outcome.external.from }
      if companies[company] ~= outcome.external.from then
        return nil, "conflict"
      end
      companies[company] = outcome.external.to
      return true
    end
    return host, told
  end

  it("answers with them, and is told them with each change", function()
    local companies = { Acme = "lead" }
    local host, told = own_ids(companies)
    local engine = open(host)
    assert(engine:save(config_with_names()))
    local outcome = assert(engine:handle(WON))
    assert.same({ "updated", LEAD, CUSTOMER }, { outcome.status, outcome.from, outcome.to })
    assert.same({ { CUSTOMER, LEAD, "customer", "lead" } }, told)
    assert.equal("customer", companies.Acme)
    assert.equal("customer", engine:config().categories[5].external)
    assert.same({ "updated", "lead" }, { engine:undo(outcome.entry).status, companies.Acme })
    engine:close()
  end)

  it("is told none where the config has none", function()
    local host, given = crm.new { Acme = LEAD }, nil
    host.set_category = function(_, _, _, outcome) given = outcome return true end
    local engine = open(host)
    assert.equal("updated", engine:handle(WON).status)
    assert.is_nil(given.external)
    engine:close()
  end)

  it("leaves the event to be delivered again when nothing has its id", function()
    local host = own_ids { Acme = "stranger\n", Bolt = "lead" }
    local engine = open(host)
    assert(engine:save(config_with_names()))
    assert_unavailable(engine, WON, 'host.category: company Acme: no category has the external id "stranger')
    assert.equal("updated", engine:handle(won "Bolt").status)
    local config = config_with_names()
    config.categories[2].external = "stranger\n"
    assert(engine:save(config))
    assert.equal("updated", engine:handle(WON).status)
    engine:close()
  end)

  it("means the category that is not deleted", function()
    local host, told = own_ids { Acme = "lead" }
    local engine = open(host)
    local config = config_with_names()
    config.categories[#config.categories].deleted, config.categories[#config.categories].external = true, "lead"
    assert(engine:save(config))
    assert.equal(LEAD, engine:handle(WON).from)
    assert.equal(1, #told)
    engine:close()
  end)

  -- What is wrong with a config, and its problem.
  local WRONG = {
    { "given twice", function(config) config.categories[4].external = "lead" end,
      'categories[4].external duplicate_external is "lead", which is already that of categories[1] (Lead): '
        .. "give each its own" },
    { "of lead statuses, given twice", function(config)
      config.lead_statuses[1].external, config.lead_statuses[3].external = "o", "o"
    end, 'lead_statuses[3].external duplicate_external is "o", which is already that of lead_statuses[1] (Open): '
      .. "give each its own" },
    { "that is a number", function(config) config.categories[4].external = 7 end,
      "categories[4].external wrong_type must be text in UTF-8 that is not blank, but is 7" },
    { "that is blank", function(config) config.categories[4].external = " " end,
      'categories[4].external wrong_type must be text in UTF-8 that is not blank, but is " "' },
    { "that is too long", function(config) config.categories[4].external = ("x"):rep(256) end,
      "categories[4].external too_long has 256 bytes, but there can be at most 255" },
    { "of a deleted category, given twice", function(config)
      config.categories[4].external, config.categories[4].deleted = "lead", true
    end },
  }
  for _, row in ipairs(WRONG) do
    it("has its ids checked: one " .. row[1], function()
      local config = config_with_names()
      row[2](config)
      local problem = leadcat.check(config)[1]
      assert.equal(row[3], problem and ("%s %s %s"):format(problem.path, problem.code,
        problem.message:sub(#problem.path + 2)))
    end)
  end
end)

describe("a host that takes many at once", function()
  after_each(stores.check)

  local many = crm.many

  it("is asked for all categories of a batch, then for all its changes", function()
    local host = many { Acme = LEAD, Bolt = LEAD, Cog = PARTNER, [7] = LEAD }
    local engine = open(host)
    local outcomes = assert(engine:handle_many { won "Acme", won "Bolt", won "Cog", won "Nobody", won(7), WON })
    local found = {}
    for i, outcome in ipairs(outcomes) do
      found[i] = outcome.reason == "matched" and outcome.status or outcome.reason
    end
    assert.same({ "updated", "updated", "not_potential_customer", "unknown_category", "updated",
      "not_potential_customer" }, found)
    assert.same({ "Acme Bolt Cog Nobody 7", "set Acme Bolt 7", }, { host.asked[1], host.asked[2] })
    local change = host.given[3]
    assert.same({ 7, CUSTOMER, LEAD, outcomes[5].key, "sale_won" },
      { change.company, change.to, change.from, change.outcome.key, change.outcome.rule })
    change.outcome.status = "mine to keep"
    assert.equal("updated", outcomes[5].status)
    engine:close()
  end)

  it("is asked for a single one with the other two functions", function()
    local host = many { Acme = LEAD }
    local engine = open(host)
    assert.equal("updated", engine:handle(WON).status)
    assert.same({ {}, { "category Acme", "set_category Acme 1 -> 5" } }, { host.asked, host.calls })
    engine:close()
  end)

  it("is asked about at most a thousand at once", function()
    local companies, events, sizes = {}, {}, {}
    for i = 1, 1500 do
      companies[i], events[i] = LEAD, won(i)
    end
    local host = many(companies)
    local categories, set = host.categories, host.set_categories
    host.categories = function(list) sizes[#sizes + 1] = #list return categories(list) end
    host.set_categories = function(changes) sizes[#sizes + 1] = #changes return set(changes) end
    local engine = open(host)
    assert.equal(1500, #assert(engine:handle_many(events)))
    assert.same({ 1500, { 1000, 500, 1000, 500 } }, { #host.changes, sizes })
    engine:close()
  end)

  it("may say of each change how it ended", function()
    local host = many { A = LEAD, B = LEAD, C = LEAD, D = LEAD }
    host.set_categories = function()
      return { true, { error = "moved", code = "conflict" }, { error = "mandatory", code = "refused" },
        { error = "locked" } }
    end
    local engine = open(host)
    local found = {}
    for i, outcome in ipairs(assert(engine:handle_many { won "A", won "B", won "C", won "D" })) do
      found[i] = ("%s %s %s"):format(outcome.status, tostring(outcome.error), tostring(outcome.code))
    end
    assert.same({ "updated nil nil", "conflict moved nil", "failed mandatory refused", "failed locked nil" }, found)
    assert.equal("applying failed conflict updated", statuses(engine))
    engine:close()
  end)

  -- What `set_categories` does for two companies, and the errors.
  local WRONG_SETS = {
    { "raises", function() error("gone", 0) end, "host.set_categories raised: gone" },
    { "gives nil and a message", function() return nil, "busy" end, "busy" },
    { "gives nothing", function() end, "host.set_categories returned nil, not a list" },
    { "gives true", function() return true end, "host.set_categories returned true, not a list" },
    { "gives a text", function() return "ok" end, "host.set_categories returned ok, not a list" },
    { "gives too short a list", function() return { true } end,
      "host.set_categories returned a list of 1, not of the 2 that it was asked about" },
    { "gives too long a list", function() return { true, true, true } end,
      "host.set_categories returned a list of more, not of the 2 that it was asked about" },
    { "gives words", function() return { "ok", "ok" } end,
      "host.set_categories returned ok for company %s: true, or a table with error or code, expected" },
    { "gives a table of something else", function() return { {}, { "failed" } } end,
      "host.set_categories returned table: .* for company %s: true, or a table with error or code, expected" },
    { "gives numbers", function() return { 1, 0 } end,
      "host.set_categories returned [10] for company %s: true, or a table with error or code, expected" },
  }
  for _, row in ipairs(WRONG_SETS) do
    it("has its changes made later, once, when set_categories " .. row[1], function()
      local host = many { Acme = LEAD, Bolt = LEAD }
      local set = host.set_categories
      host.set_categories = row[2]
      local engine, time = open(host)
      for i, outcome in ipairs(assert(engine:handle_many { won "Acme", won "Bolt" })) do
        assert.equal("failed", outcome.status)
        assert.matches("^" .. row[3]:format(i == 1 and "Acme" or "Bolt") .. "$", outcome.error)
      end
      assert.same({ "applying applying", {} }, { statuses(engine), host.changes })
      host.set_categories, time.now = set, time.now + 60
      assert.same({ finished = 2, failed = 0, busy = 0 }, engine:recover())
      assert.same({ "updated updated", 2 }, { statuses(engine), #host.changes })
      engine:close()
    end)
  end

  it("fails for the one whose answer is wrong only", function()
    local host = many { Acme = LEAD, Bolt = LEAD }
    host.set_categories = function() return { true, "done" } end
    local engine = open(host)
    local outcomes = assert(engine:handle_many { won "Acme", won "Bolt" })
    assert.same({ "updated", "failed" }, { outcomes[1].status, outcomes[2].status })
    engine:close()
  end)

  -- What `categories` does for two companies, and the message.
  local WRONG_CATEGORIES = {
    { "raises", function() error("gone", 0) end, "^host.categories raised: gone$" },
    { "gives nil and a message", function() return nil, "busy" end, "^busy$" },
    { "gives a text", function() return "1" end, "^host.categories returned 1, not a list$" },
    { "gives too short a list", function() return { 1 } end,
      "^host.categories returned a list of 1, not of the 2 that it was asked about$" },
    { "gives half a category", function() return { 1.5, 1.5 } end,
      "^host.categories returned 1.5, not a category's id$" },
    { "gives an unknown text", function() return { "x", "x" } end,
      '^host.categories: company Acme: no category has the external id "x"' },
  }
  for _, row in ipairs(WRONG_CATEGORIES) do
    it("has its events delivered again when categories " .. row[1], function()
      local host = many { Acme = LEAD, Bolt = LEAD }
      local categories = host.categories
      host.categories = row[2]
      local engine = open(host)
      local outcomes, message, code = engine:handle_many { won "Acme", won "Bolt" }
      assert.same({ nil, "unavailable", "" }, { outcomes, code, statuses(engine) })
      assert.matches(row[3], message)
      host.categories = categories
      outcomes = assert(engine:handle_many { won "Acme", won "Bolt" })
      assert.same({ "updated", "updated" }, { outcomes[1].status, outcomes[2].status })
      engine:close()
    end)
  end

  it("finishes at once what was left unfinished, asking first what has been made", function()
    local host = many { Acme = LEAD, Bolt = LEAD, Cog = LEAD, Dot = LEAD }
    local set = host.set_categories
    host.set_categories = function() return nil, "away" end
    local engine, time = open(host)
    assert(engine:handle_many { won "Acme", won "Bolt", won "Cog", won "Dot" })
    host.companies.Acme, host.companies.Bolt = CUSTOMER, PARTNER -- made after all; moved by somebody
    host.set_categories, host.asked, time.now = set, {}, time.now + 60
    local told = {}
    engine:on("updated", function(event, outcome) told[#told + 1] = event.id .. " " .. outcome.status end)
    assert.same({ finished = 4, failed = 0, busy = 0 }, engine:recover())
    assert.same({ "Cog Dot Acme Bolt", "set Cog Dot" }, host.asked)
    assert.equal("updated updated conflict updated", statuses(engine))
    assert.same({ "wCog updated", "wDot updated", "wAcme updated" }, told)
    engine:close()
  end)

  it("goes by its keys then, where it has them", function()
    local host = many { Acme = LEAD, Bolt = LEAD }
    local set, asked = host.set_categories, {}
    host.set_categories = function() return nil, "away" end
    host.applied = function(company, key) asked[#asked + 1] = key return company == "Acme" end
    local engine, time = open(host)
    local outcomes = assert(engine:handle_many { won "Acme", won "Bolt" })
    host.set_categories, host.asked, time.now = set, {}, time.now + 60
    assert.same({ finished = 2, failed = 0, busy = 0 }, engine:recover())
    assert.same({ { outcomes[1].key, outcomes[2].key }, {}, { "set_category Bolt 1 -> 5" } },
      { asked, host.asked, { host.calls[#host.calls] } })
    engine:close()
  end)

  it("is asked at once by a backfill, and by an undo of many", function()
    local host = many { Acme = LEAD, Bolt = LEAD }
    local engine = open(host)
    local report = assert(engine:backfill {
      { trigger = "sale_won", company = "Acme", at = 1 }, { trigger = "sale_won", company = "Bolt", at = 2 },
    })
    assert.same({ "Acme Bolt", "set Acme Bolt" }, host.asked)
    host.asked = {}
    local result = assert(engine:undo { run = report.run })
    assert.equal(2, #result.undone)
    assert.same({ "Bolt Acme", "set Bolt Acme" }, host.asked)
    assert.same({ LEAD, LEAD }, { host.companies.Acme, host.companies.Bolt })
    engine:close()
  end)

  it("may have been told something else since, which stands", function()
    local host = many { Acme = LEAD, Bolt = LEAD }
    local engine = open(host)
    local report = assert(engine:backfill {
      { trigger = "sale_registered", company = "Acme", at = 1 }, { trigger = "sale_won", company = "Acme", at = 2 },
      { trigger = "sale_won", company = "Bolt", at = 3 },
    })
    local categories = host.categories
    host.categories = function(list)
      local answers = categories(list)
      host.companies.Bolt = PARTNER
      return answers
    end
    local result = assert(engine:undo { run = report.run })
    assert.same({ 2, { "Bolt" } }, { #result.undone, { result.refused[1].company } })
    assert.same({ LEAD, PARTNER }, { host.companies.Acme, host.companies.Bolt })
    engine:close()
  end)

  it("is not asked when the time of the changes is over, and they are tried again", function()
    local host = many { Acme = LEAD, Bolt = LEAD }
    local engine, time = open(host)
    local categories = host.categories
    host.categories = function(list) -- as the changes are written in the next round, this is not too late
      local answers = categories(list)
      local store = engine._store
      engine._shared.metatable.__index._store = setmetatable({
        handle = function(_, ...)
          local left = store:handle(...)
          core.forward(60) -- the process was stopped
          engine._shared.metatable.__index._store = store
          return left
        end,
      }, { __index = function(_, name) return function(_, ...) return store[name](store, ...) end end })
      return answers
    end
    for _, outcome in ipairs(assert(engine:handle_many { won "Acme", won "Bolt" })) do
      assert.same({ "failed", "the host was not asked" }, { outcome.status, outcome.error:sub(1, 22) })
    end
    assert.same({ "applying applying", {} }, { statuses(engine), host.changes })
    host.categories, time.now = categories, time.now + 60
    core.forward(60)
    assert.equal(2, engine:recover().finished)
    engine:close()
  end)

  it("has its changes claimed while it makes them", function()
    local host = many { Acme = LEAD, Bolt = LEAD }
    local engine, time, path = open(host)
    local other, found = open(crm.new {}, { path = path }), nil
    host.set_categories = function()
      time.now, found = time.now + 60, other:recover()
      return { true, true }
    end
    assert(engine:handle_many { won "Acme", won "Bolt" })
    assert.same({ finished = 0, failed = 0, busy = 2 }, found)
    engine:close()
    other:close()
  end)
end)
