-- Confirmations: where a rule asks first, a question waits for its user. This spec follows one from the event that asks
-- to the answer, then goes through all that may become of a question.

local asking = require "support.asking"
local crm = require "support.crm"
local histories = require "support.histories"
local json = require "leadcat.util.json"
local leadcat = require "leadcat"
local stores = require "support.stores"
local times = require "support.times"

local LEAD, QUALIFIED, CUSTOMER, PARTNER, LOST = 1, 2, 5, 6, 7 -- the preset's categories
local START = 1700000000 -- 2023-11-14 22:13:20 UTC
local DAY = 24 * 3600
local ANN, BOB, EVE, RULES, open = asking.ANN, asking.BOB, asking.EVE, asking.RULES, asking.open
local new_crm, ask = asking.new_crm, asking.ask
local ask_many, ids_of, assert_refused = asking.ask_many, asking.ids_of, asking.assert_refused
local commits = stores.commits
local statuses = histories.statuses

describe("a question to a user", function()
  after_each(stores.check)

  it("is asked, shown, answered, and in the journal", function()
    local engine = stores.open { clock = function() return START end }

    -- An administrator saves a rule that asks: when a sale is won, may the category be set to Customer?
    local cfg = leadcat.preset "superoffice"
    for _, rule in ipairs(cfg.rules) do
      if rule.trigger == "sale_won" then
        rule.enabled, rule.set_category, rule.ask = true, CUSTOMER, true
      end
    end
    assert(engine:save(cfg, { actor = ANN }))

    -- Bob wins a sale. The company stays as it is: Bob is going to be asked.
    assert(engine.host:create("Acme", LEAD))
    local asked = assert(engine:handle {
      trigger = "sale_won", company = "Acme", sale = { id = 17, name = "Printers" }, actor = BOB,
    })
    assert.equal("awaiting_confirmation", asked.status)
    assert.equal(LEAD, engine.host:get "Acme")

    -- The question is found by its id and in the lists, and can be shown.
    local record = assert(engine:confirmation(asked.confirmation))
    assert.same({ "open", LEAD, CUSTOMER }, { record.state, record.from, record.to })
    assert.same({ record }, engine:confirmations { user = "bob", state = "open" })
    assert.matches("Printers.*Acme.*Lead.*Customer", engine:view(record).sentence)

    -- Bob agrees. The company is a customer, and nobody can answer again.
    local outcome = assert(engine:resolve(record.id, { accept = true }, { actor = BOB }))
    assert.same({
      status = "updated", action = "confirm", reason = "matched", rule = "sale_won", revision = 1,
      from = LEAD, to = CUSTOMER, confirmation = record.id, entry = outcome.entry, key = outcome.key,
    }, outcome)
    assert.equal(CUSTOMER, engine.host:get "Acme")
    local again, message, code, closed = engine:resolve(record.id, { decline = true }, { actor = ANN })
    assert.same({ nil, "already_resolved" }, { again, code })
    assert.matches("Bob.*14 Nov 2023, 22:13", message)
    assert.same({ "accepted", "bob", START }, { closed.state, closed.resolved_by.id, closed.resolved_at })

    -- The journal has the question and the answer.
    local entries = engine:history { company = "Acme" }
    assert.same({ "updated", outcome.entry, record.id, "bob" },
      { entries[1].status, entries[1].entry, entries[1].confirmation, entries[1].actor.id })
    assert.same({ "awaiting_confirmation", asked.entry, record.id },
      { entries[2].status, entries[2].entry, entries[2].confirmation })
    engine:close()
  end)

  -- So a batch writes few pages. What follows is each question's own, and as random as ever.
  it("has an id that begins as those of its batch do, and as no other batch's", function()
    local engine, firsts, rests = open(), {}, {}
    for batch = 1, 3 do
      local ids = ask_many(engine, 100)
      for _, id in ipairs(ids) do
        assert.equal(ids[1]:sub(1, 4), id:sub(1, 4))
        assert.is_nil(rests[id:sub(5, 16)] or rests[id:sub(17)])
        rests[id:sub(5, 16)], rests[id:sub(17)] = true, true
      end
      firsts[batch] = ids[1]:sub(1, 4)
    end
    assert.is_false(firsts[1] == firsts[2] and firsts[2] == firsts[3])
    engine:close()
  end)

  it("is a record that stays what it was, whatever happens to the config and to the event's tables", function()
    local engine, time = open { confirmation_ttl = 60, tenant = "north" }
    local sale, contact, actor = { id = 17, name = "Printers" }, { id = 7, name = "Cy" }, { id = "bob", name = "Bob" }
    local id = ask(engine, {
      trigger = "lead_status_set", lead_status = 5, company = 42, category = LEAD, sale = sale, contact = contact,
      actor = actor, at = START - 5,
    })
    local expected = {
      id = id, tenant = "north", company = 42, trigger = "lead_status_set", rule = "lead_status_set:5", lead_status = 5,
      from = LEAD, to = QUALIFIED, options = { 1, 2, 3, 4, 5, 6, 7, 8 }, revision = 1,
      sale = { id = 17, name = "Printers" }, contact = { id = 7, name = "Cy" }, actor = { id = "bob", name = "Bob" },
      state = "open", created_at = START, expires_at = START + 60,
    }
    assert.matches("^" .. ("[0-9a-f]"):rep(32) .. "$", id)
    assert.same(expected, engine:confirmation(id))

    sale.name, contact.name, actor.name = "Plotters", "Di", "Rob"
    engine:confirmation(id).options[1] = 99 -- a copy
    local cfg = stores.config {}
    cfg.categories[PARTNER].deleted = true
    assert(engine:save(cfg))
    time.now = time.now + 30
    assert.same(expected, engine:confirmation(id))
    engine:close()
  end)

  it("offers what is not deleted when it is asked, in the config's order", function()
    local engine = open()
    local cfg = stores.config(RULES)
    cfg.categories[PARTNER].deleted = true
    table.insert(cfg.categories, 1, table.remove(cfg.categories)) -- category 8 comes first
    assert(engine:save(cfg))
    assert.same({ 8, 1, 2, 3, 4, 5, 7 }, engine:confirmation(ask(engine)).options)
    engine:close()
  end)

  it("has no sale, contact, actor and lead status when there was none; then its options are still a list", function()
    local engine = open()
    local id = assert(engine:handle { trigger = "sale_won", company = "Acme" }).confirmation
    local record = engine:confirmation(id)
    assert.same({}, { record.sale, record.contact, record.actor, record.lead_status, record.resolved_by,
      record.resolved_at, record.category })
    assert.matches('"options":%[1,2,3', json.encode(record))
    engine:close()
  end)
end)

