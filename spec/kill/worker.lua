-- One of the processes that the kill test kills: DIRECTORY SEED NUMBER LIFE. It handles its events in order, going on
-- behind the last one that it has acknowledged in an earlier life, and does all else that is done with a store. What a
-- call has returned is appended to its file of acknowledgements, afterwards.

local core = require "leadcat.core"
local lfs = require "lfs"
local host_of = require "kill.host"
local leadcat = require "leadcat"
local plan = require "kill.plan"

local directory, seed, number, life = arg[1], tonumber(arg[2]), tonumber(arg[3]), tonumber(arg[4])
local files = plan.files(directory)
local who = ("w%d.%d"):format(number, life)
math.randomseed(seed * 1000 + number + life * 8)

local acks = assert(io.open(files.acks(number), "a+"))
local crm = host_of.new(files, plan.START, who)
local calls = assert(io.open(files.calls(number), "a"))
calls:setvbuf "line"
local engines
local made = {} -- the changes that the host has made for us in this action

-- Time jumps for all workers: each sees it as soon as it waits, or begins something.
local function keep_time()
  core.forward(lfs.attributes(files.jumps, "size") * plan.JUMP - core.forward(0))
end

local sleep = core.sleep
function core.sleep(seconds)
  sleep(seconds)
  keep_time()
end

-- One write(2): a kill leaves all of a line, or none of it.
local function acknowledge(...)
  local words = { ... }
  for i, word in ipairs(words) do
    words[i] = type(word) == "number" and ("%.0f"):format(word) or tostring(word)
  end
  acks:write(table.concat(words, " ") .. "\n")
  acks:flush()
end

local function acknowledge_event(tenant, id, outcome)
  local first = outcome.first or outcome
  acknowledge("event", tenant, id, outcome.status, first.status, first.entry or 0)
end

local EXPECTED = { -- what may go wrong, and is tried again
  handle = { unavailable = true },
  resolve = { unavailable = true, already_resolved = true, expired = true, not_found = true },
  undo = { unavailable = true, conflict = true, invalid = true, not_found = true },
  save = { stale = true },
  maintain = { unavailable = true },
}

-- The result of a call, or nothing where it could not be done now. Then nobody knows whether the ends of its changes are
-- written.
local function expect(what, result, message, code)
  if result == nil and not EXPECTED[what][code] then
    error(("%s: %s [%s]"):format(what, tostring(message), tostring(code)), 2)
  end
  made = result ~= nil and made or {}
  return result
end

-- Until time has jumped, and others had time to do something.
local function hang()
  local until_then, before = core.now() + 1, core.forward(0)
  repeat
    core.sleep(0.01)
  until core.forward(0) ~= before or core.now() > until_then
  core.sleep(math.random() * 0.15)
end

-- The host now and then takes its time, hangs, or is away; in the middle of it the process is most likely to be killed.
local function dawdle()
  local chance = math.random(80)
  if chance <= 16 then
    core.sleep(chance / 4000)
  elseif chance <= 21 then
    hang()
  end
  return chance == 80
end

