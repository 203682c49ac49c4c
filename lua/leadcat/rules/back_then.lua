--- What was so at a moment of the past: the rules in use, where the company was, and what was noted. Only what the journal and the versions of
-- the rules have kept; the host is not asked, for what it knows is of now.

local config = require "leadcat.rules.config"
local core = require "leadcat.core"
local event_of = require "leadcat.events.event"
local explain = require "leadcat.rules.explain"
local json = require "leadcat.util.json"
local journal = require "leadcat.past.journal"
local settings = require "leadcat.rules.save"
local wording = require "leadcat.words.wording"

local back_then = {}

local DEEP = 10000 -- entries of a company that are looked at

---@class leadcat.Past
---@field at number seconds since 1970
---@field revision integer of the rules in use; 0: none had been saved
---@field entry? leadcat.ToldEntry the one that was asked about
---@field category_by "entry"|"change"|"later"|"now"|"unknown" how its category is known: the entry has it; by the newest change before; by what the first entry behind found; nothing is noted of it, this is its category now; the journal is too long to tell
---@field moved_to? integer where the next entry found it instead: something else than leadcat has moved it, nobody knows when
---@field is_gone? true the rules of that version are not there any more, and so there are no decisions
---@field not_known string[] fields that conditions compare, of which nothing was kept, or known then
---@field sentence string when, by which version, and where the company was, and what of it cannot be known

-- The moment ----------------------------------------------------------------------------------------------------------

-- An entry of the company, or an event of it that came to nothing.
local function entry_of(self, company, number)
  for _, unchanged in ipairs { false, true } do
    local page, message, code = self._store:history(self._tenant, company, nil, number + 1, 1, unchanged)
    if not page then
      return nil, message, code
    elseif page[1] and page[1].entry == number then
      if journal.is_note(page[1]) then
        return nil, ("entry %d tells of the company itself, and of no event"):format(number), "invalid"
      end
      return page[1]
    end
  end
  return nil, ("company %s has no entry %d"):format(company, number), "not_found"
end

local function revision_at(self, at)
  local revisions, message, code = self:revisions()
  if not revisions then
    return nil, message, code
  end
  for _, revision in ipairs(revisions) do
    if revision.at <= at then
      return revision.revision
    end
  end
  return 0
end

local DECIDED = { -- entries whose `from` is where the company was
  updated = true, awaiting_confirmation = true, declined = true, failed = true, applying = true, unchanged = true,
}

-- Where the company was: `before` as the newest entry before has left it, `behind` as the first one behind has found it.
local function places_at(self, company, at)
  local next_entry, found = journal.entries(self, company), {}
  for _ = 1, DEEP do
    local stored, message, code = next_entry()
    if code then
      return nil, message, code
    elseif not stored then
      return found
    end
    local counts = DECIDED[stored.status] and stored.from ~= 0 and not stored.former
    if counts and journal.written(stored.entry) > at then
      found.behind = stored.from
    elseif counts then
      found.before = stored.status == "updated" and stored.to or stored.from
      found.sale = stored.status == "updated" and journal.event(stored).sale or nil
      found.made = found.sale and not journal.undoes(stored) and { from = stored.from, to = stored.to } or nil
      return found
    end
  end
  found.is_cut = true
  return found
end

local function category_at(self, company, past)
  local found, message, code = places_at(self, event_of.key(company), past.at)
  if not found then
    return nil, message, code
  end
  past.sale, past.made = found.sale, found.made
  if found.before then
    past.category, past.category_by = found.before, "change"
    past.moved_to = found.behind ~= found.before and found.behind or nil
  elseif found.behind or found.is_cut then
    past.category, past.category_by = found.behind, found.is_cut and "unknown" or "later"
  else
    past.category, message, code = self:_category { company = company }
    past.category_by = "now"
  end
  return not code and past or nil, message, code
end

-- The rules of a version; none before the first.
local function rules_of(self, past)
  if past.revision == 0 then
    past.cfg = config.normalize { revision = 0 }
    return past
  end
  local cfg, message, code = settings.known(self, past.revision)
  past.cfg, past.is_gone = cfg, code == "not_found" or nil
  return (cfg or past.is_gone) and past or nil, message, code
end

