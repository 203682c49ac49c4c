--- What `drift` and `calendar` have in common: what tells of sales, and whose companies are looked at.

local arguments = require "leadcat.cli.arguments"
local common = require "leadcat.cli.common"
local events_of = require "leadcat.cli.events"
local grouped = require "leadcat.insight.grouped"
local load_work = require "leadcat.cli.work"
local protected = require "leadcat.util.protected"

local must = common.must

local sales = {}

--- How many companies are looked at together.
sales.PAGE = 500

function sales.declare(command)
  command:option("--path", "The directory of the store."):argname("DIR"):convert(arguments.to_directory)
  command:option("--worker", "Instead of --path: the Lua file of leadcat worker, whose engine has the CRM as its host.")
    :argname "FILE.lua"
  arguments.events(command)
  command:option("--from", "Without a file: what tells of sales, host.sales or the journal (default: host where there "
    .. "is host.sales)."):argname("host|journal"):choices { "host", "journal" }
  command:option("--cursor", "Go on there, as a run that failed has said."):argname "TEXT"
  command:option("--limit", "List at most so many."):argname("N"):default "100"
    :convert(arguments.limit(0, math.huge, "0"))
end

local function has_file(args)
  return args.events ~= nil or args.opportunities ~= nil or args.stage_history ~= nil
end

--- What is wrong with the arguments.
---@param args table
---@return string? problem
function sales.problem(args)
  args.events = args.events or args.file
  arguments.by_column(args)
  if (args.path ~= nil) == (args.worker ~= nil) then
    return "one of --path DIR and --worker FILE.lua is needed"
  elseif args.in_file_order then
    return "--in-file-order: each company's events are taken in the order of their times"
  elseif args.from and has_file(args) then
    return "--from is of no use with a file"
  end
  return has_file(args) and arguments.events_problem(args) or nil
end

-- The events of the file, or what the host or the journal has.
local function source_of(args, engine)
  if not has_file(args) then
    return args.from
  end
  local own = must(engine:_own_triggers())
  args.any_order = true
  local read = events_of.read_any(args, { must(engine:config()) }, own)
  local source, message = grouped.new(read.next, own)
  read.finish()
  return must(source, message)
end

--- Calls `run(args, engine, source)`. With a worker's file its engine is used, which has the host.
---@param args table
---@param writes boolean
---@param run function
function sales.with(args, writes, run)
  if not args.worker then
    return common.with_store(args, writes and "write" or "read", function(engine)
      return run(args, engine, source_of(args, engine))
    end)
  end
  local work = load_work(args.worker)
  local engine = (work.engine and work or work[1]).engine
  return protected.finally(function() engine:close() end, function()
    return run(args, engine, source_of(args, engine))
  end)
end

--- Page by page: calls `ask(cursor)` for each, and `take(page)`. Ends the run, and says where to go on, when one fails.
---@param args table
---@param ask fun(cursor?: string): table?, string?
---@param take fun(page: table)
function sales.each_page(args, ask, take)
  local cursor = args.cursor
  repeat
    local page, message = ask(cursor)
    if not page then
      common.fail("%s%s", message, cursor and (" (--cursor %s goes on)"):format(cursor) or "")
    end
    take(page)
    cursor = page.cursor
  until not cursor
end

return sales
