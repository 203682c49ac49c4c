--- Any value as text, for messages: what a host's function raises or returns is told, and telling it must not raise again.

---@param value any
---@return string
return function(value)
  local ok, text = pcall(tostring, value)
  return ok and type(text) == "string" and text or "what cannot be shown"
end
