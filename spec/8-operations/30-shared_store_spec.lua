--- The store of several machines passes what that of one machine passes, over a PostgreSQL server.

local conformance = require "support.conformance"
local databases = require "support.databases"
local groups = require "leadcat.store"
local shared = require "support.shared"
local stores = require "support.stores"

local SLOW = os.getenv "LEADCAT_SLOW"

describe("the store of several machines", function()
  if SLOW then
    return
  end

  -- A place is a database and the directory of a node.
  local function open(place)
    place = place or { url = shared.database(), path = stores.path() }
    return shared.store(place.url, place.path), place
  end

  teardown(databases.stop)
  after_each(function()
    shared.close()
    stores.check()
  end)

  it("has every method that is listed", function()
    local store = open()
    for _, names in pairs(groups) do
      for _, name in ipairs(names) do
        assert.is_function(store[name], name)
      end
    end
  end)

  conformance(open, { describe = describe, it = it, before_each = before_each }, {
    seeds = 2, copies = false, any_order = true,
  })
end)
