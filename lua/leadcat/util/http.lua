--- HTTP/1.1 requests, over `leadcat.util.socket`: LuaSocket's own `socket.http` would block nginx, and cannot be given
-- cosockets, because they would have to yield across its C function `protect`.
--
-- No redirect is followed; certificates are verified; an answer has at most 1 MB. Messages say neither paths nor headers, which
-- may be secret. Connections are kept for the next request to the same server.

local core = require "leadcat.core"
local options_of = require "leadcat.util.options"
local response = require "leadcat.util.http.response"
local socket = require "leadcat.util.socket"

local http = {}

---@class (exact) leadcat.HttpRequest
---@field url string http:// or https://, with what is in the path and query percent-encoded
---@field method? string default GET
---@field headers? table<string, string>
---@field body? string
---@field timeout? number seconds, for everything; default 10
---@field tls? leadcat.SocketTls
---@field is_safe? boolean whether it may be sent twice, when a kept connection turns out to be closed; default: GET and HEAD

local TIMEOUT = 10
local SAFE = { GET = true, HEAD = true }
local HAS_BODY = { POST = true, PUT = true, PATCH = true }
local OURS = { -- headers
  host = true, connection = true, ["content-length"] = true, ["transfer-encoding"] = true, te = true, trailer = true,
  upgrade = true, expect = true, ["accept-encoding"] = true,
}

local OPTIONS = {
  url = options_of.of_type "string", method = options_of.kind("a method such as GET", function(value)
    return type(value) == "string" and value:find "^%u+$" ~= nil and value ~= "CONNECT"
  end),
  headers = options_of.of_type "table", body = options_of.of_type "string", tls = options_of.of_type "table",
  timeout = options_of.kind("a number of seconds above 0", function(value)
    return type(value) == "number" and value > 0 and value < 1e6
  end),
  is_safe = options_of.of_type "boolean",
}

-- Addresses -----------------------------------------------------------------------------------------------------------

local PORTS = { http = 80, https = 443 }

-- The port that an address names; false when that is none.
local function port_of(scheme, text)
  if text == "" then
    return PORTS[scheme]
  end
  local port = tonumber(text:match "^:(%d%d?%d?%d?%d?)$")
  return port and port >= 1 and port <= 65535 and port
end

--- Reads an address. What it says of a wrong one does not tell the address.
---@param url string
---@return {scheme: "http"|"https", host: string, port: integer, target: string, authority: string}? address
---@return string? problem
function http.address(url)
  local scheme, authority, target = url:match "^(%a+)://([^/?#]*)(.*)$"
  scheme = scheme and scheme:lower()
  if not PORTS[scheme] then
    return nil, "a URL begins with http:// or https://"
  elseif authority:find("@", 1, true) then
    return nil, "a URL has no user and password: send them in the header Authorization"
  elseif url:find "[^\33-\126]" or url:find("#", 1, true) then
    return nil, "a URL has neither blanks, control characters, '#' nor other than ASCII characters: percent-encode them"
  end
  local host, rest = authority:match "^%[([%x:.]+)%](.*)$"
  if not host then
    host, rest = authority:match "^([%w._-]+)(.*)$"
  end
  local port = host and port_of(scheme, rest)
  if not port then
    return nil, "a URL has a host, and maybe a port"
  end
  target = (target:find "^/" and "" or "/") .. target
  return { scheme = scheme, host = host, port = port, authority = authority, target = target }
end

-- Requests ------------------------------------------------------------------------------------------------------------

-- Raises at the caller of `http.request` unless a header can be sent.
local function check_header(name, value)
  if type(name) ~= "string" or not name:find "^[%w!#$%%&'*+.^_`|~-]+$" then
    error("http.request: a header's name has only letters, digits and -", 4)
  elseif type(value) ~= "string" or value:find "[%z\1-\8\10-\31\127]" then
    error(("http.request: header '%s': a text without control characters expected"):format(name), 4)
  elseif OURS[name:lower()] then
    error(("http.request: header '%s' is ours to send"):format(name), 4)
  end
end

-- The bytes of a request.
local function bytes_of(options, address)
  local method, body = options.method or "GET", options.body
  local lines = {
    ("%s %s HTTP/1.1"):format(method, address.target), "Host: " .. address.authority, "Accept-Encoding: identity",
  }
  local has_agent = false
  for name, value in pairs(options.headers or {}) do
    check_header(name, value)
    has_agent = has_agent or name:lower() == "user-agent"
    lines[#lines + 1] = name .. ": " .. value
  end
  if not has_agent then
    lines[#lines + 1] = "User-Agent: leadcat"
  end
  if body or HAS_BODY[method] then
    lines[#lines + 1] = ("Content-Length: %d"):format(#(body or ""))
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or "")
end

-- What tells apart the connections that are kept.
local function pool_of(address, tls)
  return ("%s %s %d %s %s %s"):format(address.scheme, address.host, address.port, tls.server_name or "",
    tostring(tls.verify), tls.cafile or "")
end

-- Sends it once. The last result: whether it may be sent again, as nobody has seen it.
local function attempt(request, pool)
  local address = request.address
  local left = request.deadline - core.uptime()
  if left <= 0 then
    return nil, ("%s port %d: it took too long"):format(address.host, address.port), "unavailable", false, false
  end
  local made, message, code = socket.connect {
    host = address.host, port = address.port, timeout = left, pool = pool,
    tls = address.scheme == "https" and request.tls or nil,
  }
  if not made then
    return nil, message, code, false, false
  end
  made.deadline = request.deadline
  local answer, ok
  ok, message, code = made:send(request.bytes)
  if ok then
    answer, message, code = response.read(made, request.method)
  end
  return answer, message, code, not answer or nil, made.is_reused and not made.has_received
end

--- Sends a request and reads the answer. Any status is an answer.
---@param options leadcat.HttpRequest
---@return leadcat.HttpResponse? response
---@return string? message
---@return "unavailable"? code
---@return boolean? sent when it failed: whether the server may have got the request
function http.request(options)
  options_of.check(options, OPTIONS, "http.request: ")
  if not options or not options.url then
    error("http.request: option 'url' is missing", 2)
  end
  local address, problem = http.address(options.url)
  if not address then
    error("http.request: " .. problem, 2)
  end
  local method, tls = options.method or "GET", options.tls or {}
  local request = {
    address = address, method = method, tls = tls, bytes = bytes_of(options, address),
    deadline = core.uptime() + (options.timeout or TIMEOUT),
  }
  local answer, message, code, sent, is_stale = attempt(request, pool_of(address, tls))
  local is_safe = options.is_safe or options.is_safe == nil and SAFE[method]
  if not answer and is_stale and is_safe then
    answer, message, code, sent = attempt(request)
  end
  return answer, message, code, sent
end

return http
