--- `simulate`: reports what a config would do with the events of a file, alone or compared with another config.

local arguments = require "leadcat.cli.arguments"
local common = require "leadcat.cli.common"
local compare = require "leadcat.past.compare"
local configs = require "leadcat.cli.config"
local events_of = require "leadcat.cli.events"
local files = require "leadcat.cli.files"
local i18n = require "leadcat.words.i18n"
local report_page = require "leadcat.pages.report"
local simulate = require "leadcat.past.simulate"
local tables = require "leadcat.cli.tables"
local triggers = require "leadcat.rules.triggers"

-- The rules leave a company without a category as it is.
local function warn_of_unknown(report)
  for _, category in ipairs(report.categories) do
    if not category.id and category.start > 0 then
      common.warn("nobody knows the category that %s of the companies start in: --start-category says it",
        tables.number(category.start))
    end
  end
end

-- What events may name: the store's own triggers, and those of the rules, which are tried as if somebody had declared them.
local function known_triggers(own, ...)
  return triggers.together(own or {}, triggers.used(...))
end

local function compare_configs(args)
  local against, own = configs.of(args.against == "current" and { path = args.path } or { config_file = args.against })
  local cfg, own_too = configs.of(args)
  own = known_triggers(own or own_too, against, cfg)
  local report = common.must_accept(events_of.through(args, { against, cfg }, own, function(events)
    return compare.run(against, cfg, events.next, {
      triggers = own, start_category = args.start_category, language = args.language, limit = args.limit,
    })
  end))
  warn_of_unknown(report)
  if args.html then
    local strings = i18n.new()
    files.write(args.html, report_page.html {
      report = report, before = against, after = cfg, strings = strings, language = strings:language(args.language),
    })
  end
  return report, tables.comparison
end

local function declare(command)
  command:option("--config", "The config, a JSON file."):target("config_file"):argname "FILE"
  command:option("--path", "The directory of a store, whose config is taken where no file is given."):argname "DIR"
  command:option("--against", "Compare with this config: a JSON file, or current for that of the store in --path.")
    :argname "FILE"
  command:option("--html", "With --against: write the report to this file, as a web page that needs no other.")
    :argname "FILE"
  command:option("--limit", "With --against: list at most so many companies."):argname("N"):default "100"
    :convert(arguments.limit(0, math.huge, "0"))
  arguments.events(command)
end

local function problem(args)
  if not (args.config_file or args.path) then
    return "--config FILE or --path DIR is needed"
  elseif args.against == "current" and not (args.config_file and args.path) then
    return "--against current needs --config FILE and --path DIR"
  elseif args.against ~= "current" and args.config_file and args.path then
    return "--config and --path can not be used together, but with --against current"
  elseif args.html and not args.against then
    return "--html needs --against"
  end
  return arguments.events_problem(args)
end

local function run(args)
  args.tells_reading = true
  if args.against then
    return compare_configs(args)
  end
  local cfg, own = configs.of(args)
  own = known_triggers(own, cfg)
  return common.must_accept(events_of.through(args, { cfg }, own, function(events)
    return simulate.run(cfg, events.next, {
      triggers = own, start_category = args.start_category, language = args.language, feed = events.feed,
    })
  end)), tables.report
end

return {
  name = "simulate",
  summary = "Say what a config would do with the events of a file, or what it would do otherwise than another; writes "
    .. "nothing.",
  output = "named", arguments = declare, problem = problem, run = run,
}
