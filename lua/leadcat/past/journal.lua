--- Converts journal entries between what the store keeps and what hosts see.

local config = require "leadcat.rules.config"
local core = require "leadcat.core"
local event_of = require "leadcat.events.event"
local json = require "leadcat.util.json"
local merged = require "leadcat.util.merged"
local platform = require "leadcat.util.platform"

local journal = {}

---@class leadcat.Entry
---@field entry integer increases; may be given again after a backup was restored
---@field key string unique for ever: what a host may keep as an idempotency key
---@field tenant string
---@field at number seconds since 1970
---@field company string|integer
---@field former? string|integer of a note: what the company was called before (`renamed`), or the company that has become part of it (`merged`); of others: the company that it was about, which was merged since
---@field company_deleted? true the company was deleted since
---@field trigger? string not of notes
---@field rule? string the rule's key; not of notes
---@field revision? integer of the config that decided; not of notes
---@field from? integer absent when `unchanged` and not known
---@field to? integer absent when `unchanged`
---@field status "applying"|"updated"|"conflict"|"failed"|"awaiting_confirmation"|"declined"|"expired"|"superseded"|"unchanged"|"scheduled"|"carried_out"|"cancelled"|"dropped"|"queued"|"held"|"shadow"|"renamed"|"merged"|"deleted" shadow: what a rule on trial would have done; the last three are of notes, which tell of the company itself
---@field reason? string when `unchanged` or `dropped`: `by_hand` by somebody; `undo` when `cancelled` by an undo of many
---@field due? number of what is or was scheduled: when it is decided anew, in seconds since 1970
---@field scheduled? integer the entry of what its event has scheduled as well
---@field carries_out? integer the entry that was scheduled and that this one carries out
---@field follows? integer the entry that was queued and that this one carries out
---@field beside? integer of a shadow: the entry that its event has made
---@field ended_by? leadcat.Actor who cancelled, released or dropped it
---@field actor? leadcat.Actor
---@field sale? table
---@field contact? table
---@field facts? table<string, any> what the rules of its trigger look at besides, as the event or the host told it
---@field event_id? string
---@field confirmation? string
---@field undoes? integer the entry that this one undoes
---@field takes_back? true by a rule that takes back what the event's sale did
---@field run? string the id of its replay, backfill or undo of many
---@field by_expiry? true nobody has answered its question in time: the rule's `on_expiry` was done
---@field error? string

---@class leadcat.Outcome
---@field status "updated"|"awaiting_confirmation"|"unchanged"|"conflict"|"declined"|"failed"|"duplicate"|"scheduled"|"dropped"|"cancelled"|"applying"|"queued"|"held"|"not_taken" held: its rule is at its limit, and somebody has to release it; not_taken: it has only `code` and `error`; scheduled: nothing is done at once; dropped: what was scheduled or queued has come to nothing; with `apply = "elsewhere"` applying: another process makes the change; queued: it decides the event behind an unfinished change
---@field action? "update"|"confirm"|"none" absent of not_taken, and over HTTP of a duplicate whose first delivery the actor may not see
---@field reason? string likewise
---@field from? integer
---@field to? integer
---@field rule? string
---@field revision? integer
---@field confirmation? string
---@field entry? integer
---@field key? string of the entry: unique for ever, a host's idempotency key
---@field error? string
---@field code? string "refused" of `failed`: the host will never make the change (without it, it is tried again); of `not_taken`: as `handle` returns it
---@field takes_back? true by a rule that takes back what the event's sale did
---@field by_expiry? true nobody has answered its question in time: the rule's `on_expiry` was done
---@field choice_ignored? true the event's `choice` did not count, because the decision does not ask
---@field category? integer of a conflict in `resolve`: where the company is now
---@field due? number of what is scheduled: when it is decided anew, in seconds since 1970
---@field scheduled? integer the entry of what its event has scheduled as well
---@field carries_out? integer the entry that was scheduled and that this carries out
---@field follows? integer the entry that was queued and that this carries out
---@field first? leadcat.Outcome of a duplicate: the outcome of its first delivery

--- The most bytes of these details.
journal.MOST_DETAILS = core.most_details

--- What the journal keeps of an event, as JSON; nil for nothing. `event` may also be {actor, sale, contact, undoes}; `run`
-- is the id of its run, `looked_at.facts` those that rules look at. Beyond `MOST_DETAILS` only these, ids and names are kept.
---@type fun(event: leadcat.Event|table, run?: string, looked_at?: {facts?: table}): string?
journal.details = core.event_details

