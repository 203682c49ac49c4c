--- Where companies and their events come from, page by page: from the host, or from the journal. `grouped.lua` makes a
-- source of the events of a file.

local contract = require "leadcat.host.contract"
local event_of = require "leadcat.events.event"
local journal = require "leadcat.past.journal"
local replay = require "leadcat.past.replay"
local sales = require "leadcat.insight.sales"

local source = {}

local DEEP = 1000 -- entries of a company that are replayed
local SCAN = 10000 -- entries that one page may pass over

---@class leadcat.DriftSource
---@field name string what the counts are of
---@field page fun(self, engine: leadcat.Engine, after?: string, limit: integer, since?: number): leadcat.DriftPage?, string?, string?
---@field of? fun(self, engine: leadcat.Engine, companies: (string|integer)[]): leadcat.DriftCompany[]?, string?, string? those of single companies

---@class leadcat.DriftPage
---@field companies leadcat.DriftCompany[]
---@field after? string where to go on; nil at the end

---@class leadcat.DriftCompany
---@field company string|integer
---@field events leadcat.Event[] in order
---@field moved? {at: number}
---@field problem? string what is wrong with what was said of it

-- Which companies there are ---------------------------------------------------------------------------------------------

-- Whether the entry is the company's newest.
local function is_newest(self, stored)
  local newest, message, code = self._store:history(self._tenant, event_of.key(stored.company), nil, nil, 1)
  if not newest then
    return nil, message, code
  end
  return newest[1] ~= nil and newest[1].entry == stored.entry
end

-- The companies of the journal, each where its newest entry stands.
local function journals_companies(self, after, limit, since)
  local next_entry, found, last = journal.entries(self, nil, after and tonumber(after), limit), {}, nil
  for _ = 1, SCAN do
    local stored, message, code = next_entry()
    if code then
      return nil, message, code
    elseif not stored or since and journal.written(stored.entry) < since then
      return { companies = found }
    end
    last = stored.entry
    local is_first = not stored.is_gone
    if is_first then
      is_first, message, code = is_newest(self, stored)
    end
    if code then
      return nil, message, code
    elseif is_first then
      found[#found + 1] = stored.company
      if #found == limit then
        break
      end
    end
  end
  return { companies = found, after = ("%d"):format(last) }
end

-- The last company of a page, as a cursor that says whether it is an integer.
local function place_of(list, limit)
  local last = #list == limit and list[limit]
  return last and (type(last) == "number" and "i" or "s") .. event_of.key(last) or nil
end

local function company_at(after)
  local kind, key = (after or ""):match "^([is])(.+)$"
  return kind == "i" and tonumber(key) or key
end

-- All companies, as the store or the host lists them, or else those of the journal.
local function list(self, after, limit, since)
  local found, message, code
  if since == nil and self._companies.HANDLING.keeps_companies then
    local last = company_at(after)
    found, message, code = self._store:companies(self._tenant, last and event_of.key(last) or "", limit)
  elseif self.host.list_companies and not self._companies.HANDLING.keeps_companies then
    found, message, code = contract.companies(self, company_at(after), limit, since)
  else
    return journals_companies(self, after, limit, since)
  end
  if not found then
    return nil, message, code
  end
  return { companies = found, after = place_of(found, limit) }
end

-- The host --------------------------------------------------------------------------------------------------------------

local host = { name = "host" }

function host.of(_, engine, companies)
  local answers, message, code = {}, nil, nil
  if #companies > 0 then
    answers, message, code = contract.sales(engine, companies)
  end
  if not answers then
    return nil, message, code
  end
  local rows = {}
  for place, company in ipairs(companies) do
    local known = answers[place]
    local events, problem = sales.events(company, known)
    rows[place] = {
      company = company, events = events or {}, problem = problem,
      moved = type(known) == "table" and known.moved or nil,
    }
  end
  return rows
end

-- The journal -----------------------------------------------------------------------------------------------------------

local in_journal = { name = "journal" }

-- Whether an entry is of an event of its company. What a rule that waits has done is none, and of one that was queued the entry
-- counts that it was decided by.
local function counts(stored)
  local was_queued = stored.status == "queued" or stored.status == "carried_out" and not stored.due
  return not (stored.former or stored.is_gone or stored.carries_out or was_queued or stored.status == "shadow")
end

-- What happened to a company, as the journal has it.
local function events_of(self, company)
  local next_entry, entries = journal.entries(self, event_of.key(company)), {}
  for _ = 1, DEEP do
    local stored, message, code = next_entry()
    if code then
      return nil, message, code
    elseif not stored then
      break
    end
    entries[#entries + 1] = counts(stored) and journal.entry(stored, self._tenant) or nil
  end
  return replay.events(entries)
end

function in_journal.of(_, engine, companies)
  local rows = {}
  for place, company in ipairs(companies) do
    local events, message, code = events_of(engine, company)
    if not events then
      return nil, message, code
    end
    rows[place] = { company = company, events = events }
  end
  return rows
end

-- Both ------------------------------------------------------------------------------------------------------------------

local function page(self, engine, after, limit, since)
  local found, message, code = list(engine, after, limit, since)
  if found then
    found.companies, message, code = self:of(engine, found.companies)
  end
  return found and found.companies and found or nil, message, code
end

host.page, in_journal.page = page, page

--- The sources by name.
source.NAMED = { host = host, journal = in_journal }

return source
