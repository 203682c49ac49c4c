--- What a change of the rules would do: the same events run through two configs side by side, and where they part. Apart
-- from `simulate.lua` because here the decisions of both sides are looked at one by one. Nothing is written; what is kept
-- grows with the companies and with the kinds of change, not with the events.

local config = require "leadcat.config"
local core = require "leadcat.core"
local event_of = require "leadcat.event"
local explain = require "leadcat.explain"
local json = require "leadcat.json"
local simulate = require "leadcat.simulate"
local wording = require "leadcat.render.wording"

local compare = {}

local STEP = 1000 -- events between two reports of progress
local EXAMPLES = 3 -- of each kind of change
local LISTED = 100 -- companies, when nothing is said

---@class leadcat.Comparison
---@field events integer
---@field companies integer
---@field changed {events: integer, reasons: integer, companies: integer} events whose company gets another category, or is asked about, under one config only; events with which neither does anything, for different reasons; companies that end in another category
---@field before table the report of `simulate` under the one config
---@field after table the same under the other
---@field changes leadcat.ComparedDecision[] those that do something else first, of them the largest count first
---@field categories leadcat.ComparedCategory[] those that a company is in or a change sets, in the order in which they are shown
---@field flows {before: leadcat.Flow[], after: leadcat.Flow[], change: leadcat.Flow[]} from the start to the end under each config; from the end under the one to that under the other
---@field moved leadcat.ComparedCompany[] the first of those that end in another category, in the order of their events

---@class leadcat.ComparedDecision a kind of change
---@field trigger string
---@field before leadcat.ComparedOutcome
---@field after leadcat.ComparedOutcome
---@field count integer events
---@field examples {event: leadcat.Event, before: table, after: table}[] with what `engine:explain` says of both sides

---@class leadcat.ComparedOutcome
---@field outcome string the action for what matched, else the reason
---@field to? integer the category's id, for what matched

---@class leadcat.ComparedCategory
---@field id? integer absent where nobody knows the category
---@field name? string
---@field group? string
---@field start integer companies, as are the next two
---@field before integer
---@field after integer

---@class leadcat.Flow
---@field from? integer a category's id; absent where nobody knows it
---@field to? integer
---@field companies integer

---@class leadcat.ComparedCompany
---@field company string|integer
---@field start? integer the category before its first event; absent where nobody knows it, as in the next two
---@field before? integer the category at the end under the one config
---@field after? integer

local SIDES, TIMES = { "before", "after" }, { "start", "before", "after" }

-- Deciding -------------------------------------------------------------------------------------------------------------

-- Decides for one side and moves its company.
local function decide(run, side, place, event)
  local category = event.category or place[side] or run.start
  local action, to, reason = run[side].decide(event.trigger, category, event.lead_status)
  local outcome = action == "none" and reason or action
  place[side] = to or category or false
  simulate.count(run.report[side], event.trigger, outcome)
  return { outcome = outcome, to = to, action = action, reason = reason, category = category }
end

