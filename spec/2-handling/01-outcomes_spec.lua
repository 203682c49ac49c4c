-- Handling events: an event comes in, an outcome comes out, and once it is out, what was done is on disk. This spec
-- goes through every outcome there is, the question to a user among them, and what is no event.

local crm = require "support.crm"
local handling = require "support.handling"
local histories = require "support.histories"
local stores = require "support.stores"

local LEAD, QUALIFIED, OPPORTUNITY, LOST_OPPORTUNITY, CUSTOMER, PARTNER = 1, 2, 3, 4, 5, 6 -- the preset's categories
local open, settled = handling.open, handling.settled
local commits = stores.commits
local statuses = histories.statuses

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

  local function ignored(outcome)
    outcome.choice_ignored = true
    return outcome
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
      outcome = ignored(unchanged("not_potential_customer", PARTNER)) },
    { "updated as the rule says, whatever the user would choose, where the rule does not ask", WON,
      { trigger = "sale_won", choice = PARTNER }, outcome = ignored(matched { status = "updated" }),
      journal = "updated", after = CUSTOMER },
    { "updated as the rule says, where it does not ask and the user chose what there is not", WON,
      { trigger = "sale_won", choice = 99 }, outcome = ignored(matched { status = "updated" }),
      journal = "updated", after = CUSTOMER },
    { "declined: the user keeps the category, where the rule does not ask", WON,
      { trigger = "sale_won", choice = false }, outcome = matched { status = "declined" }, journal = "declined" },
    { "declined: the user chose the category that it has, where the rule does not ask", WON,
      { trigger = "sale_won", choice = LEAD }, outcome = matched { status = "declined" }, journal = "declined" },
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

describe("an event", function()
  after_each(stores.check)

  it("may be an object, whose fields come from its metatable", function()
    local function object(fields)
      return setmetatable({}, { __index = fields })
    end
    local engine = open({ ["lead_status_set:5"] = { QUALIFIED, ask = true } })
    local actor = { id = "bob", name = "Bob", language = "de", admin = true, service = true }
    local fields = {
      id = "e", trigger = "lead_status_set", lead_status = 5, company = "Acme", category = LEAD, at = 1600000000,
      choice = CUSTOMER, sale = { id = 17 }, contact = { id = 3 },
    }
    fields.actor = object(actor)
    local outcome = assert(engine:handle(object(fields)))
    assert.same({ "updated", CUSTOMER }, { outcome.status, outcome.to })
    local entry = engine:history()[1]
    assert.same({ "e", "lead_status_set:5", "Acme", 1600000000, { id = 17 }, { id = 3 } },
      { entry.event_id, entry.rule, entry.company, entry.at, entry.sale, entry.contact })
    assert.same({ "bob", "Bob" }, { entry.actor.id, entry.actor.name })
    assert.equal(LEAD, entry.from)
    engine:close()
  end)

  local LONGEST = ("x"):rep(255)
  local NAN = 0 / 0

  -- A field, a value it cannot have, and what the message says about it.
  local WRONG = {
    { "trigger", nil, "trigger must be one of sale_registered, sale_won, sale_lost, lead_status_set, sale_reopened, "
      .. "sale_deleted, no_sale_for, not absent" },
    { "trigger", "sale_lots", "trigger must be one of .*, not 'sale_lots'" },
    { "trigger", 3, "trigger must be one of" },
    { "company", nil, "company must be a string or an integer, not absent" },
    { "company", "", "company must have 1 to 255 bytes, not 0" },
    { "company", LONGEST .. "x", "company must have 1 to 255 bytes, not 256" },
    { "company", 1.5, "company must be a string or an integer, not the number 1.5" },
    { "company", 2 ^ 53, "company must be given as text: the number 9007199254740992 is too long" },
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
    { "sale", { id = print }, "sale.id must be a string or an integer, not a function" },
    { "actor", "bob", "actor must be a table" },
    { "at", "now", "at must be a number of seconds since 1970" },
    { "at", NAN, "at must be a number of seconds since 1970" },
    { "at", 1764168600000, "not of milliseconds" }, { "at", 253402300800, "up to the year 9999" },
    { "sale", { id = 3152079000000153079 }, "sale.id must be given as text: the number 31520790000001530%d%d is too" },
    { "contact", { id = 1.5 }, "contact.id must be a string or an integer" },
    { "sale", { id = "" }, "sale.id must have 1" },
    { "at", math.huge, "at must be a number of seconds since 1970" },
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
