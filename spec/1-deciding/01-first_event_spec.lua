-- One event, end to end: a rule is saved, a sale is won, the company's category is right, and the journal says why.

local leadcat = require "leadcat"
local stores = require "support.stores"

describe("a sale is won", function()
  after_each(stores.check)

  it("and its company becomes a customer", function()
    local engine = stores.open()
    local LEAD, CUSTOMER = 1, 5

    -- An administrator saves the rules: when a sale is won, set the category to Customer.
    local cfg = leadcat.preset "superoffice"
    for _, rule in ipairs(cfg.rules) do
      if rule.trigger == "sale_won" then
        rule.enabled, rule.set_category = true, CUSTOMER
      end
    end
    assert.equal(1, engine:save(cfg, { actor = { id = "ann", admin = true } }))

    -- The CRM has a company, and reports a won sale.
    assert(engine.host:create("Acme", LEAD))
    local outcome = assert(engine:handle {
      id = "sale-17-won", trigger = "sale_won", company = "Acme",
      sale = { id = 17, name = "Printers" }, actor = { id = "bob" },
    })
    assert.same({
      status = "updated", action = "update", reason = "matched", rule = "sale_won", revision = 1,
      from = LEAD, to = CUSTOMER, entry = outcome.entry, key = outcome.key,
    }, outcome)
    assert.equal(CUSTOMER, engine.host:get "Acme")

    -- The journal says what happened and who did it.
    local entry = engine:history({ company = "Acme" })[1]
    assert.equal(outcome.entry, entry.entry)
    assert.equal("updated", entry.status)
    assert.equal("bob", entry.actor.id)
    assert.equal("Printers", entry.sale.name)

    -- Delivered again, it is done only once; won again, there is nothing to do: a customer is no potential customer.
    assert.equal("duplicate", engine:handle({ id = "sale-17-won", trigger = "sale_won", company = "Acme" }).status)
    assert.equal("not_potential_customer", engine:handle({ trigger = "sale_won", company = "Acme" }).reason)
    engine:close()
  end)
end)
