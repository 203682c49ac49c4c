--- A method of a shared store that counts its journal anew, while others write.
--
-- Whoever writes an entry adds to the counters in the same transaction. So what one snapshot of the database has in its journal, and
-- not in its counters, is missing for ever, whatever is written meanwhile: that difference is added, as rows of leadcat.daily_new. One
-- snapshot is one transaction: who is interrupted has done nothing.

local pg = require "leadcat.store.pg"
local platform = require "leadcat.util.platform"
local protected = require "leadcat.util.protected"

---@class leadcat.sql.Store
local recount = {}

local PAGE = 4096 -- entries that are read at once
local TRIES = 8
local AGAIN = { ["40001"] = true, ["40P01"] = true } -- not serializable, a deadlock
local WAITED = { ["55P03"] = true, ["57014"] = true } -- for a lock, or a statement's time was over

local BEGIN, COMMIT = pg.statement "BEGIN ISOLATION LEVEL REPEATABLE READ", pg.statement "COMMIT"

-- Begins the snapshot, with a lock: of two who count at once the second one begins anew when the first one is done. Only in the
-- database $1 that the node knows.
local LOCK = pg.statement([[
UPDATE leadcat.meta SET value = value + 1 WHERE name = 'recounts'
  AND $1::int8 = (SELECT value FROM leadcat.meta WHERE name = 'cluster') RETURNING value]], { "int8" })

-- The last day of which retention has removed entries, and the counters of the days behind it.
local COUNTERS = pg.statement([[
WITH h AS (SELECT coalesce((SELECT removed FROM leadcat.daily_head WHERE tenant = $1::bytea), 0) AS removed)
SELECT NULL::bytea, removed FROM h
UNION ALL (SELECT counted, sum(count)::int8 FROM (
    SELECT counted, count FROM leadcat.daily WHERE tenant = $1::bytea
    UNION ALL SELECT counted, more FROM leadcat.daily_new WHERE tenant = $1::bytea) d GROUP BY counted)]], { "bytea" })

local ENTRIES = pg.statement([[
SELECT entry, record FROM leadcat.entry WHERE tenant = $1::bytea AND entry > $2::int8 ORDER BY entry LIMIT $3::int8]],
  { "bytea", "int8", "int8" })
local QUESTIONS = pg.statement([[
SELECT id, record FROM leadcat.question WHERE tenant = $1::bytea AND id = ANY ($2::bytea[])]], { "bytea", "bytea[]" })

local ADD = pg.statement([[
WITH p AS MATERIALIZED (SELECT nextval('leadcat.change_place') * 1048576 AS place)
INSERT INTO leadcat.daily_new (tenant, place, counted, more)
  SELECT $1::bytea, p.place + d.part, d.counted, d.more
  FROM p CROSS JOIN unnest($2::bytea[], $3::int4[]) WITH ORDINALITY AS d(counted, more, part)]],
  { "bytea", "bytea[]", "int4[]" })

-- All days are counted whole then, but those of which entries were removed.
local HEAD = pg.statement([[
WITH h AS (UPDATE leadcat.daily_head SET since = CASE WHEN $2::int8 = 0 THEN 0 ELSE $2::int8 + 1 END
  WHERE tenant = $1::bytea AND since > $2::int8 RETURNING 1) SELECT count(*) FROM h]], { "bytea", "int8" })

local function day_of(counted)
  local a, b, c, d = counted:byte(1, 4)
  return ((a * 256 + b) * 256 + c) * 256 + d
end

---@class leadcat.sql.Recount what one snapshot has
---@field store leadcat.sql.Store
---@field session leadcat.pg.Connection
---@field tenant string
---@field removed integer the last day of which retention has removed entries
---@field missing table<string, integer> by what is counted
---@field place integer the last entry that was counted
local Recount = {}
Recount.__index = Recount

function Recount:run(statement, params)
  return self.session:run(statement, params)
end

function Recount:add(counted, more)
  if day_of(counted) > self.removed then
    self.missing[counted] = (self.missing[counted] or 0) + more
  end
