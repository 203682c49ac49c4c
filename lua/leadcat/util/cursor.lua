--- Guards loops that read page by page: in a damaged store a cursor may come back to where it was, for ever.

---@param list string what is read, for the message
---@return fun(place: any): true?, string?, string? moves_on takes the place where each page begins; `corrupt` when it was there before
return function(list)
  local seen = {}
  return function(place)
    if seen[place] then
      return nil, ("%s: what is behind %s leads back to it"):format(list, tostring(place)), "corrupt"
    end
    seen[place] = true
    return true
  end
end
