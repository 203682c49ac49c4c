-- Writes the pages that drafts.test.mjs looks at: drafts.lua DIRECTORY.

local drafts = require "leadcat.pages.drafts"
local i18n = require "leadcat.words.i18n"

local directory = assert(arg[1], "drafts.lua DIRECTORY")
local strings = i18n.new()

local function write(name, markup)
  local file = assert(io.open(directory .. "/" .. name .. ".html", "wb"))
  assert(file:write(markup))
  assert(file:close())
end

local function draft(id, fields)
  local made = { id = id, at = 1796040000, base = 7, actor = { id = "ann", name = "Ann <b>Ærlig</b>" },
    effect = { events = 1000, companies = 812, moved = 214 }, changes = {}, conflicts = {}, others = {} }
  for name, value in pairs(fields or {}) do
    made[name] = value or nil
  end
  return made
end

local LONG = ("Donaudampfschifffahrtsgesellschaft"):rep(4)
local CHANGES = { "Update category when a sale is won: Partner instead of Customer.", LONG }

for _, language in ipairs { "en", "no", "sv", "da", "de", "nl" } do
  write("list-" .. language, drafts.list {
    strings = strings, language = language, may_save = true, discarded = true, gone = true, drafts = {
      draft(1796040000003, { due = 1796050000, approved_by = { id = "liv", name = "Liv" }, note = LONG }),
      draft(1796040000002, { problem = "others", effect = { events = 9, companies = 3, moved = 0 } }),
      draft(1796040000001, { actor = false, reverted = 3, effect = { events = 0, companies = 0, moved = 0 } }),
    },
  })
  write("one-" .. language, drafts.one {
    strings = strings, language = language, may_save = true, may_approve = true, problem = "no_time",
    draft = draft(1796040000003, { changes = CHANGES }),
  })
  write("conflict-" .. language, drafts.one {
    strings = strings, language = language, may_save = true, may_approve = false, needs_another = true,
    problem = "refused",
    draft = draft(1796040000003, { changes = CHANGES, conflicts = { "rules.x" }, others = CHANGES }),
  })
end
write("list-none", drafts.list { strings = strings, language = "en", may_save = false, drafts = {} })
