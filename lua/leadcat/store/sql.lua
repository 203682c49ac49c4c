--- A store of several machines, over a database that speaks PostgreSQL's protocol: an object with the methods that
-- lua/leadcat/store/init.lua lists. What the parts do: store/sql/world.lua reads, decides and writes; events.lua,
-- reading.lua, rules.lua, changes.lua, deliveries.lua, drafts.lua and upkeep.lua have the methods; statements.lua and schema.lua
-- the SQL.
--
-- What holds for all: an answer is what the primary has committed. What was only read is acknowledged behind a commit
-- (`barrier`). What nobody knows the end of is `unavailable`, and not sent again. Only the database's clock counts.

local changes = require "leadcat.store.sql.changes"
local daily = require "leadcat.store.sql.daily"
local core = require "leadcat.core"
local deliveries = require "leadcat.store.sql.deliveries"
local drafts = require "leadcat.store.sql.drafts"
local events = require "leadcat.store.sql.events"
local lease = require "leadcat.store.sql.lease"
local memory = require "leadcat.store.sql.memory"
local pg = require "leadcat.store.pg"
local reading = require "leadcat.store.sql.reading"
local recount = require "leadcat.store.sql.recount"
local rules = require "leadcat.store.sql.rules"
local schema = require "leadcat.store.sql.schema"
local statements = require "leadcat.store.sql.statements"
local upkeep = require "leadcat.store.sql.upkeep"

local sql = {}

---@class leadcat.sql.Store: leadcat.Store
---@field core leadcat.Store the node's own, for rules and for deciding
---@field owner integer tells whose a claim is
---@field memory leadcat.sql.Memory companies' rows as they were last
---@field place integer where this process's new entries begin in a millisecond, below 1024
---@field given? integer the last number that it has given
---@field lease leadcat.sql.Lease says which process of the node looks for rules
---@field writers? leadcat.sql.Writers in nginx
---@field is_reached boolean whether the primary has answered the last statement; else `trouble` says why not
---@field unknown integer writes whose end nobody knows
---@field overtaken integer writes before which others were
---@field apart integer calls whose changes a CRM in this database has not taken with the journal
---@field theirs? leadcat.sql.Theirs companies of a CRM that are in this database
local Store = {}
Store.__index = Store

for _, part in ipairs { changes, daily, deliveries, drafts, events, reading, recount, rules, upkeep } do
  for name, method in pairs(part) do
    Store[name] = method
  end
end

local PATIENCE = 5 -- seconds for the lock of the node's own store
local MOMENT = 0.002

-- The database -------------------------------------------------------------------------------------------------------

-- What a failure is to whoever called: the codes of the seam.
local OVERTAKEN = { ["40001"] = true, ["40P01"] = true, ["23505"] = true } -- not serializable, a deadlock, not unique

local function code_of(code, problem)
  local sqlstate = problem and problem.sqlstate
  if code == "failed" and OVERTAKEN[sqlstate] or code == "overtaken" then
    return "overtaken"
  end
  return sqlstate == "53100" and "full" or code == "failed" and "io" or "unavailable"
end

--- Runs a statement in a transaction of its own. Those that write are counted. `overtaken`: another one was first, and
-- nothing was written.
---@param statement leadcat.pg.Statement
---@param params any[]
---@param writes? boolean
---@param further? table[] more statements `{statement, params}` of the same transaction and round trip
---@param timeout? number seconds
---@param sessions? integer it is `overtaken`, and not sent, once more sessions than these were opened
---@return leadcat.pg.Result? rows, string? message, string? code, leadcat.pg.Problem? problem
function Store:run(statement, params, writes, further, timeout, sessions)
  if not self.core then
    error("the engine is closed", 3)
  end
  local begun = core.uptime()
  local rows, message, code, problem, was_sent = self.database:run(statement, params, timeout, further, sessions)
  self.is_reached, self.trouble = code ~= "unavailable", code == "unavailable" and message or nil
  if not rows then
    local is_unknown = writes and was_sent and code == "unavailable" and (not problem or problem.severity == "WARNING")
    self.unknown = self.unknown + (is_unknown and 1 or 0)
    return nil, message, code_of(code, problem), problem
  end
  if writes then
    local taken = core.uptime() - begun
    self.commits, self.seconds, self.committed_at = self.commits + 1, self.seconds + taken, core.uptime()
    self.slowest = math.max(self.slowest, taken)
  end
  return rows
end

local TRIES = 8

--- Runs a statement that writes, again where another one was first.
---@param what string is being changed
function Store:insist(statement, params, what)
  for _ = 1, TRIES do
    local rows, message, code = self:run(statement, params, true)
    if code ~= "overtaken" then
      return rows, message, code
    end
    self.overtaken = self.overtaken + 1
  end
  return nil, ("others keep changing the same %s"):format(what), "unavailable"
