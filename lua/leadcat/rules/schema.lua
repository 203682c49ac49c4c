--- Checks plain data against a description of its fields, and words the problems. The descriptions are in `check.lua`.

local json = require "leadcat.util.json"
local protected = require "leadcat.util.protected"
local unicode = require "leadcat.util.unicode"

local schema = {}

local MAX_SHOWN = 40 -- bytes of an offending value in a message

--- A list as a set.
---@param list any[]
---@return table<any, true>
function schema.set(list)
  local members = {}
  for _, value in ipairs(list) do
    members[value] = true
  end
  return members
end

-- Problems and how they are worded -----------------------------------------------------------------------------------

--- Adds an error.
---@param found leadcat.Problem[]
---@param path string
---@param code string
---@param message string follows the path; a format for the values that follow
function schema.add(found, path, code, message, ...)
  found[#found + 1] = { path = path, code = code, message = path .. " " .. message:format(...), severity = "error" }
end

--- Adds a warning; as `add`.
function schema.warn(found, ...)
  schema.add(found, ...)
  found[#found].severity = "warning"
end

-- Only tells UTF-8 from Latin-1; LuaJIT has no utf8 library.
local function is_utf8(text)
  local rest = text:gsub("[\240-\244][\128-\191][\128-\191][\128-\191]", " ")
  rest = rest:gsub("[\224-\239][\128-\191][\128-\191]", " "):gsub("[\194-\223][\128-\191]", " ")
  return not rest:find("[\128-\255]")
end

--- A client's text for a message: short and visible, never cut within a character.
function schema.short(text)
  if #text > MAX_SHOWN then
    text = text:sub(1, MAX_SHOWN):gsub("[\192-\255][\128-\191]*$", "") .. "..."
  end
  return unicode.visible(text)
end

--- A value for a message.
function schema.shown(value)
  if type(value) == "string" then
    return '"' .. schema.short(value) .. '"'
  elseif type(value) == "number" then
    return ("%.14g"):format(value)
  end
  return value == nil and "missing" or type(value) == "boolean" and tostring(value) or "a " .. type(value)
end

local add, shown = schema.add, schema.shown

-- The path of a field; fields of the whole, `config`, have no prefix.
local function join(path, key)
  local prefix = path == "config" and "" or path
  if not key:find("^[%w_-]+$") then
    return prefix .. "[" .. shown(key) .. "]"
  end
  return (prefix == "" and "" or prefix .. ".") .. schema.short(key)
end

-- Single values: each check adds the problems of the value at `path` to `found` ---------------------------------------

---@alias leadcat.Check fun(found: leadcat.Problem[], path: string, value: any)

function schema.is_whole(value, low, high)
  return type(value) == "number" and value % 1 == 0 and value >= low and value <= high
end

---@return leadcat.Check
function schema.whole(low, high, required)
  return function(found, path, value)
    if value == nil and not required or schema.is_whole(value, low, high) then
      return
    elseif type(value) ~= "number" or value % 1 ~= 0 then
      add(found, path, "wrong_type", "must be a whole number, but is %s", shown(value))
    else
      add(found, path, "out_of_range", "must be from %d to %d, but is %s", low, high, shown(value))
    end
  end
end

---@type leadcat.Check
function schema.boolean(found, path, value)
  if value ~= nil and type(value) ~= "boolean" then
    add(found, path, "wrong_type", "must be true or false, but is %s", shown(value))
  end
end

---@param list string[]
---@param code string of the problem when the value is another text, or missing
---@return leadcat.Check
function schema.one_of(list, code)
  local members, choices = schema.set(list), table.concat(list, ", ")
  return function(found, path, value)
    if value == nil or not members[value] then
      local wrong = (value == nil or type(value) == "string") and code or "wrong_type"
      add(found, path, wrong, "must be one of %s, but is %s", choices, shown(value))
    end
  end
end

-- The text keys of a table that are not in `known`, sorted; keys of other types are one problem of the table.
local function text_keys(found, path, object, known)
  local keys, others = {}, 0
  for key in pairs(object) do
    if type(key) ~= "string" then
      others = others + 1
    elseif not known[key] then
      keys[#keys + 1] = key
    end
  end
  if others > 0 then
    add(found, path, "wrong_type", "must have only texts as keys, but has %d of another type", others)
  end
  table.sort(keys)
  return keys
end

local function one_text(found, path, value, required, expected)
  if type(value) ~= "string" then
    add(found, path, "wrong_type", "must be %s, but is %s", expected, shown(value))
  elseif not is_utf8(value) then
    add(found, path, "wrong_type", "must be text in UTF-8, but is %s", shown(value))
  elseif required and not value:find("%S") then
    add(found, path, "name_required", "must not be blank")
  end
end

--- A text, or texts by language.
---@return leadcat.Check
function schema.text(required)
  return function(found, path, value)
    if value == nil or type(value) == "table" and next(value) == nil then
      if required then
        add(found, path, "name_required", 'is missing: give a text, or texts by language such as {en = "Lead"}')
      end
    elseif type(value) == "table" then
      for _, language in ipairs(text_keys(found, path, value, {})) do
        one_text(found, join(path, language), value[language], required, "text")
      end
    else
      one_text(found, path, value, required, "text, or texts by language")
    end
  end
end

--- A text that is not blank, of at most so many bytes.
---@return leadcat.Check
function schema.code(most)
  return function(found, path, value)
    if value == nil then
      return
    elseif type(value) ~= "string" or not value:find "%S" or not is_utf8(value) then
      add(found, path, "wrong_type", "must be text in UTF-8 that is not blank, but is %s", shown(value))
    elseif #value > most then
      add(found, path, "too_long", "has %d bytes, but there can be at most %d", #value, most)
    end
  end
end

-- Objects and lists --------------------------------------------------------------------------------------------------

---@class leadcat.Kind
---@field noun string what such an object is called: "a rule"
---@field fields table[] {name, check}, in the order in which they are checked
---@field known table<string, true>
---@field names string

---@return leadcat.Kind
function schema.kind(noun, fields)
  local names = {}
  for i, field in ipairs(fields) do
    names[i] = field[1]
  end
  return { noun = noun, fields = fields, known = schema.set(names), names = table.concat(names, ", ") }
end

-- Unknown fields are kept, so their values must be storable.
local function check_unknown(found, path, object, expected)
  for _, key in ipairs(text_keys(found, path, object, expected.known)) do
    local ok, why = protected.call(json.encode, { { { { { { object[key] } } } } } }) -- as deep as it can be in a config
    if ok then
      schema.warn(found, join(path, key), "unknown_field", "is kept, but is not a field of %s: these are %s",
        expected.noun, expected.names)
    else
      add(found, join(path, key), "wrong_type", "cannot be stored: %s", why)
    end
  end
end

--- Whether an optional value is there, and a table.
---@param form string what it must be, for the message
---@return boolean
function schema.is_table(found, path, value, form)
  if value ~= nil and type(value) ~= "table" then
    add(found, path, "wrong_type", "must be %s, but is %s", form, shown(value))
  end
  return type(value) == "table"
end

--- Checks each field by itself.
---@return boolean is_object
function schema.check_object(found, path, object, expected)
  if type(object) ~= "table" then
    add(found, path, "wrong_type", "must be %s {%s}, but is %s", expected.noun, expected.names, shown(object))
    return false
  end
  for _, field in ipairs(expected.fields) do
    field[2](found, join(path, field[1]), object[field[1]])
  end
  check_unknown(found, path, object, expected)
  return true
end

--- Checks that `ipairs` reaches all of a list; a missing list is empty.
---@return any[] list for `ipairs`
function schema.check_sequence(found, path, list)
  if list == nil then
    return {}
  elseif type(list) ~= "table" then
    add(found, path, "wrong_type", "must be a list, but is %s", shown(list))
    return {}
  end
  local count, reached = 0, 0
  for _ in pairs(list) do
    count = count + 1
  end
  for i in ipairs(list) do
    reached = i
  end
  if reached < count then
    add(found, path, "wrong_type", "must be a list without gaps, but counting from 1 reaches only %d of its %d entries",
      reached, count)
  end
  return list
end

return schema
