--- The embedded host keeps companies in leadcat's own store, so that everything runs with nothing else installed. A
-- company is changed in the transaction that writes the journal, so no change is ever unfinished.

local call = require "leadcat.host.call"
local cursor = require "leadcat.util.cursor"
local event = require "leadcat.events.event"
local protected = require "leadcat.util.protected"

local embedded = {}

--- The status with which a change is written, and made.
embedded.CHANGING = "updated"
--- Options of `store:handle`.
embedded.HANDLING = { keeps_companies = true }

--- For how many seconds changes are claimed: they never are.
function embedded.seconds()
  return 0
end

---@class (exact) leadcat.host.lmdb.Options
---@field can? fun(actor: leadcat.Actor, permission: string, subject: any): boolean
---@field licensed? fun(tenant: string): boolean
---@field facts? fun(requests: leadcat.FactsRequest[], tenant: string): table[]
---@field fields? leadcat.Field[] checked when a store is opened
---@field sales? fun(companies: (string|integer)[], tenant: string): (leadcat.CurrentSales|false)[]?, string?

---@class leadcat.host.lmdb: leadcat.Host
local Host = {}
Host.__index = Host

local PAGE = 1000

local function item(company, level)
  local key, problem = event.key(company)
  if not key then
    error("company " .. problem, level + 1)
  end
  return { company = key, company_is_integer = type(company) == "number" }
end

local OPTIONS = { can = "function", facts = "function", fields = "table", licensed = "function", sales = "function" }

local function check_options(options)
  for name, value in pairs(options) do
    local expected = OPTIONS[name]
    if not expected then
      error(("unknown option '%s' (there are can, facts, fields, licensed, sales)"):format(tostring(name)), 3)
    elseif type(value) ~= expected then
      error(("option '%s': a %s expected, got %s"):format(name, expected, type(value)), 3)
    end
  end
end

-- The functions that the engine calls, with the tenant as last argument. All tenants share them.
local function shared_by_all(store, options)
  local host = {
    can = options.can, licensed = options.licensed, facts = options.facts, sales = options.sales, store = store,
  }
  setmetatable(host, Host)

  function host.category(company, tenant)
    local category, message, code = store:company(tenant or "", item(company, 2).company)
    if code == "not_found" then
      return nil
    end
    return category, message, code
  end

  function host.set_category(company, to, from, _, tenant)
    local ok, message, code = store:set_category(tenant or "", item(company, 2).company, to, from)
    return ok, code == "conflict" and code or message
  end

  return host
end

--- A host for `leadcat.open{host=}`, which makes one itself when given none.
---@param options? leadcat.host.lmdb.Options
---@return table host
function embedded.new(options)
  options = options or {}
  check_options(options)
  return {
    fields = options.fields,
    bind = function(store)
      local metatable = { __index = shared_by_all(store, options) }
      return function(tenant) return setmetatable({ tenant = tenant }, metatable) end
    end,
  }
end

--- Adds a company.
---@param company string|integer its id, which is also its name
---@param category integer 1 to 2^31-1
---@return true? created, string? message, string? code `conflict` when it exists; any code of a store that cannot write
function Host:create(company, category)
  local created, message, code = self.store:create(self.tenant, { item(company, 2) }, category)
  if created == 0 then
    return nil, ("company %s exists already"):format(tostring(company)), "conflict"
  end
  return created and true, message, code
end

--- Adds many companies at once; those that exist stay as they are.
---@param companies (string|integer)[] their ids
---@param category integer 1 to 2^31-1
---@return integer? created, string? message, string? code created: how many were new; code `unavailable`, `full`, `io`, `readonly`
function Host:create_many(companies, category)
  local items = {}
  for i, company in ipairs(companies) do
    items[i] = item(company, 2)
  end
  return self.store:create(self.tenant, items, category)
end

--- A company's category.
---@param company string|integer its id
---@return integer? category, string? message, string? code category: nil when there is no such company; code `unavailable`, `io`, `corrupt`: the store cannot be read
function Host:get(company)
  local category, message, code = self.store:company(self.tenant, item(company, 2).company)
  if code == "not_found" then
    return nil
  end
  return category, message, code
end

--- Goes through all companies: `for company, category in host:companies() do`. Raises when the store cannot be read.
---@return fun(): (string|integer)?, integer?
function Host:companies()
  local companies, categories, next, after = {}, {}, 0, ""
  local moves_on = cursor "the companies"
  return function()
    if next == #companies and (next == 0 or next == PAGE) then
      local ok, message = moves_on(after)
      if ok then
        companies, categories = self.store:companies(self.tenant, after, PAGE)
        ok, message = companies, categories
      end
      if not ok then
        error(message, 2)
      end
      next = 0
      after = #companies > 0 and event.key(companies[#companies]) or after
    end
    next = next + 1
    return companies[next], categories[next]
  end
end

-- For the engine ------------------------------------------------------------------------------------------------------

--- The category of a company, as `leadcat.host.foreign` returns it.
---@param self leadcat.Engine
---@param company string|integer
---@return boolean ok, integer|string|nil category, string? code category: the message unless ok
function embedded.category(self, company)
  local category, message, code = call("category", protected.call(self.host.category, company, self._tenant))
  if category == nil and message ~= nil then
    return false, message, code
  end
  return true, category
end

--- A company can be changed when it is kept here.
---@param self leadcat.Engine
---@param company string|integer
---@return boolean? may, string? message, string? code
function embedded.may_change(self, company)
  local _, category = embedded.category(self, company)
  if category == nil then
    return nil, ("company %s is not kept in this store: answer where its CRM is"):format(company), "unavailable"
  end
  return true
end

--- As `leadcat.host.foreign` does. Here changes take no time.
---@return any ...
function embedded.in_flight(_, _, fn, ...)
  return fn(nil, ...)
end

--- Fails when a change is unfinished: another host began it, and has to finish it.
---@param self leadcat.Engine
---@param key string the company's text
---@return boolean? done, string? message, string? code
function embedded.settle(self, key)
  local newest, message, code = self._store:newest(self._tenant, key)
  if newest then
    return true
  elseif code == "conflict" then
    return nil, ("company %s has a change that another host began and has to finish"):format(key), "unavailable"
  end
  return nil, message, code
end

--- Nothing to do: an unfinished change is another host's.
---@return {finished: integer, failed: integer, busy: integer} counts
function embedded.recover()
  return { finished = 0, failed = 0, busy = 0 }
end

return embedded
