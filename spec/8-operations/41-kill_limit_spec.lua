--- Ten thousand sales are won under a limit of 500 changes, and the processes that report them, two at a time, are killed again and
-- again; so are those that release what is held then. Exactly 500 companies are changed first; then all, each once.

local core = require "leadcat.core"
local host_of = require "kill.host"
local lfs = require "lfs"
local plan = require "kill.plan"
local processes = require "support.processes"
local stores = require "support.stores"
local times = require "support.times"

local CUSTOMER = 5

-- Has two processes at a time do the work, and kills them, until `is_done`.
local function kill_until(directory, work, host, count, is_done)
  local kills, number = 0, 0
  repeat
    local workers = {}
    for i = 1, 2 do
      number = number + 1
      workers[i] = processes.launch("limit.lua", directory, work, host, count, number)
    end
    core.sleep(0.01 + math.random() * 0.3 * (1 + number / 8))
    for _, worker in ipairs(workers) do
      kills = kills + (processes.kill(worker) and 1 or 0)
    end
  until is_done()
  return kills
end

for _, case in ipairs { { "embedded", 10000, 500 }, { "applied", 400, 60 } } do
  local host, most, limit = stores.unpack(case)

  describe("a limit, with companies " .. host, function()
    after_each(stores.check)

    it("is kept to the last change, whoever is killed, and nothing is lost or made twice", function()
      local directory, count = stores.path(), math.max(2 * limit, times(most))
      assert(lfs.mkdir(directory))
      local files = plan.files(directory)
      local crm = host == "applied" and host_of.new(files, plan.START, "first"):for_leadcat(true) or nil
      local function open()
        return stores.open {
          path = files.store, tenant = host, map_size = plan.MAP, host = crm, durability = "relaxed",
        }
      end
      local engine = open()
      local cfg = stores.config { sale_won = CUSTOMER }
      cfg.rules[1].limit = { changes = limit, hours = 720 }
      assert(engine:save(cfg))
      if not crm then
        local companies = {}
        for i = 1, count do
          companies[i] = i
        end
        assert(engine.host:create_many(companies, plan.START))
      end
      local function entries()
        local store = engine._store
        local all, after = {}, nil
        repeat
          local page = assert(store:history(host, nil, nil, after, 1000))
          for _, entry in ipairs(page) do
            all[entry.status] = (all[entry.status] or 0) + 1
          end
          after = #page == 1000 and page[#page].entry
        until not after
        return all
      end
      local kills = kill_until(directory, "feed", host, count, function()
        local found = entries()
        return (found.updated or 0) + (found.applying or 0) + (found.held or 0) == count
      end)
      core.forward(3600)
      assert(engine:recover())
      assert.same({ updated = limit, held = count - limit }, entries())
      local told = 0
      for _, change in ipairs(assert(engine:changes(nil, { limit = 1000 }))) do
        told = told + (change.kind == "held" and 1 or 0)
      end
      assert.equal(1, told)

      kills = kills + kill_until(directory, "release", host, count, function()
        return #engine:held { limit = 1 } == 0
      end)
      core.forward(3600)
      assert(engine:recover())
      assert.same({ updated = count, carried_out = count - limit }, entries())
      for i = 1, count do
        assert.equal(CUSTOMER, engine.host.category(i, host))
        local of = assert(engine:history { company = i })
        assert.equal("updated", of[1].status)
        assert.is_true(#of == 1 or #of == 2 and of[1].carries_out == of[2].entry)
      end
      assert.is_true(kills > 0)
      engine:close()
      assert.same({}, core.check_store(files.store))
    end)
  end)
end
