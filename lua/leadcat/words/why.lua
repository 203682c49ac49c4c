--- A decision, or an entry of the journal, as a sentence: the cause, and what would have to be different. Pure. The
-- checks and their values are in `rules/explain.lua`.

local conditions = require "leadcat.words.conditions"
local config = require "leadcat.rules.config"
local wording = require "leadcat.words.wording"

local why = {}

---@class leadcat.why.Told
---@field cfg leadcat.Config that decided
---@field words leadcat.Words
---@field company string its name
---@field trigger string
---@field lead_status? integer that was set
---@field any_lead_status? boolean whether the decision is about any lead status
---@field category? integer the company's
---@field to? integer the target, when matched
---@field action string
---@field reason string
---@field choice? integer|false the user's earlier answer
---@field takes_back? boolean a rule that takes back what the sale did has matched
---@field scheduled? {to: integer, seconds: integer} what would be scheduled
---@field at? number when it happens, in seconds since 1970
---@field tried? table[] the rules among which conditions choose, as an explanation has them

local MOST = 8 -- names that are listed

local function text(told, key, names)
  return wording.sentence(told.words, "why." .. key, names)
end

-- A sentence with a cause and what would have to be different.
local function because(told, cause, needed, names, names_needed)
  return told.words.strings:text(told.words.language, "why.because", {
    cause = text(told, cause, names), remedy = text(told, "needs." .. needed, names_needed or names),
  })
end

local function group_name(told, group)
  return wording.sentence(told.words, "group." .. group)
end

-- A category's name, marked if it is deleted, since users do not find it in lists then.
local function category_name(told, id)
  local category = config.find(told.cfg.categories, id)
  local name = wording.display_name(category, id, told.words.language)
  if category and category.deleted then
    return wording.sentence(told.words, "settings.deleted_mark", { name = name })
  end
  return name
end

local function status_name(told, id)
  return wording.name_of(told.cfg.lead_statuses, id, told.words.language)
end

-- Rules ---------------------------------------------------------------------------------------------------------------

-- The rule of this trigger (and lead status): one that is switched on, if there is one, at last one on trial.
local function find_rule(told)
  local first, on_trial
  for _, rule in ipairs(told.cfg.rules) do
    if rule.trigger == told.trigger and (rule.trigger ~= "lead_status_set" or rule.lead_status == told.lead_status) then
      first = first or rule
      if rule.enabled and not rule.shadow then
        return rule
      end
      on_trial = on_trial or rule.enabled and rule or nil
    end
  end
  return on_trial or first
end

local function rule_off(told)
  local rule = find_rule(told)
  local of_status = told.trigger == "lead_status_set"
  local names = { rule = wording.rule(told.words, told.trigger, of_status and status_name(told, told.lead_status)) }
  if rule and rule.enabled and rule.shadow then
    return because(told, "rule_on_trial", "for_real", names)
  elseif rule and rule.enabled and rule.after then -- those that decide at once are switched off
    names.company = told.company
    return because(told, "later_not_met", "conditions", names)
  elseif not rule then
    return because(told, "no_rule", "rule", names)
  elseif rule.take_back then
    return because(told, "rule_off", "switch", names)
  elseif not rule.set_category then
    return because(told, "rule_off_without_category", "category", names)
  end
  local target = config.find(told.cfg.categories, rule.set_category)
  if not target or target.deleted then
    names.category = category_name(told, rule.set_category)
    return because(told, "rule_off_with_lost_category", "category", names)
  end
  return because(told, "rule_off", "switch", names)
end

