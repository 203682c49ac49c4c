--- The versions of the rules: who saved them, when, and what that changed; and the page that says what going back to one
-- would change, before it does.

local h = require "leadcat.pages.html"
local page = require "leadcat.pages.page"
local parts = require "leadcat.pages.parts"
local revision_page = require "leadcat.pages.revision"
local wording = require "leadcat.words.wording"

local versions = {}

---@class leadcat.Version
---@field record leadcat.Revision
---@field changes string[] from `difference.sentences`

---@class leadcat.VersionsModel: leadcat.Words
---@field versions leadcat.Version[] newest first
---@field newest integer the revision in use now; 0: none is saved
---@field next? integer the revision below which the next page begins
---@field is_first boolean whether this is the first page
---@field may_revert boolean
---@field reverted? integer the version that was just brought back
---@field base? string path that leadcat is served at; default "/leadcat"

---@class leadcat.RevertModel: leadcat.Words
---@field revision leadcat.Revision to go back to
---@field newest integer the revision in use now
---@field changes string[] what that would change now
---@field stale? boolean it was tried from what is not in use any more
---@field base? string

local MOST = 8 -- changes that are told of a version

local text = wording.sentence

local function number(value)
  return ("%d"):format(value)
end

local function at(model, record, path)
  return page.address(model, ("/%s/%d"):format(path, record.revision))
end

local function changes_of(model, version)
  local shown = parts.map(version.changes, function(sentence, i) return i <= MOST and h.li { sentence } end)
  return {
    version.changes[1] and h.ul { class = "leadcat-changes", shown }
      or h.p { class = "leadcat-muted", text(model, "settings.changed_nothing") },
    #version.changes > MOST and h.p { h.a { href = at(model, version.record, "history/revisions"),
      text(model, "versions.more", { count = wording.number(#version.changes) }) } },
  }
end

local function version_html(model, version)
  local record = version.record
  local title = ("leadcat-version-%d"):format(record.revision)
  local is_newest = record.revision == model.newest
  return h.li { class = is_newest and "leadcat-card leadcat-version leadcat-newest" or "leadcat-card leadcat-version",
    h.h2 { id = title, h.a { href = at(model, record, "history/revisions"),
      text(model, "history.version", { number = number(record.revision) }) } },
    h.div { class = "leadcat-muted", revision_page.saved(model, record, model.newest) },
    changes_of(model, version),
    model.may_revert and not is_newest and h.p {
      h.a { href = at(model, record, "versions"),
        text(model, "versions.revert", { number = number(record.revision) }) },
    },
  }
end

local function links(model)
  local function link(path, key)
    return h.li { h.a { href = page.address(model, path), text(model, key) } }
  end
  return h.ul { class = "leadcat-links",
    model.next and link(("/versions?before=%d"):format(model.next), "versions.older"),
    not model.is_first and link("/versions", "versions.newest"),
    model.may_revert and link("/settings", "settings.title"), link("/history", "history.title"),
  }
end

--- The index.
---@param model leadcat.VersionsModel
---@return string
function versions.html(model)
  local title = text(model, "versions.title")
  return page.document {
    title = title, language = model.language, base = model.base, navigation = model.navigation,
    scripts = { "leadcat.js" },
    main = {
      h.h1 { title },
      parts.said(model.reverted and text(model, "versions.reverted", { number = number(model.reverted) }) or nil, nil,
        "updated"),
      model.versions[1] and h.ol { class = "leadcat-versions",
        parts.map(model.versions, function(version) return version_html(model, version) end) }
        or h.p { text(model, "versions.none") },
      links(model),
    },
  }
end

--- What going back would change, and the button that does it.
---@param model leadcat.RevertModel
---@return string
function versions.revert(model)
  local this = number(model.revision.revision)
  local title = text(model, "versions.preview_title", { number = this })
  return page.document {
    title = title, language = model.language, base = model.base, navigation = model.navigation,
    scripts = { "leadcat.js" },
    main = {
      h.h1 { title },
      revision_page.saved(model, model.revision, model.newest),
      model.stale and parts.alert(text(model, "versions.stale")) or nil,
      model.changes[1] and {
        h.p { text(model, "versions.preview") },
        h.ul { class = "leadcat-changes", parts.items(model.changes) },
        h.p { class = "leadcat-muted", text(model, "versions.hint") },
      } or h.p { text(model, "versions.same") },
      model.changes[1] and h.form { method = "post", action = at(model, model.revision, "versions"),
        h.input { type = "hidden", name = "newest", value = model.newest },
        h.p { class = "leadcat-actions",
          h.button { class = "leadcat-primary", type = "submit", data_leadcat_busy = text(model, "working"),
            text(model, "versions.go_back") }, " ",
          h.a { href = page.address(model, "/versions"), text(model, "settings.cancel") },
        },
      } or h.p { h.a { href = page.address(model, "/versions"), text(model, "versions.link") } },
    },
  }
end

return versions
