--- Events of a table that triggers of the database fill: `leadcat outbox sql` prints it. A row is read, handled, and then
-- deleted. Whoever is killed in between, the next one reads it again, and its events have ids, by which they are handled once.

local core = require "leadcat.core"
local dialects = require "leadcat.source.outbox.dialect"
local event_of = require "leadcat.events.event"
local hooks = require "leadcat.hooks"
local lease = require "leadcat.source.outbox.lease"
local options_of = require "leadcat.util.options"
local schema = require "leadcat.source.outbox.schema"
local session = require "leadcat.host.sql.session"
local stuck = require "leadcat.source.stuck"

---@class leadcat.source.outbox
---@overload fun(options: leadcat.outbox.Options): leadcat.outbox.Source
local outbox = {}

local BATCH, LEASE = 200, 30 -- rows, seconds
local LONGEST_PROBLEM = 500 -- bytes
local PLACES = 20 -- rows that one statement deletes

---@class (exact) leadcat.outbox.Options
---@field adapter leadcat.sql.Adapter
---@field source? string what the ids of events begin with; default outbox. Sources of one store need different ones
---@field statuses? table<any, "open"|"won"|"lost"|"stalled"> what the CRM's own words for a sale's status mean
---@field tenant? string whose sales they are; `leadcat worker` gives `step` that tenant's engine
---@field table? string as `leadcat outbox sql` had it; default leadcat_outbox
---@field batch? integer how many rows are handled together, 1 to 1,000; default 200
---@field late? "skip"|"apply" what becomes of events that are older than the company's newest change; default skip
---@field lease? integer seconds, 1 to 300, after which another consumer takes over from one that was killed; default 30

---@class leadcat.outbox.Counts
---@field handled integer rows that were handled, and are gone
---@field parked integer companies whose events cannot be taken now, and are tried again later
---@field problems integer rows that cannot be understood: they stay, with the reason in their column `problem`
---@field error? string the first reason of the parked or the problems
---@field lag? number seconds, the age of the oldest row that waits, by this process's clock; nil where that was not looked at
---@field more boolean whether there are more rows to be read at once
---@field is_waiting? boolean another consumer has the lease

---@class leadcat.outbox.Source
---@field name string
---@field tenant? string
local Source = {}
Source.__index = Source

local function execute(self, statement, parameters)
  return session.execute(self.adapter, statement, parameters)
end

--- Gives up the lease, so that another consumer need not wait for its end. The source can be used again.
---@return true? done, string? message, string? code
function Source:close()
  return self.lease:close()
end

-- Goes back to the first row.
local function start_anew(self)
  self.after, self.is_full = "0", self.stuck:begin_pass()
end

-- Rows ----------------------------------------------------------------------------------------------------------------

local COLUMNS = { -- and what a row calls them
  "id", "at", "operation", "sale", "name", "old_company", "old_status", "new_company", "new_status", "actor",
}

-- The next rows, by column.
local function read(self)
  local rows, message = session.query(self.adapter, self.find_rows, { self.after })
  for place, row in ipairs(rows or {}) do
    rows[place] = {}
    for i, column in ipairs(COLUMNS) do
      rows[place][column] = row[i]
    end
  end
  return rows, message
end

local function sale_of(row, company, status)
  return { id = row.sale, name = row.name ~= "" and row.name or nil, company = company, status = status }
end

-- The events of a row; or nil and why it cannot be understood. Ids of rows may be given again when the table is made anew,
-- so the time goes with them.
local function events_of(self, row)
  local at = tonumber(row.at)
  local events, message = hooks.sale_saved(
    row.operation ~= "insert" and sale_of(row, row.old_company, row.old_status) or nil,
    row.operation ~= "delete" and sale_of(row, row.new_company, row.new_status) or nil, {
      source = self.name, version = ("%s@%.3f"):format(row.id, at), at = at, statuses = self.statuses,
      actor = row.actor ~= "" and { id = row.actor } or nil,
    })
  for _, event in ipairs(events or {}) do
    message = message or event_of.problem(event)
  end
  return not message and events or nil, message
end

