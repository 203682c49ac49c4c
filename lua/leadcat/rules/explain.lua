--- `engine:explain`: decisions as sentences, and check by check as `src/rules/decide.h` has them.

local conditions = require "leadcat.rules.conditions"
local config = require "leadcat.rules.config"
local core = require "leadcat.core"
local event_of = require "leadcat.events.event"
local fetch = require "leadcat.events.fetch"
local json = require "leadcat.util.json"
local journal = require "leadcat.past.journal"
local merged = require "leadcat.util.merged"
local no_sale = require "leadcat.rules.no_sale"
local options_of = require "leadcat.util.options"
local settings = require "leadcat.rules.save"
local why = require "leadcat.words.why"
local wording = require "leadcat.words.wording"
local wording_of = require "leadcat.words.conditions"

---@class leadcat.engine.explain: leadcat.Engine the engine's methods that stand here
local explain = {}

local LATE = core.late_seconds

-- Adds the licence check, which the core does not make. Without a licence no other check is reached.
local function add_licence(decision, licensed)
  if not licensed then
    decision.action, decision.to, decision.reason, decision.scheduled = "none", nil, "not_licensed", nil
    for _, check in ipairs(decision.checks) do
      check.pass = nil
    end
  end
  table.insert(decision.checks, 1, { name = "not_licensed", pass = licensed, licensed = licensed })
end

local function kind_of(rule)
  return rule.shadow and "shadow" or rule.after and "waiting" or "at_once"
end

