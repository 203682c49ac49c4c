-- A node's process: URL CRM PATH NOTES SEED MUTANT, and then what it has to do, where that is not all that nodes do: `deliver`
-- ID TRIGGER COMPANY, or `take_turns` COMPANY TRIGGER ... See work.lua.

local mutants = require "cluster.mutants"

mutants.use(arg[6])
print "ready"
io.stdout:flush()
local work = require "cluster.work"
local arguments = {
  url = arg[1], crm = arg[2], path = arg[3], notes = arg[4], seed = tonumber(arg[5]),
  durability = mutants.get(arg[6]).asynchronous and "primary" or nil,
}
work[arg[7] or "go"](arguments, (rawget(table, "unpack") or rawget(_G, "unpack"))(arg, 8))
