-- Following what was done: `GET /api/changes`, and `leadcat changes`.

local core = require "leadcat.core"
local json = require "leadcat.util.json"
local processes = require "support.processes"
local stores = require "support.stores"
local web = require "support.web"

local CUSTOMER = 5 -- of the preset
local ROUTE = "/leadcat/api/changes"

describe("GET /api/changes", function()
  after_each(stores.check)

  it("gives pages, and where to go on also when there is nothing", function()
    local site = web.new_site()
    local status, page = web.call(site, "GET", ROUTE, { as = "bob" })
    assert.same({ 200, 0, "string" }, { status, #page.changes, type(page.next) })
    local entry = web.change(site)
    local id = web.question(site)
    local first, second, third
    status, first = web.call(site, "GET", ROUTE .. "?limit=1&after=" .. page.next, { as = "bob" })
    assert.same({ 200, 1, "ended", entry },
      { status, #first.changes, first.changes[1].kind, first.changes[1].entry.entry })
    assert.equal(first.next, first.changes[1].cursor)
    status, second = web.call(site, "GET", ROUTE .. "?wait=1&after=" .. first.next, { as = "bob" })
    local change = second.changes[1]
    assert.same({ 200, 1, "asked", id }, { status, #second.changes, change.kind, change.confirmation.id })
    status, third = web.call(site, "GET", ROUTE .. "?after=" .. second.next, { as = "bob" })
    assert.same({ 200, {}, second.next }, { status, third.changes, third.next })
    site.engine:close()
  end)

  it("refuses what is no cursor, and too long a wait", function()
    local site = web.new_site()
    for _, asked in ipairs { "after=x", "wait=31", "wait=x", "limit=0" } do
      local status, problem = web.call(site, "GET", ROUTE .. "?" .. asked, { as = "bob" })
      assert.same({ 422, "invalid" }, { status, problem.code }, asked)
    end
    site.engine:close()
  end)

  it("says where to go on behind what retention has removed", function()
    local site = web.new_site { retention = { age = 1000, count = false } }
    web.change(site)
    site.now = site.now + 1
    web.change(site)
    local _, page = web.call(site, "GET", ROUTE .. "?limit=1", { as = "bob" })
    local cursor = page.next
    site.now = site.now + 5000
    web.change(site)
    assert(site.engine:maintain())
    local status, problem = web.call(site, "GET", ROUTE .. "?after=" .. cursor, { as = "bob" })
    assert.same({ 410, "expired" }, { status, problem.code })
    status, page = web.call(site, "GET", ROUTE .. "?after=" .. problem.start, { as = "bob" })
    assert.same({ 200, 1 }, { status, #page.changes })
    site.engine:close()
  end)

  it("leaves out what the actor may not see, and goes on behind it", function()
    local host = web.new_host()
    local may = host.can
    function host.can(actor, permission, subject)
      local hidden = type(subject) == "table" and subject.company == "company-1" and actor.id == "eve"
      return not hidden and may(actor, permission, subject)
    end
    local site = web.new_site { host = host }
    web.question(site)
    web.question(site)
    local _, page = web.call(site, "GET", ROUTE, { as = "eve" })
    assert.same({ 1, "company-2" }, { #page.changes, page.changes[1].entry.company })
    _, page = web.call(site, "GET", ROUTE .. "?limit=1", { as = "eve" })
    assert.equal(0, #page.changes)
    _, page = web.call(site, "GET", ROUTE .. "?after=" .. page.next, { as = "eve" })
    assert.equal(1, #page.changes)
    site.engine:close()
  end)

  it("has at most 256 KB of changes", function()
    local site = web.new_site()
    local company = web.new_company(site)
    for i = 1, 60 do
      assert(site.engine:handle {
        trigger = "sale_registered", company = company, category = 1, actor = web.ACTORS.bob,
        sale = { id = i, name = ("x"):rep(7000) },
      })
    end
    local count, cursor, pages = 0, nil, 0
    repeat
      local answer = web.ask(site, "GET", ROUTE .. (cursor and "?after=" .. cursor or ""), { as = "bob" })
      assert.is_true(#answer.body < 260 * 1024)
      local page = json.decode(answer.body)
      count, cursor, pages = count + #page.changes, page.next, pages + 1
    until #page.changes == 0
    assert.same({ 60 + 2 * 59, true }, { count, pages > 2 })
    site.engine:close()
  end)
end)

describe("leadcat changes", function()
  after_each(stores.check)

  local function store_with(companies)
    local engine, path = stores.open {}
    assert(engine:save(stores.config { sale_won = CUSTOMER }))
    for _, company in ipairs(companies) do
      assert(engine.host:create(company, 1))
      assert(engine:handle { trigger = "sale_won", company = company })
    end
    engine:close()
    return path
  end

  it("lists them, and says where to go on", function()
    local path = store_with { "Acme", "Bolt" }
    local output, _, status = stores.leadcat("changes", "--path", path, "--limit", "1")
    assert.equal(0, status)
    local cursor, rest, last = output:match "^(%d+) [%d-]+ [%d:]+ ended Acme ([^\n]*)\nlater ones: %-%-after (%d+)\n$"
    assert.same({ "sale_won: Lead -> Customer updated", cursor }, { rest, last })
    output = stores.leadcat("changes", "--path", path, "--after", cursor, "--json")
    local page = assert(json.decode(output))
    assert.same({ 1, "Bolt" }, { #page.changes, page.changes[1].entry.company })
    local _, errors
    _, errors, status = stores.leadcat("changes", "--path", path, "--after", "x")
    assert.same({ 1, "leadcat: this is no cursor of changes\n" }, { status, errors })
  end)

  it("follows them until it is asked to end", function()
    local path = store_with { "Acme" }
    local follower = processes.start(([[
      arg = { [0] = "leadcat", "changes", "--follow", "--json", "--path", %q }
      local file = assert(io.open("/proc/self/stat"))
      print(file:read "*a":match "^%%d+")
      io.stdout:flush()
      dofile "lua/leadcat/bin/leadcat"
    ]]):format(path))
    local id = assert(follower:line())
    assert.equal("Acme", json.decode(follower:line()).entry.company)
    local engine = stores.open { path = path }
    assert(engine.host:create("Bolt", 1))
    assert(engine:handle { trigger = "sale_won", company = "Bolt" })
    assert.equal("Bolt", json.decode(follower:line()).entry.company)
    engine:close()
    os.execute("kill -TERM " .. id)
    assert.same({ "", 0 }, { follower:wait() })
    assert.same({}, core.check_store(path))
  end)
end)
