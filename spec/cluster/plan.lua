--- What the nodes of the cluster test do, and what the checker knows of it: the same events reach all nodes, of few
-- companies, and the rules of a revision follow from its number.

local stores = require "support.stores"

local plan = {}

plan.START, plan.COMPANIES, plan.TENANT = 1, 8, "crm"

local TRIGGERS = { "sale_registered", "sale_won", "sale_lost", "lead_status_set" }
local LEAD_STATUS = 5
local WINDOW = 30 -- events that nodes are given at the same time

-- Where a revision's rules lead: those of the revision before lead elsewhere.
local TARGETS = {
  sale_registered = { 3, 4 }, sale_won = { 2, 5 }, sale_lost = { 1, 6 }, lead_status_set = { 4, 3 },
}

--- Where a company goes, by the rules of a revision.
---@param trigger string
---@param revision integer
---@return integer
function plan.target(trigger, revision)
  return TARGETS[trigger][revision % 2 + 1]
end

--- The config that is saved as this revision.
---@param revision integer
---@return leadcat.Config
function plan.config(revision)
  return stores.config {
    sale_registered = plan.target("sale_registered", revision),
    sale_won = { plan.target("sale_won", revision), ask = true },
    sale_lost = { plan.target("sale_lost", revision), ask = true },
    ["lead_status_set:" .. LEAD_STATUS] = plan.target("lead_status_set", revision),
  }
end

---@param i integer from 0
function plan.company(i)
  return "c" .. i % plan.COMPANIES
end

--- An event.
---@param id string
---@param trigger string
---@param company string
---@return table
function plan.event_of(id, trigger, company)
  return {
    id = id, company = company, trigger = trigger, lead_status = trigger == "lead_status_set" and LEAD_STATUS or nil,
  }
end

--- One of the events that nodes are given at a time.
---@param now number seconds, of a clock that the nodes share
---@return table
function plan.event(now)
  local place = math.floor(now * 50) + math.random(0, WINDOW)
  local trigger = TRIGGERS[place * 7 % #TRIGGERS + 1]
  return plan.event_of("e" .. place, trigger, plan.company(place * 13 + math.floor(place / 5)))
end

return plan
