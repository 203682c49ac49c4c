--- What is held, and rules on trial: their pages, their fields on the settings tab, their routes, and the `leadcat` command.

local config = require "leadcat.rules.config"
local difference = require "leadcat.rules.difference"
local forms = require "support.forms"
local i18n = require "leadcat.words.i18n"
local json = require "leadcat.util.json"
local stores = require "support.stores"
local web = require "support.web"

local LEAD, CUSTOMER, PARTNER = 1, 5, 6 -- the preset's categories
local ask, call, is_page = web.ask, web.call, web.is_page
local contains, lacks, text_of = web.contains, web.lacks, web.text_of

-- A site whose rule for won sales stops behind two changes, with a rule on trial for lost ones.
local function new_site(options)
  local site = web.new_site(options)
  local cfg = stores.config { sale_won = CUSTOMER, sale_lost = PARTNER }
  cfg.rules[1].limit, cfg.rules[2].shadow = { changes = 2, hours = 1 }, true
  for _, rule in ipairs(cfg.rules) do
    rule.limit = rule.trigger == "sale_won" and { changes = 2, hours = 1 } or nil
    rule.shadow = rule.trigger == "sale_lost" or nil
  end
  assert(site.engine:save(cfg))
  return site
end

-- Wins a sale of so many new leads: gives the companies.
local function win(site, count)
  local companies = {}
  for i = 1, count do
    companies[i] = web.new_company(site)
    assert(site.engine:handle { trigger = "sale_won", company = companies[i], id = "won " .. companies[i] })
  end
  return companies
end

local function lose(site, company)
  assert(site.engine:handle { trigger = "sale_lost", company = company })
end

local function post(site, path, form, who)
  return ask(site, "POST", "/leadcat" .. path, { as = who or "ann", form = form })
end

local function get(site, path, who)
  return ask(site, "GET", "/leadcat" .. path, { as = who or "ann" })
end