local function place_of(run, event)
  local key = event_of.key(event.company)
  local place = run.places[key]
  if not place then
    place = { company = event.company, start = event.category or run.start or false }
    run.places[key], run.order[#run.order + 1] = place, place
  end
  return place
end

local function kind_of(run, trigger, before, after)
  local key = table.concat({ trigger, before.outcome, before.to or "", after.outcome, after.to or "" }, " ")
  local kind = run.kinds[key]
  if not kind then
    kind = {
      trigger = trigger, count = 0, examples = json.array {}, companies = {},
      before = { outcome = before.outcome, to = before.to }, after = { outcome = after.outcome, to = after.to },
    }
    run.kinds[key], run.report.changes[#run.report.changes + 1] = kind, kind
  end
  return kind
end

-- Whether something else is done, and not nothing for another reason.
local function matters(kind)
  return kind.before.to ~= nil or kind.after.to ~= nil
end

local function explained(run, side, event, decision)
  return explain.decision({ run[side].explain(event.trigger, decision.category, event.lead_status) }, run[side].cfg, {
    trigger = event.trigger, category = decision.category, lead_status = event.lead_status,
  })
end

-- Examples are of different companies.
local function add_example(run, kind, place, event, before, after)
  if #kind.examples < EXAMPLES and not kind.companies[place] then
    kind.companies[place] = true
    kind.examples[#kind.examples + 1] = {
      event = event,
      before = explained(run, "before", event, before), after = explained(run, "after", event, after),
    }
  end
end

local function step(run, event)
  local place = place_of(run, event)
  local before, after = decide(run, "before", place, event), decide(run, "after", place, event)
  run.report.events = run.report.events + 1
  if before.outcome ~= after.outcome or before.to ~= after.to then
    local kind = kind_of(run, event.trigger, before, after)
    kind.count = kind.count + 1
    local what = matters(kind) and "events" or "reasons"
    run.report.changed[what] = run.report.changed[what] + 1
    add_example(run, kind, place, event, before, after)
  end
end

local function run_events(run, next_event, on_progress)
  local event, message, code = next_event()
  while event do
    local problem = event_of.problem(event)
    if problem then
      return nil, ("event %d: %s"):format(run.report.events + 1, problem), "invalid"
    end
    step(run, event)
    if on_progress and run.report.events % STEP == 0 then
      on_progress(run.report.events)
    end
    event, message, code = next_event()
  end
  if code then
    return nil, message, code
  end
  return true
end

-- Counting -------------------------------------------------------------------------------------------------------------

-- Companies by two of their categories.
local function flows(run, from, to, rank)
  local counts, list = {}, json.array {}
  for _, place in ipairs(run.order) do
    local row = counts[place[from]] or {}
    counts[place[from]] = row
    local flow = row[place[to]]
    if not flow then
      flow = { from = place[from] or nil, to = place[to] or nil, companies = 0 }
      row[place[to]], list[#list + 1] = flow, flow
    end
    flow.companies = flow.companies + 1
  end
  table.sort(list, function(a, b)
    local from_a, from_b = rank[a.from or false], rank[b.from or false]
    return from_a < from_b or from_a == from_b and rank[a.to or false] < rank[b.to or false]
  end)
  return list
end

local function new_category(run, id)
  if not id then
    return { start = 0, before = 0, after = 0 }
  end
  local found = config.find(run.after.cfg.categories, id) or config.find(run.before.cfg.categories, id)
  return {
    id = id, name = wording.display_name(found, id, run.language), group = found and found.group,
    rank = found and found.rank, start = 0, before = 0, after = 0,
  }
end

-- The categories that companies are in or are set to, in order, and the place of each in it.
local function categories(run)
  local list, by_id, rank = json.array {}, {}, {}
  local function noted(id)
    if not by_id[id] then
      by_id[id] = new_category(run, id)
      list[#list + 1] = by_id[id]
    end
    return by_id[id]
  end
  for _, place in ipairs(run.order) do
    for _, when in ipairs(TIMES) do
      local category = noted(place[when])
      category[when] = category[when] + 1
    end
  end
  for _, kind in ipairs(run.report.changes) do
    for _, side in ipairs(SIDES) do
      if kind[side].to then
        noted(kind[side].to)
      end
    end
  end
  table.sort(list, wording.comes_before)
  for i, category in ipairs(list) do
    rank[category.id or false], category.rank = i, nil
  end
  return list, rank
end

-- The first companies that end elsewhere, and how many there are.
local function moved(run, limit)
  local list, count = json.array {}, 0
  for _, place in ipairs(run.order) do
    if place.before ~= place.after then
      count = count + 1
      list[#list + 1] = count <= limit and {
        company = place.company, start = place.start or nil, before = place.before or nil, after = place.after or nil,
      } or nil
    end
  end
  return list, count
end

local function sort_changes(changes)
  for i, kind in ipairs(changes) do
    kind.first, kind.companies = i, nil
  end
  table.sort(changes, function(a, b)
    if matters(a) ~= matters(b) then
      return matters(a)
    end
    return a.count > b.count or a.count == b.count and a.first < b.first
  end)
  for _, kind in ipairs(changes) do
    kind.first = nil
  end
end

local function finish(run, limit)
  local report = run.report
  for _, side in ipairs(SIDES) do
    local places, i = run.order, 0
    simulate.count_companies(report[side], run[side].cfg, run.language, function()
      i = i + 1
      return places[i] and i, places[i] and places[i][side]
    end)
  end
  report.companies = #run.order
  local rank
  report.categories, rank = categories(run)
  report.flows = {
    before = flows(run, "start", "before", rank), after = flows(run, "start", "after", rank),
    change = flows(run, "before", "after", rank),
  }
  report.moved, report.changed.companies = moved(run, limit)
  sort_changes(report.changes)
  return report
end

-- The whole ------------------------------------------------------------------------------------------------------------

-- The id of a category given by id or by name: the one config may lack it.
local function start_of(before, after, category)
  for _, cfg in ipairs { before, after } do
    local found = type(category) == "string" and config.find_by_name(cfg.categories, category)
      or config.find(cfg.categories, category)
    if found then
      return found.id
    end
  end
end

-- Which of the configs cannot be used, if any.
---@return string? message
---@return leadcat.Problem[]? problems
local function refusal(before, after)
  for _, side in ipairs { { before, "compared with" }, { after, "that is tried" } } do
    local problems = config.problems(side[1])
    if config.has_errors(problems) then
      return ("the config %s has errors"):format(side[2]), problems
    end
  end
end

local function new_run(before, after, options)
  local run = {
    before = { cfg = before, decide = (core.decider(before)), explain = core.explainer(before) },
    after = { cfg = after, decide = (core.decider(after)), explain = core.explainer(after) },
    start = options.start, language = options.language,
    places = {}, order = {}, kinds = {},
  }
  run.report = {
    events = 0, changed = { events = 0, reasons = 0 }, changes = json.array {},
    before = simulate.new_report(), after = simulate.new_report(),
  }
  return run
end

--- Runs events through two configs, as `simulate.run` does through one, and says where they part. Categories and lead
-- statuses with the same id are the same.
---@param before leadcat.Config the rules as they are
---@param after leadcat.Config the rules as they would be
---@param events leadcat.Event[]|fun(): leadcat.Event?, string?, string? as `simulate.run` takes them
---@param options? {start_category?: integer|string, on_progress?: fun(events: integer), language?: string, limit?: integer} limit: how many companies are listed, default 100
---@return leadcat.Comparison? report
---@return string? message
---@return string? code `invalid`: a config, the start category or an event; or the iterator's
---@return leadcat.Problem[]? problems of the config
function compare.run(before, after, events, options)
  options = options or {}
  local next_event = simulate.iterate(events)
  local refused, problems = refusal(before, after)
  if refused then
    return nil, refused, "invalid", problems
  end
  before, after = config.normalize(before), config.normalize(after) -- a list may be left out
  local start = start_of(before, after, options.start_category)
  if options.start_category ~= nil and not start then
    return nil, ("start_category: there is no category '%s'"):format(tostring(options.start_category)), "invalid"
  end
  local run = new_run(before, after, { start = start, language = options.language })
  local ok, message, code = run_events(run, next_event, options.on_progress)
  if not ok then
    return nil, message, code
  end
  return finish(run, options.limit or LISTED)
end

return compare
