--- The companies of the demo CRM and its first rules.

local leadcat = require "leadcat"

local companies = {}

local LEAD, QUALIFIED_LEAD, OPPORTUNITY, LOST_OPPORTUNITY, CUSTOMER, PARTNER, OTHER = 1, 2, 3, 4, 5, 6, 8
local QUALIFIED = 5 -- a lead status

---@class leadcat.demo.Company
---@field category integer its first one
---@field sale string the product it may buy
---@field contact string

---@type table<string, leadcat.demo.Company> by name, which is also the id
companies.LIST = {
  ["Bølgebryderne Design ApS"] = { category = LEAD, sale = "Crema Duo", contact = "Freja Lynggaard" },
  ["De Vrolijke Reigers"] = { category = LEAD, sale = "Bean plan, large", contact = "Sander Holtmark" },
  ["Ekornholtet Barnehage"] = { category = QUALIFIED_LEAD, sale = "Crema One", contact = "Tuva Ekren" },
  ["Fjellvind Bakeri AS"] = { category = LEAD, sale = "Grinder 5\"", contact = "Ingeborg Fjell" },
  ["Hagesvale, Moe & Døtre"] = { category = OPPORTUNITY, sale = "Service plan", contact = "Marte Moe" },
  ["Kaffebaren \"Den blå døra\""] = { category = CUSTOMER, sale = "Bean plan, small", contact = "Jonas Blå" },
  ["Kvarnbylunda Åkeri"] = { category = LOST_OPPORTUNITY, sale = "Crema One", contact = "Sixten Kvarn" },
  ["Larkspindle Events"] = { category = LEAD, sale = "Crema Duo", contact = "Nora Quayle" },
  ["Nordlysfabrikken Verksted"] = { category = QUALIFIED_LEAD, sale = "Bean plan, large", contact = "Aslak Nord" },
  ["Odd Little Otter Brewing"] = { category = PARTNER, sale = "Service plan", contact = "Olive Otterley" },
  ["Rietveenpolder Advocaten"] = { category = OTHER, sale = "Crema One", contact = "Maartje Rietveen" },
  ["Weißdornhof Steuerberatung"] = { category = OPPORTUNITY, sale = "Crema Duo", contact = "Jörg Weißhaupt" },
}

-- A won sale asks; the other events change the category at once.
local RULES = {
  sale_registered = { set_category = OPPORTUNITY },
  sale_won = { set_category = CUSTOMER, ask = true },
  sale_lost = { set_category = LOST_OPPORTUNITY },
  lead_status_set = { set_category = OPPORTUNITY, lead_status = QUALIFIED },
}

--- The preset with its rules switched on.
---@return leadcat.Config
function companies.config()
  local cfg = leadcat.preset "superoffice"
  for _, rule in ipairs(cfg.rules) do
    rule.enabled = true
    for name, value in pairs(RULES[rule.trigger]) do
      rule[name] = value
    end
  end
  return cfg
end

--- Fills a new store; one that has a config stays as it is.
---@param engine leadcat.Engine
---@return true? done, string? message, string? code
function companies.prepare(engine)
  local cfg, message, code = engine:config()
  if not cfg or cfg.revision > 0 then
    return cfg and true, message, code
  end
  local saved
  for name, company in pairs(companies.LIST) do
    saved, message, code = engine.host:create(name, company.category)
    if not saved and code ~= "conflict" then
      return nil, message, code
    end
  end
  saved, message, code = engine:save(companies.config(), { revision = 0 })
  return saved and true, message, code
end

return companies
