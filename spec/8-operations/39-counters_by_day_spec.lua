-- Counters by day through years of use: an older store, counting anew beside writers, retention, kills, damage.

local core = require "leadcat.core"
local days = require "support.days"
local lfs = require "lfs"
local plan = require "kill.plan"
local processes = require "support.processes"
local source = require "kill.source_events"
local stores = require "support.stores"

local LEAD, OPPORTUNITY, CUSTOMER = 1, 3, 5 -- the preset's categories
local DAY = 24 * 3600
local NOW = 19675 * DAY + 9 * 3600

local function day_of(entry)
  return math.floor(entry.entry / 1000 / DAY)
end

local function sh(text, ...)
  assert(os.execute("unset LD_PRELOAD; " .. text:format(...)))
end

-- A store in which each company was won, some on each of these days.
local function store_of(count, a_day)
  local now, path = NOW, stores.path()
  local engine = stores.open { path = path, clock = function() return now end, durability = "relaxed" }
  assert(engine:save(stores.config { sale_won = CUSTOMER }))
  local batch, companies = {}, {}
  for i = 1, count do
    companies[i] = i
  end
  assert.equal(count, engine.host:create_many(companies, LEAD))
  for i = 1, count do
    batch[#batch + 1] = { trigger = "sale_won", company = i }
    if #batch == a_day or i == count then
      assert(engine:handle_many(batch))
      batch, now = {}, now + DAY
    end
  end
  return engine, path, function() return now end, function(later) now = later end
end

local function sum(found)
  local total = 0
  for _, count in pairs(found) do
    total = total + count
  end
  return total
end

local function recount(store, tenant)
  local steps = 0
  repeat
    local head = assert(store:recount(tenant or ""))
    steps = steps + 1
  until head.recount == "done"
  return steps
end

describe("counters by day", function()
  after_each(stores.check)

  -- What a leadcat without counters has left: the tables and the form that it knew.
  local function make_older(path)
    sh([[cd '%s' && mdb_dump -a -n journal.mdb >dump && rm journal.mdb* && awk '
        /^VERSION=/ { head = $0; next }
        /^database=/ { skips = $0 == "database=daily"; if (!skips) print head }
        /^db_pagesize/ || skips { next }
        previous == " 666f726d6174" { $0 = " 04000000" }
        previous == " 6c6173745f656e747279" { $0 = substr($0, 1, 33) }
        { previous = $0; print }' dump >older && mdb_load -n -f older journal.mdb && rm dump older]], path)
  end

  it("begin when an older store is opened, and are made up for on request", function()
    local engine, path, now, set = store_of(30, 10)
    engine:close()
    make_older(path)
    local problems, unchecked = core.check_store(path)
    assert.same({}, problems)
    assert.matches("daily", table.concat(unchecked, "\n"))
    assert.equal("readonly", select(3, require("leadcat").open { path = path, readonly = true }))

    engine = stores.open { path = path, clock = now, durability = "relaxed" }
    local health = assert(engine:health())
    assert.same({ "2023-11-17", {} }, { health.since, health.counts })
    assert.equal(30, #engine:history { limit = 100 })
    assert(engine.host:create("new", LEAD))
    assert(engine:handle { trigger = "sale_won", company = "new" })
    assert.equal(1, engine:health().counts.matched)
    local places = {}
    assert.is_true(engine:recount { on_progress = function(place) places[#places + 1] = place end })
    assert.is_true(#places >= 2)
    health = engine:health()
    assert.same({ 31 }, { health.counts.matched, health.since, health.recounting })
    assert.same(days.expected(engine._store, "", day_of), days.found(engine._store, "", true))
    set(now() + DAY)
    engine:close()
    assert.same({}, core.check_store(path))
  end)

  it("are counted anew in short steps, beside those who write, and again where that was interrupted", function()
    local engine, path, now, set = store_of(9000, 3000)
    local store, number = engine._store, 0
    local function win(count)
      for _ = 1, count do
        number = number + 1
        assert(engine.host:create("n" .. number, LEAD))
        assert.equal("updated", engine:handle({ trigger = "sale_won", company = "n" .. number }).status)
      end
    end
    local head = assert(store:recount "")
    assert.not_equal("done", head.recount)
    assert.is_true(engine:health().recounting)
    win(5)
    engine:close() -- killed, as far as the store knows
    assert.same({}, core.check_store(path))
    engine = stores.open { path = path, clock = now, durability = "relaxed" }
    store = engine._store
    local steps = 0
    repeat
      head = assert(store:recount "")
      steps = steps + 1
      win(3)
      set(now() + 60)
    until head.recount == "done"
    assert.is_true(steps >= 3)
    assert.same(days.expected(store, "", day_of), days.found(store, "", true))
    assert.equal(9000 + number, sum(days.found(store, "")))
    engine:close()
    assert.same({}, core.check_store(path))
  end)

  it("stay when retention removes entries, also when they are counted anew", function()
    local engine, path, now = store_of(100, 10) -- ten days
    local store = engine._store
    local before = days.found(store, "", true)
    local removed = assert(store:trim("", 6.5 * DAY, 0, now(), 0))
    assert.is_true(removed >= 30 and removed < 70)
    assert.same(before, days.found(store, "", true))
    assert.equal(100, engine:health().counts.matched)
    recount(store)
    assert.same(before, days.found(store, "", true))
    assert.is_nil(engine:health().since)
    engine:close()
    assert.same({}, core.check_store(path))
  end)

  it("lose nothing of what retention removes while they are counted anew", function()
    local engine, path, now = store_of(9000, 3000)
    local store = engine._store
    local before = days.found(store, "", true)
    assert(store:recount "")
    local from = 0
    repeat
      local removed
      removed, from = assert(store:trim("", 1.5 * DAY, 0, now(), from))
    until removed == 0 and from == 0
    assert.is_true(#engine:history { limit = 1000 } > 0)
    recount(store)
    assert.same(before, days.found(store, "", true))
    engine:close()
    assert.same({}, core.check_store(path))
  end)

  it("are kept for three years", function()
    local engine, path, now, set = store_of(20, 10)
    set(now() + 1100 * DAY)
    assert(engine.host:create("new", LEAD))
    assert(engine:handle { trigger = "sale_won", company = "new" })
    assert.equal(20, assert(engine._store:trim("", DAY, 0, now(), 0)))
    assert.equal(1, sum(days.found(engine._store, "")))
    engine:close()
    assert.same({}, core.check_store(path))
  end)

  it("have each tenant's own", function()
    local engine, path = store_of(3, 3)
    local other = engine:tenant "other"
    assert(other:save(stores.config { sale_won = CUSTOMER }))
    assert(other.host:create("Acme", LEAD))
    assert(other:handle { trigger = "sale_won", company = "Acme" })
    assert.same({ 3, 1 }, { engine:health().counts.matched, other:health().counts.matched })
    recount(engine._store)
    assert.same({ 3, 1 }, { engine:health().counts.matched, other:health().counts.matched })
    engine:close()
    assert.same({}, core.check_store(path))
  end)

  it("are checked: what was added or is lost is found", function()
    local engine, path = store_of(30, 10)
    engine:close()
    local file = path .. "/journal.mdb"
    sh([[mdb_dump -n -s daily '%s' | sed -e '/^db_pagesize/d' -e '0,/^ 0a00000000000000$/s// 0b00000000000000/' ]]
      .. [[>'%s/dump' && mdb_load -n -s daily -f '%s/dump' '%s' && rm '%s/dump']], file, path, path, file, path)
    local problems = core.check_store(path)
    assert.equal(1, #problems)
    assert.matches("daily: the counters of a day are not the sum", problems[1])
    engine = stores.open { path = path }
    assert.is_true(engine:recount())
    engine:close()
    assert.same({}, core.check_store(path))
  end)

  it("never part from the journal, whoever is killed", function()
    local directory = stores.path()
    assert(lfs.mkdir(directory))
    local files = plan.files(directory)
    local engine = stores.open { path = files.store, tenant = "applied", map_size = plan.MAP }
    assert(engine:save(stores.config {
      sale_won = CUSTOMER, sale_registered = { OPPORTUNITY, ask = true }, sale_lost = plan.START,
    }))
    for i = 1, source.COUNT do
      engine.host:create(i, plan.START)
    end
    engine:close()
    local number, kills = 0, 0
    local reached
    repeat
      number = number + 1
      local worker = processes.launch("source.lua", directory, number, "embedded")
      core.sleep(0.002 + math.random() * 0.08 * (1 + number / 5)) -- on, also where everything is slow
      kills = kills + (processes.kill(worker) and 1 or 0)
      local store = assert(core.open { path = files.store, map_size = plan.MAP })
      reached = tonumber(store:cursor("applied", "cursor:source") or 0)
      assert.same(days.expected(store, "applied"), days.found(store, "applied"))
      if number % 3 == 0 then
        recount(store, "applied")
        assert.same(days.expected(store, "applied"), days.found(store, "applied"))
      end
      store:close()
    until reached == source.COUNT
    assert.is_true(kills > 0)
    assert.same({}, core.check_store(files.store))
  end)
end)
