--- Files as commands name them: `-` is standard input.

local common = require "leadcat.cli.common"

local files = {}

---@param path string
---@return file*
function files.open(path)
  return path == "-" and io.stdin or common.must(io.open(path, "rb"))
end

---@param path string
---@return string
function files.read(path)
  local file = files.open(path)
  local content, message = file:read "*a"
  file:close()
  return common.must(content, message)
end

---@param path string
---@param content string
function files.write(path, content)
  local file = common.must(io.open(path, "wb"))
  common.must(file:write(content))
  common.must(file:close())
end

return files
