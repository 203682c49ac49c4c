--- Warns of rules that work badly together. `check.lua` checks each part by itself.
--
-- A rule starts from the categories of its `from`, else from every potential customer; a rule of a lead status from those
-- with lead status; none from its own target. Most moves on and back are intended: a registered sale is won or lost, a
-- lost company buys after all. The warnings:
--
--   rule_never_fires       no category is a start, or only the rule's own target is
--   forward_only_blocks    every start has a higher rank than the target
--   rule_unreachable       wherever it starts, an earlier rule without conditions decides at once
--   rule_hidden            another check or rule always comes first. A lead status: only the target has lead status, though
--                          there are other potential customers. A won or lost sale: registering it has set, without asking,
--                          a category that this rule does not start from.
--   rule_cycle             two rules that one reopened sale, or one contact, can trigger in turn lead to each other's start:
--                          won and lost, or two lead statuses (only the first two of each are reported)
--   rule_can_cycle         the same, where one of them has conditions
--   rule_chain             a won sale leaves the company a potential customer that another rule moves on at once
--   category_dead_end      a live potential customer that no enabled rule leads out of, while some rule is enabled
--
-- A rule that takes back what a sale did starts and leads anywhere: it is only in the way of those behind it.
--
-- A rule gets the first of these that applies. Only `rule_hidden` depends on whether a rule asks. One with `after` hides none
-- behind it, and goes round with none; nor does one on trial (`shadow`), which leads nowhere either. Besides:
--
--   rank_missing           `forward_only` holds nothing back, as a rank is unknown
--   conditions_exclude     two conditions of a group exclude each other
--   condition_never_holds  a condition on the category names none that the rule starts from
--   type_differs           a field is compared with values of several types (its first two are reported)
--
-- Of what conditions are about only the first eight of each are reported.

local conflicts = require "leadcat.rules.conflicts"
local no_sale = require "leadcat.rules.no_sale"
local schema = require "leadcat.rules.schema"

local lint = {}

local MAX_DEAD_ENDS = 8 -- reported one by one
local MAX_REPORTED = 8 -- of a code
local MAX_COMPARED = 50 -- rules of a trigger that are compared with each of another one
local BY_STATUS = "lead_status_set"
local ANYWHERE = { groups = { "potential_customer" }, categories = {} }

---@class leadcat.Place an enabled rule
---@field index integer
---@field rule leadcat.Rule
---@field key string its trigger, and its lead status
---@field groups string[] where it starts
---@field categories integer[] where it starts, too
---@field starts table<string|integer, true> both
---@field always boolean it has no conditions
---@field at_once boolean it decides at once, and is not on trial

---@class leadcat.lint.Flow
---@field found leadcat.Problem[]
---@field places leadcat.Place[] the enabled rules
---@field first? leadcat.Place the first that is not on trial
---@field by_trigger table<string, leadcat.Place[]> the first of each, at most MAX_COMPARED
---@field in_turn table<string, leadcat.Place[]> those that can be triggered in turn with a rule of this trigger; likewise
---@field categories leadcat.Category[]
---@field by_id table<integer, leadcat.Category>
---@field potential? leadcat.Category the first potential customer
---@field lowest table<string, leadcat.Category[]> the two of the lowest rank of each group; without a rank is lowest
---@field lowest_of_status table<string, leadcat.Category[]> of those with lead status
---@field taken table<string, table<string|integer, integer>> by key, then group or category, or "anywhere": the first rule without conditions that starts there
---@field name fun(id: integer): string
---@field counts table<string, integer> how often a code was reported

-- Where rules start and lead ---------------------------------------------------------------------------------------------

-- Whether a rule may start from the category, unless it is the rule's target.
local function can_start(place, category)
  return (place.starts[category.group] or place.starts[category.id] or false)
    and (place.rule.trigger ~= BY_STATUS or category.lead_status == true)
end

-- Whether the rule would change the category, if it decides.
local function would_change(flows, place, category)
  local target = flows.by_id[place.rule.set_category]
  local is_lower = target.rank and category.rank and target.rank < category.rank
  return target ~= category and not (place.rule.forward_only and is_lower)
end

-- The earlier rule without conditions that decides in the category instead.
local function taken_by(flows, place, category)
  local taken = flows.taken[place.key] or {}
  local index = math.min(taken[category.group] or math.huge, taken[category.id] or math.huge,
    taken.anywhere or math.huge)
  return index < place.index and index or nil
end

local function leads_out(flows, place, id)
  local category = flows.by_id[id]
  return can_start(place, category) and would_change(flows, place, category) and not taken_by(flows, place, category)
