--- A loop for the servers of specs: each connection has a coroutine, which may take its time.

local socket = require "socket"

local loop = {}

local WAITS = { timeout = true, wantread = true, wantwrite = true }

---@class servers.Connection
local Connection = {}
Connection.__index = Connection

--- Waits; the other connections go on.
---@param seconds number
function Connection.sleep(_, seconds)
  local last = socket.gettime() + seconds
  repeat
    coroutine.yield()
  until socket.gettime() >= last
end

-- Calls a method until it does not have to wait any more.
local function call(self, method, ...)
  while true do
    local result, message, partial = self.socket[method](self.socket, ...)
    if result or not WAITS[message] then
      return result, message, partial
    end
    coroutine.yield(partial)
  end
end

--- Sends all; false when the client has gone.
function Connection:send(bytes)
  local sent = 0
  while sent < #bytes do
    local last, message, partial = self.socket:send(bytes, sent + 1)
    if not last and not WAITS[message] then
      return false
    elseif not last then
      coroutine.yield()
    end
    sent = last or partial
  end
  return true
end

-- Adds what has come to the buffer; false when nothing will.
local function fill(self)
  while not self.has_ended do -- LuaSec may never return when it is asked again after that
    local bytes, message, partial = self.socket:receive(8192)
    bytes = bytes or partial
    if bytes and bytes ~= "" then
      self.buffer = self.buffer .. bytes
      return true
    elseif not WAITS[message] then
      self.has_ended = true
      return false
    end
    coroutine.yield()
  end
  return false
end

--- Exactly n bytes; nil when the client has gone.
function Connection:receive(n)
  while #self.buffer < n do
    if not fill(self) then
      return nil
    end
  end
  local bytes = self.buffer:sub(1, n)
  self.buffer = self.buffer:sub(n + 1)
  return bytes
end

--- A line without its end; nil when the client has gone.
function Connection:line()
  while not self.buffer:find "\n" do
    if not fill(self) then
      return nil
    end
  end
  local line, rest = self.buffer:match "^(.-)\r?\n(.*)$"
  self.buffer = rest
  return line
end

--- An HTTP request; nil when the client has gone.
---@return {method: string, path: string, query: string, headers: table<string, string>, body: string}?
function Connection:request()
  local first = self:line()
  local request = { headers = {}, body = "" }
  while true do
    local line = first and self:line()
    if not line then
      return nil
    elseif line == "" then
      break
    end
    local name, value = line:match "^([^:]+):%s*(.-)%s*$"
    request.headers[name:lower()] = value
  end
  request.method, request.target = first:match "^(%S+) (%S+)"
  request.path, request.query = request.target:match "^([^?]*)%??(.*)$"
  request.body = self:receive(tonumber(request.headers["content-length"]) or 0)
  return request.body and request
end

--- Begins TLS as a server; false when that fails.
---@param options table of LuaSec: certificate, key
function Connection:start_tls(options)
  local ssl = require "ssl"
  self.socket = assert(ssl.wrap(self.socket, {
    mode = "server", protocol = "any", certificate = options.certificate, key = options.key, verify = "none",
  }))
  self.socket:settimeout(0)
  return call(self, "dohandshake") == true
end

--- Serves connections for ever; says `ready` when it listens.
---@param listener table
---@param serve fun(connection: servers.Connection) closes it by returning
function loop.run(listener, serve)
  local connections = {}
  listener:settimeout(0)
  print "ready"
  io.stdout:flush()
  while true do
    socket.select({ listener }, nil, next(connections) and 0.001 or 1)
    local made = listener:accept()
    while made do
      made:settimeout(0)
      local connection = setmetatable({ socket = made, buffer = "" }, Connection)
      connections[connection] = coroutine.create(serve)
      made = listener:accept()
    end
    for connection, thread in pairs(connections) do
      local ok, message = coroutine.resume(thread, connection)
      if not ok then
        print(message)
        io.stdout:flush()
      end
      if coroutine.status(thread) == "dead" then
        connection.socket:close()
        connections[connection] = nil
      end
    end
  end
end

return loop
