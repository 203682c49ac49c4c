-- Writes the pages that brake.test.mjs looks at: brake.lua DIRECTORY.

local held = require "leadcat.pages.held"
local i18n = require "leadcat.words.i18n"
local preset = require "leadcat.rules.preset"
local trials = require "leadcat.pages.trials"

local directory = assert(arg[1], "brake.lua DIRECTORY")
local strings, cfg = i18n.new(), preset.get "superoffice"
local NAMES = { [42] = "Brødrene Ærlig AS", long = ("Donaudampfschifffahrtsgesellschaft"):rep(4) }
local COMPANIES = { 42, "Kaffebaren \"Den blå døra\" & <b>", "long", "Fjord Shipping" }

local function write(name, markup)
  local file = assert(io.open(directory .. "/" .. name .. ".html", "wb"))
  assert(file:write(markup))
  assert(file:close())
end

local function in_words(language, fields)
  local model = { strings = strings, language = language, names = NAMES, cfg = cfg }
  for name, value in pairs(fields) do
    model[name] = value
  end
  return model
end

cfg.revision = 7
local WOULD = {
  { status = "updated", action = "update", from = 1, to = 5 },
  { status = "unchanged", action = "none", reason = "late" },
  { status = "awaiting_confirmation", action = "confirm", from = 1, to = 5 },
}

local function entries()
  local list = {}
  for i, company in ipairs(COMPANIES) do
    list[i] = { entry = 1796040000000 + i, company = company, trigger = "sale_won", rule = "sale_won", at = 1796040000,
      from = 1, to = 5, would = WOULD[i] }
  end
  return list
end

local function row(key, fields)
  local made = { rule = key, is_shadow = true, events = 9, asks = 0, cases = 7, agreed = 3, differed = 1, undone = 1,
    alone = 2 }
  for name, value in pairs(fields or {}) do
    made[name] = value
  end
  return made
end

local function cases()
  local list = {}
  for i, verdict in ipairs { "agreed", "differed", "undone", "alone" } do
    list[i] = { entry = 1796040000000 + i, company = COMPANIES[i], at = 1796040000, from = 1, to = 5,
      verdict = verdict, stood = verdict ~= "alone" and 3 or nil, by_hand = verdict == "differed" or nil }
  end
  return list
end

for _, language in ipairs { "en", "no", "sv", "da", "de", "nl" } do
  write("held-" .. language, held.html(in_words(language, {
    entries = entries(), next = 1796040000004, readonly = false, more = true, nothing = false, released = 12,
    dropped = 3, left = 1,
  })))
  write("trials-" .. language, trials.html(in_words(language, {
    report = { days = 30, since = 1796040000, is_whole = false, cases = cases(), next = 1796040000001,
      rules = { row "sale_won", row("sale_lost#7", { cases = 0 }) } },
    rules = { cfg.rules[1], false }, key = "sale_won", all_days = { 7, 30, 90, 365 }, may_save = true, stale = true,
    made_real = cfg.rules[1],
  })))
end
write("held-none", held.html(in_words("en", { entries = {}, readonly = false, more = false, nothing = true })))
write("trials-none", trials.html(in_words("en", {
  report = { days = 7, since = 1796040000, is_whole = true, rules = {} }, rules = {}, all_days = { 7, 30, 90, 365 },
  may_save = false, stale = false,
})))
