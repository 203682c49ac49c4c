-- Connections and HTTP requests to servers that behave badly: nothing hangs, nothing grows, and nobody is believed whose
-- certificate is not right.

if os.getenv "LEADCAT_SLOW" then
  return
end

local certificates = require "support.certificates"
local core = require "leadcat.core"
local http = require "leadcat.util.http"
local processes = require "support.processes"
local server = require "nginx.server"
local socket = require "leadcat.util.socket"
local url = require "leadcat.util.url"

local directory, port, hostile, others

-- Another server, with a certificate.
local function start(certificate, key, mode)
  local at = server.free_port()
  others[#others + 1] = processes.launch("../servers/hostile.lua", at, certificate, key, mode or "")
  return at
end

local function connect(options, act)
  options.host, options.port, options.timeout = options.host or "127.0.0.1", options.port or port, options.timeout or 5
  local made, message, code = socket.connect(options)
  if made then
    assert(made:send((act or "echo") .. "\n"))
  end
  return made, message, code
end

-- What fails, and within a second of when it should.
local function assert_times_out(seconds, call)
  local begun = core.uptime()
  local result, message, code = call()
  local took = core.uptime() - begun
  assert.is_nil(result)
  assert.equal("unavailable", code)
  assert.matches("it took too long", message, 1, true)
  assert.is_true(took >= seconds - 0.01 and took < seconds + 1, took)
end

setup(function()
  directory, port, others = server.directory(), server.free_port(), {}
  certificates.make_authority(directory)
  hostile = processes.launch("../servers/hostile.lua", port)
end)

teardown(function()
  processes.kill(hostile)
  os.execute("rm -rf " .. directory)
end)

after_each(function()
  for _, other in ipairs(others) do
    processes.kill(other)
  end
  others = {}
end)

describe("socket.connect", function()
  it("sends and receives bytes and lines", function()
    local made = assert(connect {})
    assert(made:send "one\ntwo\r\nthree\n")
    assert.equal("one", made:receive_line(10))
    assert.equal("tw", made:receive(2))
    assert.equal("o\nthree", made:receive(7))
    assert.equal("\n", made:receive_some())
    local long = ("0123456789"):rep(100000)
    assert(made:send(long .. "\n"))
    assert.is_true(made:receive(#long) == long)
    made:close()
    made:close()
    assert.same({ nil, "127.0.0.1 port " .. port .. ": was closed", "unavailable" }, { made:receive(1) })
    assert.same({ nil, "127.0.0.1 port " .. port .. ": was closed", "unavailable" }, { made:send "x" })
  end)

  it("says that nobody listens", function()
    local nobody = server.free_port()
    assert.same({ nil, ("127.0.0.1 port %d: connection refused"):format(nobody), "unavailable" },
      { socket.connect { host = "127.0.0.1", port = nobody } })
  end)

  it("reaches a Unix socket", function()
    others[1] = processes.launch("../servers/hostile.lua", directory .. "/socket")
    local made = assert(socket.connect { path = directory .. "/socket" })
    assert(made:send "echo\nhello\n")
    assert.equal("hello", made:receive_line(10))
    made:close()
  end)

  it("says when the server closes", function()
    local made = assert(connect({}, "bye"))
    assert.equal("so", made:receive(2))
    local _, message, code = made:receive(10)
    assert.same({ "127.0.0.1 port " .. port .. ": has closed the connection", "unavailable" }, { message, code })
    assert.is_true(made.has_ended)
  end)

  it("gives up a server that drips, is silent, or does not read", function()
    local dripping = assert(connect({}, "drip"))
    dripping:settimeout(0.2)
    assert_times_out(0.2, function() return dripping:receive(1e6) end)
    local silent = assert(connect({}, "silent"))
    silent:settimeout(0.2)
    assert_times_out(0.2, function() return silent:receive(1) end)
    assert.is_nil((silent:send "x")) -- nobody knows where in the conversation it is
    local flooding = assert(connect({}, "flood"))
    flooding:settimeout(0.2)
    assert_times_out(0.2, function()
      for _ = 1, 1000 do
        local ok, message, code = flooding:send(("x"):rep(65536))
        if not ok then
          return ok, message, code
        end
      end
    end)
  end)

  it("refuses a line that is too long", function()
    local made = assert(connect({}, "flood"))
    local _, message, code = made:receive_line(1000)
    assert.same({ ("127.0.0.1 port %d: a line is longer than 1000 bytes"):format(port), "unavailable" },
      { message, code })
  end)

  it("takes a connection that was released, unless something is wrong with it", function()
    local first = assert(connect { pool = "a" })
    assert.is_false(first.is_reused)
    assert(first:send "hello\n")
    assert(first:receive_line(10))
    first:release()
    assert.is_nil((first:send "x"))
    local other = assert(connect { pool = "b" })
    assert.is_false(other.is_reused)
    other:close()
    local second = assert(socket.connect { host = "127.0.0.1", port = port, pool = "a" })
    assert.is_true(second.is_reused)
    assert(second:send "again\n")
    assert.equal("again", second:receive_line(10))
    assert(second:send "unread\n")
    assert.equal("un", second:receive(2))
    second:release() -- with something in it
    local third = assert(connect({ pool = "a" }, "bye"))
    assert.is_false(third.is_reused)
    assert.equal("so long", third:receive(7))
    third:release()
    core.sleep(0.1)
    local fourth = assert(connect { pool = "a" })
    assert.is_false(fourth.is_reused) -- the server has closed the third
    fourth:close()
  end)

  it("raises on misuse", function()
    for _, options in ipairs {
      {}, { host = "a" }, { port = 1 }, { host = "a", port = 0 }, { host = "a\n", port = 1 },
      { path = "a", host = "a", port = 1 }, { host = "a", port = 1, timeout = 0 },
      { host = "a", port = 1, tls = true }, { host = "a", port = 1, tls = { x = 1 } },
    } do
      assert.error_matches(function() socket.connect(options) end, "^socket.connect: ")
    end
  end)
end)

describe("TLS", function()
  local function message_of(at, tls, host)
    tls.cafile = tls.cafile or directory .. "/ca.pem"
    local made, message, code = connect { port = at, tls = tls, host = host }
    if made then
      assert(made:send "hello\n")
      assert.equal("hello", made:receive_line(10))
      made:close()
      return nil
    end
    assert.equal("unavailable", code)
    return (message:gsub("^[^:]+: TLS: ", ""))
  end

  it("takes the certificate of the server that was meant, and no other", function()
    local names = "DNS:localhost,DNS:*.example.org,DNS:*.com,IP:127.0.0.1"
    local at = start(certificates.make(directory, "good", names))
    assert.is_nil(message_of(at, {}))
    for name, is_right in pairs {
      localhost = true, LOCALHOST = true, ["a.example.org"] = true, ["A.Example.Org."] = true,
      ["example.org"] = false, ["a.b.example.org"] = false, [".example.org"] = false, ["xexample.org"] = false,
      ["evil.com"] = false, ["localhost.evil.org"] = false, ["127.0.0.2"] = false, ["::1"] = false,
    } do
      local message = not is_right and "the certificate is not for " .. name or nil
      assert.equal(message, message_of(at, { server_name = name }))
    end
    assert.is_nil(message_of(at, { server_name = "elsewhere", verify = false }))
  end)

  it("refuses a certificate that it has not signed for, has signed itself, or is over", function()
    local at = start(certificates.make(directory, "other", "DNS:elsewhere.example"))
    assert.equal("the certificate is not for 127.0.0.1", message_of(at, {}))
    local message = message_of(at, { server_name = "localhost" }) -- though that is its common name
    assert.equal("the certificate is not for localhost", message)
    local names = "DNS:localhost,IP:127.0.0.1"
    local self_signed = start(certificates.make(directory, "self", names, "self"))
    assert.matches("certificate verify failed", message_of(self_signed, {}), 1, true)
    assert.is_nil(message_of(self_signed, { verify = false }))
    local expired = start(certificates.make(directory, "expired", names, "expired"))
    assert.matches("certificate verify failed", message_of(expired, {}), 1, true)
    local unknown = start(certificates.make(directory, "unknown", "IP:127.0.0.1"))
    assert.matches("certificate verify failed",
      message_of(unknown, { cafile = "/etc/ssl/certs/ca-certificates.crt" }), 1, true)
    assert.matches("nosuch", message_of(unknown, { cafile = directory .. "/nosuch.pem" }), 1, true)
  end)

  it("gives up a server that does not speak it", function()
    local made, message, code = connect { tls = {}, timeout = 0.3 }
    assert.same({ nil, "unavailable" }, { made, code })
    assert.matches("TLS", message, 1, true)
  end)

  it("begins on a connection that is open, if nothing was said in advance", function()
    local certificate, key = certificates.make(directory, "upgraded", "IP:127.0.0.1")
    local at = start(certificate, key, "upgrade")
    local made = assert(connect({ port = at }, "upgrade"))
    assert.equal("S", made:receive(1))
    assert(made:start_tls { cafile = directory .. "/ca.pem" })
    assert(made:send "hello\n")
    assert.equal("hello", made:receive_line(10))
    made:close()
    made = assert(connect({ port = at }, "upgrade_early"))
    assert.equal("S", made:receive(1))
    local _, message, code = made:start_tls { cafile = directory .. "/ca.pem" }
    assert.equal("unavailable", code)
    assert.matches("has sent something before TLS had begun", message, 1, true)
  end)
end)

-- Requests ------------------------------------------------------------------------------------------------------------

-- A request to the hostile server.
local function request(path, options)
  options = options or {}
  options.url = ("http://127.0.0.1:%d%s"):format(options.port or port, path)
  options.port, options.timeout = nil, options.timeout or 5
  return http.request(options)
end

-- What is made of these bytes as an answer.
local function read(answer, way, method)
  return request("/answer", { method = method, headers = { ["X-Answer"] = url.escape(answer), ["X-Way"] = way } })
end

local OK = "HTTP/1.1 200 OK\r\n"

describe("http.request", function()
  it("sends what it is given", function()
    local answer = assert(request("/mirror?a=%20", {
      method = "PATCH", body = "the body", headers = { Authorization = "Bearer abc", ["If-Match"] = '"1"' },
    }))
    assert.equal(200, answer.status)
    assert.matches("^PATCH /mirror%?a=%%20\nthe body\n", answer.body)
    for _, line in ipairs {
      "authorization: Bearer abc", 'if-match: "1"', "content-length: 8", "host: 127.0.0.1:" .. port,
      "accept-encoding: identity", "user-agent: leadcat",
    } do
      assert.matches("\n" .. line:gsub("%p", "%%%0"), answer.body)
    end
    assert.not_matches("content%-length", request("/mirror").body)
    assert.matches("content-length: 0", request("/mirror", { method = "POST" }).body, 1, true)
    assert.matches("^GET /%?x\n", http.request { url = ("http://localhost:%d?x"):format(port), headers = {
      ["X-Answer"] = url.escape(OK .. "Content-Length: 8\r\n\r\nGET /?x\n") } }.body)
  end)

  it("reads bodies however they are delimited", function()
    for _, row in ipairs {
      { OK .. "Content-Length: 5\r\n\r\nhello", "hello" },
      { OK .. "Content-Length: 5, 5\r\n\r\nhello", "hello" },
      { OK .. "content-length:5\r\nContent-Length: 5\r\n\r\nhello", "hello" },
      { OK .. "Content-Length: 0\r\n\r\n", "" },
      { "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "hello" },
      { "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", "hello" },
      { OK .. "\r\nhello", "hello", "close" },
      { "HTTP/1.0 200 OK\r\n\r\nhello", "hello", "close" },
      { OK .. "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n00A ; x=y\r\n0123456789\r\n0\r\nX-Trailer: a\r\n\r\n",
        "hello0123456789" },
      { OK .. "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", "" },
      { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" .. OK
        .. "Content-Length: 2\r\n\r\nok", "ok" },
      { "HTTP/1.1 204 No Content\r\n\r\n", "" }, { "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "" },
    } do
      for _, way in ipairs { "drip", row[3] or "wait" } do
        local answer, message = read(row[1], way)
        assert.equal(row[2], answer and answer.body, message)
      end
    end
    local answer = assert(read(OK
      .. "Content-Length: 500\r\nX-A: 1\r\nX-B:\r\nx-a: \t2\t\r\nConnection: a, Close\r\n\r\n", "wait",
      "HEAD"))
    assert.same({ "", "1, 2", "", "500" }, {
      answer.body, answer.headers["x-a"], answer.headers["x-b"], answer.headers["content-length"],
    })
    local long = ("x"):rep(2 ^ 20 - 1) .. "\n"
    answer = assert(request("/mirror", { method = "POST", body = long:sub(1, -1001) }))
    assert.is_true(answer.body:find(long:sub(1, -1001), 1, true) ~= nil)
  end)

  it("gives up answers that are wrong, ambiguous or too long", function()
    for _, row in ipairs {
      { "hello\r\n\r\n", "is not HTTP" }, { "HTTP/2 200 OK\r\n\r\n", "is not HTTP" },
      { "HTTP/1.1 20 OK\r\n\r\n", "is not HTTP" }, { "HTTP/1.1 2000 OK\r\n\r\n", "is not HTTP" },
      { "HTTP/1.1 099 OK\r\n\r\n", "is not HTTP" }, { "", "has closed" }, { "HTTP/1.1 20", "has closed" },
      { OK, "has closed" }, { OK .. "Content-Length: 5\r\n", "has closed" },
      { "HTTP/1.1 101 Switching Protocols\r\n\r\n", "another protocol" },
      { OK .. "no header\r\n\r\n", "no header" }, { OK .. ": empty\r\n\r\n", "no header" },
      { OK .. "Name : x\r\n\r\n", "no header" }, { OK .. "A: b\r\n folded\r\n\r\n", "no header" },
      { OK .. "A: b\rc\r\n\r\n", "control characters" }, { OK .. "A: b\0\r\n\r\n", "control characters" },
      { OK .. "Content-Length: 5\r\n\r\nhell", "has closed" },
      { OK .. "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "Content-Length that is none" },
      { OK .. "Content-Length: -5\r\n\r\nhello", "Content-Length that is none" },
      { OK .. "Content-Length: 0x5\r\n\r\nhello", "Content-Length that is none" },
      { OK .. "Content-Length: 5,\r\n\r\nhello", "Content-Length that is none" },
      { OK .. "Content-Length:\r\n\r\nhello", "Content-Length that is none" },
      { OK .. "Content-Length: 99999999999999999999\r\n\r\nhello", "longer than 1048576 bytes" },
      { OK .. "Content-Length: 1048577\r\n\r\nhello", "longer than 1048576 bytes" },
      { OK .. "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "where the answer ends" },
      { OK .. "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "where the answer ends" },
      { "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "where the answer ends" },
      { OK .. "Transfer-Encoding: chunked\r\n\r\nx\r\n", "no size" },
      { OK .. "Transfer-Encoding: chunked\r\n\r\n\r\n", "no size" },
      { OK .. "Transfer-Encoding: chunked\r\n\r\n-1\r\n", "no size" },
      { OK .. "Transfer-Encoding: chunked\r\n\r\n000000005\r\nhello\r\n", "no size" },
      { OK .. "Transfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n", "longer than it says" },
      { OK .. "Transfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\nhello", "longer than 1048576 bytes" },
      { OK .. "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "has closed" },
      { OK .. "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nwrong\r\n\r\n", "no header" },
    } do
      for _, way in ipairs { "drip", "close" } do
        local answer, message, code, sent = read(row[1], way)
        assert.same({ nil, "unavailable", true }, { answer, code, sent }, row[1])
        assert.matches(row[2], message, 1, true)
        assert.matches("^127.0.0.1 port %d+: ", message)
      end
    end
    for _, path in ipairs { "head", "interim", "chunks", "body" } do
      local answer, message, code, sent = request("/endless_" .. path)
      assert.same({ nil, "unavailable", true }, { answer, code, sent })
      assert.matches("long", message, 1, true)
    end
  end)

  it("takes no longer than it may", function()
    for _, way in ipairs { "silent", "drip" } do
      local begun = core.uptime()
      local answer, message, code, sent = request("/answer", { timeout = 0.3, headers = {
        ["X-Answer"] = url.escape(OK .. (way == "drip" and "X: " .. ("x"):rep(2000) or "")),
        ["X-Way"] = way == "drip" and way or "wait",
      } })
      assert.same({ nil, "unavailable", true }, { answer, code, sent })
      assert.matches("it took too long", message, 1, true)
      assert.is_true(core.uptime() - begun < 1.3)
    end
  end)

  it("says whether the server may have got the request", function()
    local _, message, code, sent = request("/", { port = server.free_port() })
    assert.same({ "unavailable", false }, { code, sent })
    assert.matches("connection refused", message, 1, true)
  end)

  it("keeps connections, and notices when one is closed", function()
    local fresh = { port = start() } -- without connections of other tests
    local function number(options)
      return tonumber(assert(request("/number", options)).body)
    end
    for i = 1, 3 do
      assert.equal(i, number { port = fresh.port })
    end
    assert.equal("first", request("/once", { port = start() }).body)
    local at = start()
    assert.equal("first", request("/once", { port = at }).body)
    assert.equal("first", request("/once", { port = at }).body) -- the kept one was closed: a GET may be sent again
    assert.equal("first", request("/once", { port = at, method = "POST" }).body)
    local answer, message, code, sent = request("/once", { port = at, method = "POST" })
    assert.same({ nil, "unavailable", true }, { answer, code, sent })
    assert.matches("has closed the connection", message, 1, true)
    assert.equal("first", request("/once", { port = at, method = "POST" }).body)
    assert.equal("first", request("/once", { port = at, method = "POST", is_safe = true }).body)
  end)

  it("keeps no connection that its child would use too", function()
    local at = start()
    assert.equal("1", request("/number", { port = at }).body)
    local process = core.process
    core.process = function() return process() + 1 end -- luacheck: ignore
    local answer = request("/number", { port = at })
    core.process = process -- luacheck: ignore
    assert.equal("1", answer.body)
  end)

  it("checks certificates", function()
    local names = "DNS:localhost,IP:127.0.0.1"
    local at = start(certificates.make(directory, "https", names))
    local function ask(host, tls)
      local answer, message = http.request { url = ("https://%s:%d/mirror"):format(host, at), tls = tls, timeout = 5 }
      return answer and answer.status or message
    end
    assert.equal(200, ask("localhost", { cafile = directory .. "/ca.pem" }))
    assert.equal(200, ask("127.0.0.1", { cafile = directory .. "/ca.pem" }))
    assert.matches("certificate verify failed", ask "localhost", 1, true)
    local message = ask("localhost", { cafile = directory .. "/ca.pem", server_name = "elsewhere" })
    assert.matches("not for elsewhere", message, 1, true)
  end)

  it("raises on misuse, and does not tell what may be secret", function()
    for _, options in ipairs {
      {}, { url = "ftp://a/" }, { url = "http://" }, { url = "http://a:b@secret/" }, { url = "http://a/secret\r\n" },
      { url = "http://a/secret b" }, { url = "http://a/secret#x" }, { url = "http://a:0/" },
      { url = "http://a:99999/" },
      { url = "http://a/\195\166" }, { url = "http://a", method = "get" }, { url = "http://a", method = "GET /\n" },
      { url = "http://a", headers = { A = "secret\r\nB: c" } }, { url = "http://a", headers = { A = "secret\n" } },
      { url = "http://a", headers = { ["A\r\nB"] = "secret" } }, { url = "http://a", headers = { Host = "secret" } },
      { url = "http://a", headers = { ["Content-Length"] = "5" } }, { url = "http://a", headers = { A = 5 } },
      { url = "http://a", timeout = 0 }, { url = "http://a", body = 5 },
      { url = "http://a", redirect = true },
    } do
      local ok, message = pcall(http.request, options)
      assert.is_false(ok)
      assert.matches("http.request: ", message, 1, true)
      assert.not_matches("secret", message, 1, true)
    end
  end)
end)

if rawget(_G, "jit") then
  return -- nginx has LuaJIT in it either way
end

describe("in nginx", function()
  local nginx, at

  -- Runs Lua code in a request of nginx: what it returns, as a text.
  local function run(code, ...)
    local status, body = nginx:request("POST", "/run", { body = code:format(...) })
    assert.equal(200, status, body)
    return body
  end

  setup(function()
    at = server.directory()
    certificates.make_authority(at)
    nginx = assert(server.start(at, {
      workers = 1, http = ("lua_ssl_trusted_certificate %s/ca.pem;"):format(at), server = [[
        location /ping { return 200 pong; }
        location /run {
          content_by_lua_block {
            ngx.req.read_body()
            local socket = require "leadcat.util.socket"
            local run = assert(loadstring("local socket = ... " .. ngx.req.get_body_data()))
            ngx.print(tostring(select(2, pcall(run, socket))))
          }
        }
      ]],
    }))
  end)

  teardown(function()
    nginx:stop()
    os.execute("rm -rf " .. at)
  end)

  it("connects by cosockets, and keeps connections", function()
    local code = [[
      local made = assert(socket.connect { host = "127.0.0.1", port = %d, pool = "p" })
      assert(made:send((made.is_reused and "" or "echo\n") .. "hello\n12345678901234567890"))
      local line = made:receive_line(10)
      assert(made:send "\n")
      assert(made:receive(21) == "12345678901234567890\n")
      made:release()
      return line .. tostring(made.is_reused)
    ]]
    assert.equal("hellofalse", run(code, port))
    assert.equal("hellotrue", run(code, port))
  end)

  it("gives up a server that drips, and serves others meanwhile", function()
    local code = [[
      local made = assert(socket.connect { host = "127.0.0.1", port = %d })
      made:send "%s\n"
      made:settimeout(0.3)
      local _, message, code = made:receive(1000)
      return code .. message
    ]]
    for _, act in ipairs { "drip", "silent" } do
      local client = require("socket").connect("127.0.0.1", nginx.port)
      local body = code:format(port, act)
      client:send(("POST /run HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body))
      client:settimeout(0)
      assert.equal(200, (nginx:request("GET", "/ping")))
      assert.same({ nil, "timeout", "" }, { client:receive "*a" })
      client:settimeout(5)
      assert.matches("unavailable127.0.0.1 port %d+: it took too long$", client:receive "*a")
    end
  end)

  it("checks certificates", function()
    local code = [[
      local made, message = socket.connect { host = "127.0.0.1", port = %d, tls = { server_name = "%s" } }
      return made and "connected" or message
    ]]
    local good = start(certificates.make(at, "good", "DNS:localhost"))
    assert.equal("connected", run(code, good, "localhost"))
    assert.matches("certificate host mismatch", run(code, good, "elsewhere"), 1, true)
    local self_signed = start(certificates.make(at, "self", "DNS:localhost", "self"))
    assert.matches("TLS: 18: self.signed certificate", run(code, self_signed, "localhost"))
    local expired = start(certificates.make(at, "expired", "DNS:localhost", "expired"))
    assert.matches("certificate has expired", run(code, expired, "localhost"), 1, true)
  end)

  it("refuses what was said before TLS", function()
    local certificate, key = certificates.make(at, "upgraded", "DNS:localhost")
    local code = [[
      local made = assert(socket.connect { host = "127.0.0.1", port = %d })
      made:send "%s\n"
      assert(made:receive(1) == "S")
      local ok, message = made:start_tls { server_name = "localhost" }
      return ok or message
    ]]
    local upgrading = start(certificate, key, "upgrade")
    assert.equal("true", run(code, upgrading, "upgrade"))
    assert.matches("before TLS had begun", run(code, upgrading, "upgrade_early"), 1, true)
  end)

  it("makes requests, and keeps connections for them", function()
    local certificate, key = certificates.make(at, "https", "DNS:localhost,DNS:127.0.0.1")
    for scheme, to in pairs { http = start(), https = start(certificate, key) } do
      local code = [[
        local answer, message = require("leadcat.util.http").request { url = "%s://127.0.0.1:%d/number" }
        return answer and answer.status .. " " .. answer.body or message
      ]]
      assert.equal("200 1", run(code, scheme, to))
      assert.equal("200 2", run(code, scheme, to))
    end
    local code = [[
      local answer, message, code, sent = require("leadcat.util.http").request {
        url = "http://127.0.0.1:%d/endless_%s", timeout = 5,
      }
      return code .. tostring(sent) .. message
    ]]
    for _, path in ipairs { "head", "interim", "chunks", "body" } do
      assert.matches("^unavailabletrue.*long", run(code, port, path))
    end
  end)
end)
