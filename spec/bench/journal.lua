--- What grows how with the journal: a store with a million entries and then with ten times as many, and from these two what
--- there would be at a hundred million: the file grows in proportion, times by as much with each factor of ten (the depth
--- of LMDB's trees). Takes the first number of entries. Everything is in the page cache; a page that is not costs a read.

local leadcat = require "leadcat"
local measure = require "bench.measure"
local stores = require "support.stores"

local FIRST = tonumber(arg[1]) or 1000000
local COMPANIES, FILL, BATCH, SWEPT = FIRST / 10, 50000, 1000, FIRST / 50
local MAP = 256 * 2 ^ 30
local TRIGGERS = { "sale_registered", "sale_lost" } -- in turn: each moves any company, 3 <-> 4

local directory = measure.directory()

local function open(durability, retention)
  return assert(leadcat.open {
    path = directory, durability = durability, map_size = MAP, retention = retention or { age = false, count = false },
  })
end

-- Events whose ids, like companies, come in no order: each lands on another page.
local entries, removed = 0, 0
local function next_events(count)
  local events = {}
  for i = 1, count do
    local company = entries * 7919 % COMPANIES + 1
    entries = entries + 1
    events[i] = {
      id = ("sale-%09d"):format(entries):reverse(), company = company,
      trigger = TRIGGERS[math.floor((entries - 1) / COMPANIES) % 2 + 1],
      actor = { id = 17, name = "Ann Berg" }, sale = { id = 4711, name = "Coffee machines" },
    }
  end
  return events
end

local function handle(engine, count)
  for _, outcome in ipairs(assert(engine:handle_many(next_events(count)))) do
    assert(outcome.status == "updated", outcome.reason)
  end
end

local function fill(upto)
  local engine = open "relaxed"
  if entries == 0 then
    local companies = {}
    for i = 1, COMPANIES do
      companies[i] = i
    end
    assert(engine:save(stores.config { sale_registered = 3, sale_lost = 4 }))
    assert(engine.host:create_many(companies, 4))
  end
  while entries < upto do
    handle(engine, math.min(FILL, upto - entries))
  end
  engine:close()
end

-- The median of what `fn` takes, in seconds of `clock`: measure.cpu for what only reads.
local function median(clock, times, fn)
  return measure.rounds(times, { function()
    local begun = clock()
    fn()
    return clock() - begun
  end })[1]
end

-- Removes the oldest entries: seconds for one.
local function sweep()
  local engine = open("full", { age = false, count = entries - removed - SWEPT })
  local begun, now = measure.now(), assert(engine:sweep()).removed
  local taken = (measure.now() - begun) / now
  engine:close()
  removed = removed + now
  return taken
end

-- Puts the store's compacted copy in its place. Large transactions leave long lists of free pages behind, which LMDB
-- writes again with each commit until they are used up; events that come by themselves do not.
local function compact()
  local engine, copy = open "full", measure.directory()
  local bytes = engine:stats().journal.used
  assert(engine:backup(copy, { compact = true }))
  engine:close()
  measure.remove(directory)
  directory = copy
  return bytes
end

-- What is sought in the history, by the name of its figure: nothing that is there, so that a call looks as far as it may.
local SOUGHT = {
  by_status = { status = "failed" }, by_sale = { sale = 12345 }, by_actor = { actor_name = "kåre" },
}

-- Figures of the store as it is now, by name.
local function figures()
  local found = { grown = compact() }
  found.opening = median(measure.now, 9, function() open("full"):close() end)
  local engine = open "full"
  found.bytes = engine:stats().journal.used
  found.entry = found.bytes / (entries - removed)
  found.batch = median(measure.now, 15, function() handle(engine, BATCH) end) / BATCH
  found.single = median(measure.now, 101, function() handle(engine, 1) end)
  found.work = median(measure.cpu, 101, function() handle(engine, 1) end)
  found.newest = median(measure.cpu, 101, function() assert(#assert(engine:history { limit = 100 }) == 100) end)
  for name, query in pairs(SOUGHT) do
    found[name] = median(measure.cpu, 101, function() assert(#assert(engine:history(query)) == 0) end)
  end
  local company = 0
  found.company = median(measure.cpu, 101, function()
    company = company + 1
    assert(#assert(engine:history { company = company * 17, limit = 10 }) >= 9)
  end)
  local middle = engine:history { company = 1, limit = 1000 }
  middle = middle[math.ceil(#middle / 2)].entry
  found.middle = median(measure.cpu, 101, function()
    assert(#assert(engine:history { after = middle, limit = 100 }) == 100)
  end)
  engine:close()
  found.sweep = sweep()
  return found
end

-- How a figure at ten times as many entries follows from two.
local function in_proportion(_, second) return second * 10 end
local function unchanged(_, second) return second end
local function by_depth(first, second) return second + math.max(second - first, 0) end

local function gigabytes(n)
  return ("%.2f GB"):format(n / 1e9)
end

local ROWS = {
  { "journal.mdb, as it grew", "grown", gigabytes, in_proportion },
  { "journal.mdb, compacted", "bytes", gigabytes, in_proportion },
  { "bytes an entry of that", "entry", function(n) return ("%.0f"):format(n) end, unchanged },
  { "opening the store", "opening", measure.time },
  { "an event, in durable batches of 1,000", "batch", measure.time },
  { "an event, durable by itself", "single", measure.time },
  { "the processor's part of that", "work", measure.time },
  { "history: the newest 100", "newest", measure.time },
  { "history: 100 from the middle", "middle", measure.time },
  { "history: 10 of a company", "company", measure.time },
  { "history: the first page, by a status", "by_status", measure.time },
  { "history: the first page, by a sale", "by_sale", measure.time },
  { "history: the first page, by a user's name", "by_actor", measure.time },
  { "removing an entry (`sweep`)", "sweep", measure.time },
}

local function millions(n)
  return ("%g million"):format(n / 1e6)
end

fill(FIRST)
local first = figures()
fill(FIRST * 10)
local second = figures()
print(("| journal of | %s | %s | %s, fitted |"):format(millions(FIRST), millions(FIRST * 10), millions(FIRST * 100)))
print "|---|--:|--:|--:|"
for _, row in ipairs(ROWS) do
  local name, key, show, fit = row[1], row[2], row[3], row[4] or by_depth
  print(("| %s | %s | %s | %s |"):format(name, show(first[key]), show(second[key]), show(fit(first[key], second[key]))))
end
measure.remove(directory)