describe("the page of what is held", function()
  after_each(stores.check)

  it("lists it, with what each would come to, and releases and drops it", function()
    local site = new_site()
    local companies = win(site, 6)
    local page = is_page(get(site, "/held")).body
    for i, company in ipairs(companies) do
      (i > 2 and contains or lacks)(page, company)
    end
    contains(page, "Customer")
    local entries = site.engine:held()
    local answer = post(site, "/held", { action = "release", [("entry.%d"):format(entries[1].entry)] = "on" })
    assert.same({ 303, "/leadcat/held?released=1&dropped=0&left=0" }, { answer.status, answer.headers.Location })
    contains(get(site, "/held?released=1&dropped=0&left=0").body, "Released: 1.")
    answer = post(site, "/held", { action = "drop", [("entry.%d"):format(entries[2].entry)] = "on" })
    assert.equal("/leadcat/held?released=0&dropped=1&left=0", answer.headers.Location)
    assert.equal("ann", site.engine:history({ status = "dropped" })[1].ended_by.id)
    assert.equal("/leadcat/held?nothing=true", post(site, "/held", { action = "release" }).headers.Location)
    assert.equal("/leadcat/held?nothing=true", post(site, "/held", {
      action = "release", [("entry.%d"):format(entries[1].entry)] = "on",
    }).headers.Location)
    contains(get(site, "/held?nothing=true").body, text_of(site, "held.nothing_done"))
    post(site, "/held", { action = "release_all", rule = "sale_won" })
    assert.equal(0, #site.engine:held())
    contains(get(site, "/held").body, text_of(site, "held.none"))
    assert.equal(CUSTOMER, web.category_of(site, companies[6]))
    site.engine:close()
  end)

  it("is for who may, and is told on the settings tab", function()
    local site = new_site()
    lacks(get(site, "/settings").body, "/leadcat/held")
    win(site, 3)
    contains(get(site, "/settings").body, 'href="/leadcat/held"')
    for _, method in ipairs { "GET", "POST" } do
      assert.equal(403, ask(site, method, "/leadcat/held", { as = "bob", form = { action = "drop_all" } }).status)
    end
    assert.equal(404, post(site, "/held", { action = "burn" }).status)
    assert.equal(1, #site.engine:held())
    site.engine:close()
  end)

  it("has page after page, and says what cannot be told", function()
    local site = new_site({ host = web.new_host() })
    local companies = win(site, 54)
    local page = get(site, "/held").body
    local after = page:match "after=(%d+)"
    contains(get(site, "/held?after=" .. after).body, companies[54])
    lacks(page, companies[54])
    site.engine.host.category = function() error "away" end
    contains(get(site, "/held?after=" .. after).body, text_of(site, "held.unknown"))
    site.engine:close()
  end)
end)

describe("the page of rules on trial", function()
  after_each(stores.check)

  it("tells what they would have done, by case, and switches one on", function()
    local site = new_site()
    local first, second = web.new_company(site), web.new_company(site)
    lose(site, first)
    lose(site, second)
    assert(site.engine:handle { trigger = "sale_won", company = second })
    local page = is_page(get(site, "/trials")).body
    contains(page, "In the last 30 days it would have moved companies: 2 (others did something else: 1, "
      .. "nothing else happened: 1).")
    local cases = get(site, "/trials?rule=sale_lost&days=7").body
    contains(cases, first)
    contains(cases, text_of(site, "trials.verdict_differed"))
    contains(cases, "In the last 7 days")
    contains(get(site, "/settings").body, "it would have moved companies: 2 (")
    assert.equal(403, post(site, "/trials", { rule = "sale_lost" }, "bob").status)
    local stale = post(site, "/trials", { rule = "sale_lost", revision = "1" })
    assert.equal("/leadcat/trials?stale=true", stale.headers.Location)
    contains(get(site, "/trials?stale=true").body, text_of(site, "trials.stale"))
    local fields = forms.fields(page)
    local answer = post(site, "/trials", { rule = "sale_lost", revision = fields.revision })
    assert.equal("/leadcat/trials?real=sale_lost", answer.headers.Location)
    contains(get(site, "/trials?real=sale_lost").body, "is switched on for real now.")
    assert.equal("update", (site.engine:decide("sale_lost", LEAD)))
    lacks(get(site, "/trials").body, text_of(site, "trials.make_real"))
    assert.equal(404, get(site, "/trials?rule=sale_lost%2399").status)
    site.engine:close()
  end)

  it("lets readers read, and says when there is none", function()
    local site = web.new_site()
    contains(get(site, "/trials", "bob").body, text_of(site, "trials.none"))
    site.engine:close()
    site = new_site()
    lose(site, web.new_company(site))
    lacks(get(site, "/trials", "bob").body, text_of(site, "trials.make_real"))
    contains(get(site, "/trials", "kai").body, "Regeln auf Probe")
    site.engine:close()
  end)
end)

describe("the settings tab", function()
  after_each(stores.check)

  local function save(site, more)
    local fields = forms.fields(get(site, "/settings").body)
    for name, value in pairs(more) do
      fields[name] = value or nil
    end
    fields["do"] = "save"
    return post(site, "/settings", fields)
  end

  local function rule_of(site, trigger)
    for _, rule in ipairs(site.engine:config().rules) do
      if rule.trigger == trigger then
        return rule
      end
    end
  end

  it("has a switch for a trial and two numbers for a limit, in the folded part of each card", function()
    local site = new_site()
    local page = get(site, "/settings").body
    contains(page, "At most 2 changes in 1 hour.")
    contains(page, text_of(site, "settings.on_trial"))
    local card = page:match '(data%-leadcat%-rule="sale_registered".-)data%-leadcat%-rule'
    contains(card:match "<details.+</details>", 'placeholder="500"')
    lacks(card:match "^.-<details", 'placeholder="500"')
    assert.equal(303, save(site, { ["rule.sale_won.1.limit"] = "300", ["rule.sale_won.1.limit_hours"] = "24",
      ["rule.sale_lost.1.shadow"] = false }).status)
    assert.same({ { changes = 300, hours = 24 }, "nil" },
      { rule_of(site, "sale_won").limit, tostring(rule_of(site, "sale_lost").shadow) })
    assert.equal(303, save(site, { ["rule.sale_won.1.limit"] = "", ["rule.sale_lost.1.limit"] = "500",
      ["rule.sale_lost.1.limit_hours"] = "", ["rule.sale_lost.1.shadow"] = "on" }).status)
    assert.same({ "nil", { changes = 500, hours = 1 }, true }, { tostring(rule_of(site, "sale_won").limit),
      rule_of(site, "sale_lost").limit, rule_of(site, "sale_lost").shadow })
    assert.equal("/leadcat/settings?unchanged=4", save(site, {}).headers.Location)
    site.engine:close()
  end)

  it("says what is wrong with a limit at its field", function()
    local site = new_site()
    for _, row in ipairs { { "limit", "many" }, { "limit", "0" }, { "limit_hours", "721" }, { "limit_hours", "x" } } do
      local answer = save(site, { ["rule.sale_won.1." .. row[1]] = row[2] })
      assert.equal(422, answer.status)
      local field = answer.body:match('(<input[^>]*name="rule.sale_won.1.' .. row[1] .. '"[^>]*>)')
      contains(field, 'aria-invalid="true"')
    end
    site.engine:close()
  end)

  it("leaves both to a version in words", function()
    local cfg = config.normalize(stores.config { sale_won = CUSTOMER })
    local new = config.copy(cfg)
    new.rules[1].shadow, new.rules[1].limit = true, { changes = 5, hours = 2 }
    local strings = i18n.new()
    assert.same({ "“Update category when a sale is won” is only on trial now.",
      "“Update category when a sale is won” now stops at 5 changes in 2 hours." },
      difference.sentences(cfg, new, strings, "en"))
    assert.equal(2, #difference.sentences(new, cfg, strings, "de"))
  end)
end)

describe("routes", function()
  after_each(stores.check)

  it("list, release and drop what is held", function()
    local site = new_site()
    local companies = win(site, 6)
    local status, entries, answer = call(site, "GET", "/leadcat/api/held?limit=3&foresee=true", { as = "ann" })
    assert.same({ 200, 3, companies[3], "updated" }, { status, #entries, entries[1].company, entries[1].would.status })
    contains(answer.headers.Link, "after=")
    assert.equal(403, (call(site, "GET", "/leadcat/api/held", { as = "bob" })))
    for _, row in ipairs {
      { { entries = { entries[1].entry } }, 200, { 1, 0, 0 } }, { { entries = { entries[1].entry } }, 422 },
      { { entries = { 4711 } }, 404 }, { {}, 422 }, { { rule = "sale_won", all = true }, 422 },
      { { all = false }, 422 }, { { entries = json.array {} }, 422 }, { { rule = "sale_won" }, 200, { 3, 0, 0 } },
      { { all = true }, 200, { 0, 0, 0 } },
    } do
      local told, result = call(site, "POST", "/leadcat/api/held/release", { as = "ann", json = row[1] })
      assert.equal(row[2], told, json.encode(row[1]))
      assert.same(row[3], row[3] and { result.released, result.dropped, result.left })
    end
    win(site, 4)
    assert.equal(403, (call(site, "POST", "/leadcat/api/held/drop", { as = "bob", json = { all = true } })))
    local _, dropped = call(site, "POST", "/leadcat/api/held/drop", { as = "robot", json = { all = true } })
    assert.same({ 2, "by_hand" }, { dropped.dropped, dropped.outcomes[1].reason })
    site.engine:close()
  end)

  it("tell of rules on trial, and switch one on", function()
    local site = new_site()
    lose(site, web.new_company(site))
    local status, report = call(site, "GET", "/leadcat/api/shadow?rule=sale_lost&days=3", { as = "bob" })
    assert.same({ 200, 3, 1, "alone" }, { status, report.days, report.rules[1].cases, report.cases[1].verdict })
    assert.equal(404, (call(site, "GET", "/leadcat/api/shadow?rule=nothing", { as = "ann" })))
    assert.equal(422, (call(site, "GET", "/leadcat/api/shadow?days=0", { as = "ann" })))
    assert.equal(403, (call(site, "POST", "/leadcat/api/shadow/real", { as = "bob", json = { rule = "sale_lost" } })))
    local _, saved = call(site, "POST", "/leadcat/api/shadow/real", { as = "ann", json = { rule = "sale_lost" } })
    assert.equal(3, saved.revision)
    assert.equal(404, (call(site, "POST", "/leadcat/api/shadow/real", { as = "ann", json = { rule = "sale_lost" } })))
    assert.equal(422, (call(site, "POST", "/leadcat/api/shadow/real", { as = "ann", json = {} })))
    site.engine:close()
  end)
end)

describe("the command line", function()
  after_each(stores.check)

  -- What `leadcat` prints, and its exit status.
  local function leadcat(path, command, ...)
    return stores.leadcat(command, "--path", path, ...)
  end

  it("lists, releases and drops what is held", function()
    local site = new_site()
    local companies = win(site, 5)
    local path = site.path
    site.engine:close()
    local output, _, status = leadcat(path, "held")
    contains(output, companies[3])
    contains(output, "to Customer")
    assert.equal(0, status)
    output, _, status = leadcat(path, "release", "--rule", "sale_won")
    assert.same({ "3 released, 0 dropped or came to nothing, 0 left\n", 0 }, { output, status })
    assert.equal("nothing is held\n", (leadcat(path, "held")))
    assert.equal(2, (select(3, leadcat(path, "drop"))))
    assert.equal("0 released, 0 dropped or came to nothing, 0 left\n", (leadcat(path, "drop", "--all")))
  end)

  it("tells of rules on trial, and switches one on", function()
    local site = new_site()
    local company = web.new_company(site)
    lose(site, company)
    local path = site.path
    site.engine:close()
    local output = leadcat(path, "trials", "--rule", "sale_lost", "--days", "3650")
    contains(output, company)
    contains(output, "alone")
    contains(leadcat(path, "trials", "--json"), '"rule": "sale_lost"')
    contains(leadcat(path, "make-real", "sale_lost"), "switched on for real: revision 3")
    assert.equal(1, (select(3, leadcat(path, "make-real", "sale_lost"))))
    contains(stores.leadcat("config", "show", "--path", path), "at most 2 in 1 h")
  end)
end)
