--- The arguments that several commands take. A command declares its other arguments itself.

local core = require "leadcat.core"
local dates = require "leadcat.cli.import.dates"
local event_of = require "leadcat.events.event"
local fields = require "leadcat.cli.fields"
local import = require "leadcat.cli.import"
local options_of = require "leadcat.util.options"
local presets = require "leadcat.cli.import.presets"
local titles = require "leadcat.cli.import.titles"

---@class leadcat.cli.Command
---@field name string
---@field summary string for the help
---@field commands? leadcat.cli.Command[] its subcommands; it has none of the fields below then
---@field store? "read"|"write"|"new"|fun(args: table): string it takes --path and is run with that store's engine: what it does with the store; new: it may be made
---@field output? "json"|"named" it takes --json; "named": and --language
---@field arguments? fun(command: table) declares the rest of its arguments (a command of argparse)
---@field problem? fun(args: table): string? what is wrong with the arguments that argparse cannot see; nil when nothing is
---@field run? fun(args: table, engine?: leadcat.Engine, parser: table): any, function, integer? what `common.print` prints; the parser is argparse's, of all commands

local arguments = {}

-- Readers of one value: each returns the value, or nil and what is wrong ----------------------------------------------

function arguments.to_directory(text)
  if text ~= "" then
    return text
  end
  return nil, "a directory's name expected, got ''"
end

--- Reads the id of a company or a user. A wrong one is wrong usage; the engine would raise.
function arguments.to_id(text)
  local id, problem = event_of.key(text)
  return id, problem and ("an id %s"):format(problem)
end

--- A reader of --limit; `range` names the two bounds in words.
function arguments.limit(least, most, range)
  return function(text)
    local limit = tonumber(text)
    if limit and limit % 1 == 0 and limit >= least and limit <= most then
      return math.floor(limit)
    end
    return nil, ("--limit: an integer from %s expected, got '%s'"):format(range, text)
  end
end

--- A reader of a whole number; `what` names it in the message.
function arguments.integer(least, what)
  return function(text)
    local number = text:find "^%d+$" and tonumber(text)
    if number and number >= least and number <= 2 ^ 53 then
      return math.floor(number)
    end
    return nil, ("%s expected, got '%s'"):format(what, text)
  end
end

--- What a command with --preview does with the store.
function arguments.use(args)
  return args.preview and "read" or "write"
end

arguments.to_entry = arguments.integer(1, "a number")

local function to_run(text)
  if options_of.run.fits(text) then
    return text
  end
  return nil, ("--run: %s expected"):format(options_of.run.what)
end

-- What several commands take ------------------------------------------------------------------------------------------

-- An option that counts once may be given once: the last one would replace the others without a word.
local function refuse_repetitions(declared)
  for _, option in ipairs(declared._options) do
    if option._maxcount == 1 then
      option:overwrite(false)
    end
  end
end

--- Declares all arguments of a command.
---@param declared table a command of argparse
---@param command leadcat.cli.Command
function arguments.declare(declared, command)
  if command.store then
    declared:option("--path", "The directory of the store."):argname("DIR"):convert(arguments.to_directory):count "1"
  end
  if command.arguments then
    command.arguments(declared)
  end
  if command.output then
    declared:flag("--json", "Print JSON.")
  end
  if command.output == "named" then
    declared:option("--language", "The language of names: en, no, sv, da, de, nl."):argname("TAG"):default "en"
  end
  refuse_repetitions(declared)
end

function arguments.run(command, help)
  command:option("--run", help):argname("ID"):convert(to_run)
end

function arguments.page(command)
  command:option("--limit", "At most so many, up to 1000."):argname("N"):default "100"
    :convert(arguments.limit(1, 1000, "1 to 1000"))
end

-- Files of events -----------------------------------------------------------------------------------------------------

local COLUMNS = {
  { "company", "its column of the company" },
  { "created", "its column of the date when the sale was registered" },
  { "closed", "its column of the date when the sale was won or lost" },
  { "won-at", "its column of the date when the sale was won, where lost sales have another" },
  { "lost-at", "its column of the date when the sale was lost" },
  { "stage", "its column of the stage" },
  { "actor", "its column of who registers and closes the sale" },
  { "sale", "its column of the sale's id; a sale is then handled once, however often" },
}

local DELIMITERS = { comma = ",", semicolon = ";", tab = "\t", pipe = "|" }

local function to_delimiter(word)
  local delimiter = DELIMITERS[word] or word
  if #delimiter == 1 and not delimiter:find '[%w"\r\n]' then
    return delimiter
  end
  return nil, ("--delimiter: comma, semicolon, tab, pipe or another character expected, got '%s'"):format(word)
end

local function to_encoding(word)
  local converter, message = core.converter(word)
  return converter and word, message and ("--encoding: %s"):format(message)
end

local DATES = { created = true, closed = true, ["won-at"] = true, ["lost-at"] = true, at = true, changed = true }

-- A form of dates, of all columns or of one.
local function to_format(word)
  local column, format = word:match "^([%l-]+)=(.+)$"
  if column and DATES[column] then
    return { column = column:gsub("-", "_"), format = format }
  end
  return { column = "all", format = word }
end

-- A column of a history.
local function to_history_column(word)
  local key, title = word:match "^(%l+)=(.+)$"
  for _, known in ipairs(titles.KEYS) do
    if key == known then
      return { key = key, title = title }
    end
  end
  return nil, ("--history-column: one of %s, and its column expected, such as stage=NewValue, not '%s'"):format(
    table.concat(titles.KEYS, ", "), word)
end

