--- A shared store whose tenants are spread over databases: `leadcat.open{shared = function(tenant) return url end}`. An object
-- with the methods that lua/leadcat/store/init.lua lists. Each database is a store of its own (store/sql.lua), with a
-- directory below the node's for its rules, and is opened when the first of its tenants is used, or when `due` asks for all that
-- this node or another one has used before. One that is away fails the calls of its own tenants, and is tried again after a moment.

local as_text = require "leadcat.util.as_text"
local core = require "leadcat.core"
local groups = require "leadcat.store"
local json = require "leadcat.util.json"
local merged = require "leadcat.util.merged"
local protected = require "leadcat.util.protected"
local rules = require "leadcat.store.sql.rules"
local sql = require "leadcat.store.sql"

local spread = {}

local AWAY = 1 -- seconds before a database that could not be opened is tried again
local REMEMBERED = 60 -- the same of those that only `due` asks for
local TENANTS = "/tenants" -- in the node's directory: a tenant a line, as JSON, of each database that it knows of

---@class leadcat.spread.Store: leadcat.Store
---@field where leadcat.sql.Where without `shared`
---@field url_of fun(tenant: string): string
---@field urls table<string, string> by tenant
---@field stores table<string, {store?: leadcat.sql.Store, message?: string, code?: string, at?: number}> by url
---@field opened leadcat.sql.Store[]
---@field tenant string the engine's own
---@field tenants table<string, true> one of each database that this node knows of
---@field asks_at number when `due` opens them
local Store = {}
Store.__index = Store

-- Databases ----------------------------------------------------------------------------------------------------------

-- The url of a tenant, which is asked for once; nil, message, code.
local function url_of(self, tenant)
  local known = self.urls[tenant]
  if known then
    return known
  end
  local ok, url = protected.call(self.url_of, tenant)
  if not ok or type(url) ~= "string" then
    local why = ok and "shared: there is no database for this tenant" or "shared raised: " .. as_text(url)
    return nil, why, "unavailable"
  end
  self.urls[tenant] = url
  return url
end

local function open(self, url)
  local path = self.where.path .. "/" .. core.hex(core.sha256(url)):sub(1, 16)
  local where = merged(self.where, { shared = url, path = path })
  local ok, store, message, code = protected.call(sql.open, where)
  if not ok then -- the url cannot be used
    return nil, (as_text(store):gsub("^.-: the connection", "the connection")), "unavailable"
  elseif store and self.declared then
    local done
    done, message, code = store:declare(self.declared)
    if not done then
      store:close()
      return nil, message, code
    end
  end
  return store, message, code
end

local function read_tenants(path)
  local tenants, file = {}, io.open(path .. TENANTS)
  for line in file and file:lines() or function() end do
    local tenant = json.decode(line)
    if type(tenant) == "string" then -- else a full disk has cut it
      tenants[tenant] = true
    end
  end
  if file then
    file:close()
  end
  return tenants
end

-- Whether one of these tenants is in the database.
local function has_any(self, tenants, url)
  for tenant in pairs(tenants) do
    if url_of(self, tenant) == url then
      return true
    end
  end
  return false
end

-- Has this node know, also after a restart, the database of this tenant. Whether it has not known it before.
local function remember(self, tenant)
  local url = url_of(self, tenant)
  if not url or has_any(self, self.tenants, url) then
    return false
  end
  local file = io.open(self.where.path .. TENANTS, "a")
  if file then
    file:write(json.encode(tenant), "\n")
    file:close()
  end
  self.tenants[tenant] = true
  return true
end

