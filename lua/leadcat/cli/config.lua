--- `init`, and the commands that show, export and import a config.

local arguments = require "leadcat.cli.arguments"
local common = require "leadcat.cli.common"
local check = require "leadcat.rules.check"
local core = require "leadcat.core"
local files = require "leadcat.cli.files"
local json = require "leadcat.util.json"
local leadcat = require "leadcat"
local options_of = require "leadcat.util.options"
local preset = require "leadcat.rules.preset"
local tables = require "leadcat.cli.tables"
local unicode = require "leadcat.util.unicode"

local must = common.must

local configs = {}

local function read_config(path)
  local cfg, message = json.decode(files.read(path))
  if cfg == nil then
    common.fail("%s: %s", path, message)
  end
  return cfg
end

--- The config of --config, else that of the store in --path, and the store's own triggers.
---@param args table
---@return leadcat.Config config, string[]? own
function configs.of(args)
  if args.config_file then
    return read_config(args.config_file)
  end
  local own
  local cfg = common.with_store(args, "read", function(engine)
    own = must(engine:_own_triggers())
    return must(engine:config())
  end)
  return cfg, own
end

local function to_owner(text)
  local user, group = core.find_owner(text)
  if not user then
    return nil, "--owner: " .. group
  end
  return { user = user, group = group }
end

local function to_mode(text)
  local mode = text:find "^[0-7]+$" and tonumber(text, 8)
  if mode and options_of.file_mode.fits(mode) then
    return mode
  end
  return nil, ("--mode: octal digits such as 640 or 660 expected, the first 6, got '%s'"):format(text)
end

local HOW = [[
%s: revision %d, the preset %s. %s. To change that:
  leadcat config export --path %s --output rules.json
  leadcat config import --path %s rules.json
]]

local function rules_on(name)
  local count = 0
  for _, rule in ipairs(preset.get(name).rules) do
    count = count + (rule.enabled and 1 or 0)
  end
  return count == 0 and "All its rules are off" or ("%d of its rules are on"):format(count)
end

-- Makes the store, for the service's user when --owner names one.
local function init(args, engine)
  local before = must(engine:config()).revision
  local revision = before > 0 and before
    or common.must_accept(engine:save(leadcat.preset(args.preset), { actor = common.actor(), revision = 0 }))
  if args.owner then
    must(core.give_store(args.path, args.owner.user, args.owner.group))
  end
  return { path = args.path, revision = revision, already = before > 0 or nil }, function()
    local path = unicode.visible(args.path)
    return before > 0 and ("%s is initialised already (revision %d); nothing changed\n"):format(path, revision)
      or HOW:format(path, revision, args.preset, rules_on(args.preset), path, path)
  end
end

configs.init = {
  name = "init", summary = "Make a store with a preset config.", store = "new", output = "json", run = init,
  arguments = function(command)
    command:option("--owner", "Give the store to this user, such as that of the service: USER or USER:GROUP, names or "
      .. "numbers; else it is whose the directory is, or yours."):argname("USER"):convert(to_owner)
    command:option("--mode", "The mode of the store's files, such as 660 for a group that writes, too."):argname("MODE")
      :convert(to_mode)
    command:option("--preset", "The config to start from."):argname("NAME"):default("superoffice")
      :choices(preset.NAMES)
  end,
}

local show = {
  name = "show", summary = "Print the rules, categories and lead statuses.", store = "read", output = "named",
  needs_rules = true,
  run = function(_, engine) return must(engine:config()), tables.config end,
}

local function run_export(args, engine)
  return must(engine:config()), function(cfg)
    local content = json.encode(cfg, "  ") .. "\n"
    if not args.output then
      return content
    end
    files.write(args.output, content)
    return ""
  end
end

local export = {
  name = "export", summary = "Print the config as JSON, to be edited and imported.", store = "read", run = run_export,
  arguments = function(command)
    command:option("--output", "Write to a file instead."):argname "FILE"
  end,
}

local function run_import(args, engine)
  local cfg = read_config(args.file)
  local problems = engine:check(cfg)
  if not check.has_errors(problems) then
    common.warn_of_problems(problems)
  end
  local revision = common.must_accept(engine:save(cfg, { actor = common.actor(), revision = args.revision }))
  return { path = args.path, revision = revision }, function()
    return ("%s: revision %d\n"):format(unicode.visible(args.path), revision)
  end
end

local import = {
  name = "import", summary = "Save a config from a JSON file as a new revision.", store = "write", output = "json",
  run = run_import,
  arguments = function(command)
    command:argument("file", "The file, - for standard input.")
    command:option("--revision", "Refuse unless this is the newest revision."):argname("N")
      :convert(arguments.integer(0, "--revision: an integer from 0"))
  end,
}

configs.config = {
  name = "config", summary = "Show, export or import the config.", commands = { show, export, import },
}

return configs