end

--- Puts what was read behind a commit that is as durable as what is written.
function Store:barrier()
  if not self.is_replicated then
    return true
  end
  local rows, message, code = self:run(statements.barrier, {})
  return rows and true, message, code
end

-- The clock ----------------------------------------------------------------------------------------------------------

--- Milliseconds that the database's clock is taken to be ahead, in specs.
function Store:ahead()
  return self.trusts_now and math.floor(core.forward(0) * 1000) or 0
end

--- Seconds since 1970 by the database's clock, as it was heard last.
function Store:time(now)
  return not self.trusts_now and self.offset and self.offset + core.uptime() or now
end

function Store:milliseconds(now)
  return math.floor(self:time(now) * 1000)
end

--- Has new entries begin elsewhere in a millisecond: somebody else has given the same numbers.
function Store:take_place()
  self.place, self.given = (self.place + 1 + math.floor(self.owner / 1024) % 1023) % 1024, nil
end

-- The node's own store -----------------------------------------------------------------------------------------------

--- Calls one of its methods, and waits while another process of the node has its lock.
function Store:patiently(name, ...)
  local waited = 0
  while true do
    local first, second, third = self.core[name](self.core, ...)
    if first ~= nil or third ~= "locked" then
      return first, second, third
    elseif waited >= PATIENCE then
      return nil, second, "unavailable"
    end
    self:sleep(MOMENT)
    waited = waited + MOMENT
  end
end

local function pack(...)
  return { n = select("#", ...), ... }
end

--- Decides in memory (`store:walk`); the results as a list.
function Store:walk(...)
  local waited = 0
  while true do
    local results = pack(self.core:walk(...))
    if results[1] ~= nil or results[3] ~= "locked" or waited >= PATIENCE then
      results[3] = results[1] == nil and results[3] == "locked" and "unavailable" or results[3]
      return results
    end
    self:sleep(MOMENT)
    waited = waited + MOMENT
  end
end

function Store:close()
  local mirror = self.core
  if mirror then
    self:settle()
    self.lease:release()
    self.core = nil
    mirror:close()
    self.database:close()
  end
end

-- Opening ------------------------------------------------------------------------------------------------------------

local DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"

-- Ten digits: the epoch of all keys of entries of this database.
local function epoch_of(cluster)
  local text = ""
  for _ = 1, 10 do
    local digit = cluster % 32
    text, cluster = DIGITS:sub(digit + 1, digit + 1) .. text, (cluster - digit) / 32
  end
  return text
end

sql.EPOCHS = "SELECT name, value FROM leadcat.meta WHERE name LIKE 'epoch %' OR name = 'cluster' ORDER BY value"
sql.MOVED = "SELECT name FROM leadcat.meta WHERE name LIKE 'moved out %'"

