-- The HTTP interface without a server: plain request tables go in, plain response tables come out. First who may call
-- what, as one table; then what every route has in common (methods, origins, headers, bodies); then each route by itself;
-- then what goes wrong inside; and last requests that nobody would send on purpose. Whatever is asked, `check` holds the
-- response to what is true of all.

local crm = require "support.crm"
local http = require "leadcat.http"
local json = require "leadcat.json"
local stores = require "support.stores"
local times = require "support.times"

local LEAD, OPPORTUNITY, CUSTOMER, PARTNER, LOST = 1, 3, 5, 6, 7 -- the preset's categories
local START, WEEK = 1700000000, 7 * 24 * 3600 -- 2023-11-14 22:13:20 UTC
local MIB = 1024 * 1024
local RULES = { sale_won = CUSTOMER, sale_registered = { OPPORTUNITY, ask = true }, sale_lost = LOST }
local NOBODY, UNKNOWN = "anonymous", ("0"):rep(32)
local SECRET = "the password is hunter2"

-- Who is who, by the session that the host's `authenticate` finds in the cookie.
local ACTORS = {
  bob = { id = "bob", name = "Bob" }, -- whose events ask
  eve = { id = "eve", name = "Eve" },
  ann = { id = "ann", name = "Ann", admin = true },
  hook = { id = "hook", service = true },
  robot = { id = "robot", service = true, admin = true },
  kai = { id = "kai", name = "Kai", language = "de" },
  liv = { id = "liv", name = "Liv", language = "nb-NO", admin = true },
  -- with a host that has `can`:
  no_view = { id = "no_view", denied = "view" },
  no_report = { id = "no_report", denied = "report" },
  no_configure = { id = "no_configure", denied = "configure" },
  no_undo = { id = "no_undo", denied = "undo" },
  can_raises = { id = "can_raises" },
}

-- A site and what is asked of it ---------------------------------------------------------------------------------------

local STATUSES = {
  200, 202, 204, 303, 304, 400, 401, 403, 404, 405, 409, 410, 412, 413, 415, 422, 428, 500, 503, 507,
}
local KNOWN = {}
for _, status in ipairs(STATUSES) do
  KNOWN[status] = true
end

local function authenticate(request)
  local cookie = request.headers.cookie
  if cookie == "raises" then
    error(SECRET)
  end
  local tenant = request.headers["x-tenant"]
  return ACTORS[cookie], tenant and tenant:sub(1, 64) -- longer ones are nobody's
end

-- A CRM of one's own that says who may what. `host.failing` makes every change fail, or raise.
local function new_host(companies)
  local host = crm.new(companies or {})
  local set = host.set_category
  function host.can(actor, permission)
    if actor.id == "can_raises" then
      error(SECRET)
    end
    return actor.denied ~= permission
  end
  function host.set_category(...)
    if host.failing then
      error(host.failing)
    end
    return set(...)
  end
  return host
end

-- An engine with RULES and the application in front of it. Its clock stands still unless a test moves `site.now`.
local function new_site(options, app_options, rules)
  local site = { now = START, companies = 0 }
  options = options or {}
  options.clock, options.durability = function() return site.now end, "relaxed"
  site.engine, site.path = stores.open(options)
  if site.engine:config().revision == 0 then
    assert(site.engine:save(stores.config(rules or RULES)))
  end
  local all = { engine = site.engine, authenticate = authenticate }
  for name, value in pairs(app_options or {}) do
    all[name] = value
  end
  site.app = http.new(all)
  return site
end

local function encode(fields)
  local pairs_of = {}
  for name, value in pairs(fields) do
    pairs_of[#pairs_of + 1] = (name .. "=" .. value):gsub("[^%w=._-]", function(character)
      return ("%%%02X"):format(character:byte())
    end)
  end
  return table.concat(pairs_of, "&")
end

