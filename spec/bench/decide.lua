--- What a decision costs, beside a hand-written Lua decision that gives the same three values, in one run. Prints the
--- median of the rounds' ratios: below 1 leadcat is cheaper.

local leadcat = require "leadcat"

local ROUNDS, CALLS = 15, 1000000

local cfg = leadcat.preset "superoffice"
for i, rule in ipairs(cfg.rules) do
  rule.enabled, rule.set_category = true, ({ 3, 5, 4, 2 })[i]
  rule.lead_status = rule.trigger == "lead_status_set" and 5 or nil
end

-- What an integrator would write by hand: tables of categories and rules, and the same six checks.
local function by_hand()
  local categories, rules, statuses = {}, {}, {}
  for _, category in ipairs(cfg.categories) do
    categories[category.id] = category
  end
  for _, rule in ipairs(cfg.rules) do
    if rule.trigger == "lead_status_set" then
      rules[rule.trigger], statuses[rule.lead_status] = true, rule
    else
      rules[rule.trigger] = rule
    end
  end
  return function(trigger, category, lead_status)
    local rule = rules[trigger]
    if not rule then
      return "none", nil, "rule_disabled"
    end
    local from = categories[category]
    if not from then
      return "none", nil, "unknown_category"
    elseif from.group ~= "potential_customer" then
      return "none", nil, "not_potential_customer"
    end
    if trigger == "lead_status_set" then
      if not from.lead_status then
        return "none", nil, "lead_status_not_enabled"
      end
      rule = statuses[lead_status]
      if not rule then
        return "none", nil, "lead_status_not_matched"
      end
    end
    if rule.set_category == category then
      return "none", nil, "already_in_category"
    end
    return rule.ask and "confirm" or "update", rule.set_category, "matched"
  end
end

local EVENTS = {
  { "sale_won", 1 }, { "sale_registered", 3 }, { "sale_lost", 3 }, { "sale_won", 5 },
  { "lead_status_set", 1, 5 }, { "lead_status_set", 4, 5 }, { "sale_lost", 8 }, { "lead_status_set", 3, 1 },
}

local function check(decide, expected)
  for _, event in ipairs(EVENTS) do
    local a, b, c = decide(event[1], event[2], event[3])
    local x, y, z = expected(event[1], event[2], event[3])
    assert(a == x and b == y and c == z, event[1])
  end
end

local function time(decide)
  local begun, n = os.clock(), #EVENTS
  for i = 1, CALLS do
    local event = EVENTS[i % n + 1]
    decide(event[1], event[2], event[3])
  end
  return (os.clock() - begun) / CALLS * 1e9
end

local function median(list)
  table.sort(list)
  return list[(#list + 1) / 2]
end

local directory = os.tmpname()
os.remove(directory)
local engine = assert(leadcat.open { path = directory })
assert(engine:save(cfg))
local decider, hand = engine:decider(), by_hand()
check(decider, hand)

local ours, theirs, ratios = {}, {}, {}
for round = 1, ROUNDS do
  ours[round], theirs[round] = time(decider), time(hand)
  ratios[round] = ours[round] / theirs[round]
end
engine:close()
os.execute("rm -r '" .. directory .. "'")
print(("%-28s decider %6.1f ns   by hand %6.1f ns   ratio %.2f (medians of %d)"):format(
  rawget(_G, "jit") and rawget(_G, "jit").version or _VERSION, median(ours), median(theirs), median(ratios), ROUNDS))
