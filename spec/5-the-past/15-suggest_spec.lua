-- What the answers teach: a condition that was planted is found, exactly that one; on noise nothing is; and what is suggested does what it
-- says. `seed` makes the same cases on each Lua.

local answered = require "support.answered"
local chance = require "leadcat.insight.chance"
local check = require "leadcat.rules.check"
local crm = require "support.crm"
local json = require "leadcat.util.json"
local stores = require "support.stores"
local thresholds = require "leadcat.insight.thresholds"

local LEAD, CUSTOMER, VIP = answered.LEAD, answered.CUSTOMER, answered.VIP
local PARTNER = 6

-- Conditions in one line, in any order.
local function said(conditions)
  local list = {}
  for i, condition in ipairs(conditions) do
    list[i] = ("%s %s %s"):format(condition.field, condition.is, tostring(condition.value))
  end
  table.sort(list)
  return table.concat(list, " and ")
end

local function suggested(engine, options)
  local found = assert(engine:suggest(options))
  local list = {}
  for i, one in ipairs(found.suggestions) do
    list[i] = said(one.conditions)
  end
  return table.concat(list, "; "), found
end

-- Users take VIP in a share of the cases for which `is_so` holds, and in another share of the others; some keep the category.
local function planted(is_so, inside, outside)
  return function(event, random)
    local vip = random() < (is_so(event) and inside or outside)
    return vip and VIP or random() > 0.1 and CUSTOMER
  end
end

