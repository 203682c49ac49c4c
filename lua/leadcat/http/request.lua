--- Reads what a client sent: bodies, forms and parameters. Only `response.fail` is raised.

local json = require "leadcat.util.json"
local response = require "leadcat.http.response"
local url = require "leadcat.util.url"

local request = {}

local MOST_EXACT = 2 ^ 53 -- numbers beyond are not exact

request.MAX_BODY = 1024 * 1024 -- bytes

---@class leadcat.http.Request a request as a server gives it to `app:respond`, and as `authenticate` gets it
---@field method string
---@field path string decoded, without the query, with the prefix
---@field query? string not decoded
---@field headers table<string, string|string[]> by lower-case name; a list when it was given more than once. `authenticate` gets texts only, and may go through them with `pairs`: those that may be given more than once are joined; of others that were, none is there, and asking for one by its name answers the request with 400
---@field body? string|fun(request: leadcat.http.Request): string?, string? the bytes, or a function that reads them; it fails with nil, "too_large" or nil, message

-- Headers that may be given more than once, and what joins them.
local LISTS = {
  accept = ", ", ["accept-language"] = ", ", ["content-encoding"] = ", ", cookie = "; ", forwarded = ", ",
  ["if-match"] = ", ",
  ["if-none-match"] = ", ", via = ", ", ["x-forwarded-for"] = ", ",
}

-- The text of a header. One that is refused is absent from then on, so that the refusal can be answered.
local function header_of(headers, sent, name)
  local value = sent[name]
  if type(value) ~= "table" then
    return value
  elseif not LISTS[name] then
    rawset(headers, name, false)
    response.fail("malformed", ("the header %s was given more than once"):format(name))
  end
  return table.concat(value, LISTS[name])
end

--- The request with headers that are texts. One that was given more than once fails the request when it is read: it
-- decides something, and a proxy in front of us may go by the other one.
---@param received leadcat.http.Request
---@return leadcat.http.Request
function request.of(received)
  local sent, texts = received.headers, {}
  local is_table = type(sent) == "table" -- what is none fails when it is read
  local has_more = not is_table or getmetatable(sent) ~= nil
  for name, value in pairs(is_table and sent or {}) do
    if type(value) == "string" then
      texts[name] = value
    elseif LISTS[name] then
      texts[name] = header_of(texts, sent, name)
    else
      has_more = true
    end
  end
  if has_more then
    setmetatable(texts, { __index = function(headers, name) return header_of(headers, sent, name) end })
  end
  local copy = { method = nil, path = nil, query = nil, headers = texts, body = nil, size = nil } -- with room for these
  for name, value in pairs(received) do
    if name ~= "headers" then
      copy[name] = value
    end
  end
  return copy
end

--- The fields of a form or a query. The last one of a name counts.
function request.fields(text)
  local fields = {}
  for pair in (text or ""):gmatch "[^&]+" do
    local name, value = pair:match "^([^=]*)=?(.*)$"
    fields[url.unescape(name)] = url.unescape(value)
  end
  return fields
end

-- Bodies --------------------------------------------------------------------------------------------------------------

local JSON, FORM = "application/json", "application/x-www-form-urlencoded"

-- In lower case, without parameters.
local function content_type(received)
  local header = received.headers["content-type"] or ""
  return header == JSON and JSON or header:match("^%s*([^;%s]*)"):lower()
end

function request.is_form(received)
  return content_type(received) == FORM
end

--- The bytes of the body as they were sent, whose number is the request's `size` then; or nil, message, code.
function request.bytes(received)
  local coding = received.headers["content-encoding"] or ""
  if coding ~= "" and coding:lower() ~= "identity" then
    return nil, "Content-Encoding: the body cannot be read: send it uncompressed", "unsupported_type"
  end
  local body, message = received.body or "", nil
  if type(body) == "function" then
    body, message = body(received)
  end
  if not body and message ~= "too_large" then
    return nil, message, "io"
  elseif not body or #body > request.MAX_BODY then
    return nil, nil, "too_large"
  end
  received.size = #body
  return body
