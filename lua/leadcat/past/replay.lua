--- Turns journal entries back into events, for trying a config on what happened. Pure.

local config = require "leadcat.rules.config"
local event_of = require "leadcat.events.event"
local journal = require "leadcat.past.journal"
local no_sale = require "leadcat.rules.no_sale"

local replay = {}

-- Whether an event made the entry, not an undo or an answer. Notes are none; what a rule on trial would have done stands beside its event.
local function is_event(entry)
  return not journal.is_note(entry) and not entry.undoes and entry.status ~= "shadow"
    and (not entry.confirmation or entry.status == "awaiting_confirmation")
end

local function to_event(entry)
  return {
    id = entry.event_id, trigger = entry.trigger, company = entry.company, at = entry.at, actor = entry.actor,
    sale = entry.sale, contact = entry.contact, lead_status = config.lead_status_of(entry.rule),
    facts = entry.trigger == no_sale.TRIGGER and entry.facts or nil,
  }
end

--- The events of entries, oldest first. An event has a category only when it does not follow from the rules: a
-- company's first event, and the first one after something else moved the company.
---@param entries leadcat.Entry[] newest first, as `engine:history` returns them
---@return leadcat.Event[]
function replay.events(entries)
  local events, left = {}, {} -- left: where the rules alone leave each company, as in a simulation
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
