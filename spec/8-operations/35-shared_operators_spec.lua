--- What an operator looks at of a shared store: each node says how it stands with the database, also while that is away.

local core = require "leadcat.core"
local databases = require "support.databases"
local health = require "leadcat.operations.health"
local json = require "leadcat.util.json"
local shared = require "support.shared"
local stores = require "support.stores"

if os.getenv "LEADCAT_SLOW" then
  return
end

describe("a node of a shared store", function()
  local url, pool, engine

  teardown(databases.stop)
  before_each(function()
    url, pool = shared.database()
    engine = shared.open(url, { recover = false })
  end)
  after_each(function()
    engine:close()
    shared.close()
    stores.check()
  end)

  -- The metrics of this process, by name.
  local function metrics()
    local found = {}
    for name, process, value in assert(engine:metrics()):gmatch 'leadcat_shared_([%w_]+){process="(%d+)"} (%S+)\n' do
      assert.equal(core.process(), tonumber(process))
      found[name] = tonumber(value)
    end
    return found
  end

  it("tells that it reaches the primary, how old its rules are, and of its commits and connections", function()
    assert(engine:save(stores.config { sale_won = 5 }))
    assert(engine.host:create("Acme", 1))
    local before = metrics()
    assert(engine:handle { trigger = "sale_won", company = "Acme", id = "a" })
    local now = metrics()
    assert.same({ 1, 0, 0, 0, 0, 0 }, { now.primary_reached, now.rules_behind, now.unknown_total, now.overtaken_total,
      now.together, now.apart_total })
    assert.is_true(now.rules_age_seconds < 2)
    assert.is_true(now.commits_total > before.commits_total)
    assert.is_true(now.commit_seconds_total > before.commit_seconds_total)
    assert.same({ 0, 10, 0 }, { now.connections_used, now.connections_most, now.connections_waiting })
    assert.is_true(now.connections_idle > 0)
    assert.truthy(assert(engine:metrics()):find('leadcat_journal_entries 1\n', 1, true))
  end)

  it("counts writes before which others were, and those whose end nobody knows", function()
    assert(engine:save(stores.config { sale_won = 5 }))
    assert(engine.host:create("Acme", 1))
    local look, looks = engine._store.run, 0
    engine._store.run = function(self, statement, params, writes, further) -- somebody is first, once
      if writes and statement.sql:find("INSERT INTO leadcat.entry", 1, true) and looks == 0 then
        looks = 1
        shared.run(pool, "UPDATE leadcat.company SET version = version + 1")
      end
      return look(self, statement, params, writes, further)
    end
    assert.equal("updated", assert(engine:handle { trigger = "sale_won", company = "Acme", id = "a" }).status)
    engine._store.run = nil
    assert.equal(1, metrics().overtaken_total)
    shared.run(pool, [[CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(3);
      RETURN NEW; END $$]])
    shared.run(pool, "CREATE TRIGGER slow BEFORE INSERT ON leadcat.entry FOR EACH ROW EXECUTE FUNCTION slow()")
    assert(engine.host:create("Bolt", 1))
    for _, connection in ipairs(engine._store.database.idle) do
      connection.timeout = 0.5
    end
    local _, _, code = engine:handle { trigger = "sale_won", company = "Bolt", id = "b" }
    assert.equal("unavailable", code)
    assert.equal(1, metrics().unknown_total)
  end)

  it("says what it can while the database is away, and the worker's health is that it fails", function()
    local run = { tasks = {}, works = { { engine = engine, name = "crm" } } }
    local status, body = health.respond(run, "/health")
    assert.same({ 200, true }, { status, json.decode(body).shared[1].primary })
    databases.shut_down(databases.get "postgresql")
    assert.is_nil(engine:handle { trigger = "sale_won", company = "Acme", category = 1, id = "a" })
    core.sleep(0.3)
    local away = metrics()
    assert.equal(0, away.primary_reached)
    assert.is_true(away.rules_age_seconds > 0.25)
    assert.is_nil(assert(engine:metrics()):find("leadcat_journal_entries", 1, true))
    status, body = health.respond(run, "/health")
    assert.equal(503, status)
    local report = json.decode(body).shared[1]
    assert.is_false(report.primary)
    assert.truthy(report.problem:find "127.0.0.1")
    databases.restart(databases.get "postgresql")
    repeat
      core.sleep(0.1)
      away = metrics()
    until away.primary_reached == 1
    assert.is_true(away.rules_age_seconds < 2)
  end)

  it("is copied by the database's own tools", function()
    local done, message, code = engine:backup(stores.path())
    assert.same({ nil, "unavailable" }, { done, code })
    assert.truthy(message:find("pg_dump --schema=leadcat", 1, true))
  end)
end)
