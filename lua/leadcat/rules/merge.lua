--- Puts together what two people made of the same config: field by field, what only one of them has changed is taken, and
-- what both have changed to something different is a conflict. Pure.
--
-- Items are told apart by their ids, rules by their keys. A text in several languages has a field for each. The order of a
-- list is one field of the list. A conflict has a path, LIST.KEY.FIELD, by which `choose` takes the other's value.

local config = require "leadcat.rules.config"
local json = require "leadcat.util.json"

local merge = {}

local ORDER, EXISTS = "order", "exists"
local TEXTS = { name = true, description = true }

local function id_key(item)
  return ("%d"):format(item.id)
end

local function rule_key(rule)
  return config.rule_key(rule.trigger, rule.lead_status, rule.id)
end

local LISTS = {
  { name = "categories", key = id_key, ranked = true }, { name = "lead_statuses", key = id_key, ranked = true },
  { name = "rules", key = rule_key },
}

-- Off and absent are the same.
local function is_same(a, b)
  return json.encode { a or nil } == json.encode { b or nil }
end

-- Fields --------------------------------------------------------------------------------------------------------------

-- Whether the field is a text by language wherever it is there.
local function is_split(field, versions)
  for i = 1, 3 do
    local value = (versions[i] or {})[field]
    if value ~= nil and type(value) ~= "table" then
      return false
    end
  end
  return TEXTS[field] == true
end

-- The fields of one version by path, without those that the order of its list is made of.
local function flatten(versions, which, ranked)
  local flat = {}
  for field, value in pairs(versions[which] or {}) do
    if is_split(field, versions) then
      for language, text in pairs(value) do
        flat[field .. "." .. language] = text
      end
    elseif not (ranked and field == "rank") then
      flat[field] = value
    end
  end
  return flat
end

local function set_field(item, path, value)
  local field, language = path:match "^(%l+)%.(.+)$"
  if not language then
    item[path] = value
  elseif type(item[field]) == "table" or value ~= nil then
    item[field] = type(item[field]) == "table" and item[field] or {}
    item[field][language] = value
    item[field] = next(item[field]) ~= nil and item[field] or nil
  end
end

local function get_field(item, path)
  local field, language = path:match "^(%l+)%.(.+)$"
  if not language then
    return item[path]
  end
  return type(item[field]) == "table" and item[field][language] or nil
end

