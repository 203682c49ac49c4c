--- A store that version 0.1.0 has written (spec/support/editions/0.1.0.lua says what) opens, and goes on: rules, journal, ids of
-- events, an open question, an unfinished change, companies and counters are what they were.

local core = require "leadcat.core"
local leadcat = require "leadcat"
local stores = require "support.stores"

local LEAD, OPPORTUNITY, CUSTOMER = 1, 3, 5
local BOB = { id = "bob", name = "Bob" }
local FIRST = 1700000060000 -- the number of its first entry; then one a minute

describe("a store of version 0.1.0", function()
  local path, now

  before_each(function()
    path, now = stores.path(), 1700001000
    local unpack = "unset LD_PRELOAD; mkdir '%s' && tar -xzf spec/support/editions/0.1.0.tar.gz -C '%s'" -- tar leaks memory
    assert(os.execute(unpack:format(path, path)))
  end)
  after_each(stores.check)

  local function open(options)
    options = options or {}
    options.path, options.map_size, options.clock = path, 2 ^ 24, function() return now end
    return leadcat.open(options)
  end

  local function won(engine, id, company)
    return assert(engine:handle { id = id, trigger = "sale_won", company = company, actor = BOB })
  end

  it("has its rules, which decide as before", function()
    local engine = assert(open())
    local config = engine:config()
    assert.equal(2, config.revision)
    assert.equal(1, engine:config(1).revision)
    assert.is_false(engine:config(1).rules[3].enabled)
    assert.same({ "confirm", CUSTOMER, "matched" }, { engine:decide("sale_won", LEAD) })
    assert.same({ "update", OPPORTUNITY, "matched" }, { engine:decide("sale_registered", LEAD) })
    assert.same({ "update", 7, "matched" }, { engine:decide("sale_lost", LEAD) })
    assert.same({ "update", OPPORTUNITY, "matched" }, { engine:decide("lead_status_set", LEAD, 2) })
    assert(engine:save(config, { revision = 2 }))
    assert.equal(3, engine:config().revision)
    engine:close()
  end)

  it("has its journal, with the numbers and ids that it had, and is written behind them", function()
    local engine = assert(open())
    local list = {}
    for i, entry in ipairs(assert(engine:history { limit = 100 })) do
      list[i] = ("%.0f %s %s %s %d %s"):format(entry.entry, tostring(entry.event_id), tostring(entry.company),
        entry.status, entry.from, tostring(entry.to))
    end
    assert.same({
      ("%.0f s4 Bolt awaiting_confirmation 1 5"):format(FIRST + 180000),
      ("%.0f nil Acme updated 3 5"):format(FIRST + 120001),
      ("%.0f s3 Acme awaiting_confirmation 3 5"):format(FIRST + 120000),
      ("%.0f s2 42 updated 1 3"):format(FIRST + 60000),
      ("%.0f s1 Acme updated 1 3"):format(FIRST),
    }, list)
    local all = assert(engine:history { limit = 100 })
    assert.same({ "Coffee machines", "Bob", 42 }, { all[5].sale.name, all[5].actor.name, all[4].company })
    for i, id in ipairs { "s1", "s2" } do
      local again = assert(engine:handle { id = id, trigger = "sale_registered", company = i == 1 and "Acme" or 42 })
      assert.same({ "duplicate", FIRST + (i - 1) * 60000 }, { again.status, again.entry })
    end
    assert.same({ CUSTOMER, LEAD, OPPORTUNITY },
      { engine.host.category "Acme", engine.host.category "Bolt", engine.host.category(42) })
    local undone = assert(engine:undo(FIRST + 60000))
    assert.same({ "updated", LEAD }, { undone.status, engine.host.category(42) })
    assert.is_true(undone.entry > FIRST + 180000)
    engine:close()
  end)

  it("has its open question, which is answered once", function()
    local engine = assert(open())
    local list = assert(engine:confirmations { state = "open" })
    assert.same({ 1, "Bolt", "Kaffee für Øre" }, { #list, list[1].company, list[1].sale.name })
    local answer = assert(engine:resolve(list[1].id, { accept = true }, { actor = BOB }))
    assert.same({ "updated", CUSTOMER }, { answer.status, engine.host.category "Bolt" })
    assert.equal("already_resolved", select(3, engine:resolve(list[1].id, { decline = true }, { actor = BOB })))
    assert.equal(1, #assert(engine:confirmations { state = "accepted", company = "Acme" }))
    engine:close()
  end)

  it("has its counters", function()
    local engine = assert(open())
    local text = assert(engine:metrics())
    for _, line in ipairs {
      "leadcat_journal_entries 5", "leadcat_confirmations_open 1", "leadcat_changes_unfinished 1",
      'leadcat_events_total{trigger="sale_registered",status="updated",reason="matched"} 2',
      'leadcat_events_total{trigger="sale_won",status="updated",reason="matched"} 1',
    } do
      assert.is_truthy(text:find("\n" .. line .. "\n", 1, true), line)
    end
    engine:close()
  end)

  it("has its unfinished change, which the host makes now, with a key of its own", function()
    local told = {}
    local engine = assert(open { tenant = "north", recover = false, host = {
      category = function() return LEAD end,
      set_category = function(company, to, from, outcome)
        told[#told + 1] = ("%s %d %d %s"):format(company, from, to, outcome.key)
        return true
      end,
    } })
    assert.equal(1, engine:stats().unfinished)
    core.forward(3600) -- it was to be tried again after some time
    now = now + 3600
    assert(engine:recover())
    assert.equal(0, engine:stats().unfinished)
    assert.equal(1, #told)
    local entry = assert(engine:history { limit = 1 })[1]
    assert.same({ "updated", "n1" }, { entry.status, entry.event_id })
    assert.matches("^Crux 1 5 %w+%-" .. ("%.0f"):format(entry.entry) .. "$", told[1])
    engine:close()
  end)

  it("is whole before and after, and has another form from then on", function()
    assert.same({}, assert(core.check_store(path)))
    local engine, message, code = open { readonly = true }
    assert.is_nil(engine)
    assert.equal("readonly", code)
    assert.is_string(message)
    engine = assert(open())
    assert.equal("awaiting_confirmation", won(engine, "w1", 42).status)
    local all = assert(engine:changes(nil, { limit = 100 }))
    assert.is_true(#all >= 1)
    engine:close()
    assert.same({}, assert(core.check_store(path)))
    engine = assert(open { readonly = true })
    assert.equal(2, engine:config().revision)
    engine:close()
  end)
end)
