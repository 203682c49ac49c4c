--- What differs between the programs that Lua runs in: how to wait, and whether other coroutines run meanwhile. One
-- scheduler serves a whole Lua state: nginx's, Tarantool's and HAProxy's are found, another one is given to
-- `leadcat.open`.

local core = require "leadcat.core"
local protected = require "leadcat.util.protected"
local unicode = require "leadcat.util.unicode"

local platform = {}

local ngx = rawget(_G, "ngx")

--- Whether this is a worker of nginx.
platform.is_nginx = ngx ~= nil and ngx.get_phase ~= nil

-- Schedulers ----------------------------------------------------------------------------------------------------------

---@class leadcat.Scheduler
---@field sleep fun(seconds: number) waits; other coroutines run meanwhile
---@field running fun(): any tells the coroutines apart; nil or false where the one that runs must not wait
---@field warn? fun(message: string) writes to the program's log

-- The request phases of OpenResty in which a light thread may yield.
local YIELDS = {
  server_rewrite = true, rewrite = true, access = true, content = true, timer = true, preread = true,
  ssl_cert = true, ssl_client_hello = true, ssl_session_fetch = true,
}

local function of_nginx()
  return {
    sleep = ngx.sleep,
    running = function() return YIELDS[ngx.get_phase()] and coroutine.running() end,
    warn = function(message) ngx.log(ngx.WARN, message) end,
  }
end

-- Inside a transaction of Tarantool's memtx engine, waiting would roll it back. `box` has the function once it is configured.
local function of_tarantool(fiber, box)
  return {
    sleep = fiber.sleep,
    running = function()
      local in_transaction = rawget(box, "is_in_txn")
      return not (in_transaction and in_transaction()) and fiber.id()
    end,
    warn = require("log").warn,
  }
end

-- The coroutine that runs, unless it is the main one or cannot yield.
local function yieldable()
  local thread, is_main = coroutine.running()
  local may_yield = rawget(coroutine, "isyieldable") -- LuaJIT has none
  return thread and not is_main and (not may_yield or may_yield()) and thread
end

-- HAProxy does not tell converters and fetches, in which nothing may wait, from actions, services and tasks.
local function of_haproxy(haproxy)
  return {
    sleep = function(seconds) haproxy.msleep(math.ceil(seconds * 1000)) end,
    running = yieldable,
    warn = haproxy.Warning,
  }
end

local function find_scheduler()
  local fiber, box, haproxy = package.loaded.fiber, rawget(_G, "box"), rawget(_G, "core")
  if platform.is_nginx then
    return of_nginx()
  elseif type(fiber) == "table" and fiber.sleep and type(box) == "table" then
    return of_tarantool(fiber, box)
  elseif type(haproxy) == "table" and haproxy.msleep and haproxy.register_task then
    return of_haproxy(haproxy)
  end
end

local scheduler = find_scheduler()

--- Sets the scheduler of this Lua state.
---@param sleep fun(seconds: number)
---@param running? fun(): any default: the coroutine that runs, unless it is the main one
function platform.schedule(sleep, running)
  scheduler = { sleep = sleep, running = running or yieldable }
end

--- Whether there is a scheduler, whose other coroutines must not wait while one of them blocks.
---@return boolean
function platform.is_scheduled()
  return scheduler ~= nil
end

--- Whether other coroutines of this Lua state run while we wait.
---@return boolean
function platform.can_yield()
  return scheduler ~= nil and scheduler.running() and true or false
end

--- Whether this may wait: nobody has to stand still meanwhile but who has called.
---@return boolean
function platform.may_wait()
  return scheduler == nil or platform.can_yield()
end

--- What runs now, to tell it from the other coroutines of this Lua state.
---@return any
function platform.running()
  return scheduler and scheduler.running() or coroutine.running() or "main"
end

-- Phases of nginx -----------------------------------------------------------------------------------------------------

--- Whether host functions may be called now. In OpenResty's `init` and `init_worker` they could not use cosockets.
---@return boolean
function platform.can_call_host()
  return not platform.is_nginx or not ngx.get_phase():find("^init")
end

--- Whether this is OpenResty's master process, whose workers are forked later: no store can be opened for them here.
---@return boolean
function platform.is_before_fork()
  return platform.is_nginx and ngx.get_phase() == "init"
end

-- Logs and waiting ----------------------------------------------------------------------------------------------------

--- Tells whoever reads the log of the program, where it has one.
---@param message string
function platform.warn(message)
  local warn = scheduler and scheduler.warn
  if warn then
    warn("leadcat: " .. unicode.visible(message))
  end
end

local LONGEST_NAP = 0.25 -- seconds; Ctrl-C is noticed between two naps

---@param seconds number
function platform.sleep(seconds)
  if platform.can_yield() then
    scheduler.sleep(seconds)
    return
  end
  while seconds > 0 do
    core.sleep(math.min(seconds, LONGEST_NAP))
    seconds = seconds - LONGEST_NAP
  end
end

if platform.is_nginx then
  local found, semaphore = protected.call(require, "ngx.semaphore")
  --- nginx's semaphores, where there are any.
  platform.semaphore = found and semaphore or nil
end

--- Whether requests that are ready at the same time may share a commit.
---@return boolean
function platform.can_share()
  return platform.semaphore ~= nil and platform.can_yield()
end

--- Runs a function beside this coroutine, where `can_share` is true: at once, until it yields.
---@param fn fun()
function platform.spawn(fn)
  assert(ngx.thread.spawn(fn))
end

local LONGEST = 0.01 -- seconds for which other coroutines may have to wait
local rested = 0 -- when they last had their turn here, by `core.uptime`

-- For how long other coroutines have waited. nginx's time is that of its last look at the connections.
local function waited()
  return platform.is_nginx and core.now() - ngx.now() or core.uptime() - rested
end

--- In nginx, runs a function after some seconds in a coroutine of its own, which outlives the request. Whether it will.
---@param seconds number
---@param fn fun(is_ending: boolean) is_ending: the worker ends
---@return boolean
function platform.later(seconds, fn)
  return ngx.timer.at(seconds, fn) and true or false
end

--- Lets other coroutines run, during long work, when they have waited for a while. It costs little: call it often.
function platform.give_way()
  if platform.can_yield() and waited() >= LONGEST then
    scheduler.sleep(0.001) -- with 0, some builds of nginx's Lua module do not yield, and say so in the log
    rested = core.uptime()
  end
end

return platform
