--- The integrator's own triggers: what `leadcat.open` is told of them, and what a store knows. A store numbers them once for
-- all its tenants (`src/store/triggers.c`); what is built in is `config.TRIGGERS`.

local config = require "leadcat.rules.config"
local i18n = require "leadcat.words.i18n"
local json = require "leadcat.util.json"
local schema = require "leadcat.rules.schema"
local unicode = require "leadcat.util.unicode"

---@class leadcat.engine.triggers: leadcat.Engine the engine's methods that stand here
local triggers = {}

triggers.MOST = 64 -- LC_OWN_TRIGGERS

---@class leadcat.OwnTrigger
---@field trigger string `[a-z][a-z0-9_]*`, at most 40 bytes, no built-in's name
---@field name? leadcat.Text what it is called on pages; default: as it was declared before, else `trigger`

---@class leadcat.Trigger: leadcat.OwnTrigger
---@field own boolean whether it is an integrator's
---@field name leadcat.Text

local BUILT_IN = schema.set(config.TRIGGERS)
local FIELDS = { trigger = true, name = true }
local check_text = schema.text(false)

local function shown(value)
  return type(value) == "string" and ("'%s'"):format(unicode.visible(value:sub(1, 60))) or tostring(value)
end

-- Declaring -------------------------------------------------------------------------------------------------------------

-- What is wrong with the trigger of a declaration; nil when nothing is.
local function problem_of_name(name, seen)
  if BUILT_IN[name] then
    return ("trigger: '%s' is built in: choose another name"):format(name)
  elseif not config.is_own_trigger(name) then
    return ("trigger: a text of small letters, digits and _, with a letter in front, of at most %d bytes expected, "
      .. "got %s"):format(config.MAX_TRIGGER, shown(name))
  elseif seen[name] then
    return ("trigger: '%s' is also that of triggers[%d]"):format(name, seen[name])
  end
end

local function problem_of(item, seen)
  if type(item) ~= "table" then
    return "a table {trigger, name} expected, got " .. type(item)
  end
  for field in pairs(item) do
    if not FIELDS[field] then
      return ("unknown field %s (there are name, trigger)"):format(shown(field))
    end
  end
  local found = {}
  check_text(found, "name", item.name)
  return problem_of_name(item.trigger, seen) or found[1] and found[1].message
end

--- What is wrong with the option `triggers`, in one sentence; nil when nothing is.
---@param declared any
---@return string? problem
function triggers.problem(declared)
  if type(declared) ~= "table" then
    return "triggers: a list of {trigger, name} expected, got " .. type(declared)
  end
  local found, seen = {}, {}
  local list = schema.check_sequence(found, "triggers", declared)
  if found[1] then
    return found[1].message
  elseif #list > triggers.MOST then
    return ("triggers: at most %d expected, got %d"):format(triggers.MOST, #list)
  end
  for i, item in ipairs(list) do
    local problem = problem_of(item, seen)
    if problem then
      return ("triggers[%d]: %s"):format(i, problem)
    end
    seen[item.trigger] = i
  end
end

--- Makes them known to the store: what it knows already costs a look.
---@param store leadcat.Store
---@param declared leadcat.OwnTrigger[] without problems
---@return true? done, string? message, string? code `invalid`: the store would have more than 64
function triggers.declare(store, declared)
  local items = {}
  for i, item in ipairs(declared) do
    items[i] = { trigger = item.trigger, about = item.name and json.encode { name = item.name } }
  end
  return store:declare(items)
end

-- Asking ----------------------------------------------------------------------------------------------------------------

--- The names of the store's own triggers, in the order of their numbers.
---@param store leadcat.Store
---@return string[]? names
---@return string[]|string|nil abouts JSON of each, "" when there is none (or the message)
---@return string? code
function triggers.names(store)
  return store:triggers()
end

local function rules_of(cfg)
  return type(cfg) == "table" and type(cfg.rules) == "table" and cfg.rules or {}
end

--- The own triggers that rules of the configs have, once each: the first 64.
---@param ... any configs, which may have errors
---@return string[] names
function triggers.used(...)
  local names, seen = {}, {}
  for _, cfg in ipairs { ... } do
    for _, rule in ipairs(rules_of(cfg)) do
      local trigger = type(rule) == "table" and rule.trigger
      if config.is_own_trigger(trigger) and not seen[trigger] and #names < triggers.MOST then
        names[#names + 1], seen[trigger] = trigger, true
      end
    end
  end
  return names
end

--- Two lists of own triggers as one: the first 64.
---@param first string[]
---@param second string[]
---@return string[]
function triggers.together(first, second)
  local names, seen = {}, {}
  for _, list in ipairs { first, second } do
    for _, trigger in ipairs(list) do
      if not seen[trigger] and #names < triggers.MOST then
        names[#names + 1], seen[trigger] = trigger, true
      end
    end
  end
  return names
end

--- What `core.ruleset` needs to know for a config: nothing where it has no rules of own triggers.
---@param store leadcat.Store
---@param cfg leadcat.Config without errors
---@return string[]? names, string? message, string? code
function triggers.for_config(store, cfg)
  if not triggers.used(cfg)[1] then
    return {}
  end
  return triggers.names(store)
end

--- The built-in triggers, and these.
---@param own? string[]
---@return string[]
function triggers.all(own)
  local all = {}
  for _, list in ipairs { config.TRIGGERS, own or {} } do
    for _, trigger in ipairs(list) do
      all[#all + 1] = trigger
    end
  end
  return all
end

-- What an own trigger is called.
local function text_of(about)
  local decoded = about ~= "" and json.decode(about)
  return type(decoded) == "table" and decoded.name or nil
end

--- What the store's own triggers are called, by their names; those that have no other text are left out.
---@param store leadcat.Store
---@return table<string, leadcat.Text> texts empty when they cannot be read
function triggers.texts(store)
  local names, abouts = triggers.names(store)
  local texts = {}
  for i, name in ipairs(names or {}) do
    texts[name] = text_of(abouts[i])
  end
  return texts
end

-- What a built-in one is called, in all languages.
local function built_in_text(strings, trigger)
  local text = {}
  for _, language in ipairs(i18n.LANGUAGES) do
    text[language] = strings:text(language, "history." .. trigger)
  end
  return text
end

--- Method of the engine: all triggers that events and rules may have, the built-in ones first.
---@return leadcat.Trigger[]? list, string? message, string? code `unavailable`, `io`, `corrupt`: the store cannot be read
function triggers:triggers()
  self:_check_open()
  local names, abouts, code = triggers.names(self._store)
  if not names then
    return nil, abouts, code
  end
  local list = json.array {}
  for i, trigger in ipairs(config.TRIGGERS) do
    list[i] = { trigger = trigger, own = false, name = built_in_text(self.strings, trigger) }
  end
  for i, trigger in ipairs(names) do
    list[#list + 1] = { trigger = trigger, own = true, name = text_of(abouts[i]) or trigger }
  end
  return list
end

return triggers
