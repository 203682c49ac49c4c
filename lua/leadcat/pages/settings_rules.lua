--- The rules on the settings page: a card for each trigger, made from the trigger and its rules. The card shows what most
-- need, its first rule; one folded part below has conditions, further rules and their order.

local after = require "leadcat.rules.after"
local condition_row = require "leadcat.pages.condition_row"
local conditions = require "leadcat.words.conditions"
local config = require "leadcat.rules.config"
local fields = require "leadcat.pages.settings_fields"
local h = require "leadcat.pages.html"
local json = require "leadcat.util.json"
local limit = require "leadcat.rules.limit"
local merged = require "leadcat.util.merged"
local no_sale = require "leadcat.rules.no_sale"
local page = require "leadcat.pages.page"
local parts = require "leadcat.pages.parts"
local rule_form = require "leadcat.pages.rule_form"
local schema = require "leadcat.rules.schema"
local settings_conditions = require "leadcat.pages.settings_conditions"
local settings_starts = require "leadcat.pages.settings_starts"
local settings_window = require "leadcat.pages.settings_window"
local trials = require "leadcat.pages.trials"
local triggers = require "leadcat.rules.triggers"
local url = require "leadcat.util.url"
local wording = require "leadcat.words.wording"

local settings_rules = {}

local text, hidden, muted, checkbox = fields.text, fields.hidden, fields.muted, fields.checkbox

local STATUS_TRIGGER = "lead_status_set"
local CARDS = { "sale_won", "sale_lost", "sale_registered", STATUS_TRIGGER } -- in the order in which they are shown
local ON_CARD = schema.set { "set_category", "ask", "lead_status", "days" }
-- Folded away, also of a rule on the card.
local FOLDED = schema.set { "when", "forward_only", "after", "from", "shadow", "limit", "on_expiry" }
local ON_EXPIRY = schema.set(config.ON_EXPIRY)
local MOST = 25 -- rules of a trigger that can be changed here; the others are told
local MOST_TOLD = 100
local SUGGESTED_DAYS = 90

-- What rules there are ------------------------------------------------------------------------------------------------

