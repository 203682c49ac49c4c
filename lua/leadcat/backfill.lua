--- Applies the rules to what has happened before there were any: events in the order of their dates, in batches. Apart
-- from `handle_many` because it must come to the same when it is killed at any moment and carried on: how far it is
-- (`run.lua`) is written in the very transaction that writes what a batch has come to.

local apply = require "leadcat.apply"
local core = require "leadcat.core"
local event_of = require "leadcat.event"
local handle = require "leadcat.handle"
local json = require "leadcat.json"
local journal = require "leadcat.journal"
local options_of = require "leadcat.options"
local platform = require "leadcat.platform"
local run = require "leadcat.run"
local simulate = require "leadcat.simulate"

local backfill = {}

---@class leadcat.Backfill
---@field run? string the id of a run; one that was begun goes on behind what it has done, and does nothing more when it was finished. Default: the last one of the same events and options, where it was interrupted, or was finished under the same config; else a new one
---@field preview? boolean write nothing, say what would be done
---@field confirm? "skip"|"ask"|"accept" what becomes of rules that ask: nothing (the default), a question in the inbox, or their change
---@field start_category? integer|string of companies that the embedded host does not know; it gets them
---@field rate? number events a second, at most
---@field source? string what tells the events from others: a run goes on with the same only. Default: a checksum, where they are an array; else a run goes on only where it is named
---@field actor? leadcat.Actor who begins it; of events without one, too
---@field on_begin? fun(run: string, done: integer) called before the first batch; done: events that were done before
---@field on_progress? fun(events: integer) called after each batch

local OPTIONS = {
  run = options_of.run,
  preview = options_of.of_type "boolean",
  confirm = options_of.kind('"skip", "ask" or "accept"', function(value)
    return value == "skip" or value == "ask" or value == "accept"
  end),
  start_category = options_of.id,
  rate = options_of.kind("a positive number", function(value)
    return type(value) == "number" and value > 0
  end),
  source = options_of.of_type "string",
  actor = options_of.actor,
  on_begin = options_of.of_type "function",
  on_progress = options_of.of_type "function",
}

local MAX_BATCH = 1000
local BATCHES_A_SECOND = 10 -- where the rate is limited

-- Events ---------------------------------------------------------------------------------------------------------------

-- What is wrong with an event; nil when nothing is.
local function problem_of(event)
  return event_of.problem(event)
    or event.at == nil and "a backfill goes by the dates of events, and `at` is absent"
    or nil
end

-- The events of an array in the order of their dates; of one date as they were. All are checked before the first is given.
---@return (fun(): leadcat.Event?)? next
---@return string? problem
local function in_order(events)
  local order, i = {}, 0
  for place, event in ipairs(events) do
    local problem = problem_of(event)
    if problem then
      return nil, ("events[%d]: %s"):format(place, problem)
    end
    order[place] = { event = event, place = place }
  end
  table.sort(order, function(a, b)
    return a.event.at < b.event.at or a.event.at == b.event.at and a.place < b.place
  end)
  return function()
    i = i + 1
    return order[i] and order[i].event
  end
end

-- Checks each event of an iterator as it comes, and that they come in order.
local function checked(next_event)
  local count, last = 0, -math.huge
  return function()
    local event, message, code = next_event()
    if event == nil then
      return nil, message, code
    end
    count = count + 1
    local problem = problem_of(event) or event.at < last and "it happened before the one that comes before it"
    if problem then
      return nil, ("event %d: %s"):format(count, problem), "invalid"
    end
    last = event.at
    return event
  end
end

