--- What the kinds of webhooks share when they read what a sender says.

local core = require "leadcat.core"
local json = require "leadcat.util.json"

local change = {}

--- The value, or nil for JSON's null.
function change.value(value)
  if value ~= json.null then
    return value
  end
end

--- A text, or an integer, that can be an id; else nil. Many senders write 0, false or "" for none.
function change.id(value)
  if (type(value) == "string" and value ~= "") or (type(value) == "number" and value ~= 0) then
    return value
  end
end

--- A text, or nil.
function change.text(value)
  return type(value) == "string" and value ~= "" and value or nil
end

--- A table, empty where it is none.
function change.table(value)
  return type(value) == "table" and value or {}
end

--- Whether the list has the value.
function change.has(list, value)
  for _, item in ipairs(change.table(list)) do
    if item == value then
      return true
    end
  end
  return false
end

--- A time such as 2026-03-01T10:00:00.123Z or 2026-03-01 10:00:00 (then UTC) in seconds since 1970; nil when it is none.
---@param text any
---@return number?
function change.time(text)
  local date, clock, fraction, zone
  if type(text) == "string" then
    date, clock, fraction, zone = text:match "^(%d%d%d%d%-%d%d%-%d%d)[T ](%d%d:%d%d:%d%d)(%.?%d*)([Z%d:+-]*)$"
  end
  local whole = date and ("%s %s %s"):format(date, clock, zone ~= "" and zone or "Z")
  local seconds = whole and core.parse_time(whole, "%Y-%m-%d %H:%M:%S %z")
  return seconds and seconds + (tonumber("0" .. fraction) or 0)
end

return change
