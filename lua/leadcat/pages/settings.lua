--- The settings tab: rules, categories and lead statuses as one form that works without JavaScript. `settings_form.lua`
-- reads it and lists its fields; web/settings.js saves round trips. Configs that cannot be saved are shown, too.

local conditions = require "leadcat.words.conditions"
local config = require "leadcat.rules.config"
local h = require "leadcat.pages.html"
local page = require "leadcat.pages.page"
local parts = require "leadcat.pages.parts"
local report = require "leadcat.pages.report"
local schema = require "leadcat.rules.schema"
local triggers = require "leadcat.rules.triggers"
local wording = require "leadcat.words.wording"

local settings = {}

---@class leadcat.SettingsModel: leadcat.Words
---@field config leadcat.Config to show; may have errors
---@field revision integer that it was made from
---@field edit? leadcat.SettingsEdit of the submitted form, from `settings_form.read`; nil for a fresh page
---@field own_triggers? string[] the integrator's own that the store knows; each has a card
---@field problems? leadcat.Problem[] errors that prevented saving, and warnings
---@field changes? string[] what somebody else has saved meanwhile
---@field tried? {report: leadcat.Comparison, before: leadcat.Config, after: leadcat.Config, complete: boolean} what the form would do; complete: the journal has all events
---@field saved? integer the revision that was saved just now
---@field licensed? boolean false: nothing can be saved
---@field base? string path that leadcat is served at; default "/leadcat"

---@class leadcat.SettingsPage: leadcat.SettingsModel
---@field categories leadcat.Category[] in the order in which they are shown
---@field lead_statuses leadcat.LeadStatus[]
---@field by_id table<string, table<integer, leadcat.LeadStatus>> by list and id
---@field rows leadcat.Rule[] those of lead statuses
---@field row_of table<leadcat.Rule, integer>
---@field messages table<string, {text: string, error: boolean}[]> by the name of the field that they are about
---@field problem_items table<"error"|"warning", leadcat.html.Node[]>
---@field added table<string, table<integer, true>>
---@field focus? string

local STATUS_TRIGGER = "lead_status_set"
-- In the order in which they are shown, the first ones always, the others when the config has a rule of theirs.
local TRIGGERS = { "sale_won", "sale_lost", "sale_registered", STATUS_TRIGGER }
local MORE_TRIGGERS = { "sale_reopened", "sale_deleted" }
local TRIGGER = schema.set(config.TRIGGERS)
local LISTS = { categories = "category", lead_statuses = "lead_status" }
local FIELDS = { -- on the page, by list
  category = { name = true, group = true, lead_status = true },
  lead_status = { name = true, description = true },
  rule = { set_category = true, ask = true, lead_status = true },
}
local FEW = 100 -- lead statuses of which each row offers all
local TEMPLATE_ROW = 0 -- the number of a template's row; rows that are sent begin at 1

local function text(form, key, values)
  return wording.sentence(form, "settings." .. key, values)
end

local function id_of(name)
  return "leadcat-" .. name:gsub("%.", "-")
end

-- An item's name, or what to call it while it has none.
local function name_of(form, item)
  return wording.line(config.name(item, form.language)) or text(form, "unnamed")
end

-- Problems ------------------------------------------------------------------------------------------------------------

local function rule_field(form, rule, field)
  local row = form.row_of[rule]
  field = FIELDS.rule[field] and field or "set_category"
  if row then
    return ("status_rule.%d.%s"):format(row, field)
  end
  return ("rule.%s.%s"):format(rule.trigger, field)
end

local function rule_label(form, rule)
  local row = form.row_of[rule]
  local label = wording.rule(form, rule.trigger)
  return row and label .. " \226\128\186 " .. text(form, "row", { number = ("%d"):format(row) }) or label -- U+203A
end

-- What a problem is about, and the name of its field where the page has one.
---@return string? subject, string? field
local function subject_of(form, problem)
  local list, position, field = problem.path:match "^([%l_]+)%[(%d+)%]%.?([%l_]*)"
  local part = list and form.config[list] and form.config[list][tonumber(position)]
  if not part then
    return nil
  elseif list ~= "rules" then
    local kind = LISTS[list]
    field = FIELDS[kind][field] and field or "name"
    return name_of(form, part), not part.deleted and ("%s.%d.%s"):format(kind, part.id, field) or nil
  elseif TRIGGER[part.trigger] or config.is_own_trigger(part.trigger) then
    return rule_label(form, part), rule_field(form, part, field)
  end
