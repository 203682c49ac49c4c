-- The journal says afterwards what happened: which entries there are, how they are found, and what stands in each.

local crm = require "support.crm"
local handling = require "support.handling"
local stores = require "support.stores"

local LEAD, OPPORTUNITY, LOST_OPPORTUNITY, CUSTOMER = 1, 3, 4, 5 -- the preset's categories
local open = handling.open

describe("the journal", function()
  after_each(stores.check)

  -- Seven updates, one every ten seconds, by turns of company 1 and company 2.
  local function filled()
    local host = crm.new()
    local engine, time = open({ sale_won = CUSTOMER }, { host = host })
    local start = time.now
    for i = 1, 7 do
      local company = i % 2 == 0 and 2 or 1
      host.companies[tostring(company)] = LEAD
      engine:handle {
        id = i, trigger = "sale_won", company = company, actor = { id = "bob" }, sale = { id = i },
        contact = { id = 9 },
      }
      time.now = time.now + 10
    end
    return engine, start
  end

  local function ids(entries)
    local list = {}
    for i, entry in ipairs(entries) do
      list[i] = entry.event_id
    end
    return table.concat(list, " ")
  end

  it("says what happened to whom, when, why and by whom", function()
    local engine, start = filled()
    local entry = engine:history()[1]
    assert.same({
      entry = (start + 60) * 1000, key = entry.key, tenant = "", at = start + 60, company = 1, trigger = "sale_won",
      rule = "sale_won",
      revision = 1, from = LEAD, to = CUSTOMER, status = "updated", actor = { id = "bob" }, sale = { id = 7 },
      contact = { id = 9 }, event_id = "7",
    }, entry)
    engine:close()
  end)

  it("is read newest first, by company, by time, and in pages", function()
    local engine, start = filled()
    local fifth = engine:history()[3]
    assert.equal("5", fifth.event_id)
    for _, row in ipairs {
      { nil, "7 6 5 4 3 2 1" },
      { {}, "7 6 5 4 3 2 1" },
      { { company = 2 }, "6 4 2" },
      { { company = "1" }, "7 5 3 1" },
      { { company = 3 }, "" },
      { { since = start + 30 }, "7 6 5 4" },
      { { since = start + 30.5 }, "7 6 5" },
      { { since = start + 30, company = 2 }, "6 4" },
      { { since = start + 1000 }, "" },
      { { limit = 2 }, "7 6" },
      { { limit = 1, company = 2 }, "6" },
      { { limit = 0 }, "7" }, -- at least one
      { { limit = 100000 }, "7 6 5 4 3 2 1" },
      { { after = fifth.entry }, "4 3 2 1" },
      { { after = fifth.entry, limit = 2 }, "4 3" },
      { { after = fifth.entry, company = 2 }, "4 2" },
      { { after = fifth.entry, company = 1, since = start + 20, limit = 5 }, "3" },
      { { after = 1 }, "" },
    } do
      assert.equal(row[2], ids(engine:history(row[1])))
    end
    engine:close()
  end)

  it("keeps at most 8 KB of what an event says: beyond that ids and names, and of long ones the beginning", function()
    local engine = stores.open { durability = "relaxed" }
    assert(engine:save(stores.config { sale_won = CUSTOMER, sale_registered = { OPPORTUNITY, ask = true } }))
    local long, umlauts = ("n"):rep(9000), ("\195\164"):rep(5000)
    local actor = { id = "bob", name = "Bob", language = "no" }
    local small = { sale = { id = 1, name = "Printers", note = ("n"):rep(8000) } }
    for i, row in ipairs {
      { small, small },
      { { sale = { id = 1, name = "Printers", note = long }, contact = { id = "c", more = { 1 } }, actor = actor },
        { sale = { id = 1, name = "Printers" }, contact = { id = "c" }, actor = { id = "bob", name = "Bob" } } },
      { { sale = { id = long:sub(1, 255), name = long } },
        { sale = { id = long:sub(1, 255), name = long:sub(1, 160) } } },
      { { sale = { name = "n" .. umlauts } }, { sale = { name = "n" .. umlauts:sub(1, 158) } } },
      { { sale = { name = { long } }, contact = { long } }, { sale = {}, contact = {} } },
      { { sale = { id = ("\1"):rep(255), name = ("\1"):rep(9000) }, contact = { id = ("\1"):rep(255), name = long } },
        { sale = { id = ("\1"):rep(255), name = ("\1"):rep(160) },
          contact = { id = ("\1"):rep(255), name = long:sub(1, 160) } } },
    } do
      for _, trigger in ipairs { "sale_won", "sale_registered" } do
        local event = { trigger = trigger, company = ("%s %d"):format(trigger, i), category = LEAD }
        for name, value in pairs(row[1]) do
          event[name] = value
        end
        local outcome = assert(engine:handle(event))
        local kept = outcome.confirmation and engine:confirmation(outcome.confirmation) or engine:history()[1]
        for _, name in ipairs { "sale", "contact", "actor" } do
          assert.same(row[2][name], kept[name])
        end
      end
    end
    engine:close()
  end)

  describe("of an event, where rules have conditions, keeps", function()
    local BOB = { id = "bob", name = "Bob", team = "north", phone = "1" }
    local WHEN = { { { field = "sale.amount", is = "at_least", value = 5 }, { field = "actor.team", is = "known" },
      { field = "company.tags", is = "contains", value = "new" },
      { field = "company.country", is = "equals", value = "no" } } }
    local known = { ["company.country"] = "NO", ["company.size"] = 9 }

    -- An engine whose host knows facts, and what it keeps of an event with these fields.
    local function opened(fields)
      local engine = stores.open { durability = "relaxed", triggers = { { trigger = "paid", name = { en = "Paid" } } } }
      local config = stores.config {}
      for i, trigger in ipairs { "sale_won", "sale_lost", "paid" } do
        config.rules[i] = { trigger = trigger, enabled = true, set_category = CUSTOMER, ask = trigger == "sale_lost",
          when = WHEN, after = trigger == "paid" and { days = 1 } or nil }
      end
      config.rules[4] = { trigger = "sale_registered", enabled = true, set_category = CUSTOMER,
        when = { { { field = "company.country", is = "known" } } } }
      assert(engine:save(config))
      engine.host.facts = function(requests)
        local answers = {}
        for i in ipairs(requests) do
          answers[i] = known
        end
        return answers
      end
      return engine, function(trigger, id)
        engine.host:create(id, LEAD)
        local event = { trigger = trigger, company = id, actor = BOB, facts = { ["company.tags"] = { "new" } } }
        for name, value in pairs(fields) do
          event[name] = value
        end
        local outcome = assert(engine:handle(event))
        return engine:history { company = id }[1], outcome
      end
    end

    local FACTS = { ["company.tags"] = { "new" }, ["company.country"] = "NO" }
    local ACTOR = { id = "bob", name = "Bob", team = "north" }

    it("the facts that these name, with every entry that did something", function()
      local sale = { id = 1, name = "Printers", amount = 7, note = "n" }
      local engine, handle = opened { sale = sale }
      for _, trigger in ipairs { "sale_won", "sale_lost", "paid" } do
        local entry, outcome = handle(trigger, trigger)
        assert.same({ FACTS, ACTOR, sale }, { entry.facts, entry.actor, entry.sale })
        if outcome.confirmation then
          assert.same(FACTS, engine:confirmation(outcome.confirmation).facts)
          assert(engine:resolve(outcome.confirmation, { accept = true }, { actor = { id = "ann", admin = true } }))
          assert.same(FACTS, engine:history { company = trigger }[1].facts)
        end
      end
      engine.host:create(9, LEAD)
      assert(engine:backfill { { trigger = "sale_won", company = 9, category = LEAD, sale = sale, actor = BOB,
        facts = FACTS, at = 1 } })
      assert.same(FACTS, engine:history { company = 9 }[1].facts)
      engine:close()
    end)

    it("them also of an event that tells nothing itself", function()
      local engine = opened {}
      engine.host:create("Acme", LEAD)
      assert(engine:handle { trigger = "sale_registered", company = "Acme" })
      local entry = engine:history()[1]
      assert.same({ { ["company.country"] = "NO" }, nil, nil }, { entry.facts, entry.actor, entry.sale })
      engine:close()
    end)

    it("beyond 8 KB these, ids and names", function()
      local engine, handle = opened { sale = { id = 1, name = "Printers", amount = 7, note = ("n"):rep(9000) },
        contact = { id = "c", more = 1 } }
      for _, trigger in ipairs { "sale_won", "sale_lost", "paid" } do
        local entry = handle(trigger, trigger)
        assert.same({ FACTS, ACTOR, { id = 1, name = "Printers", amount = 7 }, { id = "c" } },
          { entry.facts, entry.actor, entry.sale, entry.contact })
      end
      engine:close()
    end)

    it("not those of more than 64 KB", function()
      local tags = { "new" }
      for i = 1, 70 do
        tags[i + 1] = ("t"):rep(1000)
      end
      local engine, handle = opened { sale = { id = 1, amount = 7 }, facts = { ["company.tags"] = tags } }
      local entry = handle("sale_won", "a")
      assert.same({ nil, { id = "bob", name = "Bob" }, { id = 1 } }, { entry.facts, entry.actor, entry.sale })
      engine:close()
    end)
  end)

  local ASKING = { sale_won = { CUSTOMER, ask = true }, sale_lost = { LOST_OPPORTUNITY, ask = true } }

  it("is searched by who, what, how it ended, which rules and when, all of which must be true", function()
    local engine, start = filled()
    local ann = { id = 7, name = "Ann" }
    assert(engine:save(stores.config(ASKING)))
    engine:handle { id = 8, trigger = "sale_lost", company = 3, category = LEAD, choice = false, actor = ann,
      sale = { id = "3" } }
    engine:handle { id = 9, trigger = "sale_won", company = 4, category = LEAD, at = start + 5 }
    for _, row in ipairs {
      { { actor = "bob" }, "7 6 5 4 3 2 1" }, { { actor = 7 }, "8" }, { { actor = "7" }, "8" },
      { { actor = "Ann" }, "8" }, { { actor = "An" }, "" }, { { trigger = "sale_won", revision = 2 }, "9" },
      { { trigger = "sale_lost" }, "8" },
      { { status = "updated", company = 2 }, "6 4 2" }, { { status = "awaiting_confirmation" }, "9" },
      { { status = "declined" }, "8" }, { { revision = 2 }, "9 8" }, { { revision = 3 }, "" },
      { { since = start + 20, before = start + 40 }, "4 3" }, { { before = start + 20 }, "9 2 1" },
      { { run = "run-1" }, "" }, { { actor = "bob", limit = 2 }, "7 6" },
      { { sale = 3 }, "8 3" }, { { sale = "3", actor = "bob" }, "3" }, { { sale = 30 }, "" }, { { sale = "id" }, "" },
    } do
      assert.equal(row[2], ids(engine:history(row[1])))
    end
    engine:close()
  end)

  it("is searched a bounded way at a time, to its end", function()
    local engine = open { sale_won = { CUSTOMER, ask = true } }
    local events, count = {}, 10000
    for i = 1, count + 500 do
      local trigger = i == 1 and "sale_lost" or "sale_won"
      events[i] = { trigger = trigger, company = i, category = LEAD, actor = { id = i % 5000 } }
    end
    assert(engine:save(stores.config(ASKING)))
    assert(engine:handle_many(events))
    local found, going_on = engine:history { trigger = "sale_lost" }
    assert.same({ {}, 500 }, { found, #engine:history { after = going_on, limit = 1000 } })
    found, going_on = engine:history { trigger = "sale_lost", after = going_on }
    assert.same({ 1, nil }, { #found, going_on })
    local companies = {}
    for _, entry in ipairs(engine:history { actor = 3 }) do
      companies[#companies + 1] = entry.company
    end
    assert.same({ 10003, 5003 }, companies)
    engine:close()
  end)

  it("says where to go on, as long as there may be more", function()
    local engine = filled()
    local page, going_on = engine:history { limit = 7 }
    assert.equal(page[7].entry, going_on)
    assert.same({ {} }, { engine:history { after = going_on } })
    assert.is_nil(select(2, engine:history { limit = 8 }))
    assert.is_nil(select(2, engine:history { actor = "bob" }))
    assert.equal(page[2].entry, select(2, engine:history { actor = "bob", limit = 2 }))
    engine:close()
  end)

  it("can be walked page by page, to its end", function()
    local engine = filled()
    for _, company in ipairs { false, 1 } do
      local walked, after = {}, nil
      repeat
        local page = engine:history { company = company or nil, limit = 2, after = after }
        for _, entry in ipairs(page) do
          walked[#walked + 1], after = entry.event_id, entry.entry
        end
      until #page == 0
      assert.equal(company and "7 5 3 1" or "7 6 5 4 3 2 1", table.concat(walked, " "))
    end
    engine:close()
  end)

  it("gives a hundred entries when not told how many, and a thousand at most", function()
    local engine = open { sale_won = { CUSTOMER, ask = true } }
    local events = {}
    for i = 1, 1100 do
      events[i] = { trigger = "sale_won", company = i, category = LEAD }
    end
    assert(engine:handle_many(events))
    assert.same({ 100, 1000, 1000 },
      { #engine:history(), #engine:history { limit = 1000 }, #engine:history { limit = 5000 } })
    engine:close()
  end)

  it("numbers its entries upwards, even when the clock stands still or goes back", function()
    local engine, time = open { sale_won = { CUSTOMER, ask = true } }
    local last = 0
    for _, step in ipairs { 0, 0, 0, -3600, 0, 7200 } do
      time.now = time.now + step
      local entry = engine:handle({ trigger = "sale_won", company = "Bolt", choice = false }).entry
      assert.is_true(entry > last)
      last = entry
    end
    assert.equal(time.now * 1000, last)
    engine:close()
  end)

  it("belongs to one tenant", function()
    local engine = filled()
    assert.same({}, engine:tenant("other"):history())
    engine:close()
  end)

  it("takes only options that there are", function()
    local engine = open {}
    for _, row in ipairs {
      { { companies = 1 }, "unknown option 'companies' %(there are actor, actor_name, after, before, " },
      { { status = "done" },
        "option 'status': one of applying, updated, .*, deleted, shadow, held, waiting expected, got 'done'" },
      { { trigger = "x" }, "option 'trigger': one of sale_registered, .* expected, got 'x'" },
      { { actor = "" }, "actor must have 1 to 255 bytes" },
      { { limit = "2" }, "option 'limit': an integer expected, got '2'" },
      { { limit = 2.5 }, "option 'limit': an integer expected, got 2.5" },
      { { since = "today" }, "option 'since': a number expected, got 'today'" },
      { { after = {} }, "option 'after': an integer from 1 to 9007199254740992 expected, got table" },
      { { company = "" }, "company must have 1 to 255 bytes" },
      { { company = {} }, "option 'company': a string or an integer expected, got table" },
    } do
      local _, message = pcall(function() engine:history(row[1]) end)
      assert.matches("_spec%.lua:%d+: " .. row[2], message)
    end
    engine:close()
  end)
end)
