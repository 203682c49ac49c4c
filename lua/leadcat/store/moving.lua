--- Moves a store of one machine into a database of several (`moving.there`), and back (`moving.back`).
--
-- Nobody uses either meanwhile: the store's directory is opened by nobody else, and the tables are locked. What is
-- done to the database is one transaction, so that it is done or not. Whoever is killed runs it again: a mark in the
-- directory says how far it was, and a row of `leadcat.meta` whether the transaction was committed.
--
--     there: fill the database, mark `leaving`, commit, mark `moved`
--     back:  mark `filling`, fill the directory, have the database refuse what is written, commit, take off the mark

local core = require "leadcat.core"
local pg = require "leadcat.store.pg"
local protected = require "leadcat.util.protected"
local read = require "leadcat.store.moving.read"
local schema = require "leadcat.store.sql.schema"
local sql = require "leadcat.store.sql"
local write = require "leadcat.store.moving.write"

local moving = {}

local HOUR = 3600 -- the longest that one statement may take

---@class leadcat.Move
---@field path string the directory of the store of one machine
---@field database string of the shared one: postgresql://...
---@field map_size? integer
---@field progress? fun(done: integer, total: integer) records

-- The session ----------------------------------------------------------------------------------------------------------

-- What fails on the way is raised, and caught by `guarded`.
local function give_up(message, code)
  error({ moving = true, message = message, code = code or "conflict" }, 0)
end

local function must(value, message, code)
  if value == nil then
    give_up(message, code == "failed" and "io" or code)
  end
  return value
end

-- A session that runs texts, with types of their parameters.
local function session_of(database)
  local connection = must(database:acquire())
  local known = {}
  local function run(text, types, values)
    known[text] = known[text] or pg.statement(text, types or {})
    return connection:run(known[text], values or {})
  end
  return {
    try = run,
    run = function(...) return must(run(...)) end,
    release = function() database:release(connection) end,
  }
end

local TABLES = "leadcat.config, leadcat.trigger, leadcat.company, leadcat.entry, leadcat.unchanged, leadcat.question, "
  .. "leadcat.mark, leadcat.cursor, leadcat.counter, leadcat.delivery, leadcat.draft, leadcat.change, leadcat.sequence"

local function check_version(database)
  local version = must(schema.version(database))
  if version ~= schema.VERSION then
    give_up(version == 0 and "the database has no tables of leadcat: `leadcat shared init` makes them"
      or ("the tables have version %d, and this leadcat needs version %d"):format(version, schema.VERSION),
      version == 0 and "not_found" or "conflict")
  end
end

-- Whether the row is there that says that the move with that number was committed.
local function was_committed(session, way, id)
  return session.run("SELECT 1 FROM leadcat.meta WHERE name LIKE $1 || ' ' || $2 || ' %'", { "text", "text" },
    { "moved " .. way, id })[1] ~= nil
end

local function cluster_of(session)
  return ("%.0f"):format(session.run("SELECT value FROM leadcat.meta WHERE name = 'cluster'")[1][1])
end

-- The database in words, without a password.
local function name_of(url)
  return (url:gsub("^(%w+://[^:/@]*):[^@/]*@", "%1@"):gsub("%?.*$", ""))
end

-- Calls `fn(store, session)`. Gives what it gives; nil, message, code.
local function guarded(options, fn)
  local made, database = protected.call(pg.pool, options.database, {
    size = 2, timeout = HOUR, settings = {
      statement_timeout = "0", idle_in_transaction_session_timeout = "0", enable_seqscan = "off", jit = "off",
    },
  })
  if not made then
    return nil, (tostring(database):gsub("^.-: the connection", "the connection")), "invalid"
  end
  local held = {}
  local function work()
    check_version(database)
    held.store = must(core.open { path = options.path, map_size = options.map_size, moves = true })
    held.session = session_of(database)
    return fn(held)
  end
  local function clean()
    if held.session then
      held.session.release()
    end
    if held.store then
      held.store:close()
    end
    database:close()
  end
  local ok, result = protected.call(protected.finally, clean, work)
  if not ok and not (type(result) == "table" and result.moving) then
    error(result, 0)
  elseif not ok then
    return nil, result.message, result.code
  end
  return result
end

-- A mark's kind, the number of its move, and of its database.
local function read_mark(store)
  local text = must(store:moved())
  local kind, id, cluster = text:match "^(%l+) (%d+) (%d+)\n"
  return kind, id, cluster, text:match "\n(.*)$"
end

local function mark(store, kind, id, cluster, sentence, ...)
  must(store:mark_moved(("%s %s %s\n"):format(kind, id, cluster) .. sentence:format(...)))
end

local function new_id()
  return ("%.0f"):format(tonumber(core.random_id():sub(1, 12), 16))
end

-- Counts records for `options.progress`.
local function counter_of(options, total)
  local done = 0
  return function(count)
    done = done + count
    if options.progress then
      options.progress(done, total)
    end
  end
end

-- There --------------------------------------------------------------------------------------------------------------

local MOVED = "the store in %s has moved to %s: open it with `shared` and another directory"

