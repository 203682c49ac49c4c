--- Writes all that a store of one machine holds into the tables of a shared one, page by page (lua/leadcat/store/moving.lua).

local write = {}

local MS = "(extract(epoch FROM clock_timestamp()) * 1000)::int8"

-- The counters of entries, which a shared store counts when it is asked.
local COUNTED = { journal_entries = true, unchanged_entries = true, deliveries = true }

local function micro(seconds) return math.floor(seconds * 1000000) end
local function milli(seconds) return math.floor(seconds * 1000) end

-- A statement that inserts rows, given as columns: `columns` are names with their types.
local function inserting(name, columns, tail)
  local names, types, places = {}, {}, {}
  for word, of in columns:gmatch "(%S+):(%S+)" do
    names[#names + 1], types[#types + 1] = word, of .. "[]"
    places[#places + 1] = ("$%d::%s[]"):format(#names, of)
  end
  local list = table.concat(names, ", ")
  local text = "INSERT INTO leadcat.%s (%s) SELECT %s FROM unnest(%s) AS i(%s)%s"
  return { names = names, types = types,
    text = text:format(name, list, list, table.concat(places, ", "), list, tail or "") }
end

local function run(session, statement, rows)
  if #rows == 0 then
    return
  end
  local values = {}
  for k, name in ipairs(statement.names) do
    values[k] = { n = #rows }
    for i, row in ipairs(rows) do
      values[k][i] = row[name]
    end
  end
  session.run(statement.text, statement.types, values)
end

local COMPANY = " ON CONFLICT (tenant, company) DO UPDATE SET "

-- Deliveries are numbered by the µs in which they came, or a little later.
local function number_delivery(row, _, known)
  row.written, row.due = micro(row.received), micro(row.due)
  row.id = math.max((known[row.tenant] or 0) + 1, row.written)
  known[row.tenant] = row.id
end

-- Changes keep their numbers: whoever follows them goes on. The one with the number 0 says where they begin.
local function number_change(row, place, known)
  if (row.number or 0) == 0 then
    known[#known + 1] = { tenant = row.tenant, removed = row.entry }
    return false
  end
  row.place, row.made = place, row.number
end

-- What is made of each table: the statement, and what is done to a row before (false: it is left out).
local STEPS = {
  { "configs", inserting("config", "tenant:bytea revision:int8 changed:int8 json:bytea about:bytea"),
    function(row, i) row.revision, row.changed, row.json, row.about = row.number, i, row.record, "" end },
  { "revisions", { names = { "tenant", "number", "record" }, types = { "bytea[]", "int8[]", "bytea[]" },
    text = [[UPDATE leadcat.config c SET about = i.about FROM unnest($1::bytea[], $2::int8[], $3::bytea[])
AS i(tenant, revision, about) WHERE c.tenant = i.tenant AND c.revision = i.revision]] }, function() end },
  { "journal", inserting("entry", "tenant:bytea entry:int8 company:bytea former:bytea event_id:bytea status:int2 "
    .. "change:int2 at:int8 written:int8 record:bytea"),
    function(row) row.at, row.written = micro(row.at), micro(row.written) end },
  { "unchanged", inserting("unchanged", "tenant:bytea entry:int8 company:bytea at:int8 written:int8 record:bytea"),
    function(row) row.at, row.written = micro(row.at), micro(row.written) end },
  { "confirmations", inserting("question", "tenant:bytea id:bytea entry:int8 company:bytea user_id:bytea state:int2 "
    .. "expires_at:int8 on_expiry:int2 record:bytea"),
    function(row) row.user_id, row.expires_at = row.user, milli(row.expires_at) end },
  { "notes", inserting("cursor", "tenant:bytea name:bytea text:bytea"), function(row) row.text = row.record end },
  { "counters", inserting("counter", "tenant:bytea name:bytea value:int8"),
    function(row) return not COUNTED[row.name] end },
  { "daily", inserting("daily", "tenant:bytea counted:bytea count:int8"), function(row) return row.counted ~= nil end },
  { "daily", inserting("daily_head", "tenant:bytea since:int8 removed:int8"),
    function(row) return row.since ~= nil end },
  { "deliveries", inserting("delivery", "tenant:bytea id:int8 key:bytea hook:bytea state:int2 written:int8 due:int8 "
    .. "attempts:int4 sender_id:bytea about:bytea problem:bytea body:bytea"), number_delivery },
  { "drafts", inserting("draft", "tenant:bytea id:int8 due:int8 json:bytea"), function(row)
    row.id, row.due = row.number * 1000, row.due and milli(row.due) or nil
  end },
  { "changes", { names = { "tenant", "place", "made", "entry", "kind", "number" },
    types = { "bytea[]", "int8[]", "int8[]", "int8[]", "text[]", "int8[]" },
    text = [[INSERT INTO leadcat.change (tenant, place, made, entry, kind, number)
SELECT tenant, place, made, ARRAY[entry], ARRAY[kind], number
FROM unnest($1::bytea[], $2::int8[], $3::int8[], $4::int8[], $5::text[], $6::int8[])
AS i(tenant, place, made, entry, kind, number)]] }, number_change },
}

-- What is done from now on has higher numbers than all before, also where the database's clock is behind; and higher places.
local SEQUENCES = {
  [[INSERT INTO leadcat.sequence (tenant, last, removed) SELECT tenant, $1, 0 FROM leadcat.config
UNION SELECT tenant, $1, 0 FROM leadcat.entry UNION SELECT tenant, $1, 0 FROM leadcat.company]],
  "SELECT setval('leadcat.change_place', coalesce(max(place) / 1048576, 0) + 1) FROM leadcat.change",
}
local REMOVED = { names = { "tenant", "removed" }, types = { "bytea[]", "int8[]" },
  text = [[INSERT INTO leadcat.sequence AS s (tenant, last, removed) SELECT tenant, removed, removed
FROM unnest($1::bytea[], $2::int8[]) AS i(tenant, removed)
ON CONFLICT (tenant) DO UPDATE SET removed = excluded.removed]] }

-- What a company has under way, once the rows of all with entries are there.
local function company(columns)
  local sets = {}
  for word in columns:gmatch "(%S+):%S+" do
    sets[#sets + 1] = ("%s = excluded.%s"):format(word, word)
  end
  return inserting("company", "tenant:bytea company:bytea version:int8 newest:int8 changed:int8 is_integer:bool "
    .. columns, COMPANY .. table.concat(sets, ", "))
end

local function first(row)
  row.company, row.version, row.newest = row.name, 1, 0
  row.changed, row.is_integer = row.changed or 0, row.is_integer or false
end

local OF_ENTRIES = [[
INSERT INTO leadcat.company (tenant, company, version, newest, changed, is_integer, attempts, begun)
SELECT tenant, company, 1, max(entry), 0, false, 0, 0 FROM (SELECT tenant, company, entry FROM leadcat.entry
  UNION ALL SELECT tenant, former, entry FROM leadcat.entry WHERE former IS NOT NULL) e GROUP BY tenant, company]]
local OPEN = [[
UPDATE leadcat.company k SET question = q.id FROM leadcat.question q
WHERE q.state = 0 AND q.tenant = k.tenant AND q.company = k.company]]

local KEPT = inserting("company", "tenant:bytea company:bytea version:int8 newest:int8 category:int4 changed:int8 "
  .. "is_integer:bool", COMPANY .. "category = excluded.category, changed = excluded.changed, "
  .. "is_integer = excluded.is_integer")

local OF_COMPANIES = {
  { "companies", KEPT, first },
  { "applying", company "applying:int8 retry_at:int8 deadline:int8 attempts:int4 begun:int8", function(row)
    first(row)
    row.retry_at, row.deadline = milli(row.retry_in), 0
  end },
  { "scheduled", company "scheduled:int8 scheduled_at:int8", first },
}
local CLOCK = "UPDATE leadcat.company SET retry_at = retry_at + " .. MS .. ", deadline = " .. MS
  .. " WHERE applying IS NOT NULL"

local MARK = inserting("mark", "tenant:bytea event_id:bytea written:int8 record:bytea",
  " ON CONFLICT (tenant, event_id) DO UPDATE SET record = excluded.record")

-- Calls `fn` with the rows of each page.
local function each_page(store, must, name, fn)
  local after = ""
  repeat
    local rows = must(store:page(name, after))
    after = rows[1] and rows[#rows].at_key
    fn(rows)
  until not after
end

local function carry(store, session, must, steps, count)
  local known
  for _, step in ipairs(steps) do
    local number = 0
    known = {}
    each_page(store, must, step[1], function(rows)
      local kept = {}
      for _, row in ipairs(rows) do
        number = number + 1
        if step[3](row, number, known) ~= false then
          kept[#kept + 1] = row
        end
      end
      run(session, step[2], kept)
      count(#rows)
    end)
  end
  return known
end

-- A batch says when its ids were marked; what they are marked with stands elsewhere.
local function carry_marks(store, session, must, count)
  each_page(store, must, "marks", function(rows)
    for _, row in ipairs(rows) do
      local marks = {}
      for i, id in ipairs(row.ids) do
        marks[i] = { tenant = row.tenant, event_id = id, written = micro(row.written), record = "" }
      end
      run(session, MARK, marks)
    end
  end)
  each_page(store, must, "seen", function(rows)
    local marks = {}
    for _, row in ipairs(rows) do
      if #row.record ~= 8 then -- else it is the number of an entry
        marks[#marks + 1] = { tenant = row.tenant, event_id = row.name, written = 0, record = row.record }
      end
    end
    run(session, MARK, marks)
    count(#rows)
  end)
  session.run "DELETE FROM leadcat.mark WHERE record = ''" -- they have been erased
end

local function carry_triggers(store, session, must)
  local names, abouts = store:triggers()
  must(names, abouts, "corrupt")
  local rows = {}
  for i, name in ipairs(names) do
    rows[i] = { number = i - 1, name = name, about = abouts[i] }
  end
  run(session, inserting("trigger", "number:int4 name:text about:bytea"), rows)
end

--- How many records there are.
function write.total(store, must)
  local total = 0
  for _, list in ipairs { STEPS, OF_COMPANIES, { { "seen" } } } do
    for _, step in ipairs(list) do
      total = total + must(store:table_size(step[1]))
    end
  end
  return total
end

--- Writes everything, in the session's transaction.
---@param store leadcat.Store the core's, opened with `moves`
---@param session table `run(text, types, values)`, which raises
---@param must fun(value: any, message?: string, code?: string): any
---@param count fun(records: integer)
function write.all(store, session, must, count)
  carry_triggers(store, session, must)
  local removed = carry(store, session, must, STEPS, count) -- of changes, which come last
  session.run(OF_ENTRIES)
  carry(store, session, must, OF_COMPANIES, count)
  session.run(SEQUENCES[1], { "int8" }, { must(store:newest_change "") })
  session.run(SEQUENCES[2])
  run(session, REMOVED, removed)
  session.run(CLOCK)
  session.run(OPEN)
  carry_marks(store, session, must, count)
  session.run "UPDATE leadcat.meta SET value = (SELECT count(*) FROM leadcat.config) + 1 WHERE name = 'configs'"
  for _, epoch in ipairs(store:epochs()) do
    session.run("INSERT INTO leadcat.meta (name, value) VALUES ($1, $2)", { "text", "int8" },
      { "epoch " .. epoch.name, epoch.first })
  end
end

return write
