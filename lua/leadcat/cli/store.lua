--- What is done to a store as a whole: checked, maintained, copied. A config's file is checked here, too.

local arguments = require "leadcat.cli.arguments"
local common = require "leadcat.cli.common"
local config = require "leadcat.rules.config"
local configs = require "leadcat.cli.config"
local core = require "leadcat.core"
local json = require "leadcat.util.json"
local tables = require "leadcat.cli.tables"

local must, with_store, print_json = common.must, common.with_store, common.print_json

local commands = {}

-- Damage to a store, as problems.
local function store_problems(path)
  local problems = {}
  if not common.has_store(path) then
    common.fail("there is no store in %s", path)
  end
  for _, message in ipairs(must(core.check_store(path))) do
    problems[#problems + 1] = { path = path, code = "corrupt", message = message, severity = "error" }
  end
  return problems
end

local function run_check(args)
  local problems = args.store and store_problems(args.path) or {}
  if #problems == 0 then -- a damaged store is better left alone
    problems = config.problems(configs.of(args))
  end
  if args.json then
    print_json(json.array(problems))
  elseif #problems == 0 then
    print "no problems"
  else
    common.print_problems(problems, io.stdout)
  end
  return config.has_errors(problems) and 1 or 0
end

local function check_problem(args)
  if not (args.config_file or args.path) then
    return "--config FILE or --path DIR is needed"
  elseif args.store and not args.path then
    return "--store needs --path DIR"
  end
end

commands.check = {
  name = "check", summary = "Say what is wrong with a config; exit status 1 when it could not be saved.",
  problem = check_problem, run = run_check,
  arguments = function(command)
    command:mutex(
      command:option("--config", "A JSON file, - for standard input."):target("config_file"):argname "FILE",
      command:option("--path", "The directory of a store."):argname "DIR")
    command:flag("--store", "With --path: read every page and record of the store, too, and name what is damaged.")
    arguments.output(command)
  end,
}

local DAY = 24 * 60 * 60

-- How long a host keeps its journal is not known here: without being told, nothing is removed.
local function run_maintain(args)
  args.retention = { age = args.keep_days and args.keep_days * DAY or false, count = args.keep_entries or false }
  return with_store(args, false, function(engine)
    local counts = must(engine:maintain())
    if args.json then
      print_json(counts)
    else
      print(("%s questions expired, %s entries removed, %s reader slots freed"):format(tables.number(counts.expired),
        tables.number(counts.removed), tables.number(counts.readers)))
    end
    return 0
  end)
end

local function add_most(command, option, help)
  command:option(option, help):argname("N"):convert(arguments.integer(1, option .. ": an integer from 1"))
end

commands.maintain = {
  name = "maintain", run = run_maintain,
  summary = "Close questions whose time is over, free what killed processes held, remove what is not to be kept: for "
    .. "all tenants of the store.",
  arguments = function(command)
    arguments.path(command)
    add_most(command, "--keep-days", "Remove entries of the journal that are older; without it none is too old.")
    add_most(command, "--keep-entries", "Remove the oldest entries of a journal that has more; else none has too many.")
    arguments.output(command)
  end,
}

local function declare_copy(command)
  command:argument("destination", "The directory of the copy; it must not have a store yet.")
    :convert(arguments.to_directory)
  arguments.path(command)
  arguments.json(command)
end

local function copy(args, options, told)
  with_store(args, false, function(engine)
    must(engine:backup(args.destination, options))
  end)
  common.print(args, { path = args.path, copy = args.destination }, function()
    return told:format(args.destination, args.path)
  end)
  return 0
end

commands.backup = {
  name = "backup", summary = "Copy a store while it is in use.", arguments = declare_copy,
  run = function(args)
    return copy(args, nil, "%s: a copy of %s\n")
  end,
}

commands.compact = {
  name = "compact", arguments = declare_copy,
  summary = "Copy a store without its unused pages, to be put in its place while nobody has it open.",
  run = function(args)
    return copy(args, { compact = true }, "%s: a compacted copy of %s. To use it, stop everything that has the store "
      .. "open, and put its files in the place of the store's.\n")
  end,
}

return commands