-- Writes down when a call of the host begins and ends, and whether it has made the change.
local function around(set_category, company, to, from, outcome, tenant)
  local function note(what)
    calls:write(("%s %s %s %s %.0f %.6f %.0f\n"):format(what, who, tenant, company, outcome.entry, plan.time(),
      core.forward(0)))
  end
  note "begin"
  local ok, message = nil, "away"
  if not dawdle() then
    ok, message = set_category(company, to, from, outcome, tenant)
    made[#made + 1] = ok and { tenant, outcome.entry } or nil
    dawdle()
  end
  note "end"
  return ok, message
end

local function open_engines()
  local function open(tenant, host)
    return assert(leadcat.open {
      path = files.store, tenant = tenant, map_size = plan.MAP, confirmation_ttl = plan.TTL, host = host,
      retention = { count = plan.KEEP, age = false }, durability = number % 2 == 0 and "relaxed" or "full",
      clock = function() return core.now() + plan.skew(number) end,
    })
  end
  local mine = open("plain", crm:for_leadcat(false, around))
  engines = {
    plain = mine, keyed = mine:tenant "keyed", applied = open("applied", crm:for_leadcat(true, around)),
    embedded = open "embedded",
  }
end

-- Its own stream -------------------------------------------------------------------------------------------------------

-- How far an earlier life has come.
local function acknowledged()
  local furthest = 0
  for place in acks:read "*a":gmatch(("event %%l+ %d:(%%d+) "):format(number)) do
    furthest = math.max(furthest, tonumber(place))
  end
  return furthest
end

local place

local function handle(id)
  local tenant, event = plan.event(seed, id)
  local outcome = expect("handle", engines[tenant]:handle(event))
  if outcome then
    acknowledge_event(tenant, id, outcome)
  end
  return outcome
end

local function handle_next()
  if handle(("%d:%d"):format(number, place + 1)) then
    place = place + 1
  end
end

-- Whether all events of a batch were taken.
local function are_taken(outcomes)
  for _, outcome in ipairs(outcomes) do
    if outcome.status == "not_taken" then
      return expect("handle", nil, outcome.error, outcome.code)
    end
  end
  return true
end

-- The next events, by tenant; all of them again when one cannot be handled.
local function handle_many()
  local batches, count = {}, math.random(2, 20)
  for i = place + 1, place + count do
    local tenant, event = plan.event(seed, ("%d:%d"):format(number, i))
    batches[tenant] = batches[tenant] or {}
    table.insert(batches[tenant], event)
  end
  local outcomes = {}
  for tenant, events in pairs(batches) do
    outcomes[tenant] = expect("handle", engines[tenant]:handle_many(events))
    if not outcomes[tenant] or not are_taken(outcomes[tenant]) then
      return
    end
  end
  for tenant, events in pairs(batches) do
    for i, event in ipairs(events) do
      acknowledge_event(tenant, event.id, outcomes[tenant][i])
    end
  end
  place = place + count
end

-- What else there is to do ---------------------------------------------------------------------------------------------

local function any_engine()
  local tenant = plan.TENANTS[math.random(#plan.TENANTS)]
  return engines[tenant], tenant
end

-- An event that was handled before, perhaps.
local function deliver_again()
  local worker = math.random(plan.WORKERS)
  handle(("%d:%d"):format(worker, math.random(place + (worker == number and 1 or 5))))
end

-- An event that every worker handles at once.
local function meet()
  local moment = core.now() * 50
  core.sleep((math.ceil(moment) - moment) / 50)
  handle(("0:%d"):format(math.ceil(moment) % 1000000))
end

local ANSWERS = { { accept = true }, { decline = true }, { category = 1 }, { category = 3 } }

local function resolve()
  local engine, tenant = any_engine()
  local open = assert(engine:confirmations { state = "open", limit = 20 })
  if #open > 0 then
    local id = open[math.random(#open)].id
    local actor = { id = who, admin = true }
    local outcome = expect("resolve", engine:resolve(id, ANSWERS[math.random(#ANSWERS)], { actor = actor }))
    if outcome then
      acknowledge("answer", tenant, id, outcome.status, outcome.entry)
    end
  end
end

local function undo()
  local engine, tenant = any_engine()
  local entries = assert(engine:history { limit = 30 })
  if #entries > 0 then
    local outcome = expect("undo", engine:undo(entries[math.random(#entries)].entry))
    if outcome then
      acknowledge("undo", tenant, "-", outcome.status, outcome.entry)
    end
  end
end

local function save()
  local engine, tenant = any_engine()
  local revision = expect("save", engine:save(plan.config(math.random(2)), { actor = { id = who, admin = true } }))
  if revision then
    acknowledge("save", tenant, who, revision)
  end
end

local function maintain()
  expect("maintain", any_engine():maintain())
  assert(any_engine():flush())
end

local function look()
  local _, event = plan.event(seed, "look" .. math.random(1000))
  event.id = nil
  local _, message, code = any_engine():propose(event)
  assert(code == nil or code == "unavailable", message)
  assert(any_engine():stats())
end

-- Only to a host that stores keys: to the other it looks as if leadcat had done it.
local function change_outside()
  crm:change_outside(math.random(plan.COMPANIES), math.random(4), math.random(2) == 1 and "keyed" or "applied")
end

local ACTIONS = { -- and how many of a hundred
  { 50, handle_next }, { 12, handle_many }, { 8, deliver_again }, { 10, meet }, { 8, resolve }, { 3, undo },
  { 1, save }, { 3, maintain }, { 3, look }, { 2, change_outside },
}

local function act()
  local choice = math.random(100)
  for _, row in ipairs(ACTIONS) do
    choice = choice - row[1]
    if choice <= 0 then
      return row[2]()
    end
  end
end

local ok, message = xpcall(function()
  keep_time()
  place = acknowledged()
  open_engines()
  local deadline = core.now() + 60 -- should nobody be there any more to kill it
  while core.now() < deadline do
    keep_time()
    act()
    for _, change in ipairs(made) do
      acknowledge("made", change[1], who, change[2])
    end
    made = {}
  end
end, debug.traceback)
if not ok then
  local errors = assert(io.open(files.errors(number), "a"))
  errors:write(who, ": ", tostring(message), "\n")
  errors:close()
  os.exit(1)
end