-- What becomes of rows: `done` and `problems` are those that need no more; of each other row, the `events` have the place.
local function plan(self, rows)
  local work = { done = {}, problems = {}, events = {}, rows = {} }
  for _, row in ipairs(rows) do
    local events, problem = events_of(self, row)
    row.company = events and events[1] and events[1].company
    if problem then
      row.problem = problem
      work.problems[#work.problems + 1] = row
    elseif not row.company then
      work.done[#work.done + 1] = row
    elseif not self.stuck:is_parked(row.company) then
      work.rows[#work.rows + 1] = row
      for _, event in ipairs(events) do
        work.events[#work.events + 1] = event
        row.last = #work.events
      end
    end
  end
  return work
end

-- Handling ------------------------------------------------------------------------------------------------------------

local function handle(self, engine, events)
  return #events == 0 and {} or stuck.handle(engine, events, { late = self.late })
end

-- Sorts the rows by what became of their events. The first of a company that is not taken parks it, or is a problem.
local function sort(self, work, outcomes)
  local failed, parked = {}, 0
  for _, row in ipairs(work.rows) do
    local outcome = outcomes[row.last] or { status = "not_taken" } -- of its events, the last is taken last
    if outcome.status ~= "not_taken" then
      self.stuck:release(row.company)
      work.done[#work.done + 1] = row
    elseif not failed[row.company] then
      failed[row.company] = true
      if outcome.code == "invalid" then
        row.problem = outcome.error
        work.problems[#work.problems + 1] = row
      else
        self.stuck:park(row.company)
        parked = parked + 1
        work.error = work.error or ("company %s: %s"):format(row.company, outcome.error or "its event was not taken")
      end
    end
  end
  return parked
end

-- Deletes what is done. A statement has always as many places, so that it is prepared once: the last id fills them.
local function delete(self, rows)
  for first = 1, #rows, PLACES do
    local ids = {}
    for i = 1, PLACES do
      ids[i] = rows[math.min(first + i - 1, #rows)].id
    end
    local changed, message = execute(self, self.delete, ids)
    if not changed then
      return nil, message
    end
  end
  return true
end

local function keep_problems(self, rows)
  for _, row in ipairs(rows) do
    local changed, message = execute(self, self.set_problem, { row.problem:sub(1, LONGEST_PROBLEM), row.id })
    if not changed then
      return nil, message
    end
  end
  return true
end

-- Handles rows: the counts; or nil, message, code.
local function take(self, engine, rows)
  local work = plan(self, rows)
  local outcomes, message, code = handle(self, engine, work.events)
  if not outcomes then
    return nil, message, code
  end
  local parked = sort(self, work, outcomes)
  local ok, why = delete(self, work.done)
  if ok then
    ok, why = keep_problems(self, work.problems)
  end
  if not ok then
    return nil, why, "unavailable"
  end
  local problem = work.problems[1]
  return {
    handled = #work.done, parked = parked, problems = #work.problems,
    error = problem and ("row %s: %s"):format(problem.id, problem.problem) or work.error,
  }
end

--- Handles the next rows. No transaction is open meanwhile. Call it again at once while it has `handled` some or there are
-- `more`, and after a while otherwise.
---@param engine leadcat.Engine
---@return leadcat.outbox.Counts? counts
---@return string? message, string? code nothing is lost: what was read is read again
function Source:step(engine)
  local nothing = { handled = 0, parked = 0, problems = 0, more = false }
  local is_mine, message = self.lease:hold()
  if is_mine == nil then
    return nil, message, "unavailable"
  end
  nothing.is_waiting = not is_mine or nil
  if self.after == "0" or self.is_full then
    start_anew(self)
  end
  if not is_mine or self.is_full then
    return nothing
  end
  local rows, why = read(self)
  if not rows then
    return nil, why, "unavailable"
  end
  local counts, failure, code = take(self, engine, rows)
  if not counts then
    return nil, failure, code
  end
  if self.after == "0" then
    counts.lag = rows[1] and math.max(0, core.now() - tonumber(rows[1].at)) or 0
  end
  counts.more = #rows == self.batch
  self.after = counts.more and rows[#rows].id or "0"
  return counts
end

-- The source ----------------------------------------------------------------------------------------------------------

local OPTIONS = {
  adapter = options_of.kind("an adapter, such as that of leadcat.host.sql.dbi", function(value)
    return type(value) == "table" and dialects[value.dialect] ~= nil
  end),
  source = options_of.kind("a text of 1 to 60 bytes", function(value)
    return type(value) == "string" and #value >= 1 and #value <= 60
  end),
  statuses = options_of.of_type("table", "a table of open, won, lost or stalled by the CRM's words"),
  tenant = options_of.of_type "string", table = options_of.of_type "string",
  batch = options_of.whole(1, 1000), lease = options_of.whole(1, 300),
  late = options_of.one_of { "skip", "apply" },
}

local PLAIN = { open = "open", won = "won", lost = "lost", stalled = "stalled" }

-- The statuses by the texts that the database gives.
local function by_text(statuses)
  local texts = {}
  for word, status in pairs(statuses) do
    texts[event_of.key(word) or tostring(word)] = status
  end
  return texts
end

-- Adds the statements and the lease.
local function prepare(self, name, seconds)
  local dialect, columns = dialects[self.adapter.dialect], {}
  local rows, problem = schema.quoted(dialect, name, "")
  if not rows then
    error(("leadcat.source.outbox: table '%s': %s"):format(name, problem), 4)
  end
  for i, column in ipairs(COLUMNS) do
    columns[i] = session.as_text(dialect, column)
  end
  self.find_rows = ("SELECT %s FROM %s WHERE id > ? AND problem IS NULL ORDER BY id LIMIT %d"):format(
    table.concat(columns, ", "), rows, self.batch)
  self.delete = ("DELETE FROM %s WHERE id IN (?%s)"):format(rows, (", ?"):rep(PLACES - 1))
  self.set_problem = ("UPDATE %s SET problem = ? WHERE id = ?"):format(rows)
  self.lease = lease(self.adapter, assert(schema.quoted(dialect, name, "_lease")), dialect.now, seconds)
end

-- A source for `leadcat worker`, or to be called with `step`. Raises on a wrong option.
local function new(options)
  options_of.check(options, OPTIONS, "leadcat.source.outbox: ")
  if not options or not options.adapter then
    error("leadcat.source.outbox: option 'adapter' is missing", 3)
  end
  local self = setmetatable({
    adapter = options.adapter, name = options.source or "outbox", statuses = by_text(options.statuses or PLAIN),
    tenant = options.tenant, batch = options.batch or BATCH, late = options.late or "skip", stuck = stuck.new(),
    after = "0",
  }, Source)
  hooks.sale_saved(nil, { id = 1, status = next(self.statuses) }, { statuses = self.statuses }) -- raises on a wrong one
  prepare(self, options.table or schema.TABLE, options.lease or LEASE)
  return self
end

outbox.schema = schema.ddl

return setmetatable(outbox, {
  --- A source that reads a table which triggers of the CRM's database fill. For `leadcat worker`, or to be called with `step`. Raises on
  --- a wrong option.
  ---@param options leadcat.outbox.Options
  ---@return leadcat.outbox.Source
  __call = function(_, options)
    local source = new(options)
    return source
  end,
})
