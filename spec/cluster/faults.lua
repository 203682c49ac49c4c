--- What goes wrong on the stage while nodes work: each by its name.

local core = require "leadcat.core"
local databases = require "support.databases"
local nodes = require "cluster.nodes"

local faults = {}

---@type table<string, fun(stage: cluster.Stage)>
local ALL = {}
faults.ALL = ALL

--- The primary and its disk are gone: a standby takes its place.
---@param stage cluster.Stage
function faults.lose_primary(stage)
  local cluster = stage.cluster
  local old = cluster.primary
  cluster:kill_primary()
  cluster:promote()
  core.sleep(0.3)
  cluster:rebuild(old)
end

ALL.lose_primary = faults.lose_primary

function ALL.kill_nodes(stage)
  for number = 1, nodes.COUNT do
    if math.random(2) == 1 or number == nodes.COUNT then
      stage:kill_node(number)
    end
    core.sleep(math.random() * 0.2)
  end
end

function ALL.restart_primary(stage)
  stage.cluster:kill_primary()
  core.sleep(0.2)
  stage.cluster:restart_primary()
end

-- As behind a partition: another is promoted, and the old one comes back, and takes itself for the primary.
function ALL.freeze_primary(stage)
  local cluster = stage.cluster
  local old = cluster.primary
  databases.signal(old, "STOP")
  core.sleep(0.3)
  cluster:promote()
  core.sleep(0.5)
  databases.signal(old, "CONT")
  core.sleep(1.5)
  cluster:rebuild(old)
end

function ALL.cut_off_standbys(stage)
  stage.cluster:cut_off()
  core.sleep(1)
  stage.cluster:reconnect()
end

-- Nothing of what commits wait for was ever acknowledged; but who reads the primary sees it.
function ALL.lose_what_was_read(stage)
  local cluster = stage.cluster
  cluster:cut_off()
  for _ = 1, 2 do
    core.sleep(0.5)
    cluster:kill_primary()
    cluster:restart_primary()
  end
  core.sleep(0.7)
  faults.lose_primary(stage)
end

-- The server says that such a commit has succeeded, with a warning.
function ALL.cancel_waits(stage)
  local cluster = stage.cluster
  cluster:cut_off()
  for _ = 1, 4 do
    core.sleep(0.25)
    cluster:psql "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
  end
  faults.lose_primary(stage)
end

function ALL.bad_network(stage)
  for _, how in ipairs { "delay", "drop", "hold", "cut" } do
    stage.cluster.proxy:set("clients", how)
    core.sleep(0.5)
  end
  stage.cluster.proxy:set("clients", "pass")
end

-- The primary's clock goes back and ahead, then those of nodes, each its own way.
function ALL.move_clocks(stage)
  for _, seconds in ipairs { -600, 300, 0 } do
    databases.set_clock(stage.cluster.primary, seconds)
    stage:hasten()
    for number = 1, nodes.COUNT - 1 do
      stage:set_clock(number, math.random(-7200, 7200))
    end
    core.sleep(0.7)
  end
end

--- The names, in an order of chance.
---@return string[]
function faults.shuffled()
  local names = {}
  for name in pairs(ALL) do
    names[#names + 1] = name
  end
  table.sort(names)
  for i = #names, 2, -1 do
    local j = math.random(i)
    names[i], names[j] = names[j], names[i]
  end
  return names
end

--- Has a fault happen, after a pause.
---@param stage cluster.Stage
---@param name string
---@param pause number seconds
function faults.suffer(stage, name, pause)
  local begun = core.uptime()
  core.sleep(pause)
  ALL[name](stage)
  stage:hasten()
  print(("  %-20s %.1f s"):format(name, core.uptime() - begun))
end

return faults
