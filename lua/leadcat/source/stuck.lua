--- Companies whose events cannot be taken now. A source leaves such a company alone for a while, and the others go on.

local core = require "leadcat.core"
local event_of = require "leadcat.events.event"

local stuck = {}

local FIRST_PAUSE, LONGEST_PAUSE = 1, 300 -- seconds that a company is left alone
local MOST = 1000 -- companies; when so many are stuck, something else is
local STRIKES = 3 -- companies in a row that cannot be taken alone; then the others are not tried
local OF_THE_STORE = { full = true, io = true, forked = true, readonly = true } -- and of no single company

---@class leadcat.Stuck
---@field pauses table<any, {seconds: number, until_time: number, is_on: boolean}> by company
local Stuck = {}
Stuck.__index = Stuck

---@return leadcat.Stuck
function stuck.new()
  return setmetatable({ pauses = {} }, Stuck)
end

--- Whether the company is left alone in this pass.
function Stuck:is_parked(company)
  local pause = self.pauses[company]
  return pause ~= nil and pause.is_on
end

--- Leaves the company alone for 1, 2, 4 … seconds, at most 5 minutes.
function Stuck:park(company)
  local pause = self.pauses[company] or { seconds = FIRST_PAUSE / 2 }
  self.pauses[company] = pause
  pause.seconds = math.min(2 * pause.seconds, LONGEST_PAUSE)
  pause.until_time, pause.is_on = core.uptime() + pause.seconds, true
end

--- The company's events were taken.
function Stuck:release(company)
  self.pauses[company] = nil
end

--- At the begin of a pass over all that was not taken: companies whose pause is over are not parked any more. Only there:
-- further on, a company's newer events would overtake its older ones.
---@return boolean is_full so many are parked that the others should wait, too
function Stuck:begin_pass()
  local now, count = core.uptime(), 0
  for _, pause in pairs(self.pauses) do
    pause.is_on = pause.is_on and now < pause.until_time
    count = count + (pause.is_on and 1 or 0)
  end
  return count >= MOST
end

--- At the end of such a pass: those that were not parked again are as all others.
function Stuck:end_pass()
  for company, pause in pairs(self.pauses) do
    self.pauses[company] = pause.is_on and pause or nil
  end
end

--- When the first pause is over, by `core.uptime`; nil when no company is parked.
---@return number?
function Stuck:due()
  local first
  for _, pause in pairs(self.pauses) do
    first = pause.is_on and math.min(first or pause.until_time, pause.until_time) or first
  end
  return first
end

-- The events of each company, and their places, in order.
local function by_company(events)
  local groups, found = {}, {}
  for place, event in ipairs(events) do
    local company = event_of.key(event.company)
    local group = found[company]
    if not group then
      group = { events = {}, places = {} }
      found[company], groups[#groups + 1] = group, group
    end
    group.events[#group.events + 1], group.places[#group.places + 1] = event, place
  end
  return groups
end

-- Handles one company's events after the other's, when none could be taken together: each company has its own reason.
local function handle_alone(engine, events, late, message, code)
  local outcomes, strikes = {}, 0
  for _, group in ipairs(by_company(events)) do
    local found
    if strikes < STRIKES then
      found, message, code = engine:handle_many(group.events, { late = late })
      strikes = found and 0 or strikes + 1
    end
    for i, place in ipairs(group.places) do
      outcomes[place] = found and found[i] or { status = "not_taken", error = message, code = code }
    end
  end
  return outcomes
end

--- Handles well-formed events so that each company that cannot be taken has its own reason.
---@param engine leadcat.Engine
---@param events leadcat.Event[]
---@param options {late: "skip"|"apply", cursor?: leadcat.Cursor}
---@return leadcat.Outcome[]? outcomes of all events; nil: the store fails, nothing was done
---@return string? message, string? code of a failure, also when there are outcomes: then the cursor has not moved
function stuck.handle(engine, events, options)
  local outcomes, message, code = engine:handle_many(events, options)
  if outcomes or OF_THE_STORE[code] then
    return outcomes, message, code
  end
  return handle_alone(engine, events, options.late, message, code), message, code
end

return stuck
