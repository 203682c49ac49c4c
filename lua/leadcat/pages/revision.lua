--- The page of one revision of the rules: who saved it, when, and what changed.

local h = require "leadcat.pages.html"
local page = require "leadcat.pages.page"
local parts = require "leadcat.pages.parts"
local wording = require "leadcat.words.wording"

local revision = {}

---@class leadcat.RevisionModel: leadcat.Words
---@field revision leadcat.Revision
---@field changes string[] from `difference.sentences`
---@field next? integer the place of the last of these; nil: all that are left are here
---@field newest integer the revision in use now
---@field base? string path that leadcat is served at; default "/leadcat"

local text = wording.sentence

local function number(value)
  return ("%d"):format(value)
end

--- Who has saved it, and when; whether it brought an older one back, and is in use now.
---@param model leadcat.Words
---@param record leadcat.Revision
---@param newest integer the revision in use now
---@return leadcat.html.Node
function revision.saved(model, record, newest)
  local user = wording.called(record.actor) or record.actor and text(model, "confirmation.somebody")
  local approver = wording.called(record.approved_by)
    or record.approved_by and text(model, "confirmation.somebody")
  return h.p {
    parts.sentence(model, user and "revision.saved" or "revision.saved_program", "time", parts.time(model, record.at),
      { user = user }),
    record.draft and { " ", parts.sentence(model, approver and "revision.approved" or "revision.approved_program",
      "time", parts.time(model, record.approved_at), { user = approver }) },
    record.reverted and { " ", text(model, "revision.reverted", { number = number(record.reverted) }) },
    record.revision == newest and { " ", text(model, "revision.current") },
  }
end

local function changes(model)
  local before = model.revision.revision - 1
  return h.section { aria_labelledby = "leadcat-changes",
    h.h2 { id = "leadcat-changes",
      before == 0 and text(model, "revision.first") or text(model, "revision.changes", { number = number(before) }),
    },
    model.changes[1] and h.ul { class = "leadcat-changes", parts.items(model.changes) }
      or h.p { text(model, "settings.changed_nothing") },
    model.next and h.p { h.a { href = "?after=" .. number(model.next), text(model, "revision.more") } },
  }
end

local function link(model, path, words)
  return h.li { h.a { href = page.address(model, "/history" .. path), words } }
end

local function neighbour(model, other)
  return other >= 1 and other <= model.newest
    and link(model, ("/revisions/%d"):format(other), text(model, "history.version", { number = number(other) })) or nil
end

--- The page.
---@param model leadcat.RevisionModel
---@return string
function revision.html(model)
  local this = model.revision.revision
  local title = text(model, "revision.title", { number = number(this) })
  return page.document {
    title = title, language = model.language, base = model.base, navigation = model.navigation,
    scripts = { "leadcat.js" },
    main = {
      h.h1 { title },
      revision.saved(model, model.revision, model.newest),
      changes(model),
      h.ul { class = "leadcat-links",
        link(model, "?revision=" .. number(this), text(model, "revision.entries")),
        neighbour(model, this - 1), neighbour(model, this + 1),
        h.li { h.a { href = page.address(model, "/versions"), text(model, "versions.link") } },
        link(model, "", text(model, "history.title")),
      },
    },
  }
end

return revision
