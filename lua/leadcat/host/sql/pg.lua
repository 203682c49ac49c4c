--- The adapter of `leadcat.host.sql` for leadcat's own client of PostgreSQL: in nginx no worker waits for the database.

local options_of = require "leadcat.util.options"
local pg = require "leadcat.store.pg"
local session = require "leadcat.host.sql.session"

local SECONDS = { statement = 5, lock = 3, reply = 8 } -- well below the 30 of a claim; the server gives up first
local SIZE = 10
local MOST_STATEMENTS = 1000 -- texts; with more of them all are forgotten

---@type leadcat.sql.Connection
local Connection = {}
Connection.__index = Connection

local function keyword(sql)
  return pg.statement(sql, {}, { text = true })
end

local BEGIN, COMMIT, ROLLBACK = keyword "BEGIN", keyword "COMMIT", keyword "ROLLBACK"

-- What the database will never do: values that do not fit, constraints, missing rights, views that cannot be written, and what
-- a trigger refuses, with whatever code it has chosen.
local REFUSES = { ["22"] = true, ["23"] = true, ["42501"] = true, ["44000"] = true, ["55000"] = true, P0001 = true }

local function is_refused(problem)
  return REFUSES[problem.sqlstate] or REFUSES[problem.sqlstate:sub(1, 2)]
    or problem.where ~= nil and problem.where:find "at RAISE" ~= nil
end

-- Statements ---------------------------------------------------------------------------------------------------------

-- Question marks outside of quotes as $1, $2 …; and how many there are.
local function with_numbers(sql)
  local parts, at, count = {}, 1, 0
  while true do
    local place, _, mark = sql:find("(['\"?])", at)
    parts[#parts + 1] = sql:sub(at, (place or #sql + 1) - 1)
    if not place then
      return table.concat(parts), count
    end
    local stop = place
    if mark == "?" then
      count = count + 1
      parts[#parts + 1] = "$" .. count
    else
      stop = sql:find(mark, place + 1, true) or #sql
      parts[#parts + 1] = sql:sub(place, stop)
    end
    at = stop + 1
  end
end

-- The statement of a text; every parameter is a text whose type the server finds out.
local function statement_of(self, sql)
  local found = self.statements[sql]
  if not found then
    local text, count = with_numbers(sql)
    local types = {}
    for i = 1, count do
      types[i] = "unknown"
    end
    found = pg.statement(text, types, { text = true })
    if self.statements.count >= MOST_STATEMENTS then
      self.statements = { count = 0 }
    end
    self.statements[sql], self.statements.count = found, self.statements.count + 1
  end
  return found
end

-- Executes a statement, with the BEGIN before it that has not been sent yet.
local function run(self, sql, parameters)
  if session.has_nul(parameters) then
    return nil, session.NUL, "failed", { sqlstate = "22021" }
  end
  local list = { { statement_of(self.adapter, sql), parameters } }
  if self.must_begin then
    table.insert(list, 1, { BEGIN })
  end
  local results, message, code, problem = self.taken:pipeline(list)
  if not results then
    return nil, message, code, problem
  end
  self.must_begin = false
  return results[#results]
end

function Connection:execute(sql, parameters)
  local result, message, code, problem = run(self, sql, parameters)
  if result then
    return result.count or 0
  elseif code == "failed" and is_refused(problem) then
    return nil, message, "refused"
  end
  return nil, message, not self.is_in_transaction and not problem and "unknown" or nil
end

function Connection:query(sql, parameters)
  return run(self, sql, parameters)
end

function Connection:begin()
  self.is_in_transaction, self.must_begin = true, true
end

-- A COMMIT that the server answers with ROLLBACK was none; one with a warning may not have reached a standby.
function Connection:commit()
  self.is_in_transaction = false
  if self.must_begin then
    self.must_begin = false
    return true
  end
  local result, message = self.taken:run(COMMIT)
  if not result then
    return nil, message
  elseif result.command ~= "COMMIT" or result.warnings then
    return nil, result.warnings and result.warnings[1].message or "the transaction was undone"
  end
  return true
end

function Connection:rollback()
  if self.taken:is_open() and self.taken.status ~= "idle" then
    self.taken:run(ROLLBACK)
  end
  self.is_in_transaction, self.must_begin = false, false
end

function Connection:is_alive()
  return self.taken:is_open()
end

---@type leadcat.sql.Adapter
local Adapter = {}
Adapter.__index = Adapter

function Adapter:acquire()
  local taken, message = self.pool:acquire()
  if not taken then
    return nil, message
  end
  local was_used = taken.is_known == true
  taken.is_known = true
  return setmetatable({ taken = taken, adapter = self }, Connection), was_used
end

function Adapter:release(connection, is_broken)
  if is_broken then
    connection.taken:close()
  end
  self.pool:release(connection.taken)
end

local OPTIONS = { url = options_of.of_type "string", size = options_of.whole(1, 1000) }

---@class (exact) leadcat.sql.pg.Options
---@field url string a connection string, postgresql://user@db1,db2/crm, as `leadcat.store.pg` has it
---@field size? integer connections at most, in nginx of each worker; 1 to 1,000, default 10

--- An adapter for PostgreSQL that needs no other library and waits without blocking nginx. It connects when it is used. Raises on a
-- wrong option.
---@param options leadcat.sql.pg.Options
---@return leadcat.sql.Adapter
return function(options)
  options_of.check(options, OPTIONS, "leadcat.host.sql.pg: ")
  if not options or not options.url then
    error("leadcat.host.sql.pg: option 'url' is missing", 2)
  end
  local pool = pg.pool(options.url, {
    size = options.size or SIZE, timeout = SECONDS.reply, keeps_warnings = true,
    settings = {
      statement_timeout = SECONDS.statement .. "s", lock_timeout = SECONDS.lock .. "s", client_min_messages = "warning",
    },
  })
  return setmetatable({ dialect = "postgresql", pool = pool, statements = { count = 0 } }, Adapter)
end
