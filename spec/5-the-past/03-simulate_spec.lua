-- Simulations: what a config would have done with many events, decided in C by the thousand. A plain Lua model, which
-- shares no code with it, has to come to the same report for random configs and streams; and what reads lines of JSON in C
-- has to read every line as leadcat.util.json and leadcat.events.event do, or leave it to them.

local config = require "leadcat.rules.config"
local core = require "leadcat.core"
local event_of = require "leadcat.events.event"
local import = require "leadcat.cli.import"
local json = require "leadcat.util.json"
local leadcat = require "leadcat"
local simulate = require "leadcat.past.simulate"
local stores = require "support.stores"
local times = require "support.times"

local TRIGGERS = {
  "sale_registered", "sale_won", "sale_lost", "lead_status_set", "sale_reopened", "sale_deleted",
}

local seed
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function pick(list)
  return list[random(#list)]
end

before_each(function()
  seed = 20240229
end)

-- The model -----------------------------------------------------------------------------------------------------------

local function find(list, key, value, other, other_value)
  for _, item in ipairs(list) do
    if item[key] == value and (other == nil or item[other] == other_value) then
      return item
    end
  end
end

-- The outcome of one event and, when it matched, the target.
local function decide(rules, cfg, event, category)
  local rule = find(rules, "trigger", event.trigger)
  local from = find(cfg.categories, "id", category)
  if not rule then
    return "rule_disabled"
  elseif not from then
    return "unknown_category"
  elseif from.group ~= "potential_customer" then
    return "not_potential_customer"
  end
  if event.trigger == "lead_status_set" then
    rule = find(rules, "trigger", event.trigger, "lead_status", event.lead_status)
    if not from.lead_status then
      return "lead_status_not_enabled"
    elseif not rule or not event.lead_status then
      return "lead_status_not_matched"
    end
  end
  if rule.set_category == category then
    return "already_in_category"
  end
  return rule.ask and "confirm" or "update", rule.set_category
end

-- Each company's name is a text; what it is without a category is false.
local function model(cfg, events, start)
  local rules, stands = {}, {}
  for _, rule in ipairs(cfg.rules) do
    rules[#rules + 1] = rule.enabled and rule or nil
  end
  local report = { events = #events, outcomes = {}, categories = {}, companies = 0 }
  for _, event in ipairs(events) do
    local key = type(event.company) == "number" and ("%d"):format(event.company) or event.company
    local category = event.category or stands[key] or start
    local outcome, to = decide(rules, cfg, event, category)
    stands[key] = to or category or false
    local counts = report.outcomes[event.trigger] or {}
    report.outcomes[event.trigger], counts[outcome] = counts, (counts[outcome] or 0) + 1
  end
  for _, category in pairs(stands) do
    report.companies = report.companies + 1
    if category and category > 0 and category < 2 ^ 31 then
      local known = find(cfg.categories, "id", category)
      local name = known and known.name or "category " .. category
      report.categories[name] = (report.categories[name] or 0) + 1
    end
  end
  return report
end

-- Random configs and events -------------------------------------------------------------------------------------------

local LARGEST = 2147483647

local function random_config()
  local ids, cfg = { 1, LARGEST, 65536 }, { categories = {}, lead_statuses = {}, rules = {} }
  for i = 4, random(40) do
    ids[i] = i * pick { 1, 3, 1024 } + (i % 2 == 0 and 100000 or 0)
  end
  local taken = {}
  for _, id in ipairs(ids) do
    local group = random(3) < 3 and "potential_customer" or pick(config.GROUPS)
    if not taken[id] then
      taken[id] = true
      table.insert(cfg.categories, { id = id, name = "c" .. id, group = group,
        lead_status = group == "potential_customer" and random(2) == 1 })
    end
  end
  for id = 1, 6 do
    table.insert(cfg.lead_statuses, { id = id, name = "s" .. id })
  end
  local function rule(trigger, lead_status)
    table.insert(cfg.rules, { trigger = trigger, enabled = random(5) > 1, set_category = pick(cfg.categories).id,
      ask = random(2) == 1, lead_status = lead_status })
  end
  rule "sale_registered"
  rule "sale_won"
  rule "sale_lost"
  for id = 1, random(6) do
    rule("lead_status_set", id)
  end
  return cfg
end

local function random_company(companies)
  local n = random(companies)
  local name = ("Gesellschaft Nr. %d \"x\\\226\130\172\""):format(n)
  return random(3) == 1 and n or random(3) == 1 and ("%d"):format(n) or name
end

local function random_event(cfg, companies)
  local event = { trigger = pick(TRIGGERS), company = random_company(companies) }
  if random(5) == 1 then
    event.category = random(3) == 1 and pick { 0, -1, 4711, LARGEST + 1, 1e15, -1e15 } or pick(cfg.categories).id
  end
  if random(2) == 1 then
    event.lead_status = pick { 1, 2, 3, 4, 5, 6, 7, 0, -1, LARGEST, LARGEST + 1 }
  end
  if random(4) == 1 then
    event.id, event.at, event.choice = "e" .. random(1000), random(1000) + 0.5, false
    event.sale, event.contact = { id = random(9), name = "S" }, { id = "c", tags = { "a", { 1, 2 } } }
    event.actor, event.more = { id = "ann", admin = true }, { x = { true } }
  end
  return event
end

local function random_events(cfg)
  local events, companies = {}, pick { 1, 7, 100, 5000 }
  for i = 1, times(random(9000)) do
    events[i] = random_event(cfg, companies)
  end
  return events
end

-- The same events as JSON in every manner that JSON has.
local function as_lines(events)
  local lines = {}
  for i, event in ipairs(events) do
    local line = json.encode(event)
    if random(3) == 1 then
      line = line:gsub('"company":', '"company" :\t '):gsub("^{", ' { "note":null , ') .. " \r"
    end
    if random(3) == 1 then
      line = line:gsub("\226\130\172", "\\u20aC"):gsub("Nr", "\\u004er")
    end
    if random(9) == 1 then
      line = line:gsub('("company":%s*%d+)([,}])', "%1.0%2"):gsub('"trigger"', '"\\u0074rigger"')
    end
    lines[i] = line .. (random(50) == 1 and "\n\n \n" or "\n")
  end
  return table.concat(lines)
end

local function file_of(content)
  local at = 1
  return {
    read = function(_, n)
      local piece = content:sub(at, at + n - 1)
      at = at + #piece
      return piece ~= "" and piece or nil
    end,
  }
end

-- A simulation of lines, as the command line does it; and how many of them were read in C.
local function simulate_lines(cfg, content, start)
  local iterator, fed = import.events(file_of(content), { format = "jsonl" }), 0
  local report, message, code = simulate.run(cfg, function()
    local event, line, code = iterator:next()
    return event, line, code
  end, {
    start_category = start,
    feed = function(add_lines, most)
      local count = iterator:feed(add_lines, most)
      fed = fed + count
      return count
    end,
  })
  return report, fed, message, code
end

describe("a simulation", function()
  it("does what the model does, whatever the config and the events, as tables and as JSON", function()
    local total, in_c = 0, 0
    for _ = 1, times(10) do
      local cfg = random_config()
      local events, start = random_events(cfg), random(3) > 1 and pick(cfg.categories).id or nil
      local expected = model(cfg, events, start)
      assert.same(expected, simulate.run(cfg, events, { start_category = start }))
      local report, fed = simulate_lines(cfg, as_lines(events), start)
      assert.same(expected, report)
      total, in_c = total + #events, in_c + fed
    end
    assert.is_true(in_c > 0.6 * total)
  end)

  local CFG = stores.config { sale_won = 5 }

  it("takes an integer, its digits and a float as one company", function()
    local events = {}
    for i, company in ipairs { 42, "42", 42.0, -7, "-7", "042", 0, "0", 2 ^ 53 - 1, "9007199254740991" } do
      events[i] = { trigger = "sale_won", company = company }
    end
    assert.equal(5, simulate.run(CFG, events).companies)
    local lines = {}
    for i, company in ipairs { "42", "42.0", '"42"', "4.2e1", '"\\u0034\\u0032"' } do
      lines[i] = ('{"trigger":"sale_won","company":%s}\n'):format(company)
    end
    assert.equal(1, simulate_lines(CFG, table.concat(lines)).companies)
  end)

  it("tells the companies of a large file apart", function()
    local i, count = 0, times(300000) -- some of their hashes are alike
    local report = simulate.run(CFG, function()
      i = i + 1
      return i <= 2 * count and { trigger = "sale_won", company = ("company %d"):format(i % count) } or nil
    end, { start_category = "Lead" })
    assert.same({ events = 2 * count, outcomes = { sale_won = { update = count, not_potential_customer = count } },
      categories = { Customer = count }, companies = count }, report)
  end)

  it("takes events that are proxies", function()
    local function proxy(event)
      return setmetatable({}, { __index = event })
    end
    local report = simulate.run(CFG, {
      proxy { trigger = "sale_won", company = 1 }, proxy { trigger = "sale_won", company = 2, category = 1 },
    })
    assert.same({ sale_won = { unknown_category = 1, update = 1 } }, report.outcomes)
  end)

  it("names the event that is wrong, and why", function()
    local function wrong(event)
      local report, message, code = simulate.run(CFG, { { trigger = "sale_won", company = 1 }, event })
      assert.is_nil(report)
      assert.equal("invalid", code)
      return message
    end
    local good = { trigger = "sale_won", company = 1 }
    for field, values in pairs {
      trigger = { "won", 5 }, company = { "", ("x"):rep(256), 1.5, true, 2 ^ 53 }, category = { "5", 1.5, false },
      lead_status = { "5", 0 / 0 }, id = { "", {} }, contact = { "Ann" }, sale = { 5 }, actor = { "ann", { id = {} } },
      at = { "now", 1 / 0 }, choice = { true, "5" },
    } do
      for _, value in ipairs(values) do
        local event = { trigger = good.trigger, company = good.company }
        event[field] = value
        assert.equal("event 2: " .. event_of.problem(event), wrong(event))
      end
    end
    assert.matches("^event 2: an event must be a table", wrong "sale_won")
  end)

  it("tells how far it has come every thousand events", function()
    local told, event = {}, { trigger = "sale_won", company = 1 }
    local events = {}
    for i = 1, 3500 do
      events[i] = event
    end
    simulate.run(CFG, events, { on_progress = function(count) told[#told + 1] = count end })
    assert.same({ 1000, 2000, 3000 }, told)
  end)
end)

describe("a line of JSON", function()
  after_each(stores.check)

  local CFG = stores.config { sale_registered = 3, sale_won = 5, ["lead_status_set:5"] = 2 }

  -- Whether C reads the line, and then what comes of it.
  local function by_c(line)
    local _, add_lines, finish = core.simulation(1, CFG)
    local at, count = add_lines(line .. "\n", 1, 10)
    assert.equal(count == 1 and #line + 2 or 1, at)
    return count == 1, { finish() }
  end

  -- The same by leadcat.util.json and leadcat.events.event.
  local function by_lua(line)
    local event = json.decode(line)
    if type(event) ~= "table" or event[1] ~= nil or event_of.problem(event) then
      return false
    end
    local add, _, finish = core.simulation(1, CFG)
    event.choice = nil -- what the user has answered is not asked for
    assert.is_true(add(event))
    return true, { finish() }
  end

  -- Whether C reads it; then Lua reads it alike.
  local function compare(line)
    local taken, result = by_c(line)
    if taken then
      local right, expected = by_lua(line)
      assert.is_true(right, line)
      assert.same(expected, result, line)
    end
    return taken
  end

  local E = '{"trigger":"sale_won","company":"Acme"'
  local C = '{"trigger":"sale_won","company":'
  local PLAIN = {
    E .. "}", " \t" .. E .. " } \r", '{"company":17,"trigger":"lead_status_set","lead_status":5}',
    E .. ',"category":null}', E .. ',"category":3}', E .. ',"category":-3}', E .. ',"category":0}',
    E .. ',"category":123456789012345}',
    E .. ',"lead_status":null,"id":null,"at":null,"sale":null,"contact":null,"actor":null,"choice":null,"x":null}',
    E .. ',"id":"e-1","at":1700000000.25}', E .. ',"id":17,"at":-5}', E .. ',"choice":false}', E .. ',"choice":5}',
    E .. ',"sale":{"id":4,"name":"Printers \\u00e6","more":[1,[],{},{"a":null}]},"contact":{}}',
    '{"trigger":"sale_reopened","company":"Acme"}', '{"trigger":"sale_deleted","company":"Acme","sale":{"id":7}}',
    E .. ',"actor":{"id":"ann","admin":true,"name":null}}', E .. ',"actor":{}}', E .. ',"actor":{"id":null}}',
    E .. ',"note":"\\"\\\\\\/\\b\\f\\n\\r\\t","list":["a",true,false,0.5]}', E .. ',"company":"Bolt"}',
    C .. '"Caf\195\169 \\u20ac\\u00E9\\n"}', C .. '"' .. ("x"):rep(255) .. '"}',
  }
  local LEFT = { -- to Lua, which takes some of them
    "", "{}", "[]", "5", "null", E, E .. "}}", E .. "},", E .. ",}", E .. "} {}", E .. '"x":1}', E .. ',"x" 1}',
    E .. ",x:1}", '{"trigger":"sale_won"}', '{"company":"Acme"}', '{"trigger":"won","company":"Acme"}',
    '{"trigger":null,"company":1}', C .. '""}', C .. '"' .. ("x"):rep(256) .. '"}', C .. 'null}', C .. '1.5}',
    C .. '-0}', C .. '1e2}', C .. '01}', C .. 'true}', C .. '1234567890123456}', C .. '"\\ud83d\\ude00"}',
    C .. '"a\tb"}', C .. '"a\\x"}', C .. '"\\u12"}', E .. ',"category":"3"}', E .. ',"category":3.5}',
    E .. ',"category":false}', E .. ',"lead_status":[5]}', E .. ',"id":""}', E .. ',"id":true}', E .. ',"at":"now"}',
    E .. ',"at":1e999}', E .. ',"at":.5}', E .. ',"at":1.}', E .. ',"at":+1}', E .. ',"choice":true}',
    E .. ',"sale":5}', E .. ',"contact":"Ann"}', E .. ',"actor":"ann"}', E .. ',"actor":{"id":""}}',
    E .. ',"actor":{"id":[]}}', E .. ',"x":[null]}', E .. ',"x":[1,]}', E .. ',"x":nul}', E .. ',"x":tru}',
    E .. ',"x":NaN}', E .. ',"x":' .. ("["):rep(2000), E .. ',"x":' .. ("["):rep(900) .. ("]"):rep(900) .. "}",
    E .. ',"\\u0069d":""}', E .. ',"x":"', E .. ',"x":"\\', E .. ',"x":"\0"}', "\239\187\191" .. E .. "}",
  }

  it("is read in C when it is plain, as Lua reads it", function()
    for _, line in ipairs(PLAIN) do
      assert.is_true(compare(line), line)
    end
  end)

  it("is left to Lua when it is not", function()
    for _, line in ipairs(LEFT) do
      assert.is_false(by_c(line), line)
    end
  end)

  it("is never read otherwise than Lua does, whatever has happened to its bytes", function()
    local BYTES = {
      '"', "\\", "{", "}", "[", "]", ",", ":", "0", "9", "-", ".", "e", "n", "u", " ", "\0", "\195", "\127",
    }
    local taken = 0
    for _ = 1, times(6000) do
      local line = pick(PLAIN)
      for _ = 1, random(3) do
        local at, length = random(#line), random(4) - 1
        local piece = random(2) == 1 and pick(BYTES) or line:sub(random(#line), random(#line))
        line = line:sub(1, at - 1) .. piece .. line:sub(at + length)
      end
      taken = taken + (compare(line) and 1 or 0)
    end
    assert.is_true(taken > times(300))
  end)

  it("that is wrong is told with its number among thousands, and nothing else is lost", function()
    local lines = {}
    local bad = { [1] = "[5]", [1234] = '{"trigger":"sale_won"}', [2500] = "{", [7001] = "", [9999] = E .. ',"id":""}' }
    for i = 1, 10000 do
      lines[i] = bad[i] or ('{"trigger":"sale_won","company":%d}'):format(i)
    end
    local file = stores.file(table.concat(lines, "\n"), ".jsonl") -- the last line has no LF
    local rules = stores.file(json.encode(stores.config { sale_won = 5 }), ".json")
    local output, errors = stores.leadcat("simulate", "--config", rules, file, "--keep-going", "--json")
    local told = {}
    for line in errors:gmatch ":(%d+): " do
      told[#told + 1] = tonumber(line)
    end
    assert.same({ 1, 1234, 2500, 9999 }, told)
    assert.equal(9995, json.decode(output).events)
    assert.equal(4, json.decode(output).bad_lines)
    output, errors = stores.leadcat("simulate", "--config", rules, file)
    assert.equal("", output)
    assert.matches(":1: an event is a JSON object\n$", errors)
  end)

  it("may be long", function()
    local name, lines = ("x"):rep(300000), {}
    for i = 1, 12 do
      lines[i] = ('{"trigger":"sale_won","company":%d,"sale":{"name":"%s"}}\n'):format(i, i % 2 == 0 and name or "y")
    end
    assert.equal(12, simulate_lines(CFG, table.concat(lines)).companies)
  end)
end)

it("engine:simulate takes what simulate.run takes", function()
  local engine = stores.open()
  local cfg = leadcat.preset "superoffice"
  local report = engine:simulate({ { trigger = "sale_won", company = 1 } }, { config = cfg, start_category = 1 })
  assert.same({ sale_won = { rule_disabled = 1 } }, report.outcomes)
  engine:close()
  stores.check()
end)
