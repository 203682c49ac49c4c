--- Makes the store of the demo CRM, before nginx is started: prepare.lua DIRECTORY. What is there already stays.

local companies = require "leadcat.demo.companies"
local leadcat = require "leadcat"

local engine = assert(leadcat.open { path = arg[1] })
assert(companies.prepare(engine))
engine:close()
