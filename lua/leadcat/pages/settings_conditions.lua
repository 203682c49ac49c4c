--- When a rule applies, as fields: groups of conditions, of which any group, and in it all conditions, must hold. What a
-- condition compares is chosen when it is added; then its row has what fits: a number, a list of options, yes or no.
-- A field that nobody has described (`host.fields`) is typed, with the type of its value beside it.

local condition_row = require "leadcat.pages.condition_row"
local conditions = require "leadcat.rules.conditions"
local config = require "leadcat.rules.config"
local fields = require "leadcat.pages.settings_fields"
local h = require "leadcat.pages.html"
local json = require "leadcat.util.json"
local merged = require "leadcat.util.merged"
local parts = require "leadcat.pages.parts"
local schema = require "leadcat.rules.schema"
local wording = require "leadcat.words.wording"
local words = require "leadcat.words.conditions"

local settings_conditions = {}

local text, hidden, attributes = fields.text, fields.hidden, fields.attributes

local OWN = { "category", "category.rank" } -- the fields that every company has
-- What is offered while no field is described.
local USUAL = { "sale.id", "sale.name", "sale.amount", "contact.id", "contact.name", "actor.id", "actor.name" }
local OTHER = "*" -- in the list of fields: one that is typed
local TYPES = { "text", "number", "boolean" }

-- How a field of each type can be compared.
local IS = {
  number = { "equals", "not_equals", "at_least", "at_most", "above", "below", "one_of", "none_of", "known", "unknown" },
  text = { "equals", "not_equals", "one_of", "none_of", "contains", "starts_with", "known", "unknown" },
  boolean = { "equals", "not_equals", "known", "unknown" },
  date = { "equals", "not_equals", "at_least", "at_most", "above", "below", "known", "unknown" },
  list = { "equals", "not_equals", "one_of", "none_of", "all_one_of", "contains", "known", "unknown" },
  options = { "equals", "not_equals", "one_of", "none_of", "known", "unknown" },
}
local ORDERS = schema.set { "at_least", "at_most", "above", "below" }

-- Fields --------------------------------------------------------------------------------------------------------------

---@class leadcat.KnownField
---@field field string
---@field name string in the language of the page
---@field type? string
---@field row_type? string of a value in a row; nil: it has to be chosen
---@field options? {value: string, name: string}[]

local function options_of(form, field)
  return field.options and parts.map(field.options, function(option)
    local value = condition_row.as_text(option.value)
    return { value = value, name = wording.line(config.text(option.name, form.language)) or value }
  end)
end

local ROW_TYPE = { number = "number", text = "text", boolean = "boolean", date = "text" }

local function described(form, field)
  local options = options_of(form, field)
  local of_list = options and type(field.options[1].value) == "number" and "number" or options and "text"
  return {
    field = field.field, type = field.type, options = options,
    name = wording.line(config.text(field.name, form.language)) or wording.line(field.field) or "?",
    row_type = ROW_TYPE[field.type] or of_list or nil,
  }
end

