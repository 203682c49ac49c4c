-- Rules that take back what a sale did (`take_back`): a company whose newest change a sale has caused goes back to where it
-- was before. Each case first, with both kinds of host; then random rules and events, which a second, readable
-- implementation of the whole decides, too: `handle`, `handle_many`, backfill, its preview and `simulate` have to agree
-- with it.

local clock = require "support.clock"
local compare = require "leadcat.past.compare"
local check = require "leadcat.rules.check"
local config = require "leadcat.rules.config"
local crm = require "support.crm"
local i18n = require "leadcat.words.i18n"
local leadcat = require "leadcat"
local simulate = require "leadcat.past.simulate"
local stores = require "support.stores"
local times = require "support.times"

local LEAD, OPPORTUNITY, LOST, CUSTOMER, PARTNER = 1, 3, 4, 5, 6 -- the preset's categories
local ANN = { id = "ann", name = "Ann", admin = true }
local HOSTS = { "the embedded host", "a host of one's own" }
local START = 1700000000

local function with_rules(rules)
  local cfg = leadcat.preset "superoffice"
  cfg.rules = {}
  for i, rule in ipairs(rules) do
    cfg.rules[i] = { enabled = true }
    for name, value in pairs(rule) do
      cfg.rules[i][name] = value
    end
  end
  return cfg
end

local RULES = {
  { trigger = "sale_registered", set_category = OPPORTUNITY },
  { trigger = "sale_won", set_category = CUSTOMER },
  { trigger = "sale_lost", set_category = LOST, ask = true },
  { trigger = "sale_reopened", take_back = true, ask = true },
  { trigger = "sale_deleted", take_back = true },
}

-- An engine with the lead Acme, and what moves the company behind the engine's back.
local function open(name, rules, options)
  local time = clock.new(START)
  options = options or {}
  options.clock, options.durability = function() return time.now end, "relaxed"
  options.host = name == HOSTS[2] and crm.new { Acme = LEAD } or nil
  local engine = stores.open(options)
  assert(engine:save(with_rules(rules or RULES)))
  if engine.host.create then
    engine.host:create("Acme", LEAD)
  end
  local function move(to)
    assert(engine.host.set_category("Acme", to, engine.host.category "Acme"))
  end
  return engine, move, time
end

local function event(trigger, sale, fields)
  local made = { trigger = trigger, company = "Acme", actor = ANN, sale = sale and { id = sale, name = "Printers" } }
  for name, value in pairs(fields or {}) do
    made[name] = value
  end
  return made
end

-- What an event comes to: "updated 5>3", "unchanged nothing_to_take_back".
local function shown(outcome)
  if outcome.status == "unchanged" then
    return "unchanged " .. outcome.reason
  end
  return ("%s %d>%d"):format(outcome.status, outcome.from, outcome.to)
end

local function happen(engine, ...)
  return shown(assert(engine:handle(event(...))))
end

