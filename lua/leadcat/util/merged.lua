--- A new table with the fields of all the given ones. Of a field that several have, the last one counts.

---@param ... table
---@return table
return function(...)
  local all = {}
  for i = 1, select("#", ...) do
    for name, value in pairs((select(i, ...))) do
      all[name] = value
    end
  end
  return all
end
