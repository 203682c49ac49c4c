--- The inbox: several questions at once, everyone's for who may, and giving questions to somebody else; all of it as forms,
-- without JavaScript.

local forms = require "support.forms"
local http = require "leadcat.http"
local i18n = require "leadcat.words.i18n"
local stores = require "support.stores"
local web = require "support.web"

local new_site, ask, question, category_of = web.new_site, web.ask, web.question, web.category_of

local STRINGS = i18n.new()
local INBOX = "/leadcat/confirmations"
local LEAD, OPPORTUNITY = 1, 3

local function text(key, names, language)
  return (STRINGS:text(language or "en", key, names))
end

local function has(body, words)
  assert.is_truthy(body:find(words, 1, true), words .. "\nis not in\n" .. body)
end

local function has_not(body, words)
  assert.is_nil(body:find(words, 1, true), words)
end

-- The markup of an element with that class, without its tags.
local function said(body, class)
  local content = body:match('<%l+ class="' .. class .. '"[^>]*>(.-)</[pd]')
  return content and (content:gsub("<[^>]*>", ""))
end

describe("several questions of the inbox", function()
  local site, ids, companies

  before_each(function()
    site, ids, companies = new_site(), {}, {}
    for i = 1, 3 do
      ids[i], companies[i] = question(site)
    end
  end)

  after_each(function()
    site.engine:close()
    stores.check()
  end)

  local function state(i)
    return site.engine:confirmation(ids[i]).state
  end

  local function page(as, query)
    return ask(site, "GET", INBOX .. (query or ""), { as = as or "bob" }).body
  end

  -- Sends the form with some fields more.
  local function send(fields, as, query)
    local sent = { ["do"] = "accept", user = "", name = "" }
    for name in page(as, query):gmatch 'name="(shown%-%x+)"' do
      sent[name] = "true"
    end
    for name, value in pairs(fields) do
      sent[name] = value
    end
    local answer = ask(site, "POST", INBOX .. (query or ""), { as = as or "bob", form = sent })
    return answer.body, answer.status
  end

  it("are chosen, and answered each by itself", function()
    local body = page()
    for _, id in ipairs(ids) do
      has(body, ('form="leadcat-several" name="pick-%s" type="checkbox"'):format(id))
    end
    body = send { ["pick-" .. ids[1]] = "true", ["pick-" .. ids[3]] = "true" }
    assert.same({ "accepted", "open", "accepted" }, { state(1), state(2), state(3) })
    assert.same({ OPPORTUNITY, LEAD }, { category_of(site, companies[1]), category_of(site, companies[2]) })
    assert.equal("Answered: 2.", said(body, "leadcat%-said"))
    has(body, 'data-leadcat-kind="updated"')
    has_not(body, 'role="alert" tabindex')
    assert.equal("bob", site.engine:confirmation(ids[1]).resolved_by.id)
  end)

  it("are all kept by one click, and that is no success", function()
    local body = send { ["do"] = "decline", all = "true" }
    assert.same({ "declined", "declined", "declined" }, { state(1), state(2), state(3) })
    assert.equal("Answered: 3.", said(body, "leadcat%-said"))
    has_not(body, 'data-leadcat-kind="updated"')
    has(body, text "inbox.empty")
  end)

  it("are told which could not be answered, and why", function()
    assert(site.engine:resolve(ids[2], { decline = true }, { actor = web.ACTORS.ann }))
    local other = question(site, web.ACTORS.eve)
    local body, status = send { ["pick-" .. ids[1]] = "true", ["pick-" .. ids[2]] = "true", ["pick-" .. other] = "true",
      ["pick-" .. web.UNKNOWN] = "true" }
    assert.equal(200, status)
    assert.equal("Answered: 1.", said(body, "leadcat%-said"))
    local alert = said(body, "leadcat%-alert")
    has(body, "Not done: 3.")
    has(body, companies[2] .. "</bdi>: Ann kept the category on")
    has(body, ('href="/leadcat/confirmations/%s"'):format(other))
    has(body, text "problem.forbidden")
    has(body, text "problem.not_found")
    assert.equal("open", site.engine:confirmation(other).state)
    assert.is_string(alert)
  end)

  it("are at most a hundred, at least one, and done in one way", function()
    local many = {}
    for i = 1, 101 do
      many[("pick-%032x"):format(i)] = "true"
    end
    has(send(many), "At most 100 questions can be answered at once.")
    has(send {}, text "inbox.none_chosen")
    assert.equal(400, select(2, send { ["do"] = "explode", all = "true" }))
    has(send { ["do"] = "assign", all = "true" }, text "inbox.cannot_assign")
    assert.same({ "open", "open", "open" }, { state(1), state(2), state(3) })
    assert.equal(403, ask(site, "POST", INBOX, { as = "bob", site = "cross-site", form = { all = "true" } }).status)
  end)

  it("need a second question to be there", function()
    assert(site.engine:resolve(ids[2], { decline = true }))
    assert(site.engine:resolve(ids[3], { decline = true }))
    has_not(page(), "leadcat-several")
  end)

  it("are given to somebody else", function()
    local body = send { ["do"] = "assign", ["pick-" .. ids[1]] = "true", ["pick-" .. ids[2]] = "true", user = "eve",
      name = "Eve" }
    assert.equal("Given to Eve: 2.", said(body, "leadcat%-said"))
    has_not(body, "/confirmations/" .. ids[1])
    has(page "eve", "Bob gave this question to Eve on")
    assert.equal("forbidden", select(3, site.engine:resolve(ids[1], { accept = true }, { actor = web.ACTORS.bob })))
  end)

  it("are given to users that the host lists", function()
    site.app = http.new { engine = site.engine, authenticate = web.authenticate, users = function(actor)
      return { { id = 7, name = "Sju " .. actor.id }, { id = "eve", name = "Eve" } }
    end }
    has(page(), '<option dir="auto" value="7">Sju bob</option>')
    send { ["do"] = "assign", all = "true", user = "7", name = "somebody" }
    assert.same({ id = 7, name = "Sju bob" }, site.engine:confirmation(ids[1]).assigned.to)
    site.app = http.new { engine = site.engine, authenticate = web.authenticate, users = function()
      return nil, "away", "unavailable"
    end }
    assert.equal(200, ask(site, "GET", INBOX, { as = "ann" }).status) -- nothing to give away
    assert.equal(503, ask(site, "GET", INBOX .. "?everyone=true", { as = "ann" }).status)
  end)

  for _, language in ipairs(i18n.LANGUAGES) do
    it("are in " .. language, function()
      web.ACTORS.reader = { id = "bob", name = "Bob", admin = true, language = language }
      local body = page("reader", "?everyone=true")
      for _, key in ipairs { "inbox.everyone_title", "inbox.mine", "inbox.many", "inbox.all", "inbox.accept_many",
        "inbox.keep_many", "inbox.assign", "inbox.assign_do" } do
        has(body, (text(key, nil, language)))
      end
      has(body, text("inbox.for_user", { user = "Bob" }, language))
      has(body, ('data-leadcat-busy="%s"'):format(text("settings.saving", nil, language)))
    end)
  end
end)

