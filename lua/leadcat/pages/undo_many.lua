--- The page that says what taking back a whole run, or all that one version of the rules did, would change, before it does.

local h = require "leadcat.pages.html"
local page = require "leadcat.pages.page"
local parts = require "leadcat.pages.parts"
local wording = require "leadcat.words.wording"

local undo_many = {}

---@class leadcat.UndoManyModel: leadcat.Words
---@field run? string what would be taken back: a run,
---@field revision? integer or what this revision of the rules did
---@field undone table[] as `leadcat.Undone` has them, of which the actor may see these
---@field cancelled table[]
---@field refused table[]
---@field cfg leadcat.Config
---@field names table<string|integer, string> company names by id
---@field base? string path that leadcat is served at; default "/leadcat"

local LISTED = 100 -- rows of each table

local text = wording.sentence

local function company_of(model, row)
  return h.td { class = "leadcat-name", h.bdi {
    wording.line(model.names[row.company]) or wording.line(row.company) or "?",
  } }
end

local function rest(model, count)
  return count > LISTED
    and h.p { class = "leadcat-muted", text(model, "compare.more", { count = wording.number(count - LISTED) }) }
end

local function listed(model, key, list, heads, row_of)
  local id = "leadcat-" .. key
  return list[1] and { h.h2 { id = id, text(model, "undo." .. key, { count = wording.number(#list) }) },
    parts.table(id, heads, parts.map(list, function(row, i) return i <= LISTED and row_of(row) end)),
    rest(model, #list),
  }
end

-- Why a change cannot be taken back, by code.
local WHY = { conflict = "problem.conflict", forbidden = "problem.forbidden" }

local function change(model, row)
  return h.tr { company_of(model, row), h.td { parts.change(wording.category(model.cfg, row.from, model.language),
    wording.category(model.cfg, row.to, model.language), text(model, "change.to")) } }
end

local function form(model)
  local name = model.run and "run" or "revision"
  local count = #model.undone + #model.cancelled
  return count > 0 and h.form { method = "post", action = page.address(model, "/history/undo"),
    h.input { type = "hidden", name = name, value = model.run or ("%d"):format(model.revision) },
    h.p { class = "leadcat-actions",
      h.button { type = "submit", class = "leadcat-primary",
        text(model, "undo.do", { count = wording.number(count) }),
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
  local company, category = text(model, "confirmation.company"), text(model, "confirmation.category")
  return page.document {
    title = title, language = model.language, base = model.base,
    main = {
      h.h1 { title },
      form(model),
      listed(model, "changes", model.undone, { company, category }, function(row) return change(model, row) end),
      listed(model, "scheduled", model.cancelled, { company, text(model, "history.time") }, function(row)
        return h.tr { company_of(model, row), h.td { parts.time(row.due) } }
      end),
      listed(model, "refused", model.refused, { company, text(model, "undo.why") }, function(row)
        return h.tr { company_of(model, row), h.td { text(model, WHY[row.code] or "problem.unavailable") } }
      end),
      h.p { h.a { href = page.address(model, "/history"), text(model, "history.title") } },
    },
  }
end

return undo_many
