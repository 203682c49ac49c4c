-- Confirmations: where a rule asks first, a question waits for its user. This spec follows one from the event that asks
-- to the answer, then goes through all that may become of a question, who may answer it and how often (once), how
-- questions are listed, what hosts that ask before they save do instead, and what happens while a host is not well.
-- Answers from many processes at once are in 06-resolving_spec.lua.

local crm = require "support.crm"
local json = require "leadcat.json"
local leadcat = require "leadcat"
local stores = require "support.stores"
local times = require "support.times"

local LEAD, QUALIFIED, OPPORTUNITY, CUSTOMER, PARTNER, LOST = 1, 2, 3, 5, 6, 7 -- the preset's categories
local ANN = { id = "ann", name = "Ann", admin = true }
local BOB = { id = "bob", name = "Bob" }
local EVE = { id = "eve", name = "Eve" }
local START, DAY = 1700000000, 24 * 3600 -- 2023-11-14 22:13:20 UTC
local RULES = {
  sale_won = { CUSTOMER, ask = true }, sale_registered = { OPPORTUNITY, ask = true }, sale_lost = LOST,
  ["lead_status_set:5"] = { QUALIFIED, ask = true },
}

-- An engine with RULES, whose host has the leads Acme and Bolt. Its clock stands still unless a test moves `time.now`.
local function open(options)
  local time = { now = START }
  options = options or {}
  options.clock, options.durability = options.clock or function() return time.now end, "relaxed"
  local engine, path = stores.open(options)
  if engine:config().revision == 0 then
    assert(engine:save(stores.config(RULES)))
    if engine.host.embedded then
      engine.host:create_many({ "Acme", "Bolt" }, LEAD)
    end
  end
  return engine, time, path
end

-- A CRM of one's own. `host.well = false` makes every change fail.
local function new_crm()
  local host = crm.new { Acme = LEAD, Bolt = LEAD }
  local set = host.set_category
  host.well = true
  function host.set_category(...)
    if host.well then
      return set(...)
    end
    return nil, "away"
  end
  return host
end

-- Bob wins a sale of Acme (or what `fields` say) and is asked; gives the question's id.
local function ask(engine, fields)
  local event = { trigger = "sale_won", company = "Acme", actor = BOB, sale = { id = 17, name = "Printers" } }
  for name, value in pairs(fields or {}) do
    event[name] = value or nil
  end
  local outcome = assert(engine:handle(event))
  assert.equal("awaiting_confirmation", outcome.status)
  return outcome.confirmation
end

-- Questions about companies that only their events know of, asked in one transaction; gives their ids.
local function ask_many(engine, count)
  local events, ids = {}, {}
  for i = 1, count do
    events[i] = { trigger = "sale_won", company = i, category = LEAD, actor = BOB }
  end
  for i, outcome in ipairs(assert(engine:handle_many(events))) do
    ids[i] = outcome.confirmation
  end
  return ids
end

local function commits(engine, fn, ...)
  local before = engine:stats().commits.count
  fn(...)
  return engine:stats().commits.count - before
end

-- The statuses in the journal, newest first.
local function statuses(engine)
  local list = {}
  for i, entry in ipairs(engine:history()) do
    list[i] = entry.status
  end
  return table.concat(list, " ")
end

local function ids_of(records)
  local ids = {}
  for i, record in ipairs(records) do
    ids[i] = record.id
  end
  return ids
end

local function copy_of(list)
  return { stores.unpack(list) }
end

-- All that an answer could change.
local function all_of(engine, id)
  return { engine:confirmation(id), engine:history(), engine.host.category "Acme", engine:confirmations() }
end

-- The call is refused with this code, and nothing has changed, in the company, the journal and the questions.
local function assert_refused(engine, id, code, answer, options)
  local before = all_of(engine, id)
  local result
  local count = commits(engine, function() result = { engine:resolve(id, answer, options) } end)
  assert.is_nil(result[1])
  assert.equal(code, result[3])
  assert.same({ 0, before }, { count, all_of(engine, id) })
  return result[2], result[4]
