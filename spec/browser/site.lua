-- Writes the pages that leadcat.test.mjs has its server send: site.lua DIRECTORY.

local confirmation = require "leadcat.pages.confirmation"
local difference = require "leadcat.rules.difference"
local drift = require "leadcat.pages.drift"
local history = require "leadcat.pages.history"
local i18n = require "leadcat.words.i18n"
local inbox = require "leadcat.pages.inbox"
local preset = require "leadcat.rules.preset"
local problem = require "leadcat.pages.problem"
local revision = require "leadcat.pages.revision"
local view = require "leadcat.words.view"
local views = require "support.views"

local directory = assert(arg[1], "site.lua DIRECTORY")
local strings, cfg = i18n.new(), preset.get "superoffice"

local function write(name, markup)
  local file = assert(io.open(directory .. "/" .. name .. ".html", "wb"))
  assert(file:write(markup))
  assert(file:close())
end

-- Questions ------------------------------------------------------------------------------------------------------------

local RECORDS = {
  { id = ("a"):rep(32), company = "Fjord Shipping", trigger = "sale_won", sale = { name = "Cloud migration" }, from = 3,
    to = 5 },
  { id = ("b"):rep(32), company = "Brødrene Ærlig AS", trigger = "lead_status_set", contact = { name = "Åse Ødegård" },
    lead_status = 5, from = 1, to = 3 },
  { id = ("c"):rep(32), company = "Kaffebaren \"Den blå døra\" & <b>", trigger = "sale_lost", from = 3, to = 4 },
}

local function shown(record, language, fields)
  local full = {
    state = "open", options = { 1, 2, 3, 4, 5, 6, 7, 8 }, created_at = 1796040000, expires_at = 1796644800,
    actor = { id = "ann", name = "Ann" },
  }
  for _, part in ipairs { record, fields or {} } do
    for name, value in pairs(part) do
      full[name] = value
    end
  end
  return view.new(full, cfg, strings, language)
end

local function write_question(name, shown_view, problem_text)
  write(name, inbox.question {
    view = shown_view, dialog = confirmation.html(shown_view), problem = problem_text, strings = strings,
    language = shown_view.language,
  })
end

for _, record in ipairs(RECORDS) do
  write_question("question-" .. record.id, shown(record, "en"))
end
local ann = { id = "ann", name = "Ann" }
local answered = { state = "accepted", resolved_at = 1796044560, resolved_by = ann, category = 5 }
write_question("question-closed", shown(RECORDS[1], "en", answered))
write_question("question-no", shown(RECORDS[2], "no"))
write_question("question-problem", shown(RECORDS[1], "de"), problem.detail(strings, "de", "unavailable"))
write_question("question-hostile", views.hostile(views.HOSTILE.image))

local proposed = shown(RECORDS[1], "en")
proposed.id, proposed.expires = nil, nil
write("propose", confirmation.html(proposed))

-- Inboxes --------------------------------------------------------------------------------------------------------------

local function write_inbox(name, language, records, more)
  local model = { views = {}, strings = strings, language = language }
  for i, record in ipairs(records) do
    model.views[i] = record.labels and record or shown(record, language)
  end
  for key, value in pairs(more or {}) do
    model[key] = value
  end
  write(name, inbox.html(model))
end

for _, language in ipairs(i18n.LANGUAGES) do
  write_inbox("inbox-" .. language, language, RECORDS)
end
write_inbox("inbox-empty", "no", {}, { said = inbox.said(shown(RECORDS[2], "no", answered),
  { strings = strings, language = "no" }) })
write_inbox("inbox-older", "en", { RECORDS[1] }, { next = RECORDS[1].id })
write_inbox("inbox-hostile", "en", { views.hostile(views.HOSTILE.image), shown(RECORDS[1], "en") })

-- The journal ----------------------------------------------------------------------------------------------------------

local function entry(number, status, fields)
  local made = {
    entry = number, at = 1796040000 + 3600 * number, company = "Fjord Shipping", revision = 7, from = 3, to = 5,
    trigger = "sale_won", rule = "sale_won", status = status, actor = ann, sale = { name = "Cloud migration" },
  }
  for name, value in pairs(fields or {}) do
    made[name] = value
  end
  return made
end

local ENTRIES = {
  entry(11, "updated", { from = 5, to = 3, undoes = 8, actor = { id = "admin", name = "Kari Nordmann" } }),
  entry(10, "updated", { company = "Brødrene Ærlig AS", trigger = "lead_status_set", rule = "lead_status_set:5",
    contact = { name = "Åse Ødegård" }, from = 1, to = 3, confirmation = RECORDS[2].id,
    actor = { id = "admin", name = "Kari Nordmann" } }),
  entry(9, "updated", { from = 4, run = "backfill-2026-11-30" }),
  entry(8, "updated"),
  entry(7, "awaiting_confirmation", { company = "Brødrene Ærlig AS", trigger = "lead_status_set",
    rule = "lead_status_set:5", contact = { name = "Åse Ødegård" }, from = 1, to = 3, confirmation = RECORDS[2].id }),
  entry(6, "applying", { company = 42 }),
  entry(5, "failed", { company = 42 }),
  entry(4, "conflict", { trigger = "sale_lost", rule = "sale_lost", to = 4 }),
  entry(3, "declined", { trigger = "sale_registered", rule = "sale_registered", sale = false }),
  entry(2, "expired", { from = 99, to = 98 }),
  entry(1, "superseded", { company = views.HOSTILE.image, sale = { name = views.HOSTILE.script } }),
}
local QUESTIONS = {
  [RECORDS[2].id] = { state = "accepted", actor = ann, resolved_by = { id = "admin", name = "Kari Nordmann" } },
}
for _, made in ipairs(ENTRIES) do
  made.actor = made.entry ~= 6 and made.actor or nil
