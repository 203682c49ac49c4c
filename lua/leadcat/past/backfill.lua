--- Applies the rules to events of the past, in batches, in the order of their dates. A backfill that was killed can be
-- carried on with the same result, because each batch is written in one transaction with the run's progress
-- (`backfill/batches.lua`, `runs.lua`).

local batches = require "leadcat.past.backfill.batches"
local counting = require "leadcat.past.backfill.counts"
local json = require "leadcat.util.json"
local options_of = require "leadcat.util.options"
local reading = require "leadcat.past.backfill.events"
local runs = require "leadcat.past.runs"
local simulate = require "leadcat.past.simulate"

---@class leadcat.engine.backfill: leadcat.Engine the engine's methods that stand here
local backfill = {}

---@class (exact) leadcat.Backfill
---@field run? string the run's id. A run that exists is carried on; a finished one does nothing more. Default: the last run of the same events and options, if it was interrupted, or was finished under the same config; else a new one
---@field preview? boolean write nothing, report what would be done
---@field confirm? "skip"|"ask"|"accept" what a rule that asks does: nothing (the default), put a question into the inbox, or make its change
---@field start_category? integer|string the category given to companies that the embedded host does not know
---@field late? "apply"|"skip" what becomes of events that are older than what has changed their company; default as `leadcat.open` says
---@field rate? number events a second, at most
---@field source? string identifies the events: a run is carried on with the same ones only. Default: the checksum of an array; with an iterator a run is carried on only by its id
---@field actor? leadcat.Actor who begins it; also the actor of events without one
---@field on_begin? fun(run: string, done: integer) called before the first batch; done: events that were done before
---@field on_progress? fun(events: integer) called after each batch

---@class leadcat.Backfilling a backfill under way
---@field engine leadcat.Engine within the run, once that has begun
---@field options leadcat.Backfill
---@field handling leadcat.Handling
---@field revision integer of the config
---@field next_event fun(): leadcat.Event?, string?, string?
---@field ahead? leadcat.Event the first event, read before anything is written
---@field is_known boolean whether the events have a source to find their last run by
---@field on_progress fun(events: integer)
---@field record? leadcat.Run
---@field done integer events, with those from before an interruption
---@field counts? table<string, integer> events without an entry, by their outcome

local OPTIONS = {
  run = options_of.run, preview = options_of.of_type "boolean", start_category = options_of.id,
  confirm = options_of.kind('"skip", "ask" or "accept"', function(value)
    return value == "skip" or value == "ask" or value == "accept"
  end),
  late = options_of.one_of { "apply", "skip" },
  rate = options_of.kind("a positive number", function(value) return type(value) == "number" and value > 0 end),
  source = options_of.of_type "string", actor = options_of.actor, on_begin = options_of.of_type "function",
  on_progress = options_of.of_type "function",
}

-- The run -------------------------------------------------------------------------------------------------------------

-- The run to carry on: the named one, else the last one of the same events, unless that was undone, or was finished
-- under other rules.
local function find(self, task, source)
  local id, record, message, code = task.options.run, nil, nil, nil
  if id then
    record, message, code = runs.read(self, id)
  elseif task.is_known then
    record, message, code = runs.last_of(self, source)
  end
  local is_old = record and not id
    and (record.state == "undone" or record.state == "finished" and record.revision ~= task.revision)
  if is_old or code == "not_found" then
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

-- The run to carry on, or a new one.
local function begin(self, task, source)
  local record, message, code = find(self, task, source)
  local problem = record and problem_with(record, source)
  if problem then
    return nil, problem, "invalid"
  elseif record or code then
    return record, message, code
  end
  return runs.begin(self, "backfill", {
    run = task.options.run, source = source, revision = task.revision, position = 0, counts = {},
  })
end

local function finish(task)
  local report, message, code = counting.report_of_run(task)
  local record
  if report then
    record, message, code = runs.finish(task.engine, task.record, {
      position = task.done, counts = task.counts, report = report,
    })
  end
  return record and report, message, code
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
  task.engine = runs.engine(self, record.run)
  if task.options.on_begin then
    task.options.on_begin(record.run, record.position)
  end
  local ok, report
  ok, message, code = batches.handle_all(task)
  if ok then
    report, message, code = finish(task)
  end
  if not report then
    return nil, ("run %s, %d events done: %s"):format(record.run, task.done, message), code
  end
  report.resumed = resumed
  return report
end

-- The task ------------------------------------------------------------------------------------------------------------

local function handling_of(options, start)
  local handling = { confirm = options.confirm or "skip", start = start, schedules_nothing = true }
  if options.late then
    handling.skips_late = options.late == "skip"
  end
  return handling
end

local function new_task(self, events, options)
  local cfg, message, code = self:config()
  if not cfg then
    return nil, message, code
  end
  local start, problem = simulate.category_id({ cfg }, options.start_category)
  if problem or start and not self._companies.HANDLING.keeps_companies then
    return nil, problem or "start_category: another host knows its companies by itself", "invalid"
  end
  local next_event, ahead, own
  own, message, code = self:_own_triggers()
  if own then
    next_event, message, code = (type(events) == "table" and reading.in_order or reading.checked)(events, own)
  end
  if next_event then
    ahead, message, code = next_event() -- before anything is written: the file may be unreadable
  end
  if code then
    return nil, message, code
  end
  return {
    engine = self, options = options, next_event = next_event,
    handling = handling_of(options, start), ahead = ahead, done = 0,
    on_progress = options.on_progress or function() end, revision = cfg.revision,
    is_known = options.source ~= nil or type(events) == "table",
  }
end

--- Applies the rules to events of the past, in the order of their dates. What rules with `after` match is counted as
-- `scheduled`, and not scheduled. An array is sorted; an iterator must be in
-- order. An interrupted backfill that is done again carries on; a finished one does nothing.
---@param events leadcat.Event[]|fun(): leadcat.Event?, string?, string? with `at`; `category` is ignored, because it is an old one
---@param options? leadcat.Backfill
---@return table? report {run, events, outcomes = {[trigger] = {[outcome] = n}}, changes = {{trigger, outcome, from, to, events}}, companies = updated companies, resumed = events done before, already = whether the run had been finished before}
---@return string? message, string? code `invalid`: an event, or a run of other events; `conflict`: another process is carrying the run on; `unavailable`: the host failed; or as `handle`
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
    return batches.preview(task)
  end
  local source = options.source or type(events) == "table" and reading.fingerprint(events) or "events"
  return resume(self, task, ("%s; confirm %s; start category %s"):format(source, task.handling.confirm,
    tostring(options.start_category or "none")))
end

return backfill
