-- A CRM knows when somebody saves a sale or a contact, not what that means. `leadcat.hooks` compares the record as it
-- was with the record as it is and gives the events: true transitions only, ready for `engine:handle_many`.

local leadcat = require "leadcat"
local stores = require "support.stores"

local hooks = leadcat.hooks

-- A sale of Acme's (false: of no company).
local function sale(status, company)
  if company == nil then
    company = "Acme"
  end
  return { id = 17, name = "Printers", status = status, company = company or nil }
end

-- A contact of Acme's (false: of no company), perhaps with a lead status.
local function contact(lead_status, company)
  if company == nil then
    company = "Acme"
  end
  return { id = 7, name = "Ann", lead_status = lead_status, company = company or nil }
end

-- "trigger company" of each event.
local function brief(events)
  local list = {}
  for i, event in ipairs(events) do
    list[i] = event.trigger .. " " .. tostring(event.company)
  end
  return list
end

describe("a saved sale", function()
  -- What happened, the sale before (nil: it is new) and after, the events.
  local ROWS = {
    { "is new and open", nil, sale "open", { "sale_registered Acme" } },
    { "is new and won", nil, sale "won", { "sale_registered Acme", "sale_won Acme" } },
    { "is new and lost", nil, sale "lost", { "sale_registered Acme", "sale_lost Acme" } },
    { "is new and stalled", nil, sale "stalled", { "sale_registered Acme" } },
    { "is new, without a company", nil, sale("open", false), {} },
    { "is new, won, without a company", nil, sale("won", false), {} },
    { "is new, with an empty company", nil, sale("open", ""), {} },

    { "stays open", sale "open", sale "open", {} },
    { "is won", sale "open", sale "won", { "sale_won Acme" } },
    { "is lost", sale "open", sale "lost", { "sale_lost Acme" } },
    { "is stalled", sale "open", sale "stalled", {} },

    { "stays won", sale "won", sale "won", {} },
    { "is reopened after it was won", sale "won", sale "open", { "sale_reopened Acme" } },
    { "was won, and is lost after all", sale "won", sale "lost", { "sale_lost Acme" } },
    { "is stalled after it was won", sale "won", sale "stalled", { "sale_reopened Acme" } },

    { "stays lost", sale "lost", sale "lost", {} },
    { "is reopened after it was lost", sale "lost", sale "open", { "sale_reopened Acme" } },
    { "was lost, and is won after all", sale "lost", sale "won", { "sale_won Acme" } },
    { "is stalled after it was lost", sale "lost", sale "stalled", { "sale_reopened Acme" } },

    { "stays stalled", sale "stalled", sale "stalled", {} },
    { "goes on after it was stalled", sale "stalled", sale "open", {} },
    { "is won after it was stalled", sale "stalled", sale "won", { "sale_won Acme" } },
    { "is lost after it was stalled", sale "stalled", sale "lost", { "sale_lost Acme" } },

    { "moves to another company", sale "open", sale("open", "Bolt"), {} },
    { "moves to another company when it was won", sale "won", sale("won", "Bolt"), {} },
    { "moves to another company and is won", sale "open", sale("won", "Bolt"), { "sale_won Bolt" } },
    { "gets its company later", sale("open", false), sale "open", { "sale_registered Acme" } },
    { "gets its company later, after an empty one", sale("open", ""), sale "open", { "sale_registered Acme" } },
    { "gets its company when it is won", sale("open", false), sale "won", { "sale_registered Acme", "sale_won Acme" } },
    { "gets its company after it was won", sale("won", false), sale "won",
      { "sale_registered Acme", "sale_won Acme" } },
    { "gets its company after it was lost", sale("lost", ""), sale "lost",
      { "sale_registered Acme", "sale_lost Acme" } },
    { "gets its company when it is reopened", sale("won", false), sale "open", { "sale_registered Acme" } },
    { "is reopened when it moves", sale "won", sale("open", "Bolt"), { "sale_reopened Acme" } },
    { "loses its company when it is reopened", sale "won", sale("open", false), {} },
    { "is deleted", sale "open", nil, { "sale_deleted Acme" } },
    { "is deleted after it was won", sale("won", 42), nil, { "sale_deleted 42" } },
    { "is deleted without a company", sale("won", false), nil, {} },
    { "loses its company", sale "open", sale("open", false), {} },
    { "loses its company and is won", sale "open", sale("won", false), {} },
    { "has a number for its company", sale("open", 42), sale("won", 42), { "sale_won 42" } },
  }
  for _, row in ipairs(ROWS) do
    it(row[1], function()
      assert.same(row[4], brief(hooks.sale_saved(row[2], row[3])))
    end)
  end

  it("gives an event each time that it is reopened and won again", function()
    local states, count = { "open", "won", "open", "won", "stalled", "won", "won" }, 0
    for i = 2, #states do
      count = count + #hooks.sale_saved(sale(states[i - 1]), sale(states[i]))
    end
    assert.equal(5, count)
  end)

  local SAVE = { source = "crm", version = 3, at = 1700000000.5, actor = { id = "ann" } }

  it("gives events with an id, a time and an actor, where the CRM tells them", function()
    assert.same({
      { id = "crm/17/sale_registered/3", trigger = "sale_registered", company = "Acme", at = 1700000000.5,
        actor = { id = "ann" }, sale = { id = 17, name = "Printers" } },
      { id = "crm/17/sale_won/3", trigger = "sale_won", company = "Acme", at = 1700000000.5,
        actor = { id = "ann" }, sale = { id = 17, name = "Printers" } },
    }, hooks.sale_saved(nil, sale "won", SAVE))
    local deleted = hooks.sale_saved(sale "won", nil, { source = "crm", version = "b7", at = 5 })
    assert.same({ "crm/17/sale_deleted/b7", 5 }, { deleted[1].id, deleted[1].at })
    for _, options in ipairs { { source = "crm" }, { version = 3 }, {} } do
      assert.is_nil(hooks.sale_saved(nil, sale "open", options)[1].id)
    end
  end)

  it("is handled once, however often it is told", function()
    local engine = stores.open { durability = "relaxed" }
    assert(engine:save(stores.config { sale_registered = 3 }))
    engine.host:create("Acme", 1)
    local statuses = {}
    for i = 1, 2 do
      local outcomes = assert(engine:handle_many(hooks.sale_saved(nil, sale "open", SAVE)))
      statuses[i] = outcomes[1].status
    end
    assert.same({ "updated", "duplicate" }, statuses)
    engine:close()
    stores.check()
  end)

  local WORDS = { statuses = { Sold = "won", Lost = "lost", Open = "open", Asleep = "stalled", [2] = "won" } }

  it("may have the CRM's own words for its status", function()
    assert.same({ "sale_won Acme" }, brief(hooks.sale_saved(sale "Open", sale "Sold", WORDS)))
    assert.same({ "sale_won Acme" }, brief(hooks.sale_saved(sale "Asleep", sale(2), WORDS)))
    assert.same({ "sale_reopened Acme" }, brief(hooks.sale_saved(sale(2), sale "Asleep", WORDS)))
    assert.same({ "sale_deleted Acme" }, brief(hooks.sale_saved(sale "Lost", nil, WORDS)))
    assert.same({}, hooks.sale_saved(sale "Sold", sale(2), WORDS))
  end)

  it("with a word that is not known is told as data, so that the CRM's save goes on", function()
    for _, row in ipairs {
      { sale "Open", sale "Pending", "Pending" }, { sale "Pending", sale "Open", "Pending" },
      { nil, sale "won", "won" },
      { sale "Pending", nil, "Pending" }, { nil, sale(nil), "nil" }, { nil, sale(3), "3" },
    } do
      local events, message, code = hooks.sale_saved(row[1], row[2], WORDS)
      assert.same({ "nil", "the sale's status is '" .. row[3] .. "', which `statuses` does not have", "invalid" },
        { tostring(events), message, code })
    end
  end)

  it("gives events that say which sale it was", function()
    assert.same({
      { trigger = "sale_registered", company = "Acme", sale = { id = 17, name = "Printers" } },
      { trigger = "sale_won", company = "Acme", sale = { id = 17, name = "Printers" } },
    }, hooks.sale_saved(nil, sale "won"))
  end)
end)

