--- The events that a backfill goes by: each is checked, and they come in the order of their dates.

local core = require "leadcat.core"
local event_of = require "leadcat.events.event"

local reading = {}

reading.MAX_BATCH = 1000 -- events

-- What is wrong with an event; nil when nothing is.
local function problem_of(event)
  return event_of.problem(event)
    or event.at == nil and "a backfill goes by the dates of events, and `at` is absent"
    or nil
end

--- The events of an array in the order of their dates; of one date as they were. All are checked before the first is given.
---@param events leadcat.Event[]
---@return (fun(): leadcat.Event?)? next
---@return string? problem
function reading.in_order(events)
  local order, i = {}, 0
  for place, event in ipairs(events) do
    local problem = problem_of(event)
    if problem then
      return nil, ("events[%d]: %s"):format(place, problem)
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

--- Checks each event of an iterator as it comes, and that they come in order.
---@param next_event fun(): leadcat.Event?, string?, string?
---@return fun(): leadcat.Event?, string?, string?
function reading.checked(next_event)
  local count, last = 0, -math.huge
  return function()
    local event, message, code = next_event()
    if event == nil then
      return nil, message, message and (code or "invalid") -- no failure is to be taken for the end
    end
    count = count + 1
    local problem = problem_of(event) or event.at < last and "it happened before the one that comes before it"
    if problem then
      return nil, ("event %d: %s"):format(count, problem), "invalid"
    end
    last = event.at
    return event
  end
end

--- What tells an array of events from another.
---@param events leadcat.Event[]
---@return string
function reading.fingerprint(events)
  local sum
  for _, event in ipairs(events) do
    for _, name in ipairs { "id", "trigger", "company", "lead_status", "choice", "at" } do
      sum = core.checksum(tostring(event[name]) .. "\0", sum)
    end
  end
  return ("%d events, checksum %s"):format(#events, sum or "of none")
end

-- As it is to be handled: what an event of history says of its company's category, the company had then.
local function taken(event, actor)
  local copy = {}
  for name, value in pairs(event) do
    copy[name] = value
  end
  copy.category, copy.actor = nil, event.actor or actor
  return copy
end

--- The next events, at most `size`.
---@param task leadcat.Backfilling
---@param size integer
---@return leadcat.Event[]? events none at the end
---@return string? message
---@return string? code
function reading.read(task, size)
  local events = { task.ahead }
  task.ahead = nil
  while #events < size do
    local event, message, code = task.next_event()
    if code then
      return nil, message, code
    elseif not event then
      break
    end
    events[#events + 1] = event
  end
  for i, event in ipairs(events) do
    events[i] = taken(event, task.options.actor)
  end
  return events
end

return reading
