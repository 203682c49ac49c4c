--- What a node of a shared store remembers of companies saves it the read before a commit, and never decides by itself: the
-- statement that writes compares it, and what is otherwise is decided anew.

local crm = require "support.crm"
local databases = require "support.databases"
local pg = require "leadcat.store.pg"
local shared = require "support.shared"
local sql = require "leadcat.store.sql"
local statements = require "leadcat.store.sql.statements"
local stores = require "support.stores"

local SLOW = os.getenv "LEADCAT_SLOW"
local LEAD, OPPORTUNITY, CUSTOMER, LOST = 1, 3, 5, 7

describe("what a node remembers of companies", function()
  if SLOW then
    return
  end
  local url, pool, first, second

  before_each(function()
    url, pool = shared.database()
    first = shared.open(url)
    assert(first:save(stores.config { sale_registered = OPPORTUNITY, sale_won = CUSTOMER }))
    assert(first.host:create(42, LEAD))
    second = shared.open(url)
  end)
  after_each(function()
    first:close()
    second:close()
    shared.close()
    stores.check()
  end)
  teardown(databases.stop)

  local function handle(engine, trigger, fields)
    local event = { trigger = trigger, company = 42 }
    for name, value in pairs(fields or {}) do
      event[name] = value
    end
    return assert(engine:handle(event))
  end

  -- What `work` gives, and how many statements it has taken.
  local function counted(engine, work)
    local database = engine._store.database
    local run, count = database.run, 0
    function database.run(...)
      count = count + 1
      return run(...)
    end
    local result = work()
    database.run = nil
    return result, count
  end

  -- Has both remember the company, in category OPPORTUNITY.
  local function register()
    assert.equal("updated", handle(first, "sale_registered", { id = "r" }).status)
    local seen = handle(second, "sale_registered", { id = "s" })
    assert.equal("already_in_category", seen.reason)
  end

  it("saves the read: an event is one statement", function()
    local _, count = counted(first, function() return handle(first, "sale_registered", { id = "r" }) end)
    assert.equal(2, count)
    local outcome
    outcome, count = counted(first, function() return handle(first, "sale_won", { id = "w" }) end)
    assert.same({ "updated", OPPORTUNITY, CUSTOMER, 1 }, { outcome.status, outcome.from, outcome.to, count })
    assert.equal(CUSTOMER, second.host.category(42))
  end)

  it("is compared: where the company has changed, the event is decided by what is there", function()
    register()
    assert.is_true(second.host.set_category(42, LEAD, OPPORTUNITY, {}))
    local outcome, count = counted(first, function() return handle(first, "sale_won", { id = "w" }) end)
    assert.same({ "updated", LEAD, CUSTOMER, 2 }, { outcome.status, outcome.from, outcome.to, count })
    assert.equal(outcome.entry, handle(second, "sale_won", { id = "w" }).entry)
  end)

  it("does not let anything come to nothing: that is read", function()
    register()
    assert.equal("updated", handle(first, "sale_won", { id = "w" }).status)
    assert.is_true(second.host.set_category(42, LEAD, CUSTOMER, {}))
    local outcome = handle(first, "sale_won", { id = "again" })
    assert.same({ "updated", LEAD, CUSTOMER }, { outcome.status, outcome.from, outcome.to })
  end)

  it("does not forget what another node has seen: its event is handled once", function()
    register()
    local won = handle(second, "sale_won", { id = "w" })
    assert.is_true(second.host.set_category(42, OPPORTUNITY, CUSTOMER, {}))
    local again = handle(first, "sale_won", { id = "w" })
    assert.same({ "duplicate", won.entry }, { again.status, again.entry })
    assert.equal("updated", handle(first, "sale_won", { id = "x" }).status)
  end)

  it("does not forget either what has come to nothing on another node", function()
    register()
    assert(second._store:settle())
    assert.is_true(first.host.set_category(42, LEAD, OPPORTUNITY, {}))
    assert.equal("updated", handle(first, "sale_registered", { id = "t" }).status)
    assert.is_true(first.host.set_category(42, LEAD, OPPORTUNITY, {}))
    assert.equal("updated", handle(first, "sale_registered", { id = "u" }).status)
    assert.equal("updated", handle(first, "sale_won", { id = "v" }).status)
    assert.is_true(first.host.set_category(42, LEAD, CUSTOMER, {}))
    assert.equal("updated", handle(first, "sale_registered", { id = "y" }).status)
    local again = handle(first, "sale_won", { id = "s" })
    assert.equal("duplicate", again.status)
  end)

  it("keeps the mark of what came to nothing here a moment ago", function()
    register()
    assert.equal("already_in_category", handle(first, "sale_registered", { id = "n" }).reason)
    assert.equal("duplicate", handle(first, "sale_registered", { id = "n" }).status)
    assert.equal("duplicate", handle(first, "sale_won", { id = "n" }).status)
  end)

  it("is of one database: with the id of another one in its place, nothing is written", function()
    register()
    local before = handle(first, "sale_won", { id = "w" }).key:match "^[^-]*"
    assert.is_true(first.host.set_category(42, OPPORTUNITY, CUSTOMER, {}))
    assert.equal("already_in_category", handle(first, "sale_registered", { id = "z" }).reason)
    shared.run(pool, "UPDATE leadcat.meta SET value = value + 1 WHERE name = 'cluster'") -- sessions go on, as with a pooler
    local outcome = handle(first, "sale_won", { id = "x" })
    assert.equal("updated", outcome.status)
    assert.not_equal(before, outcome.key:match "^[^-]*")
  end)

  it("is not used over sessions that are newer", function()
    register()
    local database = first._store.database
    database.sessions = database.sessions + 1 -- as if one had been opened to a database that was restored
    local outcome, count = counted(first, function() return handle(first, "sale_won", { id = "w" }) end)
    assert.equal("updated", outcome.status)
    assert.is_true(count > 1)
  end)

  it("saves reads where a host of one's own makes the changes", function()
    local host = crm.new { a = LEAD }
    local engine = shared.open(url, { host = host })
    local event = { trigger = "sale_registered", company = "a", category = LEAD, id = "a1" }
    local outcome, count = counted(engine, function() return assert(engine:handle(event)) end)
    assert.same({ "updated", 3 }, { outcome.status, count }) -- a look, the change that is applying, its end
    assert.same({ "a 1 -> 3" }, host.changes)
    assert.equal(0, engine:stats().unfinished)
    engine:close()
  end)

  it("takes many at a time, and those that are otherwise by themselves", function()
    local events = {}
    for i = 1, 20 do
      assert(first.host:create(100 + i, LEAD))
      events[i] = { trigger = "sale_registered", company = 100 + i, id = "m" .. i }
    end
    assert(first:handle_many(events))
    for i = 1, 20, 7 do
      assert.is_true(second.host.set_category(100 + i, LOST, OPPORTUNITY, {}))
    end
    for i, event in ipairs(events) do
      event.trigger, event.id = "sale_won", "n" .. i
    end
    local outcomes, count = counted(first, function() return assert(first:handle_many(events)) end)
    for i = 1, 20 do
      assert.equal(i % 7 == 1 and "not_potential_customer" or "matched", outcomes[i].reason)
    end
    assert.equal(2, count) -- all; then what is otherwise comes to nothing by what is known now, so that it is read
  end)

  it("is looked up by the one index for it, also where plans were made while the tables were empty", function()
    shared.run(pool, "TRUNCATE leadcat.entry, leadcat.question, leadcat.mark")
    shared.run(pool, "ANALYZE")
    local database = pg.pool(url, { settings = sql.SETTINGS })
    local session = assert(database:acquire())
    local found = {}
    for name, made in pairs { look = statements.look, put = (statements.put { recalled = true, entries = true }) } do
      local nothing = {}
      for i in ipairs(made.types) do
        nothing[i] = "NULL"
      end
      assert(session:run(pg.statement(("PREPARE %s AS %s"):format(name, made.sql))))
      local explain = ("EXPLAIN EXECUTE %s(%s)"):format(name, table.concat(nothing, ", "))
      local plan = assert(session:run(pg.statement(explain)))
      for _, row in ipairs(plan) do
        local key = row[1]:match "Index Cond: %(%(tenant = %$1%) AND %(([%w_]+) >= "
        found[key or ""] = (found[key or ""] or 0) + 1
      end
    end
    database:release(session)
    database:close()
    assert.same({ event_id = 4, id = 2, entry = 3, company = 2 },
      { event_id = found.event_id, id = found.id, entry = found.entry, company = found.company })
  end)
end)
