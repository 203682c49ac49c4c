--- Dates as programs write them. The form of a column is the one that all its cells have in common; whether the day or the
-- month comes first is never guessed.

local core = require "leadcat.core"
local json = require "leadcat.util.json"
local unicode = require "leadcat.util.unicode"

local dates = {}

local DAY = 24 * 60 * 60
local MAX_SEEN = 10000 -- dates of a column that are remembered: exports repeat their days
local MAX_SIZE = 64 -- bytes of a date
local EXCEL_EPOCH = 25569 -- days from Excel's day 0 to 1970
local LAST_EXCEL_DAY = 2958465 -- 9999-12-31

-- Calendar ------------------------------------------------------------------------------------------------------------

local DAYS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function days_in(year, month)
  local is_leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  return month == 2 and is_leap and 29 or DAYS[month]
end

-- Days from 1970-01-01, in the Gregorian calendar; nil when there is no such day.
local function day_number(year, month, day)
  if year < 1000 or month < 1 or month > 12 or day < 1 or day > days_in(year, month) then
    return nil
  end
  local y = month <= 2 and year - 1 or year -- years begin in March, so that a leap day is their last
  local era, m = math.floor(y / 400), (month + 9) % 12
  local of_era = y - era * 400
  return era * 146097 + of_era * 365 + math.floor(of_era / 4) - math.floor(of_era / 100)
    + math.floor((153 * m + 2) / 5) + day - 1 - 719468
end

-- Time of day and zone ------------------------------------------------------------------------------------------------

local UTC = { Z = 0, z = 0, UTC = 0, GMT = 0, ["+00 UTC"] = 0, ["+0000 UTC"] = 0 }

-- Seconds that the zone at the end of a date is ahead of UTC; nil when it is none.
local function ahead(zone)
  zone = zone:gsub("^GMT([+-])", "%1"):gsub("^UTC([+-])", "%1")
  local sign, hours, minutes = zone:match "^([+-])(%d%d):?(%d?%d?)$"
  if sign and #minutes ~= 1 and tonumber(hours) <= 24 and tonumber("0" .. minutes) < 60 then
    return (sign == "+" and 60 or -60) * (hours * 60 + tonumber("0" .. minutes))
  end
  return UTC[zone]
end

-- The time of day at the start of a text, in seconds, and what follows it.
local function clock(text)
  local hours, minutes, rest = text:match "^(%d%d?):(%d%d)(.*)$"
  if not hours then
    hours, minutes, rest = text:match "^(%d%d)(%d%d)(.*)$"
  end
  local seconds, fraction, behind = (rest or ""):match "^:?(%d%d)([.,]?%d*)(.*)$"
  rest = behind or rest
  local half, behind_half = (rest or ""):match "^ ?([AaPp])%.?[Mm]%.?(.*)$"
  hours, minutes, seconds = tonumber(hours), tonumber(minutes), tonumber(seconds or 0)
  if not hours or minutes > 59 or seconds > 60 or hours > (half and 12 or 24) or half and hours == 0
    or hours == 24 and minutes + seconds > 0 then
    return nil
  elseif half then
    hours, rest = hours % 12 + (half:lower() == "p" and 12 or 0), behind_half
  end
  local part = fraction and #fraction > 1 and tonumber("0." .. fraction:sub(2)) or 0
  return hours * 3600 + minutes * 60 + seconds + part, rest
end

-- What follows the day: {seconds of the day, zone ahead or nil}; false: nothing follows; nil: it is no time of day.
local function time_behind(text)
  if text == "" then
    return false
  end
  local seconds, rest = clock(text:match "^[Tt ](.*)$" or text:match "^, ?(.*)$" or "")
  if not seconds then
    return nil
  end
  rest = rest:match "^ ?(.-)$":gsub(" ?%b()$", "") -- the zone's name behind it
  local zone = rest ~= "" and ahead(rest) or nil
  return (rest == "" or zone) and { seconds, zone } or nil
end

local function zone_of(options, at)
  local zone = options.timezone
  return type(zone) == "string" and core.zone_ahead(zone, at) or zone or 0
end

-- Seconds since 1970, and whether the text names a day without a time of day.
local function moment(year, month, day, rest, options)
  local days, time = day_number(tonumber(year), tonumber(month), tonumber(day)), time_behind(rest)
  if not days or time == nil then
    return nil
  end
  local at = days * DAY + (time and time[1] or 0)
  return json.integer(at - (time and time[2] or zone_of(options, at))), not time
end

-- Forms ---------------------------------------------------------------------------------------------------------------

-- Each reads a text: seconds since 1970, and whether it names a day alone; nil when the text has another form.
local FORMS = {}

function FORMS.iso(text, options)
  local year, month, day, rest = text:match "^(%d%d%d%d)%-(%d%d)%-(%d%d)(.*)$"
  if not year then
    year, month, day, rest = text:match "^(%d%d%d%d)(%d%d)(%d%d)(.*)$"
    rest = rest and (rest == "" or rest:find "^[Tt]") and rest or nil
  end
  if rest then
    return moment(year, month, day, rest, options)
  end
