-- Hosts: the CRM whose companies leadcat keeps right. A host is a table with two functions, `category` and
-- `set_category`, or the embedded one, which needs nothing else. This spec is about what they are given, what may go
-- wrong in them, and that it never costs an event or applies one twice: they may fail, raise, yield, call back, and die
-- in the middle.

local crm = require "support.crm"
local leadcat = require "leadcat"
local lmdb = require "leadcat.host.lmdb"
local stores = require "support.stores"

local LEAD, QUALIFIED, OPPORTUNITY, CUSTOMER, PARTNER = 1, 2, 3, 5, 6 -- the preset's categories
local RULES = { sale_registered = OPPORTUNITY, sale_won = CUSTOMER, ["lead_status_set:5"] = QUALIFIED }
local REGISTERED = {
  id = "r", trigger = "sale_registered", company = "Acme", actor = { id = "bob" }, sale = { id = 17 },
}
local WON = { id = "w", trigger = "sale_won", company = "Acme" }

-- An engine with RULES, or `options.rules`, and a clock that a test moves.
local function open(host, options)
  local time = { now = 1700000000 }
  options = options or {}
  local rules = options.rules or RULES
  options.rules, options.host, options.durability = nil, host, "relaxed"
  options.clock = options.clock or function() return time.now end
  local engine, path = stores.open(options)
  if engine:config().revision == 0 then
    assert(engine:save(stores.config(rules)))
  end
  return engine, time, path
end

-- The statuses in the journal, newest first.
local function statuses(engine)
  local list = {}
  for i, entry in ipairs(engine:history()) do
    list[i] = entry.status
  end
  return table.concat(list, " ")
end

-- The event is not taken now: nothing is written, and it can be delivered again.
local function assert_unavailable(engine, event, message)
  local before = statuses(engine)
  local outcome, why, code = engine:handle(event)
  assert.is_nil(outcome)
  assert.matches(message, why)
  assert.equal("unavailable", code)
  assert.equal(before, statuses(engine))
end

