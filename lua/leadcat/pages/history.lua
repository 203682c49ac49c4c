--- The page of the journal, newest first: what was done to which company, why, and by whom. It needs no script.

local conditions = require "leadcat.rules.conditions"
local config = require "leadcat.rules.config"
local h = require "leadcat.pages.html"
local page = require "leadcat.pages.page"
local parts = require "leadcat.pages.parts"
local search = require "leadcat.past.search"
local triggers = require "leadcat.rules.triggers"
local url = require "leadcat.util.url"
local wording = require "leadcat.words.wording"
local words_of = require "leadcat.words.conditions"

local history = {}

---@class leadcat.HistoryModel: leadcat.Words
---@field entries leadcat.Entry[] newest first
---@field cfg leadcat.Config the newest, for names
---@field own_triggers? string[] the integrator's own, for the filter
---@field filters? table<string, string> by the names of `history.FILTERS`
---@field names? table<string|integer, string> company names by id
---@field questions? table<string, leadcat.Confirmation> that entries have asked or answered, by id
---@field next? integer the entry after which older ones follow
---@field searched? boolean false: the search stopped before the page was full
---@field may_undo boolean
---@field said? string what has just happened
---@field base? string path that leadcat is served at; default "/leadcat"

--- The filters in the order of the form: field, key of its label.
history.FILTERS = {
  { "company", "confirmation.company" }, { "actor", "history.actor" }, { "sale", "history.sale" },
  { "trigger", "history.cause" },  { "status", "history.status" }, { "from", "history.from" }, { "to", "history.to" },
  { "revision", "history.revision" }, { "run", "history.run" },
}

local STATUS = { -- keys of words shared with questions
  conflict = "state.conflict", declined = "state.declined", expired = "state.expired", superseded = "state.superseded",
}
local COLUMNS = {
  "history.time", "confirmation.company", "history.cause", "confirmation.category", "history.status", "history.actor",
  "history.rule",
}

local text = wording.sentence

