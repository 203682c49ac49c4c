--- Makes the host change a category, and finishes what was begun: the only place that calls `host.set_category`.
-- Methods of the engine, apart because each change is first written down as `applying` and must reach its end from
-- there, whoever takes it up.

local as_text = require "leadcat.as_text"
local event = require "leadcat.event"
local gather = require "leadcat.gather"
local json = require "leadcat.json"
local journal = require "leadcat.journal"
local platform = require "leadcat.platform"

local apply = {}

apply.CLAIM_SECONDS = 30 -- how long a host may take before another process may take an entry over
local SLOWEST_POLL = 0.05 -- seconds between two looks at somebody else's claim
local ATTEMPTS = 10 -- until a change that the host keeps refusing is put aside as failed ...
local GIVE_UP_SECONDS = 3600 -- ... but not sooner than this after it was written down
local PAGE = 100

--- Calls a host function. What it raises becomes its failure.
---@return any result nil when it failed
---@return string? message
---@return string? code of the embedded host
function apply.call(name, fn, ...)
  local ok, result, message, code = pcall(fn, ...)
  if not ok then
    return nil, ("host.%s raised: %s"):format(name, as_text(result))
  end
  return result, message, code
end

-- The host's own category of an entry's company: an integer, or nil when it has none.
---@return boolean ok
---@return integer|string|nil category or what went wrong
---@return string? code when it went wrong
function apply.category(self, company)
  local category, message, code = apply.call("category", self.host.category, company, self._tenant)
  if category == nil and message ~= nil then
    return false, as_text(message), self.host.embedded and code or "unavailable"
  elseif category ~= nil and (type(category) ~= "number" or category % 1 ~= 0) then
    return false, ("host.category returned %s, not a category's id"):format(as_text(category)), "unavailable"
  end
  return true, category and json.integer(category)
end

-- Asks the host for the change. Gives the status to be written down, and why it failed.
local function set_category(self, job)
  local entry, outcome = job.item, journal.outcome(job.item)
  outcome.status = "applying" -- it has not failed before it was tried
  local ok, message = apply.call("set_category", self.host.set_category, job.company, entry.to, entry.from, outcome,
    self._tenant)
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

-- The same for an entry that was begun before: it may have been done already.
local function set_category_again(self, job)
  local ok, category = apply.category(self, job.company)
  if not ok then
    return "failed", category
  elseif category == job.item.to then
    return "updated"
  elseif category ~= job.item.from then
    return "conflict"
  end
  return set_category(self, job)
end

local function backoff(attempts)
  return math.min(3600, 2 ^ attempts) * (0.5 + math.random() / 2)
end

-- What is written down about a try. A failed one stays `applying`, to be tried again, until it has failed too often.
local function finish_item(self, job, status, why)
  local age = self:_now() - job.item.entry / 1000
  local again = status == "failed" and (job.attempts + 1 < ATTEMPTS or age < GIVE_UP_SECONDS)
  job.unfinished = again
  return {
    entry = job.item.entry,
    company = job.item.company,
    status = again and "applying" or status,
    error = why,
    retry_at = again and self:_now() + backoff(job.attempts) or nil,
  }
end

local told_elsewhere = setmetatable({}, { __mode = "k" }) -- outcomes of changes that somebody else has taken over

--- Whether an outcome is of a change that somebody else has taken over: then he counts it, and tells those who listen.
---@param outcome leadcat.Outcome
---@return boolean
function apply.is_told_elsewhere(outcome)
  return told_elsewhere[outcome] == true
end

-- Reads how an entry ended, or stands, that somebody else has taken over.
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

-- Under what a company is known in `_in_flight`, which all tenants share.
local function flight_key(self, key)
  return #self._tenant .. ":" .. self._tenant .. key
end

local function flight_of(self, key)
  return self._in_flight[flight_key(self, key)]
end

