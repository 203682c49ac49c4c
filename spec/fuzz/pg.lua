--- What a server of PostgreSQL sends, as a target for fuzzers (see targets.lua): whatever it is, reading ends, and nothing is believed
-- that was not said in whole.

local core = require "leadcat.core"
local pg = require "leadcat.store.pg"
local socket = require "leadcat.util.socket"

local CONNECT, REPLY = 5, 10 -- seconds
local LONGEST = CONNECT + REPLY + 10 -- what has come by then is read without waiting
local SECONDS = { [0] = 0, 0, 1, 4 } -- that each piece takes

local ONE = pg.statement("SELECT $1::int8", { "int8" })
local OTHER = pg.statement("SELECT 'x'", {}, { text = true })

local function expect(holds, what, ...)
  if not holds then
    error(("broken: %s (%s)"):format(what, table.concat({ ... }, ", ")), 0)
  end
end

local function be32(n)
  return string.char(math.floor(n / 16777216) % 256, math.floor(n / 65536) % 256, math.floor(n / 256) % 256, n % 256)
end

local function framed(kind, body)
  return kind .. be32(#body + 4) .. body
end

-- With what a session begins that nobody has to prove anything in.
local BEGUN = framed("R", be32(0)) .. framed("S", "in_hot_standby\0off\0")
  .. framed("S", "default_transaction_read_only\0off\0") .. framed("Z", "I")

-- A connection over which these bytes come.
local function connection_of(bytes, how, seen)
  local handle, at = {}, 1

  function handle.send()
    expect(not seen.is_closed, "nothing is sent over a connection that is closed")
    return true
  end

  function handle.receive(_, most, deadline)
    expect(not seen.is_closed, "nothing is read from a connection that is closed")
    core.forward(how.seconds)
    seen.took = seen.took + how.seconds
    if core.uptime() >= deadline then
      return nil, "it took too long"
    end
    local piece = bytes:sub(at, at + math.min(how.size, most) - 1)
    at = at + #piece
    seen.read = at - 1
    return piece ~= "" and piece or nil, "closed"
  end

  function handle.close() seen.is_closed = true end
  function handle.keep() seen.is_kept = true end

  local made = socket.over(handle, "server")
  made.pool = "fuzz"
  return made
end

-- Has nothing of the process differ from one run to the next: the client's nonce, how often SCRAM hashes, and the server.
local function in_a_world(bytes, how, seen, work)
  local real = { connect = socket.connect, random_bytes = core.random_bytes, pbkdf2 = core.pbkdf2_sha256 }
  socket.connect = function() return connection_of(bytes, how, seen) end
  core.random_bytes = function(count) return ("n"):rep(count) end
  core.pbkdf2_sha256 = function(password, salt, count) return real.pbkdf2(password, salt, math.min(count, 2)) end
  local ok, message = pcall(work)
  socket.connect, core.random_bytes, core.pbkdf2_sha256 = real.connect, real.random_bytes, real.pbkdf2
  if not ok then
    error(message, 0)
  end
end

local ALLOWED = { number = true, string = true, boolean = true, table = true }

-- A value, or a list of them, as a text.
local function shown(value)
  if type(value) ~= "table" then
    expect(value == nil or ALLOWED[type(value)], "a value is one", type(value))
    return value ~= value and "nan" or ("%q"):format(tostring(value))
  end
  local parts = {}
  for i = 1, value.n do
    parts[i] = shown(value[i])
  end
  return "{" .. table.concat(parts, " ") .. "}"
end

local function shown_result(result)
  local rows = { tostring(result.command), tostring(result.count) }
  for i, column in ipairs(result.columns) do
    expect(type(column.name) == "string", "a column has a name")
    rows[#rows + 1] = ("%d %q"):format(i, column.name)
  end
  for _, row in ipairs(result) do
    for i = 1, #result.columns do
      rows[#rows + 1] = shown(row[i])
    end
    for i in pairs(row) do
      expect(i <= #result.columns, "a row has values for its columns", i)
    end
  end
  return table.concat(rows, " ")
end

-- What comes of a statement when these bytes come: whether it was done, a text that says it all, and how many were read.
local function outcome_of(bytes, how)
  local pool = pg.pool("postgresql://crm:pencil@127.0.0.1/crm?connect_timeout=" .. CONNECT, { timeout = REPLY })
  local seen, text, is_done = { took = 0, read = 0 }, nil, nil
  in_a_world(how.is_begun and BEGUN .. bytes or bytes, how, seen, function()
    local result, message, code, problem = pool:run(ONE, { 7 }, nil, how.further and { { OTHER, {} } } or nil)
    is_done = result ~= nil
    if result then
      text = shown_result(result)
    else
      expect(type(message) == "string" and message ~= "", "a refusal says why")
      expect(code == "unavailable" or code == "failed" and type(problem.sqlstate) == "string", "a code", tostring(code))
      text = code .. ": " .. message
    end
  end)
  expect(seen.is_closed or seen.is_kept, "a connection is kept, or closed")
  expect(seen.took <= LONGEST, "reading ends", seen.took)
  expect(pool:state().used == 0, "a place is given back")
  return is_done, text, seen.read - (how.is_begun and #BEGUN or 0)
end

--- A server's bytes: the first one says in what pieces they come, the second one how: 1: behind the beginning of a session; 2: there are
--- two statements; 4, 8: slowly.
---@param bytes string
return function(bytes)
  local size, flags = (bytes:byte(1) or 0) + 1, bytes:byte(2) or 0
  local function how(of_size, seconds)
    return {
      size = of_size, seconds = seconds, is_begun = flags % 2 == 1, further = math.floor(flags / 2) % 2 == 1,
    }
  end
  local rest, seconds = bytes:sub(3), SECONDS[math.floor(flags / 4) % 4]
  local is_done, whole = outcome_of(rest, how(math.huge, 0))
  local _, pieces = outcome_of(rest, how(size, 0))
  expect(whole == pieces, "pieces give what the whole gives", whole, pieces)
  if seconds > 0 then
    outcome_of(rest, how(size, seconds))
  end
  if is_done then
    local _, _, read = outcome_of(rest, how(1, 0))
    expect(not outcome_of(rest:sub(1, read - 1), how(1, 0)), "what was cut off is not believed", whole)
  end
end
