-- Tries the recipe of lua/leadcat/store/patroni.md: [KILLS [SEED]]. Its file is used as it stands there, but for addresses and
-- directories. Nodes work while the leader is killed, with its Patroni, and comes back; then everything is compared.

local core = require "leadcat.core"
local nodes = require "cluster.nodes"
local server = require "nginx.server"
local stages = require "cluster.stage"

local KILLS, SEED = tonumber(arg[1]) or 5, tonumber(arg[2]) or os.time() % 1000000
local MEMBERS = 3
local RECIPE = "lua/leadcat/store/patroni.md"

local function run(command)
  local pipe = assert(io.popen("{ " .. command .. "; } 2>&1; echo $?"))
  local output, status = pipe:read "*a":match "^(.-)(%d+)\n$"
  pipe:close()
  return status == "0" and output or nil, output
end

local function read_recipe()
  local file = assert(io.open(RECIPE))
  local text = file:read "*a"
  file:close()
  return assert(text:match "```yaml\n(.-)```", RECIPE .. " has no file of Patroni"),
    assert(text:match "```sql\n(.-)```", RECIPE .. " has no SQL")
end

local FILE, SQL = read_recipe()
local is_root = run "id -u" == "0\n"
local AS = is_root and "setpriv --reuid=postgres --regid=postgres --clear-groups env HOME=/tmp " or ""

local function password_of(user)
  return assert(FILE:match("username: " .. user .. ", password: ([^%s}]+)"))
end

local function free_port()
  local port = server.free_port()
  core.sleep(0.001) -- the next free port is another one
  return port
end

-- Starts a process in the background, and gives its id.
local function start(command, log)
  return assert(tonumber((run(("%s >>%s 2>&1 & echo $!"):format(command, log)))))
end

---@class cluster.Patroni
local Patroni = {}
Patroni.__index = Patroni

-- Puts something else in, which must be there.
local function replaced(text, from, to)
  local pattern = from:gsub("%p", "%%%0")
  local result, count = text:gsub(pattern, (to:gsub("%%", "%%%%")))
  assert(count > 0, RECIPE .. " does not have: " .. from)
  return result
end

-- The recipe's file for a member.
local function file_of(self, member)
  local text = replaced(FILE, "10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379", "127.0.0.1:" .. self.etcd_port)
  for _, pair in ipairs {
    { "name: db1", "name: " .. member.name }, { "10.0.0.1:8008", "127.0.0.1:" .. member.rest },
    { "10.0.0.1:5432", "127.0.0.1:" .. member.port }, { "10.0.0.0/24", "127.0.0.1/32" },
    { "/var/lib/postgresql/15/leadcat", member.directory .. "/data" },
  } do
    text = replaced(text, pair[1], pair[2])
  end
  return text
end

local function start_member(member)
  member.patroni = start(AS .. "patroni " .. member.directory .. "/patroni.yml", member.directory .. "/log")
end

-- Kills a member's Patroni and its server.
local function kill_member(member)
  run(("kill -9 %d"):format(member.patroni))
  run(("kill -9 $(head -1 %s/data/postmaster.pid)"):format(member.directory))
end

local function ask(member, user, password, database, sql)
  local command = "PGPASSWORD=%s PGCONNECT_TIMEOUT=2 psql -X -q -At -h 127.0.0.1 -p %d -U %s -d %s -c \"%s\""
  return run(command:format(password, member.port, user, database, sql))
end

local function as_superuser(member, sql)
  return ask(member, "postgres", password_of "postgres", "postgres", sql)
end

--- The member that can be written to; nil while there is none.
function Patroni:leader()
  for _, member in ipairs(self.members) do
    if as_superuser(member, "SELECT pg_is_in_recovery()") == "f\n" then
      return member
    end
  end
end

local STANDBYS = "SELECT count(*), count(*) FILTER (WHERE sync_state = 'sync') FROM pg_stat_replication "
  .. "WHERE state = 'streaming'"

