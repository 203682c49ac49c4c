--- What a config would have done: events run through the same decision as the engine's, the companies kept in memory,
-- nothing written.

local config = require "leadcat.config"
local core = require "leadcat.core"
local event_of = require "leadcat.event"

local simulate = {}

local STEP = 1000 -- events between two reports of progress

local function iterate(events)
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

-- The id of a category given by id or by name.
local function category_id(cfg, category)
  if category == nil then
    return nil
  end
  local found = type(category) == "string" and config.find_by_name(cfg.categories, category)
    or config.find(cfg.categories, category)
  if not found then
    return nil, ("start_category: there is no category '%s'"):format(tostring(category))
  end
  return found.id
end

-- The name under which a category is reported.
local function name_of(cfg, id, language)
  local category = config.find(cfg.categories, id)
  return category and config.name(category, language) or ("category %d"):format(id)
end

--- A report: {events = n, outcomes = {[trigger] = {[action or reason] = n}}, categories = {[name] = companies},
-- companies = n}. An outcome is the action for what matched and the reason for what did not.
---@return table report
function simulate.new_report()
  return { events = 0, outcomes = {}, categories = {}, companies = 0 }
end

--- Counts one event of a report.
---@param report table
---@param trigger string
---@param outcome string
function simulate.count(report, trigger, outcome)
  local counts = report.outcomes[trigger] or {}
  report.outcomes[trigger] = counts
  counts[outcome] = (counts[outcome] or 0) + 1
  report.events = report.events + 1
end

--- Counts the companies of a report by their categories.
---@param report table
---@param cfg leadcat.Config
---@param language? string
---@param ... any an iterator of company, category, as a `for` takes it
function simulate.count_companies(report, cfg, language, ...)
  local counts = {}
  for _, id in ... do
    report.companies = report.companies + 1
    if id then
      counts[id] = (counts[id] or 0) + 1
    end
  end
  for id, count in pairs(counts) do
    local name = name_of(cfg, id, language) -- a deleted category may share a live one's
    report.categories[name] = (report.categories[name] or 0) + count
  end
end

-- Decides all events; `categories` holds where each company stands, false where nobody knows.
local function run(decide, next_event, report, categories, start, on_progress)
  local event, message, code = next_event()
  while event do
    local problem = event_of.problem(event)
    if problem then
      return nil, ("event %d: %s"):format(report.events + 1, problem), "invalid"
    end
    local key = event_of.key(event.company)
    local category = event.category or categories[key] or start
    local action, to, reason = decide(event.trigger, category, event.lead_status)
    categories[key] = to or category or false
    simulate.count(report, event.trigger, action == "none" and reason or action)
    if on_progress and report.events % STEP == 0 then
      on_progress(report.events)
    end
    event, message, code = next_event()
  end
  if code then
    return nil, message, code
  end
  return true
end

--- Runs events through a config. A `confirm` is taken as accepted. An event's `category` is where its company stands;
-- without one it is where earlier events have left it, else `start_category`.
---@param cfg leadcat.Config
---@param events leadcat.Event[]|fun(): leadcat.Event?, string?, string? an array or an iterator; the iterator may end with nil, message, code
---@param options? {start_category?: integer|string, on_progress?: fun(events: integer), language?: string}
---@return table? report
---@return string? message
---@return string? code `invalid`: the config, the start category or an event; or the iterator's
---@return leadcat.Problem[]? problems of the config
function simulate.run(cfg, events, options)
  options = options or {}
  local next_event = iterate(events)
  local problems = config.problems(cfg)
  if config.has_errors(problems) then
    return nil, "the config has errors", "invalid", problems
  end
  local start, problem = category_id(cfg, options.start_category)
  if problem then
    return nil, problem, "invalid"
  end
  local report, categories = simulate.new_report(), {}
  local ok, message, code = run((core.decider(cfg)), next_event, report, categories, start, options.on_progress)
  if not ok then
    return nil, message, code
  end
  simulate.count_companies(report, cfg, options.language, pairs(categories))
  return report
end

return simulate
