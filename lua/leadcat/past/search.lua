--- Searches the journal. The store finds entries by company and by number, and what waits by its questions. By every other
-- criterion it passes over, newest first, what cannot be meant, up to a limit; what is left is tested here.

local config = require "leadcat.rules.config"
local core = require "leadcat.core"
local event_of = require "leadcat.events.event"
local journal = require "leadcat.past.journal"
local options_of = require "leadcat.util.options"
local platform = require "leadcat.util.platform"
local runs = require "leadcat.past.runs"
local schema = require "leadcat.rules.schema"
local triggers = require "leadcat.rules.triggers"
local unchanged = require "leadcat.past.unchanged"
local unicode = require "leadcat.util.unicode"

local search = {}

local SCAN = 10000 -- entries looked at for one page, at most
local TESTED = 20 -- how many of these one counts for whose details have to be looked at here
local NAMES = 500 -- names that the host is asked for, at most

search.STATUSES = {
  "applying", "updated", "conflict", "failed", "awaiting_confirmation", "declined", "expired", "superseded",
  "scheduled", "carried_out", "cancelled", "dropped", "queued", "renamed", "merged",
  "deleted", "shadow", "held", "waiting",
}

local NAME = options_of.kind("a text of 1 to 255 bytes", function(value)
  return type(value) == "string" and #value >= 1 and #value <= 255
end)

local BUILT_IN = schema.set(config.TRIGGERS)

search.QUERY = {
  company = options_of.id, limit = options_of.limit, after = options_of.whole(1, 2 ^ 53),
  since = options_of.of_type "number", before = options_of.of_type "number", actor = options_of.id,
  sale = options_of.id,
  trigger = options_of.kind("a trigger", function(value) return BUILT_IN[value] or config.is_own_trigger(value) end),
  status = options_of.one_of(search.STATUSES),
  revision = options_of.whole(0, 2 ^ 53), run = options_of.of_type "string", unchanged = options_of.of_type "boolean",
  company_name = NAME, actor_name = NAME, folded = options_of.of_type "boolean",
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
  status = function(entry, status)
    return entry.status == (status == "waiting" and "awaiting_confirmation" or status)
  end,
  revision = function(entry, revision) return entry.revision == revision end,
  sale = function(entry) return entry.details ~= nil and entry.details:find('"sale":', 1, true) ~= nil end,
}

-- Letters that lose their stroke only here: they have no accent that could be taken away.
local STROKES = { ["\195\184"] = "o", ["\195\166"] = "ae", ["\196\145"] = "d", ["\197\130"] = "l" } -- ø æ đ ł

-- A name as it is compared: without case and accents.
local function plain(name)
  return (core.plain(unicode.valid(name)):gsub("[\195-\197][\128-\191]", STROKES))
end

-- Whether a name or an id has the words of `part` in it.
local function has(part, ...)
  for i = 1, select("#", ...) do
    local name = select(i, ...)
    if name and plain(tostring(name)):find(part, 1, true) then
      return true
    end
  end
  return false
end

-- The question that an entry has asked or answered, read once; nil when there is none any more.
local function question_of(entry, state)
  local id, read = entry.confirmation, state.questions
  if id and read[id] == nil then
    read[id] = state.engine:confirmation(id) or false
  end
  return id and read[id] or nil
end

-- The people of an entry: of its event or its answer, and with `folded` who the question was for.
local function actors_of(entry, state)
  local question = state.folded and question_of(entry, state)
  return entry.actor or nil, question and question.actor or nil
end

local function is_actor(wanted, actor)
  return actor ~= nil and (event_of.key(actor.id) == wanted or actor.name == wanted)
end

local function has_name(part, actor)
  return actor ~= nil and has(part, actor.name, event_of.key(actor.id))
end

-- What the host calls a company, asked once; false when it has been asked for enough names.
local function company_name(company, state)
  local names = state.names
  if names[company] == nil then
    if state.engine.host.company_name then
      state.left = state.left - 1
    end
    names[company] = state.engine:company_name(company) or ""
  end
  return names[company]
end

-- The tests of an entry as hosts see it. The last two are asked of the store and of the host.
local DETAILS = {
  { "sale", function(entry, sale) return entry.sale ~= nil and event_of.key(entry.sale.id) == sale end },
  { "run", function(entry, id) return entry.run == id end },
  { "actor", function(entry, wanted, state)
    local first, second = actors_of(entry, state)
    return is_actor(wanted, first) or is_actor(wanted, second)
  end },
  { "actor_name", function(entry, part, state)
    local first, second = actors_of(entry, state)
    return has_name(part, first) or has_name(part, second)
  end },
  { "company_name", function(entry, part, state)
    return has(part, event_of.key(entry.company), entry.former and event_of.key(entry.former))
      or has(part, company_name(entry.company, state))
  end },
  { "waiting", function(entry, _, state)
    local question = question_of(entry, state)
    return question ~= nil and question.state == "open"
  end },
  { "folded", function(entry, _, state)
    local question = entry.status == "awaiting_confirmation" and question_of(entry, state)
    return not question or question.state == "open"
  end },
}

