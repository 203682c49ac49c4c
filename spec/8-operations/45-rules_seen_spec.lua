--- Rules that one node has saved are used by another one within a second, however often it is asked, and whatever it does
-- meanwhile. How long that takes nodes that work is told by `make cluster`.

local core = require "leadcat.core"
local databases = require "support.databases"
local shared = require "support.shared"
local stores = require "support.stores"

if os.getenv "LEADCAT_SLOW" then
  return
end

local LEAD, CUSTOMER, LOST = 1, 5, 7
local SECOND = 1
local LOOKS = 0.1 -- seconds between two looks

describe("rules that a node has saved", function()
  local url, first, second, revision

  before_each(function()
    url = shared.database()
    first, second = shared.open(url, { recover = false }), shared.open(url, { recover = false })
    revision = 0
  end)
  after_each(function()
    first:close()
    second:close()
    shared.close()
    stores.check()
  end)
  teardown(databases.stop)

  -- Saves rules that lead elsewhere than those before; where to.
  local function save(engine)
    revision = revision + 1
    local to = revision % 2 == 0 and CUSTOMER or LOST
    assert(engine:save(stores.config { sale_won = to }, { revision = revision - 1 }))
    return to
  end

  local function decided(engine)
    return (select(2, engine:decide("sale_won", LEAD)))
  end

  it("are used by another one that has just looked, before a second is over: when it looks next", function()
    for i = 1, 40 do
      decided(second)
      core.forward(i / 40 * 1.2 * LOOKS) -- at any moment between two looks
      decided(second)
      local to = save(first)
      core.forward(LOOKS)
      assert.equal(to, decided(second), i)
    end
  end)

  it("are used by one that decides all the time as soon as it looks", function()
    decided(second)
    local to = save(first)
    local waited = 0
    while decided(second) ~= to do
      core.forward(0.01)
      waited = waited + 0.01
      assert.is_true(waited < SECOND, waited)
    end
  end)

  it("are used at once by one that handles an event: it is told what is newest", function()
    assert(first.host:create("Acme", LEAD))
    for i = 1, 10 do
      decided(second)
      local to = save(first)
      local outcome = assert(second:handle { trigger = "sale_won", company = "Acme", id = "e" .. i })
      assert.same({ revision, to }, { outcome.revision, outcome.to })
      assert.equal(to, decided(second))
      assert.is_true(second.host.set_category("Acme", LEAD, to, {}))
    end
  end)

  it("are used by the node that has saved them at once, and by a new one", function()
    local to = save(first)
    assert.equal(to, decided(first))
    to = save(first)
    assert.equal(to, decided(first))
    local third = shared.open(url, { recover = false })
    assert.equal(to, decided(third))
    third:close()
  end)
end)
