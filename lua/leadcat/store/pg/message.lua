--- Messages of PostgreSQL's protocol 3, as bytes: those that a client sends, and what is in those that a server sends. What
-- is read here comes from anybody: each reader gives nil for what is malformed.

local message = {}

local byte, char, concat, floor, sub = string.byte, string.char, table.concat, math.floor, string.sub

local TWO_32 = 4294967296

-- Integers, with the highest byte first ------------------------------------------------------------------------------

---@param n integer from -2^31 to 2^32 - 1
---@return string
function message.be32(n)
  n = n % TWO_32
  return char(floor(n / 16777216), floor(n / 65536) % 256, floor(n / 256) % 256, n % 256)
end

---@param n integer from -2^15 to 2^16 - 1
---@return string
function message.be16(n)
  return char(floor(n / 256) % 256, n % 256)
end

--- Four bytes as an integer without a sign.
---@param s string
---@param at integer where there are four bytes
---@return integer
function message.u32(s, at)
  local a, b, c, d = byte(s, at, at + 3)
  return ((a * 256 + b) * 256 + c) * 256 + d
end

---@return integer
function message.u16(s, at)
  local a, b = byte(s, at, at + 1)
  return a * 256 + b
end

local be16, be32, u16, u32 = message.be16, message.be32, message.u16, message.u32

-- What a client sends ------------------------------------------------------------------------------------------------

local function framed(kind, body)
  return kind .. be32(#body + 4) .. body
end

message.SYNC = framed("S", "")
message.TERMINATE = framed("X", "")
message.SSL_REQUEST = be32(8) .. be32(80877103)

--- The first message of a session.
---@param parameters string[] names and values in turn
---@return string
function message.startup(parameters)
  local body = be32(196608) .. concat(parameters, "\0") .. "\0\0"
  return be32(#body + 4) .. body
end

--- A password, or a later message of SASL.
---@param bytes string
---@return string
function message.password(bytes)
  return framed("p", bytes)
end

---@param mechanism string
---@param bytes string
---@return string
function message.sasl_initial(mechanism, bytes)
  return framed("p", mechanism .. "\0" .. be32(#bytes) .. bytes)
end

---@param name string of the statement; "" is the one without a name
---@param sql string
---@param oids integer[] types of its parameters; 0: the server finds out
---@return string
function message.parse(name, sql, oids)
  local types = {}
  for i, oid in ipairs(oids) do
    types[i] = be32(oid)
  end
  return framed("P", name .. "\0" .. sql .. "\0" .. be16(#oids) .. concat(types))
end

--- Asks for the types of a statement's parameters and columns.
---@param name string
---@return string
function message.describe(name)
  return framed("D", "S" .. name .. "\0")
end

local NULL = be32(-1)
local EXECUTE = framed("E", "\0" .. be32(0))

--- Binds the parameters, and executes.
---@param name string
---@param formats string of the parameters, as `message.formats` makes it
---@param values (string|false)[] false for NULL
---@param is_binary boolean whether the columns come as binary
---@return string
function message.bind_and_execute(name, formats, values, is_binary)
  local parts = { "\0" .. name .. "\0" .. formats .. be16(#values) }
  for i, value in ipairs(values) do
    parts[i + 1] = value and be32(#value) .. value or NULL
  end
  parts[#parts + 1] = be16(1) .. be16(is_binary and 1 or 0)
  return framed("B", concat(parts)) .. EXECUTE
end

---@param formats integer[] 0 for text, 1 for binary
---@return string
function message.formats(formats)
  local parts = { be16(#formats) }
  for i, format in ipairs(formats) do
    parts[i + 1] = be16(format)
  end
  return concat(parts)
end

-- What a server sends ------------------------------------------------------------------------------------------------

--- An array of values, for binary parameters.
---@param oid integer of the elements
---@param values (string|false)[] false for NULL
---@return string
function message.array(oid, values)
  if #values == 0 then
    return be32(0) .. be32(0) .. be32(oid)
  end
  local parts = { be32(1) .. be32(1) .. be32(oid) .. be32(#values) .. be32(1) }
  for i, value in ipairs(values) do
    parts[i + 1] = value and be32(#value) .. value or NULL
  end
  return concat(parts)
end

-- Calls `use(i, bytes)` for `count` values from a place on, with nil for NULL; they have to end with the body.
local function each_value(body, at, count, use)
  local size = #body
  for i = 1, count do
    if at + 3 > size then
      return false
    end
    local length = u32(body, at)
    at = at + 4
    if length == TWO_32 - 1 then
      use(i, nil)
    elseif at + length - 1 > size then
      return false
    else
      use(i, sub(body, at, at + length - 1))
      at = at + length
    end
  end
  return at == size + 1
end

--- Reads an array: its elements' type, and how many elements, which are given to `use(i, bytes)`. Nil where it is malformed, or
--- has more than one dimension.
---@return integer? oid, integer? count
function message.read_array(body, use)
  local dimensions = #body >= 12 and u32(body, 1)
  if dimensions == 0 then
    return #body == 12 and u32(body, 9) or nil, 0
  elseif dimensions ~= 1 or #body < 20 or u32(body, 13) > #body then
    return nil
  end
  local count = u32(body, 13)
  if not each_value(body, 21, count, use) then
    return nil
  end
  return u32(body, 9), count
end

--- Reads a row: whether it is one with `count` columns, which are given to `use(i, bytes)`.
---@return boolean
function message.read_row(body, count, use)
  return #body >= 2 and u16(body, 1) == count and each_value(body, 3, count, use)
end

--- The columns of a row description.
---@param body string
---@return {name: string, oid: integer}[]?
function message.columns(body)
  if #body < 2 then
    return nil
  end
  local columns, at = {}, 3
  for i = 1, u16(body, 1) do
    local stop = body:find("\0", at, true)
    if not stop or stop + 18 > #body then
      return nil
    end
    columns[i] = { name = sub(body, at, stop - 1), oid = u32(body, stop + 7) }
    at = stop + 19
  end
  return at == #body + 1 and columns or nil
end

--- The texts of a message that consists of some, each with a NUL behind it.
---@param body string
---@return string[]?
function message.texts(body)
  local texts, at = {}, 1
  while at <= #body do
    local stop = body:find("\0", at, true)
    if not stop then
      return nil
    end
    texts[#texts + 1] = sub(body, at, stop - 1)
    at = stop + 1
  end
  return texts
end

local FIELDS = {
  V = "severity", C = "sqlstate", M = "message", D = "detail", H = "hint", W = "where", s = "schema", t = "table",
  c = "column", n = "constraint",
}

---@class leadcat.pg.Problem
---@field sqlstate string five letters and digits; "" when it is not the server that says so
---@field message string
---@field severity string "ERROR", "FATAL", "PANIC" or "WARNING", in English
---@field constraint? string its name
---@field detail? string may have data of rows in it
---@field hint? string
---@field where? string
---@field schema? string
---@field table? string
---@field column? string

--- What an error or a notice says.
---@param body string
---@return leadcat.pg.Problem?
function message.problem(body)
  local texts = message.texts(body)
  if not texts or texts[#texts] ~= "" then
    return nil
  end
  local problem = { sqlstate = "", message = "", severity = nil }
  for i = 1, #texts - 1 do
    local field, old_severity = FIELDS[sub(texts[i], 1, 1)], texts[i]:match "^S(.*)"
    if field then
      problem[field] = sub(texts[i], 2)
    elseif old_severity and not problem.severity then -- what servers send that have no V
      problem.severity = old_severity
    end
  end
  return problem.severity and problem or nil
end

return message
