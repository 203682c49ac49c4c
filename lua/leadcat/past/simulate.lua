--- What a config would have done. The core decides thousands of events at a time (`src/rules/simulate.h`), keeps the
-- companies in memory and writes nothing.

local check = require "leadcat.rules.check"
local config = require "leadcat.rules.config"
local core = require "leadcat.core"
local event_of = require "leadcat.events.event"
local triggers = require "leadcat.rules.triggers"

local simulate = {}

local STEP = 1000 -- events between two calls of `on_progress`

--- Events as an iterator. Raises at the caller's caller for anything else.
function simulate.iterate(events)
  if type(events) == "function" then
    return events
  elseif type(events) ~= "table" then
    error("events: an array or an iterator expected, got " .. type(events), 3)
  end
  local i = 0
  return function()
    i = i + 1
    return events[i]
  end
end

--- The id of a start category given by id or by name, in the first config that has it.
---@return integer? id, string? problem
function simulate.category_id(configs, category)
  if category == nil then
    return nil
  end
  local find = type(category) == "string" and config.find_by_name or config.find
  for _, cfg in ipairs(configs) do
    local found = find(cfg.categories, category)
    if found then
      return found.id
    end
  end
  return nil, ("start_category: there is no category '%s'"):format(tostring(category))
end

--- The name of a category in a report.
function simulate.name_of(cfg, id, language)
  local category = config.find(cfg.categories, id)
  return category and config.name(category, language) or ("category %d"):format(id)
end

-- Adds companies, counted by their category's id, to a report.
local function add_categories(report, cfg, language, counts)
  for id, count in pairs(counts) do
    local name = simulate.name_of(cfg, id, language) -- a deleted category may share a live one's
    report.categories[name] = (report.categories[name] or 0) + count
  end
end

--- A report; of a simulation it may have `scheduled`, how many matches would be: {events = n, outcomes = {[trigger] = {[outcome's name] = n}}, categories = {[name] = companies},
-- companies = n}.
function simulate.new_report()
  return { events = 0, outcomes = {}, categories = {}, companies = 0 }
end

local ENDED = { updated = "update", awaiting_confirmation = "confirm" }

--- The name of an outcome in a report: the action if a rule matched; if not, `scheduled` or the reason; else the status.
function simulate.outcome_name(outcome)
  if outcome.status == "unchanged" and outcome.scheduled then
    return "scheduled"
  end
  return ENDED[outcome.status] or outcome.status == "unchanged" and outcome.reason or outcome.status
end

function simulate.count(report, trigger, outcome)
  local counts = report.outcomes[trigger] or {}
  report.outcomes[trigger] = counts
  counts[outcome] = (counts[outcome] or 0) + 1
  report.events = report.events + 1
end

--- Counts the companies of a report by their categories.
---@param ... any an iterator of company, category, as a `for` takes it
function simulate.count_companies(report, cfg, language, ...)
  local counts = {}
  for _, id in ... do
    report.companies = report.companies + 1
    if id then
      counts[id] = (counts[id] or 0) + 1
    end
  end
  add_categories(report, cfg, language, counts)
end

-- Adds an event that `add` refused. Its metatable may be the only reason.
local function add_unusual(add, event, own)
  local problem = event_of.problem(event, own)
  if problem then
    return nil, problem, "invalid"
  end
  return add(event_of.plain(event), event)
end

-- Adds all events. `feed`, if given, adds lines itself before each event of `next_event`.
local function add_all(add, next_event, add_lines, options)
  local feed, on_progress = options.feed, options.on_progress
  local count, next_report = 0, STEP
  while true do
    count = count + (feed and feed(add_lines, STEP) or 0)
    local event, message, code = next_event()
    if not event then
      return not code or nil, message, code
    end
    local added
    added, message, code = add(event)
    if added == false then
      added, message, code = add_unusual(add, event, options.triggers)
    end
    if not added then
      return nil, code == "invalid" and ("event %d: %s"):format(count + 1, message) or message, code
    end
    count = count + 1
    if on_progress and count >= next_report then
      on_progress(count)
      next_report = count + STEP
    end
  end
end

--- Runs events through one config, or through two side by side.
---@param options {triggers: string[], on_progress?: function, feed?: function, limit?: integer} triggers: the own ones; limit: how many moved companies are listed
---@return table? result what the core's `finish` returns (`src/lua/simulate.h`)
function simulate.through(configs, start, next_event, options)
  local add, add_lines, finish = core.simulation(start, configs[1], configs[2], options.triggers)
  if not add then
    return nil, add_lines, finish
  end
  local ok, message, code = add_all(add, next_event, add_lines, options)
  if not ok then
    return nil, message, code
  end
  return finish(options.limit)
end

--- The report of one side of a finished simulation.
function simulate.report(result, side, cfg, language)
  local report = {
    events = 0, outcomes = result.outcomes[side], categories = {}, companies = result.companies,
    scheduled = result.scheduled[side] > 0 and result.scheduled[side] or nil,
  }
  for _, counts in pairs(report.outcomes) do
    for _, count in pairs(counts) do
      report.events = report.events + count
    end
  end
  local counts = {}
  for _, journey in ipairs(result.journeys) do
    local last = journey[side]
    if last then
      counts[last] = (counts[last] or 0) + journey.companies
    end
  end
  add_categories(report, cfg, language, counts)
  return report
end

--- Runs events through a config. A `confirm` counts as accepted. A company is in its event's `category`; without one it
-- is where earlier events left it, else in `start_category`. `feed` may add lines before each event of the iterator, as
-- the one of `leadcat.cli.import` does. Events may name the own triggers of `triggers`; default: those of the config's rules.
---@param cfg leadcat.Config
---@param events leadcat.Event[]|fun(): leadcat.Event?, string?, string? an array or an iterator; the iterator may end with nil, message, code
---@param options? {triggers?: string[], start_category?: integer|string, on_progress?: fun(events: integer), language?: string, feed?: fun(add_lines: function, most: integer): integer}
---@return table? report, string? message, string? code `invalid`: the config, the start category or an event; or the iterator's
---@return leadcat.Problem[]? problems of the config
function simulate.run(cfg, events, options)
  options = options or {}
  local next_event = simulate.iterate(events)
  local problems = check.problems(cfg)
  if check.has_errors(problems) then
    return nil, "the config has errors", "invalid", problems
  end
  local start, problem = simulate.category_id({ cfg }, options.start_category)
  if problem then
    return nil, problem, "invalid"
  end
  local result, message, code = simulate.through({ cfg }, start, next_event, {
    triggers = options.triggers or triggers.used(cfg), feed = options.feed, on_progress = options.on_progress,
  })
  if not result then
    return nil, message, code
  end
  return simulate.report(result, 1, cfg, options.language)
end

return simulate
