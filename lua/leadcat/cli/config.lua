--- Configs: a store's first one, and how they are shown, exported and imported.

local arguments = require "leadcat.cli.arguments"
local common = require "leadcat.cli.common"
local config = require "leadcat.rules.config"
local files = require "leadcat.cli.files"
local json = require "leadcat.util.json"
local leadcat = require "leadcat"
local tables = require "leadcat.cli.tables"

local must, with_store, print_problems = common.must, common.with_store, common.print_problems

local configs = {}

local function read_config(path)
  local cfg, message = json.decode(files.read(path))
  if cfg == nil then
    common.fail("%s: %s", path, message)
  end
  return cfg
end

--- The config to work with: a file's, or the store's.
---@param args table
---@return leadcat.Config
function configs.of(args)
  if args.config_file then
    return read_config(args.config_file)
  end
  return with_store(args, false, function(engine)
    return must(engine:config())
  end)
end

-- What `engine:save` gives; refused configs have all their problems printed.
local function saved(revision, message, _, problems)
  print_problems(problems or {}, io.stderr)
  return must(revision, message)
end

local HOW = [[
%s: revision %d, the preset %s. All its rules are off. To switch some on:
  leadcat config export --path %s --output rules.json
  leadcat config import --path %s rules.json
]]

local function init(args)
  return with_store(args, true, function(engine)
    local before = must(engine:config()).revision
    local revision = before > 0 and before
      or saved(engine:save(leadcat.preset(args.preset), { actor = common.actor(), revision = 0 }))
    common.print(args, { path = args.path, revision = revision, already = before > 0 or nil }, function()
      return before > 0 and ("%s is initialised already (revision %d); nothing changed\n"):format(args.path, revision)
        or HOW:format(args.path, revision, args.preset, args.path, args.path)
    end)
    return 0
  end)
end

configs.init = {
  name = "init", summary = "Make a store with a preset config.", run = init,
  arguments = function(command)
    arguments.path(command)
    command:option("--preset", "The config to start from."):argname("NAME"):default("superoffice")
      :choices { "superoffice" }
    arguments.json(command)
  end,
}

local show = {
  name = "show", summary = "Print the rules, categories and lead statuses.",
  arguments = function(command)
    arguments.path(command)
    arguments.output(command)
  end,
  run = function(args)
    common.print(args, configs.of(args), tables.config)
    return 0
  end,
}

local function run_export(args)
  local content = json.encode(configs.of(args), "  ") .. "\n"
  if not args.output then
    must(io.write(content))
    return 0
  end
  files.write(args.output, content)
  return 0
end

local export = {
  name = "export", summary = "Print the config as JSON, to be edited and imported.", run = run_export,
  arguments = function(command)
    arguments.path(command)
    command:option("--output", "Write to a file instead."):argname "FILE"
  end,
}

local function run_import(args)
  local cfg = read_config(args.file)
  return with_store(args, false, function(engine)
    print_problems(config.has_errors(config.problems(cfg)) and {} or config.problems(cfg), io.stderr)
    local revision = saved(engine:save(cfg, { actor = common.actor(), revision = args.revision }))
    common.print(args, { path = args.path, revision = revision }, function()
      return ("%s: revision %d\n"):format(args.path, revision)
    end)
    return 0
  end)
end

local import = {
  name = "import", summary = "Save a config from a JSON file as a new revision.", run = run_import,
  arguments = function(command)
    command:argument("file", "The file, - for standard input.")
    arguments.path(command)
    command:option("--revision", "Refuse unless this is the newest revision."):argname("N")
      :convert(arguments.integer(0, "--revision: an integer from 0"))
    arguments.json(command)
  end,
}

configs.config = {
  name = "config", summary = "Show, export or import the config.", commands = { show, export, import },
}

return configs