-- What holds for every response.
local function check(answer)
  assert.is_true(KNOWN[answer.status] == true, ("status %s"):format(tostring(answer.status)))
  for name, value in pairs(answer.headers) do
    assert.equal("string", type(name))
    assert.equal("string", type(value), name)
    assert.is_nil((name .. value):find "[\r\n%z]", name)
  end
  local headers = answer.headers
  assert.equal("nosniff", headers["X-Content-Type-Options"])
  assert.is_truthy(headers["Cache-Control"])
  if (headers["Content-Type"] or ""):find("text/html", 1, true) then
    assert.is_truthy(headers["Content-Security-Policy"]:find("default-src 'none'", 1, true))
    assert.is_nil(headers["Content-Security-Policy"]:find "unsafe")
    assert.equal("same-origin", headers["Referrer-Policy"])
  end
  assert.is_nil(headers["Set-Cookie"])
  assert.is_nil(headers["Access-Control-Allow-Origin"])
  if answer.body ~= nil then
    assert.equal("string", type(answer.body))
    assert.equal(("%d"):format(#answer.body), headers["Content-Length"])
    assert.is_truthy(headers["Content-Type"])
  end
  if answer.status >= 400 and answer.body and headers["Content-Type"] == "application/problem+json" then
    local problem = assert(json.decode(answer.body))
    assert.equal(answer.status, problem.status)
    assert.equal("string", type(problem.title))
    assert.equal("string", type(problem.code))
  end
  assert.is_nil((answer.body or ""):find(SECRET, 1, true))
  return answer
end

-- Sends a request: `fields` are `as` (an actor), `json` (a value), `form` (fields), `body`, `type`, `accept`, `site`
-- (the browser's Sec-Fetch-Site; false for none), `headers`, `tenant`.
local function ask(site, method, address, fields)
  fields = fields or {}
  local path, query = address:match "^([^?]*)%??(.*)$"
  local headers = { host = "crm.example", cookie = fields.as, accept = fields.accept, ["x-tenant"] = fields.tenant }
  if fields.site ~= false then
    headers["sec-fetch-site"] = fields.site or "same-origin"
  end
  local body = fields.body
  if fields.json ~= nil then
    headers["content-type"], body = "application/json", json.encode(fields.json)
  elseif fields.form then
    headers["content-type"], body = "application/x-www-form-urlencoded", encode(fields.form)
  end
  headers["content-type"] = fields.type or headers["content-type"]
  for name, value in pairs(fields.headers or {}) do
    headers[name] = value
  end
  return check(site.app:respond {
    method = method, path = path, query = query ~= "" and query or nil, headers = headers, body = body,
  })
end

-- The same, of a program: gives the status and the decoded body.
local function call(site, method, address, fields)
  local answer = ask(site, method, address, fields)
  return answer.status, answer.body and assert(json.decode(answer.body)), answer
end

local function is_page(answer)
  assert.equal("text/html; charset=utf-8", answer.headers["Content-Type"])
  assert.is_truthy(answer.body:find("<!DOCTYPE html>", 1, true))
  return answer
end

local function contains(text, part)
  assert.is_truthy(text:find(part, 1, true), ("%q is not in %s"):format(part, text))
end

-- The English words of a key.
local function text_of(site, key)
  return site.engine.strings:text("en", key)
end

local function lacks(text, part)
  assert.is_nil(text:find(part, 1, true))
end

-- A company that is a lead; where the host is a CRM of one's own, `host.companies` has it.
local function new_company(site)
  site.companies = site.companies + 1
  local company = ("company-%d"):format(site.companies)
  local host = site.engine.host
  if host.embedded then
    assert(host:create(company, LEAD))
  else
    host.companies[company] = LEAD
  end
  return company
end

local function category_of(site, company)
  local host = site.engine.host
  return host.embedded and host:get(company) or host.companies and host.companies[company]
end

-- An open question that an event of Bob's (or somebody else's) has asked; gives its id and the company.
local function question(site, as, company)
  company = company or new_company(site)
  local outcome = assert(site.engine:handle {
    trigger = "sale_registered", company = company, actor = as or ACTORS.bob, sale = { id = 17, name = "Printers" },
  })
  assert.equal("awaiting_confirmation", outcome.status)
  return outcome.confirmation, company
end

-- A change that can be undone; gives its entry and the company.
local function change(site, company)
  company = company or new_company(site)
  local outcome = assert(site.engine:handle { trigger = "sale_won", company = company, actor = ACTORS.bob })
  assert.equal("updated", outcome.status)
  return outcome.entry, company
end

local function entries(site)
  return #site.engine:history { limit = 1000 }
end

local function config_json(site)
  return site.engine:config(), ('"%d"'):format(site.engine:config().revision)
end

-- Who may call what ----------------------------------------------------------------------------------------------------

-- What each route is asked with; `id` is a question of Bob's, `entry` a change.
local FORM_SAVE = function(site)
  return { form = { ["do"] = "save", revision = ("%d"):format(site.engine:config().revision) } }
end
local EVENT = function(site)
  return { json = { trigger = "sale_won", company = new_company(site) } }
end
local REQUESTS = {
  ["POST /settings"] = FORM_SAVE,
  ["POST /api/propose"] = function(site)
    return { json = { trigger = "sale_registered", company = new_company(site) } }
  end,
  ["PUT /api/config"] = function(site)
    local cfg, tag = config_json(site)
    return { json = cfg, headers = { ["if-match"] = tag } }
  end,
  ["POST /api/events"] = EVENT,
  ["POST /api/explain"] = EVENT,
  ["POST /api/undo"] = function() return { json = { run = "unknown" } } end,
  ["POST /api/confirmations/{id}"] = function() return { json = { accept = true } } end,
  ["POST /api/confirmations/{unknown}"] = function() return { json = { accept = true } } end,
}

-- A route with its ids filled in, and what to ask it with.
local function fill(site, route)
  local method, path = route:match "^(%u+) (.*)$"
  path = path:gsub("{(%l+)}", function(name)
    if name == "id" then
      return (question(site))
    elseif name == "entry" then
      return ("%d"):format((change(site)))
    end
    return UNKNOWN
  end)
  return method, "/leadcat" .. path, REQUESTS[route] and REQUESTS[route](site) or {}
end

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
  ["GET /history"] =                        { 401, 200, 200, 200, 200, 403, 200, 200, 200, 503, 503 },
  ["GET /history.csv"] =                    { 401, 200, 200, 200, 200, 403, 200, 200, 200, 503, 503 },
  ["GET /history/revisions/1"] =            { 401, 200, 200, 200, 200, 403, 200, 200, 200, 503, 503 },
  ["GET /history/revisions/99"] =           { 401, 404, 404, 404, 404, 403, 404, 404, 404, 503, 503 },
  ["POST /api/propose"] =                   { 401, 200, 200, 200, 200, 200, 403, 200, 200, 503, 503 },
  ["GET /api/explain?company=x"] =          { 401, 200, 200, 200, 200, 403, 200, 200, 200, 503, 503 },
  ["POST /api/explain"] =                   { 401, 200, 200, 200, 200, 403, 200, 200, 200, 503, 503 },
  ["GET /api/config"] =                     { 401, 403, 403, 200, 403, 200, 200, 403, 200, 503, 503 },
  ["PUT /api/config"] =                     { 401, 403, 403, 200, 403, 200, 200, 403, 200, 503, 503 },
  ["POST /api/events"] =                    { 401, 200, 200, 200, 200, 200, 403, 200, 200, 503, 503 },
  ["GET /api/confirmations"] =              { 401, 200, 200, 200, 200, 403, 200, 200, 200, 503, 503 },
  ["GET /api/confirmations/count"] =        { 401, 200, 200, 200, 200, 403, 200, 200, 200, 503, 503 },
  ["GET /api/confirmations/{id}"] =         { 401, 200, 200, 200, 200, 404, 200, 200, 200, 503, 503 },
  ["GET /api/confirmations/{unknown}"] =    { 401, 404, 404, 404, 404, 404, 404, 404, 404, 404, 503 },
  ["POST /api/confirmations/{id}"] =        { 401, 200, 403, 200, 403, 200, 200, 200, 200, 503, 503 },
  ["POST /api/confirmations/{unknown}"] =   { 401, 404, 404, 404, 404, 404, 404, 404, 404, 404, 503 },
  ["GET /api/history"] =                    { 401, 200, 200, 200, 200, 403, 200, 200, 200, 503, 503 },
  ["POST /api/history/{entry}/undo"] =      { 401, 403, 403, 200, 403, 200, 200, 200, 403, 503, 503 },
  ["POST /api/undo"] =                      { 401, 403, 403, 404, 403, 404, 404, 404, 403, 503, 503 },
  ["POST /api/history/1/undo"] =            { 401, 403, 403, 404, 403, 404, 404, 404, 403, 503, 503 },
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

-- Methods --------------------------------------------------------------------------------------------------------------

local ALLOW = {
  ["/settings"] = "GET, HEAD, POST", ["/confirmations"] = "GET, HEAD", ["/confirmations/{id}"] = "GET, HEAD",
  ["/history"] = "GET, HEAD", ["/history.csv"] = "GET, HEAD", ["/history/revisions/1"] = "GET, HEAD",
  ["/api/propose"] = "POST", ["/api/config"] = "GET, HEAD, PUT", ["/api/events"] = "POST",
  ["/api/explain"] = "GET, HEAD, POST",
  ["/api/undo"] = "POST",
  ["/api/confirmations"] = "GET, HEAD", ["/api/confirmations/count"] = "GET, HEAD",
  ["/api/confirmations/{id}"] = "GET, HEAD, POST", ["/api/history"] = "GET, HEAD",
  ["/api/history/1/undo"] = "POST", ["/metrics"] = "GET, HEAD", ["/health"] = "GET, HEAD",
  ["/leadcat.js"] = "GET, HEAD", ["/settings.js"] = "GET, HEAD", ["/leadcat.css"] = "GET, HEAD",
}
local METHODS = {
  "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "Post", "", "page",
  "open", "PAGE", "1", "GET ", "GET\r\nX-Injected: 1", "__index", ("M"):rep(10000),
}

describe("a method that a route does not have", function()
  after_each(stores.check)

  it("is answered with 405, and with those that it has", function()
    local site = new_site()
    for path, allow in pairs(ALLOW) do
      local allowed = {}
      for name in allow:gmatch "%u+" do
        allowed[name] = true
      end
      for _, method in ipairs(METHODS) do
        if not allowed[method] then
          for _, who in ipairs { NOBODY, "ann" } do
            local answer = ask(site, method, "/leadcat" .. path:gsub("{id}", UNKNOWN), { as = who })
            assert.same({ 405, allow }, { answer.status, answer.headers.Allow }, path .. " " .. method:sub(1, 20))
          end
        end
      end
    end
    site.engine:close()
  end)

  it("is a page where people look, and a problem elsewhere", function()
    local site = new_site()
    is_page(ask(site, "DELETE", "/leadcat/settings"))
    local status, problem, answer = call(site, "DELETE", "/leadcat/api/events")
    assert.same({ 405, "method_not_allowed" }, { status, problem.code })
    assert.equal("application/problem+json", answer.headers["Content-Type"])
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

-- Headers --------------------------------------------------------------------------------------------------------------

describe("every response", function()
  after_each(stores.check)

  it("lets pages load scripts and styles from files only, and be framed by whom the host says", function()
    for _, row in ipairs { { nil, "'self'" }, { "'none'", "'none'" }, { "https://a.example", "https://a.example" } } do
      local site = new_site(nil, { frame_ancestors = row[1] })
      local id = question(site)
      for _, path in ipairs { "/settings", "/confirmations", "/confirmations/" .. id, "/history" } do
        local policy = ask(site, "GET", "/leadcat" .. path, { as = "ann" }).headers["Content-Security-Policy"]
        local directives = {}
        for name, value in policy:gmatch "([%w-]+) ([^;]+)" do
          directives[name] = value
        end
        assert.same({
          ["default-src"] = "'none'", ["script-src"] = "'self'", ["style-src"] = "'self'", ["img-src"] = "'self' data:",
          ["connect-src"] = "'self'", ["form-action"] = "'self'", ["base-uri"] = "'none'", ["frame-ancestors"] = row[2],
        }, directives, path)
      end
      site.engine:close()
    end
  end)

  it("has no code within its markup, as the policy demands", function()
    local site = new_site()
    local id = question(site)
    change(site)
    for _, path in ipairs { "/settings", "/confirmations", "/confirmations/" .. id, "/history", "/confirmations/x" } do
      local markup = is_page(ask(site, "GET", "/leadcat" .. path, { as = "ann" })).body
      assert.is_nil(markup:find "<script[^>]*>[^<]", path)
      assert.is_nil(markup:find "<style", path)
      assert.is_nil(markup:find "%sstyle=", path)
      assert.is_nil(markup:find "%son%l+=", path)
      assert.is_nil(markup:find "javascript:", path)
    end
    site.engine:close()
  end)

  it("is kept by nobody when it is about a person, his questions or the rules", function()
    local site = new_site()
    local id = question(site)
    for _, row in ipairs {
      { "GET", "/settings" }, { "GET", "/confirmations" }, { "GET", "/confirmations/" .. id }, { "GET", "/history" },
      { "GET", "/api/confirmations" }, { "GET", "/api/confirmations/" .. id }, { "GET", "/api/confirmations/count" },
      { "GET", "/api/history" }, { "GET", "/metrics" }, { "GET", "/nothing" }, { "POST", "/api/events" },
      { "POST", "/settings" }, { "DELETE", "/settings" },
    } do
      for _, who in ipairs { NOBODY, "bob", "ann" } do
        assert.equal("no-store", ask(site, row[1], "/leadcat" .. row[2], { as = who }).headers["Cache-Control"], row[2])
      end
    end
    assert.equal("private, no-cache", ask(site, "GET", "/leadcat/api/config", { as = "ann" }).headers["Cache-Control"])
    assert.is_truthy(ask(site, "GET", "/leadcat/leadcat.js").headers["Cache-Control"]:find "^public")
    site.engine:close()
  end)

  it("is made without reading cookies: only `authenticate` does", function()
    local site = new_site()
    local read, within = {}, false
    site.app = http.new { engine = site.engine, authenticate = function(request)
      within = true
      local actor = ACTORS[request.headers.cookie]
      within = false
      return actor
    end }
    local id = question(site)
    local body = json.encode { trigger = "sale_won", company = new_company(site) }
    for _, row in ipairs {
      { "GET", "/settings" }, { "POST", "/settings" }, { "GET", "/confirmations" }, { "GET", "/confirmations/" .. id },
      { "GET", "/history" }, { "GET", "/api/config" }, { "PUT", "/api/config" }, { "POST", "/api/events" },
      { "POST", "/api/propose" }, { "GET", "/api/confirmations/" .. id }, { "POST", "/api/confirmations/" .. id },
      { "GET", "/nothing" }, { "GET", "/health" }, { "GET", "/leadcat.js" },
    } do
      local sent = { cookie = "ann", ["sec-fetch-site"] = "same-origin", ["content-type"] = "application/json" }
      site.app:respond { method = row[1], path = "/leadcat" .. row[2], body = body,
        headers = setmetatable({}, { __index = function(_, name)
          read[name] = not within or read[name]
          return sent[name]
        end }) }
    end
    assert.is_truthy(read["sec-fetch-site"])
    for _, name in ipairs { "cookie", "authorization", "x-forwarded-for", "x-forwarded-host" } do
      assert.is_falsy(read[name], name)
    end
    site.engine:close()
  end)

  it("is answered for absent headers that are false, as for those that are nil", function()
    local site = new_site()
    local none = setmetatable({}, { __index = function() return false end })
    for _, row in ipairs { { "GET", "/settings", 401 }, { "GET", "/health", 200 }, { "POST", "/api/events", 401 },
      { "GET", "/leadcat.js", 200 }, { "GET", "/x", 404 } } do
      local answer = site.app:respond { method = row[1], path = "/leadcat" .. row[2], headers = none }
      assert.equal(row[3], check(answer).status, row[2])
    end
    site.app = http.new { engine = site.engine, authenticate = function() return ACTORS.ann end }
    for _, row in ipairs { { "GET", "/settings", 200 }, { "GET", "/api/config", 200 },
      { "PUT", "/api/config", 403 } } do
      local answer = site.app:respond { method = row[1], path = "/leadcat" .. row[2], headers = none }
      assert.equal(row[3], check(answer).status, row[2])
    end
    site.engine:close()
  end)
end)

describe("what a client sends never ends up in a header", function()
  after_each(stores.check)

  local HOSTILE = {
    "x\r\nSet-Cookie: a=b", "\r\n\r\n<script>", "%0d%0aX: y", "//evil.example", "https://evil.example", "\0", "a\0b",
    "\"><script>", "\226\128\168", "\255\254", "..", "../../health", "\\evil.example", "?x=//evil", ";rel=\"next\"",
  }

  it("not an id, a path, a parameter or a tag", function()
    local site = new_site()
    local id = question(site)
    for _, text in ipairs(HOSTILE) do
      for _, row in ipairs {
        { "GET", "/confirmations/" .. text }, { "GET", "/api/confirmations/" .. text }, { "GET", "/" .. text },
        { "GET", text }, { "POST", "/api/confirmations/" .. id .. text, { form = { accept = "true" } } },
        { "POST", "/api/history/" .. text .. "/undo", { form = {} } },
        { "GET", "/confirmations", { query = "answered=" .. text } },
        { "GET", "/settings", { query = "saved=" .. text } },
        { "GET", "/history", { query = "company=" .. text .. "&after=" .. text } },
        { "GET", "/history", { query = "actor=" .. text .. "&run=" .. text .. "&from=" .. text } },
        { "GET", "/history.csv", { query = "company=" .. text .. "&trigger=" .. text } },
        { "GET", "/history/revisions/" .. text },
        { "GET", "/api/history", { query = "company=" .. text .. "&limit=1" } },
        { "POST", "/settings", { form = { ["do"] = "cancel", revision = text, next = text, ["return"] = text } } },
        { "POST", "/settings", { form = { ["do"] = text, saved = text } } },
        { "GET", "/api/config", { headers = { ["if-none-match"] = text } } },
        { "GET", "/leadcat.js", { headers = { ["if-none-match"] = text, host = text } } },
        { "PUT", "/api/config", { json = {}, headers = { ["if-match"] = text } } },
      } do
        local fields = row[3] or {}
        fields.as = "ann"
        local query = fields.query
        local sent = { cookie = "ann", ["sec-fetch-site"] = "same-origin" }
        for name, value in pairs(fields.headers or {}) do
          sent[name] = value
        end
        sent["content-type"] = fields.form and "application/x-www-form-urlencoded" or "application/json"
        local answer = check(site.app:respond {
          method = row[1], path = "/leadcat" .. row[2], query = query, headers = sent,
          body = fields.form and encode(fields.form) or "{}",
        })
        local location = answer.headers.Location
        assert.is_true(location == nil or location:find "^/leadcat/[%w/=?]+$" ~= nil, location)
        for name, value in pairs(answer.headers) do
          lacks(value:lower(), "evil")
          lacks(value, "<script")
          assert.is_nil(name:find "Injected")
        end
        lacks(answer.body or "", "<script>")
      end
    end
    assert.equal("open", site.engine:confirmation(id).state)
    site.engine:close()
  end)

  it("but escaped, where the next page is linked", function()
    local site = new_site()
    for _, company in ipairs { "a>; rel=\"evil\"\r\nX: y", "a&limit=1000&after=1", "a b+c/ü?#%41" } do
      site.engine.host:create(company, LEAD)
      change(site, company)
      local answer = ask(site, "GET", "/leadcat/api/history?limit=1&" .. encode { company = company }, { as = "bob" })
      local link = assert(answer.headers.Link)
      local words = assert(link:match '^</leadcat/api/history%?([%w%%=&_.~-]+)>; rel="next"$', link)
      local fields = require("leadcat.http.request").fields(words)
      assert.same({ company, "1" }, { fields.company, fields.limit })
    end
    site.engine:close()
  end)
end)

-- Bodies ---------------------------------------------------------------------------------------------------------------

local JSON_ROUTES = { "PUT /api/config", "POST /api/events", "POST /api/propose", "POST /api/confirmations/{id}" }
local FORM, JSON = "application/x-www-form-urlencoded", "application/json"

-- Sends a body to a route that takes JSON.
local function send(site, route, body, type_of_body)
  local method, path, fields = fill(site, route)
  return call(site, method, path, {
    as = "ann", body = body, type = type_of_body or JSON, headers = fields.headers,
  })
end

describe("a JSON body", function()
  after_each(stores.check)

  it("is what its content type says", function()
    local site = new_site()
    for _, row in ipairs {
      { JSON, 200 }, { "application/json; charset=utf-8", 200 }, { "application/json;charset=UTF-8", 200 },
      { "APPLICATION/JSON", 200 }, { "Application/Json ; Charset=\"utf-8\"", 200 }, { "  application/json", 200 },
      { "", 415 }, { false, 415 }, { "text/plain", 415 }, { "text/json", 415 }, { "application/jsonx", 415 },
      { "application/json-patch+json", 415 }, { "application/problem+json", 415 }, { "multipart/form-data", 415 },
      { "text/plain; application/json", 415 }, { "application", 415 }, { ";", 415 }, { "application/json\0", 415 },
    } do
      for _, route in ipairs(JSON_ROUTES) do
        local method, path, fields = fill(site, route)
        local body = json.encode(fields.json)
        local status, problem = call(site, method, path, {
          as = "ann", body = body, type = row[1], headers = fields.headers,
        })
        assert.equal(row[2], status, ("%s as %s"):format(route, tostring(row[1])))
        assert.equal(row[2] == 415 and "unsupported_type" or nil, problem.code)
      end
    end
    site.engine:close()
  end)

  it("must be JSON", function()
    local site = new_site()
    local deep = ("["):rep(2000) .. ("]"):rep(2000)
    for _, row in ipairs {
      { "", 400 }, { " \n", 400 }, { "{", 400 }, { "{\"trigger\":}", 400 }, { "nonsense", 400 }, { "{}{}", 400 },
      { "null", 400 }, { "[null]", 400 }, { deep, 400 }, { ("{\"a\":"):rep(2000) .. "1" .. ("}"):rep(2000), 400 },
      { "NaN", 400 }, { "Infinity", 400 }, { "1e999", 400 }, { "\255\254", 400 }, { "\239\187\191{}", 400 },
      { "\0", 400 }, { "<xml/>", 400 }, { "trigger=sale_won", 400 },
      { "\"text\"", 422 }, { "5", 422 }, { "true", 422 }, { "false", 422 }, { "[]", 422 }, { "{}", 422, config = 200 },
      { "[1]", 422 }, { "[\"a\"]", 422 }, { "[[]]", 422 }, { "[[1]]", 422 }, { "{\"1\":1}", 422, config = 200 },
      { "{\"nothing\":\"known\"}", 422, config = 200 },
    } do
      for _, route in ipairs(JSON_ROUTES) do
        local status, problem = send(site, route, row[1])
        local expected = row[2]
        if route == "PUT /api/config" and row.config then
          expected = row.config -- one without anything is one
          assert(site.engine:revert(1))
        elseif route == "POST /api/events" and row[1] == "[]" then
          expected = 200 -- no events
        end
        assert.equal(expected, status, ("%s: %s"):format(route, row[1]:sub(1, 40)))
        if expected == 400 then
          assert.equal("malformed", problem.code)
          assert.is_truthy(problem.detail)
        end
      end
    end
    site.engine:close()
  end)

  it("has at most 1 MiB", function()
    local site = new_site()
    local function padded(size)
      local event = json.encode { trigger = "sale_won", company = new_company(site) }
      return event .. (" "):rep(size - #event)
    end
    for _, row in ipairs { { MIB - 1, 200 }, { MIB, 200 }, { MIB + 1, 413 }, { 3 * MIB, 413 } } do
      local body = padded(row[1])
      for _, sent in ipairs { body, function() return body end } do
        local status, problem = call(site, "POST", "/leadcat/api/events", { as = "bob", body = sent, type = JSON })
        assert.equal(row[2], status, row[1])
        assert.equal(row[2] == 413 and "too_large" or nil, problem.code)
      end
    end
    for _, route in ipairs(JSON_ROUTES) do
      assert.equal(413, (send(site, route, (" "):rep(MIB + 1))), route)
      assert.equal(413, (send(site, route, function() return nil, "too_large" end)), route)
    end
    site.engine:close()
  end)

  it("that cannot be read is our problem, and the operator's to know about", function()
    local site = new_site()
    for _, body in ipairs {
      function() return nil, SECRET end, function() return nil end, function() error(SECRET) end,
    } do
      for _, route in ipairs(JSON_ROUTES) do
        local status, problem, answer = send(site, route, body)
        assert.same({ 500, "io" }, { status, problem.code }, route)
        lacks(answer.body, SECRET)
      end
    end
    local _, _, answer = send(site, "POST /api/events", function() return nil, SECRET end)
    contains(answer.log, SECRET)
    _, _, answer = send(site, "POST /api/events", function() error(SECRET) end)
    contains(answer.log, SECRET)
    site.engine:close()
  end)

  it("may be nested, but not so that what is kept of it cannot be read again", function()
    local site = new_site()
    for _, depth in ipairs { 10, 900, 990, 997, 998, 999 } do
      local nested = ("{\"a\":"):rep(depth) .. "1" .. ("}"):rep(depth)
      for _, trigger in ipairs { "sale_won", "sale_registered" } do
        local body = ('{"trigger":"%s","company":"%s","sale":%s}'):format(trigger, new_company(site), nested)
        local status = call(site, "POST", "/leadcat/api/events", { as = "bob", body = body, type = JSON })
        assert.is_true(status == 200 or status == 400 or status == 422, status)
        assert.is_true(status == 200 or depth > 10, "ten deep is refused")
      end
      assert.equal(200, (call(site, "GET", "/leadcat/api/history", { as = "bob" })), depth)
      assert.equal(200, (call(site, "GET", "/leadcat/api/confirmations", { as = "bob" })), depth)
      assert.equal(200, ask(site, "GET", "/leadcat/history", { as = "bob" }).status, depth)
      assert.equal(200, ask(site, "GET", "/leadcat/confirmations", { as = "bob" }).status, depth)
    end
    site.engine:close()
  end)
end)

describe("a form", function()
  after_each(stores.check)

  it("is decoded as browsers encode it, whatever else it is", function()
    for _, row in ipairs {
      { "category=6", PARTNER }, { "category=%36", PARTNER }, { "%63ategory=6", PARTNER },
      { "c%61tegory=%36", PARTNER },
      { "category=5&category=6", PARTNER }, { "&&category=6&&", PARTNER }, { "a&=b&==&category=6", PARTNER },
      { "category=6&%", PARTNER }, { "category=6&%zz=%9", PARTNER }, { "x=%00%ff&category=6", PARTNER },
      { "accept=true", OPPORTUNITY }, { "accept=true&category=6", OPPORTUNITY },
      { "category=3", OPPORTUNITY }, { "category=1", LEAD }, { "decline=true", LEAD },
      { "decline=true&category=6", LEAD }, { "category=6&decline=true", LEAD }, { "decline=true&accept=true", LEAD },
      { "category=" .. ("&x"):rep(1000) .. "&category=6", PARTNER },
    } do
      local site = new_site()
      local id, company = question(site)
      local answer = ask(site, "POST", "/leadcat/api/confirmations/" .. id, { as = "bob", body = row[1], type = FORM })
      assert.same({ 303, "/leadcat/confirmations?answered=" .. id }, { answer.status, answer.headers.Location }, row[1])
      assert.equal(row[2], category_of(site, company), row[1])
      site.engine:close()
    end
  end)

  it("that says nothing, or nothing that can be chosen, changes nothing", function()
    local site = new_site()
    local id, company = question(site)
    for _, body in ipairs {
      "", "&", "=", "category=", "category=0", "category=99", "category=-3", "category=3.5", "category=1e999",
      "category=nan", "category=inf", "category=0x", "category=six", "category=2147483648", "category=9007199254740993",
      "decline=false", "decline=1", "accept=yes", "accept", "decline", "Category=6", "category=6%00", "category=6\0",
      ("x"):rep(1000), "%", "%%%", "category=%", "{\"accept\":true}", "category=6;decline=true",
    } do
      local answer = ask(site, "POST", "/leadcat/api/confirmations/" .. id, { as = "bob", body = body, type = FORM })
      assert.equal(422, is_page(answer).status, body)
    end
    assert.same({ "open", LEAD }, { site.engine:confirmation(id).state, category_of(site, company) })
    site.engine:close()
  end)

  it("has its content type in any case, with parameters", function()
    local site = new_site()
    for _, row in ipairs { { FORM .. "; charset=UTF-8", 303 }, { FORM:upper(), 303 }, { FORM .. "x", 415 },
      { "multipart/form-data; boundary=x", 415 }, { "text/plain", 415 }, { false, 415 }, { JSON, 415 } } do
      local fields = FORM_SAVE(site)
      local answer = ask(site, "POST", "/leadcat/settings", {
        as = "ann", body = encode(fields.form), type = row[1],
      })
      assert.equal(row[2], answer.status, tostring(row[1]))
    end
    site.engine:close()
  end)

  it("has at most 1 MiB, too, and is read in no more than a moment", function()
    local site = new_site()
    local id = question(site)
    for _, path in ipairs { "/settings", "/api/confirmations/" .. id } do
      local answer = is_page(ask(site, "POST", "/leadcat" .. path, {
        as = "ann", body = "a=" .. ("b"):rep(MIB - 1), type = FORM,
      }))
      assert.equal(413, answer.status, path)
    end
    for _, piece in ipairs { "&", "=", "a&", "a=%41&", "%" } do
      local body = piece:rep(math.floor(times(MIB) / #piece))
      assert.equal(422, ask(site, "POST", "/leadcat/api/confirmations/" .. id, { as = "bob", body = body, type = FORM })
        .status)
    end
    site.engine:close()
  end)
end)

-- The config -----------------------------------------------------------------------------------------------------------

describe("the config", function()
  after_each(stores.check)

  local function get(site, headers)
    return ask(site, "GET", "/leadcat/api/config", { as = "ann", headers = headers })
  end

  it("is the engine's, tagged with its revision", function()
    local site = new_site()
    local answer = get(site)
    assert.same({ 200, '"1"', JSON }, { answer.status, answer.headers.ETag, answer.headers["Content-Type"] })
    assert.same(site.engine:config(), json.decode(answer.body))
    assert(site.engine:save(site.engine:config()))
    assert.equal('"2"', get(site).headers.ETag)
    site.engine:close()
  end)

  it("is not sent again to who has it", function()
    local site = new_site()
    for _, row in ipairs {
      { '"1"', 304 }, { 'W/"1"', 304 }, { '"0", "1"', 304 }, { '"7",W/"1","8"', 304 }, { "*", 304 },
      { '"2"', 200 }, { "1", 200 }, { '"11"', 200 }, { "", 200 }, { '""', 200 }, { '"1', 200 },
    } do
      for _, method in ipairs { "GET", "HEAD" } do
        local headers = { ["if-none-match"] = row[1] }
        local answer = ask(site, method, "/leadcat/api/config", { as = "ann", headers = headers })
        assert.same({ row[2], '"1"' }, { answer.status, answer.headers.ETag }, row[1])
        assert.is_true(row[2] == 200 or answer.body == nil)
      end
    end
    assert.equal(403, ask(site, "GET", "/leadcat/api/config", { as = "bob", headers = { ["if-none-match"] = '"1"' } })
      .status)
    site.engine:close()
  end)

  it("is saved only by who says which one he has changed", function()
    local site = new_site()
    for _ = 2, 5 do
      assert(site.engine:save(site.engine:config()))
    end
    for _, row in ipairs {
      { nil, 428, "revision_required" }, { "*", 200 }, { '"REVISION"', 200 }, { ' "REVISION" ', 200 },
      { 'W/"REVISION"', 412, "stale" }, -- If-Match compares strongly (RFC 9110, section 13.1.1)
      { '"4"', 412, "stale" }, { '"999"', 412, "stale" }, { '"99999999999999999999"', 412, "stale" },
      { "REVISION", 412, "stale" }, { "", 412, "stale" }, { '"-1"', 412, "stale" }, { '"x"', 412, "stale" },
      { '"0"', 412, "stale" }, { '"1e0"', 412, "stale" }, { "**", 412, "stale" },
    } do
      local revision = site.engine:config().revision
      local tag = row[1] and row[1]:gsub("REVISION", ("%d"):format(revision))
      local status, body, answer = call(site, "PUT", "/leadcat/api/config", {
        as = "ann", json = site.engine:config(), headers = { ["if-match"] = tag },
      })
      assert.same({ row[2], row[3] }, { status, body.code }, tostring(row[1]))
      assert.equal(status == 200 and revision + 1 or revision, site.engine:config().revision)
      if status == 200 then
        assert.same({ revision = revision + 1 }, body)
        assert.equal(('"%d"'):format(revision + 1), answer.headers.ETag)
        assert.equal("Ann", site.engine:revisions()[1].actor.name)
      end
    end
    site.engine:close()
  end)

  it("can be saved for the first time", function()
    local engine, path = stores.open { durability = "relaxed" }
    local site = { engine = engine, path = path, app = http.new { engine = engine, authenticate = authenticate } }
    assert.equal('"0"', get(site).headers.ETag)
    assert.equal(200, (call(site, "PUT", "/leadcat/api/config", {
      as = "ann", json = stores.config(RULES), headers = { ["if-match"] = '"0"' },
    })))
    assert.same({ "update", CUSTOMER, "matched" }, { site.engine:decide("sale_won", LEAD) })
    site.engine:close()
  end)

  it("is refused with all that is wrong with it", function()
    local site = new_site()
    local cfg, tag = config_json(site)
    cfg.rules = {
      { trigger = "sale_won", enabled = true }, { trigger = "sale_lost", enabled = true, set_category = 99 },
    }
    cfg.categories[1].group = "friends"
    local status, problem = call(site, "PUT", "/leadcat/api/config", {
      as = "ann", json = cfg, headers = { ["if-match"] = tag },
    })
    assert.same({ 422, "invalid" }, { status, problem.code })
    assert.same(json.decode(json.encode(site.engine:check(cfg))), problem.problems)
    local codes = {}
    for _, row in ipairs(problem.problems) do
      codes[row.code] = row.path
    end
    assert.same({ "rules[1].set_category", "rules[2].set_category", "categories[1].group" },
      { codes.category_required, codes.category_unknown, codes.unknown_group })
    assert.equal(1, site.engine:config().revision)
    site.engine:close()
  end)

  it("is decided by at once", function()
    local site = new_site()
    local cfg, tag = config_json(site)
    for _, rule in ipairs(cfg.rules) do
      rule.enabled = false
    end
    local fields = { as = "ann", json = cfg, headers = { ["if-match"] = tag } }
    assert.equal(200, ask(site, "PUT", "/leadcat/api/config", fields).status)
    local _, outcome = call(site, "POST", "/leadcat/api/events", {
      as = "bob", json = { trigger = "sale_won", company = new_company(site) },
    })
    assert.same({ "unchanged", "rule_disabled" }, { outcome.status, outcome.reason })
    site.engine:close()
  end)
end)

-- Events ---------------------------------------------------------------------------------------------------------------

describe("an event", function()
  after_each(stores.check)

  local function post(site, value, as)
    return call(site, "POST", "/leadcat/api/events", { as = as or "bob", json = value })
  end

  it("is handled, and its outcome is the engine's", function()
    local site = new_site()
    local company = new_company(site)
    local status, outcome = post(site, { trigger = "sale_won", company = company, id = "e1" })
    assert.same({ 200, "updated", LEAD, CUSTOMER, "sale_won", "matched" },
      { status, outcome.status, outcome.from, outcome.to, outcome.rule, outcome.reason })
    assert.equal(CUSTOMER, category_of(site, company))
    assert.equal(outcome.entry, site.engine:history()[1].entry)
    site.engine:close()
  end)

  it("is told of in the same JSON, whatever came of it", function()
    local site = new_site()
    for name, category in pairs { lead = LEAD, customer = CUSTOMER, partner = PARTNER, lost = LOST } do
      assert(site.engine.host:create(name, category))
    end
    local function tell(reason, event)
      local outcome = assert(site.engine:handle(event))
      assert.equal(reason, outcome.reason)
      local answer = ask(site, "POST", "/leadcat/api/events", { as = "bob", json = event })
      assert.equal(json.encode(outcome), answer.body)
      return answer.body
    end
    local nothing = { trigger = "sale_won", company = "partner" }
    tell("rule_disabled", { trigger = "lead_status_set", company = "lead", lead_status = 1 })
    tell("unknown_category", { trigger = "sale_won", company = "nobody" })
    tell("not_potential_customer", { trigger = "sale_won", company = "customer" })
    lacks(tell("not_potential_customer", nothing), "heard")
    site.engine:on("unchanged", function(_, outcome) outcome.heard = true end)
    contains(tell("not_potential_customer", nothing), '"heard":true')
    site.engine:close()
  end)

  it("is whoever's who has sent it, and the company stands where its host says", function()
    for _, host in ipairs { false, true } do
      local site = new_site { host = host and new_host() or nil }
      local company = new_company(site)
      -- by the client's word the company would be no lead any more, and the actor an administrator
      local event = {
        trigger = "sale_won", company = company, category = LOST,
        actor = { id = "ann", name = "Ann", admin = true, service = true },
      }
      for _, sent in ipairs { event, { event } } do
        local status, outcome = post(site, sent)
        outcome = outcome[1] or outcome
        assert.same({ 200, sent == event and "updated" or "unchanged" }, { status, outcome.status })
        assert.equal(sent == event and LEAD or CUSTOMER, outcome.from)
      end
      assert.same({ id = "bob", name = "Bob" }, site.engine:history()[1].actor)
      assert.equal(CUSTOMER, category_of(site, company))
      site.engine:close()
    end
  end)

  it("may come with others, in order", function()
    local site = new_site()
    local one, two = new_company(site), new_company(site)
    local status, outcomes = post(site, {
      { trigger = "sale_won", company = one, id = "a" }, { trigger = "sale_registered", company = two },
      { trigger = "sale_won", company = one, id = "a" }, { trigger = "sale_won", company = one },
      { trigger = "lead_status_set", company = two, lead_status = 5 },
    })
    local statuses = {}
    for i, outcome in ipairs(outcomes) do
      statuses[i] = outcome.status
    end
    assert.equal(200, status)
    assert.same({ "updated", "awaiting_confirmation", "duplicate", "unchanged", "unchanged" }, statuses)
    assert.equal("bob", site.engine:confirmation(outcomes[2].confirmation).actor.id)
    site.engine:close()
  end)

  it("may be none", function()
    local site = new_site()
    local answer = ask(site, "POST", "/leadcat/api/events", { as = "bob", body = " [ ] ", type = JSON })
    assert.same({ 200, "[]" }, { answer.status, answer.body })
    site.engine:close()
  end)

  it("is handled once, however often it is delivered", function()
    local site = new_site()
    local event = { trigger = "sale_won", company = new_company(site), id = "once" }
    local _, first = post(site, event)
    local status, second = post(site, event, "eve")
    assert.same({ 200, "duplicate", "updated", first.entry },
      { status, second.status, second.first.status, second.first.entry })
    assert.equal(1, entries(site))
    site.engine:close()
  end)

  it("is refused when it is none", function()
    local site = new_site()
    local company = new_company(site)
    for _, row in ipairs {
      { { trigger = "sale_one", company = company }, "trigger" }, { { company = company }, "trigger" },
      { { trigger = "sale_won" }, "company" }, { { trigger = "sale_won", company = "" }, "company" },
      { { trigger = "sale_won", company = ("c"):rep(256) }, "company" },
      { { trigger = "sale_won", company = 1.5 }, "company" },
      { { trigger = "sale_won", company = { company } }, "company" },
      { { trigger = "sale_won", company = true }, "company" },
      { { trigger = { "sale_won" }, company = company }, "trigger" },
      { { trigger = "sale_won", company = company, id = ("i"):rep(256) }, "id" },
      { { trigger = "sale_won", company = company, id = "" }, "id" },
      { { trigger = "sale_won", company = company, sale = "17" }, "sale" },
      { { trigger = "sale_won", company = company, contact = 5 }, "contact" },
      { { trigger = "sale_won", company = company, at = "now" }, "at" },
      { { trigger = "sale_won", company = company, choice = "six" }, "choice" },
      { { trigger = "sale_won", company = company, choice = true }, "choice" },
      { { trigger = "lead_status_set", company = company, lead_status = "5" }, "lead_status" },
    } do
      for _, sent in ipairs { row[1], { { trigger = "sale_lost", company = company }, row[1] } } do
        local status, problem = post(site, sent)
        assert.same({ 422, "invalid" }, { status, problem.code }, row[2])
        contains(problem.detail, row[2])
      end
    end
    assert.same({ 0, LEAD }, { entries(site), category_of(site, company) })
    site.engine:close()
  end)

  it("may have numbers and texts of any size, and is kept as it can be read again", function()
    local site = new_site()
    for _, fields in ipairs {
      { at = 0 }, { at = -1 }, { at = 1e300 }, { at = -1e300 }, { at = 1.5 }, { at = 2 ^ 53 }, { at = 1e-300 },
      { sale = { id = 1e300, name = ("n"):rep(100000) } }, { sale = { name = "\0\1\127</script>" } },
      { sale = { name = { name = "n" } } }, { contact = { id = -0.5 } }, { sale = { [""] = "" } }, { id = 2 ^ 53 - 1 },
      { id = -5 }, { id = "\r\n\0" },
    } do
      local event = { trigger = "sale_won", company = new_company(site) }
      for name, value in pairs(fields) do
        event[name] = value
      end
      assert.equal(200, (post(site, event)), json.encode(fields):sub(1, 60))
      event.trigger, event.company, event.id = "sale_registered", new_company(site), nil
      assert.equal(200, (post(site, event)), json.encode(fields):sub(1, 60))
      for _, path in ipairs { "/api/history", "/api/confirmations", "/history", "/confirmations" } do
        assert.equal(200, ask(site, "GET", "/leadcat" .. path, { as = "bob" }).status, path)
      end
    end
    site.engine:close()
  end)

  it("that names a lead status beyond all ids names none", function()
    local site = new_site(nil, nil, { ["lead_status_set:5"] = CUSTOMER })
    local company = new_company(site)
    for _, status in ipairs { 2 ^ 32 + 5, -5, 0, 2 ^ 31 + 5, 2 ^ 53 - 1 } do
      local code, outcome = post(site, { trigger = "lead_status_set", company = company, lead_status = status })
      assert.same({ 200, "unchanged", "lead_status_not_matched" }, { code, outcome.status, outcome.reason })
    end
    assert.equal(LEAD, category_of(site, company))
    site.engine:close()
  end)

  it("may be met by a change made elsewhere, which its outcome says", function()
    local host = new_host()
    local site = new_site { host = host }
    local company = new_company(site)
    local set = host.set_category
    function host.set_category(...)
      host.companies[company] = LOST
      return set(...)
    end
    local status, outcome = post(site, { trigger = "sale_won", company = company })
    assert.same({ 200, "conflict", LOST }, { status, outcome.status, host.companies[company] })
    site.engine:close()
  end)

  it("whose change fails at its host is kept; why is for the operator and for administrators", function()
    local host = new_host()
    local site = new_site { host = host }
    function host.can(actor, permission)
      return permission ~= "configure" or actor.admin
    end
    host.failing = SECRET
    local company = new_company(site)
    local event = { trigger = "sale_won", company = company, id = "e1" }
    for _, sent in ipairs { event, { event }, { { trigger = "sale_won", company = new_company(site) } } } do
      local status, outcome, answer = post(site, sent)
      outcome = outcome[1] or outcome
      assert.equal(200, status)
      assert.is_nil(outcome.error)
      assert.is_nil(outcome.first and outcome.first.error)
      contains(answer.log, SECRET)
    end
    for who, told in pairs { bob = false, hook = false } do
      local _, list = call(site, "GET", "/leadcat/api/history", { as = who })
      assert.same({ 2, told }, { #list, list[1].error ~= nil })
      assert.equal("applying", list[1].status)
    end
    host.failing = "away"
    post(site, { trigger = "sale_won", company = new_company(site) })
    local _, list = call(site, "GET", "/leadcat/api/history?limit=1", { as = "ann" })
    contains(list[1].error, "away")
    _, list = call(site, "GET", "/leadcat/api/history?limit=1", { as = "bob" })
    assert.is_nil(list[1].error)
    site.engine:close()
  end)

  it("that a guard refuses says why", function()
    local site = new_site()
    site.engine:on("guard", function() return false, "It is frozen." end)
    local _, outcome = post(site, { trigger = "sale_won", company = new_company(site) })
    assert.same({ "unchanged", "vetoed", "It is frozen." }, { outcome.status, outcome.reason, outcome.error })
    site.engine:close()
  end)

  it("may bring its answer along, which is the sender's to give", function()
    local site = new_site()
    for _, row in ipairs { { OPPORTUNITY, "updated" }, { PARTNER, "updated" }, { false, "declined" } } do
      local _, outcome = post(site, { trigger = "sale_registered", company = new_company(site), choice = row[1] })
      assert.equal(row[2], outcome.status)
    end
    local status, problem = post(site, { trigger = "sale_registered", company = new_company(site), choice = 99 })
    assert.same({ 422, "invalid" }, { status, problem.code })
    site.engine:close()

    local host = new_host()
    function host.can(_, permission)
      return permission ~= "confirm"
    end
    site = new_site { host = host }
    status, problem = post(site, { trigger = "sale_registered", company = new_company(site), choice = PARTNER })
    assert.same({ 403, "forbidden" }, { status, problem.code })
    assert.equal(0, entries(site))
    site.engine:close()
  end)
end)

describe("what would be asked", function()
  after_each(stores.check)

  local function propose(site, trigger, accept, as, company)
    return ask(site, "POST", "/leadcat/api/propose", {
      as = as or "bob", accept = accept, json = { trigger = trigger, company = company or new_company(site) },
    })
  end

  it("is a view as JSON, a dialog for who wants HTML, or nothing; and nothing is written", function()
    local site = new_site()
    for _, row in ipairs {
      { nil, JSON }, { JSON, JSON }, { "*/*", JSON }, { "text/plain", JSON },
      { "text/html", "text/html; charset=utf-8" },
      { "text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8" },
    } do
      local answer = propose(site, "sale_registered", row[1])
      assert.same({ 200, row[2] }, { answer.status, answer.headers["Content-Type"] }, tostring(row[1]))
    end
    local view = json.decode(propose(site, "sale_registered").body)
    assert.same({ "Update category", OPPORTUNITY, "open" }, { view.title, view.to.id, view.state })
    assert.is_nil(view.id)
    local dialog = propose(site, "sale_registered", "text/html").body
    assert.is_truthy(dialog:find "^<dialog ")
    for _, trigger in ipairs { "sale_won", "lead_status_set" } do
      local answer = propose(site, trigger, "text/html")
      assert.same({ 204 }, { answer.status, answer.body })
      assert.is_nil(answer.headers["Content-Type"])
    end
    assert.equal(0, entries(site))
    site.engine:close()
  end)

  it("is said in the actor's language", function()
    local site = new_site()
    assert.equal("Kategorie aktualisieren", json.decode(propose(site, "sale_registered", nil, "kai").body).title)
    contains(propose(site, "sale_registered", "text/html", "kai").body, 'lang="de"')
    site.engine:close()
  end)

  it("needs an event", function()
    local site = new_site()
    for _, value in ipairs {
      { trigger = "sale_one", company = 1 }, { trigger = "sale_won" }, { { trigger = "sale_won", company = 1 } },
    } do
      local status, problem = call(site, "POST", "/leadcat/api/propose", { as = "bob", json = value })
      assert.same({ 422, "invalid" }, { status, problem.code })
    end
    site.engine:close()
  end)
end)

describe("an explanation", function()
  after_each(stores.check)

  it("is the engine's, of an event or of a company, in the actor's language", function()
    local site = new_site()
    local _, company = change(site)
    local event = { trigger = "sale_won", company = company, category = LEAD, actor = ACTORS.ann }
    local status, decision = call(site, "POST", "/leadcat/api/explain", { as = "kai", json = event })
    assert.same({ 200, "not_potential_customer", CUSTOMER, false },
      { status, decision.reason, decision.category, decision.checks[3].pass })
    contains(decision.sentence, "einer Kategorie der Gruppe Kunde; nur Firmen in")
    local why
    status, why = call(site, "GET", "/leadcat/api/explain?company=" .. company, { as = "kai" })
    assert.same({ 200, company, CUSTOMER, 4, "updated" },
      { status, why.name, why.category, #why.decisions, why.newest.status })
    assert.equal(decision.sentence, why.decisions[2].sentence)
    contains(why.newest.sentence, "wurde am 2023-11-14 22:13 UTC von Lead in Kunde geändert.")
    assert.equal(1, entries(site))
    site.engine:close()
  end)

  it("finds a company whose id is an integer", function()
    local host = new_host()
    function host.category(company)
      return company == 17 and LEAD or nil
    end
    local site = new_site { host = host }
    for _, row in ipairs { { "17", 17, LEAD }, { "017", "017" }, { "18", 18 }, { "x", "x" } } do
      local _, why = call(site, "GET", "/leadcat/api/explain?company=" .. row[1], { as = "bob" })
      assert.same({ row[2], row[3] or "none" }, { why.company, why.category or "none" })
    end
    site.engine:close()
  end)

  it("is nobody's who may not see the company; nor is an entry that he may not see", function()
    local host = new_host()
    local site = new_site { host = host }
    local entry, company = change(site)
    function host.can(_, permission, subject)
      return permission ~= "view" or not subject or subject.entry ~= entry and subject.company ~= "secret"
    end
    local status, why = call(site, "GET", "/leadcat/api/explain?company=" .. company, { as = "bob" })
    assert.same({ 200, "none" }, { status, why.newest or "none" })
    assert.equal(403, (call(site, "GET", "/leadcat/api/explain?company=secret", { as = "bob" })))
    local function explain(event)
      event.trigger = "sale_won"
      return call(site, "POST", "/leadcat/api/explain", { as = "bob", json = event })
    end
    assert.equal(403, (explain { company = "secret" }))
    local first = assert(site.engine:handle { id = "e1", trigger = "sale_won", company = new_company(site) })
    local _, decision = explain { company = company, id = "e1" }
    contains(decision.sentence, "This event has been handled before. A sale was won. The category of company-2 was")
    entry = first.entry
    assert.equal(403, (explain { company = company, id = "e1" }))
    site.engine:close()
  end)

  it("needs an event, or a company", function()
    local site = new_site()
    for _, value in ipairs { { trigger = "sale_one", company = 1 }, { trigger = "sale_won" }, 17 } do
      local status, problem = call(site, "POST", "/leadcat/api/explain", { as = "bob", json = value })
      assert.same({ 422, "invalid" }, { status, problem.code })
    end
    for _, query in ipairs { "", "?company=", "?company=" .. ("c"):rep(256), "?trigger=sale_won" } do
      local status, problem = call(site, "GET", "/leadcat/api/explain" .. query, { as = "bob" })
      assert.same({ 422, "invalid" }, { status, problem.code }, query)
    end
    site.engine:close()
  end)
end)

-- Lists ----------------------------------------------------------------------------------------------------------------

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
      contains(problem.detail, query:match "^%l+")
    end
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
      { "?trigger=sale_lost", 0 }, { "?status=failed", 0 }, { "?run=none", 0 },
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

-- Questions ------------------------------------------------------------------------------------------------------------

describe("one question", function()
  after_each(stores.check)

  it("is its record", function()
    local site = new_site()
    local id = question(site)
    local status, record = call(site, "GET", "/leadcat/api/confirmations/" .. id, { as = "eve" })
    assert.equal(200, status)
    assert.same(json.decode(json.encode(site.engine:confirmation(id))), record)
    site.engine:close()
  end)

  it("that is not there, or not to be seen, is the same to whoever asks", function()
    local host = new_host()
    function host.can(actor, permission, subject)
      return permission == "view" and subject ~= nil and actor.id == "bob"
    end
    local site = new_site { host = host }
    local id = question(site)
    local other = site.engine:tenant "other"
    assert(other:save(stores.config(RULES)))
    host.companies.Acme = LEAD
    local others = other:handle { trigger = "sale_registered", company = "Acme", actor = ACTORS.bob }.confirmation
    assert.equal(200, ask(site, "GET", "/leadcat/api/confirmations/" .. id, { as = "bob" }).status)
    for _, row in ipairs { { "GET", "/api/confirmations/" }, { "GET", "/confirmations/" },
      { "POST", "/api/confirmations/", { json = { accept = true } } },
      { "POST", "/api/confirmations/", { form = { accept = "true" } } } } do
      local first
      for _, one in ipairs { UNKNOWN, id, others, "x", ("z"):rep(32), UNKNOWN .. "0", id:sub(2), id .. "\0", id .. "\n",
        " " .. id, ("f"):rep(10000), "..", "%", "\255", "count2", "null" } do
        local fields = { as = "eve" }
        for name, value in pairs(row[3] or {}) do
          fields[name] = value
        end
        local answer = ask(site, row[1], "/leadcat" .. row[2] .. one, fields)
        first = first or answer
        assert.same({ 404, first.headers, first.body }, { answer.status, answer.headers, answer.body }, one:sub(1, 60))
      end
      lacks(first.body, "eve")
    end
    assert.equal("open", site.engine:confirmation(id).state)
    site.engine:close()
  end)
end)

describe("an answer", function()
  after_each(stores.check)

  local function answer(site, id, value, as)
    return call(site, "POST", "/leadcat/api/confirmations/" .. id, { as = as or "bob", json = value })
  end

  local function answer_form(site, id, form, as)
    return ask(site, "POST", "/leadcat/api/confirmations/" .. id, { as = as or "bob", form = form })
  end

  it("accepts, chooses or declines", function()
    local site = new_site()
    for _, row in ipairs {
      { { accept = true }, { accept = "true" }, OPPORTUNITY, "updated", "accepted" },
      { { category = PARTNER }, { category = "6" }, PARTNER, "updated", "changed" },
      { { decline = true }, { decline = "true", category = "3" }, LEAD, "declined", "declined" },
      { { category = LEAD }, { category = "1" }, LEAD, "declined", "declined" },
    } do
      for _, as in ipairs { "bob", "ann" } do
        local id, company = question(site)
        local status, outcome = answer(site, id, row[1], as)
        local record = site.engine:confirmation(id)
        assert.same({ 200, row[4], row[3], row[5], as },
          { status, outcome.status, category_of(site, company), record.state, record.resolved_by.id })
        id, company = question(site)
        local sent = answer_form(site, id, row[2], as)
        record = site.engine:confirmation(id)
        assert.same({ 303, "/leadcat/confirmations?answered=" .. id, row[3], row[5], as },
          { sent.status, sent.headers.Location, category_of(site, company), record.state, record.resolved_by.id })
      end
    end
    site.engine:close()
  end)

  it("must be one, and one that can be given", function()
    local site = new_site()
    local id, company = question(site)
    for _, value in ipairs {
      {}, { accept = false }, { accept = "true" }, { accept = 1 }, { decline = false }, { category = "6" },
      { category = 6.5 }, { category = 99 }, { category = -1 }, { category = 1e300 }, { accept = true, decline = true },
      { accept = true, category = 6 }, { yes = true }, { accept = true, more = 1 }, { true }, { category = { 6 } },
      { category = true }, { category = 2 ^ 32 + 6 },
    } do
      local status, problem = answer(site, id, value)
      assert.same({ 422, "invalid" }, { status, problem.code }, json.encode(value))
    end
    assert.same({ "open", LEAD }, { site.engine:confirmation(id).state, category_of(site, company) })
    site.engine:close()
  end)

  it("is the asker's or an administrator's to give", function()
    local site = new_site()
    local id = question(site)
    for _, as in ipairs { "eve", "hook", "kai" } do
      for _, value in ipairs { { accept = true }, { decline = true }, { category = PARTNER } } do
        local status, problem = answer(site, id, value, as)
        assert.same({ 403, "forbidden" }, { status, problem.code }, as)
      end
      assert.equal(403, is_page(answer_form(site, id, { accept = "true" }, as)).status)
    end
    assert.equal("open", site.engine:confirmation(id).state)
    site.engine:close()
  end)

  it("is taken once: whoever is later is told who answered and when, in his language", function()
    local site = new_site { language = "en" }
    local id = question(site, ACTORS.kai)
    assert.equal(200, (answer(site, id, { accept = true }, "ann")))
    local said = {
      kai = "Ann hat dies am 2023-11-14 22:13 UTC bestätigt.", liv = "Ann",
      ann = "Ann accepted this on 2023-11-14 22:13 UTC.",
    }
    for who, sentence in pairs(said) do
      local status, problem = answer(site, id, { decline = true }, who)
      assert.same({ 409, "already_resolved" }, { status, problem.code }, who)
      contains(problem.detail, sentence)
      contains(problem.detail, "2023-11-14 22:13")
      local page = is_page(answer_form(site, id, { decline = "true" }, who))
      assert.equal(409, page.status)
      contains(page.body, sentence)
    end
    assert.equal("accepted", site.engine:confirmation(id).state)
    site.engine:close()
  end)

  it("is too late after a week", function()
    local site = new_site()
    local id, company = question(site, ACTORS.kai)
    site.now = START + WEEK
    local status, problem = answer(site, id, { accept = true }, "kai")
    assert.same({ 410, "expired" }, { status, problem.code })
    contains(problem.detail, "2023-11-21 22:13 UTC abgelaufen")
    assert.equal(410, is_page(answer_form(site, id, { accept = "true" }, "kai")).status)
    assert.equal(LEAD, category_of(site, company))
    site.engine:close()
  end)

  it("may be met by a change made meanwhile", function()
    for _, form in ipairs { false, true } do
      local site = new_site()
      local id, company = question(site)
      assert(site.engine.host.set_category(company, LOST, LEAD))
      if form then
        local page = is_page(answer_form(site, id, { accept = "true" }))
        assert.equal(409, page.status)
        contains(page.body, "had already been changed")
      else
        local status, problem = answer(site, id, { accept = true })
        assert.same({ 409, "conflict", "conflict", LOST },
          { status, problem.code, problem.outcome.status, problem.outcome.category })
        contains(problem.detail, "Bob answered on 2023-11-14 22:13 UTC")
      end
      assert.same({ "conflict", LOST }, { site.engine:confirmation(id).state, category_of(site, company) })
      site.engine:close()
    end
  end)

  it("that the host could not carry out is kept, and tried again", function()
    local host = new_host()
    local site = new_site { host = host }
    host.failing = SECRET
    local id, company = question(site)
    local status, outcome, response = answer(site, id, { accept = true })
    assert.same({ 202, "failed" }, { status, outcome.status })
    contains(response.log, SECRET)
    host.failing, site.now = false, START + 3600
    assert.equal(1, site.engine:recover().finished)
    assert.equal(OPPORTUNITY, category_of(site, company))
    site.engine:close()
  end)
end)

-- Undo -----------------------------------------------------------------------------------------------------------------

describe("an undo", function()
  after_each(stores.check)

  local function undo(site, entry, as, fields)
    fields = fields or {}
    fields.as = as or "ann"
    return call(site, "POST", ("/leadcat/api/history/%s/undo"):format(entry), fields)
  end

  local function text(entry)
    return ("%d"):format(entry)
  end

  it("takes a change back, and can be taken back itself", function()
    for _, host in ipairs { false, true } do
      local site = new_site { host = host and new_host() or nil }
      local entry, company = change(site)
      local status, outcome = undo(site, text(entry))
      assert.same({ 200, "updated", "undo", LEAD },
        { status, outcome.status, outcome.reason, category_of(site, company) })
      status, outcome = undo(site, text(outcome.entry))
      assert.same({ 200, "updated", CUSTOMER }, { status, outcome.status, category_of(site, company) })
      assert.equal("Ann", site.engine:history()[1].actor.name)
      site.engine:close()
    end
  end)

  it("is refused when it may not be, cannot be or there is nothing", function()
    local site = new_site()
    local entry, company = change(site)
    question(site)
    local asked = site.engine:history()[1].entry
    assert.equal(200, (undo(site, text(entry))))
    for _, row in ipairs {
      { text(entry), "ann", 409, "conflict" }, { text(asked), "ann", 422, "invalid" },
      { "1", "ann", 404, "not_found" }, { "9007199254740992", "ann", 404, "not_found" },
      { "0", "ann", 404, "not_found" },
      { "x", "ann", 404, "not_found" }, { "-1", "ann", 404, "not_found" }, { "1.0", "ann", 404, "not_found" },
      { ("9"):rep(400), "ann", 404, "not_found" }, { text(entry) .. "\n", "ann", 404, "not_found" },
      { text(entry), "bob", 403, "forbidden" }, { "1", "bob", 403, "forbidden" }, { "x", "bob", 403, "forbidden" },
      { text(entry), "hook", 403, "forbidden" },
    } do
      local status, problem = undo(site, row[1], row[2])
      assert.same({ row[3], row[4] }, { status, problem.code }, row[1]:sub(1, 20) .. " " .. row[2])
    end
    assert.equal(LEAD, category_of(site, company))
    site.engine:close()
  end)

  it("is refused in the language of who looks at the page", function()
    local site = new_site()
    local entry, company = change(site)
    assert.equal(200, (undo(site, text(entry))))
    local path = ("/leadcat/api/history/%d/undo"):format(entry)
    local page = is_page(ask(site, "POST", path, { as = "liv", form = {} })).body
    contains(page, "Kategorien til firmaet er allerede endret.")
    lacks(page, company)
    contains(select(2, undo(site, text(entry))).detail, ("company %s has been changed since"):format(company))
    site.engine:close()
  end)

  it("of all that a revision has changed can be seen before, and lists what has been changed since", function()
    local site = new_site()
    local entry, company = change(site)
    local kept, elsewhere = change(site)
    assert(site.engine.host.set_category(elsewhere, LEAD, CUSTOMER))
    local expected = {
      undone = { { entry = entry, company = company, from = CUSTOMER, to = LEAD } },
      refused = { { entry = kept, company = elsewhere, code = "conflict" } },
    }
    expected.refused[1].why = ("company %s has been changed since"):format(elsewhere)
    local fields = { as = "ann", json = { revision = 1, since = 1, preview = true } }
    local status, result = call(site, "POST", "/leadcat/api/undo", fields)
    assert.same({ 200, expected }, { status, result })
    fields.json.preview = nil
    status, result = call(site, "POST", "/leadcat/api/undo", fields)
    expected.undone[1].undo, expected.run = result.undone[1].undo, result.run
    assert.same({ 200, expected, LEAD }, { status, result, category_of(site, company) })
    status, result = call(site, "GET", "/leadcat/api/history?run=" .. result.run, { as = "ann" })
    assert.same({ 200, 1, entry }, { status, #result, result[1].undoes })
    site.engine:close()
  end)

  it("of many must say which", function()
    local site = new_site()
    for _, sent in ipairs {
      {}, { run = 1 }, { run = "a b" }, { revision = 0 }, { revision = 1, run = "x" }, { run = "x", since = 1 },
      { revision = 1, actor = { id = "eve" } }, { revision = 1, since = "1" }, { revision = 1, preview = 1 }, "run",
    } do
      local status, problem = call(site, "POST", "/leadcat/api/undo", { as = "ann", json = sent })
      assert.same({ 422, "invalid" }, { status, problem.code })
    end
    site.engine:close()
  end)

  it("of an entry that is not there and of one that may not be undone is the same to who may not", function()
    local site = new_site()
    local entry = change(site)
    local first
    for _, id in ipairs { text(entry), "1", "x", "0" } do
      local answer = ask(site, "POST", ("/leadcat/api/history/%s/undo"):format(id), { as = "bob" })
      first = first or answer
      assert.same({ 403, first.headers, first.body }, { answer.status, answer.headers, answer.body }, id)
    end
    site.engine:close()
  end)

  it("by a form leads back to the history, or to a page that says why not", function()
    local site = new_site()
    local entry = change(site)
    local path = ("/leadcat/api/history/%d/undo"):format(entry)
    local answer = ask(site, "POST", path, { as = "ann", body = "", type = FORM })
    assert.equal(303, answer.status)
    assert.is_truthy(answer.headers.Location:find "^/leadcat/history")
    assert.equal(409, is_page(ask(site, "POST", path, { as = "ann", body = "", type = FORM })).status)
    assert.equal(403, is_page(ask(site, "POST", path, { as = "bob", body = "", type = FORM })).status)
    site.engine:close()
  end)
end)

-- For operators --------------------------------------------------------------------------------------------------------

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

-- Pages ----------------------------------------------------------------------------------------------------------------

-- The values of a page's fields, as a browser would send them back.
local function unescape(text)
  return (text:gsub("&(#?%w+);", { lt = "<", gt = ">", amp = "&", quot = '"', ["#39"] = "'" }))
end

local function fields_of(markup)
  local fields = {}
  markup = markup:gsub("<template.-</template>", "") -- what a script takes its rows from is not sent
  for tag in markup:gmatch "<input ([^>]*)>" do
    local name, value = tag:match 'name="([^"]*)"', tag:match 'value="([^"]*)"'
    if name and (not tag:find 'type="checkbox"' or (" " .. tag .. " "):find "%schecked%s") then
      fields[name] = unescape(value or "on")
    end
  end
  for tag, content in markup:gmatch "<select ([^>]*)>(.-)</select>" do
    local name, first = tag:match 'name="([^"]*)"', nil
    for option in content:gmatch "<option ([^>]*)>" do
      local value = option:match 'value="([^"]*)"'
      first = first or value
      if (" " .. option .. " "):find "%sselected%s" then
        fields[name] = unescape(value)
      end
    end
    fields[name] = fields[name] or unescape(first or "")
  end
  return fields
end

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
    local fields = fields_of(get(site))
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
    contains(get(site), "a company can go round for ever")
    lacks(get(site), "data-leadcat-edited")
    site.engine:close()
    site = new_site()
    lacks(get(site), text_of(site, "settings.warnings"))
    site.engine:close()
  end)

  it("shows what stands in the way, and keeps what was typed", function()
    local site = new_site()
    local fields = fields_of(get(site))
    local answer = is_page(post(site, fields, {
      ["rule.sale_won.set_category"] = "", ["category.1.name"] = "My <b>own</b> lead",
    }))
    assert.equal(422, answer.status)
    contains(answer.body, text_of(site, "settings.problem.category_required"))
    contains(answer.body, text_of(site, "settings.not_saved"))
    assert.equal("My <b>own</b> lead", fields_of(answer.body)["category.1.name"])
    lacks(answer.body, "<b>own")
    assert.equal(1, site.engine:config().revision)
    site.engine:close()
  end)

  it("shows what somebody else has saved meanwhile, and keeps what was typed", function()
    local site = new_site()
    local fields = fields_of(get(site))
    local other = site.engine:config()
    for _, rule in ipairs(other.rules) do
      rule.set_category = rule.trigger == "sale_lost" and PARTNER or rule.set_category
    end
    assert(site.engine:save(other, { actor = ACTORS.liv }))
    local answer = is_page(post(site, fields, { ["category.1.name"] = "Mine" }))
    assert.equal(412, answer.status)
    contains(answer.body, text_of(site, "settings.changed"))
    contains(answer.body, "now sets the category to Partner")
    local again = fields_of(answer.body)
    assert.same({ "2", "Mine" }, { again.revision, again["category.1.name"] })
    assert.equal(2, site.engine:config().revision)
    assert.equal(303, post(site, again).status) -- who saves again has seen it
    assert.equal("Mine", site.engine:config().categories[1].name.en)
    site.engine:close()
  end)

  describe("tries what is sent on the events of the journal, and saves nothing:", function()
    local function try(site, changes)
      local fields = fields_of(get(site))
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
      assert.equal("Mine", fields_of(answer.body)["category.1.name"])
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
      local fields = fields_of(is_page(post(site, fields_of(get(site)), { ["do"] = "add_category" })).body)
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
      local fields = fields_of(get(site))
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
      local fields = fields_of(get(site))
      local mend = stores.fail(site.engine, "history")
      assert.equal(507, post(site, fields, { ["do"] = "try" }).status)
      mend()
      site.engine:close()
    end)
  end)

  it("shows its form again for any other button, without saving, and goes on from there", function()
    local site = new_site()
    local answer = is_page(post(site, fields_of(get(site)), { ["do"] = "add_category" }))
    assert.equal(200, answer.status)
    local fields = fields_of(answer.body)
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
    assert.equal("Friends", require("leadcat.config").text(categories[#categories].name, "en"))
    site.engine:close()
  end)

  it("forgets what was typed when it is cancelled", function()
    local site = new_site()
    local answer = post(site, fields_of(get(site)), { ["do"] = "cancel", ["category.1.name"] = "Mine" })
    assert.same({ 303, "/leadcat/settings" }, { answer.status, answer.headers.Location })
    assert.equal(1, site.engine:config().revision)
    site.engine:close()
  end)

  it("that is sent from a revision that is not there is stale, or is laid over the newest", function()
    local site = new_site()
    local fields = fields_of(get(site))
    for _, revision in ipairs { "", "x", "99", "-1", "1e3", "0x1", "999999999999999", ("9"):rep(400), "\r\n" } do
      local before = site.engine:config().revision
      local answer = post(site, fields, { revision = revision })
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
    assert.equal(403, post(site, { revision = "1" }).status)
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
    local answer = ask(site, "POST", "/leadcat/api/confirmations/" .. id, { as = "bob", form = fields_of(dialog) })
    assert.equal(303, answer.status)
    page = is_page(ask(site, "GET", answer.headers.Location, { as = "bob" }))
    lacks(page.body, 'href="/leadcat/confirmations/' .. id .. '"')
    assert.is_truthy(page.body:find '<p class="leadcat%-said"[^>]*>[^<]', "it is not said how it was taken")
    site.engine:close()
  end)

  it("goes on behind the first fifty", function()
    local site = new_site()
    local seen, count, address = {}, 0, "/leadcat/confirmations"
    for _ = 1, 120 do
      question(site)
    end
    repeat
      local body = is_page(ask(site, "GET", address, { as = "bob" })).body
      for id in body:gmatch 'href="/leadcat/confirmations/(%x+)"' do
        assert.is_nil(seen[id])
        seen[id], count = true, count + 1
      end
      local after = body:match 'href="(%?after=%x+)"'
      address = after and "/leadcat/confirmations" .. after
    until not address
    assert.equal(120, count)
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
      [""] = 4, ["?company=&actor=&trigger=&status=&revision=&run=&from=&to="] = 4, ["?company=company-1"] = 2,
      ["?actor=ann"] = 1, ["?actor=Bob"] = 2, ["?actor=bob&status=updated"] = 1, ["?trigger=sale_lost"] = 1,
      ["?status=updated"] = 3, ["?revision=1"] = 3, ["?revision=2"] = 1, ["?run=x"] = 0, ["?from=2023-11-15"] = 2,
      ["?to=2023-11-14"] = 2, ["?from=2023-11-14&to=2023-11-15"] = 4, ["?from=2023-11-16"] = 0,
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
    contains(body, '<a href="/leadcat/history/revisions/1">Version 1</a>')
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
    contains(body, "Saved by Ann on 2023-11-15 22:13 UTC.")
    contains(body, "was switched off.")
    contains(body, text_of(site, "revision.current"))
    contains(is_page(ask(site, "GET", "/leadcat/history/revisions/1", { as = "bob" })).body, "Saved automatically on ")
    for _, id in ipairs { "0", "3", "x", "01", "1.0", "1e0", "-1", ("9"):rep(30) } do
      assert.equal(404, is_page(ask(site, "GET", "/leadcat/history/revisions/" .. id, { as = "bob" })).status, id)
    end
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

-- Languages, prefixes, tenants -----------------------------------------------------------------------------------------

describe("the language of a page and of a problem", function()
  after_each(stores.check)

  local function language_of(site, address, fields)
    return ask(site, "GET", address, fields).body:match '<html lang="([%w-]+)"'
  end

  it("is the actor's, else the engine's", function()
    for _, row in ipairs { { nil, "bob", "en" }, { "sv", "bob", "sv" }, { "sv", "kai", "de" }, { "sv", "liv", "no" },
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
      { "de", "de" }, { "nb-NO,nb;q=0.9", "no" }, { "xx,de;q=0.5", "de" }, { "DE-at", "de" }, { "", "en" },
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
      form = { ["do"] = "save", revision = "3" },
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

-- What goes wrong inside -----------------------------------------------------------------------------------------------

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

-- Whatever is sent -----------------------------------------------------------------------------------------------------

describe("whatever is sent", function()
  after_each(stores.check)

  local SEED = 20231114
  local VALUES = {
    "", "x", "1", "-1", "0", "5", "true", "false", "null", "nan", "1e308", "2147483648",
    "9007199254740993", UNKNOWN, "*",
    '"1"', 'W/"1"', "text/html", JSON, FORM, "same-origin", "cross-site", "none", "https://crm.example", "null", "de",
    "ann", "bob", "eve", "hook", "robot", "raises", "\0", "\r\nX: y", "\255", "%", "%00", "%0d%0a", "%2e%2e", "../",
    "//x",
    "<script>alert(1)</script>", "'\"><img src=x>", "{}", "[]", "[[[[", '{"accept":true}', '{"decline":true}',
    '{"category":6}', '{"trigger":"sale_won","company":"c"}', '[{"trigger":"sale_registered","company":7}]',
    '{"trigger":"sale_won","company":"c","choice":6,"at":-5,"sale":{"name":"\\u0000"}}', '{"rules":[{}]}', "do=save",
    "do=add_category", "do=save&revision=1&category.1.name=", "rule.sale_won.enabled=on&do=save", "accept=true",
    "limit=1", "after=" .. UNKNOWN, "company=c&user=bob", "state=open", "since=5", "answered=" .. UNKNOWN, "saved=1",
    ("a"):rep(300), ("["):rep(2000), ("&a=b"):rep(200), "\226\128\174", "é", "&", "=", "?", "#", " ", "\t",
  }
  local NAMES = { "accept", "accept-language", "content-type", "cookie", "host", "if-match", "if-none-match", "origin",
    "sec-fetch-site", "x-tenant", "content-length", "transfer-encoding", "x-http-method-override", "range" }

  local function new_random(seed)
    return function(most)
      seed = seed * 16807 % 2147483647
      return seed % most + 1
    end
  end

  -- A request, mostly of a route that there is and by somebody, with pieces of VALUES in places where they may matter.
  local function new_request(random, paths)
    local function one_of(list)
      return list[random(#list)]
    end
    local path = paths[random(#paths)]
    if random(4) == 1 then
      path = path .. one_of(VALUES)
    elseif random(8) == 1 then
      path = one_of(VALUES) .. path:sub(random(#path))
    end
    local headers = { cookie = one_of { "ann", "ann", "bob", "robot" }, ["sec-fetch-site"] = "same-origin",
      host = "crm.example", ["content-type"] = one_of { JSON, FORM } }
    for _ = 1, random(4) - 1 do
      headers[one_of(NAMES)] = one_of(VALUES)
    end
    local body = one_of(VALUES) .. (random(3) == 1 and one_of(VALUES) or "")
    return {
      method = random(10) == 1 and one_of(METHODS) or one_of { "GET", "HEAD", "POST", "POST", "PUT" },
      path = path,
      query = random(2) == 1 and one_of(VALUES) .. "&" .. one_of(VALUES) or nil,
      headers = headers,
      body = one_of { body, body, function() return body end, function() return nil, "too_large" end },
    }
  end

  it("is answered, with a known status, sound headers and a body or none", function()
    local site = new_site()
    local id, entry = question(site), change(site)
    local paths = { "/leadcat", "/leadcat/confirmations/" .. id, "/leadcat/api/confirmations/" .. id,
      ("/leadcat/api/history/%d/undo"):format(entry) }
    for path in pairs(ALLOW) do
      paths[#paths + 1] = "/leadcat" .. path:gsub("{id}", UNKNOWN)
    end
    table.sort(paths, function(a, b) return a < b end)
    local random, statuses = new_random(SEED), {}
    for i = 1, times(2000) do
      local request = new_request(random, paths)
      local ok, answer = pcall(site.app.respond, site.app, request)
      if ok then
        ok, answer = pcall(check, answer)
      end
      if not ok or answer.status == 500 then
        error(("seed %d, request %d: %s %q?%s: %s"):format(SEED, i, request.method, request.path,
          tostring(request.query), ok and answer.log or tostring(answer)))
      end
      statuses[answer.status] = (statuses[answer.status] or 0) + 1
      assert.is_true(answer.body == nil or request.method ~= "HEAD")
    end
    for _, status in ipairs { 200, 401, 403, 404, 405, 415, 422 } do -- it has not only been refused at the door
      assert.is_truthy(statuses[status], status)
    end
    assert.is_truthy(site.engine:config())
    site.engine:close()
  end)
end)
