--- A session with one server. What fails in a way that leaves it open whether something was done closes the session; nothing
-- is sent a second time.

local core = require "leadcat.core"
local message = require "leadcat.store.pg.message"
local reply = require "leadcat.store.pg.reply"
local socket = require "leadcat.util.socket"
local startup = require "leadcat.store.pg.startup"
local statements = require "leadcat.store.pg.statement"

local connection = {}

local MOST_PREPARED = 200 -- statements of a session; others are parsed each time

---@class leadcat.pg.Connection
---@field host_name string for messages
---@field parameters table<string, string> what the server says of itself
---@field status "idle"|"in a transaction"|"in a failed transaction"
---@field leaves boolean whether the server has to be left: it is gone, on its way, or no longer the primary
---@field silence? number seconds for which the last call has waited for what did not come
---@field prepared table<leadcat.pg.Statement, {name: string, columns: table[]}>
local Connection = {}
Connection.__index = Connection

-- What ends in failure -----------------------------------------------------------------------------------------------

local function set(text)
  local members = {}
  for word in text:gmatch "%S+" do
    members[word] = true
  end
  return members
end

local LEAVES = set "57P01 57P02 57P03 25006" -- shutting down, crashed, starting or recovering, read-only
local CLOSES = set "57P04 57P05 25P03 25P04 26000" -- timeouts of idle sessions; what a pooler in between has forgotten
-- What the server cannot do now, by classes and in whole.
local UNAVAILABLE = set "08 53 57 58 XX 55P03 25006 26000 25P03 25P04"
local STALE_PLAN = "0A000"

local function has_code(codes, sqlstate)
  return codes[sqlstate] or codes[sqlstate:sub(1, 2)] or false
end

local function is_broken(problem)
  return problem.severity == "FATAL" or problem.severity == "PANIC" or problem.sqlstate:find "^08" ~= nil
end

-- An error of the server: closes the session where it is of no more use. Gives nil, message, code, problem.
local function fail_with(self, problem)
  self.leaves = self.leaves or LEAVES[problem.sqlstate] or is_broken(problem)
  local is_stale = problem.sqlstate == STALE_PLAN and problem.message:find "cached plan" ~= nil
  if self.leaves or CLOSES[problem.sqlstate] or is_stale then
    self.wire:fail(problem.message)
  end
  local is_unavailable = self.leaves or is_stale or has_code(UNAVAILABLE, problem.sqlstate)
  return nil, ("%s: %s"):format(self.host_name, problem.message), is_unavailable and "unavailable" or "failed", problem
end

local function fail_without(self, reason)
  self.silence = self.wire.failure and core.uptime() - self.wire.begun
  self.leaves = self.leaves or self.wire.failure ~= nil
  return nil, ("%s: %s"):format(self.host_name, reason), "unavailable"
end

local function is_read_only(self)
  local parameters = self.parameters
  return self.target ~= "any" and parameters.in_hot_standby == "on"
    or self.target == "read-write" and parameters.default_transaction_read_only == "on"
end

-- Statements ---------------------------------------------------------------------------------------------------------

--- What `reply` calls when the server has parsed a statement.
function Connection:remember(call, columns)
  self.prepared[call.statement] = { name = call.name, columns = columns }
  self.count = self.count + 1
end

-- The call of a statement; `named` are those that this pipeline has parsed before.
local function new_call(self, statement, named)
  local name = self.prepared[statement] and self.prepared[statement].name or named[statement]
  if name then
    return { statement = statement, name = name, is_new = false }
  end
  name = ""
  if self.count < MOST_PREPARED then
    self.names = self.names + 1
    name = "s" .. self.names
    named[statement] = name
  end
  return { statement = statement, name = name, is_new = true }
end

-- Forgets the columns of statements that the server has no name for.
local function forget_unnamed(self, calls)
  for _, call in ipairs(calls) do
    if call.name == "" and self.prepared[call.statement] then
      self.prepared[call.statement], self.count = nil, self.count - 1
    end
  end
end

