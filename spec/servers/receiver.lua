-- A receiver of webhooks: receiver.lua PORT. POST /test has a table of companies and how theirs are answered (`fail`, `slow`, `redirect`,
-- `much`, `die`; `*` is every company); GET /test gives all that has come, in order; DELETE /test forgets both.

local cjson = require "cjson"
local loop = require "servers.loop"

local modes, received = {}, {}

local ACTS = {}

local function answer(connection, status, body, head)
  return connection:send(("HTTP/1.1 %d X\r\n%sContent-Length: %d\r\n\r\n%s"):format(status, head or "", #body, body))
end

function ACTS.fail(connection)
  return answer(connection, 500, "whsec_ is what this says")
end

function ACTS.slow(connection)
  connection:sleep(1)
  return answer(connection, 200, "")
end

function ACTS.redirect(connection)
  return answer(connection, 307, "", "Location: /elsewhere\r\n")
end

function ACTS.much(connection)
  return answer(connection, 200, ("x"):rep(2 ^ 21))
end

function ACTS.die()
  return false
end

function ACTS.take(connection)
  return answer(connection, 204, "")
end

local function test(connection, request)
  if request.method == "POST" then
    modes = cjson.decode(request.body)
  elseif request.method == "DELETE" then
    modes, received = {}, {}
  end
  return answer(connection, 200, #received > 0 and cjson.encode(received) or "[]")
end

local function receive(connection, request)
  local told = cjson.decode(request.body)
  local about = told.data.entry or told.data.confirmation
  local company = about and about.company or told.data.rule.rule -- a rule's stand under its key
  local mode = modes[company] or modes["*"] or "take"
  received[#received + 1] = {
    company = company, mode = mode, headers = request.headers, body = request.body, path = request.path,
    id = request.headers["webhook-id"], type = told.type,
  }
  return ACTS[mode](connection)
end

loop.run(assert(require("socket").bind("127.0.0.1", tonumber(arg[1]))), function(connection)
  local request = connection:request()
  while request do
    local act = request.path == "/test" and test or receive
    request = act(connection, request) and connection:request()
  end
end)
