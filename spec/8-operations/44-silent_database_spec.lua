--- A database that is silent costs one call its time. From then on calls are `unavailable` at once, deciding goes on, and one
-- call at a time finds out whether it is back.

local breakers = require "leadcat.store.pg.breaker"
local core = require "leadcat.core"
local databases = require "support.databases"
local pg = require "leadcat.store.pg"
local processes = require "support.processes"
local server = require "nginx.server"
local shared = require "support.shared"
local socket = require "leadcat.util.socket"
local stores = require "support.stores"

if os.getenv "LEADCAT_SLOW" then
  return
end

local LEAD, CUSTOMER, LOST = 1, 5, 7

-- Counts the calls of a function of a table while `work` runs.
local function counted(owner, name, work)
  local own, real, count = rawget(owner, name), owner[name], 0
  owner[name] = function(...)
    count = count + 1
    return real(...)
  end
  local ok, message = pcall(work)
  owner[name] = own
  assert(ok, message)
  return count
end

describe("a server that was silent", function()
  local process, host

  setup(function()
    host = { host = "127.0.0.1", port = server.free_port() }
    process = processes.launch("../servers/postgresql.lua", host.port)
  end)
  teardown(function()
    processes.kill(process)
  end)

  it("is left alone, asked for a sign, and then tried by one", function()
    local breaker = breakers.new(15)
    assert.is_true(breaker:allows(host))
    breaker:note(host, 2)
    assert.same({ false, "has not answered, and is left alone for 0.5 s" }, { breaker:allows(host) })
    core.forward(0.5)
    assert(server.wait_for(function() return (breaker:allows(host)) end)) -- it gives one
    assert.is_false((breaker:allows(host)))
    core.forward(10)
    assert.is_false((breaker:allows(host))) -- that one is still at it
    core.forward(5)
    assert(server.wait_for(function() return (breaker:allows(host)) end)) -- and was killed
    breaker:note(host, nil)
    assert.is_true(breaker:allows(host))
    assert.is_true(breaker:allows(host))
  end)

  it("is not left alone when it fails soon, or answers with an error", function()
    local breaker = breakers.new(15)
    breaker:note(host, 0.3)
    assert.is_true(breaker:allows(host))
    breaker:note(host, 2)
    assert.is_false((breaker:allows(host)))
    breaker:note(host, 0.3) -- another call has found out that it refuses
    assert.is_true(breaker:allows(host))
  end)

  it("that is gone for good is tried, since that costs nothing", function()
    local gone = { host = "127.0.0.1", port = server.free_port() }
    for _, address in ipairs { gone, { path = "/nowhere/at/all" } } do
      local breaker = breakers.new(15)
      breaker:note(address, 2)
      core.forward(0.5)
      assert(server.wait_for(function() return (breaker:allows(address)) end))
    end
  end)

  it("is waited for without work", function()
    local pool = pg.pool(("postgresql://mute@127.0.0.1:%d/crm"):format(host.port), { timeout = 1 })
    local looks = counted(core, "uptime", function() -- at how much time is left
      assert.equal("unavailable", select(3, pool:run(pg.statement "SELECT 1")))
    end)
    assert.is_true(looks < 100, looks)
  end)

  it("is left alone for longer each time that whoever tries it waits in vain", function()
    local breaker, pauses = breakers.new(15), {}
    for i = 1, 6 do
      breaker:note(host, 2)
      pauses[i] = breaker.resting[host].pause
      core.forward(pauses[i])
      assert(server.wait_for(function() return (breaker:allows(host)) end))
    end
    assert.same({ 0.5, 1, 2, 4, 8, 8 }, pauses)
  end)
end)

