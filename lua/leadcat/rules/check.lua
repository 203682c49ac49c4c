--- The problems of a config: of its fields, of what they name, and, by `lint.lua`, of how its rules work together. Works
--- without an engine.

local after = require "leadcat.rules.after"
local conditions = require "leadcat.rules.conditions"
local config = require "leadcat.rules.config"
local limit = require "leadcat.rules.limit"
local lint = require "leadcat.rules.lint"
local no_sale = require "leadcat.rules.no_sale"
local schema = require "leadcat.rules.schema"

local check = {}

local MAX_ID = config.MAX_ID
local MAX_CHOICES = 8 -- items listed in a message
local MAX_RULES = 1000 -- of one trigger, and of one lead status

local TRIGGER, GROUP = schema.set(config.TRIGGERS), schema.set(config.GROUPS)

-- Fields, in the order in which they are checked ---------------------------------------------------------------------

local add, warn, short, shown = schema.add, schema.warn, schema.short, schema.shown
local check_object, check_sequence = schema.check_object, schema.check_sequence
local boolean, one_of, whole = schema.boolean, schema.one_of, schema.whole

local identity, reference, rank = whole(1, MAX_ID, true), whole(1, MAX_ID), whole(-MAX_ID - 1, MAX_ID)
local check_name, description, external = schema.text(true), schema.text(false), schema.code(255)
local function later() end -- the lists have their own checks

local CONFIG = schema.kind("a config", {
  { "revision", whole(0, 9007199254740991) },
  { "categories", later }, { "lead_statuses", later }, { "rules", later },
})
local CATEGORY = schema.kind("a category", {
  { "id", identity }, { "name", check_name }, { "description", description },
  { "group", one_of(config.GROUPS, "unknown_group") },
  { "lead_status", boolean }, { "rank", rank }, { "deleted", boolean }, { "external", external },
})
local LEAD_STATUS = schema.kind("a lead status", {
  { "id", identity }, { "name", check_name }, { "description", description }, { "rank", rank }, { "deleted", boolean },
  { "external", external }, { "default", boolean },
})
local built_in = one_of(config.TRIGGERS, "unknown_trigger")

local function check_trigger(found, path, trigger)
  if not config.is_own_trigger(trigger) then -- whether somebody has declared that, check_own_trigger says
    built_in(found, path, trigger)
  end
end

local on_expiry = one_of(config.ON_EXPIRY, "wrong_type")

local function check_on_expiry(found, path, value)
  if value ~= nil then
    on_expiry(found, path, value)
  end
end

local RULE = schema.kind("a rule", {
  { "trigger", check_trigger },
  { "enabled", boolean }, { "set_category", reference }, { "ask", boolean }, { "lead_status", reference },
  { "id", reference }, { "name", description }, { "from", later }, { "when", later }, { "forward_only", boolean },
  { "take_back", boolean }, { "shadow", boolean }, { "on_expiry", check_on_expiry },
  { "after", after.check }, { "limit", limit.check }, { "days", no_sale.check },
})
local FROM_CHECKS = { group = one_of(config.GROUPS, "unknown_group"), id = identity }

local function is_id(value)
  return schema.is_whole(value, 1, MAX_ID)
end

-- An item's name in parentheses, when it has one.
local function label(item)
  local name = config.name(item)
  return type(name) == "string" and " (" .. short(name) .. ")" or ""
end

-- Categories and lead statuses ---------------------------------------------------------------------------------------

local function check_unique_id(found, path, item, i, list)
  local first = list.first[item.id]
  if first then
    add(found, path .. ".id", "duplicate_id", "is %d, which is already the id of %s[%d]%s: give each its own",
      item.id, list.path, first, label(list.items[first]))
  elseif is_id(item.id) then
    list.first[item.id], list.by_id[item.id] = i, item
  end
end

-- The earlier items that show the same name, by index, each with a language in which they do. An item shows its own
-- text in a language, else its default, which it shows in English. `notes` has, by text, the first item with that
-- default, and the first with that own text in each language.
local function same_name(item, i, notes)
  local earlier, own = {}, config.by_language(item.name)
  local function note(shown_text)
    notes[shown_text] = notes[shown_text] or { own = {} }
    return notes[shown_text]
  end
  local function meets(j, language)
    if j and j ~= i and not (earlier[j] and earlier[j] < language) then
      earlier[j] = language
    end
  end
  for language, own_text in pairs(own) do
    local noted = note(own_text)
    meets(noted.own[language], language)
    meets(noted.texts and not noted.texts[language] and noted.default, language)
    noted.own[language] = noted.own[language] or i
  end
  local noted = note(config.name(item))
  if noted.default then
    earlier[noted.default] = "en"
  else
    noted.default, noted.texts = i, own
    for language, j in pairs(noted.own) do
      meets(not own[language] and j, language)
    end
  end
  return earlier
end

