--- What is said to the database of a shared store.

local merged = require "leadcat.util.merged"
local pg = require "leadcat.store.pg"

local statements = {}

local function statement(name, types, sql)
  local list = {}
  for word in types:gmatch "%S+" do
    list[#list + 1] = word
  end
  statements[name] = pg.statement(sql, list)
end

-- Milliseconds and microseconds of the database's clock, which alone counts. $n is how far it is taken to be ahead
-- (ms), for tests.
local MS = "(extract(epoch FROM clock_timestamp()) * 1000)::int8"
local US = "(extract(epoch FROM clock_timestamp()) * 1000000)::int8"

-- Whether it still is the database that the node knows, whose id is that parameter. What is meant for it is not written into
-- another one in its place.
local function is_here(parameter)
  return ("%s::int8 = (SELECT value FROM leadcat.meta WHERE name = 'cluster')"):format(parameter)
end

-- Rules --------------------------------------------------------------------------------------------------------------

-- The counter moves in the transaction that saves: what was saved cannot be missed by who asks for what is behind it.
statement("save", "bytea int8 bytea bytea int8", [[
WITH s AS (UPDATE leadcat.meta SET value = value + 1 WHERE name = 'configs' AND ]] .. is_here "$5" .. [[

    AND $2::int8 = (SELECT coalesce(max(revision), 0) FROM leadcat.config WHERE tenant = $1::bytea) RETURNING value),
c AS (INSERT INTO leadcat.config (tenant, revision, changed, json, about)
  SELECT $1::bytea, $2::int8 + 1, value, $3::bytea, $4::bytea FROM s RETURNING changed)
SELECT (SELECT changed FROM c), ]] .. is_here "$5")
statement("config", "bytea int8", [[
SELECT json FROM leadcat.config WHERE tenant = $1::bytea
  AND revision = CASE WHEN $2::int8 = 0 THEN (SELECT max(revision) FROM leadcat.config
    WHERE tenant = $1::bytea) ELSE $2::int8 END]])
statement("newest_revision", "bytea", "SELECT coalesce(max(revision), 0) FROM leadcat.config WHERE tenant = $1::bytea")
statement("revisions", "bytea", [[
SELECT about, revision FROM leadcat.config WHERE tenant = $1::bytea ORDER BY revision DESC]])
-- What tells the configs up to a counter from those of a database that was restored, and went other ways since.
local ANCHOR = [[
coalesce((SELECT md5(tenant || json) FROM leadcat.config WHERE changed <= %s ORDER BY changed DESC LIMIT 1), '-')]]
statement("anchor", "int8", "SELECT " .. ANCHOR:format "$1::int8")
-- Behind the counter $1: what there is once and the clock (0), and where the counter is another one, all triggers (1), the newest
-- configs of tenants whose rules have changed (2), and the anchor (3).
statement("news", "int8", [[
WITH m AS MATERIALIZED (SELECT name, value FROM leadcat.meta),
n AS MATERIALIZED (SELECT value FROM m WHERE name = 'configs' AND value > $1::int8)
SELECT 0::int4, name, NULL::bytea, value, NULL::bytea, NULL::bytea FROM m
UNION ALL SELECT 0, 'now', NULL, ]] .. US .. [[, NULL, NULL
UNION ALL SELECT 1, t.name, t.about, t.number, NULL, NULL FROM n CROSS JOIN leadcat.trigger t
UNION ALL SELECT 2, NULL, c.about, c.revision, c.tenant, c.json FROM n CROSS JOIN leadcat.config c
  JOIN (SELECT tenant, max(revision) AS revision FROM leadcat.config WHERE changed > $1::int8 GROUP BY tenant) l
    ON c.tenant = l.tenant AND c.revision = l.revision
UNION ALL SELECT 3, ]] .. ANCHOR:format "n.value" .. [[, NULL, NULL, NULL, NULL FROM n]])
statement("triggers", "", "SELECT name, about FROM leadcat.trigger ORDER BY number")
-- All in one statement, or nothing: the number of who comes second is taken.
statement("declare", "text[] bytea[] bool[] int4[]", [[
WITH i AS MATERIALIZED (SELECT * FROM unnest($1::text[], $2::bytea[], $3::bool[], $4::int4[]) AS i(name, about,
  tells, number)),
t AS (INSERT INTO leadcat.trigger AS t (number, name, about) SELECT number, name, coalesce(about, ''::bytea) FROM i
  ON CONFLICT (name) DO UPDATE SET about = CASE WHEN excluded.about = ''::bytea THEN t.about
    ELSE excluded.about END RETURNING 1)
UPDATE leadcat.meta SET value = value + 1 WHERE name = 'configs' AND (SELECT count(*) FROM t) > 0]])

-- What is read before something is decided ---------------------------------------------------------------------------

-- A company's row in numbers, in the order of store/sql/worlds.lua. $CLOCK: ms that the clock is ahead.
local ROW = [[ARRAY[version, newest, category, changed, is_integer::int4, applying, owner,
  deadline - ]] .. MS .. [[ - $CLOCK, retry_at - ]] .. MS .. [[ - $CLOCK, attempts, begun, scheduled,
  scheduled_at]::int8[] ]]

-- The row of a table with this key, found in the order of the one index that begins with the tenant and the key: whenever a
-- plan is made, and be it while the tables are empty, no other index will do without sorting. Where there is none, it is the next.
local function row_of(columns, log, key, value)
  return ("(SELECT %s FROM leadcat.%s o WHERE o.tenant = $1::bytea AND o.%s >= %s ORDER BY o.%s LIMIT 1)"):format(
    columns, log, key, value, key)
end

-- Rows of the entries of a company `k`, in the order of the index that has them.
local function entries_of(columns, condition, order)
  return ([[(SELECT %s FROM leadcat.entry e WHERE e.tenant = $1::bytea AND e.company >= k.company
  AND e.company <= k.company AND %s ORDER BY e.company%s, e.entry%s]]):format(columns, condition, order, order)
end

-- $1 tenant, $2 companies, $3 event ids, $4 entries, $5 questions, $6 whether earlier changes count, $7 cursor, $8 ms
-- that the clock is ahead. Rows: what they are, a key, a record, numbers. Companies of the entries are there, too.
local LOOK = { "bytea bytea[] bytea[] int8[] bytea[] bool bytea int8", ([[
WITH n AS MATERIALIZED (SELECT n.company, n.record FROM unnest($4::int8[]) AS w(entry)
  CROSS JOIN LATERAL ]] .. row_of("entry, company, record", "entry", "entry", "w.entry") .. [[ n
  WHERE n.entry = w.entry),
k AS MATERIALIZED (SELECT * FROM leadcat.company WHERE tenant = $1::bytea
  AND company = ANY ($2::bytea[] || ARRAY(SELECT company FROM n)))
SELECT 0::int4, NULL::bytea, NULL::bytea, ARRAY[(SELECT value FROM leadcat.meta WHERE name = 'configs'),
  ]] .. US .. [[ + $8::int8 * 1000, (SELECT coalesce(max(revision), 0) FROM leadcat.config WHERE tenant = $1::bytea),
  (SELECT value FROM leadcat.meta WHERE name = 'cluster')]
UNION ALL SELECT 1, company, question, $ROW FROM k
UNION ALL SELECT 2, NULL, record, NULL FROM n
UNION ALL SELECT 2, NULL, e.record, NULL FROM k
  CROSS JOIN LATERAL ]] .. row_of("entry, record", "entry", "entry", "k.applying") .. [[ e
  WHERE k.applying IS NOT NULL AND e.entry = k.applying
UNION ALL SELECT 2, NULL, e.record, NULL FROM k
  CROSS JOIN LATERAL ]] .. row_of("entry, record", "entry", "entry", "k.scheduled") .. [[ e
  WHERE k.scheduled IS NOT NULL AND e.entry = k.scheduled
UNION ALL SELECT 2, NULL, q.record, NULL FROM k CROSS JOIN LATERAL ]] .. entries_of("e.record", "e.status = 13", "")
  .. [[ LIMIT 2) q WHERE k.applying IS NOT NULL
UNION ALL SELECT 2, NULL, c.record, NULL FROM k CROSS JOIN LATERAL ]] .. entries_of("e.record", "e.change > 0", " DESC")
  .. [[ LIMIT 200) c WHERE $6::bool
UNION ALL SELECT 3, NULL, q.record, NULL FROM k
  CROSS JOIN LATERAL ]] .. row_of("id, record", "question", "id", "k.question") .. [[ q
  WHERE k.question IS NOT NULL AND q.id = k.question
UNION ALL SELECT 3, NULL, q.record, NULL FROM unnest($5::bytea[]) AS w(id)
  CROSS JOIN LATERAL ]] .. row_of("id, record", "question", "id", "w.id") .. [[ q WHERE q.id = w.id
UNION ALL SELECT 4, w.id, NULL, ARRAY[e.entry] FROM unnest($3::bytea[]) AS w(id)
  CROSS JOIN LATERAL ]] .. row_of("event_id, entry", "entry", "event_id", "w.id") .. [[ e WHERE e.event_id = w.id
UNION ALL SELECT 5, w.id, m.record, NULL FROM unnest($3::bytea[]) AS w(id)
  CROSS JOIN LATERAL ]] .. row_of("event_id, record", "mark", "event_id", "w.id") .. [[ m WHERE m.event_id = w.id
UNION ALL SELECT 6, name, text, NULL FROM leadcat.cursor WHERE tenant = $1::bytea AND name = $7::bytea
UNION ALL SELECT 9, rule, record, ARRAY[version] FROM leadcat.brake WHERE tenant = $1::bytea]]):gsub("%$ROW",
  (ROW:gsub("%$CLOCK", "$8::int8"))) }
