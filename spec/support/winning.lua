--- Sales that are won, and configs that tell which of them has decided, for specs.

local LEAD = 1 -- the preset's category

local winning = {}

--- Reports a won sale of a company in the embedded host.
function winning.win(engine, company, id)
  return engine:handle { id = id, trigger = "sale_won", company = company }
end

--- A company in the embedded host, whose sale is won.
function winning.win_new(engine, company, id)
  assert(engine.host:create(company, LEAD))
  return assert(winning.win(engine, company, id))
end

--- A config whose rule sets category `n` + 1 when a sale is won: so a decision tells which of many configs has made it.
function winning.numbered(n, count)
  local cfg = { categories = { { id = 1, name = "Start", group = "potential_customer" } }, rules = {} }
  for i = 1, count do
    cfg.categories[i + 1] = { id = i + 1, name = "C" .. i, group = "customer" }
  end
  cfg.rules[1] = { trigger = "sale_won", enabled = true, set_category = n + 1 }
  return cfg
end

return winning
