--- Warns of rules that work badly together. `config.lua` checks each part by itself.
--
-- A rule of a sale starts from every potential customer but its target; a rule of a lead status from those with lead
-- status. Most moves on and back are intended: a registered sale is won or lost, a lost company buys after all. The
-- warnings:
--
--   rule_never_fires   no category is a start, or only the rule's own target is
--   rule_hidden        another check or rule always comes first. A lead status: only the target has lead status, though
--                      there are other potential customers. A won or lost sale: registering it has set, without asking,
--                      a category that this rule does not start from.
--   rule_cycle         two rules that one reopened sale, or one contact, can trigger in turn lead to each other's start:
--                      won and lost, or two lead statuses (only the first two are reported)
--   rule_chain         a won sale leaves the company a potential customer that another rule moves on at once
--   category_dead_end  a live potential customer that no enabled rule leads out of, while some rule is enabled
--
-- A rule gets the first warning that applies. Only `rule_hidden` depends on whether a rule asks.

local schema = require "leadcat.rules.schema"

local lint = {}

local MAX_DEAD_ENDS = 8 -- reported one by one
local BY_STATUS = "lead_status_set"

---@class leadcat.Flow
---@field found leadcat.Problem[]
---@field rules {index: integer, rule: leadcat.Rule}[] the enabled ones
---@field sale table<string, {index: integer, rule: leadcat.Rule}> those of sales, by trigger
---@field categories leadcat.Category[]
---@field by_id table<integer, leadcat.Category>
---@field starts table<string, integer> how many categories each trigger starts from
---@field name fun(id: integer): string
---@field first_status? {index: integer, rule: leadcat.Rule} the first whose target has lead status
---@field round_reported? boolean a cycle of lead statuses was reported

--- Whether a rule of this trigger starts from the category, unless it is the rule's target.
local function can_start(category, trigger)
  return category.group == "potential_customer" and (trigger ~= BY_STATUS or category.lead_status == true)
end

local function leads_out(flows, rule, id)
  return rule.set_category ~= id and can_start(flows.by_id[id], rule.trigger)
end

-- Adds a warning, with this rule's event for a company in this category as the example.
local function warn(flows, rule, category, path, ...)
  schema.warn(flows.found, path, ...)
  flows.found[#flows.found].example = {
    trigger = rule.trigger, lead_status = rule.trigger == BY_STATUS and rule.lead_status or nil, company = "example",
    category = category,
  }
end

local function path_of(place)
  return ("rules[%d]"):format(place.index)
end

-- Rules; each function says whether it warned ---------------------------------------------------------------------

-- The category that passes the most checks of the rule.
local function nearest_start(flows, rule)
  if not can_start(flows.by_id[rule.set_category], rule.trigger) then
    for _, category in ipairs(flows.categories) do
      if category.group == "potential_customer" then
        return category.id
      end
    end
  end
  return rule.set_category
end

local function never_fires(flows, place)
  local rule = place.rule
  local own = can_start(flows.by_id[rule.set_category], rule.trigger)
  if flows.starts[rule.trigger] > (own and 1 or 0) then
    return false
  elseif own and flows.starts.sale_won > 1 then
    warn(flows, rule, rule.set_category, path_of(place), "rule_hidden",
      "can never set category %s: only that one has lead_status, so the other potential customers are passed over",
      flows.name(rule.set_category))
  else
    warn(flows, rule, nearest_start(flows, rule), path_of(place), "rule_never_fires",
      "can never set category %s: no other category it could start from is %s", flows.name(rule.set_category),
      rule.trigger == BY_STATUS and "a potential_customer with lead_status" or "a potential_customer")
  end
  return true
end

local function is_hidden(flows, place)
  local rule, before = place.rule, flows.sale.sale_registered
  local at = before and not before.rule.ask and before.rule.set_category
  if not at or before == place or rule.trigger == BY_STATUS or leads_out(flows, rule, at) then
    return false
  end
  warn(flows, rule, at, path_of(place), "rule_hidden",
    "hardly ever sets category %s: a sale is registered first, and %s has then set category %s, where this rule does "
      .. "not start", flows.name(rule.set_category), path_of(before), flows.name(at))
  return true
end

-- An earlier rule that the same sale or contact can trigger in turn with this one.
local function partner_of(flows, place)
  local sale = flows.sale
  local partners = { [BY_STATUS] = flows.first_status, sale_won = sale.sale_lost, sale_lost = sale.sale_won }
  local other = partners[place.rule.trigger]
  return other and other.index < place.index and other or nil
