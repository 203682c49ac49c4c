--- Which of a node's processes looks for rules in the database: the one that holds the lease, a small file in the node's
-- directory. It is renewed with each look, and runs out soon behind the last one: so it ends with its process, also with one
-- that stands still. Two who take it at the same moment both look, once more than needed.

local core = require "leadcat.core"

local lease = {}

local NAME = "/rules.poller"
local LONGEST = 15 -- seconds; a lease beyond that is of before the machine was started
local FORM, READ = "%20.0f %18.3f %18.3f %15.0f\n", "^ *(%d+) +([%d.]+) +([%d.]+) +(%d+)\n"

---@class leadcat.sql.Lease
---@field name? string of the file; nil: there are no other processes
---@field owner integer
local Lease = {}
Lease.__index = Lease

--- Who has it, until when; when rules were looked for with success, and the counter that was found: by `core.uptime`.
---@return integer? owner, number? ends, number? looked, integer? counter
function Lease:read()
  local file = self.name and io.open(self.name, "rb")
  local text = file and file:read "*a"
  if file then
    file:close()
  end
  local owner, ends, looked, counter = (text or ""):match(READ)
  if owner and tonumber(ends) <= core.uptime() + LONGEST then
    return tonumber(owner), tonumber(ends), tonumber(looked), tonumber(counter)
  end
end

--- Holds it for so long from now. In a directory that cannot be written, each process looks for itself.
---@param seconds number
---@param looked? number
---@param counter? integer
function Lease:hold(seconds, looked, counter)
  if not self.name then
    return
  end
  local _, _, before, known = self:read()
  local file = io.open(self.name, "r+b") or io.open(self.name, "wb")
  if file then
    file:write(FORM:format(self.owner, core.uptime() + seconds, looked or before or 0, counter or known or 0))
    file:close()
  end
end

--- Takes it for so long, unless another process has it.
---@param seconds number
---@return boolean
function Lease:take(seconds)
  local owner, ends = self:read()
  if owner and owner ~= self.owner and ends > core.uptime() then
    return false
  end
  self:hold(seconds)
  return true
end

--- Gives it back.
function Lease:release()
  if self:read() == self.owner then
    self:hold(0)
  end
end

---@param path? string the node's directory
---@param owner integer
---@return leadcat.sql.Lease
function lease.new(path, owner)
  return setmetatable({ name = path and path .. NAME, owner = owner }, Lease)
end

return lease
