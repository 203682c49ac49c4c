--- One consumer at a time: a row of the database has its owner, and until when it is his, by the database's clock. It saves
-- work and keeps the order; that nothing is handled twice is up to the ids of events.

local core = require "leadcat.core"
local session = require "leadcat.host.sql.session"

---@class leadcat.outbox.Lease
---@field renew_at? number of `core.uptime`; nil when it is not held
local Lease = {}
Lease.__index = Lease

-- Why the lease was not to be had: somebody else has it (0), or nil, message.
local function look(self)
  local rows, message = session.query(self.adapter, self.find)
  if rows and #rows == 0 then
    return nil, ("the table %s has no row: leadcat outbox sql makes it"):format(self.name)
  end
  return rows and 0 or nil, message
end

--- Takes the lease, or takes it anew when a third of it is over.
---@return boolean? held, string? message nil when that cannot be told
function Lease:hold()
  local now = core.uptime()
  if self.renew_at and now < self.renew_at then
    return true
  end
  self.renew_at = nil
  local changed, message = session.execute(self.adapter, self.take, { self.owner, self.owner })
  if changed == 0 then
    changed, message = look(self)
  end
  if not changed then
    return nil, message
  end
  self.renew_at = changed > 0 and now + self.seconds / 3 or nil
  return changed > 0
end

--- Gives it up.
---@return true? done, string? message, string? code
function Lease:close()
  self.renew_at = nil
  local changed, message = session.execute(self.adapter, self.give_up, { self.owner })
  return changed and true, message, not changed and "unavailable" or nil
end

---@param adapter leadcat.sql.Adapter
---@param name string the table's, in quotes
---@param now string the time, in SQL
---@param seconds integer after which somebody else takes it
---@return leadcat.outbox.Lease
return function(adapter, name, now, seconds)
  return setmetatable({
    adapter = adapter, name = name, seconds = seconds, owner = core.random_id(),
    take = ("UPDATE %s SET owner = ?, expires = %s + %d WHERE id = 1 AND (owner = ? OR expires < %s)"):format(name, now,
      seconds, now),
    find = ("SELECT owner FROM %s WHERE id = 1"):format(name),
    give_up = ("UPDATE %s SET expires = 0 WHERE id = 1 AND owner = ?"):format(name),
  }, Lease)
end
