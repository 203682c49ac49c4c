--- Three PostgreSQL servers, of which a commit needs two: the primary, and whichever standby is first. Standbys get what
-- the primary writes through the proxy, so that they can be cut off. This is also the operator (elsewhere Patroni):
-- it promotes a standby only when none can acknowledge anything to the old primary any more.

local core = require "leadcat.core"
local databases = require "support.databases"
local nodes = require "cluster.nodes"
local proxies = require "cluster.proxies"

---@class cluster.Servers
---@field list support.Database[]
---@field primary support.Database
---@field proxy? cluster.Proxy
---@field net? cluster.Net
local Servers = {}
Servers.__index = Servers

local NAMES = { "a", "b", "c" }

local function others(name)
  local list = {}
  for _, other in ipairs(NAMES) do
    list[#list + 1] = other ~= name and other or nil
  end
  return table.concat(list, ", ")
end

-- What is set by `ALTER SYSTEM`, which a standby can do, too.
local function alter(database, name, value)
  databases.psql(database, ("ALTER SYSTEM SET %s = '%s'"):format(name, value), "SELECT pg_reload_conf()")
end

function Servers:follow(database, primary)
  local port = self.net and primary.port or self.proxy.ports.replication[primary.name]
  alter(database, "primary_conninfo", ("host=%s port=%d user=leadcat application_name=%s"):format(primary.host, port,
    database.name))
end

local function wait_until(what, check)
  nodes.wait_until(what, function()
    local ok, value = pcall(check)
    return ok and value
  end)
end

local function standbys(primary)
  return tonumber(databases.psql(primary, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"))
end

--- Waits until both standbys are there.
function Servers:wait_for_standbys()
  wait_until("the standbys do not follow", function() return standbys(self.primary) == 2 end)
end

-- What happens to what servers say to each other.
function Servers:set_replication(how)
  if not self.net then
    return self.proxy:set("replication", how)
  elseif how == "pass" then
    return self.net:heal()
  end
  for _, name in ipairs(NAMES) do
    self.net:cut(name, NAMES)
  end
end

--- Standbys that are cut off hear nothing more, and what is under way to them is lost.
function Servers:cut_off()
  self:set_replication "hold"
end

--- Ends that, where the primary lives.
function Servers:reconnect()
  self:set_replication "cut"
  self:set_replication "pass"
end

--- Kills the primary, without a word to anybody.
function Servers:kill_primary()
  databases.run(self.primary, "kill -9 $(head -1 $dir/data/postmaster.pid)")
  self.primary.is_running = false
end

-- Its processes may take a moment to notice that the first one is gone.
local function start(database)
  wait_until("the server does not start", function()
    databases.restart(database)
    return true
  end)
end

function Servers:restart_primary()
  start(self.primary)
end

local function received(database)
  return tonumber(databases.psql(database, "SELECT pg_last_wal_receive_lsn() - '0/0'")) or 0
end

--- Makes the standby that has most the primary; the other one follows it.
function Servers:promote()
  local old, candidates = self.primary, {}
  self:set_replication "cut" -- before they are asked what they have: nothing is acknowledged any more
  for _, database in ipairs(self.list) do
    candidates[#candidates + 1] = database ~= old and database or nil
  end
  if received(candidates[2]) > received(candidates[1]) then
    candidates[1], candidates[2] = candidates[2], candidates[1]
  end
  self.primary = candidates[1]
  self:follow(candidates[2], self.primary)
  databases.promote(self.primary)
  self:set_replication "pass"
  self.promoted = self.promoted + 1
end

--- The old primary loses its disk, and comes back as a standby.
function Servers:rebuild(database)
  if database.is_running then
    databases.run(database, "kill -9 $(head -1 $dir/data/postmaster.pid)")
    database.is_running = false
  end
  databases.run(database, ("rm -rf $dir/data && pg_basebackup -h %s -p %d -U leadcat -D $dir/data -c fast -N "
    .. "&& touch $dir/data/standby.signal"):format(self.primary.host,
    self.primary.port))
  start(database)
  alter(database, "synchronous_standby_names", self.synchronous and ("ANY 1 (%s)"):format(others(database.name)) or "")
  self:follow(database, self.primary)
  self:wait_for_standbys()
end

--- Whether commits wait for a standby.
---@param synchronous boolean
function Servers:synchronize(synchronous)
  if self.synchronous == synchronous then
    return
  end
  self.synchronous = synchronous
  for _, database in ipairs(self.list) do
    alter(database, "synchronous_standby_names", synchronous and ("ANY 1 (%s)"):format(others(database.name)) or "")
  end
end

--- Executes SQL in the primary.
function Servers:psql(sql)
  return databases.psql(self.primary, sql)
end

--- Where the servers are: straight, or through the proxy.
---@param group? "clients"
---@return string url
function Servers:url(group)
  local hosts = {}
  for i, database in ipairs(self.list) do
    hosts[i] = database.host .. ":" .. (group and self.proxy.ports[group][database.name] or database.port)
  end
  return ("postgresql://leadcat@%s/crm?sslmode=disable&connect_timeout=1"):format(table.concat(hosts, ","))
end

function Servers:stop()
  databases.stop()
  if self.proxy then
    self.proxy:stop()
  end
end

local servers = {}

--- Starts the servers, and a proxy before them.
---@param net? cluster.Net instead: each is in the namespace of its name
---@return cluster.Servers
function servers.start(net)
  local self = setmetatable({ list = {}, promoted = 0, net = net }, Servers)
  local function options(name, copy_of)
    return {
      name = name, has_clock = true, copy_of = copy_of, host = net and net:host(name), netns = net and net:space(name),
    }
  end
  local first = databases.get("postgresql", options(NAMES[1]))
  for setting, value in pairs { wal_keep_size = "256MB", wal_retrieve_retry_interval = "100ms" } do
    alter(first, setting, value)
  end
  databases.shut_down(first)
  for i, name in ipairs(NAMES) do
    self.list[i] = databases.get("postgresql", options(name, first))
    self.list[i].name = name
  end
  databases.restart(first)
  self.primary = first
  self.proxy = not net and proxies.start(self.list) or nil
  for i = 2, #NAMES do
    self:follow(self.list[i], first)
  end
  self:wait_for_standbys()
  self:synchronize(true)
  core.sleep(0.2)
  return self
end

return servers
