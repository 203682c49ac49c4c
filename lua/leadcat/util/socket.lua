--- Connections to other servers: by LuaSocket, and LuaSec for TLS; in nginx by cosockets, so that the worker serves other
-- requests meanwhile. Everything has a deadline, so that a server that sends a byte now and then holds nobody up.
--
-- What fails at run time gives `nil, message, "unavailable"`, and the connection is of no use after that. Misuse raises.
-- Names are looked up without a deadline of ours, and in nginx by its directive `resolver`.

local core = require "leadcat.core"
local options_of = require "leadcat.util.options"
local platform = require "leadcat.util.platform"

local socket = {}

---@class leadcat.SocketTls
---@field server_name? string whom the certificate must name; default the host
---@field verify? boolean default true: false takes any certificate, and so talks to anybody
---@field cafile? string of the certificates that are trusted (PEM), read once a process; default the system's. In nginx the directives `lua_ssl_trusted_certificate` and `lua_ssl_verify_depth` say that (the latter's default, 1, is short for many servers)

---@class leadcat.SocketOptions
---@field host? string a name, or an address without brackets
---@field port? integer
---@field path? string instead of both: of a Unix socket
---@field timeout? number seconds for connecting, TLS included; default 10
---@field tls? leadcat.SocketTls for TLS from the beginning
---@field pool? string takes an idle connection that was released under this name, if there is one. It must tell apart all that makes connections differ: server, TLS, user

---@class leadcat.Socket
---@field is_reused boolean whether it comes from the pool: the server may have closed it just now
---@field has_received boolean whether anything has come
---@field has_ended boolean whether the server has closed it in good order
local Socket = {}
Socket.__index = Socket

local TIMEOUT = 10
local MOST_AT_ONCE = 16384 -- bytes

local TLS = {
  server_name = options_of.of_type "string", verify = options_of.of_type "boolean",
  cafile = options_of.of_type "string",
}
local function is_seconds(value)
  return type(value) == "number" and value > 0 and value < 1e6
end
local SECONDS = options_of.kind("a number of seconds above 0", is_seconds)
local ADDRESS = options_of.kind("a text without blanks", function(value)
  return type(value) == "string" and value ~= "" and not value:find "[%s%z%c]"
end)
local OPTIONS = {
  host = ADDRESS, path = ADDRESS, port = options_of.whole(1, 65535), timeout = SECONDS,
  pool = options_of.of_type "string",
  tls = options_of.kind("a table of server_name, verify and cafile", function(value)
    return type(value) == "table" and not options_of.problem(value, TLS)
  end),
}

-- The implementation for where we run now; or nil, message.
local function find_kind()
  if not platform.is_nginx then
    return require "leadcat.util.socket.luasocket"
  elseif not platform.can_yield() then
    return nil, "connections cannot be used in this phase of nginx"
  end
  return require "leadcat.util.socket.cosocket"
end

--- Closes the connection, because of what the server has done.
---@param message string
---@return nil, string message, "unavailable" code
function Socket:fail(message)
  if not self.failure then
    message = message == "closed" and "has closed the connection" or message
    self.failure, self.buffer, self.at = ("%s: %s"):format(self.name, message), "", 1
    self.handle:close()
  end
  return nil, self.failure, "unavailable"
end

--- A connection over a handle, which sends and receives as those of `leadcat.util.socket.luasocket` do.
---@param handle table
---@param name string for messages
---@return leadcat.Socket
function socket.over(handle, name)
  return setmetatable({
    handle = handle, name = name, buffer = "", at = 1, deadline = math.huge, is_reused = false, has_received = false,
    has_ended = false,
  }, Socket)
end

--- Connects, and begins TLS if it is asked for.
---@param options leadcat.SocketOptions
---@return leadcat.Socket? socket, string? message, "unavailable"? code
function socket.connect(options)
  options_of.check(options, OPTIONS, "socket.connect: ")
  options = options or {}
  if (options.path == nil) == (options.host == nil) or (options.host == nil) ~= (options.port == nil) then
    error("socket.connect: either host and port, or path expected", 2)
  end
  local name = options.path or ("%s port %d"):format(options.host, options.port)
  local kind, message = find_kind()
  if not kind then
    return nil, message, "unavailable"
  end
  local deadline = core.uptime() + (options.timeout or TIMEOUT)
  local handle, reason, is_reused = kind.connect(options, deadline)
  if not handle then
    return nil, ("%s: %s"):format(name, reason), "unavailable"
  end
  local self = socket.over(handle, name)
  self.host, self.pool, self.deadline, self.is_reused = options.host, options.pool, deadline, is_reused or false
  if options.tls and not is_reused then
    local ok, why, code = self:start_tls(options.tls)
    if not ok then
      return nil, why, code
    end
  end
  return self
end

