-- A node's process: URL CRM PATH NOTES SEED MUTANT. See work.lua.

local mutants = require "cluster.mutants"

mutants.use(arg[6])
print "ready"
io.stdout:flush()
require "cluster.work".go {
  url = arg[1], crm = arg[2], path = arg[3], notes = arg[4], seed = tonumber(arg[5]),
  durability = mutants.get(arg[6]).asynchronous and "primary" or nil,
}
