--- For how long rules at their limit have held what they hold.

local config = require "leadcat.rules.config"
local journal = require "leadcat.past.journal"

local held_ages = {}

local MOST = 1000 -- entries that are looked at, the oldest

--- The ages, and below how many seconds each is.
held_ages.AGES = {
  { age = "hour", below = 3600 }, { age = "day", below = 86400 }, { age = "week", below = 7 * 86400 },
  { age = "older", below = math.huge },
}

---@class leadcat.HeldAges how many are held, by how long they have been; what is 0 is absent
---@field count integer
---@field oldest number when the oldest was written, in seconds since 1970
---@field hour? integer for less than one
---@field day? integer
---@field week? integer
---@field older? integer

local function add(ages, at, now)
  ages.count, ages.oldest = (ages.count or 0) + 1, math.min(ages.oldest or at, at)
  for _, one in ipairs(held_ages.AGES) do
    if now - at < one.below then
      ages[one.age] = (ages[one.age] or 0) + 1
      break
    end
  end
end

--- What is held, by rule and in all. Of more than 1,000 entries these are the oldest.
---@param engine leadcat.Engine
---@return table<string, leadcat.HeldAges>? rules by key
---@return leadcat.HeldAges|string|nil all nil: nothing is held (or the message)
---@return string? code
function held_ages.read(engine)
  local entries, message, code = engine._store:held(engine._tenant, 0, MOST)
  if not entries then
    return nil, message, code
  end
  local rules, all, now = {}, {}, engine:_now()
  for _, entry in ipairs(entries) do
    local key, at = config.rule_key(entry.trigger, entry.lead_status, entry.rule_id), journal.written(entry.entry)
    rules[key] = rules[key] or {}
    add(rules[key], at, now)
    add(all, at, now)
  end
  return rules, all.count and all or nil
end

return held_ages
