-- Schedulers of coroutines beside nginx's: who waits for a company, or for the lock of the store, lets the others go on.

local http = require "socket.http"
local leadcat = require "leadcat"
local processes = require "support.processes"
local server = require "nginx.server"
local stores = require "support.stores"

local REPORT = "updated, updated, updated; Acme 1 -> 3, Acme 3 -> 5, Bolt 1 -> 5; the others went on"
local TREE = io.popen("pwd"):read "*l"

-- What every program needs, as the head of a script: where leadcat is, and for which Lua.
local function paths(module, version)
  return ([[
    package.path = "%s/lua/?.lua;%s/lua/?/init.lua;%s/spec/?.lua;/usr/share/lua/%s/?.lua;" .. package.path
    package.cpath = "%s/%s/%s/?.so;/usr/lib/%s/lua/%s/?.so;" .. package.cpath
  ]]):format(TREE, TREE, TREE, version, TREE, os.getenv "LEADCAT_BUILD" or "build", module,
    io.popen("gcc -print-multiarch"):read "*l", version)
end

local function write(name, content)
  local file = assert(io.open(name, "w"))
  file:write(content)
  file:close()
  return name
end

-- A loop as small as they come, for a process of a spec.
local LOOP = [[
  local core, scenario = require "leadcat.core", require "schedulers.scenario"
  local due = {}
  local function spawn(fn)
    due[coroutine.create(fn)] = 0
  end
  local function sleep(seconds)
    coroutine.yield(core.uptime() + seconds)
  end
  local function run()
    repeat
      local threads = {}
      for thread, time in pairs(due) do
        threads[#threads + 1] = time <= core.uptime() and thread or nil
      end
      for _, thread in ipairs(threads) do
        local ok, time = coroutine.resume(thread)
        assert(ok, time)
        due[thread] = coroutine.status(thread) ~= "dead" and time or nil
      end
      core.sleep(0.001)
    until next(due) == nil
  end
  io.stdout:setvbuf "line"
]]

describe("a scheduler that is given to `open`", function()
  after_each(stores.check)

  local function output_of(code, path)
    return (processes.start(LOOP .. code, { path }):wait())
  end

  it("runs others while an event waits for another one of its company", function()
    assert.equal(REPORT, output_of([[
      spawn(function()
        print(scenario.run(arg[1], sleep, spawn, { sleep = sleep }))
      end)
      run()
    ]], stores.path()))
  end)

  it("runs others while the store is written to by another process", function()
    local engine, path = stores.open()
    engine:close()
    local _, kill = processes.stop_writing(path)
    local child = processes.start(LOOP .. [[
      local changes, turns, outcome, engine = {}, 0, nil, nil
      spawn(function()
        engine = scenario.open(arg[1], scenario.host(sleep, changes), { sleep = sleep })
        outcome = engine:handle { trigger = "sale_won", company = "Acme" }
      end)
      spawn(function()
        while not outcome do
          sleep(0.005)
          turns = turns + 1
          if turns == 20 then
            print(outcome and "it did not wait" or "it waits, the other goes on")
          end
        end
        engine:close()
        print(outcome.status)
      end)
      run()
    ]], { path })
    local first = child:line()
    kill()
    assert.equal("it waits, the other goes on; updated", first .. "; " .. child:wait())
  end)

  it("does not have the main coroutine wait for itself", function()
    assert.matches("^company Acme is being changed by a call that waits for this one", output_of([[
      local changes = {}
      local host, inner = scenario.host(function() end, changes), nil
      local engine = scenario.open(arg[1], host, { sleep = sleep })
      local set_category = host.set_category
      function host.set_category(...)
        inner = inner or { engine:handle { trigger = "sale_registered", company = "Acme" } }
        return set_category(...)
      end
      engine:handle { trigger = "sale_won", company = "Acme" }
      print(inner[2])
      engine:close()
    ]], stores.path()))
  end)

  it("tells its coroutines apart by `running`, where it has tasks of its own", function()
    assert.equal(REPORT, output_of([[
      spawn(function()
        local function running() return coroutine.running() end
        print(scenario.run(arg[1], sleep, spawn, { sleep = sleep, running = running }))
      end)
      run()
    ]], stores.path()))
  end)

  it("must be whole", function()
    assert.has_error(function() leadcat.open { path = "x", running = function() end } end,
      "leadcat.open: option 'running' tells which coroutine of a scheduler runs: option 'sleep' is missing")
    assert.has_error(function() leadcat.open { path = "x", sleep = 1 } end)
  end)
end)

-- Tarantool and HAProxy have Luas of their own, and are slow under a sanitizer.
if os.getenv "LEADCAT_SLOW" then
  return
end

if rawget(_G, "jit") then
  describe("Tarantool", function()
    after_each(stores.check)

    -- What a script prints in Tarantool.
    local function output_of(code)
      local script = write(os.tmpname(), paths("luajit", "5.1") .. code)
      local pipe = assert(io.popen("tarantool " .. script .. " 2>&1"))
      local output = pipe:read "*a"
      pipe:close()
      os.remove(script)
      return output
    end

    it("has fibers that wait for each other", function()
      assert.equal(REPORT .. "\n", output_of(([[
        local fiber = require "fiber"
        print(require("schedulers.scenario").run(%q, fiber.sleep, fiber.create))
        os.exit(0)
      ]]):format(stores.path())))
    end)

    it("has a transaction survive: an event in it is refused rather than waited for", function()
      local path, data = stores.path(), stores.path()
      assert.equal("unavailable true 1\n", output_of(([[
        local fiber, scenario = require "fiber", require "schedulers.scenario"
        os.execute("mkdir -p " .. %q)
        box.cfg { memtx_dir = %q, wal_mode = "none", log_level = 0 }
        local space = box.schema.space.create "t"
        space:create_index "primary"
        local host = scenario.host(function() end, {})
        local set_category = host.set_category
        function host.set_category(...)
          fiber.sleep(0.2)
          return set_category(...)
        end
        local engine = scenario.open(%q, host)
        fiber.create(function() engine:handle { trigger = "sale_won", company = "Acme" } end)
        fiber.sleep(0.05)
        box.begin()
        space:insert { 1 }
        local _, _, code = engine:handle { trigger = "sale_registered", company = "Acme" }
        local is_open = box.is_in_txn()
        box.commit()
        print(code, is_open, space:len())
        os.exit(0)
      ]]):format(data, data, path)):gsub("\t", " "))
    end)
  end)
else
  describe("HAProxy", function()
    after_each(stores.check)

    it("has tasks and services that wait for each other", function()
      local port = server.free_port()
      local script = write(os.tmpname(), paths("lua5.3", "5.3") .. ([[
        local haproxy, scenario = core, require "schedulers.scenario"
        local function sleep(seconds)
          haproxy.msleep(math.ceil(seconds * 1000))
        end
        haproxy.register_service("sales", "http", function(applet)
          local report = scenario.run(%q, sleep, haproxy.register_task)
          applet:set_status(200)
          applet:add_header("content-length", #report)
          applet:start_response()
          applet:send(report)
        end)
      ]]):format(stores.path()))
      local conf = write(os.tmpname(), ([[
        global
          lua-load %s
        defaults
          mode http
          timeout client 10s
          timeout server 10s
          timeout connect 10s
        frontend sales
          bind 127.0.0.1:%d
          http-request use-service lua.sales
      ]]):format(script, port):gsub("\n +", "\n"):gsub("^ +", ""))
      local pipe = assert(io.popen("echo $$; exec haproxy -db -f " .. conf .. " 2>&1"))
      local pid = pipe:read "*l"
      local report = server.wait_for(function() return http.request(("http://127.0.0.1:%d/"):format(port)) end)
      os.execute("kill " .. pid)
      local log = pipe:read "*a"
      pipe:close()
      os.remove(script)
      os.remove(conf)
      assert.equal(REPORT, report or log)
    end)
  end)
end
