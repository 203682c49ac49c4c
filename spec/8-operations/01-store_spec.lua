-- What is on disk: what a store that is opened again still knows, revisions of the config, and an engine's life from
-- opening to closing.

local core = require "leadcat.core"
local json = require "leadcat.util.json"
local leadcat = require "leadcat"
local processes = require "support.processes"
local stores = require "support.stores"
local times = require "support.times"
local winning = require "support.winning"

local LEAD, OPPORTUNITY, CUSTOMER, LOST = 1, 3, 5, 7 -- the preset's categories
local ANN = { id = "ann", name = "Ann", admin = true }
local BOB = { id = "bob" }
local MAP = 64 * 1024 * 1024
local unpack = stores.unpack
local type_of = rawget(math, "type") or function() return "integer" end -- LuaJIT has one type of number
local win, win_new, numbered = winning.win, winning.win_new, winning.numbered

describe("a store that is opened again", function()
  after_each(stores.check)

  it("has the rules of an older leadcat packed anew when they are needed", function()
    local engine, path = stores.open()
    assert.equal(1, engine:save(stores.config { sale_won = CUSTOMER }))
    assert(engine.host:create("Acme", LEAD))
    local packed = core.ruleset(engine:config(), 2)
    local older = packed:sub(1, 4) .. "\1\0\0\0" .. packed:sub(9) -- the version behind the magic number
    local text = json.encode(engine:config()):gsub('"revision":1', '"revision":2')
    assert(engine._store:save("", 1, older, text, "{}"))
    engine:close()
    assert.same({}, core.check_store(path)) -- it is not damaged
    engine = stores.open { path = path }
    assert.equal("updated", win(engine, "Acme", "e1").status)
    assert.equal(2, engine:history()[1].revision)
    engine:close()
  end)

  it("is sound with values of more than 64 KB, whose size takes more than 16 bits", function()
    local engine, path = stores.open()
    local cfg = stores.config { sale_won = CUSTOMER }
    cfg.categories[1].description = ("x"):rep(70000)
    assert.equal(1, engine:save(cfg))
    engine:close()
    assert.same({}, core.check_store(path))
  end)

  it("has shown that the disk works: a probe soon after does not write", function()
    local engine, path = stores.open()
    engine:close()
    engine = stores.open { path = path }
    local before = engine._store:stats().commits.count
    assert.is_true(engine._store:probe(30))
    assert.equal(before, engine._store:stats().commits.count)
    assert.is_true(engine._store:probe(0))
    assert.equal(before + 1, engine._store:stats().commits.count)
    engine:close()
  end)

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
    local errors = 0
    for _, problem in ipairs(problems) do
      errors = errors + (problem.severity == "error" and 1 or 0)
    end
    assert.equal(("the config is refused: %s (and %d more)"):format(problems[1].message, errors - 1), message)
    local one = stores.config { sale_won = 99 }
    assert.equal("the config is refused: " .. engine:check(one)[1].message, (select(2, engine:save(one))))
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

describe("an engine", function()
  after_each(stores.check)

  it("can be closed again, and raises for every other use", function()
    local engine = stores.open()
    engine:save(stores.config { sale_won = CUSTOMER })
    local tenant, decide = engine:tenant "t", engine:decider()
    local arguments = { decide = { "sale_won", LEAD } }
    engine:close()
    engine:close()
    tenant:close()
    local methods = 0
    for name, method in pairs(require "leadcat.engine") do
      if type(method) == "function" and not name:find "^_" and name ~= "close" and name ~= "new" then
        methods = methods + 1
        for _, closed in ipairs { engine, tenant } do
          local ok, message = pcall(function() return method(closed, unpack(arguments[name] or {})), nil end) -- no tail call
          assert.is_false(ok, name)
          assert.matches(name == "decide" and "the engine is closed" or "_spec%.lua:%d+: the engine is closed", message)
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
      local pipe = io.popen(("ls -l /proc/%s/fd | grep -c '%s'"):format(processes.id(), path))
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
      if rawget(_G, "jit") then
        require("jit").flush() -- traces are compiled anew, and take memory of their own
      end
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
    -- Lua's table of strings may just have doubled, which takes 128 KiB at once.
    assert.is_true(lua_after - lua_before < 200, ("Lua's memory grew by %.0f KiB"):format(lua_after - lua_before))
    local allowed = times(2560) == 2560 and 2560 or math.huge -- what makes it slow has memory of its own
    assert.is_true(resident_after - resident_before < allowed,
      ("the process grew by %d KiB"):format(resident_after - resident_before))
    engine:close()
  end)
end)