statement("look", LOOK[1], LOOK[2])

--- The same with the categories of companies that a CRM keeps in this database (store/sql/theirs.lua).
---@param name string of the statement
---@param theirs leadcat.sql.Theirs
function statements.look_at(name, theirs)
  statement(name, LOOK[1], LOOK[2] .. theirs.look)
  return statements[name]
end

-- All that there is of a company, as rows of the same form.
statement("all_of", "bytea bytea", [[
SELECT 2::int4, NULL::bytea, record FROM leadcat.entry WHERE tenant = $1::bytea AND company = $2::bytea
UNION ALL SELECT 2, NULL, record FROM leadcat.entry WHERE tenant = $1::bytea AND former = $2::bytea
UNION ALL SELECT 7, NULL, record FROM leadcat.unchanged WHERE tenant = $1::bytea AND company = $2::bytea
UNION ALL SELECT 3, NULL, record FROM leadcat.question WHERE tenant = $1::bytea AND company = $2::bytea]])

-- Puts what was read behind a commit that the standbys have.
statement("barrier", "", "SELECT pg_logical_emit_message(true, 'leadcat', '')::text")

-- What is written ----------------------------------------------------------------------------------------------------

-- `f` has a row as long as the rules are the newest, and it is the database that was read. `others` are the companies of which
-- nothing is written: mostly none, so how many there are is looked at first, which makes it cheap to leave them out. The clock is looked
-- at only for what is under way, as its arithmetic is slow. Companies of a CRM come in at `$BEFORE`, `$FITS` and behind it.
local COMPANIES = [[
WITH f AS MATERIALIZED (SELECT 1 WHERE ]] .. is_here "$5" .. [[

  AND ($2::int8 IS NULL
    OR $2::int8 = (SELECT coalesce(max(revision), 0) FROM leadcat.config WHERE tenant = $1::bytea))),$BEFORE
i AS MATERIALIZED (SELECT * FROM unnest($6::bytea[], $7::int8[], $8::int8[], $9::int4[], $10::int8[],
  $11::bool[]$ARRAYS) AS i(company, version, newest, category, changed, is_integer$ARE)),
k AS (INSERT INTO leadcat.company AS k (tenant, company, version, newest, category, changed, is_integer$COLUMNS)
  SELECT $1::bytea, company, version + 1, newest, category, changed, is_integer$VALUES
  FROM (SELECT i.* FROM i, f $FITS ORDER BY company) i
  ON CONFLICT (tenant, company) DO UPDATE SET version = excluded.version, newest = excluded.newest,
    category = excluded.category, changed = excluded.changed, is_integer = excluded.is_integer,
    applying = excluded.applying, owner = excluded.owner, deadline = excluded.deadline, retry_at = excluded.retry_at,
    attempts = excluded.attempts, begun = excluded.begun, question = excluded.question, scheduled = excluded.scheduled,
    scheduled_at = excluded.scheduled_at
  WHERE k.version = excluded.version - 1 RETURNING company),
others AS MATERIALIZED (SELECT company FROM i WHERE (SELECT count(*) FROM k) < cardinality($6::bytea[])
  AND company NOT IN (SELECT company FROM k))]]
