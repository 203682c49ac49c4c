--- What a batch of events costs that asks for more than the store knows, beside the same batch that does not: with a guard,
--- with rules that ask the user, with companies that a host of one's own keeps in memory.

local leadcat = require "leadcat"
local measure = require "bench.measure"
local stores = require "support.stores"

local COMPANIES, BATCH = 50000, 1000
local TRIGGERS = { "sale_registered", "sale_lost" } -- in turn: each moves any company, 3 <-> 4

local function own_host()
  local categories = {}
  return {
    category = function(company) return categories[company] or 4 end,
    set_category = function(company, to) categories[company] = to return true end,
  }
end

-- An engine whose rules update or ask, and how many events it has handled.
local function open(ask, host)
  local way = { directory = measure.directory(), made = 0 }
  way.engine = assert(leadcat.open { path = way.directory, host = host })
  assert(way.engine:save(stores.config {
    sale_registered = { 3, ask = ask }, sale_lost = { 4, ask = ask },
  }))
  if not host then
    local companies = {}
    for i = 1, COMPANIES do
      companies[i] = i
    end
    assert(way.engine.host:create_many(companies, 4))
  end
  return way
end

local function next_events(way)
  local events = {}
  for i = 1, BATCH do
    local round = math.floor(way.made / COMPANIES)
    events[i] = {
      id = ("sale-%08d"):format(way.made), trigger = TRIGGERS[round % 2 + 1], company = way.made % COMPANIES + 1,
    }
    way.made = way.made + 1
  end
  return events
end

-- The seconds of one batch; of the processor, as all commits take the disk alike.
local function batch(way, status)
  local events = next_events(way)
  local begun = measure.cpu()
  local outcomes = assert(way.engine:handle_many(events))
  local taken = measure.cpu() - begun
  assert(outcomes[1].status == status and outcomes[BATCH].status == status, outcomes[BATCH].status)
  return taken
end

local plain, guarded, asking, own = open(false), open(false), open(true), open(false, own_host())
guarded.engine:on("guard", function() end)

local seconds, ratios = measure.rounds(measure.times(40, 9), {
  function() return batch(plain, "updated") end,
  function() return batch(guarded, "updated") end,
  function() return batch(asking, "awaiting_confirmation") end,
  function() return batch(own, "updated") end,
})

local function row(place, what, most)
  measure.row(("`handle_many`, batches of 1,000, %s (%s)"):format(what, measure.lua),
    measure.time(seconds[place] / BATCH), measure.time(seconds[1] / BATCH) .. ": plain", 1 / ratios[place],
    { most = most })
end

row(2, "with a guard", 1.6)
row(3, "on rules that ask", 2.5)
row(4, "with a host of one's own", 2.5)

for _, way in ipairs { plain, guarded, asking, own } do
  way.engine:close()
  measure.remove(way.directory)
end
