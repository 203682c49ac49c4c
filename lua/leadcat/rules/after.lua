--- `after` of a rule: {days = n} or {hours = n}. What such a rule matches is scheduled, and decided anew so much later.

local schema = require "leadcat.rules.schema"

local after = {}

---@class leadcat.After exactly one of the two
---@field days? integer 1 to 3650
---@field hours? integer 1 to 87600

local MOST = { days = 3650, hours = 87600 }
local FORM = "{days = n}, from 1 to 3650, or {hours = n}, from 1 to 87600"

--- Checks the field.
---@type leadcat.Check
function after.check(found, path, value)
  if not schema.is_table(found, path, value, FORM) then
    return
  end
  local unit, number = next(value)
  if not MOST[unit] or next(value, unit) ~= nil then
    schema.add(found, path, "wrong_type", "must be %s: exactly one of the two", FORM)
  else
    schema.whole(1, MOST[unit], true)(found, path .. "." .. unit, number)
  end
end

--- The number and its unit; nothing when the rule decides at once.
---@param rule leadcat.Rule
---@return integer? number, string? unit `days` or `hours`
function after.parts(rule)
  if type(rule.after) == "table" then
    local unit, number = next(rule.after)
    return number, unit
  end
end

return after
