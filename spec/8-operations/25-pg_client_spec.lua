-- The client of PostgreSQL, at a real server: what goes in comes out, and what fails says why.

local conninfo = require "leadcat.store.pg.conninfo"
local core = require "leadcat.core"
local databases = require "support.databases"
local pg = require "leadcat.store.pg"
local scram = require "leadcat.store.pg.scram"

local function of_hosts(info)
  local list = {}
  for i, host in ipairs(info.hosts) do
    list[i] = host.name .. " " .. host.sslmode
  end
  return table.concat(list, ", ")
end

describe("a connection string", function()
  for text, expected in pairs {
    ["postgresql://crm@db1"] = "db1:5432 verify-full",
    ["postgres://crm:p%40ss@db1:5433,db2,[2001:db8::1]:6000/sales"]
      = "db1:5433 verify-full, db2:5432 verify-full, [2001:db8::1]:6000 verify-full",
    ["postgresql://crm@localhost,127.0.0.1,[::1],db1?sslmode=require"]
      = "localhost:5432 require, 127.0.0.1:5432 require, [::1]:5432 require, db1:5432 require",
    ["postgresql://crm@localhost,127.1.2.3,[::1],db1"]
      = "localhost:5432 disable, 127.1.2.3:5432 disable, [::1]:5432 disable, db1:5432 verify-full",
    ["postgresql://crm@%2Fvar%2Frun%2Fpostgresql:5433/x"] = "/var/run/postgresql/.s.PGSQL.5433 disable",
    ["postgresql:///x?host=/var/run/postgresql&user=crm"] = "/var/run/postgresql/.s.PGSQL.5432 disable",
    ["postgresql://?host=a,b&port=1,2&user=crm"] = "a:1 verify-full, b:2 verify-full",
    ["postgresql://?host=a,b&port=7&user=crm"] = "a:7 verify-full, b:7 verify-full",
  } do
    it("names hosts: " .. text, function()
      assert.equal(expected, of_hosts(assert(conninfo.parse(text))))
    end)
  end

  it("has users, passwords and parameters, decoded", function()
    local info = assert(conninfo.parse("postgresql://a%3Ab:p%40%2F%25+@db1/my%20db?application_name=x%20y&"
      .. "connect_timeout=3&options=-c%20geqo%3Doff&sslrootcert=/ca.pem&target_session_attrs=any"))
    assert.same({ "a:b", "p@/%+", "my db", "x y", 3, "-c geqo=off", "/ca.pem", "any" }, { info.user, info.password,
      info.database, info.application_name, info.connect_timeout, info.options, info.sslrootcert, info.target })
    info = assert(conninfo.parse "postgresql://crm@db1")
    assert.same({ "crm", "leadcat", 5, "read-write" },
      { info.database, info.application_name, info.connect_timeout, info.target })
  end)

  for text, problem in pairs {
    ["mysql://crm@db1"] = "it begins with postgresql://",
    ["host=db1 user=crm"] = "it begins with postgresql://",
    ["postgresql://db1/crm"] = "it names no user",
    ["postgresql://crm@/crm"] = "a host's name is missing",
    ["postgresql://crm:secret@x@db1"] = "written %40",
    ["postgresql://crm:sec%ret@db1"] = "%25",
    ["postgresql://crm:sec%00ret@db1"] = "not 00",
    ["postgresql://crm@db1:0"] = "a port is an integer from 1 to 65535, not '0'",
    ["postgresql://crm@db1:x"] = "a host is written",
    ["postgresql://crm@2001:db8::1"] = "a host is written",
    ["postgresql://crm@db1?port=1,2"] = "there are 1 hosts, but 2 ports",
    ["postgresql://crm@db1?sslmode=prefer"] = "it does not say whether the connection is encrypted",
    ["postgresql://crm@db1?sslmode=verify-ca"] = "it does not look whom the certificate is for",
    ["postgresql://crm@db1?target_session_attrs=standby"] = "standbys are never read",
    ["postgresql://crm@db1?passfile=/x"] = "'passfile' is not supported: the password stands in the string",
    ["postgresql://crm@db1?keepalives=1"] = "parameter 'keepalives' is not supported (there are application_name,",
    ["postgresql://crm@db1?connect_timeout=0"] = "whole seconds from 1 to 600 expected, not '0'",
    ["postgresql://crm@db1?sslmode"] = "parameters are written name=value",
  } do
    it("is refused: " .. text, function()
      local info, message = conninfo.parse(text)
      assert.is_nil(info)
      assert.is_truthy(message:find(problem, 1, true), message)
      assert.is_nil(message:find("secret", 1, true))
      assert.has_error(function() pg.pool(text) end, "leadcat.store.pg: the connection string: " .. message)
    end)
  end
end)

