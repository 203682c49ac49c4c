-- Partitions: SECONDS [SEED]. The three servers are each in a network namespace, and so are nodes; while they work the network
-- is cut between some of them, and others, again and again. Then everything is compared.

local core = require "leadcat.core"
local nets = require "cluster.net"
local servers = require "cluster.servers"
local stages = require "cluster.stage"

local SECONDS, SEED = tonumber(arg[1]) or 60, tonumber(arg[2]) or os.time() % 1000000
local SERVERS, NODES = { "a", "b", "c" }, { "m", "n" } -- nodes 1 and 2 are in m, 3 is in n; nginx is outside
local SPACES = { "m", "m", "n" }

local function any_of(list)
  return list[math.random(#list)]
end

local partitions = {}

-- The primary is cut off from all, is replaced, and comes back, and takes itself for the primary.
function partitions.primary_from_all(stage, net)
  local cluster = stage.cluster
  local old = cluster.primary
  net:cut(old.name, SERVERS)
  net:cut(old.name, NODES)
  core.sleep(1)
  cluster:promote() -- from there on servers reach each other
  net:cut(old.name, NODES)
  core.sleep(1.5)
  net:heal()
  core.sleep(1.5)
  cluster:rebuild(old)
end

function partitions.primary_from_standbys(stage, net)
  net:cut(stage.cluster.primary.name, SERVERS)
  core.sleep(1.5)
end

function partitions.primary_from_a_standby(stage, net)
  net:cut(stage.cluster.primary.name, { any_of(SERVERS) })
  core.sleep(1.5)
end

function partitions.primary_from_nodes(stage, net)
  net:cut(stage.cluster.primary.name, { any_of(NODES) })
  core.sleep(1.5)
end

function partitions.nodes_from_all(_, net)
  net:cut(any_of(NODES), SERVERS)
  core.sleep(1.5)
end

local NAMES = {}
for name in pairs(partitions) do
  NAMES[#NAMES + 1] = name
end
table.sort(NAMES)

math.randomseed(SEED)
local net, message = nets.start { "a", "b", "c", "m", "n" }
if not net then
  print("partitions: not tried, as network namespaces cannot be made here: " .. message)
  return
end
local begun, count = core.uptime(), 0
local ok, problem = pcall(function()
  local stage = stages.new(SEED, function()
    local cluster = servers.start(net)
    return cluster, function() return cluster:url() end
  end, { host = net:host() })
  function stage.netns(number)
    return SPACES[number] and net:space(SPACES[number])
  end
  stage:run(function()
    stage:prepare "none"
    stage:start_nodes()
    local from = core.uptime()
    repeat
      core.sleep(1)
      count = count + 1
      local name, at = NAMES[count] or any_of(NAMES), core.uptime() -- each once, and then by chance
      partitions[name](stage, net)
      net:heal()
      stage:hasten()
      print(("  %-24s %.1f s"):format(name, core.uptime() - at))
    until core.uptime() - from > SECONDS and count >= #NAMES
    core.sleep(2)
    stage:prove()
  end)
end)
net:stop()
assert(ok, problem)
print(("%d partitions, nothing was lost or done twice: %.0f s"):format(count, core.uptime() - begun))
