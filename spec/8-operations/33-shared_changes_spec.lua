--- The sequence of all that was done over a shared store: nodes commit in another order than that in which they have
-- begun, and whoever follows misses nothing, sees nothing twice, and what was done to a company in order.

local core = require "leadcat.core"
local databases = require "support.databases"
local pg = require "leadcat.store.pg"
local processes = require "support.processes"
local shared = require "support.shared"
local stores = require "support.stores"
local times = require "support.times"

local SLOW = os.getenv "LEADCAT_SLOW"
local LEAD, CUSTOMER, LOST = 1, 5, 7
local NODES = 4

-- A node that handles events of its own companies and of one that all have, and now and then follows itself.
local NODE = [[
local leadcat = require "leadcat"
local engine = assert(leadcat.open { path = arg[1], shared = arg[2], durability = "primary", map_size = 2 ^ 26 })
local cursor
for i = 1, tonumber(arg[4]) do
  local company = i % 3 == 0 and "all" or arg[3] .. "-" .. i % 2
  local trigger = math.floor(i / 2) % 2 == 0 and "sale_won" or "sale_lost"
  local outcome, message, code = engine:handle { id = arg[3] .. "." .. i, trigger = trigger, company = company,
    category = 1 }
  if not outcome and code ~= "unavailable" then
    error(message)
  elseif outcome and outcome.entry then
    print(("%.0f"):format(outcome.entry))
  end
  if i % 5 == 0 then
    cursor = select(2, assert(engine:changes(cursor, { limit = 3 })))
  end
end
engine:close()
]]

-- Transactions stay open for a while behind what they have written.
local SLEEPY = {
  "CREATE FUNCTION sleepy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(random() * 0.03); "
    .. "RETURN NULL; END $$",
  "CREATE CONSTRAINT TRIGGER sleepy AFTER INSERT ON leadcat.change DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
    .. "EXECUTE FUNCTION sleepy()",
}

describe("changes of a shared store", function()
  if SLOW then
    return
  end
  local url, pool, engine

  before_each(function()
    url, pool = shared.database()
    engine = shared.open(url)
    assert(engine:save(stores.config { sale_won = CUSTOMER, sale_lost = LOST }))
  end)
  after_each(function()
    engine:close()
    shared.close()
    stores.check()
  end)
  teardown(databases.stop)

  local function won(company)
    return assert(assert(engine:handle { trigger = "sale_won", company = company, category = LEAD }).entry)
  end

  -- The entries behind a cursor, and where to go on.
  local function told(after, limit)
    local found, cursor = assert(engine:changes(after, { limit = limit }))
    local entries = {}
    for i, change in ipairs(found) do
      entries[i] = change.entry.entry
    end
    return entries, cursor
  end

  it("are all seen, once and in order, while many write slowly", function()
    for _, text in ipairs(SLEEPY) do
      shared.run(pool, text)
    end
    local nodes, count = {}, times(40)
    for i = 1, NODES do
      nodes[i] = processes.start(NODE, { stores.path(), url, "n" .. i, tostring(count) })
    end
    local seen, newest, cursor, last, gone_on = {}, {}, nil, 0, 0
    local function follow()
      local found, following = assert(engine:changes(cursor, { limit = 5 }))
      for _, change in ipairs(found) do
        local entry, number = change.entry, tonumber(change.cursor)
        assert.is_true(number > last)
        assert.is_true(entry.entry > (newest[entry.company] or 0))
        assert.is_nil(seen[entry.entry])
        seen[entry.entry], newest[entry.company], last = true, entry.entry, number
      end
      cursor, gone_on = following, gone_on + (found[1] and 1 or 0)
      return found[1]
    end
    local deadline = core.uptime() + 60
    local function all_there()
      return shared.run(pool, "SELECT count(DISTINCT split_part(convert_from(event_id, 'UTF8'), '.', 1)) "
        .. "FROM leadcat.entry WHERE event_id LIKE '%." .. count .. "'")[1][1] == NODES
    end
    repeat
      follow()
    until all_there() or core.uptime() > deadline
    local acknowledged = {}
    for _, node in ipairs(nodes) do
      local output, status = node:wait()
      assert.same({ 0, nil }, { status, output:match "[^%d\n][^\n]*" })
      for entry in output:gmatch "%d+" do
        acknowledged[#acknowledged + 1] = tonumber(entry)
      end
    end
    while follow() do end
    for _, entry in ipairs(acknowledged) do
      assert.is_true(seen[entry])
    end
    local history = assert(engine._store:history("", nil, nil, nil, 1000000))
    for _, entry in ipairs(history) do
      assert.is_true(seen[entry.entry])
    end
    assert.is_true(#acknowledged > count and gone_on > 10)
  end)

  it("wait for none that is running, and have it when it is committed", function()
    assert(engine._store:create("", { { company = "slow" }, { company = "fast" } }, LEAD))
    local session = assert(pool:acquire())
    assert(session:run(pg.statement "BEGIN"))
    assert(session:run(pg.statement(("INSERT INTO leadcat.change (tenant, place, made, entry, kind) VALUES ('', "
      .. "nextval('leadcat.change_place') * 1048576, 1, ARRAY[%.0f], '{ended}')"):format(won "slow"))))
    local fast = won "fast"
    local all, cursor = told()
    assert.equal(fast, all[2])
    local _, newest = told "newest"
    assert.equal(cursor, newest)
    assert(session:run(pg.statement "COMMIT"))
    pool:release(session)
    assert.same({ all[1] }, (told(cursor)))
  end)

  it("are behind what retention has removed: expired, with the start, whether or not somebody followed", function()
    won "a"
    local first, cursor = told()
    assert.equal(1, #first)
    won "b"
    local last = won "c"
    assert.same({ 2, 0 }, { engine._store:trim("", 0, 1, 0, 0) })
    local found, _, code, start = engine:changes(cursor)
    assert.same({ nil, "expired" }, { found, code })
    assert.same({ { last }, { last } }, { (told(start)), (told()) })
    assert.equal(1, shared.run(pool, "SELECT count(*) FROM leadcat.change")[1][1])
    assert.same({}, (engine:tenant("another"):changes()))
  end)

  it("go on behind a cursor after an older copy of the database has been put in its place", function()
    won "a"
    local _, old = told()
    won "b"
    local _, cursor = told()
    shared.run(pool, "DELETE FROM leadcat.change WHERE number > " .. old)
    shared.run(pool, "UPDATE leadcat.sequence SET last = " .. old)
    core.sleep(0.01)
    local entry = won "c"
    assert.same({ entry }, (told(cursor)))
  end)

  it("of what ends long after it was written do not take along what was done before", function()
    local claim = { write = true, claim = 30, ttl = 100 }
    local function handle(company)
      local results = {}
      assert(engine._store:handle("", { { trigger = "sale_won", company = company, category = LEAD } }, results, 0,
        claim))
      return results[1].entry
    end
    local slow, other = handle "slow", won "other"
    local _, cursor = told()
    core.sleep(0.01)
    assert(engine._store:finish("", { { entry = slow, company = "slow", status = "updated" } }, 0))
    local last = won "last"
    assert.same({ 1, 0 }, { engine._store:trim("", 0, 2, 0, 0) })
    assert.same({ last }, (told(cursor)))
    assert.same({ other, last }, (told()))
  end)

  it("tell of a damaged entry", function()
    won "a"
    shared.run(pool, "UPDATE leadcat.entry SET record = 'x'")
    assert.equal("corrupt", select(3, engine:changes()))
  end)
end)