describe("everyone's questions", function()
  local site, bobs, eves

  before_each(function()
    site = new_site()
    bobs, eves = question(site), question(site, web.ACTORS.eve)
  end)

  after_each(function()
    site.engine:close()
    stores.check()
  end)

  local function page(query, as)
    return ask(site, "GET", INBOX .. (query or ""), { as = as or "ann" })
  end

  it("are shown to administrators, who switch between theirs and all", function()
    local mine, all = page().body, page "?everyone=true".body
    has(mine, '<a aria-current="page" href="/leadcat/confirmations">Mine</a>')
    has(mine, 'href="/leadcat/confirmations?everyone=true">Everyone')
    has_not(mine, bobs)
    for _, id in ipairs { bobs, eves } do
      has(all, ('action="/leadcat/api/confirmations/%s?everyone=true"'):format(id))
    end
    has(all, '<a href="/leadcat/confirmations?everyone=true&amp;user=bob">For Bob</a>')
    local of_bob = page "?everyone=true&user=bob".body
    has(of_bob, ">Questions for Bob</h1>")
    has(of_bob, bobs)
    has_not(of_bob, eves)
  end)

  it("are nobody else's", function()
    has_not(page("", "bob").body, "everyone=true")
    assert.equal(403, page("?everyone=true", "bob").status)
    has_not(page("?user=eve", "bob").body, eves)
  end)

  it("are shown to whom the host names, who answers those that it says", function()
    site.engine:close()
    local host = web.new_host()
    host.can = function(actor, permission, subject)
      return permission == "view" or permission == "report"
        or permission == "confirm" and actor.id == "bob" and (subject.everyone or subject.actor.id == "eve")
    end
    site = new_site({ host = host })
    bobs, eves = question(site), question(site, web.ACTORS.eve)
    local body = page("?everyone=true", "bob").body
    has(body, "/api/confirmations/" .. eves)
    has(body, "leadcat-question-" .. bobs)
    has_not(body, "/api/confirmations/" .. bobs)
    assert.equal(403, page("?everyone=true", "eve").status)
  end)

  it("are answered where one is", function()
    local answer = ask(site, "POST", ("/leadcat/api/confirmations/%s?everyone=true&user=bob"):format(bobs),
      { as = "ann", form = { accept = "true" } })
    assert.equal("/leadcat/confirmations?everyone=true&user=bob&answered=" .. bobs, answer.headers.Location)
    has(ask(site, "GET", answer.headers.Location, { as = "ann" }).body, "now has the category")
  end)

  it("are answered from their rows in the history", function()
    local link = ('data-leadcat-answer="%s" href="/leadcat/confirmations/%s"'):format(bobs, bobs)
    has(ask(site, "GET", "/leadcat/history", { as = "ann" }).body, link)
    local of_bob = ask(site, "GET", "/leadcat/history", { as = "bob" }).body
    has(of_bob, link)
    has_not(of_bob, "/confirmations/" .. eves)
    assert(site.engine:assign(bobs, { to = web.ACTORS.eve }))
    of_bob = ask(site, "GET", "/leadcat/history", { as = "bob" }).body
    has_not(of_bob, link)
    has(of_bob, "For Eve")
  end)
end)

