-- Over HTTP, for operators: metrics, health, what the application needs, tenants, and what goes wrong inside.

local crm = require "support.crm"
local http = require "leadcat.http"
local stores = require "support.stores"
local web = require "support.web"

local CUSTOMER = 5 -- the preset's category
local ACTORS, JSON, NOBODY, RULES = web.ACTORS, web.JSON, web.NOBODY, web.RULES
local SECRET, authenticate, new_host, new_site = web.SECRET, web.authenticate, web.new_host, web.new_site
local check, ask, call, contains = web.check, web.ask, web.call, web.contains
local lacks, new_company = web.lacks, web.new_company
local question, change, entries = web.question, web.change, web.entries

-- Prometheus' text format: the samples by name and labels, the families by name.
local function parse_metrics(text)
  local samples, families = {}, {}
  assert.equal("\n", text:sub(-1))
  for line in text:gmatch "([^\n]*)\n" do
    local name, kind = line:match "^# TYPE ([%a_:][%w_:]*) (%l+)$"
    if name then
      assert.is_nil(families[name], line)
      families[name] = kind
    elseif not line:find "^# HELP [%a_:][%w_:]* %S" then
      local family, labels, value = line:match "^([%a_:][%w_:]*)(%b{}) (%d+)$"
      if not family then
        family, value = line:match "^([%a_:][%w_:]*) (%d+)$"
        labels = ""
      end
      assert.is_truthy(family, line)
      assert.is_truthy(families[family], line)
      for label in labels:sub(2, -2):gmatch "[^,]+" do
        assert.is_truthy(label:find '^[%a_][%w_]*="[^"\\]*"$', line)
      end
      assert.is_nil(samples[family .. labels], line)
      samples[family .. labels] = tonumber(value)
    end
  end
  return samples, families
end

describe("the metrics", function()
  after_each(stores.check)

  local function metrics(site, fields)
    fields = fields or {}
    fields.as = "hook"
    local answer = ask(site, "GET", "/leadcat/metrics", fields)
    assert.equal(200, answer.status)
    assert.equal("text/plain; version=0.0.4; charset=utf-8", answer.headers["Content-Type"])
    return parse_metrics(answer.body)
  end

  it("count what all engines of a store have done, whichever is asked", function()
    local one = new_site()
    local two = new_site { path = one.path }
    local three = new_site { path = one.path }
    for i = 1, 7 do
      local site = ({ one, two, three })[i % 3 + 1]
      site.companies = i * 10
      change(site)
      question(site)
      assert(site.engine:handle { trigger = "sale_lost", company = new_company(site), category = CUSTOMER })
    end
    for _, site in ipairs { two, three, one, two } do
      site.engine:flush()
    end
    for _, site in ipairs { one, two, three } do
      local samples, families = metrics(site)
      assert.same({ 7, 7, 7, 7 }, {
        samples['leadcat_events_total{trigger="sale_won",status="updated",reason="matched"}'],
        samples['leadcat_events_total{trigger="sale_registered",status="awaiting_confirmation",reason="matched"}'],
        samples['leadcat_events_total{trigger="sale_lost",status="unchanged",reason="not_potential_customer"}'],
        samples.leadcat_confirmations_open,
      })
      assert.same({ "counter", "gauge", "gauge" }, { families.leadcat_events_total, families.leadcat_confirmations_open,
        families.leadcat_map_used_bytes })
      assert.is_true(samples['leadcat_map_used_bytes{file="journal"}'] > 0)
      assert.is_true(samples['leadcat_map_size_bytes{file="config"}'] > 0)
    end
    change(two) -- not flushed: whoever is asked tells his own at once
    assert.equal(8, metrics(two)['leadcat_events_total{trigger="sale_won",status="updated",reason="matched"}'])
    one.engine:close()
    two.engine:close()
    three.engine:close()
  end)

  it("are there before anything has happened", function()
    local site = new_site()
    local samples = metrics(site)
    assert.equal(0, samples.leadcat_confirmations_open)
    site.engine:close()
  end)

  it("of a tenant are its own", function()
    local site = new_site()
    change(site)
    local samples = metrics(site, { tenant = "other" })
    assert.is_nil(samples['leadcat_events_total{trigger="sale_won",status="updated",reason="matched"}'])
    site.engine:close()
  end)
end)

