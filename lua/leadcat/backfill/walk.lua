--- The way through the events that are to be done: each batch is written with how far the run is, in one transaction, and
-- is decided anew where somebody else was faster.

local apply = require "leadcat.apply"
local core = require "leadcat.core"
local counting = require "leadcat.backfill.counting"
local deciding = require "leadcat.backfill.deciding"
local event_of = require "leadcat.event"
local platform = require "leadcat.platform"
local reading = require "leadcat.backfill.reading"
local run = require "leadcat.run"
local write = require "leadcat.write"

local walk = {}

local BATCHES_A_SECOND = 10 -- where the rate is limited

-- A batch -------------------------------------------------------------------------------------------------------------

-- Why a batch was not written: somebody else carries on this run, or has changed a company of it.
local function is_ours(task)
  local noted, message, code = run.read(task.engine, task.record.run)
  if not noted then
    return nil, message, code
  elseif noted.text ~= task.record.text then
    return nil, "somebody else is carrying it on, or has undone it", "conflict"
  end
  return true
end

-- What could not be written as it was decided is decided anew in smaller batches; of one event once its company is free.
local function smaller(task, events, first, batch)
  local ours, message, code = is_ours(task)
  if ours and batch.last == first then
    ours, message, code = apply.settle(task.engine, event_of.key(events[first].company))
  end
  if not ours then
    return nil, message, code
  end
  return first + math.floor((batch.last - first) / 2)
end

-- Writes a batch, and how far the run is with it.
local function write_batch(task, events, batch)
  local counts = counting.after(task.counts, events, batch)
  if #batch.jobs > 0 then
    local note, later = run.note(task.record, { position = task.done + batch.last, counts = counts })
    local written, message, code = write.jobs(task.engine, batch.jobs, note)
    if not written then
      return nil, message, code
    end
    task.record = later
    for k, place in ipairs(batch.places) do
      batch.outcomes[place] = written[k]
    end
  end
  task.counts = counts
  return true
end

-- Handles the events from `first` on, as many as go together.
---@return integer? last the place of the last one that is done
---@return string? message
---@return string? code
local function step(task, events, first)
  local last = #events
  while true do
    local batch, message, code = deciding.batch(task, events, first, last)
    local ok
    if batch then
      ok, message, code = write_batch(task, events, batch)
    end
    if ok then
      for place = first, batch.last do
        task.engine:_report(events[place], batch.outcomes[place])
      end
      return batch.last
    elseif not batch or code ~= "conflict" then
      return nil, message, code
    end
    last, message, code = smaller(task, events, first, batch)
    if not last then
      return nil, message, code
    end
  end
end

-- All of them ---------------------------------------------------------------------------------------------------------

-- Gives the embedded host the companies that it does not know.
local function add_companies(task, events)
  local companies = {}
  if not task.start then
    return true
  end
  for i, event in ipairs(events) do
    companies[i] = event.company
  end
  return task.engine.host:create_many(companies, task.start)
end

local function handle_all(task, events)
  local ok, message, code = add_companies(task, events)
  local last = 0
  while ok and last < #events do
    ok, message, code = step(task, events, last + 1)
    last = ok or last
  end
  if not ok then
    return nil, message, code
  end
  task.done = task.done + #events
  task.on_progress(task.done)
  return true
end

-- Waits until so many events may be done.
local function pace(task, began, handled)
  local ahead = task.options.rate and handled / task.options.rate - (core.now() - began) or 0
  if ahead > 0 then
    platform.sleep(ahead)
  else
    platform.give_way()
  end
end

-- Goes behind the events that are done.
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

--- Does all events behind those that are done.
---@param task leadcat.Backfilling
---@return true? ok
---@return string? message
---@return string? code
function walk.to_end(task)
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

return walk
