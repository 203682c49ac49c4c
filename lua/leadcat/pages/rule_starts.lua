--- Where a rule starts (`from`), as the checkboxes of a form: a set of `group.NAME` and `category.ID`. Pure.

local config = require "leadcat.rules.config"
local json = require "leadcat.util.json"
local merged = require "leadcat.util.merged"
local schema = require "leadcat.rules.schema"

local rule_starts = {}

--- Where a rule without `from` starts.
rule_starts.DEFAULT = { groups = { "potential_customer" } }

local GROUP = schema.set(config.GROUPS)
local MAX_ID = 2147483647

--- What is ticked.
---@param from? leadcat.From
---@return table<string, true>
function rule_starts.write(from)
  local ticked = {}
  from = from or rule_starts.DEFAULT
  for _, group in ipairs(from.groups or {}) do
    ticked["group." .. group] = true
  end
  for _, id in ipairs(from.categories or {}) do
    ticked[("category.%d"):format(id)] = true
  end
  return ticked
end

local function is_same(a, b)
  local both = merged(a, b)
  for name in pairs(both) do
    if not (a[name] and b[name]) then
      return false
    end
  end
  return true
end

local function in_order(list)
  table.sort(list)
  return list[1] and json.array(list) or nil
end

-- What is understood of what a client has ticked.
local function understood(ticked)
  local groups, categories = {}, {}
  for name in pairs(ticked) do
    local group, id = name:match "^group%.(.*)$", tonumber(name:match "^category%.([1-9]%d*)$")
    groups[#groups + 1] = GROUP[group] and group or nil
    categories[#categories + 1] = id and id <= MAX_ID and id or nil
  end
  return { groups = in_order(groups), categories = in_order(categories) }
end

--- What a rule starts from then. Nothing that is ticked is for the check to refuse.
---@param from? leadcat.From as it was: it stays where nothing else is ticked
---@param ticked table<string, any> from a client
---@return leadcat.From? from
function rule_starts.read(from, ticked)
  local read = understood(ticked)
  local now = rule_starts.write(read)
  if is_same(now, rule_starts.write(from)) then
    return from
  elseif is_same(now, rule_starts.write()) then
    return nil
  end
  local changed = merged(from or {})
  changed.groups, changed.categories = read.groups, read.categories
  return changed
end

return rule_starts
