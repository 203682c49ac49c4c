-- Ctrl-C ends a command wherever it is: no line is blamed for it, what was done before stays done. Real processes get a
-- real SIGINT.

local core = require "leadcat.core"
local json = require "leadcat.util.json"
local protected = require "leadcat.util.protected"
local stores = require "support.stores"

local LEAD, OPPORTUNITY = 1, 3
local PRESSED, ALL = 2500, 4000 -- the line at which Ctrl-C is pressed, and how many there are

-- A line of its own company and id.
local function line(i, more)
  return ('{"id":"e%d","trigger":"sale_registered","company":"c%d","at":1500000000%s}'):format(i, i, more or "")
end

local function lines(first, last)
  local list = {}
  for i = first, last do
    list[#list + 1] = line(i, i == PRESSED and ',"sale":{"id":"PRESS"}' or nil)
  end
  return table.concat(list, "\n") .. "\n"
end

-- A store with one rule.
local function new_store()
  local engine, path = stores.open()
  assert(engine:save(stores.config { sale_registered = OPPORTUNITY }))
  return engine, path
end

local function count_entries(engine)
  local count, after = 0, nil
  repeat
    local entries, next_page = assert(engine:history { limit = 1000, after = after })
    count, after = count + #entries, next_page
  until not after
  return count
end

-- Waits until the journal has so many entries.
local function wait_for(engine, count)
  for _ = 1, 6000 do
    if count_entries(engine) >= count then
      return
    end
    core.sleep(0.01)
  end
  error "the command does nothing"
end

-- The command, in a process that presses Ctrl-C itself while it reads the line that says PRESS: within lua-cjson, called
-- through a protected call.
local PRESSES = [[
local cjson = require "cjson"
local id = io.open "/proc/self/stat":read "*a":match "^%d+"
local new = cjson.new
function cjson.new()
  local own = new()
  local decode = own.decode
  function own.decode(text)
    if text:find("PRESS", 1, true) then
      io.popen("kill -INT " .. id):close()
    end
    return decode(text)
  end
  return own
end
os.exit(require("leadcat.cli").main(arg), true)
]]

-- Starts the command; gives its id, and a function that waits for its end and gives its output and status.
local function start(words, input)
  local command = ("sh -c 'echo $$; exec %s lua/leadcat/bin/leadcat %s%s' 2>&1; echo status $?")
    :format(os.getenv "LEADCAT_LUA" or "lua5.4", words, input and " <" .. input or "")
  local pipe = assert(io.popen(command))
  local id = pipe:read "*l"
  return id, function()
    local output = pipe:read "*a"
    pipe:close()
    local text, status = output:match "^(.-)status (%d+)\n$"
    return text, tonumber(status)
  end
end

describe("Ctrl-C", function()
  after_each(stores.check)

  for _, mode in ipairs { "", "--keep-going" } do
    local name = mode == "" and "" or " with " .. mode

    it("ends a replay in the middle of a line" .. name, function()
      local engine, path = new_store()
      local words = { "replay", "--path", path, "--start-category", "Lead", stores.file(lines(1, ALL), ".jsonl"),
        "--in-file-order", mode ~= "" and mode or nil }
      local output, status = stores.run(PRESSES, stores.unpack(words))
      assert.equal("leadcat: interrupted\n", output)
      assert.equal(130, status)
      assert.equal(2000, count_entries(engine)) -- two whole batches before that line

      words[6] = stores.file(lines(1, ALL):gsub("PRESS", "17"), ".jsonl")
      local errors
      output, errors, status = stores.leadcat(stores.unpack(words))
      assert.equal(0, status, errors)
      assert.matches("sale_registered%s+duplicate%s+2,000", output)
      assert.equal(ALL, count_entries(engine))
      engine:close()
    end)

    it("ends a replay that waits for its input" .. name, function()
      local engine, path = new_store()
      local fifo = stores.path()
      assert(os.execute("mkfifo '" .. fifo .. "'"))
      local id, wait = start(("replay --path %s --start-category Lead --format jsonl - %s"):format(path, mode), fifo)
      local writer = assert(io.open(fifo, "w"))
      writer:write(lines(1, PRESSED - 1)) -- and nothing more, though the file does not end
      writer:flush()
      wait_for(engine, 1000)
      os.execute("kill -INT " .. id)
      writer:close()
      local output, status = wait()
      assert.equal("leadcat: interrupted\n", output)
      assert.equal(130, status)
      assert.equal(0, count_entries(engine) % 1000)
      engine:close()
    end)

    it("ends a simulation" .. name, function()
      local rules = stores.file(json.encode(stores.config { sale_registered = OPPORTUNITY }), ".json")
      local file = stores.file(lines(1, ALL), ".jsonl")
      local words = { "simulate", "--config", rules, "--against", rules, file, mode ~= "" and mode or nil }
      local output, status = stores.run(PRESSES, stores.unpack(words))
      assert.equal("leadcat: interrupted\n", output)
      assert.equal(130, status)
    end)
  end

  it("ends a backfill that keeps to a rate", function()
    local engine, path = new_store()
    local file = stores.file(lines(1, 3), ".jsonl")
    local id, wait = start(("backfill --path %s --start-category Lead --rate 0.001 %s"):format(path, file))
    wait_for(engine, 1)
    os.execute("kill -INT " .. id)
    local output, status = wait()
    assert.matches("leadcat: interrupted\n$", output)
    assert.equal(130, status)
    assert.equal(1, count_entries(engine))
    engine:close()
  end)

  -- As the interpreter does it: a hook that raises when the next function is called, here the core's that writes details.
  it("does not set an event aside", function()
    local engine = new_store()
    assert(engine.host:create("Acme", LEAD))
    local event = { trigger = "sale_registered", company = "Acme", sale = { id = 1 } }
    local store_handle = engine._store.handle
    debug.sethook(function()
      local caller = debug.getinfo(3, "f")
      if caller and caller.func == store_handle then
        debug.sethook()
        error("interrupted!", 0)
      end
    end, "c")
    local ok, message = pcall(store_handle, engine._store, "", { event }, {}, 1, engine._store:prepare {
      write = true, keeps_companies = true, ttl = 1,
    })
    debug.sethook()
    assert.same({ false, "interrupted!" }, { ok, message })
    assert.equal(0, count_entries(engine))
    engine:close()
  end)
end)

describe("a protected call", function()
  after_each(stores.check)

  local PASSED_ON = {
    "interrupted!", "somewhere.lua:17: interrupted!", "not enough memory", "killed", "coroutine killed",
  }
  for _, message in ipairs(PASSED_ON) do
    it("raises on " .. message, function()
      assert.same({ false, message }, { pcall(protected.call, error, message, 0) })
    end)
  end

  for _, raised in ipairs { "a fault", "we were interrupted! twice", "interrupted! or so", 7, { code = "x" }, false } do
    it("stops " .. tostring(raised), function()
      assert.same({ false, raised }, { protected.call(error, raised, 0) })
    end)
  end

  it("returns what the function returns, all of it", function()
    assert.same({ true, 1, nil, 3 }, { protected.call(function(...) return ... end, 1, nil, 3) })
  end)

  it("lets a coroutine yield, as cosockets do", function()
    local co = coroutine.create(function()
      return protected.finally(function() end, protected.call, function(value)
        return coroutine.yield(value) + 1
      end, 1)
    end)
    assert.same({ true, 1 }, { coroutine.resume(co) })
    assert.same({ true, true, 42 }, { coroutine.resume(co, 41) })
  end)

  it("cleans up, and raises what was raised", function()
    local cleaned = 0
    local function clean() cleaned = cleaned + 1 end
    assert.same({ 1, 2 }, { protected.finally(clean, function(...) return ... end, 1, 2) })
    assert.has_error(function() protected.finally(clean, error, "a fault", 0) end, "a fault")
    assert.equal(2, cleaned)
  end)

  -- Each is called by leadcat where a fault goes no further.
  local CALLERS = {
    { "a listener", function(engine, interrupt)
      engine:on("updated", interrupt)
      engine:handle { trigger = "sale_registered", company = "Acme" }
    end },
    { "a guard", function(engine, interrupt)
      engine:on("guard", interrupt)
      engine:handle { trigger = "sale_registered", company = "Acme" }
    end },
    { "a permission", function(engine, interrupt)
      engine.host = { can = interrupt }
      engine:can({ id = 1 }, "view")
    end },
    { "a request", function(engine, interrupt)
      local app = require("leadcat.http").new { engine = engine, authenticate = interrupt }
      app:respond { method = "GET", path = "/leadcat/settings", headers = {}, body = function() return "" end }
    end },
    { "a value's __tostring", function(_, interrupt)
      require "leadcat.util.as_text"(setmetatable({}, { __tostring = interrupt }))
    end },
  }
  for _, row in ipairs(CALLERS) do
    it("of " .. row[1] .. " does not swallow Ctrl-C", function()
      local engine = new_store()
      assert(engine.host:create("Acme", LEAD))
      local ok, message = pcall(row[2], engine, function() error("interrupted!", 0) end)
      assert.same({ false, "interrupted!" }, { ok, message })
      engine:close()
    end)
  end

  it("of a host's function does not swallow Ctrl-C, and leaves no company in flight", function()
    local fails = true
    local engine = stores.open { host = {
      category = function() return LEAD end,
      set_category = function() return not fails and true or error("interrupted!", 0) end,
    } }
    assert(engine:save(stores.config { sale_registered = OPPORTUNITY }))
    local event = { trigger = "sale_registered", company = "Acme", id = "e" }
    local ok, message = pcall(engine.handle, engine, event)
    assert.same({ false, "interrupted!" }, { ok, message })
    assert.is_nil(next(engine._in_flight))
    fails = false
    assert.equal("applying", assert(engine:history {})[1].status) -- recovery finishes it
    engine:close()
  end)
end)

