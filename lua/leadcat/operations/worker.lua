--- A process that brings events from their sources to an engine, and keeps its store: what `leadcat worker` runs.

local as_text = require "leadcat.util.as_text"
local core = require "leadcat.core"
local health = require "leadcat.operations.health"
local listener = require "leadcat.operations.listener"
local merged = require "leadcat.util.merged"
local options_of = require "leadcat.util.options"
local protected = require "leadcat.util.protected"

local worker = {}

local IDLE = 1 -- seconds without work
local MAINTAIN = 10 -- seconds between two calls of `maintain`
local LONGEST_PAUSE = 60 -- seconds after a failure; the first is IDLE

---@class leadcat.Source
---@field name? string
---@field tenant? string whose events they are; default the engine's own
---@field step fun(self: leadcat.Source, engine: leadcat.Engine): leadcat.outbox.Counts?, string?, string?
---@field close? fun(self: leadcat.Source)

---@class (exact) leadcat.Work what the worker's file returns, or one of a list
---@field engine leadcat.Engine
---@field sources? leadcat.Source[]
---@field notify? leadcat.Source[] such as those of leadcat.notify.webhook
---@field name? string of one of a list; default its place
---@field health? string|integer where the worker answers; of a list, beside its works

---@class leadcat.WorkerOptions
---@field once? boolean do all that there is to do, and return
---@field health? string|integer instead of what the file says
---@field warn fun(message: string) of each failure, one line
---@field say? fun(message: string) of what was done

---@class leadcat.WorkerRun: leadcat.WorkerOptions
---@field works leadcat.Work[]
---@field tasks leadcat.WorkerTask[]
---@field listener? leadcat.Listener
---@field has_failed boolean

---@class leadcat.WorkerTask
---@field name string
---@field every number seconds between two runs
---@field due number of `core.uptime`
---@field pause? number seconds, after a failure
---@field work fun(): table?, string? counts; or nil, message
---@field behind? leadcat.WorkerTask which must have worked before
---@field status leadcat.TaskStatus

-- What a file returns -------------------------------------------------------------------------------------------------

-- What a work may list, and what each of them is called: all are stepped in the same way.
local STEPPED = {
  { option = "sources", name = "source", what = "a list of sources, such as those of leadcat.source.outbox" },
  { option = "notify", name = "notify", what = "a list of notifiers, such as those of leadcat.notify.webhook" },
}

local HEALTH = options_of.kind("a path with a slash, or a port from 1 to 65535", listener.is_address)

local WORK = {
  engine = options_of.kind("an engine of leadcat.open", function(value)
    return type(value) == "table" and type(value.handle_many) == "function" and type(value.maintain) == "function"
  end),
  health = HEALTH, name = options_of.of_type "string",
}
for _, list in ipairs(STEPPED) do
  WORK[list.option] = options_of.kind(list.what, function(value)
    for _, source in ipairs(type(value) == "table" and value or { false }) do
      if type(source) ~= "table" or type(source.step) ~= "function" then
        return false
      end
    end
    return type(value) == "table"
  end)
end

-- A notifier's name is that of its record: two would each send a part.
local function twice_named(notifiers)
  local names = {}
  for _, one in ipairs(notifiers or {}) do
    local key = ("%s %s"):format(tostring(one.name), one.tenant or "")
    if one.name and names[key] then
      return ("option 'notify': there are two of the name '%s'"):format(one.name)
    end
    names[key] = true
  end
end

local function problem_of(work)
  if type(work) ~= "table" then
    return ("a table {engine = ..., sources = {...}} expected, got %s"):format(type(work))
  end
  return options_of.problem(work, WORK)
    or work.engine == nil and "option 'engine' is missing: an engine of leadcat.open" or twice_named(work.notify)
end

-- The works, each with a name.
local function works_of(work)
  if work[1] == nil then
    return { work }
  end
  local works = {}
  for i, one in ipairs(work) do
    works[i] = merged({ name = tostring(i) }, one)
  end
  return works
end

--- What is wrong with what a worker's file has returned; nil when nothing is.
---@param work any
---@return string? problem
function worker.problem(work)
  if type(work) ~= "table" or work[1] == nil then
    return problem_of(work)
  end
  local names, others = {}, {}
  for name, value in pairs(work) do
    others[name] = type(name) ~= "number" and value or nil
  end
  for i, one in ipairs(work) do
    local name = type(one) == "table" and one.name or tostring(i)
    local problem = problem_of(one) or type(one) == "table" and one.health and "option 'health' belongs beside the list"
      or names[name] and ("there are two of the name '%s'"):format(name)
    if problem then
      return ("%d: %s"):format(i, problem)
    end
    names[name] = true
  end
  return options_of.problem(others, { health = HEALTH })
end

-- Tasks ---------------------------------------------------------------------------------------------------------------

