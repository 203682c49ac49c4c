--- Answers of users to proposals, for the specs of what they teach: cases at random, in which a condition may be planted.

local crm = require "support.crm"
local json = require "leadcat.util.json"
local stores = require "support.stores"

local answered = {}

answered.LEAD, answered.CUSTOMER, answered.VIP = 1, 5, 10

local COUNTRIES, CURRENCIES = { "NO", "SE", "DK", "DE", "NL", "GB" }, { "NOK", "EUR", "USD" }

--- Numbers at random, the same on each Lua: `next(n)` is from 1 to n, `next()` below 1.
function answered.random(seed)
  local state = seed * 7919 % 2147483646 + 1
  local function step()
    state = state * 16807 % 2147483647
    return state / 2147483647
  end
  for _ = 1, 10 do
    step()
  end
  return function(n) return n and math.floor(step() * n) + 1 or step() end
end

--- An event with ten fields that conditions may compare.
function answered.event(random, number)
  return {
    id = ("won-%d"):format(number), trigger = "sale_won", company = ("company %d"):format(number),
    actor = { id = ("user %d"):format(random(5)) },
    sale = {
      id = number, amount = random(1000000), currency = CURRENCIES[random(#CURRENCIES)], probability = random(100),
      due = ("20%02d-%02d-%02d"):format(random(10) + 16, random(12), random(28)),
    },
    contact = { id = number, language = COUNTRIES[random(#COUNTRIES)], optin = random() < 0.4 },
    facts = {
      ["company.country"] = random() < 0.9 and COUNTRIES[random(#COUNTRIES)] or nil,
      ["company.employees"] = random(500), ["company.tags"] = json.array { ("tag %d"):format(random(4)),
        ("tag %d"):format(random(8)) },
    },
  }
end

answered.FIELDS = {
  { field = "sale.amount", type = "number", name = { en = "Amount", no = "Beløp" } },
  { field = "sale.currency", type = "text" }, { field = "sale.probability", type = "number" },
  { field = "sale.due", type = "date" }, { field = "contact.language", type = "text" },
  { field = "contact.optin", type = "boolean" }, { field = "company.country", type = "text" },
  { field = "company.employees", type = "number" }, { field = "company.tags", type = "list" },
}

--- A config whose rule for won sales asks whether a company becomes a Customer. A rule on trial names the fields of the company, so that they
-- are kept.
function answered.config()
  local cfg = stores.config { sale_won = { answered.CUSTOMER, ask = true } }
  cfg.categories[#cfg.categories + 1] = { id = answered.VIP, name = "VIP", group = "customer", rank = 20 }
  cfg.rules[2] = {
    trigger = "sale_won", enabled = true, shadow = true, id = 9, set_category = answered.VIP, when = json.array {
      json.array { { field = "company.country", is = "known" }, { field = "company.employees", is = "known" },
        { field = "company.tags", is = "known" }, { field = "company.country", is = "equals", value = "none" } },
    },
  }
  return cfg
end

--- An engine with this config, or the options' own.
function answered.open(options)
  local host = crm.new {}
  host.fields = answered.FIELDS
  local all = { host = host, durability = "relaxed" }
  for name, value in pairs(options or {}) do
    all[name] = value or nil
  end
  local engine, path = stores.open(all)
  assert(engine:save(answered.config()))
  return engine, path, host
end

local function make(host, companies)
  if host.create_many then
    assert(host:create_many(companies, answered.LEAD))
  end
  for _, company in ipairs(host.create_many and {} or companies) do
    host.companies[company] = answered.LEAD
  end
end

--- Has users answer so many proposals; `chosen(event, random)` says which category they take, false: they keep the one there is. Most
-- answers come with their events.
---@param engine leadcat.Engine
---@param host table of `crm.new`, or the engine's own
---@param seed integer
---@param count integer
---@param chosen fun(event: table, random: function): integer|false
function answered.answer(engine, host, seed, count, chosen)
  local random, events, asked, companies = answered.random(seed), {}, {}, {}
  for number = 1, count do
    local event = answered.event(random, number)
    companies[number] = event.company
    local choice = chosen(event, random)
    if number % 5 > 0 then
      event.choice = choice
    else
      asked[#asked + 1] = { number = number, choice = choice }
    end
    events[number] = event
  end
  make(host, companies)
  local outcomes = assert(engine:handle_many(events))
  for _, question in ipairs(asked) do
    local answer = question.choice and { category = question.choice } or { decline = true }
    assert(engine:resolve(outcomes[question.number].confirmation, answer))
  end
end

return answered
