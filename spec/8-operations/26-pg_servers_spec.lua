-- The client of PostgreSQL among several servers, of which one can be written to; and with servers that have to prove who they
-- are.

local certificates = require "support.certificates"
local core = require "leadcat.core"
local databases = require "support.databases"
local pg = require "leadcat.store.pg"

if os.getenv "LEADCAT_SLOW" then
  return -- it is servers that are tried here
end

local database

local function server_url(options)
  options = options or {}
  return ("postgresql://%s@%s:%d/crm%s"):format(options.login or "leadcat", options.host or "127.0.0.1",
    (options.database or database).port, options.parameters or "")
end

setup(function()
  database = databases.get "postgresql"
end)

teardown(databases.stop)

describe("several servers", function()
  local standby, both

  local function port_of(pool)
    local result, message = pool:run(pg.statement "SELECT inet_server_port()")
    return result and result[1][1], message
  end

  setup(function()
    databases.shut_down(database)
    standby = databases.get("postgresql", { name = "standby", copy_of = database })
    databases.restart(database)
    both = ("postgresql://leadcat@127.0.0.1:%d,127.0.0.1:%d/crm"):format(standby.port, database.port)
  end)

  it("are tried until one can be written to", function()
    assert.equal(database.port, port_of(pg.pool(both)))
    assert.equal(database.port, port_of(pg.pool(both .. "?target_session_attrs=primary")))
    assert.equal(standby.port, port_of(pg.pool(both .. "?target_session_attrs=any")))
    local _, message = port_of(pg.pool(server_url { database = standby }))
    assert.matches("the server is a standby, or read%-only", message)
  end)

  it("are left at once when they can no longer be written to", function()
    local pool, write = pg.pool(both), pg.statement("CREATE TABLE IF NOT EXISTS w ()")
    local taken = {}
    for i = 1, 4 do
      taken[i] = assert(pool:acquire())
    end
    for i = 1, 3 do
      pool:release(taken[i])
    end
    databases.psql(database, "ALTER SYSTEM SET default_transaction_read_only = on")
    databases.psql(database, "SELECT pg_reload_conf()")
    local code, problem
    for _ = 1, 200 do
      code, problem = select(3, taken[4]:run(write))
      if code then
        break
      end
      core.sleep(0.02)
    end
    assert.same({ "unavailable", "25006" }, { code, problem.sqlstate })
    assert.is_false(taken[4]:is_open())
    pool:release(taken[4])
    assert.equal(0, #pool.idle)
    local _, message = port_of(pool)
    assert.matches(("127.0.0.1:%d: the server is a standby.*127.0.0.1:%d: the server is a standby"):format(standby.port,
      database.port), message)
    databases.promote(standby)
    assert.equal(standby.port, port_of(pool))
    pool:close()
  end)

  it("are left when they hang, and each statement waits once", function()
    local other = pg.pool(("postgresql://leadcat@127.0.0.1:%d,127.0.0.1:%d/crm?connect_timeout=1&"
      .. "target_session_attrs=any"):format(database.port, standby.port), { timeout = 0.4 })
    assert.equal(database.port, port_of(other))
    databases.signal(database, "STOP")
    local begun = core.uptime()
    assert.matches("it took too long", select(2, port_of(other)))
    assert.equal(standby.port, port_of(other))
    databases.signal(database, "CONT")
    assert.is_true(core.uptime() - begun < 3)
    other:close()
  end)
end)

describe("who is on the other side", function()
  local secure, directory

  local function pool_of(login, host, parameters)
    return pg.pool(server_url { database = secure, login = login, host = host, parameters = parameters })
  end

  -- What the user is called there, or why nobody is.
  local function who(...)
    local result, message, code, problem = pool_of(...):run(pg.statement "SELECT current_user::text")
    assert.is_true(result ~= nil or code == "unavailable")
    return result and result[1][1] or message, problem
  end

  local function use_certificate(name)
    databases.run(secure, ("cp $dir/%s.pem $dir/data/server.crt; cp $dir/%s.key $dir/data/server.key; "
      .. "chmod 600 $dir/data/server.key"):format(name, name))
    databases.restart(secure)
  end

  setup(function()
    secure = databases.get("postgresql", { name = "secure" })
    directory = secure.directory
    certificates.make_authority(directory)
    certificates.make(directory, "server", "DNS:localhost,IP:127.0.0.1")
    certificates.make(directory, "wrong", "DNS:example.org")
    for user, login in pairs {
      scram = "scram", clear = "clear", md5 = "md5", f_oe = "smør+å", spaced = "IX",
    } do
      databases.psql(secure, ("SET password_encryption = '%s'; CREATE ROLE %s LOGIN PASSWORD '%s'"):format(
        user == "md5" and "md5" or "scram-sha-256", user, login))
    end
    databases.run(secure, [[cat >$dir/data/pg_hba.conf <<E
hostssl all clear all password
host all clear all password
host all md5 all md5
host all leadcat all trust
local all all trust
host all all all scram-sha-256
E]])
    os.execute(("cd %s && chown $(stat -c %%u data) *.key"):format(directory))
    databases.run(secure, "echo ssl=on >>$dir/data/postgresql.conf")
    use_certificate "server"
  end)

  local function authority()
    return "?sslmode=verify-full&sslrootcert=" .. directory .. "/ca.pem"
  end

  it("has to know the password, and so have we", function()
    assert.equal("scram", (who "scram:scram"))
    assert.equal("f_oe", (who "f_oe:sm%C3%B8r%2Ba%CC%8A")) -- the same, decomposed
    assert.equal("spaced", (who "spaced:I%C2%ADX"))
    local message, problem = who "scram:wrong"
    assert.matches('password authentication failed for user "scram"', message)
    assert.equal("28P01", problem.sqlstate)
    assert.matches("the server wants a password, and there is none", (who "scram"))
  end)

  it("gets a password in clear only behind a certificate, and never as MD5", function()
    assert.matches("only gets with sslmode=verify%-full", (who "clear:clear"))
    assert.matches("only gets with sslmode=verify%-full", (who("clear:clear", "127.0.0.1", "?sslmode=require")))
    assert.equal("clear", (who("clear:clear", "127.0.0.1", authority())))
    assert.matches("MD5, which is not safe", (who "md5:md5"))
  end)

  it("has a certificate for its name, by an authority that is trusted", function()
    for _, host in ipairs { "127.0.0.1", "localhost" } do
      local pool = pool_of("scram:scram", host, authority())
      assert.is_true(assert(pool:run(pg.statement "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))[1][1])
      assert(pool:run(pg.statement "SELECT 1"))
    end
    assert.matches("certificate verify failed", (who("scram:scram", "127.0.0.1", "?sslmode=verify-full")))
    assert.equal("scram", (who("scram:scram", "127.0.0.1", "?sslmode=require")))
    use_certificate "wrong"
    assert.matches("the certificate is not for 127.0.0.1", (who("scram:scram", "127.0.0.1", authority())), 1, true)
  end)

  it("speaks TLS when it is asked for", function()
    local plain = pg.pool(server_url { parameters = "?sslmode=require" })
    local _, message, code = plain:run(pg.statement "SELECT 1")
    assert.equal("unavailable", code)
    assert.matches("the server does not speak TLS; sslmode=disable goes without", message)
  end)
end)
