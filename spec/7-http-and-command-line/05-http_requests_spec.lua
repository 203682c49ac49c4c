-- What all routes have in common: methods, headers, bodies; and last requests that nobody would send on purpose.

local http = require "leadcat.http"
local json = require "leadcat.util.json"
local stores = require "support.stores"
local times = require "support.times"
local web = require "support.web"

local LEAD, OPPORTUNITY, PARTNER = 1, 3, 6 -- the preset's categories
local MIB = 1024 * 1024
local ACTORS, FORM, JSON, NOBODY, SECRET = web.ACTORS, web.FORM, web.JSON, web.NOBODY, web.SECRET
local UNKNOWN = web.UNKNOWN
local new_site, encode, check = web.new_site, web.encode, web.check
local ask, call, is_page, contains, lacks = web.ask, web.call, web.is_page, web.contains, web.lacks
local new_company, category_of, question = web.new_company, web.category_of, web.question
local change, form_save, fill = web.change, web.form_save, web.fill

-- Methods --------------------------------------------------------------------------------------------------------------

local ALLOW = {
  ["/settings"] = "GET, HEAD, POST", ["/confirmations"] = "GET, HEAD, POST", ["/confirmations/{id}"] = "GET, HEAD",
  ["/history"] = "GET, HEAD", ["/history.csv"] = "GET, HEAD", ["/history/revisions/1"] = "GET, HEAD",
  ["/drift"] = "GET, HEAD, POST", ["/drift.csv"] = "GET, HEAD",
  ["/versions"] = "GET, HEAD", ["/versions/1"] = "GET, HEAD, POST",
  ["/api/propose"] = "POST", ["/api/config"] = "GET, HEAD, PUT", ["/api/fields"] = "GET, HEAD",
  ["/api/events"] = "POST",
  ["/api/explain"] = "GET, HEAD, POST",
  ["/api/undo"] = "POST",
  ["/api/confirmations"] = "GET, HEAD", ["/api/confirmations/count"] = "GET, HEAD",
  ["/api/confirmations/{id}"] = "GET, HEAD, POST", ["/api/history"] = "GET, HEAD",
  ["/api/confirmations/{id}/assign"] = "POST",
  ["/api/history/1/undo"] = "POST", ["/api/history/1/cancel"] = "POST",
  ["/api/companies/7/rename"] = "POST", ["/api/companies/7/merge"] = "POST", ["/api/companies/7/delete"] = "POST",
  ["/api/forget"] = "POST",
  ["/metrics"] = "GET, HEAD", ["/health"] = "GET, HEAD",
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

  it("gives `authenticate` headers that it can go through, as texts", function()
    local site = new_site()
    local seen
    site.app = http.new { engine = site.engine, authenticate = function(request)
      seen = {}
      for name, value in pairs(request.headers) do
        seen[name] = value
      end
      return request.headers["x-user"] and ACTORS.ann
    end }
    local sent = { cookie = { "a=1", "b=2" }, ["x-tag"] = "7", accept = "text/html" }
    local function ask_as(user)
      sent["x-user"] = user
      return site.app:respond { method = "GET", path = "/leadcat/api/config", headers = sent }.status
    end
    assert.equal(200, ask_as "ann")
    assert.same({ cookie = "a=1; b=2", ["x-tag"] = "7", accept = "text/html", ["x-user"] = "ann" }, seen)
    assert.equal(400, ask_as { "ann", "bob" }) -- nobody goes by one of the two
    assert.is_nil(seen["x-user"])
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
        { "GET", "/history/revisions/" .. text }, { "GET", "/versions", { query = "before=" .. text } },
        { "POST", "/versions/" .. text, { form = { newest = text } } },
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

-- Sends a body to a route that takes JSON.
local function send(site, route, body, type_of_body)
  local method, path, fields = fill(site, route)
  return call(site, method, path, {
    as = "ann", body = body, type = type_of_body or JSON, headers = fields.headers,
  })
end

describe("a header that was given twice", function()
  after_each(stores.check)

  it("is refused where it decides something, before it does", function()
    local site = new_site()
    local company = web.new_company(site)
    for _, row in ipairs {
      { "content-type", { "application/json", "text/plain" } },
      { "content-type", { "application/json", "application/json" } },
      { "host", { "crm.example", "evil.example" }, false }, { "origin", { "https://crm.example", "null" }, false },
      { "sec-fetch-site", { "same-origin", "cross-site" } }, { "x-tenant", { "", "other" } },
    } do
      local headers = { [row[1]] = row[2] }
      headers.origin = row[1] == "host" and "https://crm.example" or headers.origin
      local status, problem = web.call(site, "POST", "/leadcat/api/events", {
        as = "bob", site = row[3], headers = headers, json = { trigger = "sale_won", company = company },
      })
      assert.same({ 400, "malformed" }, { status, problem.code }, row[1])
      web.contains(problem.detail, row[1])
      assert.equal(0, web.entries(site))
    end
    site.engine:close()
  end)

  it("is one list where it is made to be one, and nobody's matter where nobody reads it", function()
    local site = new_site()
    local answer = ask(site, "GET", "/leadcat/api/config", { as = "ann", headers = {
      ["if-none-match"] = { '"7"', '"1"' }, ["x-user"] = { "a", "b" }, accept = { "text/plain", "text/html" },
    } })
    assert.equal(304, answer.status)
    assert.equal(401, ask(site, "GET", "/leadcat/api/config", { headers = { cookie = { "ann", "bob" } } }).status)
    site.engine:close()
  end)
end)

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

  it("is not compressed", function()
    local site = new_site()
    for coding, expected in pairs { gzip = 415, br = 415, ["identity, gzip"] = 415, identity = 200, [""] = 200 } do
      for _, route in ipairs(JSON_ROUTES) do
        local method, path, fields = fill(site, route)
        fields.headers = fields.headers or {}
        fields.headers["content-encoding"] = coding
        local status, problem = call(site, method, path, {
          as = "ann", body = expected == 415 and "\31\139\8" or json.encode(fields.json), type = JSON,
          headers = fields.headers,
        })
        assert.equal(expected, status, coding)
        assert.equal(status == 415 and "Content-Encoding: the body cannot be read: send it uncompressed" or nil,
          problem.detail)
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
      local fields = form_save(site)
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
