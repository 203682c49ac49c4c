--- `import inspect`: says how a file would be read, before anything is done with it.

local arguments = require "leadcat.cli.arguments"
local cells_of = require "leadcat.cli.import.cells"
local common = require "leadcat.cli.common"
local csv = require "leadcat.util.csv"
local dates = require "leadcat.cli.import.dates"
local encoding = require "leadcat.cli.import.encoding"
local files = require "leadcat.cli.files"
local guesses = require "leadcat.cli.import.guesses"
local import = require "leadcat.cli.import"
local json = require "leadcat.util.json"
local merged = require "leadcat.util.merged"
local presets = require "leadcat.cli.import.presets"
local reading = require "leadcat.cli.reading"
local tables = require "leadcat.cli.tables"
local titles = require "leadcat.cli.import.titles"
local unicode = require "leadcat.util.unicode"

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
  local source, message = encoding.open(file, args.encoding)
  if not source then
    common.fail("%s: %s", args.file, message)
  end
  local reader = csv.reader(source.read, { delimiter = args.delimiter })
  local header, line, code = reader:next()
  if not header then
    common.fail("%s: %s", args.file, code and line or "the file is empty: it has no header")
  end
  local columns = {}
  for i, title in ipairs(header) do
    header[i] = cells_of.clean(title)
    columns[i] = new_column(header[i], args)
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
  }, columns, header
end

-- An export or a history --------------------------------------------------------------------------------------------

---@class leadcat.cli.Kind what a file looks like
---@field history boolean one row a change, not a sale
---@field preset? string the CRM that has written it, where the user has not said more

local function kind_of_file(args, header)
  local has_told = args.preset or args.company
  local history = args.stage_history ~= nil or #args.columns > 0 or not has_told and titles.are_of_history(header)
  return { history = history, preset = not has_told and (history and titles.preset or presets.find)(header) or nil }
end

-- The options with what the titles tell of columns that neither the user nor a preset has named.
local function with_guesses(args, kind, header)
  if kind.history or args.preset or kind.preset then
    return args
  end
  return merged(guesses.columns(header), args)
end

-- The file's own reading, bad rows left out; nil where it is not known which columns count.
local function read_rows(file, args, kind)
  file:seek "set"
  local options = merged(args, { keep_going = true, preset = args.preset or kind.preset })
  local iterator
  if kind.history then
    iterator = import.stage_history(file, options,
      args.opportunities and import.opportunities(files.open(args.opportunities), options))
  elseif options.preset or args.company and args.created and args.stage and (args.closed or args.won_at) then
    iterator = import.opportunities(file, options)
  else
    return nil
  end
  local _, message, code = iterator:next()
  if code then
    return nil, message
  end
  return iterator
end

-- A word of a command line, quoted where the shell would change it.
local function word(text)
  return text:find "^[%w._/:=+-]+$" and text or "'" .. text:gsub("'", "'\\''") .. "'"
end

-- Adds options to the words of a command; what is not known is in capitals.
local function adder(words)
  return function(name, value)
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      words[#words + 1] = ("--%s %s"):format(name:gsub("_", "-"), word(one))
    end
  end
end

local function add_columns(add, args, is_known)
  for _, key in ipairs(KEYS) do
    local is_needed = NEEDED[key] and not is_known and not (key == "closed" and args.won_at)
    add(key, args[key] or is_needed and "COLUMN" or nil)
  end
end

local function add_history(add, args, iterator)
  if not args.opportunities and not (iterator and iterator.columns.company) then
    add("opportunities", "SALES.csv")
  end
  add("opportunities", args.opportunities)
  for _, column in ipairs(args.columns) do
    add("history-column", column.key .. "=" .. column.title)
  end
end

-- The command line that reads the file so.
local function command_for(args, kind, iterator)
  local words = { "leadcat simulate --config rules.json" }
  local add, preset = adder(words), args.preset or kind.preset
  add(kind.history and "stage_history" or "opportunities", args.file)
  if kind.history then
    add_history(add, args, iterator)
  end
  add("preset", preset)
  if not kind.history or args.opportunities then
    add_columns(add, args, preset)
  end
  for _, key in ipairs { "won", "lost" } do
    add(key, #args[key] > 0 and args[key] or not preset and not args.has_guessed_labels and "LABEL" or nil)
  end
  for _, key in ipairs { "company_separator", "encoding", "delimiter", "date_order" } do
    add(key, args[key])
  end
  for _, told in ipairs(args.formats) do
    add("date-format", (told.column == "all" and "" or told.column:gsub("_", "-") .. "=") .. told.format)
  end
  return table.concat(words, " ")
end

-- The report ----------------------------------------------------------------------------------------------------------

local EVENTS = "%s: events in %s need no reading: leadcat simulate says what comes of them"

local function are_events(header)
  local has = {}
  for _, title in ipairs(header) do
    has[title] = true
  end
  return has.trigger and has.company
end

local function inspect(args)
  arguments.by_column(args)
  if import.format_of(args.file) == "jsonl" then
    common.fail(EVENTS, args.file, "JSON")
  end
  local file = files.open_twice(args.file)
  local report, columns, header = scan(file, args)
  if are_events(header) then
    common.fail(EVENTS, args.file, "this file")
  end
  local kind = kind_of_file(args, header)
  args = with_guesses(args, kind, header)
  local iterator, problem = read_rows(file, args, kind)
  if iterator and kind.preset and not kind.history and guesses.contradict(kind.preset, iterator.stages) then
    kind.preset = nil -- its titles were alike
    args = with_guesses(args, kind, header)
    iterator, problem = read_rows(file, args, kind)
  end
  if iterator and not (kind.history or kind.preset or args.preset) and #args.won + #args.lost == 0 then
    args = merged(args, guesses.labels(iterator.stages))
    args.has_guessed_labels = #args.won + #args.lost > 0
    iterator, problem = read_rows(file, args, kind)
  end
  local read = iterator and reading.of(args.file, iterator, args.opportunities)
  report = merged(read or {}, report)
  report.columns = json.array {}
  for i, column in ipairs(columns) do
    local has, form = kind_of(column)
    report.columns[i] = {
      title = column.title, taken_for = read and read.columns[i].taken_for, filled = column.filled, has = has,
      form = form, example = column.example,
    }
  end
  report.file, report.kind, report.looks_like = args.file, kind.history and "history" or "sales", kind.preset
  report.problem = problem
  report.command = command_for(args, kind, iterator)
  return report
end

local function columns_table(report)
  local rows = { { "column", "taken for", "filled", "has", "such as" } }
  for _, column in ipairs(report.columns) do
    rows[#rows + 1] = {
      column.title, reading.taken_for(column), tables.number(column.filled),
      column.has .. (column.form and ": " .. column.form or ""), unicode.line(column.example or "", 40),
    }
  end
  return tables.table(rows)
end

local function as_text(report)
  local stages, preset = reading.stages(report), report.looks_like
  local kind = report.kind == "history" and "a history of stages" .. (preset and " of " .. preset or "")
    or preset and "an export of " .. preset
  local lines = {
    reading.head(report, (report.bad_rows > 0 and (", %d of another width"):format(report.bad_rows) or "")
      .. (kind and "; it looks like " .. kind or "")), "\n", columns_table(report),
    stages ~= "" and "\n" .. stages or "", "\n",
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
