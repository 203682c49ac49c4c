--- What events of the past come to, before anything is written: decided as others are (`prepare.lua`), but for what becomes
-- of questions.

local event_of = require "leadcat.event"
local prepare = require "leadcat.prepare"

local deciding = {}

---@class leadcat.Backfilling.Batch
---@field jobs table[] to be written
---@field places integer[] of the jobs' events
---@field outcomes table<integer, leadcat.Outcome> by the events' places
---@field last integer the place of its last event

-- What becomes of a question: it is asked, left out, or taken as accepted.
local function by_confirm(task, job)
  local item = job.item
  if item.status ~= "awaiting_confirmation" or task.confirm == "ask" then
    return job
  elseif task.confirm == "accept" then
    item.status, item.question = task.engine.host.embedded and "updated" or "applying", nil
    return job
  end
  return nil, { status = "unchanged", action = "confirm", reason = "skipped", from = item.from, to = item.to }
end

--- What one event comes to.
---@param task leadcat.Backfilling
---@param event leadcat.Event
---@param standing? integer where those before it leave its company
---@param only_look? boolean whether nothing is to be written
---@return table? job as of `prepare.job`
---@return leadcat.Outcome|string|nil outcome (or the message)
---@return string? code
function deciding.job(task, event, standing, only_look)
  local job, outcome, code = prepare.job(task.engine, event, standing, only_look)
  if job then
    return by_confirm(task, job)
  end
  return nil, outcome, code
end

-- Where a company stands behind a job, as far as that can be told before it is written: with the embedded host it can.
-- false: nothing else can be decided of it in this batch.
local function standing_after(task, job, pending)
  if not task.engine.host.embedded then
    return false
  end
  return job.item.status == "updated" and job.item.to or pending
end

--- Decides events until they have to be written: before a company repeats whose change is its host's, and before an
-- event's id does.
---@param task leadcat.Backfilling
---@param events leadcat.Event[]
---@param first integer
---@param last integer
---@return leadcat.Backfilling.Batch? batch
---@return string? message
---@return string? code
function deciding.batch(task, events, first, last)
  local batch, standing, seen = { jobs = {}, places = {}, outcomes = {}, last = last }, {}, {}
  for place = first, last do
    local event = events[place]
    local key = event_of.key(event.company)
    local id = event.id ~= nil and event_of.key(event.id)
    if standing[key] == false or seen[id] then
      batch.last = place - 1
      break
    end
    local job, outcome, code = deciding.job(task, event, standing[key])
    if code then
      return nil, ("event %d: %s"):format(task.done + place, outcome), code
    end
    batch.outcomes[place] = outcome
    if job then
      batch.jobs[#batch.jobs + 1], batch.places[#batch.places + 1] = job, place
      standing[key] = standing_after(task, job, standing[key])
      if id then
        seen[id] = true
      end
    end
  end
  return batch
end

return deciding