describe("an answer", function()
  after_each(stores.check)

  -- What is answered, the outcome's status and target, the question's state, the category that was applied, and where the
  -- company stands then.
  local ROWS = {
    { "accepts the proposal", { accept = true }, "updated", CUSTOMER, "accepted", CUSTOMER },
    { "chooses the proposal by its id", { category = CUSTOMER }, "updated", CUSTOMER, "accepted", CUSTOMER },
    { "chooses the proposal as a float", { category = 5.0 }, "updated", CUSTOMER, "accepted", CUSTOMER },
    { "chooses another category", { category = PARTNER }, "updated", PARTNER, "changed", PARTNER },
    { "declines", { decline = true }, "declined", CUSTOMER, "declined" },
    { "chooses the category that the company has", { category = LEAD }, "declined", CUSTOMER, "declined" },
  }
  for _, name in ipairs { "the embedded host", "a host of one's own" } do
    for _, row in ipairs(ROWS) do
      it(("%s, with %s"):format(row[1], name), function()
        local own = name == "a host of one's own"
        local host = own and new_crm() or nil
        local engine, time = open { host = host }
        local id = ask(engine)
        local asked = engine:confirmation(id)
        time.now = START + 10.5
        local outcome
        local count = commits(engine, function()
          outcome = assert(engine:resolve(id, row[2], { actor = { id = "ann", name = "Ann", admin = true } }))
        end)
        assert.equal(own and row[3] == "updated" and 2 or 1, count, "commits")
        assert.same({
          status = row[3], action = "confirm", reason = "matched", rule = "sale_won", revision = 1,
          from = LEAD, to = row[4], confirmation = id, entry = outcome.entry, key = outcome.key,
        }, outcome)
        assert.equal(tostring(row[4]), tostring(outcome.to)) -- not 5.0
        assert.equal(row[6] or LEAD, engine.host.category "Acme")

        asked.state, asked.resolved_by, asked.resolved_at, asked.category = row[5], ANN, START + 10.5, row[6]
        assert.same(asked, engine:confirmation(id))
        assert.same({ asked }, engine:confirmations { state = row[5] })
        assert.same({}, engine:confirmations { state = "open" })

        assert.equal(row[3] .. " awaiting_confirmation", statuses(engine))
        assert.same({
          entry = outcome.entry, key = outcome.key, tenant = "", at = START + 10.5, company = "Acme",
          trigger = "sale_won",
          rule = "sale_won", revision = 1, from = LEAD, to = row[4], status = row[3], actor = ANN,
          sale = { id = 17, name = "Printers" }, confirmation = id,
        }, engine:history()[1])
        engine:close()
      end)
    end
  end

  it("gives the company back as the host gave it: 42 is an integer", function()
    local host = crm.new { [42] = LEAD }
    local engine = open { host = host }
    local id = ask(engine, { company = 42 })
    assert.equal("updated", engine:resolve(id, { accept = true }).status)
    assert.same({ "#42 1 -> 5" }, host.changes)
    assert.same({ 42, 42 }, { engine:confirmation(id).company, engine:history()[1].company })
    engine:close()
  end)

  it("is by the newest config: what was added can be chosen, and the rule may be off by now", function()
    local engine = open()
    local id = ask(engine)
    local cfg = stores.config {}
    cfg.categories[9] = { id = 9, name = "Key account", group = "customer" }
    assert(engine:save(cfg))
    local outcome = assert(engine:resolve(id, { category = 9 }))
    assert.same({ "updated", 9, 1, 9 }, { outcome.status, outcome.to, outcome.revision, engine.host:get "Acme" })
    engine:close()
  end)

  it("may keep a category that has been deleted since", function()
    local engine = open()
    local id = ask(engine)
    local cfg = stores.config(RULES)
    cfg.categories[LEAD].deleted = true
    assert(engine:save(cfg))
    assert.equal("declined", engine:resolve(id, { category = LEAD }).status)
    engine:close()
  end)

  it("survives the store's end", function()
    local engine, time, path = open()
    local id, other = ask(engine), ask(engine, { company = "Bolt" })
    engine:close()
    engine = open { path = path, clock = function() return time.now end }
    assert.equal("updated", engine:resolve(id, { accept = true }, { actor = BOB }).status)
    engine:close()
    engine = open { path = path, clock = function() return time.now end }
    assert.same({ "accepted", "open" }, { engine:confirmation(id).state, engine:confirmation(other).state })
    assert_refused(engine, id, "already_resolved", { decline = true })
    engine:close()
  end)

  it("belongs to the question's tenant", function()
    local engine = open()
    local id = ask(engine)
    local other = engine:tenant "other"
    assert(other:save(stores.config(RULES)))
    assert.equal("not_found", select(3, other:resolve(id, { accept = true })))
    assert.equal("not_found", select(3, other:confirmation(id)))
    assert.equal("open", engine:confirmation(id).state)
    engine:close()
  end)
end)

