--- The counts of a backfill and its report. The counts of a run come from its cursor and the journal, those of a
-- preview from its outcomes.

local event_of = require "leadcat.events.event"
local journal = require "leadcat.past.journal"
local json = require "leadcat.util.json"
local merged = require "leadcat.util.merged"
local runs = require "leadcat.past.runs"
local simulate = require "leadcat.past.simulate"

local counting = {}

--- Counts an event, and adds its company to `updated` when it was. The counts' keys have the event's trigger and
-- outcome, and the move that it made or would have made.
function counting.add(counts, event, outcome, updated)
  local line = ("%s %s"):format(event.trigger, simulate.outcome_name(outcome))
  if outcome.status ~= "duplicate" and outcome.to then
    line = ("%s %d %d"):format(line, outcome.from, outcome.to)
  end
  counts[line] = (counts[line] or 0) + 1
  if updated and outcome.status == "updated" then
    updated[event_of.key(event.company)] = true
  end
end

local function add_line(report, line, number, name_of)
  local trigger, outcome, from, to = line:match "^(%S+) (%S+) ?(%d*) ?(%d*)$"
  local row = report.outcomes[trigger] or {}
  report.outcomes[trigger], row[outcome] = row, (row[outcome] or 0) + number
  report.events = report.events + number
  if to ~= "" then
    report.changes[#report.changes + 1] = {
      trigger = trigger, outcome = outcome, from = name_of(from), to = name_of(to), events = number,
    }
  end
end

local function by_words(a, b)
  return table.concat({ a.trigger, a.outcome, a.from, a.to }, "\0")
    < table.concat({ b.trigger, b.outcome, b.from, b.to }, "\0")
end

--- The report, of a run or of a preview, with the companies that were updated.
function counting.report(task, counts, updated)
  local cfg, message, code = task.engine:config()
  if not cfg then
    return nil, message, code
  end
  local function name_of(id)
    return simulate.name_of(cfg, tonumber(id), task.engine.language)
  end
  local report = {
    run = task.record and task.record.run, events = 0, outcomes = {}, changes = json.array {}, companies = 0,
  }
  for line, number in pairs(counts) do
    add_line(report, line, number, name_of)
  end
  table.sort(report.changes, by_words)
  for _ in pairs(updated) do
    report.companies = report.companies + 1
  end
  return report
end

--- The report of a run that has handled all its events.
function counting.report_of_run(task)
  local counts, updated = merged(task.counts), {}
  local next_entry = runs.entries(task.engine, task.record)
  while true do
    local entry, message, code = next_entry()
    if code then
      return nil, message, code
    elseif not entry then
      return counting.report(task, counts, updated)
    elseif entry.status ~= "superseded" then -- a superseded entry is an older event's question
      counting.add(counts, entry, journal.outcome(entry), updated)
    end
  end
end

return counting