local function check_unique_name(found, path, item, i, list)
  local wrong, others = {}, {}
  check_name(wrong, path, item.name)
  if item.deleted == true or #wrong > 0 then
    return
  end
  local earlier = same_name(item, i, list.notes)
  for j in pairs(earlier) do
    others[#others + 1] = j
  end
  table.sort(others)
  for _, j in ipairs(others) do
    add(found, path .. ".name", "duplicate_name", "shows %s in the language %s, and so does %s[%d]: rename one of them",
      shown(config.by_language(item.name)[earlier[j]] or config.name(item)), short(earlier[j]), list.path, j)
  end
end

local function check_unique_external(found, path, item, i, list)
  local name = item.external
  if type(name) ~= "string" or item.deleted == true then
    return
  end
  local first = list.externals[name]
  if first then
    add(found, path .. ".external", "duplicate_external", "is %s, which is already that of %s[%d]%s: give each its own",
      shown(name), list.path, first, label(list.items[first]))
  end
  list.externals[name] = first or i
end

local function check_lead_status(found, path, item)
  if item.lead_status == true and GROUP[item.group] and item.group ~= "potential_customer" then
    add(found, path .. ".lead_status", "lead_status_outside_potential_customer",
      "is only for categories in the group potential_customer, but category %s%s is in the group %s",
      shown(item.id), label(item), item.group)
  end
end

-- Checks a list of categories or lead statuses; returns it with the items by id.
local function check_list(found, path, items, expected)
  local list = { path = path, items = check_sequence(found, path, items), noun = expected.noun }
  list.by_id, list.first, list.notes, list.externals = {}, {}, {}, {}
  for i, item in ipairs(list.items) do
    local at = ("%s[%d]"):format(path, i)
    if check_object(found, at, item, expected) then
      check_unique_id(found, at, item, i, list)
      check_unique_name(found, at, item, i, list)
      check_unique_external(found, at, item, i, list)
      if expected == CATEGORY then
        check_lead_status(found, at, item)
      end
    end
  end
  return list
end

-- Rules --------------------------------------------------------------------------------------------------------------

-- The first live items of a list, for a message.
local function choices(list)
  if not list.choices then
    local names = {}
    for _, item in ipairs(list.items) do
      if #names < MAX_CHOICES and type(item) == "table" and is_id(item.id) and item.deleted ~= true then
        names[#names + 1] = shown(item.id) .. label(item)
      end
    end
    list.choices = #names == 0 and "there is none yet" or "choose from " .. table.concat(names, ", ")
  end
  return list.choices
end

-- Checks that what an enabled rule names exists. `prefix` begins the codes of the problems.
local function check_reference(found, path, id, list, prefix)
  local item = list.by_id[id]
  if id == nil then
    add(found, path, prefix .. "_required", "is missing: an enabled rule needs %s; %s", list.noun, choices(list))
  elseif is_id(id) and not item then
    add(found, path, prefix .. "_unknown", "is %d, which is not the id of %s; %s", id, list.noun, choices(list))
  elseif item and item.deleted == true then
    add(found, path, prefix .. "_deleted", "is %d%s, which is deleted; %s", id, label(item), choices(list))
  end
end

local function check_place(found, path, rule, i, seen)
  local first = seen.ids[rule.id]
  if first then
    add(found, path .. ".id", "duplicate_id", "is %d, which is already the id of rules[%d]: leave it out to get one",
      rule.id, first)
  elseif is_id(rule.id) then
    seen.ids[rule.id] = i
  end
  local by_status = rule.trigger == "lead_status_set"
  local is_known = TRIGGER[rule.trigger] or config.is_own_trigger(rule.trigger)
  if is_known and (not by_status or is_id(rule.lead_status)) then
    local slot = config.slot_of(rule)
    seen.count[slot] = (seen.count[slot] or 0) + 1
    if seen.count[slot] == MAX_RULES + 1 then
      add(found, path .. (by_status and ".lead_status" or ".trigger"), "too_many",
        "makes this rule %d for %s: there can be at most %d", MAX_RULES + 1, slot, MAX_RULES)
    end
  end
end

local WITHOUT = { -- what a rule that takes back cannot have, and why
  set_category = "the company goes back to the category that it was in before",
  from = "it starts wherever the sale has put the company",
  forward_only = "it goes back to where the company was, whatever the rank",
  after = "it takes back at once",
}

local function check_take_back(found, path, rule)
  local is_other = TRIGGER[rule.trigger] and not config.TAKES_BACK[rule.trigger]
  if is_other or config.is_own_trigger(rule.trigger) then
    add(found, path .. ".take_back", "take_back_trigger",
      "is only for rules for sale_reopened and sale_deleted, not for %s: leave it out", rule.trigger)
  end
  for _, field in ipairs { "set_category", "from", "forward_only", "after" } do
    if rule[field] ~= nil and rule[field] ~= false then
      add(found, path .. "." .. field, "take_back_alone", "does not go with take_back: %s; leave one of them out",
        WITHOUT[field])
    end
  end
end

-- Warns of a rule whose trigger nobody has declared. `own`: those that the store knows; nil without a store.
local function check_own_trigger(found, path, rule, own)
  if not config.is_own_trigger(rule.trigger) or own and own.is[rule.trigger] then
    return
  elseif own then
    warn(found, path .. ".trigger", "unknown_trigger", "is %s, which no program has declared in this store: the rule "
      .. "never fires before leadcat.open{triggers = ...} names it; %s", shown(rule.trigger), own.choices)
  else
    warn(found, path .. ".trigger", "unknown_trigger", "is %s, which is not built in: the rule fires only in a store "
      .. "where leadcat.open{triggers = ...} has named it; built in are %s", shown(rule.trigger),
      table.concat(config.TRIGGERS, ", "))
  end
end

local function check_rule(found, path, rule, categories, statuses)
  local by_status = rule.trigger == "lead_status_set"
  if (TRIGGER[rule.trigger] or config.is_own_trigger(rule.trigger)) and not by_status and rule.lead_status ~= nil then
    warn(found, path .. ".lead_status", "unknown_field", "means nothing: only a rule for lead_status_set has one")
  end
  if rule.trigger ~= no_sale.TRIGGER and rule.days ~= nil then
    warn(found, path .. ".days", "unknown_field", "means nothing: only a rule for no_sale_for has one")
  elseif rule.trigger == no_sale.TRIGGER and rule.enabled == true and rule.days == nil then
    add(found, path .. ".days", "days_required", "is missing: an enabled rule needs a number of days from 1 to %d",
      no_sale.MOST)
  end
  if rule.take_back == true then
    check_take_back(found, path, rule)
  elseif rule.enabled == true then
    check_reference(found, path .. ".set_category", rule.set_category, categories, "category")
  end
  if rule.enabled == true then
    if by_status then
      check_reference(found, path .. ".lead_status", rule.lead_status, statuses, "lead_status")
    end
  end
end

local function check_rules(found, rules, categories, statuses, own)
  local seen, totals = { ids = {}, count = {} }, conditions.totals()
  for i, rule in ipairs(check_sequence(found, "rules", rules)) do
    local at = ("rules[%d]"):format(i)
    if check_object(found, at, rule, RULE) then
      check_place(found, at, rule, i, seen)
      check_rule(found, at, rule, categories, statuses)
      check_own_trigger(found, at, rule, own)
      conditions.check_from(found, at .. ".from", rule, FROM_CHECKS, categories)
      conditions.check(found, at .. ".when", rule.when, totals, categories)
      if no_sale.days(rule) then
        conditions.count_field(found, at .. ".days", no_sale.FIELD, totals)
      end
    end
  end
end

-- At most one lead status is the one that contacts begin with, and it is not deleted.
local function check_default(found, statuses)
  local first
  for i, status in ipairs(type(statuses) == "table" and statuses or {}) do
    if type(status) == "table" and status.default == true then
      local path = ("lead_statuses[%d].default"):format(i)
      if status.deleted == true then
        add(found, path, "default_deleted", "is true, but the lead status is deleted: make another one the default")
      elseif first then
        add(found, path, "default_twice", "is true, but so is lead_statuses[%d].default: leave one of them", first)
      end
      first = first or i
    end
  end
end

-- The own triggers as a set, with the words for a message.
local function known_triggers(own)
  return own and {
    is = schema.set(own),
    choices = #own == 0 and "it has none of its own yet" or "its own are " .. table.concat(own, ", "),
  }
end

-- The whole ----------------------------------------------------------------------------------------------------------

--- All problems of a config: first of the whole, then of categories, lead statuses and rules by index; without errors,
--- also how the rules work together. Never raises, whatever a client has sent. Takes time in proportion to the config's
--- size.
---@param cfg any
---@param own? string[] the own triggers that the store knows; nil: there is no store, and names of the right form are left to it
---@return leadcat.Problem[] problems empty when the config is clean
function check.problems(cfg, own)
  local found = {}
  if check_object(found, "config", cfg, CONFIG) then
    local categories = check_list(found, "categories", cfg.categories, CATEGORY)
    local statuses = check_list(found, "lead_statuses", cfg.lead_statuses, LEAD_STATUS)
    check_default(found, cfg.lead_statuses)
    check_rules(found, cfg.rules, categories, statuses, known_triggers(own))
    if not check.has_errors(found) then
      lint.check(found, cfg, categories.by_id, function(id)
        return ("%d"):format(id) .. label(categories.by_id[id])
      end)
    end
  end
  return found
end

--- Whether one of the problems blocks saving.
---@param problems leadcat.Problem[]
---@return boolean
function check.has_errors(problems)
  for _, problem in ipairs(problems) do
    if problem.severity == "error" then
      return true
    end
  end
  return false
end

return check
