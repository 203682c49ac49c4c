--- What is certain about conditions without an event: which of them exclude each other, and facts for which they hold.

local conditions = require "leadcat.rules.conditions"
local core = require "leadcat.core"
local schema = require "leadcat.rules.schema"

local conflicts = {}

local MOST_TRIED = 10 -- values of a list that are tried one by one

-- Single comparisons ----------------------------------------------------------------------------------------------------

local function same(a, b)
  return a == b
end

-- Compares two numbers, or two texts, as the core does.
local function compare(fact, value, test)
  if type(fact) ~= type(value) or type(fact) == "boolean" then
    return test == same and fact == value
  elseif type(fact) == "number" then
    return test(fact, value)
  end
  fact, value = core.fold(fact), core.fold(value)
  return fact ~= nil and value ~= nil and test(fact, value)
end

local function equals(fact, value)
  return compare(fact, value, same)
end

local function one_of(fact, list)
  for _, value in ipairs(list) do
    if equals(fact, value) then
      return true
    end
  end
  return false
end

local function within(test)
  return function(fact, value)
    return type(value) == "string" and compare(fact, value, test) -- a number is in no text
  end
end

local HOLDS = {
  equals = equals, one_of = one_of, all_one_of = one_of,
  not_equals = function(fact, value) return not equals(fact, value) end,
  none_of = function(fact, list) return not one_of(fact, list) end,
  at_least = function(fact, value) return compare(fact, value, function(a, b) return a >= b end) end,
  at_most = function(fact, value) return compare(fact, value, function(a, b) return a <= b end) end,
  above = function(fact, value) return compare(fact, value, function(a, b) return a > b end) end,
  below = function(fact, value) return compare(fact, value, function(a, b) return a < b end) end,
  contains = within(function(a, b) return a:find(b, 1, true) ~= nil end),
  starts_with = within(function(a, b) return a:sub(1, #b) == b end),
  known = function() return true end,
  unknown = function() return false end,
}

-- Whether a condition holds for a fact that is no list.
local function holds(condition, fact)
  return HOLDS[condition.is](fact, condition.value)
end

local HOLD_OF_UNKNOWN = schema.set { "unknown", "not_equals", "none_of" }
local HOLD_OF_ALL = schema.set { "not_equals", "none_of", "all_one_of" } -- of a list: the others hold of one element
local LISTS = schema.set { "one_of", "all_one_of", "none_of" }
local LOWER, UPPER = schema.set { "at_least", "above" }, schema.set { "at_most", "below" }

-- Types -----------------------------------------------------------------------------------------------------------------

--- The type of the values that a condition compares with; nil when there is none, or several.
---@param condition leadcat.Condition
---@return "number"|"string"|"boolean"|nil
function conflicts.type_of(condition)
  if not LISTS[condition.is] then
    return condition.value ~= nil and type(condition.value) or nil
  end
  local kind = type(condition.value[1])
  for _, value in ipairs(condition.value) do
    if type(value) ~= kind then
      return nil
    end
  end
  return kind
end

-- Conditions on one field -------------------------------------------------------------------------------------------------

local function values_of(condition)
  return LISTS[condition.is] and condition.value or { condition.value }
end

-- The condition that leaves the fewest values, if one leaves but a few.
local function narrowest(list)
  local best
  for _, condition in ipairs(list) do
    if condition.is == "equals" or condition.is == "one_of" or condition.is == "all_one_of" then
      best = (not best or #values_of(condition) < #values_of(best)) and condition or best
    end
  end
  return best and #values_of(best) <= MOST_TRIED and best or nil
end

-- Whether a value breaks one of the conditions, and whether it would as an element of a list, too.
local function is_broken(list, value, of_all)
  local broken, in_lists = false, false
  for _, condition in ipairs(list) do
    if not holds(condition, value) then
      broken, in_lists = true, in_lists or of_all or HOLD_OF_ALL[condition.is] or false
    end
  end
  return broken, in_lists
end

-- Tries the few values that a condition leaves.
local function try_values(list)
  local narrow = narrowest(list)
  local all_broken, all_in_lists = narrow ~= nil, narrow ~= nil
  for _, value in ipairs(narrow and values_of(narrow) or {}) do
    local broken, in_lists = is_broken(list, value, narrow.is == "all_one_of")
    all_broken, all_in_lists = all_broken and broken, all_in_lists and in_lists
  end
  return all_broken, all_in_lists
end

local function types_differ(list)
  local kind
  for _, condition in ipairs(list) do
    local own = not HOLD_OF_UNKNOWN[condition.is] and conflicts.type_of(condition)
    if own and kind and own ~= kind then
      return true
    end
    kind = kind or own
  end
  return false
end

-- Whether nothing lies between a lower and an upper bound.
local function is_empty_range(list)
  for _, lower in ipairs(list) do
    for _, upper in ipairs(LOWER[lower.is] and list or {}) do
      if UPPER[upper.is] and (holds({ is = "at_least", value = upper.value }, lower.value) -- their values are the same, or
          and not (lower.is == "at_least" and upper.is == "at_most" and equals(lower.value, upper.value))) then
        return true
      end
    end
  end
  return false
end

--- Whether no fact can meet these conditions on one field.
---@param list leadcat.Condition[] of one group
---@return "never"|"of_list"|nil verdict `of_list`: only a list could, by several elements
function conflicts.verdict(list)
  local unknown, known = false, false
  for _, condition in ipairs(list) do
    unknown = unknown or condition.is == "unknown"
    known = known or not HOLD_OF_UNKNOWN[condition.is]
  end
  if unknown or not known then
    return unknown and known and "never" or nil
  end
  local broken, in_lists = try_values(list)
  if broken and in_lists then
    return "never"
  end
  return (broken or types_differ(list) or is_empty_range(list)) and "of_list" or nil
end

-- Facts for an example ----------------------------------------------------------------------------------------------------

local function above(value)
  return type(value) == "number" and value + math.max(1, math.abs(value)) or value .. "a"
end

local function below(value)
  return type(value) == "number" and value - math.max(1, math.abs(value)) or ""
end

-- Values for which a condition holds.
local function candidates(condition)
  local is, value = condition.is, condition.value
  if is == "above" or is == "below" then
    return { (is == "above" and above or below)(value) }
  elseif is == "known" then
    return { true }
  end
  return HOLD_OF_UNKNOWN[is] and {} or values_of(condition)
end

-- A value that breaks none of the conditions on a field; else one for the first of them; nil where none is needed.
local function fact_for(list)
  local first
  for _, condition in ipairs(list) do
    local values = candidates(condition)
    for i = 1, math.min(#values, MOST_TRIED) do
      if not is_broken(list, values[i]) then
        return values[i]
      elseif first == nil then
        first = values[i]
      end
    end
  end
  return first
end

--- The conditions of a group by field, and the fields in order.
---@param group leadcat.Condition[]
---@return table<string, leadcat.Condition[]> by_field, string[] fields
function conflicts.by_field(group)
  local by_field, fields = {}, {}
  for _, condition in ipairs(group) do
    local field = condition.field
    if not by_field[field] then
      by_field[field], fields[#fields + 1] = {}, field
    end
    table.insert(by_field[field], condition)
  end
  return by_field, fields
end

--- Adds facts to an event, for which the conditions of a group hold, if they can.
---@param event leadcat.Event
---@param group leadcat.Condition[]
function conflicts.add_facts(event, group)
  local by_field, fields = conflicts.by_field(group)
  for _, field in ipairs(fields) do
    local fact, place, name = fact_for(by_field[field]), conditions.place_of(field)
    if fact ~= nil and place then
      event[place] = event[place] or {}
      event[place][name] = fact
    end
  end
end

return conflicts