describe("the page of a question", function()
  local site, id, company

  before_each(function()
    site = new_site()
    id, company = question(site)
  end)

  after_each(function()
    site.engine:close()
    stores.check()
  end)

  local function page(as, query)
    return ask(site, "GET", ("%s/%s%s"):format(INBOX, id, query or ""), { as = as or "bob" }).body
  end

  it("leads back to the inbox, but a dialog over another page is only closed", function()
    has(page(), '<a class="leadcat-button" href="/leadcat/confirmations">Answer later</a>')
    has(page("ann", "?everyone=true"),
      '<a class="leadcat-button" href="/leadcat/confirmations?everyone=true">Answer later</a>')
    has(page("bob", "?dialog"), 'formmethod="dialog" formnovalidate type="submit" value="cancel">Answer later</button>')
    has_not(page(), "Cancel")
  end)

  it("gives it to somebody else", function()
    local fields = forms.fields(page())
    fields.user, fields.name = "eve", "Eve"
    has(page(), ('action="/leadcat/api/confirmations/%s/assign"'):format(id))
    local answer = ask(site, "POST", ("/leadcat/api/confirmations/%s/assign"):format(id), { as = "bob", form = fields })
    assert.same({ 303, "/leadcat/confirmations?assigned=" .. id }, { answer.status, answer.headers.Location })
    has(ask(site, "GET", answer.headers.Location, { as = "bob" }).body,
      ("The question about %s is now with Eve."):format(company))
    has_not(page "bob", "/assign")
    has(page "eve", "/assign")
    assert.equal(403, ask(site, "POST", ("/leadcat/api/confirmations/%s/assign"):format(id),
      { as = "bob", form = fields }).status)
    local nobody = ask(site, "POST", ("/leadcat/api/confirmations/%s/assign"):format(id), { as = "eve", form = {} })
    assert.equal(422, nobody.status)
    has(nobody.body, text "inbox.cannot_assign")
  end)
end)
