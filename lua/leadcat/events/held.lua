--- What is held: matches of rules that were at their limit (`limit`). Somebody releases them, and they are decided anew, each by its rule
-- alone with the facts of that moment; or drops them. Methods of the engine.

local config = require "leadcat.rules.config"
local event_of = require "leadcat.events.event"
local journal = require "leadcat.past.journal"
local json = require "leadcat.util.json"
local later = require "leadcat.events.later"
local merged = require "leadcat.util.merged"
local options_of = require "leadcat.util.options"
local platform = require "leadcat.util.platform"

---@class leadcat.engine.held: leadcat.Engine the engine's methods that stand here
local held = {}

local PAGE = 100 -- decided together
local MOST_OUTCOMES = 1000 -- that are returned
local MOST_ENTRIES = 1000 -- that may be named

---@alias leadcat.HeldWhat integer|integer[]|{rule: string}|{all: true} an entry; entries; all of a rule, by its key; all

---@class (exact) leadcat.HeldQuery
---@field rule? string a rule's key
---@field limit? integer 1 to 1,000; default 100
---@field after? integer the `next` of the page before
---@field foresee? boolean also what releasing each would come to

---@class (exact) leadcat.ReleaseOptions: leadcat.ByActor
---@field most? integer how many entries to look at, about; default all

local QUERY = {
  rule = options_of.of_type("string", "a rule's key, such as sale_won#7"), limit = options_of.limit,
  after = options_of.whole(1, 2 ^ 53), foresee = options_of.of_type "boolean",
}
local OPTIONS = { actor = options_of.actor, most = options_of.whole(1, 2 ^ 53) }

---@class leadcat.HeldEntry: leadcat.Entry
---@field would? leadcat.Outcome with `foresee`: what releasing it now would come to

---@class leadcat.Released
---@field released integer of which something came: a change, a question, or what the host is asked to do
---@field dropped integer that came to nothing
---@field left integer that could not be decided now, and stay held: the company has an unfinished change, or the host could not say
---@field more boolean whether `most` has ended it before all were looked at
---@field outcomes leadcat.Outcome[] of the first 1,000, in order: `carries_out` or, dropped, `entry` is the held entry

local function key_of(entry)
  return config.rule_key(entry.trigger, entry.lead_status, entry.rule_id)
end

-- What they would come to, one after the other, as far as the host can be asked.
local function foresee(self, stored, entries)
  local outcomes, message, code = later.foresee(self, stored)
  if not outcomes then
    return nil, message, code
  end
  for place, entry in ipairs(entries) do
    entry.would = outcomes[place]
  end
  return true
end

