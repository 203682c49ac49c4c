--- Sessions with whichever of several servers can be written to: a bounded number of them, in nginx for each worker. A server
-- that is gone, or no longer the primary, is left at once, with all sessions that were put aside; one that is silent, for a
-- while.

local breaker = require "leadcat.store.pg.breaker"
local connection = require "leadcat.store.pg.connection"
local core = require "leadcat.core"
local platform = require "leadcat.util.platform"
local socket = require "leadcat.util.socket"
local statements = require "leadcat.store.pg.statement"

local pool = {}

local MOMENT = 0.05 -- seconds; a place that was lost with a killed coroutine is noticed after that
local made = 0 -- pools and sessions of this process, for names

---@class leadcat.pg.Pool
---@field info leadcat.pg.Conninfo
---@field settings table<string, string>
---@field timeout number
---@field size integer
---@field keeps_warnings boolean
---@field ignores_raised boolean
---@field breaker leadcat.pg.Breaker
---@field sessions integer how many were opened so far: where it stays, nobody has put another database in the place of this one
local Pool = {}
Pool.__index = Pool

-- Places -------------------------------------------------------------------------------------------------------------

-- How many sessions are in use. Those of coroutines that were killed are collected.
local function in_use(self)
  local count = 0
  for _ in pairs(self.leased) do
    count = count + 1
  end
  return count
end

-- Waits for a place, where others run meanwhile: whether there is one.
local function wait_for_place(self)
  local deadline = core.uptime() + self.info.connect_timeout
  while in_use(self) >= self.size do
    if not platform.can_yield() or core.uptime() >= deadline then
      return false
    elseif self.waiting then
      self.waiting:wait(MOMENT)
    else
      platform.sleep(MOMENT)
    end
  end
  return true
end

-- Servers ------------------------------------------------------------------------------------------------------------