local function category_options(form)
  local options = {}
  for _, item in ipairs(form.categories) do
    if not item.deleted and not form.added.category[item.id] then
      options[#options + 1] = { value = ("%d"):format(item.id), name = fields.name_of(form, item) }
    end
  end
  return options
end

--- The fields that are known, by name and as a list.
---@return table<string, leadcat.KnownField> by_name, leadcat.KnownField[] list the host's
function settings_conditions.known(form)
  local by_name, list = {}, {}
  for _, field in ipairs(form.fields or {}) do
    if not conditions.is_own(field.field) then
      list[#list + 1] = described(form, field)
      by_name[field.field] = list[#list]
    end
  end
  by_name.category = { field = "category", type = "number", row_type = "number", name = text(form, "field_category"),
    options = category_options(form) }
  by_name["category.rank"] = { field = "category.rank", type = "number", row_type = "number",
    name = text(form, "field_rank") }
  return by_name, list
end

--- What a field is called.
function settings_conditions.name(form, field)
  local known = form.known_fields[field]
  return known and known.name or wording.line(field) or text(form, "field")
end

-- A condition ---------------------------------------------------------------------------------------------------------

-- The row, with values as they were sent, else as they are; and what is known of the field, if its value is of that type.
local function row_of(form, condition)
  local sent, known = form.condition_rows[condition], form.known_fields[condition.field]
  local row = sent and merged(sent, { field = condition.field, is = condition.is }) or condition_row.write(condition)
  local type = condition_row.type_of(condition)
  if known and type and known.row_type and type ~= known.row_type then
    known = { field = known.field, name = known.name, type = nil }
  end
  return row, known
end

local function is_label(form, known, is)
  return text(form, known and known.type == "date" and ORDERS[is] and "is_date_" .. is or "is_" .. is)
end

-- What can be chosen, and what is chosen anyway.
local function is_list(known, chosen)
  local list = known and (known.type == "list" and IS.list or known.options and IS.options or IS[known.type])
    or conditions.IS
  local all, is_there = {}, false
  for i, is in ipairs(list) do
    all[i], is_there = is, is_there or is == chosen
  end
  all[#all + 1] = not is_there and chosen or nil
  return all
end

local function is_field(form, prefix, row, known)
  local options = parts.map(is_list(known, row.is), function(is)
    return h.option { value = is, selected = row.is == is, is_label(form, known, is) }
  end)
  local control = h.select(attributes(form, prefix .. ".is", { class = "leadcat-is", options }))
  return fields.field(form, prefix .. ".is", text(form, "is"), control, {
    hidden = true, class = "leadcat-comparison",
  })
end

local function input(form, name, value, more)
  more.type, more.value, more.autocomplete, more.dir = more.type or "text", value or "", "off", more.dir or "auto"
  return h.input(attributes(form, name, more))
end

-- A field's name: what is known of it, or a box to type it.
local function name_field(form, prefix, row, known)
  if known then
    return h.p { class = "leadcat-name-of", h.bdi { known.name }, hidden(prefix .. ".field", row.field) }
  end
  form.needs_datalist = true
  return fields.field(form, prefix .. ".field", text(form, "field"), input(form, prefix .. ".field", row.field, {
    list = "leadcat-fields", placeholder = "sale.amount", dir = "ltr",
  }), { hidden = true })
end

local function type_field(form, prefix, row)
  local options = parts.map(TYPES, function(type)
    return h.option { value = type, selected = row.type == type, text(form, "type_" .. type) }
  end)
  return fields.field(form, prefix .. ".type", text(form, "type"),
    h.select(attributes(form, prefix .. ".type", { options })), { hidden = true, class = "leadcat-type" })
end

-- The options, and what is chosen but is none of them.
local function with_lost(form, options, chosen)
  local all, seen = {}, {}
  for i, option in ipairs(options) do
    all[i], seen[option.value] = option, true
  end
  for _, value in ipairs(chosen) do
    if value ~= "" and not seen[value] then
      all[#all + 1] = { value = value, name = text(form, "unknown_mark", { name = wording.line(value) or "?" }) }
      seen[value] = true
    end
  end
  return all
end

local function is_date(value)
  return value == nil or value == "" or value:find "^%d%d%d%d%-%d%d%-%d%d$" ~= nil
end

local function one_value(form, prefix, row, known)
  local name = prefix .. ".value"
  local control
  if known and known.options then
    control = h.select(attributes(form, name, {
      h.option { value = "", selected = not row.value or row.value == "", text(form, "choose_value") },
      parts.map(with_lost(form, known.options, { row.value }), function(option)
        return h.option { value = option.value, dir = "auto", selected = option.value == row.value, option.name }
      end),
    }))
  else
    local type = known and known.type
    control = input(form, name, row.value, {
      type = type == "date" and is_date(row.value) and "date" or "text",
      inputmode = type == "number" and "decimal" or nil,
    })
  end
  return fields.field(form, name, text(form, "value"), control, { hidden = true, class = "leadcat-one" })
end

-- A box has the number of its value in the list, and others have those behind: the list is read in the order that it had.
local function choices(form, prefix, row, known)
  local list, places = condition_row.texts(row), {}
  for i, value in ipairs(list) do
    places[value] = places[value] or i
  end
  return h.fieldset { class = "leadcat-many leadcat-choices", id = fields.id_of(prefix .. ".values"), tabindex = -1,
    h.legend { class = "leadcat-hidden", text(form, "values") },
    hidden(prefix .. ".choices", "1"),
    parts.map(with_lost(form, known.options, list), function(option, i)
      local place = places[option.value]
      return fields.checkbox(form, ("%s.one.%d"):format(prefix, place or #list + i), h.bdi { option.name },
        place ~= nil, option.value)
    end),
    fields.messages(form, prefix .. ".values"),
  }
end

local function many_values(form, prefix, row, known)
  if known and known.options then
    return choices(form, prefix, row, known)
  end
  local name = prefix .. ".values"
  -- A line end behind the tag is no part of the text.
  local control = h.textarea(attributes(form, name, { rows = 3, dir = "auto", "\n", row.values or "" }))
  return fields.field(form, name, text(form, "values"), control, { class = "leadcat-many" })
end

local function answer(form, prefix, row)
  local name = prefix .. ".answer"
  local options = parts.map({ "yes", "no" }, function(value)
    return h.option { value = value, selected = row.answer == value, wording.sentence(form, "condition." .. value) }
  end)
  return fields.field(form, name, text(form, "value"), h.select(attributes(form, name, {
    h.option { value = "", selected = row.answer ~= "yes" and row.answer ~= "no", text(form, "choose_value") }, options,
  })), { hidden = true, class = "leadcat-answer" })
end

local function value_fields(form, prefix, row, known)
  local type = known and known.row_type
  if type == "boolean" then
    return { hidden(prefix .. ".type", type), answer(form, prefix, row) }
  end
  return {
    type and hidden(prefix .. ".type", type),
    one_value(form, prefix, row, known), many_values(form, prefix, row, known),
    not type and answer(form, prefix, row),
  }
end

-- One that the fields cannot show is told, and can be removed.
local function kept(form, prefix, condition)
  return { hidden(prefix .. ".json", json.encode(condition)),
    h.p { class = "leadcat-kept", words.one(form, condition, form.categories) } }
end

local function editable(form, prefix, condition)
  local row, known = row_of(form, condition)
  return { name_field(form, prefix, row, known),
    not (known and known.row_type) and type_field(form, prefix, row),
    is_field(form, prefix, row, known), value_fields(form, prefix, row, known) }
end

local function removal(form, button, name)
  return fields.button(form, button, {
    h.span { aria_hidden = "true", "\195\151" }, h.span { class = "leadcat-hidden", text(form, "remove") }, -- U+00D7
  }, name, "leadcat-quiet leadcat-cross-button")
end

local function condition_fields(form, rule, group, number, condition)
  local prefix = ("%s.when.%d.%d"):format(rule.prefix, group, number)
  local name = settings_conditions.name(form, condition.field)
  local shown = form.condition_rows[condition] or condition_row.is_shown(condition)
  return h.fieldset { class = "leadcat-condition",
    h.legend { class = "leadcat-hidden", h.bdi { name } },
    (shown and editable or kept)(form, prefix, condition),
    removal(form, ("remove_condition.%s.%d.%d"):format(rule.button, group, number), name),
  }
end

-- The control of a condition that a problem is about.
function settings_conditions.field_of(form, condition, part)
  if part == "is" or part == "field" and not form.known_fields[condition.field] then
    return part
  end
  local row, known = row_of(form, condition)
  local type = known and known.row_type or row.type
  if condition_row.WITHOUT[condition.is] or part == "field" then
    return "is"
  end
  return type == "boolean" and "answer" or condition_row.LISTS[condition.is] and "values" or "value"
end

-- Groups --------------------------------------------------------------------------------------------------------------

-- A list of the known fields, where there is one; the name of the new condition's field.
local function picker(form, rule, group)
  if not form.field_list[1] then
    return nil
  end
  local name = ("%s.add.%d"):format(rule.prefix, group)
  local function option(known)
    return h.option { value = known.field, known.name }
  end
  local own = parts.map(OWN, function(field) return option(form.known_fields[field]) end)
  return fields.field(form, name, text(form, "field"), h.select(attributes(form, name, {
    h.option { value = "", selected = true, text(form, "choose_field") },
    parts.map(form.field_list, option), own, h.option { value = OTHER, text(form, "other_field") },
  })), { hidden = true, class = "leadcat-picker" })
end

local function adding(form, rule, group, is_last)
  local name = ("%s.%d"):format(rule.button, group)
  return h.div { class = "leadcat-adding",
    picker(form, rule, group),
    fields.button(form, "add_condition." .. name, text(form, "add_condition"), rule.what, "leadcat-add"),
    is_last and fields.button(form, "add_group." .. name, text(form, "add_group"), rule.what, "leadcat-add"),
    fields.messages(form, "add_condition." .. name),
  }
end

local function group_fields(form, rule, group, number, is_last)
  local label = text(form, "group_number", { number = ("%d"):format(number) })
  return {
    number > 1 and h.p { class = "leadcat-or", text(form, "or") },
    h.fieldset { class = "leadcat-group-of",
      h.legend { class = "leadcat-hidden", label },
      parts.map(group, function(condition, i)
        return type(condition) == "table" and { i > 1 and h.p { class = "leadcat-and", text(form, "and") },
          condition_fields(form, rule, number, i, condition) } or nil
      end),
      adding(form, rule, number, is_last),
    },
  }
end

--- The conditions of a rule.
---@param form table
---@param rule leadcat.Rule
---@param place {prefix: string, button: string, what: string} what its fields and buttons are called
---@return leadcat.html.Child
function settings_conditions.html(form, rule, place)
  local groups = type(rule.when) == "table" and rule.when or {}
  local legend = h.legend { class = "leadcat-legend", text(form, "when") }
  if not groups[1] then
    return h.fieldset { class = "leadcat-when", legend, hidden(place.prefix .. ".when", "1"),
      fields.muted(text(form, "always")), adding(form, place, 1) }
  end
  return h.fieldset { class = "leadcat-when", legend, hidden(place.prefix .. ".when", "1"),
    parts.map(groups, function(group, i)
      return group_fields(form, place, type(group) == "table" and group or {}, i, i == #groups)
    end),
  }
end

--- What is offered where a field is typed.
---@param form table
---@return leadcat.html.Node?
function settings_conditions.datalist(form)
  if not form.needs_datalist then
    return nil
  end
  local names, seen = {}, {}
  for _, list in ipairs { OWN, USUAL, form.used_fields } do
    for _, name in ipairs(list) do
      names[#names + 1], seen[name] = not seen[name] and name or nil, true
    end
  end
  return h.datalist { id = "leadcat-fields", parts.map(names, function(name) return h.option { value = name } end) }
end

return settings_conditions
