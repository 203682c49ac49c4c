-- leadcat in nginx: several workers on one store, that come and go while events are sent. On Lua 5.4 only, since nginx has
-- LuaJIT in it either way; and not where everything takes long, since nginx is not built for that.

local json = require "leadcat.util.json"
local stores = require "support.stores"

if rawget(_G, "jit") or os.getenv "LEADCAT_SLOW" then
  return
end

local socket = require "socket"

local processes = require "support.processes"
local server = require "nginx.server"

local LEAD, OPPORTUNITY, LOST_OPPORTUNITY, CUSTOMER = 1, 3, 4, 5
local RULES = { sale_registered = OPPORTUNITY, sale_lost = LOST_OPPORTUNITY, sale_won = { CUSTOMER, ask = true } }
local MAP = 64 * 1024 * 1024
local CLIENTS = 8

local directory, running -- of the test

-- The test's store, from outside of nginx.
local function open(options)
  options = options or {}
  options.path, options.map_size = directory .. "/store", MAP
  return stores.open(options)
end

local function prepare(companies)
  local engine = open()
  assert(engine:save(stores.config(RULES)))
  for _, company in ipairs(companies or {}) do
    assert(engine.host:create(company, LEAD))
  end
  engine:close()
end

local function start(options)
  local output
  running, output = server.start(directory, options)
  assert(running, output)
  return running
end

local function post(event, sent)
  sent = sent or {}
  sent.body = json.encode(event)
  local status, body = running:request("POST", "/leadcat/api/events", sent)
  assert(status == 200, ("%s %s"):format(status, body))
  return json.decode(body)
end

-- Asks until each worker has answered: what each of them said first, by its id.
local function ask_each(path)
  local answers, missing = {}, #running:workers()
  assert(server.wait_for(function()
    local status, body, headers = running:request("GET", path)
    local worker = headers["x-worker"]
    if not answers[worker] then
      answers[worker], missing = { status = status, body = body }, missing - 1
    end
    return missing == 0
  end), "a worker has not answered")
  return answers
end

local LEADCAT = [[
  location /leadcat/ { content_by_lua_block { require("nginx.site").serve() } }
]]
local COMMITS = [[
  location /commits { content_by_lua_block { require("nginx.site").commits() } }
]]