end

-- A category where the rule starts that passes the test. Of a group, those of the lowest rank are enough.
local function find_start(flows, place, test)
  local lowest = place.rule.trigger == BY_STATUS and flows.lowest_of_status or flows.lowest
  for _, group in ipairs(place.groups) do
    for _, category in ipairs(lowest[group] or {}) do
      if test(category) then
        return category
      end
    end
  end
  for _, id in ipairs(place.categories) do
    local category = flows.by_id[id]
    if can_start(place, category) and test(category) then
      return category
    end
  end
end

local function first_start(flows, place)
  return find_start(flows, place, function(category) return would_change(flows, place, category) end)
end

-- Warnings ---------------------------------------------------------------------------------------------------------------

-- Adds a warning, with this rule's event for a company in this category as the example.
local function warn(flows, rule, category, path, ...)
  schema.warn(flows.found, path, ...)
  local example = {
    trigger = rule.trigger, lead_status = rule.trigger == BY_STATUS and rule.lead_status or nil, company = "example",
    category = category, facts = no_sale.facts(rule),
  }
  flows.found[#flows.found].example = example
  return example
end

-- The same for a code that may be found many times; with facts for a group of conditions.
local function warn_few(flows, rule, group, category, path, code, ...)
  flows.counts[code] = (flows.counts[code] or 0) + 1
  if flows.counts[code] <= MAX_REPORTED then
    conflicts.add_facts(warn(flows, rule, category, path, code, ...), group or {})
  end
end

local function path_of(place)
  return ("rules[%d]"):format(place.index)
end

-- Rules; each function says whether it warned ---------------------------------------------------------------------

-- The category that passes the most checks of the rule.
local function nearest_start(flows, place)
  local rule = place.rule
  if rule.from or can_start(place, flows.by_id[rule.set_category]) then
    local start = find_start(flows, place, function() return true end)
    return start and start.id or rule.set_category
  end
  return flows.potential and flows.potential.id or rule.set_category
end

local function is_blocked(flows, place)
  local target = flows.by_id[place.rule.set_category]
  local start = find_start(flows, place, function(category) return category ~= target end)
  if not place.rule.forward_only or not start then
    return false
  end
  warn_few(flows, place.rule, nil, start.id, path_of(place), "forward_only_blocks",
    "can never set category %s: it is forward_only, and all categories where it starts, such as %s, have a higher rank",
    flows.name(target.id), flows.name(start.id))
  return true
end

local function never_fires(flows, place)
  local rule = place.rule
  if first_start(flows, place) then
    return false
  elseif is_blocked(flows, place) then
    return true
  end
  local candidates = flows.lowest.potential_customer or {}
  if not rule.from and can_start(place, flows.by_id[rule.set_category]) and #candidates > 1 then
    warn(flows, rule, rule.set_category, path_of(place), "rule_hidden",
      "can never set category %s: only that one has lead_status, so the other potential customers are passed over",
      flows.name(rule.set_category))
    return true
  end
  local kind = rule.from and "in its `from`" or "a potential_customer"
  warn(flows, rule, nearest_start(flows, place), path_of(place), "rule_never_fires",
    "can never set category %s: no other category it could start from is %s", flows.name(rule.set_category),
    rule.trigger == BY_STATUS and kind .. (rule.from and " and has lead_status" or " with lead_status") or kind)
  return true
end

-- The rule that stands in front of all of a rule's starts; the first of them, when there are several.
local function obstacle(flows, place)
  local taken, first = flows.taken[place.key] or {}, nil
  if (taken.anywhere or math.huge) < place.index then
    return taken.anywhere
  end
  for _, group in ipairs(place.groups) do
    if flows.lowest[group] then -- there are categories
      if (taken[group] or math.huge) >= place.index then
        return nil
      end
      first = first or taken[group]
    end
  end
  for _, id in ipairs(place.categories) do
    local category = flows.by_id[id]
    local index = taken_by(flows, place, category)
    if can_start(place, category) and not index then
      return nil
    end
    first = first or index
  end
  return first
end

local function is_unreachable(flows, place)
  if not obstacle(flows, place) then
    return false
  end
  local start = first_start(flows, place)
  warn_few(flows, place.rule, place.rule.when and place.rule.when[1], start.id, path_of(place), "rule_unreachable",
    "can never set category %s: wherever it starts, a rule without conditions is in front of it, as rules[%d] is for "
      .. "category %s", flows.name(place.rule.set_category), taken_by(flows, place, start), flows.name(start.id))
  return true
end

local IS_LATER = { sale_won = true, sale_lost = true } -- than the sale's registration

local function is_hidden(flows, place)
  local before = flows.by_trigger.sale_registered[1]
  if not before or not before.always or before.rule.ask or before.rule.from or before.rule.forward_only
      or not IS_LATER[place.rule.trigger] or place.rule.from then
    return false
  end
  local at = flows.by_id[before.rule.set_category]
  if can_start(place, at) and would_change(flows, place, at) then
    return false
  end
  warn(flows, place.rule, at.id, path_of(place), "rule_hidden",
    "hardly ever sets category %s: a sale is registered first, and %s has then set category %s, where this rule does "
      .. "not start", flows.name(place.rule.set_category), path_of(before), flows.name(at.id))
  return true
end

-- An earlier rule that the same sale or contact can trigger in turn with this one, and that leads back: one without
-- conditions, else the first.
local function partner_of(flows, place)
  local first
  for _, other in ipairs(flows.in_turn[place.rule.trigger] or {}) do
    if other.index >= place.index then
      break
    elseif other.key ~= place.key and leads_out(flows, place, other.rule.set_category)
        and leads_out(flows, other, place.rule.set_category) then
      first = first or other
      if other.always then
        return other
      end
    end
  end
  return first
end

local function goes_round(flows, place)
  local other = place.at_once and partner_of(flows, place)
  local certain = other and other.always and place.always
  local code = certain and "rule_cycle" or "rule_can_cycle"
  local name = code .. (place.rule.trigger == BY_STATUS and BY_STATUS or "")
  if not other or flows.counts[name] then
    return false
  end
  flows.counts[name] = 1
  local from, to = flows.name(other.rule.set_category), flows.name(place.rule.set_category)
  local example = warn(flows, other.rule, place.rule.set_category, path_of(place), code, certain
      and "leads from category %s to category %s, and %s leads back: a company can go round for ever"
      or "can lead from category %s to category %s, and %s can lead back: where their conditions hold, a company can "
        .. "go round for ever", from, to, path_of(other))
  conflicts.add_facts(example, other.rule.when and other.rule.when[1] or {})
  return true
end

local MOVERS = { "sale_registered", "sale_lost", BY_STATUS }

-- The first rule without conditions that moves companies on from where a won sale has left them.
local function mover(flows, place)
  local first
  for _, trigger in ipairs(MOVERS) do
    for _, other in ipairs(flows.by_trigger[trigger]) do
      local round = trigger == "sale_lost" and leads_out(flows, place, other.rule.set_category) -- reported already
      if other.always and not round and leads_out(flows, other, place.rule.set_category) then
        first = (not first or other.index < first.index) and other or first
        break
      end
    end
  end
  return first
end

local function moves_on(flows, place)
  local at = place.rule.set_category
  local decides = place.rule.trigger == "sale_won" and place.always and place.at_once
  if not decides or flows.by_id[at].group ~= "potential_customer" then
    return false
  end
  local other = mover(flows, place)
  if other then
    warn(flows, other.rule, at, path_of(place), "rule_chain",
      "leaves companies that have bought potential customers: from category %s, %s (%s) moves them right on to "
        .. "category %s", flows.name(at), path_of(other), other.rule.trigger, flows.name(other.rule.set_category))
  end
  return other ~= nil
end

-- Ranks and conditions ---------------------------------------------------------------------------------------------------

local function check_ranks(flows, place)
  local target = flows.by_id[place.rule.set_category]
  local unranked = not target.rank and target
    or find_start(flows, place, function(category) return category ~= target and not category.rank end)
  if unranked then
    local start = unranked ~= target and unranked or first_start(flows, place)
    warn_few(flows, place.rule, place.rule.when and place.rule.when[1], start.id, path_of(place) .. ".forward_only",
      "rank_missing", "holds nothing back %s category %s, as that has no rank", unranked == target and "on the way to"
        or "from", flows.name(unranked.id))
  end
end

local IDS = { equals = true, one_of = true, all_one_of = true }

-- Whether a condition on the category leaves none from which the rule would set another.
local function is_elsewhere(flows, place, condition)
  if condition.field ~= "category" or not IDS[condition.is] then
    return false
  end
  local any = false -- one that does not exist is warned of already
  for _, id in ipairs(condition.is == "equals" and { condition.value } or condition.value) do
    local category = flows.by_id[id]
    any = any or category ~= nil
    if category and can_start(place, category) and would_change(flows, place, category) then
      return false
    end
  end
  return any
end

local function check_places(flows, place, group, path, start)
  for i, condition in ipairs(group) do
    if is_elsewhere(flows, place, condition) then
      warn_few(flows, place.rule, group, start.id, ("%s[%d]"):format(path, i), "condition_never_holds",
        "can never hold where the rule sets category %s: it starts from none of the categories that this names",
        flows.name(place.rule.set_category))
      return true
    end
  end
  return false
end

local function check_exclusion(flows, place, group, path, start)
  local by_field, fields = conflicts.by_field(group)
  for _, field in ipairs(fields) do
    local verdict = #by_field[field] > 1 and conflicts.verdict(by_field[field])
    if verdict then
      local certain = verdict == "never" or field == "category" or field == "category.rank"
      warn_few(flows, place.rule, group, start.id, path, "conditions_exclude",
        "never holds%s: its conditions on %s exclude each other",
        certain and "" or ", unless that is a list of several", schema.short(field))
      return
    end
  end
end

local RANK = { kind = "number", said = "a category's rank is a number", group = {} }
local NOUN = { number = "a number", string = "a text", boolean = "true or false" }

-- Notes with what a field is compared first, and warns of the first other type.
local function check_types(flows, place, group, path, start)
  for i, condition in ipairs(group) do
    local field = condition.field
    local kind = field ~= "category" and conflicts.type_of(condition) -- `conditions.lua` has checked categories
    local first = flows.types[field]
    if kind and not first then
      flows.types[field] = { kind = kind, group = { condition },
        said = ("%s[%d] compares %s with %s"):format(path, i, schema.short(field), NOUN[kind]) }
    elseif kind and kind ~= first.kind and not first.is_reported then
      first.is_reported = true
      warn_few(flows, place.rule, first.group, start.id, ("%s[%d].value"):format(path, i), "type_differs",
        "is %s, but %s: values of different types are never equal", NOUN[kind], first.said)
    end
  end
end

local function check_conditions(flows, place)
  local start = first_start(flows, place)
  for i, group in ipairs(place.rule.when or {}) do
    local path = ("%s.when[%d]"):format(path_of(place), i)
    if not check_places(flows, place, group, path, start) then
      check_exclusion(flows, place, group, path, start)
    end
    check_types(flows, place, group, path, start)
  end
end

-- Categories ----------------------------------------------------------------------------------------------------------

-- The two targets to which companies come from the highest ranks; a rule that is not forward_only takes them from any.
local function exits_of(flows, by_status)
  local highest, exits = {}, {}
  for _, place in ipairs(flows.places) do
    local id = place.rule.set_category
    local leads = (place.rule.trigger == BY_STATUS) == by_status and not place.rule.shadow
    if leads and place.starts.potential_customer then
      local rank = place.rule.forward_only and flows.by_id[id].rank or math.huge
      highest[id] = math.max(highest[id] or -math.huge, rank)
    end
  end
  for id, rank in pairs(highest) do
    exits[#exits + 1] = { id = id, rank = rank }
  end
  table.sort(exits, function(a, b) return a.rank > b.rank or a.rank == b.rank and a.id < b.id end)
  return { exits[1], exits[2] }
end

local function has_exit(category, exits)
  for _, exit in ipairs(exits) do
    if exit.id ~= category.id and exit.rank >= (category.rank or -math.huge) then
      return true
    end
  end
  return false
end

-- The categories that rules lead out of by name.
local function named_starts(flows)
  local named = {}
  for _, place in ipairs(flows.places) do
    for _, id in ipairs(place.categories) do
      named[id] = named[id] or not place.rule.shadow and leads_out(flows, place, id)
    end
  end
  return named
end

local function find_dead_ends(flows)
  local sale, status, named = exits_of(flows, false), exits_of(flows, true), named_starts(flows)
  local dead = {}
  for i, category in ipairs(flows.categories) do
    if category.group == "potential_customer" and category.deleted ~= true and not named[category.id]
        and not has_exit(category, sale) and not (category.lead_status == true and has_exit(category, status)) then
      dead[#dead + 1] = i
    end
  end
  return dead
end

local function check_dead_ends(flows)
  local dead = find_dead_ends(flows)
  for i = 1, math.min(#dead, MAX_DEAD_ENDS) do
    local id, rest = flows.categories[dead[i]].id, i == MAX_DEAD_ENDS and #dead - i or 0
    warn(flows, flows.first.rule, id, ("categories[%d]"):format(dead[i]), "category_dead_end",
      "is where companies stay: no enabled rule leads out of category %s%s", flows.name(id),
      rest > 0 and (", nor out of %d more"):format(rest) or "")
  end
end

-- The whole -----------------------------------------------------------------------------------------------------------

-- Puts a category among the two of the lowest rank of its group.
local function note_lowest(lowest, category)
  local two = lowest[category.group] or {}
  local rank = category.rank or -math.huge
  local at = #two + 1
  while at > 1 and rank < (two[at - 1].rank or -math.huge) do
    at = at - 1
  end
  table.insert(two, at, category)
  lowest[category.group], two[3] = two, nil
end

local function set(...)
  local members = {}
  for _, list in ipairs { ... } do
    for _, name in ipairs(list) do
      members[name] = true
    end
  end
  return members
end
ANYWHERE.starts = set(ANYWHERE.groups)

local function new_place(rule, index)
  local groups, categories, starts = ANYWHERE.groups, ANYWHERE.categories, ANYWHERE.starts
  if rule.from then
    groups, categories = rule.from.groups or {}, rule.from.categories or {}
    starts = set(groups, categories)
  end
  return {
    index = index, rule = rule, always = rule.when == nil, at_once = not (rule.after or rule.shadow),
    groups = groups, categories = categories, starts = starts,
    key = rule.trigger == BY_STATUS and rule.lead_status or no_sale.key(rule) or rule.trigger,
  }
end

local function add_first(places, place)
  if #places < MAX_COMPARED then
    places[#places + 1] = place
  end
end

local function add_place(flows, place)
  flows.places[#flows.places + 1] = place
  flows.first = flows.first or not place.rule.shadow and place or nil
  if not place.at_once then
    return -- the others go on as if it were not there
  end
  flows.by_trigger[place.rule.trigger] = flows.by_trigger[place.rule.trigger] or {} -- of an own one
  add_first(flows.by_trigger[place.rule.trigger], place)
  if place.rule.trigger == BY_STATUS and flows.by_id[place.rule.set_category].lead_status == true then
    add_first(flows.in_turn[BY_STATUS], place)
  end
  if place.always then
    local taken = flows.taken[place.key] or {}
    flows.taken[place.key] = taken
    for start in pairs(place.starts) do
      taken[start] = taken[start] or place.index
    end
  end
end

-- A rule that takes back; without conditions it decides wherever the company is.
local function add_anywhere(flows, rule, index)
  local taken = flows.taken[rule.trigger] or {}
  flows.taken[rule.trigger] = taken
  taken.anywhere = taken.anywhere or rule.when == nil and index or nil
end

local function new_flows(found, cfg, by_id, name)
  local by_trigger = {
    sale_registered = {}, sale_won = {}, sale_lost = {}, [BY_STATUS] = {}, sale_reopened = {}, sale_deleted = {},
  }
  local flows = {
    found = found, places = {}, categories = cfg.categories or {}, by_id = by_id, lowest = {}, lowest_of_status = {},
    taken = {}, name = name, counts = {}, types = { ["category.rank"] = RANK },
    by_trigger = by_trigger, in_turn = {
      sale_won = by_trigger.sale_lost, sale_lost = by_trigger.sale_won, [BY_STATUS] = {},
    },
  }
  for _, category in ipairs(flows.categories) do -- deleted ones, too: a company may still stand there
    note_lowest(flows.lowest, category)
    flows.potential = flows.potential or category.group == "potential_customer" and category or nil
    if category.lead_status == true then
      note_lowest(flows.lowest_of_status, category)
    end
  end
  for i, rule in ipairs(cfg.rules or {}) do
    if rule.enabled and rule.take_back and not rule.shadow then
      add_anywhere(flows, rule, i)
    elseif rule.enabled and not rule.take_back then
      add_place(flows, new_place(rule, i))
    end
  end
  return flows
end

local function check_place(flows, place)
  if never_fires(flows, place) or is_unreachable(flows, place) then
    return
  end
  if not (is_hidden(flows, place) or goes_round(flows, place)) then
    moves_on(flows, place)
  end
  if place.rule.forward_only then
    check_ranks(flows, place)
  end
  check_conditions(flows, place)
end

--- Adds the warnings, each with an `example`. Takes time in proportion to the config's size.
---@param found leadcat.Problem[]
---@param cfg leadcat.Config without errors
---@param by_id table<integer, leadcat.Category>
---@param name fun(id: integer): string what a message calls a category
function lint.check(found, cfg, by_id, name)
  local flows = new_flows(found, cfg, by_id, name)
  if flows.first then
    check_dead_ends(flows)
  end
  for _, place in ipairs(flows.places) do
    check_place(flows, place)
  end
end

return lint