describe("SCRAM-SHA-256", function()
  local FIRST = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"

  it("goes as in RFC 7677", function()
    local exchange = assert(scram.new("pencil", "user", "rOprNGfwEbeRWgbNEkqO"))
    assert.equal("n,,n=user,r=rOprNGfwEbeRWgbNEkqO", exchange.first)
    assert.is_false(exchange:is_proven "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    assert.equal("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
      .. "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", exchange:answer(FIRST))
    assert.is_true(exchange:is_proven "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    for _, wrong in ipairs { "", "v=", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl9500=", "e=other-error" } do
      assert.is_false(exchange:is_proven(wrong))
    end
  end)

  for text, problem in pairs {
    [FIRST:gsub("rOpr", "rOps")] = "malformed", [FIRST:gsub("%%.*,s", ",s")] = "malformed", [""] = "malformed",
    [FIRST:gsub("W22Z", "W2!Z")] = "malformed", [FIRST .. ",m=x"] = "malformed",
    [FIRST:gsub("4096", "0")] = "iterations", [FIRST:gsub("4096", "2000000000")] = "at most 1000000",
  } do
    it("refuses " .. text, function()
      local exchange = assert(scram.new("pencil", "user", "rOprNGfwEbeRWgbNEkqO"))
      local answer, message = exchange:answer(text)
      assert.is_nil(answer)
      assert.matches(problem, message)
    end)
  end

  it("has passwords as SASLprep does", function()
    for raw, prepared in pairs {
      ["pen"] = "pen", ["I\194\173X"] = "IX", ["\194\170"] = "a", ["\226\133\168"] = "IX", ["\195\184"] = "\195\184",
      ["a\204\138"] = "\195\165", ["a\194\160b"] = "a b", ["\240\159\148\145"] = "\240\159\148\145", ["\255"] = "\255",
      ["\7"] = "\7",
    } do
      assert.equal(prepared, scram.prepare(raw))
    end
    local refused, message = scram.prepare "\240\159\148\145\239\172\129"
    assert.is_nil(refused)
    assert.matches("another one", message)
  end)
end)

if os.getenv "LEADCAT_SLOW" then
  return -- it is servers that are tried here
end

local database, url

local function text(sql)
  return pg.statement(sql, {}, { text = true })
end

setup(function()
  database = databases.get "postgresql"
  url = databases.url(database.options)
end)

teardown(databases.stop)

