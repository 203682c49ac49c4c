--- A CRM to try leadcat in, for `make serve`. Everything a CRM needs to use leadcat is here and in nginx.conf; page.lua
-- is only markup. Companies are kept in leadcat's own store.

local companies = require "leadcat.demo.companies"
local config = require "leadcat.rules.config"
local confirmation = require "leadcat.pages.confirmation"
local i18n = require "leadcat.words.i18n"
local leadcat = require "leadcat"
local page = require "leadcat.demo.page"
local request_of = require "leadcat.http.request"
local schema = require "leadcat.rules.schema"
local unicode = require "leadcat.util.unicode"
local url = require "leadcat.util.url"
local words = require "leadcat.demo.words"
local wording = require "leadcat.words.wording"

local crm = {}

local BASE = "/leadcat"

-- The store and its users ---------------------------------------------------------------------------------------------

local opened = {} -- by directory

--- The engine of this Lua state. Opened at first use, since with `lua_code_cache off` every request has its own Lua
--- state.
---@param directory string
---@return leadcat.Engine
function crm.engine(directory)
  opened[directory] = opened[directory] or assert(leadcat.open { path = directory, record_unchanged = "full" })
  return opened[directory]
end

local USERS = {
  admin = { id = "admin", name = "Ingrid Solås", admin = true },
  sales = { id = "sales", name = "Jon Brekke" },
}

local LANGUAGES = schema.set(i18n.LANGUAGES)

local function cookie(request, name)
  return ("; " .. (request.headers.cookie or "")):match("; *" .. name .. "=([%w-]*)")
end

local STRINGS = i18n.new()

-- The user's choice, else the browser's language.
local function language_of(request)
  local chosen = cookie(request, "leadcat_language")
  local wanted = (request.headers["accept-language"] or ""):match "[%w-]+"
  return LANGUAGES[chosen] and chosen or STRINGS:language(wanted)
end

--- The user who sent a request. Every CRM gives leadcat such a function.
---@param request leadcat.http.Request
---@return leadcat.Actor? actor nil when no user is signed in
function crm.authenticate(request)
  local user = USERS[cookie(request, "leadcat_user")]
  return user and { id = user.id, name = user.name, admin = user.admin, language = language_of(request) }
end

-- Answers -------------------------------------------------------------------------------------------------------------

-- Pages load files of this server only.
local POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
  .. "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"

local function answer(status, body)
  return { status = status, body = body, headers = {
    ["Content-Type"] = "text/html; charset=utf-8", ["Cache-Control"] = "no-store",
    ["X-Content-Type-Options"] = "nosniff", ["Referrer-Policy"] = "same-origin", ["Content-Security-Policy"] = POLICY,
  } }
end

local function redirect(address, set_cookie)
  local made = answer(303)
  made.headers["Content-Type"] = nil
  made.headers.Location, made.headers["Set-Cookie"] = address, set_cookie
  return made
end

local function set_cookie(name, value)
  local age = value == "" and 0 or 365 * 24 * 3600
  return ("%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Lax"):format(name, value, age)
end

local function plain(status)
  return { status = status, body = status .. "\n", headers = { ["Content-Type"] = "text/plain" } }
end

-- What pages show -----------------------------------------------------------------------------------------------------

local function row_of(context, name, category)
  local known = companies.LIST[name] or {}
  return {
    name = tostring(name), category = wording.category(context.cfg, category, context.language),
    sale = known.sale or "Crema One", contact = known.contact or "N. N.",
  }
end

local function statuses_of(context)
  local statuses = {}
  for _, status in ipairs(context.cfg.lead_statuses) do
    statuses[#statuses + 1] = not status.deleted and {
      id = status.id, name = wording.name_of(context.cfg.lead_statuses, status.id, context.language),
    } or nil
  end
  return statuses
end

-- The sentence about the outcome of an event or an answer; nil when the fields are not an outcome.
local function said(context, outcome)
  local names = { company = wording.line(outcome.company) or "?" }
  local to = config.find(context.cfg.categories, tonumber(outcome.to))
  local key = outcome.status == "unchanged" and outcome.reason or outcome.status
  if outcome.status == "updated" and to then
    names.category = wording.category(context.cfg, to.id, context.language).name
    return wording.sentence(context, "inbox.updated", names)
  elseif outcome.status == "declined" or outcome.status == "failed" then
    return wording.sentence(context, "inbox." .. (outcome.code or outcome.status), names)
  elseif outcome.status == "awaiting_confirmation" then
    key = "waiting"
  elseif outcome.status ~= "unchanged" and outcome.status ~= "duplicate" and outcome.status ~= "conflict" then
    return nil
  end
  return words.text(context.language, words.TEXTS.en[key] and key or "unchanged", names)
end

local function nonce()
  local file = assert(io.open("/dev/urandom", "rb"))
  local bytes = file:read(8)
  file:close()
  return ("%02x"):rep(8):format(bytes:byte(1, 8))
end

local function model_of(context)
  return {
    language = context.language, actor = context.actor, nonce = nonce(), statuses = statuses_of(context),
    count = assert(context.engine:count_confirmations { user = context.actor.id, state = "open" }),
    said = said(context, context.fields),
  }
end

-- Routes --------------------------------------------------------------------------------------------------------------

