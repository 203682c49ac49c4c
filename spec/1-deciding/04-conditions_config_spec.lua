--- Several rules for one trigger, in order, each with its conditions: what a config may say, what `check` warns of, and
-- what a save makes of it.

local conditions = require "leadcat.rules.conditions"
local check = require "leadcat.rules.check"
local config = require "leadcat.rules.config"
local json = require "leadcat.util.json"
local preset = require "leadcat.rules.preset"

local LEAD, CUSTOMER, VIP, OLD = 1, 3, 4, 5
local STATUS = "lead_status_set"
local unpack = rawget(table, "unpack") or rawget(_G, "unpack")

local function category(id, group, rank, fields)
  local made = { id = id, name = "c" .. id, group = group, rank = rank }
  for name, value in pairs(fields or {}) do
    made[name] = value
  end
  return made
end

-- A config with these rules.
local function with(rules)
  return {
    categories = {
      category(LEAD, "potential_customer", 1, { lead_status = true }), category(2, "potential_customer", 2),
      category(CUSTOMER, "customer", 3), category(VIP, "customer", 4), category(OLD, "lost", nil, { deleted = true }),
    },
    lead_statuses = { { id = 1, name = "Open" }, { id = 2, name = "Qualified" } },
    rules = rules,
  }
end

-- An enabled rule for won sales, unless said otherwise.
local function rule(fields)
  local made = { trigger = "sale_won", enabled = true, set_category = CUSTOMER }
  for name, value in pairs(fields or {}) do
    made[name] = value
  end
  return made
end

local function condition(field, is, value)
  return { field = field, is = is, value = value }
end

-- A rule with one condition.
local function when(...)
  return rule { when = { { condition(...) } } }
end

