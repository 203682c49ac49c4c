--- Methods of a shared store for what webhooks have left: a table of its own (store/sql/schema.lua), each call one
-- statement. Whoever takes a delivery has it until it is due again, by the database's clock.

local pg = require "leadcat.store.pg"

---@class leadcat.sql.Store
local deliveries = {}

local WHAT = "deliveries"
local WAITING = 0
local MOST_TAKEN = 16 -- of a call: 4 MB of bodies, as on one machine
local TRIES = 8
local LAST = 2 ^ 53

-- What there may be of one; a key has 16 bytes (src/store/delivery.h).
local LONGEST = { key = 16, hook = 64, sender_id = 255, about = 65535, body = 262144 }

local NAMES = { [0] = "waiting", "done", "failed", "dropped" } -- lc_delivery_state
local STATES = {}
for number = WAITING, #NAMES do
  STATES[NAMES[number]] = number
end

-- Microseconds of the database's clock, unless a spec says what time it is.
local function now_of(parameter)
  return ("coalesce($%d::int8, (extract(epoch FROM clock_timestamp()) * 1000000)::int8)"):format(parameter)
end

-- $2 key, $3 hook, $4 sender's id, $5 about, $6 body, $7 how many may wait, $8 the time. The id is a time, too, so that
-- it is above those before, also after an older copy of the database has been put in its place. Gives the id of the new
-- one, that of the one that is there, and how many wait.
local PUT = pg.statement(([[
WITH w AS MATERIALIZED (SELECT count(*) AS count FROM
  (SELECT 1 FROM leadcat.delivery WHERE tenant = $1::bytea AND state = 0 LIMIT $7::int8) w),
p AS (INSERT INTO leadcat.delivery (tenant, id, key, hook, state, written, due, attempts, sender_id, about, body)
  SELECT $1::bytea, (extract(epoch FROM clock_timestamp()) * 1000000)::int8, $2::bytea, $3::bytea, 0, %s, %s, 0,
    $4::bytea, $5::bytea, $6::bytea
  FROM w WHERE count < $7::int8 ON CONFLICT (tenant, key) DO NOTHING RETURNING id)
SELECT (SELECT id FROM p), (SELECT id FROM leadcat.delivery WHERE tenant = $1::bytea AND key = $2::bytea), count
FROM w]]):format(now_of(8), now_of(8)), { "bytea", "bytea", "bytea", "bytea", "bytea", "bytea", "int8", "int8" })

local COLUMNS = "d.id, d.hook, d.state, d.written, d.due, d.attempts, d.sender_id, d.about, d.problem"

-- $2 hook, $3 the time, $4 until it is due again (µs), $5 how many. What another one is taking is left to that one. The
-- order is that in which they were due: `b` is what they were before.
local TAKE = pg.statement(([[
WITH t AS MATERIALIZED (SELECT id, %s AS time FROM leadcat.delivery WHERE tenant = $1::bytea AND hook = $2::bytea
    AND state = 0 AND due <= %s ORDER BY due, id LIMIT $5::int8 FOR UPDATE SKIP LOCKED),
d AS (UPDATE leadcat.delivery d SET attempts = d.attempts + 1, due = t.time + $4::int8 FROM t
  WHERE d.tenant = $1::bytea AND d.id = t.id RETURNING d.*)
SELECT %s, d.body FROM d JOIN leadcat.delivery b ON b.tenant = $1::bytea AND b.id = d.id ORDER BY b.due, b.id
]]):format(now_of(3), now_of(3), COLUMNS), { "bytea", "bytea", "int8", "int8", "int8" })

-- Compares what they are and sets what they become.
local END = pg.statement([[
WITH i AS MATERIALIZED (SELECT * FROM unnest($2::int8[], $3::int2[], $4::int4[], $5::bool[], $6::bool[], $7::int8[],
  $8::bytea[]) AS i(id, state, attempts, of_failed, erases, due, problem)),
d AS (UPDATE leadcat.delivery d SET state = i.state, due = i.due, problem = nullif(i.problem, ''::bytea),
    attempts = CASE WHEN i.state = 0 AND d.state = 2 THEN 0 ELSE d.attempts END,
    sender_id = CASE WHEN i.erases THEN NULL ELSE d.sender_id END,
    about = CASE WHEN i.erases OR i.state IN (1, 3) THEN NULL ELSE d.about END,
    body = CASE WHEN i.erases OR i.state IN (1, 3) THEN NULL ELSE d.body END
  FROM i WHERE d.tenant = $1::bytea AND d.id = i.id AND CASE WHEN i.attempts > 0
    THEN d.state = 0 AND d.attempts = i.attempts ELSE d.state = 2 OR d.state = 0 AND NOT i.of_failed END
  RETURNING d.id)
SELECT id FROM d]], { "bytea", "int8[]", "int2[]", "int4[]", "bool[]", "bool[]", "int8[]", "bytea[]" })

