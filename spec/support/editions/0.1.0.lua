-- How 0.1.0.tar.gz was made: by the code of version 0.1.0, built for Lua 5.4, in its own directory:
--
--     LUA_PATH="lua/?.lua;lua/?/init.lua;;" LUA_CPATH="build/lua5.4/?.so;;" lua5.4 0.1.0.lua DIRECTORY
--
-- DIRECTORY then has the two files, compacted, without locks. What is done here 8-operations/46-upgrade_spec.lua expects.

local leadcat = require "leadcat"

local made, now = os.tmpname(), 1700000000
os.remove(made)
assert(leadcat._VERSION == "0.1.0")

local ANN, BOB = { id = "ann", name = "Ann", admin = true }, { id = "bob", name = "Bob" }

local function open(options)
  options.path, options.map_size, options.clock = made, 2 ^ 24, function() return now end
  return assert(leadcat.open(options))
end

-- A minute later than what was before.
local function handle(engine, event)
  now, event.actor = now + 60, BOB
  return assert(engine:handle(event))
end

-- A store that has its own companies, with what the administrator has saved twice.
local engine = open {}
local config = leadcat.preset "superoffice"
config.rules = {
  { trigger = "sale_registered", enabled = true, set_category = 3, ask = false },
  { trigger = "sale_won", enabled = true, set_category = 5, ask = true },
  { trigger = "sale_lost", enabled = false, set_category = 7, ask = false },
  { trigger = "lead_status_set", lead_status = 2, enabled = true, set_category = 3, ask = false },
}
assert(engine:save(config, { actor = ANN }))
config = engine:config()
config.rules[3].enabled = true
assert(engine:save(config, { actor = ANN }))
for _, company in ipairs { "Acme", "Bolt", 42 } do
  assert(engine.host:create(company, 1))
end
handle(engine, { id = "s1", trigger = "sale_registered", company = "Acme", sale = { id = 1, name = "Coffee machines" } })
handle(engine, { id = "s2", trigger = "sale_registered", company = 42 })
local asked = handle(engine, { id = "s3", trigger = "sale_won", company = "Acme" })
assert(engine:resolve(asked.confirmation, { accept = true }, { actor = BOB }))
handle(engine, { id = "s4", trigger = "sale_won", company = "Bolt", sale = { id = 2, name = "Kaffee für Øre" } })
handle(engine, { id = "s5", trigger = "sale_lost", company = "Acme" })
engine:flush()
engine:close()

-- Another tenant, whose host has not made a change yet.
engine = open { tenant = "north", host = {
  category = function() return 1 end,
  set_category = function() return nil, "the CRM is away" end,
} }
config = leadcat.preset "superoffice"
config.rules = { { trigger = "sale_won", enabled = true, set_category = 5, ask = false } }
assert(engine:save(config, { actor = ANN }))
handle(engine, { id = "n1", trigger = "sale_won", company = "Crux" })
assert(engine:stats().unfinished == 1)
engine:close()

for _, part in ipairs { "config", "journal" } do
  assert(os.execute(("mkdir -p '%s' && mdb_copy -c -n %s/%s.mdb '%s/%s.mdb'"):format(arg[1], made, part, arg[1], part)))
end
os.execute("rm -rf " .. made)
