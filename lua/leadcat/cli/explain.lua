--- Why: of an event check by check, or of all that could happen to a company.

local arguments = require "leadcat.cli.arguments"
local common = require "leadcat.cli.common"
local config = require "leadcat.rules.config"
local json = require "leadcat.util.json"
local tables = require "leadcat.cli.tables"

local must = common.must

-- The id of a category or lead status: by name, or any integer, as one may ask about what is deleted or unknown.
local function id_of(list, name, option)
  local item = name and config.find_by_name(list, name)
  local id = item and item.id or name and name:find "^%d+$" and json.integer(tonumber(name))
  return name and must(id or nil, ("%s: there is no '%s'"):format(option, name))
end

local function explain_event(engine, cfg, args)
  return must(engine:explain({
    trigger = args.trigger, company = args.company, actor = common.actor(),
    category = id_of(cfg.categories, args.category, "--category"),
    lead_status = id_of(cfg.lead_statuses, args.lead_status, "--lead-status"),
  }, { language = args.language }))
end

local function print_why(cfg, found, language)
  local rows = { { "event", "outcome", "why" } }
  for _, decision in ipairs(found.decisions) do
    local status = config.find(cfg.lead_statuses, decision.lead_status)
    local event = decision.trigger .. (status and (" (%s)"):format(config.name(status, language)) or "")
    rows[#rows + 1] = { event, decision.action == "none" and decision.reason or decision.action, decision.sentence }
  end
  io.write(tables.table(rows))
  if found.newest then
    print(("\nentry %d: %s"):format(found.newest.entry, found.newest.sentence))
  end
end

local function declare(command)
  arguments.path(command)
  command:option("--company", "The company."):argname("COMPANY"):count("1"):convert(arguments.to_id)
  command:option("--trigger", "The event; without it, all that could happen, and what did last."):argname "TRIGGER"
    :choices(config.TRIGGERS)
  command:option("--lead-status", "The lead status that was set, by name or id."):argname "NAME"
  command:option("--category", "As if the company were in this category, by name or id."):argname "NAME"
  arguments.output(command)
end

local function problem(args)
  return not args.trigger and (args.lead_status or args.category) and "--lead-status and --category need --trigger"
    or nil
end

local function run(args)
  return common.with_store(args, false, function(engine)
    local cfg = must(engine:config())
    local found = args.trigger and explain_event(engine, cfg, args)
      or must(engine:why(args.company, { language = args.language }))
    if args.json then
      common.print_json(found)
    elseif args.trigger then
      io.write(tables.decision(found))
    else
      print_why(cfg, found, args.language)
    end
    return 0
  end)
end

return {
  name = "explain", summary = "Say what an event would do to a company, check by check, and why.",
  arguments = declare, problem = problem, run = run,
}