-- Sends events that the only worker finds all at once, each on a connection of its own that it has accepted before. Gives
-- what came of them, and how many commits that took.
local function post_together(events)
  local function commits()
    return tonumber((select(2, running:request("GET", "/commits"))))
  end
  local connections, outcomes, worker = {}, {}, running:workers()[1]
  for i = 1, #events do
    connections[i] = assert(socket.connect("127.0.0.1", running.port))
  end
  local before = commits() -- answered when those before it are accepted
  running:signal("STOP", worker)
  for i, event in ipairs(events) do
    local body = json.encode(event)
    assert(connections[i]:send(("POST /leadcat/api/events HTTP/1.0\r\nX-User: admin\r\n"
      .. "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)))
  end
  running:signal("CONT", worker)
  for i, connection in ipairs(connections) do
    local answer = assert(connection:receive "*a")
    outcomes[i] = assert(json.decode(answer:match "\r\n\r\n(.*)$"), answer)
    connection:close()
  end
  return outcomes, commits() - before
end

-- Thirty companies' sales; one company has two, and one has none but is asked about.
local function many_events()
  local events = {}
  for i = 1, 30 do
    events[i] = { id = "e" .. i, trigger = "sale_registered", company = "C" .. i }
  end
  events[31] = { id = "e31", trigger = "sale_lost", company = "C30" }
  events[32] = { id = "e32", trigger = "sale_won", company = "C31" }
  events[33] = { id = "e32", trigger = "sale_won", company = "C31" }
  return events
end

local function assert_handled(outcomes)
  for i = 1, 29 do
    assert.same({ "updated", LEAD, OPPORTUNITY }, { outcomes[i].status, outcomes[i].from, outcomes[i].to })
  end
  assert.same({ "updated", "updated" }, { outcomes[30].status, outcomes[31].status })
  assert.is_true(outcomes[30].from == LEAD and outcomes[31].from == OPPORTUNITY -- whichever came first
    or outcomes[30].from == LOST_OPPORTUNITY and outcomes[31].from == LEAD)
  local asked = { outcomes[32].status, outcomes[33].status }
  table.sort(asked)
  assert.same({ "awaiting_confirmation", "duplicate" }, asked)
end

-- Processes that report events until `finish` is called, which gives the ids of the acknowledged ones and what failed.
local function start_clients(companies)
  local file = assert(io.open "spec/nginx/client.lua")
  local code, clients, stop = file:read "*a", {}, directory .. "/stop"
  file:close()
  for i, company in ipairs(companies) do
    clients[i] = processes.start(code, { tostring(running.port), company, stop })
  end
  return function()
    assert(io.open(stop, "w")):close()
    local acknowledged, failed = {}, {}
    for _, client in ipairs(clients) do
      for line in client:wait():gmatch "[^\n]+" do
        local list = line:find "^client%d+%-%d+$" and acknowledged or failed
        list[#list + 1] = line
      end
    end
    return acknowledged, failed
  end
end

local function client_names()
  local names = {}
  for i = 1, CLIENTS do
    names[i] = "client" .. i
  end
  return names
end

-- How often each event is in the journal.
local function journal_of(engine)
  local counts, after = {}, nil
  repeat
    local entries = assert(engine:history { limit = 1000, after = after })
    for _, entry in ipairs(entries) do
      counts[entry.event_id], after = (counts[entry.event_id] or 0) + 1, entry.entry
    end
  until #entries < 1000
  return counts
end

local function assert_once_each(acknowledged)
  local engine = open()
  local counts = journal_of(engine)
  engine:close()
  for _, id in ipairs(acknowledged) do
    assert(counts[id] == 1, ("%s is in the journal %d times"):format(id, counts[id] or 0))
    counts[id] = nil
  end
  assert.same({}, counts) -- nothing but what was acknowledged
end

-- The processes that hold reader slots, as LMDB's own tool sees it.
local function readers()
  local found = {}
  for _, name in ipairs { "config", "journal" } do
    local pipe = assert(io.popen(("mdb_stat -n -r '%s/store/%s.mdb'"):format(directory, name)))
    for pid in pipe:read "*a":gmatch "\n%s*(%d+) %x+ [-%d]+" do
      found[#found + 1] = tonumber(pid)
    end
    pipe:close()
  end
  return found
end

local function is_one_of(pid, pids)
  for _, other in ipairs(pids) do
    if pid == other then
      return true
    end
  end
  return false
end

-- Those that hold a slot, although they are no worker.
local function strangers()
  local workers, found = running:workers(), {}
  for _, pid in ipairs(readers()) do
    found[#found + 1] = not is_one_of(pid, workers) and pid or nil
  end
  return found
end

local installed = server.is_installed()

describe("leadcat in nginx", function()
  if not installed then
    pending "nginx or its Lua module is not installed: apt-get install nginx libnginx-mod-http-lua"
    return
  end

  before_each(function()
    directory = server.directory()
  end)

  after_each(function()
    local ok, message = true, nil
    if running then
      ok, message = pcall(running.stop, running)
      running = nil
    end
    os.execute("rm -rf '" .. directory .. "'")
    stores.check()
    assert(ok, message)
  end)

  it("says where the store is to be opened when init_by_lua does it", function()
    local started, output = server.start(directory, {
      http = ('init_by_lua_block { require("leadcat").open { path = "%s/store" } }'):format(directory),
    })
    running = started
    assert.is_nil(started)
    assert.matches("not in init_by_lua: open the store in init_worker_by_lua, in each worker", output, 1, true)
  end)

  it("holds a config in every worker from the next request on, whichever has saved it", function()
    prepare()
    start { workers = 3, listen = "reuseport" }
    for revision = 1, 10 do
      local cfg = stores.config { sale_won = revision % 2 == 1 and CUSTOMER or OPPORTUNITY }
      local status, body = running:request("PUT", "/leadcat/api/config", {
        body = json.encode(cfg), headers = { ["If-Match"] = ('"%d"'):format(revision) },
      })
      assert.same({ 200, { revision = revision + 1 } }, { status, json.decode(body) })
      for worker, answer in pairs(ask_each "/leadcat/api/config") do
        local got = json.decode(answer.body)
        assert.same({ revision + 1, cfg.rules[1].set_category }, { got.revision, got.rules[1].set_category }, worker)
      end
    end
  end)

  it("takes back the tag that it has made weak by compressing the config, and no compressed body", function()
    prepare()
    start { http = 'gzip on; gzip_types application/json; gzip_min_length 1; '
      .. 'init_worker_by_lua_block { require("nginx.site").start() }' }
    local _, _, headers = running:request("GET", "/leadcat/api/config", { headers = { ["Accept-Encoding"] = "gzip" } })
    assert.same({ "gzip", 'W/"1"' }, { headers["content-encoding"], headers.etag })
    local function save(tag, body, coding)
      local status, answer = running:request("PUT", "/leadcat/api/config", {
        body = body or json.encode(stores.config(RULES)),
        headers = { ["If-Match"] = tag, ["Content-Encoding"] = coding },
      })
      return { status, json.decode(answer).detail }
    end
    assert.same({ 415, "Content-Encoding: the body cannot be read: send it uncompressed" },
      save(headers.etag, "\31\139\8", "gzip"))
    assert.same({ 200 }, save(headers.etag))
    assert.same({ 412, 'If-Match: the newest revision is "2"' }, save(headers.etag))
    assert.same({ 200 }, save('W/"1", W/"2"'))
  end)

  it("loses no request and no event when it is reloaded again and again", function()
    local names = client_names()
    prepare(names)
    start()
    local finish = start_clients(names)
    assert(server.wait_for(function() return #readers() > 0 end))
    for _ = 1, 10 do
      running:reload()
    end
    assert.same({}, strangers())
    local slots, workers = #readers(), #running:workers()
    assert.is_true(slots <= 2 * workers + 2, ("%d reader slots of %d workers"):format(slots, workers))
    local acknowledged, failed = finish()
    assert.same({}, failed)
    assert.is_true(#acknowledged > 10 * CLIENTS, #acknowledged .. " events")
    assert_once_each(acknowledged)
    assert.not_matches("%[error%]", running:log())
  end)

  it("goes on when workers are killed, and frees their reader slots", function()
    local names = client_names()
    prepare(names)
    start()
    local finish = start_clients(names)
    for _ = 1, 5 do
      assert(server.wait_for(function() return #running:workers() == 2 end), "no new worker")
      assert(server.wait_for(function() return #readers() > 0 end))
      running:signal("KILL", running:workers()[1])
    end
    assert(server.wait_for(function() return #running:workers() == 2 end))
    local acknowledged = finish() -- what failed was sent again
    assert.is_true(#acknowledged > CLIENTS, #acknowledged .. " events")
    local engine = open()
    assert(engine:maintain())
    engine:close()
    assert_once_each(acknowledged)
    assert.same({}, strangers())
  end)

  it("serves pages and events where lua_code_cache is off, and keeps no engine of a request", function()
    prepare { "Acme" }
    start { code_cache = "off", workers = 1 }
    local function open_files()
      local pipe = assert(io.popen(("ls /proc/%d/fd | wc -l"):format(running:workers()[1])))
      local count = tonumber(pipe:read "*a")
      pipe:close()
      return count
    end
    local before
    for n = 1, 40 do
      local status, page = running:request("GET", "/leadcat/settings")
      assert.equal(200, status)
      assert.matches("</html>", page)
      local trigger = n % 2 == 0 and "sale_lost" or "sale_registered"
      local outcome = post { id = "e" .. n, trigger = trigger, company = "Acme" }
      assert.equal("updated", outcome.status)
      before = n == 5 and open_files() or before
    end
    assert.is_true(open_files() <= before, ("%d open files, %d at first"):format(open_files(), before))
    assert.same({}, strangers())
  end)

  it("refuses headers that were given twice, and more of them than it reads", function()
    prepare { "Acme" }
    start { workers = 1 }
    local function status_with(more)
      local connection = assert(socket.connect("127.0.0.1", running.port))
      local body = '{"trigger":"sale_registered","company":"Acme"}'
      assert(connection:send(("POST /leadcat/api/events HTTP/1.0\r\nContent-Type: application/json\r\n%s"
        .. "Content-Length: %d\r\n\r\n%s"):format(more, #body, body)))
      local answer = connection:receive "*a"
      connection:close()
      return tonumber(answer:match "^HTTP/%S+ (%d+)")
    end
    assert.equal(400, status_with "X-User: bob\r\nX-User: admin\r\n")
    assert.equal(400, status_with "X-User: bob\r\nContent-Type: text/plain\r\n")
    assert.equal(431, status_with(("X-Filler: x\r\n"):rep(100) .. "X-User: bob\r\n"))
    local engine = open()
    assert.same({}, engine:history())
    engine:close()
    assert.equal(200, status_with "X-User: bob\r\nX-Filler: a\r\nX-Filler: b\r\n")
  end)

  -- Sends one request of JSON from another process, and says how it was answered.
  local POSTER = [[
    local body, ltn12 = io.open(arg[2]):read "*a", require "ltn12"
    print((select(2, require("socket.http").request { url = arg[1], method = "POST", source = ltn12.source.string(body),
      headers = { ["Content-Type"] = "application/json", ["Content-Length"] = #body, ["X-User"] = "admin" } })))
  ]]

  local function seconds(call)
    local begun = socket.gettime()
    call()
    return socket.gettime() - begun
  end

  -- The longest time that another connection waits while a batch is handled.
  local function longest_wait(events)
    local name, longest, done = directory .. "/events.json", 0
    local file = assert(io.open(name, "w"))
    file:write(json.encode(events))
    file:close()
    local status = name .. ".status"
    local poster = processes.start(POSTER .. "io.open(arg[3], 'w'):close()",
      { ("http://127.0.0.1:%d/leadcat/api/events"):format(running.port), name, status })
    repeat
      longest = math.max(longest, seconds(function()
        assert.equal(200, (running:request("GET", "/leadcat/leadcat.css", { user = "" })))
      end))
      local file_of_end = io.open(status)
      done = file_of_end and file_of_end:close()
    until done
    os.remove(status)
    assert.equal("200", (poster:wait()))
    return longest
  end

  local function batch(trigger_of, companies)
    local events = {}
    for i = 1, 1000 do
      events[i] = { trigger = trigger_of(i), company = "C" .. i % companies, sale = { id = i, name = "Printers" } }
    end
    return events
  end

  local function won() return "sale_won" end
  local function to_and_fro(i) return i % 2 == 0 and "sale_lost" or "sale_registered" end

  for name, host in pairs {
    ["companies are kept in the store"] = "nil", ["a host keeps them, and does not yield"] = "site.own",
  } do
    it("lets others go on while it handles a thousand events, where " .. name, function()
      prepare { "C0", "C1" }
      start {
        workers = 1,
        http = ('init_worker_by_lua_block { local site = require "nginx.site" site.start(%s) }'):format(host),
        server = ('location /leadcat/ { content_by_lua_block { local site = require "nginx.site" site.serve(%s) } }')
          :format(host),
      }
      local single = math.huge
      for i = 1, 20 do
        single = math.min(single, seconds(function() post { trigger = to_and_fro(i), company = "C1" } end))
      end
      for _, events in ipairs { batch(to_and_fro, 1), batch(won, 1), batch(won, 1000) } do
        local longest = math.huge
        for _ = 1, 3 do -- the machine may have had something else to do
          longest = math.min(longest, longest_wait(events))
        end
        assert.is_true(longest < 200 * single, ("others wait %.0f times as long as for one"):format(longest / single))
      end
      assert.not_matches("%[error%]", running:log())
    end)
  end

  it("serves others while somebody waits for a change", function()
    prepare { "Acme" }
    start { workers = 1 }
    local _, body = running:request("GET", "/leadcat/api/changes?after=newest")
    local waiting = assert(socket.connect("127.0.0.1", running.port))
    assert(waiting:send(("GET /leadcat/api/changes?wait=30&after=%s HTTP/1.0\r\nX-User: admin\r\n\r\n"):format(
      json.decode(body).next)))
    local begun = socket.gettime()
    for _ = 1, 10 do
      assert.equal(200, (running:request("GET", "/leadcat/health")))
    end
    local outcome = post { trigger = "sale_registered", company = "Acme" }
    local page = json.decode(assert(waiting:receive "*a"):match "\r\n\r\n(.*)$")
    waiting:close()
    assert.same({ 1, outcome.entry }, { #page.changes, page.changes[1].entry.entry })
    assert.is_true(socket.gettime() - begun < 20)
  end)

  it("tells the same counts in every worker", function()
    prepare { "Acme" }
    start { listen = "reuseport" }
    for n = 1, 30 do
      post { trigger = n % 2 == 0 and "sale_lost" or "sale_registered", company = "Acme" }
    end
    local expected = {
      'leadcat_events_total{trigger="sale_lost",status="updated",reason="matched"} 15',
      'leadcat_events_total{trigger="sale_registered",status="updated",reason="matched"} 15',
    }
    local function counts_of(text)
      local lines = {}
      for line in text:gmatch "leadcat_events_total{[^\n]+" do
        lines[#lines + 1] = line
      end
      return lines
    end
    local engine = open()
    server.wait_for(function() -- each worker tells the store every few seconds, asked or not
      return table.concat(counts_of(engine:metrics()), "\n") == table.concat(expected, "\n")
    end)
    assert.same(expected, counts_of(engine:metrics()))
    engine:close()
    for worker, answer in pairs(ask_each "/leadcat/metrics") do
      assert.same(expected, counts_of(answer.body), worker)
    end
  end)

  it("commits what arrives together together", function()
    local companies = {}
    for i = 1, 31 do
      companies[i] = "C" .. i
    end
    prepare(companies)
    start { workers = 1, server = LEADCAT .. COMMITS }
    local outcomes, commits = post_together(many_events())
    assert_handled(outcomes)
    assert(commits <= 6, commits .. " commits")
    assert.equal(1, (select(2, post_together { { trigger = "sale_registered", company = "C31" } })))
    assert.not_matches("%[error%]", running:log())
  end)

  it("handles an event whose licence and guards are asked, with a shared commit", function()
    prepare { "C1" }
    start { workers = 1, server = LEADCAT .. COMMITS .. [[
      location /ask { content_by_lua_block {
        local engine = require("nginx.site").engine()
        engine.host.licensed = function() return true end
        engine:on("guard", function() end)
      } }
    ]] }
    running:request("GET", "/ask")
    assert.equal("updated", post({ trigger = "sale_registered", company = "C1" }).status)
  end)

  it("tells each request when what they share cannot be written, and none of it is", function()
    prepare { "C1", "C2" }
    start { workers = 1, server = LEADCAT .. COMMITS .. [[
      location /full { content_by_lua_block {
        local store = require("nginx.site").engine()._shared.store
        local function handle(_, tenant, events, results, now, how)
          if type(how) == "table" and how.write then
            return nil, "no room", "full"
          end
          return store:handle(tenant, events, results, now, how)
        end
        require("nginx.site").engine()._store = setmetatable({ handle = handle }, {
          __index = function(_, name) return function(_, ...) return store[name](store, ...) end end,
        })
      } }
    ]] }
    running:request("GET", "/full")
    for _, outcome in ipairs((post_together {
      { trigger = "sale_registered", company = "C1" }, { trigger = "sale_registered", company = "C2" },
    })) do
      assert.equal("full", outcome.code)
    end
    local engine = open()
    assert.same({}, engine:history())
    engine:close()
  end)

  it("answers other requests while one waits for a process that was stopped in the middle of its write", function()
    prepare { "Acme" }
    start { workers = 1 }
    local id, kill = processes.stop_writing(directory .. "/store")
    finally(kill)
    local body = json.encode { id = "w", trigger = "sale_registered", company = "Acme" }
    local waiting = assert(socket.connect("127.0.0.1", running.port))
    assert(waiting:send(("POST /leadcat/api/events HTTP/1.0\r\nX-User: admin\r\n"
      .. "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)))
    for _ = 1, 20 do
      assert.equal(200, (running:request("GET", "/leadcat/leadcat.css", { user = "" })))
      assert.equal(200, (running:request("GET", "/leadcat/history")))
    end
    waiting:settimeout(0)
    assert.equal("timeout", (select(2, waiting:receive "*l"))) -- it still waits
    waiting:settimeout(30)
    assert.matches("^HTTP/1.1 503", waiting:receive "*a")
    waiting:close()
    assert.equal(503, (running:request("GET", "/leadcat/health", { user = "" })))
    kill()
    assert.equal(200, (running:request("GET", "/leadcat/health", { user = "" })))
    assert.equal("updated", post({ id = "w", trigger = "sale_registered", company = "Acme" }).status)
    local _, lines = running:log():gsub(("process %s does not end its write"):format(id), "")
    assert.is_true(lines >= 1)
  end)

  it("is healthy as long as a worker can read the store", function()
    prepare()
    start { workers = 1 }
    assert.equal(200, (running:request("GET", "/leadcat/health", { user = "" })))
    running:stop()
    local file = assert(io.open(directory .. "/store/config.mdb", "r+"))
    file:write(("\255"):rep(4096))
    file:close()
    start { workers = 1 }
    assert.equal(503, (running:request("GET", "/leadcat/health", { user = "" })))
    assert.matches("cannot open [^\n]+/config%.mdb", running:log())
  end)

  it("closes overdue questions and carries out what is due by itself, of all tenants", function()
    prepare { "Acme" }
    local asked_at = os.time() - 60
    local engine, asked = open { confirmation_ttl = 10, clock = function() return asked_at end }, {}
    assert(engine:tenant("west"):save(stores.config(RULES)))
    assert(engine:tenant("west").host:create("Acme", LEAD))
    for _, name in ipairs { "", "west" } do
      asked[name] = assert(engine:tenant(name):handle { trigger = "sale_won", company = "Acme" }).confirmation
    end
    local waiting = stores.config { sale_lost = { LOST_OPPORTUNITY, after = { hours = 1 } } }
    assert(engine:tenant("east"):save(waiting))
    assert(engine:tenant("east").host:create("Acme", LEAD))
    assert(engine:tenant("east"):handle { trigger = "sale_lost", company = "Acme", at = asked_at - 3600 })
    engine:close()
    start()
    engine = open { clock = function() return asked_at end } -- for whom its time is not over
    for name, id in pairs(asked) do
      assert(server.wait_for(function()
        return engine:tenant(name):confirmation(id).state == "expired"
      end), "the question is still open")
    end
    assert(server.wait_for(function()
      return engine:tenant("east").host:get "Acme" == LOST_OPPORTUNITY
    end), "what is scheduled is not carried out")
    engine:close()
    assert.equal("", running:log())
  end)
end)

describe("leadcat in nginx, with a CRM that is reached over the network,", function()
  if not installed then
    return
  end

  local REMOTE = {
    workers = 1,
    http = [[
      lua_shared_dict crm 1m;
      init_worker_by_lua_block { local site = require "nginx.site" site.start(site.remote) }
    ]],
    server = [[
      location /leadcat/ { content_by_lua_block { local site = require "nginx.site" site.serve(site.remote) } }
      location /crm/ { content_by_lua_block { require("nginx.site").crm(0.1) } }
    ]] .. COMMITS,
  }

  before_each(function()
    directory = server.directory()
    local engine = open()
    assert(engine:save(stores.config(RULES)))
    engine:close()
    start(REMOTE)
  end)

  after_each(function()
    running:stop()
    running = nil
    os.execute("rm -rf '" .. directory .. "'")
    stores.check()
  end)

  local function category_of(company)
    return tonumber((select(2, running:request("GET", "/crm/category?company=" .. company))))
  end

  it("handles events and answers, one worker waiting for itself", function()
    assert.equal("updated", post({ trigger = "sale_registered", company = "Acme" }).status)
    assert.equal(OPPORTUNITY, category_of "Acme")
    local asked = post { trigger = "sale_won", company = "Acme" }
    assert.equal("awaiting_confirmation", asked.status)
    local status, body = running:request("POST", "/leadcat/api/confirmations/" .. asked.confirmation, {
      body = '{"accept":true}',
    })
    assert.same({ 200, "updated" }, { status, json.decode(body).status })
    assert.equal(CUSTOMER, category_of "Acme")
    assert.not_matches("%[error%]", running:log())
  end)

  it("lets events of other companies go on while one waits", function()
    local code = [[
      local http = require "socket.http"
      local body = ('{"trigger":"sale_registered","company":"%s"}'):format(arg[2])
      print((http.request { url = arg[1], method = "POST", source = require("ltn12").source.string(body), headers = {
        ["Content-Type"] = "application/json", ["Content-Length"] = #body, ["X-User"] = "admin" } }))
    ]]
    local begun, clients = socket.gettime(), {}
    for i = 1, 10 do
      clients[i] = processes.start(code, { ("http://127.0.0.1:%d/leadcat/api/events"):format(running.port), "C" .. i })
    end
    for _, client in ipairs(clients) do
      assert.equal("1", (client:wait()))
    end
    assert.is_true(socket.gettime() - begun < 1.5, "they have waited for each other")
    for i = 1, 10 do
      assert.equal(OPPORTUNITY, category_of("C" .. i))
    end
  end)

  it("has what arrives together committed together, and its changes too", function()
    local outcomes, commits = post_together(many_events())
    assert_handled(outcomes)
    assert(commits <= 40, commits .. " commits") -- of 66
    for i = 1, 29 do
      assert.equal(OPPORTUNITY, category_of("C" .. i))
    end
    assert.not_matches("%[error%]", running:log())
  end)

  it("applies changes that a killed process has left unfinished as soon as it starts, of all tenants", function()
    running:stop()
    local tenants = { [""] = "Acme", west = "Bolt" }
    local engine = open()
    assert(engine:tenant("west"):save(stores.config(RULES)))
    engine:close()
    for name, company in pairs(tenants) do
      stores.run([[
        local host = { category = function() return 1 end, set_category = function() os.exit(1, false) end }
        local engine = assert(require("leadcat").open {
          path = arg[1], map_size = tonumber(arg[2]), tenant = arg[3], host = host,
        })
        engine:handle { trigger = "sale_registered", company = arg[4] }
      ]], directory .. "/store", ("%d"):format(MAP), name, company)
    end
    start(REMOTE)
    for _, company in pairs(tenants) do
      assert(server.wait_for(function() return category_of(company) == OPPORTUNITY end), "it is still unfinished")
    end
    engine = open { host = { category = error, set_category = error } }
    for name in pairs(tenants) do
      assert(server.wait_for(function() return engine:tenant(name):history()[1].status == "updated" end))
    end
    engine:close()
  end)
end)
