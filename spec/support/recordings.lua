--- What a server has sent, recorded and replayed: sessions of `leadcat.store.pg` without a network.

local socket = require "leadcat.util.socket"

local recordings = {}

local function with(connect, work)
  local real = socket.connect
  socket.connect = connect
  local ok, message = pcall(work)
  socket.connect = real
  assert(ok, message)
end

--- The bytes that a server sends over one connection while `work` runs.
---@param work fun(length: fun(): integer) `length` says how many there are so far
---@return string
function recordings.record(work)
  local pieces, real = {}, socket.connect
  with(function(options)
    local made, message, code = real(options)
    if made then
      local receive_some = made.receive_some
      function made.receive_some(...)
        local bytes, reason, failure = receive_some(...)
        pieces[#pieces + 1] = bytes
        return bytes, reason, failure
      end
    end
    return made, message, code
  end, function()
    work(function() return #table.concat(pieces) end)
  end)
  return table.concat(pieces)
end

local Replayed = {}
Replayed.__index = Replayed

function Replayed.send() return true end

function Replayed:receive_some()
  local last = self.at + self.size - 1
  if self.at <= self.stop then -- what comes later has not been asked for yet
    last = math.min(last, self.stop)
  end
  local bytes = self.bytes:sub(self.at, last)
  if bytes == "" then
    return nil, "x port 1: has closed the connection", "unavailable"
  end
  self.at = self.at + #bytes
  return bytes
end

function Replayed.settimeout() end

function Replayed.close() end

function Replayed:release()
  self.is_kept = true
end

--- Has the first connection that `work` makes receive these bytes, and then its end; there is no other connection.
---@param bytes string
---@param size integer bytes that come at a time
---@param stop integer where the second answer begins, which does not come together with the first
---@param work fun()
function recordings.replay(bytes, size, stop, work)
  local made
  with(function()
    if made and not made.is_kept then
      return nil, "x port 1: connection refused", "unavailable"
    end
    made = made or setmetatable({ bytes = bytes, at = 1, size = size, stop = stop }, Replayed)
    made.is_reused, made.is_kept = made.is_kept or false, false
    return made
  end, work)
end

--- The messages in bytes that have whole ones.
---@param bytes string
---@return string[]
function recordings.messages(bytes)
  local list, at = {}, 1
  while at <= #bytes do
    local a, b, c, d = bytes:byte(at + 1, at + 4)
    local size = ((a * 256 + b) * 256 + c) * 256 + d
    list[#list + 1] = bytes:sub(at, at + size)
    at = at + size + 1
  end
  return list
end

--- Where the startup ends: behind the first message that says that the server is ready.
---@param bytes string
---@return integer
function recordings.end_of_startup(bytes)
  local at = 0
  for _, message in ipairs(recordings.messages(bytes)) do
    at = at + #message
    if message:sub(1, 1) == "Z" then
      return at
    end
  end
  error "it never ends"
end

return recordings