-- Problems as "path code", with a "!" before those that are errors.
local function lines(cfg)
  local found = {}
  for i, problem in ipairs(check.problems(cfg)) do
    assert.equal(problem.path, problem.message:sub(1, #problem.path))
    found[i] = (problem.severity == "error" and "!" or "") .. problem.path .. " " .. problem.code
  end
  return found
end

local function many(count, make)
  local list = {}
  for i = 1, count do
    list[i] = make(i)
  end
  return list
end

local VALUE, FIELD = "rules[1].when[1][1].value ", "rules[1].when[1][1].field "

describe("a condition may be", function()
  for _, row in ipairs {
    { "sale.amount", "equals", 100 }, { "sale.amount", "not_equals", 1e300 }, { "sale.type", "equals", "Ny" },
    { "sale.new", "equals", false }, { "company.country", "one_of", { "NO", 47, true } },
    { "company.country", "none_of", { "SE" } }, { "company.tags", "all_one_of", json.array { "a" } },
    { "sale.amount", "at_least", 0 }, { "sale.date", "at_most", "2026-01-01" }, { "sale.amount", "above", -1 },
    { "sale.amount", "below", 0.5 }, { "contact.title", "contains", "" }, { "actor.name", "starts_with", "Å" },
    { "company.open_sales", "known" }, { "company.name.second", "unknown" }, { "category", "equals", LEAD },
    { "category.rank", "at_most", 2 }, { ("x"):rep(255), "known" }, { "sale.a", "equals", ("x"):rep(1024) },
    { "sales", "known" }, { "my field", "known" },
  } do
    it(("%s %s %s"):format(row[1]:sub(1, 20), row[2], tostring(row[3]):sub(1, 20)), function()
      assert.same({}, lines(with { when(unpack(row, 1, 3)) }))
    end)
  end

  it("of every kind in the list", function()
    assert.equal(13, #conditions.IS)
  end)
end)

describe("a condition is refused", function()
  for _, row in ipairs {
    { "sale", "known", nil, FIELD .. "field_invalid" }, { "contact", "known", nil, FIELD .. "field_invalid" },
    { "actor", "known", nil, FIELD .. "field_invalid" }, { "sale.", "known", nil, FIELD .. "field_invalid" },
    { "company.", "known", nil, FIELD .. "field_invalid" }, { "", "known", nil, FIELD .. "field_invalid" },
    { nil, "known", nil, FIELD .. "wrong_type" }, { 7, "known", nil, FIELD .. "wrong_type" },
    { "sale.\255", "known", nil, FIELD .. "wrong_type" }, { "sale.\237\160\128", "known", nil, FIELD .. "wrong_type" },
    { ("x"):rep(256), "known", nil, FIELD .. "too_long" },
    { "sale.a", nil, nil, "rules[1].when[1][1].is unknown_is" }, { "sale.a", "is", 1,
      "rules[1].when[1][1].is unknown_is" },
    { "sale.a", 1, 1, "rules[1].when[1][1].is wrong_type" },
    { "sale.a", "equals", nil, VALUE .. "value_required" }, { "sale.a", "contains", nil, VALUE .. "value_required" },
    { "sale.a", "one_of", nil, VALUE .. "value_required" }, { "sale.a", "none_of", {}, VALUE .. "value_required" },
    { "sale.a", "equals", {}, VALUE .. "wrong_type" }, { "sale.a", "above", true, VALUE .. "wrong_type" },
    { "sale.a", "contains", 1, VALUE .. "wrong_type" }, { "sale.a", "one_of", "a", VALUE .. "wrong_type" },
    { "sale.a", "one_of", { en = "a" }, VALUE .. "wrong_type" },
    { "sale.a", "one_of", { 1, {} }, "rules[1].when[1][1].value[2] wrong_type" },
    { "sale.a", "known", false, VALUE .. "wrong_type" }, { "sale.a", "unknown", 1, VALUE .. "wrong_type" },
    { "sale.a", "equals", 0 / 0, VALUE .. "out_of_range" }, { "sale.a", "below", 1 / 0, VALUE .. "out_of_range" },
    { "sale.a", "all_one_of", { -1 / 0 }, "rules[1].when[1][1].value[1] out_of_range" },
    { "sale.a", "equals", ("x"):rep(1025), VALUE .. "too_long" }, { "sale.a", "equals", "\255", VALUE .. "wrong_type" },
    { "sale.a", "one_of", many(1001, tostring), VALUE .. "too_many" },
  } do
    it(("%s %s %s"):format(tostring(row[1]):sub(1, 20), tostring(row[2]), tostring(row[3]):sub(1, 20)), function()
      assert.same({ "!" .. row[4] }, lines(with { when(unpack(row, 1, 3)) }))
    end)
  end

  it("as a path says, however deep", function()
    local ok = { condition("a.b", "known") }
    assert.same({ "!rules[2].when[1][3].value wrong_type", "!rules[2].when[2] wrong_type",
      "!rules[2].when[3][1] wrong_type", "!rules[2].when[4] conditions_required" }, lines(with { rule(), rule { when = {
        { ok[1], ok[1], condition("a.b", "at_least", true) }, "sale.amount > 5", { 7 }, {} } } }))
  end)

  it("when there is none: a rule that always applies has no `when`", function()
    assert.same({ "!rules[1].when conditions_required" }, lines(with { rule { when = {} } }))
    assert.matches("leave `when` out", check.problems(with { rule { when = {} } })[1].message, 1, true)
    assert.same({ "!rules[1].when wrong_type" }, lines(with { rule { when = "always" } }))
    assert.same({ "!rules[1].when wrong_type" }, lines(with { rule { when = condition("a", "known") } }))
    assert.same({ "!rules[1].when[1] wrong_type" }, lines(with { rule { when = { condition("a", "known") } } }))
  end)

  it("on a rule that is off, too", function()
    assert.same({ "!rules[1].from from_required", "!rules[1].when conditions_required" },
      lines(with { rule { enabled = false, when = {}, from = {} } }))
  end)
end)

describe("a condition is kept with a warning", function()
  for _, row in ipairs {
    { condition("category", "equals", 99), VALUE .. "category_unknown" },
    { condition("category", "none_of", { LEAD, OLD }), "rules[1].when[1][1].value[2] category_deleted" },
    { condition("category", "equals", "Lead"), VALUE .. "type_differs" },
    { condition("category", "above", "Lead"), VALUE .. "type_differs" },
    { { field = "sale.a", is = "known", unit = "NOK" }, "rules[1].when[1][1].unit unknown_field" },
  } do
    it(row[2], function()
      assert.same({ row[2] }, lines(with { rule { when = { { row[1] } } } }))
    end)
  end

  it("that holds what can be stored with it, however deep it lies", function()
    for depth = 980, 1010 do
      local deep = 1
      for _ = 1, depth do
        deep = { deep }
      end
      local cfg = with { rule { when = { { { field = "a", is = "known", x = deep } } } } }
      if not check.has_errors(check.problems(cfg)) then
        assert.is_string(json.encode(config.normalize(cfg)))
      end
    end
  end)
end)

describe("bounds", function()
  local function groups(count, size)
    return many(count, function()
      return many(size, function() return condition("a", "not_equals", 1) end)
    end)
  end

  it("are of the groups of a rule, and of the conditions of a group", function()
    assert.same({}, lines(with { rule { when = groups(100, 1) } }))
    assert.same({ "!rules[1].when too_many" }, lines(with { rule { when = groups(101, 1) } }))
    assert.same({ "!rules[1].when[2] too_many" }, lines(with { rule { when = { groups(1, 100)[1], groups(1,
      101)[1] } } }))
  end)

  it("are of the conditions, fields and values of a config", function()
    assert.same({ "!rules[2].when[1] too_many" },
      lines(with { rule { when = groups(100, 100) }, rule { when = groups(2, 1) } }))
    local fields = many(65, function(i)
      return { condition("sale.f" .. i, "known"), condition("category.rank", "known"), condition("category", "known") }
    end)
    assert.same({ "!rules[1].when[65][1].field too_many" }, lines(with { rule { when = fields } }))
    table.remove(fields)
    assert.same({}, lines(with { rule { when = fields } }))
    local long = many(100, function() return condition("a", "none_of", many(1000, tostring)) end)
    assert.same({ "!rules[2].when[1][1].value too_many" },
      lines(with { rule { when = { long } }, rule { when = { { condition("a", "one_of", { 1 }) } } } }))
  end)

  it("are of the rules of a trigger, and of a lead status", function()
    local rules = many(1001, function() return rule { when = { { condition("a", "known") } } } end)
    assert.same({ "!rules[1001].trigger too_many" }, lines(with(rules)))
    for _, each in ipairs(rules) do
      each.trigger, each.lead_status = STATUS, 1
    end
    assert.same({ "!rules[1001].lead_status too_many" }, lines(with(rules)))
    rules[1] = rule()
    assert.same({}, lines(with(rules)))
  end)
end)

describe("from", function()
  for _, row in ipairs {
    { { groups = { "customer", "lost" } } }, { { categories = { LEAD } } }, { { groups = { "lost" },
      categories = { 2 } } },
    { {}, "!rules[1].from from_required" }, { { groups = {}, categories = {} }, "!rules[1].from from_required" },
    { "customer", "!rules[1].from wrong_type" }, { { groups = "lost" }, "!rules[1].from.groups wrong_type" },
    { { groups = { "friends" } }, "!rules[1].from.groups[1] unknown_group" },
    { { categories = { "1" } }, "!rules[1].from.categories[1] wrong_type" },
    { { categories = { LEAD, 99 } }, "!rules[1].from.categories[2] category_unknown" },
    { { categories = { LEAD, OLD } }, "rules[1].from.categories[2] category_deleted" },
    { { groups = { "lost" }, group = 1 }, "rules[1].from.group unknown_field" },
  } do
    it(("%s: %s"):format(json.encode(row[1]), row[2] or "good"), function()
      assert.same({ row[2] }, lines(with { rule { from = row[1] }, rule { trigger = "sale_lost" } }))
    end)
  end

  it("may name an unknown category while the rule is off", function()
    assert.same({}, lines(with { rule { enabled = false, from = { categories = { 99 } } } }))
  end)

  it("of a lead status's rule has only groups that can have lead statuses", function()
    local of_status = rule { trigger = STATUS, lead_status = 1, from = { groups = { "potential_customer", "lost" } } }
    assert.same({ "!rules[1].from.groups[2] lead_status_outside_potential_customer" }, lines(with { of_status }))
  end)
end)

describe("a rule", function()
  it("has an id that no other has", function()
    assert.same({ "!rules[2].id duplicate_id" }, lines(with { rule { id = 7, when = { { condition("a", "known") } } },
      rule { id = 7, trigger = "sale_lost" } }))
    for id, code in pairs { [0] = "out_of_range", [2147483648] = "out_of_range", [1.5] = "wrong_type",
      x = "wrong_type" } do
      assert.same({ "!rules[1].id " .. code }, lines(with { rule { id = id } }))
    end
  end)

  it("may have a name in several languages, and go forward only", function()
    assert.same({}, lines(with { rule { name = { en = "Big", no = "Stort" }, forward_only = true, id = 2147483647 } }))
    assert.same({ "!rules[1].name wrong_type" }, lines(with { rule { name = 7 } }))
    assert.same({ "!rules[1].forward_only wrong_type" }, lines(with { rule { forward_only = "yes" } }))
  end)

  it("keeps what it does not know, with a warning", function()
    assert.same({ "rules[1].owner unknown_field" }, lines(with { rule { owner = "Ann" } }))
  end)

  it("may wait for days or hours", function()
    for _, after in ipairs { { days = 1 }, { days = 3650 }, { hours = 1 }, { hours = 87600 }, { days = 2.0 } } do
      assert.same({}, lines(with { rule { after = after } }))
    end
    for problem, after in pairs {
      [" wrong_type"] = "soon", [".days out_of_range"] = { days = 0 }, [".hours out_of_range"] = { hours = 87601 },
      [".days wrong_type"] = { days = 1.5 }, [".hours wrong_type"] = { hours = "1" },
    } do
      assert.same({ "!rules[1].after" .. problem }, lines(with { rule { after = after } }))
    end
    for _, after in ipairs { {}, { days = 1, hours = 1 }, { weeks = 1 }, { 3 } } do
      assert.same({ "!rules[1].after wrong_type" }, lines(with { rule { after = after } }))
    end
    local found = check.problems(with { rule { after = { days = 3651 } } })
    assert.equal("rules[1].after.days must be from 1 to 3650, but is 3651", found[1].message)
    found = check.problems(with { rule { after = {} } })
    assert.equal("rules[1].after must be {days = n}, from 1 to 3650, or {hours = n}, from 1 to 87600: "
      .. "exactly one of the two", found[1].message)
  end)
end)

describe("a rule's key", function()
  it("tells its trigger, its lead status and its id", function()
    for _, row in ipairs {
      { "sale_won", "sale_won" }, { "sale_won#7", "sale_won", nil, 7 }, { "lead_status_set:5", STATUS, 5 },
      { "lead_status_set:5#2147483647", STATUS, 5, 2147483647 }, { "lead_status_set", STATUS },
      { "lead_status_set#3", STATUS, nil, 3 },
    } do
      local key, trigger, status, id = unpack(row, 1, 4)
      assert.equal(key, config.rule_key(trigger, status, id))
      assert.equal(status, config.lead_status_of(key))
      assert.equal(id, config.rule_id_of(key))
    end
    assert.equal("sale_won#7", config.rule_key("sale_won", 5, 7.0))
  end)

  -- The keys of a normal config's rules, from rules as {trigger, lead_status, id}.
  local function keys(...)
    local rules = {}
    for i, row in ipairs { ... } do
      rules[i] = { trigger = row[1], lead_status = row[2], id = row[3] }
    end
    local cfg = config.normalize { rules = rules }
    assert.equal(json.encode(cfg), json.encode(config.normalize(cfg)))
    for i, each in ipairs(cfg.rules) do
      rules[i] = config.rule_key(each.trigger, each.lead_status, each.id)
    end
    return table.concat(rules, " ")
  end

  it("is given by normalize where a rule needs one, and stays", function()
    assert.equal("sale_won sale_lost lead_status_set:5 lead_status_set:6",
      keys({ "sale_won" }, { "sale_lost" }, { STATUS, 5 }, { STATUS, 6 }))
    assert.equal("sale_won sale_won#1 sale_won#2", keys({ "sale_won" }, { "sale_won" }, { "sale_won" }))
    assert.equal("sale_won#7 sale_won sale_won#8 sale_lost lead_status_set:5 lead_status_set:5#9",
      keys({ "sale_won", nil, 7 }, { "sale_won" }, { "sale_won" }, { "sale_lost" }, { STATUS, 5 }, { STATUS, 5 }))
    assert.equal("sale_won#3", keys({ "sale_won", nil, 3 }))
    assert.equal("sale_won#2147483647 sale_won#1 sale_won sale_won#2",
      keys({ "sale_won", nil, 2147483647 }, { "sale_won", nil, 1 }, { "sale_won" }, { "sale_won" }))
  end)

  it("is not there while the rule's lead status is not chosen, so no id is given", function()
    assert.equal("lead_status_set lead_status_set", keys({ STATUS }, { STATUS }))
  end)
end)

describe("normalize", function()
  it("keeps conditions as they are, and writes empty lists as lists", function()
    local from = json.decode '{"groups":[],"categories":[1.0]}'
    local cfg = config.normalize { rules = { rule { id = 7.0, forward_only = true, name = "x", from = from,
      when = { { condition("sale.amount", "at_least", 100000.0) } } } } }
    assert.equal('[{"ask":false,"enabled":true,"forward_only":true,"from":{"categories":[1],'
      .. '"groups":[]},"id":7,"name":"x","set_category":3,'
      .. '"trigger":"sale_won","when":[[{"field":"sale.amount","is":"at_least","value":100000}]]}]',
      json.encode(cfg.rules))
  end)

  it("does not stumble over what an older leadcat has kept", function()
    assert.is_string(json.encode(config.normalize { rules = { rule { id = "x", from = "y", when = 7 } } }))
  end)
end)

-- What the rules mean together -----------------------------------------------------------------------------------------

local ALL = { groups = { "customer", "lost", "other", "partner", "potential_customer" } }
local BIG = { { condition("sale.amount", "at_least", 100) } }
local NORWAY = { { condition("company.country", "equals", "NO"), condition("contact.age", "above", 7) } }

-- So that no category is a dead end, and none goes round.
local LOST = rule { trigger = "sale_lost", set_category = OLD }

-- Rules with their warnings as "path code".
local function warned(rules, ...)
  local cfg = with(rules)
  cfg.categories[5].deleted = nil
  assert.same({ ... }, lines(cfg))
  for _, problem in ipairs(check.problems(cfg)) do
    assert.is_nil(problem.message:find "%%")
  end
  return check.problems(cfg)
end

describe("a rule is never reached", function()
  it("behind one without conditions that starts wherever it does", function()
    local found = warned({ rule { set_category = VIP }, rule { when = BIG } }, "rules[2] rule_unreachable")
    assert.same({ trigger = "sale_won", company = "example", category = LEAD, sale = { amount = 100 } },
      found[1].example)
    assert.matches("in front of it, as rules[1] is for category 1 (c1)", found[1].message, 1, true)
    warned({ rule { from = ALL }, rule { when = BIG, from = { groups = { "customer" }, categories = { LEAD } } } },
      "rules[2] rule_unreachable")
    warned({ rule { from = { categories = { LEAD, 2 } } },
      rule { from = { groups = { "partner" }, categories = { 2 } } } }, "rules[2] rule_unreachable")
  end)

  it("behind several that start there together", function()
    local found = warned({ rule { from = { groups = { "customer" } }, set_category = OLD }, rule(),
      rule { from = ALL, set_category = VIP }, rule { from = { groups = { "customer", "potential_customer" } } } },
      "rules[4] rule_unreachable")
    assert.equal(LEAD, check.problems(with { rule(), rule { set_category = VIP } })[1].example.category)
    assert.equal(VIP, found[1].example.category)
  end)

  for name, rules in pairs {
    ["when those in front have conditions"] = { rule { when = BIG }, rule { set_category = VIP } },
    ["when those in front are off"] = { rule { enabled = false }, rule { set_category = VIP } },
    ["when it starts elsewhere, too"] = { rule(), rule { set_category = VIP, from = ALL } },
    ["when it starts elsewhere only"] = { rule(), rule { set_category = VIP, from = { groups = { "customer" } } } },
    ["when it is of another trigger"] = { rule(), LOST },
    ["when it stands in front"] = { rule { when = BIG, set_category = VIP }, rule { when = NORWAY }, rule() },
  } do
    it("except " .. name, function()
      warned(rules)
    end)
  end

  it("of another lead status only when it is named", function()
    local function of_status(id, to)
      return rule { trigger = STATUS, lead_status = id, set_category = to }
    end
    warned({ LOST, of_status(1, CUSTOMER), of_status(2, CUSTOMER), of_status(1, VIP) }, "rules[4] rule_unreachable")
  end)

  it("when it can start nowhere", function()
    warned({ LOST, rule { from = { groups = { "partner" } } } }, "rules[2] rule_never_fires")
    warned({ LOST, rule { from = { categories = { CUSTOMER } } } }, "rules[2] rule_never_fires")
    local found = warned({ LOST, rule { trigger = STATUS, lead_status = 1, from = { categories = { 2 } } } },
      "rules[2] rule_never_fires")
    assert.matches("in its `from` and has lead_status", found[1].message, 1, true)
    found = warned({ LOST, rule { forward_only = true, from = { categories = { VIP } } } },
      "rules[2] forward_only_blocks")
    assert.equal(VIP, found[1].example.category)
  end)
end)

describe("forward_only", function()
  it("is warned of where a rank is missing", function()
    warned({ rule { forward_only = true } })
    warned({ rule { forward_only = true, set_category = OLD } }, "rules[1].forward_only rank_missing")
    local found = warned({ LOST, rule { forward_only = true, from = ALL } }, "rules[2].forward_only rank_missing")
    assert.equal(OLD, found[1].example.category)
    found = warned({ LOST, rule { forward_only = true, from = { categories = { LEAD, OLD } } } },
      "rules[2].forward_only rank_missing")
    assert.equal("rules[2].forward_only holds nothing back from category 5 (c5), as that has no rank", found[1].message)
  end)

  it("leads out of what has a lower rank only", function()
    warned({ rule { forward_only = true, set_category = LEAD, from = ALL } }, "categories[1] category_dead_end",
      "categories[2] category_dead_end", "rules[1].forward_only rank_missing")
  end)
end)

describe("rules that lead back", function()
  local function rounds(won, lost)
    won.set_category, lost.trigger, lost.set_category = LEAD, "sale_lost", 2
    return { rule(won), rule(lost), rule { trigger = "sale_registered", ask = true } }
  end

  it("are certain without conditions, and can with them", function()
    local found = warned(rounds({}, {}), "rules[1] rule_chain", "rules[2] rule_cycle")
    assert.matches("^rules%[2%] leads from", found[2].message)
    for _, pair in ipairs { { { when = BIG }, {} }, { {}, { when = BIG } }, { { when = BIG }, { when = NORWAY } } } do
      found = warned(rounds(unpack(pair)), unpack { pair[1].when and "rules[2] rule_can_cycle" or "rules[1] rule_chain",
        not pair[1].when and "rules[2] rule_can_cycle" or nil })
      found = found[#found]
      assert.matches("can lead from category 1 (c1) to category 2 (c2), and rules[1] can lead back", found.message,
        1, true)
      assert.same({ trigger = "sale_won", company = "example", category = 2, sale = pair[1].when and { amount = 100 } },
        { trigger = found.example.trigger, company = found.example.company, category = found.example.category,
          sale = pair[1].when and found.example.sale })
    end
  end)

  it("do not, where ranks or `from` forbid it", function()
    warned(rounds({ when = BIG, forward_only = true }, {}), "rules[1] forward_only_blocks")
    warned(rounds({ when = BIG, from = { categories = { CUSTOMER } } }, {}))
  end)
end)

describe("conditions of a group", function()
  local function group(...)
    return rule { when = { { condition("other", "known"), ... } } }
  end
  local x = function(is, value) return condition("sale.x", is, value) end

  -- The conditions; whether they exclude each other: always, or unless the fact is a list.
  for i, row in ipairs {
    { { x("known"), x("unknown") }, "always" }, { { x("equals", 1), x("unknown") }, "always" },
    { { x("equals", "a"), x("not_equals", "A") }, "always" },
    { { x("one_of", { 1, 2 }), x("none_of", { 2, 1, 3 }) }, "always" },
    { { x("all_one_of", { 1, 2 }), x("equals", 3) }, "always" },
    { { x("all_one_of", { 1 }), x("all_one_of", { 2 }) }, "always" },
    { { x("equals", "a"), x("equals", "b") }, "scalar" }, { { x("one_of", { 1, 2 }), x("one_of", { 3 }) }, "scalar" },
    { { x("above", 5), x("below", 5) }, "scalar" }, { { x("at_least", 5), x("below", 5) }, "scalar" },
    { { x("at_least", 6), x("at_most", 5) }, "scalar" }, { { x("at_least", "b"), x("below", "A") }, "scalar" },
    { { x("above", 5), x("contains", "a") }, "scalar" }, { { x("equals", 5), x("above", 5) }, "scalar" },
    { { x("equals", "abc"), x("starts_with", "B") }, "scalar" }, { { x("equals", true), x("equals", 1) }, "scalar" },
    { { x("equals", "Å"), x("equals", "A") }, "scalar" }, { { x("above", "Ø"), x("below", "æ") }, "scalar" },
    { { x("equals", "STRASSE"), x("not_equals", "Straße") }, "always" },
    { { condition("category", "equals", LEAD), condition("category", "equals", 2) }, "always" },
    { { condition("category.rank", "above", 2), condition("category.rank", "at_most", 2) }, "always" },

    { { x("equals", "a"), x("equals", "A") } }, { { x("equals", "Å"), x("equals", "å") } },
    { { x("equals", "k"), x("equals", "\226\132\170") } }, -- U+212A, the sign of kelvin
    { { x("unknown"), x("not_equals", 1), x("none_of", { 2 }) } }, { { x("known"), x("not_equals", 1) } },
    { { x("at_least", 5), x("at_most", 5) } }, { { x("above", 3), x("below", 4) } }, { { x("one_of", { 1, "a" }),
      x("contains", "A") } },
    { { x("one_of", { 1, 2 }), x("none_of", { 2 }) } }, { { x("all_one_of", { 1, 2 }), x("one_of", { 2, 3 }) } },
    { { x("above", 5), condition("sale.y", "below", 5) } }, { { x("above", "Æ"), x("below", "ø") } },
  } do
    it(("exclude each other: %s (%d)"):format(row[2] or "no", i), function()
      local cfg = with { group(unpack(row[1])) }
      local found = {}
      for _, problem in ipairs(check.problems(cfg)) do
        found[#found + 1] = problem.code == "conditions_exclude" and problem or nil
      end
      assert.equal(row[2] and 1 or 0, #found)
      if row[2] then
        assert.equal("rules[1].when[1]", found[1].path)
        assert.equal(row[2] == "scalar", found[1].message:find("unless that is a list", 1, true) ~= nil)
      end
    end)
  end

  it("in other groups do not", function()
    warned { rule { when = { { x("equals", 1) }, { x("equals", 2) }, { x("unknown") } } } }
  end)

  it("name a category where the rule does not start", function()
    local function of(is, value, from)
      return rule { from = from, when = { { condition("category", is, value) } } }
    end
    local WHERE = "rules[1].when[1][1] condition_never_holds"
    local found = warned({ of("equals", VIP), LOST }, WHERE)
    assert.equal(LEAD, found[1].example.category)
    warned({ of("one_of", { VIP, OLD }), LOST }, WHERE)
    warned({ of("equals", CUSTOMER, ALL), LOST }, WHERE) -- its own target
    warned({ of("one_of", { VIP, LEAD }), LOST })
    warned({ of("not_equals", VIP), LOST })
    warned({ of("equals", VIP, ALL), LOST })
  end)

  it("compare a field with values of one type", function()
    local found = warned({ rule { when = BIG }, rule { when = { { condition("sale.amount", "equals", "100") } } } },
      "rules[2].when[1][1].value type_differs")
    assert.equal("rules[2].when[1][1].value is a text, but rules[1].when[1][1] compares sale.amount with a number: "
      .. "values of different types are never equal", found[1].message)
    assert.same({ amount = 100 }, found[1].example.sale)
    warned({ rule { when = { { condition("category.rank", "above", "1") } } } },
      "rules[1].when[1][1].value type_differs")
    warned { rule { when = { { condition("sale.x", "one_of", { 1, "1" }) }, { condition("sale.x", "equals", 1) } } } }
  end)

  it("are not judged while the rule is off", function()
    warned { LOST, rule { enabled = false, when = { { x("known"), x("unknown") } } } }
  end)
end)

describe("the preset tiers", function()
  it("is an example without problems, and superoffice otherwise", function()
    local cfg, plain = preset.get "tiers", preset.get "superoffice"
    assert.same({}, check.problems(cfg))
    local keys, names = {}, {}
    for i, each in ipairs(cfg.rules) do
      keys[i] = config.rule_key(each.trigger, each.lead_status, each.id)
        .. (each.enabled and ">" .. each.set_category or "")
    end
    for i, item in ipairs(cfg.categories) do
      names[i] = config.name(item)
      assert.equal(i, item.rank)
      local same = config.find(plain.categories, item.id)
      assert.same(same and same.name or item.name, item.name)
    end
    assert.equal("sale_registered sale_won#1>10 sale_won#2>9 sale_won>5 sale_lost lead_status_set",
      table.concat(keys, " "))
    assert.equal("Lead, Marketing qualified lead, Opportunity, Lost opportunity, Customer, A customer, VIP, Partner, "
      .. "Lost, Other", table.concat(names, ", "))
    assert.same(plain.lead_statuses, cfg.lead_statuses)
    for _, each in ipairs(plain.rules) do
      assert.is_nil(each.from or each.when or each.id)
    end
  end)

  it("says everything in six languages", function()
    local cfg = preset.get "tiers"
    local texts = { cfg.rules[2].name, cfg.rules[3].name, cfg.rules[4].name }
    for _, item in ipairs(cfg.categories) do
      texts[#texts + 1], texts[#texts + 2] = item.name, item.description
    end
    assert.equal(3 + 20, #texts)
    for _, text in ipairs(texts) do
      for _, language in ipairs { "en", "no", "sv", "da", "de", "nl" } do
        assert.is_string(text[language], text.en .. " in " .. language)
      end
    end
  end)
end)

describe("warnings of many rules", function()
  local function work(cfg)
    local steps = 0
    debug.sethook(function() steps = steps + 1 end, "", 1000)
    local problems = check.problems(cfg)
    debug.sethook()
    assert.is_false(check.has_errors(problems))
    return steps, problems
  end

  local function big(count, make)
    local cfg = with(many(count, make))
    for i = 6, 105 do
      cfg.categories[i] = category(i, i % 2 == 0 and "potential_customer" or "customer", i)
    end
    return cfg
  end

  for name, make in pairs {
    ["without conditions"] = function() return rule() end,
    ["that go round"] = function(i)
      return rule { trigger = i % 2 == 0 and "sale_won" or "sale_lost", when = BIG, set_category = 6 + 2 * (i % 50) }
    end,
    ["with starts of their own"] = function(i)
      return rule { from = { categories = many(50, function(j) return 5 + j end) }, when = BIG,
        set_category = 6 + i % 100,
        forward_only = i % 3 == 0 }
    end,
    ["with conditions that exclude each other"] = function(i)
      return rule { when = { many(10, function(j) return condition("sale.x" .. j % 3, "equals", i + j) end) } }
    end,
  } do
    it("grow with their number, not with its square, and do not flood: " .. name, function()
      local few, many_of_them = work(big(100, make)), big(1000, make)
      local steps, problems = work(many_of_them)
      assert.is_true(steps < 25 * few + 100, ("%d and %d"):format(few, steps))
      assert.is_true(#problems <= 5 * 8, tostring(#problems))
    end)
  end
end)
