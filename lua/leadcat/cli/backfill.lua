--- The rules applied to the past, by the events of a file.

local arguments = require "leadcat.cli.arguments"
local common = require "leadcat.cli.common"
local core = require "leadcat.core"
local events_of = require "leadcat.cli.events"
local files = require "leadcat.cli.files"
local progress = require "leadcat.cli.progress"
local tables = require "leadcat.cli.tables"

local must, warn = common.must, common.warn

local BLOCK = 64 * 1024 -- bytes

-- Standard input as a file that can be read twice.
local function copy_of_input()
  local file = must(io.tmpfile())
  local block, message = io.stdin:read(BLOCK)
  while block do
    must(file:write(block))
    block, message = io.stdin:read(BLOCK)
  end
  if message then
    common.fail("standard input: %s", message)
  end
  must(file:seek "set")
  return file
end

-- What tells the events from those of another file, and of this one read otherwise.
local function source_of(args)
  local path, size, sum = args.opportunities or args.events, 0, nil
  local file = path == "-" and copy_of_input() or files.open(path)
  for block in function() return file:read(BLOCK) end do
    size, sum = size + #block, core.checksum(block, sum)
  end
  must(file:seek "set")
  args.file_of_events = file
  local words = { ("%s bytes, checksum %s"):format(tables.number(size), sum or "of none") }
  for _, name in ipairs {
    "format", "company", "created", "closed", "stage", "sale", "actor", "date_format", "keep_going", "won", "lost",
  } do
    local value = args[name]
    value = type(value) == "table" and table.concat(value, ",") or value
    words[#words + 1] = value and value ~= "" and ("%s=%s"):format(name, tostring(value)) or nil
  end
  return table.concat(words, " ")
end

-- The events of a file that need not be in order, as an array; an export's as they are read. And what has their `total`.
local function events_to_fill(args)
  local next_event, finish, _, reader = events_of(args)
  if args.opportunities then
    return next_event, finish, reader
  end
  local events = {}
  local event, message = next_event()
  while event do
    events[#events + 1] = event
    event, message = next_event()
  end
  if message then
    common.fail("%s", message)
  end
  return events, finish, { total = #events }
end

local function backfill(engine, args)
  local source = source_of(args)
  local events, finish, counted = events_to_fill(args)
  local show, done = progress(counted, nil, 1)
  local report, message = engine:backfill(events, {
    run = args.run, preview = args.preview, confirm = args.confirm, rate = args.rate, source = source,
    start_category = args.start_category, actor = common.actor(), on_progress = show,
    on_begin = function(id, before)
      local where = before > 0 and (" goes on behind event %s"):format(tables.number(before)) or ""
      warn("run %s%s (interrupted, it goes on when the same is done again)", id, where)
    end,
  })
  done()
  local bad = finish()
  must(report, message)
  report.bad_lines = args.keep_going and bad or nil
  return report
end

local function print_backfill(args, report)
  if args.json then
    return common.print_json(report)
  elseif report.already then
    print(("run %s is finished already: nothing was done (another --run does it again). What it has done:\n")
      :format(report.run))
  elseif args.preview then
    print "what would be done:\n"
  elseif report.resumed then
    print(("went on behind event %s\n"):format(tables.number(report.resumed)))
  end
  io.write(tables.backfill(report))
  if not args.preview and report.companies > 0 then
    print(("\nleadcat undo --path %s --run %s takes that back"):format(args.path, report.run))
  end
end

local function to_rate(word)
  local rate = tonumber(word)
  if rate and rate > 0 and rate < math.huge then
    return rate
  end
  return nil, ("--rate: a positive number expected, got '%s'"):format(word)
end

local function declare(command)
  arguments.path(command)
  arguments.events(command)
  command:option("--confirm", "What becomes of rules that ask: skip leaves the company as it is and counts it (the "
    .. "default, as old questions would flood the inbox), ask puts the question into the inbox now, accept makes the "
    .. "change."):argname("skip|ask|accept"):default "skip":choices { "skip", "ask", "accept" }
  command:flag("--preview", "Say what would be done; write nothing.")
  command:option("--rate", "At most so many events a second."):argname("N"):convert(to_rate)
  arguments.run(command, "The id of the run: a new one, or one that was interrupted, which goes on then, with the "
    .. "same file and options. Without it the last run of the same file and options goes on where it was "
    .. "interrupted, and nothing is done where it is finished and the config is the same.")
  arguments.output(command)
end

local function problem(args)
  if args.preview and args.run then
    return "--preview is of no run: --run is not needed"
  end
  return arguments.events_problem(args)
end

local function run(args)
  return common.with_store(args, false, function(engine)
    print_backfill(args, backfill(engine, args))
    return 0
  end)
end

return {
  name = "backfill",
  summary = "Apply the rules to the past: handle the events of a file in the order of their dates, with the companies "
    .. "kept in the store. What was interrupted goes on where it was, when the same is done again.",
  arguments = declare, problem = problem, run = run,
}
