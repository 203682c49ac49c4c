--- A run is what one replay, one backfill or one undo of many did; all of it can be found and undone by its id. A
-- cursor in the store keeps where in the journal the run began and ended, and its progress.

local core = require "leadcat.core"
local json = require "leadcat.util.json"
local journal = require "leadcat.past.journal"
local merged = require "leadcat.util.merged"

local runs = {}

local TRIES = 16 -- of calling off a run that goes on meanwhile
local SHORT = 12 -- digits of an id: unique, and short enough to type

---@class leadcat.Run
---@field run string its id
---@field kind "replay"|"backfill"|"undo"
---@field state "running"|"finished"|"undone" an interrupted one is running, too
---@field after integer the newest entry before it began; 0: none
---@field last? integer the newest entry when it was finished
---@field position? integer events of a backfill that are done
---@field source? string identifies the events of a backfill
---@field revision? integer of the config, when a backfill began
---@field counts? table<string, integer> of a backfill: events without an entry, by their outcome
---@field report? table of a finished backfill
---@field text? string the cursor as it is stored

local function named(id)
  return "run " .. id
end

--- The cursor that writes changes to a run's record.
---@param record leadcat.Run
---@param changes table
---@return {name: string, before?: string, text: string} cursor as `store:write` takes it
---@return leadcat.Run later the record once that is written
function runs.cursor(record, changes)
  local later = merged(record, changes)
  later.text = nil
  local cursor = { name = named(record.run), before = record.text, text = json.encode(later) }
  later.text = cursor.text
  return cursor, later
end

--- The record of a run, or nil, message, `not_found`.
function runs.read(self, id)
  local text, message, code = self._store:cursor(self._tenant, named(id))
  if not text then
    return nil, code == "not_found" and ("there is no run %s"):format(id) or message, code
  end
  local record = json.decode(text)
  record.text = text
  return record
end

local function newest(self)
  local entry, message, code = journal.entries(self)()
  if code then
    return nil, message, code
  end
  return entry and entry.entry or 0
end

local function write(self, record, changes)
  local cursor, later = runs.cursor(record, changes)
  local ok, message, code = self._store:write(self._tenant, {}, self:_now(), 0, cursor)
  return ok and later, message, code
end

local function name_of_source(source)
  return "source " .. core.checksum(source)
end

--- The record of the last run of these events, or nil, message, `not_found`.
function runs.last_of(self, source)
  local text, message, code = self._store:cursor(self._tenant, name_of_source(source))
  if not text then
    return nil, message, code
  end
  return runs.read(self, json.decode(text).run)
end

-- Notes the last run of these events, before it begins, so that it can always be found.
local function note_last(self, id, source)
  local name = name_of_source(source)
  local before, message, code = self._store:cursor(self._tenant, name)
  if not before and code ~= "not_found" then
    return nil, message, code
  end
  local cursor = { name = name, before = before, text = json.encode { run = id } }
  return self._store:write(self._tenant, {}, self:_now(), 0, cursor)
end

--- Begins a run, by noting it in the store.
---@param kind "replay"|"backfill"|"undo"
---@param fields? table more fields of the record; `run`: its id, default a new one
---@return string? code `conflict`: the run exists
function runs.begin(self, kind, fields)
  fields = fields or {}
  local id, message, code = fields.run, nil, nil
  if not id then
    id, message, code = core.random_id()
    id = id and id:sub(1, SHORT)
  end
  local ok, after = id, nil
  if ok and fields.source then
    ok, message, code = note_last(self, id, fields.source)
  end
  if ok then
    after, message, code = newest(self)
  end
  if not after then
    return nil, message, code
  end
  return write(self, { run = id, kind = kind, state = "running", after = after }, fields)
end

--- Ends a run. `fields` are added to its record.
function runs.finish(self, record, fields)
  local last, message, code = newest(self)
  if not last then
    return nil, message, code
  end
  return write(self, record, merged({ state = "finished", last = last }, fields))
end

--- Marks a backfill as undone, so that no process carries it on, not even one that is doing so now.
function runs.call_off(self, record)
  local message, code
  for _ = 1, TRIES do
    if not record or record.kind ~= "backfill" or record.state == "undone" then
      return record, message, code
    end
    local later
    later, message, code = write(self, record, { state = "undone" })
    if code ~= "conflict" then
      return later, message, code
    end
    record, message, code = runs.read(self, record.run) -- it made progress meanwhile
  end
  return nil, "the run keeps making progress", "conflict"
end

--- The same engine, within a run: its journal entries have the run's id.
function runs.engine(self, id)
  return setmetatable({ _run = id }, { __index = self, __newindex = self })
end

--- Iterates over a run's entries, newest first. Reads only the part of the journal that the run wrote.
---@return fun(): table?, string?, string? next as `journal.entries`
function runs.entries(self, record)
  return journal.matching(self, record.last and record.last + 1, record.after + 1, function(entry)
    return journal.run(entry) == record.run
  end)
end

return runs
