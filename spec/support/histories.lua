--- What a journal holds, for specs.

local histories = {}

--- The statuses of the entries, newest first: "updated unchanged".
---@param engine leadcat.Engine
---@param query? table as `engine:history` takes it
---@return string
function histories.statuses(engine, query)
  local list = {}
  for i, entry in ipairs(engine:history(query)) do
    list[i] = entry.status
  end
  return table.concat(list, " ")
end

--- All entries, newest first.
---@param engine leadcat.Engine
---@return leadcat.Entry[]
function histories.whole(engine)
  local all, after = {}, nil
  repeat
    local page = assert(engine:history { after = after, limit = 1000 })
    for _, entry in ipairs(page) do
      all[#all + 1], after = entry, entry.entry
    end
  until #page < 1000
  return all
end

return histories
