-- One of the processes that the kill test of `apply = "elsewhere"` kills: DIRECTORY NUMBER COMPANIES EVENTS "writes" or "makes". One
-- handles events, going on behind the last one that was acknowledged, until all are; the other makes the changes, until it
-- is killed.

local core = require "leadcat.core"
local host_of = require "kill.host"
local leadcat = require "leadcat"
local plan = require "kill.plan"

local directory, number, companies, events, role = arg[1], arg[2], tonumber(arg[3]), tonumber(arg[4]), arg[5]
local files = plan.files(directory)
local crm = host_of.new(files, plan.START, "w" .. number)

local engine = assert(leadcat.open {
  path = files.store, tenant = "applied", map_size = plan.MAP, host = crm:for_leadcat(true, host_of.slowly(0.0005)),
  apply = role == "writes" and "elsewhere" or "here",
})
print "ready"
io.stdout:flush()

-- Every event of a company leads on to the next category: one that were lost, or had its turn too early, would be missed.
local function event_of(place)
  local company = place % companies + 1
  local turn = (place - place % companies) / companies
  return { id = "e" .. place, company = company, trigger = plan.CYCLE[turn % #plan.CYCLE + 1] }
end

if role == "writes" then
  local name = files.acks(1)
  local acks, done = assert(io.open(name, "a+")), 0
  for _ in acks:lines() do
    done = done + 1
  end
  for place = done, companies * events - 1 do
    local outcome = assert(engine:handle(event_of(place)))
    acks:write(("%s %s\n"):format((outcome.first or outcome).status, outcome.status))
    acks:flush()
  end
  engine:close()
else
  while true do
    assert(engine:apply_pending())
    core.sleep(0.0005)
  end
end
