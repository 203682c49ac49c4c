--- Counters. Each process counts by itself; the store has the sums of all processes. Methods of the engine.

local core = require "leadcat.core"
local health = require "leadcat.insight.health"
local held_ages = require "leadcat.insight.held_ages"
local platform = require "leadcat.util.platform"

---@class leadcat.engine.metrics: leadcat.Engine the engine's methods that stand here
local metrics = {}

local BATCH = 500 -- counters that are written in a transaction, about

local function inner(t, key)
  local found = t[key]
  if not found then
    found = {}
    t[key] = found
  end
  return found
end

-- What this process has counted for a tenant, and how much of that the store has.
local function counts_of(shared, tenant)
  local counts = inner(shared.counts, tenant)
  counts.now, counts.told = counts.now or {}, counts.told or {}
  return counts
end

--- Counts an outcome. This happens for every event, so it must be cheap.
---@param shared leadcat.Shared
---@param tenant string
---@param trigger string
---@param outcome leadcat.Outcome
function metrics.count(shared, tenant, trigger, outcome)
  local counts = shared.counts[tenant] or counts_of(shared, tenant)
  local statuses = counts.now[trigger] or inner(counts.now, trigger)
  local reasons, reason = statuses[outcome.status] or inner(statuses, outcome.status), outcome.reason or outcome.code
  reasons[reason] = (reasons[reason] or 0) + 1
end

-- The counts by their names in the store.
local function by_name(now)
  local counts = {}
  for trigger, statuses in pairs(now) do
    for status, reasons in pairs(statuses) do
      for reason, count in pairs(reasons) do
        counts[trigger .. " " .. status .. " " .. reason] = count
      end
    end
  end
  return counts
end

--- What this process counted, by trigger, status and reason. A copy.
---@return table<string, table<string, table<string, integer>>>
function metrics:counted()
  local outcomes = {}
  for name, count in pairs(by_name(counts_of(self._shared, self._tenant).now)) do
    local trigger, status, reason = name:match "^(%S+) (%S+) (%S+)$"
    inner(inner(outcomes, trigger), status)[reason] = count
  end
  return outcomes
end

