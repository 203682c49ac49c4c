--- Statements with typed parameters. Each connection has a statement parsed once.

local message = require "leadcat.store.pg.message"
local types = require "leadcat.store.pg.types"

local statement = {}

---@class leadcat.pg.Statement
---@field sql string
---@field types leadcat.pg.Type[]
---@field oids integer[]
---@field formats string of the parameters, for the message that binds them
---@field is_text boolean whether columns come as the texts that SQL has for them, whatever their types

--- Raises on a type that is not known.
---@param sql string with $1, $2 … for the parameters
---@param names string[] the parameters' types
---@param options? {text: boolean}
---@return leadcat.pg.Statement
function statement.new(sql, names, options)
  local made = { sql = sql, types = {}, oids = {}, is_text = options ~= nil and options.text == true }
  local formats = {}
  for i, name in ipairs(names) do
    local found = types.find(name)
    if not found then
      error(("leadcat.store.pg: there is no type '%s' for parameter %d"):format(tostring(name), i), 3)
    end
    made.types[i], made.oids[i], formats[i] = found, found.oid, found.format
  end
  made.formats = message.formats(formats)
  return made
end

--- The parameters as bytes, false for NULL. Raises on one that does not fit its type.
---@param made leadcat.pg.Statement
---@param values any[] nil for NULL
---@param level integer whom the error is about
---@return (string|false)[]
function statement.encode(made, values, level)
  local encoded = {}
  for i, kind in ipairs(made.types) do
    local value = values[i]
    encoded[i] = value ~= nil and kind.write(value)
    if encoded[i] == nil then
      error(("leadcat.store.pg: parameter %d: %s expected, got %s"):format(i, kind.what, type(value)), level + 1)
    end
  end
  return encoded
end

return statement
