--- Shows outcomes to clients.

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

-- Without the first delivery's entry where the actor may not view it: it may be about another company.
local function shown(context, outcome)
  if outcome.first and not outcomes.is_visible(context, outcome.first.entry) then
    return { status = outcome.status }
  end
  return outcome
end

-- Moves a host's error from the outcome to the operator's log. Clients may read what a guard said.
local function withhold(outcome, log)
  if outcome.error and outcome.reason ~= "vetoed" then
    log[#log + 1], outcome.error = ("entry %s: %s"):format(outcome.entry, outcome.error), nil
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
---@param failed? integer the status for a change that failed and is tried again
function outcomes.one(context, outcome, failed)
  local log, status = {}, outcome.status == "failed" and not outcome.code and failed or LATER[outcome.status] or 200
  withhold(outcome, log)
  return outcomes.logged(status, shown(context, outcome), log)
end

--- A response with many.
---@param context leadcat.http.Context
---@param list leadcat.Outcome[]
function outcomes.many(context, list)
  local log, all = {}, json.array {}
  for i, outcome in ipairs(list) do
    withhold(outcome, log)
    all[i] = shown(context, outcome)
    platform.give_way()
  end
  return outcomes.logged(200, all, log)
end

return outcomes
