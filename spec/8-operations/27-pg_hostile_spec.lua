-- The client of PostgreSQL with servers that break off, drip, flood, or talk nonsense: what it cannot know is `unavailable`,
-- soon, and nothing is believed that was not said in whole.

local core = require "leadcat.core"
local databases = require "support.databases"
local pg = require "leadcat.store.pg"
local processes = require "support.processes"
local recordings = require "support.recordings"
local server = require "nginx.server"
local times = require "support.times"

local STATEMENT = pg.statement("SELECT $1::int8, $1::text, NULL, repeat('x', 40)::bytea FROM generate_series(1, 3)",
  { "int8" })

local function rows_of(result)
  local rows = {}
  for i, row in ipairs(result) do
    rows[i] = ("%s %s %s %s"):format(tostring(row[1]), tostring(row[2]), tostring(row[3]), tostring(row[4]))
  end
  return table.concat(rows, "\n")
end

-- What comes of a statement when the server sends these bytes: the rows, or nothing.
local function replay(bytes, size, stop)
  local pool = pg.pool "postgresql://leadcat@127.0.0.1/crm"
  local results = {}
  recordings.replay(bytes, size, stop or #bytes, function()
    for i = 1, 2 do
      local result, message, code = pool:run(STATEMENT, { 7 })
      if result then
        results[i] = rows_of(result)
      else
        assert.is_string(message)
        assert.is_true(code == "unavailable" or code == "failed", code)
      end
    end
  end)
  return results
end

describe("a recorded session", function()
  if os.getenv "LEADCAT_SLOW" then
    return
  end

  local recorded, expected, answers -- the bytes, what they mean, and where the answers end

  setup(function()
    local pool, marks = pg.pool(databases.url(databases.get("postgresql").options)), {}
    recorded = recordings.record(function(length)
      for i = 1, 2 do
        local result = assert(pool:run(STATEMENT, { 7 }))
        expected, marks[i] = rows_of(result), length()
      end
    end)
    answers = marks
  end)

  teardown(databases.stop)

  it("means the same in pieces of any size", function()
    for _, size in ipairs { 1, 2, 3, 5, 7, 64, 16384 } do
      assert.same({ expected, expected }, replay(recorded, size, answers[1]))
    end
  end)

  it("that breaks off anywhere means what was said in whole", function()
    for length = 0, #recorded - 1 do
      local results = replay(recorded:sub(1, length), 16384, answers[1])
      assert.equal(length >= answers[1] and expected or nil, results[1])
      assert.is_nil(results[2])
    end
  end)

  it("of which a byte is turned never hangs, and never gives other rows by the client's mistake", function()
    local random = math.random
    for _ = 1, times(2000) do
      local at = random(#recorded)
      replay(recorded:sub(1, at - 1) .. string.char(random(0, 255)) .. recorded:sub(at + 1), 16384, answers[1])
    end
  end)

  it("whose messages are out of order, missing or doubled is not believed", function()
    local first, messages = recorded:sub(1, answers[1]), {}
    local begun = recordings.end_of_startup(first)
    for _, message in ipairs(recordings.messages(first:sub(begun + 1))) do
      messages[#messages + 1] = message
    end
    local head = first:sub(1, begun)
    assert.same({ expected }, { replay(head .. table.concat(messages), 16384)[1] })
    for i = 1, #messages do
      for _, change in ipairs { "missing", "doubled", "swapped" } do
        local list = { (table.unpack or unpack)(messages) } -- luacheck: ignore
        local is_row = messages[i]:sub(1, 1) == "D" -- one row more or less is no disorder
        if change == "missing" and not is_row then
          table.remove(list, i)
        elseif change == "doubled" and not is_row and i < #messages then
          table.insert(list, i, messages[i])
        elseif change == "swapped" and i < #messages and messages[i] ~= messages[i + 1] then
          list[i], list[i + 1] = list[i + 1], list[i]
        else
          list = nil
        end
        if list then
          assert.is_nil(replay(head .. table.concat(list), 16384)[1], ("%s %d"):format(change, i))
        end
      end
    end
  end)
end)

describe("a server that is none", function()
  if os.getenv "LEADCAT_SLOW" then
    return
  end

  local port, hostile

  setup(function()
    port = server.free_port()
    hostile = processes.launch("../servers/postgresql.lua", port)
  end)

  teardown(function()
    processes.kill(hostile)
  end)

  for act, row in pairs {
    silent = { most = 1.5, message = "it took too long" }, mute = { most = 0.8, message = "it took too long" },
    drip_before = { most = 1.5, message = "it took too long" }, drip = { most = 0.8, message = "it took too long" },
    huge = { most = 3, message = "more than a reply may have" },
    notices = { most = 3, message = "does not belong here" },
    notices_before = { most = 3, message = "never gets ready" },
    rows = { most = 5, message = "more than a reply may have" },
    scram = { most = 1, message = "wants 2000000000 iterations of SCRAM; at most 1000000" },
    unproven = { most = 1, message = "has not proven that it knows the password" },
    md5 = { most = 1, message = "MD5, which is not safe" }, clear = { most = 1, message = "sslmode=verify-full" },
    http = { most = 1, message = "more than a reply may have" },
    closing = { most = 1, message = "has closed the connection" },
  } do
    it("is unavailable soon: " .. act, function()
      local timeout = act == "rows" and 4 or 0.3
      local pool = pg.pool(("postgresql://%s:secret@127.0.0.1:%d/crm?connect_timeout=1"):format(act, port),
        { timeout = timeout })
      collectgarbage()
      local begun, before = core.uptime(), collectgarbage "count"
      local result, message, code, problem = pool:run(STATEMENT, { 7 })
      local took, kilobytes = core.uptime() - begun, collectgarbage "count" - before
      assert.same({ nil, "unavailable", nil }, { result, code, problem })
      assert.is_truthy(message:find(row.message, 1, true), message)
      assert.is_true(took < row.most + 1, took)
      assert.is_true(kilobytes < 400000, kilobytes)
      assert.equal(0, #pool.idle)
    end)
  end
end)