-- Adds the growth of a tenant's counts to the items of a transaction.
local function add_growth(items, tenant, counts)
  for name, count in pairs(by_name(counts.now)) do
    local more = count - (counts.told[name] or 0)
    if more > 0 then
      items[#items + 1] = { tenant = tenant, name = name, value = more, count = count }
    end
  end
end

-- Adds the items to the store's counters, and notes that it has them.
local function write(self, items)
  local ok, message, code = true, nil, nil
  if #items > 0 then
    ok, message, code = self._store:add(items)
  end
  for _, item in ipairs(ok and items or {}) do
    self._shared.counts[item.tenant].told[item.name] = item.count
  end
  return ok, message, code
end

-- Adds what was counted for these tenants, many in a transaction. Nothing may yield between counting and writing.
local function flush(self, tenants)
  local items = {}
  for i, tenant in ipairs(tenants) do
    add_growth(items, tenant, counts_of(self._shared, tenant))
    if #items >= BATCH or i == #tenants then
      local ok, message, code = write(self, items)
      if not ok then
        return nil, message, code
      end
      items = {}
      platform.give_way()
    end
  end
  return true
end

--- Adds what this process counted since the last call to the store's counters, for all tenants. For a timer.
---@return true? done, string? message, string? code `unavailable`, `full`, `io`, `corrupt`
function metrics:flush()
  self:_check_open()
  local tenants = {}
  for tenant in pairs(self._shared.counts) do
    tenants[#tenants + 1] = tenant
  end
  return flush(self, tenants)
end

-- Prometheus ----------------------------------------------------------------------------------------------------------

local function add_family(lines, name, kind, help)
  lines[#lines + 1] = ("# HELP %s %s\n# TYPE %s %s"):format(name, help, name, kind)
end

local function add_gauge(lines, name, help, value)
  add_family(lines, name, "gauge", help)
  lines[#lines + 1] = ("%s %.0f"):format(name, value)
end

local function add_outcomes(lines, counters)
  add_family(lines, "leadcat_events_total", "counter", "Events handled, by what came of them.")
  local names = {}
  for name in pairs(counters) do
    names[#names + 1] = name:find "^%S+ %S+ %S+$" and name or nil
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local labels = ('trigger="%s",status="%s",reason="%s"'):format(name:match "^(%S+) (%S+) (%S+)$")
    lines[#lines + 1] = ("leadcat_events_total{%s} %.0f"):format(labels, counters[name])
  end
end

local function add_maps(lines, stats)
  for _, gauge in ipairs {
    { "leadcat_map_used_bytes", "used", "Bytes in use of each file of the store." },
    { "leadcat_map_free_bytes", "free", "Bytes among these that are free again." },
    { "leadcat_oldest_reader_commits", "behind", "Commits since the oldest reader, whose pages each file keeps." },
    { "leadcat_map_size_bytes", "size", "Bytes that each file of the store may have in use, without free ones." },
    { "leadcat_reader_slots_used", "readers", "Reader slots of each file in use." },
    { "leadcat_reader_slots", "max_readers", "Reader slots that each file of the store has." },
  } do
    add_family(lines, gauge[1], "gauge", gauge[3])
    for _, part in ipairs { "config", "journal" } do
      lines[#lines + 1] = ('%s{file="%s"} %.0f'):format(gauge[1], part, stats[part][gauge[2]])
    end
  end
end

-- What rules at their limit hold.
local function add_held(lines, held, now)
  add_family(lines, "leadcat_entries_held", "gauge",
    "Matches that rules at their limit hold, by for how long; 1000 stand for more, too.")
  for _, one in ipairs(held_ages.AGES) do
    lines[#lines + 1] = ('leadcat_entries_held{age="%s"} %.0f'):format(one.age, held and held[one.age] or 0)
  end
  add_gauge(lines, "leadcat_entries_held_oldest_seconds", "For how long the oldest of these has been held.",
    held and math.max(0, now - held.oldest) or 0)
end

-- What a process has to tell of a shared store: its family, kind, help and value.
local SHARED = {
  { "primary_reached", "gauge", "Whether the primary has answered the last statement.",
    function(shared) return shared.primary and 1 or 0 end },
  { "rules_age_seconds", "gauge", "Seconds since the last look at the database's rules that succeeded.",
    function(shared) return shared.rules_age end },
  { "rules_behind", "gauge", "Saves of rules that are known of, and not used here yet.",
    function(shared) return shared.rules_behind end },
  { "unknown_total", "counter", "Writes whose end nobody knows: they were unavailable, and may have been done.",
    function(shared) return shared.unknown end },
  { "overtaken_total", "counter", "Writes before which others were: they were decided anew.",
    function(shared) return shared.overtaken end },
  { "together", "gauge", "Whether companies change in the transaction of the journal.",
    function(shared) return shared.together and 1 or 0 end },
  { "apart_total", "counter", "Calls whose changes the companies' tables have not taken so.",
    function(shared) return shared.apart end },
  { "connections_used", "gauge", "Connections that are in use.", function(shared) return shared.connections.used end },
  { "connections_idle", "gauge", "Connections that are not.", function(shared) return shared.connections.idle end },
  { "connections_most", "gauge", "Connections that there may be.",
    function(shared) return shared.connections.size end },
  { "connections_waiting", "gauge", "Calls that wait for a connection.",
    function(shared) return shared.connections.waiting end },
  { "commits_total", "counter", "Commits.", function(_, commits) return commits.count end },
  { "commit_seconds_total", "counter", "Seconds that commits have taken.",
    function(_, commits) return commits.seconds end },
}

-- Of events that wait for a writer, in nginx.
local QUEUE = {
  { "queue_waiting", "gauge", "Events that wait to be sent to the database.", "waiting" },
  { "queue_most", "gauge", "Events that may wait; those beyond are unavailable.", "most" },
  { "queue_statements_total", "counter", "How often events were handled, alone or together.", "statements" },
  { "queue_events_total", "counter", "Events that were.", "events" },
  { "queue_refused_total", "counter", "Events for which there was no room or time: none was written.", "refused" },
}

local function add_shared(lines, stats)
  local function add(family, value)
    local name = "leadcat_shared_" .. family[1]
    add_family(lines, name, family[2], family[3])
    lines[#lines + 1] = ('%s{process="%d"} %.14g'):format(name, core.process(), value)
  end
  for _, family in ipairs(SHARED) do
    add(family, family[4](stats.shared, stats.commits))
  end
  for _, family in ipairs(stats.shared.queue and QUEUE or {}) do
    add(family, stats.shared.queue[family[4]])
  end
end

--- The store's counters and state, in Prometheus' text format. Events, questions and entries are this tenant's;
-- unfinished changes, files and reader slots are of all tenants. Of a shared store there is also what this process has to
-- tell, and nothing else while the database is away.
---@return string? text, string? message, string? code `unavailable`, `io`, `corrupt`: the store cannot be read
function metrics:metrics()
  self:_check_open()
  local open, counters
  local stats, message, code = self._store:stats(true)
  local shared, ok = {}, stats ~= nil
  if stats and stats.shared then
    add_shared(shared, stats)
    ok = stats.shared.primary
  end
  if ok then
    ok, message, code = flush(self, { self._tenant })
  end
  if ok then
    counters, message, code = self._store:counters(self._tenant)
  end
  if counters then
    stats, message, code = self._store:stats()
  end
  if counters and stats then
    open, message, code = self:count_confirmations { state = "open" }
  end
  local silent, held
  if open then
    silent, message, code = health.silent(self)
    held = message
    open = silent and open
  end
  if not open and shared[1] then
    return table.concat(shared, "\n") .. "\n"
  elseif not open then
    return nil, message, code
  end
  local lines, left = {}, stats.unfinished
  add_outcomes(lines, counters)
  add_gauge(lines, "leadcat_confirmations_open", "Questions that wait for an answer; 1000 stands for more, too.", open)
  add_gauge(lines, "leadcat_journal_entries", "Entries of the journal.", counters.journal_entries or 0)
  add_gauge(lines, "leadcat_events_remembered", "Ids of events that came to nothing, so that none is handled again.",
    counters.remembered_events or 0)
  add_gauge(lines, "leadcat_changes_unfinished", "Changes that a host has still to make, of all tenants.", left)
  add_gauge(lines, "leadcat_rules_silent", "Rules that have matched nothing for longer than is usual for them.",
    #silent)
  add_held(lines, held, self:_now())
  add_maps(lines, stats)
  for _, line in ipairs(shared) do
    lines[#lines + 1] = line
  end
  return table.concat(lines, "\n") .. "\n"
end

return metrics
