--- `engine:why`: what the rules would do with a company now, or would have done then, trigger by trigger, and what they last did.

local back_then = require "leadcat.rules.back_then"
local config = require "leadcat.rules.config"
local event_of = require "leadcat.events.event"
local explain = require "leadcat.rules.explain"
local json = require "leadcat.util.json"
local journal = require "leadcat.past.journal"
local merged = require "leadcat.util.merged"
local no_sale = require "leadcat.rules.no_sale"
local options_of = require "leadcat.util.options"
local platform = require "leadcat.util.platform"
local settings = require "leadcat.rules.save"
local triggers = require "leadcat.rules.triggers"

---@class leadcat.engine.outlook: leadcat.Engine the engine's methods that stand here
local outlook = {}

-- An event of this company, with what the caller has it say.
local function event_about(about, trigger, lead_status)
  return merged(about.given, { trigger = trigger, lead_status = lead_status, company = about.event.company })
end

-- What so many days without a sale would do, for each number of days that a rule has.
local function explain_days(about, cfg)
  local decisions = {}
  for i, days in ipairs(no_sale.all_days(cfg)) do
    local event = event_about(about, no_sale.TRIGGER)
    event.facts = merged(event.facts or {}, { [no_sale.FIELD] = days })
    local decision, message, code = about.decide(event)
    if not decision then
      return nil, message, code
    end
    decision.trigger, decision.days = no_sale.TRIGGER, days
    decisions[i] = decision
  end
  return decisions
end

-- What a trigger would do now: one decision, or one for each lead status that has a rule.
local function explain_trigger(about, trigger)
  local decision, message, code = about.decide(event_about(about, trigger), true)
  if not decision then
    return nil, message, code
  end
  decision.trigger = trigger
  local decisions, statuses = {}, {}
  for _, check in ipairs(decision.checks) do
    if check.pass == false and (check.name == "lead_status_not_matched" or check.name == "rule_disabled") then
      statuses = check.expected or statuses
    end
  end
  for i, status in ipairs(statuses) do
    decisions[i], message, code = about.decide(event_about(about, trigger, status))
    if not decisions[i] then
      return nil, message, code
    end
    decisions[i].trigger, decisions[i].lead_status = trigger, status
    for _, check in ipairs(decisions[i].checks) do
      check.expected = nil -- all of them, each time
    end
    platform.give_way()
  end
  return decisions[1] and decisions or { decision }
end

-- Other triggers are told of only where a rule has them.
local USUAL = { sale_registered = true, sale_won = true, sale_lost = true, lead_status_set = true }

local LOOKED_AT = 100 -- changes, of which the first may be of companies that were merged into this one

-- The sale of the company's newest change, which the rules that take back are told for.
local function newest_sale(self, cfg, company)
  local takes_back = false
  for _, rule in ipairs(cfg.rules) do
    takes_back = takes_back or rule.enabled and rule.take_back == true
  end
  local entries = takes_back and self:history { company = company, status = "updated", limit = LOOKED_AT }
  for _, entry in ipairs(entries or {}) do
    if not entry.former and not entry.company_deleted then
      return entry.sale
    end
  end
end

