--- `engine:handle` and `engine:handle_many`. `rounds.lua` gives each event its outcome; this file counts outcomes and
-- tells the listeners.

local cursor = require "leadcat.events.cursor"
local event_of = require "leadcat.events.event"
local foreign = require "leadcat.host.foreign"
local as_text = require "leadcat.util.as_text"
local metrics = require "leadcat.operations.metrics"
local options_of = require "leadcat.util.options"
local protected = require "leadcat.util.protected"
local rounds = require "leadcat.events.rounds"
local unicode = require "leadcat.util.unicode"
local unchanged_events = require "leadcat.past.unchanged"

---@class leadcat.engine.handle: leadcat.Engine the engine's methods that stand here
local handle = {}

local NOTING = { notes = true }
local MANY = { late = options_of.one_of { "apply", "skip" }, cursor = cursor.OPTION }

-- What `handle:report` does. Each field of an engine is found through its metatable: what this needs is given.
local function report(shared, tenant, event, outcome)
  if foreign.is_told_elsewhere(outcome) then
    return
  end
  metrics.count(shared, tenant, event.trigger, outcome)
  local listeners = shared.hooks[outcome.status]
  for i = 1, listeners and #listeners or 0 do
    local ok, message = protected.call(listeners[i], event, outcome, { tenant = tenant })
    if not ok then
      shared.hook_errors, shared.hook_error = shared.hook_errors + 1, unicode.visible(as_text(message))
    end
  end
end

--- Counts the outcome and calls the listeners. What a listener raises is counted and goes no further.
---@param event leadcat.Event
---@param outcome leadcat.Outcome
function handle:report(event, outcome)
  report(self._shared, self._tenant, event, outcome)
end

-- Reports the outcomes. `bad`: the place of an event that is none.
local function report_all(self, shared, events, outcomes, bad)
  local notes, tenant = shared.record_unchanged and unchanged_events.notes(self, events, outcomes), self._tenant
  for place = 1, #outcomes do
    if place ~= bad then
      report(shared, tenant, events[place], outcomes[place])
    end
  end
  if notes then
    unchanged_events.write(self, notes)
  end
end

--- Handles an event: updates the company's category, asks the user, or does nothing. What the outcome says was written
-- is on disk when this returns. When it fails, correct the event (`invalid`), or deliver it again later.
---@param event leadcat.Event
---@return leadcat.Outcome? outcome, string? message, string? code `invalid`, `unavailable`, `full`, `io`, `corrupt`, `forked`
function handle:handle(event)
  self:_check_open()
  event_of.check(event)
  local events, shared = { event }, self._shared
  local outcomes, message, code, bad = rounds.run(self, events, shared.record_unchanged and NOTING)
  if not bad then
    report_all(self, shared, events, outcomes)
  end
  if code then
    return nil, message, code
  end
  return outcomes[1]
end

local function options_for(self, options)
  options = options_of.check(options, MANY)
  local notes = self._shared.record_unchanged and true or nil
  if not options.late and not options.cursor and not notes then
    return nil
  end
  local skips_late
  if options.late then
    skips_late = options.late == "skip"
  end
  return { skips_late = skips_late, cursor = options.cursor and cursor.stored(options.cursor), notes = notes }
end

local function is_any_taken(outcomes)
  for place = 1, #outcomes do
    if outcomes[place].status ~= "not_taken" then
      return true
    end
  end
  return false
end

---@class (exact) leadcat.HandleManyOptions
---@field late? "apply"|"skip" instead of the engine's `late_events`, for sources that may deliver out of order
---@field cursor? leadcat.Cursor how far the source is read with these events, for `engine:cursor`

--- Handles many events with few commits: one with the embedded host; with another, two for each 1,000 changes, and two
-- more each time a company comes again. The events of a company are handled in order. One that cannot be taken does not
-- stop those of other companies: it has the outcome `{status = "not_taken", code, error}`, and so have those of its company
-- and of its id behind it. When none was taken, the call fails.
--
-- A cursor moves when all events were taken, in the same commit as the last of what they lead to, else not at all: then
-- deliver all of them again. Those that have ids are handled once.
---@param events leadcat.Event[]
---@param options? leadcat.HandleManyOptions
---@return leadcat.Outcome[]? outcomes of all events, in their places; nil: nothing was done
---@return string? message, string? code as `handle`: of the first event that was not taken, or why the cursor has not moved
function handle:handle_many(events, options)
  self:_check_open()
  if type(events) ~= "table" then
    error("events: an array expected, got " .. type(events), 2)
  end
  local outcomes, message, code, bad = rounds.run(self, events, options_for(self, options))
  message = bad and ("events[%d]: %s"):format(bad, message) or message
  local taken = not code or is_any_taken(outcomes)
  if taken or not bad then
    report_all(self, self._shared, events, outcomes, bad)
  end
  if not taken then
    return nil, message, code
  end
  return outcomes, message, code
end

return handle