end

-- The year of two or four digits. Two digits tell something only where the user has said in which order they are.
local function year_of(text, options)
  local year = tonumber(text)
  if #text == 2 and options.order then
    return year + (year < 69 and 2000 or 1900) -- as POSIX reads %y
  end
  return #text == 4 and year or nil
end

function FORMS.ymd(text, options)
  local first, mark, month, day, rest = text:match "^(%d+)([/.-])(%d%d?)[/.-](%d%d?)(.*)$"
  local year = mark and year_of(first, options)
  if year then
    return moment(year, month, day, rest, options)
  end
end

-- Only Americans put the month first, and they put no points.
local function year_last(pattern, month_first)
  return function(text, options)
    local first, mark, second, same, last, rest = text:match(pattern)
    local year = mark and mark == same and year_of(last, options)
    if year then
      return moment(year, month_first and first or second, month_first and second or first, rest, options)
    end
  end
end

FORMS.dmy = year_last("^(%d%d?)([/.-])(%d%d?)([/.-])(%d+)(.*)$", false)
FORMS.mdy = year_last("^(%d%d?)([/-])(%d%d?)([/-])(%d+)(.*)$", true)

local MONTHS = {}
for i, name in ipairs { "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec" } do
  MONTHS[name] = i
end

local WEEKDAYS = { mon = true, tue = true, wed = true, thu = true, fri = true, sat = true, sun = true }

-- The month has an English name: 5 Jan 2026, 05-JAN-2026, January 5, 2026; a weekday may stand before it.
function FORMS.named(text, options)
  local weekday, bare = text:match "^(%a%a%a)%a*,? (.*)$"
  bare = weekday and WEEKDAYS[weekday:lower()] and bare or text
  local day, name, year, rest = bare:match "^(%d%d?)[ -](%a%a%a)%a*%.?,?[ -](%d%d%d%d)(.*)$"
  if not day then
    name, day, year, rest = bare:match "^(%a%a%a)%a*%.? (%d%d?),? (%d%d%d%d)(.*)$"
  end
  local month = day and MONTHS[name:lower()]
  if month then
    return moment(year, month, day, rest, options)
  end
end

