--- In nginx the events of a worker's requests go to a shared store together, and one process of a node looks for rules. On Lua
-- 5.4 only, since nginx has LuaJIT in it either way.

if rawget(_G, "jit") or os.getenv "LEADCAT_SLOW" then
  return
end

local core = require "leadcat.core"
local databases = require "support.databases"
local json = require "leadcat.util.json"
local server = require "nginx.server"
local shared = require "support.shared"
local socket = require "socket"
local stores = require "support.stores"

local LEAD, CUSTOMER, LOST = 1, 5, 7

describe("in nginx, a shared store", function()
  local url, pool, nginx, directory, node

  -- What a worker of nginx does for a request: Lua code in which `engine` is the node's.
  local SERVER = [[
    location /ping { return 200 pong; }
    location /decide {
      content_by_lua_block {
        local engine = package.loaded["spec.node"]
        if not engine then
          return ngx.exit(503)
        end
        ngx.print((select(2, engine:decide("sale_won", 1))))
      }
    }
    location /run {
      content_by_lua_block {
        ngx.req.read_body()
        local made = assert(loadstring("local engine, json, id, company = ... " .. ngx.req.get_body_data()))
        ngx.print(tostring(select(2, pcall(made, package.loaded["spec.node"], require "leadcat.util.json",
          ngx.var.arg_id, ngx.var.arg_company))))
      }
    }
  ]]

  local function start(options)
    directory = server.directory()
    nginx = assert(server.start(directory, {
      workers = options.workers or 1, server = SERVER,
      http = ([[init_worker_by_lua_block {
        require("leadcat.store.sql.writers").PATIENCE = %s
        assert(ngx.timer.at(0, function() -- a worker connects to nothing before it has started
          package.loaded["spec.node"] = assert(require("leadcat").open {
            path = "%s/store", shared = "%s", durability = "primary", map_size = 64 * 1024 * 1024, recover = false,
            queue = %s,
          })
        end))
      }]]):format(options.patience or 10, directory, url, options.queue or 1000),
    }))
    local ready = 0 -- often enough for any worker
    assert(server.wait_for(function()
      ready = nginx:request("GET", "/decide") == 200 and ready + 1 or 0
      return ready == 20
    end))
  end

  before_each(function()
    url, pool = shared.database()
    node = shared.open(url, { recover = false })
    assert(node:save(stores.config { sale_won = CUSTOMER, sale_lost = LOST }))
  end)
  after_each(function()
    if nginx then
      nginx:stop()
      assert.is_nil(nginx:log():find("aborted", 1, true), nginx:log())
      os.execute("rm -rf " .. directory)
      nginx = nil
    end
    node:close()
    shared.close()
    stores.check()
  end)
  teardown(databases.stop)

  local HANDLE = [[
    local outcome, message, code = engine:handle { trigger = "sale_won", company = company, id = id }
    local failure = { code = code, message = message }
    return json.encode(outcome and { status = outcome.status, entry = outcome.entry } or failure)
  ]]

  -- Sends a request without waiting for its answer: a function that does.
  local function send(code, query)
    local client = assert(socket.connect("127.0.0.1", nginx.port))
    client:settimeout(30)
    assert(client:send(("POST /run?%s HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s"):format(query or "", #code, code)))
    return function()
      local answer = assert(client:receive "*a")
      client:close()
      return answer:match "\r\n\r\n(.*)$"
    end
  end

  local function event(id, company)
    return send(HANDLE, ("id=%s&company=%s"):format(id, company))
  end

  local function run(code)
    return send(code)()
  end

  local function queue()
    return json.decode(run "return json.encode(engine._store.writers:state())")
  end

  local function create(count)
    for i = 1, count do
      assert(node.host:create("c" .. i, LEAD))
    end
  end

  it("handles many events at once, each company and id once, in few statements", function()
    create(40)
    start {}
    local waits, entries, statuses = {}, {}, {}
    for i = 1, 120 do -- each id twice, three companies of four twice
      waits[i] = event("e" .. (i - 1) % 60, "c" .. (i - 1) % 60 % 40 + 1)
    end
    for i = 1, 120 do
      local answer = json.decode(waits[i]())
      local status, entry = answer.status, answer.entry
      assert.is_nil(answer.message)
      statuses[status] = (statuses[status] or 0) + 1
      local id = (i - 1) % 60
      if entry then
        assert.equal(entries[id] or entry, entry)
        entries[id] = entry
      end
    end
    assert.equal(40, statuses.updated)
    local written = shared.run(pool, "SELECT count(*), count(DISTINCT event_id), count(DISTINCT company) "
      .. "FROM leadcat.entry")
    assert.same({ 40, 40, 40 }, { written[1][1], written[1][2], written[1][3] })
    local state = queue()
    assert.equal(0, state.waiting)
    assert.is_true(state.events >= 120)
    assert.is_true(state.statements < state.events / 2)
    local told = {}
    for name, value in run("return engine:metrics()"):gmatch "leadcat_shared_queue_([%w_]+){[^}]*} (%d+)\n" do
      told[name] = tonumber(value)
    end
    assert.same({ waiting = 0, most = 1000, statements_total = state.statements, events_total = state.events,
      refused_total = 0 }, told)
  end)

  it("looks once for an event alone, and writes once", function()
    create(1)
    start {}
    run [[
      local store = engine._store
      local plain = store.run
      store.polls_at, store.runs = math.huge, 0
      store.run = function(self, ...)
        self.runs = self.runs + 1
        return plain(self, ...)
      end
      return true
    ]]
    core.sleep(0.5) -- a look for rules that was under way is over
    run "engine._store.runs = 0 return true"
    assert.equal("updated", json.decode(event("a", "c1")()).status)
    assert.equal("2", run "return engine._store.runs")
  end)

  it("that is frozen makes events unavailable within their time, and no page waits", function()
    create(8)
    start { patience = 1, queue = 5 }
    assert.equal("updated", json.decode(event("a", "c1")()).status)
    local database = databases.get "postgresql"
    databases.signal(database, "STOP")
    local waits = {}
    for i = 2, 3 do -- one for each writer
      waits[#waits + 1] = event("b" .. i, "c" .. i)
      core.sleep(0.1)
    end
    for i = 1, 12 do
      waits[#waits + 1] = event("d" .. i, "c" .. i)
    end
    local slowest = 0
    for _ = 1, 20 do -- while it would be time to look for rules several times
      local asked = core.uptime()
      assert.equal(tostring(CUSTOMER), select(2, nginx:request("GET", "/decide")))
      slowest = math.max(slowest, core.uptime() - asked)
      core.sleep(0.05)
    end
    local texts = { unknown = 0, full = 0, busy = 0 }
    for _, wait in ipairs(waits) do
      local answer = json.decode(wait())
      assert.equal("unavailable", answer.code)
      local kind = answer.message:find "nobody knows" and "unknown" or answer.message:find "as many as may" and "full"
        or "busy"
      texts[kind] = texts[kind] + 1
    end
    databases.signal(database, "CONT")
    assert.equal(14, texts.unknown + texts.full + texts.busy)
    assert.is_true(texts.unknown >= 1 and texts.unknown <= 2, texts.unknown) -- of two writers, one event each
    assert.is_true(texts.full >= 7, texts.full) -- five may wait
    assert.is_true(slowest < 2, slowest) -- one that looked would wait for two seconds
    assert.equal(texts.full + texts.busy, queue().refused)
    local again -- whoever was told so delivers the events again
    assert(server.wait_for(function()
      again = json.decode(event("d5", "c5")())
      return again.status == "updated"
    end), again.message)
  end)

  it("loses nothing that was acknowledged, and writes nothing twice, where the primary is killed", function()
    create(30)
    start {}
    local waits, told = {}, {}
    for i = 1, 30 do
      waits[i] = event("k" .. i, "c" .. i)
      if i == 15 then
        databases.restart(databases.get "postgresql")
      end
    end
    for i = 1, 30 do
      told[i] = json.decode(waits[i]())
      assert.is_true(told[i].status == "updated" or told[i].code == "unavailable", told[i].message)
    end
    for i = 1, 30 do -- delivered again
      local last
      assert(server.wait_for(function()
        last = json.decode(event("k" .. i, "c" .. i)())
        return last.status
      end), last and last.message)
      assert.is_true(last.status == "duplicate" or told[i].status == nil and last.status == "updated", last.status)
      assert.equal(told[i].entry or last.entry, last.entry)
    end
    local written = shared.run(pool, "SELECT count(*), count(DISTINCT event_id) FROM leadcat.entry")
    assert.same({ 30, 30 }, { written[1][1], written[1][2] })
  end)

  describe("has its rules looked for by one process of the node", function()
    local function revision_by(worker)
      for _ = 1, 200 do
        local _, body, headers = nginx:request("GET", "/decide")
        if tonumber(headers["x-worker"]) == worker then
          return tonumber(body)
        end
      end
    end

    -- Who has looked, by what is written into the directory.
    local function poller()
      local file = assert(io.open(directory .. "/store/rules.poller"))
      local text = file:read "*a"
      file:close()
      return text:match "%d+"
    end

    it("after whose kill another one takes over", function()
      start { workers = 2 }
      local owners = {}
      assert(server.wait_for(function()
        local _, body, headers = nginx:request("POST", "/run", { body = "return ('%.0f'):format(engine._store.owner)" })
        owners[body] = tonumber(headers["x-worker"])
        local count = 0
        for _ in pairs(owners) do
          count = count + 1
        end
        return count == 2
      end))
      local pid
      assert(server.wait_for(function()
        pid = owners[poller()]
        return pid
      end))
      nginx:signal("KILL", pid)
      assert(node:save(stores.config { sale_won = LOST }))
      local other
      for _, worker in pairs(owners) do
        other = worker ~= pid and worker or other
      end
      assert(server.wait_for(function() return revision_by(other) == LOST end))
      assert(server.wait_for(function() return owners[poller()] ~= pid end))
    end)
  end)
end)
