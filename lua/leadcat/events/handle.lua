--- `engine:handle` and `engine:handle_many`. `rounds.lua` gives each event its outcome; this file counts outcomes and
-- tells the listeners.

local event_of = require "leadcat.events.event"
local foreign = require "leadcat.host.foreign"
local as_text = require "leadcat.util.as_text"
local metrics = require "leadcat.operations.metrics"
local options_of = require "leadcat.util.options"
local protected = require "leadcat.util.protected"
local rounds = require "leadcat.events.rounds"
local unicode = require "leadcat.util.unicode"
local unchanged_events = require "leadcat.past.unchanged"

local handle = {}

local MANY = { late = options_of.one_of { "apply", "skip" } }

--- Counts the outcome and calls the listeners. What a listener raises is counted and goes no further.
---@param event leadcat.Event
---@param outcome leadcat.Outcome
function handle:report(event, outcome)
  if foreign.is_told_elsewhere(outcome) then
    return
  end
  metrics.count(self, event.trigger, outcome)
  local listeners = self._hooks[outcome.status]
  for i = 1, listeners and #listeners or 0 do
    local ok, message = protected.call(listeners[i], event, outcome)
    if not ok then
      self._shared.hook_errors = self._shared.hook_errors + 1
      self._shared.hook_error = unicode.visible(as_text(message))
    end
  end
end

local function report_all(self, events, outcomes)
  for place = 1, #events do
    if outcomes[place] then
      self:_report(events[place], outcomes[place])
    end
  end
  if self._shared.record_unchanged then
    unchanged_events.note(self, events, outcomes)
  end
end

--- Handles an event: updates the company's category, asks the user, or does nothing. What the outcome says was written
-- is on disk when this returns. When it fails, correct the event (`invalid`), or deliver it again later.
---@param event leadcat.Event
---@return leadcat.Outcome? outcome, string? message, string? code `invalid`, `unavailable`, `full`, `io`, `corrupt`, `forked`
function handle:handle(event)
  self:_check_open()
  event_of.check(event)
  local outcomes, message, code = rounds.run(self, { event })
  if code then
    return nil, message, code
  end
  self:_report(event, outcomes[1])
  if self._shared.record_unchanged then
    unchanged_events.note(self, { event }, outcomes)
  end
  return outcomes[1]
end

--- Handles many events with few commits: one with the embedded host; with another, two for each 1,000 changes, and two
-- more each time a company comes again. The events of a company are handled in order. One that cannot be taken does not
-- stop those of other companies; then the call fails, and all events that have ids can be delivered again.
---@param events leadcat.Event[]
---@param options? {late?: "apply"|"skip"} late: instead of the engine's `late_events`, for sources that may deliver out of order
---@return leadcat.Outcome[]? outcomes, string? message, string? code as `handle`
function handle:handle_many(events, options)
  self:_check_open()
  if type(events) ~= "table" then
    error("events: an array expected, got " .. type(events), 2)
  end
  local late = options_of.check(options, MANY).late
  local outcomes, message, code, place = rounds.run(self, events, late and { skips_late = late == "skip" })
  report_all(self, events, outcomes)
  if code then
    return nil, place and ("events[%d]: %s"):format(place, message) or message, code
  end
  return outcomes
end

return handle