end

function Recount:read_counters()
  local rows, message, code, problem = self:run(COUNTERS, { self.tenant })
  for _, row in ipairs(rows or {}) do
    self.removed = row[1] == nil and row[2] or self.removed
  end
  for _, row in ipairs(rows or {}) do
    if row[1] then
      self:add(row[1], -row[2])
    end
  end
  return rows, message, code, problem
end

-- Counts entries whose questions tell as what; retention may have removed these.
function Recount:count_answers(records, ids)
  local rows, message, code, problem = self:run(QUESTIONS, { self.tenant, ids })
  if not rows then
    return nil, message, code, problem
  end
  local core, proposed = self.store.core, {}
  for _, row in ipairs(rows) do
    local question
    question, message, code = core:show_question(row[2])
    if not question then
      return nil, message, code
    end
    proposed[row[1]] = question.to
  end
  for i, record in ipairs(records) do
    self:add(core:count_as(record, proposed[ids[i]] or 0), 1)
  end
  return true
end

-- Counts a page of the journal; whether there may be more.
function Recount:count_page()
  local rows, message, code, problem = self:run(ENTRIES, { self.tenant, self.place, PAGE })
  if not rows then
    return nil, message, code, problem
  end
  local core, records, ids = self.store.core, {}, {}
  for _, row in ipairs(rows) do
    local counted, asks, damaged = core:count_as(row[2])
    if damaged then
      return nil, asks, damaged
    elseif asks then
      records[#records + 1], ids[#ids + 1] = row[2], asks
    elseif counted then
      self:add(counted, 1)
    end
    self.place = row[1]
  end
  local done = true
  if records[1] then
    done, message, code, problem = self:count_answers(records, ids)
  end
  return done and #rows == PAGE, message, code, problem
end

function Recount:add_missing()
  local counted, more = {}, {}
  for text, count in pairs(self.missing) do
    if count ~= 0 then
      counted[#counted + 1], more[#more + 1] = text, count
    end
  end
  if not counted[1] then
    return true
  end
  return self:run(ADD, { self.tenant, counted, more })
end

-- All of it, in a transaction that a failure leaves open: with its session it is closed.
function Recount:count()
  local done, message, code, problem = self:run(BEGIN)
  if done then
    done, message, code, problem = self:run(LOCK, { self.store.cluster })
  end
  if done and not done[1] then
    return nil, "another database is in the place of the one that was known: nothing was counted", "unavailable"
  elseif done then
    done, message, code, problem = self:read_counters()
  end
  while done do
    done, message, code, problem = self:count_page()
    platform.give_way()
  end
  if done == false then
    done, message, code, problem = self:add_missing()
  end
  if done then
    done, message, code, problem = self:run(COMMIT)
  end
  return done, message, code, problem
end

local function count_once(self, tenant)
  local session, message, code, problem = self.database:acquire()
  if not session then
    return nil, message, code, problem
  end
  local one = setmetatable({ store = self, session = session, tenant = tenant, removed = 0, missing = {}, place = 0 },
    Recount)
  local ok, done
  ok, done, message, code, problem = protected.call(one.count, one)
  self.database:release(session)
  if not ok then
    error(done, 0)
  end
  return done and one, message, code, problem
end

--- In one call: what is read is of one moment.
function recount:recount(tenant)
  for _ = 1, TRIES do
    local one, message, code, problem = count_once(self, tenant)
    local sqlstate = problem and problem.sqlstate
    if one then
      local rows
      rows, message, code = self:insist(HEAD, { tenant, one.removed }, "counters by day")
      return rows and { recount = "done", place = one.place, since = one.removed > 0 and one.removed + 1 or nil },
        message, code
    elseif sqlstate and WAITED[sqlstate] then
      return nil, "somebody else counts a journal of this database", "unavailable"
    elseif not sqlstate or not AGAIN[sqlstate] then
      return nil, message, code == "failed" and "io" or code
    end
  end
  return nil, "others keep counting journals of this database", "unavailable"
end

return recount
