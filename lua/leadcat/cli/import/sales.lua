--- Exports of opportunities, one row a sale, as events in the order of their times. The whole file is read first. To fit a
-- million rows into memory, a sale is not a table but an index into a few arrays.

local cells_of = require "leadcat.cli.import.cells"
local columns_of = require "leadcat.cli.import.columns"
local dates = require "leadcat.cli.import.dates"
local fields = require "leadcat.cli.fields"
local presets = require "leadcat.cli.import.presets"
local tables = require "leadcat.cli.tables"

local sales = {}

local MAX_BAD = 1000
local MAX_LINES = 5 -- of each fate that are named
local MAX_NEAR = 10 -- names that are told to be alike

local show, list = dates.show, columns_of.list

-- Columns -------------------------------------------------------------------------------------------------------------

-- The trigger of each stage.
local function stage_triggers(options)
  local triggers, names = {}, {}
  for _, outcome in ipairs { "won", "lost" } do
    local labels = options[outcome] or {}
    for _, label in ipairs(type(labels) == "table" and labels or { labels }) do
      local key = cells_of.label(label)
      if triggers[key] and triggers[key] ~= "sale_" .. outcome then
        return nil, ("the stage %s cannot be both won and lost"):format(show(label))
      end
      triggers[key], names[key] = "sale_" .. outcome, label
    end
  end
  return triggers, nil, names
end

local COLUMNS = { "company", "created", "closed", "won_at", "lost_at", "stage", "sale", "actor" }
local DATES = { "created", "closed", "won_at", "lost_at" }

-- How the dates of one column are read: `--date-format` may be of one of them, as in created=%d.%m.%Y.
local function dates_of(options, key, title)
  local format = options.date_formats and (options.date_formats[key] or options.date_formats.all) or options.date_format
  return dates.column(title, { format = format, order = options.date_order, timezone = options.timezone })
end

-- What the preset has no column for in this file, and the user has not said; nil when there is all that is needed.
local function missing(options, header)
  local closed = not (options.won_at and options.lost_at) and "closed" or "stage"
  for _, key in ipairs { "company", "created", closed, "stage" } do
    if not options[key] then
      local shown = {}
      for i, title in ipairs(header) do
        shown[i] = show(title)
      end
      return ("the preset %s finds no column for --%s; the columns are: %s"):format(options.preset, key, list(shown))
    end
  end
end

-- The indexes of the columns that the options name, the triggers of the stages, and the dates.
local function sale_columns(self, header)
  self.options = presets.complete(self.options, header)
  local options, columns, message = self.options, {}, missing(self.options, header)
  if message then
    return message
  end
  for _, key in ipairs(COLUMNS) do
    if options[key] then
      columns[key], message = columns_of.find(header, options[key])
    end
    if message then
      return message
    end
  end
  for i, field in ipairs(options.fields or {}) do
    columns[i], message = columns_of.find(header, field.given)
    if message then
      return message
    end
  end
  for _, key in ipairs(DATES) do
    self.dates[key] = columns[key] and dates_of(options, key, options[key])
  end
  self.columns = columns
  self.triggers, message, self.labels = stage_triggers(options)
  return message
end

-- Rows ----------------------------------------------------------------------------------------------------------------

