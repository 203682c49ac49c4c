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

local BLOCK = 64 * 1024 -- bytes

--- Passes on what a file has, block by block. Ends the run where it cannot be read.
---@param path string for the message
---@param file file*
---@param take fun(block: string)
function files.each_block(path, file, take)
  local block, message = file:read(BLOCK)
  while block do
    take(block)
    block, message = file:read(BLOCK)
  end
  if message then
    common.fail("%s: %s", path == "-" and "standard input" or path, message)
  end
end

-- A pipe that is kept as it is read, so that it can be read once more.
---@class leadcat.cli.Kept
---@field pipe file*
---@field copy? file* what has been read
---@field again? boolean the copy is read, then the rest of the pipe
local Kept = {}
Kept.__index = Kept

function Kept:read(n)
  local block = self.again and self.copy:read(n)
  if block then
    return block
  end
  local message
  block, message = self.pipe:read(n)
  if block and not self.again then
    self.copy = self.copy or common.must(io.tmpfile())
    common.must(self.copy:write(block))
  end
  return block, message
end

-- Only its start can be found again.
function Kept:seek(whence)
  if whence == "end" then
    return nil
  elseif self.copy then
    self.again = true
    common.must(self.copy:seek "set")
  end
  return 0
end

--- A file that can be read twice, from its start.
---@param path string
---@return file*|leadcat.cli.Kept
function files.open_twice(path)
  local file = files.open(path)
  return file:seek "cur" and file or setmetatable({ pipe = file }, Kept)
end

return files
