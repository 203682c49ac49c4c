--- Work with a database through an adapter: each call has a connection of its own for as long as it lasts.

local session = {}

--- What adapters say of such a text, which is refused.
session.NUL = "a text with a NUL byte cannot be sent to the database"

---@param parameters? string[]
---@return boolean
function session.has_nul(parameters)
  for _, parameter in ipairs(parameters or {}) do
    if parameter:find("\0", 1, true) then
      return true
    end
  end
  return false
end

--- Calls `work(connection)`. What fails because the connection had broken before is done again with a new one: nothing of
-- it was committed.
---@param adapter leadcat.sql.Adapter
---@param work fun(connection: leadcat.sql.Connection): any, string?, string? nil, message, code when it fails
---@return any result, string? message, string? code
function session.with_connection(adapter, work)
  while true do
    local connection, note = adapter:acquire()
    if not connection then
      return nil, note or "no connection to the database"
    end
    local was_used = note
    local result, message, code = work(connection)
    local is_broken = result == nil and not connection:is_alive()
    adapter:release(connection, is_broken)
    if not (is_broken and was_used and code ~= "unknown") then
      return result, message, code ~= "unknown" and code or nil
    end
  end
end

--- Calls `work(connection)` in a transaction, which is committed when that returns a result and `true`.
function session.transaction(adapter, work)
  return session.with_connection(adapter, function(connection)
    connection:begin()
    local result, commits, code = work(connection)
    if result == nil or commits ~= true then
      connection:rollback()
      return result, commits, code
    end
    local done, message, why = connection:commit()
    if not done then -- else nobody knows whether it was made: it must not be made again before the key was asked for
      return nil, message, why or "unknown"
    end
    return result
  end)
end

---@param adapter leadcat.sql.Adapter
---@param statement string
---@param parameters? string[]
---@return string[][]? rows, string? message
function session.query(adapter, statement, parameters)
  return session.with_connection(adapter, function(connection) return connection:query(statement, parameters) end)
end

--- The same for a statement without rows: how many it has changed.
---@return integer? count, string? message
function session.execute(adapter, statement, parameters)
  return session.with_connection(adapter, function(connection) return connection:execute(statement, parameters) end)
end

--- A column or expression, as a text that is never NULL.
---@param dialect leadcat.sql.Dialect
---@param expression string
---@return string
function session.as_text(dialect, expression)
  return ("COALESCE(CAST(%s AS %s), '')"):format(expression, dialect.text)
end

return session
