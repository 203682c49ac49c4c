--- Reads the files of events that `simulate`, `replay` and `backfill` are given.

local common = require "leadcat.cli.common"
local event_of = require "leadcat.events.event"
local fields = require "leadcat.cli.fields"
local files = require "leadcat.cli.files"
local import = require "leadcat.cli.import"
local order = require "leadcat.cli.import.order"
local progress = require "leadcat.cli.progress"
local reading = require "leadcat.cli.reading"
local tables = require "leadcat.cli.tables"

local fail, warn = common.fail, common.warn

local MAX_SAID = 1000 -- bad lines that are told
local STEP = 1000 -- events between two looks at the clock

local UNORDERED = "out_of_order" -- a code of this file

local function size_of(file)
  local size = file:seek "end"
  file:seek "set"
  return size
end

local function path_of(args)
  return args.stage_history or args.opportunities or args.events
end

-- Exports and histories are put in order by what reads them.
local function is_export(args)
  return args.stage_history ~= nil or args.opportunities ~= nil
end

-- The sales that a history of stages is of.
local function open_sold(args)
  if args.opportunities then
    args.file_of_sales = args.file_of_sales or files.open_twice(args.opportunities)
    args.file_of_sales:seek "set"
    return import.opportunities(args.file_of_sales, args)
  end
end

local function open_events(args)
  local path, file = path_of(args), args.file_of_events
  local size = size_of(file)
  if args.stage_history then
    return import.stage_history(file, args, open_sold(args)), size
  elseif args.opportunities then
    return import.opportunities(file, args), size
  end
  local format = args.format or import.format_of(path)
    or fail("%s: is it csv or jsonl? say so with --format", path == "-" and "standard input" or path)
  return import.events(file, {
    format = format, fields = args.fields, encoding = args.encoding, delimiter = args.delimiter,
    date_format = args.date_formats.at or args.date_formats.all, date_order = args.date_order, timezone = args.timezone,
    keep_going = args.keep_going, won = args.won, lost = args.lost, preset = args.preset,
  }), size
end

-- Whether the events of a file are out of order, read for that alone.
local function is_unordered(args)
  local events, latest = open_events(args), -math.huge
  while true do
    local event, _, code = events:next()
    if not event and (not code or code == "io" or events.failed) then
      return false -- what is wrong is told when the events are taken
    elseif event and type(event.at) == "number" then
      if event.at < latest then
        return true
      end
      latest = event.at
    end
  end
end

local function reading_of(args, events)
  return reading.of(path_of(args), events, args.opportunities)
end

local function print_reading(args, events)
  io.stderr:write(reading.text(reading_of(args, events)), "\n")
end

-- Says how an export or a history was read: before what is reported as text, or as a field of the report.
local function tell_reading(args, events, report)
  if args.json then
    report.reading = reading_of(args, events)
  else
    print_reading(args, events)
  end
end

---@class leadcat.cli.Events
---@field next fun(): leadcat.Event?, string?, string?
---@field feed fun(add_lines: function, most: integer): integer as in leadcat.cli.import
---@field tell fun() prints how the file was read, once its first event has been asked for
---@field finish fun(report?: table) prints the warnings, notes the bad lines in the report
---@field iterator leadcat.import.Iterator

-- The events of the file once. A bad line ends them, unless --keep-going is given. `unordered`, if given, is called for an event
-- that is older than one before it; it may return a message, which ends them.
---@return leadcat.cli.Events
local function read_once(args, events, size, unordered)
  local path, bad, count, latest = path_of(args), 0, 0, unordered and -math.huge or nil
  local show, done = progress(events, size, STEP)
  local self, said = { iterator = events }, {}
  function self.next()
    while true do
      local event, line, code, bad_line = events:next()
      if event == nil and code == nil then
        return nil
      end
      local problem = event_of.problem(event, args.own_triggers)
      if code then
        problem, line = line, bad_line
      elseif not problem then
        local message = latest and event.at and event.at < latest and unordered()
        if message then
          done()
          return nil, message, UNORDERED
        end
        count, latest = count + 1, latest and math.max(latest, event.at or latest)
        show(count)
        return event
      end
      local text = ("%s:%s: %s"):format(path, line or "?", problem)
      if not args.keep_going or code == "io" or events.failed then
        done()
        return nil, text, "invalid"
      end
      bad = bad + 1
      said[#said + 1] = #said < MAX_SAID and text or nil
    end
  end
  function self.feed(add_lines, most)
    local given = events:feed(function(text, from, limit)
      local at, added, last = add_lines(text, from, limit, latest)
      latest = latest and math.max(latest, last)
      return at, added
    end, most)
    count = count + given
    show(count)
    return given
  end
  function self.tell()
    print_reading(args, events)
  end
  function self.finish(report)
    done()
    for _, text in ipairs(said) do
      warn("%s", text)
    end
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
    if report and args.tells_reading and events.wanted then
      tell_reading(args, events, report)
    end
  end
  return self
end

-- A pipe may never end: its events are taken as they come.
local function warn_of_order(args)
  local told = false
  return function()
    if not told then
      warn("%s: an event is older than one before it; they are taken as they come", path_of(args))
      told = true
    end
  end
end

local function read_sorted(args)
  warn("%s: the events are taken in the order of their times, which is not the file's (--in-file-order keeps that)",
    path_of(args))
  local events, size = open_events(args)
  return read_once(args, order.sorted(events), size)
end

local events_of = { is_export = is_export, path_of = path_of }

-- Opens the file, and says of what types the fields are.
local function begin(args, configs, own)
  args.own_triggers = own
  args.fields = fields.with_types(args.fields, configs, "--field")
  args.file_of_events = args.file_of_events or files.open_twice(path_of(args))
end

--- The events of a file, for what has effects: in the order of their times, unless --in-file-order is given; those of a pipe as
-- they come.
---@param args table
---@param configs leadcat.Config[] whose rules decide
---@param own? string[] the integrator's own triggers
---@return leadcat.cli.Events
function events_of.read(args, configs, own)
  begin(args, configs, own)
  if not is_export(args) and not args.in_file_order then
    if args.file_of_events.pipe then
      args.file_of_events = args.file_of_events.pipe -- nothing of it has to be kept
      return read_once(args, open_events(args), nil, warn_of_order(args))
    elseif is_unordered(args) then
      return read_sorted(args)
    end
  end
  return read_once(args, open_events(args))
end

--- The events of a file as they come, for what puts them in order itself.
---@param args table
---@param configs leadcat.Config[]
---@param own? string[]
---@return leadcat.cli.Events
function events_of.read_any(args, configs, own)
  begin(args, configs, own)
  return read_once(args, open_events(args))
end

--- Runs what has no effects with the events of a file. It is run again where they turn out not to be in order.
---@param args table
---@param configs leadcat.Config[]
---@param own? string[]
---@param run fun(events: leadcat.cli.Events): table?, ...
---@return table? report, ... what `run` returns
function events_of.through(args, configs, own, run)
  begin(args, configs, own)
  local events, size = open_events(args)
  local must_be_ordered = not is_export(args) and not args.in_file_order
  events = read_once(args, events, size, must_be_ordered and function()
    return "the events are not in the order of their times"
  end or nil)
  local report, message, code, problems = run(events)
  if code == UNORDERED then
    events = read_sorted(args)
    report, message, code, problems = run(events)
  end
  events.finish(report)
  return report, message, code, problems
end

return events_of