local LIST = pg.statement(([[
SELECT %s FROM leadcat.delivery d WHERE d.tenant = $1::bytea AND d.id < $2::int8
  AND ($3::bytea IS NULL OR d.hook = $3::bytea) AND ($4::int2 IS NULL OR d.state = $4::int2)
ORDER BY d.id DESC LIMIT $5::int8]]):format(COLUMNS), { "bytea", "int8", "bytea", "int2", "int8" })

local ONE = pg.statement(([[
SELECT %s, d.body FROM leadcat.delivery d WHERE d.tenant = $1::bytea AND d.id = $2::int8]]):format(COLUMNS),
  { "bytea", "int8" })

local function microseconds(seconds)
  return math.floor(seconds * 1000000 + 0.5)
end

local function text_of(bytes)
  return bytes ~= "" and bytes or nil
end

local function shown(row)
  local state = row[3]
  return {
    id = row[1], hook = row[2], state = NAMES[state], received = row[4] / 1000000, attempts = row[6],
    due = state == WAITING and row[5] / 1000000 or nil, sender_id = text_of(row[7]), about = text_of(row[8]),
    problem = text_of(row[9]), body = text_of(row[10]),
  }
end

local function all_shown(rows, message, code)
  if not rows then
    return nil, message, code
  end
  local list = {}
  for i, row in ipairs(rows) do
    list[i] = shown(row)
  end
  return list
end

-- The time that a spec's store goes by; else nothing.
local function time_of(self, now)
  return self.trusts_now and microseconds(now) or nil
end

local function check(item)
  for name, longest in pairs(LONGEST) do
    local text = item[name]
    if text ~= nil and (type(text) ~= "string" or #text > longest) then
      error(("field '%s': a text of at most %d bytes expected"):format(name, longest), 3)
    end
  end
  if #(item.key or "") ~= LONGEST.key or (item.hook or "") == "" then
    error("a hook and a key of 16 bytes expected", 3)
  end
end

function deliveries:put_delivery(tenant, item, now, most)
  check(item)
  local params = {
    tenant, item.key, item.hook, item.sender_id, item.about, item.body or "", most, time_of(self, now),
  }
  for _ = 1, TRIES do
    local rows, message, code = self:insist(PUT, params, WHAT)
    if not rows then
      return nil, message, code
    end
    local new, known, waiting = rows[1][1], rows[1][2], rows[1][3]
    if new then
      return new, true
    elseif known then -- it is acknowledged by what was only read
      local stands
      stands, message, code = self:barrier()
      if not stands then
        return nil, message, code
      end
      return known, false
    elseif waiting >= most then
      return nil, ("%d deliveries wait already: is there nobody who handles them?"):format(most), "unavailable"
    end -- else somebody has just put it
  end
  return nil, "somebody else puts the same delivery", "unavailable"
end

function deliveries:take_deliveries(tenant, hook, now, seconds, limit)
  if seconds <= 0 then
    error("more than 0 seconds expected", 2) -- or it would be taken for ever
  end
  return all_shown(self:insist(TAKE, {
    tenant, hook, time_of(self, now), microseconds(seconds), math.min(limit, MOST_TAKEN),
  }, WHAT))
end

local function state_of(name)
  return STATES[name] or error("field 'state': unknown value", 3)
end

function deliveries:end_deliveries(tenant, items)
  local columns = { { n = #items }, {}, {}, {}, {}, {}, {} }
  for i, item in ipairs(items) do
    local state = state_of(item.state)
    columns[1][i], columns[2][i], columns[3][i] = item.id, state, item.attempts or 0
    columns[4][i], columns[5][i] = item.of_failed == true, item.erases == true
    columns[6][i] = state == WAITING and microseconds(item.due or 0) or 0
    columns[7][i] = item.problem or ""
  end
  local rows, message, code = self:insist(END, {
    tenant, columns[1], columns[2], columns[3], columns[4], columns[5], columns[6], columns[7],
  }, WHAT)
  if not rows then
    return nil, message, code
  end
  local written = {}
  for _, row in ipairs(rows) do
    written[row[1]] = true
  end
  for _, item in ipairs(items) do
    item.lost = not written[item.id]
  end
  return true
end

function deliveries:deliveries(tenant, query)
  return all_shown(self:run(LIST, {
    tenant, (query.after or 0) > 0 and query.after or LAST, query.hook, query.state and state_of(query.state),
    query.limit,
  }))
end

function deliveries:delivery(tenant, id)
  local rows, message, code = self:run(ONE, { tenant, id })
  if not rows then
    return nil, message, code
  elseif not rows[1] then
    return nil, "there is no such delivery", "not_found"
  end
  return shown(rows[1])
end

return deliveries
