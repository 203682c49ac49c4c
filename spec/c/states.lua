--- What the Lua states of states_test.c do: each function is called with the store's directory first. They share nothing but
-- that, so what one state did is found out by another from the store.

local leadcat = require "leadcat"

local states = {}

local MAP = 256 * 2 ^ 20
local CONTESTED, OWN = 10, 50 -- companies that all threads change; companies of each thread
local A, B, WON = 1, 2, 5 -- the preset's categories

-- What this state has open.
local engine

local function open(path)
  engine = assert(leadcat.open { path = path, map_size = MAP, durability = "relaxed" })
end

local function create(name, first, last)
  for i = first, last do
    assert(engine.host:create(name .. i, A))
  end
end

--- Opens the store and keeps it open: saves rules by which two lead statuses move a company to and fro.
function states.prepare(path, threads, events)
  open(path)
  local cfg = leadcat.preset "superoffice"
  cfg.rules = {
    { trigger = "lead_status_set", lead_status = A, enabled = true, set_category = A },
    { trigger = "lead_status_set", lead_status = B, enabled = true, set_category = B },
    { trigger = "sale_won", enabled = true, set_category = WON },
  }
  assert(engine:save(cfg))
  create("contested ", 0, CONTESTED - 1)
  create("shared ", 0, math.floor((events - 1) / 4))
  for thread = 1, threads do
    create(("own %d."):format(thread), 0, OWN - 1)
  end
  return 1
end

-- Where a company of a thread's own stands after its n-th event.
local function after(n)
  return n % 2 == 1 and B or A
end

local EVENTS = {
  -- one that all threads send: it happens once
  [0] = function(_, i)
    return { trigger = "sale_won", company = "shared " .. math.floor(i / 4), id = "shared-" .. i }
  end,
  -- one of many for the same few companies
  [1] = function(thread, i)
    return {
      trigger = "lead_status_set", lead_status = (thread + math.floor(i / 4)) % 2 == 0 and A or B,
      company = "contested " .. math.floor(i / 4) % CONTESTED, id = ("contested-%d-%d"):format(thread, i),
    }
  end,
}
-- two of four are the thread's own: every one moves the company
EVENTS[2] = function(thread, i)
  local k = math.floor(i / 4) * 2 + i % 4 - 2
  return {
    trigger = "lead_status_set", lead_status = after(math.floor(k / OWN) + 1),
    company = ("own %d.%d"):format(thread, k % OWN), id = ("own-%d-%d"):format(thread, i),
  }
end
EVENTS[3] = EVENTS[2]

-- Nine threads at once can keep one waiting for longer than a call waits for the writer's lock, above all under valgrind.
local function patiently(method, object, ...)
  local result, message, code
  repeat
    result, message, code = method(object, ...)
  until result or code ~= "unavailable"
  return assert(result, message)
end

--- Handles a thread's events on a store of its own; gives how many had an effect.
function states.work(path, thread, events)
  open(path)
  local effects = 0
  for i = 0, events - 1 do
    local event = EVENTS[i % 4](thread, i)
    local outcome = patiently(engine.handle, engine, event)
    effects = effects + (outcome.status == "updated" and 1 or 0)
    if i % 4 >= 2 then
      assert(outcome.status == "updated", outcome.reason)
    elseif i % 4 == 0 then
      assert(outcome.status == "updated" or outcome.status == "duplicate", outcome.status)
    end
  end
  engine:close()
  return effects
end

-- The entries of the whole journal, the oldest first.
local function entries()
  local all, last = {}, nil
  repeat
    local page = assert(engine:history { after = last, limit = 1000 })
    for _, entry in ipairs(page) do
      all[#all + 1] = entry
    end
    last = page[#page] and page[#page].entry
  until #page < 1000
  for i = 1, math.floor(#all / 2) do
    all[i], all[#all + 1 - i] = all[#all + 1 - i], all[i]
  end
  return all
end

--- Whether every event had its effect exactly once, in the state that has prepared the store; gives how many entries the
-- journal has.
function states.verify(_, threads, events)
  local count, stands, ids = {}, {}, {}
  local all = entries()
  for _, entry in ipairs(all) do
    local company = entry.company
    assert(entry.status == "updated", entry.status)
    assert(not ids[entry.event_id], "an event has two entries")
    assert(entry.from == (stands[company] or A), "an entry does not begin where the one before has ended")
    ids[entry.event_id], stands[company], count[company] = true, entry.to, (count[company] or 0) + 1
  end
  for company, category in pairs(stands) do
    assert(engine.host.category(company) == category, "a company does not stand where its last entry has put it")
  end
  for i = 0, math.floor((events - 1) / 4) do
    assert(count["shared " .. i] == 1 and stands["shared " .. i] == WON)
  end
  for thread = 1, threads do
    for k = 0, OWN - 1 do
      local company = ("own %d.%d"):format(thread, k)
      local times = math.floor((events / 2 - 1 - k) / OWN) + 1
      assert((count[company] or 0) == times and (times == 0 or stands[company] == after(times)))
    end
  end
  return #all
end

--- Opens the store, handles one event, and closes it, unless it is left to the end of the state.
function states.visit(path, number, leave)
  open(path)
  local company = ("visited %d"):format(number)
  patiently(engine.host.create, engine.host, company, A)
  local outcome = patiently(engine.handle, engine, { trigger = "sale_won", company = company, id = company })
  assert(outcome.status == "updated")
  if leave == 0 then
    engine:close()
  end
  return 1
end

--- Whether a visit has left what it did, for a state that has the store open.
function states.visited(_, number)
  return assert(engine.host.category(("visited %d"):format(number))) == WON and 1 or 0
end

--- Whether the store that was opened before a fork refuses.
function states.inherited()
  local outcome, message, code = engine:handle { trigger = "sale_won", company = "contested 0" }
  return not outcome and message:find "fork" and code == "forked" and 1 or 0
end

return states
