--- Turns files into events for the command line; apart from the engine, which takes events wherever they come from, because
--- columns, dates and line numbers are a file's business alone.

local core = require "leadcat.core"
local csv = require "leadcat.csv"
local json = require "leadcat.json"

local input = {}

---@class leadcat.input.Iterator
---@field bad { line: integer, message: string }[] opportunities with `keep_going`: the first 1,000 rows left out
---@field bad_count integer how many were left out
---@field warnings string[] opportunities: what looks wrong with the file as a whole; complete after the first `next`
---@field total? integer opportunities: how many events there are; known after the first `next`
local Iterator = {}
Iterator.__index = Iterator

--- The next event. After `invalid` it may be called again, and goes on with the next line.
---@return table? event nil at the end, or with a message
---@return integer|string|nil line where the event comes from, or what is wrong
---@return "invalid"|"io"|nil code
---@return integer? line where that is
function Iterator:next()
  return self.step(self)
end

--- How many bytes of the file have been taken.
---@return integer
function Iterator:position()
  return self.reader:position()
end

-- What a file says, quoted for a message: on one line, and not too long for one.
local function show(text)
  if #text > 60 then
    text = text:sub(1, 60):gsub("[\192-\255][\128-\191]*$", "") .. "..."
  end
  return '"' .. text:gsub("%c", "?") .. '"'
end

local function show_all(texts)
  local shown = {}
  for i, text in ipairs(texts) do
    shown[i] = show(text)
  end
  return table.concat(shown, ", ")
end

-- Cells ---------------------------------------------------------------------------------------------------------------

local MAX_CACHED = 10000 -- exports repeat their days, but not their times
local CLOCKS = { [5] = "%Y-%m-%d %H:%M", [8] = "%Y-%m-%d %H:%M:%S" } -- by the length of the time of day
local ISO = "a date such as 2017-03-01 or 2017-03-01T10:20:30+01:00 (or say which form it has)"

-- Seconds that a zone is ahead of UTC. No zone means UTC.
local function ahead(zone)
  local sign, hours, minutes = zone:match "^([+-])(%d%d):?(%d%d)$"
  if sign then
    return (sign == "+" and 60 or -60) * (hours * 60 + minutes)
  end
  return (zone == "" or zone == "Z") and 0 or nil
end

