-- How much over HTTP is too much: of an event, of a request, and of an answer.

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
        contains(problem.detail or "8192", "8192")
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
      contains(problem.detail, "events[2]: ")
    end
    assert.equal(1, entries(site))
    site.engine:close()
  end)

  it("may have happened at most a day ahead", function()
    local site = new_site()
    for ahead, expected in pairs { [DAY] = 200, [DAY + 1] = 422, [1000 * site.now] = 422, [1e300] = 422, [0] = 200 } do
      local status, problem = post(site, registered(web.new_company(site), { at = site.now + ahead }))
      assert.equal(expected, status, tostring(ahead))
      contains(problem.detail or "a day ahead", "a day ahead")
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
