--- A process that brings events from their sources to an engine, and keeps its store: what `leadcat worker` runs.

local as_text = require "leadcat.util.as_text"
local core = require "leadcat.core"
local options_of = require "leadcat.util.options"
local protected = require "leadcat.util.protected"

local worker = {}

local IDLE = 1 -- seconds without work
local MAINTAIN = 10 -- seconds between two calls of `maintain`
local LONGEST_PAUSE = 60 -- seconds after a failure; the first is IDLE

---@class leadcat.Source
---@field name? string
---@field step fun(self: leadcat.Source, engine: leadcat.Engine): leadcat.outbox.Counts?, string?, string?
---@field close? fun(self: leadcat.Source)

---@class leadcat.Work what the worker's file returns
---@field engine leadcat.Engine
---@field sources? leadcat.Source[]

---@class leadcat.WorkerOptions
---@field once? boolean do all that there is to do, and return
---@field warn fun(message: string) of each failure, one line
---@field say? fun(message: string) of what was done

local WORK = {
  engine = options_of.kind("an engine of leadcat.open", function(value)
    return type(value) == "table" and type(value.handle_many) == "function" and type(value.maintain) == "function"
  end),
  sources = options_of.kind("a list of sources, such as those of leadcat.source.outbox", function(value)
    for _, source in ipairs(type(value) == "table" and value or { false }) do
      if type(source) ~= "table" or type(source.step) ~= "function" then
        return false
      end
    end
    return type(value) == "table"
  end),
}

--- What is wrong with what a worker's file has returned; nil when nothing is.
---@param work any
---@return string? problem
function worker.problem(work)
  if type(work) ~= "table" then
    return ("a table {engine = ..., sources = {...}} expected, got %s"):format(type(work))
  end
  return options_of.problem(work, WORK)
    or work.engine == nil and "option 'engine' is missing: an engine of leadcat.open" or nil
end

-- What was done, as a text; nil when nothing was.
local function counted(counts)
  local parts = {}
  for name, count in pairs(counts) do
    if type(count) == "number" and count > 0 and name ~= "busy" then
      parts[#parts + 1] = ("%d %s"):format(count, name)
    end
  end
  table.sort(parts)
  return #parts > 0 and table.concat(parts, ", ") or nil
end

-- Calls a task's function, unless it has just failed. Returns what it has done, as counts.
local function attempt(run, task)
  if core.uptime() < task.due then
    return nil
  end
  local ok, counts, message = protected.call(task.work)
  if not ok or not counts then
    run.has_failed = true
    task.pause = math.min(task.pause and 2 * task.pause or IDLE, LONGEST_PAUSE)
    task.due = core.uptime() + task.pause
    run.warn(("%s: %s"):format(task.name, not ok and as_text(counts) or message or "failed"))
    return nil
  end
  task.pause, task.due = nil, core.uptime() + task.every
  if counts.error then
    run.has_failed = true
    run.warn(("%s: %s"):format(task.name, counts.error))
  end
  local text = run.say and counted(counts)
  if text then
    run.say(("%s: %s"):format(task.name, text))
  end
  return counts
end

local function tasks_of(work)
  local tasks = {}
  local function add(name, every, fn)
    tasks[#tasks + 1] = { name = name, every = every, due = 0, work = fn }
  end
  for i, source in ipairs(work.sources or {}) do
    add(("source %s"):format(source.name or i), 0, function() return source:step(work.engine) end)
  end
  add("changes", 0, function() return work.engine:apply_pending() end)
  add("maintain", MAINTAIN, function() return work.engine:maintain() end)
  return tasks
end

-- Each task once: whether there is more to do at once.
local function round(run, tasks)
  local has_more = false
  for _, task in ipairs(tasks) do
    if core.ending() then
      return false
    end
    local counts = attempt(run, task)
    has_more = has_more or counts ~= nil
      and (counts.more or (counts.handled or 0) + (counts.problems or 0) + (counts.finished or 0) > 0)
  end
  return has_more
end

local function close(run, work)
  for i, source in ipairs(work.sources or {}) do
    local ok, message = true, nil
    if source.close then
      ok, message = protected.call(source.close, source)
    end
    if not ok then
      run.warn(("source %s: %s"):format(source.name or i, as_text(message)))
    end
  end
  work.engine:close()
end

--- Works until SIGTERM or SIGINT asks it to end, and then closes the sources and the engine. For a process of its own.
---@param work leadcat.Work without problems
---@param options leadcat.WorkerOptions
---@return boolean done with `once`: whether nothing has failed; else true
function worker.run(work, options)
  local run = { warn = options.warn, say = options.say, has_failed = false }
  core.catch_ending()
  local tasks = tasks_of(work)
  protected.finally(function() close(run, work) end, function()
    repeat
      local has_more = round(run, tasks)
      if not has_more and not options.once then
        core.rest(IDLE)
      end
    until core.ending() or options.once and not has_more
  end)
  return not (options.once and run.has_failed)
end

return worker
