--- Whoever receives webhooks and whoever handles them is killed at any moment, and started anew: nothing that was acknowledged is
-- lost, and each has its effect once.

local core = require "leadcat.core"
local deliveries = require "kill.deliveries"
local histories = require "support.histories"
local lfs = require "lfs"
local plan = require "kill.plan"
local processes = require "support.processes"
local stores = require "support.stores"

local LEAD, CUSTOMER = 1, 5 -- the preset's categories

describe("deliveries of webhooks", function()
  after_each(stores.check)

  it("are neither lost nor handled twice, whoever is killed meanwhile", function()
    local directory = stores.path()
    assert(lfs.mkdir(directory))
    local path = plan.files(directory).store
    local engine = stores.open { path = path, map_size = plan.MAP }
    assert(engine:save(stores.config { sale_won = CUSTOMER }))
    for i = 1, deliveries.COUNT do
      engine.host:create(i, LEAD)
    end
    engine:close()

    local kills, round = 0, 0
    repeat
      round = round + 1
      local running = {}
      for place, role in ipairs { "sender", "worker", "worker" } do
        running[place] = processes.launch("deliveries.lua", directory, role)
      end
      core.sleep(0.002 + math.random() * 0.1 * (1 + round / 5)) -- on, also where everything is slow
      for _, process in ipairs(running) do
        kills = kills + (processes.kill(process) and 1 or 0)
      end
    until deliveries.acknowledged(directory) == deliveries.COUNT
    assert.is_true(kills > 0)

    engine = stores.open { path = path, map_size = plan.MAP }
    local hook = deliveries.hook()
    local steps = 0
    local waiting
    repeat
      assert(hook:step(engine))
      steps = steps + 1
      assert(steps < 1000, "deliveries wait for ever")
      waiting = #engine:deliveries { state = "waiting", limit = 1000 }
      core.sleep(waiting > 0 and 0.05 or 0) -- what was taken by the killed is due in a second
    until waiting == 0

    local list = engine:deliveries { limit = 1000 }
    assert.equal(deliveries.COUNT, #list)
    for _, delivery in ipairs(list) do
      assert.same({ delivery.sender_id, "done" }, { delivery.sender_id, delivery.state }, delivery.problem)
    end
    local updates = {}
    for _, entry in ipairs(histories.whole(engine)) do
      updates[entry.event_id] = (updates[entry.event_id] or "") .. entry.status
    end
    for i = 1, deliveries.COUNT do
      assert.same({ i, "updated" }, { i, updates[("superoffice/d%d/sale_won"):format(i)] })
      assert.equal(CUSTOMER, engine.host.category(i))
    end
    engine:close()
    assert.same({}, core.check_store(path))
  end)
end)
