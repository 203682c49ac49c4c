-- Conditions as the core evaluates them, beside a plain second implementation of their contract.

local core = require "leadcat.core"
local check = require "leadcat.rules.check"
local config = require "leadcat.rules.config"
local decider_of = require "leadcat.rules.decider"
local stores = require "support.stores"
local times = require "support.times"

local GROUPS = { "customer", "lost", "potential_customer", "potential_customer", "potential_customer" }
local OWN = { "trial_ended", "contract_expired" } -- as declared; nobody has declared `never_declared`
local TRIGGERS = { "sale_registered", "sale_won", "lead_status_set", "contract_expired" }
local FIELDS = { "sale.amount", "sale.type", "contact.role", "actor.id", "company.country", "company.tags", "category",
  "category.rank" }
-- Some have at most eight bytes when folded, some more: the core keeps these in different places.
local WORDS = { "", "a", "A", "ab", "B", "norway", "NORWAY", "e\204\129", "\195\137", "stra\195\159e", "STRASSE",
  "absolute", "Absolute", "absolutes", "ABSOLUTES", "tramway station", "Tramway Station", "stra\195\159enb",
  "STRASSENBAHN" }
local FOLDED = { ["A"] = "a", ["B"] = "b", ["NORWAY"] = "norway", ["e\204\129"] = "\195\169", ["\195\137"] = "\195\169",
  ["stra\195\159e"] = "strasse", ["STRASSE"] = "strasse", ["Absolute"] = "absolute", ["ABSOLUTES"] = "absolutes",
  ["Tramway Station"] = "tramway station", ["stra\195\159enb"] = "strassenb", ["STRASSENBAHN"] = "strassenbahn" }
local NUMBERS = { 0, 1, 2, 3, 1.5, 100, -1 }

