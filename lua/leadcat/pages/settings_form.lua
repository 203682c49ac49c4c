--- Reads a submitted settings form: the stored config as changed by the fields and the pressed button. Clients may send
-- anything: nothing raises, and what is not understood is ignored. Pure.
--
-- The form's only memory is its fields, so each submit applies all of them to the stored config. Fields, with N from 1:
--
--   revision                                   that the form was made from
--   do                                         the button: save, try, cancel, add_category, delete_category.N, ...
--   rule.TRIGGER.enabled, .set_category (a category, or "take_back"), .ask  the switch of a card, of the integrator's own trigger too, and its first rule; of lead_status_set only `enabled`
--   rule.no_sale_for.days, rule.no_sale_for.N.days   after how many days without a sale
--   rule.TRIGGER.known                         which rules the form has shown, also of lead_status_set: other ones stay: those of them that it lacks were removed
--   rule.TRIGGER.N.set_category, .ask, .name; .switch ("own"), .used            a rule; of the first, the rest of it
--   status_rule.N.lead_status, .set_category, .ask; .switch ("own"), .enabled   a row of lead_status_set
--   category.ID.name, .group, .lead_status, .description, .rank, .deleted, .new; .name.LANGUAGE  in another one
--   lead_status.ID.name, .description, .rank, .deleted, .new; .name.LANGUAGE
--   default_lead_status                        the ID that contacts begin with
--   search.KIND, page.KIND                     which rows of a long list are shown (`settings_window.lua`)
--   conflict.N.path, .take                     what somebody else has changed, too; takes "theirs" or "mine"
--
-- Both kinds of rules also have
--
--   .of                                        which stored rule it is (`rule_form.identity`), or "new"
--   .when                                      that the following are sent: without it they stay as they are
--   .forward_only; .after, .after_unit         nothing in `after`: it decides at once
--   .shadow; .limit, .limit_hours              it is on trial; nothing in `limit`: any number of changes
--   .on_expiry                                 "accept", "decline", or nothing
--   .from; .from.group.NAME, .from.category.ID that the following are sent; where it starts
--   .when.GROUP.C.field, .is, ...              a condition (`condition_row.lua`)
--   .add.GROUP                                 the field of a condition that `add_condition` or `add_group` adds
--
-- and buttons VERB.rule.TRIGGER.N or VERB.status_rule.N: move_up, move_down, remove_rule, add_condition and add_group
-- with GROUP behind it, remove_condition with GROUP.C; and add_rule.TRIGGER.
--
-- A checkbox that is off is not sent. `new` marks an item that is not stored yet: its ID is only for the rules of the
-- same form, as somebody else may have saved another item with that ID. Rules are read by `rule_form.lua`.

local config = require "leadcat.rules.config"
local json = require "leadcat.util.json"
local language_tag = require "leadcat.util.language"
local rule_form = require "leadcat.pages.rule_form"
local schema = require "leadcat.rules.schema"
local triggers = require "leadcat.rules.triggers"
local unicode = require "leadcat.util.unicode"
local usage = require "leadcat.rules.usage"

local settings_conflicts = require "leadcat.pages.settings_conflicts"
local settings_window = require "leadcat.pages.settings_window"

local settings_form = {}

local MAX_ID, MAX_ROWS = 2147483647, 10000
local LISTS = { category = "categories", lead_status = "lead_statuses" }
local GROUP = schema.set(config.GROUPS)
local STATUS_TRIGGER = "lead_status_set"

---@class leadcat.SettingsEdit what the page needs of a form besides its config
---@field added table<"category"|"lead_status", table<integer, true>> ids of items that are not stored yet
---@field focus? string name of the field or button to focus
---@field rows? table<leadcat.Condition, leadcat.ConditionRow> as they were sent
---@field misread? table<leadcat.Condition, true> whose value was not understood, and is therefore missing
---@field new_rules? table<leadcat.Rule, true> that are not stored yet
---@field known? table<string, string> by trigger: which stored rules the form has shown
---@field shown? table<string, integer> by trigger: how many rules were sent
---@field identities? table<leadcat.Rule, string> which stored rules they are
---@field windows? table<string, {search: string, page: integer}> what is shown of long lists
---@field confirm? {kind: "category"|"lead_status", id: integer} what is in use and was to be deleted
---@field conflicts? string[] paths of `rules/merge.lua` for which nothing is chosen yet

