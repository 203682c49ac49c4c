--- `drift`: which companies stand elsewhere than their sales imply, and setting them right.

local arguments = require "leadcat.cli.arguments"
local common = require "leadcat.cli.common"
local csv = require "leadcat.util.csv"
local drift = require "leadcat.insight.drift"
local event_of = require "leadcat.events.event"
local import = require "leadcat.cli.import"
local json = require "leadcat.util.json"
local merged = require "leadcat.util.merged"
local progress = require "leadcat.cli.progress"
local sales = require "leadcat.cli.sales"
local set_right = require "leadcat.insight.set_right"
local tables = require "leadcat.cli.tables"
local unicode = require "leadcat.util.unicode"
local words = require "leadcat.words.drift"

local must = common.must

-- What is said of them ----------------------------------------------------------------------------------------------------

-- As it is printed: what would be handled is for the engine only.
local function shown(item)
  local copy = merged(item)
  copy.events = nil
  return copy
end

local NOT_KNOWN = {
  host = "sales are as the host tells them now",
  journal = "only the journal tells what happened: events that no rule acted on are not in it",
  file = "only companies of the file were looked at",
}

local function report_text(report, name)
  local rows, counts = { { "company", "category", "should be", "kind", "why" } }, { { "kind", "companies" } }
  for _, item in ipairs(report.items) do
    local cells = words.cells(item, name)
    rows[#rows + 1] = { cells[1], cells[3], cells[4], cells[2], cells[10] }
  end
  for _, row in ipairs(drift.counted(report.counts)) do
    counts[#counts + 1] = { row.kind, tables.number(row.count) }
  end
  local parts = {
    #rows > 1 and tables.table(rows) or "", report.left_out > 0
      and ("and %s more: --limit lists them, --csv all\n"):format(tables.number(report.left_out)) or "",
    ("%s companies looked at (%s)\n"):format(tables.number(report.looked_at), NOT_KNOWN[report.source]),
    #counts > 1 and tables.table(counts) or "",
  }
  return table.concat(parts, "\n"):gsub("^\n+", ""):gsub("\n\n\n+", "\n\n")
end

-- Walking -----------------------------------------------------------------------------------------------------------------

local function add_counts(sums, counts)
  for kind, count in pairs(counts) do
    sums[kind] = (sums[kind] or 0) + count
  end
end

-- Looks at all companies, page by page; calls `take` with each item.
local function walk(args, engine, source, take)
  local report = { looked_at = 0, counts = {}, items = json.array {}, left_out = 0 }
  local show, done = progress({}, nil, 1, "companies")
  sales.each_page(args, function(cursor)
    local page, message = engine:drift {
      source = source, since = args.since, cursor = cursor, limit = sales.PAGE, kinds = args.kinds,
      start_category = args.start_category, language = args.language,
    }
    if not page then
      done()
    end
    return page, message
  end, function(page)
    report.source, report.looked_at = page.source, report.looked_at + page.looked_at
    add_counts(report.counts, page.counts)
    for _, item in ipairs(page.items) do
      take(report, item)
    end
    show(report.looked_at)
  end)
  done()
  return report
end

local function list(args)
  return function(report, item)
    if #report.items < args.limit then
      report.items[#report.items + 1] = shown(item)
    else
      report.left_out = report.left_out + 1
    end
  end
end

local function write_csv(args, engine, source)
  local name = common.namer(engine)
  must(io.write(csv.record(words.HEADS)))
  local report = walk(args, engine, source, function(_, item)
    must(io.write(csv.record(words.cells(item, name))))
  end)
  for _, row in ipairs(drift.counted(report.counts)) do
    common.warn("%s: %s", row.kind, tables.number(row.count))
  end
  return nil, function() return "" end
end

-- Setting right -------------------------------------------------------------------------------------------------------------

-- Keeps what is to be set right.
local function choose(args, chosen)
  local wanted = {}
  for _, company in ipairs(args.companies) do
    wanted[company] = true
  end
  return function(report, item)
    local is_wanted = #args.companies == 0 or wanted[event_of.key(item.company)]
    if item.can_be_set and is_wanted and #chosen < set_right.MOST then
      chosen[#chosen + 1] = { company = item.company, can_be_set = true, events = item.events }
    else
      report.left_out = report.left_out + 1
    end
  end
end

local function set_text(args, report)
  local head = args.preview and "what would be done:\n\n" or ""
  local foot = not args.preview and report.run
    and ("\nleadcat undo --path %s --run %s takes that back\n"):format(unicode.visible(args.path or "DIR"), report.run)
    or ""
  return head .. tables.backfill(report) .. foot
end

local function run_set_right(args, engine, source)
  local chosen = {}
  local found = walk(args, engine, source, choose(args, chosen))
  if found.left_out > 0 then
    common.warn("%s companies were not chosen, or cannot be set right by the rules", tables.number(found.left_out))
  end
  if not args.preview and not args.yes and common.is_terminal(0) and common.is_terminal(2) then
    common.confirm(("set %s companies right?"):format(tables.number(#chosen)))
  end
  local show, done = progress({ total = #chosen }, nil, 1)
  local report, message = done(engine:set_right(chosen, {
    actor = common.actor(), preview = args.preview, confirm = args.confirm, on_progress = show,
    on_begin = function(id) common.warn("run %s (what is left is set right when the same is done again)", id) end,
  }))
  return must(report, message), function(told) return set_text(args, told) end
end

-- The command ---------------------------------------------------------------------------------------------------------------

local function run_with(args, engine, source)
  if args.csv then
    return write_csv(args, engine, source)
  elseif args.set_right then
    return run_set_right(args, engine, source)
  end
  local report = walk(args, engine, source, list(args))
  local text = report_text(report, common.namer(engine)) -- as long as the engine is open
  return report, function() return text end
end

local function run(args)
  return sales.with(args, args.set_right and not args.preview, run_with)
end

local function declare(command)
  sales.declare(command)
  command:option("--since", "Only companies of which something has changed since then: a date, or seconds since 1970.")
    :argname("TIME"):convert(import.time)
  command:option("--kind", "List (or set right) this kind; may be given again. Default: missed and unmade.")
    :argname("KIND"):target("kinds"):count("*"):choices(drift.KINDS)
  command:flag("--csv", "Write all of them as CSV.")
  command:flag("--set-right", "Set them right: a run, which undo takes back.")
  command:option("--only", "With --set-right: only this company; may be given again."):argname("COMPANY")
    :target("companies"):count("*"):convert(arguments.to_id)
  command:option("--confirm", "With --set-right: what becomes of rules that ask: ask puts a question into the inbox "
    .. "(the default), accept makes the change, skip leaves the company as it is.")
    :argname("ask|accept|skip"):default "ask"
    :choices { "ask", "accept", "skip" }
  command:flag("--preview", "With --set-right: say what would be done; write nothing.")
  command:flag("--yes", "With --set-right: do not ask on a terminal.")
end

local function problem(args)
  args.kinds = args.kinds[1] and args.kinds or nil
  if args.csv and (args.json or args.set_right) then
    return "--csv goes with neither --json nor --set-right"
  elseif args.preview and not args.set_right then
    return "--preview goes with --set-right: without it nothing is written anyway"
  end
  return sales.problem(args)
end

return {
  name = "drift",
  summary = "Say which companies stand elsewhere than their sales and contacts imply under the rules, and why; set "
    .. "them right with --set-right. Sales are those of a file, of the host, or what the journal has.",
  output = "named", arguments = declare, problem = problem, run = run,
}
