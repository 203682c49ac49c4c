--- `explain`: one event check by check, or all that could happen to a company.

local arguments = require "leadcat.cli.arguments"
local common = require "leadcat.cli.common"
local config = require "leadcat.rules.config"
local core = require "leadcat.core"
local fields = require "leadcat.cli.fields"
local json = require "leadcat.util.json"
local tables = require "leadcat.cli.tables"

local must = common.must

-- The id of a category or lead status: by name, or any integer, since users may ask about a deleted or unknown one.
local function id_of(list, name, option)
  local item = name and config.find_by_name(list, name)
  local id = item and item.id or name and name:find "^%d+$" and json.integer(tonumber(name))
  return name and must(id or nil, ("%s: there is no '%s'"):format(option, name))
end

local function explain_event(engine, cfg, args)
  local event = {
    trigger = args.trigger, company = args.company, actor = common.actor(),
    category = id_of(cfg.categories, args.category, "--category"),
    lead_status = id_of(cfg.lead_statuses, args.lead_status, "--lead-status"),
  }
  for _, field in ipairs(fields.with_types(args.facts, { cfg }, "--fact")) do
    local value, expected = fields.value(field, field.given)
    fields.put(event, field, must(value, expected and ("--fact %s: %s expected, not '%s'"):format(field.name, expected,
      field.given)))
  end
  return must(engine:explain(event, { language = args.language }))
end

local function why_text(cfg, found, language)
  local rows = { { "event", "outcome", "why" } }
  for _, decision in ipairs(found.decisions) do
    local status = config.find(cfg.lead_statuses, decision.lead_status)
    local event = decision.trigger .. (status and (" (%s)"):format(config.name(status, language)) or "")
      .. (decision.days and (" (%d days)"):format(decision.days) or "")
    rows[#rows + 1] = { event, decision.action == "none" and decision.reason or decision.action, decision.sentence }
  end
  local newest, scheduled, past = found.newest, found.scheduled, found.past
  return (past and past.sentence .. "\n" .. (past.entry and past.entry.sentence .. "\n" or "") .. "\n" or "")
    .. (rows[2] and tables.table(rows) or "")
    .. (scheduled and ("\nentry %d: %s\n"):format(scheduled.entry, scheduled.sentence) or "")
    .. (newest and ("\nentry %d: %s\n"):format(newest.entry, newest.sentence) or "")
end

local DAY = 86400

local function moment_of(text)
  local day = text:find "^%d%d%d%d%-%d%d%-%d%d$" and core.parse_time(text, "%Y-%m-%d")
  local seconds = day and day + DAY - 1 or tonumber(text)
  if seconds and seconds >= 0 and seconds < 2 ^ 53 then
    return seconds
  end
  return nil, ("--at: a day such as 2026-03-03, or seconds since 1970 expected, not '%s'"):format(text)
end

local function declare(command)
  command:option("--company", "The company."):argname("COMPANY"):count("1"):convert(arguments.to_id)
  command:option("--trigger", "The event, built in or of the store's own; without it, all that could happen, and what "
    .. "did last."):argname "TRIGGER"
  command:option("--lead-status", "The lead status that was set, by name or id."):argname "NAME"
  command:option("--fact", "What is known of the event, such as sale.amount=1000; may be given again.")
    :argname("FIELD=VALUE"):target("facts"):count("*"):convert(fields.reader "--fact")
  command:option("--at", "What would have been done then, by the rules of then and what was kept: a day (its end), or "
    .. "seconds since 1970."):argname("TIME"):convert(moment_of)
  command:option("--entry", "What was decided about the event of this entry of the company, and why.")
    :argname("ENTRY"):convert(arguments.to_entry)
  command:option("--category", "As if the company were in this category, by name or id."):argname "NAME"
end

local function problem(args)
  return args.at and args.entry and "one of --at and --entry is needed, not both"
    or (args.at or args.entry) and args.trigger and "--at and --entry are about all triggers: leave --trigger out"
    or not args.trigger and (args.lead_status or args.category or #args.facts > 0)
    and "--lead-status, --category and --fact need --trigger"
    or nil
end

local function run(args, engine)
  local cfg = must(engine:config())
  if args.trigger then
    return explain_event(engine, cfg, args), tables.decision
  end
  local options = { language = args.language, at = args.at, entry = args.entry }
  return must(engine:why(args.company, options)), function(found)
    return why_text(cfg, found, args.language)
  end
end

return {
  name = "explain", summary = "Say what an event would do to a company, check by check, and why.",
  store = "read", needs_rules = true, output = "named", arguments = declare, problem = problem, run = run,
}
