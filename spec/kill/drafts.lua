-- One of the processes that the kill test of drafts kills: PATH URL approve|maintain ACKS [METHOD before|after]. It makes drafts
-- active until none is left; those that it was told of stand in the file ACKS. With a method of the store it stops there, before or
-- after the call, and waits to be killed.

local core = require "leadcat.core"
local leadcat = require "leadcat"
local stores = require "support.stores"

local path, url, work, acks, method, moment = stores.unpack(arg)

local function say_ready()
  print "ready"
  io.stdout:flush()
end

local engine = assert(leadcat.open {
  path = path, map_size = 2 ^ 26, shared = url ~= "" and url or nil,
  durability = url ~= "" and "primary" or nil,
})
local file = assert(io.open(acks, "a"))
local store = engine._store

-- A call of the store at which this process stops.
local function stop(_, ...)
  if moment == "after" then
    assert(store[method](store, ...))
  end
  say_ready()
  core.sleep(600)
end

if method then
  engine._store = setmetatable({ [method] = stop }, {
    __index = function(_, name)
      return function(_, ...) return store[name](store, ...) end
    end,
  })
else
  say_ready()
end
repeat
  local drafts = assert(engine:drafts())
  if work == "maintain" then
    assert(engine:maintain())
  elseif drafts[1] then
    local draft = drafts[math.random(#drafts)]
    local approved, message, code = engine:approve(draft.id)
    assert(approved or code == "not_found", message) -- another process may have made it active
    if approved then
      file:write(("%s %d\n"):format(draft.note, approved.revision))
      file:flush()
    end
  end
until not drafts[1]
engine:close()
