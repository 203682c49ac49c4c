--- Turns files into events for the command line; apart from the engine, which takes events wherever they come from,
--- because columns, forms of dates and line numbers are a file's business alone.

local core = require "leadcat.core"
local csv = require "leadcat.util.csv"
local json = require "leadcat.util.json"

local import = {}

-- Messages ------------------------------------------------------------------------------------------------------------

local MAX_SHOWN = 60 -- bytes of a text
local MAX_LISTED = 20

-- What a file says, in quotes and on one line.
local function show(text)
  if #text > MAX_SHOWN then
    text = text:sub(1, MAX_SHOWN):gsub("[\192-\255][\128-\191]*$", "") .. "..."
  end
  return '"' .. text:gsub("%c", "?") .. '"'
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

-- Seconds that a zone is ahead of UTC; without a zone a time is in UTC.
local function ahead(zone)
  local sign, hours, minutes = zone:match "^([+-])(%d%d):?(%d%d)$"
  if sign then
    return (sign == "+" and 60 or -60) * (hours * 60 + minutes)
  end
  return (zone == "" or zone == "Z") and 0 or nil
end

-- Seconds since 1970 of a date, or date and time, as ISO 8601 writes it; nil when it is none.
local function iso_time(text)
  local day, clock, fraction, zone = text:match "^(%d%d%d%d%-%d%d%-%d%d)[T ]([%d:]+)(%.?%d*)(.*)$"
  if not day then
    return text:find "^%d%d%d%d%-%d%d%-%d%d$" and core.parse_time(text, "%Y-%m-%d")
  end
  local at = CLOCKS[#clock] and core.parse_time(day .. " " .. clock, CLOCKS[#clock])
  return at and ahead(zone) and json.integer(at - ahead(zone) + tonumber("0" .. fraction))
end

--- Seconds since 1970 of a date, or date and time, in the form of ISO 8601, or of a number of seconds.
---@param text string
---@return number? at
---@return string? problem
function import.time(text)
  local at = tonumber(text:match "^%d+%.?%d*$") or iso_time(text)
  if not at then
    return nil, ("%s is not %s"):format(show(text), ISO)
  end
  return at
end

-- A function that reads the dates of a file. It remembers some, since exports repeat their days.
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
---@field total? integer how many events an export gives; known after the first `next`
---@field bad { line: integer, message: string }[] the rows of an export that `keep_going` left out, the first 1,000
---@field bad_count integer how many were left out
---@field failed boolean the file as a whole is no good (its header, or a bad row of an export): it gives no events
local Iterator = {}
Iterator.__index = Iterator

local function nothing()
  return nil
end

-- `step` gives the next event. `prepare` does what must come before the first one, and returns what is wrong, if that
-- fails: then there are none.
local function iterator(file, options, prepare, step)
  local read = function(n)
    return file:read(n)
  end
  return setmetatable({
    reader = csv.reader(read, options),
    date = dates(options.date_format),
    options = options,
    prepare = prepare,
    step = step,
    warnings = {},
    bad = {},
    bad_count = 0,
    failed = false,
  }, Iterator)
end

--- The next event. After `invalid` it may be called again, and goes on with the next line where that is possible.
---@return table? event nil at the end, or with a message
---@return integer|string|nil line where the event comes from, or what is wrong
---@return "invalid"|"io"|nil code
---@return integer? line where that is
function Iterator:next()
  local prepare, message, code, line = self.prepare, nil, nil, nil
  self.prepare = nil
  if prepare then
    message, code, line = prepare(self)
  end
  if message then
    self.failed, self.step = true, nothing
    return nil, message, code, line
  end
  return self.step(self)
end

--- Has lines of JSON that are read already taken by `add_lines` (of core.simulation), for speed, as far as they are plainly right; the
--- line after them is for `next`. There may be none, as always with CSV and exports.
---@param add_lines fun(text: string, from: integer, most: integer): integer, integer
---@param most integer how many
---@return integer count how many were taken
function Iterator:feed(add_lines, most)
  return self.has_lines and self.reader:feed(add_lines, most) or 0
end

--- How many bytes of the file have been taken.
---@return integer
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

-- Reads the header and sets self.columns to what `plan(header, options)` makes of it. Returns what is wrong.
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

-- How cells are read: `(text, column, date, options)`, giving a value, or nil and what is wrong.
local CELLS = {}

function CELLS.text(cell)
  return cell
end

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

-- Seconds since 1970; or a date, and that alone where its form was given, for 20170301 may be one.
function CELLS.at(cell, column, date, options)
  if not options.date_format and #cell <= 20 and cell:find "^%-?%d+%.?%d*$" then
    return json.integer(tonumber(cell))
  end
  return date(cell, column)
end

-- What each column fills: a field of the event, or a key of one.
local COLUMNS = {}
for name in KNOWN:gmatch "[%a_.]+" do
  local field, key = name:match "^(%a+)%.(%a+)$"
  local record = name == "contact" or name == "sale" or name == "actor"
  COLUMNS[name] = { name = name, field = field or name, key = record and "id" or key, read = CELLS[name] or CELLS.text }
end

local function event_columns(header)
  local columns, wanted = {}, { "trigger", "company" }
  for i, name in ipairs(header) do
    columns[i], wanted[i + 2] = COLUMNS[name], name
    if not columns[i] then
      return nil, ("an event has no %s; the columns may be: %s"):format(show(name), KNOWN)
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

local function read_event_columns(self)
  return read_header(self, event_columns)
end

-- Sets what one cell says. Returns what is wrong with it.
local function put(event, column, cell, self)
  local value, message = column.read(cell, column.name, self.date, self.options)
  local record = event
  if column.key then
    record = event[column.field] or {}
    event[column.field] = record
  end
  record[column.key or column.field] = value
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

--- Reads events as they are written; whether they make sense is for the engine to say. In CSV the columns are an
--- event's fields, and an empty cell is an absent field.
---@param file { read: fun(self, n: integer): string?, string? }
---@param options { format: "csv"|"jsonl", date_format?: string, delimiter?: string } date_format is strptime's
---@return leadcat.import.Iterator
function import.events(file, options)
  if options.format == "jsonl" then
    local self = iterator(file, options, nil, next_line)
    self.has_lines = true
    return self
  elseif options.format == "csv" then
    return iterator(file, options, read_event_columns, next_row)
  end
  error("the format must be csv or jsonl", 2)
end

local FORMATS = { csv = "csv", tsv = "csv", jsonl = "jsonl", ndjson = "jsonl", json = "jsonl" }

--- The format that the name of a file tells.
---@param path string
---@return "csv"|"jsonl"|nil format nil when it tells none
function import.format_of(path)
  return FORMATS[(path:match "%.(%w+)$" or ""):lower()]
end

-- Opportunities -------------------------------------------------------------------------------------------------------
--
-- Events come in the order of time, so the whole file is read first. For a million rows to fit, a sale is no table but
-- a number: its place in a few arrays.

local MAX_BAD = 1000

-- Which trigger each stage stands for.
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

-- Where the columns are that the options name, and what the stages stand for.
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
  columns.triggers, message = stage_triggers(options)
  return columns, message
end

-- When a sale was registered and closed, as far as that counts; and what is wrong with that.
local function sale_times(self, cells, trigger)
  local columns, options, created, closed, message = self.columns, self.options, nil, nil, nil
  if cells[columns.created] ~= "" then
    created, message = self.date(cells[columns.created], options.created)
  end
  if trigger and not message and cells[columns.closed] ~= "" then
    closed, message = self.date(cells[columns.closed], options.closed)
  elseif trigger and not message then
    closed, message = created, not created and "the sale is closed but has no date" or nil
  end
  return created, closed, message
end

-- Takes in one row. Returns what is wrong with it.
local function take(self, cells, line)
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
  local i = self.count + 1
  self.count, self.created[i], self.closed[i] = i, created or false, closed or false
  self.company[i], self.trigger[i], self.line[i] = company, trigger or false, line
  self.sale[i], self.actor[i] = cells[columns.sale], cells[columns.actor]
  self.reversed = self.reversed + (created and closed and closed < created and 1 or 0)
end

-- Takes in all rows. Returns what is wrong with the first bad one, unless those are to be left out.
local function take_all(self)
  repeat
    local cells, message, code, line = self.reader:next()
    if cells then
      line = message
      message, code = take(self, cells, line), "invalid"
    end
    if message and (code == "io" or not self.options.keep_going) then
      return message, code, line
    elseif message then
      self.bad_count = self.bad_count + 1
      self.bad[#self.bad + 1] = #self.bad < MAX_BAD and { line = line, message = message } or nil
    end
  until not cells and not message
end

-- Puts the events in order: sale i is registered in event i and closed in event count + i, so that at one time the
-- smaller number goes first.
local function put_in_order(self)
  local times, order = self.created, {}
  for i, at in ipairs(self.closed) do
    times[self.count + i] = at
  end
  for event, at in ipairs(times) do
    order[#order + 1] = at and event or nil
  end
  table.sort(order, function(a, b)
    return times[a] < times[b] or times[a] == times[b] and a < b
  end)
  self.times, self.order, self.total, self.closed = times, order, #order, nil
end

-- The stages there are, the most frequent first.
local function stage_list(stages)
  local names, shown = {}, {}
  for name in pairs(stages) do
    names[#names + 1] = name
  end
  table.sort(names, function(a, b)
    return stages[a] > stages[b] or stages[a] == stages[b] and a < b
  end)
  for i, name in ipairs(names) do
    shown[i] = ("%s (%d)"):format(show(name), stages[name])
  end
  return #names > 0 and list(shown) or "none"
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
    message, code, line = take_all(self)
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
  return {
    id = id ~= "" and id .. ":" .. trigger or nil,
    trigger = trigger,
    company = self.company[i],
    sale = id ~= "" and { id = id } or nil,
    actor = actor ~= "" and { id = actor } or nil,
    at = self.times[event],
  }, self.line[i]
end

---@class leadcat.import.Export
---@field company string name of a column, as the next three
---@field created string
---@field closed string
---@field stage string
---@field sale? string name of the column with the sale's id: events have ids then
---@field actor? string name of the column with who works on the sale
---@field won? string|string[] stages of sales that are won
---@field lost? string|string[]
---@field date_format? string strptime's; by default dates are in the form of ISO 8601
---@field delimiter? string
---@field keep_going? boolean leave out bad rows

--- Reads an opportunity export, one row a sale, as the events in its life: `sale_registered` when it was created, and
--- `sale_won` or `sale_lost` when it was closed (or created, where only that is known). They come in the order of time;
--- at one time registrations go before closings, and rows in their order. A sale without a company gives no event. The
--- first `next` reads the whole file and, without `keep_going`, returns what is wrong with the first bad row.
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
  for _, field in ipairs { "company", "created", "closed", "trigger", "line", "sale", "actor" } do
    self[field] = {} -- of each sale
  end
  return self
end

return import
