--- Which rules name a category or a lead status.

local usage = {}

-- Adds the rule to those that name the item; a rule may name it more than once.
local function add(named, id, rule)
  if id then
    local rules = named[id] or {}
    rules[#rules + 1] = rules[#rules] ~= rule and rule or nil
    named[id] = rules
  end
end

---@class leadcat.Usage rules by the ids of what they name, in order, enabled or not
---@field category table<integer, leadcat.Rule[]>
---@field lead_status table<integer, leadcat.Rule[]>

--- What all rules name.
---@param rules? leadcat.Rule[]
---@return leadcat.Usage
function usage.of(rules)
  local found = { category = {}, lead_status = {} }
  for _, rule in ipairs(rules or {}) do
    local from = type(rule.from) == "table" and rule.from.categories
    add(found.category, rule.set_category, rule)
    for _, id in ipairs(type(from) == "table" and from or {}) do
      add(found.category, id, rule)
    end
    add(found.lead_status, rule.lead_status, rule)
  end
  return found
end

return usage
