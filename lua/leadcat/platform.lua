--- The one place that knows where we run: how to wait without blocking the others, and whether waiting lets them go on.

local core = require "leadcat.core"

local platform = {}

local ngx = rawget(_G, "ngx")

-- The request phases of OpenResty in which a light thread may yield.
local YIELDS = { rewrite = true, access = true, content = true, timer = true, ssl_cert = true, preread = true }

--- Whether other coroutines of this Lua state run on while we wait.
---@return boolean
function platform.can_yield()
  return ngx ~= nil and ngx.get_phase ~= nil and YIELDS[ngx.get_phase()] == true
end

--- Whether host functions may be called now. In OpenResty's `init` and `init_worker` they could not use cosockets.
---@return boolean
function platform.can_call_host()
  return ngx == nil or ngx.get_phase == nil or not ngx.get_phase():find("^init")
end

---@param seconds number
function platform.sleep(seconds)
  if platform.can_yield() then
    ngx.sleep(seconds)
  else
    core.sleep(seconds)
  end
end

return platform