local function pick(list)
  return list[math.random(#list)]
end

local function value_of_any_type()
  local dice = math.random(10)
  return dice <= 4 and pick(NUMBERS) or dice <= 8 and pick(WORDS) or dice == 9
end

-- The contract, in plain Lua ------------------------------------------------------------------------------------------

local function folded(value)
  return type(value) == "string" and (FOLDED[value] or value) or value
end

-- In the order of their bytes, as the core compares; `<` of strings goes by the locale.
local function order(a, b)
  if type(a) == "number" then
    return a < b and -1 or a > b and 1 or 0
  end
  for i = 1, math.max(#a, #b) do
    local x, y = a:byte(i) or -1, b:byte(i) or -1
    if x ~= y then
      return x < y and -1 or 1
    end
  end
  return 0
end

local SINGLE = {
  equals = function(fact, value) return fact == value end,
  at_least = function(fact, value) return order(fact, value) >= 0 end,
  at_most = function(fact, value) return order(fact, value) <= 0 end,
  above = function(fact, value) return order(fact, value) > 0 end,
  below = function(fact, value) return order(fact, value) < 0 end,
  contains = function(fact, value) return fact:find(value, 1, true) ~= nil end,
  starts_with = function(fact, value) return fact:sub(1, #value) == value end,
}

-- Whether one of a fact's values relates to one of the condition's.
local function any(fact, values, relates)
  for _, element in ipairs(type(fact) == "table" and fact or { fact }) do
    for _, value in ipairs(type(values) == "table" and values or { values }) do
      if type(element) == type(value) and relates(folded(element), folded(value)) then
        return true
      end
    end
  end
  return false
end

local function holds(condition, fact)
  local is, value = condition.is, condition.value
  if is == "known" or is == "unknown" then
    return (fact ~= nil) == (is == "known")
  elseif is == "not_equals" or is == "none_of" then
    return fact == nil or not any(fact, value, SINGLE.equals)
  elseif fact == nil then
    return false
  elseif is == "all_one_of" then
    local list = type(fact) == "table" and fact or { fact }
    for _, element in ipairs(list) do
      if not any(element, value, SINGLE.equals) then
        return false
      end
    end
    return #list > 0
  end
  return any(fact, value, SINGLE[is] or SINGLE.equals)
end

local function fact_of(field, event, category)
  if field == "category" then
    return category.id
  elseif field == "category.rank" then
    return category.rank
  end
  local place, name = field:match "^(%a+)%.(.*)$"
  if place == "company" then
    place, name = "facts", field
  end
  return event[place] and event[place][name]
end

local function applies(rule, event, category)
  if not rule.when then
    return true
  end
  for _, group in ipairs(rule.when) do
    local all = true
    for _, condition in ipairs(group) do
      all = all and holds(condition, fact_of(condition.field, event, category))
    end
    if all then
      return true
    end
  end
  return false
end

local function has(list, item)
  for _, one in ipairs(list or {}) do
    if one == item then
      return true
    end
  end
  return false
end

local function starts(rule, category)
  if not rule.from then
    return category.group == "potential_customer"
  end
  return has(rule.from.groups, category.group) or has(rule.from.categories, category.id)
end

local function decide(cfg, trigger, category_id, lead_status, event)
  local enabled, startable, rules, category = 0, {}, {}, config.find(cfg.categories, category_id)
  for _, rule in ipairs(cfg.rules) do
    if rule.enabled and rule.trigger == trigger then
      enabled = enabled + 1
      if category and starts(rule, category) then
        startable[#startable + 1] = rule
        rules[#rules + 1] = (trigger ~= "lead_status_set" or rule.lead_status == lead_status) and rule or nil
      end
    end
  end
  local status = trigger == "lead_status_set"
  local early = enabled == 0 and "rule_disabled" or not category and "unknown_category"
    or #startable == 0 and "not_potential_customer" or status and not category.lead_status and "lead_status_not_enabled"
    or status and #rules == 0 and "lead_status_not_matched"
  if early then
    return "none", nil, early
  end
  for _, rule in ipairs(rules) do
    if applies(rule, event, category) then
      local target = config.find(cfg.categories, rule.set_category)
      if target.id == category.id then
        return "none", nil, "already_in_category"
      elseif rule.forward_only and target.rank and category.rank and target.rank < category.rank then
        return "none", nil, "lower_rank"
      end
      return rule.ask and "confirm" or "update", target.id, "matched", rule
    end
  end
  return "none", nil, "conditions_not_met"
end

-- Random configs and events -------------------------------------------------------------------------------------------

local VALUE = {
  equals = value_of_any_type, not_equals = value_of_any_type,
  contains = function() return pick(WORDS) end, starts_with = function() return pick(WORDS) end,
  known = function() end, unknown = function() end,
}
for _, is in ipairs { "at_least", "at_most", "above", "below" } do
  VALUE[is] = function() return math.random(2) == 1 and pick(NUMBERS) or pick(WORDS) end
end
for _, is in ipairs { "one_of", "none_of", "all_one_of" } do
  VALUE[is] = function()
    local list = {}
    for i = 1, math.random(4) do
      list[i] = value_of_any_type()
    end
    return list
  end
end

local IS = {}
for is in pairs(VALUE) do
  IS[#IS + 1] = is
end
table.sort(IS)

local function random_when()
  local when = {}
  for i = 1, math.random(2) do
    when[i] = {}
    for k = 1, math.random(3) do
      local is = pick(IS)
      when[i][k] = { field = pick(FIELDS), is = is, value = VALUE[is]() }
    end
  end
  return when
end

local function random_rule()
  local trigger = math.random(12) == 1 and "never_declared" or pick(TRIGGERS)
  local status = trigger == "lead_status_set"
  local from = math.random(4) == 1 and {
    groups = math.random(2) == 1 and { status and "potential_customer" or pick(GROUPS) } or nil,
    categories = { math.random(6) },
  } or nil
  return {
    trigger = trigger, lead_status = status and math.random(2) or nil, enabled = math.random(6) > 1,
    set_category = math.random(6), ask = math.random(2) == 1, from = from, forward_only = math.random(4) == 1 or nil,
    when = math.random(4) > 1 and random_when() or nil,
  }
end

local function random_config()
  local cfg = { categories = {}, lead_statuses = { { id = 1, name = "1" }, { id = 2, name = "2" } }, rules = {} }
  for i = 1, 6 do
    local group = pick(GROUPS)
    cfg.categories[i] = {
      id = i, name = "c" .. i, group = group, rank = math.random(3) > 1 and math.random(3) or nil,
      lead_status = group == "potential_customer" and math.random(3) > 1,
    }
  end
  for i = 1, math.random(8) do
    cfg.rules[i] = random_rule()
  end
  return config.normalize(cfg)
end

local function random_fact()
  local dice = math.random(8)
  if dice == 1 then
    return nil
  elseif dice > 3 then
    return value_of_any_type()
  end
  local list = {}
  for i = 1, math.random(0, 3) do
    list[i] = value_of_any_type()
  end
  return list
end

local function random_event()
  return {
    sale = math.random(4) > 1 and { amount = random_fact(), type = random_fact() } or nil,
    contact = math.random(4) > 1 and { role = random_fact() } or nil,
    actor = math.random(4) > 1 and { id = "a" } or nil,
    facts = { ["company.country"] = random_fact(), ["company.tags"] = random_fact() },
  }
end

local function same(expected, found, context)
  if expected[1] ~= found[1] or expected[2] ~= found[2] or expected[3] ~= found[3] then
    assert.same({ expected, context }, { found, context })
  end
end

describe("conditions", function()
  after_each(stores.check)

  it("decide as their contract says, whoever asks", function()
    math.randomseed(20261127)
    local reasons = {}
    for _ = 1, times(400) do
      local cfg = random_config()
      assert.is_false(check.has_errors(check.problems(cfg, OWN)))
      local plain, rules = core.decider(cfg, OWN)
      local fast, explain = decider_of.new(plain, rules), core.explainer(cfg, OWN)
      for _ = 1, 60 do
        local trigger, category, status, event = pick(TRIGGERS), math.random(7), math.random(3), random_event()
        local expected = { decide(cfg, trigger, category, status, event) }
        local context = { cfg.rules, trigger, category, status, event }
        reasons[expected[3]] = true
        same(expected, { plain(trigger, category, status, event) }, context)
        same(expected, { fast(trigger, category, status, event) }, context)
        same(expected, { explain(trigger, category, status, event) }, context)
      end
    end
    for _, reason in ipairs { "matched", "conditions_not_met", "lower_rank", "already_in_category",
      "not_potential_customer", "lead_status_not_matched", "rule_disabled" } do
      assert.is_true(reasons[reason], reason)
    end
  end)

  it("compare texts of any length, byte by byte", function()
    local long = "AbCdEfGhIjKl"
    for size = 0, #long do
      local cfg = random_config()
      local value = long:sub(1, size)
      cfg.categories[1].group, cfg.categories[1].rank = "potential_customer", nil
      cfg.rules = { { trigger = "sale_won", enabled = true, set_category = 2, ask = false } }
      local function holds_for(is, fact)
        cfg.rules[1].when = { { { field = "sale.type", is = is, value = value } } }
        local fast = decider_of.new(core.decider(cfg, OWN))
        return select(3, fast("sale_won", 1, nil, { sale = { type = fact } })) == "matched"
      end
      assert.is_true(holds_for("equals", value:lower()), value)
      assert.is_true(holds_for("starts_with", long), value)
      assert.is_true(holds_for("contains", long:upper()), value)
      for at = 1, size do
        local other = value:sub(1, at - 1) .. "#" .. value:sub(at + 1)
        assert.is_false(holds_for("equals", other), other)
        assert.is_false(holds_for("starts_with", other .. "m"), other)
      end
    end
  end)

  it("handle and simulate alike", function()
    math.randomseed(4711)
    for _ = 1, times(25) do
      local cfg = random_config()
      local engine = stores.open { triggers = { { trigger = OWN[1] }, { trigger = OWN[2] } } }
      assert(engine:save(cfg, { actor = { id = 1, admin = true } }))
      local events, stands = {}, {}
      for i = 1, 60 do
        local event = random_event()
        event.trigger, event.company, event.lead_status = pick(TRIGGERS), "c" .. math.random(20), math.random(3)
        events[i] = event
        stands[event.company] = stands[event.company] or math.random(6)
      end
      for company, category in pairs(stands) do
        engine.host:create(company, category)
        table.insert(events, 1, { trigger = "sale_lost", company = company, category = category })
      end
      local report = assert(engine:simulate(events, { config = cfg }))
      local matched, kept = 0, 0
      for _, event in ipairs(events) do
        local action, to, reason, rule = decide(cfg, event.trigger, stands[event.company], event.lead_status, event)
        local outcome = assert(engine:handle(event))
        assert.equal(reason, outcome.reason)
        assert.equal(to, outcome.to)
        assert.equal(action, outcome.action)
        if rule then
          assert.equal(config.rule_key(rule.trigger, rule.lead_status, rule.id), outcome.rule)
        end
        matched = matched + (action == "none" and 0 or 1)
        if outcome.confirmation then
          assert(engine:resolve(outcome.confirmation, { accept = true }, { actor = { id = 1, admin = true } }))
        end
        stands[event.company] = to or stands[event.company]
      end
      for _, counts in pairs(report.outcomes) do
        kept = kept + (counts.update or 0) + (counts.confirm or 0)
      end
      assert.equal(matched, kept)
      engine:close()
    end
  end)
end)
