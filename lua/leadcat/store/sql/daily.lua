--- Methods of a shared store for counters by day.
--
-- Whoever writes an entry adds a row to leadcat.daily_new in the same statement: if all added to the same counter, each
-- would wait for the commit of the one before. The rows are added up when they are read, and put into leadcat.daily by
-- `trim` (retention) now and then.

local pg = require "leadcat.store.pg"

---@class leadcat.sql.Store
local daily = {}

local FOLDED = 10000 -- rows that one statement adds to their counters
local KEPT = 1096 -- days that counters are kept: three years, as on one machine (src/store/daily.c)

-- $2 behind which counter, $3 how many. First the day since which all is counted (0: always).
local READ = pg.statement([[
SELECT ''::bytea, coalesce((SELECT since FROM leadcat.daily_head WHERE tenant = $1::bytea), 0)
UNION ALL (SELECT counted, sum(count)::int8 FROM (
    SELECT counted, count FROM leadcat.daily WHERE tenant = $1::bytea AND counted > $2::bytea
    UNION ALL SELECT counted, more FROM leadcat.daily_new WHERE tenant = $1::bytea AND counted > $2::bytea) d
  GROUP BY counted HAVING sum(count) > 0 ORDER BY counted LIMIT $3::int8)]],
  { "bytea", "bytea", "int8" })

-- What another one takes at the same time is gone when it is our turn.
local FOLD = pg.statement([[
WITH n AS (DELETE FROM leadcat.daily_new WHERE tenant = $1::bytea AND place = ANY (ARRAY(SELECT place
    FROM leadcat.daily_new WHERE tenant = $1::bytea ORDER BY place LIMIT $2::int8)) RETURNING counted, more),
d AS (INSERT INTO leadcat.daily AS d (tenant, counted, count)
  SELECT $1::bytea, counted, sum(more) FROM n GROUP BY counted HAVING sum(more) <> 0 ORDER BY counted
  ON CONFLICT (tenant, counted) DO UPDATE SET count = d.count + excluded.count RETURNING 1)
SELECT count(*) FROM n]], { "bytea", "int8" })

local REMOVE = pg.statement([[
WITH d AS (DELETE FROM leadcat.daily WHERE tenant = $1::bytea AND counted < $2::bytea RETURNING 1)
SELECT count(*) FROM d]], { "bytea", "bytea" })

-- The first counter of a day has a key behind this.
local function key_of_day(day)
  return string.char(math.floor(day / 2 ^ 24) % 256, math.floor(day / 2 ^ 16) % 256, math.floor(day / 2 ^ 8) % 256,
    day % 256)
end

function daily:daily(tenant, since, after, limit)
  local from = after ~= "" and after or key_of_day(math.max(since, 1))
  local rows, message, code = self:run(READ, { tenant, from, limit })
  if not rows then
    return nil, message, code
  end
  local list, whole = {}, 0
  for _, row in ipairs(rows) do
    if row[1] == "" then
      whole = row[2]
    else
      local counter
      counter, message, code = self.core:show_daily(row[1], row[2])
      if not counter then
        return nil, message, code
      end
      list[#list + 1] = counter
    end
  end
  return list, { since = whole > 0 and whole or nil, recount = "done", place = 0 }
end

--- Adds up what is new, and removes what is too old: for `trim`.
---@return true? done, string? message, string? code
function daily:fold_daily(tenant, now)
  local rows, message, code = self:insist(FOLD, { tenant, FOLDED }, "counters by day")
  if rows then
    rows, message, code = self:insist(REMOVE, { tenant, key_of_day(math.floor(self:time(now) / 86400) - KEPT) },
      "counters by day")
  end
  return rows and true, message, code
end

return daily
