--- Companies of a CRM in the database of the shared store: what is changed, its entry and the mark that its event was seen
-- are one transaction, and one round trip. What the CRM's side says no to means what it means elsewhere.

local core = require "leadcat.core"
local databases = require "support.databases"
local dbi = require "leadcat.host.sql.dbi"
local host_of = require "leadcat.host.sql"
local leadcat = require "leadcat"
local lfs = require "lfs"
local pg = require "leadcat.host.sql.pg"
local processes = require "support.processes"
local server = require "nginx.server"
local shared = require "support.shared"
local stores = require "support.stores"
local times = require "support.times"

if os.getenv "LEADCAT_SLOW" then
  return
end

local RULES = { sale_won = 3, sale_lost = 2, sale_registered = { 4, ask = true } } -- potential customers all
local START = 1

-- The CRM's table, with a log of what was changed, in which transaction.
local TABLES = {
  "CREATE TABLE public.companies (id int8 PRIMARY KEY, company text, category int, version int NOT NULL DEFAULT 1)",
  "CREATE TABLE public.changed (number bigserial, id int8, came_from int, went_to int, by text, tx text)",
  [[CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO changed (id, came_from, went_to, by, tx) VALUES (NEW.id, OLD.category, NEW.category,
      current_setting('application_name'), pg_current_xact_id()::text);
    RETURN NEW; END $$]],
  [[CREATE TRIGGER note AFTER UPDATE ON companies FOR EACH ROW WHEN (OLD.category IS DISTINCT FROM NEW.category)
    EXECUTE FUNCTION note()]],
  "INSERT INTO companies (id, category) SELECT i, " .. START .. " FROM generate_series(1, 20) i",
}

