--- One event, from its arrival to its outcome: the core does all of it at once where nobody else has a say; else it is
-- decided (`prepare.lua`), written down (`write.lua`), and, where the host keeps the company, made to happen (`apply.lua`).

local apply = require "leadcat.apply"
local as_text = require "leadcat.as_text"
local event_of = require "leadcat.event"
local journal = require "leadcat.journal"
local metrics = require "leadcat.metrics"
local platform = require "leadcat.platform"
local prepare = require "leadcat.prepare"
local unchanged_events = require "leadcat.unchanged"
local write = require "leadcat.write"

local handle = {}

-- In the core ---------------------------------------------------------------------------------------------------------

-- What is kept of the events from the place `first` on, for display and of their run, by place; nil when there is nothing.
-- What cannot be kept is left to `prepare.lua`, which says so.
local function details_of(events, first, run)
  local details
  for i = first, #events do
    local event = events[i]
    if type(event) == "table" and (run or event.actor or event.sale or event.contact) then
      local ok, text = pcall(journal.details, event, run)
      details = details or {}
      details[i] = ok and text or nil
    end
  end
  return details
end

-- Has the core handle the events from the place `first` on, until one takes more.
---@param details table<integer, string>|boolean what is kept of the events for display, by place; true: nothing; false: nothing is to be written at all
---@return leadcat.Outcome[] outcomes
---@return string? message
---@return string? code of a failure: the others are not handled
local function go_on_in_core(self, events, first, details)
  local outcomes, message, code = self._store:handle(self._tenant, events, details, self:_now(), first)
  if code == "corrupt" then
    return {} -- a damaged ruleset is made anew on the way that takes more
  elseif not outcomes then
    return {}, message, code
  end
  for i = 1, #outcomes do
    if type(outcomes[i]) == "number" then -- the entry of its first delivery, which the retention may just have removed
      local event = events[first - 1 + i]
      outcomes[i], message, code = prepare.find_duplicate(self, event.id)
      if not outcomes[i] and not code then
        outcomes[i], message, code = handle.one(self, event)
      end
    end
    if code then
      for k = #outcomes, i, -1 do
        outcomes[k] = nil
      end
      return outcomes, message, code
    end
  end
  return outcomes
end

--- Has the core do all of it for the first of the events, in one transaction: where companies are kept in the store,
-- nobody else has a say, and nobody is to be asked. Of the others it touches none.
---@param self leadcat.Engine
---@param events leadcat.Event[]
---@param may_write boolean
---@return leadcat.Outcome[] outcomes of the first events
---@return string? message
---@return string? code of a failure: the others are not handled
function handle.in_core(self, events, may_write)
  local host, run, outcomes, message, code = self.host, self._run, nil, nil, nil
  if not host.embedded or host.licensed or #self._hooks.guard > 0 then
    return {}
  elseif not run then -- of which there is something to keep of every event
    outcomes, message, code = go_on_in_core(self, events, 1, may_write)
    if code or #outcomes == #events then
      return outcomes, message, code
    end
  end
  outcomes = outcomes or {}
  local first = #outcomes + 1
  local details = may_write and details_of(events, first, run)
  if details then
    local more
    more, message, code = go_on_in_core(self, events, first, details)
    for i = 1, #more do
      outcomes[first - 1 + i] = more[i]
    end
  end
  return outcomes, message, code
end

-- One by one ----------------------------------------------------------------------------------------------------------

--- Handles an event to its end by the other way: it is decided anew as often as its company is busy or changes meanwhile.
---@param self leadcat.Engine
---@param event leadcat.Event
---@return leadcat.Outcome? outcome
---@return string? message
---@return string? code
function handle.one(self, event)
  while true do
    local job, outcome, code = prepare.job(self, event)
    if not job then
      if code then
        return nil, outcome, code
      end
      return outcome
    end
    local message
    outcome, message, code = write.one(self, job)
    if outcome or code then
      return outcome, message, code
    end
  end
end

--- Counts the outcome and tells those who listen, once. What a listener raises is counted and goes no further: the event
-- is handled.
---@param event leadcat.Event
---@param outcome leadcat.Outcome
function handle:report(event, outcome)
  if apply.is_told_elsewhere(outcome) then
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

--- Handles an event: the company's category is updated, or the user is going to be asked, or nothing is to be done.
-- Once it returns an outcome the event is safe on disk, or there was nothing to write.
---@param event leadcat.Event
---@return leadcat.Outcome? outcome
---@return string? message the event was not taken: deliver it again later, or mend it
---@return string? code `invalid`, `unavailable`, `full`, `io`, `corrupt`, `forked`
function handle:handle(event)
  self:_check_open()
  event_of.check(event)
  local outcomes, message, code = handle.in_core(self, { event }, not platform.can_yield()) -- else it gathers with others
  local outcome = outcomes[1]
  if not outcome and not code then
    message = event_of.problem(event)
    if message then
      return nil, message, "invalid"
    end
    outcome, message, code = handle.one(self, event)
  end
  if not outcome then
    return nil, message, code
  end
  self:_report(event, outcome)
  if self._shared.record_unchanged then
    unchanged_events.note(self, { event }, { outcome }, 1, 1)
  end
  return outcome
end

return handle
