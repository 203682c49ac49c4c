--- Writes down what answers and undos have come to, and has the host make its changes: the way into the journal for all that
-- no event has asked for.

local event_of = require "leadcat.events.event"
local group_commit = require "leadcat.events.group_commit"
local journal = require "leadcat.past.journal"

local write = {}

local function keys_of(items)
  local keys = {}
  for i, item in ipairs(items) do
    keys[i] = event_of.key(item.company)
  end
  return keys
end

local function store_items(self, items)
  return group_commit.write(self, "write", items, function(all)
    return self._store:write(self._tenant, all, self:_now(), (self._companies.HANDLING.claim or 0) + #all)
  end)
end

-- The outcomes of the items that were written; of those that the host is to change, what it is to do.
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

local function write_and_apply(self, items, companies, flight)
  local ok, message, code = store_items(self, items)
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

--- Writes the items down in one transaction, and has the host make its changes. `outcomes[i]` stays nil for one that was not
-- written, because its company is busy or has changed since, or its question is closed: `items[i].result` says which.
---@param self leadcat.Engine
---@param items table[] as `journal.item` makes them
---@param companies (string|integer)[] as the host knows them
---@return table<integer, leadcat.Outcome>? outcomes
---@return string? message
---@return string? code
function write.items(self, items, companies)
  local keys = keys_of(items)
  local flight = self._companies.take_off and self._companies.take_off(self, keys)
  local outcomes, message, code = write_and_apply(self, items, companies, flight)
  if flight then
    self._companies.land(self, keys, flight)
  end
  return outcomes, message, code
end

--- The same for one item. Nothing when it was not written and is to be looked at anew; a change that was in its way has
-- come to its end by then.
---@param self leadcat.Engine
---@param item table
---@param company string|integer
---@return leadcat.Outcome? outcome
---@return string? message
---@return string? code
function write.one(self, item, company)
  local outcomes, message, code = write.items(self, { item }, { company })
  if not outcomes then
    return nil, message, code
  elseif outcomes[1] or item.result ~= "busy" then
    return outcomes[1]
  end
  local settled
  settled, message, code = self._companies.settle(self, item.company)
  if not settled then
    return nil, message, code
  end
end

return write
