--- Methods of a shared store for upkeep: retention, what is due, counters, persons that are to be forgotten, health.

local core = require "leadcat.core"
local statements = require "leadcat.store.sql.statements"
local world = require "leadcat.store.sql.world"

---@class leadcat.sql.Store
local upkeep = {}

local STEP = 512 -- entries that one call of `trim` looks at
local MOST_MARKS = 1000
local NUMBERED = 8 -- at most so often changes are numbered for a step: there are fewer of its entries

-- Counters -----------------------------------------------------------------------------------------------------------

function upkeep:add(items)
  local tenants, names, values = {}, {}, {}
  for i, item in ipairs(items) do
    tenants[i], names[i], values[i] = item.tenant, item.name, item.value
  end
  local settled, message, code = self:settle(true)
  if not settled then
    return nil, message, code
  end
  local rows
  rows, message, code = self:run_here(statements.add, { tenants, names, values })
  return rows and true, message, code
end

function upkeep:counters(tenant)
  local rows, message, code = self:run(statements.counters, { tenant })
  if not rows then
    return nil, message, code
  end
  local counters = {}
  for _, row in ipairs(rows) do
    counters[row[1]] = row[2]
  end
  return counters
end

-- Marks --------------------------------------------------------------------------------------------------------------

--- The marks that wait, with their time, for a statement that writes them.
function upkeep:take_marks()
  local marks, time = self.core:take_marks() or {}, math.floor(self:time(self.marked_at or core.now()) * 1000000)
  for _, mark in ipairs(marks) do
    mark.written = time
  end
  return marks
end

function upkeep:keep_marks(marks)
  self.core:keep_marks(marks)
end

--- Writes them in a statement of their own. `along`: of no commit of its own.
function upkeep:settle(along)
  local marks = self:take_marks()
  if #marks == 0 then
    return true
  end
  local columns = { {}, {}, {}, {}, {} }
  for i, mark in ipairs(marks) do
    columns[1][i], columns[2][i], columns[3][i], columns[4][i] = mark.tenant, mark.event_id, mark.written, mark.record
    columns[5][i] = mark.company
  end
  local rows, message, code = self:run(statements.marks, columns, along ~= true)
  if not rows then
    self.core:keep_marks(marks)
    return nil, message, code
  end
  return true
end

-- Retention ----------------------------------------------------------------------------------------------------------

-- Before when something was written that is too old (µs; 0: nothing is), where the newest one was written at that time.
local function limit_of(self, age, now, newest)
  if age <= 0 or not newest then
    return 0
  end
  return math.floor(math.min(self:time(now) * 1000000, newest) - age * 1000000)
end

local LOGS = { journal = "entry", unchanged = "unchanged", marks = "marks", deliveries = "delivery" }

local function newest_of(self, what, tenant)
  local rows, message, code = self:run(what == "marks" and statements.newest_mark or statements.newest_written,
    what == "marks" and { tenant } or {})
  if not rows then
    return nil, message, code
  end
  return rows[1][1] or false
end

function upkeep:trim(tenant, age, count, now, from, what)
  what = what or "journal"
  local newest, message, code = newest_of(self, what, tenant)
  if newest == nil then
    return nil, message, code
  end
  local rows
  if what == "journal" then -- changes are removed by their numbers, also where nobody follows them
    for _ = 1, NUMBERED do
      rows, message, code = self:number_changes(tenant)
      if rows == nil then
        return nil, message, code
      elseif not rows then
        break
      end
    end
    rows, message, code = self:fold_daily(tenant, now)
    if not rows then
      return nil, message, code
    end
  end
  rows, message, code = self:insist(statements["trim_" .. LOGS[what]],
    { tenant, limit_of(self, age, now, newest), count, from, STEP }, what)
  if not rows then
    return nil, message, code
  end
  local removed, last, looked_at = rows[1][1], rows[1][2], rows[1][3]
  return removed, looked_at == STEP and (last or 1) or 0
end

