--- Connections by nginx's cosockets: the worker serves other requests while one waits.

local core = require "leadcat.core"
local platform = require "leadcat.util.platform"

local ngx = rawget(_G, "ngx")

local cosocket = {}

local Handle = {}
Handle.__index = Handle

local IDLE, MOST_IDLE = 30000, 10 -- milliseconds; connections of a pool and worker
local TIMED_OUT = "it took too long"

-- Sets what is left as the time that nginx waits; false when nothing is.
local function limit(self, deadline)
  local left = math.ceil((deadline - core.uptime()) * 1000)
  if left > 0 then
    self.socket:settimeouts(left, left, left)
  end
  return left > 0
end

local function said(message)
  return message == "timeout" and TIMED_OUT or message
end

--- Connects.
---@param address leadcat.SocketOptions
---@param deadline number by `core.uptime`
---@return table? handle, string? message, boolean? is_reused
function cosocket.connect(address, deadline)
  local self = setmetatable({ socket = ngx.socket.tcp() }, Handle)
  if not limit(self, deadline) then
    return nil, TIMED_OUT
  end
  -- without a name of its own it would get what others keep for the same server, with TLS or without
  local options = { pool = "leadcat " .. (address.pool or "none"), pool_size = MOST_IDLE }
  local host = address.host and address.host:gsub("^.*:.*$", "[%0]")
  local ok, message = self.socket:connect(host or "unix:" .. address.path, address.port or options, options)
  if not ok then
    return nil, said(message)
  end
  return self, nil, self.socket:getreusedtimes() > 0
end

--- Begins TLS; or nil, message.
---@param server_name? string
---@param tls leadcat.SocketTls
---@param deadline number
function Handle:start_tls(server_name, tls, deadline)
  if not limit(self, deadline) then
    return nil, TIMED_OUT
  end
  local ok, message = self.socket:sslhandshake(false, server_name, tls.verify ~= false)
  if not ok then
    return nil, said(message)
  end
  return true
end

--- Sends all bytes; or nil, message.
function Handle:send(bytes, deadline)
  if not limit(self, deadline) then
    return nil, TIMED_OUT
  end
  local sent, message = self.socket:send(bytes)
  return sent and true, said(message)
end

--- At least one byte, at most `most`; or nil, message: "closed" when the server has closed it.
function Handle:receive(most, deadline)
  if not limit(self, deadline) then
    return nil, TIMED_OUT
  end
  local bytes, message = self.socket:receiveany(most)
  return bytes, said(message)
end

--- See `socket.probe`.
---@param address leadcat.SocketOptions
---@param bytes string
---@return fun(): boolean
function cosocket.probe(address, bytes)
  local has_answered = false
  platform.later(0, function()
    local deadline = core.uptime() + address.timeout
    local handle, message = cosocket.connect(address, deadline)
    if handle then
      local sent
      sent, message = handle:send(bytes, deadline)
      message = sent and select(2, handle:receive(1, deadline)) or message
      handle:close()
    end
    has_answered = message ~= TIMED_OUT
  end)
  return function() return has_answered end
end

--- Keeps the connection for the next one who asks for the pool that it was connected with.
function Handle:keep()
  if not self.socket:setkeepalive(IDLE) then
    self.socket:close()
  end
end

function Handle:close()
  self.socket:close()
end

return cosocket
