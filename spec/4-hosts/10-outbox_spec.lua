-- Sales in a table of PostgreSQL, MariaDB and SQLite: triggers write what happens to them, and a source brings it to an engine.

local cjson = require "cjson"
local core = require "leadcat.core"
local databases = require "support.databases"
local dbi = require "leadcat.host.sql.dbi"
local outbox = require "leadcat.source.outbox"
local sql = require "leadcat.host.sql"
local stores = require "support.stores"

if os.getenv "LEADCAT_SLOW" then
  return
end

local LEAD, OPPORTUNITY, CUSTOMER = 1, 3, 5 -- the preset's categories
local RULES = { sale_registered = OPPORTUNITY, sale_won = CUSTOMER }
local STATUSES = { open = "open", won = "won", [7] = "lost" }
local COUNT = "SELECT CAST(COUNT(*) AS CHAR(9)) FROM "

local AUDIT = { -- counts the changes of companies, whoever makes them
  postgresql = {
    "CREATE FUNCTION audit_change() RETURNS trigger LANGUAGE plpgsql AS $$ "
      .. "BEGIN INSERT INTO audit VALUES (NEW.id, OLD.category, NEW.category); RETURN NULL; END $$",
    "CREATE TRIGGER audited AFTER UPDATE ON companies FOR EACH ROW EXECUTE FUNCTION audit_change()",
  },
  mariadb = {
    "CREATE TRIGGER audited AFTER UPDATE ON companies FOR EACH ROW "
      .. "INSERT INTO audit VALUES (NEW.id, OLD.category, NEW.category)",
  },
  sqlite = {
    "CREATE TRIGGER audited AFTER UPDATE ON companies "
      .. "BEGIN INSERT INTO audit VALUES (NEW.id, OLD.category, NEW.category); END",
  },
}
local TABLES = { "companies", "sales", "audit", "leadcat_applied", "leadcat_outbox", "leadcat_outbox_lease" }
local CASCADE = { postgresql = " CASCADE", mariadb = "", sqlite = "" }

-- The file of a worker for these companies and sales.
local WORKER = [[
local dbi, leadcat = require "leadcat.host.sql.dbi", require "leadcat"
local adapter = dbi(require("cjson").decode [==[%s]==])
return {
  engine = assert(leadcat.open { path = '%s', map_size = 2 ^ 26, host = require "leadcat.host.sql" {
    adapter = adapter, companies = { table = "companies", id = "id", category = "category" },
  } }),
  sources = { require "leadcat.source.outbox" { adapter = adapter, batch = 3 } },
}
]]

teardown(databases.stop)

