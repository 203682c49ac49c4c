--- Methods of a shared store for drafts of configs: a table of its own (store/sql/schema.lua), each call one statement.
-- They fall due by the database's clock.

local pg = require "leadcat.store.pg"

---@class leadcat.sql.Store
local drafts = {}

local WHAT = "drafts"

-- The id is a time (µs), so that it is above those before. Two of the same moment: the second tries again.
local NEW = pg.statement([[
INSERT INTO leadcat.draft (tenant, id, due, json)
VALUES ($1::bytea, (extract(epoch FROM clock_timestamp()) * 1000000)::int8, $2::int8, $3::bytea)
RETURNING id]], { "bytea", "int8", "bytea" })

local REPLACE = pg.statement([[
UPDATE leadcat.draft SET due = $3::int8, json = $4::bytea
WHERE tenant = $1::bytea AND id = $2::int8 AND json = $5::bytea RETURNING id]],
  { "bytea", "int8", "int8", "bytea", "bytea" })

local REMOVE = pg.statement([[
DELETE FROM leadcat.draft WHERE tenant = $1::bytea AND id = $2::int8 AND json = $3::bytea RETURNING id]],
  { "bytea", "int8", "bytea" })

local LIST = pg.statement([[
SELECT id, due, json FROM leadcat.draft WHERE tenant = $1::bytea AND ($2::int8 IS NULL OR due <= $2::int8)
ORDER BY id LIMIT $3::int8]], { "bytea", "int8", "int8" })

local function milliseconds(seconds)
  return seconds and math.floor(seconds * 1000) or nil
end

local function put(self, tenant, item)
  if not item.id then
    return self:insist(NEW, { tenant, milliseconds(item.due), item.json }, WHAT)
  elseif item.json then
    return self:insist(REPLACE, { tenant, item.id, milliseconds(item.due), item.json, item.before }, WHAT)
  end
  return self:insist(REMOVE, { tenant, item.id, item.before }, WHAT)
end

function drafts:put_draft(tenant, item)
  if not item.id and not item.json or item.json and item.json:sub(1, 1) ~= "{" then
    error("an object of JSON expected", 2)
  end
  local rows, message, code = put(self, tenant, item)
  if not rows then
    return nil, message, code
  elseif not rows[1] then
    return nil, "the draft is not what it was", "conflict"
  end
  return rows[1][1]
end

function drafts:drafts(tenant, limit, due_by)
  local rows, message, code = self:run(LIST, { tenant, due_by and self:milliseconds(due_by), limit })
  if not rows then
    return nil, message, code
  end
  local list = {}
  for i, row in ipairs(rows) do
    list[i] = { id = row[1], due = row[2] and row[2] / 1000 or nil, json = row[3] }
  end
  return list
end

return drafts
