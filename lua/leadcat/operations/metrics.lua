--- Counters: what each engine counts by itself, and their sums in the store, where the counts of all processes meet so
-- that all of them tell the same. Methods of the engine.

local metrics = {}

-- What a tenant's engines of this process have counted, and how much of that the store has been told.
local function counts_of(shared, tenant)
  local counts = shared.counts[tenant]
  if not counts then
    counts = { now = {}, told = {} }
    shared.counts[tenant] = counts
  end
  return counts
end

local function inner(t, key)
  local found = t[key]
  if not found then
    found = {}
    t[key] = found
  end
  return found
end

--- Counts an outcome. Here because it happens for every event: one addition.
---@param trigger string
---@param outcome leadcat.Outcome
function metrics:count(trigger, outcome)
  local counts = self._shared.counts[self._tenant] or counts_of(self._shared, self._tenant)
  local statuses = counts.now[trigger] or inner(counts.now, trigger)
  local reasons, reason = statuses[outcome.status] or inner(statuses, outcome.status), outcome.reason
  reasons[reason] = (reasons[reason] or 0) + 1
end

-- The counts by the names that they have in the store.
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

--- What this process has counted, by trigger, status and reason. A copy.
---@return table<string, table<string, table<string, integer>>>
function metrics:counted()
  local outcomes = {}
  for name, count in pairs(by_name(counts_of(self._shared, self._tenant).now)) do
    local trigger, status, reason = name:match "^(%S+) (%S+) (%S+)$"
    inner(inner(outcomes, trigger), status)[reason] = count
  end
  return outcomes
end

-- Tells the store what one tenant's counts have grown by.
local function flush_tenant(store, tenant, counts)
  local items, told = {}, {}
  for name, count in pairs(by_name(counts.now)) do
    local more = count - (counts.told[name] or 0)
    if more > 0 then
      items[#items + 1], told[name] = { name = name, value = more }, count
    end
  end
  if #items == 0 then
    return true
  end
  local ok, message, code = store:add(tenant, items)
  if not ok then
    return nil, message, code
  end
  for name, count in pairs(told) do
    counts.told[name] = count
  end
  return true
end

--- Adds what this process has counted since the last time to the counters in the store: for a timer.
---@return true? done
---@return string? message
---@return string? code
function metrics:flush()
  self:_check_open()
  for tenant, counts in pairs(self._shared.counts) do
    local ok, message, code = flush_tenant(self._store, tenant, counts)
    if not ok then
      return nil, message, code
    end
  end
  return true
end

-- Prometheus -----------------------------------------------------------------------------------------------------------

local function family(lines, name, kind, help)
  lines[#lines + 1] = ("# HELP %s %s"):format(name, help)
  lines[#lines + 1] = ("# TYPE %s %s"):format(name, kind)
end

local function add_outcomes(lines, counters)
  family(lines, "leadcat_events_total", "counter", "Events handled, by what came of them.")
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
    { "leadcat_map_size_bytes", "size", "Bytes that each file of the store may grow to." },
    { "leadcat_reader_slots_used", "readers", "Reader slots of each file in use." },
    { "leadcat_reader_slots", "max_readers", "Reader slots that each file of the store has." },
  } do
    family(lines, gauge[1], "gauge", gauge[3])
    for _, part in ipairs { "config", "journal" } do
      lines[#lines + 1] = ('%s{file="%s"} %.0f'):format(gauge[1], part, stats[part][gauge[2]])
    end
  end
end

--- The counters of all processes and the state of the store, in Prometheus' text format. Events, questions and entries
-- are this tenant's; unfinished changes, files and reader slots are the store's.
---@return string? text
---@return string? message
---@return string? code
function metrics:metrics()
  self:_check_open()
  local ok, message, code = self:flush()
  if not ok then
    return nil, message, code
  end
  local counters, stats, open
  counters, message, code = self._store:counters(self._tenant)
  if counters then
    stats, message, code = self._store:stats()
  end
  if stats then
    open, message, code = self:count_confirmations { state = "open" }
  end
  if not open then
    return nil, message, code
  end
  local lines = {}
  add_outcomes(lines, counters)
  family(lines, "leadcat_confirmations_open", "gauge", "Questions that wait for an answer; 1000 stands for more, too.")
  lines[#lines + 1] = ("leadcat_confirmations_open %d"):format(open)
  family(lines, "leadcat_journal_entries", "gauge", "Entries of the journal.")
  lines[#lines + 1] = ("leadcat_journal_entries %.0f"):format(counters.journal_entries or 0)
  family(lines, "leadcat_changes_unfinished", "gauge", "Changes that a host has still to make, of all tenants.")
  lines[#lines + 1] = ("leadcat_changes_unfinished %.0f"):format(stats.unfinished)
  add_maps(lines, stats)
  return table.concat(lines, "\n") .. "\n"
end

return metrics
