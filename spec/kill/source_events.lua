-- The events of a source: of each three, one makes its company a customer, one asks, and one comes to nothing.

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

return source
