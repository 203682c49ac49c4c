-- Who may call what over HTTP, as one table; and which pages may change something.

local http = require "leadcat.http"
local stores = require "support.stores"
local web = require "support.web"

local LEAD = 1 -- the preset's category
local NOBODY, SECRET, UNKNOWN = web.NOBODY, web.SECRET, web.UNKNOWN
local new_host, new_site, ask, call = web.new_host, web.new_site, web.ask, web.call
local contains, text_of, new_company, category_of = web.contains, web.text_of, web.new_company, web.category_of
local question, change, entries, fill = web.question, web.change, web.entries, web.fill

-- A host without `can`, then one that denies one thing to each, then hosts that raise.
local COLUMNS = {
  NOBODY, "bob", "eve", "ann", "hook", "no_view", "no_report", "no_configure", "no_undo", "can_raises", "raises",
}
local OWN_HOST = { no_view = true, no_report = true, no_configure = true, no_undo = true, can_raises = true }
local MATRIX = { --                         nobody bob eve ann hook  view report configure undo  can auth
  ["GET /settings"] =                       { 401, 403, 403, 200, 403, 200, 200, 403, 200, 503, 503 },
  ["POST /settings"] =                      { 401, 403, 403, 303, 403, 303, 303, 403, 303, 503, 503 },
  ["GET /confirmations"] =                  { 401, 200, 200, 200, 200, 403, 200, 200, 200, 503, 503 },
  ["GET /confirmations/{id}"] =             { 401, 200, 200, 200, 200, 404, 200, 200, 200, 503, 503 },
  ["GET /confirmations/{unknown}"] =        { 401, 404, 404, 404, 404, 404, 404, 404, 404, 404, 503 },
  ["GET /overview"] =                       { 401, 200, 200, 200, 200, 403, 200, 200, 200, 503, 503 },
  ["GET /history"] =                        { 401, 200, 200, 200, 200, 403, 200, 200, 200, 503, 503 },
  ["GET /history.csv"] =                    { 401, 200, 200, 200, 200, 403, 200, 200, 200, 503, 503 },
  ["GET /history/revisions/1"] =            { 401, 200, 200, 200, 200, 403, 200, 200, 200, 503, 503 },
  ["GET /history/revisions/99"] =           { 401, 404, 404, 404, 404, 403, 404, 404, 404, 503, 503 },
  ["GET /drift"] =                          { 401, 403, 403, 200, 403, 200, 200, 403, 200, 503, 503 },
  ["GET /drift.csv"] =                      { 401, 403, 403, 200, 403, 200, 200, 403, 200, 503, 503 },
  ["POST /drift"] =                         { 401, 403, 403, 303, 403, 303, 303, 403, 303, 503, 503 },
  ["GET /suggestions"] =                    { 401, 403, 403, 200, 403, 200, 200, 403, 200, 503, 503 },
  ["GET /api/suggestions"] =                { 401, 403, 403, 200, 403, 200, 200, 403, 200, 503, 503 },
  ["GET /versions"] =                       { 401, 200, 200, 200, 200, 403, 200, 200, 200, 503, 503 },
  ["GET /versions/1"] =                     { 401, 403, 403, 200, 403, 200, 200, 403, 200, 503, 503 },
  ["POST /versions/1"] =                    { 401, 403, 403, 303, 403, 303, 303, 403, 303, 503, 503 },
  ["GET /versions/99"] =                    { 401, 403, 403, 404, 403, 404, 404, 403, 404, 503, 503 },
  ["GET /why"] =                            { 401, 200, 200, 200, 200, 403, 200, 200, 200, 503, 503 },
  ["GET /why?company={company}"] =          { 401, 200, 200, 200, 200, 403, 200, 200, 200, 503, 503 },
  ["GET /why?company=nobody"] =             { 401, 404, 404, 404, 404, 403, 404, 404, 404, 503, 503 },
  ["GET /companies/{company}/panel"] =      { 401, 200, 200, 200, 200, 404, 200, 200, 200, 503, 503 },
  ["GET /companies/nobody/panel"] =         { 401, 404, 404, 404, 404, 404, 404, 404, 404, 503, 503 },
  ["POST /api/propose"] =                   { 401, 200, 200, 200, 200, 403, 403, 200, 200, 503, 503 },
  ["GET /api/explain?company=x"] =          { 401, 200, 200, 200, 200, 403, 200, 200, 200, 503, 503 },
  ["POST /api/explain"] =                   { 401, 200, 200, 200, 200, 403, 200, 200, 200, 503, 503 },
  ["GET /api/config"] =                     { 401, 403, 403, 200, 403, 200, 200, 403, 200, 503, 503 },
  ["GET /api/fields"] =                     { 401, 403, 403, 200, 403, 200, 200, 403, 200, 503, 503 },
  ["GET /api/triggers"] =                   { 401, 200, 200, 200, 200, 403, 200, 200, 200, 503, 503 },
  ["PUT /api/config"] =                     { 401, 403, 403, 200, 403, 200, 200, 403, 200, 503, 503 },
  ["POST /api/events"] =                    { 401, 200, 200, 200, 200, 200, 403, 200, 200, 503, 503 },
  ["GET /api/confirmations"] =              { 401, 200, 200, 200, 200, 403, 200, 200, 200, 503, 503 },
  ["GET /api/confirmations/count"] =        { 401, 200, 200, 200, 200, 403, 200, 200, 200, 503, 503 },
  ["GET /api/confirmations/{id}"] =         { 401, 200, 200, 200, 200, 404, 200, 200, 200, 503, 503 },
  ["GET /api/confirmations/{unknown}"] =    { 401, 404, 404, 404, 404, 404, 404, 404, 404, 404, 503 },
  ["POST /api/confirmations/{id}"] =        { 401, 200, 403, 200, 403, 200, 200, 200, 200, 503, 503 },
  ["POST /api/confirmations/{unknown}"] =   { 401, 404, 404, 404, 404, 404, 404, 404, 404, 404, 503 },
  ["GET /api/history"] =                    { 401, 200, 200, 200, 200, 403, 200, 200, 200, 503, 503 },
  ["GET /api/health"] =                     { 401, 200, 200, 200, 200, 403, 200, 200, 200, 503, 503 },
  ["GET /api/changes"] =                    { 401, 200, 200, 200, 200, 403, 200, 200, 200, 503, 503 },
  ["POST /api/history/{entry}/undo"] =      { 401, 403, 403, 200, 403, 200, 200, 200, 403, 503, 503 },
  ["POST /api/undo"] =                      { 401, 403, 403, 404, 403, 404, 404, 404, 403, 503, 503 },
  ["POST /api/history/1/undo"] =            { 401, 403, 403, 404, 403, 404, 404, 404, 403, 503, 503 },
  ["POST /api/history/1/cancel"] =          { 401, 403, 403, 404, 403, 404, 404, 404, 403, 503, 503 },
  ["POST /api/companies/{company}/rename"] = { 401, 403, 403, 200, 403, 200, 200, 200, 200, 503, 503 },
  ["POST /api/companies/{company}/merge"] = { 401, 403, 403, 200, 403, 200, 200, 200, 200, 503, 503 },
  ["POST /api/companies/{company}/delete"] = { 401, 403, 403, 200, 403, 200, 200, 200, 200, 503, 503 },
  ["POST /api/forget"] =                    { 401, 403, 403, 200, 403, 200, 200, 200, 200, 503, 503 },
  ["GET /metrics"] =                        { 401, 200, 200, 200, 200, 403, 200, 200, 200, 503, 503 },
  ["GET /health"] =                         { 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200 },
  ["GET /leadcat.js"] =                     { 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200 },
  ["GET /settings.js"] =                    { 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200 },
  ["GET /leadcat.css"] =                    { 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200 },
  ["GET /nothing"] =                        { 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404 },
}

