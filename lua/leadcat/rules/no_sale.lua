--- `days` of a rule for `no_sale_for`: after how many days without a sale it fires. The calendar (`insight/calendar.lua`) makes an
-- event for each number of days that a rule has; which it is about is one of its facts. The core packs the days as a condition on
-- that fact, behind those of each group.

local json = require "leadcat.util.json"
local schema = require "leadcat.rules.schema"

local no_sale = {}

no_sale.TRIGGER = "no_sale_for"
no_sale.FIELD = "no_sale_for.days" -- LC_NO_SALE_FIELD
no_sale.MOST = 3650

--- Checks the field `days`.
---@type leadcat.Check
no_sale.check = schema.whole(1, no_sale.MOST)

--- The days of a rule, where they mean something.
---@param rule leadcat.Rule
---@return integer?
function no_sale.days(rule)
  return rule.trigger == no_sale.TRIGGER and rule.days or nil
end

--- What rules of the same days have in common: an event is about one number of days.
---@param rule leadcat.Rule
---@return string?
function no_sale.key(rule)
  local days = no_sale.days(rule)
  return days and ("%s:%d"):format(rule.trigger, days)
end

--- The facts of an event that the rule is about.
---@param rule leadcat.Rule
---@return table<string, integer>? facts
function no_sale.facts(rule)
  local days = no_sale.days(rule)
  return days and { [no_sale.FIELD] = days }
end

--- The conditions of a rule as the core has them, with its days.
---@param rule leadcat.Rule without errors
---@return leadcat.Condition[][] when
function no_sale.when(rule)
  local days, groups = no_sale.days(rule), json.array {}
  for i, group in ipairs(rule.when or {}) do
    groups[i] = group
  end
  if not days then
    return groups
  end
  for i = 1, math.max(#groups, 1) do
    local group = json.array {}
    for place, condition in ipairs(groups[i] or {}) do
      group[place] = condition
    end
    group[#group + 1] = { field = no_sale.FIELD, is = "equals", value = days }
    groups[i] = group
  end
  return groups
end

--- The days that enabled rules of a config have, each once, the fewest first.
---@param cfg leadcat.Config
---@return integer[] days
function no_sale.all_days(cfg)
  local all, seen = {}, {}
  for _, rule in ipairs(cfg.rules) do
    local days = rule.enabled and no_sale.days(rule)
    if days and not seen[days] then
      all[#all + 1], seen[days] = days, true
    end
  end
  table.sort(all)
  return all
end

return no_sale
