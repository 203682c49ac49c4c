--- Turns files into events for the command line: encodings, columns, forms of dates, line numbers.

local cells_of = require "leadcat.cli.import.cells"
local columns_of = require "leadcat.cli.import.columns"
local csv = require "leadcat.util.csv"
local dates = require "leadcat.cli.import.dates"
local encoding = require "leadcat.cli.import.encoding"
local history = require "leadcat.cli.import.history"
local json = require "leadcat.util.json"
local sales = require "leadcat.cli.import.sales"
local titles = require "leadcat.cli.import.titles"

local import = {}

local show = dates.show

local function wrong(column, cell, expected)
  return nil, ("%s is %s, not %s"):format(column, show(cell), expected)
end

local MAX_TIME = 64 -- bytes

--- Seconds since 1970 of an ISO 8601 date, of a date and time, or of a number of seconds.
---@param text string
---@return number? at, string? problem
function import.time(text)
  local seconds = #text <= MAX_TIME and tonumber(text:match "^%d+%.?%d*$")
  if seconds then
    return seconds
  end
  return dates.iso(text)
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

-- Reads the file as UTF-8, which begins with the first read.
local function decoded(self, file)
  return function(n)
    if not self.source.read then
      local source, message = encoding.open(file, self.options.encoding)
      if not source then
        return nil, message
      end
      self.source = source
    end
    return self.source.read(n)
  end
end

-- `step` returns the next event. `prepare` runs before the first one; when it returns a problem, there are no events.
local function iterator(file, options, prepare, step)
  local self = setmetatable({
    options = options, prepare = prepare, step = step, source = {}, warnings = {}, bad = {}, bad_count = 0,
    failed = false,
  }, Iterator)
  self.reader = csv.reader(decoded(self, file), options)
  return self
end

-- There are no more events.
local function fail(self, message, code, line)
  self.failed, self.step = true, function() end
  return nil, message, code == "io" and "io" or "invalid", line
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
      return fail(self, message, code, line)
    end
  end
  local event, line, code, bad_line = self.step(self)
  if code == "encoding" then
    return fail(self, line, code, bad_line)
  end
  return event, line, code, bad_line
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
  return self.source.bytes and self.source.bytes() or self.reader:position()
end

-- Events --------------------------------------------------------------------------------------------------------------

local KNOWN = "id, trigger, company, category, lead_status, contact, contact.name, sale, sale.name, actor, actor.name, "
  .. "at, choice"

-- Readers of cells: `(text, column, iterator, line)` returns a value, or nil and the problem. Other columns are text.
local CELLS = {}

function CELLS.category(cell, column)
  if #cell > 15 or not cell:find "^%-?%d+$" then
    return wrong(column, cell, "a whole number")
  end
  return tonumber(cell)
end

CELLS.lead_status = CELLS.category

-- An id: of a company, also a name.
function CELLS.company(cell, column)
  local problem = cells_of.id_problem(cell)
  if problem then
    return nil, ("%s is %s"):format(column, problem)
  end
  return cells_of.name(cell)
end

CELLS.sale, CELLS.contact, CELLS.actor = CELLS.company, CELLS.company, CELLS.company

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
function CELLS.at(cell, _, self, line)
  if not self.options.date_format and #cell <= 20 and cell:find "^%-?%d+%.?%d*$" then
    return json.integer(tonumber(cell))
  end
  return self.date:read_alone(cells_of.name(cell), line)
end

-- Each column fills a field of the event, or a key of that field.
local COLUMNS = {}
for name in KNOWN:gmatch "[%a_.]+" do
  local field, key = name:match "^(%a+)%.(%a+)$"
  local record = name == "contact" or name == "sale" or name == "actor"
  COLUMNS[name] = { name = name, field = field or name, key = record and "id" or key, read = CELLS[name] or tostring }
end

-- The column that a field is read from, like the other columns.
local function field_column(field)
  return {
    name = field.given, field = field.place, key = field.key,
    read = function(cell) return columns_of.field_value(field, cell) end,
  }
end

-- Sets `columns`. Returns the problem, if any.
local function find_columns(self, header)
  if titles.are_of_history(header) then
    return history.read(self, header)
  end
  local columns, wanted, by_name = {}, { "trigger", "company" }, {}
  for _, field in ipairs(self.options.fields or {}) do
    by_name[field.given], wanted[#wanted + 1] = field_column(field), field.given
  end
  for i, name in ipairs(header) do
    columns[i], wanted[#wanted + 1] = by_name[name] or COLUMNS[name], name
    if not columns[i] then
      return ("an event has no %s; the columns may be: %s, and those of --field"):format(show(name), KNOWN)
    end
  end
  for _, name in ipairs(wanted) do
    local found, message = columns_of.find(header, name)
    if not found then
      return message
    end
  end
  self.columns = columns
end

-- Fills in one cell. Returns the problem, if any.
local function put(event, column, cell, self, line)
  local value, message = column.read(cell, column.name, self, line)
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
    cells[i] = cells_of.clean(cells[i])
    local message = cells[i] ~= "" and put(event, column, cells[i], self, line)
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
    local self = iterator(file, options, function(it) return columns_of.read_header(it, find_columns) end, next_row)
    self.date = dates.column("at", {
      format = options.date_format, order = options.date_order, timezone = options.timezone,
    })
    return self
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

--- Reads an opportunity export, one row a sale. A sale becomes `sale_registered` when it was created, and `sale_won` or
--- `sale_lost` when it was closed (or created, if only that is known); without a company it is no event. Events come
--- in chronological order; at the same time registrations come before closings, and rows in their order. The first
--- `next` reads the whole file and, without `keep_going`, returns the problem of the first bad row.
---@param file { read: fun(self, n: integer): string?, string? }
---@param options leadcat.import.Export
---@return leadcat.import.Iterator
function import.opportunities(file, options)
  local closed = not (options.won_at and options.lost_at) and "closed" or nil
  for _, key in ipairs { "company", "created", "stage", closed } do
    if not options.preset and type(options[key]) ~= "string" then
      error(("option %s: the name of a column expected"):format(key), 2)
    end
  end
  return sales.prepare(iterator(file, options))
end

--- Reads a history of stages, one row a change. Its columns are found by their titles, where these are certain. Events come in
--- chronological order; the first `next` reads the whole file, as with an export.
---@param file { read: fun(self, n: integer): string?, string? }
---@param options leadcat.import.Export its `history_columns` are titles, by what they are; `won`, `lost` or `preset`; how the file is read
---@param sold? leadcat.import.Iterator the export that has the companies of the sales, of which nothing has been read
---@return leadcat.import.Iterator
function import.stage_history(file, options, sold)
  local self = iterator(file, options, function(it) return columns_of.read_header(it, history.read) end)
  self.sold = sold
  return self
end

return import
