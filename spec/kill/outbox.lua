-- Kills workers that read an outbox, ROUNDS times, on PostgreSQL, MariaDB and SQLite, and proves that each change of a sale has
-- changed its company once and in its order: ROUNDS [SEED]. Meanwhile sales are saved and rolled back, users hold rows, workers hang
-- for longer than their lease, and the servers are killed. The seed decides what happens; when, the machine does.

local cjson = require "cjson"
local core = require "leadcat.core"
local databases = require "support.databases"
local dbi = require "leadcat.host.sql.dbi"
local leadcat = require "leadcat"
local outbox = require "leadcat.source.outbox"
local plan = require "kill.plan"
local stores = require "support.stores"

local ROUNDS, SEED = tonumber(arg[1]) or 500, tonumber(arg[2]) or os.time() % 1000000
local COMPANIES, WORKERS, CHECK = 9, 3, 40

local TO = { plan.CYCLE_RULES.sale_registered, plan.CYCLE_RULES.sale_won, plan.CYCLE_RULES.sale_lost }
local INSERT = "INSERT INTO audit (company, was, became) VALUES (NEW.id, OLD.category, NEW.category)"
local AUDIT = {
  postgresql = {
    "CREATE FUNCTION audit_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN " .. INSERT .. "; RETURN NULL; END $$",
    "CREATE TRIGGER audited AFTER UPDATE ON companies FOR EACH ROW EXECUTE FUNCTION audit_change()",
  },
  mariadb = { "CREATE TRIGGER audited AFTER UPDATE ON companies FOR EACH ROW " .. INSERT },
  sqlite = { "CREATE TRIGGER audited AFTER UPDATE ON companies BEGIN " .. INSERT .. "; END" },
}
local NUMBER = {
  postgresql = "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", mariadb = "BIGINT AUTO_INCREMENT PRIMARY KEY",
  sqlite = "INTEGER PRIMARY KEY AUTOINCREMENT",
}
local WORKER = [[
local adapter = require "leadcat.host.sql.dbi"(require("cjson").decode [==[%s]==])
return {
  engine = assert(require("leadcat").open { path = '%s', map_size = 2 ^ 26, host = require "leadcat.host.sql" {
    adapter = adapter, companies = { table = "companies", id = "id", category = "category" },
  } }),
  sources = { require "leadcat.source.outbox" { adapter = adapter, batch = %d, lease = 2 } },
}
]]

math.randomseed(SEED)
io.stdout:setvbuf "line"

local database, adapter, connection, path -- of the part that runs
local turns -- how often each company has had an event
local workers, kills, restarts

local function execute(statement, ...)
  return assert(connection:execute(statement, { ... }))
end

local function rows(statement)
  return assert(connection:query(statement))
end

local function connect()
  connection = assert(adapter:acquire())
end

-- Users --------------------------------------------------------------------------------------------------------------

-- The next step of a company's newest sale: registered, won, lost; then another sale is registered. At times it is undone.
local function save(company)
  local turn = turns[company]
  local sale, step = math.floor(turn / 3) * COMPANIES + company, turn % 3
  connection:begin()
  if step == 0 then
    execute("INSERT INTO sales (id, company, status) VALUES (?, ?, 'open')", ("%d"):format(sale),
      ("%d"):format(company))
  else
    execute("UPDATE sales SET status = ? WHERE id = ?", step == 1 and "won" or "lost", ("%d"):format(sale))
  end
  if math.random(4) == 1 then
    connection:rollback()
  else
    assert(connection:commit())
    turns[company] = turn + 1
  end
end

-- A user who has opened a company, for longer than a lock is waited for or shorter.
local function hold(seconds)
  connection:begin()
  execute("UPDATE companies SET category = category WHERE id = ?", ("%d"):format(math.random(COMPANIES)))
  core.sleep(seconds)
  connection:rollback()
end

-- Workers --------------------------------------------------------------------------------------------------------------

local function command(batch, options)
  local file = stores.file(WORKER:format(cjson.encode(database.options), path, batch), ".lua")
  return ("exec sh spec/support/with_lua.sh %s lua/leadcat/bin/leadcat worker %s %s 2>&1"):format(
    os.getenv "LEADCAT_LUA" or "lua5.4", options or "", file)
end

local function start(place)
  local pipe = assert(io.popen("echo $$; " .. command(math.random(20))))
  workers[place] = { pipe = pipe, id = assert(pipe:read "*l") }
end

-- A worker may say that a database is away, or a row locked; nothing else.
local EXPECTED = {
  "lock", "closed", "connect", "terminat", "shut", "recover", "gone away", "[Ll]ost", "starting up", "busy", "server",
  "timeout",
}

local function read(pipe)
  for line in pipe:lines() do
    local is_expected = line:find "^status "
    for _, pattern in ipairs(EXPECTED) do
      is_expected = is_expected or line:find(pattern)
    end
    assert(is_expected, line)
  end
  pipe:close()
end

