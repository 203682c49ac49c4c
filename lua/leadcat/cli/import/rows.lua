--- What all files of one row a sale, or one row a change, have in common: cells with dates and ids, rows that are bad or lead to
-- nothing, and what looks wrong when all are read.

local cells_of = require "leadcat.cli.import.cells"
local columns_of = require "leadcat.cli.import.columns"
local dates = require "leadcat.cli.import.dates"
local fields = require "leadcat.cli.fields"
local stages = require "leadcat.cli.import.stages"

local rows = {}

local MAX_BAD = 1000
local MAX_LINES = 5 -- of each fate that are named
local MAX_NEAR = 10 -- names that are told to be alike

local show = dates.show

-- Columns -------------------------------------------------------------------------------------------------------------

-- How the dates of one column are read: `--date-format` may be of one of them, as in created=%d.%m.%Y.
local function dates_of(options, key, title)
  local format = options.date_formats and (options.date_formats[key] or options.date_formats.all) or options.date_format
  return dates.column(title, { format = format, order = options.date_order, timezone = options.timezone })
end

---@class leadcat.import.Wanted a column that is read
---@field key string|integer what it is
---@field title string
---@field has_dates? boolean

--- Finds columns, and makes ready for their dates, their stages and the fates of rows.
---@param self leadcat.import.Iterator
---@param header string[]
---@param wanted leadcat.import.Wanted[]
---@return string? problem
function rows.prepare(self, header, wanted)
  self.header, self.wanted, self.columns, self.titles = header, wanted, {}, {}
  self.dates, self.fates, self.near, self.reformatted, self.rows = {}, {}, {}, {}, 0
  for _, column in ipairs(wanted) do
    local at, problem = columns_of.find(header, column.title)
    if problem then
      return problem
    end
    self.columns[column.key], self.titles[column.key] = at, column.title
    self.dates[column.key] = column.has_dates and dates_of(self.options, column.key, column.title) or nil
  end
  return stages.prepare(self)
end

-- Cells ---------------------------------------------------------------------------------------------------------------

--- A date of a row: the cell, or false where there is none; nil and the problem when it is none.
function rows.date(self, cells, key, line)
  local column = self.columns[key]
  local cell = column and cells_of.name(cells_of.clean(cells[column])) or ""
  if dates.is_absent(cell) then
    return false
  end
  local expected = self.dates[key]:add(cell, line)
  if expected then
    return nil, ("%s is %s, not %s"):format(self.titles[key], show(cell), expected)
  end
  return cell
end

-- What is wrong with an id; notes one that a program has changed.
local function id_problem(self, id, key)
  local problem = cells_of.id_problem(id)
  if problem then
    return ("%s is %s"):format(self.titles[key], problem)
  elseif cells_of.is_reformatted(id) then
    local noted = self.reformatted[key] or { count = 0, example = id }
    self.reformatted[key], noted.count = noted, noted.count + 1
  end
end

--- An id of a row; "" when it has none; nil and the problem of one that cannot be right.
function rows.id(self, cells, key)
  local column = self.columns[key]
  local id = column and cells_of.clean(cells[column]) or ""
  local problem = id_problem(self, id, key)
  if problem then
    return nil, problem
  end
  return id
end

