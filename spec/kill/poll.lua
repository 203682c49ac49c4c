-- One of the processes that the kill test of cursors kills: DIRECTORY NUMBER HOST. It polls a source, whose events have their places
-- as times. Every fiftieth company is stuck until this process has read to the end once.

local core = require "leadcat.core"
local poll = require "leadcat.source.poll"
local source = require "kill.source_events"

local engine = source.open(arg[1], arg[2], arg[3])
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
repeat
  local counts = assert(polled:step(engine))
  if not counts.more then
    core.forward(1) -- the stuck companies' pause
    is_away = false
  end
until polled.stored == source.COUNT
engine:close()
