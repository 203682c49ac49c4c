--- Companies that the host keeps. A change is written as `applying`, then the host makes it, then its end is written. A
-- change that was begun must reach its end, in this process or another. `contract.lua` calls the host.

local contract = require "leadcat.host.contract"
local core = require "leadcat.core"
local cursor = require "leadcat.util.cursor"
local event_of = require "leadcat.events.event"
local group_commit = require "leadcat.events.group_commit"
local journal = require "leadcat.past.journal"
local platform = require "leadcat.util.platform"
local protected = require "leadcat.util.protected"

local foreign = {}

--- The status with which a change is written.
foreign.CHANGING = "applying"
--- Options of `store:handle`: how many changes are written together.
foreign.HANDLING = { most = contract.MOST }

local CLAIM_SECONDS, CLAIM_EACH = 30, 0.25 -- seconds
local SLOWEST_POLL = 0.05 -- seconds between two looks at another process's claim
local ATTEMPTS = 10 -- before a change is put aside as failed,
local GIVE_UP_SECONDS = 3600 -- but not sooner than this after it was written
local PAGE = 100
local OUT_OF_TIME = "the host was not asked: this process had been stopped, or the changes before took too long"
local PUT_ASIDE = "this change was under way when the store was copied, so it may have been made since: see what the "
  .. "company's category is, and retry the entry if it has to change"

---@class leadcat.Change a change that the host makes, and how that ended
---@field id string|integer the company as the host gave it
---@field company string its text
---@field outcome leadcat.Outcome what it changes
---@field entry integer
---@field begun number when the entry was written: seconds since 1970
---@field attempts? integer that failed
---@field status "applying"|"updated"|"conflict"|"failed" what is written; `applying` when it will be tried again
---@field error? string
---@field code? "refused" the host will never make it
---@field retry_in? number seconds
---@field made? boolean the host has just made it
---@field restored? boolean the store is a copy that was made while it was under way
---@field lost boolean another process has claimed it, and reports its end

--- After how many seconds another process may take over changes that were begun together.
---@param count integer
---@return number
function foreign.seconds(count)
  return CLAIM_SECONDS + CLAIM_EACH * count
end

--- A change that has not been tried. The arguments are its fields.
---@return leadcat.Change
function foreign.change(id, company, outcome, begun, attempts)
  return {
    id = id, company = company, outcome = outcome, entry = outcome.entry, begun = begun, attempts = attempts,
    status = "applying", lost = true,
  }
end

foreign.category, foreign.categories = contract.category, contract.categories

--- Any company may be changed: the host knows it.
function foreign.may_change()
  return true
end

-- Asking the host -----------------------------------------------------------------------------------------------------

local function backoff(attempts)
  return math.min(3600, 2 ^ attempts) * (0.5 + math.random() / 2)
end

local function is_to_be_tried_again(self, change)
  return (change.attempts or 0) + 1 < ATTEMPTS or self:_now() - change.begun < GIVE_UP_SECONDS
end

-- Notes how a try has ended, as it will be written.
local function note_end(self, change, ended, why, made)
  local again = ended == "failed" and is_to_be_tried_again(self, change)
  change.status = again and "applying" or (ended == "put_aside" or ended == "refused") and "failed" or ended
  change.error, change.made, change.code = why, made, ended == "refused" and ended or nil
  change.retry_in = again and backoff(change.attempts or 0) or nil
end

-- Flights -------------------------------------------------------------------------------------------------------------

---@class leadcat.Flight companies that the host is changing for a coroutine of this engine
---@field coroutine any (`platform.running`)
---@field deadline number of its claims, by `core.uptime`

local told_elsewhere = setmetatable({}, { __mode = "k" }) -- outcomes of changes that another process has taken over

--- Whether another process has taken the change over. That process counts the outcome and calls its listeners.
---@param outcome leadcat.Outcome
---@return boolean
function foreign.is_told_elsewhere(outcome)
  return told_elsewhere[outcome] == true
end

local function flights_of(self)
  local flights = self._in_flight[self._tenant]
  if not flights then
    flights = {}
    self._in_flight[self._tenant] = flights
  end
  return flights
end

local function land(self, companies, flight)
  local flights = flights_of(self)
  for _, company in ipairs(companies) do
    if flights[company] == flight then
      flights[company] = nil
    end
  end
  if next(flights) == nil then
    self._in_flight[self._tenant] = nil
  end
end