--- What is held, the oldest first.
---@param query? leadcat.HeldQuery
---@return leadcat.HeldEntry[]? entries
---@return integer|string|nil next, string? code next: as `after` of the next page; nil at the end (or the message). `corrupt`, `unavailable`
function held:held(query)
  self:_check_open()
  query = options_of.check(query, QUERY)
  local stored, after, limit = {}, query.after or 0, options_of.page(query.limit)
  local entries, more = json.array {}, true
  while more and #stored < limit do
    local page, message, code = self._store:held(self._tenant, after, limit)
    if not page then
      return nil, message, code
    end
    more = #page == limit
    for _, entry in ipairs(page) do
      after = entry.entry
      if not query.rule or key_of(entry) == query.rule then
        stored[#stored + 1], entries[#entries + 1] = entry, journal.entry(entry, self._tenant)
        if #stored == limit then
          break
        end
      end
    end
    platform.give_way()
  end
  local ok, message, code = true, nil, nil
  if query.foresee then
    ok, message, code = foresee(self, stored, entries)
  end
  if not ok then
    return nil, message, code
  end
  return entries, #stored == limit and after or nil
end

-- Which entries ---------------------------------------------------------------------------------------------------------

--- What is wrong with what is to be released or dropped; nil when nothing is.
---@param what any
---@return string? problem
function held.problem(what)
  local ids = type(what) == "number" and { what } or what
  if type(ids) ~= "table" then
    return "an entry, a list of entries, {rule = key} or {all = true} expected"
  elseif (type(ids.rule) == "string" or ids.all == true) and next(ids, next(ids)) == nil then
    return nil
  elseif #ids == 0 or #ids > MOST_ENTRIES then
    return ("a list of 1 to %d entries expected, or {rule = key}, or {all = true}"):format(MOST_ENTRIES)
  end
  for place, id in pairs(ids) do
    if type(place) ~= "number" or type(id) ~= "number" or id % 1 ~= 0 or id < 1 or id > 2 ^ 53 then
      return "the numbers of entries expected"
    end
  end
end

-- Whether the actor may; asked once for each rule, or for each entry that is named.
local function allowed(self, actor, subject)
  local may, message, code = self:can(actor, "release", subject)
  if may then
    return true
  end
  return nil, message or "only an administrator may release or drop what is held", code or "forbidden"
end

-- Those that are named: all are held, and the actor may.
local function named(self, ids, actor)
  local list, seen = {}, {}
  for _, id in ipairs(ids) do
    local entry, message, code = self._store:entry(self._tenant, id)
    if not entry then
      return nil, code == "not_found" and ("there is no entry %d"):format(id) or message, code
    end
    local may
    may, message, code = allowed(self, actor, journal.entry(entry, self._tenant))
    if not may then
      return nil, message, code
    elseif entry.status ~= "held" then
      return nil, ("entry %d is %s, not held"):format(id, entry.status), "invalid"
    end
    list[#list + 1], seen[id] = not seen[id] and entry or nil, true
  end
  return list
end

-- An iterator over pages of entries: a page, or nil at the end, or nil, message, code.
local function pages_of(self, what, actor)
  if type(what) == "number" or what[1] then
    local ids, done = type(what) == "number" and { what } or what, false
    return function()
      if done then
        return nil
      end
      done = true
      return named(self, ids, actor)
    end
  end
  local after, may, more = 0, {}, true
  return function()
    local list = {}
    while more and #list == 0 do
      local page, message, code = self._store:held(self._tenant, after, PAGE)
      if not page then
        return nil, message, code
      end
      more = #page == PAGE
      for _, entry in ipairs(page) do
        local key = key_of(entry)
        after = entry.entry
        if not what.rule or key == what.rule then
          if may[key] == nil then
            may[key], message, code = allowed(self, actor, { rule = key })
            if not may[key] then
              return nil, message, code
            end
          end
          list[#list + 1] = entry
        end
      end
      platform.give_way()
    end
    return list[1] and list or nil
  end
end

-- Does something with page after page, up to `most` entries.
local function each_page(self, what, options, act)
  local result = { released = 0, dropped = 0, left = 0, more = false, outcomes = json.array {} }
  local next_page, count = pages_of(self, what, options.actor), 0
  while true do
    local page, message, code = next_page()
    if code then
      return nil, message, code
    elseif not page then
      return result
    end
    for first = 1, #page, PAGE do
      if options.most and count >= options.most then
        result.more = true
        return result
      end
      local part = {}
      for i = first, math.min(first + PAGE - 1, #page) do
        part[#part + 1] = page[i]
      end
      count = count + #part
      local ok
      ok, message, code = act(part, result)
      if not ok then
        return nil, message, code
      end
      platform.give_way()
    end
  end
end

local function add(result, outcome)
  if #result.outcomes < MOST_OUTCOMES then
    result.outcomes[#result.outcomes + 1] = outcome
  end
end

local function check_what(what)
  local problem = held.problem(what)
  if problem then
    error("what: " .. problem, 3)
  end
end

-- Releasing and dropping ----------------------------------------------------------------------------------------------

--- Has what is held decided anew, by its rule alone, with the facts of this moment. The host's `can` is asked for the permission
-- `release`, about each entry that is named, or about {rule = key}.
---@param what leadcat.HeldWhat
---@param options? leadcat.ReleaseOptions
---@return leadcat.Released? result, string? message, string? code `not_found`, `forbidden`, `invalid`: an entry is not held (any more)
function held:release(what, options)
  self:_check_open()
  check_what(what)
  options = options_of.check(options, OPTIONS)
  return each_page(self, what, options, function(entries, result)
    local counts = { carried_out = 0, dropped = 0 }
    local outcomes, message, code, drops = later.release(self, entries, options.actor, counts)
    if not outcomes then
      return nil, message, code
    end
    result.released, result.dropped = result.released + counts.carried_out, result.dropped + counts.dropped
    result.left = result.left + #entries - counts.carried_out - counts.dropped
    for place = 1, #entries do
      local outcome = outcomes[place]
      if outcome and outcome.status ~= "over" then
        add(result, drops[place] or outcome)
      end
    end
    return true
  end)
end

--- Drops what is held: it comes to nothing. The permission is `release`.
---@param what leadcat.HeldWhat
---@param options? leadcat.ReleaseOptions
---@return leadcat.Released? result, string? message, string? code as of `release`
function held:drop(what, options)
  self:_check_open()
  check_what(what)
  options = options_of.check(options, OPTIONS)
  return each_page(self, what, options, function(entries, result)
    local items = {}
    for place, entry in ipairs(entries) do
      items[place] = { entry = entry.entry, company = event_of.key(entry.company), reason = "matched",
        status = "dropped", details = journal.ended_by(entry, options.actor, "by_hand") }
    end
    local ok, message, code = self._store:end_scheduled(self._tenant, items, self:_now())
    if not ok then
      return nil, message, code
    end
    for place, entry in ipairs(entries) do
      if items[place].lost then
        result.left = result.left + 1
      else
        local outcome = journal.outcome(merged(entry, { status = "dropped", action = "none", reason = "by_hand" }))
        result.dropped = result.dropped + 1
        self:_report(merged(journal.waiting_event(entry), { actor = options.actor }), outcome)
        add(result, outcome)
      end
    end
    return true
  end)
end

return held