-- What each trigger would do.
local function explain_all(about, cfg, own)
  local all, message, code = json.array {}, nil, nil
  for _, trigger in ipairs(triggers.all(own)) do
    local decisions = {}
    if trigger == no_sale.TRIGGER then
      decisions, message, code = explain_days(about, cfg)
    elseif USUAL[trigger] or config.has_rule(cfg, trigger) then
      decisions, message, code = explain_trigger(about, trigger)
    end
    if not decisions then
      return nil, message, code
    end
    for _, decision in ipairs(decisions) do
      all[#all + 1] = decision
    end
  end
  return all
end

---@class leadcat.TriggerExplanation: leadcat.Explanation
---@field trigger string
---@field lead_status? integer
---@field days? integer of `no_sale_for`: what so many days without a sale would do

---@class leadcat.ToldEntry: leadcat.Entry
---@field sentence string what happened, and what would have had to be different

---@class leadcat.Why
---@field company string|integer
---@field name string what the company is called
---@field category? integer
---@field decisions leadcat.TriggerExplanation[] what each trigger would do; that of lead statuses once for each lead status with a rule, that of days without a sale once for each number of days that a rule has
---@field newest? leadcat.ToldEntry the company's newest entry
---@field entries? leadcat.ToldEntry[] with `limit`: the newest ones; also of unchanged events, where they are recorded
---@field scheduled? leadcat.ToldEntry what is scheduled for it
---@field past? leadcat.Past with `at` or `entry`: the moment; category, decisions and entries are those of then, and nothing is `scheduled`

-- What is scheduled for the company, with its sentence; nothing when that is nothing.
local function scheduled_of(self, about, company)
  local stored, message, code = self._store:schedule_of(self._tenant, event_of.key(company))
  if not stored then
    return nil, message, code ~= "not_found" and code or nil
  end
  local entry = journal.entry(stored, self._tenant)
  entry.sentence, message, code = explain.sentence_of(self, about, entry)
  return entry.sentence and entry, message, code
end

local OPTIONS = {
  language = options_of.of_type("string", "a language tag"), event = options_of.of_type "table",
  limit = options_of.limit, at = options_of.of_type "number", entry = options_of.whole(1, 2 ^ 53),
}
local TRIED = {
  category = options_of.limit, sale = options_of.of_type "table", contact = options_of.of_type "table",
  actor = options_of.of_type "table", facts = options_of.of_type "table",
}

-- The sentences of the company's newest entries. Returns them, or nil, message, code.
local function say_entries(self, about, entries)
  for _, entry in ipairs(entries) do
    local message, code
    entry.sentence, message, code = explain.sentence_of(self, about, entry)
    if not entry.sentence then
      return nil, message, code
    end
  end
  return entries
end

---@class (exact) leadcat.WhyOptions
---@field language? string of the sentences; default the engine's
---@field event? leadcat.TriedEvent what an event would say, to try what would be if
---@field limit? integer how many of the newest `entries` are told of; default none
---@field at? number a moment of the past: what would have been done then, seconds since 1970
---@field entry? integer instead, the moment of this entry of the company: what was decided about its event, and why

---@class (exact) leadcat.TriedEvent
---@field category? integer where the company would be
---@field sale? table
---@field contact? table
---@field actor? table
---@field facts? table<string, any> they stand, whatever the host knows

-- Of now: {about, decisions, scheduled}.
local function now(self, company, given, options)
  local stands = { company = company, category = given.category }
  local about, message, code = explain.facts_of(self, stands, options.language)
  local cfg, own, decisions, scheduled
  if about then
    cfg, message, code = settings.known(self)
  end
  if cfg then
    own, message, code = self:_own_triggers()
  end
  if own then
    about.given, about.event.sale = given, newest_sale(self, cfg, company)
    function about.decide(event, any_lead_status)
      return explain.one(self, about, event, any_lead_status)
    end
    decisions, message, code = explain_all(about, cfg, own)
  end
  if decisions then
    scheduled, message, code = scheduled_of(self, about, company)
  end
  if code then
    return nil, message, code
  end
  return { about = about, decisions = decisions, scheduled = scheduled }
end

-- Of a moment of the past: {about, decisions, past}.
local function before(self, company, given, options)
  local past, message, code = back_then.at(self, company, options)
  local own, entry
  if past then
    own, message, code = self:_own_triggers()
  end
  if not own then
    return nil, message, code
  end
  past.category = given.category or past.category
  local about, decisions = back_then.about(self, company, past, own, options.language), json.array {}
  about.given = given
  if past.stored then
    entry = journal.entry(past.stored, self._tenant)
    entry.sentence, message, code = explain.sentence_of(self, about, entry)
    decisions[1] = entry.sentence and not past.is_gone and back_then.decision_of(about, past.stored) or nil
  elseif not past.is_gone then
    decisions, message, code = explain_all(about, past.cfg, own)
  end
  if code then
    return nil, message, code
  end
  return { about = about, decisions = decisions, past = back_then.told(self, about, past, entry) }
end

-- The newest entries, or those up to a moment.
local function entries_of(self, company, options)
  return self:history {
    company = company, limit = options.limit or 1, unchanged = true, before = not options.entry and options.at or nil,
    after = options.entry and options.entry + 1,
  }
end

--- What the rules would do with a company now, and what they last did; or what they would have done at a moment of the past, by the rules
-- of then and what was kept.
---@param company string|integer its id
---@param options? leadcat.WhyOptions
---@return leadcat.Why? why, string? message, string? code `unavailable`, `io`, `corrupt`: the host does not answer, or the store cannot be read; `not_found`: the company has no such entry; `invalid`: the entry tells of no event
function outlook:why(company, options)
  self:_check_open()
  event_of.check_key(company, "company")
  options = options_of.check(options, OPTIONS)
  local given = options_of.check(options.event, TRIED, "option 'event': ")
  local problem = event_of.problem(merged(given, { trigger = "sale_won", company = company }))
  if problem then
    error("option 'event': " .. problem, 2)
  end
  local entries, message, code = entries_of(self, company, options)
  if not entries then
    return nil, message, code
  end
  local found
  company = entries[1] and entries[1].company or company -- as a string or a number, as the host gave it
  found, message, code = ((options.at or options.entry) and before or now)(self, company, given, options)
  if found then
    entries, message, code = say_entries(self, found.about, entries)
  end
  if not found or not entries then
    return nil, message, code
  end
  return {
    company = company, name = found.about.company, category = found.about.category, decisions = found.decisions,
    newest = entries[1], entries = options.limit and entries or nil, scheduled = found.scheduled, past = found.past,
  }
end

return outlook
