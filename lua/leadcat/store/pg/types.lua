--- How values of PostgreSQL are written as parameters and read from binary columns, without losing anything: an integer beyond
-- 2^53 is a text of digits, and so is every `numeric`.

local message = require "leadcat.store.pg.message"

local types = {}

local byte, floor, sub = string.byte, math.floor, string.sub
local be16, be32, u16, u32 = message.be16, message.be32, message.u16, message.u32

local EXACT = 2 ^ 53 -- beyond it, numbers of LuaJIT lose digits
local TWO_31, TWO_32 = 2147483648, 4294967296
local MILLION = 1000000

-- Integers of 64 bits ------------------------------------------------------------------------------------------------

-- The two halves as digits.
local function digits_of(high, low)
  local is_negative = high >= TWO_31
  if is_negative then
    low = (TWO_32 - low) % TWO_32
    high = TWO_32 - high - (low > 0 and 1 or 0)
  end
  local groups = {}
  while high > 0 or low >= MILLION do
    local rest = high % MILLION * TWO_32 + low -- below 2^52
    high, low = floor(high / MILLION), floor(rest / MILLION)
    table.insert(groups, 1, ("%06d"):format(rest % MILLION))
  end
  return (is_negative and "-" or "") .. ("%d"):format(low) .. table.concat(groups)
end

local function read_int8(bytes)
  if #bytes ~= 8 then
    return nil
  end
  local high, low = u32(bytes, 1), u32(bytes, 5)
  local value = (high >= TWO_31 and high - TWO_32 or high) * TWO_32 + low
  if value > -EXACT and value < EXACT or low == 0 and (value == EXACT or value == -EXACT) then
    return value
  end
  return digits_of(high, low)
end

-- Digits as two halves; nil where they are none, or too many.
local function halves_of(digits)
  local sign, rest = digits:match "^(%-?)0*(%d+)$"
  if not rest or #rest > 19 then
    return nil
  end
  local high, low = 0, 0
  for i = 1, #rest do
    local next_low = low * 10 + byte(rest, i) - 48
    high, low = high * 10 + floor(next_low / TWO_32), next_low % TWO_32
  end
  if sign == "" then
    return high < TWO_31 and high or nil, low
  elseif high > TWO_31 or high == TWO_31 and low > 0 then
    return nil
  end
  low = (TWO_32 - low) % TWO_32
  return (TWO_32 - high - (low > 0 and 1 or 0)) % TWO_32, low
end

local function write_int8(value)
  if type(value) == "number" and value >= -EXACT and value <= EXACT and value % 1 == 0 then
    local high = floor(value / TWO_32)
    return be32(high) .. be32(value - high * TWO_32)
  elseif type(value) == "number" and tostring(value):find "^%-?%d+$" then -- an integer of Lua 5.4
    value = tostring(value)
  end
  local high, low
  if type(value) == "string" then
    high, low = halves_of(value)
  end
  return high and be32(high) .. be32(low) or nil
end

-- The others ---------------------------------------------------------------------------------------------------------

local function whole(least, most, write)
  return function(value)
    return type(value) == "number" and value % 1 == 0 and value >= least and value <= most and write(value) or nil
  end
end

local function read_int4(bytes)
  local value = #bytes == 4 and u32(bytes, 1)
  return value and (value < TWO_31 and value or value - TWO_32) or nil
end

local function read_int2(bytes)
  local value = #bytes == 2 and u16(bytes, 1)
  return value and (value < 32768 and value or value - 65536) or nil
end

local function read_oid(bytes)
  return #bytes == 4 and u32(bytes, 1) or nil
end

local BOOLEANS = { ["\0"] = false, ["\1"] = true }

local function read_bool(bytes)
  return BOOLEANS[bytes]
end

local function write_bool(value)
  return type(value) == "boolean" and (value and "\1" or "\0") or nil
end

-- Floats: a sign, an exponent, and a fraction of `bits` bits.
local function float(is_negative, exponent, fraction, bits, bias)
  local value
  if exponent == 2 * bias + 1 then
    value = fraction == 0 and math.huge or 0 / 0
  elseif exponent == 0 then
    value = fraction * 2.0 ^ (1 - bias - bits)
  else
    value = (1 + fraction / 2 ^ bits) * 2.0 ^ (exponent - bias)
  end
  return is_negative and -value or value
end

local function read_float8(bytes)
  if #bytes ~= 8 then
    return nil
  end
  local high, low = u32(bytes, 1), u32(bytes, 5)
  return float(high >= TWO_31, floor(high / 1048576) % 2048, high % 1048576 * TWO_32 + low, 52, 1023)
end

local function read_float4(bytes)
  local bits = #bytes == 4 and u32(bytes, 1)
  return bits and float(bits >= TWO_31, floor(bits / 8388608) % 256, bits % 8388608, 23, 127) or nil
end

local SPECIAL = { [0xC000] = "NaN", [0xD000] = "Infinity", [0xF000] = "-Infinity" } -- by the sign of a numeric
local NEGATIVE = 0x4000
local MOST_DIGITS = 1000 -- before and behind the point; eight bytes could claim to have a hundred thousand

