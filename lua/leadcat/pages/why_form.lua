--- What if something were different? What the rules look at, as the fields of a form that is sent in an address, and the
-- event that these say. Pure.

local condition_row = require "leadcat.pages.condition_row"
local conditions = require "leadcat.rules.conditions"
local config = require "leadcat.rules.config"
local h = require "leadcat.pages.html"
local page = require "leadcat.pages.page"
local parts = require "leadcat.pages.parts"
local url = require "leadcat.util.url"
local wording = require "leadcat.words.wording"

local why_form = {}

---@class leadcat.TriedField
---@field field string as conditions name it
---@field name string that is sent
---@field label string
---@field type string as of `host.fields`
---@field options? {value: any, text: string, name: string}[] all values that it can have

local MOST, LONGEST = 40, 255 -- fields, bytes of what is typed

local text = wording.sentence

local PREFIX = "if." -- of the names that are sent

-- The fields ----------------------------------------------------------------------------------------------------------

local function category_field(model)
  local options = {}
  for _, category in ipairs(model.cfg.categories) do
    options[#options + 1] = not category.deleted and {
      value = category.id, text = ("%d"):format(category.id),
      name = wording.display_name(category, category.id, model.language),
    } or nil
  end
  return { field = "category", name = PREFIX .. "category", type = "number", options = options,
    label = text(model, "settings.field_category") }
end

local function described(model, field)
  local options = field.options and parts.map(field.options, function(option)
    local value = condition_row.as_text(option.value)
    return { value = option.value, text = value,
      name = wording.line(config.text(option.name, model.language)) or value }
  end)
  return { field = field.field, name = PREFIX .. field.field, type = field.type, options = options,
    label = wording.line(config.text(field.name, model.language)) or field.field }
end

-- A field that the host does not describe, by what a condition compares it with.
local function undescribed(condition)
  return { field = condition.field, name = PREFIX .. condition.field, label = wording.line(condition.field) or "?",
    type = condition_row.type_of(condition) or "text" }
end

-- Calls `visit` for each condition of the rules that are on.
local function each_condition(cfg, visit)
  for _, rule in ipairs(cfg.rules) do
    for _, group in ipairs(rule.enabled and rule.when or {}) do
      for _, condition in ipairs(group) do
        visit(condition)
      end
    end
  end
end

--- What can be tried: the category, and what the rules that are on look at.
---@param model leadcat.Words {cfg, host_fields}
---@return leadcat.TriedField[]
function why_form.fields(model)
  local known, fields, seen = {}, { category_field(model) }, {}
  for _, field in ipairs(model.host_fields) do
    known[field.field] = field
  end
  each_condition(model.cfg, function(condition)
    local name = condition.field
    if not seen[name] and conditions.place_of(name) and #fields < MOST then
      seen[name] = true
      fields[#fields + 1] = known[name] and described(model, known[name]) or undescribed(condition)
    end
  end)
  return fields
end

-- What is sent --------------------------------------------------------------------------------------------------------

local BOOLEANS = { yes = true, no = false }

-- Elements with commas between them.
local function list_of(sent)
  local list = {}
  for word in sent:gmatch "[^,]+" do
    list[#list + 1] = condition_row.clean(word)
  end
  return list
end

-- The value; nil where the text is none of this field.
local function value_of(field, sent)
  if #sent > LONGEST then
    return nil
  end
  for _, option in ipairs(field.options or {}) do
    if option.text == sent then
      return option.value
    end
  end
  if field.options then
    return nil
  elseif field.type == "number" then
    return condition_row.number_of(sent)
  elseif field.type == "boolean" then
    return BOOLEANS[sent]
  elseif field.type == "list" then
    return list_of(sent)
  end
  return sent
end

--- The event that the fields of an address say.
---@param fields leadcat.TriedField[]
---@param sent table<string, string>
---@return {category?: integer, sale?: table, contact?: table, actor?: table, facts?: table}? event nil: nothing is to be tried
---@return table<string, true> wrong what was sent, but is no value of its field, by its name
function why_form.read(fields, sent)
  local event, wrong = {}, {}
  for _, field in ipairs(fields) do
    local typed = condition_row.clean(sent[field.name] or "")
    local value
    if typed ~= "" then
      value = value_of(field, typed)
      wrong[field.name] = value == nil or nil
    end
    local place, name = conditions.place_of(field.field)
    if value ~= nil and place then
      event[place] = event[place] or {}
      event[place][name] = value
    elseif value ~= nil then
      event.category = value
    end
  end
  return next(event) and event, wrong
end

--- What would send the event of an entry again, as part of an address.
---@param fields leadcat.TriedField[]
---@param entry leadcat.Entry
---@return string? query nil: the entry has nothing of it
function why_form.query(fields, entry)
  local words = {}
  for _, field in ipairs(fields) do
    local place, name = conditions.place_of(field.field)
    local value = place and (entry[place] or {})[name]
    if value ~= nil and type(value) ~= "table" then
      words[#words + 1] = url.escape(field.name) .. "=" .. url.escape(condition_row.as_text(value))
    end
  end
  return words[1] and table.concat(words, "&")
end

-- The form ------------------------------------------------------------------------------------------------------------

local function options_of(model, field)
  if field.type == "boolean" and not field.options then
    return parts.map({ "yes", "no" }, function(value)
      return { text = value, name = text(model, "condition." .. value) }
    end)
  end
  return field.options
end

local function control(model, field, id)
  local sent = model.sent[field.name] or ""
  local attributes = { id = id, name = field.name, aria_invalid = model.wrong[field.name] and "true" or nil,
    aria_describedby = model.wrong[field.name] and id .. "-problem" or nil }
  local options = options_of(model, field)
  if options then
    attributes[1] = h.option { value = "", selected = sent == "", "\226\128\147" } -- U+2013
    attributes[2] = parts.map(options, function(option)
      return h.option { value = option.text, selected = sent == option.text, dir = "auto", option.name }
    end)
    return h.select(attributes)
  end
  attributes.type, attributes.value, attributes.autocomplete = field.type == "date" and "date" or "text", sent, "off"
  attributes.inputmode, attributes.dir = field.type == "number" and "decimal" or nil, "auto"
  return h.input(attributes)
end

local function field_element(model, field, i)
  local id = ("leadcat-if-%d"):format(i)
  return h.p { class = "leadcat-field",
    h.label { ["for"] = id, field.label }, " ", control(model, field, id),
    model.wrong[field.name] and h.span { class = "leadcat-problem", id = id .. "-problem",
      text(model, field.type == "number" and not field.options and "settings.problem.number_required"
        or "settings.problem.wrong_type") },
  }
end

--- The form, folded while nothing is tried.
---@param model leadcat.WhyModel
---@return leadcat.html.Node
function why_form.element(model)
  local any = model.tried or next(model.wrong) ~= nil
  return h.details { class = "leadcat-if", open = any and true or false,
    h.summary { text(model, "why.if") },
    h.form { method = "get", action = page.address(model, "/why"),
      h.input { type = "hidden", name = "company", value = model.asked },
      h.p { class = "leadcat-muted", text(model, "why.if_hint") },
      h.div { class = "leadcat-filter-fields", parts.map(model.fields, function(field, i)
        return field_element(model, field, i)
      end) },
      h.p { class = "leadcat-actions", h.button { type = "submit", text(model, "why.if_try") } },
    },
  }
end

return why_form
