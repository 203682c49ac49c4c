-- How much over HTTP is too much: of an event, of a request, and of an answer.

local http = require "leadcat.http"
local json = require "leadcat.util.json"
local stores = require "support.stores"
local web = require "support.web"

local LEAD = 1 -- the preset's category
local new_site, ask, call, contains, entries = web.new_site, web.ask, web.call, web.contains, web.entries
local DAY = 24 * 3600

local function post(site, value, path)
  return call(site, "POST", path or "/leadcat/api/events", { as = "bob", json = value })
end

local function registered(company, more)
  local event = { trigger = "sale_registered", company = company }
  for name, value in pairs(more or {}) do
    event[name] = value
  end
  return event
end

describe("an event over HTTP", function()
  after_each(stores.check)

  it("has at most 8 KB that are kept, of its sale, contact and actor together", function()
    local site = new_site()
    local company = web.new_company(site)
    local around = #json.encode { actor = { id = "bob", name = "Bob" }, sale = { name = "" } }
    for size, expected in pairs { [8192 - around] = 200, [8193 - around] = 422 } do
      for _, path in ipairs { "/leadcat/api/propose", "/leadcat/api/events" } do
        local status, problem = post(site, registered(company, { sale = { name = ("n"):rep(size) } }), path)
        assert.equal(expected, status)
        contains(problem.error or "8192", "8192")
      end
    end
    local half = ("n"):rep(4200)
    for _, details in ipairs {
      { sale = { note = half }, contact = { name = half } }, { sale = { [half] = half } },
      { contact = { list = { half, half } } }, { sale = { name = ("\1"):rep(1400) } }, -- six bytes each
    } do
      assert.equal(422, (post(site, registered(company, details))))
      local status, problem = post(site, { registered(company), registered(company, details) })
      assert.equal(422, status)
      contains(problem.error, "events[2]: ")
    end
    assert.equal(1, entries(site))
    site.engine:close()
  end)

  it("that is sent in few bytes is not encoded to be measured: JSON of ours has at most eight times as many", function()
    local values = { "0.1", "0.3", "-0.1", "5e-5", "9e15", "1e300", "1e-9", '"\1"', '"\255"', '"\127"', "{}", "true" }
    for _, value in ipairs(values) do
      local sent = "[" .. value .. ("," .. value):rep(100) .. "]"
      assert.is_true(#json.encode((json.decode(sent, true))) <= 8 * #sent, value)
    end
  end)

  it("counts with the name of its actor, however little was sent", function()
    local site = new_site()
    local event = json.encode(registered(web.new_company(site)))
    for size, expected in pairs { [8000] = 200, [8192] = 422 } do
      site.app = http.new { engine = site.engine, authenticate = function()
        return { id = 1, name = ("n"):rep(size), service = true }
      end }
      assert.equal(expected, site.app:respond({ method = "POST", path = "/leadcat/api/events", body = event,
        headers = { ["content-type"] = "application/json" } }).status)
    end
    site.engine:close()
  end)

  it("may have happened at most a day ahead", function()
    local site = new_site()
    for ahead, expected in pairs {
      [DAY] = 200, [0] = 200, [DAY + 1] = "a day ahead", [1000 * site.now] = "not of milliseconds",
      [1e300] = "the year 9999",
    } do
      local status, problem = post(site, registered(web.new_company(site), { at = site.now + ahead }))
      assert.equal(expected == 200 and 200 or 422, status, tostring(ahead))
      contains(problem.error or "", expected == 200 and "" or expected)
    end
    site.engine:close()
  end)

  it("comes with at most 999 others", function()
    local site = new_site()
    local events = {}
    for i = 1, 1000 do
      events[i] = registered("company")
    end
    assert(site.engine.host:create("company", LEAD))
    local status, outcomes = post(site, events)
    assert.same({ 200, 1000 }, { status, #outcomes })
    events[1001] = registered("company")
    local before = entries(site)
    local problem
    status, problem = post(site, events)
    assert.same({ 413, "too_large" }, { status, problem.code })
    contains(problem.detail, "at most 1000 events, not 1001")
    assert.equal(before, entries(site))
    site.engine:close()
  end)

  it("is not told how large it may be by the body's limit alone", function()
    local site = new_site()
    local answer = ask(site, "POST", "/leadcat/api/events", {
      as = "bob", type = web.JSON, body = function() return nil, "too_large" end,
    })
    assert.equal(413, answer.status)
    contains(answer.body, web.text_of(site, "problem.too_large"))
    site.engine:close()
  end)
end)

-- Answers --------------------------------------------------------------------------------------------------------------

local LARGEST = 256 * 1024
local MORE = 4096 -- what an answer has around its items, at most

describe("an answer over HTTP", function()
  after_each(stores.check)

  -- Goes from page to page, which all are small; gives what `items` finds in each, and how many pages there are.
  local function follow(site, path, fields, items)
    local all, pages, method = {}, 0, fields and "POST" or "GET"
    while path do
      local answer = ask(site, method, path, { as = "ann", json = fields })
      assert.equal(200, answer.status, path)
      assert.is_true(#answer.body <= LARGEST + MORE, ("%s has %d bytes"):format(path, #answer.body))
      for _, item in ipairs(items(json.decode(answer.body))) do
        all[#all + 1] = item
      end
      pages, path = pages + 1, (answer.headers.Link or ""):match '^<(.*)>; rel="next"$'
    end
    return all, pages
  end

  local function as_it_is(list) return list end

  -- Questions and changes about as many companies, whose details are as large as they may be.
  local function filled(count)
    local site = new_site()
    for i = 1, count do
      local company = web.new_company(site)
      assert(site.engine:handle { trigger = "sale_registered", company = company, sale = { note = ("n"):rep(8000) } })
      assert(site.engine:handle { trigger = "sale_won", company = company, sale = { id = i, note = ("n"):rep(8000) } })
    end
    return site
  end

  it("has at most 256 KB, and a link to the rest: entries and questions", function()
    local site = filled(80)
    for path, expected in pairs {
      ["/leadcat/api/history?limit=1000"] = site.engine:history { limit = 1000 },
      ["/leadcat/api/history?limit=1000&trigger=sale_won"] = site.engine:history { limit = 1000, trigger = "sale_won" },
      ["/leadcat/api/history"] = site.engine:history { limit = 1000 },
      ["/leadcat/api/confirmations?limit=1000"] = site.engine:confirmations { limit = 1000 },
    } do
      local found, pages = follow(site, path, nil, as_it_is)
      assert.same(json.decode(json.encode(expected)), found)
      assert.is_true(pages > 2, path)
    end
    site.engine:close()
  end)

  it("has at most 256 KB, and a link to the rest: a preview of an undo", function()
    local site = new_site()
    local events = {}
    for i = 1, 1500 do
      local company = ("company %d "):format(i) .. ("c"):rep(200)
      assert(site.engine.host:create(company, LEAD))
      events[i] = { trigger = "sale_won", company = company }
    end
    assert(site.engine:handle_many(events))
    local preview = { revision = 1, preview = true }
    local found, pages = follow(site, "/leadcat/api/undo", preview, function(result)
      assert.same({ undone = 1500, cancelled = 0, refused = 0 }, result.counts)
      return result.undone
    end)
    assert.equal(json.encode(site.engine:undo(preview).undone), json.encode(found))
    assert.is_true(pages > 1)
    local answer = ask(site, "POST", "/leadcat/api/undo", { as = "ann", json = { revision = 1 } })
    assert.is_true(#answer.body <= LARGEST + MORE)
    local result = json.decode(answer.body)
    assert.equal(1500, result.counts.undone)
    local done = follow(site, answer.headers.Link:match "^<(.*)>", nil, as_it_is)
    assert.equal(1500, #done)
    assert.equal(result.run, done[1500].run)
    site.engine:close()
  end)

  it("has at most 256 KB, and a link to the rest: the changes of a revision", function()
    local site = new_site()
    local cfg = site.engine:config()
    for i = 1, 3000 do
      cfg.lead_statuses[#cfg.lead_statuses + 1] = { id = 1000 + i, name = ("<%d> "):format(i) .. ("&"):rep(90) }
    end
    assert(site.engine:save(cfg))
    local path, pages, changes = "/leadcat/history/revisions/2", 0, 0
    while path do
      local answer = web.is_page(ask(site, "GET", path, { as = "ann" }))
      assert.is_true(#answer.body <= LARGEST, ("%s has %d bytes"):format(path, #answer.body))
      changes = changes + select(2, answer.body:gsub("&lt;%d+&gt;", ""))
      pages, path = pages + 1, (answer.headers.Link or ""):match '^<(.*)>; rel="next"$'
      contains(answer.body, path and "More changes" or "</html>")
    end
    assert.equal(3000, changes)
    assert.is_true(pages > 2)
    site.engine:close()
  end)

  it("has at most 256 KB, as a page: the history and the inbox, whatever names are in them", function()
    local site = new_site()
    for i = 1, 60 do
      local company = ("%d"):format(i) .. ("<"):rep(250)
      assert(site.engine.host:create(company, LEAD))
      assert(site.engine:handle { trigger = "sale_registered", company = company, actor = web.ACTORS.ann,
        sale = { name = ("&"):rep(8000) }, contact = { name = ("'"):rep(8000) } })
      assert(site.engine:handle { trigger = "sale_won", company = company, actor = web.ACTORS.ann,
        sale = { name = ("&"):rep(8000) } })
      assert(site.engine:handle { trigger = "sale_registered", company = web.new_company(site), actor = web.ACTORS.ann,
        sale = { name = ("<"):rep(8000) } })
    end
    for _, path in ipairs { "/leadcat/history", "/leadcat/confirmations" } do
      local answer = ask(site, "GET", path, { as = "ann" })
      assert.is_true(#answer.body <= LARGEST, ("%s has %d bytes"):format(path, #answer.body))
      contains(answer.body, "after=")
    end
    site.engine:close()
  end)

  it("has a page of rows, however many rules there are: the settings", function()
    local function settings(count)
      local site = new_site()
      local cfg = site.engine:config()
      for i = 1, count do
        cfg.lead_statuses[#cfg.lead_statuses + 1] = { id = 1000 + i, name = { en = "Status " .. i }, rank = 1000 + i }
        cfg.rules[#cfg.rules + 1] = {
          trigger = "lead_status_set", lead_status = 1000 + i, enabled = true, set_category = 5,
        }
      end
      assert(site.engine:save(cfg))
      local body = web.is_page(ask(site, "GET", "/leadcat/settings", { as = "ann" })).body
      contains(body, '<option dir="auto" selected value="1001">Status 1</option>') -- each row has its own status, chosen
      local saved = ask(site, "POST", "/leadcat/settings", { as = "ann", form = { ["do"] = "save", revision = "2" } })
      assert.equal(303, saved.status)
      assert.equal(#cfg.rules, #site.engine:config().rules)
      site.engine:close()
      return #body
    end
    local few, many = settings(200), settings(800)
    assert.is_true(many < 1.1 * few, ("%d bytes, and %d of four times as many rules"):format(few, many))
  end)

  it("has at most 256 KB, and a link to the rest: why, where there are a thousand rules", function()
    local site = new_site()
    local cfg = site.engine:config()
    for i = 1, 1000 do
      cfg.lead_statuses[#cfg.lead_statuses + 1] = { id = 1000 + i, name = { en = "Status " .. i }, rank = i }
      cfg.rules[#cfg.rules + 1] = {
        trigger = "lead_status_set", lead_status = 1000 + i, enabled = true, set_category = 5,
      }
    end
    assert(site.engine:save(cfg))
    local company = web.new_company(site)
    local found, pages = follow(site, "/leadcat/api/explain?company=" .. company, nil, function(why)
      return why.decisions
    end)
    local expected = site.engine:why(company).decisions
    assert.equal(#expected, #found)
    for i, decision in ipairs(expected) do
      assert.equal(json.encode(decision), json.encode(found[i]))
    end
    assert.is_true(pages > 2)
    site.engine:close()
  end)
end)
