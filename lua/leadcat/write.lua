--- Writes down what events, answers and undos have come to, and has the host make its changes (`apply.lua`): the one way
-- into the journal for whatever changes a company.

local apply = require "leadcat.apply"
local gather = require "leadcat.gather"
local journal = require "leadcat.journal"

local write = {}

local function items_of(jobs)
  local items = {}
  for i, job in ipairs(jobs) do
    items[i] = job.item
  end
  return items
end

--- Steps 6 and 7 of an event: writes the jobs down in one transaction, and has the host make its changes. `outcomes[i]`
-- stays nil for a job that was not written, because its event was written before, its company is busy, or has changed
-- since the event was decided.
---@param self leadcat.Engine
---@param jobs table[] {company, item, attempts}, as `prepare.job` gives them
---@param note? {name: string, text: string} goes into the same transaction: then all are written, or none
---@return table<integer, leadcat.Outcome>? outcomes by the jobs' index
---@return string? message
---@return string? code `conflict`: with a note, one could not be written
function write.jobs(self, jobs, note)
  local applying, places, flight = {}, {}, nil
  local me = coroutine.running()
  local together = note and tostring(note) or "write" -- what has a note goes with nothing else
  local ok, message, code = gather.write(self, together, items_of(jobs), function(items)
    local now = self:_now()
    return self._store:write(self._tenant, items, now, now + apply.CLAIM_SECONDS + #items, note)
  end, function()
    for i, job in ipairs(jobs) do
      if job.item.result == "written" and job.item.status == "applying" then
        applying[#applying + 1], places[#places + 1] = job, i
      end
    end
    flight = apply.take_off(self, applying, me)
  end)
  if not ok then
    return nil, message, code
  end
  local outcomes = {}
  for i, job in ipairs(jobs) do
    if job.item.result == "written" and job.item.status ~= "applying" then
      outcomes[i] = journal.outcome(job.item)
    end
  end
  if #applying > 0 then
    local applied
    applied, message, code = apply.run(self, applying, flight)
    if not applied then
      return nil, message, code
    end
    for k, i in ipairs(places) do
      outcomes[i] = applied[k]
    end
  end
  return outcomes
end

--- The same for one job. Nothing when it was not written and is to be prepared anew; a change that was in its way has
-- come to its end by then.
---@param self leadcat.Engine
---@param job table
---@return leadcat.Outcome? outcome
---@return string? message
---@return string? code
function write.one(self, job)
  local outcomes, message, code = write.jobs(self, { job })
  if not outcomes then
    return nil, message, code
  elseif outcomes[1] or job.item.result ~= "busy" then
    return outcomes[1]
  end
  local settled
  settled, message, code = apply.settle(self, job.item.company)
  if not settled then
    return nil, message, code
  end
end

return write
