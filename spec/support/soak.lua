-- Many events through one store with a retention, for hours of real use in minutes: memory and files must stop growing
-- once the first retention window is full. Takes the number of events; ends with status 1 when something still grows.

local leadcat = require "leadcat"

local EVENTS = tonumber(arg[1]) or 2000000
local KEEP = math.min(50000, EVENTS / 8) -- entries of the journal
local BATCH, COMPANIES, SAMPLES = 500, 5000, 10
local LEAD, OPPORTUNITY = 1, 3

local path = os.tmpname()
os.remove(path)

local now = 1700000000
local engine = assert(leadcat.open {
  path = path, retention = { count = KEEP, age = false }, durability = "relaxed", clock = function() return now end,
  confirmation_ttl = 60,
})

-- Companies go to and fro between Lead and Opportunity; every tenth event asks a question that nobody answers.
local config = leadcat.preset "superoffice"
config.rules = {
  { trigger = "sale_registered", enabled = true, set_category = OPPORTUNITY },
  { trigger = "sale_lost", enabled = true, set_category = LEAD },
  { trigger = "sale_won", enabled = true, set_category = 5, ask = true },
}
assert(engine:save(config))
local companies = {}
for i = 1, COMPANIES do
  companies[i] = i
end
assert(engine.host:create_many(companies, LEAD))

local function batch_from(first)
  local events = {}
  for i = first, first + BATCH - 1 do
    local round = math.floor(i / COMPANIES)
    local trigger = i % 10 == 0 and "sale_won" or round % 2 == 0 and "sale_registered" or "sale_lost"
    events[#events + 1] = {
      id = ("e%d"):format(i), trigger = trigger, company = i % COMPANIES + 1,
      actor = { id = i % 50, name = "Somebody" },
    }
  end
  return events
end

local function resident() -- kB
  for line in io.lines "/proc/self/status" do
    local size = line:match "^RssAnon:%s+(%d+)"
    if size then
      return tonumber(size)
    end
  end
end

local function used() -- kB of the journal
  return assert(engine:stats()).journal.used / 1024
end

local samples = {}
print(("%-12s %10s %12s"):format("events", "memory kB", "journal kB"))
for first = 0, EVENTS - 1, BATCH do
  assert(engine:handle_many(batch_from(first)))
  now = now + 1
  assert(engine:maintain())
  local done = first + BATCH
  if done % math.floor(EVENTS / SAMPLES) < BATCH then
    collectgarbage()
    collectgarbage()
    samples[#samples + 1] = { resident(), used() }
    print(("%-12d %10d %12d"):format(done, resident(), used()))
  end
end
engine:close()
os.execute("rm -rf '" .. path .. "'")

-- The last half against the first sample after the window was full.
local failed = false
for i, name in ipairs { "memory", "journal" } do
  local base, last = samples[3][i], samples[#samples][i]
  if last > base * 1.1 + 1024 then
    failed = true
    print(("%s still grows: %d kB, then %d kB"):format(name, base, last))
  end
end
print(failed and "not flat" or "flat")
os.exit(failed and 1 or 0)
