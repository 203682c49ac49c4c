--- prepare.lua DIRECTORY makes the store of the demo CRM, unless it is there, before nginx starts.

local companies = require "leadcat.demo.companies"
local leadcat = require "leadcat"

local engine = assert(leadcat.open { path = arg[1] })
assert(companies.prepare(engine))
engine:close()