local function kill(place)
  os.execute(("kill -KILL %s 2>/dev/null"):format(workers[place].id))
  read(workers[place].pipe)
  kills = kills + 1
end

local function hang(place)
  os.execute("kill -STOP " .. workers[place].id)
  core.sleep(2.2) -- its lease is over
  os.execute("kill -CONT " .. workers[place].id)
end

local function restart()
  adapter:release(connection, true)
  databases.restart(database)
  connect()
  restarts = restarts + 1
end

-- What there must be ---------------------------------------------------------------------------------------------------

local function finish()
  local last = core.uptime() + 60
  repeat
    read(io.popen(command(50, "--once")))
    local left = rows("SELECT CAST(COUNT(*) AS CHAR(9)) FROM leadcat_outbox")[1][1]
    assert(core.uptime() < last, left .. " rows are left")
  until tonumber(left) == 0
end

local function check()
  for place = 1, WORKERS do
    kill(place)
  end
  finish()
  local counts = {}
  for _, row in ipairs(rows("SELECT CAST(company AS CHAR(9)), CAST(was AS CHAR(9)), CAST(became AS CHAR(9)) FROM audit "
    .. "ORDER BY number")) do
    local company, from, to = tonumber(row[1]), tonumber(row[2]), tonumber(row[3])
    local count = counts[company] or 0
    assert(from == (count == 0 and plan.START or TO[(count - 1) % 3 + 1]) and to == TO[count % 3 + 1],
      ("company %d: change %d is %d -> %d"):format(company, count + 1, from, to))
    counts[company] = count + 1
  end
  for company = 1, COMPANIES do
    assert((counts[company] or 0) == turns[company], ("company %d: %d changes of %d"):format(company,
      counts[company] or 0, turns[company]))
  end
  local problems = assert(core.check_store(path))
  assert(#problems == 0, problems[1])
  for place = 1, WORKERS do
    start(place)
  end
end

-- A part for each database ----------------------------------------------------------------------------------------------

local function prepare(dialect)
  database, turns, workers, kills, restarts = databases.get(dialect, { is_durable = true }), {}, {}, 0, 0
  adapter, path = dbi(database.options), stores.path()
  connect()
  execute "CREATE TABLE companies (id INTEGER PRIMARY KEY, category INTEGER)"
  execute "CREATE TABLE sales (id INTEGER PRIMARY KEY, company INTEGER, status VARCHAR(20))"
  execute(("CREATE TABLE audit (number %s, company INTEGER, was INTEGER, became INTEGER)"):format(NUMBER[dialect]))
  local ddl = outbox.schema { dialect = dialect, sales = "sales", company = "company" } .. "\n"
  for statement in ddl:gmatch "(.-)\n\n" do
    if not statement:find "^%-%- To remove" then
      execute((statement:gsub(";$", "")))
    end
  end
  for _, statement in ipairs(AUDIT[dialect]) do
    execute(statement)
  end
  for company = 1, COMPANIES do
    turns[company] = 0
    execute("INSERT INTO companies VALUES (?, ?)", ("%d"):format(company), ("%d"):format(plan.START))
  end
  local engine = assert(leadcat.open { path = path, map_size = 2 ^ 26 })
  assert(engine:save(stores.config(plan.CYCLE_RULES)))
  engine:close()
  for place = 1, WORKERS do
    start(place)
  end
end

local function round()
  for _ = 1, math.random(6) do
    save(math.random(COMPANIES))
  end
  core.sleep(math.random() * 0.25)
  local chance = math.random(40)
  if chance == 1 then
    hang(math.random(WORKERS))
  elseif chance <= 3 and database.dialect ~= "sqlite" then
    restart()
  elseif chance == 4 then
    hold(math.random() * 4)
  end
  local place = math.random(WORKERS)
  kill(place)
  start(place)
end

local function run(dialect, count)
  local began = core.uptime()
  prepare(dialect)
  for n = 1, count do
    round()
    if n % CHECK == 0 or n == count then
      check()
    end
  end
  for place = 1, WORKERS do
    kill(place)
  end
  local sum = 0
  for company = 1, COMPANIES do
    sum = sum + turns[company]
  end
  adapter:release(connection, true)
  stores.check()
  print(("%s: %d changes, %d kills, %d restarts of the server in %.0f seconds: nothing lost, nothing done twice")
    :format(dialect, sum, kills, restarts, core.uptime() - began))
end

print(("workers of an outbox: %d rounds, seed %d"):format(ROUNDS, SEED))
local ok, message = xpcall(function()
  for _, dialect in ipairs(databases.DIALECTS) do
    run(dialect, math.ceil(ROUNDS / #databases.DIALECTS))
  end
end, debug.traceback)
if not ok then
  print(message)
  print(("the store is in %s; again with: make kill-outbox ROUNDS=%d SEED=%d"):format(path, ROUNDS, SEED))
  for _, worker in ipairs(workers) do
    os.execute(("kill -KILL %s 2>/dev/null"):format(worker.id))
  end
end
databases.stop()
os.exit(ok and 0 or 1)
