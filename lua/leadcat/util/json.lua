--- Reads JSON with lua-cjson and writes it with the core. lua-cjson alone reads whole numbers as floats, writes keys in
-- any order, and writes an empty list as an object.
--
-- Both directions agree on what a value is: text, booleans, finite numbers, lists without holes, and objects with text
-- keys. A field that is nil or null is absent. An empty list read from JSON is an unmarked empty table; the caller that
-- knows that it is a list marks it again, as `leadcat.rules.config` does. What is written is always valid UTF-8.

local core = require "leadcat.core"
local protected = require "leadcat.util.protected"

local shared = require "cjson"
local cjson = shared.new() -- our own, so that settings neither leak into the host's nor come from there
cjson.decode_invalid_numbers(false)
local shallow = shared.new() -- for clients' JSON, parts of which are written again within other tables
shallow.decode_invalid_numbers(false)
shallow.decode_max_depth(100)

local json = {}

local EXACT = 2 ^ 53 -- below it every whole number is exact, as an integer and as a double
local Array = core.list_mark -- the metatable that marks a list

--- Marks a table as a list, so that it is written as `[]` even when it is empty.
---@generic T: table
---@param t T with the items 1 to n, or empty
---@return T t the same table
function json.array(t)
  return setmetatable(t, Array)
end

--- Whether `json.array` has marked this table.
---@param t table
---@return boolean
function json.is_array(t)
  return getmetatable(t) == Array
end

--- The number as a Lua integer, where Lua has them and the number is whole and below 2^53; else as it is.
---@param n number
---@return number
function json.integer(n)
  if n % 1 == 0 and n > -EXACT and n < EXACT then
    return math.floor(n)
  end
  return n
end

--- Writes a value as JSON, the same text for the same value every time: keys are sorted, whole numbers have neither
-- exponent nor ".0", text is valid UTF-8. Raises for values that JSON does not have (functions, NaN, lists with holes,
-- cycles).
---@type fun(value: any, indent?: string): string
--- `indent`: one step of indentation, such as "  ", for text that people read. The text has no newline at its end.
json.encode = core.encode

-- Reading ------------------------------------------------------------------------------------------------------------

local settle

-- Most fields are text and booleans, which stay as they were read.
local function settle_fields(t)
  for key, field in pairs(t) do
    local kind = type(field)
    if kind == "number" or kind == "table" then
      t[key] = settle(field)
    elseif field == shared.null then
      if type(key) ~= "string" then
        error(("null as item %d of a list would leave a hole"):format(key), 0)
      end
      t[key] = nil
    end
  end
  return t
end

-- Turns what lua-cjson has read into our values, in place.
function settle(value)
  if type(value) == "table" then
    return settle_fields(value)
  elseif value == shared.null then
    error("null alone is no value", 0)
  elseif value == math.huge or value == -math.huge then
    error("a number is too large", 0)
  end
  return type(value) == "number" and json.integer(value) or value
end

local function read(reader, text)
  return settle(reader.decode(text))
end

--- Reads JSON. Whole numbers below 2^53 are Lua integers, at any depth. A null field of an object is absent; null in a
-- list, which would leave a hole, or alone is refused. Raises when `text` is not a string.
---@param text string
---@param from_client? boolean nested at most 100 deep then, else 1,000
---@return any value, string? message, "invalid"? code value: nil when the text is refused; message: what is wrong, and where
function json.decode(text, from_client)
  if type(text) ~= "string" then
    error("text expected, got " .. type(text), 2)
  end
  local ok, value = protected.call(read, from_client and shallow or cjson, text)
  if not ok then
    local why = tostring(value):gsub("^[^:]*:%d+: ", "") -- what C raises begins with the line here that has called it
    return nil, "invalid JSON: " .. (text:find "%S" and why or "the text is empty"), "invalid"
  end
  return value
end

json.null = shared.null

local function with_integers(value)
  for key, field in pairs(value) do
    if type(field) == "number" then
      value[key] = json.integer(field)
    elseif type(field) == "table" then
      with_integers(field)
    end
  end
  return value
end

--- Reads the JSON object or list of a sender whose JSON is not ours: as `decode` from a client, but null stays, as `json.null`.
---@param text string
---@return table? value, string? message
function json.decode_foreign(text)
  local ok, value = protected.call(shallow.decode, text)
  if not ok then
    return nil, "invalid JSON: " .. tostring(value)
  elseif type(value) ~= "table" then
    return nil, "invalid JSON: an object or a list expected"
  end
  return with_integers(value)
end

return json
