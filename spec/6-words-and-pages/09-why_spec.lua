-- The page "Why did nothing happen?" and the panel of a company, over HTTP: what they say, in all languages, what can be
-- tried and done, where that leads back to, and who may see it.

local crm = require "support.crm"
local forms = require "support.forms"
local i18n = require "leadcat.words.i18n"
local json = require "leadcat.util.json"
local language_tag = require "leadcat.util.language"
local stores = require "support.stores"
local web = require "support.web"

local LEAD, OPPORTUNITY, CUSTOMER, PARTNER = 1, 3, 5, 6 -- the preset's categories
local ask, contains, lacks, is_page = web.ask, web.contains, web.lacks, web.is_page
local STRINGS = i18n.new()
local HOSTILE = '"><script>alert(1)</script>'
local DAY = 24 * 3600
local LATER = { trigger = "sale_won", id = 9, enabled = true, set_category = PARTNER, after = { days = 30 } }

-- Without markup, and without what isolates names.
local function plain(markup)
  return (markup:gsub("<[^>]*>", " "):gsub("\226\129[\168\169]", ""):gsub("%s+", " "))
end

-- A site whose rule for won sales has conditions, on a host that knows where companies are.
local function conditional_site(options, app_options)
  local host = crm.new { Acme = LEAD, Ghost = LEAD }
  function host.facts(requests)
    local answers = {}
    for i, request in ipairs(requests) do
      answers[i] = { ["company.country"] = request.company == "Acme" and "SE" or nil }
    end
    return answers
  end
  host.fields = { { field = "company.country", type = "text", name = { en = "Country", de = "Land" },
    options = { { value = "NO", name = "Norway" }, { value = "SE", name = "Sweden" } } },
    { field = "company.vip", type = "boolean", name = "VIP" } }
  for name, value in pairs(options or {}) do
    host[name] = value
  end
  local site = web.new_site({ host = host, record_unchanged = "full" }, app_options, web.RULES)
  local cfg = site.engine:config()
  for _, rule in ipairs(cfg.rules) do
    if rule.trigger == "sale_won" then
      rule.when = json.array {
        json.array { { field = "sale.amount", is = "at_least", value = 100000 },
          { field = "company.country", is = "equals", value = "NO" } },
        json.array { { field = "company.vip", is = "equals", value = true } },
      }
    end
  end
  assert(site.engine:save(cfg))
  return site, host
end

local function why(site, query, as, status)
  local answer = is_page(ask(site, "GET", "/leadcat/why" .. (query or ""), { as = as or "bob" }))
  assert.equal(status or 200, answer.status)
  return answer.body
end

-- The part of the page about a trigger.
local function card(body, name)
  for part in body:gmatch '<li class="leadcat%-card leadcat%-decision">(.-)</details></li>' do
    if part:find("<h3>" .. name, 1, true) then
      return part
    end
  end
  error("there is no card " .. name)
end

