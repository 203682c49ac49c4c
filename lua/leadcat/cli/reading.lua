--- Says how a file of sales, or of changes of them, was read: the head of what is reported about its events.

local dates = require "leadcat.cli.import.dates"
local json = require "leadcat.util.json"
local stages = require "leadcat.cli.import.stages"
local tables = require "leadcat.cli.tables"
local unicode = require "leadcat.util.unicode"

local reading = {}

local HOW = {
  told = "as told", mark = "by its byte order mark", zeros = "by its zero bytes", default = "as nothing shows another",
}
local DELIMITERS = { [","] = "commas", [";"] = "semicolons", ["\t"] = "tabs", ["|"] = "pipes" }

---@class leadcat.cli.Reading
---@field file string
---@field encoding string
---@field encoding_is "told"|"mark"|"zeros"|"default" how it is known
---@field delimiter string
---@field kind "sales"|"history" one row a sale, or one row a change
---@field rows integer
---@field events integer
---@field columns { title: string, taken_for?: string, form?: string }[] form: of its dates
---@field stages { label: string, rows: integer, counts_as: "won"|"lost"|"open" }[] the most frequent first
---@field fates { fate: string, rows: integer, lines: integer[] }[] rows that lead to nothing, and the first lines of each
---@field near string[][] pairs of companies whose names are nearly equal
---@field warnings string[]
---@field export? leadcat.cli.Reading the export that a history takes its companies from

local function columns_of(iterator)
  local taken, forms, columns = {}, {}, json.array {}
  for _, column in ipairs(iterator.wanted) do
    taken[column.title] = type(column.key) == "number" and iterator.options.fields[column.key].name or column.key
    local form = column.has_dates and iterator.dates[column.key].forms[1].name
    forms[column.title] = form and (dates.NAMES[form] or form) or nil
  end
  for i, title in ipairs(iterator.header) do
    columns[i] = { title = title, taken_for = taken[title], form = forms[title] }
  end
  return columns
end

local function stages_of(iterator)
  local found = json.array {}
  for i, label in ipairs(tables.by_count(iterator.stages)) do
    found[i] = { label = label, rows = iterator.stages[label], counts_as = stages.counts_as(iterator, label) }
  end
  return found
end

local function fates_of(iterator)
  local fates = json.array {}
  for fate, noted in pairs(iterator.fates) do
    fates[#fates + 1] = { rows = noted.count, fate = fate, lines = json.array(noted.lines) }
  end
  table.sort(fates, function(a, b) return a.fate < b.fate end)
  for _, row in ipairs(iterator.bad) do
    fates[#fates + 1] = { rows = 1, fate = "bad: " .. row.message, lines = json.array { row.line } }
  end
  return fates
end

--- How a file was read whose first event has been asked for.
---@param file string its name
---@param iterator leadcat.import.Iterator
---@param sold_file? string the name of the export that a history takes its companies from
---@return leadcat.cli.Reading
function reading.of(file, iterator, sold_file)
  local near = json.array {}
  for i, pair in ipairs(iterator.near) do
    near[i] = json.array { pair[1], pair[2] }
  end
  return {
    file = file, encoding = iterator.source.name, encoding_is = iterator.source.how,
    delimiter = iterator.reader.delimiter, kind = iterator.is_history and "history" or "sales", rows = iterator.rows,
    events = iterator.total, columns = columns_of(iterator), stages = stages_of(iterator), fates = fates_of(iterator),
    near = near, warnings = json.array(iterator.warnings),
    export = iterator.sold and reading.of(sold_file, iterator.sold) or nil,
  }
end

--- The first line: what kind of text the file is.
---@param report leadcat.cli.Reading
---@param more? string
---@return string
function reading.head(report, more)
  return ("%s: %s (%s), parted by %s; %s rows%s\n"):format(unicode.visible(report.file), report.encoding,
    HOW[report.encoding_is], DELIMITERS[report.delimiter] or '"' .. unicode.visible(report.delimiter) .. '"',
    tables.number(report.rows), more or "")
end

--- A table of the stages; "" where there are none.
---@param report leadcat.cli.Reading
---@return string
function reading.stages(report)
  local rows = { { "stage", "rows", "counts as" } }
  for _, stage in ipairs(report.stages or {}) do
    rows[#rows + 1] = { stage.label, tables.number(stage.rows), stage.counts_as }
  end
  return rows[2] and tables.table(rows) or ""
end

--- What a column is taken for, in the words of the options.
---@param column { taken_for?: string }
---@return string "" when it is not read
function reading.taken_for(column)
  return (column.taken_for or ""):gsub("_", "-") .. ""
end

--- The short report: what is not read is left out. Its warnings are told with it, by what reads the file.
---@param report leadcat.cli.Reading
---@return string
function reading.text(report)
  local rows = { { "column", "taken for", "dates" } }
  for _, column in ipairs(report.columns) do
    rows[#rows + 1] = column.taken_for and { column.title, reading.taken_for(column), column.form or "" } or nil
  end
  local parts = {
    reading.head(report, report.kind == "history" and ", each a change of a sale" or ""), tables.table(rows),
    reading.stages(report), report.export and reading.text(report.export) or "",
  }
  return table.concat(parts)
end

return reading
