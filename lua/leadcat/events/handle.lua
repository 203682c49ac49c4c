--- Events, from their arrival to their outcomes: `rounds.lua` has them decided, written down and made to happen; here their
-- outcomes are counted, told and noted.

local event_of = require "leadcat.events.event"
local foreign = require "leadcat.host.foreign"
local as_text = require "leadcat.util.as_text"
local metrics = require "leadcat.operations.metrics"
local rounds = require "leadcat.events.rounds"
local unchanged_events = require "leadcat.past.unchanged"

local handle = {}

--- Counts the outcome and tells those who listen, once. What a listener raises is counted and goes no further: the event
-- is handled.
---@param event leadcat.Event
---@param outcome leadcat.Outcome
function handle:report(event, outcome)
  if foreign.is_told_elsewhere(outcome) then
    return
  end
  metrics.count(self, event.trigger, outcome)
  local listeners = self._hooks[outcome.status]
  for i = 1, listeners and #listeners or 0 do
    local ok, message = pcall(listeners[i], event, outcome)
    if not ok then
      self._shared.hook_errors, self._shared.hook_error = self._shared.hook_errors + 1, as_text(message)
    end
  end
end

-- Reports the outcomes, and notes which events came to nothing, where that is wanted.
local function report_all(self, events, outcomes)
  for place = 1, #events do
    if outcomes[place] then
      self:_report(events[place], outcomes[place])
    end
  end
  if self._shared.record_unchanged then
    unchanged_events.note(self, events, outcomes, 1, #events)
  end
end

--- Handles an event: the company's category is updated, or the user is going to be asked, or nothing is to be done.
-- Once it returns an outcome the event is safe on disk, or there was nothing to write.
---@param event leadcat.Event
---@return leadcat.Outcome? outcome
---@return string? message the event was not taken: deliver it again later, or mend it
---@return string? code `invalid`, `unavailable`, `full`, `io`, `corrupt`, `forked`
function handle:handle(event)
  self:_check_open()
  event_of.check(event)
  local outcomes, message, code = rounds.run(self, { event })
  if code then
    return nil, message, code
  end
  self:_report(event, outcomes[1])
  if self._shared.record_unchanged then
    unchanged_events.note(self, { event }, outcomes, 1, 1)
  end
  return outcomes[1]
end

--- Handles many events, in order, committed together: in one transaction with the embedded host; with another in two for
-- up to 1,000 changes, and for each time that a company comes again. After a failure some of the events may be done: those
-- with ids can all be delivered again.
---@param events leadcat.Event[]
---@return leadcat.Outcome[]? outcomes
---@return string? message
---@return string? code as `handle`
function handle:handle_many(events)
  self:_check_open()
  if type(events) ~= "table" then
    error("events: an array expected, got " .. type(events), 2)
  end
  local outcomes, message, code, place = rounds.run(self, events)
  report_all(self, events, outcomes)
  if code then
    return nil, place and ("events[%d]: %s"):format(place, message) or message, code
  end
  return outcomes
end

return handle
