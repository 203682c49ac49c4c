--- Reads a submitted settings form: the stored config as changed by the fields and the pressed button. Clients may send
-- anything: nothing raises, and what is not understood is ignored. Pure.
--
-- The form's only memory is its fields, so each submit applies all of them to the stored config. Fields, with N from 1:
--
--   revision                                   that the form was made from
--   do                                         the button: save, try, cancel, add_category, delete_category.N, ...
--   rule.TRIGGER.enabled, .set_category, .ask  the rule of a trigger, the integrator's own too; of lead_status_set only `enabled`
--   status_rule.N.lead_status, .set_category, .ask; .switch ("own"), .enabled   a row of lead_status_set
--   category.ID.name, .group, .lead_status, .deleted, .new
--   lead_status.ID.name, .description, .deleted, .new
--
-- A checkbox that is off is not sent. `new` marks an item that is not stored yet: its ID is only for the rules of the
-- same form, as somebody else may have saved another item with that ID. The status identifies a rule of a lead status.

local config = require "leadcat.rules.config"
local json = require "leadcat.util.json"
local language_tag = require "leadcat.util.language"
local schema = require "leadcat.rules.schema"
local triggers = require "leadcat.rules.triggers"
local unicode = require "leadcat.util.unicode"

local settings_form = {}

local MAX_ID, MAX_ROWS = 2147483647, 10000
local LISTS = { category = "categories", lead_status = "lead_statuses" }
local GROUP = schema.set(config.GROUPS)
local STATUS_TRIGGER = "lead_status_set"

---@class leadcat.SettingsEdit what the page needs of a form besides its config
---@field added table<"category"|"lead_status", table<integer, true>> ids of items that are not stored yet
---@field focus? string name of the field or button to focus

-- Fields --------------------------------------------------------------------------------------------------------------

-- A number from 1 in its decimal form.
local function number(text)
  local digits = type(text) == "string" and #text <= 10 and text:match "^[1-9]%d*$"
  local value = digits and tonumber(digits)
  return value and value <= MAX_ID and value or nil
end

-- The rows by list and number; those of rules by trigger.
local function parse(fields, is_trigger)
  local rows = { category = {}, lead_status = {}, status_rule = {}, rule = {} }
  for name, value in pairs(type(fields) == "table" and fields or {}) do
    if type(name) == "string" and type(value) == "string" then
      local list, key, field = name:match "^([%l_]+)%.([%w_]+)%.([%l_]+)$"
      if list == "rule" then
        key = is_trigger[key] and key
      else
        key = number(key)
      end
      if key and rows[list] then
        rows[list][key] = rows[list][key] or {}
        rows[list][key][field] = value
      end
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

local EDIT = {}

function EDIT.category(item, row)
  if GROUP[row.group] then
    item.group = row.group
    set_flag(item, "lead_status", row.lead_status ~= nil and row.group == "potential_customer")
  end
  item.group = item.group or "potential_customer"
end

function EDIT.lead_status(item, row, language)
  set_text(item, "description", row.description, language)
  if item.description == "" then
    item.description = nil
  end
end

-- An id above all others and a rank after all others; no rank when another item has none.
local function next_place(items)
  local id, rank, used = 0, 0, {}
  for _, item in ipairs(items) do
    used[item.id] = true
    id = math.max(id, item.id)
    rank = rank and item.rank and math.max(rank, item.rank)
  end
  id = id + 1
  while id > MAX_ID or used[id] do
    id = id - 1
  end
  return id, rank and rank < MAX_ID and rank + 1 or nil
end

-- A list to be changed in place. `ids` has the ids of new items by the number of their row, and false for rows to drop.
local function new_list(kind, cfg)
  local list = { kind = kind, items = cfg[LISTS[kind]], by_id = {}, ids = {}, added = {} }
  for _, item in ipairs(list.items) do
    list.by_id[item.id] = item
  end
  return list
end

