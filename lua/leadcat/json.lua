--- Reads and writes JSON; apart from the rest because lua-cjson leaves three things open that must be settled once:
-- whole numbers come back as floats, keys are written in any order, and an empty list looks like an empty object.
--
-- Both directions agree on what a value is: text, booleans, finite numbers, lists without holes, and objects with text
-- keys. A field that is nil or null is absent. An empty list read from JSON is an unmarked empty table: who knows
-- that it is a list marks it again (as `leadcat.config` does). What is written is valid UTF-8, whatever the text was.

local unicode = require "leadcat.unicode"

local shared = require "cjson"
local cjson = shared.new() -- our own, so that settings neither leak into the host's nor come from there
cjson.decode_invalid_numbers(false)
local shallow = shared.new() -- for what clients send: what is kept of it is written again within other tables
shallow.decode_invalid_numbers(false)
shallow.decode_max_depth(100)

local json = {}

local MAX_DEPTH = 1000 -- lua-cjson's limit for reading: nothing is written that could not be read again
local EXACT = 2 ^ 53 -- below it every whole number is exact, as an integer and as a double
local Array = {} -- the metatable that marks a list

-- Lua 5.3 and later have integers beyond 2^53, whose digits are all written.
local math_type = rawget(math, "type") or function() return "float" end

--- Marks a table as a list, so that it is written as `[]` even when it is empty.
---@generic T: table
---@param t T
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

-- Writing ------------------------------------------------------------------------------------------------------------

-- Within a JSON string a backslash always starts an escape, so taking them pair by pair never splits one.
local function quote(s)
  return (cjson.encode(s):gsub("\\.", { ["\\/"] = "/" }))
end

local SPECIAL = '[%c"\\\128-\255]' -- what needs an escape or may be ill-formed; most text has none of it

-- Plain words that were written before, as the same few keys and names come again and again; bounded, since others come from
-- clients.
local MOST_KNOWN, LONGEST_KNOWN = 1000, 40
local known, count_known = {}, 0

local function encode_string(s)
  local text = known[s]
  if text then
    return text
  elseif s:find(SPECIAL) then
    return quote(unicode.valid(s))
  end
  text = '"' .. s .. '"'
  if #s <= LONGEST_KNOWN then
    if count_known == MOST_KNOWN then
      known, count_known = {}, 0
    end
    known[s], count_known = text, count_known + 1
  end
  return text
end

local function encode_number(n)
  if math_type(n) == "integer" or (n % 1 == 0 and n > -EXACT and n < EXACT) then
    return ("%d"):format(n)
  elseif n ~= n or n == math.huge or n == -math.huge then
    error("cannot encode a number that is not finite", 0)
  end
  local text = ("%.14g"):format(n)
  if tonumber(text) ~= n then
    text = ("%.17g"):format(n)
  end
  return (text:gsub("[^%de+-]+", ".")) -- a locale may write a decimal comma
end

local function bracket(open, parts, close, indent, depth)
  if not indent or #parts == 0 then
    return open .. table.concat(parts, ",") .. close
  end
  local line = "\n" .. indent:rep(depth - 1)
  return open .. line .. indent .. table.concat(parts, "," .. line .. indent) .. line .. close
end

local encode

local function encode_list(t, indent, depth)
  local count = 0
  for _ in pairs(t) do
    count = count + 1
  end
  if #t ~= count then
    error("cannot encode a list that has holes or named fields", 0)
  end
  local parts = {}
  for i = 1, count do
    parts[i] = encode(t[i], indent, depth)
  end
  return bracket("[", parts, "]", indent, depth)
end

local FEW = 16

-- For a few keys, which is what most objects have; LuaJIT compiles it, as it does not `table.sort`.
local function insert_sort(keys)
  for i = 2, #keys do
    local key, j = keys[i], i - 1
    while j > 0 and keys[j] > key do
      keys[j + 1], j = keys[j], j - 1
    end
    keys[j + 1] = key
  end
end

-- The keys that are written, in order.
local function written_keys(t)
  local keys = {}
  for key, value in pairs(t) do
    if type(key) ~= "string" then
      error("cannot encode a table whose keys are neither all text nor 1, 2, 3 ...", 0)
    elseif value ~= shared.null then
      keys[#keys + 1] = key
    end
  end
  if #keys > FEW then
    table.sort(keys)
  else
    insert_sort(keys)
  end
  return keys
end

-- Ill-formed keys may be the same once they are mended; then a well-formed one counts, else the first.
local function is_taken(t, key, mended, taken)
  return key ~= mended and (taken[mended] or t[mended] ~= nil and t[mended] ~= shared.null)
end

local function encode_object(t, indent, depth)
  local parts, taken, colon = {}, {}, indent and ": " or ":"
  for _, key in ipairs(written_keys(t)) do
    local mended = known[key] and key or unicode.valid(key)
    if not is_taken(t, key, mended, taken) then
      parts[#parts + 1] = encode_string(mended) .. colon .. encode(t[key], indent, depth)
      taken[mended] = key ~= mended or nil
    end
  end
  return bracket("{", parts, "}", indent, depth)
end

local function encode_table(t, indent, depth)
  if depth > MAX_DEPTH then
    error("cannot encode tables nested more than " .. MAX_DEPTH .. " deep (or within themselves)", 0)
  end
  if json.is_array(t) or t[1] ~= nil then
    return encode_list(t, indent, depth)
  end
  return encode_object(t, indent, depth)
end

local ENCODERS = { boolean = tostring, number = encode_number, string = encode_string, table = encode_table }

function encode(value, indent, depth)
  local encoder = ENCODERS[type(value)] or error("cannot encode a value of type " .. type(value), 0)
  return encoder(value, indent, depth + 1)
end

--- Writes a value as JSON, the same text for the same value every time: keys are sorted, whole numbers have neither
-- exponent nor ".0", text is valid UTF-8. Raises for what JSON cannot say (functions, NaN, lists with holes, cycles).
---@param value any
---@param indent? string one step of indentation, such as "  ", for text that people read
---@return string text without a newline at its end
function json.encode(value, indent)
  local ok, text = pcall(encode, value, indent, 0)
  if not ok then
    error(text, 2)
  end
  return text
end

-- Reading ------------------------------------------------------------------------------------------------------------

local settle

-- Text and booleans, which most fields are, stand as they were read.
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

-- Settles what lua-cjson has read, in place.
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

--- Reads JSON. Whole numbers below 2^53 are Lua integers, at any depth. A null field of an object is absent; null in a
-- list, which would leave a hole, or alone is refused. Raises when `text` is not a string.
---@param text string
---@param from_client? boolean nested at most 100 deep then, else 1,000
---@return any value nil when the text is refused
---@return string? message what is wrong, and where
---@return "invalid"? code
function json.decode(text, from_client)
  if type(text) ~= "string" then
    error("text expected, got " .. type(text), 2)
  end
  local ok, value = pcall((from_client and shallow or cjson).decode, text)
  if ok then
    ok, value = pcall(settle, value)
  end
  if not ok then
    return nil, "invalid JSON: " .. (text:find "%S" and tostring(value) or "the text is empty"), "invalid"
  end
  return value
end

return json
