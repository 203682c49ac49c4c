--- The routes, without a server: a plain request table goes in, a plain response table comes out. `resty.lua` is the
-- adapter for nginx. This file decides who may call a route; `http/events.lua`, `http/api.lua`, `http/changes.lua`,
-- `http/companies.lua`, `http/drafts.lua`, `http/drift.lua`, `http/pages.lua`, `http/settings.lua`, `http/versions.lua`, `http/history.lua`,
-- `http/undoing.lua`, `http/overview.lua`, `http/why.lua`, `http/panel.lua`, `http/hooks.lua` and `http/openapi.lua` do what
-- it does.

local as_text = require "leadcat.util.as_text"
local api = require "leadcat.http.api"
local assets = require "leadcat.http.assets"
local changes = require "leadcat.http.changes"
local companies = require "leadcat.http.companies"
local drafts = require "leadcat.http.drafts"
local drift = require "leadcat.http.drift"
local events = require "leadcat.http.events"
local history = require "leadcat.http.history"
local held = require "leadcat.http.held"
local hooks = require "leadcat.http.hooks"
local openapi = require "leadcat.http.openapi"
local options_of = require "leadcat.util.options"
local overview = require "leadcat.http.overview"
local pages = require "leadcat.http.pages"
local panel = require "leadcat.http.panel"
local protected = require "leadcat.util.protected"
local request_of = require "leadcat.http.request"
local response = require "leadcat.http.response"
local settings = require "leadcat.http.settings"
local suggestions = require "leadcat.http.suggestions"
local trials = require "leadcat.http.trials"
local undoing = require "leadcat.http.undoing"
local versions = require "leadcat.http.versions"
local why = require "leadcat.http.why"

local fail = response.fail

local http = {}
---@class (exact) leadcat.http.Options
---@field engine leadcat.Engine|fun(): leadcat.Engine
---@field authenticate fun(request: leadcat.http.Request): leadcat.Actor?, string? the actor and the tenant (default: that of the engine); nil: not signed in. What it raises is logged, and the request is `unavailable`
---@field prefix? string of all paths; default "/leadcat"
---@field frame_ancestors? string who may frame the pages, as in Content-Security-Policy; default "'self'"
---@field hooks? table<string, leadcat.webhook.Hook> webhooks, of leadcat.source.webhook, by the end of their address `/hooks/{name}`
---@field sign_in? string the address of the host's sign-in page, for who is not signed in any more
---@field navigation? boolean whether pages have links to each other; default true
---@field users? fun(actor: leadcat.Actor, tenant: string): leadcat.Actor[]?, string? {id, name} of the users to whom questions may be given on pages; nil, message when they cannot be read. Without it, their ids are typed
---@field scheme? "http"|"https" by which browsers reach the site, also when a proxy ends TLS: origins must have it; default either

---@class leadcat.http.App
---@field options leadcat.http.Options
---@field prefix string
---@field frame_ancestors string
local App = {}
App.__index = App

---@class leadcat.http.Context one request and what its handler needs
---@field app leadcat.http.App
---@field request leadcat.http.Request
---@field engine leadcat.Engine of the actor's tenant
---@field actor leadcat.Actor
---@field strings leadcat.Strings
---@field language string of pages and problems
---@field id? string from the path
---@field wants_page boolean whether a problem is shown as a page
---@field panel? string id of the company in whose panel the page is, or the form was

