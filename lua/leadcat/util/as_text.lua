--- Any value as text for messages, such as what a host's function raised. Never raises.

---@param value any
---@return string
return function(value)
  local ok, text = pcall(tostring, value)
  return ok and type(text) == "string" and text or "what cannot be shown"
end
