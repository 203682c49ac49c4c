--- Notes events that changed nothing, for hosts that want them in the history (`record_unchanged`). Unlike journal
-- entries, notes are not guaranteed: they are written in a commit of their own, after the outcome, and dropped when
-- that fails. No decision reads them.

local event_of = require "leadcat.events.event"
local journal = require "leadcat.past.journal"
local protected = require "leadcat.util.protected"

local unchanged = {}

local MAX_ID = 2147483647
local MOST_WORDS = 1024 -- bytes of a guard's reason that are remembered

local function id_of(value)
  return value and value >= 1 and value <= MAX_ID and value or nil
end

local function new_note(self, event, outcome)
  local note = journal.item(event, {
    at = event.at or self:_now(), reason = outcome.reason, from = id_of(outcome.from), revision = outcome.revision,
    event_id = event.id and event_of.key(event.id), details = journal.details(event),
    error = type(outcome.error) == "string" and outcome.error or nil,
  })
  note.lead_status = note.lead_status and id_of(note.lead_status)
  return note
end

--- Has the store remember the id of an event that has come to nothing.
function unchanged.remember(self, event, outcome)
  local note = new_note(self, event, outcome)
  note.details, note.rule_id = nil, tonumber((outcome.rule or ""):match "#(%d+)$")
  note.error = note.error and note.error:sub(1, MOST_WORDS)
  self._store:remember(self._tenant, note, self:_now())
end

local function write(self, events, outcomes)
  local share, notes = self._shared.record_unchanged, {}
  for i, event in ipairs(events) do
    local outcome = outcomes[i]
    if outcome and outcome.status == "unchanged" and (share == 1 or math.random() < share) then
      local ok, note = protected.call(new_note, self, event, outcome)
      notes[#notes + 1] = ok and note or nil
    end
  end
  return #notes == 0 or self._store:add_unchanged(self._tenant, notes, self:_now())
end

--- Notes the unchanged events, or the share of them that the host wants. Never fails.
function unchanged.note(self, events, outcomes)
  protected.call(write, self, events, outcomes)
end

--- The newest `limit` of entries and notes, both as the store returns them, newest first.
function unchanged.merge(entries, notes, limit)
  local merged, i, k = {}, 1, 1
  while #merged < limit and (entries[i] or notes[k]) do
    if not notes[k] or entries[i] and entries[i].entry > notes[k].entry then
      merged[#merged + 1], i = entries[i], i + 1
    else
      merged[#merged + 1], k = notes[k], k + 1
    end
  end
  return merged
end

return unchanged