-- What was done, as a text; nil when nothing was.
local function counted(counts)
  local parts = {}
  for name, count in pairs(counts) do
    if type(count) == "number" and count > 0 and name ~= "busy" and name ~= "lag" then
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
    message, counts = not ok and as_text(counts) or message or "failed", nil
  end
  health.note(task.status, counts, message)
  if not counts then
    run.has_failed = true
    task.pause = math.min(task.pause and 2 * task.pause or IDLE, LONGEST_PAUSE)
    task.due = core.uptime() + task.pause
    run.warn(("%s: %s"):format(task.name, message))
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

-- Calls `use(source, name, engine)` for each that is stepped. A name has the tenant, or there might be two of it.
local function each_stepped(work, use)
  for _, list in ipairs(STEPPED) do
    for i, source in ipairs(work[list.option] or {}) do
      local whose = source.tenant and (" of '%s'"):format(source.tenant) or ""
      use(source, ("%s %s%s"):format(list.name, source.name or i, whose))
    end
  end
end

-- Each change that has failed is a line: its event was handled, so no source tells of it.
local function tell_failures(run, work, prefix)
  work.engine:on("failed", function(event, outcome)
    run.warn(("%scompany %s: its change to category %s has failed (entry %s): %s"):format(prefix, event.company,
      outcome.to, outcome.entry, outcome.error))
  end)
end

local function add_tasks(run, work)
  local prefix, tried_out = work.name and work.name .. ": " or "", nil
  local function add(name, every, fn)
    local task = {
      name = prefix .. name, every = every, due = 0, work = fn, status = health.new(), behind = tried_out,
    }
    run.tasks[#run.tasks + 1] = task
    return task
  end
  tell_failures(run, work, prefix)
  local try_out = work.engine.host.try_out
  if try_out then
    tried_out = add("host", math.huge, function()
      local works, message = try_out()
      return works and {}, message
    end)
  end
  each_stepped(work, function(source, name)
    add(name, 0, function()
      return source:step(source.tenant and work.engine:tenant(source.tenant) or work.engine)
    end)
  end)
  add("changes", 0, function() return work.engine:apply_pending() end)
  add("maintain", MAINTAIN, function() return work.engine:maintain() end)
end

-- Answers who asks how it goes: for some seconds.
local function serve(run, seconds)
  if run.listener then
    run.listener:serve(seconds, function(path) return health.respond(run, path) end)
  elseif seconds > 0 then
    core.rest(seconds)
  end
end

-- Each task once: whether there is more to do at once.
local function round(run)
  local has_more = false
  for _, task in ipairs(run.tasks) do
    if core.ending() then
      return false
    end
    local counts = (not task.behind or task.behind.status.last_success) and attempt(run, task) or nil
    has_more = has_more or counts ~= nil
      and (counts.more or (counts.handled or 0) + (counts.problems or 0) + (counts.finished or 0) > 0)
    serve(run, 0)
  end
  return has_more
end

local function close(run)
  if run.listener then
    run.listener:close()
  end
  for _, work in ipairs(run.works) do
    each_stepped(work, function(source, name)
      local ok, message = true, nil
      if source.close then
        ok, message = protected.call(source.close, source)
      end
      if not ok then
        run.warn(("%s: %s"):format(name, as_text(message)))
      end
    end)
    work.engine:close()
  end
end

local function work_on(run)
  repeat
    local has_more = round(run)
    if not has_more and not run.once and not core.ending() then
      serve(run, IDLE)
    end
  until core.ending() or run.once and not has_more
end

-- Says so where no tenant that a work is for has any rules. A store that is away is told of by its tasks.
local function warn_of_nothing(run, one)
  local is_empty = true
  for _, source in ipairs(one.sources and one.sources[1] and one.sources or { {} }) do
    local engine = source.tenant and one.engine:tenant(source.tenant) or one.engine
    local config = engine:config()
    is_empty = is_empty and config ~= nil and config.revision == 0
  end
  if is_empty then
    run.warn((one.name and one.name .. ": " or "") .. "nothing has been saved in the store yet, so no rule does anything: "
      .. "save the settings, or a preset by leadcat init --path DIR")
  end
end

--- Works until SIGTERM or SIGINT asks it to end, and then closes the sources and the engines. For a process of its own.
---@param work leadcat.Work|leadcat.Work[] without problems
---@param options leadcat.WorkerOptions
---@return boolean? done with `once`: whether nothing has failed; else true
---@return string? message why it has not begun: where it is to answer it cannot
function worker.run(work, options)
  local run = merged(options, { works = works_of(work), tasks = {}, has_failed = false })
  local address, message = options.health or work.health, nil
  core.catch_ending()
  for _, one in ipairs(run.works) do
    add_tasks(run, one)
  end
  if address then
    run.listener, message = listener.open(address)
  end
  protected.finally(function() close(run) end, function()
    for _, one in ipairs(not message and run.works or {}) do
      warn_of_nothing(run, one)
    end
    if not message then
      work_on(run)
    end
  end)
  if message then
    return nil, message
  end
  return not (options.once and run.has_failed)
end

return worker
