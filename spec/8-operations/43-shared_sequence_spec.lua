--- The sequence of a shared store has several changes of one commit in a row: whoever follows gets each one, wherever a page ends,
-- retention removes a row when all of it is gone, and a store that moves keeps the numbers.

local databases = require "support.databases"
local shared = require "support.shared"
local stores = require "support.stores"

local LEAD, CUSTOMER, COUNT = 1, 5, 150

if os.getenv "LEADCAT_SLOW" then
  return
end

describe("changes of one commit", function()
  local engine, pool, url

  before_each(function()
    url, pool = shared.database()
    engine = shared.open(url, { recover = false })
    assert(engine:save(stores.config { sale_won = CUSTOMER }))
  end)
  after_each(function()
    engine:close()
    shared.close()
    stores.check()
  end)
  teardown(databases.stop)

  -- Wins sales of so many companies in one commit: their entries, in order.
  local function win(count, prefix)
    local events, companies, entries = {}, {}, {}
    for i = 1, count do
      companies[i] = prefix .. i
      events[i] = { trigger = "sale_won", company = companies[i], id = companies[i] }
    end
    assert(engine.host:create_many(companies, LEAD))
    for i, outcome in ipairs(assert(engine:handle_many(events))) do
      entries[i] = outcome.entry
    end
    return entries
  end

  local function told(after, limit)
    local items, cursor = engine:changes(after, { limit = limit })
    local entries = {}
    for i, item in ipairs(assert(items, cursor)) do
      entries[i] = item.entry.entry
    end
    return entries, cursor
  end

  local function rows()
    return shared.run(pool, "SELECT count(*), coalesce(sum(cardinality(entry)), 0)::int8 FROM leadcat.change")[1]
  end

  it("are in few rows, with counters once for all", function()
    win(COUNT, "a")
    local found = rows()
    assert.same({ 3, COUNT }, { found[1], found[2] })
    assert.equal(1, shared.run(pool, "SELECT count(*) FROM leadcat.daily_new WHERE more = " .. COUNT)[1][1])
  end)

  it("are told each once and in order, wherever a page ends", function()
    local entries = win(COUNT, "a")
    for _, limit in ipairs { 7, 64, 100, 1000 } do
      local all, cursor = {}, nil
      repeat
        local page
        page, cursor = told(cursor, limit)
        assert.is_true(#page <= limit)
        for _, entry in ipairs(page) do
          all[#all + 1] = entry
        end
      until #page == 0
      assert.same(entries, all)
    end
    local _, cursor = told("newest")
    local more = win(3, "b")
    assert.same(more, (told(cursor)))
  end)

  it("leave out a company that somebody else has changed meanwhile", function()
    win(2, "a")
    shared.run(pool, "UPDATE leadcat.company SET version = version + 1, category = 1 WHERE company = 'a2'")
    local outcomes = assert(engine:handle_many {
      { trigger = "sale_won", company = "a1", category = LEAD, id = "again 1" },
      { trigger = "sale_won", company = "a2", category = LEAD, id = "again 2" },
    })
    assert.equal("updated", outcomes[2].status)
    local entries = told()
    assert.equal(outcomes[2].entry, entries[#entries])
    assert.same({ #entries, #entries }, { rows()[2], #assert(engine:history()) })
  end)

  it("are expired as their entries are removed, one by one, and no row stays", function()
    local entries = win(COUNT, "a")
    local _, cursor = told(nil, 10)
    assert.same({ 50, 0 }, { engine._store:trim("", 0, 100, 0, 0) })
    local _, _, code, start = engine:changes(cursor)
    assert.equal("expired", code)
    local left = told(start)
    assert.same({ 100, entries[51], entries[COUNT] }, { #left, left[1], left[100] })
    assert.same({ 99, 0 }, { engine._store:trim("", 0, 1, 0, 0) })
    assert.same({ entries[COUNT] }, (told()))
    assert.equal(1, rows()[1])
    win(1, "b")
    assert.same({ 1, 0 }, { engine._store:trim("", 0, 1, 0, 0) })
    assert.equal(1, rows()[1])
  end)
end)
