--- What the kinds of webhooks share: comparing signatures in constant time, and the time window.

local core = require "leadcat.core"

local signature = {}

local WINDOW = 300 -- seconds that a signed time may be off

--- Whether what was sent is one of the secrets, or what `sign` makes with one. All are tried, so that time tells nothing.
---@param secrets string[]
---@param sent string?
---@param sign? fun(secret: string): string
---@return boolean
function signature.matches(secrets, sent, sign)
  local found = false
  for _, secret in ipairs(secrets) do
    found = core.equal(sign and sign(secret) or secret, sent or "") or found
  end
  return found
end

--- What is wrong with a signed time; nil when nothing is.
---@param sent string? digits
---@param now number seconds since 1970
---@param unit? number how many make a second; default 1
---@return string? problem
function signature.time_problem(sent, now, unit)
  if not sent or not sent:find "^%d+$" or #sent > 15 then
    return "its time is missing, or is no number"
  elseif math.abs(now - tonumber(sent) / (unit or 1)) > WINDOW then
    return "its time is more than five minutes off: it is old, or a clock is wrong"
  end
end

return signature
