--- Rules on trial (`shadow = true`): what they would have done with live events, which the store has noted, beside what users and
-- other rules did with the same companies. Methods of the engine.
--
-- A case is a company that the rule would have moved. The events behind the first one that come to the same, while the company
-- stays where it was, belong to it. What became of it is told by the journal, from the first event to the next case:
--
--   agreed    the company came to the category that the rule would have set
--   undone    it did, and went back again
--   differed  it came to another one, or a user has declined to change it
--   alone     neither: only the rule would have moved it (so far)
--
-- Who moves companies past leadcat is known by the next entry of the company, which begins where the company was then.

local config = require "leadcat.rules.config"
local event_of = require "leadcat.events.event"
local journal = require "leadcat.past.journal"
local json = require "leadcat.util.json"
local options_of = require "leadcat.util.options"
local platform = require "leadcat.util.platform"
local settings = require "leadcat.rules.save"

---@class leadcat.engine.shadow: leadcat.Engine the engine's methods that stand here
local shadow = {}

local DAY = 86400
local MOST_NOTES = 10000 -- that are looked at
local MOST_ENTRIES = 1000 -- of a company
local BATCH = 500
local DAYS, MOST_DAYS = 30, 3650

local VERDICTS = { "agreed", "differed", "undone", "alone" }

---@class (exact) leadcat.ShadowQuery
---@field rule? string a rule's key: of this one also the cases
---@field days? integer 1 to 3,650; default 30
---@field limit? integer of the cases: 1 to 1,000; default 100
---@field after? integer the `next` of the page of cases before

local QUERY = {
  rule = options_of.of_type("string", "a rule's key, such as sale_won#7"), days = options_of.whole(1, MOST_DAYS),
  limit = options_of.limit, after = options_of.whole(1, 2 ^ 53),
}

---@class leadcat.ShadowCase: leadcat.Entry the first event's, with the status `shadow`
---@field verdict "agreed"|"differed"|"undone"|"alone"
---@field events integer how many events would have led to it
---@field asks boolean it would have asked
---@field decided_by? integer the entry that shows the verdict
---@field stood? integer where the company came to, if it was moved
---@field by_hand? true it was moved past leadcat

---@class leadcat.ShadowRule
---@field rule string its key
---@field name? leadcat.Text
---@field is_shadow boolean whether the rule is on trial now
---@field events integer that it would have done something with
---@field asks integer of the cases: it would have asked
---@field cases integer companies that it would have moved, once for each time
---@field agreed integer
---@field differed integer
---@field undone integer
---@field alone integer

---@class leadcat.ShadowReport
---@field days integer
---@field since number seconds since 1970
---@field rules leadcat.ShadowRule[] those on trial in the order of the config, then others of which something is noted
---@field is_whole boolean false: there are more than 10,000 notes, of which the newest are counted
---@field cases? leadcat.ShadowCase[] with `rule`: newest first
---@field next? integer as `after` of the next page of cases

-- What is noted -------------------------------------------------------------------------------------------------------

local function key_of(note)
  return config.rule_key(note.trigger, note.lead_status, note.rule_id)
end