local function check_source(store, path)
  if sql.is_mirror(store) then
    give_up(("%s mirrors a shared store: it has nothing to move"):format(path))
  elseif not must(store:holds()) then
    give_up(("there is nothing in %s to move"):format(path), "not_found")
  end
end

local function check_empty(session)
  for name in TABLES:gmatch "leadcat%.%w+" do
    if session.run(("SELECT 1 FROM %s LIMIT 1"):format(name))[1] then
      give_up("the database holds a store already (" .. name .. " is not empty): name one that is empty")
    end
  end
end

-- Commits. What is known to have failed leaves the store as it was; what nobody knows leaves its mark.
local function commit_there(held, path, id, cluster, where)
  mark(held.store, "leaving", id, cluster,
    "a move of %s to %s was interrupted at its end: run the same `leadcat move` again", path, where)
  local done, message, code = held.session.try "COMMIT"
  if not done and code == "failed" then
    must(held.store:mark_moved "")
    give_up(message, "io")
  end
  must(done, message, code)
end

--- Moves a store of one machine into the empty tables of a database. When it is done the directory refuses to be
-- opened, except to be read.
---@param options leadcat.Move
---@return {records: integer}? moved, string? message, string? code `conflict`, `unavailable` (one of the two is in use, or the database is away), `not_found`, `invalid`, `corrupt`, `io`, `full`
function moving.there(options)
  local where = name_of(options.database)
  return guarded(options, function(held)
    local store, session = held.store, held.session
    local cluster = cluster_of(session)
    local kind, id, of, why = read_mark(store)
    local moved = MOVED:format(options.path, where)
    if kind == "leaving" and of ~= cluster or kind == "moved" or kind == "filling" then
      give_up(why)
    elseif kind == "leaving" and was_committed(session, "in", id) then
      mark(store, "moved", id, cluster, "%s", moved)
      return { records = 0 }
    end
    check_source(store, options.path)
    id = new_id()
    session.run "BEGIN"
    session.run("LOCK TABLE " .. TABLES .. " IN EXCLUSIVE MODE")
    check_empty(session)
    local total = write.total(store, must)
    local count = counter_of(options, total)
    write.all(store, session, must, count)
    session.run("INSERT INTO leadcat.meta (name, value) VALUES ($1, 0)", { "text" }, {
      ("moved in %s %s"):format(id, options.path) })
    commit_there(held, options.path, id, cluster, where)
    mark(store, "moved", id, cluster, "%s", moved)
    return { records = total }
  end)
end

-- Back ---------------------------------------------------------------------------------------------------------------

-- Empties a directory that a move was filling: nobody else can have it open.
local function begin_anew(held, options)
  held.store:close()
  held.store = nil
  for _, name in ipairs { "journal.mdb", "config.mdb", "journal.mdb-lock", "config.mdb-lock" } do
    os.remove(options.path .. "/" .. name)
  end
  held.store = must(core.open { path = options.path, map_size = options.map_size, moves = true })
end

local function check_target(store, path)
  if sql.is_mirror(store) or must(store:holds()) or must(store:moved()) ~= "" then
    give_up(("%s is not empty: name a new directory"):format(path))
  end
end

local function check_idle(session)
  local busy = session.run("SELECT count(*) FROM leadcat.company WHERE owner IS NOT NULL AND applying IS NOT NULL "
    .. "AND deadline > (extract(epoch FROM clock_timestamp()) * 1000)::int8")[1][1]
  if busy > 0 then
    give_up(("nodes are working on %d changes: stop them first"):format(busy), "unavailable")
  end
end

-- From now on the tables only can be read: no row fits.
local function close_database(session, id, path)
  for name in TABLES:gmatch "leadcat%.%w+" do
    session.run(("ALTER TABLE %s ADD CONSTRAINT moved_to_one_machine CHECK (false) NOT VALID"):format(name))
  end
  session.run("INSERT INTO leadcat.meta (name, value) VALUES ($1, 0)", { "text" }, {
    ("moved out %s %s"):format(id, path) })
end

--- Moves a shared store into a new directory of one machine. When it is done the database refuses what is written.
---@param options leadcat.Move
---@return {records: integer}? moved, string? message, string? code as of `moving.there`
function moving.back(options)
  return guarded(options, function(held)
    local session = held.session
    local cluster = cluster_of(session)
    local kind, id, of = read_mark(held.store)
    if kind == "filling" and of == cluster and was_committed(session, "out", id) then
      must(held.store:mark_moved "")
      return { records = 0 }
    end
    local gone = sql.moved_to(session.run(sql.MOVED))
    if gone then
      give_up(gone)
    elseif kind == "filling" then
      begin_anew(held, options)
    end
    check_target(held.store, options.path)
    id = new_id()
    session.run "BEGIN"
    session.run("LOCK TABLE " .. TABLES .. " IN SHARE MODE")
    check_idle(session)
    mark(held.store, "filling", id, cluster,
      "a move of %s to %s was interrupted: run the same `leadcat move` again", name_of(options.database), options.path)
    local total = read.total(session)
    read.all(held.store, session, must, counter_of(options, total))
    close_database(session, id, options.path)
    session.run "COMMIT"
    must(held.store:mark_moved "")
    return { records = total }
  end)
end

return moving
