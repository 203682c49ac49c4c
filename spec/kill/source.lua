-- One of the processes that the kill test of cursors kills: DIRECTORY NUMBER HOST. It reads a source from where the cursor is, and
-- delivers its events in small batches until the end.

local host_of = require "kill.host"
local leadcat = require "leadcat"
local plan = require "kill.plan"
local source = require "kill.source_events"

local directory, number, of_its_own = arg[1], arg[2], arg[3] == "own"
local files = plan.files(directory)
local crm = of_its_own and host_of.new(files, plan.START, "w" .. number)
local host = crm and crm:for_leadcat(true, host_of.slowly(0.0005)) or nil

local engine = assert(leadcat.open { path = files.store, tenant = "applied", map_size = plan.MAP, host = host })
print "ready"
io.stdout:flush()
local at = tonumber(engine:cursor "source" or 0)
while at < source.COUNT do
  local events = source.events(at + 1, math.min(at + source.BATCH, source.COUNT))
  local outcomes, message = engine:handle_many(events, { cursor = { name = "source", text = tostring(at + #events) } })
  assert(outcomes, message)
  at = tonumber(engine:cursor "source" or 0)
end
engine:close()
