-- An event with an id is handled once, also when it came to nothing: whatever the rules are when it is delivered again, it is a
-- `duplicate` with the first outcome.

local core = require "leadcat.core"
local crm = require "support.crm"
local handling = require "support.handling"
local stores = require "support.stores"

local LEAD, QUALIFIED, OPPORTUNITY, LOST_OPPORTUNITY, CUSTOMER, PARTNER = 1, 2, 3, 4, 5, 6 -- the preset's categories
local DAY = 24 * 3600
local RULES = { sale_won = CUSTOMER, sale_registered = OPPORTUNITY, ["lead_status_set:5"] = QUALIFIED }
local open = handling.open

local function won(fields)
  local event = { id = "e", trigger = "sale_won", company = "Acme" }
  for name, value in pairs(fields or {}) do
    event[name] = value
  end
  return event
end

local function save(engine, rules)
  assert(engine:save(type(rules) == "function" and rules() or stores.config(rules)))
end

local function commits(engine)
  return engine:stats().commits.count
end

-- Another process's view, as long as this one is open.
local function beside(path, fn)
  local other = stores.open { path = path, durability = "relaxed" }
  local result = fn(other)
  other:close()
  return result
end

local function with_condition()
  local cfg = stores.config { sale_won = CUSTOMER }
  cfg.rules[1].when = { { { field = "sale.amount", is = "above", value = 100 } } }
  return cfg
end

local function forward_only()
  local cfg = stores.config { sale_won = LEAD }
  cfg.rules[1].forward_only = true
  return cfg
end

local function taking_back()
  local cfg = stores.config { sale_won = CUSTOMER }
  cfg.rules[1] = { trigger = "sale_reopened", enabled = true, take_back = true }
  return cfg
end

-- Events that come to nothing: by which rules, and why.
local NOTHING = {
  { RULES, won { category = PARTNER }, "not_potential_customer" },
  { RULES, won { trigger = "lead_status_set", lead_status = 5, category = LOST_OPPORTUNITY },
    "lead_status_not_enabled" },
  { RULES, won { trigger = "lead_status_set", lead_status = 2 }, "lead_status_not_matched" },
  { with_condition, won { sale = { id = 1, amount = 7 } }, "conditions_not_met" },
  { { sale_won = LEAD }, won(), "already_in_category" },
  { forward_only, won { category = OPPORTUNITY }, "lower_rank" },
  { taking_back, won { trigger = "sale_reopened", sale = { id = 1 } }, "nothing_to_take_back" },
}

