--- What every store has to pass, whoever wrote it (the manual is lua/leadcat/store/init.lua): each method's contract once, and
-- random operations against a model that is read more easily than any store.

local assert = require "luassert"
local config = require "leadcat.rules.config"
local core = require "leadcat.core"
local days = require "support.days"
local json = require "leadcat.util.json"
local model = require "support.store_model"
local stores = require "support.stores"
local times = require "support.times"

local LEAD, QUALIFIED, OPPORTUNITY, CUSTOMER, LOST = 1, 2, 3, 5, 7 -- the preset's categories
local T, NOW = "tenant", 1700000000
local RULES = {
  { sale_won = CUSTOMER, sale_lost = LOST, sale_registered = { OPPORTUNITY, ask = true } },
  { sale_won = { CUSTOMER, ask = true }, sale_lost = LOST, ["lead_status_set:5"] = QUALIFIED },
}

-- A rule that waits, in front of all others.
local WAITING = {
  trigger = "sale_registered", enabled = true, id = 7, set_category = LOST, after = { hours = 1 },
  from = { groups = { "potential_customer", "customer" } },
}

local function save(store, rules, expected, waits)
  local cfg = stores.config(rules)
  if waits then
    table.insert(cfg.rules, 1, WAITING)
  end
  cfg = config.normalize(cfg)
  cfg.revision = expected + 1
  local ruleset, about = core.ruleset(cfg, cfg.revision), json.encode { n = cfg.revision }
  return cfg, store:save(T, expected, ruleset, json.encode(cfg), about)
end

local function item(company, fields)
  local all = {
    company = company, trigger = "sale_won", at = NOW, revision = 1, from = LEAD, to = CUSTOMER, action = "update",
    status = "updated", newest = 0,
  }
  for name, value in pairs(fields or {}) do
    all[name] = value
  end
  return all
end

local KEPT = { write = true, keeps_companies = true, ttl = 100 }
local HOST = { write = true, claim = 30, ttl = 100 }

local function with(how, fields)
  local all = {}
  for _, part in ipairs { how, fields } do
    for name, value in pairs(part) do
      all[name] = value
    end
  end
  return all
end

-- Handles one event; gives its result.
local function handle(store, event, how, known)
  local results = { known }
  local left, message, code = store:handle(T, { event }, results, NOW, how or KEPT)
  return left and results[1], message, code
end

local function won(company, fields)
  return with({ trigger = "sale_won", company = company }, fields or {})
end

local function asked(company, fields)
  return with({ trigger = "sale_registered", company = company, category = LEAD, actor = { id = "bob" } }, fields or {})
end

-- The code of what a call gave.
local function code_of(_, _, code)
  return code
end

local function ids(list, field)
  local found = {}
  for i, stored in ipairs(list) do
    found[i] = stored[field or "entry"]
  end
  return found
end

-- Random operations -----------------------------------------------------------------------------------------------------

local COMPANIES, CATEGORIES = { "a", "b", "c" }, { LEAD, QUALIFIED, OPPORTUNITY, CUSTOMER, LOST }
local TRIGGERS = { "sale_won", "sale_lost", "sale_registered", "lead_status_set", "sale_deleted" }

-- Numbers that are the same on every Lua.
local function dice(seed)
  return function(most)
    seed = (seed * 16807) % 2147483647
    return seed % most + 1
  end
end

local function new_world(open, seed, keeps)
  local first, place = open()
  local world = {
    stores = { first, (open(place)) }, m = model.new(), now = NOW, roll = dice(seed), keeps = keeps, host = {},
    revision = 0,
  }
  for i, company in ipairs(COMPANIES) do
    world.host[company] = LEAD
    if keeps and i < 3 then
      assert(first:create(T, { { company = company } }, LEAD))
      world.m.companies[company] = LEAD
    end
  end
  return world
end

