-- Over HTTP: the lists of questions and of the history, and the history as a file.

local stores = require "support.stores"
local web = require "support.web"

local LEAD, CUSTOMER = 1, 5 -- the preset's categories
local START, WEEK = 1700000000, 7 * 24 * 3600 -- 2023-11-14 22:13:20 UTC
local ACTORS, UNKNOWN, new_host = web.ACTORS, web.UNKNOWN, web.new_host
local new_site, ask, call = web.new_site, web.ask, web.call
local is_page, contains, lacks = web.is_page, web.contains, web.lacks
local new_company, question, change = web.new_company, web.question, web.change

-- Follows the links to the next page; gives what all pages have, and how many pages there were.
local function walk(site, address, fields)
  local items, pages = {}, 0
  repeat
    local status, page, answer = call(site, "GET", address, fields)
    assert.equal(200, status, address)
    for _, item in ipairs(page) do
      items[#items + 1] = item
    end
    pages = pages + 1
    assert.is_true(pages < 100)
    address = answer.headers.Link and assert(answer.headers.Link:match '^<([^>]+)>; rel="next"$')
  until not address
  return items, pages
end

local function pick(items, name)
  local values = {}
  for i, item in ipairs(items) do
    values[i] = item[name]
  end
  return values
end

-- Thirty questions: each third is Eve's, each second is answered; newest first, as lists are.
local function thirty(site)
  local ids = {}
  for i = 1, 30 do
    local id = question(site, i % 3 == 0 and ACTORS.eve or ACTORS.bob)
    if i % 2 == 0 then
      assert(site.engine:resolve(id, { decline = true }))
    end
    table.insert(ids, 1, id)
  end
  return ids
end

describe("the list of questions", function()
  after_each(stores.check)

  it("is walked by links, without gaps and without repeats", function()
    local site = new_site()
    local ids = thirty(site)
    for _, row in ipairs { { "", 1 }, { "?limit=1", 31 }, { "?limit=7", 5 }, { "?limit=10", 4 }, { "?limit=30", 2 },
      { "?limit=31", 1 }, { "?limit=1000", 1 }, { "?limit=&company=&user=&state=&after=", 1 } } do
      local items, pages = walk(site, "/leadcat/api/confirmations" .. row[1], { as = "bob" })
      assert.same(ids, pick(items, "id"), row[1])
      assert.equal(row[2], pages, row[1])
    end
    site.engine:close()
  end)

  it("is filtered by company, user and state, on every page", function()
    local site = new_site()
    thirty(site)
    for _, row in ipairs {
      { "user=eve", 10 }, { "user=bob", 20 }, { "user=nobody", 0 }, { "state=open", 15 }, { "state=declined", 15 },
      { "state=accepted", 0 }, { "state=expired", 0 }, { "user=eve&state=open", 5 }, { "company=company-5", 1 },
      { "company=company%2D5", 1 }, { "company=company-5&state=declined", 0 }, { "user=bob&user=eve", 10 },
    } do
      for _, limit in ipairs { 3, 1000 } do
        local items = walk(site, ("/leadcat/api/confirmations?limit=%d&%s"):format(limit, row[1]), { as = "bob" })
        assert.equal(row[2], #items, row[1])
        local expected = assert(site.engine:confirmations { user = row[1]:match "user=(eve)",
          state = row[1]:match "state=(%l+)", limit = 1000, company = row[1]:match "company=(company%-5)" })
        if not row[1]:find "user=[bn]" and not row[1]:find "%%" then
          assert.same(pick(expected, "id"), pick(items, "id"))
        end
      end
    end
    site.engine:close()
  end)

  it("takes no parameter for another one", function()
    local site = new_site()
    thirty(site)
    for _, query in ipairs {
      "limit=0", "limit=-1", "limit=1001", "limit=1.5", "limit=ten", "limit=1e2", "limit=0x10", "limit=+5",
      "limit=%205",
      "limit=99999999999999999999999", "state=closed", "state=OPEN", "state=open,declined", "state=__index",
      "company=" .. ("c"):rep(256), "user=" .. ("u"):rep(256), "after=x", "after=-1", "after=" .. UNKNOWN .. "%0a",
      "limit=1%00", "limit=nan", "limit=inf",
    } do
      local status, problem = call(site, "GET", "/leadcat/api/confirmations?" .. query, { as = "bob" })
      assert.same({ 422, "invalid" }, { status, problem.code }, query)
      contains(problem.error, query:match "^%l+")
    end
    local _, problem = call(site, "GET", "/leadcat/api/confirmations?limit=1" .. ("0"):rep(60), { as = "bob" })
    assert.equal("the parameter limit cannot be '1" .. ("0"):rep(59) .. "'", problem.error)
    for _, query in ipairs { "after=" .. UNKNOWN, "after=abc" } do -- there is no such question
      assert.equal(404, (call(site, "GET", "/leadcat/api/confirmations?" .. query, { as = "bob" })), query)
    end
    for _, query in ipairs { "nothing=1", "&&&", "=", "%", "limit", "?", "a[]=1&a[b]=2" } do
      assert.equal(200, (call(site, "GET", "/leadcat/api/confirmations?" .. query, { as = "bob" })), query)
    end
    site.engine:close()
  end)

  it("has only what the actor may see, as if there were nothing else", function()
    local host = new_host()
    function host.can(_, permission, subject)
      return permission ~= "view" or subject == nil or subject.company ~= "company-2" and subject.company ~= "company-3"
    end
    local site = new_site { host = host }
    for _ = 1, 5 do
      change(site)
      question(site)
    end
    for _, limit in ipairs { 1, 2, 3, 100 } do
      for _, path in ipairs { "confirmations", "history" } do
        local address = ("/leadcat/api/%s?limit=%d"):format(path, limit)
        local companies = pick(walk(site, address, { as = "bob" }), "company")
        assert.equal(path == "history" and 8 or 4, #companies, address)
        lacks(table.concat(companies, " ") .. " ", "company-2 ")
      end
    end
    lacks(ask(site, "GET", "/leadcat/confirmations", { as = "bob" }).body, "company-2<")
    lacks(ask(site, "GET", "/leadcat/history", { as = "bob" }).body, "company-3<")
    contains(ask(site, "GET", "/leadcat/history", { as = "bob" }).body, "company-4<")
    site.engine:close()
  end)

  it("is counted for a badge: what waits for the actor", function()
    local site = new_site()
    thirty(site)
    for who, count in pairs { bob = 10, eve = 5, ann = 0, hook = 0 } do
      local status, counted = call(site, "GET", "/leadcat/api/confirmations/count", { as = who })
      assert.same({ 200, { count = count } }, { status, counted }, who)
    end
    site.now = START + WEEK + 1
    local _, counted = call(site, "GET", "/leadcat/api/confirmations/count", { as = "bob" })
    assert.equal(0, counted.count)
    site.engine:close()
  end)

  it("is empty as a list, not as an object", function()
    local site = new_site()
    for _, path in ipairs { "confirmations", "history" } do
      local answer = ask(site, "GET", "/leadcat/api/" .. path, { as = "bob" })
      assert.same({ 200, "[]" }, { answer.status, answer.body })
      assert.is_nil(answer.headers.Link)
    end
    site.engine:close()
  end)
end)

describe("the history", function()
  after_each(stores.check)

  it("is walked by links, newest first, of all companies or of one", function()
    local site = new_site()
    local company = new_company(site)
    for i = 1, 24 do
      site.now = START + i
      if i % 3 == 0 then
        change(site, company)
        assert(site.engine.host.set_category(company, LEAD, CUSTOMER))
      else
        change(site)
      end
    end
    local all = pick(site.engine:history { limit = 1000 }, "entry")
    for _, row in ipairs { { "", 24 }, { "?limit=5", 24 }, { "?limit=24", 24 }, { "?limit=5&company=" .. company, 8 },
      { ("?since=%d"):format(START + 20), 5 }, { ("?since=%d.5&limit=2"):format(START + 20), 4 },
      { ("?since=%d&limit=1&company=%s"):format(START + 10, company), 5 }, { "?company=nobody", 0 }, { "?since=0", 24 },
      { ("?before=%d&limit=3"):format(START + 6), 5 }, { "?actor=bob&limit=7", 24 }, { "?actor=Bob", 24 },
      { "?actor=ann", 0 }, { "?trigger=sale_won&status=updated&revision=1&limit=10", 24 }, { "?revision=2", 0 },
      { "?trigger=sale_lost", 0 }, { "?status=failed", 0 }, { "?run=none", 0 }, { "?sale=none", 0 },
      { "?since=9007199254740993", 0 }, { "?since=" .. ("9"):rep(400), 0 },
    } do
      local items = walk(site, "/leadcat/api/history" .. row[1], { as = "bob" })
      assert.equal(row[2], #items, row[1]:sub(1, 60))
      if row[2] == 24 then
        assert.same(all, pick(items, "entry"))
      end
    end
    site.engine:close()
  end)

  it("has what came to nothing for who asks for it, on every page; with the words of a guard for everybody", function()
    local site = new_site { record_unchanged = "full" }
    site.engine:on("guard", function() return false, "Frozen by finance." end)
    for i = 1, 5 do
      site.now = START + i
      local outcome = site.engine:handle { trigger = "sale_won", company = new_company(site) }
      assert.equal("vetoed", outcome.reason)
    end
    assert.same({}, (walk(site, "/leadcat/api/history", { as = "bob" })))
    local items, pages = walk(site, "/leadcat/api/history?unchanged=true&limit=2", { as = "bob" })
    assert.same({ 5, 3, "unchanged", "Frozen by finance." }, { #items, pages, items[1].status, items[1].error })
    assert.equal(422, (call(site, "GET", "/leadcat/api/history?unchanged=1", { as = "bob" })))
    site.engine:close()
  end)

  it("takes no parameter for another one", function()
    local site = new_site()
    change(site)
    for _, query in ipairs {
      "limit=0", "limit=1001", "limit=x", "since=x", "since=-1", "since=1e9", "since=.5", "since=0x1", "since=nan",
      "since=inf", "after=x", "after=0", "after=-1", "after=1.5", "after=" .. UNKNOWN, "after=9007199254740994",
      "after=" .. ("9"):rep(400), "company=" .. ("c"):rep(256), "actor=" .. ("c"):rep(256), "trigger=won",
      "status=done", "revision=0", "revision=x", "before=x",
    } do
      local status, problem = call(site, "GET", "/leadcat/api/history?" .. query, { as = "bob" })
      assert.same({ 422, "invalid" }, { status, problem.code }, query:sub(1, 60))
      if not query:find "^limit" and not query:find "^since" and not query:find "^before" then
        assert.equal(422, is_page(ask(site, "GET", "/leadcat/history?" .. query, { as = "bob" })).status, query)
        assert.equal(422, is_page(ask(site, "GET", "/leadcat/history.csv?" .. query, { as = "bob" })).status, query)
      end
    end
    for _, query in ipairs { "from=x", "from=2026-13-01", "to=2026-1-1", "to=1", "from=2026-11-01T00:00:00" } do
      assert.equal(422, is_page(ask(site, "GET", "/leadcat/history?" .. query, { as = "bob" })).status, query)
    end
    assert.equal(200, (call(site, "GET", "/leadcat/api/history?after=9007199254740992", { as = "bob" })))
    site.engine:close()
  end)
end)

describe("the history as a file", function()
  after_each(stores.check)

  local function file(site, query, as)
    local answer = ask(site, "GET", "/leadcat/history.csv" .. query, { as = as or "bob" })
    assert.equal(200, answer.status)
    assert.equal("text/csv; charset=utf-8; header=present", answer.headers["Content-Type"])
    assert.equal('attachment; filename="history.csv"', answer.headers["Content-Disposition"])
    local lines = {}
    for line in answer.body:gmatch "(.-)\r\n" do
      lines[#lines + 1] = line
    end
    return lines, answer
  end

  it("has what the filters let through, and a heading alone when that is nothing", function()
    local site = new_site()
    assert(site.engine.host:create("=1+1", LEAD))
    change(site, "=1+1")
    change(site)
    local lines, answer = file(site, "")
    assert.equal(3, #lines)
    assert.matches("^\239\187\191entry,at,company,", lines[1])
    assert.matches("^%d+,2023%-11%-14T22:13:20Z,company%-%d+,,sale_won,sale_won,1,updated,1,Lead,5,Customer,bob,Bob,",
      lines[2])
    assert.matches(",'=1+1,", lines[3], 1, true)
    assert.is_nil(answer.headers.Link)
    assert.equal(2, #file(site, "?company==1%2B1"))
    assert.equal(1, #file(site, "?actor=eve"))
    assert.matches("Kunde", file(site, "", "kai")[2], 1, true)
    site.engine:close()
  end)

  it("has only what the actor may see", function()
    local host = new_host()
    function host.can(_, permission, subject)
      return permission ~= "view" or subject == nil or subject.company ~= "company-1"
    end
    local site = new_site { host = host }
    change(site)
    change(site)
    local lines = file(site, "")
    assert.equal(2, #lines)
    contains(lines[2], "company-2")
    site.engine:close()
  end)

  it("is followed by another when there are more than ten thousand", function()
    local site = new_site()
    local events = {}
    for i = 1, 10003 do
      events[i] = { trigger = "sale_registered", company = i, category = LEAD, actor = ACTORS.bob }
    end
    assert(site.engine:handle_many(events))
    local lines, answer = file(site, "?actor=bob")
    assert.equal(10001, #lines)
    local link = assert(answer.headers.Link:match '^</leadcat/history%.csv(%?actor=bob&after=%d+)>; rel="next"$')
    lines, answer = file(site, link)
    assert.same({ 4, nil }, { #lines, answer.headers.Link })
    site.engine:close()
  end)
end)
