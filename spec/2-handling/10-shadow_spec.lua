--- Rules on trial (`shadow = true`): what they would do is noted, and nothing else. First case by case, with both kinds of host and
-- with a shared store; then random rules and events, which a second, readable implementation decides, too, and judges.

local clock = require "support.clock"
local core = require "leadcat.core"
local crm = require "support.crm"
local databases = require "support.databases"
local json = require "leadcat.util.json"
local leadcat = require "leadcat"
local shared = require "support.shared"
local stores = require "support.stores"
local times = require "support.times"

local SLOW = os.getenv "LEADCAT_SLOW"
local START, HOUR, DAY = 1700000000, 3600, 86400
local LEAD, OPPORTUNITY, LOST, CUSTOMER, PARTNER = 1, 3, 4, 5, 6 -- the preset's categories
local ANN = { id = "ann", name = "Ann", admin = true }
local ANYWHERE = { groups = { "potential_customer", "customer", "lost", "partner", "other" } }

local function with_rules(rules)
  local cfg = leadcat.preset "superoffice"
  cfg.rules = {}
  for i, rule in ipairs(rules) do
    cfg.rules[i] = { enabled = true, id = 100 + i }
    for name, value in pairs(rule) do
      cfg.rules[i][name] = value
    end
  end
  return cfg
end

local HOSTS = { "the embedded host", "a host of one's own", "a shared store" }

-- An engine with the leads Acme and Bolt, and what moves a company past leadcat.
local function open(name, rules, options)
  local time = clock.new(START)
  local engine, path
  options = options or {}
  options.clock, options.durability = function() return time.now end, "relaxed"
  if name == HOSTS[2] then
    options.host = crm.new { Acme = LEAD, Bolt = LEAD }
  end
  if name == HOSTS[3] then
    options.durability = nil
    engine, path = shared.open(shared.database(), options)
  else
    engine, path = stores.open(options)
  end
  assert(engine:save(with_rules(rules)))
  if engine.host.create then
    assert(engine.host:create("Acme", LEAD))
    assert(engine.host:create("Bolt", LEAD))
  end
  local function move(company, to)
    assert(engine.host.set_category(company, to, engine.host.category(company)))
  end
  return engine, time, move, path
end

local function event(trigger, fields)
  local made = { trigger = trigger, company = "Acme" }
  for field, value in pairs(fields or {}) do
    made[field] = value
  end
  return made
end

-- What was noted, oldest first: "sale_won#101 1>5".
local function noted(engine)
  local list = {}
  for _, entry in ipairs(assert(engine:history { status = "shadow", limit = 1000 })) do
    assert.equal("shadow", entry.status)
    table.insert(list, 1, ("%s %d>%d%s"):format(entry.rule, entry.from, entry.to,
      entry.takes_back and " back" or ""))
  end
  return list
end

local function count_journal(engine)
  return #assert(engine:history { limit = 1000 })
end

local function shadow(trigger, to, fields)
  local rule = { trigger = trigger, set_category = to, shadow = true }
  for name, value in pairs(fields or {}) do
    rule[name] = value
  end
  return rule
end