--- Asks a server for a sign of life, for which nobody waits: a function that tells whether something has come, be it that
--- it cannot be reached. What has come is dropped, and the connection closed.
---@param options leadcat.SocketOptions its timeout matters only in nginx
---@param bytes string to be sent
---@return fun(): boolean has_answered
function socket.probe(options, bytes)
  options_of.check(options, OPTIONS, "socket.probe: ")
  local kind = platform.is_nginx and "cosocket" or "luasocket"
  return require("leadcat.util.socket." .. kind).probe(options, bytes)
end

--- Closes what was released under this name of a pool, if it is still there. nginx does that by itself, after half a minute.
---@param pool string
function socket.forget(pool)
  local kind = find_kind()
  if kind and kind.forget then
    kind.forget(pool)
  end
end

--- Begins TLS on a connection that is open. What the server has sent in advance is refused: nobody has vouched for it.
---@param tls? leadcat.SocketTls
---@return true? ok, string? message, "unavailable"? code
function Socket:start_tls(tls)
  tls = options_of.check(tls, TLS, "socket:start_tls: ")
  if self.failure then
    return nil, self.failure, "unavailable"
  elseif self.at <= #self.buffer then
    return self:fail("has sent something before TLS had begun")
  end
  local server_name = tls.server_name or self.host
  if not server_name and tls.verify ~= false then
    error("socket:start_tls: option 'server_name' is missing", 2)
  end
  local ok, message = self.handle:start_tls(server_name, tls, self.deadline)
  if not ok then
    return self:fail("TLS: " .. message)
  end
  return true
end

--- Sets the deadline of all that follows.
---@param seconds number from now
function Socket:settimeout(seconds)
  if not is_seconds(seconds) then
    error("socket:settimeout: a number of seconds above 0 expected", 2)
  end
  self.deadline = core.uptime() + seconds
end

--- Sends all of it. When that fails, the server may have got some of it.
---@param bytes string
---@return true? ok, string? message, "unavailable"? code
function Socket:send(bytes)
  for first = 1, #bytes, MOST_AT_ONCE do
    local ok, message
    if not self.failure then
      ok, message = self.handle:send(bytes:sub(first, first + MOST_AT_ONCE - 1), self.deadline)
    end
    if not ok then
      return self:fail(message)
    end
  end
  return not self.failure and true or nil, self.failure, self.failure and "unavailable"
end

-- Adds to the buffer what there is, at least a byte: waits for it. It reads all that has come, so that nothing is left
-- where `start_tls` would not see it.
local function fill(self)
  if self.failure then
    return nil, self.failure, "unavailable"
  end
  local bytes, message = self.handle:receive(MOST_AT_ONCE, self.deadline)
  if not bytes then
    self.has_ended = message == "closed"
    return self:fail(message)
  end
  self.buffer, self.at, self.has_received = self.buffer:sub(self.at) .. bytes, 1, true
  return true
end

--- What there is, at least a byte: waits for it.
---@param most? integer bytes
---@return string? bytes, string? message, "unavailable"? code
function Socket:receive_some(most)
  if self.at > #self.buffer then
    local ok, message, code = fill(self)
    if not ok then
      return nil, message, code
    end
  end
  local bytes = self.buffer:sub(self.at, self.at + (most or MOST_AT_ONCE) - 1)
  self.at = self.at + #bytes
  return bytes
end

--- Exactly `n` bytes.
---@param n integer
---@return string? bytes, string? message, "unavailable"? code
function Socket:receive(n)
  local pieces, missing = {}, n
  while missing > 0 do
    local bytes, message, code = self:receive_some(missing)
    if not bytes then
      return nil, message, code
    end
    pieces[#pieces + 1], missing = bytes, missing - #bytes
  end
  return table.concat(pieces)
end

--- A line, without its end (LF or CR LF).
---@param most integer bytes; a longer line is a failure
---@return string? line, string? message, "unavailable"? code
function Socket:receive_line(most)
  while true do
    local stop = self.buffer:find("\n", self.at, true)
    if (stop or #self.buffer) - self.at > most + 1 then
      return self:fail(("a line is longer than %d bytes"):format(most))
    elseif stop then
      local line = self.buffer:sub(self.at, stop - 1):gsub("\r$", "")
      self.at = stop + 1
      return line
    end
    local ok, message, code = fill(self)
    if not ok then
      return nil, message, code
    end
  end
end

--- Keeps the connection for the next `connect` with the same `pool`, for half a minute; or closes it, when it cannot be used
-- again. Whoever releases it does not use it any more.
function Socket:release()
  if self.failure then
    return
  elseif self.pool and self.at > #self.buffer then
    self.handle:keep(self.pool)
    self.failure = self.name .. ": was released"
  else
    self:close()
  end
end

--- Closes the connection; again it does nothing.
function Socket:close()
  self:fail("was closed")
end

return socket
