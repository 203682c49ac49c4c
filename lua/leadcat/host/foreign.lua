--- Companies that the host keeps: a change is first written down as `applying`, then the host is asked to make it, then its end
-- is written down. Whatever was begun must reach its end, whoever takes it up. This is the only place that calls
-- `host.set_category`.

local as_text = require "leadcat.util.as_text"
local call = require "leadcat.host.call"
local event_of = require "leadcat.events.event"
local group_commit = require "leadcat.events.group_commit"
local json = require "leadcat.util.json"
local journal = require "leadcat.past.journal"
local platform = require "leadcat.util.platform"

local foreign = {}

--- The status with which a change is written.
foreign.CHANGING = "applying"
--- What the store is told about companies kept so (`store:handle`): how long the host may take before another process may
-- take a change over, and how many changes it is given under one such claim.
foreign.HANDLING = { claim = 30, most = 1000 }

local CLAIM_SECONDS = foreign.HANDLING.claim
local SLOWEST_POLL = 0.05 -- seconds between two looks at somebody else's claim
local ATTEMPTS = 10 -- until a change that the host keeps refusing is put aside as failed ...
local GIVE_UP_SECONDS = 3600 -- ... but not sooner than this after it was written down
local PAGE = 100

---@class leadcat.Change a change that the host is to make, and how that ended
---@field id string|integer the company as the host gave it
---@field company string its text
---@field outcome leadcat.Outcome what is to be changed
---@field entry integer
---@field begun number when the entry was written: seconds since 1970
---@field attempts? integer that failed
---@field status "applying"|"updated"|"conflict"|"failed" what is written down: `applying` while it is to be tried again
---@field error? string
---@field retry_in? number seconds
---@field lost boolean nothing could be written down: the claim has gone to somebody else

--- A change that has not been tried.
---@param id string|integer
---@param company string
---@param outcome leadcat.Outcome
---@param begun number
---@param attempts? integer
---@return leadcat.Change
function foreign.change(id, company, outcome, begun, attempts)
  return {
    id = id, company = company, outcome = outcome, entry = outcome.entry, begun = begun, attempts = attempts,
    status = "applying", lost = true,
  }
end

--- The category of a company: an integer, or nil when it has none.
---@param self leadcat.Engine
---@param company string|integer
---@return boolean ok
---@return integer|string|nil category or what went wrong
---@return string? code when it went wrong
function foreign.category(self, company)
  local category, message = call("category", self.host.category, company, self._tenant)
  if category == nil and message ~= nil then
    return false, as_text(message), "unavailable"
  elseif category ~= nil and (type(category) ~= "number" or category % 1 ~= 0) then
    return false, ("host.category returned %s, not a category's id"):format(as_text(category)), "unavailable"
  end
  return true, category and json.integer(category)
end

--- Any company may be changed: the host knows it.
function foreign.may_change()
  return true
end

-- Asking the host -------------------------------------------------------------------------------------------------------

-- The outcome as the host is told of it, which may keep it: the change is under way.
local function told_to_host(outcome)
  return {
    status = outcome.status, action = outcome.action, reason = outcome.reason, from = outcome.from, to = outcome.to,
    rule = outcome.rule, revision = outcome.revision, confirmation = outcome.confirmation, entry = outcome.entry,
  }
end

-- Asks for the change. Gives the status to be written down, and why it failed.
local function set_category(self, change)
  local outcome = change.outcome
  local ok, message = call("set_category", self.host.set_category, change.id, outcome.to, outcome.from,
    told_to_host(outcome), self._tenant)
  if ok == true then
    return "updated"
  elseif ok == nil and message == "conflict" then
    return "conflict"
  end
  if message == nil or message == "" then
    message = ("host.set_category returned %s"):format(as_text(ok))
  end
  return "failed", as_text(message)
end

-- The same for a change that was begun before: it may have been made already.
local function set_category_again(self, change)
  local ok, category = foreign.category(self, change.id)
  if not ok then
    return "failed", category
  elseif category == change.outcome.to then
    return "updated"
  elseif category ~= change.outcome.from then
    return "conflict"
  end
  return set_category(self, change)
