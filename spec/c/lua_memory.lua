--- What lua_memory_test.c does while memory is short: each function is one operation of a host. `witness`, in another state,
-- sees afterwards whether anything was left behind.

local leadcat = require "leadcat"

local memory = {}

local A, WON = 1, 5 -- categories
local ANN = { id = "ann", name = "Ann", admin = true }

local now = 1700000000

local function open(path, host)
  return assert(leadcat.open {
    path = path, map_size = 64 * 2 ^ 20, durability = "relaxed", host = host, clock = function() return now end,
  })
end

-- A small one: it is read, checked and written once for each of its allocations.
local function config()
  return {
    categories = {
      { id = A, name = "Lead", group = "potential_customer" }, { id = 3, name = "Open", group = "potential_customer" },
      { id = WON, name = "Customer", group = "customer" },
    },
    rules = {
      { trigger = "sale_won", enabled = true, set_category = WON },
      { trigger = "sale_registered", enabled = true, set_category = 3, ask = true },
    },
  }
end

-- A CRM of one's own, whose memory is never short.
local categories = {}
local crm = {
  category = function(company) return categories[company] or A end,
  set_category = function(company, to, from)
    if (categories[company] or A) ~= from then
      return nil, "conflict"
    end
    categories[company] = to
    return true
  end,
}

local engine, hosted, asked -- what is open, and a question that is

--- Before: what the state keeps open.
function memory.prepare(path, host_path)
  engine, hosted = open(path), open(host_path, crm)
  assert(engine:save(config()))
  assert(hosted:save(config()))
end

--- Before each try: what the operation starts from.
function memory.begin(_, _, number)
  for _, name in ipairs { "Acme ", "Bolt ", "Asked " } do
    assert(engine.host:create(name .. number, A))
  end
  local event = { trigger = "sale_registered", company = "Asked " .. number, id = "asked-" .. number, actor = ANN }
  asked = assert(engine:handle(event)).confirmation
end

local function won(company, number)
  return { trigger = "sale_won", company = company .. number, id = company .. number, actor = ANN, sale = { id = 1 } }
end

--- A whole life.
function memory.open(path, _, number)
  local own = open(path)
  assert(own:handle(won("Acme ", number)))
  assert(own:history { limit = 5 })
  own:close()
end

--- An engine that goes on.
function memory.handle(_, _, number)
  assert(engine:handle(won("Bolt ", number)))
  assert(engine:history { company = "Bolt " .. number })
end

--- One whose host keeps the companies: it is asked and changed between two transactions.
function memory.hosted(_, _, number)
  assert(hosted:handle(won("Acme ", number)))
  assert(hosted:recover())
end

--- The questions of an inbox, and an answer.
function memory.resolve()
  assert(engine:confirmations { state = "open", limit = 3 })
  local outcome, message, code = engine:resolve(asked, { accept = true }, { actor = ANN })
  assert(outcome or code == "already_resolved", message)
end

--- The rules.
function memory.save()
  local cfg = assert(engine:config())
  assert(engine:save(cfg, { actor = ANN }))
end

--- Between the tries: a call that has raised while its host was at work keeps others from the company until its claim has
-- run out.
function memory.later()
  now = now + 60
end

-- Afterwards, with memory again, the same has been done again: each has had its effect once.

local function check_once(own, company)
  local effects = 0
  for _, entry in ipairs(assert(own:history { company = company })) do
    effects = effects + (entry.status == "updated" and 1 or 0)
  end
  assert(effects == 1, company .. " was updated " .. effects .. " times")
end

function memory.check_open(_, _, number)
  check_once(engine, "Acme " .. number)
end

function memory.check_handle(_, _, number)
  check_once(engine, "Bolt " .. number)
end

function memory.check_hosted(_, _, number)
  check_once(hosted, "Acme " .. number)
  assert(categories["Acme " .. number] == WON)
end

function memory.check_resolve(_, _, number)
  check_once(engine, "Asked " .. number)
end

function memory.check_save()
  assert(engine:config().revision == #assert(engine:revisions()))
end

--- In another state: the store can be opened, written and read.
function memory.witness(path, _, number)
  local own = open(path)
  assert(own.host:create(("witness %d"):format(number), A))
  own:close()
end

return memory