local COMPANY_TYPES = "bytea int8 bool int8 int8 bytea[] int8[] int8[] int4[] int8[] bool[]"

-- What is under way of companies; where nothing is, it is null.
local UNDER_WAY = {
  types = " int8[] int8[] int8[] int8[] int4[] int8[] bytea[] int8[] int8[]",
  ARRAYS = ", $12::int8[], $13::int8[], $14::int8[], $15::int8[], $16::int4[], $17::int8[], $18::bytea[], $19::int8[], "
    .. "$20::int8[]",
  ARE = ", applying, owner, time_left, retry_in, attempts, begun, question, scheduled, scheduled_at",
  COLUMNS = ", applying, owner, deadline, retry_at, attempts, begun, question, scheduled, scheduled_at",
  VALUES = [[, applying, owner,
    CASE WHEN time_left IS NOT NULL THEN ]] .. MS .. [[ + $4::int8 + time_left END,
    CASE WHEN retry_in IS NOT NULL THEN ]] .. MS .. [[ + $4::int8 + retry_in END,
    attempts, begun, question, scheduled, scheduled_at]],
}
local IDLE = { types = "", ARRAYS = "", ARE = "", COLUMNS = "", VALUES = "" }

-- What comes with companies that were not read, but remembered: their events' ids, each with its company. Where one is known, by
-- whatever its event has come to, nothing of its company is written.
local RECALLED = {
  types = "bytea[] bytea[]",
  before = [[

s AS MATERIALIZED (SELECT s.company FROM unnest($IDS::bytea[], $OF::bytea[]) AS s(id, company)
  WHERE ]] .. row_of("event_id", "entry", "event_id", "s.id") .. [[ = s.id
    OR ]] .. row_of("event_id", "mark", "event_id", "s.id") .. [[ = s.id),]],
  fits = "WHERE i.company NOT IN (SELECT company FROM s)",
  -- The rows behind the first one: those of the companies of which nothing was written, as they are.
  rows = [[, ARRAY[(SELECT value FROM leadcat.meta WHERE name = 'configs'), ]] .. US .. [[ + $4::int8 * 1000]::int8[],
  NULL::bytea, NULL::bytea
UNION ALL SELECT NULL, NULL, NULL, ]] .. ROW:gsub("%$CLOCK", "$4::int8") .. [[, company, question
  FROM f CROSS JOIN leadcat.company WHERE tenant = $1::bytea
    AND company = ANY (ARRAY(SELECT company FROM others))]],
}

-- New entries. A number that is taken is an error, as is an event's id that is known.
local NEW = { "int8[] bytea[] bytea[] bytea[] int2[] int2[] int8[] int8[] bytea[]", [[,
n AS (INSERT INTO leadcat.entry (tenant, entry, company, former, event_id, status, change, at, written, record)
  SELECT $TENANT::bytea, entry, company, former, event_id, status, change, at, written, record
  FROM unnest($1::int8[], $2::bytea[], $3::bytea[], $4::bytea[], $5::int2[], $6::int2[], $7::int8[], $8::int8[],
      $9::bytea[]) AS n(entry, company, former, event_id, status, change, at, written, record)
    WHERE company NOT IN (SELECT company FROM others) RETURNING 1)]] }

-- Entries of which some are there already: those come with a status that is 100 more, so that neither can be taken for
-- the other: where a number is taken, or the entry is gone, it is an error.
local ENTRIES = { NEW[1], [[,
n AS MATERIALIZED (SELECT n.* FROM unnest($1::int8[], $2::bytea[], $3::bytea[], $4::bytea[], $5::int2[], $6::int2[],
  $7::int8[], $8::int8[],
    $9::bytea[]) AS n(entry, company, former, event_id, status, change, at, written, record)
  WHERE company NOT IN (SELECT company FROM others)),
e AS (INSERT INTO leadcat.entry AS e (tenant, entry, company, former, event_id, status, change, at, written, record)
  SELECT $TENANT::bytea, entry, company, former, event_id, status, change, at, written, record FROM n
  ON CONFLICT (tenant, entry) DO UPDATE SET company = excluded.company, former = excluded.former,
    event_id = CASE WHEN excluded.event_id IS NULL THEN NULL ELSE e.event_id END,
    status = excluded.status - 100, change = excluded.change, record = excluded.record
  WHERE excluded.status >= 100 RETURNING status)]],
  "(SELECT count(*) FROM e WHERE status < 100) = (SELECT count(*) FROM n)" }