-- The name of a category as it was, or else as it is.
local function category_name(self, past, about, id)
  local cfg = past.cfg and config.find(past.cfg.categories, id) and past.cfg or settings.known(self)
  return cfg and wording.name_of(cfg.categories, id, about.words.language) or "?"
end

--- A moment: {at, revision, cfg, category, stored?, sale?, made?}, and what leadcat.Past says of it.
---@param self leadcat.Engine
---@param company string|integer
---@param moment {at?: number, entry?: integer}
---@return table? past, string? message, string? code `not_found`: the company has no such entry; `invalid`: it is a note
function back_then.at(self, company, moment)
  local past, message, code
  if moment.entry then
    local stored
    stored, message, code = entry_of(self, event_of.key(company), moment.entry)
    past = stored and {
      at = stored.at, revision = stored.revision or 0, stored = stored, category_by = "entry",
      category = stored.from ~= 0 and stored.from or nil,
    }
  else
    local revision
    revision, message, code = revision_at(self, moment.at)
    past = revision and { at = moment.at, revision = revision }
    if past then
      past, message, code = category_at(self, company, past)
    end
  end
  if not past then
    return nil, message, code
  end
  return rules_of(self, past)
end

-- Deciding ------------------------------------------------------------------------------------------------------------

-- Notes the fields that the conditions of the rules tried compare, and that are not known.
local function note_unknown(list, tried)
  for _, rule in ipairs(tried or {}) do
    for _, group in ipairs(rule.when) do
      for _, condition in ipairs(group) do
        if condition.fact == "unknown" and not list[condition.field] then
          list[condition.field], list[#list + 1] = true, condition.field
        end
      end
    end
  end
end

--- What all decisions about that moment need, as `explain.facts_of` gives it of now, and how one is made.
---@param self leadcat.Engine
---@param company string|integer
---@param past table from `back_then.at`
---@param own string[] the integrator's own triggers that the store knows
---@param language? string
---@return table about
function back_then.about(self, company, past, own, language)
  local about = {
    event = { company = company, sale = past.sale }, category = past.category, cfg = past.cfg,
    company = explain.name_of(self, company), words = explain.words(self, language), unknown = {},
  }
  local decide = past.cfg and core.explainer(past.cfg, own)
  function about.decide(event, any_lead_status)
    local explained = { decide(event.trigger, about.category, event.lead_status, event, past.made) }
    local decision = explain.decision(explained, past.cfg, {
      trigger = event.trigger, category = about.category, lead_status = event.lead_status, event = event,
    })
    explain.tell(about, past.cfg, event, decision, past.at, any_lead_status)
    for _, check in ipairs(decision.checks) do
      note_unknown(about.unknown, check.rules)
    end
    note_unknown(about.unknown, decision.waiting)
    return decision
  end
  return about
end

--- The one decision about an entry's event.
---@return leadcat.TriggerExplanation
function back_then.decision_of(about, stored)
  local event = journal.event(stored)
  local decision = about.decide(event)
  decision.trigger, decision.lead_status = event.trigger, event.lead_status
  return decision
end

-- In words ------------------------------------------------------------------------------------------------------------

local BY = { later = "then_by_later", now = "then_by_now" }

local function sentence(self, about, past)
  local sentences = {}
  local function add(key, names)
    sentences[#sentences + 1] = key and wording.sentence(about.words, "why." .. key, names) or nil
  end
  local names = {
    time = wording.time(past.at, about.words) or "?", revision = ("%d"):format(past.revision), company = about.company,
    category = past.category and category_name(self, past, about, past.category),
  }
  add(past.revision == 0 and "then_no_rules" or names.category and "then" or "then_nowhere", names)
  add(BY[past.category_by])
  add(past.moved_to and "then_moved", { category = category_name(self, past, about, past.moved_to) })
  add(past.is_gone and "then_gone")
  add(about.unknown[1] and "then_facts", { fields = table.concat(about.unknown, ", ") })
  add "then_not_kept"
  return table.concat(sentences, " ")
end

--- The moment as hosts see it.
---@return leadcat.Past
function back_then.told(self, about, past, entry)
  local not_known = json.array {}
  for i, field in ipairs(about.unknown) do
    not_known[i] = field
  end
  return {
    at = past.at, revision = past.revision, entry = entry, category_by = past.category_by, moved_to = past.moved_to,
    is_gone = past.is_gone, not_known = not_known, sentence = sentence(self, about, past),
  }
end

return back_then
