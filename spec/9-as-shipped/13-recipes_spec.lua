-- The configs to begin with: each is clean, speaks six languages, can be chosen on the command line, and does what it is for.

local i18n = require "leadcat.words.i18n"
local leadcat = require "leadcat"
local preset = require "leadcat.rules.preset"
local stores = require "support.stores"

local LEAD, LEAD_QUALIFIED, OPPORTUNITY, LOST_OPPORTUNITY, CUSTOMER, LOST = 1, 2, 3, 4, 5, 7
local QUALIFIED = 5 -- a lead status
local DAY = 24 * 3600
local CONTRACTS = { { trigger = "contract_expired", name = "Contract expired" } }

-- An engine with the preset and the company Acme.
local function open(name, category, options)
  local engine = stores.open(options)
  assert(engine:save(leadcat.preset(name)))
  assert(engine.host:create("Acme", category))
  return engine
end

local function handle(engine, trigger, more)
  local event = { trigger = trigger, company = "Acme" }
  for name, value in pairs(more or {}) do
    event[name] = value
  end
  local outcome = assert(engine:handle(event))
  return outcome.status == "unchanged" and outcome.reason or engine.host:get "Acme"
end

describe("the preset", function()
  after_each(stores.check)

  for _, name in ipairs(preset.NAMES) do
    it(name .. " has no problems where it is used, and words in all languages", function()
      local engine = stores.open { triggers = CONTRACTS }
      assert.same({}, engine:check(leadcat.preset(name)))
      engine:close()
      local cfg = leadcat.preset(name)
      for _, list in ipairs { cfg.categories, cfg.lead_statuses, cfg.rules } do
        for _, item in ipairs(list) do
          for _, language in ipairs(i18n.LANGUAGES) do
            assert.is_true(item.name == nil or type(item.name[language]) == "string")
          end
        end
      end
    end)

    it(name .. " is chosen by leadcat init", function()
      local path = stores.path()
      assert.matches("the preset " .. name, (stores.leadcat("init", "--path", path, "--preset", name)), 1, true)
      local engine = stores.open { path = path }
      local rules = engine:config().rules
      assert.same({ 1, #leadcat.preset(name).rules }, { engine:config().revision, #rules })
      engine:close()
    end)
  end

  it("tiers goes by what a company has bought, and lets it rise", function()
    local engine = open("tiers", LEAD)
    assert.equal(9, handle(engine, "sale_won", { sale = { amount = 10 }, facts = { ["company.country"] = "NO" } }))
    assert.equal(10, handle(engine, "sale_won", { sale = { amount = 100000 } }))
    assert.equal("lower_rank", handle(engine, "sale_won", { facts = { ["company.country"] = "NO" } }))
    engine:close()
  end)

  it("churn has customers lost whose contract expires, and wins them back", function()
    local engine = open("churn", LEAD, { triggers = CONTRACTS })
    assert.equal("not_potential_customer", handle(engine, "contract_expired"))
    assert.equal(CUSTOMER, handle(engine, "sale_won"))
    assert.equal(LOST, handle(engine, "contract_expired"))
    assert.equal(CUSTOMER, handle(engine, "sale_won"))
    engine:close()
  end)

  it("forward never goes back", function()
    local engine = open("forward", LEAD)
    local qualified = { lead_status = QUALIFIED }
    assert.equal(LEAD_QUALIFIED, handle(engine, "lead_status_set", qualified))
    assert.equal(OPPORTUNITY, handle(engine, "sale_registered"))
    assert.equal("lower_rank", handle(engine, "lead_status_set", qualified))
    assert.equal(LOST_OPPORTUNITY, handle(engine, "sale_lost"))
    assert.equal("lower_rank", handle(engine, "sale_registered"))
    assert.equal(CUSTOMER, handle(engine, "sale_won"))
    engine:close()
  end)

  it("nothing_open loses a company with its last open sale", function()
    local engine = open("nothing_open", OPPORTUNITY)
    local function with(open_sales)
      return { facts = { ["company.open_sales"] = open_sales } }
    end
    assert.equal("conditions_not_met", handle(engine, "sale_lost", with(1)))
    assert.equal("conditions_not_met", handle(engine, "sale_lost"))
    assert.equal(LOST_OPPORTUNITY, handle(engine, "sale_lost", with(0)))
    engine:close()
  end)

  it("renurture moves who has had no sale for 90 days, until the next one", function()
    local now = 20000 * DAY
    local engine = open("renurture", LEAD, { clock = function() return now end })
    local renurture = engine:config().rules[4].set_category
    assert.equal("Re-nurture", leadcat.preset("renurture").categories[5].name.en)
    assert.equal(OPPORTUNITY, handle(engine, "sale_registered"))
    now = now + 89 * DAY
    assert.equal(0, assert(engine:maintain()).no_sale)
    now = now + DAY
    assert.equal(1, assert(engine:maintain()).no_sale)
    assert.equal(renurture, engine.host:get "Acme")
    assert.equal(OPPORTUNITY, handle(engine, "sale_registered"))
    now = now + 90 * DAY
    assert.equal(1, assert(engine:maintain()).no_sale)
    assert.equal(CUSTOMER, handle(engine, "sale_won"))
    engine:close()
  end)
end)