describe("a closed question", function()
  after_each(stores.check)

  local TTL = 60

  -- How a question comes into each state, who has closed it, and what a later answer is told.
  local ENDS = {
    { "accepted", by = "bob", told = "Bob.* accepted", close = function(engine, id)
      assert(engine:resolve(id, { accept = true }, { actor = BOB }))
    end },
    { "changed", by = "ann", told = "Ann.* chose .*Partner", close = function(engine, id)
      assert(engine:resolve(id, { category = PARTNER }, { actor = ANN }))
    end },
    { "declined", by = "bob", told = "Bob.* kept the category", close = function(engine, id)
      assert(engine:resolve(id, { decline = true }, { actor = BOB }))
    end },
    { "expired", told = "expired", code = "expired", at = START + TTL, close = function(_, _, time)
      time.now = START + TTL + 5
    end },
    { "superseded", by = "eve", told = "A newer event replaced this", close = function(engine)
      assert(engine:handle { trigger = "sale_lost", company = "Acme", actor = EVE })
    end },
    { "conflict", by = "bob", told = "Bob.* answered .* already been changed", close = function(engine, id)
      assert.is_true(engine.host.set_category("Acme", QUALIFIED, LEAD))
      assert.equal("conflict", engine:resolve(id, { accept = true }, { actor = BOB }).status)
    end },
  }
  local ANSWERS = {
    { "accept", { accept = true } }, { "another category", { category = PARTNER } },
    { "the category it had", { category = LEAD } }, { "a category there is not", { category = 99 } },
    { "decline", { decline = true } },
  }

  for _, name in ipairs { "the embedded host", "a host of one's own" } do
    for _, row in ipairs(ENDS) do
      it(("that is %s takes no answer, with %s"):format(row[1], name), function()
        local engine, time = open { confirmation_ttl = TTL, host = name ~= "the embedded host" and new_crm() or nil }
        local id = ask(engine)
        time.now = START + 20
        row.close(engine, id, time)
        local at = row.at or time.now
        time.now = time.now + 1000
        local record = engine:confirmation(id)
        assert.same({ row[1], row.by, at },
          { record.state, record.resolved_by and record.resolved_by.id, record.resolved_at })
        for _, answer in ipairs(ANSWERS) do
          for _, actor in ipairs { BOB, ANN, false } do
            local message, closed = assert_refused(engine, id, row.code or "already_resolved", answer[2],
              { actor = actor or nil })
            assert.matches(row.told, message)
            assert.matches("14 Nov 2023, 22:1[34] UTC", message)
            assert.same(record, closed)
          end
          assert_refused(engine, id, "forbidden", answer[2], { actor = EVE })
        end
        -- Neither time nor a newer event changes it any more.
        time.now = time.now + 30 * DAY
        assert.same({ expired = 0, removed = 0 }, engine:sweep())
        engine.host.set_category("Acme", LEAD, engine.host.category "Acme")
        assert(engine:handle { trigger = "sale_lost", company = "Acme" })
        assert.same(record, engine:confirmation(id))
        engine:close()
      end)
    end
  end

  -- What happens between the look at the question and the answer: host.can is asked there.
  local MEANWHILE = {
    { "by the same answer", "already_resolved", "accepted", function(engine, id)
      assert.equal("updated", engine:resolve(id, { accept = true }).status)
    end },
    { "by a newer event", "already_resolved", "superseded", function(engine)
      assert.equal("updated", engine:handle({ trigger = "sale_lost", company = "Acme" }).status)
    end },
    { "by the clock", "expired", "expired", function(_, _, time) time.now = START + TTL end },
  }
  for _, name in ipairs { "the embedded host", "a host of one's own" } do
    for _, row in ipairs(MEANWHILE) do
      it(("may have been closed a moment ago %s, with %s"):format(row[1], name), function()
        local host = name == "the embedded host" and require "leadcat.host.lmdb".new() or new_crm()
        local meanwhile
        function host.can()
          local act = meanwhile
          meanwhile = nil
          if act then
            act()
          end
          return true
        end
        if name == "the embedded host" then
          host = require "leadcat.host.lmdb".new { can = host.can }
        end
        local engine, time = open { confirmation_ttl = TTL, host = host }
        local id = ask(engine)
        meanwhile = function() row[4](engine, id, time) end
        local outcome, _, code, record = engine:resolve(id, { decline = true }, { actor = BOB })
        assert.same({ nil, row[2], row[3] }, { outcome, code, record and record.state })
        assert.same(record, engine:confirmation(id))
        engine:close()
      end)
    end
  end

  it("is told from one that waits, where the company has an unfinished change by the time of the answer", function()
    local host = new_crm()
    local engine = open { host = host }
    local id = ask(engine)
    function host.can() -- while Ann's answer is on its way, Bob's comes, and a newer event that the host cannot apply
      host.can = nil
      assert.equal("declined", engine:resolve(id, { decline = true }, { actor = BOB }).status)
      host.well = false
      assert.equal("failed", engine:handle({ trigger = "sale_lost", company = "Acme" }).status)
      return true
    end
    local outcome, _, code, record = engine:resolve(id, { accept = true }, { actor = ANN })
    assert.same({ nil, "already_resolved", "bob" }, { outcome, code, record and record.resolved_by.id })
    engine:close()
  end)
end)

