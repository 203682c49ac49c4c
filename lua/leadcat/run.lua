--- A run: what one replay, one backfill or one undo of many has done goes by one id, so that it can be found and taken
-- back as a whole. What is kept of it is a note in the store: where in the journal it began and ended, how far it is.

local core = require "leadcat.core"
local json = require "leadcat.json"
local journal = require "leadcat.journal"

local run = {}

local SHORT = 12 -- digits of an id: enough that no two are the same, few enough to be typed

---@class leadcat.Run
---@field run string its id
---@field kind "replay"|"backfill"|"undo"
---@field state "running"|"finished"
---@field after integer the newest entry before it began; 0: none
---@field last? integer the newest entry when it was finished
---@field position? integer events of a backfill that are done
---@field source? string what its events are read from
---@field counts? table<string, integer> of a backfill: how many events came to what without an entry
---@field report? table of a backfill that is finished

--- The note that is kept of a run, as `store:write` takes it.
---@param record leadcat.Run
---@return {name: string, text: string}
function run.note(record)
  return { name = "run " .. record.run, text = json.encode(record) }
end

--- What is known of a run.
---@param self leadcat.Engine
---@param id string
---@return leadcat.Run? record
---@return string? message
---@return string? code `not_found`
function run.read(self, id)
  local text, message, code = self._store:note(self._tenant, "run " .. id)
  if not text then
    return nil, code == "not_found" and ("there is no run %s"):format(id) or message, code
  end
  return json.decode(text)
end

local function newest(self)
  local entry, message, code = journal.walk(self)()
  if code then
    return nil, message, code
  end
  return entry and entry.entry or 0
end

local function write(self, record)
  local now = self:_now()
  local ok, message, code = self._store:write(self._tenant, {}, now, now, run.note(record))
  return ok and record, message, code
end

--- Begins a run: it is noted.
---@param self leadcat.Engine
---@param record table {kind, run (default: a new id), source}
---@return leadcat.Run? record
---@return string? message
---@return string? code
function run.begin(self, record)
  local message, code
  record.state = "running"
  if not record.run then
    record.run, message, code = core.random_id()
    if not record.run then
      return nil, message, code
    end
    record.run = record.run:sub(1, SHORT)
  end
  record.after, message, code = newest(self)
  if not record.after then
    return nil, message, code
  end
  return write(self, record)
end

--- Ends a run.
---@param self leadcat.Engine
---@param record leadcat.Run
---@return leadcat.Run? record
---@return string? message
---@return string? code
function run.finish(self, record)
  local message, code
  record.last, message, code = newest(self)
  if not record.last then
    return nil, message, code
  end
  record.state = "finished"
  return write(self, record)
end

--- The same engine, within a run: what it writes into the journal has the run's id.
---@param self leadcat.Engine
---@param id string
---@return leadcat.Engine
function run.engine(self, id)
  return setmetatable({ _run = id }, { __index = self, __newindex = self })
end

--- Goes through a run's entries, newest first: only where it was at work.
---@param self leadcat.Engine
---@param record leadcat.Run
---@return fun(): table?, string?, string? next as `journal.walk`
function run.entries(self, record)
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

return run
