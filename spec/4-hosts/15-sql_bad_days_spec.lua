-- Bad days of a database beside leadcat: deadlocks, locks that are held too long, a server that is killed in the middle, what only
-- the commit refuses, and a second consumer when the first one's server connection is gone. Nothing is lost, nothing done twice.

local cjson = require "cjson"
local core = require "leadcat.core"
local databases = require "support.databases"
local dbi = require "leadcat.host.sql.dbi"
local handling = require "support.handling"
local outbox = require "leadcat.source.outbox"
local processes = require "support.processes"
local server = require "nginx.server"
local sql = require "leadcat.host.sql"
local stores = require "support.stores"

if os.getenv "LEADCAT_SLOW" then
  return
end

local CUSTOMER = 5
local COMPANIES = { table = "companies", id = "id", category = "category", set = "version = version + 1" }

-- Handles events of companies 1 and 2 together, tries again what has failed, and says how it ended.
local CHILD = [[
local leadcat, path, options = require "leadcat", arg[1], require("cjson").decode(arg[2])
local engine = assert(leadcat.open { path = path, map_size = 2 ^ 26, host = require "leadcat.host.sql" {
  adapter = require "leadcat.host.sql.dbi"(options),
  companies = { table = "companies", id = "id", category = "category", set = "version = version + 1" },
} })
print "begun"
io.stdout:flush()
local events, outcomes, message = {}, nil, nil
for company = 1, 2 do
  events[company] = { id = "won " .. company, trigger = "sale_won", company = company }
end
for _ = 1, 100 do
  outcomes, message = engine:handle_many(events)
  engine:recover()
  local done = outcomes and engine:history { status = "updated" }
  if done and #done == 2 then
    break
  end
  require("leadcat.core").sleep(0.1)
end
print(outcomes and #engine:history { status = "updated" } or message)
engine:close()
]]

local WAITING = { -- how many transactions wait for a lock
  postgresql = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted",
  mariadb = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
}
local DEADLOCKS = {
  postgresql = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'crm'",
  mariadb = "SELECT count FROM information_schema.innodb_metrics WHERE name = 'lock_deadlocks'",
}
local SLOW = { -- a trigger that takes a while
  postgresql = {
    "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1.5); RETURN NEW; END $$",
    "CREATE TRIGGER slow BEFORE UPDATE ON companies FOR EACH ROW EXECUTE FUNCTION slow()",
  },
  mariadb = {
    "CREATE TRIGGER slow BEFORE UPDATE ON companies FOR EACH ROW SET NEW.version = NEW.version + 0 * SLEEP(1.5)",
  },
}
local ROWS = "CREATE TABLE IF NOT EXISTS heavy (id INT)"

teardown(databases.stop)

for _, dialect in ipairs { "postgresql", "mariadb" } do
  describe("on a bad day of " .. dialect .. ",", function()
    local database, adapter, connection

    local function execute(statement)
      assert(connection:execute(statement))
    end

    local function value(statement)
      return assert(connection:query(statement))[1][1]:match "^%s*(.-)%s*$"
    end

    -- A number that only an administrator sees.
    local function look(statement)
      local client = dialect == "postgresql" and ("psql -h 127.0.0.1 -p %d -U leadcat -d crm -At -c \"%s\"")
        :format(database.port, statement)
        or ("mariadb --no-defaults -uroot -S %s/socket -N -e \"%s\""):format(database.directory, statement)
      local pipe = io.popen(client)
      local number = tonumber(pipe:read "*l")
      pipe:close()
      return number
    end

    local function wait_for_lock()
      assert(server.wait_for(function()
        core.sleep(0.12) -- MariaDB shows what it has looked up less than 0.1 s ago again, and again
        return look(WAITING[dialect]) > 0
      end), "nobody waits for a lock")
    end

    local function connect()
      connection = assert(adapter:acquire())
    end

    before_each(function()
      database = databases.get(dialect, { is_durable = true })
      adapter = dbi(database.options)
      connect()
      for _, name in ipairs { "companies", "groups_of", "heavy", "leadcat_applied", "sales", "leadcat_outbox",
        "leadcat_outbox_lease" } do
        execute("DROP TABLE IF EXISTS " .. name .. (dialect == "postgresql" and " CASCADE" or ""))
      end
      if dialect == "postgresql" then
        execute "DROP FUNCTION IF EXISTS slow, leadcat_outbox_write CASCADE"
      end
      execute(sql.schema(dialect))
      execute "CREATE TABLE companies (id INT PRIMARY KEY, category INT, version INT NOT NULL DEFAULT 0)"
      execute "INSERT INTO companies (id, category) VALUES (1, 1), (2, 1)"
    end)

    after_each(function()
      adapter:release(connection, true)
      stores.check()
    end)

    local function start()
      local path = stores.path()
      handling.open({ sale_won = CUSTOMER }, { path = path }):close()
      local child = processes.start(CHILD, { path, cjson.encode(database.options) })
      assert.equal("begun", child:line())
      return child
    end

    -- Each company was changed once.
    local function assert_made(child)
      assert.same({ "2", 0 }, { child:wait() })
      assert.equal("2", value "SELECT CAST(COUNT(*) AS CHAR(9)) FROM companies WHERE category = 5 AND version = 1")
      assert.equal("2", value "SELECT CAST(COUNT(*) AS CHAR(9)) FROM leadcat_applied")
    end

    it("the victim of a deadlock tries again", function()
      execute(ROWS)
      local before = look(DEADLOCKS[dialect])
      connection:begin()
      execute("INSERT INTO heavy VALUES (1)" .. (", (1)"):rep(200)) -- so that MariaDB does not choose the user
      execute "UPDATE companies SET version = version WHERE id = 2"
      local child = start() -- has company 1, and waits for 2
      wait_for_lock()
      execute "UPDATE companies SET version = version WHERE id = 1"
      assert(connection:commit())
      assert_made(child)
      assert(server.wait_for(function() return look(DEADLOCKS[dialect]) > before end), "there was no deadlock")
    end)

    it("a lock that is held for too long is waited for anew", function()
      connection:begin()
      execute "UPDATE companies SET version = version WHERE id = 2"
      local child = start()
      wait_for_lock()
      core.sleep(3.3) -- a lock is waited for for three seconds
      connection:rollback()
      assert_made(child)
    end)

    it("a server that is killed in the middle of a change has made it once in the end", function()
      for _, statement in ipairs(SLOW[dialect]) do
        execute(statement)
      end
      local child = start()
      core.sleep(0.7)
      adapter:release(connection, true)
      databases.restart(database)
      connect()
      execute("DROP TRIGGER slow" .. (dialect == "postgresql" and " ON companies" or ""))
      assert_made(child)
    end)

    it("rows of an outbox that somebody holds are handled once", function()
      execute "CREATE TABLE sales (id INT PRIMARY KEY, company INT, status VARCHAR(9))"
      for statement in (outbox.schema { dialect = dialect, sales = "sales", company = "company" } .. "\n")
        :gmatch "(.-)\n\n" do
        if not statement:find "^%-%- To remove" then
          execute((statement:gsub(";$", "")))
        end
      end
      local engine = handling.open({ sale_won = CUSTOMER }, { host = sql { adapter = adapter, companies = COMPANIES } })
      local source = outbox { adapter = adapter }
      execute "INSERT INTO sales VALUES (1, 1, 'won'), (2, 2, 'won')"
      connection:begin()
      connection:query "SELECT id FROM leadcat_outbox FOR UPDATE"
      local counts, message, code = source:step(engine)
      assert.same({ nil, "unavailable" }, { counts, code })
      assert.matches("lock", message:lower())
      connection:rollback()
      assert.equal(2, assert(source:step(engine)).handled)
      assert.equal("2", value "SELECT CAST(COUNT(*) AS CHAR(9)) FROM companies WHERE category = 5 AND version = 1")
      engine:close()
    end)

    it("what cannot be done is found before there is an event", function()
      local function try(fields)
        local companies = { table = "companies", id = "id", category = "category" }
        for name, field in pairs(fields) do
          companies[name] = field
        end
        return sql { adapter = adapter, companies = companies }.try_out()
      end
      assert.is_true(try { set = "version = version + 1", name = "CAST(version AS CHAR(9))" })
      assert.equal("0", value "SELECT CAST(COUNT(*) AS CHAR(9)) FROM leadcat_applied")
      for _, row in ipairs {
        { { table = "nowhere" }, "^companies cannot be read: .*nowhere" },
        { { category = "stage" }, "^companies cannot be read: .*stage" },
        { { set = "changed = 1" }, "^companies cannot be changed: .*changed" },
      } do
        local ok, message = try(row[1])
        assert.is_nil(ok)
        assert.matches(row[2], message)
      end
      execute "DROP TABLE leadcat_applied"
      assert.matches("^changes cannot be remembered in leadcat_applied: .*leadcat_applied", select(2, try {}))
    end)

    if dialect == "postgresql" then
      it("what only the commit refuses is refused, with its reason", function()
        execute "CREATE TABLE groups_of (id INT PRIMARY KEY)"
        execute "INSERT INTO groups_of VALUES (1)"
        execute "ALTER TABLE companies ADD FOREIGN KEY (category) REFERENCES groups_of DEFERRABLE INITIALLY DEFERRED"
        local host = sql { adapter = adapter, companies = COMPANIES }
        local engine = handling.open({ sale_won = CUSTOMER }, { host = host })
        local outcome = assert(engine:handle { trigger = "sale_won", company = 1 })
        assert.same({ "failed", "refused" }, { outcome.status, outcome.code })
        assert.matches("violates foreign key constraint", outcome.error)
        assert.equal("0", value "SELECT CAST(COUNT(*) AS CHAR(9)) FROM leadcat_applied")
        engine:close()
      end)
    end
  end)
end
