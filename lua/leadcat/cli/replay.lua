--- `replay`: handles the events of a file with the companies that the store keeps.

local arguments = require "leadcat.cli.arguments"
local common = require "leadcat.cli.common"
local event_of = require "leadcat.events.event"
local events_of = require "leadcat.cli.events"
local run_of = require "leadcat.past.runs"
local simulate = require "leadcat.past.simulate"
local tables = require "leadcat.cli.tables"

local must = common.must

local BATCH = 1000 -- events that are committed together

-- Adds the companies of a batch that the store does not have, in the start category. `touched` collects all companies.
local function add_companies(engine, batch, start, touched)
  local new = {}
  for _, event in ipairs(batch) do
    local key = event_of.key(event.company)
    if touched[key] == nil then
      touched[key] = event.company
      new[#new + 1] = event.company
    end
  end
  if start and #new > 0 then
    must(engine.host:create_many(new, start))
  end
end

-- Why an event of the batch was not taken, if one was not: the first.
local function handle_batch(engine, batch, run)
  add_companies(engine, batch, run.start, run.touched)
  local outcomes, message = run.engine:handle_many(batch)
  for i, outcome in ipairs(must(outcomes, message)) do
    if outcome.status ~= "not_taken" then
      simulate.count(run.report, batch[i].trigger, simulate.outcome_name(outcome))
    end
  end
  return message
end

-- Handles all events, a batch at a time. Those before a bad line stay handled, and so do those of a batch of which one
-- could not be taken: later batches would come before that one.
local function handle_all(engine, next_event, run)
  local batch, who = {}, common.actor()
  local event, message = next_event()
  while event do
    event.actor = event.actor or who
    batch[#batch + 1] = event
    if #batch == BATCH then
      local failure = handle_batch(engine, batch, run)
      if failure then
        return failure
      end
      batch = {}
    end
    event, message = next_event()
  end
  return #batch > 0 and handle_batch(engine, batch, run) or message
end

local function replay(args, engine)
  local cfg = must(engine:config())
  local start = args.start_category and common.category_id(cfg, args.start_category, "--start-category")
  local record = must(run_of.begin(engine, "replay"))
  local report = simulate.new_report()
  local run = { engine = run_of.engine(engine, record.run), report = report, touched = {}, start = start }
  report.run = record.run
  local events = events_of.read(args, { cfg }, must(engine:_own_triggers()))
  local message = handle_all(engine, events.next, run)
  events.finish(report)
  must(run_of.finish(engine, record))
  if message then
    common.fail("%s (the %s events before it are handled, as run %s)", message, tables.number(report.events),
      record.run)
  end
  simulate.count_companies(report, cfg, args.language, function(_, key)
    local company
    key, company = next(run.touched, key)
    return key, key and (engine.host:get(company) or false)
  end)
  return report, tables.report
end

return {
  name = "replay", summary = "Handle the events of a file with the companies kept in the store.",
  store = "write", output = "named", needs_rules = true,
  arguments = arguments.events, problem = arguments.events_problem, run = replay,
}
