--- The DDL of an outbox: a table that triggers on the table of sales fill, the lease of the one who reads it, and how to
-- remove all of it.

local dialects = require "leadcat.source.outbox.dialect"
local merged = require "leadcat.util.merged"
local options_of = require "leadcat.util.options"
local sql = require "leadcat.host.sql"

local schema = {}

schema.TABLE = "leadcat_outbox"

local LONGEST = 256 -- characters of a text: one more than an id may have

-- Names ---------------------------------------------------------------------------------------------------------------

-- A name in quotes; or nil and what is wrong with it.
local function quote(dialect, name)
  if name == "" or name:find "[%z\1-\31\127]" then
    return nil, "a name has at least one character, and none that cannot be seen"
  elseif #name > dialect.longest then
    return nil, ("a name has at most %d bytes"):format(dialect.longest)
  end
  local mark = dialect.quote
  return mark .. name:gsub(mark, mark .. mark) .. mark
end

--- A table's name in quotes, as the database has it: `sales`, or `crm.sales` where there are schemas.
---@param dialect leadcat.outbox.Dialect
---@param name string
---@param ending? string of the name, as of another table, a trigger or a function that goes with it
---@return string? quoted, string? problem
function schema.quoted(dialect, name, ending)
  local parts = {}
  for part in (name .. "."):gmatch "([^.]*)%." do
    parts[#parts + 1] = part
  end
  if #parts > (dialect.has_schemas and 2 or 1) then
    return nil, dialect.has_schemas and "a table is named NAME or SCHEMA.NAME" or "SQLite: a table's name has no dot"
  end
  parts[#parts] = parts[#parts] .. (ending or "")
  for i, part in ipairs(parts) do
    local quoted, problem = quote(dialect, part)
    if not quoted then
      return nil, problem
    end
    parts[i] = quoted
  end
  return table.concat(parts, ".")
end

-- Statements ----------------------------------------------------------------------------------------------------------

local COLUMNS = "at, operation, sale, name, old_company, old_status, new_company, new_status, actor"

local TABLES = [[
-- One row for each sale that was made, changed or deleted, until leadcat has handled it. A row with a problem waits for
-- somebody to look at it: UPDATE ... SET problem = NULL has it tried again.
CREATE TABLE {table} (
  id {id},
  at {number} NOT NULL, -- seconds since 1970
  operation VARCHAR(6) NOT NULL,
  sale TEXT, name TEXT,
  old_company TEXT, old_status TEXT,
  new_company TEXT, new_status TEXT,
  actor TEXT,
  problem TEXT
){options};

-- Who reads that table, and until when nobody else does.
CREATE TABLE {lease} (
  id INTEGER NOT NULL PRIMARY KEY,
  owner VARCHAR(64) NOT NULL,
  expires {number} NOT NULL -- seconds since 1970
){options};

INSERT INTO {lease} (id, owner, expires) VALUES (1, '', 0);]]

local TRIGGERS = {
  postgresql = [[
-- It runs with the rights of who makes it, so that whoever may save a sale needs no others.
CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path FROM CURRENT AS $leadcat$
BEGIN
  IF TG_OP = 'INSERT' THEN
    {insert};
  ELSIF TG_OP = 'UPDATE' THEN
    {update};
  ELSE
    {delete};
  END IF;
  RETURN NULL;
END $leadcat$;

CREATE TRIGGER {insert_name} AFTER INSERT OR DELETE ON {sales} FOR EACH ROW EXECUTE FUNCTION {function}();

CREATE TRIGGER {update_name} AFTER UPDATE ON {sales} FOR EACH ROW
  WHEN ({changed}) EXECUTE FUNCTION {function}();]],
  mariadb = [[
CREATE TRIGGER {insert_name} AFTER INSERT ON {sales} FOR EACH ROW
  {insert};

CREATE TRIGGER {update_name} AFTER UPDATE ON {sales} FOR EACH ROW
  {update} FROM DUAL WHERE {changed};

CREATE TRIGGER {delete_name} AFTER DELETE ON {sales} FOR EACH ROW
  {delete};]],
  sqlite = [[
CREATE TRIGGER {insert_name} AFTER INSERT ON {sales} BEGIN
  {insert};
END;

CREATE TRIGGER {update_name} AFTER UPDATE ON {sales} WHEN {changed} BEGIN
  {update};
END;

CREATE TRIGGER {delete_name} AFTER DELETE ON {sales} BEGIN
  {delete};
END;]],
}

local REMOVAL = {
  postgresql = {
    "DROP TRIGGER {insert_name} ON {sales}", "DROP TRIGGER {update_name} ON {sales}", "DROP FUNCTION {function}()",
  },
  mariadb = { "DROP TRIGGER {insert_path}", "DROP TRIGGER {update_path}", "DROP TRIGGER {delete_path}" },
  sqlite = { "DROP TRIGGER {insert_name}", "DROP TRIGGER {update_name}", "DROP TRIGGER {delete_name}" },
}

local function fill(text, values)
  return (text:gsub("{(%l[%l_]*)}", values))
end

-- A value as a text; NULL without one.
local function text(names, value)
  return value and ("SUBSTR(CAST(%s AS %s), 1, %d)"):format(value, names.text, LONGEST) or "NULL"
end

-- The expression for who does it; where there is no new row, of the old one.
local function actor_of(names, has_new)
  return not has_new and names.actor and names.actor:gsub("%f[%w_][Nn][Ee][Ww]%s*%.", "OLD.") or names.actor
end

-- The statement that writes a row of the outbox. `old`, `new`: whether the sale has such a row.
local function insert(names, operation, old, new)
  local last = new and "NEW." or "OLD."
  return table.concat({
    ("INSERT INTO %s (%s)"):format(names.table, COLUMNS),
    ("SELECT %s, '%s',"):format(names.now, operation),
    ("  %s, %s,"):format(text(names, last .. names.id_column), text(names, names.name and last .. names.name)),
    ("  %s, %s,"):format(text(names, old and "OLD." .. names.company), text(names, old and "OLD." .. names.status)),
    ("  %s, %s,"):format(text(names, new and "NEW." .. names.company), text(names, new and "NEW." .. names.status)),
    ("  %s"):format(text(names, actor_of(names, new))),
  }, "\n    ")
end

-- What the statements are made of, by the names in them; or nil and what is wrong.
local function names_of(options)
  local dialect, names, problems = dialects[options.dialect], {}, {}
  local function set(name, option, ending, given)
    local problem
    names[name], problem = schema.quoted(dialect, given or options[option], ending)
    problems[#problems + 1] = problem and ("%s '%s': %s"):format(option, options[option], problem)
  end
  set("table", "table")
  set("lease", "table", "_lease")
  set("function", "table", "_write")
  set("sales", "sales")
  local own = options.table:match "[^.]*$"
  local path = options.sales:match "^(.*%.)" or ""
  for _, operation in ipairs { "insert", "update", "delete" } do
    set(operation .. "_name", "table", "_" .. operation, own)
    set(operation .. "_path", "table", "_" .. operation, path .. own)
  end
  for name, option in pairs { id_column = "id", company = "company", status = "status", name = "name" } do
    if options[option] then
      local problem
      names[name], problem = quote(dialect, options[option])
      problems[#problems + 1] = problem and ("%s '%s': %s"):format(option, options[option], problem)
    end
  end
  if options.dialect == "mariadb" and path ~= "" and own == options.table then -- a trigger would look for it there
    problems[#problems + 1] = ("table '%s': as `sales` has a schema, so must it: %s%s"):format(own, path, own)
  end
  return problems[1] == nil and names or nil, problems[1]
end

local OPTIONS = {
  dialect = options_of.one_of { "postgresql", "mariadb", "sqlite" }, sales = options_of.of_type "string",
  company = options_of.of_type "string", id = options_of.of_type "string", status = options_of.of_type "string",
  name = options_of.of_type "string", actor = options_of.of_type "string", table = options_of.of_type "string",
}

-- The values of what stands in braces.
local function values_of(options, names)
  local dialect = dialects[options.dialect]
  local values = merged(names, {
    id = dialect.id, number = dialect.number, options = dialect.table_options, now = dialect.now, text = dialect.text,
    actor = options.actor,
    changed = ("%s OR %s"):format(dialect.differs:format("OLD." .. names.status, "NEW." .. names.status),
      dialect.differs:format("OLD." .. names.company, "NEW." .. names.company)),
  })
  values.insert = insert(values, "insert", false, true)
  values.update = insert(values, "update", true, true)
  values.delete = insert(values, "delete", true, false)
  return values
end

local function removal(options, values)
  local lines = { "-- To remove all of it again, with what has not been handled:" }
  for _, statement in ipairs(REMOVAL[options.dialect]) do
    lines[#lines + 1] = "-- " .. fill(statement, values) .. ";"
  end
  lines[#lines + 1] = fill("-- DROP TABLE {table}; DROP TABLE {lease};", values)
  return table.concat(lines, "\n")
end

---@class (exact) leadcat.outbox.SchemaOptions
---@field dialect "postgresql"|"mariadb"|"sqlite"
---@field sales string the table of sales, as the database has its name: sales, or crm.sales
---@field company string its column of the company's id
---@field id? string its column of the sale's id; default id
---@field status? string its column of the sale's status; default status
---@field name? string its column of what the sale is called
---@field actor? string an SQL expression of who does it: NEW.changed_by (for a sale that is deleted, of OLD)
---@field table? string the table that is made; default leadcat_outbox

--- The DDL, statements with a blank line between them: that of the outbox, and the table of what `leadcat.host.sql` has
-- changed, unless that is there. Raises on a wrong option.
---@param options leadcat.outbox.SchemaOptions
---@return string? ddl, string? message a name that the database cannot have
function schema.ddl(options)
  options_of.check(options, OPTIONS, "leadcat.source.outbox: ")
  for _, name in ipairs { "dialect", "sales", "company" } do
    if not options or options[name] == nil then
      error(("leadcat.source.outbox: option '%s' is missing"):format(name), 2)
    end
  end
  options = merged({ id = "id", status = "status", table = schema.TABLE }, options)
  local names, problem = names_of(options)
  if not names then
    return nil, problem
  end
  local values = values_of(options, names)
  return table.concat({
    sql.schema(options.dialect), fill(TABLES, values),
    "-- What a sale was and what it is now, written in the transaction that saves it.\n"
      .. fill(TRIGGERS[options.dialect], values),
    removal(options, values),
  }, "\n\n") .. "\n"
end

return schema
