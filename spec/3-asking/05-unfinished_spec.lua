-- An answer whose change does not happen at once: the company has moved, the host is not well, or takes its time. Answers
-- from many processes at once are in 06-resolving_spec.lua.

local asking = require "support.asking"
local clock = require "support.clock"
local core = require "leadcat.core"
local histories = require "support.histories"
local stores = require "support.stores"

local LEAD, QUALIFIED, CUSTOMER, PARTNER, LOST = 1, 2, 5, 6, 7 -- the preset's categories
local START = 1700000000 -- 2023-11-14 22:13:20 UTC
local ANN, BOB, EVE, open = asking.ANN, asking.BOB, asking.EVE, asking.open
local new_crm, ask, ids_of, assert_refused = asking.new_crm, asking.ask, asking.ids_of, asking.assert_refused
local statuses = histories.statuses

describe("a company that has another category by now", function()
  after_each(stores.check)

  for _, name in ipairs { "the embedded host", "a host of one's own" } do
    for _, row in ipairs {
      { "accepting", { accept = true }, CUSTOMER }, { "choosing", { category = PARTNER }, PARTNER },
    } do
      it(("makes %s a conflict, which has the category as it is now: %s"):format(row[1], name), function()
        local host = name ~= "the embedded host" and new_crm() or nil
        local engine, time = open { host = host }
        local id = ask(engine)
        assert.is_true(engine.host.set_category("Acme", QUALIFIED, LEAD))
        time.now = START + 10
        local outcome = assert(engine:resolve(id, row[2], { actor = BOB }))
        assert.same({
          status = "conflict", action = "confirm", reason = "matched", rule = "sale_won", revision = 1,
          from = LEAD, to = row[3], confirmation = id, entry = outcome.entry, key = outcome.key, category = QUALIFIED,
        }, outcome)
        local record = engine:confirmation(id)
        assert.same({ "conflict", "bob", START + 10, nil },
          { record.state, record.resolved_by.id, record.resolved_at, record.category })
        assert.equal(QUALIFIED, engine.host.category "Acme")
        assert.same({ "conflict awaiting_confirmation", id }, { statuses(engine), engine:history()[1].confirmation })
        engine:close()
      end)
    end

    it("can still be kept as it is: " .. name, function()
      local engine = open { host = name ~= "the embedded host" and new_crm() or nil }
      local id = ask(engine)
      assert.is_true(engine.host.set_category("Acme", QUALIFIED, LEAD))
      assert.equal("declined", engine:resolve(id, { decline = true }, { actor = BOB }).status)
      assert.equal(QUALIFIED, engine.host.category "Acme")
      engine:close()
    end)

    it("is a conflict without a category when it is gone: " .. name, function()
      local host = name ~= "the embedded host" and new_crm() or nil
      local engine = open { host = host }
      local id = ask(engine, { company = "Gone", category = LEAD })
      local outcome, message, code = engine:resolve(id, { accept = true })
      if host then
        assert.same({ "conflict", nil }, { outcome.status, outcome.category })
        assert.equal("conflict", engine:confirmation(id).state)
      else -- it was never kept here: its own host has to be asked
        assert.same({ nil, "company Gone is not kept in this store: answer where its CRM is", "unavailable" },
          { outcome, message, code })
        assert.equal("open", engine:confirmation(id).state)
      end
      engine:close()
    end)
  end

  it("has its event decided anew when that happened while it was decided, with the embedded host, too", function()
    local engine = open()
    local id = ask(engine)
    local changed = false
    engine:on("guard", function()
      if not changed then
        changed = engine.host.set_category("Acme", QUALIFIED, LEAD)
      end
    end)
    local outcome, message = engine:handle { trigger = "sale_lost", company = "Acme" }
    assert.is_truthy(outcome, message)
    assert.same({ "updated", QUALIFIED, LOST }, { outcome.status, outcome.from, outcome.to })
    assert.equal("superseded", engine:confirmation(id).state)
    engine:close()
  end)

  it("is a conflict all the same when the host cannot say where it is now", function()
    local host = new_crm()
    local engine = open { host = host }
    local id = ask(engine)
    host.set_category("Acme", QUALIFIED, LEAD)
    host.category = function() error "away" end
    local outcome = assert(engine:resolve(id, { accept = true }))
    assert.same({ "conflict", nil }, { outcome.status, outcome.category })
    engine:close()
  end)
end)