local function pick(world, list)
  return list[world.roll(#list)]
end

local function often(world, one_in, value)
  if world.roll(one_in) == 1 then
    return value
  end
end

local function random_event(world)
  local choice = often(world, 4, pick(world, CATEGORIES))
  if choice and world.roll(2) == 1 then
    choice = false
  end
  local trigger = pick(world, TRIGGERS)
  return {
    trigger = trigger, company = pick(world, COMPANIES), id = often(world, 2, "e" .. world.roll(12)), choice = choice,
    category = often(world, 5, pick(world, CATEGORIES)), lead_status = trigger == "lead_status_set" and 5 or nil,
  }
end

local function how_of(world)
  return {
    write = world.roll(8) > 1, keeps_companies = world.keeps or nil, ttl = 100, claim = 30,
    most = not world.keeps and 2 or nil, look = often(world, 4, true), is_guarded = often(world, 3, true),
    confirm = pick(world, { "ask", "ask", "accept", "skip" }),
  }
end

local function shown(entry)
  return {
    entry.entry, entry.company, entry.status, entry.trigger, entry.from, entry.to, entry.event_id or false,
    entry.confirmation or false, entry.scheduled or false, entry.carries_out or false, entry.former or false,
    entry.is_gone or false,
  }
end

local function shown_of_model(entry)
  return {
    entry.id, entry.company, entry.status, entry.trigger, entry.from, entry.to, entry.event_id or false,
    entry.question and entry.question.id or false, entry.scheduled and entry.scheduled.id or false,
    entry.carries_out and entry.carries_out.id or false, entry.former or false, entry.is_gone or false,
  }
end

-- All that was done stands among the changes, once and in order.
local function check_changes(world, store)
  local m, found, expected, last = world.m, {}, {}, 0
  local changes = assert(store:changes(T, 0, 10000))
  if world.any_order then
    m:bind_changes(changes)
  end
  for i, change in ipairs(changes) do
    assert.is_true(change.number > last and change.number > change.entry.entry)
    found[i], last = { change.kind, change.entry.entry }, change.number
  end
  for i, change in ipairs(m.changes) do
    expected[i] = { change[1], change[2].id }
  end
  assert.same(expected, found)
end

-- All that can be read from the store is as in the model; numbers only grow.
local function check_state(world)
  local store, m = pick(world, world.stores), world.m
  local list, journal, expected, last = {}, {}, {}, 0
  for _, entry in ipairs(assert(store:history(T, nil, nil, nil, 10000))) do
    table.insert(list, 1, entry)
  end
  m:bind(list, world.any_order)
  for i, entry in ipairs(list) do
    assert.is_true(entry.entry > last)
    journal[i], last = shown(entry), entry.entry
  end
  for i, entry in ipairs(m.entries) do
    expected[i] = shown_of_model(entry)
  end
  assert.same(expected, journal)
  check_changes(world, store)
  if world.roll(4) == 1 then -- claims run out by the true time, so this must not take long
    assert.same(days.expected(store, T), days.found(store, T, false, 1000))
  end
  for _, company in ipairs(COMPANIES) do
    local newest, _, code = store:newest(T, company)
    local entry, question = m.newest[company], m.open[company]
    assert.equal(m.applying[company] and "conflict" or entry and entry.id or 0, code or newest)
    assert.equal(m.companies[company], (store:company(T, company)))
    local open = assert(store:confirmations(T, { company = company, state = "open", limit = 9 }))
    assert.same({ question and question.id }, ids(open, "id"))
    local planned = m.scheduled[company]
    assert.equal(planned and planned.id, (store:schedule_of(T, company) or {}).entry)
  end
  local due = {}
  for _, company in ipairs(COMPANIES) do
    local claim = m.applying[company]
    due[#due + 1] = claim and claim.due <= world.now and claim.entry.id or nil
  end
  assert.same(due, ids(assert(store:applying(T, "", 100))))
  for id, entry in pairs(m.seen) do
    assert.equal(entry.id, assert(store:seen(T, id)).entry)
  end
  for id, mark in pairs(m.marks) do
    local found = assert(store:seen(T, id))
    assert.same({ nil, "unchanged", mark.reason, mark.from or 0, mark.revision },
      { found.entry, found.status, found.reason, found.from, found.revision })
  end
end

-- What the model expects, in the store's numbers. The store's own number of a decision is learned, once.
local function expected_result(world, expected, result)
  if type(expected) ~= "table" then
    return expected
  elseif expected.seen then
    return expected.seen.id
  end
  local copy = with(expected, {})
  copy.newest = copy.newest and copy.newest.id
  if copy.lacks == "verdict" then
    local decision = copy.about
    world.m.abouts[decision] = world.m.abouts[decision] or result.about
    assert.equal(world.m.decisions[result.about] or decision, decision)
    world.m.decisions[result.about], copy.about = decision, world.m.abouts[decision]
  end
  for _, name in ipairs { "entry", "confirmation", "scheduled", "carries_out" } do
    copy[name] = type(copy[name]) == "table" and copy[name].id or copy[name]
  end
  if copy.lacks then
    copy.scheduled = nil
  end
  return copy
end

local FOUND_OUT = { "asked_at", "category", "passed", "target", "keep" }

local function without_answers(result)
  if type(result) ~= "table" then
    return result
  end
  local copy = with(result, {})
  copy.key = nil -- random
  if not result.lacks then
    return copy
  end
  for _, name in ipairs(FOUND_OUT) do
    copy[name] = nil
  end
  if result.lacks ~= "category" then
    copy.newest = nil -- of an earlier lack, in the same table
  end
  if result.lacks ~= "verdict" then
    for _, name in ipairs { "about", "action", "from", "to", "rule", "revision", "is_answered" } do
      copy[name] = nil
    end
  end
  return copy
end

-- One call of `handle`, in the store and in the model: how many are left.
local function call(world, owner, events, results, how)
  local expected = world.m:handle(events, results, with(how, { now = world.now, owner = owner }))
  local left = assert(world.stores[owner]:handle(T, events, results, world.now, how))
  assert(world.stores[owner]:settle()) -- now the other one knows the marks, too
  local open = 0
  check_state(world)
  for place, wanted in pairs(expected) do
    local result = results[place]
    wanted = expected_result(world, wanted, result)
    assert.same(wanted, without_answers(result))
    open = open + ((type(wanted) == "number" or wanted.lacks or wanted.status == "applying") and 1 or 0)
  end
  assert.equal(open, left)
  return left
end

local function finish(world, company, owner)
  local m, claim = world.m, world.m.applying[company]
  local status = pick(world, { "updated", "updated", "conflict", "failed", "applying" })
  local done = { entry = claim.entry.id, company = company, status = status, error = "why", retry_in = 20 }
  assert(world.stores[owner]:finish(T, { done }, NOW))
  local lost = m:finish(company, claim.entry, status, { owner = owner, now = world.now, retry_in = 20 })
  assert.equal(lost, done.lost)
  if not lost and status == "updated" then
    world.host[company] = claim.entry.to
  end
end

local function take_up(world, company, owner)
  local idle = world.roll(2) == 1
  local claim, refused = world.m:claim(company, { owner = owner, now = world.now, seconds = 30, idle = idle })
  local entry, attempts, code = world.stores[owner]:claim(T, company, idle, world.now, 30)
  assert.equal(refused, not entry and code or nil)
  if entry then
    assert.same({ claim.entry.id, claim.attempts }, { entry.entry, attempts })
    finish(world, company, owner)
  end
end

-- Gives an event what it lacks.
local function answer(world, owner, event, result, how)
  if result.lacks == "category" then
    result.asked_at, result.category = result.newest, world.host[event.company]
  elseif result.lacks == "end" then
    take_up(world, event.company, owner)
  elseif result.lacks == "verdict" and world.roll(6) == 1 then
    return { status = "unchanged", reason = "vetoed", action = "none" }
  elseif result.lacks == "verdict" then
    local told = world.roll(2) == 1 and result.to or nil -- else it is understood
    result.passed, result.target, result.keep = result.about, told, event.choice == false or nil
    if event.choice or how.is_guarded and world.roll(3) == 1 then
      result.target = event.choice or pick(world, CATEGORIES)
    end
  end
  return result
end

local OPERATIONS = {}

-- Events, to their ends, or until they are given up; other handles write in between.
function OPERATIONS.handle(world, owner, depth)
  local events, results, how = {}, {}, how_of(world)
  for i = 1, world.roll(4) do
    events[i] = random_event(world)
  end
  for _ = 1, 8 do
    if call(world, owner, events, results, how) == 0 then
      return
    end
    for place, event in ipairs(events) do
      local result = results[place]
      if type(result) == "table" and result.lacks then
        results[place] = answer(world, owner, event, result, how)
      elseif type(result) == "table" and result.status == "applying" and world.m.applying[event.company] then
        take_up(world, event.company, owner)
      end
    end
    if not depth and world.roll(3) == 1 then
      OPERATIONS[pick(world, { "handle", "write", "answer", "save" })](world, 3 - owner, 1)
      check_state(world)
    end
  end
end

local function write(world, owner, fields, wanted)
  local statuses = world.keeps and { "updated", "updated", "declined" } or { "applying", "applying", "declined" }
  wanted = with(with(fields, wanted), {
    status = pick(world, statuses), trigger = "sale_won", to = pick(world, CATEGORIES),
  })
  local real = item(wanted.company, with(fields, {
    status = wanted.status, to = wanted.to, from = wanted.from, newest = wanted.newest and wanted.newest.id or 0,
    answers = wanted.question and wanted.question.id,
  }))
  local result, entry = world.m:write(wanted, { owner = owner, now = world.now, claim = 30 })
  assert(world.stores[owner]:write(T, { real }, world.now, 30))
  check_state(world)
  assert.same({ result, entry and entry.id }, { real.result, entry and real.entry })
end

-- A change that no event asked for; sometimes it was thought of too early.
function OPERATIONS.write(world, owner)
  local company, m = pick(world, COMPANIES), world.m
  local newest = m.newest[company]
  write(world, owner, { company = company, from = m.companies[company] or LEAD }, {
    newest = world.roll(4) > 1 and newest or m.entries[world.roll(#m.entries + 1)],
  })
end

-- An answer to a question, of those that were ever asked.
function OPERATIONS.answer(world, owner)
  local questions = {}
  for _, entry in ipairs(world.m.entries) do
    questions[#questions + 1] = entry.status == "awaiting_confirmation" and entry.question or nil
  end
  local place = #questions - world.roll(3) + 1
  local question = questions[place]
  if question then
    write(world, owner, { company = question.company, from = question.from }, { question = question })
    assert.equal(question.state, assert(world.stores[owner]:confirmation(T, question.id)).state)
  end
end

-- What a company has scheduled is carried out, cancelled or dropped.
function OPERATIONS.later(world, owner)
  local company, m, store = pick(world, COMPANIES), world.m, world.stores[owner]
  local planned = m.scheduled[company]
  if not planned or m.applying[company] then
    return
  end
  local item_of = { entry = planned.id, company = company, status = "scheduled", reason = "matched", again = world.now }
  assert(store:end_scheduled(T, { item_of }, NOW))
  assert.is_false(item_of.lost)
  if world.roll(3) == 1 then
    item_of.status = pick(world, { "cancelled", "dropped" })
    assert(store:end_scheduled(T, { item_of }, NOW))
    return m:end_scheduled(company, item_of.status)
  end
  local how = with(world.keeps and KEPT or HOST, { ttl = 100 })
  local from = world.keeps and m.companies[company] or not world.keeps and world.host[company] or LEAD
  local results = { {
    lacks = "commit", carries_out = planned.id, alone = 7, asked_at = m.newest[company].id, category = from,
  } }
  local event = { trigger = planned.trigger, company = company, category = world.keeps and from or nil }
  local expected = m:carry_out(company, from, with(how, { now = world.now, owner = owner }))
  assert(store:handle(T, { event }, results, world.now, how))
  check_state(world)
  assert.same(expected_result(world, expected, results[1]), without_answers(results[1]))
end

function OPERATIONS.save(world, owner)
  local cfg = save(world.stores[owner], RULES[world.revision % 2 + 1], world.revision, true)
  world.revision = world.revision + 1
  world.m:save(cfg, world.revision)
end

-- Somebody takes up a change; or writes down its end, though he may not have it any more.
function OPERATIONS.take_up(world, owner)
  local company = pick(world, COMPANIES)
  if world.m.applying[company] then
    (world.roll(3) == 1 and finish or take_up)(world, company, owner)
  end
end

function OPERATIONS.expire(world, owner)
  assert.same({ world.m:expire(world.now), false }, { world.stores[owner]:expire(T, world.now) })
end

-- A company is renamed, merged or deleted.
function OPERATIONS.move(world, owner)
  local from, to, idle = pick(world, COMPANIES), pick(world, COMPANIES), world.roll(2) == 1
  local fate = pick(world, { "renamed", "renamed", "merged", "deleted" })
  if to == from then
    return
  end
  local result, other, moved, closed = world.m:move(fate, from, to, {
    owner = owner, now = world.now, idle = idle, keeps_companies = world.keeps,
  })
  local found = assert(world.stores[owner]:move(T, {
    fate = fate, company = from, to = fate ~= "deleted" and to or nil, keeps_companies = world.keeps, idle = idle,
  }, world.now))
  check_state(world)
  assert.same({ result, moved or 0, closed or 0 }, { found.result, found.moved, found.closed })
  assert.equal(result == "moved" and (other and other.id) or nil, found.entry)
  assert.equal(result ~= "moved" and other or nil, found.company)
  if world.keeps and world.roll(2) == 1 then -- so that there are some
    assert(world.stores[owner]:create(T, { { company = from } }, LEAD))
    world.m.companies[from] = world.m.companies[from] or LEAD
  end
end

local NAMES = { "handle", "handle", "handle", "handle", "write", "answer", "take_up", "expire", "later", "move" }

local function operate(open, seed, keeps, any_order)
  local world = new_world(open, seed, keeps)
  world.any_order = any_order
  OPERATIONS.save(world, 1)
  for _ = 1, times(60) do
    OPERATIONS[pick(world, NAMES)](world, world.roll(2))
    check_state(world)
    local seconds = world.roll(15)
    world.now = world.now + seconds
    core.forward(seconds)
  end
end

-- One method after the other --------------------------------------------------------------------------------------------

--- Describes the tests of a store. `open()` gives a new store, and a place; `open(place)` another handle on that one.
---@param open fun(place?: any): leadcat.Store, any
---@param busted {describe: function, it: function, before_each: function} the spec's own
---@param options? {seeds?: integer, copies?: boolean, any_order?: boolean} how often the random operations run (default 8); false: it does not copy itself; companies of one call may be written in another order
return function(open, busted, options)
  options = options or {}
  local describe, it, before_each = busted.describe, busted.it, busted.before_each
  local store, other

  before_each(function()
    local place
    store, place = open()
    other = open(place)
    save(store, RULES[1], 0)
    assert.equal(2, store:create(T, { { company = "acme" }, { company = "7", company_is_integer = true } }, LEAD))
  end)

  -- Saves these rules as the next revision.
  local function save_rules(rules)
    local cfg, newest = stores.config {}, json.decode(store:config(T, 0)).revision
    cfg.rules, cfg.revision = rules, newest + 1
    cfg = config.normalize(cfg)
    assert(store:save(T, newest, core.ruleset(cfg, newest + 1), json.encode(cfg), "{}"))
  end

  describe("rules", function()
    it("are saved as the next revision only", function()
      assert.equal("stale", code_of(select(2, save(other, RULES[2], 0))))
      assert.is_true(select(2, save(other, RULES[2], 1)))
      assert.equal(2, json.decode(store:config(T, 0)).revision)
      assert.equal(1, json.decode(store:config(T, 1)).revision)
      assert.equal("not_found", code_of(store:config(T, 3)))
      assert.same({ '{"n":2}', '{"n":1}' }, store:revisions(T))
      assert.same({}, store:revisions "another")
    end)

    it("decide as soon as they are saved", function()
      local decide = store:decider(T, function() return true end)
      local function decided(trigger)
        local action, to, reason, revision = store:decide(T, trigger, LEAD)
        assert.same({ action, to, reason }, { decide(trigger, LEAD) })
        assert.same({ action, to, reason, revision }, { stores.unpack({ store:explain(T, trigger, LEAD) }, 1, 4) })
        return { action, to or false, reason, revision }
      end
      assert.same({ "update", CUSTOMER, "matched", 1 }, decided "sale_won")
      save(other, RULES[2], 1)
      assert.same({ "confirm", CUSTOMER, "matched", 2 }, decided "sale_won")
      assert.same({ "none", false, "rule_disabled", 2 }, decided "sale_registered")
      assert.same({ "none", nil, "rule_disabled", 0 }, { store:decide("another", "sale_won", LEAD) })
    end)

    it("are repaired only where they are still the newest", function()
      local cfg = config.normalize(stores.config { sale_won = LOST })
      assert(store:repair(T, 7, core.ruleset(cfg, 7)))
      assert.equal(CUSTOMER, select(2, store:decide(T, "sale_won", LEAD)))
      assert.is_true(store:repair(T, 1, core.ruleset(cfg, 1)))
      assert.equal(LOST, select(2, other:decide(T, "sale_won", LEAD)))
    end)
  end)

  describe("own triggers", function()
    it("are numbered as they are declared, once and for all", function()
      assert.same({ {}, {} }, { store:triggers() })
      assert.is_true(store:declare { { trigger = "paid", about = '{"name":"Paid"}' }, { trigger = "moved" } })
      assert.is_true(other:declare {
        { trigger = "closed" }, { trigger = "moved", about = "{}" }, { trigger = "paid" },
      })
      assert.same({ { "paid", "moved", "closed" }, { '{"name":"Paid"}', "{}", "" } }, { store:triggers() })
      assert.is_true(store:declare {})
    end)

    it("are 64 at most, all or none", function()
      local items = {}
      for i = 1, 63 do
        items[i] = { trigger = "own_" .. i }
      end
      assert(store:declare(items))
      assert.equal("invalid", code_of(other:declare { { trigger = "one" }, { trigger = "two" } }))
      assert.equal(63, #store:triggers())
      assert.is_true(other:declare { { trigger = "one" } })
      assert.equal("one", store:triggers()[64])
    end)

    it("have rules as soon as they are declared", function()
      local cfg = config.normalize(stores.config { paid = CUSTOMER })
      assert(store:save(T, 1, core.ruleset(cfg, 2, store:triggers()), json.encode(cfg), "{}"))
      assert.equal("rule_disabled", select(3, store:decide(T, "sale_won", LEAD)))
      assert(other:declare { { trigger = "moved" }, { trigger = "paid" } })
      assert.equal("corrupt", code_of(store:decide(T, "paid", LEAD)))
      assert(store:repair(T, 2, core.ruleset(cfg, 2, store:triggers())))
      for _, one in ipairs { store, other } do
        assert.equal(CUSTOMER, select(2, one:decide(T, "paid", LEAD)))
        assert.equal("rule_disabled", select(3, one:decide(T, "moved", LEAD)))
      end
      local outcome = handle(other, { trigger = "paid", company = "acme" })
      assert.same({ "updated", "paid" }, { outcome.status, outcome.rule })
      assert.equal("paid", store:entry(T, outcome.entry).trigger)
      assert.is_false(store:handle(T, { { trigger = "lost", company = "acme" } }, {}, NOW, KEPT))
    end)
  end)

  describe("handle", function()
    -- What it lacks at first, and then, when that was added. The random operations know the rest.
    local ROWS = {
      { "asks for a licence", won "acme", with(KEPT, { needs_licence = true }), { lacks = "licence" } },
      { "only looks", won "acme", with(KEPT, { write = false }), { lacks = "commit" } },
      { "asks the host", won "acme", HOST, { lacks = "category", newest = 0 } },
      { "cannot keep what is no JSON", won("acme", { sale = { f = print } }), KEPT, { lacks = "details" } },
    }
    it("asks for nothing that it is told it does not need", function()
      local how = with(KEPT, { needs_licence = false, is_guarded = false, look = false, foresee = false })
      assert.equal("updated", handle(store, won "acme", how).status)
    end)

    for _, row in ipairs(ROWS) do
      it(row[1], function()
        local result = handle(store, row[2], row[3])
        result.error = nil
        assert.same(row[4], result)
        assert.same({}, store:history(T, nil, nil, nil, 9))
      end)
    end

    it("refuses what is no plain event", function()
      assert.same({ false, 2 }, { store:handle(T, { won "acme", { company = "acme" } }, {}, NOW, KEPT) })
      assert.is_false(store:handle(T, { won "acme", x = 1 }, {}, NOW, KEPT))
      assert.equal(LEAD, store:company(T, "acme"))
    end)

    it("adds companies where they begin somewhere", function()
      assert.equal("updated", handle(store, won "new", with(KEPT, { start = LEAD })).status)
      assert.equal(CUSTOMER, other:company(T, "new"))
      assert.equal("unknown_category", handle(store, won "newer").reason)
    end)

    it("keeps details and the run", function()
      local entry = handle(store, won("acme", { sale = { id = 4 } }), with(KEPT, { run = "r" })).entry
      assert.same({ run = "r", sale = { id = 4 } }, json.decode(other:entry(T, entry).details))
    end)

    it("asks with the event's details and actor", function()
      local asks = handle(store, asked(7))
      local question = other:confirmation(T, asks.confirmation)
      assert.same({ 7, "bob", "open", asks.entry, NOW + 100 },
        { question.company, question.user, question.state, question.entry, question.expires_at })
      assert.same({ id = "bob" }, json.decode(question.body).actor)
    end)

    it("remembers in an overlay what it would write, and writes nothing", function()
      local how = with(KEPT, { overlay = store:overlay() })
      assert.equal("updated", handle(store, won("acme", { id = "x" }), how).status)
      assert.equal(0, handle(store, won("acme", { id = "x" }), how))
      assert.equal("not_potential_customer", handle(store, won "acme", how).reason)
      assert.equal(LEAD, store:company(T, "acme"))
      assert.equal("not_found", code_of(store:seen(T, "x")))
    end)

    it("takes what was prepared, time and again", function()
      local how = store:prepare(with(KEPT, { confirm = "accept" }))
      for _, company in ipairs { "acme", "7" } do
        assert.equal("updated", handle(store, asked(company), how).status)
      end
      assert.same({ id = "bob" }, json.decode(other:history(T, "7", nil, nil, 1)[1].details).actor)
      assert.has_error(function() store:prepare { x = 1 } end)
      assert.has_error(function() store:prepare { run = "r" } end)
    end)

    it("writes what was foreseen, with its cursor, or nothing", function()
      local events, cursor = { won "acme", asked "7" }, { name = "c", text = "1" }
      local _, digest = store:handle(T, events, {}, NOW, with(KEPT, { foresee = true, write = false }))
      local how = with(KEPT, { cursor = cursor, digest = digest })
      assert.equal("conflict", code_of(store:handle(T, events, {}, NOW, with(how, { digest = digest - 1 }))))
      assert.same({ "not_found", 0 }, { code_of(store:cursor(T, "c")), #store:history(T, nil, nil, nil, 9) })
      assert.equal(0, store:handle(T, events, {}, NOW, how))
      assert.same({ "1", 2 }, { other:cursor(T, "c"), #other:history(T, nil, nil, nil, 9) })
      assert.equal("conflict", code_of(store:handle(T, events, {}, NOW, how)))
    end)

    for _, keeps in ipairs { true, false } do
      it("does as the model does, with companies of " .. (keeps and "its own" or "a host"), function()
        for seed = 1, options.seeds or 8 do
          operate(open, seed * 7919, keeps, options.any_order)
        end
      end)
    end
  end)

  describe("write", function()
    it("writes all with the cursor, or nothing", function()
      local cursor, bad = { name = "c", text = "1" }, item("7", { newest = 99 })
      assert.equal("conflict", code_of(store:write(T, { item "acme", bad }, NOW, 0, cursor)))
      assert.same({ LEAD, "not_found" }, { store:company(T, "acme"), code_of(store:cursor(T, "c")) })
      assert.is_true(store:write(T, { item "acme" }, NOW, 0, cursor))
      assert.same({ CUSTOMER, "1" }, { other:company(T, "acme"), (other:cursor(T, "c")) })
      assert.equal("conflict", code_of(store:write(T, {}, NOW, 0, cursor)))
      assert.is_true(other:write(T, {}, NOW, 0, { name = "c", before = "1", text = "2" }))
      assert.same({ "2" }, { store:cursor(T, "c") })
    end)

    it("leaves out what was overtaken, and writes the rest", function()
      local items = { item("acme", { newest = 99 }), item "7" }
      assert.is_true(store:write(T, items, NOW, 0))
      assert.same({ "overtaken", "written" }, ids(items, "result"))
    end)

    it("goes on from what an item before it has made of the company", function()
      local function back(company)
        return item(company, { from = CUSTOMER, to = LEAD, newest = 0, continues = true })
      end
      local items = { item "acme", back "acme", back "7", item("acme", { newest = 0, continues = true }) }
      assert.is_true(store:write(T, items, NOW, 0))
      assert.same({ "written", "written", "overtaken", "written" }, ids(items, "result"))
      assert.same({ CUSTOMER, items[4].entry }, { other:company(T, "acme"), (store:newest(T, "acme")) })
      local late = { back "acme" }
      assert.is_true(store:write(T, late, NOW, 0))
      assert.same({ "overtaken" }, ids(late, "result"))
      local from_elsewhere = item("acme", { from = LOST, to = LEAD, newest = items[4].entry })
      local after_conflict = { from_elsewhere, back "acme" }
      assert.is_true(store:write(T, after_conflict, NOW, 0))
      assert.same({ "written", "overtaken", "conflict" },
        { after_conflict[1].result, after_conflict[2].result, after_conflict[1].status })
    end)
  end)

  it("gives an unfinished change to one owner at a time", function()
    local entry = handle(store, won("acme", { category = LEAD }), HOST).entry
    core.forward(29)
    assert.equal("conflict", code_of(other:claim(T, "acme", true, NOW + 29, 30)))
    assert.equal("conflict", code_of(store:claim(T, "acme", false, NOW, 30)))
    core.forward(1)
    local claimed, attempts, age = other:claim(T, "acme", true, NOW + 30, 30)
    assert.same({ entry, 0, 30 }, { claimed.entry, attempts, age })
    local done = { entry = entry, company = "acme", status = "applying", error = "away", retry_in = 20 }
    assert.is_true(store:finish(T, { done }, NOW))
    assert.is_true(done.lost)
    assert.is_true(other:finish(T, { done }, NOW))
    assert.is_false(done.lost)
    core.forward(19)
    assert.same({ {}, {} }, { store:applying(T, "", 9), (store:due("changes", 0, 0, NOW, "")) })
    core.forward(1)
    assert.same({ { entry }, { T } }, { ids(store:applying(T, "", 9)), (store:due("changes", 0, 0, NOW, "")) })
    assert.same({}, store:applying(T, "acme", 9))
    assert.equal(1, select(2, store:claim(T, "acme", true, NOW, 30)))
    assert.equal("not_found", code_of(store:claim(T, "bolt", true, NOW, 30)))
  end)

  describe("what is queued", function()
    local QUEUES = with(HOST, { queues = true, claim = 0 })
    local change, first, second

    local function event(id, fields)
      return won("acme", with({ id = id, category = LEAD }, fields or {}))
    end

    before_each(function()
      change = handle(store, event "c", QUEUES)
      first = handle(store, event("a", { at = NOW - 5, choice = false, sale = { id = "7" } }), QUEUES)
      second = handle(store, event "b", QUEUES)
    end)

    -- The next entry of the queue, claimed by the other handle.
    local function next_of_queue()
      local entry, attempts = assert(other:claim(T, "acme", true, NOW, 30))
      assert.equal("queued", entry.status)
      return entry, attempts
    end

    local function finish_it(entry)
      local done = { entry = entry, company = "acme", status = "updated" }
      assert.is_true(other:finish(T, { done }, NOW))
      assert.is_false(done.lost)
    end

    local function end_it(entry, fields)
      local ending = with({ entry = entry, company = "acme", reason = "matched" }, fields)
      assert.is_true(other:end_scheduled(T, { ending }, NOW))
      return ending.lost
    end

    it("stands behind a change that is nobody's, with what it is decided by", function()
      assert.same({ "applying", "queued", "none", "queued" },
        { change.status, first.status, first.action, first.reason })
      local entry = other:seen(T, "a")
      assert.same({ first.entry, "queued", true, NOW - 5 }, { entry.entry, entry.status, entry.has_at, entry.at })
      assert.same({ choice = 0, sale = { id = "7" } }, json.decode(entry.details))
      assert.is_nil(other:seen(T, "b").has_at)
      assert.equal("conflict", code_of(store:newest(T, "acme")))
      assert.equal(first.entry, handle(store, event "a", QUEUES))
      assert.same({ change.entry }, ids(store:applying(T, "", 9)))
      assert.equal(change.entry, other:claim(T, "acme", true, NOW, 30).entry)
      assert.equal("conflict", code_of(store:claim(T, "acme", true, NOW, 30)))
    end)

    it("is not done to foresee, with a cursor, or where somebody waits", function()
      for _, how in ipairs { HOST, with(QUEUES, { foresee = true, write = false }),
        with(QUEUES, { cursor = { name = "c", text = "1" }, digest = 1 }) } do
        local results = {}
        store:handle(T, { event "d" }, results, NOW, how)
        assert.equal(how.cursor and "nil" or "end", tostring(results[1] and results[1].lacks))
      end
    end)

    it("has its turn when the change ends, one after the other", function()
      assert(other:claim(T, "acme", true, NOW, 30))
      finish_it(change.entry)
      assert.same({ first.entry }, ids(store:applying(T, "", 9)))
      assert.equal("queued", handle(store, event "d", QUEUES).status)
      assert.equal(first.entry, next_of_queue().entry)
      local begun = { lacks = "commit", queued = first.entry }
      assert.equal("over", handle(store, won("acme", { category = LEAD }), HOST, with(begun, {})).status)
      local outcome = handle(other, won("acme", { category = LEAD }), HOST, with(begun, {}))
      assert.same({ "applying", first.entry }, { outcome.status, outcome.follows })
      assert.equal("carried_out", store:entry(T, first.entry).status)
      assert.equal(first.entry, store:entry(T, outcome.entry).follows)
      assert.equal("over", handle(other, won("acme", { category = LEAD }), HOST, with(begun, {})).status)
      finish_it(outcome.entry)
      assert.equal(second.entry, next_of_queue().entry)
    end)

    it("is given back for another try, or ends as dropped, and the next one has its turn", function()
      assert(other:claim(T, "acme", true, NOW, 30))
      finish_it(change.entry)
      assert.is_true(end_it(first.entry, { status = "dropped" })) -- it is not claimed
      next_of_queue()
      assert.is_true(end_it(second.entry, { status = "dropped" })) -- it is not its turn
      assert.is_false(end_it(first.entry, { status = "queued", again = 20 }))
      assert.same({}, store:applying(T, "", 9))
      core.forward(20)
      assert.same({ first.entry }, ids(store:applying(T, "", 9)))
      assert.equal(1, select(2, next_of_queue()))
      assert.is_false(end_it(first.entry, { status = "dropped", reason = "lower_rank", revision = 1, from = LEAD }))
      local entry = store:entry(T, first.entry)
      assert.same({ "dropped", "lower_rank", LEAD }, { entry.status, entry.reason, entry.from })
      assert.equal(second.entry, next_of_queue().entry)
      assert.is_false(end_it(second.entry, { status = "dropped" }))
      assert.equal("not_found", code_of(other:claim(T, "acme", true, NOW, 30)))
      assert.same({ second.entry, 0 }, { store:newest(T, "acme"), store:stats().unfinished })
    end)
  end)

  it("tells a company's newest change, whose sale it is, and when its event happened", function()
    local function made(sale, company)
      return { store:last_change(T, company or "acme", sale) }
    end
    assert.same({}, made "7")
    store:create(T, { { company = "acme" }, { company = "7" } }, LEAD)
    local sold = with(won "acme", { sale = { id = 7, name = "Printers" }, at = NOW - 100 })
    assert.equal(0, store:handle(T, { sold }, {}, NOW, KEPT))
    assert.same({ { from = LEAD, to = CUSTOMER }, NOW - 100 }, made "7")
    assert.same({ nil, NOW - 100 }, made "8")
    assert.same({ nil, NOW - 100 }, made())
    assert.same({}, made("7", "7"))
    local items = { item("acme", { -- an answer or an undo, which has no event of its own
      from = CUSTOMER, to = LOST, newest = store:newest(T, "acme"), details = '{"sale":{"id":"8"}}',
    }) }
    assert(store:write(T, items, NOW, 30))
    assert.same({ { from = CUSTOMER, to = LOST }, NOW - 100 }, made "8")
    items[1] = item("acme", {
      from = LOST, to = LEAD, newest = items[1].entry, details = '{"sale":{"id":"8"}}', takes_back = true,
    })
    assert(store:write(T, items, NOW, 30))
    assert.same({ nil, NOW - 100 }, made "8")
    local ahead = with(won "acme", { at = NOW + 100 })
    assert.equal(0, store:handle(T, { ahead }, {}, NOW + 1, KEPT))
    assert.same({ nil, NOW + 1 }, made "8")
  end)

  it("lists the journal, newest first", function()
    local first, second = handle(store, won("acme", { at = NOW - 9 })).entry, handle(store, won(7)).entry
    assert.same({ { second, first }, { first }, { second }, { first }, { second } }, {
      ids(store:history(T, nil, nil, nil, 9)), ids(store:history(T, "acme", nil, nil, 9)),
      ids(store:history(T, nil, NOW, nil, 9)), ids(store:history(T, nil, nil, second, 9)),
      ids(store:history(T, nil, nil, nil, 1)),
    })
    assert.same({ 7, "acme" }, ids(other:history(T, nil, nil, nil, 9), "company"))
    assert.equal("not_found", code_of(store:entry(T, 1)))
    assert.same({}, store:history("another", nil, nil, nil, 9))
  end)

  it("searches the journal, newest first, for what may be meant", function()
    local made = {}
    for i = 1, 5 do
      made[i] = handle(store, won("c" .. i, {
        category = LEAD, actor = { id = i % 2, name = "Ann" },
      })).entry
    end
    local function search(only, after, company)
      only.most, only.limit = only.most or 100, only.limit or 100
      local found, looked_at, reached = other:search(T, company, only, after)
      return ids(found), looked_at, reached
    end
    local found, looked_at, reached = search { words = "ann", trigger = "sale_won", since = NOW - 9 }
    assert.same({ { made[5], made[4], made[3], made[2], made[1] }, 5 }, { found, looked_at })
    assert.is_nil(reached)
    found, looked_at, reached = search { most = 2 }
    assert.same({ { made[5], made[4] }, 2, made[4] }, { found, looked_at, reached })
    found = search({ most = 2 }, reached)
    assert.same({ made[3], made[2] }, found)
    assert.same({ made[2] }, (search({}, nil, "c2")))
    assert.same({}, (search { unchanged = true }))
    assert.equal(made[3], search({ words = "\0011\1" }, made[4])[1])
  end)

  it("notes what came to nothing apart", function()
    local note = { company = "acme", trigger = "sale_won", at = NOW, reason = "vetoed", event_id = "x", error = "no" }
    assert.is_true(store:add_unchanged(T, { note }, NOW))
    local entry = other:history(T, "acme", nil, nil, 9, true)[1]
    assert.same({ "unchanged", "vetoed", "x", "no" }, { entry.status, entry.reason, entry.event_id, entry.error })
    assert.same({ {}, 0 }, { store:history(T, "acme", nil, nil, 9), (store:newest(T, "acme")) })
    assert.equal("not_found", code_of(store:seen(T, "x")))
  end)

  it("remembers the ids of events that came to nothing: at once here, for others once they are settled", function()
    assert.equal("not_potential_customer", handle(store, won("acme", { id = "x", category = CUSTOMER })).reason)
    assert.equal("unknown_category", handle(store, won("acme", { id = "y", category = 99 })).reason)
    local veto = { company = "acme", trigger = "lead_status_set", lead_status = 5, at = NOW, reason = "vetoed",
      event_id = "z", from = LEAD, revision = 1, rule_id = 7, error = "no" }
    assert.is_true(store:remember(T, veto, NOW))
    assert.same({ 0, 0 }, { handle(store, won("acme", { id = "x" })), handle(store, won("acme", { id = "z" })) })
    assert.equal("not_found", code_of(other:seen(T, "x")))
    assert.is_true(store:settle())
    for _, one in ipairs { store, other } do
      local seen, vetoed = one:seen(T, "x"), one:seen(T, "z")
      assert.same({ nil, "unchanged", "not_potential_customer", CUSTOMER, "acme", 1 },
        { seen.entry, seen.status, seen.reason, seen.from, seen.company, seen.revision })
      assert.same({ "vetoed", "lead_status_set", 5, 7, "no" },
        { vetoed.reason, vetoed.trigger, vetoed.lead_status, vetoed.rule_id, vetoed.error })
      assert.equal("not_found", code_of(one:seen(T, "y")))
      assert.equal(0, handle(one, won("acme", { id = "x" })))
    end
    assert.same({ remembered_events = 2 }, other:counters(T))
    assert.equal("updated", handle(store, won("acme", { id = "y" })).status)
  end)

  it("remembers nothing of what belongs to a run, is previewed or foreseen", function()
    local event = won("acme", { id = "x", category = CUSTOMER })
    for _, how in ipairs { { run = "r" }, { foresee = true, write = false } } do
      assert.equal("unchanged", handle(store, event, with(KEPT, how)).status)
    end
    if store:overlay() then
      assert.equal("unchanged", handle(store, event, with(KEPT, { write = false, overlay = store:overlay() })).status)
    end
    assert.equal("not_found", code_of(store:seen(T, "x")))
  end)

  it("does not remember what a call has found that failed", function()
    local events = { won "acme", won("7", { id = "x", category = CUSTOMER }) }
    local how = with(KEPT, { cursor = { name = "c", text = "1" }, digest = 1 })
    assert.equal("conflict", code_of(store:handle(T, events, {}, NOW, how)))
    assert.equal("unchanged", handle(store, events[2]).status)
  end)

  it("puts what it remembers into its next commit, whatever that is", function()
    handle(store, won("acme", { id = "x", category = CUSTOMER }))
    local before = store:stats().commits.count
    assert.is_true(store:add { { tenant = "another", name = "n", value = 1 } })
    assert.equal(before + 1, store:stats().commits.count)
    assert.equal("unchanged", other:seen(T, "x").status)
    assert.is_true(store:settle())
    assert.equal(before + 1, store:stats().commits.count)
  end)

  it("forgets the oldest of what it remembers", function()
    local function remember(id, now)
      store:handle(T, { won("acme", { id = id, category = CUSTOMER }) }, {}, now, KEPT)
      assert(store:settle())
    end
    remember("a", NOW)
    remember("b", NOW + 10)
    remember("c", NOW + 20)
    local function due(age, count, now)
      return #store:due("marks", age, count, now, "")
    end
    assert.same({ 0, 0, 1, 1, 0 }, { due(20, 3, NOW + 20), due(0, 0, NOW + 99), due(0, 2, NOW), due(15, 0, NOW + 20),
      due(25, 0, NOW + 99) }) -- a clock that is ahead
    assert.same({ 0, 0 }, { store:trim(T, 20, 3, NOW + 20, 0, "marks") })
    assert.same({ 1, 0 }, { store:trim(T, 15, 0, NOW + 20, 0, "marks") })
    assert.same({ "not_found", "unchanged" }, { code_of(other:seen(T, "a")), other:seen(T, "b").status })
    assert.same({ 1, 0 }, { other:trim(T, 0, 1, NOW, 0, "marks") })
    assert.same({ "not_found", "unchanged" }, { code_of(store:seen(T, "b")), store:seen(T, "c").status })
    assert.equal("updated", handle(store, won("acme", { id = "a" })).status)
  end)

  it("moves a cursor that checks nothing with the events that leave none open", function()
    local function move(text, events, how)
      local left, moved = store:handle(T, events, {}, NOW, with(how or KEPT, {
        cursor = { name = "source", text = text, anyhow = true },
      }))
      return { left, moved or false, (other:cursor(T, "source")) }
    end
    assert.same({ 2, false }, move("1", { won "acme", won "bolt" }, HOST)) -- the categories are lacking
    assert.same({ 1, true, "1" }, move("1", { won("7", { category = LEAD }) }, HOST)) -- the host is to make a change
    assert.same({ 0, true, "2" }, move("2", { won "acme" }))
    assert.same({ 0, true, "3" }, move("3", { won "acme" })) -- that comes to nothing
    assert.same({ 0, true, "4" }, move("4", {}))
    assert.same({ 1, false, "4" }, move("5", { won "acme" }, with(KEPT, { write = false, needs_licence = true })))
  end)

  it("lists and counts questions, and closes those whose time is over", function()
    local first, second = handle(store, asked "acme"), handle(store, asked(7, { actor = { id = "ann" } }))
    local function list(query)
      query.limit = query.limit or 9
      local found = ids(other:confirmations(T, query), "id")
      assert.equal(#found, other:count_confirmations(T, query))
      return found
    end
    local a, b = first.confirmation, second.confirmation
    assert.same({ { b, a }, { a }, { b }, { a }, { b }, {}, { b, a } }, {
      list {}, list { company = "acme" }, list { user = "ann" }, list { after = second.entry }, list { limit = 1 },
      list { state = "expired" }, list { state = "expired", unswept = true, now = NOW + 100 },
    })
    assert.same({}, (store:due("timed", 0, 0, NOW + 99, "")))
    assert.same({ T }, (store:due("timed", 0, 0, NOW + 100, "")))
    local over = (NOW + 100) * 1000
    assert.same({ { a, b }, { a }, { b }, {}, {}, {} }, {
      ids(other:expiring(T, 0, 0, NOW + 100, 9), "id"), ids(other:expiring(T, 0, 0, NOW + 100, 1), "id"),
      ids(other:expiring(T, over, first.entry, NOW + 100, 9), "id"),
      other:expiring(T, over, second.entry, NOW + 100, 9), other:expiring(T, 0, 0, NOW + 99, 9),
      other:expiring("another", 0, 0, NOW + 100, 9),
    })
    assert.same({ 0, false }, { store:expire(T, NOW + 99) })
    assert.same({ 2, false }, { store:expire(T, NOW + 100) })
    assert.same({}, (other:expiring(T, 0, 0, NOW + 100, 9)))
    assert.equal("expired", other:confirmation(T, a).state)
    assert.equal(NOW + 100, other:confirmation(T, a).resolved_at)
    assert.equal("not_found", code_of(store:confirmation(T, ("0"):rep(32))))
  end)

  it("leaves open what has something to be done when its time is over, until that is written", function()
    save(store, { sale_won = { CUSTOMER, ask = true, on_expiry = "accept" }, sale_lost = { LOST, ask = true,
      on_expiry = "decline" }, sale_registered = { OPPORTUNITY, ask = true } }, 1)
    local first, second = handle(store, won "acme"), handle(store, won(7, { trigger = "sale_lost" }))
    local plain = handle(store, asked "c")
    local a, b = first.confirmation, second.confirmation
    assert.same({ "accept", "decline" }, { other:confirmation(T, a).on_expiry, other:confirmation(T, b).on_expiry })
    assert.is_nil(other:confirmation(T, plain.confirmation).on_expiry)
    local function end_one(company, id, now, fields)
      local one = item(company, with({ answers = id, by_expiry = true, action = "confirm", at = now, revision = 2 },
        fields or {}))
      assert(store:write(T, { one }, now, 30))
      return one.result
    end
    assert.equal("overtaken", end_one("acme", a, NOW + 99))
    assert.same({ 1, false }, { store:expire(T, NOW + 100) })
    assert.same({ a, b }, ids(other:expiring(T, 0, 0, NOW + 100, 9), "id"))
    assert.same({ b, a }, ids(other:confirmations(T, { state = "open", unswept = true, now = NOW + 100, limit = 9 }),
      "id"))
    assert.equal("written", end_one("acme", a, NOW + 100))
    assert.equal("answered", end_one("acme", a, NOW + 100))
    assert.equal("written", end_one("7", b, NOW + 101, { status = "declined", company_is_integer = true, to = LOST }))
    assert.same({ "accepted", CUSTOMER, "declined" }, { other:confirmation(T, a).state, other:company(T, "acme"),
      other:confirmation(T, b).state })
    local third = handle(store, won("d", { category = LEAD }))
    assert.equal("written", end_one("d", third.confirmation, NOW + 100, { status = "expired", error = "gone" }))
    assert.same({ "expired", "gone" }, { other:confirmation(T, third.confirmation).state,
      other:history(T, "d", nil, nil, 1)[1].error })
    assert.same({}, (other:expiring(T, 0, 0, NOW + 101, 9)))
  end)

  it("asks somebody else instead of the event's user, where whoever calls says so", function()
    local how = with(KEPT, { has_stand_ins = true })
    local lacking = handle(store, asked "acme", how)
    assert.same({ "verdict", "confirm" }, { lacking.lacks, lacking.action })
    lacking.passed, lacking.stand_in, lacking.assigned = lacking.about, "eve", '{"to":{"id":"eve"}}'
    local result = handle(store, asked "acme", how, lacking)
    local question = other:confirmation(T, result.confirmation)
    assert.same({ "awaiting_confirmation", "eve", { id = "eve" }, "bob" }, { result.status, question.user,
      json.decode(question.body).assigned.to, json.decode(question.body).actor.id })
    assert.same({ {}, { question.id } }, { ids(other:confirmations(T, { user = "bob", limit = 9 }), "id"),
      ids(other:confirmations(T, { user = "eve", limit = 9 }), "id") })
    lacking = handle(store, asked(7), how)
    lacking.passed = lacking.about
    assert.equal("bob", other:confirmation(T, handle(store, asked(7), how, lacking).confirmation).user)
    assert.equal("updated", handle(store, won "c", with(how, { start = LEAD })).status) -- that asks nobody
  end)

  it("gives an open question to another user", function()
    local asking = handle(store, asked("acme", { actor = { id = "ann" } }))
    local id, before = asking.confirmation, store:confirmation(T, asking.confirmation)
    local changes = select(2, store:changes(T, 0, 99))
    local function to(user, fields)
      return with({
        company = "acme", entry = asking.entry, before = before.body, body = '{"options":[1],"n":1}', user = user,
      }, fields)
    end
    assert.equal("conflict", code_of(store:assign(T, id, to("bob", { before = "{}" }), NOW)))
    assert.equal("conflict", code_of(store:assign(T, id, to("bob", { company = "bolt" }), NOW)))
    assert.equal("not_found", code_of(store:assign(T, ("0"):rep(32), to "bob", NOW)))
    assert.equal("not_found", code_of(store:assign("another", id, to "bob", NOW)))
    assert.equal("not_found", code_of(store:assign(T, "x", to "bob", NOW)))
    assert.same({}, (store:changes(T, changes, 9)))
    assert.is_true(store:assign(T, id, to "bob", NOW))
    local after = other:confirmation(T, id)
    assert.same(with(before, { body = '{"options":[1],"n":1}', user = "bob" }), after)
    assert.same({ {}, { id }, { id }, { id } }, {
      other:confirmations(T, { user = "ann", limit = 9 }),
      ids(other:confirmations(T, { user = "bob", limit = 9 }), "id"),
      ids(other:confirmations(T, { company = "acme", state = "open", limit = 9 }), "id"),
      ids(other:expiring(T, 0, 0, NOW + 100, 9), "id"),
    })
    local told = other:changes(T, changes, 9)
    assert.same({ 1, "assigned", asking.entry }, { #told, told[1].kind, told[1].entry.entry })
    assert.equal("conflict", code_of(store:assign(T, id, to "eve", NOW)))
    assert.same({ 1, false }, { store:expire(T, NOW + 100) })
    assert.equal("conflict", code_of(store:assign(T, id, to("eve", { before = after.body }), NOW + 100)))
    assert.same({ id }, ids(other:confirmations(T, { user = "bob", state = "expired", limit = 9 }), "id"))
  end)

  it("keeps what is scheduled, one of each company, until it is carried out or ended", function()
    save_rules {
      { trigger = "sale_lost", enabled = true, set_category = LOST, after = { hours = 1 } },
      { trigger = "sale_lost", enabled = true, set_category = QUALIFIED, id = 7 },
    }
    local function lost(company, fields)
      return with({ trigger = "sale_lost", company = company }, fields or {})
    end
    local first = handle(store, lost("acme", { id = "x" }))
    local planned = other:schedule_of(T, "acme")
    assert.same({ "updated", planned.entry, QUALIFIED }, { first.status, first.scheduled, first.to })
    assert.same({ "scheduled", NOW + 3600, LOST, "x" }, { planned.status, planned.due, planned.to, planned.event_id })
    assert.same({ planned.entry, "not_found" }, { other:entry(T, first.entry).scheduled,
      code_of(store:schedule_of(T, "7")) })
    local second = handle(store, lost("acme", { category = CUSTOMER }))
    assert.same({ "unchanged", "scheduled" }, { second.status, other:entry(T, planned.entry).status })

    assert.same({}, (store:due("timed", 0, 0, NOW + 3599, "")))
    assert.same({ T }, (store:due("timed", 0, 0, NOW + 3600, "")))
    assert.same({}, store:scheduled(T, NOW + 3599, 9))
    assert.same({ planned.entry }, ids(store:scheduled(T, NOW + 3600, 9)))
    local begun = { lacks = "commit", carries_out = planned.entry }
    assert.equal("over", handle(store, lost "acme", nil, with(begun, {})).status) -- it is not due yet
    local sooner = { entry = planned.entry, company = "acme", status = "scheduled", reason = "matched", again = NOW }
    assert.is_true(other:end_scheduled(T, { sooner }, NOW))
    local made = handle(store, lost "acme", nil, with(begun, {}))
    assert.same({ "updated", LOST, planned.entry }, { made.status, made.to, made.carries_out })
    assert.same({ "carried_out", "not_found" }, { other:entry(T, planned.entry).status,
      code_of(other:schedule_of(T, "acme")) })
    assert.equal("over", handle(other, lost "acme", nil, with(begun, {})).status)

    local left = handle(store, lost "7").scheduled
    local items = { { entry = planned.entry, company = "7", status = "dropped", reason = "vetoed" },
      { entry = left, company = "7", status = "cancelled", reason = "matched", details = "{}" } }
    assert.is_true(store:end_scheduled(T, items, NOW))
    assert.same({ true, false }, ids(items, "lost"))
    assert.same({ "cancelled", {} }, { other:entry(T, left).status, other:scheduled(T, NOW + 9999, 9) })
  end)

  describe("what is held", function()
    local RULES_OF_HELD = {
      { trigger = "sale_won", id = 7, enabled = true, set_category = CUSTOMER, limit = { changes = 1, hours = 1 } },
      { trigger = "sale_registered", enabled = true, set_category = OPPORTUNITY, ask = true },
      { trigger = "sale_lost", enabled = true, set_category = LOST, after = { hours = 1 } },
    }
    local question, planned, first, second

    before_each(function()
      save_rules(RULES_OF_HELD)
      assert(store:create(T, { { company = "bolt" }, { company = "cord" } }, LEAD))
      question = handle(store, asked(7)).confirmation
      planned = handle(store, { trigger = "sale_lost", company = "bolt" }).entry
      assert.equal("updated", handle(store, won "acme").status)
      first, second = handle(other, won(7, { id = "x" })), handle(store, won "bolt")
    end)

    local function held()
      return ids(other:held(T, 0, 9))
    end

    -- Decides anew what is held: its result.
    local function release(entry, company, how, fields)
      local begun = with({ lacks = "commit", held = entry, alone = 7 }, fields or {})
      return handle(store, won(company, how and how.claim and { category = LEAD } or nil), how, begun)
    end

    local function drop(through, entry, company)
      local ending = { entry = entry, company = company, status = "dropped", reason = "matched", details = '{"n":1}' }
      assert.is_true(through:end_scheduled(T, { ending }, NOW))
      return ending.lost
    end

    it("is listed, the oldest first, and has changed nothing", function()
      assert.same({ "held", LEAD, CUSTOMER }, { first.status, first.from, first.to })
      assert.same({ first.entry, second.entry }, held())
      assert.same({ first.entry }, ids(store:held(T, 0, 1)))
      assert.same({ second.entry }, ids(store:held(T, first.entry, 9)))
      assert.same({ {}, {} }, { store:held(T, second.entry, 9), store:held("another", 0, 9) })
      assert.same({ LEAD, LEAD }, { store:company(T, "7"), (store:company(T, "bolt")) })
      assert.same({ "open", planned }, { store:confirmation(T, question).state, store:schedule_of(T, "bolt").entry })
      local entry = store:entry(T, first.entry)
      assert.same({ "held", 7, "x", 7 }, { entry.status, entry.company, entry.event_id, entry.rule_id })
      assert.equal(first.entry, handle(store, won(7, { id = "x" })))
      assert.same({ 0, {} }, { store:stats().unfinished, (store:due("changes", 0, 0, NOW, "")) })
    end)

    it("has all matches of its rule held, also later, until nothing is; then they are counted anew", function()
      local third = { trigger = "sale_won", company = "cord" }
      assert.equal(0, store:handle(T, { third }, {}, NOW + 7200, KEPT))
      assert.equal("held", other:history(T, "cord", nil, nil, 1)[1].status)
      for _, entry in ipairs(other:held(T, 0, 9)) do
        drop(store, entry.entry, tostring(entry.company))
      end
      assert.same({ "updated", "held" }, { handle(other, won "cord").status, handle(store, won "bolt").status })
    end)

    for name, how in pairs { ["its own companies"] = KEPT, ["companies of a host"] = HOST } do
      it("is released once, with " .. name, function()
        local overlay = with(how, { overlay = store:overlay() })
        assert.equal(CUSTOMER, release(first.entry, 7, overlay).to) -- writes nothing
        assert.same({ first.entry, second.entry }, held())
        local made = release(first.entry, 7, how, { released = '{"n":1}' })
        assert.same({ how == KEPT and "updated" or "applying", CUSTOMER, first.entry },
          { made.status, made.to, made.carries_out })
        local entry = other:entry(T, first.entry)
        assert.same({ "carried_out", '{"n":1}' }, { entry.status, entry.details })
        assert.same({ first.entry, { second.entry } }, { other:entry(T, made.entry).carries_out, held() })
        assert.equal("superseded", other:confirmation(T, question).state)
        assert.equal("over", release(first.entry, 7, how).status)
        assert.is_true(drop(other, first.entry, "7"))
      end)
    end

    it("stays when it comes to nothing, by the rules of now and its rule alone", function()
      save_rules { { trigger = "sale_won", id = 8, enabled = true, set_category = CUSTOMER } }
      local result = release(first.entry, 7)
      assert.same({ "unchanged", "rule_disabled" }, { result.status, result.reason })
      assert.same({ first.entry, second.entry }, held())
    end)

    it("is dropped once, and not released after that", function()
      assert.is_true(drop(other, planned + 1e6, "bolt")) -- there is none
      assert.same({ false, true }, { drop(store, first.entry, "7"), drop(other, first.entry, "7") })
      local entry = other:entry(T, first.entry)
      assert.same({ "dropped", '{"n":1}', { second.entry } }, { entry.status, entry.details, held() })
      assert.equal("over", release(first.entry, 7).status)
      assert.same({ LEAD, "open" }, { store:company(T, "7"), store:confirmation(T, question).state })
      local newest = store:changes(T, 0, 99)
      assert.same({ "ended", first.entry }, { newest[#newest].kind, newest[#newest].entry.entry })
    end)
  end)

  it("keeps companies", function()
    assert.equal(1, store:create(T, { { company = "acme" }, { company = "bolt" } }, LOST))
    assert.same({ LEAD, LOST, "not_found" },
      { other:company(T, "acme"), other:company(T, "bolt"), code_of(store:company(T, "none")) })
    assert.is_true(store:set_category(T, "acme", QUALIFIED, LEAD))
    assert.equal("conflict", code_of(other:set_category(T, "acme", LOST, LEAD)))
    assert.equal("not_found", code_of(other:set_category(T, "none", LOST, LEAD)))
    local found, after = {}, ""
    repeat
      local companies, categories = other:companies(T, after, 2)
      for i, company in ipairs(companies) do
        found[company], after = categories[i], tostring(company)
      end
    until #companies < 2
    assert.same({ acme = QUALIFIED, bolt = LOST, [7] = LEAD }, found)
  end)

  it("counts the companies that it keeps, by category", function()
    store:create("elsewhere", { { company = "zoo" } }, LOST)
    local many, counts = {}, {}
    for i = 1, 20 do
      many[i] = { company = ("c%02d"):format(i) }
    end
    store:create(T, many, LOST)
    local after, calls = "", 0
    repeat
      local some, going_on = other:tally(T, after, 9)
      for category, count in pairs(some) do
        counts[category] = (counts[category] or 0) + count
      end
      after, calls = going_on, calls + 1
    until not after
    assert.same({ [LEAD] = 2, [LOST] = 20 }, counts)
    assert.is_true(calls <= 3)
    assert.same({}, (store:tally("nobody", "", 9)))
  end)

  describe("of deliveries", function()
    local a, b, c

    local function put(key, hook, now)
      return store:put_delivery(T, {
        key = key:rep(16), hook = hook, sender_id = key, about = "{}", body = "b" .. key,
      }, now, 3)
    end

    before_each(function()
      a, b, c = put("a", "h", NOW), put("b", "h", NOW + 1), put("c", "g", NOW)
    end)

    it("keeps each once, and so many that wait", function()
      assert.same({ a, false }, { put("a", "h", NOW + 1) })
      assert.equal("unavailable", code_of(put("d", "h", NOW)))
      assert.same({ c, b, a }, ids(other:deliveries(T, { limit = 9 }), "id"))
      assert.same({ a }, ids(other:deliveries(T, { limit = 1, after = b }), "id"))
      assert.same({ c }, ids(other:deliveries(T, { limit = 9, hook = "g" }), "id"))
      assert.same({}, other:deliveries("another", { limit = 9 }))
      assert.same({ state = "waiting", id = a, hook = "h", sender_id = "a", about = "{}", body = "ba", received = NOW,
        due = NOW, attempts = 0 }, other:delivery(T, a))
      assert.equal("not_found", code_of(other:delivery(T, 1)))
    end)

    it("gives each to one who handles it, for a while", function()
      assert.same({}, other:take_deliveries(T, "none", NOW, 9, 9))
      local taken = other:take_deliveries(T, "h", NOW, 10, 9)
      assert.same({ { a }, { 1 }, { NOW + 10 } }, { ids(taken, "id"), ids(taken, "attempts"), ids(taken, "due") })
      assert.equal("ba", taken[1].body)
      assert.same({ b }, ids(store:take_deliveries(T, "h", NOW + 9, 10, 9), "id"))
      taken = store:take_deliveries(T, "h", NOW + 10, 10, 1)
      assert.same({ { a }, { 2 } }, { ids(taken, "id"), ids(taken, "attempts") })
    end)

    it("ends them, as long as they are what they were", function()
      store:take_deliveries(T, "h", NOW + 1, 10, 9)
      local items = {
        { id = a, state = "done", attempts = 2 }, { id = 5, state = "done" },
        { id = c, state = "failed", problem = "why" },
        { id = b, state = "waiting", attempts = 1, due = NOW + 50, problem = "later" },
      }
      assert.is_true(other:end_deliveries(T, items))
      assert.same({ true, true, false, false }, ids(items, "lost"))
      local later, failed = store:delivery(T, b), store:delivery(T, c)
      assert.same({ "later", NOW + 50, "failed", "bc" }, { later.problem, later.due, failed.state, failed.body })
      assert.same({ c }, ids(store:deliveries(T, { state = "failed", limit = 9 }), "id"))
      items = {
        { id = c, state = "waiting", of_failed = true, due = NOW }, { id = b, state = "waiting", of_failed = true },
        { id = a, state = "done", attempts = 1, problem = "ok" },
      }
      assert.is_true(store:end_deliveries(T, items))
      assert.same({ false, true, false }, ids(items, "lost"))
      local done = other:delivery(T, a)
      assert.is_nil(done.body or done.about)
      assert.same({ a, false }, { put("a", "h", NOW) })
    end)

    it("trims those that are old and do not wait", function()
      assert(store:end_deliveries(T, { { id = a, state = "done" } }))
      stores.write_at(store, NOW + 60)
      assert.same({ T }, (store:due("deliveries", 50, 0, NOW + 60, "")))
      assert.same({ 1, 0 }, { store:trim(T, 50, 0, NOW + 60, 0, "deliveries") })
      assert.same({ c, b }, ids(store:deliveries(T, { limit = 9 }), "id"))
      assert.is_true((select(2, put("a", "h", NOW))))
    end)
  end)

  describe("of drafts", function()
    local function put(draft)
      return store:put_draft(T, draft, NOW)
    end

    it("keeps each until somebody who knows it replaces or removes it", function()
      local a = put { json = '{"a":1}' }
      local b = put { json = '{"b":1}', due = NOW + 5.25 }
      assert.is_true(b > a)
      assert.same({ { id = a, json = '{"a":1}' }, { id = b, json = '{"b":1}', due = NOW + 5.25 } }, other:drafts(T, 9))
      assert.same({ a }, ids(other:drafts(T, 1), "id"))
      assert.same({}, other:drafts("another", 9))
      assert.equal("conflict", code_of(other:put_draft(T, { id = a, before = '{"a":2}', json = "{}" }, NOW)))
      assert.equal("conflict", code_of(other:put_draft(T, { id = a, before = '{"a":2}' }, NOW)))
      assert.equal("conflict", code_of(other:put_draft(T, { id = b + 1, before = "{}", json = "{}" }, NOW)))
      assert.equal(a, other:put_draft(T, { id = a, before = '{"a":1}', json = '{"a":3}', due = NOW + 1 }, NOW))
      assert.equal(b, other:put_draft(T, { id = b, before = '{"b":1}' }, NOW))
      assert.equal("conflict", code_of(put { id = b, before = '{"b":1}' }))
      assert.same({ { id = a, json = '{"a":3}', due = NOW + 1 } }, store:drafts(T, 9))
    end)

    it("has what falls due where all else that does is found", function()
      local a, b = put { json = "{}", due = NOW + 5 }, put { json = "{}", due = NOW + 9 }
      put { json = "{}" }
      assert.same({ {}, {} }, { (other:due("timed", 0, 0, NOW + 4.9, "")), other:drafts(T, 9, NOW + 4.9) })
      assert.same({ { T }, { a } }, { (other:due("timed", 0, 0, NOW + 5, "")), ids(other:drafts(T, 9, NOW + 5), "id") })
      assert.same({ a, b }, ids(other:drafts(T, 9, NOW + 9), "id"))
      assert.same({ {}, {} }, { other:scheduled(T, NOW + 9, 9), other:expiring(T, 0, 0, NOW + 9, 9) })
      assert.same({ 0, false }, { other:expire(T, NOW + 9) })
      assert(put { id = a, before = "{}", json = "{}", due = NOW + 7 })
      assert.same({}, (other:due("timed", 0, 0, NOW + 6, "")))
      assert(put { id = a, before = "{}", json = "{}" })
      assert(put { id = b, before = "{}" })
      assert.same({}, (other:due("timed", 0, 0, NOW + 99, "")))
    end)

    it("takes objects only", function()
      assert.has_error(function() put { json = "[]" } end)
      assert.has_error(function() put { before = "{}" } end)
    end)
  end)

  it("adds to counters from all sides", function()
    assert.is_true(store:add { { tenant = T, name = "n", value = 2 }, { tenant = T, name = "m", value = 1 } })
    assert.is_true(other:add { { tenant = T, name = "n", value = 3 }, { tenant = "another", name = "n", value = 7 } })
    handle(store, won "acme")
    assert.same({ n = 5, m = 1, journal_entries = 1 }, store:counters(T))
    assert.same({ n = 7 }, store:counters "another")
  end)

  it("trims what is old, but nothing unfinished", function()
    local question = handle(store, asked "acme").confirmation
    handle(store, won(7, { id = "x" }))
    local function due(now, count)
      return (store:due("journal", 50, count, now, ""))
    end
    assert.same({ {}, { 0, 0 } }, { due(NOW + 60, 0), { store:trim(T, 50, 0, NOW + 60, 0) } }) -- a clock that is ahead
    stores.write_at(store, NOW + 60)
    assert.same({ {}, { T }, { T } }, { due(NOW + 50, 0), due(NOW + 60, 0), due(NOW, 1) })
    assert.same({ 0, 0 }, { store:trim(T, 50, 0, NOW + 50, 0) })
    assert.same({ 1, 0 }, { store:trim(T, 50, 0, NOW + 60, 0) })
    assert.equal("not_found", code_of(store:seen(T, "x")))
    assert.equal("open", store:confirmation(T, question).state)
    assert(store:expire(T, NOW + 100))
    assert.same({ 1, 0 }, { store:trim(T, 0, 1, NOW + 100, 0) })
    assert.equal("not_found", code_of(store:confirmation(T, question)))
    assert.same({ "expired" }, ids(store:history(T, nil, nil, nil, 9), "status"))
  end)

  it("counts what is unfinished, copies itself, and closes more than once", function()
    handle(store, won("acme", { category = LEAD }), HOST)
    assert.equal(1, other:stats().unfinished)
    assert.equal(0, other:check_readers())
    local before = other:stats().commits.count
    assert.is_true(other:probe(1000))
    assert.equal(before, other:stats().commits.count)
    assert.is_true(other:probe(0))
    assert.equal(before + 1, other:stats().commits.count)
    local path = stores.path()
    if options.copies ~= false then
      assert.is_true(store:copy(path))
    end
    assert.equal(options.copies == false and "unavailable" or "conflict", code_of(store:copy(path)))
    store:close()
    store:close()
    assert.has_error(function() store:company(T, "acme") end)
    assert.same({ T }, (other:due("changes", 0, 0, NOW, "")))
    assert.equal(1, #other:applying(T, "", 9))
  end)
end
