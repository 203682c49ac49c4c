--- Answers small HTTP requests on a Unix socket or a loopback port, in the pauses of a process that has other work: nothing here
-- waits for a client. LuaSocket is required when somebody listens.

local as_text = require "leadcat.util.as_text"
local core = require "leadcat.core"
local protected = require "leadcat.util.protected"

local listener = {}

local MOST_CLIENTS, MOST_HEAD = 16, 8192 -- at a time; bytes of a request
local BACKLOG = 128 -- clients that the kernel has wait while the process works
local PATIENCE = 2 -- seconds that a client has for all of it
local SLICE = 0.1 -- seconds after which a signal is noticed
local NO_DEVICE = 6 -- ENXIO: what opening a socket as a file gives

---@class leadcat.Listener
---@field socket table that listens
---@field clients leadcat.ListenerClient[] the oldest first
---@field path? string of the Unix socket
---@field lock? file* held while it listens there
local Listener = {}
Listener.__index = Listener

---@class leadcat.ListenerClient
---@field socket table
---@field head string what was received
---@field answer? string what is sent
---@field sent integer bytes of it
---@field deadline number of `core.uptime`

-- Listening -----------------------------------------------------------------------------------------------------------

local function quoted(path)
  return "'" .. path:gsub("'", "'\\''") .. "'"
end

-- Removes the socket of a process that has ended. The lock is ours: nobody listens there.
local function remove_stale(path)
  local file, _, number = io.open(path, "rb")
  if file then
    file:close()
    return nil, "there is a file already, which is no socket"
  elseif number == NO_DEVICE then
    return os.remove(path)
  end
  return true
end

-- A socket that nobody but its owner can connect to: before `listen` nobody can.
local function bind_path(unix, path)
  local socket = unix()
  local ok, message = socket:bind(path)
  if ok then
    local changed = os.execute("chmod 600 -- " .. quoted(path))
    ok, message = changed == true or changed == 0, "its mode cannot be changed"
  end
  if ok then
    ok, message = socket:listen(BACKLOG)
  end
  if not ok then
    socket:close()
    return nil, message
  end
  return socket
end

local function listen_path(path)
  local unix = require "socket.unix"
  local lock, why = io.open(path .. ".lock", "a")
  if not lock then
    return nil, why
  elseif not core.lock_file(lock) then
    lock:close()
    return nil, "another process listens there"
  end
  local socket
  local ok, message = remove_stale(path)
  if ok then
    socket, message = bind_path(type(unix) == "table" and unix.stream or unix, path)
  end
  if not socket then
    lock:close()
    return nil, message
  end
  return { socket = socket, path = path, lock = lock }
end

local function listen_port(port)
  local socket, message = require("socket").bind("127.0.0.1", port, BACKLOG)
  return socket and { socket = socket }, message
end

--- What is wrong with an address; nil when it is one.
---@param address any
---@return boolean
function listener.is_address(address)
  local port = tonumber(address)
  if port then
    return port % 1 == 0 and port >= 1 and port <= 65535
  end
  return type(address) == "string" and address:find "/" ~= nil and not address:find "%z"
end

--- Listens. A Unix socket has mode 600; one that a killed process has left is taken over, one of a living process is not.
---@param address string|integer a path with a slash, or a port of 127.0.0.1
---@return leadcat.Listener? listener
---@return string? message
function listener.open(address)
  if not protected.call(require, "socket") then
    return nil, "listening needs LuaSocket (Debian: lua-socket)"
  end
  local port = tonumber(address)
  local self, message = (port and listen_port or listen_path)(port or address)
  if not self then
    return nil, ("cannot listen on %s: %s"):format(address, message)
  end
  self.socket:settimeout(0)
  self.clients = {}
  return setmetatable(self, Listener)
end

