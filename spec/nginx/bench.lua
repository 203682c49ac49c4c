--- What leadcat costs in nginx, as ratios of requests a second: a location with a decision beside the same without it, and
-- an event that changes nothing beside a location that only reads, decodes and echoes JSON. One worker, kept-alive
-- connections, rounds in turn; the medians of the rounds' ratios count.

local leadcat = require "leadcat"
local measure = require "bench.measure"
local server = require "nginx.server"
local stores = require "support.stores"

local ROUNDS, SECONDS, CONNECTIONS = tonumber(os.getenv "ROUNDS") or measure.times(7, 2), os.getenv "SECONDS" or "1", 16
local PARTNER = 6 -- no potential customer: nothing is done
local EVENT = '{"trigger":"sale_won","company":"Acme","sale":{"id":"S-1001","name":"Crema Duo"}}'

local LOCATIONS = [[
  keepalive_requests 1000000000;
  location /leadcat/ { content_by_lua_block { require("nginx.site").serve() } }
  location /plain { content_by_lua_block { require("nginx.bench_site").plain() } }
  location /decided { content_by_lua_block { require("nginx.bench_site").decided() } }
  location /echo { content_by_lua_block { require("nginx.bench_site").echo() } }
]]

-- `goal`: of the ratio of `path` to `than`.
local COMPARED = {
  { name = "nginx: a page with a decision", path = "/decided?category=1", than = "/plain?category=1",
    beside = "one without", goal = { least = 0.97 } },
  { name = "nginx: an event that changes nothing", path = "/leadcat/api/events", than = "/echo", post = true,
    beside = "JSON, read and echoed", goal = { least = 0.75 } },
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

-- Requests a second, and those for each second of the worker's own work, which other programs disturb less.
local function requests(running, path, script)
  local begun = worked(running)
  local pipe = assert(io.popen(("wrk -t1 -c%d -d%ss %s 'http://127.0.0.1:%d%s'"):format(CONNECTIONS, SECONDS,
    script and "-s '" .. script .. "'" or "", running.port, path)))
  local output = pipe:read "*a"
  pipe:close()
  assert(not output:find "Non%-2xx" and not output:find "Socket errors", output)
  local rate = assert(tonumber(output:match "Requests/sec:%s+([%d.]+)"), output)
  return rate, tonumber(output:match "(%d+) requests in") / (worked(running) - begun)
end

local function compare(running, row, script)
  local own = { {}, {} }
  local function timer(k, path)
    return function()
      local rate
      rate, own[k][#own[k] + 1] = requests(running, path, row.post and script)
      return rate
    end
  end
  local rates, ratios = measure.rounds(ROUNDS, { timer(1, row.path), timer(2, row.than) })
  local beside = ("%.0f requests/s: %s; by the worker's own time %.2f"):format(rates[2], row.beside,
    measure.median(own[1]) / measure.median(own[2]))
  measure.row(row.name, ("%.0f requests/s"):format(rates[1]), beside, ratios[2], row.goal)
end

local directory = server.directory()
local script = directory .. "/post.lua"
write(script, ('wrk.method = "POST" wrk.body = %q wrk.headers["Content-Type"] = "application/json" '
  .. 'wrk.headers["X-User"] = "admin"'):format(EVENT))
local engine = assert(leadcat.open { path = directory .. "/store", map_size = 64 * 1024 * 1024 })
assert(engine:save(stores.config { sale_won = 5 }))
assert(engine.host:create("Acme", PARTNER))
engine:close()

local running = assert(server.start(directory, { workers = 1, server = LOCATIONS }))
local ok, message = pcall(function()
  for _, row in ipairs(COMPARED) do
    compare(running, row, script)
  end
end)
running:stop()
os.execute("rm -rf '" .. directory .. "'")
if not ok then
  io.stderr:write(tostring(message), "\n")
  os.exit(1)
end
