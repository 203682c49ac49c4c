-- The decision: what a trigger means for a company that stands in some category. The contract is six checks in a fixed
-- order. They are written down here once more, as plainly as possible, and everything that answers (`decide`, the
-- decider, `explain`, `handle`) has to agree with them: first on every combination of the checks' outcomes, then on
-- large random configs.

local core = require "leadcat.core"
local crm = require "support.crm"
local stores = require "support.stores"
local times = require "support.times"

local TRIGGERS = {
  "sale_registered", "sale_won", "sale_lost", "lead_status_set", "sale_reopened", "sale_deleted",
}
local GROUPS = { "customer", "lost", "other", "partner", "potential_customer" }
local LARGEST_ID = 2147483647

-- A config made for looking up.
local function index(cfg)
  local indexed = { categories = {}, enabled = {}, rules = {} }
  for _, category in ipairs(cfg.categories) do
    indexed.categories[category.id] = category
  end
  for _, rule in ipairs(cfg.rules) do
    if rule.enabled then
      indexed.enabled[rule.trigger] = true
      indexed.rules[rule.trigger .. (rule.lead_status or "")] = rule
    end
  end
  return indexed
end

-- The second implementation: all checks that there are for the trigger, in order, as {name, passes}; and the rule.
local function checks_of(indexed, trigger, category, lead_status)
  local by_status = trigger == "lead_status_set"
  local from = category and indexed.categories[category]
  local rule = indexed.rules[by_status and trigger .. tostring(lead_status) or trigger]
  local checks = {
    { "rule_disabled", indexed.enabled[trigger] == true },
    { "unknown_category", from ~= nil },
    { "not_potential_customer", from ~= nil and from.group == "potential_customer" },
  }
  if by_status then
    checks[#checks + 1] = { "lead_status_not_enabled", from ~= nil and from.lead_status == true }
    checks[#checks + 1] = { "lead_status_not_matched", rule ~= nil }
  end
  checks[#checks + 1] = { "already_in_category", rule ~= nil and rule.set_category ~= category }
  return checks, rule
end

-- What they come to: action, to, reason.
local function expected(checks, rule)
  for _, check in ipairs(checks) do
    if not check[2] then
      return "none", nil, check[1]
    end
  end
  return rule.ask and "confirm" or "update", rule.set_category, "matched"
end

describe("the decision table", function()
  after_each(stores.check)

  local MATCHED, DISABLED, WITHOUT_RULE = 1, 2, 3 -- lead statuses
  local UNKNOWN = 99

  -- Every kind of category: each group, with a lead status where it may have one, living and deleted.
  local function categories()
    local list = {}
    local function add(group, lead_status, deleted)
      list[#list + 1] = {
        id = #list + 1, group = group, lead_status = lead_status, deleted = deleted, name = "Category " .. #list + 1,
      }
    end
    for _, deleted in ipairs { false, true } do
      for _, group in ipairs(GROUPS) do
        add(group, false, deleted)
      end
      add("potential_customer", true, deleted)
    end
    return list
  end

  -- All triggers with the same switch, target and question.
  local function config(enabled, target, ask)
    local cfg = { categories = categories(), lead_statuses = {}, rules = {} }
    for id = 1, 3 do
      cfg.lead_statuses[id] = { id = id, name = "Status " .. id }
    end
    for _, trigger in ipairs(TRIGGERS) do
      local by_status = trigger == "lead_status_set"
      cfg.rules[#cfg.rules + 1] = {
        trigger = trigger, enabled = enabled, set_category = target, ask = ask,
        lead_status = by_status and MATCHED or nil,
      }
    end
    cfg.rules[#cfg.rules + 1] = {
      trigger = "lead_status_set", enabled = false, set_category = target, lead_status = DISABLED,
    }
    return cfg
  end

  -- Calls fn(cfg) for each config: switched on and off, asking or not, with each living category as the target.
  local function each_config(fn)
    for _, enabled in ipairs { true, false } do
      for _, ask in ipairs { true, false } do
        for target, category in ipairs(categories()) do
          if not category.deleted then
            fn(config(enabled, target, ask))
          end
        end
      end
    end
  end

  -- Calls fn(trigger, category, lead_status) for each event: where the company stands, and which status was set. (A
  -- lead status beside another trigger must mean nothing.)
  local function each_event(fn)
    local froms, statuses = { false, UNKNOWN }, { false, MATCHED, DISABLED, WITHOUT_RULE }
    for id in ipairs(categories()) do
      froms[#froms + 1] = id
    end
    for _, trigger in ipairs(TRIGGERS) do
      for _, from in ipairs(froms) do
        for _, lead_status in ipairs(statuses) do
          fn(trigger, from or nil, lead_status or nil)
        end
      end
    end
  end

  -- Calls fn(case) for every combination, its config saved, and gives how many there were.
  local function each_case(engine, fn)
    local count = 0
    each_config(function(cfg)
      assert(engine:save(cfg))
      local indexed = index(cfg)
      each_event(function(trigger, category, lead_status)
        local checks, rule = checks_of(indexed, trigger, category, lead_status)
        local action, to, reason = expected(checks, rule)
        count = count + 1
        fn {
          trigger = trigger, category = category, lead_status = lead_status, checks = checks,
          action = action, to = to, reason = reason,
          name = ("%s, category %s, lead status %s, %s rule to %d"):format(trigger, tostring(category),
            tostring(lead_status), cfg.rules[1].enabled and "enabled" or "disabled", cfg.rules[1].set_category),
        }
      end)
    end)
    return count
  end

  it("is what decide and the decider answer, in every combination", function()
    local engine = stores.open { durability = "relaxed" }
    local decider = engine:decider()
    local reasons = {}
    local count = each_case(engine, function(case)
      reasons[case.reason] = (reasons[case.reason] or 0) + 1
      local want = { case.action, case.to or "nothing", case.reason }
      for _, decide in ipairs { decider, function(...) return engine:decide(...) end } do
        local action, to, reason = decide(case.trigger, case.category, case.lead_status)
        assert.same(want, { action, to or "nothing", reason }, case.name)
      end
    end)
    assert.equal(24 * 6 * 14 * 4, count)
    -- Counted by hand: half of all rules are disabled; 2 of 14 categories are unknown; 8 are no potential customers; of
    -- the other 4, 2 have no lead status; 3 of 4 statuses have no rule. In 2 of 6 configs the target is one of the 2
    -- living potential customers (in 1 the one with a lead status).
    assert.same({
      rule_disabled = 12 * 6 * 14 * 4, unknown_category = 12 * 6 * 2 * 4, not_potential_customer = 12 * 6 * 8 * 4,
      lead_status_not_enabled = 12 * 2 * 4, lead_status_not_matched = 12 * 2 * 3,
      already_in_category = 4 * 5 * 4 + 2, matched = 12 * 5 * 4 * 4 - 4 * 5 * 4 + 12 * 2 - 2,
    }, reasons)
    engine:close()
  end)

  -- What explain says about each check: true up to the one that fails, false there, absent behind.
  local function explained(checks)
    local rows, failed = {}, false
    for i, check in ipairs(checks) do
      rows[i] = check[1] .. (failed and "" or check[2] and " passes" or " fails")
      failed = failed or not check[2]
    end
    return rows
  end

  it("is what explain shows, check by check", function()
    local engine = stores.open { durability = "relaxed", host = crm.new() }
    each_case(engine, function(case)
      local decision = assert(engine:explain {
        trigger = case.trigger, company = "Acme", category = case.category, lead_status = case.lead_status,
      })
      local rows = {}
      for i, check in ipairs(decision.checks) do
        rows[i] = check.name .. (check.pass == nil and "" or check.pass and " passes" or " fails")
      end
      assert.same(explained(case.checks), rows, case.name)
      assert.same({ case.action, case.to or "nothing", case.reason },
        { decision.action, decision.to or "nothing", decision.reason }, case.name)
    end)
    engine:close()
  end)

  it("is what handle does", function()
    local STATUS = { none = "unchanged", update = "updated", confirm = "awaiting_confirmation" }
    local host = crm.new()
    local engine = stores.open { durability = "relaxed", host = host }
    each_case(engine, function(case)
      host.companies.Acme = case.category
      local outcome = assert(engine:handle {
        trigger = case.trigger, company = "Acme", lead_status = case.lead_status,
      })
      assert.same({ STATUS[case.action], case.action, case.to or "nothing", case.reason, case.category or "nothing" }, {
        outcome.status, outcome.action, outcome.to or "nothing", outcome.reason, outcome.from or "nothing",
      }, case.name)
      assert.equal(case.action == "update" and case.to or case.category, host.companies.Acme, case.name)
    end)
    engine:close()
  end)
end)

describe("explain", function()
  after_each(stores.check)

  it("shows the values that each check compared", function()
    local engine = stores.open()
    assert(engine:save(stores.config { ["lead_status_set:5"] = { 3, ask = true }, sale_won = 5 }))
    assert.same({
      action = "confirm", to = 3, reason = "matched", rule = "lead_status_set:5", revision = 1, category = 1,
      sentence = "The user will be asked whether to update the category of Acme from Lead to Opportunity.",
      checks = {
        { name = "rule_disabled", pass = true, trigger = "lead_status_set", enabled_rules = 1 },
        { name = "unknown_category", pass = true, category = 1 },
        { name = "not_potential_customer", pass = true, category = 1, group = "potential_customer",
          expected = "potential_customer" },
        { name = "lead_status_not_enabled", pass = true, category = 1, enabled = true },
        { name = "lead_status_not_matched", pass = true, lead_status = 5, expected = { 5 } },
        { name = "already_in_category", pass = true, category = 1, target = 3 },
      },
    }, engine:explain { trigger = "lead_status_set", company = "Acme", category = 1, lead_status = 5 })
    engine:close()
  end)

  -- Trigger, category and lead status; the rule; of the checks from the second on: result, values. Category 4 is a
  -- potential customer without lead status.
  local COMPARED = {
    { { "sale_won", 4 }, "sale_won", "true 4", "true 4 potential_customer", "true 4 5" },
    { { "sale_won", 5 }, "sale_won", "true 5", "false 5 customer", "- 5 5" },
    { { "sale_won", 99 }, "sale_won", "false 99", "- 99 -", "- 99 5" },
    { { "sale_won", 2 ^ 40 }, "sale_won", "false 1099511627776", "- 1099511627776 -", "- 1099511627776 5" },
    { { "sale_won" }, "sale_won", "false -", "- - -", "- - 5" },
    { { "sale_lost", 1 }, nil, "- 1", "- 1 potential_customer", "- 1 -" },
    { { "lead_status_set", 4, 5 }, "lead_status_set:5", "true 4", "true 4 potential_customer", "false 4 false", "- 5",
      "- 4 3" },
    { { "lead_status_set", 1, 7 }, nil, "true 1", "true 1 potential_customer", "true 1 true", "false 7",
      "- 1 -" },
    { { "lead_status_set", 3, 5 }, "lead_status_set:5", "true 3", "true 3 potential_customer", "true 3 true", "true 5",
      "false 3 3" },
  }
  local VALUES = {
    unknown_category = { "category" }, not_potential_customer = { "category", "group" },
    lead_status_not_enabled = { "category", "enabled" }, lead_status_not_matched = { "lead_status" },
    already_in_category = { "category", "target" },
  }

  local function shown(value)
    return value == nil and "-" or type(value) == "number" and ("%d"):format(value) or tostring(value)
  end

  local function compared(check)
    local words = { shown(check.pass) }
    for _, name in ipairs(VALUES[check.name]) do
      words[#words + 1] = shown(check[name])
    end
    return table.concat(words, " ")
  end

  it("tells what is known to checks that were not reached, too, of a config that is not saved likewise", function()
    local cfg = stores.config { ["lead_status_set:5"] = 3, sale_won = 5 }
    local engine, by_config = stores.open(), core.explainer(cfg)
    assert(engine:save(cfg))
    for _, row in ipairs(COMPARED) do
      local trigger, category, lead_status = stores.unpack(row[1], 1, 3)
      local decision = assert(engine:explain {
        trigger = trigger, company = "Acme", category = category, lead_status = lead_status,
      })
      local told, same = {}, { by_config(trigger, category, lead_status) }
      for i = 2, #decision.checks do
        told[i - 1] = compared(decision.checks[i])
        assert.equal(told[i - 1], compared(same[5][i]))
      end
      assert.same({ stores.unpack(row, 3) }, told)
      assert.equal(row[2], decision.rule)
      assert.same({ decision.action, decision.to or "none", decision.reason }, { same[1], same[2] or "none", same[3] })
    end
    engine:close()
  end)

  it("names the statuses that have a rule", function()
    local engine = stores.open()
    assert(engine:save(stores.config { ["lead_status_set:5"] = 3, ["lead_status_set:2"] = 2 }))
    local decision = engine:explain { trigger = "lead_status_set", company = "Acme", category = 1, lead_status = 4 }
    local statuses = decision.checks[5].expected
    table.sort(statuses)
    assert.same({ 2, 5 }, statuses)
    assert.is_nil(decision.rule)
    engine:close()
  end)

  it("asks the host where the company stands, and first of all whether it is licensed", function()
    local host = crm.new { Acme = 5 }
    local engine = stores.open { host = host }
    assert(engine:save(stores.config { sale_won = 3 }))
    local event = { trigger = "sale_won", company = "Acme" }
    assert.equal("not_potential_customer", engine:explain(event).reason)
    host.licensed = function() return true end
    assert.same({ name = "not_licensed", pass = true, licensed = true }, engine:explain(event).checks[1])
    host.licensed = function() return false end
    local decision = engine:explain(event)
    assert.same({ name = "not_licensed", pass = false, licensed = false }, decision.checks[1])
    assert.same({ "none", "not_licensed" }, { decision.action, decision.reason })
    assert.is_nil(decision.checks[2].pass)
    engine:close()
  end)

  it("writes nothing, and takes only what handle would take", function()
    local engine = stores.open()
    assert(engine:save(stores.config { sale_won = 5 }))
    engine.host:create("Acme", 1)
    local before = engine:stats().commits.count
    assert.equal("update", engine:explain({ id = "1", trigger = "sale_won", company = "Acme" }).action)
    assert.same({ before, {}, 1 }, { engine:stats().commits.count, engine:history(), engine.host:get "Acme" })
    local decision, message, code = engine:explain { trigger = "sale_won" }
    assert.is_nil(decision)
    assert.matches("company", message)
    assert.equal("invalid", code)
    assert.error_matches(function() engine:explain "sale_won" end, "table expected, got string")
    engine:close()
  end)
end)

describe("a decision by any config", function()
  after_each(stores.check)

  -- Park and Miller's generator: the same numbers on every Lua.
  local function new_random(seed)
    return function(low, high)
      seed = seed * 16807 % 2147483647
      return low + seed % (high - low + 1)
    end
  end

  -- How ids may lie: hash tables dislike some of these.
  local SPREADS = {
    dense = function(i) return i end,
    sparse = function(_, random) return random(1, LARGEST_ID - 1) end,
    at_the_end = function(i) return LARGEST_ID + 1 - i end,
    multiples = function(i, random, power) return i * 2 ^ (power or random(1, 18)) end,
    one_power = function(i) return i * 2 ^ 19 end,
  }
  local SPREAD_NAMES = { "dense", "sparse", "at_the_end", "multiples", "one_power" }

  -- `count` different ids, or somewhat fewer.
  local function new_ids(random, count)
    local spread, power = SPREADS[SPREAD_NAMES[random(1, #SPREAD_NAMES)]], random(1, 18)
    local ids, seen = {}, {}
    for i = 1, count do
      local id = spread(i, random, power)
      if id <= LARGEST_ID and not seen[id] then
        ids[#ids + 1], seen[id] = id, true
      end
    end
    return ids
  end

  local function new_items(random, count, fill)
    local items = {}
    for i, id in ipairs(new_ids(random, count)) do
      items[i] = { id = id, name = "Item " .. i, deleted = random(1, 8) == 1 }
      fill(items[i])
    end
    return items
  end

  local function live(items)
    local ids = {}
    for _, item in ipairs(items) do
      ids[#ids + 1] = not item.deleted and item.id or nil
    end
    return ids
  end

  local function new_config(random, category_count, status_count)
    local cfg = { rules = {} }
    cfg.categories = new_items(random, category_count, function(category)
      category.group = random(1, 2) == 1 and "potential_customer" or GROUPS[random(1, 5)]
      category.lead_status = category.group == "potential_customer" and random(1, 3) > 1
    end)
    cfg.lead_statuses = new_items(random, status_count, function() end)
    local targets = live(cfg.categories)
    local function add(trigger, lead_status, usable)
      local enabled = usable and #targets > 0 and random(1, 4) > 1
      cfg.rules[#cfg.rules + 1] = {
        trigger = trigger, lead_status = lead_status, enabled = enabled, ask = random(1, 2) == 1,
        set_category = enabled and targets[random(1, #targets)] or random(1, LARGEST_ID), -- when disabled, anything
      }
    end
    for i = 1, 3 do
      if random(1, 5) > 1 then
        add(TRIGGERS[i], nil, true)
      end
    end
    for _, status in ipairs(cfg.lead_statuses) do
      add("lead_status_set", status.id, not status.deleted)
    end
    return cfg
  end

  local ODD = { 0, -1, LARGEST_ID, LARGEST_ID + 1, 2 ^ 32 + 1, 2 ^ 53 - 1, 4.5, math.huge, -math.huge, 0 / 0 }

  -- Mostly an id of the list, else one beside it, something odd, or nothing.
  local function pick(random, items)
    local kind = random(1, 10)
    if kind == 1 then
      return nil
    elseif kind == 2 or #items == 0 then
      return ODD[random(1, #ODD)]
    end
    return items[random(1, #items)].id + (kind == 3 and random(-1, 1) or 0)
  end

  -- Sizes of the configs: small ones, where everything meets everything, and the largest there should be.
  local SIZES = { { 1, 1 }, { 2, 1 }, { 3, 2 }, { 8, 5 }, { 30, 10 }, { 200, 50 }, { 2000, 200 } }

  it("is that of the six checks", function()
    local engine = stores.open { durability = "relaxed" }
    local decider = engine:decider() -- under LuaJIT another way than `decide`
    local reasons, count = {}, 0
    for seed = 1, times(70) do
      local random = new_random(seed * 7919)
      local size = SIZES[seed % #SIZES + 1]
      local cfg = new_config(random, size[1], size[2])
      local revision, message, _, problems = engine:save(cfg)
      assert(revision, problems and problems[1].message or message)
      local indexed = index(cfg)
      for _ = 1, 600 do
        local trigger = TRIGGERS[random(1, 4)]
        local category, lead_status = pick(random, cfg.categories), pick(random, cfg.lead_statuses)
        local want_action, want_to, want_reason = expected(checks_of(indexed, trigger, category, lead_status))
        local function check(way, action, to, reason)
          if action ~= want_action or to ~= want_to or reason ~= want_reason then
            error(("seed %d: %s, %s, category %s, lead status %s: %s %s %s, not %s %s %s"):format(seed, way, trigger,
              tostring(category), tostring(lead_status), action, tostring(to), reason, want_action,
              tostring(want_to), want_reason))
          end
        end
        check("decider", decider(trigger, category, lead_status))
        check("decide", engine:decide(trigger, category, lead_status))
        count, reasons[want_reason] = count + 1, (reasons[want_reason] or 0) + 1
      end
    end
    assert.equal(times(70) * 600, count)
    for _, reason in ipairs {
      "rule_disabled", "unknown_category", "not_potential_customer", "lead_status_not_enabled",
      "lead_status_not_matched", "already_in_category", "matched",
    } do
      assert.is_true((reasons[reason] or 0) > times(100), reason .. " was hardly ever met")
    end
    engine:close()
  end)
end)

describe("deciding", function()
  after_each(stores.check)

  local function open(rules)
    local engine, path = stores.open()
    assert(engine:save(stores.config(rules)))
    return engine, path
  end

  it("needs no saved config: without one, no rule is enabled", function()
    local engine = stores.open()
    assert.same({ "none", nil, "rule_disabled" }, { engine:decide("sale_won", 1) })
    engine:close()
  end)

  it("takes a float without a fraction as the integer, and gives integers", function()
    local engine = open { sale_won = 5, ["lead_status_set:5"] = 3 }
    local type_of = rawget(math, "type") or function() return "integer" end
    local action, to, reason = engine:decide("lead_status_set", 2.0, 5.0)
    assert.same({ "update", 3, "matched" }, { action, to, reason })
    assert.equal("integer", type_of(to))
    engine:close()
  end)

  it("knows no category by a number that cannot be an id", function()
    local engine = open { sale_won = 5, ["lead_status_set:5"] = 3 }
    for _, number in ipairs { 0, -1, 1.5, 2 ^ 31, 2 ^ 32 + 1, 2 ^ 53, 1e300, math.huge, -math.huge, 0 / 0 } do
      assert.same({ "none", nil, "unknown_category" }, { engine:decide("sale_won", number) })
      assert.same({ "none", nil, "lead_status_not_matched" }, { engine:decide("lead_status_set", 1, number) })
    end
    engine:close()
  end)

  -- Arguments, and what the error has to say.
  local MISUSE = {
    { "a trigger there is not", { "sale_lots", 1 },
      "unknown trigger 'sale_lots' %(expected one of sale_registered, sale_won, sale_lost, lead_status_set, "
        .. "sale_reopened, sale_deleted, no_sale_for%)" },
    { "a trigger that only begins well", { "sale_won\0", 1 }, "unknown trigger" },
    { "an empty trigger", { "", 1 }, "unknown trigger ''" },
    { "no trigger", {}, "string expected" },
    { "a table as trigger", { {} }, "string expected, got table" },
    { "a category's name", { "sale_won", "Lead" }, "number expected, got string" },
    { "a category in quotes", { "sale_won", "1" }, "number expected, got string" },
    { "a boolean category", { "sale_won", true }, "number expected, got boolean" },
    { "a lead status in quotes", { "lead_status_set", 1, "5" }, "number expected, got string" },
    { "a lead status as a table", { "lead_status_set", 1, { id = 5 } }, "number expected, got table" },
  }
  for _, row in ipairs(MISUSE) do
    it("raises for " .. row[1], function()
      local engine = open { sale_won = 5, ["lead_status_set:5"] = 3 }
      local trigger, category, lead_status = row[2][1], row[2][2], row[2][3]
      assert.error_matches(function() engine:decide(trigger, category, lead_status) end, row[3])
      assert.error_matches(function() engine:decider()(trigger, category, lead_status) end, row[3])
      engine:close()
    end)
  end

  it("follows every save at once, by whichever engine", function()
    local engine, path = open { sale_won = 5 }
    local other = stores.open { path = path }
    local decider = engine:decider()
    assert.same({ "update", 5, "matched" }, { decider("sale_won", 1) })
    for target = 2, 8 do
      local saver = target % 2 == 0 and engine or other
      assert(saver:save(stores.config { sale_won = { target, ask = target > 4 } }))
      assert.same({ target > 4 and "confirm" or "update", target, "matched" }, { decider("sale_won", 1) })
    end
    assert(other:revert(1))
    assert.same({ "update", 5, "matched" }, { decider("sale_won", 1) })
    other:close()
    engine:close()
  end)

  it("keeps the tenants apart", function()
    local engine = open { sale_won = 5 }
    local other = engine:tenant "other"
    local decider = other:decider()
    assert.same({ "none", nil, "rule_disabled" }, { decider("sale_won", 1) })
    assert(other:save(stores.config { sale_won = 3 }))
    assert.same({ "update", 3, "matched" }, { decider("sale_won", 1) })
    assert.same({ "update", 5, "matched" }, { engine:decide("sale_won", 1) })
    engine:close()
  end)

  it("is told to compiled code for each trigger and reason", function()
    for _, trigger in ipairs(TRIGGERS) do
      assert.equal("number", type(core.ffi.triggers[trigger]), trigger)
    end
    assert.same({ "rule_disabled", "matched" }, { core.ffi.reasons[0], core.ffi.reasons[#core.ffi.reasons] })
  end)

  local jit = rawget(_G, "jit")
  if jit and jit.status() then
    it("is part of LuaJIT's compiled code: no trace ends at it", function()
      local engine = open { sale_won = { 5, ask = true }, sale_lost = 4, ["lead_status_set:5"] = 3 }
      local decider = engine:decider()
      local reasons, asked, aborted, compiled = require "jit.vmdef".traceerr, 0, {}, 0
      local function watch(what, _, _, _, code, about)
        if what == "abort" and reasons[code]:find "NYI" then -- there are other reasons, which come and go
          aborted[#aborted + 1] = reasons[code]:format(about)
        end
        compiled = compiled + (what == "stop" and 1 or 0)
      end
      jit.flush()
      jit.attach(watch, "trace")
      for i = 1, 10000 do
        local action = decider(TRIGGERS[i % 4 + 1], i % 8 + 1, i % 6)
        asked = asked + (action == "confirm" and 1 or 0)
      end
      jit.attach(watch)
      assert.same({}, aborted)
      assert.is_true(compiled > 0)
      assert.equal(1250, asked)
      engine:close()
    end)
  end

  it("raises once the engine is closed, also by a decider kept from before", function()
    local engine = open { sale_won = 5 }
    local decider = engine:decider()
    engine:close()
    for _, call in ipairs {
      function() decider("sale_won", 1) end,
      function() engine:decide("sale_won", 1) end,
      function() engine:decider() end,
      function() engine:explain { trigger = "sale_won", company = "Acme" } end,
    } do
      assert.error_matches(call, "the engine is closed")
    end
  end)
end)