local function show_companies(context)
  local model = model_of(context)
  model.companies = {}
  for name, category in context.engine.host:companies() do
    model.companies[#model.companies + 1] = row_of(context, name, category)
  end
  table.sort(model.companies, function(a, b) return a.name < b.name end)
  return answer(200, page.companies(model))
end

local function show_company(context, name, dialog)
  local category = context.engine.host:get(name)
  if not category then
    return plain(404)
  end
  local model = model_of(context)
  model.dialog = dialog
  return answer(200, page.company(model, row_of(context, name, category)))
end

local function query_of(fields)
  local pairs_of = {}
  for name, value in pairs(fields) do
    pairs_of[#pairs_of + 1] = url.escape(name) .. "=" .. url.escape(tostring(value))
  end
  table.sort(pairs_of)
  return "?" .. table.concat(pairs_of, "&")
end

-- The event of a form. Its id contains the page's, so a form that is sent twice is one event.
local function event_of(fields, actor)
  local is_status = fields.trigger == "lead_status_set"
  local event = {
    id = ("%s %s %s %s"):format(fields.id or "", fields.company, fields.trigger, fields.lead_status or ""),
    trigger = fields.trigger, company = fields.company, actor = actor,
    lead_status = is_status and tonumber(fields.lead_status) or nil,
    sale = not is_status and fields.sale and { id = fields.sale, name = fields.sale } or nil,
    contact = is_status and fields.contact and { id = fields.contact, name = fields.contact } or nil,
  }
  if fields.decline == "true" then -- the answer to a question that was asked before saving
    event.choice = false
  else
    event.choice = tonumber(fields.category)
  end
  return event
end

-- Asks before anything is saved. The dialog posts the event again, with the answer.
local function ask_before(context, view)
  local event = {}
  for _, name in ipairs { "company", "id", "trigger", "sale" } do
    event[name] = context.fields[name]
  end
  event.asked = "true"
  return show_company(context, context.fields.company, confirmation.element(view, {
    action = "/demo/events" .. query_of(event), prefix = "demo-question",
  }))
end

-- For browsers without JavaScript; with it, leadcat.js reports events.
local function report(context)
  local event = event_of(context.fields, context.actor)
  if context.fields.before then
    local view, message, code = context.engine:propose(event)
    if view then
      return ask_before(context, view)
    elseif code then
      return context.refuse(code, message)
    end
  end
  local outcome, message, code = context.engine:handle(event)
  if not outcome then
    return context.refuse(code, message)
  elseif outcome.status == "awaiting_confirmation" then
    return redirect(BASE .. "/confirmations/" .. outcome.confirmation)
  end
  local shown = { company = event.company, status = outcome.status, reason = outcome.reason, to = outcome.to }
  local from_form = context.fields.before or context.fields.asked
  shown.id = from_form and event.company or nil
  return redirect((from_form and "/demo/company" or "/demo") .. query_of(shown))
end

local function sign_in(context)
  local user = context.fields.user
  return USERS[user] and redirect("/demo", set_cookie("leadcat_user", user)) or plain(422)
end

local function sign_out()
  return redirect("/demo", set_cookie("leadcat_user", ""))
end

local function switch_language(context)
  local language = context.fields.language
  return LANGUAGES[language] and redirect("/demo", set_cookie("leadcat_language", language)) or plain(422)
end

-- `open` routes need no sign-in.
local ROUTES = {
  ["/demo"] = { GET = show_companies },
  ["/demo/company"] = { GET = function(context) return show_company(context, context.fields.id or "") end },
  ["/demo/events"] = { POST = report },
  ["/demo/sign-in"] = { POST = sign_in, open = true },
  ["/demo/sign-out"] = { POST = sign_out, open = true },
  ["/demo/language"] = { POST = switch_language, open = true },
}

-- The fields of the query and of the form; the form's win.
local function fields_of(request)
  local fields = request_of.fields(request.query)
  for name, value in pairs(request.method == "POST" and request_of.form(request) or {}) do
    fields[name] = value
  end
  return fields
end

--- Answers a request for a page of the CRM.
---@param request leadcat.http.Request
---@param engine leadcat.Engine
---@return leadcat.http.Response
function crm.respond(request, engine)
  local route = ROUTES[request.path]
  local handler = route and route[request.method == "HEAD" and "GET" or request.method]
  if not handler then
    return plain(route and 405 or 404)
  elseif request.method == "POST" and not request_of.is_same_origin(request) then
    return plain(403)
  end
  local context = {
    engine = engine, actor = crm.authenticate(request), language = language_of(request), strings = STRINGS,
    fields = fields_of(request), cfg = assert(engine:config()),
  }
  if not context.actor and not route.open then
    return answer(request.method == "GET" and 200 or 401, page.sign_in(context))
  end
  function context.refuse(code, message)
    local made = plain(code == "invalid" and 422 or 503)
    made.log = message
    made.body = words.text(context.language, "refused") .. "\n" .. (code == "invalid" and message .. "\n" or "")
    return made
  end
  return handler(context)
end

--- Serves the CRM in nginx, as `leadcat.resty.serve` serves leadcat's pages.
---@param engine leadcat.Engine
function crm.serve(engine)
  local ngx = ngx -- luacheck: ignore (OpenResty's global)
  ngx.req.read_body()
  local made = crm.respond({
    method = ngx.req.get_method(), path = ngx.var.uri, query = ngx.var.args, headers = ngx.req.get_headers(),
    body = ngx.req.get_body_data(),
  }, engine)
  if made.log then
    ngx.log(ngx.WARN, "demo: ", unicode.visible(made.log))
  end
  ngx.status = made.status
  for name, value in pairs(made.headers) do
    ngx.header[name] = value
  end
  ngx.print(made.body or "")
end

return crm
