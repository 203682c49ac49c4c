--- Worked examples, each a config of its own: the standard categories and lead statuses, with rules that are switched on. What they
-- are for is told in spec/manual/recipes.md.

local config = require "leadcat.rules.config"

local recipes = {}

---@alias leadcat.PresetName "superoffice"|"tiers"|"churn"|"forward"|"nothing_open"|"renurture"

-- The standard categories and lead statuses.
local LEAD_QUALIFIED, OPPORTUNITY, LOST_OPPORTUNITY, CUSTOMER, LOST = 2, 3, 4, 5, 7
local QUALIFIED, RENURTURE = 5, 4

local function on(trigger, to, more)
  local rule = { trigger = trigger, enabled = true, ask = false, set_category = to }
  for name, value in pairs(more or {}) do
    rule[name] = value
  end
  return rule
end

-- Adds a category behind the one of this place, with the next free id.
local function add_category(cfg, place, category)
  category.id = #cfg.categories + 1
  table.insert(cfg.categories, place + 1, category)
  for i, item in ipairs(cfg.categories) do
    item.rank = i
  end
  return category.id
end

-- What a company has bought, and where it is, decide its category. A customer may rise, and never falls.
local function tiers(cfg)
  local home = add_category(cfg, CUSTOMER, { group = "customer", name = {
    en = "A customer", no = "A-kunde", sv = "A-kund", da = "A-kunde", de = "A-Kunde", nl = "A-klant",
  }, description = {
    en = "A customer in our home market.", no = "En kunde i hjemmemarkedet vårt.", sv = "En kund på vår hemmamarknad.",
    da = "En kunde på vores hjemmemarked.", de = "Ein Kunde in unserem Heimatmarkt.",
    nl = "Een klant in onze thuismarkt.",
  } })
  local vip = add_category(cfg, CUSTOMER + 1, { group = "customer", name = {
    en = "VIP", no = "VIP", sv = "VIP", da = "VIP", de = "VIP", nl = "VIP",
  }, description = {
    en = "Has bought for 100,000 or more at once.", no = "Har kjøpt for 100 000 eller mer på én gang.",
    sv = "Har köpt för 100 000 eller mer på en gång.", da = "Har købt for 100.000 eller mere på én gang.",
    de = "Hat für 100.000 oder mehr auf einmal gekauft.", nl = "Heeft in één keer voor 100.000 of meer gekocht.",
  } })
  local buyers = { groups = { "potential_customer", "customer" } }
  table.remove(cfg.rules, 2) -- of won sales
  table.insert(cfg.rules, 2, on("sale_won", vip, {
    id = 1, from = buyers, forward_only = true,
    when = { { { field = "sale.amount", is = "at_least", value = 100000 } } },
    name = {
      en = "Large sales", no = "Store salg", sv = "Stora försäljningar", da = "Store salg", de = "Große Verkäufe",
      nl = "Grote verkopen",
    },
  }))
  table.insert(cfg.rules, 3, on("sale_won", home, {
    id = 2, from = buyers, forward_only = true,
    when = { { { field = "company.country", is = "one_of", value = { "Norway", "NO" } } } },
    name = {
      en = "Sales in Norway", no = "Salg i Norge", sv = "Försäljningar i Norge", da = "Salg i Norge",
      de = "Verkäufe in Norwegen", nl = "Verkopen in Noorwegen",
    },
  }))
  table.insert(cfg.rules, 4, on("sale_won", CUSTOMER, { ask = true, name = {
    en = "Other sales", no = "Andre salg", sv = "Andra försäljningar", da = "Andre salg", de = "Andere Verkäufe",
    nl = "Andere verkopen",
  } }))
end

-- A customer whose contract has expired is lost, until it buys again.
local function churn(cfg)
  cfg.rules = {
    on("contract_expired", LOST, { from = { groups = { "customer" } } }),
    on("sale_won", CUSTOMER, { from = { groups = { "potential_customer", "lost" } } }),
  }
end

-- No company goes back to a category of a lower rank.
local function forward(cfg)
  cfg.rules = {
    on("lead_status_set", LEAD_QUALIFIED, { lead_status = QUALIFIED, forward_only = true }),
    on("sale_registered", OPPORTUNITY, { forward_only = true }),
    on("sale_lost", LOST_OPPORTUNITY, { forward_only = true }),
    on("sale_won", CUSTOMER, { forward_only = true }),
  }
end

-- A lost sale makes a lost opportunity only of a company that has no other sale open.
local function nothing_open(cfg)
  cfg.rules = {
    on("sale_registered", OPPORTUNITY), on("sale_won", CUSTOMER),
    on("sale_lost", LOST_OPPORTUNITY, { when = { { { field = "company.open_sales", is = "equals", value = 0 } } } }),
  }
end

-- Who has had no sale for 90 days is followed up by marketing, unless a sale is known to be open; the next sale ends that.
local function renurture(cfg)
  local status = config.find(cfg.lead_statuses, RENURTURE)
  local category = add_category(cfg, LOST_OPPORTUNITY, {
    group = "potential_customer", lead_status = true, name = status.name, description = status.description,
  })
  cfg.rules = {
    on("sale_registered", OPPORTUNITY), on("sale_won", CUSTOMER), on("sale_lost", LOST_OPPORTUNITY),
    on("no_sale_for", category, { days = 90, when = {
      { { field = "company.open_sales", is = "equals", value = 0 } },
      { { field = "company.open_sales", is = "unknown" } },
    } }),
  }
end

local ALL = {
  { "tiers", tiers }, { "churn", churn }, { "forward", forward }, { "nothing_open", nothing_open },
  { "renurture", renurture },
}

--- The recipes, in order.
---@param standard leadcat.Config with the categories and lead statuses, and a rule for each trigger
---@return {name: string, config: leadcat.Config}[]
function recipes.of(standard)
  local made = {}
  for i, recipe in ipairs(ALL) do
    local cfg = config.copy(standard)
    recipe[2](cfg)
    made[i] = { name = recipe[1], config = cfg }
  end
  return made
end

return recipes