describe("an event that came to nothing", function()
  after_each(stores.check)

  for _, host in ipairs { false, true } do
    for _, row in ipairs(NOTHING) do
      local of = host and "a host's" or "a"
      it(("is a duplicate when it comes again, of %s company, because of %s"):format(of, row[3]), function()
        local engine, _, path = open({}, { host = host and crm.new { Acme = LEAD } or nil })
        save(engine, row[1])
        local first = assert(engine:handle(row[2]))
        assert.same({ "unchanged", row[3] }, { first.status, first.reason })
        save(engine, { sale_won = CUSTOMER, sale_reopened = CUSTOMER, ["lead_status_set:2"] = CUSTOMER })
        local again = assert(engine:handle(row[2]))
        assert.same(first, again.first)
        assert.same({ "duplicate", row[3], first.from, first.revision },
          { again.status, again.reason, again.from, again.revision })
        engine:close()
        engine = stores.open { path = path, durability = "relaxed", host = host and crm.new { Acme = LEAD } or nil }
        assert.same(again, engine:handle(row[2]))
        assert.same({}, engine:history())
        engine:close()
      end)
    end
  end

  it("is decided anew where there was no rule, no such category, or no licence", function()
    local licensed, host = false, crm.new { Acme = 99 }
    function host.licensed() return licensed end
    local engine = open({ sale_won = CUSTOMER }, { host = host })
    assert.equal("not_licensed", engine:handle(won()).reason)
    licensed = true
    assert.equal("rule_disabled", engine:handle(won { trigger = "sale_lost" }).reason)
    assert.equal("unknown_category", engine:handle(won()).reason)
    host.companies.Acme = LEAD
    assert.equal("updated", engine:handle(won()).status)
    engine:close()
  end)

  it("is a duplicate also when it was late", function()
    local engine, time = open(RULES, { late_events = "skip" })
    assert(engine:handle(won { at = time.now, id = "newer" }))
    local first = engine:handle(won { at = time.now - 100, category = LEAD })
    assert.equal("late", first.reason)
    assert.same(first, engine:handle(won { category = LEAD }).first)
    engine:close()
  end)

  it("is a duplicate also when a guard has stopped it", function()
    local engine, _, path = open(RULES)
    local verdict, why = false, "not in May"
    engine:on("guard", function() return verdict, why end)
    local first = engine:handle(won())
    assert.same({ "vetoed", "not in May", LEAD }, { first.reason, first.error, first.from })
    verdict, why = LEAD, nil
    local same = engine:handle(won { id = "f" })
    assert.equal("already_in_category", same.reason)
    local long = ("x"):rep(2000)
    verdict, why = false, long
    assert.equal(long, engine:handle(won { id = "g" }).error)
    verdict, why = nil, nil
    assert.same(first, engine:handle(won()).first)
    assert.equal(LEAD, engine.host:get "Acme")
    engine:close()
    beside(path, function(other)
      assert.same({ first, same }, { other:handle(won()).first, other:handle(won { id = "f" }).first })
      assert.equal(long:sub(1, 1024), other:handle(won { id = "g" }).error)
    end)
  end)

  it("is a duplicate in the batch in which a guard has stopped it", function()
    local engine = open(RULES)
    local asked = 0
    engine:on("guard", function()
      asked = asked + 1
      return false
    end)
    local outcomes = assert(engine:handle_many { won(), won { company = "Bolt" }, won() })
    assert.same({ "unchanged", "duplicate", "duplicate", 1 },
      { outcomes[1].status, outcomes[2].status, outcomes[3].status, asked })
    engine:close()
  end)

  it("is remembered for a tenant alone, and not what is only previewed", function()
    local engine = open { sale_won = { CUSTOMER, ask = true } }
    assert.is_nil(engine:propose(won { category = PARTNER }))
    assert.is_not_nil(engine:propose(won()))
    assert(engine:handle(won { category = PARTNER }))
    assert.is_nil(engine:propose(won()))
    local other = engine:tenant "other"
    save(other, { sale_won = { CUSTOMER, ask = true } })
    assert(other.host:create("Acme", LEAD))
    assert.equal("awaiting_confirmation", other:handle(won()).status)
    engine:close()
  end)

  it("is not remembered when a backfill or a replay has handled it, but what is remembered they leave alone", function()
    local engine, time = open(RULES)
    local past = { won { at = time.now - 9 }, won { id = "f", at = time.now - 8, trigger = "sale_registered" } }
    assert(engine:handle(won { category = PARTNER }))
    assert(engine:handle(won { id = "g", trigger = "sale_registered" }))
    for _, options in ipairs { { preview = true }, { run = "a" } } do
      assert.same({ sale_won = { duplicate = 1 }, sale_registered = { already_in_category = 1 } },
        engine:backfill(past, options).outcomes)
    end
    local unchanged = engine:handle(won { id = "f", trigger = "sale_registered" })
    assert.same({ "unchanged", "already_in_category" }, { unchanged.status, unchanged.reason })
    engine:close()
  end)

  it("costs no commit of its own: it goes with the next one, whatever that writes", function()
    local engine, _, path = open(RULES)
    local before = commits(engine)
    assert(engine:handle(won { category = PARTNER }))
    assert(engine:handle_many { won { id = "f", category = PARTNER }, won { id = "g", category = PARTNER } })
    assert.equal(before, commits(engine))
    beside(path, function(other) assert.same({}, { other._store:counters("").remembered_events }) end)
    assert(engine:handle(won { id = "h" }))
    assert.equal(before + 1, commits(engine))
    beside(path, function(other)
      assert.equal(3, other._store:counters("").remembered_events)
      assert.equal("duplicate", other:handle(won { id = "g" }).status)
    end)
    engine:close()
  end)

  it("is written with a batch that writes more, also beyond what waits in memory", function()
    local engine, _, path = open(RULES)
    local events = {}
    for i = 1, 10000 do
      events[i] = won { id = "e" .. i, category = PARTNER }
    end
    events[5000] = won { id = "h" }
    local before = commits(engine)
    assert.equal(10000, #assert(engine:handle_many(events)))
    assert.equal(1, commits(engine) - before)
    beside(path, function(other) assert.equal(9999, other._store:counters("").remembered_events) end)
    engine:close()
  end)

  it("is written by the first call after three seconds, by maintain, flush, backup or close", function()
    local engine, _, path = open(RULES)
    local function left_to(id)
      return beside(path, function(other) return other:handle(won { id = id, category = PARTNER }).status end)
    end
    local ways = {
      three = function()
        core.forward(2.9)
        assert(engine:handle(won { id = "three", category = PARTNER }))
        local before = commits(engine)
        core.forward(0.2)
        assert(engine:handle(won { id = "three", category = PARTNER }))
        assert.equal(before + 1, commits(engine))
      end,
      maintain = function() assert(engine:maintain()) end,
      flush = function() assert(engine:flush()) end,
    }
    for id, way in pairs(ways) do
      assert(engine:handle(won { id = id, category = PARTNER }))
      way()
      assert.same({ id, "duplicate" }, { id, left_to(id) })
    end
    assert(engine:handle(won { id = "copied", category = PARTNER }))
    local copy = stores.path()
    assert(engine:backup(copy))
    engine:close()
    local restored = stores.open { path = copy, durability = "relaxed" }
    assert.equal("duplicate", restored:handle(won { id = "copied" }).status)
    restored:close()
  end)

  it("is decided anew by another process until then: whoever writes first is right", function()
    local engine, _, path = open(RULES)
    assert(engine:handle(won { category = PARTNER }))
    local entry = beside(path, function(other) return assert(other:handle(won())).entry end)
    assert.equal(entry, engine:handle(won()).entry)
    assert(engine:maintain())
    assert.equal(entry, engine:handle(won()).entry)
    assert.is_nil(engine._store:counters("").remembered_events)
    engine:close()
  end)

  it("waits for a commit among a few thousand others at most", function()
    local engine = open(RULES)
    local before = commits(engine)
    for i = 1, 9000 do
      engine:handle(won { id = "e" .. i, category = PARTNER })
    end
    assert.equal(2, commits(engine) - before)
    engine:close()
  end)

  it("is forgotten after thirty days, or when there are more than a million newer ones", function()
    local engine, time, path = open(RULES)
    local function mark(id)
      assert(engine:handle(won { id = id, category = PARTNER }))
      assert(engine:maintain())
    end
    mark "old"
    time.now = time.now + 20 * DAY
    mark "newer"
    time.now = time.now + 10 * DAY + 1
    stores.write_at(engine._store, time.now)
    assert.equal(1, engine:maintain().removed)
    assert.same({ "unchanged", "duplicate" },
      { engine:handle(won { id = "old", category = PARTNER }).status, engine:handle(won { id = "newer" }).status })
    engine:close()
    assert.same({}, core.check_store(path))
  end)

  it("is forgotten in steps, the oldest first", function()
    local engine, time, path = open(RULES)
    local events = {}
    for i = 1, 4000 do
      events[i] = won { id = ("e%04d"):format(i), category = PARTNER }
    end
    for first = 1, 4000, 1000 do
      assert(engine:handle_many { stores.unpack(events, first, first + 999) })
      assert(engine._store:settle())
    end
    local removed, steps, from = 0, 0, 0
    repeat
      local some
      some, from = engine._store:trim("", 0, 1500, time.now, from, "marks")
      removed, steps = removed + some, steps + 1
    until from == 0
    assert.is_true(steps > 5)
    local left = engine._store:counters("").remembered_events
    assert.equal(4000, removed + left)
    assert.is_true(left <= 1500 and left > 1000, left)
    assert.same({ "not_found", "unchanged" },
      { select(3, engine._store:seen("", "e0001")), engine._store:seen("", "e4000").status })
    engine:close()
    assert.same({}, core.check_store(path))
  end)

  it("shows in the metrics, and its duplicates are counted", function()
    local engine = open(RULES)
    assert(engine:handle(won { category = PARTNER }))
    assert(engine:handle(won { category = PARTNER }))
    assert(engine:maintain())
    local text = engine:metrics()
    assert.matches("\nleadcat_events_remembered 1\n", text)
    assert.matches('trigger="sale_won",status="duplicate",reason="not_potential_customer"} 1\n', text)
    engine:close()
  end)
end)
