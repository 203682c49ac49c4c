-- The proxy's process: CONTROL, then GROUP PORT SERVER for each port it listens on. See proxies.lua. It ends with whoever
-- has connected to CONTROL.

local socket = require "socket"

local PIECE = 65536
local DELAY = 0.05 -- seconds at most
local DROPS = 0.01 -- the share of pieces with which a connection ends

local modes = { clients = "pass", replication = "pass" }
local listeners = {} -- by socket: {group, port}
local ends = {} -- by socket: {to, group, waiting = {{at, piece}}}

local function close(from)
  local to = ends[from] and ends[from].to
  ends[from] = nil
  from:close()
  if to and ends[to] then
    close(to)
  end
end

local function accept(listener)
  local client = listener.socket:accept()
  local to = client and modes[listener.group] ~= "cut" and socket.connect("127.0.0.1", listener.port)
  if not to then
    return client and client:close()
  end
  for from, other in pairs { [client] = to, [to] = client } do
    from:settimeout(0)
    from:setoption("tcp-nodelay", true)
    ends[from] = { to = other, group = listener.group, waiting = {} }
  end
end

local function read(from)
  local way = ends[from]
  if not way then
    return
  end
  local mode = modes[way.group]
  local piece, message, part = from:receive(PIECE)
  piece = piece or part
  if piece ~= "" then
    local last = way.waiting[#way.waiting]
    local at = socket.gettime() + (mode == "delay" and math.random() * DELAY or 0)
    way.waiting[#way.waiting + 1] = { at = math.max(at, last and last.at or 0), piece = piece }
  end
  if message == "closed" then
    way.is_over = true
  elseif mode == "drop" and math.random() < DROPS then
    close(from)
  end
end

-- Passes on what has waited long enough.
local function write(from)
  local way = ends[from]
  while way.waiting[1] and way.waiting[1].at <= socket.gettime() do
    local first = way.waiting[1]
    local sent, message, part = way.to:send(first.piece)
    if message == "closed" then
      return close(from)
    elseif not sent then
      first.piece = first.piece:sub(part + 1)
      return
    end
    table.remove(way.waiting, 1)
  end
  if way.is_over and not way.waiting[1] then
    close(from)
  end
end

local function obey(line)
  local group, mode = line:match "^(%S+) (%S+)$"
  modes[group] = mode
  for from, way in pairs(ends) do
    if mode == "cut" and way.group == group then
      ends[from] = nil
      from:close()
    end
  end
end

math.randomseed(os.time())
local first = assert(socket.bind("127.0.0.1", tonumber(arg[1])))
for i = 2, #arg, 3 do
  local listening = assert(socket.bind("127.0.0.1", tonumber(arg[i + 1]), 64))
  listeners[listening] = { socket = listening, group = arg[i], port = tonumber(arg[i + 2]) }
end
print "ready"
io.stdout:flush()
local control = assert(first:accept())

while true do
  local watched = { control }
  for listening in pairs(listeners) do
    watched[#watched + 1] = listening
  end
  for from, way in pairs(ends) do
    if modes[way.group] ~= "hold" and not way.is_over then
      watched[#watched + 1] = from
    end
  end
  for _, ready in ipairs(socket.select(watched, nil, 0.005)) do
    if ready == control then
      local line = control:receive "*l"
      if not line then
        os.exit(0)
      end
      obey(line)
      control:send "done\n"
    elseif listeners[ready] then
      accept(listeners[ready])
    else
      read(ready)
    end
  end
  local all = {}
  for from in pairs(ends) do
    all[#all + 1] = from
  end
  for _, from in ipairs(all) do
    if ends[from] and modes[ends[from].group] ~= "hold" then
      write(from)
    end
  end
end
