--- The pages of the demo CRM: signing in, its companies, and one company's sale form. The forms work without
-- files/demo.js.

local h = require "leadcat.pages.html"
local language = require "leadcat.util.language"
local parts = require "leadcat.pages.parts"
local url = require "leadcat.util.url"
local words = require "leadcat.demo.words"

local page = {}

local BASE = "/leadcat"

---@class leadcat.demo.Model
---@field language string one of the six
---@field actor? leadcat.Actor who has signed in
---@field said? string the outcome of the last event or answer
---@field count? integer the user's open questions
---@field companies? leadcat.demo.Row[]
---@field statuses? leadcat.LeadStatus[] {id, name} to choose from
---@field nonce? string new in every page: a form that is sent twice is one event
---@field dialog? leadcat.html.Node the question to ask before the sale is saved

---@class leadcat.demo.Row
---@field name string
---@field category leadcat.NamedCategory
---@field sale string
---@field contact string

local function text(model, key, names)
  return words.text(model.language, key, names)
end

-- Around every page ---------------------------------------------------------------------------------------------------

local function languages(model)
  local buttons = parts.map(words.LANGUAGES, function(row)
    return h.button { type = "submit", name = "language", value = row[1], lang = language.of_page(row[1]),
      title = row[2], aria_label = row[2], aria_pressed = row[1] == model.language and "true" or "false", row[1] }
  end)
  return h.form { class = "demo-languages", method = "post", action = "/demo/language",
    h.p { role = "group", aria_label = text(model, "language"), buttons },
  }
end

local function badge(model)
  return h.span { class = "demo-badge", id = "demo-badge", data_demo_live = true, hidden = model.count == 0,
    model.count == 1000 and "1000+" or model.count }
end

local function navigation(model)
  return h.nav {
    h.a { href = BASE .. "/settings", text(model, "settings") }, " ",
    h.a { href = BASE .. "/confirmations", text(model, "questions"), " ", badge(model) }, " ",
    h.a { href = BASE .. "/history", text(model, "history") },
  }
end

local function user(model)
  return h.form { class = "demo-user", method = "post", action = "/demo/sign-out",
    h.p { h.span { h.bdi { model.actor.name } }, " ", h.button { type = "submit", text(model, "sign_out") } },
  }
end

local function document(model, title, main)
  return h.document { lang = language.of_page(model.language),
    h.head {
      h.meta { charset = "utf-8" },
      h.title { title },
      h.meta { name = "viewport", content = "width=device-width, initial-scale=1" },
      h.meta { name = "color-scheme", content = "light dark" },
      h.link { rel = "icon", href = "/demo/files/icon.svg", type = "image/svg+xml" },
      h.link { rel = "stylesheet", href = BASE .. "/leadcat.css" },
      h.link { rel = "stylesheet", href = "/demo/files/demo.css" },
      model.actor and h.script { src = BASE .. "/leadcat.js", defer = true },
      model.actor and h.script { src = "/demo/files/demo.js", defer = true },
    },
    h.body { class = "leadcat-page demo-page",
      h.header { class = "demo-header",
        h.p { class = "demo-brand", h.a { href = "/demo", text(model, "brand") } },
        model.actor and navigation(model),
        h.div { class = "demo-corner", languages(model), model.actor and user(model) },
      },
      h.main { class = "leadcat-main leadcat-wide", h.h1 { title }, main },
    },
  }
end

-- The last outcome, and where the script shows problems.
local function said(model)
  return {
    parts.said(model.said, { id = "demo-said", data_demo_cancelled = text(model, "cancelled") }),
    h.p { class = "leadcat-alert", id = "demo-problem", role = "alert" },
  }
end

-- Signing in ----------------------------------------------------------------------------------------------------------

local function role(model, name)
  return h.li {
    h.button { type = "submit", name = "user", value = name, class = "leadcat-primary",
      aria_describedby = "demo-" .. name, text(model, name) }, " ",
    h.span { id = "demo-" .. name, class = "leadcat-muted", text(model, name .. "_hint") },
  }
end

--- The page for users who are not signed in.
---@param model leadcat.demo.Model
---@return string
function page.sign_in(model)
  return document(model, text(model, "sign_in"), {
    h.p { text(model, "sign_in_hint") },
    h.form { method = "post", action = "/demo/sign-in",
      h.ul { class = "demo-roles", role(model, "admin"), role(model, "sales") },
    },
  })
end

-- Events --------------------------------------------------------------------------------------------------------------

-- The forms of a company: for its sale, and for its contact's lead status. `before`: ask before saving.
local function forms(model, row, id, before)
  local function hidden(name, value)
    return h.input { type = "hidden", name = name, value = value }
  end
  local function button(trigger)
    return h.button { type = "submit", name = "trigger", value = trigger, id = id .. trigger,
      aria_labelledby = id .. trigger .. " " .. id .. "name", text(model, trigger) }
  end
  local function form(class, ...)
    return h.form { class = class, method = "post", action = "/demo/events", data_demo_event = true,
      hidden("company", row.name), hidden("id", model.nonce), before and hidden("before", "true"), ... }
  end
  local statuses = parts.map(model.statuses, function(status)
    return h.option { value = status.id, status.name }
  end)
  return {
    form("demo-sale", hidden("sale", row.sale),
      h.p { class = "demo-label", text(model, "sale"), ": ", h.bdi { row.sale } },
      h.p { class = "demo-buttons", button "sale_registered", " ", button "sale_won", " ", button "sale_lost" }),
    not before and form("demo-status", hidden("contact", row.contact),
      h.p { class = "demo-label",
        h.label { ["for"] = id .. "status", text(model, "lead_status", { contact = row.contact }) } },
      h.p { class = "demo-buttons", h.select { id = id .. "status", name = "lead_status", statuses }, " ",
        button "lead_status_set" }),
  }
end

local function card(model, row, i)
  local id = ("demo-%d-"):format(i)
  return h.li { class = "demo-company",
    h.h2 { id = id .. "name", dir = "auto", row.name },
    h.p { parts.category(row.category) },
    forms(model, row, id, false),
    h.p { h.a { href = "/demo/company?id=" .. url.escape(row.name), id = id .. "form",
      aria_labelledby = id .. "form " .. id .. "name", text(model, "open_form") } },
  }
end

--- All companies, each with its forms.
---@param model leadcat.demo.Model
---@return string
function page.companies(model)
  local cards = parts.map(model.companies, function(row, i)
    return card(model, row, i)
  end)
  return document(model, text(model, "companies"), {
    h.p { text(model, "companies_hint") },
    said(model),
    h.ul { class = "demo-companies", id = "demo-live", data_demo_live = true, cards },
  })
end

-- leadcat's panel of the company.
local function panel(model, row)
  return h.iframe { class = "demo-panel", id = "demo-panel", data_demo_live = true, title = text(model, "panel"),
    src = ("%s/companies/%s/panel"):format(BASE, url.escape(row.name)) }
end

--- One company's sale form, which asks before it saves.
---@param model leadcat.demo.Model
---@param row leadcat.demo.Row
---@return string
function page.company(model, row)
  return document(model, row.name, {
    h.p { id = "demo-live", data_demo_live = true, parts.category(row.category) },
    h.p { text(model, "form_hint") },
    said(model),
    h.div { class = "demo-beside",
      h.div { class = "demo-company", h.h2 { id = "demo-name", text(model, "open_form") },
        forms(model, row, "demo-", true) },
      panel(model, row),
    },
    model.dialog,
    h.p { h.a { href = "/demo", text(model, "back") } },
  })
end

return page
