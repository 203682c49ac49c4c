-- Companies in a table of PostgreSQL, MariaDB and SQLite: each server is started here. PostgreSQL is reached by LuaDBI, and by
-- leadcat's own client.

local cjson = require "cjson"
local core = require "leadcat.core"
local databases = require "support.databases"
local handling = require "support.handling"
local histories = require "support.histories"
local lfs = require "lfs"
local processes = require "support.processes"
local sql = require "leadcat.host.sql"
local stores = require "support.stores"

if os.getenv "LEADCAT_SLOW" then
  return -- it is the servers that are tried here
end

local LEAD, OPPORTUNITY, CUSTOMER = 1, 3, 5 -- the preset's categories
local BIG = 5000000000 -- ids beyond 32 bits

local COMPANIES = [[CREATE TABLE companies (
  id BIGINT PRIMARY KEY, category INT CHECK (category <> 4), name VARCHAR(40), active BOOLEAN, amount NUMERIC(12,2),
  version INT NOT NULL DEFAULT 0)]]
local COUNT = "SELECT CAST(COUNT(*) AS CHAR(9)) FROM "

local TRIGGER = { -- that of a CRM which does not want any change now
  postgresql = {
    "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'closed for today'; END $$",
    "CREATE TRIGGER no BEFORE UPDATE ON companies FOR EACH ROW EXECUTE FUNCTION no()",
  },
  mariadb = {
    "CREATE TRIGGER no BEFORE UPDATE ON companies FOR EACH ROW "
      .. "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'closed for today'",
  },
  sqlite = { "CREATE TRIGGER no BEFORE UPDATE ON companies BEGIN SELECT RAISE(ABORT, 'closed for today'); END" },
}
local UNTRIGGER = {
  postgresql = { "DROP TRIGGER no ON companies", "DROP FUNCTION no" },
  mariadb = { "DROP TRIGGER no" }, sqlite = { "DROP TRIGGER no" },
}

teardown(databases.stop)

