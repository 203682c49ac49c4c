--- What valgrind counts the instructions of (count.sh): `count.lua decide N` decides N times, `count.lua loop N` goes through
--- the same loop without deciding, `count.lua handle N` handles N events that update a company of the embedded host,
--- `count.lua unchanged N` N that change nothing.

local decisions = require "bench.decisions"
local leadcat = require "leadcat"
local measure = require "bench.measure"

local what, count = arg[1], tonumber(arg[2])
local MAP, COMPANIES = 64 * 1024 * 1024, 100 -- a map that valgrind can make

local directory = measure.directory()
local engine = assert(leadcat.open { path = directory, map_size = MAP })
local cfg = decisions.config { sale_registered = true, sale_won = true, lead_status_set = true }
assert(engine:save(cfg))

local run = {}

local function events()
  return decisions.events(1000, decisions.ids(cfg))
end

function run.decide()
  decisions.timer(engine:decider(), events())(count)
end

function run.loop()
  decisions.timer(nil, events())(count)
end

function run.handle()
  for company = 1, COMPANIES do
    assert(engine.host:create(company, 1))
  end
  for i = 0, count - 1 do -- 1 or 2 -> 3, then back to 2
    local round = math.floor(i / COMPANIES) % 2
    local outcome = assert(engine:handle {
      id = ("event-%06d"):format(i), company = i % COMPANIES + 1, lead_status = round == 1 and 5 or nil,
      trigger = round == 1 and "lead_status_set" or "sale_registered", actor = { id = 17, name = "Ann Berg" },
    })
    assert(outcome.status == "updated", outcome.reason)
  end
end

-- By turns one that says its company's category, and one with an id, whose company is looked up.
function run.unchanged()
  assert(engine.host:create("a", 3))
  local by_turns = {
    { trigger = "sale_lost", company = 17, category = 3 },
    { trigger = "sale_lost", company = "a", id = "x" },
  }
  for i = 1, count do
    assert(assert(engine:handle(by_turns[i % 2 + 1])).status == "unchanged")
  end
end

collectgarbage "stop" -- else it is chance how much of a collection falls into a run
run[what]()
engine:close()
measure.remove(directory)
