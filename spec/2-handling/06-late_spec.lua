-- Events that arrive late (`late_events = "skip"`, or `late = "skip"` of `handle_many`): one that says it happened over a
-- minute before the event of the company's newest applied change is not applied.

local clock = require "support.clock"
local crm = require "support.crm"
local i18n = require "leadcat.words.i18n"
local stores = require "support.stores"
local times = require "support.times"

local LEAD, OPPORTUNITY, CUSTOMER, PARTNER = 1, 3, 5, 6 -- the preset's categories
local ANN = { id = "ann", name = "Ann", admin = true }
local NOW = 1700000000
local HOSTS = { "the embedded host", "a host of one's own" }

-- All rules start anywhere, so that nothing but the time is in the way.
local function config()
  local cfg = stores.config {
    sale_registered = OPPORTUNITY, sale_won = CUSTOMER, sale_lost = { LEAD, ask = true }, sale_reopened = PARTNER,
  }
  for i, rule in ipairs(cfg.rules) do
    rule.from, rule.id = { groups = { "potential_customer", "customer", "partner", "lost", "other" } }, i
  end
  return cfg
end

local function open(name, options)
  local time = clock.new(NOW)
  local all = {
    durability = "relaxed", late_events = "skip", clock = function() return time.now end,
    host = name == HOSTS[2] and crm.new { Acme = LEAD } or nil,
  }
  for key, value in pairs(options or {}) do
    all[key] = value or nil
  end
  local engine = stores.open(all)
  assert(engine:save(config()))
  if engine.host.create then
    engine.host:create("Acme", LEAD)
  end
  return engine, time
end

local function event(trigger, at)
  return { trigger = trigger, company = "Acme", at = at, actor = ANN }
end

local function happen(engine, trigger, at)
  local outcome = assert(engine:handle(event(trigger, at)))
  return outcome.status == "unchanged" and outcome.reason or outcome.status
end