local QUESTIONS = { "bytea[] int8[] bytea[] bytea[] int2[] int8[] int2[] bytea[]", [[,
q AS (INSERT INTO leadcat.question AS q (tenant, id, entry, company, user_id, state, expires_at, on_expiry, record)
  SELECT $TENANT::bytea, id, entry, company, user_id, state, expires_at, on_expiry, record
  FROM unnest($1::bytea[], $2::int8[], $3::bytea[], $4::bytea[], $5::int2[], $6::int8[], $7::int2[], $8::bytea[])
    AS q(id, entry, company, user_id, state, expires_at, on_expiry, record)
  WHERE company NOT IN (SELECT company FROM others)
  ON CONFLICT (tenant, id) DO UPDATE SET company = excluded.company, user_id = excluded.user_id, state = excluded.state,
    record = excluded.record RETURNING 1)]] }

local UNCHANGED = { "int8[] bytea[] int8[] int8[] bytea[]", [[,
u AS (INSERT INTO leadcat.unchanged AS u (tenant, entry, company, at, written, record)
  SELECT $TENANT::bytea, entry, company, at, written, record
  FROM unnest($1::int8[], $2::bytea[], $3::int8[], $4::int8[], $5::bytea[]) AS u(entry, company, at, written, record)
  WHERE company NOT IN (SELECT company FROM others)
  ON CONFLICT (tenant, entry) DO UPDATE SET company = excluded.company, record = excluded.record RETURNING 1)]] }

-- What was done, in order, up to 64 in a row: each row costs as much as an entry without indexes. Places are taken before
-- others can see what is written, and whoever has seen it takes later ones; numbers are given later (store/sql/changes.lua).
local CHANGES = { "int8[] int8[] text[] bytea[]", [[,
p AS MATERIALIZED (SELECT nextval('leadcat.change_place') * 1048576 AS place),
h AS (INSERT INTO leadcat.change (tenant, place, made, entry, kind)
  SELECT $TENANT::bytea, p.place + min(h.part), max(h.made), array_agg(h.entry ORDER BY h.part),
    array_agg(h.kind ORDER BY h.part)
  FROM p CROSS JOIN unnest($1::int8[], $2::int8[], $3::text[], $4::bytea[]) WITH ORDINALITY
    AS h(made, entry, kind, company, part) WHERE h.company NOT IN (SELECT company FROM others)
  GROUP BY p.place, (h.part - 1) / 64 RETURNING 1)]] }

-- What is added to counters by day. It always comes with what was done, whose places it shares.
local DAILY = { "bytea[] int4[] bytea[]", [[,
d AS (INSERT INTO leadcat.daily_new (tenant, place, counted, more)
  SELECT $TENANT::bytea, p.place + min(d.part), d.counted, sum(d.more)::int4
  FROM p CROSS JOIN unnest($1::bytea[], $2::int4[], $3::bytea[]) WITH ORDINALITY AS d(counted, more, company, part)
  WHERE d.company NOT IN (SELECT company FROM others) GROUP BY p.place, d.counted RETURNING 1)]] }

-- What is noted of a company's event is written with its company, and so is the mark of that event.
local MARKS = { "bytea[] bytea[] int8[] bytea[] bytea[]", [[,
m AS (INSERT INTO leadcat.mark (tenant, event_id, written, record)
  SELECT tenant, event_id, written, record FROM unnest($1::bytea[], $2::bytea[], $3::int8[], $4::bytea[], $5::bytea[])
    AS m(tenant, event_id, written, record, company)$ONLY ON CONFLICT DO NOTHING RETURNING 1)]] }
local ONLY = [[

  WHERE EXISTS (SELECT 1 FROM f)
    AND (tenant <> $TENANT::bytea OR company NOT IN (SELECT company FROM others))]]

-- Each is compared and set, and all else that was decided by it goes with it (`$3`).
local LIMITS = { "bytea[] int8[] bytea[]", [[,
b AS (INSERT INTO leadcat.brake AS b (tenant, rule, version, record) SELECT $TENANT::bytea, rule, version + 1, record
  FROM unnest($1::bytea[], $2::int8[], $3::bytea[]) AS b(rule, version, record), f
  ON CONFLICT (tenant, rule) DO UPDATE SET version = excluded.version, record = excluded.record
  WHERE b.version = excluded.version - 1 RETURNING 1)]], "(SELECT count(*) FROM b) = cardinality($1::bytea[])" }

local CURSOR = { "bytea bytea bytea bool", [[,
c AS (INSERT INTO leadcat.cursor AS c (tenant, name, text) SELECT $TENANT::bytea, $1::bytea, $3::bytea FROM f
  ON CONFLICT (tenant, name) DO UPDATE SET text = excluded.text WHERE $4::bool OR c.text = $2::bytea RETURNING 1)]],
  "(SELECT count(*) FROM c) = 1" }

local PARTS = {
  { "new", NEW }, { "entries", ENTRIES }, { "questions", QUESTIONS }, { "unchanged", UNCHANGED },
  { "changes", CHANGES }, { "daily", DAILY }, { "marks", MARKS }, { "limits", LIMITS }, { "cursor", CURSOR },
}

-- What may not be is an error, with a text that says so, as no number can be made of it: then nothing is written.
local function unless_error(condition, text)
  return ("CASE WHEN %s THEN 0 ELSE ('leadcat: %s ' || (SELECT count(*) FROM k))::int4 END"):format(condition, text)
end

local known = {}

