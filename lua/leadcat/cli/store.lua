--- `check`, `maintain`, `backup` and `compact`.

local arguments = require "leadcat.cli.arguments"
local common = require "leadcat.cli.common"
local check = require "leadcat.rules.check"
local configs = require "leadcat.cli.config"
local core = require "leadcat.core"
local json = require "leadcat.util.json"
local tables = require "leadcat.cli.tables"
local unicode = require "leadcat.util.unicode"

local must = common.must

local commands = {}

local function damage_of(path)
  if not common.has_store(path) then
    common.fail("there is no store in %s", path)
  end
  local problems = {}
  local damaged, unchecked = core.check_store(path)
  for _, message in ipairs(must(damaged, unchecked)) do
    problems[#problems + 1] = { path = path, code = "corrupt", message = message, severity = "error" }
  end
  for _, message in ipairs(unchecked) do
    problems[#problems + 1] = { path = path, code = "unchecked", message = message, severity = "warning" }
  end
  return problems
end

local function run_check(args)
  local problems = args.store and damage_of(args.path) or {}
  if #problems == 0 then -- a damaged store is not opened
    local cfg, own = configs.of(args)
    problems = check.problems(cfg, own)
    if args.path and cfg.revision == 0 then
      problems[#problems + 1] = { path = "revision", code = "empty", severity = "warning",
        message = "nothing has been saved in this store yet: leadcat init --path " .. args.path .. " saves a preset" }
    end
  end
  return json.array(problems), function()
    return #problems == 0 and "no problems\n" or tables.problems(problems)
  end, check.has_errors(problems) and 1 or 0
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
  output = "named", problem = check_problem, run = run_check,
  arguments = function(command)
    command:mutex(
      command:option("--config", "A JSON file, - for standard input."):target("config_file"):argname "FILE",
      command:option("--path", "The directory of a store."):argname "DIR")
    command:flag("--store", "With --path: read every page and record of the store, too, and name what is damaged.")
  end,
}

-- The calendar looks at some companies a call.
local function maintain_all(engine)
  local sums = {}
  repeat
    local counts = must(engine:maintain())
    for name, count in pairs(counts) do
      sums[name] = (sums[name] or 0) + count
    end
  until counts.calendar == 0
  return sums
end

local function run_maintain(_, engine)
  return maintain_all(engine), function(counts)
    local later = counts.carried_out + counts.dropped > 0 and ("%s carried out, %s dropped, "):format(
      tables.number(counts.carried_out), tables.number(counts.dropped)) or ""
    local no_sale = counts.calendar > 0 and ("%s companies looked at for sales, %s events, "):format(
      tables.number(counts.calendar), tables.number(counts.no_sale)) or ""
    return ("%s questions expired, %s%s%s entries removed, %s reader slots freed\n"):format(
      tables.number(counts.expired), later, no_sale, tables.number(counts.removed), tables.number(counts.readers))
  end
end

local function add_most(command, option, help)
  command:option(option, help):argname("N"):convert(arguments.integer(1, option .. ": an integer from 1"))
end

commands.maintain = {
  name = "maintain", store = "write", output = "named", run = run_maintain,
  summary = "Close questions whose time is over, carry out what is scheduled and due, free what killed processes held, "
    .. "remove what is not to be kept: for all tenants of the store.",
  arguments = function(command)
    add_most(command, "--keep-days", "Remove entries of the journal that are older; without it none is too old.")
    add_most(command, "--keep-entries", "Remove the oldest entries of a journal that has more; else none has too many.")
  end,
}

-- A command that copies the store; `text` says so, of the copy and the store.
local function copying(name, summary, options, text)
  return {
    name = name, summary = summary, store = "read", output = "json",
    arguments = function(command)
      command:argument("destination", "The directory of the copy; it must not have a store yet.")
        :convert(arguments.to_directory)
    end,
    run = function(args, engine)
      must(engine:backup(args.destination, options))
      return { path = args.path, copy = args.destination }, function()
        return text:format(unicode.visible(args.destination), unicode.visible(args.path))
      end
    end,
  }
end

commands.backup = copying("backup", "Copy a store while it is in use.", nil, "%s: a copy of %s\n")

commands.compact = copying("compact",
  "Copy a store without its unused pages, to be put in its place while nobody has it open.", { compact = true },
  "%s: a compacted copy of %s. To use it, stop everything that has the store open, and put its files in the place of "
    .. "the store's.\n")

return commands
