-- Changes that another process makes: `apply = "elsewhere"` writes them down, and whoever recovers changes makes them, with
-- what has been queued behind them, in order.

local core = require "leadcat.core"
local crm = require "support.crm"
local histories = require "support.histories"
local hosting = require "support.hosting"
local leadcat = require "leadcat"
local stores = require "support.stores"

local LEAD, OPPORTUNITY, CUSTOMER, PARTNER = 1, 3, 5, 6 -- the preset's categories
local REGISTERED, WON = hosting.REGISTERED, hosting.WON
local open, statuses = hosting.open, histories.statuses
local ADMIN = { actor = { id = "ann", admin = true } }

-- An engine that leaves its changes to another one, which is opened on the same store; the host of both; and what moves the clock.
local function open_both(companies, options)
  options = options or {}
  local host = (options.many and crm.many or crm.new)(companies)
  local here, time, path = open(host, { rules = options.rules })
  local elsewhere = assert(leadcat.open {
    path = path, host = options.host or host, apply = "elsewhere", durability = "relaxed",
    clock = function() return time.now end,
  })
  return elsewhere, here, host, time, function()
    elsewhere:close()
    here:close()
  end
end

local function status_of(engine, id)
  for _, entry in ipairs(assert(engine:history())) do
    if entry.event_id == id then
      return entry.status
    end
  end
end

