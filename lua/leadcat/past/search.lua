--- Searches the journal. The store finds entries by company and by number only; every other criterion is tested entry
-- by entry, newest first, up to a limit.

local config = require "leadcat.rules.config"
local event_of = require "leadcat.events.event"
local journal = require "leadcat.past.journal"
local options_of = require "leadcat.util.options"
local platform = require "leadcat.util.platform"
local runs = require "leadcat.past.runs"
local schema = require "leadcat.rules.schema"
local triggers = require "leadcat.rules.triggers"
local unchanged = require "leadcat.past.unchanged"

local search = {}

local SCAN = 10000 -- entries read for one page, at most
local BATCH = 500 -- entries read at a time

search.STATUSES = {
  "applying", "updated", "conflict", "failed", "awaiting_confirmation", "declined", "expired", "superseded",
  "scheduled", "carried_out", "cancelled", "dropped", "queued",
}

local BUILT_IN = schema.set(config.TRIGGERS)

search.QUERY = {
  company = options_of.id, limit = options_of.limit, after = options_of.whole(1, 2 ^ 53),
  since = options_of.of_type "number", before = options_of.of_type "number", actor = options_of.id,
  sale = options_of.id,
  trigger = options_of.kind("a trigger", function(value) return BUILT_IN[value] or config.is_own_trigger(value) end),
  status = options_of.one_of(search.STATUSES),
  revision = options_of.whole(0, 2 ^ 53), run = options_of.of_type "string", unchanged = options_of.of_type "boolean",
}

--- What else is wrong with a query of the right form: it names a trigger that the store does not know.
---@param self leadcat.Engine
---@param query table
---@return string? problem
function search.problem(self, query)
  if query.trigger == nil or BUILT_IN[query.trigger] then
    return nil
  end
  local own = self:_own_triggers() or {}
  return not schema.set(own)[query.trigger] and ("option 'trigger': one of %s expected, got '%s'"):format(
    table.concat(triggers.all(own), ", "), query.trigger) or nil
end

-- The test of each field of a query: first on the stored entry, then on its details, which must be parsed.
local STORED = {
  since = function(entry, since) return entry.at >= since end,
  before = function(entry, before) return entry.at < before end,
  trigger = function(entry, trigger) return entry.trigger == trigger end,
  status = function(entry, status) return entry.status == status end,
  revision = function(entry, revision) return entry.revision == revision end,
  sale = function(entry) return entry.details ~= nil and entry.details:find('"sale":', 1, true) ~= nil end,
}
local DETAILS = {
  sale = function(entry, sale) return entry.sale ~= nil and event_of.key(entry.sale.id) == sale end,
  actor = function(entry, actor)
    return entry.actor ~= nil and (event_of.key(entry.actor.id) == actor or entry.actor.name == actor)
  end,
  run = function(entry, id) return entry.run == id end,
}

-- The tests for the given fields; nil when there are none.
local function tests_of(fields, known)
  local tests
  for name, test in pairs(known) do
    if fields[name] ~= nil then
      tests = tests or {}
      tests[#tests + 1] = { test, fields[name] }
    end
  end
  return tests
end

local function passes(entry, tests)
  for _, row in ipairs(tests or {}) do
    if not row[1](entry, row[2]) then
      return false
    end
  end
  return true
end

local function read_with_unchanged(self, company, after, size)
  local entries, message, code = self._store:history(self._tenant, company, nil, after, size)
  local notes
  if entries then
    notes, message, code = self._store:history(self._tenant, company, nil, after, size, true)
  end
  return notes and unchanged.merge(entries, notes, size), message, code
end

-- Where to begin reading, and at which entry to stop: a run's entries lie between two others.
local function bounds_of(self, query)
  local record = query.run and options_of.run.fits(query.run) and runs.read(self, query.run)
  if not record then
    return query.after
  end
  local behind = record.last and record.last + 1
  return query.after and behind and math.min(query.after, behind) or query.after or behind, record.after
end

--- A page of the journal, newest first.
---@param company? string the text of its id
---@param actor? string an id as text, or a name
---@param sale? string the text of its id
---@return integer|string|nil next the cursor `after` of the next page, nil at the end (or the message)
function search.page(self, query, company, actor, sale)
  local stored = tests_of(query, STORED)
  local details = tests_of({ actor = actor, sale = sale, run = query.run }, DETAILS)
  local limit, found, last = options_of.page(query.limit), {}, nil
  local after, first = bounds_of(self, query)
  local next_entry = journal.entries(self, company, after, (stored or details) and BATCH or limit,
    query.unchanged and read_with_unchanged)
  for _ = 1, (stored or details) and SCAN or limit do
    local entry, message, code = next_entry()
    if code then
      return nil, message, code
    elseif not entry or first and entry.entry <= first then
      return found
    end
    platform.give_way()
    last = entry.entry
    entry = passes(entry, stored) and journal.entry(entry, self._tenant)
    if entry and passes(entry, details) then
      found[#found + 1] = entry
      if #found == limit then
        break
      end
    end
  end
  return found, last
end

return search
