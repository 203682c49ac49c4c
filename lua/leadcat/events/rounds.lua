--- Handles events in rounds. The core decides and writes what it can, and says what the other events lack. `fetch.lua`
-- fetches that, and the core is called again, until every event has its outcome.

local event_of = require "leadcat.events.event"
local fetch = require "leadcat.events.fetch"
local group_commit = require "leadcat.events.group_commit"
local merged = require "leadcat.util.merged"
local platform = require "leadcat.util.platform"
local settings = require "leadcat.rules.save"

local rounds = {}

local PATIENCE = 16 -- rounds without a new outcome
local PART = 100 -- events that are handled at a time where others wait
local KEEPS_CHANGING = "a company keeps changing while its event is being decided"

---@class leadcat.Handling options of how events are handled
---@field overlay? userdata nothing is written; what would be is remembered here (`store:overlay`)
---@field confirm? "ask"|"accept"|"skip" what becomes of decisions that ask; default "ask"
---@field start? integer the category of companies that the embedded host does not know
---@field skips_late? boolean whether events that arrive late come to nothing; default as `leadcat.open` says
---@field cursor? table as `store:handle` takes it: moves once all events are taken
---@field notes? boolean whether unchanged outcomes have `details`, for `past/unchanged.lua`
---@field is_beside? boolean whether a CRM's companies in the store's database are changed with the journal; default where they can be

---@class leadcat.Round events on their way
---@field engine leadcat.Engine
---@field events leadcat.Event[]
---@field plain leadcat.Event[] the same without metatables, where there were some
---@field results table by the events' places, as `store:handle` fills it
---@field how table options of `store:handle`
---@field licensed? boolean once the host was asked
---@field keys? table<integer, string> the companies' texts, by place
---@field failure? {message: string, code: string, place: integer} of the first event that could not be taken

-- Options of the store ------------------------------------------------------------------------------------------------

-- The options of `store:handle`.
local function how_of(self, options)
  local how = merged(self._companies.HANDLING, options)
  how.beside = how.is_beside and self._companies.beside(self) or nil
  how.is_beside = nil
  how.ttl, how.run = self._shared.confirmation_ttl, self._run
  if how.skips_late == nil then
    how.skips_late = self._shared.skips_late
  end
  how.asks_facts = self.host.facts and true
  how.has_stand_ins = self._shared.stand_in and not how.overlay and true
  how.is_guarded, how.needs_licence = self._hooks.guard[1] and true, self.host.licensed and true
  return how
end

-- The same for the usual case, made once: companies are kept in the store, and no guard, stand-in, licence or run is involved;
-- nil in other cases. What all tenants share is taken from `shared`: each field of an engine is found through its metatable.
local function usual_how(self, shared, may_write)
  if self._run or shared.host.licensed or shared.hooks.guard[1] or shared.stand_in
    or not shared.companies.HANDLING.keeps_companies then
    return nil
  elseif not shared.usual then
    local how = how_of(self)
    shared.usual = { [true] = self._store:prepare(merged(how, { write = true })), [false] = self._store:prepare(how) }
  end
  return shared.usual[may_write]
end

-- Whether changes of companies are written with their entries; else a host makes them.
local function changes_at_once(how)
  return how.keeps_companies or how.beside ~= nil
end

local function begin(self, events, options, results)
  return { engine = self, events = events, plain = events, results = results or {}, how = how_of(self, options) }
end

-- Calling the store ---------------------------------------------------------------------------------------------------

local function handle(round)
  local self = round.engine
  return self._store:handle(self._tenant, round.plain, round.results, self:_now(), round.how)
end

-- Writes the single events of several requests with one commit.
local function write_together(self, requests, how)
  local events, results = {}, {}
  for i, round in ipairs(requests) do
    events[i], results[i] = round.plain[1], round.results[1]
  end
  local left, message, code = self._store:handle(self._tenant, events, results, self:_now(), how)
  for i, round in ipairs(left and requests or {}) do
    round.results[1] = results[i]
  end
  return left, message, code
end

-- Whether requests that are ready at the same time share a commit here. A shared store puts their events together itself.
local function may_share(self)
  return platform.can_share() and not self._shared.gathers
end

