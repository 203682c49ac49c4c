--- Cursors of those who deliver events: a text kept by name, which says how far a source has been read. It moves with the
-- last of the effects of `engine:handle_many`.

local options_of = require "leadcat.util.options"

---@class leadcat.engine.cursor: leadcat.Engine the engine's methods that stand here
local cursor = {}

local MOST_NAME, MOST_TEXT = 64, 4096 -- bytes
local PREFIX = "cursor:" -- runs have cursors, too (leadcat.past.runs)

local function is_text(value, most)
  return type(value) == "string" and #value >= 1 and #value <= most
end

---@class leadcat.Cursor
---@field name string 1 to 64 bytes
---@field text string 1 to 4,096 bytes

local function fits(value)
  return type(value) == "table" and is_text(value.name, MOST_NAME) and is_text(value.text, MOST_TEXT)
end

---@type leadcat.Option
cursor.OPTION = options_of.kind(
  ("a table {name, text} with texts of 1 to %d and 1 to %d bytes"):format(MOST_NAME, MOST_TEXT), fits)

--- The cursor as the store takes it.
---@param moved leadcat.Cursor
---@return table
function cursor.stored(moved)
  return { name = PREFIX .. moved.name, text = moved.text, anyhow = true }
end

--- How far a source has been read: the text that `handle_many` was given last, when it took all events.
---@param name string as the option `cursor` of `handle_many` names it
---@return string? text, string? message, string? code `not_found`: it was never given one
function cursor:cursor(name)
  self:_check_open()
  if not is_text(name, MOST_NAME) then
    error(("name: a string of 1 to %d bytes expected"):format(MOST_NAME), 2)
  end
  local text, message, code = self._store:cursor(self._tenant, PREFIX .. name)
  return text, code == "not_found" and "there is no such cursor" or message, code
end

return cursor
