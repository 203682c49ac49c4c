--- Companies of `leadcat.host.sql` that lie in the database of the shared store. Their changes are written with the
-- journal, in one transaction (store/sql/theirs.lua). What is not taken that way is `apart`, and made as with any other
-- host (`foreign.lua`), which also finishes what was begun so.

local external = require "leadcat.rules.external"
local foreign = require "leadcat.host.foreign"
local merged = require "leadcat.util.merged"

local beside = merged(foreign, {
  CHANGING = "updated",
  HANDLING = { most = foreign.HANDLING.most, is_beside = true },
})

--- What the store has to know to make changes: how the host calls categories, unless it is by leadcat's ids.
---@param self leadcat.Engine
---@return {names?: leadcat.sql.Names}
function beside.beside(self)
  return { names = self._store.theirs.external and external.names(self) or nil }
end

-- Whether the host does as `leadcat.host.sql` has made it.
local function is_as_made(host)
  local own = host.rows.own
  for i, name in ipairs { "category", "categories", "set_category", "set_categories", "applied" } do
    if host[name] ~= own[i] then
      return false, ("the host's function '%s' is another one than that of leadcat.host.sql"):format(name)
    end
  end
  return true
end

--- Has a shared store change the companies of a host itself, if it can.
---@param store leadcat.sql.Store
---@param host leadcat.Host
---@return boolean is_beside, string? why not
function beside.join(store, host)
  local rows = host.rows
  if not rows or rows.together == false then
    return false
  end
  local ok, why = is_as_made(host)
  if not ok then
    return false, why
  end
  if not rows.query then
    return false, "they are not in PostgreSQL"
  end
  return require("leadcat.store.sql.theirs").join(store, rows.companies, rows.query, rows.together == true)
end

return beside
