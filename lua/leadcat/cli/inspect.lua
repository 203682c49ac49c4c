--- `import inspect`: says how a file would be read, before anything is done with it.

local arguments = require "leadcat.cli.arguments"
local cells_of = require "leadcat.cli.import.cells"
local common = require "leadcat.cli.common"
local csv = require "leadcat.util.csv"
local dates = require "leadcat.cli.import.dates"
local encoding = require "leadcat.cli.import.encoding"
local files = require "leadcat.cli.files"
local import = require "leadcat.cli.import"
local json = require "leadcat.util.json"
local presets = require "leadcat.cli.import.presets"
local tables = require "leadcat.cli.tables"
local unicode = require "leadcat.util.unicode"

local HOW = {
  told = "as told", mark = "by its byte order mark", zeros = "by its zero bytes", default = "as nothing shows another",
}
local DELIMITERS = { [","] = "commas", [";"] = "semicolons", ["\t"] = "tabs", ["|"] = "pipes" }
local NEEDED = { company = true, created = true, closed = true, stage = true }
local KEYS = { "company", "created", "closed", "won_at", "lost_at", "stage", "sale", "actor" }

-- Any file ------------------------------------------------------------------------------------------------------------

local function new_column(title, args)
  return {
    title = title, filled = 0, numbers = 0,
    dates = dates.column(title, { order = args.date_order, timezone = args.timezone }),
  }
end

local function add_cell(column, cell, line)
  if dates.is_absent(cell) then
    return
  end
  column.filled, column.example = column.filled + 1, column.example or cell
  column.numbers = column.numbers + (cell:find "^%-?%d+%.?%d*$" and 1 or 0)
  if column.dates and column.dates:add(cell, line) then
    column.dates = nil
  end
end

-- What a column has: "dates", "numbers", "text" or "nothing"; and of dates their form.
local function kind_of(column)
  if column.filled == 0 then
    return "nothing"
  elseif column.dates and column.dates:problem() then
    return "dates", "day or month first? --date-order says it"
  elseif column.dates then
    return "dates", dates.NAMES[column.dates.forms[1].name]
  end
  return column.numbers == column.filled and "numbers" or "text"
end

-- Reads all rows as they are: {encoding, delimiter, rows, bad, columns}; fails where there is no header.
local function scan(file, args)
  local source = common.must(encoding.open(file, args.encoding))
  local reader = csv.reader(source.read, { delimiter = args.delimiter })
  local header, line, code = reader:next()
  if not header then
    common.fail("%s: %s", args.file, code and line or "the file is empty: it has no header")
  end
  local columns, titles = {}, {}
  for i, title in ipairs(header) do
    titles[i] = cells_of.clean(title)
    columns[i] = new_column(titles[i], args)
  end
  local rows, bad = 0, 0
  repeat
    local cells
    cells, line, code = reader:next()
    if code == "io" or code == "encoding" then
      common.fail("%s:%s: %s", args.file, code == "io" and "?" or tostring(rows + bad + 2), line)
    end
    for i, cell in ipairs(cells or {}) do
      add_cell(columns[i], cells_of.name(cells_of.clean(cell)), line)
    end
    rows, bad = rows + (cells and 1 or 0), bad + (code and 1 or 0)
  until not cells and not code
  return {
    encoding = source.name, encoding_is = source.how, delimiter = reader.delimiter, rows = rows, bad_rows = bad,
  }, columns, titles
end

-- An export -----------------------------------------------------------------------------------------------------------

-- The export's own reading of the file, bad rows left out; nil where it is not known which columns count.
local function read_export(file, args, preset)
  file:seek "set"
  local options = { keep_going = true }
  for key, value in pairs(args) do
    options[key] = value
  end
  options.keep_going, options.preset = true, args.preset or preset
  if not options.preset and not (args.company and args.created and args.stage and (args.closed or args.won_at)) then
    return nil
  end
  local iterator = import.opportunities(file, options)
  local _, message, code = iterator:next()
  if code then
    return nil, message
  end
  return iterator
end

local COUNTS_AS = { sale_won = "won", sale_lost = "lost" }

local function stages_of(iterator)
  local stages = json.array {}
  for _, label in ipairs(tables.by_count(iterator.stages)) do
    stages[#stages + 1] = {
      label = label, rows = iterator.stages[label],
      counts_as = COUNTS_AS[iterator.triggers[iterator.label_of[label]]] or "open",
    }
  end
  return stages
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

