--- How the rules fare, from the counters by day: what each has done, and which is silent.
--
-- A rule is silent when it is enabled and has matched nothing for longer than is usual for it: for at least three whole days,
-- and more than twice the longest pause in the 90 days that end with its last match. That is said only of rules that have
-- matched ten times, on five days, in these 90; and the last 180 days are looked at. A pause is the number of days without a match
-- between two with one; today, which is not over yet, does not count.

local config = require "leadcat.rules.config"
local daily = require "leadcat.insight.daily"
local held_ages = require "leadcat.insight.held_ages"
local options_of = require "leadcat.util.options"

---@class leadcat.engine.health: leadcat.Engine the engine's methods that stand here
local health = {}

local LOOKED_BACK, WINDOW = 180, 90 -- days
local LEAST_QUIET, TIMES = 3, 2 -- whole days; as often as the longest pause
local LEAST_MATCHES, LEAST_DAYS = 10, 5
local DEFAULT_DAYS = 30

-- What is counted of a match of a rule; the rest tells how it went on.
local IS_MATCH = { automatic = true, asked = true, chosen = true, kept = true, conflict = true, failed = true,
  dropped = true }

---@class leadcat.HealthCounts what is 0 is absent
---@field matched? integer matches: the sum of automatic, asked, chosen, kept, conflict, failed, dropped
---@field automatic? integer changes about which nobody was asked
---@field asked? integer questions; the next seven are how they ended
---@field accepted? integer
---@field changed? integer another category was chosen
---@field declined? integer
---@field expired? integer
---@field superseded? integer
---@field answer_conflict? integer the company had moved when it was answered
---@field answer_failed? integer the host has not made the change; the question is open again
---@field chosen? integer a category that came with the event, of a rule that asks
---@field kept? integer the same, but the category was kept
---@field conflict? integer the company was no longer where the event found it
---@field failed? integer the host has not made the change
---@field dropped? integer what was scheduled came to nothing
---@field undone? integer changes that were taken back

---@class leadcat.HealthDay: leadcat.HealthCounts
---@field day string "2026-11-28", in UTC

---@class leadcat.Silence
---@field quiet integer whole days since the last match
---@field longest_pause integer the longest one before that, in days

---@class leadcat.RuleHealth
---@field rule string its key
---@field trigger string
---@field name? string of the rule, in the newest config
---@field enabled? boolean in the newest config; absent: it has no such rule any more
---@field counts leadcat.HealthCounts of all days that were asked for
---@field days leadcat.HealthDay[] those with anything, oldest first
---@field last? string the day of the last match, of the last 180
---@field silent? leadcat.Silence nothing for longer than is usual
---@field held? leadcat.HeldAges what it holds now; of more than 1,000 in all, these are the oldest

---@class leadcat.Health
---@field from string the first day, in UTC
---@field to string today
---@field since? string the first day that is counted whole, where that is later than `from`; nil: all are
---@field recounting? true the journal is being counted anew: all is too low
---@field rules leadcat.RuleHealth[] those of the config in its order, then others that have done something
---@field counts leadcat.HealthCounts of all rules
---@field held? leadcat.HeldAges what all rules hold now

local function add(counts, kind, count)
  counts[kind] = (counts[kind] or 0) + count
  if IS_MATCH[kind] then
    counts.matched = (counts.matched or 0) + count
  end
end

-- Silence ----------------------------------------------------------------------------------------------------------------

