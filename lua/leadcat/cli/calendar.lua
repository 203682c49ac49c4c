--- `calendar`: has handled what companies without a sale for so many days have rules for.

local common = require "leadcat.cli.common"
local event_of = require "leadcat.events.event"
local json = require "leadcat.util.json"
local progress = require "leadcat.cli.progress"
local sales = require "leadcat.cli.sales"
local tables = require "leadcat.cli.tables"
local wording = require "leadcat.words.wording"

local COUNTED = {
  { "silent", "had no sale for long enough" }, { "recent", "had a sale since" },
  { "unknown", "have no sale that is known" }, { "elsewhere", "are where no such rule starts" },
}

local function add(sums, counts)
  for name, count in pairs(counts) do
    sums[name] = (sums[name] or 0) + count
  end
end

local function walk(args, engine, source)
  local report = { looked_at = 0, counts = {}, outcomes = {}, items = json.array {}, left_out = 0 }
  report.preview = args.preview
  local show, done = progress({}, nil, 1, "companies")
  sales.each_page(args, function(cursor)
    local page, message, code = engine:calendar {
      source = source, cursor = cursor, limit = sales.PAGE, preview = args.preview, unknown = args.unknown,
    }
    if not page then
      done()
    end
    return page, message, code
  end, function(page)
    report.source, report.looked_at = page.source, report.looked_at + page.looked_at
    add(report.counts, page.counts)
    add(report.outcomes, page.outcomes)
    for _, item in ipairs(page.items) do
      if #report.items < args.limit then
        report.items[#report.items + 1] = item
      else
        report.left_out = report.left_out + 1
      end
    end
    show(report.looked_at)
  end)
  done()
  return report
end

local function item_row(item, name)
  return {
    event_of.key(item.company), item.last_sale and wording.time(item.last_sale):sub(1, 10) or "", item.days
      and ("%d"):format(item.days) or "", item.status, item.from and name(item.from) or "",
    item.to and name(item.to) or "", item.rule or item.error or "",
  }
end

-- The outcomes in the order of their names: "3 updated, 1 held".
local function outcomes_text(outcomes)
  local names, parts = {}, {}
  for status in pairs(outcomes) do
    names[#names + 1] = status
  end
  table.sort(names)
  for i, status in ipairs(names) do
    parts[i] = ("%s %s"):format(tables.number(outcomes[status]), status == "before" and "had been handled before"
      or status)
  end
  return parts[1] and table.concat(parts, ", ") or "nothing was due"
end

local function report_text(report, name)
  local rows = { { "company", "last sale", "days", "status", "from", "to", "rule" } }
  for _, item in ipairs(report.items) do
    rows[#rows + 1] = item_row(item, name)
  end
  local counts = {}
  for i, row in ipairs(COUNTED) do
    counts[i] = ("  %s %s\n"):format(tables.number(report.counts[row[1]] or 0), row[2])
  end
  return table.concat {
    #rows > 1 and tables.table(rows) or "", report.left_out > 0
      and ("and %s more: --limit lists them\n"):format(tables.number(report.left_out)) or "",
    #rows > 1 and "\n" or "",
    ("%s companies looked at:\n"):format(tables.number(report.looked_at)), table.concat(counts),
    report.preview and "would be: " or "", outcomes_text(report.outcomes), "\n",
  }
end

local function run(args)
  return sales.with(args, not args.preview, function(_, engine, source)
    local report = walk(args, engine, source)
    local text = report_text(report, common.namer(engine)) -- as long as the engine is open
    return report, function() return text end
  end)
end

return {
  name = "calendar",
  summary = "Look for companies without a sale for as many days as rules for no_sale_for say, and handle that as "
    .. "an event, once each; maintain does so once a day. Sales are those of a file, of the host, or what the journal "
    .. "has.",
  output = "named", problem = sales.problem, run = run,
  arguments = function(command)
    sales.declare(command)
    command:flag("--preview", "Say what would be done; write nothing.")
    command:flag("--unknown", "List the companies, too, of which no sale is known.")
  end,
}
