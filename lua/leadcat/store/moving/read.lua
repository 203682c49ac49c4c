--- Reads all that a shared store holds into the empty directory of a store of one machine, page by page
-- (lua/leadcat/store/moving.lua).

local rules = require "leadcat.store.sql.rules"
local sql = require "leadcat.store.sql"

local read = {}

local LEAST = -1
local PAGE, FEW = 500, 16 -- no more marks than the core takes at a time
local MS = "(extract(epoch FROM clock_timestamp()) * 1000)::int8"

-- Calls `fn(tenant, rows)` with the rows of each page that are of one tenant. The first columns are the key by which
-- they are ordered, of these types, the first one the tenant.
local function each_page(session, text, types, first, fn, size)
  local at = first
  repeat
    local rows = session.run(text .. " LIMIT " .. (size or PAGE), types, at)
    local from = 1
    for i, row in ipairs(rows) do
      if i == #rows or rows[i + 1][1] ~= row[1] then
        fn(row[1], rows, from, i)
        from = i + 1
      end
    end
    at = {}
    for k = 1, #types do
      at[k] = rows[1] and rows[#rows][k]
    end
  until not rows[1]
end

-- The items that `make` makes of some of the rows.
local function items_of(rows, from, to, make, number)
  local items = {}
  for i = from, to do
    items[#items + 1] = make(rows[i], number)
  end
  return items
end

local STATES = { [0] = "waiting", "done", "failed", "dropped" } -- lc_delivery_state

-- Deliveries are numbered by the milliseconds in which they came, or a little later.
local function numbering()
  local known = {}
  return function(tenant, written)
    known[tenant] = math.max((known[tenant] or 0) + 1, math.floor(written / 1000))
    return known[tenant]
  end
end

local STEPS = {
  { "journal", "SELECT tenant, entry, record, event_id IS NOT NULL FROM leadcat.entry WHERE (tenant, entry) > ($1, $2) "
    .. "ORDER BY tenant, entry", { "bytea", "int8" }, { "", LEAST },
    function(row) return { record = row[3], seen = row[4] } end },
  { "unchanged", "SELECT tenant, entry, record FROM leadcat.unchanged WHERE (tenant, entry) > ($1, $2) "
    .. "ORDER BY tenant, entry", { "bytea", "int8" }, { "", LEAST }, function(row) return { record = row[3] } end },
  { "questions", "SELECT tenant, id, record FROM leadcat.question WHERE (tenant, id) > ($1, $2) ORDER BY tenant, id",
    { "bytea", "bytea" }, { "", "" }, function(row) return { record = row[3] } end },
  { "marks", "SELECT tenant, written, event_id, record FROM leadcat.mark WHERE (tenant, written, event_id) > "
    .. "($1, $2, $3) ORDER BY tenant, written, event_id", { "bytea", "int8", "bytea" }, { "", LEAST, "" },
    function(row) return { name = row[3], record = row[4] } end },
  { "companies", "SELECT tenant, company, category, changed, is_integer, applying, greatest(retry_at - " .. MS
    .. ", 0), attempts, begun, scheduled, scheduled_at FROM leadcat.company WHERE (tenant, company) > ($1, $2) "
    .. "ORDER BY tenant, company", { "bytea", "bytea" }, { "", "" },
    function(row)
      return {
        company = row[2], company_is_integer = row[5], category = row[3], changed = row[4], is_integer = row[5],
        applying = row[6], is_mine = false, is_claimed = false, left = 0, retry_in = (row[7] or 0) / 1000,
        attempts = row[8], begun = row[9], scheduled = row[10], scheduled_at = row[11],
      }
    end },
  { "cursors", "SELECT tenant, name, text FROM leadcat.cursor WHERE (tenant, name) > ($1, $2) AND text <> ''::bytea "
    .. "ORDER BY tenant, name", { "bytea", "bytea" }, { "", "" },
    function(row) return { name = row[2], record = row[3] } end },
  { "changes", "SELECT c.tenant, c.number - cardinality(c.entry) + o.part, o.entry, o.kind FROM leadcat.change c "
    .. "CROSS JOIN LATERAL unnest(c.entry, c.kind) WITH ORDINALITY AS o(entry, kind, part) "
    .. "WHERE (c.tenant, c.number) > ($1, $2) AND (c.tenant, c.number - cardinality(c.entry) + o.part) > ($1, $2) "
    .. "AND EXISTS (SELECT 1 FROM leadcat.entry e WHERE e.tenant = c.tenant AND e.entry = o.entry) "
    .. "ORDER BY c.tenant, c.number, o.part",
    { "bytea", "int8" }, { "", LEAST }, function(row) return { number = row[2], entry = row[3], kind = row[4] } end },
  { "changes", "SELECT tenant, removed FROM leadcat.sequence WHERE (tenant, removed) > ($1, $2) "
    .. "AND removed > 0 ORDER BY tenant, removed", { "bytea", "int8" }, { "", LEAST },
    function(row) return { number = 0, entry = row[2], kind = "ended" } end },
  { "daily", "SELECT tenant, counted, sum(count)::int8 FROM (SELECT tenant, counted, count FROM leadcat.daily "
    .. "UNION ALL SELECT tenant, counted, more FROM leadcat.daily_new) d WHERE (tenant, counted) > ($1, $2) "
    .. "GROUP BY tenant, counted HAVING sum(count) > 0 ORDER BY tenant, counted",
    { "bytea", "bytea" }, { "", "" },
    function(row) return { counted = row[2], count = row[3] } end },
  { "daily", "SELECT tenant, since, removed FROM leadcat.daily_head WHERE (tenant, since) > ($1, $2) "
    .. "ORDER BY tenant, since", { "bytea", "int8" }, { "", LEAST },
    function(row) return { since = row[2], removed = row[3] } end },
  { "drafts", "SELECT tenant, id, due, json FROM leadcat.draft WHERE (tenant, id) > ($1, $2) ORDER BY tenant, id",
    { "bytea", "int8" }, { "", LEAST }, function(row, number)
      return { id = number(row[1], row[2]), due = row[3] and row[3] / 1000 or nil, json = row[4] }
    end, FEW },
  { "deliveries", "SELECT tenant, id, key, hook, state, written, due, attempts, sender_id, about, problem, body "
    .. "FROM leadcat.delivery WHERE (tenant, id) > ($1, $2) ORDER BY tenant, id", { "bytea", "int8" }, { "", LEAST },
    function(row, number)
      return {
        id = number(row[1], row[6]), key = row[3], hook = row[4], state = STATES[row[5]], received = row[6] / 1000000,
        due = row[7] / 1000000, attempts = row[8], sender_id = row[9], about = row[10], problem = row[11],
        body = row[12],
      }
    end, FEW },
}

-- What was done and has no number yet gets one, as from whoever follows (store/sql/changes.lua).
local NUMBER = [[
WITH n AS MATERIALIZED (SELECT tenant, place, (SELECT max(e) FROM unnest(entry) AS e) AS newest,
    sum(cardinality(entry)) OVER (PARTITION BY tenant ORDER BY place)::int8 AS upto
  FROM leadcat.change WHERE number IS NULL),
a AS MATERIALIZED (SELECT tenant, max(upto) AS changes, greatest(max(newest), ]] .. MS .. [[ * 1024) AS above
  FROM n GROUP BY tenant),
s AS (INSERT INTO leadcat.sequence AS s (tenant, last, removed) SELECT tenant, above + changes, 0 FROM a
  ON CONFLICT (tenant) DO UPDATE SET last = greatest(excluded.last, s.last + (SELECT changes FROM a
    WHERE a.tenant = s.tenant)) RETURNING tenant, last)
UPDATE leadcat.change c SET number = s.last - a.changes + n.upto FROM n JOIN a ON a.tenant = n.tenant
  JOIN s ON s.tenant = n.tenant WHERE c.tenant = n.tenant AND c.place = n.place]]

local function carry_rules(store, session, must)
  local names, items = {}, {}
  for i, row in ipairs(session.run "SELECT name, about FROM leadcat.trigger ORDER BY number") do
    names[i], items[i] = row[1], { trigger = row[1], about = row[2] ~= "" and row[2] or nil }
  end
  if #items > 0 then
    must(store:declare(items))
  end
  each_page(session, "SELECT tenant, revision, json, about FROM leadcat.config WHERE (tenant, revision) > ($1, $2) "
    .. "ORDER BY tenant, revision", { "bytea", "int8" }, { "", LEAST }, function(tenant, rows, from, to)
      for i = from, to do
        local revision, text, about = rows[i][2], rows[i][3], rows[i][4]
        must(store:save(tenant, revision - 1, rules.ruleset_of(text, revision, names), text, about))
      end
    end)
end

local function carry_counters(store, session, must)
  each_page(session, "SELECT tenant, name, value FROM leadcat.counter WHERE (tenant, name) > ($1, $2) "
    .. "ORDER BY tenant, name", { "bytea", "bytea" }, { "", "" }, function(tenant, rows, from, to)
      must(store:add(items_of(rows, from, to, function(row)
        return { tenant = tenant, name = row[2], value = row[3] }
      end)))
    end)
end

local NEWEST = [[
SELECT coalesce(max(entry), 0), coalesce(max(written), 0) FROM (SELECT entry, written FROM leadcat.entry
  UNION ALL SELECT entry, written FROM leadcat.unchanged UNION ALL SELECT last, 0 FROM leadcat.sequence) e]]

--- How many records there are.
function read.total(session)
  return session.run([[
SELECT (SELECT count(*) FROM leadcat.entry) + (SELECT count(*) FROM leadcat.unchanged)
  + (SELECT count(*) FROM leadcat.question) + (SELECT count(*) FROM leadcat.mark)
  + (SELECT count(*) FROM leadcat.company) + (SELECT count(*) FROM leadcat.cursor)
  + (SELECT coalesce(sum(cardinality(entry)), 0)::int8 FROM leadcat.change)
  + (SELECT count(DISTINCT (tenant, counted)) FROM (SELECT tenant, counted
    FROM leadcat.daily UNION ALL SELECT tenant, counted FROM leadcat.daily_new) d)
  + (SELECT count(*) FROM leadcat.delivery) + (SELECT count(*) FROM leadcat.draft)]])[1][1]
end

--- Reads everything.
---@param store leadcat.Store the core's, opened with `moves`
---@param session table `run(text, types, values)`, which raises
---@param must fun(value: any, message?: string, code?: string): any
---@param count fun(records: integer)
function read.all(store, session, must, count)
  local number = numbering()
  session.run(NUMBER)
  carry_rules(store, session, must)
  for _, step in ipairs(STEPS) do
    each_page(session, step[2], step[3], step[4], function(tenant, rows, from, to)
      local written = step[1] == "marks" and rows[to][2] / 1000000 or 0
      must(store:restore(tenant, step[1], items_of(rows, from, to, step[5], number), written))
      count(to - from + 1)
    end, step[6])
  end
  carry_counters(store, session, must)
  local newest = session.run(NEWEST)[1]
  local epochs = sql.epochs_of(session.run(sql.EPOCHS))
  must(store:finish_restore(epochs, newest[1], newest[2] / 1000000))
end

return read
