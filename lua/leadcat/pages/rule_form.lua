--- Reads the rules of a submitted settings form (`settings_form.lua` has the names of its fields). The rules of a trigger
-- are its rows in order. Each row says which stored rule it is, so that what the form does not show stays with its rule
-- wherever that is moved. Pure.

local condition_row = require "leadcat.pages.condition_row"
local config = require "leadcat.rules.config"
local json = require "leadcat.util.json"
local rule_starts = require "leadcat.pages.rule_starts"
local schema = require "leadcat.rules.schema"

local rule_form = {}

local STATUS_TRIGGER = "lead_status_set"
local MAX_ID, MAX_ROWS = 2147483647, 10000

--- Says that a row's rule is not stored yet.
rule_form.NEW = "new"

--- What may be chosen in the place of a category.
rule_form.TAKE_BACK = "take_back"

--- Which of its trigger's stored rules this is: "#7" by its id, else "5" by its lead status, else "first".
---@param rule leadcat.Rule
---@return string
function rule_form.identity(rule)
  return rule.id and ("#%d"):format(rule.id) or rule.lead_status and ("%d"):format(rule.lead_status) or "first"
end

local identity = rule_form.identity

--- Whether a rule of a lead status that the form has not shown is on once the card's switch is as it is: it follows the
-- switch, but stays off where others were on.
---@param rule leadcat.Rule as it is stored
---@param on boolean the switch
---@param was_on boolean whether any stored one is on
---@return boolean
function rule_form.is_on(rule, on, was_on)
  return on and (not was_on or rule.enabled == true)
end

--- Whether any rule of a lead status is on.
---@param rules leadcat.Rule[]
---@return boolean
function rule_form.any_on(rules)
  for _, rule in ipairs(rules) do
    if rule.trigger == STATUS_TRIGGER and rule.enabled == true then
      return true
    end
  end
  return false
end

---@class leadcat.RuleReader what is needed to read the rules of a form
---@field config leadcat.Config to be changed
---@field newest leadcat.Config that has been saved meanwhile
---@field rows table as `settings_form` has parsed it
---@field verb string of the button
---@field trigger? string of the rule that the button is for
---@field at? integer[] the button's rule, group and condition
---@field edit leadcat.SettingsEdit
---@field reference fun(list: "category"|"lead_status", text?: string): integer? the id that a field refers to
---@field set_text fun(item: table, field: string, text?: string) in the language of the page
---@field sorted fun(rows: table<integer, any>): integer[] the numbers of the rows that are read, in order

-- Stored rules --------------------------------------------------------------------------------------------------------

