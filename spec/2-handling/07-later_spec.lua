--- Rules with `after`: a match is scheduled, and decided anew when its time has come.

local clock = require "support.clock"
local core = require "leadcat.core"
local rounds = require "leadcat.events.rounds"
local stores = require "support.stores"

local START, HOUR, DAY = 1700000000, 3600, 24 * 3600
local LEAD, QUALIFIED, CUSTOMER, LAPSED, LOST = 1, 2, 3, 4, 5
local ADMIN = { id = "ann", admin = true }

local CATEGORIES = {
  { id = LEAD, name = "Lead", group = "potential_customer", lead_status = true, rank = 1 },
  { id = QUALIFIED, name = "Qualified", group = "potential_customer", lead_status = true, rank = 2 },
  { id = CUSTOMER, name = "Customer", group = "customer", rank = 4 },
  { id = LAPSED, name = "Lapsed", group = "other", rank = 3 },
  { id = LOST, name = "Lost", group = "lost", rank = 5 },
}

local function rule(trigger, to, fields)
  local made = { trigger = trigger, enabled = true, set_category = to }
  for name, value in pairs(fields or {}) do
    made[name] = value
  end
  return made
end

local function config(rules)
  return { categories = CATEGORIES, lead_statuses = { { id = 5, name = "Hot" } }, rules = rules }
end

local FROM_BOTH = { groups = { "potential_customer", "customer" } }
-- A customer who buys nothing more for a year lapses; a lost sale is looked at a month later.
local RULES = {
  rule("sale_won", LAPSED, { after = { days = 365 }, from = FROM_BOTH, id = 7 }),
  rule("sale_won", CUSTOMER),
  rule("sale_lost", LOST, { after = { days = 30 } }),
  rule("sale_registered", QUALIFIED),
}

local function event(trigger, fields)
  local made = { trigger = trigger, company = "acme" }
  for name, value in pairs(fields or {}) do
    made[name] = value
  end
  return made
end

-- A host that keeps categories in a table.
local function host_of(kept, more)
  local host = {
    category = function(company) return kept[company] end,
    set_category = function(company, to, from)
      if kept[company] ~= from then
        return nil, "conflict"
      end
      kept[company] = to
      return true
    end,
  }
  for name, fn in pairs(more or {}) do
    host[name] = fn
  end
  return host
end

-- The two hosts: each opens an engine whose company acme is a lead, and tells the category of a company.
local HOSTS = {
  embedded = function(rules, more, path, time)
    time = time or clock.new(START)
    local options = { path = path, clock = function() return time.now end, durability = "relaxed" }
    options.host = more and require("leadcat.host.lmdb").new(more) or nil
    local engine
    engine, path = stores.open(options)
    if rules then
      assert(engine:save(config(rules)))
      engine.host:create_many({ "acme", "bolt" }, LEAD)
    end
    return engine, time, function(company) return engine.host:get(company) end, path
  end,
  ["of one's own"] = function(rules, more, path, time, kept)
    time = time or clock.new(START)
    kept = kept or { acme = LEAD, bolt = LEAD }
    local engine
    engine, path = stores.open {
      path = path, clock = function() return time.now end, durability = "relaxed", host = host_of(kept, more),
    }
    if rules then
      assert(engine:save(config(rules)))
    end
    return engine, time, function(company) return kept[company] end, path, kept
  end,
}

local function statuses(engine, company)
  local found = {}
  for _, entry in ipairs(assert(engine:history { company = company })) do
    table.insert(found, 1, entry.status)
  end
  return table.concat(found, " ")
end

-- What `maintain` has carried out and dropped.
local function maintain(engine)
  local counts = assert(engine:maintain())
  return { counts.carried_out, counts.dropped }
end