local function sorted(map)
  local keys = {}
  for key in pairs(map) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  return keys
end

describe("who may call what over HTTP:", function()
  after_each(stores.check)

  for column, who in ipairs(COLUMNS) do
    it(who, function()
      local site = new_site { host = OWN_HOST[who] and new_host() or nil }
      for _, route in ipairs(sorted(MATRIX)) do
        local expected = MATRIX[route][column]
        local method, path, fields = fill(site, route)
        fields.as = who
        local answer = ask(site, method, path, fields)
        assert.equal(expected, answer.status, route)
        if expected == 503 then -- the host's own words are the operator's to read, not the client's
          contains(answer.log, SECRET)
          assert.equal("5", answer.headers["Retry-After"])
        else
          assert.is_nil(answer.log, route)
        end
        if method == "GET" then -- HEAD is GET without the body
          local head = ask(site, "HEAD", path, fields)
          assert.is_nil(head.body, route)
          assert.same({ answer.status, answer.headers }, { head.status, head.headers }, route)
        end
      end
      site.engine:close()
    end)
  end

  it("nothing is changed for those who may not", function()
    for _, who in ipairs { NOBODY, "eve", "hook", "raises" } do
      local site = new_site()
      for _, route in ipairs { "POST /settings", "PUT /api/config", "POST /api/confirmations/{id}",
        "POST /api/history/{entry}/undo", "POST /api/undo" } do
        local method, path, fields = fill(site, route)
        local before, revision = entries(site), site.engine:config().revision
        fields.as = who
        assert.is_true(ask(site, method, path, fields).status >= 401, route)
        assert.same({ before, revision }, { entries(site), site.engine:config().revision }, route)
      end
      site.engine:close()
    end
  end)

  it("an event cannot say which run it belongs to", function()
    local site = new_site()
    local sent = { trigger = "sale_won", company = new_company(site), run = "past" }
    assert.equal(200, ask(site, "POST", "/leadcat/api/events", { as = "ann", json = sent }).status)
    assert.is_nil(site.engine:history()[1].run)
    site.engine:close()
  end)

  it("an event of nobody's is not handled", function()
    local site = new_site()
    local company = new_company(site)
    assert.equal(401, ask(site, "POST", "/leadcat/api/events", { json = { trigger = "sale_won", company = company } })
      .status)
    assert.same({ LEAD, 0 }, { category_of(site, company), entries(site) })
    site.engine:close()
  end)

  it("a body is not read before it is known who sends it, and that he may", function()
    local site = new_site()
    local function body()
      error "the body was read"
    end
    for _, row in ipairs {
      { "POST", "/settings", NOBODY, 401 }, { "POST", "/settings", "bob", 403 }, { "PUT", "/api/config", "bob", 403 },
      { "POST", "/api/events", NOBODY, 401 }, { "POST", "/api/confirmations/" .. UNKNOWN, NOBODY, 401 },
      { "DELETE", "/api/events", "ann", 405 }, { "POST", "/nothing", "ann", 404 },
    } do
      local answer = ask(site, row[1], "/leadcat" .. row[2], {
        as = row[3], body = body, type = "application/json", headers = { ["if-match"] = "*" },
      })
      assert.equal(row[4], answer.status, row[2])
    end
    site.engine:close()
  end)
end)

