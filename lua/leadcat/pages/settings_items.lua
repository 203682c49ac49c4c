--- The lists of categories and of lead statuses on the settings page. A row has what most need; one folded part of it has the
-- description, the names in other languages, the place in the order, and which rules use it.

local config = require "leadcat.rules.config"
local fields = require "leadcat.pages.settings_fields"
local h = require "leadcat.pages.html"
local json = require "leadcat.util.json"
local language_tag = require "leadcat.util.language"
local parts = require "leadcat.pages.parts"
local settings_window = require "leadcat.pages.settings_window"
local wording = require "leadcat.words.wording"

local items = {}

local text, name_of, id_of = fields.text, fields.name_of, fields.id_of
local button, hidden, text_field = fields.button, fields.hidden, fields.text_field

local MOST = 5 -- rules that are named
local SEARCHED = 10 -- from so many rows on there is a search
local PAGE, MOST_DELETED = 50, 100
local LANGUAGES = { -- as their speakers call them
  { "da", "dansk" }, { "de", "Deutsch" }, { "en", "English" }, { "nl", "Nederlands" }, { "no", "norsk" },
  { "sv", "svenska" },
}

local function rules_of(form, kind, item)
  local named = {}
  for i, rule in ipairs(form.usage[kind][item.id] or {}) do
    named[i] = i <= MOST and wording.rule(form, rule.trigger, rule.lead_status
      and wording.name_of(form.lead_statuses, rule.lead_status, form.language), rule) or nil
    if i == MOST + 1 then
      named[i] = "\226\128\166" -- U+2026
    end
  end
  return named[1] and table.concat(named, "; ")
end

local function group_field(form, prefix, category)
  local options = parts.map(wording.GROUPS, function(group)
    return h.option { value = group, selected = category.group == group, wording.sentence(form, "group." .. group) }
  end)
  local control = h.select(fields.attributes(form, prefix .. ".group", options))
  return fields.field(form, prefix .. ".group", text(form, "group"), control)
end

local function description_field(form, prefix, item)
  return text_field(form, prefix .. ".description", text(form, "description"),
    config.text(item.description, form.language))
end

-- Names in the languages that the page does not have.
local function names(form, prefix, item)
  local own = type(item.name) == "table" and language_tag.match(form.language, item.name) or form.language
  return parts.map(LANGUAGES, function(row)
    local language, called = row[1], row[2]
    local value = type(item.name) == "table" and item.name[language] or ""
    return language ~= own and language ~= form.language and text_field(form, prefix .. ".name." .. language,
      text(form, "name_in", { language = called }), value)
  end)
end

local function default_choice(form, prefix, status)
  local id = id_of(prefix .. ".default")
  return h.p { class = "leadcat-check",
    h.input { type = "radio", id = id, name = "default_lead_status", value = status.id,
      checked = status.default == true }, " ", h.label { ["for"] = id, text(form, "default") },
  }
end

local function order_buttons(form, kind, item, name, place)
  local key = ("%s.%d"):format(kind, item.id)
  return h.div { class = "leadcat-order",
    place > 1 and button(form, "raise_" .. key, text(form, "move_up"), name, "leadcat-quiet"),
    place < #form.live[kind] and button(form, "lower_" .. key, text(form, "move_down"), name, "leadcat-quiet"),
  }
end

-- How many companies are in a category now; nil where nobody can say, and of lead statuses.
local function companies_of(form, kind, item)
  local count = kind == "category" and form.counts and (form.counts[item.id] or 0)
  return count and text(form, count == 1 and "company_one" or "companies", { count = wording.number(count) })
end

local function more(form, kind, item, name, place)
  local prefix = ("%s.%d"):format(kind, item.id)
  local rules, companies = rules_of(form, kind, item), companies_of(form, kind, item)
  return h.details { class = "leadcat-item-more",
    open = form.focus == "raise_" .. prefix or form.focus == "lower_" .. prefix,
    h.summary { text(form, "item_more"), companies and h.span { class = "leadcat-muted", " \194\183 ", companies },
      h.span { class = "leadcat-hidden", " ", h.bdi { name } } },
    h.div {
      kind == "category" and description_field(form, prefix, item),
      names(form, prefix, item),
      kind == "lead_status" and default_choice(form, prefix, item),
      order_buttons(form, kind, item, name, place),
      fields.muted(rules and text(form, "used_by", { rules = rules }) or text(form, "unused")),
    },
  }
end

local function confirm(form, kind, item, name)
  local asked = form.confirm
  local rules, count = rules_of(form, kind, item), kind == "category" and form.counts and form.counts[item.id]
  return asked and asked.kind == kind and asked.id == item.id and h.div { class = "leadcat-alert", role = "alert",
    (count or 0) > 0 and h.p { text(form, "in_use_companies", {
      name = name, companies = companies_of(form, kind, item),
    }) },
    rules and h.p { text(form, "in_use", { name = name, rules = rules }) },
    h.p { button(form, ("drop_%s.%d"):format(kind, item.id), text(form, "drop"), name) },
  }
