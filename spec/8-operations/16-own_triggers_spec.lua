-- The table of own triggers through a store's life: copies have it, checks read it, and damage to it is named.

local config = require "leadcat.rules.config"
local core = require "leadcat.core"
local files = require "support.files"
local leadcat = require "leadcat"
local stores = require "support.stores"

local LEAD, CUSTOMER, LOST = 1, 5, 7 -- the preset's categories

local function rule(trigger, to)
  return { trigger = trigger, enabled = true, set_category = to }
end

-- A store with a change by the second of two triggers; gives its directory.
local function new_store()
  local engine, path = stores.open { triggers = {
    { trigger = "trial_ended" }, { trigger = "paid", name = "It is paid" },
  } }
  local cfg = leadcat.preset "superoffice"
  cfg.rules = { rule("paid", CUSTOMER), rule("sale_lost", LOST) }
  assert(engine:save(cfg))
  engine.host:create("Acme", LEAD)
  assert.equal("updated", engine:handle({ trigger = "paid", company = "Acme" }).status)
  engine:close()
  return path
end

-- Changes the bytes wherever they lie in config.mdb, as there are older pages.
local function replace(path, old, new)
  local name = path .. "/config.mdb"
  local content = files.read(name)
  local at = assert(content:find(old, 1, true))
  while at do
    content = content:sub(1, at - 1) .. new .. content:sub(at + #old)
    at = content:find(old, at + #old, true)
  end
  files.write(name, content)
end

describe("the own triggers of a store", function()
  after_each(stores.check)

  for _, how in ipairs { false, true } do
    it(how and "are in a compacted copy" or "are in a backup", function()
      local path, copy = new_store(), stores.path()
      local engine = stores.open { path = path }
      assert(engine:backup(copy, { compact = how }))
      engine:close()
      assert.same({}, core.check_store(copy))
      engine = stores.open { path = copy, triggers = { { trigger = "third" } } }
      assert.same({ "trial_ended", "paid", "third" }, (engine._store:triggers()))
      assert.equal("paid", engine:history({})[1].trigger)
      assert.same({ "update", CUSTOMER, "matched" }, { engine:decide("paid", LEAD) })
      engine:close()
    end)
  end

  local BEHIND = '\0\0\0\0\0\0\0{"name":"It is' -- a number's first byte

  -- What is changed, from and to.
  local DAMAGE = {
    { "a letter of its text", "It is paid", "It is laid" },
    { "its number", "\65" .. BEHIND, "\66" .. BEHIND },
    { "its number to that of another one", "\65" .. BEHIND, "\64" .. BEHIND },
    { "its number to one that cannot be", "\65" .. BEHIND, "\128" .. BEHIND },
    { "a letter of a name", "trial_ended", "trial_ender" },
    { "a name that cannot be", "trial_ended", "tri-l_ended" },
  }
  for _, row in ipairs(DAMAGE) do
    it("are corrupt with a change of " .. row[1], function()
      local path = new_store()
      replace(path, row[2], row[3])
      assert.same("triggers: the store's list of own triggers is damaged", core.check_store(path)[1])
      local engine = stores.open { path = path } -- what is built in works
      assert.same({ "update", LOST, "matched" }, { engine:decide("sale_lost", LEAD) })
      engine.host:create("Bolt", LEAD)
      assert.equal("updated", engine:handle({ trigger = "sale_lost", company = "Bolt" }).status)
      for name, call in pairs {
        triggers = function() return engine:triggers() end,
        handle = function() return engine:handle { trigger = "paid", company = "Acme" } end,
        history = function() return engine:history { company = "Acme" } end,
        save = function() return engine:save(engine:config()) end,
      } do
        local result, message, code = call()
        assert.same({ nil, "corrupt" }, { result, code }, name)
        assert.equal("string", type(message), name)
      end
      assert.equal("sale_lost", engine:history({ company = "Bolt" })[1].trigger)
      engine:close()
      local none, _, code = leadcat.open { path = path, map_size = 2 ^ 26, triggers = { { trigger = "paid" } } }
      assert.same({ nil, "corrupt" }, { none, code })
    end)
  end

  -- The number of the second trigger as it is stored, with the checksum in front of it.
  local function sealed(number)
    local rest = string.char(number) .. ("\0"):rep(7) .. '{"name":"It is paid"}'
    local bytes = core.checksum("paid" .. rest):gsub("%x%x", function(byte)
      return string.char(tonumber(byte, 16))
    end)
    return bytes:reverse() .. rest
  end

  local NUMBERS = { { "a number is missing", 66 }, { "two have one number", 64 }, { "a number is too high", 128 } }
  for _, row in ipairs(NUMBERS) do
    it("are corrupt where " .. row[1] .. ", though each is sealed", function()
      local path = new_store()
      replace(path, sealed(65), sealed(row[2]))
      assert.same("triggers: the store's list of own triggers is damaged", core.check_store(path)[1])
      local engine = stores.open { path = path }
      assert.equal("corrupt", select(3, engine:triggers()))
      engine:close()
    end)
  end

  it("are missed by the check where an entry has one that the store does not know", function()
    local path, other = new_store(), stores.path()
    stores.open({ path = other }):close()
    files.write(other .. "/journal.mdb", files.read(path .. "/journal.mdb"))
    assert.same({ "journal: an entry's trigger is not known", "daily: the trigger of a counter is not known" },
      core.check_store(other))
  end)

  it("rebuild a ruleset of an older edition, with its rules of own triggers", function()
    local path = new_store()
    local engine = stores.open { path = path }
    local cfg = engine:config()
    local packed = core.ruleset(cfg, cfg.revision, (engine._store:triggers()))
    local old = packed:sub(1, 4) .. "\3\0\0\0" .. packed:sub(9)
    assert(engine._store:repair("", cfg.revision, old))
    assert.same({ "update", CUSTOMER, "matched" }, { engine:decide("paid", LEAD) })
    assert.same({ "none", nil, "rule_disabled" }, { engine:decide("trial_ended", LEAD) })
    engine:close()
  end)

  it("leave no room for a rule that was left out: every call finds it once it is declared", function()
    for name, call in pairs {
      decide = function(engine) return (engine:decide("paid", LEAD)) end,
      decider = function(_, decide) return (decide("paid", LEAD)) end,
      explain = function(engine) return engine:explain({ trigger = "paid", company = "Acme" }).action end,
      handle = function(engine) return engine:handle({ trigger = "paid", company = "Acme" }).action end,
      handle_many = function(engine)
        return engine:handle_many({ { trigger = "paid", company = "Acme" } })[1].action
      end,
      preview = function(engine)
        local events = { { trigger = "paid", company = "Acme", at = 1 } }
        return next(engine:backfill(events, { preview = true }).outcomes.paid)
      end,
    } do
      local engine, path = stores.open()
      local cfg = leadcat.preset "superoffice"
      cfg.rules = { rule("paid", CUSTOMER) }
      assert(engine:save(cfg))
      engine.host:create("Acme", LEAD)
      local decide = engine:decider()
      assert.equal("none", (decide("sale_won", LEAD)))
      assert.equal("none", (engine:decide("sale_won", LEAD)))
      stores.open({ path = path, triggers = { { trigger = "paid" } } }):close()
      assert.equal("update", call(engine, decide), name)
      engine:close()
    end
  end)

  it("are as many as the contract says", function()
    assert.equal(64, require("leadcat.rules.triggers").MOST)
    assert.is_true(config.is_own_trigger(("t"):rep(config.MAX_TRIGGER)))
  end)
end)
