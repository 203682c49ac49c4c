--- Asks a host that takes many companies at once where those of the next entries stand, before their turn comes.

local event_of = require "leadcat.events.event"

local ahead = {}

local PAGE = 100

-- The next entries, and what ended them.
local function read(next_entry)
  local entries, ended = {}, nil
  while #entries < PAGE and not ended do
    local entry, message, code = next_entry()
    entries[#entries + 1] = entry
    ended = not entry and { message = message, code = code } or nil
  end
  return entries, ended
end

-- Asks about the companies of the entries, each once, and adds the categories that are known to `known`.
local function ask(self, entries, known)
  local companies, keys, listed = {}, {}, {}
  for _, entry in ipairs(entries) do
    local key = event_of.key(entry.company)
    if not listed[key] then
      companies[#companies + 1], keys[#keys + 1], listed[key] = entry.company, key, true
    end
  end
  if #companies > 1 then
    self._companies.categories(self, companies, function(i, ok, category)
      known[keys[i]] = ok and category or nil
    end)
  end
end

--- The same entries. Before each page of them, the categories of their companies are put into `known`, by the companies' texts. They
--- may be out of date, and so hold for one compare-and-set.
---@param self leadcat.Engine
---@param next_entry fun(): table?, string?, string?
---@param known table<string, integer>
---@return fun(): table?, string?, string?
function ahead.entries(self, next_entry, known)
  if not self.host.categories then
    return next_entry
  end
  local entries, place, ended = {}, 0, nil
  return function()
    place = place + 1
    if place > #entries and not ended then
      entries, ended = read(next_entry)
      place = 1
      ask(self, entries, known)
    end
    if not entries[place] then
      return nil, ended.message, ended.code
    end
    return entries[place]
  end
end

return ahead