describe("a host", function()
  after_each(stores.check)

  local function nothing() end

  local WRONG = {
    { "without category", { set_category = nothing }, "the host's function 'category' is missing" },
    { "without set_category", { category = nothing }, "the host's function 'set_category' is missing" },
    { "whose category is a table", { category = {}, set_category = nothing }, "'category' is a table" },
    { "whose can is a text", { category = nothing, set_category = nothing, can = "all" }, "'can' is a string" },
    { "whose licensed is a boolean", { category = nothing, set_category = nothing, licensed = true },
      "'licensed' is a boolean" },
    { "that is no table", "Acme's CRM", "option 'host': a table of functions expected" },
  }
  for _, row in ipairs(WRONG) do
    it(row[1] .. " is refused when the store is opened", function()
      local _, message = pcall(function() leadcat.open { path = stores.path(), host = row[2] } end)
      assert.matches("_spec%.lua:%d+: .*" .. row[3], message)
    end)
  end

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
      from = LEAD, to = QUALIFIED, entry = outcome.entry,
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
    { "gives a text", function() return "1" end, "host.category returned 1, not a category's id" },
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
    engine = open(host, { path = path, clock = function() return time.now + 60 end })
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
      time.now = time.now + longest * 0.49
      assert.same({ finished = 0, failed = 0, busy = 0 }, engine:recover())
      assert.equal(attempt, calls)
      time.now = time.now + longest * 0.51
      assert.same({ finished = 0, failed = 1, busy = 0 }, engine:recover())
      assert.equal(attempt + 1, calls)
    end
    engine:close()
  end)

  it("is tried again at once when the next try was put far ahead by a clock that has gone back since", function()
    local host = crm.new { Acme = LEAD }
    local set = host.set_category
    function host.set_category() return nil, "away" end
    local engine, time = open(host)
    local started = time.now
    time.now = started + 7 * 24 * 3600
    engine:handle(WON)
    host.set_category = set
    time.now = started
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

describe("a company with an unfinished change", function()
  after_each(stores.check)

  -- A change from Lead to Opportunity that the host could not make.
  local function open_unfinished(rules)
    local host = crm.new { Acme = LEAD, Bolt = LEAD }
    local set = host.set_category
    host.set_category = function() return nil, "away" end
    local engine, time = open(host, { rules = rules })
    assert.equal("failed", engine:handle(REGISTERED).status)
    return engine, host, function() host.set_category = set end, time
  end

  it("takes no other change while the host is not well", function()
    local engine, host, mend = open_unfinished()
    assert_unavailable(engine, WON, "company Acme has an unfinished change: away")
    local outcomes, _, code = engine:handle_many { { trigger = "sale_lost", company = "Bolt" }, WON }
    assert.is_nil(outcomes)
    assert.equal("unavailable", code)
    host.category = function() return nil, "away too" end
    assert_unavailable(engine, { trigger = "sale_won", company = "Acme", category = LEAD }, "away too")
    mend()
    engine:close()
  end)

  it("has it finished by the next event, whose turn comes then: the order is kept", function()
    local engine, host, mend = open_unfinished()
    mend()
    local outcome = assert(engine:handle(WON))
    assert.same({ "updated", OPPORTUNITY, CUSTOMER }, { outcome.status, outcome.from, outcome.to })
    assert.same({ "Acme 1 -> 3", "Acme 3 -> 5" }, host.changes)
    assert.equal("updated updated", statuses(engine))
    engine:close()
  end)

  it("has it finished by the next batch, too", function()
    local engine, host, mend = open_unfinished()
    mend()
    local outcomes = assert(engine:handle_many { { trigger = "sale_won", company = "Bolt" }, WON, REGISTERED })
    assert.same({ "updated", "updated", "duplicate" },
      { outcomes[1].status, outcomes[2].status, outcomes[3].status })
    assert.same({ "Bolt 1 -> 5", "Acme 1 -> 3", "Acme 3 -> 5" }, host.changes)
    engine:close()
  end)

  it("is not decided about from where it stands before: what would come to nothing there waits, too", function()
    local engine, host, mend = open_unfinished { sale_registered = OPPORTUNITY, sale_lost = LEAD }
    local lost = { trigger = "sale_lost", company = "Acme" }
    assert_unavailable(engine, lost, "company Acme has an unfinished change: away")
    mend()
    assert.equal("updated", engine:handle(lost).status)
    assert.same({ "Acme 1 -> 3", "Acme 3 -> 1" }, host.changes)
    engine:close()
  end)

  it("does not keep an event waiting that no rule is for", function()
    local engine, _, mend = open_unfinished()
    assert.equal("rule_disabled", engine:handle({ trigger = "sale_lost", company = "Acme" }).reason)
    mend()
    engine:close()
  end)

  -- Where the company is found meanwhile, how the entry ends, and what the host is called for.
  local FOUND = {
    { "is done when the company is there already", OPPORTUNITY, "updated", { "category Acme" } },
    { "is made when the company is where it was", LEAD, "updated", { "category Acme", "set_category Acme 1 -> 3" } },
    { "is a conflict when the company is somewhere else", PARTNER, "conflict", { "category Acme" } },
    { "is a conflict when the company is nowhere any more", nil, "conflict", { "category Acme" } },
  }
  for _, row in ipairs(FOUND) do
    it(row[1], function()
      local engine, host, mend, time = open_unfinished()
      mend()
      host.companies.Acme = row[2]
      host.calls, time.now = {}, time.now + 60
      assert.same({ finished = 1, failed = 0, busy = 0 }, engine:recover())
      assert.same({ row[3], row[4] }, { statuses(engine), host.calls })
      assert.equal(row[3], engine:handle(REGISTERED).first.status)
      engine:close()
    end)
  end

  it("stays as it is while the host cannot say where the company stands", function()
    local engine, host, mend, time = open_unfinished()
    mend()
    host.category = function() error("away", 0) end
    time.now = time.now + 60
    assert.same({ finished = 0, failed = 1, busy = 0 }, engine:recover())
    local entry = engine:history()[1]
    assert.same({ "applying", "host.category raised: away" }, { entry.status, entry.error })
    engine:close()
  end)

  it("is one of many that recover finishes, page after page", function()
    local host = crm.new {}
    local set = host.set_category
    host.set_category = function() return nil, "away" end
    local engine, time = open(host)
    local events = {}
    for i = 1, 250 do
      host.companies[tostring(i)] = LEAD
      events[i] = { trigger = "sale_won", company = i % 2 == 0 and i or tostring(i) }
    end
    assert(engine:handle_many(events))
    host.set_category = set
    time.now = time.now + 60
    assert.same({ finished = 250, failed = 0, busy = 0 }, engine:recover())
    assert.equal(250, #host.changes)
    engine:close()
  end)
end)

describe("a change that was made and could not be written down", function()
  after_each(stores.check)

  -- An engine whose host has won Acme for `event` while there was no room in the store.
  local function open_full(event)
    local host = crm.new { Acme = LEAD }
    local engine, time, path = open(host)
    local mend = stores.fail(engine, "finish")
    assert.same({ nil, "no room", "full" }, { engine:handle(event) })
    assert.same({ "applying", { "Acme 1 -> 3" } }, { statuses(engine), host.changes })
    mend()
    return engine, host, time, path
  end

  it("is found made by the company's next event, at once", function()
    local engine, host = open_full(REGISTERED)
    local began = os.time()
    local outcome = assert(engine:handle(WON))
    assert.is_true(os.time() - began <= 2)
    assert.same({ "updated", OPPORTUNITY, CUSTOMER }, { outcome.status, outcome.from, outcome.to })
    assert.same({ "updated updated", { "Acme 1 -> 3", "Acme 3 -> 5" } }, { statuses(engine), host.changes })
    engine:close()
  end)

  it("is found made when its event is delivered again, at once", function()
    local engine, host = open_full(REGISTERED)
    local outcome = assert(engine:handle(REGISTERED))
    assert.same({ "duplicate", "updated" }, { outcome.status, outcome.first.status })
    assert.same({ "updated", { "Acme 1 -> 3" } }, { statuses(engine), host.changes })
    engine:close()
  end)

  it("is found made by recover, at once", function()
    local engine, host = open_full(REGISTERED)
    assert.same({ finished = 1, failed = 0, busy = 0 }, engine:recover())
    assert.same({ "updated", { "Acme 1 -> 3" } }, { statuses(engine), host.changes })
    engine:close()
  end)

  it("is still claimed where another engine looks, until the claim's time is over", function()
    local engine, host, time, path = open_full(REGISTERED)
    local other = open(host, { path = path, clock = function() return time.now end })
    assert.same({ finished = 0, failed = 0, busy = 1 }, other:recover())
    time.now = time.now + 32
    assert.same({ finished = 1, failed = 0, busy = 0 }, other:recover())
    assert.same({ "updated", { "Acme 1 -> 3" } }, { statuses(engine), host.changes })
    other:close()
    engine:close()
  end)
end)

describe("a host that yields", function()
  after_each(stores.check)

  -- A CRM whose functions yield their names before they work, as a socket would.
  local function new_yielding(companies)
    local host = crm.new(companies)
    for _, name in ipairs { "category", "set_category" } do
      local fn = host[name]
      host[name] = function(...)
        coroutine.yield(name)
        return fn(...)
      end
    end
    return host
  end

  -- A coroutine that handles the event, and a function that runs it up to the next yield or result.
  local function start(engine, event)
    local thread = coroutine.create(function() return engine:handle(event) end)
    return function()
      local ok, first, second, third = coroutine.resume(thread)
      assert(ok, first)
      return first, second, third
    end
  end

  it("is waited for, in category and in set_category", function()
    local engine = open(new_yielding { Acme = LEAD })
    local step = start(engine, WON)
    assert.equal("category", (step()))
    assert.equal("set_category", (step()))
    assert.equal("applying", statuses(engine))
    assert.equal("updated", step().status)
    assert.equal("updated", statuses(engine))
    engine:close()
  end)

  it("may do so in a batch and while recovering, and so may guards and listeners", function()
    local host = new_yielding { Acme = LEAD, Bolt = LEAD }
    local engine = open(host)
    engine:on("guard", function() coroutine.yield "guard" end)
    engine:on("updated", function() coroutine.yield "updated" end)
    local thread = coroutine.wrap(function()
      return engine:handle_many { WON, { trigger = "sale_won", company = "Bolt" } }
    end)
    local yielded, result = {}, thread()
    while type(result) == "string" do
      yielded[#yielded + 1] = result
      result = thread()
    end
    assert.equal("category guard category guard set_category set_category updated updated", table.concat(yielded, " "))
    assert.same({ "updated", "updated" }, { result[1].status, result[2].status })
    engine:close()
  end)

  it("does not block two events of different companies", function()
    local host = new_yielding { Acme = LEAD, Bolt = LEAD }
    local engine = open(host)
    local first, second = start(engine, WON), start(engine, { trigger = "sale_won", company = "Bolt" })
    first()
    first() -- within set_category
    second()
    second()
    assert.equal("updated", second().status)
    assert.equal("updated", first().status)
    assert.same({ "Bolt 1 -> 5", "Acme 1 -> 5" }, host.changes)
    engine:close()
  end)

  it("makes a second event of the same company unavailable at once: nobody else could run on", function()
    local host = new_yielding { Acme = LEAD }
    local engine = open(host)
    local first, second = start(engine, REGISTERED), start(engine, WON)
    first()
    assert.equal("set_category", (first()))
    assert.equal("category", (second()))
    local began = os.time()
    local outcome, message, code = second()
    assert.is_nil(outcome)
    assert.matches("company Acme is being changed by a call that waits for this one", message)
    assert.equal("unavailable", code)
    -- The same event, delivered again before anybody knows what comes of it.
    outcome, message, code = start(engine, REGISTERED)()
    assert.is_nil(outcome)
    assert.same({ "unavailable", true }, { code, message:find("company Acme is being changed", 1, true) ~= nil })
    assert.is_true(os.time() - began <= 2)

    assert.equal("updated", first().status)
    second = start(engine, WON)
    second()
    second()
    assert.same({ "updated", OPPORTUNITY }, { second().status, engine:history()[1].from })
    assert.same({ "Acme 1 -> 3", "Acme 3 -> 5" }, host.changes)
    engine:close()
  end)

  it("makes an event be decided anew that was overtaken while the host was asked", function()
    for _, finished_before in ipairs { false, true } do
      local host = crm.new { Acme = LEAD }
      local category, set = host.category, host.set_category
      local engine = open(host)
      local first
      if finished_before then -- the first event was begun before the second was delivered
        function host.set_category(...)
          coroutine.yield "set_category"
          return set(...)
        end
        first = start(engine, REGISTERED)
        first()
      end
      function host.category(...)
        local answer = category(...)
        host.category = category
        coroutine.yield "category"
        return answer
      end
      local second = start(engine, WON)
      assert.equal("category", (second()))
      first = first or start(engine, REGISTERED)
      assert.equal("updated", first().status)
      host.set_category = set
      local outcome = second()
      assert.same({ "updated", OPPORTUNITY, CUSTOMER }, { outcome.status, outcome.from, outcome.to })
      assert.same({ "Acme 1 -> 3", "Acme 3 -> 5" }, host.changes)
      engine:close()
    end
  end)

  -- The yields of a coroutine until it gives its outcome, and the outcome.
  local function run(step)
    local yielded, result, message, code = {}, step()
    while type(result) == "string" do
      yielded[#yielded + 1] = result
      result, message, code = step()
    end
    return table.concat(yielded, " "), result, message, code
  end

  it("may never come back: after its time another takes the change over, and it is made once all the same", function()
    local host = new_yielding { Acme = LEAD }
    local engine, time = open(host)
    local first = start(engine, REGISTERED)
    first()
    first()
    time.now = time.now + 29
    assert.same({ finished = 0, failed = 0, busy = 1 }, engine:recover())
    time.now = time.now + 3
    local yielded, outcome = run(start(engine, WON))
    assert.equal("category category set_category category set_category", yielded)
    assert.same({ "updated", OPPORTUNITY, CUSTOMER }, { outcome.status, outcome.from, outcome.to })
    -- Here it comes back after all.
    outcome = first()
    assert.same({ "updated", LEAD, OPPORTUNITY }, { outcome.status, outcome.from, outcome.to })
    assert.same({ updated = { matched = 1 } }, engine:stats().outcomes.sale_registered)
    assert.same({ "Acme 1 -> 3", "Acme 3 -> 5" }, host.changes)
    assert.equal("updated updated", statuses(engine))
    engine:close()
  end)

  it("may come back while another call has it at work on the same change: that one finishes it", function()
    local host = crm.new { Acme = LEAD }
    local set, calls = host.set_category, 0
    function host.set_category(...)
      calls = calls + 1
      if calls == 1 then
        coroutine.yield "before"
        return set(...)
      end
      local ok, message = set(...)
      coroutine.yield "after"
      return ok, message
    end
    local engine, time = open(host)
    local first = start(engine, REGISTERED)
    assert.equal("before", (first()))
    time.now = time.now + 32
    local recover = coroutine.wrap(function() return engine:recover() end)
    assert.equal("after", recover())
    -- The company is changed already: to the first this looks like a conflict, which it must not write down.
    local outcome = first()
    assert.same({ "failed", "another process has taken this change over" }, { outcome.status, outcome.error })
    assert.equal("applying", statuses(engine))
    assert.same({ finished = 1, failed = 0, busy = 0 }, recover())
    assert.same({ "updated", { "Acme 1 -> 3" } }, { statuses(engine), host.changes })
    engine:close()
  end)

  it("keeps a batch's changes from being taken for abandoned while another's is waited for", function()
    local host = crm.new { Acme = LEAD, Bolt = LEAD }
    local set, category, waiting = host.set_category, host.category, false
    local engine, time, path = open(host)
    -- Another engine has written Bolt's event down, and is gone, when the batch comes to be written.
    local other = open(new_yielding(host.companies), { path = path, clock = function() return time.now end })
    local bolts = { id = "b", trigger = "sale_won", company = "Bolt" }
    local gone = start(other, bolts)
    engine:on("guard", function(event)
      if event.id == "b" then
        gone()
        gone()
        other:close()
        waiting = true
      end
    end)
    function host.category(company)
      if waiting and company == "Bolt" then
        waiting = false
        coroutine.yield "category"
      end
      return category(company)
    end
    function host.set_category(company, ...)
      local ok, message = set(company, ...)
      if company == "Acme" then
        coroutine.yield "set_category"
      end
      return ok, message
    end
    local batch = coroutine.wrap(function() return engine:handle_many { REGISTERED, bolts } end)
    assert.equal("set_category", batch()) -- what is claimed is made first; then Bolt's event is looked up
    assert.equal("unavailable", select(3, start(engine, WON)()))
    assert.equal("category", batch())
    local outcomes = batch()
    assert.same({ "updated", "duplicate" }, { outcomes[1].status, outcomes[2].status })
    assert.same({ OPPORTUNITY, CUSTOMER }, { host.companies.Acme, host.companies.Bolt })
    assert.equal("updated updated", statuses(engine))
    engine:close()
  end)

  it("may come back while another is at it: the one who took it over finishes it", function()
    local host = new_yielding { Acme = LEAD }
    local engine, time, path = open(host)
    local other = open(host, { path = path, clock = function() return time.now + 31 end })
    local told = {}
    for name, one in pairs { first = engine, other = other } do
      for _, status in ipairs { "updated", "failed" } do
        one:on(status, function() told[#told + 1] = name .. " " .. status end)
      end
    end
    local first = start(engine, REGISTERED)
    first()
    first()
    local recover = coroutine.wrap(function() return other:recover() end)
    assert.equal("category", recover())
    local outcome = first()
    assert.same({ "failed", "another process has taken this change over" }, { outcome.status, outcome.error })
    assert.equal("applying", statuses(engine))
    assert.same({ finished = 1, failed = 0, busy = 0 }, recover())
    assert.same({ "updated", { "Acme 1 -> 3" } }, { statuses(engine), host.changes })
    assert.same({ { "other updated" }, {} }, { told, engine:stats().outcomes }) -- and it is counted once
    other:close()
    engine:close()
  end)

  it("may be given one event twice at once: the second delivery is a duplicate", function()
    local engine = open(crm.new { Acme = LEAD })
    engine:on("guard", function() coroutine.yield "guard" end)
    local event = { id = "w", trigger = "sale_won", company = "Acme", category = LEAD, choice = false }
    local first, second = start(engine, event), start(engine, event)
    first()
    second()
    local outcome = first()
    assert.equal("declined", outcome.status)
    assert.same(outcome, second().first)
    assert.equal("declined", statuses(engine))
    engine:close()
  end)

  it("is left alone by another engine on the store, until the one that waits for it is closed", function()
    local host = new_yielding { Acme = LEAD }
    local engine, time, path = open(host)
    local first = start(engine, REGISTERED)
    first()
    first()
    local plain = crm.new(host.companies)
    local other = open(plain, { path = path, clock = function() return time.now end })
    assert.same({ finished = 0, failed = 0, busy = 1 }, other:recover())
    engine:close()
    assert.same({ finished = 1, failed = 0, busy = 0 }, other:recover())
    assert.same({ "updated", { "Acme 1 -> 3" } }, { statuses(other), plain.changes })
    other:close()
  end)
end)

describe("a host that calls back", function()
  after_each(stores.check)

  -- What it calls within set_category, and what that comes to.
  local CALLS = {
    { "with the company whose change is being made: unavailable", WON, nil, "unavailable" },
    { "with the very event that is being handled: unavailable", REGISTERED, nil, "unavailable" },
    { "with another company: handled", { trigger = "sale_won", company = "Bolt" }, "updated" },
    { "with nothing to do: unchanged", { trigger = "sale_lost", company = "Acme" }, "unchanged" },
    { "with an answer about another company: declined", { trigger = "sale_won", company = "Bolt", choice = false },
      "declined" },
  }
  for _, row in ipairs(CALLS) do
    it(row[1], function()
      local host = crm.new { Acme = LEAD, Bolt = LEAD }
      local set = host.set_category
      local engine, result
      function host.set_category(company, ...)
        if company == "Acme" then
          result = { engine:handle(row[2]) }
        end
        return set(company, ...)
      end
      engine = open(host)
      local began = os.time()
      assert.equal("updated", engine:handle(REGISTERED).status)
      assert.is_true(os.time() - began <= 2)
      assert.equal(row[3], result[1] and result[1].status)
      assert.equal(row[4], result[3])
      assert.equal(OPPORTUNITY, host.companies.Acme)
      engine:close()
    end)
  end

  it("to recover: its own change is busy", function()
    local host = crm.new { Acme = LEAD }
    local set = host.set_category
    local engine, counts
    function host.set_category(...)
      counts = engine:recover()
      return set(...)
    end
    engine = open(host)
    assert.equal("updated", engine:handle(WON).status)
    assert.same({ finished = 0, failed = 0, busy = 1 }, counts)
    engine:close()
  end)
end)

describe("a process that is killed while the host works", function()
  after_each(stores.check)

  -- Handles a won sale with a CRM in a file, and kills itself before or after that has made the change.
  local CHILD = [[
    local path, file, moment = arg[1], arg[2], arg[3]
    local leadcat, crm, stores = require "leadcat", require "support.crm", require "support.stores"
    local host = crm.file(file)
    local set = host.set_category
    local function die()
      local pipe = io.popen "echo $PPID"
      local id = pipe:read "*l"
      pipe:close()
      os.execute("kill -9 " .. id)
    end
    function host.set_category(...)
      local ok = moment == "before" and die() or set(...)
      die()
      return ok
    end
    local engine = assert(leadcat.open {
      path = path, host = host, map_size = 2 ^ 26, clock = function() return 1700000000 end,
    })
    assert(engine:save(stores.config { sale_won = 5 }))
    print(engine:handle({ id = "w", trigger = "sale_won", company = 42 }).status)
  ]]

  local function lines(name)
    local list = {}
    for line in io.lines(name) do
      list[#list + 1] = line
    end
    return table.concat(list, " ")
  end

  for moment, written in pairs { before = "1", after = "1 5" } do
    for _, way in ipairs { "the next to open the store", "an engine that was open already" } do
      it(("%s it made the change is succeeded by %s, at once and once"):format(moment, way), function()
        local path, file = stores.path(), stores.path()
        local handle = assert(io.open(file, "w"))
        handle:write "1\n"
        handle:close()
        local options = { path = path, clock = function() return 1700000001 end }
        local early = way ~= "the next to open the store" and open(crm.file(file), options)
        local output, status = stores.run(CHILD, path, file, moment)
        assert.equal(137, status, output) -- 128 + SIGKILL
        assert.equal(written, lines(file))

        local engine = early or open(crm.file(file), { path = path, clock = options.clock })
        assert.same({ finished = early and 1 or 0, failed = 0, busy = 0 }, engine:recover())
        assert.equal("1 5", lines(file))
        local entries = engine:history()
        assert.same({ 1, "updated", 42 }, { #entries, entries[1].status, entries[1].company })
        local again = engine:handle { id = "w", trigger = "sale_won", company = 42 }
        assert.same({ "duplicate", "updated" }, { again.status, again.first.status })
        assert.equal("1 5", lines(file))
        engine:close()
      end)
    end
  end
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

describe("the embedded host", function()
  after_each(stores.check)

  it("keeps companies, each in a category", function()
    local engine, _, path = open()
    local host = engine.host
    assert.is_nil(host:get "Acme")
    assert.is_true(host:create("Acme", LEAD))
    assert.equal(LEAD, host:get "Acme")
    assert.equal(LEAD, host.category "Acme")
    engine:close()
    engine = open(nil, { path = path })
    assert.equal(LEAD, engine.host:get "Acme")
    engine:close()
  end)

  it("has each company once, by the text of its id", function()
    local engine = open()
    assert.is_true(engine.host:create(42, LEAD))
    for _, id in ipairs { 42, "42" } do
      local created, message, code = engine.host:create(id, CUSTOMER)
      assert.is_nil(created)
      assert.same({ "company 42 exists already", "conflict" }, { message, code })
      assert.equal(LEAD, engine.host:get(id))
    end
    assert.equal(2, engine.host:create_many({ 41, "42", 43 }, CUSTOMER))
    assert.same({ CUSTOMER, LEAD, CUSTOMER }, { engine.host:get(41), engine.host:get(42), engine.host:get "43" })
    assert.equal(1, engine.host:create_many({ "new", "new" }, LEAD))
    assert.equal(0, engine.host:create_many({}, LEAD))
    engine:close()
  end)

  it("changes a category by compare-and-set", function()
    local engine = open()
    local set = engine.host.set_category
    engine.host:create("Acme", LEAD)
    assert.same({ nil, "conflict" }, { set("Acme", CUSTOMER, OPPORTUNITY) })
    assert.equal(LEAD, engine.host:get "Acme")
    assert.is_true(set("Acme", CUSTOMER, LEAD))
    assert.equal(CUSTOMER, engine.host:get "Acme")
    local ok, message = set("Nobody", CUSTOMER, LEAD)
    assert.is_nil(ok)
    assert.is_true(message ~= nil and message ~= "conflict")
    engine:close()
  end)

  it("belongs to a tenant", function()
    local engine = open()
    local north = engine:tenant "north"
    engine.host:create("Acme", LEAD)
    assert.is_nil(north.host:get "Acme")
    assert.is_true(north.host:create("Acme", CUSTOMER))
    assert.same({ LEAD, CUSTOMER }, { engine.host:get "Acme", north.host:get "Acme" })
    local listed = {}
    for company, category in north.host:companies() do
      listed[company] = category
    end
    assert.same({ Acme = CUSTOMER }, listed)
    engine:close()
  end)

  it("goes through all companies, however many, with their ids' types", function()
    for _, count in ipairs { 0, 1, 999, 1000, 1001, 2000, 2500 } do
      local engine = open()
      local ids, expected = {}, {}
      for i = 1, count do
        ids[i] = i % 3 == 0 and i * 7919 or i % 3 == 1 and "company " .. i or tostring(-i)
        expected[ids[i]] = LEAD
      end
      assert.equal(count, engine.host:create_many(ids, LEAD))
      local found, number = {}, 0
      for company, category in engine.host:companies() do
        found[company], number = category, number + 1
      end
      assert.equal(count, number)
      assert.same(expected, found)
      engine:close()
    end
  end)

  it("goes on after what was created meanwhile, and is changed by events", function()
    local engine = open()
    engine.host:create_many({ 1, 2, 3 }, LEAD)
    engine:handle_many { { trigger = "sale_won", company = 2 }, { trigger = "sale_registered", company = "3" } }
    local found = {}
    for company, category in engine.host:companies() do
      found[#found + 1] = ("%s %d"):format(tostring(company), category)
    end
    table.sort(found)
    assert.same({ "1 1", "2 5", "3 3" }, found)
    engine:close()
  end)

  it("takes only companies and categories that can be", function()
    local engine = open()
    local host = engine.host
    for _, row in ipairs {
      { "company must have 1 to 255 bytes", function() host:create("", LEAD) end },
      { "company must have 1 to 255 bytes", function() host:create(("x"):rep(256), LEAD) end },
      { "company must be a string or an integer", function() host:create(1.5, LEAD) end },
      { "company must be a string or an integer", function() host:create_many({ {} }, LEAD) end },
      { "company must be a string or an integer", function() host:get(nil) end },
      { "integer from 1 to 2147483647 expected", function() host:create("Acme", 0) end },
      { "integer from 1 to 2147483647 expected", function() host:create("Acme", 2 ^ 31) end },
      { "integer from 1 to 2147483647 expected", function() host:create("Acme", 1.5) end },
      { "number expected, got string", function() host:create("Acme", "1") end },
      { "unknown option 'cam' %(there are can, licensed%)", function() lmdb.new { cam = print } end },
      { "option 'can': a function expected, got boolean", function() lmdb.new { can = true } end },
    } do
      assert.error_matches(row[2], row[1])
    end
    for _ in host:companies() do
      error "something was created"
    end
    engine:close()
  end)
end)
