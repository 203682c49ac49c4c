--- What the first page of the open questions costs among 100,000 of them, beside what it costs among ten, in one run.
--- Prints the medians of the rounds and their ratio: about 1 when a page costs the same however many there are.

local leadcat = require "leadcat"

local FEW, MANY, BATCH, ROUNDS, CALLS = 10, 100000, 1000, 15, 200

local function open(count)
  local directory = os.tmpname()
  os.remove(directory)
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

local function time(engine, query)
  local begun = os.clock()
  for _ = 1, CALLS do
    assert(engine:confirmations(query))
  end
  return (os.clock() - begun) / CALLS * 1e6
end

local function median(list)
  table.sort(list)
  return list[(#list + 1) / 2]
end

-- The query, and how many a page of it has in either store: so what is compared is the same work.
local ROWS = {
  { "open, limit 10", { state = "open", limit = 10 } },
  { "all, limit 10", { limit = 10 } },
  { "of a user, limit 10", { state = "open", user = "bob", limit = 10 } },
  { "open, limit 100", { state = "open", limit = 100 }, true },
}

local began = os.clock()
local few, few_directory = open(FEW)
local hundred, hundred_directory = open(100)
local many, many_directory = open(MANY)
print(("%-28s %d questions asked in %.1f s"):format(rawget(_G, "jit") and rawget(_G, "jit").version or _VERSION,
  MANY + FEW + 100, os.clock() - began))
for _, row in ipairs(ROWS) do
  local small = row[3] and hundred or few -- a page of 100 is compared with the same page among 100
  assert(#small:confirmations(row[2]) == row[2].limit and #many:confirmations(row[2]) == row[2].limit)
  local ours, theirs, ratios = {}, {}, {}
  for round = 1, ROUNDS do
    ours[round], theirs[round] = time(many, row[2]), time(small, row[2])
    ratios[round] = ours[round] / theirs[round]
  end
  print(("  %-24s among %d %7.1f us   among %3d %7.1f us   ratio %.2f (medians of %d)"):format(row[1], MANY,
    median(ours), row[3] and 100 or FEW, median(theirs), median(ratios), ROUNDS))
end
for _, engine in ipairs { few, hundred, many } do
  engine:close()
end
os.execute(("rm -r '%s' '%s' '%s'"):format(few_directory, hundred_directory, many_directory))