-- The tests for the given fields; nil when there are none.
local function stored_tests(query)
  local tests
  for name, test in pairs(STORED) do
    if query[name] ~= nil then
      tests = tests or {}
      tests[#tests + 1] = { test, query[name] }
    end
  end
  return tests
end

local function details_tests(wanted)
  local tests
  for _, row in ipairs(DETAILS) do
    if wanted[row[1]] then
      tests = tests or {}
      tests[#tests + 1] = { row[2], wanted[row[1]] }
    end
  end
  return tests
end

local function passes(entry, tests, state)
  for _, row in ipairs(tests or {}) do
    if not row[1](entry, row[2], state) then
      return false
    end
  end
  return true
end

-- The page of both logs together. Where one was not looked through as far as the other, neither counts behind that.
local function read_both(self, company, only, after)
  local found, looked_at, reached = self._store:search(self._tenant, company, only, after)
  if not found then
    return nil, looked_at, reached
  end
  only.unchanged = true
  local notes, looked_at_notes, reached_notes = self._store:search(self._tenant, company, only, after)
  only.unchanged = nil
  if not notes then
    return nil, looked_at_notes, reached_notes
  end
  local behind = math.max(reached or 0, reached_notes or 0)
  found = unchanged.merge(found, notes, only.limit)
  while found[1] and found[#found].entry < behind do
    found[#found] = nil
  end
  behind = #found == only.limit and found[#found].entry or behind
  return found, looked_at + looked_at_notes, behind > 0 and behind or nil
end

local function read_journal(self, company, only, after)
  return self._store:search(self._tenant, company, only, after)
end

-- What waits for an answer: the entries of the open questions.
local function read_waiting(self, company, only, after)
  local questions, message, code = self._store:confirmations(self._tenant, {
    company = company, state = "open", after = after, limit = only.limit,
  })
  local found = questions and {}
  for i = 1, #(questions or {}) do
    found[#found + 1], message, code = self._store:entry(self._tenant, questions[i].entry)
    if code and code ~= "not_found" then
      return nil, message, code
    end
    platform.give_way()
  end
  if not found then
    return nil, message, code
  end
  return found, #questions, #questions == only.limit and questions[#questions].entry or nil
end

local function reader_of(query)
  return query.status == "waiting" and read_waiting or query.unchanged and query.status ~= "shadow" and read_both
    or read_journal
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

-- What the entries themselves do not say is asked for by these. Of a run all its own entries are shown.
local function wanted_of(query, actor, sale)
  return {
    actor = actor, sale = sale, run = query.run, waiting = query.status == "waiting" or nil,
    folded = query.folded and not query.run or nil,
    company_name = query.company_name and plain(query.company_name),
    actor_name = query.actor_name and plain(query.actor_name),
  }
end

local END = "\1" -- stands for what may be on either side of a value

-- The longest part of some words that the store can look for.
local function longest(words)
  local found
  for part in words:gmatch "[\1 -~]+" do
    found = #part > #(found or "") and part or found
  end
  return found
end

-- What the store is to look for.
local function only_of(self, query, wanted, limit)
  local value = wanted.sale or wanted.run or wanted.actor
  local words = value and END .. plain(value) .. END or wanted.actor_name
  local name = not self.host.company_name and wanted.company_name
  return {
    since = query.since, before = query.before, trigger = query.trigger, revision = query.revision,
    status = query.status ~= "waiting" and query.status or nil, unchanged = query.status == "shadow" or nil,
    words = words and longest(words), asked = wanted.folded and not wanted.sale and not wanted.run,
    name = name and longest(name) or nil, limit = limit,
  }
end

--- A page of the journal, newest first.
---@param company? string the text of its id
---@param actor? string an id as text, or a name
---@param sale? string the text of its id
---@return integer|string|nil next the cursor `after` of the next page, nil at the end (or the message)
function search.page(self, query, company, actor, sale)
  local wanted = wanted_of(query, actor, sale)
  local stored, details = stored_tests(query), details_tests(wanted)
  local limit, found, left = options_of.page(query.limit), {}, SCAN
  local after, first = bounds_of(self, query)
  local only, read = only_of(self, query, wanted, limit), reader_of(query)
  local state = { engine = self, questions = {}, names = {}, left = NAMES, folded = query.folded }
  repeat
    only.most = left
    local entries, looked_at, reached = read(self, company, only, after)
    if not entries then
      return nil, looked_at, reached
    end
    local in_order, message, code = journal.in_order(entries, after)
    if not in_order then
      return nil, message, code
    end
    left = left - looked_at
    local is_sieved = (only.words or only.name) and looked_at > #entries -- else what is tested was counted just now
    for _, stored_entry in ipairs(entries) do
      if first and stored_entry.entry <= first then
        return found
      end
      platform.give_way()
      local entry = passes(stored_entry, stored, state) and journal.entry(stored_entry, self._tenant)
      if entry and passes(entry, details, state) then
        found[#found + 1] = entry
      elseif entry and is_sieved then
        left = left - TESTED
      end
      if #found == limit or state.left <= 0 then
        return found, stored_entry.entry
      end
    end
    if not reached or first and reached <= first then
      return found
    end
    after = reached
    platform.give_way()
  until left <= 0
  return found, after
end

return search