for _, way in ipairs(databases.WAYS) do
  local dialect, client = way.dialect, way.client or ""
  describe(("a table of %s %s"):format(dialect, client), function()
    local database, adapter, connection

    -- Runs statements, each a text or a text with parameters.
    local function execute(...)
      for _, statement in ipairs { ... } do
        local text = type(statement) == "table" and statement[1] or statement
        local parameters = type(statement) == "table" and { stores.unpack(statement, 2) } or nil
        assert(connection:execute(text, parameters))
      end
    end

    local function value(statement)
      return assert(connection:query(statement))[1][1]
    end

    local function host_with(fields, options)
      local companies = { table = "companies", id = "id", category = "category", set = "version = version + 1" }
      for name, field in pairs(fields or {}) do
        companies[name] = field
      end
      options = options or {}
      options.adapter, options.companies = adapter, companies
      return sql(options)
    end

    before_each(function()
      database = databases.get(dialect)
      adapter = databases.adapter(database.options, client)
      connection = assert(adapter:acquire())
      execute("DROP TABLE IF EXISTS companies", "DROP TABLE IF EXISTS leadcat_applied", COMPANIES, sql.schema(dialect))
      for i, name in ipairs { "Acme", "O'Hara & Søn", "?" } do
        execute { "INSERT INTO companies (id, category, name) VALUES (?, ?, ?)", ("%d"):format(BIG + i), "1", name }
      end
      execute("INSERT INTO companies (id) VALUES (9)")
    end)

    after_each(function()
      adapter:release(connection, true)
      stores.check()
    end)

    it("says where companies are, one or many at once", function()
      local host = host_with()
      assert.equal(LEAD, host.category(BIG + 1))
      assert.equal(LEAD, host.category(("%d"):format(BIG + 1)))
      assert.same({ nil, nil }, { host.category(9) }) -- NULL
      assert.same({ nil, nil }, { host.category(10) })
      assert.same({ LEAD, false, false, LEAD }, host.categories { BIG + 1, 9, 10, BIG + 3 })
    end)

    describe("beside one of sales", function()
      local MOMENT = { postgresql = "TIMESTAMP WITH TIME ZONE", mariadb = "DATETIME", sqlite = "TEXT" }
      local DAY, AT = 24 * 3600, 1772496000 -- 2026-03-03
      local SALES = {
        table = "sales", id = "id", company = "company", status = "stage", statuses = { signed = "won", gone = "lost" },
        registered = "created", closed = "closed", name = "title", fields = { amount = "amount" },
      }
      local ZONE = dialect == "postgresql" and "+01" or ""

      before_each(function()
        local ddl = "CREATE TABLE sales (id VARCHAR(20) PRIMARY KEY, company BIGINT, stage VARCHAR(20), created DATE, "
          .. "closed %s, title VARCHAR(40), amount NUMERIC(12,2))"
        execute("DROP TABLE IF EXISTS sales", ddl:format(MOMENT[dialect]))
        for _, row in ipairs {
          { "s1", BIG + 1, "signed", "2026-03-01", "2026-03-03 01:00:00" .. ZONE, "Pumps", "900.50" },
          { "s2", BIG + 1, "open", "2026-02-01" },
          { "s3", BIG + 2, "gone", "2026-01-02", "2026-01-03 00:00:00" .. ZONE }, { "s4", BIG + 2 },
        } do
          for i = 1, 7 do
            row[i] = row[i] and (type(row[i]) == "number" and ("%d"):format(row[i]) or row[i]) or false
          end
          local given, marks = {}, {}
          for i, cell in ipairs(row) do
            given[#given + 1], marks[i] = cell or nil, cell and "?" or "NULL"
          end
          execute { ("INSERT INTO sales VALUES (%s)"):format(table.concat(marks, ", ")), stores.unpack(given) }
        end
      end)

      after_each(function() execute "DROP TABLE sales" end)

      local function host_of(sales)
        return host_with(nil, { sales = sales or SALES, fields = { { field = "sale.amount", type = "number" } } })
      end

      local function by_id(sales)
        table.sort(sales, function(a, b) return a.id < b.id end)
        return sales
      end

      it("tells of the sales of many companies at once", function()
        local host = host_of()
        assert.is_true(host.try_out())
        local known = assert(host.sales { BIG + 1, BIG + 2, BIG + 3 })
        local closed = AT + (ZONE == "" and 3600 or 0)
        assert.same({
          { id = "s1", name = "Pumps", status = "won", registered = AT - 2 * DAY, at = closed, amount = 900.5 },
          { id = "s2", status = "open", registered = AT - 30 * DAY, at = AT - 30 * DAY },
        }, by_id(known[1].sales))
        assert.same({ "lost", "open" }, { by_id(known[2].sales)[1].status, known[2].sales[2].status })
        assert.is_nil(known[2].sales[2].at)
        assert.same({ sales = {} }, known[3])
      end)

      it("lists all companies in order, page by page", function()
        local host, found, after = host_of(), {}, nil
        repeat
          local page = assert(host.list_companies(after, 3, ""))
          for _, company in ipairs(page) do
            found[#found + 1] = company
          end
          after = page[#page]
        until #page < 3
        local function id(i)
          return ("%d"):format(BIG + i)
        end
        assert.same({ "9", id(1), id(2), id(3) }, found)
      end)

      it("lets drift and the calendar find who should be elsewhere", function()
        local now = AT + 89 * DAY
        local engine = stores.open { host = host_of(), clock = function() return now end }
        local cfg = stores.config { sale_won = CUSTOMER, no_sale_for = 7 }
        for _, rule in ipairs(cfg.rules) do
          rule.days = rule.trigger == "no_sale_for" and 90 or nil
        end
        assert(engine:save(cfg))
        local page = assert(engine:drift { limit = 1000 })
        assert.same({ { "host", 4 }, { missed = 1, in_step = 1, no_sales = 1, unknown_category = 1 } },
          { { page.source, page.looked_at }, page.counts })
        assert.same({ ("%d"):format(BIG + 1), "s1" }, { page.items[1].company, page.items[1].because.sale.id })
        assert.equal(1, assert(engine:set_right(page.items)).companies)
        assert.same({ CUSTOMER, LEAD }, { engine.host.category(BIG + 1), engine.host.category(BIG + 2) })
        page = assert(engine:calendar())
        assert.same({ elsewhere = 2, unknown = 1, recent = 0, silent = 1 }, page.counts)
        assert.same({ ("%d"):format(BIG + 2), "updated", 7 }, { page.items[1].company, page.items[1].status,
          page.items[1].to })
        engine:close()
      end)

      it("says what is wrong: a name, a word, a time", function()
        local function with(name, instead)
          local changed = {}
          for key, own in pairs(SALES) do
            changed[key] = own
          end
          changed[name] = instead
          return changed
        end
        local _, message = host_of(with("closed", "closing")).try_out()
        assert.matches("^sales cannot be read: .*closing", message)
        _, message = host_of(with("registered", "title")).sales { BIG + 1 }
        assert.matches("^sale s1: 'Pumps' is no time", message)
        local engine = stores.open { host = host_of(with("statuses", {})) }
        assert(engine:save(stores.config { sale_won = CUSTOMER }))
        local page = assert(engine:drift { kinds = { "unreadable" } })
        assert.equal("a sale's status is open, won, lost or stalled, not signed", page.items[1].problem)
        engine:close()
        for _, row in ipairs {
          { "table", nil, "option 'table' is missing" }, { "statuses", { signed = "yes" }, "option 'statuses'" },
          { "fields", { id = "id" }, "option 'fields': 'id' is an option of its own" }, { "when", "x", "'when'" },
        } do
          assert.error_matches(function() host_of(with(row[1], row[2])) end, "leadcat.host.sql: sales: .*" .. row[3])
        end
      end)
    end)

    it("says how many companies are in each category", function()
      execute("UPDATE companies SET category = 5 WHERE name = '?'")
      assert.same({ [LEAD] = 2, [CUSTOMER] = 1 }, host_with().category_counts())
      execute("ALTER TABLE companies ADD COLUMN stage VARCHAR(10)", "UPDATE companies SET stage = 'lead'")
      assert.same({ lead = 4 }, host_with({ category = "stage", external = true }).category_counts())
      execute("DROP TABLE companies")
      assert.is_nil((host_with().category_counts()))
    end)

    it("is changed once, and knows the keys of changes", function()
      local host = host_with()
      assert.is_true(host.set_category(BIG + 1, OPPORTUNITY, LEAD, { key = "k-1" }))
      assert.is_true(host.set_category(BIG + 1, OPPORTUNITY, LEAD, { key = "k-1" }))
      execute { "UPDATE companies SET category = 1 WHERE id = ?", ("%d"):format(BIG + 1) } -- by a user
      assert.is_true(host.set_category(BIG + 1, OPPORTUNITY, LEAD, { key = "k-1" }))
      assert.equal(LEAD, host.category(BIG + 1))
      assert.equal("1", value("SELECT CAST(version AS CHAR(9)) FROM companies WHERE name = 'Acme'"):match "%d+")
      assert.same({ nil, "conflict" }, { host.set_category(BIG + 1, CUSTOMER, OPPORTUNITY, { key = "k-2" }) })
      assert.is_true(host.applied(BIG + 1, "k-1"))
      assert.is_false(host.applied(BIG + 1, "k-2"))
    end)

    it("takes many changes at once; what is refused or no longer there does not stop the others", function()
      local host = host_with()
      local function changes(...)
        local list = {}
        for i, to in ipairs { ... } do
          list[i] = { company = BIG + i, from = LEAD, to = to, outcome = { key = ("many-%d-%d"):format(i, to) } }
        end
        return list
      end
      execute("UPDATE companies SET category = 2 WHERE name = 'Acme'")
      assert.same({ { code = "conflict" }, true, true }, host.set_categories(changes(CUSTOMER, CUSTOMER, CUSTOMER)))
      assert.is_false(host.applied(BIG + 1, "many-1-5"))
      assert.same({ 2, CUSTOMER, CUSTOMER }, host.categories { BIG + 1, BIG + 2, BIG + 3 })
      execute("UPDATE companies SET category = 1")
      local answers = host.set_categories(changes(OPPORTUNITY, 4, OPPORTUNITY))
      assert.same({ true, "refused", true }, { answers[1], answers[2].code, answers[3] })
      assert.same({ OPPORTUNITY, LEAD, OPPORTUNITY }, host.categories { BIG + 1, BIG + 2, BIG + 3 })
    end)

    it("refuses for good what a constraint or a trigger forbids, and the company is free", function()
      local engine = handling.open({ sale_won = 4, sale_registered = CUSTOMER }, { host = host_with() })
      local outcome = assert(engine:handle { trigger = "sale_won", company = BIG + 1 })
      assert.same({ "failed", "refused" }, { outcome.status, outcome.code })
      assert.matches("constraint", outcome.error:lower())
      assert.equal("updated", engine:handle({ trigger = "sale_registered", company = BIG + 1 }).status)
      execute(stores.unpack(TRIGGER[dialect]))
      outcome = assert(engine:handle { trigger = "sale_registered", company = BIG + 2 })
      execute(stores.unpack(UNTRIGGER[dialect]))
      assert.same({ "failed", "refused" }, { outcome.status, outcome.code })
      assert.matches("closed for today", outcome.error)
      engine:close()
    end)

    it("answers facts by the types of the fields", function()
      execute("UPDATE companies SET active = TRUE, amount = 1234567.50 WHERE name = 'Acme'")
      local host = host_with({
        facts = {
          ["company.name"] = "name", ["company.amount"] = "amount", ["company.active"] = "active",
          ["company.tags"] = "'[\"a\",\"b\"]'", ["company.open"] = "(SELECT COUNT(*) FROM companies)",
        },
      }, {
        fields = {
          { field = "company.name", type = "text" }, { field = "company.amount", type = "number" },
          { field = "company.active", type = "boolean" }, { field = "company.tags", type = "list" },
          { field = "company.open", type = "number" },
        },
      })
      local names = { "company.name", "company.amount", "company.active", "company.tags", "company.open", "sale.x" }
      local requests = {}
      for i, company in ipairs { BIG + 1, 9, 10 } do
        requests[i] = { company = company, names = names }
      end
      assert.same({
        { ["company.name"] = "Acme", ["company.amount"] = 1234567.5, ["company.active"] = true,
          ["company.tags"] = { "a", "b" }, ["company.open"] = 4 },
        { ["company.tags"] = { "a", "b" }, ["company.open"] = 4 }, -- the others are NULL
        {},
      }, host.facts(requests))
    end)

    it("may have ids of its own for categories", function()
      execute("ALTER TABLE companies ADD COLUMN stage VARCHAR(10)", "UPDATE companies SET stage = 'lead'")
      local engine = handling.open({}, { host = host_with { category = "stage", external = true } })
      local config = engine:config()
      for _, category in ipairs(config.categories) do
        category.external = ({ "lead", nil, nil, nil, "cust" })[category.id]
      end
      config.rules = {
        { trigger = "sale_won", enabled = true, set_category = CUSTOMER, ask = false },
        { trigger = "sale_lost", enabled = true, set_category = OPPORTUNITY, ask = false },
      }
      assert(engine:save(config))
      local outcome = assert(engine:handle { trigger = "sale_lost", company = BIG + 1 })
      assert.same({ "failed", "category 3 has no `external`, by which the database knows it" },
        { outcome.status, outcome.error })
      assert.equal("updated", engine:handle({ trigger = "sale_won", company = BIG + 1 }).status)
      assert.equal("cust", value("SELECT stage FROM companies WHERE name = 'Acme'"))
      engine:close()
    end)

    it("names companies, and takes any text", function()
      local host = host_with { name = "name" }
      assert.equal("O'Hara & Søn", host.company_name(BIG + 2))
      assert.equal("?", host.company_name(BIG + 3))
      assert.is_nil(host.company_name(9))
      local refused = { host.set_category("a\0b", CUSTOMER, LEAD, { key = "nul" }) }
      assert.same({ "refused", "a text with a NUL byte cannot be sent to the database" }, { refused[3], refused[2] })
    end)

    it("is waited for while somebody else has the row, and then tried again", function()
      local host = host_with()
      connection:begin()
      execute("UPDATE companies SET version = 7 WHERE name = 'Acme'")
      local ok, message, code = host.set_category(BIG + 1, CUSTOMER, LEAD, { key = "locked" })
      connection:rollback()
      assert.same({ nil, nil }, { ok, code })
      assert.matches("lock", message:lower())
      assert.is_true(host.set_category(BIG + 1, CUSTOMER, LEAD, { key = "locked" }))
    end)

    if dialect ~= "sqlite" then
      it("is connected to anew after its server was restarted", function()
        local host = host_with()
        assert.equal(LEAD, host.category(BIG + 1))
        databases.restart(database)
        assert.is_true(host.set_category(BIG + 1, CUSTOMER, LEAD, { key = "anew" }))
        assert.equal(CUSTOMER, host.category(BIG + 1))
      end)

      it("may be away: then events are unavailable, and nothing is lost", function()
        local options = {}
        for name, option in pairs(database.options) do
          options[name] = option
        end
        options.port = 1
        local host = sql {
          adapter = databases.adapter(options, client), companies = { table = "t", id = "id", category = "c" },
        }
        local engine = handling.open({ sale_won = CUSTOMER }, { host = host })
        local outcome, message, code = engine:handle { trigger = "sale_won", company = 1 }
        assert.same({ nil, "unavailable" }, { outcome, code })
        assert.matches("connect", message)
        engine:close()
      end)
    end

    it("has each change once, whoever is killed when", function()
      local directory, count = stores.path(), 50
      assert(lfs.mkdir(directory))
      local engine = handling.open({ sale_won = CUSTOMER }, { host = host_with(), path = directory })
      engine:close()
      execute("DELETE FROM companies")
      for i = 1, count do
        execute { "INSERT INTO companies (id, category) VALUES (?, 1)", ("%d"):format(i) }
      end
      local function start()
        return processes.launch("sql.lua", directory, cjson.encode(database.options), count, client)
      end
      for _ = 1, 10 do
        local workers = { start(), start() }
        core.sleep(0.002 + math.random() * 0.05)
        for _, worker in ipairs(workers) do
          os.execute(("kill -KILL %s 2>/dev/null"):format(worker.id))
          worker.pipe:close()
        end
      end
      core.sleep(0.1)
      local last = start()
      local output = last.pipe:read "*a"
      last.pipe:close()
      assert.equal("done\n", output)
      assert.equal(count, tonumber(value(COUNT .. "companies WHERE category = 5 AND version = 1")))
      assert.equal(count, tonumber(value(COUNT .. "leadcat_applied")))
      engine = handling.open({ sale_won = CUSTOMER }, { host = host_with(), path = directory })
      assert.equal(("updated "):rep(count), (histories.statuses(engine) .. " "))
      engine:close()
    end)
  end)
end
