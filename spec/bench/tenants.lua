--- What many tenants and many rules cost: a store with the rules of 100,000 tenants, opened, decided from and remembered;
--- and a config of 10,000 categories and 1,000 rules beside a small one.

local decisions = require "bench.decisions"
local leadcat = require "leadcat"
local measure = require "bench.measure"
local raw_lmdb = require "bench.raw_lmdb"

local TENANTS, CALLS = 100000, measure.times(100000, 20000)
local HOT = "tenant-00001"

local function tenant(i)
  return ("tenant-%05d"):format(i)
end

local function key_of(name)
  return string.char(#name) .. name
end

-- Many tenants -------------------------------------------------------------------------------------------------------

-- Saves the config of one tenant, and gives all others what that has put into the store: to save 100,000 takes minutes.
local function make_tenants(directory)
  local engine = assert(leadcat.open { path = directory, tenant = HOT })
  local cfg = decisions.config(decisions.ALL)
  for _, item in ipairs(cfg.categories) do
    item.name, item.description = item.name.en, nil -- in six languages they would fill the map
  end
  for _, item in ipairs(cfg.lead_statuses) do
    item.name, item.description = item.name.en, nil
  end
  assert(engine:save(cfg))
  engine:close()
  local ruleset
  for name, suffix in pairs { rulesets = "", configs = "\0\0\0\0\0\0\0\1", revisions = "\0\0\0\0\0\0\0\1" } do
    local keys, store = {}, raw_lmdb.table(directory .. "/config.mdb", name)
    for i = 1, TENANTS do
      keys[i] = key_of(tenant(i)) .. suffix
    end
    local value = store:value(key_of(HOT) .. suffix)
    ruleset = suffix == "" and value or ruleset
    store:fill(keys, value)
    store:close()
  end
  return ruleset
end

local function opening_row(directory)
  local seconds = measure.rounds(measure.times(15, 5), { function()
    local begun = measure.now()
    local engine = assert(leadcat.open { path = directory })
    local taken = measure.now() - begun
    engine:close()
    return taken
  end })
  measure.row(("opening a store with 100,000 tenants (%s)"):format(measure.lua), measure.time(seconds[1]), "",
    seconds[1] * 1000, { most = 10, unit = " ms" })
end

-- LMDB with the same rulesets, each read again for each decision.
local function open_raw(ruleset)
  local directory, keys = measure.directory(), {}
  os.execute("mkdir " .. directory)
  for i = 1, TENANTS do
    keys[i] = key_of(tenant(i))
  end
  local raw = raw_lmdb.table(directory .. "/raw.mdb", "rulesets")
  raw:fill(keys, ruleset)
  return raw, directory
end

-- Seconds of a call with the name of each tenant.
local function timer(fn, names)
  return function()
    local begun = measure.cpu()
    for i = 1, CALLS do
      fn(names[i])
    end
    return (measure.cpu() - begun) / CALLS
  end
end

local function random_names()
  local names = {}
  math.randomseed(1)
  for i = 1, CALLS do
    names[i] = tenant(math.random(TENANTS))
  end
  return names
end

local function deciding_rows(engine, raw)
  local names, keys, hot = random_names(), {}, {}
  for i = 1, CALLS do
    keys[i], hot[i] = key_of(names[i]), key_of(HOT)
  end
  local function read(key) return raw:read(key) end
  local function decide(name) return engine:tenant(name):decide("sale_won", 1) end
  assert(decide(names[1]) == "update")
  local seconds, ratios = measure.rounds(measure.times(9, 3), {
    timer(decide, names), timer(read, hot), timer(read, keys),
  })
  local what = ("`engine:tenant(t):decide`, a random one of 100,000 (%s)"):format(measure.lua)
  local figure = measure.time(seconds[1])
  measure.row(what, figure, measure.time(seconds[2]) .. ": a read of LMDB, of one hot tenant", ratios[2])
  measure.row(what, figure, measure.time(seconds[3]) .. ": the same read, of the random one", ratios[3],
    { most = 1.2 })
end

-- Bytes of memory that are this process's own: what is mapped from files is not counted.
local function memory()
  collectgarbage()
  collectgarbage()
  local file = assert(io.open "/proc/self/status")
  local kilobytes = file:read("*a"):match "RssAnon:%s+(%d+)"
  file:close()
  return tonumber(kilobytes) * 1024
end

-- What is kept for tenants that have been asked for: while engines of 10,000 are held, and when all have been asked for but
-- are not. In a process of its own, which has no memory left from what it did before.
local function memory_rows(directory)
  local engine = assert(leadcat.open { path = directory })
  local count = 10000
  local held = {} -- luacheck: ignore (so that they are not collected)
  local function ask(i)
    local one = engine:tenant(tenant(i))
    assert(one:decide("sale_won", 1) == "update")
    return one
  end
  ask(1)
  local before = memory()
  for i = 1, count do
    held[i] = ask(i)
  end
  local each = (memory() - before) / count
  measure.row(("memory of a tenant, of 10,000 whose engines are held (%s)"):format(measure.lua),
    ("%.0f B"):format(each), "", each / 1000, { most = 2, unit = " kB" })
  for i = 1, TENANTS do
    held[i % count + 1] = nil -- what is held is let go
    ask(i)
  end
  measure.row(("memory once all of 100,000 tenants have been asked for (%s)"):format(measure.lua),
    ("%.1f MB"):format((memory() - before) / 1e6), "")
  engine:close()
end

local function memory_rows_apart(directory)
  local pipe = assert(io.popen(("%s spec/bench/tenants.lua '%s'"):format(os.getenv "LEADCAT_LUA", directory)))
  io.write(pipe:read "*a")
  pipe:close()
end

-- Many rules ---------------------------------------------------------------------------------------------------------

local function large_config()
  local cfg = { categories = {}, lead_statuses = {}, rules = { { trigger = "sale_registered", set_category = 3 },
    { trigger = "sale_won", set_category = 5 }, { trigger = "sale_lost", set_category = 4 } } }
  for id = 1, 10000 do
    local potential = id % 4 < 2
    cfg.categories[id] = { id = id, rank = id, name = "Category " .. id, lead_status = potential,
      group = potential and "potential_customer" or "customer" }
  end
  for id = 1, 1000 do
    cfg.lead_statuses[id] = { id = id, rank = id, name = "Status " .. id }
    table.insert(cfg.rules, { trigger = "lead_status_set", lead_status = id, set_category = id })
  end
  for _, rule in ipairs(cfg.rules) do
    rule.enabled, rule.ask = true, false
  end
  return cfg
end

local function rules_row(engine)
  local timers = {}
  for i, cfg in ipairs { large_config(), decisions.config(decisions.ALL) } do
    local one = engine:tenant(i == 1 and "large" or "small")
    assert(one:save(cfg))
    local events, decide = decisions.events(10000, decisions.ids(cfg)), one:decider()
    decisions.check(events, decide, decisions.by_hand(cfg))
    local with, without = decisions.timer(decide, events), decisions.timer(nil, events)
    timers[i] = function() return with(CALLS * 10) - without(CALLS * 10) end
  end
  local seconds, ratios = measure.rounds(measure.times(9, 3), timers)
  measure.row(("`decider`, 10,000 categories and 1,000 lead-status rules (%s)"):format(measure.lua),
    measure.time(seconds[1]), measure.time(seconds[2]) .. ": 8 categories, 5 rules", ratios[2], { most = 1.5 })
end

if arg[1] then
  memory_rows(arg[1])
  os.exit(0)
end

local directory = measure.directory()
local ruleset = make_tenants(directory)
opening_row(directory)
memory_rows_apart(directory)
local raw, raw_directory = open_raw(ruleset)
local engine = assert(leadcat.open { path = directory })
deciding_rows(engine, raw)
rules_row(engine)
engine:close()
raw:close()
measure.remove(directory)
measure.remove(raw_directory)
