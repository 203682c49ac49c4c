--- Text in addresses and forms (RFC 3986), both ways.

local url = {}

--- As a part of an address, or the name or value of a parameter: all but letters, digits and `_.~-` as %XX.
---@param text string
---@return string
function url.escape(text)
  return (text:gsub("[^%w_.~-]", function(character) return ("%%%02X"):format(character:byte()) end))
end

--- The name or value of a parameter of a form or a query, where a blank may be a plus sign.
---@param text string
---@return string
function url.unescape(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

return url
