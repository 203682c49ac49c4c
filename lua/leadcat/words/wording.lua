--- Names, times and sentences for questions, inbox and journal. What clients put into records may be anything: the
-- result is one line of well-formed text, not escaped for any markup, or nil.

local after = require "leadcat.rules.after"
local config = require "leadcat.rules.config"
local no_sale = require "leadcat.rules.no_sale"
local unicode = require "leadcat.util.unicode"

local wording = {}

wording.GROUPS = { "potential_customer", "customer", "partner", "lost", "other" } -- in the order in which they are shown

local EXACT = 2 ^ 53
local LAST_TIME = 253402300799 -- the end of the year 9999

--- A name or an id as one line; nil when it is neither text nor a number, or has no visible characters.
---@param value any
---@return string?
function wording.line(value)
  if type(value) == "number" and value % 1 == 0 and value > -EXACT and value < EXACT then
    return ("%d"):format(value)
  elseif type(value) ~= "string" and type(value) ~= "number" then
    return nil
  end
  local text = unicode.line(tostring(value))
  return text ~= "" and text or nil
end

--- The text of a company's id, as addresses have it.
---@param id any
---@return string
function wording.id(id)
  return type(id) == "string" and id or wording.line(id) or "?"
end

--- What to call a sale, a contact or a user.
---@param thing any {id, name}
---@return string?
function wording.called(thing)
  if type(thing) == "table" then
    return wording.line(thing.name) or wording.line(thing.id)
  end
end

local function is_time(seconds)
  return type(seconds) == "number" and seconds >= 0 and seconds <= LAST_TIME
end

