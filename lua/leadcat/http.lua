--- The routes: a plain request table goes in, a plain response table comes out. Apart from `resty.lua` so that everything
-- a client can do is tried without a server, and so that another server is a few lines. What each route does is in
-- `http/api.lua`, `http/pages.lua` and `http/history.lua`; who may call it is decided here, for all of them alike.

local as_text = require "leadcat.util.as_text"
local api = require "leadcat.http.api"
local assets = require "leadcat.http.assets"
local history = require "leadcat.http.history"
local options_of = require "leadcat.util.options"
local pages = require "leadcat.http.pages"
local request_of = require "leadcat.http.request"
local response = require "leadcat.http.response"

local http = {}

---@class leadcat.http.Options
---@field engine leadcat.Engine|fun(): leadcat.Engine
---@field authenticate fun(request: leadcat.http.Request): leadcat.Actor?, string? the actor and the tenant; nil for nobody
---@field prefix? string of all paths; default "/leadcat"
---@field frame_ancestors? string who may show the pages in a frame, as in Content-Security-Policy; default "'self'"

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
---@field language string in which something is said
---@field id? string that the path names
---@field wants_page boolean whether a problem is to be a page

-- What a route is: for each method a handler and what its caller must be permitted. `page`: a person looks at it. `open`: for
-- anybody.
local ROUTES = {
  ["/settings"] = { page = true, GET = { pages.settings }, POST = { pages.save_settings } },
  ["/confirmations"] = { page = true, GET = { pages.inbox, "view" } },
  ["/history"] = { page = true, GET = { history.page, "view" } },
  ["/history.csv"] = { page = true, GET = { history.csv, "view" } },
  ["/api/propose"] = { POST = { api.propose, "report" } },
  ["/api/explain"] = { GET = { api.why, "view" }, POST = { api.explain, "view" } },
  ["/api/config"] = { GET = { api.config, "configure" }, PUT = { api.save_config, "configure" } },
  ["/api/events"] = { POST = { api.events, "report" } },
  ["/api/confirmations"] = { GET = { api.confirmations, "view" } },
  ["/api/confirmations/count"] = { GET = { api.count, "view" } },
  ["/api/history"] = { GET = { api.history, "view" } },
  ["/api/undo"] = { POST = { api.undo_many, "undo" } },
  ["/metrics"] = { GET = { api.metrics, "view" } },
  ["/health"] = { open = true, GET = { api.health } },
}
for _, name in ipairs(assets.NAMES) do
  ROUTES["/" .. name] = { open = true, GET = { assets.get } }
end

-- Those whose path names something.
local PATTERNS = {
  { "^/history/revisions/([^/]+)$", { page = true, GET = { history.revision, "view" } } },
  { "^/confirmations/([^/]+)$", { page = true, GET = { pages.question } } },
  { "^/api/confirmations/([^/]+)$", { GET = { api.confirmation }, POST = { api.resolve } } },
  { "^/api/history/([^/]+)/undo$", { POST = { api.undo } } },
}

local function find_route(path)
  local route = ROUTES[path]
  if route then
    return route
  end
  for _, row in ipairs(PATTERNS) do
    local id = path:match(row[1])
    if id then
      return row[2], id
    end
  end
end

local METHODS = { "GET", "POST", "PUT" }
local HANDLED_AS = { GET = "GET", HEAD = "GET", POST = "POST", PUT = "PUT" }

