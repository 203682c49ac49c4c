-- Handling events: an event comes in, an outcome comes out, and once it is out, what was done is on disk. This spec
-- goes through every outcome there is, then through what surrounds it: the question to a user, guards that may veto,
-- listeners that are told, commits that are counted, batches, and the journal that says afterwards what happened.

local crm = require "support.crm"
local stores = require "support.stores"
local times = require "support.times"

local LEAD, QUALIFIED, OPPORTUNITY, LOST_OPPORTUNITY, CUSTOMER, PARTNER = 1, 2, 3, 4, 5, 6 -- the preset's categories

-- An engine whose rules are those of `stores.config`, and where the companies Acme and Bolt are leads. Its clock stands
-- still unless a test moves `time.now`.
local function open(rules, options)
  local time = { now = 1700000000 }
  options = options or {}
  options.clock, options.durability = function() return time.now end, "relaxed"
  local engine, path = stores.open(options)
  if engine:config().revision == 0 then
    assert(engine:save(stores.config(rules)))
    if not options.host then
      engine.host:create_many({ "Acme", "Bolt" }, LEAD)
    end
  end
  return engine, time, path
end

local function commits(engine, fn)
  local before = engine:stats().commits.count
  fn()
  return engine:stats().commits.count - before
end

local function statuses(engine, query)
  local list = {}
  for i, entry in ipairs(engine:history(query)) do
    list[i] = entry.status
  end
  return table.concat(list, " ")
end

-- The outcome without what differs from run to run.
local function settled(outcome)
  local copy = {}
  for name, value in pairs(outcome) do
    copy[name] = name == "first" and settled(value) or value
  end
  copy.entry, copy.confirmation = nil, nil
  return copy
end

