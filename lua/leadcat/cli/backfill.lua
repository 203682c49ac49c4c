--- `backfill`: applies the rules to the past, given as a file of events.

local arguments = require "leadcat.cli.arguments"
local common = require "leadcat.cli.common"
local core = require "leadcat.core"
local events_of = require "leadcat.cli.events"
local files = require "leadcat.cli.files"
local progress = require "leadcat.cli.progress"
local tables = require "leadcat.cli.tables"
local unicode = require "leadcat.util.unicode"

local must, warn = common.must, common.warn

local function sum_of(path)
  local size, sum, file = 0, nil, files.open_twice(path)
  files.each_block(path, file, function(block)
    size, sum = size + #block, core.checksum(block, sum)
  end)
  must(file:seek "set")
  return file, ("%s bytes, checksum %s"):format(tables.number(size), sum or "of none")
end

-- Identifies the events by the content of the files and the options they are read with.
local function source_of(args)
  local words = {}
  args.file_of_events, words[1] = sum_of(events_of.path_of(args))
  if args.stage_history and args.opportunities then
    args.file_of_sales, words[2] = sum_of(args.opportunities)
  end
  for _, name in ipairs {
    "format", "company", "created", "closed", "stage", "sale", "actor", "keep_going", "won", "lost", "won_at",
    "lost_at", "company_separator", "preset", "encoding", "delimiter", "date_order", "timezone",
  } do
    local value = args[name]
    value = type(value) == "table" and table.concat(value, ",") or value
    words[#words + 1] = value and value ~= "" and ("%s=%s"):format(name, tostring(value)) or nil
  end
  for _, told in ipairs(args.formats) do
    words[#words + 1] = ("date_format:%s=%s"):format(told.column, told.format)
  end
  for _, told in ipairs(args.columns) do
    words[#words + 1] = ("history:%s=%s"):format(told.key, told.title)
  end
  for _, field in ipairs(args.fields) do
    words[#words + 1] = ("%s:%s=%s"):format(field.name, field.type or "", field.given)
  end
  return table.concat(words, " ")
end

-- The events of an export come in order, from an iterator. Those of another file may be in any order, so they are an
-- array. Also returns the table whose `total` counts them.
local function events_to_fill(args, read)
  if events_of.is_export(args) then
    return read.next, read.iterator
  end
  local events = {}
  local event, message = read.next()
  while event do
    events[#events + 1] = event
    event, message = read.next()
  end
  if message then
    common.fail("%s", message)
  end
  return events, { total = #events }
end

local function report_text(args, report)
  local head, foot = "", ""
  if report.already then
    head = ("run %s is finished already: nothing was done (another --run does it again). What it has done:\n\n")
      :format(report.run)
  elseif args.preview then
    head = "what would be done:\n\n"
  elseif report.resumed then
    head = ("went on behind event %s\n\n"):format(tables.number(report.resumed))
  end
  if not args.preview and report.companies > 0 then
    foot = ("\nleadcat undo --path %s --run %s takes that back\n"):format(unicode.visible(args.path), report.run)
  end
  return head .. tables.backfill(report) .. foot
end

local function to_rate(word)
  local rate = tonumber(word)
  if rate and rate > 0 and rate < math.huge then
    return rate
  end
  return nil, ("--rate: a positive number expected, got '%s'"):format(word)
end

local function declare(command)
  arguments.events(command)
  command:option("--confirm", "What becomes of rules that ask: skip leaves the company as it is and counts it (the "
    .. "default, as old questions would flood the inbox), ask puts the question into the inbox now, accept makes the "
    .. "change."):argname("skip|ask|accept"):default "skip":choices { "skip", "ask", "accept" }
  command:flag("--preview", "Say what would be done; write nothing.")
  command:option("--rate", "At most so many events a second."):argname("N"):convert(to_rate)
  command:flag("--yes", "Do not ask, on a terminal, whether an export was read as it is meant.")
  arguments.run(command, "The id of the run: a new one, or one that was interrupted, which goes on then, with the "
    .. "same file and options. Without it the last run of the same file and options goes on where it was "
    .. "interrupted, and nothing is done where it is finished and the config is the same.")
end

local function problem(args)
  if args.in_file_order then
    return "--in-file-order: a backfill goes by the dates of its events"
  elseif args.preview and args.run then
    return "--preview is of no run: --run is not needed"
  end
  return arguments.events_problem(args)
end

-- On a terminal, shows how an export was read, and asks whether that is what is meant.
local function ask(args, read, next_event)
  local may_ask = not args.preview and not args.yes and events_of.is_export(args)
  if not (may_ask and common.is_terminal(0) and common.is_terminal(2)) then
    return next_event
  end
  local first, message, code = next_event()
  if first then
    read.tell()
    common.confirm(("apply the rules to these %s events?"):format(tables.number(read.iterator.total)))
  end
  return function()
    if first or code then
      local event, why, kind = first, message, code
      first, message, code = nil, nil, nil
      return event, why, kind
    end
    return next_event()
  end
end

local function run(args, engine)
  local source = source_of(args)
  args.tells_reading = args.preview
  local read = events_of.read_any(args, { must(engine:config()) }, must(engine:_own_triggers()))
  local events, counted = events_to_fill(args, read)
  events = ask(args, read, events)
  local show, done = progress(counted, nil, 1)
  local report, message = done(engine:backfill(events, {
    run = args.run, preview = args.preview, confirm = args.confirm, rate = args.rate, source = source,
    start_category = args.start_category, actor = common.actor(), on_progress = show,
    on_begin = function(id, before)
      local where = before > 0 and (" goes on behind event %s"):format(tables.number(before)) or ""
      warn("run %s%s (if it is interrupted, the same command goes on from there)", id, where)
    end,
  }))
  read.finish(report)
  return must(report, message), function(told) return report_text(args, told) end
end

return {
  name = "backfill",
  summary = "Apply the rules to the past: handle the events of a file in the order of their dates, with the companies "
    .. "kept in the store. What was interrupted goes on where it was, when the same is done again. Nothing is "
    .. "scheduled: what rules that wait (after) match is only counted.",
  store = arguments.use, needs_rules = true, output = "named", arguments = declare, problem = problem, run = run,
}
