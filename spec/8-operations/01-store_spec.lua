-- What is on disk: revisions of the config, tenants, other engines and other processes on the same store, and what
-- happens when a store cannot be opened or has no more room.

local json = require "leadcat.json"
local leadcat = require "leadcat"
local processes = require "support.processes"
local stores = require "support.stores"
local times = require "support.times"

local LEAD, OPPORTUNITY, CUSTOMER, LOST = 1, 3, 5, 7
local ANN = { id = "ann", name = "Ann", admin = true }
local BOB = { id = "bob" }
local MAP = 64 * 1024 * 1024
local ODD = "\0\255'\n" -- bytes that a store must not care about

local unpack = rawget(table, "unpack") or rawget(_G, "unpack")
local type_of = rawget(math, "type") or function() return "integer" end -- LuaJIT has one type of number

-- Reports a won sale of a company in the embedded host.
local function win(engine, company, id)
  return engine:handle { id = id, trigger = "sale_won", company = company }
end

-- A company in the embedded host, whose sale is won.
local function win_new(engine, company, id)
  assert(engine.host:create(company, LEAD))
  return assert(win(engine, company, id))
end

local function statuses(entries)
  local found = {}
  for i, entry in ipairs(entries) do
    found[i] = entry.status
  end
  return table.concat(found, " ")
end

