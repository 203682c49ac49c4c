--- Goes through a company's entries from the newest back, to tell of older and older changes whether a later one still stands.
-- However many are asked about, each entry is read once.

local journal = require "leadcat.past.journal"

local walk = {}

---@class leadcat.Walk
---@field next_entry fun(): table?, string?, string?
---@field ahead? table the entry that was read last, if it is not passed yet
---@field newest? integer the company's newest entry when the walk began; 0: it has none
---@field changes {entry: integer, undoes?: integer}[] those passed that stand, newest first
---@field undone? table<integer, true> entries that no longer count
local Walk = {}
Walk.__index = Walk

--- Whether it was done to a company that there is no more.
---@param stored table an entry as the store returns it
---@return boolean
function walk.is_past(stored)
  return stored.is_gone or stored.former ~= nil
end

--- A walk that has not begun.
---@param engine leadcat.Engine
---@param key string the company's text
---@param undone_count boolean? whether changes that were undone count like others
---@return leadcat.Walk
function walk.new(engine, key, undone_count)
  return setmetatable({
    next_entry = journal.entries(engine, key), changes = {}, undone = not undone_count and {} or nil,
  }, Walk)
end

-- Passes all that is newer than the entry with that number.
local function pass(self, number)
  while true do
    local message, code
    if not self.ahead then
      self.ahead, message, code = self.next_entry()
    end
    local later = self.ahead
    self.newest = self.newest or later and later.entry
    if code then
      return nil, message, code
    elseif not later or later.entry <= number then
      return true
    elseif later.status == "updated" and not walk.is_past(later) then
      self.changes[#self.changes + 1] = { entry = later.entry, undoes = journal.undoes(later) }
    end
    self.ahead = nil
  end
end

-- Leaves those changes that still stand for somebody who asks about that entry: not one that was undone, nor one that undid
-- what is not older.
local function judge(self, number)
  local undone, standing = self.undone, {}
  for _, change in ipairs(self.changes) do
    if change.undoes and change.undoes >= number and not undone[change.entry] then
      undone[change.undoes] = true
    elseif not undone[change.entry] then
      standing[#standing + 1] = change
    end
  end
  self.changes = standing
end

--- What has been changed since an entry, which is not newer than any that was asked about before.
---@param entry integer
---@return integer? newest the company's newest entry when the walk began; nil: an error, or there is a change
---@return string|integer|nil what the newest change that stands, without a code; or a message
---@return string? code `undone`: the entry itself was
function Walk:since(entry)
  local ok, message, code = pass(self, entry)
  if not ok then
    return nil, message, code
  elseif self.undone then
    judge(self, entry)
    if self.undone[entry] then
      return nil, nil, "undone"
    end
  end
  if self.changes[1] then
    return nil, self.changes[1].entry
  end
  return self.newest or 0
end

--- Tells the walk that an entry, the last that was asked about, is being undone.
---@param entry integer
function Walk:undo(entry)
  self.undone[entry] = true
end

return walk