for _, dialect in ipairs(databases.DIALECTS) do
  describe("an outbox of " .. dialect, function()
    local database, adapter, connection, engine, host

    local function execute(statement, ...)
      assert(connection:execute(statement, { ... }))
    end

    local function value(statement)
      return (assert(connection:query(statement))[1][1]:match "^%s*(.-)%s*$")
    end

    local function ddl(options)
      local all = { dialect = dialect, sales = "sales", company = "company", name = "title", actor = "new.saved_by" }
      for name, option in pairs(options or {}) do
        all[name] = option
      end
      return assert(outbox.schema(all))
    end

    local function create(text)
      for statement in (text .. "\n"):gmatch "(.-)\n\n" do
        if not statement:find "^%-%- To remove" then
          execute((statement:gsub(";$", "")))
        end
      end
    end

    -- What the DDL says about removing it.
    local function remove(text)
      for line in text:gmatch "\n%-%- (DROP [^\n]*)" do
        for statement in line:gmatch "([^;]+);" do
          execute(statement)
        end
      end
    end

    local function source(options)
      local all = { adapter = adapter, statuses = STATUSES }
      for name, option in pairs(options or {}) do
        all[name] = option
      end
      return outbox(all)
    end

    -- Steps until there is nothing to do; gives the sums.
    local function drain(from)
      local sums = { handled = 0, parked = 0, problems = 0 }
      repeat
        local counts = assert(from:step(engine))
        for name in pairs(sums) do
          sums[name] = sums[name] + counts[name]
        end
      until not counts.more and counts.handled + counts.problems == 0
      assert(from:close())
      return { sums.handled, sums.parked, sums.problems }
    end

    local function insert(id, company, status)
      execute("INSERT INTO sales (id, company, status, title, saved_by) VALUES (?, ?, ?, ?, 'ann')", tostring(id),
        tostring(company), status, "Sale " .. id .. " of Søn")
    end

    local function set_status(id, status)
      execute("UPDATE sales SET status = ?, saved_by = 'bob' WHERE id = ?", status, tostring(id))
    end

    local function category(company)
      return tonumber(value("SELECT CAST(category AS CHAR(9)) FROM companies WHERE id = " .. company))
    end

    before_each(function()
      database = databases.get(dialect)
      adapter = dbi(database.options)
      connection = assert(adapter:acquire())
      for _, name in ipairs(TABLES) do
        execute("DROP TABLE IF EXISTS " .. name .. CASCADE[dialect])
      end
      if dialect == "postgresql" then
        execute "DROP FUNCTION IF EXISTS leadcat_outbox_write, audit_change CASCADE"
      end
      execute "CREATE TABLE companies (id BIGINT PRIMARY KEY, category INT)"
      execute("CREATE TABLE sales (id BIGINT PRIMARY KEY, company BIGINT, status VARCHAR(20), title VARCHAR(40), "
        .. "saved_by VARCHAR(20))")
      for i = 1, 4 do
        execute("INSERT INTO companies VALUES (?, 1)", tostring(i))
      end
      create(ddl())
      host = sql { adapter = adapter, companies = { table = "companies", id = "id", category = "category" } }
      engine = stores.open { host = host, durability = "relaxed" }
      assert(engine:save(stores.config(RULES)))
    end)

    after_each(function()
      engine:close()
      adapter:release(connection, true)
      stores.check()
    end)

    it("makes changes of what is inserted, updated and deleted", function()
      local before = core.now()
      insert(10, 1, "open")
      insert(11, 2, "won") -- registered and won at once
      assert.same({ 2, 0, 0 }, drain(source()))
      assert.same({ OPPORTUNITY, CUSTOMER, LEAD }, { category(1), category(2), category(3) })
      set_status(10, "won")
      execute "UPDATE sales SET title = 'x', saved_by = 'eve'" -- writes nothing
      execute "DELETE FROM sales WHERE id = 11"
      assert.equal("2", value(COUNT .. "leadcat_outbox"))
      assert.same({ 2, 0, 0 }, drain(source()))
      assert.equal(CUSTOMER, category(1))
      assert.equal("0", value(COUNT .. "leadcat_outbox"))
      local entry = engine:history({ company = 1 })[1]
      assert.same({ "bob", "10", "Sale 10 of Søn" }, { entry.actor.id, entry.sale.id, entry.sale.name })
      assert.is_true(entry.at > before - 0.01 and entry.at < core.now() + 0.01)
    end)

    it("tells of deletion and of what is opened again, with who it was", function()
      local told = {}
      local spy = setmetatable({
        handle_many = function(_, events)
          for i, event in ipairs(events) do
            told[#told + 1] = ("%s %s %s"):format(event.trigger, event.company, event.actor.id)
            events[i] = { status = "unchanged" }
          end
          return events
        end,
      }, { __index = engine })
      insert(10, 1, "won")
      set_status(10, "open")
      execute "UPDATE sales SET company = 2" -- no event
      execute "DELETE FROM sales"
      local counts = assert(source():step(spy))
      assert.equal(4, counts.handled)
      assert.same({
        "sale_registered 1 ann", "sale_won 1 ann", "sale_reopened 1 bob", "sale_deleted 2 bob",
      }, told)
    end)

    it("goes by what became of each event", function()
      insert(10, 1, "open")
      insert(11, 2, "open")
      insert(12, 3, "open")
      set_status(10, "won")
      local become = { ["1"] = "unavailable", ["2"] = "invalid" } -- by company
      local spy = setmetatable({
        handle_many = function(_, events)
          for i, event in ipairs(events) do
            local code = become[event.company]
            events[i] = code and { status = "not_taken", code = code, error = "is " .. code } or { status = "updated" }
          end
          return events, "is unavailable", "unavailable"
        end,
      }, { __index = engine })
      local counts = assert(source():step(spy))
      assert.is_true(counts.lag >= 0 and counts.lag < 60)
      counts.lag = nil
      assert.same({ handled = 1, parked = 1, problems = 1, error = "row 2: is invalid", more = false }, counts)
      assert.equal("3", value(COUNT .. "leadcat_outbox"))
      assert.equal("is invalid", value "SELECT problem FROM leadcat_outbox WHERE problem IS NOT NULL")
    end)

    if dialect == "postgresql" then
      it("needs no rights of whoever saves a sale", function()
        execute "DROP ROLE IF EXISTS clerk"
        execute "CREATE ROLE clerk"
        execute "GRANT SELECT, INSERT, UPDATE ON sales TO clerk"
        execute "SET ROLE clerk"
        insert(10, 1, "won")
        assert.is_nil((connection:query "SELECT id FROM leadcat_outbox"))
        execute "RESET ROLE"
        execute "DROP OWNED BY clerk"
        execute "DROP ROLE clerk"
        assert.same({ 1, 0, 0 }, drain(source()))
      end)
    end

    it("has nothing of a transaction that is rolled back", function()
      connection:begin()
      insert(10, 1, "won")
      connection:rollback()
      assert.same({ 0, 0, 0 }, drain(source()))
    end)

    it("handles a row once, also when it could not be deleted", function()
      insert(10, 1, "won")
      local own = source()
      local delete = own.delete
      own.delete = "DELETE FROM nowhere WHERE id IN (?)"
      assert.is_nil((own:step(engine)))
      assert.equal(CUSTOMER, category(1))
      execute "UPDATE companies SET category = 1" -- by a user
      own.delete = delete
      assert.same({ 1, 0, 0 }, drain(own))
      assert.equal(LEAD, category(1))
    end)

    it("does not take a row of a table that was made anew for an old one", function()
      insert(10, 1, "won")
      drain(source())
      execute "UPDATE companies SET category = 1"
      remove(ddl())
      execute "DELETE FROM sales"
      create(ddl())
      insert(10, 1, "won")
      drain(source())
      assert.equal(CUSTOMER, category(1))
    end)

    it("keeps rows that nobody understands, with the reason, and goes on", function()
      insert(10, 1, "what")
      insert(11, 2, "won")
      execute "INSERT INTO sales (id, company) VALUES (12, 1)"
      local own = source()
      local counts = assert(own:step(engine))
      assert.same({ 1, 0, 2 }, { counts.handled, counts.parked, counts.problems })
      assert.matches("the sale's status is 'what'", counts.error)
      assert.equal("the sale's status is 'what', which `statuses` does not have",
        value "SELECT problem FROM leadcat_outbox WHERE sale = '10'")
      assert.same({ 0, 0, 0 }, drain(own))
      execute "UPDATE leadcat_outbox SET problem = NULL WHERE sale = '10'"
      assert.same({ 1, 0, 0 }, drain(source { statuses = { what = "won" } }))
      assert.equal(CUSTOMER, category(1))
    end)

    it("parks a company that is stuck; the others go on, and it keeps its order", function()
      local is_stuck, categories, one = true, engine.host.categories, engine.host.category
      engine.host.categories = function(companies, tenant)
        local answers = categories(companies, tenant)
        for i, company in ipairs(companies) do
          answers[i] = not (is_stuck and company == "1") and answers[i] or {}
        end
        return answers
      end
      engine.host.category = function(company, tenant)
        if is_stuck and company == "1" then
          return nil, "it is being moved"
        end
        return one(company, tenant)
      end
      insert(10, 1, "open")
      for i = 2, 4 do
        insert(10 + i, i, "won")
      end
      set_status(10, "won")
      local own = source { batch = 2 }
      assert.same({ 3, 1, 0 }, drain(own))
      assert.same({ LEAD, CUSTOMER, CUSTOMER }, { category(1), category(2), category(3) })
      core.forward(0.2)
      assert.same({ 0, 0, 0 }, drain(own))
      core.forward(0.8)
      assert.same({ 0, 1, 0 }, drain(own)) -- tried again, after a second
      core.forward(0.5)
      assert.same({ 0, 0, 0 }, drain(own))
      is_stuck = false
      core.forward(1.5)
      assert.same({ 2, 0, 0 }, drain(own))
      assert.equal(CUSTOMER, category(1))
      local entries = engine:history { company = 1 }
      assert.same({ OPPORTUNITY, CUSTOMER }, { entries[2].to, entries[1].to })
    end)

    it("has one consumer, by a lease that runs out or is given up", function()
      local first, second = source(), source()
      assert(first:step(engine))
      insert(10, 1, "won")
      local counts = assert(second:step(engine))
      assert.same({ 0, true }, { counts.handled, counts.is_waiting })
      execute "UPDATE leadcat_outbox_lease SET expires = expires - 31"
      assert.equal(1, assert(second:step(engine)).handled)
      core.forward(11) -- now the first one asks again
      assert.is_true(assert(first:step(engine)).is_waiting)
      assert(second:close())
      assert.is_nil(assert(first:step(engine)).is_waiting)
      execute "DELETE FROM leadcat_outbox_lease"
      core.forward(11)
      assert.matches("has no row: leadcat outbox sql makes it", select(2, first:step(engine)))
    end)

    it("is unavailable without its table, or its server", function()
      remove(ddl())
      insert(10, 1, "won") -- a sale can be saved all the same
      local counts, message, code = source():step(engine)
      assert.same({ nil, "unavailable" }, { counts, code })
      assert.matches("leadcat_outbox_lease", message)
    end)

    it("takes any names that the database takes", function()
      local quote = dialect == "mariadb" and "`" or '"'
      local odd = ("odd %s-- 'sale'"):format(quote)
      local quoted = quote .. odd:gsub(quote, quote .. quote) .. quote
      execute(("DROP TABLE IF EXISTS %s"):format(quoted))
      execute(("CREATE TABLE %s (id BIGINT, %s BIGINT, %sselect%s VARCHAR(9))"):format(quoted, quoted, quote, quote))
      local text = ddl {
        sales = odd, company = odd, status = "select", name = odd, actor = "'it''s'", table = "Out box",
      }
      create(text)
      execute(("INSERT INTO %s VALUES (1, 1, 'won')"):format(quoted))
      assert.same({ 1, 0, 0 }, drain(source { table = "Out box" }))
      assert.equal(CUSTOMER, category(1))
      assert.equal("it's", engine:history({ company = 1 })[1].actor.id)
      remove(text)
      execute("DROP TABLE " .. quoted)
    end)

    it("loses nothing and doubles nothing, whoever is killed when", function()
      local companies, kills = 25, 20 -- two changes each
      execute "CREATE TABLE audit (company BIGINT, category_before INT, category_after INT)"
      for _, statement in ipairs(AUDIT[dialect]) do
        execute(statement)
      end
      for i = 5, companies do
        execute("INSERT INTO companies VALUES (?, 1)", tostring(i))
      end
      local path = stores.path()
      local own = stores.open { path = path }
      assert(own:save(stores.config(RULES)))
      own:close()
      local file = stores.file(WORKER:format(cjson.encode(database.options), path), ".lua")
      local command = "exec sh spec/support/with_lua.sh " .. (os.getenv "LEADCAT_LUA" or "lua5.4")
        .. " lua/leadcat/bin/leadcat worker --verbose " .. file
      local function start()
        local pipe = assert(io.popen("echo $$; " .. command .. " 2>&1"))
        return { pipe = pipe, id = pipe:read "*l" }
      end
      for kill = 1, kills do
        for i = kill, companies, kills do
          insert(i, i, "open")
        end
        for i = kill - 1, companies, kills do
          set_status(i, "won")
        end
        local workers = { start(), start() } -- one has the lease
        core.sleep(0.04 + math.random() * 0.12)
        for _, worker in ipairs(workers) do
          os.execute(("kill -KILL %s 2>/dev/null"):format(worker.id))
          worker.pipe:close()
        end
        execute "UPDATE leadcat_outbox_lease SET expires = 0"
      end
      set_status(kills, "won")
      core.sleep(0.1)
      local pipe = io.popen("(" .. command .. " --once) 2>&1; echo $?")
      local output = pipe:read "*a"
      pipe:close()
      assert.matches("\n?0\n$", output)
      assert.equal(("%d"):format(companies), value(COUNT .. "companies WHERE category = 5"), output)
      assert.equal(("%d"):format(2 * companies), value(COUNT .. "audit"))
      assert.equal("0", value(COUNT .. "leadcat_outbox"))
    end)
  end)
end

-- The blocks of a page that says how to connect a database, with the address of this machine.
local function blocks(name, database, language)
  local page, found = io.open(name), {}
  local text = page:read "*a"
  for block in (text:match "\n## Beside your CRM\n.*" or text):gmatch("\n```" .. language .. "\n(.-)\n```") do
    found[#found + 1] = block:gsub("port = 5432", "port = " .. database.port):gsub('user = "crm"', 'user = "leadcat"')
  end
  page:close()
  return found
end

describe("a database is connected", function()
  after_each(stores.check)

  for _, page in ipairs { "README.md", "lua/leadcat/source/README.md" } do it("by " .. page, function()
    local database, path, ddl = databases.get "postgresql", stores.path(), stores.file ""
    local client = ("psql -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p %d -U leadcat crm"):format(database.port)
    local engine = stores.open { path = path }
    local config = stores.config(RULES)
    assert(engine:save(config))
    engine:close()
    local worker = stores.file((blocks(page, database, "lua")[1]:gsub("/var/lib/leadcat", path)), ".lua")
    local shell = table.concat(blocks(page, database, "sh"), "\n")
    local first = shell:match "leadcat outbox sql[^\n]+\npsql [^\n]+":gsub("leadcat outbox", "build/bin/%0")
      :gsub("outbox%.sql", ddl):gsub("psql %-1 %-v ON_ERROR_STOP=1 crm", "psql -1" .. client:sub(5))
    local second = shell:match "leadcat worker [^\n]+":gsub("leadcat worker", "build/bin/%0 --once")
      :gsub("worker%.lua", worker)
    local script = stores.file(table.concat({
      "export PGOPTIONS='-c client_min_messages=warning'; unset LUA_PATH LUA_CPATH; set -e",
      client .. " <<'END'",
      "DROP TABLE IF EXISTS companies, sales, leadcat_outbox, leadcat_outbox_lease;",
      "DROP FUNCTION IF EXISTS leadcat_outbox_write;",
      "CREATE TABLE companies (id BIGINT, category_id INT); INSERT INTO companies VALUES (7, 1);",
      "CREATE TABLE sales (id BIGINT, company_id BIGINT, title TEXT, status TEXT, saved_by TEXT);",
      "END",
      first, client .. [[ -c "INSERT INTO sales VALUES (1, 7, 'Printers', 'signed', 'ann')"]],
      second, client .. [[ -At -c "SELECT category_id FROM companies"]],
    }, "\n"))
    local pipe = io.popen(("{ sh -e %s; } 2>&1"):format(script))
    local output = pipe:read "*a"
    pipe:close()
    assert.equal("leadcat: source outbox: 1 handled\n5\n", output)
  end) end
end)

describe("leadcat.source.outbox", function()
  after_each(stores.check)

  it("refuses wrong options and names", function()
    local adapter = { dialect = "sqlite" }
    for _, row in ipairs {
      { {}, "option 'adapter' is missing" },
      { { adapter = {} }, "option 'adapter': an adapter, such as" },
      { { adapter = adapter, batch = 0 }, "option 'batch': an integer from 1 to 1000 expected" },
      { { adapter = adapter, statuses = { x = "y" } }, "option 'statuses': a table of open, won" },
      { { adapter = adapter, table = "a.b" }, "table 'a.b': SQLite: a table's name has no dot" },
    } do
      local ok, message = pcall(outbox, row[1])
      assert.is_false(ok)
      assert.matches(row[2], message, 1, true)
    end
    assert.same({ nil, "company '': a name has at least one character, and none that cannot be seen" },
      { outbox.schema { dialect = "sqlite", sales = "sales", company = "" } })
    assert.matches("as `sales` has a schema, so must it: crm.leadcat_outbox", select(2, outbox.schema {
      dialect = "mariadb", sales = "crm.sales", company = "company" }))
    assert.matches("at most 63 bytes", select(2, outbox.schema {
      dialect = "postgresql", sales = "sales", company = "company", table = ("x"):rep(60) }))
  end)

  it("is printed by the command", function()
    local options = { dialect = "sqlite", sales = "deals", company = "customer", status = "stage", name = "title",
      actor = "NEW.changed_by", table = "events", id = "number" }
    local words = {}
    for name, value in pairs(options) do
      words[#words + 1], words[#words + 2] = "--" .. name, value
    end
    local output, errors, status = stores.leadcat("outbox", "sql", stores.unpack(words))
    assert.equal(0, status, errors)
    assert.equal(outbox.schema(options), output)
    assert.equal(2, select(3, stores.leadcat("outbox", "sql", "--dialect", "oracle")))
  end)
end)
