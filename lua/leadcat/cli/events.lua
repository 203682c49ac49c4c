--- Reads the files of events that `simulate`, `replay` and `backfill` are given.

local common = require "leadcat.cli.common"
local event_of = require "leadcat.events.event"
local fields = require "leadcat.cli.fields"
local files = require "leadcat.cli.files"
local import = require "leadcat.cli.import"
local progress = require "leadcat.cli.progress"
local tables = require "leadcat.cli.tables"

local fail, warn = common.fail, common.warn

local STEP = 1000 -- events between two looks at the clock

local function size_of(file)
  local size = file:seek "end"
  if size then
    file:seek("set", 0)
  end
  return size
end

local function open_events(args, configs)
  args.fields = fields.with_types(args.fields, configs, "--field")
  local path = args.opportunities or args.events
  local file = args.file_of_events or files.open(path)
  if args.opportunities then
    return import.opportunities(file, args), path, size_of(file)
  end
  local format = args.format or import.format_of(path)
    or fail("%s: is it csv or jsonl? say so with --format", path == "-" and "standard input" or path)
  return import.events(file, {
    format = format, fields = args.fields, encoding = args.encoding, delimiter = args.delimiter,
    date_format = args.date_formats.at or args.date_formats.all, date_order = args.date_order, timezone = args.timezone,
  }), path, size_of(file)
end

--- An iterator of the events. A bad line ends it, unless --keep-going is given.
---@param args table
---@param configs leadcat.Config[] whose rules decide
---@return fun(): leadcat.Event?, string?, string? next_event
---@return fun(report?: table, ...): table?, ... finish prints the warnings, notes the bad lines in the report; returns its arguments
---@return fun(add_lines: function, most: integer): integer feed as in leadcat.cli.import
---@return leadcat.import.Iterator events
return function(args, configs)
  local events, path, size = open_events(args, configs)
  local bad, count = 0, 0
  local show, done = progress(events, size, STEP)
  local function next_event()
    while true do
      local event, line, code, bad_line = events:next()
      if event == nil and code == nil then
        return nil
      end
      local problem = event_of.problem(event)
      if code then
        problem, line = line, bad_line
      elseif not problem then
        count = count + 1
        show(count)
        return event
      end
      local text = ("%s:%s: %s"):format(path, line or "?", problem)
      if not args.keep_going or code == "io" or events.failed then
        done()
        return nil, text, "invalid"
      end
      bad = bad + 1
      warn("%s", text)
    end
  end
  local function feed(add_lines, most)
    local given = events:feed(add_lines, most)
    count = count + given
    show(count)
    return given
  end
  local function finish(report, ...)
    done()
    for _, row in ipairs(events.bad) do
      warn("%s:%d: %s", path, row.line, row.message)
    end
    for _, warning in ipairs(events.warnings) do
      warn("%s: %s", path, warning)
    end
    bad = bad + events.bad_count
    if bad > 0 then
      warn("%s bad line%s left out", tables.number(bad), bad == 1 and "" or "s")
    end
    if report and args.keep_going then
      report.bad_lines = bad
    end
    return report, ...
  end
  return next_event, finish, feed, events
end
