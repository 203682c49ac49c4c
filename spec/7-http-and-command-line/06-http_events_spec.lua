-- Over HTTP: the config, events, what would be asked, and explanations.

local http = require "leadcat.http"
local json = require "leadcat.util.json"
local stores = require "support.stores"
local web = require "support.web"

local LEAD, OPPORTUNITY, CUSTOMER, PARTNER, LOST = 1, 3, 5, 6, 7 -- the preset's categories
local ACTORS, JSON, RULES, SECRET = web.ACTORS, web.JSON, web.RULES, web.SECRET
local authenticate, new_host, new_site, ask = web.authenticate, web.new_host, web.new_site, web.ask
local call, contains, lacks, new_company = web.call, web.contains, web.lacks, web.new_company
local category_of, change, entries, config_json = web.category_of, web.change, web.entries, web.config_json

describe("the config", function()
  after_each(stores.check)

  local function get(site, headers)
    return ask(site, "GET", "/leadcat/api/config", { as = "ann", headers = headers })
  end

  it("is the engine's, tagged with its revision", function()
    local site = new_site()
    local answer = get(site)
    assert.same({ 200, '"1"', JSON }, { answer.status, answer.headers.ETag, answer.headers["Content-Type"] })
    assert.same(site.engine:config(), json.decode(answer.body))
    assert(site.engine:save(site.engine:config()))
    assert.equal('"2"', get(site).headers.ETag)
    site.engine:close()
  end)

  it("is not sent again to who has it", function()
    local site = new_site()
    for _, row in ipairs {
      { '"1"', 304 }, { 'W/"1"', 304 }, { '"0", "1"', 304 }, { '"7",W/"1","8"', 304 }, { "*", 304 },
      { '"2"', 200 }, { "1", 200 }, { '"11"', 200 }, { "", 200 }, { '""', 200 }, { '"1', 200 },
    } do
      for _, method in ipairs { "GET", "HEAD" } do
        local headers = { ["if-none-match"] = row[1] }
        local answer = ask(site, method, "/leadcat/api/config", { as = "ann", headers = headers })
        assert.same({ row[2], '"1"' }, { answer.status, answer.headers.ETag }, row[1])
        assert.is_true(row[2] == 200 or answer.body == nil)
      end
    end
    assert.equal(403, ask(site, "GET", "/leadcat/api/config", { as = "bob", headers = { ["if-none-match"] = '"1"' } })
      .status)
    site.engine:close()
  end)

  it("is saved only by who says which one he has changed", function()
    local site = new_site()
    for _ = 2, 5 do
      assert(site.engine:save(site.engine:config()))
    end
    for _, row in ipairs {
      { nil, 428, "revision_required" }, { "*", 200 }, { '"REVISION"', 200 }, { ' "REVISION" ', 200 },
      { 'W/"REVISION"', 200 }, { '"4", W/"REVISION"', 200 }, { ', "REVISION" ,"x,y",', 200 }, { " * ", 200 },
      { '"4"', 412, "stale" }, { '"999"', 412, "stale" }, { '"99999999999999999999"', 412, "stale" },
      { '"-1"', 412, "stale" }, { '"x"', 412, "stale" }, { 'W/"4", "3"', 412, "stale" },
      { '"0REVISION"', 412, "stale" },
      { '"0"', 412, "stale" }, { '"1e0"', 412, "stale" }, { '""', 412, "stale" },
      { "REVISION", 400, "malformed" }, { "", 400, "malformed" }, { "**", 400, "malformed" }, { ",", 400, "malformed" },
      { 'w/"REVISION"', 400, "malformed" }, { 'W"REVISION"', 400, "malformed" }, { '"REVISION', 400, "malformed" },
      { '*, "REVISION"', 400, "malformed" }, { '"REVISION", *', 400, "malformed" },
      { '"REVISION" "4"', 400, "malformed" }, { "'REVISION'", 400, "malformed" },
    } do
      local revision = site.engine:config().revision
      local tag = row[1] and row[1]:gsub("REVISION", ("%d"):format(revision))
      local status, body, answer = call(site, "PUT", "/leadcat/api/config", {
        as = "ann", json = site.engine:config(), headers = { ["if-match"] = tag },
      })
      assert.same({ row[2], row[3] }, { status, body.code }, tostring(row[1]))
      local newest = ('newest revision is "%d"'):format(revision)
      assert.equal(status == 412, (body.detail or ""):find(newest, 1, true) ~= nil)
      assert.equal(status == 200 and revision + 1 or revision, site.engine:config().revision)
      if status == 200 then
        assert.same({ revision = revision + 1 }, body)
        assert.equal(('"%d"'):format(revision + 1), answer.headers.ETag)
        assert.equal("Ann", site.engine:revisions()[1].actor.name)
      end
    end
    site.engine:close()
  end)

  it("can be saved for the first time", function()
    local engine, path = stores.open { durability = "relaxed" }
    local site = { engine = engine, path = path, app = http.new { engine = engine, authenticate = authenticate } }
    assert.equal('"0"', get(site).headers.ETag)
    assert.equal(200, (call(site, "PUT", "/leadcat/api/config", {
      as = "ann", json = stores.config(RULES), headers = { ["if-match"] = '"0"' },
    })))
    assert.same({ "update", CUSTOMER, "matched" }, { site.engine:decide("sale_won", LEAD) })
    site.engine:close()
  end)

  it("is refused with all that is wrong with it", function()
    local site = new_site()
    local cfg, tag = config_json(site)
    cfg.rules = {
      { trigger = "sale_won", enabled = true }, { trigger = "sale_lost", enabled = true, set_category = 99 },
    }
    cfg.categories[1].group = "friends"
    local status, problem = call(site, "PUT", "/leadcat/api/config", {
      as = "ann", json = cfg, headers = { ["if-match"] = tag },
    })
    assert.same({ 422, "invalid" }, { status, problem.code })
    assert.same(json.decode(json.encode(site.engine:check(cfg))), problem.problems)
    local codes = {}
    for _, row in ipairs(problem.problems) do
      codes[row.code] = row.path
    end
    assert.same({ "rules[1].set_category", "rules[2].set_category", "categories[1].group" },
      { codes.category_required, codes.category_unknown, codes.unknown_group })
    assert.equal(1, site.engine:config().revision)
    site.engine:close()
  end)

  it("is decided by at once", function()
    local site = new_site()
    local cfg, tag = config_json(site)
    for _, rule in ipairs(cfg.rules) do
      rule.enabled = false
    end
    local fields = { as = "ann", json = cfg, headers = { ["if-match"] = tag } }
    assert.equal(200, ask(site, "PUT", "/leadcat/api/config", fields).status)
    local _, outcome = call(site, "POST", "/leadcat/api/events", {
      as = "bob", json = { trigger = "sale_won", company = new_company(site) },
    })
    assert.same({ "unchanged", "rule_disabled" }, { outcome.status, outcome.reason })
    site.engine:close()
  end)
end)

