-- What a change of the rules would do: the same events through two configs.

local compare = require "leadcat.past.compare"
local h = require "leadcat.pages.html"
local i18n = require "leadcat.words.i18n"
local json = require "leadcat.util.json"
local replay = require "leadcat.past.replay"
local report_page = require "leadcat.pages.report"
local simulate = require "leadcat.past.simulate"
local stores = require "support.stores"
local times = require "support.times"
local views = require "support.views"

local SEED = tonumber(os.getenv "SEED") or 11

local USUAL = { sale_registered = 3, sale_won = 5, sale_lost = 4 }

local function event(trigger, company, more)
  local made = { trigger = trigger, company = company }
  for name, value in pairs(more or {}) do
    made[name] = value
  end
  return made
end

local EVENTS = {
  event("sale_registered", "Acme", { category = 1 }),
  event("sale_lost", "Acme"),
  event("sale_won", "Acme"),
  event("sale_won", 42, { category = 1 }),
  event("sale_lost", "Fjord", { category = 5 }),
}

local function run(before, after, events, options)
  return assert(compare.run(stores.config(before), stores.config(after), events or EVENTS, options))
end

-- The changes in short: "sale_won update 5 > confirm 5: 2".
local function short(report)
  local lines = {}
  for i, kind in ipairs(report.changes) do
    local function side(told)
      return told.to and ("%s %d"):format(told.outcome, told.to) or told.outcome
    end
    lines[i] = ("%s %s > %s: %d"):format(kind.trigger, side(kind.before), side(kind.after), kind.count)
  end
  table.sort(lines)
  return lines
end

local function flows(list)
  local words = {}
  for i, flow in ipairs(list) do
    words[i] = ("%s>%s:%d"):format(flow.from or "?", flow.to or "?", flow.companies)
  end
  return table.concat(words, " ")
end

