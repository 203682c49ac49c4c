--- Sends what a host's table describes to its server, and says what the answers mean.

local as_text = require "leadcat.util.as_text"
local core = require "leadcat.core"
local http = require "leadcat.util.http"
local json = require "leadcat.util.json"
local paths = require "leadcat.host.http.paths"
local protected = require "leadcat.util.protected"
local template = require "leadcat.host.http.template"
local unicode = require "leadcat.util.unicode"
local url = require "leadcat.util.url"

local LONGEST_WAIT = 300 -- seconds for which a server is left alone because it has asked for that
local MESSAGES = { "message", "error.message", "error", "detail", "title" } -- where servers say what is wrong
local MOST_SAID = 200 -- characters

---@class leadcat.host.http.Client
local Client = {}
Client.__index = Client

-- Requests ------------------------------------------------------------------------------------------------------------

---@class leadcat.host.http.Operation what is sent; each text in it may have places such as {company}
---@field method? string default GET; POST with `rpc`
---@field path? string added to `url`; what is filled in is percent-encoded
---@field headers? table<string, string>
---@field body? any JSON
---@field rpc? {method: string, params: any} a call of JSON-RPC, instead of `body`

-- The body of a call.
local function rpc_body(rpc)
  return { jsonrpc = "2.0", id = 1, method = rpc.method, params = rpc.params }
end

--- Reads an operation. Raises for a place that is unknown.
---@param operation leadcat.host.http.Operation
---@param method? string default
---@return table compiled
function Client.compile(operation, method)
  local compiled = { method = operation.method or operation.rpc and "POST" or method or "GET", headers = {}, uses = {} }
  local function add(made)
    for name in pairs(made.uses) do
      compiled.uses[name] = true
    end
    return made.fill
  end
  compiled.path = add(template.text(operation.path or "", url.escape))
  for name, text in pairs(operation.headers or {}) do
    compiled.headers[name] = add(template.text(text))
  end
  local body = operation.rpc and rpc_body(operation.rpc) or operation.body
  compiled.body = body ~= nil and add(template.value(body)) or nil
  return compiled
end

-- The headers of the host, which may be made for the tenant. `is_refused`: those before were refused.
local function host_headers(self, tenant, is_refused)
  if type(self.headers) ~= "function" then
    return self.headers or {}
  end
  local ok, headers, message = protected.call(self.headers, tenant, is_refused)
  if ok and type(headers) == "table" then
    return headers
  end
  return nil, ("the function of the headers: %s"):format(as_text(not ok and headers or message or "no table returned"))
end

-- A request; or nil, message. What is secret in it is the host's headers.
local function request_of(self, operation, values, is_refused)
  for name in pairs(operation.uses) do
    if values[name] == nil then
      return nil, ("the server has told no %s of the company"):format(name)
    end
  end
  local secrets, message = host_headers(self, values.tenant, is_refused)
  if not secrets then
    return nil, message
  end
  local headers = { Accept = "application/json" }
  for name, text in pairs(secrets) do
    headers[name] = text
  end
  for name, fill in pairs(operation.headers) do
    headers[name] = fill(values)
  end
  local body = operation.body and json.encode(operation.body(values)) or nil
  headers["Content-Type"] = body and (headers["Content-Type"] or "application/json") or nil
  return {
    method = operation.method, url = self.url .. operation.path(values), headers = headers, body = body, tls = self.tls,
    is_safe = operation.is_safe,
  }, secrets
end

-- What servers say --------------------------------------------------------------------------------------------------------

-- A text of the server without what was secret in the request.
local function censored(text, secrets)
  for _, secret in pairs(secrets) do
    for word in secret:gmatch "%S+" do
      if #word >= 6 then
        text = text:gsub(word:gsub("%p", "%%%0"), "***")
      end
    end
  end
  return text
end

-- Why an answer is none: its status, and what the server says of it.
local function reason_of(self, answer, secrets)
  local said = self.message and paths.reader(self.message)(answer.json)
  for _, path in ipairs(MESSAGES) do
    said = type(said) == "string" and said or paths.reader(path)(answer.json)
  end
  said = type(said) == "string" and said or nil
  local text = ("%s: answered %d"):format(self.name, answer.status)
  return said and ("%s: %s"):format(text, unicode.line(censored(said, secrets), MOST_SAID)) or text
end

-- Notes for how long the server wants to be left alone.
local function note_wait(self, tenant, answer)
  local seconds = (answer.status == 429 or answer.status == 503) and tonumber(answer.headers["retry-after"])
  if seconds and seconds > 0 then
    self.waits[tenant or ""] = core.uptime() + math.min(seconds, LONGEST_WAIT)
  end
end

-- What an answer means: the answer itself, or nil, message, code.
local function judge(self, operation, answer, secrets)
  local status, body = answer.status, answer.json
  for _, code in ipairs { "missing", "conflict", "refused" } do
    if operation[code] and paths.means(operation[code], status, body) then
      return nil, reason_of(self, answer, secrets), code
    end
  end
  if status < 200 or status > 299 or type(body) == "table" and operation.is_rpc and body.error ~= nil then
    return nil, reason_of(self, answer, secrets)
  elseif body == nil and (answer.body ~= "" or operation.is_read or operation.is_rpc) then
    return nil, ("%s: answered %d, and no JSON"):format(self.name, status)
  end
  return answer
end

--- Sends an operation once, or twice where the server refuses our headers. What fails in another way has no code, and is to be
-- tried again; whether it was done is not known then.
---@param operation table from `compile`
---@param values table what is filled in, by name; with `tenant`
---@param deadline number by `core.uptime`
---@return {status: integer, headers: table<string, string>, json: any}? answer
---@return string? message, "conflict"|"refused"|"missing"|nil code
function Client:send(operation, values, deadline)
  local wait = (self.waits[values.tenant or ""] or 0) - core.uptime()
  if wait > 0 then
    return nil, ("%s: wants to be left alone for %d more seconds"):format(self.name, math.ceil(wait))
  end
  local answer, message, secrets
  for attempt = 1, 2 do
    local request
    request, secrets = request_of(self, operation, values, attempt == 2)
    if not request then
      return nil, secrets
    end
    request.timeout = math.min(self.timeout, math.max(deadline - core.uptime(), 0.001))
    answer, message = http.request(request)
    if not answer then
      return nil, message
    elseif not paths.means(self.unauthorized, answer.status) or type(self.headers) ~= "function" then
      break
    end
  end
  answer.json = json.decode(answer.body, true)
  note_wait(self, values.tenant, answer)
  return judge(self, operation, answer, secrets)
end

--- A client of one server.
---@param options leadcat.host.http.Options
---@return leadcat.host.http.Client
function Client.new(options)
  local address = assert(http.address(options.url))
  return setmetatable({
    url = options.url, name = ("%s port %d"):format(address.host, address.port), headers = options.headers,
    tls = options.tls, timeout = options.timeout or 10, unauthorized = options.unauthorized or { 401 },
    message = options.message, waits = {},
  }, Client)
end

return Client
