--- The loop over the events of a backfill. The core first decides a batch without writing; then the batch is written
-- together with the run's progress. If another process changed something in between, the batch is decided again.

local core = require "leadcat.core"
local counting = require "leadcat.past.backfill.counts"
local merged = require "leadcat.util.merged"
local platform = require "leadcat.util.platform"
local reading = require "leadcat.past.backfill.events"
local rounds = require "leadcat.events.rounds"
local runs = require "leadcat.past.runs"

local batches = {}

local BATCHES_A_SECOND = 10 -- when the rate is limited
local TRIES = 32 -- of a batch that others overtake; it is halved each time

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
local function write(task, foreseen, last, handling)
  local counts = count_without_entry(task, foreseen)
  local cursor, later = runs.cursor(task.record, { position = task.done + last, counts = counts })
  local outcomes, message, code = rounds.write(task.engine, foreseen, cursor, handling)
  if outcomes then
    task.record, task.counts = later, counts
  end
  return outcomes, message, code
end

-- Handles as many events as can be written together, from `first` on. Returns the place of the last one.
local function step(task, events, first)
  local last, handling = #events, task.handling
  for _ = 1, TRIES do
    local foreseen, message, code, place = rounds.foresee(task.engine, slice(events, first, last), handling)
    if not foreseen then
      return nil, place and ("event %d: %s"):format(task.done + first - 1 + place, message) or message, code
    end
    last = first - 1 + #foreseen.events
    local outcomes
    outcomes, message, code = write(task, foreseen, last, handling)
    if outcomes then
      for i, outcome in pairs(outcomes) do
        task.engine:_report(events[first - 1 + i], outcome)
      end
      return last
    elseif code == "apart" then
      handling = merged(handling or {}, { is_beside = false })
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
  return nil, ("event %d: its company keeps changing"):format(task.done + first), "unavailable"
end

-- All of them ---------------------------------------------------------------------------------------------------------

local function write_batch(task, events)
  local last = 0
  while last < #events do
    local message, code
    last, message, code = step(task, events, last + 1)
    if not last then
      return nil, message, code
    end
  end
  return true
end

-- Waits to keep to the rate, if there is one.
local function pace(rate, began, handled)
  local ahead = rate and handled / rate - (core.now() - began) or 0
  if ahead > 0 then
    platform.sleep(ahead)
  else
    platform.give_way()
  end
end

-- Skips the events that are done.
local function skip(task)
  for _ = 1, task.done do
    local event, message, code = reading.next(task)
    if not event then
      return nil, message or "there are fewer events than are done", code or "invalid"
    end
  end
  return true
end

-- Reads and handles batch after batch.
local function each_batch(task, handle, size, rate)
  local began, before = core.now(), task.done
  while true do
    local events, message, code = reading.read(task, size)
    if not events or #events == 0 then
      return events, message, code
    end
    local ok
    ok, message, code = handle(task, events)
    if not ok then
      return nil, message, code
    end
    task.done = task.done + #events
    task.on_progress(task.done)
    pace(rate, began, task.done - before)
  end
end

--- Reports what the events would do. Writes nothing.
function batches.preview(task)
  local counts, updated = {}, {}
  task.handling.overlay = task.engine._store:overlay()
  local ok, message, code = each_batch(task, function(_, events)
    local outcomes, problem, failure = rounds.run(task.engine, events, task.handling)
    if failure then
      return nil, problem, failure
    end
    for place, event in ipairs(events) do
      counting.add(counts, event, outcomes[place], updated)
    end
    return true
  end, reading.MAX_BATCH)
  if not ok then
    return nil, message, code
  end
  return counting.report(task, counts, updated)
end

--- Handles all events that are not done yet.
function batches.handle_all(task)
  local ok, message, code = skip(task)
  if not ok then
    return nil, message, code
  end
  local rate = task.options.rate
  local size = rate and math.ceil(rate / BATCHES_A_SECOND) or reading.MAX_BATCH
  return each_batch(task, write_batch, math.max(1, math.min(size, reading.MAX_BATCH)), rate)
end

return batches