end

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
      from = LEAD, to = CUSTOMER, confirmation = record.id, entry = outcome.entry,
    }, outcome)
    assert.equal(CUSTOMER, engine.host:get "Acme")
    local again, message, code, closed = engine:resolve(record.id, { decline = true }, { actor = ANN })
    assert.same({ nil, "already_resolved" }, { again, code })
    assert.matches("Bob.*2023%-11%-14 22:13", message)
    assert.same({ "accepted", "bob", START }, { closed.state, closed.resolved_by.id, closed.resolved_at })

    -- The journal has the question and the answer.
    local entries = engine:history { company = "Acme" }
    assert.same({ "updated", outcome.entry, record.id, "bob" },
      { entries[1].status, entries[1].entry, entries[1].confirmation, entries[1].actor.id })
    assert.same({ "awaiting_confirmation", asked.entry, record.id },
      { entries[2].status, entries[2].entry, entries[2].confirmation })
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
          from = LEAD, to = row[4], confirmation = id, entry = outcome.entry,
        }, outcome)
        assert.equal(tostring(row[4]), tostring(outcome.to)) -- not 5.0
        assert.equal(row[6] or LEAD, engine.host.category "Acme")

        asked.state, asked.resolved_by, asked.resolved_at, asked.category = row[5], ANN, START + 10.5, row[6]
        assert.same(asked, engine:confirmation(id))
        assert.same({ asked }, engine:confirmations { state = row[5] })
        assert.same({}, engine:confirmations { state = "open" })

        assert.equal(row[3] .. " awaiting_confirmation", statuses(engine))
        assert.same({
          entry = outcome.entry, tenant = "", at = START + 10.5, company = "Acme", trigger = "sale_won",
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
            assert.matches("2023%-11%-14 22:1[34] UTC", message)
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
      assert.matches("2023%-11%-14 22:14", message)
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
        entry = entry.entry, tenant = "", at = START + 60, company = "Acme", trigger = "sale_won", rule = "sale_won",
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

describe("who may answer", function()
  after_each(stores.check)

  -- Who asked, who answers, and whether that is allowed.
  local ROWS = {
    { "the user whose event asked", BOB, BOB, true },
    { "the same user, by another name", BOB, { id = "bob", name = "Robert" }, true },
    { "another user", BOB, EVE, false },
    { "another user of the same name", BOB, { id = "eve", name = "Bob" }, false },
    { "an id that only begins alike", BOB, { id = "bobby" }, false },
    { "an administrator", BOB, ANN, true },
    { "one who says admin = \"yes\"", BOB, { id = "x", admin = "yes" }, false },
    { "a service", BOB, { id = "hook", service = true }, false },
    { "the program", BOB, nil, true },
    { "7 whose event was of \"7\"", { id = "7" }, { id = 7 }, true },
    { "\"7\" whose event was of 7", { id = 7 }, { id = "7" }, true },
    { "7.0 whose event was of 7", { id = 7 }, { id = 7.0 }, true },
    { "70 whose event was of 7", { id = 7 }, { id = 70 }, false },
    { "an actor without an id", BOB, {}, false },
    { "an actor without an id, where nobody asked", nil, {}, false },
    { "a user, where the program asked", nil, BOB, false },
    { "an administrator, where the program asked", nil, ANN, true },
    { "the program, where the program asked", nil, nil, true },
    { "an actor without an id, where one without an id asked", { name = "Bob" }, { name = "Bob" }, false },
    { "an id that is a table", BOB, { id = {} }, false },
  }
  for _, row in ipairs(ROWS) do
    it(("is %s: %s"):format(row[1], row[4] and "yes" or "no"), function()
      local engine = open()
      local id = ask(engine, { actor = row[2] or false })
      if row[4] then
        assert.equal("updated", engine:resolve(id, { accept = true }, { actor = row[3] }).status)
        assert.same(row[3], engine:confirmation(id).resolved_by)
      else
        local message = assert_refused(engine, id, "forbidden", { accept = true }, { actor = row[3] })
        assert.matches("only the user whose event asked, or an administrator, may answer", message)
        assert.equal("open", engine:confirmation(id).state)
      end
      engine:close()
    end)
  end

  local function with_can(host, can)
    if host == "the embedded host" then
      return require "leadcat.host.lmdb".new { can = can }
    end
    local own = new_crm()
    own.can = can
    return own
  end

  for _, host in ipairs { "the embedded host", "a host of one's own" } do
    it("is for the host to say, where it has an opinion: " .. host, function()
      local given, says = nil, true
      local engine = open { host = with_can(host, function(...)
        given = { ... }
        return says
      end), tenant = "north" }
      local id = ask(engine, { category = LEAD })
      says = false
      assert_refused(engine, id, "forbidden", { accept = true }, { actor = ANN })
      assert.same({ ANN, "confirm", engine:confirmation(id), "north" }, given)
      assert_refused(engine, id, "forbidden", { decline = true }, { actor = BOB })
      says = nil
      assert_refused(engine, id, "forbidden", { decline = true }, { actor = BOB })
      says = true
      assert.equal("declined", engine:resolve(id, { decline = true }, { actor = EVE }).status)
      assert.equal("eve", engine:confirmation(id).resolved_by.id)
      engine:close()
    end)

    it("is not known when the host raises; the question stays: " .. host, function()
      local engine = open { host = with_can(host, function() error("no connection", 0) end) }
      local id = ask(engine, { category = LEAD })
      local message = assert_refused(engine, id, "unavailable", { accept = true }, { actor = ANN })
      assert.matches("host.can raised: no connection", message)
      -- The program is not asked about.
      assert.equal("declined", engine:resolve(id, { decline = true }).status)
      engine:close()
    end)
  end
end)

describe("what is no answer", function()
  after_each(stores.check)

  -- The answer, and what is said about it.
  local ROWS = {
    { "{}", {}, "must have one of accept, category and decline" },
    { "two fields", { accept = true, decline = true }, "must have one of" },
    { "a category and accept", { category = CUSTOMER, accept = true }, "must have one of" },
    { "accept = false", { accept = false }, "accept must be true" },
    { "decline = 1", { decline = 1 }, "decline must be true" },
    { "accept = \"true\"", { accept = "true" }, "accept must be true" },
    { "category = \"x\"", { category = "x" }, "category must be an integer" },
    { "category = \"5\"", { category = "5" }, "category must be an integer" },
    { "category = false", { category = false }, "category must be an integer" },
    { "category = 1.5", { category = 1.5 }, "category must be an integer.* 1.5" },
    { "category = 1/0", { category = 1 / 0 }, "category" },
    { "category = 0/0", { category = 0 / 0 }, "category must be an integer" },
    { "category = {}", { category = {} }, "category must be an integer" },
    { "an unknown field", { agree = true }, "not 'agree'" },
    { "a list", { true }, "not '1'" },
    { "a long name", { [("x"):rep(500)] = true }, "not 'x+'" },
    { "a category there is not", { category = 99 }, "the user chose category 99, which does not exist" },
    { "category = 0", { category = 0 }, "category 0, which does not exist" },
    { "category = -5", { category = -5 }, "category %-5, which does not exist" },
    { "category = 2^40", { category = 2 ^ 40 }, "which does not exist" },
    { "a deleted category", { category = PARTNER }, "the user chose category 6, which is deleted" },
  }
  for _, row in ipairs(ROWS) do
    it("is invalid, and the question stays open: " .. row[1], function()
      local engine = open()
      local id = ask(engine)
      local cfg = stores.config(RULES)
      cfg.categories[PARTNER].deleted = true
      assert(engine:save(cfg))
      for _, actor in ipairs { BOB, false } do
        local message = assert_refused(engine, id, "invalid", row[2], { actor = actor or nil })
        assert.matches(row[3], message)
        assert.is_true(#message < 200)
      end
      assert.equal("updated", engine:resolve(id, { accept = true }).status)
      engine:close()
    end)
  end

  it("is accept when the proposal has been deleted since; another category can be chosen", function()
    for _, host in ipairs { false, new_crm() } do
      local engine = open { host = host or nil }
      local id = ask(engine)
      local cfg = stores.config {}
      cfg.categories[CUSTOMER].deleted = true
      assert(engine:save(cfg))
      assert.matches("category 5, which is deleted", (assert_refused(engine, id, "invalid", { accept = true })))
      assert_refused(engine, id, "invalid", { category = CUSTOMER })
      table.remove(cfg.categories, CUSTOMER)
      assert(engine:save(cfg))
      assert.matches("category 5, which does not exist", (assert_refused(engine, id, "invalid", { accept = true })))
      assert.equal("updated", engine:resolve(id, { category = PARTNER }).status)
      assert.equal("changed", engine:confirmation(id).state)
      engine:close()
    end
  end)

  it("is an answer to a question that there is not", function()
    local engine = open()
    for _, id in ipairs { ("0"):rep(32), "", "x", ("0"):rep(31), ("g"):rep(32), ("0"):rep(33), ("0"):rep(10000) } do
      local outcome, message, code = engine:resolve(id, { accept = true })
      assert.same({ nil, "there is no such confirmation", "not_found" }, { outcome, message, code })
      assert.same({ nil, "there is no such confirmation", "not_found" }, { engine:confirmation(id) })
    end
    engine:close()
  end)

  -- What cannot be kept of an actor, who may answer.
  for name, odd in pairs { ["a function"] = print, ["a text that is no UTF-8"] = "\255", ["infinity"] = 1 / 0 } do
    it("comes from an actor with " .. name .. ": refused or kept, never half", function()
      local engine = open()
      local id = ask(engine)
      local ok, outcome, message, code = pcall(engine.resolve, engine, id, { accept = true },
        { actor = { id = "bob", name = "Bob", more = odd } })
      assert.is_true(ok, tostring(outcome))
      if not outcome then
        assert.equal("invalid", code, message)
        assert.same({ "open", LEAD }, { engine:confirmation(id).state, engine.host:get "Acme" })
      else
        assert.same({ "accepted", CUSTOMER }, { engine:confirmation(id).state, engine.host:get "Acme" })
      end
      engine:close()
    end)
  end

  -- A programmer's mistake, and what is named.
  local MISUSES = {
    { "no answer", function(engine, id) engine:resolve(id) end, "answer: a table expected, got nil" },
    { "an answer that is a text", function(engine, id) engine:resolve(id, "accept") end,
      "answer: a table expected, got string" },
    { "an actor that is a text", function(engine, id) engine:resolve(id, { accept = true }, { actor = "bob" }) end,
      "option 'actor'" },
    { "an unknown option", function(engine, id) engine:resolve(id, { accept = true }, { user = BOB }) end,
      "unknown option 'user'" },
    { "options that are no table", function(engine, id) engine:resolve(id, { accept = true }, "bob") end,
      "a table of options expected" },
    { "no id", function(engine) engine:resolve(nil, { accept = true }) end, "" },
    { "no id to look up", function(engine) engine:confirmation(nil) end, "" },
    { "an id that is a table", function(engine) engine:confirmation {} end, "" },
    { "an unknown state", function(engine) engine:confirmations { state = "closed" } end,
      "option 'state': one of open, accepted, changed, declined, expired, superseded, conflict expected" },
    { "an unknown filter", function(engine) engine:confirmations { rule = "sale_won" } end, "unknown option 'rule'" },
    { "a count with a limit", function(engine) engine:count_confirmations { limit = 5 } end, "unknown option 'limit'" },
    { "a cursor that is a number", function(engine) engine:confirmations { after = 1 } end, "option 'after'" },
    { "a limit that is a text", function(engine) engine:confirmations { limit = "10" } end, "option 'limit'" },
    { "a limit that is a fraction", function(engine) engine:confirmations { limit = 1.5 } end, "option 'limit'" },
    { "a company that is a table", function(engine) engine:confirmations { company = {} } end, "option 'company'" },
    { "a company's empty id", function(engine) engine:confirmations { company = "" } end,
      "company must have 1 to 255" },
    { "a user's empty id", function(engine) engine:confirmations { user = "" } end, "user must have 1 to 255" },
    { "a user's id that is too long", function(engine) engine:confirmations { user = ("x"):rep(256) } end,
      "user must have 1 to 255" },
    { "an event that is a text", function(engine) engine:propose "sale_won" end,
      "event: a table expected, got string" },
  }
  for _, row in ipairs(MISUSES) do
    it("is a mistake that raises: " .. row[1], function()
      local engine = open()
      local id = ask(engine)
      local ok, message = pcall(row[2], engine, id)
      assert.is_false(ok)
      assert.matches("_spec%.lua:%d+: ", message)
      assert.matches(row[3], message, 1, true)
      assert.equal("open", engine:confirmation(id).state)
      engine:close()
    end)
  end

  it("is given to a closed engine: that raises", function()
    local engine = open()
    local id = ask(engine)
    local record = engine:confirmation(id)
    engine:close()
    for name, call in pairs {
      resolve = function() engine:resolve(id, { accept = true }) end,
      confirmation = function() engine:confirmation(id) end,
      confirmations = function() engine:confirmations() end,
      sweep = function() engine:sweep() end,
      maintain = function() engine:maintain() end,
      propose = function() engine:propose { trigger = "sale_won", company = "Acme" } end,
      view = function() engine:view(record) end,
      render = function() engine:render({}, "text") end,
    } do
      local ok, message = pcall(call)
      assert.is_false(ok, name)
      assert.matches("_spec%.lua:%d+: the engine is closed", message)
    end
  end)
end)

describe("a list of questions", function()
  after_each(stores.check)

  local STATES = { "open", "accepted", "changed", "declined", "expired", "superseded", "conflict" }
  local COMPANIES = { "A", "B", 3, "A" .. ("x"):rep(254), "AB" }
  local USERS = { "bob", 7, "bobby", false }

  -- What is done about a question right after it was asked; the others wait until the next of their company.
  local function close(engine, i, id, company)
    local kind = i % 6
    if kind == 1 then
      assert.equal("updated", engine:resolve(id, { accept = true }).status)
    elseif kind == 2 then
      assert.equal("updated", engine:resolve(id, { category = PARTNER }).status)
    elseif kind == 3 then
      assert.equal("declined", engine:resolve(id, { decline = true }).status)
    elseif kind == 4 then
      engine.host.set_category(company, QUALIFIED, LEAD)
      assert.equal("conflict", engine:resolve(id, { accept = true }).status)
    end
    engine.host.set_category(company, LEAD, engine.host:get(company))
  end

  -- Questions in all states, of all companies and users; gives them, newest first.
  local function ask_all(engine, time, count)
    local asked = {}
    engine.host:create_many(COMPANIES, LEAD)
    for i = 1, count do
      local company, user = COMPANIES[i % 5 + 1], USERS[i % 4 + 1]
      local id = ask(engine, { company = company, actor = user and { id = user } or false })
      table.insert(asked, 1, { id = id, company = company, user = user })
      if i < count - 12 then
        close(engine, i, id, company)
      end
      time.now = time.now + (i % 20 == 0 and i <= 40 and 61 or 0.0001)
    end
    for _, question in ipairs(asked) do
      question.state = engine:confirmation(question.id).state
    end
    return asked
  end

  local function expected(asked, query)
    local ids = {}
    for _, question in ipairs(asked) do
      if (query.company == nil or tostring(query.company) == tostring(question.company))
        and (query.user == nil or tostring(query.user) == tostring(question.user))
        and (query.state == nil or query.state == question.state) then
        ids[#ids + 1] = question.id
      end
    end
    return ids
  end

  -- All pages of a list.
  local function paged(engine, query, limit, between)
    local ids = {}
    repeat
      local page = assert(engine:confirmations {
        company = query.company, user = query.user, state = query.state, limit = limit, after = ids[#ids],
      })
      assert.is_true(#page <= limit)
      for _, record in ipairs(page) do
        ids[#ids + 1] = record.id
      end
      if between then
        between(#ids)
      end
    until #page < limit
    return ids
  end

  it("is of a company, a user, a state, or any of them together, newest first, page by page", function()
    local engine, time = open { confirmation_ttl = 60 }
    local asked = ask_all(engine, time, 90)
    local of_state = {}
    for _, question in ipairs(asked) do
      of_state[question.state] = (of_state[question.state] or 0) + 1
    end
    for _, state in ipairs(STATES) do
      assert.is_true((of_state[state] or 0) >= 3, state .. ": " .. (of_state[state] or 0))
    end
    local companies, users, states = copy_of(COMPANIES), { "bob", "7", 7, "bobby", "bo", "none" }, copy_of(STATES)
    companies[#companies + 1], companies[#companies + 2], states[#states + 1] = "3", "C", false
    companies[#companies + 1], users[#users + 1] = false, false
    local found = 0
    for _, company in ipairs(companies) do
      for _, user in ipairs(users) do
        for _, state in ipairs(states) do
          local query = { company = company or nil, user = user or nil, state = state or nil }
          local ids = expected(asked, query)
          local records = assert(engine:confirmations(query))
          assert.same(ids, ids_of(records))
          assert.equal(#ids, engine:count_confirmations(query))
          for _, limit in ipairs(#ids > 0 and { 1, 4, 90 } or {}) do
            assert.same(ids, paged(engine, query, limit))
          end
          found = found + #ids
        end
      end
    end
    assert.is_true(found > 500)
    for _, record in ipairs(engine:confirmations()) do
      assert.same(engine:confirmation(record.id), record)
    end
    engine:close()
  end)

  it("goes on behind any question, also behind one that is not in it", function()
    local engine, time = open { confirmation_ttl = 60 }
    local asked = ask_all(engine, time, 60)
    for i, question in ipairs(asked) do
      local rest = { stores.unpack(asked, i + 1) }
      for _, query in ipairs {
        {}, { company = "B" }, { user = 7 }, { state = "open" }, { state = "accepted", user = "bob" },
      } do
        query.after = question.id
        assert.same(expected(rest, query), ids_of(engine:confirmations(query)))
      end
    end
    engine:close()
  end)

  it("has 100 when not told, at least 1 and at most 1,000", function()
    local engine = open()
    local count = times(1100)
    local ids = ask_many(engine, count)
    for limit, size in pairs { [false] = 100, [1] = 1, [0] = 1, [-7] = 1, [10] = 10, [1000] = 1000, [1001] = 1000,
      [100000] = 1000 } do
      size = math.min(size, count)
      local records = engine:confirmations { limit = limit or nil }
      assert.equal(size, #records)
      assert.same({ ids[count], ids[count - size + 1] }, { records[1].id, records[size].id })
    end
    assert.equal(count, #paged(engine, { state = "open" }, 1000))
    engine:close()
  end)

  it("shows each question once, though new ones come and old ones are answered between two pages", function()
    for _, state in ipairs { false, "open" } do
      local engine = open()
      local ids, answered = ask_many(engine, 60), {}
      local new = 0
      local seen = paged(engine, { state = state or nil }, 7, function(count)
        if count >= 49 then
          return
        end
        new = new + 1
        ask(engine, { company = "new " .. new, category = LEAD })
        local cursor, unseen = ids[60 - count + 1], ids[5 + new]
        assert.equal("declined", engine:resolve(cursor, { decline = true }).status)
        assert.equal("declined", engine:resolve(unseen, { decline = true }).status)
        answered[unseen] = true
      end)
      local expect = {}
      for i = 60, 1, -1 do
        if not (state and answered[ids[i]]) then
          expect[#expect + 1] = ids[i]
        end
      end
      assert.is_true(new >= 5)
      assert.same(expect, seen)
      engine:close()
    end
  end)

  it("cannot go on behind a question that there is not", function()
    local engine = open()
    local other = engine:tenant "other"
    assert(other:save(stores.config(RULES)))
    ask(engine)
    for _, after in ipairs { ("0"):rep(32), "x", "", ask(other, { category = LEAD }) } do
      assert.same({ nil, "there is no such confirmation", "not_found" }, { engine:confirmations { after = after } })
    end
    engine:close()
  end)

  it("has the questions of its tenant", function()
    local engine = open()
    local lists = {}
    for _, name in ipairs { "", "a", "aa", "b", "\0", "a\0" } do
      local tenant = engine:tenant(name)
      if name ~= "" then
        assert(tenant:save(stores.config(RULES)))
      end
      lists[name] = { ask(tenant, { category = LEAD }) }
      table.insert(lists[name], 1, ask(tenant, { company = "Bolt", category = LEAD }))
    end
    for name, ids in pairs(lists) do
      local tenant = engine:tenant(name)
      for _, query in ipairs { {}, { user = "bob" }, { state = "open" }, { state = "open", user = "bob" } } do
        assert.same(ids, ids_of(tenant:confirmations(query)))
      end
      assert.same({ ids[2] }, ids_of(tenant:confirmations { company = "Acme" }))
      assert.equal(name, tenant:confirmations()[1].tenant)
    end
    engine:close()
  end)

  it("is empty where nothing was asked", function()
    local engine = open()
    assert.same({}, engine:confirmations())
    assert.same({}, engine:confirmations { company = "Acme", user = "bob", state = "conflict" })
    assert.same({ expired = 0, removed = 0 }, engine:sweep())
    engine:close()
  end)
end)

describe("a host that asks before it saves", function()
  after_each(stores.check)

  local WON = { trigger = "sale_won", company = "Acme", actor = BOB, sale = { id = 17, name = "Printers" } }

  local function event(fields)
    local copy = {}
    for _, from in ipairs { WON, fields or {} } do
      for name, value in pairs(from) do
        copy[name] = value
      end
    end
    return copy
  end

  -- The bytes of the store's files: whatever was written is in them.
  local function files(path)
    local contents = {}
    for _, name in ipairs { "config.mdb", "journal.mdb" } do
      local file = assert(io.open(path .. "/" .. name, "rb"))
      contents[name] = file:read "*a"
      file:close()
    end
    return contents
  end

  -- Proposes the event; nothing may have been written.
  local function propose(engine, path, proposed)
    local before, journal, records = files(path), engine:history(), engine:confirmations()
    local result
    assert.equal(0, commits(engine, function() result = { engine:propose(proposed) } end))
    assert.is_true(before["journal.mdb"] == files(path)["journal.mdb"], "journal.mdb was written to")
    assert.is_true(before["config.mdb"] == files(path)["config.mdb"], "config.mdb was written to")
    assert.same({ journal, records }, { engine:history(), engine:confirmations() })
    return result[1], result[2], result[3]
  end

  for _, name in ipairs { "the embedded host", "a host of one's own" } do
    it("is told what to ask, and nothing is written: " .. name, function()
      local host = name ~= "the embedded host" and new_crm() or nil
      local engine, _, path = open { host = host }
      local view = assert(propose(engine, path, event { id = "e1" }))
      assert.is_nil(view.id)
      assert.same({ "open", LEAD, CUSTOMER, "en" }, { view.state, view.from.id, view.to.id, view.language })
      assert.matches("Printers.*Acme.*Lead.*Customer", view.sentence)
      local proposed, count = nil, 0
      for _, option in ipairs(view.options) do
        count, proposed = count + 1, option.proposed and option.id or proposed
      end
      assert.same({ 8, CUSTOMER }, { count, proposed })
      assert.is_nil(view.expires_at)
      assert.matches("Customer", engine:render(view, "text"))
      assert.same({}, host and host.changes or {})

      -- The event itself is still to come: it is no duplicate.
      assert.equal("updated", engine:handle(event { id = "e1", choice = CUSTOMER }).status)
      engine:close()
    end)
  end

  it("is told in the actor's language", function()
    local engine, _, path = open { language = "sv" }
    assert.equal("sv", propose(engine, path, WON).language)
    assert.equal("no", propose(engine, path, event { actor = { id = "bob", language = "no" } }).language)
    engine:close()
  end)

  it("is told of the guard's target, and of the newest config", function()
    local engine, _, path = open()
    engine:on("guard", function(_, decision) return decision.to == CUSTOMER and PARTNER or nil end)
    assert.equal(PARTNER, propose(engine, path, WON).to.id)
    local cfg = stores.config { sale_won = { OPPORTUNITY, ask = true } }
    cfg.categories[LOST].deleted = true
    assert(engine:save(cfg))
    local view = propose(engine, path, WON)
    assert.same({ OPPORTUNITY, 7 }, { view.to.id, #view.options })
    engine:close()
  end)

  -- The event, where Acme stands (default: a lead), and what the guard says.
  local NOTHING = {
    { "the rule is off", event { trigger = "sale_lost" }, rules = { sale_won = { CUSTOMER, ask = true } } },
    { "the rule does not ask", event { trigger = "sale_lost" } },
    { "the company is no potential customer", event(), stands = PARTNER },
    { "the company is there already", event { trigger = "sale_registered" }, stands = OPPORTUNITY },
    { "there is no such company", event { company = "Nobody" } },
    { "a guard vetoes", event(), guard = function() return false, "no" end },
    { "a guard wants it where it is", event(), guard = function() return LEAD end },
    { "the event was handled before", event { id = "seen" } },
    { "the user has answered already", event { choice = CUSTOMER } },
    { "the user has kept the category already", event { choice = false } },
  }
  for _, row in ipairs(NOTHING) do
    it("has nothing to ask when " .. row[1], function()
      local engine, _, path = open()
      if row.rules then
        assert(engine:save(stores.config(row.rules)))
      end
      assert.equal("declined", engine:handle(event { id = "seen", choice = false }).status)
      if row.stands then
        engine.host.set_category("Acme", row.stands, LEAD)
      end
      if row.guard then
        engine:on("guard", row.guard)
      end
      assert.same({}, { propose(engine, path, row[2]) })
      engine:close()
    end)
  end

  it("has nothing to ask without a licence", function()
    local host = new_crm()
    host.licensed = function() return false end
    local engine, _, path = open { host = host }
    assert.same({}, { propose(engine, path, WON) })
    engine:close()
  end)

  it("is not told when that cannot be known", function()
    local host = new_crm()
    local engine, _, path = open { host = host }
    assert.equal("invalid", select(3, propose(engine, path, event { trigger = "sale_undone" })))
    assert.equal("invalid", select(3, propose(engine, path, event { choice = "x" })))
    host.category = function() return nil, "away" end
    assert.same({ nil, "away", "unavailable" }, { propose(engine, path, WON) })
    engine:on("guard", function() error("no", 0) end)
    assert.equal("unavailable", select(3, propose(engine, path, event { category = LEAD })))
    engine:close()
  end)

  it("does not close an older question by proposing, but by handling", function()
    local engine, _, path = open()
    local id = ask(engine)
    assert(propose(engine, path, event { trigger = "sale_registered" }))
    assert.equal("open", engine:confirmation(id).state)
    assert.equal("declined", engine:handle(event { trigger = "sale_registered", choice = false }).status)
    assert.equal("superseded", engine:confirmation(id).state)
    engine:close()
  end)

  -- What is proposed while the host has still to make Acme a lost customer.
  local UNFINISHED = {
    { "it would match", event() },
    { "it would come to nothing", event { trigger = "lead_status_set", lead_status = 2 } },
    { "it is the event whose change is unfinished", event { id = "l", trigger = "sale_lost" } },
  }
  for _, row in ipairs(UNFINISHED) do
    it("has no change made by proposing, also where one is unfinished and " .. row[1], function()
      local host = new_crm()
      local engine, time = open { host = host }
      host.well = false
      assert.equal("failed", engine:handle({ id = "l", trigger = "sale_lost", company = "Acme" }).status)
      host.well, time.now = true, START + 3600
      local count = commits(engine, engine.propose, engine, row[2])
      assert.same({ 0, {} }, { count, host.changes })
      engine:close()
    end)
  end

  -- The choice, the outcome's status and target, and where the company stands then.
  local CHOICES = {
    { "the proposal", CUSTOMER, "updated", CUSTOMER, CUSTOMER },
    { "another category", PARTNER, "updated", PARTNER, PARTNER },
    { "another category, as a float", 6.0, "updated", PARTNER, PARTNER },
    { "to keep it", false, "declined", CUSTOMER, LEAD },
    { "the category that it has", LEAD, "declined", CUSTOMER, LEAD },
  }
  for _, name in ipairs { "the embedded host", "a host of one's own" } do
    for _, row in ipairs(CHOICES) do
      for _, way in ipairs { "handle", "handle_many" } do
        it(("has applied what the user chose: %s, by %s, with %s"):format(row[1], way, name), function()
          local engine = open { host = name ~= "the embedded host" and new_crm() or nil }
          local chosen = event { id = "e1", choice = row[2] }
          local outcome = way == "handle" and assert(engine:handle(chosen)) or assert(engine:handle_many { chosen })[1]
          assert.same({
            status = row[3], action = "confirm", reason = "matched", rule = "sale_won", revision = 1,
            from = LEAD, to = row[4], entry = outcome.entry,
          }, outcome)
          assert.equal(row[5], engine.host.category "Acme")
          assert.same({ row[3], "bob" }, { statuses(engine), engine:history()[1].actor.id })
          assert.same({}, engine:confirmations())
          assert.equal("duplicate", engine:handle(chosen).status)
          engine:close()
        end)
      end
    end
  end

  it("has a choice checked like an answer: an unknown or deleted category is invalid", function()
    local engine, _, path = open()
    local cfg = stores.config(RULES)
    cfg.categories[PARTNER].deleted = true
    assert(engine:save(cfg))
    local before = files(path)
    for choice, message in pairs { [PARTNER] = "which is deleted", [99] = "which does not exist" } do
      for _, call in ipairs {
        function(e) return engine:handle(e) end, function(e) return engine:handle_many { e } end,
      } do
        local outcome, why, code = call(event { id = "e1", choice = choice })
        assert.same({ nil, "invalid" }, { outcome, code })
        assert.matches("the user chose category %d+, " .. message, why)
      end
    end
    assert.is_true(before["journal.mdb"] == files(path)["journal.mdb"])
    assert.equal("updated", engine:handle(event { id = "e1", choice = CUSTOMER }).status)
    engine:close()
  end)

  it("has a choice checked like an answer: who may not, is forbidden", function()
    local given, says = {}, false
    local host = new_crm()
    function host.can(...)
      given[#given + 1] = { ... }
      return says
    end
    local engine, _, path = open { host = host }
    assert(engine:save(stores.config { sale_won = { CUSTOMER, ask = true } }))
    local before = files(path)
    for _, choice in ipairs { CUSTOMER, PARTNER, LEAD, 99, false } do
      local outcome, message, code = engine:handle(event { id = "e1", choice = choice })
      assert.same({ nil, "forbidden" }, { outcome, code })
      assert.matches("may not answer", message)
    end
    assert.is_true(before["journal.mdb"] == files(path)["journal.mdb"])
    assert.same({ BOB, "confirm", {
      tenant = "", company = "Acme", trigger = "sale_won", rule = "sale_won", from = LEAD, to = CUSTOMER, revision = 2,
      sale = { id = 17, name = "Printers" }, actor = BOB, options = { 1, 2, 3, 4, 5, 6, 7, 8 },
    }, "" }, given[1])
    host.can = function() error("no connection", 0) end
    assert.equal("unavailable", select(3, engine:handle(event { id = "e1", choice = CUSTOMER })))
    assert.same({}, host.changes)

    -- Asking needs no permission, and the program needs none to answer.
    assert.equal("awaiting_confirmation", engine:handle(event { id = "e2" }).status)
    host.can = function() return says end
    local chosen = event { id = "e1", choice = PARTNER }
    assert.equal("forbidden", select(3, engine:handle(chosen)))
    chosen.actor = nil
    assert.equal("updated", engine:handle(chosen).status)
    engine:close()
  end)

  it("leaves the older question open when a choice is forbidden", function()
    local host = new_crm()
    local engine = open { host = host }
    local id = ask(engine)
    host.can = function() return false end
    assert.equal("forbidden", select(3, engine:handle(event { choice = PARTNER })))
    assert.equal("open", engine:confirmation(id).state)
    engine:close()
  end)
end)

describe("a company that has another category by now", function()
  after_each(stores.check)

  for _, name in ipairs { "the embedded host", "a host of one's own" } do
    for _, row in ipairs {
      { "accepting", { accept = true }, CUSTOMER }, { "choosing", { category = PARTNER }, PARTNER },
    } do
      it(("makes %s a conflict, which has the category as it is now: %s"):format(row[1], name), function()
        local host = name ~= "the embedded host" and new_crm() or nil
        local engine, time = open { host = host }
        local id = ask(engine)
        assert.is_true(engine.host.set_category("Acme", QUALIFIED, LEAD))
        time.now = START + 10
        local outcome = assert(engine:resolve(id, row[2], { actor = BOB }))
        assert.same({
          status = "conflict", action = "confirm", reason = "matched", rule = "sale_won", revision = 1,
          from = LEAD, to = row[3], confirmation = id, entry = outcome.entry, category = QUALIFIED,
        }, outcome)
        local record = engine:confirmation(id)
        assert.same({ "conflict", "bob", START + 10, nil },
          { record.state, record.resolved_by.id, record.resolved_at, record.category })
        assert.equal(QUALIFIED, engine.host.category "Acme")
        assert.same({ "conflict awaiting_confirmation", id }, { statuses(engine), engine:history()[1].confirmation })
        engine:close()
      end)
    end

    it("can still be kept as it is: " .. name, function()
      local engine = open { host = name ~= "the embedded host" and new_crm() or nil }
      local id = ask(engine)
      assert.is_true(engine.host.set_category("Acme", QUALIFIED, LEAD))
      assert.equal("declined", engine:resolve(id, { decline = true }, { actor = BOB }).status)
      assert.equal(QUALIFIED, engine.host.category "Acme")
      engine:close()
    end)

    it("is a conflict without a category when it is gone: " .. name, function()
      local host = name ~= "the embedded host" and new_crm() or nil
      local engine = open { host = host }
      local id = ask(engine, { company = "Gone", category = LEAD })
      local outcome, message, code = engine:resolve(id, { accept = true })
      if host then
        assert.same({ "conflict", nil }, { outcome.status, outcome.category })
        assert.equal("conflict", engine:confirmation(id).state)
      else -- it was never kept here: its own host has to be asked
        assert.same({ nil, "company Gone is not kept in this store: answer where its CRM is", "unavailable" },
          { outcome, message, code })
        assert.equal("open", engine:confirmation(id).state)
      end
      engine:close()
    end)
  end

  it("has its event decided anew when that happened while it was decided, with the embedded host, too", function()
    local engine = open()
    local id = ask(engine)
    local changed = false
    engine:on("guard", function()
      if not changed then
        changed = engine.host.set_category("Acme", QUALIFIED, LEAD)
      end
    end)
    local outcome, message = engine:handle { trigger = "sale_lost", company = "Acme" }
    assert.is_truthy(outcome, message)
    assert.same({ "updated", QUALIFIED, LOST }, { outcome.status, outcome.from, outcome.to })
    assert.equal("superseded", engine:confirmation(id).state)
    engine:close()
  end)

  it("is a conflict all the same when the host cannot say where it is now", function()
    local host = new_crm()
    local engine = open { host = host }
    local id = ask(engine)
    host.set_category("Acme", QUALIFIED, LEAD)
    host.category = function() error "away" end
    local outcome = assert(engine:resolve(id, { accept = true }))
    assert.same({ "conflict", nil }, { outcome.status, outcome.category })
    engine:close()
  end)
end)

describe("an answer that the host could not make happen", function()
  after_each(stores.check)

  -- Bob has accepted while the host was away.
  local function open_failed(options)
    local host = new_crm()
    options = options or {}
    options.host = host
    local engine, time, path = open(options)
    local id = ask(engine)
    host.well, time.now = false, START + 10
    local outcome = assert(engine:resolve(id, { accept = true }, { actor = BOB }))
    assert.same({
      status = "failed", action = "confirm", reason = "matched", rule = "sale_won", revision = 1, from = LEAD,
      to = CUSTOMER, confirmation = id, entry = outcome.entry, error = "away",
    }, outcome)
    return engine, host, time, id, path
  end

  it("leaves the question open until it has; then it is as if it had happened at once", function()
    local engine, host, time, id = open_failed()
    assert.equal("applying awaiting_confirmation", statuses(engine))
    local record = engine:confirmation(id)
    assert.same({ "open", nil, nil, nil }, { record.state, record.resolved_by, record.resolved_at, record.category })
    assert.same({ id }, ids_of(engine:confirmations { state = "open" }))

    host.well, time.now = true, START + 10 + 3600
    local told = {}
    engine:on("updated", function(event, outcome) told[#told + 1] = { event, outcome } end)
    assert.same({ finished = 1, failed = 0, busy = 0 }, engine:recover())
    assert.same({ finished = 0, failed = 0, busy = 0 }, engine:recover())
    record.state, record.resolved_by, record.resolved_at, record.category = "accepted", BOB, START + 10, CUSTOMER
    assert.same(record, engine:confirmation(id))
    assert.same({ "Acme 1 -> 5" }, host.changes)
    assert.equal("updated awaiting_confirmation", statuses(engine))
    assert.same({ 1, "bob", "updated", id },
      { #told, told[1][1].actor.id, told[1][2].status, told[1][2].confirmation })
    assert_refused(engine, id, "already_resolved", { decline = true }, { actor = BOB })
    engine:close()
  end)

  it("is a conflict when the company was changed elsewhere before it could", function()
    local engine, host, time, id = open_failed()
    host.companies.Acme, host.well, time.now = QUALIFIED, true, START + 3610
    assert.same({ finished = 1, failed = 0, busy = 0 }, engine:recover())
    local record = engine:confirmation(id)
    assert.same({ "conflict", "bob", START + 10, nil },
      { record.state, record.resolved_by.id, record.resolved_at, record.category })
    assert.same({ "conflict awaiting_confirmation", QUALIFIED }, { statuses(engine), host.companies.Acme })
    engine:close()
  end)

  it("is accepted when the company is where it was to go already", function()
    local engine, host, time, id = open_failed()
    host.companies.Acme, host.well, time.now = CUSTOMER, true, START + 3610
    assert.same({ finished = 1, failed = 0, busy = 0 }, engine:recover())
    assert.same({ "accepted", {} }, { engine:confirmation(id).state, host.changes })
    engine:close()
  end)

  it("is finished when the store is opened again, or by maintain", function()
    for _, way in ipairs { "open", "maintain" } do
      local engine, host, _, id, path = open_failed()
      engine:close()
      host.well = way == "open"
      local time = { now = START + 3610 }
      engine = open { path = path, host = host, clock = function() return time.now end }
      if way == "maintain" then
        host.well, time.now = true, START + 7210
        local counts = assert(engine:maintain())
        assert.same({ 1, 0, 0, 0 }, { counts.finished, counts.failed, counts.busy, counts.expired })
      end
      assert.same({ "accepted", { "Acme 1 -> 5" } }, { engine:confirmation(id).state, host.changes })
      engine:close()
    end
  end)

  it("keeps others waiting: they are unavailable while the host is away, then they are too late", function()
    local engine, host, _, id = open_failed()
    for _, answer in ipairs { { accept = true }, { category = PARTNER }, { decline = true } } do
      local outcome, message, code = engine:resolve(id, answer, { actor = ANN })
      assert.same({ nil, "unavailable" }, { outcome, code })
      assert.matches("company Acme has an unfinished change: away", message)
    end
    assert.equal("open", engine:confirmation(id).state)
    host.well = true
    local outcome, message, code, record = engine:resolve(id, { decline = true }, { actor = ANN })
    assert.same({ nil, "already_resolved" }, { outcome, code })
    assert.matches("Bob.* accepted", message)
    assert.same({ "accepted", "bob", START + 10 }, { record.state, record.resolved_by.id, record.resolved_at })
    assert.same({ "Acme 1 -> 5" }, host.changes)
    assert.equal("updated awaiting_confirmation", statuses(engine))
    engine:close()
  end)

  it("comes before a newer event, which does not close the question", function()
    local engine, host, _, id = open_failed()
    local newer = { trigger = "sale_lost", company = "Acme", actor = EVE }
    assert.equal("unavailable", select(3, engine:handle(newer)))
    host.well = true
    assert.equal("not_potential_customer", engine:handle(newer).reason)
    assert.same({ "accepted", { "Acme 1 -> 5" } }, { engine:confirmation(id).state, host.changes })
    engine:close()
  end)

  it("leaves the question to be answered again once it is given up", function()
    local engine, host, time, id = open_failed()
    for _ = 2, 10 do
      time.now = time.now + 3600
      assert.same({ finished = 0, failed = 1, busy = 0 }, engine:recover())
    end
    assert.equal("failed awaiting_confirmation", statuses(engine))
    local record = engine:confirmation(id)
    assert.same({ "open", nil, nil }, { record.state, record.resolved_by, record.resolved_at })
    host.well = true
    assert.equal("updated", engine:resolve(id, { category = PARTNER }, { actor = ANN }).status)
    record = engine:confirmation(id)
    assert.same({ "changed", "ann", PARTNER }, { record.state, record.resolved_by.id, record.category })
    assert.same({ "updated failed awaiting_confirmation", { "Acme 1 -> 6" } }, { statuses(engine), host.changes })
    engine:close()
  end)

  it("was given in time: while it is unfinished the question does not expire", function()
    local engine, host, time, id = open_failed { confirmation_ttl = 60 }
    time.now = START + 120
    assert.same({ expired = 0, removed = 0 }, engine:sweep())
    assert.equal("open", engine:confirmation(id).state)
    assert.equal("unavailable", select(3, engine:resolve(id, { decline = true }, { actor = ANN })))
    assert.equal("open", engine:confirmations()[1].state)
    host.well, time.now = true, START + 7200
    assert.equal(0, engine:sweep().expired)
    assert.equal(1, engine:maintain().finished)
    local record = engine:confirmation(id)
    assert.same({ "accepted", START + 10 }, { record.state, record.resolved_at })
    engine:close()
  end)

  it("is in the list of open ones while it is unfinished, whatever the clock says", function()
    local engine, _, time, id = open_failed { confirmation_ttl = 60 }
    time.now = START + 120
    assert.equal("open", engine:confirmation(id).state)
    assert.same({ id }, ids_of(engine:confirmations { state = "open" }))
    assert.same({}, engine:confirmations { state = "expired" })
    engine:close()
  end)

  it("does not keep other questions from expiring", function()
    local engine, _, time, id = open_failed { confirmation_ttl = 60 }
    local other = ask(engine, { company = "Bolt" })
    time.now = START + 120
    assert.same({ expired = 1, removed = 0 }, engine:sweep())
    assert.same({ "open", "expired" }, { engine:confirmation(id).state, engine:confirmation(other).state })
    engine:close()
  end)

  it("lets the question expire once it is given up", function()
    local engine, _, time, id = open_failed { confirmation_ttl = 60 }
    for _ = 2, 10 do
      time.now = time.now + 3600
      engine:recover()
    end
    local record = engine:confirmation(id)
    assert.same({ "expired", START + 60 }, { record.state, record.resolved_at })
    engine:close()
  end)

  it("is left alone by an engine with the embedded host", function()
    local engine, host, _, id, path = open_failed()
    engine:close()
    local other = open { path = path, clock = function() return START + 3610 end }
    assert.same({ finished = 0, failed = 0, busy = 0 }, other:recover())
    assert.same({ 0, 0 }, { other:maintain().finished, other:maintain().expired })
    assert.equal("unavailable", select(3, other:resolve(id, { accept = true })))
    assert.equal("open", other:confirmation(id).state)
    assert.equal("applying awaiting_confirmation", statuses(other))
    other:close()
    host.well = true
    engine = open { path = path, host = host, clock = function() return START + 3610 end }
    assert.equal("accepted", engine:confirmation(id).state)
    engine:close()
  end)

  -- What a host may do wrong.
  for name, set in pairs {
    raises = function() error("no connection", 0) end,
    ["gives nothing"] = function() end,
    ["gives false"] = function() return false end,
  } do
    it("is tried again when the host " .. name, function()
      local host = new_crm()
      local engine, time = open { host = host }
      local id = ask(engine)
      local well = host.set_category
      host.set_category = set
      assert.equal("failed", engine:resolve(id, { category = PARTNER }, { actor = BOB }).status)
      assert.equal("open", engine:confirmation(id).state)
      host.set_category, time.now = well, START + 3600
      assert.equal(1, engine:recover().finished)
      local record = engine:confirmation(id)
      assert.same({ "changed", PARTNER, "bob" }, { record.state, record.category, record.resolved_by.id })
      engine:close()
    end)
  end
end)

describe("a host that takes its time over an answer", function()
  after_each(stores.check)

  it("is waited for: the question is open meanwhile, and nobody else can answer it", function()
    local host = new_crm()
    local set = host.set_category
    function host.set_category(...)
      coroutine.yield()
      return set(...)
    end
    local engine, time = open { host = host, confirmation_ttl = 60 }
    local id = ask(engine)
    local first = coroutine.wrap(function() return engine:resolve(id, { accept = true }, { actor = BOB }) end)
    first()
    assert.equal("open", engine:confirmation(id).state)
    time.now = START + 20
    local outcome, message, code = engine:resolve(id, { decline = true }, { actor = ANN })
    assert.same({ nil, "unavailable" }, { outcome, code })
    assert.matches("is being changed by a call that waits", message)
    time.now = START + 25
    assert.equal(0, engine:sweep().expired)
    assert.equal("updated", first().status)
    local record = engine:confirmation(id)
    assert.same({ "accepted", "bob", START }, { record.state, record.resolved_by.id, record.resolved_at })
    assert_refused(engine, id, "already_resolved", { decline = true }, { actor = ANN })
    assert.same({ "Acme 1 -> 5" }, host.changes)
    engine:close()
  end)

  it("may bring the answer after the question's time: it was given in time", function()
    local host = new_crm()
    local set = host.set_category
    function host.set_category(...)
      coroutine.yield()
      return set(...)
    end
    local engine, time = open { host = host, confirmation_ttl = 15 }
    local id = ask(engine)
    time.now = START + 14
    local first = coroutine.wrap(function() return engine:resolve(id, { accept = true }, { actor = BOB }) end)
    first()
    time.now = START + 20
    assert.same({ expired = 0, removed = 0 }, engine:sweep())
    assert.equal("open", engine:confirmation(id).state)
    assert.equal("updated", first().status)
    assert.equal("accepted", engine:confirmation(id).state)
    engine:close()
  end)

  it("may answer the very question again: that is unavailable, at once", function()
    local host = new_crm()
    local set = host.set_category
    local engine, id, code
    function host.set_category(...)
      code = select(3, engine:resolve(id, { decline = true }))
      return set(...)
    end
    engine = open { host = host }
    id = ask(engine)
    assert.equal("updated", engine:resolve(id, { accept = true }).status)
    assert.same({ "unavailable", "accepted" }, { code, engine:confirmation(id).state })
    engine:close()
  end)
end)

describe("those who listen", function()
  after_each(stores.check)

  -- The answer, what is done before it, the hook that fires (if any) and the outcome that is counted.
  local ROWS = {
    { "of an accepted proposal", { accept = true }, nil, "updated", "updated" },
    { "of a choice", { category = PARTNER }, nil, "updated", "updated" },
    { "nothing of a declined one, which is counted", { decline = true }, nil, nil, "declined" },
    { "nothing of a conflict, which is counted", { accept = true },
      function(host) host.companies.Acme = QUALIFIED end, nil, "conflict" },
    { "of a failure", { accept = true }, function(host) host.well = false end, "failed", "failed" },
  }
  for _, row in ipairs(ROWS) do
    it("are told " .. row[1], function()
      local host = new_crm()
      local engine, time = open { host = host }
      local id = ask(engine, { trigger = "lead_status_set", lead_status = 5, contact = { id = 7, name = "Cy" } })
      local told = {}
      for _, hook in ipairs { "updated", "awaiting_confirmation", "unchanged", "failed" } do
        engine:on(hook, function(event, outcome) told[#told + 1] = { hook, event, outcome } end)
      end
      if row[3] then
        row[3](host)
      end
      time.now = START + 10
      local outcome = assert(engine:resolve(id, row[2], { actor = ANN }))
      assert.same(row[4] and { { row[4], {
        trigger = "lead_status_set", company = "Acme", lead_status = 5, sale = { id = 17, name = "Printers" },
        contact = { id = 7, name = "Cy" }, actor = ANN, at = START + 10,
      }, outcome } } or {}, told)
      assert.same({
        lead_status_set = { awaiting_confirmation = { matched = 1 }, [row[5]] = { matched = 1 } },
      }, engine:stats().outcomes)
      -- A refused answer is neither told nor counted.
      engine:resolve(id, { accept = true }, { actor = EVE })
      assert.equal(row[4] and 1 or 0, #told)
      assert.same({ matched = 1 }, engine:stats().outcomes.lead_status_set[row[5]])
      engine:close()
    end)
  end

  it("may raise: the answer stands", function()
    local engine = open()
    local id = ask(engine)
    engine:on("updated", function() error "no" end)
    assert.equal("updated", engine:resolve(id, { accept = true }).status)
    assert.same({ "accepted", 1 }, { engine:confirmation(id).state, engine:stats().hook_errors })
    engine:close()
  end)
end)
