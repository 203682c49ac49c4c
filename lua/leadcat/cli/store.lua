--- What is done to a store as a whole: checked, maintained, copied. A config's file is checked here, too.

local common = require "leadcat.cli.common"
local config = require "leadcat.config"
local configs = require "leadcat.cli.config"
local core = require "leadcat.core"
local json = require "leadcat.json"
local text = require "leadcat.text"

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

function commands.check(args)
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

local DAY = 24 * 60 * 60

-- How long a host keeps its journal is not known here: without being told, nothing is removed.
function commands.maintain(args)
  args.retention = { age = args.keep_days and args.keep_days * DAY or false, count = args.keep_entries or false }
  return with_store(args, false, function(engine)
    local counts = must(engine:maintain())
    if args.json then
      print_json(counts)
    else
      print(("%s questions expired, %s entries removed, %s reader slots freed"):format(text.number(counts.expired),
        text.number(counts.removed), text.number(counts.readers)))
    end
    return 0
  end)
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

function commands.backup(args)
  return copy(args, nil, "%s: a copy of %s\n")
end

function commands.compact(args)
  return copy(args, { compact = true }, "%s: a compacted copy of %s. To use it, stop everything that has the store "
    .. "open, and put its files in the place of the store's.\n")
end

return commands
