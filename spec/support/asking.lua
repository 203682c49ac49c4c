--- Questions and answers, for specs.

local assert = require "luassert"
local clock = require "support.clock"
local crm = require "support.crm"
local stores = require "support.stores"

local LEAD, QUALIFIED, OPPORTUNITY, CUSTOMER, LOST = 1, 2, 3, 5, 7 -- the preset's categories

local asking = {}

asking.ANN = { id = "ann", name = "Ann", admin = true }
asking.BOB = { id = "bob", name = "Bob" }
asking.EVE = { id = "eve", name = "Eve" }
asking.RULES = {
  sale_won = { CUSTOMER, ask = true }, sale_registered = { OPPORTUNITY, ask = true }, sale_lost = LOST,
  ["lead_status_set:5"] = { QUALIFIED, ask = true },
}

--- An engine with RULES, whose host has the leads Acme and Bolt. Its clock stands still unless a test moves `time.now`.
function asking.open(options)
  local time = clock.new(1700000000)
  options = options or {}
  options.clock, options.durability = options.clock or function() return time.now end, "relaxed"
  local engine, path = stores.open(options)
  if engine:config().revision == 0 then
    assert(engine:save(stores.config(asking.RULES)))
    if engine.host.create then
      engine.host:create_many({ "Acme", "Bolt" }, LEAD)
    end
  end
  return engine, time, path
end

--- A CRM of one's own. `host.well = false` makes every change fail.
function asking.new_crm()
  local host = crm.new { Acme = LEAD, Bolt = LEAD }
  local set = host.set_category
  host.well = true
  function host.set_category(...)
    if host.well then
      return set(...)
    end
    return nil, "away"
  end
  return host
end

--- Bob wins a sale of Acme (or what `fields` say) and is asked; gives the question's id.
function asking.ask(engine, fields)
  local event = { trigger = "sale_won", company = "Acme", actor = asking.BOB, sale = { id = 17, name = "Printers" } }
  for name, value in pairs(fields or {}) do
    event[name] = value or nil
  end
  local outcome = assert(engine:handle(event))
  assert.equal("awaiting_confirmation", outcome.status)
  return outcome.confirmation
end

--- Questions about companies that only their events know of, asked in one transaction; gives their ids.
function asking.ask_many(engine, count)
  local events, ids = {}, {}
  for i = 1, count do
    events[i] = { trigger = "sale_won", company = i, category = LEAD, actor = asking.BOB }
  end
  for i, outcome in ipairs(assert(engine:handle_many(events))) do
    ids[i] = outcome.confirmation
  end
  return ids
end

--- The ids of a list of questions.
function asking.ids_of(records)
  local ids = {}
  for i, record in ipairs(records) do
    ids[i] = record.id
  end
  return ids
end

-- All that an answer could change.
local function all_of(engine, id)
  return { engine:confirmation(id), engine:history(), engine.host.category "Acme", engine:confirmations() }
end

--- The call is refused with this code, and nothing has changed, in the company, the journal and the questions.
function asking.assert_refused(engine, id, code, answer, options)
  local before = all_of(engine, id)
  local result
  local count = stores.commits(engine, function() result = { engine:resolve(id, answer, options) } end)
  assert.is_nil(result[1])
  assert.equal(code, result[3])
  assert.same({ 0, before }, { count, all_of(engine, id) })
  return result[2], result[4]
end

return asking
