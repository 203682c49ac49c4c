-- Proves what the shared store promises, by faults: ROUNDS [SEED]. Three PostgreSQL servers of which a commit needs two; four
-- nodes, on both Luas and in nginx, two of them through a proxy. Each round one thing goes wrong while all work; then
-- everything is compared. Before, mutants of the store, and servers that do not replicate synchronously, have to be
-- noticed. The seed decides what happens; when, the machine does.

local check = require "cluster.check"
local core = require "leadcat.core"
local databases = require "support.databases"
local host_of = require "kill.shared_host"
local leadcat = require "leadcat"
local mutants = require "cluster.mutants"
local nginx = require "nginx.server"
local pg = require "leadcat.store.pg"
local plan = require "cluster.plan"
local schema = require "leadcat.store.sql.schema"
local servers = require "cluster.servers"
local stores = require "support.stores"

local ROUNDS, SEED = tonumber(arg[1]) or 9, tonumber(arg[2]) or os.time() % 1000000
local CHECK = 9 -- rounds
local LUA, OTHER_LUA = os.getenv "LEADCAT_LUA" or "lua5.4", os.getenv "OTHER_LUA" or ""
OTHER_LUA = OTHER_LUA ~= "" and OTHER_LUA or LUA
local NODES = 4 -- the last one is nginx

math.randomseed(SEED)
io.stdout:setvbuf "line"

local cluster, crm -- the servers, and that of the CRM, to which nothing happens
local directory, notes, nodes, mutant, lives = nil, {}, {}, "none", 0

local function say(text, ...)
  print((text):format(...))
end

-- Nodes --------------------------------------------------------------------------------------------------------------