end

local function row(form, kind, item, is_new, place)
  local prefix = ("%s.%d"):format(kind, item.id)
  local name = is_new and text(form, "unnamed") or name_of(form, item)
  return h.div { class = "leadcat-row leadcat-item leadcat-item-" .. kind, role = "group", aria_label = name,
    is_new and hidden(prefix .. ".new", "1"), hidden(prefix .. ".rank", item.rank and ("%d"):format(item.rank) or ""),
    text_field(form, prefix .. ".name", text(form, "name"), config.name(item, form.language), true),
    kind == "category" and { group_field(form, prefix, item), fields.checkbox(form, prefix .. ".lead_status",
      text(form, "enable_lead_status"), item.lead_status == true) } or description_field(form, prefix, item),
    button(form, ("delete_%s.%d"):format(kind, item.id), text(form, "delete"), name, "leadcat-quiet"),
    more(form, kind, item, name, place), confirm(form, kind, item, name),
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
    hidden(prefix .. ".description", config.text(item.description, form.language) or ""),
    button(form, ("restore_%s.%d"):format(kind, item.id), text(form, "restore"), name, "leadcat-quiet"),
  }
end

local function search(form, kind, count)
  local id, window = id_of(kind .. "-search"), form.windows_of[kind]
  if window.is_paged then
    return settings_window.search(form, kind, window)
  end
  return count >= SEARCHED and h.p { class = "leadcat-field leadcat-search", hidden = true,
    h.label { ["for"] = id, text(form, "search") }, " ", h.input { type = "search", id = id, autocomplete = "off" },
  }
end

-- An item but for its place in the order.
local function unplaced(item)
  local rank = item.rank
  item.rank = nil
  local encoded = json.encode(item)
  item.rank = rank
  return encoded
end

--- Chooses the rows that are shown.
---@param form table
function items.prepare(form)
  form.live, form.deleted, form.windows_of, form.stored_items = {}, {}, {}, {}
  for list, kind in pairs(fields.NOUN) do
    local live, deleted, stored = {}, {}, {}
    for _, item in ipairs(form[list]) do
      local there = item.deleted and deleted or live
      there[#there + 1] = item
    end
    for _, item in ipairs(form.stored and form.stored[list] or {}) do
      stored[item.id] = item
    end
    local function name(item)
      return config.text(item.name, form.language) or ""
    end
    local function is_needed(item)
      return settings_window.has_focus(form, kind, item.id)
        or form.edit and not (stored[item.id] and unplaced(stored[item.id]) == unplaced(item))
    end
    form.live[kind], form.deleted[kind], form.stored_items[kind] = live, deleted, stored
    form.windows_of[kind] = settings_window.of(form, kind, live, PAGE, name, is_needed)
    form.windows_of["deleted_" .. kind] = settings_window.of(form, kind, deleted, MOST_DELETED, name, is_needed)
  end
end

-- The places of rows that are not shown, where they are not as they are saved.
local function places(form, kind, window)
  return parts.map(window.is_paged and form.edit and form.live[kind] or {}, function(item)
    local stored = form.stored_items[kind][item.id]
    return not window.shown[item] and item.rank and stored and stored.rank ~= item.rank
      and hidden(("%s.%d.rank"):format(kind, item.id), ("%d"):format(item.rank)) or nil
  end)
end

--- The section of a list.
---@param form leadcat.SettingsPage
---@param list "categories"|"lead_statuses"
---@param hint? string
---@return leadcat.html.Node
function items.section(form, list, hint)
  local kind, title = fields.NOUN[list], id_of(list)
  local live, deleted, window = form.live[kind], form.deleted[kind], form.windows_of[kind]
  local rows = settings_window.map(window, live, function(item, i)
    return row(form, kind, item, form.added[kind][item.id], i)
  end)
  local gone = form.windows_of["deleted_" .. kind]
  return h.section { aria_labelledby = title,
    h.h2 { id = title, text(form, list) },
    hint and h.p { class = "leadcat-muted", hint },
    h.div { class = "leadcat-card",
      search(form, kind, #live),
      h.p { class = "leadcat-muted leadcat-rows-hint", id = id_of(kind .. "-rows-hint"), hidden = true,
        text(form, "rows_hint") },
      h.div { class = "leadcat-rows leadcat-items", id = id_of(kind .. "-rows"), rows },
      window.is_paged and settings_window.pages(form, kind, window), places(form, kind, window),
      h.p { class = "leadcat-add-row", button(form, "add_" .. kind, text(form, "add_" .. kind), nil, "leadcat-add") },
      deleted[1] and h.details { class = "leadcat-deleted",
        h.summary { text(form, "deleted_" .. list, { count = ("%d"):format(#deleted) }) },
        h.ul { settings_window.map(gone, deleted, function(item) return deleted_row(form, kind, item) end),
          gone.is_paged and gone.found > MOST_DELETED and h.li { "\226\128\166" } },
      },
    },
  }
end

return items
