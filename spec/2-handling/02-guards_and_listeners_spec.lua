-- Who else has a say in an event: guards, which may veto it, and listeners, which are told afterwards.

local crm = require "support.crm"
local handling = require "support.handling"
local histories = require "support.histories"
local stores = require "support.stores"

local LEAD, OPPORTUNITY, CUSTOMER, PARTNER = 1, 3, 5, 6 -- the preset's categories
local open = handling.open
local commits = stores.commits
local statuses = histories.statuses

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

  it("is told the tenant, as listeners are", function()
    local engine = open { sale_won = CUSTOMER }
    local told = {}
    engine:on("guard", function(_, _, about) told[#told + 1] = "guard of " .. about.tenant end)
    engine:on("updated", function(_, _, about) told[#told + 1] = "updated of " .. about.tenant end)
    local other = engine:tenant "other"
    assert(other:save(stores.config { sale_won = CUSTOMER }))
    assert(other.host:create("Acme", LEAD))
    assert.equal("updated", other:handle(EVENT).status)
    assert.equal("updated", engine:handle(EVENT).status)
    assert.same({ "guard of other", "updated of other", "guard of ", "updated of " }, told)
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
      "unknown hook 'update' %(there are guard, updated, awaiting_confirmation, unchanged, failed, not_taken%)")
    assert.error_matches(function() engine:on("updated", "print") end, "a function expected, got string")
    engine:close()
  end)
end)
