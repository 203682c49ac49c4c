--- Reads what a client has sent: bodies, forms and parameters. Never raises, whatever it is.

local json = require "leadcat.util.json"
local url = require "leadcat.util.url"

local request = {}

request.MAX_BODY = 1024 * 1024 -- bytes

---@class leadcat.http.Request
---@field method string
---@field path string decoded, without the query
---@field query? string as it stands in the address
---@field headers table<string, string> by name in small letters
---@field body? string|fun(): string?, string? the bytes, or a function that reads them: nil, "too_large" or nil, message

-- Form and query encoding ----------------------------------------------------------------------------------------------

--- The fields of a form or a query. Of a name that is there twice, the last one counts.
---@param text? string
---@return table<string, string>
function request.fields(text)
  local fields = {}
  for pair in (text or ""):gmatch "[^&]+" do
    local name, value = pair:match "^([^=]*)=?(.*)$"
    fields[url.unescape(name)] = url.unescape(value)
  end
  return fields
end

-- Bodies ---------------------------------------------------------------------------------------------------------------

local JSON, FORM = "application/json", "application/x-www-form-urlencoded"

---@param received leadcat.http.Request
---@return string type in small letters, without parameters
local function content_type(received)
  local header = received.headers["content-type"] or ""
  return header == JSON and JSON or header:match("^%s*([^;%s]*)"):lower()
end

function request.is_form(received)
  return content_type(received) == FORM
end

-- Its bytes.
---@return string? body
---@return string? code
---@return string? message
local function read(received)
  local body = received.body or ""
  if type(body) == "function" then
    local message
    body, message = body()
    if not body then
      return nil, message == "too_large" and message or "io", message
    end
  end
  if #body > request.MAX_BODY then
    return nil, "too_large"
  end
  return body
end

--- The value of a JSON body. An empty list is marked as one.
---@param received leadcat.http.Request
---@return any value nil when it is refused
---@return string? code
---@return string? message
function request.json(received)
  if content_type(received) ~= JSON then
    return nil, "unsupported_type"
  end
  local body, code, message = read(received)
  if not body then
    return nil, code, message
  end
  local value
  value, message = json.decode(body, true)
  if value == nil then
    return nil, "malformed", message
  elseif type(value) == "table" and next(value) == nil and body:find "^%s*%[" then
    return json.array(value)
  end
  return value
end

--- The fields of a form.
---@param received leadcat.http.Request
---@return table<string, string>? fields nil when it is refused
---@return string? code
---@return string? message
function request.form(received)
  if not request.is_form(received) then
    return nil, "unsupported_type"
  end
  local body, code, message = read(received)
  if not body then
    return nil, code, message
  end
  return request.fields(body)
end

-- Who sent it ----------------------------------------------------------------------------------------------------------

local SAME = { ["same-origin"] = true, none = true }

--- Whether a page of our own origin has sent it. Browsers say so themselves (Fetch Metadata); where they do not, the
-- origin must be the host that was asked. Whoever says neither has not shown it.
---@param received leadcat.http.Request
---@return boolean
function request.is_same_origin(received)
  local headers = received.headers
  local site = headers["sec-fetch-site"]
  if site then
    return SAME[site] == true
  end
  local origin = (headers["origin"] or ""):match "^https?://(.+)$"
  return origin ~= nil and origin == headers["host"]
end

--- Whether the client has what has this tag, and need not be sent it: If-None-Match, which compares weakly (RFC 9110,
-- section 13.1.2), as servers that compress on the way make tags weak.
---@param received leadcat.http.Request
---@param tag string
---@return boolean
function request.has_tag(received, tag)
  local sent = received.headers["if-none-match"] or ""
  if sent == "*" then
    return true
  end
  for known in sent:gmatch '"[^"]*"' do
    if known == tag then
      return true
    end
  end
  return false
end

--- Whether it is a person's browser that wants to see a page.
---@param received leadcat.http.Request
---@return boolean
function request.wants_html(received)
  return (received.headers["accept"] or ""):find("text/html", 1, true) ~= nil
end

return request
