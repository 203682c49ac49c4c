--- A config as plain data: its normal form, and the names and keys in it. `check.lua` finds its problems. Works without an engine.

local core = require "leadcat.core"
local json = require "leadcat.util.json"
local language_tag = require "leadcat.util.language"
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
config.MAX_ID = 2147483647
config.MAX_TRIGGER = 40 -- bytes of the name of an own trigger

local TRIGGER = schema.set(config.TRIGGERS)

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

--- A name as texts by language.
---@param name leadcat.Text
---@return table<string, string>
function config.by_language(name)
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
    for _, name in pairs(not item.deleted and config.by_language(item.name) or {}) do
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

--- What the rules share a key with; nil while a lead status is not chosen, as the rule does nothing then.
---@param rule leadcat.Rule
---@return string?
function config.slot_of(rule)
  if rule.trigger ~= "lead_status_set" or rule.lead_status then
    return config.rule_key(rule.trigger, rule.lead_status)
  end
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

-- The form that is stored -------------------------------------------------------------------------------------------

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

--- Finds ids for new rules: above all that there are, else the lowest that is free.
---@param ... leadcat.Rule[] whose ids are taken
---@return fun(): integer next_id
function config.free_ids(...)
  local used, highest = {}, 0
  for _, rules in ipairs { ... } do
    for _, rule in ipairs(rules) do
      local id = schema.is_whole(rule.id, 1, config.MAX_ID) and rule.id or 0
      used[id], highest = true, math.max(highest, id)
    end
  end
  return function()
    repeat
      highest = highest < config.MAX_ID and highest + 1 or 1
    until not used[highest]
    used[highest] = true
    return highest
  end
end

-- Gives an id to the rules that need one.
local function give_ids(rules)
  local next_id, without = config.free_ids(rules), {}
  for _, rule in ipairs(rules) do
    local slot = not rule.id and config.slot_of(rule)
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
