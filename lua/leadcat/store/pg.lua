--- A client of PostgreSQL, by its protocol 3 over `leadcat.util.socket`: in nginx no worker waits for the database.
--
--     local pool = pg.pool "postgresql://crm:secret@db1,db2,db3/crm"
--     local find = pg.statement("SELECT name, version FROM company WHERE id = $1", { "int8" })
--     local result, message, code, problem = pool:run(find, { 42 })
--     print(result[1][1], result.count)
--
-- * A call is one round trip, and is sent once. `failed`: the server said no, and nothing was done; `problem.sqlstate` and
--   `problem.constraint` say why. `unavailable`: it is not known whether it was done, or the server cannot now.
-- * A WARNING is `unavailable` as well, with the `problem`: so PostgreSQL says that a commit has not reached a standby. With
--   `keeps_warnings` it is in `result.warnings` instead.
-- * Values: integers up to 2^53 are numbers, larger ones and `numeric` texts of digits; NULL is nil; `bytea` is a text of
--   any bytes; arrays are lists with `n`. Types that are not read here have to be cast to text.
-- * Give the server a `statement_timeout` below `timeout`: then it gives up first, and says so.
-- * Statements keep their names in a session: a pooler between here and the server must be one that knows prepared statements.

local conninfo = require "leadcat.store.pg.conninfo"
local options_of = require "leadcat.util.options"
local pools = require "leadcat.store.pg.pool"
local statements = require "leadcat.store.pg.statement"

local pg = {}

local SIZE, TIMEOUT = 10, 10

---@class leadcat.pg.Options
---@field size? integer connections at most, in nginx of each worker; default 10
---@field timeout? number seconds for the reply to a call; default 10
---@field settings? table<string, string> of the server, such as `statement_timeout = "5s"`
---@field keeps_warnings? boolean
---@field ignores_raised? boolean warnings that functions and triggers of the database raise are none of the server's

local OPTIONS = {
  size = options_of.whole(1, 1000),
  timeout = options_of.kind("seconds above 0, up to 3600", function(value)
    return type(value) == "number" and value > 0 and value <= 3600
  end),
  settings = options_of.kind("a table of texts by name", function(value)
    for name, text in pairs(type(value) == "table" and value or { false }) do
      if type(name) ~= "string" or type(text) ~= "string" or (name .. text):find("\0", 1, true) then
        return false
      end
    end
    return true
  end),
  keeps_warnings = options_of.of_type "boolean", ignores_raised = options_of.of_type "boolean",
}

--- Connections, which are made when they are needed. Raises on a connection string that cannot be used.
---@param text string postgresql://user:password@host:port,host/database?…; the parameters are host, port, user, password, dbname, application_name, connect_timeout (seconds for each host, default 5), sslmode (`verify-full`, default but for this machine; `require`: nobody knows with whom; `disable`), sslrootcert (in nginx lua_ssl_trusted_certificate says that), target_session_attrs (`read-write`, the default, `primary` or `any`), options. Without a password, the environment variable PGPASSWORD has it
---@param options? leadcat.pg.Options
---@return leadcat.pg.Pool
function pg.pool(text, options)
  options = options_of.check(options, OPTIONS, "leadcat.store.pg: ")
  local info, message = nil, "a text expected"
  if type(text) == "string" then
    info, message = conninfo.parse(text)
  end
  if not info then
    error("leadcat.store.pg: the connection string: " .. message, 2)
  end
  return pools.new(info, {
    settings = options.settings or {}, timeout = options.timeout or TIMEOUT, size = options.size or SIZE,
    keeps_warnings = options.keeps_warnings or false, ignores_raised = options.ignores_raised or false,
  })
end

--- A statement for all pools. Raises on a type that is not known.
---@param sql string with $1, $2 … for the parameters
---@param types? string[] of the parameters: bool, bytea, char, int2, int4, int8, text, varchar, json, lists of these (`int8[]`), float8, numeric, timestamptz, uuid, jsonb, and `unknown`, which the server finds out
---@param options? {text: boolean} text: columns come as the texts that SQL has for them, whatever their types
---@return leadcat.pg.Statement
function pg.statement(sql, types, options)
  local made = statements.new(sql, types or {}, options)
  return made
end

return pg