describe("a saved contact", function()
  -- What happened, the contact before (nil: it is new) and after, the events.
  local ROWS = {
    { "is new, with a lead status", nil, contact(1), { "lead_status_set Acme" } },
    { "is new, without one", nil, contact(nil), {} },
    { "is new, with one, without a company", nil, contact(1, false), {} },
    { "is new, with one, with an empty company", nil, contact(1, ""), {} },
    { "gets its first lead status", contact(nil), contact(5), { "lead_status_set Acme" } },
    { "gets another one", contact(1), contact(5), { "lead_status_set Acme" } },
    { "keeps its lead status", contact(5), contact(5), {} },
    { "keeps its lead status, which has become a float", contact(5), contact(5.0), {} },
    { "loses its lead status", contact(5), contact(nil), {} },
    { "has none before and after", contact(nil), contact(nil), {} },
    { "moves to another company", contact(5), contact(5, "Bolt"), {} },
    { "moves to another company and gets another status", contact(1), contact(5, "Bolt"), { "lead_status_set Bolt" } },
    { "gets a company, with the status that it had", contact(5, false), contact(5), {} },
    { "gets a company and another status", contact(1, false), contact(5), { "lead_status_set Acme" } },
    { "loses its company and gets another status", contact(1), contact(5, false), {} },
    { "has a number for its company", contact(1, 42), contact(5, 42), { "lead_status_set 42" } },
  }
  for _, row in ipairs(ROWS) do
    it(row[1], function()
      assert.same(row[4], brief(hooks.contact_saved(row[2], row[3])))
    end)
  end

  it("gives an event that says which contact and which status it was", function()
    assert.same({ {
      trigger = "lead_status_set", company = "Acme", lead_status = 5, contact = { id = 7, name = "Ann" },
    } }, hooks.contact_saved(contact(1), contact(5)))
  end)

  it("gives an event with an id, a time and an actor, where the CRM tells them", function()
    local saved = { source = "crm", version = 3, at = 1700000000.5, actor = { id = "ann" } }
    assert.same({ {
      id = "crm/7/lead_status_set/3", trigger = "lead_status_set", company = "Acme", lead_status = 5,
      contact = { id = 7, name = "Ann" }, at = 1700000000.5, actor = { id = "ann" },
    } }, hooks.contact_saved(contact(1), contact(5), saved))
  end)

  it("may have the CRM's own words for its lead status", function()
    local words = { statuses = { New = 1, Qualified = 5 } }
    assert.equal(5, hooks.contact_saved(contact "New", contact "Qualified", words)[1].lead_status)
    assert.same({}, hooks.contact_saved(contact "New", contact(nil), words))
    for _, row in ipairs {
      { contact "New", contact "Old" }, { contact "Old", contact "New" }, { nil, contact "Old" },
    } do
      local events, message, code = hooks.contact_saved(row[1], row[2], words)
      assert.same({ "nil", "the contact's lead status is 'Old', which `statuses` does not have", "invalid" },
        { tostring(events), message, code })
    end
    assert.has_error(function() hooks.contact_saved(nil, contact "New", { statuses = { New = "first" } }) end)
  end)
end)