describe("what the answers teach", function()
  after_each(stores.check)

  -- The name, the seeds, how many answers, where users take VIP (and how often there, and elsewhere), and what is to be found.
  local PLANTED = {
    { "a number", { 1, 2, 3 }, 600, function(e) return e.sale.amount >= 500000 end, 0.71, 0.08,
      "sale.amount at_least 500000" },
    { "a small number", { 1, 2 }, 900, function(e) return e.facts["company.employees"] < 50 end, 0.8, 0.05,
      "company.employees below 50" },
    { "a date", { 1, 2 }, 800, function(e) return e.sale.due >= "2024-01-01" end, 0.8, 0.1,
      "sale.due at_least 2024-01-01" },
    { "a text", { 1, 2 }, 800, function(e) return e.facts["company.country"] == "NO" end, 0.75, 0.1,
      "company.country equals NO" },
    { "true or false", { 1, 2 }, 500, function(e) return e.contact.optin end, 0.7, 0.1, "contact.optin equals true" },
    { "what is not known", { 1, 2 }, 1200, function(e) return e.facts["company.country"] == nil end, 0.8, 0.1,
      "company.country unknown nil" },
    { "an element of a list", { 1, 2 }, 800, function(e)
      return e.facts["company.tags"][1] == "tag 3" or e.facts["company.tags"][2] == "tag 3"
    end, 0.75, 0.1, "company.tags equals tag 3" },
    { "two conditions", { 1, 2 }, 1500, function(e)
      return e.sale.amount >= 500000 and e.sale.currency == "EUR"
    end, 0.85, 0.08, "sale.amount at_least 500000 and sale.currency equals EUR" },
    { "two lines of one number", { 1, 2 }, 1500, function(e)
      return e.sale.probability >= 20 and e.sale.probability < 50
    end, 0.8, 0.05, "sale.probability at_least 20 and sale.probability below 50" },
  }
  for _, row in ipairs(PLANTED) do
    it("finds exactly what was planted: " .. row[1], function()
      for _, seed in ipairs(row[2]) do
        local engine, _, host = answered.open()
        answered.answer(engine, host, seed, row[3], planted(row[4], row[5], row[6]))
        assert.equal(row[7], suggested(engine), "seed " .. seed)
        engine:close()
      end
    end)
  end

  it("finds nothing in noise, whatever users take most", function()
    local engine, _, host = answered.open()
    for seed = 1, 60 do
      local tenant = engine:tenant("noise " .. seed)
      assert(tenant:save(answered.config()))
      local share = ({ 0.2, 0.5, 0.65 })[seed % 3 + 1]
      answered.answer(tenant, host, seed, 300, planted(function() return true end, share, share))
      assert.equal("", suggested(tenant), "seed " .. seed)
    end
    engine:close()
  end)

  it("finds nothing where there are too few cases, or too small a difference", function()
    local engine, _, host = answered.open()
    answered.answer(engine, host, 1, 600, planted(function(e) return e.sale.amount >= 500000 end, 0.71, 0.08))
    local _, found = suggested(engine)
    local inside = found.suggestions[1].inside
    assert.equal("", suggested(engine, { cases = inside.cases + 1 }))
    assert.equal("sale.amount at_least 500000", suggested(engine, { cases = inside.cases }))
    assert.equal("", suggested(engine, { share = 0.9 }))
    assert.equal("", suggested(engine, { margin = 0.9 }))
    engine:close()
  end)

  it("says its numbers and its effect, which are those of the rule when it is added", function()
    local engine, _, host = answered.open()
    local is_large = function(e) return e.sale.amount >= 500000 end
    local taken, large, vips = {}, 0, 0
    answered.answer(engine, host, 3, 500, function(event, random)
      local choice = planted(is_large, 0.71, 0.08)(event, random)
      taken[#taken + 1] = { event = event, choice = choice }
      large, vips = large + (is_large(event) and 1 or 0), vips + (is_large(event) and choice == VIP and 1 or 0)
      return choice
    end)
    local _, found = suggested(engine)
    local one = found.suggestions[1]
    assert.same({ 500, true, 365 }, { found.answers, found.is_whole, found.days })
    assert.same({ "sale_won", CUSTOMER, VIP }, { one.rule, one.proposed, one.to })
    assert.same({ cases = large, chosen = vips }, one.inside)
    assert.equal(500 - large, one.outside.cases)
    assert.is_true(one.held_out.cases > large / 3 and one.held_out.cases < large * 2 / 3)
    assert.matches(("^In %d%%%% of %d cases where Amount is at least 500000, VIP was chosen instead of Customer%%.")
      :format(math.floor(vips / large * 100 + 0.5), large), one.sentence)
    assert.matches("^I %d+ %% av %d+ tilfeller der Beløp er minst 500000", suggested(engine, { language = "no" })
      and engine:suggest { language = "no" }.suggestions[1].sentence)

    -- a second way to the effect: the rules as they would be, asked event by event
    local cfg = engine:config()
    table.insert(cfg.rules, 1, one.add)
    assert.is_false(check.has_errors(check.problems(cfg)))
    assert(engine:save(cfg))
    local before, after, proposed = 0, 0, 0 -- keeping the category corrects a proposal, too
    for _, case in ipairs(taken) do
      local event = { trigger = "sale_won", company = "new", category = LEAD, sale = case.event.sale }
      local action, to = engine:decide("sale_won", LEAD, nil, event)
      assert.equal("confirm", action)
      before, after = before + (case.choice ~= CUSTOMER and 1 or 0), after
        + (case.choice ~= to and 1 or 0)
      proposed = proposed + (to == VIP and 1 or 0)
    end
    assert.same({ proposed = proposed, before = before, after = after }, one.effect)

    -- once it is there, the same answers teach nothing more
    assert.equal("", suggested(engine))
    engine:close()
  end)

  it("keeps to what the rules of now would still ask", function()
    local engine, _, host = answered.open()
    answered.answer(engine, host, 1, 400, planted(function(e) return e.sale.amount >= 500000 end, 0.71, 0.08))
    local cfg = engine:config()
    cfg.rules[1].set_category = PARTNER
    assert(engine:save(cfg))
    local text, found = suggested(engine)
    assert.same({ "", {}, 400 }, { text, found.rules, found.answers })
    engine:close()
  end)

  it("has the rule ask for all that the other one asks for, and start where it does", function()
    local engine, _, host = answered.open()
    local cfg = engine:config()
    cfg.rules[1].when = json.array { json.array { { field = "sale.amount", is = "above", value = 1 } },
      json.array { { field = "sale.currency", is = "equals", value = "EUR" } } }
    cfg.rules[1].from, cfg.rules[1].name = { categories = json.array { LEAD } }, "Won"
    assert(engine:save(cfg))
    answered.answer(engine, host, 1, 600, planted(function(e) return e.contact.optin end, 0.71, 0.08))
    local _, found = suggested(engine)
    local add = found.suggestions[1].add
    local optin = { field = "contact.optin", is = "equals", value = true }
    assert.same({ { { field = "sale.amount", is = "above", value = 1 }, optin },
      { { field = "sale.currency", is = "equals", value = "EUR" }, optin } }, add.when)
    assert.same({ { categories = { LEAD } }, true, true, VIP, 10 },
      { add.from, add.ask, add.enabled, add.set_category, add.id })
    assert.is_nil(add.name)
    engine:close()
  end)

  it("looks at all that was kept where the host declares no fields, but not at ids and names", function()
    local host = crm.new {}
    local engine = answered.open { host = host }
    answered.answer(engine, host, 1, 600, planted(function(e) return e.sale.amount >= 500000 end, 0.71, 0.08))
    assert.equal("sale.amount at_least 500000", suggested(engine))
    local other = engine:tenant "ids"
    assert(other:save(answered.config()))
    answered.answer(other, host, 1, 600, planted(function(e) return e.sale.id > 300 end, 0.8, 0.05))
    assert.equal("", suggested(other))
    engine:close()
  end)

  it("is about one rule, of so many days, and refuses what cannot be", function()
    local engine, _, host = answered.open()
    answered.answer(engine, host, 1, 400, planted(function(e) return e.sale.amount >= 500000 end, 0.71, 0.08))
    assert.equal("sale.amount at_least 500000", suggested(engine, { rule = "sale_won" }))
    assert.equal(0, select(2, suggested(engine, { rule = "sale_won#9" })).answers)
    assert.same({ nil, "there is no rule 'sale_lost'", "not_found" }, { engine:suggest { rule = "sale_lost" } })
    for _, wrong in ipairs {
      { cases = 9 }, { share = 0.4 }, { margin = 0 }, { doubt = 0.1 }, { days = 0 }, { other = 1 },
    } do
      assert.has_error(function() engine:suggest(wrong) end)
    end
    engine:close()
  end)

  it("leaves out what is no answer: questions that are open or were overtaken, and what was taken back", function()
    local engine, _, host = answered.open()
    host.companies.Acme, host.companies.Bolt = LEAD, LEAD
    local first = assert(engine:handle { trigger = "sale_won", company = "Acme", sale = { amount = 1 } })
    assert(engine:handle { trigger = "sale_won", company = "Acme", sale = { amount = 2 } })
    assert.equal("superseded", engine:confirmation(first.confirmation).state)
    assert.equal(0, engine:suggest().answers)
    local done = assert(engine:handle { trigger = "sale_won", company = "Bolt", choice = VIP })
    assert.equal(1, engine:suggest().answers)
    assert(engine:undo(done.entry))
    assert.equal(1, engine:suggest().answers)
    engine:close()
  end)
end)

describe("the line between values", function()
  local function gap(low, high, score)
    return { low = low, high = high, score = score or 1 }
  end
  for _, row in ipairs {
    { { gap(480321, 512345) }, false, 500000 }, { { gap(99, 101) }, true, 100 }, { { gap(2, 3) }, true, 3 },
    { { gap(2, 3) }, false, 2.5 }, { { gap(-5, 5) }, true, 0 }, { { gap(0.12, 0.13) }, false, 0.125 },
    { { gap(41, 44), gap(48, 52, 0.5) }, true, 50 }, { { gap(1999999999, 2000000001) }, true, 2000000000 },
    { { gap(-330, -290) }, true, -300 }, { { gap(7, 8) }, true, 8 },
  } do
    it(("of numbers is round: %s"):format(tostring(row[3])), function()
      assert.equal(row[3], thresholds.number(row[1], row[2]))
    end)
  end

  it("of dates is the first of a year, or of a month, where it may be", function()
    assert.equal("2024-01-01", thresholds.date { gap("2023-12-17", "2024-01-09") })
    assert.equal("2024-03-01", thresholds.date { gap("2024-02-17", "2024-03-09") })
    assert.equal("2024-03-09", thresholds.date { gap("2024-03-02", "2024-03-09") })
  end)
end)

describe("Fisher's exact test", function()
  it("adds up what is as far from chance, or further", function()
    -- the lady tasting tea: 4 of 4, 3 or more of 4
    assert.near(1 / 70, chance.at_least(4, 4, 4, 8), 1e-12)
    assert.near(17 / 70, chance.at_least(3, 4, 4, 8), 1e-12)
    assert.near(1, chance.at_least(0, 4, 4, 8), 1e-12)
    assert.near(0.5, chance.at_least(1, 1, 1, 2), 1e-12)
  end)
end)
