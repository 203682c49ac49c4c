-- One of the processes that the kill test of cursors kills: DIRECTORY NUMBER HOST. It reads a source from where the cursor is, and
-- delivers its events in small batches until the end.

local source = require "kill.source_events"

local engine = source.open(arg[1], arg[2], arg[3])
local at = tonumber(engine:cursor "source" or 0)
while at < source.COUNT do
  local events = source.events(at + 1, math.min(at + source.BATCH, source.COUNT))
  local outcomes, message = engine:handle_many(events, { cursor = { name = "source", text = tostring(at + #events) } })
  assert(outcomes, message)
  at = tonumber(engine:cursor "source" or 0)
end
engine:close()
