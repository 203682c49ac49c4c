--- Loads the Lua file that `leadcat worker` runs: it has the engine with its host.

local as_text = require "leadcat.util.as_text"
local common = require "leadcat.cli.common"
local files = require "leadcat.cli.files"
local protected = require "leadcat.util.protected"
local worker = require "leadcat.operations.worker"

-- What the file returns. Ends the run when it cannot be run, or returns something else.
---@param path string
---@return table
return function(path)
  local source = files.read(path):gsub("^#[^\n]*", "")
  local chunk, message = (rawget(_G, "loadstring") or load)(source, "@" .. path)
  common.must(chunk, message)
  local ok, work = protected.call(chunk)
  if not ok then
    common.fail("%s", as_text(work))
  end
  local problem = worker.problem(work)
  if problem then
    common.fail("%s: %s", path, problem)
  end
  return work
end
