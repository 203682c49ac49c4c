--- When a rule applies, in words.

local rules = require "leadcat.rules.conditions"
local no_sale = require "leadcat.rules.no_sale"
local unicode = require "leadcat.util.unicode"
local wording = require "leadcat.words.wording"

local conditions = {}

local MOST, MOST_VALUES = 8, 5 -- conditions, values of a list that are named
local MOST_STARTS = 8 -- groups and categories
local ELLIPSIS = "\226\128\166" -- U+2026

local KINDS = { number = "number", string = "text", boolean = "boolean" } -- as explanations call what was found
local FIELDS = { category = "category", ["category.rank"] = "category_rank", [no_sale.FIELD] = "no_sale_days" }

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

-- A value, or the values of a list, the first five.
local function values_text(words, field, list, categories)
  local texts = {}
  if type(list) ~= "table" then
    return value_text(words, field, list, categories)
  end
  for i = 1, math.min(#list, MOST_VALUES) do
    texts[i] = value_text(words, field, list[i], categories)
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
    value = condition.value == nil and ELLIPSIS or values_text(words, condition.field, condition.value, categories),
  })
end

-- The kind of the condition's values, as `fact` names kinds; nil: it compares with nothing, or with several kinds.
local function kind_of(condition)
  local list, kind = condition.value, nil
  for _, value in ipairs(type(list) == "table" and list or { list }) do
    local own = KINDS[type(value)]
    kind = (kind == nil or kind == own) and own or "several"
  end
  return kind ~= "several" and kind or nil
end

-- Whether a found value may be shown. What the core does not know (a table that is no list, a function) may not.
local function can_be_shown(found)
  for _, value in ipairs(type(found) == "table" and found or { found }) do
    if not KINDS[type(value)] then
      return false
    end
  end
  return true
end

--- One condition, and what was found.
---@param words leadcat.Words
---@param condition table a condition of an explanation: also `fact`, the kind of what was found, and `found` itself
---@param categories leadcat.Category[]
---@return string "sale.amount is at least 100000 (it is 5)"
function conditions.found(words, condition, categories)
  local one, fact, kind = conditions.one(words, condition, categories), condition.fact, kind_of(condition)
  if fact == "unknown" then
    return text(words, "found_nothing", { condition = one })
  elseif fact == "other" or not can_be_shown(condition.found) then
    return text(words, "found_other", { condition = one })
  end
  local found = values_text(words, condition.field, condition.found, categories)
  local differs = kind and fact ~= "list" and fact ~= kind
  return text(words, differs and "found_" .. fact or "found", { condition = one, found = found })
end

--- What is missing most nearly: the conditions that do not hold of the group with the fewest of them.
---@param words leadcat.Words
---@param tried table[] the rules of an explanation, whose conditions have their `sentence`
---@return string?
function conditions.missing(words, tried)
  local nearest
  for _, rule in ipairs(tried) do
    for _, group in ipairs(rule.starts and rule.when or {}) do
      local missing = {}
      for _, condition in ipairs(group) do
        missing[#missing + 1] = not condition.holds and condition.sentence or nil
      end
      nearest = (not nearest or #missing < #nearest) and missing or nearest
    end
  end
  local said
  for i = 1, math.min(#(nearest or {}), MOST) do
    said = said and text(words, "and", { first = said, second = nearest[i] }) or nearest[i]
  end
  return said
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

local LONGEST = 200 -- bytes of a text that is named in a list of facts

-- Whether a value is short enough, and no table without items.
local function is_short(value)
  if type(value) == "table" and value[1] == nil then
    return false
  end
  for _, one in ipairs(type(value) == "table" and value or { value }) do
    if type(one) == "string" and #one > LONGEST then
      return false
    end
  end
  return true
end

--- What rules have looked at, the first eight of it.
---@param words leadcat.Words
---@param facts {field: string, value: any}[]
---@param categories leadcat.Category[]
---@return string? nil: nothing of it can be shown
function conditions.facts(words, facts, categories)
  local group = {}
  for _, fact in ipairs(facts) do
    local shown = can_be_shown(fact.value) and is_short(fact.value)
    group[#group + 1] = shown and { field = fact.field, is = "equals", value = fact.value } or nil
  end
  return conditions.all(words, { group }, categories)
end

-- The fields that the newest rules of a trigger name, each once.
local function fields_of(cfg, trigger)
  local fields, seen = {}, {}
  for _, rule in ipairs(cfg.rules) do
    for _, group in ipairs(rule.trigger == trigger and rule.when or {}) do
      for _, condition in ipairs(group) do
        local field = condition.field
        fields[#fields + 1], seen[field] = not seen[field] and field or nil, true
      end
    end
  end
  return fields
end

--- What of the event the rules of its trigger look at, as far as the entry has it.
---@param words leadcat.Words
---@param entry leadcat.Entry with a trigger
---@param cfg leadcat.Config the newest
---@param named table<string, string[]> fields by trigger: what was found once is kept there
---@return string? nil: nothing of it can be shown
function conditions.looked_at(words, entry, cfg, named)
  named[entry.trigger] = named[entry.trigger] or fields_of(cfg, entry.trigger)
  local facts = {}
  for _, field in ipairs(named[entry.trigger]) do
    local place, name = rules.place_of(field)
    local value = place and entry[place] and entry[place][name]
    facts[#facts + 1] = value ~= nil and { field = field, value = value } or nil
  end
  return conditions.facts(words, facts, cfg.categories)
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
