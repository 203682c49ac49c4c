--- What grows how with a shared store: a thousand tenants in one database of PostgreSQL, which commits durably, with a tenth of the
--- entries and then with all. Takes how many (10 million); as many rows of a real entry are copied by SQL, each with its change, in the
--- order of time, and companies in no order. From both it is told what there would be at ten times as many.

local databases = require "support.databases"
local leadcat = require "leadcat"
local measure = require "bench.measure"
local pg = require "leadcat.store.pg"
local schema = require "leadcat.store.sql.schema"
local stores = require "support.stores"

local ENTRIES, TENANTS = tonumber(arg[1]) or 10000000, 1000
local COMPANIES = ENTRIES / 10
local CHUNK, DAYS, DAY = 250000, 400, 86400
local SWEPT = 1 / 20 -- of a tenant's entries

local database = databases.get("postgresql", { is_durable = true })
local url = databases.url(database.options) .. "?sslmode=disable"
local pool = pg.pool(url, { timeout = 3600 })
local directory = measure.directory()

local function sql(text, ...)
  return assert(pool:run(pg.statement(text:format(...))))
end

local function tenant_of(n) return ("tenant%d"):format(n % TENANTS) end

-- The store as it begins: rules and a company of each tenant, and the entry that the others are copies of.
local function begin()
  assert(schema.upgrade(pool))
  local engine = assert(leadcat.open { path = directory, shared = url, durability = "primary", recover = false })
  local config = stores.config { sale_registered = 3, sale_lost = 4 }
  for n = 0, TENANTS - 1 do
    assert(engine:tenant(tenant_of(n)):save(config))
  end
  local first = engine:tenant(tenant_of(0))
  assert(first.host:create("first", 4))
  assert(first:handle {
    id = "first", trigger = "sale_registered", company = "first", actor = { id = 17, name = "Ann Berg" },
    sale = { id = 4711, name = "Coffee machines" },
  })
  engine:close()
  sql [[CREATE TABLE template AS SELECT status, change, record FROM leadcat.entry]]
end

-- Adds entries: number n is of company n * 7919 modulo all companies, whose tenant follows from its own number.
local function fill(from, upto)
  for first = from, upto - 1, CHUNK do
    local last = math.min(first + CHUNK, upto) - 1
    sql([[WITH s AS MATERIALIZED (
        SELECT n, c, ('tenant' || c %% %d)::bytea AS tenant, ms * 1024 + n %% 1024 AS entry, ms * 1000 AS us
        FROM (SELECT n, (n * 7919) %% %d AS c,
            (extract(epoch FROM now())::int8 - %d) * 1000 + n * (%d::int8 * 1000 / %d) AS ms
          FROM generate_series(%d::int8, %d) n) m),
      h AS (INSERT INTO leadcat.change (tenant, place, made, entry, kind, number)
        SELECT tenant, (n + 1) * 1048576, entry, ARRAY[entry], ARRAY['ended'], entry FROM s)
      INSERT INTO leadcat.entry (tenant, entry, company, event_id, status, change, at, written, record)
      SELECT tenant, entry, ('c' || c)::bytea, ('sale-' || reverse(n::text))::bytea, status, change, us, us, record
      FROM s CROSS JOIN template]], TENANTS, COMPANIES, DAYS * DAY, DAYS * DAY, ENTRIES, first, last)
  end
  sql "VACUUM (ANALYZE) leadcat.entry"
  sql "VACUUM (ANALYZE) leadcat.change"
end

local function add_companies()
  sql([[INSERT INTO leadcat.company (tenant, company, version, newest, category, changed, is_integer)
    SELECT ('tenant' || c %% %d)::bytea, ('c' || c)::bytea, 1, 0, 4, 0, false FROM generate_series(0, %d) c]], TENANTS,
    COMPANIES - 1)
  sql([[SELECT setval('leadcat.change_place', %d)]], ENTRIES + 2)
  sql([[INSERT INTO leadcat.sequence SELECT ('tenant' || n)::bytea, (extract(epoch FROM now()) * 1024000)::int8, 0
    FROM generate_series(0, %d) n]], TENANTS - 1)
  sql "VACUUM (ANALYZE) leadcat.company"
end

-- Measuring --------------------------------------------------------------------------------------------------------------

local function median(times, fn)
  return measure.rounds(times, { function()
    local begun = measure.now()
    fn()
    return measure.now() - begun
  end })[1]