-- Seconds since 1970 of a date, or date and time, in the form of ISO 8601; nil when it is none.
local function iso_time(text)
  local day, clock, fraction, zone = text:match "^(%d%d%d%d%-%d%d%-%d%d)[T ]([%d:]+)(%.?%d*)(.*)$"
  if not day then
    return text:find "^%d%d%d%d%-%d%d%-%d%d$" and core.parse_time(text, "%Y-%m-%d")
  end
  local at = CLOCKS[#clock] and core.parse_time(day .. " " .. clock, CLOCKS[#clock])
  return at and ahead(zone) and json.integer(at - ahead(zone) + tonumber("0" .. fraction))
end

local function wrong(column, cell, expected)
  return nil, ("%s is %s, not %s"):format(column, show(cell), expected)
end

-- A function that reads dates: nil for an empty cell. The texts it has seen are remembered, for libc takes longer than a table.
local function dates(format)
  local expected = format and ("a date of the form %s"):format(format) or ISO
  local seen, count = {}, 0
  return function(cell, column)
    local at = seen[cell]
    if not at and cell ~= "" then
      at = (format and core.parse_time(cell, format)) or (not format and iso_time(cell))
      if not at then
        return wrong(column, cell, expected)
      elseif count == MAX_CACHED then
        seen, count = {}, 0
      end
      seen[cell], count = at, count + 1
    end
    return at
  end
end

local function text_cell(cell)
  return cell
end

local function integer_cell(cell, column)
  if #cell > 15 or not cell:find "^%-?%d+$" then
    return wrong(column, cell, "a whole number")
  end
  return tonumber(cell)
end

local function choice_cell(cell, column)
  if cell == "keep" or cell == "false" then
    return false
  end
  local category = integer_cell(cell, column)
  if not category then
    return wrong(column, cell, 'a whole number or "keep"')
  end
  return category
end

-- Seconds since 1970; or a date, and only that where the form of dates is given: 20170301 may be one.
local function time_cell(cell, column, self)
  if not self.options.date_format and #cell <= 20 and cell:find "^%-?%d+%.?%d*$" then
    return json.integer(tonumber(cell))
  end
  return self.date(cell, column)
end

local function nothing()
  return nil
end

-- An iterator is in the state `step`: the function that gives the next event.
local function iterator(file, options, step)
  local read = function(n)
    return file:read(n)
  end
  local reader, date = csv.reader(read, options), dates(options.date_format)
  local self = { step = step, options = options, reader = reader, date = date, bad = {}, bad_count = 0, warnings = {} }
  return setmetatable(self, Iterator)
end

-- Headers -------------------------------------------------------------------------------------------------------------

-- The columns of a header by name; false for a name that is there twice.
local function places(header)
  local found = {}
  for i, name in ipairs(header) do
    found[name] = found[name] == nil and i
  end
  return found
end

local function place(found, name, header)
  if found[name] == false then
    return nil, ("the column %s is there twice"):format(show(name))
  elseif not found[name] then
    return nil, ("there is no column %s; the columns are: %s"):format(show(name), show_all(header))
  end
  return found[name]
end

-- Reads the header, and sets self.columns to what `plan(header, options)` makes of it. Without, the file ends there.
local function begin(self, plan)
  self.step = nothing
  local header, line, code, bad_line = self.reader:next()
  if not header then
    return nil, line or "the file is empty: it has no header", code or "invalid", bad_line or 1
  end
  local columns, message = plan(header, self.options)
  self.columns = columns
  return columns, message, "invalid", line
end

-- Events --------------------------------------------------------------------------------------------------------------

local COLUMNS = {
  { name = "id", field = "id", cell = text_cell },
  { name = "trigger", field = "trigger", cell = text_cell, required = true },
  { name = "company", field = "company", cell = text_cell, required = true },
  { name = "category", field = "category", cell = integer_cell },
  { name = "lead_status", field = "lead_status", cell = integer_cell },
  { name = "contact", field = "contact", key = "id", cell = text_cell },
  { name = "contact.name", field = "contact", key = "name", cell = text_cell },
  { name = "sale", field = "sale", key = "id", cell = text_cell },
  { name = "sale.name", field = "sale", key = "name", cell = text_cell },
  { name = "actor", field = "actor", key = "id", cell = text_cell },
  { name = "actor.name", field = "actor", key = "name", cell = text_cell },
  { name = "at", field = "at", cell = time_cell },
  { name = "choice", field = "choice", cell = choice_cell },
}

local function unknown_column(name)
  local known = {}
  for i, column in ipairs(COLUMNS) do
    known[i] = column.name
  end
  return nil, ("an event has no %s; it may have: %s"):format(show(name), table.concat(known, ", "))
end

local function event_columns(header)
  local found, columns = places(header), {}
  for _, column in ipairs(COLUMNS) do
    local at, message = place(found, column.name, header)
    if at then
      columns[at] = column
    elseif column.required or found[column.name] == false then
      return nil, message
    end
  end
  for i, name in ipairs(header) do
    if not columns[i] then
      return unknown_column(name)
    end
  end
  return columns
end

-- Sets what one cell says. Returns what is wrong with it.
local function fill(event, column, cell, self)
  local value, message = column.cell(cell, column.name, self)
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
    local message = cells[i] ~= "" and fill(event, column, cells[i], self)
    if message then
      return nil, message, "invalid", line
    end
  end
  return event, line
end

local function first_row(self)
  local columns, message, code, line = begin(self, event_columns)
  if not columns then
    return nil, message, code, line
  end
  self.step = next_row
  return next_row(self)
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

local FORMATS = { csv = first_row, jsonl = next_line }

--- Reads events, as they are written: whether they make sense is for the engine to say. In CSV the columns are an event's
--- fields, an empty cell is an absent field, and a date without a zone is in UTC.
---@param file { read: fun(self, n: integer): string?, string? }
---@param options { format: "csv"|"jsonl", date_format?: string, delimiter?: string } date_format is strptime's
---@return leadcat.input.Iterator
function input.events(file, options)
  return iterator(file, options, FORMATS[options.format] or error("the format must be csv or jsonl", 2))
end

--- The format that a file's name tells.
---@param path string
---@return "csv"|"jsonl"|nil format nil when it tells none
function input.format_of(path)
  local extensions = { csv = "csv", tsv = "csv", jsonl = "jsonl", ndjson = "jsonl", json = "jsonl" }
  return extensions[(path:match "%.(%w+)$" or ""):lower()]
end

-- Opportunities -------------------------------------------------------------------------------------------------------
--
-- Events come in the order of time, so the whole file is read first. For a million rows to fit, a sale is no table but a
-- number, its place in a few arrays; and sales of one moment are chained by those, which keeps them in the order of the
-- file. Only the moments are sorted then, and an export has few of them.

local REQUIRED = { "company", "created", "closed", "stage" }
local MAX_BAD = 1000
local MAX_STAGES = 10

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

-- Where the columns are that the options name.
local function sale_columns(header, options)
  local found, columns = places(header), {}
  for _, key in ipairs { "company", "created", "closed", "stage", "sale", "actor" } do
    local at, message = place(found, options[key] or header[1], header)
    if not at then
      return nil, message
    end
    columns[key] = options[key] and at
  end
  return columns
end

-- Sales chained by the moment of something.
local function lane()
  return { first = {}, last = {}, after = {} }
end

-- Appends a sale to those of its moment; 0 ends a chain, so that `after` has no holes.
local function chain(lane, at, sale)
  lane.after[sale] = 0
  if at and lane.first[at] then
    lane.after[lane.last[at]] = sale
    lane.last[at] = sale
  elseif at then
    lane.first[at], lane.last[at] = sale, sale
  end
end

-- When a sale was registered and closed, as far as that counts; and what is wrong with it.
local function sale_dates(self, cells, trigger)
  local columns, options = self.columns, self.options
  local created, message = self.date(cells[columns.created], options.created)
  if message or not trigger then
    return created, nil, message
  end
  local closed, wrong_closed = self.date(cells[columns.closed], options.closed)
  if not (closed or created) then
    wrong_closed = wrong_closed or "the sale is closed but has no date"
  end
  return created, closed or created, wrong_closed
end

-- Takes in one row. Returns what is wrong with it.
local function take(self, cells, line)
  local columns, sales, stages = self.columns, self.sales, self.stages
  local company, stage = cells[columns.company], cells[columns.stage]
  local trigger = self.triggers[stage]
  stages[stage] = (stages[stage] or 0) + 1
  if company == "" then
    return nil
  end
  local created, closed, message = sale_dates(self, cells, trigger)
  if message or not (created or closed) then
    return message
  end
  local i = sales.count + 1
  sales.count, sales.company[i], sales.trigger[i], sales.line[i] = i, company, trigger or false, line
  sales.sale[i], sales.actor[i] = cells[columns.sale], cells[columns.actor]
  self.reversed = self.reversed + (created and closed and closed < created and 1 or 0)
  chain(self.created, created, i)
  chain(self.closed, closed, i)
end

local function leave_out(self, message, line)
  self.bad_count = self.bad_count + 1
  if self.bad_count <= MAX_BAD then
    self.bad[self.bad_count] = { line = line, message = message }
  end
end

-- Takes in all rows; or returns what is wrong with the first bad one, unless those are to be left out.
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
      leave_out(self, message, line)
    end
  until not cells and not message
end

-- Appends the sales of one moment to the events; a negative number is one that closes.
local function append(self, lane, at, sign)
  local sale = lane.first[at] or 0
  while sale > 0 do
    self.total = self.total + 1
    self.order[self.total], self.at[self.total] = sign * sale, at
    sale = lane.after[sale]
  end
end

local function put_in_order(self)
  local created, closed, moments = self.created, self.closed, {}
  for at in pairs(created.first) do
    moments[#moments + 1] = at
  end
  for at in pairs(closed.first) do
    if not created.first[at] then
      moments[#moments + 1] = at
    end
  end
  table.sort(moments)
  self.total, self.order, self.at = 0, {}, {}
  for _, at in ipairs(moments) do
    append(self, created, at, 1)
    append(self, closed, at, -1)
  end
  self.created, self.closed = nil, nil
end

-- The stages there are, the most frequent first.
local function stage_summary(stages)
  local names, texts = {}, {}
  for name in pairs(stages) do
    names[#names + 1] = name
  end
  table.sort(names, function(a, b)
    return stages[a] > stages[b] or stages[a] == stages[b] and a < b
  end)
  for i = 1, math.min(#names, MAX_STAGES) do
    texts[i] = ("%s (%d)"):format(show(names[i]), stages[names[i]])
  end
  texts[#texts + 1] = names[MAX_STAGES + 1] and "..."
  return table.concat(texts, ", ")
end

local function add_warnings(self)
  for label in pairs(self.triggers) do
    if not self.stages[label] then
      local message = "no row has the stage %s; the stages are: %s"
      table.insert(self.warnings, message:format(show(label), stage_summary(self.stages)))
    end
  end
  table.sort(self.warnings)
  if self.reversed > 0 then
    local message = "%d sales are closed before they are created: are days and months read the right way round?"
    table.insert(self.warnings, message:format(self.reversed))
  end
end

local function next_sale(self)
  self.given = self.given + 1
  local sale, sales = self.order[self.given], self.sales
  if not sale then
    return nil
  end
  local trigger, i = sale > 0 and "sale_registered" or sales.trigger[-sale], math.abs(sale)
  local event = { trigger = trigger, company = sales.company[i], at = self.at[self.given] }
  local id, actor = sales.sale[i], sales.actor[i]
  if id and id ~= "" then
    event.id, event.sale = id .. ":" .. trigger, { id = id }
  end
  if actor and actor ~= "" then
    event.actor = { id = actor }
  end
  return event, sales.line[i]
end

local function first_sale(self)
  local columns, message, code, line = begin(self, sale_columns)
  if not columns then
    return nil, message, code, line
  end
  self.triggers, message = stage_triggers(self.options)
  if not self.triggers then
    return nil, message, "invalid", line
  end
  message, code, line = take_all(self)
  if message then
    return nil, message, code, line
  end
  put_in_order(self)
  add_warnings(self)
  self.step = next_sale
  return next_sale(self)
end

--- Reads an opportunity export, one row a sale, as the events that led to it: `sale_registered` when it was created, and
--- `sale_won` or `sale_lost` when it was closed, or created where that is not known. They come in the order of time; at
--- one time registrations before closings, then in the order of the file. A sale without a company gives no event. The first `next` reads
--- the whole file: without `keep_going` it returns what is wrong with the first bad row, before any event.
---
--- Options are names of columns (`company`, `created`, `closed`, `stage`, and where there is one `sale`, for its id, and
--- `actor`), the stages that mean `won` and `lost`, and `date_format` (strptime's; otherwise dates are ISO 8601).
---@param file { read: fun(self, n: integer): string?, string? }
---@param options { company: string, created: string, closed: string, stage: string, sale?: string, actor?: string, won?: string|string[], lost?: string|string[], date_format?: string, delimiter?: string, keep_going?: boolean }
---@return leadcat.input.Iterator
function input.opportunities(file, options)
  for _, key in ipairs(REQUIRED) do
    if type(options[key]) ~= "string" then
      error(("option %s: the name of a column expected"):format(key), 2)
    end
  end
  local self = iterator(file, options, first_sale)
  self.sales = { count = 0, company = {}, trigger = {}, line = {}, sale = {}, actor = {} }
  self.created, self.closed = lane(), lane()
  self.stages, self.reversed, self.given = {}, 0, 0
  return self
end

return input
