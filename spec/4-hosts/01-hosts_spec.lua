-- Hosts: the CRM whose companies leadcat keeps right. A host is a table with two functions, `category` and
-- `set_category`, or the embedded one, which needs nothing else. This spec is about what they are given, and that what
-- goes wrong in them never costs an event or applies one twice.

local core = require "leadcat.core"
local crm = require "support.crm"
local histories = require "support.histories"
local hosting = require "support.hosting"
local leadcat = require "leadcat"
local lmdb = require "leadcat.host.lmdb"
local stores = require "support.stores"

local LEAD, QUALIFIED, OPPORTUNITY = 1, 2, 3 -- the preset's categories
local RULES, REGISTERED = hosting.RULES, hosting.REGISTERED
local WON, open, assert_unavailable = hosting.WON, hosting.open, hosting.assert_unavailable
local statuses = histories.statuses

describe("a host", function()
  after_each(stores.check)

  local function nothing() end

  local WRONG = {
    { "without category", { set_category = nothing }, "the host's function 'category' is missing" },
    { "without set_category", { category = nothing }, "the host's function 'set_category' is missing" },
    { "whose category is a table", { category = {}, set_category = nothing }, "'category' is a table" },
    { "whose can is a text", { category = nothing, set_category = nothing, can = "all" }, "'can' is a string" },
    { "whose set_categories is true", { category = nothing, set_category = nothing, set_categories = true },
      "'set_categories' is a boolean" },
    { "whose licensed is a boolean", { category = nothing, set_category = nothing, licensed = true },
      "'licensed' is a boolean" },
    { "whose fields are no list", { category = nothing, set_category = nothing, fields = "all" },
      "host%.fields must be a list, but is \"all\"" },
    { "with a field of no type", { category = nothing, set_category = nothing, fields = { { field = "sale.amount" } } },
      "host%.fields%[1%]%.type must be one of number, text, boolean, date, list, but is missing" },
    { "that is no table", "Acme's CRM", "option 'host': a table of functions expected" },
  }
  for _, row in ipairs(WRONG) do
    it(row[1] .. " is refused when the store is opened", function()
      local _, message = pcall(function() leadcat.open { path = stores.path(), host = row[2] } end)
      assert.matches("_spec%.lua:%d+: .*" .. row[3], message)
    end)
  end

  -- The fields, what is wrong with them.
  local FIELDS = {
    { { { field = "sale.amount", type = "money" } }, "[1].type must be one of number, text, boolean, date, list" },
    { { { field = "sale", type = "text" } }, '[1].field is "sale", which is no field' },
    { { { field = "category", type = "number" } }, '[1].field is "category", which every company has' },
    { { { field = "a", type = "text" }, { field = "a", type = "text" } }, '[2].field is "a", which is there already' },
    { { { field = "a", type = "text", nam = "x" } }, "[1].nam is not a field of a field: these are field, type, name" },
    { { { field = "a", type = "text", name = 7 } }, "[1].name must be text, or texts by language" },
    { { { field = "a", type = "boolean", options = {} } }, "[1].options must be left out: a boolean has none" },
    { { { field = "a", type = "text", options = { { value = 1 } } } }, "[1].options[1].value is 1, but the field's" },
    { { { field = "a", type = "text", options = { "x" } } }, "[1].options[1] must be an option {value, name}" },
    { { { field = "a", type = "list", options = { { value = 1 }, { value = "x" } } } },
      '[1].options[2].value is "x": the options of a field are all numbers, or all texts' },
    { { { field = "a", type = "number", options = { { value = 1 }, { value = 1 } } } },
      "[1].options[2].value is 1, which is the value of another option" },
  }
  for i, row in ipairs(FIELDS) do
    it(("says what is wrong with the fields that it describes (%d)"):format(i), function()
      local host = { category = nothing, set_category = nothing, fields = row[1] }
      local ok, message = pcall(leadcat.open, { path = stores.path(), host = host })
      assert.is_false(ok)
      assert.matches("leadcat.open: host.fields" .. row[2], message, 1, true)
    end)
  end

  it("describes fields for conditions, besides those that every company has", function()
    local fields = { { field = "sale.type", type = "text", options = { { value = "new", name = { en = "New" } } } } }
    local engine = open { category = nothing, set_category = nothing, fields = fields }
    local found = engine:fields()
    assert.same(fields[1], found[1])
    assert.same({ "category", "category.rank" }, { found[2].field, found[3].field })
    found[1].options[1].value = "changed"
    assert.equal("new", engine:tenant("north"):fields()[1].options[1].value)
    engine:close()
  end)

  it("is asked where a company stands, and told what to change, why, and for which tenant", function()
    local asked, told
    local engine = open {
      category = function(...)
        asked = { ... }
        return LEAD
      end,
      set_category = function(...)
        told = { ... }
        return true
      end,
    }
    local north = engine:tenant "north"
    assert(north:save(stores.config(RULES)))
    local outcome = assert(north:handle { trigger = "lead_status_set", company = 42, lead_status = 5 })
    assert.same({ 42, "north" }, asked)
    assert.same({ 42, QUALIFIED, LEAD, {
      status = "applying", action = "update", reason = "matched", rule = "lead_status_set:5", revision = 1,
      from = LEAD, to = QUALIFIED, entry = outcome.entry, key = outcome.key,
    }, "north" }, told)
    assert.equal("updated", outcome.status)
    engine:handle { trigger = "sale_won", company = "Acme" }
    assert.same({ "Acme", "" }, asked)
    engine:close()
  end)

  it("gets companies back as it gave them, strings as strings and integers as integers", function()
    local host = crm.new { [7] = LEAD, ["07"] = LEAD, Acme = LEAD, [-1] = LEAD }
    local engine = open(host)
    for _, company in ipairs { 7, "07", "Acme", -1 } do
      assert.equal("updated", engine:handle({ trigger = "sale_won", company = company }).status)
      assert.equal(company, engine:history()[1].company)
    end
    assert.same({ "#7 1 -> 5", "07 1 -> 5", "Acme 1 -> 5", "#-1 1 -> 5" }, host.changes)
    engine:close()
  end)

  it("is not asked when the event says where the company stands", function()
    local host = crm.new { Acme = LEAD }
    local engine = open(host)
    assert.equal("updated", engine:handle({ trigger = "sale_won", company = "Acme", category = LEAD }).status)
    assert.same({ "set_category Acme 1 -> 5" }, host.calls)
    engine:close()
  end)

  it("is asked nothing about an event that it has delivered before", function()
    local host = crm.new { Acme = LEAD }
    local engine = open(host)
    engine:handle(WON)
    local calls = #host.calls
    assert.equal("duplicate", engine:handle(WON).status)
    assert.equal(calls, #host.calls)
    engine:close()
  end)
end)

describe("host.category", function()
  after_each(stores.check)

  it("gives nil for a company that has none", function()
    local engine = open(crm.new {})
    assert.equal("unknown_category", engine:handle(WON).reason)
    engine:close()
  end)

  -- What it does, and the message.
  local FAILURES = {
    { "gives nil and a message", function() return nil, "the database is away" end, "^the database is away$" },
    { "raises", function() error("no connection", 0) end, "^host.category raised: no connection$" },
    { "raises a table", function() error {} end, "^host.category raised: table" },
    { "gives a text", function() return "1" end, 'host.category: company Acme: no category has the external id "1"' },
    { "gives half a category", function() return 1.5 end, "host.category returned 1.5, not a category's id" },
    { "gives a table", function() return { 1 } end, "host.category returned table.*, not a category's id" },
    { "gives false", function() return false end, "host.category returned false, not a category's id" },
  }
  for _, row in ipairs(FAILURES) do
    it("leaves the event to be delivered again when it " .. row[1], function()
      local host = crm.new { Acme = LEAD }
      local category = host.category
      host.category = row[2]
      local engine = open(host)
      local commits = engine:stats().commits.count
      assert_unavailable(engine, WON, row[3])
      assert.same({ nil, "unavailable" }, { engine:handle_many { WON }, (select(3, engine:explain(WON))) })
      assert.equal(commits, engine:stats().commits.count)
      host.category = category
      assert.equal("updated", engine:handle(WON).status)
      engine:close()
    end)
  end
end)

describe("host.set_category", function()
  after_each(stores.check)

  -- What it does, and the error in the outcome.
  local FAILURES = {
    { "gives nil and a message", function() return nil, "locked" end, "locked" },
    { "gives nil", function() end, "host.set_category returned nil" },
    { "gives false", function() return false end, "host.set_category returned false" },
    { "gives false and a message", function() return false, "locked" end, "locked" },
    { "gives what is not true", function() return 1 end, "host.set_category returned 1" },
    { "raises", function() error("no connection", 0) end, "host.set_category raised: no connection" },
    { "raises a table", function() error({}) end, "host.set_category raised: table" },
    { "raises what cannot be shown", function() error(setmetatable({}, { __tostring = error })) end,
      "host.set_category raised: what cannot be shown" },
  }
  for _, row in ipairs(FAILURES) do
    it("has its change made later, once, when it " .. row[1], function()
      local host = crm.new { Acme = LEAD }
      local set = host.set_category
      host.set_category = row[2]
      local engine, time = open(host)
      local outcome = assert(engine:handle(REGISTERED))
      assert.same({ "failed", LEAD, OPPORTUNITY }, { outcome.status, outcome.from, outcome.to })
      assert.equal(row[3], outcome.error:sub(1, #row[3]))
      local entry = engine:history()[1]
      assert.same({ outcome.entry, "applying", outcome.error }, { entry.entry, entry.status, entry.error })

      -- The host is well again, but it is too early: half a second at least.
      host.set_category = set
      time.now = time.now + 0.4
      assert.same({ finished = 0, failed = 0, busy = 0 }, engine:recover())
      assert.same({}, host.changes)

      time.now = time.now + 3600
      local told = {}
      engine:on("updated", function(event, result) told[#told + 1] = { event, result } end)
      assert.same({ finished = 1, failed = 0, busy = 0 }, engine:recover())
      assert.same({ finished = 0, failed = 0, busy = 0 }, engine:recover())
      assert.same({ "Acme 1 -> 3" }, host.changes)
      entry = engine:history()[1]
      assert.same({ outcome.entry, "updated" }, { entry.entry, entry.status })
      assert.is_nil(entry.error)
      assert.equal("updated", engine:handle(REGISTERED).first.status)

      -- Listeners hear of it now, with what was kept of the event.
      assert.equal(1, #told)
      local event = told[1][1]
      assert.same({ "r", "sale_registered", "Acme", "bob", 17 },
        { event.id, event.trigger, event.company, event.actor.id, event.sale.id })
      assert.same({ "updated", outcome.entry }, { told[1][2].status, told[1][2].entry })
      engine:close()
    end)
  end

  it("is tried again when the store is opened", function()
    local host = crm.new { Acme = LEAD }
    local set = host.set_category
    host.set_category = function() return nil, "away" end
    local engine, time, path = open(host)
    engine:handle(REGISTERED)
    engine:close()
    host.set_category = set
    time.now = time.now + 60
    engine = open(host, { path = path, clock = function() return time.now end })
    assert.same({ "updated", { "Acme 1 -> 3" } }, { statuses(engine), host.changes })
    engine:close()
  end)

  it("is tried after longer and longer waits", function()
    local host = crm.new { Acme = LEAD }
    local calls = 0
    host.set_category = function()
      calls = calls + 1
      return nil, "away"
    end
    local engine, time = open(host)
    engine:handle(REGISTERED)
    for attempt = 1, 8 do
      local longest = 2 ^ (attempt - 1) -- seconds; the shortest wait is half of it
      time.now = time.now + longest * 0.4
      assert.same({ finished = 0, failed = 0, busy = 0 }, engine:recover())
      assert.equal(attempt, calls)
      time.now = time.now + longest * 0.6
      assert.same({ finished = 0, failed = 1, busy = 0 }, engine:recover())
      assert.equal(attempt + 1, calls)
    end
    engine:close()
  end)

  it("is tried again when its time has come, even if the time of day has gone back since", function()
    local host = crm.new { Acme = LEAD }
    local set = host.set_category
    function host.set_category() return nil, "away" end
    local engine, time = open(host)
    local started = time.now
    time.now = started + 7 * 24 * 3600
    engine:handle(WON)
    host.set_category = set
    time.now = started
    core.forward(1)
    assert.same({ finished = 1, failed = 0, busy = 0 }, engine:recover())
    assert.same({ "updated", { "Acme 1 -> 5" } }, { statuses(engine), host.changes })
    engine:close()
  end)

  it("is given up when it has failed ten times; then the company is free", function()
    local host = crm.new { Acme = LEAD }
    local set, calls = host.set_category, 0
    host.set_category = function()
      calls = calls + 1
      return nil, "no such record"
    end
    local engine, time = open(host)
    local told = 0
    engine:on("failed", function() told = told + 1 end)
    engine:handle(REGISTERED)
    for attempt = 2, 10 do
      assert.equal("applying", statuses(engine))
      time.now = time.now + 3600
      assert.same({ finished = 0, failed = 1, busy = 0 }, engine:recover())
      assert.same({ attempt, attempt }, { calls, told })
    end
    assert.same({ "failed", "no such record" }, { engine:history()[1].status, engine:history()[1].error })
    time.now = time.now + 360000
    assert.same({ finished = 0, failed = 0, busy = 0 }, engine:recover())
    assert.equal(10, calls)
    host.set_category = set
    assert.equal("updated", engine:handle(WON).status)
    assert.same({ "Acme 1 -> 5" }, host.changes)
    engine:close()
  end)

  it("is not given up within an hour, however often newer events of the company have it tried", function()
    local host = crm.new { Acme = LEAD }
    local set = host.set_category
    host.set_category = function() return nil, "away" end
    local engine = open(host)
    engine:handle(REGISTERED)
    for _ = 1, 30 do
      assert_unavailable(engine, WON, "company Acme has an unfinished change: away")
    end
    host.set_category = set
    assert.equal("updated", engine:handle(WON).status)
    assert.same({ "Acme 1 -> 3", "Acme 3 -> 5" }, host.changes)
    engine:close()
  end)

  it("lets the event through that has it tried for the last time", function()
    local host = crm.new { Acme = LEAD }
    local fails = 10
    local set = host.set_category
    host.set_category = function(...)
      fails = fails - 1
      if fails < 0 then
        return set(...)
      end
      return nil, "no such record"
    end
    local engine, time = open(host)
    engine:handle(REGISTERED)
    for _ = 2, 9 do
      time.now = time.now + 3600
      engine:recover()
    end
    assert.equal("updated", engine:handle(WON).status)
    assert.equal("updated failed", statuses(engine))
    engine:close()
  end)

  it("fails for its own company only", function()
    local host = crm.new { Acme = LEAD, Bolt = LEAD }
    local set = host.set_category
    host.set_category = function(company, ...)
      if company == "Acme" then
        return nil, "locked"
      end
      return set(company, ...)
    end
    local engine = open(host)
    local outcomes = assert(engine:handle_many {
      { trigger = "sale_won", company = "Acme" }, { trigger = "sale_won", company = "Bolt" },
    })
    assert.same({ "failed", "updated" }, { outcomes[1].status, outcomes[2].status })
    assert.equal("updated applying", statuses(engine))
    engine:close()
  end)
end)

describe("who may configure", function()
  after_each(stores.check)

  local BOB, ANN = { id = "bob" }, { id = "ann", admin = true }

  it("is an administrator, or the program itself, which is no actor", function()
    local engine = open(crm.new {})
    local cfg = engine:config()
    for _, row in ipairs { { nil, true }, { ANN, true }, { BOB, false }, { { id = "x", admin = "yes" }, false } } do
      local revision, message, code = engine:save(cfg, { actor = row[1] })
      assert.equal(row[2], revision ~= nil)
      assert.same(row[2] and {} or { "only an administrator may change the rules", "forbidden" }, { message, code })
    end
    assert.equal("forbidden", select(3, engine:revert(1, { actor = BOB })))
    engine:close()
  end)

  it("is for the host to say, where it has an opinion", function()
    for _, embedded in ipairs { false, true } do
      local asked = {}
      local function can(...)
        asked[#asked + 1] = { ... }
        return (...).id == "bob"
      end
      local host = crm.new {}
      host.can = can
      local engine = open(embedded and lmdb.new { can = can } or host)
      local north = engine:tenant "north"
      assert.same({}, asked) -- the program itself needs no permission
      assert(north:save(stores.config(RULES), { actor = BOB }))
      assert.same({ BOB, "configure", nil, "north" }, asked[1])
      assert.equal("forbidden", select(3, engine:save(stores.config(RULES), { actor = ANN })))
      assert.same({ ANN, "configure", nil, "" }, asked[2])
      engine:close()
    end
  end)
end)

describe("a licence", function()
  after_each(stores.check)

  it("may be refused by the host, also by the embedded one", function()
    local engine = open(lmdb.new { licensed = function(tenant) return tenant == "paid" end })
    for tenant, expected in pairs { free = "not_licensed", paid = "unknown_category" } do
      local engine_of = engine:tenant(tenant)
      assert(engine_of:save(stores.config(RULES)))
      assert.equal(expected, engine_of:handle(WON).reason)
    end
    engine:close()
  end)

  it("that the host cannot tell about leaves the event to be delivered again", function()
    local host = crm.new { Acme = LEAD }
    local engine = open(host)
    host.licensed = function() error("no connection", 0) end
    assert_unavailable(engine, WON, "^host.licensed raised: no connection$")
    assert.equal("unavailable", select(3, engine:explain(WON)))
    host.licensed = nil
    assert.equal("updated", engine:handle(WON).status)
    engine:close()
  end)
end)