-- Fields --------------------------------------------------------------------------------------------------------------

-- A number from 1 in its decimal form.
local function number(text)
  local digits = type(text) == "string" and #text <= 10 and text:match "^[1-9]%d*$"
  local value = digits and tonumber(digits)
  return value and value <= MAX_ID and value or nil
end

local NESTED = schema.set { "groups", "add", "starts" } -- what a row has that no field of that name gives it

-- What is below a rule's name: conditions by group and number, where it starts, and what is chosen of a list of options.
local function parse_part(row, part, value)
  local group, key, field, choice = part:match "^when%.(%d+)%.(%d+)%.(%l+)%.?(%d*)$"
  local adding, start = number(part:match "^add%.(%d+)$"), part:match "^from%.([%l_]+%.[%l%d_]+)$"
  group, key = number(group), number(key)
  if group and key then
    row.groups = row.groups or {}
    row.groups[group] = row.groups[group] or {}
    local condition = row.groups[group][key] or {}
    row.groups[group][key] = condition
    if field == "one" and number(choice) then
      condition.one = condition.one or {}
      condition.one[number(choice)] = value
    elseif field ~= "one" and choice == "" then
      condition[field] = value
    end
  elseif adding then
    row.add = row.add or {}
    row.add[adding] = value
  elseif start then
    row.starts = row.starts or {}
    row.starts[start] = true
  elseif part:find "^[%l_]+$" and not NESTED[part] then
    row[part] = value
  end
end

local function row_in(rows, key)
  rows[key] = rows[key] or {}
  return rows[key]
end

local function parse_rule(rows, rest, value)
  local trigger, part = rest:match "^([%l%d_]+)%.(.+)$"
  if not rows.is_trigger[trigger] then
    return
  end
  local key, below = part:match "^(%d+)%.(.+)$"
  if number(key) then
    parse_part(row_in(row_in(rows.rules, trigger), number(key)), below, value)
  elseif part:find "^[%l_]+$" then
    row_in(rows.rule, trigger)[part] = value
  end
end

local function parse_field(rows, name, value)
  local list, rest = name:match "^([%l_]+)%.(.+)$"
  local key, part = (rest or ""):match "^(%d+)%.(.+)$"
  if list == "rule" then
    parse_rule(rows, rest, value)
  elseif list == "status_rule" and number(key) then
    parse_part(row_in(rows.status_rule, number(key)), part, value)
  elseif (LISTS[list] or list == "conflict") and number(key) and part:find "^[%l_]+$" then
    row_in(rows[list], number(key))[part] = value
  elseif LISTS[list] and number(key) and part:find "^name%.%l%l$" then
    local row = row_in(rows[list], number(key))
    row.names = type(row.names) == "table" and row.names or {}
    row.names[part:sub(6)] = value
  end
end

-- The rows by list and number; those of rules by trigger.
local function parse(fields, is_trigger)
  local rows = {
    category = {}, lead_status = {}, conflict = {}, status_rule = {}, rule = {}, rules = {}, is_trigger = is_trigger,
  }
  for name, value in pairs(type(fields) == "table" and fields or {}) do
    if name == "default_lead_status" and type(value) == "string" then
      rows.default = value
    elseif type(name) == "string" and type(value) == "string" then
      parse_field(rows, name, value)
    end
  end
  return rows
end

-- The numbers of the first `MAX_ROWS` rows, in order.
local function sorted(rows)
  local keys = {}
  for key in pairs(rows) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  for i = #keys, MAX_ROWS + 1, -1 do
    keys[i] = nil
  end
  return keys
end