--- The store of a tenant.
---@return leadcat.sql.Store? store, string? message, string? code
function Store:of(tenant)
  if self.is_closed then
    error("the engine is closed", 3)
  end
  local url, message, code = url_of(self, tenant)
  if not url then
    return nil, message, code
  end
  local known = self.stores[url] or {}
  self.stores[url] = known
  if not known.store and core.uptime() >= (known.at or 0) then
    known.at = core.uptime() + AWAY -- also for who comes while it is being opened
    known.message, known.code = "the database of this tenant is being opened", "unavailable"
    known.store, known.message, known.code = open(self, url)
    known.code = known.code == "not_found" and "unavailable" or known.code -- it is no tenant's config that is missing
    known.at = core.uptime() + AWAY
    self.opened[#self.opened + 1] = known.store
    if known.store then
      remember(self, tenant)
    end
  end
  return known.store, known.message, known.code
end

for _, names in pairs(groups) do
  for _, name in ipairs(names) do
    Store[name] = function(self, tenant, ...)
      local store, message, code = self:of(tenant)
      if not store then
        return nil, message, code
      end
      return store[name](store, tenant, ...)
    end
  end
end

-- Rules --------------------------------------------------------------------------------------------------------------

-- The packed rules have own triggers by their numbers, which each database has for itself.
local function ruleset_of(store, revision, text)
  return rules.ruleset_of(text, revision, (store:triggers()))
end

function Store:save(tenant, expected, _, text, about)
  local store, message, code = self:of(tenant)
  if not store then
    return nil, message, code
  end
  return store:save(tenant, expected, ruleset_of(store, expected + 1, text), text, about)
end

function Store:repair(tenant, revision)
  local store, message, code = self:of(tenant)
  local text
  if store then
    text, message, code = store:config(tenant, revision)
  end
  if not text then
    return nil, message, code
  end
  return store:repair(tenant, revision, ruleset_of(store, revision, text))
end

function Store:decider(tenant, repair)
  local store, message, code = self:of(tenant)
  if not store then
    return function() return nil, message, code end
  end
  return store:decider(tenant, repair)
end

--- Of all databases that are open, and of those that will be.
function Store:declare(items)
  self.declared = items
  for _, store in ipairs(self.opened) do
    local done, message, code = store:declare(items)
    if not done then
      return nil, message, code
    end
  end
  return true
end

--- All that any open database knows, and what was declared here.
function Store:triggers()
  local names, abouts, seen = {}, {}, {}
  local function add(name, about)
    if not seen[name] then
      seen[name], names[#names + 1], abouts[#abouts + 1] = true, name, about
    end
  end
  for _, item in ipairs(self.declared or {}) do
    add(item.trigger, item.about or "")
  end
  for _, store in ipairs(self.opened) do
    local known, about = store:triggers()
    for i, name in ipairs(known or {}) do
      add(name, about[i])
    end
  end
  return names, abouts
end

-- Events -------------------------------------------------------------------------------------------------------------

function Store.prepare(_, how)
  return merged(how)
end

--- It becomes one of the store of whose tenant events are handled first.
function Store.overlay()
  return {}
end

function Store:handle(tenant, events, results, now, how)
  local store, message, code = self:of(tenant)
  if not store then
    return nil, message, code
  elseif how.overlay then
    local overlay = how.overlay
    overlay.real = overlay.real or store:overlay()
    how = merged(how, { overlay = overlay.real })
  end
  return store:handle(tenant, events, results, now, how)
end

-- All tenants --------------------------------------------------------------------------------------------------------

-- Calls a method of all open stores: the sum, or the first failure.
local function sum_of(self, name, ...)
  local sum, failure = 0, nil
  for _, store in ipairs(self.opened) do
    local count, message, code = store[name](store, ...)
    sum = sum + (type(count) == "number" and count or 0)
    failure = failure or not count and { message, code } or nil
  end
  if failure then
    return nil, failure[1], failure[2]
  end
  return sum
end

function Store:settle()
  local done, message, code = sum_of(self, "settle")
  return done and true, message, code
end

function Store:check_readers()
  return sum_of(self, "check_readers")
end

-- Learns from a database which other nodes have used, and tells it of those that it does not know. Whether any is new here.
local function exchange(self, store)
  local known, learned, missing = {}, false, {}
  for _, tenant in ipairs(store:spread() or {}) do
    known[tenant], learned = true, remember(self, tenant) or learned
  end
  for tenant in pairs(self.tenants) do
    if not has_any(self, known, url_of(self, tenant)) then
      missing[#missing + 1] = tenant
    end
  end
  if missing[1] then
    store:add_spread(missing)
  end
  return learned
end

-- Opens the databases that any node has used, also those of whose tenants nothing has come since this one started. A new
-- one begins with that of its engine's tenant.
local function open_known(self)
  if core.uptime() < self.asks_at then
    return
  end
  self.asks_at = core.uptime() + REMEMBERED
  if not next(self.tenants) then
    self:of(self.tenant)
  end
  local learned
  repeat
    for tenant in pairs(merged(self.tenants)) do
      self:of(tenant)
    end
    learned = false
    for _, store in ipairs(self.opened) do
      learned = exchange(self, store) or learned
    end
  until not learned
end

--- Tenants of the databases that this node uses, one after the other. One that is away now has nothing due; the calls of its
-- tenants say why.
function Store:due(work, age, count, now, place)
  open_known(self)
  local at, inner = place:match "^(%d+) (.*)$"
  at, inner = tonumber(at) or 1, inner or ""
  local store = self.opened[at]
  if not store then
    return {}, ""
  end
  local found, following = store:due(work, age, count, now, inner)
  if not found or following == "" then
    at, following = at + 1, ""
  end
  local tenants = {}
  for _, tenant in ipairs(found or {}) do -- but those that have gone to another database
    if self:of(tenant) == store then
      tenants[#tenants + 1] = tenant
    end
  end
  return tenants, self.opened[at] and ("%d %s"):format(at, following) or ""
end

--- What a database that is away does not take is kept for later: others would be counted twice.
function Store:add(items)
  local owed, all = self.owed, {}
  self.owed = {}
  for _, list in ipairs { owed, items } do
    for _, item in ipairs(list) do
      local store = self:of(item.tenant) or false
      all[store] = all[store] or {}
      table.insert(all[store], item)
    end
  end
  for store, list in pairs(all) do
    if not store or not store:add(list) then
      for _, item in ipairs(list) do
        self.owed[#self.owed + 1] = { tenant = item.tenant, name = item.name, value = item.value }
      end
    end
  end
  return true
end

--- Works as long as one database does.
function Store:probe(age)
  local works, message, code = #self.opened == 0, nil, nil
  for _, store in ipairs(self.opened) do
    local ok, why, failure = store:probe(age)
    works, message, code = works or ok, message or why, code or failure
  end
  return works or nil, not works and message or nil, not works and code or nil
end

local PARTS = { "config", "journal" }
local WORST = { rules_age = true, rules_behind = true }

local function add_up(into, more, worst)
  for name, value in pairs(more) do
    if type(value) == "number" then
      into[name] = (worst and worst[name]) and math.max(into[name] or 0, value) or (into[name] or 0) + value
    end
  end
end

--- Sums of all open databases, and the worst: the primary is reached where all are.
function Store:stats(near)
  local all = { unfinished = 0, commits = { count = 0, seconds = 0, slowest = 0 }, shared = {
    primary = true, together = false, connections = { used = 0, idle = 0, size = 0, waiting = 0 },
    rules_age = 0, rules_behind = 0, unknown = 0, overtaken = 0, apart = 0,
  } }
  for _, part in ipairs(PARTS) do
    all[part] = { used = 0, free = 0, size = 0, behind = 0, readers = 0, max_readers = 0 }
  end
  for _, store in ipairs(self.opened) do
    local stats, message, code = store:stats(near)
    if not stats and not store:stats(true) then
      return nil, message, code
    end
    stats = stats or store:stats(true)
    all.unfinished = all.unfinished + (stats.unfinished or 0)
    for _, part in ipairs(PARTS) do
      add_up(all[part], stats[part])
    end
    add_up(all.commits, stats.commits, { slowest = true })
    add_up(all.shared, stats.shared, WORST)
    add_up(all.shared.connections, stats.shared.connections)
    if stats.shared.queue then
      all.shared.queue = all.shared.queue or {}
      add_up(all.shared.queue, stats.shared.queue)
    end
    all.shared.primary = all.shared.primary and stats.shared.primary
    all.shared.problem = all.shared.problem or stats.shared.problem
  end
  return all
end

function Store.copy()
  return nil, "what is shared is copied with its databases' own tools, such as pg_dump --schema=leadcat", "unavailable"
end

function Store:close()
  self.is_closed = true
  for _, store in ipairs(self.opened) do
    store:close()
  end
  self.opened = {}
end

--- Opens it: databases are opened when they are used.
---@param where leadcat.sql.Where `shared` is a function of the tenant; `path` a directory that is there
---@return leadcat.spread.Store
function spread.open(where)
  return setmetatable({
    where = merged(where), url_of = where.shared, urls = {}, stores = {}, opened = {}, owed = {},
    tenants = read_tenants(where.path), tenant = where.tenant or "", asks_at = 0,
  }, Store)
end

return spread