-- For each method: the handler, which returns a response or calls `response.fail`, and the permission that its caller
-- needs. `page`: for people. `open`: for everybody. `panel`: it stands in a page of the host's.
local ROUTES = {
  ["/settings"] = { page = true, GET = { settings.page }, POST = { settings.save } },
  ["/versions"] = { page = true, GET = { versions.index, "view" } },
  ["/why"] = { page = true, GET = { why.page, "view" } },
  ["/confirmations"] = { page = true, GET = { pages.inbox, "view" }, POST = { pages.several } },
  ["/drafts"] = { page = true, GET = { drafts.page } },
  ["/api/drafts"] = { GET = { drafts.list }, POST = { drafts.create, "configure" } },
  ["/drift"] = { page = true, GET = { drift.page, "configure" }, POST = { drift.set_right, "configure" } },
  ["/drift.csv"] = { page = true, GET = { drift.csv, "configure" } },
  ["/overview"] = { page = true, GET = { overview.page, "view" } },
  ["/history"] = { page = true, GET = { history.page, "view" } },
  ["/history/undo"] = { page = true, GET = { undoing.preview, "undo" }, POST = { undoing.all, "undo" } },
  ["/history.csv"] = { page = true, GET = { history.csv, "view" } },
  ["/api/propose"] = { POST = { events.propose, "report" } },
  ["/api/explain"] = { GET = { why.of_company, "view" }, POST = { why.of_event, "view" } },
  ["/api/config"] = { GET = { api.config, "configure" }, PUT = { api.save_config, "configure" } },
  ["/api/fields"] = { GET = { api.fields, "configure" } },
  ["/api/events"] = { POST = { events.handle, "report" } },
  ["/api/confirmations"] = { GET = { api.confirmations, "view" } },
  ["/api/confirmations/count"] = { GET = { api.count, "view" } },
  ["/api/history"] = { GET = { api.history, "view" } },
  ["/api/health"] = { GET = { overview.health, "view" } },
  ["/api/changes"] = { GET = { changes.changes, "view" } },
  ["/api/triggers"] = { GET = { api.triggers, "view" } },
  ["/held"] = { page = true, GET = { held.page, "release" }, POST = { held.act, "release" } },
  ["/trials"] = { page = true, GET = { trials.page, "view" }, POST = { trials.act, "configure" } },
  ["/suggestions"] = { page = true, GET = { suggestions.page, "configure" } },
  ["/api/suggestions"] = { GET = { suggestions.list, "configure" } },
  ["/api/held"] = { GET = { held.list, "release" } },
  ["/api/held/release"] = { POST = { held.release, "release" } },
  ["/api/held/drop"] = { POST = { held.drop, "release" } },
  ["/api/shadow"] = { GET = { trials.report, "view" } },
  ["/api/shadow/real"] = { POST = { trials.make_real, "configure" } },
  ["/api/undo"] = { POST = { undoing.many, "undo" } },
  ["/api/forget"] = { POST = { companies.forget, "forget" } },
  ["/metrics"] = { GET = { api.metrics, "view" } },
  ["/health"] = { open = true, GET = { api.health } },
  ["/openapi.json"] = { open = true, GET = { openapi.get } },
}
for _, name in ipairs(assets.NAMES) do
  ROUTES["/" .. name] = { open = true, GET = { assets.get } }
end

-- Routes whose path has an id.
local PATTERNS = {
  { "^/history/revisions/([^/]+)$", { page = true, GET = { history.revision, "view" } } },
  { "^/versions/([^/]+)$", { page = true, GET = { versions.preview }, POST = { versions.revert } } },
  { "^/drafts/([^/]+)$", { page = true, GET = { drafts.preview }, POST = { drafts.act } } },
  { "^/api/drafts/([^/]+)$", { GET = { drafts.one } } },
  { "^/api/drafts/([^/]+)/approve$", { POST = { drafts.approve } } },
  { "^/api/drafts/([^/]+)/discard$", { POST = { drafts.discard } } },
  { "^/companies/(.+)/panel$", { page = true, panel = true, GET = { panel.page } } },
  { "^/confirmations/([^/]+)$", { page = true, GET = { pages.question } } },
  { "^/api/confirmations/([^/]+)$", { GET = { api.confirmation }, POST = { pages.resolve } } },
  { "^/api/confirmations/([^/]+)/assign$", { POST = { pages.assign } } },
  { "^/api/history/([^/]+)/undo$", { POST = { undoing.undo } } },
  { "^/api/history/([^/]+)/cancel$", { POST = { undoing.cancel } } },
  { "^/api/history/([^/]+)/retry$", { POST = { undoing.retry } } },
  { "^/hooks/([^/]+)/?.*$", { open = true, POST = { hooks.receive } } }, -- signatures say who sends it
  { "^/api/companies/(.+)/rename$", { POST = { companies.rename, "assign" } } },
  { "^/api/companies/(.+)/merge$", { POST = { companies.merge, "assign" } } },
  { "^/api/companies/(.+)/delete$", { POST = { companies.delete, "assign" } } },
}

-- The path of a pattern, with the id in braces.
local function path_of(pattern)
  return (pattern:match "^%^(.-)%$$":gsub("%b()", "{id}"):gsub("/%?%.%*$", ""))
end

--- All routes, in no order: {path, method, permission}, with `{id}` in paths, and what the table of routes says of them. What
-- a route without a permission finds is asked about by its handler.
---@return {path: string, method: string, permission?: string, page?: boolean, open?: boolean}[]
function App.routes()
  local list = {}
  local function add(path, route)
    for _, method in ipairs { "GET", "POST", "PUT" } do
      list[#list + 1] = route[method] and {
        path = path, method = method, permission = route[method][2], page = route.page, open = route.open,
      }
    end
  end
  for path, route in pairs(ROUTES) do
    add(path, route)
  end
  for _, row in ipairs(PATTERNS) do
    add(path_of(row[1]), row[2])
  end
  return list
end

local function find_route(path)
  if ROUTES[path] then
    return ROUTES[path]
  end
  for _, row in ipairs(PATTERNS) do
    local id = path:match(row[1])
    if id then
      return row[2], id
    end
  end
end

local METHODS = { "GET", "HEAD", "POST", "PUT" }
local HANDLED_AS = { GET = "GET", HEAD = "GET", POST = "POST", PUT = "PUT" }

