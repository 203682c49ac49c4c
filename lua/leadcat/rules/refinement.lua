--- A rule in front of another one, for those of its events that conditions pick out: they get another category. Pure.

local config = require "leadcat.rules.config"
local json = require "leadcat.util.json"

local refinement = {}

-- What the other rule asks for, and these conditions, too.
local function both(when, more)
  local groups = json.array {}
  for i, group in ipairs(when or { {} }) do
    groups[i] = json.array(config.copy(group))
    for _, condition in ipairs(more) do
      table.insert(groups[i], config.copy(condition))
    end
  end
  return groups
end

--- The config with such a rule in it.
---@param cfg leadcat.Config it stays as it is
---@param key string of the other rule
---@param to integer the category
---@param conditions leadcat.Condition[] all of them hold
---@return leadcat.Config? config, leadcat.Rule? rule the new one in it; nil: there is no such rule, or it sets no category
function refinement.of(cfg, key, to, conditions)
  local refined = config.normalize(cfg)
  for place, rule in ipairs(refined.rules) do
    if rule.set_category and config.rule_key(rule.trigger, rule.lead_status, rule.id) == key then
      local new = config.copy(rule)
      new.id, new.name, new.set_category = config.free_ids(refined.rules)(), nil, to
      new.when = both(rule.when, conditions)
      table.insert(refined.rules, place, new)
      return refined, new
    end
  end
end

return refinement