-- The names of the lead statuses whose rules are on.
local function statuses_with_rule(told)
  local names = {}
  for _, rule in ipairs(told.cfg.rules) do
    if rule.trigger == "lead_status_set" and rule.enabled then
      names[#names + 1] = #names < MOST and status_name(told, rule.lead_status) or #names == MOST and "..." or nil
    end
  end
  return table.concat(names, ", ")
end

local function no_lead_status(told)
  if told.any_lead_status then
    return because(told, "no_lead_status_rule", "any_rule")
  elseif told.reason == "rule_disabled" and statuses_with_rule(told) == "" then
    return because(told, "no_lead_status_and_no_rule", "lead_status_and_rule")
  end
  return because(told, "no_lead_status", "lead_status", { lead_statuses = statuses_with_rule(told) })
end

local function lead_status_not_matched(told)
  if not told.lead_status then
    return no_lead_status(told)
  end
  local status = config.find(told.cfg.lead_statuses, told.lead_status)
  local names = { lead_status = status_name(told, told.lead_status) }
  if not status then
    return because(told, "lead_status_unknown", "lead_status_added", names)
  elseif status.deleted then
    return because(told, "lead_status_deleted", "lead_status_restored", names)
  end
  return rule_off(told)
end

-- Reasons -------------------------------------------------------------------------------------------------------------

local function add_once(list, name)
  list[#list + 1] = not list[name] and name or nil
  list[name] = true
end

-- The groups and categories where the enabled rules for this may start; nil when each starts where all do by default.
local function places(told)
  local list, is_special = {}, false
  for _, rule in ipairs(told.cfg.rules) do
    local fits = rule.enabled and rule.trigger == told.trigger
    if fits and (told.any_lead_status or not rule.lead_status or rule.lead_status == told.lead_status) then
      local from = rule.from or { groups = { "potential_customer" } }
      is_special = is_special or rule.from ~= nil
      for _, group in ipairs(from.groups or {}) do
        add_once(list, group_name(told, group))
      end
      for _, id in ipairs(from.categories or {}) do
        add_once(list, category_name(told, id))
      end
    end
  end
  return is_special and table.concat(list, ", ", 1, math.min(#list, MOST)) .. (#list > MOST and ", ..." or "") or nil
end

-- The company is in a category that no rule starts from.
local function wrong_category(told, cause, names)
  local special = places(told)
  local needed = special and "start" or told.trigger == "lead_status_set" and "group_and_lead_status" or "group"
  names.company = told.company
  names.category = told.category and category_name(told, told.category)
  return because(told, cause, needed, names, { group = group_name(told, "potential_customer"), places = special })
end

local function standing(told, cause, needed)
  return because(told, cause, needed, { company = told.company, category = category_name(told, told.category) })
end

local function matched(told)
  local kept = told.choice == false or told.choice == told.category
  local chosen = told.action == "confirm" and told.choice or nil -- elsewhere a choice does not count
  local names = {
    company = told.company, from = category_name(told, told.category),
    to = category_name(told, chosen or told.to),
  }
  local sentence = text(told, kept and "kept" or chosen and "update" or told.action, names)
  return told.takes_back and not kept and not chosen and text(told, "takes_back") .. " " .. sentence or sentence
end

local REASONS = {
  not_licensed = function(told) return because(told, "not_licensed", "license") end,
  rule_disabled = function(told)
    return told.trigger == "lead_status_set" and lead_status_not_matched(told) or rule_off(told)
  end,
  unknown_category = function(told)
    return wrong_category(told, told.category and "category_unknown" or "no_category", {})
  end,
  not_potential_customer = function(told)
    local group = config.find(told.cfg.categories, told.category).group
    return wrong_category(told, "not_potential_customer", { group = group_name(told, group) })
  end,
  lead_status_not_enabled = function(told)
    return standing(told, "lead_status_not_enabled", "lead_status_enabled")
  end,
  lead_status_not_matched = lead_status_not_matched,
  already_in_category = function(told) return standing(told, "already_in_category", "other_category") end,
  conditions_not_met = function(told)
    local missing = conditions.missing(told.words, told.tried or {})
    return because(told, "conditions_not_met", missing and "conditions_named" or "conditions",
      { company = told.company, conditions = missing })
  end,
  nothing_to_take_back = function(told)
    return because(told, "nothing_to_take_back", "own_change", { company = told.company })
  end,
  late = function(told) return because(told, "late", "in_time", { company = told.company }) end,
  lower_rank = function(told) return standing(told, "lower_rank", "forward") end,
  matched = matched,
}

--- A decision in one sentence: the first check that failed and what would have to be different, or what will be done.
---@param told leadcat.why.Told
---@return string
function why.decision(told)
  local scheduled = told.scheduled
  local later = scheduled and text(told, "later", {
    company = told.company, to = category_name(told, scheduled.to),
    time = wording.time(told.at + scheduled.seconds, told.words) or "?",
  })
  if told.action == "none" and later then
    return later
  end
  return REASONS[told.reason](told) .. (later and " " .. later or "")
end

-- Why an event changed nothing.
local function reason_of(entry, told)
  if entry.reason == "vetoed" then
    local because_of = wording.line(entry.error)
    return text(told, because_of and "vetoed_because" or "vetoed", { company = told.company, error = because_of })
  elseif entry.status == "dropped" and entry.reason == "rule_disabled" then
    return text(told, "rule_gone")
  end
  told.trigger, told.lead_status = entry.rule:match "^[^:#]+", config.lead_status_of(entry.rule)
  told.category, told.reason = entry.from, entry.reason
  return why.decision(told)
end

local WAITED = { carried_out = true, dropped = true }
local BY_EXPIRY = { updated = "_by_expiry", declined = "_by_expiry" } -- where nobody answered in time

-- The key of the sentence about how an entry ended.
local function ending_key(entry)
  if entry.status == "superseded" and entry.due then -- no question
    return "replaced"
  end
  local was_held = entry.to and not entry.due and (WAITED[entry.status] or entry.status == "cancelled")
  if was_held then -- what was queued has no target
    return "held_" .. (entry.reason == "by_hand" and "by_hand" or entry.status)
  end
  return (WAITED[entry.status] and not entry.due and "queued_" or "") .. entry.status
    .. (entry.by_expiry and BY_EXPIRY[entry.status] or "")
end

local function ending_of(entry, told)
  local who = entry.actor
  if entry.status == "cancelled" or entry.reason == "by_hand" then
    who = entry.ended_by
  end
  return text(told, "entry." .. ending_key(entry), {
    company = told.company, due = wording.time(entry.due, told.words) or "?",
    from = category_name(told, entry.from),
    to = category_name(told, entry.to),
    time = wording.time(entry.at, told.words) or "?",
    user = wording.called(who) or wording.sentence(told.words, "confirmation.somebody"),
  })
end

--- An entry of the journal: its cause, its result, and why nothing was changed if so.
---@param entry leadcat.Entry
---@param cfg leadcat.Config the newest; for an unchanged event, the one that decided
---@param words leadcat.Words
---@param company string its name
---@return string
function why.entry(entry, cfg, words, company)
  local note = wording.note(words, entry, company)
  if note then
    return note
  end
  local told = { cfg = cfg, words = words, company = company }
  local sentences = { wording.cause_of_entry(words, entry, cfg), ending_of(entry, told) }
  if entry.status == "unchanged" or entry.status == "dropped" and entry.reason ~= "by_hand" then
    sentences[3] = reason_of(entry, told)
  end
  return table.concat(sentences, " ")
end

return why
