--- The journal's entries, between what the store keeps and what hosts see.

local config = require "leadcat.rules.config"
local core = require "leadcat.core"
local event_of = require "leadcat.events.event"
local json = require "leadcat.util.json"
local platform = require "leadcat.util.platform"

local journal = {}

---@class leadcat.Entry
---@field entry integer increases; a host may use it as an idempotency key
---@field tenant string
---@field at number seconds since 1970
---@field company string|integer
---@field trigger string
---@field rule string the rule's key
---@field revision integer of the config that decided
---@field from? integer absent where it was not known, when `unchanged`
---@field to? integer absent when `unchanged`
---@field status "applying"|"updated"|"conflict"|"failed"|"awaiting_confirmation"|"declined"|"expired"|"superseded"|"unchanged"
---@field reason? string why it came to nothing, when `unchanged`
---@field actor? leadcat.Actor
---@field sale? table
---@field contact? table
---@field event_id? string
---@field confirmation? string
---@field undoes? integer the entry that this one takes back
---@field run? string the id of the replay, backfill or undo of many that it belongs to
---@field error? string

---@class leadcat.Outcome
---@field status "updated"|"awaiting_confirmation"|"unchanged"|"conflict"|"declined"|"failed"|"duplicate"
---@field action "update"|"confirm"|"none"
---@field reason string
---@field from? integer
---@field to? integer
---@field rule? string
---@field revision? integer
---@field confirmation? string
---@field entry? integer
---@field error? string
---@field category? integer of a conflict met by `resolve`: the company's category as it is now
---@field first? leadcat.Outcome of a duplicate: what its first delivery came to

--- What is kept of an actor: what the contract names, and nothing else that a host may have put there.
---@param actor? leadcat.Actor
---@return leadcat.Actor?
function journal.actor(actor)
  return actor and {
    id = actor.id, name = actor.name, language = actor.language, admin = actor.admin, service = actor.service,
  }
end

--- What is kept of an event for display, as JSON; nil when there is nothing.
--- `event` may be {actor, undoes}; `run` is the id of the run that it belongs to.
---@type fun(event: leadcat.Event|table, run?: string): string?
journal.details = core.event_details

--- What is to be written down for something that happened to a company: an answer, an undo, an event that came to nothing.
-- (An event that matched is written by the core.)
---@param happened {company: string|integer, trigger: string, lead_status?: integer, at: number, revision?: integer, from?: integer, to?: integer}
---@param fields table what else the entry has, as `store:write` and `store:add_unchanged` take it
---@return table item
function journal.item(happened, fields)
  local item = {
    company = event_of.key(happened.company),
    company_is_integer = type(happened.company) == "number",
    trigger = happened.trigger,
    lead_status = happened.trigger == "lead_status_set" and happened.lead_status or nil,
    at = happened.at,
    revision = happened.revision,
    from = happened.from,
    to = happened.to,
  }
  for name, value in pairs(fields) do
    item[name] = value
  end
  return item
end

--- The event that an entry stands for, as far as it was kept.
---@param stored table as the store gives it
---@return leadcat.Event
function journal.event(stored)
  local details = stored.details and json.decode(stored.details) or {}
  return {
    id = stored.event_id,
    trigger = stored.trigger,
    company = stored.company,
    lead_status = stored.lead_status,
    at = stored.at,
    actor = details.actor,
    sale = details.sale,
    contact = details.contact,
    undoes = details.undoes,
  }
end

--- The entry as hosts see it.
---@param stored table as the store gives it
---@param tenant string
---@return leadcat.Entry
function journal.entry(stored, tenant)
  local details = stored.details and json.decode(stored.details) or {}
  return {
    entry = stored.entry,
    tenant = tenant,
    at = stored.at,
    company = stored.company,
    trigger = stored.trigger,
    rule = config.rule_key(stored.trigger, stored.lead_status),
    revision = stored.revision,
    from = stored.from ~= 0 and stored.from or nil,
    to = stored.to ~= 0 and stored.to or nil,
    status = stored.status,
    reason = stored.reason,
    actor = details.actor,
    sale = details.sale,
    contact = details.contact,
    event_id = stored.event_id,
    confirmation = stored.confirmation,
    undoes = stored.status ~= "superseded" and details.undoes or nil, -- that one has the details of what superseded it
    run = details.run,
    error = stored.error,
  }
end

-- What the details of an entry say of one thing, which is written like `mark`. They are read only where they may say it:
-- this is on every event's way.
local function detail(stored, name, mark)
  local details = stored.details
  return details and details:find(mark, 1, true) and json.decode(details)[name] or nil
end

--- The entry that an entry takes back, if it does.
---@param stored table as the store gives it
---@return integer? entry
function journal.undoes(stored)
  return detail(stored, "undoes", '"undoes":')
end

--- The run that an entry belongs to, if any.
---@param stored table as the store gives it
---@return string? id
function journal.run(stored)
  return detail(stored, "run", '"run":')
end

--- The outcome that an entry stands for. An entry that is still `applying` has not succeeded yet: `failed`.
---@param stored table an entry as the store gives it, or the item that was written
---@return leadcat.Outcome
function journal.outcome(stored)
  return {
    status = stored.status == "applying" and "failed" or stored.status,
    action = stored.action,
    reason = journal.undoes(stored) and "undo" or "matched",
    from = stored.from,
    to = stored.to,
    rule = config.rule_key(stored.trigger, stored.lead_status),
    revision = stored.revision,
    confirmation = stored.confirmation or stored.answers,
    entry = stored.entry,
    error = stored.error,
  }
end

local FEW, MANY = 10, 1000 -- entries of the first page, where it is not said, and of the largest

local function read_page(self, company, after, size)
  return self._store:history(self._tenant, company, nil, after, size)
end

--- Goes through the journal, newest first.
---@param self leadcat.Engine
---@param company? string its text; without it through everybody's
---@param after? integer an entry, to begin behind it
---@param size? integer how many entries are likely to be looked at
---@param read? fun(self: leadcat.Engine, company?: string, after?: integer, size: integer): table[]?, string?, string? reads a page, where there is more to go through than entries
---@return fun(): table?, string?, string? next the next entry, as the store gives it; nil at the end; nil, message, code
function journal.walk(self, company, after, size, read)
  local page, place, more = nil, 0, true
  size = size or FEW
  return function()
    place = place + 1
    if more and place > #(page or {}) then
      if page then
        platform.give_way()
      end
      local entries, message, code = (read or read_page)(self, company, after, size)
      if not entries then
        return nil, message, code
      end
      page, place, more, size = entries, 1, #entries == size, math.min(size * 2, MANY)
      after = more and page[#page].entry or nil
    end
    return page[place]
  end
end

return journal
