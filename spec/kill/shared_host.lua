--- A CRM in a database, which keeps the key of each change with it, for the kill test of the shared store.

local core = require "leadcat.core"
local pg = require "leadcat.store.pg"

local host = {}

--- The host.
---@param url string
---@return leadcat.Host
function host.new(url)
  local database = pg.pool(url, { size = 1 })
  local FIND = pg.statement("SELECT category FROM crm.company WHERE id = $1", { "text" })
  local SET = pg.statement([[WITH c AS (UPDATE crm.company SET category = $2 WHERE id = $1
    AND category = $3 RETURNING 1)
    INSERT INTO crm.change (company, key, came_from, went_to) SELECT $1, $4, $3, $2 FROM c RETURNING 1]], { "text",
      "int4", "int4", "text" })
  local APPLIED = pg.statement("SELECT 1 FROM crm.change WHERE key = $1", { "text" })
  return {
    category = function(company)
      local rows, message = database:run(FIND, { company })
      return rows and rows[1] and rows[1][1], message
    end,
    set_category = function(company, to, from, outcome)
      core.sleep(math.random() * 0.002)
      local rows, message = database:run(SET, { company, to, from, outcome.key })
      core.sleep(math.random() * 0.002)
      if not rows then
        return nil, message
      end
      return rows[1] and true or nil, "conflict"
    end,
    applied = function(_, key)
      local rows, message = database:run(APPLIED, { key })
      return rows and rows[1] ~= nil, message
    end,
  }
end

return host
