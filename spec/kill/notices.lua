-- A worker that sends notices until it is killed: FILE, as `leadcat worker` takes it.

local core = require "leadcat.core"

local work = dofile(arg[1])
print "ready"
io.stdout:flush()
while true do
  if not assert(work.notify[1]:step(work.engine)).more then
    core.sleep(0.002)
  end
end
