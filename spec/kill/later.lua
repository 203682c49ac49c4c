-- One of the processes that the kill test of what is scheduled, or asked, kills: DIRECTORY NUMBER TIME. It carries out what is due until
-- nothing is left.

local host_of = require "kill.host"
local leadcat = require "leadcat"
local plan = require "kill.plan"

local directory, number = arg[1], arg[2]
local files = plan.files(directory)
local crm = host_of.new(files, plan.START, "w" .. number)

local engine = assert(leadcat.open {
  path = files.store, tenant = "applied", map_size = plan.MAP, host = crm:for_leadcat(true, host_of.slowly(0.001)),
  clock = function() return tonumber(arg[3]) end,
})
print "ready"
io.stdout:flush()
repeat
  engine:maintain()
until #engine:history { status = "scheduled" } == 0 and engine:count_confirmations { state = "open" } == 0
engine:close()