describe("two configs over the same events", function()
  -- What it is, the config before, the one after, the changes, the flows from end to end.
  local ROWS = {
    { "the same", USUAL, USUAL, {}, "5>5:3" },
    { "a rule that is switched off", USUAL, { sale_registered = 3, sale_won = 5 },
      { "sale_lost update 4 > rule_disabled: 1", "sale_lost not_potential_customer > rule_disabled: 1" }, "5>5:3" },
    { "another target, out of which nothing leads", USUAL, { sale_registered = 3, sale_won = 5, sale_lost = 7 },
      { "sale_lost update 4 > update 7: 1", "sale_won update 5 > not_potential_customer: 1" }, "5>5:2 5>7:1" },
    { "a rule that asks", USUAL, { sale_registered = 3, sale_won = { 5, ask = true }, sale_lost = 4 },
      { "sale_won update 5 > confirm 5: 2" }, "5>5:3" },
    { "no rules at all before", {}, { sale_won = 6 },
      { "sale_won rule_disabled > update 6: 2" }, "1>6:2 5>5:1" },
  }
  for _, row in ipairs(ROWS) do
    it("part where they differ: " .. row[1], function()
      local report = run(row[2], row[3])
      table.sort(row[4])
      assert.same(row[4], short(report))
      assert.equal(row[5], flows(report.flows.change))
      assert.same({ events = 5, companies = 3 }, { events = report.events, companies = report.companies })
    end)
  end

  it("are shown with the companies that end elsewhere, where they stand, and an example of each change", function()
    local report = run(USUAL, { sale_registered = 3, sale_won = 5, sale_lost = 7 })
    assert.same({ { company = "Acme", start = 1, before = 5, after = 7 } }, report.moved)
    assert.same({ events = 2, reasons = 0, companies = 1 }, report.changed)
    assert.equal("1>5:2 5>5:1", flows(report.flows.before))
    assert.equal("1>5:1 1>7:1 5>5:1", flows(report.flows.after))
    local names = {}
    for i, category in ipairs(report.categories) do
      names[i] = ("%s %d %d %d"):format(category.name, category.start, category.before, category.after)
    end
    assert.same({ "Lead 2 0 0", "Lost opportunity 0 0 0", "Customer 1 3 2", "Lost 0 0 1" }, names)

    local example = report.changes[2].examples[1]
    assert.equal(EVENTS[3], example.event)
    assert.same({ "update", "none" }, { example.before.action, example.after.action })
    assert.same({ 4, 7 }, { example.before.category, example.after.category })
    assert.equal("not_potential_customer", example.after.reason)
  end)

  it("have categories of the same id, and names as the tried one says", function()
    local before, after = stores.config(USUAL), stores.config(USUAL)
    before.categories[5].name, after.categories[5].name = "Client", { en = "Buyer", no = "Kjøper" }
    after.categories[9], after.rules[1].set_category = { id = 77, name = "New", group = "lost" }, 77
    local report = assert(compare.run(before, after, EVENTS, { language = "no" }))
    local names = {}
    for _, category in ipairs(report.categories) do
      names[category.id] = category.name
    end
    assert.equal("Kjøper", names[5])
    assert.equal("New", names[77])
  end)

  it("begin where the caller says: by id, by a name of either config, or nowhere", function()
    local before, after = stores.config(USUAL), stores.config(USUAL)
    after.categories[9] = { id = 77, name = "New", group = "potential_customer" }
    local events = { event("sale_won", "Acme") }
    for _, start in ipairs { 77, "new" } do
      local report = assert(compare.run(before, after, events, { start_category = start }))
      assert.same({ "sale_won unknown_category > update 5: 1" }, short(report))
      assert.same({ { company = "Acme", start = 77, before = 77, after = 5 } }, report.moved)
    end
    assert.equal("?>?:1", flows(assert(compare.run(before, after, events)).flows.change))
    local report, message, code = compare.run(before, after, events, { start_category = "Nope" })
    assert.same({ false, "start_category: there is no category 'Nope'", "invalid" }, { report or false, message, code })
  end)

  it("take what can be no category as one that nobody knows", function()
    for _, category in ipairs { 0, -5, 2 ^ 40 } do
      local report = run({}, { sale_won = 5 }, { event("sale_won", "Acme", { category = category }) })
      assert.same({ "sale_won rule_disabled > unknown_category: 1" }, short(report))
      assert.equal("?>?:1", flows(report.flows.change))
      assert.equal(category, report.changes[1].examples[1].after.category)
    end
  end)

  it("list companies as their first events give them", function()
    local events = { event("sale_won", 7, { category = 1 }), event("sale_won", "8", { category = 1 }),
      event("sale_won", "7"), event("sale_won", 8) }
    local companies = {}
    for i, row in ipairs(run({}, { sale_won = 5 }, events).moved) do
      companies[i] = row.company
    end
    assert.same({ 7, "8" }, companies)
  end)

  -- More than are decided at once, so that examples and companies come from several batches.
  it("have their examples wherever in the events they are", function()
    local events = {}
    for i = 1, 10000 do
      events[i] = event(i % 4000 == 1 and "sale_lost" or "sale_won", i, { category = 1 })
    end
    local report, found = run({}, { sale_lost = 4 }, events), {}
    for i, example in ipairs(report.changes[1].examples) do
      found[i] = example.event
    end
    assert.same({ events[1], events[4001], events[8001] }, found)
    assert.same({ 3, 4001 }, { report.changed.companies, report.moved[2].company })
  end)

  it("count apart what nothing is done about, for different reasons, and list it last", function()
    local events = {}
    for i = 1, 10 do
      events[i] = event("sale_won", i % 2, { category = i == 1 and 1 or nil })
    end
    local report = run({}, { sale_won = 5 }, events, { start_category = 7 })
    assert.same({ events = 1, reasons = 9, companies = 1 }, report.changed)
    assert.same({ 1, 9 }, { report.changes[1].count, report.changes[2].count })
    assert.same({ "update", "not_potential_customer" },
      { report.changes[1].after.outcome, report.changes[2].after.outcome })
  end)

  it("have examples of different companies", function()
    local events = {}
    for i, company in ipairs { "A", "A", "A", "B", "A", "C", "D" } do
      events[i] = event("sale_won", company, { category = 1 })
    end
    local companies = {}
    for i, example in ipairs(run({}, { sale_won = 5 }, events).changes[1].examples) do
      companies[i] = example.event.company
    end
    assert.same({ "A", "B", "C" }, companies)
  end)

  it("list as many companies as one asks for, and count all", function()
    local events = {}
    for i = 1, 250 do
      events[i] = event("sale_won", i, { category = 1 })
    end
    for limit, listed in pairs { [0] = 0, [7] = 7, [1000] = 250 } do
      local report = run({}, { sale_won = 5 }, events, { limit = limit })
      assert.same({ listed, 250 }, { #report.moved, report.changed.companies })
    end
    local report = run({}, { sale_won = 5 }, events)
    assert.equal(100, #report.moved)
    assert.equal(3, #report.changes[1].examples)
  end)

  it("are refused when one of them has errors, or an event", function()
    local wrong = stores.config { sale_won = 99 }
    local right = stores.config {}
    for _, row in ipairs { { wrong, right, "compared with" }, { right, wrong, "that is tried" } } do
      local report, message, code, problems = compare.run(row[1], row[2], EVENTS)
      assert.is_nil(report)
      assert.matches(row[3], message)
      assert.same({ "invalid", "category_unknown" }, { code, problems[1].code })
    end
    local report, message, code = compare.run(stores.config {}, stores.config {}, { EVENTS[1], { trigger = "x" } })
    assert.is_nil(report)
    assert.matches("^event 2: trigger must be", message)
    assert.equal("invalid", code)
    assert.same({ nil, "no more", "io" }, { compare.run(stores.config {}, stores.config {}, function()
      return nil, "no more", "io"
    end) })
    assert.has_error(function() compare.run(stores.config {}, stores.config {}, 7) end)
  end)

  it("may be empty", function()
    local report = assert(compare.run({}, stores.config { sale_won = 5 }, { event("sale_won", "Acme") }))
    assert.same({ "sale_won rule_disabled > unknown_category: 1" }, short(report))
  end)

  it("tell how far they have come", function()
    local seen, events = {}, {}
    for i = 1, 2500 do
      events[i] = event("sale_won", i % 10)
    end
    run({}, {}, events, { on_progress = function(count) seen[#seen + 1] = count end })
    assert.same({ 1000, 2000 }, seen)
  end)
end)

-- Random configs and events -----------------------------------------------------------------------------------------

local function random_config()
  local rules = {}
  for _, key in ipairs {
    "sale_registered", "sale_won", "sale_lost", "lead_status_set:3", "lead_status_set:5", "sale_reopened",
    "sale_deleted",
  } do
    rules[key] = math.random(3) > 1 and { math.random(8), ask = math.random(2) == 1 } or nil
  end
  return stores.config(rules)
end

local TRIGGERS = {
  "sale_registered", "sale_won", "sale_lost", "lead_status_set", "sale_reopened", "sale_deleted",
}

local function random_events()
  local events = {}
  for i = 1, math.random(200) do
    events[i] = {
      trigger = TRIGGERS[math.random(#TRIGGERS)], company = math.random(20), lead_status = math.random(5),
      category = math.random(6) == 1 and math.random(9) or nil,
    }
  end
  return events
end

local function total(list, field)
  local sum = 0
  for _, row in ipairs(list) do
    sum = sum + row[field]
  end
  return sum
end

describe(("random configs (seed %d)"):format(SEED), function()
  it("give what two simulations give, and nothing when they are one", function()
    math.randomseed(SEED)
    for _ = 1, times(60) do
      local before, after, events = random_config(), random_config(), random_events()
      local options = { start_category = math.random(8) }
      local report = assert(compare.run(before, after, events, options))
      assert.same(simulate.run(before, events, options), report.before)
      assert.same(simulate.run(after, events, options), report.after)
      assert.equal(report.changed.events + report.changed.reasons, total(report.changes, "count"))
      for _, list in pairs(report.flows) do
        assert.equal(report.companies, total(list, "companies"))
      end

      local none = assert(compare.run(before, before, events, options))
      assert.same({ events = 0, reasons = 0, companies = 0 }, none.changed)
      assert.same({}, none.changes)
      assert.same({}, none.moved)
    end
  end)
end)

-- The report --------------------------------------------------------------------------------------------------------

local STRINGS = i18n.new()

local function html_of(before, after, language, events, level)
  local model = {
    report = assert(compare.run(before, after, events or EVENTS, { language = language })),
    before = before, after = after, strings = STRINGS, language = language or "en", level = level,
  }
  return level and h.render { report_page.answer(model), report_page.reasons(model) } or report_page.html(model)
end

-- What a reader sees: no tags, no marks of direction.
local function plain(markup)
  return (markup:gsub("<style>.-</style>", ""):gsub("<[^>]*>", " "):gsub("\226\129[\166-\169]", ""):gsub("%s+", " "))
end

describe("the report", function()
  local LOST = { sale_registered = 3, sale_won = 5, sale_lost = 7 }

  -- The configs, the language, the first sentence, and what else is said.
  local ROWS = {
    { USUAL, LOST, "en", "1 of 3 companies would end in another category", "1 Customer → Lost" },
    { USUAL, LOST, "no", "1 av 3 firmaer ville havne i en annen kategori", "1 Kunde → Tapt" },
    { USUAL, LOST, "de", "Bei 1 von 3 Firmen wäre die Kategorie am Ende eine andere", "2 von 5 Ereignissen" },
    { USUAL, { sale_registered = 3, sale_won = { 5, ask = true }, sale_lost = 4 }, "en",
      "No company would end in another category", "The user is asked: 0 → 2" },
    { USUAL, USUAL, "sv", "Ingenting skulle ändras", "Reglerna är desamma." },
    { {}, { ["lead_status_set:3"] = 3 }, "en", "Nothing would change", "0 of 5 events" },
  }
  for _, row in ipairs(ROWS) do
    it("begins with what the change would do: " .. row[4], function()
      local markup = html_of(stores.config(row[1]), stores.config(row[2]), row[3])
      assert.equal(row[4], markup:match "<h1[^>]*>(.-)</h1>")
      assert.truthy(plain(markup):find(row[5], 1, true), plain(markup))
    end)
  end

  it("says what is different in the rules, and explains examples by the sentences of their explanations", function()
    local before, after = stores.config(USUAL), stores.config(LOST)
    local text = plain(html_of(before, after, "en"))
    assert.truthy(text:find("“Update category when a sale is lost” now sets the category to Lost.", 1, true))
    assert.truthy(text:find("Acme is in Lost, a category of the group Lost; only companies in a category of the group "
      .. "Potential customer are updated automatically.", 1, true), text)
    assert.truthy(text:find("The category of Acme will be updated from Opportunity to Lost.", 1, true), text)
    assert.truthy(text:find("Nothing: not a potential customer", 1, true))
  end)

  it("is one file that loads nothing and runs nothing", function()
    local markup = html_of(stores.config(USUAL), stores.config(LOST), "en")
    assert.matches("default%-src &#39;none&#39;; style%-src &#39;unsafe%-inline&#39;", markup)
    assert.matches("<style>.-%-%-leadcat%-accent", markup)
    for _, tag in ipairs { "<script", "<link", "<img", "<iframe", "@import", "url%(" } do
      assert.is_nil(markup:find(tag), tag)
    end
  end)

  it("has a picture whose bands are as broad as there are companies, and which is told in words", function()
    local events = {}
    for i = 1, 100 do
      events[i] = event(i <= 30 and "sale_lost" or "sale_won", i, { category = 1 })
    end
    local markup = html_of(stores.config(USUAL), stores.config(LOST), "en", events)
    local svg = markup:match '<svg[^>]* id="leadcat%-flow%-change".-</svg>.-</svg>'
    assert.matches("Lost opportunity to Lost: 30%. Customer to Customer: 70%.", plain(svg))
    local heights = {}
    for top, bottom in svg:gmatch 'd="M0 ([%d.]+)C.-50 [%d.]+ 0 ([%d.]+)Z"' do
      heights[#heights + 1] = math.floor(bottom - top + 0.5)
    end
    assert.same({ 72, 168 }, heights)
    assert.matches('class="leadcat%-flow%-same"', svg)
  end)

  for name, hostile in pairs(views.HOSTILE) do
    it("shows any name as text: " .. name, function()
      local before, after = stores.config(USUAL), stores.config(LOST)
      before.categories[7].name, after.categories[7].name = hostile, hostile
      local events = {
        event("sale_lost", hostile:sub(1, 255), { category = 1, sale = { name = hostile } }),
        event("sale_won", 1, { category = 7 }), event("sale_lost", 2, { category = 1 }),
      }
      local markup = html_of(before, after, "en", events)
      for _, tag in ipairs { "<script", "<img", "<iframe", "<!%-%-", " onfocus=\"" } do
        assert.is_nil(markup:gsub("^<!DOCTYPE html>", ""):find(tag), tag)
      end
      for _, tag in ipairs { "section", "table", "svg", "div", "li", "g" } do
        local _, opened = markup:gsub("<" .. tag .. "[ >]", "")
        local _, closed = markup:gsub("</" .. tag .. ">", "")
        assert.equal(opened, closed, tag)
      end
    end)
  end

  it("is part of another page, below its headings", function()
    local markup = html_of(stores.config(USUAL), stores.config(LOST), "en", EVENTS, 2)
    assert.is_nil(markup:find "<h1")
    assert.matches("^<h2[^>]*>1 of 3 companies", markup)
    assert.matches("<h3[^>]*>Examples", markup)
  end)

  it("has a bar for many categories together, and ends where its lists would not", function()
    local before, after, events = stores.config {}, stores.config { sale_won = 5 }, {}
    for i = 1, 400 do
      for _, cfg in ipairs { before, after } do
        cfg.categories[8 + i] = { id = 8 + i, name = "Kind " .. i, group = "potential_customer" }
      end
      events[i] = event("sale_won", i, { category = 8 + i })
    end
    local markup = html_of(before, after, "en", events)
    local svg = markup:match '<svg[^>]* id="leadcat%-flow%-change".-</svg>.-</svg>'
    local _, bars = svg:gsub("<rect", "")
    assert.equal(10, bars) -- eight and one for the others, and Customer
    assert.truthy(plain(svg):find("Other categories to Customer: 392", 1, true), plain(svg))
    assert.truthy(plain(markup):find("300 more are not listed.", 1, true))
  end)
end)

-- The journal told again ------------------------------------------------------------------------------------------

describe("the journal as events", function()
  after_each(stores.check)

  -- An engine with these rules whose clock can be set, and where companies 1 to 9 are Leads.
  local function new_engine(rules)
    local now = 1796040000
    local engine = stores.open { clock = function() return now end, confirmation_ttl = 60 }
    assert(engine:save(stores.config(rules)))
    assert(engine.host:create_many({ 1, 2, 3, 4, 5, 6, 7, 8, 9 }, 1))
    return engine, function(seconds) now = now + seconds end
  end

  local function retold(engine)
    local words = {}
    for i, made in ipairs(replay.events(assert(engine:history()))) do
      words[i] = ("%d %s%s%s"):format(made.company, made.trigger, made.lead_status and ":" .. made.lead_status or "",
        made.category and " in " .. made.category or "")
    end
    return words
  end

  it("has what came in, oldest first, with the category of a company's first event", function()
    local engine = new_engine { sale_registered = 3, sale_lost = 4, ["lead_status_set:5"] = 2 }
    engine:handle { trigger = "sale_registered", company = 1, sale = { name = "Printers" }, id = "e1" }
    engine:handle { trigger = "lead_status_set", company = 2, lead_status = 5 }
    engine:handle { trigger = "sale_lost", company = 1 }
    assert.same({ "1 sale_registered in 1", "2 lead_status_set:5 in 1", "1 sale_lost" }, retold(engine))
    local first = replay.events(engine:history())[1]
    assert.same({ "e1", "Printers", 1796040000 }, { first.id, first.sale.name, first.at })
    engine:close()
  end)

  it("has a question once, however it ended, and no undo; what they did is told by a category", function()
    local engine, wait = new_engine { sale_won = { 5, ask = true }, sale_lost = 4, sale_registered = 3 }
    local function ask(company)
      return engine:handle({ trigger = "sale_won", company = company }).confirmation
    end
    assert(engine:resolve(ask(1), { accept = true }))
    assert(engine:resolve(ask(2), { decline = true }))
    assert(engine:resolve(ask(3), { category = 2 }))
    ask(4)
    ask(5)
    engine:handle { trigger = "sale_lost", company = 4 } -- supersedes the question
    wait(100)
    engine:sweep()
    engine:handle { trigger = "sale_won", company = 7, choice = false }
    local lost = engine:handle { trigger = "sale_lost", company = 6 }
    assert(engine:undo(lost.entry))
    for company = 1, 7 do
      engine:handle { trigger = "sale_registered", company = company }
    end
    assert.same({
      "1 sale_won in 1", "2 sale_won in 1", "3 sale_won in 1", "4 sale_won in 1", "5 sale_won in 1",
      "4 sale_lost in 1", "7 sale_won in 1", "6 sale_lost in 1",
      "2 sale_registered in 1", "3 sale_registered in 2", "4 sale_registered", "5 sale_registered in 1",
      "6 sale_registered in 1", "7 sale_registered in 1",
    }, retold(engine))
    engine:close()
  end)

  it("has what came to nothing, where that was noted", function()
    local engine = stores.open { record_unchanged = "full" }
    assert(engine:save(stores.config { sale_won = 5 }))
    assert(engine.host:create(1, 1))
    for _, trigger in ipairs { "sale_lost", "sale_won", "sale_registered" } do
      engine:handle { trigger = trigger, company = 1 }
    end
    local events = replay.events(engine:history { unchanged = true })
    assert.same({ "sale_lost", "sale_won", "sale_registered" },
      { events[1].trigger, events[2].trigger, events[3].trigger })
    assert.same({ 1 }, { events[1].category, events[2].category, events[3].category })
    engine:close()
  end)

  it("is handled by the same rules as it was, where nobody else has moved a company", function()
    local rules = { sale_registered = 3, sale_won = 2, sale_lost = 4, ["lead_status_set:5"] = 1 }
    local engine = new_engine(rules)
    math.randomseed(SEED)
    for _ = 1, 200 do
      engine:handle { trigger = TRIGGERS[math.random(4)], company = math.random(9), lead_status = 5 }
    end
    local entries = engine:history { limit = 1000 }
    local report = assert(simulate.run(stores.config(rules), replay.events(entries)))
    assert.equal(#entries, report.events)
    for _, outcomes in pairs(report.outcomes) do
      assert.equal("update", (next(outcomes)))
      assert.is_nil(next(outcomes, "update"))
    end
    engine:close()
  end)
end)

-- The engine and the command ----------------------------------------------------------------------------------------

describe("a comparison", function()
  after_each(stores.check)

  it("is what engine:simulate gives with `against`; the saved config is the one tried when none is given", function()
    local engine = stores.open()
    local other = stores.config { sale_won = 6 }
    assert(engine:save(stores.config(USUAL)))
    local report = assert(engine:simulate(EVENTS, { config = other, against = engine:config() }))
    assert.equal("5>5:1 5>6:2", flows(report.flows.change))
    assert.equal("5>5:1 6>5:2", flows(assert(engine:simulate(EVENTS, { against = other })).flows.change))
    assert.is_nil(assert(engine:simulate(EVENTS)).changes)
    engine:close()
  end)

  local function config_file(rules)
    return stores.file(json.encode(stores.config(rules)), ".json")
  end

  local function compared(...)
    local output, errors, status = stores.leadcat("simulate", ...)
    return status == 0 and output or errors, status
  end

  local LINES = {}
  for i, made in ipairs(EVENTS) do
    LINES[i] = json.encode(made)
  end
  local function events_file()
    return stores.file(table.concat(LINES, "\n"), ".jsonl")
  end

  it("is a table of the command", function()
    local output = compared("--config", config_file { sale_registered = 3, sale_won = 5, sale_lost = 7 }, "--against",
      config_file(USUAL), events_file())
    assert.equal([[
1 of 3 companies end in another category, 2 of 5 events are decided differently

companies in  at the start  before  after
Lead                     2       0      0
Customer                 1       3      2  -1
Lost                     0       0      1  +1

events  trigger    before                    after                   such as
     1  sale_lost  update: Lost opportunity  update: Lost            Acme
     1  sale_won   update: Customer          not_potential_customer  Acme

company  at the start  before    after
Acme     Lead          Customer  Lost
]], output)
  end)

  it("is JSON, with lists that are lists when they are empty", function()
    local file = config_file(USUAL)
    local output = compared("--config", file, "--against", file, "--json", events_file())
    for _, list in ipairs { "changes", "moved" } do
      assert.matches(('"%s": %%[%%]'):format(list), output)
    end
    assert.same({ events = 0, reasons = 0, companies = 0 }, json.decode(output).changed)
  end)

  it("is a web page, in a language, beside the table", function()
    local file = stores.file ""
    local output = compared("--config", config_file { sale_won = 6 }, "--against", config_file(USUAL), "--html", file,
      "--language", "nl", events_file())
    assert.matches("^2 of 3 companies", output)
    local opened = assert(io.open(file))
    local page = opened:read "*a"
    opened:close()
    assert.matches('^<!DOCTYPE html>\n<html lang="nl">', page)
    assert.matches("<h1[^>]*>Bij 2 van 3 bedrijven zou de categorie aan het eind een andere zijn</h1>", page)
    local errors, status = compared("--config", config_file {}, "--against", config_file {}, "--html", "/no/such/file",
      events_file())
    assert.equal(1, status)
    assert.matches("/no/such/file", errors)
  end)

  it("is with the config of a store, or of the store with one", function()
    local engine, path = stores.open()
    assert(engine:save(stores.config(USUAL)))
    engine:close()
    local file, events = config_file { sale_won = 6 }, events_file()
    local output = compared("--config", file, "--against", "current", "--path", path, events)
    assert.matches("\nCustomer +1 +3 +1 +%-2\n", output)
    assert.matches("\nCustomer +1 +1 +3 +%+2\n", (compared("--path", path, "--against", file, events)))
  end)

  local ROWS = {
    { "an unknown store", { "--config", "x", "--against", "current" }, "needs %-%-config FILE and %-%-path DIR" },
    { "two configs to try", { "--config", "x", "--path", "y", "--against", "z" }, "can not be used together" },
    { "two configs", { "--config", "x", "--path", "y" }, "can not be used together" },
    { "a report of no comparison", { "--config", "x", "--html", "y" }, "%-%-html needs %-%-against" },
    { "a list of no length", { "--config", "x", "--against", "y", "--limit", "0.5" }, "an integer from 0" },
  }
  for _, row in ipairs(ROWS) do
    it("is refused with status 2: " .. row[1], function()
      local words = { stores.unpack(row[2]) }
      words[#words + 1] = "events.jsonl"
      local output, status = compared(stores.unpack(words))
      assert.equal(2, status)
      assert.matches(row[3], output)
    end)
  end

  it("says when nobody knows where companies start", function()
    local file = config_file(USUAL)
    local events = stores.file('{"trigger":"sale_won","company":"Acme"}', ".jsonl")
    local _, errors = stores.leadcat("simulate", "--config", file, "--against", file, events)
    assert.matches("the category that 1 of the companies start in: %-%-start%-category", errors)
    _, errors = stores.leadcat("simulate", "--config", file, "--against", file, "--start-category", "Lead", events)
    assert.equal("", errors)
  end)

  it("says which config is wrong", function()
    local wrong = config_file { sale_won = 99 }
    local output, status = compared("--config", config_file(USUAL), "--against", wrong, events_file())
    assert.equal(1, status)
    assert.matches("category_unknown", output)
    assert.matches("the config compared with has errors", output)
  end)
end)
