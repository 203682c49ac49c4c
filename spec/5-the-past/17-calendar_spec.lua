-- The calendar: companies that have had no sale for so many days, found once a day. Random companies have random sales; a second
-- implementation, which shares no code with leadcat, says for which a rule must have fired, day by day.

local crm = require "support.crm"
local databases = require "support.databases"
local difference = require "leadcat.rules.difference"
local forms = require "support.forms"
local i18n = require "leadcat.words.i18n"
local settings_form = require "leadcat.pages.settings_form"
local settings_page = require "support.settings_page"
local shared = require "support.shared"
local stores = require "support.stores"
local web = require "support.web"

local LEAD, OPPORTUNITY, LOST_OPPORTUNITY, CUSTOMER, LOST = 1, 3, 4, 5, 7 -- the preset's categories
local ANN = { id = "ann", name = "Ann", admin = true }
local DAY = 24 * 3600
local START = 20000 * DAY + 5 * 3600 -- a night

local function rule(days, to, more)
  local made = { trigger = "no_sale_for", days = days, enabled = true, set_category = to, ask = false }
  for name, value in pairs(more or {}) do
    made[name] = value
  end
  return made
end

local function config(...)
  local cfg = stores.config {}
  cfg.rules = { ... }
  return cfg
end

-- A host whose companies have sales: {status, at} by company; `time.now` is the clock.
local function open(cfg, sales, companies, more)
  local time = { now = START }
  local host = crm.new(companies)
  function host.sales(list)
    local answers = {}
    for i, company in ipairs(list) do
      answers[i] = sales[company] and { sales = sales[company] } or false
    end
    return answers
  end
  function host.list_companies(after, limit)
    local names, page = {}, {}
    for name in pairs(host.companies) do
      names[#names + 1] = name
    end
    table.sort(names)
    for _, name in ipairs(names) do
      page[#page + 1] = #page < limit and (not after or name > after) and name or nil
    end
    return page
  end
  local options = { host = host, clock = function() return time.now end, durability = "relaxed" }
  for name, value in pairs(more or {}) do
    options[name] = value
  end
  local engine, path = stores.open(options)
  if engine:config().revision == 0 then
    assert(engine:save(cfg))
  end
  return engine, time, host, path
end

local function won(id, days_ago)
  return { id = id, status = "won", at = START - days_ago * DAY, registered = START - days_ago * DAY - 10 * DAY }
end

local function statuses(engine, company)
  local found = {}
  for i, entry in ipairs(assert(engine:history { company = company })) do
    found[i] = entry.status
  end
  return table.concat(found, " ")
end

local state
local function random(n) -- Park and Miller: the same in every Lua
  state = state * 16807 % 2147483647
  return state % n + 1
end

describe("the calendar", function()
  after_each(stores.check)

  for seed = 1, 3 do
    it(("finds the companies without a sale for so many days, once each, over a year (%d)"):format(seed), function()
      state = seed * 7919
      local RULES = { { 30, OPPORTUNITY }, { 90, LOST_OPPORTUNITY } }
      local sales, companies, expected, fired = {}, {}, {}, {}
      for i = 1, 60 do
        local name = ("c%02d"):format(i)
        companies[name] = random(8) == 1 and CUSTOMER or LEAD
        sales[name] = random(6) > 1 and { won("s", random(120)) } or nil
      end
      local engine, time, host = open(config(rule(30, OPPORTUNITY), rule(90, LOST_OPPORTUNITY)), sales, companies)
      for name, category in pairs(companies) do
        expected[name] = category
      end
      for night = 0, 40 do
        time.now = START + night * 9 * DAY
        for i = 1, 3 do -- some sell, and somebody moves some of them back
          local name = ("c%02d"):format(random(60))
          if random(2) == 1 and sales[name] then
            table.insert(sales[name], { id = "n" .. night .. i, status = "open", at = time.now - random(20) * DAY })
          else
            host.companies[name], expected[name] = LEAD, LEAD
          end
        end
        for name, list in pairs(sales) do
          local last = 0
          for _, sale in ipairs(list) do
            last = math.max(last, sale.at)
          end
          for _, one in ipairs(RULES) do
            local key = name .. one[1] .. ":" .. math.floor(last / DAY)
            local starts = expected[name] ~= CUSTOMER and expected[name] ~= one[2]
            if time.now - last >= one[1] * DAY and starts and not fired[key] then
              expected[name], fired[key] = one[2], true
            end
          end
        end
        local cursor
        repeat
          local page = assert(engine:calendar { cursor = cursor, limit = 25 })
          cursor = page.cursor
        until not cursor
        for name in pairs(companies) do
          assert.equal(expected[name], host.companies[name], ("%s on night %d"):format(name, night))
        end
      end
      local count = 0
      for _ in pairs(fired) do
        count = count + 1
      end
      assert.is_true(count > 40)
      assert.equal(count, #host.changes)
      engine:close()
    end)
  end

  it("fires once for a silence, also when that was undone, and again after another sale", function()
    local sales = { Acme = { won("s1", 90) } }
    local engine, time, host = open(config(rule(90, LOST_OPPORTUNITY)), sales, { Acme = OPPORTUNITY })
    local page = assert(engine:calendar())
    assert.same({ {
      company = "Acme", status = "updated", days = 90, rule = "no_sale_for", from = OPPORTUNITY, to = LOST_OPPORTUNITY,
      last_sale = START - 90 * DAY, entry = page.items[1].entry,
    } }, page.items)
    local entry = engine:history({ company = "Acme" })[1]
    assert.same({ "no_sale_for", 90, "s1" }, { entry.trigger, entry.facts["no_sale_for.days"], entry.sale.id })
    assert(engine:undo(entry.entry, { actor = ANN }))
    assert.equal(OPPORTUNITY, host.companies.Acme)
    time.now = START + 40 * DAY
    assert.same({ before = 1 }, assert(engine:calendar()).outcomes)
    assert.equal(OPPORTUNITY, host.companies.Acme)

    table.insert(sales.Acme, { id = "s2", status = "lost", at = START + 40 * DAY })
    time.now = START + 129 * DAY
    assert.same({ elsewhere = 0, unknown = 0, recent = 1, silent = 0 }, assert(engine:calendar()).counts)
    time.now = START + 130 * DAY
    assert.same({ updated = 1 }, assert(engine:calendar()).outcomes)
    assert.equal(LOST_OPPORTUNITY, host.companies.Acme)
    engine:close()
  end)

  it("asks, holds, waits and tries out as with any other event", function()
    local sales, companies = {}, {}
    for i = 1, 6 do
      local name = "c" .. i
      sales[name], companies[name] = { won("s", 200) }, LEAD
    end
    local asked = open(config(rule(90, LOST_OPPORTUNITY, { ask = true })), sales, companies)
    local page = assert(asked:calendar())
    assert.same({ awaiting_confirmation = 6 }, page.outcomes)
    local record = asked:confirmations({ company = "c1" })[1]
    assert.equal("There has been no sale for 90 days. Change the category of c1 from Lead to Lost opportunity?",
      (asked:view(record).sentence:gsub("\226\129[\166-\169]", "")))
    assert(asked:resolve(record.id, { decline = true }, { actor = ANN }))
    assert.same({ before = 6 }, assert(asked:calendar()).outcomes)
    assert.equal("declined awaiting_confirmation", statuses(asked, "c1"))
    asked:close()

    local limited = rule(90, LOST_OPPORTUNITY, { limit = { changes = 2, hours = 1 } })
    local held, _, host = open(config(limited), sales, companies)
    assert.same({ updated = 2, held = 4 }, assert(held:calendar()).outcomes)
    assert.same({ before = 4 }, assert(held:calendar()).outcomes)
    assert.equal(4, assert(held:release({ all = true }, { actor = ANN })).released)
    assert.equal(6, #host.changes)
    held:close()

    local waits, time = open(config(rule(90, LOST_OPPORTUNITY, { after = { days = 7 } })), sales, companies)
    assert.same({ scheduled = 6 }, assert(waits:calendar()).outcomes)
    time.now = START + 7 * DAY
    assert.equal(6, assert(waits:maintain()).carried_out)
    waits:close()

    local tried, _, untouched = open(config(rule(90, LOST_OPPORTUNITY, { shadow = true })), sales, companies)
    assert(tried:calendar())
    assert.equal(6, tried:shadow({ days = 1 }).rules[1].cases)
    assert(tried:calendar())
    assert.equal(6, tried:shadow({ days = 1 }).rules[1].events)
    assert.same({}, untouched.changes)
    tried:close()
  end)

  it("looks at conditions anew each day, also at what the host knows of open sales", function()
    local no_other = { { { field = "company.open_sales", is = "equals", value = 0 } } }
    local sales = { Acme = { won("s1", 100), { id = "s2", status = "open", at = START - 95 * DAY } } }
    local engine, time, host = open(config(rule(90, LOST_OPPORTUNITY, { when = no_other })), sales, { Acme = LEAD })
    for day = 0, 3 do
      time.now = START + day * DAY
      assert.same({}, assert(engine:calendar()).outcomes)
    end
    sales.Acme[2].status = "stalled"
    time.now = START + 4 * DAY
    assert.same({ updated = 1 }, assert(engine:calendar()).outcomes)
    assert.equal(LOST_OPPORTUNITY, host.companies.Acme)
    engine:close()
  end)

  it("says of which companies no sale is known, and guesses nothing", function()
    local sales = {
      Bolt = {}, Cone = { { id = "s", status = "won" } }, Dent = { won("s", 3) }, Etna = { won("s", 400) },
    }
    local engine, _, host = open(config(rule(90, LOST_OPPORTUNITY)), sales,
      { Acme = LEAD, Bolt = LEAD, Cone = LEAD, Dent = LEAD, Etna = CUSTOMER, Fuji = 99 })
    local page = assert(engine:calendar { unknown = true })
    assert.same({ elsewhere = 2, unknown = 3, recent = 1, silent = 0 }, page.counts)
    assert.same({ { company = "Acme", status = "unknown" }, { company = "Bolt", status = "unknown" },
      { company = "Cone", status = "unknown" } }, page.items)
    assert.same({}, host.changes)
    engine:close()
  end)

  it("says beforehand what it would do, and writes nothing", function()
    local engine, _, host = open(config(rule(90, LOST_OPPORTUNITY, { ask = true }), rule(300, LOST, { name = "Gone" })),
      { Acme = { won("s", 100) }, Bolt = { won("s", 400) } }, { Acme = LEAD, Bolt = LEAD })
    local commits = stores.commits(engine, function()
      local page = assert(engine:calendar { preview = true })
      local found = {}
      for i, item in ipairs(page.items) do
        found[i] = ("%s %d %d"):format(item.company, item.days, item.to)
      end
      assert.same({ "Acme 90 4", "Bolt 90 4", "Bolt 300 7" }, found)
    end)
    assert.equal(0, commits)
    assert.same({}, host.changes)
    assert.same({}, engine:history {})
    engine:close()
  end)

  it("goes by the journal where that is all there is, and by a file", function()
    local time = { now = START - 100 * DAY }
    local engine = stores.open { clock = function() return time.now end, durability = "relaxed" }
    local registered = { trigger = "sale_registered", enabled = true, set_category = OPPORTUNITY }
    assert(engine:save(config(rule(90, LOST_OPPORTUNITY), registered)))
    assert(engine.host:create_many({ "Acme", "Bolt", "Cone" }, LEAD))
    assert(engine:handle { trigger = "sale_registered", company = "Acme", sale = { id = "s" } })
    time.now = START - 50 * DAY
    assert(engine:handle { trigger = "sale_registered", company = "Bolt", sale = { id = "t" } })
    time.now = START
    local page = assert(engine:calendar())
    assert.same({ "journal", { elsewhere = 0, unknown = 1, recent = 1, silent = 1 } }, { page.source, page.counts })
    assert.equal(LOST_OPPORTUNITY, engine.host:get "Acme")
    assert.same({}, assert(engine:calendar()).outcomes) -- it is there already

    local file = { { trigger = "sale_won", company = "Cone", at = START - 91 * DAY, sale = { id = "u" } } }
    page = assert(engine:calendar { source = file })
    assert.same({ "file", 1, { updated = 1 } }, { page.source, page.looked_at, page.outcomes })
    local ancient = { { trigger = "sale_won", company = "Bolt", at = -1e300, sale = { id = "u" } } }
    assert.same({ updated = 1 }, assert(engine:calendar { source = ancient, preview = true }).outcomes)

    -- What it has done is in the journal, and is tried again with the rest of it.
    local events = require("leadcat.past.replay").events(engine:history { company = "Acme" })
    assert.same({ "no_sale_for", 90 }, { events[2].trigger, events[2].facts["no_sale_for.days"] })
    local report = assert(engine:simulate(events))
    assert.same({ update = 1 }, report.outcomes.no_sale_for)
    engine:close()
  end)

  it("goes on where a company's turn fails, and takes that one the next day", function()
    local sales = { Acme = { won("s", 100) }, Bolt = { won("s", 100) } }
    local engine, time, host = open(config(rule(90, LOST_OPPORTUNITY)), sales, { Acme = LEAD, Bolt = LEAD })
    local can_read = host.category
    local calls = 0
    function host.category(company)
      calls = calls + (company == "Acme" and 1 or 0)
      if company == "Acme" and calls > 1 then -- the walk itself knows it
        return nil, "away"
      end
      return can_read(company)
    end
    local page = assert(engine:calendar())
    assert.same({ not_taken = 1, updated = 1 }, page.outcomes)
    time.now = START + DAY
    page = assert(engine:calendar())
    assert.same({ { elsewhere = 0, unknown = 0, recent = 0, silent = 1 }, { not_taken = 1 } },
      { page.counts, page.outcomes })
    assert.same({ { company = "Acme", status = "not_taken", error = "away" } }, page.items)
    function host.category()
      return nil, "away"
    end
    assert.same({ "away", "unavailable" }, { select(2, engine:calendar()) })
    host.category, time.now = can_read, START + 2 * DAY
    assert.same({ updated = 1 }, assert(engine:calendar()).outcomes)
    engine:close()
  end)

  it("is a part of maintain: once a day, a thousand companies a call, of whoever goes on with it", function()
    local sales, companies = {}, {}
    for i = 1, 2300 do
      local name = ("c%04d"):format(i)
      sales[name], companies[name] = { won("s", i % 100 == 0 and 90 or 1) }, LEAD
    end
    local asked = 0
    local engine, time, host, path = open(config(rule(90, LOST_OPPORTUNITY)), sales, companies)
    local list = host.list_companies
    function host.list_companies(...)
      asked = asked + 1
      return list(...)
    end
    local done = assert(engine:maintain())
    assert.same({ 1000, 10 }, { done.calendar, done.no_sale })
    engine:close()

    local other = stores.open {
      path = path, host = host, clock = function() return time.now end, durability = "relaxed",
    }
    done = assert(other:maintain())
    assert.same({ 1000, 10 }, { done.calendar, done.no_sale })
    done = assert(other:maintain())
    assert.same({ 300, 3 }, { done.calendar, done.no_sale })
    local before = asked
    for _ = 1, 3 do
      time.now = time.now + 2 * 3600
      assert.equal(0, assert(other:maintain()).calendar)
    end
    assert.equal(before, asked)

    time.now = START + DAY
    assert.same({ 1000, 0 }, { other:maintain().calendar, other:maintain().no_sale })
    assert(other:save(config(rule(90, LOST_OPPORTUNITY, { enabled = false }))))
    assert.equal(0, assert(other:maintain()).calendar)
    other:close()
  end)

  it("is not kept from its day by a clock that was years ahead for a while", function()
    local engine, time = open(config(rule(90, LOST_OPPORTUNITY)), { Acme = { won("s", -4000) } }, { Acme = LEAD })
    for _, days in ipairs { 3650, 0, 1 } do
      time.now = START + days * DAY
      assert.same({ 1, 0, 0 }, { engine:maintain().calendar, engine:maintain().calendar, engine:maintain().calendar })
    end
    time.now = START
    assert.equal(0, engine:maintain().calendar) -- clocks differ by seconds about midnight
    engine:close()
  end)

  it("is looked at for every tenant that has a journal", function()
    local engine, time, host = open(config(), { Acme = { won("s", 90) } }, { Acme = LEAD, Zeta = LEAD })
    local tenant = engine:tenant "other"
    assert(tenant:save(config(rule(90, LOST_OPPORTUNITY), {
      trigger = "sale_won", enabled = true, set_category = CUSTOMER,
    })))
    assert(tenant:handle { trigger = "sale_won", company = "Zeta" })
    time.now = START + 10
    stores.write_at(engine._store, time.now)
    local done = assert(engine:maintain())
    assert.same({ 2, 1 }, { done.calendar, done.no_sale })
    assert.equal(LOST_OPPORTUNITY, host.companies.Acme)
    assert.equal(1, #tenant:history { trigger = "no_sale_for" })
    assert.equal(0, assert(engine:maintain()).calendar)
    engine:close()
  end)

  it("is explained: what so many days without a sale would do", function()
    local asks = rule(90, LOST_OPPORTUNITY, { ask = true })
    local engine = open(config(rule(30, OPPORTUNITY), asks), {}, { Acme = LEAD })
    local found = {}
    for _, decision in ipairs(assert(engine:why "Acme").decisions) do
      if decision.trigger == "no_sale_for" then
        found[#found + 1] = { decision.days, decision.action, decision.to }
      end
    end
    assert.same({ { 30, "update", OPPORTUNITY }, { 90, "confirm", LOST_OPPORTUNITY } }, found)
    local event = { trigger = "no_sale_for", company = "Acme", facts = { ["no_sale_for.days"] = 60 } }
    local why = assert(engine:explain(event))
    assert.equal("conditions_not_met", why.reason)
    local sentence = why.sentence:gsub("\226\129[\166-\169]", "")
    assert.matches("the number of days without a sale is 30 %(it is 60%)", sentence)
    engine:close()
  end)

  it("has a card on the settings tab where there is such a rule, with its days", function()
    local function submit(cfg, changes, language)
      local fields = forms.fields(settings_page.html(cfg, { language = language }))
      for name, value in pairs(changes) do
        fields[name] = value
      end
      return select(2, settings_form.read(fields, cfg, language or "en"))
    end
    assert.is_nil(settings_page.html(config()):find("no_sale_for", 1, true))
    local cfg = config(rule(90, LOST_OPPORTUNITY))
    for _, language in ipairs(i18n.LANGUAGES) do
      local html = settings_page.html(cfg, { language = language })
      assert.matches('name="rule%.no_sale_for%.days"', html)
      assert.is_truthy(html:find(i18n.new():text(language, "settings.no_sale_for"), 1, true), language)
    end
    assert.same(cfg.rules, submit(cfg, { ["do"] = "save" }).rules)
    local changed = submit(cfg, { ["do"] = "save", ["rule.no_sale_for.days"] = " 120 " })
    assert.equal(120, changed.rules[1].days)
    local said = difference.sentences(cfg, changed, i18n.new(), "en")
    assert.equal("“Update category when a company has had no sale for some time” now applies after 120 days without a "
      .. "sale.", (said[1]:gsub("\226\129[\166-\169]", "")))
    for typed, code in pairs { [""] = "days_required", soon = "wrong_type", ["0"] = "out_of_range" } do
      local wrong = submit(cfg, { ["do"] = "save", ["rule.no_sale_for.days"] = typed })
      local problems = require("leadcat.rules.check").problems(wrong)
      assert.equal(code, problems[1].code)
      assert.matches('aria%-invalid="true"[^>]*name="rule%.no_sale_for%.days"',
        settings_page.html(wrong, { problems = problems }))
    end

    -- A second rule has its own days.
    local two = config(rule(30, OPPORTUNITY), rule(90, LOST_OPPORTUNITY, { id = 7 }))
    changed = submit(two, { ["do"] = "save", ["rule.no_sale_for.2.days"] = "100" })
    assert.same({ 30, 100 }, { changed.rules[1].days, changed.rules[2].days })
  end)

  it("is called by a command, at once or to see what it would do", function()
    local time = { now = os.time() - 100 * DAY }
    local engine, path = stores.open { clock = function() return time.now end }
    assert(engine:save(config(rule(90, LOST_OPPORTUNITY), {
      trigger = "sale_registered", enabled = true, set_category = OPPORTUNITY,
    })))
    assert(engine.host:create_many({ "Acme", "Bolt" }, LEAD))
    assert(engine:handle { trigger = "sale_registered", company = "Acme" })
    engine:close()
    local output = stores.leadcat("calendar", "--path", path, "--preview", "--unknown")
    assert.matches("Acme +%d%d%d%d%-%d%d%-%d%d +90 +updated +Opportunity +Lost opportunity +no_sale_for\n", output)
    assert.matches("Bolt +unknown\n", output)
    assert.matches("2 companies looked at:\n  1 had no sale for long enough\n", output)
    assert.matches("would be: 1 updated\n$", output)
    output = stores.leadcat("calendar", "--path", path)
    assert.matches("\n1 updated\n$", output)
    assert.matches("\nnothing was due\n$", (stores.leadcat("calendar", "--path", path)))
    output = stores.leadcat("maintain", "--path", path)
    assert.matches("2 companies looked at for sales, 0 events, ", output)
    local _, message, status = stores.leadcat("calendar")
    assert.same({ "leadcat: one of --path DIR and --worker FILE.lua is needed", 2 }, { message:match "[^\n]+", status })
  end)

  if not os.getenv "LEADCAT_SLOW" then
    it("is shared by the nodes of a shared store", function()
      local sales, companies = {}, {}
      for i = 1, 1500 do
        local name = ("c%04d"):format(i)
        sales[name], companies[name] = { won("s", i % 500 == 0 and 90 or 1) }, LEAD
      end
      local database = shared.database()
      local engine, time, host = open(config(), sales, companies)
      engine:close()
      local options = { host = host, clock = function() return time.now end }
      local one = shared.open(database, options)
      assert(one:save(config(rule(90, LOST_OPPORTUNITY, { limit = { changes = 2, hours = 1 } }))))
      local done = assert(one:maintain())
      assert.same({ 1000, 2 }, { done.calendar, done.no_sale })
      local two = shared.open(database, options)
      done = assert(two:maintain())
      assert.same({ 500, 1 }, { done.calendar, done.no_sale })
      assert.equal(0, assert(two:maintain()).calendar)
      assert.equal(1, #two:held())
      assert.same({ before = 1 }, assert(one:calendar { limit = 10000 }).outcomes)
      assert.equal(2, #host.changes)
      one:close()
      two:close()
      shared.close()
      databases.stop()
    end)
  end

  it("refuses what is no such rule", function()
    local engine = open(config(), {}, {})
    local function problem(one)
      local found = engine:check(config(one))[1]
      return found and { found.severity, found.code, found.path }
    end
    assert.same({ "error", "days_required", "rules[1].days" }, problem(rule(nil, LOST_OPPORTUNITY)))
    assert.same({ "error", "out_of_range", "rules[1].days" }, problem(rule(0, LOST_OPPORTUNITY)))
    assert.same({ "error", "wrong_type", "rules[1].days" }, problem(rule("90", LOST_OPPORTUNITY)))
    assert.same({ "warning", "unknown_field", "rules[1].days" },
      problem(rule(90, LOST_OPPORTUNITY, { trigger = "sale_lost" })))
    local _, message, code = engine:calendar { source = "host", cursor = "journal:5" }
    assert.same({ "cursor: 'journal:5' is none of the source host", "invalid" }, { message, code })
    engine:close()
  end)
end)

describe("over HTTP, a rule of so many days without a sale", function()
  after_each(stores.check)

  it("is saved, changed on the settings tab, read again, and refused when its days are none", function()
    local site = web.new_site()
    local function rule_of(as)
      local status, cfg, answer = web.call(site, "GET", "/leadcat/api/config", { as = as or "ann" })
      assert.equal(200, status)
      return cfg.rules[1], answer
    end
    local function put(one)
      local cfg = config(one)
      cfg.revision = site.engine:config().revision
      return web.call(site, "PUT", "/leadcat/api/config", { as = "ann", json = cfg,
        headers = { ["if-match"] = ('"%d"'):format(cfg.revision) } })
    end
    local function change(days)
      return web.ask(site, "POST", "/leadcat/settings", { as = "ann", form = {
        revision = ("%d"):format(site.engine:config().revision), ["do"] = "save", ["rule.no_sale_for.enabled"] = "on",
        ["rule.no_sale_for.set_category"] = "4", ["rule.no_sale_for.days"] = days,
      } })
    end
    assert.equal(200, (put(rule(90, LOST_OPPORTUNITY))))
    assert.same(rule(90, LOST_OPPORTUNITY), (rule_of()))
    web.contains(web.ask(site, "GET", "/leadcat/settings", { as = "ann" }).body, 'name="rule.no_sale_for.days"')
    assert.equal(303, change("120").status)
    assert.same(rule(120, LOST_OPPORTUNITY), (rule_of()))
    for _, days in ipairs { "0", "3651", "1.5", "many", "" } do
      assert.equal(422, change(days).status)
    end
    for _, days in ipairs { 0, 3651, 1.5, "90" } do
      local status, problem = put(rule(days, LOST_OPPORTUNITY))
      assert.same({ 422, "rules[1].days" }, { status, problem.problems[1].path })
    end
    assert.same(rule(120, LOST_OPPORTUNITY), (rule_of()))
    local _, found = web.call(site, "GET", "/leadcat/api/triggers", { as = "ann" })
    local names = {}
    for _, trigger in ipairs(found.triggers or found) do
      names[trigger.trigger] = trigger.own
    end
    assert.is_false(names.no_sale_for)
    site.engine:close()
  end)
end)
