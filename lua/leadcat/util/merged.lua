--- A new table with the fields of both. `more` wins where both have a field.

---@param fields table
---@param more? table
---@return table
return function(fields, more)
  local all = {}
  for name, value in pairs(fields) do
    all[name] = value
  end
  if more then
    for name, value in pairs(more) do
      all[name] = value
    end
  end
  return all
end
