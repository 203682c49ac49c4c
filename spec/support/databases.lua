--- The databases that specs run: PostgreSQL and MariaDB, each a server of its own on a free port of 127.0.0.1, and SQLite in
-- a file. A server is started by the first spec that needs it, and stopped by `databases.stop()`, by its process id.

local server = require "nginx.server"

local databases = {}

databases.DIALECTS = { "postgresql", "mariadb", "sqlite" }

local LOOPBACK = "127.0.0.1"

local running = {} -- by name

local function run(command)
  local pipe = assert(io.popen("{ " .. command .. "; } 2>&1; echo $?"))
  local output, status = pipe:read "*a":match "^(.-)(%d+)\n$"
  pipe:close()
  return status == "0", output
end

local function must(command)
  local ok, output = run(command)
  assert(ok, output)
  return output
end

local is_root = must "id -u" == "0\n"

local USERS = { postgresql = "postgres", mariadb = "mysql" } -- a server does not run as root
local AS = "setpriv --reuid=%s --regid=%s --clear-groups env HOME=/tmp sh -c '%s'"

local function client(database, command)
  return (command:gsub("$dir", database.directory):gsub("$port", tostring(database.port)):gsub("$host", database.host))
end

-- Runs a command as the server's user; what it says `$dir`, `$host` and `$port` for is the database's.
local function run_as_server(database, command)
  local user = USERS[database.dialect]
  command = is_root and AS:format(user, user, client(database, command)) or client(database, command)
  return must((database.netns and "ip netns exec " .. database.netns .. " " or "") .. command)
end

local function new_directory(user)
  local directory = must "mktemp -d":match "[^\n]+"
  if is_root and user then
    must(("chown %s: %s"):format(user, directory))
  end
  return directory
end

local START, STOP, ADAPTER = {}, {}, {}

--- What is preloaded into a process to set its clock; `make` it first.
databases.CLOCK = (os.getenv "LEADCAT_BUILD" or "build") .. "/faults/clock.so"
local CLOCK = databases.CLOCK

local BINARIES = io.popen "ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1":read "*l"
local PSQL = (BINARIES or "") .. "/psql" -- Debian's own starts Perl first

function START.postgresql(database)
  if database.copy_of then
    local copy = "cp -a " .. database.copy_of.directory .. "/data $dir/data && touch $dir/data/standby.signal"
    must(client(database, copy))
    return databases.restart(database)
  end
  run_as_server(database, BINARIES .. "/initdb -D $dir/data -A trust -U leadcat --no-locale -E UTF8")
  if database.host ~= LOOPBACK then
    run_as_server(database, 'for what in all replication; do echo "host $what all samenet trust"; done '
      .. ">>$dir/data/pg_hba.conf")
  end
  databases.restart(database)
  must(client(database, PSQL .. ' -h $host -p $port -U leadcat -d postgres -c "CREATE DATABASE crm"'))
end

function START.mariadb(database)
  run_as_server(database, "mariadb-install-db --no-defaults --datadir=$dir/data "
    .. "--auth-root-authentication-method=normal --skip-test-db")
  databases.restart(database)
  must(client(database, "mariadb --no-defaults -uroot -S $dir/socket -e \"CREATE DATABASE crm; "
    .. "CREATE USER leadcat@'127.0.0.1' IDENTIFIED BY 'leadcat'; GRANT ALL ON crm.* TO leadcat@'127.0.0.1'\""))
end

function START.sqlite() end

local RESTART = {}

function RESTART.postgresql(database)
  local settings = '-o "-p $port -k $dir -h $host -c fsync=' .. (database.is_durable and "on" or "off") .. '"'
  local clock = database.has_clock and "LD_PRELOAD=$dir/clock.so LEADCAT_CLOCK=$dir/clock " or ""
  run_as_server(database, clock .. ("%s/pg_ctl -D $dir/data -w -m immediate -l $dir/log %s %s"):format(BINARIES,
    settings, database.is_running and "restart" or "start"))
end

function RESTART.mariadb(database)
  if database.is_running then
    STOP.mariadb(database)
  end
  run_as_server(database, "mariadbd --no-defaults --datadir=$dir/data --port=$port --bind-address=127.0.0.1 "
    .. "--socket=$dir/socket --pid-file=$dir/pid --innodb-flush-log-at-trx-commit=2 >>$dir/log 2>&1 &")
  assert(server.wait_for(function()
    return run(client(database, "mariadb --no-defaults -uroot -S $dir/socket -e 'SELECT 1'"))
  end), "MariaDB did not start")
end

--- Kills a server if it runs, and starts it.
---@param database support.Database
function databases.restart(database)
  RESTART[database.dialect](database)
  database.is_running = true
end

function STOP.postgresql(database)
  run_as_server(database, BINARIES .. "/pg_ctl -D $dir/data -w -m immediate stop")
end

function STOP.mariadb(database)
  must(client(database, "pid=$(cat $dir/pid); kill -9 $pid; while kill -0 $pid 2>/dev/null; do sleep 0.02; done"))
