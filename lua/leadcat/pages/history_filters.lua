--- The filters of the history: their form, their shortcuts, the links that remove them, and their addresses.

local h = require "leadcat.pages.html"
local page = require "leadcat.pages.page"
local parts = require "leadcat.pages.parts"
local search = require "leadcat.past.search"
local triggers = require "leadcat.rules.triggers"
local url = require "leadcat.util.url"
local wording = require "leadcat.words.wording"

local filters_of = {}

local text = wording.sentence

--- The filters in the order of the form: field, key of its label.
filters_of.FILTERS = {
  { "company", "confirmation.company" }, { "actor", "history.actor" }, { "status", "history.status" },
  { "trigger", "history.cause" }, { "sale", "history.sale" }, { "from", "history.from" }, { "to", "history.to" },
  { "revision", "history.revision" }, { "run", "history.run" },
  { "period", "history.time" }, { "mine", "history.actor" },
}

--- The periods that a shortcut chooses: how many days back they begin, and how many they have.
filters_of.PERIODS = { today = { 0, 1 }, yesterday = { 1, 1 }, week = { 6, 7 } }

-- What is not a filter, but goes with them: how many minutes the reader's days begin before those of UTC.
local ZONE = "zone"

--- The address of the entries that pass the filters.
---@param path string
---@param filters table<string, string>
---@param after? integer the entry to go on after
---@param except? string a filter to leave out
---@return string
function filters_of.address(path, filters, after, except)
  local query = filters_of.query(filters, after, except)
  return path .. (query ~= "" and "?" .. query or "")
end

