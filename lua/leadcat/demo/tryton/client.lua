--- A client of Tryton's JSON-RPC: what its own clients use, so nothing is installed in Tryton.

local cjson = require "cjson.safe"
local core = require "leadcat.core"
local http = require "leadcat.util.http"
local json = require "leadcat.util.json"
local merged = require "leadcat.util.merged"

local client = {}

---@class leadcat.tryton.Options
---@field url string of the server: http://127.0.0.1:8000
---@field database string
---@field user string the login
---@field password string

---@class leadcat.tryton.Client: leadcat.tryton.Options
---@field session? string the header Authorization, once logged in
---@field context? table what the user prefers: company, employee, language
local Client = {}
Client.__index = Client

local TIMEOUT = 15 -- seconds
local UNAUTHORIZED = 401
-- What Tryton's errors mean for a host; others, such as a database that is locked, may go away.
local CODES = { ConcurrencyException = "conflict", UserError = "refused", UserWarning = "refused" }

-- Values of JSON as ours: null is nil (false in a list), whole numbers are integers.
local function settle(value)
  if type(value) == "number" then
    return json.integer(value)
  elseif value == cjson.null then
    return nil
  elseif type(value) == "table" then
    local is_list = value[1] ~= nil
    for key, field in pairs(value) do
      field = settle(field)
      if is_list and field == nil then
        field = false
      end
      value[key] = field
    end
  end
  return value
end

-- Sends a call: what it returns, true for nothing; or nil, message, code.
local function post(self, method, params, is_safe)
  local response, message = http.request {
    url = ("%s/%s/"):format(self.url, self.database), method = "POST", timeout = TIMEOUT, is_safe = is_safe,
    headers = { ["Content-Type"] = "application/json", Authorization = self.session },
    body = json.encode { id = 0, method = method, params = json.array(params) },
  }
  if not response then
    return nil, message, "unavailable"
  elseif response.status ~= 200 then
    return nil, ("Tryton: %s: status %d"):format(method, response.status),
      response.status == UNAUTHORIZED and "unauthorized" or "unavailable"
  end
  local answer = settle((cjson.decode(response.body)))
  if type(answer) ~= "table" then
    return nil, ("Tryton: %s: the answer is not JSON"):format(method), "unavailable"
  elseif type(answer.error) == "table" then
    local kind, detail = answer.error[1], answer.error[2] -- a list of texts, or a traceback
    detail = type(detail) == "table" and detail[1] or tostring(detail):match "([^\n]+)%s*$"
    return nil, ("Tryton: %s: %s"):format(method, detail or kind), CODES[kind] or "unavailable"
  end
  return answer.result == nil or answer.result
end

local function log_in(self)
  self.session = nil
  local found, message, code = post(self, "common.db.login", { self.user, { password = self.password } })
  if not found then
    message = code == "unauthorized" and ("Tryton refuses the user '%s' or the password"):format(self.user) or message
    return nil, message, "unavailable"
  end
  self.session = "Session " .. core.base64(("%s:%d:%s"):format(self.user, found[1], found[2]))
  self.context, message, code = post(self, "model.res.user.get_preferences", { true, {} })
  if not self.context then
    self.session = nil
    return nil, message, code
  end
  self.context.groups, self.context.locale = nil, nil
  return true
end

--- The headers of a request within a session, which is begun when there is none.
---@param is_refused? boolean whether Tryton has refused those before: a session ends some time
---@return table<string, string>? headers, string? message, string? code
function Client:headers(is_refused)
  if is_refused or not self.session then
    local ok, message, code = log_in(self)
    if not ok then
      return nil, message, code
    end
  end
  return { Authorization = self.session }
end

local function attempt(self, method, params, options, is_refused)
  local headers, message, code = self:headers(is_refused)
  if not headers then
    return nil, message, code
  end
  local all = merged(params)
  all[#all + 1] = merged(self.context, options.context or {})
  return post(self, method, all, options.is_safe)
end

---@class leadcat.tryton.Call
---@field context? table beside what the user prefers
---@field is_safe? boolean it only reads, so it may be sent twice

--- Calls a method: `client:call("model.party.party.read", {ids, names})`. Logs in when that is needed.
---@param method string
---@param params any[] without the context, which comes last
---@param options? leadcat.tryton.Call
---@return any result true where Tryton answers with nothing
---@return string? message
---@return string? code `conflict`: somebody has changed the record; `refused`: Tryton does not allow it; `unavailable`
function Client:call(method, params, options)
  local result, message, code = attempt(self, method, params, options or {})
  if code == "unauthorized" then
    result, message, code = attempt(self, method, params, options or {}, true)
  end
  return result, message, code
end

--- The records of a model that fit, with these fields.
---@param model string
---@param domain any[]
---@param fields string[]
---@param most integer
---@return table[]? records, string? message, string? code
function Client:find(model, domain, fields, most)
  local params = { json.array(domain), 0, most, json.array {}, json.array(fields) }
  local options = { context = { active_test = false }, is_safe = true }
  return self:call(("model.%s.search_read"):format(model), params, options)
end

---@param options leadcat.tryton.Options
---@return leadcat.tryton.Client
function client.new(options)
  for _, name in ipairs { "url", "database", "user", "password" } do
    if type(options[name]) ~= "string" then
      error(("option '%s': a string expected"):format(name), 2)
    end
  end
  return setmetatable({
    url = options.url:gsub("/+$", ""), database = options.database, user = options.user, password = options.password,
  }, Client)
end

return client
