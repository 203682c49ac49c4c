--- A host whose companies are behind a REST API or JSON-RPC. A table says how a category is read and written; where that is too
-- little, a function does it.
--
-- A change is sent with what the company was read with (its version or ETag), so that nothing is overwritten that somebody
-- else has changed meanwhile. When no answer comes, nobody knows whether it was made: the change is not sent again before
-- leadcat has asked (`applied`, or where the company stands), and what arrives late is refused by the version that it names.

local as_text = require "leadcat.util.as_text"
local core = require "leadcat.core"
local event_of = require "leadcat.events.event"
local json = require "leadcat.util.json"
local options_of = require "leadcat.host.http.options"
local paths = require "leadcat.host.http.paths"
local protected = require "leadcat.util.protected"
local reading = require "leadcat.host.http.companies"
local transport = require "leadcat.util.http"

---@class leadcat.host.http
---@overload fun(options: leadcat.host.http.Options): leadcat.Host
local http = {}

local BUDGET = 20 -- seconds for a call of the host: a claim has 30
local TRIES = 5 -- when the company is changed again and again, but not its category

---@class leadcat.host.http.Change
---@field company string|integer
---@field to string|integer as the server calls it
---@field from string|integer
---@field key string
---@field outcome leadcat.Outcome
---@field tenant? string

local function deadline_of()
  return core.uptime() + BUDGET
end

-- Changes -----------------------------------------------------------------------------------------------------------------

-- A change with categories as the server calls them; or nil, message.
local function change_of(self, told, tenant)
  local change = {
    company = told.company, to = told.to, from = told.from, key = told.outcome.key, outcome = told.outcome,
    tenant = tenant,
  }
  for _, which in ipairs(self.external and { "to", "from" } or {}) do
    local name = (told.outcome.external or {})[which]
    if self.external == "number" then
      local number = tonumber(name)
      name = number and json.integer(number)
    end
    if not name then
      return nil, ("category %d has no `external` by which the server knows it"):format(told[which])
    end
    change[which] = name
  end
  return change
end

-- Where a company is, compared with a change.
local function stands_in(self, company, id)
  local category = company and company.category
  return category ~= nil and (self.external and as_text(category) == as_text(id) or category == id)
end

local function values_of(self, change, company)
  return {
    company = reading.id_of(self, change.company), to = change.to, from = change.from, key = change.key,
    tenant = change.tenant, version = company and company.version, etag = company and company.etag,
  }
end

local function send_change(self, change, company, deadline)
  if type(self.write) == "function" then
    return self.write(change, company)
  end
  local answer, message, code = self.client:send(self.write.operation, values_of(self, change, company), deadline)
  return answer and true, message, code
end

-- Whether a company that is where a change would bring it was brought there by that change. Without keys, it is taken for
-- made, as leadcat does when it recovers.
local function was_made(self, change, deadline)
  if not self.applied then
    return true
  end
  local answer, message, code = self.client:send(self.applied.operation, values_of(self, change), deadline)
  if not answer and code ~= "missing" then
    return nil, message
  end
  return answer ~= nil and (self.applied.found(answer.json) or false) ~= false
end

-- What is to be done with a company that was read: nil when the change can be sent; else whether it was made, message.
local function settled(self, change, company, message, deadline)
  if not company and message then
    return false, message
  elseif stands_in(self, company, change.to) then
    local made, why = was_made(self, change, deadline)
    if made == nil then
      return false, why
    end
    return made, not made and "conflict" or nil
  elseif not stands_in(self, company, change.from) then
    return false, "conflict"
  end
end

local function set_category(self, told, tenant, deadline)
  local change, problem = change_of(self, told, tenant)
  if not change then
    return nil, problem, "refused"
  elseif reading.id_of(self, change.company) == nil then
    return nil, "conflict"
  end
  local is_read_first = type(self.write) == "function" or not self.write.compares
  for _ = 1, TRIES do
    local company, ok, message, code
    if is_read_first then
      company, message = reading.find(self, change.company, tenant, deadline)
      ok, message = settled(self, change, company, message, deadline)
      if ok ~= nil then
        return ok or nil, message
      end
    end
    ok, message, code = send_change(self, change, company, deadline)
    if ok or code ~= "conflict" and message ~= "conflict" then
      return ok, message, code
    end
    is_read_first = true
  end
  return nil, ("%s: the company is being changed all the time"):format(self.client.name)
end

-- What the server says of one of many changes.
local function answer_of(many, item)
  if paths.means(many.conflict, 0, item) then
    return { code = "conflict" }
  end
  return paths.means(many.refused, 0, item) and { error = "the server refuses it", code = "refused" } or true
end

-- Makes changes one by one.
local function send_each(self, changes, answers, deadline)
  for _, item in ipairs(changes) do
    local ok, message, code = set_category(self, item.told, item.change.tenant, deadline)
    answers[item.place] = ok or { error = message, code = message == "conflict" and message or code }
  end
end

-- Changes many, which were read, with one request: notes the answers.
local function send_many(self, changes, answers, deadline)
  local many, list, places = self.write_many, json.array {}, {}
  for i, item in ipairs(changes) do
    list[i] = many.each.fill(values_of(self, item.change, item.company))
    places[event_of.key(item.change.company)] = item.place
  end
  local answer, message, code = self.client:send(many.operation, { changes = list, tenant = changes[1].change.tenant },
    deadline)
  if code == "refused" then -- perhaps because of one of them
    return send_each(self, changes, answers, deadline)
  end
  for _, item in ipairs(changes) do
    answers[item.place] = { error = message or self.client.name .. ": has not answered for this company" }
  end
  local found = answer and many.list(answer.json)
  for _, item in ipairs(type(found) == "table" and found or {}) do
    local place = places[event_of.key(many.id(item)) or ""]
    if place then
      answers[place] = answer_of(many, item)
    end
  end
