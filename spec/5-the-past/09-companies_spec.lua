--- Companies that the CRM renames, merges and deletes: what was kept of them follows, or ends with them.

local core = require "leadcat.core"
local crm = require "support.crm"
local handling = require "support.handling"
local processes = require "support.processes"
local stores = require "support.stores"

local LEAD, QUALIFIED, CUSTOMER, LOST = 1, 3, 5, 7 -- the preset's categories
local ANN = { id = "ann", name = "Ann", admin = true }
local HOUR = 3600

local RULES = {
  sale_won = CUSTOMER, sale_registered = { QUALIFIED, ask = true }, sale_lost = { LOST, after = { days = 30 } },
}

local function won(company, fields)
  local event = { trigger = "sale_won", company = company }
  for name, value in pairs(fields or {}) do
    event[name] = value
  end
  return event
end

local function asks(company) return { trigger = "sale_registered", company = company } end
local function schedules(company) return { trigger = "sale_lost", company = company } end

-- The company, what it was before, and the status of each entry, newest first.
local function told(engine, company)
  local lines = {}
  for _, entry in ipairs(assert(engine:history { company = company, unchanged = true })) do
    lines[#lines + 1] = ("%s%s %s%s"):format(tostring(entry.company),
      entry.former and "<" .. tostring(entry.former) or "", entry.status, entry.company_deleted and " gone" or "")
  end
  return lines
end


local function code_of(_, _, code) return code end