local function arguments_of(number)
  lives = lives + 1
  notes[#notes + 1] = ("%s/notes.%d"):format(directory, lives)
  return {
    cluster:url(number % 2 == 0 and "clients" or nil), databases.url(crm.options) .. "?sslmode=disable",
    ("%s/node%d"):format(directory, number), notes[#notes], ("%d"):format(SEED * 100 + lives), mutant,
  }
end

local Process = {}
Process.__index = Process

local function start_process(number)
  local words = arguments_of(number)
  local pipe = assert(io.popen(("echo $$; exec sh spec/support/with_lua.sh %s spec/cluster/node.lua '%s' 2>&1"):format(
    number % 2 == 0 and OTHER_LUA or LUA, table.concat(words, "' '"))))
  local process = setmetatable({ pipe = pipe, id = assert(pipe:read "*l") }, Process)
  local said = pipe:read "*l"
  assert(said == "ready", said)
  return process
end

function Process:kill()
  os.execute("kill -KILL " .. self.id .. " 2>/dev/null")
  local said = self.pipe:read "*a"
  self.pipe:close()
  assert(said == "", said)
end

-- nginx has another worker where one is killed: it goes on with the same notes.
local Nginx = {}
Nginx.__index = Nginx

local function start_nginx(number)
  local words, place = arguments_of(number), nginx.directory()
  local durability = mutants.get(mutant).asynchronous and '"primary"' or "nil"
  local started = assert(nginx.start(place, {
    workers = 1, server = "",
    http = ([[init_worker_by_lua_block {
      require "cluster.mutants".use "%s"
      ngx.timer.at(0, function()
        require "cluster.work".go {
          url = "%s", crm = "%s", path = "%s", notes = "%s", seed = %d + ngx.worker.pid(), durability = %s,
        }
      end)
    }]]):format(mutant, words[1], words[2], words[3], words[4], words[5], durability),
  }))
  return setmetatable({ server = started, place = place }, Nginx)
end

function Nginx:kill()
  for _, pid in ipairs(self.server:workers()) do
    self.server:signal("KILL", pid)
  end
end

function Nginx:stop()
  self.server:stop "TERM"
  os.execute("rm -rf '" .. self.place .. "'")
end

local function start_all()
  for number = 1, NODES - 1 do
    nodes[number] = start_process(number)
  end
  nodes[NODES] = start_nginx(NODES)
end

local function stop_all()
  for number = 1, NODES - 1 do
    nodes[number]:kill()
  end
  nodes[NODES]:stop()
end

-- What goes wrong ----------------------------------------------------------------------------------------------------

local faults = {}

-- The primary and its disk are gone: a standby takes its place.
local function lose_primary()
  local old = cluster.primary
  cluster:kill_primary()
  cluster:promote()
  core.sleep(0.5)
  cluster:rebuild(old)
end

function faults.kill_nodes()
  for number = 1, NODES do
    if math.random(2) == 1 or number == NODES then
      nodes[number]:kill()
      nodes[number] = number < NODES and start_process(number) or nodes[number]
    end
    core.sleep(math.random() * 0.2)
  end
end

function faults.kill_primary()
  lose_primary()
end

function faults.restart_primary()
  cluster:kill_primary()
  core.sleep(0.2)
  cluster:restart_primary()
end

-- As behind a partition: another is promoted, and the old one comes back, and takes itself for the primary.
function faults.freeze_primary()
  local old = cluster.primary
  databases.signal(old, "STOP")
  core.sleep(0.3)
  cluster:promote()
  core.sleep(0.5)
  databases.signal(old, "CONT")
  core.sleep(2)
  cluster:rebuild(old)
end

function faults.cut_off_standbys()
  cluster:cut_off()
  core.sleep(1.5)
  cluster:reconnect()
end

-- Nothing of what commits wait for was ever acknowledged; but who reads the primary sees it.
function faults.lose_what_was_read()
  cluster:cut_off()
  for _ = 1, 3 do
    core.sleep(0.7)
    cluster:kill_primary()
    cluster:restart_primary()
  end
  core.sleep(0.7)
  lose_primary()
end

function faults.lose_what_has_waited()
  cluster:cut_off()
  core.sleep(1)
  lose_primary()
end

-- The server says that such a commit has succeeded, with a warning.
function faults.cancel_waits()
  cluster:cut_off()
  for _ = 1, 4 do
    core.sleep(0.25)
    cluster:psql "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
  end
  lose_primary()
end

function faults.bad_network()
  for _, how in ipairs { "delay", "drop", "hold", "cut" } do
    cluster.proxy:set("clients", how)
    core.sleep(0.6)
  end
  cluster.proxy:set("clients", "pass")
end

-- Rounds -------------------------------------------------------------------------------------------------------------

local function on_crm(sql)
  return databases.psql(crm, sql)
end

-- New tables, companies and rules.
local function prepare(name)
  directory, notes, mutant = stores.path(), {}, name
  assert(os.execute("mkdir -p " .. directory))
  cluster:synchronize(not mutants.get(name).asynchronous)
  cluster:psql "DROP SCHEMA IF EXISTS leadcat CASCADE"
  local pool = pg.pool(cluster:url())
  assert(schema.upgrade(pool))
  pool:close()
  on_crm "DROP SCHEMA IF EXISTS crm CASCADE"
  on_crm "CREATE SCHEMA crm CREATE TABLE company (id text PRIMARY KEY, category int NOT NULL)"
  on_crm("CREATE TABLE crm.change (number bigserial PRIMARY KEY, company text, key text UNIQUE, came_from int, "
    .. "went_to int)")
  for i = 0, plan.COMPANIES - 1 do
    on_crm(("INSERT INTO crm.company VALUES ('%s', %d)"):format(plan.company(i), plan.START))
  end
  local engine = assert(leadcat.open {
    path = directory .. "/first", shared = cluster:url(), durability = "primary", tenant = plan.TENANT,
  })
  assert(engine:save(plan.config(1)))
  engine:close()
end

local function all_notes()
  local list = {}
  for _, name in ipairs(notes) do
    local file = io.open(name)
    for line in (file and file:read "*a" or ""):gmatch "([^\n]*)\n" do -- a killed node may have written half of the last
      local words = {}
      for word in line:gmatch "%S+" do
        words[#words + 1] = word
      end
      list[#list + 1] = words
    end
    if file then
      file:close()
    end
  end
  return list
end

local function rows_of(text)
  local rows = {}
  for line in text:gmatch "[^\n]+" do
    local row = {}
    for field in line:gmatch "[^|]+" do
      row[#row + 1] = field
    end
    rows[#rows + 1] = row
  end
  return rows
end

local function told()
  local changes, categories = {}, {}
  for i, row in ipairs(rows_of(on_crm "SELECT company, key, came_from, went_to FROM crm.change ORDER BY number")) do
    changes[i] = { company = row[1], key = row[2], from = tonumber(row[3]), to = tonumber(row[4]) }
  end
  for _, row in ipairs(rows_of(on_crm "SELECT id, category FROM crm.company")) do
    categories[row[1]] = tonumber(row[2])
  end
  return changes, categories
end

-- Raises what is wrong with the store; where it cannot be asked, nobody knows.
local function need(value, message, code)
  if not value then
    error(code == "unavailable" and message or { problem = message }, 0)
  end
  return value, message
end

local function all_history(engine)
  local list, after, page = {}
  repeat
    page, after = need(engine:history { limit = 1000, after = after })
    for _, entry in ipairs(page) do
      list[#list + 1] = entry
    end
  until not after
  return list
end

local function gather(engine)
  for _ = 1, 20 do
    need(engine:recover())
  end
  local changes, categories = told()
  return {
    notes = all_notes(), history = all_history(engine), changes = changes, categories = categories,
    questions = need(engine._store:confirmations(plan.TENANT, { limit = 1000000 })),
    unfinished = engine._store:stats().unfinished,
  }
end

-- Ends all nodes, finishes what they have left, and compares everything.
local function compare()
  stop_all()
  cluster:psql "UPDATE leadcat.company SET deadline = 0, retry_at = 0 WHERE applying IS NOT NULL"
  local engine = assert(leadcat.open {
    path = directory .. "/last", shared = cluster:url(), durability = "primary", tenant = plan.TENANT,
    host = host_of.new(databases.url(crm.options) .. "?sslmode=disable"), recover = false,
  })
  local ok, found = pcall(gather, engine)
  engine:close()
  os.execute("rm -rf '" .. directory .. "'")
  if not ok and type(found) == "table" then
    return { "the store cannot be read: " .. found.problem }
  end
  assert(ok, found)
  return check.all(found), found
end

local function shuffled()
  local names = {}
  for name in pairs(faults) do
    names[#names + 1] = name
  end
  table.sort(names)
  for i = #names, 2, -1 do
    local j = math.random(i)
    names[i], names[j] = names[j], names[i]
  end
  return names
end

-- Works while these faults happen, one after the other.
local function suffer(names, pause)
  for _, name in ipairs(names) do
    local begun = core.uptime()
    core.sleep(pause)
    faults[name]()
    cluster:hasten()
    if mutant == "none" then
      say("  %-20s %.1f s", name, core.uptime() - begun)
    end
  end
  core.sleep(pause)
end

local MUTANTS = {
  { name = "asynchronous", faults = { "lose_what_has_waited" } },
  { name = "no compare", faults = { "kill_nodes" } },
  { name = "no barrier", faults = { "lose_what_was_read" } },
}
local TRIES = 6 -- how many events are under way when the primary is killed is chance

-- The checker has to notice what is wrong with each.
local function catch_mutants()
  for _, item in ipairs(MUTANTS) do
    local tries, problems = 0
    repeat
      tries = tries + 1
      prepare(item.name)
      start_all()
      suffer(item.faults, 1.5)
      problems = compare()
    until #problems > 0 or tries == TRIES
    assert(#problems > 0, "nobody notices: " .. item.name)
    say("noticed: %s (%d problems, such as: %s)", item.name, #problems, problems[1])
  end
end

local function count(list)
  local counts = { event = 0, duplicate = 0, answer = 0, undo = 0, save = 0 }
  for _, note in ipairs(list) do
    local kind = note[1] == "event" and note[7] == "duplicate" and "duplicate" or note[1]
    counts[kind] = counts[kind] + 1
  end
  return counts
end

local function run_rounds()
  local names, left = {}, ROUNDS
  while left > 0 do
    prepare "none"
    start_all()
    local some = {}
    for i = 1, math.min(left, CHECK) do
      names = #names > 0 and names or shuffled()
      some[i] = table.remove(names)
    end
    suffer(some, 1)
    left = left - #some
    local problems, found = compare()
    for i = 1, math.min(#problems, 20) do
      say("WRONG: %s", problems[i])
    end
    assert(#problems == 0, ("%d problems with seed %d"):format(#problems, SEED))
    local counts = count(found.notes)
    say("%d acknowledged, %d of them again, %d answers, %d undone, %d saves; %d entries, %d changes in the CRM",
      counts.event + counts.duplicate, counts.duplicate, counts.answer, counts.undo, counts.save, #found.history,
      #found.changes)
  end
end

say("seed %d", SEED)
local begun = core.uptime()
crm = databases.get("postgresql", { name = "crm" })
cluster = servers.start()
local ok, message = xpcall(function()
  catch_mutants()
  run_rounds()
end, debug.traceback)
if not ok then
  for number = 1, NODES do
    local node = nodes[number]
    pcall(node and (node.stop or node.kill), node)
  end
end
cluster:stop()
assert(ok, message)
say("%d rounds, %d failovers, nothing was lost or done twice: %.0f s", ROUNDS, cluster.promoted, core.uptime() - begun)