describe("an event", function()
  after_each(stores.check)

  local function post(site, value, as)
    return call(site, "POST", "/leadcat/api/events", { as = as or "bob", json = value })
  end

  it("is handled, and its outcome is the engine's", function()
    local site = new_site()
    local company = new_company(site)
    local status, outcome = post(site, { trigger = "sale_won", company = company, id = "e1" })
    assert.same({ 200, "updated", LEAD, CUSTOMER, "sale_won", "matched" },
      { status, outcome.status, outcome.from, outcome.to, outcome.rule, outcome.reason })
    assert.equal(CUSTOMER, category_of(site, company))
    assert.equal(outcome.entry, site.engine:history()[1].entry)
    site.engine:close()
  end)

  it("is told of in the same JSON, whatever came of it", function()
    local site = new_site()
    for name, category in pairs { lead = LEAD, customer = CUSTOMER, partner = PARTNER, lost = LOST } do
      assert(site.engine.host:create(name, category))
    end
    local function tell(reason, event)
      local outcome = assert(site.engine:handle(event))
      assert.equal(reason, outcome.reason)
      local answer = ask(site, "POST", "/leadcat/api/events", { as = "bob", json = event })
      assert.equal(json.encode(outcome), answer.body)
      return answer.body
    end
    local nothing = { trigger = "sale_won", company = "partner" }
    tell("rule_disabled", { trigger = "lead_status_set", company = "lead", lead_status = 1 })
    tell("unknown_category", { trigger = "sale_won", company = "nobody" })
    tell("not_potential_customer", { trigger = "sale_won", company = "customer" })
    lacks(tell("not_potential_customer", nothing), "heard")
    site.engine:on("unchanged", function(_, outcome) outcome.heard = true end)
    contains(tell("not_potential_customer", nothing), '"heard":true')
    site.engine:close()
  end)

  it("is whoever's who has sent it, and the company stands where its host says", function()
    for _, host in ipairs { false, true } do
      local site = new_site { host = host and new_host() or nil }
      local company = new_company(site)
      -- by the client's word the company would be no lead any more, and the actor an administrator
      local event = {
        trigger = "sale_won", company = company, category = LOST,
        actor = { id = "ann", name = "Ann", admin = true, service = true },
      }
      for _, sent in ipairs { event, { event } } do
        local status, outcome = post(site, sent)
        outcome = outcome[1] or outcome
        assert.same({ 200, sent == event and "updated" or "unchanged" }, { status, outcome.status })
        assert.equal(sent == event and LEAD or CUSTOMER, outcome.from)
      end
      assert.same({ id = "bob", name = "Bob" }, site.engine:history()[1].actor)
      assert.equal(CUSTOMER, category_of(site, company))
      site.engine:close()
    end
  end)

  it("may come with others, in order", function()
    local site = new_site()
    local one, two = new_company(site), new_company(site)
    local status, outcomes = post(site, {
      { trigger = "sale_won", company = one, id = "a" }, { trigger = "sale_registered", company = two },
      { trigger = "sale_won", company = one, id = "a" }, { trigger = "sale_won", company = one },
      { trigger = "lead_status_set", company = two, lead_status = 5 },
    })
    local statuses = {}
    for i, outcome in ipairs(outcomes) do
      statuses[i] = outcome.status
    end
    assert.equal(200, status)
    assert.same({ "updated", "awaiting_confirmation", "duplicate", "unchanged", "unchanged" }, statuses)
    assert.equal("bob", site.engine:confirmation(outcomes[2].confirmation).actor.id)
    site.engine:close()
  end)

  it("may come with others that cannot be taken: those are told, and what the host said goes to the log", function()
    local site = new_site()
    local one, two = new_company(site), new_company(site)
    site.engine:on("guard", function(event)
      if event.company == two then
        error "db.internal is down"
      end
    end)
    local function send(events)
      local answer = ask(site, "POST", "/leadcat/api/events", { as = "bob", json = events })
      return answer.status, json.decode(answer.body), answer.log
    end
    local lost = { trigger = "sale_won", company = two, id = "a" }
    local won = { trigger = "sale_won", company = one, id = "b" }
    local status, outcomes, log = send { lost, won, lost }
    assert.same({ 200, { status = "not_taken", code = "unavailable" }, "updated", outcomes[1] },
      { status, outcomes[1], outcomes[2].status, outcomes[3] })
    assert.matches("db.internal is down", log)
    local problem
    status, problem, log = send { lost, lost }
    assert.same({ 503, "unavailable" }, { status, problem.code })
    assert.matches("db.internal is down", log)
    site.engine:close()
  end)

  it("may be none", function()
    local site = new_site()
    local answer = ask(site, "POST", "/leadcat/api/events", { as = "bob", body = " [ ] ", type = JSON })
    assert.same({ 200, "[]" }, { answer.status, answer.body })
    site.engine:close()
  end)

  it("is handled once, however often it is delivered", function()
    local site = new_site()
    local event = { trigger = "sale_won", company = new_company(site), id = "once" }
    local _, first = post(site, event)
    local status, second = post(site, event, "eve")
    assert.same({ 200, "duplicate", "updated", first.entry },
      { status, second.status, second.first.status, second.first.entry })
    assert.equal(1, entries(site))
    site.engine:close()
  end)

  it("is refused when it is none", function()
    local site = new_site()
    local company = new_company(site)
    for _, row in ipairs {
      { { trigger = "sale_one", company = company }, "trigger" }, { { company = company }, "trigger" },
      { { trigger = "sale_won" }, "company" }, { { trigger = "sale_won", company = "" }, "company" },
      { { trigger = "sale_won", company = ("c"):rep(256) }, "company" },
      { { trigger = "sale_won", company = 1.5 }, "company" },
      { { trigger = "sale_won", company = { company } }, "company" },
      { { trigger = "sale_won", company = true }, "company" },
      { { trigger = { "sale_won" }, company = company }, "trigger" },
      { { trigger = "sale_won", company = company, id = ("i"):rep(256) }, "id" },
      { { trigger = "sale_won", company = company, id = "" }, "id" },
      { { trigger = "sale_won", company = company, sale = "17" }, "sale" },
      { { trigger = "sale_won", company = company, contact = 5 }, "contact" },
      { { trigger = "sale_won", company = company, at = "now" }, "at" },
      { { trigger = "sale_won", company = company, choice = "six" }, "choice" },
      { { trigger = "sale_won", company = company, choice = true }, "choice" },
      { { trigger = "lead_status_set", company = company, lead_status = "5" }, "lead_status" },
    } do
      for _, sent in ipairs { row[1], { { trigger = "sale_lost", company = company }, row[1] } } do
        local status, problem = post(site, sent)
        assert.same({ 422, "invalid" }, { status, problem.code }, row[2])
        contains(problem.error, row[2])
        assert.equal(web.text_of(site, "problem.invalid"), problem.detail)
      end
    end
    assert.same({ 0, LEAD }, { entries(site), category_of(site, company) })
    site.engine:close()
  end)

  it("may have numbers and texts of any size, and is kept as it can be read again", function()
    local site = new_site()
    for _, fields in ipairs {
      { at = 0 }, { at = -1 }, { at = -1e300 }, { at = 1.5 }, { at = 2 ^ 30 }, { at = 1e-300 },
      { sale = { amount = 1e300, name = ("n"):rep(7000) } }, { sale = { name = "\0\1\127</script>" } },
      { sale = { name = { name = "n" } } }, { contact = { age = -0.5 } }, { sale = { [""] = "" } }, { id = 2 ^ 53 - 1 },
      { id = -5 }, { id = "\r\n\0" },
    } do
      local event = { trigger = "sale_won", company = new_company(site) }
      for name, value in pairs(fields) do
        event[name] = value
      end
      assert.equal(200, (post(site, event)), json.encode(fields):sub(1, 60))
      event.trigger, event.company, event.id = "sale_registered", new_company(site), nil
      assert.equal(200, (post(site, event)), json.encode(fields):sub(1, 60))
      for _, path in ipairs { "/api/history", "/api/confirmations", "/history", "/confirmations" } do
        assert.equal(200, ask(site, "GET", "/leadcat" .. path, { as = "bob" }).status, path)
      end
    end
    site.engine:close()
  end)

  it("that names a lead status beyond all ids names none", function()
    local site = new_site(nil, nil, { ["lead_status_set:5"] = CUSTOMER })
    local company = new_company(site)
    for _, status in ipairs { 2 ^ 32 + 5, -5, 0, 2 ^ 31 + 5, 2 ^ 53 - 1 } do
      local code, outcome = post(site, { trigger = "lead_status_set", company = company, lead_status = status })
      assert.same({ 200, "unchanged", "lead_status_not_matched" }, { code, outcome.status, outcome.reason })
    end
    assert.equal(LEAD, category_of(site, company))
    site.engine:close()
  end)

  it("may be met by a change made elsewhere, which its outcome says", function()
    local host = new_host()
    local site = new_site { host = host }
    local company = new_company(site)
    local set = host.set_category
    function host.set_category(...)
      host.companies[company] = LOST
      return set(...)
    end
    local status, outcome = post(site, { trigger = "sale_won", company = company })
    assert.same({ 200, "conflict", LOST }, { status, outcome.status, host.companies[company] })
    site.engine:close()
  end)

  it("whose change fails at its host is kept; why is for the operator and for administrators", function()
    local host = new_host()
    local site = new_site { host = host }
    function host.can(actor, permission)
      return permission ~= "configure" or actor.admin
    end
    host.failing = SECRET
    local company = new_company(site)
    local event = { trigger = "sale_won", company = company, id = "e1" }
    for _, sent in ipairs { event, { event }, { { trigger = "sale_won", company = new_company(site) } } } do
      local status, outcome, answer = post(site, sent)
      outcome = outcome[1] or outcome
      assert.equal(200, status)
      assert.is_nil(outcome.error)
      assert.is_nil(outcome.first and outcome.first.error)
      contains(answer.log, SECRET)
    end
    for who, told in pairs { bob = false, hook = false } do
      local _, list = call(site, "GET", "/leadcat/api/history", { as = who })
      assert.same({ 2, told }, { #list, list[1].error ~= nil })
      assert.equal("applying", list[1].status)
    end
    host.failing = "away"
    event = { trigger = "sale_won", company = new_company(site), id = "e2" }
    post(site, event)
    local _, list = call(site, "GET", "/leadcat/api/history?limit=1", { as = "ann" })
    contains(list[1].error, "away")
    _, list = call(site, "GET", "/leadcat/api/history?limit=1", { as = "bob" })
    assert.is_nil(list[1].error)
    for who, told in pairs { bob = false, ann = true } do
      local _, explanation = call(site, "POST", "/leadcat/api/explain", { as = who, json = event })
      assert.same({ "applying", told }, { explanation.first.status, explanation.first.error ~= nil })
    end
    site.engine:close()
  end)

  it("that a guard refuses says why", function()
    local site = new_site()
    site.engine:on("guard", function() return false, "It is frozen." end)
    local _, outcome = post(site, { trigger = "sale_won", company = new_company(site) })
    assert.same({ "unchanged", "vetoed", "It is frozen." }, { outcome.status, outcome.reason, outcome.error })
    site.engine:close()
  end)

  it("cannot set a category where no rule asks: whoever may report could set any", function()
    for _, host in ipairs { false, true } do
      local site = new_site { host = host and new_host() or nil }
      local company = new_company(site)
      local status, outcome = post(site, { trigger = "sale_won", company = company, choice = PARTNER })
      assert.same({ 200, "updated", CUSTOMER, true }, { status, outcome.status, outcome.to, outcome.choice_ignored })
      assert.equal(CUSTOMER, category_of(site, company))
      company = new_company(site)
      outcome = select(2, post(site, { { trigger = "sale_won", company = company, choice = false } }))[1]
      assert.same({ "declined", nil, LEAD }, { outcome.status, outcome.choice_ignored, category_of(site, company) })
      site.engine:close()
    end
  end)

  it("may bring its answer along, which is the sender's to give", function()
    local site = new_site()
    for _, row in ipairs { { OPPORTUNITY, "updated" }, { PARTNER, "updated" }, { false, "declined" } } do
      local _, outcome = post(site, { trigger = "sale_registered", company = new_company(site), choice = row[1] })
      assert.equal(row[2], outcome.status)
    end
    local status, problem = post(site, { trigger = "sale_registered", company = new_company(site), choice = 99 })
    assert.same({ 422, "invalid" }, { status, problem.code })
    site.engine:close()

    local host = new_host()
    function host.can(_, permission)
      return permission ~= "confirm"
    end
    site = new_site { host = host }
    status, problem = post(site, { trigger = "sale_registered", company = new_company(site), choice = PARTNER })
    assert.same({ 403, "forbidden" }, { status, problem.code })
    assert.equal(0, entries(site))
    site.engine:close()
  end)
end)

describe("what would be asked", function()
  after_each(stores.check)

  local function propose(site, trigger, accept, as, company)
    return ask(site, "POST", "/leadcat/api/propose", {
      as = as or "bob", accept = accept, json = { trigger = trigger, company = company or new_company(site) },
    })
  end

  it("is a view as JSON, a dialog for who wants HTML, or nothing; and nothing is written", function()
    local site = new_site()
    for _, row in ipairs {
      { nil, JSON }, { JSON, JSON }, { "*/*", JSON }, { "text/plain", JSON },
      { "text/html", "text/html; charset=utf-8" },
      { "text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8" },
    } do
      local answer = propose(site, "sale_registered", row[1])
      assert.same({ 200, row[2] }, { answer.status, answer.headers["Content-Type"] }, tostring(row[1]))
    end
    local view = json.decode(propose(site, "sale_registered").body)
    assert.same({ "Update category", OPPORTUNITY, "open" }, { view.title, view.to.id, view.state })
    assert.is_nil(view.id)
    local dialog = propose(site, "sale_registered", "text/html").body
    assert.is_truthy(dialog:find "^<dialog ")
    for _, trigger in ipairs { "sale_won", "lead_status_set" } do
      local answer = propose(site, trigger, "text/html")
      assert.same({ 204 }, { answer.status, answer.body })
      assert.is_nil(answer.headers["Content-Type"])
    end
    assert.equal(0, entries(site))
    site.engine:close()
  end)

  it("is said in the actor's language", function()
    local site = new_site()
    assert.equal("Kategorie aktualisieren", json.decode(propose(site, "sale_registered", nil, "kai").body).title)
    contains(propose(site, "sale_registered", "text/html", "kai").body, 'lang="de"')
    site.engine:close()
  end)

  it("needs an event", function()
    local site = new_site()
    for _, value in ipairs {
      { trigger = "sale_one", company = 1 }, { trigger = "sale_won" }, { { trigger = "sale_won", company = 1 } },
    } do
      local status, problem = call(site, "POST", "/leadcat/api/propose", { as = "bob", json = value })
      assert.same({ 422, "invalid" }, { status, problem.code })
    end
    site.engine:close()
  end)
end)

describe("an explanation", function()
  after_each(stores.check)

  it("is the engine's, of an event or of a company, in the actor's language", function()
    local site = new_site()
    local _, company = change(site)
    local event = { trigger = "sale_won", company = company, category = LEAD, actor = ACTORS.ann }
    local status, decision = call(site, "POST", "/leadcat/api/explain", { as = "kai", json = event })
    assert.same({ 200, "not_potential_customer", CUSTOMER, false },
      { status, decision.reason, decision.category, decision.checks[3].pass })
    contains(decision.sentence, "die zur Gruppe Kunde gehört; nur Firmen in")
    local why
    status, why = call(site, "GET", "/leadcat/api/explain?company=" .. company, { as = "kai" })
    assert.same({ 200, company, CUSTOMER, 4, "updated" },
      { status, why.name, why.category, #why.decisions, why.newest.status })
    assert.equal(decision.sentence, why.decisions[2].sentence)
    contains(why.newest.sentence, "wurde am 14.11.2023, 22:13 UTC von Lead in Kunde geändert.")
    assert.equal(1, entries(site))
    site.engine:close()
  end)

  it("finds a company whose id is an integer", function()
    local host = new_host()
    function host.category(company)
      return company == 17 and LEAD or nil
    end
    local site = new_site { host = host }
    for _, row in ipairs { { "17", 17, LEAD }, { "017", "017" }, { "18", 18 }, { "x", "x" } } do
      local _, why = call(site, "GET", "/leadcat/api/explain?company=" .. row[1], { as = "bob" })
      assert.same({ row[2], row[3] or "none" }, { why.company, why.category or "none" })
    end
    site.engine:close()
  end)

  it("is nobody's who may not see the company; nor is an entry that he may not see", function()
    local host = new_host()
    local site = new_site { host = host }
    local entry, company = change(site)
    function host.can(_, permission, subject)
      return permission ~= "view" or not subject or subject.entry ~= entry and subject.company ~= "secret"
    end
    local status, why = call(site, "GET", "/leadcat/api/explain?company=" .. company, { as = "bob" })
    assert.same({ 200, "none" }, { status, why.newest or "none" })
    assert.equal(403, (call(site, "GET", "/leadcat/api/explain?company=secret", { as = "bob" })))
    local function explain(event)
      event.trigger = "sale_won"
      return call(site, "POST", "/leadcat/api/explain", { as = "bob", json = event })
    end
    assert.equal(403, (explain { company = "secret" }))
    local first = assert(site.engine:handle { id = "e1", trigger = "sale_won", company = new_company(site) })
    local _, decision = explain { company = company, id = "e1" }
    contains(decision.sentence, "This event has been handled before. A sale was won. The category of company-2 was")
    entry = first.entry
    assert.equal(403, (explain { company = company, id = "e1" }))
    site.engine:close()
  end)

  it("needs an event, or a company", function()
    local site = new_site()
    for _, value in ipairs { { trigger = "sale_one", company = 1 }, { trigger = "sale_won" }, 17 } do
      local status, problem = call(site, "POST", "/leadcat/api/explain", { as = "bob", json = value })
      assert.same({ 422, "invalid" }, { status, problem.code })
    end
    for _, query in ipairs { "", "?company=", "?company=" .. ("c"):rep(256), "?trigger=sale_won" } do
      local status, problem = call(site, "GET", "/leadcat/api/explain" .. query, { as = "bob" })
      assert.same({ 422, "invalid" }, { status, problem.code }, query)
    end
    site.engine:close()
  end)
end)
