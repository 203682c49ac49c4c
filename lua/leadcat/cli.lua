--- The `leadcat` command: reads its arguments, calls the engine, and says what came of it. It decides nothing itself.

local arguments_of = require "leadcat.cli.arguments"
local backfill = require "leadcat.cli.backfill"
local common = require "leadcat.cli.common"
local configs = require "leadcat.cli.config"
local explain = require "leadcat.cli.explain"
local history = require "leadcat.cli.history"
local questions = require "leadcat.cli.questions"
local replay = require "leadcat.cli.replay"
local simulate = require "leadcat.cli.simulate"
local store = require "leadcat.cli.store"

local cli = {}

local commands = {
  init = configs.init,
  ["config show"] = configs.show,
  ["config export"] = configs.export,
  ["config import"] = configs.import,
  check = store.check,
  simulate = simulate.simulate,
  replay = replay.replay,
  backfill = backfill.backfill,
  explain = explain.explain,
  confirmations = questions.confirmations,
  resolve = questions.resolve,
  history = history.history,
  undo = history.undo,
  maintain = store.maintain,
  backup = store.backup,
  compact = store.compact,
}

--- Runs the command.
---@param arguments string[]
---@return integer status 0 done, 1 a failed run, 2 wrong usage
function cli.main(arguments)
  local args, problem = arguments_of.parse(arguments)
  if not args then
    local command = commands[arguments[1]] and arguments[1] .. " " or ""
    io.stderr:write("leadcat: ", problem, "\nleadcat ", command, "--help says more\n")
    return 2
  end
  local name = args.config_command and "config " .. args.config_command or args.command
  local done, result = pcall(commands[name], args)
  if done then
    local told, why = io.stdout:flush() -- a file on a full disk is not to be taken for what was asked for
    return told and result or common.warn("what was printed could not be written: %s", why) or 1
  elseif type(result) == "table" and result.message then
    common.warn("%s", result.message)
    return 1
  end
  common.warn("%s", tostring(result))
  return 1
end

return cli