local function allowed(route)
  local names = {}
  for _, method in ipairs(METHODS) do
    names[#names + 1] = route[HANDLED_AS[method]] and method or nil
  end
  return table.concat(names, ", ")
end

-- The best of the languages that the browser accepts.
local function accepted(strings, headers)
  for tag in (headers["accept-language"] or ""):sub(1, 200):gmatch "%a[%w-]+" do
    local language = strings:language(tag)
    if language ~= "en" or tag:lower():find "^en" then
      return language
    end
  end
  return strings:language()
end

-- Sets the context's actor and engine. The client does not see what the host raises.
local function authenticate(context)
  local ok, actor, tenant = protected.call(context.app.options.authenticate, context.request)
  if not ok then
    if response.is_failure(actor) then
      error(actor, 0)
    end
    fail("unavailable", "authenticate raised: " .. as_text(actor))
  elseif type(actor) ~= "table" then
    fail "unauthenticated"
  end
  context.actor = actor
  if tenant ~= nil then
    context.engine = context.engine:tenant(tenant)
  end
end

local function is_same_origin(context)
  return request_of.is_same_origin(context.request, context.app.options.scheme)
end

-- Fails unless the caller may use the route. Without a permission the handler asks about what it finds.
local function admit(context, method, permission)
  authenticate(context)
  if method ~= "GET" and not context.actor.service and not is_same_origin(context) then
    fail "cross_site"
  elseif permission then
    response.allow(context, permission)
  end
end

-- A problem is a page when a form was sent. The language, found when first needed, is the actor's, else the engine's;
-- without an actor it is the browser's.
local Context = {}

function Context.__index(context, name)
  if name == "wants_page" then
    return request_of.is_form(context.request)
  elseif name ~= "language" then
    return nil
  end
  local actor, strings = context.actor, context.strings
  context.language = actor and strings:language(actor.language, context.engine.language)
    or accepted(strings, context.request.headers)
  return context.language
end

-- Completes the context, and calls the handler.
local function respond(context)
  local app, request = context.app, context.request
  local path = request.path:sub(1, #app.prefix) == app.prefix and request.path:sub(#app.prefix + 1) or ""
  local route, id = find_route(path)
  local engine = app.options.engine
  engine = type(engine) == "function" and engine() or engine
  context.engine, context.strings, context.id = engine, engine.strings, id
  if not route then
    context.wants_page = request_of.wants_html(request)
    return response.problem(context, "not_found")
  end
  context.wants_page, context.panel = route.page, route.panel and id
  local method = HANDLED_AS[request.method]
  local handler = method and route[method]
  if not handler then
    return response.problem(context, "method_not_allowed", nil, nil, { Allow = allowed(route) })
  elseif not route.open then
    admit(context, method, handler[2])
  end
  return handler[1](context, path)
end

-- The answer when something raised. It uses no strings, because they may be what raised.
local function failure(app, request, message)
  local status = request.path == app.prefix .. "/health" and 503 or 500
  local body = ('{"code":"io","status":%d,"title":"Internal error"}'):format(status)
  local made = response.new(status, body, "application/problem+json")
  made.log = as_text(message)
  return made
end

--- Answers a request. An error inside is a 500 (of `/health` a 503), with the error in `log`. Raises nothing but what
-- `protected.call` passes on.
---@param request leadcat.http.Request
---@return leadcat.http.Response
function App:respond(request)
  local context = setmetatable({ app = self, request = request_of.of(request) }, Context)
  local ok, made = protected.call(respond, context)
  if not ok and response.is_failure(made) then
    ok, made = protected.call(response.problem, context, made.code, made.message, nil, nil, made.said)
  end
  if not ok then
    made = failure(self, request, made)
  end
  if request.method == "HEAD" then
    made.body = nil
  end
  return made
end

local OPTIONS = {
  engine = options_of.kind("an engine, or a function that gives it", function(value)
    return type(value) == "table" or type(value) == "function"
  end),
  authenticate = options_of.of_type "function", prefix = options_of.of_type "string",
  users = options_of.of_type "function", hooks = hooks.OPTION,
  frame_ancestors = options_of.of_type "string", scheme = options_of.one_of { "http", "https" },
  sign_in = options_of.of_type "string", navigation = options_of.of_type "boolean",
}

--- The application for these options. It has no other state: making one for each request is cheap.
---@param options leadcat.http.Options
---@return leadcat.http.App
function http.new(options)
  options_of.check(options, OPTIONS, "leadcat.http: ")
  if not options or not options.engine then
    error("leadcat.http: engine is missing; if it could not be opened, the log says why, where the worker started", 2)
  elseif not options.authenticate then
    error("leadcat.http: authenticate is missing", 2)
  end
  return setmetatable({
    options = options,
    prefix = options.prefix and options.prefix:match "^(.-)/*$" or "/leadcat",
    frame_ancestors = options.frame_ancestors or "'self'",
  }, App)
end

return http
