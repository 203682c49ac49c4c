-- Writes the pages that confirmation.test.mjs looks at: pages.lua DIRECTORY.

local confirmation = require "leadcat.pages.confirmation"
local h = require "leadcat.pages.html"
local i18n = require "leadcat.words.i18n"
local preset = require "leadcat.rules.preset"
local view = require "leadcat.words.view"
local views = require "support.views"

local directory = assert(arg[1], "pages.lua DIRECTORY")

local function page(language, ...)
  local blank_icon = h.link { rel = "icon", href = "/icon.svg", type = "image/svg+xml" }
  return h.document { lang = language,
    h.head {
      h.meta { charset = "utf-8" }, h.title { "Page" }, blank_icon,
      h.link { rel = "stylesheet", href = "/leadcat/leadcat.css" },
      h.meta { name = "viewport", content = "width=device-width, initial-scale=1" },
    },
    h.body { h.main { h.h1 { "Page" }, h.p { h.a { href = "/other", "Before" } }, ... } },
  }
end

local function write(name, question, options)
  local file = assert(io.open(directory .. "/" .. name .. ".html", "wb"))
  assert(file:write(page(question.language, confirmation.element(question, options))))
  assert(file:close())
end

-- As the makers of views cut names, without parting a character.
local function cut(name)
  local kept = name:sub(1, 360):gsub("[\192-\255][\128-\191]*$", "")
  return #name > 360 and kept:sub(1, name:byte(1) < 128 and 120 or 360) or name
end

-- A question as the engine asks it, with the preset's names, in the language with the longest words.
local function asked()
  return view.new({
    id = views.english().id, state = "open", trigger = "lead_status_set", lead_status = 3, company = "Fjord Shipping",
    contact = { name = "Ann" }, from = 1, to = 2, options = { 1, 2, 3, 4, 5, 6, 7, 8 }, expires_at = 1796644800,
  }, preset.get "superoffice", i18n.new(), "de")
end

local without_id = views.english()
without_id.id = nil

write("english", views.english())
write("norwegian", views.norwegian())
write("asked", asked())
write("closed", views.closed())
write("without-proposal", views.without_proposal())
write("without-id", without_id, { action = "/propose", prefix = "ask-17" })
for name, text in pairs(views.HOSTILE) do
  write("hostile-" .. name, views.hostile(cut(text)))
end
