--- Fetches what the core asks for while it handles events: each `lacks` of `store:handle`, from the host, the guards
-- and the config.

local as_text = require "leadcat.util.as_text"
local call = require "leadcat.host.call"
local event_of = require "leadcat.events.event"
local journal = require "leadcat.past.journal"
local merged = require "leadcat.util.merged"
local protected = require "leadcat.util.protected"
local stand_in = require "leadcat.events.stand_in"
local unchanged = require "leadcat.past.unchanged"
local verdict = require "leadcat.events.verdict"

local fetch = {}

-- Delivered before ----------------------------------------------------------------------------------------------------

local function is_under_way(entry)
  return entry and entry.status == "applying" and not entry.error
end

-- The outcome of an event that was delivered before; nothing when the retention has removed its entry or mark since.
local function find_first(round, event)
  local self, key = round.engine, event_of.key(event.id)
  local entry, message, code = self._store:seen(self._tenant, key)
  if is_under_way(entry) and not round.how.overlay and not round.how.queues then -- its outcome is worth waiting for
    local _, why, failure = self._companies.settle(self, event_of.key(entry.company))
    entry, message, code = self._store:seen(self._tenant, key)
    if is_under_way(entry) then
      return nil, why, failure
    end
  end
  if entry then
    local first = (entry.entry and journal.outcome or journal.unchanged)(entry)
    return merged(first, { status = "duplicate", first = first })
  elseif code == "not_found" then
    return round.how.overlay and { status = "duplicate" } or nil -- in a preview an earlier event has the id
  end
  return nil, message, code
end

-- What is lacking -----------------------------------------------------------------------------------------------------

-- Each takes the round, the event and the table that says what it lacks, and adds the answer there or to the round. It
-- returns an outcome when that settles the event; nil, message, code when fetching failed.
local LACKS = {}

function LACKS.licence(round)
  local self = round.engine
  if round.licensed == nil then
    local message, code
    round.licensed, message, code = self:licensed()
    if code then
      return nil, message, code
    end
  end
  round.how.needs_licence = not round.licensed or nil
  return not round.licensed and { status = "unchanged", action = "none", reason = "not_licensed" } or nil
end

-- All that lack their category have been asked for together.
function LACKS.category(_, _, lacking)
  if lacking.failure then
    return nil, lacking.failure.message, lacking.failure.code
  end
end

function LACKS.verdict(round, event, lacking)
  local self, how = round.engine, round.how
  local outcome, message, code = verdict.ask(self, event, lacking)
  if outcome then
    outcome.details = lacking.details
  end
  if outcome and event.id ~= nil and not (how.run or how.overlay or how.foresee) then
    unchanged.remember(self, event, outcome) -- of the others the store knows itself
  end
  if how.has_stand_ins and not (outcome or code) and lacking.action == "confirm" and not lacking.is_answered then
    local done
    done, message, code = stand_in.add(self, event, lacking)
    return nil, message, not done and code or nil
  end
  return outcome, message, code
end

-- All that lack facts have been asked for together.
function LACKS.facts(_, _, lacking)
  if not lacking.facts then
    return nil, lacking.failure, "unavailable"
  end
end

LACKS["end"] = function(round, event)
  local self = round.engine
  local _, message, code = self._companies.settle(self, event_of.key(event.company))
  return nil, message, code
end

function LACKS.details(_, _, lacking)
  return nil, ("the event's actor, sale or contact cannot be kept: %s"):format(lacking.error), "invalid"
end

-- The next round does these.
function LACKS.turn() end
LACKS.commit = LACKS.turn

-- A whole round -------------------------------------------------------------------------------------------------------

--- Whether a result of `store:handle` is a final outcome.
---@param round leadcat.Round
---@param result any
---@return boolean
function fetch.is_final(round, result)
  return type(result) == "table" and not result.lacks and (round.how.queues or result.status ~= "applying")
end

-- Adds what an event lacks to its result, or returns its outcome.
local function fetch_one(round, event, result)
  if type(result) == "number" then
    return find_first(round, event)
  end
  local outcome, message, code = LACKS[result.lacks](round, event, result)
  return outcome or not code and result or nil, message, code
