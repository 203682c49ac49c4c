--- The `leadcat` command: reads the arguments, runs the command they name, and prints what it found.

local argparse = require "argparse"
local arguments = require "leadcat.cli.arguments"
local backfill = require "leadcat.cli.backfill"
local brake = require "leadcat.cli.brake"
local calendar = require "leadcat.cli.calendar"
local changes = require "leadcat.cli.changes"
local common = require "leadcat.cli.common"
local companies = require "leadcat.cli.companies"
local configs = require "leadcat.cli.config"
local deliveries = require "leadcat.cli.deliveries"
local drafts = require "leadcat.cli.drafts"
local drift = require "leadcat.cli.drift"
local explain = require "leadcat.cli.explain"
local health = require "leadcat.cli.health"
local history = require "leadcat.cli.history"
local inspect = require "leadcat.cli.inspect"
local leadcat = require "leadcat"
local notices = require "leadcat.cli.notices"
local outbox = require "leadcat.cli.outbox"
local protected = require "leadcat.util.protected"
local questions = require "leadcat.cli.questions"
local replay = require "leadcat.cli.replay"
local shared = require "leadcat.cli.shared"
local shell = require "leadcat.cli.shell"
local simulate = require "leadcat.cli.simulate"
local store = require "leadcat.cli.store"
local suggest = require "leadcat.cli.suggest"
local worker = require "leadcat.cli.worker"

local cli = {}

local INTERRUPTED = 130 -- the exit status: what shells give for a program that Ctrl-C ends

-- In the order of the help.
local COMMANDS = {
  configs.init, configs.config, drafts.draft, store.check, inspect, replay, backfill, simulate, drift, calendar,
  explain,
  questions.confirmations, questions.resolve, questions.assign, store.maintain, store.backup, store.compact,
  history.history, history.undo, history.cancel, brake.held, brake.release, brake.drop, brake.trials, brake.make_real,
  health.health, suggest.suggest, changes.changes, companies.move, companies.merge, companies.gone, companies.forget,
  outbox.outbox, worker.worker, deliveries.deliveries, notices.notices, shared.shared, shell.completion, shell.manual,
}

local function print_version()
  print("leadcat " .. leadcat._VERSION)
  os.exit(0)
end

local function add_commands(parser, commands, choose)
  for _, command in ipairs(commands) do
    local declared = parser:command(command.name, command.summary)
    if command.commands then
      add_commands(declared, command.commands, choose)
    else
      arguments.declare(declared, command)
      declared:action(function() choose(command) end)
    end
  end
end

-- A parser of all commands; it calls `choose` with the one that is named.
local function new_parser(choose)
  local parser = argparse("leadcat", "Keeps a CRM's company categories right by itself.")
    :epilog "Exit status: 0 done, 1 a failed run, 2 wrong usage, 130 interrupted."
  parser:flag("--version", "Print the version."):action(print_version)
  add_commands(parser, COMMANDS, choose)
  return parser
end

-- The command that the words name, its arguments, and the parser; or nil and what is wrong.
local function parse(words)
  local chosen
  local parser = new_parser(function(command) chosen = command end)
  local parsed, args = parser:pparse(words)
  local problem = not parsed and args or chosen and chosen.problem and chosen.problem(args)
  if problem then
    return nil, problem
  end
  return chosen, args, parser
end

-- The command that the words begin with, as it is typed: "config import ", or "".
local function typed(commands, words, place)
  for _, command in ipairs(commands or {}) do
    if command.name == words[place] then
      return command.name .. " " .. typed(command.commands, words, place + 1)
    end
  end
  return ""
end

local function warn_of_usage(words, problem)
  common.warn("%s", (problem:gsub("\nDid you mean", " Did you mean")))
  io.stderr:write("leadcat ", typed(COMMANDS, words, 1), "--help says more\n")
  return 2
end

local function run_command(command, args, parser)
  local function print_result(engine)
    if command.needs_rules and common.must(engine:config()).revision == 0 then
      common.warn("nothing has been saved in %s yet, so no rule does anything: leadcat init --path %s saves a preset",
        args.path, args.path)
    end
    return common.print(args, command.run(args, engine, parser))
  end
  local use = command.store
  if type(use) == "function" then
    use = use(args)
  end
  if use then
    return common.with_store(args, use, print_result)
  end
  return print_result()
end

local function run(words)
  local command, args, parser = parse(words)
  if not command then
    return warn_of_usage(words, args)
  end
  local status = run_command(command, args, parser)
  local written, why = io.stdout:flush() -- fails on a full disk, where the output is cut short
  return written and status or common.warn("what was printed could not be written: %s", why) or 1
end

--- Runs a command.
---@param words string[] its arguments
---@return integer status 0 done, 1 a failed run, 2 wrong usage, 130 interrupted by Ctrl-C
function cli.main(words)
  local done, result, interrupted = protected.main(run, words)
  if done then
    return result
  elseif interrupted then
    common.warn "interrupted"
    return INTERRUPTED
  end
  common.warn("%s", type(result) == "table" and result.message or tostring(result))
  return 1
end

return cli