describe("an event's outcome", function()
  after_each(stores.check)

  local MATCHED = { action = "update", reason = "matched", rule = "sale_won", revision = 1, from = LEAD, to = CUSTOMER }

  local function matched(fields)
    local outcome = {}
    for name, value in pairs(MATCHED) do
      outcome[name] = value
    end
    for name, value in pairs(fields) do
      outcome[name] = value
    end
    return outcome
  end

  local function unchanged(reason, from, rule)
    return { status = "unchanged", action = "none", reason = reason, from = from, revision = 1, rule = rule }
  end

  local WON, ASK = { sale_won = CUSTOMER }, { sale_won = { CUSTOMER, ask = true } }
  -- What happens, the rules, the event; where the company stands before (default: a lead; false: there is none), the
  -- outcome, the journal, and where the company stands then (default: as before).
  local ROWS = {
    { "updated: a rule matches", WON, { trigger = "sale_won" },
      outcome = matched { status = "updated" }, journal = "updated", after = CUSTOMER },
    { "awaiting_confirmation: the rule asks", ASK, { trigger = "sale_won" },
      outcome = matched { status = "awaiting_confirmation", action = "confirm" }, journal = "awaiting_confirmation" },
    { "updated: the user was asked before saving, and agreed", ASK, { trigger = "sale_won", choice = CUSTOMER },
      outcome = matched { status = "updated", action = "confirm" }, journal = "updated", after = CUSTOMER },
    { "updated: the user chose another category", ASK, { trigger = "sale_won", choice = PARTNER },
      outcome = matched { status = "updated", action = "confirm", to = PARTNER }, journal = "updated",
      after = PARTNER },
    { "declined: the user keeps the category", ASK, { trigger = "sale_won", choice = false },
      outcome = matched { status = "declined", action = "confirm" }, journal = "declined" },
    { "declined: the user chose the category that it has", ASK, { trigger = "sale_won", choice = LEAD },
      outcome = matched { status = "declined", action = "confirm" }, journal = "declined" },
    { "conflict: the company is not where the event says", WON, { trigger = "sale_won", category = QUALIFIED },
      outcome = matched { status = "conflict", from = QUALIFIED }, journal = "conflict" },
    { "conflict: there is no such company", WON, { trigger = "sale_won", category = LEAD }, before = false,
      outcome = matched { status = "conflict" }, journal = "conflict" },
    { "unchanged: rule_disabled", WON, { trigger = "sale_lost" }, outcome = unchanged("rule_disabled", LEAD) },
    { "unchanged: unknown_category, as there is no such company", WON, { trigger = "sale_won" }, before = false,
      outcome = unchanged "unknown_category" },
    { "unchanged: unknown_category, as no config knows it", WON, { trigger = "sale_won" }, before = 99,
      outcome = unchanged("unknown_category", 99) },
    { "unchanged: not_potential_customer", WON, { trigger = "sale_won" }, before = PARTNER,
      outcome = unchanged("not_potential_customer", PARTNER) },
    { "unchanged: lead_status_not_enabled", { ["lead_status_set:5"] = OPPORTUNITY },
      { trigger = "lead_status_set", lead_status = 5 }, before = LOST_OPPORTUNITY,
      outcome = unchanged("lead_status_not_enabled", LOST_OPPORTUNITY) },
    { "unchanged: lead_status_not_matched", { ["lead_status_set:5"] = OPPORTUNITY },
      { trigger = "lead_status_set", lead_status = 2 }, outcome = unchanged("lead_status_not_matched", LEAD) },
    { "unchanged: already_in_category", { ["lead_status_set:5"] = OPPORTUNITY },
      { trigger = "lead_status_set", lead_status = 5 }, before = OPPORTUNITY,
      outcome = unchanged("already_in_category", OPPORTUNITY, "lead_status_set:5") },
    { "unchanged, whatever the user would choose, where nothing is to be asked", ASK,
      { trigger = "sale_won", choice = LEAD }, before = PARTNER,
      outcome = unchanged("not_potential_customer", PARTNER) },
  }

  for _, row in ipairs(ROWS) do
    it("is " .. row[1], function()
      local engine = open(row[2])
      local before = row.before == nil and LEAD or row.before or nil
      local company = before == LEAD and "Acme" or "Company"
      if before and company == "Company" then
        assert(engine.host:create(company, before))
      end
      row[3].company = row.before == false and "Nobody" or company
      local outcome
      local count = commits(engine, function() outcome = assert(engine:handle(row[3])) end)
      assert.same(row.outcome, settled(outcome))
      assert.equal(row.journal or "", statuses(engine))
      assert.equal(row.journal and 1 or 0, count, "commits")
      assert.equal(row.journal and engine:history()[1].entry, outcome.entry or row.journal)
      assert.equal(row.outcome.status == "awaiting_confirmation", outcome.confirmation ~= nil)
      assert.equal(row.after or before, engine.host:get(row[3].company))
      engine:close()
    end)
  end

  it("is not_licensed, before anything is asked", function()
    local host = crm.new { Acme = LEAD }
    function host.licensed(tenant)
      return tenant ~= "free"
    end
    local engine = open(WON, { host = host })
    assert.equal("updated", engine:handle({ trigger = "sale_won", company = "Acme" }).status)
    local free, calls = engine:tenant "free", #host.calls
    assert.same({ status = "unchanged", action = "none", reason = "not_licensed" },
      free:handle { trigger = "sale_won", company = "Acme" })
    assert.equal(calls, #host.calls)
    engine:close()
  end)

  it("is failed while the host cannot make the change; the entry stays, to be finished later", function()
    local host = crm.new { Acme = LEAD }
    host.set_category = function() return nil, "the database is away" end
    local engine = open(WON, { host = host })
    local outcome = assert(engine:handle { trigger = "sale_won", company = "Acme" })
    assert.same(matched { status = "failed", error = "the database is away" }, settled(outcome))
    assert.equal("applying", statuses(engine))
    engine:close()
  end)

  it("is conflict when the host says so", function()
    local host = crm.new { Acme = LEAD }
    local engine = open(WON, { host = host })
    local outcome = assert(engine:handle { trigger = "sale_won", company = "Acme", category = QUALIFIED })
    assert.same(matched { status = "conflict", from = QUALIFIED }, settled(outcome))
    assert.equal("conflict", statuses(engine))
    engine:close()
  end)

  for name, choice in pairs { ["a deleted category"] = PARTNER, ["a category there is not"] = 99 } do
    it("is none at all when the user chose " .. name, function()
      local cfg = stores.config(ASK)
      cfg.categories[PARTNER].deleted = true
      local engine = open(WON)
      assert(engine:save(cfg))
      local event = { id = "1", trigger = "sale_won", company = "Acme", choice = choice }
      local count = commits(engine, function()
        local outcome, message, code = engine:handle(event)
        assert.is_nil(outcome)
        assert.matches("the user chose category " .. choice, message)
        assert.equal("invalid", code)
      end)
      assert.same({ 0, "", LEAD }, { count, statuses(engine), engine.host:get "Acme" })
      event.choice = CUSTOMER -- with a choice that exists the same event can be delivered again
      assert.equal("updated", engine:handle(event).status)
      engine:close()
    end)
  end

  it("has integers for ids, whatever came in", function()
    local host = crm.new { Acme = LEAD }
    host.category = function() return 1.0 end
    local engine = open({ ["lead_status_set:5"] = { OPPORTUNITY, ask = true } }, { host = host })
    local type_of = rawget(math, "type") or function() return "integer" end
    for _, event in ipairs {
      { trigger = "lead_status_set", company = "Acme", lead_status = 5.0, category = 1.0, choice = 3.0 },
      { trigger = "lead_status_set", company = "Acme", lead_status = 5.0 },
    } do
      local outcome = assert(engine:handle(event))
      assert.same({ 1, 3, "lead_status_set:5" }, { outcome.from, outcome.to, outcome.rule })
      assert.same({ "integer", "integer" }, { type_of(outcome.from), type_of(outcome.to) })
    end
    engine:close()
  end)
end)

describe("a duplicate", function()
  after_each(stores.check)

  local ROWS = {
    { "updated", { sale_won = CUSTOMER }, {} },
    { "awaiting_confirmation", { sale_won = { CUSTOMER, ask = true } }, {} },
    { "declined", { sale_won = { CUSTOMER, ask = true } }, { choice = false } },
    { "conflict", { sale_won = CUSTOMER }, { category = OPPORTUNITY } },
  }
  for _, row in ipairs(ROWS) do
    it("has the outcome of the first, also after the store was opened again: " .. row[1], function()
      local engine, _, path = open(row[2])
      local event = { id = "sale 17 won", trigger = "sale_won", company = "Acme" }
      for name, value in pairs(row[3]) do
        event[name] = value
      end
      local first = assert(engine:handle(event))
      assert.equal(row[1], first.status)
      for _ = 1, 2 do
        local again
        assert.equal(0, commits(engine, function() again = assert(engine:handle(event)) end))
        assert.equal("duplicate", again.status)
        assert.same(first, again.first)
        for _, name in ipairs { "action", "reason", "from", "to", "rule", "revision", "entry", "confirmation" } do
          assert.equal(first[name], again[name], name)
        end
        engine:close()
        engine = open(nil, { path = path })
      end
      assert.equal(row[1], statuses(engine))
      engine:close()
    end)
  end

  it("of a failed change is failed, until the change is made", function()
    local host = crm.new { Acme = LEAD }
    local set = host.set_category
    host.set_category = function() return nil, "away" end
    local engine, time = open({ sale_won = CUSTOMER }, { host = host })
    local event = { id = "1", trigger = "sale_won", company = "Acme" }
    assert.equal("failed", engine:handle(event).status)
    assert.same({ "failed", "away" }, { engine:handle(event).first.status, engine:handle(event).first.error })
    host.set_category = set
    time.now = time.now + 3600
    assert.equal(1, engine:recover().finished)
    assert.equal("updated", engine:handle(event).first.status)
    engine:close()
  end)

  it("is told by the id's text, whatever its type, and whatever else the event says", function()
    local engine = open { sale_won = CUSTOMER, sale_lost = LOST_OPPORTUNITY }
    local first = assert(engine:handle { id = 17, trigger = "sale_won", company = "Acme" })
    for _, id in ipairs { "17", 17.0 } do
      assert.same(first, engine:handle({ id = id, trigger = "sale_lost", company = "Bolt" }).first)
    end
    assert.equal("updated", engine:handle({ id = "17 ", trigger = "sale_lost", company = "Bolt" }).status)
    assert.equal("17", engine:history({ company = "Acme" })[1].event_id)
    engine:close()
  end)

  it("is none where the first delivery came to nothing: it is decided anew", function()
    local engine = open { sale_lost = LOST_OPPORTUNITY }
    local event = { id = "1", trigger = "sale_won", company = "Acme" }
    assert.equal("rule_disabled", engine:handle(event).reason)
    assert(engine:save(stores.config { sale_won = CUSTOMER }))
    assert.equal("updated", engine:handle(event).status)
    engine:close()
  end)

  it("is known to its tenant only", function()
    local engine = open { sale_won = CUSTOMER }
    local event = { id = "1", trigger = "sale_won", company = "Acme" }
    assert.equal("updated", engine:handle(event).status)
    local other = engine:tenant "other"
    assert(other:save(stores.config { sale_won = CUSTOMER }))
    assert.equal("unknown_category", other:handle(event).reason)
    engine:close()
  end)
end)

describe("a question", function()
  after_each(stores.check)

  local RULES = {
    sale_won = { CUSTOMER, ask = true }, sale_registered = { OPPORTUNITY, ask = true }, sale_lost = LOST_OPPORTUNITY,
    ["lead_status_set:5"] = { QUALIFIED, ask = true },
  }

  it("is kept with all that the user has to see", function()
    local engine, time = open(RULES, { confirmation_ttl = 60 })
    local outcome = assert(engine:handle {
      trigger = "lead_status_set", company = "Acme", lead_status = 5, at = time.now - 5,
      contact = { id = 7, name = "Ann", mail = "ann@acme.example" }, actor = { id = "bob", name = "Bob" },
      sale = { id = 17, name = "Printers" },
    })
    assert.matches("^" .. ("[0-9a-f]"):rep(32) .. "$", outcome.confirmation)
    assert.same({
      id = outcome.confirmation, tenant = "", company = "Acme", trigger = "lead_status_set", rule = "lead_status_set:5",
      lead_status = 5, from = LEAD, to = QUALIFIED, options = { 1, 2, 3, 4, 5, 6, 7, 8 }, revision = 1,
      contact = { id = 7, name = "Ann", mail = "ann@acme.example" }, actor = { id = "bob", name = "Bob" },
      sale = { id = 17, name = "Printers" }, state = "open", created_at = time.now, expires_at = time.now + 60,
    }, engine:confirmation(outcome.confirmation))
    assert.equal(outcome.confirmation, engine:history()[1].confirmation)
    engine:close()
  end)

  it("offers every category that is not deleted, in the config's order", function()
    local engine = open(RULES)
    local cfg = stores.config(RULES)
    cfg.categories[PARTNER].deleted = true
    table.insert(cfg.categories, 1, table.remove(cfg.categories)) -- category 8 comes first
    assert(engine:save(cfg))
    local outcome = assert(engine:handle { trigger = "sale_won", company = "Acme" })
    assert.same({ 8, 1, 2, 3, 4, 5, 7 }, engine:confirmation(outcome.confirmation).options)
    engine:close()
  end)

  it("expires after seven days when nothing else was said", function()
    local engine, time = open(RULES)
    local outcome = assert(engine:handle { trigger = "sale_won", company = "Acme" })
    assert.equal(time.now + 7 * 24 * 3600, engine:confirmation(outcome.confirmation).expires_at)
    engine:close()
  end)

  it("has an id that no other has, and belongs to one tenant", function()
    local engine = open(RULES)
    local seen = {}
    for i = 1, 200 do
      local outcome = assert(engine:handle { trigger = "sale_won", company = i, category = LEAD })
      assert.is_nil(seen[outcome.confirmation])
      seen[outcome.confirmation] = true
      if i == 1 then
        assert.equal("not_found", select(3, engine:tenant("other"):confirmation(outcome.confirmation)))
      end
    end
    for _, id in ipairs { ("0"):rep(32), "", "x", ("0"):rep(33) } do
      assert.equal("not_found", select(3, engine:confirmation(id)))
    end
    engine:close()
  end)

  -- What follows the question about Acme, its status, the journal (newest first) and the question's state.
  local NEWER = {
    { "superseded by a newer update", { trigger = "sale_lost" }, "updated",
      "updated superseded awaiting_confirmation", "superseded" },
    { "superseded by a newer question", { trigger = "sale_registered" }, "awaiting_confirmation",
      "awaiting_confirmation superseded awaiting_confirmation", "superseded" },
    { "superseded by the same question again", { trigger = "sale_won" }, "awaiting_confirmation",
      "awaiting_confirmation superseded awaiting_confirmation", "superseded" },
    { "superseded by a newer answer", { trigger = "sale_won", choice = false }, "declined",
      "declined superseded awaiting_confirmation", "superseded" },
    { "not superseded by an event that does not match", { trigger = "lead_status_set", lead_status = 2 }, "unchanged",
      "awaiting_confirmation", "open" },
    { "not superseded by an event that is delivered again", { id = "first", trigger = "sale_won" }, "duplicate",
      "awaiting_confirmation", "open" },
    { "not superseded by another company's event", { trigger = "sale_lost", company = "Bolt" }, "updated",
      "updated awaiting_confirmation", "open" },
  }
  for _, row in ipairs(NEWER) do
    it("is " .. row[1], function()
      local engine, time = open(RULES)
      local first = assert(engine:handle {
        id = "first", trigger = "sale_won", company = "Acme", actor = { id = "ann" }, sale = { id = 17 },
      })
      time.now = time.now + 10
      row[2].company, row[2].actor = row[2].company or "Acme", { id = "bob" }
      local outcome
      local count = commits(engine, function() outcome = assert(engine:handle(row[2])) end)
      assert.equal(row[3], outcome.status)
      assert.is_true(count <= 1, "all in one transaction")
      assert.equal(row[4], statuses(engine))
      local record, superseded = engine:confirmation(first.confirmation), row[5] == "superseded"
      assert.equal(row[5], record.state)
      assert.equal(superseded and time.now or nil, record.resolved_at)
      if superseded then
        local entry = engine:history()[2]
        assert.same({ first.confirmation, "sale_won", LEAD, CUSTOMER, time.now, "bob" },
          { entry.confirmation, entry.trigger, entry.from, entry.to, entry.at, entry.actor.id })
        assert.equal("awaiting_confirmation", engine:handle({
          id = "first", trigger = "sale_won", company = "Acme",
        }).first.status)
      end
      engine:close()
    end)
  end
end)

describe("a guard", function()
  after_each(stores.check)

  local EVENT = { id = "1", trigger = "sale_won", company = "Acme", sale = { id = 17 } }

  -- What the guards return in turn, and what comes of it.
  local ROWS = {
    { "goes on by returning nothing", { {} }, { "updated", "matched", CUSTOMER } },
    { "vetoes with false", { { false } }, { "unchanged", "vetoed" } },
    { "says why it vetoes", { { false, "under audit" } }, { "unchanged", "vetoed", nil, "under audit" } },
    { "changes the target", { { PARTNER } }, { "updated", "matched", PARTNER } },
    { "may change it to where the company is", { { LEAD } }, { "unchanged", "already_in_category" } },
    { "comes after those before it: the last target counts", { { PARTNER }, { 7 } }, { "updated", "matched", 7 } },
    { "keeps an earlier guard's target by returning nothing", { { PARTNER }, {} }, { "updated", "matched", PARTNER } },
    { "vetoes whatever an earlier one has changed", { { PARTNER }, { false, "no" } },
      { "unchanged", "vetoed", nil, "no" } },
    { "is not asked after a veto", { { false, "first" }, { PARTNER } }, { "unchanged", "vetoed", nil, "first" } },
    { "may name a category as a float", { { 6.0 } }, { "updated", "matched", PARTNER } },
  }
  for _, row in ipairs(ROWS) do
    it(row[1], function()
      local engine = open { sale_won = CUSTOMER }
      for _, answer in ipairs(row[2]) do
        engine:on("guard", function() return answer[1], answer[2] end)
      end
      local outcome
      local count = commits(engine, function() outcome = assert(engine:handle(EVENT)) end)
      assert.same(row[3], { outcome.status, outcome.reason, outcome.to, outcome.error })
      assert.equal(tostring(row[3][3]), tostring(outcome.to)) -- not 6.0
      assert.same({ LEAD, "sale_won", 1 }, { outcome.from, outcome.rule, outcome.revision })
      assert.equal(row[3][3] or LEAD, engine.host:get "Acme")
      assert.equal(row[3][3] and 1 or 0, count, "commits")
      engine:close()
    end)
  end

  local WRONG = {
    { "a category there is not", function() return 99 end, "invalid",
      "a guard chose category 99, which does not exist" },
    { "a deleted category", function() return PARTNER end, "invalid", "a guard chose category 6, which is deleted" },
    { "what is no category", function() return "Partner" end, "invalid", "a guard chose category Partner" },
    { "true", function() return true end, "invalid", "a guard chose category true" },
    { "an error", function() error("no connection", 0) end, "unavailable", "a guard raised: no connection" },
    { "an error that is no text", function() error({}) end, "unavailable", "a guard raised: table" },
  }
  for _, row in ipairs(WRONG) do
    it("that gives " .. row[1] .. " leaves the event to be delivered again", function()
      local cfg = stores.config { sale_won = { CUSTOMER, ask = true } }
      cfg.categories[PARTNER].deleted = true
      local engine = open { sale_won = CUSTOMER }
      assert(engine:save(cfg))
      local guard = row[2]
      engine:on("guard", function() return guard() end)
      local count = commits(engine, function()
        local outcome, message, code = engine:handle(EVENT)
        assert.is_nil(outcome)
        assert.equal(row[3], code)
        assert.matches(row[4], message, 1, true)
      end)
      assert.same({ 0, "" }, { count, statuses(engine) })
      guard = function() end
      assert.equal("awaiting_confirmation", engine:handle(EVENT).status)
      engine:close()
    end)
  end

  it("sees the event and the decision, with what the guards before it have made of it", function()
    local engine = open { sale_won = { CUSTOMER, ask = true } }
    local seen = {}
    engine:on("guard", function(event, decision)
      seen[1], seen[2] = event, decision
      decision.to = LEAD -- a copy: this changes nothing
      return PARTNER
    end)
    engine:on("guard", function(_, decision) seen[3] = decision.to end)
    local outcome = engine:handle(EVENT)
    assert.equal(EVENT, seen[1])
    assert.same({ action = "confirm", to = LEAD, from = LEAD, reason = "matched", rule = "sale_won", revision = 1 },
      seen[2])
    assert.equal(PARTNER, seen[3])
    assert.equal(PARTNER, engine:confirmation(outcome.confirmation).to)
    engine:close()
  end)

  it("is asked only about what matched, and not about duplicates", function()
    local engine = open { sale_won = CUSTOMER }
    local asked = 0
    engine:on("guard", function() asked = asked + 1 end)
    engine:handle { trigger = "sale_lost", company = "Acme" }
    engine:handle { trigger = "sale_won", company = "Nobody" }
    assert.equal(0, asked)
    engine:handle(EVENT)
    engine:handle(EVENT)
    assert.equal(1, asked)
    engine:close()
  end)
end)

describe("a listener", function()
  after_each(stores.check)

  it("is told of its kind of outcome, with the event", function()
    local host = crm.new { Acme = LEAD, Bolt = LEAD, Coil = LEAD, Dyno = PARTNER }
    local set = host.set_category
    function host.set_category(company, ...)
      if company == "Bolt" then
        return nil, "locked"
      end
      return set(company, ...)
    end
    local engine = open({ sale_won = CUSTOMER, sale_registered = { OPPORTUNITY, ask = true } }, { host = host })
    local told = {}
    for _, name in ipairs { "updated", "awaiting_confirmation", "unchanged", "failed" } do
      engine:on(name, function(event, outcome) told[#told + 1] = { name, event, outcome } end)
    end
    local rows = {
      { "updated", { trigger = "sale_won", company = "Acme" } },
      { "failed", { trigger = "sale_won", company = "Bolt" } },
      { "awaiting_confirmation", { trigger = "sale_registered", company = "Coil" } },
      { "unchanged", { trigger = "sale_won", company = "Dyno" } },
    }
    for i, row in ipairs(rows) do
      local outcome = assert(engine:handle(row[2]))
      assert.equal(i, #told)
      assert.equal(row[1], told[i][1])
      assert.equal(row[2], told[i][2])
      assert.equal(outcome, told[i][3])
    end
    -- There is nothing to tell about other outcomes, or about what was no event.
    engine:handle { trigger = "sale_won", company = "Coil", choice = false }
    engine:handle { trigger = "sale_won" }
    assert.equal(#rows, #told)
    engine:close()
  end)

  it("that raises loses neither the outcome nor the others their turn; it is counted", function()
    local engine = open { sale_won = CUSTOMER }
    local told = 0
    engine:on("updated", function() error "printer on fire" end)
    engine:on("updated", function() told = told + 1 end)
    assert.equal(0, engine:stats().hook_errors)
    assert.equal("updated", engine:handle({ trigger = "sale_won", company = "Acme" }).status)
    assert.equal(1, told)
    assert.equal(1, engine:stats().hook_errors)
    assert.matches("printer on fire", engine:stats().hook_error)
    engine:close()
  end)

  it("may handle the next event itself", function()
    local engine = open { sale_registered = OPPORTUNITY, sale_won = CUSTOMER }
    local second
    engine:on("updated", function(event)
      if event.trigger == "sale_registered" then
        second = engine:handle { trigger = "sale_won", company = event.company }
      end
    end)
    engine:handle { trigger = "sale_registered", company = "Acme" }
    assert.same({ "updated", OPPORTUNITY, CUSTOMER }, { second.status, second.from, second.to })
    engine:close()
  end)

  it("must be a function, of a kind that there is", function()
    local engine = open {}
    assert.error_matches(function() engine:on("update", print) end,
      "unknown hook 'update' %(there are guard, updated, awaiting_confirmation, unchanged, failed%)")
    assert.error_matches(function() engine:on("updated", "print") end, "a function expected, got string")
    engine:close()
  end)
end)

describe("an event", function()
  after_each(stores.check)

  local LONGEST = ("x"):rep(255)
  local NAN = 0 / 0

  -- A field, a value it cannot have, and what the message says about it.
  local WRONG = {
    { "trigger", nil, "trigger must be one of sale_registered, sale_won, sale_lost, lead_status_set, not absent" },
    { "trigger", "sale_lots", "trigger must be one of .*, not 'sale_lots'" },
    { "trigger", 3, "trigger must be one of" },
    { "company", nil, "company must be a string or an integer, not absent" },
    { "company", "", "company must have 1 to 255 bytes, not 0" },
    { "company", LONGEST .. "x", "company must have 1 to 255 bytes, not 256" },
    { "company", 1.5, "company must be a string or an integer, not the number 1.5" },
    { "company", 2 ^ 53, "company must be a string or an integer, not the number" },
    { "company", NAN, "company must be a string or an integer, not the number" },
    { "company", { id = 1 }, "company must be a string or an integer, not a table" },
    { "id", "", "id must have 1 to 255 bytes, not 0" },
    { "id", LONGEST .. "x", "id must have 1 to 255 bytes, not 256" },
    { "id", 1.5, "id must be a string or an integer" },
    { "id", false, "id must be a string or an integer, not a boolean" },
    { "category", "1", "category must be an integer" },
    { "category", 1.5, "category must be an integer" },
    { "category", {}, "category must be an integer" },
    { "lead_status", "5", "lead_status must be an integer" },
    { "lead_status", NAN, "lead_status must be an integer" },
    { "contact", "Ann", "contact must be a table" },
    { "sale", 17, "sale must be a table" },
    { "sale", { id = print }, "sale" },
    { "actor", "bob", "actor must be a table" },
    { "at", "now", "at must be a finite number" },
    { "at", NAN, "at must be a finite number" },
    { "at", math.huge, "at must be a finite number" },
    { "choice", true, "choice must be an integer .* or false" },
    { "choice", "Customer", "choice must be an integer .* or false" },
    { "choice", 5.5, "choice must be an integer .* or false" },
  }

  it("that is wrong is not taken, and the message names the field", function()
    local engine = open { sale_won = CUSTOMER }
    for _, row in ipairs(WRONG) do
      local event = { id = "1", trigger = "sale_won", company = "Acme" }
      event[row[1]] = row[2]
      local count = commits(engine, function()
        local outcome, message, code = engine:handle(event)
        assert.is_nil(outcome, row[3])
        assert.matches(row[3], message)
        assert.equal("invalid", code)
      end)
      assert.equal(0, count)
    end
    assert.same({ "", LEAD, {} }, { statuses(engine), engine.host:get "Acme", engine:stats().outcomes })
    engine:close()
  end)

  it("that is no table at all is a mistake in the program", function()
    local engine = open { sale_won = CUSTOMER }
    for _, value in ipairs { "sale_won", 17, true } do
      local _, message = pcall(function() engine:handle(value) end)
      assert.matches("_spec%.lua:%d+: event: a table expected, got " .. type(value), message)
    end
    assert.error_matches(function() engine:handle(nil) end, "a table expected, got nil")
    assert.error_matches(function() engine:handle_many "sale_won" end, "an array expected, got string")
    engine:close()
    for _, call in ipairs {
      function() engine:handle { trigger = "sale_won", company = "Acme" } end,
      function() engine:handle_many {} end,
      function() engine:history() end,
      function() engine:confirmation("") end,
      function() engine:on("updated", print) end,
      function() engine:stats() end,
    } do
      assert.error_matches(call, "the engine is closed")
    end
  end)

  it("happened when it says, or now", function()
    local engine, time = open { sale_won = { CUSTOMER, ask = true } }
    engine:handle { trigger = "sale_won", company = "Acme" }
    engine:handle { trigger = "sale_won", company = "Bolt", at = 1234.5 }
    local entries = engine:history()
    assert.same({ 1234.5, time.now }, { entries[1].at, entries[2].at })
    engine:close()
  end)

  it("is about the same company whether the id is a number or its text; each gets the type that it gave", function()
    local host = crm.new { [42] = LEAD }
    local engine = open({ sale_registered = OPPORTUNITY, sale_won = CUSTOMER }, { host = host })
    assert.equal("updated", engine:handle({ trigger = "sale_registered", company = 42 }).status)
    assert.equal("updated", engine:handle({ trigger = "sale_won", company = "42" }).status)
    assert.same({ "category #42", "set_category #42 1 -> 3", "category 42", "set_category 42 3 -> 5" }, host.calls)
    for _, company in ipairs { 42, "42", 42.0 } do
      local entries = engine:history { company = company }
      assert.same({ "42", 42 }, { entries[1].company, entries[2].company })
    end
    engine:close()
  end)

  it("may have the longest ids, and any bytes in them", function()
    local engine = open { sale_won = CUSTOMER }
    for i, id in ipairs { LONGEST, "\0", "a\0b", "æøå \n\255", -42, 2 ^ 53 - 1, -(2 ^ 53 - 1) } do
      assert(engine.host:create(id, LEAD))
      local event = { id = id, trigger = "sale_won", company = id }
      assert.equal("updated", engine:handle(event).status, i)
      assert.equal("duplicate", engine:handle(event).status, i)
      assert.equal(id, engine:history({ company = id })[1].company)
    end
    engine:close()
  end)
end)

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

  it("decides a repeated id anew where the first came to nothing", function()
    each_host(function(engine)
      assert.same({ "unchanged rule_disabled 1-nil", "updated matched 1-5" }, brief(assert(engine:handle_many {
        { id = "a", trigger = "sale_lost", company = "Acme" },
        { id = "a", trigger = "sale_won", company = "Acme" },
      })))
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

  it("that could not go on has told of what it had written; all of it can be delivered again", function()
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
      { id = "b", trigger = "sale_won", company = "Acme" },
      { id = "c", trigger = "sale_won", company = "Bolt" },
    }
    local outcomes, message, code = engine:handle_many(events)
    assert.is_nil(outcomes)
    assert.same({ "away", "unavailable" }, { message, code })
    -- "a" was written when Acme came up again; "b" was not yet.
    assert.same({ "updated", { "a" }, { "Acme 1 -> 3" } }, { statuses(engine), told, host.changes })
    host.category = category
    assert.same({ "duplicate matched 1-3", "updated matched 3-5", "updated matched 1-5" },
      brief(assert(engine:handle_many(events))))
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
    local told, category = {}, engine.host.category
    for _, name in ipairs { "updated", "unchanged" } do
      engine:on(name, function(event, outcome) told[#told + 1] = event.id .. " " .. outcome.status end)
    end
    -- Acme is changed while the batch is decided, so that its event has to be decided anew; then it cannot be read.
    engine:on("guard", function(event)
      if event.id == "c" then
        engine.host.set_category("Acme", QUALIFIED, LEAD)
        engine.host.category = function() return nil, "away", "io" end
      end
    end)
    local events = {
      { id = "a", trigger = "sale_won", company = "Bolt" },
      { id = "b", trigger = "sale_won", company = "Acme" },
      { id = "c", trigger = "sale_won", company = "Bolt", category = LEAD },
    }
    assert.same({ nil, "away", "io" }, { engine:handle_many(events) })
    assert.equal("conflict updated", statuses(engine)) -- "c" has said where Bolt does not stand any more
    assert.same({ "a updated" }, told)
    assert.same({ sale_won = { updated = { matched = 1 }, conflict = { matched = 1 } } }, engine:stats().outcomes)
    engine.host.category = category
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
    local mend = stores.fail(engine, "seen", "there is none", "not_found")
    assert.same({ "unchanged not_potential_customer 5-nil", "updated matched 1-5" },
      brief(assert(engine:handle_many { first, { trigger = "sale_won", company = "Bolt" } })))
    mend()
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
        trigger = ({ "sale_registered", "sale_won", "sale_lost", "lead_status_set" })[random(4)],
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
      for company = 1, 4 do
        found[#found + 1] = engine.host.category(company)
      end
      found[#found + 1] = statuses(engine)
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
      entry = (start + 60) * 1000, tenant = "", at = start + 60, company = 1, trigger = "sale_won", rule = "sale_won",
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

  local ASKING = { sale_won = { CUSTOMER, ask = true }, sale_lost = { LOST_OPPORTUNITY, ask = true } }

  it("is searched by who, what, how it ended, which rules and when, all of which must be true", function()
    local engine, start = filled()
    local ann = { id = 7, name = "Ann" }
    assert(engine:save(stores.config(ASKING)))
    engine:handle { id = 8, trigger = "sale_lost", company = 3, category = LEAD, choice = false, actor = ann }
    engine:handle { id = 9, trigger = "sale_won", company = 4, category = LEAD, at = start + 5 }
    for _, row in ipairs {
      { { actor = "bob" }, "7 6 5 4 3 2 1" }, { { actor = 7 }, "8" }, { { actor = "7" }, "8" },
      { { actor = "Ann" }, "8" }, { { actor = "An" }, "" }, { { trigger = "sale_won", revision = 2 }, "9" },
      { { trigger = "sale_lost" }, "8" },
      { { status = "updated", company = 2 }, "6 4 2" }, { { status = "awaiting_confirmation" }, "9" },
      { { status = "declined" }, "8" }, { { revision = 2 }, "9 8" }, { { revision = 3 }, "" },
      { { since = start + 20, before = start + 40 }, "4 3" }, { { before = start + 20 }, "9 2 1" },
      { { run = "run-1" }, "" }, { { actor = "bob", limit = 2 }, "7 6" },
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
      { { companies = 1 }, "unknown option 'companies' %(there are actor, after, before, company, limit, " },
      { { status = "done" }, "option 'status': one of applying, updated, .*, superseded expected, got 'done'" },
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

describe("stats", function()
  after_each(stores.check)

  it("count outcomes by trigger, status and reason, each tenant's apart", function()
    local engine = open { sale_won = CUSTOMER, sale_lost = { LOST_OPPORTUNITY, ask = true } }
    local other = engine:tenant "other"
    engine:on("guard", function(event)
      if event.company == "Bolt" then
        return false
      end
    end)
    for _, event in ipairs {
      { id = 1, trigger = "sale_lost", company = "Acme" },
      { id = 1, trigger = "sale_lost", company = "Acme" },
      { trigger = "sale_lost", company = "Acme", choice = false },
      { trigger = "sale_won", company = "Bolt" },
      { trigger = "sale_won", company = "Acme", category = OPPORTUNITY },
      { trigger = "sale_won", company = "Acme" },
      { trigger = "sale_won", company = "Acme" },
      { trigger = "sale_won", company = "Acme" },
      { trigger = "sale_registered", company = "Acme" },
      { trigger = "sale_registered" },
    } do
      engine:handle(event)
    end
    other:handle { trigger = "sale_won", company = "Acme" }
    assert.same({
      sale_lost = {
        awaiting_confirmation = { matched = 1 }, duplicate = { matched = 1 }, declined = { matched = 1 },
      },
      sale_won = {
        unchanged = { vetoed = 1, not_potential_customer = 2 }, conflict = { matched = 1 }, updated = { matched = 1 },
      },
      sale_registered = { unchanged = { rule_disabled = 1 } },
    }, engine:stats().outcomes)
    assert.same({ sale_won = { unchanged = { rule_disabled = 1 } } }, other:stats().outcomes)
    -- They are a copy.
    engine:stats().outcomes.sale_won.updated.matched = 17
    assert.equal(1, engine:stats().outcomes.sale_won.updated.matched)
    engine:close()
  end)

  it("show how full the store is and how long commits take", function()
    local engine = open { sale_won = CUSTOMER }
    local stats = engine:stats()
    for _, part in ipairs { "config", "journal" } do
      assert.is_true(stats[part].used > 0 and stats[part].used < stats[part].size, part)
      assert.is_true(stats[part].readers >= 0 and stats[part].readers <= stats[part].max_readers, part)
    end
    assert.is_true(stats.commits.count >= 2)
    assert.is_true(stats.commits.slowest > 0 and stats.commits.slowest <= stats.commits.seconds)
    engine:close()
  end)
end)

describe("the counters of all processes", function()
  after_each(stores.check)

  -- The lines of the metrics that count outcomes, without their common name.
  local function events_of(engine)
    local list = {}
    for labels, count in assert(engine:metrics()):gmatch "leadcat_events_total{(.-)} (%S+)\n" do
      list[#list + 1] = labels .. " " .. count
    end
    return list
  end

  it("meet in the store, each tenant's apart, and each is counted once", function()
    local engine, _, path = open { sale_won = CUSTOMER }
    local other = open({}, { path = path })
    local won = { trigger = "sale_won", company = "Acme" }
    engine:handle(won)
    engine:handle(won)
    other:handle(won)
    engine:tenant("north"):handle(won)
    assert.same({}, events_of(other:tenant "north"))
    assert.is_true(engine:flush()) -- all tenants at once
    local updated = 'trigger="sale_won",status="updated",reason="matched" 1'
    local unchanged = 'trigger="sale_won",status="unchanged",reason="not_potential_customer" '
    assert.same({ unchanged .. 2, updated }, events_of(other))
    assert.same({ 'trigger="sale_won",status="unchanged",reason="rule_disabled" 1' }, events_of(other:tenant "north"))
    engine:handle(won)
    assert.same({ unchanged .. 2, updated }, events_of(other))
    for _ = 1, 2 do
      assert.same({ unchanged .. 3, updated }, events_of(engine))
    end
    assert.equal(0, commits(engine, function() engine:flush() end))
    engine:close()
    other:close()
    engine = open({}, { path = path })
    assert.same({ unchanged .. 3, updated }, events_of(engine))
    engine:close()
  end)

  it("wait for the store to have room", function()
    local engine = open { sale_won = CUSTOMER }
    engine:handle { trigger = "sale_won", company = "Acme" }
    local mend = stores.fail(engine, "add")
    assert.same({ nil, "no room", "full" }, { engine:flush() })
    assert.same({ nil, "no room", "full" }, { engine:metrics() })
    engine:handle { trigger = "sale_won", company = "Bolt" }
    mend()
    assert.same({ 'trigger="sale_won",status="updated",reason="matched" 2' }, events_of(engine))
    engine:close()
  end)

  it("are shown with the open questions and the state of the store, as Prometheus reads it", function()
    local engine = open { sale_won = { CUSTOMER, ask = true } }
    engine:handle { trigger = "sale_won", company = "Acme" }
    local found = {}
    for line in assert(engine:metrics()):gmatch "[^\n]+" do
      local name, labels, value = line:match '^([%a_]+)({[%a_="]+.*}) (%d+)$'
      if not name then
        name, value = line:match "^([%a_]+) (%d+)$"
      end
      assert.is_truthy(name or line:find "^# HELP [%a_]+ %u.*%.$" or line:find "^# TYPE [%a_]+ %l+$", line)
      if name then
        found[name .. (labels or "")] = tonumber(value)
      end
    end
    assert.equal(1, found.leadcat_confirmations_open)
    for _, file in ipairs { '{file="config"}', '{file="journal"}' } do
      assert.is_true(found["leadcat_map_used_bytes" .. file] < found["leadcat_map_size_bytes" .. file])
      assert.is_true(found["leadcat_reader_slots_used" .. file] <= found["leadcat_reader_slots" .. file])
    end
    engine:close()
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
