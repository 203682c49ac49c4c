--- Many events, handled in order and committed together. Apart from `handle.lua` because an event of a batch is decided
-- before what comes of those in front of it is written.

local event_of = require "leadcat.event"
local handle = require "leadcat.handle"
local prepare = require "leadcat.prepare"
local unchanged_events = require "leadcat.unchanged"
local write = require "leadcat.write"

local batches = {}

local MAX_BATCH = 1000 -- changes that a host of one's own is given under one claim, whose time must stay short

-- Events that are decided one after the other and written together.
---@class leadcat.Batch
---@field first integer the place of its first event
---@field jobs table[] to be written
---@field places integer[] of the jobs' events
---@field category table<string, integer|false> where a company will stand; false when its host has to be asked first
---@field presumed table<integer, string> companies of the events that come to nothing where their companies will stand, by place
---@field by_id table<string, integer> the place of the first event with this id
local function new_batch(first)
  return { first = first, jobs = {}, places = {}, category = {}, presumed = {}, by_id = {} }
end

-- Where the company will stand once the job is written; nil when that has to be asked. What an event says about where
-- it stands now may be wrong: then the job is going to be a conflict.
---@param pending? integer as for `prepare.job`
local function category_after(self, job, pending)
  local item = job.item
  if job.event.category ~= nil and self:_category({ company = job.company }, pending) ~= item.from then
    return pending
  end
  return item.to
end

-- Adds the event at `place` to the batch, or decides that there is nothing to write.
local function add(self, batch, outcomes, event, place)
  local id = event.id ~= nil and event_of.key(event.id)
  if id and batch.by_id[id] then
    outcomes[place] = batch.by_id[id] -- the place of its first delivery, until that is written
    return true
  end
  local key = event_of.key(event.company)
  local pending = batch.category[key]
  local job, outcome, code = prepare.job(self, event, pending)
  if job then
    batch.jobs[#batch.jobs + 1], batch.places[#batch.places + 1] = job, place
    local item = job.item
    if item.status == "updated" then
      batch.category[key] = category_after(self, job, pending)
    elseif not self.host.embedded then
      batch.category[key] = false
    end
    if id then
      batch.by_id[id] = place
    end
    return true
  elseif code then
    return nil, outcome, code
  end
  outcomes[place] = outcome
  batch.presumed[place] = pending and event.category == nil and key or nil
  return true
end

-- Takes back what was presumed of companies whose changes have not come about as planned.
local function forget_presumed(batch, written, outcomes)
  local wrong = {}
  for k, job in ipairs(batch.jobs) do
    if not written[k] or written[k].status ~= job.planned then
      wrong[job.item.company] = true
    end
  end
  for place, key in pairs(batch.presumed) do
    outcomes[place] = not wrong[key] and outcomes[place] or nil
  end
end

-- Writes the batch, then handles one by one, in order, what has no outcome with it.
local function flush(self, batch, events, outcomes, last)
  if #batch.jobs == 0 then
    return true
  end
  local written, message, code = write.jobs(self, batch.jobs)
  if not written then
    return nil, message, code
  end
  forget_presumed(batch, written, outcomes)
  for k, place in ipairs(batch.places) do
    outcomes[place] = written[k]
  end
  for place = batch.first, last do
    if not outcomes[place] then
      outcomes[place], message, code = handle.one(self, events[place])
      if not outcomes[place] then
        return nil, message, code
      end
    end
  end
  return true
end

-- Reports the outcomes from one place to another, and has noted which came to nothing, where that is wanted.
local function report_all(self, events, outcomes, first, last)
  for place = first, last do
    if outcomes[place] then
      self:_report(events[place], outcomes[place])
    end
  end
  if self._shared.record_unchanged then
    unchanged_events.note(self, events, outcomes, first, last)
  end
end

-- Ends the batch with the event at `last`: writes it, and reports each of its outcomes, also where a later one fails.
local function finish(self, batch, events, outcomes, last)
  local ok, message, code = flush(self, batch, events, outcomes, last)
  for place = batch.first, last do
    local outcome = outcomes[place]
    if type(outcome) == "number" then
      outcomes[place] = outcomes[outcome] and prepare.duplicate(outcomes[outcome])
    end
  end
  report_all(self, events, outcomes, batch.first, last)
  return ok, message, code
end

-- What is wrong with the first bad event.
local function problem_of(events)
  local count = 0
  for _ in pairs(events) do
    count = count + 1
  end
  for i = 1, count do
    local problem = event_of.problem(events[i])
    if problem then
      return ("events[%d]: %s"):format(i, problem)
    end
  end
end

--- Handles many events, in order, committed together: in one transaction with the embedded host, in two a batch with
-- another, where a batch ends before a company repeats and after 1,000 changes. After a failure some of the events may be
-- done: those with ids can all be delivered again.
---@param events leadcat.Event[]
---@return leadcat.Outcome[]? outcomes
---@return string? message
---@return string? code as `handle`
function batches:handle_many(events)
  self:_check_open()
  if type(events) ~= "table" then
    error("events: an array expected, got " .. type(events), 2)
  end
  local outcomes, failure, cause = handle.in_core(self, events, true)
  report_all(self, events, outcomes, 1, #outcomes)
  if cause or #outcomes == #events and #outcomes > 0 then
    return not cause and outcomes or nil, failure, cause
  end
  local problem = #outcomes == 0 and problem_of(events)
  if problem then
    return nil, problem, "invalid"
  end
  local batch = new_batch(#outcomes + 1)
  for i = #outcomes + 1, #events do
    local event, ok, message, code = events[i], true, nil, nil
    local full = #batch.jobs == MAX_BATCH and not self.host.embedded
    if full or batch.category[event_of.key(event.company)] == false then
      ok, message, code = finish(self, batch, events, outcomes, i - 1)
      batch = new_batch(i)
    end
    if ok then
      ok, message, code = add(self, batch, outcomes, event, i)
    end
    if not ok then
      return nil, message, code
    end
  end
  local ok, message, code = finish(self, batch, events, outcomes, #events)
  if not ok then
    return nil, message, code
  end
  return outcomes
end

return batches
