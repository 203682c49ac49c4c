-- Over HTTP: one question, its answer, and undo.

local core = require "leadcat.core"
local json = require "leadcat.util.json"
local stores = require "support.stores"
local web = require "support.web"

local LEAD, OPPORTUNITY, CUSTOMER, PARTNER, LOST = 1, 3, 5, 6, 7 -- the preset's categories
local START, WEEK = 1700000000, 7 * 24 * 3600 -- 2023-11-14 22:13:20 UTC
local ACTORS, FORM, RULES = web.ACTORS, web.FORM, web.RULES
local SECRET, UNKNOWN, new_host, new_site = web.SECRET, web.UNKNOWN, web.new_host, web.new_site
local ask, call, is_page, contains = web.ask, web.call, web.is_page, web.contains
local lacks, category_of, question, change = web.lacks, web.category_of, web.question, web.change
local new_company = web.new_company

describe("one question", function()
  after_each(stores.check)

  it("is its record", function()
    local site = new_site()
    local id = question(site)
    local status, record = call(site, "GET", "/leadcat/api/confirmations/" .. id, { as = "eve" })
    assert.equal(200, status)
    assert.same(json.decode(json.encode(site.engine:confirmation(id))), record)
    site.engine:close()
  end)

  it("that is not there, or not to be seen, is the same to whoever asks", function()
    local host = new_host()
    function host.can(actor, permission, subject)
      return permission == "view" and subject ~= nil and actor.id == "bob"
    end
    local site = new_site { host = host }
    local id = question(site)
    local other = site.engine:tenant "other"
    assert(other:save(stores.config(RULES)))
    host.companies.Acme = LEAD
    local others = other:handle { trigger = "sale_registered", company = "Acme", actor = ACTORS.bob }.confirmation
    assert.equal(200, ask(site, "GET", "/leadcat/api/confirmations/" .. id, { as = "bob" }).status)
    for _, row in ipairs { { "GET", "/api/confirmations/" }, { "GET", "/confirmations/" },
      { "POST", "/api/confirmations/", { json = { accept = true } } },
      { "POST", "/api/confirmations/", { form = { accept = "true" } } } } do
      local first
      for _, one in ipairs { UNKNOWN, id, others, "x", ("z"):rep(32), UNKNOWN .. "0", id:sub(2), id .. "\0", id .. "\n",
        " " .. id, ("f"):rep(10000), "..", "%", "\255", "count2", "null" } do
        local fields = { as = "eve" }
        for name, value in pairs(row[3] or {}) do
          fields[name] = value
        end
        local answer = ask(site, row[1], "/leadcat" .. row[2] .. one, fields)
        first = first or answer
        assert.same({ 404, first.headers, first.body }, { answer.status, answer.headers, answer.body }, one:sub(1, 60))
      end
      lacks(first.body, "eve")
    end
    assert.equal("open", site.engine:confirmation(id).state)
    site.engine:close()
  end)
end)