--- Calls `fn(flight, ...)` while this coroutine is known to change these companies. They are in flight before they are
-- claimed, or a claim of our own would look abandoned.
---@param self leadcat.Engine
---@param companies string[] their texts
---@param fn fun(flight: leadcat.Flight, ...): ...
---@return any ... what `fn` returns; raises what it raises
function foreign.in_flight(self, companies, fn, ...)
  local flights = flights_of(self)
  local flight = { coroutine = platform.running(), deadline = core.uptime() + foreign.seconds(#companies) }
  for _, company in ipairs(companies) do
    flights[company] = flights[company] or flight
  end
  return protected.finally(function() land(self, companies, flight) end, fn, flight, ...)
end

-- Takes the companies over from flights whose claims have run out.
local function claim_all(self, changes, flight)
  local flights = flights_of(self)
  for _, change in ipairs(changes) do
    flights[change.company] = flight
  end
end

-- Making changes ------------------------------------------------------------------------------------------------------

-- The outcome, for now, of a change that another process has taken over.
local function outcome_now(self, entry)
  local stored, message, code = self._store:entry(self._tenant, entry)
  if not stored then
    return nil, message, code
  end
  local outcome = journal.outcome(stored)
  if stored.status == "applying" and not stored.error then
    outcome.error = "another process has taken this change over"
  end
  told_elsewhere[outcome] = true
  return outcome
end

-- Has the host make changes together. Those that were begun before may have been made.
local function make(self, changes, again)
  local left = {}
  local function note(change, ended, why, made)
    if ended then
      note_end(self, change, ended, why, made)
    elseif change.restored then
      note_end(self, change, "put_aside", PUT_ASIDE)
    else
      left[#left + 1] = change
    end
  end
  if again then
    contract.find_ends(self, changes, note)
  end
  contract.make(self, again and left or changes, note)
end

-- Has the host make the changes, as long as they are claimed. Raises when memory is short, or when the host's clock raises.
local function ask_host(self, changes, flight, again)
  local size = self.host.set_categories and #changes or 1
  for first = 1, #changes, size do
    if core.uptime() < flight.deadline then
      make(self, size == 1 and { changes[first] } or changes, again)
    else
      note_end(self, changes[first], "failed", OUT_OF_TIME)
    end
  end
end

-- The changes that are still ours. When a claim has run out, another coroutine of this engine may have taken the change
-- over. The store cannot tell the two apart, and the other one writes the end.
local function ours(self, changes, flight)
  local flights, list, count = flights_of(self), {}, 0
  for _, change in ipairs(changes) do
    if flights[change.company] == flight then
      count = count + 1
      list[count] = change
    end
  end
  return list
end

local function finish(self, changes, flight)
  return group_commit.write(self, "finish", ours(self, changes, flight), function(items)
    return self._store:finish(self._tenant, items) -- sets `lost` in each
  end)
end

local function outcome_of(self, change)
  local outcome = change.outcome
  if change.lost then
    return outcome_now(self, change.entry)
  end
  outcome.status, outcome.error = change.status == "applying" and "failed" or change.status, change.error
  outcome.code = change.code
  return outcome
end

--- Has the host make each change, and writes their ends with one commit.
---@param self leadcat.Engine
---@param changes leadcat.Change[] claimed by this store
---@param flight leadcat.Flight
---@param again? boolean whether they were begun before
---@return leadcat.Outcome[]? outcomes, string? message, string? code
function foreign.apply(self, changes, flight, again)
  claim_all(self, changes, flight)
  ask_host(self, changes, flight, again)
  local ok, message, code = finish(self, changes, flight)
  if not ok then
    return nil, message, code
  end
  local outcomes = {}
  for i, change in ipairs(changes) do
    outcomes[i], message, code = outcome_of(self, change)
    if not outcomes[i] then
      return nil, message, code
    end
  end
  return outcomes
end

-- Taking up what is unfinished ----------------------------------------------------------------------------------------

-- Claims a company's unfinished change, for as long as it takes to make so many.
local function claim(self, key, idle, count)
  local now = self:_now()
  local entry, attempts, age, restored = self._store:claim(self._tenant, key, idle, now, foreign.seconds(count))
  if not entry then
    return nil, attempts, age
  end
  local change = foreign.change(entry.company, key, journal.outcome(entry), now - age, attempts)
  change.outcome.status, change.restored = "applying", restored -- it has not failed before it was tried
  change.event = journal.event(entry)
  return change
end

---@class leadcat.TakenUp what became of a company's unfinished change
---@field outcome? leadcat.Outcome
---@field unfinished? boolean it stays unfinished
---@field message? string why there is no outcome
---@field code? string `not_found`: there was no change; `conflict`: a live process works on it

-- Claims unfinished changes and has the host make them.
local function claim_and_apply(flight, self, keys, idle)
  local taken, changes, places = {}, {}, {}
  for place, key in ipairs(keys) do
    local change, message, code = claim(self, key, idle[place], #keys)
    taken[place] = { message = message, code = code }
    if change then
      changes[#changes + 1], places[#places + 1] = change, place
    end
  end
  local outcomes, message, code = {}, nil, nil
  if #changes > 0 then
    outcomes, message, code = foreign.apply(self, changes, flight, true)
  end
  for i, place in ipairs(places) do
    taken[place] = { change = changes[i], outcome = outcomes and outcomes[i], message = message, code = code }
  end
  return taken
end

-- Takes up the unfinished changes of companies, together.
---@return leadcat.TakenUp[] taken in the same places
local function take_up(self, keys)
  local idle, flights = {}, flights_of(self)
  for place, key in ipairs(keys) do
    idle[place] = flights[key] == nil
  end
  local taken = foreign.in_flight(self, keys, claim_and_apply, self, keys, idle)
  for _, one in ipairs(taken) do
    if one.outcome then
      self:_report(one.change.event, one.outcome)
      one.unfinished = not one.change.lost and one.change.status == "applying"
    end
  end
  return taken
end

-- Whether waiting would never end: this very call makes the change, or a coroutine that cannot run while we wait.
local function would_wait_for_ourselves(self, key)
  local flight = flights_of(self)[key]
  if flight == nil or core.uptime() >= flight.deadline then
    return false
  end
  return flight.coroutine == platform.running() or not platform.can_yield()
end

--- Finishes a company's unfinished change, or waits for the live process that works on it.
---@param self leadcat.Engine
---@param key string the company's text
---@return boolean? done, string? message, string? code `unavailable` when it stays unfinished
function foreign.settle(self, key)
  local pause, waited = 0.001, 0
  while waited < 2 * CLAIM_SECONDS do
    if would_wait_for_ourselves(self, key) then
      return nil, ("company %s is being changed by a call that waits for this one"):format(key), "unavailable"
    end
    local taken = take_up(self, { key })[1]
    if taken.code == "not_found" or (taken.outcome and not taken.unfinished) then
      return true
    elseif taken.unfinished then
      return nil, ("company %s has an unfinished change: %s"):format(key, taken.outcome.error), "unavailable"
    elseif taken.code ~= "conflict" then
      return nil, taken.message, taken.code
    end
    platform.sleep(pause)
    waited, pause = waited + pause, math.min(pause * 2, SLOWEST_POLL)
  end
  return nil, ("company %s is being changed by another process"):format(key), "unavailable"
end

-- Counts what became of changes. Returns the first failure.
local function count_taken(taken, counts)
  local failure
  for _, one in ipairs(taken) do
    if one.outcome then
      local count = one.outcome.status == "failed" and "failed" or "finished"
      counts[count] = counts[count] + 1
    elseif one.code == "conflict" then
      counts.busy = counts.busy + 1
    elseif one.code ~= "not_found" then
      failure = failure or one
    end
  end
  return failure
end

-- Takes up the changes of a page, together where the host takes many. Returns the first failure, which does not stop the
-- others.
local function recover_page(self, entries, counts)
  local size, failure = self.host.set_categories and PAGE or 1, nil
  for first = 1, #entries, size do
    local keys = {}
    for place = first, math.min(first + size - 1, #entries) do
      keys[#keys + 1] = event_of.key(entries[place].company)
    end
    failure = count_taken(take_up(self, keys), counts) or failure
    platform.give_way()
  end
  return failure
end

--- Finishes the unfinished changes of this tenant that are due. Those that a live process works on are left alone.
---@param self leadcat.Engine
---@return {finished: integer, failed: integer, busy: integer}? counts, string? message, string? code
function foreign.recover(self)
  local counts, after, failure = { finished = 0, failed = 0, busy = 0 }, "", nil
  local moves_on = cursor "the unfinished changes"
  repeat
    local entries
    local ok, message, code = moves_on(after)
    if ok then
      entries, message, code = self._store:applying(self._tenant, after, PAGE)
    end
    if not entries then
      return nil, message, code
    end
    failure = recover_page(self, entries, counts) or failure
    after = #entries > 0 and event_of.key(entries[#entries].company) or after
  until #entries < PAGE
  if failure then
    return nil, failure.message, failure.code
  end
  return counts
end

return foreign
