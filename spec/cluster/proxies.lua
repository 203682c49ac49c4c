--- A proxy between nodes and servers, and between a primary and its standbys: a process of its own, which is told what to do
-- with the connections of a group.

local core = require "leadcat.core"
local server = require "nginx.server"
local socket = require "socket"

---@class cluster.Proxy
---@field ports table<string, table<string, integer>> by group and by the server's name
local Proxy = {}
Proxy.__index = Proxy

local GROUPS = { "clients", "replication" }

--- Sets what is done with a group's connections; it is so when this returns.
---@param group "clients"|"replication"
---@param how "pass"|"hold"|"cut"|"delay"|"drop" hold: nothing gets through; cut: all end, and new ones do at once; delay: by some milliseconds; drop: some end
function Proxy:set(group, how)
  assert(self.control:send(group .. " " .. how .. "\n"))
  assert(self.control:receive "*l" == "done")
end

function Proxy:stop()
  self.control:close() -- it ends by that
  self.pipe:close()
end

local proxies = {}

--- Starts one before each of the servers.
---@param list support.Database[]
---@return cluster.Proxy
function proxies.start(list)
  local self, words = setmetatable({ ports = {} }, Proxy), {}
  for _, group in ipairs(GROUPS) do
    self.ports[group] = {}
    for _, database in ipairs(list) do
      local port = server.free_port()
      core.sleep(0.001) -- the next free port is another one
      self.ports[group][database.name] = port
      words[#words + 1] = ("%s %d %d"):format(group, port, database.port)
    end
  end
  local control = server.free_port()
  self.pipe = assert(io.popen(("exec sh spec/support/with_lua.sh lua5.4 spec/cluster/proxy.lua %d %s 2>&1"):format(
    control, table.concat(words, " "))))
  assert(self.pipe:read "*l" == "ready", "the proxy does not start")
  self.control = assert(socket.connect("127.0.0.1", control))
  return self
end

return proxies
