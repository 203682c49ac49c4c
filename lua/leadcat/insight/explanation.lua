--- Why a company stands elsewhere than its sales imply, as far as the journal tells.

local event_of = require "leadcat.events.event"
local journal = require "leadcat.past.journal"

local explanation = {}

local DEEP = 500 -- entries of a company that are looked at
local DAY = 24 * 60 * 60

---@class leadcat.Explained
---@field kind leadcat.DriftKind
---@field entry? integer of the journal, which tells
---@field status? string of that entry
---@field at? number of that entry

local function same(a, b)
  return a ~= nil and b ~= nil and event_of.key(a) == event_of.key(b)
end

-- What an event is about: its sale or, of a lead status, its contact.
local function subject_of(event)
  local record = event.trigger == "lead_status_set" and event.contact or event.sale
  return type(record) == "table" and record.id or nil
end

-- Whether the entry is of this event: by their ids, else by what they are about, else by their time.
local function is_of(stored, event)
  if stored.trigger ~= event.trigger or journal.undoes(stored) then
    return false
  elseif event.id ~= nil and stored.event_id == event_of.key(event.id) then
    return true
  elseif event.trigger == "lead_status_set" and stored.lead_status ~= event.lead_status then
    return false
  end
  local mine, other = subject_of(event), subject_of(journal.event(stored))
  if mine ~= nil or other ~= nil then
    return same(mine, other)
  end
  return event.at ~= nil and math.abs(stored.at - event.at) < 1
end

-- Notes an entry of the company: its newest change, whether one is unfinished, and what was written of the event last, which
-- of a question is what closed it.
local function note(found, stored, event)
  local question = stored.confirmation
  found.change = found.change or stored.status == "updated" and stored or nil
  found.unfinished = found.unfinished or stored.status == "applying" and stored or nil
  if question and not found.closed[question] then
    found.closed[question] = stored
  end
  if not found.own and is_of(stored, event) then
    found.own = question and found.closed[question] or stored
  end
end

-- What the journal has of the company and the event.
local function look(self, key, event)
  local next_entry, found = journal.entries(self, key), { closed = {} }
  for _ = 1, DEEP do
    local stored, message, code = next_entry()
    if code then
      return nil, message, code
    elseif not stored or found.change and found.own then
      break
    end
    if not (journal.is_note(stored) or stored.former or stored.is_gone or stored.status == "shadow") then
      note(found, stored, event)
    end
  end
  return found
end

local function told(kind, stored)
  return { kind = kind, entry = stored and stored.entry, status = stored and stored.status, at = stored and stored.at }
end

-- Whether the change came before the event. A registration comes before the end of its sale, whatever their days; an event
-- that has only a day may have happened at its end.
local function is_before(change, event)
  local registers = change.trigger == "sale_registered" and event.trigger ~= "sale_registered"
  if registers and same(subject_of(journal.event(change)), subject_of(event)) then
    return true
  elseif event.at == nil then
    return false
  end
  return change.at < event.at + (event.at % DAY == 0 and DAY or 0)
end

-- What of an event is still to come: it is decided later, or once somebody releases it.
local TO_COME = { scheduled = true, held = true, queued = true }

-- The event was handled, and has not changed the company.
local function of_own(own)
  if own.status == "declined" then
    return told("kept", own)
  end
  return told(TO_COME[own.status] and "open" or "unmade", own)
end

-- Whether a person has chosen where the change led.
local function is_chosen(change)
  local is_answer = change.confirmation ~= nil or change.answers ~= nil or change.action == "confirm"
  return journal.undoes(change) ~= nil or is_answer and not journal.run(change)
end

-- The company stands where its newest change has put it.
local function of_change(change, own, event)
  if own and own.entry > change.entry then
    return of_own(own)
  elseif not own and is_before(change, event) then
    return nil
  elseif is_chosen(change) then
    return told("kept", change)
  elseif own and own.entry == change.entry and not change.carries_out then
    return told("older_rules", change)
  end
  return told("overtaken", change)
end

-- The event came to nothing when it was handled: what the store remembers of that.
local function of_mark(self, event, current)
  local mark, message, code
  if event.id ~= nil then
    mark, message, code = self._store:seen(self._tenant, event_of.key(event.id))
  end
  if code and code ~= "not_found" then
    return nil, message, code
  elseif not mark or mark.entry then
    return told "missed"
  end
  local was_there = mark.from == 0 or mark.from == nil or mark.from == current
  return { kind = was_there and "older_rules" or "by_hand", at = mark.at }
end

-- A question that waits for an answer.
local function open_question(self, key)
  local found, message, code = self._store:confirmations(self._tenant, { company = key, state = "open", limit = 1 })
  return found and found[1], message, code
end

--- Explains why a company is not where the newest event that should have moved it leads.
---@param self leadcat.Engine
---@param company string|integer
---@param current integer its category
---@param event leadcat.Event that should have moved it
---@param moved? {at: number} when the host says that somebody has moved it
---@return leadcat.Explained? explained, string? message, string? code
function explanation.of(self, company, current, event, moved)
  local key = event_of.key(company)
  local question, message, code = open_question(self, key)
  local found
  if not code then
    found, message, code = look(self, key, event)
  end
  if not found then
    return nil, message, code
  elseif question then
    return { kind = "open", entry = question.entry, status = "awaiting_confirmation", at = question.created_at }
  elseif found.unfinished then
    return told("open", found.unfinished)
  end
  local change, own = found.change, found.own
  local is_told = type(moved) == "table" and type(moved.at) == "number" and event.at and moved.at >= event.at
  if is_told then
    return { kind = "by_hand", at = moved.at }
  elseif change and change.to == current then
    local explained = of_change(change, own, event)
    if explained then
      return explained
    end
  elseif own and own.from == current and not (change and change.entry >= own.entry) then
    return of_own(own)
  elseif change or own then
    return told("by_hand", change or own)
  end
  return of_mark(self, event, current)
end

return explanation
