-- `handle_many(events, {cursor = {name, text}})` moves a cursor with the last of what the events lead to, when all were taken;
-- `engine:cursor(name)` tells where it is.

local crm = require "support.crm"
local handling = require "support.handling"
local platform = require "leadcat.util.platform"
local stores = require "support.stores"

local LEAD, OPPORTUNITY, CUSTOMER = 1, 3, 5 -- the preset's categories
local RULES = { sale_won = CUSTOMER, sale_registered = OPPORTUNITY }
local open = handling.open

local function won(company, id)
  return { trigger = "sale_won", company = company, id = id }
end

local function deliver(engine, events, text)
  return engine:handle_many(events, { cursor = { name = "crm", text = text } })
end

local function statuses(outcomes)
  local list = {}
  for i, outcome in ipairs(outcomes) do
    list[i] = outcome.status
  end
  return table.concat(list, " ")
end

-- With the embedded host, alone and guarded, and with another one.
local function each_host(fn)
  for _, way in ipairs { "embedded", "guarded", "host" } do
    local engine, _, path = open(RULES, { host = way == "host" and crm.new { Acme = LEAD, Bolt = LEAD } or nil })
    if way == "guarded" then
      engine:on("guard", function() end)
    end
    fn(engine, way, path)
    engine:close()
  end
end

