--- A company's panel: its category, its last change, its open question and what is scheduled, each with what can be done
-- about it. It stands in a frame of the host's page, works without a script, and is narrow.

local filters_of = require "leadcat.pages.history_filters"
local h = require "leadcat.pages.html"
local page = require "leadcat.pages.page"
local parts = require "leadcat.pages.parts"
local url = require "leadcat.util.url"
local why = require "leadcat.pages.why"
local wording = require "leadcat.words.wording"

local panel = {}

---@class leadcat.PanelModel: leadcat.Words
---@field company string|integer
---@field name? string what the host calls it
---@field category? integer where it is
---@field cfg leadcat.Config the newest
---@field change? leadcat.Entry the newest change, or attempt at one
---@field question? leadcat.View that is open
---@field scheduled? leadcat.Entry
---@field held? leadcat.Entry the newest match of a rule at its limit
---@field may {change?: "undo"|"retry", question?: boolean, scheduled?: boolean, held?: boolean} what the reader can do about each
---@field has_buttons boolean whether there are any buttons
---@field said? string what has just happened
---@field kind? string how that looks, as `parts.said` has it
---@field refused? string why it was not done
---@field base? string path that leadcat is served at; default "/leadcat"

local text = wording.sentence

local function category(model, id)
  return id and parts.category(wording.category(model.cfg, id, model.language)) or text(model, "compare.unknown")
end

-- A form of the panel. The server leads back to the panel of the company that it names.
local function form(model, path, ...)
  return h.form { class = "leadcat-actions", method = "post", action = page.address(model, path),
    h.input { type = "hidden", name = "panel", value = wording.id(model.company) }, ... }
end

-- A button of one, which says that it is working.
local function button(model, attributes, words)
  local content = { type = "submit", data_leadcat_busy = text(model, "working"), words }
  for name, value in pairs(attributes or {}) do
    content[name] = value
  end
  return h.button(content)
end

local function act(model, entry, action)
  return model.has_buttons and form(model, ("/api/history/%d/%s"):format(entry.entry, action),
    button(model, nil, text(model, "history." .. action)))
end

local function part(model, key, ...)
  return h.section { class = "leadcat-card", h.h2 { text(model, key) }, ... }
end

-- A link leaves the frame, which is too small for what it leads to.
local function link(address, words)
  return h.a { href = address, target = "_blank", rel = "noopener", words }
end

-- The last change -----------------------------------------------------------------------------------------------------

local function who(entry)
  local name = wording.called(entry.actor)
  return name and { " \194\183 ", h.bdi { name } } -- U+00B7
end

local function change(model)
  local entry = model.change
  if not entry then
    return h.p { class = "leadcat-muted", text(model, "panel.nothing") }
  end
  local from = wording.category(model.cfg, entry.from, model.language)
  local to = wording.category(model.cfg, entry.to, model.language)
  return part(model, "panel.change",
    h.p { parts.change(from, to, text(model, "change.to")),
      entry.status ~= "updated" and { " ", h.span {
        class = "leadcat-badge leadcat-badge-" .. (entry.status == "failed" and "bad" or "open"),
        filters_of.status_words(model, entry.status) } },
    },
    h.p { wording.cause_of_entry(model, entry, model.cfg) },
    h.p { class = "leadcat-muted", parts.time(model, entry.at), who(entry) },
    model.may.change and act(model, entry, model.may.change))
end

-- The question --------------------------------------------------------------------------------------------------------

-- The other categories that can be chosen, behind a summary.
local function choice(model, view, path)
  return h.details { class = "leadcat-choice",
    h.summary { text(model, "inbox.choose") },
    form(model, path,
      h.p { class = "leadcat-field",
        h.label { ["for"] = "leadcat-choice", text(model, "panel.choice") }, " ",
        h.select { id = "leadcat-choice", name = "category", required = true, parts.map(view.options, function(option)
          return h.option { value = option.id, dir = "auto", selected = option.proposed or false, option.name }
        end) },
      },
      button(model, nil, view.labels.save)),
  }
end

local function answers(model, view)
  local path = "/api/confirmations/" .. view.id
  return {
    form(model, path,
      parts.is_possible(view) and button(model, { class = "leadcat-primary", name = "accept", value = "true" },
        text(model, "inbox.set", { category = view.to.name })),
      button(model, { name = "decline", value = "true" },
        text(model, "inbox.keep", { category = view.from.name }))),
    choice(model, view, path),
  }
end

local function question(model)
  local view = model.question
  return view and part(model, "panel.question",
    h.p { view.cause },
    h.p { parts.change(view.from, view.to, text(model, "change.to")) },
    view.expires and h.p { class = "leadcat-muted",
      parts.timed(view.expires, { { view.expires_at, view.expires_time } }) },
    model.may.question and (model.has_buttons and answers(model, view)
      or h.p { link(page.address(model, "/confirmations/" .. view.id), text(model, "panel.answer")) }))
end

-- What is scheduled ---------------------------------------------------------------------------------------------------

local function scheduled(model)
  local entry = model.scheduled
  return entry and part(model, "history.scheduled",
    h.p { category(model, entry.to) },
    h.p { class = "leadcat-muted",
      parts.sentence(model, "history.due", "time", parts.time(model, entry.due)) },
    model.may.scheduled and act(model, entry, "cancel"))
end

-- What is held -------------------------------------------------------------------------------------------------------

local function held(model)
  local entry = model.held
  local function verb(action)
    return button(model, { name = "action", value = action }, text(model, "panel." .. action))
  end
  return entry and part(model, "history.held",
    h.p { category(model, entry.to) },
    h.p { wording.cause_of_entry(model, entry, model.cfg) },
    h.p { class = "leadcat-muted", parts.time(model, entry.at), who(entry) },
    model.may.held and model.has_buttons and form(model, "/held",
      h.input { type = "hidden", name = ("entry.%d"):format(entry.entry), value = "on" },
      verb "release", verb "drop"))
end

-- The page ------------------------------------------------------------------------------------------------------------

--- The page.
---@param model leadcat.PanelModel
---@return string
function panel.html(model)
  local name = wording.line(model.name) or wording.line(model.company) or "?"
  local history = page.address(model, "/history?company=" .. url.escape(wording.id(model.company)))
  local title = text(model, "panel.title", { company = name })
  return page.document {
    title = title, language = model.language, base = model.base, panel = title,
    navigation = model.navigation, scripts = { "leadcat.js" },
    main = {
      h.h1 { h.span { class = "leadcat-hidden", title, ": " },
        category(model, model.category) },
      parts.said(model.said, nil, model.kind),
      parts.alert(model.refused),
      question(model),
      scheduled(model),
      held(model),
      change(model),
      h.p { class = "leadcat-panel-links", link(why.address(model, model.company), text(model, "why.title")), " ",
        link(history, text(model, "panel.history")) },
    },
  }
end

return panel
