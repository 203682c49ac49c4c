--- The pages of open questions: all of them, and one. Both work without JavaScript. With web/leadcat.js, "Answer" opens
-- the dialog in place; the script uses the `data-leadcat-` attributes.

local h = require "leadcat.pages.html"
local page = require "leadcat.pages.page"
local parts = require "leadcat.pages.parts"
local why = require "leadcat.pages.why"
local wording = require "leadcat.words.wording"

local inbox = {}

---@class leadcat.InboxModel: leadcat.Words
---@field views leadcat.View[] open questions, newest first
---@field companies? table<string, string|integer> their companies' ids, by that of the question
---@field next? string the id after which older ones follow
---@field said? string what has just happened
---@field base? string path that leadcat is served at; default "/leadcat"

---@class leadcat.QuestionModel: leadcat.Words
---@field view leadcat.View
---@field dialog string markup, as the engine renders the view
---@field problem? string why the given answer was refused
---@field base? string

local ENDS = { accepted = "updated", changed = "updated", declined = "declined" } -- by a view's state

local text = wording.sentence

-- One question of the list --------------------------------------------------------------------------------------------

local function times(model, view)
  local asked = view.created and parts.timed(text(model, "inbox.asked", { time = view.created }),
    { { view.created_at, view.created } })
  local expires = view.expires and parts.timed(view.expires, { { view.expires_at, view.expires_time } })
  return (asked or expires) and h.p { class = "leadcat-muted", asked, asked and " ", expires }
end

local function is_possible(view)
  for _, option in ipairs(view.options) do
    if option.proposed then
      return true
    end
  end
  return false
end

-- One click answers; the link leads to all that can be answered. A screen reader says the company's name after the text
-- of each, since the page has many of them.
local function actions(model, view, id)
  local function named(name, attributes)
    attributes.id, attributes.aria_labelledby = id .. name, id .. name .. " " .. id
    return attributes
  end
  local action = page.address(model, "/api/confirmations/" .. view.id)
  return h.form { class = "leadcat-actions", method = "post", action = action, data_leadcat_card = view.id,
    is_possible(view) and h.button(named("-set", { class = "leadcat-primary", type = "submit",
      name = "accept", value = "true", data_leadcat_category = view.to.name,
      text(model, "inbox.set", { category = view.to.name }) })),
    h.button(named("-keep", { type = "submit", name = "decline", value = "true",
      text(model, "inbox.keep", { category = view.from.name }) })),
    h.a(named("-answer", { class = "leadcat-button", href = page.address(model, "/confirmations/" .. view.id),
      data_leadcat_answer = view.id, text(model, "inbox.choose") })),
    model.companies and why.link(model, model.companies[view.id], view.company),
  }
end

local function question(model, view)
  local id = "leadcat-question-" .. view.id
  return h.li { class = "leadcat-question", data_leadcat_company = view.company,
    h.h2 { id = id, dir = "auto", view.company },
    h.p { view.cause },
    h.p { parts.change(view.from, view.to, text(model, "change.to")) },
    times(model, view),
    parts.alert(),
    actions(model, view, id),
  }
end

-- The list ------------------------------------------------------------------------------------------------------------

-- Where a script says what has happened. It fills the names into the sentences of the `data-` attributes.
local function said(model)
  local names = { company = "{company}", category = "{category}" }
  local sentences = {}
  for _, name in ipairs { "updated", "applying", "declined", "failed", "refused", "closed" } do
    sentences["data_leadcat_" .. name] = model.strings:text(model.language, "inbox." .. name, names)
  end
  sentences.data_leadcat_network = text(model, "confirmation.network")
  return parts.said(model.said, sentences)
end

local function list(model)
  return h.ul { class = "leadcat-questions", parts.map(model.views, function(view)
    return question(model, view)
  end) }
end

--- The page of a user's open questions.
---@param model leadcat.InboxModel
---@return string
function inbox.html(model)
  local title, any = text(model, "inbox.title"), model.views[1] ~= nil
  return page.document {
    title = title, language = model.language, base = model.base, navigation = model.navigation,
    scripts = { "leadcat.js" },
    main = {
      h.h1 { title },
      said(model),
      any and list(model),
      not model.next and h.p { class = "leadcat-empty", hidden = any, text(model, "inbox.empty") },
      model.next and h.p { h.a { href = "?after=" .. model.next, text(model, "inbox.older") } },
    },
  }
end

--- The page of one question.
---@param model leadcat.QuestionModel
---@return string
function inbox.question(model)
  local title = text(model, "inbox.question", { company = model.view.company })
  return page.document {
    title = title, language = model.language, base = model.base, navigation = model.navigation,
    scripts = { "leadcat.js" },
    main = {
      h.h1 { title },
      model.problem and parts.alert(model.problem),
      h.raw(model.dialog),
      h.p { h.a { href = page.address(model, "/confirmations"), text(model, "inbox.back") } },
    },
  }
end

--- The result of an answer, as a sentence for the inbox.
---@param view leadcat.View of the question as it is now
---@param words leadcat.Words
---@return string? sentence nil while it is open
function inbox.said(view, words)
  if view.state ~= "open" then
    local category = (view.category or view.to).name
    return text(words, "inbox." .. (ENDS[view.state] or "closed"), { company = view.company, category = category })
  end
end

return inbox
