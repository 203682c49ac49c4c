--- Events of an API that is asked again and again what has changed since. A cursor in leadcat's store says how far it was read.
-- It never passes what was not taken. Whoever is killed, the next one reads from there, and ids make events happen once.

local as_text = require "leadcat.util.as_text"
local core = require "leadcat.core"
local event_of = require "leadcat.events.event"
local options_of = require "leadcat.util.options"
local protected = require "leadcat.util.protected"
local stuck = require "leadcat.source.stuck"
local unicode = require "leadcat.util.unicode"

local LIMIT, EVERY = 200, 10 -- items, seconds
local LONGEST_CURSOR = 4096 -- bytes
local LAST_TIME = 253402300799 -- the end of the year 9999
local REST, LONGEST_REST = 10, 300 -- times as long as going back took, it is not done again; at most these seconds
local MOST_SEEN = 10000 -- ids of events that were taken, twice
local PROBLEM = {} -- parked like a company: items that nobody understands
local NO_ID = "its event has no id: without one it would be handled each time that it is read"

---@class (exact) leadcat.poll.Options
---@field name string of its cursor, 1 to 64 bytes; sources of one store need different ones
---@field since fun(cursor: number|string, limit: integer): any[]?, (number|string)?, boolean? what has changed at the cursor or after it, oldest first, about `limit` items; the cursor to go on from; whether there is more (default: there were `limit`). Or nil, message
---@field overlap? number seconds that it may take until a change is seen: cursors are times then, in seconds since 1970, and each pass begins so much earlier. Without it they are texts of the API's, which miss nothing
---@field start? number|string|fun(): (number|string)?, string? the first cursor; default now. Without `overlap` there is no default
---@field events? fun(item: any): (leadcat.Event|leadcat.Event[])?, string? the events of an item; nil: none; nil, message: it cannot be understood. Default: items are events
---@field set_aside? fun(item: any, reason: string): boolean? keeps an item that cannot be understood, and returns true: only then the cursor passes it. May be called again for the same item
---@field every? number seconds between two passes; default 10
---@field limit? integer items of a call, 1 to 1,000; default 200
---@field tenant? string whose changes they are; `leadcat worker` gives `step` that tenant's engine
---@field late? "skip"|"apply" what becomes of events that are older than the company's newest change; default skip

---@class leadcat.poll.Counts
---@field handled integer events that were taken now
---@field parked integer companies whose events cannot be taken now, and are tried again later
---@field problems integer items that cannot be understood: they are tried again, too
---@field error? string the first reason of the parked or the problems
---@field more boolean whether there is more to be read at once

---@class leadcat.poll.Source
---@field name string
---@field stored number|string the cursor in the store: all before it was taken
---@field read number|string how far it was read, past what was not taken
---@field is_behind boolean whether there is anything between them
local Source = {}
Source.__index = Source

-- Cursors -------------------------------------------------------------------------------------------------------------

local function is_cursor(self, value)
  if self.overlap then
    return type(value) == "number" and value >= 0 and value <= LAST_TIME
  end
  return type(value) == "string" and #value >= 1 and #value <= LONGEST_CURSOR
end

local function expected(self)
  return self.overlap and "seconds since 1970" or ("a text of 1 to %d bytes"):format(LONGEST_CURSOR)
end

-- The one that is further; a text always is. A time that has not come yet would hide what happens until then.
local function further(self, cursor, than)
  return self.overlap and math.max(than, math.min(cursor, core.now())) or cursor
end

local function stored_form(self, cursor)
  return { name = self.name, text = self.overlap and ("%.6f"):format(cursor) or cursor }
end

-- Moves the stored cursor with no event.
local function move(self, engine, cursor)
  local outcomes, message, code = engine:handle_many({}, { cursor = stored_form(self, cursor) })
  if not outcomes or message then
    return nil, message, code
  end
  self.stored = cursor
  return true
end

-- Stores where to begin, so that it is the same after a restart.
local function begin(self, engine)
  local cursor, message = self.start, nil
  if type(cursor) == "function" then
    cursor, message = cursor()
  end
  if not is_cursor(self, cursor) then
    return nil, message and as_text(message) or ("`start` gave %s, not %s"):format(as_text(cursor), expected(self)),
      "unavailable"
  end
  return move(self, engine, cursor)
end

-- Finds out where to read on, for the first pass.
local function load_cursor(self, engine)
  local text, message, code = engine:cursor(self.name)
  if code == "not_found" then
    return begin(self, engine)
  elseif not text then
    return nil, message, code
  end
  local cursor = text
  if self.overlap then
    cursor = tonumber(text)
  end
  if not is_cursor(self, cursor) then
    return nil, ("the cursor '%s' is %s: was this source another one before? Give it another name"):format(self.name,
      unicode.visible(text:sub(1, 60))), "invalid"
  end
  self.stored = cursor
  return true