--- The item to write for an answer, an undo or an unchanged event. (The core itself writes an event that matched.)
---@param happened {company: string|integer, trigger: string, lead_status?: integer, at: number, revision?: integer, from?: integer, to?: integer}
---@param fields table more fields, as `store:write` and `store:add_unchanged` take them
---@return table item
function journal.item(happened, fields)
  local item = {
    company = event_of.key(happened.company), company_is_integer = type(happened.company) == "number",
    trigger = happened.trigger, lead_status = happened.trigger == "lead_status_set" and happened.lead_status or nil,
    at = happened.at, revision = happened.revision, from = happened.from, to = happened.to,
  }
  for name, value in pairs(fields) do
    item[name] = value
  end
  return item
end

local MOST_DIGITS = 1e14 -- entries of a shared store have more: milliseconds and what tells them apart
local LOW = 1024

--- When an entry was written: its number tells.
---@param entry integer
---@return number seconds since 1970
function journal.written(entry)
  return (entry > MOST_DIGITS and entry / LOW or entry) / 1000
end

local function details_of(stored)
  return stored.details and json.decode(stored.details) or {}
end

--- What was kept of an entry's event.
function journal.event(stored)
  local details = details_of(stored)
  return {
    id = stored.event_id, trigger = stored.trigger, company = stored.company, lead_status = stored.lead_status,
    at = stored.at, actor = details.actor, sale = details.sale, contact = details.contact, facts = details.facts,
    undoes = details.undoes,
  }
end

local KEEPS = 0 -- the choice of a user who keeps the category, as it is stored

--- The event of a scheduled or queued entry, as it is decided anew. A queued one has its time and its choice, too.
function journal.waiting_event(stored)
  local event, choice = journal.event(stored), details_of(stored).choice
  local is_queued = stored.status == "queued"
  event.id, event.at = nil, is_queued and stored.has_at and stored.at or nil
  if is_queued and choice ~= nil then
    event.choice = choice ~= KEEPS and json.integer(choice)
  end
  return event
end

--- The details of an entry, with who ended what was scheduled, and why.
---@param actor? leadcat.Actor
---@param why? "undo"
---@return string? details nil: as they are
function journal.ended_by(stored, actor, why)
  local name = actor and type(actor.name) == "string" and actor.name or nil
  local ended = { ended_by = actor and { id = actor.id, name = name }, ended_why = why }
  return next(ended) and json.encode(merged(details_of(stored), ended))
end

--- The details of an entry, with that it is what a question came to that nobody had answered in time.
---@param details? string
---@return string
function journal.with_expiry(details)
  return json.encode(merged(details and json.decode(details) or {}, { by_expiry = true }))
end

--- Whether an entry is a note, which tells of the company itself.
---@param entry {trigger?: string} as hosts see it, or the store
---@return boolean
function journal.is_note(entry)
  return entry.trigger == nil
end

local function note(stored, tenant)
  return {
    entry = stored.entry, key = stored.key, tenant = tenant, at = stored.at, company = stored.company,
    former = stored.former, status = stored.status, actor = details_of(stored).actor,
    company_deleted = stored.is_gone,
  }
end

--- The entry as hosts see it.
function journal.entry(stored, tenant)
  if journal.is_note(stored) then
    return note(stored, tenant)
  end
  local details = details_of(stored)
  return {
    entry = stored.entry, key = stored.key, tenant = tenant, at = stored.at, company = stored.company,
    trigger = stored.trigger, rule = config.rule_key(stored.trigger, stored.lead_status, stored.rule_id),
    revision = stored.revision,
    from = stored.from ~= 0 and stored.from or nil, to = stored.to ~= 0 and stored.to or nil,
    status = stored.status, reason = stored.reason or details.ended_why, error = stored.error,
    actor = details.actor, sale = details.sale, contact = details.contact, facts = details.facts, run = details.run,
    event_id = stored.event_id, confirmation = stored.confirmation,
    due = stored.due, scheduled = stored.scheduled, carries_out = stored.carries_out, follows = stored.follows,
    beside = stored.beside,
    ended_by = details.ended_by, by_expiry = details.by_expiry,
    undoes = stored.status ~= "superseded" and details.undoes or nil, -- a superseded entry has its successor's details
    takes_back = stored.takes_back, former = stored.former, company_deleted = stored.is_gone,
  }