end

-- What can be changed of those asked for, as it was read; notes the answers for the others.
local function prepare_many(self, asked, tenant, answers, deadline)
  local companies, ready = {}, {}
  for place, told in ipairs(asked) do
    companies[place] = told.company
  end
  local found, message = reading.find_many(self, companies, tenant, deadline)
  for place, told in ipairs(asked) do
    local change, problem = change_of(self, told, tenant)
    if not change then
      answers[place] = { error = problem, code = "refused" }
    else
      local company = found and found[event_of.key(told.company)]
      local ok, why = settled(self, change, company, message, deadline)
      answers[place] = ok or { error = why, code = why == "conflict" and why or nil }
      ready[#ready + 1] = ok == nil and { place = place, told = told, change = change, company = company } or nil
    end
  end
  return ready
end

local function set_categories(self, asked, tenant)
  local answers, deadline = {}, deadline_of()
  local ready = prepare_many(self, asked, tenant, answers, deadline)
  reading.in_parts(ready, self.write_many.most, function(first, last)
    local part = {}
    for place = first, last do
      part[#part + 1] = ready[place]
    end
    send_many(self, part, answers, deadline)
    return true
  end)
  return answers
end

-- What the host answers ---------------------------------------------------------------------------------------------------

local function category(self, company, tenant)
  local found, message = reading.find(self, company, tenant, deadline_of())
  return found and found.category, message
end

local function categories(self, companies, tenant)
  local found, message = reading.find_many(self, companies, tenant, deadline_of())
  if not found then
    return nil, message
  end
  local answers = {}
  for place, company in ipairs(companies) do
    local one = found[event_of.key(company)]
    answers[place] = one and one.category or false
  end
  return answers
end

local function facts(self, requests, tenant)
  local companies, deadline, found, message = {}, deadline_of(), {}, nil
  for place, request in ipairs(requests) do
    companies[place] = request.company
  end
  if self.read_many and #companies > 1 then
    found, message = reading.find_many(self, companies, tenant, deadline)
  else
    for _, company in ipairs(companies) do
      local one
      one, message = reading.find(self, company, tenant, deadline)
      if message then
        return nil, message
      end
      found[event_of.key(company)] = one
    end
  end
  if not found then
    return nil, message
  end
  local answers = {}
  for place, company in ipairs(companies) do
    answers[place] = (found[event_of.key(company)] or {}).facts or {}
  end
  return answers
end

local function applied(self, company, key, tenant)
  if reading.id_of(self, company) == nil then
    return false
  end
  return was_made(self, { company = company, key = key, tenant = tenant }, deadline_of())
end

-- The host ----------------------------------------------------------------------------------------------------------------

-- The functions of the host that the options make possible.
local function functions_of(self, options)
  local has_facts = type(options.read) == "table" and options.read.facts
  local has_names = type(options.read) == "function" or options.read.name
  return {
    category = function(company, tenant) return category(self, company, tenant) end,
    set_category = function(company, to, from, outcome, tenant)
      return set_category(self, { company = company, to = to, from = from, outcome = outcome }, tenant, deadline_of())
    end,
    categories = self.read_many and function(companies, tenant) return categories(self, companies, tenant) end,
    set_categories = self.write_many and function(changes, tenant) return set_categories(self, changes, tenant) end,
    applied = self.applied and function(company, key, tenant) return applied(self, company, key, tenant) end,
    facts = (has_facts or type(options.read) == "function") and function(requests, tenant)
      return facts(self, requests, tenant)
    end or nil,
    company_name = has_names and function(company, tenant)
      local found = reading.find(self, company, tenant, deadline_of())
      return found and found.name
    end or nil,
    fields = options.fields,
  }
end

--- A list that is written as `[]` even when it is empty, for bodies.
http.list = json.array

---@class (exact) leadcat.host.http.Request
---@field url string
---@field method? string default POST with a body, else GET
---@field headers? table<string, string>
---@field body? any sent as JSON
---@field timeout? number seconds; default 10
---@field tls? leadcat.SocketTls

--- A request whose body and answer are JSON, for functions that fetch tokens. Any status is an answer; no redirect is followed.
---@param request leadcat.host.http.Request
---@return {status: integer, headers: table<string, string>, json: any}? answer, string? message, string? code `unavailable`: there is no answer
function http.request(request)
  local headers = { Accept = "application/json" }
  headers["Content-Type"] = request.body ~= nil and "application/json" or nil
  for name, text in pairs(request.headers or {}) do
    headers[name] = text
  end
  local answer, message, code = transport.request {
    url = request.url, method = request.method or request.body ~= nil and "POST" or "GET", headers = headers,
    body = request.body ~= nil and json.encode(request.body) or nil, timeout = request.timeout, tls = request.tls,
  }
  if answer then
    answer.json = json.decode(answer.body, true)
  end
  return answer, message, code
end

return setmetatable(http, {
  --- A host for `leadcat.open`: companies are read and written by requests to a CRM's API. Raises on a wrong option.
  ---@param options leadcat.host.http.Options
  ---@return leadcat.Host
  __call = function(_, options)
    if type(options) ~= "table" then
      error(("leadcat.host.http: a table of options expected, got %s"):format(type(options)), 2)
    end
    local ok, self = protected.call(options_of.prepare, options)
    if not ok then
      error(self, 2)
    end
    return functions_of(self, options)
  end,
})
