--- `held` lists what rules at their limit have matched, `release` has it decided anew, `drop` has it come to nothing; `trials` says what
-- rules on trial would have done, `make-real` switches one on.

local arguments = require "leadcat.cli.arguments"
local common = require "leadcat.cli.common"
local event_of = require "leadcat.events.event"
local json = require "leadcat.util.json"
local tables = require "leadcat.cli.tables"

local must, namer = common.must, common.namer

local commands = {}

-- What is held ---------------------------------------------------------------------------------------------------------

local function would(entry, name)
  local outcome = entry.would
  if not outcome then
    return "unknown"
  elseif outcome.status == "unchanged" then
    return "nothing: " .. outcome.reason
  end
  return (outcome.action == "confirm" and "asks for " or "to ") .. name(outcome.to)
end

local function run_held(args, engine)
  local entries, after = engine:held { rule = args.rule, limit = args.limit, after = args.after, foresee = true }
  must(entries, after)
  return entries, function()
    local rows, name = { { "entry", "time", "company", "rule", "from", "to", "if released now" } }, namer(engine)
    for _, entry in ipairs(entries) do
      rows[#rows + 1] = {
        ("%d"):format(entry.entry), tables.time(entry.at), event_of.key(entry.company), entry.rule, name(entry.from),
        name(entry.to), would(entry, name),
      }
    end
    local text = #entries == 0 and "nothing is held\n" or tables.table(rows)
    return text .. (after and ("newer ones: --after %d\n"):format(after) or "")
  end
end

commands.held = {
  name = "held", summary = "List what rules at their limit have matched, the oldest first, and what releasing each "
    .. "would come to.",
  store = "read", output = "named", run = run_held,
  arguments = function(command)
    command:option("--rule", "Only of the rule with this key, such as sale_won#7."):argname "KEY"
    arguments.page(command)
    command:option("--after", "Go on behind this entry."):argname("ENTRY"):convert(arguments.to_entry)
  end,
}

local function chosen(args)
  return args.all and { all = true } or args.rule and { rule = args.rule } or args.entries
end

local function problem(args)
  local named = (#args.entries > 0 and 1 or 0) + (args.rule and 1 or 0) + (args.all and 1 or 0)
  return named ~= 1 and "one of ENTRY, --rule KEY and --all is needed" or nil
end

local function run_of(method)
  return function(args, engine)
    local result = must(engine[method](engine, chosen(args), { actor = common.actor() }))
    return result, function()
      return ("%s released, %s dropped or came to nothing, %s left\n"):format(tables.number(result.released),
        tables.number(result.dropped), tables.number(result.left))
    end, result.left == 0 and 0 or 1
  end
end

local function declare(command)
  command:argument("entry", "Numbers of entries."):args("*"):target("entries"):convert(arguments.to_entry)
  command:option("--rule", "All that is held of the rule with this key."):argname "KEY"
  command:flag("--all", "All that is held.")
end

commands.release = {
  name = "release", store = "write", output = "named", problem = problem, run = run_of "release", arguments = declare,
  summary = "Have what is held decided anew, each by its rule alone. What cannot be decided now stays held; then the "
    .. "exit status is 1.",
}

commands.drop = {
  name = "drop", store = "write", output = "named", problem = problem, run = run_of "drop", arguments = declare,
  summary = "Have what is held come to nothing.",
}

-- Rules on trial -------------------------------------------------------------------------------------------------------

local VERDICTS = { "agreed", "differed", "undone", "alone" }

local function trial_rows(report)
  local rows = { { "rule", "companies", "agreed", "differed", "undone", "alone", "" } }
  for _, row in ipairs(report.rules) do
    local cells = { row.rule, tables.number(row.cases) }
    for _, verdict in ipairs(VERDICTS) do
      cells[#cells + 1] = tables.number(row[verdict])
    end
    cells[#cells + 1] = row.is_shadow and "" or "no longer on trial"
    rows[#rows + 1] = cells
  end
  return rows
end

local function case_rows(report, name)
  local rows = { { "entry", "time", "company", "from", "to", "verdict", "came to" } }
  for _, case in ipairs(report.cases) do
    rows[#rows + 1] = {
      ("%d"):format(case.entry), tables.time(case.at), event_of.key(case.company), name(case.from), name(case.to),
      case.verdict .. (case.by_hand and " (by hand)" or ""), name(case.stood),
    }
  end
  return rows
end

local function run_trials(args, engine)
  local report = must(engine:shadow { rule = args.rule, days = args.days, limit = args.limit, after = args.after })
  return report, function()
    local text = report.rules[1] and tables.table(trial_rows(report)) or "no rule is on trial\n"
    if report.cases and report.cases[1] then
      text = text .. "\n" .. tables.table(case_rows(report, namer(engine)))
    end
    return text .. (report.is_whole and "" or "these are the newest: there are more\n")
      .. (report.next and ("older ones: --after %d\n"):format(report.next) or "")
  end
end

commands.trials = {
  name = "trials", summary = "Say what rules on trial would have done, beside what users and other rules did.",
  store = "read", output = "named", run = run_trials,
  arguments = function(command)
    command:option("--rule", "Of the rule with this key, such as sale_won#7, also the companies."):argname "KEY"
    command:option("--days", "Of so many days; default 30."):argname("N"):convert(arguments.to_entry)
    arguments.page(command)
    command:option("--after", "With --rule: go on behind this entry."):argname("ENTRY"):convert(arguments.to_entry)
  end,
}

local function run_real(args, engine)
  local revision = must(engine:make_real(args.rule, { actor = common.actor() }))
  return json.decode(json.encode { revision = revision }), function()
    return ("%s is switched on for real: revision %d\n"):format(args.rule, revision)
  end
end

commands.make_real = {
  name = "make-real", store = "write", output = "named", run = run_real,
  summary = "Save the rules with one that was on trial switched on for real.",
  arguments = function(command)
    command:argument("rule", "The rule's key, such as sale_won#7."):argname "KEY"
  end,
}

return commands