--- Remembers which coroutine has the host at work on these companies; until when, in case it never comes back. To be called
-- as soon as they are claimed: until then a claim of our own looks abandoned.
---@param jobs table[]
---@param running? thread nil for Lua's main one, where that is none
---@return table flight for `apply.run`
function apply.take_off(self, jobs, running)
  local flight = { coroutine = running or "main", deadline = self:_now() + apply.CLAIM_SECONDS + #jobs }
  for _, job in ipairs(jobs) do
    self._in_flight[flight_key(self, job.item.company)] = flight
  end
  return flight
end

-- Whether the change is still ours: false when the claim had run out and another coroutine of this engine has taken it
-- over. The store cannot tell them apart, and how it ends is the other's to write down.
local function is_ours(self, job, flight)
  return flight_of(self, job.item.company) == flight
end

-- Forgets what `take_off` remembers.
local function land(self, jobs, flight)
  for _, job in ipairs(jobs) do
    if is_ours(self, job, flight) then
      self._in_flight[flight_key(self, job.item.company)] = nil
    end
  end
end

-- Asks for one change after the other. It raises when there is no memory left, and when the host's clock does.
local function ask_host(self, jobs, again, finishes, statuses)
  local try = again and set_category_again or set_category
  for i, job in ipairs(jobs) do
    local status, why = try(self, job)
    statuses[i], finishes[i] = status, finish_item(self, job, status, why)
  end
end

--- Has the host make each change, and writes down how it went, in one commit.
---@param jobs table[] {item (its entry is `applying`, claimed by this store), company, attempts}
---@param flight table of theirs
---@param again? boolean whether they were begun before
---@return leadcat.Outcome[]? outcomes
---@return string? message
---@return string? code
function apply.run(self, jobs, flight, again)
  local finishes, statuses, ours = {}, {}, {}
  local made, problem = pcall(ask_host, self, jobs, again, finishes, statuses)
  if not made then
    land(self, jobs, flight)
    error(problem, 0)
  end
  for i, job in ipairs(jobs) do
    ours[#ours + 1] = is_ours(self, job, flight) and finishes[i] or nil
  end
  local ok, message, code = gather.write(self, "finish", ours, function(items)
    return self._store:finish(self._tenant, items) -- sets `lost` in each
  end)
  land(self, jobs, flight)
  if not ok then
    return nil, message, code
  end
  local outcomes = {}
  for i, job in ipairs(jobs) do
    if finishes[i].lost == false then
      job.item.status, job.item.error = statuses[i], finishes[i].error
      outcomes[i] = journal.outcome(job.item)
    else
      job.unfinished = nil
      outcomes[i], message, code = outcome_now(self, job.item.entry)
      if not outcomes[i] then
        return nil, message, code
      end
    end
  end
  return outcomes
end

-- An entry that the store gave, as a job.
local function job_of(entry, attempts)
  local company = entry.company
  entry.company = event.key(company)
  return { item = entry, company = company, attempts = attempts }
end

-- The embedded host never leaves an entry unfinished. If there is one all the same, another host has begun it.
local function nothing_to_take_up(self, key)
  local newest, message, code = self._store:newest(self._tenant, key)
  if newest then
    return nil, nil, "not_found"
  elseif code == "conflict" then
    return nil, ("company %s has a change that another host began and has to finish"):format(key), "unavailable"
  end
  return nil, message, code
end

-- Takes up one company's unfinished entry. Gives its outcome, and true while it stays unfinished; nil, message,
-- "not_found" when the company has none (any more), "conflict" when somebody alive works on it.
local function take_up(self, key)
  if self.host.embedded then
    return nothing_to_take_up(self, key)
  end
  local now = self:_now()
  local idle = flight_of(self, key) == nil
  local entry, attempts, code = self._store:claim(self._tenant, key, idle, now, now + apply.CLAIM_SECONDS)
  if not entry then
    return nil, attempts, code
  end
  local happened = journal.event(entry)
  local job = job_of(entry, attempts)
  local flight = apply.take_off(self, { job }, coroutine.running())
  local outcomes, message, failure = apply.run(self, { job }, flight, true)
  if not outcomes then
    return nil, message, failure
  end
  self:_report(happened, outcomes[1])
  return outcomes[1], job.unfinished
end

-- Whether waiting for a company could never end: its change is being made further up in this very call, or by a
-- coroutine that cannot run on while we wait.
local function would_wait_for_ourselves(self, key)
  local flight = flight_of(self, key)
  if flight == nil or self:_now() >= flight.deadline then
    return false
  end
  return flight.coroutine == (coroutine.running() or "main") or not platform.can_yield()
end

--- Sees to it that a company has no unfinished entry: finishes it, or waits for the live process that works on it.
---@param key string the company's text
---@return boolean? done
---@return string? message
---@return string? code `unavailable` when it stays unfinished
function apply.settle(self, key)
  local pause, waited = 0.001, 0
  while waited < 2 * apply.CLAIM_SECONDS do
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

--- Finishes what a crash or a failing host has left unfinished of this tenant, where its time to be tried again has come.
-- Entries that a live process works on are left alone.
---@return {finished: integer, failed: integer, busy: integer}? counts
---@return string? message
---@return string? code
function apply:recover()
  self:_check_open()
  local counts, after, failure = { finished = 0, failed = 0, busy = 0 }, "", nil
  if self.host.embedded then
    return counts -- what is unfinished here is another host's: only that one can finish it
  end
  repeat
    local entries, message, code = self._store:applying(self._tenant, self:_now(), after, PAGE)
    if not entries then
      return nil, message, code
    end
    for _, entry in ipairs(entries) do
      after = event.key(entry.company)
      local outcome
      outcome, message, code = take_up(self, after)
      if outcome then
        local count = outcome.status == "failed" and "failed" or "finished"
        counts[count] = counts[count] + 1
      elseif code == "conflict" then
        counts.busy = counts.busy + 1
      elseif code ~= "not_found" then
        failure = failure or { message, code } -- the others are not to wait for it
      end
      platform.give_way()
    end
  until #entries < PAGE
  if failure then
    return nil, failure[1], failure[2]
  end
  return counts
end

return apply