-- All entries of a journal, newest first.
local function whole_journal(engine)
  local all, after = {}, nil
  repeat
    local page = assert(engine:history { after = after, limit = 1000 })
    for _, entry in ipairs(page) do
      all[#all + 1], after = entry, entry.entry
    end
  until #page < 1000
  return all
end

-- A config whose rule sets category `n` + 1 when a sale is won: so a decision tells which of many configs has made it.
local function numbered(n, count)
  local cfg = { categories = { { id = 1, name = "Start", group = "potential_customer" } }, rules = {} }
  for i = 1, count do
    cfg.categories[i + 1] = { id = i + 1, name = "C" .. i, group = "customer" }
  end
  cfg.rules[1] = { trigger = "sale_won", enabled = true, set_category = n + 1 }
  return cfg
end

describe("a store that is opened again", function()
  after_each(stores.check)

  it("has everything that was there", function()
    local engine, path = stores.open()
    local rules = { sale_won = CUSTOMER, sale_lost = { LOST, ask = true } }
    assert.equal(1, engine:save(stores.config(rules), { actor = ANN }))
    assert(engine.host:create("Acme", LEAD))
    assert(engine.host:create(42, LEAD))
    local won = assert(win(engine, "Acme", "e1"))
    local asked = assert(engine:handle { id = "e2", trigger = "sale_lost", company = 42, actor = BOB })
    assert.equal("awaiting_confirmation", asked.status)
    local cfg, revisions = engine:config(), engine:revisions()
    local history, question = engine:history(), engine:confirmation(asked.confirmation)
    engine:close()

    engine = stores.open { path = path }
    assert.same(cfg, engine:config())
    assert.same(revisions, engine:revisions())
    assert.same(history, engine:history())
    assert.same(question, engine:confirmation(asked.confirmation))
    assert.same({ "update", CUSTOMER, "matched" }, { engine:decide("sale_won", LEAD) })
    assert.equal(CUSTOMER, engine.host:get "Acme")
    assert.same({ won, asked }, { win(engine, "Acme", "e1").first, win(engine, 42, "e2").first })
    local companies = {}
    for company, category in engine.host:companies() do
      companies[#companies + 1] = { company, category }
    end
    assert.same({ { 42, LEAD }, { "Acme", CUSTOMER } }, companies)
    engine:close()
  end)

  it("may have been written with relaxed durability", function()
    local engine, path = stores.open { durability = "relaxed" }
    engine:save(stores.config { sale_won = CUSTOMER })
    win_new(engine, "Acme")
    engine:close()
    engine = stores.open { path = path, durability = "full" }
    assert.equal(CUSTOMER, engine.host:get "Acme")
    engine:close()
  end)
end)

describe("a config", function()
  after_each(stores.check)

  it("is empty, with revision 0, before the first save", function()
    local engine = stores.open()
    assert.same({ revision = 0, categories = {}, lead_statuses = {}, rules = {} }, engine:config())
    assert.same({}, engine:revisions())
    assert.same({ "none", nil, "rule_disabled" }, { engine:decide("sale_won", LEAD) })
    engine:close()
  end)

  it("comes back as it was saved, with what leadcat does not know", function()
    local engine = stores.open()
    local cfg = {
      categories = {
        { id = 1.0, name = { en = "Lead", no = "Emne" }, group = "potential_customer", lead_status = true, rank = -3 },
        { id = 2147483647, name = "Kunde ÆØÅ \"\\/\n", group = "customer", deleted = false, x = { list = { 1, 2.5 } } },
      },
      rules = { { trigger = "sale_won", enabled = true, set_category = 2147483647 } },
      note = "kept",
    }
    assert.equal(1, engine:save(cfg))
    local saved = assert(engine:config())
    cfg.revision, cfg.lead_statuses, cfg.rules[1].ask = 1, {}, false
    assert.same(cfg, saved)
    assert.equal("integer", type_of(saved.categories[1].id))
    assert.equal("integer", type_of(saved.revision))
    -- It is a copy: changing it changes nothing.
    saved.categories[1].name.en = "changed"
    assert.equal("Lead", engine:config().categories[1].name.en)
    engine:close()
  end)

  it("keeps its empty lists as lists in the stored JSON", function()
    local engine = stores.open()
    engine:save {}
    assert.equal('{"categories":[],"lead_statuses":[],"revision":1,"rules":[]}', engine._store:config("", 1))
    engine:save(engine:config())
    assert.equal('{"categories":[],"lead_statuses":[],"revision":2,"rules":[]}', engine._store:config("", 0))
    assert.equal('{"rules":[]}', json.encode { rules = engine:config().rules })
    engine:close()
  end)

  it("gets one revision higher with each save, and every revision is kept", function()
    local engine = stores.open { clock = function() return 1700000000 end }
    for n = 1, 5 do
      assert.equal(n, engine:save(numbered(n, 5), n % 2 == 1 and { actor = ANN } or nil))
      assert.equal(n + 1, select(2, engine:decide("sale_won", 1)))
    end
    local revisions = engine:revisions()
    assert.equal(5, #revisions)
    assert.same({ revision = 5, at = 1700000000, actor = ANN }, revisions[1])
    assert.same({ revision = 4, at = 1700000000 }, revisions[2])
    assert.equal(5, engine:config().revision)
    for n = 1, 5 do
      local cfg = engine:config(n)
      assert.same({ n, n + 1 }, { cfg.revision, cfg.rules[1].set_category })
    end
    local cfg, message, code = engine:config(6)
    assert.same({ nil, "there is no revision 6", "not_found" }, { cfg, message, code })
    engine:close()
  end)

  it("is refused as a whole when something is wrong with it", function()
    local engine = stores.open()
    engine:save(stores.config { sale_won = CUSTOMER })
    local before = engine:config()
    local cfg = stores.config { sale_won = 99, sale_lost = LOST }
    cfg.categories[1].id = "one"
    local revision, message, code, problems = engine:save(cfg)
    assert.is_nil(revision)
    assert.equal("invalid", code)
    assert.matches("^the config is refused: .+ %(and %d+ more%)$", message)
    assert.same(engine:check(cfg), problems)
    assert.is_true(#problems >= 2)
    assert.same(before, engine:config())
    assert.equal(1, #engine:revisions())
    assert.same({ "update", CUSTOMER, "matched" }, { engine:decide("sale_won", LEAD) })
    engine:close()
  end)

  it("is not saved over one that the caller has not seen", function()
    local engine = stores.open()
    assert.equal(1, engine:save(numbered(1, 3), { revision = 0 }))
    assert.equal(2, engine:save(numbered(2, 3), { revision = 1 }))
    for _, seen in ipairs { 0, 1, 3 } do
      local revision, message, code = engine:save(numbered(3, 3), { revision = seen })
      assert.same({ nil, "stale" }, { revision, code })
      assert.matches("revision 2", message)
    end
    assert.equal(2, engine:config().revision)
    -- Without a revision the last one wins.
    assert.equal(3, engine:save(numbered(1, 3)))
    assert.equal(3, engine:save(numbered(1, 3), { revision = 2 }) or engine:config().revision)
    engine:close()
  end)

  it("is brought back by reverting", function()
    local engine = stores.open()
    for n = 1, 3 do
      engine:save(numbered(n, 3))
    end
    assert.equal(4, engine:revert(1, { actor = ANN }))
    assert.equal(2, select(2, engine:decide("sale_won", 1)))
    local cfg, first = engine:config(), engine:config(1)
    first.revision = 4
    assert.same(first, cfg)
    local newest = engine:revisions()[1]
    assert.same({ 4, 1, "ann" }, { newest.revision, newest.reverted, newest.actor.id })
    assert.equal(5, engine:revert(4))
    assert.same({ nil, "not_found" }, { engine:revert(6), select(3, engine:revert(6)) })
    assert.same({ nil, "stale" }, { engine:revert(1, { revision = 2 }), select(3, engine:revert(1, { revision = 2 })) })
    assert.equal(5, engine:config().revision)
    engine:close()
  end)

  it("is changed only by who may configure", function()
    local engine, path = stores.open()
    engine:save(numbered(1, 3))
    for _, change in ipairs {
      function() return engine:save(numbered(2, 3), { actor = BOB }) end,
      function() return engine:revert(1, { actor = BOB }) end,
    } do
      local revision, message, code = change()
      assert.same({ nil, "only an administrator may change the rules", "forbidden" }, { revision, message, code })
    end
    assert.equal(1, engine:config().revision)
    engine:close()

    local asked = {}
    engine = stores.open {
      path = path,
      host = {
        category = function() end,
        set_category = function() end,
        can = function(actor, permission, _, tenant)
          asked[#asked + 1] = actor.id .. " " .. permission .. " " .. tenant
          return actor.id == "bob"
        end,
      },
    }
    assert.equal(2, engine:save(numbered(2, 3), { actor = BOB }))
    assert.equal(3, engine:revert(1, { actor = BOB }))
    assert.equal("forbidden", select(3, engine:tenant("t"):save(numbered(2, 3), { actor = ANN })))
    assert.same({ "bob configure ", "bob configure ", "ann configure t" }, asked)
    engine:close()
  end)

  -- what · options
  local WRONG = {
    { "revison", { revison = 1 } },
    { "revision", { revision = "1" } },
    { "revision", { revision = -1 } },
    { "revision", { revision = 1.5 } },
    { "actor", { actor = "ann" } },
    { "options", "ann" },
  }
  for _, row in ipairs(WRONG) do
    it(("raises for wrong options, naming %s (%s)"):format(row[1], tostring(row[2][row[1]])), function()
      local engine = stores.open()
      engine:save {}
      for _, change in ipairs {
        function() engine:save({}, row[2]) end,
        function() engine:revert(1, row[2]) end,
      } do
        local ok, message = pcall(change)
        assert.is_false(ok)
        assert.matches("_spec%.lua:%d+: .*" .. row[1], message)
      end
      assert.equal(1, engine:config().revision)
      engine:close()
    end)
  end

  it("raises for what cannot be a revision", function()
    local engine = stores.open()
    engine:save {}
    for _, revision in ipairs { "1", 0.5, -1, {}, 0 / 0, math.huge, 2 ^ 60 } do
      for _, method in ipairs { "config", "revert" } do
        local ok, message = pcall(function() engine[method](engine, revision) end)
        assert.is_false(ok, method .. " " .. tostring(revision))
        assert.matches("_spec%.lua:%d+: revision", message)
      end
    end
    assert.has_error(function() engine:save(nil) end)
    engine:close()
  end)
end)

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
    assert.equal("updated updated", statuses(first:history()))
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
    assert.equal("updated superseded awaiting_confirmation", statuses(engine:history { company = company }))
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

describe("an engine", function()
  after_each(stores.check)

  it("can be closed again, and raises for every other use", function()
    local engine = stores.open()
    engine:save(stores.config { sale_won = CUSTOMER })
    local tenant, decide = engine:tenant "t", engine:decider()
    local arguments = { decide = { "sale_won", LEAD }, evaluate = { "sale_won", LEAD } }
    engine:close()
    engine:close()
    tenant:close()
    local methods = 0
    for name, method in pairs(require "leadcat.engine") do
      if type(method) == "function" and not name:find "^_" and name ~= "close" and name ~= "new" then
        methods = methods + 1
        for _, closed in ipairs { engine, tenant } do
          local ok, message = pcall(method, closed, unpack(arguments[name] or {}))
          assert.is_false(ok, name)
          assert.matches("closed", message, nil, nil, name)
        end
      end
    end
    assert.is_true(methods >= 15)
    for name, use in pairs {
      decider = function() decide("sale_won", LEAD) end,
      get = function() engine.host:get "Acme" end,
      create = function() engine.host:create("Acme", LEAD) end,
      companies = function() engine.host:companies()() end,
    } do
      local ok, message = pcall(use)
      assert.is_false(ok, name)
      assert.matches("closed", message)
    end
    local path = stores.path()
    assert(stores.open { path = path }):close()
  end)

  it("is closed at the end of its block", function()
    if not _VERSION:find "5%.4" then
      return -- only Lua 5.4 has such variables
    end
    local path = stores.path()
    local engine = load([[
      local leadcat, path = ...
      local kept
      do
        local engine <close> = assert(leadcat.open { path = path })
        engine:save {}
        kept = engine
      end
      pcall(function()
        local engine <close> = assert(leadcat.open { path = path })
        error "in between"
      end)
      return kept
    ]])(leadcat, path)
    assert.is_true(engine._shared.closed)
    assert.has_error(function() engine:config() end)
    -- Lua gives __close the value and the error; what is closed is the value.
    local again = stores.open { path = path }
    getmetatable(again).__close(again, "an error")
    assert.has_error(function() again:config() end)
  end)

  it("is closed when it is forgotten", function()
    local path = stores.path()
    local descriptors = function()
      local pipe = io.popen(("ls /proc/%s/fd | wc -l"):format(processes.id()))
      local count = tonumber(pipe:read "*a")
      pipe:close()
      return count
    end
    local function open_some(count)
      for i = 1, count do
        local engine = assert(leadcat.open { path = path, map_size = MAP, tenant = "t" .. i % 7 })
        engine:tenant("other"):decide("sale_won", LEAD)
        engine = nil -- luacheck: ignore
        if i % 10 == 0 then
          collectgarbage()
        end
      end
      if rawget(_G, "jit") then
        require("jit").flush() -- LuaJIT's traces keep what they were compiled for
      end
      collectgarbage()
      collectgarbage()
    end
    open_some(10)
    local before = descriptors()
    open_some(times(300))
    assert.is_true(descriptors() <= before)
    -- A decider that lives keeps the store open.
    local decide = assert(leadcat.open { path = path, map_size = MAP }):decider()
    collectgarbage()
    collectgarbage()
    assert.equal("none", (decide("sale_won", LEAD)))
  end)

  -- Lua's memory is collected wherever some is taken, also within a call of the core. What goes wrong then, ASan sees.
  it("may be closed by a finalizer that runs within a call", function()
    local newproxy = rawget(_G, "newproxy")
    local function finally(run)
      local meta = newproxy and getmetatable(newproxy(true)) or {}
      meta.__gc = run
      return newproxy and nil or setmetatable({}, meta)
    end
    local path, pause = stores.path(), collectgarbage("setpause", 100)
    for name, call in pairs {
      decide = function(store) return store:decide("", "sale_won", LEAD) end,
      create = function(store) return store:create("", { { company = "c1" } }, LEAD) end,
      add_unchanged = function(store) return store:add_unchanged("", {}, 0) end,
    } do
      local engine, closed, taken = stores.open { path = path }, false, {}
      finally(function()
        closed = engine:close() == nil
      end)
      for i = 1, 100000 do
        taken[i] = i -- grows without collecting
        if not pcall(call, engine._store) then
          break
        end
      end
      collectgarbage() -- at the latest
      collectgarbage()
      assert.is_true(closed, ("%s, %d times"):format(name, #taken))
    end
    collectgarbage("setpause", pause)
  end)

  -- what the message names · options besides the path
  local WRONG = {
    { "unknown option 'pth'", { pth = "x" } },
    { "unknown option '1'", { "x" } },
    { "'path'", { path = "" } },
    { "'path'", { path = 7 } },
    { "'path'", { path = "/tmp/a\0b" } },
    { "'host'", { host = "crm" } },
    { "'category' is missing", { host = { set_category = print } } },
    { "'set_category' is a table", { host = { category = print, set_category = {} } } },
    { "'can' is a boolean", { host = { category = print, set_category = print, can = true } } },
    { "'language'", { language = 7 } },
    { "'durability'", { durability = "none" } },
    { "'confirmation_ttl'", { confirmation_ttl = 0 } },
    { "'confirmation_ttl'", { confirmation_ttl = 0 / 0 } },
    { "'map_size'", { map_size = 1000 } },
    { "'map_size'", { map_size = "64M" } },
    { "'map_size'", { map_size = math.huge } },
    { "'max_readers'", { max_readers = 0 } },
    { "'max_readers'", { max_readers = 1.5 } },
    { "'clock'", { clock = 7 } },
  }
  it("raises for a wrong option, naming it", function()
    for _, row in ipairs(WRONG) do
      local options = { path = stores.path() }
      for name, value in pairs(row[2]) do
        options[name] = value
      end
      local ok, message = pcall(function() leadcat.open(options) end)
      assert.is_false(ok, row[1])
      assert.matches("_spec%.lua:%d+: .*" .. row[1], message)
    end
    assert.has_error(function() leadcat.open() end)
    assert.has_error(function() leadcat.open "path" end)
    assert.has_error(function() leadcat.open {} end)
  end)

  it("does not grow as it handles events", function()
    local function resident() -- kilobytes, without the mapped files
      local file = assert(io.open "/proc/self/status")
      local anonymous = tonumber(file:read("*a"):match "RssAnon:%s*(%d+)")
      file:close()
      return anonymous
    end
    local function memory()
      collectgarbage()
      collectgarbage()
      return collectgarbage "count", resident()
    end
    local engine = stores.open()
    engine:save(stores.config { sale_registered = OPPORTUNITY, sale_won = { CUSTOMER, ask = true }, sale_lost = LEAD })
    engine.host:create("Acme", LEAD)
    local EVENTS = { "sale_registered", "sale_won", "sale_lost", "lead_status_set" }
    local STATUSES = { "updated", "awaiting_confirmation", "updated", "unchanged" }
    local function handle(from, to)
      for i = from, to do
        local event = { id = i, trigger = EVENTS[i % 4 + 1], company = "Acme", actor = BOB, contact = { id = i } }
        local outcome = assert(engine:handle(event))
        if outcome.status ~= STATUSES[i % 4 + 1] then
          error(event.trigger .. ": " .. outcome.status)
        end
      end
    end
    local first, last = times(2000), times(12000)
    handle(4, first)
    local lua_before, resident_before = memory()
    handle(first + 1, last)
    local lua_after, resident_after = memory()
    assert.is_true(lua_after - lua_before < 64, ("Lua's memory grew by %d KiB"):format(lua_after - lua_before))
    local allowed = times(1024) == 1024 and 1024 or math.huge -- what makes it slow has memory of its own
    assert.is_true(resident_after - resident_before < allowed,
      ("the process grew by %d KiB"):format(resident_after - resident_before))
    engine:close()
  end)
end)

describe("a store that cannot be opened", function()
  after_each(stores.check)

  local function write(name, content)
    local file = assert(io.open(name, "wb"))
    file:write(content)
    file:close()
  end

  local function fails(path)
    local engine, message, code = leadcat.open { path = path, map_size = MAP }
    assert.is_nil(engine)
    assert.is_string(message)
    return code, message
  end

  it("has no parent directory", function()
    local code, message = fails(stores.path() .. "/below")
    assert.equal("io", code)
    assert.matches("/below", message, nil, true)
  end)

  it("is a file", function()
    local path = stores.path()
    write(path, "not a directory")
    assert.equal("io", (fails(path)))
    assert.equal("io", (fails(path .. "/below")))
    assert.equal("io", (fails("/" .. ("long/"):rep(1000))))
  end)

  it("has garbage in a data file", function()
    local garbage = {}
    for i = 1, 8192 do
      garbage[i] = string.char((i * 7919 + math.floor(i / 256) * 31) % 256)
    end
    garbage = table.concat(garbage)
    for _, row in ipairs {
      { "config.mdb", garbage }, { "journal.mdb", garbage }, { "config.mdb", ("\0"):rep(8192) }, { "config.mdb", "x" },
    } do
      local path = stores.path()
      assert(os.execute("mkdir '" .. path .. "'"))
      write(path .. "/" .. row[1], row[2])
      local code, message = fails(path)
      assert.equal("corrupt", code)
      assert.matches(path .. "/" .. row[1], message, nil, true)
      assert.equal("corrupt", (fails(path))) -- and again: nothing of it has stayed open
    end
  end)

  it("has lost the end of a data file", function()
    for _, name in ipairs { "config.mdb", "journal.mdb" } do
      for _, pages in ipairs { 2, 3, 5 } do
        local engine, path = stores.open()
        engine:save(stores.config { sale_won = CUSTOMER })
        for i = 1, 20 do
          win_new(engine, i)
        end
        engine:close()
        assert(os.execute(("truncate -s %d '%s/%s'"):format(pages * 4096, path, name)))
        local output, status = stores.run([[
          local engine, message, code = require("leadcat").open { path = arg[1], map_size = tonumber(arg[2]) }
          if engine then
            message, code = select(2, engine:config())
            if not code then
              message, code = select(2, engine:history { limit = 1000 })
            end
          end
          print(code, message)
        ]], path, ("%d"):format(MAP))
        assert.equal(0, status, ("%s of %d pages: %s"):format(name, pages, output))
        assert.matches("^corrupt", output)
      end
    end
  end)

  it("was written by a newer leadcat", function()
    local engine, path = stores.open()
    engine:close()
    local function set_format(number)
      local file = path .. "/journal.mdb"
      local edit = "sed -e '/^db_pagesize/d' -e '/^ 666f726d6174$/{n;s/.*/ " .. number .. "/;}'" -- the key "format"
      assert(os.execute(([[
        unset LD_PRELOAD
        mdb_dump -n -s meta '%s' | %s >'%s/dump' && mdb_load -n -s meta -f '%s/dump' '%s'
      ]]):format(file, edit, path, path, file)))
    end
    set_format "02000000"
    local code, message = fails(path)
    assert.equal("corrupt", code)
    assert.matches("format 2", message)
    assert.matches("use a newer leadcat", message)
    set_format "01000000"
    assert(stores.open { path = path }):close()
  end)
end)

describe("a store without room", function()
  after_each(stores.check)

  -- The journal and the companies say the same.
  local function assert_consistent(engine)
    local updated, companies = {}, 0
    for _, entry in ipairs(whole_journal(engine)) do
      assert.equal("updated", entry.status)
      assert.is_nil(updated[entry.company])
      updated[entry.company] = true
    end
    for company, category in engine.host:companies() do
      assert.equal(updated[company] and CUSTOMER or LEAD, category)
      companies = companies + 1
    end
    return companies
  end

  it("refuses what does not fit, and keeps what is there", function()
    local engine, path = stores.open { map_size = 1024 * 1024 }
    engine:save(stores.config { sale_won = CUSTOMER })
    local companies = {}
    for i = 1, 2000 do
      companies[i] = ("company %d "):format(i) .. ("c"):rep(100)
    end
    assert.equal(2000, engine.host:create_many(companies, LEAD))
    local handled, refused = 0, 0
    while refused < 5 do
      local outcome, message, code = win(engine, companies[handled + 1], "e" .. handled + 1)
      handled, refused = handled + (outcome and 1 or 0), outcome and 0 or refused + 1
      if not outcome then
        assert.equal("full", code)
        assert.is_string(message)
      end
    end
    assert.is_true(handled > 100)
    local outcomes, _, code = engine:handle_many {
      { id = "x", trigger = "sale_won", company = companies[handled + 1] },
      { id = "y", trigger = "sale_won", company = companies[handled + 2] },
    }
    assert.same({ nil, "full" }, { outcomes, code })
    -- Reads go on.
    assert.equal(2000, assert_consistent(engine))
    assert.equal(handled, #whole_journal(engine))
    assert.equal("duplicate", win(engine, companies[1], "e1").status)
    assert.equal(LEAD, engine.host:get(companies[handled + 1]))
    assert.same({ "update", CUSTOMER, "matched" }, { engine:decide("sale_won", LEAD) })
    assert.is_true(engine:stats().journal.used > 1024 * 1024 * 0.9)
    engine:close()

    -- With more room it goes on.
    engine = stores.open { path = path }
    assert.equal("updated", win(engine, companies[handled + 1], "e" .. handled + 1).status)
    assert.equal(2000, assert_consistent(engine))
    engine:close()
  end)

  it("refuses a config that does not fit, and goes by the last one that did", function()
    local engine = stores.open { map_size = 1024 * 1024 }
    local function save(n)
      local cfg = numbered(n, 100)
      cfg.note = ("x"):rep(20000)
      return engine:save(cfg)
    end
    local saved = 0
    while save(saved + 1) do
      saved = saved + 1
    end
    local _, message, code = save(saved + 1)
    assert.equal("full", code)
    assert.is_string(message)
    assert.is_true(saved > 5)
    assert.equal(saved, engine:config().revision)
    assert.equal(saved, #engine:revisions())
    assert.equal(saved + 1, select(2, engine:decide("sale_won", 1)))
    engine:close()
  end)

  it("is full, too, where a file may not grow", function()
    local engine, path = stores.open()
    engine:save(stores.config { sale_won = CUSTOMER })
    local companies = {}
    for i = 1, 2000 do
      companies[i] = i
    end
    engine.host:create_many(companies, LEAD)
    engine:close()
    local child = processes.start([[
      local engine = assert(require("leadcat").open { path = arg[1], map_size = tonumber(arg[2]) })
      for i = 1, 2000 do
        local outcome, message, code = engine:handle { trigger = "sale_won", company = i }
        if not outcome then
          print(i > 10, code, engine.host:get(i), #message > 0)
          break
        end
      end
    ]], { path, ("%d"):format(MAP) }, "trap '' XFSZ; ulimit -f 500")
    assert.same({ "true\tfull\t1\ttrue", 0 }, { child:wait() })
    engine = stores.open { path = path }
    assert.equal(2000, assert_consistent(engine))
    engine:close()
  end)
end)
