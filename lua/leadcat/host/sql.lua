--- A host whose companies are rows of a table of a SQL database. A change and its idempotency key are written in one
-- transaction, so that it is made once, whoever dies when.

local dialects = require "leadcat.host.sql.dialect"
local event_of = require "leadcat.events.event"
local options_of = require "leadcat.util.options"
local sales = require "leadcat.host.sql.sales"
local session = require "leadcat.host.sql.session"
local values = require "leadcat.host.sql.values"

---@class leadcat.host.sql
---@overload fun(options: leadcat.sql.Options): leadcat.Host
local sql = {}

local MOST_IDS = 500 -- companies that one query asks for
local TOGETHER = 20 -- changes that one statement remembers

---@class (exact) leadcat.sql.Companies
---@field table string as SQL names it: crm.companies
---@field id string the column of a company's id
---@field category string the column of its category: our ids, or, with `external`, the host's own
---@field external? boolean
---@field name? string a column, or any expression of the row
---@field set? string what is set with the category: "version = version + 1"
---@field facts? table<string, string> columns or expressions, by the names of facts that conditions compare

---@class (exact) leadcat.sql.Options
---@field adapter leadcat.sql.Adapter
---@field companies leadcat.sql.Companies
---@field sales? leadcat.sql.Sales where they are, for drift and rules for `no_sale_for`
---@field applied? string the table of idempotency keys; default leadcat_applied
---@field fields? leadcat.Field[] what conditions may compare, with the types by which facts are read
---@field together? boolean whether a shared store in the same database makes changes itself, in the transaction of the journal. true: it has to, or it does not open; default: where it is the same database and user

-- The database --------------------------------------------------------------------------------------------------------

local function transaction(self, work)
  return session.transaction(self.adapter, work)
end

local function query(self, statement, parameters)
  return session.query(self.adapter, statement, parameters)
end

local function as_text(self, expression)
  return session.as_text(self.dialect, expression)
end

-- Whether it is NULL, as a text.
local function is_null(expression)
  return ("CASE WHEN (%s) IS NULL THEN '1' ELSE '0' END"):format(expression)
end

-- Categories ----------------------------------------------------------------------------------------------------------

-- The category in a row of `SELECT category`: nil for none.
local function category_of(self, text)
  if text == "" then
    return nil
  end
  return not self.companies.external and tonumber(text) or text
end

-- What is written for one of our categories; or nil, message.
local function category_text(self, outcome, id, which)
  if not self.companies.external then
    return ("%d"):format(id)
  end
  local external = outcome.external and outcome.external[which]
  return external, not external and ("category %d has no `external`, by which the database knows it"):format(id) or nil
end

local function category(self, company)
  local rows, message = query(self, self.find_one, { event_of.key(company) })
  if not rows then
    return nil, message
  end
  return rows[1] and category_of(self, rows[1][1])
end

