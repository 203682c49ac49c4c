--- The page of the journal: what was done about which company, why, and by whom, newest first. It is forms and links only.

local h = require "leadcat.render.html"
local page = require "leadcat.render.page"
local parts = require "leadcat.render.parts"
local url = require "leadcat.url"
local wording = require "leadcat.render.wording"

local history = {}

---@class leadcat.HistoryModel: leadcat.Words
---@field entries leadcat.Entry[] newest first
---@field cfg leadcat.Config the newest, for names
---@field company? string only this company's are shown
---@field next? integer the entry behind which older ones follow
---@field may_undo boolean
---@field said? string what has just happened
---@field base? string path that leadcat is served at; default "/leadcat"

local STATUS = { -- keys of the words that others have already
  conflict = "state.conflict", declined = "state.declined", expired = "state.expired", superseded = "state.superseded",
}
local COLUMNS = {
  "history.time", "confirmation.company", "history.cause", "confirmation.category", "history.status", "history.actor",
  "history.revision",
}

local function text(model, key, names)
  return wording.sentence(model, key, names)
end

local function address(model, path)
  return (model.base or page.BASE) .. path
end

-- The table ------------------------------------------------------------------------------------------------------------

-- What led to an entry.
local function cause(model, entry)
  if entry.undoes then
    return text(model, "history.undo_of")
  end
  return wording.cause(model, {
    trigger = entry.trigger, sale = entry.sale, contact = entry.contact,
    lead_status = tonumber(entry.rule:match ":(%d+)$"),
  }, model.cfg)
end

local function change(model, entry)
  local from = wording.category(model.cfg, entry.from, model.language)
  local to = wording.category(model.cfg, entry.to, model.language)
  return parts.change(from, to, text(model, "change.to"))
end

local function company_link(model, entry)
  local id = wording.line(entry.company) or "?"
  local query = "/history?company=" .. url.escape(type(entry.company) == "string" and entry.company or id)
  return h.a { href = address(model, query), h.bdi { id } }
end

-- The button is read with what it takes back, since the page has many.
local function undo_button(model, entry, row)
  local action = address(model, ("/api/history/%d/undo"):format(entry.entry))
  return h.form { method = "post", action = action,
    h.button { type = "submit", id = row .. "-undo", aria_labelledby = row .. "-undo " .. row .. "-company",
      text(model, "history.undo"),
    },
  }
end

local function row_of(model, entry)
  local id = ("leadcat-entry-%d"):format(entry.entry)
  local undoable = model.may_undo and entry.status == "updated"
  return h.tr {
    h.td { class = "leadcat-time", wording.time(entry.at) or "?" },
    h.td { class = "leadcat-name", id = id .. "-company", company_link(model, entry) },
    h.td { cause(model, entry) },
    h.td { change(model, entry) },
    h.td { text(model, STATUS[entry.status] or "history." .. entry.status) },
    h.td { h.bdi { wording.called(entry.actor) or text(model, "history.program") } },
    h.td { class = "leadcat-number", entry.revision },
    model.may_undo and h.td { undoable and undo_button(model, entry, id) },
  }
end

local function head(model)
  local cells = {}
  for i, key in ipairs(COLUMNS) do
    cells[i] = h.th { scope = "col", text(model, key) }
  end
  cells[#cells + 1] = model.may_undo and h.th { scope = "col", text(model, "history.undo") } or nil
  return h.thead { h.tr { cells } }
end

local function entries_table(model)
  local rows = {}
  for i, entry in ipairs(model.entries) do
    rows[i] = row_of(model, entry)
  end
  return h.section { class = "leadcat-scroll", tabindex = 0, aria_labelledby = "leadcat-title",
    h.table { class = "leadcat-table", head(model), h.tbody { rows } },
  }
end

-- The page -------------------------------------------------------------------------------------------------------------

local function filter(model)
  return h.form { class = "leadcat-filter", method = "get", action = address(model, "/history"),
    h.p { class = "leadcat-field",
      h.label { ["for"] = "leadcat-company", text(model, "confirmation.company") }, " ",
      h.input { id = "leadcat-company", type = "search", name = "company", value = model.company or "", dir = "auto",
        autocomplete = "off" }, " ",
      h.button { type = "submit", text(model, "history.show") },
      model.company and { " ", h.a { href = address(model, "/history"), text(model, "history.all") } },
    },
  }
end

local function nothing(model)
  local company = model.company and wording.line(model.company)
  return h.p { class = "leadcat-empty",
    company and text(model, "history.empty_company", { company = company }) or text(model, "history.empty"),
  }
end

local function older(model)
  local query = ("?after=%d"):format(model.next) .. (model.company and "&company=" .. url.escape(model.company) or "")
  return h.p { h.a { href = query, text(model, "history.older") } }
end

--- The page of the journal.
---@param model leadcat.HistoryModel
---@return string
function history.html(model)
  local title = text(model, "history.title")
  return page.document {
    title = title, language = model.language, base = model.base, wide = true,
    main = {
      h.h1 { id = "leadcat-title", title },
      parts.said(model.said),
      filter(model),
      model.entries[1] and entries_table(model) or nothing(model),
      model.next and older(model),
    },
  }
end

--- What an undo has come to, as a sentence for the page.
---@param entry leadcat.Entry that takes another one back
---@param cfg leadcat.Config
---@param words leadcat.Words
---@return string
function history.said(entry, cfg, words)
  return text(words, "history.undone", {
    company = wording.line(entry.company) or "?",
    category = wording.category(cfg, entry.to, words.language).name,
  })
end

return history
