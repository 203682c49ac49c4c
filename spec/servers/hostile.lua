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

local function serve(connection)
  local act = connection:line()
  local fn = ACTS[act] or ACTS.silent
  fn(connection)
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
