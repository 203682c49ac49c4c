--- Reads the answer to an HTTP/1.1 request (RFC 9112) from a server that is not trusted: what is wrong, ambiguous, or too long
-- ends the connection.

local response = {}

local MOST_LINE, MOST_HEAD, MOST_BODY = 8192, 65536, 2 ^ 20 -- bytes

---@class leadcat.HttpResponse
---@field status integer
---@field headers table<string, string> by their names in lower case; what came several times is joined by ", "
---@field body string

-- Lines ---------------------------------------------------------------------------------------------------------------

-- The next line of a head; or nil, message. `head.left`: how many bytes may come.
local function read_line(socket, head)
  if head.left <= 0 then
    return socket:fail "the head of the answer is too long"
  end
  local line, message = socket:receive_line(math.min(MOST_LINE, head.left))
  if not line then
    return nil, message
  end
  head.left = head.left - #line - 2
  if line:find "[%z\1-\8\10-\31\127]" then
    return socket:fail "the head of the answer has control characters"
  end
  return line
end

-- Header lines up to the empty one, by lower-case name; or nil, message.
local function read_fields(socket, head)
  local fields = {}
  while true do
    local line, message = read_line(socket, head)
    if not line then
      return nil, message
    elseif line == "" then
      return fields
    end
    local name, value = line:match "^([%w!#$%%&'*+.^_`|~-]+):[ \t]*(.-)[ \t]*$"
    if not name then
      return socket:fail "the answer has a line that is no header"
    end
    name = name:lower()
    fields[name] = fields[name] and fields[name] .. ", " .. value or value
  end
end

-- The answer without its body; or nil, message. Interim answers are skipped.
local function read_head(socket)
  local head = { left = MOST_HEAD }
  repeat
    local line, message = read_line(socket, head)
    if not line then
      return nil, message
    end
    local minor, status = line:match "^HTTP/1%.([01]) ([1-9]%d%d)%f[ %z]"
    if not status then
      return socket:fail "the answer is not HTTP/1.1"
    end
    head.minor, head.status = tonumber(minor), tonumber(status)
    if head.status == 101 then
      return socket:fail "the server speaks another protocol, which nobody has asked for"
    end
    head.headers, message = read_fields(socket, head)
    if not head.headers then
      return nil, message
    end
  until head.status >= 200
  return head
end

-- Bodies --------------------------------------------------------------------------------------------------------------

local function too_long(socket)
  return socket:fail(("the answer is longer than %d bytes"):format(MOST_BODY))
end

local function read_until_end(socket)
  local pieces, size = {}, 0
  while true do
    local bytes, message = socket:receive_some()
    if not bytes then
      return socket.has_ended and table.concat(pieces) or nil, message
    end
    pieces[#pieces + 1], size = bytes, size + #bytes
    if size > MOST_BODY then
      return too_long(socket)
    end
  end
end

-- The next chunk, empty for the last; or nil, message. `left`: how long it may be.
local function read_chunk(socket, head, left)
  local line, message = read_line(socket, head)
  if not line then
    return nil, message
  end
  local digits = line:match "^(%x+)[ \t]*$" or line:match "^(%x+)[ \t]*;"
  local size = digits and #digits <= 8 and tonumber(digits, 16)
  if not size then
    return socket:fail "a chunk of the answer has no size"
  elseif size > left then
    return too_long(socket)
  end
  local bytes
  bytes, message = socket:receive(size)
  if bytes and size > 0 then
    line, message = read_line(socket, head)
    if line and line ~= "" then
      return socket:fail "a chunk of the answer is longer than it says"
    end
  end
  return line and bytes, message
end

local function read_chunks(socket, head)
  local pieces, left = {}, MOST_BODY
  head.left = MOST_BODY -- for their sizes
  repeat
    local bytes, message = read_chunk(socket, head, left)
    if not bytes then
      return nil, message
    end
    pieces[#pieces + 1], left = bytes, left - #bytes
  until bytes == ""
  head.left = math.min(head.left, MOST_HEAD)
  local trailers, message = read_fields(socket, head)
  return trailers and table.concat(pieces), message
end

-- The length that the head says, which may be said twice; or nil, message.
local function length_of(socket, text)
  local length = text:match "^%d+"
  for other in (text .. ","):gmatch "[ \t]*(.-)[ \t]*," do
    if not length or other ~= length then
      return socket:fail "the answer has a Content-Length that is none"
    end
  end
  if #length > 15 or tonumber(length) > MOST_BODY then
    return too_long(socket)
  end
  return tonumber(length)
end

-- The body; or nil, message. `head.is_delimited`: whether another answer can follow it.
local function read_body(socket, head, method)
  local coding, length = head.headers["transfer-encoding"], head.headers["content-length"]
  if method == "HEAD" or head.status == 204 or head.status == 304 then
    head.is_delimited = true
    return ""
  elseif coding then
    if coding:lower() ~= "chunked" or length or head.minor == 0 then
      return socket:fail "nobody can say where the answer ends"
    end
    head.is_delimited = true
    return read_chunks(socket, head)
  elseif not length then
    return read_until_end(socket)
  end
  head.is_delimited = true
  local size, message = length_of(socket, length)
  if not size then
    return nil, message
  end
  return socket:receive(size)
end

local function may_be_kept(head)
  local connection = ("," .. (head.headers.connection or "") .. ","):lower():gsub("[ \t]", "")
  return head.is_delimited and head.minor == 1 and not connection:find(",close,", 1, true)
end

--- Reads an answer, and releases or closes the connection.
---@param socket leadcat.Socket
---@param method string of the request
---@return leadcat.HttpResponse? response, string? message, "unavailable"? code
function response.read(socket, method)
  local head, body, message
  head, message = read_head(socket)
  if head then
    body, message = read_body(socket, head, method)
  end
  if not body then
    socket:close()
    return nil, message, "unavailable"
  elseif may_be_kept(head) then
    socket:release()
  else
    socket:close()
  end
  return { status = head.status, headers = head.headers, body = body }
end

return response