--- A day as the language writes it, in UTC.
---@param seconds any since 1970
---@param words leadcat.Words
---@return string? "30 Nov 2026"
function wording.day(seconds, words)
  if not is_time(seconds) then
    return nil
  end
  local day, number, year = os.date("!%d %m %Y", math.floor(seconds)):match "^(%d+) (%d+) (%d+)$"
  local months = {}
  for month in words.strings:text(words.language, "time.months"):gmatch "%S+" do
    months[#months + 1] = month
  end
  return words.strings:text(words.language, "time.day", {
    day = ("%d"):format(day), month = months[tonumber(number)] or number, year = year,
  })
end

--- A time to the minute, in UTC.
---@param seconds any since 1970
---@param words? leadcat.Words whose language writes it; default: year first, as in files and on the command line
---@return string? "30 Nov 2026, 12:00 UTC", or "2026-11-30 12:00 UTC"
function wording.time(seconds, words)
  if not is_time(seconds) then
    return nil
  elseif not words then
    return os.date("!%Y-%m-%d %H:%M UTC", math.floor(seconds))
  end
  local hour, minute = os.date("!%H:%M", math.floor(seconds)):match "^(%d+):(%d+)$"
  return words.strings:text(words.language, "time.time", {
    day = wording.day(seconds, words), hour = hour, minute = minute,
  })
end

--- A whole number with its thousands separated as in any language.
---@param n integer
---@return string "13 923", with narrow no-break spaces
function wording.number(n)
  local digits = ("%d"):format(n)
  local first = digits:sub(1, (#digits - 1) % 3 + 1)
  return first .. digits:sub(#first + 1):gsub("%d%d%d", "\226\128\175%0") -- U+202F
end

--- The name of a category or a lead status; its number when there is none.
---@param item? leadcat.LeadStatus
---@param id any
---@param language string
---@return string
function wording.display_name(item, id, language)
  return item and wording.line(config.name(item, language)) or "#" .. (wording.line(id) or "?")
end

--- The name of the item with this id in a list of a config.
---@param list leadcat.LeadStatus[] categories or lead statuses
---@param id any
---@param language string
---@return string "#12" when there is none
function wording.name_of(list, id, language)
  return wording.display_name(config.find(list, id), id, language)
end

---@class leadcat.NamedCategory
---@field id integer
---@field name string "#12" when the config has no such category
---@field group? string one of `config.GROUPS`; absent when the config has no such category

--- A category as it is shown.
---@param cfg leadcat.Config
---@param id integer
---@param language string
---@return leadcat.NamedCategory
function wording.category(cfg, id, language)
  local category = config.find(cfg.categories, id)
  return { id = id, name = wording.display_name(category, id, language), group = category and category.group }
end

local POSITION = {}
for i, group in ipairs(wording.GROUPS) do
  POSITION[group] = i
end

--- Whether a category is shown before another: by group, rank and name. Without a group (an unknown category) or
--- without a rank it comes last.
---@param a {id?: integer, name?: string, group?: string, rank?: integer}
---@param b {id?: integer, name?: string, group?: string, rank?: integer}
---@return boolean
function wording.comes_before(a, b)
  local group_a, group_b = POSITION[a.group] or math.huge, POSITION[b.group] or math.huge
  local rank_a, rank_b = a.rank or math.huge, b.rank or math.huge
  if group_a ~= group_b then
    return group_a < group_b
  elseif rank_a ~= rank_b then
    return rank_a < rank_b
  elseif a.name ~= b.name then
    return (a.name or "\255") < (b.name or "\255")
  end
  return (a.id or math.huge) < (b.id or math.huge)
end

---@class leadcat.Words
---@field strings leadcat.Strings
---@field language string as `strings:language` gives it

--- A text with names filled in, each isolated from the direction of the text around it.
---@param words leadcat.Words
---@param key string
---@param names? table<string, string> lines by placeholder
---@return string
function wording.sentence(words, key, names)
  local values = {}
  for placeholder, name in pairs(names or {}) do
    values[placeholder] = unicode.isolate(name)
  end
  return words.strings:text(words.language, key, values)
end

--- What a trigger is called: what happened, in a few words.
---@param words leadcat.Words
---@param trigger string
---@return string
function wording.trigger(words, trigger)
  if config.is_own_trigger(trigger) then
    return wording.line(config.text(words.strings:trigger(trigger), words.language)) or trigger
  end
  return wording.sentence(words, "history." .. trigger)
end

--- What an event of a trigger is about, when nothing else is known of it.
---@param words leadcat.Words
---@param trigger string
---@return string sentence
function wording.cause_of_trigger(words, trigger)
  if config.is_own_trigger(trigger) then
    return wording.sentence(words, "confirmation.own_trigger_unnamed", { trigger = wording.trigger(words, trigger) })
  end
  return wording.sentence(words, "confirmation." .. trigger .. "_unnamed")
end

-- What stands on the switch of a trigger's rules.
local function switch_of(words, trigger)
  if config.is_own_trigger(trigger) then
    return wording.sentence(words, "settings.own_trigger", { trigger = wording.trigger(words, trigger) })
  end
  return wording.sentence(words, "settings." .. trigger)
end

--- How long a rule with `after` waits.
---@param words leadcat.Words
---@param rule leadcat.Rule
---@return string "30 days"
function wording.after(words, rule)
  return wording.duration(words, after.parts(rule))
end

--- A number of days or hours.
---@param words leadcat.Words
---@param number integer
---@param unit "days"|"hours"
---@return string
function wording.duration(words, number, unit)
  local key = "after." .. (number == 1 and unit:sub(1, -2) or unit)
  return wording.sentence(words, key, { number = ("%d"):format(number) })
end

--- What to call a rule: its label in the settings.
---@param words leadcat.Words
---@param trigger string
---@param lead_status? string the name of the lead status, for `lead_status_set`
---@param rule? leadcat.Rule adds its own name, else its id, where it has one
---@return string
function wording.rule(words, trigger, lead_status, rule)
  local label = switch_of(words, trigger)
  label = trigger == "lead_status_set" and lead_status and label .. " " .. lead_status or label
  local name = rule and wording.line(config.text(rule.name, words.language))
  local own = name or rule and rule.id and "#" .. wording.line(rule.id)
  return own and label .. " \226\128\186 " .. own or label -- U+203A
end

--- The same of the rule with this key, also when there is none any more.
---@param words leadcat.Words
---@param cfg leadcat.Config
---@param key string
---@return string
function wording.rule_of_key(words, cfg, key)
  local status, id = config.lead_status_of(key), config.rule_id_of(key)
  return wording.rule(words, key:match "^[^:#]+", status and wording.name_of(cfg.lead_statuses, status, words.language),
    config.rule_of(cfg, key) or id and { id = id } or nil)
end

-- That there was no sale, and for how many days, where it is known and more than one.
local function no_sale_for(words, record)
  local days = type(record.facts) == "table" and wording.line(record.facts[no_sale.FIELD])
  if not days or days == "1" then
    return wording.cause_of_trigger(words, record.trigger)
  end
  return wording.sentence(words, "confirmation." .. record.trigger, { number = days })
end

--- What led to a question or to an entry of the journal: the sale, or the lead status.
---@param words leadcat.Words
---@param record {trigger: string, sale?: table, contact?: table, facts?: table, lead_status?: integer}
---@param cfg leadcat.Config
---@return string sentence
function wording.cause(words, record, cfg)
  if record.trigger == no_sale.TRIGGER then
    return no_sale_for(words, record)
  end
  local of_contact = record.trigger == "lead_status_set"
  local name = wording.called(of_contact and record.contact or not of_contact and record.sale)
  if config.is_own_trigger(record.trigger) then
    return name and wording.sentence(words, "confirmation.own_trigger", {
      trigger = wording.trigger(words, record.trigger), sale = name,
    }) or wording.cause_of_trigger(words, record.trigger)
  end
  return wording.sentence(words, "confirmation." .. record.trigger .. (name and "" or "_unnamed"), {
    contact = name,
    sale = name,
    lead_status = of_contact and wording.name_of(cfg.lead_statuses, record.lead_status, words.language) or nil,
  })
end

local NOTES = { renamed = true, merged = true, deleted = true }

--- What has become of a company, by an entry that tells of it.
---@param words leadcat.Words
---@param entry leadcat.Entry
---@param company? string its name; default its id
---@return string? sentence nil: the entry tells of something else
function wording.note(words, entry, company)
  return NOTES[entry.status] and wording.sentence(words, "why.entry." .. entry.status, {
    company = company or wording.line(entry.company) or "?", former = wording.line(entry.former) or "?",
    time = wording.time(entry.at, words) or "?",
  }) or nil
end

--- What led to an entry of the journal.
---@param words leadcat.Words
---@param entry leadcat.Entry
---@param cfg leadcat.Config
---@return string sentence
function wording.cause_of_entry(words, entry, cfg)
  if entry.undoes then
    return wording.sentence(words, "history.undo_of")
  end
  local cause = wording.cause(words, {
    trigger = entry.trigger, sale = entry.sale, contact = entry.contact, facts = entry.facts,
    lead_status = config.lead_status_of(entry.rule),
  }, cfg)
  local taken_back = entry.takes_back and entry.status == "updated"
  return taken_back and cause .. " " .. wording.sentence(words, "history.taken_back") or cause
end

return wording
