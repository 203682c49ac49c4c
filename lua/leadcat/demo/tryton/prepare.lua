--- prepare.lua makes, once, what the worker needs: party categories in Tryton, a child of one root for each of leadcat's
-- categories, and a store with rules that know them by their ids in Tryton. What is there stays as it is; a store with rules is refused.

local leadcat = require "leadcat"
local settings = require "leadcat.demo.tryton.settings"

local LOST_OPPORTUNITY, OPPORTUNITY, CUSTOMER = 4, 3, 5 -- the preset's categories
local TARGETS = { sale_registered = OPPORTUNITY, sale_won = CUSTOMER, sale_lost = LOST_OPPORTUNITY }

local tryton = settings.client()

local function must(result, message)
  return result == nil and error(message, 0) or result
end

local find = settings.categories(tryton)

-- The id of the party category with this name below a parent; it is made when there is none.
local function category(name, parent)
  return find(name, parent)
    or must(tryton:call("model.party.category.create", { { { name = name, parent = parent } } }))[1]
end

local engine = assert(leadcat.open { path = settings.store() })
local config = must(engine:config())
if config.revision > 0 then
  engine:close()
  error(("%s has rules already, of revision %d"):format(settings.store(), config.revision), 0)
end

config = leadcat.preset "superoffice"
local root = category(settings.ROOT)
for _, one in ipairs(config.categories) do
  one.external = ("%d"):format(category(one.name.en, root))
  io.write(("party category %s: %s / %s\n"):format(one.external, settings.ROOT, one.name.en))
end
for _, rule in ipairs(config.rules) do
  if TARGETS[rule.trigger] then
    rule.enabled, rule.set_category = true, TARGETS[rule.trigger]
  end
end
must(engine:save(config, { actor = { id = "prepare", admin = true } }))
engine:close()