--- Waits for a leader with two standbys, one of which commits wait for.
function Patroni:wait_until_whole(what)
  nodes.wait_until(what, function()
    local leader = self:leader()
    return leader and as_superuser(leader, STANDBYS) == "2|1\n"
  end, 180)
end

function Patroni:url()
  local hosts = {}
  for i, member in ipairs(self.members) do
    hosts[i] = "127.0.0.1:" .. member.port
  end
  return ("postgresql://leadcat:%s@%s/crm?target_session_attrs=read-write&connect_timeout=2"):format(self.password,
    table.concat(hosts, ","))
end

--- Executes SQL in the leader, once there is one.
function Patroni:psql(sql)
  local output, message
  nodes.wait_until("the leader does not answer", function()
    local leader = self:leader()
    if leader then
      output, message = ask(leader, "leadcat", self.password, "crm", sql)
    end
    return output
  end, 180)
  return assert(output, message)
end

function Patroni.synchronize() end -- Patroni does

function Patroni:stop()
  for _, member in ipairs(self.members) do
    kill_member(member)
  end
  run(("kill -9 %d"):format(self.etcd))
  core.sleep(0.3)
  run("rm -rf " .. self.directory)
end

local function start_all()
  local directory = assert(run "mktemp -d"):match "[^\n]+"
  local self = setmetatable({ directory = directory, members = {}, etcd_port = free_port() }, Patroni)
  run("chmod 755 " .. directory)
  self.etcd = start(("etcd --data-dir %s/etcd --listen-client-urls http://127.0.0.1:%d --advertise-client-urls "
    .. "http://127.0.0.1:%d --listen-peer-urls http://127.0.0.1:%d"):format(directory, self.etcd_port, self.etcd_port,
    free_port()), directory .. "/etcd.log")
  for i = 1, MEMBERS do
    local member = { name = "db" .. i, port = free_port(), rest = free_port(), directory = directory .. "/db" .. i }
    self.members[i] = member
    run("mkdir " .. member.directory)
    local file = assert(io.open(member.directory .. "/patroni.yml", "w"))
    file:write(file_of(self, member))
    file:close()
    if is_root then
      run("chown -R postgres: " .. member.directory)
    end
    start_member(member)
  end
  return self
end

-- Waits for all three, and makes leadcat's user and database.
function Patroni:prepare()
  self:wait_until_whole "Patroni does not start three servers"
  self.password = assert(SQL:match "PASSWORD '([^']+)'")
  for statement in SQL:gmatch "[^;\n]+" do
    local done, message = as_superuser(self:leader(), statement)
    assert(done, message)
  end
end

local begun = core.uptime()
local stage = stages.new(SEED, function()
  local cluster = start_all()
  return cluster, function() return cluster:url() end
end)

stage:run(function()
  local cluster = stage.cluster
  cluster:prepare()
  print(("three servers and etcd: %.0f s"):format(core.uptime() - begun))
  stage:prepare "none"
  stage:start_nodes()
  for number = 1, KILLS do
    core.sleep(3)
    local killed, from = cluster:leader(), core.uptime()
    kill_member(killed)
    nodes.wait_until("nobody takes the leader's place", function() return cluster:leader() end, 180)
    local led, leader = core.uptime(), cluster:leader()
    assert(leader ~= killed, "a killed server leads")
    stage:hasten()
    core.sleep(2)
    start_member(killed)
    cluster:wait_until_whole(killed.name .. " does not come back")
    print(("  kill %d: %s leads instead of %s after %.0f s, which is back after %.0f s"):format(number, leader.name,
      killed.name, led - from, core.uptime() - from))
  end
  core.sleep(3)
  stage:prove()
end)
print(("the leader was killed %d times, nothing was lost or done twice: %.0f s"):format(KILLS, core.uptime() - begun))
