--- The loop over the events of a backfill. The core first decides a batch without writing; then the batch is written together
-- with the run's progress. If another process changed something in between, the batch is decided again.

local core = require "leadcat.core"
local counting = require "leadcat.past.backfill.counts"
local event_of = require "leadcat.events.event"
local merged = require "leadcat.util.merged"
local platform = require "leadcat.util.platform"
local reading = require "leadcat.past.backfill.events"
local rounds = require "leadcat.events.rounds"
local runs = require "leadcat.past.runs"

local batches = {}

local BATCHES_A_SECOND = 10 -- when the rate is limited

-- A batch -------------------------------------------------------------------------------------------------------------

-- Whether this process still carries the run on. If so, a batch in conflict had a company that changed.
local function is_ours(task)
  local noted, message, code = runs.read(task.engine, task.record.run)
  if not noted then
    return nil, message, code
  elseif noted.text ~= task.record.text then
    return nil, "somebody else is carrying it on, or has undone it", "conflict"
  end
  return true
end

local function slice(events, first, last)
  local some = {}
  for place = first, last do
    some[place - first + 1] = events[place]
  end
  return some
end

-- The run's counts, with the batch's events that leave no entry.
local function count_without_entry(task, foreseen)
  local counts = merged(task.counts)
  for place, event in ipairs(foreseen.events) do
    local outcome = foreseen.outcomes[place]
    if type(outcome) == "number" then
      counting.add(counts, event, { status = "duplicate" })
    elseif outcome.status == "unchanged" then
      counting.add(counts, event, outcome)
    end
  end
  return counts
end

-- Writes the foreseen outcomes, and the run's progress with them.
local function write(task, foreseen, last)
  local counts = count_without_entry(task, foreseen)
  local cursor, later = runs.cursor(task.record, { position = task.done + last, counts = counts })
  local outcomes, message, code = rounds.write(task.engine, foreseen, cursor, task.handling)
  if outcomes then
    task.record, task.counts = later, counts
  end
  return outcomes, message, code
end

-- Handles as many events as can be written together, from `first` on. Gives the place of the last one.
local function step(task, events, first)
  local last = #events
  while true do
    local foreseen, message, code, place = rounds.foresee(task.engine, slice(events, first, last), task.handling)
    if not foreseen then
      return nil, place and ("event %d: %s"):format(task.done + first - 1 + place, message) or message, code
    end
    last = first - 1 + #foreseen.events
    local outcomes
    outcomes, message, code = write(task, foreseen, last)
    if outcomes then
      for i, outcome in pairs(outcomes) do
        task.engine:_report(events[first - 1 + i], outcome)
      end
      return last
    elseif code ~= "conflict" then
      return nil, message, code
    end
    local ours
    ours, message, code = is_ours(task)
    if not ours then
      return nil, message, code
    end
    last = first + math.floor((last - first) / 2) -- a smaller batch is less likely to conflict
  end
end

-- All of them ---------------------------------------------------------------------------------------------------------

local function handle_all(task, events)
  local last = 0
  while last < #events do
    local message, code
    last, message, code = step(task, events, last + 1)
    if not last then
      return nil, message, code
    end
  end
  task.done = task.done + #events
  task.on_progress(task.done)
  return true
end

-- Keeps to the rate.
local function pace(task, began, handled)
  local ahead = task.options.rate and handled / task.options.rate - (core.now() - began) or 0
  if ahead > 0 then
    platform.sleep(ahead)
  else
    platform.give_way()
  end
end

-- Skips the events that are done.
local function skip(task)
  local left = task.done
  while left > 0 do
    local events, message, code = reading.read(task, math.min(left, reading.MAX_BATCH))
    if not events then
      return nil, message, code
    elseif #events == 0 then
      return nil, "there are fewer events than are done", "invalid"
    end
    left = left - #events
  end
  return true
end

--- Reports what the events would do. Writes nothing.
---@param task leadcat.Backfilling
---@return table? report
---@return string? message
---@return string? code
function batches.preview(task)
  local counts, updated, done = {}, {}, 0
  task.handling.overlay = core.overlay()
  while true do
    local events, message, code = reading.read(task, reading.MAX_BATCH)
    if not events then
      return nil, message, code
    elseif #events == 0 then
      return counting.report(task, counts, updated)
    end
    local outcomes
    outcomes, message, code = rounds.run(task.engine, events, task.handling)
    if code then
      return nil, message, code
    end
    for place, event in ipairs(events) do
      counting.add(counts, event, outcomes[place])
      if outcomes[place].status == "updated" then
        updated[event_of.key(event.company)] = true
      end
    end
    done = done + #events
    task.on_progress(done)
    platform.give_way()
  end
end

--- Handles all events that are not done yet.
---@param task leadcat.Backfilling
---@return true? ok
---@return string? message
---@return string? code
function batches.to_end(task)
  local rate, began, handled = task.options.rate, core.now(), 0
  local size = reading.MAX_BATCH
  if rate then
    size = math.max(1, math.min(size, math.ceil(rate / BATCHES_A_SECOND)))
  end
  local ok, message, code = skip(task)
  while ok do
    local events
    events, message, code = reading.read(task, size)
    if not events then
      return nil, message, code
    elseif #events == 0 then
      return true
    end
    ok, message, code = handle_all(task, events)
    handled = handled + #events
    pace(task, began, handled)
  end
  return nil, message, code
end

return batches