for _, name in ipairs(HOSTS) do
  describe("with " .. name .. ", an event", function()
    after_each(stores.check)

    it("is late by more than a minute before the newest change's event", function()
      local engine = open(name)
      assert.equal("updated", happen(engine, "sale_won", NOW - 1000))
      assert.equal("late", happen(engine, "sale_registered", NOW - 1060.5))
      assert.equal("updated", happen(engine, "sale_registered", NOW - 1060)) -- clocks may differ
      assert.equal("late", happen(engine, "sale_won", NOW - 1121))
      assert.equal("updated", happen(engine, "sale_won", NOW - 1120))
      assert.equal(CUSTOMER, engine.host.category "Acme")
      engine:close()
    end)

    it("that is late schedules nothing", function()
      local engine = open(name)
      local cfg = config()
      table.insert(cfg.rules, 1, {
        trigger = "sale_registered", enabled = true, set_category = LEAD, after = { days = 1 },
        from = cfg.rules[1].from,
      })
      assert(engine:save(cfg))
      assert.equal("updated", happen(engine, "sale_won", NOW - 1000))
      local outcome = assert(engine:handle(event("sale_registered", NOW - 2000)))
      assert.same({ "unchanged", "late" }, { outcome.status, outcome.reason })
      assert.is_nil(outcome.scheduled or outcome.due)
      assert.equal(0, #engine:history { status = "scheduled" })
      assert.is_number(assert(engine:handle(event("sale_registered", NOW - 900))).scheduled)
      assert.equal(1, #engine:history { status = "scheduled" })
      engine:close()
    end)

    it("without a time is never late, and makes no other late", function()
      local engine, time = open(name)
      assert.equal("updated", happen(engine, "sale_won"))
      assert.equal("updated", happen(engine, "sale_registered", NOW - 10000))
      assert.equal("updated", happen(engine, "sale_won"))
      assert.equal("late", happen(engine, "sale_registered", NOW - 10061)) -- than the one before that
      time.now = NOW - 20000
      assert.equal("updated", happen(engine, "sale_registered"))
      engine:close()
    end)

    it("counts as having happened when it was written, at the latest", function()
      local engine = open(name)
      assert.equal("updated", happen(engine, "sale_won", NOW + 100000)) -- a clock that is ahead
      assert.equal("late", happen(engine, "sale_registered", NOW - 61))
      assert.equal("updated", happen(engine, "sale_registered", NOW - 60))
      engine:close()
    end)

    it("is late only for its company, and by changes that were applied", function()
      local engine = open(name)
      if engine.host.create then
        engine.host:create("Bolt", LEAD)
      else
        engine.host.companies.Bolt = LEAD
      end
      assert(engine:handle { trigger = "sale_won", company = "Bolt", at = NOW })
      assert.equal("updated", happen(engine, "sale_won", NOW - 5000))
      assert.equal("awaiting_confirmation", happen(engine, "sale_lost", NOW - 1000)) -- which changes nothing yet
      assert.equal("already_in_category", happen(engine, "sale_won", NOW)) -- neither does that
      assert.equal("updated", happen(engine, "sale_registered", NOW - 4000))
      engine:close()
    end)

    it("is late by the time of the question whose answer was applied, not by the answer's", function()
      local engine, time = open(name)
      local asked = assert(engine:handle(event("sale_lost", NOW - 5000)))
      assert.equal("already_in_category", asked.reason) -- it is a lead
      assert.equal("updated", happen(engine, "sale_won", NOW - 6000))
      asked = assert(engine:handle(event("sale_lost", NOW - 5000)))
      time.now = NOW + 10
      assert(engine:resolve(asked.confirmation, { accept = true }, { actor = ANN }))
      assert.equal("late", happen(engine, "sale_won", NOW - 5061))
      assert.equal("updated", happen(engine, "sale_won", NOW - 4000))
      engine:close()
    end)

    it("is late in a call with the later one, unless all are applied there", function()
      local engine = open(name, { late_events = false })
      local events = { event("sale_won", NOW - 10), event("sale_registered", NOW - 100) }
      local function reasons(options)
        local outcomes, found = assert(engine:handle_many(events, options)), {}
        for i, outcome in ipairs(outcomes) do
          found[i] = outcome.reason
        end
        return found
      end
      assert.same({ "matched", "late" }, reasons { late = "skip" })
      assert.same({ "late", "late" }, (function()
        events = { event("sale_registered", NOW - 100), event("sale_registered", NOW - 90) }
        return reasons { late = "skip" }
      end)())
      assert.same({ "matched", "already_in_category" }, reasons())
      engine:close()

      engine = open(name)
      events = { event("sale_won", NOW - 10), event("sale_registered", NOW - 100) }
      assert.same({ "matched", "matched" }, reasons { late = "apply" })
      assert.has_error(function() engine:handle_many(events, { late = "never" }) end)
      engine:close()
    end)

    it("is applied where nothing is said", function()
      local engine = open(name, { late_events = false })
      assert.equal("updated", happen(engine, "sale_won", NOW))
      assert.equal("updated", happen(engine, "sale_registered", NOW - 10000))
      engine:close()
    end)

    it("is noted, explained and foreseen", function()
      local engine = open(name, { record_unchanged = "full" })
      happen(engine, "sale_won", NOW - 10)
      assert.is_nil(engine:propose(event("sale_lost", NOW - 100)))
      local told = assert(engine:explain(event("sale_registered", NOW - 100)))
      assert.same({ "none", "late" }, { told.action, told.reason })
      assert.same({ name = "late", pass = false, at = NOW - 100, changed_at = NOW - 10 }, told.checks[#told.checks])
      assert.equal("A later event has changed Acme already; an event that arrives late is not applied.", told.sentence)
      told = assert(engine:explain(event("sale_registered", NOW)))
      assert.same({ "update", true }, { told.action, told.checks[#told.checks].pass })
      told = assert(engine:explain(event("sale_won", NOW - 100)))
      assert.same({ "already_in_category", "nil" }, { told.reason, tostring(told.checks[#told.checks].pass) })

      assert.equal("late", happen(engine, "sale_registered", NOW - 100))
      local noted = engine:history({ unchanged = true })[1]
      assert.same({ "unchanged", "late", CUSTOMER }, { noted.status, noted.reason, noted.from })
      assert.matches("A later event has changed Acme already", engine:why("Acme").newest.sentence)
      assert.same({ late = 1 }, engine:stats().outcomes.sale_registered.unchanged)
      engine:close()
    end)
  end)
end

it("a late event is told in every language", function()
  local strings = i18n.new()
  for _, language in ipairs(i18n.LANGUAGES) do
    assert.matches("Acme", strings:text(language, "why.late", { company = "Acme" }))
  end
end)

describe("random times", function()
  after_each(stores.check)

  -- The second implementation: what each event comes to.
  local function model(events)
    local category, newest, found = LEAD, nil, {}
    local TO = { sale_registered = OPPORTUNITY, sale_won = CUSTOMER, sale_reopened = PARTNER }
    for i, ev in ipairs(events) do
      local to = TO[ev.trigger]
      if to == category then
        found[i] = "already_in_category"
      elseif ev.at and newest and newest - ev.at > 60 then
        found[i] = "late"
      else
        found[i], category, newest = "matched", to, ev.at and math.min(ev.at, NOW) or newest
      end
    end
    return found, category
  end

  it("are compared as they should be, one by one and together, with both hosts", function()
    local seed = 4711
    local function random(n)
      seed = seed * 16807 % 2147483647
      return seed % n + 1
    end
    local met = {}
    for _ = 1, times(15) do
      local events = {}
      for i = 1, 40 do
        local trigger = ({ "sale_registered", "sale_won", "sale_reopened" })[random(3)]
        events[i] = event(trigger, random(4) > 1 and NOW + i * 20 - 900 + random(300) or nil)
      end
      local expected, category = model(events)
      for _, reason in ipairs(expected) do
        met[reason] = true
      end
      for _, name in ipairs(HOSTS) do
        for _, together in ipairs { true, false } do
          local engine = open(name)
          local outcomes, reasons = together and assert(engine:handle_many(events)) or {}, {}
          for i, ev in ipairs(events) do
            reasons[i] = (outcomes[i] or assert(engine:handle(ev))).reason
          end
          assert.same(expected, reasons)
          assert.equal(category, engine.host.category "Acme")
          engine:close()
        end
      end
    end
    assert.same({ matched = true, late = true, already_in_category = true }, met)
  end)
end)
