--- What the answers teach: where users often choose another category than the one that a rule proposes, the condition that tells these cases
-- from the others, as a rule that could be added. README.md beside this file says when one is suggested.

local answers = require "leadcat.insight.answers"
local chance = require "leadcat.insight.chance"
local check = require "leadcat.rules.check"
local config = require "leadcat.rules.config"
local core = require "leadcat.core"
local explain = require "leadcat.rules.explain"
local json = require "leadcat.util.json"
local options_of = require "leadcat.util.options"
local platform = require "leadcat.util.platform"
local refinement = require "leadcat.rules.refinement"
local separation = require "leadcat.insight.separation"
local settings = require "leadcat.rules.save"
local words = require "leadcat.words.suggestion"

---@class leadcat.engine.suggest: leadcat.Engine the engine's methods that stand here
local suggest = {}

local DAY = 86400
local DAYS, MOST_DAYS = 365, 3650
local CASES, SHARE, MARGIN, DOUBT = 30, 0.5, 0.2, 0.01
local MOST_FIELDS, MOST_FOUND = 32, 20
local MOST_STEPS = 1000 -- cases between two pauses

local function part(least, most)
  return options_of.kind(("a number from %g to %g"):format(least, most), function(value)
    return type(value) == "number" and value >= least and value <= most
  end)
end

---@class (exact) leadcat.SuggestOptions
---@field rule? string only about the rule with this key
---@field days? integer answers of so many days: 1 to 3,650, default 365
---@field cases? integer how many cases the conditions must hold for: 10 to 10,000, default 30
---@field share? number the part of these in which the other category was chosen: 0.5 to 1, default 0.5
---@field margin? number how much larger that part must be than in the other cases: 0.05 to 0.95, default 0.2
---@field doubt? number how probable a suggestion of chance alone may be: 0.000001 to 0.05, default 0.01
---@field language? string of the sentences

local OPTIONS = {
  rule = options_of.of_type("string", "a rule's key, such as sale_won#7"), days = options_of.whole(1, MOST_DAYS),
  cases = options_of.whole(10, 10000), share = part(0.5, 1), margin = part(0.05, 0.95), doubt = part(0.000001, 0.05),
  language = options_of.of_type("string", "a language tag"),
}
suggest.OPTIONS = OPTIONS

---@class leadcat.SuggestCount
---@field cases integer
---@field chosen integer in how many of them the suggested category was chosen

---@class leadcat.Suggestion
---@field rule string key of the rule whose proposals users change
---@field proposed integer the category that it proposes
---@field to integer the category that they choose
---@field conditions leadcat.Condition[] one, or two that both have to hold
---@field add leadcat.Rule what to add in front of that rule
---@field inside leadcat.SuggestCount where the conditions hold
---@field outside leadcat.SuggestCount where they do not
---@field held_out leadcat.SuggestCount those of `inside` that were kept out of the search, and so confirm what it found
---@field tried integer conditions that were tried to find these
---@field chance number how probable so large a difference is by chance alone, at most: of the search, times what was tried, or of what was kept out of it
---@field effect {proposed: integer, before: integer, after: integer} simulated over all answers about the rule: to how many the new rule would have proposed its category, and how many proposals users had to correct, and would have had to
---@field sentence string

---@class leadcat.SuggestedRule
---@field rule string
---@field cases integer answers that it would still ask for, by the rules of now
---@field corrected integer those in which another category was chosen than proposed

---@class leadcat.Suggestions
---@field days integer
---@field since number seconds since 1970
---@field limits {cases: integer, share: number, margin: number, doubt: number} below which nothing is suggested
---@field answers integer that were looked at
---@field is_whole boolean false: there are more than 10,000 answers, or 500,000 entries, of which the newest are looked at
---@field oldest? number when the oldest of them was given
---@field rules leadcat.SuggestedRule[] the rules that ask
---@field suggestions leadcat.Suggestion[] those about most cases first

-- Cases ---------------------------------------------------------------------------------------------------------------

-- Of a company all cases are in the same part, so that what one user does again and again with it is not confirmed by itself.
local function is_held_out(company)
  return core.sha256(company):byte() % 2 == 1
end

-- What the rules of now decide about a case: the key of the rule that asks, and its category.
local function decided(decide, case)
  local event = case.event
  local action, to, _, _, _, _, id = decide(event.trigger, case.from, event.lead_status, event)
  if action == "confirm" then
    return config.rule_key(event.trigger, event.lead_status, id), to
  end