end

local function write_history(name, language, model)
  model.entries, model.cfg = model.entries or ENTRIES, cfg
  model.strings, model.language, model.questions = strings, language, QUESTIONS
  model.actions = model.actions or { [11] = "undo", [10] = "undo", [5] = "retry" }
  model.saved = { [7] = 1796000000 }
  model.names = { [42] = "Kaffebaren Den blå døra" }
  write(name, history.html(model))
end

for _, language in ipairs(i18n.LANGUAGES) do
  write_history("history-" .. language, language, { may_undo = true, next = 1 })
end
local ALL_FILTERS = {
  company = "Fjord & Co", actor = "ann", trigger = "sale_won", status = "updated", from = "2026-11-01",
  to = "2026-11-30", revision = "7", run = views.HOSTILE.image,
}
write_history("history-refused", "de", { may_undo = true,
  refused = { entry = 8, words = "Das wurde nicht ausgeführt, weil seitdem etwas anderes geschehen ist." } })
write_history("history-reader", "en", { may_undo = false, filters = { company = "Fjord & Co" } })
write_history("history-filtered", "de", { may_undo = true, filters = ALL_FILTERS, next = 1, searched_to = 1796000000 })
write_history("history-empty", "en", { may_undo = true, entries = {} })
write_history("history-none", "no", { may_undo = true, entries = {}, filters = { company = views.HOSTILE.image } })
write_history("history-partial", "en", { may_undo = true, entries = {}, filters = { actor = "x" }, next = 1,
  searched_to = 1796000000 })

-- Drift ----------------------------------------------------------------------------------------------------------------

local words_of_drift = require "leadcat.words.drift"

local function drifted(company, kind, language, fields)
  local item = {
    company = company, kind = kind, category = 1, implied = 5, can_be_set = true,
    because = { trigger = "sale_won", sale = { name = fields and fields.sale or "Cloud migration" }, at = 1796040000 },
  }
  item.sentence = words_of_drift.sentence({ strings = strings, language = language }, item, cfg)
  return item
end

local function drifted_list(language)
  return {
    drifted("Fjord Shipping", "missed", language), drifted(17, "unmade", language),
    drifted(views.HOSTILE.image, "missed", language, { sale = views.HOSTILE.image }),
    drifted(("x"):rep(200), "missed", language),
  }
end

local function write_drift(name, language, fields)
  local model = {
    found = {
      source = "host", looked_at = 500, items = drifted_list(language), cursor = "host:sx",
      counts = { missed = 3, unmade = 1, kept = 12, in_step = 480, no_sales = 4 },
    },
    cfg = cfg, names = { ["Fjord Shipping"] = "Fjord Shipping AS" }, may_set = true, strings = strings,
    language = language,
  }
  for key, value in pairs(fields or {}) do
    model[key] = value
  end
  write(name, drift.html(model))
end

for _, language in ipairs(i18n.LANGUAGES) do
  write_drift("drift-" .. language, language, { kind = "missed", cursor = "host:sa", is_empty = language == "de" })
end
write_drift("drift-reader", "en", { may_set = false })
write_drift("drift-none", "nl", { found = { source = "journal", looked_at = 0, items = {}, counts = {} } })
write("drift-preview", drift.preview {
  items = drifted_list "de", counts = { update = 2, confirm = 1, stay = 1 }, cfg = cfg, names = {}, strings = strings,
  language = "de",
})

-- Revisions ------------------------------------------------------------------------------------------------------------

local function write_revision(name, language, record, changes)
  record.at = 1796040000
  write(name, revision.html {
    revision = record, newest = 3, changes = changes, strings = strings, language = language,
  })
end

local changed = preset.get "superoffice"
changed.categories[1].name = views.HOSTILE.image
changed.rules[1].enabled, changed.rules[1].set_category = true, 5
write_revision("revision-en", "en", { revision = 2, actor = ann }, difference.sentences(cfg, changed, strings, "en"))
write_revision("revision-no", "no", { revision = 3, reverted = 1 }, {})
write_revision("revision-de", "de", { revision = 1, actor = ann }, difference.sentences({}, cfg, strings, "de"))

for _, code in ipairs { "unauthenticated", "forbidden", "not_found", "already_resolved", "invalid", "full" } do
  write("problem-" .. code, problem.html {
    status = code == "unauthenticated" and 401 or 400, title = problem.title(strings, "no", code),
    detail = problem.detail(strings, "no", code), strings = strings, language = "no",
  })
end