describe("the health", function()
  after_each(stores.check)

  it("is 200 while the store can be read, and 503 when it cannot", function()
    local site = new_site()
    for _, who in ipairs { NOBODY, "ann", "raises" } do
      local status, body = call(site, "GET", "/leadcat/health", { as = who })
      assert.same({ 200, { status = "ok" } }, { status, body })
    end
    local engine = site.engine
    local config = engine.config
    function engine.config()
      return nil, SECRET, "corrupt"
    end
    local answer = ask(site, "GET", "/leadcat/health")
    assert.same({ 503, SECRET }, { answer.status, answer.log })
    engine.config = config
    local mend = stores.fail(engine, "probe")
    answer = ask(site, "GET", "/leadcat/health")
    assert.same({ 503, "no room" }, { answer.status, answer.log })
    mend()
    engine:close()
    answer = ask(site, "GET", "/leadcat/health")
    assert.equal(503, answer.status)
    contains(answer.log, "closed")
    site.app = http.new { authenticate = authenticate, engine = function() error(SECRET) end }
    answer = ask(site, "GET", "/leadcat/health")
    assert.equal(503, answer.status)
    contains(answer.log, SECRET)
  end)
end)

describe("what is not given to the application", function()
  it("is a programmer's mistake", function()
    local function nobody() end
    for _, options in ipairs {
      {}, { engine = {} }, { authenticate = nobody }, { engine = 1, authenticate = nobody },
      { engine = {}, authenticate = {} }, { engine = {}, authenticate = nobody, prefix = 1 },
      { engine = {}, authenticate = nobody, cookie = "x" },
      { engine = {}, authenticate = nobody, frame_ancestors = {} },
    } do
      assert.has_error(function() http.new(options) end)
    end
    assert.has_error(function() http.new() end)
  end)
end)

describe("tenants", function()
  after_each(stores.check)

  it("are kept apart on every route", function()
    local host = crm.new {}
    local site = new_site { host = host }
    local other = site.engine:tenant "other"
    assert(other:save(stores.config(RULES)))
    assert(other:save(other:config()))
    local id, company = question(site)
    local entry = change(site)
    local theirs = { as = "ann", tenant = "other" }
    local function as_other(fields)
      fields.as, fields.tenant = "ann", "other"
      return fields
    end
    local function list(path)
      local status, items = call(site, "GET", path, theirs)
      return { status, items }
    end
    assert.same({ 200, {} }, list "/leadcat/api/history")
    assert.same({ 200, {} }, list "/leadcat/api/confirmations")
    assert.equal(404, ask(site, "GET", "/leadcat/api/confirmations/" .. id, theirs).status)
    assert.equal(404, ask(site, "GET", "/leadcat/confirmations/" .. id, theirs).status)
    assert.equal(404, ask(site, "GET", "/leadcat/api/confirmations?after=" .. id, theirs).status)
    lacks(ask(site, "GET", "/leadcat/confirmations", theirs).body, id)
    lacks(ask(site, "GET", "/leadcat/confirmations?answered=" .. id, theirs).body, company)
    lacks(ask(site, "GET", "/leadcat/history", theirs).body, company)
    local answer = as_other { json = { accept = true } }
    assert.equal(404, ask(site, "POST", "/leadcat/api/confirmations/" .. id, answer).status)
    assert.equal(404, ask(site, "POST", ("/leadcat/api/history/%d/undo"):format(entry), as_other {}).status)
    assert.equal('"2"', ask(site, "GET", "/leadcat/api/config", theirs).headers.ETag)
    assert.equal('"1"', ask(site, "GET", "/leadcat/api/config", { as = "ann" }).headers.ETag)
    assert.equal(200, ask(site, "PUT", "/leadcat/api/config", as_other {
      json = stores.config {}, headers = { ["if-match"] = '"2"' },
    }).status)
    assert.equal(303, ask(site, "POST", "/leadcat/settings", as_other {
      form = { ["do"] = "save", revision = "3", ["category.1.name"] = "Prospect" },
    }).status)
    local _, outcome = call(site, "POST", "/leadcat/api/events", as_other {
      json = { trigger = "sale_won", company = company, tenant = "" },
    })
    assert.equal("rule_disabled", outcome.reason)
    assert.equal(204, ask(site, "POST", "/leadcat/api/propose", as_other {
      json = { trigger = "sale_registered", company = company },
    }).status)
    assert.same({ 1, 4 }, { site.engine:config().revision, other:config().revision })
    assert.equal("open", site.engine:confirmation(id).state)
    site.engine:close()
  end)

  it("are the host's to name: what is no name is its mistake", function()
    local site = new_site()
    for _, tenant in ipairs { 5, true, {}, ("t"):rep(65) } do
      site.app = http.new { engine = site.engine, authenticate = function() return ACTORS.ann, tenant end }
      local answer = ask(site, "GET", "/leadcat/api/config")
      assert.equal(500, answer.status)
      contains(answer.log, "tenant")
    end
    site.engine:close()
  end)
end)