-- Calls `use(id, row)` with a row of these columns for each company that is there.
local function each_row(self, columns, companies, use)
  local c, ids = self.companies, {}
  for place, company in ipairs(companies) do
    ids[#ids + 1] = event_of.key(company)
    if #ids == MOST_IDS or place == #companies then
      local rows, message = query(self, ("SELECT %s, %s FROM %s WHERE %s IN (?%s)"):format(as_text(self, c.id), columns,
        c.table, c.id, (", ?"):rep(#ids - 1)), ids)
      if not rows then
        return nil, message
      end
      for _, row in ipairs(rows) do
        use(table.remove(row, 1), row)
      end
      ids = {}
    end
  end
  return true
end

local function categories(self, companies)
  local found, answers = {}, {}
  local ok, message = each_row(self, as_text(self, self.companies.category), companies, function(id, row)
    found[id] = row[1]
  end)
  if not ok then
    return nil, message
  end
  for place, company in ipairs(companies) do
    local text = found[event_of.key(company)]
    if text then
      answers[place] = category_of(self, text) or false
    else -- the database may find it all the same, as it may take "acme" for "Acme"
      local answer, why = category(self, company)
      if answer == nil and why then
        return nil, why
      end
      answers[place] = answer or false
    end
  end
  return answers
end

-- How many companies are in each category.
local function category_counts(self)
  local c, counts = self.companies, {}
  local rows, message = query(self, ("SELECT %s, %s FROM %s GROUP BY %s"):format(as_text(self, c.category),
    as_text(self, "COUNT(*)"), c.table, c.category), {})
  if not rows then
    return nil, message
  end
  for _, row in ipairs(rows) do
    local id = category_of(self, row[1])
    if id then
      counts[id] = tonumber(row[2])
    end
  end
  return counts
end

-- Changes -------------------------------------------------------------------------------------------------------------

-- The row that remembers a change; or nil, message.
local function row_of(self, told)
  local outcome = told.outcome
  local to, message = category_text(self, outcome, told.to, "to")
  local from, why = category_text(self, outcome, told.from, "from")
  if not to or not from then
    return nil, message or why
  end
  return { key = outcome.key, company = event_of.key(told.company), from = from, to = to }
end

-- Writes some of the rows with one statement: how many were not there before; or nil, message, code.
local function remember(self, connection, rows, first, last)
  local given = {}
  for place = first, last do
    local row = rows[place]
    given[#given + 1], given[#given + 2], given[#given + 3], given[#given + 4] = row.key, row.company, row.from, row.to
  end
  local more = (", (?, ?, ?, ?)"):rep(last - first)
  return connection:execute(self.dialect.insert_new(self.insert .. more), given)
end

-- Changes the company: "made", or "conflict" when it is not where it was; or nil, message, code.
local function update(self, connection, row)
  local updated, message, code = connection:execute(self.update, { row.to, row.company, row.from })
  if not updated then
    return nil, message, code
  end
  return updated > 0 and "made" or "conflict"
end

-- Makes one change.
local function change(self, connection, told)
  local row, problem = row_of(self, told)
  if not row then
    return nil, problem, "refused"
  end
  local inserted, message, code = remember(self, connection, { row }, 1, 1)
  if not inserted then
    return nil, message, code
  elseif inserted == 0 then
    return "made before"
  end
  return update(self, connection, row)
end

local function set_category(self, told)
  local ended, message, code = transaction(self, function(connection)
    local ended, message, code = change(self, connection, told)
    return ended, ended == "made" or message, code
  end)
  if ended == "conflict" then
    return nil, "conflict"
  elseif not ended then
    return nil, message, code
  end
  return true
end

-- Writes all rows. False: some were there before; nil, message.
local function remember_all(self, connection, changes, rows)
  for place, told in ipairs(changes) do
    local message
    rows[place], message = row_of(self, told)
    if not rows[place] then
      return nil, message
    end
  end
  for first = 1, #rows, TOGETHER do
    local last = math.min(first + TOGETHER - 1, #rows)
    local inserted, message = remember(self, connection, rows, first, last)
    if inserted ~= last - first + 1 then
      return inserted and false, message
    end
  end
  return true
end

-- Makes all with one transaction: the answers; nil or false when that cannot be, and none was made.
local function set_together(self, changes)
  return transaction(self, function(connection)
    local answers, rows = {}, {}
    local all_new, message = remember_all(self, connection, changes, rows)
    if not all_new then
      return all_new, message
    end
    for place, row in ipairs(rows) do
      local ended, why = update(self, connection, row)
      if ended == "conflict" then
        ended, why = connection:execute(self.forget, { row.key })
        answers[place] = { code = "conflict" }
      end
      if not ended then
        return nil, why
      end
      answers[place] = answers[place] or true
    end
    return answers, true
  end)
end

local function set_categories(self, changes)
  local answers = set_together(self, changes)
  if answers then
    return answers
  end
  answers = {}
  for place, told in ipairs(changes) do
    local ok, message, code = set_category(self, told)
    answers[place] = ok or { error = message, code = message == "conflict" and "conflict" or code }
  end
  return answers
end

local function applied(self, key)
  local rows, message = query(self, self.find_key, { key })
  if not rows then
    return nil, message
  end
  return #rows > 0
end

-- Facts ---------------------------------------------------------------------------------------------------------------

-- The names that some requests ask for and a column answers, in order.
local function names_of(self, requests)
  local names, seen = {}, {}
  for _, request in ipairs(requests) do
    for _, name in ipairs(request.names) do
      if self.companies.facts[name] and not seen[name] then
        names[#names + 1], seen[name] = name, true
      end
    end
  end
  return names
end

-- A row of columns and whether they are NULL, by name.
local function facts_of(self, names, row)
  local known = {}
  for i, name in ipairs(names) do
    if row[2 * i] == "0" then
      known[name] = values.read(self.types[name], row[2 * i - 1])
    end
  end
  return known
end

local function facts(self, requests)
  local names, columns, companies, found = names_of(self, requests), {}, {}, {}
  for i, name in ipairs(names) do
    local expression = self.companies.facts[name]
    columns[i] = as_text(self, expression) .. ", " .. is_null(expression)
  end
  for place, request in ipairs(requests) do
    companies[place] = request.company
  end
  local ok, message = true, nil
  if #names > 0 then
    ok, message = each_row(self, table.concat(columns, ", "), companies, function(id, row)
      found[id] = facts_of(self, names, row)
    end)
  end
  if not ok then
    return nil, message
  end
  local answers = {}
  for place, company in ipairs(companies) do
    answers[place] = found[event_of.key(company)] or {}
  end
  return answers
end

local function company_name(self, company)
  local rows = query(self, self.find_name, { event_of.key(company) })
  local name = rows and rows[1] and rows[1][1]
  return name ~= "" and name or nil
end

-- Trying it out -------------------------------------------------------------------------------------------------------

-- Whether all that the host does can be done, with no row: names that are wrong, and rights that are missing, are found before
-- there is an event. What a right is missing for would be refused for good.
local function try_out(self)
  local c, columns = self.companies, { as_text(self, self.companies.id), as_text(self, self.companies.category) }
  columns[#columns + 1] = c.name and as_text(self, c.name)
  for _, expression in pairs(c.facts or {}) do
    columns[#columns + 1] = as_text(self, expression)
  end
  local no_row = ("WHERE %s IS NULL"):format(c.id)
  local rows, message = query(self, ("SELECT %s FROM %s %s"):format(table.concat(columns, ", "), c.table, no_row))
  if not rows then
    return nil, "companies cannot be read: " .. message
  end
  return transaction(self, function(connection)
    local done, why = remember(self, connection, { { key = "", company = "", from = "", to = "" } }, 1, 1)
    if not done then
      return nil, ("changes cannot be remembered in %s: %s"):format(self.applied, why)
    end
    done, why = connection:execute(("UPDATE %s SET %s = %s%s %s"):format(c.table, c.category, c.category,
      c.set and ", " .. c.set or "", no_row))
    return done and true, not done and "companies cannot be changed: " .. why or nil -- and nothing is committed
  end)
end

-- The host ------------------------------------------------------------------------------------------------------------

local OPTIONS = {
  adapter = options_of.of_type("table", "an adapter, such as that of leadcat.host.sql.dbi"),
  companies = options_of.of_type("table", "a table of table, id and category"),
  sales = options_of.of_type("table", "a table of table, id and company"),
  applied = options_of.of_type "string", together = options_of.of_type "boolean",
  fields = options_of.of_type("table", "a list of {field, type, name, options}"),
}
local COMPANIES = {
  table = options_of.of_type "string", id = options_of.of_type "string", category = options_of.of_type "string",
  external = options_of.of_type "boolean", name = options_of.of_type "string", set = options_of.of_type "string",
  facts = options_of.of_type("table", "a table of SQL expressions by the names of facts"),
}

local function check(options)
  options_of.check(options, OPTIONS, "leadcat.host.sql: ")
  options_of.check(options and options.companies, COMPANIES, "leadcat.host.sql: companies: ")
  for _, name in ipairs { "adapter", "companies" } do
    if not options or options[name] == nil then
      error(("leadcat.host.sql: option '%s' is missing"):format(name), 3)
    end
  end
  for _, name in ipairs { "table", "id", "category" } do
    if options.companies[name] == nil then
      error(("leadcat.host.sql: companies: option '%s' is missing"):format(name), 3)
    end
  end
  local problem = options.sales and sales.problem(options.sales)
  if problem then
    error("leadcat.host.sql: sales: " .. problem, 3)
  end
end

-- Adds the statements.
local function prepare(self)
  local c, applied_table = self.companies, self.applied
  local where = ("FROM %s WHERE %s = ?"):format(c.table, c.id)
  self.find_one = ("SELECT %s %s"):format(as_text(self, c.category), where)
  self.find_name = c.name and ("SELECT %s %s"):format(as_text(self, c.name), where)
  self.update = ("UPDATE %s SET %s = ?%s WHERE %s = ? AND %s = ?"):format(c.table, c.category,
    c.set and ", " .. c.set or "", c.id, c.category)
  self.insert = ("INSERT INTO %s (change_key, company, category_before, category_after) VALUES (?, ?, ?, ?)"):format(
    applied_table)
  self.find_key = ("SELECT change_key FROM %s WHERE change_key = ?"):format(applied_table)
  self.forget = ("DELETE FROM %s WHERE change_key = ?"):format(applied_table)
end

--- The DDL of the table of idempotency keys.
---@param dialect "postgresql"|"mariadb"|"sqlite" of the database
---@param name? string default leadcat_applied
---@return string
function sql.schema(dialect, name)
  local found = dialects[dialect]
  if not found then
    error("leadcat.host.sql: a dialect is postgresql, mariadb or sqlite, not " .. tostring(dialect), 2)
  end
  return found.applied:format(name or "leadcat_applied")
end

-- A host for `leadcat.open`. Raises on a wrong option.
local function new(options)
  check(options)
  local self = {
    adapter = options.adapter, companies = options.companies, applied = options.applied or "leadcat_applied",
    dialect = dialects[options.adapter.dialect], types = {},
  }
  for _, field in ipairs(options.fields or {}) do
    self.types[field.field] = field.type
  end
  prepare(self)
  local host = {
    category = function(company) return category(self, company) end,
    categories = function(companies) return categories(self, companies) end,
    set_category = function(company, to, from, outcome)
      return set_category(self, { company = company, to = to, from = from, outcome = outcome })
    end,
    set_categories = function(changes) return set_categories(self, changes) end,
    category_counts = function() return category_counts(self) end,
    applied = function(_, key) return applied(self, key) end,
    try_out = function()
      local works, message = try_out(self)
      if works and self.try_sales then
        works, message = self.try_sales()
      end
      return works, message
    end,
    facts = options.companies.facts and function(requests) return facts(self, requests) end,
    company_name = self.find_name and function(company) return company_name(self, company) end,
    fields = options.fields,
  }
  self.try_sales = options.sales and sales.add(host, self, options.sales)
  host.rows = {
    together = options.together, companies = options.companies,
    own = { host.category, host.categories, host.set_category, host.set_categories, host.applied },
    query = self.dialect == dialects.postgresql and function(statement, parameters)
      return query(self, statement, parameters)
    end or nil,
  }
  return host
end

return setmetatable(sql, {
  --- A host for `leadcat.open` whose companies are rows of a table: the change and its key are written in one transaction. Raises on
  --- a wrong option.
  ---@param options leadcat.sql.Options
  ---@return leadcat.Host
  __call = function(_, options)
    local host = new(options)
    return host
  end,
})
