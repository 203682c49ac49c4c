--- Makes text of unknown origin fit for JSON, pages, terminals and sentences, in linear time. Text is UTF-8, as strings
-- of bytes.

local core = require "leadcat.core"

local unicode = {}

local ELLIPSIS = "\226\128\166" -- U+2026
local ISOLATE, POP = "\226\129\168", "\226\129\169" -- U+2068 FIRST STRONG ISOLATE, U+2069 POP DIRECTIONAL ISOLATE
local MOST = 120 -- characters of a line

local NON_ASCII = "[\128-\255]"

--- The text with U+FFFD for each ill-formed sequence: stray and missing bytes, overlong forms, surrogates, and what is
--- beyond U+10FFFF. Well-formed text is returned as it is.
---@type fun(s: string): string
unicode.valid = core.valid_text

-- One line ------------------------------------------------------------------------------------------------------------

-- Patterns of characters. In well-formed text none of them can begin within a character.
local C1 = "\194[\128-\159]" -- U+0080 to U+009F
local SEPARATOR = "\226\128[\168\169]" -- U+2028, U+2029
local EMBEDDING = "\226\128[\170-\174]" -- U+202A to U+202E
local ISOLATION = "\226\129[\166-\169]" -- U+2066 to U+2069

-- Characters that show nothing by themselves: a name of only these would be invisible.
local UNSEEN = {
  " ", "\194[\160\173]", "\216\156", "\225\133[\159\160]", -- no-break space, soft hyphen; U+061C; Hangul fillers
  "\226\128[\128-\143]", "\226\128\175", "\226\129[\159-\175]", -- U+2000 to U+200F, U+202F, U+205F to U+206F
  "\227\128\128", "\227\133\164", "\239\184[\128-\143]", "\239\187\191", -- U+3000, U+3164, U+FE00 to U+FE0F, U+FEFF
}

local function is_blank(s)
  for _, pattern in ipairs(UNSEEN) do
    s = s:gsub(pattern, "")
  end
  return s == ""
end

-- The text, or fewer than `most` of its characters and an ellipsis. Accents and the like stay with their characters, unless
-- nothing would be left.
local function cut(s, most)
  if #s <= most or core.text_cut(s, most) == #s then
    return s
  end
  return (s:sub(1, core.text_cut(s, most - 1)):match "^(.*[^ ])" or "") .. ELLIPSIS
end

-- Without the blanks at its ends, in linear time.
local function trim(s)
  local first = s:find "[^ ]"
  return first and s:match("^.*[^ ]", first) or ""
end

--- Text as one line fit for display: well-formed, each run of control characters and line ends a blank, without the
--- controls that change the direction of what follows the text, without blanks at its ends, and not too long.
---@param s string
---@param most? integer characters (code points), from 1; the last is "…" when some are left out. Default 120
---@return string line empty when nothing would be visible
function unicode.line(s, most)
  s = unicode.valid(s)
  local plain = not s:find(NON_ASCII)
  if not plain then
    s = s:gsub(EMBEDDING, ""):gsub(ISOLATION, ""):gsub(C1, "\n"):gsub(SEPARATOR, "\n")
  end
  s = s:gsub("[%z\1-\31\127]+", " ")
  s = cut(trim(s), most or MOST)
  return (plain or not is_blank(s)) and s or ""
end

-- For logs and terminals ----------------------------------------------------------------------------------------------

-- What a terminal or a log might obey, or nobody would see: controls, line ends, changes of direction, blanks that are
-- none, tags and selectors.
local HIDDEN = {
  "[%z\1-\31\127]", C1, "\194[\160\173]", "\205\143", "\216\156", "\225\133[\159\160]", "\225\158[\180\181]",
  "\225\160[\139-\143]", "\226\128[\128-\143]", "\226\128[\168-\175]", "\226\129[\159-\175]", "\227\128\128",
  "\227\133\164", "\239\184[\128-\143]", "\239\187\191", "\239\190\160", "\239\191[\185-\187]",
  "\243\160[\128-\135][\128-\191]",
}

local function code_point(character)
  local first = character:byte()
  local code = first < 0x80 and first or first % (first < 0xE0 and 0x20 or first < 0xF0 and 0x10 or 0x08)
  for i = 2, #character do
    code = code * 64 + character:byte(i) % 64
  end
  return code
end

local function replace_hidden(text, replacement)
  for i = 1, text:find(NON_ASCII) and #HIDDEN or 1 do
    text = text:gsub(HIDDEN[i], replacement)
  end
  return text
end

local function named(character)
  return ("<U+%04X>"):format(code_point(character))
end

--- Text that leaves to a terminal, to stderr or to a log: well-formed, with each character that is not seen by its
--- number, such as `<U+000A>`.
---@param text string
---@return string
function unicode.visible(text)
  return replace_hidden(unicode.valid(text), named)
end

local function escaped(character)
  local code = code_point(character)
  if character:find "^[%z\1-\31]" then
    return nil -- JSON has escaped those of its texts, and its own lines end with LF
  elseif code < 0x10000 then
    return ("\\u%04x"):format(code)
  end
  code = code - 0x10000
  return ("\\u%04x\\u%04x"):format(0xD800 + math.floor(code / 0x400), 0xDC00 + code % 0x400)
end

--- JSON that leaves to a terminal: the same value, with such characters escaped.
---@param text string JSON
---@return string
function unicode.visible_json(text)
  return replace_hidden(text, escaped)
end

--- Lines of ours that leave to a terminal. What is put into them has gone through `visible`; what isolates a name from
--- the words around it (see `isolate`) is left out.
---@param text string
---@return string
function unicode.visible_lines(text)
  return (text:gsub(ISOLATE, ""):gsub(POP, ""):gsub("[^\n]+", unicode.visible))
end

-- On a terminal -------------------------------------------------------------------------------------------------------

--- How many columns a text takes.
---@type fun(s: string): integer
unicode.width = core.text_width

-- Within a sentence ---------------------------------------------------------------------------------------------------

--- A line for use within a sentence: between U+2068 and U+2069 when it may be written from right to left, so that it
--- does not change the order of the words around it.
---@param s string as `unicode.line` returns it
---@return string
function unicode.isolate(s)
  if s:find "[\214-\255]" then -- these start what is at or above U+0580
    return ISOLATE .. s .. POP
  end
  return s
end

return unicode
