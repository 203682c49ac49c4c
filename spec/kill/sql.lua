--- A process that handles sales for a CRM in a SQL database, until it is killed: arg: directory, dialect's options as JSON,
-- number of companies, client.

local cjson = require "cjson"
local databases = require "support.databases"
local leadcat = require "leadcat"
local sql = require "leadcat.host.sql"

local directory, options, companies = arg[1], cjson.decode(arg[2]), tonumber(arg[3])
local engine = assert(leadcat.open {
  path = directory, map_size = 2 ^ 26,
  host = sql {
    adapter = databases.adapter(options, arg[4]),
    companies = { table = "companies", id = "id", category = "category", set = "version = version + 1" },
  },
})
print "ready"
io.stdout:flush()
local undone = companies
while undone > 0 do
  undone = 0
  local batch = {}
  for i = 1, companies do
    batch[#batch + 1] = { id = "won " .. i, trigger = "sale_won", company = i }
    if #batch == i % 7 + 1 or i == companies then
      local outcomes = engine:handle_many(batch)
      for place = 1, #batch do
        undone = undone + (outcomes and outcomes[place] and outcomes[place].status ~= "applying" and 0 or 1)
      end
      batch = {}
    end
  end
  engine:recover()
end
engine:close()
print "done"