-- The triggers that have a card: those that always have one, other built-in ones that a rule has, and the integrator's
-- own: those that are declared, then those that only a rule names.
local function triggers_of(form)
  local list, seen = {}, schema.set(CARDS)
  for i, trigger in ipairs(CARDS) do
    list[i] = trigger
  end
  for _, trigger in ipairs(config.TRIGGERS) do
    list[#list + 1] = not seen[trigger] and config.has_rule(form.config, trigger) and trigger or nil
  end
  for _, trigger in ipairs(triggers.together(form.own_triggers or {}, triggers.used(form.config))) do
    list[#list + 1] = trigger
  end
  return list
end

local function place_rule(form, rule, card)
  local most = math.max(MOST, form.shown[rule.trigger] or 0)
  local by_status = rule.trigger == STATUS_TRIGGER
  if not by_status and #card.rules >= most then
    card.beyond[#card.beyond + 1] = rule
    return
  end
  card.rules[#card.rules + 1] = rule
  card.on = card.on or rule.enabled == true
  local number = #card.rules
  local name = by_status and ("status_rule.%d"):format(number) or ("rule.%s.%d"):format(rule.trigger, number)
  form.place_of[rule] = { prefix = name, button = name, number = number, card = card }
end

-- Which stored rule this is.
local function identity_of(form, rule)
  return form.identities[rule] or rule_form.identity(rule)
end

-- How stored rules of lead statuses are where the form does not have them, by identity; false for those that share one.
local function kept_rules(form, on)
  local kept, was_on = {}, rule_form.any_on(form.stored.rules or {})
  for _, rule in ipairs(form.stored.rules or {}) do
    local name = rule.trigger == STATUS_TRIGGER and rule_form.identity(rule)
    if name then
      kept[name] = kept[name] == nil and json.encode(merged(rule, {
        enabled = rule_form.is_on(rule, on, was_on), ask = rule.ask == true,
      }))
    end
  end
  return kept
end

-- Chooses the rows of lead statuses that are shown.
local function choose_rows(form, card)
  local kept = form.stored and form.edit and kept_rules(form, card.on)
  card.window = settings_window.of(form, "status_rule", card.rules, MOST, function(rule)
    local status = form.by_id.lead_statuses[rule.lead_status]
    return ("%s %s"):format(status and config.text(status.name, form.language) or "",
      config.text(rule.name, form.language) or "")
  end, function(rule, position)
    return settings_window.has_focus(form, "status_rule", position) or form.new_rules[rule]
      or form.edit and not (kept and kept[identity_of(form, rule)] == json.encode(rule))
  end)
end

-- Notes the fields that conditions name already, to be offered.
local function note_fields(form, rule)
  for _, group in ipairs(type(rule.when) == "table" and rule.when or {}) do
    for _, condition in ipairs(type(group) == "table" and group or {}) do
      if type(condition) == "table" and type(condition.field) == "string" and #form.used_fields < MOST_TOLD then
        form.used_fields[#form.used_fields + 1] = condition.field
      end
    end
  end
end

--- Finds each rule's card and place.
---@param form table
---@param edit leadcat.SettingsEdit
function settings_rules.prepare(form, edit)
  form.condition_rows, form.new_rules = edit.rows or {}, merged(edit.new_rules or {})
  form.known_rules, form.shown, form.identities = edit.known or {}, edit.shown or {}, edit.identities or {}
  form.place_of, form.cards, form.used_fields, form.free_statuses = {}, {}, {}, {}
  form.triggers = triggers_of(form)
  for _, trigger in ipairs(form.triggers) do
    form.cards[trigger] = { trigger = trigger, rules = {}, beyond = {}, on = false }
  end
  for _, rule in ipairs(form.config.rules or {}) do
    local card = form.cards[rule.trigger]
    if card then
      place_rule(form, rule, card)
      note_fields(form, rule)
    end
  end
  for _, trigger in ipairs(form.triggers) do
    local card = form.cards[trigger]
    if not card.rules[1] then
      local rule = { trigger = trigger }
      form.new_rules[rule] = true
      place_rule(form, rule, card)
    end
  end
  for _, item in ipairs(form.lead_statuses) do
    form.free_statuses[#form.free_statuses + 1] = not form.usage.lead_status[item.id] and item or nil
  end
  choose_rows(form, form.cards[STATUS_TRIGGER])
  form.known_fields, form.field_list = settings_conditions.known(form)
end

-- What a rule is called beside the others of its card.
local function title_of(form, rule)
  local place, name = form.place_of[rule], wording.line(config.text(rule.name, form.language))
  local key = rule.trigger == STATUS_TRIGGER and "row" or "rule_number"
  local number = text(form, key, { number = ("%d"):format(place and place.number or 0) })
  local status = rule.lead_status
    and wording.display_name(form.by_id.lead_statuses[rule.lead_status], rule.lead_status, form.language)
  return number .. (name and ": " .. name or status and ": " .. status or "")
end

local ARROW = " \226\128\186 " -- U+203A

--- What a rule, or a condition of it, is called on the page.
---@param form table
---@param rule leadcat.Rule one that has a card
---@param condition? leadcat.Condition
---@return string
function settings_rules.label(form, rule, condition)
  local label, place = wording.rule(form, rule.trigger), form.place_of[rule]
  if not place then
    return wording.rule(form, rule.trigger, nil, rule)
  elseif rule.trigger == STATUS_TRIGGER then
    label = label .. ARROW .. text(form, "row", { number = ("%d"):format(place.number) })
  elseif #place.card.rules > 1 then
    label = label .. ARROW .. title_of(form, rule)
  end
  return condition and label .. ARROW .. settings_conditions.name(form, condition.field) or label
end

-- The names of the fields on a card, which the first rule has.
local function on_card(rule, place, field)
  if place.number == 1 and rule.trigger ~= STATUS_TRIGGER then
    return ("rule.%s.%s"):format(rule.trigger, field)
  end
  return place.prefix .. "." .. field
end

local function condition_field(form, rule, place, rest)
  local group, number, part = rest:match "^when%[(%d+)%]%[(%d+)%]%.?([%l_]*)"
  local conditions_of = group and type(rule.when) == "table" and rule.when[tonumber(group)]
  local condition = type(conditions_of) == "table" and conditions_of[tonumber(number)]
  if type(condition) == "table" then
    local control = settings_conditions.field_of(form, condition, part)
    return ("%s.when.%s.%s.%s"):format(place.prefix, group, number, control), condition
  end
  return ("add_condition.%s.%s"):format(place.button, rest:match "^when%[(%d+)%]" or "1")
end

--- The name of the field that a problem of a rule is about.
---@param form table
---@param rule leadcat.Rule
---@param rest string of the problem's path, behind the rule
---@param is_error boolean
---@return string? field, leadcat.Condition? condition
function settings_rules.field_of(form, rule, rest, is_error)
  local place = form.place_of[rule]
  local window = place and place.card.window
  if not place or window and not settings_window.reveal(window, rule, is_error) then
    return nil
  end
  local field, by_status = rest:match "^[%l_]*", rule.trigger == STATUS_TRIGGER
  local is_folded = FOLDED[field] or field == "name" and not by_status and #place.card.rules > 1
  place.card.has_messages = place.card.has_messages or is_folded or not by_status and place.number > 1
  if not is_folded then
    return on_card(rule, place, ON_CARD[field] and field or "set_category")
  elseif field == "when" then
    return condition_field(form, rule, place, rest)
  end
  return place.prefix .. "." .. (rest == "limit.hours" and "limit_hours" or field)
end

-- Parts of a rule -----------------------------------------------------------------------------------------------------

-- A category, or, of a sale that is open or gone again, that it is taken back what the sale did.
local function target(form, rule)
  local takes_back = rule.take_back == true
  local instead = (takes_back or config.TAKES_BACK[rule.trigger])
    and { value = rule_form.TAKE_BACK, name = text(form, "take_back"), chosen = takes_back } or nil
  return {
    fields.choice(form, on_card(rule, form.place_of[rule], "set_category"), text(form, "set_category"), "categories",
      rule.set_category, instead),
    instead and h.p { class = "leadcat-muted leadcat-takes-back", text(form, "takes_back") },
  }
end

local function ask(form, rule)
  return checkbox(form, on_card(rule, form.place_of[rule], "ask"), text(form, "ask"), rule.ask == true)
end

-- What is not that is for the check to refuse.
local function is_duration(number)
  return number ~= nil and schema.is_whole(number, 1, 87600)
end

-- When a rule applies, if not always, how long it waits, what becomes of its questions without an answer, how much it may do, and
-- whether it is on trial.
local function only_when(form, rule)
  local when = type(rule.when) == "table" and conditions.all(form, rule.when, form.config.categories)
  local said = { when and text(form, "only_when", { conditions = when }) or nil }
  if is_duration(after.parts(rule)) then
    said[#said + 1] = text(form, "after", { time = wording.after(form, rule) })
  end
  if rule.ask == true and ON_EXPIRY[rule.on_expiry] then
    said[#said + 1] = text(form, "without_answer_" .. rule.on_expiry)
  end
  local most = type(rule.limit) == "table" and rule.limit or {}
  if is_duration(most.hours) and schema.is_whole(most.changes, 1, 1000000) then
    said[#said + 1] = text(form, "limit_told", {
      changes = wording.number(most.changes), time = wording.duration(form, most.hours, "hours"),
    })
  end
  said[#said + 1] = rule.shadow == true and text(form, "on_trial") or nil
  return said[1] and table.concat(said, " ")
end

-- Says which stored rule this is.
local function identity(form, rule)
  return hidden(form.place_of[rule].prefix .. ".of", form.new_rules[rule] and rule_form.NEW or identity_of(form, rule))
end

-- How long it waits before it decides.
local function after_field(form, rule)
  local name, number, unit = form.place_of[rule].prefix .. ".after", after.parts(rule)
  local value = number ~= nil and condition_row.as_text(number) or ""
  local units = parts.map({ "days", "hours" }, function(one)
    return h.option { value = one, selected = one == unit, text(form, "unit_" .. one) }
  end)
  return h.div { class = "leadcat-after",
    fields.field(form, name, text(form, "after_number"), h.input(fields.attributes(form, name, {
      type = "text", inputmode = "numeric", autocomplete = "off", value = value, placeholder = " ",
    }))),
    fields.field(form, name .. "_unit", text(form, "after_unit"),
      h.select(fields.attributes(form, name .. "_unit", { units })), { hidden = true }),
  }
end

-- What becomes of a question that nobody answers in time.
local function on_expiry_field(form, rule)
  local name, chosen = form.place_of[rule].prefix .. ".on_expiry", rule.on_expiry or ""
  return fields.field(form, name, text(form, "on_expiry"), h.select(fields.attributes(form, name, {
    parts.map({ "", "accept", "decline" }, function(value)
      local key = "on_expiry_" .. (value == "" and "expire" or value)
      return h.option { value = value, selected = value == chosen, text(form, key) }
    end),
  })))
end

-- A number of its own, or nothing, with what is suggested.
local function number_field(form, name, label, value, suggested)
  return fields.field(form, name, text(form, label), h.input(fields.attributes(form, name, {
    type = "text", inputmode = "numeric", autocomplete = "off", placeholder = ("%d"):format(suggested),
    value = value ~= nil and condition_row.as_text(value) or "",
  })))
end

-- After how many days without a sale it applies.
local function days_field(form, rule)
  return rule.trigger == no_sale.TRIGGER
    and number_field(form, on_card(rule, form.place_of[rule], "days"), "days", rule.days, SUGGESTED_DAYS)
end

-- Beyond how many changes it stops, and in how many hours.
local function limit_fields(form, rule)
  local name, most = form.place_of[rule].prefix .. ".limit", type(rule.limit) == "table" and rule.limit or {}
  return h.div { class = "leadcat-pair-of",
    number_field(form, name, "limit_changes", most.changes, limit.SUGGESTED.changes),
    number_field(form, name .. "_hours", "limit_hours", most.hours, limit.SUGGESTED.hours),
  }
end

-- A rule that takes back has neither start nor rank nor time of its own: the stylesheet hides their fields where that is
-- chosen and they say nothing. What is wrongly there can be removed.
local function placing(form, rule)
  local prefix = form.place_of[rule].prefix
  return h.div { class = rule.from ~= nil and "leadcat-placing leadcat-placed" or "leadcat-placing",
    checkbox(form, prefix .. ".forward_only", text(form, "forward_only"), rule.forward_only == true),
    after_field(form, rule), settings_starts.html(form, rule, prefix),
  }
end

-- What every rule may have, whatever leads to it.
local function options(form, rule)
  local place = form.place_of[rule]
  return {
    settings_conditions.html(form, rule, { prefix = place.prefix, button = place.button, what = title_of(form, rule) }),
    placing(form, rule), on_expiry_field(form, rule), limit_fields(form, rule),
    checkbox(form, place.prefix .. ".shadow", text(form, "shadow"), rule.shadow == true),
  }
end

local function move_button(form, rule, verb, is_possible)
  local place = form.place_of[rule]
  return is_possible and fields.button(form, ("%s.%s"):format(verb, place.button), text(form, verb),
    title_of(form, rule), "leadcat-quiet leadcat-move")
end

-- In a list of several.
local function order_buttons(form, rule)
  local place = form.place_of[rule]
  return h.div { class = "leadcat-order",
    move_button(form, rule, "move_up", place.number > 1),
    move_button(form, rule, "move_down", place.number < #place.card.rules),
    fields.button(form, "remove_rule." .. place.button, text(form, "remove_rule"), title_of(form, rule),
      "leadcat-quiet"),
  }
end

-- The folded part -----------------------------------------------------------------------------------------------------

-- Whether there is more to a rule of a lead status than its row.
local function is_limited(rule)
  return rule.when ~= nil or rule.after ~= nil or rule.limit ~= nil or rule.shadow == true
end

-- What is in it, told while it is closed.
local function told(form, card)
  local rule, further = card.rules[1], #card.rules - 1 + #card.beyond
  local is_sale = card.trigger ~= STATUS_TRIGGER
  local sentence = is_sale and only_when(form, rule) or nil
  local count = is_sale and further > 0 and text(form, "further_rules", { count = ("%d"):format(further) }) or nil
  if not is_sale then
    local conditional = 0
    for _, row in ipairs(card.rules) do
      conditional = conditional + (is_limited(row) and 1 or 0)
    end
    count = conditional > 0 and text(form, "rows_with_conditions", { count = ("%d"):format(conditional) }) or nil
  end
  return (sentence or count) and h.span { class = "leadcat-muted", sentence, sentence and count and " ", count }
end

-- Whether the work goes on in there.
local function has_focus(form, card)
  local focus = form.focus or ""
  return card.has_messages or focus == "add_rule." .. card.trigger
    or focus:find("rule." .. card.trigger .. ".%d") ~= nil
    or card.trigger == STATUS_TRIGGER and (focus:find "^%l+_%l+%.status_rule" or focus:find "^status_rule%.%d+%.when"
      or focus:find "^status_rule%.%d+%.add") ~= nil
end

local function folded(form, card, ...)
  local key = card.trigger == STATUS_TRIGGER and "more_of_rows" or "more"
  local class = told(form, card) and "leadcat-more leadcat-has-more" or "leadcat-more"
  return h.details { class = class, open = has_focus(form, card),
    h.summary { h.span { class = "leadcat-more-label", text(form, key) }, " ", told(form, card) },
    h.div { class = "leadcat-more-content", ... },
  }
end

-- The rules that are too many to be changed here.
local function otherwise(form, rule)
  local called = wording.line(config.text(rule.name, form.language)) or rule.id and ("#%d"):format(rule.id) or ""
  local category = wording.name_of(form.config.categories, rule.set_category, form.language)
  local days = no_sale.days(rule)
  return h.li { text(form, "rule_otherwise", { rule = called, category = category }), " ",
    days and text(form, "days_told", { number = condition_row.as_text(days) }) .. " ", only_when(form, rule) }
end

local function beyond(form, card)
  if not card.beyond[1] then
    return nil
  end
  local items = {}
  for i = 1, math.min(#card.beyond, MOST_TOLD) do
    items[i] = otherwise(form, card.beyond[i])
  end
  return h.div { class = "leadcat-beyond",
    muted(text(form, "rules_beyond", { count = ("%d"):format(#card.beyond) }), " ",
      h.a { href = page.address(form, "/api/config"), text(form, "rules_as_json") }),
    h.ul { items, #card.beyond > MOST_TOLD and h.li { "\226\128\166" } }, -- U+2026
  }
end

-- Rules of their own --------------------------------------------------------------------------------------------------

-- Whether a rule of several is used while its card is switched on.
local function used(form, rule)
  local place = form.place_of[rule]
  return { hidden(place.prefix .. ".switch", "own"), checkbox(form, place.prefix .. ".used", text(form, "rule_used"),
    rule.enabled == true or not place.card.on) }
end

local function name_field(form, rule)
  return fields.text_field(form, form.place_of[rule].prefix .. ".name", text(form, "rule_name"),
    config.text(rule.name, form.language))
end

local function one_of_several(form, rule)
  local is_first = form.place_of[rule].number == 1
  return h.fieldset { class = "leadcat-part",
    h.legend { class = "leadcat-part-title", title_of(form, rule) },
    identity(form, rule), order_buttons(form, rule),
    used(form, rule),
    is_first and muted(text(form, "first_rule")),
    h.div { class = "leadcat-pair-of", name_field(form, rule), not is_first and target(form, rule) },
    not is_first and { days_field(form, rule), ask(form, rule) },
    options(form, rule),
  }
end

-- Those that this page knows: one that is not sent with the form was removed.
local function known(form, card)
  local all, seen, there = {}, {}, {}
  local function add(name)
    all[#all + 1], seen[name] = not seen[name] and name or nil, true
  end
  for _, rule in ipairs(card.rules) do
    local name = not form.new_rules[rule] and identity_of(form, rule)
    there[name] = true
    if name and (not card.window or card.window.shown[rule]) then
      add(name)
    end
  end
  for name in (form.known_rules[card.trigger] or ""):gmatch "%S+" do
    if not there[name] then
      add(name)
    end
  end
  for _, rule in ipairs(card.window and form.stored and form.stored.rules or {}) do
    local name = rule_form.identity(rule)
    if rule.trigger == card.trigger and not there[name] then
      add(name) -- it is not in the config that is shown
    end
  end
  return hidden(("rule.%s.known"):format(card.trigger), table.concat(all, " "))
end

local function further_rules(form, card)
  local rules = card.rules
  return folded(form, card, known(form, card),
    rules[2] and parts.map(rules, function(rule) return one_of_several(form, rule) end)
      or { identity(form, rules[1]), options(form, rules[1]) },
    beyond(form, card),
    h.p { class = "leadcat-add-rule",
      fields.button(form, "add_rule." .. card.trigger, text(form, "add_rule"), nil, "leadcat-add") })
end

-- Rows of lead statuses -----------------------------------------------------------------------------------------------

-- A row has a switch of its own only when it is off while others are on.
local function status_row(form, rule)
  local place = form.place_of[rule]
  local own_switch = place.card.on and not rule.enabled
  return h.fieldset { class = "leadcat-row leadcat-status-row",
    h.legend { class = "leadcat-hidden", text(form, "row", { number = ("%d"):format(place.number) }) },
    fields.choice(form, place.prefix .. ".lead_status", text(form, "lead_status"), "lead_statuses", rule.lead_status),
    target(form, rule),
    fields.button(form, ("remove_status_rule.%d"):format(place.number), text(form, "remove_row"), nil,
      "leadcat-quiet"),
    ask(form, rule), identity(form, rule),
    own_switch and {
      hidden(place.prefix .. ".switch", "own"),
      checkbox(form, place.prefix .. ".enabled", text(form, "row_enabled"), false),
    },
  }
end

local function status_part(form, rule)
  local place = form.place_of[rule]
  return h.fieldset { class = "leadcat-part leadcat-status-part",
    h.legend { class = "leadcat-part-title", title_of(form, rule) },
    h.div { class = "leadcat-order",
      move_button(form, rule, "move_up", place.number > 1),
      move_button(form, rule, "move_down", place.number < #place.card.rules),
    },
    options(form, rule),
  }
end

local function status_details(form, card)
  local window = card.window
  local shown = settings_window.map(window, card.rules, function(rule) return status_row(form, rule) end)
  return {
    known(form, card),
    window.is_paged and settings_window.search(form, "status_rule", window),
    h.div { class = "leadcat-rows", id = "leadcat-status_rule-rows", shown },
    window.is_paged and settings_window.pages(form, "status_rule", window),
    h.p { class = "leadcat-add-row",
      fields.button(form, "add_status_rule", text(form, "add_row"), nil, "leadcat-add") },
    folded(form, card, settings_window.map(window, card.rules, function(rule) return status_part(form, rule) end)),
  }
end

-- Cards ---------------------------------------------------------------------------------------------------------------

local function card_html(form, card, details)
  local name = ("rule.%s.enabled"):format(card.trigger)
  local attributes = { class = "leadcat-switch", type = "checkbox", role = "switch", value = "on", checked = card.on }
  return h.div { class = "leadcat-card leadcat-rule", data_leadcat_rule = card.trigger,
    h.p { class = "leadcat-switch-line",
      h.input(fields.attributes(form, name, attributes)), " ",
      h.label { ["for"] = fields.id_of(name), wording.rule(form, card.trigger) },
    },
    h.div { class = "leadcat-details", details },
  }
end

-- What the card's rules on trial would have done, with the way to more.
local function on_trial(form, card)
  local rows = {}
  for _, row in ipairs(form.trials and form.trials.rules or {}) do
    rows[row.rule] = row
  end
  return parts.map(card.rules, function(rule)
    local row = rule.shadow == true and rows[config.rule_key(rule.trigger, rule.lead_status, rule.id)]
    local name = #card.rules > 1 and title_of(form, rule) .. ". "
    return row and (not card.window or card.window.shown[rule])
      and muted(name, trials.told(form, row, form.trials.days), " ", h.a {
      href = page.address(form, "/trials?rule=" .. url.escape(row.rule)), wording.sentence(form, "trials.title"),
    })
  end)
end

local function details_of(form, card)
  if card.trigger == STATUS_TRIGGER then
    return { on_trial(form, card), status_details(form, card) }
  end
  local rule = card.rules[1]
  return {
    on_trial(form, card), days_field(form, rule),
    rule.trigger == no_sale.TRIGGER and muted(text(form, "days_hint")),
    target(form, rule), ask(form, rule), further_rules(form, card),
  }
end

--- The section with a card for each trigger.
---@param form table
---@return leadcat.html.Node
function settings_rules.section(form)
  return h.section { aria_labelledby = "leadcat-rules",
    h.h2 { id = "leadcat-rules", text(form, "rules") },
    muted(text(form, "rules_hint")),
    parts.map(form.triggers, function(trigger)
      local card = form.cards[trigger]
      return card_html(form, card, details_of(form, card))
    end),
    settings_conditions.datalist(form),
  }
end

return settings_rules