describe("companies in the database of the shared store", function()
  local url, pool, engine

  teardown(databases.stop)
  before_each(function()
    url, pool = shared.database()
    for _, statement in ipairs(TABLES) do
      shared.run(pool, statement)
    end
    shared.run(pool, host_of.schema "postgresql":gsub("^%-%-.-\n", ""))
  end)
  after_each(function()
    if engine then
      engine:close()
    end
    engine = nil
    shared.close()
    stores.check()
  end)

  local function host(options)
    local all = { table = "companies", id = "id", category = "category", set = "version = version + 1" }
    for name, value in pairs(options and options.companies or {}) do
      all[name] = value
    end
    local together = true
    if options and options.together ~= nil then
      together = options.together
    end
    return host_of { adapter = options and options.adapter or pg { url = url }, companies = all, together = together }
  end

  local function open(options)
    engine = shared.open(url, { host = host(options), recover = false })
    assert(engine:save(stores.config(RULES)))
    return engine
  end

  local function value(statement)
    return shared.run(pool, statement)[1][1]
  end

  local function category(id)
    return value("SELECT category FROM companies WHERE id = " .. id)
  end

  -- What PostgreSQL has executed since, by its log: each statement is a round trip, but those of a pipeline.
  local function log_size()
    return lfs.attributes(databases.get "postgresql".directory .. "/log", "size")
  end

  local function executed(since)
    local file = assert(io.open(databases.get "postgresql".directory .. "/log"))
    file:seek("set", since)
    local text, list = file:read "*a", {}
    file:close()
    for statement in text:gmatch "LOG:  execute [^:]*: ([^\n]*)" do
      list[#list + 1] = statement
    end
    return list
  end

  it("change in one transaction with the entry and the mark, in one round trip behind the one that reads", function()
    open()
    assert.is_true(engine:stats().shared.together)
    assert(engine:handle { trigger = "sale_won", company = 1, id = "first" }) -- statements are prepared then
    shared.run(pool, "ALTER SYSTEM SET log_statement = 'all'")
    shared.run(pool, "SELECT pg_reload_conf()")
    core.sleep(0.2)
    while #executed(0) == 0 do -- the server's other processes take their time
      assert(engine:handle { trigger = "sale_won", company = 2, id = tostring(math.random()) })
      core.sleep(0.1)
    end
    local since = log_size()
    local outcome = assert(engine:handle { trigger = "sale_won", company = 7, id = "a" })
    local statements = executed(since)
    shared.run(pool, "ALTER SYSTEM RESET log_statement")
    shared.run(pool, "SELECT pg_reload_conf()")
    assert.equal("updated", outcome.status)
    assert.equal(2, #statements, table.concat(statements, "\n"))
    local row = shared.run(pool, ("SELECT c.xmin::text, e.xmin::text, k.xmin::text, n.xmin::text, c.version, "
      .. "e.event_id "
      .. "FROM companies c, leadcat.entry e, leadcat.company k, changed n WHERE c.id = 7 AND e.entry = %.0f "
      .. "AND k.company = '7' AND n.id = 7"):format(outcome.entry))[1]
    assert.same({ row[1], row[1], row[1], row[1], 2, "a" }, row)
    assert.equal("duplicate", engine:handle({ trigger = "sale_won", company = 7, id = "a" }).status)
    assert.equal(2, value "SELECT version FROM companies WHERE id = 7")
    assert.equal(0, value "SELECT count(*) FROM leadcat_applied")
    assert.is_nil(value "SELECT category FROM leadcat.company WHERE company = '7'") -- they are not the store's
  end)

  it("are told of every change of a batch, in order, all of it in one transaction", function()
    open()
    local outcomes = assert(engine:handle_many {
      { trigger = "sale_won", company = 1, id = "a" }, { trigger = "sale_lost", company = 1, id = "b" },
      { trigger = "sale_won", company = 1, id = "c" }, { trigger = "sale_lost", company = 2, id = "d" },
      { trigger = "sale_lost", company = 2, id = "e" },
    })
    local statuses = {}
    for i, outcome in ipairs(outcomes) do
      statuses[i] = outcome.status
    end
    assert.same({ "updated", "updated", "updated", "updated", "unchanged" }, statuses)
    local rows = shared.run(pool, "SELECT id, came_from, went_to FROM changed ORDER BY id, number")
    assert.same({ { 1, 1, 3 }, { 1, 3, 2 }, { 1, 2, 3 }, { 2, 1, 2 } }, { rows[1], rows[2], rows[3], rows[4] })
    assert.equal(1, value "SELECT count(DISTINCT tx) FROM changed")
  end)

  it("change with an answer, an undo and a backfill", function()
    open()
    local asked = assert(engine:handle { trigger = "sale_registered", company = 4, id = "a" })
    local answered = assert(engine:resolve(asked.confirmation, { accept = true }))
    assert.equal("updated", answered.status)
    assert.equal(4, category(4))
    assert.equal("updated", assert(engine:undo(answered.entry)).status)
    assert.equal(START, category(4))
    local report = assert(engine:backfill {
      { trigger = "sale_won", company = 5, id = "b", at = 1000 },
      { trigger = "sale_lost", company = 5, id = "c", at = 2000 },
    })
    assert.equal(2, category(5))
    assert.equal(2, #assert(engine:history { run = report.run, status = "updated" }))
    assert.equal(0, value "SELECT count(*) FROM leadcat_applied")
    assert.equal(value "SELECT count(*) FROM leadcat.entry WHERE change > 0", value "SELECT count(*) FROM changed")
  end)

  it("that stand elsewhere, or are gone, are a conflict", function()
    open()
    local won = { trigger = "sale_won", company = 3, category = 2, id = "a" }
    assert.equal("conflict", assert(engine:handle(won)).status)
    assert.equal(START, category(3))
    local gone = { trigger = "sale_won", company = 99, category = 1, id = "b" }
    assert.equal("conflict", assert(engine:handle(gone)).status)
    assert.equal("unknown_category", assert(engine:handle { trigger = "sale_won", company = 98, id = "c" }).reason)
    shared.run(pool, "UPDATE companies SET category = NULL WHERE id = 5")
    assert.equal("unknown_category", assert(engine:handle { trigger = "sale_won", company = 5, id = "d" }).reason)
    local asked = assert(engine:handle { trigger = "sale_registered", company = 6, id = "e" })
    shared.run(pool, "UPDATE companies SET category = 2 WHERE id = 6")
    assert.equal("conflict", assert(engine:resolve(asked.confirmation, { accept = true })).status)
    assert.equal(2, category(6))
  end)

  it("that another transaction has locked are decided by what it leaves", function()
    open()
    local taken = assert(pool:acquire())
    local run = function(text) assert(taken:run(require("leadcat.store.pg").statement(text))) end
    run "BEGIN"
    run "UPDATE companies SET category = 2 WHERE id = 8"
    local child = processes.start([[
      local leadcat = require "leadcat"
      local adapter = require "leadcat.host.sql.pg" { url = arg[1] }
      local host = require "leadcat.host.sql" { adapter = adapter, together = true,
        companies = { table = "companies", id = "id", category = "category" } }
      local engine = assert(leadcat.open { path = arg[2], shared = arg[1], durability = "primary", host = host,
        map_size = 2 ^ 26 })
      local outcome = assert(engine:handle { trigger = "sale_won", company = 8, id = "a" })
      print(outcome.status, outcome.from, outcome.to)
      engine:close()
    ]], { url, stores.path() })
    while value "SELECT count(*) FROM pg_locks WHERE NOT granted" == 0 do
      core.sleep(0.01)
    end
    run "COMMIT"
    pool:release(taken)
    assert.equal("updated\t2\t3", (child:wait()))
  end)

  for name, case in pairs {
    ["a trigger that raises"] = [[CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.id = 9 THEN RAISE 'not this one'; END IF; RETURN NEW; END $$;
      CREATE TRIGGER no BEFORE UPDATE ON companies FOR EACH ROW EXECUTE FUNCTION no()]],
    ["a constraint"] = "ALTER TABLE companies ADD CHECK (id <> 9 OR category = 1)",
  } do
    it("refuse a change by " .. name .. ", and only that", function()
      open()
      for statement in case:gsub("%$%$;", "$$\0"):gmatch "[^%z]+" do
        shared.run(pool, statement)
      end
      local outcomes = assert(engine:handle_many {
        { trigger = "sale_won", company = 9, id = "a" }, { trigger = "sale_won", company = 10, id = "b" },
      })
      assert.same({ "failed", "refused", "updated" }, { outcomes[1].status, outcomes[1].code, outcomes[2].status })
      assert.same({ START, 3 }, { category(9), category(10) })
      assert.equal("updated", assert(engine:handle { trigger = "sale_lost", company = 10, id = "c" }).status)
      assert.equal(0, engine:stats().unfinished)
    end)
  end

  it("that a backfill may not change are refused, and the others changed", function()
    open()
    shared.run(pool, "ALTER TABLE companies ADD CHECK (id <> 9 OR category = 1)")
    local report = assert(engine:backfill {
      { trigger = "sale_won", company = 9, id = "a", at = 1000 },
      { trigger = "sale_won", company = 10, id = "b", at = 2000 },
    })
    assert.equal(1, #assert(engine:history { run = report.run, status = "updated" }))
    assert.same({ START, 3 }, { category(9), category(10) })
  end)

  it("that a deferred constraint refuses at the commit stay as they are, and no entry says otherwise", function()
    open()
    shared.run(pool, [[CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.id = 9 AND current_setting('leadcat.fine', true) IS DISTINCT FROM 'yes' THEN RAISE 'too late'; END IF;
      RETURN NULL; END $$]])
    shared.run(pool, [[CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON companies DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION late()]])
    local outcome = assert(engine:handle { trigger = "sale_won", company = 9, id = "a" })
    assert.equal("failed", outcome.status) -- and is tried again
    assert.equal(START, category(9))
    assert.equal(1, engine:stats().unfinished)
    shared.run(pool, "DROP TRIGGER late ON companies")
    shared.run(pool, "UPDATE leadcat.company SET deadline = 0, retry_at = 0")
    assert(engine:recover())
    assert.equal(3, category(9))
    assert.equal("duplicate", engine:handle({ trigger = "sale_won", company = 9, id = "a" }).status)
    assert.equal(1, value "SELECT count(*) FROM changed")
  end)

  it("that a deadlock, or a trigger's warning, is in the way of are changed all the same, once", function()
    open()
    shared.run(pool, "CREATE SEQUENCE tries")
    shared.run(pool, [[CREATE FUNCTION dead() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF nextval('tries') < 3 THEN RAISE 'deadlock' USING ERRCODE = '40P01'; END IF;
      RAISE WARNING 'take care'; RETURN NEW; END $$]])
    shared.run(pool, "CREATE TRIGGER dead BEFORE UPDATE ON companies FOR EACH ROW EXECUTE FUNCTION dead()")
    assert.equal("updated", assert(engine:handle { trigger = "sale_won", company = 9, id = "a" }).status)
    assert.same({ 3, 1 }, { category(9), value "SELECT count(*) FROM changed" })
    assert.equal(3, value "SELECT last_value FROM tries")
    assert.equal(0, value "SELECT count(*) FROM leadcat_applied")
  end)

  it("whose change a trigger swallows are a conflict", function()
    open()
    shared.run(pool, "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$")
    shared.run(pool, "CREATE TRIGGER swallow BEFORE UPDATE ON companies FOR EACH ROW EXECUTE FUNCTION swallow()")
    assert.equal("conflict", assert(engine:handle { trigger = "sale_won", company = 9, id = "a" }).status)
  end)

  it("may have categories by codes of the host", function()
    shared.run(pool, "CREATE TABLE accounts (name varchar(40) PRIMARY KEY, kind char(8))")
    shared.run(pool, "INSERT INTO accounts VALUES ('Acme', 'lead'), ('Bolt', 'nothing')")
    engine = shared.open(url, { host = host {
      companies = { table = "accounts", id = "name", category = "kind", external = true, set = "name = name" },
    } })
    local config = stores.config(RULES)
    config.categories[1].external, config.categories[3].external = "lead", "open"
    assert(engine:save(config))
    local outcome = assert(engine:handle { trigger = "sale_won", company = "Acme", id = "a" })
    assert.same({ "updated", 1, 3 }, { outcome.status, outcome.from, outcome.to })
    assert.equal("open    ", value "SELECT kind::bpchar FROM accounts WHERE name = 'Acme'")
    assert.equal(0, value "SELECT count(*) FROM leadcat_applied")
    local _, message, code = engine:handle { trigger = "sale_won", company = "Bolt", id = "b" }
    assert.equal("unavailable", code)
    assert.truthy(message:find 'no category has the external id "nothing', 1, true)
  end)

  describe("are only taken for such", function()
    local function open_with(options, more)
      local all = { host = host(options), shared = url, durability = "primary", map_size = 2 ^ 26 }
      all.path = stores.path()
      for name, item in pairs(more or {}) do
        all[name] = item
      end
      return leadcat.open(all)
    end

    local function is_together(options)
      local opened = assert(open_with(options))
      local together = opened:stats().shared.together
      opened:close()
      return together
    end

    it("in the same database", function()
      local elsewhere, other = shared.database(true)
      for _, statement in ipairs(TABLES) do
        shared.run(other, statement)
      end
      local opened, message, code = open_with { adapter = pg { url = elsewhere } }
      assert.is_nil(opened)
      assert.equal("conflict", code)
      assert.equal("the host's companies cannot be changed together with the shared journal: they are in another "
        .. "database than the one that `shared` names", message)
      engine = shared.open(url, { host = host_of {
        adapter = pg { url = elsewhere }, companies = { table = "companies", id = "id", category = "category" },
      } })
      assert.is_false(engine:stats().shared.together)
    end)

    it("by themselves, through any adapter, and not where that is not wanted", function()
      local name, port = url:match "/([%w_]+)%?", tonumber(url:match ":(%d+)/")
      local adapter = dbi { driver = "PostgreSQL", database = name, user = "leadcat", host = "127.0.0.1", port = port }
      engine = shared.open(url, {
        host = host_of { adapter = adapter, companies = { table = "companies", id = "id", category = "category" } },
      })
      assert.is_true(engine:stats().shared.together)
      assert.is_false(is_together { together = false })
    end)

    it("of the same user, unless it is said that another will do, who must have the right", function()
      local adapter = pg { url = url:gsub("leadcat@", "clerk@") }
      if value "SELECT count(*) FROM pg_roles WHERE rolname = 'clerk'" == 0 then
        shared.run(pool, "CREATE ROLE clerk LOGIN")
      end
      shared.run(pool, "GRANT SELECT, UPDATE ON companies TO clerk")
      engine = shared.open(url, {
        host = host_of { adapter = adapter, companies = { table = "companies", id = "id", category = "category" } },
      })
      assert.is_false(engine:stats().shared.together)
      assert.is_true(is_together { adapter = adapter })
      for _, right in ipairs { "USAGE ON SCHEMA leadcat", "ALL ON ALL TABLES IN SCHEMA leadcat",
        "ALL ON ALL SEQUENCES IN SCHEMA leadcat" } do
        shared.run(pool, "GRANT " .. right .. " TO clerk")
      end
      shared.run(pool, "REVOKE UPDATE ON companies FROM clerk")
      local opened, message, code = open_with(nil, { shared = url:gsub("leadcat@", "clerk@") })
      assert.is_nil(opened)
      assert.equal("conflict", code)
      assert.truthy(message:find("the user of `shared` cannot change them: ", 1, true))
      assert.truthy(message:find("permission denied for table companies", 1, true))
    end)

    it("as long as the host does what leadcat.host.sql has made", function()
      local changed = host()
      changed.set_category = function() return true end
      local opened, message = open_with(nil, { host = changed })
      assert.is_nil(opened)
      assert.truthy(message:find("the host's function 'set_category' is another one", 1, true))
    end)

    it("with a shared store", function()
      assert.error_matches(function()
        leadcat.open { path = stores.path(), host = host() }
      end, "the host's option 'together' is for 'shared'")
      assert.error_matches(function()
        open_with(nil, { apply = "elsewhere" })
      end, "not with apply = \"elsewhere\"")
    end)
  end)

  if not rawget(_G, "jit") then -- nginx has LuaJIT in it either way
    it("change in nginx, where requests share a commit, and one that is refused keeps no other from it", function()
      open()
      shared.run(pool, "ALTER TABLE companies ADD CHECK (id <> 9 OR category = 1)")
      local directory = server.directory()
      local nginx = assert(server.start(directory, {
        workers = 1,
        http = ([[
          init_worker_by_lua_block {
            ngx.timer.at(0, function()
              engine = assert(require("leadcat").open {
                path = "%s/store", shared = "%s", durability = "primary", map_size = 2 ^ 26, recover = false,
                host = require "leadcat.host.sql" {
                  adapter = require "leadcat.host.sql.pg" { url = "%s" }, together = true,
                  companies = { table = "companies", id = "id", category = "category", set = "version = version + 1" },
                },
              })
            end)
          }
        ]]):format(directory, url, url),
        server = [[
          location /ready { content_by_lua_block { ngx.print(engine and "yes" or "no") } }
          location /run {
            content_by_lua_block {
              local threads, statuses = {}, {}
              for i = 1, 20 do
                threads[i] = ngx.thread.spawn(function()
                  local outcome, message = engine:handle { trigger = "sale_won", company = i, id = "n" .. i }
                  statuses[i] = outcome and outcome.status or message
                end)
              end
              for i = 1, 20 do
                ngx.thread.wait(threads[i])
              end
              ngx.print(table.concat(statuses, " "))
            }
          }
        ]],
      }))
      repeat
        core.sleep(0.05)
      until select(2, nginx:request("GET", "/ready")) == "yes"
      local _, body = nginx:request("POST", "/run", { body = "" })
      nginx:stop()
      assert.equal(("updated "):rep(8) .. "failed" .. (" updated"):rep(11), body)
      assert.same({ 19, START }, { value "SELECT count(*) FROM companies WHERE category = 3", category(9) })
      assert.equal(19, value "SELECT count(*) FROM changed")
    end)
  end

  it("lose and double nothing when nodes are killed while somebody else changes them, too", function()
    open()
    local directory, rounds, nodes = stores.path(), times(5), 4
    assert(lfs.mkdir(directory))
    local outsider = processes.launch("same_database.lua", url, directory .. "/outsider", 0, directory .. "/acks.0")
    local kills = 0
    for round = 1, rounds do
      local running = {}
      for i = 1, nodes do
        local number = round * nodes + i
        running[i] = processes.launch("same_database.lua", url, directory .. "/node" .. i, number,
          directory .. "/acks." .. number)
      end
      core.sleep(0.2 + math.random() * 0.3)
      for i = 1, nodes do
        kills = kills + (processes.kill(running[i]) and 1 or 0)
      end
    end
    processes.kill(outsider)
    assert.equal(rounds * nodes, kills)
    assert.equal(0, engine:stats().unfinished) -- nothing was ever begun and not ended
    assert.equal(0, value "SELECT count(*) FROM leadcat_applied")
    -- Each entry that says `updated` has its change, in its transaction, and each change by leadcat its entry.
    local made, count = {}, 0
    for _, row in ipairs(shared.run(pool, "SELECT tx, id, came_from, went_to, by FROM changed ORDER BY number")) do
      if row[5] == "leadcat" then
        local key = ("%s %d %d %d"):format(row[1], row[2], row[3], row[4])
        made[key], count = (made[key] or 0) + 1, count + 1
      end
    end
    local transactions = {}
    for _, row in ipairs(shared.run(pool, "SELECT entry, xmin::text FROM leadcat.entry")) do
      transactions[row[1]] = row[2]
    end
    local updated, others = 0, 0
    for _, entry in ipairs(assert(engine._store:history("", nil, nil, nil, 1000000))) do
      if entry.status == "updated" then
        local key = ("%s %s %d %d"):format(transactions[entry.entry], entry.company, entry.from, entry.to)
        assert.truthy((made[key] or 0) > 0, key)
        made[key], updated = made[key] - 1, updated + 1
      else
        others = others + 1
        assert.is_true(entry.status ~= "applying" and entry.status ~= "failed", entry.status)
      end
    end
    assert.equal(count, updated)
    assert.is_true(updated > rounds * nodes)
    -- What was acknowledged is there, an id has one entry.
    local acks, entries = 0, {}
    for number = 1, (rounds + 1) * nodes do
      local file = io.open(directory .. "/acks." .. number)
      for id, entry in (file and file:read "*a" or ""):gmatch "ack (%S+) (%d+)\n" do
        acks = acks + 1
        assert.equal(entries[id] or entry, entry)
        entries[id] = entry
        assert.equal(entry, ("%.0f"):format(assert(engine._store:seen("", id)).entry))
      end
      if file then
        file:close()
      end
    end
    assert.is_true(acks > rounds * nodes)
    -- The chain of each company is unbroken, and ends where the company is.
    local at = {}
    for _, row in ipairs(shared.run(pool, "SELECT id, came_from, went_to FROM changed ORDER BY number")) do
      assert.equal(at[row[1]] or START, row[2])
      at[row[1]] = row[3]
    end
    assert.is_true(value "SELECT count(*) FROM changed WHERE by <> 'leadcat'" > 0)
  end)
end)
