-- How a worker does: it answers on a Unix socket or a loopback port, whatever its clients do; and workers of several tenants.

local core = require "leadcat.core"
local json = require "leadcat.util.json"
local server = require "nginx.server"
local socket = require "socket"
local stores = require "support.stores"
local unix = require "socket.unix"

-- A worker with this as its file's end; its sources' steps are functions of `step(function)`.
local FILE = [[
local core, leadcat = require "leadcat.core", require "leadcat"
local function open(tenant)
  local engine = assert(leadcat.open { path = "%s", map_size = 2 ^ 26, tenant = tenant })
  assert(engine:config().revision > 0 or engine:save(leadcat.preset "superoffice"))
  return engine
end
local function idle() return { handled = 0, parked = 0, problems = 0, more = false } end
local function source(name, step, tenant) return { name = name, tenant = tenant, step = step or idle } end
%s
]]

local path, address, running

local function file(text)
  return stores.file(FILE:format(path, text), ".lua")
end

-- Starts a worker that says when its first round has begun.
local function start(text, options)
  local command = ("sh spec/support/with_lua.sh %s lua/leadcat/bin/leadcat worker %s %s"):format(
    os.getenv "LEADCAT_LUA" or "lua5.4", file(text), options or "")
  local worker = { pipe = assert(io.popen("{ " .. command .. " & echo $!; wait $!; echo status $?; } 2>&1")) }
  worker.id = worker.pipe:read "*l"
  running[#running + 1] = worker
  return worker
end

local function finish(worker, signal)
  os.execute(("kill -%s %s 2>/dev/null"):format(signal or "TERM", worker.id))
  local said = worker.pipe:read "*a"
  worker.pipe:close()
  worker.is_done = true
  return said
end

local function connect(where)
  local connection = type(where) == "number" and socket.tcp() or (type(unix) == "table" and unix.stream or unix)()
  local ok, message = connection:connect(type(where) == "number" and "127.0.0.1" or where,
    type(where) == "number" and where or nil)
  if not ok then
    connection:close()
    return nil, message
  end
  connection:settimeout(20)
  return connection
end

-- Sends a text: the status, the body, and all of the answer.
local function send(where, text)
  local connection = assert(connect(where))
  connection:send(text) -- the answer may come before all of it is sent
  local answer, _, part = connection:receive "*a"
  connection:close()
  answer = answer or part
  return tonumber(answer:match "^HTTP/1%.1 (%d+) "), answer:match "\r\n\r\n(.*)$", answer
end

local function get(where, what)
  return send(where, "GET " .. what .. " HTTP/1.1\r\nHost: localhost\r\n\r\n")
end

local function wait_for(where)
  assert(server.wait_for(function()
    local connection = connect(where)
    return connection and connection:close()
  end), "nobody listens")
end

local function task_of(body, name)
  for _, task in ipairs(json.decode(body).tasks) do
    if task.task == name then
      return task
    end
  end
end

describe("a worker's health", function()
  before_each(function()
    path, running = stores.path(), {}
    address = stores.path() .. ".sock" -- of its own each time
    assert(os.execute("mkdir -p " .. path))
  end)

  after_each(function()
    for _, worker in ipairs(running) do
      if not worker.is_done then
        finish(worker, "KILL")
      end
    end
    os.remove(address)
    os.remove(address .. ".lock")
    stores.check()
  end)

  it("is answered on a Unix socket that is its owner's alone, and gone at the end", function()
    local worker = start(("return { engine = open(), sources = { source 'sales' }, health = '%s' }"):format(address))
    wait_for(address)
    local pipe = io.popen("stat -c '%a %F' " .. address)
    assert.equal("600 socket\n", pipe:read "*a")
    pipe:close()
    local status, body = get(address, "/health")
    assert.equal(200, status)
    local found = json.decode(body)
    assert.same({ "ok", "ok", 3 }, { found.status, found.store, #found.tasks })
    local task = task_of(body, "source sales")
    assert.equal("ok", task.status)
    assert.is_true(math.abs(task.last_success - core.now()) < 60)
    assert.equal("status 0\n", finish(worker))
    assert.is_nil(connect(address))
    assert.is_nil((io.popen("ls " .. address .. " 2>/dev/null"):read "*l"))
  end)

  it("is answered on a port of 127.0.0.1, which the command line may name instead", function()
    local port = server.free_port()
    local worker = start("return { engine = open(), health = 1 }", "--health " .. port)
    wait_for(port)
    local status, body = get(port, "/metrics")
    assert.equal(200, status)
    assert.matches("# TYPE leadcat_worker_runs_total counter\nleadcat_worker_runs_total{task=\"changes\"} %d+\n", body)
    assert.matches("leadcat_journal_entries 0\n", body)
    local second = start("return { engine = open() }", "--health " .. port)
    assert.matches(("^leadcat: cannot listen on %d: address already in use\nstatus 1\n$"):format(port),
      second.pipe:read "*a")
    second.pipe:close()
    second.is_done = true
    assert.equal("status 0\n", finish(worker))
  end)

  it("says what fails, since when, and what was done", function()
    start(([[return { engine = open(), health = '%s', sources = {
      source("crm", function() return nil, 'no "crm"' end),
      source("sales", function(self)
        self.steps = (self.steps or 0) + 1
        return { handled = self.steps < 3 and 2 or 0, parked = 1, problems = 0, lag = 7.5, error = "row 3: what?" }
      end),
      source("spare", function() return { handled = 0, is_waiting = true } end),
    } }]]):format(address))
    wait_for(address)
    local status, body
    server.wait_for(function()
      status, body = get(address, "/health")
      return task_of(body, "source sales").last_work and task_of(body, "source crm").error
        and task_of(body, "source spare").status == "waiting"
    end)
    local crm, sales = task_of(body, "source crm"), task_of(body, "source sales")
    assert.same({ 503, "failing", 'no "crm"' }, { status, crm.status, crm.error })
    assert.is_true(crm.since <= core.now() and crm.since > core.now() - 60)
    assert.same({ "ok", "row 3: what?", 7.5 }, { sales.status, sales.warning, sales.lag })
    local text = select(2, get(address, "/metrics"))
    for _, line in ipairs {
      'done_total{task="source sales",what="handled"} 4', 'parked{task="source sales"} 1',
      'failures_total{task="source crm"} %d+', 'lag_seconds{task="source sales"} 7.5',
      'failing_since_seconds{task="source crm"} %d+%.?%d*',
    } do
      assert.matches("\nleadcat_worker_" .. line .. "\n", text)
    end
    assert.not_matches('last_success_seconds{task="source crm"}', text)
  end)

  for _, row in ipairs {
    { "another path", "GET /other HTTP/1.1\r\n\r\n", 404, "there are /health and /metrics\n" },
    { "a query", "GET /health?x=1 HTTP/1.0\r\n\r\n", 200, '"status": "ok"' },
    { "only the head", "HEAD /health HTTP/1.1\r\n\r\n", 200, "^$" },
    { "another method", "POST /health HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 405, "GET only\n" },
    { "what is no HTTP", "hello\r\n\r\n", 400, "no request" },
    { "too long a head", "GET / HTTP/1.1\r\nX: " .. ("x"):rep(9000), 431, "too long" },
  } do
    it("may be asked for " .. row[1], function()
      start(("return { engine = open(), health = '%s' }"):format(address))
      wait_for(address)
      local status, body = send(address, row[2])
      assert.equal(row[3], status)
      assert.matches(row[4], body)
    end)
  end

  it("is answered between two tasks; no client holds the worker up, and none the others", function()
    local count = stores.path() .. ".count"
    local worker = start(([[return { engine = open(), health = '%s', sources = { source("busy", function()
      core.sleep(0.01)
      local file = io.open("%s", "a")
      file:write "."
      file:close()
      return { handled = 1, more = true }
    end) } }]]):format(address, count))
    wait_for(address)
    local idle = {}
    for i = 1, 40 do -- more than it keeps, and none says all that it should
      idle[i] = assert(connect(address))
      idle[i]:send(i % 2 == 0 and "GET /health HT" or "")
    end
    local function steps()
      local written = io.open(count, "a")
      local size = written:seek "end"
      written:close()
      return size
    end
    local before = steps()
    assert.equal(200, (get(address, "/health")))
    assert(server.wait_for(function() return steps() > before + 20 end), "the worker waits for its clients")
    for _, connection in ipairs(idle) do
      connection:settimeout(20)
      connection:receive "*a" -- it is closed in the end
      connection:close()
    end
    os.remove(count)
    assert.equal("status 0\n", finish(worker))
  end)

  it("takes over the socket of a killed worker, and not that of a living one", function()
    local text = ("return { engine = open(), health = '%s' }"):format(address)
    local first = start(text)
    wait_for(address)
    local second = start(text)
    assert.equal(("leadcat: cannot listen on %s: another process listens there\nstatus 1\n"):format(address),
      second.pipe:read "*a")
    second.pipe:close()
    second.is_done = true
    assert.equal(200, (get(address, "/health")))
    finish(first, "KILL")
    assert.is_nil(connect(address))
    local third = start(text)
    wait_for(address)
    assert.equal(200, (get(address, "/health")))
    assert.equal("status 0\n", finish(third))
  end)

  it("leaves a file alone that is no socket", function()
    assert(io.open(address, "w")):close()
    local worker = start(("return { engine = open(), health = '%s' }"):format(address))
    assert.matches("there is a file already, which is no socket\nstatus 1\n$", worker.pipe:read "*a")
    worker.pipe:close()
    worker.is_done = true
    assert(io.open(address)):close()
  end)

  it("does not keep a worker from ending", function()
    local worker = start(("return { engine = open(), health = '%s' }"):format(address))
    wait_for(address)
    core.sleep(0.2)
    local before = core.uptime()
    assert.equal("status 0\n", finish(worker))
    assert.is_true(core.uptime() - before < 0.9)
  end)
end)

describe("a worker of several tenants", function()
  before_each(function()
    path, running = stores.path(), {}
    assert(os.execute("mkdir -p " .. path))
  end)

  after_each(stores.check)

  it("has each source's events for its tenant", function()
    local output, errors, status = stores.leadcat("worker", "--once", "--verbose", file [[
      local engine = open()
      local function step(self, given)
        self.count = (self.count or 0) + 1
        assert(given == (self.tenant and engine:tenant(self.tenant) or engine))
        return { handled = self.count == 1 and 1 or 0 }
      end
      return { engine = engine, sources = {
        source("crm", step, "west"), source("crm", step, "east"), source("x", step),
      } }
    ]])
    assert.same({ 0, "" }, { status, output })
    assert.equal("leadcat: source crm of 'west': 1 handled\nleadcat: source crm of 'east': 1 handled\n"
      .. "leadcat: source x: 1 handled\n", errors)
  end)

  it("may have an engine for each, by name", function()
    address = stores.path() .. ".sock"
    start(([[return { health = '%s', { name = "west", engine = open "west", sources = { source "crm" } },
      { engine = open "east" } }]]):format(address))
    wait_for(address)
    local status, body = get(address, "/health")
    assert.equal(200, status)
    assert.truthy(task_of(body, "west: source crm") and task_of(body, "2: maintain"))
    local text = select(2, get(address, "/metrics"))
    assert.matches('leadcat_journal_entries{work="west"} 0\nleadcat_journal_entries{work="2"} 0\n', text)
    assert.matches('leadcat_map_used_bytes{work="2",file="config"} %d+\n', text)
    assert.equal(1, select(2, text:gsub("# TYPE leadcat_journal_entries ", "")))
    assert.equal("status 0\n", finish(running[1]))
    os.remove(address .. ".lock")
  end)

  for _, row in ipairs {
    { "{ { engine = open() }, {} }", "2: option 'engine' is missing" },
    { "{ { engine = open() }, 5 }", "2: a table {engine = ..., sources = {...}} expected, got number" },
    { "{ { engine = open(), name = 'a' }, { engine = open(), name = 'a' } }", "2: there are two of the name 'a'" },
    { "{ { engine = open(), health = '/x' } }", "1: option 'health' belongs beside the list" },
    { "{ { engine = open() }, x = 1 }", "unknown option 'x' %(there are health%)" },
    { "{ engine = open(), health = 'x' }", "option 'health': a path with a slash, or a port from 1 to 65535 expected" },
  } do
    it("says what is wrong with " .. row[1], function()
      local _, errors, status = stores.leadcat("worker", "--once", file("return " .. row[1]))
      assert.equal(1, status)
      assert.matches(row[2], errors)
    end)
  end

  it("refuses an address that is none", function()
    local _, errors, status = stores.leadcat("worker", "--health", "here", "x.lua")
    assert.equal(2, status)
    assert.matches("a path with a slash, or a port from 1 to 65535 expected, got 'here'", errors)
  end)
end)