for _, name in ipairs(HOSTS) do
  describe("with " .. name .. ", a rule that takes back", function()
    after_each(stores.check)

    it("leads to where the sale's change came from, and is noted as that", function()
      local engine = open(name)
      assert.equal("updated 1>3", happen(engine, "sale_registered", 7))
      assert.equal("updated 3>5", happen(engine, "sale_won", 7))
      local outcome = assert(engine:handle(event("sale_deleted", 7)))
      assert.equal("updated 5>3", shown(outcome))
      assert.same({ "matched", "sale_deleted", true, "update" },
        { outcome.reason, outcome.rule, outcome.takes_back, outcome.action })
      assert.equal(OPPORTUNITY, engine.host.category "Acme")
      local entries = engine:history()
      assert.same({ true, "nil", "nil" },
        { entries[1].takes_back, tostring(entries[2].takes_back), tostring(entries[3].takes_back) })
      engine:close()
    end)

    it("knows a sale by its id, whatever its type", function()
      for _, ids in ipairs { { 42, "42" }, { "42", 42 }, { 'a"b\\c\1\127', 'a"b\\c\1\127' }, { "Ærlig", "Ærlig" } } do
        local engine = open(name)
        assert.equal("updated 1>5", happen(engine, "sale_won", ids[1]))
        assert.equal("updated 5>1", happen(engine, "sale_deleted", ids[2]))
        engine:close()
      end
    end)

    it("knows nothing by other sales, and by none", function()
      local engine = open(name)
      assert.equal("updated 1>5", happen(engine, "sale_won", 42))
      for _, sale in ipairs { 43, "4", "42 ", "\0042" } do
        assert.equal("unchanged nothing_to_take_back", happen(engine, "sale_deleted", sale))
      end
      assert.equal("unchanged nothing_to_take_back", happen(engine, "sale_deleted"))
      assert.equal("unchanged nothing_to_take_back", happen(engine, "sale_deleted", nil, { sale = { name = "42" } }))
      engine:close()
    end)

    it("takes back only the newest change", function()
      local engine = open(name)
      happen(engine, "sale_registered", 7)
      happen(engine, "sale_won", 8)
      assert.equal("unchanged nothing_to_take_back", happen(engine, "sale_deleted", 7))
      assert.equal("updated 5>3", happen(engine, "sale_deleted", 8))
      engine:close()
    end)

    it("takes back nothing where the company has been moved since", function()
      local engine, move = open(name)
      happen(engine, "sale_won", 7)
      move(PARTNER)
      assert.equal("unchanged nothing_to_take_back", happen(engine, "sale_deleted", 7))
      assert.equal(PARTNER, engine.host.category "Acme")
      engine:close()
    end)

    it("takes back nothing that was undone, and no undo", function()
      local engine = open(name)
      local won = assert(engine:handle(event("sale_won", 7)))
      assert(engine:undo(won.entry, { actor = ANN }))
      assert.equal("unchanged nothing_to_take_back", happen(engine, "sale_deleted", 7))
      engine:close()
    end)

    it("takes back nothing that took back, which can be undone", function()
      local engine = open(name)
      happen(engine, "sale_won", 7)
      local taken = assert(engine:handle(event("sale_deleted", 7)))
      assert.equal("unchanged nothing_to_take_back", happen(engine, "sale_deleted", 7))
      assert.equal("updated 1>5", shown(assert(engine:undo(taken.entry, { actor = ANN }))))
      assert.equal(CUSTOMER, engine.host.category "Acme")
      engine:close()
    end)

    it("does not lead to a category that is deleted by now", function()
      local engine = open(name)
      happen(engine, "sale_won", 7)
      local cfg = with_rules { { trigger = "sale_deleted", take_back = true } }
      cfg.categories[LEAD].deleted = true
      assert(engine:save(cfg))
      assert.equal("unchanged nothing_to_take_back", happen(engine, "sale_deleted", 7))
      engine:close()
    end)

    it("asks where it shall, and the answer takes back", function()
      local engine = open(name)
      happen(engine, "sale_won", 7)
      local view = assert(engine:propose(event("sale_reopened", 7)))
      assert.equal("The sale Printers was reopened. This takes back what the sale changed. "
        .. "Change the category of Acme from Customer to Lead?", view.sentence)
      local asked = assert(engine:handle(event("sale_reopened", 7)))
      assert.equal("awaiting_confirmation 5>1", shown(asked))
      assert.is_true(engine:confirmation(asked.confirmation).takes_back)
      local answered = assert(engine:resolve(asked.confirmation, { accept = true }, { actor = ANN }))
      assert.equal("updated 5>1", shown(answered))
      assert.is_true(engine:history()[1].takes_back)
      assert.equal("unchanged nothing_to_take_back", happen(engine, "sale_deleted", 7))
      engine:close()
    end)

    it("does not take back where the answer is another category", function()
      local engine = open(name)
      happen(engine, "sale_won", 7)
      local asked = assert(engine:handle(event("sale_reopened", 7)))
      assert(engine:resolve(asked.confirmation, { category = PARTNER }, { actor = ANN }))
      assert.is_nil(engine:history()[1].takes_back)
      engine:close()
    end)

    it("takes back what an answer about the sale has set", function()
      local engine = open(name)
      local asked = assert(engine:handle(event("sale_lost", 7)))
      assert(engine:resolve(asked.confirmation, { accept = true }, { actor = ANN }))
      assert.equal("updated 4>1", happen(engine, "sale_deleted", 7))
      engine:close()
    end)

    it("closes the sale's question also where there is nothing to take back", function()
      local engine = open(name)
      local asked = assert(engine:handle(event("sale_lost", "7")))
      assert.equal("unchanged nothing_to_take_back", happen(engine, "sale_deleted", 8))
      assert.equal("open", engine:confirmation(asked.confirmation).state)
      local proposed = engine:propose(event("sale_deleted", 7)) -- which writes nothing
      assert.same({ "nil", "open" }, { tostring(proposed), engine:confirmation(asked.confirmation).state })
      assert.equal("unchanged nothing_to_take_back", happen(engine, "sale_deleted", 7))
      local record = engine:confirmation(asked.confirmation)
      assert.same({ "superseded", "ann" }, { record.state, record.resolved_by.id })
      local entries = engine:history()
      assert.same({ "superseded", "awaiting_confirmation", 2 }, { entries[1].status, entries[2].status, #entries })
      engine:close()
    end)

    it("closes the question of an earlier event of the same call", function()
      local engine = open(name)
      local outcomes = assert(engine:handle_many {
        event("sale_lost", 7), event("sale_deleted", 8), event("sale_deleted", 7), event("sale_won", 9),
      })
      local found = {}
      for i, outcome in ipairs(outcomes) do
        found[i] = shown(outcome)
      end
      assert.same({ "awaiting_confirmation 1>4", "unchanged nothing_to_take_back", "unchanged nothing_to_take_back",
        "updated 1>5" }, found)
      assert.equal("superseded", engine:confirmation(outcomes[1].confirmation).state)
      assert.equal(3, #engine:history())
      engine:close()
    end)

    it("is explained, also of a company alone", function()
      local engine = open(name)
      happen(engine, "sale_won", 7)
      local told = assert(engine:explain(event("sale_deleted", 7)))
      assert.same({ "update", LEAD, "matched", true, "sale_deleted" },
        { told.action, told.to, told.reason, told.takes_back, told.rule })
      local last = told.checks[#told.checks]
      assert.same({
        name = "nothing_to_take_back", pass = true, category = CUSTOMER, changed_to = CUSTOMER, target = LEAD,
      }, last)
      assert.equal("What the sale changed is taken back. "
        .. "The category of Acme will be updated from Customer to Lead.", told.sentence)
      told = assert(engine:explain(event("sale_deleted", 8)))
      assert.same({ "none", "nothing_to_take_back", "sale_deleted", false },
        { told.action, told.reason, told.rule, told.checks[#told.checks].pass })
      assert.matches("^This sale has made no change of Acme that can be taken back; ", told.sentence)
      local found = {}
      for _, decision in ipairs(engine:why("Acme").decisions) do
        found[decision.trigger] = decision.action
      end
      assert.same({ "confirm", "update" }, { found.sale_reopened, found.sale_deleted })
      happen(engine, "sale_deleted", 7)
      assert.matches("^The sale Printers was deleted%. What the sale had changed was taken back%. ",
        engine:why("Acme").newest.sentence)
      engine:close()
    end)

    it("is decided by its conditions, in the order of the rules", function()
      local engine = open(name, {
        { trigger = "sale_won", set_category = CUSTOMER },
        { trigger = "sale_deleted", id = 1, set_category = PARTNER, from = { groups = { "customer" } },
          when = { { { field = "sale.amount", is = "at_least", value = 1000 } } } },
        { trigger = "sale_deleted", id = 2, take_back = true,
          when = { { { field = "sale.amount", is = "known" } } } },
      })
      happen(engine, "sale_won", 7)
      assert.equal("unchanged conditions_not_met", happen(engine, "sale_deleted", 7))
      local small = { sale = { id = 7, amount = 10 } }
      assert.equal("updated 5>1", happen(engine, "sale_deleted", nil, small))
      happen(engine, "sale_won", 7)
      assert.equal("updated 5>6", happen(engine, "sale_deleted", nil, { sale = { id = 7, amount = 1000 } }))
      engine:close()
    end)
  end)
end

it("a guard sees what is taken back, and the user's answer counts", function()
  local engine = open(HOSTS[1])
  local seen = {}
  engine:on("guard", function(_, decision)
    seen[#seen + 1] = ("%d>%d"):format(decision.from, decision.to)
  end)
  happen(engine, "sale_won", 7)
  assert.equal("updated 5>1", happen(engine, "sale_deleted", 7))
  happen(engine, "sale_won", 7)
  assert.equal("declined 5>1", happen(engine, "sale_reopened", 7, { choice = false }))
  local chosen = assert(engine:handle(event("sale_reopened", 7, { choice = PARTNER })))
  assert.same({ "updated 5>6", "nil" }, { shown(chosen), tostring(chosen.takes_back) }) -- which is another change
  assert.same({ "1>5", "5>1", "1>5", "5>1" }, { stores.unpack(seen, 1, 4) })
  engine:close()
  stores.check()
end)

-- What cannot be saved -------------------------------------------------------------------------------------------------

describe("a config with a rule that takes back", function()
  local TAKES_BACK = { trigger = "sale_deleted", take_back = true }
  local ROWS = { -- what it has besides, the problem
    { {}, nil },
    { { ask = true, id = 7, name = "Back", when = { { { field = "sale.type", is = "known" } } } }, nil },
    { { set_category = LEAD },
      "rules[1].set_category does not go with take_back: the company goes back to the category that it was in before; "
        .. "leave one of them out" },
    { { forward_only = true },
      "rules[1].forward_only does not go with take_back: it goes back to where the company was, whatever the rank; "
        .. "leave one of them out" },
    { { forward_only = false }, nil },
    { { from = { groups = { "customer" } } },
      "rules[1].from does not go with take_back: it starts wherever the sale has put the company; "
        .. "leave one of them out" },
    { { trigger = "sale_won" },
      "rules[1].take_back is only for rules for sale_reopened and sale_deleted, not for sale_won: leave it out" },
    { { trigger = "contract_expired" },
      "rules[1].take_back is only for rules for sale_reopened and sale_deleted, not for contract_expired: "
        .. "leave it out" },
    { { take_back = false }, true },
    { { take_back = "yes" }, true },
  }
  for i, row in ipairs(ROWS) do
    it(("is right, or says what is wrong (%d)"):format(i), function()
      local rule = { trigger = TAKES_BACK.trigger, take_back = true }
      for name, value in pairs(row[1]) do
        rule[name] = value
      end
      local problems = check.problems(with_rules { rule })
      if row[2] == true then
        assert.is_true(check.has_errors(problems))
      else
        assert.equal(row[2], problems[1] and problems[1].message)
      end
    end)
  end

  it("says that a rule behind one without conditions never decides", function()
    local problems = check.problems(with_rules {
      TAKES_BACK, { trigger = "sale_deleted", set_category = PARTNER, id = 2 },
    })
    assert.same({ "rule_unreachable", "rules[2]" }, { problems[1].code, problems[1].path })
    problems = check.problems(with_rules {
      { trigger = "sale_deleted", take_back = true, when = { { { field = "sale.type", is = "known" } } } },
      { trigger = "sale_deleted", set_category = PARTNER, id = 2 },
    })
    assert.same({}, problems)
  end)
end)

it("what takes back is said in every language", function()
  local strings = i18n.new()
  for _, key in ipairs { "history.taken_back", "confirmation.takes_back", "why.takes_back", "settings.takes_back" } do
    local english = strings:text("en", key)
    for _, language in ipairs(i18n.LANGUAGES) do
      assert.equal(language == "en", strings:text(language, key) == english, language .. " " .. key)
    end
  end
end)

-- The second implementation --------------------------------------------------------------------------------------------

local GROUPS = { "potential_customer", "customer", "lost", "other", "partner" }

-- Random numbers that are the same everywhere.
local function dice(seed)
  return function(n)
    seed = seed * 16807 % 2147483647
    return seed % n + 1
  end
end

local function random_config(random)
  local cfg = { categories = {}, lead_statuses = {}, rules = {} }
  for id = 1, 5 do
    cfg.categories[id] = { id = id, name = "c" .. id, group = random(2) == 1 and GROUPS[1] or GROUPS[random(5)] }
  end
  local function add(trigger, id)
    local takes_back = trigger:find "^sale_[rd]e[ol]" and random(4) > 1
    local amount = random(3) == 1 and { { { field = "sale.amount", is = "at_least", value = random(4) } } } or nil
    local anywhere = not takes_back and random(2) == 1 and { groups = GROUPS } or nil
    table.insert(cfg.rules, {
      trigger = trigger, id = id, enabled = random(6) > 1, ask = random(4) == 1, when = amount, from = anywhere,
      take_back = takes_back and true or nil, set_category = not takes_back and random(5) or nil,
    })
  end
  for i, trigger in ipairs { "sale_registered", "sale_won", "sale_lost", "sale_reopened", "sale_deleted" } do
    add(trigger, i)
    if random(3) == 1 then
      add(trigger, 10 + i)
    end
  end
  return cfg
end

local function random_events(random, count)
  local events = {}
  for i = 1, count do
    local sale = random(8) > 1 and random(4) or nil
    events[i] = {
      trigger = config.TRIGGERS[({ 1, 2, 3, 5, 6, 5, 6 })[random(7)]], company = random(3), at = START - 1000000 + i,
      sale = sale and { id = random(2) == 1 and sale or tostring(sale), amount = random(5) } or nil,
    }
  end
  return events
end

local function has(list, value)
  for _, item in ipairs(list) do
    if item == value then
      return true
    end
  end
  return false
end

-- The rule that decides, or why none does.
local function find_rule(cfg, ev, category)
  local any, started = false, false
  for _, rule in ipairs(cfg.rules) do
    if rule.enabled and rule.trigger == ev.trigger then
      any = true
      local groups = rule.from and rule.from.groups or { "potential_customer" }
      if rule.take_back or has(groups, cfg.categories[category].group) then
        started = true
        local amount = rule.when and rule.when[1][1].value
        if not amount or ev.sale and ev.sale.amount >= amount then
          return rule
        end
      end
    end
  end
  return nil, not any and "rule_disabled" or not started and "not_potential_customer" or "conditions_not_met"
end

-- What becomes of one event. `companies` has where each stands, its newest change, and the sale of its open question.
-- `accepts`: what asks counts as accepted.
local function decide(cfg, companies, ev, accepts)
  local at = companies[ev.company]
  local sale = ev.sale and tostring(ev.sale.id)
  local rule, reason = find_rule(cfg, ev, at.category)
  local to
  if rule and rule.take_back then
    local newest = at.newest
    to = sale and newest and newest.sale == sale and newest.to == at.category and newest.from or nil
    reason = not to and "nothing_to_take_back"
    if not to and sale and at.question == sale then
      at.question = nil
    end
  elseif rule then
    to = rule.set_category ~= at.category and rule.set_category or nil
    reason = not to and "already_in_category"
  end
  if reason then
    return reason
  end
  at.question = nil
  if rule.ask and not accepts then
    at.question = sale or "none"
    return "confirm", at.category, to
  end
  at.newest = { from = at.category, to = to, sale = not rule.take_back and sale or nil }
  at.category = to
  return rule.ask and "confirm" or "update", at.newest.from, to
end

-- What all events come to, in words, and where the companies end.
local function model(cfg, events, accepts)
  local companies, lines = {}, {}
  for company = 1, 3 do
    companies[company] = { category = 1 }
  end
  for i, ev in ipairs(events) do
    local outcome, from, to = decide(cfg, companies, ev, accepts)
    lines[i] = from and ("%s %d>%d"):format(outcome, from, to) or outcome
  end
  return lines, companies
end

local function line_of(outcome)
  return outcome.status == "unchanged" and outcome.reason
    or ("%s %d>%d"):format(outcome.action, outcome.from, outcome.to)
end

local function lines_of(outcomes)
  local lines = {}
  for i, outcome in ipairs(outcomes) do
    lines[i] = line_of(outcome)
  end
  return lines
end

-- A new engine in which the companies 1 to 3 stand in category 1; hands it to fn, and compares where they end.
local function try(cfg, embedded, companies, fn)
  local engine = stores.open {
    durability = "relaxed", host = not embedded and crm.new { 1, 1, 1 } or nil, clock = function() return START end,
  }
  assert(engine:save(cfg))
  if embedded then
    engine.host:create_many({ 1, 2, 3 }, 1)
  end
  fn(engine)
  for company = 1, 3 do
    assert.equal(companies[company].category, engine.host.category(company))
    local questions = assert(engine:confirmations { company = company, state = "open" })
    local question = questions[1] and (questions[1].sale and tostring(questions[1].sale.id) or "none")
    assert.equal(companies[company].question, question)
  end
  engine:close()
end

-- Counts, by trigger and outcome.
local function counts_of(events, lines)
  local counts = {}
  for i, line in ipairs(lines) do
    local trigger, outcome = events[i].trigger, line:match "^%S+"
    counts[trigger] = counts[trigger] or {}
    counts[trigger][outcome] = (counts[trigger][outcome] or 0) + 1
  end
  return counts
end

describe("random rules that take back", function()
  after_each(stores.check)
  local ROUNDS = times(20)

  local function each(fn)
    local met = {}
    for round = 1, ROUNDS do
      local random = dice(round * 7919)
      local cfg = config.normalize(random_config(random))
      fn(cfg, random_events(random, 60), met)
    end
    return met
  end

  it("are handled as they should be, one by one and together, with both hosts", function()
    local met = each(function(cfg, events, met)
      local lines, companies = model(cfg, events)
      for _, line in ipairs(lines) do
        met[line:match "^%S+"] = true
      end
      for _, embedded in ipairs { true, false } do
        try(cfg, embedded, companies, function(engine)
          for i, ev in ipairs(events) do
            assert.equal(lines[i], line_of(assert(engine:handle(ev))))
          end
        end)
        try(cfg, embedded, companies, function(engine)
          assert.same(lines, lines_of(assert(engine:handle_many(events))))
        end)
        try(cfg, embedded, companies, function(engine)
          engine:on("guard", function() end)
          assert.same(lines, lines_of(assert(engine:handle_many(events))))
        end)
      end
    end)
    if ROUNDS >= 20 then
      assert.same({ update = true, confirm = true, nothing_to_take_back = true, already_in_category = true,
        conditions_not_met = true, not_potential_customer = true, rule_disabled = true }, met)
    end
  end)

  -- What `explain` says of an example, as a line of the model.
  local function told(decision)
    return decision.action == "none" and decision.reason
      or ("%s %d>%d"):format(decision.action, decision.category, decision.to)
  end

  it("are compared as they should be, with examples that say the same", function()
    local examples = 0
    each(function(cfg, events)
      local without = config.copy(cfg)
      for _, rule in ipairs(without.rules) do
        rule.enabled = rule.enabled and not rule.take_back
      end
      local lines, place = { before = model(cfg, events, true), after = model(without, events, true) }, {}
      for i, ev in ipairs(events) do
        place[ev] = i
      end
      local report = assert(compare.run(cfg, without, events, { start_category = 1 }))
      for side, of_side in pairs(lines) do
        assert.same(counts_of(events, of_side), report[side].outcomes)
        for _, change in ipairs(report.changes) do
          for _, example in ipairs(change.examples) do
            examples = examples + 1
            assert.equal(of_side[place[example.event]], told(example[side]))
          end
        end
      end
    end)
    assert.is_true(examples > ROUNDS)
  end)

  it("are backfilled, foreseen and simulated as they should be", function()
    each(function(cfg, events)
      local lines, companies = model(cfg, events, true)
      local counts = counts_of(events, lines)
      for _, company in ipairs(companies) do
        company.question = nil
      end
      assert.same(counts, assert(simulate.run(cfg, events, { start_category = 1 })).outcomes)
      try(cfg, true, companies, function(engine)
        local preview = assert(engine:backfill(events, { preview = true, confirm = "accept" }))
        local report = assert(engine:backfill(events, { confirm = "accept" }))
        for trigger, of_trigger in pairs(counts) do
          local sum = (of_trigger.update or 0) + (of_trigger.confirm or 0)
          of_trigger.update, of_trigger.confirm = sum > 0 and sum or nil, nil
          assert.same(of_trigger, report.outcomes[trigger])
          assert.same(of_trigger, preview.outcomes[trigger])
        end
      end)
    end)
  end)
end)
