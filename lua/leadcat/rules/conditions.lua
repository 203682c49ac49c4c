--- What a rule says about when it applies: `from`, the categories where it starts, and `when`, its conditions. This
-- checks their form; `conflicts.lua` knows what they mean.

local schema = require "leadcat.rules.schema"
local unicode = require "leadcat.util.unicode"

local conditions = {}

---@alias leadcat.Value number|string|boolean

---@class leadcat.Condition
---@field field string `category`, `category.rank`, `sale.NAME`, `contact.NAME`, `actor.NAME`, or a fact such as `company.country`; behind the first dot is one name
---@field is string one of `conditions.IS`
---@field value? leadcat.Value|leadcat.Value[] a list for `one_of`, `none_of`, `all_one_of`; none for `known`, `unknown`

---@class leadcat.From where a rule may start: in one of these groups, or one of these categories
---@field groups? string[] of `config.GROUPS`
---@field categories? integer[]

conditions.IS = {
  "equals", "not_equals", "one_of", "none_of", "at_least", "at_most", "above", "below", "contains", "starts_with",
  "known", "unknown", "all_one_of",
}

-- Those of the whole config bound what the core packs and what a decision has to look at.
local MOST = {
  groups = 100, -- of a rule
  group = 100, -- conditions of a group
  values = 1000, -- of a list
  from = 10000, -- categories where a rule starts
  fields = 64, -- of the whole config, besides the company's category and its rank
  conditions = 10000, -- of the whole config
  all_values = 100000, -- of the whole config
  field_bytes = 255, value_bytes = 1024,
}

local add, warn, shown = schema.add, schema.warn, schema.shown
local TABLES = schema.set { "sale", "contact", "actor" } -- of an event
local CATEGORY = schema.set { "category", "category.rank" } -- fields that the core itself knows

local function later() end -- fields that depend on others

-- Fields --------------------------------------------------------------------------------------------------------------

local function is_utf8(text)
  return unicode.valid(text) == text
end