local function allowed(route)
  local names = {}
  for _, method in ipairs(METHODS) do
    names[#names + 1] = route[method] and method or nil
    if method == "GET" and route.GET then
      names[#names + 1] = "HEAD"
    end
  end
  return table.concat(names, ", ")
end

-- The language that a browser wants, best first; nobody's is asked for as long as we do not know who it is.
local function accepted(strings, headers)
  for tag in (headers["accept-language"] or ""):sub(1, 200):gmatch "%a[%w-]+" do
    local language = strings:language(tag)
    if language ~= "en" or tag:lower():find "^en" then
      return language
    end
  end
  return strings:language()
end

-- Who is asking. What the host raises is not the client's to know.
---@return string? code
---@return string? message
local function authenticate(context)
  local ok, actor, tenant = pcall(context.app.options.authenticate, context.request)
  if not ok then
    return "unavailable", "authenticate raised: " .. as_text(actor)
  elseif type(actor) ~= "table" then
    return "unauthenticated"
  end
  context.actor = actor
  if tenant ~= nil then
    context.engine = context.engine:tenant(tenant)
  end
end

-- What stands between the caller and the handler.
---@return string? code
---@return string? message
local function refusal(context, method, permission)
  local code, message = authenticate(context)
  if code then
    return code, message
  elseif method ~= "GET" and not context.actor.service and not request_of.is_same_origin(context.request) then
    return "cross_site"
  elseif not permission then
    return nil -- the handler asks, about what it finds
  end
  local may, denial, failure = context.engine:can(context.actor, permission)
  if not may then
    return failure or "forbidden", denial
  end
end

-- A problem is a page where a form was sent. The language is found when something is to be said: the actor's, else the
-- engine's, else what the browser asks for where nobody is signed in.
local Context = {}

function Context.__index(context, name)
  if name == "wants_page" then
    return request_of.is_form(context.request)
  elseif name ~= "language" then
    return nil
  end
  local actor, strings = context.actor, context.strings
  local language
  if actor then
    language = strings:language(actor.language, context.engine.language)
  else
    language = accepted(strings, context.request.headers)
  end
  rawset(context, "language", language)
  return language
end

local function new_context(app, request, route, id)
  local engine = app.options.engine
  engine = type(engine) == "function" and engine() or engine
  local strings = engine.strings
  return setmetatable({
    app = app,
    request = request,
    engine = engine,
    strings = strings,
    id = id,
    wants_page = route and route.page,
  }, Context)
end

local function respond(app, request)
  local path = request.path:sub(1, #app.prefix) == app.prefix and request.path:sub(#app.prefix + 1) or ""
  local route, id = find_route(path)
  local context = new_context(app, request, route, id)
  if not route then
    context.wants_page = request_of.wants_html(request)
    return response.problem(context, "not_found")
  end
  local method = HANDLED_AS[request.method]
  local handler = method and route[method]
  if not handler then
    return response.problem(context, "method_not_allowed", nil, nil, { Allow = allowed(route) })
  elseif not route.open then
    local code, message = refusal(context, method, handler[2])
    if code then
      return response.problem(context, code, message)
    end
  end
  return handler[1](context, path)
end

-- What is answered when something has raised: without words of the strings, which may be what has raised.
local function failure(app, request, message)
  local status = request.path == app.prefix .. "/health" and 503 or 500
  local body = ('{"code":"io","status":%d,"title":"Internal error"}'):format(status)
  local made = response.new(status, body, "application/problem+json")
  made.log = as_text(message)
  return made
end

--- Answers a request. Never raises: what goes wrong within is a 500 (of `/health` a 503), whose `log` says what it was.
---@param request leadcat.http.Request
---@return leadcat.http.Response
function App:respond(request)
  local ok, made = pcall(respond, self, request)
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
  authenticate = options_of.of_type "function",
  prefix = options_of.of_type "string",
  frame_ancestors = options_of.of_type "string",
}

--- The application of these options. It holds nothing else, so that one can be made for each request.
---@param options leadcat.http.Options
---@return leadcat.http.App
function http.new(options)
  options_of.check(options, OPTIONS, "leadcat.http: ")
  if not options or not options.engine or not options.authenticate then
    error("leadcat.http: engine and authenticate are needed", 2)
  end
  return setmetatable({
    options = options,
    prefix = options.prefix and options.prefix:match "^(.-)/*$" or "/leadcat",
    frame_ancestors = options.frame_ancestors or "'self'",
  }, App)
end

return http
