--- The server's answer to a pipeline of statements: read in the one order in which the protocol has its messages, up to the
-- one that says that the server is ready again. Anything else means that nobody knows what was done.

local message = require "leadcat.store.pg.message"
local types = require "leadcat.store.pg.types"

local reply = {}

local MOST_ASIDE = 1000 -- notices and the like in one reply

---@class leadcat.pg.Result
---@field [integer] any[] rows: values in the order of the columns, nil for NULL
---@field columns {name: string, oid: integer}[]
---@field command string what the server calls it: "SELECT 2"
---@field count? integer rows that were read or changed
---@field warnings? leadcat.pg.Problem[] what the server warned of, in the whole reply

---@class leadcat.pg.Call
---@field statement leadcat.pg.Statement
---@field name string what the server knows it by
---@field is_new boolean whether it was sent with this pipeline, and its columns come first

-- Steps --------------------------------------------------------------------------------------------------------------

-- Each takes the body of its message: true, when the next step follows; false, when more of this one may; nil for what is
-- malformed.

local function next_step() return true end

local function describe(state, body)
  local columns = message.columns(body)
  if not columns then
    return nil
  end
  for _, column in ipairs(columns) do
    column.read = state.call.statement.is_text and types.as_it_is or types.reader(column.oid)
    if not column.read then
      state.unreadable = state.unreadable
        or ("column '%s' has a type that is not read here (OID %d): cast it to text"):format(column.name, column.oid)
      column.read = types.as_it_is
    end
  end
  state.connection:remember(state.call, columns)
  return true
end

local function has_no_columns(state)
  state.connection:remember(state.call, {})
  return true
end

-- Makes the result when the server has bound the parameters.
local function start_result(state)
  state.columns = state.connection.prepared[state.call.statement].columns
  state.result = { columns = state.columns }
  state.results[#state.results + 1] = state.result
  return true
end

local function add_row(state, body)
  local columns, row, is_well = state.columns, {}, true
  local is_whole = message.read_row(body, #columns, function(i, bytes)
    if bytes then
      local value = columns[i].read(bytes)
      row[i], is_well = value, is_well and value ~= nil
    end
  end)
  state.result[#state.result + 1] = row
  if is_whole and is_well then
    return false
  end
end

local function complete(state, body)
  local texts = message.texts(body)
  if not texts or #texts ~= 1 then
    return nil
  end
  state.result.command, state.result.count = texts[1], tonumber(texts[1]:match "(%d+)$")
  return true
end

local function complete_empty(state)
  state.result.command = ""
  return true
end

local NEW = { { ["1"] = next_step }, { t = next_step }, { T = describe, n = has_no_columns } }
local RUN = { { ["2"] = start_result }, { D = add_row, C = complete, I = complete_empty } }

-- The steps of a pipeline: lists of {call, handlers by message}.
local function steps_of(calls)
  local steps = {}
  for _, call in ipairs(calls) do
    for _, group in ipairs { call.is_new and NEW or {}, RUN } do
      for _, handlers in ipairs(group) do
        steps[#steps + 1] = { call = call, handlers = handlers }
      end
    end
  end
  return steps
end

-- What comes in between ----------------------------------------------------------------------------------------------

local ASIDE = {}

function ASIDE.N(state, body)
  local problem = message.problem(body)
  if problem and problem.severity == "WARNING" then
    state.warnings = state.warnings or {}
    state.warnings[#state.warnings + 1] = problem
  end
  return problem ~= nil
end

function ASIDE.S(state, body)
  local texts = message.texts(body)
  if not texts or #texts ~= 2 then
    return false
  end
  state.connection.parameters[texts[1]] = texts[2]
  return true
end

function ASIDE.A() return true end

-- After an error the server skips everything up to the end of the pipeline.
local function note_error(state, body)
  if state.problem then
    return false
  end
  state.problem = message.problem(body)
  return state.problem ~= nil
end

local STATUSES = { I = "idle", T = "in a transaction", E = "in a failed transaction" }

-- The last message: it may come when all steps are done, or after an error.
local function is_ready(state, body)
  state.connection.status = STATUSES[body]
  return STATUSES[body] ~= nil and (state.problem ~= nil or state.at > #state.steps)
end

-- ----------------------------------------------------------------------------------------------------------------------

-- Takes a message: whether it may come now.
local function take(state, kind, body)
  if ASIDE[kind] then
    state.aside = state.aside + 1
    return state.aside <= MOST_ASIDE and ASIDE[kind](state, body)
  elseif kind == "E" then
    return note_error(state, body)
  end
  local step = not state.problem and state.steps[state.at]
  local handler = step and step.handlers[kind]
  if not handler then
    return false
  end
  state.call = step.call
  local is_done = handler(state, body)
  state.at = state.at + (is_done and 1 or 0)
  return is_done ~= nil
end

--- Reads the reply to `calls`. An error of the server closes nothing here, but for a fatal one, after which nothing comes.
---@param connection leadcat.pg.Connection
---@param calls leadcat.pg.Call[]
---@return leadcat.pg.Result[]? results one for each call
---@return leadcat.pg.Problem? problem of the server, or nil, reason: the connection has failed
---@return string? reason
function reply.read(connection, calls)
  local wire = connection.wire
  local state = { connection = connection, steps = steps_of(calls), at = 1, results = {}, aside = 0 }
  while true do
    local kind, body = wire:read()
    if not kind then
      return nil, state.problem, body
    elseif kind == "Z" and is_ready(state, body) then
      break
    elseif kind == "Z" or not take(state, kind, body) then
      local _, reason = wire:fail("the server has sent what does not belong here")
      return nil, nil, reason
    end
  end
  if state.problem then
    return nil, state.problem
  elseif state.unreadable then
    return nil, nil, state.unreadable
  end
  for _, result in ipairs(state.results) do
    result.warnings = state.warnings
  end
  return state.results
end

return reply