--- Checks the name of a field.
---@type leadcat.Check
function conditions.check_field(found, path, field)
  if type(field) ~= "string" or not is_utf8(field) then
    add(found, path, "wrong_type", "must be a name in UTF-8, such as sale.amount, but is %s", shown(field))
  elseif #field > MOST.field_bytes then
    add(found, path, "too_long", "has %d bytes, but a field's name has at most %d", #field, MOST.field_bytes)
  elseif TABLES[field] or not field:find "%S" or field:find "^[^.]*%.$" then
    add(found, path, "field_invalid", "is %s, which is no field: give a name such as sale.amount or company.country",
      shown(field))
  end
end

-- Values --------------------------------------------------------------------------------------------------------------

local SCALAR = { types = schema.set { "number", "string", "boolean" }, noun = "a number, a text, true or false" }
local ORDERED = { types = schema.set { "number", "string" }, noun = "a number or a text" }
local TEXT = { types = schema.set { "string" }, noun = "a text" }

local EXPECTED = {
  equals = SCALAR, not_equals = SCALAR, contains = TEXT, starts_with = TEXT,
  at_least = ORDERED, at_most = ORDERED, above = ORDERED, below = ORDERED,
}
local LISTS, WITHOUT = schema.set { "one_of", "none_of", "all_one_of" }, schema.set { "known", "unknown" }

local function check_scalar(found, path, value, expected)
  if value == nil then
    add(found, path, "value_required", "is missing: give %s", expected.noun)
  elseif not expected.types[type(value)] then
    add(found, path, "wrong_type", "must be %s, but is %s", expected.noun, shown(value))
  elseif type(value) == "number" and not (value > -math.huge and value < math.huge) then
    add(found, path, "out_of_range", "must be a finite number, but is %s", shown(value))
  elseif type(value) == "string" and #value > MOST.value_bytes then
    add(found, path, "too_long", "has %d bytes, but at most %d can be compared", #value, MOST.value_bytes)
  elseif type(value) == "string" and not is_utf8(value) then
    add(found, path, "wrong_type", "must be text in UTF-8, but is %s", shown(value))
  end
end

-- Says once that the whole config has too many of something.
local function count(found, path, totals, name, more, what)
  local before = totals[name] or 0
  totals[name] = before + more
  if before <= MOST[name] and totals[name] > MOST[name] then
    add(found, path, "too_many", "is too much: the rules of a config may have at most %d %s", MOST[name], what)
  end
end

-- The list, or nothing of one that is too long.
local function bounded(found, path, list, most, what)
  list = schema.check_sequence(found, path, list)
  if #list > most then
    add(found, path, "too_many", "has %d entries: at most %d %s can be given", #list, most, what)
    return {}
  end
  return list
end

local function check_list(found, path, list, totals)
  if list == nil or type(list) == "table" and next(list) == nil then
    add(found, path, "value_required", "is missing: give a list of numbers, texts, true or false")
    return
  end
  list = bounded(found, path, list, MOST.values, "values")
  count(found, path, totals, "all_values", #list, "values in lists")
  for i, value in ipairs(list) do
    check_scalar(found, ("%s[%d]"):format(path, i), value, SCALAR)
  end
end

-- Conditions ----------------------------------------------------------------------------------------------------------

local CONDITION = schema.kind("a condition", {
  { "field", conditions.check_field }, { "is", schema.one_of(conditions.IS, "unknown_is") }, { "value", later },
})

local function check_value(found, path, condition, totals)
  local is, value = condition.is, condition.value
  if WITHOUT[is] and value ~= nil then
    add(found, path, "wrong_type", "must be left out: %s compares with nothing", is)
  elseif LISTS[is] then
    check_list(found, path, value, totals)
  elseif EXPECTED[is] then
    check_scalar(found, path, value, EXPECTED[is])
  end
end

local NAMES_IDS = schema.set { "equals", "not_equals", "one_of", "none_of", "all_one_of" }

-- Warns of what a condition on the category cannot be about.
local function check_category(found, path, is, value, categories)
  local item = categories.by_id[value]
  if type(value) ~= "number" then
    warn(found, path, "type_differs", "is %s, but a category is compared by its id, a number", shown(value))
  elseif NAMES_IDS[is] and not item then
    warn(found, path, "category_unknown", "is %s, which is not the id of a category", shown(value))
  elseif NAMES_IDS[is] and item.deleted == true then
    warn(found, path, "category_deleted", "is %s, which is a deleted category", shown(value))
  end
end

local function check_ids(found, path, condition, categories)
  if not LISTS[condition.is] then
    check_category(found, path, condition.is, condition.value, categories)
    return
  end
  for i, value in ipairs(condition.value) do
    check_category(found, ("%s[%d]"):format(path, i), condition.is, value, categories)
  end
end

--- Counts a field that a rule looks at: there may be 64 different ones in a config.
---@param found leadcat.Problem[]
---@param path string
---@param field string
---@param totals table from `conditions.totals`
function conditions.count_field(found, path, field, totals)
  if not CATEGORY[field] and not totals.named[field] then
    totals.named[field] = true
    count(found, path, totals, "fields", 1, "different fields in their conditions")
  end
end

local function check_condition(found, path, condition, totals, categories)
  local before = #found
  if not schema.check_object(found, path, condition, CONDITION) then
    return
  end
  check_value(found, path .. ".value", condition, totals)
  local field = condition.field
  if type(field) == "string" then
    conditions.count_field(found, path .. ".field", field, totals)
  end
  if #found == before and field == "category" and not WITHOUT[condition.is] then
    check_ids(found, path .. ".value", condition, categories)
  end
end

--- What the checks of all rules of a config count together.
---@return table totals
function conditions.totals()
  return { named = {} }
end

local function check_group(found, path, group, totals, categories)
  if type(group) == "table" and next(group) == nil then
    add(found, path, "conditions_required", "is empty: give conditions {field, is, value}, or leave the group out")
    return
  end
  group = bounded(found, path, group, MOST.group, "conditions")
  count(found, path, totals, "conditions", #group, "conditions")
  for i, condition in ipairs(group) do
    check_condition(found, ("%s[%d]"):format(path, i), condition, totals, categories)
  end
end

--- Checks a rule's conditions. A config with any number of errors takes time in proportion to its size.
---@param found leadcat.Problem[]
---@param path string
---@param when any
---@param totals table from `conditions.totals`, one for all rules of a config
---@param categories {by_id: table<integer, leadcat.Category>}
function conditions.check(found, path, when, totals, categories)
  if type(when) == "table" and next(when) == nil then
    add(found, path, "conditions_required", "is empty: leave `when` out for a rule that always applies")
    return
  end
  for i, group in ipairs(bounded(found, path, when, MOST.groups, "groups of conditions")) do
    local at = ("%s[%d]"):format(path, i)
    if type(group) == "table" then
      check_group(found, at, group, totals, categories)
    else
      add(found, at, "wrong_type", "must be a list of conditions {field, is, value}, but is %s", shown(group))
    end
  end
end

-- From ----------------------------------------------------------------------------------------------------------------

local FROM = schema.kind("a starting point", { { "groups", later }, { "categories", later } })

local function check_groups(found, path, rule, check_name)
  for i, group in ipairs(bounded(found, path, rule.from.groups, MOST.from, "groups")) do
    local at, before = ("%s[%d]"):format(path, i), #found
    check_name(found, at, group)
    if #found == before and rule.trigger == "lead_status_set" and group ~= "potential_customer" then
      add(found, at, "lead_status_outside_potential_customer",
        "is %s, but only categories in the group potential_customer can have lead_status", shown(group))
    end
  end
end

local function check_starts(found, path, rule, check_id, categories)
  for i, id in ipairs(bounded(found, path, rule.from.categories, MOST.from, "categories")) do
    local at, before, item = ("%s[%d]"):format(path, i), #found, categories.by_id[id]
    check_id(found, at, id)
    if #found == before and rule.enabled == true and not item then
      add(found, at, "category_unknown", "is %s, which is not the id of a category", shown(id))
    elseif item and item.deleted == true then
      warn(found, at, "category_deleted", "is %s, which is a deleted category", shown(id))
    end
  end
end

--- Checks where a rule starts.
---@param found leadcat.Problem[]
---@param path string
---@param rule leadcat.Rule
---@param checks {group: leadcat.Check, id: leadcat.Check} of single values
---@param categories {by_id: table<integer, leadcat.Category>}
function conditions.check_from(found, path, rule, checks, categories)
  local from = rule.from
  if from == nil or not schema.check_object(found, path, from, FROM) then
    return
  end
  local before = #found
  check_groups(found, path .. ".groups", rule, checks.group)
  check_starts(found, path .. ".categories", rule, checks.id, categories)
  if #found == before and next(from.groups or {}) == nil and next(from.categories or {}) == nil then
    add(found, path, "from_required", "names neither groups nor categories: name one, or leave `from` out for a rule "
      .. "that starts in the group potential_customer")
  end
end

--- Whether the core itself knows the field of every company.
---@param field any
---@return boolean
function conditions.is_own(field)
  return CATEGORY[field] == true
end

--- Where an event has a field.
---@param field string
---@return "sale"|"contact"|"actor"|"facts"|nil place nil: nowhere, it is the company's category or that one's rank
---@return string? name there
function conditions.place_of(field)
  if CATEGORY[field] then
    return nil
  end
  local place, name = field:match "^(%l+)%.(.+)$"
  if TABLES[place] then
    return place, name
  end
  return "facts", field
end

return conditions
