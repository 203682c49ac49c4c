--- Companies that the host keeps. A change is written as `applying`, then the host makes it, then its end is written. A
-- change that was begun must reach its end, in this process or another. `contract.lua` calls the host.

local contract = require "leadcat.host.contract"
local core = require "leadcat.core"
local cursor = require "leadcat.util.cursor"
local event_of = require "leadcat.events.event"
local flights = require "leadcat.host.flights"
local group_commit = require "leadcat.events.group_commit"
local journal = require "leadcat.past.journal"
local later = require "leadcat.events.later"
local platform = require "leadcat.util.platform"

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

---@class leadcat.HostChange a change that the host makes, and how that ended
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

--- Calls `fn(flight, ...)` while this coroutine is known to change these companies. They are in flight before they are
-- claimed, or a claim of our own would look abandoned.
---@param self leadcat.Engine
---@param companies string[] their texts
---@param fn fun(flight: leadcat.Flight, ...): ...
---@return any ... what `fn` returns; raises what it raises
function foreign.in_flight(self, companies, fn, ...)
  return flights.with(self, companies, foreign.seconds(#companies), fn, ...)
end

--- A change that has not been tried. The arguments are its fields.
---@return leadcat.HostChange
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

-- Making changes ------------------------------------------------------------------------------------------------------

local told_elsewhere = setmetatable({}, { __mode = "k" }) -- outcomes of changes that another process has taken over

--- Whether another process has taken the change over. That process counts the outcome and calls its listeners.
---@param outcome leadcat.Outcome
---@return boolean
function foreign.is_told_elsewhere(outcome)
  return told_elsewhere[outcome] == true
end

-- The outcome, for now, of a change that another process has taken over. Its entry may not be there: retention has removed it
-- since, or a frozen server of a shared store, which came back and is none any more, was asked. Then the event is to be delivered
-- again, and finds the company where the change has put it.
local function outcome_now(self, entry)
  local stored, message, code = self._store:entry(self._tenant, entry)
  if code == "not_found" then
    return nil, "another process has taken this change over, and its entry is not there", "unavailable"
  elseif not stored then
    return nil, message, code
  end
  local outcome = journal.outcome(stored)
  if outcome.status == "applying" then
    outcome.status, outcome.error = "failed", "another process has taken this change over"
  end
  told_elsewhere[outcome] = true
  return outcome
end

-- Has the host make one change. If it was begun before, it may have been made.
local function make(self, change, again, names)
  local ended, why
  if again then
    ended, why = contract.find_end(self, change)
  end
  if ended then
    note_end(self, change, ended, why)
  elseif change.restored then
    note_end(self, change, "put_aside", PUT_ASIDE)
  else
    note_end(self, change, contract.set_category(self, change, names))
  end
end

-- The same for many at once.
local function make_many(self, changes, again, names)
  local left = again and {} or changes
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
  if #left > 1 then
    contract.set_categories(self, left, names, note)
  elseif left[1] then
    note_end(self, left[1], contract.set_category(self, left[1], names))
  end
end

-- Has the host make the changes, as long as they are claimed. Raises when memory is short, or when the host's clock raises.
local function ask_host(self, changes, flight, again)
  local names, takes_many = contract.names(self), #changes > 1 and self.host.set_categories ~= nil
  if takes_many and core.uptime() < flight.deadline then
    return make_many(self, changes, again, names)
  end
  for _, change in ipairs(changes) do
    if core.uptime() < flight.deadline then
      make(self, change, again, names)
    else
      note_end(self, change, "failed", OUT_OF_TIME)
    end
  end
end

local function finish(self, changes, flight)
  return group_commit.write(self, "finish", flights.kept(self, changes, flight), function(items)
    return self._store:finish(self._tenant, items, self:_now()) -- sets `lost` in each
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
---@param changes leadcat.HostChange[] claimed by this store
---@param flight leadcat.Flight
---@param again? boolean whether they were begun before
---@return leadcat.Outcome[]? outcomes, string? message, string? code
function foreign.apply(self, changes, flight, again)
  flights.take_over(self, changes, flight)
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

---@class leadcat.TakenUp what became of a company's unfinished entry
---@field change? leadcat.HostChange unless an event was queued
---@field outcome? leadcat.Outcome
---@field unfinished? boolean the change stays unfinished
---@field message? string why there is no outcome
---@field code? string `not_found`: there was no such entry; `conflict`: a live process works on it

-- Claims a company's unfinished entry, for as long as it takes to make so many changes. Returns the change that it is, or else
-- the entry of the event that is queued.
local function claim(self, key, idle, count)
  local now = self:_now()
  local entry, attempts, age, restored = self._store:claim(self._tenant, key, idle, now, foreign.seconds(count))
  if not entry then
    return nil, nil, attempts, age
  elseif entry.status == "queued" then
    return nil, entry
  end
  local change = foreign.change(entry.company, key, journal.outcome(entry), now - age, attempts)
  change.outcome.status, change.restored = "applying", restored -- it has not failed before it was tried
  change.event = journal.event(entry)
  return change
end

-- Puts outcomes into their places; `changes` has the changes, if they are of changes.
local function place_outcomes(taken, places, changes, outcomes, message, code)
  for i, place in ipairs(places) do
    taken[place] = {
      change = changes and changes[i], outcome = outcomes and outcomes[i],
      message = message, code = code or "unavailable",
    }
  end
end

-- Claims unfinished entries, has the host make the changes, and decides what is queued.
local function claim_and_apply(flight, self, keys, idle)
  local taken, changes, at, queued, queued_at = {}, {}, {}, {}, {}
  for place, key in ipairs(keys) do
    local change, entry, message, code = claim(self, key, idle[place], #keys)
    taken[place] = { message = message, code = code }
    if change then
      changes[#changes + 1], at[#at + 1] = change, place
    elseif entry then
      queued[#queued + 1], queued_at[#queued_at + 1] = entry, place
    end
  end
  if #changes > 0 then
    place_outcomes(taken, at, changes, foreign.apply(self, changes, flight, true))
  end
  if #queued > 0 then
    place_outcomes(taken, queued_at, nil, later.decide(self, queued, { carried_out = 0, dropped = 0 }))
  end
  return taken
end

-- Takes up the unfinished entries of companies, together.
---@return leadcat.TakenUp[] taken in the same places
local function take_up(self, keys)
  local idle = {}
  for place, key in ipairs(keys) do
    idle[place] = flights.of(self, key) == nil
  end
  local taken = foreign.in_flight(self, keys, claim_and_apply, self, keys, idle)
  for _, one in ipairs(taken) do
    if one.change and one.outcome then
      self:_report(one.change.event, one.outcome)
      one.unfinished = not one.change.lost and one.change.status == "applying"
    end
  end
  return taken
end

-- Whether waiting would never end: this very call makes the change, or a coroutine that cannot run while we wait.
local function would_wait_for_ourselves(self, key)
  local flight = flights.of(self, key)
  if flight == nil or core.uptime() >= flight.deadline then
    return false
  end
  return flight.coroutine == platform.running() or not platform.can_yield()
end

--- Finishes a company's unfinished change and what is queued behind it, or waits for the live process that works on it.
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
    if taken.unfinished then
      return nil, ("company %s has an unfinished change: %s"):format(key, taken.outcome.error), "unavailable"
    elseif taken.code == "not_found" and not taken.outcome then
      return true
    elseif not taken.outcome and taken.code ~= "conflict" then
      return nil, taken.message, taken.code
    elseif not taken.outcome then
      platform.sleep(pause)
      waited, pause = waited + pause, math.min(pause * 2, SLOWEST_POLL)
    end -- else more may be queued behind it
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

-- The companies whose entry is finished: others may be queued behind it.
local function finished(keys, taken)
  local list = {}
  for i, one in ipairs(taken) do
    if one.outcome and one.outcome.status ~= "failed" then
      list[#list + 1] = keys[i]
    end
  end
  return list
end

-- Takes up the entries of a page, together where the host takes many, and what is queued behind them. Returns the first failure,
-- which does not stop the others.
local function recover_page(self, entries, counts)
  local size, failure = self.host.set_categories and PAGE or 1, nil
  for first = 1, #entries, size do
    local keys = {}
    for place = first, math.min(first + size - 1, #entries) do
      keys[#keys + 1] = event_of.key(entries[place].company)
    end
    repeat
      local taken = take_up(self, keys)
      failure = count_taken(taken, counts) or failure
      keys = finished(keys, taken)
      platform.give_way()
    until #keys == 0
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
