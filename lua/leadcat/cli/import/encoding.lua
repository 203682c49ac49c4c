--- The bytes of a file as UTF-8 with LF or CRLF at the ends of lines, whatever a program has saved it as. The encoding is found
-- where that is certain: by a byte order mark, or by zero bytes. Otherwise it is UTF-8, or what the user says.

local core = require "leadcat.core"

local encoding = {}

local FIRST = 64 * 1024 -- bytes that are looked at
local MARKS = {
  { "\239\187\191", "UTF-8" }, { "\255\254\0\0", "UTF-32LE" }, { "\0\0\254\255", "UTF-32BE" },
  { "\255\254", "UTF-16LE" }, { "\254\255", "UTF-16BE" },
}

-- How files begin that are no text, and what to do with them.
local OTHERS = {
  { "PK\3\4", "a ZIP archive or an Excel workbook (.xlsx): open it, and save the sheet as CSV" },
  { "\208\207\17\224", "an old Excel workbook (.xls): open it, and save the sheet as CSV" },
  { "\31\139", "compressed by gzip: unpack it first" }, { "BZh9", "compressed by bzip2: unpack it first" },
  { "\40\181\47\253", "compressed by zstd: unpack it first" }, { "\2537zXZ", "compressed by xz: unpack it first" },
  { "%PDF-", "a PDF document: export the data as CSV" }, { "<!", "HTML or XML: export the data as CSV" },
  { "<?", "HTML or XML: export the data as CSV" }, { "<html", "HTML: export the data as CSV" },
  { "<table", "HTML: export the data as CSV" },
}

-- What else a file is; nil: it may be text.
local function other_kind(bytes)
  for _, other in ipairs(OTHERS) do
    if bytes:sub(1, #other[1]) == other[1] then
      return "the file is " .. other[2]
    end
  end
end

---@class leadcat.import.Decoded
---@field read fun(n: integer): string?, string? UTF-8, about n bytes; nil or "" at the end; nil, message
---@field name string of the encoding
---@field how "told"|"mark"|"zeros"|"default" how it is known
---@field bytes? fun(): integer how many of the file's bytes have been read, where the text has another number

-- Text of European languages in UTF-16 has a zero in every second byte.
local function by_zeros(bytes)
  local zeros = { [0] = 0, [1] = 0 }
  for at in bytes:sub(1, 4096):gmatch "()%z" do
    zeros[at % 2] = zeros[at % 2] + 1
  end
  local pairs_of_bytes = math.min(#bytes, 4096) / 2
  if zeros[0] > pairs_of_bytes / 3 and zeros[1] == 0 then
    return "UTF-16LE"
  elseif zeros[1] > pairs_of_bytes / 3 and zeros[0] == 0 then
    return "UTF-16BE"
  end
end

local function find(bytes)
  for _, mark in ipairs(MARKS) do
    if bytes:sub(1, #mark[1]) == mark[1] then
      return mark[2], "mark"
    end
  end
  local name = by_zeros(bytes)
  return name or "UTF-8", name and "zeros" or "default"
end

-- Reads and converts; nothing is left behind at the end.
local function converting(read, converter, name)
  local ended = false
  return function(n)
    local text, message = "", nil
    while text == "" and not ended do
      local bytes, failure = read(n)
      if not bytes and failure then
        return nil, failure
      end
      ended = not bytes or bytes == ""
      text, message = converter:convert(bytes or "", ended)
    end
    return text, message and ("the file is not in %s: %s"):format(name, message)
  end
end

-- Old Macs end lines with CR alone.
local function with_line_ends(read)
  local is_old
  return function(n)
    local text, failure = read(n)
    if text and is_old == nil and text ~= "" then
      is_old = text:find("\r", 1, true) ~= nil and not text:find("\n", 1, true)
    end
    return text and is_old and text:gsub("\r", "\n") or text, failure
  end
end

-- Enough of the file to see how it is written; nil and why it cannot be read.
local function read_first(file)
  local pieces, size = {}, 0
  repeat
    local bytes, failure = file:read(FIRST)
    if not bytes and failure and size == 0 then
      return nil, failure
    end
    pieces[#pieces + 1], size = bytes, size + #(bytes or "")
  until not bytes or bytes == "" or size >= FIRST
  return table.concat(pieces)
end

--- Reads a file as UTF-8.
---@param file { read: fun(self, n: integer): string?, string? }
---@param name? string of its encoding, as iconv calls it; found when absent
---@return leadcat.import.Decoded? decoded, string? message there is no such encoding, or the file cannot be read
function encoding.open(file, name)
  local first, failure = read_first(file)
  if not first then
    return nil, failure, "io"
  end
  local other = other_kind(first)
  if other then
    return nil, other, "invalid"
  end
  local how = "told"
  if not name then
    name, how = find(first)
  end
  local count = 0
  local function read(n)
    local bytes, message = first, nil
    if first then
      first = nil
    else
      bytes, message = file:read(n)
    end
    count = count + #(bytes or "")
    return bytes, message
  end
  local bytes_read
  if name:upper():gsub("[-_]", "") ~= "UTF8" then
    local converter, message = core.converter(name)
    if not converter then
      return nil, message, "invalid"
    end
    read, bytes_read = converting(read, converter, name), function() return count end
  end
  return { read = with_line_ends(read), name = name, how = how, bytes = bytes_read }
end

return encoding