--- The companies of a row: one, or several where they have a separator. nil and the problem of one that cannot be right.
---@return string[]? companies, string? problem
function rows.companies(self, cells)
  local text = self.columns.company and cells[self.columns.company] or ""
  local names, separator = {}, self.options.company_separator
  local from = 1
  repeat
    local at = separator and text:find(separator, from, true)
    local name = cells_of.name(cells_of.clean(text:sub(from, (at or #text + 1) - 1)))
    local problem = id_problem(self, name, "company")
    if problem then
      return nil, problem
    end
    names[#names + 1] = name ~= "" and name or nil
    from = (at or 0) + #(separator or "")
  until not at
  return names
end

--- The values of a row's fields, by their places among the options; nil and the problem of one that has another type.
function rows.fields(self, cells)
  local values = {}
  for i, field in ipairs(self.options.fields or {}) do
    local cell = self.columns[i] and cells_of.clean(cells[self.columns[i]]) or ""
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

--- Gives an event the values of its row.
---@param values? table by `rows.fields`
function rows.put_fields(self, event, values)
  for i, field in ipairs(values and self.options.fields or {}) do
    fields.put(event, field, values[i])
  end
end

-- All rows ------------------------------------------------------------------------------------------------------------

--- Counts a row that leads to nothing.
---@param fate string that it is a row ...
function rows.note_fate(self, fate, line)
  local noted = self.fates[fate] or { count = 0, lines = {} }
  self.fates[fate], noted.count = noted, noted.count + 1
  noted.lines[#noted.lines + 1] = #noted.lines < MAX_LINES and line or nil
end

-- The only cell of rows that end a report, as Salesforce writes them.
local FOOTER = { "^Grand Total", "^Copyright %(c%)", "^Confidential Information", "^Generated By", "^Total Records" }

-- Whether a row that is too short is one of those.
local function is_footer(self)
  local cells = self.reader.ragged
  for _, pattern in ipairs(cells and #cells == 1 and FOOTER or {}) do
    if cells_of.clean(cells[1]):find(pattern) then
      return true
    end
  end
  return false
end

--- Adds all rows. Returns the problem of the first bad one, unless bad rows are left out.
---@param add_row fun(self, cells: string[], line: integer): string? returns the problem
---@return string? problem, string? code, integer? line
function rows.add_all(self, add_row)
  repeat
    local cells, message, code, line = self.reader:next()
    if cells then
      line, self.rows = message, self.rows + 1
      message, code = add_row(self, cells, line)
      code = code or "invalid"
    end
    if message and code == "invalid" and is_footer(self) then
      rows.note_fate(self, "of a report's footer", line)
    elseif message and (code ~= "invalid" or not self.options.keep_going) then
      return message, code, line
    elseif message then
      self.bad_count = self.bad_count + 1
      self.bad[#self.bad + 1] = #self.bad < MAX_BAD and { line = line, message = message } or nil
    end
  until not cells and not message
  for _, column in ipairs(self.wanted) do
    local problem = column.has_dates and self.dates[column.key]:problem()
    if problem then
      return problem, "invalid", 1
    end
  end
end

-- Warnings ------------------------------------------------------------------------------------------------------------

--- What looks wrong with the file as a whole.
function rows.warn(self, message, ...)
  table.insert(self.warnings, message:format(...))
end

local FUTURE = 10 * 366 * 24 * 60 * 60 -- seconds from now that nobody plans for: 9999 stands for never, 2206 for 2026

--- Warns of events that are years from now.
---@param count integer how many events there are, in the order of their times
---@param of fun(i: integer): number, integer the time and the line of one
function rows.warn_of_future(self, count, of)
  local latest, first = os.time() + FUTURE, count
  while first > 0 and of(first) > latest do
    first = first - 1
  end
  if first < count then
    rows.warn(self, "events more than ten years from now: %d (the last on line %d): are these dates right?",
      count - first, (select(2, of(count))))
  end
end

-- Companies whose names differ in case, blanks and punctuation only stay different companies.
local function near_names(companies)
  local first, told, near_ones = {}, {}, {}
  for _, company in ipairs(companies) do
    if not told[company] then
      told[company] = true
      local near = cells_of.near(company)
      if near ~= "" and first[near] and #near_ones < MAX_NEAR then
        near_ones[#near_ones + 1] = { first[near], company }
      end
      first[near] = first[near] or company
    end
  end
  return near_ones
end

local COUNTED = { ["without a date of registration"] = true } -- these rows lead to something

--- Adds the warnings that all files may have, and puts all in order.
---@param companies string[]
function rows.warn_of_all(self, companies)
  for _, warning in ipairs(stages.warnings(self)) do
    rows.warn(self, "%s", warning)
  end
  for key, noted in pairs(self.reformatted) do
    rows.warn(self, "%s: ids that look as if a program had written them as amounts, such as %s: %d. They count as they "
      .. "stand; export the column as text", self.titles[key], show(noted.example), noted.count)
  end
  self.near = near_names(companies)
  for _, pair in ipairs(self.near) do
    rows.warn(self, "the companies %s and %s are taken for two", show(pair[1]), show(pair[2]))
  end
  for fate, noted in pairs(self.fates) do
    rows.warn(self, "rows %s: %d (line%s %s%s)%s", fate, noted.count, noted.count > 1 and "s" or "",
      table.concat(noted.lines, ", "), noted.count > #noted.lines and ", ..." or "",
      COUNTED[fate] and "" or ": nothing comes of them")
  end
  table.sort(self.warnings)
end

return rows