end

---@param message? string
---@return leadcat.Outcome of an event that cannot be taken
function fetch.not_taken(message, code)
  return { status = "not_taken", code = code, error = message }
end

-- Sets aside an event that cannot be taken, and the later ones of its company and id. The others go on.
local function set_aside(round, place, message, code)
  local failed = round.events[place]
  local company, id = event_of.key(failed.company), failed.id ~= nil and event_of.key(failed.id)
  round.failure = round.failure or { message = message, code = code, place = place }
  for i = place, #round.events do
    local event = round.events[i]
    local follows = event_of.key(event.company) == company or id and event.id ~= nil and event_of.key(event.id) == id
    if follows and not fetch.is_final(round, round.results[i]) then
      round.results[i] = fetch.not_taken(message, code)
    end
  end
end

-- What is wrong with the host's answer about facts; nil when it is a list of tables, one for each request.
local function facts_problem(answers, requests)
  if type(answers) ~= "table" then
    return ("host.facts returned %s, not a list of tables"):format(as_text(answers))
  end
  for i = 1, #requests do
    if type(answers[i]) ~= "table" then
      return ("host.facts returned %s, not a table, for company %s"):format(as_text(answers[i]),
        as_text(requests[i].company))
    end
  end
end

-- The host's answers to requests; or nil, message.
local function answers_of(self, requests)
  local answers, message = call("facts", protected.call(self.host.facts, requests, self._tenant))
  if answers == nil then
    return nil, message or "host.facts returned nothing"
  end
  message = facts_problem(answers, requests)
  return not message and answers or nil, message
end

--- The event, with what the host knows.
---@param self leadcat.Engine
---@param event leadcat.Event
---@param names string[] of facts
---@return leadcat.Event? event, string? message, string? code
function fetch.with_facts(self, event, names)
  if not self.host.facts or #names == 0 then
    return event
  end
  local answers, message = answers_of(self, { { company = event.company, names = names, event = event } })
  if not answers then
    return nil, message, "unavailable"
  end
  return merged(event, { facts = merged(event.facts or {}, answers[1]) })
end

-- What the events of a round lack of one kind: for each a request, by `request_of(event, result)`, and its result.
local function lacking_of(round, what, request_of)
  local requests, lacking = {}, {}
  for place, event in ipairs(round.events) do
    local result = round.results[place]
    if type(result) == "table" and result.lacks == what then
      requests[#requests + 1], lacking[#lacking + 1] = request_of(event, result), result
    end
  end
  return requests, lacking
end

-- Asks the host at once for the facts that events of a round lack.
local function ask_facts(round)
  local requests, lacking = lacking_of(round, "facts", function(event, result)
    return { company = event.company, names = result.names, event = event }
  end)
  if #requests == 0 then
    return
  end
  local answers, message = answers_of(round.engine, requests)
  for i, result in ipairs(lacking) do
    result.facts, result.failure = answers and answers[i], message
  end
end

local function company_of(event)
  return event.company
end

-- The same for the categories.
local function ask_categories(round)
  local companies, lacking = lacking_of(round, "category", company_of)
  if #companies == 0 then
    return
  end
  round.engine._companies.categories(round.engine, companies, function(i, ok, category, code)
    local result = lacking[i]
    if ok then
      result.asked_at, result.category = result.newest, category
    else
      result.failure = { message = category, code = code }
    end
  end)
end

--- Fetches what the events of a round lack.
---@param round leadcat.Round
---@return integer left how many events have no outcome yet
function fetch.all(round)
  local results, left = round.results, 0
  ask_facts(round)
  ask_categories(round)
  for place, event in ipairs(round.events) do
    local result = results[place]
    if type(result) == "number" or result and result.lacks then
      local fetched, message, code = fetch_one(round, event, result)
      if code then
        set_aside(round, place, message, code)
      else
        results[place] = fetched
      end
      result = results[place]
    end
    if not fetch.is_final(round, result) then
      left = left + 1
    end
  end
  return left
end

return fetch
