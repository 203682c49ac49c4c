--- Shows outcomes to clients.

local event_of = require "leadcat.events.event"
local journal = require "leadcat.past.journal"
local json = require "leadcat.util.json"
local platform = require "leadcat.util.platform"
local response = require "leadcat.http.response"

local must = response.must

local outcomes = {}

--- The entry with this number; nil when there is none.
---@param context leadcat.http.Context
---@param number integer
---@return leadcat.Entry?
function outcomes.entry(context, number)
  local entry = must(context.engine:history { after = number + 1, limit = 1 })[1]
  return entry and entry.entry == number and entry or nil
end

--- Whether there is an entry with this number that the actor may view.
---@param context leadcat.http.Context
---@param number integer
---@return boolean
function outcomes.is_visible(context, number)
  local entry = outcomes.entry(context, number)
  return entry ~= nil and must(context.engine:can(context.actor, "view", entry))
end

-- Whether the actor may view the first delivery of an event that came to nothing then.
local function is_mark_visible(context, event)
  local engine = context.engine
  local mark = engine._store:seen(engine._tenant, event_of.key(event.id))
  return mark ~= nil and must(engine:can(context.actor, "view", journal.event(mark)))
end

-- Without the first delivery's outcome where the actor may not view it: it may be about another company.
local function shown(context, outcome, event)
  local first = outcome.first
  if not first then
    return outcome
  end
  local visible
  if first.entry then
    visible = outcomes.is_visible(context, first.entry)
  else
    visible = is_mark_visible(context, event)
  end
  return visible and outcome or { status = outcome.status }
end

-- Moves a host's error from the outcome to the operator's log. Clients may read what a guard said.
local function withhold(outcome, log)
  if outcome.error and outcome.reason ~= "vetoed" then
    local what = outcome.entry and ("entry %s"):format(outcome.entry) or outcome.status
    log[#log + 1], outcome.error = ("%s: %s"):format(what, outcome.error), nil
  end
  if outcome.first then
    withhold(outcome.first, {}) -- it was logged when it happened
  end
end

--- A response with this body, and what it logs.
function outcomes.logged(status, body, log)
  local made = response.json(status, body)
  made.log = log[1] and table.concat(log, "; ")
  return made
end

local LATER = { applying = 202, queued = 202 } -- in the journal; they reach their end later

--- A response with one outcome.
---@param context leadcat.http.Context
---@param outcome leadcat.Outcome
---@param options? {event?: leadcat.Event, failed?: integer} event: its event, where it may be a duplicate; failed: the status for a change that failed and is tried again
function outcomes.one(context, outcome, options)
  local log, event, failed = {}, options and options.event, options and options.failed
  local status = outcome.status == "failed" and not outcome.code and failed or LATER[outcome.status] or 200
  withhold(outcome, log)
  return outcomes.logged(status, shown(context, outcome, event), log)
end

--- A response with many.
---@param context leadcat.http.Context
---@param list leadcat.Outcome[]
---@param events leadcat.Event[] theirs
function outcomes.many(context, list, events)
  local log, all = {}, json.array {}
  for i, outcome in ipairs(list) do
    withhold(outcome, log)
    all[i] = shown(context, outcome, events[i])
    platform.give_way()
  end
  return outcomes.logged(200, all, log)
end

return outcomes