local function request(self, list, values)
  local calls, parts, named = {}, {}, {}
  for i, item in ipairs(list) do
    local statement = item[1]
    local call = new_call(self, statement, named)
    calls[i] = call
    if call.is_new then
      parts[#parts + 1] = message.parse(call.name, statement.sql, statement.oids) .. message.describe(call.name)
    end
    parts[#parts + 1] = message.bind_and_execute(call.name, statement.formats, values[i], not statement.is_text)
  end
  parts[#parts + 1] = message.SYNC
  return table.concat(parts), calls
end

-- The first warning, or the first that is not a trigger's or a function's own.
local function warning_of(self, warnings)
  for _, warning in ipairs(warnings or {}) do
    if not (self.ignores_raised and warning.where and warning.where:find " at RAISE") then
      return warning
    end
  end
end

-- What the server has warned of is not acknowledged, unless whoever asks looks at it.
local function accept(self, results)
  local warning = not self.keeps_warnings and warning_of(self, results[1].warnings)
  if warning then
    return nil, ("%s: %s"):format(self.host_name, warning.message), "unavailable", warning
  end
  return results
end

-- Executes statements whose parameters are bytes already.
local function execute(self, list, values, timeout)
  local bytes, calls = request(self, list, values)
  self.wire:begin(timeout or self.timeout)
  local sent, reason = self.wire:send(bytes)
  if not sent then
    return fail_without(self, reason)
  end
  local results, problem
  results, problem, reason = reply.read(self, calls)
  forget_unnamed(self, calls)
  if problem then
    return fail_with(self, problem)
  elseif not results then
    return fail_without(self, reason)
  end
  self.leaves = self.leaves or is_read_only(self)
  return accept(self, results)
end

--- Executes statements, one after the other, in one round trip. Outside of a transaction they are one: all are done, or none.
--- Their results should be small: they are read when all is sent. Raises when a parameter does not fit.
---@param list table[] each `{statement, values}`, at least one
---@param timeout? number seconds; default that of the pool
---@return leadcat.pg.Result[]? results
---@return string? message
---@return "unavailable"|"failed"|nil code
---@return leadcat.pg.Problem? problem
function Connection:pipeline(list, timeout)
  local values = {}
  for i, item in ipairs(list) do
    values[i] = statements.encode(item[1], item[2] or {}, 2)
  end
  return execute(self, list, values, timeout)
end

--- Executes a statement whose parameters are bytes already: see `leadcat.store.pg.statement`.
function Connection:run_encoded(statement, encoded, timeout)
  local results, text, code, problem = execute(self, { { statement } }, { encoded }, timeout)
  if not results then
    return nil, text, code, problem
  end
  return results[1]
end

--- Executes a statement. Raises when a parameter does not fit.
---@param statement leadcat.pg.Statement
---@param values? any[] nil for NULL
---@param timeout? number seconds
---@return leadcat.pg.Result? result
---@return string? message
---@return "unavailable"|"failed"|nil code unavailable: nobody knows whether it was done, unless there is a problem that says more; failed: it was not
---@return leadcat.pg.Problem? problem what the server says
function Connection:run(statement, values, timeout)
  local encoded = statements.encode(statement, values or {}, 2)
  return self:run_encoded(statement, encoded, timeout)
end

-- Opening and closing -----------------------------------------------------------------------------------------------

local SHOW = statements.new("SHOW transaction_read_only", {}, { text = true })

-- Whether it is a server that was asked for: servers before PostgreSQL 14 do not say it by themselves. Or nil, reason.
local function is_wanted(self)
  local has_said = self.parameters.in_hot_standby and self.parameters.default_transaction_read_only
  if self.target ~= "any" and not has_said then
    local result, reason = self:run(SHOW)
    if not result then
      return nil, reason
    end
    self.parameters.default_transaction_read_only = result[1] and result[1][1]
    self.parameters.in_hot_standby = self.parameters.default_transaction_read_only
  end
  if is_read_only(self) then
    return nil, self.host_name .. ": the server is a standby, or read-only"
  end
  return true
end

--- Connects to one host, or takes up a session again that was put aside; where that is gone, it begins anew.
---@param pool leadcat.pg.Pool
---@param host leadcat.pg.Host
---@param key string that no other connection has
---@param parked? leadcat.pg.Connection
---@return leadcat.pg.Connection? connection, string? reason, leadcat.pg.Problem? problem
function connection.open(pool, host, key, parked)
  local session, reason, problem = startup.begin(pool.info, host, pool.settings, key)
  if not session then
    return nil, ("%s: %s"):format(host.name, reason), problem
  elseif not session.parameters then
    if parked then
      parked.wire = session.wire
      return parked
    end
    session.wire:fail "was closed"
    return nil, host.name .. ": the connection is somebody else's"
  end
  local self = setmetatable({
    wire = session.wire, parameters = session.parameters, host = host, host_name = host.name, key = key,
    target = pool.info.target, timeout = pool.timeout, keeps_warnings = pool.keeps_warnings,
    ignores_raised = pool.ignores_raised,
    status = "idle", leaves = false, prepared = {}, count = 0, names = 0,
  }, Connection)
  local ok
  ok, reason = is_wanted(self)
  if not ok then
    self:close()
    return nil, reason
  end
  return self
end

--- Whether it can be used.
---@return boolean
function Connection:is_open()
  return self.wire.failure == nil
end

--- Puts the connection aside, for `connection.open`.
function Connection:park()
  self.wire:release()
end

--- Closes it; again it does nothing.
function Connection:close()
  if self:is_open() then
    self.wire:begin(1)
    self.wire:send(message.TERMINATE)
    self.wire:fail "was closed"
  end
  socket.forget(self.key)
end

return connection