describe("a database that is frozen", function()
  local url, engine, other, database

  before_each(function()
    database = databases.get "postgresql"
    url = shared.database()
    engine, other = shared.open(url, { recover = false }), shared.open(url, { recover = false })
    assert(engine:save(stores.config { sale_won = CUSTOMER }))
    assert(engine.host:create("Acme", LEAD))
    databases.signal(database, "STOP")
  end)
  after_each(function()
    databases.signal(database, "CONT")
    engine:close()
    other:close()
    shared.close()
    stores.check()
  end)
  teardown(databases.stop)

  local function decide()
    local _, to = engine:decide("sale_won", LEAD)
    return to
  end

  local function come_back()
    databases.signal(database, "CONT")
    assert(server.wait_for(function() return other:save(stores.config { sale_won = LOST }, { revision = 1 }) end))
    assert(server.wait_for(function() return decide() == LOST end))
    local outcome, message
    assert(server.wait_for(function()
      outcome, message = engine:handle { trigger = "sale_won", company = "Acme", id = "a" }
      return outcome
    end), message)
    assert.equal("updated", outcome.status)
  end

  -- How often a session was taken and an answer read, and how often it was asked for a sign.
  local function traffic(work)
    local connections, signs = 0, nil
    local sent = counted(require "leadcat.store.pg.reply", "read", function()
      connections = counted(socket, "connect", function()
        signs = counted(socket, "probe", work)
      end)
    end)
    return sent + connections, signs
  end

  it("costs one call its time; then whoever decides goes on, and whoever writes is told at once", function()
    core.forward(0.3)
    assert.is_true(traffic(function() assert.equal(CUSTOMER, decide()) end) > 0)
    assert.equal(0, traffic(function()
      for i = 1, 50 do
        assert.equal(CUSTOMER, decide())
        local outcome, message, code = engine:handle { trigger = "sale_won", company = "Acme", id = "e" .. i }
        assert.same({ nil, "unavailable" }, { outcome, code })
        assert.truthy(message:find "has not answered, and is left alone for")
        assert.equal("unavailable", select(3, engine:history {}))
      end
    end))
    assert.equal(0, engine._store.unknown) -- nothing was sent
    come_back()
  end)

  it("is asked for a sign ever more seldom, one at a time, and never for more", function()
    core.forward(0.3)
    decide()
    local gaps, last = {}, 0
    for tenth = 1, 250 do
      core.forward(0.1)
      local sent, signs = traffic(function()
        assert.equal(CUSTOMER, decide())
        engine:history {}
      end)
      assert.equal(0, sent)
      if signs > 0 then
        assert.equal(1, signs)
        gaps[#gaps + 1], last = tenth - last, tenth
      end
    end
    assert.is_true(#gaps >= 4 and #gaps <= 6, #gaps)
    for i = 2, 4 do
      assert.is_true(gaps[i] > gaps[i - 1] * 1.4, table.concat(gaps, " "))
    end
    come_back()
  end)
end)

describe("in nginx, a database that is frozen", function()
  if rawget(_G, "jit") then
    return -- nginx has LuaJIT in it either way
  end
  local database, directory, nginx

  setup(function()
    database, directory = databases.get "postgresql", server.directory()
    nginx = assert(server.start(directory, {
      workers = 1,
      http = ([[init_worker_by_lua_block {
        local pg = require "leadcat.store.pg"
        one = pg.statement "SELECT 1"
        pool = pg.pool("postgresql://leadcat@127.0.0.1:%d/crm?connect_timeout=1", { size = 4, timeout = 1 })
      }]]):format(database.port),
      server = [[location /one {
        content_by_lua_block {
          local result, message = pool:run(one)
          ngx.print(result and result[1][1] or message)
        }
      }]],
    }))
  end)
  teardown(function()
    nginx:stop()
    databases.stop()
    os.execute("rm -rf " .. directory)
  end)

  local function ask()
    return select(2, nginx:request("GET", "/one"))
  end

  it("is left alone by all requests but one", function()
    assert.equal("1", ask())
    databases.signal(database, "STOP")
    assert.matches("it took too long$", ask())
    local alone = 0
    for _ = 1, 40 do
      alone = alone + (ask():find "is left alone for" and 1 or 0)
    end
    databases.signal(database, "CONT")
    assert.equal(40, alone)
    assert(server.wait_for(function() return ask() == "1" end))
    assert.is_nil(nginx:log():find("aborted", 1, true), nginx:log())
  end)
end)
