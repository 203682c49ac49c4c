--- Who delivers a source's events with a cursor, or polls an API, is killed at any moment, and started anew: nothing is done twice,
-- and nothing is skipped.

local core = require "leadcat.core"
local histories = require "support.histories"
local host_of = require "kill.host"
local lfs = require "lfs"
local plan = require "kill.plan"
local processes = require "support.processes"
local source = require "kill.source_events"
local stores = require "support.stores"

local LEAD, OPPORTUNITY, CUSTOMER = 1, 3, 5 -- the preset's categories

-- How often each event's id is in the journal, and with which status.
local function entries_of(engine)
  local found = {}
  for _, entry in ipairs(histories.whole(engine)) do
    if entry.event_id then
      found[entry.event_id] = (found[entry.event_id] or "") .. entry.status
    end
  end
  return found
end

describe("a source", function()
  after_each(stores.check)

  for _, row in ipairs {
    { "embedded", "source.lua", "cursor:source" }, { "own", "source.lua", "cursor:source" },
    { "embedded", "poll.lua", "cursor:polled" }, { "own", "poll.lua", "cursor:polled" },
  } do
    local of, script, cursor = stores.unpack(row)
    it(("is read once by %s, with %s companies, whoever is killed meanwhile"):format(script, of), function()
      local directory = stores.path()
      assert(lfs.mkdir(directory))
      local files = plan.files(directory)
      local crm = of == "own" and host_of.new(files, plan.START, "first") or nil
      local function open()
        local host = crm and crm:for_leadcat(true)
        return stores.open { path = files.store, tenant = "applied", map_size = plan.MAP, host = host }
      end
      local engine = open()
      assert(engine:save(stores.config {
        sale_won = CUSTOMER, sale_registered = { OPPORTUNITY, ask = true }, sale_lost = plan.START,
      }))
      for i = 1, crm and 0 or source.COUNT do
        engine.host:create(i, plan.START)
      end
      engine:close()

      local kills, number, reached = 0, 0, {}
      repeat
        number = number + 1
        local worker = processes.launch(script, directory, number, of)
        core.sleep(0.002 + math.random() * 0.08 * (1 + number / 5)) -- on, also where everything is slow
        kills = kills + (processes.kill(worker) and 1 or 0)
        local store = assert(core.open { path = files.store, map_size = plan.MAP })
        reached[number] = tonumber(store:cursor("applied", cursor) or 0)
        store:close()
        assert.is_true(reached[number] >= (reached[number - 1] or 0))
      until reached[number] == source.COUNT
      assert.is_true(kills > 0)

      core.forward(3600)
      engine = open()
      assert(engine:recover())
      local found = entries_of(engine)
      for i, event in ipairs(source.events(1, source.COUNT)) do
        local expected = ({ sale_won = "updated", sale_registered = "awaiting_confirmation" })[event.trigger]
        assert.same({ i, expected }, { i, found[event.id] })
        if crm and expected == "updated" then
          local file = assert(io.open(files.host("applied", event.company)))
          assert.same({ i, 1 }, { i, #host_of.changes(file:read "*a") })
          file:close()
        end
      end
      engine:close()
      assert.same({}, core.check_store(files.store))
      assert.equal(LEAD, plan.START)
    end)
  end
end)
