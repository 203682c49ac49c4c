--- The fields, lists and buttons that all parts of the settings page are made of. Each has the name that
-- `settings_form.lua` reads, and shows the problems that its name has in `form.messages`.

local config = require "leadcat.rules.config"
local h = require "leadcat.pages.html"
local parts = require "leadcat.pages.parts"
local wording = require "leadcat.words.wording"

local fields = {}

fields.NOUN = { categories = "category", lead_statuses = "lead_status" } -- of an item, by list
local FEW = 100 -- lead statuses of which each row offers all

--- A text of the settings in the language of the page.
function fields.text(form, key, values)
  return wording.sentence(form, "settings." .. key, values)
end

local text = fields.text

--- The id of the element with this name.
function fields.id_of(name)
  return "leadcat-" .. name:gsub("%.", "-")
end

local id_of = fields.id_of

--- An item's name, or what to call it while it has none.
function fields.name_of(form, item)
  return wording.line(config.name(item, form.language)) or text(form, "unnamed")
end

--- The attributes of a field; `more` has those of its kind.
function fields.attributes(form, name, more)
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

--- What is wrong with a field, if anything.
function fields.messages(form, name)
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

--- A control with its label before it. `look` has more classes of the whole, and whether the label is only heard.
---@param look? {class?: string, hidden?: boolean}
function fields.field(form, name, label, control, look)
  look = look or {}
  return h.p { class = "leadcat-field" .. (look.class and " " .. look.class or ""),
    h.label { ["for"] = id_of(name), class = look.hidden and "leadcat-hidden" or nil, label }, " ", control,
    fields.messages(form, name),
  }
end

function fields.checkbox(form, name, label, checked, value)
  return h.p { class = "leadcat-check",
    h.input(fields.attributes(form, name, { type = "checkbox", value = value or "on", checked = checked })), " ",
    h.label { ["for"] = id_of(name), label }, fields.messages(form, name),
  }
end

function fields.text_field(form, name, label, value, required)
  return fields.field(form, name, label, h.input(fields.attributes(form, name, {
    type = "text", value = value or "", required = required, dir = "auto", autocomplete = "off",
  })))
end

function fields.hidden(name, value)
  return h.input { type = "hidden", name = name, value = value }
end

--- A button that changes the form and shows it again. A screen reader says `what` after the label.
function fields.button(form, value, label, what, class)
  return h.button { class = class, type = "submit", id = id_of(value), name = "do", value = value,
    autofocus = form.focus == value or nil,
    label, what and h.span { class = "leadcat-hidden", " ", h.bdi { what } },
  }
end

function fields.muted(...)
  return h.p { class = "leadcat-muted", ... }
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
  local name = item and fields.name_of(form, item) or ("#%d"):format(chosen)
  return option({ id = chosen }, text(form, item and "deleted_mark" or "unknown_mark", { name = name }), chosen)
end

local function options_in(form, group)
  local options = {}
  for _, item in ipairs(form.categories) do
    if not item.deleted and item.group == group then
      options[#options + 1] = option(item, fields.name_of(form, item))
    end
  end
  return options
end

-- There are many lists of categories in a page: their markup is made once, and what is chosen is marked in it.
local function category_options(form, chosen)
  form.category_options = form.category_options or h.render(parts.map(wording.GROUPS, function(group)
    local options = options_in(form, group)
    return options[1] and h.optgroup { label = wording.sentence(form, "group." .. group), options }
  end))
  local markup, item = form.category_options, form.by_id.categories[chosen]
  local before, after = markup:find(item and h.render(option(item, "")):match "^<[^>]*>" or "\0", 1, true)
  return h.raw(before and markup:sub(1, before - 1) .. h.render(option(item, "", chosen)):match "^<[^>]*>"
    .. markup:sub(after + 1) or markup)
end

-- Where there are many statuses, a row offers its own, first, and those without a rule; where these are many, too, a row
-- that has one offers no other: all of them in each would be too many.
local function status_options(form, chosen)
  local offered = form.lead_statuses
  if #offered > FEW then
    offered = { form.by_id.lead_statuses[chosen] }
    for _, item in ipairs(#offered > 0 and #form.free_statuses > FEW and {} or form.free_statuses) do
      offered[#offered + 1] = item ~= offered[1] and item or nil
    end
  end
  local options = {}
  for _, item in ipairs(offered) do
    options[#options + 1] = not item.deleted and option(item, fields.name_of(form, item), chosen) or nil
  end
  return options
end

--- A category or a lead status to choose.
---@param list "categories"|"lead_statuses"
---@param chosen? integer
---@param instead? {value: string, name: string, chosen: boolean} what may be chosen in the place of one
function fields.choice(form, name, label, list, chosen, instead)
  local options = (list == "categories" and category_options or status_options)(form, chosen)
  return fields.field(form, name, label, h.select(fields.attributes(form, name, {
    required = true, data_leadcat_list = list,
    h.option { value = "", selected = not chosen and not (instead and instead.chosen),
      text(form, "choose_" .. fields.NOUN[list]) },
    instead and h.option { value = instead.value, selected = instead.chosen, instead.name }, options,
    lost_option(form, list, chosen),
  })))
end

return fields
