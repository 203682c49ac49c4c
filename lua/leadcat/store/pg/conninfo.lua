--- Connection strings, as libpq has them: postgresql://user:password@db1:5432,db2/database?parameter=value. What is not
-- understood is refused: a setting that nobody heeds, such as how to verify certificates, would be a trap.

local conninfo = {}

local PORT = 5432

---@class leadcat.pg.Host
---@field name string for messages
---@field host? string
---@field port? integer
---@field path? string instead of both: of a Unix socket
---@field sslmode "disable"|"require"|"verify-full"

---@class leadcat.pg.Conninfo
---@field hosts leadcat.pg.Host[] at least one
---@field user string
---@field password? string
---@field database string
---@field application_name string
---@field options? string of the server: "-c name=value …"
---@field connect_timeout integer seconds for each host
---@field sslrootcert? string a file of certificates
---@field target "read-write"|"primary"|"any"

-- What %XX stands for; nil where that is malformed, or a NUL.
local function decoded(text)
  if text:gsub("%%%x%x", ""):find("%", 1, true) or text:find("%%00") then
    return nil
  end
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function split(text, separator)
  local parts = {}
  for part in (text .. separator):gmatch("(.-)" .. separator) do
    parts[#parts + 1] = part
  end
  return parts
end

-- Parameters ---------------------------------------------------------------------------------------------------------

local function one_of(...)
  local words = { ... }
  return function(value)
    for _, word in ipairs(words) do
      if value == word then
        return true
      end
    end
    return false, table.concat(words, ", ")
  end
end

local function any() return true end

local function is_whole(value)
  local number = value:find "^%d+$" and tonumber(value)
  return number ~= nil and number >= 1 and number <= 600, "whole seconds from 1 to 600"
end

-- What there is, and what may be said: `false, what` for the others.
local KNOWN = {
  host = any, port = any, user = any, password = any, dbname = any, application_name = any, options = any,
  sslrootcert = any, connect_timeout = is_whole, sslmode = one_of("disable", "require", "verify-full"),
  target_session_attrs = one_of("read-write", "primary", "any"), channel_binding = one_of("disable", "prefer"),
  client_encoding = one_of("UTF8", "utf8"),
}

-- Why some of libpq's words are not among those.
local WHY = {
  ["sslmode=prefer"] = "it does not say whether the connection is encrypted",
  ["sslmode=allow"] = "it hardly ever encrypts",
  ["sslmode=verify-ca"] = "it does not look whom the certificate is for",
  ["target_session_attrs=standby"] = "standbys are never read",
  ["target_session_attrs=prefer-standby"] = "standbys are never read",
  ["target_session_attrs=read-only"] = "standbys are never read",
  passfile = "the password stands in the string, or in the environment variable PGPASSWORD",
  service = "say host, user and database in the string", sslcert = "client certificates are not supported",
  sslkey = "client certificates are not supported", sslcrl = "revocation lists are not supported",
  require_auth = "a password is never sent in clear, nor as MD5", gssencmode = "GSSAPI is not supported",
}

local function names()
  local list = {}
  for name in pairs(KNOWN) do
    list[#list + 1] = name
  end
  table.sort(list)
  return table.concat(list, ", ")
end

local function because(key)
  return WHY[key] and ": " .. WHY[key] or ""
end

-- Adds the parameters behind the question mark; or says what is wrong.
local function read_parameters(query, found)
  for _, pair in ipairs(query == "" and {} or split(query, "&")) do
    local name, value = pair:match "^([^=]*)=(.*)$"
    name, value = decoded(name or pair), decoded(value or "")
    if not pair:find("=", 1, true) or not name or not value then
      return "parameters are written name=value, with %XX for what is no letter or digit"
    elseif not KNOWN[name] then
      return ("parameter '%s' is not supported%s (there are %s)"):format(name, because(name), names())
    end
    local fits, what = KNOWN[name](value)
    if not fits then
      return ("parameter '%s': %s expected, not '%s'%s"):format(name, what, value, because(name .. "=" .. value))
    end
    found[name] = value
  end
end

-- Hosts --------------------------------------------------------------------------------------------------------------

-- The hosts and ports of the part behind the user, still encoded: lists.
local function read_hosts(text)
  local hosts, ports = {}, {}
  for _, part in ipairs(split(text, ",")) do
    local host, port = part:match "^%[([%x:.%%]*)%]:?(%d*)$"
    if not host then
      host, port = part:match "^([^:%[%]]*):?(%d*)$"
    end
    if not host then
      return nil, "a host is written name, name:port, or [IPv6 address]:port"
    end
    hosts[#hosts + 1], ports[#ports + 1] = host, port
  end
  return hosts, ports
end

local function is_loopback(host)
  return host == "localhost" or host == "::1" or host:find "^127%.%d+%.%d+%.%d+$" ~= nil
end

local function make_host(host, port, sslmode)
  if host:sub(1, 1) == "/" then
    local path = ("%s/.s.PGSQL.%d"):format(host, port)
    return { name = path, path = path, sslmode = "disable" }
  end
  local shown = host:find(":", 1, true) and "[" .. host .. "]" or host
  return {
    name = ("%s:%d"):format(shown, port), host = host, port = port,
    sslmode = sslmode or (is_loopback(host) and "disable" or "verify-full"),
  }
end

-- The list of hosts; or nil and what is wrong. One port is that of all hosts, as with libpq.
local function hosts_of(hosts, ports, sslmode)
  if #ports ~= #hosts and #ports ~= 1 then
    return nil, ("there are %d hosts, but %d ports"):format(#hosts, #ports)
  end
  local list = {}
  for i, text in ipairs(hosts) do
    local host, said = decoded(text), ports[i] or ports[1]
    local port = said == "" and PORT or said:find "^%d+$" and tonumber(said)
    if not host or host == "" or host:find "[%s%c]" then
      return nil, "a host's name is missing, or malformed"
    elseif not port or port < 1 or port > 65535 then
      return nil, ("a port is an integer from 1 to 65535, not '%s'"):format(said)
    end
    list[i] = make_host(host, port, sslmode)
  end
  return list
end

-- ----------------------------------------------------------------------------------------------------------------------

-- Takes the string apart, still encoded; or nil and what is wrong.
local function take_apart(text)
  local rest = text:match "^postgresql://(.*)$" or text:match "^postgres://(.*)$"
  if not rest then
    return nil, "it begins with postgresql://"
  end
  local before, query = rest:match "^([^?]*)%??(.*)$"
  local authority, database = before:match "^([^/]*)/?(.*)$"
  local login, hosts = authority:match "^([^@]*)@(.*)$"
  if (hosts or authority):find("@", 1, true) then
    return nil, "a @ within a user's name or password is written %40"
  end
  local user, password = (login or ""):match "^([^:]*):?(.*)$"
  return { user = user, password = password, database = database, hosts = hosts or authority, query = query }
end

-- The part, decoded, or the parameter of this name, which comes last.
local function either(parts, name, found, parameter)
  local value = found[parameter] or decoded(parts[name])
  return value ~= "" and value or nil
end

local function finish(parts, found)
  local hosts, ports = read_hosts(parts.hosts)
  if not hosts then
    return nil, ports
  end
  hosts = found.host and split(found.host:gsub("%%", "%%25"), ",") or hosts
  ports = found.port and split(found.port, ",") or found.host and { "" } or ports
  local list, message = hosts_of(hosts, ports, found.sslmode)
  if not list then
    return nil, message
  end
  local user = either(parts, "user", found, "user")
  if not user then
    return nil, "it names no user"
  end
  return {
    hosts = list, user = user, password = either(parts, "password", found, "password") or os.getenv "PGPASSWORD",
    database = either(parts, "database", found, "dbname") or user,
    application_name = found.application_name or "leadcat", options = found.options,
    connect_timeout = tonumber(found.connect_timeout or 5), sslrootcert = found.sslrootcert,
    target = found.target_session_attrs or "read-write",
  }
end

--- Reads a connection string. Messages have no password in them.
---@param text string
---@return leadcat.pg.Conninfo? conninfo, string? message
function conninfo.parse(text)
  local parts, message = take_apart(text)
  if not parts then
    return nil, message
  end
  for _, name in ipairs { "user", "password", "database", "hosts" } do
    if not decoded(parts[name]) then
      return nil, "behind each % are two hexadecimal digits (but not 00): a % itself is written %25"
    end
  end
  local found = {}
  message = read_parameters(parts.query, found)
  if message then
    return nil, message
  end
  return finish(parts, found)
end

return conninfo
