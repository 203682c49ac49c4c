--- Connections by LuaSocket, and LuaSec for TLS. Where a scheduler runs that is not nginx's, other coroutines run while we
-- wait; else the process waits.

local core = require "leadcat.core"
local names = require "leadcat.util.socket.names"
local platform = require "leadcat.util.platform"
local protected = require "leadcat.util.protected"

local luasocket = {}

local Handle = {}
Handle.__index = Handle

local NAP = 0.002 -- seconds between two looks, where other coroutines run meanwhile
local MOST_IDLE, IDLE = 4, 30 -- connections of a pool; seconds
local WAITS = {
  timeout = true, wantread = true, wantwrite = true, ["Operation already in progress"] = true,
}
local TIMED_OUT = "it took too long"

local CAFILES = { -- of Debian, Red Hat, Alpine
  "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
}

-- LuaSocket has two times: of a call, "t", and of each wait in it, which is never set here. Were it 0 once, `call` would not wait
-- any more, but try again and again.

-- Calls a method of LuaSocket or LuaSec until it does not have to wait any more, or the time is over: what it returns.
local function call(self, deadline, method, ...)
  while true do
    local left = deadline - core.uptime()
    if left <= 0 then
      return nil, TIMED_OUT
    end
    local can_yield = platform.can_yield()
    self.socket:settimeout(can_yield and 0 or math.max(left, NAP), "t")
    local result, message, rest = self.socket[method](self.socket, ...)
    if result or not WAITS[message] or rest and rest ~= "" then
      return result, message, rest
    elseif can_yield then
      platform.sleep(NAP)
    end
  end
end

-- Pools ---------------------------------------------------------------------------------------------------------------

local pools, owner = {}, nil -- lists of {handle, since} by name; those of the process that had them

-- The pool's list. Connections of a process that has forked are not its child's.
local function list_of(pool)
  local process = core.process()
  if owner ~= process then
    pools, owner = {}, process
  end
  pools[pool] = pools[pool] or {}
  return pools[pool]
end

-- Whether the server has neither closed the connection nor sent what nobody has asked for.
local function is_quiet(self)
  self.socket:settimeout(0, "t")
  local byte, message = self.socket:receive(1)
  return not byte and WAITS[message]
end

local function take(pool)
  local list = list_of(pool)
  while #list > 0 do
    local kept = table.remove(list)
    if core.uptime() - kept.since < IDLE and is_quiet(kept.handle) then
      return kept.handle
    end
    kept.handle:close()
  end
end

--- Closes all that is kept under this name.
---@param pool string
function luasocket.forget(pool)
  for _, kept in ipairs(list_of(pool)) do
    kept.handle:close()
  end
  pools[pool] = nil
end

