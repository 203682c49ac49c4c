--- `make demo`: runs the bundled sample through the rules, in the steps of an integrator.

local import = require "leadcat.cli.import"
local leadcat = require "leadcat"
local protected = require "leadcat.util.protected"
local tables = require "leadcat.cli.tables"

local RULES = {
  sale_registered = { set_category = "Opportunity" },
  sale_won = { set_category = "Customer" },
  sale_lost = { set_category = "Lost opportunity", ask = true },
}

local function say(...)
  print("\n" .. string.format(...) .. "\n")
end

local function names_of(cfg)
  local names = {}
  for _, category in ipairs(cfg.categories) do
    names[category.id], names[category.name.en] = category.name.en, category.id
  end
  return names
end

local function rules()
  local cfg = leadcat.preset "superoffice"
  local names = names_of(cfg)
  for _, rule in ipairs(cfg.rules) do
    local wanted = RULES[rule.trigger]
    if wanted then
      rule.enabled, rule.set_category, rule.ask = true, names[wanted.set_category], wanted.ask or false
    end
  end
  return cfg, names
end

local function sample(path)
  local file = assert(io.open(path, "rb"))
  local iterator = import.opportunities(file, {
    company = "Company", created = "Registered", closed = "Closed", stage = "Stage", won = "Won", lost = "Lost",
    sale = "Sale",
  })
  local events = {}
  for event in function() return iterator:next() end do
    events[#events + 1] = event
  end
  file:close()
  return events
end

-- Handles the events; counts them by trigger and outcome.
local function handle(engine, events)
  local counts = {}
  for i, outcome in ipairs(assert(engine:handle_many(events))) do
    local trigger = events[i].trigger
    local what = outcome.status == "unchanged" and outcome.reason or outcome.status
    counts[trigger] = counts[trigger] or {}
    counts[trigger][what] = (counts[trigger][what] or 0) + 1
  end
  return counts
end

local function categories_of(engine, names)
  local counts, companies = {}, 0
  for _, category in engine.host:companies() do
    counts[names[category]] = (counts[names[category]] or 0) + 1
    companies = companies + 1
  end
  return counts, companies
end

-- The company with the most entries.
local function eventful(engine)
  local best, most = nil, 0
  for company in engine.host:companies() do
    local entries = engine:history { company = company }
    if #entries > most then
      best, most = company, #entries
    end
  end
  return best
end

local function show_history(engine, names, company)
  local entries = engine:history { company = company }
  local rows = { { "when", "what happened", "sale", "from", "to", "came of it" } }
  for i = #entries, 1, -1 do
    local entry = entries[i]
    rows[#rows + 1] = {
      os.date("!%Y-%m-%d", math.floor(entry.at)), entry.trigger, entry.sale and entry.sale.id or "",
      names[entry.from], names[entry.to], entry.status,
    }
  end
  io.write(tables.table(rows))
end

local function run(path, directory)
  local engine = assert(leadcat.open { path = directory })
  local cfg, names = rules()
  say("1. A store in %s, and its rules, saved as revision %d:", directory, assert(engine:save(cfg)))
  io.write(tables.config(engine:config()))

  local events = sample(path)
  local companies, seen = {}, {}
  for _, event in ipairs(events) do
    if not seen[event.company] then
      seen[event.company], companies[#companies + 1] = true, event.company
    end
  end
  assert(engine.host:create_many(companies, names.Lead))
  say("2. The sample, %s events of %d companies, each of which begins as a Lead:", tables.number(#events), #companies)
  local report = { events = #events, outcomes = handle(engine, events) }
  report.categories, report.companies = categories_of(engine, names)
  io.write(tables.report(report))

  local company = eventful(engine)
  say("3. What changed for %s, and by which event:", company)
  show_history(engine, names, company)

  local won = { trigger = "sale_won", company = company }
  say("4. Why a sale won for %s would now change nothing (category %s):", company, names[engine.host:get(company)])
  io.write(tables.decision(assert(engine:explain(won))))
  engine:close()
end

local directory = os.tmpname()
os.remove(directory)
local ok, message, interrupted = protected.main(run, arg[1], directory)
os.execute("rm -r '" .. directory .. "'")
if not ok then
  io.stderr:write(interrupted and "interrupted" or tostring(message), "\n")
  os.exit(interrupted and 130 or 1)
end
print "\nNext: make test, and the ten lines in README.md that hook your CRM."
