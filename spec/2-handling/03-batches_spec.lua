-- Many events at once: how many commits they cost, and that each comes to what it would have come to alone.

local crm = require "support.crm"
local handling = require "support.handling"
local histories = require "support.histories"
local platform = require "leadcat.util.platform"
local stores = require "support.stores"
local times = require "support.times"

local LEAD, QUALIFIED, OPPORTUNITY, LOST_OPPORTUNITY, CUSTOMER, PARTNER = 1, 2, 3, 4, 5, 6 -- the preset's categories
local open, settled = handling.open, handling.settled
local commits = stores.commits
local statuses = histories.statuses

describe("commits", function()
  after_each(stores.check)

  local RULES = { sale_won = CUSTOMER, sale_registered = OPPORTUNITY, sale_lost = { LOST_OPPORTUNITY, ask = true } }

  -- `count` events about as many companies.
  local function events(trigger, count, choice)
    local list = {}
    for i = 1, count do
      list[i] = { id = trigger .. i, trigger = trigger, company = i, choice = choice }
    end
    return list
  end

  -- What is handled, and how many commits it takes with the embedded host and with another.
  local ROWS = {
    { "one update", events("sale_won", 1), 1, 2 },
    { "one question", events("sale_lost", 1), 1, 1 },
    { "one refusal", events("sale_lost", 1, false), 1, 1 },
    { "nothing to do", { { id = "1", trigger = "lead_status_set", company = 1, lead_status = 5 } }, 0, 0 },
    { "a batch of updates", events("sale_won", 20), 1, 2 },
    { "a batch of questions", events("sale_lost", 20), 1, 1 },
    { "a batch where a company repeats", { events("sale_registered", 1)[1], events("sale_won", 1)[1] }, 1, 4 },
    { "a batch where a company repeats after a question",
      { events("sale_lost", 1)[1], events("sale_won", 1)[1] }, 1, 3 },
    { "an empty batch", {}, 0, 0 },
  }
  for _, row in ipairs(ROWS) do
    it(("of %s: %d with the embedded host, %d with another"):format(row[1], row[3], row[4]), function()
      local companies, host = {}, crm.new()
      for i = 1, 20 do
        companies[i], host.companies[tostring(i)] = i, LEAD
      end
      for expected, options in pairs { [row[3] .. " embedded"] = {}, [row[4] .. " other"] = { host = host } } do
        local engine = open(RULES, options)
        if not options.host then
          engine.host:create_many(companies, LEAD)
        end
        local count = commits(engine, function()
          assert.equal(#row[2], #engine:handle_many(row[2]))
        end)
        assert.equal(expected, count .. (options.host and " other" or " embedded"))
        assert.equal(0, commits(engine, function() engine:handle_many(row[2]) end), "all are duplicates now")
        engine:close()
      end
    end)
  end
end)

describe("a batch", function()
  after_each(stores.check)

  local RULES = { sale_registered = OPPORTUNITY, sale_won = CUSTOMER, ["lead_status_set:5"] = QUALIFIED }

  -- With the embedded host, and with another one.
  local function each_host(fn)
    for _, options in ipairs { {}, { host = crm.new { Acme = LEAD, Bolt = LEAD } } } do
      local engine = open(RULES, options)
      fn(engine)
      engine:close()
    end
  end

  local function brief(outcomes)
    local list = {}
    for i, outcome in ipairs(outcomes) do
      list[i] = ("%s %s %s-%s"):format(outcome.status, outcome.reason, tostring(outcome.from), tostring(outcome.to))
    end
    return list
  end

  it("carries a company on from event to event, and answers in the events' order", function()
    each_host(function(engine)
      assert.same({
        "updated matched 1-2", "updated matched 1-5", "updated matched 2-3", "unchanged rule_disabled 5-nil",
        "updated matched 3-5", "unchanged not_potential_customer 5-nil",
      }, brief(assert(engine:handle_many {
        { trigger = "lead_status_set", company = "Acme", lead_status = 5 },
        { trigger = "sale_won", company = "Bolt" },
        { trigger = "sale_registered", company = "Acme" },
        { trigger = "sale_lost", company = "Bolt" },
        { trigger = "sale_won", company = "Acme" },
        { trigger = "sale_won", company = "Acme" },
      })))
    end)
  end)

  it("knows an id that repeats in it", function()
    each_host(function(engine)
      local outcomes = assert(engine:handle_many {
        { id = "a", trigger = "sale_registered", company = "Acme" },
        { id = "b", trigger = "sale_won", company = "Bolt" },
        { id = "a", trigger = "sale_registered", company = "Acme" },
        { id = "c", trigger = "sale_won", company = "Acme" },
        { id = "a", trigger = "sale_registered", company = "Acme" },
        { id = "b", trigger = "sale_won", company = "Bolt" },
      })
      assert.same({
        "updated matched 1-3", "updated matched 1-5", "duplicate matched 1-3", "updated matched 3-5",
        "duplicate matched 1-3", "duplicate matched 1-5",
      }, brief(outcomes))
      for place, first in pairs { [3] = 1, [5] = 1, [6] = 2 } do
        assert.same(outcomes[first], outcomes[place].first)
      end
    end)
  end)

  it("decides a repeated id anew where there was no rule for the first", function()
    each_host(function(engine)
      assert.same({ "unchanged rule_disabled 1-nil", "updated matched 1-5" }, brief(assert(engine:handle_many {
        { id = "a", trigger = "sale_lost", company = "Acme" },
        { id = "a", trigger = "sale_won", company = "Acme" },
      })))
    end)
  end)

  it("knows a repeated id whose first event came to nothing", function()
    each_host(function(engine)
      local outcomes = assert(engine:handle_many {
        { id = "a", trigger = "sale_won", company = "Acme" },
        { id = "b", trigger = "sale_registered", company = "Acme" },
        { id = "b", trigger = "sale_registered", company = "Bolt" },
        { id = "c", trigger = "sale_won", company = "Bolt" },
        { id = "b", trigger = "sale_won", company = "Core" },
      })
      assert.same({
        "updated matched 1-5", "unchanged not_potential_customer 5-nil", "duplicate not_potential_customer 5-nil",
        "updated matched 1-5", "duplicate not_potential_customer 5-nil",
      }, brief(outcomes))
      assert.same({ outcomes[2], outcomes[2] }, { outcomes[3].first, outcomes[5].first })
    end)
  end)

  it("is not begun when an event in it is wrong", function()
    each_host(function(engine)
      local count = commits(engine, function()
        local outcomes, message, code = engine:handle_many {
          { id = "a", trigger = "sale_won", company = "Acme" },
          { id = "b", trigger = "sale_won", company = "" },
        }
        assert.is_nil(outcomes)
        assert.matches("^events%[2%]: company must have 1 to 255 bytes", message)
        assert.equal("invalid", code)
        message = select(2, engine:handle_many { "sale_won" })
        assert.matches("^events%[1%]: an event must be a table, not a string", message)
      end)
      assert.same({ 0, "", {} }, { count, statuses(engine), engine:stats().outcomes })
    end)
  end)

  it("tells listeners of every outcome, in order", function()
    each_host(function(engine)
      local told = {}
      for _, name in ipairs { "updated", "unchanged" } do
        engine:on(name, function(event, outcome) told[#told + 1] = event.id .. " " .. outcome.status end)
      end
      engine:handle_many {
        { id = "a", trigger = "sale_won", company = "Acme" },
        { id = "a", trigger = "sale_won", company = "Acme" },
        { id = "b", trigger = "sale_won", company = "Acme" },
        { id = "c", trigger = "sale_won", company = "Bolt" },
      }
      assert.same({ "a updated", "b unchanged", "c updated" }, told)
      assert.same({ sale_won = {
        updated = { matched = 2 }, unchanged = { not_potential_customer = 1 }, duplicate = { matched = 1 },
      } }, engine:stats().outcomes)
    end)
  end)

  it("does all that it can when one event cannot be taken, and tells of it; all can be delivered again", function()
    local host = crm.new { Acme = LEAD, Bolt = LEAD }
    local engine = open(RULES, { host = host })
    local told, category = {}, host.category
    engine:on("updated", function(event) told[#told + 1] = event.id end)
    function host.category(company)
      if company == "Bolt" then
        return nil, "away"
      end
      return category(company)
    end
    local events = {
      { id = "a", trigger = "sale_registered", company = "Acme" },
      { id = "c", trigger = "sale_won", company = "Bolt" },
      { id = "d", trigger = "sale_won", company = "Bolt", category = LEAD }, -- behind "c", which comes first
      { id = "c", trigger = "sale_won", company = "Core", category = LEAD }, -- has the id of "c"
      { id = "b", trigger = "sale_won", company = "Acme" },
    }
    engine:on("not_taken", function(event, outcome) told[#told + 1] = event.company .. " " .. outcome.code end)
    local outcomes, message, code = engine:handle_many(events)
    assert.same({ "away", "unavailable" }, { message, code })
    local not_taken = { status = "not_taken", code = "unavailable", error = "away" }
    assert.same({ not_taken, not_taken, not_taken }, { outcomes[2], outcomes[3], outcomes[4] })
    assert.same({ "updated", "updated" }, { outcomes[1].status, outcomes[5].status })
    assert.equal(3, engine:stats().outcomes.sale_won.not_taken.unavailable)
    assert.same({ "a", "Bolt unavailable", "Bolt unavailable", "Core unavailable", "b" }, told)
    told = { "a", "b" }
    assert.same({ "updated updated", { "Acme 1 -> 3", "Acme 3 -> 5" } }, { statuses(engine), host.changes })
    host.category = category
    assert.same({
      "duplicate matched 1-3", "updated matched 1-5", "conflict matched 1-5", "duplicate matched 1-5",
      "duplicate matched 3-5",
    }, brief(assert(engine:handle_many(events))))
    assert.same({ "a", "b", "c" }, told)
    engine:close()
  end)

  it("redoes what came to nothing only because of a change that has not come about", function()
    local engine = open(RULES)
    local told = {}
    for _, name in ipairs { "updated", "unchanged" } do
      engine:on(name, function(event, outcome) told[#told + 1] = event.trigger .. " " .. outcome.status end)
    end
    -- The first makes Acme a customer, so that the second comes to nothing; but then Acme is set to another category
    -- before the batch is written. Now the first is decided anew, and so is what came to nothing behind it.
    local moved = false
    engine:on("guard", function(event)
      if event.company == "Bolt" and not moved then
        moved = engine.host.set_category("Acme", PARTNER, LEAD)
      end
    end)
    assert.same({
      "unchanged not_potential_customer 6-nil", "unchanged not_potential_customer 6-nil", "updated matched 1-5",
    }, brief(assert(engine:handle_many {
      { id = "a", trigger = "sale_won", company = "Acme" },
      { trigger = "sale_registered", company = "Acme" },
      { trigger = "sale_won", company = "Bolt" },
    })))
    assert.same({ "sale_won unchanged", "sale_registered unchanged", "sale_won updated" }, told)
    assert.equal(PARTNER, engine.host:get "Acme")
    engine:close()
  end)

  it("that fails late has told of all that was done before", function()
    local engine = open(RULES)
    local told = {}
    for _, name in ipairs { "updated", "unchanged" } do
      engine:on(name, function(event, outcome) told[#told + 1] = event.id .. " " .. outcome.status end)
    end
    -- Acme is changed while the batch is decided, so that its event has to be decided anew; then its guard fails.
    local moved, well = false, false
    engine:on("guard", function(event)
      if event.id == "c" then
        moved = engine.host.set_category("Acme", QUALIFIED, LEAD)
      elseif event.id == "b" and moved and not well then
        error("away", 0)
      end
    end)
    local events = {
      { id = "a", trigger = "sale_won", company = "Bolt" },
      { id = "b", trigger = "sale_won", company = "Acme" },
      { id = "c", trigger = "sale_won", company = "Bolt", category = LEAD },
    }
    local outcomes, message, code = engine:handle_many(events)
    assert.same({ "a guard raised: away", "unavailable" }, { message, code })
    assert.same({ "updated", "not_taken", "conflict" }, { outcomes[1].status, outcomes[2].status, outcomes[3].status })
    assert.equal("conflict updated", statuses(engine)) -- "c" has said where Bolt does not stand any more
    assert.same({ "a updated" }, told)
    assert.same({ sale_won = {
      updated = { matched = 1 }, conflict = { matched = 1 }, not_taken = { unavailable = 1 },
    } }, engine:stats().outcomes)
    well = true
    assert.same({ "duplicate matched 1-5", "updated matched 2-5", "duplicate matched 1-5" },
      brief(assert(engine:handle_many(events))))
    assert.same({ "a updated", "b updated" }, told)
    engine:close()
  end)

  it("finds an event that another engine has written while the batch was decided", function()
    local host = crm.new { Acme = LEAD, Bolt = LEAD }
    local engine, _, path = open(RULES, { host = host })
    local other = open(RULES, { host = host, path = path })
    local event = { id = "a", trigger = "sale_won", company = "Acme", category = LEAD }
    local done = false
    engine:on("guard", function()
      if not done then
        done = assert(other:handle(event)).status == "updated"
      end
    end)
    assert.same({ "duplicate matched 1-5", "updated matched 1-5", "duplicate matched 1-5" },
      brief(assert(engine:handle_many { event, { trigger = "sale_won", company = "Bolt" }, event })))
    assert.same({ "Acme 1 -> 5", "Bolt 1 -> 5" }, host.changes)
    other:close()
    engine:close()
  end)

  it("handles an event anew whose first entry the retention has removed just now", function()
    local engine = open { sale_won = CUSTOMER }
    assert(engine.host:create_many({ "Acme", "Bolt" }, LEAD))
    local first = { id = "a", trigger = "sale_won", company = "Acme" }
    assert(engine:handle(first))
    -- The retention comes between the core, which has met the id, and the look at the entry.
    local store = engine._store
    engine._store = setmetatable({ seen = function(_, tenant, id)
      stores.write_at(store, engine:_now() + 10)
      assert(store:trim(tenant, 1, 0, engine:_now() + 10, 0))
      return store:seen(tenant, id)
    end }, { __index = function(_, name) return function(_, ...) return store[name](store, ...) end end })
    assert.same({ "unchanged not_potential_customer 5-nil", "updated matched 1-5" },
      brief(assert(engine:handle_many { first, { trigger = "sale_won", company = "Bolt" } })))
    engine._store = store
    engine:close()
  end)

  it("reads where a company stands again when a change before it cannot have worked", function()
    each_host(function(engine)
      assert.same({ "conflict matched 3-5", "updated matched 1-5" }, brief(assert(engine:handle_many {
        { trigger = "sale_won", company = "Acme", category = OPPORTUNITY },
        { trigger = "sale_won", company = "Acme" },
      })))
    end)
  end)

  -- Random events about few companies, with few ids, some with an actor, a category (mostly a wrong one) or a choice.
  local function random_events(seed, count, answered)
    local function random(n)
      seed = seed * 16807 % 2147483647
      return seed % n + 1
    end
    local list = {}
    for i = 1, count do
      list[i] = {
        id = random(3) > 1 and random(count) or nil,
        trigger = ({ "sale_registered", "sale_won", "sale_lost", "lead_status_set", "sale_reopened" })[random(5)],
        company = random(4), lead_status = ({ 2, 5 })[random(2)],
        category = random(6) == 1 and random(5) or nil, actor = random(4) == 1 and { id = "ann" } or nil,
      }
      local choice = random(12)
      if answered and choice <= 3 then
        list[i].choice = ({ false, LEAD, PARTNER })[choice]
      end
    end
    return list
  end

  it("comes to the same as its events one by one", function()
    local rules = {
      sale_registered = OPPORTUNITY, sale_won = { CUSTOMER, ask = true }, sale_lost = LEAD,
      ["lead_status_set:5"] = QUALIFIED, ["lead_status_set:2"] = { LOST_OPPORTUNITY, ask = true },
      sale_reopened = LEAD,
    }
    local met = {}
    -- A new store with four leads; what `handle` makes of the events; and what is then left behind.
    local function run(embedded, guarded, events, handle)
      local host = not embedded and crm.new { LEAD, LEAD, LEAD, LEAD } or nil
      local engine = open(rules, { host = host })
      if embedded then
        engine.host:create_many({ 1, 2, 3, 4 }, LEAD)
      end
      if guarded then
        engine:on("guard", function() end) -- from now on there is more to do than the core does
      end
      local outcomes, found = assert(handle(engine, events)), {}
      for i, outcome in ipairs(outcomes) do
        found[i] = settled(outcome)
        met[outcome.status] = true
      end
      for company = 1, 4 do -- what a host of one's own has to do waits for it, while other companies go on
        found[#found + 1] = engine.host.category(company)
        found[#found + 1] = statuses(engine, { company = company })
      end
      found[#found + 1] = embedded and statuses(engine) or nil
      engine:close()
      return found
    end
    local function one_by_one(engine, events)
      local outcomes = {}
      for i, event in ipairs(events) do
        outcomes[i] = assert(engine:handle(event))
      end
      return outcomes
    end
    local function at_once(engine, events)
      return engine:handle_many(events)
    end
    for seed = 1, math.max(12, times(40)) do
      local events = random_events(seed * 7919, 12, seed % 2 == 0)
      local expected = run(true, true, events, one_by_one)
      assert.same(expected, run(true, false, events, one_by_one), ("seed %d, in the core"):format(seed))
      assert.same(expected, run(true, false, events, at_once), ("seed %d, in the core at once"):format(seed))
      assert.same(expected, run(true, true, events, at_once), ("seed %d, at once"):format(seed))
      assert.same(run(false, false, events, one_by_one), run(false, false, events, at_once),
        ("seed %d, another host"):format(seed))
    end
    for _, status in ipairs { "updated", "awaiting_confirmation", "unchanged", "conflict", "declined", "duplicate" } do
      assert.is_true(met[status], status .. " was never met")
    end
  end)
end)

describe("a batch that is no array, or a long one", function()
  after_each(stores.check)

  it("is refused before anything is written when it has a hole", function()
    local engine = stores.open()
    assert(engine:save(stores.config { sale_won = 5 }))
    assert(engine.host:create("Acme", 1))
    local won = { trigger = "sale_won", company = "Acme" }
    for _, events in ipairs { { won, nil, won }, { first = won } } do
      local outcomes, message, code = engine:handle_many(events)
      assert.same({ nil, "invalid" }, { outcomes, code })
      assert.matches("^events%[%d%]: an event must be a table", message)
    end
    assert.equal(1, engine.host:get "Acme")
    engine:close()
  end)

  -- What becomes of events, where other requests wait and where none do: outcomes, commits, and where companies stand.
  local function handle(events, others_wait, guard)
    local can_yield, give_way = platform.can_yield, platform.give_way
    platform.can_yield, platform.give_way = function() return others_wait end, function() end
    local ok, result = pcall(function()
      local engine = stores.open { durability = "relaxed" }
      local rules = { sale_won = QUALIFIED, sale_registered = OPPORTUNITY, sale_lost = { LEAD, ask = true } }
      assert(engine:save(stores.config(rules)))
      engine.host:create_many({ 1, 2, 3, 4, 5, 6, 7 }, 1)
      engine:on("guard", guard or function() end)
      local before, result, left = engine:stats().commits.count, { engine:handle_many(events) }, {}
      result.left, result.commits = left, engine:stats().commits.count - before
      for company = 1, 7 do
        left[#left + 1] = engine.host:get(company)
      end
      for _, entry in ipairs(engine:history { limit = 1000 }) do
        left[#left + 1] = ("%s %s %s %s"):format(entry.event_id, entry.company, entry.status, entry.to)
      end
      for _, outcome in ipairs(type(result[1]) == "table" and result[1] or {}) do
        outcome.entry, outcome.key, outcome.confirmation = nil, nil, nil
        outcome.first = outcome.first and outcome.first.status
      end
      engine:close()
      return result
    end)
    platform.can_yield, platform.give_way = can_yield, give_way
    return assert(ok and result, result)
  end

  local function events_of(count)
    local events, triggers = {}, { "sale_registered", "sale_lost", "sale_won" }
    for i = 1, count do
      events[i] = { id = "e" .. i % 329, trigger = triggers[i * i % 11 % 3 + 1], company = i * 5 % 7 + 1 }
    end
    return events
  end

  it("is handled part by part where other requests wait, and comes to the same", function()
    local alone, among_others = handle(events_of(350), false), handle(events_of(350), true)
    assert.is_true(among_others.commits > alone.commits and among_others.commits <= 8, among_others.commits)
    among_others.commits, alone.commits = nil, nil
    assert.same(alone, among_others)
  end)

  it("stops those of a company and an id in later parts, too, when one cannot be taken", function()
    local function guard(event)
      if event.id == "e12" then
        error "it is closed today"
      end
    end
    local alone, among_others = handle(events_of(350), false, guard), handle(events_of(350), true, guard)
    assert.matches("it is closed today", among_others[2])
    among_others.commits, alone.commits = nil, nil
    assert.same(alone, among_others)
  end)

  it("is refused before any part of it is written, when one of its events is none", function()
    local events = events_of(350)
    events[349].trigger = "sale_one"
    for _, others_wait in ipairs { false, true } do
      local result = handle(events, others_wait)
      assert.same({ nil, "invalid", 0 }, { result[1], result[3], result.commits })
      assert.matches("^events%[349%]: trigger must be", result[2])
    end
  end)

  it("is cut after 1,000 changes of a host's, so that its claim stays short", function()
    local companies = {}
    local engine = stores.open { durability = "relaxed", host = crm.new(companies) }
    assert(engine:save(stores.config { sale_won = 5 }))
    local events = {}
    for i = 1, 1001 do
      engine.host.companies[tostring(i)], events[i] = 1, { trigger = "sale_won", company = i }
    end
    local before = engine:stats().commits.count
    assert.equal(1001, #assert(engine:handle_many(events)))
    assert.equal(4, engine:stats().commits.count - before)
    engine:close()
  end)
end)