-- `matches` is how often the rule has matched, by day; `days` are these days, in order.
local function silence_of(matches, days, today)
  local last = days[#days]
  local quiet = last and today - last - 1 or 0
  if quiet < LEAST_QUIET then
    return nil
  end
  local longest, count, active, later = 0, 0, 0, nil
  for i = #days, 1, -1 do
    local day = days[i]
    if day <= last - WINDOW then
      break
    end
    longest = later and math.max(longest, later - day - 1) or longest
    count, active, later = count + matches[day], active + 1, day
  end
  if count >= LEAST_MATCHES and active >= LEAST_DAYS and quiet > TIMES * longest then
    return { quiet = quiet, longest_pause = longest }
  end
end

-- Adding up --------------------------------------------------------------------------------------------------------------

local function new_rule(key, trigger)
  return { rule = key, trigger = trigger, counts = {}, days = {} }, {}, {}
end

-- The rules of the config, in its order.
local function rules_of(cfg, language)
  local list, by_key = {}, {}
  for _, rule in ipairs(cfg.rules) do
    local key = config.rule_key(rule.trigger, rule.lead_status, rule.id)
    local shown = new_rule(key, rule.trigger)
    shown.name, shown.enabled = rule.name and config.name(rule, language) or nil, rule.enabled == true
    list[#list + 1], by_key[key] = shown, shown
  end
  return list, by_key
end

-- Adds a counter to its rule's, where its day was asked for.
local function add_counter(rule, counter)
  add(rule.counts, counter.kind, counter.count)
  local day, text = rule.days[#rule.days], daily.text(counter.day)
  if not day or day.day ~= text then
    day = { day = text }
    rule.days[#rule.days + 1] = day
  end
  add(day, counter.kind, counter.count)
end

-- Notes on which days the rule has matched.
local function note_match(matches, counter)
  local of = matches[counter.rule] or { days = {}, counts = {} }
  matches[counter.rule] = of
  if not of.counts[counter.day] then
    of.days[#of.days + 1] = counter.day
  end
  of.counts[counter.day] = (of.counts[counter.day] or 0) + counter.count
end

-- Rules that there are no more have no name, and are not silent.
local function sum(counters, first, list, by_key)
  local total, matches = {}, {}
  for _, counter in ipairs(counters) do
    local rule = by_key[counter.rule]
    if not rule and counter.day >= first then
      rule = new_rule(counter.rule, counter.trigger)
      list[#list + 1], by_key[counter.rule] = rule, rule
    end
    if counter.day >= first then
      add(total, counter.kind, counter.count)
      add_counter(rule, counter)
    end
    if IS_MATCH[counter.kind] then
      note_match(matches, counter)
    end
  end
  return total, matches
end

-- Notes of each rule when it has matched last, and whether it is silent.
local function look_for_silence(list, matches, today)
  for _, rule in ipairs(list) do
    local of = matches[rule.rule]
    if of then
      rule.last = daily.text(of.days[#of.days])
      rule.silent = rule.enabled and silence_of(of.counts, of.days, today) or nil
    end
  end
end

local function only(list, key)
  for _, rule in ipairs(list) do
    if rule.rule == key then
      return { rule }, rule.counts
    end
  end
  return {}, {}
end

---@class (exact) leadcat.HealthOptions
---@field rule? string only this one, by its key, such as sale_won#7
---@field days? integer 1 to 1,096, today included; default 30
---@field language? string of names

local OPTIONS = {
  rule = options_of.of_type("string", "the key of a rule, such as sale_won#7"),
  days = options_of.whole(1, daily.MOST_DAYS), language = options_of.of_type "string",
}

--- How the rules fare: what each has done in the last days, by day, and which is silent. Read from counters, so it costs the
-- same however long the journal is. What a host changes by itself is not known here, so nothing says how often what a rule did was
-- overridden by hand.
---@param options? leadcat.HealthOptions
---@return leadcat.Health? health
---@return string? message
---@return string? code `corrupt`: a counter is damaged; `unavailable`, `io`
function health:health(options)
  self:_check_open()
  options = options_of.check(options, OPTIONS)
  local cfg, message, code = self:config()
  if not cfg then
    return nil, message, code
  end
  local today, days = daily.day_of(self:_now()), options.days or DEFAULT_DAYS
  local first = math.max(1, today - days + 1)
  local counters, head
  counters, head, code = daily.read(self, math.max(1, math.min(first, today - LOOKED_BACK)))
  if not counters then
    return nil, head --[[@as string]], code
  end
  local held, all_held
  held, all_held, code = held_ages.read(self)
  if not held then
    return nil, all_held --[[@as string]], code
  end
  local list, by_key = rules_of(cfg, options.language or self.language or "en")
  local total, matches = sum(counters, first, list, by_key)
  look_for_silence(list, matches, today)
  for _, rule in ipairs(list) do
    rule.held = held[rule.rule]
  end
  if options.rule then
    list, total = only(list, options.rule)
  end
  return {
    from = daily.text(first), to = daily.text(today),
    since = head.since and head.since > first and daily.text(head.since) or nil,
    recounting = head.recount ~= "done" or nil, rules = list, counts = total, held = all_held,
  }
end

--- The keys of the rules that are silent, and what all rules hold.
---@param engine leadcat.Engine
---@return string[]? keys, leadcat.HeldAges|string|nil held held: nil: nothing (or the message)
---@return string? code
function health.silent(engine)
  local found, message, code = health.health(engine, { days = 1 })
  if not found then
    return nil, message, code
  end
  local keys = {}
  for _, rule in ipairs(found.rules) do
    keys[#keys + 1] = rule.silent and rule.rule or nil
  end
  return keys, found.held
end

return health
