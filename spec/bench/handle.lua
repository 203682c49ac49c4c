--- What an event costs beside what LMDB alone takes for it: batches with the embedded host, single events that are durable
--- one by one, with that host and with one's own, and events that change nothing.

local journal = require "leadcat.past.journal"
local leadcat = require "leadcat"
local measure = require "bench.measure"
local raw_lmdb = require "bench.raw_lmdb"
local stores = require "support.stores"

local MANY, BATCH = 100000, 1000
local DETAILS = {
  actor = { id = 17, name = "Ann Berg", language = "no" }, sale = { id = 4711, name = "Coffee machines, 3 floors" },
}
local TRIGGERS = { "sale_registered", "sale_lost" } -- in turn: each moves any company, 3 <-> 4
local PARTNER = 6

-- Stores -------------------------------------------------------------------------------------------------------------

-- Numbers from 1 to `count`, in an order of no meaning.
local function shuffled(count)
  local order = {}
  for i = 1, count do
    order[i] = i
  end
  math.randomseed(1)
  for i = count, 2, -1 do
    local k = math.random(i)
    order[i], order[k] = order[k], order[i]
  end
  return order
end

local function texts_of(companies)
  local texts = {}
  for i, company in ipairs(companies) do
    texts[i] = tostring(company)
  end
  return texts
end

-- A store of leadcat's and one of raw LMDB that are going to hold the same. `host`: where the companies are kept.
local function open_pair(count, host)
  local pair = { directory = measure.directory(), raw_directory = measure.directory(), order = shuffled(count) }
  pair.made = 0 -- events, so far
  os.execute("mkdir " .. pair.raw_directory)
  pair.engine = assert(leadcat.open { path = pair.directory, host = host })
  pair.raw = raw_lmdb.open(pair.raw_directory .. "/journal.mdb")
  assert(pair.engine:save(stores.config { sale_registered = 3, sale_lost = 4 }))
  if not host then
    assert(pair.engine.host:create_many(pair.order, 4))
    pair.raw:create(texts_of(pair.order))
  end
  return pair
end

-- Closes a pair: both have written keys and values of as many bytes into each table.
local function close_pair(pair)
  pair.engine:close()
  local store = raw_lmdb.open(pair.directory .. "/journal.mdb")
  local ours, theirs = store:bytes(), pair.raw:bytes()
  for name, size in pairs { format = 4, store = 16, home = 8, ["epoch:"] = 8 + 10 } do -- raw LMDB has none of these
    ours.meta = ours.meta - #name - size
  end
  for table, bytes in pairs(ours) do
    assert(bytes == theirs[table], ("%s: %d and %d bytes"):format(table, bytes, theirs[table]))
  end
  store:close()
  pair.raw:close()
  measure.remove(pair.directory)
  measure.remove(pair.raw_directory)
end

