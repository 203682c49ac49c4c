--- When a rule applies, in words.

local unicode = require "leadcat.util.unicode"
local wording = require "leadcat.words.wording"

local conditions = {}

local MOST, MOST_VALUES = 8, 5 -- conditions, values of a list that are named
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

--- One condition.
---@param words leadcat.Words
---@param condition leadcat.Condition
---@param categories leadcat.Category[]
---@return string "sale.amount is at least 100000"
function conditions.one(words, condition, categories)
  local known = FIELDS[condition.field]
  return text(words, condition.is, {
    field = known and text(words, known) or unicode.line(condition.field),
    value = condition.value ~= nil and values_text(words, condition, categories) or nil,
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

return conditions
