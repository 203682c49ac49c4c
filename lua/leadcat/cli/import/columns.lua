--- The header of a file, and its columns.

local dates = require "leadcat.cli.import.dates"
local cells_of = require "leadcat.cli.import.cells"
local fields = require "leadcat.cli.fields"

local columns = {}

local MAX_LISTED = 20

function columns.list(texts)
  return table.concat(texts, ", ", 1, math.min(#texts, MAX_LISTED)) .. (#texts > MAX_LISTED and ", ..." or "")
end

--- The index of the column with this title.
---@param header string[]
---@param name string
---@return integer? index, string? problem
function columns.find(header, name)
  local found, shown = nil, {}
  for i, title in ipairs(header) do
    if title == name and found then
      return nil, ("the column %s is there twice"):format(dates.show(name))
    elseif title == name then
      found = i
    end
    shown[i] = dates.show(title)
  end
  if not found then
    return nil, ("there is no column %s; the columns are: %s"):format(dates.show(name), columns.list(shown))
  end
  return found
end

--- Reads the header and has `plan(self, header)` find its columns. Returns the problem, if any, its code and its line.
function columns.read_header(self, plan)
  local header, line, code, bad_line = self.reader:next()
  if not header then
    return line or "the file is empty: it has no header", code or "invalid", bad_line or 1
  end
  for i, title in ipairs(header) do
    header[i] = cells_of.clean(title)
  end
  local problem
  problem, code, bad_line = plan(self, header)
  return problem, code or "invalid", bad_line or line
end

--- The value of a field of conditions; nil and the problem when the cell is of another type.
---@param field leadcat.cli.Field
---@param cell string
---@return any value, string? problem
function columns.field_value(field, cell)
  local value, expected = fields.value(field, cell)
  if expected then
    return nil, ("%s is %s, not %s"):format(field.given, dates.show(cell), expected)
  end
  return value
end

return columns
