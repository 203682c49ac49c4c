--- Methods of a shared store for the sequence of all that was done.
--
-- Those who write may commit in another order than that in which they took a number, and a reader must not go past one
-- that is still to come. So they take none: what was done is written with its effects (`statements.put`), and gets its
-- number once it is committed, from whoever follows, who holds the tenant's row of leadcat.sequence until the numbers
-- are committed. What can be seen has lower numbers than all that cannot be seen yet, whatever is running. In one such
-- step the order is that of places: of two that were written one after the other the later one has the higher place, and
-- where it can be seen, so can the earlier one. A row has several changes of one commit; its number is that of the last one.

local pg = require "leadcat.store.pg"

---@class leadcat.sql.Store
local changes = {}

local BATCH = 256 -- rows whose changes one statement numbers: it looks through all of them for each

-- $2 how many, $3 ms that the clock is ahead. Numbers are above those before, those of the entries, and the time, so that
-- they also are where an older copy of the database has been put in its place. Who comes second waits for the row, and
-- leaves what the first one has numbered. Gives how many it looked at.
local NUMBER = pg.statement([[
WITH n AS MATERIALIZED (SELECT place, (SELECT max(e) FROM unnest(entry) AS e) AS newest,
    sum(cardinality(entry)) OVER (ORDER BY place)::int8 AS upto
  FROM (SELECT place, entry FROM leadcat.change WHERE tenant = $1::bytea AND number IS NULL ORDER BY place
    LIMIT $2::int8) c),
a AS MATERIALIZED (SELECT count(*) AS count, max(upto) AS changes, greatest(max(newest),
  ((extract(epoch FROM clock_timestamp()) * 1000)::int8 + $3::int8) * 1024) AS above FROM n),
s AS (INSERT INTO leadcat.sequence AS s (tenant, last, removed) SELECT $1::bytea, above + changes, 0 FROM a
    WHERE count > 0
  ON CONFLICT (tenant) DO UPDATE SET last = greatest(excluded.last, s.last + (SELECT changes FROM a)) RETURNING last),
c AS (UPDATE leadcat.change c SET number = s.last - a.changes + n.upto FROM n, a, s
  WHERE c.tenant = $1::bytea AND c.place = ANY (ARRAY(SELECT place FROM n)) AND c.place = n.place
    AND c.number IS NULL RETURNING 1)
SELECT (SELECT count FROM a), (SELECT count(*) FROM c)]], { "bytea", "int8", "int8" })

-- Behind the number $2, at most $3; before them up to which they were removed, the last number, and whether some wait for
-- theirs.
local READ = pg.statement([[
SELECT coalesce(s.removed, 0), NULL::text, NULL::bytea, coalesce(s.last, 0), EXISTS (SELECT 1 FROM leadcat.change
  WHERE tenant = $1::bytea AND number IS NULL)
FROM (SELECT 1) o LEFT JOIN leadcat.sequence s ON s.tenant = $1::bytea
UNION ALL (SELECT o.number, o.kind, e.record, NULL, NULL
  FROM (SELECT c.number - cardinality(c.entry) + o.part AS number, o.entry, o.kind
    FROM (SELECT number, entry, kind FROM leadcat.change WHERE tenant = $1::bytea AND number > $2::int8 ORDER BY number
      LIMIT $3::int8) c CROSS JOIN LATERAL unnest(c.entry, c.kind) WITH ORDINALITY AS o(entry, kind, part)
    WHERE c.number - cardinality(c.entry) + o.part > $2::int8 ORDER BY 1 LIMIT $3::int8) o
  LEFT JOIN leadcat.entry e ON e.tenant = $1::bytea AND e.entry = o.entry)]],
  { "bytea", "int8", "int8" })

--- Gives numbers to what was committed and has none yet, to some of it: whether there may be more.
---@param tenant string
---@return boolean? more, string? message, string? code
function changes:number_changes(tenant)
  local rows, message, code = self:insist(NUMBER, { tenant, BATCH, self:ahead() }, "sequence of changes")
  if not rows then
    return nil, message, code
  end
  return rows[1][1] == BATCH
end

-- What there is behind a number: the head, and a list in order.
local function read(self, tenant, after, limit)
  local rows, message, code = self:run(READ, { tenant, after, limit })
  if not rows then
    return nil, message, code
  end
  local head, list = nil, {}
  for _, row in ipairs(rows) do
    if row[2] then
      list[#list + 1] = row
    else
      head = { removed = row[1], last = row[4], more = row[5] }
    end
  end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  return head, list
end

-- As `read`, with what was committed before: numbered, as far as there is room for it in the list.
local function read_all(self, tenant, after, limit)
  while true do
    local head, list, code = read(self, tenant, after, limit)
    if not head or not head.more or #list >= limit then
      return head, list, code
    end
    local more, message
    more, message, code = self:number_changes(tenant)
    if more == nil then
      return nil, message, code
    end
  end
end

function changes:changes(tenant, after, limit)
  local head, list, code = read_all(self, tenant, after, limit)
  if not head then
    return nil, list, code
  end
  local found, last = {}, after
  for _, row in ipairs(list) do
    last = row[1]
    if row[3] then -- else retention has removed the entry
      local entry, message
      entry, message, code = self.core:show_entry(row[3])
      if not entry then
        return nil, message, code
      end
      found[#found + 1] = { number = row[1], kind = row[2], entry = entry }
    end
  end
  return found, last, head.removed
end

function changes:newest_change(tenant)
  local head, message, code = read_all(self, tenant, 2 ^ 53, 1)
  return head and head.last, message, code
end

return changes
