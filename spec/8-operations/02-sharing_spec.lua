-- One store for many: other engines, other processes and tenants, and keys that must not be taken for each other.

local histories = require "support.histories"
local leadcat = require "leadcat"
local processes = require "support.processes"
local stores = require "support.stores"
local times = require "support.times"
local winning = require "support.winning"

local LEAD, OPPORTUNITY, CUSTOMER = 1, 3, 5 -- the preset's categories
local MAP = 64 * 1024 * 1024
local ODD = "\0\255'\n" -- bytes that a store must not care about
local win, win_new, numbered = winning.win, winning.win_new, winning.numbered
local statuses, whole_journal = histories.statuses, histories.whole

describe("two engines on one store", function()
  after_each(stores.check)

  it("share it, and one may close while the other goes on", function()
    local first, path = stores.open()
    local second = stores.open { path = path }
    local decide = second:decider()
    for n = 1, 10 do
      local saver = n % 2 == 0 and first or second
      assert.equal(n, saver:save(numbered(n, 10)))
      assert.equal(n + 1, select(2, first:decide("sale_won", 1)))
      assert.equal(n + 1, select(2, decide("sale_won", 1)))
    end
    win_new(first, "Acme", "e1")
    assert.equal("duplicate", win(second, "Acme", "e1").status)
    first:close()
    assert.equal(11, second.host:get "Acme")
    assert.equal("updated", win_new(second, "Bolt").status)
    assert.equal(11, second:save(numbered(3, 10)))
    first = stores.open { path = path }
    assert.equal(4, select(2, first:decide("sale_won", 1)))
    assert.equal("updated updated", statuses(first))
    second:close()
    assert.equal(11, first.host:get "Bolt")
    first:close()
  end)

  it("take an event that both are given at once for one", function()
    local companies, other = { Acme = LEAD }, nil
    local host = {
      category = function(company)
        local deliver = other
        other = nil
        if deliver then
          assert.equal("updated", win(deliver, "Acme", "e1").status) -- overtakes the one that asks
        end
        return companies[company]
      end,
      set_category = function(company, to)
        companies[company] = to
        return true
      end,
    }
    local first, path = stores.open { host = host }
    local second = stores.open { path = path, host = host }
    first:save(stores.config { sale_won = CUSTOMER })
    other = second
    local outcome = assert(win(first, "Acme", "e1"))
    assert.same({ "duplicate", "updated" }, { outcome.status, (outcome.first or {}).status })
    assert.equal(1, #first:history())
    first:close()
    second:close()
  end)

  it("know it from another store", function()
    local first = stores.open()
    local second = stores.open()
    first:save(numbered(1, 3))
    win_new(first, "Acme", "e1")
    assert.equal(0, second:config().revision)
    assert.equal("rule_disabled", select(3, second:decide("sale_won", 1)))
    assert.is_nil(second.host:get "Acme")
    second:save(numbered(2, 3))
    assert.equal("updated", win_new(second, "Acme", "e1").status)
    assert.same({ 2, 3 }, { first.host:get "Acme", second.host:get "Acme" })
    first:close()
    second:close()
  end)

  it("find it under another name of its directory", function()
    local first, path = stores.open()
    local link = stores.path()
    assert(os.execute(("ln -s '%s' '%s'"):format(path, link)))
    local up = ("../"):rep(20) -- as far as the root, wherever this runs
    local names = { link, link .. "/", path .. "/.", up .. path:sub(2) }
    for n, name in ipairs(names) do
      local engine = stores.open { path = name }
      assert.equal(n, engine:save(numbered(n, #names)))
      assert.equal(n + 1, select(2, first:decide("sale_won", 1)))
      win_new(engine, name)
      assert.equal(n + 1, first.host:get(name))
      engine:close()
    end
    first:close()
  end)
end)

describe("two processes on one store", function()
  after_each(stores.check)

  it("see each other's saves and events", function()
    local engine, path = stores.open()
    engine:save(numbered(1, 3))
    engine:decide("sale_won", 1)
    win_new(engine, "Acme", "e1")
    local output, status = stores.run([[
      local leadcat = require "leadcat"
      local engine = assert(leadcat.open { path = arg[1], map_size = tonumber(arg[2]) })
      print(engine:decide("sale_won", 1))
      print(engine:handle({ id = "e1", trigger = "sale_won", company = "Acme" }).status)
      assert(engine.host:create("Bolt", 1))
      print(engine:handle({ id = "e2", trigger = "sale_won", company = "Bolt" }).status)
      local cfg = engine:config()
      cfg.rules[1].set_category = 3
      print(engine:save(cfg, { revision = cfg.revision }))
      engine:close()
    ]], path, ("%d"):format(MAP))
    assert.same({ "update\t2\tmatched\nduplicate\nupdated\n2\n", 0 }, { output, status })
    assert.same({ "update", 3, "matched" }, { engine:decide("sale_won", 1) })
    assert.equal("duplicate", win(engine, "Bolt", "e2").status)
    assert.equal(2, engine.host:get "Bolt")
    engine:close()
  end)

  local SAVER = [[
    local leadcat = require "leadcat"
    local engine = assert(leadcat.open { path = arg[1], map_size = tonumber(arg[2]) })
    local cfg, count = engine:config(), tonumber(arg[3])
    io.stdout:setvbuf "line"
    for n = 2, count do
      cfg.rules[1].set_category = n + 1
      print(assert(engine:save(cfg)))
    end
    local done = assert(io.open(arg[4], "w"))
    done:close()
  ]]

  local function start_saver(engine, path, count)
    local mark = stores.path()
    engine:save(numbered(1, count))
    return processes.start(SAVER, { path, ("%d"):format(MAP), ("%d"):format(count), mark }), mark
  end

  it("know a save as soon as it has returned", function()
    local count = times(200)
    local engine, path = stores.open()
    local saver = start_saver(engine, path, count)
    local decide = engine:decider()
    for n = 2, count do
      assert.equal(("%d"):format(n), saver:line())
      local _, to = decide("sale_won", 1)
      assert.is_true(to >= n + 1, ("after save %d the answer is that of %d"):format(n, to - 1))
    end
    assert.same({ "", 0 }, { saver:wait() })
    assert.equal(count + 1, select(2, decide("sale_won", 1)))
    engine:close()
  end)

  it("never get an older answer after a newer one", function()
    local count = times(200)
    local engine, path = stores.open()
    local decide, last, answers, done = engine:decider(), 0, {}, false
    local saver, mark = start_saver(engine, path, count)
    repeat
      local file = io.open(mark)
      if file then
        done = true
        file:close()
      end
      for _ = 1, 100 do
        local _, to = decide("sale_won", 1)
        assert.is_true(to >= last)
        last, answers[to] = to, true
      end
    until done
    assert.equal(count + 1, last)
    local seen = 0
    for _ in pairs(answers) do
      seen = seen + 1
    end
    assert.is_true(seen > 1)
    saver:wait()
    engine:close()
  end)

  it("lose no save when four save at once", function()
    local each = times(25)
    local engine, path = stores.open()
    local savers = {}
    for i = 1, 4 do
      savers[i] = processes.start([[
        local leadcat = require "leadcat"
        local engine = assert(leadcat.open { path = arg[1], map_size = tonumber(arg[2]) })
        for _ = 1, tonumber(arg[3]) do
          print(assert(engine:save({ note = arg[4] }, { actor = { id = arg[4], admin = true } })))
        end
      ]], { path, ("%d"):format(MAP), ("%d"):format(each), ("p%d"):format(i) })
    end
    local savers_of = {}
    for i, saver in ipairs(savers) do
      local output, status = saver:wait()
      assert.equal(0, status, output)
      local last = 0
      for revision in output:gmatch "%d+" do
        assert.is_nil(savers_of[tonumber(revision)])
        assert.is_true(tonumber(revision) > last)
        last = tonumber(revision)
        savers_of[last] = ("p%d"):format(i)
      end
    end
    local revisions = engine:revisions()
    assert.equal(4 * each, #revisions)
    assert.equal(4 * each, engine:config().revision)
    for i, about in ipairs(revisions) do
      assert.equal(4 * each - i + 1, about.revision)
      assert.equal(savers_of[about.revision], about.actor.id)
      assert.equal(about.actor.id, engine:config(about.revision).note)
    end
    engine:close()
  end)

  it("handle events at once: none is lost and none is done twice", function()
    local each = times(200)
    local engine, path = stores.open()
    engine:save(stores.config { sale_won = CUSTOMER })
    local companies = {}
    for i = 1, each do
      companies[i] = "company " .. i
    end
    assert.equal(each, engine.host:create_many(companies, LEAD))
    local workers = {}
    for i = 1, 3 do
      workers[i] = processes.start([[
        local leadcat = require "leadcat"
        local engine = assert(leadcat.open { path = arg[1], map_size = tonumber(arg[2]) })
        local counts = { updated = 0, duplicate = 0 }
        for i = 1, tonumber(arg[3]) do
          local outcome = assert(engine:handle { id = "sale " .. i, trigger = "sale_won", company = "company " .. i })
          counts[outcome.status] = counts[outcome.status] + 1
        end
        print(counts.updated, counts.duplicate)
      ]], { path, ("%d"):format(MAP), ("%d"):format(each) })
    end
    local updated, duplicates = 0, 0
    for _, worker in ipairs(workers) do
      local output, status = worker:wait()
      assert.equal(0, status, output)
      local u, d = output:match "^(%d+)\t(%d+)$"
      updated, duplicates = updated + tonumber(u), duplicates + tonumber(d)
    end
    assert.same({ each, 2 * each }, { updated, duplicates })
    local entries = whole_journal(engine)
    assert.equal(each, #entries)
    for i = 2, each do
      assert.is_true(entries[i].entry < entries[i - 1].entry)
    end
    engine:close()
  end)
end)

describe("a tenant", function()
  after_each(stores.check)

  local NAMES = { "", "a", "b", "aa", "a\0", "\0", "\255", ODD, ("t"):rep(64), ("\0"):rep(64), ("\255"):rep(64) }

  it("has its own config, journal, seen-marks and companies", function()
    local engine, path = stores.open()
    for n, name in ipairs(NAMES) do
      local tenant = engine:tenant(name)
      assert.equal(0, tenant:config().revision)
      for _ = 1, n do
        tenant:save(numbered(n, #NAMES))
      end
      win_new(tenant, "Acme", "e1")
      win_new(tenant, "only " .. n)
    end
    engine:close()

    engine = stores.open { path = path, tenant = "a" }
    assert.equal(2, engine:config().revision)
    for n, name in ipairs(NAMES) do
      local tenant = engine:tenant(name)
      assert.equal(n, tenant:config().revision)
      assert.equal(n, #tenant:revisions())
      assert.same({ "update", n + 1, "matched" }, { tenant:decide("sale_won", 1) })
      local journal = tenant:history()
      assert.same({ "only " .. n, "Acme" }, { journal[1].company, journal[2].company })
      assert.equal(2, #journal)
      assert.equal(name, journal[1].tenant)
      assert.equal(1, #tenant:history { company = "Acme" })
      assert.equal(n + 1, tenant.host:get "Acme")
      assert.is_nil(tenant.host:get("only " .. n % #NAMES + 1))
      assert.equal("duplicate", win(tenant, "Acme", "e1").status)
      local companies = 0
      for _ in tenant.host:companies() do
        companies = companies + 1
      end
      assert.equal(2, companies)
    end
    engine:close()
  end)

  it("is the same object as long as it lives", function()
    local engine = stores.open { tenant = "a" }
    assert.equal(engine, engine:tenant "a")
    local b = engine:tenant "b"
    assert.equal(b, engine:tenant("a"):tenant "b")
    assert.not_equal(engine, b)
    assert.equal(engine:tenant "", b:tenant "")
    engine:close()
    assert.has_error(function() b:config() end)
  end)

  it("has a name of at most 64 bytes", function()
    local engine, path = stores.open()
    for _, name in ipairs { ("t"):rep(65), 1, {}, true } do
      local ok, message = pcall(function() engine:tenant(name) end)
      assert.is_false(ok)
      assert.matches("_spec%.lua:%d+: tenant: a string of at most 64 bytes expected", message)
      ok, message = pcall(function() leadcat.open { path = path, tenant = name } end)
      assert.is_false(ok)
      assert.matches("_spec%.lua:%d+: .*'tenant': a string of at most 64 bytes expected", message)
    end
    assert.has_error(function() engine:tenant(nil) end)
    engine:close()
  end)
end)

describe("keys", function()
  after_each(stores.check)

  it("may be as long as the contract says, and hold any bytes", function()
    local tenant = (ODD):rep(16)
    local company, id = ("\0"):rep(254) .. "\255", ("\255"):rep(254) .. "\0"
    local engine, path = stores.open { tenant = tenant }
    engine:save(stores.config { sale_registered = { OPPORTUNITY, ask = true }, sale_won = CUSTOMER })
    assert(engine.host:create(company, LEAD))
    assert(engine.host:create(company:sub(1, 254), LEAD))
    local asked = assert(engine:handle { id = id .. "", trigger = "sale_registered", company = company })
    assert.equal("awaiting_confirmation", asked.status)
    local won = assert(win(engine, company, id:sub(2)))
    assert.equal("updated", won.status)
    engine:close()

    engine = stores.open { path = path, tenant = tenant }
    assert.equal(CUSTOMER, engine.host:get(company))
    assert.equal(LEAD, engine.host:get(company:sub(1, 254)))
    assert.equal("updated superseded awaiting_confirmation", statuses(engine, { company = company }))
    assert.same({}, engine:history { company = company:sub(1, 254) })
    assert.equal("superseded", engine:confirmation(asked.confirmation).state)
    assert.equal(company, engine:history()[1].company)
    assert.equal(id:sub(2), engine:history()[1].event_id)
    assert.same(asked, engine:handle({ id = id, trigger = "sale_registered", company = company }).first)
    local companies = {}
    for name in engine.host:companies() do
      companies[#companies + 1] = name
    end
    assert.same({ company:sub(1, 254), company }, companies)
    engine:close()
  end)

  it("may not be longer", function()
    local engine = stores.open()
    engine:save(stores.config { sale_won = CUSTOMER })
    for _, event in ipairs {
      { trigger = "sale_won", company = ("c"):rep(256) },
      { trigger = "sale_won", company = "" },
      { trigger = "sale_won", company = "Acme", id = ("e"):rep(256) },
      { trigger = "sale_won", company = "Acme", id = "" },
    } do
      local outcome, message, code = engine:handle(event)
      assert.same({ nil, "invalid" }, { outcome, code })
      assert.matches("must have 1 to 255 bytes", message)
    end
    assert.has_error(function() engine.host:create(("c"):rep(256), LEAD) end)
    assert.same({}, engine:history())
    engine:close()
  end)
end)