for name, open in pairs(HOSTS) do
  describe("a rule with `after`, with a host " .. name, function()
    after_each(stores.check)

    it("is superseded when its sale is deleted, by a rule that takes back, and only then", function()
      local engine, time, category = open {
        rule("sale_lost", LOST, { after = { days = 30 } }),
        { trigger = "sale_deleted", enabled = true, take_back = true },
      }
      assert.equal("scheduled", assert(engine:handle(event("sale_lost", { sale = { id = 7 } }))).status)
      local outcome = assert(engine:handle(event("sale_deleted", { sale = { id = 8 } })))
      assert.same({ "unchanged", "nothing_to_take_back" }, { outcome.status, outcome.reason })
      assert.equal("scheduled", statuses(engine, "acme"))
      outcome = assert(engine:handle(event("sale_deleted", { sale = { id = "7" } })))
      assert.same({ "unchanged", "nothing_to_take_back" }, { outcome.status, outcome.reason })
      assert.equal("superseded", statuses(engine, "acme"))
      time.now = START + 31 * DAY
      assert.same({ 0, 0 }, maintain(engine))
      assert.equal(LEAD, category "acme")
      engine:close()
    end)

    it("schedules what it matches, and is decided when that is due", function()
      local engine, time, category = open(RULES)
      local outcome = assert(engine:handle(event("sale_lost", { id = "x", sale = { id = 1 } })))
      assert.same({ "scheduled", "none", "matched", LEAD, LOST, "sale_lost", START + 30 * DAY }, {
        outcome.status, outcome.action, outcome.reason, outcome.from, outcome.to, outcome.rule, outcome.due,
      })
      local entry = engine:history { status = "scheduled" }[1]
      assert.same({ outcome.entry, outcome.key, outcome.due, "x" },
        { entry.entry, entry.key, entry.due, entry.event_id })
      assert.equal(LEAD, category "acme")
      time.now = START + 30 * DAY - 1
      assert.same({ 0, 0 }, maintain(engine))
      time.now = START + 30 * DAY
      assert.same({ 1, 0 }, maintain(engine))
      assert.same({ 0, 0 }, maintain(engine))
      assert.equal(LOST, category "acme")
      assert.equal("carried_out updated", statuses(engine))
      local made = engine:history()[1]
      assert.same({ outcome.entry, LEAD, LOST, 1, time.now },
        { made.carries_out, made.from, made.to, made.sale.id, made.at })
      assert.is_nil(made.event_id)
      engine:close()
    end)

    it("lets the rules behind it decide at once, and is told of beside", function()
      local engine, time, category = open(RULES)
      local outcome = assert(engine:handle(event("sale_won", { id = "x" })))
      assert.same({ "updated", CUSTOMER, "sale_won" }, { outcome.status, outcome.to, outcome.rule })
      local planned = engine:history { status = "scheduled" }[1]
      assert.same({ outcome.scheduled, "sale_won#7", LAPSED }, { planned.entry, planned.rule, planned.to })
      assert.equal(planned.entry, engine:history { status = "updated" }[1].scheduled)
      local again = assert(engine:handle(event("sale_won", { id = "x" })))
      assert.same({ "duplicate", "updated", planned.entry },
        { again.status, again.first.status, again.first.scheduled })
      time.now = time.now + 365 * DAY
      assert.same({ 1, 0 }, maintain(engine))
      assert.equal(LAPSED, category "acme")
      engine:close()
    end)

    it("is replaced by what a later event of the company matches", function()
      local engine, time, category = open(RULES)
      engine:handle(event "sale_lost")
      time.now = START + 20 * DAY
      engine:handle(event "sale_lost")
      engine:handle(event("sale_lost", { company = "bolt" }))
      engine:handle(event("lead_status_set", { lead_status = 5 })) -- which matches nothing
      assert.equal("superseded scheduled", statuses(engine, "acme"))
      time.now = START + 30 * DAY
      assert.same({ 0, 0 }, maintain(engine))
      assert.equal("updated", assert(engine:handle(event "sale_registered")).status)
      time.now = START + 50 * DAY
      assert.same({ 1, 0 }, maintain(engine))
      assert.same({ QUALIFIED, LOST }, { category "acme", category "bolt" })
      assert.equal("superseded superseded updated", statuses(engine, "acme"))
      engine:close()
    end)

    it("supersedes no question, and blocks nothing; what comes of it does", function()
      local engine, time = open {
        rule("sale_registered", QUALIFIED, { ask = true }), rule("sale_lost", LOST, { after = { hours = 2 } }),
      }
      local asked = assert(engine:handle(event "sale_registered"))
      engine:handle(event "sale_lost")
      assert.equal("open", engine:confirmation(asked.confirmation).state)
      assert.equal("awaiting_confirmation scheduled", statuses(engine))
      time.now = START + 2 * HOUR
      assert.same({ 1, 0 }, maintain(engine))
      assert.equal("superseded", engine:confirmation(asked.confirmation).state)
      engine:close()
    end)

    it("asks when it is due, if it asks", function()
      local engine, time, category = open { rule("sale_lost", LOST, { after = { hours = 1 }, ask = true }) }
      engine:handle(event("sale_lost", { actor = { id = "kari", name = "Kari" } }))
      time.now = START + HOUR
      assert.same({ 1, 0 }, maintain(engine))
      local question = engine:confirmations { user = "kari", state = "open" }[1]
      assert.same({ LEAD, LOST }, { question.from, question.to })
      assert.equal("updated", assert(engine:resolve(question.id, { accept = true }, { actor = question.actor })).status)
      assert.equal(LOST, category "acme")
      assert.equal("carried_out awaiting_confirmation updated", statuses(engine))
      engine:close()
    end)

    it("survives that the store is closed", function()
      local engine, time, _, path, kept = open(RULES)
      engine:handle(event "sale_lost")
      engine:close()
      assert.same({}, core.check_store(path))
      time.now = START + 31 * DAY
      local category
      engine, _, category = open(nil, nil, path, time, kept)
      assert.same({ 1, 0 }, maintain(engine))
      assert.equal(LOST, category "acme")
      engine:close()
    end)

    it("is carried out once, by whichever process comes first", function()
      local engine, time, category, path, kept = open(RULES)
      local other = open(nil, nil, path, time, kept)
      engine:handle(event "sale_lost")
      time.now = START + 30 * DAY
      local entry = other._store:scheduled("", time.now, 9)[1].entry
      assert.same({ 1, 0 }, maintain(engine))
      local found = rounds.carry_out(other, { event "sale_lost" }, { { lacks = "commit", carries_out = entry } })
      assert.equal("over", found[1].status)
      assert.same({ 0, 0 }, maintain(other))
      assert.same({ LOST, "carried_out updated" }, { category "acme", statuses(engine) })
      engine:close()
      other:close()
    end)

    it("carries out many at once", function()
      local kept = {}
      local engine, time, category = open(RULES, nil, nil, nil, kept)
      local events, companies = {}, {}
      for i = 1, 250 do
        companies[i], kept["c" .. i] = "c" .. i, LEAD
        events[i] = event("sale_lost", { company = "c" .. i })
      end
      if engine.host.create_many then
        engine.host:create_many(companies, LEAD)
      end
      assert(engine:handle_many(events))
      time.now = START + 40 * DAY
      assert.same({ 250, 0 }, maintain(engine))
      for _, company in ipairs(companies) do
        assert.equal(LOST, category(company))
      end
      engine:close()
    end)

    it("does nothing where only rules with it are there and none applies", function()
      local engine = open { rule("sale_lost", LOST, { after = { days = 1 }, from = { categories = { LAPSED } } }) }
      local outcome = assert(engine:handle(event "sale_lost"))
      assert.same({ "unchanged", "rule_disabled" }, { outcome.status, outcome.reason })
      assert.same({ "none", nil, "rule_disabled" }, { engine:decide("sale_lost", LEAD) })
      engine:close()
    end)

    describe("drops", function()
      -- Schedules, has `change` change things, and gives what became of the entry.
      local function dropped(change, rules, more, sent)
        local engine, time, category, _, kept = open(rules or RULES, more)
        assert(engine:handle(event("sale_lost", sent)))
        change(engine, kept)
        time.now = START + 3650 * DAY
        assert.same({ 0, 1 }, maintain(engine))
        assert.same({ 0, 0 }, maintain(engine))
        local entry = engine:history { status = "dropped" }[1]
        assert.equal("dropped", statuses(engine))
        local at_end, told = category "acme", assert(engine:why "acme")
        engine:close()
        assert.is_nil(told.scheduled)
        return entry.reason, at_end, entry.error, told.newest.sentence
      end

      local function set(to)
        return function(engine, kept)
          if kept then
            kept.acme = to
          else
            assert(engine.host.set_category("acme", to, LEAD, nil, ""))
          end
        end
      end

      local function save(rules)
        return function(engine) assert(engine:save(config(rules))) end
      end

      it("what a rule that is gone or switched off had matched", function()
        local _, _, _, sentence = dropped(save {})
        assert.matches("A sale was lost%. Setting .* to .*Lost.* was scheduled for 14 Dec 2023, 22:13 UTC, "
          .. "and came to nothing%. The rule is gone, or switched off%.$", sentence)
        assert.equal("rule_disabled", dropped(save {}))
        local off = rule("sale_lost", LOST, { enabled = false, after = { days = 1 } })
        assert.equal("rule_disabled", dropped(save { off }))
        assert.equal("rule_disabled", dropped(save { rule("sale_lost", LOST, { id = 9 }) }))
      end)

      it("what no longer holds", function()
        local reason, _, _, sentence = dropped(set(CUSTOMER))
        assert.equal("not_potential_customer", reason)
        assert.matches("acme.* is in .*Customer.*, a category of the group .*Customer", sentence)
        reason, _, _, sentence = dropped(set(99))
        assert.equal("unknown_category", reason)
        assert.matches("is in .*#99.*, which is no category", sentence)
        assert.equal("already_in_category", dropped(set(LOST), {
          rule("sale_lost", LOST, { after = { days = 1 }, from = { groups = { "potential_customer", "lost" } } }),
        }))
        local big = { { { field = "sale.amount", is = "at_least", value = 100 } } }
        assert.equal("conditions_not_met", dropped(save {
          rule("sale_lost", LOST, { when = { { { field = "sale.amount", is = "above", value = 100 } } } }),
        }, { rule("sale_lost", LOST, { after = { days = 1 }, when = big }) }, nil, { sale = { amount = 100 } }))
        assert.equal("lower_rank", dropped(set(LOST), { rule("sale_lost", LAPSED, {
          after = { days = 1 }, from = { groups = { "potential_customer", "lost" } }, forward_only = true,
        }) }))
      end)

      it("what a guard or the licence does not allow", function()
        local reason, category, why = dropped(function(engine)
          engine:on("guard", function() return false, "no" end)
        end)
        assert.same({ "vetoed", LEAD, "no" }, { reason, category, why })
        local licensed = true
        assert.equal("not_licensed", dropped(function() licensed = false end, nil, {
          licensed = function() return licensed end,
        }))
      end)
    end)

    it("looks at facts of the moment where the host knows them, else at those of the event", function()
      local known, asked = {}, 0
      local rules = { rule("sale_lost", LOST, { after = { days = 1 }, when = { {
        { field = "company.country", is = "equals", value = "no" },
        { field = "sale.amount", is = "at_least", value = 5 },
        { field = "company.size", is = "one_of", value = { 1, 2 } },
      } } }) }
      local sent = { sale = { amount = 7 }, facts = { ["company.size"] = { 2, 3 }, ["company.country"] = "no" } }
      for _, row in ipairs { { nil, "no", 1 }, { true, "NO", 1 }, { true, "SE", 0 } } do
        known.country = "NO"
        local engine, time = open(rules, row[1] and { facts = function(requests)
          asked = asked + 1
          local answers = {}
          for i in ipairs(requests) do
            answers[i] = { ["company.country"] = known.country }
          end
          return answers
        end })
        assert.equal("scheduled", assert(engine:handle(event("sale_lost", sent))).status)
        known.country, time.now = row[2], START + DAY
        assert.same({ row[3], 1 - row[3] }, maintain(engine))
        engine:close()
      end
      assert.is_true(asked >= 2)
    end)

    it("keeps the facts that rules look at, however long the sale", function()
      local engine, time = open { rule("sale_lost", LOST, { after = { days = 1 }, when = { {
        { field = "sale.amount", is = "at_least", value = 5 },
      } } }) }
      assert(engine:handle(event("sale_lost", { sale = { id = 1, amount = 7, note = ("n"):rep(20000) } })))
      time.now = START + DAY
      assert.same({ 1, 0 }, maintain(engine))
      engine:close()
    end)

    it("keeps no facts that no condition can compare", function()
      local engine, time = open { rule("sale_lost", LOST, { after = { days = 1 }, when = { {
        { field = "company.a", is = "unknown" }, { field = "company.b", is = "unknown" },
        { field = "company.c", is = "one_of", value = { 2, "x" } },
        { field = "contact.d", is = "equals", value = true },
      } } }) }
      local _, message, code = engine:handle(event("sale_lost", {
        contact = { d = true },
        facts = { ["company.a"] = 0 / 0, ["company.b"] = print, ["company.c"] = { 1 / 0, print, {}, 2 } },
      }))
      assert.is_nil(code, message)
      assert.same({}, engine:history()) -- a and b are known, if strange
      local sent = event("sale_lost", { contact = { d = true }, facts = { ["company.c"] = { 1 / 0, print, {}, 2 } } })
      assert.equal("scheduled", assert(engine:handle(sent)).status)
      time.now = START + DAY
      assert.same({ 1, 0 }, maintain(engine))
      engine:close()
    end)

    it("is tried again when something failed, later each time, and stops nothing else", function()
      local away = true
      local engine, time, category = open(RULES)
      engine:on("guard", function(sent)
        if away and sent.company == "acme" then
          error "away"
        end
      end)
      engine:handle(event "sale_lost")
      engine:handle(event("sale_lost", { company = "bolt" }))
      time.now = START + 30 * DAY
      local counts, message, code = engine:maintain()
      assert.is_nil(counts)
      assert.matches("away", message)
      assert.equal("unavailable", code)
      assert.same({ LEAD, LOST }, { category "acme", category "bolt" })
      assert.same({ 0, 0 }, maintain(engine)) -- not yet
      away, time.now = false, time.now + 10
      assert.same({ 1, 0 }, maintain(engine))
      assert.equal(LOST, category "acme")
      engine:close()
    end)

    it("can be cancelled by who may undo", function()
      local engine, time, category = open(RULES)
      local entry = assert(engine:handle(event("sale_lost", { sale = { id = 3 } }))).entry
      local code = select(3, engine:cancel(entry, { actor = { id = "kari" } }))
      assert.equal("forbidden", code)
      assert.equal("not_found", (select(3, engine:cancel(1))))
      assert.has_error(function() engine:cancel "x" end)
      local outcome = assert(engine:cancel(entry, { actor = ADMIN }))
      assert.same({ "cancelled", entry, LOST }, { outcome.status, outcome.entry, outcome.to })
      local kept = engine:history()[1]
      assert.same({ "cancelled", "ann", 3 }, { kept.status, kept.ended_by.id, kept.sale.id })
      assert.equal("invalid", (select(3, engine:cancel(entry, { actor = ADMIN }))))
      time.now = START + 40 * DAY
      assert.same({ 0, 0 }, maintain(engine))
      assert.equal(LEAD, category "acme")
      engine:close()
    end)

    it("shows in `why` and `explain`", function()
      local engine, _, _ = open(RULES)
      local explained = assert(engine:explain(event "sale_lost"))
      assert.same({ "none", "rule_disabled" }, { explained.action, explained.reason })
      assert.same({ rule = "sale_lost", to = LOST, after = { days = 30 }, seconds = 30 * DAY,
        due = explained.scheduled.due }, explained.scheduled)
      assert.equal(START + 30 * DAY, engine:explain(event("sale_lost", { at = START })).scheduled.due)
      assert.same({ true, true, true }, {
        explained.waiting[1].starts, explained.waiting[1].applies, explained.waiting[1].scheduled,
      })
      assert.matches("14 Dec 2023, 22:13 UTC.*Lost", explained.sentence)
      explained = assert(engine:explain(event "sale_won"))
      assert.same({ "update", LAPSED }, { explained.action, explained.scheduled.to })
      assert.matches("updated.*Customer.*Lapsed", explained.sentence)
      assert.is_nil(assert(engine:why "acme").scheduled)
      local entry = assert(engine:handle(event "sale_lost")).entry
      local found = assert(engine:why "acme")
      assert.same({ entry, START + 30 * DAY }, { found.scheduled.entry, found.scheduled.due })
      assert.matches("14 Dec 2023", found.scheduled.sentence)
      assert.equal("rule_disabled", assert(engine:explain(event("sale_lost", { category = CUSTOMER }))).reason)
      engine:close()
    end)

    it("is foreseen in a proposal, a simulation and a backfill, and scheduled by none", function()
      local engine, _, category = open(RULES)
      assert.is_nil(engine:propose(event "sale_lost"))
      local events = { event("sale_lost", { at = 1 }), event("sale_won", { at = 2 }), event("sale_won", { at = 3 }) }
      local report = assert(engine:simulate(events, { start_category = LEAD }))
      assert.same({ sale_lost = { scheduled = 1 }, sale_won = { update = 1, scheduled = 1 } }, report.outcomes)
      assert.equal(3, report.scheduled)
      local compared = assert(engine:simulate(events, { start_category = LEAD, against = config {} }))
      assert.same({ 3, 2 }, { compared.changed.events, #compared.changes[2].examples + #compared.changes[3].examples })
      for _, preview in ipairs { true, false } do
        report = assert(engine:backfill(events, { preview = preview, actor = ADMIN }))
        assert.same({ sale_lost = { scheduled = 1 }, sale_won = { update = 1, scheduled = 1 } }, report.outcomes)
      end
      assert.same({ CUSTOMER, "updated" }, { category "acme", statuses(engine) })
      engine:close()
    end)

    it("is kept by retention until it is due", function()
      local engine, time, _, path, kept = open {
        rule("sale_lost", LOST, { after = { days = 900 } }), rule("sale_registered", QUALIFIED),
      }
      engine:handle(event "sale_registered")
      engine:handle(event("sale_lost", { id = "x" }))
      engine:close()
      time.now = START + 800 * DAY
      engine = open(nil, nil, path, time, kept)
      stores.write_at(engine._store, time.now)
      assert.equal(1, assert(engine:maintain()).removed)
      assert.equal("scheduled", statuses(engine))
      time.now = START + 900 * DAY
      assert.same({ 1, 0 }, maintain(engine))
      stores.write_at(engine._store, time.now)
      assert(engine:sweep())
      assert.equal("updated", statuses(engine))
      engine:close()
    end)

    it("of a lead status waits for that one only", function()
      local engine, time, category = open {
        rule("lead_status_set", QUALIFIED, { lead_status = 5, after = { hours = 3 } }),
      }
      local outcome = assert(engine:handle(event("lead_status_set", { lead_status = 5 })))
      assert.same({ "scheduled", "lead_status_set:5" }, { outcome.status, outcome.rule })
      outcome = assert(engine:handle(event("lead_status_set", { lead_status = 4, company = "bolt" })))
      assert.equal("unchanged", outcome.status)
      time.now = START + 3 * HOUR
      assert.same({ 1, 0 }, maintain(engine))
      assert.equal(QUALIFIED, category "acme")
      engine:close()
    end)

    it("counts from when the event says it happened", function()
      local engine = open(RULES)
      assert.equal(1000 + 30 * DAY, assert(engine:handle(event("sale_lost", { at = 1000 }))).due)
      engine:close()
    end)
  end)
end

describe("the rule whose match is scheduled", function()
  after_each(stores.check)

  local dice = 20261127
  local function roll(most)
    dice = (dice * 16807) % 2147483647
    return dice % most + 1
  end

  -- In plain words: the first rule of all that may start there and whose conditions hold, if that is one that waits.
  local function expected(rules, category, amount)
    for _, one in ipairs(rules) do
      local starts = false
      for _, id in ipairs(one.from.categories) do
        starts = starts or id == category
      end
      if starts and (not one.when or amount >= one.when[1][1].value) then
        return one
      end
    end
  end

  it("is the first of all that applies", function()
    local scheduled, not_scheduled = 0, 0
    for _ = 1, 30 do
      local rules = {}
      for i = 1, roll(8) do
        rules[i] = rule("sale_won", ({ LAPSED, LOST })[roll(2)], {
          id = i, from = { categories = { roll(3), roll(3) } }, after = roll(2) == 1 and { hours = i } or nil,
          when = roll(2) == 1 and { { { field = "sale.amount", is = "at_least", value = roll(4) } } } or nil,
        })
      end
      local engine = HOSTS.embedded(rules)
      for i = 1, 12 do
        local category, amount = roll(3), roll(4)
        engine.host:create("c" .. i, category)
        local outcome = assert(engine:handle(event("sale_won", { company = "c" .. i, sale = { amount = amount } })))
        local first = expected(rules, category, amount)
        local planned = engine:history { company = "c" .. i, status = "scheduled" }[1]
        if first and first.after then
          scheduled = scheduled + 1
          assert.equal("sale_won#" .. first.id, planned.rule)
          assert.equal(START + first.after.hours * HOUR, planned.due)
          assert.is_true(outcome.scheduled == planned.entry or outcome.entry == planned.entry)
        else
          not_scheduled = not_scheduled + 1
          assert.is_nil(planned)
        end
        local action = engine:decide("sale_won", category, nil, { sale = { amount = amount } })
        assert.equal(action, outcome.action)
      end
      engine:close()
    end
    assert.is_true(scheduled > 30 and not_scheduled > 30)
  end)
end)