end

-- Passes --------------------------------------------------------------------------------------------------------------

-- When to go back to what was not taken, by `core.uptime`; nil when all was.
local function time_to_go_back(self)
  return self.is_behind and math.max(self.stuck:due() or 0, self.rest_until) or nil
end

-- A pass reads on from where the last one ended; or from the stored cursor, when something is to be tried again.
local function begin_pass(self)
  local now, back_at = core.uptime(), time_to_go_back(self)
  local goes_back = self.read == nil or back_at ~= nil and now >= back_at
  if goes_back then
    self.stuck:begin_pass()
    self.told, self.is_behind = {}, false
  elseif now < self.due then
    return nil
  end
  self.read = self.read or self.stored
  local from = goes_back and self.stored or self.read
  self.pass = { at = self.overlap and math.max(0, from - self.overlap) or from, goes_back = goes_back, began = now }
  return self.pass
end

local function end_pass(self)
  local now, pass = core.uptime(), self.pass
  self.pass, self.due = nil, now + self.every
  if pass.goes_back then
    self.stuck:end_pass()
    self.rest_until = now + math.min(REST * (now - pass.began), LONGEST_REST)
  end
  if not self.is_behind then
    self.stuck = stuck.new()
  end
end

-- Items ---------------------------------------------------------------------------------------------------------------

-- Remembers the events that were taken last, which an overlap brings again and again.
local function note_seen(self, id)
  self.seen[id], self.seen_count = true, self.seen_count + 1
  if self.seen_count >= MOST_SEEN then
    self.seen_before, self.seen, self.seen_count = self.seen, {}, 0
  end
end

local function is_seen(self, id)
  return self.seen[id] or self.seen_before[id]
end

-- The events of an item; or nil and why it cannot be understood.
local function events_of(self, item, own)
  local ok, events, message = protected.call(self.events, item)
  if not ok or events == nil then
    message = ok and message or not ok and events or nil
    return not message and {} or nil, message and as_text(message)
  elseif type(events) ~= "table" then
    return nil, ("`events` gave %s, not a list of events"):format(as_text(events))
  end
  if events[1] == nil and next(events) ~= nil then
    events = { events }
  end
  for _, event in ipairs(events) do
    local problem = event_of.problem(event, own) or event.id == nil and NO_ID
    if problem then
      return nil, problem
    end
  end
  return events
end

local function shown(item)
  local id = type(item) == "table" and item.id
  return event_of.key(id) and "item " .. as_text(id) or "an item"
end

-- An item that cannot be understood. It is told once until it is tried again.
local function reject(self, work, item, reason)
  if self.set_aside and self.set_aside(item, reason) == true then
    return
  end
  self.is_behind = true
  if not self.stuck:is_parked(PROBLEM) then
    self.stuck:park(PROBLEM)
  end
  local text = ("%s: %s"):format(shown(item), reason)
  if not self.told[text] then
    self.told[text], work.problems, work.error = true, work.problems + 1, work.error or text
  end
end

