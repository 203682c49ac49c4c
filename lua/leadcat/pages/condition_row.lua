--- A condition as the fields of a form, and back. Pure. A row has these fields; each is a text:
--
--   field, is            as in the condition
--   type                 of what is compared: text, number or boolean
--   value                for one value
--   values               for several, one on each line
--   answer               "yes" or "no", for a boolean
--   choices, one.N       for several of a list of options: that there is such a list, and what is chosen of it
--   json                 instead of all these: a condition that these fields cannot show, kept as it is

local conditions = require "leadcat.rules.conditions"
local json = require "leadcat.util.json"
local schema = require "leadcat.rules.schema"
local unicode = require "leadcat.util.unicode"

local condition_row = {}

---@class leadcat.ConditionRow
---@field field? string
---@field is? string
---@field type? string
---@field value? string
---@field values? string
---@field answer? string
---@field choices? string
---@field one? table<integer, string>
---@field json? string

local IS = schema.set(conditions.IS)
local KEYS = schema.set { "field", "is", "value" }
local TYPES = { string = "text", number = "number", boolean = "boolean" }
condition_row.LISTS = schema.set { "one_of", "none_of", "all_one_of" }
condition_row.WITHOUT = schema.set { "known", "unknown" }

local LISTS, WITHOUT = condition_row.LISTS, condition_row.WITHOUT

-- Writing -------------------------------------------------------------------------------------------------------------

--- A value as text that `read` understands.
---@param value leadcat.Value
---@return string
function condition_row.as_text(value)
  if type(value) == "boolean" then
    return value and "yes" or "no"
  elseif type(value) ~= "number" then
    return tostring(value)
  end
  local short = ("%.14g"):format(value)
  return tonumber(short) == value and short or ("%.17g"):format(value)
end

--- The type of a condition's value, as in a row; nil when there is none, or its elements differ.
---@param condition leadcat.Condition
---@return string?
function condition_row.type_of(condition)
  local list, found = condition.value, nil
  for _, value in ipairs(type(list) == "table" and list or { list }) do
    if found and TYPES[type(value)] ~= found then
      return nil
    end
    found = TYPES[type(value)]
  end
  return found
end

--- The fields of a condition. One value and several fill each other's, so that `is` can be changed without loss.
---@param condition leadcat.Condition
---@return leadcat.ConditionRow
function condition_row.write(condition)
  local list, texts = condition.value, {}
  for i, value in ipairs(type(list) == "table" and list or { list }) do
    texts[i] = condition_row.as_text(value)
  end
  return {
    field = condition.field, is = condition.is, type = condition_row.type_of(condition) or "text",
    value = texts[1], values = table.concat(texts, "\n"), answer = texts[1],
  }
end

-- Reading -------------------------------------------------------------------------------------------------------------

--- A typed text as one line, without blanks at its ends.
---@param text string
---@return string
function condition_row.clean(text)
  text = unicode.valid(text):gsub("[%z\1-\31\127]+", " ")
  local first = text:find "[^ ]"
  return first and text:match("^.*[^ ]", first) or ""
end

local clean = condition_row.clean

-- What people and spreadsheets put between thousands; a comma may as well be a decimal one, so it is none of them.
local SPACES = { " ", "\194\160", "\226\128\175", "\226\128\137" } -- U+00A0, U+202F, U+2009

--- A typed number; nil when it is none.
---@param text string
---@return number?
function condition_row.number_of(text)
  for _, space in ipairs(SPACES) do
    text = text:gsub(space, "")
  end
  local value = text:find "^[-+]?%d+%.?%d*[eE]?[-+]?%d*$" and tonumber(text)
  return value and value > -math.huge and value < math.huge and json.integer(value) or nil
end

local PARSE = {
  number = condition_row.number_of,
  text = function(text) return text end,
}

-- The values of a list; nil when there are none, or one is not understood.
local function list_of(texts, parse)
  local list, misread = {}, false
  for _, text in ipairs(texts) do
    text = clean(text)
    local value = text ~= "" and parse(text) or nil
    misread = misread or text ~= "" and value == nil
    list[#list + 1] = value
  end
  return not misread and list[1] ~= nil and json.array(list) or nil, misread
end

--- The values of a row as texts, in their order: what is chosen where there are choices, otherwise a line each.
---@param row leadcat.ConditionRow
---@return string[]
function condition_row.texts(row)
  local texts, numbers = {}, {}
  for line in (not row.choices and row.values or ""):gmatch "[^\r\n]+" do
    texts[#texts + 1] = line
  end
  for number in pairs(row.one or {}) do
    numbers[#numbers + 1] = number
  end
  table.sort(numbers)
  for _, number in ipairs(numbers) do
    texts[#texts + 1] = row.one[number]
  end
  return texts
end

local ANSWERS = { yes = true, no = false }

-- What is compared with; nil while nothing is given, or when it was not understood.
---@return any value, boolean misread
local function value_of(row, is)
  local parse = PARSE[row.type] or PARSE.text
  if row.type == "boolean" then
    local answer = ANSWERS[row.answer]
    if LISTS[is] and answer ~= nil then
      return json.array { answer }, false
    end
    return answer, false
  elseif LISTS[is] then
    return list_of(condition_row.texts(row), parse)
  end
  local text = clean(row.value or "")
  local value = text ~= "" and parse(text) or nil
  return value, text ~= "" and value == nil
end

-- Whether a condition has a form that can be shown. What it says is checked when it is saved.
local function is_condition(value)
  if type(value) ~= "table" or type(value.field) ~= "string" or not IS[value.is] then
    return false
  end
  for _, one in ipairs(type(value.value) == "table" and value.value or { value.value }) do
    if not TYPES[type(one)] then
      return false
    end
  end
  return true
end

local function from_json(text)
  local condition = json.decode(text)
  return is_condition(condition) and condition or nil
end

--- The condition of a row.
---@param row leadcat.ConditionRow
---@return leadcat.Condition? condition without a value when none is given or it was not understood; nil when the row is none
---@return boolean misread whether a value is there that was not understood
function condition_row.read(row)
  if row.json then
    return from_json(row.json), false
  elseif not row.field then
    return nil, false
  end
  local condition = { field = clean(row.field), is = IS[row.is] and row.is or "equals" }
  if WITHOUT[condition.is] then
    return condition, false
  end
  local misread
  condition.value, misread = value_of(row, condition.is)
  return condition, misread
end

local function is_same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return a == b
  end
  for i = 1, math.max(#a, #b) do
    if a[i] ~= b[i] then
      return false
    end
  end
  return true
end

--- Whether the fields show all of a condition.
---@param condition leadcat.Condition
---@return boolean
function condition_row.is_shown(condition)
  for key in pairs(condition) do
    if not KEYS[key] then
      return false
    end
  end
  local same = is_condition(condition) and condition_row.read(condition_row.write(condition))
  return same and same.field == condition.field and same.is == condition.is and is_same(same.value, condition.value)
end

return condition_row
