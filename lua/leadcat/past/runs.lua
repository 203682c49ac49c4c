--- A run: what one replay, one backfill or one undo of many has done goes by one id, so that it can be found and taken
-- back as a whole. What is kept of it is a cursor in the store: where in the journal it began and ended, how far it is.

local core = require "leadcat.core"
local json = require "leadcat.util.json"
local journal = require "leadcat.past.journal"

local runs = {}

local SHORT = 12 -- digits of an id: enough that no two are the same, few enough to be typed

---@class leadcat.Run
---@field run string its id
---@field kind "replay"|"backfill"|"undo"
---@field state "running"|"finished"|"undone" an interrupted one is running, too
---@field after integer the newest entry before it began; 0: none
---@field last? integer the newest entry when it was finished
---@field position? integer events of a backfill that are done
---@field source? string what tells the events of a backfill from others
---@field revision? integer of the config when a backfill began
---@field counts? table<string, integer> of a backfill: how many events came to what without an entry
---@field report? table of a backfill that is finished
---@field text? string its cursor, as it is stored

local function named(id)
  return "run " .. id
end

local function new_id()
  local id, message, code = core.random_id()
  return id and id:sub(1, SHORT), message, code
end

--- The cursor of a run once these fields of it have changed.
---@param record leadcat.Run
---@param changes table
---@return {name: string, before?: string, text: string} cursor as `store:write` takes it
---@return leadcat.Run later the record, once that is written
function runs.cursor(record, changes)
  local later = {}
  for _, fields in ipairs { record, changes } do
    for name, value in pairs(fields) do
      later[name] = value
    end
  end
  later.text = nil
  local cursor = { name = named(record.run), before = record.text, text = json.encode(later) }
  later.text = cursor.text
  return cursor, later
end

--- What is known of a run.
---@param self leadcat.Engine
---@param id string
---@return leadcat.Run? record
---@return string? message
---@return string? code `not_found`
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
  local entry, message, code = journal.walk(self)()
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

--- The last run of these events.
---@param self leadcat.Engine
---@param source string
---@return leadcat.Run? record
---@return string? message
---@return string? code `not_found`
function runs.last_of(self, source)
  local text, message, code = self._store:cursor(self._tenant, name_of_source(source))
  if not text then
    return nil, message, code
  end
  return runs.read(self, json.decode(text).run)
end

-- Notes which run is the last one of its events: before it begins, so that none goes unfound.
local function point(self, id, source)
  local name = name_of_source(source)
  local before, message, code = self._store:cursor(self._tenant, name)
  if not before and code ~= "not_found" then
    return nil, message, code
  end
  local cursor = { name = name, before = before, text = json.encode { run = id } }
  return self._store:write(self._tenant, {}, self:_now(), 0, cursor)
end

--- Begins a run: it is noted.
---@param self leadcat.Engine
---@param kind "replay"|"backfill"|"undo"
---@param fields? table what else is to be noted; `run`: its id, when it is not to be a new one
---@return leadcat.Run? record
---@return string? message
---@return string? code `conflict`: there is such a run
function runs.begin(self, kind, fields)
  local id, message, code = fields and fields.run, nil, nil
  if not id then
    id, message, code = new_id()
  end
  local after
  local ok = id
  if ok and fields and fields.source then
    ok, message, code = point(self, id, fields.source)
  end
  if ok then
    after, message, code = newest(self)
  end
  if not after then
    return nil, message, code
  end
  return write(self, { run = id, kind = kind, state = "running", after = after }, fields or {})
end

--- Ends a run.
---@param self leadcat.Engine
---@param record leadcat.Run
---@param fields? table what else is to be noted
---@return leadcat.Run? record
---@return string? message
---@return string? code
function runs.finish(self, record, fields)
  local last, message, code = newest(self)
  if not last then
    return nil, message, code
  end
  local changes = { state = "finished", last = last }
  for name, value in pairs(fields or {}) do
    changes[name] = value
  end
  return write(self, record, changes)
end

--- Notes that a backfill is undone, so that it is not carried on: not even by whoever is at it now.
---@param self leadcat.Engine
---@param record leadcat.Run
---@return leadcat.Run? record
---@return string? message
---@return string? code
function runs.call_off(self, record)
  local later, message, code = record, nil, nil
  while record and record.kind == "backfill" and record.state ~= "undone" do
    later, message, code = write(self, record, { state = "undone" })
    if code ~= "conflict" then
      break
    end
    record, message, code = runs.read(self, record.run) -- it has gone on meanwhile
    later = record
  end
  return later, message, code
end

--- The same engine, within a run: what it writes into the journal has the run's id.
---@param self leadcat.Engine
---@param id string
---@return leadcat.Engine
function runs.engine(self, id)
  return setmetatable({ _run = id }, { __index = self, __newindex = self })
end

--- Goes through a run's entries, newest first: only where it was at work.
---@param self leadcat.Engine
---@param record leadcat.Run
---@return fun(): table?, string?, string? next as `journal.walk`
function runs.entries(self, record)
  local walk = journal.walk(self, nil, record.last and record.last + 1)
  return function()
    local entry, message, code
    repeat
      entry, message, code = walk()
      if not entry or entry.entry <= record.after then
        return nil, message, code
      end
    until journal.run(entry) == record.run
    return entry
  end
end

return runs