end

local asked = 0

-- Another company each time, which this process does not remember, and its tenant.
local function next_company()
  asked = asked + 1
  local c = (asked * 104729 + 17) % COMPANIES
  return ("c%d"):format(c), tenant_of(c), asked
end

local SIZES = [[SELECT c.relname::text, pg_relation_size(c.oid)::int8 FROM pg_class c JOIN pg_namespace n
  ON n.oid = c.relnamespace WHERE n.nspname = 'leadcat' AND c.relkind IN ('r', 'i')
  AND pg_relation_size(c.oid) > 10000000 ORDER BY 2 DESC, 1]]

local function sizes()
  local list, total = sql(SIZES), 0
  for _, row in ipairs(list) do
    total = total + row[2]
  end
  return list, total
end

local function figures(swept)
  local found = {}
  local engine = assert(leadcat.open { path = directory, shared = url, durability = "primary", recover = false })
  local pinged = pg.statement "SELECT 1"
  found.round_trip = median(101, function() assert(engine._store.database:run(pinged)) end)
  found.commit = median(101, function() assert(engine._store.database:run(pg.statement [[
    INSERT INTO leadcat.counter (tenant, name, value) VALUES ('', 'growth', 1)
    ON CONFLICT (tenant, name) DO UPDATE SET value = counter.value + 1]])) end)
  found.event = median(101, function()
    local company, tenant, number = next_company()
    local outcome = assert(engine:tenant(tenant):handle {
      id = "new-" .. number, trigger = "sale_registered", company = company,
    })
    assert(outcome.status == "updated", outcome.reason)
  end)
  found.page = median(101, function()
    local _, tenant = next_company()
    assert(#assert(engine:tenant(tenant):history { limit = 100 }) == 100)
  end)
  found.company = median(101, function()
    local company, tenant = next_company()
    assert(#assert(engine:tenant(tenant):history { company = company, limit = 10 }) >= 1)
  end)
  engine:close()
  engine = assert(leadcat.open {
    path = directory, shared = url, durability = "primary", recover = false,
    retention = { age = DAYS * DAY * (1 - SWEPT), count = false },
  })
  local removed, begun = 0, measure.now()
  for n = swept, swept + 19 do
    removed = removed + assert(engine:tenant(tenant_of(n)):sweep()).removed
  end
  assert(removed > 0, "nothing was removed")
  found.removed, found.sweep = removed, (measure.now() - begun) / removed
  engine:close()
  found.list, found.total = sizes()
  return found
end

local function row(what, first, second, fitted)
  print(("| %s | %s | %s | %s |"):format(what, first, second, fitted or ""))
end

local function gigabytes(bytes) return ("%.2f GB"):format(bytes / 1e9) end

local function main()
  begin()
  add_companies()
  fill(0, ENTRIES / 10)
  local first = figures(100)
  fill(ENTRIES / 10, ENTRIES)
  local second = figures(200)
  row(("entries, of %d tenants"):format(TENANTS), ("%d"):format(ENTRIES / 10), ("%d"):format(ENTRIES),
    ("%d, fitted"):format(ENTRIES * 10))
  row("---", "--:", "--:", "--:")
  for _, item in ipairs {
    { "round_trip", "a round trip (`SELECT 1`)" }, { "commit", "a row by its key, committed" },
    { "event", "an event, of a company that is not remembered" }, { "page", "history: the newest 100 of a tenant" },
    { "company", "history: 10 of a company" }, { "sweep", "removing an entry (retention)" },
  } do
    local a, b = first[item[1]], second[item[1]]
    row(item[2], measure.time(a), measure.time(b), measure.time(b + math.max(b - a, 0)))
  end
  row("tables and indexes", gigabytes(first.total), gigabytes(second.total), gigabytes(second.total * 10))
  local before = {}
  for _, item in ipairs(first.list) do
    before[item[1]] = item[2]
  end
  for _, item in ipairs(second.list) do
    local small = before[item[1]]
    row(("`%s`, bytes an entry"):format(item[1]), small and ("%.0f"):format(small / (ENTRIES / 10)) or "",
      ("%.0f"):format(item[2] / ENTRIES))
  end
end

local ok, message = xpcall(main, debug.traceback)
pool:close()
databases.stop()
measure.remove(directory)
assert(ok, message)