--- The address of the entries that pass the filters.
---@param path string
---@param filters table<string, string>
---@param after? integer the entry to go on after
---@param except? string a filter to leave out
---@return string
function history.address(path, filters, after, except)
  local words = {}
  for _, row in ipairs(history.FILTERS) do
    local value = row[1] ~= except and filters[row[1]]
    words[#words + 1] = value and row[1] .. "=" .. url.escape(value) or nil
  end
  words[#words + 1] = after and ("after=%d"):format(after) or nil
  return path .. (words[1] and "?" .. table.concat(words, "&") or "")
end

local function filtered(model, filters, after, except)
  return history.address(page.address(model, "/history"), filters, after, except)
end

local function status_words(model, status)
  return text(model, STATUS[status] or "history." .. status)
end

-- The table -----------------------------------------------------------------------------------------------------------

local function note(...)
  return h.span { class = "leadcat-line leadcat-muted", ... }
end

-- A company's name in the host, else its id.
local function company_of(model, id)
  return wording.line(model.names[id] or model.names[tonumber(id)]) or wording.line(id) or "?"
end

local function cause(model, entry)
  local run = entry.run and wording.line(entry.run)
  return {
    wording.note(model, entry, company_of(model, entry.company)) or wording.cause_of_entry(model, entry, model.cfg),
    entry.carries_out and { " ", note(text(model, "history.was_scheduled")) },
    run and { " ", note(text(model, "history.run"), ": ",
      h.a { href = filtered(model, { run = entry.run }), h.bdi { run } }) },
  }
end

local function change(model, entry)
  if not entry.trigger then
    return nil -- it tells of the company itself
  end
  local from = wording.category(model.cfg, entry.from, model.language)
  local to = wording.category(model.cfg, entry.to, model.language)
  return parts.change(from, to, text(model, "change.to"))
end

local function company_link(model, entry)
  local id = type(entry.company) == "string" and entry.company or wording.line(entry.company) or "?"
  local former = entry.trigger and wording.line(entry.former)
  return { h.a { href = filtered(model, { company = id }), h.bdi { company_of(model, entry.company) } },
    former and { " ", note(text(model, "history.former", { company = former })) },
  }
end

local function user(model, actor)
  return h.bdi { wording.called(actor) or text(model, actor and "confirmation.somebody" or "history.program") }
end

-- The words for the person who answered the question, by status of the entry.
local ANSWERED = {
  updated = "history.confirmed_by", applying = "history.confirmed_by", failed = "history.confirmed_by",
  conflict = "history.confirmed_by", declined = "history.declined_by",
}

-- The question that an entry has asked, once it is closed.
local function closed_question(model, entry)
  local question = entry.status == "awaiting_confirmation" and model.questions[entry.confirmation]
  return question and question.state ~= "open" and question or nil
end

-- The user of the event, and the person who answered its question.
local function who(model, entry)
  local key, answered_by, asked_by = entry.confirmation and ANSWERED[entry.status], entry.actor, entry.actor
  if key then
    asked_by = (model.questions[entry.confirmation] or {}).actor
  else
    local question = closed_question(model, entry)
    answered_by = question and question.state ~= "superseded" and question.resolved_by
    key = answered_by and "history.answered_by"
  end
  if entry.ended_by then
    answered_by, key = entry.ended_by, "history.cancelled_by"
  end
  local name = wording.called(answered_by or nil) or text(model, "confirmation.somebody")
  return { (asked_by or not key) and user(model, asked_by), " ", key and note(text(model, key, { user = name })) }
end

local function status(model, entry)
  local question = closed_question(model, entry)
  local due = entry.status == "scheduled" and wording.time(entry.due)
  return {
    question and text(model, "state." .. question.state) or status_words(model, entry.status),
    due and { " ", note(text(model, "history.due", { time = due })) },
  }
end

-- The fields that the newest rules of a trigger name, each once.
local function fields_of(model, trigger)
  local fields, seen = {}, {}
  for _, rule in ipairs(model.cfg.rules) do
    for _, group in ipairs(rule.trigger == trigger and rule.when or {}) do
      for _, condition in ipairs(group) do
        local field = condition.field
        fields[#fields + 1], seen[field] = not seen[field] and field or nil, true
      end
    end
  end
  return fields
end

-- What of the event its rules look at, as far as the entry has it.
local function looked_at(model, entry)
  model.fields[entry.trigger] = model.fields[entry.trigger] or fields_of(model, entry.trigger)
  local facts = {}
  for _, field in ipairs(model.fields[entry.trigger]) do
    local place, name = conditions.place_of(field)
    local value = place and entry[place] and entry[place][name]
    facts[#facts + 1] = value ~= nil and { field = field, value = value } or nil
  end
  return words_of.facts(model, facts, model.cfg.categories)
end

-- The rule and the revision that it was in.
local function rule(model, entry)
  if not entry.trigger then
    return nil
  end
  local id = entry.trigger == "lead_status_set" and config.lead_status_of(entry.rule)
  local name = id and text(model, "history.rule_lead_status", {
    lead_status = wording.name_of(model.cfg.lead_statuses, id, model.language),
  }) or wording.trigger(model, entry.trigger)
  local facts = looked_at(model, entry)
  return { name, " ", note(h.a { href = page.address(model, ("/history/revisions/%d"):format(entry.revision)),
    text(model, "history.version", { number = ("%d"):format(entry.revision) }),
  }), facts and { " ", note(facts) } }
end

-- A screen reader says the company after the button's text, since the page has many such buttons.
local function button(model, entry, row, action)
  local id = row .. "-" .. action
  return h.form { method = "post", action = page.address(model, ("/api/history/%d/%s"):format(entry.entry, action)),
    h.button { type = "submit", id = id, aria_labelledby = id .. " " .. row .. "-company",
      text(model, "history." .. action),
    },
  }
end

-- What the last column offers, by status.
local ACTIONS = { updated = "undo", scheduled = "cancel" }

-- A cell also has its column's label, for narrow screens, where there is no head.
local function cell(model, column, class, id, ...)
  return h.td { class = class, id = id, data_label = text(model, COLUMNS[column]), h.div { ... } }
end

local function row_of(model, entry)
  local id = ("leadcat-entry-%d"):format(entry.entry)
  local is_past = entry.former or entry.company_deleted -- done to a company that there is no more
  local action = model.may_undo and not is_past and ACTIONS[entry.status]
  return h.tr {
    cell(model, 1, "leadcat-time", nil, wording.time(entry.at) or "?"),
    cell(model, 2, "leadcat-name", id .. "-company", company_link(model, entry)),
    cell(model, 3, nil, nil, cause(model, entry)),
    cell(model, 4, nil, nil, change(model, entry)),
    cell(model, 5, nil, nil, status(model, entry)),
    cell(model, 6, nil, nil, who(model, entry)),
    cell(model, 7, nil, nil, rule(model, entry)),
    model.may_undo and h.td { class = "leadcat-undo", action and button(model, entry, id, action) },
  }
end

local function entries_table(model)
  local heads = parts.map(COLUMNS, function(key)
    return text(model, key)
  end)
  heads[#heads + 1] = model.may_undo
    and h.th { scope = "col", class = "leadcat-undo", text(model, "history.undo") } or nil
  return parts.table("leadcat-title", heads, parts.map(model.entries, function(entry)
    return row_of(model, entry)
  end), "leadcat-history")
end

-- Filters -------------------------------------------------------------------------------------------------------------

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

local FIELDS = {
  company = function(model, row) return input(model, row, "search", { dir = "auto" }) end,
  actor = function(model, row) return input(model, row, "search", { dir = "auto" }) end,
  sale = function(model, row) return input(model, row, "search", { dir = "auto" }) end,
  trigger = function(model, row) return choice(model, row, triggers.all(model.own_triggers), wording.trigger) end,
  status = function(model, row) return choice(model, row, search.STATUSES, status_words) end,
  from = function(model, row) return input(model, row, "date") end,
  to = function(model, row) return input(model, row, "date") end,
  revision = function(model, row) return input(model, row, "number", { min = 1 }) end,
  run = function(model, row) return input(model, row, "search", { dir = "auto" }) end,
}

local function form(model)
  return h.details { class = "leadcat-filter",
    h.summary { text(model, "history.filter") },
    h.form { method = "get", action = page.address(model, "/history"),
      h.div { class = "leadcat-filter-fields", parts.map(history.FILTERS, function(row)
        return FIELDS[row[1]](model, row)
      end) },
      h.p { class = "leadcat-actions", h.button { type = "submit", text(model, "history.show") } },
    },
  }
end

local SHOWN_AS = { trigger = wording.trigger, status = status_words, company = company_of }

-- The filters in use, each with a link that removes it.
local function chips(model)
  local items = {}
  for _, row in ipairs(history.FILTERS) do
    local name, value = row[1], model.filters[row[1]]
    local shown = value and (SHOWN_AS[name] and SHOWN_AS[name](model, value) or wording.line(value) or "?")
    items[#items + 1] = value and h.li {
      h.a { class = "leadcat-chip", href = filtered(model, model.filters, nil, name),
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

-- The page ------------------------------------------------------------------------------------------------------------

local function nothing(model)
  local key = next(model.filters) and "history.empty_filtered" or "history.empty"
  return h.p { class = "leadcat-empty", text(model, model.searched == false and "history.partial" or key) }
end

local function older(model)
  local partial = model.searched == false
  return h.p { partial and model.entries[1] and { text(model, "history.partial"), " " },
    h.a { href = filtered(model, model.filters, model.next),
      text(model, partial and "history.go_on" or "history.older"),
    },
  }
end

local function download(model)
  return h.p { class = "leadcat-download",
    h.a { href = history.address(page.address(model, "/history.csv"), model.filters), text(model, "history.csv") }, " ",
    h.span { class = "leadcat-muted", text(model, "history.csv_hint") },
  }
end

--- The page of the journal.
---@param model leadcat.HistoryModel
---@return string
function history.html(model)
  local optional = { filters = model.filters or {}, names = model.names or {}, questions = model.questions or {},
    fields = {} }
  model = setmetatable(optional, { __index = model })
  local title = text(model, "history.title")
  return page.document {
    title = title, language = model.language, base = model.base, navigation = model.navigation, wide = true,
    main = {
      h.h1 { id = "leadcat-title", title },
      parts.said(model.said),
      form(model),
      chips(model),
      model.entries[1] and entries_table(model) or nothing(model),
      model.next and older(model),
      model.entries[1] and download(model),
    },
  }
end

--- What has been cancelled, as a sentence for the page.
---@param entry leadcat.Entry
---@param words leadcat.Words
---@param name? string of the company in the host
---@return string
function history.said_of_cancelled(entry, words, name)
  return text(words, "history.cancel_done", { company = wording.line(name) or wording.line(entry.company) or "?" })
end

--- The result of an undo, as a sentence for the page.
---@param entry leadcat.Entry of the undo
---@param cfg leadcat.Config
---@param words leadcat.Words
---@param name? string of the company in the host
---@return string
function history.said(entry, cfg, words, name)
  return text(words, "history.undone", {
    company = wording.line(name) or wording.line(entry.company) or "?",
    category = wording.category(cfg, entry.to, words.language).name,
  })
end

return history
