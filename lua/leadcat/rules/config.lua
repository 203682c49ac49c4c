--- A config as plain data: its problems, its normal form, and the names in it. Works without an engine.

local after = require "leadcat.rules.after"
local conditions = require "leadcat.rules.conditions"
local core = require "leadcat.core"
local json = require "leadcat.util.json"
local language_tag = require "leadcat.util.language"
local limit = require "leadcat.rules.limit"
local lint = require "leadcat.rules.lint"
local no_sale = require "leadcat.rules.no_sale"
local schema = require "leadcat.rules.schema"

local config = {}

---@alias leadcat.Text string|table<string, string> one text, or texts by language (`{en = "Lead", no = "Lead"}`)

---@class leadcat.LeadStatus
---@field id integer 1 to 2^31-1
---@field name leadcat.Text
---@field description? leadcat.Text
---@field rank? integer
---@field deleted? boolean
---@field default? boolean of one lead status: contacts begin with it
---@field external? string the host's own id or code for it, 1 to 255 bytes; unique among those that are not deleted

---@class leadcat.Category: leadcat.LeadStatus
---@field group string one of `config.GROUPS`
---@field lead_status? boolean contacts of such companies have a lead status

---@class leadcat.Rule of the rules of a trigger (and lead status), the first enabled one that applies decides
---@field trigger string one of `config.TRIGGERS`, or the integrator's own
---@field enabled? boolean
---@field set_category? integer id of a category
---@field ask? boolean
---@field on_expiry? "accept"|"decline" what becomes of its questions that nobody answers in time; default: they expire, and nothing is done
---@field lead_status? integer id of a lead status, for `lead_status_set`
---@field days? integer for `no_sale_for`: after how many days without a sale it fires, 1 to 3650
---@field id? integer 1 to 2^31-1, unique and for life; one rule of a trigger (and lead status) may lack it. `normalize`, and with it `save`, gives one to the others
---@field name? leadcat.Text
---@field from? leadcat.From default: the group `potential_customer`
---@field when? leadcat.Condition[][] it applies when all conditions of one of these groups hold; default: always
---@field forward_only? boolean never to a category whose rank is lower than the company's
---@field take_back? boolean in the place of `set_category`, for `sale_reopened` and `sale_deleted`: the company goes back to where it was before its newest change, if the event's sale has caused that
---@field shadow? boolean on trial: what it would do is noted, nothing is changed or asked; the rules behind it go on as if it were not there
---@field limit? leadcat.Limit beyond it its matches are held, until somebody releases or drops them
---@field after? leadcat.After its match is scheduled, and decided anew so much later; the rules behind it go on as if it were not there

---@class leadcat.Config
---@field revision? integer
---@field categories? leadcat.Category[]
---@field lead_statuses? leadcat.LeadStatus[]
---@field rules? leadcat.Rule[]

---@class leadcat.Problem
---@field path string where, such as `rules[2].set_category` (counted from 1), or `config` for the whole
---@field code string
---@field message string where the problem is, what is wrong, and what would be right, in English
---@field severity "error"|"warning"
---@field example? leadcat.Event of a warning about rules (`lint.lua`): the company is in its `category`

config.TRIGGERS = {
  "sale_registered", "sale_won", "sale_lost", "lead_status_set", "sale_reopened", "sale_deleted",
  no_sale.TRIGGER,
}
config.TAKES_BACK = { sale_reopened = true, sale_deleted = true } -- the triggers whose rules may take back what the sale did
config.ON_EXPIRY = { "accept", "decline" } -- what may become of a question that nobody answers in time
config.GROUPS = { "customer", "lost", "other", "partner", "potential_customer" }

local LISTS = { "categories", "lead_statuses", "rules" }
local MAX_ID = 2147483647
local MAX_CHOICES = 8 -- items listed in a message
local MAX_RULES = 1000 -- of one trigger, and of one lead status
config.MAX_TRIGGER = 40 -- bytes of the name of an own trigger

local TRIGGER, GROUP = schema.set(config.TRIGGERS), schema.set(config.GROUPS)

--- Whether it may be the name of a trigger of the integrator's own.
---@param name any
---@return boolean
function config.is_own_trigger(name)
  return type(name) == "string" and #name <= config.MAX_TRIGGER and name:find "^[a-z][a-z0-9_]*$" ~= nil
    and not TRIGGER[name]
end

-- Names --------------------------------------------------------------------------------------------------------------

local function first_key(texts)
  local first
  for key in pairs(texts) do
    if type(key) == "string" and (not first or key < first) then
      first = key
    end
  end
  return first
end

--- The text in the language that matches the tag best, else in English, else in the first language by alphabet.
---@param text? leadcat.Text
---@param language? string a language tag, such as "no" or "nb-NO"
---@return string?
function config.text(text, language)
  if type(text) ~= "table" then
    return text
  end
  return text[language] or text[language_tag.match(language, text)] or text.en or text[first_key(text)]
end

--- The name of a category or lead status.
---@param item leadcat.LeadStatus
---@param language? string
---@return string
function config.name(item, language)
  return config.text(item.name, language)
end

--- The item with this id, deleted or not.
---@param list? leadcat.LeadStatus[] categories or lead statuses
---@param id integer
---@return leadcat.LeadStatus? item
function config.find(list, id)
  for _, item in ipairs(list or {}) do
    if item.id == id then
      return item
    end
  end
end

--- The order that people see: by rank, items without one last, those of one rank as they stand.
---@param list? leadcat.Category[]|leadcat.LeadStatus[]
---@return table[] sorted a new list
function config.by_rank(list)
  local sorted, place = {}, {}
  for i, item in ipairs(list or {}) do
    sorted[i], place[item] = item, i
  end
  table.sort(sorted, function(a, b)
    local rank_a, rank_b = a.rank or math.huge, b.rank or math.huge
    return rank_a < rank_b or rank_a == rank_b and place[a] < place[b]
  end)
  return sorted
