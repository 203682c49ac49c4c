--- Companies that are renamed, merged and deleted, and persons that are forgotten: over HTTP, on the history page, and with the
-- `leadcat` command.

local json = require "leadcat.util.json"
local stores = require "support.stores"
local web = require "support.web"

local LEAD, CUSTOMER = 1, 5 -- the preset's categories
local call, ask, contains, lacks = web.call, web.ask, web.contains, web.lacks

local function path_of(company, action)
  return ("/leadcat/api/companies/%s/%s"):format(company, action)
end

describe("what has become of a company", function()
  after_each(stores.check)

  it("is told over HTTP", function()
    local site = web.new_site()
    local _, company = web.change(site)
    local status, moved = call(site, "POST", path_of(company, "rename"), { as = "ann", json = { to = 4711 } })
    assert.same({ 200, "renamed", 1 }, { status, moved.status, moved.moved })
    local into = web.new_company(site)
    status, moved = call(site, "POST", path_of("4711", "merge"), { as = "ann", json = { into = into } })
    assert.same({ 200, "merged", 2 }, { status, moved.status, moved.moved })
    status, moved = call(site, "POST", path_of(into, "delete"), { as = "robot" })
    assert.same({ 200, "deleted", 3 }, { status, moved.status, moved.moved })
    local _, entries = call(site, "GET", "/leadcat/api/history?company=" .. company, { as = "ann" })
    assert.same({ 1, into, company, "renamed", true },
      { #entries, entries[1].company, entries[1].former, entries[1].status, entries[1].company_deleted })
    _, entries = call(site, "GET", "/leadcat/api/history?status=deleted", { as = "ann" })
    assert.same({ 1, "robot" }, { #entries, entries[1].actor.id })
    site.engine:close()
  end)

  it("is a problem where it cannot be", function()
    local site = web.new_site()
    local one, other = web.new_company(site), web.new_company(site)
    for _, row in ipairs {
      { path_of(one, "rename"), { to = other }, 409, "conflict", "merge" },
      { path_of(one, "rename"), { to = one }, 422, "invalid", "cannot be renamed to itself" },
      { path_of(one, "rename"), {}, 422, "invalid", "to must be a string or an integer, not absent" },
      { path_of(one, "merge"), { into = "" }, 422, "invalid", "into must have 1 to 255 bytes, not 0" },
      { path_of("nobody", "merge"), { into = one }, 404, "not_found", "" },
      { path_of("nobody", "delete"), {}, 404, "not_found", "" },
      { path_of(("x"):rep(256), "delete"), {}, 422, "invalid", "1 to 255 bytes" },
      { "/leadcat/api/forget", {}, 422, "invalid", "one of contact, actor and company expected" },
      { "/leadcat/api/forget", { contact = true }, 422, "invalid", "a string or an integer expected" },
    } do
      local status, problem = call(site, "POST", row[1], { as = "ann", json = row[2] })
      assert.same({ row[3], row[4] }, { status, problem.code }, row[1])
      contains(problem.error or problem.detail, row[5])
    end
    assert.same({ LEAD, LEAD }, { web.category_of(site, one), web.category_of(site, other) })
    site.engine:close()
  end)

  it("is read on the history page, in the reader's language, without an undo of what is past", function()
    local site = web.new_site()
    local entry, company = web.change(site)
    local into = web.new_company(site)
    assert(site.engine:company_merged(company, into))
    local page = ask(site, "GET", "/leadcat/history?company=" .. into, { as = "ann" }).body
    contains(page, ("%s was merged into %s on 14 Nov 2023, 22:13 UTC."):format(company, into))
    contains(page, ("%s at that time"):format(company))
    lacks(page, ("/api/history/%d/undo"):format(entry))
    contains(page, ">Merged<")
    contains(ask(site, "GET", "/leadcat/history", { as = "liv" }).body,
      ("%s ble slått sammen med %s den"):format(company, into))
    assert(site.engine:company_renamed(into, "a<b>"))
    contains(ask(site, "GET", "/leadcat/history", { as = "ann" }).body,
      ("%s was renamed to a&lt;b&gt; on"):format(into))
    assert(site.engine:company_deleted "a<b>")
    contains(ask(site, "GET", "/leadcat/history", { as = "ann" }).body, "a&lt;b&gt; was deleted on")
    contains(ask(site, "GET", "/leadcat/history.csv", { as = "ann" }).body, ("deleted,,,,,"))
    local _, why = call(site, "GET", "/leadcat/api/explain?company=a%3Cb%3E", { as = "ann" })
    assert.equal("a<b> was deleted on 14 Nov 2023, 22:13 UTC.", why.newest.sentence)
    site.engine:close()
  end)

  it("leaves the preview of unsaved rules alone, which notes are no events for", function()
    local site = web.new_site()
    local _, company = web.change(site)
    assert(site.engine:company_renamed(company, "new"))
    local form = web.form_save(site)
    form.form["do"] = "try"
    assert.equal(200, ask(site, "POST", "/leadcat/settings", { as = "ann", form = form.form }).status)
    site.engine:close()
  end)
end)

describe("a person who is forgotten", function()
  after_each(stores.check)

  it("is so over HTTP; somebody did it still", function()
    local site = web.new_site()
    local _, company = web.change(site)
    local status, forgotten = call(site, "POST", "/leadcat/api/forget", { as = "ann", json = { actor = "bob" } })
    assert.same({ 200, 1, { "free_pages", "backups" } }, { status, forgotten.journal, forgotten.remains })
    local page = ask(site, "GET", "/leadcat/history?company=" .. company, { as = "ann" }).body
    contains(page, "<bdi>Someone</bdi>")
    lacks(page, "Bob")
    site.engine:close()
  end)

  it("is so among who saved rules", function()
    local site = web.new_site()
    assert(site.engine:save(site.engine:config(), { actor = web.ACTORS.liv }))
    contains(ask(site, "GET", "/leadcat/history/revisions/2", { as = "ann" }).body, "Liv")
    assert(site.engine:forget { actor = "liv" })
    local page = ask(site, "GET", "/leadcat/history/revisions/2", { as = "ann" }).body
    contains(page, "Someone")
    lacks(page, "Liv")
    site.engine:close()
  end)
end)

describe("leadcat", function()
  after_each(stores.check)

  local function expect(status, ...)
    local output, errors, got = stores.leadcat(...)
    assert.equal(status, got, output .. errors)
    return status == 0 and output or errors
  end

  local function store(fill)
    local engine, path = stores.open()
    assert(engine:save(stores.config { sale_won = CUSTOMER }))
    fill(engine)
    engine:close()
    return path
  end

  it("moves, merges, and says that a company is gone", function()
    local path = store(function(engine)
      engine.host:create_many({ 7, "Acme", "Bolt" }, LEAD)
      engine:handle { trigger = "sale_won", company = 7 }
      engine:handle { trigger = "sale_won", company = "Acme" }
    end)
    assert.equal("renamed: 7 is 8 now; 1 entries, 0 questions and changes ended\n",
      expect(0, "move", "7", "8", "--path", path))
    assert.equal("merged: Acme is part of Bolt now; 1 entries, 0 questions and changes ended\n",
      expect(0, "merge", "Acme", "Bolt", "--path", path))
    local gone = json.decode(expect(0, "gone", "Bolt", "--path", path, "--json"))
    assert.same({ "deleted", 2 }, { gone.status, gone.moved })
    local history = expect(0, "history", "--path", path)
    assert.matches("\n%d+ +%S+ %S+ +8 +renamed: was 7 ", history)
    assert.matches("\n%d+ +%S+ %S+ +Bolt +merged: Acme ", history)
    assert.matches("\n%d+ +%S+ %S+ +Bolt +deleted ", history)
    assert.matches("company Bolt is not kept in this store", expect(1, "gone", "Bolt", "--path", path))
    assert.matches("the two companies are the same", expect(2, "move", "8", "8", "--path", path))
    assert.equal(8, json.decode(expect(0, "history", "--path", path, "--company", "8", "--json"))[1].company) -- a number
  end)

  it("forgets", function()
    local path = store(function(engine)
      engine.host:create_many({ "Acme", "Jane Doe" }, LEAD)
      engine:handle { trigger = "sale_won", company = "Acme", contact = { id = 7, name = "Jane Doe" },
        actor = { id = "bob" } }
    end)
    assert.equal("forgotten: 1 entries, 0 questions and 0 revisions of the rules changed\n"
      .. "What was erased stays in free pages of the files until leadcat compact, and in backups.\n",
      expect(0, "forget", "--contact", "7", "--path", path))
    assert.equal(1, json.decode(expect(0, "forget", "--actor", "bob", "--path", path, "--json")).journal)
    assert.matches("; the company is forgotten%-%x+ now\n", expect(0, "forget", "--company", "Acme", "--path", path))
    assert.matches("one of %-%-contact, %-%-actor and %-%-company is needed", expect(2, "forget", "--path", path))
    assert.matches("can not be used together", expect(2, "forget", "--actor", "a", "--contact", "b", "--path", path))
    local history = json.decode(expect(0, "history", "--path", path, "--json"))
    assert.same({ 2, "deleted" }, { #history, history[1].status })
  end)
end)
