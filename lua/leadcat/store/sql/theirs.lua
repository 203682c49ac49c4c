--- Companies that a CRM keeps in the database of the shared store: their categories are read with what else is looked at,
-- and changed by the statement that writes the journal and the mark that the event was seen. So all of it is there, or
-- nothing, and no change is ever `applying`.
--
-- The row of a company is locked before leadcat's own (`g`), if it stands where the change begins, and changed behind it
-- (`u`). Where it does not, that company is left out, and is decided anew, as if its row of leadcat.company had moved.
-- A second change of a company in the same call is a statement of its own, behind the first in the same transaction
-- and round trip, so that the CRM's triggers see every change.
--
-- What the CRM's side does not take (a constraint, a trigger, a right, a lock that is held, an id that is none) is
-- `apart`: nothing was written, and whoever called makes the change as that of any other host.

local core = require "leadcat.core"
local pg = require "leadcat.store.pg"
local statements = require "leadcat.store.sql.statements"

local theirs = {}

---@class leadcat.sql.Theirs
---@field table string as SQL names it, and the columns of
---@field id string
---@field category string
---@field set? string what else is set with it
---@field external boolean whether categories are the host's own texts
---@field name string for statements
---@field look string rows of `statements.look`: kind 8, the company, its category as a text
---@field before string
---@field fits string
---@field behind string
---@field check string parts of `statements.put`
---@field types string of its parameters
---@field known table<string, leadcat.pg.Statement>
---@field look_at leadcat.pg.Statement
---@field again leadcat.pg.Statement the further changes of companies

---@class leadcat.sql.Names how the host calls categories, where that is not by leadcat's ids
---@field id_of fun(text: string): integer?
---@field text_of fun(id: integer): string?

-- Where the first changes' parameters begin: companies, from, to.
local FIRST = 21

-- `$TABLE`, `$ID`, `$CATEGORY`, `$SET`, and the columns' types.
local LOOK = [[

UNION ALL SELECT 8, leadcat_company, convert_to(t.category, 'UTF8'), NULL FROM unnest($2::bytea[]) AS c(leadcat_company)
  CROSS JOIN LATERAL (SELECT COALESCE(CAST($CATEGORY AS text), '') AS category FROM $TABLE
    WHERE $ID = CAST(convert_from(leadcat_company, 'UTF8') AS $IDTYPE) LIMIT 1) t]]
local BEFORE = [[

x AS MATERIALIZED (SELECT company AS leadcat_company, CAST(convert_from(company, 'UTF8') AS $IDTYPE) AS leadcat_id,
    CAST(came_from AS $CATEGORYTYPE) AS leadcat_from, CAST(goes_to AS $CATEGORYTYPE) AS leadcat_to
  FROM unnest($1::bytea[], $2::text[], $3::text[]) AS x(company, came_from, goes_to)),
g AS MATERIALIZED (SELECT leadcat_company FROM (SELECT * FROM x ORDER BY leadcat_company) x
  CROSS JOIN LATERAL (SELECT 1 FROM $TABLE WHERE $ID = leadcat_id AND $CATEGORY = leadcat_from
    FOR NO KEY UPDATE) t),]]
local FITS = [[WHERE i.company NOT IN (SELECT leadcat_company FROM x)
  OR i.company IN (SELECT leadcat_company FROM g)]]
local UPDATE = [[
UPDATE $TABLE SET $CATEGORY = leadcat_to$SET FROM %s
  WHERE $ID = leadcat_id AND $CATEGORY = leadcat_from RETURNING leadcat_company]]
local BEHIND = ",\nu AS (" .. UPDATE:format "(SELECT x.* FROM x JOIN k ON k.company = leadcat_company) x" .. ")"
local CHECK = [[(SELECT count(DISTINCT leadcat_company) FROM u)
  = (SELECT count(*) FROM x WHERE leadcat_company IN (SELECT company FROM k))]]
local AGAIN = "WITH " .. BEFORE:match "\n(.-),\ng AS" .. ",\nu AS (" .. UPDATE:format "x" .. [[)
SELECT CASE WHEN (SELECT count(DISTINCT leadcat_company) FROM u) = (SELECT count(*) FROM x) THEN 0
  ELSE ('leadcat: missed ' || (SELECT count(*) FROM u))::int4 END]]
