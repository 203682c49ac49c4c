--- Reads CSV from a stream, record by record in bounded memory, and writes records.
--
-- The form is RFC 4180's: fields may be quoted, and then hold delimiters, line breaks and doubled quotes. Lines end
-- with LF or CRLF, the last one may lack it, lines without anything but blanks are skipped, and so is a UTF-8 byte order mark. More lenient
-- than the RFC in one thing: in a field that does not start with a quote, a quote is text (`5" disk`).

local core = require "leadcat.core"

local byte, find, gsub, match, sub = string.byte, string.find, string.gsub, string.match, string.sub

local csv = {}

local CHUNK = 64 * 1024
local LIMIT = 1024 * 1024 -- bytes of one record, so that an open quote does not swallow the file
local SHORT = 8 * 1024 -- bytes: nearly all lines are shorter
local QUOTE, CR, LF = byte('"\r\n', 1, 3)

local NOT_UTF8 = "this line is not in UTF-8: say which encoding the file has, such as --encoding windows-1252"

local function is_utf8(text)
  return not find(text, "[\128-\255]") or core.valid_text(text) == text
end

---@class leadcat.csv.Reader
---@field delimiter? string known once the header has been read
---@field width? integer fields of the header, and so of every record
---@field ragged? string[] the fields of the last record, where it has more or fewer
local Reader = {}
Reader.__index = Reader

--- Makes a reader; nothing is read yet. `read(n)` returns about n bytes, nil (or "") at the end, and nil with a message
--- when it fails. Option `delimiter`: one character; by default the one that a first line `sep=;` says, else
--- the one of `,` `;` `|` and tab that the header has most of.
---@param read fun(n: integer): string?, string?
---@param options? { delimiter?: string }
---@return leadcat.csv.Reader
function csv.reader(read, options)
  local delimiter = options and options.delimiter
  if delimiter and not find(delimiter, '^[^%w"\r\n]$') then
    error("the delimiter must be one character, and no letter, digit, quote or line break", 2)
  end
  local state = { read = read, delimiter = delimiter, buffer = "", at = 1, dropped = 0, line = 1 }
  return setmetatable(state, Reader)
end