--- The epochs of the rows of `sql.EPOCHS`, oldest first: those of the store that has moved here, or else one.
---@return {first: integer, name: string}[]
function sql.epochs_of(rows)
  local list, own = {}, nil
  for _, row in ipairs(rows) do
    local name = row[1]:match "^epoch (.*)$"
    if name then
      list[#list + 1] = { first = row[2], name = name }
    else
      own = { first = 0, name = epoch_of(row[2]) }
    end
  end
  return list[1] and list or { own }
end

--- What is to be said of a database that was moved away, by the rows of `sql.MOVED`; nil: it was not.
---@return string?
function sql.moved_to(rows)
  local path = rows[1] and rows[1][1]:match "^moved out %d+ (.*)$"
  return path and ("the store has moved from this database to %s of one machine"):format(path)
end

local EPOCHS, MOVED = pg.statement(sql.EPOCHS), pg.statement(sql.MOVED)

--- Has the keys of entries go on as where they have come from.
---@return true? done, string? message, string? code
function Store:take_identity()
  local rows, message, code = self:run(EPOCHS, {})
  if not rows then
    return nil, message, code
  end
  return self.core:identify(sql.epochs_of(rows))
end

local function check_moved(store)
  local rows, message, code = store:run(MOVED, {})
  if not rows then
    return nil, message, code
  end
  local gone = sql.moved_to(rows)
  return not gone or nil, gone, "conflict"
end

local function check_version(store)
  local version, message, code = schema.version(store.database)
  if version == 0 then
    return nil, "the database has no tables of leadcat yet: `leadcat shared init` makes them", "not_found"
  elseif version and version ~= schema.VERSION then
    return nil, ("the database has tables of version %d, and this leadcat needs version %d: %s"):format(version,
      schema.VERSION,
      version < schema.VERSION and "`leadcat shared upgrade` brings them there" or "update leadcat"), "conflict"
  end
  return version, message, code
end

local DURABILITY = pg.statement("SELECT coalesce(current_setting('synchronous_standby_names', true), ''), "
  .. "coalesce(current_setting('synchronous_commit', true), ''), version()")
local WAITS = { on = true, remote_apply = true }

-- Whether what is committed survives the loss of a machine.
local function check_durability(store, durability)
  local rows, message, code = store:run(DURABILITY, {})
  if not rows then
    return nil, message, code
  end
  local standbys, commit, version = rows[1][1], rows[1][2], rows[1][3]
  local replicates = version:find "CockroachDB" or version:find "YB"
  store.is_replicated = not replicates and standbys ~= "" and (WAITS[commit] or false)
  if durability ~= "primary" and not replicates and not store.is_replicated then
    return nil, "the database does not replicate synchronously, so that what is acknowledged could be lost with its "
      .. 'machine: set synchronous_standby_names and synchronous_commit = on, or open with durability = "primary" '
      .. "if one machine is enough", "unavailable"
  end
  return true
end

local function prepare(store, options)
  local ok, message, code = check_version(store)
  if ok then
    ok, message, code = check_moved(store)
  end
  if ok then
    ok, message, code = check_durability(store, options.durability)
  end
  if ok then
    ok, message, code = store:poll(true)
  end
  return ok, message, code
end

--- Whether the directory of a store that was opened is a node's.
---@param store leadcat.Store the core's
---@return boolean
function sql.is_mirror(store)
  return store:mirror_state() ~= nil
end

-- Only a directory that holds nothing of a store of one machine can be a node's mirror.
local function check_directory(store, path)
  local holds, message, code = store:holds()
  if holds and not sql.is_mirror(store) then
    return nil, ("%s holds a store of one machine, which `shared` would leave aside: name another directory"):format(
      path), "conflict"
  end
  return holds ~= nil or nil, message, code
end

--- Of the database's sessions.
sql.SETTINGS = {
  plan_cache_mode = "force_generic_plan", -- planning each time costs a factor of two
  enable_seqscan = "off", jit = "off", -- plans are made while tables are small, and kept
  statement_timeout = "8s", lock_timeout = "4s", -- the server gives up before we do
}

---@class leadcat.sql.Where
---@field path string the node's directory
---@field shared string of the database: postgresql://...
---@field durability? "full"|"primary"
---@field map_size? integer
---@field max_readers? integer
---@field mode? integer
---@field patience? number seconds for a lock, where other coroutines run
---@field queue? integer events that may wait in an nginx worker
---@field sleep fun(seconds: number)
---@field tenant? string the engine's own

--- Opens the store of several machines. Raises on a connection string that cannot be used.
---@param where leadcat.sql.Where
---@return leadcat.Store? store, string? message, string? code
function sql.open(where)
  local database = pg.pool(where.shared, { settings = sql.SETTINGS, ignores_raised = true })
  local mirror, message, code = core.open {
    path = where.path, map_size = where.map_size, max_readers = where.max_readers, mode = where.mode,
      patience = where.patience,
    shared = true,
  }
  if not mirror then
    return nil, message, code
  end
  local fits
  fits, message, code = check_directory(mirror, where.path)
  if not fits then
    mirror:close()
    return nil, message, code
  end
  local store
  store, message, code = sql.new { core = mirror, database = database, durability = where.durability,
    sleep = where.sleep, path = where.path, queue = where.queue }
  return store, message, code
end

---@class leadcat.sql.StoreOptions
---@field core leadcat.Store opened with `shared`
---@field database leadcat.pg.Pool
---@field durability? "full"|"primary"
---@field sleep fun(seconds: number)
---@field path? string the node's directory, whose processes share a lease; nil: this one is the only one
---@field queue? integer events that may wait in an nginx worker
---@field trusts_now? boolean go by the times that callers give: for specs

--- Makes a store. It closes what it was given when it is closed, or fails.
---@param options leadcat.sql.StoreOptions
---@return leadcat.Store? store, string? message, string? code
function sql.new(options)
  local random = tonumber(core.random_id():sub(1, 12), 16)
  local store = setmetatable({
    core = options.core, database = options.database, owner = random + 1, sleep = function(_,
      seconds) options.sleep(seconds) end,
    trusts_now = options.trusts_now, commits = 0, seconds = 0, slowest = 0, polls_at = 0, committed_at = core.uptime(),
    is_reached = false, unknown = 0, overtaken = 0, apart = 0, polled_at = core.uptime(),
    lease = lease.new(options.path, random + 1), memory = memory.new(), place = random % 1024,
  }, Store)
  local ok, message, code = prepare(store, options)
  if not ok then
    store:close()
    return nil, message, code
  end
  store:gather(options.queue)
  store:keep_polling()
  return store
end

return sql