describe("an answer", function()
  after_each(stores.check)

  local function answer(site, id, value, as)
    return call(site, "POST", "/leadcat/api/confirmations/" .. id, { as = as or "bob", json = value })
  end

  local function answer_form(site, id, form, as)
    return ask(site, "POST", "/leadcat/api/confirmations/" .. id, { as = as or "bob", form = form })
  end

  it("accepts, chooses or declines", function()
    local site = new_site()
    for _, row in ipairs {
      { { accept = true }, { accept = "true" }, OPPORTUNITY, "updated", "accepted" },
      { { category = PARTNER }, { category = "6" }, PARTNER, "updated", "changed" },
      { { decline = true }, { decline = "true", category = "3" }, LEAD, "declined", "declined" },
      { { category = LEAD }, { category = "1" }, LEAD, "declined", "declined" },
    } do
      for _, as in ipairs { "bob", "ann" } do
        local id, company = question(site)
        local status, outcome = answer(site, id, row[1], as)
        local record = site.engine:confirmation(id)
        assert.same({ 200, row[4], row[3], row[5], as },
          { status, outcome.status, category_of(site, company), record.state, record.resolved_by.id })
        id, company = question(site)
        local sent = answer_form(site, id, row[2], as)
        record = site.engine:confirmation(id)
        assert.same({ 303, "/leadcat/confirmations?answered=" .. id, row[3], row[5], as },
          { sent.status, sent.headers.Location, category_of(site, company), record.state, record.resolved_by.id })
      end
    end
    site.engine:close()
  end)

  it("must be one, and one that can be given", function()
    local site = new_site()
    local id, company = question(site)
    for _, value in ipairs {
      {}, { accept = false }, { accept = "true" }, { accept = 1 }, { decline = false }, { category = "6" },
      { category = 6.5 }, { category = 99 }, { category = -1 }, { category = 1e300 }, { accept = true, decline = true },
      { accept = true, category = 6 }, { yes = true }, { accept = true, more = 1 }, { true }, { category = { 6 } },
      { category = true }, { category = 2 ^ 32 + 6 },
    } do
      local status, problem = answer(site, id, value)
      assert.same({ 422, "invalid" }, { status, problem.code }, json.encode(value))
    end
    assert.same({ "open", LEAD }, { site.engine:confirmation(id).state, category_of(site, company) })
    site.engine:close()
  end)

  it("is the asker's or an administrator's to give", function()
    local site = new_site()
    local id = question(site)
    for _, as in ipairs { "eve", "hook", "kai" } do
      for _, value in ipairs { { accept = true }, { decline = true }, { category = PARTNER } } do
        local status, problem = answer(site, id, value, as)
        assert.same({ 403, "forbidden" }, { status, problem.code }, as)
      end
      assert.equal(403, is_page(answer_form(site, id, { accept = "true" }, as)).status)
    end
    assert.equal("open", site.engine:confirmation(id).state)
    site.engine:close()
  end)

  it("is taken once: whoever is later is told who answered and when, in his language", function()
    local site = new_site { language = "en" }
    local id = question(site, ACTORS.kai)
    assert.equal(200, (answer(site, id, { accept = true }, "ann")))
    local said = {
      kai = "Ann hat dies am 14.11.2023, 22:13 UTC bestätigt.", liv = "Ann",
      ann = "Ann accepted this on 14 Nov 2023, 22:13 UTC.",
    }
    for who, sentence in pairs(said) do
      local status, problem = answer(site, id, { decline = true }, who)
      assert.same({ 409, "already_resolved" }, { status, problem.code }, who)
      contains(problem.detail, sentence)
      local page = is_page(answer_form(site, id, { decline = "true" }, who))
      assert.equal(409, page.status)
      contains(page.body, sentence)
    end
    assert.equal("accepted", site.engine:confirmation(id).state)
    site.engine:close()
  end)

  it("is too late after a week", function()
    local site = new_site()
    local id, company = question(site, ACTORS.kai)
    site.now = START + WEEK
    local status, problem = answer(site, id, { accept = true }, "kai")
    assert.same({ 410, "expired" }, { status, problem.code })
    contains(problem.detail, "21.11.2023, 22:13 UTC abgelaufen")
    assert.equal(410, is_page(answer_form(site, id, { accept = "true" }, "kai")).status)
    assert.equal(LEAD, category_of(site, company))
    site.engine:close()
  end)

  it("may be met by a change made meanwhile", function()
    for _, form in ipairs { false, true } do
      local site = new_site()
      local id, company = question(site)
      assert(site.engine.host.set_category(company, LOST, LEAD))
      if form then
        local page = is_page(answer_form(site, id, { accept = "true" }))
        assert.equal(409, page.status)
        contains(page.body, "had already been changed")
      else
        local status, problem = answer(site, id, { accept = true })
        assert.same({ 409, "conflict", "conflict", LOST },
          { status, problem.code, problem.outcome.status, problem.outcome.category })
        contains(problem.detail, "Bob answered on 14 Nov 2023, 22:13 UTC")
      end
      assert.same({ "conflict", LOST }, { site.engine:confirmation(id).state, category_of(site, company) })
      site.engine:close()
    end
  end)

  it("that the host could not carry out is kept, and tried again", function()
    local host = new_host()
    local site = new_site { host = host }
    host.failing = SECRET
    local id, company = question(site)
    local status, outcome, response = answer(site, id, { accept = true })
    assert.same({ 202, "failed" }, { status, outcome.status })
    contains(response.log, SECRET)
    host.failing = false
    core.forward(3600)
    assert.equal(1, site.engine:recover().finished)
    assert.equal(OPPORTUNITY, category_of(site, company))
    site.engine:close()
  end)
end)

