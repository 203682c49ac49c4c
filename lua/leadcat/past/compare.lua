--- What a change of the rules would do: the same events run through two configs side by side. The core decides and
-- counts (`src/rules/simulate.h`); this file makes the examples and the report. Writes nothing; memory grows with the
-- companies and the kinds of change, not with the events.

local check = require "leadcat.rules.check"
local config = require "leadcat.rules.config"
local core = require "leadcat.core"
local explain = require "leadcat.rules.explain"
local json = require "leadcat.util.json"
local simulate = require "leadcat.past.simulate"
local triggers = require "leadcat.rules.triggers"
local wording = require "leadcat.words.wording"

local compare = {}

local LISTED = 100 -- companies by default

---@class leadcat.Comparison
---@field events integer
---@field companies integer
---@field changed {events: integer, reasons: integer, companies: integer} events that do something else; events that do nothing, for another reason; companies that end in another category
---@field before table the report of `simulate` under the first config
---@field after table the same under the second config
---@field changes leadcat.ComparedDecision[] those that do something else first; then by count
---@field categories leadcat.ComparedCategory[] those that a company is in or a change sets, in display order
---@field flows {before: leadcat.Flow[], after: leadcat.Flow[], change: leadcat.Flow[]} from the start to the end under each config; from the end under the first to the end under the second
---@field moved leadcat.ComparedCompany[] the first companies that end in another category, in the order of their events

---@class leadcat.ComparedDecision a kind of change
---@field trigger string
---@field before leadcat.ComparedOutcome
---@field after leadcat.ComparedOutcome
---@field count integer events
---@field examples {event: leadcat.Event, before: table, after: table}[] with what `engine:explain` says under each config

---@class leadcat.ComparedOutcome
---@field outcome string the action if a rule matched, else `scheduled` or the reason
---@field to? integer the category's id, if a rule matched

---@class leadcat.ComparedCategory
---@field id? integer absent when not known
---@field name? string
---@field group? string
---@field start integer companies, as are the next two
---@field before integer
---@field after integer

---@class leadcat.Flow
---@field from? integer a category's id; absent when not known
---@field to? integer
---@field companies integer

---@class leadcat.ComparedCompany
---@field company string|integer
---@field start? integer the category before its first event; these three are absent when not known
---@field before? integer the category at the end
---@field after? integer

local SIDES, TIMES = { "before", "after" }, { "start", "before", "after" }

-- Changes -------------------------------------------------------------------------------------------------------------

local function name_sides(rows)
  for _, row in ipairs(rows) do
    row.before, row.after, row[1], row[2] = row[1], row[2], nil, nil
  end
  return json.array(rows)
end

-- Whether another thing is done, not just nothing for another reason.
local function matters(change)
  return change.before.to ~= nil or change.after.to ~= nil or change.before.outcome == "scheduled"
    or change.after.outcome == "scheduled"
end

local function explained(pair, side, example)
  local event, cfg = example.event, pair[side]
  local category = event.category or example[side]
  local made = example[side == "before" and "made_1" or "made_2"]
  return explain.decision({ pair.explain[side](event.trigger, category, event.lead_status, event, made) }, cfg, {
    trigger = event.trigger, category = category, lead_status = event.lead_status,
  })
end

local function add_examples(pair, changes, examples)
  for _, change in ipairs(changes) do
    change.examples = json.array {}
  end
  for _, example in ipairs(examples) do
    local list = changes[example.change].examples
    list[#list + 1] = {
      event = example.event, before = explained(pair, "before", example), after = explained(pair, "after", example),
    }
  end
end

local function sort_changes(changes)
  local first = {}
  for i, change in ipairs(changes) do
    first[change] = i
  end
  table.sort(changes, function(a, b)
    if matters(a) ~= matters(b) then
      return matters(a)
    end
    return a.count > b.count or a.count == b.count and first[a] < first[b]
  end)
end

-- Counting ------------------------------------------------------------------------------------------------------------