local function due_of_log(self, log, age, count, now, after, is_first)
  local newest, message, code = newest_of(self, log, "")
  if newest == nil then
    return nil, message, code
  end
  local rows
  rows, message, code = self:run(statements["due_" .. LOGS[log]], { after, is_first, count })
  if not rows then
    return nil, message, code
  end
  local tenants = {}
  for _, row in ipairs(rows) do
    if row[3] or row[2] < limit_of(self, age, now, row[4] or newest) then
      tenants[#tenants + 1] = row[1]
    end
  end
  return tenants, #rows == 64 and ">" .. rows[64][1] or ""
end

-- The first column.
local function tenants_of(rows)
  local tenants = {}
  for i, row in ipairs(rows) do
    tenants[i] = row[1]
  end
  return tenants
end

function upkeep:due(work, age, count, now, place)
  local is_first, after = place == "", place:sub(2)
  if work ~= "changes" and work ~= "timed" then
    return due_of_log(self, work, age, count, now, after, is_first)
  end
  local time = work == "timed" and self:milliseconds(now) or self:ahead()
  local rows, message, code = self:run(statements["due_" .. work], { after, is_first, time })
  if not rows then
    return nil, message, code
  end
  return tenants_of(rows), #rows == 256 and ">" .. rows[256][1] or ""
end

-- Other databases of a spread store ----------------------------------------------------------------------------------

--- A tenant of each database that nodes have used, as they have told this one.
---@return string[]? tenants, string? message, string? code
function upkeep:spread()
  local rows, message, code = self:run(statements.spread, {})
  if not rows then
    return nil, message, code
  end
  return tenants_of(rows)
end

--- Tells it of more of them.
function upkeep:add_spread(tenants)
  return self:run(statements.add_spread, { tenants }, true)
end

-- Persons ------------------------------------------------------------------------------------------------------------

local SHOWS = { journal = "show_entry", unchanged = "show_entry", questions = "show_question" }

local function place_at(where, from)
  if where == "questions" then
    return from
  end
  return from == "" and 0 or tonumber(from)
end

function upkeep:find_traces(tenant, where, texts, from)
  local list = {}
  for i, item in ipairs(texts) do
    list[i] = item.text
  end
  local rows, message, code = self:run(statements["traces_" .. where], { tenant, place_at(where, from), list })
  if not rows then
    return nil, message, code
  end
  local found = {}
  for _, row in ipairs(rows) do
    if row[2] then
      local trace = where == "revisions" and { about = row[2], revision = row[1] }
      if not trace then
        trace, message, code = self.core[SHOWS[where]](self.core, row[2])
      end
      if not trace then
        return nil, message, code
      end
      trace.record = where == "revisions" and ("%.0f %s"):format(row[1], row[2]) or row[2]
      found[#found + 1] = trace
    end
  end
  local last = rows[#rows]
  local place = last and #rows == 1000 and (where == "questions" and last[1] or ("%.0f"):format(last[1])) or ""
  return found, place
end

local function erase_abouts(self, tenant, items)
  local count = 0
  for _, item in ipairs(items) do
    local revision, about = item.record:match "^(%d+) (.*)$"
    local rows, message, code = self:run(statements.erase_about, { tenant, tonumber(revision), about, item.json
      or about }, true)
    if not rows then
      return nil, message, code
    end
    count = count + rows[1][1]
  end
  return count
end

function upkeep:erase(tenant, where, items)
  if where == "revisions" then
    return erase_abouts(self, tenant, items)
  end
  local companies, entries, questions, records = {}, {}, {}, {}
  for i, item in ipairs(items) do
    records[i] = item.record
    local shown = self.core[SHOWS[where]](self.core, item.record)
    if where == "questions" and shown then
      questions[#questions + 1] = shown.id:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end)
      companies[#companies + 1] = tostring(shown.company)
    elseif shown then
      entries[#entries + 1] = shown.entry
    end
  end
  local answer, message, code = world.change(self, tenant, {
    method = "erase",
    keys = function()
      return {
        companies = companies, entries = where == "journal" and entries or nil, questions = questions,
        unchanged = where == "unchanged" and records or nil,
      }
    end,
    arguments = function() return where, items end,
  })
  if not answer then
    return nil, message, code
  end
  return answer[1], answer[2], answer[3]
end

local function is_word(text, word)
  local from = 1
  while true do
    local first, last = text:find(word, from, true)
    if not first then
      return false
    elseif not text:sub(first - 1, first - 1):find "[%w\128-\255]" and not text:sub(last + 1,
      last + 1):find "[%w\128-\255]"
      or first == 1 and last == #text then
      return true
    end
    from = first + 1
  end
end

local function names_any(texts, companies, id, mark)
  for _, item in ipairs(texts) do
    if is_word(id, item.text) or is_word(mark.error or "", item.text) or companies
      and tostring(mark.company) == item.text then
      return true
    end
  end
  return false
end

-- Where `erase_marks` has come, by the numbers that it has given.
function upkeep:erase_marks(tenant, texts, companies, from)
  self.mark_places = from ~= 0 and self.mark_places or {}
  local rows, message, code = self:run(statements.marks_after, { tenant, self.mark_places[from] or "", MOST_MARKS })
  if not rows then
    return nil, message, code
  end
  local ids = {}
  for _, row in ipairs(rows) do
    local mark = self.core:show_mark(row[1], row[2])
    if mark and names_any(texts, companies, row[1], mark) then
      ids[#ids + 1] = row[1]
    end
  end
  local following = 0
  if #rows == MOST_MARKS then
    following = from + 1
    self.mark_places[following] = rows[#rows][1]
  end
  if #ids == 0 then
    return 0, following
  end
  rows, message, code = self:run(statements.erase_marks, { tenant, ids }, true)
  return rows and rows[1][1], rows and following or message, code
end

-- Health -------------------------------------------------------------------------------------------------------------

function upkeep:check_readers()
  return self.core:check_readers()
end

--- Whether the database answers, and commits.
function upkeep:probe(age)
  local ok, message, code = self:run(statements.ping, {})
  if ok and core.uptime() - self.committed_at >= age then
    ok, message, code = self:run(statements.barrier, {}, true)
  end
  return ok and true, message, code
end

-- What an operator looks at: this process's, and without asking more of the database than `poll` does.
local function condition_of(self)
  self:poll()
  local looked, behind = self:freshness()
  return {
    primary = self.is_reached, problem = self.trouble, rules_age = core.uptime() - looked, rules_behind = behind,
    unknown = self.unknown, overtaken = self.overtaken, apart = self.apart, together = self.theirs ~= nil,
    connections = self.database:state(), queue = self.writers and self.writers:state(),
  }
end

function upkeep:stats(near)
  local stats, message, code = self.core:stats()
  if not stats then
    return nil, message, code
  end
  stats.shared, stats.commits = condition_of(self), {
    count = self.commits, seconds = self.seconds, slowest = self.slowest,
  }
  if near then
    return stats
  end
  local rows
  rows, message, code = self:run(statements.count_unfinished, {})
  if not rows then
    return nil, message, code
  end
  stats.unfinished = rows[1][1]
  return stats
end

function upkeep.copy()
  return nil, "what is shared is copied with the database's own tools: pg_dump --schema=leadcat for "
    .. "leadcat's tables, pg_basebackup for the server", "unavailable"
end

return upkeep