-- Reads ahead: a record of `limit` bytes that does not end in the buffer is then too long, or the last one. The last
-- one gets the LF it lacks, which is not counted in the position; unless reading has failed, since it may be cut short
-- then.
local function fill(self, limit)
  local pieces, size = { sub(self.buffer, self.at) }, #self.buffer - self.at + 1
  while size < 2 * limit and not self.ended do
    local chunk, failure = self.read(CHUNK)
    self.ended, self.failure = not chunk or chunk == "", not chunk and failure
    pieces[#pieces + 1] = chunk
    size = size + #(chunk or "")
  end
  self.buffer, self.dropped, self.at = table.concat(pieces), self.dropped + self.at - 1, 1
  if self.ended and not self.failure and byte(self.buffer, -1) ~= LF then
    self.buffer, self.dropped = self.buffer .. "\n", self.dropped - 1
  end
end

-- Nothing is left, or reading has failed.
local function finish(self)
  local failure = self.failure
  self.at, self.failure = #self.buffer + 1, nil
  if failure then
    return nil, failure, "io", self.line
  end
end

local function breaks(self, from, to)
  local _, count = gsub(sub(self.buffer, from, to), "\n", "")
  return count
end

-- Gives up the record at self.at. Its fault is at `opened` and was noticed at `noticed`: the line after that is read
-- next. The message says when more than one line is lost.
local function refuse(self, message, opened, noticed)
  local line = self.line + breaks(self, self.at, opened - 1)
  local last = line + breaks(self, opened, noticed - 1)
  local stop = find(self.buffer, "\n", noticed, true)
  while not stop and not self.ended do
    self.at = #self.buffer + 1
    fill(self, LIMIT)
    stop = find(self.buffer, "\n", 1, true)
  end
  if last > self.line then
    message = ("%s (lines %d to %d are skipped)"):format(message, self.line, last)
  end
  self.at, self.line = (stop or #self.buffer) + 1, last + 1
  return nil, message, "invalid", line
end

-- The last byte of the line whose LF is at `stop`.
local function line_end(buffer, stop)
  return stop - (byte(buffer, stop - 1) == CR and 2 or 1)
end

-- The next line that is not empty, and where its LF is; self.at is then its start. Reads at least `limit` bytes ahead.
local function peek(self, limit)
  while true do
    if #self.buffer - self.at < limit and not self.ended then
      fill(self, limit)
    end
    local at, stop = self.at, find(self.buffer, "\n", self.at, true)
    local last = stop and line_end(self.buffer, stop)
    if not stop and limit < LIMIT and not self.ended then
      limit = LIMIT
    elseif (stop or #self.buffer + 1) - at > LIMIT then
      return refuse(self, "the line is longer than 1 MiB", at, at + LIMIT)
    elseif not stop then
      return finish(self)
    elseif self.line == 1 and find(self.buffer, "^\239\187\191", at) then
      self.at = at + 3
    elseif last >= at then
      return sub(self.buffer, at, last), stop
    else
      self.at, self.line = stop + 1, self.line + 1
    end
  end
end

-- The fields of a record without quotes.
local function split(text, delimiter)
  local fields, count, from = {}, 0, 1
  local stop = find(text, delimiter, 1, true)
  while stop do
    count = count + 1
    fields[count] = sub(text, from, stop - 1)
    from = stop + 1
    stop = find(text, delimiter, from, true)
  end
  fields[count + 1] = sub(text, from)
  return fields
end

-- The text of the field whose opening quote is at `at`, and what follows its closing quote; nil when that is not there.
local function unquote(buffer, at)
  local quote, doubled = find(buffer, '"', at + 1, true), false
  while quote and byte(buffer, quote + 1) == QUOTE do
    quote, doubled = find(buffer, '"', quote + 2, true), true
  end
  if quote then
    local text = sub(buffer, at + 1, quote - 1)
    return doubled and gsub(text, '""', '"') or text, quote + 1
  end
end

-- The fields of the record at `at`, whose first line has its LF at `lf`, and where its last line has it; or nil, where
-- the field starts that goes wrong, and where text follows its closing quote (nil when the buffer ends before that).
local function scan(buffer, at, lf, delimiter)
  local fields, count, mark, last = {}, 0, byte(delimiter), line_end(buffer, lf)
  repeat
    local text, stop
    if byte(buffer, at) == QUOTE then
      text, stop = unquote(buffer, at)
      lf = stop and (stop <= lf and lf or find(buffer, "\n", stop, true))
      if not lf then
        return nil, at
      end
      last = line_end(buffer, lf)
      if stop <= last and byte(buffer, stop) ~= mark then
        return nil, at, stop
      end
    else
      stop = find(buffer, delimiter, at, true)
      stop = stop and stop <= last and stop or last + 1
      text = sub(buffer, at, stop - 1)
    end
    count, at = count + 1, stop + 1
    fields[count] = text
  until stop > last
  return fields, lf
end

-- The record at self.at, which has quotes and may go on beyond the line break at `lf`: its fields, and where it starts.
local function record(self, lf)
  local line, at = self.line, self.at
  local fields, stop, fault = scan(self.buffer, at, lf, self.delimiter)
  if (fields and stop or fault or #self.buffer + 1) - at > LIMIT then
    return refuse(self, "the record is longer than 1 MiB: is a quote never closed?", at, at + LIMIT)
  elseif fault then
    return refuse(self, "text follows the closing quote of a field that starts on this line", stop, fault)
  elseif not fields and self.failure then
    return finish(self)
  elseif not fields then
    return refuse(self, "the quote opened on this line is never closed", stop, #self.buffer)
  end
  self.at, self.line = stop + 1, line + 1 + (stop > lf and breaks(self, lf, stop - 1) or 0)
  return fields, line
end

-- The delimiter that the header has most of, outside quotes.
local function detect(header)
  local bare = gsub(gsub(header, '"[^"]*"', ""), '".*', "")
  local best, most = ",", 0
  for delimiter in string.gmatch(",;\t|", ".") do
    local _, count = gsub(bare, "%" .. delimiter, "")
    if count > most then
      best, most = delimiter, count
    end
  end
  return best
end

--- The next record, and the line where it starts; nil at the end; or nil, message, code and the line of the fault. The
--- first record is the header: the others must have as many fields. After `invalid` the next call goes on with the line
--- after.
---@return string[]? fields, integer|string|nil line, "invalid"|"encoding"|"io"|nil code, integer? fault `encoding`: no line of the file can be trusted
function Reader:next()
  local text, stop, code, line = peek(self, LIMIT)
  if not text then
    return nil, stop, code, line
  elseif not find(text, "%S") and not (self.delimiter and find(text, self.delimiter, 1, true)) then
    self.at, self.line = stop + 1, self.line + 1 -- blanks alone are no record
    return self:next()
  elseif find(text, "\0", 1, true) then
    return refuse(self, self.width and "this line has zero bytes: the file is damaged, or not CSV"
      or "the header has zero bytes: the file may be UTF-16, save it as UTF-8", self.at, stop)
  end
  local said = not self.width and match(text, '^"?[sS][eE][pP]=([^%w"])"?$')
  if said then
    self.delimiter, self.at, self.line = self.delimiter or said, stop + 1, self.line + 1
    return self:next()
  end
  self.delimiter = self.delimiter or detect(text)
  local where, from, fields = self.line, self.at
  if find(text, '"', 1, true) then
    fields, where, code, line = record(self, stop)
  else
    fields = split(text, self.delimiter)
    self.at, self.line = stop + 1, where + 1
  end
  if fields and not is_utf8(sub(self.buffer, from, self.at - 1)) then
    return nil, NOT_UTF8, "encoding", where
  end
  self.width = self.width or fields and #fields
  self.ragged = fields and #fields ~= self.width and fields or nil
  if self.ragged then
    local cr = find(sub(self.buffer, from, self.at - 1), "\r[^\n]") and #fields > self.width
    return nil, ("the header has %d fields, but this row %d%s"):format(self.width, #fields,
      cr and ": it has a carriage return within, where the line may end" or ""), "invalid", where
  end
  return fields, where, code, line
end

--- The next line that is not empty, as it is, and its number; otherwise as `next`. For formats of one record a line,
--- which need the same bounds.
---@return string? text, integer|string|nil line, "invalid"|"io"|nil code, integer? fault
function Reader:next_line()
  local text, stop, code, line = peek(self, SHORT)
  if not text then
    return nil, stop, code, line
  end
  self.at, self.line = stop + 1, self.line + 1
  return text, self.line - 1
end

--- Passes on lines that are read already (maybe none), thousands in one call. `take(text, from, most)` returns the
--- position of the first line it has not taken, and how many it has. No line it sees is too long.
---@param take fun(text: string, from: integer, most: integer): integer, integer
---@param most integer how many lines
---@return integer count how many were taken
function Reader:feed(take, most)
  if #self.buffer - self.at > LIMIT then
    return 0
  end
  local at, count = take(self.buffer, self.at, most)
  self.at, self.line = at, self.line + count
  return count
end

--- How many bytes have been taken, for comparing with the size of the file.
---@return integer
function Reader:position()
  return self.dropped + self.at - 1
end

-- Writing -------------------------------------------------------------------------------------------------------------

-- What spreadsheets run begins with = + - or @, of normal or of full width (U+FF0B, U+FF0D, U+FF1D, U+FF20), perhaps behind
-- what they drop, or take for a separator.
local FORMULA, WIDE_FORMULA = "^[=+%-@;\t\r\n]", "^\239\188[\139\141\157\160]"

local function cell(text)
  if find(text, FORMULA) or find(text, WIDE_FORMULA) then
    text = "'" .. text
  end
  return find(text, '[",;\t\r\n]') and '"' .. gsub(text, '"', '""') .. '"' or text
end

--- A record as RFC 4180 has it. Names and ids cannot be trusted: an apostrophe makes text of what looks like a formula.
---@param cells string[]
---@return string record with its line end
function csv.record(cells)
  local written = {}
  for i, text in ipairs(cells) do
    written[i] = cell(text)
  end
  return table.concat(written, ",") .. "\r\n"
end

return csv
