--- Brings events to their end, in rounds: the core decides and writes what it can, and says what the others lack. That is
-- fetched here, from the host, the guards and the config, and the core is called again.

local event_of = require "leadcat.events.event"
local group_commit = require "leadcat.events.group_commit"
local journal = require "leadcat.past.journal"
local platform = require "leadcat.util.platform"
local settings = require "leadcat.rules.save"
local verdict = require "leadcat.events.verdict"

local rounds = {}

local PATIENCE = 16 -- rounds in which no event reaches its end, until the company counts as one that keeps changing

---@class leadcat.Handling how events are handled, where it is not as always
---@field overlay? userdata nothing is written; what would be is remembered in it (`store:overlay`)
---@field confirm? "ask"|"accept"|"skip" what becomes of decisions that ask; default "ask"
---@field start? integer the category of companies that the embedded host does not know

---@class leadcat.Round events on their way
---@field engine leadcat.Engine
---@field events leadcat.Event[]
---@field plain leadcat.Event[] the same as the core takes them
---@field results table what became of each, as `store:handle` gives it
---@field how table what the store is told
---@field licensed? boolean once the host was asked
---@field keys? table<integer, string> the companies' texts, by the events' places
---@field failure? {message: string, code: string, place: integer} why the first event that could not be taken was not

-- Seen before -----------------------------------------------------------------------------------------------------------

--- What comes of an event that is delivered again.
---@param first leadcat.Outcome of its first delivery
---@return leadcat.Outcome
local function duplicate(first)
  local outcome = {}
  for name, value in pairs(first) do
    outcome[name] = value
  end
  outcome.status, outcome.first = "duplicate", first
  return outcome
end

-- Whether nobody knows yet what will come of an entry.
local function is_under_way(entry)
  return entry and entry.status == "applying" and not entry.error
end

-- The outcome of an event that was delivered before; nothing when its first entry is gone by now.
---@return leadcat.Outcome? outcome
---@return string? message
---@return string? code
local function find_first(round, event)
  local self, key = round.engine, event_of.key(event.id)
  local entry, message, code = self._store:seen(self._tenant, key)
  if is_under_way(entry) and not round.how.overlay then -- its outcome is worth waiting for
    local _, why, failure = self._companies.settle(self, event_of.key(entry.company))
    entry, message, code = self._store:seen(self._tenant, key)
    if is_under_way(entry) then
      return nil, why, failure
    end
  end
  if entry then
    return duplicate(journal.outcome(entry))
  elseif code == "not_found" then
    return round.how.overlay and { status = "duplicate" } or nil -- there, an event in front of it has the id
  end
  return nil, message, code
end

-- Fetching --------------------------------------------------------------------------------------------------------------

-- Each fetches what an event lacks, and notes it in `lacking` or in the round. It gives an outcome where that is all;
-- nil, message, code when it could not be fetched.
local FETCH = {}

function FETCH.licence(round)
  local self = round.engine
  if round.licensed == nil then
    local message, code
    round.licensed, message, code = self:licensed()
    if code then
      return nil, message, code
    end
  end
  if round.licensed == false then
    return { status = "unchanged", action = "none", reason = "not_licensed" }
  end
  round.how.needs_licence = nil
end

function FETCH.category(round, event, lacking)
  local self = round.engine
  local ok, category, code = self._companies.category(self, event.company)
  if not ok then
    return nil, category, code
  end
  lacking.asked_at, lacking.category = lacking.newest, category
end

function FETCH.verdict(round, event, lacking)
  local passed, outcome, code = verdict.ask(round.engine, event, lacking)
  if not passed and code then
    return nil, outcome, code
  end
  return outcome
end

FETCH["end"] = function(round, event)
  local self = round.engine
  local settled, message, code = self._companies.settle(self, event_of.key(event.company))
  if not settled then
    return nil, message, code
  end
end

function FETCH.details(_, _, lacking)
  return nil, ("the event's actor, sale or contact cannot be kept: %s"):format(lacking.error), "invalid"
end

-- Nothing, but that events before it come to their end, or that it is written.
function FETCH.turn() end
FETCH.commit = FETCH.turn

