--- `limit` of a rule: {changes = n, hours = h}. Beyond so many changes in so many hours its matches are held, until somebody
-- releases or drops them.

local schema = require "leadcat.rules.schema"

local limit = {}

---@class leadcat.Limit
---@field changes integer 1 to 1000000: changes and questions
---@field hours integer 1 to 720

local MOST_CHANGES, MOST_HOURS = 1000000, 720
local FORM = ("{changes = n, hours = h}, from 1 to %d and from 1 to %d"):format(MOST_CHANGES, MOST_HOURS)
local changes, hours = schema.whole(1, MOST_CHANGES, true), schema.whole(1, MOST_HOURS, true)

--- What is offered where a rule has none.
limit.SUGGESTED = { changes = 500, hours = 1 }

--- Checks the field.
---@type leadcat.Check
function limit.check(found, path, value)
  if not schema.is_table(found, path, value, FORM) then
    return
  end
  for name in pairs(value) do
    if name ~= "changes" and name ~= "hours" then
      schema.add(found, path, "wrong_type", "must be %s, without %s", FORM, schema.shown(name))
    end
  end
  changes(found, path .. ".changes", value.changes)
  hours(found, path .. ".hours", value.hours)
end

return limit