-- The next events, each of another company until all have had one; the same for LMDB: companies, ids.
local function next_events(pair, count, details)
  local events, companies, ids = {}, {}, {}
  for i = 1, count do
    local company = pair.order[pair.made % #pair.order + 1]
    local trigger = TRIGGERS[math.floor(pair.made / #pair.order) % 2 + 1]
    pair.made = pair.made + 1
    ids[i], companies[i] = ("sale-%08d"):format(pair.made), tostring(company)
    events[i] = { id = ids[i], trigger = trigger, company = company, actor = details and details.actor,
      sale = details and details.sale }
  end
  return events, companies, ids
end

-- Measuring ----------------------------------------------------------------------------------------------------------

local function check(outcomes, count)
  assert(#outcomes == count)
  for _, outcome in ipairs(outcomes) do
    assert(outcome.status == "updated", outcome.status)
  end
end

-- Batches, ours and raw in turn: the seconds of both.
local function batches(pair, count, details)
  local text, ours, theirs = journal.details(details or {}), 0, 0
  for _ = 1, count do
    local events, companies, ids = next_events(pair, BATCH, details)
    local begun = measure.now()
    local outcomes = assert(pair.engine:handle_many(events))
    ours = ours + measure.now() - begun
    check(outcomes, BATCH)
    theirs = theirs + pair.raw:update(companies, ids, text)
  end
  return ours, theirs
end

-- Single events: the seconds of ours, and of `raw_one`. Neither always comes behind the other's commit.
local function singles(pair, count, raw_one)
  local ours, theirs = 0, 0
  local events, companies, ids = next_events(pair, count)
  for i = 1, count do
    local first = i % 2 == 0 and raw_one(pair.raw, companies[i], ids[i])
    local begun = measure.now()
    local outcome = pair.engine:handle(events[i])
    ours = ours + measure.now() - begun
    check({ outcome }, 1)
    theirs = theirs + (first or raw_one(pair.raw, companies[i], ids[i]))
  end
  return ours, theirs
end

-- Rounds of what gives the seconds of both at once.
local function rounds(both)
  local theirs
  return measure.rounds(measure.times(9, 3), {
    function()
      local ours
      ours, theirs = both()
      return ours
    end,
    function() return theirs end,
  })
end

local function batch_row(pair, what, details)
  local count = measure.times(5, 2)
  local seconds, ratios = rounds(function() return batches(pair, count, details) end)
  local function rate(taken)
    return ("%.0f records/s"):format(count * BATCH / taken)
  end
  measure.row(("`handle_many`, batches of 1,000, %s (%s)"):format(what, measure.lua), rate(seconds[1]),
    rate(seconds[2]) .. ": raw LMDB", 1 / ratios[2], { least = 0.7 })
end

local function single_row(pair, what, beside, raw_one)
  local count = measure.times(60, 20)
  local seconds, ratios = rounds(function() return singles(pair, count, raw_one) end)
  measure.row(("`handle`, durable, %s (%s)"):format(what, measure.lua), measure.time(seconds[1] / count),
    measure.time(seconds[2] / count) .. ": " .. beside, ratios[2], { most = 1.15 })
end

-- `event_of(i)`: the event of the i-th call.
local function nothing_row(engine, what, event_of, goal)
  local calls, made = measure.times(100000, 20000), 0
  local seconds = measure.rounds(measure.times(9, 3), { function()
    local events = {}
    for i = 1, calls do
      made = made + 1
      events[i] = event_of(made)
    end
    collectgarbage()
    local begun = measure.cpu()
    for i = 1, calls do
      engine:handle(events[i])
    end
    return (measure.cpu() - begun) / calls
  end })
  assert(engine:handle(event_of(made + 1)).status == "unchanged")
  measure.row(("`handle` of an event that matches nothing, %s (%s)"):format(what, measure.lua),
    measure.time(seconds[1]), "", seconds[1] * 1e6, goal)
end

-- A store with companies among which no event matches; `event(i)` is one of those with ids.
local function open_partners(rules, options)
  options.path = measure.directory()
  local engine, companies = assert(leadcat.open(options)), {}
  assert(engine:save(stores.config(rules)))
  for i = 1, BATCH do
    companies[i] = "partner-" .. i
  end
  assert(engine.host:create_many(companies, PARTNER))
  local ids = shuffled(MANY)
  return engine, options.path, function(i)
    local id = ("sale-%08d-%d"):format(ids[i % MANY + 1], math.floor(i / MANY))
    return { id = id, trigger = "sale_lost", company = companies[i % BATCH + 1] }
  end
end

-- The least that there can be to look up, and the most; and where the id is remembered, with the commits that takes.
local function nothing_rows()
  local goal, given = { most = 2, unit = " µs" }, { trigger = "sale_lost", company = 17, category = PARTNER }
  local engine, directory, event = open_partners({}, { durability = "relaxed" })
  nothing_row(engine, "category given", function() return given end, goal)
  nothing_row(engine, "an id and the category looked up", event, goal)
  assert(engine:save(stores.config { sale_lost = 4 }))
  nothing_row(engine, "an id and the category looked up, and the id remembered", event)
  engine:close()
  measure.remove(directory)
end

-- Remembering ids among very many, and LMDB putting the same keys with values of the same size: each with its commit.
local function marks_row()
  local before, some = measure.times(1000000, 100000), 4000
  local engine, directory, event = open_partners({ sale_lost = 4 }, {})
  local raw_directory, made = measure.directory(), 0
  os.execute("mkdir " .. raw_directory)
  local raw = raw_lmdb.table(raw_directory .. "/journal.mdb", "seen")
  local function more_events(count)
    local events, keys = {}, {}
    for i = 1, count do
      made = made + 1
      events[i] = event(made)
      keys[i] = "\0" .. string.char(#events[i].id) .. events[i].id
    end
    return events, keys
  end
  local value = ("v"):rep(32 + #"partner-1000")
  for _ = 1, before / 10000 do
    local events, keys = more_events(10000)
    assert(engine:handle_many(events))
    raw:fill(keys, value)
  end
  assert(engine._store:settle())
  local seconds, ratios = rounds(function()
    local events, keys = more_events(some)
    assert(engine:handle_many(events)[some].status == "unchanged")
    local begun = measure.now()
    assert(engine._store:settle())
    local ours = measure.now() - begun
    begun = measure.now()
    raw:fill(keys, value)
    return ours, measure.now() - begun
  end)
  assert(engine._store:counters("").remembered_events == made)
  measure.row(("an id remembered, %d in a commit, among %.0f (%s)"):format(some, before, measure.lua),
    measure.time(seconds[1] / some), measure.time(seconds[2] / some) .. ": raw LMDB", ratios[2], { most = 1.2 })
  engine:close()
  raw:close()
  measure.remove(directory)
  measure.remove(raw_directory)
end

local function own_host()
  local categories = {}
  return {
    category = function(company) return categories[company] or 4 end,
    set_category = function(company, to) categories[company] = to return true end,
  }
end

local embedded = open_pair(MANY)
batch_row(embedded, "100,000 companies")
batch_row(embedded, "100,000 companies, with actor and sale", DETAILS)
single_row(embedded, "embedded host", "raw LMDB, one commit", function(raw, company, id)
  return raw:update({ company }, { id }, "")
end)
close_pair(embedded)

local few = open_pair(BATCH) -- fewer pages to write: the larger is leadcat's part
batch_row(few, "1,000 companies")
close_pair(few)
nothing_rows()
marks_row()

local own = open_pair(MANY, own_host())
single_row(own, "a host of one's own", "raw LMDB, two commits", function(raw, company, id)
  return raw:apply(company, id, "")
end)
close_pair(own)
