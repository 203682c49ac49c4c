--- What changed between two configs, in sentences for administrators: first the rules, then the categories and the lead
-- statuses, each in the order of the configs.

local conditions = require "leadcat.words.conditions"
local config = require "leadcat.rules.config"
local json = require "leadcat.util.json"
local wording = require "leadcat.words.wording"

local difference = {}

---@class leadcat.Difference
---@field words leadcat.Words
---@field sentences string[]
---@field old leadcat.Index
---@field new leadcat.Index
---@field all_categories leadcat.Category[] of the new config

---@class leadcat.Index the parts of a config by id or key
---@field categories table<integer, leadcat.Category>
---@field lead_statuses table<integer, leadcat.LeadStatus>
---@field rules table<string, leadcat.Rule> by rule key

local ANYWHERE = { groups = { "potential_customer" } }
local LISTS = { { "categories", "category" }, { "lead_statuses", "lead_status" } }

local function id_of(item)
  return item.id
end

-- A rule's key; nil while its lead status is not chosen, as the rule does nothing then.
local function key_of(rule)
  if rule.trigger ~= "lead_status_set" or rule.lead_status then
    return config.rule_key(rule.trigger, rule.lead_status, rule.id)
  end
end

-- The parts of the lists by key, and the keys in order, each once. `key` returns the key of a part.
local function index_parts(key, ...)
  local parts, keys = {}, {}
  for _, list in ipairs { ... } do
    for _, part in ipairs(list) do
      local name = key(part)
      if name then
        keys[#keys + 1] = not parts[name] and name or nil
        parts[name] = part
      end
    end
  end
  return parts, keys
end

local function index(cfg)
  return {
    categories = index_parts(id_of, cfg.categories or {}), lead_statuses = index_parts(id_of, cfg.lead_statuses or {}),
    rules = index_parts(key_of, cfg.rules or {}),
  }
end

-- The keys of the parts: in the order of the new config, then those only in the old one.
local function keys_of(key, old, new)
  return select(2, index_parts(key, new or {}, old or {}))
end

local function say(diff, key, values)
  diff.sentences[#diff.sentences + 1] = wording.sentence(diff.words, "difference." .. key, values)
end

-- An item's new name; its old one if it is gone.
local function name_of(diff, list, id)
  local item = diff.new[list][id] or diff.old[list][id]
  return wording.display_name(item, id, diff.words.language)
end

-- Rules ---------------------------------------------------------------------------------------------------------------

-- What to call a rule; `own`: with its own name or id.
local function rule_name(diff, rule, own)
  local status = rule.lead_status and name_of(diff, "lead_statuses", rule.lead_status)
  return wording.rule(diff.words, rule.trigger, status, own and rule or nil)
end

-- Compares two values of any kind; one may be absent.
local function is_same(old, new)
  return json.encode { old } == json.encode { new }
end

local function compare_rule_names(diff, name, old, new)
  if old.trigger and not is_same(old.name, new.name) then
    local before = rule_name(diff, old, true)
    say(diff, before ~= name and "rule_renamed" or "rule_translated", { old = before, rule = name })
  end
end

local function compare_targets(diff, name, old, new)
  if (old.take_back == true) ~= (new.take_back == true) then
    say(diff, new.take_back and "rule_takes_back" or "rule_takes_back_not", { rule = name })
  end
  if old.set_category == new.set_category or new.take_back then
    return
  elseif new.set_category then
    say(diff, "rule_target", { rule = name, category = name_of(diff, "categories", new.set_category) })
  else
    say(diff, "rule_target_none", { rule = name })
  end
end

-- Compares where and when a rule applies.
local function compare_conditions(diff, name, old, new)
  if not is_same(old.from, new.from) then
    say(diff, "rule_from", {
      rule = name, from = conditions.from(diff.words, new.from or ANYWHERE, diff.all_categories),
    })
  end
  if not is_same(old.when, new.when) then
    say(diff, new.when and "rule_when" or "rule_when_none", {
      rule = name, conditions = new.when and conditions.all(diff.words, new.when, diff.all_categories),
    })
  end
  if (old.forward_only == true) ~= (new.forward_only == true) then
    say(diff, new.forward_only and "rule_forward" or "rule_forward_not", { rule = name })
  end
  if old.days ~= new.days and new.days then
    say(diff, "rule_days", { rule = name, number = wording.number(new.days) })
  end
  if not is_same(old.after, new.after) then
    say(diff, new.after and "rule_after" or "rule_after_none", {
      rule = name, time = new.after and wording.after(diff.words, new) or nil,
    })
  end
end

-- Compares whether it does anything, and how much.
local function compare_effect(diff, name, old, new)
  if old.on_expiry ~= new.on_expiry then
    say(diff, "rule_on_expiry_" .. (new.on_expiry or "expire"), { rule = name })
  end
  if (old.shadow == true) ~= (new.shadow == true) then
    say(diff, new.shadow and "rule_shadow" or "rule_shadow_not", { rule = name })
  end
  if not is_same(old.limit, new.limit) then
    say(diff, new.limit and "rule_limit" or "rule_limit_none", {
      rule = name, changes = new.limit and wording.number(new.limit.changes),
      time = new.limit and wording.duration(diff.words, new.limit.hours, "hours"),
    })
  end
end

local function compare_rules(diff, old, new)
  local name = rule_name(diff, new, true)
  compare_rule_names(diff, name, old, new)
  if (old.enabled == true) ~= (new.enabled == true) then
    say(diff, new.enabled and "rule_on" or "rule_off", { rule = name })
  end
  compare_targets(diff, name, old, new)
  if (old.ask == true) ~= (new.ask == true) then
    say(diff, new.ask and "rule_asks" or "rule_asks_not", { rule = name })
  end
  compare_conditions(diff, name, old, new)
  compare_effect(diff, name, old, new)
end

-- A rule of a lead status, or with an id, exists or not. Other rules always exist: an absent one is off.
local function compare_rule(diff, key)
  local old, new = diff.old.rules[key], diff.new.rules[key]
  local trigger = (new or old).trigger
  local always = trigger ~= "lead_status_set" and not (new or old).id
  if new and (old or always) then
    compare_rules(diff, old or {}, new)
  elseif always then
    compare_rules(diff, old, { trigger = trigger })
  else
    say(diff, new and "rule_added" or "rule_removed", { rule = rule_name(diff, new or old, true) })
    if new then
      compare_rules(diff, { enabled = true }, new)
    end
  end
end

-- The keys of the rules that are in both configs, by trigger and lead status, in order.
local function common_keys(diff, rules)
  local order = {}
  for _, rule in ipairs(rules or {}) do
    local key = key_of(rule)
    if key and diff.old.rules[key] and diff.new.rules[key] then
      local slot = config.rule_key(rule.trigger, rule.lead_status)
      order[slot] = order[slot] or {}
      table.insert(order[slot], key)
    end
  end
  return order
end

local function compare_orders(diff, old, new)
  local before, after = common_keys(diff, old), common_keys(diff, new)
  for _, rule in ipairs(new or {}) do
    local slot = key_of(rule) and config.rule_key(rule.trigger, rule.lead_status)
    if before[slot] and table.concat(before[slot], " ") ~= table.concat(after[slot], " ") then
      say(diff, "rule_order", { rule = rule_name(diff, rule) })
      before[slot] = nil -- said
    end
  end
end

-- Categories and lead statuses ----------------------------------------------------------------------------------------

local function compare_names(diff, kind, old, new, name)
  local before = wording.display_name(old, old.id, diff.words.language)
  if before ~= name then
    say(diff, kind .. "_renamed", { old = before, new = name })
  elseif not is_same(old.name, new.name) then
    say(diff, kind .. "_translated", { name = name })
  end
  if not is_same(old.description, new.description) then
    say(diff, kind .. "_described", { name = name })
  end
  if old.external ~= new.external then
    say(diff, kind .. "_external", { name = name })
  end
end

local function compare_items(diff, kind, old, new)
  local name = wording.display_name(new, new.id, diff.words.language)
  compare_names(diff, kind, old, new, name)
  if old.group ~= new.group and kind == "category" then
    say(diff, "category_group", { name = name, group = wording.sentence(diff.words, "group." .. new.group) })
  end
  if kind == "category" and (old.lead_status == true) ~= (new.lead_status == true) then
    say(diff, new.lead_status and "category_lead_status_on" or "category_lead_status_off", { name = name })
  end
  if kind == "lead_status" and (old.default == true) ~= (new.default == true) then
    say(diff, new.default and "lead_status_default" or "lead_status_default_not", { name = name })
  end
  if (old.deleted == true) ~= (new.deleted == true) then
    say(diff, kind .. (new.deleted and "_deleted" or "_restored"), { name = name })
  end
end

local function compare_item(diff, list, kind, id)
  local old, new = diff.old[list][id], diff.new[list][id]
  if old and new then
    compare_items(diff, kind, old, new)
  elseif not (old or new).deleted then
    say(diff, kind .. (new and "_added" or "_deleted"), { name = name_of(diff, list, id) })
  end
end

-- Whether the items that are in both lists have another order.
local function is_moved(old, new)
  for id, item in pairs(new) do
    if old[id] and old[id].rank ~= item.rank then
      return true
    end
  end
  return false
end

-- The whole -----------------------------------------------------------------------------------------------------------

---@param old leadcat.Config without errors
---@param new leadcat.Config without errors
---@param strings leadcat.Strings
---@param language string as `strings:language` gives it
---@return string[] sentences not escaped for any markup; empty when nothing that matters changed
function difference.sentences(old, new, strings, language)
  local words = { strings = strings, language = language }
  local diff = {
    words = words, sentences = {}, old = index(old), new = index(new), all_categories = new.categories or {},
  }
  for _, key in ipairs(keys_of(key_of, old.rules, new.rules)) do
    compare_rule(diff, key)
  end
  compare_orders(diff, old.rules, new.rules)
  for _, row in ipairs(LISTS) do
    local list, kind = row[1], row[2]
    for _, id in ipairs(keys_of(id_of, old[list], new[list])) do
      compare_item(diff, list, kind, id)
    end
    if is_moved(diff.old[list], diff.new[list]) then
      say(diff, kind .. "_order")
    end
  end
  return diff.sentences
end

return difference
