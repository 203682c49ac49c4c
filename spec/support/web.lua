--- The HTTP interface without a server, for specs: plain request tables go in, plain response tables come out. Whatever is
-- asked, `check` holds the response to what is true of all.

local assert = require "luassert"
local crm = require "support.crm"
local http = require "leadcat.http"
local json = require "leadcat.util.json"
local stores = require "support.stores"

local LEAD, OPPORTUNITY, CUSTOMER, LOST = 1, 3, 5, 7 -- the preset's categories

local web = {}

web.RULES = { sale_won = CUSTOMER, sale_registered = { OPPORTUNITY, ask = true }, sale_lost = LOST }
web.NOBODY, web.UNKNOWN = "anonymous", ("0"):rep(32)
web.SECRET = "the password is hunter2"
web.FORM, web.JSON = "application/x-www-form-urlencoded", "application/json"

--- Who is who, by the session that the host's `authenticate` finds in the cookie.
web.ACTORS = {
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

local STATUSES = {
  200, 202, 204, 303, 304, 400, 401, 403, 404, 405, 409, 410, 412, 413, 415, 422, 428, 500, 503, 507,
}
local KNOWN = {}
for _, status in ipairs(STATUSES) do
  KNOWN[status] = true
end

--- The `authenticate` of a host: an actor by the cookie, and the tenant that the request names.
function web.authenticate(request)
  local cookie = request.headers.cookie
  if cookie == "raises" then
    error(web.SECRET)
  end
  local tenant = request.headers["x-tenant"]
  return web.ACTORS[cookie], tenant and tenant:sub(1, 64) -- longer ones are nobody's
end

--- A CRM of one's own that says who may what. `host.failing` makes every change fail, or raise.
function web.new_host(companies)
  local host = crm.new(companies or {})
  local set = host.set_category
  function host.can(actor, permission)
    if actor.id == "can_raises" then
      error(web.SECRET)
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

--- An engine with RULES and the application in front of it. Its clock stands still unless a test moves `site.now`.
function web.new_site(options, app_options, rules)
  local site = { now = 1700000000, companies = 0 }
  options = options or {}
  options.clock, options.durability = function() return site.now end, "relaxed"
  site.engine, site.path = stores.open(options)
  if site.engine:config().revision == 0 then
    assert(site.engine:save(stores.config(rules or web.RULES)))
  end
  local all = { engine = site.engine, authenticate = web.authenticate }
  for name, value in pairs(app_options or {}) do
    all[name] = value
  end
  site.app = http.new(all)
  return site
end

--- The body of a form with these fields.
function web.encode(fields)
  local pairs_of = {}
  for name, value in pairs(fields) do
    pairs_of[#pairs_of + 1] = (name .. "=" .. value):gsub("[^%w=._-]", function(character)
      return ("%%%02X"):format(character:byte())
    end)
  end
  return table.concat(pairs_of, "&")
end

--- What holds for every response.
function web.check(answer)
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
  assert.is_nil((answer.body or ""):find(web.SECRET, 1, true))
  return answer
end

--- Sends a request: `fields` are `as` (an actor), `json` (a value), `form` (fields), `body`, `type`, `accept`, `site`
-- (the browser's Sec-Fetch-Site; false for none), `headers`, `tenant`.
function web.ask(site, method, address, fields)
  fields = fields or {}
  local path, query = address:match "^([^?]*)%??(.*)$"
  local headers = { host = "crm.example", cookie = fields.as, accept = fields.accept, ["x-tenant"] = fields.tenant }
  if fields.site ~= false then
    headers["sec-fetch-site"] = fields.site or "same-origin"
  end
  local body = fields.body
  if fields.json ~= nil then
    headers["content-type"], body = web.JSON, json.encode(fields.json)
  elseif fields.form then
    headers["content-type"], body = web.FORM, web.encode(fields.form)
  end
  headers["content-type"] = fields.type or headers["content-type"]
  for name, value in pairs(fields.headers or {}) do
    headers[name] = value
  end
  return web.check(site.app:respond {
    method = method, path = path, query = query ~= "" and query or nil, headers = headers, body = body,
  })
end

--- The same, of a program: gives the status and the decoded body.
function web.call(site, method, address, fields)
  local answer = web.ask(site, method, address, fields)
  return answer.status, answer.body and assert(json.decode(answer.body)), answer
end

function web.is_page(answer)
  assert.equal("text/html; charset=utf-8", answer.headers["Content-Type"])
  assert.is_truthy(answer.body:find("<!DOCTYPE html>", 1, true))
  return answer
end

function web.contains(text, part)
  assert.is_truthy(text:find(part, 1, true), ("%q is not in %s"):format(part, text))
end

--- The English words of a key.
function web.text_of(site, key)
  return site.engine.strings:text("en", key)
end

function web.lacks(text, part)
  assert.is_nil(text:find(part, 1, true))
end

--- A company that is a lead; where the host is a CRM of one's own, `host.companies` has it.
function web.new_company(site)
  site.companies = site.companies + 1
  local company = ("company-%d"):format(site.companies)
  local host = site.engine.host
  if host.create then
    assert(host:create(company, LEAD))
  else
    host.companies[company] = LEAD
  end
  return company
end

function web.category_of(site, company)
  local host = site.engine.host
  return host.create and host:get(company) or host.companies and host.companies[company]
end

--- An open question that an event of Bob's (or somebody else's) has asked; gives its id and the company.
function web.question(site, as, company)
  company = company or web.new_company(site)
  local outcome = assert(site.engine:handle {
    trigger = "sale_registered", company = company, actor = as or web.ACTORS.bob, sale = { id = 17, name = "Printers" },
  })
  assert.equal("awaiting_confirmation", outcome.status)
  return outcome.confirmation, company
end

--- A change that can be undone; gives its entry and the company.
function web.change(site, company)
  company = company or web.new_company(site)
  local outcome = assert(site.engine:handle { trigger = "sale_won", company = company, actor = web.ACTORS.bob })
  assert.equal("updated", outcome.status)
  return outcome.entry, company
end

--- How many entries the journal has.
function web.entries(site)
  return #site.engine:history { limit = 1000 }
end

--- The config, and the tag that a save of it must name.
function web.config_json(site)
  return site.engine:config(), ('"%d"'):format(site.engine:config().revision)
end

--- What the settings page sends to be saved, with nothing changed.
function web.form_save(site)
  return { form = { ["do"] = "save", revision = ("%d"):format(site.engine:config().revision) } }
end

local function an_event(site)
  return { json = { trigger = "sale_won", company = web.new_company(site) } }
end

-- What each route is asked with; `id` is a question of Bob's, `entry` a change.
local REQUESTS = {
  ["POST /settings"] = web.form_save,
  ["POST /drift"] = function() return { form = { cursor = "" } } end,
  ["POST /versions/1"] = function() return { form = { newest = "1" } } end,
  ["POST /api/propose"] = function(site)
    return { json = { trigger = "sale_registered", company = web.new_company(site) } }
  end,
  ["PUT /api/config"] = function(site)
    local cfg, tag = web.config_json(site)
    return { json = cfg, headers = { ["if-match"] = tag } }
  end,
  ["POST /api/events"] = an_event,
  ["POST /api/explain"] = an_event,
  ["POST /api/companies/{company}/rename"] = function() return { json = { to = "renamed" } } end,
  ["POST /api/companies/{company}/merge"] = function(site) return { json = { into = web.new_company(site) } } end,
  ["POST /api/forget"] = function() return { json = { contact = 7 } } end,
  ["POST /api/undo"] = function() return { json = { run = "unknown" } } end,
  ["POST /api/confirmations/{id}"] = function() return { json = { accept = true } } end,
  ["POST /api/confirmations/{unknown}"] = function() return { json = { accept = true } } end,
}

--- A route with its ids filled in, and what to ask it with.
function web.fill(site, route)
  local method, path = route:match "^(%u+) (.*)$"
  path = path:gsub("{(%l+)}", function(name)
    if name == "id" then
      return (web.question(site))
    elseif name == "entry" then
      return ("%d"):format((web.change(site)))
    elseif name == "company" then
      return web.new_company(site)
    end
    return web.UNKNOWN
  end)
  return method, "/leadcat" .. path, REQUESTS[route] and REQUESTS[route](site) or {}
end

return web
