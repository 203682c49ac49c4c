--- A connection's messages: whole ones out of a stream of bytes, before a deadline, and not more of them than a reply may
-- have. Whatever the server sends, reading ends.

local core = require "leadcat.core"
local message = require "leadcat.store.pg.message"
local platform = require "leadcat.util.platform"

local wire = {}

local sub, u32 = string.sub, message.u32

local MOST = 128 * 1048576 -- bytes that a reply may take of memory, roughly
local MESSAGE, BYTE = 100, 4 -- what a message may take, and each of its bytes, once there are Lua values of it

---@class leadcat.pg.Wire
---@field socket leadcat.Socket
---@field failure? string why nothing can be read or sent any more
---@field begun number when the last request has begun
local Wire = {}
Wire.__index = Wire

--- What a socket says, without the server's name, which the client puts there itself.
---@param reason string
---@return string
function wire.plain(reason)
  return reason:match "^/[^:]*: (.*)$" or reason:match "^%S+ port %d+: (.*)$" or reason
end

---@param socket leadcat.Socket
---@return leadcat.pg.Wire
function wire.new(socket)
  return setmetatable({ socket = socket, buffer = "", at = 1, left = MOST, begun = 0, deadline = 0 }, Wire)
end

--- Closes the connection, and remembers why.
---@param reason string
---@return nil, string reason the first one
function Wire:fail(reason)
  if not self.failure then
    self.failure = reason
    self.socket:close()
  end
  return nil, self.failure
end

--- Begins a request, whose reply must be there before the deadline.
---@param seconds number
function Wire:begin(seconds)
  self.begun, self.left = core.uptime(), MOST
  self.deadline = self.begun + seconds
  if not self.failure then
    self.socket:settimeout(seconds)
  end
end

---@param bytes string whole messages
---@return true? ok, string? reason
function Wire:send(bytes)
  if self.failure then
    return nil, self.failure
  end
  local ok, reason = self.socket:send(bytes)
  if not ok then
    return self:fail(wire.plain(reason))
  end
  return true
end

-- Has `count` bytes in the buffer; or nil, reason.
local function need(self, count)
  local missing = self.at + count - 1 - #self.buffer
  if missing <= 0 then
    return true
  end
  local pieces = { sub(self.buffer, self.at) }
  while missing > 0 do
    if core.uptime() >= self.deadline then -- a server that always has something to send never waits
      return self:fail "it took too long"
    end
    local bytes, reason = self.socket:receive_some()
    if not bytes then
      return self:fail(wire.plain(reason))
    end
    pieces[#pieces + 1], missing = bytes, missing - #bytes
    platform.give_way() -- what is there already is received without waiting
  end
  self.buffer, self.at = table.concat(pieces), 1
  return true
end

--- The next message.
---@return string? kind one letter
---@return string body or the reason
function Wire:read()
  if self.failure then
    return nil, self.failure
  end
  local ok, reason = need(self, 5)
  if not ok then
    return nil, reason
  end
  local kind, size = sub(self.buffer, self.at, self.at), u32(self.buffer, self.at + 1)
  self.left = self.left - MESSAGE - size * BYTE
  if size < 4 then
    return self:fail "the server has sent a message without a length"
  elseif self.left < 0 then
    return self:fail "the server has sent more than a reply may have"
  end
  ok, reason = need(self, size + 1)
  if not ok then
    return nil, reason
  end
  local first = self.at + 5
  self.at = self.at + size + 1
  return kind, sub(self.buffer, first, self.at - 1)
end

--- Has the socket kept for whoever asks for its pool; or closed, where something was sent that nobody has asked for.
function Wire:release()
  if not self.failure and self.at <= #self.buffer then
    self:fail "the server has sent what does not belong here"
  elseif not self.failure then
    self.socket:release()
    self.failure = "was put aside"
  end
end

return wire