local TYPES = "bytea[] text[] text[]"

local made = 0

-- A type as SQL casts to it; by its plain name `character` would be one letter.
local function type_of(name)
  return name == "character" and "bpchar" or name
end

--- What is said to the database of such companies.
---@param companies leadcat.sql.Companies as `leadcat.host.sql` takes them
---@param types {id: string, category: string} of the columns
---@return leadcat.sql.Theirs
function theirs.new(companies, types)
  made = made + 1
  local words = {
    TABLE = companies.table, ID = companies.id, CATEGORY = companies.category, IDTYPE = type_of(types.id),
    CATEGORYTYPE = type_of(types.category), SET = companies.set and ", " .. companies.set or "",
  }
  local function fill(text, first)
    text = text:gsub("%$(%u+)", words)
    return (text:gsub("%$(%d+)", function(n) return "$" .. n + first end))
  end
  local self = {
    external = companies.external == true, name = "theirs" .. made, known = {}, types = TYPES,
    look = fill(LOOK, 0), before = fill(BEFORE, FIRST - 1), fits = FITS, behind = fill(BEHIND, 0), check = CHECK,
  }
  self.look_at = statements.look_at(self.name .. "_look", self)
  self.again = pg.statement(fill(AGAIN, 0), { "bytea[]", "text[]", "text[]" })
  return self
end

-- What was read ------------------------------------------------------------------------------------------------------

-- The category of a text of the database; false for none, nil for what is none of ours.
local function category_of(text, names)
  if text == "" then
    return false
  elseif names then
    return names.id_of(text)
  end
  local id = tonumber(text)
  return id and id % 1 == 0 and id > 0 and id < 2 ^ 31 and math.floor(id) or nil
end

--- Puts where a company stands into what was read of it, in place of what the store keeps.
---@param company table of a world
---@param text? string its category in the database; nil: there is no such company
---@param names? leadcat.sql.Names
---@return boolean known
function theirs.put_category(company, text, names)
  local category = text and category_of(text, names)
  company.kept = { category = company.category, changed = company.changed, is_integer = company.is_integer }
  company.category, company.changed = category or nil, 0
  return text == nil or category ~= nil
end

-- What is changed ----------------------------------------------------------------------------------------------------