--- Keeps the connection for the next one who asks for this pool.
---@param pool string
function Handle:keep(pool)
  local list = list_of(pool)
  list[#list + 1] = { handle = self, since = core.uptime() }
  if #list > MOST_IDLE then
    table.remove(list, 1).handle:close()
  end
end

-- ---------------------------------------------------------------------------------------------------------------------

-- A socket that is not connected; or nil, message.
local function new_socket(address)
  local found, library = protected.call(require, address.path and "socket.unix" or "socket")
  if not found then
    return nil, "LuaSocket is not installed"
  end
  return (address.path and library.stream or library.tcp)()
end

--- Connects.
---@param address leadcat.SocketOptions
---@param deadline number by `core.uptime`
---@return table? handle, string? message, boolean? is_reused
function luasocket.connect(address, deadline)
  local kept = address.pool and take(address.pool)
  if kept then
    return kept, nil, true
  end
  local made, message = new_socket(address)
  if not made then
    return nil, message
  end
  local self = setmetatable({ socket = made }, Handle)
  local ok
  ok, message = call(self, deadline, "connect", address.path or address.host, address.port)
  if not ok and message ~= "already connected" then
    self:close()
    return nil, message
  end
  if not address.path then
    made:setoption("tcp-nodelay", true)
  end
  return self
end

--- See `socket.probe`.
---@param address leadcat.SocketOptions
---@param bytes string few
---@return fun(): boolean
function luasocket.probe(address, bytes)
  local made = new_socket(address)
  local waits = made ~= nil
  if made then
    made:settimeout(0)
    local _, message = made:connect(address.path or address.host, address.port)
    waits = not message or WAITS[message]
  end
  local was_sent = false
  return function()
    local message
    if waits and not was_sent then
      was_sent, message = made:send(bytes)
    end
    if waits and was_sent then
      message = select(2, made:receive(1))
    end
    waits = waits and WAITS[message]
    if made and not waits then
      made:close()
    end
    return not waits
  end
end

--- Sends all bytes; or nil, message.
function Handle:send(bytes, deadline)
  local sent = 0
  while sent < #bytes do
    local left = deadline - core.uptime()
    if left <= 0 then
      return nil, TIMED_OUT
    end
    local can_yield = platform.can_yield()
    self.socket:settimeout(can_yield and 0 or left, "t")
    local last, message, partial = self.socket:send(bytes, sent + 1)
    if not last and not WAITS[message] then
      return nil, message
    elseif not last and can_yield then
      platform.sleep(NAP)
    end
    sent = last or partial or sent
  end
  return true
end

--- At least one byte, at most `most`; or nil, message: "closed" when the server has closed it.
function Handle:receive(most, deadline)
  if self.failure then -- LuaSec may never return when it is asked again
    return nil, self.failure
  end
  local first, message = call(self, deadline, "receive", 1)
  if not first then
    self.failure = message ~= TIMED_OUT and message or nil
    return nil, message
  elseif most == 1 then
    return first
  end
  self.socket:settimeout(0, "t") -- and what is there with it
  local bytes, problem, rest = self.socket:receive(most - 1)
  self.failure = problem and not WAITS[problem] and problem or nil
  return first .. (bytes or rest)
end

function Handle:close()
  self.socket:close()
end

-- TLS -----------------------------------------------------------------------------------------------------------------

local contexts = {} -- by file; reading one takes milliseconds

local function system_cafile()
  for _, name in ipairs { os.getenv "SSL_CERT_FILE" or CAFILES[1], CAFILES[1], CAFILES[2], CAFILES[3] } do
    local file = io.open(name)
    if file then
      file:close()
      return name
    end
  end
  return nil, "no certificates of authorities are installed (Debian's ca-certificates); name a file of some as cafile"
end

-- The file of the authorities that are trusted; or nil, message.
local function cafile_of(tls)
  local file, message = io.open(tls.cafile or "")
  if file then
    file:close()
    return tls.cafile
  elseif tls.cafile then
    return nil, message
  end
  return system_cafile()
end

local function context_of(ssl, tls)
  local cafile, message
  if tls.verify ~= false then
    cafile, message = cafile_of(tls)
    if not cafile then
      return nil, message
    end
  end
  local key = cafile or ""
  if not contexts[key] then
    contexts[key], message = ssl.newcontext {
      mode = "client", protocol = "any", options = { "all", "no_sslv2", "no_sslv3", "no_tlsv1", "no_tlsv1_1" },
      verify = cafile and "peer" or "none", cafile = cafile,
    }
  end
  return contexts[key], message
end

--- Begins TLS; or nil, message.
---@param server_name? string
---@param tls leadcat.SocketTls
---@param deadline number
function Handle:start_tls(server_name, tls, deadline)
  local found, ssl = protected.call(require, "ssl")
  if not found then
    return nil, "LuaSec is not installed"
  end
  local context, message = context_of(ssl, tls)
  if not context then
    return nil, message
  end
  local wrapped
  wrapped, message = ssl.wrap(self.socket, context)
  if not wrapped then
    return nil, message
  end
  self.socket = wrapped
  if server_name and not names.is_address(server_name) then
    wrapped:sni(server_name)
  end
  local ok
  ok, message = call(self, deadline, "dohandshake")
  if not ok then
    return nil, message or "the handshake failed"
  elseif tls.verify ~= false then -- LuaSec checks who has signed the certificate, not for whom
    return names.check(wrapped:getpeercertificate(), server_name)
  end
  return true
end

return luasocket