end

local function backoff(attempts)
  return math.min(3600, 2 ^ attempts) * (0.5 + math.random() / 2)
end

-- Whether a change that has failed is to be tried again: until it has failed too often.
local function is_to_be_tried_again(self, change)
  return (change.attempts or 0) + 1 < ATTEMPTS or self:_now() - change.begun < GIVE_UP_SECONDS
end

-- Notes how a try has ended, as it is written down.
local function note_end(self, change, ended, why)
  local again = ended == "failed" and is_to_be_tried_again(self, change)
  change.status = again and "applying" or ended
  if ended == "failed" then
    change.error, change.retry_in = why, again and backoff(change.attempts or 0) or nil
  end
end

-- Flights ---------------------------------------------------------------------------------------------------------------

---@class leadcat.Flight companies at which a coroutine of this engine has the host at work
---@field coroutine thread|"main"
---@field deadline number in case it never comes back

local told_elsewhere = setmetatable({}, { __mode = "k" }) -- outcomes of changes that somebody else has taken over

--- Whether an outcome is of a change that another process has taken over: then that one counts it, and tells those who listen.
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

--- Remembers that this coroutine is going to have the host at work on these companies. To be called before they are claimed:
-- a claim of our own would else look abandoned.
---@param self leadcat.Engine
---@param keys string[] the companies' texts
---@return leadcat.Flight flight
function foreign.take_off(self, keys)
  local flights = flights_of(self)
  local flight = { coroutine = coroutine.running() or "main", deadline = self:_now() + CLAIM_SECONDS + #keys }
  for _, key in ipairs(keys) do
    flights[key] = flights[key] or flight
  end
  return flight
end

-- Takes the claimed companies over, also from a flight whose claim had run out.
local function claim_all(self, changes, flight)
  local flights = flights_of(self)
  for _, change in ipairs(changes) do
    flights[change.company] = flight
  end
end

--- Forgets what `take_off` remembers.
---@param self leadcat.Engine
---@param keys string[]
---@param flight leadcat.Flight
function foreign.land(self, keys, flight)
  local flights = flights_of(self)
  for _, key in ipairs(keys) do
    if flights[key] == flight then
      flights[key] = nil
    end
  end
end

-- Making changes --------------------------------------------------------------------------------------------------------

-- Reads how an entry ended, or stands, that another process has taken over.
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

-- Asks for one change after the other. Gives the time then. It raises when there is no memory left, and when the host's clock does.
local function ask_host(self, changes, again)
  local try = again and set_category_again or set_category
  for _, change in ipairs(changes) do
    note_end(self, change, try(self, change))
  end
  return self:_now()
end

-- The changes that are still ours. One is not when its claim had run out and another coroutine of this engine has taken it
-- over: the store cannot tell them apart, and how it ends is the other's to write down.
local function ours(self, changes, flight)
  local flights, list = flights_of(self), {}
  for _, change in ipairs(changes) do
    if flights[change.company] == flight then
      list[#list + 1] = change
    end
  end
  return list
end

local function finish(self, changes, flight, now)
  return group_commit.write(self, "finish", ours(self, changes, flight), function(items)
    return self._store:finish(self._tenant, items, now) -- sets `lost` in each
  end)
end

local function companies_of(changes)
  local companies = {}
  for i, change in ipairs(changes) do
    companies[i] = change.company
  end
  return companies
end

-- What has become of a change whose end is written down.
local function outcome_of(self, change)
  local outcome = change.outcome
  if change.lost then
    return outcome_now(self, change.entry)
  end
  outcome.status, outcome.error = change.status == "applying" and "failed" or change.status, change.error
  return outcome
end

--- Has the host make each change, and writes down how it went, in one commit.
---@param self leadcat.Engine
---@param changes leadcat.Change[] claimed by this store
---@param flight leadcat.Flight
---@param again? boolean whether they were begun before
---@return leadcat.Outcome[]? outcomes
---@return string? message
---@return string? code
function foreign.apply(self, changes, flight, again)
  local outcomes = {}
  claim_all(self, changes, flight)
  local made, now = pcall(ask_host, self, changes, again)
  local ok, message, code
  if made then
    ok, message, code = finish(self, changes, flight, now)
  end
  foreign.land(self, companies_of(changes), flight)
  if not made then
    error(now, 0) -- the problem
  elseif not ok then
    return nil, message, code
  end
  for i, change in ipairs(changes) do
    outcomes[i], message, code = outcome_of(self, change)
    if not outcomes[i] then
      return nil, message, code
    end
  end
  return outcomes
end

-- Taking up what is unfinished ------------------------------------------------------------------------------------------

-- Takes up one company's unfinished change. Gives its outcome, and true while it stays unfinished; nil, message,
-- "not_found" when the company has none (any more), "conflict" when a live process works on it.
local function take_up(self, key)
  local idle = flights_of(self)[key] == nil
  local now, flight = self:_now(), foreign.take_off(self, { key })
  local entry, attempts, age = self._store:claim(self._tenant, key, idle, now, CLAIM_SECONDS)
  if not entry then
    foreign.land(self, { key }, flight)
    return nil, attempts, age
  end
  local change = foreign.change(entry.company, key, journal.outcome(entry), now - age, attempts)
  change.outcome.status = "applying" -- it has not failed before it was tried
  local outcomes, message, code = foreign.apply(self, { change }, flight, true)
  if not outcomes then
    return nil, message, code
  end
  self:_report(journal.event(entry), outcomes[1])
  return outcomes[1], not change.lost and change.status == "applying"
end

-- Whether waiting for a company could never end: its change is being made further up in this very call, or by a
-- coroutine that cannot run on while we wait.
local function would_wait_for_ourselves(self, key)
  local flight = flights_of(self)[key]
  if flight == nil or self:_now() >= flight.deadline then
    return false
  end
  return flight.coroutine == (coroutine.running() or "main") or not platform.can_yield()
end

--- Sees to it that a company has no unfinished change: finishes it, or waits for the live process that works on it.
---@param self leadcat.Engine
---@param key string the company's text
---@return boolean? done
---@return string? message
---@return string? code `unavailable` when it stays unfinished
function foreign.settle(self, key)
  local pause, waited = 0.001, 0
  while waited < 2 * CLAIM_SECONDS do
    if would_wait_for_ourselves(self, key) then
      return nil, ("company %s is being changed by a call that waits for this one"):format(key), "unavailable"
    end
    local outcome, message, code = take_up(self, key)
    local unfinished = outcome and message
    if code == "not_found" or (outcome and not unfinished) then
      return true
    elseif unfinished then
      return nil, ("company %s has an unfinished change: %s"):format(key, outcome.error), "unavailable"
    elseif code ~= "conflict" then
      return nil, message, code
    end
    platform.sleep(pause)
    waited, pause = waited + pause, math.min(pause * 2, SLOWEST_POLL)
  end
  return nil, ("company %s is being changed by another process"):format(key), "unavailable"
end

-- Takes up each change of a page; what goes wrong with one does not keep the others waiting.
---@return {message: string, code: string}? failure
local function recover_page(self, entries, counts)
  local failure
  for _, entry in ipairs(entries) do
    local outcome, message, code = take_up(self, event_of.key(entry.company))
    if outcome then
      local count = outcome.status == "failed" and "failed" or "finished"
      counts[count] = counts[count] + 1
    elseif code == "conflict" then
      counts.busy = counts.busy + 1
    elseif code ~= "not_found" then
      failure = failure or { message = message, code = code }
    end
    platform.give_way()
  end
  return failure
end

--- Finishes what a crash or a failing host has left unfinished of this tenant, where its time to be tried again has come.
-- Changes that a live process works on are left alone.
---@param self leadcat.Engine
---@return {finished: integer, failed: integer, busy: integer}? counts
---@return string? message
---@return string? code
function foreign.recover(self)
  local counts, after, failure = { finished = 0, failed = 0, busy = 0 }, "", nil
  repeat
    local entries, message, code = self._store:applying(self._tenant, self:_now(), after, PAGE)
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