-- A numeric: groups of four digits, the first of which counts 10000 to the `weight`.
local function read_numeric(bytes)
  if #bytes < 8 or #bytes ~= 8 + 2 * u16(bytes, 1) then
    return nil
  end
  local count, weight, sign, scale = u16(bytes, 1), read_int2(sub(bytes, 3, 4)), u16(bytes, 5), u16(bytes, 7)
  if SPECIAL[sign] then
    return SPECIAL[sign]
  elseif sign ~= 0 and sign ~= NEGATIVE or weight * 4 > MOST_DIGITS or scale > MOST_DIGITS then
    return nil
  end
  local function group(i) -- that of 10000 to the i
    local place = weight - i
    return ("%04d"):format(place >= 0 and place < count and u16(bytes, 9 + 2 * place) % 10000 or 0)
  end
  local whole_part, fraction = {}, {}
  for i = weight, 0, -1 do
    whole_part[#whole_part + 1] = group(i)
  end
  for i = -1, -math.ceil(scale / 4), -1 do
    fraction[#fraction + 1] = group(i)
  end
  local text = table.concat(whole_part):gsub("^0+", "")
  return (sign == NEGATIVE and "-" or "") .. (text == "" and "0" or text)
    .. (scale > 0 and "." .. table.concat(fraction):sub(1, scale) or "")
end

local function as_it_is(bytes)
  return bytes
end

local function write_text(value)
  return type(value) == "string" and value or nil
end

-- What the server reads itself, in the form in which SQL has it.
local function write_number(value)
  if value == math.huge or value == -math.huge then
    return value > 0 and "Infinity" or "-Infinity"
  elseif type(value) == "number" then
    return value ~= value and "NaN" or ("%.17g"):format(value)
  end
  return write_text(value)
end

local function write_char(value)
  return type(value) == "string" and #value == 1 and value or nil
end

---@class leadcat.pg.Type
---@field oid integer 0: the server finds out
---@field what string completes "... expected"
---@field format integer of parameters: 0 text, 1 binary
---@field write? fun(value: any): string? nil for what does not fit
---@field read? fun(bytes: string): any nil for what is malformed

-- name, OID, OID of arrays (their elements can only be binary), whether parameters are binary, write, read, what
local KNOWN = {
  { "bool", 16, 1000, 1, write_bool, read_bool, "a boolean" },
  { "bytea", 17, 1001, 1, write_text, as_it_is, "a text of any bytes" },
  { "char", 18, 1002, 1, write_char, as_it_is, "a text of one byte" },
  { "int8", 20, 1016, 1, write_int8, read_int8, "an integer up to 2^53, or digits of one below 2^63" },
  { "int2", 21, 1005, 1, whole(-32768, 32767, be16), read_int2, "an integer below 2^15" },
  { "int4", 23, 1007, 1, whole(-TWO_31, TWO_31 - 1, be32), read_int4, "an integer below 2^31" },
  { "text", 25, 1009, 1, write_text, as_it_is, "a text" },
  { "json", 114, 199, 1, write_text, as_it_is, "a text of JSON" },
  { "varchar", 1043, 1015, 1, write_text, as_it_is, "a text" },
  { "float8", 701, nil, 0, write_number, read_float8, "a number" },
  { "numeric", 1700, nil, 0, write_number, read_numeric, "a number, or its digits" },
  { "timestamptz", 1184, nil, 0, write_text, nil, "a text" },
  { "uuid", 2950, nil, 0, write_text, nil, "a text" },
  { "jsonb", 3802, nil, 0, write_text, nil, "a text of JSON" },
  { "unknown", 0, nil, 0, write_text, nil, "a text" },
}

local by_name, readers = {}, {} ---@type table<string, leadcat.pg.Type>, table<integer, fun(bytes: string): any>

-- The reader of arrays: a list with the number of elements as `n`; NULLs are nil.
local function array_reader(element)
  return function(bytes)
    local list, is_well = {}, true
    local oid, count = message.read_array(bytes, function(i, value)
      if value then
        list[i] = element.read(value)
        is_well = is_well and list[i] ~= nil
      end
    end)
    list.n = count
    return oid == element.oid and is_well and list or nil
  end
end

local function array_writer(element)
  return function(list)
    local values = {}
    if type(list) ~= "table" then
      return nil
    end
    for i = 1, list.n or #list do
      local value = list[i]
      values[i] = value ~= nil and element.write(value)
      if values[i] == nil then
        return nil
      end
    end
    return message.array(element.oid, values)
  end
end

for _, row in ipairs(KNOWN) do
  local name, oid, array_oid = row[1], row[2], row[3]
  local known = { oid = oid, format = row[4], write = row[5], read = row[6], what = row[7] }
  by_name[name], readers[oid] = known, known.read
  if array_oid then
    local array = {
      oid = array_oid, format = 1, write = array_writer(known), read = array_reader(known),
      what = ("a list (of `n` elements where some are nil), each %s,"):format(known.what),
    }
    by_name[name .. "[]"], readers[array_oid] = array, array.read
  end
end

readers[0] = nil
readers[19], readers[705], readers[1042] = as_it_is, as_it_is, as_it_is -- name, unknown, character(n)
readers[26], readers[700] = read_oid, read_float4
readers[2278] = as_it_is -- void, which is empty

--- A type by its name; nil for one that is not known here.
---@param name string
---@return leadcat.pg.Type?
function types.find(name)
  return by_name[name]
end

--- What reads a binary column of this type; nil where nothing does.
---@param oid integer
---@return (fun(bytes: string): any)?
function types.reader(oid)
  return readers[oid]
end

--- The reader of columns that come as text.
types.as_it_is = as_it_is

return types