-- Counts a row that leads to nothing.
local function note_fate(self, fate, line)
  local noted = self.fates[fate] or { count = 0, lines = {} }
  self.fates[fate], noted.count = noted, noted.count + 1
  noted.lines[#noted.lines + 1] = #noted.lines < MAX_LINES and line or nil
end

-- A date of a row: the cell, or false where there is none; nil and the problem when it is none.
local function date_of(self, cells, key, line)
  local column = self.columns[key]
  local cell = column and cells_of.name(cells_of.clean(cells[column])) or ""
  if dates.is_absent(cell) then
    return false
  end
  local expected = self.dates[key]:add(cell, line)
  if expected then
    return nil, ("%s is %s, not %s"):format(self.options[key], show(cell), expected)
  end
  return cell
end

-- Which column says when a sale was closed.
local function closed_key(self, trigger)
  local own = trigger == "sale_won" and "won_at" or "lost_at"
  return self.columns[own] and own or "closed"
end

-- When a sale was registered and closed (if its stage is won or lost), as cells, and the column of the closing; or nil and the
-- problem. One that is closed without a date was closed when it was registered.
local function sale_times(self, cells, trigger, line)
  local created, message = date_of(self, cells, "created", line)
  if message or not trigger then
    return created, message or false
  end
  local key = closed_key(self, trigger)
  local closed
  closed, message = date_of(self, cells, key, line)
  if message then
    return nil, message
  elseif not closed and not created then
    return nil, "the sale is closed but has no date"
  end
  return created, closed or created, closed and key or "created"
end

-- The values of a sale's fields, by their places among the options; nil and the problem of one that has another type.
local function sale_fields(self, cells)
  local values = {}
  for i, field in ipairs(self.options.fields or {}) do
    local cell = cells_of.clean(cells[self.columns[i]])
    if cell ~= "" then
      local value, problem = columns_of.field_value(field, cell)
      if problem then
        return nil, problem
      end
      values[i] = value
    end
  end
  return values
end

-- An id of a row; "" when it has none; nil and the problem of one that cannot be right.
local function id_of(self, cells, key)
  local column = self.columns[key]
  local id = column and cells_of.clean(cells[column]) or ""
  local problem = cells_of.id_problem(id)
  if problem then
    return nil, ("%s is %s"):format(self.options[key], problem)
  end
  return id
end

-- The companies of a row: one, or several where they have a separator.
local function companies_of(self, text)
  local names, separator = {}, self.options.company_separator
  local from = 1
  repeat
    local at = separator and text:find(separator, from, true)
    local name = cells_of.name(cells_of.clean(text:sub(from, (at or #text + 1) - 1)))
    local problem = cells_of.id_problem(name)
    if problem then
      return nil, ("%s is %s"):format(self.options.company, problem)
    end
    names[#names + 1] = name ~= "" and name or nil
    from = (at or 0) + #(separator or "")
  until not at
  return names
end

local function add_sale(self, sale)
  local i = self.count + 1
  self.count = i
  for key, value in pairs(sale) do
    self[key][i] = value
  end
end

-- The stage of a row as it is counted, and its trigger.
local function stage_of(self, cell)
  local label = cells_of.name(cells_of.clean(cell))
  local key = self.label_of[label]
  if not key then
    key = cells_of.label(label)
    local stage = self.options.stage_of and not self.triggers[key] and label:match(self.options.stage_of)
    key = stage and cells_of.label(stage) or key
    self.label_of[label] = key
  end
  self.stages[label] = (self.stages[label] or 0) + 1
  return self.triggers[key]
end

-- Whether a row that is too short is one of those that end a report.
local function is_footer(self)
  local cells = self.reader.ragged
  for _, pattern in ipairs(cells and #cells == 1 and self.options.footer or {}) do
    if cells_of.clean(cells[1]):find(pattern) then
      return true
    end
  end
  return false
end

-- Adds one row. Returns the problem, if any.
local function add_row(self, cells, line)
  local columns = self.columns
  local trigger = stage_of(self, cells[columns.stage])
  local companies, message = companies_of(self, cells[columns.company])
  if not companies then
    return message
  elseif #companies == 0 then
    note_fate(self, "without a company", line)
    return nil
  end
  local created, closed, key = sale_times(self, cells, trigger, line)
  if created == nil then
    return closed
  elseif not created and not closed then
    note_fate(self, "without a date", line)
    return nil
  end
  local id, actor, values
  id, message = id_of(self, cells, "sale")
  if id then
    actor, message = id_of(self, cells, "actor")
  end
  if actor then
    values, message = sale_fields(self, cells)
  end
  if not values then
    return message
  elseif not created then
    note_fate(self, "without a date of registration", line)
  end
  for i, company in ipairs(companies) do
    add_sale(self, {
      created = created, closed = closed, closed_key = key or false, company = company, trigger = trigger or false,
      line = line, sale = id, actor = actor, values = next(values) ~= nil and values or false, share = i,
    })
  end
end

-- Adds all rows. Returns the problem of the first bad one, unless bad rows are left out.
local function add_rows(self)
  repeat
    local cells, message, code, line = self.reader:next()
    if cells then
      line = message
      message, code = add_row(self, cells, line), "invalid"
    end
    if message and code == "invalid" and is_footer(self) then
      note_fate(self, "of a report's footer", line)
    elseif message and (code ~= "invalid" or not self.options.keep_going) then
      return message, code, line
    elseif message then
      self.bad_count = self.bad_count + 1
      self.bad[#self.bad + 1] = #self.bad < MAX_BAD and { line = line, message = message } or nil
    end
  until not cells and not message
  for _, key in ipairs(DATES) do
    local problem = self.dates[key] and self.dates[key]:problem()
    if problem then
      return problem, "invalid", 1
    end
  end
end

-- Order ---------------------------------------------------------------------------------------------------------------

-- A day without a time of day lies within its whole day: a closing then is not before its registration. Where it is, by
-- more than that, the sale was entered later: it was registered when it was closed, at the latest.
local function put_right(self, i, created, closed, is_day)
  if not created or not closed or created <= closed then
    return created, closed
  elseif is_day and created < closed + 24 * 60 * 60 then
    return created, created
  end
  self.reversed = self.reversed + 1
  self.reversed_line = self.reversed_line or self.line[i]
  return closed, closed
end

local function times_of(self, i)
  local created, created_is_day = self.created[i], nil
  local closed, is_day = self.closed[i], nil
  if created then
    created, created_is_day = self.dates.created:read(created)
  end
  if closed then
    closed, is_day = self.dates[self.closed_key[i]]:read(closed)
  end
  if created and closed and created_is_day and not is_day and closed < created and created - closed < 24 * 60 * 60 then
    return closed, closed -- the registration's day, in another zone
  end
  return put_right(self, i, created, closed, is_day)
end

-- Sorts the events: sale i is registered in event i and closed in event count + i. At the same time the smaller number
-- comes first.
local function put_in_order(self)
  local times, order = {}, {}
  for i = 1, self.count do
    times[i], times[self.count + i] = times_of(self, i)
  end
  for event = 1, 2 * self.count do
    order[#order + 1] = times[event] and event or nil
  end
  table.sort(order, function(a, b) return times[a] < times[b] or times[a] == times[b] and a < b end)
  self.times, self.order, self.total = times, order, #order
  self.created, self.closed, self.closed_key = nil, nil, nil
end

-- Warnings ------------------------------------------------------------------------------------------------------------

local function stage_list(stages)
  local shown = {}
  for i, name in ipairs(tables.by_count(stages)) do
    shown[i] = ("%s (%d)"):format(show(name), stages[name])
  end
  return shown[1] and list(shown) or "none"
end

local function warn(self, message, ...)
  table.insert(self.warnings, message:format(...))
end

local function warn_of_stages(self)
  local seen = {}
  for label in pairs(self.stages) do
    seen[self.label_of[label]] = true
    local near = not self.triggers[self.label_of[label]] and cells_of.nearest(self.label_of[label], self.triggers)
    if near then
      warn(self, "the stage %s (%d) counts as open: is it %s?", show(label), self.stages[label],
        show(self.labels[near]))
    end
  end
  for key, label in pairs(self.labels) do
    if not seen[key] then
      warn(self, "no row has the stage %s; the stages are: %s", show(label), stage_list(self.stages))
    end
  end
end

-- Companies whose names differ in case, blanks and punctuation only stay different companies.
local function warn_of_names(self)
  local first, told, count = {}, {}, 0
  for _, company in ipairs(self.company) do
    if not told[company] then
      told[company] = true
      local near = cells_of.near(company)
      if near ~= "" and first[near] and count < MAX_NEAR then
        count = count + 1
        warn(self, "the companies %s and %s are taken for two", show(first[near]), show(company))
      end
      first[near] = first[near] or company
    end
  end
end

local function warn_of_all(self)
  warn_of_stages(self)
  warn_of_names(self)
  if self.reversed > 0 then
    warn(self, "sales that are closed before they are registered: %d (the first on line %d; are days and months read "
      .. "the right way round?): they count as registered when they were closed", self.reversed, self.reversed_line)
  end
  for fate, noted in pairs(self.fates) do
    warn(self, "rows %s: %d (line%s %s%s)%s", fate, noted.count, noted.count > 1 and "s" or "",
      table.concat(noted.lines, ", "), noted.count > #noted.lines and ", ..." or "",
      fate == "without a date of registration" and "" or ": nothing comes of them")
  end
  table.sort(self.warnings)
end

-- Events --------------------------------------------------------------------------------------------------------------

local function read_sales(self)
  local message, code, line = columns_of.read_header(self, sale_columns)
  if not message then
    message, code, line = add_rows(self)
  end
  if not message then
    put_in_order(self)
    warn_of_all(self)
  end
  return message, code, line
end

-- The id of an event: the sale's, what happened, and of a sale with several companies which one.
local function event_id(self, i, trigger)
  if self.sale[i] == "" then
    return nil
  end
  return self.sale[i] .. ":" .. trigger .. (self.share[i] > 1 and ":" .. self.share[i] or "")
end

local function next_sale(self)
  self.given = self.given + 1
  local event = self.order[self.given]
  if not event then
    return nil
  end
  local closes = event > self.count
  local i = closes and event - self.count or event
  local trigger, id, actor = closes and self.trigger[i] or "sale_registered", self.sale[i], self.actor[i]
  local made = {
    id = event_id(self, i, trigger), trigger = trigger, company = self.company[i],
    sale = id ~= "" and { id = id } or nil, actor = actor ~= "" and { id = actor } or nil, at = self.times[event],
  }
  for place, field in ipairs(self.values[i] and self.options.fields or {}) do
    fields.put(made, field, self.values[i][place])
  end
  return made, self.line[i]
end

---@class leadcat.import.Export
---@field preset? string a known kind of export (`presets.NAMES`), which says what is not said here
---@field company string name of a column, as the next ones
---@field company_separator? string between several companies of one row
---@field created string
---@field closed? string needed unless `won_at` and `lost_at` are given
---@field won_at? string when a won sale was closed
---@field lost_at? string
---@field stage string
---@field sale? string column of the sale's id; with it events have ids
---@field actor? string column of who works on the sale
---@field won? string|string[] stages of won sales
---@field lost? string|string[]
---@field date_format? string strptime's, or `excel`; default: the one that all cells of a column have in common
---@field date_formats? table<string, string> of single columns: created, closed, won_at, lost_at
---@field date_order? "dmy"|"mdy"|"ymd"
---@field timezone? string|number of times that name none; default UTC
---@field encoding? string
---@field delimiter? string
---@field keep_going? boolean leave out bad rows
---@field fields? leadcat.cli.Field[] what conditions name, and their columns: both events of a sale have them as it is now

--- Prepares an iterator for an export.
---@param iterator leadcat.import.Iterator
---@return leadcat.import.Iterator
function sales.prepare(iterator)
  iterator.prepare, iterator.step = read_sales, next_sale
  iterator.stages, iterator.label_of, iterator.fates, iterator.dates = {}, {}, {}, {}
  iterator.count, iterator.given, iterator.reversed = 0, 0, 0
  for _, array in ipairs {
    "company", "created", "closed", "closed_key", "trigger", "line", "sale", "actor", "values", "share",
  } do
    iterator[array] = {} -- by sale
  end
  return iterator
end

return sales
