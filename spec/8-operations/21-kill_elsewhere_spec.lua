--- One process writes changes that another one makes, and both are killed at any moment: nothing that was acknowledged is lost,
-- made twice, or made out of its order.

local core = require "leadcat.core"
local host_of = require "kill.host"
local lfs = require "lfs"
local plan = require "kill.plan"
local processes = require "support.processes"
local stores = require "support.stores"
local times = require "support.times"

local COMPANIES = 7

local function start(directory, number, events, role)
  return processes.launch("elsewhere.lua", directory, number, COMPANIES, events, role)
end

local function read(name)
  local file = io.open(name)
  local content = file and file:read "*a" or ""
  return file and file:close() and content or content
end

-- Adds what was done since, and gives how much is unfinished.
local function look(files, done)
  local store = assert(core.open { path = files.store, map_size = plan.MAP })
  local count = assert(store:stats()).unfinished
  local last = done[#done]
  for _, change in ipairs(assert(store:changes("applied", last and last.number or 0, 10000))) do
    done[#done + 1] = change
  end
  store:close()
  return count
end

-- Each entry of the history has ended once among the changes, as they were read meanwhile; a company's were made in their order.
local function check_changes(engine, done)
  local ended, newest, count, after = {}, {}, 0, nil
  for _, change in ipairs(done) do
    local entry = change.entry
    assert.is_nil(ended[entry.entry], "it has ended twice")
    ended[entry.entry] = true
    if entry.status == "updated" then
      assert.is_true(entry.entry > (newest[entry.company] or 0))
      newest[entry.company] = entry.entry
    end
  end
  repeat
    local found
    found, after = engine:history { limit = 1000, after = after }
    for _, entry in ipairs(found) do
      assert.is_true(ended[entry.entry], "it is not among the changes")
    end
    count = count + #found
  until not after
  assert.equal(count, #done)
end

describe("a change that is made elsewhere", function()
  after_each(stores.check)

  it("is made once and in its order, whoever is killed meanwhile", function()
    local directory, events = stores.path(), times(60)
    assert(lfs.mkdir(directory))
    local files = plan.files(directory)
    local crm = host_of.new(files, plan.START, "last")
    local function open()
      return stores.open { path = files.store, tenant = "applied", map_size = plan.MAP, host = crm:for_leadcat(true) }
    end
    local engine = open()
    assert(engine:save(stores.config(plan.CYCLE_RULES)))
    engine:close()

    local number, kills = 0, 0
    local acks
    local done = {}
    repeat
      local both = { start(directory, number + 1, events, "writes"), start(directory, number + 2, events, "makes") }
      number = number + 2
      core.sleep(0.002 + math.random() * 0.05 * (1 + number / 10)) -- on, also where everything is slow
      for i = 1, 2 do
        kills = kills + (processes.kill(both[i]) and 1 or 0)
      end
      acks = read(files.acks(1))
    until select(2, acks:gsub("\n", "")) == COMPANIES * events and look(files, done) == 0
    assert.is_true(kills > 0)
    assert.matches("applying applying", acks)
    if events > 10 then -- else one may be done before the other has begun
      assert.matches("queued queued", acks)
    end

    core.forward(3600) -- all claims are over
    engine = open()
    repeat
      local counts = assert(engine:apply_pending())
    until counts.finished + counts.failed + counts.busy == 0
    look(files, done)
    check_changes(engine, done)
    for _, status in ipairs { "applying", "queued", "dropped", "conflict", "failed" } do
      assert.same({}, engine:history { status = status }, status)
    end
    for company = 1, COMPANIES do
      local from, last = plan.START, 0
      local changes = host_of.changes(read(files.host("applied", company)))
      for i, change in ipairs(changes) do
        local to = plan.CYCLE_RULES[plan.CYCLE[(i - 1) % #plan.CYCLE + 1]]
        assert.same({ from, to }, { change.from, change.to })
        assert.is_true(change.entry > last)
        from, last = to, change.entry
      end
      assert.equal(events, #changes)
      assert.equal(events, #engine:history { company = company, status = "updated", limit = 1000 })
    end
    engine:close()
    assert.same({}, core.check_store(files.store))
  end)
end)
