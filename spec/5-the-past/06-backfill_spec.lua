-- Backfill: the rules applied to what has happened before there were any. This spec fills a store from the past, foresees
-- that, kills it again and again and has it come to the same, takes it back, and goes through what may come between.

local core = require "leadcat.core"
local crm = require "support.crm"
local json = require "leadcat.util.json"
local run_of = require "leadcat.past.runs"
local stores = require "support.stores"
local times = require "support.times"

local LEAD, QUALIFIED, OPPORTUNITY, LOST_OPPORTUNITY, CUSTOMER, PARTNER = 1, 2, 3, 4, 5, 6 -- the preset's categories
local ANN = { id = "ann", name = "Ann", admin = true }
local NOW, PAST = 1700000000, 1500000000
local DAY = 24 * 3600
local RULES = { sale_registered = OPPORTUNITY, sale_won = CUSTOMER, sale_lost = { LOST_OPPORTUNITY, ask = true } }
local MOVING = { sale_registered = OPPORTUNITY, sale_won = QUALIFIED, sale_lost = { LOST_OPPORTUNITY, ask = true } }
local HOSTS = { "the embedded host", "a host of one's own" }

-- An engine with these companies, all of them leads, and RULES; with MOVING ones, where companies come to no end. Its clock
-- stands still.
local function open(name, companies, options, rules)
  options = options or {}
  options.clock, options.durability = options.clock or function() return NOW end, "relaxed"
  local host = crm.new()
  for _, company in ipairs(companies) do
    host.companies[tostring(company)] = LEAD
  end
  options.host = options.host or name == HOSTS[2] and host or nil
  local engine, path = stores.open(options)
  assert(engine:save(stores.config(rules or RULES)))
  if engine.host.create then
    assert(engine.host:create_many(companies, LEAD))
  end
  return engine, path
end

local function event(trigger, company, days, fields)
  local made = { trigger = trigger, company = company, at = PAST + days * DAY, actor = { id = "bob" } }
  for name, value in pairs(fields or {}) do
    made[name] = value
  end
  return made
end

-- Many events of few companies, in no order; the same for the same seed.
local function history(count, companies, seed)
  local state = seed
  local function random(n) -- Park and Miller: the same in every Lua
    state = state * 16807 % 2147483647
    return state % n + 1
  end
  local triggers, events = { "sale_registered", "sale_won", "sale_lost" }, {}
  for i = 1, count do
    events[i] = event(triggers[random(3)], "c" .. random(companies), random(4000), {
      id = random(4) > 1 and "e" .. i or nil,
    })
  end
  return events
end

local function names(count)
  local companies = {}
  for i = 1, count do
    companies[i] = "c" .. i
  end
  return companies
end

-- All that is left of what has happened: entries in their order, questions, and where companies stand.
local function state_of(engine, companies)
  local state, after = { entries = {}, questions = {}, categories = {} }, nil
  local page
  repeat
    page = assert(engine:history { after = after, limit = 1000 })
    for _, entry in ipairs(page) do
      state.entries[#state.entries + 1] = ("%s %s %d-%d %s %d"):format(entry.company, entry.rule, entry.from, entry.to,
        entry.status, entry.at)
      after = entry.entry
    end
  until #page == 0
  after = nil
  repeat
    page = assert(engine:confirmations { after = after, limit = 1000 })
    for _, record in ipairs(page) do
      state.questions[#state.questions + 1] = ("%s %s %d-%d %s"):format(record.company, record.rule, record.from,
        record.to, record.state)
      after = record.id
    end
  until #page == 0
  for _, company in ipairs(companies) do
    state.categories[company] = engine.host.category(company)
  end
  return state
end

local function without_run(report)
  report.run, report.resumed = nil, nil
  return report
end

