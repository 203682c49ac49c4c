--- When a rule applies, in words.

local unicode = require "leadcat.util.unicode"
local wording = require "leadcat.words.wording"

local conditions = {}

local MOST, MOST_VALUES = 8, 5 -- conditions, values of a list that are named
local MOST_STARTS = 8 -- groups and categories
local ELLIPSIS = "\226\128\166" -- U+2026

local FIELDS = { category = "category", ["category.rank"] = "category_rank" }

local function text(words, key, values)
  return wording.sentence(words, "condition." .. key, values)
end

local function value_text(words, field, value, categories)
  if type(value) == "boolean" then
    return text(words, value and "yes" or "no")
  elseif type(value) == "string" then
    return text(words, "quoted", { value = unicode.line(value) })
  elseif field == "category" then
    return wording.name_of(categories, value, words.language)
  end
  return ("%.14g"):format(value)
end

local function values_text(words, condition, categories)
  local list, texts = condition.value, {}
  if type(list) ~= "table" then
    return value_text(words, condition.field, list, categories)
  end
  for i = 1, math.min(#list, MOST_VALUES) do
    texts[i] = value_text(words, condition.field, list[i], categories)
  end
  texts[#texts + 1] = #list > MOST_VALUES and ELLIPSIS or nil
  return table.concat(texts, ", ")
end

-- Fields that the host has described are called as it says; the words of a page may have them.
local function field_text(words, field)
  local described = words.known_fields and words.known_fields[field]
  local name = FIELDS[field] and text(words, FIELDS[field]) or described and described.name or unicode.line(field)
  return name ~= "" and name or ELLIPSIS
end

--- One condition. While it is being written, what is missing is "…".
---@param words leadcat.Words
---@param condition leadcat.Condition
---@param categories leadcat.Category[]
---@return string "sale.amount is at least 100000"
function conditions.one(words, condition, categories)
  return text(words, condition.is, {
    field = field_text(words, condition.field),
    value = condition.value == nil and ELLIPSIS or values_text(words, condition, categories),
  })
end

--- The conditions of a rule, the first eight of them.
---@param words leadcat.Words
---@param when leadcat.Condition[][]
---@param categories leadcat.Category[]
---@return string
function conditions.all(words, when, categories)
  local said, count = nil, 0
  for _, group in ipairs(when) do
    local joined
    for _, condition in ipairs(group) do
      count = count + 1
      if count <= MOST then
        local one = conditions.one(words, condition, categories)
        joined = joined and text(words, "and", { first = joined, second = one }) or one
      end
    end
    said = said and joined and text(words, "or", { first = said, second = joined }) or said or joined
  end
  return count > MOST and said .. " " .. ELLIPSIS or said
end

--- Where a rule starts, the first eight of them.
---@param words leadcat.Words
---@param from leadcat.From
---@param categories leadcat.Category[]
---@return string
function conditions.from(words, from, categories)
  local texts, groups, ids = {}, from.groups or {}, from.categories or {}
  for i = 1, math.min(#groups, MOST_STARTS) do
    local name = wording.sentence(words, "group." .. groups[i])
    texts[i] = wording.sentence(words, "difference.from_group", { group = name })
  end
  for i = 1, math.min(#ids, MOST_STARTS - #texts) do
    texts[#texts + 1] = wording.name_of(categories, ids[i], words.language)
  end
  texts[#texts + 1] = #groups + #ids > #texts and ELLIPSIS or nil
  return table.concat(texts, ", ")
end

return conditions