-- Subjects and words --------------------------------------------------------------------------------------------------

local OPPORTUNITY_EVENT, WHY = "sale_registered", "Ask Ann on Mondays."

-- A host that answers by permission and subject, and notes both.
local function asking_site(may)
  local host, asked = new_host(), {}
  function host.can(actor, permission, subject)
    asked[#asked + 1] = { permission, subject }
    return may(permission, subject, actor)
  end
  return new_site { host = host }, asked
end

describe("a host that says who may what", function()
  after_each(stores.check)

  it("is asked about the event that is reported, each of them, before any is handled", function()
    local site, asked = asking_site(function(permission, subject)
      return permission ~= "report" or subject == nil or subject.company ~= "company-2"
    end)
    local one, two = new_company(site), new_company(site)
    local function post(json)
      return call(site, "POST", "/leadcat/api/events", { as = "bob", json = json })
    end
    assert.equal(200, (post { trigger = "sale_won", company = one, id = "e" }))
    assert.same({ "report", one, "bob" }, { asked[2][1], asked[2][2].company, asked[2][2].actor.id })
    assert.equal(403, (post { trigger = "sale_won", company = two }))
    assert.equal(403, (post { { trigger = "sale_won", company = one }, { trigger = "sale_won", company = two } }))
    assert.equal(403, (call(site, "POST", "/leadcat/api/propose", {
      as = "bob", json = { trigger = OPPORTUNITY_EVENT, company = two },
    })))
    assert.same({ 1, LEAD }, { entries(site), category_of(site, two) })
    site.engine:close()
  end)

  it("decides what of other companies is shown: what would be asked, and the first of a duplicate", function()
    local site = asking_site(function(permission, subject)
      return permission ~= "view" or subject == nil or subject.company ~= "company-1"
    end)
    local hidden, seen = new_company(site), new_company(site)
    assert.equal(403, (call(site, "POST", "/leadcat/api/propose", {
      as = "bob", json = { trigger = OPPORTUNITY_EVENT, company = hidden },
    })))
    for company, shown in pairs { [hidden] = false, [seen] = true } do
      assert(site.engine:handle { trigger = "sale_won", company = company, id = company })
      local event = { trigger = "sale_lost", company = seen, id = company } -- the id tells of the other company
      for _, sent in ipairs { event, { event } } do
        local _, outcome = call(site, "POST", "/leadcat/api/events", { as = "bob", json = sent })
        outcome = outcome[1] or outcome
        assert.equal("duplicate", outcome.status)
        assert.equal(shown and 5 or nil, outcome.to)
        assert.equal(shown and "updated" or nil, outcome.first and outcome.first.status)
      end
      local nothing = "nothing " .. company -- and so does one that came to nothing
      assert(site.engine:handle { trigger = "sale_won", company = company, id = nothing })
      for _, sent in ipairs { { trigger = "sale_won", company = seen, id = nothing } } do
        local _, outcome = call(site, "POST", "/leadcat/api/events", { as = "bob", json = sent })
        assert.same({ "duplicate", shown and "not_potential_customer" or nil },
          { outcome.status, outcome.first and outcome.first.reason })
      end
    end
    site.engine:close()
  end)

  it("decides which of the changes that an undo of many is about are shown", function()
    local site = asking_site(function(permission, subject)
      return permission ~= "view" and permission ~= "undo" or subject == nil or subject.company ~= "company-1"
    end)
    change(site)
    change(site)
    for _, preview in ipairs { true, false } do
      local status, result = call(site, "POST", "/leadcat/api/undo", {
        as = "ann", json = { revision = 1, preview = preview },
      })
      assert.same({ 200, 1, "company-2", 0 }, { status, #result.undone, result.undone[1].company, #result.refused })
    end
    site.engine:close()
  end)

  it("decides who sees how a question was closed, a revision, and the counters", function()
    local site, asked = asking_site(function(permission, subject)
      return permission ~= "view" or subject == nil
    end)
    local id = question(site)
    assert(site.engine:resolve(id, { accept = true }, { actor = web.ACTORS.ann }))
    local status, problem = call(site, "POST", "/leadcat/api/confirmations/" .. id, {
      as = "bob", json = { accept = true },
    })
    assert.same({ 409, text_of(site, "problem.already_resolved") }, { status, problem.detail })
    assert.equal(403, ask(site, "GET", "/leadcat/history/revisions/1", { as = "bob" }).status)
    local revision -- the links of a page are asked for, too
    for _, question_of in ipairs(asked) do
      revision = question_of[2] and question_of[2].revision or revision
    end
    assert.equal(1, revision)
    assert.equal(403, ask(site, "GET", "/leadcat/metrics", { as = "bob" }).status)
    assert.same({ "view", { metrics = true } }, asked[#asked])
    site.engine:close()
  end)

  it("has its own words in refusals", function()
    local site = asking_site(function(permission, _, actor)
      return permission == "view" and actor.id ~= "eve", WHY
    end)
    local entry, id = change(site), question(site)
    for _, route in ipairs {
      "POST /api/events", "POST /api/propose", "GET /api/config", "PUT /api/config", "POST /api/undo",
      ("POST /api/history/%d/undo"):format(entry), "POST /api/history/1/undo", "POST /api/confirmations/" .. id,
      "GET /settings", "POST /settings",
    } do
      local method, path, fields = fill(site, route)
      fields.as, fields.json = "bob", fields.json or method == "POST" and not fields.form and { accept = true } or nil
      local answer = ask(site, method, path, fields)
      assert.equal(403, answer.status, route)
      contains(answer.body, WHY)
    end
    local event = { trigger = "sale_won", company = new_company(site) }
    local status, problem = call(site, "POST", "/leadcat/api/explain", { as = "eve", json = event })
    assert.same({ 403, WHY }, { status, problem.detail })
    assert.same({ nil, WHY, "forbidden" }, { site.engine:undo(entry, { actor = web.ACTORS.bob }) })
    assert.same({ nil, WHY, "forbidden" }, { site.engine:save(site.engine:config(), { actor = web.ACTORS.bob }) })
    assert.same({ nil, WHY, "forbidden" }, { site.engine:resolve(id, { accept = true }, { actor = web.ACTORS.bob }) })
    assert.same({ false, WHY }, { site.engine:can(web.ACTORS.bob, "undo") })
    site.engine:close()
  end)

  it("that has no words leaves them to the page, in the user's language", function()
    local site = asking_site(function(permission) return permission == "view", 17 end)
    local status, problem = call(site, "POST", "/leadcat/api/events", { as = "kai", json = {} })
    assert.same({ 403, site.engine.strings:text("de", "problem.forbidden") }, { status, problem.detail })
    site.engine:close()
  end)
end)

-- Origins --------------------------------------------------------------------------------------------------------------

local ORIGINS = { -- what the browser says, and whether it is our own page
  { true, { ["sec-fetch-site"] = "same-origin" } },
  { true, { ["sec-fetch-site"] = "none" } },
  { false, { ["sec-fetch-site"] = "same-site" } },
  { false, { ["sec-fetch-site"] = "cross-site" } },
  { false, { ["sec-fetch-site"] = "" } },
  { false, { ["sec-fetch-site"] = "same-origin, cross-site" } },
  { false, { ["sec-fetch-site"] = "cross-site", origin = "https://crm.example" } },
  { false, { ["sec-fetch-site"] = "same-site", origin = "https://crm.example" } },
  { true, { origin = "https://crm.example" } },
  { true, { origin = "http://crm.example" } },
  { true, { origin = "http://crm.example:8080", host = "crm.example:8080" } },
  { true, { origin = "http://[::1]:8080", host = "[::1]:8080" } },
  { false, { origin = "http://crm.example:8081", host = "crm.example:8080" } },
  { false, { origin = "http://crm.example:8080" } },
  { false, { origin = "https://other.example" } },
  { false, { origin = "https://sub.crm.example" } },
  { false, { origin = "https://crm.example.evil.example" } },
  { false, { origin = "https://crm.example@evil.example" } },
  { false, { origin = "https://evil.example/crm.example" } },
  { false, { origin = "https://evil.example#https://crm.example" } },
  { false, { origin = "ftp://crm.example" } },
  { false, { origin = "crm.example" } },
  { false, { origin = "null" } },
  { false, { origin = "null", host = "null" } },
  { false, { origin = "" } },
  { false, { origin = "http://", host = "" } },
  { false, { origin = "https://crm.example", host = false } },
  { false, {} },
  { false, { referer = "https://crm.example/leadcat/settings" } },
}
local CHANGES = { -- the routes that change something, and what they answer when they do
  ["POST /settings"] = 303, ["PUT /api/config"] = 200, ["POST /api/events"] = 200, ["POST /api/propose"] = 200,
  ["POST /api/explain"] = 200, ["POST /api/confirmations/{id}"] = 200, ["POST /api/history/{entry}/undo"] = 200,
}

-- Headers as `ask` takes them; false takes one away.
local function origin_headers(row, more)
  local headers = { origin = row[2].origin, referer = row[2].referer, host = row[2].host }
  headers["sec-fetch-site"] = row[2]["sec-fetch-site"]
  for name, value in pairs(more or {}) do
    headers[name] = value
  end
  return headers
end

local function shown(row)
  local parts = {}
  for name, value in pairs(row[2]) do
    parts[#parts + 1] = name .. ": " .. tostring(value)
  end
  return table.concat(parts, ", ")
end

describe("what changes something", function()
  after_each(stores.check)

  for route, changed in pairs(CHANGES) do
    it("must come from a page of our own: " .. route, function()
      local site = new_site()
      for _, row in ipairs(ORIGINS) do
        local method, path, fields = fill(site, route)
        fields.as, fields.site, fields.headers = "ann", false, origin_headers(row, fields.headers)
        local before, revision = entries(site), site.engine:config().revision
        local answer = ask(site, method, path, fields)
        assert.equal(row[1] and changed or 403, answer.status, shown(row))
        if not row[1] then
          assert.same({ before, revision }, { entries(site), site.engine:config().revision }, shown(row))
          contains(answer.body, text_of(site, "problem.cross_site"))
        end
      end
      site.engine:close()
    end)

    it("may come from anywhere for a service only: " .. route, function()
      local site = new_site()
      for _, row in ipairs(ORIGINS) do
        local method, path, fields = fill(site, route)
        fields.as, fields.site, fields.headers = "robot", false, origin_headers(row, fields.headers)
        assert.equal(changed, ask(site, method, path, fields).status, shown(row))
      end
      site.engine:close()
    end)
  end

  it("must come by the scheme that the host says it has, where the browser names an origin only", function()
    for _, row in ipairs {
      { "https", "https://crm.example", 200 }, { "https", "http://crm.example", 403 },
      { "http", "http://crm.example", 200 }, { "http", "https://crm.example", 403 },
      { nil, "https://crm.example", 200 }, { nil, "http://crm.example", 200 },
    } do
      local site = new_site(nil, { scheme = row[1] })
      local answer = ask(site, "POST", "/leadcat/api/events", {
        as = "bob", site = false, headers = { origin = row[2] },
        json = { trigger = "sale_won", company = new_company(site) },
      })
      assert.equal(row[3], answer.status, row[2])
      site.engine:close()
    end
    assert.error_matches(function()
      http.new { engine = {}, authenticate = web.authenticate, scheme = "ftp" }
    end, "one of http, https expected, got 'ftp'", 1, true)
  end)

  it("is nobody's to exempt who is not authenticated as a service", function()
    local site = new_site()
    local company = new_company(site)
    for _, as in ipairs { "bob", "ann" } do
      local status, problem = call(site, "POST", "/leadcat/api/events?service=true", {
        as = as, site = "cross-site", headers = { service = "true", ["x-service"] = "true" },
        json = { trigger = "sale_won", company = company, service = true, actor = { id = "hook", service = true } },
      })
      assert.same({ 403, "cross_site" }, { status, problem.code })
    end
    assert.equal(LEAD, category_of(site, company))
    site.engine:close()
  end)

  it("is not GET: that answers from everywhere, and changes nothing", function()
    local site = new_site()
    question(site)
    change(site)
    local before = entries(site)
    for _, path in ipairs { "/settings", "/confirmations", "/history", "/api/config", "/api/confirmations",
      "/api/confirmations/count", "/api/history", "/metrics" } do
      assert.equal(200, ask(site, "GET", "/leadcat" .. path, { as = "ann", site = "cross-site" }).status, path)
    end
    assert.same({ before, 1 }, { entries(site), site.engine:config().revision })
    site.engine:close()
  end)
end)
