--- The cells of a file as people mean them: without blanks around them, without what spreadsheets and databases put in, and names
-- that are the same written the same.

local core = require "leadcat.core"
local dates = require "leadcat.cli.import.dates"

local cells = {}

-- Blanks, also those that nobody sees: no-break spaces and the byte order mark.
local BLANK = { " ", "\t", "\r", "\n", "\194\160", "\226\128\175", "\226\128\135", "\226\128\137", "\239\187\191" }

local function trim_one(text, blank)
  if text:sub(1, #blank) == blank then
    return text:sub(#blank + 1), true
  elseif text:sub(-#blank) == blank then
    return text:sub(1, -#blank - 1), true
  end
  return text, false
end

local function trim(text)
  if not text:find "^[%s\194\226\239]" and not text:find "[%s\128-\191]$" then
    return text
  end
  local again = true
  while again do
    again = false
    for _, blank in ipairs(BLANK) do
      local trimmed
      text, trimmed = trim_one(text, blank)
      again = again or trimmed
    end
  end
  return text
end

-- What databases and their tools write where there is nothing.
local NOTHING = {
  ["\\N"] = true, NULL = true, null = true, ["(null)"] = true, ["[NULL]"] = true, ["<null>"] = true, NaT = true,
  ["#N/A"] = true,
}

--- A cell without blanks at its ends: `="00123"` is what spreadsheets make of text.
---@param text string
---@return string
function cells.clean(text)
  text = trim(text)
  if NOTHING[text] then
    return ""
  end
  local quoted = text:match '^="(.*)"$'
  return quoted and trim(quoted) or text
end

--- A name in form NFC, with each run of blanks as one.
---@param text string cleaned
---@return string
function cells.name(text)
  if text:find "[\128-\255]" then
    text = core.nfc(text:gsub("\194\160", " "):gsub("\226\128\175", " "))
  end
  return (text:gsub("%s%s+", " "))
end

--- What two spellings of a label have in common: case, blanks and Unicode form do not matter.
---@param text string
---@return string
function cells.label(text)
  local name = cells.name(cells.clean(text))
  return core.fold(name) or name
end

--- What two near-equal names have in common: letters and digits alone, in any case.
---@param name string
---@return string
function cells.near(name)
  return (cells.label(name):gsub("[%s%p]", ""))
end

--- What is wrong with an id; nil when nothing is.
---@param id string
---@return string? problem
function cells.id_problem(id)
  if id:find "^%d[.,]?%d*[eE]%+?%d%d?%d?$" then
    return ("%s, a number that a spreadsheet has rounded: several ids look the same. Export the column as text")
      :format(dates.show(id))
  end
end

--- Whether a program has written a number for an id: with separators of thousands, or as a float.
---@param id string
---@return boolean
function cells.is_reformatted(id)
  if not id:find "^%d+[.,' \194\226]" then
    return false
  end
  local behind = cells.name(id):match "^%d%d?%d?([.,' ].+)$"
  return behind and behind:gsub("[.,' ]%d%d%d", "") == "" or id:find "^%d+%.0$" ~= nil
end

-- How many letters two texts differ in, up to 2; 3: in more.
local function distance(a, b)
  if math.abs(#a - #b) > 2 then
    return 3
  end
  local row = {}
  for j = 0, #b do
    row[j] = j
  end
  for i = 1, #a do
    local corner, least = row[0], i
    row[0] = i
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j) and 0 or 1
      local best = math.min(row[j] + 1, row[j - 1] + 1, corner + same)
      corner, row[j] = row[j], best
      least = math.min(least, best)
    end
    if least > 2 then
      return 3
    end
  end
  return math.min(row[#b], 3)
end

--- The known label that another is nearly, if there is one: up to two letters differ, of at least five.
---@param label string as `cells.label` gives it
---@param known table<string, any> by such labels
---@return string? near
function cells.nearest(label, known)
  for other in pairs(known) do
    if #other >= 5 and label ~= other and distance(label, other) <= 2 then
      return other
    end
  end
end

return cells
