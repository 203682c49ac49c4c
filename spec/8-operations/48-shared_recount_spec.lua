--- The counters by day of a shared store, counted anew: what is lost comes back, whatever others write meanwhile, and whoever counts
-- at the same time.

local databases = require "support.databases"
local days = require "support.days"
local pg = require "leadcat.store.pg"
local shared = require "support.shared"
local stores = require "support.stores"

if os.getenv "LEADCAT_SLOW" then
  return
end

local LEAD, CUSTOMER, LOST = 1, 5, 7

describe("counting the journal of a shared store anew", function()
  local engine, other, pool, url

  before_each(function()
    url, pool = shared.database()
    engine, other = shared.open(url, { recover = false }), shared.open(url, { recover = false })
    assert(engine:save(stores.config { sale_won = CUSTOMER, sale_registered = { LOST, ask = true } }))
  end)
  after_each(function()
    engine:close()
    other:close()
    shared.close()
    stores.check()
  end)
  teardown(databases.stop)

  local made = 0
  local function win(count, by)
    local events = {}
    for i = 1, count do
      made = made + 1
      assert(by.host:create(made, LEAD))
      events[i] = { trigger = i % 3 == 0 and "sale_registered" or "sale_won", company = made, id = made }
    end
    for i, outcome in ipairs(assert(by:handle_many(events))) do
      if outcome.confirmation then
        assert(by:resolve(outcome.confirmation, i % 2 == 0 and { accept = true } or { category = CUSTOMER },
          { actor = { id = "ann", admin = true } }))
      end
    end
  end

  local function assert_right()
    assert.same(days.expected(engine._store, ""), days.found(engine._store, ""))
  end

  local function lose()
    shared.run(pool, [[DELETE FROM leadcat.daily_new
      WHERE place IN (SELECT place FROM leadcat.daily_new ORDER BY place LIMIT 1)]])
    shared.run(pool, "UPDATE leadcat.daily_new SET more = more + 2")
    shared.run(pool, "UPDATE leadcat.daily SET count = count * 3")
    shared.run(pool, [[INSERT INTO leadcat.daily_head VALUES ('', 40000, 0) ON CONFLICT (tenant)
      DO UPDATE SET since = 40000]])
    assert.not_same(days.expected(engine._store, ""), days.found(engine._store, ""))
  end

  -- Calls `before` with the number of the try before the node's session runs a statement with this text.
  local function intercept(node, text, before)
    local database, tries = node._store.database, 0
    local acquire = database.acquire
    function database.acquire(...)
      local taken, message, code, problem = acquire(...)
      local run = taken and taken.run
      if taken then
        taken.run = function(this, statement, ...)
          if statement.sql:find(text, 1, true) then
            tries = tries + 1
            before(tries, function(sql) return assert(run(this, pg.statement(sql))) end)
          end
          return run(this, statement, ...)
        end
      end
      return taken, message, code, problem
    end
    return function()
      database.acquire = nil
      return tries
    end
  end

  it("gives what the journal has, of answers as well", function()
    win(30, engine)
    assert(engine:undo(assert(engine:history { status = "updated", limit = 1 })[1].entry))
    assert_right()
    assert(engine._store:fold_daily("", os.time()))
    win(9, engine)
    lose()
    local places = {}
    assert.is_true(engine:recount { on_progress = function(place) places[#places + 1] = place end })
    assert.equal(1, #places)
    assert_right()
    assert.is_nil(engine:health().since)
    assert.is_true(engine:recount()) -- nothing is missing any more
    assert_right()
  end)

  it("goes through all of a journal, which is read in pages", function()
    local companies = {}
    for i = 1, 4500 do
      companies[i] = "many " .. i
    end
    assert(engine.host:create_many(companies, LEAD))
    for first = 1, 4500, 1500 do
      local events = {}
      for i = 1, 1500 do
        events[i] = { trigger = "sale_won", company = companies[first + i - 1] }
      end
      assert(engine:handle_many(events))
    end
    lose()
    assert.is_true(engine:recount())
    assert_right()
  end)

  it("loses and doubles nothing of what is written, added up and removed meanwhile", function()
    win(30, engine)
    lose()
    local admin = { actor = { id = "ann", admin = true } }
    local done = intercept(engine, "ORDER BY entry LIMIT", function()
      win(6, other)
      assert(other._store:fold_daily("", os.time()))
      assert(other.host:create("late", LEAD))
      local asked = assert(other:handle { trigger = "sale_registered", company = "late", id = "late" })
      assert(other:resolve(asked.confirmation, { accept = true }, admin))
    end)
    assert.is_true(engine:recount())
    assert.equal(1, done())
    assert_right()
  end)

  it("keeps the counters of days of which retention has removed entries", function()
    win(12, engine)
    local before = days.found(engine._store, "")
    shared.run(pool, "UPDATE leadcat.entry SET written = written - 86400000000 * 400")
    assert(engine._store:trim("", 86400, 0, os.time(), 0))
    shared.run(pool, [[INSERT INTO leadcat.daily_head
      SELECT '', 0, max(('x' || encode(substr(counted, 1, 4), 'hex'))::bit(32)::int8) FROM leadcat.daily
      ON CONFLICT (tenant) DO UPDATE SET removed = excluded.removed]])
    shared.run(pool, "DELETE FROM leadcat.entry")
    assert.is_true(engine:recount())
    assert.same(before, days.found(engine._store, ""))
  end)

  it("is done by one at a time: the second one counts behind the first one", function()
    win(12, engine)
    lose()
    local second
    local done = intercept(engine, "ORDER BY entry LIMIT", function()
      second = { other:recount() }
    end)
    assert.is_true(engine:recount())
    assert.equal(1, done())
    assert.same({ nil, "unavailable" }, { second[1], second[3] }, second[2])
    assert.is_true(other:recount())
    assert_right()
  end)

  it("begins anew when another one was done in between", function()
    win(12, engine)
    lose()
    local session = assert(pool:acquire())
    assert(session:run(pg.statement "BEGIN"))
    assert(session:run(pg.statement "UPDATE leadcat.meta SET value = value + 1 WHERE name = 'recounts'"))
    local done = intercept(engine, "UPDATE leadcat.meta", function(try, run)
      if try == 1 then
        run "SELECT 1" -- the snapshot is of before
        assert(session:run(pg.statement "COMMIT"))
      end
    end)
    assert.is_true(engine:recount())
    assert.equal(2, done())
    pool:release(session)
    assert_right()
  end)

  it("is not done in another database", function()
    shared.run(pool, "UPDATE leadcat.meta SET value = value + 1 WHERE name = 'cluster'")
    assert.equal("unavailable", select(3, engine:recount()))
  end)

  it("adds nothing when it is interrupted, and says what is damaged", function()
    win(6, engine)
    lose()
    local before = days.found(engine._store, "")
    local done = intercept(engine, "INSERT INTO leadcat.daily_new", function() error "killed" end)
    assert.error_matches(function() engine:recount() end, "killed")
    assert.equal(1, done())
    assert.same(before, days.found(engine._store, ""))
    shared.run(pool, [[UPDATE leadcat.entry SET record = substr(record, 1, 7)
      WHERE entry = (SELECT min(entry) FROM leadcat.entry)]])
    assert.equal("corrupt", select(3, engine:recount()))
    assert.same(before, days.found(engine._store, ""))
  end)
end)