for _, name in ipairs(HOSTS) do
  describe("with " .. name .. ", a rule on trial", function()
    if name == HOSTS[3] and SLOW then
      return
    end
    after_each(function()
      shared.close()
      stores.check()
    end)
    teardown(databases.stop)

    it("changes nothing and asks nothing, and is noted with the facts of the moment", function()
      local engine, time = open(name, { shadow("sale_won", CUSTOMER, {
        ask = true,
        when = { { { field = "sale.amount", is = "above", value = 10 }, { field = "size", is = "known" } } },
      }) })
      local outcome = assert(engine:handle(event("sale_won", {
        id = "e1", sale = { id = 7, amount = 11 }, facts = { size = 3, other = 1 }, actor = ANN,
      })))
      assert.same({ "unchanged", "rule_disabled" }, { outcome.status, outcome.reason })
      assert.same({ 0, LEAD, 0 }, { count_journal(engine), engine.host.category "Acme", #engine:confirmations() })
      assert(engine:handle(event("sale_won", { sale = { amount = 10 }, facts = { size = 3 } })))
      assert.same({ "sale_won#101 1>5" }, noted(engine))
      local report = engine:shadow { rule = "sale_won#101" }
      assert.same({ 1, true }, { report.rules[1].asks, report.cases[1].asks })
      local entry = engine:history({ status = "shadow" })[1]
      if name ~= HOSTS[3] then
        assert.equal(time.now, entry.at)
      end
      assert.same({ "e1", "ann", 7, { size = 3 } }, { entry.event_id, entry.actor.id, entry.sale.id, entry.facts })
      engine:close()
    end)

    it("has the rules behind it go on as if it were not there, and is none for other ones on trial", function()
      local engine = open(name, {
        shadow("sale_won", CUSTOMER), shadow("sale_won", PARTNER), { trigger = "sale_won", set_category = OPPORTUNITY },
        shadow("sale_won", LOST), -- whose turn it never is
      })
      local outcome = assert(engine:handle(event("sale_won", { id = "e1" })))
      assert.same({ "updated", OPPORTUNITY, "sale_won#103" }, { outcome.status, outcome.to, outcome.rule })
      assert.same({ "sale_won#101 1>5", "sale_won#102 1>6" }, noted(engine))
      assert.equal(outcome.entry, engine:history({ status = "shadow" })[1].beside)
      engine:close()
    end)

    it("would do what its checks say", function()
      local engine, _, move = open(name, {
        shadow("sale_won", CUSTOMER), shadow("sale_won", LEAD, { from = ANYWHERE }),
        shadow("sale_won", OPPORTUNITY, { from = ANYWHERE, forward_only = true }),
        shadow("lead_status_set", OPPORTUNITY, { lead_status = 4 }), shadow("sale_deleted", nil, { take_back = true }),
        { trigger = "sale_lost", set_category = LOST },
      })
      local function happens(...)
        local before = #noted(engine)
        assert(engine:handle(event(...)))
        local all = noted(engine)
        return { stores.unpack(all, before + 1) }
      end
      assert.same({ "sale_won#101 1>5", "sale_won#103 1>3" }, happens "sale_won")
      assert.same({ "lead_status_set:4#104 1>3" }, happens("lead_status_set", { lead_status = 4 }))
      assert.same({}, happens("lead_status_set", { lead_status = 3 }))
      move("Acme", PARTNER)
      assert.same({ "sale_won#102 6>1" }, happens "sale_won")
      move("Acme", LEAD)
      assert.same({}, happens("sale_deleted", { sale = { id = 1 } }))
      assert.same({}, happens("sale_lost", { sale = { id = 1 } }))
      assert.same({ "sale_deleted#105 4>1 back" }, happens("sale_deleted", { sale = { id = 1 } }))
      assert.same({}, happens("sale_deleted", { sale = { id = 2 } }))
      assert.same({}, happens("sale_won", { company = "Nobody", category = 99 }))
      engine:close()
    end)

    it("is noted once, however often its event is delivered, alone and among others", function()
      local engine = open(name, { shadow("sale_won", CUSTOMER), { trigger = "sale_lost", set_category = LOST },
        shadow("sale_lost", PARTNER), })
      for _, trigger in ipairs { "sale_won", "sale_lost" } do
        local one = event(trigger, { id = trigger, company = trigger == "sale_won" and "Acme" or "Bolt" })
        assert(engine:handle(one))
        assert.equal("duplicate", engine:handle(one).status)
        assert(engine:handle_many { one, event("sale_registered"), one })
      end
      assert.same({ "sale_won#101 1>5" }, noted(engine))
      local again = { event("sale_won", { id = "b", company = "Bolt", category = LEAD }),
        event("sale_won", { id = "b", company = "Bolt", category = LEAD }),
        event("sale_won", { id = "c", company = "Bolt", category = LEAD }) }
      assert(engine:handle_many(again))
      assert.equal(3, #noted(engine))
      engine:close()
    end)

    it("is not noted of previews, runs, proposals, vetoed, late and unlicensed events", function()
      local engine, time = open(name, { shadow("sale_won", CUSTOMER), { trigger = "sale_lost", set_category = LOST,
        from = ANYWHERE } })
      assert(engine:propose(event "sale_won") == nil)
      assert(engine:backfill({ event("sale_won", { id = "r", at = START - DAY }) }, { preview = true }))
      assert(engine:backfill { event("sale_won", { id = "r", at = START - DAY }) })
      assert(engine:explain(event "sale_won"))
      assert(engine:simulate { event("sale_won", { category = LEAD }) })
      assert.same({}, noted(engine))
      assert(engine:handle_many({ event("sale_lost", { at = START - 100 }) }, { late = "skip" }))
      assert(engine:handle_many({ event("sale_won", { at = START - 100, category = LEAD }) }, { late = "skip" }))
      assert.equal(1, #noted(engine))
      time.now = time.now + DAY
      assert(engine:handle_many({ event("sale_won", { at = START - 2 * HOUR, category = LEAD }) }, { late = "skip" }))
      assert.equal(1, #noted(engine))
      engine:close()
    end)

    it("is told by explain, and by why nothing was done", function()
      local engine = open(name, { shadow("sale_won", CUSTOMER, { when = { { { field = "sale.amount", is = "above",
        value = 10 } } } }), shadow("sale_won", PARTNER) })
      local found = assert(engine:explain(event("sale_won", { sale = { amount = 5 } })))
      assert.same({ "rule_disabled", 2, false, true }, { found.reason, #found.shadows, found.shadows[1].applies,
        found.shadows[2].applies })
      assert.same({ "nil", "update", PARTNER }, { tostring(found.shadows[1].action), found.shadows[2].action,
        found.shadows[2].to })
      assert.equal("“Update category when a sale is won” is only on trial; it has to be switched on for real.",
        found.sentence)
      engine:close()
    end)

    it("is made real by one call, which a revision tells of", function()
      local engine = open(name, { shadow("sale_won", CUSTOMER) })
      assert(engine:handle(event "sale_won"))
      assert.same({ "nil", "not_found" }, { tostring(engine:make_real "sale_won"),
        (select(3, engine:make_real "sale_won")) })
      assert.equal("forbidden", (select(3, engine:make_real("sale_won#101", { actor = { id = "bob" } }))))
      assert.equal(2, engine:make_real("sale_won#101", { actor = ANN }))
      assert.same({ "ann", 2 }, { engine:revisions()[1].actor.id, engine:config().revision })
      assert.equal("updated", engine:handle(event "sale_won").status)
      assert.equal("not_found", (select(3, engine:make_real("sale_won#101", { actor = ANN }))))
      assert.equal(1, #noted(engine))
      local row = engine:shadow().rules[1]
      assert.same({ "sale_won#101", false, 1, 1 }, { row.rule, row.is_shadow, row.cases, row.agreed })
      engine:close()
    end)

    -- What happens behind the note, and the verdict.
    for _, case in ipairs {
      { "alone", function() end },
      { "agreed", function(engine) assert(engine:handle(event "sale_lost")) end, CUSTOMER },
      { "differed", function(engine) assert(engine:handle(event "sale_lost")) end, PARTNER },
      { "undone", function(engine)
        assert(engine:undo(assert(engine:handle(event "sale_lost")).entry, { actor = ANN }))
      end, CUSTOMER },
      { "differed", function(engine)
        local asked = assert(engine:handle(event("sale_registered", { actor = ANN })))
        assert(engine:resolve(asked.confirmation, { decline = true }, { actor = ANN }))
      end, PARTNER },
      { "agreed", function(engine, move)
        move("Acme", CUSTOMER)
        assert(engine:handle(event "sale_lost"))
      end, PARTNER, true },
      { "alone", function(engine) assert(engine:handle(event("sale_lost", { company = "Bolt" }))) end, PARTNER },
    } do
      it(("is %s"):format(case[1]) .. (case[4] and ", by hand" or ""), function()
        local engine, time, move = open(name, { shadow("sale_won", CUSTOMER),
          { trigger = "sale_lost", set_category = case[3] or LOST, from = ANYWHERE },
          { trigger = "sale_registered", set_category = OPPORTUNITY, ask = true } })
        assert(engine:handle(event "sale_won"))
        time.now = time.now + HOUR
        assert(engine:handle(event "sale_won"))
        time.now = time.now + HOUR
        case[2](engine, move)
        local report = assert(engine:shadow { rule = "sale_won#101" })
        local row, found = report.rules[1], report.cases[1]
        assert.same({ 1, 1, 2, 1, case[1], tostring(case[4]) },
          { #report.cases, row.cases, row.events, row[case[1]], found.verdict, tostring(found.by_hand) })
        assert.same({ 30, true, 1 }, { report.days, report.is_whole, #report.rules })
        engine:close()
      end)
    end
  end)
end

describe("what rules on trial would have done", function()
  after_each(stores.check)

  it("is listed page by page, of the last days, and unknown rules are not found", function()
    local engine, time = open(HOSTS[1], { shadow("sale_won", CUSTOMER) })
    for i = 1, 5 do
      assert(engine:handle(event("sale_won", { company = "c" .. i, category = LEAD })))
      time.now = time.now + DAY
    end
    local first = assert(engine:shadow { rule = "sale_won#101", limit = 2 })
    local second = assert(engine:shadow { rule = "sale_won#101", limit = 2, after = first.next })
    assert.same({ "c5", "c4", "c3", "c2" }, { first.cases[1].company, first.cases[2].company, second.cases[1].company,
      second.cases[2].company })
    assert.is_nil(engine:shadow({ rule = "sale_won#101", limit = 2, after = second.next }).next)
    assert.equal(2, engine:shadow({ days = 2 }).rules[1].events)
    assert.equal("not_found", (select(3, engine:shadow { rule = "sale_won#7" })))
    assert.has_error(function() engine:shadow { days = 0 } end)
    engine:close()
  end)

  it("goes with retention, forget and a store that is checked, and costs no entry of the journal", function()
    local engine, time, _, path = open(HOSTS[1], { shadow("sale_won", CUSTOMER) }, { retention = { age = DAY } })
    assert(engine:handle(event("sale_won", { contact = { id = 5, name = "Eve" } })))
    assert.equal(5, engine:history({ status = "shadow" })[1].contact.id)
    assert.equal(1, engine:forget({ contact = 5 }).unchanged)
    assert.is_nil(engine:history({ status = "shadow" })[1].contact)
    assert.same({}, core.check_store(path))
    time.now = time.now + 2 * DAY
    stores.write_at(engine._store, time.now)
    assert(engine:maintain())
    assert.same({ 0, 0 }, { #noted(engine), count_journal(engine) })
    engine:close()
  end)

  it("is noted when the turn of a queued event comes, once", function()
    local host = crm.new { Acme = LEAD }
    local here, path = stores.open { host = host, durability = "relaxed" }
    local engine = stores.open { path = path, host = host, apply = "elsewhere", durability = "relaxed" }
    assert(engine:save(with_rules { { trigger = "sale_registered", set_category = OPPORTUNITY },
      shadow("sale_won", CUSTOMER) }))
    assert.equal("applying", engine:handle(event("sale_registered", { id = "a" })).status)
    assert.equal("queued", engine:handle(event("sale_won", { id = "b" })).status)
    assert.same({}, noted(engine))
    local store = here._store
    here._store = setmetatable({ end_scheduled = function() return nil, "killed", "io" end }, {
      __index = function(_, method)
        return function(_, ...) return store[method](store, ...) end
      end,
    })
    here:apply_pending()
    assert.same({ "sale_won#102 3>5" }, noted(engine))
    here._store = nil
    assert(here:apply_pending())
    core.forward(60)
    assert(here:apply_pending())
    assert.same({ "sale_won#102 3>5" }, noted(engine))
    assert.same({ "dropped", "duplicate" }, { engine:history()[1].status,
      engine:handle(event("sale_won", { id = "b" })).status })
    engine:close()
    here:close()
  end)

  it("is known to every process in the transaction that notes it", function()
    local engine, _, _, path = open(HOSTS[1], { shadow("sale_won", CUSTOMER) })
    assert(engine:handle(event("sale_won", { id = "e" })))
    local output, status = stores.run([[
      local engine = assert(require("leadcat").open { path = arg[1] })
      local outcome = assert(engine:handle { trigger = "sale_won", company = "Acme", id = "e" })
      print(outcome.status, outcome.reason, #engine:history { status = "shadow" })
      engine:close()
    ]], path)
    assert.same({ "duplicate\trule_disabled\t1\n", 0 }, { output, status })
    engine:close()
  end)
end)

-- A second implementation -----------------------------------------------------------------------------------------------

local GROUPS = {}
for _, category in ipairs(leadcat.preset "superoffice".categories) do
  GROUPS[category.id] = category.group
end

local function starts(rule, category)
  if not rule.from then
    return GROUPS[category] == "potential_customer"
  end
  for _, group in ipairs(rule.from.groups) do
    if group == GROUPS[category] then
      return true
    end
  end
  return false
end

local function applies(rule, happening)
  if not rule.when then
    return true
  end
  local condition = rule.when[1][1]
  return happening.sale.amount > condition.value
end

-- What comes of an event where the company is: the target of the rule that decides, or nil; and what is noted.
local function decide(rules, happening, category)
  local notes, target, decided = {}, nil, false
  for i, rule in ipairs(rules) do
    local is_chosen = rule.trigger == happening.trigger and starts(rule, category) and applies(rule, happening)
    if is_chosen and rule.shadow and not decided and rule.set_category ~= category then
      notes[#notes + 1] = ("%s#%d %d>%d"):format(rule.trigger, 100 + i, category, rule.set_category)
    elseif is_chosen and not rule.shadow and not decided then
      decided, target = true, rule.set_category ~= category and rule.set_category or nil
    end
  end
  return target, notes
end

local TRIGGERS = { "sale_won", "sale_lost", "sale_registered" }
local TARGETS = { LEAD, OPPORTUNITY, LOST, CUSTOMER, PARTNER }

local function random_rules()
  local rules = {}
  for i = 1, math.random(1, 8) do
    rules[i] = {
      trigger = TRIGGERS[math.random(3)], set_category = TARGETS[math.random(5)], shadow = math.random() < 0.5 or nil,
      from = math.random() < 0.6 and ANYWHERE or nil,
      when = math.random() < 0.5 and { { { field = "sale.amount", is = "above", value = math.random(0, 9) } } } or nil,
    }
  end
  return rules
end

-- The verdicts of a company's notes, from all that happened to it in order: {note = ...} or {to = ...}.
local function verdicts(story, counts)
  for i, what in ipairs(story) do
    local rule, from, to = (what.note or ""):match "^(%S+) (%d+)>(%d+)"
    from, to = tonumber(from), tonumber(to)
    local is_first, k = rule ~= nil, i - 1
    while is_first and k > 0 and not story[k].to do -- nothing has moved the company since the last of the rule
      is_first = (story[k].note or ""):match "^%S+" ~= rule
      k = k - 1
    end
    if rule then
      local row = counts[rule] or { events = 0, cases = 0, agreed = 0, differed = 0, undone = 0, alone = 0 }
      counts[rule] = row
      row.events = row.events + 1
      if is_first then
        local verdict, ended = "alone", false
        for j = what.made_by or i + 1, #story do
          local later = story[j]
          if later.note and later.note:match "^%S+" == rule and verdict ~= "alone" then
            ended = true
          elseif later.to and not ended then
            verdict = verdict == "alone" and (later.to == to and "agreed" or "differed")
              or verdict == "agreed" and later.to == from and "undone" or verdict
          end
        end
        row.cases, row[verdict] = row.cases + 1, row[verdict] + 1
      end
    end
  end
end

describe("a second implementation", function()
  after_each(stores.check)

  it("notes and judges the same", function()
    for seed = 1, times(30) do
      math.randomseed(seed)
      local rules = random_rules()
      local time = clock.new(START)
      local engine = stores.open { clock = function() return time.now end, durability = "relaxed" }
      assert(engine:save(with_rules(rules)))
      local at, expected, stories, events = {}, {}, {}, {}
      for i = 1, 5 do
        at["c" .. i], stories["c" .. i] = LEAD, {}
        engine.host:create("c" .. i, LEAD)
      end
      for i = 1, 60 do
        local happening = { trigger = TRIGGERS[math.random(3)], company = "c" .. math.random(5), id = "e" .. i,
          sale = { id = i, amount = math.random(0, 10) } }
        events[i] = happening
        local story = stories[happening.company]
        local target, notes = decide(rules, happening, at[happening.company])
        for _, note in ipairs(notes) do
          expected[#expected + 1] = note
          story[#story + 1] = { note = note }
        end
        if target then
          at[happening.company] = target
          story[#story + 1] = { to = target }
        end
        if math.random() < 0.3 then
          events[#events + 1] = nil
        end
      end
      local first = {}
      while #events > 0 do -- now one by one, now together, some of them twice
        local part = {}
        for _ = 1, math.random(1, 9) do
          part[#part + 1] = table.remove(events, 1)
        end
        part[#part + 1] = first[1]
        if #part == 1 then
          assert(engine:handle(part[1]))
        else
          assert(engine:handle_many(part))
        end
        first[1] = part[1]
      end
      assert.same(expected, noted(engine), "seed " .. seed)
      for company, category in pairs(at) do
        assert.equal(category, engine.host.category(company))
      end
      local counts = {}
      for _, story in pairs(stories) do
        verdicts(story, counts)
      end
      local found = {}
      for _, row in ipairs(engine:shadow().rules) do
        if row.events > 0 then
          found[row.rule] = { events = row.events, cases = row.cases, agreed = row.agreed, differed = row.differed,
            undone = row.undone, alone = row.alone }
        end
      end
      assert.same(counts, found, ("seed %d: %s"):format(seed, json.encode(rules)))
      engine:close()
    end
  end)
end)
