--- The adapter of `leadcat.host.sql` for LuaDBI: PostgreSQL, MariaDB (or MySQL) and SQLite. Values go in and come out as
-- texts, because LuaDBI reads large integers as 32 bits and some NULLs as 0. Its calls block: it is for workers and
-- scripts, not for requests of nginx.

local as_text = require "leadcat.util.as_text"
local dialects = require "leadcat.host.sql.dialect"
local options_of = require "leadcat.util.options"
local protected = require "leadcat.util.protected"
local session = require "leadcat.host.sql.session"

local DIALECTS = { PostgreSQL = "postgresql", MySQL = "mariadb", SQLite3 = "sqlite" } -- by LuaDBI's drivers
local MOST_IDLE = 4 -- connections
local unpack = rawget(table, "unpack") or rawget(_G, "unpack")

-- By statement: LuaDBI uses a statement's connection when it collects the statement, so that must not be gone by then.
local handles = setmetatable({}, { __mode = "k" })

---@class leadcat.sql.Connection
---@field execute fun(self, sql: string, parameters?: string[]): integer?, string?, "refused"? how many rows it changed
---@field query fun(self, sql: string, parameters?: string[]): string[][]?, string? the rows: as many as parameters where all were found
---@field begin fun(self)
---@field commit fun(self): true?, string?, "refused"? when it fails otherwise, nobody knows whether it was done
---@field rollback fun(self)
---@field is_alive fun(self): boolean
local Connection = {}
Connection.__index = Connection

-- Calls a method of LuaDBI, which may raise, or return a false value and a message.
local function try(object, method, ...)
  local ok, result, message = protected.call(object[method], object, ...)
  if not ok then
    return nil, as_text(result)
  end
  return result or nil, not result and as_text(message) or nil
end

-- The statement, prepared once a connection.
local function prepare(self, sql)
  local statement, message = self.statements[sql], nil
  if not statement then
    statement, message = try(self.handle, "prepare", sql)
    self.statements[sql] = statement
    if statement then
      handles[statement] = self.handle
    end
  end
  return statement, message
end

local function run(self, sql, parameters)
  parameters = parameters or {}
  if session.has_nul(parameters) then
    return nil, session.NUL
  end
  local statement, message = prepare(self, sql)
  local done
  if statement then
    done, message = try(statement, "execute", unpack(parameters))
    if not done then -- of SQLite it would go on failing
      try(statement, "close")
      self.statements[sql] = nil
    end
  end
  return done and statement, message and message:gsub("^Error %a+ statement %a*: *", ""):gsub("^Execute failed ", "")
    :gsub("%s+$", "")
end

-- The number of the error of the statement before, where the database can be asked, and its text.
local function last_failure(self)
  local sql = self.dialect.failures
  local statement = sql and run(self, sql)
  local row = statement and statement:fetch(false)
  if row then
    return tonumber(row[2]), row[3]
  end
end

function Connection:execute(sql, parameters)
  local statement, message = run(self, sql, parameters)
  if not statement then
    local number = last_failure(self)
    return nil, message, (message == session.NUL or self.dialect.refuses(message, number)) and "refused" or nil
  end
  return statement:affected()
end

