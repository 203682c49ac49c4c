--- Processes that carry out what is scheduled are killed at any moment, two at a time: each match is carried out once.

local core = require "leadcat.core"
local host_of = require "kill.host"
local lfs = require "lfs"
local plan = require "kill.plan"
local processes = require "support.processes"
local stores = require "support.stores"
local times = require "support.times"

local START, HOUR, LOST = 1700000000, 3600, 7

local function start(directory, number)
  return processes.launch("later.lua", directory, number, START + 2 * HOUR)
end

local function count_scheduled(files)
  local store = assert(core.open { path = files.store, map_size = plan.MAP })
  local count = #assert(store:scheduled("applied", START + 2 * HOUR, 1000))
  store:close()
  return count
end

describe("what is scheduled", function()
  after_each(stores.check)

  it("is carried out once, whoever is killed meanwhile", function()
    local directory, companies = stores.path(), times(300)
    assert(lfs.mkdir(directory))
    local files = plan.files(directory)
    local crm = host_of.new(files, plan.START, "first")
    local function open(now)
      return stores.open {
        path = files.store, tenant = "applied", map_size = plan.MAP, host = crm:for_leadcat(true),
        clock = function() return now end,
      }
    end
    local engine, events = open(START), {}
    local cfg = stores.config { sale_lost = LOST }
    cfg.rules[1].after = { hours = 1 }
    assert(engine:save(cfg))
    for i = 1, companies do
      events[i] = { trigger = "sale_lost", company = i, id = "e" .. i }
    end
    assert(engine:handle_many(events))
    engine:close()

    local kills, number = 0, 0
    repeat
      local workers = { start(directory, number + 1), start(directory, number + 2) }
      number = number + 2
      core.sleep(0.005 + math.random() * 0.2)
      for _, worker in ipairs(workers) do
        kills = kills + (processes.kill(worker) and 1 or 0)
      end
    until count_scheduled(files) == 0
    assert.is_true(kills > 0)

    core.forward(HOUR)
    engine = open(START + 3 * HOUR)
    assert(engine:recover())
    assert.same({ 0, 0 }, { engine:maintain().carried_out, #engine:history { status = "applying" } })
    local of, seen = {}, 0
    for _, entry in ipairs(engine:history { limit = 1000 }) do
      if entry.status == "updated" then
        assert.is_nil(of[entry.carries_out])
        of[entry.carries_out] = entry
      end
    end
    for _, entry in ipairs(engine:history { status = "carried_out", limit = 1000 }) do
      seen = seen + 1
      assert.equal(entry.company, of[entry.entry].company)
      local file = assert(io.open(files.host("applied", entry.company)))
      local changes = host_of.changes(file:read "*a")
      file:close()
      assert.same({ 1, plan.START, LOST, of[entry.entry].entry },
        { #changes, changes[1].from, changes[1].to, changes[1].entry })
    end
    assert.equal(companies, seen)
    engine:close()
    assert.same({}, core.check_store(files.store))
  end)
end)
