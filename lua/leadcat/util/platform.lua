--- What differs between OpenResty and plain Lua: how to wait, and whether other coroutines run meanwhile.

local core = require "leadcat.core"
local protected = require "leadcat.util.protected"
local unicode = require "leadcat.util.unicode"

local platform = {}

local ngx = rawget(_G, "ngx")

-- The request phases of OpenResty in which a light thread may yield.
local YIELDS = {
  server_rewrite = true, rewrite = true, access = true, content = true, timer = true, preread = true,
  ssl_cert = true, ssl_client_hello = true, ssl_session_fetch = true,
}

--- Whether other coroutines of this Lua state run while we wait.
---@return boolean
function platform.can_yield()
  return ngx ~= nil and ngx.get_phase ~= nil and YIELDS[ngx.get_phase()] == true
end

--- Whether host functions may be called now. In OpenResty's `init` and `init_worker` they could not use cosockets.
---@return boolean
function platform.can_call_host()
  return ngx == nil or ngx.get_phase == nil or not ngx.get_phase():find("^init")
end

--- Whether this is OpenResty's master process, whose workers are forked later: no store can be opened for them here.
---@return boolean
function platform.is_before_fork()
  return ngx ~= nil and ngx.get_phase ~= nil and ngx.get_phase() == "init"
end

--- Whether this is a worker of nginx, whose requests all wait while one of them blocks.
platform.is_nginx = ngx ~= nil and ngx.get_phase ~= nil

--- Tells whoever reads the log of nginx.
---@param message string
function platform.warn(message)
  ngx.log(ngx.WARN, "leadcat: ", unicode.visible(message))
end

local LONGEST_NAP = 0.25 -- seconds; Ctrl-C is noticed between two naps

---@param seconds number
function platform.sleep(seconds)
  if platform.can_yield() then
    ngx.sleep(seconds)
    return
  end
  while seconds > 0 do
    core.sleep(math.min(seconds, LONGEST_NAP))
    seconds = seconds - LONGEST_NAP
  end
end

if ngx ~= nil and ngx.get_phase ~= nil then
  local found, semaphore = protected.call(require, "ngx.semaphore")
  --- nginx's semaphores, where there are any.
  platform.semaphore = found and semaphore or nil
end

--- Runs a function beside this coroutine, where `can_yield` is true: at once, until it yields.
---@param fn fun()
function platform.spawn(fn)
  assert(ngx.thread.spawn(fn))
end

local LONGEST = 0.01 -- seconds for which other coroutines may have to wait

--- Lets other coroutines run, during long work, when they have waited for a while. It costs little: call it often.
function platform.give_way()
  -- nginx's time is that of its last look at the connections
  if platform.can_yield() and core.now() - ngx.now() >= LONGEST then
    ngx.sleep(0.001) -- with 0, some builds of the Lua module do not yield, and say so in the log
  end
end

return platform
