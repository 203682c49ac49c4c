-- One of the processes that the kill test of webhooks kills: DIRECTORY ROLE. The sender delivers one after the other, and writes down
-- what was acknowledged; the worker handles.

local core = require "leadcat.core"
local leadcat = require "leadcat"
local plan = require "kill.plan"
local webhook = require "leadcat.source.webhook"

local deliveries = { COUNT = 120, SECRET = "secret" }

--- The hook of both roles.
function deliveries.hook()
  return webhook { kind = "superoffice", secret = deliveries.SECRET, batch = 5, lease = 1 }
end

--- The request that delivers number i, which is company i's.
function deliveries.request(i)
  local body = ('{"EventId":"d%d","Event":"sale.sold","PrimaryKey":%d,"FieldValues":{"contact_id":%d}}'):format(i, i, i)
  return { method = "POST", path = "/", body = body, headers = {
    ["x-superoffice-signature"] = core.base64(core.hmac_sha256(deliveries.SECRET, body)),
    ["x-superoffice-eventid"] = "d" .. i,
  } }
end

--- How many were acknowledged: a byte each.
function deliveries.acknowledged(directory)
  local file = io.open(directory .. "/acknowledged", "rb")
  local bytes = file and file:read "*a" or ""
  return #bytes, file and file:close()
end

local function send(directory, engine, hook)
  local file = assert(io.open(directory .. "/acknowledged", "ab"))
  file:setvbuf "no"
  for i = deliveries.acknowledged(directory) + 1, deliveries.COUNT do
    assert(hook:receive(engine, deliveries.request(i)))
    assert(file:write "x")
  end
end

if arg and arg[0] and arg[0]:find "kill/deliveries%.lua$" then
  local directory, role = arg[1], arg[2]
  local engine = assert(leadcat.open { path = plan.files(directory).store, map_size = plan.MAP })
  local hook = deliveries.hook()
  print "ready"
  io.stdout:flush()
  if role == "sender" then
    send(directory, engine, hook)
  end
  while true do -- until it is killed
    if role == "sender" or not assert(hook:step(engine)).more then
      core.sleep(0.002)
    end
  end
end

return deliveries
