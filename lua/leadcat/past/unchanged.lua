--- Notes events that changed nothing, for hosts that want them in the history (`record_unchanged`). Unlike journal
-- entries, notes are not guaranteed: they are written in a commit of their own, after the outcome, and dropped when
-- that fails. No decision reads them.

local config = require "leadcat.rules.config"
local event_of = require "leadcat.events.event"
local journal = require "leadcat.past.journal"
local protected = require "leadcat.util.protected"

local unchanged = {}

local MOST_WORDS = 1024 -- bytes of a guard's reason that are remembered

local function id_of(value)
  return value and value >= 1 and value <= config.MAX_ID and value or nil
end

-- `details`: what is kept of the event.
local function new_note(self, event, outcome, details)
  local note = journal.item(event, {
    at = event.at or self:_now(), reason = outcome.reason, from = id_of(outcome.from), revision = outcome.revision,
    event_id = event.id and event_of.key(event.id), details = details,
    error = type(outcome.error) == "string" and outcome.error or nil,
  })
  note.lead_status = note.lead_status and id_of(note.lead_status)
  return note
end

--- Has the store remember the id of an event that has come to nothing.
function unchanged.remember(self, event, outcome)
  local note = new_note(self, event, outcome)
  note.rule_id = tonumber((outcome.rule or ""):match "#(%d+)$")
  note.error = note.error and note.error:sub(1, MOST_WORDS)
  self._store:remember(self._tenant, note, self:_now())
end

-- What is kept of an event, which its outcome brings along; where the store has not come to look at it, all but its facts.
local function take_details(event, outcome)
  local details = outcome.details
  outcome.details = nil
  return details or journal.details(event)
end

local function notes_of(self, events, outcomes)
  local share, notes = self._shared.record_unchanged, {}
  for i, event in ipairs(events) do
    local outcome = outcomes[i]
    if outcome and outcome.status == "unchanged" then
      local kept, details = protected.call(take_details, event, outcome)
      local ok, note = protected.call(new_note, self, event, outcome, details)
      notes[#notes + 1] = kept and ok and (share == 1 or math.random() < share) and note or nil
    end
  end
  return notes
end

--- The notes of the unchanged events, or of the share of them that the host wants; nil where it wants none. Takes the
-- `details` that `rounds.run` has left in the outcomes. Never fails.
---@return table[]? notes
function unchanged.notes(self, events, outcomes)
  if not self._shared.record_unchanged then
    return nil
  end
  local ok, notes = protected.call(notes_of, self, events, outcomes)
  return ok and notes or {}
end

--- Writes the notes. Never fails.
---@param notes table[]? of `unchanged.notes`
function unchanged.write(self, notes)
  if notes and notes[1] then
    local store = self._store
    protected.call(store.add_unchanged, store, self._tenant, notes, self:_now())
  end
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
