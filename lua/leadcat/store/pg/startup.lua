--- How a session begins: TLS, who we are, and whether the server is one that can be written to.

local message = require "leadcat.store.pg.message"
local platform = require "leadcat.util.platform"
local scram = require "leadcat.store.pg.scram"
local socket = require "leadcat.util.socket"
local wire = require "leadcat.store.pg.wire"

local startup = {}

local MOST_MESSAGES, LONGEST = 1000, 65536 -- of a server that has not let us in yet

---@class leadcat.pg.Session
---@field wire leadcat.pg.Wire
---@field parameters? table<string, string> what the server says of itself; nil when the session had begun before

-- TLS ----------------------------------------------------------------------------------------------------------------

-- Begins TLS where it is asked for; or nil, reason.
local function secure(connection, host, info)
  if host.sslmode == "disable" then
    return true
  end
  local ok, reason = connection:send(message.SSL_REQUEST)
  local answer
  if ok then
    answer, reason = connection:receive_some(2) -- one byte: whatever comes with it was sent by somebody else
  end
  if not answer then
    return nil, reason
  elseif answer ~= "S" then
    connection:close()
    return nil, answer == "N" and "the server does not speak TLS; sslmode=disable goes without, in clear"
      or "the server has answered the request for TLS with something else"
  end
  ok, reason = connection:start_tls {
    verify = host.sslmode == "verify-full", cafile = not platform.is_nginx and info.sslrootcert or nil,
  }
  return ok, reason
end

-- Who we are ---------------------------------------------------------------------------------------------------------

local AUTHENTICATE = {}

local function next_password(session)
  if not session.info.password then
    return nil, "the server wants a password, and there is none"
  end
  return session.info.password
end

AUTHENTICATE[0] = function(session)
  if session.exchange then
    return nil, "the server has not proven that it knows the password"
  end
  session.is_in = true
  return true
end

AUTHENTICATE[3] = function(session)
  local password, reason = next_password(session)
  if not password then
    return nil, reason
  elseif session.host.sslmode ~= "verify-full" or password:find("\0", 1, true) then
    return nil, "the server wants the password in clear, which it only gets with sslmode=verify-full"
  end
  return session.wire:send(message.password(password .. "\0"))
end

AUTHENTICATE[5] = function()
  return nil, "the server wants the password as MD5, which is not safe: set password_encryption to scram-sha-256 "
    .. "there, then the password anew"
end

AUTHENTICATE[10] = function(session, data)
  local password, reason = next_password(session)
  if not password then
    return nil, reason
  elseif session.exchange or not ("\0" .. data):find("\0" .. scram.MECHANISM .. "\0", 1, true) then
    return nil, "the server does not offer " .. scram.MECHANISM
  end
  password, reason = scram.prepare(password)
  if password then
    session.exchange, reason = scram.new(password)
  end
  if not session.exchange then
    return nil, reason
  end
  return session.wire:send(message.sasl_initial(scram.MECHANISM, session.exchange.first))
end

AUTHENTICATE[11] = function(session, data)
  local answer, reason
  if session.exchange and not session.exchange.signature then
    answer, reason = session.exchange:answer(data)
  end
  if not answer then
    return nil, reason or "the server has sent what does not belong here"
  end
  return session.wire:send(message.password(answer))
end

AUTHENTICATE[12] = function(session, data)
  if not session.exchange or not session.exchange:is_proven(data) then
    return nil, "the server has not proven that it knows the password"
  end
  session.exchange = nil
  return true
end

-- Answers a request for authentication; or nil, reason.
local function authenticate(session, body)
  local handle = #body >= 4 and not session.is_in and AUTHENTICATE[message.u32(body, 1)]
  if not handle then
    return nil, "the server wants a kind of authentication that is not known here"
  end
  return handle(session, body:sub(5))
end

-- What comes before the server is ready; each gives true, or nil, reason, problem.
local TAKE = { R = authenticate }

function TAKE.S(session, body)
  local texts = message.texts(body)
  if texts and #texts == 2 then
    session.parameters[texts[1]] = texts[2]
  end
  return texts ~= nil
end

function TAKE.N() return true end

function TAKE.K(session) return session.is_in end

function TAKE.E(_, body)
  local problem = message.problem(body)
  return nil, problem and problem.message, problem
end

-- Reads until the server is ready; or nil, reason, problem.
local function wait_until_ready(session)
  for _ = 1, MOST_MESSAGES do
    local kind, body = session.wire:read()
    if not kind then
      return nil, body
    elseif kind == "Z" and session.is_in then
      return true
    end
    local take, ok, reason, problem = #body <= LONGEST and TAKE[kind], nil, nil, nil
    if take then
      ok, reason, problem = take(session, body)
    end
    if not ok then
      return nil, reason or "this is no server of PostgreSQL", problem
    end
  end
  return nil, "the server never gets ready"
end

-- ----------------------------------------------------------------------------------------------------------------------

local function parameters_of(info, settings)
  local list = {
    "user", info.user, "database", info.database, "application_name", info.application_name, "client_encoding", "UTF8",
  }
  for name, value in pairs(settings) do
    list[#list + 1], list[#list + 2] = name, value
  end
  if info.options then
    list[#list + 1], list[#list + 2] = "options", info.options
  end
  return list
end

--- Begins a session with one host, unless one was put aside under this name of a pool.
---@param info leadcat.pg.Conninfo
---@param host leadcat.pg.Host
---@param settings table<string, string> of the server, for this session
---@param pool string what the connection is kept as, when it is not used
---@return leadcat.pg.Session? session, string? reason, leadcat.pg.Problem? problem
function startup.begin(info, host, settings, pool)
  local connection, reason = socket.connect {
    host = host.host, port = host.port, path = host.path, timeout = info.connect_timeout, pool = pool,
  }
  local ok = connection
  if connection and connection.is_reused then
    return { wire = wire.new(connection) }
  elseif connection then
    ok, reason = secure(connection, host, info)
  end
  if not ok then
    return nil, wire.plain(reason)
  end
  local session = { wire = wire.new(connection), parameters = {}, info = info, host = host }
  session.wire:begin(info.connect_timeout)
  local problem
  ok, reason = session.wire:send(message.startup(parameters_of(info, settings)))
  if ok then
    ok, reason, problem = wait_until_ready(session)
  end
  if not ok then
    session.wire:fail(reason)
    return nil, reason, problem
  end
  return { wire = session.wire, parameters = session.parameters }
end

return startup