end

-- The codes of problems that have words of their own.
local MESSAGES = {
  duplicate_id = true, name_required = true, unknown_group = true, lead_status_outside_potential_customer = true,
  unknown_trigger = true, category_required = true, category_unknown = true, category_deleted = true,
  lead_status_required = true, lead_status_unknown = true, lead_status_deleted = true,
  duplicate_name = true, wrong_type = true, out_of_range = true, rule_never_fires = true, category_dead_end = true,
  conditions_required = true, unknown_is = true, field_invalid = true, value_required = true, too_many = true,
  too_long = true, from_required = true, rule_unreachable = true, forward_only_blocks = true, rank_missing = true,
  conditions_exclude = true, condition_never_holds = true, type_differs = true,
  take_back_trigger = true, take_back_alone = true,
}
local WITH_EXAMPLE = { rule_hidden = true, rule_cycle = true, rule_can_cycle = true, rule_chain = true }

-- The names for a warning's example: the company's category, the rule that applies there, and the rule's target.
local function names_of(form, example)
  local key = config.rule_key(example.trigger, example.lead_status)
  for _, rule in ipairs(form.config.rules) do
    if config.rule_key(rule.trigger, rule.lead_status) == key then
      return {
        rule = wording.rule(form, rule.trigger, rule.lead_status
          and wording.name_of(form.lead_statuses, rule.lead_status, form.language)),
        category = wording.name_of(form.categories, example.category, form.language),
        target = wording.name_of(form.categories, rule.set_category, form.language),
      }
    end
  end
end

local function message_of(form, problem)
  local names = WITH_EXAMPLE[problem.code] and problem.example and names_of(form, problem.example)
  if names or MESSAGES[problem.code] then
    return text(form, "problem." .. problem.code, names)
  end
  return wording.line(problem.message) or problem.code
end