describe("what goes wrong inside", function()
  after_each(stores.check)

  it("is told to the operator, not to the client: a store that was closed", function()
    local site = new_site()
    local id, entry = question(site), change(site)
    site.engine:close()
    for _, row in ipairs {
      { "GET", "/settings" }, { "POST", "/settings", { form = { ["do"] = "save" } } }, { "GET", "/confirmations" },
      { "GET", "/confirmations/" .. id }, { "GET", "/history" }, { "GET", "/api/config" },
      { "PUT", "/api/config", { json = {}, headers = { ["if-match"] = "*" } } },
      { "POST", "/api/events", { json = { trigger = "sale_won", company = 1 } } },
      { "POST", "/api/propose", { json = { trigger = "sale_won", company = 1 } } }, { "GET", "/api/confirmations" },
      { "GET", "/api/confirmations/count" }, { "GET", "/api/confirmations/" .. id },
      { "POST", "/api/confirmations/" .. id, { json = { accept = true } } }, { "GET", "/api/history" },
      { "POST", ("/api/history/%d/undo"):format(entry) }, { "GET", "/metrics" },
    } do
      local fields = row[3] or {}
      fields.as = "ann"
      local answer = ask(site, row[1], "/leadcat" .. row[2], fields)
      assert.equal(500, answer.status, row[2])
      contains(answer.log, "closed")
      lacks(answer.body, "closed")
      lacks(answer.body, ".lua")
    end
    assert.equal(200, ask(site, "GET", "/leadcat/leadcat.js").status)
  end)

  it("is a 503 when the host raises, and nothing is written", function()
    for _, name in ipairs { "category", "licensed", "can" } do
      local host = new_host()
      local site = new_site { host = host }
      local company = new_company(site)
      host[name] = function() error(SECRET) end
      for _, path in ipairs { "events", "propose" } do
        local answer = ask(site, "POST", "/leadcat/api/" .. path, {
          as = "bob", json = { trigger = "sale_won", company = company },
        })
        assert.equal(503, answer.status, name)
        contains(answer.log, SECRET)
        assert.equal("5", answer.headers["Retry-After"])
      end
      assert.equal(0, entries(site))
      site.engine:close()
    end
  end)

  it("is no more than a number where a name is asked for: a host's company_name", function()
    local host = new_host()
    function host.company_name()
      error(SECRET)
    end
    local site = new_site { host = host }
    local _, company = question(site)
    contains(ask(site, "GET", "/leadcat/confirmations", { as = "bob" }).body, company)
    site.engine:close()
  end)

  it("is a 500 for whatever an engine gives, by its code", function()
    local site = new_site()
    local config = site.engine.config
    for code, status in pairs { io = 500, corrupt = 500, forked = 500, full = 507, unavailable = 503, strange = 500 } do
      site.engine.config = function()
        return nil, SECRET, code
      end
      local answer = ask(site, "GET", "/leadcat/api/config", { as = "ann" })
      assert.same({ status, SECRET }, { answer.status, answer.log })
    end
    local sulky = setmetatable({}, { __tostring = function() error "again" end })
    for _, raised in ipairs { SECRET, { SECRET }, sulky, 5 } do
      site.engine.config = function()
        error(raised)
      end
      local answer = ask(site, "GET", "/leadcat/api/config", { as = "ann" })
      assert.equal(500, answer.status)
      assert.equal("string", type(answer.log))
    end
    site.engine.config = config
    site.engine:close()
  end)

  it("is an `authenticate` that gives no actor: nobody is signed in", function()
    local site = new_site()
    for _, actor in ipairs { false, true, 5, "ann", function() end } do
      site.app = http.new { engine = site.engine, authenticate = function() return actor end }
      assert.equal(401, ask(site, "GET", "/leadcat/settings").status)
      assert.equal(401, (call(site, "GET", "/leadcat/api/config")))
    end
    site.engine:close()
  end)

  it("is a request that is none", function()
    local site = new_site()
    for _, request in ipairs {
      {}, { method = "GET" }, { path = "/leadcat/health", headers = {} },
      { method = "GET", path = 5, headers = {} }, { method = {}, path = "/leadcat/health", headers = {} },
      { method = "GET", path = "/leadcat/history", headers = {}, query = 5 },
      { method = "GET", path = "/leadcat/history", headers = 5 },
      { method = "POST", path = "/leadcat/api/events", headers = { cookie = "hook", ["content-type"] = JSON },
      body = {} },
    } do
      local answer = check(site.app:respond(request))
      assert.is_true(answer.status >= 400)
    end
    site.engine:close()
  end)
end)
