--- Reads companies as a host's table says.

local event_of = require "leadcat.events.event"
local json = require "leadcat.util.json"

local companies = {}

---@class leadcat.host.http.Company
---@field category? string|integer
---@field name? string
---@field version? any
---@field etag? string
---@field facts? table<string, any>

local MOST_DIGITS = 15 -- of a number that JSON keeps exactly

--- A company's id as the server takes it; nil when the server can have no such company. An id that would lead a path to another
-- place is none.
---@param company string|integer
---@return string|integer|nil
function companies.id_of(self, company)
  local key = event_of.key(company)
  if self.ids == "number" then
    return key:find "^%d+$" and #key <= MOST_DIGITS and json.integer(tonumber(key)) or nil
  elseif ("/" .. key:gsub("\\", "/") .. "/"):find "/%.%.?/" then
    return nil
  end
  return self.ids == "text" and key or company
end

-- The category that the server has named; or nil, message.
local function category_of(self, value)
  if value == nil or value == "" then
    return nil
  elseif type(value) == "number" then
    return self.external and ("%.0f"):format(value) or json.integer(value)
  elseif type(value) ~= "string" then
    return nil, ("%s: the category is a %s"):format(self.client.name, type(value))
  end
  return not self.external and tonumber(value) or value
end

-- The company that an answer has; or nil, message.
local function company_of(self, value, etag)
  local read = self.read
  local category, message = category_of(self, read.category(value))
  if message then
    return nil, message
  end
  local facts = {}
  for name, find in pairs(read.facts) do
    facts[name] = find(value)
  end
  local name = read.name and read.name(value)
  return {
    category = category, name = type(name) == "string" and name or nil, facts = facts, etag = etag,
    version = read.version and read.version(value),
  }
end

--- Reads a company: nil when there is none.
---@param company string|integer
---@param tenant? string
---@param deadline number by `core.uptime`
---@return leadcat.host.http.Company? found, string? message
function companies.find(self, company, tenant, deadline)
  if type(self.read) == "function" then
    return self.read(company, tenant)
  end
  local id = companies.id_of(self, company)
  if id == nil then
    return nil
  end
  local answer, message, code = self.client:send(self.read.operation, { company = id, tenant = tenant }, deadline)
  if not answer then
    return nil, code ~= "missing" and message or nil
  end
  local found = self.read.at(answer.json)
  if found == nil then
    return nil
  end
  return company_of(self, found, answer.headers.etag)
end

--- Calls `use(first, last)` for each `most` of a list, until that fails.
---@param use fun(first: integer, last: integer): true?, string?
---@return true? ok, string? message
function companies.in_parts(list, most, use)
  for first = 1, #list, most do
    local ok, message = use(first, math.min(first + most - 1, #list))
    if not ok then
      return nil, message
    end
  end
  return true
end

-- Adds the companies of an answer by key; or nil, message.
local function note_found(self, list, found)
  for _, item in ipairs(list) do
    local key = event_of.key(self.read_many.id(item))
    local company, message = company_of(self, item)
    if key and not company then
      return nil, message
    elseif key then
      found[key] = company
    end
  end
  return true
end

--- Reads many companies.
---@param asked (string|integer)[]
---@param tenant? string
---@param deadline number by `core.uptime`
---@return table<string, leadcat.host.http.Company>? found by their keys, those that are there
---@return string? message
function companies.find_many(self, asked, tenant, deadline)
  local many, ids, found = self.read_many, {}, {}
  for _, company in ipairs(asked) do
    local id = companies.id_of(self, company)
    ids[#ids + 1] = id ~= nil and many.each.fill { company = id, tenant = tenant } or nil
  end
  local ok, message = companies.in_parts(ids, many.most, function(first, last)
    local part = json.array {}
    for place = first, last do
      part[#part + 1] = ids[place]
    end
    local answer, why = self.client:send(many.operation, { companies = part, tenant = tenant }, deadline)
    local list = answer and many.list(answer.json)
    if type(list) ~= "table" then
      return nil, why or ("%s: answered without a list of companies"):format(self.client.name)
    end
    return note_found(self, list, found)
  end)
  return ok and found, message
end

return companies