-- Words all problems: as items of a list by severity, each linked to its field, and as messages beside the fields.
local function add_problems(form)
  for _, problem in ipairs(form.problems or {}) do
    if problem.code ~= "unknown_field" then -- which the page cannot repair
      local subject, field = subject_of(form, problem)
      local message, items = message_of(form, problem), form.problem_items[problem.severity]
      local link = field and h.a { href = "#" .. id_of(field), h.bdi { subject } } or subject and h.bdi { subject }
      items[#items + 1] = h.li { link, link and ": ", message }
      if field then
        local messages = form.messages[field] or {}
        messages[#messages + 1] = { text = message, error = problem.severity == "error" }
        form.messages[field] = messages
      end
    end
  end
end

-- Fields --------------------------------------------------------------------------------------------------------------

-- The attributes of a field; `more` has those of its kind.
local function field_attributes(form, name, more)
  local attributes, messages = more or {}, form.messages[name]
  attributes.id, attributes.name = id_of(name), name
  attributes.autofocus = form.focus == name or nil
  if messages then
    attributes.aria_describedby = id_of(name) .. "-problem"
    for _, message in ipairs(messages) do
      attributes.aria_invalid = attributes.aria_invalid or message.error and "true" or nil
    end
  end
  return attributes
end

local function messages_of(form, name)
  local messages = form.messages[name]
  if not messages then
    return nil
  end
  local texts, class = {}, "leadcat-note"
  for i, message in ipairs(messages) do
    texts[i] = message.text
    class = message.error and "leadcat-problem" or class
  end
  return h.span { class = class, id = id_of(name) .. "-problem", table.concat(texts, " ") }
end

local function field(form, name, label, control)
  return h.p { class = "leadcat-field",
    h.label { ["for"] = id_of(name), label }, " ", control, messages_of(form, name),
  }
end

local function checkbox(form, name, label, checked)
  return h.p { class = "leadcat-check",
    h.input(field_attributes(form, name, { type = "checkbox", value = "on", checked = checked })), " ",
    h.label { ["for"] = id_of(name), label }, messages_of(form, name),
  }
end

local function text_field(form, name, label, value, required)
  return field(form, name, label, h.input(field_attributes(form, name, {
    type = "text", value = value or "", required = required, dir = "auto", autocomplete = "off",
  })))
end

local function hidden(name, value)
  return h.input { type = "hidden", name = name, value = value }
end

-- A button that changes the form and shows it again. A screen reader says `what` after the label.
local function button(form, value, label, what, class)
  return h.button { class = class, type = "submit", id = id_of(value), name = "do", value = value,
    autofocus = form.focus == value or nil,
    label, what and h.span { class = "leadcat-hidden", " ", h.bdi { what } },
  }
end

-- Lists to choose from ------------------------------------------------------------------------------------------------

local function option(item, label, chosen)
  return h.option { value = item.id, dir = "auto", selected = item.id == chosen, label }
end

-- A chosen item that is deleted or unknown stays in the list, marked, until something else is chosen.
local function lost_option(form, list, chosen)
  local item = chosen and form.by_id[list][chosen]
  if not chosen or item and not item.deleted then
    return nil
  end
  local name = item and name_of(form, item) or ("#%d"):format(chosen)
  return option({ id = chosen }, text(form, item and "deleted_mark" or "unknown_mark", { name = name }), chosen)
end

local function options_in(form, chosen, group)
  local options = {}
  for _, item in ipairs(form.categories) do
    if not item.deleted and item.group == group then
      options[#options + 1] = option(item, name_of(form, item), chosen)
    end
  end
  return options
end

local function category_options(form, chosen)
  return parts.map(wording.GROUPS, function(group)
    local options = options_in(form, chosen, group)
    return options[1] and h.optgroup { label = wording.sentence(form, "group." .. group), options }
  end)
end

-- Where there are many statuses, a row offers its own and those without a rule: all of them in each would be too many.
local function status_options(form, chosen)
  local options = {}
  for _, item in ipairs(form.lead_statuses) do
    local offered = #form.lead_statuses <= FEW or item.id == chosen or not form.has_rule[item.id]
    if offered and not item.deleted then
      options[#options + 1] = option(item, name_of(form, item), chosen)
    end
  end
  return options
end

local function choice(form, name, label, list, chosen)
  local options = (list == "categories" and category_options or status_options)(form, chosen)
  return field(form, name, label, h.select(field_attributes(form, name, { required = true, data_leadcat_list = list,
    h.option { value = "", selected = not chosen, text(form, "choose_" .. LISTS[list]) }, options,
    lost_option(form, list, chosen),
  })))
end

local function target(form, prefix, rule)
  return choice(form, prefix .. ".set_category", text(form, "set_category"), "categories", rule.set_category)
end

local function ask(form, prefix, rule)
  return checkbox(form, prefix .. ".ask", text(form, "ask"), rule.ask == true)
end

-- Rules ---------------------------------------------------------------------------------------------------------------

-- `beyond` is seen whether the rule is switched on or not.
local function rule_card(form, trigger, enabled, details, beyond)
  local name = ("rule.%s.enabled"):format(trigger)
  local attributes = { class = "leadcat-switch", type = "checkbox", role = "switch", value = "on", checked = enabled }
  return h.div { class = "leadcat-card leadcat-rule", data_leadcat_rule = trigger,
    h.p { class = "leadcat-switch-line",
      h.input(field_attributes(form, name, attributes)), " ",
      h.label { ["for"] = id_of(name), wording.rule(form, trigger) },
    },
    h.div { class = "leadcat-details", details }, beyond,
  }
end

local function find_rule(form, trigger)
  for _, rule in ipairs(form.config.rules or {}) do
    if rule.trigger == trigger then
      return rule
    end
  end
  return { trigger = trigger }
end

local function muted(...)
  return h.p { class = "leadcat-muted", ... }
end

-- When a rule applies, if not always, and how long it waits, if at all.
local function only_when(form, rule)
  local when = rule.when and conditions.all(form, rule.when, form.config.categories)
  local said = { when and text(form, "only_when", { conditions = when }) or nil }
  said[#said + 1] = rule.after and text(form, "after", { time = wording.after(form, rule) }) or nil
  return said[1] and table.concat(said, " ")
end

local function otherwise(form, rule)
  local called = wording.line(config.text(rule.name, form.language)) or rule.id and ("#%d"):format(rule.id) or ""
  local category = wording.name_of(form.config.categories, rule.set_category, form.language)
  return muted(text(form, "rule_otherwise", { rule = called, category = category }), " ", only_when(form, rule))
end

-- What the form does not change: the conditions of a rule, and the enabled rules of its trigger behind it.
local function beyond(form, rule)
  local said, is_behind = only_when(form, rule), false
  local notes = { said and muted(said) or nil }
  for _, other in ipairs(form.config.rules or {}) do
    if is_behind and other.enabled == true and other.trigger == rule.trigger then
      notes[#notes + 1] = otherwise(form, other)
    end
    is_behind = is_behind or other == rule
  end
  return notes[1] and h.div { class = "leadcat-beyond", notes, muted(text(form, "rules_elsewhere")) }
end

-- The form keeps that a rule takes back, and changes whether it asks.
local function takes_back(form, prefix)
  return { muted(text(form, "takes_back")), hidden(prefix .. ".take_back", "on") }
end

local function sale_card(form, trigger)
  local rule, prefix = find_rule(form, trigger), "rule." .. trigger
  local details = { rule.take_back and takes_back(form, prefix) or target(form, prefix, rule), ask(form, prefix, rule) }
  return rule_card(form, trigger, rule.enabled == true, details, beyond(form, rule))
end

-- A row has a switch of its own only when it is off while others are on.
local function status_row(form, number, rule, own_switch)
  local prefix = ("status_rule.%d"):format(number)
  local label = text(form, "row", { number = ("%d"):format(number) })
  return h.fieldset { class = "leadcat-row leadcat-status-row",
    h.legend { class = "leadcat-hidden", label },
    choice(form, prefix .. ".lead_status", text(form, "lead_status"), "lead_statuses", rule.lead_status),
    target(form, prefix, rule),
    button(form, ("remove_status_rule.%d"):format(number), text(form, "remove_row"), nil, "leadcat-quiet"),
    ask(form, prefix, rule),
    only_when(form, rule) and muted(only_when(form, rule)),
    own_switch and {
      hidden(prefix .. ".switch", "own"), checkbox(form, prefix .. ".enabled", text(form, "row_enabled"), false),
    },
  }
end

local function template(name, row)
  return h.template { id = id_of(name .. "-template"), row }
end

local function status_card(form)
  local on = false
  for _, rule in ipairs(form.rows) do
    on = on or rule.enabled == true
  end
  return rule_card(form, STATUS_TRIGGER, on, {
    h.div { class = "leadcat-rows", id = "leadcat-status_rule-rows", parts.map(form.rows, function(rule, i)
      return status_row(form, i, rule, on and not rule.enabled)
    end) },
    template("status_rule", status_row(form, TEMPLATE_ROW, {})),
    h.p { button(form, "add_status_rule", text(form, "add_row"), nil, "leadcat-add") },
  })
end

-- The integrator's triggers: those that are declared, then those that only a rule names.
local function own_triggers(form)
  return triggers.together(form.own_triggers or {}, triggers.used(form.config))
end

local function rules(form)
  return h.section { aria_labelledby = "leadcat-rules",
    h.h2 { id = "leadcat-rules", text(form, "rules") },
    h.p { class = "leadcat-muted", text(form, "rules_hint") },
    parts.map(TRIGGERS, function(trigger)
      return trigger == STATUS_TRIGGER and status_card(form) or sale_card(form, trigger)
    end),
    parts.map(MORE_TRIGGERS, function(trigger)
      return config.has_rule(form.config, trigger) and sale_card(form, trigger)
    end),
    parts.map(own_triggers(form), function(trigger) return sale_card(form, trigger) end),
  }
end

-- Categories and lead statuses ----------------------------------------------------------------------------------------

local function group_field(form, prefix, category)
  local options = parts.map(wording.GROUPS, function(group)
    return h.option { value = group, selected = category.group == group, wording.sentence(form, "group." .. group) }
  end)
  local control = h.select(field_attributes(form, prefix .. ".group", options))
  return field(form, prefix .. ".group", text(form, "group"), control)
end

local ITEM = {}

function ITEM.category(form, prefix, category)
  return {
    group_field(form, prefix, category),
    checkbox(form, prefix .. ".lead_status", text(form, "enable_lead_status"), category.lead_status == true),
  }
end

function ITEM.lead_status(form, prefix, status)
  local description = config.text(status.description, form.language)
  return text_field(form, prefix .. ".description", text(form, "description"), description)
end

local function item_row(form, kind, item, is_new)
  local prefix = ("%s.%d"):format(kind, item.id)
  local name = is_new and text(form, "unnamed") or name_of(form, item)
  return h.fieldset { class = "leadcat-row leadcat-item leadcat-item-" .. kind,
    h.legend { class = "leadcat-hidden", h.bdi { name } },
    is_new and hidden(prefix .. ".new", "1"),
    text_field(form, prefix .. ".name", text(form, "name"), config.name(item, form.language), true),
    ITEM[kind](form, prefix, item),
    button(form, ("delete_%s.%d"):format(kind, item.id), text(form, "delete"), name, "leadcat-quiet"),
  }
end

-- The fields of a deleted item stay in the form, in case it is restored.
local function deleted_row(form, kind, item)
  local prefix, name = ("%s.%d"):format(kind, item.id), name_of(form, item)
  local is_category = kind == "category"
  return h.li {
    h.bdi { name }, " ",
    hidden(prefix .. ".deleted", "1"),
    hidden(prefix .. ".name", config.name(item, form.language) or ""),
    is_category and hidden(prefix .. ".group", item.group),
    is_category and item.lead_status and hidden(prefix .. ".lead_status", "on"),
    not is_category and hidden(prefix .. ".description", config.text(item.description, form.language) or ""),
    button(form, ("restore_%s.%d"):format(kind, item.id), text(form, "restore"), name, "leadcat-quiet"),
  }
end

local function item_section(form, list, hint)
  local kind, rows, deleted = LISTS[list], {}, {}
  for _, item in ipairs(form[list]) do
    if item.deleted then
      deleted[#deleted + 1] = deleted_row(form, kind, item)
    else
      rows[#rows + 1] = item_row(form, kind, item, form.added[kind][item.id])
    end
  end
  local title, empty = id_of(list), { id = TEMPLATE_ROW, name = "", group = wording.GROUPS[1] }
  return h.section { aria_labelledby = title,
    h.h2 { id = title, text(form, list) },
    hint and h.p { class = "leadcat-muted", hint },
    h.div { class = "leadcat-card",
      h.div { class = "leadcat-rows", id = id_of(kind .. "-rows"), rows },
      template(kind, item_row(form, kind, empty, true)),
      h.p { button(form, "add_" .. kind, text(form, "add_" .. kind), nil, "leadcat-add") },
      deleted[1] and h.details { class = "leadcat-deleted",
        h.summary { text(form, "deleted_" .. list, { count = ("%d"):format(#deleted) }) },
        h.ul { deleted },
      },
    },
  }
end

-- Messages above the form ---------------------------------------------------------------------------------------------

local function alert(title, items, after)
  return h.div { class = "leadcat-alert", role = "alert", tabindex = -1,
    h.p { h.strong { title } }, h.ul { items }, after,
  }
end

local function errors(form)
  local items = form.problem_items.error
  return items[1] and alert(text(form, "not_saved"), items)
end

local function warnings(form)
  local items = form.problem_items.warning
  return items[1] and h.div { class = "leadcat-notice", h.p { h.strong { text(form, "warnings") } }, h.ul { items } }
end

local function changes(form)
  local sentences = form.changes
  if sentences then
    local items = parts.items(sentences[1] and sentences or { text(form, "changed_nothing") })
    return alert(text(form, "changed"), items, h.p { text(form, "changed_hint") })
  end
end

-- What the form would do; the reasons are folded away.
local function tried(form)
  if not form.tried then
    return nil
  elseif form.tried.report.events == 0 then
    return h.p { class = "leadcat-notice", role = "status", tabindex = -1, text(form, "tried_nothing") }
  end
  local model = {
    report = form.tried.report, before = form.tried.before, after = form.tried.after, strings = form.strings,
    language = form.language, level = 2,
  }
  local reasons = report.reasons(model)
  return h.section { class = "leadcat-tried", tabindex = -1, aria_labelledby = "leadcat-answer",
    report.answer(model),
    reasons and h.details { h.summary { text(form, "tried_reasons") }, reasons },
    h.p { class = "leadcat-muted", text(form, "tried", { events = wording.number(model.report.events) }),
      not form.tried.complete and { " ", text(form, "tried_note") },
    },
  }
end

-- The whole -----------------------------------------------------------------------------------------------------------

-- By rank (items without one come last), then in the given order.
local function ranked(items)
  local sorted, position = {}, {}
  for i, item in ipairs(items or {}) do
    sorted[i], position[item] = item, i
  end
  table.sort(sorted, function(a, b)
    local rank_a, rank_b = a.rank or math.huge, b.rank or math.huge
    return rank_a < rank_b or rank_a == rank_b and position[a] < position[b]
  end)
  return sorted
end

local function by_id(items)
  local found = {}
  for _, item in ipairs(items) do
    found[item.id] = item
  end
  return found
end

local function new_form(model)
  local edit = model.edit or { added = {} }
  local form = setmetatable({
    messages = {}, problem_items = { error = {}, warning = {} }, rows = {}, row_of = {}, has_rule = {},
    focus = edit.focus,
  }, { __index = model })
  form.added = { category = edit.added.category or {}, lead_status = edit.added.lead_status or {} }
  form.categories, form.lead_statuses = ranked(model.config.categories), ranked(model.config.lead_statuses)
  form.by_id = { categories = by_id(form.categories), lead_statuses = by_id(form.lead_statuses) }
  for _, rule in ipairs(model.config.rules or {}) do
    if rule.trigger == STATUS_TRIGGER then
      form.rows[#form.rows + 1] = rule
      form.row_of[rule] = #form.rows
      form.has_rule[rule.lead_status or 0] = true
    end
  end
  form.rows[1] = form.rows[1] or { trigger = STATUS_TRIGGER }
  add_problems(form)
  return form
end

local function bar(form)
  return h.div { class = "leadcat-bar",
    h.p { class = "leadcat-actions",
      h.button { class = "leadcat-primary", type = "submit", name = "do", value = "save", text(form, "save") }, " ",
      h.button { type = "submit", name = "do", value = "cancel", text(form, "cancel") }, " ",
      h.button { type = "submit", name = "do", value = "try", text(form, "try") },
    },
    h.p { class = "leadcat-hint leadcat-muted", id = "leadcat-hint", aria_live = "polite" },
  }
end

local function sections(form)
  return {
    rules(form),
    item_section(form, "categories", text(form, "categories_hint")),
    item_section(form, "lead_statuses"),
  }
end

local function form_element(form)
  local dirty = form.edit or form.changes
  return h.form { class = "leadcat-settings", method = "post", action = page.address(form, "/settings"),
    novalidate = true, autocomplete = "off", data_leadcat_edited = dirty and "true" or nil,
    data_leadcat_unsaved = text(form, "unsaved"), data_leadcat_unnamed = text(form, "unnamed"),
    data_leadcat_row = text(form, "row", { number = "{number}" }),
    data_leadcat_category = form.strings:text(form.language, "settings.missing_category", { rule = "{rule}" }),
    data_leadcat_status = form.strings:text(form.language, "settings.missing_lead_status", { rule = "{rule}" }),
    -- Enter in a field presses the first button of the form; the visible one is at the end.
    h.button { class = "leadcat-hidden", type = "submit", name = "do", value = "save", tabindex = -1,
      aria_hidden = "true", text(form, "save"),
    },
    hidden("revision", form.revision or 0), sections(form), bar(form),
  }
end

local function document(model, scripts, ...)
  return page.document {
    title = text(model, "title"), language = model.language, base = model.base, scripts = scripts,
    main = { h.p { class = "leadcat-path", text(model, "path") }, h.h1 { text(model, "title") }, ... },
  }
end

local function check(model, name)
  if type(model) ~= "table" or type(model.strings) ~= "table" then
    error(("settings.%s: a model with strings expected"):format(name), 3)
  end
end

--- The page of the settings.
---@param model leadcat.SettingsModel
---@return string
function settings.html(model)
  check(model, "html")
  local form = new_form(model)
  if model.licensed == false then -- everything is shown, nothing can be changed
    return document(model, nil, h.p { class = "leadcat-alert", role = "alert", text(model, "unlicensed") },
      h.fieldset { class = "leadcat-settings leadcat-plain", disabled = true,
        h.legend { class = "leadcat-hidden", text(model, "title") }, sections(form),
      })
  end
  return document(model, { "settings.js" }, parts.said(model.saved and text(model, "saved") or nil), errors(form),
    changes(form), warnings(form), tried(form), form_element(form))
end

--- The page for a user who may not see the settings.
---@param model leadcat.Words and `base`
---@return string
function settings.forbidden(model)
  check(model, "forbidden")
  return document(model, nil, h.p { class = "leadcat-alert", text(model, "forbidden") })
end

return settings
