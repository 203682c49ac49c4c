-- What hosts that ask before they save do instead of leaving a question behind.

local asking = require "support.asking"
local histories = require "support.histories"
local stores = require "support.stores"

local LEAD, OPPORTUNITY, CUSTOMER, PARTNER, LOST = 1, 3, 5, 6, 7 -- the preset's categories
local START = 1700000000 -- 2023-11-14 22:13:20 UTC
local BOB, RULES, open, new_crm, ask = asking.BOB, asking.RULES, asking.open, asking.new_crm, asking.ask
local commits = stores.commits
local statuses = histories.statuses

describe("a host that asks before it saves", function()
  after_each(stores.check)

  local WON = { trigger = "sale_won", company = "Acme", actor = BOB, sale = { id = 17, name = "Printers" } }

  local function event(fields)
    local copy = {}
    for _, from in ipairs { WON, fields or {} } do
      for name, value in pairs(from) do
        copy[name] = value
      end
    end
    return copy
  end

  -- The bytes of the store's files: whatever was written is in them.
  local function files(path)
    local contents = {}
    for _, name in ipairs { "config.mdb", "journal.mdb" } do
      local file = assert(io.open(path .. "/" .. name, "rb"))
      contents[name] = file:read "*a"
      file:close()
    end
    return contents
  end

  -- Proposes the event; nothing may have been written.
  local function propose(engine, path, proposed)
    local before, journal, records = files(path), engine:history(), engine:confirmations()
    local result
    assert.equal(0, commits(engine, function() result = { engine:propose(proposed) } end))
    assert.is_true(before["journal.mdb"] == files(path)["journal.mdb"], "journal.mdb was written to")
    assert.is_true(before["config.mdb"] == files(path)["config.mdb"], "config.mdb was written to")
    assert.same({ journal, records }, { engine:history(), engine:confirmations() })
    return result[1], result[2], result[3]
  end

  for _, name in ipairs { "the embedded host", "a host of one's own" } do
    it("is told what to ask, and nothing is written: " .. name, function()
      local host = name ~= "the embedded host" and new_crm() or nil
      local engine, _, path = open { host = host }
      local view = assert(propose(engine, path, event { id = "e1" }))
      assert.is_nil(view.id)
      assert.same({ "open", LEAD, CUSTOMER, "en" }, { view.state, view.from.id, view.to.id, view.language })
      assert.matches("Printers.*Acme.*Lead.*Customer", view.sentence)
      local proposed, count = nil, 0
      for _, option in ipairs(view.options) do
        count, proposed = count + 1, option.proposed and option.id or proposed
      end
      assert.same({ 8, CUSTOMER }, { count, proposed })
      assert.is_nil(view.expires_at)
      assert.matches("Customer", engine:render(view, "text"))
      assert.same({}, host and host.changes or {})

      -- The event itself is still to come: it is no duplicate.
      assert.equal("updated", engine:handle(event { id = "e1", choice = CUSTOMER }).status)
      engine:close()
    end)
  end

  it("is told in the actor's language", function()
    local engine, _, path = open { language = "sv" }
    assert.equal("sv", propose(engine, path, WON).language)
    assert.equal("no", propose(engine, path, event { actor = { id = "bob", language = "no" } }).language)
    engine:close()
  end)

  it("is told of the guard's target, and of the newest config", function()
    local engine, _, path = open()
    engine:on("guard", function(_, decision) return decision.to == CUSTOMER and PARTNER or nil end)
    assert.equal(PARTNER, propose(engine, path, WON).to.id)
    local cfg = stores.config { sale_won = { OPPORTUNITY, ask = true } }
    cfg.categories[LOST].deleted = true
    assert(engine:save(cfg))
    local view = propose(engine, path, WON)
    assert.same({ OPPORTUNITY, 7 }, { view.to.id, #view.options })
    engine:close()
  end)

  -- The event, where Acme stands (default: a lead), and what the guard says.
  local NOTHING = {
    { "the rule is off", event { trigger = "sale_lost" }, rules = { sale_won = { CUSTOMER, ask = true } } },
    { "the rule does not ask", event { trigger = "sale_lost" } },
    { "the company is no potential customer", event(), stands = PARTNER },
    { "the company is there already", event { trigger = "sale_registered" }, stands = OPPORTUNITY },
    { "there is no such company", event { company = "Nobody" } },
    { "a guard vetoes", event(), guard = function() return false, "no" end },
    { "a guard wants it where it is", event(), guard = function() return LEAD end },
    { "the event was handled before", event { id = "seen" } },
    { "the user has answered already", event { choice = CUSTOMER } },
    { "the user has kept the category already", event { choice = false } },
  }
  for _, row in ipairs(NOTHING) do
    it("has nothing to ask when " .. row[1], function()
      local engine, _, path = open()
      if row.rules then
        assert(engine:save(stores.config(row.rules)))
      end
      assert.equal("declined", engine:handle(event { id = "seen", choice = false }).status)
      if row.stands then
        engine.host.set_category("Acme", row.stands, LEAD)
      end
      if row.guard then
        engine:on("guard", row.guard)
      end
      assert.same({}, { propose(engine, path, row[2]) })
      engine:close()
    end)
  end

  it("has nothing to ask without a licence", function()
    local host = new_crm()
    host.licensed = function() return false end
    local engine, _, path = open { host = host }
    assert.same({}, { propose(engine, path, WON) })
    engine:close()
  end)

  it("is not told when that cannot be known", function()
    local host = new_crm()
    local engine, _, path = open { host = host }
    assert.equal("invalid", select(3, propose(engine, path, event { trigger = "sale_undone" })))
    assert.equal("invalid", select(3, propose(engine, path, event { choice = "x" })))
    host.category = function() return nil, "away" end
    assert.same({ nil, "away", "unavailable" }, { propose(engine, path, WON) })
    engine:on("guard", function() error("no", 0) end)
    assert.equal("unavailable", select(3, propose(engine, path, event { category = LEAD })))
    engine:close()
  end)

  it("does not close an older question by proposing, but by handling", function()
    local engine, _, path = open()
    local id = ask(engine)
    assert(propose(engine, path, event { trigger = "sale_registered" }))
    assert.equal("open", engine:confirmation(id).state)
    assert.equal("declined", engine:handle(event { trigger = "sale_registered", choice = false }).status)
    assert.equal("superseded", engine:confirmation(id).state)
    engine:close()
  end)

  -- What is proposed while the host has still to make Acme a lost customer.
  local UNFINISHED = {
    { "it would match", event() },
    { "it would come to nothing", event { trigger = "lead_status_set", lead_status = 2 } },
    { "it is the event whose change is unfinished", event { id = "l", trigger = "sale_lost" } },
  }
  for _, row in ipairs(UNFINISHED) do
    it("has no change made by proposing, also where one is unfinished and " .. row[1], function()
      local host = new_crm()
      local engine, time = open { host = host }
      host.well = false
      assert.equal("failed", engine:handle({ id = "l", trigger = "sale_lost", company = "Acme" }).status)
      host.well, time.now = true, START + 3600
      local count = commits(engine, engine.propose, engine, row[2])
      assert.same({ 0, {} }, { count, host.changes })
      engine:close()
    end)
  end

  -- The choice, the outcome's status and target, and where the company stands then.
  local CHOICES = {
    { "the proposal", CUSTOMER, "updated", CUSTOMER, CUSTOMER },
    { "another category", PARTNER, "updated", PARTNER, PARTNER },
    { "another category, as a float", 6.0, "updated", PARTNER, PARTNER },
    { "to keep it", false, "declined", CUSTOMER, LEAD },
    { "the category that it has", LEAD, "declined", CUSTOMER, LEAD },
  }
  for _, name in ipairs { "the embedded host", "a host of one's own" } do
    for _, row in ipairs(CHOICES) do
      for _, way in ipairs { "handle", "handle_many" } do
        it(("has applied what the user chose: %s, by %s, with %s"):format(row[1], way, name), function()
          local engine = open { host = name ~= "the embedded host" and new_crm() or nil }
          local chosen = event { id = "e1", choice = row[2] }
          local outcome = way == "handle" and assert(engine:handle(chosen)) or assert(engine:handle_many { chosen })[1]
          assert.same({
            status = row[3], action = "confirm", reason = "matched", rule = "sale_won", revision = 1,
            from = LEAD, to = row[4], entry = outcome.entry, key = outcome.key,
          }, outcome)
          assert.equal(row[5], engine.host.category "Acme")
          assert.same({ row[3], "bob" }, { statuses(engine), engine:history()[1].actor.id })
          assert.same({}, engine:confirmations())
          assert.equal("duplicate", engine:handle(chosen).status)
          engine:close()
        end)
      end
    end
  end

  it("has a choice checked like an answer: an unknown or deleted category is invalid", function()
    local engine, _, path = open()
    local cfg = stores.config(RULES)
    cfg.categories[PARTNER].deleted = true
    assert(engine:save(cfg))
    local before = files(path)
    for choice, message in pairs { [PARTNER] = "which is deleted", [99] = "which does not exist" } do
      for _, call in ipairs {
        function(e) return engine:handle(e) end, function(e) return engine:handle_many { e } end,
      } do
        local outcome, why, code = call(event { id = "e1", choice = choice })
        assert.same({ nil, "invalid" }, { outcome, code })
        assert.matches("the user chose category %d+, " .. message, why)
      end
    end
    assert.is_true(before["journal.mdb"] == files(path)["journal.mdb"])
    assert.equal("updated", engine:handle(event { id = "e1", choice = CUSTOMER }).status)
    engine:close()
  end)

  it("has a choice checked like an answer: who may not, is forbidden", function()
    local given, says = {}, false
    local host = new_crm()
    function host.can(...)
      given[#given + 1] = { ... }
      return says
    end
    local engine, _, path = open { host = host }
    assert(engine:save(stores.config { sale_won = { CUSTOMER, ask = true } }))
    local before = files(path)
    for _, choice in ipairs { CUSTOMER, PARTNER, LEAD, 99, false } do
      local outcome, message, code = engine:handle(event { id = "e1", choice = choice })
      assert.same({ nil, "forbidden" }, { outcome, code })
      assert.matches("may not answer", message)
    end
    assert.is_true(before["journal.mdb"] == files(path)["journal.mdb"])
    assert.same({ BOB, "confirm", {
      tenant = "", company = "Acme", trigger = "sale_won", rule = "sale_won", from = LEAD, to = CUSTOMER, revision = 2,
      sale = { id = 17, name = "Printers" }, actor = BOB, options = { 1, 2, 3, 4, 5, 6, 7, 8 },
    }, "" }, given[1])
    host.can = function() error("no connection", 0) end
    assert.equal("unavailable", select(3, engine:handle(event { id = "e1", choice = CUSTOMER })))
    assert.same({}, host.changes)

    -- Asking needs no permission, and the program needs none to answer.
    assert.equal("awaiting_confirmation", engine:handle(event { id = "e2" }).status)
    host.can = function() return says end
    local chosen = event { id = "e1", choice = PARTNER }
    assert.equal("forbidden", select(3, engine:handle(chosen)))
    chosen.actor = nil
    assert.equal("updated", engine:handle(chosen).status)
    engine:close()
  end)

  it("leaves the older question open when a choice is forbidden", function()
    local host = new_crm()
    local engine = open { host = host }
    local id = ask(engine)
    host.can = function() return false end
    assert.equal("forbidden", select(3, engine:handle(event { choice = PARTNER })))
    assert.equal("open", engine:confirmation(id).state)
    engine:close()
  end)
end)
