-- A node that the kill test of the shared store kills: URL PATH NUMBER TENANT EVENTS ACKS. It handles events with ids
-- that other nodes
-- handle, too, of a few companies, answers questions and finishes what killed ones have left, until it is killed.
-- What was
-- acknowledged stands in the file ACKS.

local host_of = require "kill.shared_host"
local leadcat = require "leadcat"

local url, path, number, tenant, most, acks = arg[1], arg[2], tonumber(arg[3]), arg[4], tonumber(arg[5]), arg[6]
local COMPANIES = 4
local TRIGGERS = { "sale_registered", "sale_won", "sale_lost", "lead_status_set" }

math.randomseed(number * 7919)

local engine = assert(leadcat.open {
  path = path, shared = url, durability = "primary", tenant = tenant, map_size = 2 ^ 26,
  host = tenant == "host" and host_of.new(url) or nil,
})
local file = assert(io.open(acks, "a"))
print "ready"
io.stdout:flush()

local function event_of(place)
  local trigger = TRIGGERS[place * 7 % #TRIGGERS + 1]
  return {
    id = "e" .. place, company = "c" .. place * 13 % COMPANIES, trigger = trigger,
    lead_status = trigger == "lead_status_set" and 5 or nil,
  }
end

local function note(...)
  file:write(table.concat({ ... }, " "), "\n")
  file:flush()
end

local function handle_one()
  local event = event_of(math.random(most))
  local outcome, _, code = engine:handle(event)
  local entry = outcome and outcome.entry
  if entry then
    note("ack", event.id, ("%.0f"):format(entry), outcome.status)
  elseif not outcome and code ~= "unavailable" then
    note("error", event.id, code)
  end
end

local function handle_many()
  local events = {}
  for i = 1, 10 do
    events[i] = event_of(math.random(most))
  end
  local outcomes = engine:handle_many(events)
  for i, outcome in ipairs(outcomes or {}) do
    if outcome.entry then
      note("ack", events[i].id, ("%.0f"):format(outcome.entry), outcome.status)
    end
  end
end

local function answer()
  local list = engine:confirmations { limit = 5 }
  local question = list and list[math.random(math.max(#list, 1))]
  if question then
    local outcome = engine:resolve(question.id, math.random(2) == 1 and { accept = true } or { decline = true })
    if outcome and outcome.entry then
      note("answer", question.id, ("%.0f"):format(outcome.entry), outcome.status)
    end
  end
end

local number_of_turns = 0
while true do
  number_of_turns = number_of_turns + 1
  local roll = math.random(20)
  if roll == 1 then
    handle_many()
  elseif roll < 4 then
    answer()
  else
    handle_one()
  end
  if number_of_turns % 50 == 0 then
    engine:recover()
  end
end
