--- Events that reach one worker of nginx over 64 connections, for a shared store whose commits wait for a standby, beside a plain
-- INSERT of one row for each request into a table with the journal's three indexes: requests a second, and what the
-- primary's processes have worked for each. Then batches of a thousand beside an INSERT of a thousand rows. Then pages that only
-- decide, while the database is frozen beside not. `lua spec/bench/shared.lua batches` measures only these (events, pages likewise).

local core = require "leadcat.core"
local databases = require "support.databases"
local leadcat = require "leadcat"
local measure = require "bench.measure"
local pg = require "leadcat.store.pg"
local schema = require "leadcat.store.sql.schema"
local server = require "nginx.server"
local stores = require "support.stores"

local ROUNDS, SECONDS, CONNECTIONS = measure.times(5, 1), measure.times(3, 1), 64
local COMPANIES, BATCH, BATCHES = 20000, 1000, measure.times(40, 10)
local TABLE = [[CREATE TABLE plain (tenant bytea, entry int8, company bytea, event_id bytea, record bytea,
  PRIMARY KEY (tenant, entry))]]

-- Two servers -----------------------------------------------------------------------------------------------------------

local function alter(database, name, value)
  databases.psql(database, ("ALTER SYSTEM SET %s = '%s'"):format(name, value))
  databases.psql(database, "SELECT pg_reload_conf()")
end

local function start_servers()
  local primary = databases.get("postgresql", { name = "primary", is_durable = true })
  alter(primary, "primary_conninfo", ("host=127.0.0.1 port=%d user=leadcat application_name=standby"):format(
    primary.port))
  databases.shut_down(primary)
  databases.get("postgresql", { name = "standby", is_durable = true, copy_of = primary })
  databases.restart(primary)
  alter(primary, "synchronous_standby_names", "standby")
  assert(server.wait_for(function()
    return databases.psql(primary, "SELECT sync_state FROM pg_stat_replication"):find "^sync"
  end), "the standby does not follow")
  return primary
end

-- Seconds for which a process has had a processor, to the nanosecond: ticks miss what only runs between two of them.
local function seconds_of(pid)
  local file = io.open("/proc/" .. pid .. "/schedstat")
  local nanoseconds = file and file:read "*n"
  if file then
    file:close()
  end
  return (nanoseconds or 0) / 1e9
end

-- Seconds that the primary's processes have worked; of those that have ended, in ticks.
local function worked(primary)
  local master = databases.run(primary, "head -1 $dir/data/postmaster.pid"):match "%d+"
  local pipe, total = assert(io.popen "cat /proc/[0-9]*/stat 2>/dev/null"), 0
  for line in pipe:lines() do
    local pid, parent, rest = line:match "^(%d+) %(.*%) %a (%d+) (.*)"
    if pid == master or parent == master then
      local waited, waited_system = rest:match(("%S+ "):rep(11) .. "(%d+) (%d+)")
      total = total + seconds_of(pid) + (pid == master and (waited + waited_system) / 100 or 0)
    end
  end
  pipe:close()
  return total
end

-- Bytes of its log so far.
local function logged(primary)
  return tonumber((databases.psql(primary, "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')")))
end

-- What is compared ------------------------------------------------------------------------------------------------------

local HTTP = [[
  init_worker_by_lua_block {
    ngx.timer.at(0, function() require("nginx.bench_shared").start("URL") end)
  }
]]
local LOCATIONS = [[
  keepalive_requests 1000000000;
  location /event { content_by_lua_block { require("nginx.bench_shared").event() } }
  location /insert { content_by_lua_block { require("nginx.bench_shared").insert() } }
  location /page { content_by_lua_block { require("nginx.bench_shared").page() } }
]]

local function wrk(running, path, connections)
  local pipe = assert(io.popen(("wrk -t1 -c%d -d%ds --timeout 20s 'http://127.0.0.1:%d%s'"):format(connections, SECONDS,
    running.port, path)))
  local output = pipe:read "*a"
  pipe:close()
  assert(not output:find "Non%-2xx" and not output:find "Socket errors", output)
  return assert(tonumber(output:match "Requests/sec:%s+([%d.]+)"), output), tonumber(output:match "(%d+) requests in")
end

local function compare_events(running, primary)
  local work = { {}, {} }
  local function timer(k, path)
    return function()
      local begun = worked(primary)
      local rate, count = wrk(running, path, CONNECTIONS)
      table.insert(work[k], (worked(primary) - begun) / count)
      return rate
    end
  end
  local rates, ratios = measure.rounds(ROUNDS, { timer(1, "/event"), timer(2, "/insert") })
  measure.row("nginx, shared store: events over 64 connections", ("%.0f/s"):format(rates[1]),
    ("%.0f/s: a plain INSERT each"):format(rates[2]), ratios[2], { least = 1 })
  local each, plain = measure.median(work[1]), measure.median(work[2])
  measure.row("nginx, shared store: the primary's work for an event", measure.time(each),
    measure.time(plain) .. ": for a plain INSERT", each / plain, { most = 0.35 })
