-- How the facts that rules name are read of an event, at the edges: many fields, all of the event's tables, values that are hard
-- to compare. Whoever decides must see the same.

local core = require "leadcat.core"
local check = require "leadcat.rules.check"
local config = require "leadcat.rules.config"
local decider_of = require "leadcat.rules.decider"
local null = require("cjson").null

local NAN, HUGE = 0 / 0, math.huge
local PLACES = { "sale", "contact", "actor", "facts" }

-- The deciders of a config with one rule for won sales, which has these conditions.
local function deciders(when)
  local cfg = config.normalize {
    categories = { { id = 1, name = "a", group = "potential_customer" }, { id = 2, name = "b", group = "customer" } },
    lead_statuses = {},
    rules = { { trigger = "sale_won", enabled = true, set_category = 2, when = when } },
  }
  assert.is_false(check.has_errors(check.problems(cfg)))
  local plain, rules = core.decider(cfg)
  return { plain = plain, fast = decider_of.new(plain, rules), explained = core.explainer(cfg) }
end

local function holds(of, event)
  local reasons = {}
  for name, decide in pairs(of) do
    reasons[name] = select(3, decide("sale_won", 1, nil, event))
  end
  assert.equal(reasons.plain, reasons.fast)
  assert.equal(reasons.plain, reasons.explained)
  return reasons.plain == "matched"
end

local function field_of(place, i)
  return place == "facts" and ("company.f%d"):format(i) or ("%s.f%d"):format(place, i)
end

-- So many conditions of each place's fields, and an event for which all hold.
local function many(count)
  local when, event = { {} }, {}
  for _, place in ipairs(PLACES) do
    event[place] = {}
    for i = 1, count do
      local value = i % 2 == 0 and i or ("Text %d"):format(i)
      table.insert(when[1], { field = field_of(place, i), is = "equals", value = value })
      event[place][place == "facts" and field_of(place, i) or "f" .. i] = value
    end
  end
  return when, event
end

-- { what, is, value, fact, whether it holds }
local ROWS = {
  { "NaN equals no number", "equals", 1, NAN, false },
  { "NaN is not a number", "not_equals", 1, NAN, true },
  { "NaN is not at least", "at_least", 1, NAN, false },
  { "NaN is not at most", "at_most", 1, NAN, false },
  { "NaN is known", "known", nil, NAN, true },
  { "NaN in a list is passed over", "equals", 1, { NAN, 1 }, true },
  { "infinity is above", "above", 1, HUGE, true },
  { "minus infinity is below", "below", 1, -HUGE, true },
  { "zero equals minus zero", "equals", 0, -0.0, true },
  { "a number is known", "known", nil, 0, true },
  { "a number is not unknown", "unknown", nil, 0, false },
  { "an empty text is known", "known", nil, "", true },
  { "an empty text equals an empty one", "equals", "", "", true },
  { "an empty text is not a zero byte", "equals", "", "\0", false },
  { "a zero byte counts", "equals", "a", "a\0", false },
  { "digits are not a number", "equals", 1, "1", false },
  { "a number is not its digits", "equals", "1", 1, false },
  { "true is not one", "equals", 1, true, false },
  { "false is known", "known", nil, false, true },
  { "false is not unknown", "unknown", nil, false, false },
  { "null is unknown", "unknown", nil, null, true },
  { "null is not known", "known", nil, null, false },
  { "eight bytes in another case", "equals", "currency", "CURRENCY", true },
  { "nine bytes in another case", "equals", "currency2", "CURRENCY2", true },
  { "a text of eight bytes among some", "one_of", { 1, "x", "currency" }, "Currency", true },
  { "a text of nine bytes among some", "one_of", { 1, "currency1", "currency2" }, "Currency2", true },
  { "eight bytes are not the start of nine", "equals", "currency2", "currency", false },
  { "two bytes that fold to two others", "equals", "\195\169", "\195\137", true },
  { "four characters of which one is not ASCII", "equals", "caf\195\169", "CAFE\204\129", true },
  { "a byte that is no UTF-8 equals nothing", "equals", "a", "\255", false },
  { "a byte that is no UTF-8 is known", "known", nil, "\255", true },
  { "a text of 1 KB", "starts_with", "a", ("A"):rep(1024), true },
  { "a longer text equals nothing", "starts_with", "a", ("A"):rep(1025), false },
  { "a list with a hole equals nothing", "equals", 1, { [1] = 1, [3] = 1 }, false },
  { "a table that is no list equals nothing", "equals", 1, { amount = 1 }, false },
  { "an empty list is known", "known", nil, {}, true },
  { "an empty list has no element", "equals", 1, {}, false },
  { "an empty list is not all of some", "all_one_of", { 1 }, {}, false },
  { "a list of one", "all_one_of", { 1, "x" }, { "X" }, true },
}

describe("what is read of an event", function()
  for _, row in ipairs(ROWS) do
    it(row[1], function()
      local of = deciders { { { field = "sale.amount", is = row[2], value = row[3] } } }
      assert.equal(row[5], holds(of, { sale = { amount = row[4] } }))
    end)
  end

  it("is all that the rules name, however much, in all tables of the event", function()
    for _, count in ipairs { 1, 2, 7, 8, 9, 16 } do -- 64 fields are the most
      local when, event = many(count)
      local of = deciders(when)
      assert.is_true(holds(of, event), count)
      for _, place in ipairs(PLACES) do
        for name, value in pairs(event[place]) do
          event[place][name] = "other"
          assert.is_false(holds(of, event), name)
          event[place][name] = nil
          assert.is_false(holds(of, event), name)
          event[place][name] = value
        end
      end
      assert.is_true(holds(of, event), count)
    end
  end)

  it("is nothing of the event before", function()
    local when, event = many(2)
    local of = deciders(when)
    assert.is_true(holds(of, event))
    assert.is_false(holds(of, {}))
    assert.is_false(holds(of, nil))
    assert.is_false(holds(of, { sale = event.sale, contact = event.contact, actor = event.actor }))
  end)

  it("goes by no metamethod", function()
    local of = deciders { { { field = "sale.amount", is = "equals", value = 1 } } }
    local inherited = setmetatable({}, { __index = { amount = 1 } })
    assert.is_false(holds(of, { sale = inherited }))
    assert.is_false(holds(of, setmetatable({}, { __index = { sale = { amount = 1 } } })))
  end)

  it("is refused where it is no table", function()
    local of = deciders { { { field = "sale.amount", is = "equals", value = 1 } } }
    for _, decide in pairs(of) do
      local function of_event(event)
        return function() decide("sale_won", 1, nil, event) end
      end
      assert.error_matches(of_event { sale = 1 }, "sale must be a table, not a number")
      assert.error_matches(of_event(1), "table expected")
    end
    for _, decide in pairs { of.plain, of.fast } do -- other triggers have no conditions: their event is not looked at
      assert.equal("rule_disabled", select(3, decide("sale_lost", 1, nil, 1)))
    end
  end)

  it("is the fourth argument, whatever stands behind it", function()
    local of = deciders { { { field = "sale.amount", is = "equals", value = 1 } } }
    local event = { sale = { amount = 1 } }
    assert.equal("matched", select(3, of.plain("sale_won", 1, nil, event, { sale = { amount = 2 } }, 6, 7, 8, 9, 10)))
  end)
end)
