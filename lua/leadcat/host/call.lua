--- Calls a function of the host. What it raises becomes its failure.

local as_text = require "leadcat.util.as_text"
local protected = require "leadcat.util.protected"

---@param name string of the function, for the message
---@param fn function
---@return any result nil when it failed
---@return string? message, string? code of the embedded host
return function(name, fn, ...)
  local ok, result, message, code = protected.call(fn, ...)
  if not ok then
    return nil, ("host.%s raised: %s"):format(name, as_text(result))
  end
  return result, message, code
end
