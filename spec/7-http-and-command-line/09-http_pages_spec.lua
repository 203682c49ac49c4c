-- The pages over HTTP: settings, inbox and history, their files, what is in the way of a page, languages and prefixes.

local crm = require "support.crm"
local forms = require "support.forms"
local http = require "leadcat.http"
local stores = require "support.stores"
local web = require "support.web"

local LEAD, OPPORTUNITY, PARTNER, LOST = 1, 3, 6, 7 -- the preset's categories
local START = 1700000000 -- 2023-11-14 22:13:20 UTC
local ACTORS, JSON, NOBODY, UNKNOWN = web.ACTORS, web.JSON, web.NOBODY, web.UNKNOWN
local new_host, new_site, ask = web.new_host, web.new_site, web.ask
local call, is_page, contains, lacks = web.call, web.is_page, web.contains, web.lacks
local text_of, new_company, question, change = web.text_of, web.new_company, web.question, web.change

describe("the settings page", function()
  after_each(stores.check)

  local function get(site, query)
    return is_page(ask(site, "GET", "/leadcat/settings" .. (query or ""), { as = "ann" })).body
  end

  local function post(site, fields, more)
    local form = { ["do"] = "save" }
    for name, value in pairs(fields) do
      form[name] = value
    end
    for name, value in pairs(more or {}) do
      form[name] = value or nil
    end
    return ask(site, "POST", "/leadcat/settings", { as = "ann", form = form })
  end

  it("is for administrators; others are told so", function()
    local site = new_site()
    for _, who in ipairs { "bob", "hook" } do
      for _, method in ipairs { "GET", "POST" } do
        local answer = is_page(ask(site, method, "/leadcat/settings", { as = who, form = { ["do"] = "save" } }))
        assert.equal(403, answer.status)
        contains(answer.body, text_of(site, "settings.forbidden"))
        lacks(answer.body, "<form")
      end
    end
    contains(ask(site, "GET", "/leadcat/settings", { as = "kai" }).body, 'lang="de"')
    site.engine:close()
  end)

  it("saves what is sent, and then says so", function()
    local site = new_site()
    local fields = forms.fields(get(site))
    assert.equal("1", fields.revision)
    local answer = post(site, fields, { ["rule.sale_won.set_category"] = "6", ["rule.sale_won.ask"] = "on" })
    assert.same({ 303, "/leadcat/settings?saved=2" }, { answer.status, answer.headers.Location })
    assert.same({ "confirm", PARTNER, "matched" }, { site.engine:decide("sale_won", LEAD) })
    assert.equal("Ann", site.engine:revisions()[1].actor.name)
    contains(get(site, "?saved=2"), text_of(site, "settings.saved"))
    for _, query in ipairs { "", "?saved=1", "?saved=3", "?saved=<b>", "?saved=" } do
      lacks(get(site, query), text_of(site, "settings.saved"))
    end
    site.engine:close()
  end)

  it("warns of rules that work against each other, also once they are saved", function()
    local site = new_site(nil, nil, { sale_won = OPPORTUNITY, sale_lost = LEAD })
    contains(get(site), "a company can go back and forth indefinitely")
    lacks(get(site), "data-leadcat-edited")
    site.engine:close()
    site = new_site()
    lacks(get(site), text_of(site, "settings.warnings"))
    site.engine:close()
  end)

  it("shows what stands in the way, and keeps what was typed", function()
    local site = new_site()
    local fields = forms.fields(get(site))
    local answer = is_page(post(site, fields, {
      ["rule.sale_won.set_category"] = "", ["category.1.name"] = "My <b>own</b> lead",
    }))
    assert.equal(422, answer.status)
    contains(answer.body, text_of(site, "settings.problem.category_required"))
    contains(answer.body, text_of(site, "settings.not_saved"))
    assert.equal("My <b>own</b> lead", forms.fields(answer.body)["category.1.name"])
    lacks(answer.body, "<b>own")
    assert.equal(1, site.engine:config().revision)
    site.engine:close()
  end)

  it("saves what two have changed in different fields, and tells what the other has changed", function()
    local site = new_site()
    local fields = forms.fields(get(site))
    local other = site.engine:config()
    for _, rule in ipairs(other.rules) do
      rule.set_category = rule.trigger == "sale_lost" and PARTNER or rule.set_category
    end
    assert(site.engine:save(other, { actor = ACTORS.liv }))
    local answer = post(site, fields, { ["category.1.name"] = "Mine" })
    assert.same({ 303, "/leadcat/settings?saved=3&since=1" }, { answer.status, answer.headers.Location })
    local cfg = site.engine:config()
    assert.equal("Mine", cfg.categories[1].name.en)
    assert.same(other.rules, cfg.rules)
    local page = get(site, "?saved=3&since=1")
    contains(page, text_of(site, "settings.saved_with"))
    contains(page, "now sets the category to Partner")
    lacks(page, "Mine was renamed")
    site.engine:close()
  end)

  it("asks about what two have changed in the same field, and saves what is chosen", function()
    for choice, name in pairs { theirs = "Theirs", mine = "Mine" } do
      local site = new_site()
      local fields = forms.fields(get(site))
      local other = site.engine:config()
      other.categories[1].name.en, other.categories[2].name.en = "Theirs", "Second"
      assert(site.engine:save(other, { actor = ACTORS.liv }))
      local answer = is_page(post(site, fields, { ["category.1.name"] = "Mine" }))
      assert.equal(412, answer.status)
      contains(answer.body, text_of(site, "settings.conflicts"))
      local again = forms.fields(answer.body)
      assert.same({ "2", "Mine", "Second", "categories.1.name.en" }, { again.revision, again["category.1.name"],
        again["category.2.name"], again["conflict.1.path"] })
      assert.is_nil(again["conflict.2.path"])
      assert.equal(412, post(site, again).status)
      assert.equal(2, site.engine:config().revision)
      again["conflict.1.take"] = choice
      local last = post(site, again)
      assert.same({ 303, "/leadcat/settings?" .. (choice == "mine" and "saved=3" or "unchanged=2") },
        { last.status, last.headers.Location })
      local cfg = site.engine:config()
      assert.same({ name, "Second" }, { cfg.categories[1].name.en, cfg.categories[2].name.en })
      site.engine:close()
    end
  end)

  it("saves nothing when nothing has changed", function()
    local site = new_site()
    local answer = post(site, forms.fields(get(site)))
    assert.same({ 303, "/leadcat/settings?unchanged=1" }, { answer.status, answer.headers.Location })
    contains(get(site, "?unchanged=1"), text_of(site, "settings.unchanged"))
    assert.equal(1, site.engine:config().revision)
    site.engine:close()
  end)

  describe("tries what is sent on the events of the journal, and saves nothing:", function()
    local function try(site, changes)
      local fields = forms.fields(get(site))
      fields["do"] = "try"
      return is_page(post(site, fields, changes))
    end

    -- Two companies whose sale was won, one after a question.
    local function new_tried(options)
      local site = new_site(options, nil, { sale_won = 5, sale_registered = 3 })
      for i, trigger in ipairs { "sale_won", "sale_registered", "sale_won" } do
        assert(site.engine.host:create(i, LEAD))
        assert(site.engine:handle { trigger = trigger, company = i, sale = { name = "<b>Sale</b> " .. i } })
      end
      return site
    end

    it("what would come of it is shown above the form, with what was typed", function()
      local site = new_tried()
      local answer = try(site, { ["rule.sale_won.set_category"] = "6", ["category.1.name"] = "Mine" })
      assert.equal(200, answer.status)
      contains(answer.body, ">2 of 3 companies would end in another category<")
      contains(answer.body, "the last 3 events")
      contains(answer.body, "&lt;b&gt;Sale&lt;/b&gt;")
      lacks(answer.body, "<b>")
      lacks(answer.body, " style=")
      assert.equal("Mine", forms.fields(answer.body)["category.1.name"])
      contains(answer.body, 'data-leadcat-edited="true"')
      assert.equal(1, site.engine:config().revision)
      assert.equal(3, #site.engine:history())
      site.engine:close()
    end)

    it("nothing would change", function()
      local site = new_tried()
      contains(try(site).body, text_of(site, "compare.nothing"))
      site.engine:close()
    end)

    it("nothing has happened yet", function()
      local site = new_site()
      contains(try(site).body, text_of(site, "settings.tried_nothing"))
      site.engine:close()
    end)

    it("on what came to nothing, too, where that was noted", function()
      local site = new_tried { record_unchanged = "full" }
      assert(site.engine:handle { trigger = "sale_lost", company = 2 })
      local answer = try(site, { ["rule.sale_lost.enabled"] = "on", ["rule.sale_lost.set_category"] = "7" })
      contains(answer.body, ">1 of 3 companies would end in another category<")
      lacks(answer.body, text_of(site, "settings.tried_note"))
      site.engine:close()
      site = new_tried()
      contains(try(site).body, text_of(site, "settings.tried_note"))
      site.engine:close()
    end)

    it("a new category can be the one that is set", function()
      local site = new_tried()
      local fields = forms.fields(is_page(post(site, forms.fields(get(site)), { ["do"] = "add_category" })).body)
      for field in pairs(fields) do
        local id = field:match "^category%.(%d+)%.new$"
        if id then
          fields[("category.%s.name"):format(id)], fields["rule.sale_won.set_category"] = "Brand new", id
        end
      end
      local answer = is_page(post(site, fields, { ["do"] = "try" }))
      contains(answer.body, ">2 of 3 companies would end in another category<")
      contains(answer.body, ">Brand new</bdi>")
      site.engine:close()
    end)

    it("what stands in the way is shown as when it is saved", function()
      local site = new_tried()
      local answer = try(site, { ["rule.sale_won.set_category"] = "" })
      assert.equal(422, answer.status)
      contains(answer.body, text_of(site, "settings.problem.category_required"))
      lacks(answer.body, "leadcat-tried")
      site.engine:close()
    end)

    it("who has an old form is told what has changed", function()
      local site = new_tried()
      local fields = forms.fields(get(site))
      assert(site.engine:save(stores.config { sale_won = 6 }))
      local answer = is_page(post(site, fields, { ["do"] = "try" }))
      assert.equal(412, answer.status)
      contains(answer.body, text_of(site, "settings.changed"))
      site.engine:close()
    end)

    it("only with what the actor may view", function()
      local host = new_host()
      function host.can(_, permission, subject)
        return permission ~= "view" or subject ~= nil and subject.company ~= 1
      end
      local site = new_site({ host = host }, nil, { sale_won = 5 })
      for company = 1, 2 do
        host.companies[tostring(company)] = LEAD
        assert(site.engine:handle { trigger = "sale_won", company = company })
      end
      contains(try(site, { ["rule.sale_won.set_category"] = "6" }).body, ">1 of 1 companies")
      site.engine:close()
    end)

    it("not for who may not configure, or has no license", function()
      local site = new_tried()
      local form = { ["do"] = "try", revision = "1" }
      assert.equal(403, ask(site, "POST", "/leadcat/settings", { as = "bob", form = form }).status)
      site.engine.host.licensed = function() return false end
      local answer = post(site, form)
      assert.equal(403, answer.status)
      lacks(answer.body, "leadcat-tried")
      site.engine:close()
    end)

    it("not when the journal cannot be read", function()
      local site = new_tried()
      local fields = forms.fields(get(site))
      local mend = stores.fail(site.engine, "search")
      assert.equal(507, post(site, fields, { ["do"] = "try" }).status)
      mend()
      site.engine:close()
    end)
  end)

  it("shows its form again for any other button, without saving, and goes on from there", function()
    local site = new_site()
    local answer = is_page(post(site, forms.fields(get(site)), { ["do"] = "add_category" }))
    assert.equal(200, answer.status)
    local fields = forms.fields(answer.body)
    local name
    for field in pairs(fields) do
      local id = field:match "^category%.(%d+)%.new$"
      name = id and ("category.%s.name"):format(id) or name
    end
    assert.is_truthy(name, "the new category is not marked as one")
    assert.equal("", fields[name])
    assert.equal(1, site.engine:config().revision)
    assert.equal(422, post(site, fields).status)
    assert.equal(303, post(site, fields, { [name] = "Friends" }).status)
    local categories = site.engine:config().categories
    assert.equal("Friends", require("leadcat.rules.config").text(categories[#categories].name, "en"))
    site.engine:close()
  end)

  it("adds a rule with a condition on a field that the host describes, and saves it", function()
    local host = require("leadcat.host.lmdb").new {
      fields = { { field = "sale.amount", type = "number", name = { en = "Amount", de = "Betrag" } } },
    }
    local site = new_site { host = host }
    local status, fields = web.call(site, "GET", "/leadcat/api/fields", { as = "ann" })
    assert.same({ 200, 3, "sale.amount", "Betrag", "category.rank", "Rang der Kategorie" },
      { status, #fields, fields[1].field, fields[1].name.de, fields[3].field, fields[3].name.de })
    local form = forms.fields(post(site, forms.fields(get(site)), { ["do"] = "add_rule.sale_won" }).body)
    form["rule.sale_won.2.set_category"], form["rule.sale_won.2.add.1"] = "6", "sale.amount"
    form = forms.fields(post(site, form, { ["do"] = "add_condition.rule.sale_won.2.1" }).body)
    form["rule.sale_won.2.when.1.1.is"], form["rule.sale_won.2.when.1.1.value"] = "at_least", "a lot"
    local refused = is_page(post(site, form, { ["do"] = "move_up.rule.sale_won.2" }))
    refused = is_page(post(site, forms.fields(refused.body)))
    assert.equal(422, refused.status)
    web.contains(refused.body, "Amount</bdi></a>: Enter a number")
    assert.equal(1, site.engine:config().revision)
    assert.equal(303, post(site, forms.fields(refused.body), { ["rule.sale_won.1.when.1.1.value"] = "100000" }).status)
    local rules = site.engine:config().rules
    local first = rules[1].trigger == "sale_won" and rules[1] or rules[2].trigger == "sale_won" and rules[2] or rules[3]
    assert.same({ 6, { { { field = "sale.amount", is = "at_least", value = 100000 } } } },
      { first.set_category, first.when })
    assert.is_number(first.id)
    site.engine:close()
  end)

  it("forgets what was typed when it is cancelled", function()
    local site = new_site()
    local answer = post(site, forms.fields(get(site)), { ["do"] = "cancel", ["category.1.name"] = "Mine" })
    assert.same({ 303, "/leadcat/settings" }, { answer.status, answer.headers.Location })
    assert.equal(1, site.engine:config().revision)
    site.engine:close()
  end)

  it("that is sent from a revision that is not there is stale, or is laid over the newest", function()
    local site = new_site()
    local fields = forms.fields(get(site))
    for i, revision in ipairs { "", "x", "99", "-1", "1e3", "0x1", "999999999999999", ("9"):rep(400), "\r\n" } do
      local before = site.engine:config().revision
      local answer = post(site, fields, { revision = revision, ["category.1.name"] = "Name " .. i })
      assert.is_true(answer.status == 303 or answer.status == 412, answer.status)
      assert.equal(answer.status == 303 and before + 1 or before, site.engine:config().revision)
    end
    site.engine:close()
  end)

  it("without a licence shows everything, and saves nothing", function()
    local host = new_host()
    function host.licensed()
      return false
    end
    function host.can()
      return true
    end
    local site = new_site { host = host }
    contains(get(site), text_of(site, "settings.unlicensed"))
    local answer = post(site, { revision = "1" })
    assert.equal(403, answer.status)
    contains(answer.body, text_of(site, "settings.unlicensed"))
    assert.equal(1, site.engine:config().revision)
    site.engine:close()
  end)
end)

describe("the inbox", function()
  after_each(stores.check)

  it("has what waits for the actor, and how an answer was taken", function()
    local site = new_site()
    local id, company = question(site)
    local page = is_page(ask(site, "GET", "/leadcat/confirmations", { as = "bob" }))
    assert.equal(200, page.status)
    contains(page.body, company)
    contains(page.body, 'href="/leadcat/confirmations/' .. id .. '"')
    lacks(ask(site, "GET", "/leadcat/confirmations", { as = "ann" }).body, company)
    local dialog = is_page(ask(site, "GET", "/leadcat/confirmations/" .. id, { as = "bob" })).body
    contains(dialog, 'action="/leadcat/api/confirmations/' .. id .. '"')
    local answer = ask(site, "POST", "/leadcat/api/confirmations/" .. id, { as = "bob", form = forms.fields(dialog) })
    assert.equal(303, answer.status)
    page = is_page(ask(site, "GET", answer.headers.Location, { as = "bob" }))
    lacks(page.body, 'href="/leadcat/confirmations/' .. id .. '"')
    assert.is_truthy(page.body:find '<p class="leadcat%-said"[^>]*>[^<]', "it is not said how it was taken")
    site.engine:close()
  end)

  it("goes on behind the first fifty", function()
    local site = new_site()
    local seen, counts, count, address = {}, {}, 0, "/leadcat/confirmations"
    for _ = 1, 120 do
      question(site)
    end
    repeat
      local body = is_page(ask(site, "GET", address, { as = "bob" })).body
      for id in body:gmatch 'href="/leadcat/confirmations/(%x+)["?]' do
        assert.is_nil(seen[id])
        seen[id], count = true, count + 1
      end
      local after = body:match 'href="(%?after=%x+)"'
      address = after and "/leadcat/confirmations" .. after
      counts[#counts + 1] = count
    until not address
    assert.same({ 50, 100, 120 }, counts)
    assert.equal(422, is_page(ask(site, "GET", "/leadcat/confirmations?after=x", { as = "bob" })).status)
    assert.equal(404, is_page(ask(site, "GET", "/leadcat/confirmations?after=" .. UNKNOWN, { as = "bob" })).status)
    site.engine:close()
  end)

  it("says nothing of a question that is not there, open, or another tenant's", function()
    local site = new_site()
    local id = question(site)
    local plain = ask(site, "GET", "/leadcat/confirmations", { as = "eve" }).body
    for _, answered in ipairs { id, UNKNOWN, "x", "", "<script>", id .. "\0", "%0d%0a" } do
      local page = ask(site, "GET", "/leadcat/confirmations?answered=" .. answered, { as = "eve" })
      assert.same({ 200, plain }, { page.status, page.body }, answered)
    end
    site.engine:close()
  end)

  it("of a service without an id is empty", function()
    local site = new_site()
    site.app = http.new { engine = site.engine, authenticate = function() return { service = true } end }
    question(site)
    contains(ask(site, "GET", "/leadcat/confirmations").body, text_of(site, "inbox.empty"))
    local status, counted = call(site, "GET", "/leadcat/api/confirmations/count")
    assert.same({ 200, { count = 0 } }, { status, counted })
    site.engine:close()
  end)
end)

describe("the history page", function()
  after_each(stores.check)

  it("has a button to undo for who may, and goes on behind the first fifty", function()
    local site = new_site()
    local last
    for _ = 1, 60 do
      last = change(site)
    end
    local page = is_page(ask(site, "GET", "/leadcat/history", { as = "ann" })).body
    contains(page, ('action="/leadcat/api/history/%d/undo"'):format(last))
    lacks(ask(site, "GET", "/leadcat/history", { as = "bob" }).body, "/undo")
    local older = page:match 'href="(/leadcat/history%?after=%d+)"'
    local _, count = is_page(ask(site, "GET", older, { as = "ann" })).body:gsub("/undo", "")
    assert.equal(10, count)
    contains(is_page(ask(site, "GET", "/leadcat/history?company=company-7", { as = "ann" })).body, "company-7")
    site.engine:close()
  end)

  -- A question of Bob's that Ann has answered, a change of Eve's, and one by rules that were saved later.
  local function told(options)
    local site = new_site(options)
    local id = question(site)
    assert(site.engine:resolve(id, { accept = true }, { actor = ACTORS.ann }))
    site.now = START + 24 * 3600
    change(site)
    assert(site.engine:save(stores.config { sale_lost = LOST }, { actor = ACTORS.ann }))
    assert(site.engine:handle { trigger = "sale_lost", company = new_company(site), actor = ACTORS.eve })
    return site
  end

  -- How many rows there are.
  local function rows(site, query)
    local body = is_page(ask(site, "GET", "/leadcat/history" .. query, { as = "ann" })).body
    return select(2, (body:match "<tbody.*" or ""):gsub("<tr", "")), body
  end

  it("has all filters in its address", function()
    local site = told()
    for query, count in pairs {
      [""] = 3, ["?company=&actor=&trigger=&status=&revision=&run=&from=&to="] = 3, ["?company=company-1"] = 1,
      ["?company=ANY"] = 3, ["?company=x-1"] = 0, ["?actor=an"] = 1, ["?actor=%C3%A1nn"] = 1, ["?mine=true"] = 1,
      ["?actor=me"] = 1, ["?actor=me&status=waiting"] = 0,
      ["?actor=ann"] = 1, ["?actor=Bob"] = 2, ["?actor=bob&status=updated"] = 2, ["?trigger=sale_lost"] = 1,
      ["?status=updated"] = 3, ["?status=waiting"] = 0, ["?status=awaiting_confirmation"] = 0,
      ["?revision=1"] = 2, ["?revision=2"] = 1, ["?run=x"] = 0, ["?from=2023-11-15"] = 2,
      ["?to=2023-11-14"] = 1, ["?from=2023-11-14&to=2023-11-15"] = 3, ["?from=2023-11-16"] = 0,
      ["?period=today"] = 2, ["?period=yesterday"] = 1, ["?period=week"] = 3, ["?period=year"] = 3,
      -- It is 22:13 UTC: in Oslo 23:13, two hours on it is tomorrow, and a day later than the change before.
      ["?period=today&zone=60"] = 2, ["?period=yesterday&zone=120"] = 1, ["?period=today&zone=x"] = 2,
      ["?to=2023-11-14&zone=120"] = 0, ["?to=2023-11-15&zone=120"] = 1, ["?to=2023-11-14&zone=60"] = 1,
    } do
      assert.equal(count, (rows(site, query)), query)
    end
    local _, body = rows(site, "?actor=bob&status=updated")
    contains(body, 'href="/leadcat/history.csv?actor=bob&amp;status=updated"')
    contains(body, 'href="/leadcat/history?status=updated"')
    site.engine:close()
  end)

  it("says who has asked and who has confirmed, what the host calls a company, and by which rules", function()
    local host = crm.new {}
    function host.company_name(company)
      return "The <b> " .. company
    end
    local site = told { host = host }
    local _, body = rows(site, "?company=company-1")
    contains(body, "The &lt;b&gt; company-1")
    contains(body, "<bdi>Bob</bdi> <span class=\"leadcat-line leadcat-muted\">Confirmed by Ann</span>")
    contains(body, '<a href="/leadcat/history/revisions/1">Rules of <time')
    site.engine:close()
  end)

  it("names who has asked only to who may see the question", function()
    local host = new_host()
    function host.can(_, permission, subject)
      return permission ~= "view" or subject == nil or subject.state == nil
    end
    local site = told { host = host }
    local _, body = rows(site, "?company=company-1&status=updated")
    contains(body, "Confirmed by Ann")
    lacks(body, "Bob")
    site.engine:close()
  end)

  it("leads to a page of each revision of the rules", function()
    local site = told()
    local body = is_page(ask(site, "GET", "/leadcat/history/revisions/2", { as = "bob" })).body
    contains(body, 'Saved by Ann on <time datetime="2023-11-15T22:13:20Z">15 Nov 2023, 22:13 UTC</time>.')
    contains(body, "was switched off.")
    contains(body, text_of(site, "revision.current"))
    contains(is_page(ask(site, "GET", "/leadcat/history/revisions/1", { as = "bob" })).body, "Saved automatically on ")
    for _, id in ipairs { "0", "3", "x", "01", "1.0", "1e0", "-1", ("9"):rep(30) } do
      assert.equal(404, is_page(ask(site, "GET", "/leadcat/history/revisions/" .. id, { as = "bob" })).status, id)
    end
    site.engine:close()
  end)
end)

describe("the versions of the rules", function()
  after_each(stores.check)

  local function see(site, path, who)
    return is_page(ask(site, "GET", "/leadcat/versions" .. path, { as = who or "ann" }))
  end

  local function revert(site, number, newest)
    return ask(site, "POST", "/leadcat/versions/" .. number, { as = "ann", form = { newest = newest } })
  end

  -- A site whose first category has been renamed so many times.
  local function renamed(times)
    local site = new_site()
    for i = 2, times + 1 do
      local cfg = site.engine:config()
      cfg.categories[1].name = "Name " .. i
      assert(site.engine:save(cfg, { actor = ACTORS.ann }))
    end
    return site
  end

  it("are told newest first, a page at a time: who, when, and what changed", function()
    local site = renamed(24)
    local body = see(site, "", "bob").body
    contains(body, "Saved by Ann on ")
    contains(body, "Name 24 was renamed to Name 25.")
    contains(body, text_of(site, "revision.current"))
    lacks(body, 'href="/leadcat/versions/24"', "who may not configure cannot go back")
    contains(see(site, "").body, 'href="/leadcat/versions/24"')
    lacks(see(site, "").body, 'href="/leadcat/versions/25"', "that one is in use")
    local seen = 0
    for number in body:gmatch "/history/revisions/(%d+)" do
      assert.equal(25 - seen, tonumber(number))
      seen = seen + 1
    end
    assert.equal(20, seen)
    contains(body, "/leadcat/versions?before=6")
    local older = see(site, "?before=6", "bob").body
    contains(older, "/history/revisions/5")
    contains(older, "/history/revisions/1")
    lacks(older, "/history/revisions/6")
    lacks(older, "before=")
    site.engine:close()
  end)

  it("are gone back to after a look at what would differ", function()
    local site = renamed(2)
    local body = see(site, "/2").body
    contains(body, "Name 3 was renamed to Name 2.")
    assert.equal(3, site.engine:config().revision)
    local answer = revert(site, 2, forms.fields(body).newest)
    assert.same({ 303, "/leadcat/versions?reverted=2" }, { answer.status, answer.headers.Location })
    assert.equal("Name 2", site.engine:config().categories[1].name)
    assert.same({ 2, "Ann" }, { site.engine:revisions()[1].reverted, site.engine:revisions()[1].actor.name })
    local again = see(site, "/2").body
    contains(again, text_of(site, "versions.same"))
    lacks(again, "<form")
    site.engine:close()
  end)

  it("are not gone back to when somebody has saved since the look", function()
    local site = renamed(2)
    local answer = is_page(revert(site, 1, "2"))
    assert.equal(412, answer.status)
    contains(answer.body, text_of(site, "versions.stale"))
    assert.equal("3", forms.fields(answer.body).newest)
    assert.equal(3, site.engine:config().revision)
    site.engine:close()
  end)

  it("come into the form when they are not valid any more, with what is wrong in the reader's language", function()
    local site = renamed(2)
    function site.engine.check() -- as that of a later leadcat, which accepts less
      return { { severity = "error", code = "name_required", path = "categories[1].name", message = "no name" } }
    end
    local answer = is_page(ask(site, "POST", "/leadcat/versions/2", { as = "liv", form = { newest = "3" } }))
    assert.equal(422, answer.status)
    contains(answer.body, "Skriv et navn.")
    lacks(answer.body, "no name")
    local sent = forms.fields(answer.body)
    assert.same({ "Name 2", "3" }, { sent["category.1.name"], sent.revision })
    assert.equal(3, site.engine:config().revision)
    site.engine:close()
  end)
end)

describe("what is in the way of a page", function()
  after_each(stores.check)

  it("is a page itself, with the same status as elsewhere", function()
    local site = new_site()
    for _, row in ipairs {
      { "GET", "/settings", NOBODY, 401, text_of(site, "problem.unauthenticated") }, { "GET", "/history", NOBODY, 401 },
      { "GET", "/confirmations", "raises", 503 }, { "GET", "/confirmations/" .. UNKNOWN, "bob", 404 },
      { "PUT", "/history", "bob", 405 }, { "POST", "/settings", "ann", 415 },
    } do
      local answer = is_page(ask(site, row[1], "/leadcat" .. row[2], { as = row[3] }))
      assert.equal(row[4], answer.status, row[2])
      contains(answer.body, row[5] or "")
    end
    for _, row in ipairs { { "text/html", true }, { JSON, false }, { nil, false } } do
      local answer = ask(site, "GET", "/leadcat/nothing", { as = "bob", accept = row[1] })
      assert.same({ 404, row[2] }, { answer.status, answer.headers["Content-Type"]:find "^text/html" ~= nil })
    end
    site.engine:close()
  end)
end)

describe("the language of a page and of a problem", function()
  after_each(stores.check)

  local function language_of(site, address, fields)
    return ask(site, "GET", address, fields).body:match '<html lang="([%w-]+)"'
  end

  it("is the actor's, else the engine's", function()
    for _, row in ipairs { { nil, "bob", "en" }, { "sv", "bob", "sv" }, { "sv", "kai", "de" }, { "sv", "liv", "nb" },
      { "xx", "bob", "en" } } do
      local site = new_site { language = row[1] }
      for _, path in ipairs { "/confirmations", "/history", "/settings", "/confirmations/" .. UNKNOWN } do
        assert.equal(row[3], language_of(site, "/leadcat" .. path, {
          as = row[2], headers = { ["accept-language"] = "nl" },
        }), path)
      end
      site.engine:close()
    end
    local site = new_site()
    local _, problem = call(site, "GET", "/leadcat/api/confirmations/" .. UNKNOWN, { as = "kai" })
    assert.equal("Nicht gefunden", problem.title)
    site.engine:close()
  end)

  it("is the browser's for who is not known", function()
    local site = new_site()
    for _, row in ipairs {
      { "de", "de" }, { "nb-NO,nb;q=0.9", "nb" }, { "xx,de;q=0.5", "de" }, { "DE-at", "de" }, { "", "en" },
      { "*", "en" },
      { "xx", "en" }, { "fr;q=0.95,es;q=0.85,it;q=0.75,da;q=0.65", "da" }, { "fr, es, it, pt, pl, sv", "sv" },
      { ";;;,,,", "en" }, { ("x"):rep(100000), "en" }, { "\255\254", "en" }, { "de\0nl", "de" }, { "1,2,3,nl", "nl" },
      { ("q,"):rep(50000) .. "de", "en" },
    } do
      assert.equal(row[2], language_of(site, "/leadcat/confirmations", { headers = { ["accept-language"] = row[1] } }),
        row[1]:sub(1, 60))
    end
    site.engine:close()
  end)
end)

describe("another prefix", function()
  after_each(stores.check)

  it("is that of all paths, of links and of redirects", function()
    for _, prefix in ipairs { "/crm/categories", "", "/" .. ("p"):rep(200) } do
      local site = new_site(nil, { prefix = prefix })
      local id = question(site)
      local page = is_page(ask(site, "GET", prefix .. "/confirmations", { as = "bob" })).body
      contains(page, 'href="' .. prefix .. "/confirmations/" .. id .. '"')
      contains(page, 'href="' .. prefix .. '/leadcat.css"')
      lacks(page, '"/leadcat/')
      contains(ask(site, "GET", prefix .. "/confirmations/" .. id, { as = "bob" }).body,
        'action="' .. prefix .. "/api/confirmations/" .. id .. '"')
      local fields = { as = "bob", form = { decline = "true" } }
      local answer = ask(site, "POST", prefix .. "/api/confirmations/" .. id, fields)
      assert.equal(prefix .. "/confirmations?answered=" .. id, answer.headers.Location)
      question(site)
      local link = ask(site, "GET", prefix .. "/api/confirmations?limit=1", { as = "bob" }).headers.Link
      assert.is_truthy(link:find("<" .. prefix .. "/api/confirmations?", 1, true))
      assert.equal(404, ask(site, "GET", "/leadcat/health").status)
      site.engine:close()
    end
  end)

  it("is the beginning of a path, not of a word", function()
    local site = new_site()
    for _, path in ipairs { "", "/", "/leadcat", "/leadcat/", "/leadcats/health", "/leadcathealth", "/health",
      "leadcat/health", "/LEADCAT/health", "//leadcat/health", "/leadcat//health", "/leadcat/health/",
      "/x/leadcat/health" } do
      assert.equal(404, ask(site, "GET", path).status, path)
    end
    site.engine:close()
  end)
end)

describe("the files of the pages", function()
  after_each(stores.check)

  it("are sent once, with their types", function()
    local site = new_site()
    for name, type_of_file in pairs {
      ["leadcat.js"] = "text/javascript; charset=utf-8", ["settings.js"] = "text/javascript; charset=utf-8",
      ["leadcat.css"] = "text/css; charset=utf-8",
    } do
      local answer = ask(site, "GET", "/leadcat/" .. name)
      local file = assert(io.open("lua/leadcat/web/" .. name, "rb"))
      assert.same({ 200, type_of_file, file:read "*a" }, { answer.status, answer.headers["Content-Type"], answer.body })
      file:close()
      assert.is_truthy(answer.headers.ETag:find '^"[%x-]+"$')
      for _, row in ipairs { { answer.headers.ETag, 304 }, { "W/" .. answer.headers.ETag, 304 }, { '"x"', 200 } } do
        local again = ask(site, "GET", "/leadcat/" .. name, { headers = { ["if-none-match"] = row[1] } })
        assert.equal(row[2], again.status)
        assert.equal(row[2] == 304, again.body == nil)
      end
    end
    for _, path in ipairs { "/leadcat.lua", "/../http.lua", "/web/leadcat.js", "/leadcat.js/", "/leadcat.js\0",
      "//leadcat.js", "/LEADCAT.JS", "/http.lua", "/./leadcat.js" } do
      assert.equal(404, ask(site, "GET", "/leadcat" .. path).status, path)
    end
    site.engine:close()
  end)
end)

describe("the links between the pages", function()
  after_each(stores.check)

  local function links(body)
    local found = {}
    for path in (body:match "<nav.-</nav>" or ""):gmatch 'href="([^"]*)"' do
      found[#found + 1] = path
    end
    return found
  end

  it("are those that the reader may open, and say where the reader is", function()
    local site = new_site()
    local all = {
      "/leadcat/confirmations", "/leadcat/overview", "/leadcat/history", "/leadcat/why", "/leadcat/settings",
      "/leadcat/drift", "/leadcat/versions",
    }
    for _, path in ipairs(all) do
      local body = is_page(ask(site, "GET", path, { as = "ann" })).body
      assert.same(all, links(body))
      contains(body, ('<a aria-current="page" href="%s">'):format(path))
    end
    table.remove(all, 5)
    table.remove(all, 5)
    for _, path in ipairs(links(is_page(ask(site, "GET", "/leadcat/history", { as = "bob" })).body)) do
      assert.equal(200, ask(site, "GET", path, { as = "bob" }).status)
    end
    assert.same(all, links(ask(site, "GET", "/leadcat/history", { as = "bob" }).body))
    lacks(ask(site, "GET", "/leadcat/history", {}).body, "<nav")
    site.engine:close()
  end)

  it("are left out when the host says so", function()
    local site = new_site({}, { navigation = false })
    lacks(is_page(ask(site, "GET", "/leadcat/history", { as = "ann" })).body, "<nav")
    site.engine:close()
  end)
end)
