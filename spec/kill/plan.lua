--- What the kill test is about: tenants, companies, rules, and the events, each of which follows from the seed and its
-- id alone, so that whoever delivers it again after a crash delivers the same.

local core = require "leadcat.core"
local stores = require "support.stores"

local plan = {}

local LEAD, QUALIFIED, OPPORTUNITY, LOST_OPPORTUNITY = 1, 2, 3, 4 -- potential customers all: companies never come to rest

plan.START = LEAD
plan.WORKERS = 8
plan.COMPANIES = 12 -- of each tenant: few, so that the workers meet
plan.KEEP = 200 -- entries of each tenant's journal
plan.MAP = 2 ^ 28
plan.TTL = 2 -- seconds until a question expires

--- Tenants, by the kind of their host: one that compares and sets the category only, one that also stores the key with it,
-- one that answers `applied` by it, and the embedded one. The companies of those with keys are changed by others, too.
plan.TENANTS = { "plain", "keyed", "applied", "embedded" }
plan.HAS_KEYS = { keyed = true, applied = true }

--- How far the clock of a worker is ahead: time of day differs, and nothing that must be agreed on goes by it.
function plan.skew(worker)
  return (worker % 3 - 1) * 40
end

--- Seconds that a jump moves the clock of claims of all workers ahead. It is more than any claim lasts: host calls that are
-- under way hang, and what they are about may be taken over. `files.jumps` has a byte for each.
plan.JUMP = 40

local RULES = {
  {
    sale_registered = OPPORTUNITY, sale_lost = LEAD, sale_won = { QUALIFIED, ask = true },
    ["lead_status_set:5"] = LOST_OPPORTUNITY,
  },
  {
    sale_registered = OPPORTUNITY, sale_lost = LEAD, sale_won = { LOST_OPPORTUNITY, ask = true },
    ["lead_status_set:5"] = QUALIFIED,
  },
}
local EVENTS = {
  { trigger = "sale_registered" }, { trigger = "sale_lost" }, -- to and fro, most of the time
  { trigger = "sale_registered" }, { trigger = "sale_lost" },
  { trigger = "sale_won" }, { trigger = "lead_status_set", lead_status = 5 }, { trigger = "sale_won", choice = true },
  { trigger = "sale_registered", category = LEAD }, -- says where the company stands, often wrongly
}

--- One of two configs.
function plan.config(which)
  return stores.config(RULES[which])
end

local function hash(seed, text)
  local value = seed % 2147483647 + 1
  for i = 1, #text do
    value = (value * 16807 + text:byte(i)) % 2147483647
  end
  return math.floor(value * 16807 % 2147483647 / 7)
end

--- The event with this id, and its tenant.
---@param seed integer
---@param id string
---@return string tenant
---@return leadcat.Event event
function plan.event(seed, id)
  local number = hash(seed, id)
  local kind = EVENTS[math.floor(number / 1000) % #EVENTS + 1]
  local event = {
    id = id, trigger = kind.trigger, lead_status = kind.lead_status, category = kind.category,
    actor = { id = "u" .. number % 5 },
    company = math.floor(number / 100000) % plan.COMPANIES + 1,
  }
  if kind.choice then
    event.choice = number % 2 == 0 and LOST_OPPORTUNITY
  end
  return plan.TENANTS[number % #plan.TENANTS + 1], event
end

--- Seconds, by a clock that all processes share and that does not jump.
function plan.time()
  return core.uptime() - core.forward(0)
end

--- Where the files of one run are, in its directory.
function plan.files(directory)
  return {
    store = directory .. "/store",
    acks = function(worker) return ("%s/acks.%d"):format(directory, worker) end,
    jumps = directory .. "/jumps",
    kills = directory .. "/kills", -- who, and when
    calls = function(worker) return ("%s/calls.%d"):format(directory, worker) end, -- of set_category
    errors = function(worker) return ("%s/errors.%d"):format(directory, worker) end,
    host = function(tenant, company) return ("%s/%s.%d"):format(directory, tenant, company) end,
  }
end

-- The triggers of a company's events with `apply = "elsewhere"`, one after the other: each changes the category.
plan.CYCLE = { "sale_registered", "sale_won", "sale_lost" }
plan.CYCLE_RULES = { sale_registered = 3, sale_won = 2, sale_lost = 1 }

return plan
