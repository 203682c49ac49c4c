--- The pages of questions, of the journal and of problems: what stands on them, in which words, and that names stay names.

local confirmation = require "leadcat.pages.confirmation"
local csv = require "leadcat.util.csv"
local h = require "leadcat.pages.html"
local history = require "leadcat.pages.history"
local history_csv = require "leadcat.pages.history_csv"
local i18n = require "leadcat.words.i18n"
local inbox = require "leadcat.pages.inbox"
local language_tag = require "leadcat.util.language"
local preset = require "leadcat.rules.preset"
local problem = require "leadcat.pages.problem"
local revision = require "leadcat.pages.revision"
local view = require "leadcat.words.view"
local views = require "support.views"
local wording = require "leadcat.words.wording"

local STRINGS = i18n.new()
local BASE = "/crm/leads"
local ID = ("0123456789abcdef"):rep(2)

local VOID = { meta = true, link = true, input = true, br = true }

-- Raises when elements are not closed in order, or text holds markup.
local function check_form(markup)
  local open = {}
  for slash, name in markup:gmatch "<(/?)(%a[%w-]*)[^<>]*>" do
    if slash == "/" then
      assert.equal(name, table.remove(open))
    elseif not VOID[name] then
      open[#open + 1] = name
    end
  end
  assert.same({}, open)
  for text in markup:gsub("^<!DOCTYPE html>", ""):gmatch ">([^<]*)" do
    assert.is_nil(text:find "[>\"']")
  end
  return markup
end

-- Markup without texts and values: what of it a browser would act on.
local function skeleton(markup)
  return (markup:gsub('"[^"]*"', '""'):gsub(">[^<]*<", "><"))
end

local function has(markup, text)
  assert.is_truthy(markup:find(text, 1, true), text .. "\nis not in\n" .. markup)
end

local function has_not(markup, text)
  assert.is_nil(markup:find(text, 1, true), text)
end

local function count(markup, text)
  return select(2, markup:gsub((text:gsub("%p", "%%%0")), ""))
end

-- A model with the fields that all have.
local function model(fields, language)
  local made = { strings = STRINGS, language = language or "en", base = BASE }
  for name, value in pairs(fields) do
    made[name] = value
  end
  return made
end

-- Inbox ----------------------------------------------------------------------------------------------------------------

local function question(fields, language, names)
  local record = {
    id = ID, company = "Acme", trigger = "sale_won", sale = { name = "Printers" }, from = 1, to = 5,
    options = { 1, 3, 5 }, state = "open", created_at = 1796040000, expires_at = 1796644800,
  }
  for name, value in pairs(fields or {}) do
    record[name] = value
  end
  return view.new(record, preset.get "superoffice", STRINGS, language or "en", names)
end

local function inbox_page(fields, language)
  fields.views = fields.views or { question({}, language) }
  return check_form(inbox.html(model(fields, language)))
end

local SAVED = '<time datetime="2026-11-30T12:00:00Z">30 Nov 2026, 12:00 UTC</time>'

describe("the inbox", function()
  it("shows what led to each question, what is proposed, when it was asked, and where to answer", function()
    local markup = inbox_page {}
    has(markup, '<h1 id="leadcat-title" tabindex="-1">Questions for you</h1>')
    has(markup, '<h2 dir="auto" id="leadcat-question-' .. ID .. '" tabindex="-1">Acme</h2>')
    has(markup, "<p>The sale Printers was won.</p>")
    has(markup, '<span class="leadcat-group leadcat-group-potential_customer"><bdi>Lead</bdi></span>')
    has(markup, '<span class="leadcat-group leadcat-group-customer"><bdi>Customer</bdi></span>')
    has(markup, 'Asked on <time datetime="2026-11-30T12:00:00Z">30 Nov 2026, 12:00 UTC</time>. '
      .. 'Answer before <time datetime="2026-12-07T12:00:00Z">7 Dec 2026, 12:00 UTC</time>.')
    has(markup, ('data-leadcat-answer="%s" href="%s/confirmations/%s"'):format(ID, BASE, ID))
  end)

  it("answers with one click, where the proposal can still be chosen", function()
    local markup = inbox_page {}
    has(markup, ('<form action="%s/api/confirmations/%s" class="leadcat-actions"'):format(BASE, ID))
    has(markup, 'name="accept" type="submit" value="true">Set to Customer</button>')
    has(markup, 'name="decline" type="submit" value="true">Keep Lead</button>')
    has_not(inbox_page { views = { question { options = { 1, 3 } } } }, 'name="accept"')
  end)

  it("loads the script and the stylesheet from where it is served, and nothing else", function()
    local markup = inbox_page {}
    has(markup, '<script defer src="' .. BASE .. '/leadcat.js"></script>')
    has(markup, '<link href="' .. BASE .. '/leadcat.css" rel="stylesheet">')
    assert.same({ 1, 1 }, { count(markup, "<script"), count(markup, "<link") })
  end)

  it("leads to the page that says why", function()
    has(inbox_page { companies = { [ID] = 42 } }, '<a class="leadcat-why" href="' .. BASE .. '/why?company=42">Why?'
      .. '<span class="leadcat-hidden"> <bdi>Acme</bdi></span></a>')
    has_not(inbox_page {}, "/why")
  end)

  it("lists them in the order in which they are given", function()
    local markup = inbox_page { views = { question { company = "B" }, question { company = "A" } } }
    assert.is_true(markup:find(">B</h2>", 1, true) < markup:find(">A</h2>", 1, true))
  end)

  for _, language in ipairs(i18n.LANGUAGES) do
    it("is in " .. language, function()
      local markup = inbox_page({}, language)
      has(markup, '<html lang="' .. language_tag.of_page(language) .. '">')
      for _, key in ipairs { "inbox.title", "inbox.choose" } do
        has(markup, ">" .. h.render(STRINGS:text(language, key)) .. "</")
      end
      local asked = wording.time(1796040000, { strings = STRINGS, language = language })
      has(markup:gsub("</?time[^>]*>", ""), h.render(STRINGS:text(language, "inbox.asked", { time = asked })))
    end)
  end

  it("says when there is nothing to answer", function()
    local markup = inbox_page { views = {} }
    has(markup, '<p class="leadcat-empty">No questions are waiting for you.</p>')
    has_not(markup, "<ul")
  end)

  it("keeps these words for the script otherwise", function()
    has(inbox_page {}, '<p class="leadcat-empty" hidden>No questions are waiting for you.</p>')
    has_not(inbox_page { next = ID }, "leadcat-empty")
  end)

  it("leads to older ones when there are some", function()
    has(inbox_page { next = ID }, '<a href="?after=' .. ID .. '">Older questions</a>')
    has_not(inbox_page {}, "?after=")
  end)

  it("says what has just happened, or keeps a place for it", function()
    has(inbox_page { said = "Acme & Co is <b>" }, 'role="status">Acme &amp; Co is &lt;b&gt;</p>')
    has(inbox_page {}, 'role="status"></p>')
  end)

  it("gives the script its sentences, with places for the names", function()
    local markup = inbox_page({}, "no")
    has(markup, 'data-leadcat-updated="{company} har nå kategorien {category}."')
    for _, status in ipairs { "declined", "failed", "closed" } do
      has(markup, "data-leadcat-" .. status .. '="')
    end
  end)

  it("does without times that are not known", function()
    has_not(inbox_page { views = { question { created_at = false, expires_at = false } } }, "leadcat-muted")
  end)
end)

describe("the sentence after an answer", function()
  local ROWS = {
    { { state = "accepted", category = 5 }, "Acme now has the category Customer." },
    { { state = "changed", category = 3 }, "Acme now has the category Opportunity." },
    { { state = "accepted" }, "Acme now has the category Customer." },
    { { state = "declined" }, "Acme keeps its category." },
    { { state = "expired" }, "The question about Acme is closed." },
    { { state = "conflict", category = 5 }, "The question about Acme is closed." },
    { { state = "superseded" }, "The question about Acme is closed." },
    { { state = "open" }, nil },
  }
  for _, row in ipairs(ROWS) do
    it(("of a question that is %s is %s"):format(row[1].state, tostring(row[2])), function()
      local said = inbox.said(question(row[1]), model {})
      assert.equal(row[2], said)
    end)
  end
end)

describe("the page of one question", function()
  local function page(fields, shown)
    shown = shown or question()
    fields.view, fields.dialog = shown, fields.dialog or confirmation.html(shown, { base = BASE })
    return check_form(inbox.question(model(fields)))
  end

  it("has the dialog as it is rendered, open, and the way back", function()
    local markup = page {}
    has(markup, "<h1>Question about Acme</h1>")
    has(markup, confirmation.html(question(), { base = BASE }))
    has(markup, '<a href="' .. BASE .. '/confirmations">All questions for you</a>')
    has(markup, '<script defer src="' .. BASE .. '/leadcat.js"></script>') -- for the times
  end)

  it("takes an integrator's own dialog", function()
    has(page { dialog = "<dialog open><p>Mine</p></dialog>" }, "<h1>Question about Acme</h1><dialog open><p>Mine")
  end)

  it("says what stands in the way", function()
    has(page { problem = "Not <now>" }, '<p class="leadcat-alert" role="alert">Not &lt;now&gt;</p>')
  end)
end)

-- Journal --------------------------------------------------------------------------------------------------------------

local function entry(fields)
  local made = {
    entry = 17, at = 1796040000, company = "Acme", trigger = "sale_won", rule = "sale_won", revision = 3,
    from = 1, to = 5, status = "updated", actor = { id = "ann", name = "Ann" }, sale = { name = "Printers" },
  }
  for name, value in pairs(fields or {}) do
    made[name] = value
  end
  return made
end

local function journal(fields, language)
  fields.entries, fields.cfg = fields.entries or { entry() }, fields.cfg or preset.get "superoffice"
  fields.may_undo, fields.actions = fields.may_undo ~= false, fields.actions or { [17] = "undo" }
  return check_form(history.html(model(fields, language)))
end

local WHY = ' <span class="leadcat%-line leadcat%-muted"><a class="leadcat%-why".-</a></span>'

-- The texts of the first row's cells, without the link to the page that says why.
local function cells(markup)
  local texts = {}
  markup = markup:gsub(WHY, "")
  for cell in markup:match("<tbody[^>]*><tr[^>]*>(.-)</tr>"):gmatch "<td[^>]*>(.-)</td>" do
    texts[#texts + 1] = cell:gsub("<[^>]*>", "")
  end
  return texts
end

describe("the journal", function()
  it("says when, who, what, from where to where, and by which rules", function()
    assert.same({ "30 Nov 2026, 12:00 UTC", "Acme", "The sale Printers was won.", "Lead → Customer", "Updated", "Ann ",
      "Sale won Version 3", "Undo" }, cells(journal {}))
  end)

  it("leads from each row to the page that says why", function()
    has(journal { entries = { entry { company = "A & B", status = "dropped" } }, names = { ["A & B"] = "Ampersand" } },
      '<a class="leadcat-why" href="' .. BASE .. '/why?company=A%20%26%20B&amp;entry=17">Why?'
        .. '<span class="leadcat-hidden"> ' .. "<bdi>Ampersand</bdi></span></a>")
    local empty = journal { entries = {}, filters = { company = "<x>" } }
    has(empty, '<a href="' .. BASE .. '/why?company=%3Cx%3E">Why did nothing happen?</a>')
    has_not(journal { entries = {}, filters = { actor = "ann" } }, "/why")
  end)

  it("says which of the folded filters are set", function()
    has(journal {}, "<details><summary>More filters</summary>")
    has(journal { filters = { company = "Acme" } }, "<details><summary>More filters</summary>")
    has(journal { filters = { sale = "17", from = "2026-11-01", company = "Acme" } },
      "<details open><summary>More filters: Sale, From date</summary>")
  end)

  it("says what of the event its rules look at", function()
    local cfg = preset.get "superoffice"
    cfg.rules = { { trigger = "sale_won", set_category = 5, when = { {} } }, { trigger = "sale_lost", when = { {
      { field = "contact.vip", is = "known" } } } } }
    for _, field in ipairs { "sale.amount", "sale.amount", "actor.id", "sale.note", "category", "company.tags",
      "company.x", "company.gone", "sale.more", "contact.vip" } do
      table.insert(cfg.rules[1].when[1], { field = field, is = "known" })
    end
    local told = entry { sale = { name = "Printers", amount = 7, note = ("n"):rep(201), more = { a = {} }, other = 1 },
      facts = { ["company.tags"] = { "new", true }, ["company.x"] = false, ["company.y"] = 1 } }
    assert.equal("Sale won Version 3 sale.amount is 7 and actor.id is “ann” and company.tags is “new”, yes and "
      .. "company.x is no", (cells(journal { cfg = cfg, entries = { told } })[7]:gsub("\226\129[\168\169]", "")))
    assert.equal("Sale lost Version 3", cells(journal { cfg = cfg, entries = { entry { trigger = "sale_lost" } } })[7])
  end)

  -- Fields of the entry, the cell, what it says.
  local ROWS = {
    { { trigger = "sale_lost" }, 3, "The sale Printers was lost." },
    { { trigger = "sale_registered", sale = false }, 3, "A sale was registered." },
    { { trigger = "lead_status_set", rule = "lead_status_set:5", contact = { name = "Åse" } }, 3,
      "The lead status of Åse was set to Qualified." },
    { { trigger = "lead_status_set", rule = "lead_status_set:99" }, 3, "A lead status was set to #99." },
    { { undoes = 16 }, 3, "An earlier change was undone." },
    { { from = 98, to = 99 }, 4, "#98 → #99" },
    { { status = "failed" }, 4, "Lead Not set: Customer" },
    { { status = "conflict" }, 4, "Lead Not set: Customer" },
    { { status = "declined" }, 4, "Lead Not set: Customer" },
    { { status = "expired" }, 4, "Lead Not set: Customer" },
    { { status = "superseded" }, 4, "Lead Not set: Customer" },
    { { status = "awaiting_confirmation" }, 4, "Lead Proposed: Customer" },
    { { status = "applying" }, 4, "Lead Proposed: Customer" },
    { { confirmation = "q" }, 3, "The sale Printers was won. Asked on 30 Nov 2026, 11:00 UTC." },
    { { status = "applying" }, 5, "In progress" },
    { { status = "conflict" }, 5, "Conflict" },
    { { status = "failed" }, 5, "Failed" },
    { { status = "awaiting_confirmation" }, 5, "Waiting for an answer" },
    { { status = "declined" }, 5, "Declined" },
    { { status = "expired" }, 5, "Expired" },
    { { status = "superseded" }, 5, "Replaced" },
    { { actor = false }, 6, "System " },
    { { actor = { id = 7 } }, 6, "7 " },
    { { trigger = "lead_status_set", rule = "lead_status_set:5" }, 7, "Lead status: Qualified Version 3" },
    { { run = "backfill-1" }, 3, "The sale Printers was won. Run: backfill-1" },
    { { confirmation = "q" }, 6, "Bob Confirmed by Ann" },
    { { confirmation = "q", status = "declined" }, 6, "Bob Declined by Ann" },
    { { confirmation = "q", actor = false }, 6, "Bob Confirmed by Someone" },
    { { confirmation = "x" }, 6, " Confirmed by Ann" }, -- nobody may see the question
    { { confirmation = "q", status = "awaiting_confirmation" }, 6, "Ann Answered by Eve" },
    { { confirmation = "q", status = "awaiting_confirmation" }, 5, "Accepted" },
    { { confirmation = "old", status = "awaiting_confirmation" }, 6, "Ann " },
    { { confirmation = "old", status = "awaiting_confirmation" }, 5, "Expired" },
    { { confirmation = "old", status = "expired" }, 6, "Ann " },
    { { company = 42 }, 2, "42" },
    { { company = 43 }, 2, "Forty-three" },
    { { company = "\0" }, 2, "?" },
  }
  for i, row in ipairs(ROWS) do
    it(("says %s (%d)"):format(row[3], i), function()
      local markup = journal { entries = { entry(row[1]) }, names = { [43] = "Forty-three" }, questions = {
        q = { state = "accepted", actor = { name = "Bob" }, created_at = 1796036400, resolved_by = { name = "Eve" } },
        old = { state = "expired" },
      } }
      assert.equal(row[3], cells(markup)[row[2]])
    end)
  end

  for _, language in ipairs(i18n.LANGUAGES) do
    it("is in " .. language, function()
      local markup = journal({}, language)
      has(markup, '<html lang="' .. language_tag.of_page(language) .. '">')
      for _, key in ipairs { "title", "time", "cause", "status", "actor", "rule", "undo", "updated",
        "csv" } do
        has(markup, ">" .. h.render(STRINGS:text(language, "history." .. key)) .. "</")
      end
    end)
  end

  it("takes back what was changed, by a form", function()
    has(journal {}, '<form action="' .. BASE
      .. '/api/history/17/undo" data-leadcat-act="leadcat-entry-17" method="post">')
    has(journal { entries = { entry { entry = 2.0 ^ 52 } }, actions = { [2 ^ 52] = "undo" } },
      "/api/history/4503599627370496/undo")
  end)

  it("offers only what would work, and comes back to the same filters and place", function()
    local markup = journal { actions = {} }
    has_not(markup, "/undo")
    has(markup, 'scope="col">Undo</th>')
    has(journal { entries = { entry { status = "failed" } }, actions = { [17] = "retry" } }, "/api/history/17/retry")
    has(journal { filters = { actor = "ann", zone = "60" }, after = 20 },
      '<input name="back" type="hidden" value="actor=ann&amp;zone=60&amp;after=20">')
  end)

  it("mutes what did not happen, and has a badge for each status", function()
    for status, badge in pairs { updated = "done", failed = "bad", conflict = "bad", declined = "off", expired = "off",
      superseded = "off", cancelled = "off", applying = "open", awaiting_confirmation = "open" } do
      local markup = journal { entries = { entry { status = status } } }
      has(markup, 'leadcat-badge-' .. badge .. '"')
      assert.equal(badge == "off" or badge == "bad", markup:find('<tr class="leadcat-off"', 1, true) ~= nil, status)
    end
  end)

  it("says on the row why something was not done, or above the table where the row is not there", function()
    has(cells(journal { refused = { entry = 17, words = "It was changed." } })[3], "It was changed.")
    local markup = journal { refused = { entry = 18, words = "It was changed." } }
    has_not(cells(markup)[3], "It was changed.")
    has(markup, 'role="alert">It was changed.</p>')
  end)

  it("does not offer it to who may not", function()
    local markup = journal { may_undo = false }
    has_not(markup, "/undo")
    has_not(markup, "Undo")
  end)

  -- Names of filters, what the form has, what the link that removes the filter says.
  local FILTERS = {
    { "company", "R&D \"1\"", 'value="R&amp;D &quot;1&quot;"', "Company: R&amp;D &quot;1&quot;" },
    { "company", "43", 'value="43"', "Company: Forty-three" },
    { "actor", "ann", 'value="ann"', "Who: ann" },
    { "sale", "17", 'value="17"', "Sale: 17" },
    { "trigger", "sale_lost", '<option selected value="sale_lost">Sale lost</option>', "Event: Sale lost" },
    { "status", "conflict", '<option selected value="conflict">Conflict</option>', "Status: Conflict" },
    { "from", "2026-11-01", 'type="date" value="2026-11-01"', "From date: 2026-11-01" },
    { "to", "2026-11-30", 'type="date" value="2026-11-30"', "To date: 2026-11-30" },
    { "revision", "3", 'min="1" name="revision" type="number" value="3"', "Rule version: 3" },
    { "run", "b-1", 'value="b-1"', "Run: b-1" },
  }
  for i, row in ipairs(FILTERS) do
    it(("is filtered by %s (%d)"):format(row[1], i), function()
      local other = row[1] == "run" and "actor" or "run"
      local markup = journal { filters = { [row[1]] = row[2], [other] = "x" }, names = { [43] = "Forty-three" } }
      has(markup, row[3])
      has(markup, 'href="' .. BASE .. "/history?" .. other .. '=x"')
      local chips = markup:match '<ul class="leadcat%-chips">(.-)</ul>'
      has(chips:gsub("<[^>]*>", ""), "Remove " .. row[4])
      has(chips, '<a href="' .. BASE .. '/history">Remove all filters</a>')
      has(markup, history.address("/history.csv", { [row[1]] = row[2], [other] = "x" }):gsub("&", "&amp;"))
    end)
  end

  it("has a form for all filters, and links to remove only those that are set", function()
    local markup = journal {}
    for place = 1, 9 do -- the others are shortcuts
      local row = history.FILTERS[place]
      has(markup, ' name="' .. row[1] .. '"')
      has(markup, '<label for="leadcat-' .. row[1] .. '">')
    end
    has_not(markup, "Remove ")
    has_not(journal { filters = { run = "x" } }, "Remove all filters")
  end)

  it("leads from a company to its entries", function()
    has(journal { entries = { entry { company = "Ærlig & Søn" } } },
      'href="' .. BASE .. '/history?company=%C3%86rlig%20%26%20S%C3%B8n"')
    has(journal { entries = { entry { company = 42 } } }, "history?company=42")
  end)

  it("leads to older ones, that the same filters let through", function()
    has(journal { next = 17 }, '<a href="' .. BASE .. '/history?after=17">Older entries</a>')
    has(journal { next = 17, filters = { company = "A&B", to = "2026-11-30" } },
      '<a href="' .. BASE .. '/history?company=A%26B&amp;to=2026-11-30&amp;after=17">Older entries</a>')
    has_not(journal {}, "Older")
  end)

  it("says how far it has looked when it has not looked through all", function()
    local searched = 'Searched back to <time datetime="2026-11-26T10:15:00Z">26 Nov 2026, 10:15 UTC</time>.'
    local markup = journal { next = 17, searched_to = 1795688100, entries = {}, filters = { actor = "ann" } }
    has(markup, '<p class="leadcat-empty">' .. searched .. "</p>")
    has(markup, '/history?actor=ann&amp;after=17">Search further back</a>')
    has(journal { next = 17, searched_to = 1795688100 }, "<p>" .. searched .. " <a href=")
  end)

  it("has shortcuts, which keep the other filters, and take themselves away again", function()
    local at = 'href="' .. BASE .. "/history"
    local markup = journal { filters = { company = "A" } }
    for _, query in ipairs { "status=waiting", "mine=true", "period=today", "period=yesterday", "period=week" } do
      has(markup, at .. "?company=A&amp;" .. query .. '"')
    end
    has(journal { filters = { company = "A", period = "week" } },
      'aria-current="true" class="leadcat-chip" data-leadcat-zone="" ' .. at .. '?company=A"')
    has(journal { filters = { period = "week" } }, '<input name="period" type="hidden" value="week">')
  end)

  it("says of which day the rules of an entry are", function()
    assert.equal("Sale won Rules of 30 Nov 2026, version 3", cells(journal { saved = { [3] = 1796040000 } })[7])
  end)

  it("leads to the rules of an entry", function()
    has(journal {}, '<a href="' .. BASE .. '/history/revisions/3">Version 3</a>')
  end)

  it("says when there is nothing", function()
    has(journal { entries = {} }, '<p class="leadcat-empty">Nothing has been recorded yet.</p>')
    has(journal { entries = {}, filters = { company = "A<b>" } }, "No entries match these filters.")
    has_not(journal { entries = {} }, "<table")
    has_not(journal { entries = {} }, "history.csv")
  end)

  it("says what has just happened", function()
    local undone = history.said(entry { from = 5, to = 1, undoes = 16 }, preset.get "superoffice", model {})
    assert.equal("Undone: Acme is back in Lead.", undone)
    local named = history.said(entry { to = 1, undoes = 16 }, preset.get "superoffice", model {}, "A")
    assert.equal("Undone: A is back in Lead.", named)
    has(journal { said = undone }, 'role="status">' .. undone .. "</p>")
  end)
end)

-- Revisions ------------------------------------------------------------------------------------------------------------

describe("a revision", function()
  local function page(fields, newest, changes)
    local record = { revision = 2, at = 1796040000, actor = { id = "ann", name = "Ann" } }
    for name, value in pairs(fields) do
      record[name] = value or nil
    end
    return check_form(revision.html(model { revision = record, newest = newest or 3, changes = changes or {} }))
  end

  it("says who saved it when, and what that changed", function()
    local markup = page({}, 3, { "A <b> was renamed." })
    has(markup, "<h1>Rule version 2</h1><p>Saved by Ann on " .. SAVED .. ".</p>")
    has(markup, "What changed since version 1</h2>")
    has(markup, "<li>A &lt;b&gt; was renamed.</li>")
    for _, path in ipairs { "?revision=2", "/revisions/1", "/revisions/3" } do
      has(markup, '<a href="' .. BASE .. "/history" .. path .. '">')
    end
    has_not(markup, "in use now")
    has_not(markup, "<form")
  end)

  it("says what is special about it", function()
    has(page { actor = false }, "Saved automatically on " .. SAVED .. ".")
    has(page { reverted = 1 }, "It restores version 1.")
    has(page {}, "Nothing shown on this page changed.")
    has(page({}, 2), "These are the rules in use now.")
    has_not(page({}, 2), "/revisions/3")
    local first = page { revision = 1 }
    has(first, "Set up in the first version")
    has_not(first, "/revisions/0")
  end)

  it("is in every language", function()
    for _, language in ipairs(i18n.LANGUAGES) do
      local made = model({ revision = { revision = 2, at = 0, reverted = 1 }, newest = 2, changes = {} }, language)
      has(check_form(revision.html(made)), '<html lang="' .. language_tag.of_page(language) .. '">')
    end
  end)
end)

-- Files ----------------------------------------------------------------------------------------------------------------

describe("the journal as a file", function()
  -- The cells of the only row, by the names of the columns.
  local function row_of(fields, more)
    local customer = { name = { en = "Customer", no = "Kunde" } }
    local shown = { categories = { [5] = customer }, language = "no", names = {}, questions = {} }
    for name, value in pairs(more or {}) do
      shown[name] = value
    end
    local text = history_csv.text({ entry(fields) }, shown)
    local position = 1
    local reader = csv.reader(function(size)
      position = position + size
      return text:sub(position - size, position - 1)
    end)
    local names, values, row = assert(reader:next()), assert(reader:next()), {}
    for i, name in ipairs(names) do
      row[name] = values[i]
    end
    return row, text
  end

  it("has a row for each entry, as RFC 4180 has it, which spreadsheets know for UTF-8", function()
    local row, text = row_of({ confirmation = "q", company = 42 }, {
      names = { [42] = "Ærlig, \"& Søn\"" }, questions = { q = { actor = { id = "bob" } } },
    })
    assert.equal("\239\187\191entry,at,company,", text:sub(1, 20))
    assert.equal(2, select(2, text:gsub("\r\n", "")))
    assert.matches(',"Ærlig, ""& Søn""",', text, 1, true)
    assert.same({ "17", "2026-11-30T12:00:00Z", "42", "Ærlig, \"& Søn\"", "sale_won", "3", "updated", "5", "Kunde",
      "ann", "Ann", "bob", "Printers", "" }, { row.entry, row.at, row.company, row.company_name, row.rule, row.revision,
      row.status, row.to, row.to_name, row.actor, row.actor_name, row.asked_by, row.sale_name, row.undoes })
  end)

  -- What a cell holds, what is written.
  local HARMLESS = {
    { "=1+1", "'=1+1" }, { "+1", "'+1" }, { "-1", "'-1" }, { "@A1", "'@A1" }, { "\t=1", "'\t=1" },
    { "\r=1", "'\r=1" }, { "\n=1", "'\n=1" }, { ";=1", "';=1" }, { "\239\188\1571", "'\239\188\1571" },
    { "=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0" }, { '="a",b', '\'="a",b' }, { "a=1", "a=1" }, { "'=1", "'=1" },
    { " =1", " =1" }, { "a\255b", "a\239\191\189b" }, { "a\nb", "a\nb" }, { {}, "" }, { true, "" }, { -7, "'-7" },
  }
  for i, case in ipairs(HARMLESS) do
    it(("has no cell that a spreadsheet would run (%d)"):format(i), function()
      local thing = { id = case[1], name = case[1] }
      local row = row_of { actor = thing, sale = thing, contact = thing, event_id = case[1], run = case[1] }
      for _, name in ipairs { "actor", "actor_name", "sale_name", "contact", "contact_name", "event_id", "run" } do
        assert.equal(case[2], row[name], name)
      end
    end)
  end

  it("has times of any kind", function()
    assert.equal("", row_of({ at = -1 }).at)
    assert.equal("", row_of({ at = 1e300 }).at)
    assert.equal("1970-01-01T00:00:01Z", row_of({ at = 1.75 }).at)
  end)
end)

-- Problems -------------------------------------------------------------------------------------------------------------

local CODES = {
  "unauthenticated", "forbidden", "not_found", "method_not_allowed", "conflict", "already_resolved", "expired", "stale",
  "revision_required", "too_large", "unsupported_type", "cross_site", "malformed", "invalid", "unavailable", "full",
  "corrupt", "io",
}

describe("a problem", function()
  for _, code in ipairs(CODES) do
    it("has words of its own in all languages: " .. code, function()
      for _, language in ipairs(i18n.LANGUAGES) do
        assert.equal(STRINGS:text(language, "problem." .. code), problem.detail(STRINGS, language, code))
        assert.is_string(problem.title(STRINGS, language, code))
      end
    end)
  end

  it("has some words whatever its code is", function()
    for _, code in ipairs { "forked", "teapot", "title_forbidden", "" } do
      assert.equal(problem.detail(STRINGS, "no", "io"), problem.detail(STRINGS, "no", code))
      assert.equal(problem.title(STRINGS, "no", "io"), problem.title(STRINGS, "no", code))
    end
    assert.equal("Not available right now", problem.title(STRINGS, "en"))
  end)

  local function page(fields)
    return check_form(problem.html(model(fields)))
  end

  it("is a page with the way back", function()
    local markup = page { status = 404, title = "Not <found>", detail = "No & such" }
    has(markup, "<h1>Not &lt;found&gt;</h1>")
    has(markup, ">No &amp; such</p>")
    has(markup, '<a href="' .. BASE .. '/confirmations">')
    has(markup, '<main class="leadcat-main">')
    has(journal {}, '<main class="leadcat-main leadcat-wide">')
  end)

  it("leads nowhere for who is not signed in", function()
    has_not(page { status = 401, title = "a", detail = "b" }, "<a ")
  end)
end)

-- Hostile names --------------------------------------------------------------------------------------------------------

describe("a hostile name", function()
  local function all_with(name)
    local cfg = preset.get "superoffice"
    cfg.categories[1].name, cfg.lead_statuses[5].name = name, name
    local who = { id = 1, name = name }
    local shown = views.hostile(name)
    shown.cause = name
    return inbox_page { views = { shown }, said = name },
      check_form(inbox.question(model { view = shown, dialog = confirmation.html(shown), problem = name })),
      journal { cfg = cfg, filters = { company = name, actor = name, run = name }, said = name, entries = {
        entry { company = name, actor = who, sale = who, run = name, confirmation = "q" },
        entry { trigger = "lead_status_set", rule = "lead_status_set:5", contact = who, actor = who },
      } },
      problem.html(model { title = name, detail = name })
  end

  local expected = { all_with "name" }
  for kind, name in pairs(views.HOSTILE) do
    it("stays a name on every page: " .. kind, function()
      for i, markup in ipairs { all_with(name) } do
        assert.equal(skeleton(expected[i]), skeleton(markup))
      end
    end)
  end
end)

describe("misuse of a page raises:", function()
  local ROWS = {
    { "a text that there is not", function() journal { entries = { entry { status = "odd" } } } end, "history.odd" },
    { "a base that is a script", function() inbox_page { base = "javascript:a()" } end, "must be a relative" },
    { "no language", function() problem.html { strings = STRINGS, title = "a", detail = "b" } end, "language" },
  }
  for _, row in ipairs(ROWS) do
    it(row[1], function()
      local ok, message = pcall(row[2])
      assert.is_false(ok)
      assert.matches(row[3], message, 1, true)
    end)
  end
end)
