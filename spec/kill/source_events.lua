-- The events of a source: of each three, one makes its company a customer, one asks, and one comes to nothing.

local host_of = require "kill.host"
local leadcat = require "leadcat"
local plan = require "kill.plan"
local times = require "support.times"

local source = { COUNT = times(300), BATCH = 7 }

local TRIGGERS = { "sale_won", "sale_registered", "sale_lost" }

--- The events in these places.
function source.events(first, last)
  local events = {}
  for i = first, last do
    events[#events + 1] = { id = "e" .. i, trigger = TRIGGERS[i % 3 + 1], company = i }
  end
  return events
end

--- The engine of a process that is going to be killed, which was given DIRECTORY NUMBER HOST. Says that it is ready.
---@return leadcat.Engine
function source.open(directory, number, of)
  local files = plan.files(directory)
  local crm = of == "own" and host_of.new(files, plan.START, "w" .. number)
  local host = crm and crm:for_leadcat(true, host_of.slowly(0.0005)) or nil
  local engine = assert(leadcat.open { path = files.store, tenant = "applied", map_size = plan.MAP, host = host })
  print "ready"
  io.stdout:flush()
  return engine
end

return source