describe("a cursor", function()
  after_each(stores.check)

  it("is not there at first, and each tenant and each name has its own", function()
    local engine, _, path = open(RULES)
    assert.same({ nil, "there is no such cursor", "not_found" }, { engine:cursor "crm" })
    assert.same({}, deliver(engine, {}, "1"))
    assert(engine:handle_many({}, { cursor = { name = "other", text = "7" } }))
    local tenant = engine:tenant "b"
    assert.equal("not_found", select(3, tenant:cursor "crm"))
    assert(deliver(tenant, {}, "\0\xFF, not text"))
    assert.same({ "1", "7", "\0\xFF, not text" },
      { (engine:cursor "crm"), (engine:cursor "other"), (tenant:cursor "crm") })
    engine:close()
    engine = stores.open { path = path }
    assert.equal("1", engine:cursor "crm")
    engine:close()
    assert.same({}, require("leadcat.core").check_store(path))
  end)

  it("moves in the commit of what the events lead to, or in one of its own", function()
    each_host(function(engine, way)
      local changes = way == "host" and 2 or 1 -- commits of a change
      local function count(events, text)
        local made = stores.commits(engine, function()
          assert.is_nil(select(2, assert(deliver(engine, events, text))))
        end)
        assert.equal(text, engine:cursor "crm")
        return made
      end
      assert.equal(changes, count({ won("Acme", "a"), won("Bolt", "b") }, "first"))
      assert.equal(1, count({ won("Acme", "a"), won("Bolt", "b") }, "all were seen"))
      assert.equal(1, count({ won("Acme", "c") }, "it came to nothing"))
      assert.equal(1, count({ { trigger = "sale_lost", company = "Acme" } }, "there is no rule"))
      assert.equal(1, count({}, "no event"))
      assert.equal(1, count({}, "no event"))
    end)
  end)

  it("moves in the last commit where a batch takes several", function()
    local engine = open(RULES, { host = crm.new { Acme = LEAD, Bolt = LEAD } })
    local set, seen = engine.host.set_category, {}
    engine.host.set_category = function(...)
      seen[#seen + 1] = engine:cursor "crm" or "none"
      return set(...)
    end
    local events = { { trigger = "sale_registered", company = "Acme" }, won "Bolt", won "Acme" }
    assert.equal("updated updated updated", statuses(assert(deliver(engine, events, "1"))))
    assert.same({ "none", "none", "1" }, seen)
    engine:close()
  end)

  it("stays where it is when an event was not taken, and moves when all are delivered again", function()
    each_host(function(engine)
      assert(deliver(engine, {}, "0"))
      local away = true
      engine:on("guard", function(event)
        if event.company == "Bolt" and away then
          error("away", 0)
        end
      end)
      local events = { won("Acme", "a"), won("Bolt", "b"), won("Bolt", "c") }
      local outcomes, message, code = deliver(engine, events, "1")
      assert.same({ "updated not_taken not_taken", "a guard raised: away", "unavailable", "0" },
        { statuses(outcomes), message, code, (engine:cursor "crm") })
      assert.same({ nil, "a guard raised: away", "unavailable", "0" },
        { deliver(engine, { events[2] }, "1"), message, code, (engine:cursor "crm") })
      away = false
      outcomes, message = deliver(engine, events, "1")
      assert.same({ "duplicate updated unchanged", nil, "1" }, { statuses(outcomes), message, (engine:cursor "crm") })
    end)
  end)

  it("stays where it is when an event is malformed, or nothing could be written", function()
    local engine = open(RULES)
    assert.equal("invalid", select(3, deliver(engine, { won "Acme", won "" }, "1")))
    local mend = stores.fail(engine, "handle")
    assert.is_nil((deliver(engine, { won "Acme" }, "1")))
    mend()
    assert.equal("not_found", select(3, engine:cursor "crm"))
    mend = stores.fail(engine, "write") -- its commit of its own
    engine:on("guard", function() return false end)
    local outcomes, message, code = deliver(engine, { won "Acme" }, "1")
    assert.same({ "unchanged", "string", "string" }, { statuses(outcomes), type(message), type(code) })
    mend()
    assert.equal("not_found", select(3, engine:cursor "crm"))
    engine:close()
  end)

  it("goes with the last part where other requests wait, when all were taken", function()
    local can_yield, give_way = platform.can_yield, platform.give_way
    local engine, events, at, away = open(RULES), {}, {}, "e30"
    for i = 1, 250 do
      events[i] = won(i, "e" .. i)
      engine.host:create(i, LEAD)
    end
    engine:on("guard", function(event)
      if event.id == away then
        error("away", 0)
      end
    end)
    platform.can_yield = function() return true end
    platform.give_way = function()
      local entries = engine._store:counters("").journal_entries
      at[#at + 1] = ("%s after %d"):format(engine:cursor "crm" or "none", entries or 0)
    end
    local ok, outcomes, message = pcall(deliver, engine, events, "1")
    away = nil
    local again_ok, again = pcall(deliver, engine, events, "2")
    platform.can_yield, platform.give_way = can_yield, give_way
    assert.is_true(ok and again_ok, outcomes or again)
    assert.same({ "not_taken", "updated", "a guard raised: away" },
      { outcomes[30].status, outcomes[250].status, message })
    assert.same({ "updated", "duplicate", "2" }, { again[30].status, again[250].status, (engine:cursor "crm") })
    local places = {}
    for _, place in ipairs(at) do
      places[place] = true
    end
    assert.same({ true, nil, true }, { places["none after 249"], places["2 after 249"], places["2 after 250"] })
    engine:close()
  end)

  it("is refused when it is none", function()
    local engine = open(RULES)
    for _, wrong in ipairs {
      "crm", {}, { name = "crm" }, { text = "1" }, { name = "", text = "1" }, { name = "crm", text = "" },
      { name = ("n"):rep(65), text = "1" }, { name = "crm", text = ("t"):rep(4097) }, { name = "crm", text = 1 },
    } do
      assert.error_matches(function() engine:handle_many({}, { cursor = wrong }) end, "cursor")
    end
    for _, name in ipairs { "", ("n"):rep(65), 7 } do
      assert.error_matches(function() engine:cursor(name) end, "name: a string of 1 to 64 bytes expected")
    end
    local longest = { name = ("n"):rep(64), text = ("t"):rep(4096) }
    assert(engine:handle_many({}, { cursor = longest }))
    assert.equal(longest.text, engine:cursor(longest.name))
    engine:close()
  end)
end)