-- Counts the companies by two of their categories.
local function flows(journeys, from, to, rank)
  local counts, list = {}, json.array {}
  for _, journey in ipairs(journeys) do
    local key = ("%s %s"):format(tostring(journey[from]), tostring(journey[to]))
    local flow = counts[key]
    if not flow then
      flow = { from = journey[from], to = journey[to], companies = 0 }
      counts[key], list[#list + 1] = flow, flow
    end
    flow.companies = flow.companies + journey.companies
  end
  table.sort(list, function(a, b)
    local from_a, from_b = rank[a.from or false], rank[b.from or false]
    return from_a < from_b or from_a == from_b and rank[a.to or false] < rank[b.to or false]
  end)
  return list
end

local function new_category(pair, id)
  local found = id and (config.find(pair.after.categories, id) or config.find(pair.before.categories, id)) or nil
  return {
    id = id or nil, name = id and wording.display_name(found, id, pair.language) or nil, group = found and found.group,
    rank = found and found.rank, start = 0, before = 0, after = 0,
  }
end

-- The categories that companies are in or are set to, in display order, and each one's place.
local function categories(pair, journeys, changes)
  local list, by_id, rank = json.array {}, {}, {}
  local function of_id(id)
    id = id or false
    if not by_id[id] then
      by_id[id] = new_category(pair, id)
      list[#list + 1] = by_id[id]
    end
    return by_id[id]
  end
  for _, journey in ipairs(journeys) do
    for _, when in ipairs(TIMES) do
      local category = of_id(journey[when])
      category[when] = category[when] + journey.companies
    end
  end
  for _, change in ipairs(changes) do
    for _, side in ipairs(SIDES) do
      if change[side].to then
        of_id(change[side].to)
      end
    end
  end
  table.sort(list, wording.comes_before)
  for i, category in ipairs(list) do
    rank[category.id or false], category.rank = i, nil
  end
  return list, rank
end

local function count_changed(journeys, changes)
  local changed = { events = 0, reasons = 0, companies = 0 }
  for _, change in ipairs(changes) do
    local what = matters(change) and "events" or "reasons"
    changed[what] = changed[what] + change.count
  end
  for _, journey in ipairs(journeys) do
    changed.companies = changed.companies + (journey.before ~= journey.after and journey.companies or 0)
  end
  return changed
end

local function report_of(pair, result)
  local report = {
    companies = result.companies, before = simulate.report(result, 1, pair.before, pair.language),
    after = simulate.report(result, 2, pair.after, pair.language), moved = name_sides(result.moved),
  }
  local journeys, changes = name_sides(result.journeys), name_sides(result.changes)
  local rank
  report.events = report.before.events
  report.changed = count_changed(journeys, changes)
  report.categories, rank = categories(pair, journeys, changes)
  report.flows = {
    before = flows(journeys, "start", "before", rank), after = flows(journeys, "start", "after", rank),
    change = flows(journeys, "before", "after", rank),
  }
  add_examples(pair, changes, name_sides(result.examples))
  sort_changes(changes)
  report.changes = changes
  return report
end

-- The whole -----------------------------------------------------------------------------------------------------------

local function refusal(before, after)
  for _, side in ipairs { { before, "compared with" }, { after, "that is tried" } } do
    local problems = check.problems(side[1])
    if check.has_errors(problems) then
      return ("the config %s has errors"):format(side[2]), problems
    end
  end
end

--- Runs events through two configs, as `simulate.run` does through one, and compares the outcomes. Categories and lead
-- statuses with the same id are the same.
---@param before leadcat.Config the rules as they are
---@param after leadcat.Config the rules as they would be
---@param events leadcat.Event[]|fun(): leadcat.Event?, string?, string? as `simulate.run` takes them
---@param options? {triggers?: string[], start_category?: integer|string, on_progress?: fun(events: integer), language?: string, limit?: integer} triggers: as `simulate.run` takes them; limit: of the listed companies, default 100
---@return leadcat.Comparison? report, string? message, string? code `invalid`: a config, the start category or an event; or the iterator's
---@return leadcat.Problem[]? problems of the config
function compare.run(before, after, events, options)
  options = options or {}
  local next_event = simulate.iterate(events)
  local refused, problems = refusal(before, after)
  if refused then
    return nil, refused, "invalid", problems
  end
  before, after = config.normalize(before), config.normalize(after)
  local start, problem = simulate.category_id({ before, after }, options.start_category)
  if problem then
    return nil, problem, "invalid"
  end
  local own = options.triggers or triggers.used(before, after)
  local result, message, code = simulate.through({ before, after }, start, next_event, {
    triggers = own, on_progress = options.on_progress, limit = options.limit or LISTED,
  })
  if not result then
    return nil, message, code
  end
  return report_of({
    before = before, after = after, language = options.language,
    explain = { before = core.explainer(before, own), after = core.explainer(after, own) },
  }, result)
end

return compare
