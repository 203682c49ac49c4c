--- What a call of the host's function has returned: `call(name, protected.call(fn, ...))`. What it raises becomes its failure.

local as_text = require "leadcat.util.as_text"

---@param name string of the function, for the message
---@param ok boolean
---@param result any
---@param message? string
---@param code? string
---@return any result nil when it failed
---@return string? message, string? code of the embedded host
return function(name, ok, result, message, code)
  if not ok then
    return nil, ("host.%s raised: %s"):format(name, as_text(result))
  end
  return result, message, code
end