-- Forgets the sessions with a host that were put aside, and begins with the next host.
local function leave(self, host)
  local kept = {}
  for _, parked in ipairs(self.idle) do
    if parked.host == host then
      socket.forget(parked.key)
    else
      kept[#kept + 1] = parked
    end
  end
  self.idle = kept
  self.left[host] = (self.left[host] or 0) + 1
  if self.info.hosts[self.first] == host then
    self.first = self.first % #self.info.hosts + 1
  end
end

local function new_key()
  made = made + 1
  return "pg " .. made
end

-- A session with a host, unless that is left alone.
local function try(self, host)
  local allowed, why = self.breaker:allows(host)
  if not allowed then
    return nil, ("%s: %s"):format(host.name, why)
  end
  local begun = core.uptime()
  local opened, reason, problem = connection.open(self, host, new_key())
  if not opened then
    self.breaker:note(host, not problem and core.uptime() - begun or nil)
  end
  return opened, reason, problem
end

-- A session with the first host that will do, beginning with the one that did last.
local function open(self)
  local hosts, begin, reasons, last = self.info.hosts, self.first, {}, nil
  for i = 0, #hosts - 1 do
    local at = (begin - 1 + i) % #hosts + 1
    local opened, reason, problem = try(self, hosts[at])
    if opened then
      self.first, self.sessions = at, self.sessions + 1
      return opened
    end
    reasons[#reasons + 1], last = reason, problem or last
  end
  return nil, table.concat(reasons, "; "), "unavailable", last
end

-- One that was put aside and still works; nil when there is none.
local function take_up(self)
  while #self.idle > 0 do
    local parked = table.remove(self.idle)
    local taken = connection.open(self, parked.host, parked.key, parked)
    if taken then
      self.sessions = self.sessions + (taken == parked and 0 or 1)
      return taken
    end
    leave(self, parked.host)
  end
end

-- ----------------------------------------------------------------------------------------------------------------------

--- A session that nobody else has, until it is released.
---@return leadcat.pg.Connection? connection
---@return string? message
---@return "unavailable"? code
---@return leadcat.pg.Problem? problem of the last server that gave one
function Pool:acquire()
  if not wait_for_place(self) then
    return nil, ("all %d connections are in use"):format(self.size), "unavailable"
  end
  local place = {}
  self.leased[place] = true -- also while it connects, and others run
  local taken, message, code, problem = take_up(self), nil, nil, nil
  if not taken then
    taken, message, code, problem = open(self)
  end
  if not taken then
    self.leased[place] = nil
    return nil, message, code, problem
  end
  taken.place, taken.since = place, self.left[taken.host]
  return taken
end

--- Gives it back. One in the middle of a transaction is closed, which undoes that.
---@param taken leadcat.pg.Connection
function Pool:release(taken)
  local place = taken.place
  if not place then
    return
  elseif taken.leaves and taken.since == self.left[taken.host] then
    leave(self, taken.host)
  end
  self.breaker:note(taken.host, taken.silence)
  if taken:is_open() and taken.status == "idle" and taken.since == self.left[taken.host] and not self.is_closed then
    taken:park()
    self.idle[#self.idle + 1] = taken
  else
    taken:close()
  end
  taken.place, self.leased[place] = nil, nil
  if self.waiting and self.waiting:count() < 0 then
    self.waiting:post()
  end
end

--- Executes a statement on a session of its own: once. See `leadcat.pg.Connection.run`.
---@param statement leadcat.pg.Statement
---@param values? any[]
---@param timeout? number
---@param further? table[] more statements `{statement, values}` of the same transaction, in the same round trip
---@param sessions? integer `overtaken`, and nothing is sent, once more than these were opened (`pool.sessions`)
---@return leadcat.pg.Result? result of the statement, string? message, "unavailable"|"failed"|"overtaken"|nil code, leadcat.pg.Problem? problem
---@return boolean? was_sent
function Pool:run(statement, values, timeout, further, sessions)
  local encoded = statements.encode(statement, values or {}, 2) -- before there is a session that an error would lose
  local taken, reason, unavailable, last = self:acquire()
  if not taken then
    return nil, reason, unavailable, last
  elseif sessions and sessions ~= self.sessions then
    self:release(taken)
    return nil, "there are new sessions: it may be another database", "overtaken"
  end
  local result, message, code, problem
  if further and further[1] then
    local list = { { statement, values } }
    for i, item in ipairs(further) do
      list[i + 1] = item
    end
    result, message, code, problem = taken:pipeline(list, timeout)
    result = result and result[1]
  else
    result, message, code, problem = taken:run_encoded(statement, encoded, timeout)
  end
  self:release(taken)
  return result, message, code, problem, true
end

--- How many sessions are in use and put aside, how many there may be, and, in nginx, how many wait for one.
---@return {used: integer, idle: integer, size: integer, waiting: integer}
function Pool:state()
  return {
    used = in_use(self), idle = #self.idle, size = self.size,
    waiting = self.waiting and math.max(0, -self.waiting:count()) or 0,
  }
end

--- Closes what was put aside; what is in use is closed when it is released.
function Pool:close()
  self.is_closed = true
  for _, parked in ipairs(self.idle) do
    socket.forget(parked.key)
  end
  self.idle = {}
end

---@param info leadcat.pg.Conninfo
---@param options leadcat.pg.Options all of them
---@return leadcat.pg.Pool
function pool.new(info, options)
  return setmetatable({
    info = info, settings = options.settings, timeout = options.timeout, size = options.size,
    keeps_warnings = options.keeps_warnings, ignores_raised = options.ignores_raised, idle = {}, first = 1, left = {},
    sessions = 0, is_closed = false, breaker = breaker.new(info.connect_timeout + options.timeout),
    leased = setmetatable({}, { __mode = "k" }), waiting = platform.semaphore and platform.semaphore.new() or nil,
  }, Pool)
end

return pool
