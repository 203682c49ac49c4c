--- What users answered to what rules proposed, as far as the journal has it: answers to questions, and choices that came with events. One
-- pass over the journal, newest first; what is kept is bounded.

local config = require "leadcat.rules.config"
local event_of = require "leadcat.events.event"
local journal = require "leadcat.past.journal"
local settings = require "leadcat.rules.save"

local answers = {}

local MOST_LOOKED_AT = 500000 -- entries
local MOST = 10000 -- answers, and as many again whose questions are not met yet

---@class leadcat.AnsweredCase
---@field rule string key of the rule that proposed
---@field proposed integer
---@field chosen integer where the user kept the category, that one
---@field from integer
---@field company string
---@field event leadcat.Event with what was kept of it
---@field at number

---@class leadcat.Answers
---@field cases leadcat.AnsweredCase[] newest first
---@field looked_at integer entries
---@field is_whole boolean false: there are more answers, or entries, than are looked at
---@field since? number when the oldest of the cases was

local ANSWERED = { updated = true, declined = true, applying = true, conflict = true, failed = true }

local function chosen_of(stored)
  return stored.status == "declined" and stored.from or stored.to
end

local function case_of(stored, proposed, chosen)
  return {
    rule = config.rule_key(stored.trigger, stored.lead_status, stored.rule_id), proposed = proposed, chosen = chosen,
    from = stored.from, company = event_of.key(stored.company), event = journal.event(stored), at = stored.at,
  }
end

-- What a choice that came with an event was given for: the entry does not say, its rule in the version of then does.
local function proposed_by(self, stored)
  local cfg = settings.known(self, stored.revision)
  local rule = cfg and config.rule_of(cfg, config.rule_key(stored.trigger, stored.lead_status, stored.rule_id))
  return rule and rule.set_category
end

-- Whether the entry may tell of an answer: its rule asks. What came without a question in a run was taken as accepted; where nobody
-- answered in time, nobody has chosen.
local function counts(stored)
  return stored.action == "confirm" and stored.from ~= 0 and not stored.is_gone and not stored.former
    and not stored.takes_back and not journal.undoes(stored) and not journal.by_expiry(stored)
    and (stored.confirmation or not journal.run(stored))
end

-- The case that an entry completes. Of a question the answer is met first, and waits in `open` for the entry that has asked, which knows what
-- was proposed.
local function take(self, open, stored)
  local question = stored.confirmation
  if stored.status == "awaiting_confirmation" then
    local chosen = open[question]
    open[question], open.count = nil, open.count - (chosen and 1 or 0)
    return chosen and case_of(stored, stored.to, chosen) or nil
  elseif not ANSWERED[stored.status] then
    return nil
  elseif question then
    open.count = open.count + (open[question] and 0 or 1)
    open[question] = open[question] or chosen_of(stored)
    return nil
  end
  local proposed = proposed_by(self, stored)
  return proposed and case_of(stored, proposed, chosen_of(stored)) or nil
end

--- The answers since then.
---@param self leadcat.Engine
---@param since number seconds since 1970
---@param rule? string only those about the rule with this key
---@return leadcat.Answers? answers, string? message, string? code
function answers.read(self, since, rule)
  local found, open = { cases = {}, looked_at = 0, is_whole = true }, { count = 0 }
  local next_entry = journal.entries(self, nil, nil, 1000)
  while true do
    local stored, message, code = next_entry()
    if code then
      return nil, message, code
    elseif not stored then
      return found
    elseif found.looked_at == MOST_LOOKED_AT or #found.cases == MOST or open.count == MOST then
      found.is_whole = false
      return found
    end
    found.looked_at = found.looked_at + 1
    local case = stored.at >= since and counts(stored) and take(self, open, stored)
    if case and (not rule or case.rule == rule) then
      found.cases[#found.cases + 1], found.since = case, math.min(found.since or case.at, case.at)
    end
  end
end

return answers