-- The notes since then, newest first; and whether these are all.
local function read_notes(self, since, rule)
  local notes, after, looked_at = {}, nil, 0
  while looked_at < MOST_NOTES do
    local page, message, code = self._store:history(self._tenant, nil, since, after, BATCH, true)
    if not page then
      return nil, message, code
    end
    for _, note in ipairs(page) do
      if note.status == "shadow" and (not rule or key_of(note) == rule) then
        notes[#notes + 1] = note
      end
    end
    looked_at = looked_at + #page
    if #page < BATCH then
      return notes, true
    end
    after = page[#page].entry
    platform.give_way()
  end
  return notes, false
end

-- The notes by company: its text, then the rule's key, then the notes, oldest first.
local function by_company(notes)
  local companies, order = {}, {}
  for i = #notes, 1, -1 do
    local note = notes[i]
    local company, key = event_of.key(note.company), key_of(note)
    if not companies[company] then
      companies[company], order[#order + 1] = {}, company
    end
    local rules = companies[company]
    rules[key] = rules[key] or {}
    table.insert(rules[key], note)
  end
  return companies, order
end

-- The entry of the event that the note is about, or where it would stand.
local function place_of(note)
  return note.beside or note.entry
end

local function oldest_of(rules)
  local oldest = math.huge
  for _, notes in pairs(rules) do
    oldest = math.min(oldest, place_of(notes[1]))
  end
  return oldest
end

-- What became of a company ---------------------------------------------------------------------------------------------

local DECIDED = { -- whose `from` is where the company was
  updated = true, conflict = false, awaiting_confirmation = true, declined = true, failed = true, applying = true,
}

-- The company's journal from that entry on, oldest first.
local function read_entries(self, company, first)
  local entries, after = {}, nil
  while #entries < MOST_ENTRIES do
    local page, message, code = self._store:history(self._tenant, company, nil, after, BATCH)
    if not page then
      return nil, message, code
    end
    for _, entry in ipairs(page) do
      if entry.entry < first then
        page = {}
        break
      end
      table.insert(entries, 1, entry)
    end
    if #page < BATCH then
      break
    end
    after = page[#page].entry
  end
  return entries
end

-- Where the company came to, one after the other: {to, entry, by_hand?}; or {kept = true, entry} where a user declined. A company
-- that stands elsewhere than it was left was moved by hand.
local function steps_of(entries, from)
  local steps, at = {}, from
  for _, entry in ipairs(entries) do
    if DECIDED[entry.status] and entry.from ~= 0 and entry.from ~= at and not entry.former then
      at = entry.from
      steps[#steps + 1] = { to = at, entry = entry, by_hand = true }
    end
    if entry.status == "updated" and entry.to ~= at then
      at = entry.to
      steps[#steps + 1] = { to = at, entry = entry }
    elseif entry.status == "declined" then
      steps[#steps + 1] = { kept = true, entry = entry }
    end
  end
  return steps
end

-- The verdict about a note, by what became of its company until the next case.
local function judge(note, steps)
  local first = steps[1]
  if not first then
    return "alone"
  elseif first.kept and steps[2] then -- asked first, and moved later
    table.remove(steps, 1)
    return judge(note, steps)
  elseif first.kept or first.to ~= note.to then
    return "differed", first
  end
  for i = 2, #steps do
    if steps[i].to == note.from then
      return "undone", steps[i]
    end
  end
  return "agreed", first
end

-- Those of the entries that lie from one note to another.
local function between(entries, first, last)
  local part = {}
  for _, entry in ipairs(entries) do
    local at = entry.entry
    part[#part + 1] = at >= first and at < last and entry or nil
  end
  return part
end

-- The cases of a rule and a company: {note, events, verdict, step?}, oldest first.
local function cases_of(notes, entries)
  local cases, last = {}, nil
  for _, note in ipairs(notes) do
    local moved = last and #steps_of(between(entries, place_of(last.note), place_of(note)), last.note.from) > 0
    if last and not moved and last.note.to == note.to and last.note.from == note.from then
      last.events = last.events + 1
    else
      last = { note = note, events = 1 }
      cases[#cases + 1] = last
    end
  end
  for i, case in ipairs(cases) do
    local behind = cases[i + 1] and place_of(cases[i + 1].note) or math.huge
    case.verdict, case.step = judge(case.note, steps_of(between(entries, place_of(case.note), behind), case.note.from))
  end
  return cases
end

-- The report ----------------------------------------------------------------------------------------------------------

local function new_rule(key, rule)
  local row = {
    rule = key, name = rule and rule.name, is_shadow = rule ~= nil and rule.enabled and rule.shadow == true or false,
    events = 0, asks = 0, cases = 0,
  }
  for _, verdict in ipairs(VERDICTS) do
    row[verdict] = 0
  end
  return row
end

-- The rows of the rules on trial, in order, also by key. `only`: the key of the one that is asked for.
local function rows_of(cfg, only)
  local rows, all = json.array {}, {}
  for _, rule in ipairs(cfg.rules) do
    local key = config.rule_key(rule.trigger, rule.lead_status, rule.id)
    all[key] = rule
    if (key == only) or not only and rule.enabled and rule.shadow then
      rows[#rows + 1] = new_rule(key, rule)
      rows[key] = rows[#rows]
    end
  end
  return rows, all
end

local function count(row, case)
  row.events, row.cases = row.events + case.events, row.cases + 1
  row.asks = row.asks + (case.note.action == "confirm" and 1 or 0)
  row[case.verdict] = row[case.verdict] + 1
end

local function shown(self, case)
  local entry, step = journal.entry(case.note, self._tenant), case.step
  entry.verdict, entry.events, entry.asks = case.verdict, case.events, case.note.action == "confirm"
  entry.decided_by = step and step.entry.entry
  entry.stood, entry.by_hand = step and step.to, step and step.by_hand
  return entry
end

-- Puts the cases into a page, newest first.
local function page_of(self, cases, query)
  table.sort(cases, function(a, b) return a.note.entry > b.note.entry end)
  local page, limit = json.array {}, options_of.page(query.limit)
  for _, case in ipairs(cases) do
    if not query.after or case.note.entry < query.after then
      if #page == limit then
        return page, page[#page].entry
      end
      page[#page + 1] = shown(self, case)
    end
  end
  return page
end

-- All cases of the notes, counted in the rows of their rules.
local function count_all(self, notes, rows, rules)
  local companies, order = by_company(notes)
  local all = {}
  for _, company in ipairs(order) do
    local entries, message, code = read_entries(self, company, oldest_of(companies[company]))
    if not entries then
      return nil, message, code
    end
    for key, of_rule in pairs(companies[company]) do
      if not rows[key] then
        rows[key] = new_rule(key, rules[key])
        rows[#rows + 1] = rows[key]
      end
      for _, case in ipairs(cases_of(of_rule, entries)) do
        count(rows[key], case)
        all[#all + 1] = case
      end
    end
    platform.give_way()
  end
  return all
end

--- What the rules on trial would have done in the last days, beside what was done.
---@param query? leadcat.ShadowQuery
---@return leadcat.ShadowReport? report, string? message, string? code `not_found`: there is no such rule, and never was in that time
function shadow:shadow(query)
  self:_check_open()
  query = options_of.check(query, QUERY)
  local cfg, message, code = settings.known(self)
  if not cfg then
    return nil, message, code
  end
  local days = query.days or DAYS
  local since = self:_now() - days * DAY
  local notes, is_whole, failure = read_notes(self, since, query.rule)
  if not notes then
    return nil, is_whole, failure
  end
  local rows, rules = rows_of(cfg, query.rule)
  if query.rule and not rules[query.rule] and #notes == 0 then
    return nil, ("there is no rule '%s'"):format(query.rule), "not_found"
  end
  local all
  all, message, code = count_all(self, notes, rows, rules)
  if not all then
    return nil, message, code
  end
  local list = json.array {}
  for i, row in ipairs(rows) do
    list[i] = row
  end
  local report = { days = days, since = since, rules = list, is_whole = is_whole }
  if query.rule then
    report.cases, report.next = page_of(self, all, query)
  end
  return report
end

-- For real ------------------------------------------------------------------------------------------------------------

local MAKE = { actor = options_of.actor, revision = options_of.whole(0, 2 ^ 53) }

--- Saves the rules with this one no longer on trial. Who and when is in the revision.
---@param rule string its key
---@param options? leadcat.SaveOptions
---@return integer? revision, string? message, string? code as `save`, and `not_found`: no rule on trial has that key
function shadow:make_real(rule, options)
  self:_check_open()
  if type(rule) ~= "string" then
    error("rule: a rule's key expected, such as sale_won#7", 2)
  end
  options = options_of.check(options, MAKE)
  local cfg, message, code = self:config()
  if not cfg then
    return nil, message, code
  end
  local tried = config.rule_of(cfg, rule)
  if not tried or not tried.enabled or not tried.shadow then
    return nil, ("no rule '%s' is on trial"):format(rule), "not_found"
  end
  tried.shadow = nil
  return self:save(cfg, { actor = options.actor, revision = options.revision or cfg.revision })
end

return shadow
