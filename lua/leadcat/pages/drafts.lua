--- Drafts of the rules: the list with what each would do, and the page of one: what it would change, approving it now or for later, and
-- discarding it.

local h = require "leadcat.pages.html"
local page = require "leadcat.pages.page"
local parts = require "leadcat.pages.parts"
local wording = require "leadcat.words.wording"

local drafts = {}

---@class leadcat.DraftsModel: leadcat.Words
---@field drafts leadcat.Draft[] newest first
---@field may_save boolean
---@field discarded? boolean one was just discarded
---@field scheduled? boolean one was just approved for later
---@field gone? boolean somebody else was first
---@field base? string path that leadcat is served at; default "/leadcat"

---@class leadcat.DraftModel: leadcat.Words
---@field draft leadcat.DraftView
---@field may_save boolean
---@field may_approve boolean
---@field needs_another boolean whether nobody may approve his own
---@field problem? "refused"|"no_time" why it was not approved
---@field base? string

local text = wording.sentence

local function user_of(model, actor)
  return wording.called(actor) or actor and text(model, "confirmation.somebody")
end

-- A sentence with a user, where there is one, and a time, as text and with an element for the time.
local function told(model, key, user, seconds)
  local time = wording.time(seconds, model)
  local sentence = text(model, user and key or key .. "_program", { user = user, time = time or "?" })
  return sentence, parts.timed(sentence, { time and { seconds, time } })
end

local function title_of(model, draft)
  return told(model, "drafts.by", user_of(model, draft.actor), draft.at)
end

-- What it would have done.
local function effect(model, draft)
  local tried = draft.effect
  return h.p { tried.events == 0 and text(model, "drafts.no_events")
    or text(model, tried.moved == 0 and "drafts.moves_none" or "drafts.moves", {
      moved = wording.number(tried.moved), companies = wording.number(tried.companies),
      events = wording.number(tried.events),
    }) }
end

-- What becomes of it.
local function state(model, draft)
  return {
    draft.note and h.p { class = "leadcat-note", h.bdi { wording.line(draft.note) } },
    draft.reverted and h.p { text(model, "revision.reverted", { number = ("%d"):format(draft.reverted) }) },
    draft.due and h.p { h.strong {
      select(2, told(model, "drafts.due", user_of(model, draft.approved_by), draft.due)) } },
    draft.problem and parts.alert(text(model, "drafts.failed")),
  }
end

local function card(model, draft)
  local id = ("leadcat-draft-%d"):format(draft.id)
  return h.li { class = "leadcat-card",
    h.h2 { id = id, h.a { href = page.address(model, ("/drafts/%d"):format(draft.id)),
      select(2, title_of(model, draft)) } },
    state(model, draft), effect(model, draft),
  }
end

local function links(model, own)
  return h.ul { class = "leadcat-links", own,
    model.may_save and h.li { h.a { href = page.address(model, "/settings"), text(model, "settings.title") } },
    h.li { h.a { href = page.address(model, "/versions"), text(model, "versions.link") } },
  }
end

-- `heading`: the title with elements in it.
local function document(model, title, heading, ...)
  return page.document {
    title = title, language = model.language, base = model.base, navigation = model.navigation,
    scripts = { "leadcat.js" }, main = { h.h1 { heading }, ... },
  }
end

--- The list.
---@param model leadcat.DraftsModel
---@return string
function drafts.list(model)
  local said = model.discarded and "discarded" or model.scheduled and "scheduled" or nil
  local title = text(model, "drafts.title")
  return document(model, title, title,
    parts.said(said and text(model, "drafts." .. said)),
    model.gone and parts.alert(text(model, "drafts.gone")) or nil,
    h.p { class = "leadcat-muted", text(model, "drafts.hint") },
    model.drafts[1] and h.ul { class = "leadcat-versions",
      parts.map(model.drafts, function(draft) return card(model, draft) end) }
      or h.p { class = "leadcat-empty", text(model, "drafts.none") },
    links(model))
end

local function button(model, action, key, class)
  return h.button { type = "submit", name = "action", value = action, class = class, text(model, key) }
end

local function form(model, ...)
  return h.form { method = "post", action = page.address(model, ("/drafts/%d"):format(model.draft.id)), ... }
end

-- Now, or at a time, which leadcat.js lets the reader write in his own zone, and without it is in UTC.
local function approving(model)
  if not model.may_approve or model.draft.conflicts[1] then
    return nil
  end
  return {
    form(model, h.p { class = "leadcat-actions", button(model, "approve", "drafts.approve", "leadcat-primary") }),
    form(model, h.input { type = "hidden", name = "when", value = "later" },
      h.p { class = "leadcat-actions",
        h.label { ["for"] = "leadcat-at", text(model, "drafts.at"), h.span { data_leadcat_utc = "", " (UTC)" } }, " ",
        h.input { type = "datetime-local", id = "leadcat-at", name = "at", required = true }, " ",
        button(model, "approve", "drafts.approve_later"),
      }),
  }
end

local function list_of(id, title, sentences)
  return h.section { aria_labelledby = id, h.h2 { id = id, title },
    h.ul { class = "leadcat-changes", parts.items(sentences) } }
end

local function changes(model)
  local draft = model.draft
  return draft.changes[1] and list_of("leadcat-changes", text(model, "drafts.changes"), draft.changes)
    or h.p { text(model, "drafts.same") }
end

local function others(model)
  local draft = model.draft
  return draft.conflicts[1] and {
    parts.alert(text(model, "drafts.conflict")),
    draft.others[1] and list_of("leadcat-others", text(model, "drafts.others"), draft.others),
  } or nil
end

--- The page of one.
---@param model leadcat.DraftModel
---@return string
function drafts.one(model)
  local draft = model.draft
  local title, heading = title_of(model, draft)
  return document(model, title, heading,
    model.problem and parts.alert(text(model, "drafts." .. model.problem)) or nil,
    state(model, draft), effect(model, draft), others(model), changes(model),
    model.needs_another and not model.may_approve
      and h.p { class = "leadcat-muted", text(model, "drafts.needs_another") },
    approving(model),
    model.may_save and form(model, h.p { class = "leadcat-actions", button(model, "discard", "drafts.discard") }),
    links(model, {
      model.may_save and h.li { h.a { href = page.address(model, ("/settings?draft=%d"):format(draft.id)),
        text(model, "drafts.edit") } },
      h.li { h.a { href = page.address(model, "/drafts"), text(model, "drafts.all") } },
    }))
end

return drafts