--- Ends it. Its path is removed; the lock file stays, or two processes might take the lock of two files of that name.
function Listener:close()
  for _, client in ipairs(self.clients) do
    client.socket:close()
  end
  self.socket:close()
  if self.path then
    os.remove(self.path)
    self.lock:close()
  end
end

-- Serving -------------------------------------------------------------------------------------------------------------

local REASONS = {
  [200] = "OK", [400] = "Bad Request", [404] = "Not Found", [405] = "Method Not Allowed",
  [431] = "Request Header Fields Too Large", [500] = "Internal Server Error", [503] = "Service Unavailable",
}

local function response(status, body, kind, is_head)
  return ("HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nCache-Control: no-store\r\n"
    .. "Connection: close\r\n\r\n%s"):format(status, REASONS[status], kind or "text/plain; charset=utf-8", #body,
    is_head and "" or body)
end

-- The answer to a whole request.
local function answer(head, respond)
  local method, path = head:match "^(%u+) ([^ ?]+)%S* HTTP/1%.%d\r?\n"
  if not method then
    return response(400, "this is no request of HTTP/1\n")
  elseif method ~= "GET" and method ~= "HEAD" then
    return response(405, "GET only\n")
  end
  local ok, status, body, kind = protected.call(respond, path)
  if not ok then
    return response(500, as_text(status) .. "\n")
  end
  return response(status, body, kind, method == "HEAD")
end

-- Receives what is there. False when the client is gone.
local function receive(client, respond)
  local whole, message, part = client.socket:receive(MOST_HEAD)
  client.head = client.head .. (whole or part or "")
  if client.head:find "\r?\n\r?\n" then
    client.answer = answer(client.head, respond)
  elseif #client.head >= MOST_HEAD then
    client.answer = response(431, "the request is too long\n")
  end
  return client.answer ~= nil or message ~= "closed"
end

-- Sends what it takes. False when that was all.
local function send(client)
  local last, message, part = client.socket:send(client.answer, client.sent + 1)
  client.sent = last or part or client.sent
  return client.sent < #client.answer and message == "timeout"
end

-- The longest-waiting client makes room: nobody can keep the others out by doing nothing.
local function accept(self)
  for _ = 1, MOST_CLIENTS do
    local socket = self.socket:accept()
    if not socket then
      return
    end
    if #self.clients >= MOST_CLIENTS then
      table.remove(self.clients, 1).socket:close()
    end
    socket:settimeout(0)
    self.clients[#self.clients + 1] = { socket = socket, head = "", sent = 0, deadline = core.uptime() + PATIENCE }
  end
end

local function keep(client, ready, respond)
  local stays = core.uptime() < client.deadline
  if stays and not client.answer and ready[client.socket] then
    stays = receive(client, respond)
  end
  if stays and client.answer then
    stays = send(client)
  end
  if not stays then
    client.socket:close()
  end
  return stays
end

-- Waits until there is something to do, or the time is over; then does it, once for each client.
local function turn(self, seconds, respond)
  local reading, writing, left = { self.socket }, {}, {}
  for _, client in ipairs(self.clients) do
    local list = client.answer and writing or reading
    list[#list + 1] = client.socket
  end
  local ready = require("socket").select(reading, writing, seconds)
  for _, client in ipairs(self.clients) do
    left[#left + 1] = keep(client, ready, respond) and client or nil
  end
  self.clients = left
  if ready[self.socket] then
    accept(self)
  end
end

local TURNS = 4 -- of one call that does not wait: a client that is there is accepted, read and answered

--- Answers who is there, for some seconds, or until a signal asks the process to end; with 0 without waiting.
---@param seconds number
---@param respond fun(path: string): integer, string, string? status, body, Content-Type
function Listener:serve(seconds, respond)
  local ends, turns = core.uptime() + seconds, 0
  repeat
    turn(self, math.max(0, math.min(SLICE, ends - core.uptime())), respond)
    turns = turns + 1
  until core.ending() or turns >= TURNS and core.uptime() >= ends
end

return listener
