-- nginx answers at once and writes changes down; `leadcat worker` makes them in the CRM's database, and is killed meanwhile. On
-- Lua 5.4 only, since nginx has LuaJIT in it either way.

local core = require "leadcat.core"
local databases = require "support.databases"
local dbi = require "leadcat.host.sql.dbi"
local json = require "leadcat.util.json"
local server = require "nginx.server"
local sql = require "leadcat.host.sql"
local stores = require "support.stores"

if rawget(_G, "jit") or os.getenv "LEADCAT_SLOW" or not server.is_installed() then
  return
end

local OPPORTUNITY, CUSTOMER = 3, 5 -- the preset's categories
local COMPANIES = 15
local MAP = 2 ^ 26

local WORKER = [[
local cjson, leadcat = require "cjson", require "leadcat"
return { engine = assert(leadcat.open { path = '%s', map_size = 2 ^ 26, host = require "leadcat.host.sql" {
  adapter = require "leadcat.host.sql.dbi"(cjson.decode [==[%s]==]),
  companies = { table = "companies", id = "id", category = "category", set = "version = version + 1" },
} }) }
]]
local CONF = {
  http = 'init_worker_by_lua_block { require("leadcat.resty").start(require("nginx.site").elsewhere()) }',
  server = [[location /leadcat/ { content_by_lua_block {
    local site = require "nginx.site"
    require("leadcat.resty").serve { engine = site.elsewhere, authenticate = site.authenticate }
  } }]],
}

teardown(databases.stop)

for _, dialect in ipairs { "postgresql", "sqlite" } do
  describe("nginx, a worker and " .. dialect, function()
    local directory, running, adapter, connection, command

    local function execute(statement, ...)
      assert(connection:execute(statement, { ... }))
    end

    local function count(where)
      return tonumber(assert(connection:query("SELECT CAST(COUNT(*) AS CHAR(9)) FROM companies WHERE " .. where))[1][1])
    end

    local function post(event)
      local began = core.uptime()
      local status, body = running:request("POST", "/leadcat/api/events", { body = json.encode(event) })
      return status, json.decode(body), core.uptime() - began
    end

    before_each(function()
      local database = databases.get(dialect)
      adapter = dbi(database.options)
      connection = assert(adapter:acquire())
      execute "DROP TABLE IF EXISTS companies"
      execute "DROP TABLE IF EXISTS leadcat_applied"
      execute(sql.schema(dialect))
      execute "CREATE TABLE companies (id INTEGER PRIMARY KEY, category INTEGER, version INTEGER NOT NULL DEFAULT 0)"
      for i = 1, COMPANIES do
        execute("INSERT INTO companies (id, category) VALUES (?, 1)", ("%d"):format(i))
      end
      directory = server.directory()
      local engine = stores.open { path = directory .. "/store", map_size = MAP }
      assert(engine:save(stores.config { sale_registered = OPPORTUNITY, sale_won = CUSTOMER }))
      engine:close()
      local options = json.encode(database.options)
      local file = assert(io.open(directory .. "/crm.json", "w"))
      file:write(options)
      file:close()
      command = "exec sh spec/support/with_lua.sh lua5.4 lua/leadcat/bin/leadcat worker "
        .. stores.file(WORKER:format(directory .. "/store", options), ".lua")
      local output
      running, output = server.start(directory, CONF)
      assert(running, output)
    end)

    after_each(function()
      running:stop()
      os.execute("rm -rf '" .. directory .. "'")
      adapter:release(connection, true)
      stores.check()
    end)

    local function finish()
      local pipe = io.popen("(" .. command .. " --once) 2>&1; echo $?")
      local output = pipe:read "*a"
      pipe:close()
      assert.equal("0\n", output)
    end

    it("answer with 202 while the CRM is busy, and make the change later", function()
      if dialect == "postgresql" then
        connection:begin() -- a user's transaction, which is not over
        execute "UPDATE companies SET version = version WHERE id = 1"
      end
      local status, outcome, seconds = post { id = "r", trigger = "sale_registered", company = 1 }
      assert.same({ 202, "applying", OPPORTUNITY }, { status, outcome.status, outcome.to })
      assert.is_true(seconds < 2) -- a lock is waited for for three
      status, outcome = post { id = "w", trigger = "sale_won", company = 1 }
      assert.same({ 202, "queued" }, { status, outcome.status })
      if dialect == "postgresql" then
        connection:commit()
      end
      running:signal "HUP" -- its timers make none
      assert.same({ COMPANIES, 0 }, { count "category = 1", count "version > 0" })
      finish()
      assert.equal(1, count "id = 1 AND category = 5 AND version = 2")
      status, outcome = post { id = "w", trigger = "sale_won", company = 1 }
      assert.same({ 200, "duplicate" }, { status, outcome.status })
      assert.not_matches("%[error%]", running:log())
    end)

    it("lose and double nothing when the worker is killed", function()
      local kills = 0
      for round = 1, 2 * COMPANIES do
        local company = (round - 1) % COMPANIES + 1
        local trigger = round <= COMPANIES and "sale_registered" or "sale_won"
        local status, outcome = post { id = trigger .. company, trigger = trigger, company = company }
        assert.equal(202, status, json.encode(outcome))
        if round % 3 == 0 then
          local pipe = assert(io.popen("echo $$; " .. command .. " 2>&1"))
          local id = pipe:read "*l"
          core.sleep(0.03 + math.random() * 0.1 * (1 + round / 10))
          local ok = os.execute(("kill -KILL %s 2>/dev/null"):format(id))
          kills = kills + ((ok == true or ok == 0) and 1 or 0)
          assert.equal("", pipe:read "*a")
          pipe:close()
        end
      end
      assert.is_true(kills > 0)
      finish()
      assert.equal(COMPANIES, count(("category = %d AND version = 2"):format(CUSTOMER)))
      local engine = stores.open { path = directory .. "/store", map_size = MAP }
      assert.equal(2 * COMPANIES, #engine:history { status = "updated" })
      engine:close()
    end)
  end)
end
