--- Processes that carry out what is scheduled, or asked and not answered, are killed at any moment, two at a time: each is carried out once.

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

-- What is left to be done: of what is scheduled, and of questions.
local function count_left(files)
  local store = assert(core.open { path = files.store, map_size = plan.MAP })
  local count = #assert(store:scheduled("applied", START + 2 * HOUR, 1000))
    + assert(store:count_confirmations("applied", { state = "open", limit = 1000 }))
  store:close()
  return count
end

-- Two processes at a time, which are killed, until nothing is left.
local function kill_until_done(directory, files)
  local kills, number = 0, 0
  repeat
    local workers = { start(directory, number + 1), start(directory, number + 2) }
    number = number + 2
    core.sleep(0.005 + math.random() * 0.2)
    for _, worker in ipairs(workers) do
      kills = kills + (processes.kill(worker) and 1 or 0)
    end
  until count_left(files) == 0
  assert.is_true(kills > 0)
end

-- What the host has made of a company.
local function changes_of(files, company)
  local file = assert(io.open(files.host("applied", company)))
  local changes = host_of.changes(file:read "*a")
  file:close()
  return changes
end

-- A directory, its files, and a function that opens their store at a time; `ttl`: of questions.
local function new_store(ttl)
  local directory = stores.path()
  assert(lfs.mkdir(directory))
  local files = plan.files(directory)
  local crm = host_of.new(files, plan.START, "first")
  return directory, files, function(now)
    return stores.open {
      path = files.store, tenant = "applied", map_size = plan.MAP, host = crm:for_leadcat(true),
      clock = function() return now end, confirmation_ttl = ttl,
    }
  end
end

describe("what is scheduled", function()
  after_each(stores.check)

  it("is carried out once, whoever is killed meanwhile", function()
    local companies = times(300)
    local directory, files, open = new_store()
    local engine, events = open(START), {}
    local cfg = stores.config { sale_lost = LOST }
    cfg.rules[1].after = { hours = 1 }
    assert(engine:save(cfg))
    for i = 1, companies do
      events[i] = { trigger = "sale_lost", company = i, id = "e" .. i }
    end
    assert(engine:handle_many(events))
    engine:close()

    kill_until_done(directory, files)
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
      local changes = changes_of(files, entry.company)
      assert.same({ 1, plan.START, LOST, of[entry.entry].entry },
        { #changes, changes[1].from, changes[1].to, changes[1].entry })
    end
    assert.equal(companies, seen)
    engine:close()
    assert.same({}, core.check_store(files.store))
  end)
end)

describe("what a question comes to that nobody answers", function()
  after_each(stores.check)

  it("is done once, whoever is killed meanwhile", function()
    local companies = times(200)
    local directory, files, open = new_store(HOUR)
    local engine, events = open(START), {}
    assert(engine:save(stores.config { sale_lost = { LOST, ask = true, on_expiry = "accept" } }))
    for i = 1, companies do
      events[i] = { trigger = "sale_lost", company = i }
    end
    assert(engine:handle_many(events))
    engine:close()
    kill_until_done(directory, files)

    core.forward(HOUR)
    engine = open(START + 3 * HOUR)
    assert(engine:recover())
    assert.same({ 0, 0 }, { engine:maintain().expired, #engine:history { status = "applying" } })
    local records = engine:confirmations { state = "accepted", limit = 1000 }
    assert.equal(companies, #records)
    for _, record in ipairs(records) do
      local entry, changes = engine:history({ company = record.company })[1], changes_of(files, record.company)
      assert.same({ true, "updated", record.id, true },
        { record.by_expiry, entry.status, entry.confirmation, entry.by_expiry })
      assert.same({ 1, plan.START, LOST, entry.entry }, { #changes, changes[1].from, changes[1].to, changes[1].entry })
    end
    engine:close()
    assert.same({}, core.check_store(files.store))
  end)
end)