local function declare_history(command)
  command:option("--stage-history", "A history of stages, a CSV file with one row a change of a sale; its columns are "
    .. "found by their titles. With --opportunities that export has the companies of the sales."):argname "FILE"
  command:option("--history-column", "With --stage-history: a column (sale, company, stage, from, changed, actor, "
    .. "property), such as stage=NewValue; may be given again."):argname("WHAT=COLUMN"):target("columns"):count("*")
    :convert(to_history_column)
end

local function declare_reading(command)
  command:option("--encoding", "How the file's text is written, such as windows-1252 (default: UTF-8, or what the file "
    .. "shows)."):argname("NAME"):convert(to_encoding)
  command:option("--delimiter", "What parts the columns (default: what the header has most of, or a first line sep=; "
    .. "says)."):argname("comma|semicolon|tab|pipe|CHARACTER"):convert(to_delimiter)
  command:option("--date-format", "The form of dates, as strptime takes it, such as '%d.%m.%Y', or excel for a "
    .. "spreadsheet's numbers; created='%d.%m.%Y' is of one column. Default: the form that all dates of a column have.")
    :argname("FORMAT"):target("formats"):count("*"):convert(to_format)
  command:option("--date-order", "What comes first in dates such as 3/4/2024, where no date of the column shows it.")
    :argname("dmy|mdy|ymd"):choices { "dmy", "mdy", "ymd" }
  command:option("--timezone", "Of times that name none, such as Europe/Oslo or +01:00 (default: UTC).")
    :argname("ZONE"):convert(dates.timezone)
end

local function declare_export(command)
  command:option("--opportunities", "An opportunity export, a CSV file with one row a sale."):argname "FILE"
  for _, column in ipairs(COLUMNS) do
    command:option("--" .. column[1], "With --opportunities: " .. column[2] .. "."):argname "COLUMN"
  end
  command:option("--preset", "With --opportunities: the CRM that has written it, whose columns and stages are known.")
    :argname "CRM":choices(presets.NAMES)
  command:option("--company-separator", "With --opportunities: what stands between several companies of one row.")
    :argname "TEXT"
  for _, outcome in ipairs { "won", "lost" } do
    command:option("--" .. outcome, "With --opportunities: the stage of a " .. outcome .. " sale; may be given again.")
      :argname("LABEL"):count "*"
  end
end

--- How an export is read.
function arguments.export(command)
  declare_export(command)
  declare_history(command)
  declare_reading(command)
end

function arguments.events(command)
  command:argument("file", "A file of events, - for standard input: JSON Lines, or CSV whose columns are an event's "
    .. "fields."):args "?"
  command:option("--events", "The file of events, as an option."):argname "FILE"
  command:option("--format", "The form of the file of events, where its name does not tell."):argname("csv|jsonl")
    :choices { "csv", "jsonl" }
  declare_export(command)
  declare_history(command)
  declare_reading(command)
  command:option("--field", "A field that conditions name, and its column, such as sale.amount=Amount; may be given "
    .. "again. Its type is that of the rules' values; sale.amount:number=Amount says it (number, text, boolean).")
    :argname("FIELD=COLUMN"):target("fields"):count("*"):convert(fields.reader "--field")
  command:flag("--in-file-order", "Take events in the order of the file, not of their times.")
  command:option("--start-category", "The category, by name or id, of a company that is not known yet.")
    :argname "CATEGORY"
  command:flag("--keep-going", "Count bad lines and go on; without it the first one ends the run.")
end

local function export_problem(args)
  if args.preset then
    return nil
  end
  local closed = not (args.won_at and args.lost_at) and "closed" or "stage"
  for _, option in ipairs { "company", "created", closed, "stage" } do
    if not args[option] then
      return ("--opportunities needs --company, --created, --closed and --stage: --%s is missing%s"):format(option,
        option == "created" and " (of an export without it, name the column of --closed: it counts for both)" or "")
    end
  end
  if #args.won == 0 and #args.lost == 0 then
    return "--opportunities needs --won, --lost or both: what the stages of won and lost sales are called"
  end
end

-- What an option of an export would be of a history.
local HISTORY = { company = "company", sale = "sale", actor = "actor", stage = "stage" }

-- A history that stands alone has its columns named by an option of their own.
local function history_problem(args)
  for _, column in ipairs(args.stage_history and COLUMNS or {}) do
    local name = column[1]
    if args[name:gsub("-", "_")] then
      return ("--%s is a column of an export: --history-column names one of a history, such as %s=COLUMN"):format(name,
        HISTORY[name] or "changed")
    end
  end
  return #args.columns > 0 and not args.stage_history and "--history-column needs --stage-history" or nil
end

--- Sets `args.date_formats` and `args.history_columns`, by column.
function arguments.by_column(args)
  args.date_formats, args.history_columns = {}, {}
  for _, told in ipairs(args.formats) do
    args.date_formats[told.column] = told.format
  end
  for _, told in ipairs(args.columns) do
    args.history_columns[told.key] = told.title
  end
end

--- What is wrong with the files of events. Sets `args.events`, also when the file was given as an argument.
function arguments.events_problem(args)
  args.events = args.events or args.file
  arguments.by_column(args)
  if #args.fields > 0 and args.events and (args.format or import.format_of(args.events)) == "jsonl" then
    return "--field is about columns: events in JSON have their fields already"
  end
  local is_export = args.opportunities ~= nil or args.stage_history ~= nil
  if (args.events ~= nil) == is_export then
    return "either a file of events or --opportunities FILE is needed (or --stage-history FILE)"
  elseif args.opportunities then
    return export_problem(args)
  end
  return history_problem(args)
end

return arguments
