--- What a backfill would do. Nothing is written, so it has to remember where events before would have left their companies.

local apply = require "leadcat.apply"
local counting = require "leadcat.backfill.counting"
local deciding = require "leadcat.backfill.deciding"
local event_of = require "leadcat.event"
local platform = require "leadcat.platform"
local reading = require "leadcat.backfill.reading"

local preview = {}

-- Where a company stands now, or would.
local function standing_of(task, company, key)
  if task.standing[key] ~= nil then
    return task.standing[key]
  end
  local ok, category, code = apply.category(task.engine, company)
  if not ok then
    return nil, category, code
  end
  task.standing[key] = category or task.start
  return task.standing[key]
end

-- Notes where a job would leave its company; gives its outcome.
local function imagine(task, job, key, id)
  local outcome = { status = job.item.status, from = job.item.from, to = job.item.to }
  if id then
    task.seen[id] = true
  end
  if outcome.status == "applying" or outcome.status == "updated" then
    outcome.status, task.standing[key], task.updated[key] = "updated", outcome.to, true
  end
  return outcome
end

-- What an event would come to, where those before it would have left its company.
local function foresee(task, event)
  local key, id = event_of.key(event.company), event.id ~= nil and event_of.key(event.id)
  if task.seen[id] then
    return { status = "duplicate" }
  end
  local standing, message, code = standing_of(task, event.company, key)
  if code then
    return nil, message, code
  end
  local job, outcome
  job, outcome, code = deciding.job(task, event, standing, true)
  if code then
    return nil, outcome, code
  end
  return job and imagine(task, job, key, id) or outcome
end

--- Goes through the events.
---@param task leadcat.Backfilling
---@return table? report
---@return string? message
---@return string? code
function preview.run(task)
  local counts, done = {}, 0
  task.standing, task.seen, task.updated = {}, {}, {}
  while true do
    local events, message, code = reading.read(task, reading.MAX_BATCH)
    if not events then
      return nil, message, code
    elseif #events == 0 then
      return counting.report(task, counts, task.updated)
    end
    for _, event in ipairs(events) do
      local outcome
      outcome, message, code = foresee(task, event)
      if not outcome then
        return nil, message, code
      end
      counting.add(counts, event, outcome)
    end
    done = done + #events
    task.on_progress(done)
    platform.give_way()
  end
end

return preview