describe("a hook", function()
  local ROWS = {
    { "argument 2: a sale expected, got nil", function() hooks.sale_saved() end },
    { "unknown option 'sorce'", function() hooks.sale_saved(nil, sale "open", { sorce = "crm" }) end },
    { "option 'statuses': a table of open, won, lost or stalled by the CRM's words expected",
      function() hooks.sale_saved(nil, sale "open", { statuses = { Sold = "sold" } }) end },
    { "option 'at': a number of seconds since 1970 expected",
      function() hooks.sale_saved(nil, sale "open", { at = "now" }) end },
    { "argument 2: a sale expected, got string", function() hooks.sale_saved(nil, "won") end },
    { "argument 1: a sale expected, got number", function() hooks.sale_saved(17, sale "open") end },
    { "argument 1: a sale expected, got boolean", function() hooks.sale_saved(false, sale "open") end },
    { "argument 2: a sale's status is open, won, lost or stalled, not Won",
      function() hooks.sale_saved(sale "open", sale "Won") end },
    { "argument 1: a sale's status is open, won, lost or stalled, not nil",
      function() hooks.sale_saved({}, sale "open") end },
    { "argument 2: a contact expected, got nil", function() hooks.contact_saved(contact(1)) end },
    { "argument 1: a contact expected, got string", function() hooks.contact_saved("Ann", contact(1)) end },
  }
  for _, row in ipairs(ROWS) do
    it("raises, blaming its caller: " .. row[1], function()
      local ok, message = pcall(row[2])
      assert.is_false(ok)
      assert.matches("_spec%.lua:%d+: " .. row[1], message)
    end)
  end

  it("leaves the records as they are", function()
    local before, after = sale "open", sale "won"
    hooks.sale_saved(before, after)
    assert.same({ sale "open", sale "won" }, { before, after })
  end)
end)

describe("what hooks give", function()
  after_each(stores.check)

  it("is what handle_many takes: a company follows its sales and contacts", function()
    local LEAD, QUALIFIED, OPPORTUNITY, CUSTOMER = 1, 2, 3, 5
    local engine = stores.open { durability = "relaxed" }
    assert(engine:save(stores.config {
      sale_registered = OPPORTUNITY, sale_won = CUSTOMER, ["lead_status_set:5"] = QUALIFIED,
    }))
    engine.host:create("Acme", LEAD)
    for _, row in ipairs {
      { hooks.contact_saved(nil, contact(1)), LEAD },
      { hooks.contact_saved(contact(1), contact(5)), QUALIFIED },
      { hooks.sale_saved(nil, sale "open"), OPPORTUNITY },
      { hooks.sale_saved(sale "open", sale "stalled"), OPPORTUNITY },
      { hooks.sale_saved(sale "stalled", sale "won"), CUSTOMER },
      { hooks.sale_saved(sale "won", sale "won"), CUSTOMER },
    } do
      assert(engine:handle_many(row[1]))
      assert.equal(row[2], engine.host:get "Acme")
    end
    local entries = engine:history()
    assert.same({ "Printers", "Printers", "Ann" },
      { entries[1].sale.name, entries[2].sale.name, entries[3].contact.name })

    -- A sale that is created as won takes a lead all the way at once.
    engine.host:create("Bolt", LEAD)
    local outcomes = assert(engine:handle_many(hooks.sale_saved(nil, sale("won", "Bolt"))))
    assert.same({ OPPORTUNITY, CUSTOMER }, { outcomes[1].to, outcomes[2].to })
    assert.equal(CUSTOMER, engine.host:get "Bolt")
    engine:close()
  end)
end)
