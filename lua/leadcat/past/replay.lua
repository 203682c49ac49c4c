--- The journal told again as events, for trying a config on what has really happened; apart from the journal because it is
-- what came in that is wanted here, not what was made of it. Pure.

local config = require "leadcat.rules.config"
local event_of = require "leadcat.events.event"

local replay = {}

-- Whether an entry is an event, and neither an undo nor the end of a question.
local function is_event(entry)
  return not entry.undoes and (not entry.confirmation or entry.status == "awaiting_confirmation")
end

local function to_event(entry)
  return {
    id = entry.event_id, trigger = entry.trigger, company = entry.company, at = entry.at, actor = entry.actor,
    sale = entry.sale, contact = entry.contact, lead_status = config.lead_status_of(entry.rule),
  }
end

--- The events that entries stand for, oldest first. An event has a category where the rules alone do not tell it: the
-- company's first one, and one before which somebody else has moved the company.
---@param entries leadcat.Entry[] newest first, as `engine:history` gives them
---@return leadcat.Event[]
function replay.events(entries)
  local events, left = {}, {} -- where the rules alone leave each company: nobody says no, as in a simulation
  for i = #entries, 1, -1 do
    local entry = entries[i]
    if is_event(entry) then
      local event, key = to_event(entry), event_of.key(entry.company)
      if left[key] ~= entry.from then
        event.category = entry.from
      end
      left[key] = entry.to or entry.from
      events[#events + 1] = event
    end
  end
  return events
end

return replay
