-- Writes the pages that suggest.test.mjs looks at: what the answers teach, the settings with a suggested rule in them, and why, of a
-- moment of the past: suggest.lua DIRECTORY.

local http = require "leadcat.http"
local i18n = require "leadcat.words.i18n"
local leadcat = require "leadcat"

local directory = assert(arg[1], "suggest.lua DIRECTORY")
local path, now = directory .. "/store", 1796040000
local engine = assert(leadcat.open {
  path = path, map_size = 64 * 2 ^ 20, durability = "relaxed", clock = function() return now end,
})

-- Users take VIP for two of three large sales.
local function answer()
  local companies, events = {}, {}
  for i = 1, 300 do
    companies[i] = "Company " .. i
    local amount = i * 7919 % 1000 * 1000
    events[i] = {
      trigger = "sale_won", company = companies[i], sale = { id = i, amount = amount },
      choice = amount >= 500000 and i % 3 > 0 and 10 or 5,
    }
  end
  assert(engine.host:create_many(companies, 1))
  assert(engine:handle_many(events))
end

local function see(name, address, language)
  local app = http.new { engine = engine, authenticate = function()
    return { id = "ann", name = "Ann", admin = true, language = language }
  end }
  local sent, query = address:match "^([^?]*)%??(.*)$"
  local answered = app:respond { method = "GET", path = "/leadcat" .. sent, query = query, headers = {} }
  assert(answered.status == 200, answered.log)
  local file = assert(io.open(("%s/%s.html"):format(directory, name), "wb"))
  assert(file:write(answered.body))
  assert(file:close())
  return answered.body
end

local cfg = leadcat.preset "superoffice"
for _, rule in ipairs(cfg.rules) do
  rule.enabled = rule.trigger == "sale_won"
  rule.set_category, rule.ask = rule.enabled and 5 or nil, true
end
cfg.categories[#cfg.categories + 1] = { id = 10, name = "VIP <customers>", group = "customer", rank = 90 }
assert(engine:save(cfg))
see("none-en", "/suggestions", "en")
answer()
local entry = engine:history({ company = "Company 1" })[1].entry
now = now + 86400
for _, language in ipairs(i18n.LANGUAGES) do
  local body = see("suggestions-" .. language, "/suggestions", language)
  local query = body:match 'href="/leadcat/settings(%?refine=[^"]*)"':gsub("&amp;", "&")
  see("settings-" .. language, "/settings" .. query, language)
  see("then-" .. language, "/why?company=Company%201&at=2026-11-30", language)
  see("entry-" .. language, ("/why?company=Company%%201&entry=%d"):format(entry), language)
end
engine:close()
os.execute(("rm -rf '%s'"):format(path))
