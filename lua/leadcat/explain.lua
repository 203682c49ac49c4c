--- A decision check by check, with the values that were compared. It does not decide: the core has, and the name of the
-- check that failed is the reason it gave.

local config = require "leadcat.config"

local explain = {}

local function enabled_rules(cfg, trigger)
  local rules = {}
  for _, rule in ipairs(cfg.rules) do
    if rule.enabled and rule.trigger == trigger then
      rules[#rules + 1] = rule
    end
  end
  return rules
end

local function statuses_of(rules)
  local statuses = {}
  for i, rule in ipairs(rules) do
    statuses[i] = rule.lead_status
  end
  return statuses
end

-- The checks in their order, and what each compares. `when` says for which decisions there is such a check.
local CHECKS = {
  { name = "not_licensed", when = function(d) return d.licensed ~= nil end,
    compares = function(d) return { licensed = d.licensed } end },
  { name = "rule_disabled",
    compares = function(d) return { trigger = d.event.trigger, enabled_rules = #d.rules } end },
  { name = "unknown_category",
    compares = function(d) return { category = d.category } end },
  { name = "not_potential_customer",
    compares = function(d)
      return { category = d.category, group = d.from and d.from.group, expected = "potential_customer" }
    end },
  { name = "lead_status_not_enabled", when = function(d) return d.event.trigger == "lead_status_set" end,
    compares = function(d)
      return { category = d.category, enabled = d.from ~= nil and d.from.lead_status == true }
    end },
  { name = "lead_status_not_matched", when = function(d) return d.event.trigger == "lead_status_set" end,
    compares = function(d) return { lead_status = d.event.lead_status, expected = statuses_of(d.rules) } end },
  { name = "already_in_category",
    compares = function(d) return { category = d.category, target = d.rule and d.rule.set_category } end },
}

local function find_rule(rules, event)
  for _, rule in ipairs(rules) do
    if rule.trigger ~= "lead_status_set" or rule.lead_status == event.lead_status then
      return rule
    end
  end
end

-- true up to the check that gave the reason, false there, absent behind it.
local function checks_of(d)
  local checks, failed = {}, false
  for _, check in ipairs(CHECKS) do
    if not check.when or check.when(d) then
      local row = check.compares(d)
      row.name = check.name
      if not failed then
        row.pass = check.name ~= d.reason
        failed = not row.pass
      end
      checks[#checks + 1] = row
    end
  end
  return checks
end

--- The decision and its checks.
---@param cfg leadcat.Config the one that decided
---@param d table {event, category, action, to, reason, licensed}
---@return table decision {action, to, reason, rule, revision, category, checks}
function explain.decision(cfg, d)
  if d.licensed == false then
    d.action, d.to, d.reason = "none", nil, "not_licensed"
  end
  d.from = config.find(cfg.categories, d.category)
  d.rules = enabled_rules(cfg, d.event.trigger)
  d.rule = find_rule(d.rules, d.event)
  return {
    action = d.action,
    to = d.to,
    reason = d.reason,
    rule = d.rule and config.rule_key(d.rule.trigger, d.rule.lead_status),
    revision = cfg.revision,
    category = d.category,
    checks = checks_of(d),
  }
end

return explain