function Connection:query(sql, parameters)
  local statement, message = run(self, sql, parameters)
  if not statement then
    return nil, message
  end
  local rows = {}
  for row in statement:rows(false) do
    local copy = {}
    for i, value in ipairs(row) do
      copy[i] = value
    end
    rows[#rows + 1] = copy
  end
  if #rows < #(parameters or {}) then -- MariaDB can fail while the rows are read
    local _, why = last_failure(self)
    if why then
      return nil, why
    end
  end
  return rows
end

-- LuaDBI's commit says for PostgreSQL that all is well when a deferred constraint, or the end of the connection, has undone the
-- transaction. There it is a statement like any other.
function Connection:begin()
  local own = self.dialect.transaction
  if own then
    return run(self, own.begin)
  end
  try(self.handle, "autocommit", false)
end

function Connection:commit()
  local own = self.dialect.transaction
  if own then
    local done, message, code = self:execute(own.commit)
    return done and true, message, code
  end
  local done, message = try(self.handle, "commit")
  try(self.handle, "autocommit", true)
  return done and true, not done and (message or "the commit failed") or nil
end

function Connection:rollback()
  local own = self.dialect.transaction
  if own then
    return run(self, own.rollback)
  end
  try(self.handle, "rollback")
  try(self.handle, "autocommit", true)
end

function Connection:is_alive()
  return try(self.handle, "ping") == true
end

---@class leadcat.sql.Adapter
---@field dialect "postgresql"|"mariadb"|"sqlite"
local Adapter = {}
Adapter.__index = Adapter

local function connect(self)
  local handle, message = try(self.dbi, "Connect", self.driver, unpack(self.arguments, 1, 5))
  if not handle then
    return nil, message
  end
  local connection = setmetatable({
    handle = handle, dialect = dialects[self.dialect], statements = {},
  }, Connection)
  try(handle, "autocommit", true)
  for _, setting in ipairs(connection.dialect.settings) do
    local done, why = connection:execute(setting)
    if not done then
      try(handle, "close")
      return nil, why
    end
  end
  return connection
end

--- A connection that nobody else has.
---@return leadcat.sql.Connection? connection
---@return string|boolean? message_or_used why there is none; else whether it was in use before, and may have broken since
function Adapter:acquire()
  local connection = table.remove(self.idle)
  if connection then
    return connection, true
  end
  return connect(self)
end

---@param connection leadcat.sql.Connection with no open transaction
---@param is_broken? boolean
function Adapter:release(connection, is_broken)
  if is_broken or #self.idle >= MOST_IDLE then
    try(connection.handle, "close")
  else
    self.idle[#self.idle + 1] = connection
  end
end

local OPTIONS = {
  driver = options_of.one_of { "PostgreSQL", "MySQL", "SQLite3" }, database = options_of.of_type "string",
  user = options_of.of_type "string", password = options_of.of_type "string", host = options_of.of_type "string",
  port = options_of.whole(1, 65535),
}

-- For PostgreSQL: nothing waits for ever for a server that does not answer, and texts are UTF-8 whatever the database's are.
local LIMITS = " connect_timeout=5 tcp_user_timeout=10000 keepalives_idle=5 keepalives_interval=2 keepalives_count=3 "
  .. "client_encoding=UTF8 application_name=leadcat"

-- What LuaDBI is given as the database: PostgreSQL's library takes its options there. Who gives some has chosen.
local function database_of(options)
  local name = options.database
  if options.driver ~= "PostgreSQL" or name:find "[=:]" then
    return name
  end
  return ("dbname='%s'"):format(name:gsub("['\\]", "\\%0")) .. LIMITS
end

---@class (exact) leadcat.sql.dbi.Options
---@field driver "PostgreSQL"|"MySQL"|"SQLite3"
---@field database string its name; of SQLite the file; of PostgreSQL also a text of its options ("dbname=crm sslmode=verify-full")
---@field user? string
---@field password? string
---@field host? string
---@field port? integer

--- An adapter over LuaDBI, for PostgreSQL, MariaDB and SQLite. It connects when it is used. Raises on a wrong option, and when LuaDBI
-- is not installed.
---@param options leadcat.sql.dbi.Options
---@return leadcat.sql.Adapter
return function(options)
  options_of.check(options, OPTIONS, "leadcat.host.sql.dbi: ")
  for _, name in ipairs { "driver", "database" } do
    if not options or options[name] == nil then
      error(("leadcat.host.sql.dbi: option '%s' is missing"):format(name), 2)
    end
  end
  local dbi = require "DBI"
  return setmetatable({
    dialect = DIALECTS[options.driver], driver = options.driver, idle = {},
    dbi = { Connect = function(_, ...) return dbi.Connect(...) end },
    arguments = { database_of(options), options.user, options.password, options.host, options.port },
  }, Adapter)
end