-- What tells an array of events from another.
local function fingerprint(events)
  local sum
  for _, event in ipairs(events) do
    for _, name in ipairs { "id", "trigger", "company", "lead_status", "choice", "at" } do
      sum = core.checksum(tostring(event[name]) .. "\0", sum)
    end
  end
  return ("%d events, checksum %s"):format(#events, sum or "of none")
end

-- As it is to be handled: what an event of history says of its company's category, the company had then.
local function taken(event, actor)
  local copy = {}
  for name, value in pairs(event) do
    copy[name] = value
  end
  copy.category, copy.actor = nil, event.actor or actor
  return copy
end

-- The next events, at most `size`.
---@return leadcat.Event[]? events none at the end
---@return string? message
---@return string? code
local function read(task, size)
  local events = { task.ahead }
  task.ahead = nil
  while #events < size do
    local event, message, code = task.next_event()
    if code then
      return nil, message, code
    elseif not event then
      break
    end
    events[#events + 1] = event
  end
  for i, event in ipairs(events) do
    events[i] = taken(event, task.options.actor)
  end
  return events
end

-- Deciding -------------------------------------------------------------------------------------------------------------

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

-- Where a company stands behind a job, as far as that can be told before it is written: with the embedded host it can.
-- false: nothing else can be decided of it in this batch.
local function standing_after(task, job, pending)
  if not task.engine.host.embedded then
    return false
  end
  return job.item.status == "updated" and job.item.to or pending
end

-- Decides events until they have to be written: before a company repeats whose change is its host's, and before an
-- event's id does.
---@return {jobs: table[], places: integer[], outcomes: table<integer, leadcat.Outcome>, last: integer}? batch
---@return string? message
---@return string? code
local function decide(task, events, first, last)
  local batch, standing, seen = { jobs = {}, places = {}, outcomes = {}, last = last }, {}, {}
  for place = first, last do
    local event = events[place]
    local key = event_of.key(event.company)
    local id = event.id ~= nil and event_of.key(event.id)
    if standing[key] == false or seen[id] then
      batch.last = place - 1
      break
    end
    local job, outcome, code = handle.prepare(task.engine, event, standing[key])
    if code then
      return nil, outcome, code
    elseif job then
      job, outcome = by_confirm(task, job)
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

-- Counting -------------------------------------------------------------------------------------------------------------

-- Counts in one line: the trigger, what became of it, and from where to where it would have moved its company.
local function count(counts, trigger, name, from, to)
  local line = ("%s %s"):format(trigger, name)
  if to then
    line = ("%s %d %d"):format(line, from, to)
  end
  counts[line] = (counts[line] or 0) + 1
end

local function count_outcome(counts, event, outcome)
  local to = outcome.status ~= "duplicate" and outcome.to or nil
  count(counts, event.trigger, simulate.outcome_name(outcome), outcome.from, to)
end

local function copy_of(counts)
  local copy = {}
  for line, number in pairs(counts) do
    copy[line] = number
  end
  return copy
end

-- What has been counted once the batch is written. What has an entry is counted by the journal.
local function counts_after(counts, events, batch)
  local after = copy_of(counts)
  for place, outcome in pairs(batch.outcomes) do
    count_outcome(after, events[place], outcome)
  end
  return after
end

-- Adds what one line of the counts says to the report.
local function add_line(report, line, number, name_of)
  local trigger, outcome, from, to = line:match "^(%S+) (%S+) ?(%d*) ?(%d*)$"
  local row = report.outcomes[trigger] or {}
  report.outcomes[trigger], row[outcome] = row, (row[outcome] or 0) + number
  report.events = report.events + number
  if to ~= "" then
    report.changes[#report.changes + 1] = {
      trigger = trigger, outcome = outcome, from = name_of(from), to = name_of(to), events = number,
    }
  end
end

local function by_words(a, b)
  return table.concat({ a.trigger, a.outcome, a.from, a.to }, "\0")
    < table.concat({ b.trigger, b.outcome, b.from, b.to }, "\0")
end

-- The report: the same shape whether it is counted or foreseen.
local function report_of(task, counts, companies)
  local cfg, message, code = task.engine:config()
  if not cfg then
    return nil, message, code
  end
  local function name_of(id)
    return simulate.name_of(cfg, tonumber(id), task.engine.language)
  end
  local report = {
    run = task.record and task.record.run, events = 0, outcomes = {}, changes = json.array {}, companies = 0,
  }
  for line, number in pairs(counts) do
    add_line(report, line, number, name_of)
  end
  table.sort(report.changes, by_words)
  for _ in pairs(companies) do
    report.companies = report.companies + 1
  end
  return report
end

-- The report of a run that is done: what the journal has of it, and what came to nothing.
local function report_of_run(task)
  local counts, companies = copy_of(task.counts), {}
  local next_entry = run.entries(task.engine, task.record)
  while true do
    local entry, message, code = next_entry()
    if code then
      return nil, message, code
    elseif not entry then
      return report_of(task, counts, companies)
    elseif entry.status ~= "superseded" then -- a question of some event before
      local outcome = journal.outcome(entry)
      count_outcome(counts, entry, outcome)
      if outcome.status == "updated" then
        companies[event_of.key(entry.company)] = true
      end
    end
  end
end

-- Preview --------------------------------------------------------------------------------------------------------------

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
  job, outcome, code = handle.prepare(task.engine, event, standing, true)
  if code then
    return nil, outcome, code
  elseif job then
    job, outcome = by_confirm(task, job)
  end
  return job and imagine(task, job, key, id) or outcome
end

local function preview(task)
  local counts, done = {}, 0
  task.standing, task.seen, task.updated = {}, {}, {}
  while true do
    local events, message, code = read(task, MAX_BATCH)
    if not events then
      return nil, message, code
    elseif #events == 0 then
      return report_of(task, counts, task.updated)
    end
    for _, event in ipairs(events) do
      local outcome
      outcome, message, code = foresee(task, event)
      if not outcome then
        return nil, message, code
      end
      count_outcome(counts, event, outcome)
    end
    done = done + #events
    task.on_progress(done)
    platform.give_way()
  end
end

-- Running --------------------------------------------------------------------------------------------------------------

-- Why a batch was not written: somebody else carries on this run, or has changed a company of it.
local function is_ours(task)
  local noted, message, code = run.read(task.engine, task.record.run)
  if not noted then
    return nil, message, code
  elseif noted.text ~= task.record.text then
    return nil, "somebody else is carrying it on, or has undone it", "conflict"
  end
  return true
end

-- What could not be written as it was decided is decided anew in smaller batches; of one event once its company is free.
local function smaller(task, events, first, batch)
  local ours, message, code = is_ours(task)
  if ours and batch.last == first then
    ours, message, code = apply.settle(task.engine, event_of.key(events[first].company))
  end
  if not ours then
    return nil, message, code
  end
  return first + math.floor((batch.last - first) / 2)
end

-- Writes a batch, and how far the run is with it.
local function write(task, events, batch)
  local counts = counts_after(task.counts, events, batch)
  if #batch.jobs > 0 then
    local note, later = run.note(task.record, { position = task.done + batch.last, counts = counts })
    local written, message, code = handle.write(task.engine, batch.jobs, note)
    if not written then
      return nil, message, code
    end
    task.record = later
    for k, place in ipairs(batch.places) do
      batch.outcomes[place] = written[k]
    end
  end
  task.counts = counts
  return true
end

-- Handles the events from `first` on, as many as go together.
---@return integer? last the place of the last one that is done
---@return string? message
---@return string? code
local function step(task, events, first)
  local last = #events
  while true do
    local batch, message, code = decide(task, events, first, last)
    local ok
    if batch then
      ok, message, code = write(task, events, batch)
    end
    if ok then
      for place = first, batch.last do
        task.engine:_report(events[place], batch.outcomes[place])
      end
      return batch.last
    elseif not batch or code ~= "conflict" then
      return nil, message, code
    end
    last, message, code = smaller(task, events, first, batch)
    if not last then
      return nil, message, code
    end
  end
end

-- Gives the embedded host the companies that it does not know.
local function add_companies(task, events)
  local companies = {}
  if not task.start then
    return true
  end
  for i, event in ipairs(events) do
    companies[i] = event.company
  end
  return task.engine.host:create_many(companies, task.start)
end

local function handle_all(task, events)
  local ok, message, code = add_companies(task, events)
  local last = 0
  while ok and last < #events do
    ok, message, code = step(task, events, last + 1)
    last = ok or last
  end
  if not ok then
    return nil, message, code
  end
  task.done = task.done + #events
  task.on_progress(task.done)
  return true
end

-- Waits until so many events may be done.
local function pace(task, began, handled)
  local ahead = task.options.rate and handled / task.options.rate - (core.now() - began) or 0
  if ahead > 0 then
    platform.sleep(ahead)
  else
    platform.give_way()
  end
end

-- Goes behind the events that are done.
local function skip(task)
  local left = task.done
  while left > 0 do
    local events, message, code = read(task, math.min(left, MAX_BATCH))
    if not events then
      return nil, message, code
    elseif #events == 0 then
      return nil, "there are fewer events than are done", "invalid"
    end
    left = left - #events
  end
  return true
end

local function go_on(task)
  local rate, began, handled = task.options.rate, core.now(), 0
  local size = rate and math.max(1, math.min(MAX_BATCH, math.ceil(rate / BATCHES_A_SECOND))) or MAX_BATCH
  local ok, message, code = skip(task)
  while ok do
    local events
    events, message, code = read(task, size)
    if not events then
      return nil, message, code
    elseif #events == 0 then
      return true
    end
    ok, message, code = handle_all(task, events)
    handled = handled + #events
    pace(task, began, handled)
  end
  return nil, message, code
end

-- Ends the run with its report.
local function finish(task)
  local report, message, code = report_of_run(task)
  local record
  if report then
    record, message, code = run.finish(task.engine, task.record, {
      position = task.done, counts = task.counts, report = report,
    })
  end
  return record and report, message, code
end

-- The run that was begun before: the one that is named, else the last one of the same events, unless that was undone or
-- was finished under other rules.
---@return leadcat.Run? record
---@return string? message
---@return string? code
local function find(self, task, source)
  local id, record, message, code = task.options.run, nil, nil, nil
  if id then
    record, message, code = run.read(self, id)
  elseif task.is_known then
    record, message, code = run.last_of(self, source)
  end
  if code == "not_found" then
    return nil
  elseif record and not id and (record.state == "undone"
    or record.state == "finished" and record.revision ~= task.revision) then
    return nil
  end
  return record, message, code
end

-- Why a run cannot be carried on; nil when it can.
local function problem_with(record, source)
  if record.kind ~= "backfill" then
    return ("run %s is no backfill but a %s"):format(record.run, record.kind)
  elseif record.state == "undone" then
    return ("run %s was undone: give another, or none"):format(record.run)
  elseif record.source ~= source then
    local problem = "run %s was begun with other events or options: with %s, not with %s"
    return problem:format(record.run, record.source, source)
  end
end

-- The run to be carried on, or a new one.
local function begin(self, task, source)
  local record, message, code = find(self, task, source)
  local problem = record and problem_with(record, source)
  if problem then
    return nil, problem, "invalid"
  elseif record or code then
    return record, message, code
  end
  return run.begin(self, "backfill", {
    run = task.options.run, source = source, revision = task.revision, position = 0, counts = {},
  })
end

local function resume(self, task, source)
  local record, message, code = begin(self, task, source)
  if not record then
    return nil, message, code
  elseif record.state == "finished" then
    json.array(record.report.changes)
    record.report.already = true
    return record.report
  end
  local resumed = record.position > 0 and record.position or nil
  task.record, task.done, task.counts = record, record.position, record.counts
  task.engine = run.engine(self, record.run)
  if task.options.on_begin then
    task.options.on_begin(record.run, record.position)
  end
  local ok, report
  ok, message, code = go_on(task)
  if ok then
    report, message, code = finish(task)
  end
  if not report then
    return nil, ("run %s, %d events done: %s"):format(record.run, task.done, message), code
  end
  report.resumed = resumed
  return report
end

local function new_task(self, events, options)
  local cfg, message, code = self:config()
  if not cfg then
    return nil, message, code
  end
  local start, problem = simulate.category_id(cfg, options.start_category)
  if problem or start and not self.host.embedded then
    return nil, problem or "start_category: another host knows its companies by itself", "invalid"
  end
  local next_event, ahead
  if type(events) == "table" then
    next_event, problem = in_order(events)
    if problem then
      return nil, problem, "invalid"
    end
  else
    next_event = checked(events)
  end
  ahead, message, code = next_event() -- before anything is written: a file may be no good as a whole
  if code then
    return nil, message, code
  end
  return {
    engine = self, options = options, confirm = options.confirm or "skip", start = start, next_event = next_event,
    ahead = ahead, on_progress = options.on_progress or function() end, revision = cfg.revision,
    is_known = options.source ~= nil or type(events) == "table",
  }
end

--- Applies the rules to events of the past, in the order of their dates. An array is put in order, a function has to give
-- them so. Killed at any moment and done again, it goes on where it was; done again when it was finished, it does nothing.
---@param events leadcat.Event[]|fun(): leadcat.Event?, string?, string? with `at`; a `category` is left aside, as it was the company's then
---@param options? leadcat.Backfill
---@return table? report {run, events, outcomes = {[trigger] = {[outcome] = n}}, changes = {{trigger, outcome, from, to, events}}, companies = how many were updated, resumed = events done before, already = whether the run was finished before}
---@return string? message
---@return string? code `invalid`: an event, or a run of other events; `conflict`: somebody else is carrying the run on; `unavailable`: the host failed; or as `handle`
function backfill:backfill(events, options)
  self:_check_open()
  options = options_of.check(options, OPTIONS)
  if type(events) ~= "table" and type(events) ~= "function" then
    error("events: an array or an iterator expected, got " .. type(events), 2)
  end
  local allowed, message, code = self:can(options.actor, "configure")
  if not allowed then
    return nil, message or "only an administrator may do a backfill", code or "forbidden"
  end
  local task
  task, message, code = new_task(self, events, options)
  if not task then
    return nil, message, code
  elseif options.preview then
    return preview(task)
  end
  local source = options.source or type(events) == "table" and fingerprint(events) or "events"
  return resume(self, task, ("%s; confirm %s; start category %s"):format(source, task.confirm,
    tostring(options.start_category or "none")))
end

return backfill
