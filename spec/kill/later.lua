-- One of the processes that the kill test of what is scheduled kills: DIRECTORY NUMBER. It carries out what is due until nothing
-- is left.

local core = require "leadcat.core"
local host_of = require "kill.host"
local leadcat = require "leadcat"
local plan = require "kill.plan"

local directory, number = arg[1], arg[2]
local files = plan.files(directory)
local crm = host_of.new(files, plan.START, "w" .. number)

-- The host takes its time: in the middle of a change the process is most likely to be killed.
local function around(set_category, ...)
  core.sleep(0.001)
  local ok, message = set_category(...)
  core.sleep(0.001)
  return ok, message
end

local engine = assert(leadcat.open {
  path = files.store, tenant = "applied", map_size = plan.MAP, host = crm:for_leadcat(true, around),
  clock = function() return tonumber(arg[3]) end,
})
print "ready"
io.stdout:flush()
repeat
  engine:maintain()
until #engine:history { status = "scheduled" } == 0
engine:close()
