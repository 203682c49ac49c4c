--- Which entries of a page can be undone or tried again as the company stands now, so that a page offers nothing that
-- would be refused. What costs too much to know is offered: the engine has the last word.

local contract = require "leadcat.host.contract"
local event_of = require "leadcat.events.event"
local journal = require "leadcat.past.journal"
local walk = require "leadcat.past.walk"

local standing = {}

local DEEP = 50 -- entries of one company that are looked at
local MOST = 2000 -- entries of all companies

local CHANGES = { updated = true, applying = true }

-- The numbers of the company's newest change and of its newest attempt at one, down to the entry `last`. Nil when that
-- is too far back.
local function newest_of(task, key, last)
  local next_entry, attempt = journal.entries(task.engine, key), nil
  for _ = 1, DEEP do
    local stored, message, code = next_entry()
    if code then
      return nil, message, code
    elseif not stored or stored.entry < last then
      return { change = 0, attempt = attempt or 0 }
    end
    task.left = task.left - 1
    if not walk.is_past(stored) then
      attempt = attempt or stored.status == "failed" and stored.entry or nil
      if CHANGES[stored.status] then
        return { change = stored.entry, attempt = attempt or stored.entry }
      end
    end
    if task.left <= 0 then
      break
    end
  end
  return { unknown = true }
end

-- How the status of an entry can be acted on: the action, and where the company must be for it.
local ACTIONS = { updated = { "undo", "to" }, failed = { "retry", "from" } }

local function is_newest(entry, newest)
  return newest.unknown or entry.entry == (entry.status == "updated" and newest.change or newest.attempt)
end

-- The entries of the page that no later one of their companies rules out.
local function candidates(task, entries)
  local oldest, newest, found = {}, {}, {}
  for _, entry in ipairs(entries) do
    oldest[event_of.key(entry.company)] = entry.entry -- they are newest first
  end
  for _, entry in ipairs(entries) do
    local key = event_of.key(entry.company)
    local acts = ACTIONS[entry.status] and entry.trigger and not entry.former and not entry.company_deleted
    if acts and not newest[key] then
      local message, code
      newest[key], message, code = newest_of(task, key, oldest[key])
      if not newest[key] then
        return nil, message, code
      end
    end
    if acts and is_newest(entry, newest[key]) then
      found[#found + 1] = entry
    end
  end
  return found
end

--- What can be done about the entries of a page. Reads at most 2,000 others, and asks the host about the companies of
--- those that it comes to: all at once where it can.
---@param self leadcat.Engine
---@param entries leadcat.Entry[] newest first
---@param actor? leadcat.Actor
---@return table<integer, "undo"|"retry">? actions by entry, string? message, string? code
function standing.actions(self, entries, actor)
  local task = { engine = self, left = MOST }
  local found, message, code = candidates(task, entries)
  if not found then
    return nil, message, code
  end
  local companies, actions = {}, {}
  for i, entry in ipairs(found) do
    companies[i] = entry.company
  end
  contract.categories(self, companies, function(place, ok, category)
    local entry = found[place]
    local action, place_of = ACTIONS[entry.status][1], ACTIONS[entry.status][2]
    if (not ok or category == entry[place_of]) and self:can(actor, "undo", entry) then
      actions[entry.entry] = action
    end
  end)
  return actions
end

-- The newest entry of a company whose status is one of these, behind the entry `first`; nil when there is none.
local function newest(self, company, statuses, first)
  local next_entry = journal.entries(self, event_of.key(company))
  for _ = 1, MOST do
    local stored, message, code = next_entry()
    if not stored or stored.entry <= first then
      return nil, message, code
    elseif statuses[stored.status] and not walk.is_past(stored) and not journal.is_note(stored) then
      return journal.entry(stored, self._tenant)
    end
  end
end

--- The newest change of the company after an entry; nil when there is none.
---@param self leadcat.Engine
---@param entry leadcat.Entry
---@return leadcat.Entry?
function standing.since(self, entry)
  return (newest(self, entry.company, { updated = true }, entry.entry))
end

local ATTEMPTS = { updated = true, applying = true, failed = true }

-- The company's newest match that is held. It is looked for only where anything is held at all.
local function held_of(self, company)
  local any, message, code = self._store:held(self._tenant, 0, 1)
  if not any or not any[1] then
    return nil, message, code
  end
  return newest(self, company, { held = true }, 0)
end

--- What stands of a company now.
---@param self leadcat.Engine
---@param company string|integer
---@return {change?: leadcat.Entry, question?: leadcat.Confirmation, scheduled?: leadcat.Entry, held?: leadcat.Entry}? now, string? message, string? code change: the newest one, or attempt at one; question: the open one
function standing.now(self, company)
  local change, message, code = newest(self, company, ATTEMPTS, 0)
  local questions, scheduled, held
  if not code then
    held, message, code = held_of(self, company)
  end
  if not code then
    questions, message, code = self:confirmations { company = company, state = "open", limit = 1 }
  end
  if not code then
    scheduled, message, code = self._store:schedule_of(self._tenant, event_of.key(company))
  end
  if code and code ~= "not_found" then
    return nil, message, code
  end
  return {
    change = change, question = questions[1], held = held,
    scheduled = scheduled and journal.entry(scheduled, self._tenant) or nil,
  }
end

return standing