describe("a company", function()
  local engine, time, path

  after_each(function()
    if engine then
      engine:close()
      local problems = core.check_store(path)
      assert.same({}, problems)
    end
    engine = nil
    stores.check()
  end)

  local function open(options)
    engine, time, path = handling.open(RULES, options)
    return engine
  end

  local function sound()
    return assert(core.check_store(path))
  end

  describe("that is renamed", function()
    it("takes all it has along", function()
      open { record_unchanged = 1 }
      assert.equal("updated", engine:handle(won("Acme", { id = "w", sale = { id = 9 } })).status)
      assert.equal("unchanged", engine:handle(won "Acme").status)
      local moved = assert(engine:company_renamed("Acme", "Acme AS", { actor = ANN }))
      assert.same({ "renamed", 2, 0 }, { moved.status, moved.moved, moved.closed })
      assert.same({ "Acme AS<Acme renamed", "Acme AS unchanged", "Acme AS updated" }, told(engine, "Acme AS"))
      assert.same({ "Acme AS<Acme renamed" }, told(engine, "Acme"))
      local note = engine:history({ company = "Acme" })[1]
      assert.same({ "Ann", time.now, moved.entry }, { note.actor.name, note.at, note.entry })
      assert.is_nil(note.trigger)
      assert.is_nil(note.rule)
      assert.same({ CUSTOMER, nil }, { engine.host:get "Acme AS", engine.host:get "Acme" })
      assert.equal("duplicate", engine:handle(won("Acme AS", { id = "w" })).status)
    end)

    it("keeps its open question, which is answered under the new name", function()
      open()
      local asked = engine:handle(asks "Acme")
      assert(engine:company_renamed("Acme", 4711))
      local found = engine:confirmations { company = 4711 }
      assert.same({ 1, asked.confirmation, 4711 }, { #found, found[1].id, found[1].company })
      assert.equal(0, engine:count_confirmations { company = "Acme" })
      assert.equal("updated", engine:resolve(asked.confirmation, { accept = true }).status)
      assert.equal(QUALIFIED, engine.host:get(4711))
    end)

    it("keeps what is scheduled, which is carried out under the new name", function()
      open()
      assert.equal("scheduled", engine:handle(schedules "Acme").status)
      assert(engine:company_renamed("Acme", "Acme AS"))
      assert.equal("Acme AS", engine:why("Acme AS").scheduled.company)
      time.now = time.now + 31 * 24 * HOUR
      assert.equal(1, engine:maintain().carried_out)
      assert.equal(LOST, engine.host:get "Acme AS")
    end)

    it("can have undone what was done under the old name", function()
      open()
      local outcome = engine:handle(won "Acme")
      assert(engine:company_renamed("Acme", "Acme AS"))
      assert.equal("updated", engine:undo(outcome.entry).status)
      assert.equal(LEAD, engine.host:get "Acme AS")
    end)

    it("can have taken back what its sale did under the old name", function()
      open()
      local cfg = engine:config()
      cfg.rules[#cfg.rules + 1] = { trigger = "sale_reopened", enabled = true, take_back = true }
      assert(engine:save(cfg))
      engine:handle(won("Acme", { sale = { id = 9 }, at = time.now }))
      assert(engine:company_renamed("Acme", "Acme AS"))
      assert.equal("updated",
        engine:handle({ trigger = "sale_reopened", company = "Acme AS", sale = { id = 9 } }).status)
      assert.equal(LEAD, engine.host:get "Acme AS")
    end)

    it("has later events found late by what happened under the old name", function()
      open { late_events = "skip" }
      engine:handle(won("Acme", { at = time.now }))
      assert(engine:company_renamed("Acme", "Acme AS"))
      assert(engine.host.set_category("Acme AS", LEAD, CUSTOMER))
      assert.equal("late", engine:handle(won("Acme AS", { at = time.now - HOUR })).reason)
    end)

    it("is found along a chain of names", function()
      open()
      engine:handle(won "Acme")
      for _, names in ipairs { { "Acme", "b" }, { "b", "c" }, { "c", "d" } } do
        assert(engine:company_renamed(names[1], names[2]))
      end
      assert.same({ "d<c renamed", "d<b renamed", "d<Acme renamed", "d updated" }, told(engine, "d"))
      assert.same({ "d<Acme renamed" }, told(engine, "Acme"))
      assert.same({ "d<b renamed" }, told(engine, "b"))
    end)

    it("may get its old name back", function()
      open()
      engine:handle(won "Acme")
      assert(engine:company_renamed("Acme", "b"))
      assert(engine:company_renamed("b", "Acme"))
      assert.same({ "Acme<b renamed", "Acme<Acme renamed", "Acme updated" }, told(engine, "Acme"))
      assert.same({ "Acme<b renamed" }, told(engine, "b"))
      assert(engine:company_renamed("Acme", "c"))
      assert.same({ "c<Acme renamed", "c<b renamed", "c<Acme renamed", "c updated" }, told(engine, "c"))
      assert.same({ "c<Acme renamed", "c<Acme renamed" }, told(engine, "Acme"))
    end)

    it("leaves its name to another one", function()
      open()
      engine:handle(won "Acme")
      assert(engine:company_renamed("Acme", "b"))
      engine.host:create("Acme", LEAD)
      engine:handle(won "Acme")
      assert.same({ "Acme updated", "b<Acme renamed" }, told(engine, "Acme"))
      assert(engine:company_deleted "Acme")
      assert.same({ "b<Acme renamed", "b updated" }, told(engine, "b"))
    end)

    it("is not found when nobody knows it, and cannot take another one's name", function()
      open()
      assert.equal("not_found", code_of(engine:company_renamed("nobody", "b")))
      assert.equal("conflict", code_of(engine:company_renamed("Acme", "Bolt")))
      assert.equal("invalid", code_of(engine:company_renamed(7, "7")))
      assert.same({}, told(engine, "Acme"))
    end)
  end)

  describe("that is merged into another one", function()
    it("gives it its entries, which are not changes of it", function()
      open()
      local outcome = engine:handle(won("Acme", { sale = { id = 9 } }))
      assert(engine:company_merged("Acme", "Bolt", { actor = ANN }))
      assert.same({ "Bolt<Acme merged", "Bolt<Acme updated" }, told(engine, "Bolt"))
      assert.same({ "Bolt<Acme merged" }, told(engine, "Acme"))
      assert.same({ LEAD, nil }, { engine.host:get "Bolt", engine.host:get "Acme" })
      local undone, message, code = engine:undo(outcome.entry)
      assert.is_nil(undone)
      assert.equal("this was done to company Acme, which was merged into Bolt: that keeps its category", message)
      assert.equal("conflict", code)
    end)

    it("does not hide from undo, take back and late what the other one did itself", function()
      open { late_events = "skip" }
      local cfg = engine:config()
      cfg.rules[#cfg.rules + 1] = { trigger = "sale_reopened", enabled = true, take_back = true }
      assert(engine:save(cfg))
      local own = engine:handle(won("Bolt", { sale = { id = 1 }, at = time.now - 9 * HOUR }))
      engine:handle(won("Acme", { sale = { id = 2 }, at = time.now }))
      assert(engine:company_merged("Acme", "Bolt"))
      assert.equal("nothing_to_take_back", engine:handle({
        trigger = "sale_reopened", company = "Bolt", sale = { id = 2 }, at = time.now - 8 * HOUR,
      }).reason)
      assert.equal("updated", engine:undo(own.entry).status)
    end)

    it("leaves its open question where it still makes sense", function()
      open()
      local asked = engine:handle(asks "Acme")
      assert(engine:company_merged("Acme", "Bolt"))
      assert.equal("updated", engine:resolve(asked.confirmation, { accept = true }).status)
      assert.equal(QUALIFIED, engine.host:get "Bolt")
    end)

    it("has its open question closed where the other one has another category", function()
      open()
      engine:handle(won "Bolt")
      local asked = engine:handle(asks "Acme")
      local moved = assert(engine:company_merged("Acme", "Bolt", { actor = ANN }))
      assert.equal(1, moved.closed)
      local record = engine:confirmation(asked.confirmation)
      assert.same({ "superseded", "Ann", "Bolt" }, { record.state, record.resolved_by.name, record.company })
      local closing = engine:history({ status = "superseded" })[1]
      assert.equal("the company Acme was merged into Bolt", closing.error)
    end)

    for _, newer in ipairs { "Acme", "Bolt" } do
      it(("leaves the newer of two open questions and of two schedules: that of %s"):format(newer), function()
        open()
        local order = newer == "Acme" and { "Bolt", "Acme" } or { "Acme", "Bolt" }
        local asked, scheduled = {}, {}
        for _, company in ipairs(order) do
          asked[company] = engine:handle(asks(company)).confirmation
          scheduled[company] = engine:handle(schedules(company)).entry
        end
        assert.equal(2, engine:company_merged("Acme", "Bolt").closed)
        local open_ones = engine:confirmations { state = "open" }
        assert.same({ 1, asked[newer], "Bolt" }, { #open_ones, open_ones[1].id, open_ones[1].company })
        local left = engine:history { status = "scheduled" }
        assert.same({ 1, scheduled[newer], "Bolt" }, { #left, left[1].entry, left[1].company })
        time.now = time.now + 31 * 24 * HOUR
        assert.equal(1, engine:maintain().carried_out)
      end)
    end

    it("may be merged on, renamed, and merged again", function()
      open()
      engine.host:create("c", LEAD)
      engine:handle(won "Acme")
      assert(engine:company_merged("Acme", "Bolt"))
      assert(engine:company_renamed("Bolt", "Acme"))
      assert(engine:company_merged("Acme", "c"))
      assert.same({ "c<Acme merged", "c<Bolt renamed", "c<Acme merged", "c<Acme updated" }, told(engine, "c"))
      assert.same({ "c<Bolt renamed" }, told(engine, "Bolt"))
    end)

    it("must be known, and so must the other one", function()
      open()
      assert.equal("not_found", code_of(engine:company_merged("nobody", "Bolt")))
      assert.equal("not_found", code_of(engine:company_merged("Acme", "nobody")))
      assert.equal("invalid", code_of(engine:company_merged("Acme", "Acme")))
      assert.equal(LEAD, engine.host:get "Acme")
    end)
  end)

  describe("that is deleted", function()
    it("ends what it has open, and says so", function()
      open()
      local outcome = engine:handle(won "Bolt")
      local asked = engine:handle(asks "Acme")
      local scheduled = engine:handle(schedules "Acme")
      assert.equal(2, assert(engine:company_deleted("Acme", { actor = ANN })).closed)
      assert.equal("superseded", engine:confirmation(asked.confirmation).state)
      assert.equal("already_resolved", code_of(engine:resolve(asked.confirmation, { accept = true })))
      local ended = engine:history({ status = "cancelled" })[1]
      assert.same({ scheduled.entry, "the company Acme was deleted" }, { ended.entry, ended.error })
      assert.equal("Acme deleted gone", told(engine, "Acme")[1])
      assert(engine:company_deleted "Bolt")
      local undone, message = engine:undo(outcome.entry)
      assert.is_nil(undone)
      assert.equal("company Bolt was deleted: there is nothing to undo", message)
      assert.same({ 1, "conflict" }, { #engine:undo({ revision = 1 }).refused,
        engine:undo({ revision = 1 }).refused[1].code })
      assert.equal("not_found", code_of(engine:company_deleted "Acme"))
    end)

    it("does not hand its past to another one with its id", function()
      open { late_events = "skip" }
      engine:handle(won("Acme", { at = time.now, sale = { id = 9 } }))
      assert(engine:company_deleted "Acme")
      engine.host:create("Acme", LEAD)
      local outcome = engine:handle(won("Acme", { at = time.now - HOUR }))
      assert.equal("updated", outcome.status)
      assert.equal("updated", engine:undo(outcome.entry).status)
      assert(engine:company_renamed("Acme", "b"))
      assert.same({ "b<Acme renamed", "Acme deleted gone", "Acme updated gone" }, told(engine, "Acme"))
      assert.same({ "b<Acme renamed", "b updated", "b updated" }, told(engine, "b"))
    end)
  end)

  describe("of a host of its own", function()
    local host

    local function open_own(options)
      host = crm.new { Acme = LEAD, Bolt = LEAD }
      options = options or {}
      options.host = host
      return open(options)
    end

    it("may be one of which nothing is known: then nothing is written", function()
      open_own()
      assert.equal(0, stores.commits(engine, function()
        assert.same({ status = "deleted", moved = 0, closed = 0 }, engine:company_deleted "nobody")
        assert.same({ status = "renamed", moved = 0, closed = 0 }, engine:company_renamed("nobody", "new"))
        assert.same({ status = "merged", moved = 0, closed = 0 }, engine:company_merged("nobody", "new"))
      end))
    end)

    it("has its unfinished change finished under its new name", function()
      open_own()
      local set_category = host.set_category
      host.set_category = function() return nil, "away" end
      local outcome = engine:handle(won "Acme")
      assert.equal("failed", outcome.status)
      host.companies.Acme, host.companies["Acme AS"] = nil, LEAD
      assert(engine:company_renamed("Acme", "Acme AS"))
      host.set_category = set_category
      core.forward(HOUR)
      assert.same({ finished = 1, failed = 0, busy = 0 }, engine:recover())
      assert.equal(CUSTOMER, host.companies["Acme AS"])
      assert.same({ "Acme AS<Acme renamed", "Acme AS updated" }, told(engine, "Acme AS"))
    end)

    for _, fate in ipairs { "merged", "deleted" } do
      it(("has its unfinished change cancelled when it is %s"):format(fate), function()
        open_own()
        host.set_category = function() return nil, "away" end
        local outcome = engine:handle(won "Acme")
        assert.equal(1, assert(fate == "merged" and engine:company_merged("Acme", "Bolt")
          or fate == "deleted" and engine:company_deleted "Acme").closed)
        local entry = engine:history({ status = "cancelled" })[1]
        assert.equal(outcome.entry, entry.entry)
        assert.matches("^the company Acme was " .. fate, entry.error)
        core.forward(HOUR)
        assert.same({ finished = 0, failed = 0, busy = 0 }, engine:recover())
      end)
    end

    for _, fate in ipairs { "renamed", "merged", "deleted" } do
      it(("takes along, or ends, what is queued when it is %s"):format(fate), function()
        open_own { apply = "elsewhere" }
        assert.same({ "applying", "queued" }, { engine:handle(won "Acme").status, engine:handle(asks "Acme").status })
        host.companies["Acme AS"], host.companies.Acme = LEAD, nil
        local moved = assert(fate == "renamed" and engine:company_renamed("Acme", "Acme AS")
          or fate == "merged" and engine:company_merged("Acme", "Bolt") or engine:company_deleted "Acme")
        assert.equal(fate == "renamed" and 0 or 2, moved.closed)
        local worker = stores.open { path = path, host = host, clock = function() return time.now end }
        assert(worker:maintain())
        worker:close()
        assert.equal(fate == "renamed" and CUSTOMER or LEAD, host.companies["Acme AS"])
        assert.same({}, engine:history { status = "queued" })
        assert.equal(fate == "renamed" and 0 or 2, #engine:history { status = "cancelled" })
        assert.equal(0, engine:stats().unfinished)
      end)
    end

    it("has no question asked in another category than the host says", function()
      open_own()
      host.companies.Bolt = CUSTOMER
      engine:handle(asks "Acme")
      assert.equal(1, engine:company_merged("Acme", "Bolt").closed)
    end)

    it("stays as it is while a change is being made", function()
      open_own()
      local during
      local set_category = host.set_category
      host.set_category = function(...)
        during = { engine:company_renamed("Acme", "Acme AS") }
        return set_category(...)
      end
      assert.equal("updated", engine:handle(won "Acme").status)
      assert.equal("unavailable", during[3])
      assert.same({ "Acme updated" }, told(engine, "Acme"))
      assert(engine:company_renamed("Acme", "Acme AS"))
      assert.same({ "Acme AS<Acme renamed", "Acme AS updated" }, told(engine, "Acme AS"))
    end)

    it("has a question answered under its new name, though the answer began under the old one", function()
      open_own()
      local asked, renamed = engine:handle(asks "Acme"), false
      host.can = function(_, permission)
        if permission == "confirm" and not renamed then
          host.companies.Acme, host.companies["Acme AS"], renamed = nil, LEAD, true
          assert(engine:company_renamed("Acme", "Acme AS"))
        end
        return true
      end
      assert.equal("updated", engine:resolve(asked.confirmation, { accept = true }, { actor = ANN }).status)
      assert.same({ "Acme AS updated", "Acme AS<Acme renamed", "Acme AS awaiting_confirmation" },
        told(engine, "Acme AS"))
      assert.same({ "Acme AS 1 -> 3" }, host.changes)
    end)

    it("has a change that its host makes too late noted under its new name", function()
      open_own()
      local set_category, other = host.set_category, nil
      host.set_category = function(...)
        core.forward(HOUR) -- the claim is over, so that another process may go on
        local away = crm.new {}
        away.category = function() return nil, "away" end
        other = stores.open { path = path, host = away, clock = function() return time.now end }
        assert(other:company_renamed("Acme", "Acme AS"))
        other:close()
        return set_category(...)
      end
      engine:handle(won "Acme")
      assert.same({ "Acme AS<Acme renamed", "Acme AS updated" }, told(engine, "Acme AS"))
      assert.equal(0, engine:stats().unfinished)
    end)
  end)

  it("is the business of administrators, unless the host decides", function()
    open()
    for _, actor in ipairs { { id = "bob" }, { id = "svc", service = true } } do
      assert.equal("forbidden", code_of(engine:company_renamed("Acme", "b", { actor = actor })))
      assert.equal("forbidden", code_of(engine:company_merged("Acme", "Bolt", { actor = actor })))
      assert.equal("forbidden", code_of(engine:company_deleted("Acme", { actor = actor })))
    end
    engine:close()
    local asked
    local host = crm.new {}
    host.can = function(actor, permission, subject)
      asked = { actor.id, permission, subject.company, subject.to }
      return false, "not you"
    end
    open { host = host }
    assert.same({ nil, "not you", "forbidden" }, { engine:company_merged("a", 7, { actor = { id = "bob" } }) })
    assert.same({ "bob", "assign", "a", 7 }, asked)
  end)

  it("raises for ids that cannot be", function()
    open()
    assert.has_error(function() engine:company_renamed("", "b") end, "company must have 1 to 255 bytes, not 0")
    assert.has_error(function() engine:company_renamed("a", {}) end, "to must be a string or an integer, not a table")
    assert.has_error(function() engine:company_merged("a") end, "into must be a string or an integer, not absent")
    assert.has_error(function() engine:company_deleted(1.5) end,
      "company must be a string or an integer, not the number 1.5")
  end)

  it("is removed by retention with its notes, whatever they are called", function()
    open { retention = { count = 1, age = false } }
    engine:handle(won "Acme")
    assert(engine:company_renamed("Acme", "b"))
    assert(engine:company_renamed("b", "c"))
    engine:maintain()
    assert.same({ "c<b renamed" }, told(engine, "c"))
    assert.same({}, told(engine, "Acme"))
  end)

  it("is moved by one of two processes, whole, when both tell it and one is killed", function()
    open()
    local events = {}
    for i = 1, 300 do
      events[i] = { trigger = "sale_won", company = "Acme", category = i % 2 == 0 and CUSTOMER or LEAD, id = "e" .. i }
    end
    for i = 1, 300 do
      engine:handle(events[i])
      engine.host.set_category("Acme", LEAD, CUSTOMER)
    end
    engine:close()
    local CHILD = [[
      local engine = require("leadcat").open { path = arg[1] }
      print((io.open("/proc/self/stat"):read "*n"))
      io.flush()
      for _ = 1, 100 do
        engine:company_renamed("Acme", "b")
        engine:company_renamed("b", "Acme")
      end
    ]]
    local one, two = processes.start(CHILD, { path }), processes.start(CHILD, { path })
    assert.is_number(tonumber(one:line()))
    local id = tonumber(two:line())
    core.sleep(0.1)
    os.execute(("kill -KILL %d"):format(id))
    two:wait()
    assert.equal("", (one:wait()))
    assert.same({}, sound())
    engine = stores.open { path = path }
    local here, there = engine.host:get "Acme", engine.host:get "b"
    assert.is_true((here == nil) ~= (there == nil))
    local count = 0
    local after
    repeat
      local entries
      entries, after = engine:history { company = here and "Acme" or "b", status = "updated", after = after }
      count = count + #entries
    until not after
    assert.equal(150, count)
  end)
end)
