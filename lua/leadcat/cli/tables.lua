--- Configs and reports as text for a terminal.

local after = require "leadcat.rules.after"
local config = require "leadcat.rules.config"
local event_of = require "leadcat.events.event"
local json = require "leadcat.util.json"
local triggers = require "leadcat.rules.triggers"
local unicode = require "leadcat.util.unicode"
local wording = require "leadcat.words.wording"

local width = unicode.width

local tables = {}

--- A whole number with thousands separators: 13,923.
---@param n integer
---@return string
function tables.number(n)
  local digits = ("%d"):format(n)
  local head = digits:sub(1, (#digits - 1) % 3 + 1)
  return head .. digits:sub(#head + 1):gsub("%d%d%d", ",%0")
end

--- A time to the second, in UTC; "?" where it cannot be one, "" where there is none.
---@param seconds? number since 1970
---@return string "2026-11-30 12:00:00"
function tables.time(seconds)
  if not seconds then
    return ""
  end
  return wording.time(seconds) and os.date("!%Y-%m-%d %H:%M:%S", math.floor(seconds)) or "?"
end

local BAR = 30 -- characters

-- A duration in its two largest units: 45 s, 3 min 10 s, 2 h 5 min.
local function duration(seconds)
  if seconds < 60 then
    return ("%d s"):format(seconds)
  elseif seconds < 3600 then
    return ("%d min %d s"):format(math.floor(seconds / 60), seconds % 60)
  end
  return ("%d h %d min"):format(math.floor(seconds / 3600), math.floor(seconds % 3600 / 60))
end

--- The progress of a run: [##########--------------------] 33%  198,000 events, 4 s left.
---@param events integer
---@param share? number from 0 to 1, if known
---@param elapsed integer seconds
---@param what? string they are; default "events"
---@return string
function tables.progress(events, share, elapsed, what)
  what = what or "events"
  if not share then
    return tables.number(events) .. " " .. what
  end
  local done = math.floor(share * BAR)
  local left = share > 0 and (", %s left"):format(duration(math.ceil(elapsed * (1 - share) / share))) or ""
  return ("[%s%s] %d%%  %s %s%s"):format(("#"):rep(done), ("-"):rep(BAR - done), math.floor(share * 100),
    tables.number(events), what, left)
end

--- Rows as columns, two blanks apart. A column is right-aligned when its first cell below the head is a number.
---@param rows string[][] the first is the head
---@return string
function tables.table(rows)
  local widths, lines = {}, {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do
      row[i] = unicode.visible(cell)
      widths[i] = math.max(widths[i] or 0, width(row[i]))
    end
  end
  for _, row in ipairs(rows) do
    local cells = {}
    for i, cell in ipairs(row) do
      local blanks = (" "):rep(widths[i] - width(cell))
      local right = rows[2] and (rows[2][i] or ""):find "^%d[%d,]*$"
      cells[i] = right and blanks .. cell or cell .. blanks
    end
    lines[#lines + 1] = table.concat(cells, "  "):match "^.*[^ ]" or ""
  end
  return table.concat(lines, "\n") .. "\n"
end

--- The problems of a config or a store.
---@param problems leadcat.Problem[]
---@return string
function tables.problems(problems)
  local lines = {}
  for _, problem in ipairs(problems) do
    lines[#lines + 1] = ("%s: %s [%s]\n"):format(problem.severity, unicode.visible(problem.message), problem.code)
    local example = problem.example and unicode.visible_json(json.encode(problem.example))
    lines[#lines + 1] = example and "  for example " .. example .. "\n" or nil
  end
  return table.concat(lines)
end

-- What a check compared: "category 5, group customer".
local function compared(check)
  local values = {}
  for name, value in pairs(check) do
    if name == "rules" then -- they have lines of their own
      values[#values + 1] = "rules " .. #value
    elseif name ~= "name" and name ~= "pass" then
      value = type(value) == "table" and (value[1] and table.concat(value, " ") or "none") or tostring(value)
      values[#values + 1] = name .. " " .. value
    end
  end
  table.sort(values)
  return table.concat(values, ", ")
end

-- "sale.amount is at least 100000 (it is 5): no".
local function condition_line(condition)
  return ("    %s: %s\n"):format(condition.sentence, condition.holds and "yes" or "no")
end

-- Each rule that was tried, with its groups of conditions.
local function tried(check)
  local lines = {}
  for _, rule in ipairs(check.rules or {}) do
    local result = not rule.starts and "may not start there" or rule.applies and "applies" or "does not apply"
    result = rule.scheduled and result .. ", and would be scheduled" or result
    lines[#lines + 1] = ("  %s %s\n"):format(rule.rule, result)
    for i, group in ipairs(rule.starts and rule.when or {}) do
      lines[#lines + 1] = i > 1 and "    or\n" or nil
      for _, condition in ipairs(group) do
        lines[#lines + 1] = condition_line(condition)
      end
    end
  end
  return table.concat(lines)
end

--- The checks of a decision, and its sentence.
---@param decision leadcat.Explanation
---@return string
function tables.decision(decision)
  local rows, rules = { { "check", "result", "compared" } }, ""
  for _, check in ipairs(decision.checks) do
    rules = rules .. tried(check)
    local result = check.pass == nil and "not reached" or check.pass and "passed" or "FAILED"
    rows[#rows + 1] = { check.name, result, compared(check) }
  end
  rules = rules .. tried { rules = decision.waiting }
  return tables.table(rows) .. rules .. "\n" .. decision.sentence .. "\n"
end

--- The keys of a table of counts, the largest count first.
---@param counts table<string, integer>
---@return string[]
function tables.by_count(counts)
  local names = {}
  for name in pairs(counts) do
    names[#names + 1] = name
  end
  table.sort(names, function(a, b) return counts[a] > counts[b] or counts[a] == counts[b] and a < b end)
  return names
end

-- The built-in triggers, then the own ones that were counted, by their names.
local function triggers_of(report)
  local own = {}
  for trigger in pairs(report.outcomes) do
    own[#own + 1] = config.is_own_trigger(trigger) and trigger or nil
  end
  table.sort(own)
  return triggers.all(own)
end

local function outcome_rows(report)
  local rows = { { "trigger", "outcome", "events" } }
  for _, trigger in ipairs(triggers_of(report)) do
    for _, outcome in ipairs(tables.by_count(report.outcomes[trigger] or {})) do
      rows[#rows + 1] = { trigger, outcome, tables.number(report.outcomes[trigger][outcome]) }
    end
  end
  return rows
end

local function report_text(report, companies, rows)
  local scheduled = report.scheduled and (", %s scheduled"):format(tables.number(report.scheduled)) or ""
  return ("%s events, %s %s%s%s\n\n%s\n%s"):format(tables.number(report.events), tables.number(report.companies),
    companies, scheduled, report.run and (" (run %s)"):format(report.run) or "", tables.table(outcome_rows(report)),
    tables.table(rows))
end

--- A report of `backfill`.
---@param report table
---@return string
function tables.backfill(report)
  local rows = { { "trigger", "from", "to", "outcome", "events" } }
  for _, row in ipairs(report.changes) do
    rows[#rows + 1] = { row.trigger, row.from, row.to, row.outcome, tables.number(row.events) }
  end
  return report_text(report, "companies updated", rows)
end

--- A report of `simulate` or `replay`.
---@param report table
---@return string
function tables.report(report)
  local categories = { { "category", "companies" } }
  for _, name in ipairs(tables.by_count(report.categories)) do
    categories[#categories + 1] = { name, tables.number(report.categories[name]) }
  end
  return report_text(report, "companies", categories)
end

-- A difference with its sign: +12, -3; blank when there is none.
local function difference(n)
  return n == 0 and "" or n > 0 and "+" .. tables.number(n) or "-" .. tables.number(-n)
end

local function names_of(report)
  local names = {}
  for _, category in ipairs(report.categories) do
    names[category.id or false] = category.name or "unknown"
  end
  return function(id) return names[id or false] end
end

-- The kinds of change, each with its first example.
local function change_rows(report, name)
  local rows = { { "events", "trigger", "before", "after", "such as" } }
  local function outcome(side)
    return side.to and ("%s: %s"):format(side.outcome, name(side.to)) or side.outcome
  end
  for _, kind in ipairs(report.changes) do
    rows[#rows + 1] = {
      tables.number(kind.count), kind.trigger, outcome(kind.before), outcome(kind.after),
      event_of.key(kind.examples[1].event.company),
    }
  end
  return rows
end

local function category_rows(report)
  local rows = { { "companies in", "at the start", "before", "after", "" } }
  for _, category in ipairs(report.categories) do
    rows[#rows + 1] = category.start + category.before + category.after > 0 and {
      category.name or "unknown", tables.number(category.start), tables.number(category.before),
      tables.number(category.after), difference(category.after - category.before),
    } or nil
  end
  return rows
end

local function moved_rows(report, name)
  local rows = { { "company", "at the start", "before", "after" } }
  for _, moved in ipairs(report.moved) do
    rows[#rows + 1] = { event_of.key(moved.company), name(moved.start), name(moved.before), name(moved.after) }
  end
  return rows
end

--- A report of `simulate --against`.
---@param report leadcat.Comparison
---@return string
function tables.comparison(report)
  local name, parts = names_of(report), {}
  parts[1] = ("%s of %s companies end in another category, %s of %s events are decided differently\n"):format(
    tables.number(report.changed.companies), tables.number(report.companies), tables.number(report.changed.events),
    tables.number(report.events))
  parts[#parts + 1] = tables.table(category_rows(report))
  parts[#parts + 1] = report.changes[1] and tables.table(change_rows(report, name)) or nil
  parts[#parts + 1] = report.moved[1] and tables.table(moved_rows(report, name)) or nil
  local more = report.changed.companies - #report.moved
  parts[#parts + 1] = more > 0 and ("and %s more companies: --limit lists them\n"):format(tables.number(more)) or nil
  return table.concat(parts, "\n")
end

local function rule_row(cfg, rule, language)
  local status = rule.lead_status and config.find(cfg.lead_statuses, rule.lead_status)
  local target = rule.set_category and config.find(cfg.categories, rule.set_category)
  local trigger = rule.trigger .. (status and (" (%s)"):format(config.name(status, language)) or "")
  local name = target and config.name(target, language) or rule.take_back and "(takes back)" or ""
  local number, unit = after.parts(rule)
  local how = { number and ("after %d %s"):format(number, unit) or nil }
  how[#how + 1] = rule.ask and ("asks first" .. (rule.on_expiry and (", else %ss"):format(rule.on_expiry) or "")) or nil
  how[#how + 1] = rule.shadow and "on trial" or nil
  how[#how + 1] = rule.limit and ("at most %d in %d h"):format(rule.limit.changes, rule.limit.hours) or nil
  return { rule.enabled and "on" or "off", trigger, name, table.concat(how, ", ") }
end

--- The rules, categories and lead statuses of a config.
---@param cfg leadcat.Config
---@param language? string
---@return string
function tables.config(cfg, language)
  local rules = { { "rule", "trigger", "set category to", "" } }
  for _, rule in ipairs(cfg.rules) do
    rules[#rules + 1] = rule_row(cfg, rule, language)
  end
  local categories = { { "id", "category", "group", "", "" } }
  for _, category in ipairs(cfg.categories) do
    categories[#categories + 1] = {
      ("%d"):format(category.id), config.name(category, language), category.group,
      category.lead_status and "lead status" or "", category.deleted and "deleted" or "",
    }
  end
  local statuses = { { "id", "lead status", "" } }
  for _, status in ipairs(cfg.lead_statuses) do
    local deleted = status.deleted and "deleted" or ""
    statuses[#statuses + 1] = { ("%d"):format(status.id), config.name(status, language), deleted }
  end
  local revision = ("revision %d\n"):format(cfg.revision or 0)
  return table.concat({ revision, tables.table(rules), tables.table(categories), tables.table(statuses) }, "\n")
end

return tables