describe("the page that says why", function()
  after_each(stores.check)

  it("asks for a company", function()
    local site = web.new_site()
    local body = why(site)
    contains(body, '<input autocomplete="off" dir="auto" id="leadcat-company" maxlength="255" name="company"')
    contains(body, web.text_of(site, "why.hint"))
    lacks(body, 'role="alert"')
    site.engine:close()
  end)

  it("says what each trigger would do, and why, check by check", function()
    local site = conditional_site()
    local body = why(site, "?company=Acme")
    contains(plain(body), "Current category: Lead")
    contains(plain(card(body, "Sale registered")), "The user is asked")
    contains(plain(card(body, "Sale lost")), "Updated at once")
    contains(card(body, "Sale lost"), "<details><summary>Check by check")
    local won = card(body, "Sale won")
    contains(won, "<details open>")
    contains(plain(won), "Nothing Acme meets the conditions of no rule for this; what is missing:")
    contains(won, '<li class="leadcat-check-met"><span aria-label="Met" class="leadcat-mark" role="img">')
    contains(plain(won), "✓ A rule for this is switched on ")
    contains(plain(won), "✓ A rule may start from this category Potential customer")
    contains(plain(won), "✗ The conditions of a rule are met")
    contains(plain(won), "✗ sale.amount is at least 100000 (it is not known)")
    contains(plain(won), "✗ Country is “NO” (it is “SE”)")
    contains(plain(won), "or ✗ VIP is yes (it is not known)")
    contains(plain(won), "– The rule sets another category than the current one")
    site.engine:close()
  end)

  it("tries what would be if something were different, and changes nothing", function()
    local site, host = conditional_site()
    local before = web.entries(site)
    local fields = forms.fields(why(site, "?company=Acme"))
    assert.same({ "", "", "", "" }, { fields["if.category"], fields["if.sale.amount"], fields["if.company.country"],
      fields["if.company.vip"] })
    local body = why(site, "?company=Acme&if.sale.amount=200+000&if.company.country=NO")
    contains(plain(card(body, "Sale won")),
      "Updated at once The category of Acme will be updated from Lead to Customer.")
    contains(body, web.text_of(site, "why.if_said"))
    contains(body, '<details class="leadcat-if" open>')
    assert.equal("200 000", forms.fields(body)["if.sale.amount"])
    assert.equal("NO", forms.fields(body)["if.company.country"])
    contains(plain(card(why(site, "?company=Acme&if.company.vip=yes"), "Sale won")), "Updated at once")
    local customer = why(site, "?company=Acme&if.category=5&if.company.vip=yes")
    contains(plain(customer), "Current category: Lead")
    contains(plain(card(customer, "Sale won")), "✗ A rule may start from this category Customer")
    assert.same({ before, LEAD }, { web.entries(site), host.companies.Acme })
    site.engine:close()
  end)

  it("says which field it does not understand, and goes on without it", function()
    local site = conditional_site()
    local body = why(site, "?company=Acme&if.sale.amount=much&if.category=99&if.company.vip=" .. ("x"):rep(300))
    contains(body, 'aria-describedby="leadcat-if-2-problem" aria-invalid="true"')
    contains(body, web.text_of(site, "settings.problem.number_required"))
    lacks(body, web.text_of(site, "why.if_said"))
    contains(body, '<details class="leadcat-if" open>')
    site.engine:close()
  end)

  it("tells what has happened lately, also what came to nothing, and tries it again", function()
    local site = conditional_site()
    local printers = { id = 7, name = "Printers", amount = 5 }
    assert(site.engine:handle { trigger = "sale_won", company = "Acme", sale = printers })
    site.now = site.now + 60
    assert(site.engine:handle { trigger = "sale_lost", company = "Acme", sale = { id = 8, name = "Ink" } })
    local body = why(site, "?company=Acme")
    contains(plain(body), "The sale Ink was lost. The category of Acme was updated from Lead to Lost")
    contains(plain(body), "The sale Printers was won. Nothing was changed on 14 Nov 2023, 22:13 UTC . Acme meets")
    contains(body, 'on <time datetime="2023-11-14T22:13:20Z">14 Nov 2023, 22:13 UTC</time>. Acme')
    contains(body, 'href="/leadcat/why?company=Acme&amp;if.sale.amount=5&amp;if.company.country=SE">')
    contains(plain(body), "sale.amount is 5 and")
    assert.is_true(body:find("Ink was lost", 1, true) < body:find("Printers was won", 1, true))
    contains(plain(why(site, "?company=Acme&if.category=1&if.sale.amount=5")),
      "✗ sale.amount is at least 100000 (it is 5)")
    lacks(body, web.text_of(site, "why.not_recorded"))
    contains(body, '<a href="/leadcat/history?company=Acme">')
    site.engine:close()
    site = web.new_site()
    contains(why(site, "?company=" .. web.new_company(site)), web.text_of(site, "why.not_recorded"))
    site.engine:close()
  end)

  it("shows what is open and what is scheduled", function()
    local site = web.new_site(nil, nil, web.RULES)
    local id, company = web.question(site)
    local answer = '<a href="/leadcat/confirmations/' .. id .. '">Answer</a>'
    contains(why(site, "?company=" .. company), answer)
    local body = why(site, "?company=" .. company, "eve")
    contains(plain(body), "The sale Printers was registered. Change the category of " .. company)
    lacks(body, answer)
    local cfg = site.engine:config()
    table.insert(cfg.rules, 1, LATER)
    assert(site.engine:save(cfg))
    local _, other = web.change(site)
    site.now = site.now + 1
    contains(plain(why(site, "?company=" .. other)), "it will be decided whether the category of " .. other
      .. " is set to Partner")
    site.engine:close()
  end)

  it("shows nothing that its reader may not see", function()
    local site = conditional_site { can = function(actor, permission, subject)
      return permission ~= "view" or actor.admin or not subject
        or subject.company ~= "Ghost" and (subject.actor or { id = actor.id }).id == actor.id
    end }
    local engine = site.engine
    assert(engine:handle { trigger = "sale_registered", company = "Acme", actor = web.ACTORS.ann,
      sale = { name = "Secret" } })
    assert(engine:handle { trigger = "sale_won", company = "Acme", actor = web.ACTORS.eve, sale = { name = "Hers" } })
    assert(engine:handle { trigger = "sale_won", company = "Acme", actor = web.ACTORS.bob, sale = { name = "Mine" } })
    local body = why(site, "?company=Acme", "bob")
    contains(body, "Mine")
    lacks(body, "Hers")
    lacks(body, "Secret")
    contains(why(site, "?company=Acme", "ann"), "Secret")
    why(site, "?company=Ghost", "bob", 403)
    why(site, "?company=Ghost", "ann")
    site.engine:close()
  end)

  it("says so when nothing is known of the company, and names similar ones", function()
    local host = crm.new { ["17"] = LEAD }
    local names = { ["17"] = "Fjord & Sons", [18] = "Fjell" }
    function host.company_name(company) return names[company] end
    local site = web.new_site { host = host }
    assert(site.engine:handle { trigger = "sale_won", company = "17" })
    local body = why(site, "?company=fjord", "bob", 404)
    contains(plain(body), "Nothing is known of a company fjord.")
    contains(body, '<a href="/leadcat/why?company=17"><bdi>Fjord &amp; Sons</bdi></a>')
    lacks(why(site, "?company=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "bob", 404), "<script>alert")
    contains(why(site, "?company=17"), '<h2 class="leadcat-company" dir="auto">Fjord &amp; Sons</h2>')
    assert.equal(422, ask(site, "GET", "/leadcat/why?company=" .. ("x"):rep(256), { as = "bob" }).status)
    site.engine:close()
  end)

  it("finds a company by its integer, and by what it was called before", function()
    local host = crm.new { [42] = CUSTOMER }
    local site = web.new_site { host = host }
    contains(plain(why(site, "?company=42")), "Current category: Customer")
    host.companies.old = LEAD
    assert(site.engine:handle { trigger = "sale_won", company = "old" })
    assert(site.engine:company_renamed("old", "new"))
    host.companies.new = CUSTOMER
    contains(why(site, "?company=old"), '<h2 class="leadcat-company" dir="auto">new</h2>')
    site.engine:close()
  end)

  it("escapes what clients have sent", function()
    local site = conditional_site()
    assert(site.engine:handle { trigger = "sale_lost", company = "Acme", sale = { id = 1, name = HOSTILE },
      actor = { id = "x", name = HOSTILE } })
    local body = why(site, "?company=Acme&if.company.country=%22%3E%3Cb%3E&if.sale.amount=%22%3E%3Cb%3E")
    lacks(body, "<script>alert")
    lacks(body, '"><b>')
    site.engine:close()
  end)

  for _, language in ipairs(i18n.LANGUAGES) do
    it("is in " .. language, function()
      local site = conditional_site()
      web.ACTORS.reader = { id = "reader", language = language }
      assert(site.engine:handle { trigger = "sale_won", company = "Acme", sale = { id = 7, amount = 5 } })
      local body = why(site, "?company=Acme&if.sale.amount=5", "reader")
      contains(body, '<html lang="' .. language_tag.of_page(language) .. '">')
      for _, key in ipairs { "why.title", "why.now", "why.checks", "why.if", "why.lately", "why.again", "compare.none",
        "why.check.conditions_not_met", "why.if_said" } do
        contains(body, (STRINGS:text(language, key):gsub("'", "&#39;")))
      end
      web.ACTORS.reader = nil
      site.engine:close()
    end)
  end
end)

-- The panel ----------------------------------------------------------------------------------------------------------

local FRAMED = { frame_ancestors = "https://crm.example" }

local function panel(site, company, as, query)
  return is_page(ask(site, "GET", ("/leadcat/companies/%s/panel%s"):format(company, query or ""), { as = as or "ann" }))
end

-- Sends one of the panel's forms: the one whose action ends so, with a button.
local function send(site, body, action, button, as, more)
  for form in body:gmatch "<form.-</form>" do
    local address = form:match 'action="([^"]*)"'
    if address:find(action, 1, true) then
      local fields = { panel = form:match 'name="panel" type="hidden" value="([^"]*)"' }
      for name, value in pairs(button or {}) do
        fields[name] = value
      end
      local request = { as = as or "ann", form = fields }
      for name, value in pairs(more or {}) do
        request[name] = value
      end
      return ask(site, "POST", address, request)
    end
  end
  error("the panel has no form " .. action)
end

describe("the panel of a company", function()
  after_each(stores.check)

  it("shows its category, its last change, and what is open", function()
    local site = web.new_site(nil, FRAMED)
    local company = web.new_company(site)
    contains(panel(site, company).body, web.text_of(site, "panel.nothing"))
    assert(site.engine:handle {
      trigger = "sale_lost", company = company, sale = { name = "Ink" }, actor = web.ACTORS.bob,
    })
    local body = panel(site, company).body
    contains(body, ('<main aria-label="The category of %s" class="leadcat-main leadcat-panel">'):format(company))
    contains(plain(body), "The category of " .. company .. ": Lost ")
    contains(plain(body), "Last change Lead → Lost The sale Ink was lost. 14 Nov 2023, 22:13 UTC · Bob")
    contains(body, 'href="/leadcat/why?company=' .. company .. '" rel="noopener" target="_blank"')
    lacks(body, "<nav")
    site.engine:close()
  end)

  it("answers its question, and leads back to it", function()
    for _, row in ipairs {
      { { accept = "true" }, OPPORTUNITY, "now has the category Opportunity" },
      { { decline = "true" }, LEAD, "keeps its category" },
      { { category = "6" }, PARTNER, "now has the category Partner" },
    } do
      local site = web.new_site(nil, FRAMED)
      local id, company = web.question(site)
      local body = panel(site, company, "bob").body
      contains(body, "Set to Opportunity")
      contains(body, "Keep Lead")
      contains(plain(body), "Choose another…")
      local answer = send(site, body, "/api/confirmations/" .. id, row[1], "bob")
      assert.equal(303, answer.status)
      assert.equal(("/leadcat/companies/%s/panel?answered=%s"):format(company, id), answer.headers.Location)
      assert.equal(row[2], web.category_of(site, company))
      local after = panel(site, company, "bob", "?answered=" .. id).body
      contains(plain(after), row[3])
      lacks(after, "/api/confirmations/")
      site.engine:close()
    end
  end)

  it("undoes the last change where that would work, and says what came of it", function()
    local site = web.new_site(nil, FRAMED)
    local entry, company = web.change(site)
    local body = panel(site, company).body
    lacks(panel(site, company, "bob").body, "/undo")
    local answer = send(site, body, "/undo")
    local undone = site.engine:history { limit = 1 }[1].entry
    assert.same({ 303, ("/leadcat/companies/%s/panel?undone=%d"):format(company, undone) },
      { answer.status, answer.headers.Location })
    assert.equal(LEAD, web.category_of(site, company))
    contains(plain(panel(site, company, "ann", "?undone=" .. undone).body),
      "Undone: " .. company .. " is back in Lead.")
    -- the same form once more: somebody else was faster
    answer = send(site, body, "/undo")
    assert.equal(("/leadcat/companies/%s/panel?refused=%d"):format(company, entry), answer.headers.Location)
    contains(panel(site, company, "ann", "?refused=" .. entry).body, web.text_of(site, "history.refused"))
    site.engine:close()
  end)

  it("offers another try of what has failed", function()
    local host = crm.new { Acme = LEAD }
    local set = host.set_category
    function host.set_category() return nil, "a field is missing", "refused" end
    local site = web.new_site({ host = host }, FRAMED)
    assert(site.engine:handle { trigger = "sale_won", company = "Acme" })
    local body = panel(site, "Acme").body
    contains(plain(body), "Lead → Customer Failed")
    lacks(body, "a field is missing")
    host.set_category = set
    send(site, body, "/retry")
    assert.equal(CUSTOMER, host.companies.Acme)
    site.engine:close()
  end)

  it("cancels what is scheduled", function()
    local site = web.new_site(nil, FRAMED)
    local cfg = site.engine:config()
    table.insert(cfg.rules, 1, LATER)
    assert(site.engine:save(cfg))
    local _, company = web.change(site)
    local body = panel(site, company).body
    contains(plain(body), "Scheduled Partner Due 14 Dec 2023, 22:13 UTC")
    local answer = send(site, body, "/cancel")
    contains(answer.headers.Location, ("/leadcat/companies/%s/panel?cancelled="):format(company))
    contains(plain(panel(site, company, "ann", answer.headers.Location:match "%?.*").body), "is cancelled")
    lacks(panel(site, company).body, "/cancel")
    site.now = site.now + 31 * DAY
    assert(site.engine:maintain())
    assert.equal(CUSTOMER, web.category_of(site, company))
    site.engine:close()
  end)

  it("has no buttons where nobody has said who may frame it", function()
    local site = web.new_site()
    local _, company = web.change(site)
    local id = web.question(site, web.ACTORS.ann, web.new_company(site))
    local asked = site.engine:confirmation(id).company
    lacks(panel(site, company).body, "<form")
    local body = panel(site, asked).body
    lacks(body, "<form")
    contains(body, ('<a href="/leadcat/confirmations/%s" rel="noopener" target="_blank">Answer</a>'):format(id))
    contains(panel(site, asked).headers["Content-Security-Policy"], "frame-ancestors 'self'")
    site.engine:close()
    site = web.new_site(nil, FRAMED)
    contains(panel(site, web.new_company(site)).headers["Content-Security-Policy"],
      "frame-ancestors https://crm.example")
    site.engine:close()
  end)

  it("hides what its reader may not see, and whether there is such a company", function()
    local host = crm.new { Acme = LEAD, Ghost = LEAD }
    function host.can(actor, permission, subject)
      return permission ~= "view" or actor.admin or not subject or subject.company ~= "Ghost"
    end
    local site = web.new_site({ host = host }, FRAMED)
    local hidden, unknown = panel(site, "Ghost", "bob"), panel(site, "Nobody", "bob")
    assert.same({ 404, 404, hidden.body:gsub("Ghost", "Nobody") }, { hidden.status, unknown.status, unknown.body, 0 })
    lacks(hidden.body, "<nav")
    lacks(hidden.body, "/confirmations")
    assert.equal(200, panel(site, "Ghost").status)
    assert.equal(404, panel(site, ("x"):rep(256)).status)
    site.engine:close()
  end)

  it("leads nowhere else, whatever a form says", function()
    local site = web.new_site(nil, FRAMED)
    local function undo(sent)
      local entry = web.change(site)
      return ask(site, "POST", ("/leadcat/api/history/%d/undo"):format(entry), { as = "ann", form = { panel = sent } })
    end
    for _, sent in ipairs { "//evil.example", "https://evil.example/", "\r\nSet-Cookie: a=b", "../../x", HOSTILE,
      "a/b" } do
      local answer = undo(sent)
      assert.equal(303, answer.status)
      assert.matches("^/leadcat/companies/[%w_.~%%-]+/panel%?undone=%d+$", answer.headers.Location)
    end
    for _, sent in ipairs { "", ("x"):rep(256) } do -- no company's id: the history's form
      contains(undo(sent).headers.Location, "/leadcat/history?undone=")
    end
    site.engine:close()
  end)

  it("takes forms of its own origin only, and says what was refused, with the way back", function()
    local site = web.new_site(nil, FRAMED)
    local id, company = web.question(site)
    local body = panel(site, company, "bob").body
    local answer = send(site, body, "/api/confirmations/" .. id, { accept = "true" }, "bob", { site = "cross-site" })
    assert.equal(403, answer.status)
    assert.equal(LEAD, web.category_of(site, company))
    assert(site.engine:resolve(id, { decline = true }, { actor = web.ACTORS.ann }))
    answer = is_page(send(site, body, "/api/confirmations/" .. id, { accept = "true" }, "bob"))
    assert.equal(409, answer.status)
    contains(answer.body, "Ann kept the category")
    contains(answer.body, ('<a href="/leadcat/companies/%s/panel">Back to the company</a>'):format(company))
    lacks(answer.body, "<nav")
    site.engine:close()
  end)

  it("escapes names, and keeps ids of any form", function()
    local host = crm.new {}
    local site = web.new_site({ host = host }, FRAMED)
    for _, id in ipairs { "a/b", "50% & <b>", HOSTILE, "ø" } do
      host.companies[id] = LEAD
      assert(site.engine:handle { trigger = "sale_won", company = id, sale = { name = HOSTILE } })
      local body = is_page(ask(site, "GET", "/leadcat/companies/" .. id .. "/panel", { as = "ann" })).body
      lacks(body, "<script>alert")
      lacks(body, "<b>")
      local sent = forms.fields(body).panel
      assert.equal(id, sent)
      local answer = ask(site, "POST", body:match 'action="([^"]*/undo)"', { as = "ann", form = { panel = sent } })
      assert.equal(303, answer.status)
      assert.equal(LEAD, host.companies[id])
    end
    site.engine:close()
  end)

  for _, language in ipairs(i18n.LANGUAGES) do
    it("is in " .. language, function()
      local site = web.new_site(nil, FRAMED)
      web.ACTORS.reader = { id = "reader", language = language, admin = true }
      local _, company = web.change(site)
      local body = panel(site, company, "reader").body
      contains(body, '<html lang="' .. language_tag.of_page(language) .. '">')
      for _, key in ipairs { "panel.change", "panel.history", "why.title", "history.undo" } do
        contains(body, (STRINGS:text(language, key):gsub("'", "&#39;")))
      end
      local _, asked = web.question(site)
      for _, key in ipairs { "panel.question", "panel.choice", "inbox.choose" } do
        contains(panel(site, asked, "reader").body, (STRINGS:text(language, key):gsub("'", "&#39;")))
      end
      web.ACTORS.reader = nil
      site.engine:close()
    end)
  end
end)

describe("an answer that is refused", function()
  after_each(stores.check)

  it("says why in the reader's language, and to programs in the engine's words, too", function()
    local site = web.new_site()
    local id = web.question(site)
    for _, row in ipairs {
      { "bob", { category = 99 }, "There is no such category any more. Choose another one.",
        "the user chose category 99, which does not exist" },
      { "liv", { category = 99 }, "Denne kategorien finnes ikke lenger. Velg en annen." },
      { "liv", { category = "x" }, STRINGS:text("no", "problem.invalid"), "category must be an integer" },
    } do
      local status, problem = web.call(site, "POST", "/leadcat/api/confirmations/" .. id,
        { as = row[1], json = row[2] })
      assert.same({ 422, "invalid", row[3] }, { status, problem.code, problem.detail })
      contains(problem.error, row[4] or "")
    end
    local answer = ask(site, "POST", "/leadcat/api/confirmations/" .. id, { as = "liv", form = { category = "" } })
    contains(answer.body, "Velg en kategori.")
    site.engine:close()
  end)
end)