local function of_trigger(rules, trigger)
  local found = {}
  for _, rule in ipairs(rules) do
    found[#found + 1] = rule.trigger == trigger and rule or nil
  end
  return found
end

-- The stored rules by identity, and by lead status; of one key in reverse order.
local function pool_of(stored)
  local pool = { by_identity = {}, by_status = {}, taken = {}, identity = {} }
  local function add(list, key, rule)
    list[key] = list[key] or {}
    table.insert(list[key], rule)
  end
  for i = #stored, 1, -1 do
    pool.identity[stored[i]] = identity(stored[i])
    add(pool.by_identity, identity(stored[i]), stored[i])
    add(pool.by_status, stored[i].lead_status or false, stored[i])
  end
  return pool
end

local function take(pool, list)
  while list and list[1] do
    local rule = table.remove(list)
    if not pool.taken[rule] then
      pool.taken[rule] = true
      return rule
    end
  end
end

-- A row that does not say which rule it is (an older page, or a program) is that of its status.
local function take_row(pool, row, status)
  if row.of == nil then
    return take(pool, pool.by_status[status or false])
  end
  return take(pool, pool.by_identity[row.of])
end

-- One rule ------------------------------------------------------------------------------------------------------------

-- A rule that is switched off without anything chosen keeps what it has.
local function set_target(reader, rule, row, on)
  local category = row.set_category
  if row.ask or category and (on or category ~= "") then
    rule.ask = row.ask ~= nil
  end
  if category == rule_form.TAKE_BACK then
    rule.take_back, rule.set_category = true, nil
  elseif category and (row.ask or on or category ~= "") then
    rule.take_back = rule.take_back and nil -- false stays
    rule.set_category = reader.reference("category", category)
  end
  rule.enabled, rule.ask = on, rule.ask == true
end

-- After how many days without a sale it applies. What is no number is for the check to refuse.
local function set_days(rule, row)
  if row.days then
    local typed = condition_row.clean(row.days)
    rule.days = typed ~= "" and (condition_row.number_of(typed) or typed) or nil
  end
end

local function read_group(reader, rows)
  local group = json.array {}
  for _, key in ipairs(reader.sorted(rows)) do
    local condition, misread = condition_row.read(rows[key])
    if condition then
      group[#group + 1] = condition
      if not rows[key].json then
        reader.edit.rows[condition], reader.edit.misread[condition] = rows[key], misread or nil
      end
    end
  end
  return group
end

local function read_groups(reader, groups)
  local when = json.array {}
  for _, key in ipairs(reader.sorted(groups or {})) do
    local group = read_group(reader, groups[key])
    when[#when + 1] = group[1] and group or nil
  end
  return when[1] and when or nil
end

local UNITS = { days = true, hours = true }

-- How long a rule waits before it decides. What is no number is for the check to refuse.
local function set_after(rule, row)
  if row.after then
    local typed = condition_row.clean(row.after)
    local unit = UNITS[row.after_unit] and row.after_unit or "days"
    rule.after = typed ~= "" and { [unit] = condition_row.number_of(typed) or typed } or nil
  end
end

-- Beyond how many changes it stops, and in how many hours. What is no number is for the check to refuse.
local function set_limit(rule, row)
  if row.limit then
    local changes, hours = condition_row.clean(row.limit), condition_row.clean(row.limit_hours or "")
    hours = hours == "" and 1 or condition_row.number_of(hours) or hours
    rule.limit = changes ~= "" and { changes = condition_row.number_of(changes) or changes, hours = hours } or nil
  end
end

local ON_EXPIRY = schema.set(config.ON_EXPIRY)

-- What becomes of a question that nobody answers.
local function set_on_expiry(rule, row)
  if row.on_expiry then
    rule.on_expiry = ON_EXPIRY[row.on_expiry] and row.on_expiry or nil
  end
end

-- What is folded away; only of a row that says that it has it.
local function set_options(reader, rule, row)
  if not row.when then
    return
  end
  rule.when = read_groups(reader, row.groups)
  if (rule.forward_only == true) ~= (row.forward_only ~= nil) then
    rule.forward_only = row.forward_only ~= nil or nil
  end
  if (rule.shadow == true) ~= (row.shadow ~= nil) then
    rule.shadow = row.shadow ~= nil or nil
  end
  set_on_expiry(rule, row)
  set_after(rule, row)
  set_limit(rule, row)
  if row.from then
    rule.from = rule_starts.read(rule.from, row.starts or {})
  end
  reader.set_text(rule, "name", row.name)
  if rule.name == "" then
    rule.name = nil
  end
end

local function new_rule(reader, trigger)
  local rule = { trigger = trigger, enabled = false, ask = false }
  reader.edit.new_rules[rule] = true
  return rule
end

local function is_blank(reader, row)
  return not reader.reference("lead_status", row.lead_status) and not reader.reference("category", row.set_category)
    and not row.ask and not row.groups
end

local function read_row(reader, row, pool, trigger, on)
  local status = trigger == STATUS_TRIGGER and reader.reference("lead_status", row.lead_status) or nil
  local rule = take_row(pool, row, status)
  if not rule then
    if row.optional and not on and is_blank(reader, row) then
      return nil
    end
    rule = new_rule(reader, trigger)
  end
  reader.edit.identities[rule] = pool.identity[rule]
  if trigger == STATUS_TRIGGER then
    reader.moved[rule] = rule.lead_status ~= status or nil
    rule.lead_status = status
  end
  set_target(reader, rule, row, on and (row.switch ~= "own" or (row.enabled or row.used) ~= nil))
  set_days(rule, row)
  set_options(reader, rule, row)
  return rule
end

-- Buttons -------------------------------------------------------------------------------------------------------------

local CHANGE = {}

-- The new condition's field: chosen from the list, or "" for one to be typed; nil while none is chosen.
local function field_of(reader, group)
  local chosen = reader.row and reader.row.add and reader.row.add[group]
  if chosen == nil or chosen == "*" then -- there is no list, or the field is none of it
    return ""
  end
  chosen = condition_row.clean(chosen)
  return chosen ~= "" and chosen or nil
end

local function add_condition(reader, rule, at, in_new_group)
  local field = field_of(reader, at[2] or 1)
  if not field then
    return { part = ("add.%d"):format(at[2] or 1) }
  end
  rule.when = rule.when or json.array {}
  local number = in_new_group and #rule.when + 1 or math.min(at[2] or 1, #rule.when + 1)
  local group = rule.when[number] or json.array {}
  rule.when[number] = group
  group[#group + 1] = { field = field, is = "equals" }
  return { part = ("when.%d.%d.%s"):format(number, #group, field == "" and "field" or "is") }
end

function CHANGE.add_condition(reader, rows, at)
  local rule = rows[at[1]]
  return rule, rule and add_condition(reader, rule, at, false)
end

function CHANGE.add_group(reader, rows, at)
  local rule = rows[at[1]]
  return rule, rule and add_condition(reader, rule, at, true)
end

function CHANGE.remove_condition(_, rows, at)
  local rule = rows[at[1]]
  local group = rule and rule.when and rule.when[at[2]]
  if not group or not group[at[3]] then
    return nil
  end
  table.remove(group, at[3])
  if not group[1] then
    table.remove(rule.when, at[2])
  end
  local last = #rule.when
  rule.when = last > 0 and rule.when or nil
  return rule, { verb = "add_condition", rest = (".%d"):format(math.max(1, math.min(at[2], last))) }
end

function CHANGE.add_rule(reader, rows, _, trigger)
  if #rows < MAX_ROWS then
    local rule = new_rule(reader, trigger)
    rule.enabled = reader.on
    rows[#rows + 1] = rule
    return rule, { part = "set_category" }
  end
end

function CHANGE.remove_rule(_, rows, at, trigger)
  if rows[at[1]] and #rows > 1 then
    table.remove(rows, at[1])
    return nil, { name = "add_rule." .. trigger }
  end
end

local function move(rows, from, to, verb)
  local rule = rows[from]
  if not rule or not rows[to] then
    return nil
  end
  rows[from], rows[to] = rows[to], rule
  local there = to == 1 and "move_down" or to == #rows and "move_up" or verb -- at an end only the other one is left
  return rule, { verb = there, rest = "" }
end

function CHANGE.move_up(_, rows, at)
  return move(rows, at[1], at[1] - 1, "move_up")
end

function CHANGE.move_down(_, rows, at)
  return move(rows, at[1], at[1] + 1, "move_down")
end

-- The name of a rule's fields.
local function prefix_of(trigger, number)
  return trigger == STATUS_TRIGGER and ("status_rule.%d"):format(number) or ("rule.%s.%d"):format(trigger, number)
end

-- Does what the button says, and notes where the work goes on.
local function press(reader, rows, trigger)
  local change = reader.trigger == trigger and CHANGE[reader.verb]
  if not change or reader.verb ~= "add_rule" and not reader.at[1] then
    return
  end
  local rule, focus = change(reader, rows, reader.at, trigger)
  reader.pressed = focus and { rule = rule, focus = focus, trigger = trigger }
end

-- The field or button where the work goes on. Rules have the numbers of their places among all of their trigger.
local function focus_of(reader)
  local focus, number = reader.pressed.focus, 1
  for i, rule in ipairs(of_trigger(reader.config.rules, reader.pressed.trigger)) do
    number = rule == reader.pressed.rule and i or number
  end
  local prefix = prefix_of(reader.pressed.trigger, number)
  local at_button = focus.verb and focus.verb .. "." .. prefix .. focus.rest
  return focus.name or at_button or prefix .. "." .. focus.part
end

-- Order ---------------------------------------------------------------------------------------------------------------

-- Puts the rows into the places of the stored rules that the form has shown and has kept, one for one, and the rest after
-- the last.
local function place(rules, rows, is_shown)
  local last, left, kept = 0, 1, {}
  local placed = json.array {}
  for i, rule in ipairs(rules) do
    last = is_shown(rule) and i or last
  end
  for _, rule in ipairs(rows) do
    kept[rule] = true
  end
  local function put(count)
    for i = left, math.min(left + count - 1, #rows) do
      placed[#placed + 1], left = rows[i], i + 1
    end
  end
  for i, rule in ipairs(rules) do
    if not is_shown(rule) then
      placed[#placed + 1] = rule
    else
      put(i == last and #rows or kept[rule] and 1 or 0)
    end
  end
  put(#rows)
  return placed
end

-- Triggers ------------------------------------------------------------------------------------------------------------

local function words_of(text)
  local found = {}
  for word in (text or ""):gmatch "%S+" do
    found[word] = true
  end
  return found
end

-- The rows of a trigger whose first rule is on its card. A program may send only that one.
local function rows_of(reader, trigger, head)
  local numbered, rows = reader.rows.rules[trigger] or {}, {}
  numbered[1] = numbered[1] or {}
  numbered[1].set_category, numbered[1].ask, numbered[1].days = head.set_category, head.ask, head.days
  for _, key in ipairs(reader.sorted(numbered)) do
    rows[#rows + 1] = numbered[key]
  end
  rows[1].optional = #rows == 1 and not (reader.verb == "add_rule" and reader.trigger == trigger)
  return rows
end

local function read_trigger(reader, trigger, head)
  local cfg, edit = reader.config, reader.edit
  local stored, on, read = of_trigger(cfg.rules, trigger), head.enabled ~= nil, {}
  local pool, rows, known = pool_of(stored), rows_of(reader, trigger, head), words_of(head.known)
  if not head.known and stored[1] then
    known = { [identity(stored[1])] = true }
    rows[1].of = rows[1].of or identity(stored[1])
  end
  reader.on = on
  for i, row in ipairs(rows) do
    read[#read + 1] = read_row(reader, row, pool, trigger, on)
    reader.row = i == reader.at[1] and reader.trigger == trigger and row or reader.row
  end
  press(reader, read, trigger)
  edit.known[trigger], edit.shown[trigger] = head.known, #read
  cfg.rules = place(cfg.rules, read, function(rule)
    return rule.trigger == trigger and (known[identity(rule)] or pool.taken[rule]) or false
  end)
  for _, rule in ipairs(head.known and not on and cfg.rules or {}) do
    rule.enabled = rule.trigger ~= trigger and rule.enabled -- also those that are not shown
  end
end

-- Lead statuses -------------------------------------------------------------------------------------------------------

local function read_status_rows(reader, pool, on)
  local read = {}
  for _, key in ipairs(reader.sorted(reader.rows.status_rule)) do
    local row = reader.rows.status_rule[key]
    row.optional = true
    local rule = read_row(reader, row, pool, STATUS_TRIGGER, on)
    read[#read + 1] = rule
    if key == reader.at[1] and reader.trigger == STATUS_TRIGGER then
      reader.row, reader.at[1] = row, rule and #read
    end
  end
  return read
end

-- Those that the form has shown; nil where it does not say, and has shown all.
local function known_of(head, pool)
  local known = head and head.known and words_of(head.known)
  return known and function(rule)
    return pool.taken[rule] or known[pool.identity[rule]] or false
  end
end

-- The rules of lead statuses that the form has, after the button, and which stored ones these are. The others follow the
-- switch. Where no row is sent, and nothing of rows, all stay.
local function status_rules(reader, stored)
  local head, rows, verb = reader.rows.rule[STATUS_TRIGGER], reader.rows.status_rule, reader.verb
  local on, was_on, pool = head ~= nil and head.enabled ~= nil, rule_form.any_on(stored), pool_of(stored)
  local is_known = known_of(head, pool)
  reader.edit.known[STATUS_TRIGGER] = head and head.known
  local any = is_known ~= nil or next(rows) ~= nil
  if not head and not any and verb ~= "add_status_rule" then
    return stored
  end
  if verb == "remove_status_rule" and reader.at[1] then
    rows[reader.at[1]] = nil
  end
  reader.on = on
  local found, left = any and read_status_rows(reader, pool, on) or stored, 0
  for _, rule in ipairs(is_known and stored or {}) do
    if not is_known(rule) then
      rule.enabled, left = rule_form.is_on(rule, on, was_on), left + 1
    end
  end
  for _, rule in ipairs(not any and found or {}) do
    rule.enabled = on
  end
  press(reader, found, STATUS_TRIGGER)
  if #found < MAX_ROWS and (verb == "add_status_rule" or on and #found + left == 0) then
    found[#found + 1] = new_rule(reader, STATUS_TRIGGER)
    found[#found].enabled = on
    if verb == "add_status_rule" then
      reader.pressed = { rule = found[#found], focus = { part = "lead_status" }, trigger = STATUS_TRIGGER }
    end
  end
  return found, is_known
end

-- Ids -----------------------------------------------------------------------------------------------------------------

-- What rules share a key with; nil while a lead status is not chosen.
local function slot_of(rule)
  if rule.trigger ~= STATUS_TRIGGER or rule.lead_status then
    return rule.trigger .. ":" .. (rule.lead_status or "")
  end
end

-- A stored rule without an id keeps its key wherever it stands: a new one beside it gets an id, above all that are
-- stored, so that the id of a rule that was just removed is not used again.
local function give_ids(reader, stored)
  local has_first, highest, used = {}, 0, {}
  for _, list in ipairs { stored, reader.newest.rules or {} } do
    for _, rule in ipairs(list) do
      highest, used[rule.id or 0] = math.max(highest, rule.id or 0), true
    end
  end
  local function needs(rule)
    return reader.edit.new_rules[rule] or reader.moved[rule]
  end
  for _, rule in ipairs(reader.config.rules) do
    local slot = slot_of(rule)
    if slot and not rule.id and not needs(rule) then
      has_first[slot] = true
    end
  end
  for _, rule in ipairs(reader.config.rules) do
    local slot = slot_of(rule)
    if slot and not rule.id and needs(rule) and has_first[slot] then
      repeat
        highest = highest < MAX_ID and highest + 1 or 1
      until not used[highest]
      rule.id, used[highest] = highest, true
    end
  end
end

--- Changes the rules of the reader's config as the form says.
---@param reader leadcat.RuleReader
---@param triggers string[]
function rule_form.read(reader, triggers)
  local cfg, edit = reader.config, reader.edit
  edit.rows, edit.misread, edit.new_rules, edit.known, edit.shown, edit.identities = {}, {}, {}, {}, {}, {}
  reader.moved = {}
  local stored = cfg.rules
  for _, trigger in ipairs(triggers) do
    if trigger ~= STATUS_TRIGGER and reader.rows.rule[trigger] then
      read_trigger(reader, trigger, reader.rows.rule[trigger])
    end
  end
  local of_status, is_known = status_rules(reader, of_trigger(cfg.rules, STATUS_TRIGGER))
  cfg.rules = place(cfg.rules, of_status, function(rule)
    return rule.trigger == STATUS_TRIGGER and (not is_known or is_known(rule))
  end)
  give_ids(reader, stored)
  edit.focus = reader.pressed and focus_of(reader) or edit.focus
end

return rule_form