-- The changes among new entries, of each company in order: `{company, from, to}`.
local function changes_of(self, found, entries)
  local list = {}
  for _, item in ipairs(entries) do
    if item.entry > found.last and (item.change == 1 or item.change == 2) then
      local shown = self.core:show_entry(item.record)
      list[#list + 1] = { entry = item.entry, company = item.company, from = shown.from, to = shown.to }
    end
  end
  table.sort(list, function(a, b) return a.entry < b.entry end)
  return list
end

-- The same in rows of columns: first those that no other one of their company comes before, then those behind one, and so
-- on. Nil: a category has no name.
local function hops_of(changes, names)
  local hops, depth = {}, {}
  for _, change in ipairs(changes) do
    local at = (depth[change.company] or 0) + 1
    depth[change.company] = at
    hops[at] = hops[at] or { { n = 0 }, { n = 0 }, { n = 0 } }
    local from, to = change.from, change.to
    local columns = {
      change.company, names and names.text_of(from) or not names and ("%d"):format(from) or nil,
      names and names.text_of(to) or not names and ("%d"):format(to) or nil,
    }
    for i = 1, 3 do
      if columns[i] == nil then
        return nil
      end
      hops[at][i].n = hops[at][i].n + 1
      hops[at][i][hops[at][i].n] = columns[i]
    end
  end
  return hops
end

--- The parameters of what changes in the CRM.
---@param self leadcat.sql.Store
---@param found table
---@param entries table[]
---@param names? leadcat.sql.Names
---@return table? first three columns for `statements.put`, table[]? further statements of the same pipeline; nothing: a category has no name
function theirs.changes(self, found, entries, names)
  local hops = hops_of(changes_of(self, found, entries), names)
  if not hops then
    return nil
  end
  local further = {}
  for i = 2, #hops do
    further[i - 1] = { self.theirs.again, hops[i] }
  end
  return hops[1] or { {}, {}, {} }, further
end

-- What went wrong ----------------------------------------------------------------------------------------------------

local WAITED = { ["57014"] = true, ["55P03"] = true } -- a statement's and a lock's time was over

--- Whether the database has refused a statement with the CRM's companies in it, for another reason than that somebody else
-- was first.
---@param code? string of `store:run`
---@param problem? leadcat.pg.Problem
---@return boolean
function theirs.is_refused(code, problem)
  return problem ~= nil and (code == "io" or code == "overtaken" or WAITED[problem.sqlstate] or false)
end

-- Whether it is the same database ------------------------------------------------------------------------------------

local LOCK = pg.statement("SELECT pg_advisory_xact_lock($1::int8)::text", { "int8" })
local BEGIN, ROLLBACK = pg.statement "BEGIN", pg.statement "ROLLBACK"
local ABOUT = pg.statement([[SELECT current_user::text, coalesce(to_regclass($1::text)::oid::text, ''),
  row_security_active(to_regclass($1::text))]], { "text" })

-- Holds a lock on a session of the store while `work` looks for it from elsewhere.
local function while_locked(store, key, work)
  local taken, message = store.database:acquire()
  if not taken then
    return nil, message
  end
  local results
  results, message = taken:pipeline { { BEGIN }, { LOCK, { key } } }
  local answer, why = nil, message
  if results then
    answer, why = work(taken)
  end
  if taken:is_open() then
    taken:run(ROLLBACK)
  end
  store.database:release(taken)
  return answer, why
end

local function types_of(store, companies)
  local rows, message = store:run(pg.statement(([[SELECT pg_typeof(t.id)::text, pg_typeof(t.category)::text
    FROM (SELECT 1) one LEFT JOIN (SELECT %s AS id, %s AS category FROM %s LIMIT 0) t ON true]]):format(companies.id,
    companies.category, companies.table)), {})
  return rows and { id = rows[1][1], category = rows[1][2] }, message
end

-- Whether all that is to be done can be done, with no row.
local function try_out(store, made_of)
  local none = {}
  local rows, message = store:run(made_of.look_at, { "", none, none, none, none, false, nil, 0 })
  if rows then
    local put = statements.put({}, made_of)
    local params = { "", -1, false, 0, store.cluster, n = FIRST + 2 }
    for i = 6, FIRST + 2 do
      params[i] = none
    end
    rows, message = store:run(put, params)
  end
  return rows and true, message
end

--- Recognises the CRM's database as the store's own, and has the store change companies there from now on. A lock that one
-- session holds and the other one meets proves it: a copy of the server, or another database of it, has no such lock.
---@param store leadcat.sql.Store
---@param companies leadcat.sql.Companies
---@param ask fun(sql: string, parameters: string[]): string[][]?, string? asks the host's database
---@param insists? boolean another user will do
---@return boolean is_same, string? why not
function theirs.join(store, companies, ask, insists)
  local key, mine = tonumber(core.random_id():sub(1, 12), 16), nil
  local rows, message = while_locked(store, key, function(taken)
    local about, why = taken:run(ABOUT, { companies.table })
    if not about then
      return nil, why
    end
    mine = about[1]
    return ask([[SELECT CASE WHEN pg_try_advisory_xact_lock(CAST(? AS int8)) THEN 'free' ELSE 'held' END,
      CAST(current_user AS text), COALESCE(CAST(to_regclass(CAST(? AS text)) AS oid)::text, '')]],
      { ("%.0f"):format(key), companies.table })
  end)
  local host = rows and rows[1]
  if not host then
    return false, message or "the host's database gives no answer"
  elseif host[1] ~= "held" then
    return false, "they are in another database than the one that `shared` names"
  elseif mine[2] == "" or host[3] ~= mine[2] then
    return false, ("'%s' is another table for the user of `shared`"):format(companies.table)
  elseif mine[3] then
    return false, ("row security may hide rows of '%s' from the user of `shared`"):format(companies.table)
  elseif host[2] ~= mine[1] and not insists then
    return false, ("the host connects as another user (%s) than `shared` (%s)"):format(host[2], mine[1])
  end
  local types
  types, message = types_of(store, companies)
  local joined = types and theirs.new(companies, types)
  local ok
  if joined then
    ok, message = try_out(store, joined)
  end
  if not ok then
    return false, "the user of `shared` cannot change them: " .. message
  end
  store.theirs = joined
  return true
end

return theirs
