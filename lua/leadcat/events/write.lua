--- Writes answers and undos to the journal, and has the host make their changes. (The core writes events.)

local foreign = require "leadcat.host.foreign"
local group_commit = require "leadcat.events.group_commit"
local journal = require "leadcat.past.journal"

local write = {}

-- The outcomes of the written items, and the changes among them that the host makes.
local function outcomes_of(self, items, companies)
  local outcomes, changes, places = {}, {}, {}
  for i, item in ipairs(items) do
    local outcome = item.result == "written" and journal.outcome(item)
    outcomes[i] = outcome or nil
    if outcome and item.status == "applying" then
      outcome.status = item.status
      changes[#changes + 1] = self._companies.change(companies[i], item.company, outcome, self:_now())
      places[#places + 1] = i
    end
  end
  return outcomes, changes, places
end

-- Writes them. What is to be changed in the database of the store, and is not taken there, the host is asked for by itself.
local function put(self, items)
  local adapter = self._companies
  local beside = adapter.HANDLING.is_beside and adapter.beside(self) or nil
  local function write_all(all)
    return self._store:write(self._tenant, all, self:_now(), adapter.seconds(#all), nil, beside)
  end
  local ok, message, code = group_commit.write(self, "write", items, write_all)
  if code == "apart" then
    beside = nil
    for _, item in ipairs(items) do
      item.status = item.status == adapter.CHANGING and foreign.CHANGING or item.status
    end
    ok, message, code = group_commit.write(self, "write apart", items, write_all)
  end
  return ok, message, code
end

local function write_in_flight(flight, self, items, companies)
  local ok, message, code = put(self, items)
  if not ok then
    return nil, message, code
  end
  local outcomes, changes, places = outcomes_of(self, items, companies)
  if #changes == 0 then
    return outcomes
  end
  local applied
  applied, message, code = self._companies.apply(self, changes, flight)
  if not applied then
    return nil, message, code
  end
  for k, i in ipairs(places) do
    outcomes[i] = applied[k]
  end
  return outcomes
end

--- Writes the items in one transaction, and has the host make their changes. `outcomes[i]` is nil for an item that was
-- not written: `items[i].result` says whether its company is busy or has changed, or its question is closed.
---@param self leadcat.Engine
---@param items table[] as `journal.item` makes them
---@param companies (string|integer)[] as the host knows them
---@return table<integer, leadcat.Outcome>? outcomes, string? message, string? code
function write.items(self, items, companies)
  local keys = {}
  for i, item in ipairs(items) do
    keys[i] = item.company
  end
  return self._companies.in_flight(self, keys, write_in_flight, self, items, companies)
end

--- The same for one item. Returns nothing when it was not written and must be made anew. A change that was in its way
-- is finished by then.
---@param self leadcat.Engine
---@param item table
---@param company string|integer
---@return leadcat.Outcome? outcome, string? message, string? code
function write.one(self, item, company)
  local outcomes, message, code = write.items(self, { item }, { company })
  if not outcomes then
    return nil, message, code
  elseif outcomes[1] or item.result ~= "busy" then
    return outcomes[1]
  end
  local _
  _, message, code = self._companies.settle(self, item.company)
  return nil, message, code
end

return write
