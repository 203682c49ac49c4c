--- The stage of the cluster tests: the servers, the CRM to which nothing happens, what the nodes have noted, and the
-- comparison at the end.

local check = require "cluster.check"
local core = require "leadcat.core"
local databases = require "support.databases"
local host_of = require "kill.shared_host"
local leadcat = require "leadcat"
local mutants = require "cluster.mutants"
local nodes = require "cluster.nodes"
local pg = require "leadcat.store.pg"
local plan = require "cluster.plan"
local schema = require "leadcat.store.sql.schema"
local stores = require "support.stores"

---@class cluster.Stage: cluster.Place
---@field cluster table the servers: `url(group)`, `psql(sql)`, `synchronize(whether)`, `stop()`
---@field database support.Database of the CRM
---@field nodes table[]
local Stage = {}
Stage.__index = Stage

local stage = {}

local CRM = "DROP SCHEMA IF EXISTS crm CASCADE; "
  .. "CREATE SCHEMA crm CREATE TABLE company (id text PRIMARY KEY, category int NOT NULL); "
  .. "CREATE TABLE crm.change (number bigserial PRIMARY KEY, company text, key text UNIQUE, came_from int, "
  .. "went_to int); "
  .. "INSERT INTO crm.company VALUES "

function Stage:on_crm(sql)
  return databases.psql(self.database, sql)
end

--- New tables, companies and rules, for a mutant of the store or `none`.
---@param name string
---@param is_kept? boolean the store has the companies, and not the CRM
function Stage:prepare(name, is_kept)
  self.directory, self.notes, self.mutant, self.is_kept = stores.path(), {}, name, is_kept
  assert(os.execute("mkdir -p " .. self.directory))
  for number = 1, nodes.COUNT - 1 do
    self:set_clock(number, 0)
  end
  self.cluster:synchronize(not mutants.get(name).asynchronous)
  self.cluster:psql "DROP SCHEMA IF EXISTS leadcat CASCADE"
  local pool = pg.pool(self.cluster:url())
  assert(schema.upgrade(pool))
  pool:close()
  local companies = {}
  for i = 1, plan.COMPANIES do
    companies[i] = ("('%s', %d)"):format(plan.company(i - 1), plan.START)
  end
  self:on_crm(CRM .. table.concat(companies, ", "))
  local engine = assert(leadcat.open {
    path = self.directory .. "/first", shared = self.cluster:url(), durability = "primary", tenant = plan.TENANT,
  })
  assert(engine:save(plan.config(1)))
  for i = 1, is_kept and plan.COMPANIES or 0 do
    assert(engine.host:create(plan.company(i - 1), plan.START))
  end
  engine:close()
end

--- Sets the clock of a node's processes.
---@param number integer
---@param seconds integer that it is ahead of the machine's
function Stage:set_clock(number, seconds)
  databases.write_clock(("%s/clock.%d"):format(self.directory, number), seconds)
end

--- Has all nodes work.
function Stage:start_nodes()
  for number = 1, nodes.COUNT do
    self.nodes[number] = nodes.start(self, number)
  end
end

--- Starts a node once more.
---@param number integer
function Stage:kill_node(number)
  self.nodes[number]:kill()
  if number < nodes.COUNT then
    self.nodes[number] = nodes.start(self, number)
  end
end

--- Has a node do something else than work: see node.lua.
function Stage:have(number, ...)
  self.nodes[number] = nodes.start_to(self, number, ...)
  return self.nodes[number]
end

--- Has a node deliver an event until it is acknowledged.
function Stage:deliver(number, event)
  return self:have(number, "deliver", event.id, event.trigger, event.company)
end

function Stage:stop_nodes()
  for number, node in pairs(self.nodes) do
    self.nodes[number] = nil
    nodes.stop(node)
  end
end

--- What nodes have noted in each of their lives: lines, as words.
---@return string[][][]
function Stage:all_notes()
  local lists = {}
  for i, name in ipairs(self.notes) do
    local file, list = io.open(name), {}
    lists[i] = list
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
  return lists
end

