-- A node's process: URL CRM PATH NOTES SEED MUTANT, and then ID TRIGGER COMPANY where it has one event only. See work.lua.

local mutants = require "cluster.mutants"

mutants.use(arg[6])
print "ready"
io.stdout:flush()
local work = require "cluster.work"
local arguments = {
  url = arg[1], crm = arg[2], path = arg[3], notes = arg[4], seed = tonumber(arg[5]),
  durability = mutants.get(arg[6]).asynchronous and "primary" or nil,
}
if arg[7] then
  work.deliver(arguments, arg[7], arg[8], arg[9])
else
  work.go(arguments)
end