end

local INSERT = pg.statement("INSERT INTO plain SELECT '', * FROM unnest($1, $2, $3, $4)",
  { "int8[]", "bytea[]", "bytea[]", "bytea[]" })

-- Batches as a process without nginx writes them.
local function compare_batches(primary, engine, pool)
  local numbers, work, bytes = { 0, 1000000000 }, { {}, {} }, { {}, {} }
  local function timer(k, write)
    return function()
      local begun, worked_before, logged_before = core.uptime(), worked(primary), logged(primary)
      for _ = 1, BATCHES do
        write(numbers[k])
        numbers[k] = numbers[k] + BATCH
      end
      local count, taken = BATCHES * BATCH, core.uptime() - begun
      table.insert(work[k], (worked(primary) - worked_before) / count)
      table.insert(bytes[k], (logged(primary) - logged_before) / count)
      return count / taken
    end
  end
  local function handle(first)
    local events = {}
    for i = 1, BATCH do
      local number = first + i
      events[i] = {
        trigger = math.floor((number - 1) / COMPANIES) % 2 == 0 and "sale_registered" or "sale_lost",
        company = 1000000 + number % COMPANIES, id = ("batch-%09d"):format(number),
      }
    end
    for _, outcome in ipairs(assert(engine:handle_many(events))) do
      assert(outcome.status == "updated", outcome.status)
    end
  end
  local RECORD = ("r"):rep(150)
  local function insert(first)
    local columns = { {}, {}, {}, {} }
    for i = 1, BATCH do
      local number = first + i
      columns[1][i], columns[2][i] = number, ("%d"):format(number % COMPANIES + 1)
      columns[3][i], columns[4][i] = ("batch-%09d"):format(number), RECORD
    end
    assert(pool:run(INSERT, columns))
  end
  local rates, ratios = measure.rounds(ROUNDS, { timer(1, handle), timer(2, insert) })
  measure.row("shared store: events in batches of 1,000", ("%.0f/s"):format(rates[1]),
    ("%.0f/s: rows of one INSERT"):format(rates[2]), ratios[2])
  local each, plain = measure.median(work[1]), measure.median(work[2])
  measure.row("shared store: the primary's work for an event of a batch", measure.time(each),
    measure.time(plain) .. ": for a row of an INSERT", each / plain, { most = 1.8 })
  each, plain = measure.median(bytes[1]), measure.median(bytes[2])
  measure.row("shared store: the primary's log for an event of a batch", ("%.0f B"):format(each),
    ("%.0f B: for a row of an INSERT"):format(plain), each / plain)
end

local function compare_pages(running, primary)
  local function pages() return (wrk(running, "/page", 16)) end
  local function frozen()
    databases.signal(primary, "STOP")
    local ok, rate = pcall(pages)
    databases.signal(primary, "CONT")
    assert(ok, rate)
    core.sleep(2)
    return rate
  end
  local rates, ratios = measure.rounds(ROUNDS, { frozen, pages })
  measure.row("nginx, shared store: a page with a decision, database frozen", ("%.0f requests/s"):format(rates[1]),
    ("%.0f requests/s: not frozen"):format(rates[2]), ratios[2], { least = 0.97 })
end

local primary, directory = start_servers(), server.directory()
local url = ("postgresql://leadcat@127.0.0.1:%d/crm?sslmode=disable"):format(primary.port)
local pool = pg.pool(url)
assert(schema.upgrade(pool))
for _, text in ipairs {
  TABLE, "CREATE UNIQUE INDEX ON plain (tenant, event_id)", "CREATE INDEX ON plain (tenant, company, entry)",
} do
  assert(pool:run(pg.statement(text)))
end
os.execute("mkdir '" .. directory .. "/made'")
local engine = assert(leadcat.open { path = directory .. "/made", shared = url })
assert(engine:save(stores.config { sale_registered = 3, sale_lost = 4 }))
for _, behind in ipairs { 1, 1000000 } do -- those of events, and those of batches
  for first = 0, COMPANIES - 1, 1000 do
    local companies = {}
    for i = 1, 1000 do
      companies[i] = behind + first + i - 1
    end
    assert(engine.host:create_many(companies, 4))
  end
end
pool:run(pg.statement "ANALYZE")

local running = assert(server.start(directory, { workers = 1, http = HTTP:gsub("URL", url), server = LOCATIONS }))
local only = arg[1]
local ok, message = pcall(function()
  assert(server.wait_for(function() return running:request("GET", "/event") == 200 end), running:log())
  if not only or only == "events" then
    compare_events(running, primary)
  end
  if not only or only == "batches" then
    compare_batches(primary, engine, pool)
  end
  if not only or only == "pages" then
    compare_pages(running, primary)
  end
end)
engine:close()
running:stop()
databases.stop()
os.execute("rm -rf '" .. directory .. "'")
if not ok then
  io.stderr:write(tostring(message), "\n")
  os.exit(1)
end