-- All of them as one list.
local function flat(lists)
  local all = {}
  for _, list in ipairs(lists) do
    for _, note in ipairs(list) do
      all[#all + 1] = note
    end
  end
  return all
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

local CHANGES = "SELECT company, key, came_from, went_to FROM crm.change ORDER BY number"

-- Where the store has the companies: its entries, and where they have led.
local function kept(engine, history)
  local changes, categories = {}, {}
  for i = #history, 1, -1 do
    local entry = history[i]
    if entry.status == "updated" then
      changes[#changes + 1] = { company = entry.company, key = entry.key, from = entry.from, to = entry.to }
    end
    categories[entry.company] = engine._store:company(plan.TENANT, entry.company)
  end
  return changes, categories
end

local function told(self)
  local changes, categories = {}, {}
  for i, row in ipairs(rows_of(self:on_crm(CHANGES))) do
    changes[i] = { company = row[1], key = row[2], from = tonumber(row[3]), to = tonumber(row[4]) }
  end
  for _, row in ipairs(rows_of(self:on_crm "SELECT id, category FROM crm.company")) do
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

local function gather(self, engine)
  for _ = 1, 20 do
    need(engine:recover())
  end
  local history = all_history(engine)
  local changes, categories
  if self.is_kept then
    changes, categories = kept(engine, history)
  else
    changes, categories = told(self)
  end
  return {
    notes = flat(self:all_notes()), history = history, changes = changes, categories = categories,
    questions = need(engine._store:confirmations(plan.TENANT, { limit = 1000000 })),
    unfinished = engine._store:stats().unfinished,
  }
end

--- Frees what nodes have claimed before their 30 seconds are over: a live one needs milliseconds.
function Stage:hasten()
  local NOW = "(extract(epoch FROM clock_timestamp()) * 1000)::int8"
  self.cluster:psql(("UPDATE leadcat.company SET deadline = least(deadline, %s + 3000), retry_at = least(retry_at, %s) "
    .. "WHERE applying IS NOT NULL"):format(NOW, NOW))
end

--- Ends all nodes, finishes what they have left, and compares everything.
---@return string[] problems
---@return cluster.Found? found
function Stage:compare()
  self:stop_nodes()
  self.cluster:psql "UPDATE leadcat.company SET deadline = 0, retry_at = 0 WHERE applying IS NOT NULL"
  local engine = assert(leadcat.open {
    path = self.directory .. "/last", shared = self.cluster:url(), durability = "primary", tenant = plan.TENANT,
    host = not self.is_kept and host_of.new(self.crm) or nil, recover = false,
  })
  local ok, found = pcall(gather, self, engine)
  engine:close()
  os.execute("rm -rf '" .. self.directory .. "'")
  if not ok and type(found) == "table" then
    return { "the store cannot be read: " .. found.problem }
  end
  assert(ok, found)
  return check.all(found), found
end

local function count(list)
  local counts = { event = 0, duplicate = 0, answer = 0, undo = 0, save = 0, rules = 0 }
  for _, note in ipairs(list) do
    local kind = note[1] == "event" and note[7] == "duplicate" and "duplicate" or note[1]
    counts[kind] = counts[kind] + 1
  end
  return counts
end

--- Compares, says what was found, and raises when anything is wrong.
function Stage:prove()
  local problems, found = self:compare()
  for i = 1, math.min(#problems, 20) do
    print("WRONG: " .. problems[i])
  end
  assert(#problems == 0, ("%d problems with seed %d"):format(#problems, self.seed))
  local counts = count(found.notes)
  local line = "%d acknowledged, %d of them again, %d answers, %d undone, %d saves; %d entries, %d changes in the CRM"
  print(line:format(
    counts.event + counts.duplicate, counts.duplicate, counts.answer, counts.undo, counts.save, #found.history,
    #found.changes))
end

--- Runs what happens on the stage, and stops everything, whatever the end.
---@param run fun()
function Stage:run(run)
  local begun = core.uptime()
  local ok, message = xpcall(run, debug.traceback)
  pcall(self.stop_nodes, self)
  pcall(self.cluster.stop, self.cluster)
  databases.stop()
  assert(ok, message)
  return core.uptime() - begun
end

--- Makes one.
---@param seed integer
---@param make fun(): table, fun(number: integer): string starts the servers; and where a node finds them
---@param options? {host?: string, netns?: string} of the CRM's server
---@return cluster.Stage
function stage.new(seed, make, options)
  math.randomseed(seed)
  io.stdout:setvbuf "line"
  print(("seed %d"):format(seed))
  local self = setmetatable({ seed = seed, nodes = {}, notes = {}, lives = 0 }, Stage)
  options = options or {}
  options.name = "crm"
  self.database = databases.get("postgresql", options)
  self.crm = databases.url(self.database.options) .. "?sslmode=disable"
  local ok, cluster, urls = xpcall(make, debug.traceback)
  if not ok then
    databases.stop()
    error(cluster, 0)
  end
  self.cluster, self.urls = cluster, urls
  return self
end

return stage