--- The statement that writes these parts: `$1` the tenant, `$2` the revision of the rules by which all was decided,
-- or nothing, `$3` whether it is all or nothing, `$4` ms that the clock is ahead, `$5` the database's id; companies; then the
-- parts in their order. Its row: the companies of which nothing was written, and how often it was the database, and the rules were
-- still the newest (0 or 1). With `recalled` companies it has the counter and the clock as well, and rows of companies that
-- are otherwise follow.
---@param has table<string, any> the names of the parts
---@param theirs? leadcat.sql.Theirs where a CRM's companies are changed, too: its parameters come behind those of companies
---@return table statement
---@return string[] parts in the order of their parameters
function statements.put(has, theirs)
  local names = { has.recalled and "recalled" }
  for _, part in ipairs(PARTS) do
    names[#names + 1] = has[part[1]] and part[1] or nil
  end
  local key = table.concat(names, "_") .. (has.idle and "_idle" or "")
  local made = theirs and theirs.known or known
  if made[key] then
    return made[key], names
  end
  local beside = theirs or has.recalled and RECALLED or { before = "", fits = "" }
  local under_way = has.idle and IDLE or UNDER_WAY
  local types = COMPANY_TYPES .. under_way.types
  local _, count = types:gsub("%S+", "")
  local before = beside.before:gsub("%$IDS", "$" .. count + 1):gsub("%$OF", "$" .. count + 2)
  local text = COMPANIES:gsub("%$(%u+)", merged(under_way, { BEFORE = before, FITS = beside.fits }))
  types = types .. " " .. (beside.types or "")
  local checks = { unless_error("NOT $3::bool OR NOT EXISTS (SELECT 1 FROM others)", "overtaken") }
  if theirs then
    text = text .. theirs.behind
    checks[2] = unless_error(theirs.check, "missed")
  end
  local function raise(part)
    local _, before_it = types:gsub("%S+", "")
    types = types .. " " .. part[1]
    local function of(sql)
      sql = sql:gsub("%$(%d+)", function(n) return "$" .. n + before_it end)
      return (sql:gsub("%$ONLY", ONLY):gsub("%$TENANT", "$1"))
    end
    return of(part[2]), part[3] and of(part[3])
  end
  for _, part in ipairs(PARTS) do
    if has[part[1]] then
      local more, check = raise(part[2])
      text = text .. more
      checks[#checks + 1] = check and unless_error(check, "overtaken by") or nil
    end
  end
  local name = (theirs and theirs.name .. "_" or "") .. "change" .. (key ~= "" and "_" or "") .. key
  statement(name, types, text .. "\nSELECT ARRAY(SELECT company FROM others), (SELECT count(*) FROM f), "
    .. table.concat(checks, " + ") .. (has.recalled and RECALLED.rows or ""))
  made[key] = statements[name]
  return made[key], names
end

statement("marks", MARKS[1], "WITH" .. MARKS[2]:sub(2):gsub("%$ONLY", "") .. " SELECT count(*) FROM m")

-- Reading ------------------------------------------------------------------------------------------------------------

statement("entry", "bytea int8", "SELECT record FROM leadcat.entry WHERE tenant = $1::bytea AND entry = $2::int8")
statement("seen", "bytea bytea", [[
SELECT record, 1 FROM leadcat.entry WHERE tenant = $1::bytea AND event_id = $2::bytea
UNION ALL SELECT record, 0 FROM leadcat.mark WHERE tenant = $1::bytea AND event_id = $2::bytea LIMIT 1]])
statement("newest", "bytea bytea", [[
SELECT newest, applying FROM leadcat.company WHERE tenant = $1::bytea AND company = $2::bytea]])
for _, log in ipairs { "entry", "unchanged" } do
  statement("history_" .. log, "bytea int8 int8 int8", ([[
SELECT record FROM leadcat.%s WHERE tenant = $1::bytea AND at >= $2::int8 AND entry < $3::int8
ORDER BY entry DESC LIMIT $4::int8]]):format(log))
  statement("company_history_" .. log, "bytea int8 int8 int8 bytea", ([[
SELECT record FROM (SELECT entry, record FROM leadcat.%s WHERE tenant = $1::bytea AND at >= $2::int8
  AND entry < $3::int8
  AND company = $5::bytea%s) h ORDER BY entry DESC LIMIT $4::int8]]):format(log, log == "entry" and [[

  UNION ALL SELECT entry, record FROM leadcat.entry WHERE tenant = $1::bytea AND at >= $2::int8 AND entry < $3::int8
    AND former = $5::bytea]] or ""))
end
statement("applying", "bytea bytea int8 int8", [[
SELECT e.record FROM leadcat.company k CROSS JOIN LATERAL (SELECT record FROM leadcat.entry
  WHERE tenant = k.tenant AND entry = k.applying LIMIT 1) e
WHERE k.tenant = $1::bytea AND k.company > $2::bytea AND k.applying IS NOT NULL
  AND k.retry_at <= ]] .. MS .. [[ + $4::int8
ORDER BY k.company LIMIT $3::int8]])
statement("scheduled", "bytea int8 int8", [[
SELECT e.record FROM leadcat.company k CROSS JOIN LATERAL (SELECT record FROM leadcat.entry
  WHERE tenant = k.tenant AND entry = k.scheduled LIMIT 1) e
WHERE k.tenant = $1::bytea AND k.scheduled IS NOT NULL AND k.scheduled_at <= $2::int8
ORDER BY k.scheduled_at, k.scheduled LIMIT $3::int8]])
statement("held", "bytea int8 int8", [[
SELECT record FROM leadcat.entry WHERE tenant = $1::bytea AND status = 18 AND entry > $2::int8
ORDER BY entry LIMIT $3::int8]])
statement("schedule_of", "bytea bytea", [[
SELECT e.record FROM leadcat.company k CROSS JOIN LATERAL (SELECT record FROM leadcat.entry
  WHERE tenant = k.tenant AND entry = k.scheduled LIMIT 1) e
WHERE k.tenant = $1::bytea AND k.company = $2::bytea]])
statement("question", "bytea bytea", "SELECT record FROM leadcat.question WHERE tenant = $1::bytea AND id = $2::bytea")
-- $2 company, $3 user, $4 states, $5 asked before this entry, $6 limit, $7 open ones that expire by then (ms) count as
-- expired, $8 expired are asked for
statement("questions", "bytea bytea bytea int2[] int8 int8 int8 bool", [[
SELECT record FROM leadcat.question WHERE tenant = $1::bytea AND ($2::bytea IS NULL OR company = $2::bytea)
  AND ($3::bytea IS NULL OR user_id = $3::bytea) AND entry < $5::int8
  AND CASE WHEN state = 0 AND $7::int8 IS NOT NULL
    AND on_expiry = 0 AND expires_at <= $7::int8 THEN $8::bool ELSE state = ANY ($4::int2[]) END
ORDER BY entry DESC LIMIT $6::int8]])
statement("overdue", "bytea int8 int8", [[
SELECT q.company FROM leadcat.question q JOIN leadcat.company k ON k.tenant = q.tenant AND k.company = q.company
WHERE q.tenant = $1::bytea AND q.state = 0 AND q.on_expiry = 0 AND q.expires_at <= $2::int8
  AND k.applying IS NULL
ORDER BY q.expires_at LIMIT $3::int8]])
statement("expiring", "bytea int8 int8 int8 int8", [[
SELECT record FROM leadcat.question WHERE tenant = $1::bytea AND state = 0 AND expires_at <= $4::int8
  AND (expires_at, entry) > ($2::int8, $3::int8) ORDER BY expires_at, entry LIMIT $5::int8]])
statement("cursor", "bytea bytea", [[
SELECT text FROM leadcat.cursor WHERE tenant = $1::bytea AND name = $2::bytea AND text <> ''::bytea]])
statement("last_change", "bytea bytea", [[
SELECT record FROM leadcat.entry WHERE tenant = $1::bytea AND company = $2::bytea AND change > 0
  ORDER BY entry DESC LIMIT 200]])

-- Companies that are kept here ---------------------------------------------------------------------------------------

statement("company", "bytea bytea", [[
SELECT category FROM leadcat.company WHERE tenant = $1::bytea AND company = $2::bytea]])
statement("create", "bytea bytea[] bool[] int4 int8", [[
WITH k AS (INSERT INTO leadcat.company AS k (tenant, company, version, newest, category, changed, is_integer)
  SELECT $1::bytea, company, 1, 0, $4::int4, 0, is_integer
  FROM (SELECT company, bool_or(is_integer) AS is_integer FROM unnest($2::bytea[], $3::bool[]) AS i(company, is_integer)
    WHERE ]] .. is_here "$5" .. [[ GROUP BY company ORDER BY company) i
  ON CONFLICT (tenant, company) DO UPDATE SET version = k.version + 1, category = excluded.category,
    is_integer = excluded.is_integer
  WHERE k.category IS NULL RETURNING 1)
SELECT count(*), ]] .. is_here "$5" .. [[ FROM k]])
statement("set_category", "bytea bytea int4 int4 int8", [[
WITH b AS (SELECT category FROM leadcat.company WHERE tenant = $1::bytea AND company = $2::bytea),
k AS (UPDATE leadcat.company SET category = $3::int4, version = version + 1
  WHERE tenant = $1::bytea AND company = $2::bytea AND category = $4::int4 AND ]]
  .. is_here "$5" .. [[ RETURNING 1)
SELECT (SELECT count(*) FROM k), ]] .. is_here "$5" .. [[, (SELECT category FROM b)]])
statement("companies", "bytea int4 bytea int8", [[
SELECT company, is_integer, category FROM leadcat.company
WHERE tenant = $1::bytea AND category IS NOT NULL AND company > $3::bytea AND $2::int4 = 0 ORDER BY company
  LIMIT $4::int8]])
statement("tally", "bytea", [[
SELECT category, count(*) FROM leadcat.company WHERE tenant = $1::bytea AND category IS NOT NULL GROUP BY category]])

-- Upkeep -------------------------------------------------------------------------------------------------------------

statement("ping", "", "SELECT " .. US)
statement("count_unfinished", "", "SELECT count(*) FROM leadcat.company WHERE applying IS NOT NULL")

-- Tenants of the databases over which they are spread.
statement("spread", "", "SELECT tenant FROM leadcat.spread")
statement("add_spread", "bytea[]", [[
WITH s AS (INSERT INTO leadcat.spread (tenant) SELECT tenant FROM unnest($1::bytea[]) AS t(tenant) ORDER BY tenant
  ON CONFLICT DO NOTHING RETURNING 1) SELECT count(*) FROM s]])

-- The time of the newest of all entries, as far as 64 tenants tell (µs): a clock that is ahead removes nothing.
local NEWEST = [[
(SELECT max(written) FROM (SELECT written FROM (WITH RECURSIVE t AS (
    (SELECT tenant, written FROM leadcat.$LOG ORDER BY tenant DESC, $KEY DESC LIMIT 1)
    UNION ALL SELECT n.tenant, n.written FROM t CROSS JOIN LATERAL (SELECT e.tenant, e.written FROM leadcat.$LOG e
      WHERE e.tenant < t.tenant ORDER BY e.tenant DESC, e.$KEY DESC LIMIT 1) n) SELECT written FROM t) t LIMIT 64) w)]]

-- What retention looks at, with the number of each, in order.
local LOGS = { { "entry", "entry" }, { "unchanged", "entry" }, { "delivery", "id" } }

local function of_log(sql, log)
  return (sql:gsub("%$LOG", log[1]):gsub("%$KEY", log[2]))
end

statement("newest_written", "", ("SELECT greatest(%s, %s, %s)"):format(of_log(NEWEST, LOGS[1]), of_log(NEWEST, LOGS[2]),
  of_log(NEWEST, LOGS[3])))

-- The number of the one behind which the newest `count` of a tenant are. What the planner knows saves the search where
-- there are far fewer.
local function beyond_count(log)
  return of_log([[
(SELECT $KEY FROM leadcat.$LOG WHERE tenant = $1::bytea AND $3::int8 > 0
  AND (SELECT reltuples < 0 OR reltuples > $3::int8 / 2 FROM pg_class WHERE oid = 'leadcat.$LOG'::regclass)
  ORDER BY $KEY DESC OFFSET $3::int8 LIMIT 1)]], log)
end

-- $2 written before (µs; 0: no limit), $3 beyond so many, $4 behind this entry, $5 how many to look at. Gives how
-- many were removed, and the last one that was looked at (nothing: the end).
statement("trim_entry", "bytea int8 int8 int8 int8", [[
WITH b AS MATERIALIZED (SELECT coalesce(]] .. beyond_count(LOGS[1]) .. [[, 0) AS entry),
o AS MATERIALIZED (SELECT e.entry, e.status, e.written < $2::int8 OR e.entry <= b.entry AS is_old FROM b, LATERAL
  (SELECT entry, status, written FROM leadcat.entry WHERE tenant = $1::bytea AND entry > $4::int8
    ORDER BY entry LIMIT $5::int8) e),
d AS MATERIALIZED (SELECT entry FROM o WHERE is_old AND status NOT IN (0, 9, 13, 18) AND NOT EXISTS
  (SELECT 1 FROM leadcat.question q WHERE q.tenant = $1::bytea AND q.entry = o.entry AND q.state = 0)),
q AS (DELETE FROM leadcat.question q USING d WHERE q.tenant = $1::bytea AND q.entry = d.entry RETURNING 1),
e AS (DELETE FROM leadcat.entry e USING d WHERE e.tenant = $1::bytea AND e.entry = d.entry RETURNING e.written),
r AS (INSERT INTO leadcat.daily_head AS r (tenant, since, removed)
  SELECT $1::bytea, 0, max(written) / 86400000000 FROM e HAVING count(*) > 0
  ON CONFLICT (tenant) DO UPDATE SET removed = greatest(r.removed, excluded.removed) RETURNING 1),
c AS MATERIALIZED (SELECT max(c.number - cardinality(c.entry) + o.part) AS number
  FROM (SELECT number, made, entry FROM leadcat.change WHERE tenant = $1::bytea AND number IS NOT NULL ORDER BY number
    LIMIT 8 * $5::int8) c CROSS JOIN LATERAL unnest(c.entry) WITH ORDINALITY AS o(entry, part)
  WHERE c.made < (SELECT max(entry) + 1024 FROM d)
    AND (c.made <= (SELECT max(entry) FROM d) OR c.made < o.entry + 1024 AND o.entry IN (SELECT entry FROM d))),
s AS (UPDATE leadcat.sequence s SET removed = c.number FROM c WHERE s.tenant = $1::bytea AND s.removed < c.number
  RETURNING s.removed),
h AS (DELETE FROM leadcat.change h USING s WHERE h.tenant = $1::bytea AND h.number <= s.removed RETURNING 1)
SELECT (SELECT count(*) FROM e), (SELECT max(entry) FROM o WHERE is_old), (SELECT count(*) FROM o WHERE is_old)]])
statement("trim_unchanged", "bytea int8 int8 int8 int8", [[
WITH b AS MATERIALIZED (SELECT coalesce(]] .. beyond_count(LOGS[2]) .. [[, 0) AS entry),
d AS MATERIALIZED (SELECT e.entry FROM b, LATERAL (SELECT entry, written FROM leadcat.unchanged WHERE tenant = $1::bytea
  AND entry > $4::int8 ORDER BY entry LIMIT $5::int8) e WHERE e.written < $2::int8 OR e.entry <= b.entry),
e AS (DELETE FROM leadcat.unchanged e USING d WHERE e.tenant = $1::bytea AND e.entry = d.entry RETURNING 1)
SELECT (SELECT count(*) FROM e), (SELECT max(entry) FROM d), (SELECT count(*) FROM d)]])
statement("trim_delivery", "bytea int8 int8 int8 int8", [[
WITH b AS MATERIALIZED (SELECT coalesce(]] .. beyond_count(LOGS[3]) .. [[, 0) AS id),
o AS MATERIALIZED (SELECT e.id FROM b, LATERAL (SELECT id, written FROM leadcat.delivery WHERE tenant = $1::bytea
  AND id > $4::int8 ORDER BY id LIMIT $5::int8) e WHERE e.written < $2::int8 OR e.id <= b.id),
d AS (DELETE FROM leadcat.delivery d USING o WHERE d.tenant = $1::bytea AND d.id = o.id AND d.state <> 0 RETURNING 1)
SELECT (SELECT count(*) FROM d), (SELECT max(id) FROM o), (SELECT count(*) FROM o)]])
local BEYOND_MARKS = [[
(SELECT written FROM leadcat.mark WHERE tenant = %s AND %s > 0 ORDER BY written DESC OFFSET %s LIMIT 1)]]
statement("trim_marks", "bytea int8 int8 int8 int8", [[
WITH d AS MATERIALIZED (SELECT event_id FROM leadcat.mark WHERE tenant = $1::bytea AND $4::int8 >= 0
  AND (written < $2::int8 OR written <= ]] .. BEYOND_MARKS:format("$1::bytea", "$3::int8",
    "$3::int8") .. [[) ORDER BY written LIMIT $5::int8),
e AS (DELETE FROM leadcat.mark e USING d WHERE e.tenant = $1::bytea AND e.event_id = d.event_id RETURNING 1)
SELECT (SELECT count(*) FROM e), NULL::int8, (SELECT count(*) FROM d)]])
statement("newest_mark", "bytea", "SELECT max(written) FROM leadcat.mark WHERE tenant = $1::bytea")

-- Tenants, behind $1 or ($2) from the first, with work due: at $3 (ms), of changes so much ahead of the clock.
statement("due_changes", "bytea bool int8", [[
SELECT DISTINCT tenant FROM leadcat.company WHERE applying IS NOT NULL AND (tenant > $1::bytea OR $2::bool)
  AND retry_at <= $3::int8 + ]] .. MS .. [[ ORDER BY tenant LIMIT 256]])
statement("due_timed", "bytea bool int8", [[
SELECT tenant FROM leadcat.question WHERE state = 0 AND (tenant > $1::bytea OR $2::bool) AND expires_at <= $3::int8
UNION SELECT tenant FROM leadcat.company WHERE scheduled IS NOT NULL AND (tenant > $1::bytea OR $2::bool)
  AND scheduled_at <= $3::int8
UNION SELECT tenant FROM leadcat.draft WHERE due IS NOT NULL AND (tenant > $1::bytea OR $2::bool) AND due <= $3::int8
ORDER BY tenant LIMIT 256]])
-- The next 64 tenants that have any, each with its first one's time (µs), and whether there are more than $3.
for _, log in ipairs(LOGS) do
  statement("due_" .. log[1], "bytea bool int8", of_log([[
WITH RECURSIVE t AS ((SELECT tenant, written FROM leadcat.$LOG WHERE tenant > $1::bytea OR $2::bool ORDER BY tenant,
  $KEY LIMIT 1)
  UNION ALL SELECT n.tenant, n.written FROM t CROSS JOIN LATERAL (SELECT e.tenant, e.written FROM leadcat.$LOG e
    WHERE e.tenant > t.tenant ORDER BY e.tenant, e.$KEY LIMIT 1) n)
SELECT tenant, written, $3::int8 > 0 AND EXISTS (SELECT 1 FROM leadcat.$LOG e WHERE e.tenant = t.tenant
  OFFSET $3::int8) FROM (SELECT * FROM t LIMIT 64) t]], log))
end
statement("due_marks", "bytea bool int8", [[
WITH RECURSIVE t AS ((SELECT tenant, written FROM leadcat.mark WHERE tenant > $1::bytea OR $2::bool ORDER BY tenant,
  written LIMIT 1)
  UNION ALL SELECT n.tenant, n.written FROM t CROSS JOIN LATERAL (SELECT e.tenant, e.written FROM leadcat.mark e
    WHERE e.tenant > t.tenant ORDER BY e.tenant, e.written LIMIT 1) n)
SELECT tenant, written, $3::int8 > 0 AND EXISTS (SELECT 1 FROM leadcat.mark e
  WHERE e.tenant = t.tenant OFFSET $3::int8),
  (SELECT max(written) FROM leadcat.mark e WHERE e.tenant = t.tenant)
FROM (SELECT * FROM t LIMIT 64) t]])

-- Persons ------------------------------------------------------------------------------------------------------------

-- The records behind $2 in which one of the texts stands, of the next 1,000, and the last that was looked at.
local TRACES = { journal = { "entry", "entry", "int8" }, unchanged = { "unchanged", "entry", "int8" },
  questions = { "question", "id", "bytea" }, revisions = { "config", "revision", "int8" } }
for where, row in pairs(TRACES) do
  local what = where == "revisions" and "about" or "record"
  statement("traces_" .. where, "bytea " .. row[3] .. " bytea[]", ([[
WITH o AS MATERIALIZED (SELECT %s AS place, %s AS record FROM leadcat.%s WHERE tenant = $1::bytea
  AND %s > $2::%s ORDER BY %s LIMIT 1000)
SELECT place, CASE WHEN EXISTS (SELECT 1 FROM unnest($3::bytea[]) AS t(text) WHERE position(t.text IN o.record) > 0)
  THEN record END FROM o ORDER BY place]]):format(row[2], what, row[1], row[2], row[3], row[2]))
end
statement("erase_about", "bytea int8 bytea bytea", [[
WITH c AS (UPDATE leadcat.config SET about = $4::bytea WHERE tenant = $1::bytea AND revision = $2::int8
  AND about = $3::bytea RETURNING 1)
SELECT count(*) FROM c]])
statement("marks_after", "bytea bytea int8", [[
SELECT event_id, record FROM leadcat.mark WHERE tenant = $1::bytea AND event_id > $2::bytea ORDER BY event_id
  LIMIT $3::int8]])
statement("erase_marks", "bytea bytea[]", [[
WITH m AS (DELETE FROM leadcat.mark WHERE tenant = $1::bytea
  AND event_id = ANY ($2::bytea[]) RETURNING 1) SELECT count(*) FROM m]])

-- Counters -----------------------------------------------------------------------------------------------------------

statement("add", "bytea[] bytea[] int8[] int8", [[
WITH c AS (INSERT INTO leadcat.counter AS c (tenant, name, value)
  SELECT tenant, name, sum(value)::int8 FROM unnest($1::bytea[], $2::bytea[], $3::int8[]) AS i(tenant, name, value)
  WHERE ]] .. is_here "$4" .. [[ GROUP BY tenant, name ORDER BY tenant, name
  ON CONFLICT (tenant, name) DO UPDATE SET value = c.value + excluded.value RETURNING 1)
SELECT count(*), ]] .. is_here "$4" .. [[ FROM c]])
statement("counters", "bytea", [[
SELECT name, value FROM leadcat.counter WHERE tenant = $1::bytea
UNION ALL SELECT 'journal_entries'::bytea, count(*) FROM leadcat.entry WHERE tenant = $1::bytea HAVING count(*) > 0
UNION ALL SELECT 'unchanged_entries'::bytea, count(*) FROM leadcat.unchanged
  WHERE tenant = $1::bytea HAVING count(*) > 0
UNION ALL SELECT 'remembered_events'::bytea, count(*) FROM leadcat.mark WHERE tenant = $1::bytea HAVING count(*) > 0]])

return statements