-- A single event in nginx is looked at first. If it must be written, it shares the commit of other requests.
local function share_commit(round)
  local self, how = round.engine, merged(round.how, { write = true })
  local name = ("handle %s %s %s"):format(how.skips_late and "skips late" or "", how.beside and "beside" or "",
    self._run or "")
  return group_commit.write(self, name, { round }, function(requests) return write_together(self, requests, how) end)
end

-- Calls the core once, and returns what `store:handle` does. A change that the host makes is not written while only
-- looking: its company is not in flight yet.
local function step(round)
  local how = round.how
  local may_write = not how.overlay and (changes_at_once(how) or not how.look)
  local shares = may_write and #round.plain == 1 and not how.cursor and may_share(round.engine)
  how.write = may_write and not shares
  local left, message, code = handle(round)
  local result = round.results[1]
  if left and message == true then -- it has moved
    how.cursor = nil
  end
  if shares and left == 1 and type(result) == "table" and result.lacks == "commit" then
    return share_commit(round)
  end
  return left, message, code
end

-- Changes by the host -------------------------------------------------------------------------------------------------

-- The companies of the events without an outcome.
local function open_companies(round)
  local open, count, keys, results = {}, 0, round.keys or {}, round.results
  round.keys = keys
  for place, event in ipairs(round.events) do
    if not fetch.is_final(round, results[place]) then
      keys[place], count = keys[place] or event_of.key(event.company), count + 1
      open[count] = keys[place]
    end
  end
  return open
end

-- The changes that were written as `applying`, and the places of their events.
local function changes_of(round)
  local changes, places, count, results, keys = {}, {}, 0, round.results, round.keys
  local now, change = round.engine:_now(), round.engine._companies.change
  for place, event in ipairs(round.events) do
    local outcome = results[place]
    if type(outcome) == "table" and outcome.status == "applying" then
      count = count + 1
      changes[count], places[count] = change(event.company, keys[place], outcome, now), place
    end
  end
  return changes, places
end

-- Has the host make the changes that were written. Returns how many.
local function apply(round, flight)
  local self, changes, places = round.engine, changes_of(round)
  if #changes == 0 then
    return 0
  end
  local outcomes, message, code = self._companies.apply(self, changes, flight)
  for i, place in ipairs(outcomes and places or {}) do
    round.results[place] = outcomes[i]
  end
  return outcomes and #outcomes, message, code
end

-- A step whose changes the host makes.
local function step_in_flight(flight, round)
  local left, message, code = step(round)
  if not left then
    return left, message, code
  end
  local made, why, failure = apply(round, flight)
  return made and left - made, why, failure
end

