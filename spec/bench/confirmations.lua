--- What the first page of the open questions costs among 100,000 of them, beside what it costs among ten, in one run: about
--- the same when a page costs the same however many there are.

local leadcat = require "leadcat"
local measure = require "bench.measure"

local FEW, MANY, BATCH, CALLS = 10, 100000, 1000, measure.times(200, 50)

local function open(count)
  local directory = measure.directory()
  local engine = assert(leadcat.open { path = directory, durability = "relaxed" })
  local cfg = leadcat.preset "superoffice"
  for _, rule in ipairs(cfg.rules) do
    if rule.trigger == "sale_won" then
      rule.enabled, rule.set_category, rule.ask = true, 5, true
    end
  end
  assert(engine:save(cfg))
  for first = 1, count, BATCH do
    local events = {}
    for i = first, math.min(first + BATCH - 1, count) do
      events[#events + 1] = { trigger = "sale_won", company = i, category = 1, actor = { id = "bob", name = "Bob" } }
    end
    assert(engine:handle_many(events))
  end
  return engine, directory
end

local function timer(engine, query)
  return function()
    local begun = measure.cpu()
    for _ = 1, CALLS do
      assert(engine:confirmations(query))
    end
    return (measure.cpu() - begun) / CALLS
  end
end

-- The query, and how many a page of it has in either store: so what is compared is the same work.
local ROWS = {
  { "open, limit 10", { state = "open", limit = 10 } },
  { "all, limit 10", { limit = 10 } },
  { "of a user, limit 10", { state = "open", user = "bob", limit = 10 } },
  { "open, limit 100", { state = "open", limit = 100 }, true },
}

local few, few_directory = open(FEW)
local hundred, hundred_directory = open(100)
local many, many_directory = open(MANY)
for _, row in ipairs(ROWS) do
  local small = row[3] and hundred or few -- a page of 100 is compared with the same page among 100
  assert(#small:confirmations(row[2]) == row[2].limit and #many:confirmations(row[2]) == row[2].limit)
  local seconds, ratios = measure.rounds(measure.times(15, 3), { timer(many, row[2]), timer(small, row[2]) })
  measure.row(("questions: %s, among 100,000 (%s)"):format(row[1], measure.lua), measure.time(seconds[1]),
    ("%s: among %d"):format(measure.time(seconds[2]), row[3] and 100 or FEW), ratios[2])
end
for _, engine in ipairs { few, hundred, many } do
  engine:close()
end
for _, directory in ipairs { few_directory, hundred_directory, many_directory } do
  measure.remove(directory)
end
