--- Whole files, read and written.

local files = {}

---@param name string
---@return string content raises when it cannot be read
function files.read(name)
  local file = assert(io.open(name, "rb"))
  local content = file:read "*a"
  file:close()
  return content
end

---@param name string
---@param content string
function files.write(name, content)
  local file = assert(io.open(name, "wb"))
  file:write(content)
  file:close()
end

return files