end

function STOP.sqlite() end

local function at(database, driver, password)
  return {
    driver = driver, database = "crm", user = "leadcat", password = password, host = database.host,
    port = database.port,
  }
end

function ADAPTER.postgresql(database)
  return at(database, "PostgreSQL", "")
end

function ADAPTER.mariadb(database)
  return at(database, "MySQL", "leadcat")
end

function ADAPTER.sqlite(database)
  return { driver = "SQLite3", database = database.directory .. "/crm.sqlite" }
end

---@class support.Database
---@field dialect string
---@field directory string
---@field port integer?
---@field is_durable? boolean
---@field is_running? boolean
---@field copy_of? support.Database
---@field has_clock? boolean
---@field host string
---@field netns? string
---@field options table of `leadcat.host.sql.dbi`

--- A running database, which is shared by the specs of a file.
---@param dialect string
---@param options? {is_durable?: boolean, name?: string, copy_of?: support.Database, has_clock?: boolean, host?: string, netns?: string} of PostgreSQL: what it commits survives a power failure; one beside the first, by its name; a standby with the data of one that is stopped; one whose clock can be set; its address, and the network namespace of that
---@return support.Database
function databases.get(dialect, options)
  options = options or {}
  local name = options.name or dialect
  if not running[name] then
    local database = {
      dialect = dialect, directory = new_directory(USERS[dialect]), port = server.free_port(),
      is_durable = options.is_durable, copy_of = options.copy_of, has_clock = options.has_clock,
      host = options.host or LOOPBACK, netns = options.netns,
    }
    if database.has_clock then
      must(client(database, "make -s " .. CLOCK .. " && install -m 755 " .. CLOCK .. " $dir/clock.so"))
      databases.set_clock(database, 0)
    end
    START[dialect](database)
    database.options = ADAPTER[dialect](database)
    running[name] = database
  end
  return running[name]
end

--- Sets a clock file: see spec/faults/clock.c.
---@param name string of the file
---@param seconds integer that it is ahead of the machine's
function databases.write_clock(name, seconds)
  must(("printf '%%31d\\n' %d 1<>'%s' && chmod 644 '%s'"):format(seconds, name, name))
end

--- Sets the clock of a server that was made with `has_clock`.
---@param database support.Database
---@param seconds integer that it is ahead of the machine's
function databases.set_clock(database, seconds)
  databases.write_clock(database.directory .. "/clock", seconds)
end

--- Stops PostgreSQL in good order; `databases.restart` starts it again.
---@param database support.Database
function databases.shut_down(database)
  run_as_server(database, BINARIES .. "/pg_ctl -D $dir/data -w -m fast stop")
  database.is_running = false
end

--- Has a standby of PostgreSQL become a primary.
---@param database support.Database
function databases.promote(database)
  run_as_server(database, BINARIES .. "/pg_ctl -D $dir/data -w promote")
end

--- Sends a signal to all processes of a server of PostgreSQL.
---@param database support.Database
---@param signal "STOP"|"CONT"
function databases.signal(database, signal)
  run_as_server(database, "pid=$(head -1 $dir/data/postmaster.pid); kill -" .. signal .. " $pid $(grep -ls "
    .. "\"^PPid:.$pid$\" /proc/[0-9]*/status | tr -dc \"0-9\\n\")")
end

--- Executes SQL in PostgreSQL.
---@param database support.Database
---@param ... string SQL without double quotes, each a transaction
---@return string output
function databases.psql(database, ...)
  return must(client(database, ('%s -X -q -At -h $host -p $port -U leadcat -d crm -c "%s"'):format(PSQL,
    table.concat({ ... }, '" -c "'))))
end

--- Runs a shell command that says `$dir` and `$port` for the database's, as its server's user.
---@param database support.Database
---@param command string without single quotes
---@return string output
function databases.run(database, command)
  return run_as_server(database, command)
end

--- The ways to reach the databases, for rows of specs: the client is leadcat's own where it is `pg`, else LuaDBI.
databases.WAYS = {
  { dialect = "postgresql" }, { dialect = "postgresql", client = "pg" }, { dialect = "mariadb" },
  { dialect = "sqlite" },
}

--- A connection string for PostgreSQL.
---@param options table as a database has them
---@return string
function databases.url(options)
  return ("postgresql://%s@%s:%d/%s"):format(options.user, options.host, options.port, options.database)
end

--- The adapter of a way to a database.
---@param options table as a database has them
---@param which? "pg"|""
---@return leadcat.sql.Adapter
function databases.adapter(options, which)
  if which == "pg" then
    return require "leadcat.host.sql.pg" { url = databases.url(options) }
  end
  return require "leadcat.host.sql.dbi"(options)
end

--- Stops all that were started.
function databases.stop()
  for _, database in pairs(running) do
    if database.is_running or database.dialect ~= "postgresql" then
      STOP[database.dialect](database)
    end
    must("rm -rf " .. database.directory)
  end
  running = {}
end

return databases
