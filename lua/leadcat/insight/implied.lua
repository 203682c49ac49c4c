--- Where the rules alone would lead companies: their events are handled in order, by the core, over an overlay in which
-- nothing is written. A question counts as accepted.

local merged = require "leadcat.util.merged"
local rounds = require "leadcat.events.rounds"

local implied = {}

---@class leadcat.Replayed where the events of one company lead
---@field category integer
---@field moves leadcat.DriftMove[] the events that would have changed it, in order
---@field waits boolean whether one has matched a rule with `after`, which is not replayed

---@class leadcat.DriftMove
---@field event leadcat.Event
---@field from integer
---@field to integer
---@field rule string its key
---@field asks boolean whether the rule asks

-- Companies are told where they stand, so no host and no table of companies is asked, and what is late counts as well.
local function handling_of(self)
  return {
    overlay = self._store:overlay(), confirm = "accept", keeps_companies = false, skips_late = false,
    schedules_nothing = true,
  }
end

-- The event as it is decided here. It was handled before, so its id would make it a duplicate, and its choice was of that day.
local function as_replayed(event, category)
  local copy = merged(event, { category = event.category or category })
  copy.id, copy.choice = nil, nil
  return copy
end

-- Whether the outcome moves the company. In a replay only what it has done itself can be taken back, not what the journal has.
local function moves(state, outcome, is_replay)
  return outcome.status == "updated" and not (is_replay and outcome.takes_back and not state.moves[1])
end

local function note(state, event, given, outcome, is_replay)
  if outcome.scheduled then
    state.waits = true
  end
  state.category = given.category
  if moves(state, outcome, is_replay) then
    state.category = outcome.to
    state.moves[#state.moves + 1] = {
      event = event, from = outcome.from, to = outcome.to, rule = outcome.rule, asks = outcome.action == "confirm",
    }
  end
end

--- What each event would come to where its company is; nothing is written. One that could not be decided is `not_taken`.
---@param self leadcat.Engine
---@param events leadcat.Event[] of different companies
---@param categories integer[] in the same places
---@return leadcat.Outcome[] outcomes, string? message, string? code of the first that was not taken
function implied.tried(self, events, categories)
  local given = {}
  for place, event in ipairs(events) do
    given[place] = as_replayed(event, categories[place])
  end
  return rounds.run(self, given, handling_of(self))
end

--- The same, all or none.
---@param self leadcat.Engine
---@param events leadcat.Event[]
---@param categories integer[]
---@return leadcat.Outcome[]? outcomes, string? message, string? code
function implied.outcomes(self, events, categories)
  local outcomes, message, code = implied.tried(self, events, categories)
  return not code and outcomes or nil, message, code
end

-- Handles the events with this number of all companies. Returns how many there were.
local function step(self, companies, states, number, handling, is_replay)
  local events, of = {}, {}
  for place, company in ipairs(companies) do
    local event = company.events[number]
    if event then
      of[#of + 1], events[#events + 1] = place, as_replayed(event, states[place].category)
    end
  end
  if #events == 0 then
    return 0
  end
  local outcomes, message, code = rounds.run(self, events, handling)
  if code then
    return nil, message, code
  end
  for i, place in ipairs(of) do
    note(states[place], companies[place].events[number], events[i], outcomes[i], is_replay)
  end
  return #events
end

--- Handles the events of some companies.
---@param self leadcat.Engine
---@param companies {events: leadcat.Event[], start: integer}[] each one's events, in order; an event's `category` says where the company was moved to by something else before it
---@param is_replay boolean from the start of each company; else its events are tried as it stands now
---@return leadcat.Replayed[]? states, string? message, string? code in the same places; code: `unavailable` when the host could not tell facts
function implied.states(self, companies, is_replay)
  local states, handling = {}, handling_of(self)
  for place, company in ipairs(companies) do
    states[place] = { category = company.start, moves = {}, waits = false }
  end
  local number = 0
  while true do
    number = number + 1
    local count, message, code = step(self, companies, states, number, handling, is_replay)
    if not count then
      return nil, message, code
    elseif count == 0 then
      return states
    end
  end
end

return implied
