--- A network of namespaces on this machine: each name has one, with an address of its own, and all are on one bridge with
-- the machine itself. Between two of them it can be cut: then packets are lost, and nobody is told.

local net = {}

---@class cluster.Net
---@field names string[]
---@field places table<string, integer>
local Net = {}
Net.__index = Net

local NOBODY = "02:00:00:00:00:99" -- an Ethernet address that no one has

local function run(command)
  local pipe = assert(io.popen("{ " .. command .. "; } 2>&1; echo $?"))
  local output, status = pipe:read "*a":match "^(.-)(%d+)\n$"
  pipe:close()
  return status == "0" or nil, output
end

--- The address of a name; without one that of this machine.
---@param name? string
function Net:host(name)
  return ("%s.%d"):format(self.subnet, name and self.places[name] + 1 or 1)
end

--- The namespace of a name.
---@param name string
function Net:space(name)
  return self.prefix .. name
end

local function lose(self, from, to)
  assert(run(("ip -n %s neigh replace %s lladdr %s dev eth0 nud permanent"):format(self:space(from), self:host(to),
    NOBODY)))
end

--- Cuts a name off these others, both ways.
---@param name string
---@param others string[]
function Net:cut(name, others)
  for _, other in ipairs(others) do
    if other ~= name then
      lose(self, name, other)
      lose(self, other, name)
    end
  end
end

--- Ends all that.
function Net:heal()
  for _, name in ipairs(self.names) do
    run(("ip -n %s neigh flush dev eth0 nud permanent"):format(self:space(name)))
  end
end

function Net:stop()
  for _, name in ipairs(self.names) do
    run("ip netns del " .. self:space(name))
  end
  run("ip link del " .. self.prefix)
end

--- Makes one; nil and why where that may not be.
---@param names string[] short ones
---@return cluster.Net? net, string? message
function net.start(names)
  local number = math.random(1, 60000)
  local self = setmetatable({
    names = names, places = {}, prefix = ("lc%d"):format(number),
    subnet = ("10.%d.%d"):format(64 + math.floor(number / 256) % 64, number % 256),
  }, Net)
  local commands = {
    ("ip link add %s type bridge"):format(self.prefix), ("ip addr add %s/24 dev %s"):format(self:host(), self.prefix),
    ("ip link set %s up"):format(self.prefix),
  }
  for i, name in ipairs(names) do
    self.places[name] = i
    local space, link = self:space(name), self.prefix .. "v" .. name
    for _, command in ipairs {
      "ip netns add " .. space, ("ip link add %s type veth peer name eth0 netns %s"):format(link, space),
      ("ip link set %s master %s up"):format(link, self.prefix),
      ("ip -n %s addr add %s/24 dev eth0"):format(space, self:host(name)), ("ip -n %s link set eth0 up"):format(space),
      ("ip -n %s link set lo up"):format(space),
    } do
      commands[#commands + 1] = command
    end
  end
  local ok, message = run(table.concat(commands, " && "))
  if not ok then
    self:stop()
    return nil, message
  end
  return self
end

return net