describe("what is scheduled", function()
  after_each(stores.check)

  -- A company whose lost sale is decided in thirty days: the entry.
  local function scheduled(options)
    local site = new_site(options)
    local cfg = site.engine:config()
    for _, rule in ipairs(cfg.rules) do
      rule.after = rule.trigger == "sale_lost" and { days = 30 } or nil
    end
    assert(site.engine:save(cfg))
    local company = new_company(site)
    local status, outcome = call(site, "POST", "/leadcat/api/events", {
      as = "bob", json = { trigger = "sale_lost", company = company },
    })
    assert.same({ 200, "scheduled", LOST }, { status, outcome.status, outcome.to })
    return site, outcome.entry, company, outcome
  end

  it("is listed with its time, shown by why, and cancelled by who may undo", function()
    local site, entry, company, outcome = scheduled()
    local path = ("/leadcat/api/history/%d/cancel"):format(entry)
    local _, found = call(site, "GET", "/leadcat/api/history?status=scheduled", { as = "bob" })
    assert.same({ 1, entry, outcome.due }, { #found, found[1].entry, found[1].due })
    local _, why = call(site, "GET", "/leadcat/api/explain?company=" .. company, { as = "bob" })
    assert.same({ entry, outcome.due }, { why.scheduled.entry, why.scheduled.due })
    local status, problem = call(site, "POST", path, { as = "bob" })
    assert.same({ 403, "forbidden" }, { status, problem.code })
    local cancelled
    status, cancelled = call(site, "POST", path, { as = "ann" })
    assert.same({ 200, "cancelled", entry }, { status, cancelled.status, cancelled.entry })
    assert.equal("ann", site.engine:history()[1].ended_by.id)
    status, problem = call(site, "POST", path, { as = "ann" })
    assert.same({ 422, "invalid" }, { status, problem.code })
    status, problem = call(site, "POST", "/leadcat/api/history/x/cancel", { as = "ann" })
    assert.same({ 404, "not_found" }, { status, problem.code })
    site.engine:close()
  end)

  it("has a button on the history page, which says what was cancelled", function()
    local site, entry, company = scheduled()
    local page = is_page(ask(site, "GET", "/leadcat/history", { as = "ann" })).body
    local action = ("/leadcat/api/history/%d/cancel"):format(entry)
    contains(page, ('action="%s"'):format(action))
    contains(page:gsub("</?time[^>]*>", ""), "Due 14 Dec 2023, 22:13 UTC")
    lacks(page, "/undo")
    lacks(ask(site, "GET", "/leadcat/history", { as = "bob" }).body, "/cancel")
    local answer = ask(site, "POST", action, { as = "ann", form = {} })
    assert.same({ 303, ("/leadcat/history?cancelled=%d#leadcat-entry-%d"):format(entry, entry) },
      { answer.status, answer.headers.Location })
    page = is_page(ask(site, "GET", answer.headers.Location:match "^[^#]*", { as = "ann" })).body
    contains(page, "What was scheduled for")
    contains(page, company)
    contains(page, "Cancelled by")
    lacks(page, "/cancel")
    contains(ask(site, "GET", "/leadcat/history.csv", { as = "ann" }).body, "cancelled")
    contains(is_page(ask(site, "GET", "/leadcat/history?status=cancelled", { as = "liv" })).body, "Avlyst")
    site.engine:close()
  end)
end)

describe("an undo", function()
  after_each(stores.check)

  local function undo(site, entry, as, fields)
    fields = fields or {}
    fields.as = as or "ann"
    return call(site, "POST", ("/leadcat/api/history/%s/undo"):format(entry), fields)
  end

  local function text(entry)
    return ("%d"):format(entry)
  end

  it("takes a change back, and can be taken back itself", function()
    for _, host in ipairs { false, true } do
      local site = new_site { host = host and new_host() or nil }
      local entry, company = change(site)
      local status, outcome = undo(site, text(entry))
      assert.same({ 200, "updated", "undo", LEAD },
        { status, outcome.status, outcome.reason, category_of(site, company) })
      status, outcome = undo(site, text(outcome.entry))
      assert.same({ 200, "updated", CUSTOMER }, { status, outcome.status, category_of(site, company) })
      assert.equal("Ann", site.engine:history()[1].actor.name)
      site.engine:close()
    end
  end)

  it("is refused when it may not be, cannot be or there is nothing", function()
    local site = new_site()
    local entry, company = change(site)
    question(site)
    local asked = site.engine:history()[1].entry
    assert.equal(200, (undo(site, text(entry))))
    for _, row in ipairs {
      { text(entry), "ann", 409, "conflict" }, { text(asked), "ann", 422, "invalid" },
      { "1", "ann", 404, "not_found" }, { "9007199254740992", "ann", 404, "not_found" },
      { "0", "ann", 404, "not_found" },
      { "x", "ann", 404, "not_found" }, { "-1", "ann", 404, "not_found" }, { "1.0", "ann", 404, "not_found" },
      { ("9"):rep(400), "ann", 404, "not_found" }, { text(entry) .. "\n", "ann", 404, "not_found" },
      { text(entry), "bob", 403, "forbidden" }, { "1", "bob", 403, "forbidden" }, { "x", "bob", 403, "forbidden" },
      { text(entry), "hook", 403, "forbidden" },
    } do
      local status, problem = undo(site, row[1], row[2])
      assert.same({ row[3], row[4] }, { status, problem.code }, row[1]:sub(1, 20) .. " " .. row[2])
    end
    assert.equal(LEAD, category_of(site, company))
    site.engine:close()
  end)

  it("is refused in the language of who looks at the page", function()
    local site = new_site()
    local entry, company = change(site)
    assert.equal(200, (undo(site, text(entry))))
    local path = ("/leadcat/api/history/%d/undo"):format(entry)
    local location = ask(site, "POST", path, { as = "liv", form = {} }).headers.Location
    local page = is_page(ask(site, "GET", location:match "^[^#]*", { as = "liv" })).body
    contains(page, "Dette ble ikke gjort, fordi noe annet har skjedd siden. En tidligere endring ble angret.")
    contains(select(2, undo(site, text(entry))).detail, ("company %s has been changed since"):format(company))
    site.engine:close()
  end)

  it("of all that a revision has changed can be seen before, and lists what has been changed since", function()
    local site = new_site()
    local entry, company = change(site)
    local kept, elsewhere = change(site)
    assert(site.engine.host.set_category(elsewhere, LEAD, CUSTOMER))
    local expected = {
      undone = { { entry = entry, company = company, from = CUSTOMER, to = LEAD } },
      cancelled = {},
      refused = { { entry = kept, company = elsewhere, code = "conflict" } },
    }
    expected.refused[1].why = ("company %s has been changed since"):format(elsewhere)
    local fields = { as = "ann", json = { revision = 1, since = 1, preview = true } }
    local status, result = call(site, "POST", "/leadcat/api/undo", fields)
    assert.same({ 200, expected }, { status, result })
    fields.json.preview = nil
    status, result = call(site, "POST", "/leadcat/api/undo", fields)
    expected.undone[1].undo, expected.run = result.undone[1].undo, result.run
    assert.same({ 200, expected, LEAD }, { status, result, category_of(site, company) })
    status, result = call(site, "GET", "/leadcat/api/history?run=" .. result.run, { as = "ann" })
    assert.same({ 200, 1, entry }, { status, #result, result[1].undoes })
    site.engine:close()
  end)

  it("of many must say which", function()
    local site = new_site()
    for _, sent in ipairs {
      {}, { run = 1 }, { run = "a b" }, { revision = 0 }, { revision = 1, run = "x" }, { run = "x", since = 1 },
      { revision = 1, actor = { id = "eve" } }, { revision = 1, since = "1" }, { revision = 1, preview = 1 }, "run",
    } do
      local status, problem = call(site, "POST", "/leadcat/api/undo", { as = "ann", json = sent })
      assert.same({ 422, "invalid" }, { status, problem.code })
    end
    site.engine:close()
  end)

  it("of an entry that is not there and of one that may not be undone is the same to who may not", function()
    local site = new_site()
    local entry = change(site)
    local first
    for _, id in ipairs { text(entry), "1", "x", "0" } do
      local answer = ask(site, "POST", ("/leadcat/api/history/%s/undo"):format(id), { as = "bob" })
      first = first or answer
      assert.same({ 403, first.headers, first.body }, { answer.status, answer.headers, answer.body }, id)
    end
    site.engine:close()
  end)

  -- Sends the form of a row; the page that it leads to.
  local function send(site, entry, action, back)
    local path = ("/leadcat/api/history/%d/%s"):format(entry, action)
    local answer = ask(site, "POST", path, { as = "ann", form = { back = back } })
    assert.equal(303, answer.status)
    assert.equal(("#leadcat-entry-%d"):format(entry), answer.headers.Location:match "#.*")
    return is_page(ask(site, "GET", answer.headers.Location:match "^[^#]*", { as = "ann" })).body,
      answer.headers.Location
  end

  it("by a form leads back to where the reader was, and says what was done", function()
    local site = new_site()
    local entry, company = change(site)
    local page, location = send(site, entry, "undo",
      "company=" .. company .. "&zone=60&status=updated&after=9007199254740991&evil=1")
    assert.is_truthy(location:find "^/leadcat/history%?after=%d+&company=[%w-]+&status=updated&zone=60&undone=%d+#")
    contains(page, ('role="status">Undone: %s is back in Lead.</p>'):format(company))
    local path = ("/leadcat/api/history/%d/undo"):format(entry)
    assert.equal(403, is_page(ask(site, "POST", path, { as = "bob", body = "", type = FORM })).status)
    site.engine:close()
  end)

  it("that cannot be made says on its row what has happened since", function()
    local site = new_site()
    local entry, company = change(site)
    assert(site.engine:undo(entry, { actor = ACTORS.ann }))
    local page, location = send(site, entry, "undo", "")
    assert.equal(("/leadcat/history?refused=%d#leadcat-entry-%d"):format(entry, entry), location)
    local row = page:match(('<tr[^>]*id="leadcat%%-entry%%-%d".-</tr>'):format(entry))
    contains(row, 'role="alert"')
    contains(row, ("The category of %s was updated from Customer to Lead on "):format(company))
    lacks(is_page(ask(site, "GET", location:match "^[^#]*", { as = "bob" })).body, "was updated from")
    site.engine:close()
  end)

  it("is offered only where it would work", function()
    local host = new_host()
    local site = new_site { host = host }
    local first, company = change(site)
    local second = assert(site.engine:undo(first, { actor = ACTORS.ann })).entry
    local other, moved = change(site)
    local function offered()
      local page, found = is_page(ask(site, "GET", "/leadcat/history", { as = "ann" })).body, {}
      for number in page:gmatch "/api/history/(%d+)/undo" do
        found[#found + 1] = tonumber(number)
      end
      return found
    end
    assert.same({ other, second }, offered())
    host.companies[moved] = LEAD -- by somebody else
    assert.same({ second }, offered())
    host.companies[company] = CUSTOMER
    assert.same({}, offered())
    local path = "/leadcat/history?status=updated&after=" .. text(second)
    lacks(is_page(ask(site, "GET", path, { as = "ann" })).body, "/undo") -- what came later is on another page
    site.engine:close()
  end)

  it("of a run and of a version is shown before it is made", function()
    local site = new_site()
    local _, company = change(site)
    local _, elsewhere = change(site)
    assert(site.engine.host.set_category(elsewhere, LEAD, CUSTOMER))
    contains(is_page(ask(site, "GET", "/leadcat/history?revision=1", { as = "ann" })).body, "/history/undo?revision=1")
    local page = is_page(ask(site, "GET", "/leadcat/history/undo?revision=1", { as = "liv" })).body
    for _, words in ipairs { "Blir angret: 1", "Kan ikke angres: 1", "Kategorien til firmaet er allerede endret.",
      company } do
      contains(page, words)
    end
    assert.equal(CUSTOMER, category_of(site, company))
    assert.equal(403, is_page(ask(site, "GET", "/leadcat/history/undo?revision=1", { as = "bob" })).status)
    local answer = ask(site, "POST", "/leadcat/history/undo", { as = "ann", form = { revision = "1" } })
    assert.equal(LEAD, category_of(site, company))
    page = is_page(ask(site, "GET", answer.headers.Location, { as = "ann" })).body
    contains(page, "Undone: 1. Not undone: 1.")
    local run = answer.headers.Location:match "run=(%w+)"
    contains(is_page(ask(site, "GET", "/leadcat/history/undo?run=" .. run, { as = "ann" })).body, "Will be undone: 1")
    ask(site, "POST", "/leadcat/history/undo", { as = "ann", form = { run = run } })
    assert.equal(CUSTOMER, category_of(site, company))
    for _, query in ipairs { "", "?run=nobody", "?revision=x", "?revision=99", "?run=a&revision=1" } do
      assert.equal(404, is_page(ask(site, "GET", "/leadcat/history/undo" .. query, { as = "ann" })).status, query)
    end
    site.engine:close()
  end)

  it("page says in the reader's language what it cannot show", function()
    local site = new_site()
    local page = is_page(ask(site, "GET", "/leadcat/history?from=x", { as = "liv" }))
    assert.equal(422, page.status)
    contains(page.body, "«x» er ikke mulig her (from).")
    site.engine:close()
  end)

  it("of what has failed can be tried again, until it has worked", function()
    local host = new_host()
    local site = new_site { host = host }
    local set = host.set_category
    host.set_category = function() return nil, "no", "refused" end
    local company = new_company(site)
    local failed = assert(site.engine:handle { trigger = "sale_won", company = company, actor = ACTORS.bob })
    assert.equal("failed", failed.status)
    host.set_category = set
    contains(is_page(ask(site, "GET", "/leadcat/history", { as = "ann" })).body, ("/%d/retry"):format(failed.entry))
    local page = send(site, failed.entry, "retry", "")
    contains(page, ('role="status">%s now has the category Customer.</p>'):format(company))
    lacks(page, "/retry")
    local status, problem = call(site, "POST", ("/leadcat/api/history/%d/retry"):format(failed.entry), { as = "ann" })
    assert.same({ 409, "conflict" }, { status, problem.code })
    site.engine:close()
  end)
end)