--- The revision that a form was made from.
---@param fields table<string, string>
---@return integer? revision nil when the form does not say
function settings_form.revision(fields)
  local text = type(fields) == "table" and fields.revision
  local digits = type(text) == "string" and #text <= 15 and text:match "^%d+$"
  return digits and json.integer(tonumber(digits)) or nil
end

-- What the pressed button does, and to which row.
local function pressed(fields)
  local button = type(fields) == "table" and fields["do"]
  if type(button) ~= "string" then
    return ""
  end
  local verb, key = button:match "^(%l+_[%l_]+)%.(%d+)$"
  return verb or button, number(key)
end

-- What a button of a rule does: its verb, its trigger, and the numbers of rule, group and condition.
local function pressed_at_rule(fields, is_trigger)
  local button = type(fields) == "table" and type(fields["do"]) == "string" and fields["do"] or ""
  local verb, rest = button:match "^([%l_]+)%.(.+)$"
  local trigger, numbers = (rest or ""):match "^rule%.([%l%d_]+)%.([%d.]+)$"
  local of_status = (rest or ""):match "^status_rule%.([%d.]+)$" or (verb or ""):find "status_rule$" and rest
  local at = {}
  for digits in (numbers or of_status or ""):gmatch "[^.]+" do
    at[#at + 1] = number(digits)
  end
  trigger = trigger or of_status and STATUS_TRIGGER or rest
  return verb or button, is_trigger[trigger] and trigger or nil, at
end

-- Names ---------------------------------------------------------------------------------------------------------------

local CONTROL, C1, REPLACEMENT = "[%z\1-\31\127]+", "\194[\128-\159]", "\239\191\189"

-- A name as one line without blanks at its ends, at any length.
local function clean(text)
  text = unicode.valid(text):gsub(CONTROL, " ")
  local first = text:find "[^ ]"
  return first and text:match("^.*[^ ]", first) or ""
end

-- A name after a page has shown it and a browser has sent it back: line ends are lost, controls are replaced.
local function visible(text)
  return (text:gsub(CONTROL, ""):gsub(C1, ""):gsub(REPLACEMENT, ""))
end

local function is_same(text, shown)
  return clean(text) == clean(shown)
    or (shown:find(CONTROL) or shown:find(C1)) and visible(text) == visible(shown)
end

-- Sets the text in the page's language, unless it is the text that the page showed.
local function set_text(item, field, text, language)
  local old = item[field]
  if not text or is_same(text, config.text(old, language) or "") then
    return
  elseif type(old) == "table" and next(old) ~= nil and language_tag.is_tag(language) then
    old[language_tag.match(language, old) or language] = clean(text)
  else
    item[field] = clean(text)
  end
end

-- Sets or removes a switch; one that is off is left as it is, absent or false.
local function set_flag(item, field, on)
  if (item[field] == true) ~= on then
    item[field] = on or nil
  end
end

-- Categories and lead statuses ----------------------------------------------------------------------------------------

-- Sets the names in languages other than the page's. A text that all languages have becomes one of several.
local function set_names(item, names, language)
  for tag, sent in pairs(type(names) == "table" and names or {}) do
    local name, old = clean(sent), type(item.name) == "table" and item.name[tag] or ""
    if name ~= "" and type(item.name) ~= "table" then
      item.name = { [tag == "en" and (language or "en") or "en"] = item.name, [tag] = name }
    elseif not is_same(name, old) then
      item.name[tag] = name ~= "" and name or nil
    end
  end
end

local function set_rank(item, text)
  local digits = type(text) == "string" and #text <= 11 and text:match "^-?%d+$"
  local rank = digits and json.integer(tonumber(digits))
  item.rank = rank and math.abs(rank) <= MAX_ID and rank or item.rank
end

-- Swaps an item with its neighbour in the order. Where ranks are missing or the same, all get new ones.
local function move_item(items, id, step)
  local live, seen = {}, {}
  for _, item in ipairs(config.by_rank(items)) do
    live[#live + 1] = not item.deleted and item or nil
  end
  local at, clear = nil, true
  for i, item in ipairs(live) do
    at = item.id == id and i or at
    clear, seen[item.rank or 0] = clear and item.rank ~= nil and not seen[item.rank], true
  end
  local one, other = live[at or 0], live[(at or 0) + step]
  if not one or not other then
    return
  end
  for i, item in ipairs(live) do
    item.rank = clear and item.rank or i
  end
  one.rank, other.rank = other.rank, one.rank
end

local EDIT = {}

function EDIT.category(item, row, language)
  EDIT.lead_status(item, row, language)
  if GROUP[row.group] then
    item.group = row.group
    set_flag(item, "lead_status", row.lead_status ~= nil and row.group == "potential_customer")
  end
  item.group = item.group or "potential_customer"
end

function EDIT.lead_status(item, row, language)
  set_names(item, row.names, language)
  set_rank(item, row.rank)
  set_text(item, "description", row.description, language)
  if item.description == "" then
    item.description = nil
  end
end

-- An id above all others, also those that somebody else has saved meanwhile, and a rank after all others; no rank when
-- another item has none.
local function next_place(items, newest)
  local id, rank, used = 0, 0, {}
  for _, list in ipairs { newest, items } do
    for _, item in ipairs(list) do
      used[item.id] = true
      id = math.max(id, item.id)
      rank = rank and item.rank and math.max(rank, item.rank)
    end
  end
  id = id + 1
  while id > MAX_ID or used[id] do
    id = id - 1
  end
  return id, rank and rank < MAX_ID and rank + 1 or nil
end

-- A list to be changed in place. `ids` has the ids of new items by the number of their row, and false for rows to drop.
local function new_list(kind, cfg, newest)
  local list = { kind = kind, items = cfg[LISTS[kind]], by_id = {}, ids = {}, added = {} }
  list.newest = newest[LISTS[kind]] or {}
  for _, item in ipairs(list.items) do
    list.by_id[item.id] = item
  end
  return list
end

local function append(list, key, name)
  local id, rank = list.next_id, list.next_rank
  if not id then
    id, rank = next_place(list.items, list.newest)
  end
  local item = { id = id, name = name, rank = rank }
  list.items[#list.items + 1], list.by_id[id], list.added[id] = item, item, true
  list.next_id, list.next_rank = id < MAX_ID and id + 1 or nil, rank and rank < MAX_ID and rank + 1 or nil
  if key then
    list.ids[key] = id
  end
  return item
end

-- Whether the button deletes the item; one that is in use only when that is confirmed.
local function is_deleted(list, key, verb, pressed_key, edit, is_used)
  if verb ~= "delete_" .. list.kind or pressed_key ~= key or not list.by_id[key] or list.added[key] then
    return pressed_key == key and (verb == "delete_" .. list.kind or verb == "drop_" .. list.kind)
  elseif is_used(list.kind, key) then
    edit.confirm = { kind = list.kind, id = key }
    return false
  end
  return true
end

local function read_list(list, rows, verb, pressed_key, language, edit, is_used)
  for _, key in ipairs(sorted(rows)) do
    local row, item = rows[key], nil
    local delete = is_deleted(list, key, verb, pressed_key, edit, is_used)
    local restore = verb == "restore_" .. list.kind and pressed_key == key
    if not row.new and list.by_id[key] and not list.added[key] then
      item = list.by_id[key]
      set_text(item, "name", row.name, language)
    elseif delete or not row.name then
      list.ids[key] = false
    else
      item = append(list, key, clean(row.name))
    end
    if item then
      EDIT[list.kind](item, row, language)
      set_flag(item, "deleted", (row.deleted ~= nil or delete) and not restore)
    end
  end
end

-- The id that a field of a rule refers to.
local function reference(list, text)
  local key = number(text)
  if key and list.ids[key] ~= nil then
    return list.ids[key] or nil
  end
  return key
end

-- The whole -----------------------------------------------------------------------------------------------------------

-- The lead status that contacts begin with; a form that does not say leaves it as it is.
local function set_default(statuses, id)
  for _, status in ipairs(id and statuses or {}) do
    set_flag(status, "default", status.id == id)
  end
end

-- The field or button to focus after a button of a list was pressed.
local function focus(verb, key, lists)
  if verb == "remove_status_rule" then
    return "add_status_rule"
  end
  local what, kind = verb:match "^(%l+)_([%l_]+)$"
  local list = lists[kind]
  if list and (what == "raise" or what == "lower") and key then
    return ("%s_%s.%d"):format(what, kind, key)
  end
  local item = list and (what == "add" and list.items[#list.items] or what == "restore" and list.by_id[key])
  if item then
    return ("%s.%d.name"):format(kind, item.id)
  end
  return list and "add_" .. kind or nil
end

--- What the page needs of a config in which only one rule is new.
---@param rule leadcat.Rule
---@return leadcat.SettingsEdit
function settings_form.edit_of(rule)
  return { added = { category = {}, lead_status = {} }, new_rules = { [rule] = true } }
end

-- The triggers that have a card, each once.
local function all_triggers(stored, own)
  return triggers.all(triggers.together(own or {}, triggers.used(stored)))
end

local function read_rules(cfg, newest, fields, rows, lists, edit, language, all)
  local verb, trigger, at = pressed_at_rule(fields, rows.is_trigger)
  rule_form.read({
    config = cfg, newest = newest, rows = rows, verb = verb, trigger = trigger, at = at, edit = edit, sorted = sorted,
    reference = function(kind, text) return reference(lists[kind], text) end,
    set_text = function(item, field, text) set_text(item, field, text, language) end,
  }, all)
end

---@param fields table<string, string> decoded; from a client, so they may be anything
---@param stored leadcat.Config that the form is applied to
---@param language? string of the page, and of the names in it
---@param own? string[] the integrator's own triggers that the store knows
---@param newest? leadcat.Config whose ids new items and rules must not have; default `stored`
---@param counts? table<integer, integer> how many companies are in each category
---@return "save"|"draft"|"try"|"cancel"|"edit" action an edit is only shown again
---@return leadcat.Config config, leadcat.SettingsEdit edit for `engine:save`; after `cancel`, the stored config
function settings_form.read(fields, stored, language, own, newest, counts)
  newest = newest or stored
  local cfg, verb, key = config.normalize(stored), pressed(fields)
  local lists = { category = new_list("category", cfg, newest), lead_status = new_list("lead_status", cfg, newest) }
  local edit = { added = { category = lists.category.added, lead_status = lists.lead_status.added } }
  if verb == "cancel" then
    return "cancel", cfg, edit
  end
  local all = all_triggers(stored, own)
  local rows = parse(fields, schema.set(all))
  local function is_used(kind, id)
    return usage.of(cfg.rules)[kind][id] ~= nil or kind == "category" and (counts and counts[id] or 0) > 0
  end
  for kind, list in pairs(lists) do
    read_list(list, rows[kind], verb, key, language, edit, is_used)
    local step = verb == "raise_" .. kind and -1 or verb == "lower_" .. kind and 1
    if step and key then
      move_item(list.items, key, step)
    end
    if verb == "add_" .. kind and #list.items < MAX_ROWS then
      EDIT[kind](append(list, nil, ""), {})
    end
  end
  set_default(cfg.lead_statuses, reference(lists.lead_status, rows.default))
  edit.windows = settings_window.read(type(fields) == "table" and fields or {}, verb, key)
  edit.focus = settings_window.focus(verb)
    or edit.confirm and ("drop_%s.%d"):format(edit.confirm.kind, edit.confirm.id) or focus(verb, key, lists)
  read_rules(cfg, newest, fields, rows, lists, edit, language, all)
  edit.conflicts = settings_conflicts.read(rows.conflict, sorted(rows.conflict), cfg, stored)
  return (verb == "save" or verb == "draft" or verb == "try") and verb or "edit", cfg, edit
end

return settings_form
