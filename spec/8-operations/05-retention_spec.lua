-- What is kept and for how long, and copies: a journal does not grow without end, what is unfinished is never removed, and
-- nobody waits long for it; a backup that is made while others write is a store like any other.

local core = require "leadcat.core"
local clock = require "support.clock"
local crm = require "support.crm"
local disks = require "support.disks"
local histories = require "support.histories"
local leadcat = require "leadcat"
local processes = require "support.processes"
local stores = require "support.stores"
local times = require "support.times"

local LEAD, OPPORTUNITY, CUSTOMER = 1, 3, 5
local DAY = 86400
local NO_LIMIT = { age = false, count = false }
local STEP = 1024 -- entries that one transaction looks at

local function clean()
  disks.check()
  stores.check()
end

-- An engine with a clock that a test moves, in which Acme goes to and fro.
local function open(options)
  local time = clock.new(1700000000)
  options.clock, options.durability = function() return time.now end, "relaxed"
  local engine, path = stores.open(options)
  if engine:config().revision == 0 then
    engine:save(stores.config { sale_registered = OPPORTUNITY, sale_lost = LEAD, sale_won = { CUSTOMER, ask = true } })
    if engine.host.create then
      engine.host:create("Acme", LEAD)
    end
  end
  return engine, time, path
end

-- Writes entries, one a second, with the events' ids `first` to `last`.
local function write(engine, time, first, last)
  for i = first, last do
    time.now = time.now + 1
    local event = { id = i, trigger = i % 2 == 1 and "sale_registered" or "sale_lost", company = "Acme" }
    assert.equal("updated", engine:handle(event).status)
  end
end

-- The events whose entries are there, newest first.
local function events(engine)
  local ids = {}
  for i, entry in ipairs(histories.whole(engine)) do
    ids[i] = tostring(entry.event_id)
  end
  return table.concat(ids, " ")
end

local function counted(engine)
  return engine._store:counters(engine._tenant).journal_entries
end