end

-- The cases about which the rules of now would still ask the same, by rule. What rules have been changed since teaches nothing any more.
local function by_rule(cfg, own, cases)
  local decide, groups, order = core.explainer(cfg, own), {}, {}
  for i, case in ipairs(cases) do
    local key, to = decided(decide, case)
    if key == case.rule and to == case.proposed then
      if not groups[key] then
        groups[key], order[#order + 1] = { rule = key, proposed = to, cases = {}, corrected = 0, chosen = {} }, key
      end
      local group, chosen = groups[key], case.chosen
      table.insert(group.cases, case)
      case.held_out = is_held_out(case.company)
      if chosen ~= to then
        group.corrected, group.chosen[chosen] = group.corrected + 1, (group.chosen[chosen] or 0) + 1
      end
    end
    if i % MOST_STEPS == 0 then
      platform.give_way()
    end
  end
  table.sort(order)
  return groups, order
end

-- Fields --------------------------------------------------------------------------------------------------------------

local NAMES = { id = true, name = true } -- of a sale, a contact or an actor; they say which one it is

-- The fields that rules name, and those that the host declares.
local function declared(self, cfg)
  local fields, known = { { field = "category", type = "number", is_code = true } }, { category = true }
  local function add(name, described)
    if not known[name] and name ~= "category.rank" and #fields < MOST_FIELDS then
      known[name] = true
      fields[#fields + 1] = { field = name, type = described and described.type,
        is_code = described ~= nil and described.options ~= nil }
    end
  end
  for _, field in ipairs(self._shared.fields) do
    add(field.field, field)
  end
  for _, rule in ipairs(cfg.rules) do
    for _, group in ipairs(rule.when or {}) do
      for _, condition in ipairs(group) do
        add(condition.field)
      end
    end
  end
  return fields, known
end

-- Where the host declares none, all that was kept.
local function add_kept(fields, known, cases)
  local names = {}
  local function note(prefix, kept)
    for name in pairs(kept or {}) do
      local field = type(name) == "string" and prefix .. name
      if field and not known[field] and (prefix == "" or not NAMES[name]) then
        known[field], names[#names + 1] = true, field
      end
    end
  end
  for _, case in ipairs(cases) do
    note("sale.", case.event.sale)
    note("contact.", case.event.contact)
    note("", case.event.facts)
  end
  table.sort(names)
  for i = 1, math.min(#names, MOST_FIELDS - #fields) do
    fields[#fields + 1] = { field = names[i] }
  end
end

local function fields_of(self, cfg, cases)
  local fields, known = declared(self, cfg)
  if #self._shared.fields == 0 then
    add_kept(fields, known, cases)
  end
  return fields
end

-- What is found -------------------------------------------------------------------------------------------------------

local function count(total, case, to)
  total.cases, total.chosen = total.cases + 1, total.chosen + (case.chosen == to and 1 or 0)
end

local function nothing()
  return { cases = 0, chosen = 0 }
end

-- Runs all cases of a rule through the config with the new one: counts, by part, and the effect.
local function simulated(refined, own, rule, group, to)
  local decide = core.explainer(refined, own)
  local new = config.rule_key(rule.trigger, rule.lead_status, rule.id)
  local counts = { inside = nothing(), outside = nothing(), [true] = { nothing(), nothing() }, [false] = { nothing(),
    nothing() }, effect = { proposed = 0, before = group.corrected, after = 0 } }
  for i, case in ipairs(group.cases) do
    local key, proposed = decided(decide, case)
    local is_inside = key == new
    count(is_inside and counts.inside or counts.outside, case, to)
    count(counts[case.held_out][is_inside and 1 or 2], case, to)
    counts.effect.proposed = counts.effect.proposed + (is_inside and 1 or 0)
    counts.effect.after = counts.effect.after + (case.chosen ~= proposed and 1 or 0)
    if i % MOST_STEPS == 0 then
      platform.give_way()
    end
  end
  return counts
end

local function share_of(counted)
  return counted.cases > 0 and counted.chosen / counted.cases or 0
end

-- How probable what one part shows is by chance alone.
local function chance_of(counted)
  local inside, outside = counted[1], counted[2]
  return chance.at_least(inside.chosen, inside.cases, inside.chosen + outside.chosen, inside.cases + outside.cases)
end

-- How probable the whole is by chance alone; nil where a limit is not kept. Each part has to show it: the one that was searched in spite of
-- all that was tried there, the other one by itself.
local function confirmed(counts, tried, limits, doubt)
  local searched, held_out = counts[false], counts[true]
  if counts.inside.cases < limits.cases or held_out[1].cases < limits.cases / 4
    or share_of(counts.inside) - share_of(counts.outside) < limits.margin
    or share_of(searched[1]) < limits.share or share_of(held_out[1]) < limits.share then
    return nil
  end
  local worst = math.max(chance_of(searched) * tried, chance_of(held_out))
  return worst <= doubt and worst or nil
end

-- A suggestion for a rule and a category that users choose instead of its own.
local function search(self, known, group, to, doubt)
  local cases = {}
  for _, case in ipairs(group.cases) do
    cases[#cases + 1] = not case.held_out and { event = case.event, from = case.from, hit = case.chosen == to } or nil
  end
  local limits = known.limits
  local found = separation.find(cases, fields_of(self, known.cfg, group.cases), {
    least = math.max(math.floor(limits.cases / 3), 4), share = limits.share, doubt = doubt,
  })
  local refined, rule = nil, nil
  if found then
    refined, rule = refinement.of(known.cfg, group.rule, to, found.conditions)
  end
  if not refined or check.has_errors(check.problems(refined, known.own)) then
    return nil
  end
  local counts = simulated(refined, known.own, rule, group, to)
  local probable = confirmed(counts, found.tried, limits, doubt)
  return probable and {
    rule = group.rule, proposed = group.proposed, to = to, conditions = json.array(found.conditions), add = rule,
    inside = counts.inside, outside = counts.outside, held_out = counts[true][1], tried = found.tried,
    chance = probable, effect = counts.effect,
  }
end

-- What is looked into: each rule, with each category that users have chosen often enough.
local function questions_of(cfg, groups, order, limits)
  local list = {}
  for _, key in ipairs(order) do
    local group = groups[key]
    for _, category in ipairs(cfg.categories) do
      local chosen = group.chosen[category.id] or 0
      if not category.deleted and chosen >= limits.cases * limits.share then
        list[#list + 1] = { group = group, to = category.id }
      end
    end
  end
  return list
end

local function rows_of(groups, order)
  local rows = json.array {}
  for i, key in ipairs(order) do
    rows[i] = { rule = key, cases = #groups[key].cases, corrected = groups[key].corrected }
  end
  return rows
end

local function read(self, options, since)
  local cfg, message, code = settings.known(self)
  local own, found
  if cfg then
    own, message, code = self:_own_triggers()
  end
  if own and options.rule and not config.rule_of(cfg, options.rule) then
    return nil, ("there is no rule '%s'"):format(options.rule), "not_found"
  elseif own then
    found, message, code = answers.read(self, since, options.rule)
  end
  if not found then
    return nil, message, code
  end
  return { cfg = cfg, own = own, found = found }
end

--- What the answers of users teach: rules that would spare them to correct what is proposed. Writes nothing.
---@param options? leadcat.SuggestOptions
---@return leadcat.Suggestions? suggestions, string? message, string? code `not_found`: there is no such rule; `unavailable`, `io`, `corrupt`
function suggest:suggest(options)
  self:_check_open()
  options = options_of.check(options, OPTIONS)
  local days = options.days or DAYS
  local since = self:_now() - days * DAY
  local known, message, code = read(self, options, since)
  if not known then
    return nil, message, code
  end
  known.limits = {
    cases = options.cases or CASES, share = options.share or SHARE, margin = options.margin or MARGIN,
    doubt = options.doubt or DOUBT,
  }
  local groups, order = by_rule(known.cfg, known.own, known.found.cases)
  local questions, list = questions_of(known.cfg, groups, order, known.limits), json.array {}
  for _, question in ipairs(questions) do
    list[#list + 1] = search(self, known, question.group, question.to, known.limits.doubt / #questions) or nil
  end
  table.sort(list, function(a, b)
    return a.inside.cases > b.inside.cases or a.inside.cases == b.inside.cases and a.rule < b.rule
  end)
  local about = explain.words(self, options.language)
  for i, suggestion in ipairs(list) do
    list[i] = i <= MOST_FOUND and suggestion or nil
    suggestion.sentence = words.sentence(about, suggestion, known.cfg)
  end
  return {
    days = days, since = since, limits = known.limits, answers = #known.found.cases, is_whole = known.found.is_whole,
    oldest = known.found.since, rules = rows_of(groups, order), suggestions = list,
  }
end

return suggest
