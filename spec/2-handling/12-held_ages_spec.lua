-- For how long rules at their limit have held what they hold: in the health, in the metrics, on the command line.

local stores = require "support.stores"

local CUSTOMER, LOST = 5, 7 -- the preset's categories
local HOUR, DAY = 3600, 24 * 3600
local START = 1700000000
local ANN = { id = "ann", admin = true }

describe("what is held is told by its age", function()
  after_each(stores.check)

  it("of each rule and of all, in the health, the metrics and on the command line", function()
    local now = START
    local engine, path = stores.open { clock = function() return now end, durability = "relaxed" }
    local cfg = stores.config { sale_won = CUSTOMER, sale_lost = LOST }
    for _, rule in ipairs(cfg.rules) do
      rule.limit = { changes = 1, hours = 1 }
    end
    assert(engine:save(cfg))
    local count = 0
    local function handle(trigger)
      count = count + 1
      assert(engine.host:create("c" .. count, 1))
      return assert(engine:handle { trigger = trigger, company = "c" .. count }).status
    end
    assert.same({ "updated", "updated" }, { handle "sale_won", handle "sale_lost" })
    assert.is_nil(engine:health().held)
    assert.matches('leadcat_entries_held{age="older"} 0\n', engine:metrics())
    assert.matches("leadcat_entries_held_oldest_seconds 0\n", engine:metrics())
    for _, later in ipairs { 0, 8 * DAY, 6 * DAY, 23 * HOUR, HOUR - 1 } do -- beside what comes now
      now = now + later
      assert.equal("held", handle "sale_won")
    end
    assert.same({ "updated", "held" }, { handle "sale_lost", handle "sale_lost" }) -- its hour was over

    local function of(rule)
      local found = engine:health({ rule = rule }).rules[1].held
      return found and { found.count, math.floor(found.oldest), found.hour, found.day, found.week, found.older }
    end
    assert.same({ 5, START, 2, 1, 1, 1 }, of "sale_won" or {})
    assert.same({ 1, now, 1 }, of "sale_lost" or {})
    assert.equal(6, engine:health().held.count)
    local metrics = engine:metrics()
    for age, expected in pairs { hour = 3, day = 1, week = 1, older = 1 } do
      assert.matches(('leadcat_entries_held{age="%s"} %d\n'):format(age, expected), metrics)
    end
    assert.matches(("leadcat_entries_held_oldest_seconds %d\n"):format(now - START), metrics)

    assert(engine:drop({ rule = "sale_won" }, { actor = ANN }))
    assert.is_nil(of "sale_won")
    assert.equal(1, engine:health().held.count)
    engine:close()
    local output = stores.leadcat("health", "--path", path)
    assert.matches("sale_lost +HOLDS 1 since 2023%-11%-", output)
  end)
end)