describe("an answer that the host could not make happen", function()
  after_each(stores.check)

  -- Bob has accepted while the host was away.
  local function open_failed(options)
    local host = new_crm()
    options = options or {}
    options.host = host
    local engine, time, path = open(options)
    local id = ask(engine)
    host.well, time.now = false, START + 10
    local outcome = assert(engine:resolve(id, { accept = true }, { actor = BOB }))
    assert.same({
      status = "failed", action = "confirm", reason = "matched", rule = "sale_won", revision = 1, from = LEAD,
      to = CUSTOMER, confirmation = id, entry = outcome.entry, key = outcome.key, error = "away",
    }, outcome)
    return engine, host, time, id, path
  end

  it("leaves the question open until it has; then it is as if it had happened at once", function()
    local engine, host, time, id = open_failed()
    assert.equal("applying awaiting_confirmation", statuses(engine))
    local record = engine:confirmation(id)
    assert.same({ "open", nil, nil, nil }, { record.state, record.resolved_by, record.resolved_at, record.category })
    assert.same({ id }, ids_of(engine:confirmations { state = "open" }))

    host.well, time.now = true, START + 10 + 3600
    local told = {}
    engine:on("updated", function(event, outcome) told[#told + 1] = { event, outcome } end)
    assert.same({ finished = 1, failed = 0, busy = 0 }, engine:recover())
    assert.same({ finished = 0, failed = 0, busy = 0 }, engine:recover())
    record.state, record.resolved_by, record.resolved_at, record.category = "accepted", BOB, START + 10, CUSTOMER
    assert.same(record, engine:confirmation(id))
    assert.same({ "Acme 1 -> 5" }, host.changes)
    assert.equal("updated awaiting_confirmation", statuses(engine))
    assert.same({ 1, "bob", "updated", id },
      { #told, told[1][1].actor.id, told[1][2].status, told[1][2].confirmation })
    assert_refused(engine, id, "already_resolved", { decline = true }, { actor = BOB })
    engine:close()
  end)

  it("is a conflict when the company was changed elsewhere before it could", function()
    local engine, host, time, id = open_failed()
    host.companies.Acme, host.well, time.now = QUALIFIED, true, START + 3610
    assert.same({ finished = 1, failed = 0, busy = 0 }, engine:recover())
    local record = engine:confirmation(id)
    assert.same({ "conflict", "bob", START + 10, nil },
      { record.state, record.resolved_by.id, record.resolved_at, record.category })
    assert.same({ "conflict awaiting_confirmation", QUALIFIED }, { statuses(engine), host.companies.Acme })
    engine:close()
  end)

  it("is accepted when the company is where it was to go already", function()
    local engine, host, time, id = open_failed()
    host.companies.Acme, host.well, time.now = CUSTOMER, true, START + 3610
    assert.same({ finished = 1, failed = 0, busy = 0 }, engine:recover())
    assert.same({ "accepted", {} }, { engine:confirmation(id).state, host.changes })
    engine:close()
  end)

  it("is finished when the store is opened again, or by maintain", function()
    for _, way in ipairs { "open", "maintain" } do
      local engine, host, _, id, path = open_failed()
      engine:close()
      host.well = way == "open"
      local time = clock.new(START)
      time.now = START + 3610
      engine = open { path = path, host = host, clock = function() return time.now end }
      if way == "maintain" then
        host.well, time.now = true, START + 7210
        local counts = assert(engine:maintain())
        assert.same({ 1, 0, 0, 0 }, { counts.finished, counts.failed, counts.busy, counts.expired })
      end
      assert.same({ "accepted", { "Acme 1 -> 5" } }, { engine:confirmation(id).state, host.changes })
      engine:close()
    end
  end)

  it("keeps others waiting: they are unavailable while the host is away, then they are too late", function()
    local engine, host, _, id = open_failed()
    for _, answer in ipairs { { accept = true }, { category = PARTNER }, { decline = true } } do
      local outcome, message, code = engine:resolve(id, answer, { actor = ANN })
      assert.same({ nil, "unavailable" }, { outcome, code })
      assert.matches("company Acme has an unfinished change: away", message)
    end
    assert.equal("open", engine:confirmation(id).state)
    host.well = true
    local outcome, message, code, record = engine:resolve(id, { decline = true }, { actor = ANN })
    assert.same({ nil, "already_resolved" }, { outcome, code })
    assert.matches("Bob.* accepted", message)
    assert.same({ "accepted", "bob", START + 10 }, { record.state, record.resolved_by.id, record.resolved_at })
    assert.same({ "Acme 1 -> 5" }, host.changes)
    assert.equal("updated awaiting_confirmation", statuses(engine))
    engine:close()
  end)

  it("comes before a newer event, which does not close the question", function()
    local engine, host, _, id = open_failed()
    local newer = { trigger = "sale_lost", company = "Acme", actor = EVE }
    assert.equal("unavailable", select(3, engine:handle(newer)))
    host.well = true
    assert.equal("not_potential_customer", engine:handle(newer).reason)
    assert.same({ "accepted", { "Acme 1 -> 5" } }, { engine:confirmation(id).state, host.changes })
    engine:close()
  end)

  it("leaves the question to be answered again once it is given up", function()
    local engine, host, time, id = open_failed()
    for _ = 2, 10 do
      time.now = time.now + 3600
      assert.same({ finished = 0, failed = 1, busy = 0 }, engine:recover())
    end
    assert.equal("failed awaiting_confirmation", statuses(engine))
    local record = engine:confirmation(id)
    assert.same({ "open", nil, nil }, { record.state, record.resolved_by, record.resolved_at })
    host.well = true
    assert.equal("updated", engine:resolve(id, { category = PARTNER }, { actor = ANN }).status)
    record = engine:confirmation(id)
    assert.same({ "changed", "ann", PARTNER }, { record.state, record.resolved_by.id, record.category })
    assert.same({ "updated failed awaiting_confirmation", { "Acme 1 -> 6" } }, { statuses(engine), host.changes })
    engine:close()
  end)

  it("was given in time: while it is unfinished the question does not expire", function()
    local engine, host, time, id = open_failed { confirmation_ttl = 60 }
    time.now = START + 120
    assert.same({ expired = 0, removed = 0 }, engine:sweep())
    assert.equal("open", engine:confirmation(id).state)
    assert.equal("unavailable", select(3, engine:resolve(id, { decline = true }, { actor = ANN })))
    assert.equal("open", engine:confirmations()[1].state)
    host.well, time.now = true, START + 7200
    assert.equal(0, engine:sweep().expired)
    assert.equal(1, engine:maintain().finished)
    local record = engine:confirmation(id)
    assert.same({ "accepted", START + 10 }, { record.state, record.resolved_at })
    engine:close()
  end)

  it("is in the list of open ones while it is unfinished, whatever the clock says", function()
    local engine, _, time, id = open_failed { confirmation_ttl = 60 }
    time.now = START + 120
    assert.equal("open", engine:confirmation(id).state)
    assert.same({ id }, ids_of(engine:confirmations { state = "open" }))
    assert.same({}, engine:confirmations { state = "expired" })
    engine:close()
  end)

  it("does not keep other questions from expiring", function()
    local engine, _, time, id = open_failed { confirmation_ttl = 60 }
    local other = ask(engine, { company = "Bolt" })
    time.now = START + 120
    assert.same({ expired = 1, removed = 0 }, engine:sweep())
    assert.same({ "open", "expired" }, { engine:confirmation(id).state, engine:confirmation(other).state })
    engine:close()
  end)

  it("lets the question expire once it is given up", function()
    local engine, _, time, id = open_failed { confirmation_ttl = 60 }
    for _ = 2, 10 do
      time.now = time.now + 3600
      engine:recover()
    end
    local record = engine:confirmation(id)
    assert.same({ "expired", START + 60 }, { record.state, record.resolved_at })
    engine:close()
  end)

  it("is left alone by an engine with the embedded host", function()
    local engine, host, _, id, path = open_failed()
    engine:close()
    local other = open { path = path, clock = function() return START + 3610 end }
    assert.same({ finished = 0, failed = 0, busy = 0 }, other:recover())
    assert.same({ 0, 0 }, { other:maintain().finished, other:maintain().expired })
    assert.equal("unavailable", select(3, other:resolve(id, { accept = true })))
    assert.equal("open", other:confirmation(id).state)
    assert.equal("applying awaiting_confirmation", statuses(other))
    other:close()
    host.well = true
    core.forward(3610)
    engine = open { path = path, host = host, clock = function() return START + 3610 end }
    assert.equal("accepted", engine:confirmation(id).state)
    engine:close()
  end)

  -- What a host may do wrong.
  for name, set in pairs {
    raises = function() error("no connection", 0) end,
    ["gives nothing"] = function() end,
    ["gives false"] = function() return false end,
  } do
    it("is tried again when the host " .. name, function()
      local host = new_crm()
      local engine, time = open { host = host }
      local id = ask(engine)
      local well = host.set_category
      host.set_category = set
      assert.equal("failed", engine:resolve(id, { category = PARTNER }, { actor = BOB }).status)
      assert.equal("open", engine:confirmation(id).state)
      host.set_category, time.now = well, START + 3600
      assert.equal(1, engine:recover().finished)
      local record = engine:confirmation(id)
      assert.same({ "changed", PARTNER, "bob" }, { record.state, record.category, record.resolved_by.id })
      engine:close()
    end)
  end
end)

describe("a host that takes its time over an answer", function()
  after_each(stores.check)

  it("is waited for: the question is open meanwhile, and nobody else can answer it", function()
    local host = new_crm()
    local set = host.set_category
    function host.set_category(...)
      coroutine.yield()
      return set(...)
    end
    local engine, time = open { host = host, confirmation_ttl = 60 }
    local id = ask(engine)
    local first = coroutine.wrap(function() return engine:resolve(id, { accept = true }, { actor = BOB }) end)
    first()
    assert.equal("open", engine:confirmation(id).state)
    time.now = START + 20
    local outcome, message, code = engine:resolve(id, { decline = true }, { actor = ANN })
    assert.same({ nil, "unavailable" }, { outcome, code })
    assert.matches("is being changed by a call that waits", message)
    time.now = START + 25
    assert.equal(0, engine:sweep().expired)
    assert.equal("updated", first().status)
    local record = engine:confirmation(id)
    assert.same({ "accepted", "bob", START }, { record.state, record.resolved_by.id, record.resolved_at })
    assert_refused(engine, id, "already_resolved", { decline = true }, { actor = ANN })
    assert.same({ "Acme 1 -> 5" }, host.changes)
    engine:close()
  end)

  it("may bring the answer after the question's time: it was given in time", function()
    local host = new_crm()
    local set = host.set_category
    function host.set_category(...)
      coroutine.yield()
      return set(...)
    end
    local engine, time = open { host = host, confirmation_ttl = 15 }
    local id = ask(engine)
    time.now = START + 14
    local first = coroutine.wrap(function() return engine:resolve(id, { accept = true }, { actor = BOB }) end)
    first()
    time.now = START + 20
    assert.same({ expired = 0, removed = 0 }, engine:sweep())
    assert.equal("open", engine:confirmation(id).state)
    assert.equal("updated", first().status)
    assert.equal("accepted", engine:confirmation(id).state)
    engine:close()
  end)

  it("may answer the very question again: that is unavailable, at once", function()
    local host = new_crm()
    local set = host.set_category
    local engine, id, code
    function host.set_category(...)
      code = select(3, engine:resolve(id, { decline = true }))
      return set(...)
    end
    engine = open { host = host }
    id = ask(engine)
    assert.equal("updated", engine:resolve(id, { accept = true }).status)
    assert.same({ "unavailable", "accepted" }, { code, engine:confirmation(id).state })
    engine:close()
  end)
end)
