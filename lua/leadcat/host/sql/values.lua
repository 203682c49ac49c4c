--- What the texts mean in which a database gives values.

local cjson = require "cjson.safe"

local values = {}

local READ = {
  number = function(text) return tonumber(text) end,
  boolean = function(text) return text == "true" or text == "t" or text == "1" end,
  list = function(text)
    local list = cjson.decode(text)
    return type(list) == "table" and list or nil
  end,
}

--- A value of a field of this type.
---@param kind? string of `host.fields`; others are texts
---@param text string
---@return any value nil: it is none
function values.read(kind, text)
  local read = READ[kind]
  if read then
    return read(text)
  end
  return text
end

-- Days from 1970-01-01 to a day of the Gregorian calendar.
local function days_to(year, month, day)
  local shifted = month > 2 and year or year - 1 -- years that begin in March
  local of_year = math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1
  local leap_days = math.floor(shifted / 4) - math.floor(shifted / 100) + math.floor(shifted / 400)
  return 365 * shifted + leap_days + of_year - 719468
end

-- Seconds ahead of UTC: "+01", "+01:30", "+0130"; of nothing or Z: 0.
local function offset_of(text)
  local sign, hours, minutes = text:match "^([+-])(%d%d):?(%d?%d?)"
  local seconds = sign and tonumber(hours) * 3600 + (tonumber(minutes) or 0) * 60
  return seconds and (sign == "-" and -seconds or seconds) or (text == "" or text == "Z") and 0 or nil
end

--- A time: seconds since 1970, or a date, or a date and time, as databases write them. Without an offset it is of UTC.
---@param text string
---@return number? seconds nil: there is none, or it is not understood
function values.time(text)
  if text:find "^-?%d+%.?%d*$" then
    return tonumber(text)
  end
  local year, month, day, rest = text:match "^(%d%d%d%d)-(%d%d)-(%d%d)(.*)$"
  local hour, minute, second, zone = (rest or ""):match "^[ T](%d%d):(%d%d):?(%d?%d?%.?%d*) ?(.*)$"
  local offset = offset_of(hour and zone or rest or "?")
  if not offset then
    return nil
  end
  return days_to(tonumber(year), tonumber(month), tonumber(day)) * 86400 + (tonumber(hour) or 0) * 3600
    + (tonumber(minute) or 0) * 60 + (tonumber(second) or 0) - offset
end

return values