end

-- One field of an entry's details. They are parsed only if they contain the mark: this happens for every event.
local function detail(stored, name, mark)
  local details = stored.details
  return details and details:find(mark, 1, true) and json.decode(details)[name] or nil
end

function journal.undoes(stored)
  return detail(stored, "undoes", '"undoes":')
end

function journal.run(stored)
  return detail(stored, "run", '"run":')
end

function journal.by_expiry(stored)
  return detail(stored, "by_expiry", '"by_expiry":')
end

--- The outcome of an entry. One that is to be tried again has `failed`.
function journal.outcome(stored)
  return {
    status = stored.status == "applying" and stored.error and "failed" or stored.status, action = stored.action,
    reason = journal.undoes(stored) and "undo" or stored.reason or stored.status == "queued" and "queued" or "matched",
    from = stored.from ~= 0 and stored.from or nil, to = stored.to ~= 0 and stored.to or nil,
    rule = stored.status ~= "queued" and config.rule_key(stored.trigger, stored.lead_status, stored.rule_id) or nil,
    revision = stored.revision,
    takes_back = stored.takes_back, confirmation = stored.confirmation or stored.answers, entry = stored.entry,
    key = stored.key, error = stored.error, due = stored.due, scheduled = stored.scheduled,
    carries_out = stored.carries_out, follows = stored.follows, by_expiry = journal.by_expiry(stored),
  }
end

-- Reasons of events that have not come to a rule.
local WITHOUT_RULE = {
  not_potential_customer = true, lead_status_not_enabled = true, lead_status_not_matched = true,
  conditions_not_met = true,
}

--- The outcome of an event that came to nothing: of its mark, an entry without a number (`store:seen`).
---@return leadcat.Outcome
function journal.unchanged(mark)
  return {
    status = "unchanged", action = "none", reason = mark.reason, from = mark.from ~= 0 and mark.from or nil,
    rule = not WITHOUT_RULE[mark.reason] and config.rule_key(mark.trigger, mark.lead_status, mark.rule_id) or nil,
    revision = mark.revision, error = mark.error,
  }
end

local FEW, MANY = 10, 1000 -- entries of the first page by default, and of the largest page

--- Whether a page is newest first: an entry that does not stand behind the one before it has another's number, and would be read
--- for ever.
---@return true?, string? message, string? code `corrupt`
function journal.in_order(page, after)
  local last = after or math.huge
  for place, entry in ipairs(page) do
    if entry.entry > last or place == 1 and entry.entry == after then
      return nil, ("the journal: entry %d does not stand in the place of its number"):format(entry.entry), "corrupt"
    end
    last = entry.entry
  end
  return true
end

local function read_page(self, company, after, size)
  return self._store:history(self._tenant, company, nil, after, size)
end

--- Iterates over the journal, newest first.
---@param self leadcat.Engine
---@param company? string only its entries
---@param after? integer begin after this entry
---@param size? integer how many entries will probably be read
---@param read? fun(self: leadcat.Engine, company?: string, after?: integer, size: integer): table[]?, string?, string? reads a page of something else
---@return fun(): table?, string?, string? next the next entry, as the store returns it; nil at the end; or nil, message, code
function journal.entries(self, company, after, size, read)
  local page, place, more = nil, 0, true
  size = size or FEW
  return function()
    place = place + 1
    if more and place > #(page or {}) then
      if page then
        platform.give_way()
      end
      local entries, message, code = (read or read_page)(self, company, after, size)
      local ok = entries
      if ok then
        ok, message, code = journal.in_order(entries, after)
      end
      if not ok then
        return nil, message, code
      end
      page, place, more, size = entries, 1, #entries == size, math.min(size * 2, MANY)
      after = more and page[#page].entry or nil
    end
    return page[place]
  end
end

--- Iterates over the entries before `after` that pass a test, newest first, down to the number `first`.
---@return fun(): table?, string?, string? next as `journal.entries`
function journal.matching(self, after, first, passes)
  local next_entry = journal.entries(self, nil, after)
  return function()
    local entry, message, code
    repeat
      entry, message, code = next_entry()
      if not entry or entry.entry < first then
        return nil, message, code
      end
    until passes(entry)
    return entry
  end
end

return journal