-- A word of a command line, quoted where the shell would change it.
local function word(text)
  return text:find "^[%w._/:=+-]+$" and text or "'" .. text:gsub("'", "'\\''") .. "'"
end

-- The command line that reads the file so. What is not known is in capitals.
local function command_for(args, preset)
  local words = { "leadcat simulate --config rules.json --opportunities", word(args.file) }
  local function add(name, value)
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      words[#words + 1] = ("--%s %s"):format(name:gsub("_", "-"), word(one))
    end
  end
  add("preset", args.preset or preset)
  for _, key in ipairs(KEYS) do
    add(key, args[key] or NEEDED[key] and not (preset or args.preset) and "COLUMN" or nil)
  end
  for _, key in ipairs { "won", "lost" } do
    local labels = #args[key] > 0 and args[key] or nil
    add(key, labels or not (preset or args.preset) and "LABEL" or nil)
  end
  for _, key in ipairs { "company_separator", "encoding", "date_order" } do
    add(key, args[key])
  end
  return table.concat(words, " ")
end

-- The report ----------------------------------------------------------------------------------------------------------

local function inspect(args)
  arguments.date_formats(args)
  local file = files.open_twice(args.file)
  local report, columns, titles = scan(file, args)
  local preset = not args.preset and not args.company and presets.find(titles) or nil
  local iterator, problem = read_export(file, args, preset)
  local taken = {}
  for _, key in ipairs(iterator and KEYS or {}) do
    taken[iterator.options[key] or ""] = key
  end
  report.columns = json.array {}
  for i, column in ipairs(columns) do
    local kind, form = kind_of(column)
    report.columns[i] = {
      title = column.title, taken_for = taken[column.title], filled = column.filled, has = kind, form = form,
      example = column.example,
    }
  end
  report.file, report.looks_like, report.problem = args.file, preset, problem
  if iterator then
    report.events, report.stages, report.fates = iterator.total, stages_of(iterator), fates_of(iterator)
    report.warnings = json.array(iterator.warnings)
  end
  report.command = command_for(args, preset)
  return report
end

local function columns_table(report)
  local rows = { { "column", "taken for", "filled", "has", "such as" } }
  for _, column in ipairs(report.columns) do
    rows[#rows + 1] = {
      column.title, column.taken_for and column.taken_for:gsub("_", "-") or "", tables.number(column.filled),
      column.has .. (column.form and ": " .. column.form or ""), unicode.line(column.example or "", 40),
    }
  end
  return tables.table(rows)
end

local function stages_table(report)
  local rows = { { "stage", "rows", "counts as" } }
  for _, stage in ipairs(report.stages or {}) do
    rows[#rows + 1] = { stage.label, tables.number(stage.rows), stage.counts_as }
  end
  return report.stages and "\n" .. tables.table(rows) or ""
end

local function as_text(report)
  local lines = {
    ("%s: %s (%s), parted by %s; %s rows%s%s\n\n"):format(unicode.visible(report.file), report.encoding,
      HOW[report.encoding_is], DELIMITERS[report.delimiter] or '"' .. unicode.visible(report.delimiter) .. '"',
      tables.number(report.rows), report.bad_rows > 0 and (", %d of another width"):format(report.bad_rows) or "",
      report.looks_like and "; it looks like an export of " .. report.looks_like or ""),
    columns_table(report), stages_table(report), "\n",
  }
  if report.events then
    lines[#lines + 1] = ("%s events\n"):format(tables.number(report.events))
  end
  for _, warning in ipairs(report.warnings or {}) do
    lines[#lines + 1] = unicode.visible(warning) .. "\n"
  end
  lines[#lines + 1] = report.problem and unicode.visible(report.problem) .. "\n" or nil
  lines[#lines + 1] = "\nread so by:\n  " .. unicode.visible(report.command) .. "\n"
  return table.concat(lines)
end

local function declare(command)
  command:argument("file", "The export, a CSV file with one row a sale; - for standard input.")
  arguments.export(command)
end

return {
  name = "import", summary = "Look at files before they are used.",
  commands = {
    {
      name = "inspect",
      summary = "Say how an export is read: its encoding, columns, dates, stages, and what becomes of its rows.",
      output = "json", arguments = declare, run = function(args) return inspect(args), as_text end,
    },
  },
}
