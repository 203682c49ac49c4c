--- What a worker says of itself: whether each of its tasks works, as JSON, and what they have done, in Prometheus' text format.

local core = require "leadcat.core"
local json = require "leadcat.util.json"
local protected = require "leadcat.util.protected"
local unicode = require "leadcat.util.unicode"

local health = {}

local FRESH = 1 -- seconds that the engines' metrics may be old: whoever asks all the time must not keep the worker from its work

---@class leadcat.TaskStatus
---@field runs integer how often the task was tried
---@field done table<string, integer> what it has done, by the names of its counts
---@field failures integer
---@field started number when the worker began, in seconds since 1970
---@field last_success? number when it last worked
---@field worked? number when it last found something to do
---@field error? string why it fails now
---@field since? number since when
---@field warning? string what the newest run could not do, such as a row that nobody understands
---@field parked? integer companies that are left alone for now
---@field lag? number seconds, the age of the oldest event that waits
---@field waiting? boolean whether another worker has its source

local GAUGES = { parked = true, busy = true, lag = true } -- counts that are no sums

---@return leadcat.TaskStatus
function health.new()
  return { runs = 0, done = {}, failures = 0, started = core.now() }
end

--- Notes how a task went.
---@param status leadcat.TaskStatus
---@param counts? table what it did; nil: it has failed
---@param message? string why
function health.note(status, counts, message)
  local now = core.now()
  status.runs = status.runs + 1
  if not counts then
    status.failures, status.error, status.since = status.failures + 1, message, status.since or now
    return
  end
  status.last_success, status.error, status.since, status.warning = now, nil, nil, counts.error
  status.parked, status.lag, status.waiting = counts.parked, counts.lag, counts.is_waiting
  for name, count in pairs(counts) do
    if type(count) == "number" and not GAUGES[name] then
      status.done[name] = (status.done[name] or 0) + count
      status.worked = count > 0 and now or status.worked
    end
  end
end

-- JSON ----------------------------------------------------------------------------------------------------------------

local function shown(task)
  local status = task.status
  return {
    task = task.name, status = status.error and "failing" or status.waiting and "waiting" or "ok", error = status.error,
    since = status.since, warning = status.warning, last_success = status.last_success, last_work = status.worked,
    failures = status.failures, lag = status.lag,
  }
end

--- Each task, and whether the stores work.
---@param run leadcat.WorkerRun
---@return integer status 503 when something fails, else 200
---@return string body, string kind
local function report(run)
  local tasks, shared, works, problem = {}, {}, true, nil
  for i, task in ipairs(run.tasks) do
    tasks[i] = shown(task)
    works = works and task.status.error == nil
  end
  for _, work in ipairs(run.works) do
    local ok, message = work.engine:probe()
    problem = problem or not ok and message or nil
    local stats = work.engine._store:stats(true)
    shared[#shared + 1] = stats and stats.shared
  end
  works = works and not problem
  return works and 200 or 503, json.encode({
    status = works and "ok" or "failing", store = problem or "ok", tasks = json.array(tasks),
    shared = shared[1] and json.array(shared) or nil,
  }, "  ") .. "\n", "application/json"
end

-- Prometheus ----------------------------------------------------------------------------------------------------------

local function label(text)
  return (unicode.visible(text):gsub('["\\]', "\\%0"))
end

-- Adds a family with a line for each task that has the value, or for each of its values by name.
local function add(lines, run, name, kind, help, value_of)
  local found = {}
  for _, task in ipairs(run.tasks) do
    local value = value_of(task.status)
    for what, number in pairs(type(value) == "table" and value or { value }) do
      found[#found + 1] = ('leadcat_worker_%s{task="%s"%s} %.14g'):format(name, label(task.name),
        type(what) == "string" and (',what="%s"'):format(label(what)) or "", number)
    end
  end
  if #found > 0 then
    table.sort(found)
    lines[#lines + 1] = ("# HELP leadcat_worker_%s %s\n# TYPE leadcat_worker_%s %s"):format(name, help, name, kind)
    lines[#lines + 1] = table.concat(found, "\n")
  end
end

local FAMILIES = {
  { "runs_total", "counter", "How often each task was tried.", function(status) return status.runs end },
  { "done_total", "counter", "What each task has done.", function(status) return status.done end },
  { "failures_total", "counter", "How often each task has failed.", function(status) return status.failures end },
  { "failing_since_seconds", "gauge", "Since when a task fails, in seconds since 1970.",
    function(status) return status.since end },
  { "last_success_seconds", "gauge", "When each task last worked, in seconds since 1970.",
    function(status) return status.last_success end },
  { "parked", "gauge", "Companies whose events cannot be handled now.", function(status) return status.parked end },
  { "lag_seconds", "gauge", "The age of the oldest event of a source that waits.",
    function(status) return status.lag end },
}

-- The samples of an engine's metrics with one more label, each family's below the first one's heads.
local function merge(families, text, name)
  local family
  for line in text:gmatch "[^\n]+" do
    local of = line:match "^# HELP (%S+)"
    if of then
      family = families[of] or { head = line }
      families[#families + 1] = not families[of] and family or nil
      families[of] = family
    elseif line:find "^#" then
      family.kind = line
    else
      local metric, labels, value = line:match "^([%w_]+)(%b{}) (%S+)$"
      if not metric then
        metric, value = line:match "^(%S+) (%S+)$"
      end
      family[#family + 1] = ('%s{work="%s"%s} %s'):format(metric, label(name),
        labels and "," .. labels:sub(2, -2) or "", value)
    end
  end
end

-- The engines' own metrics; of several works with their names.
local function engines(run)
  local families, lines = {}, {}
  for _, work in ipairs(run.works) do
    local ok, text = protected.call(work.engine.metrics, work.engine)
    text = ok and text or ""
    if #run.works == 1 then
      return text
    end
    merge(families, text, work.name)
  end
  for _, family in ipairs(families) do
    lines[#lines + 1] = family.head .. "\n" .. family.kind
    lines[#lines + 1] = table.concat(family, "\n")
  end
  return table.concat(lines, "\n") .. "\n"
end

local function metrics(run)
  local now, lines = core.uptime(), {}
  if not run.engine_metrics or now - run.engine_metrics.at >= FRESH then
    run.engine_metrics = { at = now, text = engines(run) }
  end
  for _, family in ipairs(FAMILIES) do
    add(lines, run, family[1], family[2], family[3], family[4])
  end
  return 200, run.engine_metrics.text .. table.concat(lines, "\n") .. "\n", "text/plain; version=0.0.4; charset=utf-8"
end

--- Answers a request.
---@param run leadcat.WorkerRun
---@param path string
---@return integer status, string body, string? kind
function health.respond(run, path)
  if path == "/health" then
    return report(run)
  elseif path == "/metrics" then
    return metrics(run)
  end
  return 404, "there are /health and /metrics\n"
end

return health
