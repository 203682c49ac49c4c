--- A process that handles sales for a CRM behind HTTP, until it is killed: arg: directory, address, number of companies, "keys"
-- when the CRM is asked for the keys of changes.

local http = require "leadcat.host.http"
local leadcat = require "leadcat"

local directory, address, companies, keys = arg[1], arg[2], tonumber(arg[3]), arg[4] == "keys"
local engine = assert(leadcat.open {
  path = directory, map_size = 2 ^ 26,
  host = http {
    url = address, headers = { Authorization = "Bearer token-1" },
    read = { path = "/companies/{company}", at = "data", category = "category.id", version = "version" },
    write = {
      path = "/companies/{company}", body = { category = "{to}" },
      headers = { ["If-Match"] = "{etag}", ["Idempotency-Key"] = keys and "{key}" or nil },
    },
    applied = keys and { path = "/changes/{key}" } or nil,
  },
})
print "ready"
io.stdout:flush()
local undone = companies
while undone > 0 do
  undone = 0
  for i = 1, companies do
    local outcome = engine:handle { id = "won " .. i, trigger = "sale_won", company = i }
    local is_done = outcome and (outcome.status == "updated" or outcome.first and outcome.first.status == "updated")
    undone = undone + (is_done and 0 or 1)
  end
  engine:recover()
end
engine:close()
print "done"