-- The changes of this round that the host is to make.
local function changes_of(round)
  local companies, changes, places, now = round.engine._companies, {}, {}, nil
  for place, event in ipairs(round.events) do
    local outcome = round.results[place]
    if type(outcome) == "table" and outcome.status == "applying" then
      now = now or round.engine:_now()
      changes[#changes + 1] = companies.change(event.company, round.keys[place], outcome, now)
      places[#places + 1] = place
    end
  end
  return changes, places
end

-- Has the host make the changes that were written down.
local function apply(round, flight)
  local changes, places = changes_of(round)
  if #changes == 0 then
    return true
  end
  local outcomes, message, code = round.engine._companies.apply(round.engine, changes, flight)
  if not outcomes then
    return nil, message, code
  end
  for i, place in ipairs(places) do
    round.results[place] = outcomes[i]
  end
  return true
end

-- Whether an event has come to its end.
local function is_final(result)
  return type(result) == "table" and not result.lacks and result.status ~= "applying"
end

-- Fetches what an event lacks; gives its outcome when that ends it.
---@return leadcat.Outcome? outcome
---@return string? message
---@return string? code
local function fetch(round, place)
  local event, result = round.events[place], round.results[place]
  if type(result) == "number" then
    return find_first(round, event)
  end
  local outcome, message, code = FETCH[result.lacks](round, event, result)
  if code then
    return nil, message, code
  end
  return outcome or result
end

-- Leaves an event aside that could not be taken, and those behind it that would come after it; the others go on.
local function set_aside(round, place, message, code)
  local failed = round.events[place]
  local company, id = event_of.key(failed.company), failed.id ~= nil and event_of.key(failed.id)
  round.failure = round.failure or { message = message, code = code, place = place }
  for i = place, #round.events do
    local event = round.events[i]
    if not is_final(round.results[i])
        and (event_of.key(event.company) == company or id and event.id ~= nil and event_of.key(event.id) == id) then
      round.results[i] = { status = "not_taken" }
    end
  end
end

-- Fetches what the events of a round lack. Gives how many are not at their end.
---@return integer left
local function fetch_all(round)
  local results, left = round.results, 0
  for place = 1, #round.events do
    local result = results[place]
    if type(result) == "number" or result and result.lacks then
      local message, code
      result, message, code = fetch(round, place)
      if code then
        set_aside(round, place, message, code)
        result = results[place]
      end
      results[place] = result
    end
    if not result or result.lacks or result.status == "applying" then -- not is_final: this is on every event's way
      left = left + 1
    end
  end
  return left
end

-- Handling --------------------------------------------------------------------------------------------------------------

-- What the store is told of how events are handled.
---@param self leadcat.Engine
---@param options? leadcat.Handling
---@return table how
local function how_of(self, options)
  local how = {
    ttl = self._shared.confirmation_ttl, is_guarded = self._hooks.guard[1] and true,
    needs_licence = self.host.licensed and true, run = self._run,
  }
  for name, value in pairs(self._companies.HANDLING) do
    how[name] = value
  end
  for name, value in pairs(options or {}) do
    how[name] = value
  end
  return how
end

-- The same where companies are kept in the store and nobody has a say, as for most events; else nothing. Made once.
---@param may_write boolean
---@return table? how
local function usual_how(self, may_write)
  local shared = self._shared
  if self._run or self.host.licensed or self._hooks.guard[1] or not self._companies.HANDLING.keeps_companies then
    return nil
  elseif not shared.usual then
    shared.usual = { [true] = how_of(self), [false] = how_of(self) }
    shared.usual[true].write = true
  end
  return shared.usual[may_write]
end

-- What is wrong with the first bad event of a list; nil when nothing is.
local function problem_of(events)
  local count = 0
  for _ in pairs(events) do
    count = count + 1
  end
  for place = 1, count do
    local problem = event_of.problem(events[place])
    if problem then
      return place, problem
    end
  end
end

-- The events as the core takes them: those that only look like plain tables are copied.
local function plain(round)
  local copies = {}
  for place, event in ipairs(round.events) do
    copies[place] = event_of.plain(event)
  end
  return copies
end

local function handle(round)
  local self = round.engine
  return self._store:handle(self._tenant, round.plain, round.results, self:_now(), round.how)
end

-- Writes events of several requests together.
local function write_together(self, rows, how)
  local events, results = {}, {}
  for i, row in ipairs(rows) do
    events[i], results[i] = row.plain[1], row.results[1]
  end
  local left, message, code = self._store:handle(self._tenant, events, results, self:_now(), how)
  for i, row in ipairs(left and rows or {}) do
    row.results[1] = results[i]
  end
  return left, message, code
end

local function lacks(round, what)
  local result = round.results[1]
  return type(result) == "table" and result.lacks == what
end

-- Calls the core once. In nginx a single event shares its commit with what other requests write at the same time. Changes that a
-- host makes are only written once their companies are in flight: while looking they are not.
---@return integer|false|nil left
---@return string|integer|nil message
---@return string? code
local function step(round)
  local self, how = round.engine, round.how
  local may_write = not how.overlay and (how.keeps_companies or not how.look)
  local shares = may_write and #round.plain == 1 and not how.cursor and platform.can_yield()
  how.write = may_write and not shares
  local left, message, code = handle(round)
  if not shares or left ~= 1 or not lacks(round, "commit") then
    return left, message, code
  end
  local writing = how_of(self, how)
  writing.write = true
  return group_commit.write(self, "handle", { round }, function(rows) return write_together(self, rows, writing) end)
end

-- The companies of the events that are not at their end.
local function open_keys(round)
  local keys, known = {}, round.keys or {}
  round.keys = known
  for place, event in ipairs(round.events) do
    if not is_final(round.results[place]) then
      known[place] = known[place] or event_of.key(event.company)
      keys[#keys + 1] = known[place]
    end
  end
  return keys
end

-- Writes what can be written, and has the host make its changes. They are in flight before they are claimed.
---@return integer|false|nil left
---@return string|integer|nil message
---@return string? code
local function step_and_apply(round)
  local self, companies = round.engine, round.engine._companies
  local keys = open_keys(round)
  local flight = companies.take_off(self, keys)
  local left, message, code = step(round)
  if left then
    local ok, why, failure = apply(round, flight)
    if not ok then
      left, message, code = nil, why, failure
    end
  end
  companies.land(self, keys, flight)
  return left, message, code
end

-- What the core could not take: an event that is wrong, or no plain table; a ruleset that is damaged, which is made anew.
---@return boolean? again
---@return string? message
---@return string? code
local function mend(round, left, message, code)
  local self = round.engine
  if left == false then
    local place, problem = problem_of(round.events)
    if problem then
      round.bad = place
      return nil, problem, "invalid"
    end
    round.plain = plain(round)
    return true
  elseif code == "corrupt" and not round.mended then
    round.mended = true
    local done, why = settings.repair(self._store, self._tenant)
    return done, why or message, code
  end
  return nil, message, code
end

local function begin(self, events, options, results)
  return { engine = self, events = events, plain = events, results = results or {}, how = how_of(self, options) }
end

-- Whether to look at all events before the first is written: then what they lack is asked for at once. First that is the
-- category, where a host keeps it, then what others say.
local function looks_first(how, count)
  local asks = not how.keeps_companies and 1 or 0
  return count <= asks + ((how.is_guarded or how.needs_licence) and 1 or 0) or nil
end

-- The outcomes of the events that have come to their end.
local function ended(round)
  local outcomes = {}
  for place = 1, #round.events do
    local result = round.results[place]
    outcomes[place] = is_final(result) and result.status ~= "not_taken" and result or nil
  end
  return outcomes
end

-- Calls the core for what is left.
local function call(round, count)
  local how = round.how
  how.look = looks_first(how, count)
  local claims = not how.keeps_companies and not how.overlay and not how.look
  return (claims and step_and_apply or step)(round)
end

-- Does what a call of the core asks for. Gives how many events are not at their end.
---@return integer? left
---@return string? message
---@return string? code
local function answer(round, left, message, code)
  if not left then
    local again
    again, message, code = mend(round, left, message, code)
    return again and #round.events, message, code
  end
  return left > 0 and fetch_all(round) or 0
end

--- Handles events, in order, to their ends.
---@param self leadcat.Engine
---@param events leadcat.Event[]
---@param options? leadcat.Handling
---@return table<integer, leadcat.Outcome> outcomes by the events' places; after a failure of those only that have come to their end
---@return string? message
---@return string? code
---@return integer? place of the event that is wrong
function rounds.run(self, events, options)
  local results, left, message, code = {}, nil, nil, nil
  local usual = not options and usual_how(self, #events > 1 or not platform.can_yield())
  if usual then
    left, message, code = self._store:handle(self._tenant, events, results, self:_now(), usual)
    if left == 0 then
      return results
    end
  end
  local round, count, idle, before = begin(self, events, options, results), 1, 0, nil
  if not usual then
    left, message, code = call(round, count)
  end
  while true do
    left, message, code = answer(round, left, message, code)
    idle = left == before and idle + 1 or 0
    if left == 0 and not round.failure then
      return round.results
    elseif left == 0 then
      return ended(round), round.failure.message, round.failure.code
    elseif not left then
      return ended(round), message, code, round.bad
    elseif idle == PATIENCE then
      return ended(round), "a company keeps changing while its event is being decided", "unavailable"
    end
    before, count = left, count + 1
    left, message, code = call(round, count)
  end
end

-- Foreseeing, then writing -----------------------------------------------------------------------------------------------

---@class leadcat.Foreseen what events are going to come to
---@field events leadcat.Event[] those in front of the first one that has to wait for another: at least one
---@field outcomes table<integer, leadcat.Outcome|integer> without entries; of an event that was seen before, a number
---@field known table<integer, table> what was found out about them
---@field digest integer tells what they come to from anything else

-- The places of the events that lack something, and whether that is to be fetched.
local function lacking_of(results)
  local places, any = {}, false
  for place, result in pairs(results) do
    if type(result) == "table" and result.lacks then
      places[place] = true
      any = any or result.lacks ~= "turn" and result.lacks ~= "commit"
    end
  end
  return places, any
end

-- The events in front of the first one that waits.
local function foreseen_of(round, known, digest)
  local events = {}
  for place, event in ipairs(round.plain) do
    local result = round.results[place]
    if type(result) == "table" and result.lacks then
      break
    end
    events[place] = event
  end
  return { events = events, outcomes = round.results, known = known, digest = digest }
end

local function copy_of(known)
  local results = {}
  for place, result in pairs(known) do
    results[place] = result
  end
  return results
end

--- Looks what events are going to come to, without writing: those in front of the first that has to wait for another.
---@param self leadcat.Engine
---@param events leadcat.Event[]
---@param options? leadcat.Handling
---@return leadcat.Foreseen? foreseen
---@return string? message
---@return string? code
---@return integer? place of the event that is wrong, or cannot be taken
function rounds.foresee(self, events, options)
  local round, known = begin(self, events, options), {}
  round.how.foresee = true
  for _ = 1, PATIENCE + 2 * #events do -- a veto lets the next event of its company go on
    round.results = copy_of(known)
    local left, message, code = handle(round)
    if left then
      local lacking, any = lacking_of(round.results)
      if not any then
        return foreseen_of(round, known, message)
      end
      fetch_all(round)
      for place in pairs(lacking) do
        known[place] = round.results[place]
      end
    else
      left, message, code = mend(round, left, message, code)
    end
    if round.failure then
      return nil, round.failure.message, round.failure.code, round.failure.place
    elseif not left then
      return nil, message, code, round.bad
    end
  end
  return nil, "a company keeps changing while its event is being decided", "unavailable"
end

--- Writes what was foreseen, and a cursor with it: all of it, or nothing where anything has changed since.
---@param self leadcat.Engine
---@param foreseen leadcat.Foreseen
---@param cursor table
---@param options? leadcat.Handling
---@return leadcat.Outcome[]? outcomes
---@return string? message
---@return string? code `conflict`
function rounds.write(self, foreseen, cursor, options)
  local round = begin(self, foreseen.events, options)
  round.results, round.how.cursor, round.how.digest = copy_of(foreseen.known), cursor, foreseen.digest
  local left, message, code = (round.how.keeps_companies and step or step_and_apply)(round)
  if not left then
    return nil, message, code
  end
  fetch_all(round)
  return ended(round)
end

return rounds