end

-- A name as texts by language.
local function by_language(name)
  return type(name) == "table" and name or { en = name }
end

--- The live item that a person means: by its name in any language; else by its name ignoring case, if only one
--- matches; else by its id in decimal.
---@param list? leadcat.LeadStatus[] categories or lead statuses
---@param text string
---@return leadcat.LeadStatus? item
function config.find_by_name(list, text)
  local similar, by_id, folded = {}, nil, core.fold(text)
  for _, item in ipairs(list or {}) do
    local alike = false
    for _, name in pairs(not item.deleted and by_language(item.name) or {}) do
      if name == text then
        return item
      end
      alike = alike or folded ~= nil and core.fold(name) == folded
    end
    similar[#similar + 1] = alike and item or nil
    by_id = not item.deleted and ("%d"):format(item.id) == text and item or by_id
  end
  return #similar == 1 and similar[1] or by_id
end

--- A rule's key in outcomes and the journal: `sale_won`, `sale_won#7`, `lead_status_set:5`, `lead_status_set:5#7`.
---@param trigger string
---@param lead_status? integer used for `lead_status_set` only
---@param id? integer the rule's, if it has one
---@return string
function config.rule_key(trigger, lead_status, id)
  local key = trigger
  if trigger == "lead_status_set" and lead_status then
    key = ("%s:%d"):format(trigger, lead_status)
  end
  return id and ("%s#%d"):format(key, id) or key
end

--- Whether the config has a rule of the trigger, enabled or not.
---@param cfg leadcat.Config
---@param trigger string
---@return boolean
function config.has_rule(cfg, trigger)
  for _, rule in ipairs(cfg.rules or {}) do
    if rule.trigger == trigger then
      return true
    end
  end
  return false
end

local function number_in(key, pattern)
  local digits = key:match(pattern)
  return digits and json.integer(tonumber(digits))
end

--- The rule of a config with this key, if it still has one.
---@param cfg leadcat.Config
---@param key string
---@return leadcat.Rule?
function config.rule_of(cfg, key)
  for _, rule in ipairs(cfg.rules) do
    if config.rule_key(rule.trigger, rule.lead_status, rule.id) == key then
      return rule
    end
  end
end

--- The lead status in a rule's key, if any.
---@param key string
---@return integer?
function config.lead_status_of(key)
  return number_in(key, ":(%d+)#?%d*$")
end

--- The rule's id in its key, if it has one.
---@param key string
---@return integer?
function config.rule_id_of(key)
  return number_in(key, "#(%d+)$")
end

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
  local earlier, own = {}, by_language(item.name)
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
      shown(by_language(item.name)[earlier[j]] or config.name(item)), short(earlier[j]), list.path, j)
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

-- What the rules share a key with; nil while a lead status is not chosen, as the rule does nothing then.
local function slot_of(rule)
  if rule.trigger ~= "lead_status_set" or rule.lead_status then
    return config.rule_key(rule.trigger, rule.lead_status)
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
    local slot = slot_of(rule)
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
function config.problems(cfg, own)
  local found = {}
  if check_object(found, "config", cfg, CONFIG) then
    local categories = check_list(found, "categories", cfg.categories, CATEGORY)
    local statuses = check_list(found, "lead_statuses", cfg.lead_statuses, LEAD_STATUS)
    check_default(found, cfg.lead_statuses)
    check_rules(found, cfg.rules, categories, statuses, known_triggers(own))
    if not config.has_errors(found) then
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
function config.has_errors(problems)
  for _, problem in ipairs(problems) do
    if problem.severity == "error" then
      return true
    end
  end
  return false
end

--- A deep copy, with whole numbers as integers; lists stay marked as lists.
---@generic T
---@param value T
---@return T
function config.copy(value)
  if type(value) == "number" then
    return json.integer(value)
  elseif type(value) ~= "table" then
    return value
  end
  local copy = {}
  for key, field in pairs(value) do
    copy[key] = config.copy(field)
  end
  return json.is_array(value) and json.array(copy) or copy
end

-- So that empty ones are written as lists, too.
local function mark_lists(from)
  for _, name in ipairs { "groups", "categories" } do
    if type(from) == "table" and type(from[name]) == "table" then
      json.array(from[name])
    end
  end
end

-- Gives an id to the rules that need one: above all that there are, else the lowest that is free.
local function give_ids(rules)
  local used, highest, without = {}, 0, {}
  for _, rule in ipairs(rules) do
    used[rule.id or 0], highest = true, math.max(highest, is_id(rule.id) and rule.id or 0)
  end
  local function next_id()
    repeat
      highest = highest < MAX_ID and highest + 1 or 1
    until not used[highest]
    used[highest] = true
    return highest
  end
  for _, rule in ipairs(rules) do
    local slot = not rule.id and slot_of(rule)
    if slot then
      rule.id, without[slot] = without[slot] and next_id(), true
    end
  end
end

--- A copy in the form that is stored: all three lists are there, every rule's switches are true or false, and of the
--- rules of a trigger (and lead status) at most one is without an id: the first that has none. Unknown fields and
--- `revision` are kept.
---@param cfg leadcat.Config without errors
---@return leadcat.Config
function config.normalize(cfg)
  local copy = config.copy(cfg)
  for _, name in ipairs(LISTS) do
    copy[name] = json.array(copy[name] or {})
  end
  for _, rule in ipairs(copy.rules) do
    rule.enabled, rule.ask = rule.enabled == true, rule.ask == true
    mark_lists(rule.from)
  end
  give_ids(copy.rules)
  return copy
end

return config
