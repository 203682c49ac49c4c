--- The pages of open questions: all of them, and one. Both work without JavaScript. With web/leadcat.js, a button of a card
-- answers in place, and "Choose another" opens the dialog there; the script uses the `data-leadcat-` attributes.

local assigning = require "leadcat.pages.assigning"
local h = require "leadcat.pages.html"
local page = require "leadcat.pages.page"
local parts = require "leadcat.pages.parts"
local url = require "leadcat.util.url"
local why = require "leadcat.pages.why"
local wording = require "leadcat.words.wording"

local inbox = {}

---@class leadcat.InboxModel: leadcat.Words
---@field views leadcat.View[] open questions, newest first
---@field owners? (leadcat.Actor|false)[] whose they are, in the same places, where others' are shown, too
---@field locked? table<string, true> those that the reader may not answer, by id
---@field companies? table<string, string|integer> their companies' ids, by that of the question
---@field next? string the id after which older ones follow
---@field everyone? boolean whether others' questions are shown, too
---@field user? string whose questions are shown, by id; nil: the reader's, or everyone's
---@field may_everyone? boolean whether the reader may see others'
---@field after? string the id that the page goes on after
---@field users? leadcat.Actor[] to whom questions may be given; nil: whose id is typed
---@field said? string what has just happened
---@field kind? string how that looks, as `parts.said` has it
---@field left? leadcat.InboxLeft[] what could not be done of what was to be done with several
---@field problem? string why nothing was done
---@field base? string path that leadcat is served at; default "/leadcat"

---@class leadcat.InboxLeft
---@field id? string of the question, where it is open and may be seen
---@field company? string where it may be seen
---@field why string

---@class leadcat.QuestionModel: leadcat.Words
---@field view leadcat.View
---@field dialog string markup, as the engine renders the view
---@field place? string where the reader came from, as `inbox.place` gives it
---@field may_assign? boolean whether the reader may give it to somebody else
---@field users? leadcat.Actor[] as above
---@field problem? string why the given answer was refused
---@field base? string

local ENDS = { accepted = "updated", changed = "updated", declined = "declined" } -- by a view's state
local SEVERAL = "leadcat-several"

local text = wording.sentence