function FORMS.seconds(text)
  local whole = text:match "^(%d+)%.%d+$" or text:match "^%d+$"
  return whole and (#whole == 9 or #whole == 10) and json.integer(tonumber(text)) or nil, false
end

function FORMS.milliseconds(text)
  return text:find "^%d%d%d%d%d%d%d%d%d%d%d%d%d?$" and json.integer(tonumber(text) / 1000) or nil, false
end

function FORMS.excel(text)
  local days = text:find "^%d+%.?%d*$" and tonumber(text)
  if days and days >= 1 and days <= LAST_EXCEL_DAY then
    return json.integer(math.floor((days - EXCEL_EPOCH) * DAY + 0.5)), days % 1 == 0
  end
end

local FOUND = { "iso", "ymd", "dmy", "mdy", "named", "seconds", "milliseconds" } -- by themselves
local ORDERS = { dmy = true, mdy = true, ymd = true }

dates.NAMES = {
  iso = "ISO 8601", ymd = "year, month, day", dmy = "day, month, year", mdy = "month, day, year",
  named = "months by name",
  seconds = "seconds since 1970", milliseconds = "milliseconds since 1970", excel = "days of a spreadsheet",
}

-- One form, told in strptime's words. A fraction of a second may follow the seconds.
local function told(format)
  local has_zone = format:find "%%[zZ]" ~= nil
  local has_time = format:find "%%[HIkMSTRXcrs]" ~= nil
  return function(text, options)
    local at = core.parse_time(text, format)
    local part
    if not at then
      local before, fraction, behind = text:match "^(.*%d:%d%d:%d%d)[.,](%d+)(.*)$"
      at, part = before and core.parse_time(before .. behind, format), fraction and tonumber("0." .. fraction)
    end
    at = at and at + (part or 0)
    return at and json.integer(has_zone and at or at - zone_of(options, at)), not has_time
  end
end

-- Columns -------------------------------------------------------------------------------------------------------------

local ISO = "a date such as 2017-03-01 or 2017-03-01T10:20:30+01:00"
local ABSENT = { "^0000%-00%-00", "^0001%-01%-01" } -- as MySQL and .NET write no date

---@class leadcat.import.Dates the dates of a column
---@field name string of the column
---@field forms { name: string, read: function, example?: string, line?: integer }[] those that all cells so far have
local Dates = {}
Dates.__index = Dates

local function forms_of(options)
  local format = options.format
  if format == "excel" then
    return { { name = "excel", read = FORMS.excel } }
  elseif format then
    return { { name = format, read = told(format) } }
  end
  local forms = {}
  for _, name in ipairs(FOUND) do
    if not options.order or not ORDERS[name] or name == options.order then
      forms[#forms + 1] = { name = name, read = FORMS[name] }
    end
  end
  return forms
end

--- The dates of a column.
---@param name string
---@param options { format?: string, order?: "dmy"|"mdy"|"ymd", timezone?: string|number } format: strptime's, or `excel`; timezone of what names none: its name, or how many seconds it is ahead of UTC
---@return leadcat.import.Dates
function dates.column(name, options)
  return setmetatable({ name = name, options = options, forms = forms_of(options), seen = {}, count = 0 }, Dates)
end

--- Whether a cell says that there is no date.
---@param cell string
---@return boolean
function dates.is_absent(cell)
  return cell == "" or cell:byte() == 48 and (cell:find(ABSENT[1]) or cell:find(ABSENT[2])) ~= nil
end

-- What a column is, for a message.
local function expected(self, cell)
  local format = self.options.format
  if format then
    return format == "excel" and "a spreadsheet's number of a day" or ("a date of the form %s"):format(format)
  elseif self.first then
    return ('a date of the form of "%s" on line %d'):format(unicode.visible(self.first), self.first_line)
  elseif cell:find "^%d%d%d%d%d%.?%d*$" then
    return ISO .. " (a spreadsheet's number of a day is read with --date-format excel)"
  elseif cell:find "^%d%d?[/.-]%d%d?[/.-]%d%d$" or cell:find "^%d%d?[/.-]%d%d?[/.-]%d%d%D" then
    return ISO .. " (of a year of two digits --date-order says where it stands: dmy, mdy or ymd)"
  elseif cell:find "%a%a%a" then
    return ISO .. " (--date-format says what form it has)"
  end
  return ISO
end

-- The forms that this cell has, too.
local function narrow(self, cell)
  local left = {}
  for _, form in ipairs(self.forms) do
    left[#left + 1] = #cell <= MAX_SIZE and form.read(cell, self.options) and form or nil
  end
  return left
end

--- Takes a cell into account. Returns what it should have been when it has no form in common with those before it.
---@param cell string trimmed, not absent
---@param line integer
---@return string? expected
function Dates:add(cell, line)
  if self.seen[cell] then
    return nil
  end
  local left = narrow(self, cell)
  if #left == 0 then
    return expected(self, cell)
  end
  if self.count == MAX_SEEN then
    self.seen, self.count = {}, 0
  end
  self.seen[cell], self.count = true, self.count + 1
  self.forms, self.first, self.first_line = left, self.first or cell, self.first_line or line
  self:note_order(cell, left)
end

-- Remembers a date for which it matters whether its day or its month comes first.
function Dates:note_order(cell, left)
  if #left > 1 and not self.unclear then
    local a, b = left[1].read(cell, self.options), left[2].read(cell, self.options)
    self.unclear = a ~= b and cell or nil
  end
end

--- What is wrong with the whole column; nil when nothing is.
---@return string? problem
function Dates:problem()
  if #self.forms > 1 and self.unclear then
    return ('%s: the dates, such as "%s", do not tell whether the day or the month comes first: --date-order dmy or '
      .. "--date-order mdy says it"):format(self.name, unicode.visible(self.unclear))
  end
end

--- Seconds since 1970 of a cell that was added, and whether it names a day without a time of day.
---@param cell string
---@return number at, boolean is_day
function Dates:read(cell)
  local kept = self.read_before and self.read_before[cell]
  if not kept then
    if not self.read_before or self.count == MAX_SEEN then
      self.read_before, self.count = {}, 0
    end
    kept = { self.forms[1].read(cell, self.options) }
    self.read_before[cell], self.count = kept, self.count + 1
  end
  return kept[1], kept[2]
end

--- Seconds since 1970 of an ISO 8601 date, or date and time.
---@param text string
---@return number? at, string? problem
function dates.iso(text)
  local at = #text <= MAX_SIZE and FORMS.iso(text, {})
  return at or nil, not at and ("%s is not %s"):format(dates.show(text), ISO) or nil
end

--- Reads a cell of a column whose other cells are not known yet: of a form that is told, ISO 8601, or numbers of seconds.
---@param cell string
---@param line integer
---@return number? at, string? problem
function Dates:read_alone(cell, line)
  local wrong = self:add(cell, line)
  local problem = wrong and ("%s is %s, not %s"):format(self.name, dates.show(cell), wrong) or self:problem()
  if problem then
    return nil, problem
  end
  return (self:read(cell))
end

--- A cell for a message: quoted, on one line, not too long.
---@param text string
---@return string
function dates.show(text)
  local most = 60 -- bytes
  if #text > most then
    text = text:sub(1, most):gsub("[\192-\255][\128-\191]*$", "") .. "..."
  end
  return '"' .. unicode.visible(text) .. '"'
end

--- A time zone from its name or its distance from UTC, such as Europe/Oslo or +01:00.
---@param word string
---@return string|number? zone, string? problem
function dates.timezone(word)
  local offset = ahead(word)
  if offset then
    return offset
  end
  local file = word:find "^%a[%w_+/-]*$" and io.open("/usr/share/zoneinfo/" .. word, "rb")
  if file and file:read(4) == "TZif" then
    file:close()
    return word
  end
  return nil, ("--timezone: a time zone such as Europe/Oslo or +01:00 expected, got '%s'"):format(word)
end

return dates