-- The core finds nothing wrong, and has counted right.
local function assert_sound(engine, path)
  assert.equal(#histories.whole(engine), counted(engine))
  engine:close()
  assert.same({}, core.check_store(path))
end

describe("the option retention", function()
  after_each(clean)

  local WRONG = {
    { "days", "option 'retention': a table of age and count expected" },
    { 7, "option 'retention': a table of age and count expected" },
    { { days = 7 }, "retention: unknown option 'days' %(there are age, count%)" },
    { { age = 0 }, "option 'age': a positive number of seconds, or false expected, got 0" },
    { { age = "1" }, "option 'age'" },
    { { age = true }, "option 'age'" },
    { { age = 0 / 0 }, "option 'age'" },
    { { age = math.huge }, "option 'age'" },
    { { count = -1 }, "option 'count': a positive number of entries, or false expected" },
    { { count = 0 }, "option 'count'" },
    { { count = {} }, "option 'count'" },
  }
  it("takes an age and a count, or false; all else raises", function()
    for _, row in ipairs(WRONG) do
      local ok, message = pcall(function() leadcat.open { path = stores.path(), retention = row[1] } end)
      assert.is_false(ok)
      assert.matches("_spec%.lua:%d+: .*" .. row[2], message)
    end
    for _, retention in ipairs { {}, NO_LIMIT, { age = 0.5 }, { count = 1 }, { age = 2 ^ 50, count = 2 ^ 50 } } do
      assert(stores.open { retention = retention }):close()
    end
  end)

  it("is two years when nothing is said, and no limit where it is false", function()
    for _, row in ipairs { { nil, "3" }, { {}, "3" }, { { age = false }, "3 2 1" }, { { age = 60 }, "" } } do
      local engine, time = open { retention = row[1] }
      write(engine, time, 1, 2)
      time.now = time.now + 731 * DAY
      write(engine, time, 3, 3)
      time.now = time.now + 61
      stores.write_at(engine._store, time.now)
      assert(engine:maintain())
      assert.equal(row[2], events(engine))
      engine:close()
    end
  end)
end)

describe("a journal", function()
  after_each(clean)

  it("loses what is older than its age, to the second", function()
    local engine, time, path = open { retention = { age = 10, count = false } }
    write(engine, time, 1, 30)
    assert.equal(19, engine:sweep().removed) -- the one ten seconds old stays
    assert.equal("30 29 28 27 26 25 24 23 22 21 20", events(engine))
    assert.equal(0, engine:sweep().removed)
    time.now = time.now + 1
    assert.equal(0, engine:sweep().removed) -- nobody but this clock says that it is later
    stores.write_at(engine._store, time.now)
    assert.equal(1, engine:sweep().removed)
    time.now = time.now + 100
    stores.write_at(engine._store, time.now)
    assert.equal(11, engine:maintain().removed) -- with the other tenant's
    assert.same({ "", 0 }, { events(engine), counted(engine) })
    assert.equal(0, engine:sweep().removed)
    write(engine, time, 31, 32)
    assert.equal("32 31", events(engine))
    assert_sound(engine, path)
  end)

  it("loses the oldest of more than its count", function()
    local engine, time, path = open { retention = { count = 5 } }
    write(engine, time, 1, 5)
    assert.equal(0, engine:sweep().removed)
    write(engine, time, 6, 12)
    assert.equal(7, engine:sweep().removed)
    assert.equal("12 11 10 9 8", events(engine))
    assert_sound(engine, path)
  end)

  it("keeps to both limits", function()
    for _, row in ipairs { { 3, 100, "20 19 18" }, { 100, 3, "20 19 18 17" } } do
      local engine, time = open { retention = { count = row[1], age = row[2] } }
      write(engine, time, 1, 20)
      engine:sweep()
      assert.equal(row[3], events(engine))
      engine:close()
    end
  end)

  it("is swept for one tenant only, by its own count", function()
    local engine, time, path = open { tenant = "east", retention = { count = 5, age = 100 } }
    local west = engine:tenant "west"
    west:save(engine:config())
    west.host:create("Acme", LEAD)
    for _, tenant in ipairs { engine, west } do
      write(tenant, time, 1, 10)
    end
    assert.equal(5, engine:sweep().removed)
    assert.same({ 5, 10 }, { counted(engine), counted(west) })
    assert.equal("10 9 8 7 6", events(engine))
    assert.equal(5, west:sweep().removed)
    time.now = time.now + 1000
    stores.write_at(engine._store, time.now)
    assert.equal(5, engine:sweep().removed)
    assert.same({ "", "10 9 8 7 6" }, { events(engine), events(west) })
    assert_sound(engine, path)
  end)

  it("forgets an event with its entry: delivered again it is decided anew", function()
    local engine, time, path = open { retention = { count = 3 } }
    write(engine, time, 1, 6)
    local again = { id = 1, trigger = "sale_registered", company = "Acme" }
    assert.equal("duplicate", engine:handle(again).status)
    engine:sweep()
    assert.equal("duplicate", engine:handle({ id = 4, trigger = "sale_lost", company = "Acme" }).status)
    local outcome = engine:handle(again)
    assert.same({ "updated", LEAD, OPPORTUNITY }, { outcome.status, outcome.from, outcome.to })
    assert.equal("1 6 5 4", events(engine))
    engine:sweep()
    assert.equal("duplicate", engine:handle(again).status)
    assert_sound(engine, path)
  end)

  it("keeps an open question with its entry, and loses both once it is closed", function()
    local engine, time, path = open { retention = { count = 2 }, confirmation_ttl = 100 * DAY }
    for _, company in ipairs { "Bolt", "Core" } do
      engine.host:create(company, LEAD)
    end
    local bolt = engine:handle { id = "b", trigger = "sale_won", company = "Bolt" }
    local core_ = engine:handle { id = "c", trigger = "sale_won", company = "Core" }
    write(engine, time, 1, 10)
    assert.equal("updated", engine:resolve(core_.confirmation, { accept = true }).status)
    engine:sweep()
    assert.equal("nil b", events(engine)) -- the answer to Core's is the newest
    assert.equal("open", engine:confirmation(bolt.confirmation).state)
    assert.equal("not_found", select(3, engine:confirmation(core_.confirmation)))
    assert.same({ bolt.confirmation }, { engine:confirmations()[1].id })
    assert.equal(1, #engine:confirmations())
    assert.equal("duplicate", engine:handle({ id = "b", trigger = "sale_won", company = "Bolt" }).status)
    assert.equal("updated", engine:resolve(bolt.confirmation, { accept = true }).status)
    write(engine, time, 11, 14)
    engine:sweep()
    assert.equal("14 13", events(engine))
    assert.same({}, engine:confirmations())
    assert_sound(engine, path)
  end)

  it("closes a question whose time is over, and loses it in the same sweep", function()
    local engine, time, path = open { retention = { age = 100 }, confirmation_ttl = 60 }
    local id = engine:handle({ trigger = "sale_won", company = "Acme" }).confirmation
    time.now = time.now + 90
    assert.same({ expired = 1, removed = 0 }, engine:sweep())
    assert.equal("expired", engine:confirmation(id).state)
    time.now = time.now + 20
    stores.write_at(engine._store, time.now)
    assert.same({ expired = 0, removed = 1 }, engine:sweep())
    assert.equal("not_found", select(3, engine:confirmation(id)))
    assert_sound(engine, path)
  end)

  it("keeps what is being applied, however old, until it is finished", function()
    local host = crm.new { Acme = LEAD, Bolt = LEAD }
    local set = host.set_category
    function host.set_category(company, ...)
      if company == "Bolt" then
        return nil, "away"
      end
      return set(company, ...)
    end
    local engine, time, path = open { host = host, retention = { count = 2 } }
    assert.equal("failed", engine:handle({ id = "b", trigger = "sale_registered", company = "Bolt" }).status)
    write(engine, time, 1, 10)
    engine:sweep()
    assert.equal("10 b", events(engine))
    assert.equal("applying", engine:history({ company = "Bolt" })[1].status)
    host.set_category = set
    time.now = time.now + 3600
    local counts = engine:maintain()
    assert.same({ 1, 0 }, { counts.finished, counts.removed })
    assert.equal(OPPORTUNITY, host.companies.Bolt)
    write(engine, time, 11, 12)
    engine:sweep()
    assert.equal("12 11", events(engine))
    assert_sound(engine, path)
  end)

  it("can be walked page by page while it is swept", function()
    local engine, time, path = open { retention = { count = 30 } }
    write(engine, time, 1, 100)
    local page = engine:history { limit = 20 }
    local after = page[20].entry
    engine:sweep() -- what the walk stands at stays; most of what is behind it goes
    page = engine:history { limit = 20, after = after }
    assert.same({ 10, "80", "71" }, { #page, page[1].event_id, page[10].event_id })
    write(engine, time, 101, 130)
    engine:sweep() -- now that goes, too: the walk is at its end, and no error
    assert.same({}, engine:history { limit = 20, after = after })
    assert.same({}, engine:history { limit = 20, after = after, company = "Acme" })
    assert_sound(engine, path)
  end)

  it("still lets the newest change be undone, and an older one not", function()
    local engine, time = open { retention = { count = 2 } }
    write(engine, time, 1, 5)
    local entries = histories.whole(engine)
    engine:sweep()
    assert.equal("not_found", select(3, engine:undo(entries[5].entry)))
    assert.equal("updated", engine:undo(entries[1].entry).status)
    engine:close()
  end)
end)

describe("sweeping a long journal", function()
  after_each(clean)

  -- A journal of so many entries, at one time.
  local function long(count, options)
    local engine, time, path = open(options)
    local companies, list = {}, {}
    for i = 1, count do
      companies[i] = i
      list[i] = { id = i, trigger = "sale_registered", company = i, category = LEAD }
    end
    engine.host:create_many(companies, LEAD)
    assert(engine:handle_many(list))
    return engine, time, path
  end

  it("removes a bounded number in one transaction, and the next one goes on where it was", function()
    local engine, time, path = long(4000, { retention = NO_LIMIT })
    local from, steps = 0, {}
    stores.write_at(engine._store, time.now + 60)
    repeat
      steps[#steps + 1], from = assert(engine._store:trim("", 1, 100, time.now + 60, from))
    until from == 0
    assert.same({ STEP, STEP, STEP, 4000 - 3 * STEP }, steps)
    assert.equal(0, counted(engine))
    assert_sound(engine, path)
  end)

  it("lets others write in between", function()
    local count = math.max(times(20000), 2000)
    local engine, time, path = long(count, { retention = { age = 60 } })
    local writer = processes.start([[
      local leadcat, core = require "leadcat", require "leadcat.core"
      local engine = assert(leadcat.open {
        path = arg[1], map_size = 2 ^ 26, durability = "relaxed", clock = function() return 1700000300 end,
      })
      print "ready"
      io.stdout:flush()
      local slowest, done, deadline = 0, 0, core.now() + 60 -- it ends by itself, too
      repeat
        local began = core.now()
        assert(engine:handle { trigger = done % 2 == 0 and "sale_registered" or "sale_lost", company = "Acme" })
        slowest, done = math.max(slowest, core.now() - began), done + 1
        local file = io.open(arg[2])
      until file or core.now() > deadline
      print(done, slowest)
    ]], { path, path .. "/stop" })
    assert.equal("ready", writer:line())
    time.now = time.now + 100
    stores.write_at(engine._store, time.now)
    local commits = engine:stats().commits.count
    local removed = engine:sweep().removed
    local steps = engine:stats().commits.count - commits
    local file = assert(io.open(path .. "/stop", "w"))
    file:close()
    local output, status = writer:wait()
    assert.equal(0, status, output)
    local done, slowest = output:match "^(%d+)%s+(%S+)$"
    assert.equal(count, removed)
    assert.is_true(steps >= math.floor(count / STEP))
    assert.is_true(tonumber(done) > 1, done .. " events were written meanwhile") -- hundreds, where nothing else runs
    assert.is_true(tonumber(slowest) < (times(20) == 20 and 2 or 60), "one waited for " .. slowest .. " seconds")
    assert.equal(tonumber(done), #histories.whole(engine))
    assert_sound(engine, path)
  end)

  it("stops where there is nothing left to look at, however much is open", function()
    local engine, time, path = long(10, { retention = { count = 5 } })
    local open_questions = {}
    for i = 1, 600 do
      open_questions[i] = { trigger = "sale_won", company = "q" .. i, category = LEAD }
    end
    assert(engine:handle_many(open_questions))
    write(engine, time, 11, 20)
    engine:sweep()
    assert.equal(600, #engine:confirmations { limit = 1000 })
    assert.equal(600, counted(engine)) -- nothing else is left, and that is more than is to be kept
    assert.equal(0, engine:sweep().removed)
    assert_sound(engine, path)
  end)

  it("by processes that are killed in the midst of it keeps the count right", function()
    local engine, _, path = long(math.max(times(4000), 400), { retention = NO_LIMIT })
    engine:close()
    for round = 1, times(20) do
      local child = processes.start([[
        local stat = io.open "/proc/self/stat"
        print(stat:read "*a":match "^%d+")
        io.stdout:flush()
        local engine = assert(require("leadcat").open {
          path = arg[1], map_size = 2 ^ 26, durability = "relaxed", retention = { count = tonumber(arg[2]) },
        })
        local count, core = tonumber(arg[2]), require "leadcat.core"
        local deadline = core.now() + 60
        while core.now() < deadline do
          engine:handle { trigger = "sale_registered", company = "Acme" }
          engine:handle { trigger = "sale_lost", company = "Acme" }
          engine._shared.retention.count = count
          count = math.max(count - 50, 10)
          assert(engine:sweep())
        end
      ]], { path, ("%d"):format(math.max(times(4000), 400) - round * 100) })
      local id = child:line()
      core.sleep(0.01 + round % 7 * 0.003)
      os.execute("kill -9 " .. id)
      assert.equal(137, select(2, child:wait()))
      engine = stores.open { path = path }
      assert.equal(#histories.whole(engine), counted(engine))
      engine:close()
    end
    assert.same({}, core.check_store(path))
  end)
end)

-- Copies ---------------------------------------------------------------------------------------------------------------

-- All that can be asked of a store, to be compared.
local function content(engine)
  local companies = {}
  for company, category in engine.host:companies() do
    companies[company] = category
  end
  return { engine:config(), engine:revisions(), histories.whole(engine), engine:confirmations { limit = 1000 },
    companies, (engine._store:counters("")) }
end

describe("a backup", function()
  after_each(clean)

  it("is the store as it was, and goes on by itself", function()
    local engine, time, path = open { retention = { count = 50 } }
    write(engine, time, 1, 100)
    engine:handle { trigger = "sale_won", company = "Acme", actor = { id = "bob" } }
    engine:sweep()
    local before, copy = content(engine), stores.path()
    assert.is_true(engine:backup(copy))
    write(engine, time, 101, 104)
    local restored = open { path = copy }
    assert.same(before, content(restored))
    assert.equal("duplicate", restored:handle({ id = 100, trigger = "sale_lost", company = "Acme" }).status)
    assert.equal("conflict", select(3, engine:backup(copy)))
    assert.equal("conflict", select(3, engine:backup(path)))
    assert_sound(restored, copy)
    engine:close()
  end)

  it("is smaller and equal when compacted", function()
    local engine, time, path = open { retention = { count = 10 } }
    write(engine, time, 1, 1000)
    engine:sweep()
    local before, copy, compact = content(engine), stores.path(), stores.path()
    assert.is_true(engine:backup(copy))
    assert.is_true(engine:backup(compact, { compact = true }))
    engine:close()
    local function size(directory, name)
      local file = assert(io.open(directory .. "/" .. name))
      local bytes = file:seek "end"
      file:close()
      return bytes
    end
    for _, name in ipairs { "config.mdb", "journal.mdb" } do
      assert.is_true(size(compact, name) <= size(copy, name))
    end
    assert.is_true(size(compact, "journal.mdb") < size(path, "journal.mdb") / 2)
    for _, directory in ipairs { copy, compact } do
      local restored = open { path = directory }
      assert.same(before, content(restored))
      assert_sound(restored, directory)
    end
  end)

  it("has all that was acknowledged before it was begun, while four processes write and save", function()
    local engine, _, path = open { retention = NO_LIMIT }
    local stop, writers = stores.path(), {}
    for i = 1, 4 do
      writers[i] = processes.start([[
        local leadcat, core, stores = require "leadcat", require "leadcat.core", require "support.stores"
        local path, number, stop = arg[1], tonumber(arg[2]), arg[3]
        local engine = assert(leadcat.open { path = path, map_size = 2 ^ 26, durability = "relaxed" })
        local acks = assert(io.open(arg[4], "a"))
        engine.host:create(number, 1)
        print "ready"
        io.stdout:flush()
        local count, file, deadline = 0, nil, core.now() + 120 -- it ends by itself, too
        repeat
          count = count + 1
          local id = ("%d-%d"):format(number, count)
          local trigger = count % 2 == 1 and "sale_registered" or "sale_lost"
          assert(assert(engine:handle { id = id, trigger = trigger, company = number }).status == "updated")
          acks:write(id .. "\n")
          acks:flush()
          if count % 20 == 0 then
            assert(engine:save(stores.config { sale_registered = 3, sale_lost = 1 }))
          end
          core.sleep(os.getenv "LEADCAT_SLOW" and 0.02 or 0.001) -- the one that copies is slow then, too
          file = io.open(stop)
        until file or core.now() > deadline
      ]], { path, ("%d"):format(i), stop, stop .. "." .. i })
    end
    for _, writer in ipairs(writers) do
      assert.equal("ready", writer:line())
    end
    for round = 1, math.max(times(6), 2) do
      core.sleep(0.05)
      local acknowledged = {}
      for i = 1, 4 do
        for id in io.lines(stop .. "." .. i) do
          acknowledged[#acknowledged + 1] = id
        end
      end
      local copy = stores.path()
      assert.is_true(engine:backup(copy, { compact = round % 2 == 0 }))
      assert.same({}, core.check_store(copy))
      local restored = stores.open { path = copy }
      local there = {}
      for _, entry in ipairs(histories.whole(restored)) do
        there[entry.event_id] = true
        assert.equal(entry.revision, restored:config(entry.revision).revision)
      end
      for _, id in ipairs(acknowledged) do
        assert.is_true(there[id], id .. " is missing")
      end
      assert.equal(#histories.whole(restored), counted(restored))
      assert.equal("updated", restored:handle({ trigger = "sale_registered", company = "Acme" }).status)
      restored:close()
    end
    assert(io.open(stop, "w")):close()
    for i, writer in ipairs(writers) do
      local output, status = writer:wait()
      assert.equal(0, status, output)
      os.remove(stop .. "." .. i)
    end
    assert_sound(engine, path)
  end)

  it("onto a disk without room is full, and leaves nothing behind", function()
    local disk = disks.mount(60)
    if not disk then
      return
    end
    local engine, time, path = open { retention = NO_LIMIT }
    write(engine, time, 1, 300)
    for _, row in ipairs {
      { "new" }, { "compact", { compact = true } }, { "there" },
    } do
      local directory = disk .. "/" .. row[1]
      local made = row[1] == "there"
      if made then
        assert(os.execute("mkdir '" .. directory .. "'"))
      end
      local ok, message, code = engine:backup(directory, row[2])
      assert.same({ "full", true }, { code, ok == nil and message:find(directory, 1, true) ~= nil })
      local pipe = io.popen(("ls -a '%s' 2>/dev/null | wc -l"):format(directory))
      assert.equal(made and 2 or 0, tonumber(pipe:read "*a")) -- "." and ".."
      pipe:close()
    end
    write(engine, time, 301, 302)
    assert_sound(engine, path)
  end)

  it("is io where it cannot be made, and a mistake where it cannot be meant", function()
    local engine = stores.open()
    for _, directory in ipairs { stores.path() .. "/below", "/proc/leadcat" } do
      local _, message, code = engine:backup(directory)
      assert.equal("io", code)
      assert.matches(directory, message, nil, true)
    end
    for _, wrong in ipairs { "", 7, {}, "a\0b" } do
      assert.has_error(function() engine:backup(wrong) end)
    end
    assert.has_error(function() engine:backup(stores.path(), { compat = true }) end)
    engine:close()
  end)
end)
