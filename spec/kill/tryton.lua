-- The file of a worker beside Tryton, that of the demo. It looks every 0.2 seconds, and is killed at one of the worst points, which
-- the environment variable DIES names: "asked", when a change is written down and Tryton has not been asked; "changed", when Tryton
-- has changed and leadcat does not know; "known", when leadcat knows and the cursor has not moved.

local work = dofile "lua/leadcat/demo/tryton/worker.lua"
local host, point = work.engine.host, os.getenv "DIES"
local category, set_category = host.category, host.set_category
local has_changed = false

local function die_at(where)
  if point == where then
    os.execute "kill -KILL $PPID"
  end
end

function host.category(...)
  if has_changed then -- another event of the same page
    die_at "known"
  end
  return category(...)
end

function host.set_category(...)
  die_at "asked"
  local ok, message, code = set_category(...)
  die_at(ok and "changed" or nil)
  has_changed = ok
  return ok, message, code
end

work.sources[1].every = 0.2
return work