--- Where the reader is, as the end of an address: everything that the page was asked for.
---@param model {everyone?: boolean, user?: string, after?: string}
---@return string place "?everyone=true", or "" for the reader's newest questions
function inbox.place(model)
  local words = {}
  words[1] = model.everyone and "everyone=true" or nil
  words[#words + 1] = model.everyone and model.user and "user=" .. url.escape(model.user) or nil
  words[#words + 1] = model.after and "after=" .. url.escape(model.after) or nil
  return words[1] and "?" .. table.concat(words, "&") or ""
end

local function address(model, path)
  return page.address(model, path) .. inbox.place(model)
end

-- One question of the list --------------------------------------------------------------------------------------------

local function times(model, view)
  local asked = view.created and parts.timed(text(model, "inbox.asked", { time = view.created }),
    { { view.created_at, view.created } })
  local expires = view.expires and parts.timed(view.expires, { { view.expires_at, view.expires_time } })
  return (asked or expires) and h.p { class = "leadcat-muted", asked, asked and " ", expires }
end

-- Whose it is, where others' are shown, too; leads to all of that user.
local function owner(model, i)
  if not model.everyone then
    return nil
  end
  local user = model.owners and model.owners[i]
  local name = wording.called(user or nil)
  local id = user and wording.line(user.id)
  local words = name and text(model, "inbox.for_user", { user = name }) or text(model, "inbox.for_nobody")
  return h.p { class = "leadcat-muted", id and not model.user and h.a {
    href = page.address(model, "/confirmations") .. inbox.place { everyone = true, user = tostring(user.id) }, words,
  } or words }
end

-- One click answers; the link leads to all that can be answered. A screen reader says the company's name after the text
-- of each, since the page has many of them.
local function actions(model, view, id)
  local function named(name, attributes)
    attributes.id, attributes.aria_labelledby = id .. name, id .. name .. " " .. id
    attributes.data_leadcat_busy = attributes.type and model.strings:text(model.language, "settings.saving") or nil
    return attributes
  end
  local action = address(model, "/api/confirmations/" .. view.id)
  return h.form { class = "leadcat-actions", method = "post", action = action, data_leadcat_card = view.id,
    parts.is_possible(view) and h.button(named("-set", { class = "leadcat-primary", type = "submit",
      name = "accept", value = "true", data_leadcat_category = view.to.name,
      text(model, "inbox.set", { category = view.to.name }) })),
    h.button(named("-keep", { type = "submit", name = "decline", value = "true",
      text(model, "inbox.keep", { category = view.from.name }) })),
    h.a(named("-answer", { class = "leadcat-button", href = address(model, "/confirmations/" .. view.id),
      data_leadcat_answer = view.id, text(model, "inbox.choose") })),
    model.companies and why.link(model, model.companies[view.id], view.company),
  }
end

local function has_several(model)
  return model.views[2] ~= nil
end

-- Chooses the question for the form that answers several. What is shown is told, so that all of that can be chosen.
local function pick(model, view)
  return has_several(model) and {
    h.input { type = "checkbox", class = "leadcat-pick", form = SEVERAL, name = "pick-" .. view.id, value = "true",
      aria_label = text(model, "inbox.pick", { company = view.company }) },
    h.input { type = "hidden", form = SEVERAL, name = "shown-" .. view.id, value = "true" },
  }
end

local function question(model, view, i)
  local id = "leadcat-question-" .. view.id
  local locked = model.locked and model.locked[view.id]
  return h.li { class = "leadcat-question", data_leadcat_company = view.company,
    not locked and pick(model, view),
    h.h2 { id = id, dir = "auto", tabindex = -1, view.company },
    owner(model, i),
    h.p { view.cause },
    h.p { parts.change(view.from, view.to, text(model, "change.to")) },
    times(model, view),
    view.assigned and h.p { class = "leadcat-muted", view.assigned },
    not locked and actions(model, view, id),
    parts.alert(),
  }
end

-- Several at once -----------------------------------------------------------------------------------------------------

local function several(model)
  local heading = SEVERAL .. "-title"
  local busy = model.strings:text(model.language, "settings.saving")
  return has_several(model) and h.form { id = SEVERAL, class = SEVERAL, method = "post",
    action = address(model, "/confirmations"), aria_labelledby = heading,
    h.h2 { id = heading, text(model, "inbox.many") },
    h.label { class = "leadcat-choice", h.input { type = "checkbox", name = "all", value = "true",
      data_leadcat_all = SEVERAL }, " ", text(model, "inbox.all") },
    h.p { class = "leadcat-actions",
      h.button { type = "submit", name = "do", value = "accept", data_leadcat_busy = busy,
        text(model, "inbox.accept_many") },
      h.button { type = "submit", name = "do", value = "decline", data_leadcat_busy = busy,
        text(model, "inbox.keep_many") },
    },
    assigning.details(model, SEVERAL, { type = "submit", name = "do", value = "assign" }),
  }
end

local function left(model)
  local list = model.left or {}
  return list[1] and h.div { class = "leadcat-alert", role = "alert", tabindex = -1,
    h.p { text(model, "inbox.left_many", { count = ("%d"):format(#list) }) },
    h.ul { parts.map(list, function(item)
      local company = item.company and h.bdi { item.company }
      return h.li {
        item.id and h.a { href = address(model, "/confirmations/" .. item.id), company } or company, company and ": ",
        item.why,
      }
    end) },
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
  return parts.said(model.said, sentences, model.kind)
end

local function list(model)
  return h.ul { class = "leadcat-questions", parts.map(model.views, function(view, i)
    return question(model, view, i)
  end) }
end

-- Mine, or everyone's: for who may see others'.
local function switch(model)
  local function link(key, everyone)
    local current = (model.everyone or false) == everyone
    return h.li { h.a { aria_current = current and (model.user and "true" or "page") or false,
      href = page.address(model, "/confirmations") .. inbox.place { everyone = everyone }, text(model, key) } }
  end
  local label = text(model, "inbox.whose")
  return model.may_everyone and h.nav { class = "leadcat-navigation leadcat-whose", aria_label = label,
    h.ul { link("inbox.mine", false), link("inbox.everyone", true) } }
end

local function title_of(model)
  if not model.everyone then
    return text(model, "inbox.title")
  elseif model.user then
    local name = wording.called(model.owners and model.owners[1] or nil) or wording.line(model.user)
    return text(model, "inbox.user_title", { user = name })
  end
  return text(model, "inbox.everyone_title")
end

--- The page of open questions: the reader's, another user's, or everyone's.
---@param model leadcat.InboxModel
---@return string
function inbox.html(model)
  local title, any = title_of(model), model.views[1] ~= nil
  local older = model.next and inbox.place { everyone = model.everyone, user = model.user, after = model.next }
  return page.document {
    title = title, language = model.language, base = model.base, navigation = model.navigation,
    scripts = { "leadcat.js" },
    main = {
      h.h1 { id = "leadcat-title", tabindex = -1, title },
      switch(model),
      said(model),
      model.problem and parts.alert(model.problem),
      left(model),
      several(model),
      any and list(model),
      not model.next and h.p { class = "leadcat-empty", hidden = any,
        text(model, model.everyone and "inbox.everyone_empty" or "inbox.empty") },
      older and h.p { h.a { href = older, text(model, "inbox.older") } },
    },
  }
end

--- The page of one question.
---@param model leadcat.QuestionModel
---@return string
function inbox.question(model)
  local title = text(model, "inbox.question", { company = model.view.company })
  local place = model.place or ""
  return page.document {
    title = title, language = model.language, base = model.base, navigation = model.navigation,
    scripts = { "leadcat.js" },
    main = {
      h.h1 { title },
      model.problem and parts.alert(model.problem),
      h.raw(model.dialog),
      model.may_assign and h.form { method = "post",
        action = page.address(model, ("/api/confirmations/%s/assign"):format(model.view.id)) .. place,
        assigning.details(model, "leadcat-assign", { type = "submit" }),
      },
      h.p { h.a { href = page.address(model, "/confirmations") .. place, text(model, "inbox.back") } },
    },
  }
end

--- The result of an answer, as a sentence for the inbox.
---@param view leadcat.View of the question as it is now
---@param words leadcat.Words
---@return string? sentence nil while it is open
---@return string? kind how that looks, as `parts.said` has it
function inbox.said(view, words)
  if view.state ~= "open" then
    local category, kind = (view.category or view.to).name, ENDS[view.state] or "closed"
    return text(words, "inbox." .. kind, { company = view.company, category = category }), kind
  end
end

return inbox