describe("a question's time", function()
  after_each(stores.check)

  it("is over at the exact second", function()
    local engine, time = open { confirmation_ttl = 60 }
    local early, late = ask(engine), ask(engine, { company = "Bolt" })
    time.now = START + 59.999
    assert.equal("open", engine:confirmation(late).state)
    assert.same({ expired = 0, removed = 0 }, engine:sweep())
    assert.equal(2, #engine:confirmations { state = "open" })
    assert.equal("updated", engine:resolve(early, { accept = true }).status)
    time.now = START + 60
    assert.equal("expired", engine:confirmation(late).state)
    engine:close()
  end)

  it("is seven days when nothing else was said", function()
    local engine, time = open()
    local id = ask(engine)
    assert.equal(START + 7 * DAY, engine:confirmation(id).expires_at)
    time.now = START + 7 * DAY - 1
    assert.equal("open", engine:confirmation(id).state)
    time.now = START + 7 * DAY
    assert.equal("expired", engine:confirmation(id).state)
    engine:close()
  end)

  -- How it is noticed that a question's time is over; any of them writes it down.
  local NOTICED = {
    { "looking at it", function(engine, id) assert.equal("expired", engine:confirmation(id).state) end },
    { "listing all", function(engine) assert.equal("expired", engine:confirmations()[1].state) end },
    { "listing the open ones", function(engine) assert.same({}, engine:confirmations { state = "open" }) end },
    { "listing the expired ones", function(engine, id)
      assert.same({ id }, ids_of(engine:confirmations { state = "expired" }))
    end },
    { "listing a company's", function(engine)
      assert.equal("expired", engine:confirmations({ company = "Acme" })[1].state)
    end },
    { "listing a user's", function(engine)
      assert.equal("expired", engine:confirmations({ user = "bob" })[1].state)
    end },
    { "answering it", function(engine, id)
      local outcome, message, code, record = engine:resolve(id, { accept = true }, { actor = BOB })
      assert.same({ nil, "expired", "expired" }, { outcome, code, record and record.state })
      assert.matches("14 Nov 2023, 22:14", message)
    end },
    { "sweeping", function(engine) assert.same({ expired = 1, removed = 0 }, engine:sweep()) end },
    { "maintaining", function(engine)
      local counts = assert(engine:maintain())
      assert.same({ 1, 0, 0, 0 }, { counts.expired, counts.finished, counts.failed, counts.busy })
      assert.equal("number", type(counts.readers))
    end },
    { "a newer event that matches", function(engine)
      assert.equal("updated", engine:handle({ trigger = "sale_lost", company = "Acme", actor = EVE }).status)
    end, "updated " },
  }
  for _, row in ipairs(NOTICED) do
    it("is found over by " .. row[1], function()
      local engine, time = open { confirmation_ttl = 60 }
      local id = ask(engine)
      local record = engine:confirmation(id)
      time.now = START + 1000
      local count = commits(engine, row[2], engine, id)
      assert.equal(1, count)
      record.state, record.resolved_at = "expired", START + 60
      assert.same(record, engine:confirmation(id))
      assert.equal((row[3] or "") .. "expired awaiting_confirmation", statuses(engine))
      local entries = engine:history()
      local entry = entries[#entries - 1]
      assert.same({
        entry = entry.entry, key = entry.key, tenant = "", at = START + 60, company = "Acme", trigger = "sale_won",
        rule = "sale_won",
        revision = 1, from = LEAD, to = CUSTOMER, status = "expired", confirmation = id,
      }, entry)
      assert.equal(0, commits(engine, function()
        assert.same({ expired = 0, removed = 0 }, engine:sweep())
        engine:confirmations()
      end))
      assert.equal(row[3] and LOST or LEAD, engine.host:get "Acme")
      engine:close()
    end)
  end

  it("is over even where that cannot be written down", function()
    local engine, time = open { confirmation_ttl = 60 }
    local id = ask(engine)
    local mend = stores.fail(engine, "expire")
    time.now = START + 60
    assert.same({ nil, "no room", "full" }, { engine:sweep() })
    local record = engine:confirmation(id)
    assert.same({ "expired", START + 60 }, { record.state, record.resolved_at })
    assert.equal("expired", select(3, engine:resolve(id, { accept = true })))
    assert.same({}, engine:confirmations { state = "open" })
    assert.same({ record }, engine:confirmations())
    assert.same({ record }, engine:confirmations { state = "expired" })
    assert.equal(LEAD, engine.host:get "Acme")
    mend()
    engine:close()
  end)

  it("is over when its time ends while it is being answered, even where that cannot be written down", function()
    local engine, time = open { confirmation_ttl = 60 }
    local id, store = ask(engine), engine._store
    local mend = stores.fail(engine, "expire")
    engine._store.write = function(_, tenant, items, now, ...)
      time.now = START + 60
      return store:write(tenant, items, now + 60, ...)
    end
    assert.same({ nil, "no room", "full" }, { engine:resolve(id, { accept = true }) })
    mend()
    assert.equal("expired", select(3, engine:resolve(id, { accept = true })))
    assert.equal(LEAD, engine.host:get "Acme")
    engine:close()
  end)

  for _, usually in ipairs { 1, 255, 256, 257, 512, 1100 } do
    it(("is over for %d at once, swept in small transactions"):format(usually), function()
      local count = usually > 1 and times(usually) or 1
      local engine, time = open { confirmation_ttl = 60 }
      local ids = ask_many(engine, count)
      time.now = START + 30
      local later = ask(engine)
      time.now = START + 60
      local used = commits(engine, function() assert.same({ expired = count, removed = 0 }, engine:sweep()) end)
      assert.equal(math.ceil(count / 256), used, "commits")
      assert.equal("open", engine:confirmation(later).state)

      local closed, after = {}, nil
      repeat
        local page = assert(engine:history { limit = 1000, after = after })
        for _, entry in ipairs(page) do
          after = entry.entry
          if entry.status == "expired" then
            assert.is_nil(closed[entry.confirmation])
            closed[entry.confirmation] = entry
          end
        end
      until #page < 1000
      for i, id in ipairs(ids) do
        local record = engine:confirmation(id)
        assert.same({ "expired", START + 60 }, { record.state, record.resolved_at })
        assert.same({ i, START + 60 }, { closed[id].company, closed[id].at })
        closed[id] = nil
      end
      assert.same({}, closed)
      engine:close()
    end)
  end

  it("is swept for one tenant only", function()
    local engine, time = open { confirmation_ttl = 60 }
    local other = engine:tenant "other"
    assert(other:save(stores.config(RULES)))
    local id, others = ask(engine), ask(other, { category = LEAD })
    time.now = START + 60
    assert.same({ expired = 1, removed = 0 }, engine:sweep())
    assert.same({ expired = 1, removed = 0 }, other:sweep())
    assert.same({ "expired", "expired" }, { engine:confirmation(id).state, other:confirmation(others).state })
    engine:close()
  end)

  for _, ttl in ipairs { 0, -1, "60", 0 / 0, false } do
    it("cannot be " .. tostring(ttl), function()
      local ok, message = pcall(function()
        local engine = leadcat.open { path = stores.path(), confirmation_ttl = ttl }
        engine:close()
      end)
      assert.is_false(ok)
      assert.matches("_spec%.lua:%d+: .*confirmation_ttl", message)
    end)
  end
end)

describe("a newer event", function()
  after_each(stores.check)

  -- The event, its outcome's status, and the journal about it; whether the older question is closed by it.
  local ROWS = {
    { "an update", { trigger = "sale_lost" }, "updated", "updated superseded ", true },
    { "another question", { trigger = "sale_registered" }, "awaiting_confirmation", "awaiting_confirmation superseded ",
      true },
    { "the same question again", { trigger = "sale_won" }, "awaiting_confirmation",
      "awaiting_confirmation superseded ", true },
    { "a declined choice", { trigger = "sale_won", choice = false }, "declined", "declined superseded ", true },
    { "a choice", { trigger = "sale_won", choice = PARTNER }, "updated", "updated superseded ", true },
    { "a change that is a conflict", { trigger = "sale_lost", category = QUALIFIED }, "conflict",
      "conflict superseded ", true },
    { "one that is unchanged", { trigger = "lead_status_set", lead_status = 2 }, "unchanged", "" },
    { "one that a guard vetoes", { trigger = "sale_lost", sale = { id = "veto" } }, "unchanged", "" },
    { "one delivered again", { id = "first", trigger = "sale_lost" }, "duplicate", "" },
    { "one of another company", { trigger = "sale_lost", company = "Bolt" }, "updated", "updated " },
    { "one with a choice that is refused", { trigger = "sale_won", choice = 99 }, nil, "" },
  }
  for _, name in ipairs { "the embedded host", "a host of one's own" } do
    for _, row in ipairs(ROWS) do
      it(("closes the older question, or leaves it: %s, with %s"):format(row[1], name), function()
        local engine, time = open { host = name ~= "the embedded host" and new_crm() or nil }
        engine:on("guard", function(event) return (event.sale or {}).id ~= "veto" and nil end)
        local id = ask(engine, { id = "first" })
        local record = engine:confirmation(id)
        time.now = START + 10
        local event = { company = "Acme", actor = EVE }
        for field, value in pairs(row[2]) do
          event[field] = value
        end
        local outcome = engine:handle(event)
        assert.equal(row[3], outcome and outcome.status)
        assert.equal(row[4] .. "awaiting_confirmation", statuses(engine))
        if row[5] then
          record.state, record.resolved_by, record.resolved_at = "superseded", EVE, START + 10
          local entry = engine:history()[2]
          assert.same({ id, "sale_won", LEAD, CUSTOMER, START + 10, "eve" },
            { entry.confirmation, entry.trigger, entry.from, entry.to, entry.at, entry.actor.id })
        end
        assert.same(record, engine:confirmation(id))
        engine:close()
      end)
    end
  end

  it("closes it in its own transaction", function()
    for _, event in ipairs {
      { trigger = "sale_lost" }, { trigger = "sale_won" }, { trigger = "sale_won", choice = false },
    } do
      local engine = open()
      ask(engine)
      event.company = "Acme"
      assert.equal(1, commits(engine, engine.handle, engine, event))
      engine:close()
    end
  end)

  it("closes it when its id is the same text: 42 and \"42\" are one company", function()
    local engine = open()
    local id = ask(engine, { company = 42, category = LEAD })
    ask(engine, { company = "42", category = LEAD })
    assert.equal("superseded", engine:confirmation(id).state)
    engine:close()
  end)

  it("leaves one open question of a batch: the last one's", function()
    local engine = open()
    local events = {}
    for i = 1, 5 do
      events[i] = { trigger = "sale_won", company = "Acme", actor = BOB }
    end
    local outcomes = assert(engine:handle_many(events))
    local last = outcomes[#outcomes].confirmation
    assert.same({ last }, ids_of(engine:confirmations { state = "open" }))
    assert.equal(4, #engine:confirmations { state = "superseded" })
    engine:close()
  end)

  it("finds an older one expired whose time was over", function()
    local engine, time = open { confirmation_ttl = 60 }
    local id = ask(engine)
    time.now = START + 60
    local newer = ask(engine, { actor = EVE })
    local record = engine:confirmation(id)
    assert.same({ "expired", nil, START + 60 }, { record.state, record.resolved_by, record.resolved_at })
    assert.equal("awaiting_confirmation expired awaiting_confirmation", statuses(engine))
    assert.equal(START + 60, engine:history()[2].at)
    assert.is_nil(engine:history()[2].actor)
    assert.equal("open", engine:confirmation(newer).state)
    engine:close()
  end)
end)
