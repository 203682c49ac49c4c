--- Which rules name a category or a lead status.

local usage = {}

local function has(list, id)
  for _, other in ipairs(type(list) == "table" and list or {}) do
    if other == id then
      return true
    end
  end
  return false
end

local NAMES = {}

function NAMES.category(rule, id)
  return rule.set_category == id or type(rule.from) == "table" and has(rule.from.categories, id)
end

function NAMES.lead_status(rule, id)
  return rule.lead_status == id
end

--- The rules that name it, enabled or not.
---@param rules? leadcat.Rule[]
---@param kind "category"|"lead_status"
---@param id integer
---@return leadcat.Rule[]
function usage.rules(rules, kind, id)
  local found = {}
  for _, rule in ipairs(rules or {}) do
    found[#found + 1] = NAMES[kind](rule, id) and rule or nil
  end
  return found
end

return usage
