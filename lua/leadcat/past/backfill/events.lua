--- Reads the events of a backfill: checks each, and that they come in the order of their dates.

local core = require "leadcat.core"
local event_of = require "leadcat.events.event"
local merged = require "leadcat.util.merged"

local reading = {}

reading.MAX_BATCH = 1000 -- events

local function problem_of(event, own)
  return event_of.problem(event, own)
    or event.at == nil and "a backfill goes by the dates of events, and `at` is absent"
end

--- An iterator of an array's events by their dates, those of one date in the array's order; or nil, message, `invalid`.
function reading.in_order(events, own)
  local order, i = {}, 0
  for place, event in ipairs(events) do
    local problem = problem_of(event, own)
    if problem then
      return nil, ("events[%d]: %s"):format(place, problem), "invalid"
    end
    order[place] = { event = event, place = place }
  end
  table.sort(order, function(a, b)
    return a.event.at < b.event.at or a.event.at == b.event.at and a.place < b.place
  end)
  return function()
    i = i + 1
    return order[i] and order[i].event
  end
end

--- The events of an iterator, each checked as it comes.
function reading.checked(next_event, own)
  local count, last = 0, -math.huge
  return function()
    local event, message, code = next_event()
    if event == nil then
      return nil, message, message and (code or "invalid") -- a failure is not the end
    end
    count = count + 1
    local problem = problem_of(event, own) or event.at < last and "it happened before the one that comes before it"
    if problem then
      return nil, ("event %d: %s"):format(count, problem), "invalid"
    end
    last = event.at
    return event
  end
end

--- Identifies an array of events.
function reading.fingerprint(events)
  local sum
  for _, event in ipairs(events) do
    for _, name in ipairs { "id", "trigger", "company", "lead_status", "choice", "at" } do
      sum = core.checksum(tostring(event[name]) .. "\0", sum)
    end
  end
  return ("%d events, checksum %s"):format(#events, sum or "of none")
end

--- The next event, as it was given.
function reading.next(task)
  local event = task.ahead
  if event then
    task.ahead = nil
    return event
  end
  return task.next_event()
end

--- The next events, at most `size`; none at the end. Their category is removed, since it is an old one.
function reading.read(task, size)
  local events = {}
  while #events < size do
    local event, message, code = reading.next(task)
    if code then
      return nil, message, code
    elseif not event then
      break
    end
    event = merged(event, { actor = event.actor or task.options.actor })
    event.category = nil
    events[#events + 1] = event
  end
  return events
end

return reading
