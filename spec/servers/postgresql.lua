-- A server that is none: postgresql.lua PORT. The user of the startup message names what it does.

local loop = require "servers.loop"

local function be32(n)
  return string.char(math.floor(n / 16777216) % 256, math.floor(n / 65536) % 256, math.floor(n / 256) % 256, n % 256)
end

local function framed(kind, body)
  return kind .. be32(#body + 4) .. body
end

local READY = framed("R", be32(0)) .. framed("S", "in_hot_standby\0off\0")
  .. framed("S", "default_transaction_read_only\0off\0") .. framed("K", be32(1) .. be32(2)) .. framed("Z", "I")
local NOTICE = framed("N", "SNOTICE\0VNOTICE\0C00000\0Mhello\0\0")

local ACTS = {}

function ACTS.silent() end

function ACTS.closing(connection)
  connection:send(READY)
  connection:receive(1)
  connection.is_over = true
end

-- Lets the client in, and does not answer.
function ACTS.mute(connection)
  connection:send(READY)
end

function ACTS.drip_before(connection)
  for byte in READY:gmatch "." do
    if not connection:send(byte) then
      return
    end
    connection:sleep(0.05)
  end
end

function ACTS.drip(connection)
  connection:send(READY)
  connection:receive(1)
  connection:send("D" .. be32(1000))
  while connection:send "x" do
    connection:sleep(0.02)
  end
end

-- A message that never ends.
function ACTS.huge(connection)
  connection:send(READY)
  connection:receive(1)
  connection:send("D" .. be32(0x7FFFFFFF))
  while connection:send(("x"):rep(65536)) do -- luacheck: ignore
  end
end

-- As many notices as there is room for.
function ACTS.notices(connection)
  connection:send(READY)
  connection:receive(1)
  local many = NOTICE:rep(1000)
  while connection:send(many) do -- luacheck: ignore
  end
end

function ACTS.notices_before(connection)
  local many = NOTICE:rep(1000)
  while connection:send(many) do -- luacheck: ignore
  end
end

-- Rows, as many as there is room for.
function ACTS.rows(connection)
  connection:send(READY)
  connection:receive(1)
  connection:send(framed("1", "") .. framed("t", "\0\0") .. framed("T", "\0\1x\0" .. be32(0) .. "\0\0" .. be32(25)
    .. "\255\255" .. be32(0) .. "\0\1") .. framed("2", ""))
  local many = framed("D", "\0\1" .. be32(1000) .. ("x"):rep(1000)):rep(100)
  while connection:send(many) do -- luacheck: ignore
  end
end

-- Asks for more work than anybody should do.
function ACTS.scram(connection)
  connection:send(framed("R", be32(10) .. "SCRAM-SHA-256\0\0"))
  connection:receive(5)
  connection:receive(14 + 4)
  local nonce = connection:receive(8 + 24):match "r=(.*)"
  connection:send(framed("R", be32(11) .. "r=" .. nonce .. "x,s=AAAA,i=2000000000"))
end

-- Lets everybody in who shows any proof, and shows none.
function ACTS.unproven(connection)
  connection:send(framed("R", be32(10) .. "SCRAM-SHA-256\0\0"))
  connection:receive(5 + 14 + 4)
  local nonce = connection:receive(8 + 24):match "r=(.*)"
  connection:send(framed("R", be32(11) .. "r=" .. nonce .. "x,s=AAAA,i=1"))
  connection:receive(5)
  connection:send(READY)
end

function ACTS.md5(connection)
  connection:send(framed("R", be32(5) .. "salt"))
end

function ACTS.clear(connection)
  connection:send(framed("R", be32(3)))
end

-- Is somebody else.
function ACTS.http(connection)
  connection:send "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<h1>Bad Request</h1>"
end

loop.run(assert(require("socket").bind("127.0.0.1", tonumber(arg[1]))), function(connection)
  local head = connection:receive(4)
  if not head then
    return
  end
  local size = select(4, head:byte(1, 4)) + 256 * select(3, head:byte(1, 4))
  local startup = connection:receive(size - 4)
  if size == 8 then -- the request for TLS
    connection:send "N"
  end
  local act = startup and startup:match "user%z([^%z]+)%z"
  if ACTS[act] then
    ACTS[act](connection)
  end
  while not connection.is_over and connection:receive(1) do -- luacheck: ignore
  end
end)
