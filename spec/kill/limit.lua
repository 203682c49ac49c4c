-- One of the processes that the kill test of limits kills: DIRECTORY feed|release HOST COUNT NUMBER. It wins COUNT sales, in batches and in an
-- order of its own, or releases what is held, until nothing is left to do.

local host_of = require "kill.host"
local leadcat = require "leadcat"
local plan = require "kill.plan"

local BATCH = 40

local directory, work, host, count, number = arg[1], arg[2], arg[3], tonumber(arg[4]), tonumber(arg[5])
local files = plan.files(directory)
local crm = host == "applied" and host_of.new(files, plan.START, "w" .. number):for_leadcat(true) or nil
local engine = assert(leadcat.open {
  path = files.store, tenant = host, map_size = plan.MAP, host = crm, durability = "relaxed",
})
print "ready"
io.stdout:flush()

local function feed()
  local first = number % 2 == 0 and 1 or math.floor(count / 2)
  for i = 0, count - 1, BATCH do
    local events = {}
    for k = i, math.min(i + BATCH, count) - 1 do
      local sale = (first + k) % count + 1
      events[#events + 1] = { trigger = "sale_won", company = sale, id = "e" .. sale }
    end
    engine:handle_many(events)
  end
end

if work == "feed" then
  feed()
else
  repeat
    engine:release { all = true }
  until #engine:held { limit = 1 } == 0
end
engine:close()