-- The paths of the fields of three versions, each once, in order.
local function paths_of(...)
  local paths, seen = {}, {}
  for _, flat in ipairs { ... } do
    for path in pairs(flat) do
      paths[#paths + 1], seen[path] = not seen[path] and path or nil, true
    end
  end
  table.sort(paths)
  return paths
end

local function merge_item(versions, ranked, conflict)
  local base, theirs, mine = flatten(versions, 1, ranked), flatten(versions, 2, ranked), flatten(versions, 3, ranked)
  local merged = {}
  for _, path in ipairs(paths_of(base, theirs, mine)) do
    local value = mine[path]
    if is_same(mine[path], base[path]) then
      value = theirs[path]
    elseif not is_same(theirs[path], base[path]) and not is_same(theirs[path], mine[path]) then
      conflict(path)
    end
    set_field(merged, path, value)
  end
  return merged
end

-- Lists ---------------------------------------------------------------------------------------------------------------

local function index(list, key)
  local found, keys = {}, {}
  for _, item in ipairs(list or {}) do
    local name = key(item)
    keys[#keys + 1] = not found[name] and name or nil
    found[name] = item
  end
  return found, keys
end

-- What becomes of an item that one of them has removed: nil, or the other's version, with a conflict if it was changed.
local function one_left(base, left, conflict)
  if not base then
    return left
  elseif not is_same(base, left) then
    conflict(EXISTS)
    return left
  end
end

local function merge_entry(base, theirs, mine, ranked, conflict)
  if theirs and mine then
    return merge_item({ base or {}, theirs, mine }, ranked, conflict)
  elseif mine then
    return one_left(base, mine, conflict)
  elseif theirs and base and not is_same(base, theirs) then
    conflict(EXISTS) -- which I have removed
  elseif theirs and not base then
    return theirs
  end
end

local function only(keys, ...)
  local kept = {}
  for _, key in ipairs(keys) do
    local everywhere = true
    for _, found in ipairs { ... } do
      everywhere = everywhere and found[key] ~= nil
    end
    kept[#kept + 1] = everywhere and key or nil
  end
  return kept
end

-- One list's keys in its order, with those that only the other has behind what they stand behind there.
local function together(first, second)
  local keys, at = {}, {}
  for i, key in ipairs(first) do
    keys[i], at[key] = key, true
  end
  for i, key in ipairs(second) do
    if not at[key] then
      local place = i == 1 and 0 or #keys
      for position, other in ipairs(keys) do
        place = other == second[i - 1] and position or place
      end
      table.insert(keys, place + 1, key)
      at[key] = true
    end
  end
  return keys
end

-- Whether the items that all have stand in my order.
local function is_mine_first(found, keys, conflict)
  local function order(which)
    return table.concat(only(keys[which], found[1], found[2], found[3]), " ")
  end
  local base, theirs, mine = order(1), order(2), order(3)
  if mine == base then
    return false
  elseif theirs ~= base and theirs ~= mine then
    conflict(ORDER)
  end
  return true
end

local function merge_list(list, versions, conflicts)
  local found, keys, seen = {}, {}, {}
  for i = 1, 3 do
    found[i], keys[i] = index(versions[i][list.name], list.key)
    seen[i] = list.ranked and select(2, index(config.by_rank(versions[i][list.name]), list.key)) or keys[i]
  end
  local function conflict_at(key)
    return function(field)
      conflicts[#conflicts + 1] = ("%s.%s.%s"):format(list.name, key, field)
    end
  end
  local mine_first = is_mine_first(found, seen, conflict_at "all")
  local order = mine_first and not list.ranked and together(keys[3], keys[2]) or together(keys[2], keys[3])
  local merged = json.array {}
  for _, key in ipairs(order) do
    local item = merge_entry(found[1][key], found[2][key], found[3][key], list.ranked, conflict_at(key))
    if item and list.ranked then
      local first, second = found[mine_first and 3 or 2][key], found[mine_first and 2 or 3][key]
      item.rank = (first or second).rank
    end
    merged[#merged + 1] = item
  end
  return merged
end

-- The whole -----------------------------------------------------------------------------------------------------------

--- What comes of two changes of a config. Of what both have changed, mine is taken; what they have new must have ids of
--- its own.
---@param base leadcat.Config that both began with; normalized, as the others
---@param theirs leadcat.Config
---@param mine leadcat.Config
---@return leadcat.Config merged, string[] conflicts their paths, in the order of the lists
function merge.configs(base, theirs, mine)
  local versions = { config.copy(base), config.copy(theirs), config.copy(mine) }
  local merged, conflicts = config.copy(theirs), {}
  for _, list in ipairs(LISTS) do
    merged[list.name] = merge_list(list, versions, conflicts)
  end
  return merged, conflicts
end

local function list_at(path)
  local name, key, field = path:match "^([%l_]+)%.([^.]+)%.(.+)$"
  for _, list in ipairs(LISTS) do
    if list.name == name then
      return list, key, field
    end
  end
end

local function choose_order(list, mine, theirs)
  if list.ranked then
    local found = index(theirs[list.name], list.key)
    for _, item in ipairs(mine[list.name]) do
      item.rank = (found[list.key(item)] or item).rank
    end
    return
  end
  local found, keys = index(mine[list.name], list.key)
  local _, other = index(theirs[list.name], list.key)
  local sorted = json.array {}
  for _, key in ipairs(together(only(other, found), keys)) do
    sorted[#sorted + 1] = found[key]
  end
  mine[list.name] = sorted
end

local function choose_entry(list, key, mine, theirs)
  local kept, other = json.array {}, index(theirs[list.name], list.key)[key]
  for _, item in ipairs(mine[list.name]) do
    kept[#kept + 1] = list.key(item) ~= key and item or nil
  end
  kept[#kept + 1] = config.copy(other)
  mine[list.name] = kept
end

--- Whether two configs say the same, whatever their revisions.
---@param a leadcat.Config without errors
---@param b leadcat.Config without errors
---@return boolean
function merge.is_same(a, b)
  a, b = config.normalize(a), config.normalize(b)
  a.revision, b.revision = nil, nil
  return is_same(a, b)
end

--- Takes the other's value for what a path names. A path that names nothing changes nothing.
---@param mine leadcat.Config changed in place; normalized, as the other
---@param theirs leadcat.Config
---@param path string of a conflict; from a client, so it may be anything
function merge.choose(mine, theirs, path)
  local list, key, field = list_at(path)
  if not list then
    return
  elseif field == ORDER and key == "all" then
    choose_order(list, mine, theirs)
  elseif field == EXISTS then
    choose_entry(list, key, mine, theirs)
  else
    local item, other = index(mine[list.name], list.key)[key], index(theirs[list.name], list.key)[key]
    if item and other and field ~= "id" then
      set_field(item, field, config.copy(get_field(other, field)))
    end
  end
end

--- Whether mine is still another one than theirs. A path that names nothing is not.
---@param path string from a client, so it may be anything
---@return boolean
function merge.differs(mine, theirs, path)
  local chosen = config.copy(mine)
  merge.choose(chosen, theirs, path)
  return not is_same(chosen, mine)
end

return merge
