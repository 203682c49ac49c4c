--- What becomes of a company's questions, changes and entries when the CRM has renamed, merged or deleted it. Methods of the
-- engine.

local event_of = require "leadcat.events.event"
local journal = require "leadcat.past.journal"
local options_of = require "leadcat.util.options"
local unicode = require "leadcat.util.unicode"

---@class leadcat.engine.company: leadcat.Engine the engine's methods that stand here
local company = {}

local TRIES = 16 -- of what changes of the company stand in the way of

---@class leadcat.Moved
---@field status "renamed"|"merged"|"deleted"
---@field entry? integer of the journal, which says so; nil: nothing was known of the company, and nothing was written
---@field key? string of the entry
---@field moved integer entries of the company
---@field closed integer questions, scheduled and unfinished changes that have ended with it

local OPTIONS = { actor = options_of.actor }

-- Why something was called off.
local WHY = { renamed = "%s was renamed to %s", merged = "%s was merged into %s", deleted = "%s was deleted" }

local function allowed(self, actor, subject)
  local may, message, code = self:can(actor, "assign", subject)
  if not may then
    return nil, message or "only an administrator may say what has become of a company", code or "forbidden"
  end
  return true
end

-- The category of the company that another one becomes part of, where it decides about an open question. Nobody has to know it.
local function category_of(self, fate, from, into)
  local asked = fate == "merged" and self._store:count_confirmations(self._tenant, {
    company = from, state = "open", limit = 1,
  })
  local ok, category = (asked or 0) > 0, nil
  if ok then
    ok, category = self._companies.category(self, into)
  end
  return ok and category or nil
end

-- An item for `store:move`.
local function item_of(self, fate, from, to, actor)
  local key, into = event_of.key(from), to and event_of.key(to)
  return {
    fate = fate, company = key, company_is_integer = type(from) == "number", to = into,
    to_is_integer = type(to) == "number", keeps_companies = self._companies.HANDLING.keeps_companies,
    category = category_of(self, fate, key, to), details = journal.details { actor = actor },
    why = "the company " .. WHY[fate]:format(unicode.visible(key), into and unicode.visible(into)),
    idle = (self._in_flight[self._tenant] or {})[key] == nil,
  }
end

local REFUSED = {
  unknown = function(found) return nil, ("company %s is not kept in this store"):format(found.company), "not_found" end,
  taken = function(found, item)
    return nil, ("there is a company %s already: merge %s into it"):format(item.to, found.company or item.company),
      "conflict"
  end,
}

--- Writes down what has become of a company. A change that is being made comes first.
---@param item table as `store:move` takes it
---@return table? found, string? message, string? code
function company.move(self, item)
  local message, code
  for _ = 1, TRIES do
    local found, why, failure = self._store:move(self._tenant, item, self:_now())
    if not found then
      return nil, why, failure
    elseif REFUSED[found.result] then
      return REFUSED[found.result](found, item)
    elseif found.result == "moved" then
      return found
    elseif code then
      return nil, message, code -- it was not settled, and still stands in the way
    end
    local _
    _, message, code = self._companies.settle(self, found.company)
  end
  return nil, ("company %s keeps changing"):format(item.company), "unavailable"
end

local function tell(self, fate, from, to, actor)
  local ok, message, code = allowed(self, actor, { company = from, to = to })
  local found
  if ok then
    found, message, code = company.move(self, item_of(self, fate, from, to, actor))
  end
  if not found then
    return nil, message, code
  end
  return { status = fate, entry = found.entry, key = found.key, moved = found.moved, closed = found.closed }
end

-- The same with two companies.
local function tell_of_two(self, fate, from, to, actor)
  if event_of.check_key(from, "company", 4) == event_of.check_key(to, fate == "merged" and "into" or "to", 4) then
    return nil, ("company %s cannot be %s itself"):format(event_of.key(from), fate == "merged" and "merged into"
      or "renamed to"), "invalid"
  end
  return tell(self, fate, from, to, actor)
end

--- Tells that the company `from` is called `to` now: the id has changed, not the company. Its entries, questions and changes
-- are those of `to`. Of two open questions, or two scheduled changes, the newer stays.
---@param from string|integer its id until now
---@param to string|integer its id from now on
---@param options? leadcat.ByActor
---@return leadcat.Moved? moved, string? message, string? code `not_found`, `conflict` (embedded host: there is a company `to`), `forbidden`, `invalid`: it is itself; `unavailable`: a change of the company does not end
function company:company_renamed(from, to, options)
  self:_check_open()
  return tell_of_two(self, "renamed", from, to, options_of.check(options, OPTIONS).actor)
end

--- Tells that the company `from` has become part of `into`, which keeps its category. The entries of `from` are found with those of
-- `into`, and do not count as changes of it. An unfinished change of `from` is cancelled; its open question stays if `into` has the
-- category in which it was asked.
---@param from string|integer the id of the company that is no more
---@param into string|integer the id of the one that stays
---@param options? leadcat.ByActor
---@return leadcat.Moved? moved, string? message, string? code as of `company_renamed`
function company:company_merged(from, into, options)
  self:_check_open()
  return tell_of_two(self, "merged", from, into, options_of.check(options, OPTIONS).actor)
end

--- Tells that there is no such company any more. Its open question is closed; what is scheduled or unfinished is cancelled.
---@param id string|integer of the company, as events have it
---@param options? leadcat.ByActor
---@return leadcat.Moved? moved, string? message, string? code `not_found` (embedded host), `forbidden`, `unavailable`
function company:company_deleted(id, options)
  self:_check_open()
  event_of.check_key(id, "company")
  return tell(self, "deleted", id, nil, options_of.check(options, OPTIONS).actor)
end

return company
