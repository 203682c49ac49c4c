--- What an event costs whose company is in PostgreSQL, beside the same statements and LMDB's two commits by hand, and beside
--- a trigger of the database that does the same; and many together beside one by one. The server commits durably, as LMDB does. Then a row by its key, by our client and by LuaDBI.

local databases = require "support.databases"
local dbi = require "leadcat.host.sql.dbi"
local leadcat = require "leadcat"
local measure = require "bench.measure"
local pg = require "leadcat.store.pg"
local raw_lmdb = require "bench.raw_lmdb"
local sql = require "leadcat.host.sql"
local stores = require "support.stores"
local trigger = require "bench.trigger"

local COMPANIES, SINGLES, BATCH = 5000, measure.times(200, 50), measure.times(1000, 500)
local TRIGGERS = { "sale_registered", "sale_lost" } -- in turn: each moves any company, 3 <-> 4

local database = databases.get("postgresql", { is_durable = true })
local adapter = dbi(database.options)
local connection = assert(adapter:acquire())
for _, table in ipairs { "companies", "by_hand" } do
  assert(connection:execute(("CREATE TABLE %s (id BIGINT PRIMARY KEY, category INT NOT NULL)"):format(table)))
  assert(connection:execute(("INSERT INTO %s SELECT n, 4 FROM generate_series(1, %d) n"):format(table, COMPANIES)))
end
assert(connection:execute(sql.schema "postgresql"))
assert(connection:execute(sql.schema("postgresql", "applied_by_hand")))

local directory, raw_directory = measure.directory(), measure.directory()
os.execute("mkdir " .. raw_directory)
local engine = assert(leadcat.open {
  path = directory,
  host = sql { adapter = adapter, companies = { table = "companies", id = "id", category = "category" } },
})
assert(engine:save(stores.config { sale_registered = 3, sale_lost = 4 }))
local raw = raw_lmdb.open(raw_directory .. "/journal.mdb")

trigger.create(connection, COMPANIES)

local function event_of(number)
  return {
    id = ("sale-%08d"):format(number), trigger = TRIGGERS[math.floor((number - 1) / COMPANIES) % 2 + 1],
    company = (number - 1) % COMPANIES + 1,
  }
end

local made = 0

local function next_event()
  made = made + 1
  return event_of(made)
end

-- Seconds an event, one by one.
local function singles()
  local begun = measure.now()
  for _ = 1, SINGLES do
    local outcome = assert(engine:handle(next_event()))
    assert(outcome.status == "updated", outcome.error)
  end
  return (measure.now() - begun) / SINGLES
end

-- Seconds an event, in a batch.
local function batch()
  local events = {}
  for i = 1, BATCH do
    events[i] = next_event()
  end
  local begun = measure.now()
  local outcomes = assert(engine:handle_many(events))
  assert(outcomes[BATCH].status == "updated", outcomes[BATCH].error)
  return (measure.now() - begun) / BATCH
end

local INSERT = "INSERT INTO applied_by_hand (change_key, company, category_before, category_after) VALUES (?, ?, ?, ?)"
local UPDATE = "UPDATE by_hand SET category = ? WHERE id = ? AND category = ?"
local by_hand = 0

-- Seconds for the same by hand: the category is read, then changed with its key, between LMDB's two commits.
local function hand()
  local begun, details = measure.now(), "{}"
  for _ = 1, SINGLES do
    by_hand = by_hand + 1
    local id = ("%d"):format((by_hand - 1) % COMPANIES + 1)
    local rows = assert(connection:query("SELECT CAST(category AS TEXT) FROM by_hand WHERE id = ?", { id }))
    local from = rows[1][1]
    local to = from == "4" and "3" or "4"
    raw:apply(id, ("sale-%08d"):format(by_hand), details, function()
      connection:begin()
      assert(connection:execute(INSERT, { ("by-hand-%d"):format(by_hand), id, from, to }))
      assert(connection:execute(UPDATE, { to, id, from }) == 1)
      assert(connection:commit())
    end)
  end
  return (measure.now() - begun) / SINGLES
end

local triggered = 0

-- Seconds for the same by the database's own trigger.
local function by_trigger()
  local begun = measure.now()
  for _ = 1, SINGLES do
    triggered = triggered + 1
    trigger.handle(connection, event_of(triggered))
  end
  return (measure.now() - begun) / SINGLES
end

local seconds, ratios = measure.rounds(measure.times(9, 3), { singles, hand, batch, by_trigger })
assert(trigger.count(connection) == triggered)
measure.row(("`handle`, companies in PostgreSQL (%s)"):format(measure.lua), measure.time(seconds[1]),
  measure.time(seconds[2]) .. ": the same statements and two LMDB commits by hand", ratios[2], { most = 1.3 })
measure.row(("`handle`, companies in PostgreSQL (%s)"):format(measure.lua), measure.time(seconds[1]),
  measure.time(seconds[4]) .. ": a trigger of PostgreSQL that does the same four rules", ratios[4])
measure.row(("`handle_many`, companies in PostgreSQL (%s)"):format(measure.lua), measure.time(seconds[3]),
  measure.time(seconds[1]) .. ": one by one", ratios[3], { least = 8 })

-- The client alone: both have prepared the statement, and ask for one row each time.
local FIND, ROWS = "SELECT id, category FROM companies WHERE id = $1", measure.times(2000, 200)
local find, pool = pg.statement(FIND, { "int8" }), pg.pool(databases.url(database.options) .. "?sslmode=disable")
local library = assert(require("DBI").Connect("PostgreSQL", "crm", "leadcat", "", database.host, database.port))
local prepared = assert(library:prepare(FIND))

-- Seconds for a row.
local function timer(row_of)
  return function()
    local begun = measure.now()
    for i = 1, ROWS do
      local row = row_of(i % COMPANIES + 1)
      assert(row[1] == i % COMPANIES + 1 and row[2])
    end
    return (measure.now() - begun) / ROWS
  end
end

local by = {
  timer(function(id) return assert(pool:run(find, { id }))[1] end),
  timer(function(id)
    assert(prepared:execute(id))
    return prepared:fetch()
  end),
}
seconds, ratios = measure.rounds(measure.times(9, 3), by)
measure.row(("`leadcat.store.pg`, a row by its key (%s)"):format(measure.lua), measure.time(seconds[1]),
  measure.time(seconds[2]) .. ": LuaDBI", ratios[2])

library:close()
pool:close()
engine:close()
raw:close()
databases.stop()
measure.remove(directory)
measure.remove(raw_directory)
