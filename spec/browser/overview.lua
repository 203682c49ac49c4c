-- Writes overviews that overview.test.mjs opens as files: overview.lua DIRECTORY.

local i18n = require "leadcat.words.i18n"
local leadcat = require "leadcat"
local overview = require "leadcat.pages.overview"
local overview_of = require "leadcat.insight.overview"
local page_style = require "leadcat.pages.web"

local directory = assert(arg[1], "overview.lua DIRECTORY")
local DAY = 24 * 3600
local now = 20000 * DAY + 9 * 3600
local path = directory .. "/store"

local engine = assert(leadcat.open {
  path = path, map_size = 64 * 2 ^ 20, durability = "relaxed", clock = function() return now end,
  confirmation_ttl = 60 * DAY,
})
local cfg = leadcat.preset "superoffice"
for _, rule in ipairs(cfg.rules) do
  rule.enabled = true
  rule.set_category = rule.trigger == "sale_lost" and 7 or rule.trigger == "sale_won" and 5 or 3
  rule.lead_status = rule.trigger == "lead_status_set" and 5 or nil
  rule.ask = rule.trigger == "sale_registered"
end
cfg.rules[#cfg.rules + 1] = { trigger = "sale_won", enabled = true, set_category = 10, id = 7,
  name = { en = "Large sales of a name that is rather long", de = "Großaufträge mit einem ziemlich langen Namen" },
  when = { { { field = "sale.amount", is = "at_least", value = 100000 } } } }
cfg.categories[#cfg.categories + 1] = { id = 10, name = { en = "VIP <customers>" }, group = "customer", rank = 90 }
table.insert(cfg.rules, 1, table.remove(cfg.rules))
assert(engine:save(cfg))

local number, seed = 0, 7
local function random(most) -- the same pages each time
  seed = seed * 1103515245 % 2 ^ 31 + 12345
  return math.floor(seed / 65536) % most + 1
end

local function handle(trigger, from, more)
  number = number + 1
  local event = { trigger = trigger, company = "Company " .. number }
  for name, value in pairs(more or {}) do
    event[name] = value
  end
  assert(engine.host:create(event.company, from))
  return assert(engine:handle(event))
end

local function write(name, found, language)
  local markup = overview.html { found = found, cfg = engine:config(), strings = engine.strings, language = language }
  markup = markup:gsub("<link[^>]*leadcat%.css[^>]*>", function()
    return "<style>" .. page_style.content "leadcat.css" .. "</style>"
  end)
  local file = assert(io.open(("%s/%s.html"):format(directory, name), "wb"))
  assert(file:write(markup))
  assert(file:close())
end

write("empty", assert(overview_of.read(engine, 30, "en")), "en")

for day = 1, 100 do
  for _ = 1, random(6) + (day % 7 < 5 and 4 or 0) do
    handle("sale_won", 3, { sale = { amount = random(5) == 1 and 200000 or 10 } })
  end
  for _ = 1, random(4) do
    handle("sale_lost", 3)
  end
  if day < 80 then
    handle("lead_status_set", 1, { lead_status = 5 })
  end
  local outcome = handle("sale_registered", 1)
  if outcome.confirmation and random(2) == 1 then
    assert(engine:resolve(outcome.confirmation, random(3) == 1 and { decline = true } or { accept = true }))
  end
  now = now + DAY
end
assert(engine:undo(engine:history({ trigger = "sale_won", limit = 1 })[1].entry))

for _, days in ipairs(overview.PERIODS) do
  write("days-" .. days, assert(overview_of.read(engine, days, "en")), "en")
end
for _, language in ipairs(i18n.LANGUAGES) do
  write("full-" .. language, assert(overview_of.read(engine, 30, language)), language)
end
engine:close()
os.execute(("rm -rf '%s'"):format(path))