describe("a change that is made elsewhere", function()
  after_each(stores.check)

  it("is written at once, and made by the engine that applies changes", function()
    local elsewhere, here, host, _, close = open_both { Acme = LEAD }
    local told = {}
    here:on("updated", function(event, outcome) told[#told + 1] = event.id .. " " .. outcome.to end)
    local outcome = assert(elsewhere:handle(REGISTERED))
    assert.same({ "applying", "update", LEAD, OPPORTUNITY },
      { outcome.status, outcome.action, outcome.from, outcome.to })
    assert.truthy(outcome.entry and outcome.key)
    assert.same({ "applying", {} }, { statuses(here), host.changes })
    local first = elsewhere:handle(REGISTERED)
    assert.same({ "duplicate", "applying", outcome.entry }, { first.status, first.first.status, first.first.entry })

    assert.same({ finished = 0, failed = 0, busy = 0 }, elsewhere:apply_pending())
    assert.same({ finished = 1, failed = 0, busy = 0 }, here:apply_pending())
    assert.same({ { "Acme 1 -> 3" }, { "r 3" }, "updated" }, { host.changes, told, statuses(here) })
    assert.equal("updated", elsewhere:handle(REGISTERED).first.status)
    assert.same({ finished = 0, failed = 0, busy = 0 }, here:apply_pending())
    close()
  end)

  it("is not asked for by whoever writes it: its host may be slow, or away", function()
    local away = crm.new { Acme = LEAD }
    away.set_category = function() error "asked" end
    local elsewhere, here, host, _, close = open_both({ Acme = LEAD }, { host = away })
    assert.equal("applying", elsewhere:handle(REGISTERED).status)
    assert.equal(1, here:apply_pending().finished)
    assert.same({ "Acme 1 -> 3" }, host.changes)
    close()
  end)

  it("may be one of a batch", function()
    local elsewhere, here, host, _, close = open_both({ Acme = LEAD, Bolt = LEAD, Cog = PARTNER }, { many = true })
    local outcomes = assert(elsewhere:handle_many {
      REGISTERED, { id = "b", trigger = "sale_won", company = "Bolt" }, { trigger = "sale_won", company = "Cog" }, WON,
      REGISTERED,
    })
    local found = {}
    for i, outcome in ipairs(outcomes) do
      found[i] = outcome.status
    end
    assert.same({ "applying", "applying", "unchanged", "queued", "duplicate" }, found)
    assert.same({ finished = 3, failed = 0, busy = 0 }, here:apply_pending())
    assert.same({ "Acme 1 -> 3", "Bolt 1 -> 5", "Acme 3 -> 5" }, host.changes)
    assert.same({ "set Acme Bolt" }, { host.asked[3] })
    close()
  end)

  it("is made by the next call of an engine that makes changes, too", function()
    local elsewhere, here, host, _, close = open_both { Acme = LEAD }
    assert(elsewhere:handle(REGISTERED))
    assert.equal("updated", here:handle(WON).status)
    assert.same({ "Acme 1 -> 3", "Acme 3 -> 5" }, host.changes)
    close()
  end)

  it("may be an answer, an undo or a retry", function()
    local elsewhere, here, host, time, close = open_both { Acme = LEAD }
    local config = here:config()
    for _, rule in ipairs(config.rules) do
      rule.ask = true
    end
    assert(here:save(config))
    local asked = assert(elsewhere:handle(WON))
    assert.equal("applying", elsewhere:resolve(asked.confirmation, { accept = true }).status)
    assert.equal(1, here:apply_pending().finished)
    assert.same({ "accepted", CUSTOMER }, { here:confirmation(asked.confirmation).state, host.companies.Acme })
    local undone = assert(elsewhere:undo(here:history()[1].entry, ADMIN))
    assert.same({ "applying", "undo" }, { undone.status, undone.reason })
    assert.equal(1, here:apply_pending().finished)
    assert.equal(LEAD, host.companies.Acme)
    host.set_category = function() return nil, "no", "refused" end
    time.now = time.now + 1
    local redo = elsewhere:undo(undone.entry, ADMIN).entry
    assert.equal(1, here:apply_pending().failed)
    assert.equal("applying", elsewhere:retry(redo, ADMIN).status)
    assert.equal(1, here:apply_pending().failed)
    close()
  end)

  it("is listed among what an undo of many does", function()
    local elsewhere, here, host, _, close = open_both { Acme = LEAD, Bolt = LEAD }
    assert(here:handle_many { WON, { trigger = "sale_won", company = "Bolt" } })
    local result = assert(elsewhere:undo({ revision = 1 }, ADMIN))
    assert.same({ 2, 0 }, { #result.undone, #result.refused })
    assert.equal(2, here:apply_pending().finished)
    assert.same({ LEAD, LEAD }, { host.companies.Acme, host.companies.Bolt })
    close()
  end)

  it("that another process has claimed is busy", function()
    local elsewhere, here, host, _, close = open_both { Acme = LEAD }
    local set, found = host.set_category, nil
    assert(elsewhere:handle(REGISTERED))
    host.set_category = function(...)
      found = found or assert(elsewhere:handle(WON)).status
      return set(...)
    end
    assert.equal(2, here:apply_pending().finished)
    assert.same({ "queued", { "Acme 1 -> 3", "Acme 3 -> 5" } }, { found, host.changes })
    close()
  end)

  it("is for a host of one's own", function()
    assert.has_error(function() leadcat.open { path = stores.path(), apply = "elsewhere" } end,
      'leadcat.open: apply = "elsewhere" needs a host of your own: what the store keeps is changed at once')
    assert.has_error(function() leadcat.open { path = stores.path(), apply = "there" } end)
  end)
end)

describe("an event that is queued", function()
  after_each(stores.check)

  it("is safe, and decided in its turn by what is known then", function()
    local elsewhere, here, host, _, close = open_both { Acme = LEAD }
    assert(elsewhere:handle(REGISTERED))
    local outcome = assert(elsewhere:handle(WON))
    assert.same({ "queued", "none", "queued", nil, nil, nil },
      { outcome.status, outcome.action, outcome.reason, outcome.from, outcome.to, outcome.rule })
    assert.equal("queued applying", statuses(here))
    local again = elsewhere:handle(WON)
    assert.same({ "duplicate", "queued", "queued", outcome.entry },
      { again.status, again.first.status, again.first.reason, again.first.entry })
    local told = {}
    here:on("updated", function(event, result)
      told[#told + 1] = ("%s %s %d"):format(event.trigger, event.id, result.to)
    end)
    assert.same({ finished = 2, failed = 0, busy = 0 }, here:apply_pending())
    assert.same({ "Acme 1 -> 3", "Acme 3 -> 5" }, host.changes)
    assert.same({ "sale_registered r 3", "sale_won w 5" }, told)
    assert.equal("updated carried_out updated", statuses(here))
    assert.equal(outcome.entry, here:history()[1].follows)
    assert.equal("carried_out", elsewhere:handle(WON).first.status)
    close()
  end)

  it("has its turn behind those that came before", function()
    local elsewhere, here, host, _, close = open_both({ Acme = LEAD }, { rules = {
      sale_registered = OPPORTUNITY, sale_won = 2, sale_lost = LEAD,
    } })
    local order = { "sale_won", "sale_lost", "sale_registered", "sale_won", "sale_lost" }
    assert(elsewhere:handle(REGISTERED))
    for i, trigger in ipairs(order) do
      assert.equal("queued", elsewhere:handle({ id = i, trigger = trigger, company = "Acme" }).status)
    end
    assert.equal(6, here:apply_pending().finished)
    assert.same({ "Acme 1 -> 3", "Acme 3 -> 2", "Acme 2 -> 1", "Acme 1 -> 3", "Acme 3 -> 2", "Acme 2 -> 1" },
      host.changes)
    close()
  end)

  it("keeps its company busy until it has had its turn, also for engines that make changes", function()
    local elsewhere, here, host, _, close = open_both({ Acme = LEAD }, { rules = {
      sale_registered = OPPORTUNITY, sale_won = 2, sale_lost = LEAD,
    } })
    assert(elsewhere:handle(REGISTERED))
    assert(elsewhere:handle(WON))
    assert.equal("updated", here:handle({ trigger = "sale_lost", company = "Acme" }).status)
    assert.same({ "Acme 1 -> 3", "Acme 3 -> 2", "Acme 2 -> 1" }, host.changes)
    close()
  end)

  -- The event, and the reason for which it comes to nothing.
  for _, row in ipairs {
    { "does not match any more", WON, "not_potential_customer" },
    { "has the user's word that the category stays", { id = "c", trigger = "lead_status_set", lead_status = 5,
      company = "Acme", choice = false }, "lead_status_not_enabled" },
  } do
    it("is dropped when it " .. row[1] .. ", and the next one has its turn", function()
      local elsewhere, here, host, _, close = open_both { Acme = LEAD }
      assert(elsewhere:handle(REGISTERED))
      assert.equal("queued", elsewhere:handle(row[2]).status)
      assert.equal("queued", elsewhere:handle({ id = "n", trigger = "sale_registered", company = "Acme" }).status)
      host.companies.Acme = PARTNER
      local told = {}
      here:on("unchanged", function() told[#told + 1] = "unchanged" end)
      assert.same({ finished = 3, failed = 0, busy = 0 }, here:apply_pending())
      assert.same({ "dropped", "dropped" }, { status_of(here, row[2].id), status_of(here, "n") })
      assert.equal("conflict", status_of(here, "r"))
      assert.same({ finished = 0, failed = 0, busy = 0 }, here:apply_pending())
      assert.equal(0, here:stats().unfinished)
      close()
    end)
  end

  it("keeps what conditions look at, its time, and the user's choice", function()
    local elsewhere, here, host, _, close = open_both { Acme = LEAD }
    local config = here:config()
    config.rules = {
      { trigger = "sale_registered", enabled = true, set_category = OPPORTUNITY },
      { trigger = "sale_won", enabled = true, set_category = CUSTOMER, ask = true,
        when = { { { field = "sale.amount", is = "at_least", value = 100 } } } },
    }
    assert(here:save(config))
    assert(elsewhere:handle(REGISTERED))
    local seen
    here:on("guard", function(event) seen = { event.at, event.sale.amount, event.actor.id } end)
    local outcome = elsewhere:handle {
      id = "x", trigger = "sale_won", company = "Acme", at = 1600000000, sale = { id = 1, amount = 100 },
      actor = { id = "bob" }, choice = PARTNER,
    }
    assert.equal("queued", outcome.status)
    assert.equal(2, here:apply_pending().finished)
    assert.same({ { 1600000000, 100, "bob" }, PARTNER }, { seen, host.companies.Acme })
    assert.equal("queued", (function()
      assert(elsewhere:handle { trigger = "sale_registered", company = "Acme" })
      host.companies.Acme = LEAD
      assert(elsewhere:handle { trigger = "sale_registered", company = "Acme" })
      return elsewhere:handle({ id = "k", trigger = "sale_won", company = "Acme", sale = { amount = 500 },
        actor = { id = "bob" }, choice = false }).status
    end)())
    here:apply_pending()
    assert.same({ "declined", OPPORTUNITY }, { here:history()[1].status, host.companies.Acme })
    close()
  end)

  it("asks the user in its turn, where its rule asks", function()
    local elsewhere, here, _, _, close = open_both { Acme = LEAD }
    local config = here:config()
    for _, rule in ipairs(config.rules) do
      rule.ask = rule.trigger == "sale_won"
    end
    assert(here:save(config))
    assert(elsewhere:handle(REGISTERED))
    assert(elsewhere:handle(WON))
    assert(elsewhere:handle { id = "z", trigger = "lead_status_set", lead_status = 5, company = "Acme" })
    assert.equal(3, here:apply_pending().finished)
    assert.same({ "awaiting_confirmation", "carried_out", 1 },
      { here:history({ status = "awaiting_confirmation" })[1].status, status_of(here, "w"), #here:confirmations() })
    assert.same({ finished = 0, failed = 0, busy = 0 }, here:apply_pending())
    close()
  end)

  it("waits on while the host cannot tell what it needs", function()
    local elsewhere, here, host, _, close = open_both { Acme = LEAD }
    assert(elsewhere:handle(REGISTERED))
    assert(elsewhere:handle(WON))
    local category = host.category
    local asked = 0
    host.category = function(...)
      asked = asked + 1
      if asked > 1 then -- the first question is about the change
        return nil, "away"
      end
      return category(...)
    end
    local counts, message, code = here:apply_pending()
    assert.same({ nil, "away", "unavailable" }, { counts, message, code })
    assert.equal("queued updated", statuses(here))
    assert.same({ finished = 0, failed = 0, busy = 0 }, here:apply_pending()) -- it is too early
    host.category = category
    assert.equal("not_potential_customer", here:handle({ trigger = "sale_registered", company = "Acme" }).reason)
    assert.same({ "Acme 1 -> 3", "Acme 3 -> 5" }, host.changes)
    close()
  end)

  it("is kept as long as it waits, whatever retention says", function()
    local elsewhere, here, host, time, close = open_both { Acme = LEAD, Bolt = LEAD }
    assert(elsewhere:handle(REGISTERED))
    assert(elsewhere:handle(WON))
    time.now = time.now + 10 * 365 * 86400
    assert.equal("updated", here:handle({ trigger = "sale_won", company = "Bolt" }).status)
    assert.equal(0, elsewhere:maintain().removed)
    assert.equal(2, here:apply_pending().finished)
    assert.equal(CUSTOMER, host.companies.Acme)
    close()
  end)

  it("is of its tenant", function()
    local elsewhere, here, host, _, close = open_both { Acme = LEAD }
    assert(here:tenant("t"):save(stores.config(hosting.RULES)))
    assert(elsewhere:tenant("t"):handle(REGISTERED))
    assert(elsewhere:tenant("t"):handle(WON))
    assert.equal(2, here:apply_pending().finished)
    assert.same({ CUSTOMER, "" }, { host.companies.Acme, statuses(here) })
    close()
  end)

  it("is found whole by a check of the store", function()
    local elsewhere, _, _, _, close = open_both { Acme = LEAD }
    assert(elsewhere:handle(REGISTERED))
    assert(elsewhere:handle(WON))
    local path = stores.path()
    assert(elsewhere:backup(path))
    close()
    assert.same({}, core.check_store(path))
  end)
end)
