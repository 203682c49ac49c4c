--- Plain response tables: {status, headers, body}. Apart from the routes so that every answer has the same protective
-- headers, and every problem the same form (RFC 9457).

local json = require "leadcat.util.json"
local problem_page = require "leadcat.pages.problem"

local response = {}

---@class leadcat.http.Response
---@field status integer
---@field headers table<string, string>
---@field body? string
---@field log? string what the operator should know and the client should not

-- What a page may load and who may frame it; scripts and styles come from files only.
local POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
  .. "form-action 'self'; base-uri 'none'; frame-ancestors "

--- A response with the headers that all have. What is no page can neither load anything nor be shown in a frame to any end.
---@param status integer
---@param body? string
---@param content_type? string
---@param headers? table<string, string> more
---@return leadcat.http.Response
function response.new(status, body, content_type, headers)
  local all = {
    ["Content-Type"] = content_type,
    ["Content-Length"] = body and ("%d"):format(#body),
    ["Cache-Control"] = "no-store",
    ["X-Content-Type-Options"] = "nosniff",
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

--- Sends a browser on, to be asked for with GET.
function response.redirect(context, path)
  return response.new(303, nil, nil, { Location = context.app.prefix .. path })
end

-- The status of each code, of the engine and of HTTP.
local STATUS = {
  invalid = 422, stale = 412, forbidden = 403, not_found = 404, expired = 410, already_resolved = 409, conflict = 409,
  unavailable = 503, full = 507, corrupt = 500, forked = 500, io = 500,
  malformed = 400, unauthenticated = 401, cross_site = 403, method_not_allowed = 405, too_large = 413,
  unsupported_type = 415, revision_required = 428,
}

-- Codes whose message says what the client did wrong; of the others only the operator is told it.
local TELLS = { invalid = true, malformed = true, conflict = true, already_resolved = true, expired = true }

local function detail_of(context, code, message)
  return TELLS[code] and message or problem_page.detail(context.strings, context.language, code)
end

local function page_of(context, status, title, detail)
  return problem_page.html {
    status = status, title = title, detail = detail, strings = context.strings, language = context.language,
    base = context.app.prefix,
  }
end

--- A problem, as a page where a person is looking and as JSON elsewhere.
---@param context leadcat.http.Context
---@param code string
---@param message? string in English, of the engine
---@param more? table further members of the JSON
---@param headers? table<string, string>
---@return leadcat.http.Response
function response.problem(context, code, message, more, headers)
  local status = STATUS[code] or 500
  local title = problem_page.title(context.strings, context.language, code)
  local detail = detail_of(context, code, message)
  local made
  if context.wants_page then
    made = response.html(context, status, page_of(context, status, title, detail), headers)
  else
    local body = { title = title, status = status, detail = detail, code = code }
    for name, value in pairs(more or {}) do
      body[name] = value
    end
    made = response.new(status, json.encode(body), "application/problem+json", headers)
  end
  if code == "unavailable" then
    made.headers["Retry-After"] = "5"
  end
  made.log = status >= 500 and message or nil
  return made
end

return response
