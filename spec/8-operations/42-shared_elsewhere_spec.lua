--- What is meant for one database of a shared store is not written into another one in its place; and the databases of a spread
-- store's tenants are maintained by a node that was restarted, though nothing has come for them.

local crm = require "support.crm"
local databases = require "support.databases"
local lfs = require "lfs"
local shared = require "support.shared"
local stores = require "support.stores"

local LEAD, CUSTOMER = 1, 5

if os.getenv "LEADCAT_SLOW" then
  return
end

describe("another database in the place of the one that a node knows", function()
  local engine, pool, url

  before_each(function()
    url, pool = shared.database()
    engine = shared.open(url, { recover = false })
    assert(engine:save(stores.config { sale_won = CUSTOMER }))
    assert(engine.host:create("Acme", LEAD))
  end)
  after_each(function()
    engine:close()
    shared.close()
    stores.check()
  end)
  teardown(databases.stop)

  local function count(rows)
    return shared.run(pool, "SELECT count(*) FROM leadcat." .. rows)[1][1]
  end

  local WRITES = {
    { "a company", "company WHERE company = 'Beta'", "unavailable",
      function() return engine.host:create("Beta", LEAD) end },
    { "a company's category", "company WHERE category = 5", "unavailable",
      function() return engine._store:set_category("", "Acme", CUSTOMER, LEAD) end },
    { "counters", "counter WHERE name = 'test'", "unavailable",
      function() return engine._store:add { { tenant = "", name = "test", value = 1 } } end },
    { "rules", "config WHERE revision = 2", "unavailable",
      function() return engine:save(stores.config { sale_won = LEAD }) end },
  }
  for _, write in ipairs(WRITES) do
    it("takes no " .. write[1] .. " before the node has its rules", function()
      shared.run(pool, "UPDATE leadcat.meta SET value = value + 1 WHERE name = 'cluster'")
      local done, message, code = write[4]()
      assert.same({ false, write[3] }, { done or false, code }, message)
      assert.equal(0, count(write[2]))
      assert(write[4]())
      assert.equal(1, count(write[2]))
    end)
  end
end)

describe("databases that a node has used before it was restarted", function()
  local one, two, one_pool, two_pool, path

  teardown(databases.stop)
  before_each(function()
    one, one_pool = shared.database()
    two, two_pool = shared.database()
    path = stores.path()
    assert(lfs.mkdir(path))
  end)
  after_each(function()
    shared.close()
    stores.check()
  end)

  local function open(host)
    local in_two = { ["b/ø"] = true, ["another of two"] = true }
    return shared.open(function(tenant) return in_two[tenant] and two or one end, { path = path, host = host })
  end

  it("are maintained, though none of their tenants is used", function()
    local host = crm.new { Acme = LEAD }
    function host.set_category() return nil, "not now" end
    local engine = open(host)
    for _, tenant in ipairs { "a", "b/ø", "another of one" } do
      assert(engine:tenant(tenant):save(stores.config { sale_won = CUSTOMER }))
      assert(engine:tenant(tenant):handle { trigger = "sale_won", company = "Acme" })
    end
    engine:close()
    local file = assert(io.open(path .. "/tenants", "a"))
    file:write '"what a full di'
    file:close()
    for _, pool in ipairs { one_pool, two_pool } do
      shared.run(pool, "UPDATE leadcat.company SET deadline = 0, retry_at = 0")
    end
    host.set_category = function() return true end
    engine = open(host)
    assert.equal(3, assert(engine:maintain()).finished)
    assert.equal(0, engine:stats().unfinished)
    engine:close()
    local lines = 0
    for _ in io.lines(path .. "/tenants") do
      lines = lines + 1
    end
    assert.equal(3, lines) -- one of each database
  end)

  it("are learned by a new node, from whichever it finds first", function()
    local host = crm.new { Acme = LEAD }
    function host.set_category() return nil, "not now" end
    local engine = open(host)
    for _, tenant in ipairs { "a", "b/ø" } do
      assert(engine:tenant(tenant):save(stores.config { sale_won = CUSTOMER }))
      assert(engine:tenant(tenant):handle { trigger = "sale_won", company = "Acme" })
    end
    assert(engine:maintain())
    engine:close()
    for _, pool in ipairs { one_pool, two_pool } do
      assert.equal(2, shared.run(pool, "SELECT count(*) FROM leadcat.spread")[1][1])
      shared.run(pool, "UPDATE leadcat.company SET deadline = 0, retry_at = 0")
    end
    host.set_category = function() return true end
    path = stores.path()
    assert(lfs.mkdir(path))
    engine = open(host)
    assert.equal(2, assert(engine:maintain()).finished)
    engine:close()

    path = stores.path()
    assert(lfs.mkdir(path))
    engine = open(host)
    assert(engine:tenant "another of two":config())
    assert(engine:maintain())
    engine:close()
    for _, pool in ipairs { one_pool, two_pool } do -- it has told of none that they know
      assert.equal(2, shared.run(pool, "SELECT count(*) FROM leadcat.spread")[1][1])
    end
  end)

  it("are asked for once by a node that restarts", function()
    for _, tenant in ipairs { "a", "another of one", "and a third" } do
      local engine = open()
      assert(engine:tenant(tenant):config())
      engine:close()
    end
    local lines = 0
    for _ in io.lines(path .. "/tenants") do
      lines = lines + 1
    end
    assert.equal(1, lines)
  end)
end)
