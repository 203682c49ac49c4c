--- Builds response tables. Every answer has the same protective headers, every problem the same form (RFC 9457).

local json = require "leadcat.util.json"
local merged = require "leadcat.util.merged"
local navigation = require "leadcat.pages.navigation"
local problem_page = require "leadcat.pages.problem"

local response = {}

---@class leadcat.http.Response
---@field status integer
---@field headers table<string, string>
---@field body? string
---@field log? string for the operator, not for the client

-- Scripts and styles come from files only.
local POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
  .. "form-action 'self'; base-uri 'none'; frame-ancestors "

function response.new(status, body, content_type, headers)
  local all = {
    ["Content-Type"] = content_type, ["Content-Length"] = body and ("%d"):format(#body),
    ["Cache-Control"] = "no-store", ["X-Content-Type-Options"] = "nosniff",
  }
  if headers then
    for name, value in pairs(headers) do
      all[name] = value
    end
  end
  return { status = status, headers = all, body = body }
end

function response.json(status, value, headers)
  return response.new(status, json.encode(value), "application/json", headers)
end

function response.html(context, status, markup, headers)
  local made = response.new(status, markup, "text/html; charset=utf-8", headers)
  made.headers["Content-Security-Policy"] = POLICY .. context.app.frame_ancestors
  made.headers["Referrer-Policy"] = "same-origin"
  return made
end

-- The links to the pages that the actor may open.
local function links_of(context)
  local app, actor = context.app, context.actor
  if app.options.navigation == false or not actor or context.panel then
    return false
  end
  local links = navigation.links(context, context.request.path:sub(#app.prefix + 1), function(permission)
    return (context.engine:can(actor, permission))
  end)
  return navigation.element(links, context.strings:text(context.language, "navigation.label"), app.prefix)
end

--- A page: `render` makes its HTML of `fields` and what all pages need.
function response.page(context, status, render, fields, headers)
  fields.strings, fields.language, fields.base = context.strings, context.language, context.app.prefix
  fields.navigation, fields.panel = links_of(context), context.panel
  return response.html(context, status, render(fields), headers)
end

--- Sends a browser to another page, which it gets with GET.
function response.redirect(context, path)
  return response.new(303, nil, nil, { Location = context.app.prefix .. path })
end

--- The answer where what was to be saved is a draft instead, as with four eyes. A page leads to the settings, which say so.
---@param draft leadcat.Draft
function response.drafted(context, draft)
  if context.wants_page then
    return response.redirect(context, ("/settings?drafted=%d"):format(draft.id))
  end
  return response.json(202, { draft = draft })
end

--- The status of each code: first the engine's, then HTTP's own.
response.STATUS = {
  invalid = 422, stale = 412, forbidden = 403, not_found = 404, expired = 410, already_resolved = 409, conflict = 409,
  unavailable = 503, readonly = 503, full = 507, corrupt = 500, forked = 500, io = 500,
  malformed = 400, unauthenticated = 401, cross_site = 403, method_not_allowed = 405, too_large = 413,
  unsupported_type = 415, revision_required = 428,
}

local STATUS = response.STATUS

-- Codes whose message says what the client did wrong, in English. Other messages are for the operator only.
local TELLS = {
  invalid = true, malformed = true, conflict = true, already_resolved = true, expired = true, forbidden = true,
  too_large = true, stale = true, unsupported_type = true,
}

-- Whether a person reads it: on a page, or where a script of a page shows what was wrong with what the person did.
local function is_for_person(context, code)
  local is_script = context.request.headers["sec-fetch-site"] ~= nil -- only browsers send it
  return context.wants_page or is_script and code == "invalid"
end

-- What is wrong: to people in their language, with the engine's words beside it as `error`; to programs in those.
local function told(context, code, message, said)
  local problem = {
    status = STATUS[code] or 500, title = problem_page.title(context.strings, context.language, code),
    detail = said or problem_page.detail(context.strings, context.language, code),
  }
  local error_of = TELLS[code] and message or nil
  if error_of and not said and not is_for_person(context, code) then
    problem.detail, error_of = error_of, nil
  end
  return problem, error_of
end

--- A problem: a page for people, JSON for programs.
---@param message? string of the engine, in English
---@param more? table further members of the JSON
---@param said? string the same in the reader's language
function response.problem(context, code, message, more, headers, said)
  local problem, error_of = told(context, code, message, said)
  local made
  if context.wants_page then
    made = response.page(context, problem.status, problem_page.html, problem, headers)
  else
    problem.code, problem.error = code, error_of
    made = response.new(problem.status, json.encode(merged(problem, more)), "application/problem+json", headers)
  end
  if code == "unavailable" then
    made.headers["Retry-After"] = "5"
  end
  made.log = made.status >= 500 and message or nil
  return made
end

-- The metatable of what `fail` raises.
local Failure = {}

--- Ends the request with a problem, which `http.lua` answers.
---@param code string
---@param message? string of the engine, in English
---@param said? string the same in the reader's language, or the host's words
function response.fail(code, message, said)
  error(setmetatable({ code = code, message = message, said = said }, Failure), 0)
end

--- The value and what follows it. When it is nil, ends the request with the problem.
function response.must(value, message, code, ...)
  if value == nil then
    response.fail(code, message)
  end
  return value, message, code, ...
end

--- Ends the request unless the actor may, with the host's words when it has some.
---@param context leadcat.http.Context
---@param permission string
---@param subject? table what it is about
function response.allow(context, permission, subject)
  local allowed, why = response.must(context.engine:can(context.actor, permission, subject))
  if not allowed then
    response.fail("forbidden", nil, why)
  end
end

--- Whether a page offers to do something: the actor may, and the store can be written.
---@param context leadcat.http.Context
---@param permission string
---@param subject? table what it is about
---@return boolean
function response.offers(context, permission, subject)
  local engine = context.engine
  return not engine.readonly and engine:can(context.actor, permission, subject) == true
end

--- Whether `fail` raised this.
function response.is_failure(raised)
  return getmetatable(raised) == Failure
end

return response
