--- The decisions that are measured: a config and random events, and how they are timed. Apart
--- because the peers of spec/bench/peers decide the same.

local config = require "leadcat.rules.config"
local leadcat = require "leadcat"
local measure = require "bench.measure"

local decisions = {}

--- The preset with rules for the triggers given; two of lead statuses, and one that asks.
---@param triggers table<string, boolean> which are enabled
---@return leadcat.Config
function decisions.config(triggers)
  local cfg = leadcat.preset "superoffice"
  cfg.rules = {
    { trigger = "sale_registered", set_category = 3 }, { trigger = "sale_won", set_category = 5 },
    { trigger = "sale_lost", set_category = 4, ask = true },
    { trigger = "lead_status_set", lead_status = 5, set_category = 2 },
    { trigger = "lead_status_set", lead_status = 3, set_category = 4 },
  }
  for _, rule in ipairs(cfg.rules) do
    rule.enabled, rule.ask = triggers[rule.trigger] or false, rule.ask or false
  end
  return cfg
end

decisions.ALL = { sale_registered = true, sale_won = true, sale_lost = true, lead_status_set = true }

--- Four conditions of a won sale.
decisions.FOUR = { {
  { field = "sale.amount", is = "at_least", value = 100 },
  { field = "sale.type", is = "equals", value = "new" },
  { field = "sale.currency", is = "one_of", value = { "EUR", "NOK" } },
  { field = "sale.probability", is = "above", value = 50 },
} }

--- So many rules for won sales, each with these conditions, or none.
---@param when? leadcat.Condition[][]
---@param rules integer
---@return leadcat.Config
function decisions.conditional(when, rules)
  local cfg = { lead_statuses = {}, rules = {}, categories = {
    { id = 1, name = "Lead", group = "potential_customer" }, { id = 2, name = "Customer", group = "customer" },
  } }
  for i = 1, rules do
    cfg.rules[i] = { trigger = "sale_won", enabled = true, set_category = 2, when = when }
  end
  return config.normalize(cfg)
end

local TYPES, CURRENCIES = { "new", "new", "new", "renewal" }, { "EUR", "NOK", "NOK", "USD" }

--- Random sales of which a few hold each of the four conditions. Rules engines compare letters as they are, so these do too.
---@param count integer
---@return {amount: integer, type: string, currency: string, probability: integer}[]
function decisions.sales(count)
  local sales = {}
  math.randomseed(1)
  for i = 1, count do
    sales[i] = { amount = math.random(400), type = TYPES[math.random(4)], currency = CURRENCIES[math.random(4)],
      probability = math.random(100) }
  end
  return sales
end

--- What an integrator would write by hand (by_hand.lua), loaded anew: LuaJIT keeps with a function what it has made of it,
--- for better or worse.
---@param cfg leadcat.Config
---@return fun(trigger: string, category?: integer, lead_status?: integer): string, integer?, string
function decisions.by_hand(cfg)
  return dofile "spec/bench/by_hand.lua"(cfg)
end

local TRIGGERS = { "sale_registered", "sale_won", "sale_lost", "lead_status_set" }

--- Random events, as three arrays: a quarter of each trigger; categories that exist, now and then one that does not.
---@param count integer
---@param categories integer[] ids
---@param statuses integer[] ids
---@return {trigger: string[], category: integer[], lead_status: (integer|false)[]} events false: the trigger has none
function decisions.events(count, categories, statuses)
  local events = { trigger = {}, category = {}, lead_status = {} }
  math.randomseed(1)
  for i = 1, count do
    local trigger = TRIGGERS[math.random(#TRIGGERS)]
    events.trigger[i], events.category[i] = trigger, categories[math.random(#categories)]
    events.lead_status[i] = trigger == "lead_status_set" and statuses[math.random(#statuses)] or false
  end
  return events
end

--- The ids of a config's categories and one that is not among them, and likewise of its lead statuses.
---@param cfg leadcat.Config
---@return integer[] categories
---@return integer[] lead_statuses
function decisions.ids(cfg)
  local function ids(list)
    local found = { #list + 1000000 }
    for _, item in ipairs(list) do
      found[#found + 1] = item.id
    end
    return found
  end
  return ids(cfg.categories), ids(cfg.lead_statuses)
end

--- Raises unless both decide the same about each of the events.
function decisions.check(events, decide, expected)
  for i, trigger in ipairs(events.trigger) do
    local category, status = events.category[i], events.lead_status[i] or nil
    local a, b, c = decide(trigger, category, status)
    local x, y, z = expected(trigger, category, status)
    assert(a == x and b == y and c == z, ("%s in %d: %s, not %s"):format(trigger, category, tostring(c), tostring(z)))
  end
end

--- Compiles a timer anew for each function that it is to time: what LuaJIT makes of the loop around one must not be what it
--- has made around another.
---@param source string of a chunk
---@return fun(...): any
function decisions.compile(source)
  return function(...)
    return assert((rawget(_G, "loadstring") or load)(source))(...)
  end
end

-- The results are used, or LuaJIT leaves out what nobody needs.
local TIMER = [[
  local decide, events, clock = ...
  local triggers, categories, statuses, n = events.trigger, events.category, events.lead_status, #events.trigger
  return function(calls)
    local begun, done, targets = clock(), 0, 0
    for _ = 1, calls / n do
      for i = 1, n do
        local action, to, reason = decide(triggers[i], categories[i], statuses[i] or nil)
        if action ~= "none" then
          done = done + 1
        end
        if reason == "matched" then
          targets = targets + to
        end
      end
    end
    return (clock() - begun) / calls, done, targets
  end
]]
local LOOP = TIMER:gsub("decide(%b())", function(arguments) return arguments:sub(2, -2) end)

--- A function that times calls of a decider over the events: the seconds of one. Without `decide`, of the loop alone.
---@param decide? function
---@param events table of `decisions.events`
---@return fun(calls: integer): number
function decisions.timer(decide, events)
  return decisions.compile(decide and TIMER or LOOP)(decide, events, measure.cpu)
end

return decisions