end

local function read(received, expected_type)
  if content_type(received) ~= expected_type then
    return nil, nil, "unsupported_type"
  end
  return request.bytes(received)
end

--- The value of a JSON body, or nil, message, code. An empty list is marked as one.
function request.json(received)
  local body, message, code = read(received, JSON)
  if not body then
    return nil, message, code
  end
  local value
  value, message = json.decode(body, true)
  if value == nil then
    return nil, message, "malformed"
  elseif type(value) == "table" and next(value) == nil and body:find "^%s*%[" then
    return json.array(value)
  end
  return value
end

--- The same for a body that must be an object or a list; otherwise `problem` is the message.
function request.json_table(received, problem)
  local value, message, code = request.json(received)
  if value ~= nil and type(value) ~= "table" then
    return nil, problem, "invalid"
  end
  return value, message, code
end

--- The fields of a form, or nil, message, code.
function request.form(received)
  local body, message, code = read(received, FORM)
  return body and request.fields(body), message, code
end

--- The same, of a form that may stand in a company's panel: the context has its id then, and the answer leads back there.
---@param context leadcat.http.Context
---@return table<string, string> fields
function request.form_of_panel(context)
  local fields = response.must(request.form(context.request))
  local id = fields.panel or ""
  context.panel = #id >= 1 and #id <= 255 and id or nil
  return fields
end

-- Who sent it ---------------------------------------------------------------------------------------------------------

local SAME = { ["same-origin"] = true, none = true }

--- Whether a page of our own origin sent it. Browsers say so (Fetch Metadata). Without that, the Origin header must
-- name the requested host, and the scheme that the host says it is reached by.
---@param received leadcat.http.Request
---@param scheme? string nil: either one
function request.is_same_origin(received, scheme)
  local headers = received.headers
  local site = headers["sec-fetch-site"]
  if site then
    return SAME[site] == true
  end
  local sent, origin = (headers["origin"] or ""):match "^(https?)://(.+)$"
  return origin ~= nil and origin == headers["host"] and (scheme or sent) == sent
end

--- The tags that a header lists, each in its quotes, without what makes it weak; `*` alone is one, too.
---@param header string
---@return table<string, true>? tags nil: it is no list of tags (RFC 9110, section 8.8.3)
function request.tags(header)
  if header:find "^%s*%*%s*$" then
    return { ["*"] = true }
  end
  local tags, at = {}, header:match "^[%s,]*()"
  while at <= #header do
    local tag, behind = header:match('^("[^"%c ]*")%s*()', header:match("^W/()", at) or at)
    if not tag or behind <= #header and header:sub(behind, behind) ~= "," then
      return nil
    end
    tags[tag], at = true, header:match("^[%s,]*()", behind)
  end
  return next(tags) and tags
end

--- Whether the client already has the content with this tag (If-None-Match).
function request.has_tag(received, tag)
  local tags = request.tags(received.headers["if-none-match"] or "") or {}
  return tags[tag] or tags["*"] or false
end

--- The number of a revision or a draft, in an address or a form.
---@param text? string
---@return integer? number nil: it is none
function request.number(text)
  local number = type(text) == "string" and text:find "^[1-9]%d*$" and tonumber(text)
  return number and number <= MOST_EXACT and json.integer(number) or nil
end

local MOST_MINUTES = 14 * 60

--- How many minutes the reader's clock is ahead of UTC.
---@param sent table<string, string> fields of a form or of an address
---@return integer? minutes nil: no script has said it
function request.zone(sent)
  local minutes = (sent.zone or ""):find "^%-?%d%d?%d?$" and tonumber(sent.zone)
  return minutes and minutes >= -MOST_MINUTES and minutes <= MOST_MINUTES and minutes or nil
end

function request.wants_html(received)
  return (received.headers["accept"] or ""):find("text/html", 1, true) ~= nil
end

return request
