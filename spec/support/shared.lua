--- Shared stores for specs: a PostgreSQL server of their own, a database with leadcat's tables for each test, and
-- nodes.

local core = require "leadcat.core"
local databases = require "support.databases"
local pg = require "leadcat.store.pg"
local schema = require "leadcat.store.sql.schema"
local sql = require "leadcat.store.sql"
local stores = require "support.stores"

local shared = {}

local MAP = 64 * 1024 * 1024
local count, opened, pools = 0, {}, {}

local function url_of(name)
  local server = databases.get "postgresql"
  return ("postgresql://leadcat@127.0.0.1:%d/%s?sslmode=disable"):format(server.port, name)
end

local function pool_of(name)
  pools[#pools + 1] = pg.pool(url_of(name), { size = 2 })
  return pools[#pools]
end

--- A new database.
---@param without_tables? boolean
---@return string url, leadcat.pg.Pool pool
function shared.database(without_tables)
  count = count + 1
  local name = "leadcat_" .. count
  assert(pool_of "postgres":run(pg.statement("CREATE DATABASE " .. name)))
  local pool = pool_of(name)
  if not without_tables then
    assert(schema.upgrade(pool))
  end
  return url_of(name), pool
end

--- A statement's rows.
---@param pool leadcat.pg.Pool
---@param text string
function shared.run(pool, text)
  return assert(pool:run(pg.statement(text)))
end

--- A store of a node that goes by the times that it is given, as the conformance spec wants it.
---@param url string
---@param path string
---@return leadcat.Store
function shared.store(url, path)
  local mirror = assert(core.open { path = path, map_size = MAP, max_readers = 0, relaxed = true, shared = true })
  opened[#opened + 1] = assert(sql.new {
    core = mirror, database = pg.pool(url, { settings = sql.SETTINGS }), durability = "primary", sleep = core.sleep,
      trusts_now = true,
  })
  return opened[#opened]
end

--- An engine of a node.
---@param url string
---@param options? table of `leadcat.open`
---@return leadcat.Engine engine, string path
function shared.open(url, options)
  local all = { shared = url, durability = "primary" }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  return stores.open(all)
end

--- Closes what a test has opened.
function shared.close()
  for _, store in ipairs(opened) do
    store:close()
  end
  for _, pool in ipairs(pools) do
    pool:close()
  end
  opened, pools = {}, {}
end

return shared