describe("a backfill", function()
  after_each(stores.check)

  for _, name in ipairs(HOSTS) do
    it("applies the rules to the past in the order of dates: " .. name, function()
      local engine = open(name, { "Acme", "Bolt" })
      local report = assert(engine:backfill({
        event("sale_won", "Acme", 20), event("sale_lost", "Bolt", 15, { category = PARTNER }),
        event("sale_registered", "Acme", 10), event("sale_registered", "Bolt", 10),
      }, { actor = ANN, confirm = "ask" }))
      assert.same({
        run = report.run, events = 4, companies = 2,
        outcomes = { sale_registered = { update = 2 }, sale_won = { update = 1 }, sale_lost = { confirm = 1 } },
        changes = {
          { trigger = "sale_lost", outcome = "confirm", from = "Opportunity", to = "Lost opportunity", events = 1 },
          { trigger = "sale_registered", outcome = "update", from = "Lead", to = "Opportunity", events = 2 },
          { trigger = "sale_won", outcome = "update", from = "Opportunity", to = "Customer", events = 1 },
        },
      }, report)
      assert.same({ entries = {
        "Acme sale_won 3-5 updated 1501728000", "Bolt sale_lost 3-4 awaiting_confirmation 1501296000",
        "Bolt sale_registered 1-3 updated 1500864000", "Acme sale_registered 1-3 updated 1500864000",
      }, questions = { "Bolt sale_lost 3-4 open" }, categories = { Acme = CUSTOMER, Bolt = OPPORTUNITY } },
        state_of(engine, { "Acme", "Bolt" }))
      assert.equal(4, #engine:history { run = report.run })
      assert.equal("bob", engine:history()[1].actor.id)

      -- The question is asked now, and the entries were written now: neither is over because its event is long ago.
      local record = engine:confirmations({})[1]
      assert.same({ NOW, NOW + 7 * DAY }, { record.created_at, record.expires_at })
      assert.same({ 0, 0 }, { engine:maintain().expired, engine:maintain().removed })
      assert.equal(4, #engine:history())
      engine:close()
    end)

    for _, row in ipairs {
      { "skip", "unchanged", { skipped = 1 }, OPPORTUNITY, 0 }, { "ask", "awaiting_confirmation", { confirm = 1 },
        OPPORTUNITY, 1 }, { "accept", "updated", { update = 1 }, LOST_OPPORTUNITY, 0 },
    } do
      it(("leaves out, asks or accepts what a rule asks for: %s, %s"):format(row[1], name), function()
        local engine, told = open(name, { "Acme" }), {}
        engine:on(row[2], function(_, outcome) told[#told + 1] = outcome.action end)
        local events = { event("sale_registered", "Acme", 1), event("sale_lost", "Acme", 2) }
        local report = assert(engine:backfill(events, { confirm = row[1] }))
        assert.same({ row[3], row[4], row[5] },
          { report.outcomes.sale_lost, engine.host.category "Acme", #engine:confirmations {} })
        assert.equal("confirm", told[#told])
        engine:close()
      end)
    end

    for _, confirm in ipairs { "skip", "ask", "accept" } do
      it(("comes to what its preview says: %s, %s"):format(confirm, name), function()
        local companies = names(60)
        local engine = open(name, companies, {}, MOVING)
        local events = history(times(1500), 65, 17) -- five companies that nobody knows
        engine:on("guard", function(about)
          return about.company == "c7" and PARTNER or about.company ~= "c9" and nil
        end)
        local done = {}
        assert(engine:handle(events[1]))
        events[#events + 1] = events[1] -- was seen, if it has an id
        local before = state_of(engine, companies)
        local foreseen = assert(engine:backfill(events, {
          preview = true, confirm = confirm, on_progress = function(count) done[#done + 1] = count end,
        }))
        assert.same(before, state_of(engine, companies))
        assert.equal(#events, done[#done])
        local report = assert(engine:backfill(events, { confirm = confirm }))
        assert.equal(#events, report.events)
        assert.same(foreseen, without_run(report))
        engine:close()
      end)
    end

    it("takes it back, all but what has been changed since: " .. name, function()
      local companies = names(60)
      local engine = open(name, companies, {}, MOVING)
      local report = assert(engine:backfill(history(times(1000), 60, 5), { confirm = "accept" }))
      local moved
      for _, company in ipairs(companies) do
        local category = engine.host.category(company)
        if category ~= LEAD and not moved then
          moved = company
          assert.is_true(engine.host.set_category(company, PARTNER, category))
        end
      end
      local foreseen = assert(engine:undo { run = report.run, preview = true })
      local undone = assert(engine:undo({ run = report.run }, { actor = ANN }))
      assert.same({ #foreseen.undone, foreseen.refused }, { #undone.undone, undone.refused })
      assert.is_true(#undone.refused > 0)
      for _, refused in ipairs(undone.refused) do
        assert.equal(moved, refused.company)
      end
      for _, company in ipairs(companies) do
        assert.equal(company == moved and PARTNER or LEAD, engine.host.category(company))
      end
      engine:close()
    end)

    it("decides anew what somebody else changes meanwhile: " .. name, function()
      local companies = names(20)
      local engine = open(name, companies)
      local meddled = 0
      engine:on("guard", function(about)
        local category = engine.host.category(about.company)
        if about.company == "c3" and about.trigger == "sale_won" and category ~= PARTNER and category ~= CUSTOMER then
          meddled = meddled + 1
          assert(engine:handle { trigger = "sale_won", company = "c4", choice = false }) -- an entry, and no change
          assert(engine.host.set_category("c3", PARTNER, category))
        end
      end)
      local events = history(400, 20, 99)
      events[#events + 1] = event("sale_won", "c3", -1)
      local report = assert(engine:backfill(events))
      assert.equal(1, meddled)
      assert.same({ PARTNER, 401 }, { engine.host.category "c3", report.events })

      -- All others as without that.
      local other = open(name, companies)
      other:on("guard", function(about) return about.company ~= "c3" and nil end)
      assert(other:backfill(events))
      for _, company in ipairs(companies) do
        assert.equal(company == "c3" and LEAD or engine.host.category(company), other.host.category(company))
      end
      other:close()
      engine:close()
    end)

    it("goes on where the store could not be written, and does nothing when it is finished: " .. name, function()
      local companies = names(60)
      local engine, other = open(name, companies, {}, MOVING), open(name, companies, {}, MOVING)
      local events = history(2500, 60, 3)
      local expected = assert(other:backfill(events, { confirm = "ask" }))
      local mend
      local report, message, code = engine:backfill(events, {
        run = "past", confirm = "ask", on_progress = function() mend = mend or stores.fail(engine, "handle") end,
      })
      assert.same({ nil, "full" }, { report, code })
      assert.matches("^run past, 1000 events done: no room$", message)
      mend()
      report = assert(engine:backfill(events, { run = "past", confirm = "ask" }))
      assert.is_true(report.resumed > 0)
      assert.same(state_of(other, companies), state_of(engine, companies))
      assert.same(without_run(expected), without_run(report))
      local again = assert(engine:backfill(events, { run = "past", confirm = "ask" }))
      assert.is_true(again.already)
      again.already = nil
      assert.same(report, without_run(again))
      assert.same(state_of(other, companies), state_of(engine, companies))
      engine:close()
      other:close()
    end)
  end

  it("takes an iterator, in the order of dates", function()
    local engine = open(HOSTS[1], { "Acme" })
    local events = { event("sale_registered", "Acme", 2), event("sale_won", "Acme", 1) }
    local function iterate()
      local i = 0
      return function()
        i = i + 1
        return events[i]
      end
    end
    local _, message, code = engine:backfill(iterate())
    assert.same({ "invalid" }, { code })
    assert.matches("event 2: it happened before the one that comes before it", message)
    assert.equal(0, #engine:history()) -- the batch was not begun
    events[2].at = events[1].at
    assert.equal(2, assert(engine:backfill(iterate())).events)
    assert.same({ nil, "torn", "io" }, { engine:backfill(function() return nil, "torn", "io" end) })
    assert.same({ nil, "torn", "invalid" }, { engine:backfill(function() return nil, "torn" end) })
    engine:close()
  end)

  it("says which event it ends at", function()
    local engine = open(HOSTS[1], { "Acme", "Bolt" })
    local _, message, code = engine:backfill {
      event("sale_lost", "Bolt", 2, { choice = 99, actor = ANN }), event("sale_won", "Acme", 1),
    }
    assert.equal("invalid", code)
    assert.matches("^run %x+, 0 events done: event 2: the user chose category 99, which does not exist$", message)
    engine:close()
  end)

  it("is refused with events that have no date or are none, before anything is written", function()
    local engine = open(HOSTS[1], { "Acme" })
    for _, row in ipairs {
      { { trigger = "sale_won", company = "Acme" }, "`at` is absent" },
      { { trigger = "sale_one", company = "Acme", at = 1 }, "trigger must be" }, { "won", "must be a table" },
    } do
      local _, message, code = engine:backfill { event("sale_won", "Acme", 1), row[1] }
      assert.equal("invalid", code)
      assert.matches("^events%[2%]: .*" .. row[2], message)
    end
    local _, message, code = engine:backfill({}, { start_category = "Laed" })
    assert.same({ "invalid", "start_category: there is no category 'Laed'" }, { code, message })
    assert.equal(0, #engine:history())
    engine:close()
  end)

  it("gives the embedded host the companies that it does not know, in the start category", function()
    local engine = open(HOSTS[1], { "Acme" })
    assert(engine:backfill({ event("sale_won", "Bolt", 1), event("sale_won", 7, 2) }, { start_category = "Lead" }))
    assert.same({ LEAD, CUSTOMER, CUSTOMER }, { engine.host:get "Acme", engine.host:get "Bolt", engine.host:get(7) })
    local other = open(HOSTS[2], { "Acme" })
    assert.equal("invalid", select(3, other:backfill({}, { start_category = "Lead" })))
    other:close()
    engine:close()
  end)

  it("is carried on with the same events and options only", function()
    local engine = open(HOSTS[1], names(5))
    local events = history(50, 5, 1)
    assert(engine:backfill(events, { run = "past" }))
    local before = #engine:history()
    for _, row in ipairs {
      { history(50, 5, 2), {} }, { events, { confirm = "ask" } }, { events, { source = "mine" } },
    } do
      row[2].run = "past"
      local _, message, code = engine:backfill(row[1], row[2])
      assert.equal("invalid", code)
      assert.matches("^run past was begun with other events or options: with 50 events, checksum %x+; conf", message)
    end
    assert(run_of.begin(engine, "replay", { run = "other" }))
    local _, message, code = engine:backfill(events, { run = "other" })
    assert.same({ "run other is no backfill but a replay", "invalid" }, { message, code })
    assert.equal(before, #engine:history())
    engine:close()
  end)

  it("is known again by its events and options, until the config is another or it is undone", function()
    local engine = open(HOSTS[1], names(60), {}, MOVING)
    local events, first = history(2500, 60, 3), nil
    local mend
    assert.equal("full", select(3, engine:backfill(events, {
      on_begin = function(id, done) first = { id, done } end,
      on_progress = function() mend = mend or stores.fail(engine, "handle") end,
    })))
    mend()
    local begun
    local function fill(options)
      options.on_begin = function(id, done) begun = { id, done } end
      return assert(engine:backfill(events, options)).run
    end
    assert.same({ first[1], 0 }, first)
    assert.equal(first[1], fill {})
    assert.same({ first[1], 1000 }, begun)
    local entries = #engine:history { limit = 1000, run = first[1] }
    assert.equal(first[1], fill {}) -- finished: nothing is done
    assert.equal(entries, #engine:history { limit = 1000, run = first[1] })
    assert.are_not.equal(first[1], fill { confirm = "accept" })
    assert.equal(first[1], fill {})

    assert.equal(0, #engine:undo({ run = first[1], preview = true }).undone) -- the one behind it is in the way
    assert.equal(first[1], fill {})
    assert(engine:undo { run = first[1] })
    local _, message = engine:backfill(events, { run = first[1] })
    assert.equal(("run %s was undone: give another, or none"):format(first[1]), message)
    local second = fill {}
    assert.are_not.equal(first[1], second)
    assert.equal(second, fill {})
    assert(engine:save(stores.config(RULES)))
    assert.are_not.equal(second, fill {})
    engine:close()
  end)

  it("stops when it is undone while it is under way", function()
    local engine = open(HOSTS[1], names(20), {}, MOVING)
    local batches = 0
    local _, message, code = engine:backfill(history(3000, 20, 6), { run = "past", on_progress = function()
      batches = batches + 1
      assert.is_true(batches > 1 or #assert(engine:undo { run = "past" }).undone > 0)
    end })
    assert.same({ "conflict", 1 }, { code, batches })
    assert.matches("somebody else is carrying it on, or has undone it", message)
    for _, company in ipairs(names(20)) do
      assert.equal(LEAD, engine.host:get(company))
    end
    engine:close()
  end)

  it("is carried on by one at a time", function()
    local engine = open(HOSTS[1], names(5))
    local events, again = history(50, 5, 1), nil
    engine:on("guard", function()
      if not again then
        again = true
        again = assert(engine:backfill(events, { run = "past" }))
      end
    end)
    local _, message, code = engine:backfill(events, { run = "past" })
    assert.equal("conflict", code)
    assert.equal("run past, 0 events done: somebody else is carrying it on, or has undone it", message)
    assert.equal(#engine:history(), #engine:history { run = "past" })
    assert.equal(again.events, 50)
    assert.same({}, assert(engine:undo { run = "past" }).refused)
    engine:close()
  end)

  it("ends where the host fails, and goes on when it is well again", function()
    local companies, events = names(20), history(300, 20, 8)
    local time = NOW
    local engine = open(HOSTS[2], companies, { clock = function() return time end })
    local other = open(HOSTS[2], companies)
    assert(other:backfill(events))
    local set = engine.host.set_category
    local left = 9
    function engine.host.set_category(...)
      left = left - 1
      if left < 0 then
        return nil, "away"
      end
      return set(...)
    end
    local _, message, code = engine:backfill(events, { run = "past" })
    assert.equal("unavailable", code)
    assert.matches("has an unfinished change: away", message)
    engine.host.set_category, time = set, time + 60
    assert(engine:recover())
    assert.is_true(assert(engine:backfill(events, { run = "past" })).resumed > 0)
    assert.same(state_of(other, companies), state_of(engine, companies))
    engine:close()
    other:close()
  end)

  it("takes its time", function()
    local engine = open(HOSTS[1], names(5))
    local began, batches = core.now(), 0
    assert(engine:backfill(history(60, 5, 1), { rate = 200, on_progress = function() batches = batches + 1 end }))
    assert.is_true(core.now() - began >= 0.29)
    assert.equal(3, batches)
    engine:close()
  end)

  it("is an administrator's, or the program's own", function()
    local engine = open(HOSTS[1], { "Acme" })
    assert.equal("forbidden", select(3, engine:backfill({}, { actor = { id = "bob" } })))
    local events = { { trigger = "sale_won", company = "Acme", at = PAST } }
    assert(engine:backfill(events, { actor = ANN }))
    assert.equal("Ann", engine:history()[1].actor.name) -- of an event that has none
    assert.is_nil(events[1].actor)
    engine:close()
  end)

  it("takes options that there are", function()
    local engine = open(HOSTS[1], {})
    for _, row in ipairs {
      { { nil }, "events: an array or an iterator expected, got nil" },
      { { {}, { confirm = "no" } }, "option 'confirm'" }, { { {}, { rate = 0 } }, "option 'rate'" },
      { { {}, { run = "a b" } }, "option 'run'" }, { { {}, { run = "" } }, "option 'run'" },
      { { {}, { run = ("x"):rep(61) } }, "option 'run'" },
      { { {}, { batch = 1 } }, "unknown option 'batch'" },
    } do
      local ok, message = pcall(function() engine:backfill(row[1][1], row[1][2]) end)
      assert.is_false(ok)
      assert.matches("_spec%.lua:%d+: " .. row[2], message)
    end
    assert.equal(0, assert(engine:backfill({}, { run = ("x"):rep(60) })).events)
    engine:close()
  end)
end)

-- The command ----------------------------------------------------------------------------------------------------------

describe("leadcat backfill", function()
  after_each(stores.check)

  local SALES = "Firm,Made,Done,Stage\nAcme,2017-03-01,2017-04-01,Won\nBolt,2017-02-01,2017-05-01,Lost\n"

  -- A store, or the one in `path`, and a function that runs the command on these sales.
  local function prepare(content, path)
    if not path then
      local engine
      engine, path = open(HOSTS[1], {})
      engine:close()
    end
    return path, function(...)
      return stores.leadcat("backfill", "--path", path, "--opportunities", stores.file(content or SALES, ".csv"),
        "--company", "Firm", "--created", "Made", "--closed", "Done", "--stage", "Stage", "--won", "Won",
        "--lost", "Lost", "--start-category", "Lead", ...)
    end
  end

  it("says what would be done, does it, says so, and does it once", function()
    local path, fill = prepare()
    local preview = json.decode((fill("--preview", "--json")))
    assert.is_nil(preview.run)
    assert.equal("sales", preview.reading.kind)
    preview.reading = nil -- how the file was read
    local output, errors, status = fill("--json", "--run", "past")
    local said = "leadcat: run past (if it is interrupted, the same command goes on from there)\n"
    assert.same({ said, 0 }, { errors, status })
    local report = json.decode(output)
    assert.same({ sale_registered = { update = 2 }, sale_won = { update = 1 }, sale_lost = { skipped = 1 } },
      report.outcomes)
    report.run = nil
    assert.same(preview, report)
    output, errors, status = fill() -- the same, whether it is named or not
    assert.same({ "", 0 }, { errors, status })
    assert.equal(output, (fill("--run", "past")))
    assert.matches("^run past is finished already: nothing was done", output)
    assert.matches("\nsale_lost +Opportunity +Lost opportunity +skipped +1\n", output)
    assert.matches("\nleadcat undo %-%-path %S+ %-%-run past takes that back\n$", output)
    local engine = stores.open { path = path }
    assert.same({ CUSTOMER, OPPORTUNITY, 3 }, { engine.host:get "Acme", engine.host:get "Bolt", #engine:history() })
    engine:close()
  end)

  it("gives each run an id of its own, and refuses another file for one", function()
    local path, fill = prepare()
    local id = select(2, fill()):match "^leadcat: run (%x+) "
    assert.equal(12, #id)
    local _, other = prepare(SALES .. "Cape,2017-06-01,,Open\n", path)
    local output, errors, status = other("--run", id)
    assert.same({ "", 1 }, { output, status })
    assert.matches("was begun with other events or options: with %d+ bytes, checksum %x+ .- confirm skip", errors)
  end)

  it("takes events in any order from standard input, and knows them again", function()
    local path = prepare()
    local file = stores.file('{"trigger":"sale_won","company":"Acme","at":200}\n'
      .. '{"trigger":"sale_registered","company":"Acme","at":100}\n', ".jsonl")
    local function fill(input)
      local pipe = assert(io.popen(("%s lua/leadcat/bin/leadcat backfill --path %s --start-category Lead %s <%s 2>&1")
        :format(os.getenv "LEADCAT_LUA" or "lua5.4", path, "--events - --format jsonl --run past", input)))
      local output = pipe:read "*a"
      pipe:close()
      return output
    end
    assert.matches("\nsale_won +Opportunity +Customer +update +1\n", fill(file))
    assert.matches("is finished already", fill(file))
    assert.matches("^leadcat: standard input: Is a directory\n$", fill ".")
    local other = stores.file '{"trigger":"sale_won","company":"Acme","at":200}\n'
    assert.matches("was begun with other events", fill(other))
  end)

  it("writes nothing of a file with a bad line", function()
    local path, fill = prepare("Firm,Made,Done,Stage\nAcme,2017-03-01,2017-04-01,Won\nBolt,soon,,Open\n")
    local _, errors, status = fill("--run", "past")
    assert.equal(1, status)
    assert.matches(":3: Made is \"soon\"", errors)
    local engine = stores.open { path = path }
    assert.same({ {}, nil }, { engine:history(), engine.host:get "Acme" })
    engine:close()
    assert.matches("1 bad line left out", select(2, fill("--run", "past", "--keep-going")))
  end)

  for _, row in ipairs {
    { ".csv", "trigger,company,at\nsale_won,Acme,1\nsale_woon,Bolt,2\nsale_won,Cape,3\n", ":3: trigger must be" },
    { ".jsonl", '{"trigger":"sale_won","company":"Acme","at":1}\nno JSON\n', ":2: invalid JSON" },
  } do
    it("writes nothing of a file of events with a bad line, " .. row[1], function()
      local path = prepare()
      local file = stores.file(row[2], row[1])
      local function fill(...)
        return stores.leadcat("backfill", "--path", path, "--start-category", "Lead", file, ...)
      end
      local output, errors, status = fill()
      assert.same({ "", 1 }, { output, status })
      assert.matches(row[3], errors)
      local engine = stores.open { path = path }
      assert.same({ {}, nil }, { engine:history(), engine.host:get "Acme" })
      engine:close()
      assert.matches("1 bad line left out", select(2, fill "--keep-going"))
    end)
  end
end)

-- Killed ---------------------------------------------------------------------------------------------------------------

describe("a backfill that is killed", function()
  after_each(stores.check)

  local KILLS, COMPANIES = 10, 200

  local function csv_of(events)
    local lines = { "id,trigger,company,at,actor" }
    for i, made in ipairs(events) do
      lines[i + 1] = ("%s,%s,%s,%d,bob"):format(made.id or "", made.trigger, made.company, made.at)
    end
    return stores.file(table.concat(lines, "\n") .. "\n", ".csv")
  end

  -- The command, as a process of its own; the first line says its id.
  local function start(words)
    local pipe = assert(io.popen(("echo $$; exec %s %s 2>&1"):format(os.getenv "LEADCAT_LUA" or "lua5.4", words)))
    return pipe, assert(pipe:read "*l")
  end

  -- Runs it and kills it after a while, ten times; then to its end. Gives what it says then.
  local function kill_again_and_again(words, longest)
    local seed = os.time() % 100000
    math.randomseed(seed)
    local killed = 0
    for _ = 1, KILLS do
      local pipe, id = start(words)
      pipe:read "*l" -- it has begun
      core.sleep(math.random() * longest)
      os.execute("kill -9 " .. id .. " 2>/dev/null")
      killed = killed + (pipe:read "*a":find "events" and 0 or 1)
      pipe:close()
    end
    assert.is_true(killed > 0, ("each ended before it was killed (seed %d)"):format(seed))
    local pipe = start(words)
    local said = pipe:read "*a"
    pipe:close()
    return said, seed
  end

  -- The same state, and all of it can be taken back.
  local function assert_same(expected, engine, companies, run, seed)
    assert.same(expected, state_of(engine, companies), ("seed %d"):format(seed))
    assert.same({}, assert(engine:undo { run = run }).refused)
    for _, company in ipairs(companies) do
      assert.equal(LEAD, engine.host.category(company))
    end
  end

  it("at any moment comes to what it comes to otherwise: the command, with " .. HOSTS[1], function()
    local companies = names(COMPANIES)
    local events = history(math.max(2000, times(5000)), COMPANIES, 41)
    local other, engine, path = open(HOSTS[1], companies, {}, MOVING), open(HOSTS[1], companies, {}, MOVING)
    assert(other:backfill(events, { confirm = "ask" }))
    local expected = state_of(other, companies)
    other:close()
    engine:close()
    local said, seed = kill_again_and_again(("lua/leadcat/bin/leadcat backfill --path %s --events %s %s")
      :format(path, csv_of(events), "--confirm ask --rate 3000"), 0.15)
    engine = stores.open { path = path }
    local run = said:match "events, %d+ companies updated %(run (%x+)%)"
    assert_same(expected, engine, companies, run, seed)
    engine:close()
  end)

  local CHILD = [[
    local path, directory, file = arg[1], arg[2], assert(io.open(arg[3]))
    local crm, input, leadcat = require "support.crm", require "leadcat.cli.import", require "leadcat"
    io.stdout:setvbuf "line"
    print "begun"
    local reader, events = input.events(file, { format = "csv" }), {}
    for event in function() return (reader:next()) end do
      events[#events + 1] = event
    end
    local engine = assert(leadcat.open { path = path, host = crm.directory(directory), map_size = 2 ^ 26 })
    print(assert(engine:backfill(events, { run = "past", confirm = "ask" })).events, "events")
    engine:close()
  ]]

  it("at any moment comes to what it comes to otherwise: " .. HOSTS[2], function()
    local companies, directory = names(100), stores.path()
    assert(os.execute("mkdir " .. directory))
    local host = crm.directory(directory)
    for _, company in ipairs(companies) do
      assert(os.execute(("echo %d > %s/%s"):format(LEAD, directory, company)))
    end
    local events = history(math.max(600, times(1200)), 100, 43)
    local other = open(HOSTS[2], companies, {}, MOVING)
    local engine, path = open(nil, companies, { host = host }, MOVING)
    assert(other:backfill(events, { confirm = "ask" }))
    local expected = state_of(other, companies)
    other:close()
    engine:close()
    local said, seed = kill_again_and_again(("%s %s %s %s"):format(stores.file(CHILD, ".lua"), path, directory,
      csv_of(events)), 0.15)
    assert.matches("events", said)
    engine = stores.open { path = path, host = host }
    assert_same(expected, engine, companies, "past", seed)
    engine:close()
  end)
end)
