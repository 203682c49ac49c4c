--- What an integrator would write by hand: tables of categories and rules, and the same six checks.

---@param cfg leadcat.Config
---@return fun(trigger: string, category?: integer, lead_status?: integer): string, integer?, string
return function(cfg)
  local categories, rules, statuses = {}, {}, {}
  for _, category in ipairs(cfg.categories) do
    categories[category.id] = category
  end
  for _, rule in ipairs(cfg.rules) do
    if rule.enabled and rule.trigger == "lead_status_set" then
      rules[rule.trigger], statuses[rule.lead_status] = true, rule
    elseif rule.enabled then
      rules[rule.trigger] = rule
    end
  end
  return function(trigger, category, lead_status)
    local rule = rules[trigger]
    if not rule then
      return "none", nil, "rule_disabled"
    end
    local from = categories[category]
    if not from then
      return "none", nil, "unknown_category"
    elseif from.group ~= "potential_customer" then
      return "none", nil, "not_potential_customer"
    end
    if trigger == "lead_status_set" then
      if not from.lead_status then
        return "none", nil, "lead_status_not_enabled"
      end
      rule = statuses[lead_status]
      if not rule then
        return "none", nil, "lead_status_not_matched"
      end
    end
    if rule.set_category == category then
      return "none", nil, "already_in_category"
    end
    return rule.ask and "confirm" or "update", rule.set_category, "matched"
  end
end
