-- A server that behaves badly: hostile.lua PORT|PATH [CERTIFICATE KEY]. The first line of a connection names what it does.

local loop = require "servers.loop"

local address, certificate, key = arg[1], arg[2], arg[3]

local ACTS = {}

-- Sends lines back.
function ACTS.echo(connection)
  local line = connection:line()
  while line and connection:send(line .. "\n") do
    line = connection:line()
  end
end

-- A byte now and then.
function ACTS.drip(connection)
  while connection:send "x" do
    connection:sleep(0.02)
  end
end

function ACTS.silent(connection)
  while connection:line() do -- luacheck: ignore
  end
end

function ACTS.bye(connection)
  connection:send "so long"
end

-- As much as there is room for.
function ACTS.flood(connection)
  local bytes = ("x"):rep(65536)
  while connection:send(bytes) do -- luacheck: ignore
  end
end

-- PostgreSQL's way: TLS begins when both sides have said so.
function ACTS.upgrade(connection)
  connection:send "S"
  if connection:start_tls { certificate = certificate, key = key } then
    ACTS.echo(connection)
  end
end

function ACTS.upgrade_early(connection)
  connection:send "Sinjected\n"
  connection:start_tls { certificate = certificate, key = key }
end

-- HTTP: ACTS by path; else the bytes of the header X-Answer, after which X-Then says what is next.
local HTTP = {}

function HTTP.endless_head(connection)
  connection:send "HTTP/1.1 200 OK\r\n"
  while connection:send("X-More: " .. ("x"):rep(100) .. "\r\n") do -- luacheck: ignore
  end
end

function HTTP.endless_interim(connection)
  while connection:send "HTTP/1.1 102 Processing\r\n\r\n" do -- luacheck: ignore
  end
end

function HTTP.endless_chunks(connection)
  connection:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
  while connection:send("1000\r\n" .. ("x"):rep(4096) .. "\r\n") do -- luacheck: ignore
  end
end

function HTTP.endless_body(connection)
  connection:send "HTTP/1.1 200 OK\r\n\r\n"
  while connection:send(("x"):rep(4096)) do -- luacheck: ignore
  end
end

-- What the first line and the headers of the request were.
function HTTP.mirror(connection, request)
  local lines = { request.method .. " " .. request.target, request.body }
  for name, value in pairs(request.headers) do
    lines[#lines + 1] = name .. ": " .. value
  end
  local body = table.concat(lines, "\n")
  return connection:send(("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body))
end

-- Answers the first request of a connection, and none after it.
function HTTP.once(connection, _, number)
  return number == 1 and connection:send "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst"
end

function HTTP.number(connection, _, number)
  return connection:send(("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%d"):format(#tostring(number), number))
end

function HTTP.answer(connection, request)
  local answer = request.headers["x-answer"]:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
  local way = request.headers["x-way"]
  if way == "drip" then
    for i = 1, #answer do
      connection:send(answer:sub(i, i))
      connection:sleep(0)
    end
  else
    connection:send(answer)
  end
  if way == "wait" then
    connection:line()
  end
end

local function serve_http(connection)
  local number, request = 0, connection:request()
  while request do
    number = number + 1
    local act = HTTP[request.path:sub(2)] or HTTP.answer
    request = act(connection, request, number) and connection:request()
  end
end

local function serve(connection)
  local line = connection:line()
  if line and line:find "HTTP/1.1$" then
    connection.buffer = line .. "\r\n" .. connection.buffer
    return serve_http(connection)
  end
  local act = ACTS[line] or ACTS.silent
  act(connection)
end

local listener
if address:find "/" then
  listener = require("socket.unix").stream()
  assert(listener:bind(address))
  assert(listener:listen())
else
  listener = assert(require("socket").bind("127.0.0.1", tonumber(address)))
end
loop.run(listener, function(connection)
  if not certificate or arg[4] == "upgrade" or connection:start_tls { certificate = certificate, key = key } then
    serve(connection)
  end
end)