describe("a statement", function()
  local pool

  before_each(function()
    local settings = { statement_timeout = "4s", plan_cache_mode = "force_generic_plan" }
    pool = pg.pool(url, { settings = settings, timeout = 5 })
  end)

  after_each(function()
    pool:close()
  end)

  local function one(sql, types, values)
    local result = assert(pool:run(pg.statement(sql, types), values))
    return result[1][1], result
  end

  it("gives rows, columns and counts", function()
    local _, result = one("SELECT n, n * 2 AS twice FROM generate_series(1, 3) n")
    assert.same({ { 1, 2 }, { 2, 4 }, { 3, 6 } }, { result[1], result[2], result[3] })
    assert.same({ "n", "twice", 3, "SELECT 3" },
      { result.columns[1].name, result.columns[2].name, result.count, result.command })
    assert.is_nil((assert(pool:run(pg.statement "SELECT 1 WHERE false"))[1]))
    assert.equal("CREATE TABLE", assert(pool:run(pg.statement "CREATE TEMP TABLE gone ()")).command)
    assert.equal("", assert(pool:run(pg.statement "")).command)
  end)

  it("has the settings of its pool", function()
    assert.equal("4s", one "SHOW statement_timeout")
    assert.equal("force_generic_plan", one "SHOW plan_cache_mode")
    assert.equal("UTF8", one "SHOW client_encoding")
    assert.equal("leadcat", one "SHOW application_name")
  end)

  -- type, value, and the text that the server takes it for
  for _, row in ipairs {
    { "bool", true, "true" }, { "bool", false, "false" }, { "int2", -32768, "-32768" }, { "int2", 32767, "32767" },
    { "int4", -2147483648, "-2147483648" }, { "int4", 2147483647, "2147483647" },
    { "int8", 0, "0" }, { "int8", -1, "-1" },
    { "int8", 4294967296, "4294967296" }, { "int8", -4294967297, "-4294967297" },
    { "int8", 2 ^ 53, "9007199254740992" }, { "int8", -2 ^ 53, "-9007199254740992" },
    { "int8", "9007199254740993", "9007199254740993" }, { "int8", "-9007199254740993", "-9007199254740993" },
    { "int8", "9223372036854775807", "9223372036854775807" },
    { "int8", "-9223372036854775808", "-9223372036854775808" },
    { "int8", "-9223372036854775807", "-9223372036854775807" },
    { "int8", "4611686018427387904", "4611686018427387904" },
    { "text", "", "" }, { "text", "S\195\184n \240\159\148\145 'x'", "S\195\184n \240\159\148\145 'x'" },
    { "bytea", "\0\1\254\255\\'", "\\x0001feff5c27" }, { "bytea", "", "\\x" }, { "char", "u", "u" },
    { "numeric", "-12345678901234567890.0012300", "-12345678901234567890.0012300" },
    { "numeric", "0.00000000000001", "0.00000000000001" },
    { "numeric", "100000000", "100000000" }, { "numeric", "NaN", "NaN" }, { "numeric", "-Infinity", "-Infinity" },
    { "float8", 0.1, "0.1" }, { "float8", -1e300, "-1e+300" }, { "float8", 5e-324, "5e-324" },
    { "float8", math.huge, "Infinity" },
    { "json", '{"a": [1]}', '{"a": [1]}' }, { "varchar", "x", "x" },
  } do
    local name, value, shown = row[1], row[2], row[3]
    it(("round-trips %s %s"):format(name, shown), function()
      local cast = name == "char" and '"char"' or name
      local both = pg.statement(("SELECT $1::%s, $1::%s::text"):format(cast, cast), { name })
      local result = assert(pool:run(both, { value }))
      assert.same({ value, shown }, result[1])
      assert.equal(type(value), type(result[1][1]))
    end)
  end

  it("round-trips random integers, numbers, bytes and numerics", function()
    local both = pg.statement("SELECT $1::int8, $1::int8::text, $2::bytea, $3::numeric, $3::numeric::text, $4::float8",
      { "int8", "bytea", "numeric", "float8" })
    for _ = 1, 300 do
      local digits = {}
      for i = 1, math.random(18) do
        digits[i] = math.random(i == 1 and 1 or 0, 9)
      end
      local integer = (math.random() < 0.5 and "-" or "") .. table.concat(digits)
      local more = math.random() < 0.5 and "." .. table.concat(digits):reverse() or ("0"):rep(math.random(0, 9))
      local numeric = integer .. more
      local bytes = core.random_bytes(math.random(256))
      local number = (math.random() - 0.5) * 10 ^ math.random(-300, 300)
      local row = assert(pool:run(both, { integer, bytes, numeric, number }))[1]
      assert.equal(integer, row[2])
      assert.equal(integer, type(row[1]) == "string" and row[1] or ("%d"):format(row[1]))
      assert.is_true(row[3] == bytes)
      assert.same({ numeric, numeric, number }, { row[4], row[5], row[6] })
    end
  end)

  it("has NULLs and lists", function()
    local row = assert(pool:run(pg.statement(
      "SELECT $1, $2, $3, $4, cardinality($1), $5, '{}'::int8[], '{a,NULL}'::text[], NULL::bool[]",
      { "int8[]", "text[]", "bytea[]", "bool[]", "int8" }),
      { { 1, nil, -2, "9223372036854775807", n = 4 }, { "a", "b" }, { "\0", "" }, { n = 0 } }))[1]
    assert.same({ 1, nil, -2, "9223372036854775807", n = 4 }, row[1])
    assert.same({ { "a", "b", n = 2 }, { "\0", "", n = 2 }, { n = 0 }, 4, nil, { n = 0 }, { "a", nil, n = 2 }, nil },
      { row[2], row[3], row[4], row[5], row[6], row[7], row[8], row[9] })
    local many = {}
    for i = 1, 5000 do
      many[i] = i * 1000003
    end
    assert.equal(5000, one("SELECT count(DISTINCT n) FROM unnest($1) n", { "int8[]" }, { many }))
  end)

  it("is refused before anything is sent when a parameter does not fit", function()
    for _, row in ipairs {
      { "int8", 0.5 }, { "int8", "x" }, { "int8", "9223372036854775808" }, { "int8", "-9223372036854775809" },
      { "int8", {} }, { "int8", 2.0 ^ 53 + 2 }, { "int4", 2147483648 }, { "int2", -32769 }, { "bool", 0 },
      { "text", 5 }, { "char", "ab" }, { "int8[]", 5 }, { "int8[]", { "x" } }, { "int8", 0 / 0 }, { "int8", math.huge },
    } do
      local ok, message = pcall(pool.run, pool, pg.statement("SELECT $1", { row[1] }), { row[2] })
      assert.is_false(ok, row[1])
      assert.matches("parameter 1: .* expected, got", message)
    end
    assert.has_error(function() pg.statement("SELECT $1", { "money" }) end,
      "leadcat.store.pg: there is no type 'money' for parameter 1")
    assert.equal(1, one "SELECT 1") -- every place is free
  end)

  it("may have its columns as the texts of SQL", function()
    local result = assert(pool:run(text "SELECT 1, true, now() IS NULL, NULL, '{1,2}'::int[], '\\x00'::bytea"))
    assert.same({ "1", "t", "f", nil, "{1,2}", "\\x00" }, result[1])
  end)

  it("that gives a type which is not read here says so, and the connection goes on", function()
    local result, message, code = pool:run(pg.statement "SELECT 1 AS n, now() AS t")
    assert.is_nil(result)
    assert.equal("unavailable", code)
    assert.matches("column 't' has a type that is not read here %(OID 1184%): cast it to text", message)
    assert.equal(1, one "SELECT 1")
  end)

  it("that fails says why", function()
    local taken = assert(pool:acquire())
    assert(taken:run(text [[CREATE TEMP TABLE t (
      id int8 CONSTRAINT t_once UNIQUE, n int4 CONSTRAINT positive CHECK (n > 0))]]))
    local insert = pg.statement("INSERT INTO t VALUES ($1, $2)", { "int8", "int4" })
    assert.equal(1, assert(taken:run(insert, { 1, 1 })).count)
    for _, row in ipairs {
      { 1, 1, "23505", "t_once" }, { 2, -1, "23514", "positive" },
    } do
      local result, message, code, problem = taken:run(insert, { row[1], row[2] })
      assert.same({ nil, "failed", row[3], row[4], "ERROR", "t" },
        { result, code, problem.sqlstate, problem.constraint, problem.severity, problem.table })
      assert.matches("violates .* constraint", message)
    end
    local _, message, code, problem = taken:run(pg.statement "SELEC 1")
    assert.same({ "failed", "42601" }, { code, problem.sqlstate })
    assert.matches('syntax error at or near "SELEC"', message)
    assert.equal("failed", select(3, taken:run(pg.statement("SELECT $1", { "text" }), { "\255" })))
    assert.is_true(taken:is_open())
    pool:release(taken)
  end)

  it("has been done with the others of a pipeline, or none has", function()
    local taken = assert(pool:acquire())
    assert(taken:run(text "CREATE TEMP TABLE p (id int8 PRIMARY KEY DEFERRABLE INITIALLY DEFERRED)"))
    local insert, count = pg.statement("INSERT INTO p VALUES ($1)", { "int8" }), pg.statement "SELECT count(*) FROM p"
    local results = assert(taken:pipeline { { insert, { 1 } }, { insert, { 2 } }, { count } })
    assert.same({ 1, 1, 2 }, { results[1].count, results[2].count, results[3][1][1] })
    local fail = pg.statement "SELECT 1/0"
    local none, _, code, problem = taken:pipeline { { insert, { 3 } }, { fail }, { insert, { 4 } } }
    assert.same({ nil, "failed", "22012" }, { none, code, problem.sqlstate })
    none, _, code, problem = taken:pipeline { { insert, { 5 } }, { insert, { 1 } } } -- noticed at the end only
    assert.same({ nil, "failed", "23505" }, { none, code, problem.sqlstate })
    assert.equal(2, assert(taken:run(count))[1][1])
    results = assert(taken:pipeline { { text "BEGIN" }, { insert, { 6 } }, { text "COMMIT" } })
    assert.equal("COMMIT", results[3].command)
    assert.equal(3, assert(taken:run(count))[1][1])
    pool:release(taken)
  end)

  it("is parsed once a session, and no session knows more than some", function()
    local taken, last = assert(pool:acquire()), nil
    for i = 1, 250 do
      last = pg.statement(("SELECT %d + $1"):format(i), { "int4" })
      assert.equal(i + 1, assert(taken:run(last, { 1 }))[1][1])
    end
    assert.equal(260, assert(taken:run(last, { 10 }))[1][1])
    local names = assert(taken:run(text "SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"))[1][1]
    assert.is_true(tonumber(names) <= 201, names)
    pool:release(taken)
  end)

  it("whose columns have changed is unavailable once, and then right", function()
    assert(pool:run(text "DROP TABLE IF EXISTS altered"))
    assert(pool:run(text "CREATE TABLE altered AS SELECT 1::int4 AS n"))
    local all = pg.statement "SELECT * FROM altered"
    assert.same({ 1 }, assert(pool:run(all))[1])
    assert(pool:run(text "ALTER TABLE altered ALTER n TYPE text"))
    assert.equal("unavailable", select(3, pool:run(all)))
    assert.same({ "1" }, assert(pool:run(all))[1])
  end)

  it("in a transaction is undone when the session is given back", function()
    assert(pool:run(text "DROP TABLE IF EXISTS undone"))
    assert(pool:run(text "CREATE TABLE undone (n int)"))
    local taken = assert(pool:acquire())
    assert(taken:run(text "BEGIN"))
    assert(taken:run(text "INSERT INTO undone VALUES (1)"))
    assert.equal("in a transaction", taken.status)
    pool:release(taken)
    assert.is_false(taken:is_open())
    assert.equal(0, one "SELECT count(*) FROM undone")
  end)

  it("that takes too long is given up, by the server or here, and not sent again", function()
    assert(pool:run(text "DROP SEQUENCE IF EXISTS tries"))
    assert(pool:run(text "CREATE SEQUENCE tries"))
    local slow = pg.statement "SELECT nextval('tries'), pg_sleep(30)"
    local begun, quick = core.uptime(), pg.pool(url, { settings = { statement_timeout = "200ms" }, timeout = 5 })
    local _, message, code, problem = quick:run(slow)
    assert.same({ "unavailable", "57014" }, { code, problem.sqlstate })
    assert.matches("statement timeout", message)
    _, message, code, problem = pool:run(slow, nil, 0.3)
    assert.same({ "unavailable", nil }, { code, problem })
    assert.matches(("127.0.0.1:%d: it took too long"):format(database.port), message, 1, true)
    assert.is_true(core.uptime() - begun < 3)
    assert.equal(3, one "SELECT nextval('tries')")
    quick:close()
  end)

  it("that the server warns of is not acknowledged, unless the warning is kept, or was raised by a function", function()
    local warn = pg.statement "DO $$ BEGIN RAISE WARNING 'mind the gap'; RAISE NOTICE 'never mind'; END $$"
    local result, message, code, problem = pool:run(warn)
    assert.same({ nil, "unavailable", "WARNING", "01000" }, { result, code, problem.severity, problem.sqlstate })
    assert.matches("mind the gap", message)
    assert.equal(1, one "SELECT 1")
    local keeping = pg.pool(url, { keeps_warnings = true })
    result = assert(keeping:run(warn))
    assert.same({ "mind the gap", nil }, { result.warnings[1].message, result.warnings[2] })
    assert.is_nil(assert(keeping:run(text "SELECT 1")).warnings)
    keeping:close()
    local ignoring = pg.pool(url, { ignores_raised = true })
    assert(ignoring:run(warn)) -- for it is no warning of the server's own
    ignoring:close()
  end)

  it("whose commit has not reached a standby is not acknowledged", function()
    assert(pool:run(text "DROP TABLE IF EXISTS gap"))
    assert(pool:run(text "CREATE TABLE gap (n int)"))
    databases.psql(database, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    databases.psql(database, "SELECT pg_reload_conf()")
    os.execute(("(for i in $(seq 100); do sleep 0.05; psql -X -q -At -h 127.0.0.1 -p %d -U leadcat -d crm -c \"%s\""
      .. "| grep -q t && break; done) &"):format(database.port,
      "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"))
    local result, message, code, problem
    for _ = 1, 100 do -- until the server has read its configuration
      result, message, code, problem = pool:run(text "INSERT INTO gap VALUES (1)")
      if not result then
        break
      end
      core.sleep(0.02)
    end
    databases.psql(database, "ALTER SYSTEM RESET synchronous_standby_names")
    databases.psql(database, "SELECT pg_reload_conf()")
    assert.same({ nil, "unavailable", "WARNING" }, { result, code, problem and problem.severity })
    assert.matches("canceling wait for synchronous replication", message)
  end)

  it("goes on after the server has gone away and come back", function()
    local pid = one "SELECT pg_backend_pid()"
    databases.restart(database)
    assert.is_true(one "SELECT pg_backend_pid()" ~= pid) -- what had been put aside is known to be closed
    local taken = assert(pool:acquire())
    databases.restart(database)
    local result, _, code = taken:run(text "SELECT 1")
    assert.same({ nil, "unavailable" }, { result, code })
    pool:release(taken)
    assert.equal(1, one "SELECT 1")
  end)

  it("is unavailable while nobody listens, or there is no such database", function()
    local result, message, code = pg.pool("postgresql://leadcat@127.0.0.1:1/crm"):run(text "SELECT 1")
    assert.same({ nil, "127.0.0.1:1: connection refused", "unavailable" }, { result, message:lower(), code })
    local _, why, unavailable, problem = pg.pool((url:gsub("/crm$", "/none"))):run(text "SELECT 1")
    assert.same({ "unavailable", "3D000" }, { unavailable, problem.sqlstate })
    assert.matches('database "none" does not exist', why)
  end)

  it("has a session of its own, of a bounded number", function()
    local small = pg.pool(url, { size = 2 })
    local first, second = assert(small:acquire()), assert(small:acquire())
    assert.same({ nil, "all 2 connections are in use", "unavailable" }, { small:acquire() })
    small:release(first)
    small:release(first)
    assert(small:run(text "SELECT 1"))
    small:release(second)
    small:close()
    assert.is_false(first:is_open() or second:is_open())
  end)

  it("reaches a server by its Unix socket", function()
    local path = database.directory:gsub("/", "%%2F")
    local unix = pg.pool(("postgresql://leadcat@%s:%d/crm"):format(path, database.port))
    assert.is_nil(assert(unix:run(pg.statement "SELECT host(inet_client_addr())"))[1][1])
    unix:close()
  end)
end)