-- Adds an event to those that are handled, unless its company is parked.
local function add(self, work, event, item)
  if is_seen(self, event_of.key(event.id)) then
    return
  elseif self.stuck:is_parked(event_of.key(event.company)) then
    self.is_behind = true
    return
  end
  work.events[#work.events + 1], work.items[event] = event, item
end

local function plan(self, items, own)
  local work = { events = {}, items = {}, handled = 0, parked = 0, problems = 0 }
  for _, item in ipairs(items) do
    local events, problem = events_of(self, item, own)
    for _, event in ipairs(events or {}) do
      add(self, work, event, item)
    end
    if not events then
      reject(self, work, item, problem)
    end
  end
  return work
end

-- Handling ------------------------------------------------------------------------------------------------------------

-- What becomes of an event that was not taken, the first of its company.
local function refuse(self, work, event, outcome)
  if outcome.code == "invalid" then
    return reject(self, work, work.items[event], outcome.error)
  end
  self.stuck:park(event_of.key(event.company))
  self.is_behind, work.parked = true, work.parked + 1
  work.error = work.error
    or ("company %s: %s"):format(as_text(event.company), outcome.error or "its event was not taken")
end

-- Sorts events by what became of them. Gives those behind an invalid one of their company: they are handled without it.
local function sort(self, work, events, outcomes)
  local codes, left = {}, {}
  for place, event in ipairs(events) do
    local outcome, company = outcomes[place], event_of.key(event.company)
    if outcome.status ~= "not_taken" then
      work.handled = work.handled + (outcome.status ~= "duplicate" and 1 or 0)
      note_seen(self, event_of.key(event.id))
    elseif not codes[company] then
      codes[company] = outcome.code or "unavailable"
      refuse(self, work, event, outcome)
    elseif codes[company] == "invalid" then
      left[#left + 1] = event
    end
  end
  return left
end

-- Handles the events. The cursor goes with the last effect, when nothing was left behind. Gives true; or nil, message, code.
local function take(self, engine, work, next_cursor)
  local events, moves = work.events, next_cursor ~= self.stored
  while #events > 0 do
    local cursor = moves and not self.is_behind and stored_form(self, next_cursor) or nil
    local outcomes, message, code = stuck.handle(engine, events, { late = self.late, cursor = cursor })
    if not outcomes then
      return nil, message, code
    end
    events = sort(self, work, events, outcomes)
    if cursor and not message then
      self.stored, moves = next_cursor, false
    end
  end
  if moves and not self.is_behind then
    return move(self, engine, next_cursor)
  end
  return true
end

-- What `since` gives for the next page: items, the cursor behind them, whether there is more; or nil, message.
local function ask(self)
  local at = self.pass.at
  local items, next_cursor, more = self.since(at, self.limit)
  if type(items) ~= "table" then
    return nil, items == nil and next_cursor and as_text(next_cursor)
      or ("`since` gave %s, not a list of items"):format(as_text(items))
  elseif next_cursor == nil and #items == 0 then
    next_cursor = at
  elseif not is_cursor(self, next_cursor) then
    return nil, ("`since` gave the cursor %s, not %s"):format(as_text(next_cursor), expected(self))
  end
  if more == nil then
    more = #items >= self.limit
  end
  if more and (next_cursor == at or self.overlap and next_cursor < at) then
    return nil, ("`since` gets no further than %s, where there is more: have it give all of one time"):format(
      as_text(next_cursor))
  end
  return items, next_cursor, more
end

--- Handles the next items. Call it again at once while there are `more`, and after a while otherwise.
---@param engine leadcat.Engine
---@return leadcat.poll.Counts? counts
---@return string? message, string? code nothing is lost: what was read is read again
function Source:step(engine)
  if self.stored == nil then
    local ok, message, code = load_cursor(self, engine)
    if not ok then
      return nil, message, code
    end
  end
  if not (self.pass or begin_pass(self)) then
    return { handled = 0, parked = 0, problems = 0, more = false }
  end
  local own, problem, failure = engine:_own_triggers()
  if not own then
    return nil, problem, failure
  end
  local items, next_cursor, more = ask(self)
  if not items then
    return nil, next_cursor, "unavailable"
  end
  local work = plan(self, items, own)
  local done, message, code = take(self, engine, work, further(self, next_cursor, self.stored))
  if not done then
    return nil, message, code
  end
  self.read = further(self, next_cursor, self.read)
  self.pass.at = next_cursor
  if not more then
    end_pass(self)
  end
  return { handled = work.handled, parked = work.parked, problems = work.problems, error = work.error, more = more }
end

-- The source ----------------------------------------------------------------------------------------------------------

local function seconds(most)
  return options_of.kind(("a number of seconds from 0 to %d"):format(most), function(value)
    return type(value) == "number" and value >= 0 and value <= most
  end)
end

local CALLABLE = options_of.of_type "function"

local OPTIONS = {
  name = options_of.kind("a text of 1 to 64 bytes", function(value)
    return type(value) == "string" and #value >= 1 and #value <= 64
  end),
  since = CALLABLE, events = CALLABLE, set_aside = CALLABLE, overlap = seconds(86400), every = seconds(86400),
  start = options_of.kind("a cursor, or a function that gives one", function(value)
    return type(value) == "function" or type(value) == "number" or type(value) == "string"
  end),
  tenant = options_of.of_type "string",
  limit = options_of.whole(1, 1000), late = options_of.one_of { "skip", "apply" },
}

local function check(options)
  options_of.check(options, OPTIONS, "leadcat.source.poll: ")
  local function must(name, why)
    if not options or options[name] == nil then
      error(("leadcat.source.poll: option '%s' is missing%s"):format(name, why or ""), 4)
    end
  end
  must "name"
  must "since"
  if not options.overlap then
    must("start", ": without `overlap` cursors are the API's own")
  end
  if options.start ~= nil and type(options.start) ~= "function" and not is_cursor(options, options.start) then
    error(("leadcat.source.poll: option 'start': %s expected"):format(expected(options)), 3)
  end
end

--- A source for `leadcat worker`, or to be called with `step`. Raises on a wrong option.
---@param options leadcat.poll.Options
---@return leadcat.poll.Source
return function(options)
  check(options)
  return setmetatable({
    name = options.name, tenant = options.tenant, since = options.since, overlap = options.overlap,
    start = options.start or core.now, events = options.events or function(item) return item end,
    set_aside = options.set_aside,
    every = options.every or EVERY, limit = options.limit or LIMIT, late = options.late or "skip",
    stuck = stuck.new(), told = {}, seen = {}, seen_before = {}, seen_count = 0,
    is_behind = false, due = 0, rest_until = 0,
  }, Source)
end