-- The enabled rules of a config, in order: those of each trigger (and lead status), and the lead statuses that have one.
local function enabled_rules(cfg)
  local enabled = { statuses = json.array {} }
  for _, rule in ipairs(cfg.rules) do
    if rule.enabled then
      local key = config.rule_key(rule.trigger, rule.lead_status)
      enabled.statuses[#enabled.statuses + 1] = rule.lead_status
      enabled[key] = enabled[key] or {}
      table.insert(enabled[key], rule)
    end
  end
  return enabled
end

-- Those of a kind about such an event: that decide at once, that wait, or that are on trial.
local function rules_of(enabled, facts, kind)
  local rules = {}
  for _, rule in ipairs(enabled[config.rule_key(facts.trigger, facts.lead_status)] or {}) do
    rules[#rules + 1] = kind_of(rule) == kind and rule or nil
  end
  return rules
end

-- The value that a condition compares.
local function value_of(cfg, facts, field)
  local place, name = conditions.place_of(field)
  if place then
    return ((facts.event or {})[place] or {})[name]
  elseif field == "category" then
    return facts.category
  end
  local category = config.find(cfg.categories, facts.category)
  return category and category.rank
end

-- What the core found out about each rule, with what its conditions say: {rule, starts, applies, when, after?, scheduled?, action?, to?},
-- `when` like the rule's.
local function rules_tried(cfg, enabled, facts, found, kind)
  local tried = json.array {}
  for i, rule in ipairs(found and rules_of(enabled, facts, kind) or {}) do
    local result, place = found[i], 0
    if not result then
      break
    end
    local when = json.array {}
    for _, group in ipairs(no_sale.when(rule)) do
      local all = json.array {}
      for _, condition in ipairs(group) do
        place = place + 1
        all[#all + 1] = merged(condition, {
          holds = result[place].holds, fact = result[place].fact, found = value_of(cfg, facts, condition.field),
        })
      end
      when[#when + 1] = all
    end
    tried[i] = {
      rule = config.rule_key(rule.trigger, rule.lead_status, rule.id), starts = result.starts, applies = result.applies,
      when = when, after = rule.after, scheduled = result.scheduled, action = result.action, to = result.to,
    }
  end
  return tried
end

-- Adds the rules with `after`, and what one of them would schedule.
local function add_waiting(decision, cfg, enabled, facts, found)
  local rules = rules_tried(cfg, enabled, facts, found, "waiting")
  decision.waiting = rules[1] and rules or nil
  for i, rule in ipairs(rules_of(enabled, facts, "waiting")) do
    local result = found and found[i]
    if result and result.scheduled then
      decision.scheduled = {
        rule = rules[i].rule, to = rule.set_category, after = rule.after, seconds = result.after,
      }
    end
  end
end

---@param explained table as `store:explain` or a function of `core.explainer` returns it: {action, to, reason, revision, checks, target, rule, rules, later}
---@param cfg leadcat.Config the one that decided
---@param facts {trigger: string, category?: integer, lead_status?: integer, event?: leadcat.Event, licensed?: boolean}
---@param enabled? table the config's enabled rules, where they are known
---@return leadcat.Explanation decision without its sentence
function explain.decision(explained, cfg, facts, enabled)
  enabled = enabled or enabled_rules(cfg)
  local decision = {
    action = explained[1], to = explained[2], reason = explained[3],
    rule = (explained[6] or explained[3] == "nothing_to_take_back")
      and config.rule_key(facts.trigger, facts.lead_status, explained[7]) or nil,
    revision = cfg.revision, category = facts.category, checks = json.array(explained[5]),
  }
  for _, check in ipairs(decision.checks) do
    if check.name == "nothing_to_take_back" and decision.reason == "matched" then
      decision.takes_back = true
    elseif check.name == "lead_status_not_matched" then
      check.expected = enabled.statuses
    elseif check.name == "conditions_not_met" then
      check.rules = rules_tried(cfg, enabled, facts, explained[8], "at_once")
    elseif check.name == "rule_disabled" and check.pass == false and facts.trigger == "lead_status_set" then
      check.expected = enabled.statuses[1] and enabled.statuses or nil -- all of them wait
    end
  end
  add_waiting(decision, cfg, enabled, facts, explained[9])
  local shadows = rules_tried(cfg, enabled, facts, explained[9] and explained[9].shadows, "shadow")
  decision.shadows = shadows[1] and shadows or nil
  if facts.licensed ~= nil then
    add_licence(decision, facts.licensed)
  end
  return decision
end

-- Asking --------------------------------------------------------------------------------------------------------------

local OPTIONS = { language = options_of.of_type("string", "a language tag") }

--- What a company is called in sentences.
---@param self leadcat.Engine
---@param company string|integer
---@return string
function explain.name_of(self, company)
  return wording.line(self:company_name(company)) or wording.line(company) or "?"
end

-- What the host calls its fields in a language.
local function names_of_fields(self, language)
  local names = {}
  for _, field in ipairs(self._shared.fields) do
    names[field.field] = { name = wording.line(config.text(field.name, language)) or field.field }
  end
  return names
end

--- The words of an engine's sentences, with what the host calls its fields.
---@param self leadcat.Engine
---@param first? string a language tag; where it is not known
---@param second? string this one; then the engine's
---@return leadcat.Words
function explain.words(self, first, second)
  local language = self.strings:language(first, second, self.language)
  return { strings = self.strings, language = language, known_fields = names_of_fields(self, language) }
end

--- What all decisions about a company need: {event, category, licensed, company (its name), words}; or nil, message, code.
function explain.facts_of(self, event, language)
  local category
  local licensed, message, code = self:licensed()
  if not code then
    category, message, code = self:_category(event)
  end
  if code then
    return nil, message, code
  end
  return {
    event = event, category = category, licensed = licensed, company = explain.name_of(self, event.company),
    words = explain.words(self, language, event.actor and event.actor.language),
  }
end

-- Adds to each condition of the rules what it says and what was found, as a `sentence`.
local function say_found(rules, cfg, words)
  for _, rule in ipairs(rules or {}) do
    for _, group in ipairs(rule.when) do
      for _, condition in ipairs(group) do
        condition.sentence = wording_of.found(words, condition, cfg.categories)
      end
    end
  end
end

-- The same of all rules. Returns those that were tried.
local function say_conditions(decision, cfg, words)
  local tried
  for _, check in ipairs(decision.checks) do
    tried = check.rules or tried
  end
  say_found(tried, cfg, words)
  say_found(decision.waiting, cfg, words)
  say_found(decision.shadows, cfg, words)
  return tried
end

-- What the event's sale did last, if that is the company's newest change, and when the newest change's event happened.
local function last_change(self, event)
  local sale = type(event.sale) == "table" and event_of.key(rawget(event.sale, "id")) or nil
  local made, at, code = self._store:last_change(self._tenant, event_of.key(event.company), sale)
  if code then
    return nil, at, code
  end
  return { made = made, at = at }
end

-- Adds the check that the event is not late, where one may be, behind all others.
local function add_late(self, decision, event, last)
  if not self._shared.skips_late or type(event.at) ~= "number" then
    return
  end
  local check = { name = "late", at = event.at, changed_at = last.at }
  decision.checks[#decision.checks + 1] = check
  if decision.reason == "matched" then
    check.pass = not (last.at and last.at - event.at > LATE)
  end
  if check.pass == false then
    decision.action, decision.to, decision.reason, decision.takes_back = "none", nil, "late", nil
  end
end

local MISSING = 10 -- the place of the names of facts that the event lacks, in what the core answers

-- What the core answers, once the host has told what the event lacks; then the event with that.
local function evaluate(self, about, event, made)
  local function ask(known)
    return { self:_evaluate(event.trigger, about.category, event.lead_status, known, "explain", made) }
  end
  local explained = ask(event)
  local known, message, code = fetch.with_facts(self, event, explained[MISSING] or {})
  if not known then
    return { nil, message, code }
  elseif about.given and about.given.facts then -- what is tried stands, whatever the host knows
    known = merged(known, { facts = merged(known.facts, about.given.facts) })
  end
  return known == event and explained or ask(known), known
end

--- Adds the sentence to a decision, to its conditions what they say, and when what it schedules is due.
---@param about table as `facts_of` gives it
---@param cfg leadcat.Config that decided
---@param event leadcat.Event
---@param decision leadcat.Explanation
---@param at number when it happens
---@param any_lead_status? boolean the event names none
function explain.tell(about, cfg, event, decision, at, any_lead_status)
  if decision.scheduled then
    decision.scheduled.due = at + decision.scheduled.seconds
  end
  decision.sentence = why.decision {
    cfg = cfg, words = about.words, company = about.company, trigger = event.trigger, lead_status = event.lead_status,
    any_lead_status = any_lead_status, category = about.category, action = decision.action, to = decision.to,
    reason = decision.reason, takes_back = decision.takes_back, choice = event.choice,
    tried = say_conditions(decision, cfg, about.words), scheduled = decision.scheduled, at = at,
  }
end

--- The decision about an event, with its sentence; or nil, message, code. `any_lead_status`: the event names none.
function explain.one(self, about, event, any_lead_status)
  local last, why_not, failure = last_change(self, about.event)
  if not last then
    return nil, why_not, failure
  end
  local explained, known = evaluate(self, about, event, last.made)
  if not explained[1] then
    return nil, explained[2], explained[3]
  end
  local cfg, message, code = settings.known(self, explained[4])
  if not cfg then
    return nil, message, code
  end
  if about.cfg ~= cfg then
    about.cfg, about.enabled = cfg, enabled_rules(cfg)
  end
  local decision = explain.decision(explained, cfg, {
    trigger = event.trigger, category = about.category, lead_status = event.lead_status, event = known,
    licensed = about.licensed,
  }, about.enabled)
  add_late(self, decision, event, last)
  explain.tell(about, cfg, event, decision, event.at or self:_now(), any_lead_status)
  return decision
end

--- The result of an entry, as a sentence; of a question that has ended, the question and its end. Or nil, message, code.
function explain.sentence_of(self, about, entry)
  local record = entry.status == "awaiting_confirmation" and self:confirmation(entry.confirmation)
  if record and record.state ~= "open" then
    local view = self:view(record, { actor = { language = about.words.language } })
    if view and view.closed then
      return view.sentence .. " " .. view.closed
    end
  end
  -- the newest config has the names, but where nothing was changed the one that decided is needed
  local is_decided = (entry.status == "unchanged" or entry.status == "dropped") and entry.revision > 0
  local revision = is_decided and entry.revision or nil
  local cfg, message, code = settings.known(self, revision)
  if not cfg then
    return nil, message, code
  end
  return why.entry(entry, cfg, about.words, explain.name_of(self, entry.company))
end

-- Adds the entry of the event's first delivery, if there was one.
local function add_first(self, about, event, decision)
  local stored, message, code = self._store:seen(self._tenant, event_of.key(event.id))
  if not stored then
    return code == "not_found" and decision or nil, message, code
  end
  local sentence
  decision.first = journal.entry(stored, self._tenant)
  sentence, message, code = explain.sentence_of(self, about, decision.first)
  if not sentence then
    return nil, message, code
  end
  decision.sentence = wording.sentence(about.words, "why.handled_before") .. " " .. sentence
  return decision
end

---@class leadcat.Explanation
---@field action "update"|"confirm"|"none"
---@field to? integer
---@field reason string
---@field rule? string the rule's key
---@field revision integer of the config that decided
---@field category? integer the company's
---@field takes_back? true what the event's sale did is taken back
---@field scheduled? {rule: string, to: integer, after: leadcat.After, seconds: integer, due: number} what would be scheduled; due: when it would be decided, in seconds since 1970
---@field waiting? table[] the rules with `after`, as those of the check `conditions_not_met`
---@field shadows? table[] the rules on trial, likewise, with the `action` and `to` that one would come to
---@field checks table[] in order: {name, pass, ...}; `pass` is absent after the check that failed, the rest is what was compared
---@field sentence string which check failed first, and what would have to be different; or what will be done
---@field first? leadcat.Entry of the event's first delivery: `sentence` is about it, and `handle` would give a duplicate

---@class (exact) leadcat.ExplainOptions
---@field language? string of the sentences; default that of the event's actor, else the engine's

--- The decision about an event, check by check. Guards are not asked.
---@param event leadcat.Event
---@param options? leadcat.ExplainOptions
---@return leadcat.Explanation? decision, string? message, string? code as `handle`
function explain:explain(event, options)
  self:_check_open()
  event_of.check(event)
  options = options_of.check(options, OPTIONS)
  local own, message, code = self:_own_triggers()
  local problem = own and event_of.problem(event, own)
  if problem then
    return nil, problem, "invalid"
  end
  local about, decision
  if own then
    about, message, code = explain.facts_of(self, event, options.language)
  end
  if about then
    decision, message, code = explain.one(self, about, event)
  end
  if decision and event.id ~= nil then
    return add_first(self, about, event, decision)
  end
  return decision, message, code
end

return explain
