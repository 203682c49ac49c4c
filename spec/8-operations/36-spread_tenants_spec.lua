--- Tenants of a shared store in databases of their own: each has its rules and journal there, and one whose database is away
-- harms no other.

local core = require "leadcat.core"
local crm = require "support.crm"
local databases = require "support.databases"
local leadcat = require "leadcat"
local lfs = require "lfs"
local shared = require "support.shared"
local stores = require "support.stores"

if os.getenv "LEADCAT_SLOW" then
  return
end

describe("tenants that are spread over databases", function()
  local one, two, one_pool, two_pool, engine, path

  teardown(databases.stop)
  before_each(function()
    one, one_pool = shared.database()
    two, two_pool = shared.database()
    path = stores.path()
    assert(lfs.mkdir(path))
  end)
  after_each(function()
    if engine then
      engine:close()
    end
    engine = nil
    shared.close()
    stores.check()
  end)

  local function open(options)
    local all = {
      path = path,
      shared = function(tenant)
        if tenant == "nowhere" then
          error "who is that"
        end
        return tenant == "b" and two or tenant ~= "away" and one
          or "postgresql://leadcat@127.0.0.1:1/x?sslmode=disable"
      end,
    }
    for name, value in pairs(options or {}) do
      all[name] = value
    end
    engine = shared.open(all.shared, all)
    return engine
  end

  local function count(pool, tenant)
    return shared.run(pool, ("SELECT count(*) FROM leadcat.entry WHERE tenant = '%s'"):format(tenant))[1][1]
  end

  local function win(tenant, company)
    return engine:tenant(tenant):handle { trigger = "sale_won", company = company, id = company }
  end

  it("have their rules, companies and journals where they belong", function()
    open()
    for tenant, target in pairs { a = 3, b = 4 } do
      assert(engine:tenant(tenant):save(stores.config { sale_won = target, sale_lost = { 2, ask = true } }))
      assert(engine:tenant(tenant).host:create("Acme", 1))
      assert.equal(target, assert(win(tenant, "Acme")).to)
      assert.equal(target, select(2, engine:tenant(tenant):decide("sale_won", 1)))
      assert.equal(target, select(2, engine:tenant(tenant):decider()("sale_won", 1)))
      local asked = assert(engine:tenant(tenant):handle { trigger = "sale_lost", company = "Acme", id = "asks" })
      assert(engine:tenant(tenant):resolve(asked.confirmation, { accept = true }))
      assert.equal(3, #assert(engine:tenant(tenant):history()))
    end
    assert.same({ 3, 0, 0, 3 }, { count(one_pool, "a"), count(one_pool, "b"), count(two_pool, "a"),
      count(two_pool, "b") })
    local preview = assert(engine:tenant "b":backfill({ { trigger = "sale_won", company = "Acme", id = "p", at = 1 } },
      { preview = true }))
    assert.equal(1, preview.events)
    assert.truthy(assert(engine:tenant "b":metrics()):find("leadcat_journal_entries 3\n", 1, true))
    local stats = engine:stats()
    assert.same({ 0, true, 20 }, { stats.unfinished, stats.shared.primary, stats.shared.connections.size })
  end)

  it("are maintained wherever they are", function()
    local host = crm.new { Acme = 1 }
    function host.set_category() return nil, "not now" end
    open { host = host }
    for _, tenant in ipairs { "a", "b" } do
      assert(engine:tenant(tenant):save(stores.config { sale_won = 3 }))
      assert.equal("failed", assert(win(tenant, "Acme")).status)
    end
    for _, pool in ipairs { one_pool, two_pool } do
      shared.run(pool, "UPDATE leadcat.company SET deadline = 0, retry_at = 0")
    end
    host.set_category = function() return true end
    assert.equal(2, assert(engine:maintain()).finished)
    assert.equal(0, engine:stats().unfinished)
  end)

  it("go on where another one's database is away, or is not known", function()
    open()
    for _, tenant in ipairs { "away", "nowhere" } do
      local there = engine:tenant(tenant)
      local _, message, code = there:handle { trigger = "sale_won", company = "Acme" }
      assert.equal("unavailable", code, message)
      assert.equal("unavailable", select(3, there:decide("sale_won", 1)))
      assert.equal("unavailable", select(3, there:decider()("sale_won", 1)))
      assert.equal("unavailable", select(3, there:save(stores.config { sale_won = 3 })))
    end
    assert(engine:tenant "a":save(stores.config { sale_won = 3 }))
    assert(engine:tenant "a".host:create("Acme", 1))
    assert.equal("updated", assert(win("a", "Acme")).status)
    assert(engine:flush())
    assert(engine:maintain())
    assert.is_true(engine:probe())
  end)

  it("have own triggers by the numbers of their own database", function()
    local first = shared.open(two, { triggers = { { trigger = "renewed" } } })
    first:close()
    open { triggers = { { trigger = "churned" }, { trigger = "renewed" } } }
    for _, tenant in ipairs { "a", "b" } do
      assert(engine:tenant(tenant):save(stores.config { churned = 2, renewed = 3 }))
      assert.equal(2, select(2, engine:tenant(tenant):decide("churned", 1)))
      assert.equal(3, select(2, engine:tenant(tenant):decide("renewed", 1)))
    end
  end)

  it("wait a moment before a database that could not be opened is tried again", function()
    local asked = 0
    open { shared = function()
      asked = asked + 1
      return one
    end }
    local begun = core.uptime()
    shared.run(one_pool, "ALTER TABLE leadcat.meta RENAME TO hidden")
    assert.equal("unavailable", (select(3, engine:tenant "a":config())))
    shared.run(one_pool, "ALTER TABLE leadcat.hidden RENAME TO meta")
    while not engine:tenant "a":config() do
      core.sleep(0.05)
      assert.is_true(core.uptime() < begun + 20)
    end
    assert.is_true(core.uptime() - begun > 0.9)
    assert.is_true(asked <= 2) -- once for each tenant
  end)

  it("take a function, or a text", function()
    assert.error_matches(function() leadcat.open { path = path, shared = 17 } end, "a connection string")
  end)
end)
