--- `health`: how the rules fare.

local arguments = require "leadcat.cli.arguments"
local common = require "leadcat.cli.common"
local csv = require "leadcat.util.csv"
local daily = require "leadcat.insight.daily"
local json = require "leadcat.util.json"
local tables = require "leadcat.cli.tables"

local must = common.must

local COLUMNS = { "matched", "automatic", "asked", "accepted", "changed", "declined", "expired", "undone", "failed" }

local function row_of(counts, ...)
  local row = { ... }
  for _, kind in ipairs(COLUMNS) do
    row[#row + 1] = tables.number(counts[kind] or 0)
  end
  return row
end

local function head_of(...)
  local head = { ... }
  for _, kind in ipairs(COLUMNS) do
    head[#head + 1] = kind
  end
  return head
end

local function state_of(rule)
  if rule.silent then
    return ("SILENT for %d days"):format(rule.silent.quiet)
  elseif rule.held then
    return ("HOLDS %s since %s"):format(tables.number(rule.held.count), tables.time(rule.held.oldest))
  end
  return rule.enabled == nil and "gone" or rule.enabled and "on" or "off"
end

local function rules_text(health)
  local rows = { head_of("rule", "") }
  for _, rule in ipairs(health.rules) do
    rows[#rows + 1] = row_of(rule.counts, rule.rule, state_of(rule))
  end
  rows[#rows + 1] = row_of(health.counts, "all", "")
  return tables.table(rows)
end

-- One rule, day by day.
local function days_text(health)
  local rule = health.rules[1]
  if not rule then
    return "there is no such rule, and it has done nothing\n"
  end
  local rows = { head_of "day" }
  for _, day in ipairs(rule.days) do
    rows[#rows + 1] = row_of(day, day.day)
  end
  rows[#rows + 1] = row_of(rule.counts, "all")
  return ("%s: %s\n"):format(rule.rule, state_of(rule)) .. tables.table(rows)
end

local function text(health, args)
  return ("%s to %s (UTC)\n"):format(health.from, health.to)
    .. (health.recounting and "the journal is being counted anew: these are too low\n" or "")
    .. (health.since and ("counted since %s: leadcat health --recount counts what the journal has of before\n"):format(
      health.since) or "")
    .. (args.rule and days_text(health) or rules_text(health))
end

-- A line for each rule and day, with all that is counted.
local function csv_text(health)
  local lines, head = {}, { "day", "rule", "matched" }
  for _, kind in ipairs(daily.KINDS) do
    head[#head + 1] = kind
  end
  lines[1] = csv.record(head)
  for _, rule in ipairs(health.rules) do
    for _, day in ipairs(rule.days) do
      local cells = { day.day, rule.rule, ("%d"):format(day.matched or 0) }
      for _, kind in ipairs(daily.KINDS) do
        cells[#cells + 1] = ("%d"):format(day[kind] or 0)
      end
      lines[#lines + 1] = csv.record(cells)
    end
  end
  return (table.concat(lines):gsub("\r\n", "\n"))
end

local function recount(engine)
  local shown = 0
  must(engine:recount { on_progress = function(entry)
    if common.is_terminal(2) and entry ~= shown then
      shown = entry
      io.stderr:write(("\rup to %s"):format(tables.time(entry / 1000)))
    end
  end })
  if shown ~= 0 then
    io.stderr:write "\n"
  end
end

local function run(args, engine)
  if args.recount then
    recount(engine)
  end
  local health = must(engine:health { rule = args.rule, days = args.days, language = args.language })
  json.array(health.rules)
  for _, rule in ipairs(health.rules) do
    json.array(rule.days)
  end
  return health, function() return args.csv and csv_text(health) or text(health, args) end
end

return {
  health = {
    name = "health", output = "named", run = run,
    summary = "Show how the rules fare: what each has done in the last days, and which has been silent for longer than "
      .. "is usual for it.",
    store = function(args) return args.recount and "write" or "read" end,
    problem = function(args)
      return args.csv and args.json and "one of --csv and --json is needed, not both" or nil
    end,
    arguments = function(command)
      command:option("--rule", "Only this one, by its key, day by day."):argname "KEY"
      command:option("--days", "Of so many days, up to 1096."):argname("N"):default "30"
        :convert(arguments.limit(1, daily.MOST_DAYS, "1 to 1096"))
      command:flag("--csv", "Print a line for each rule and day, as CSV.")
      command:flag("--recount", "Count what the journal has anew first: for what an older leadcat has written, or "
        .. "where check --store says that the counters are wrong.")
    end,
  },
}
