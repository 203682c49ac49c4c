-- The client of PostgreSQL in nginx: sessions are kept from one request to the next, and while the database is slow other
-- requests are answered. On Lua 5.4 only, since nginx has LuaJIT in it either way.

if rawget(_G, "jit") or os.getenv "LEADCAT_SLOW" then
  return
end

local certificates = require "support.certificates"
local core = require "leadcat.core"
local databases = require "support.databases"
local server = require "nginx.server"
local socket = require "socket"

describe("in nginx, PostgreSQL", function()
  local database, directory, nginx

  -- Runs Lua code in a request, with `pool` and `pg`: what it returns, as a text.
  local function run(code, ...)
    local status, body = nginx:request("POST", "/run", { body = code:format(...) })
    assert.equal(200, status, body)
    return body
  end

  -- The same, without waiting: a function that does.
  local function start(code)
    local client = assert(socket.connect("127.0.0.1", nginx.port))
    client:settimeout(10)
    assert(client:send(("POST /run HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s"):format(#code, code)))
    return function()
      local answer = assert(client:receive "*a")
      client:close()
      return answer:match "\r\n\r\n(.*)$"
    end
  end

  local function use_certificate(name)
    databases.run(database, ("cp $dir/%s.pem $dir/data/server.crt; cp $dir/%s.key $dir/data/server.key; "
      .. "chmod 600 $dir/data/server.key"):format(name, name))
    databases.restart(database)
  end

  setup(function()
    database = databases.get "postgresql"
    directory = server.directory()
    certificates.make_authority(database.directory)
    certificates.make(database.directory, "right", "DNS:127.0.0.1") -- nginx compares texts
    certificates.make(database.directory, "wrong", "DNS:example.org")
    os.execute(("cd %s && chown $(stat -c %%u data) *.key && cp ca.pem %s/"):format(database.directory, directory))
    databases.run(database, "echo ssl=on >>$dir/data/postgresql.conf")
    databases.psql(database, "CREATE ROLE scram LOGIN PASSWORD 'smør'")
    databases.run(database, "printf \"host all %s\\n\" \"scram all scram-sha-256\" \"leadcat all trust\" "
      .. ">$dir/data/pg_hba.conf")
    use_certificate "right"
    nginx = assert(server.start(directory, {
      workers = 1,
      http = ([[
        lua_ssl_trusted_certificate %s/ca.pem;
        init_worker_by_lua_block {
          pg = require "leadcat.store.pg"
          find_pid = pg.statement("SELECT pg_backend_pid(), $1::int8 + 1", { "int8" })
          url = "postgresql://scram:sm%%C3%%B8r@127.0.0.1:%d/crm?connect_timeout=2"
          pool = pg.pool(url .. "&sslmode=verify-full", { size = 2, timeout = 3 })
        }
      ]]):format(directory, database.port),
      server = [[
        location /ping { return 200 pong; }
        location /run {
          content_by_lua_block {
            ngx.req.read_body()
            local made = assert(loadstring("local pool, pg, url = ... " .. ngx.req.get_body_data()))
            ngx.print(tostring(select(2, pcall(made, pool, pg, url))))
          }
        }
      ]],
    }))
  end)

  teardown(function()
    nginx:stop()
    databases.stop()
    os.execute("rm -rf " .. directory)
  end)

  local PID = [[
    local result, message, code = pool:run(find_pid, { 41 })
    return result and result[1][2] .. " " .. result[1][1] or code .. ": " .. message
  ]]

  it("is asked over TLS, by sessions that are kept from one request to the next", function()
    local first = run(PID)
    assert.matches("^42 %d+$", first)
    assert.equal(first, run(PID))
    assert.equal("1", run [[
      local count = pg.statement("SELECT count(*) FROM pg_prepared_statements "
        .. "WHERE statement LIKE 'SELECT pg_backend_pid%%'")
      return pool:run(count)[1][1]
    ]])
    assert.equal("true", run [[
      return pool:run(pg.statement "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")[1][1]
    ]])
  end)

  it("may be slow: other requests are answered, and those who want a session wait for one", function()
    local slow = [[
      local taken = assert(pool:acquire())
      local result = assert(taken:run(pg.statement "SELECT pg_sleep(0.5), pg_backend_pid()"))
      pool:release(taken)
      return result[1][2]
    ]]
    local begun, waits, pids, count = core.uptime(), {}, {}, 0
    for i = 1, 4 do
      waits[i] = start(slow)
    end
    for _ = 1, 5 do
      assert.equal(200, (nginx:request("GET", "/ping")))
    end
    local pinged = core.uptime() - begun
    for i = 1, 4 do
      local pid = assert(waits[i]():match "^%d+$")
      count, pids[pid] = count + (pids[pid] and 0 or 1), true
    end
    local took = core.uptime() - begun
    assert.is_true(pinged < 0.5, pinged)
    assert.is_true(took >= 1 and took < 1.9, took) -- two at a time
    assert.is_true(count <= 2, count)
  end)

  it("is given up when it hangs, while other requests are answered, and is used again when it goes on", function()
    run(PID)
    databases.signal(database, "STOP")
    local wait = start(PID)
    for _ = 1, 5 do
      assert.equal(200, (nginx:request("GET", "/ping")))
    end
    local answer = wait()
    databases.signal(database, "CONT")
    assert.matches("^unavailable: 127.0.0.1:%d+: it took too long$", answer)
    assert(server.wait_for(function() return run(PID):find "^42 %d+$" end))
    assert.equal("0", run [[local n = 0 for _ in pairs(pool.leased) do n = n + 1 end return n]])
  end)

  it("may be restarted", function()
    local before = run(PID)
    databases.restart(database)
    local after = run(PID)
    if not after:find "^42" then -- nginx had not yet noticed that the connection was closed
      assert.matches("^unavailable: ", after)
      after = run(PID)
    end
    assert.matches("^42 %d+$", after)
    assert.is_true(before ~= after)
  end)

  it("proves who it is", function()
    local why = [[
      local other = pg.pool(url:gsub("&.*", "") .. "&sslmode=verify-full")
      local result, message = other:run(pg.statement "SELECT 1")
      return message or "believed"
    ]]
    assert.equal("believed", run(why))
    use_certificate "wrong"
    assert.matches("certificate host mismatch", run(why))
    use_certificate "right"
  end)

  it("has the companies of a host", function()
    databases.psql(database, "CREATE TABLE companies (id BIGINT PRIMARY KEY, category INT)")
    databases.psql(database, "INSERT INTO companies VALUES (7, 1)")
    databases.psql(database, require("leadcat.host.sql").schema "postgresql")
    databases.psql(database, "GRANT ALL ON ALL TABLES IN SCHEMA public TO scram")
    assert.equal("true 5 true", run [[
      local host = require("leadcat.host.sql") {
        adapter = require("leadcat.host.sql.pg") { url = url },
        companies = { table = "companies", id = "id", category = "category" },
      }
      local made = host.set_category(7, 5, 1, { key = "k" })
      return tostring(made) .. " " .. host.category(7) .. " " .. tostring(host.applied(7, "k"))
    ]])
  end)

  it("leaves nothing in the log but what is wrong with servers", function()
    for line in nginx:log():gmatch "[^\n]+" do
      assert.is_truthy(line:find "lua tcp socket" or line:find "certificate does not match" or line:find "SSL_", line)
    end
  end)
end)
