-- A node that the spec of companies in the store's database kills: URL PATH NUMBER ACKS. It handles events of a few
-- companies, alone and many at once. Number 0 is somebody else, who changes the companies, too, and other columns of them.

local core = require "leadcat.core"
local leadcat = require "leadcat"
local pg = require "leadcat.store.pg"

local url, path, number, acks = arg[1], arg[2], tonumber(arg[3]), arg[4]
local COMPANIES, MOST = 4, 400
local TRIGGERS = { "sale_won", "sale_lost" }

math.randomseed(number * 7919)

if number == 0 then
  local pool = pg.pool((url:gsub("%?", "?application_name=clerk&")), { size = 1 })
  print "ready"
  io.stdout:flush()
  while true do
    local company = math.random(COMPANIES)
    if math.random(3) == 1 then
      pool:run(pg.statement(("UPDATE companies SET category = category %% 3 + 1 WHERE id = %d"):format(company)))
    else
      pool:run(pg.statement(("UPDATE companies SET company = 'name %d' WHERE id = %d"):format(math.random(1000),
        company)))
    end
    core.sleep(math.random() * 0.01)
  end
end

local engine = assert(leadcat.open {
  path = path, shared = url, durability = "primary", map_size = 2 ^ 26, recover = false,
  host = require "leadcat.host.sql" {
    adapter = require "leadcat.host.sql.pg" { url = url }, together = true,
    companies = { table = "companies", id = "id", category = "category", set = "version = version + 1" },
  },
})
local file = assert(io.open(acks, "a"))
print "ready"
io.stdout:flush()

local function event()
  local place = math.random(MOST)
  return { id = "e" .. place, company = place % COMPANIES + 1, trigger = TRIGGERS[place * 7 % #TRIGGERS + 1] }
end

local function note(events, outcomes)
  for i, outcome in ipairs(outcomes or {}) do
    if outcome.entry then
      file:write(("ack %s %.0f\n"):format(events[i].id, outcome.entry))
    end
  end
  file:flush()
end

while true do
  local events = {}
  for i = 1, math.random(4) == 1 and 8 or 1 do
    events[i] = event()
  end
  note(events, engine:handle_many(events))
end