-- The open events' companies are in flight during the step, whose changes the host makes.
local function step_and_apply(round)
  local self = round.engine
  round.how.claim = self._companies.seconds(#round.events)
  return self._companies.in_flight(self, open_companies(round), step_in_flight, round)
end

-- Round by round ------------------------------------------------------------------------------------------------------

-- The first bad event of a list, and what is wrong with it.
local function find_problem(events, own)
  local count = 0
  for _ in pairs(events) do
    count = count + 1
  end
  for place = 1, count do
    local problem = event_of.problem(events[place], own)
    if problem then
      return place, problem
    end
  end
end

local function plain(events)
  local copies = {}
  for place, event in ipairs(events) do
    copies[place] = event_of.plain(event)
  end
  return copies
end

-- After a call that failed: true when another one may succeed, else nil, message, code. An event may be wrong, or have
-- a metatable; a damaged ruleset is rebuilt; rules that were saved meanwhile have other conditions.
local function mend(round, left, message, code)
  local self = round.engine
  if left == false then
    local own, why, failure = self:_own_triggers()
    if not own then
      return nil, why, failure
    end
    local place, problem = find_problem(round.events, own)
    if problem then
      round.bad = place
      return nil, problem, "invalid"
    end
    round.plain = plain(round.events)
    return true
  elseif code == "corrupt" and not round.mended then
    round.mended = true
    local done, why = settings.repair(self._store, self._tenant)
    return done, why or message, code
  elseif code == "stale" and not round.how.digest then
    return true
  end
  return nil, message, code
end

-- Whether to look at all events before any is written, so that what they lack is asked for at once: first the category
-- when the host keeps it, then the verdicts.
local function looks_first(how, count)
  local asks = not changes_at_once(how) and 1 or 0
  return count <= asks + ((how.is_guarded or how.has_stand_ins or how.needs_licence) and 1 or 0) or nil
end

local function call(round, count)
  local how = round.how
  local is_alone = #round.plain == 1 and round.engine._shared.gathers -- then a look would be a round trip for nothing
  how.look = not is_alone and looks_first(how, count) or nil
  local by_host = not changes_at_once(how) and not how.queues and not how.overlay and not how.look
  local left, message, code = (by_host and step_and_apply or step)(round)
  if code == "apart" then -- what the CRM's side did not take with the journal, it is asked for by itself
    how.beside = nil
    return call(round, count)
  end
  return left, message, code
end

-- Does what a call asks for. Returns how many events have no outcome yet; or nil, message, code.
local function answer(round, left, message, code)
  if not left then
    local again
    again, message, code = mend(round, left, message, code)
    return again and #round.events, message, code
  end
  return left > 0 and fetch.all(round) or 0
end

-- All outcomes; those that there are none of were not taken, for that reason.
local function outcomes_of(round, message, code)
  local outcomes = {}
  for place = 1, #round.events do
    local result = round.results[place]
    outcomes[place] = fetch.is_final(round, result) and result or fetch.not_taken(message, code)
  end
  return outcomes
end

-- Those of the events that were taken.
local function taken(outcomes)
  for place = 1, #outcomes do
    outcomes[place] = outcomes[place].status ~= "not_taken" and outcomes[place] or nil
  end
  return outcomes
end

-- At the end, when all events were taken: the cursor moves with a commit of its own, unless it has moved with the last of them.
local function end_round(round)
  local self, cursor, message, code = round.engine, round.how.cursor, nil, nil
  if cursor then
    local ok
    ok, message, code = self._store:write(self._tenant, {}, self:_now(), 0, cursor)
    message, code = not ok and message or nil, not ok and code or nil
  end
  return round.results, message, code
end

-- Handles events with as few commits as possible. `begun`: results to begin with.
local function run(self, events, options, begun)
  local results, shared, left, message, code = begun or { nil }, self._shared, nil, nil, nil -- with room for one
  local usual = not options and usual_how(self, shared, #events > 1 or not may_share(self))
  if usual then
    left, message, code = shared.store:handle(self._tenant, events, results, shared.clock(), usual)
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
    idle = left and before and left >= before and idle + 1 or 0
    if round.failure then
      round.how.cursor = nil
    end
    if not left then
      return outcomes_of(round, message, code), message, code, round.bad
    elseif left == 0 and not round.failure then
      return end_round(round)
    elseif left == 0 then
      return outcomes_of(round), round.failure.message, round.failure.code
    elseif idle == PATIENCE then
      return outcomes_of(round, KEEPS_CHANGING, "unavailable"), KEEPS_CHANGING, "unavailable"
    end
    before, count = left, count + 1
    platform.give_way()
    left, message, code = call(round, count)
  end
end

-- Many events in nginx ------------------------------------------------------------------------------------------------

-- The texts of an event's company and id.
local function keys_of(event)
  return event_of.key(event.company), event.id ~= nil and event_of.key(event.id)
end

-- The next events that do not follow one of their company or id that was not taken, their places, and where to go on.
-- Those that do get their outcome.
local function next_part(events, first, failed, outcomes)
  local part, places, last = {}, {}, math.min(first + PART, #events + 1) - 1
  for place = first, last do
    local company, id = keys_of(events[place])
    outcomes[place] = failed.companies[company] or id and failed.ids[id] or nil
    if not outcomes[place] then
      part[#part + 1], places[#places + 1] = events[place], place
    end
  end
  return part, places, last + 1
end

local function note_failed(failed, event, outcome)
  local company, id = keys_of(event)
  failed.companies[company] = outcome
  if id then
    failed.ids[id] = outcome
  end
end

-- Handles many events part by part, so that other connections have their turn meanwhile. Each part is on disk before the
-- next one begins. A malformed event stops all before the first one. A cursor goes with the last part.
local function run_in_parts(self, events, options)
  local place, problem = find_problem(events)
  if problem then
    return {}, problem, "invalid", place
  end
  local outcomes, first, failed, message, code = {}, 1, { companies = {}, ids = {} }, nil, nil
  local without_cursor = options and merged(options)
  if options then
    without_cursor.cursor = nil
  end
  while first <= #events do
    local part, places
    part, places, first = next_part(events, first, failed, outcomes)
    local is_last = first > #events and not code
    local found, why, failure = run(self, part, is_last and options or without_cursor)
    for i, at in ipairs(places) do
      outcomes[at] = found[i]
      if found[i].status == "not_taken" then
        note_failed(failed, part[i], found[i])
      end
    end
    if not code then
      message, code = why, failure
    end
    platform.give_way()
  end
  return outcomes, message, code
end

--- Handles events, in order. One that cannot be taken does not stop those of other companies.
---@param self leadcat.Engine
---@param events leadcat.Event[]
---@param options? leadcat.Handling
---@return leadcat.Outcome[] outcomes of all events: with the status `not_taken`, `code` and `error` those that could not be taken
---@return string? message, string? code, integer? place of the first failure; place: of the event that is malformed
function rounds.run(self, events, options)
  return (#events > PART and platform.can_yield() and run_in_parts or run)(self, events, options)
end

--- Decides what is scheduled anew.
---@param self leadcat.Engine
---@param events leadcat.Event[] without ids
---@param begun table[] by the events' places: {lacks = "commit", carries_out = entry, alone = id of the rule}
---@param options? leadcat.Handling
---@return table<integer, leadcat.Outcome> outcomes as `run`; the status `over` where it has ended already
---@return string? message, string? code of the first failure
function rounds.carry_out(self, events, begun, options)
  local outcomes, message, code = run(self, events, options, begun)
  return taken(outcomes), message, code
end

-- Foreseeing, then writing --------------------------------------------------------------------------------------------

---@class leadcat.Foreseen the outcomes that events will have
---@field events leadcat.Event[] those before the first one that has to wait for another: at least one
---@field outcomes table<integer, leadcat.Outcome|integer> without entries; a number for an event that was seen before
---@field known table<integer, table> what was fetched for them
---@field digest integer the same only for the same outcomes

-- The places of the events that lack something, and whether any of it can be fetched.
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

-- The events before the first one that waits.
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

--- Foresees the outcomes of events without writing, up to the first event that has to wait for another.
---@param self leadcat.Engine
---@param events leadcat.Event[]
---@param options? leadcat.Handling
---@return leadcat.Foreseen? foreseen, string? message, string? code, integer? place of the event that is malformed or cannot be taken
function rounds.foresee(self, events, options)
  local round, known = begin(self, events, options), {}
  round.how.foresee = true
  for _ = 1, PATIENCE + 2 * #events do -- a veto lets the next event of its company go on
    round.results = merged(known)
    local left, message, code = handle(round)
    local lacking, any = lacking_of(round.results)
    if left and not any then
      return foreseen_of(round, known, message)
    end
    left, message, code = answer(round, left and #events, message, code)
    for place in pairs(lacking) do
      known[place] = round.results[place]
    end
    if round.failure then
      return nil, round.failure.message, round.failure.code, round.failure.place
    elseif not left then
      return nil, message, code, round.bad
    end
  end
  return nil, KEEPS_CHANGING, "unavailable"
end

--- Writes what was foreseen together with a cursor: all of it, or nothing when something has changed since.
---@param self leadcat.Engine
---@param foreseen leadcat.Foreseen
---@param cursor table as `store:handle` takes it
---@param options? leadcat.Handling
---@return leadcat.Outcome[]? outcomes, string? message, string? code `conflict`; `apart`: to be foreseen and written with `is_beside = false`
function rounds.write(self, foreseen, cursor, options)
  local round = begin(self, foreseen.events, options)
  local how = round.how
  round.results, how.cursor, how.digest = merged(foreseen.known), cursor, foreseen.digest
  local left, message, code = ((changes_at_once(how) or how.queues) and step or step_and_apply)(round)
  if not left then
    return nil, message, code
  end
  fetch.all(round)
  return taken(outcomes_of(round))
end

return rounds
