--- Stores that are only read, for specs, and another process that writes one.

local asking = require "support.asking"
local assert = require "luassert"
local processes = require "support.processes"
local stores = require "support.stores"
local users = require "support.users"

local readers = {}

--- All that can be seen of the files in a directory.
function readers.state_of(directory)
  return users.output_of("cd '%s' && stat -c '%%n %%U %%a %%s %%Y' . * && cksum *", directory)
end

local NOW = os.time()

function readers.now()
  return NOW
end

--- A store with changes, an open question and two revisions, closed.
function readers.new_store()
  local engine, _, path = asking.open { clock = readers.now }
  asking.ask(engine)
  assert(engine:handle { trigger = "sale_lost", company = "Bolt", sale = { id = 3 } })
  assert(engine:save(engine:config()))
  engine:close()
  return path
end

--- Opens it to be read; `more`: with these `triggers`.
function readers.open(path, more)
  return stores.open { path = path, readonly = true, clock = readers.now, triggers = more and more.triggers }
end

local OWNER = [[
  local stores = require "support.stores"
  local engine = require("leadcat").open { path = arg[1] }
  io.stdout:setvbuf "line"
  print "open"
  local asked = io.open(arg[2])
  for line in asked:lines() do
    if line == "save" then
      engine:save(stores.config { sale_won = 6 })
    end
    print "done"
  end
  engine:close()
  print "closed"
]]

--- Another process that has the store open; `tell` has it save a config, or (nil) close the store.
function readers.own(path)
  local pipe = os.tmpname()
  users.sh("rm '%s' && mkfifo '%s'", pipe, pipe)
  local process = processes.start(OWNER, { path, pipe })
  assert.equal("open", process:line())
  local file = assert(io.open(pipe, "w"))
  file:setvbuf "line"
  return function(what)
    if what then
      file:write(what, "\n")
      return assert.equal("done", process:line())
    end
    file:close()
    assert.equal("closed", process:line())
    process:wait()
    os.remove(pipe)
  end
end


return readers
