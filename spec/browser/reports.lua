-- Writes the reports that report.test.mjs looks at: reports.lua DIRECTORY.

local compare = require "leadcat.past.compare"
local i18n = require "leadcat.words.i18n"
local preset = require "leadcat.rules.preset"
local report = require "leadcat.pages.report"
local views = require "support.views"

local directory = assert(arg[1], "reports.lua DIRECTORY")
local strings = i18n.new()

local function config(targets, asks)
  local cfg = preset.get "superoffice"
  for _, rule in ipairs(cfg.rules) do
    rule.set_category, rule.enabled = targets[rule.trigger], targets[rule.trigger] ~= nil
    rule.ask = rule.trigger == asks
  end
  return cfg
end

-- Companies that register a sale, lose every third, win every other one, and some whose category nobody knows.
local function events(count, name)
  local list = {}
  for i = 1, count do
    local company = name and i % 3 == 0 and name:sub(1, 250) .. i or ("Company %d"):format(i)
    local from, sale = i % 7 ~= 0 and i % 4 + 1 or nil, { name = name or "Printers" }
    for _, trigger in ipairs { "sale_registered", i % 3 == 0 and "sale_lost" or "sale_registered",
      i % 2 == 0 and "sale_won" or "sale_lost" } do
      list[#list + 1] = { trigger = trigger, company = company, category = from, sale = sale, at = 1796040000 + i }
      from = nil
    end
  end
  return list
end

local function write(name, language, before, after, list)
  local file = assert(io.open(directory .. "/" .. name .. ".html", "wb"))
  assert(file:write(report.html {
    report = assert(compare.run(before, after, list, { language = language })), before = before, after = after,
    strings = strings, language = language,
  }))
  assert(file:close())
end

local OLD = { sale_registered = 3, sale_won = 5, sale_lost = 4 }
local NEW = { sale_registered = 3, sale_won = 5, sale_lost = 7 }

for _, language in ipairs(i18n.LANGUAGES) do
  write("changed-" .. language, language, config(OLD), config(NEW), events(60))
end
write("asks", "en", config(OLD), config(OLD, "sale_won"), events(9))
write("same", "no", config(OLD), config(OLD), events(9))
write("empty", "de", config(OLD), config(NEW), {})

-- Names of any kind, more categories than there are bars, more companies than are listed.
local function hostile()
  local before, after, list, id = config(OLD), config(NEW), events(120), 100
  for _, text in pairs(views.HOSTILE) do
    id = id + 1
    for _, cfg in ipairs { before, after } do
      cfg.categories[#cfg.categories + 1] = { id = id, name = text, group = "potential_customer" }
    end
    for _, trigger in ipairs { "sale_registered", "sale_lost" } do
      list[#list + 1] = {
        trigger = trigger, company = id .. text:sub(1, 250), category = id, sale = { name = text },
      }
    end
    list[#list + 1] = { trigger = "sale_registered", company = -id, category = 7 }
    list[#list + 1] = { trigger = "sale_registered", company = -id, category = id }
  end
  write("hostile", "en", before, after, list)
end

hostile()