local function append(list, key, name)
  local id, rank = list.next_id, list.next_rank
  if not id then
    id, rank = next_place(list.items)
  end
  local item = { id = id, name = name, rank = rank }
  list.items[#list.items + 1], list.by_id[id], list.added[id] = item, item, true
  list.next_id, list.next_rank = id < MAX_ID and id + 1 or nil, rank and rank < MAX_ID and rank + 1 or nil
  if key then
    list.ids[key] = id
  end
  return item
end

local function read_list(list, rows, verb, pressed_key, language)
  for _, key in ipairs(sorted(rows)) do
    local row, item = rows[key], nil
    local delete = verb == "delete_" .. list.kind and pressed_key == key
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

-- Rules ---------------------------------------------------------------------------------------------------------------

-- A rule that is switched off without anything chosen keeps what it has.
local function set_rule(rule, row, on, lists)
  local target = row.set_category
  if row.ask or target and (on or target ~= "") then
    rule.ask = row.ask ~= nil
    rule.set_category = target and reference(lists.category, target) or not target and rule.set_category or nil
  end
  rule.enabled, rule.ask = on, rule.ask == true
end

local function read_rule(rules, trigger, row, lists)
  local rule, on = nil, row.enabled ~= nil
  for _, stored in ipairs(rules) do
    rule = rule or stored.trigger == trigger and stored
  end
  if not rule and (on or row.ask or row.set_category and row.set_category ~= "") then
    rule = { trigger = trigger }
    rules[#rules + 1] = rule
  end
  if rule then
    set_rule(rule, row, on, lists)
  end
end

local function all_of_status(rules)
  local found = {}
  for _, rule in ipairs(rules) do
    found[#found + 1] = rule.trigger == STATUS_TRIGGER and rule or nil
  end
  return found
end

-- The stored rules of lead statuses by status, or under `false`; of one status in reverse order.
local function by_status(rules)
  local found, all = {}, all_of_status(rules)
  for i = #all, 1, -1 do
    local key = all[i].lead_status or false
    found[key] = found[key] or {}
    table.insert(found[key], all[i])
  end
  return found
end

local function is_blank(row)
  return not number(row.lead_status) and not number(row.set_category) and not row.ask
end

-- The rules of the rows. A blank row that is switched off counts only if it is stored.
local function read_rows(stored, rows, on, lists)
  local known, rules = by_status(stored), {}
  for _, key in ipairs(sorted(rows)) do
    local row = rows[key]
    local status = reference(lists.lead_status, row.lead_status)
    local same = known[status or false]
    local rule = same and table.remove(same)
    if rule or on or not is_blank(row) then
      rule = rule or { trigger = STATUS_TRIGGER, lead_status = status }
      set_rule(rule, row, on and (row.switch ~= "own" or row.enabled ~= nil), lists)
      rules[#rules + 1] = rule
    end
  end
  return rules
end

-- Puts the rules of lead statuses in the places of the stored ones, one for one, and the rest after the last of them.
local function place(rules, of_status)
  local placed, left, stored = json.array {}, 1, #all_of_status(rules)
  local function put(count)
    for i = left, math.min(left + count - 1, #of_status) do
      placed[#placed + 1], left = of_status[i], i + 1
    end
  end
  for _, rule in ipairs(rules) do
    if rule.trigger == STATUS_TRIGGER then
      stored = stored - 1
      put(stored > 0 and 1 or #of_status)
    else
      placed[#placed + 1] = rule
    end
  end
  put(#of_status)
  return placed
end

-- The rules of lead statuses after the button. When no row is sent, the stored ones stay and follow the switch.
local function status_rules(rules, rows, verb, pressed_key, lists)
  local switch, any = rows.rule[STATUS_TRIGGER], next(rows.status_rule) ~= nil
  if not switch and not any and verb ~= "add_status_rule" then
    return all_of_status(rules)
  end
  local on = switch ~= nil and switch.enabled ~= nil
  if verb == "remove_status_rule" and pressed_key then
    rows.status_rule[pressed_key] = nil
  end
  local found = any and read_rows(rules, rows.status_rule, on, lists) or all_of_status(rules)
  for _, rule in ipairs(not any and found or {}) do
    rule.enabled = on
  end
  if #found < MAX_ROWS and (verb == "add_status_rule" or on and #found == 0) then
    found[#found + 1] = { trigger = STATUS_TRIGGER, enabled = on, ask = false }
  end
  return found
end

-- The triggers that have a card, each once.
local function all_triggers(stored, own)
  return triggers.all(triggers.together(own or {}, triggers.used(stored)))
end

-- The whole -----------------------------------------------------------------------------------------------------------

-- The field or button to focus after a button was pressed.
local function focus(verb, key, lists, of_status)
  if verb == "add_status_rule" then
    return ("status_rule.%d.lead_status"):format(#of_status)
  elseif verb == "remove_status_rule" then
    return "add_status_rule"
  end
  local what, kind = verb:match "^(%l+)_([%l_]+)$"
  local list = lists[kind]
  local item = list and (what == "add" and list.items[#list.items] or what == "restore" and list.by_id[key])
  if item then
    return ("%s.%d.name"):format(kind, item.id)
  end
  return list and "add_" .. kind or nil
end

---@param fields table<string, string> decoded; from a client, so they may be anything
---@param stored leadcat.Config that the form is applied to
---@param language? string of the page, and of the names in it
---@param own? string[] the integrator's own triggers that the store knows
---@return "save"|"try"|"cancel"|"edit" action an edit is only shown again
---@return leadcat.Config config, leadcat.SettingsEdit edit for `engine:save`; after `cancel`, the stored config
function settings_form.read(fields, stored, language, own)
  local cfg, verb, key = config.normalize(stored), pressed(fields)
  local lists = { category = new_list("category", cfg), lead_status = new_list("lead_status", cfg) }
  local edit = { added = { category = lists.category.added, lead_status = lists.lead_status.added } }
  if verb == "cancel" then
    return "cancel", cfg, edit
  end
  local all = all_triggers(stored, own)
  local rows = parse(fields, schema.set(all))
  for kind, list in pairs(lists) do
    read_list(list, rows[kind], verb, key, language)
    if verb == "add_" .. kind and #list.items < MAX_ROWS then
      EDIT[kind](append(list, nil, ""), {})
    end
  end
  for _, trigger in ipairs(all) do
    if trigger ~= STATUS_TRIGGER and rows.rule[trigger] then
      read_rule(cfg.rules, trigger, rows.rule[trigger], lists)
    end
  end
  local of_status = status_rules(cfg.rules, rows, verb, key, lists)
  cfg.rules, edit.focus = place(cfg.rules, of_status), focus(verb, key, lists, of_status)
  return (verb == "save" or verb == "try") and verb or "edit", cfg, edit
end

return settings_form
