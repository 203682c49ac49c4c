-- A real export, through `simulate` and through `replay`: both must come to what a straightforward second implementation
-- comes to, which is written here from the contract and shares no code with leadcat. Where the real export is not there,
-- the bundled sample takes its place.

local import = require "leadcat.cli.import"
local json = require "leadcat.util.json"
local leadcat = require "leadcat"
local stores = require "support.stores"

local REAL = "../shared/data/sales_pipeline.csv"
local EXPORTS = {
  { path = REAL, company = "account", created = "engage_date", closed = "close_date", stage = "deal_stage" },
  { path = "lua/leadcat/demo/opportunities.csv", company = "Company", created = "Registered", closed = "Closed",
    stage = "Stage" },
}

local function exists(path)
  local file = io.open(path)
  return file ~= nil and file:close()
end

local export = exists(REAL) and EXPORTS[1] or EXPORTS[2]

-- The second implementation -------------------------------------------------------------------------------------------

-- A CSV file character by character.
local function rows_of(path)
  local file = assert(io.open(path, "rb"))
  local content = file:read "*a":gsub("\r\n", "\n")
  file:close()
  local rows, row, cell, quoted, i = {}, {}, "", false, 1
  while i <= #content do
    local c = content:sub(i, i)
    if quoted and c == '"' and content:sub(i + 1, i + 1) == '"' then
      cell, i = cell .. '"', i + 1
    elseif c == '"' then
      quoted = not quoted
    elseif c == "," and not quoted then
      row[#row + 1], cell = cell, ""
    elseif c == "\n" and not quoted then
      row[#row + 1], cell = cell, ""
      rows[#rows + 1], row = row, {}
    else
      cell = cell .. c
    end
    i = i + 1
  end
  return rows
end

-- ISO dates sort as text; a registration goes before a closing of the same day.
local function events_of(source)
  local rows, events, column = rows_of(source.path), {}, {}
  for i, name in ipairs(rows[1]) do
    column[name] = i
  end
  for i = 2, #rows do
    local row = rows[i]
    local company = row[column[source.company]]
    local created, closed = row[column[source.created]], row[column[source.closed]]
    local trigger = ({ Won = "sale_won", Lost = "sale_lost" })[row[column[source.stage]]]
    if company ~= "" and created ~= "" then
      events[#events + 1] = { trigger = "sale_registered", company = company, date = created, kind = 1, row = i }
    end
    if company ~= "" and trigger then
      events[#events + 1] = { trigger = trigger, company = company, date = closed, kind = 2, row = i }
    end
  end
  table.sort(events, function(a, b)
    if a.date ~= b.date then
      return a.date < b.date
    elseif a.kind ~= b.kind then
      return a.kind < b.kind
    end
    return a.row < b.row
  end)
  return events
end

-- What a config makes of the events: the report, and the company's categories. `accept`: confirmations are accepted.
local function expect(cfg, events, start, accept)
  local groups, names, rules, category = {}, {}, {}, {}
  for _, item in ipairs(cfg.categories) do
    groups[item.id], names[item.id] = item.group, item.name.en
  end
  for _, rule in ipairs(cfg.rules) do
    rules[rule.trigger] = rule.enabled and rule or nil
  end
  local report = { events = #events, outcomes = {}, categories = {}, companies = 0 }
  for _, event in ipairs(events) do
    local from, rule = category[event.company] or start, rules[event.trigger]
    local outcome
    category[event.company] = from
    if not rule then
      outcome = "rule_disabled"
    elseif groups[from] ~= "potential_customer" then
      outcome = "not_potential_customer"
    elseif rule.set_category == from then
      outcome = "already_in_category"
    else
      outcome = rule.ask and "confirm" or "update"
      category[event.company] = (accept or not rule.ask) and rule.set_category or from
    end
    local counts = report.outcomes[event.trigger] or {}
    report.outcomes[event.trigger], counts[outcome] = counts, (counts[outcome] or 0) + 1
  end
  for _, id in pairs(category) do
    report.categories[names[id]] = (report.categories[names[id]] or 0) + 1
    report.companies = report.companies + 1
  end
  return report, category
end

-- The specs -----------------------------------------------------------------------------------------------------------

local OPTIONS = { company = export.company, created = export.created, closed = export.closed, stage = export.stage,
  won = "Won", lost = "Lost" }

local function arguments(...)
  local words = { ... }
  for _, word in ipairs { "--opportunities", export.path, "--company", export.company, "--created", export.created,
    "--closed", export.closed, "--stage", export.stage, "--won", "Won", "--lost", "Lost", "--start-category", "Lead",
    "--json" } do
    words[#words + 1] = word
  end
  return stores.unpack(words)
end

local CONFIGS = {
  { "the usual rules", { sale_registered = 3, sale_won = 5, sale_lost = 4 } },
  { "no rules", {} },
  { "a rule that asks", { sale_registered = 3, sale_lost = { 7, ask = true } } },
  { "rules that go to and fro", { sale_registered = 1, sale_won = 2, sale_lost = 3 } },
}

describe("the export " .. export.path, function()
  after_each(stores.check)

  if export.path == REAL then
    it("has the events that are known of it", function()
      local count = {}
      for _, event in ipairs(events_of(export)) do
        count[event.trigger] = (count[event.trigger] or 0) + 1
      end
      assert.same({ sale_registered = 7212, sale_won = 4238, sale_lost = 2473 }, count)
    end)
  end

  for _, case in ipairs(CONFIGS) do
    local name, cfg = case[1], stores.config(case[2])

    it("is simulated: " .. name, function()
      local file = stores.file(json.encode(cfg), ".json")
      local output, errors, status = stores.leadcat(arguments("simulate", "--config", file))
      assert.matches("^leadcat: [^\n]*: rows without a company: %d+ %(lines [%d, .]+%): nothing comes", errors)
      assert.equal(0, status)
      local report = json.decode(output)
      assert.equal(export.path, report.reading.file)
      report.reading = nil
      assert.same((expect(cfg, events_of(export), 1, true)), report)
    end)

    it("is replayed: " .. name, function()
      local engine, path = stores.open()
      assert(engine:save(cfg))
      engine:close()
      local output, errors, status = stores.leadcat(arguments("replay", "--path", path))
      assert.matches("^leadcat: [^\n]*: rows without a company: %d+ %(lines [%d, .]+%): nothing comes", errors)
      assert.equal(0, status)
      local report, categories = expect(cfg, events_of(export), 1, false)
      local told = json.decode(output)
      report.run = told.run
      assert.same(report, told)

      engine = stores.open { path = path }
      for _, entry in ipairs(engine:history { limit = 1 }) do -- none without rules
        assert.equal(told.run, entry.run)
      end
      for company, category in pairs(categories) do
        assert.equal(category, engine.host:get(company), company)
      end
      engine:close()
    end)
  end

  it("is handled alike, one by one, in batches, and by another host", function()
    local cfg = stores.config { sale_registered = 3, sale_won = 5, sale_lost = { 4, ask = true } }
    local events, file = {}, assert(io.open(export.path, "rb"))
    local iterator = import.opportunities(file, OPTIONS)
    for event in function() return iterator:next() end do
      events[#events + 1] = event
    end
    file:close()
    local _, expected = expect(cfg, events_of(export), 1, false)

    local one, many = stores.open { durability = "relaxed" }, stores.open()
    local kept = {}
    local other = stores.open { host = {
      category = function(company) return kept[company] end,
      set_category = function(company, to, from)
        if kept[company] ~= from then
          return nil, "conflict"
        end
        kept[company] = to
        return true
      end,
    } }
    for company in pairs(expected) do
      kept[company] = 1
      assert(one.host:create(company, 1))
      assert(many.host:create(company, 1))
    end
    for _, engine in ipairs { one, many, other } do
      assert(engine:save(cfg))
    end
    for i, event in ipairs(events) do
      if i <= 2000 then
        assert(one:handle(event))
      end
    end
    assert(one:handle_many({ stores.unpack(events, 2001, 2500) }))
    for i = 2501, #events, 500 do
      local batch = {}
      for k = i, math.min(i + 499, #events) do
        batch[#batch + 1] = events[k]
      end
      assert(one:handle_many(batch))
    end
    assert(many:handle_many(events))
    assert(other:handle_many(events))
    for company, category in pairs(expected) do
      assert.equal(category, one.host:get(company))
      assert.equal(category, many.host:get(company))
      assert.equal(category, kept[company])
    end
    local entries = #one:history { limit = 1000 }
    for _, engine in ipairs { one, many, other } do
      assert.equal(entries, #engine:history { limit = 1000 })
      engine:close()
    end
  end)
end)

describe("random configs", function()
  after_each(stores.check)

  it("are simulated as the second implementation does", function()
    local events, seed = events_of(export), 1
    local function random(n)
      seed = (seed * 16807) % 2147483647
      return seed % n + 1
    end
    local engine = stores.open()
    for _ = 1, 20 do
      local cfg = leadcat.preset "superoffice"
      for _, rule in ipairs(cfg.rules) do
        rule.enabled = rule.trigger ~= "lead_status_set" and random(4) > 1
        rule.set_category, rule.ask = random(8), random(2) == 1
      end
      local start = random(8)
      local report = assert(engine:simulate(events, { config = cfg, start_category = start }))
      assert.same((expect(cfg, events, start, true)), report)
    end
    engine:close()
  end)
end)
