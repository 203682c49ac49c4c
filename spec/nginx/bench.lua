--- What leadcat costs in nginx, as ratios of requests a second: a location with a decision beside the same without it, and
-- an event that changes nothing beside a location that only reads, decodes and echoes JSON. One worker, kept-alive
-- connections, rounds in turn; the medians of the rounds' ratios count.

local leadcat = require "leadcat"
local measure = require "bench.measure"
local server = require "nginx.server"
local stores = require "support.stores"

local ROUNDS, SECONDS, CONNECTIONS = tonumber(os.getenv "ROUNDS") or measure.times(7, 2), os.getenv "SECONDS" or "1", 16
local MANY = 64 -- connections
local PARTNER, COMPANIES = 6, 10000 -- no potential customer: nothing is done; those that a run of wrk changes
local EVENT = '"trigger":"sale_won","company":"Acme","sale":{"id":"S-1001","name":"Crema Duo"}}'

local LOCATIONS = [[
  keepalive_requests 1000000000;
  location /leadcat/ { content_by_lua_block { require("nginx.site").serve() } }
  location /plain { content_by_lua_block { require("nginx.bench_site").plain() } }
  location /decided { content_by_lua_block { require("nginx.bench_site").decided() } }
  location /updates/ { content_by_lua_block { require("nginx.bench_site").updates() } }
  location /echo { content_by_lua_block { require("nginx.bench_site").echo() } }
]]

-- `goal`: of the ratio of `path` to `than`.
local COMPARED = {
  { name = "nginx: a page with a decision", path = "/decided?category=1", than = "/plain?category=1",
    beside = "one without", goal = { least = 0.97 } },
  { name = "nginx: an event that changes nothing", path = "/leadcat/api/events", than = "/echo", post = '{' .. EVENT,
    beside = "JSON, read and echoed", goal = { least = 0.8 } },
  { name = "nginx: one with an id, which is remembered", path = "/updates/api/events", than = "/echo",
    post = '{"id":"RUN-NUMBER",' .. EVENT, beside = "JSON, read and echoed", goal = { least = 0.65 } },
}

local function write(name, content)
  local file = assert(io.open(name, "w"))
  file:write(content)
  file:close()
end

-- Seconds that the worker has been at work, in steps of a hundredth.
local function worked(running)
  local file = assert(io.open(("/proc/%d/stat"):format(running:workers()[1])))
  local fields = file:read("*a"):match "%) (.*)"
  file:close()
  local user, system = fields:match(("%S+ "):rep(11) .. "(%d+) (%d+)")
  return (user + system) / 100
end

-- Requests a second, and those for each second of the worker's own work, which other programs disturb less. `argument` is
-- the script's.
local function requests(running, path, script, connections, argument)
  local begun = worked(running)
  local pipe = assert(io.popen(("wrk -t1 -c%d -d%ss %s 'http://127.0.0.1:%d%s' -- %s"):format(
    connections or CONNECTIONS, SECONDS, script and "-s '" .. script .. "'" or "", running.port, path, argument or "")))
  local output = pipe:read "*a"
  pipe:close()
  assert(not output:find "Non%-2xx" and not output:find "Socket errors", output)
  local rate = assert(tonumber(output:match "Requests/sec:%s+([%d.]+)"), output)
  return rate, tonumber(output:match "(%d+) requests in") / (worked(running) - begun)
end

-- What wrk sends for events: each has another number, and each run of wrk another name.
local POSTS = [[
  local run, sent = "", 0
  function init(arguments) run = arguments[1] end
  function request()
    sent = sent + 1
    return wrk.format("POST", nil, { ["Content-Type"] = "application/json", ["X-User"] = "admin" },
      (BODY:gsub("RUN", run):gsub("NUMBER", sent)))
  end
]]

local function compare(running, row, directory)
  local own, script, run = { {}, {} }, row.post and directory .. "/post.lua", 0
  if row.post then
    write(script, (POSTS:gsub("BODY", function() return ("(%q)"):format(row.post) end)))
  end
  local function timer(k, path)
    return function()
      local rate
      run = run + 1
      rate, own[k][#own[k] + 1] = requests(running, path, script, nil, run)
      return rate
    end
  end
  local rates, ratios = measure.rounds(ROUNDS, { timer(1, row.path), timer(2, row.than) })
  local beside = ("%.0f requests/s: %s; by the worker's own time %.2f"):format(rates[2], row.beside,
    measure.median(own[1]) / measure.median(own[2]))
  measure.row(row.name, ("%.0f requests/s"):format(rates[1]), beside, ratios[2], row.goal)
end

-- What wrk sends for updates: each event changes its company, 3 <-> 4, and each run has companies of its own.
local UPDATES = [[
  local first, sent = 0, 0
  function init(arguments) first = tonumber(arguments[1]) end
  function request()
    local round = math.floor(sent / COMPANIES) % 2
    local company = first + sent % COMPANIES
    sent = sent + 1
    return wrk.format("POST", nil, { ["Content-Type"] = "application/json", ["X-User"] = "admin" },
      ('{"trigger":"%s","company":%d}'):format(round == 0 and "sale_registered" or "sale_lost", company))
  end
]]

-- Updates that arrive together share commits: beside the same over one connection, where each has one of its own.
local function compare_updates(running, directory)
  local script, run = directory .. "/updates.lua", 0
  write(script, (UPDATES:gsub("COMPANIES", COMPANIES)))
  local function timer(connections)
    return function()
      run = run + 1
      return (requests(running, "/updates/api/events", script, connections, run * COMPANIES))
    end
  end
  local rates, ratios = measure.rounds(ROUNDS, { timer(MANY), timer(1) })
  measure.row(("nginx: updates over %d connections"):format(MANY), ("%.0f requests/s"):format(rates[1]),
    ("%.0f requests/s: over one, a commit each"):format(rates[2]), ratios[2], { least = 5 })
  local engine = assert(leadcat.open { path = directory .. "/updates" })
  for first = COMPANIES, run * COMPANIES, COMPANIES do -- wrk keeps the first few for itself
    local history = engine:history { company = first + 10 }
    assert(#history > 0 and history[1].status == "updated", "nothing was updated")
  end
  engine:close()
end

local function create_companies(directory)
  local engine, companies = assert(leadcat.open { path = directory .. "/updates" }), {}
  assert(engine:save(stores.config { sale_registered = 3, sale_lost = 4, sale_won = 5 }))
  assert(engine.host:create("Acme", PARTNER))
  for i = 1, 2 * (ROUNDS + 1) * COMPANIES do
    companies[i] = COMPANIES - 1 + i
  end
  assert(engine.host:create_many(companies, 4))
  engine:close()
end

local directory = server.directory()
local engine = assert(leadcat.open { path = directory .. "/store", map_size = 64 * 1024 * 1024 })
assert(engine:save(stores.config { sale_won = 5 }))
assert(engine.host:create("Acme", PARTNER))
engine:close()
create_companies(directory)

local running = assert(server.start(directory, { workers = 1, server = LOCATIONS }))
local ok, message = pcall(function()
  for _, row in ipairs(COMPARED) do
    compare(running, row, directory)
  end
  compare_updates(running, directory)
end)
running:stop()
os.execute("rm -rf '" .. directory .. "'")
if not ok then
  io.stderr:write(tostring(message), "\n")
  os.exit(1)
end
