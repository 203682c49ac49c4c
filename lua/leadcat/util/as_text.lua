--- Any value as text for messages, such as what a host's function raised. What `__tostring` raises goes no further.

local protected = require "leadcat.util.protected"

---@param value any
---@return string
return function(value)
  local ok, text = protected.call(tostring, value)
  return ok and type(text) == "string" and text or "what cannot be shown"
end
