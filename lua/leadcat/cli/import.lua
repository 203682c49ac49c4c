--- Turns files into events for the command line: columns, forms of dates, line numbers.

local core = require "leadcat.core"
local csv = require "leadcat.util.csv"
local fields = require "leadcat.cli.fields"
local json = require "leadcat.util.json"
local tables = require "leadcat.cli.tables"
local unicode = require "leadcat.util.unicode"

local import = {}

-- Messages ------------------------------------------------------------------------------------------------------------

local MAX_SHOWN = 60 -- bytes of a text
local MAX_LISTED = 20

local MAX_TIME = 512 -- bytes: the pattern takes the square of them

-- A text from a file, quoted and on one line.
local function show(text)
  if #text > MAX_SHOWN then
    text = text:sub(1, MAX_SHOWN):gsub("[\192-\255][\128-\191]*$", "") .. "..."
  end
  return '"' .. unicode.visible(text) .. '"'
end

local function list(texts)
  return table.concat(texts, ", ", 1, math.min(#texts, MAX_LISTED)) .. (#texts > MAX_LISTED and ", ..." or "")
end

local function wrong(column, cell, expected)
  return nil, ("%s is %s, not %s"):format(column, show(cell), expected)
end

-- Dates ---------------------------------------------------------------------------------------------------------------

local MAX_SEEN = 10000
local CLOCKS = { [5] = "%Y-%m-%d %H:%M", [8] = "%Y-%m-%d %H:%M:%S" } -- by the length of the time of day
local ISO = "a date such as 2017-03-01 or 2017-03-01T10:20:30+01:00"

-- Seconds that a zone is ahead of UTC; no zone means UTC.
local function ahead(zone)
  local sign, hours, minutes = zone:match "^([+-])(%d%d):?(%d%d)$"
  if sign then
    return (sign == "+" and 60 or -60) * (hours * 60 + minutes)
  end
  return (zone == "" or zone == "Z") and 0 or nil
end

-- Seconds since 1970 of an ISO 8601 date, or date and time; nil when the text is neither.
local function iso_time(text)
  local day, clock, fraction, zone = text:match "^(%d%d%d%d%-%d%d%-%d%d)[T ]([%d:]+)(%.?%d*)(.*)$"
  if not day then
    return text:find "^%d%d%d%d%-%d%d%-%d%d$" and core.parse_time(text, "%Y-%m-%d")
  end
  local at = CLOCKS[#clock] and core.parse_time(day .. " " .. clock, CLOCKS[#clock])
  return at and ahead(zone) and json.integer(at - ahead(zone) + tonumber("0" .. fraction))
end

--- Seconds since 1970 of an ISO 8601 date, of a date and time, or of a number of seconds.
---@param text string
---@return number? at, string? problem
function import.time(text)
  local at = #text <= MAX_TIME and (tonumber(text:match "^%d+%.?%d*$") or iso_time(text)) or nil
  if not at then
    return nil, ("%s is not %s"):format(show(text), ISO)
  end
  return at
end

-- A function that reads the dates of a file. It caches them, since exports repeat their days.
local function dates(format)
  local expected = format and ("a date of the form %s"):format(format) or ISO
  local parse = format and core.parse_time or iso_time
  local seen, count = {}, 0
  return function(cell, column)
    local at = seen[cell]
    if not at then
      at = parse(cell, format)
      if not at then
        return wrong(column, cell, expected)
      elseif count == MAX_SEEN then
        seen, count = {}, 0
      end
      seen[cell], count = at, count + 1
    end
    return at
  end
end

-- Iterator ------------------------------------------------------------------------------------------------------------

---@class leadcat.import.Iterator
---@field warnings string[] what looks wrong with an export as a whole; complete after the first `next`
---@field total? integer events in an export; known after the first `next`
---@field bad { line: integer, message: string }[] the first 1,000 rows of an export that `keep_going` left out
---@field bad_count integer rows left out
---@field failed boolean there are no events, because of a bad header, or a bad row of an export
local Iterator = {}
Iterator.__index = Iterator

-- `step` returns the next event. `prepare` runs before the first one; when it returns a problem, there are no events.
local function iterator(file, options, prepare, step)
  return setmetatable({
    reader = csv.reader(function(n) return file:read(n) end, options), date = dates(options.date_format),
    options = options, prepare = prepare, step = step, warnings = {}, bad = {}, bad_count = 0, failed = false,
  }, Iterator)
end

--- The next event and its line; nil at the end; or nil, message, code and the line of the problem. After `invalid` it
--- may be called again, and goes on with the next line if possible.
---@return table? event, integer|string|nil line, "invalid"|"io"|nil code, integer? bad_line
function Iterator:next()
  local prepare = self.prepare
  self.prepare = nil
  if prepare then
    local message, code, line = prepare(self)
    if message then
      self.failed, self.step = true, function() end
      return nil, message, code, line
    end
  end
  return self.step(self)
end

--- Passes buffered lines of JSON straight to `add_lines` (of core.simulation), up to the first that needs checking,
--- which `next` reads. Passes none of CSV and exports.
---@param add_lines fun(text: string, from: integer, most: integer): integer, integer
---@param most integer
---@return integer count lines taken
function Iterator:feed(add_lines, most)
  return self.has_lines and self.reader:feed(add_lines, most) or 0
end

---@return integer bytes of the file read so far
function Iterator:position()
  return self.reader:position()
end

-- Headers -------------------------------------------------------------------------------------------------------------

local function find_column(header, name)
  local found, shown = nil, {}
  for i, title in ipairs(header) do
    if title == name and found then
      return nil, ("the column %s is there twice"):format(show(name))
    elseif title == name then
      found = i
    end
    shown[i] = show(title)
  end
  if not found then
    return nil, ("there is no column %s; the columns are: %s"):format(show(name), list(shown))
  end
  return found
end

-- Reads the header and sets self.columns to `plan(header, options)`. Returns the problem, if any.
local function read_header(self, plan)
  local header, line, code, bad_line = self.reader:next()
  if not header then
    return line or "the file is empty: it has no header", code or "invalid", bad_line or 1
  end
  local columns, message = plan(header, self.options)
  self.columns = columns
  return message, "invalid", line
end

-- Events --------------------------------------------------------------------------------------------------------------

local KNOWN = "id, trigger, company, category, lead_status, contact, contact.name, sale, sale.name, actor, actor.name, "
  .. "at, choice"

-- Readers of cells: `(text, column, date, options)` returns a value, or nil and the problem. Other columns are text.
local CELLS = {}

function CELLS.category(cell, column)
  if #cell > 15 or not cell:find "^%-?%d+$" then
    return wrong(column, cell, "a whole number")
  end
  return tonumber(cell)
end

CELLS.lead_status = CELLS.category

function CELLS.choice(cell, column)
  if cell == "keep" or cell == "false" then
    return false
  end
  local category = CELLS.category(cell, column)
  if not category then
    return wrong(column, cell, 'a whole number or "keep"')
  end
  return category
end

-- Seconds since 1970, or a date. Only a date when its form is given, since 20170301 may be one.
function CELLS.at(cell, column, date, options)
  if not options.date_format and #cell <= 20 and cell:find "^%-?%d+%.?%d*$" then
    return json.integer(tonumber(cell))
  end
  return date(cell, column)
end

-- Each column fills a field of the event, or a key of that field.
local COLUMNS = {}
for name in KNOWN:gmatch "[%a_.]+" do
  local field, key = name:match "^(%a+)%.(%a+)$"
  local record = name == "contact" or name == "sale" or name == "actor"
  COLUMNS[name] = { name = name, field = field or name, key = record and "id" or key, read = CELLS[name] or tostring }
end

-- The value of a field of conditions; nil and the problem when the cell is of another type.
local function read_field(field, cell)
  local value, expected = fields.value(field, cell)
  if expected then
    return wrong(field.given, cell, expected)
  end
  return value
end

-- The column that a field is read from, like the other columns.
local function field_column(field)
  return {
    name = field.given, field = field.place, key = field.key,
    read = function(cell) return read_field(field, cell) end,
  }
end

local function event_columns(header, options)
  local columns, wanted, by_name = {}, { "trigger", "company" }, {}
  for _, field in ipairs(options.fields or {}) do
    by_name[field.given], wanted[#wanted + 1] = field_column(field), field.given
  end
  for i, name in ipairs(header) do
    columns[i], wanted[#wanted + 1] = by_name[name] or COLUMNS[name], name
    if not columns[i] then
      return nil, ("an event has no %s; the columns may be: %s, and those of --field"):format(show(name), KNOWN)
    end
  end
  for _, name in ipairs(wanted) do
    local found, message = find_column(header, name)
    if not found then
      return nil, message
    end
  end
  return columns
end

-- Fills in one cell. Returns the problem, if any.
local function put(event, column, cell, self)
  local value, message = column.read(cell, column.name, self.date, self.options)
  if column.key then
    event[column.field] = event[column.field] or {}
    event[column.field][column.key] = value
  else
    event[column.field] = value
  end
  return message
end

local function next_row(self)
  local cells, line, code, bad_line = self.reader:next()
  if not cells then
    return nil, line, code, bad_line
  end
  local event = {}
  for i, column in ipairs(self.columns) do
    local message = cells[i] ~= "" and put(event, column, cells[i], self)
    if message then
      return nil, message, "invalid", line
    end
  end
  return event, line
end

local function next_line(self)
  local text, line, code, bad_line
  repeat
    text, line, code, bad_line = self.reader:next_line()
  until not text or text:find "%S"
  if not text then
    return nil, line, code, bad_line
  end
  local event, message = json.decode(text)
  if type(event) ~= "table" or event[1] ~= nil then
    return nil, message or "an event is a JSON object", "invalid", line
  end
  return event, line
end

--- Reads events as they are written; the engine checks them. In CSV the columns are an event's fields, and an empty
--- cell is an absent field.
---@param file { read: fun(self, n: integer): string?, string? }
---@param options { format: "csv"|"jsonl", date_format?: string, delimiter?: string, fields?: leadcat.cli.Field[] } date_format is strptime's; fields: further columns of CSV
---@return leadcat.import.Iterator
function import.events(file, options)
  if options.format == "jsonl" then
    local self = iterator(file, options, nil, next_line)
    self.has_lines = true
    return self
  elseif options.format == "csv" then
    return iterator(file, options, function(self) return read_header(self, event_columns) end, next_row)
  end
  error("the format must be csv or jsonl", 2)
end

local FORMATS = { csv = "csv", tsv = "csv", jsonl = "jsonl", ndjson = "jsonl", json = "jsonl" }

--- The format by the file's extension.
---@param path string
---@return "csv"|"jsonl"|nil format
function import.format_of(path)
  return FORMATS[(path:match "%.(%w+)$" or ""):lower()]
end

-- Opportunities -------------------------------------------------------------------------------------------------------
--
-- Events come in chronological order, so the whole file is read first. To fit a million rows into memory, a sale is not
-- a table but an index into a few arrays.

local MAX_BAD = 1000

-- The trigger of each stage.
local function stage_triggers(options)
  local triggers = {}
  for _, outcome in ipairs { "won", "lost" } do
    local labels = options[outcome] or {}
    for _, label in ipairs(type(labels) == "table" and labels or { labels }) do
      if triggers[label] and triggers[label] ~= "sale_" .. outcome then
        return nil, ("the stage %s cannot be both won and lost"):format(show(label))
      end
      triggers[label] = "sale_" .. outcome
    end
  end
  return triggers
end

-- The indexes of the columns that the options name, and the triggers of the stages.
local function sale_columns(header, options)
  local columns, message = {}, nil
  for _, key in ipairs { "company", "created", "closed", "stage", "sale", "actor" } do
    if options[key] then
      columns[key], message = find_column(header, options[key])
    end
    if message then
      return nil, message
    end
  end
  for i, field in ipairs(not message and options.fields or {}) do
    columns[i], message = find_column(header, field.given)
    if message then
      return nil, message
    end
  end
  columns.triggers, message = stage_triggers(options)
  return columns, message
end

-- The values of a sale's fields, by their places among the options; nil and the problem of one that has another type.
local function sale_fields(self, cells)
  local values = {}
  for i, field in ipairs(self.options.fields or {}) do
    local cell = cells[self.columns[i]]
    if cell ~= "" then
      local value, problem = read_field(field, cell)
      if problem then
        return nil, problem
      end
      values[i] = value
    end
  end
  return values
end

-- When a sale was registered, when it was closed (if its stage is won or lost), and the problem, if any.
local function sale_times(self, cells, trigger)
  local columns, options = self.columns, self.options
  local created, closed, message
  if cells[columns.created] ~= "" then
    created, message = self.date(cells[columns.created], options.created)
  end
  if not trigger or message then
    return created, nil, message
  elseif cells[columns.closed] == "" then
    return created, created, not created and "the sale is closed but has no date" or nil
  end
  closed, message = self.date(cells[columns.closed], options.closed)
  return created, closed, message
end

-- Adds one row. Returns the problem, if any.
local function add_row(self, cells, line)
  local columns, stage, company = self.columns, cells[self.columns.stage], cells[self.columns.company]
  local trigger = columns.triggers[stage]
  self.stages[stage] = (self.stages[stage] or 0) + 1
  if company == "" then
    return nil
  end
  local created, closed, message = sale_times(self, cells, trigger)
  if message or not (created or closed) then
    return message
  end
  local values, problem = sale_fields(self, cells)
  if not values then
    return problem
  end
  local i = self.count + 1
  self.values[i] = next(values) ~= nil and values or nil
  self.count, self.created[i], self.closed[i] = i, created or false, closed or false
  self.company[i], self.trigger[i], self.line[i] = company, trigger or false, line
  self.sale[i], self.actor[i] = cells[columns.sale], cells[columns.actor]
  self.reversed = self.reversed + (created and closed and closed < created and 1 or 0)
end

-- Adds all rows. Returns the problem of the first bad one, unless bad rows are left out.
local function add_rows(self)
  repeat
    local cells, message, code, line = self.reader:next()
    if cells then
      line = message
      message, code = add_row(self, cells, line), "invalid"
    end
    if message and (code == "io" or not self.options.keep_going) then
      return message, code, line
    elseif message then
      self.bad_count = self.bad_count + 1
      self.bad[#self.bad + 1] = #self.bad < MAX_BAD and { line = line, message = message } or nil
    end
  until not cells and not message
end

-- Sorts the events: sale i is registered in event i and closed in event count + i. At the same time the smaller number
-- comes first.
local function put_in_order(self)
  local times, order = self.created, {}
  for i, at in ipairs(self.closed) do
    times[self.count + i] = at
  end
  for event, at in ipairs(times) do
    order[#order + 1] = at and event or nil
  end
  table.sort(order, function(a, b) return times[a] < times[b] or times[a] == times[b] and a < b end)
  self.times, self.order, self.total, self.closed = times, order, #order, nil
end

local function stage_list(stages)
  local shown = {}
  for i, name in ipairs(tables.by_count(stages)) do
    shown[i] = ("%s (%d)"):format(show(name), stages[name])
  end
  return shown[1] and list(shown) or "none"
end

local function warn(self)
  for label in pairs(self.columns.triggers) do
    if not self.stages[label] then
      local message = "no row has the stage %s; the stages are: %s"
      table.insert(self.warnings, message:format(show(label), stage_list(self.stages)))
    end
  end
  if self.reversed > 0 then
    local message = "sales that are closed before they are created: %d (are days and months read the right way round?)"
    table.insert(self.warnings, message:format(self.reversed))
  end
  table.sort(self.warnings)
end

local function read_sales(self)
  local message, code, line = read_header(self, sale_columns)
  if not message then
    message, code, line = add_rows(self)
  end
  if not message then
    put_in_order(self)
    warn(self)
  end
  return message, code, line
end

local function next_sale(self)
  self.given = self.given + 1
  local event = self.order[self.given]
  if not event then
    return nil
  end
  local closes = event > self.count
  local i = closes and event - self.count or event
  local trigger, id, actor = closes and self.trigger[i] or "sale_registered", self.sale[i] or "", self.actor[i] or ""
  local made = {
    id = id ~= "" and id .. ":" .. trigger or nil, trigger = trigger, company = self.company[i],
    sale = id ~= "" and { id = id } or nil, actor = actor ~= "" and { id = actor } or nil, at = self.times[event],
  }
  for place, field in ipairs(self.values[i] and self.options.fields or {}) do
    fields.put(made, field, self.values[i][place])
  end
  return made, self.line[i]
end

---@class leadcat.import.Export
---@field company string name of a column, as the next three
---@field created string
---@field closed string
---@field stage string
---@field sale? string column of the sale's id; with it events have ids
---@field actor? string column of who works on the sale
---@field won? string|string[] stages of won sales
---@field lost? string|string[]
---@field date_format? string strptime's; default: ISO 8601
---@field delimiter? string
---@field keep_going? boolean leave out bad rows
---@field fields? leadcat.cli.Field[] what conditions name, and their columns: both events of a sale have them as they are now

--- Reads an opportunity export, one row a sale. A sale becomes `sale_registered` when it was created, and `sale_won` or
--- `sale_lost` when it was closed (or created, if only that is known); without a company it is no event. Events come
--- in chronological order; at the same time registrations come before closings, and rows in their order. The first
--- `next` reads the whole file and, without `keep_going`, returns the problem of the first bad row.
---@param file { read: fun(self, n: integer): string?, string? }
---@param options leadcat.import.Export
---@return leadcat.import.Iterator
function import.opportunities(file, options)
  for _, key in ipairs { "company", "created", "closed", "stage" } do
    if type(options[key]) ~= "string" then
      error(("option %s: the name of a column expected"):format(key), 2)
    end
  end
  local self = iterator(file, options, read_sales, next_sale)
  self.stages, self.count, self.given, self.reversed = {}, 0, 0, 0
  for _, field in ipairs { "company", "created", "closed", "trigger", "line", "sale", "actor", "values" } do
    self[field] = {} -- by sale
  end
  return self
end

return import
