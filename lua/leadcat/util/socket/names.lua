--- Whether a server's certificate is for the server that was meant (RFC 6125). LuaSec leaves that to its users.

local names = {}

local SUBJECT_ALTERNATIVE_NAME = "2.5.29.17"

--- Whether this is an IP address, and no name.
---@param host string
---@return boolean
function names.is_address(host)
  return host:find ":" ~= nil or host:find "^%d+%.%d+%.%d+%.%d+$" ~= nil
end

-- Whether a name of a certificate is the host's. A star stands for the whole first label, and not for the rest of a name
-- of two.
local function matches(pattern, host)
  pattern, host = pattern:lower(), host:lower():gsub("%.$", "")
  if pattern:sub(1, 2) ~= "*." then
    return pattern == host
  end
  local rest = pattern:sub(2)
  return rest:find("%.[^.]+%.[^.]") ~= nil and host:find("^[^.]") ~= nil and host:match("^[^.]+(.*)$") == rest
end

--- Whether the certificate names the host, as a name or an address. Only subject alternative names count, as in browsers.
---@param certificate table? LuaSec's
---@param host string
---@return true? ok, string? message
function names.check(certificate, host)
  local found = certificate and certificate:extensions()[SUBJECT_ALTERNATIVE_NAME] or {}
  local is_address = names.is_address(host)
  for _, name in ipairs(is_address and found.iPAddress or not is_address and found.dNSName or {}) do
    if is_address and name:lower() == host:lower() or not is_address and matches(name, host) then
      return true
    end
  end
  return nil, ("the certificate is not for %s"):format(host)
end

return names
