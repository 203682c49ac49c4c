-- The manual of webhooks does not lie: its examples receive what a CRM sends, and `leadcat worker` handles it.

if os.getenv "LEADCAT_SLOW" then
  return
end

local core = require "leadcat.core"
local http = require "leadcat.http"
local processes = require "support.processes"
local senders = require "support.senders"
local server = require "nginx.server"
local stores = require "support.stores"

-- The manual's example that begins so, with other values in it.
local function example(beginning, values)
  local page = assert(io.open "lua/leadcat/source/README.md")
  local section = page:read("*a"):match "\n## Webhooks\n(.-)\n## "
  page:close()
  for block in section:gmatch "```lua\n(.-)\n```" do
    if block:sub(1, #beginning) == beginning then
      return (block:gsub("os%.getenv \"([%u_]+)\"", "\"secret\""):gsub("https://[%w.]+%.com", values)
        :gsub("/var/lib/leadcat", values))
    end
  end
  error("no example begins with " .. beginning)
end

-- A store in which a won sale makes company 7 a customer.
local function new_store()
  local engine, path = stores.open { map_size = 2 ^ 26 }
  assert(engine:save(stores.config { sale_won = 5 }))
  assert(engine.host:create(7, 1))
  engine:close()
  return path
end

-- Sends this to the worker's hook, and has the worker handle it: what it has said, its status, and the company's category.
local function deliver(code, path, kind, secret, body, now)
  local file = stores.file(code, ".lua")
  local worker = assert(loadfile(file))()
  local hook = worker.sources[1]
  local app = http.new { engine = worker.engine, authenticate = function() end, hooks = { crm = hook } }
  local headers, query = senders.sign(kind, secret, body, now)
  local answer = app:respond {
    method = "POST", path = "/leadcat/hooks/crm", query = query, headers = headers, body = body,
  }
  assert.same({ 200, '{"status":"stored"}' }, { answer.status, answer.body })
  worker.engine:close()
  local output, errors, status = stores.leadcat("worker", "--once", file)
  local engine = stores.open { path = path }
  local category = engine.host.category(7)
  engine:close()
  return output .. errors, status, category
end

describe("the manual of webhooks", function()
  after_each(stores.check)

  it("is right: Pipedrive", function()
    local path = new_store()
    local body = '{"data":{"id":4,"title":"Printers","status":"won","org_id":7},"previous":{"status":"open"},"meta":'
      .. '{"action":"change","entity":"deal","entity_id":"4","timestamp":"2023-11-14T22:00:00.000Z"}}'
    local code = example("-- crm/pipedrive.lua", { ["/var/lib/leadcat"] = path })
    assert.same({ "", 0, 5 }, { deliver(code, path, "pipedrive", "leadcat:secret", body) })
  end)

  it("is right: HubSpot, whose API is asked for the company", function()
    local path, port = new_store(), server.free_port()
    local api = processes.launch("../servers/hubspot.lua", port)
    local url = "http://127.0.0.1:" .. port
    local code = ([[%s
      return { sources = { hook }, engine = assert(require("leadcat").open { path = "%s", map_size = 2 ^ 26 }) }
    ]]):format(example("local http", { ["https://api.hubapi.com"] = url }), path)
    local body = '[{"eventId":1,"occurredAt":1699999000123,"subscriptionType":"deal.propertyChange","objectId":%d,'
      .. '"propertyName":"dealstage","propertyValue":"closedwon"}]'
    local now = math.floor(core.now())
    senders.URL = "https://crm.example.com/leadcat/hooks/hubspot"
    local said, status, category = deliver(code, path, "hubspot", "secret", body:format(5), now)
    assert.matches("^leadcat: source hubspot: delivery %d+: lookup: HubSpot answers 404\n", said)
    assert.same({ 1, 1 }, { status, category })
    assert.same({ "", 0, 5 }, { deliver(code, path, "hubspot", "secret", body:format(9), now) })
    processes.kill(api)
  end)
end)
