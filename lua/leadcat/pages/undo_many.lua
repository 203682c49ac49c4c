--- The page that says what taking back a whole run, or all that one version of the rules did, would change, before it does.

local h = require "leadcat.pages.html"
local page = require "leadcat.pages.page"
local parts = require "leadcat.pages.parts"
local url = require "leadcat.util.url"
local wording = require "leadcat.words.wording"

local undo_many = {}

---@class leadcat.UndoManyModel: leadcat.Words
---@field run? string what would be taken back: a run,
---@field revision? integer or what this revision of the rules did
---@field result leadcat.Undone the rows of this page
---@field counts {undone: integer, cancelled: integer, refused: integer} of all pages
---@field next? integer the place of the last row, where there are more pages
---@field cfg leadcat.Config
---@field names table<string|integer, string> company names by id
---@field base? string path that leadcat is served at; default "/leadcat"

local text = wording.sentence

local function company_of(model, row)
  return h.bdi { wording.line(model.names[row.company]) or wording.line(row.company) or "?" }
end

local function total(model)
  return model.counts.undone + model.counts.cancelled + model.counts.refused
end

-- How many are on other pages, and where the next one is.
local function more(model)
  local what = model.run and "run=" .. url.escape(model.run) or ("revision=%d"):format(model.revision)
  return model.next and h.p {
    text(model, "compare.more", { count = wording.number(total(model) - model.next) }), " ",
    h.a { href = ("%s?%s&after=%d"):format(page.address(model, "/history/undo"), what, model.next),
      text(model, "held.next") },
  }
end

-- The rows of one list, below how many there are in all: each company, with what `tell` says of the row.
local function listed(model, key, name, label, tell)
  local id, list, count = "leadcat-" .. key, model.result[name], model.counts[name]
  local company = text(model, "confirmation.company")
  return count > 0 and { h.h2 { id = id, text(model, "undo." .. key, { count = wording.number(count) }) },
    list[1] and parts.table(id, { company, label }, parts.map(list, function(row)
      return h.tr { h.td { class = "leadcat-name", company_of(model, row) }, h.td { tell(row) } }
    end), "leadcat-slim"),
  }
end

-- Why a change cannot be taken back, by code.
local WHY = { conflict = "problem.conflict", forbidden = "problem.forbidden" }

local function change(model, row)
  return parts.change(wording.category(model.cfg, row.from, model.language),
    wording.category(model.cfg, row.to, model.language), text(model, "change.to"))
end

local function form(model)
  local name = model.run and "run" or "revision"
  local count = model.counts.undone + model.counts.cancelled
  return (count > 0 or model.result.more) and h.form { method = "post", action = page.address(model, "/history/undo"),
    h.input { type = "hidden", name = name, value = model.run or ("%d"):format(model.revision) },
    h.p { class = "leadcat-actions",
      h.button { type = "submit", class = "leadcat-primary", data_leadcat_busy = text(model, "working"),
        model.result.more and text(model, "undo.do_all") or text(model, "undo.do", { count = wording.number(count) }),
      },
    },
  } or h.p { class = "leadcat-empty", text(model, "undo.nothing") }
end

--- The page.
---@param model leadcat.UndoManyModel
---@return string
function undo_many.html(model)
  local title = model.run and text(model, "undo.of_run", { run = wording.line(model.run) })
    or text(model, "undo.of_version", { number = ("%d"):format(model.revision) })
  return page.document {
    title = title, language = model.language, base = model.base, navigation = model.navigation,
    scripts = { "leadcat.js" },
    main = {
      h.h1 { title },
      model.result.more and h.p { class = "leadcat-note",
        text(model, "undo.first", { count = wording.number(total(model)) }) },
      form(model),
      listed(model, "changes", "undone", text(model, "confirmation.category"), function(row)
        return change(model, row)
      end),
      listed(model, "scheduled", "cancelled", text(model, "history.time"), function(row)
        return parts.time(model, row.due)
      end),
      listed(model, "refused", "refused", text(model, "undo.why"), function(row)
        return text(model, WHY[row.code] or "problem.unavailable")
      end),
      more(model),
      h.p { h.a { href = page.address(model, "/history"), text(model, "history.title") } },
    },
  }
end

return undo_many
