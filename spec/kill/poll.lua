-- One of the processes that the kill test of polled sources kills: DIRECTORY NUMBER HOST. The source's events have their places as
-- times. Every fiftieth company is stuck until this process has read to the end once.

local core = require "leadcat.core"
local host_of = require "kill.host"
local leadcat = require "leadcat"
local plan = require "kill.plan"
local poll = require "leadcat.source.poll"
local source = require "kill.source_events"

local directory, number, of_its_own = arg[1], arg[2], arg[3] == "own"
local files = plan.files(directory)
local crm = of_its_own and host_of.new(files, plan.START, "w" .. number)
local host = crm and crm:for_leadcat(true, host_of.slowly(0.0005)) or nil
local engine = assert(leadcat.open { path = files.store, tenant = "applied", map_size = plan.MAP, host = host })
local is_away = true

engine:on("guard", function(event)
  if is_away and event.company % 50 == 0 then
    error("away", 0)
  end
end)

local polled = poll {
  name = "polled", start = 0, overlap = 10, every = 0, limit = 3 * source.BATCH,
  since = function(time, limit)
    local first = math.max(1, math.ceil(time))
    local last = math.min(first + limit - 1, source.COUNT)
    return source.events(first, last), last, last < source.COUNT
  end,
}
print "ready"
io.stdout:flush()
repeat
  local counts = assert(polled:step(engine))
  if not counts.more then
    core.forward(1) -- the stuck companies' pause
    is_away = false
  end
until polled.stored == source.COUNT
engine:close()
