--- `host.sales` and `host.list_companies` of a host whose sales are rows of a table: for drift, and the calendar.

local event_of = require "leadcat.events.event"
local options_of = require "leadcat.util.options"
local session = require "leadcat.host.sql.session"
local values = require "leadcat.host.sql.values"

local sales = {}

local MOST_IDS = 500 -- companies that one query asks for
local MEANS = { open = "open", won = "won", lost = "lost", stalled = "stalled" }

---@class (exact) leadcat.sql.Sales
---@field table string as SQL names it: crm.sales
---@field id string the column of a sale's id
---@field company string the column of its company's id
---@field status? string the column that says what has become of it; default: all are open
---@field statuses? table<string, "open"|"won"|"lost"|"stalled"> what the CRM's own words mean
---@field registered? string when it was registered: seconds since 1970, a date, or a date and time
---@field closed? string when it was won or lost
---@field name? string
---@field fields? table<string, string> columns or expressions, by the names that conditions compare behind "sale.": amount

local TEXT = options_of.of_type "string"
local OPTIONS = {
  table = TEXT, id = TEXT, company = TEXT, status = TEXT, registered = TEXT, closed = TEXT, name = TEXT,
  statuses = options_of.kind('a table of "open", "won", "lost" or "stalled" by the CRM\'s own words', function(value)
    for word, means in pairs(type(value) == "table" and value or { false }) do
      if type(word) ~= "string" or not MEANS[means] then
        return false
      end
    end
    return true
  end),
  fields = options_of.kind("a table of SQL expressions by name", function(value)
    for name, expression in pairs(type(value) == "table" and value or { false }) do
      if type(name) ~= "string" or type(expression) ~= "string" then
        return false
      end
    end
    return true
  end),
}
local OWN = { "id", "company", "status", "registered", "closed", "name" }

--- What is wrong with the option; nil when nothing is.
---@param options any
---@return string? problem
function sales.problem(options)
  local problem = options_of.problem(options, OPTIONS)
  for _, name in ipairs { "table", "id", "company" } do
    problem = problem or options[name] == nil and ("option '%s' is missing"):format(name) or nil
  end
  for _, name in ipairs(OWN) do
    if not problem and options.fields and options.fields[name] then
      problem = ("option 'fields': '%s' is an option of its own"):format(name)
    end
  end
  return problem
end

-- The columns in the order in which they are read: {name, expression}.
local function columns_of(options)
  local columns, names = {}, {}
  for _, name in ipairs(OWN) do
    columns[#columns + 1] = options[name] and { name = name, expression = options[name] } or nil
  end
  for name in pairs(options.fields or {}) do
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    columns[#columns + 1] = { name = name, expression = options.fields[name], is_field = true }
  end
  return columns
end

---@param dialect leadcat.sql.Dialect
---@param options leadcat.sql.Sales without problems
---@return string select without its condition
local function select_of(dialect, options)
  local parts = {}
  for i, column in ipairs(columns_of(options)) do
    parts[i] = session.as_text(dialect, column.expression)
  end
  return ("SELECT %s FROM %s"):format(table.concat(parts, ", "), options.table)
end

-- A time of a sale; or nil, message.
local function time_of(sale, text)
  local seconds = text and values.time(text)
  if text and not seconds then
    return nil, ("sale %s: '%s' is no time, which is 2026-11-30, 2026-11-30 12:00:00+01, or seconds since 1970"):format(
      sale.id, text)
  end
  return seconds
end

-- A row as `host.sales` tells it, and its company; or nil, message. A word that means nothing stays, to be told.
local function sale_of(self, row)
  local read, sale = {}, {}
  for i, column in ipairs(self.columns) do
    read[column.name] = row[i] ~= "" and row[i] or nil
    if column.is_field and row[i] ~= "" then
      sale[column.name] = values.read(self.types["sale." .. column.name], row[i])
    end
  end
  local status = read.status or "open"
  sale.id, sale.name = read.id, read.name
  sale.status = self.means[status] or MEANS[status] or status
  local registered, message = time_of(sale, read.registered)
  local closed, why = time_of(sale, (sale.status == "won" or sale.status == "lost") and read.closed or nil)
  if message or why then
    return nil, message or why
  end
  sale.registered, sale.at = registered, closed or registered
  return sale, read.company
end

-- Adds the sales of some companies to their lists.
local function read_some(self, ids, lists)
  local statement = ("%s WHERE %s IN (?%s)"):format(self.select, self.options.company, (", ?"):rep(#ids - 1))
  local rows, message = session.query(self.adapter, statement, ids)
  for _, row in ipairs(rows or {}) do
    local sale, company = sale_of(self, row)
    if not sale then
      return false, company
    elseif lists[company] then
      table.insert(lists[company], sale)
    end
  end
  return rows ~= nil, message
end

local function read_sales(self, companies)
  local answers, lists, ids = {}, {}, {}
  for place, company in ipairs(companies) do
    local key = event_of.key(company)
    lists[key] = lists[key] or {}
    answers[place], ids[#ids + 1] = { sales = lists[key] }, key
    if #ids == MOST_IDS or place == #companies then
      local ok, message = read_some(self, ids, lists)
      if not ok then
        return nil, message
      end
      ids = {}
    end
  end
  return answers
end

local function list_companies(self, after, limit)
  local c = self.companies
  local rows, message = session.query(self.adapter, ("SELECT %s FROM %s%s ORDER BY %s LIMIT %d"):format(
    session.as_text(self.dialect, c.id), c.table, after and (" WHERE %s > ?"):format(c.id) or "", c.id, limit),
    after and { event_of.key(after) } or {})
  local list = rows and {}
  for i, row in ipairs(rows or {}) do
    list[i] = row[1]
  end
  return list, message
end

--- Adds what the host can tell of sales, and returns how that is tried out.
---@param host leadcat.Host
---@param of {adapter: leadcat.sql.Adapter, dialect: leadcat.sql.Dialect, companies: leadcat.sql.Companies, types: table<string, string>}
---@param options leadcat.sql.Sales without problems
---@return fun(): true?, string? try_out
function sales.add(host, of, options)
  local self = {
    adapter = of.adapter, dialect = of.dialect, companies = of.companies, types = of.types, options = options,
    columns = columns_of(options), select = select_of(of.dialect, options), means = options.statuses or {},
  }
  host.sales = function(companies) return read_sales(self, companies) end
  host.list_companies = function(after, limit) return list_companies(self, after, limit) end
  return function()
    local rows, message = session.query(self.adapter, ("%s WHERE %s IS NULL AND %s IS NOT NULL"):format(self.select,
      options.id, options.id))
    return rows and true, not rows and "sales cannot be read: " .. message or nil
  end
end

return sales