--- The same without the path.
---@param filters table<string, string>
---@param after? integer
---@param except? string
---@return string
function filters_of.query(filters, after, except)
  local words = {}
  for _, row in ipairs(filters_of.FILTERS) do
    local value = row[1] ~= except and filters[row[1]]
    words[#words + 1] = value and row[1] .. "=" .. url.escape(value) or nil
  end
  words[#words + 1] = filters[ZONE] and except ~= ZONE and ZONE .. "=" .. url.escape(filters[ZONE]) or nil
  words[#words + 1] = after and ("after=%d"):format(after) or nil
  return table.concat(words, "&")
end

--- The address of a page with these filters.
---@param model {base?: string}
---@param filters table<string, string>
---@param after? integer
---@param except? string
---@return string
function filters_of.link(model, filters, after, except)
  return filters_of.address(page.address(model, "/history"), filters, after, except)
end

local STATUS = { -- keys of words shared with questions
  conflict = "state.conflict", declined = "state.declined", expired = "state.expired", superseded = "state.superseded",
}

--- A status in a few words.
---@param model leadcat.Words
---@param status string
---@return string
function filters_of.status_words(model, status)
  return text(model, STATUS[status] or "history." .. status)
end

--- A company's name in the host, else its id.
---@param model {names: table<string|integer, string>}
---@param id any
---@return string
function filters_of.company_of(model, id)
  return wording.line(model.names[id] or model.names[tonumber(id)]) or wording.line(id) or "?"
end

-- The form ------------------------------------------------------------------------------------------------------------

local function labelled(model, row, control)
  return h.p { class = "leadcat-field",
    h.label { ["for"] = "leadcat-" .. row[1], text(model, row[2]) }, " ", control,
  }
end

local function input(model, row, kind, more)
  local attributes = more or {}
  attributes.id, attributes.name, attributes.type = "leadcat-" .. row[1], row[1], kind
  attributes.value, attributes.autocomplete = model.filters[row[1]] or "", "off"
  return labelled(model, row, h.input(attributes))
end

local function choice(model, row, values, words)
  local chosen = model.filters[row[1]]
  return labelled(model, row, h.select { id = "leadcat-" .. row[1], name = row[1],
    h.option { value = "", selected = not chosen, text(model, "history.any") },
    parts.map(values, function(value)
      return h.option { value = value, selected = value == chosen, words(model, value) }
    end),
  })
end

-- What waits now stands for all that has asked.
local STATUSES = {}
for _, status in ipairs(search.STATUSES) do
  STATUSES[#STATUSES + 1] = status ~= "awaiting_confirmation" and status or nil
end

local function search_field(model, row)
  return input(model, row, "search", { dir = "auto" })
end

local function date(model, row)
  return input(model, row, "date")
end

local FIELDS = {
  company = search_field, actor = search_field, sale = search_field, run = search_field, from = date, to = date,
  trigger = function(model, row) return choice(model, row, triggers.all(model.own_triggers), wording.trigger) end,
  status = function(model, row) return choice(model, row, STATUSES, filters_of.status_words) end,
  revision = function(model, row) return input(model, row, "number", { min = 1 }) end,
}

local FIRST = 3 -- fields that are always there; the others are behind a summary

local function fields(model, first, last)
  local shown = {}
  for i = first, last do
    local row = filters_of.FILTERS[i]
    shown[#shown + 1] = FIELDS[row[1]] and FIELDS[row[1]](model, row)
  end
  return h.div { class = "leadcat-filter-fields", shown }
end

-- The labels of the fields behind the summary that are in use.
local function used(model)
  local labels = {}
  for i = FIRST + 1, #filters_of.FILTERS do
    local name, label = filters_of.FILTERS[i][1], filters_of.FILTERS[i][2]
    labels[#labels + 1] = FIELDS[name] and model.filters[name] and text(model, label) or nil
  end
  return table.concat(labels, ", ")
end

local function hidden(model, name)
  local value = model.filters[name]
  return value and h.input { type = "hidden", name = name, value = value }
end

--- The form.
---@param model leadcat.HistoryModel
---@return leadcat.html.Node
function filters_of.form(model)
  local labels = used(model)
  return h.form { class = "leadcat-filter", method = "get", action = page.address(model, "/history"),
    role = "search", aria_label = text(model, "history.filters"),
    hidden(model, "period"), hidden(model, "mine"), hidden(model, ZONE),
    h.div { class = "leadcat-filter-first", fields(model, 1, FIRST),
      h.p { class = "leadcat-actions", h.button { type = "submit", text(model, "history.show") } },
    },
    h.details { open = labels ~= "",
      h.summary { text(model, "history.more_filters"), labels ~= "" and ": " .. labels },
      fields(model, FIRST + 1, #filters_of.FILTERS),
      not model.filters[ZONE]
        and h.p { class = "leadcat-muted", data_leadcat_utc = "", text(model, "history.utc_days") },
    },
  }
end

-- Shortcuts: the filter, its value, the key of its words.
local SHORTCUTS = {
  { "status", "waiting", "history.waiting" }, { "mine", "true", "history.mine" },
  { "period", "today", "history.today" }, { "period", "yesterday", "history.yesterday" },
  { "period", "week", "history.week" },
}

--- Links to the filters that are wanted most; the one in use takes it away again.
---@param model leadcat.HistoryModel
---@return leadcat.html.Node
function filters_of.shortcuts(model)
  return h.ul { class = "leadcat-chips leadcat-shortcuts", parts.map(SHORTCUTS, function(row)
    local name, value = row[1], row[2]
    local chosen = model.filters[name] == value
    local others = setmetatable({ [name] = value }, { __index = model.filters })
    return h.li { h.a { class = "leadcat-chip", aria_current = chosen and "true" or nil,
      data_leadcat_zone = not model.filters[ZONE] and "" or nil,
      href = filters_of.link(model, chosen and model.filters or others, nil, chosen and name or nil),
      text(model, row[3]),
    } }
  end) }
end

-- Whether a shortcut shows that a filter is in use, and takes it away.
local function has_shortcut(name, value)
  for _, row in ipairs(SHORTCUTS) do
    if row[1] == name and row[2] == value then
      return true
    end
  end
  return false
end

local SHOWN_AS = {
  trigger = wording.trigger, status = filters_of.status_words, company = filters_of.company_of,
}

--- The other filters in use, each with a link that removes it.
---@param model leadcat.HistoryModel
---@return leadcat.html.Child
function filters_of.chips(model)
  local items = {}
  for _, row in ipairs(filters_of.FILTERS) do
    local name, value = row[1], model.filters[row[1]]
    local shown = value and (SHOWN_AS[name] and SHOWN_AS[name](model, value) or wording.line(value) or "?")
    items[#items + 1] = value and not has_shortcut(name, value) and h.li {
      h.a { class = "leadcat-chip", href = filters_of.link(model, model.filters, nil, name),
        h.span { class = "leadcat-hidden", text(model, "history.remove"), " " },
        text(model, row[2]), ": ", h.bdi { shown },
        h.span { class = "leadcat-cross", aria_hidden = "true", "\195\151" }, -- U+00D7
      },
    } or nil
  end
  items[#items + 1] = items[2] and h.li {
    h.a { href = page.address(model, "/history"), text(model, "history.clear") },
  } or nil
  return items[1] and h.div { role = "group", aria_label = text(model, "history.filters"),
    h.ul { class = "leadcat-chips", items },
  }
end

return filters_of