end

local function goes_round(flows, place)
  local rule, other = place.rule, partner_of(flows, place)
  local by_status = rule.trigger == BY_STATUS
  if by_status and not flows.first_status and can_start(flows.by_id[rule.set_category], BY_STATUS) then
    flows.first_status = place
  end
  if not other or by_status and flows.round_reported or not leads_out(flows, rule, other.rule.set_category)
      or not leads_out(flows, other.rule, rule.set_category) then
    return false
  end
  flows.round_reported = flows.round_reported or by_status
  warn(flows, other.rule, rule.set_category, path_of(place), "rule_cycle",
    "leads from category %s to category %s, and %s leads back: a company can go round for ever",
    flows.name(other.rule.set_category), flows.name(rule.set_category), path_of(other))
  return true
end

local function moves_on(flows, place)
  local at = place.rule.set_category
  if place.rule.trigger ~= "sale_won" then
    return false
  end
  for _, other in ipairs(flows.rules) do
    local round = other == flows.sale.sale_lost and leads_out(flows, place.rule, other.rule.set_category)
    if leads_out(flows, other.rule, at) and not round then -- a round is reported already
      warn(flows, other.rule, at, path_of(place), "rule_chain",
        "leaves companies that have bought potential customers: from category %s, %s (%s) moves them right on to "
          .. "category %s", flows.name(at), path_of(other), other.rule.trigger, flows.name(other.rule.set_category))
      return true
    end
  end
  return false
end

-- Categories ----------------------------------------------------------------------------------------------------------

-- The only target of the rules of lead statuses, or of sales; false when there are several, nil when there is none.
local function only_target(flows, by_status)
  local only
  for _, place in ipairs(flows.rules) do
    if (place.rule.trigger == BY_STATUS) == by_status then
      if only and only ~= place.rule.set_category then
        return false
      end
      only = place.rule.set_category
    end
  end
  return only
end

local function find_dead_ends(flows)
  local sale, status = only_target(flows, false), only_target(flows, true)
  local dead = {}
  for i, category in ipairs(flows.categories) do
    if category.group == "potential_customer" and category.deleted ~= true
        and (sale == nil or sale == category.id)
        and (status == nil or status == category.id or category.lead_status ~= true) then
      dead[#dead + 1] = i
    end
  end
  return dead
end

local function check_dead_ends(flows)
  local dead = find_dead_ends(flows)
  for i = 1, math.min(#dead, MAX_DEAD_ENDS) do
    local id, rest = flows.categories[dead[i]].id, i == MAX_DEAD_ENDS and #dead - i or 0
    warn(flows, flows.rules[1].rule, id, ("categories[%d]"):format(dead[i]), "category_dead_end",
      "is where companies stay: no enabled rule leads out of category %s%s", flows.name(id),
      rest > 0 and (", nor out of %d more"):format(rest) or "")
  end
end

-- The whole -----------------------------------------------------------------------------------------------------------

-- Deleted categories count: a company may still stand there.
local function count_starts(categories)
  local starts = { sale_registered = 0, sale_won = 0, sale_lost = 0, lead_status_set = 0 }
  for _, category in ipairs(categories) do
    for trigger, count in pairs(starts) do
      starts[trigger] = can_start(category, trigger) and count + 1 or count
    end
  end
  return starts
end

--- Adds the warnings, each with an `example`. Takes time in proportion to the config's size.
---@param found leadcat.Problem[]
---@param cfg leadcat.Config without errors
---@param by_id table<integer, leadcat.Category>
---@param name fun(id: integer): string what a message calls a category
function lint.check(found, cfg, by_id, name)
  local categories = cfg.categories or {}
  local flows = {
    found = found, rules = {}, sale = {}, categories = categories, by_id = by_id, starts = count_starts(categories),
    name = name,
  }
  for i, rule in ipairs(cfg.rules or {}) do
    if rule.enabled then
      local place = { index = i, rule = rule }
      flows.rules[#flows.rules + 1] = place
      flows.sale[rule.trigger] = rule.trigger ~= BY_STATUS and place or nil
    end
  end
  if flows.rules[1] then
    check_dead_ends(flows)
  end
  for _, place in ipairs(flows.rules) do -- the first judgment that warns is the last
    if not (never_fires(flows, place) or is_hidden(flows, place) or goes_round(flows, place)) then
      moves_on(flows, place)
    end
  end
end

return lint
