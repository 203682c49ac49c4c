-- Undo: an entry of the journal is taken back by a new one that leads the other way. This spec undoes a change, undoes
-- that again, and goes through what is refused (which leaves everything as it was), who may, and what happens where the
-- host is away, where others are at it too, and where a question is open.

local clock = require "support.clock"
local crm = require "support.crm"
local processes = require "support.processes"
local run_of = require "leadcat.past.runs"
local stores = require "support.stores"

local LEAD, QUALIFIED, OPPORTUNITY, CUSTOMER, PARTNER = 1, 2, 3, 5, 6 -- the preset's categories
local ANN = { id = "ann", name = "Ann", admin = true }
local BOB = { id = "bob", name = "Bob" }
local START = 1700000000
local RULES = {
  sale_registered = OPPORTUNITY, sale_won = CUSTOMER, sale_lost = { LEAD, ask = true },
  ["lead_status_set:5"] = QUALIFIED,
}
local HOSTS = { "the embedded host", "a host of one's own" }

-- An engine with RULES and the lead Acme. Its clock stands still unless a test moves `time.now`.
local function open(name, options)
  local time = clock.new(START)
  options = options or {}
  options.clock, options.durability = options.clock or function() return time.now end, "relaxed"
  options.host = options.host or name == HOSTS[2] and crm.new { Acme = LEAD } or nil
  local engine, path = stores.open(options)
  if engine:config().revision == 0 then
    assert(engine:save(stores.config(RULES)))
    if engine.host.create then
      engine.host:create("Acme", LEAD)
    end
  end
  return engine, time, path
end

-- Reports an event of Acme; gives its entry.
local function happen(engine, trigger, fields)
  local event = { trigger = trigger, company = "Acme", actor = BOB, sale = { id = 17, name = "Printers" } }
  for name, value in pairs(fields or {}) do
    event[name] = value
  end
  return assert(engine:handle(event)).entry
end

local function statuses(engine)
  local list = {}
  for i, entry in ipairs(engine:history()) do
    list[i] = entry.status .. (entry.undoes and " undo" or "")
  end
  return table.concat(list, ", ")
end

local function all_of(engine)
  return { engine.host.category "Acme", engine:history(), engine:confirmations() }
end

-- The undo is refused with this code, and nothing has changed: not the company, the journal, the questions, the counts.
local function assert_refused(engine, code, entry, options)
  local before, counted, commits = all_of(engine), engine:stats().outcomes, engine:stats().commits.count
  local outcome, message, why = engine:undo(entry, options)
  assert.is_nil(outcome)
  assert.equal(code, why)
  assert.equal(commits, engine:stats().commits.count)
  assert.same({ before, counted }, { all_of(engine), engine:stats().outcomes })
  return message
end

describe("undo", function()
  after_each(stores.check)

  for _, name in ipairs(HOSTS) do
    it("leads a company back to where an entry has taken it from: " .. name, function()
      local engine, time = open(name)
      local entry = happen(engine, "lead_status_set", { lead_status = 5 })
      assert.equal(QUALIFIED, engine.host.category "Acme")
      local told = {}
      engine:on("updated", function(event, outcome) told[#told + 1] = { event, outcome } end)

      time.now = START + 10
      local outcome = assert(engine:undo(entry, { actor = ANN }))
      assert.same({
        status = "updated", action = "update", reason = "undo", rule = "lead_status_set:5", revision = 1,
        from = QUALIFIED, to = LEAD, entry = outcome.entry, key = outcome.key,
      }, outcome)
      assert.equal(LEAD, engine.host.category "Acme")
      assert.same({ { {
        trigger = "lead_status_set", lead_status = 5, company = "Acme", actor = ANN, at = START + 10, undoes = entry,
      }, outcome } }, told)
      assert.same({ undo = 1 }, { undo = engine:stats().outcomes.lead_status_set.updated.undo })

      -- The journal has both. The entry that was undone says what it said before.
      local entries = engine:history()
      assert.same({
        entry = outcome.entry, key = outcome.key, tenant = "", at = START + 10, company = "Acme",
        trigger = "lead_status_set",
        rule = "lead_status_set:5", revision = 1, from = QUALIFIED, to = LEAD, status = "updated", actor = ANN,
        undoes = entry,
      }, entries[1])
      assert.same({ 2, entry, "updated" }, { #entries, entries[2].entry, entries[2].status })
      engine:close()
    end)

    it("can be undone, and that too: " .. name, function()
      local engine = open(name)
      local entry = happen(engine, "sale_won")
      for _, category in ipairs { LEAD, CUSTOMER, LEAD } do
        entry = assert(engine:undo(entry)).entry
        assert.equal(category, engine.host.category "Acme")
      end
      assert.equal("updated undo, updated undo, updated undo, updated", statuses(engine))
      engine:close()
    end)

    it("is refused for all but the newest change: " .. name, function()
      local engine = open(name)
      local first = happen(engine, "sale_registered")
      local second = happen(engine, "sale_won")
      local message = assert_refused(engine, "conflict", first)
      assert.matches(("^company Acme has been changed since, by entry %d$"):format(second), message)
      local undone = assert(engine:undo(second))
      assert_refused(engine, "conflict", second) -- once
      assert.matches(tostring(undone.entry), assert_refused(engine, "conflict", first))
      engine:close()
    end)

    it("is refused when somebody else has changed the company, and leaves an open question open: " .. name, function()
      local engine = open(name)
      local entry = happen(engine, "sale_registered")
      assert.is_true(engine.host.set_category("Acme", QUALIFIED, OPPORTUNITY))
      happen(engine, "sale_lost")
      assert.matches("^company Acme has been changed since$", assert_refused(engine, "conflict", entry))
      assert.equal("open", engine:confirmations({})[1].state)
      engine:close()
    end)

    it("is not hindered by what has changed nothing since, and closes an open question: " .. name, function()
      local engine, time = open(name)
      local entry = happen(engine, "sale_registered")
      happen(engine, "sale_won", { category = LEAD }) -- a conflict
      happen(engine, "sale_won", { choice = false })
      happen(engine, "sale_lost")
      time.now = START + 1
      assert.equal("updated", engine:undo(entry, { actor = ANN }).status)
      assert.equal("updated undo, superseded, awaiting_confirmation, declined, conflict, updated", statuses(engine))
      local record = engine:confirmations({})[1]
      assert.same({ "superseded", "ann", START + 1 }, { record.state, record.resolved_by.id, record.resolved_at })
      engine:close()
    end)

    it("takes back an answer, too: " .. name, function()
      local engine = open(name)
      happen(engine, "sale_registered")
      happen(engine, "sale_lost")
      local id = engine:confirmations({})[1].id
      local entry = assert(engine:resolve(id, { category = PARTNER })).entry
      assert.equal("updated", engine:undo(entry).status)
      assert.equal(OPPORTUNITY, engine.host.category "Acme")
      assert.equal("changed", engine:confirmation(id).state) -- it was answered
      engine:close()
    end)
  end

  it("looks through the whole journal of a company", function()
    local engine = open()
    local entry = happen(engine, "sale_registered")
    local events = {}
    for i = 1, 250 do
      events[i] = { trigger = "sale_won", company = "Acme", choice = false }
    end
    assert(engine:handle_many(events))
    assert.equal("updated", engine:undo(entry).status)
    assert_refused(engine, "conflict", entry)
    engine:close()
  end)

  it("gives the company back as the host gave it: 42 is an integer", function()
    local engine = open(nil, { host = crm.new { [42] = LEAD } })
    local entry = happen(engine, "sale_won", { company = 42 })
    assert.equal("updated", engine:undo(entry).status)
    assert.same({ "#42 1 -> 5", "#42 5 -> 1" }, engine.host.changes)
    assert.equal(42, engine:history()[1].company)
    engine:close()
  end)

  it("belongs to a tenant", function()
    local engine = open()
    local entry = happen(engine, "sale_won")
    assert.equal("not_found", select(3, engine:tenant("north"):undo(entry)))
    assert.equal(CUSTOMER, engine.host:get "Acme")
    engine:close()
  end)

  it("is refused for what is no change", function()
    local engine = open()
    local asked = happen(engine, "sale_lost", { category = OPPORTUNITY })
    local kept = happen(engine, "sale_won", { choice = false })
    local conflict = happen(engine, "sale_won", { category = OPPORTUNITY })
    for entry, status in pairs { [asked] = "awaiting_confirmation", [kept] = "declined", [conflict] = "conflict" } do
      assert.matches(("entry %d is %s"):format(entry, status), assert_refused(engine, "invalid", entry))
    end
    assert.matches("there is no entry 17", assert_refused(engine, "not_found", 17))
    assert_refused(engine, "not_found", 2.0 ^ 53)
    engine:close()
  end)

  it("takes an entry's number, and options that there are", function()
    local engine = open()
    local entry = happen(engine, "sale_won")
    for _, row in ipairs {
      { {}, "entry: an integer expected, got nil" }, { { tostring(entry) }, "entry: an integer expected, got %d+" },
      { { entry + 0.5 }, "entry: an integer expected" }, { { 0 }, "entry: an integer expected, got 0" },
      { { 2 ^ 54 }, "entry: an integer expected" },
      { { 0 / 0 }, "entry: an integer expected" }, { { math.huge }, "entry: an integer expected" },
      { { entry, { by = ANN } }, "unknown option 'by'" }, { { entry, { actor = "ann" } }, "option 'actor': a table" },
    } do
      local ok, message = pcall(function() engine:undo(row[1][1], row[1][2]) end)
      assert.is_false(ok)
      assert.matches("_spec%.lua:%d+: " .. row[2], message)
    end
    assert.equal("updated", engine:undo(entry + 0.0).status) -- whole all the same
    engine:close()
    local _, message = pcall(function() engine:undo(entry) end)
    assert.matches("_spec%.lua:%d+: the engine is closed", message)
  end)
end)

describe("who may undo", function()
  after_each(stores.check)

  it("is an administrator, or the program itself", function()
    local engine = open()
    local entry = happen(engine, "sale_won")
    for _, actor in ipairs { BOB, {}, { id = "eve", admin = "yes" }, { id = "hook", service = true } } do
      assert_refused(engine, "forbidden", entry, { actor = actor })
    end
    assert.equal("updated", engine:undo(entry, { actor = ANN }).status)
    engine:close()
  end)

  it("is for the host to say, where it has an opinion", function()
    local host, asked = crm.new { Acme = LEAD }, nil
    function host.can(...)
      asked = { ... }
      return asked[1].id == "bob"
    end
    local engine = open(nil, { host = host, tenant = "north" })
    local entry = happen(engine, "sale_won")
    assert_refused(engine, "forbidden", entry, { actor = ANN })
    assert.same({ ANN, "undo", engine:history()[1], "north" }, asked)
    function host.can() error "no connection" end
    assert.matches("no connection", assert_refused(engine, "unavailable", entry, { actor = BOB }))
    function host.can() return true end
    assert.equal("updated", engine:undo(entry, { actor = BOB }).status)
    engine:close()
  end)
end)

describe("undo with a host that", function()
  after_each(stores.check)

  it("is away is an unfinished change: nothing else happens to the company until it is made", function()
    local engine, time = open(HOSTS[2])
    local host, told = engine.host, {}
    local set = host.set_category
    local entry = happen(engine, "sale_registered")
    function host.set_category() return nil, "away" end
    local outcome = assert(engine:undo(entry, { actor = ANN }))
    assert.same({ "failed", "undo", "away" }, { outcome.status, outcome.reason, outcome.error })
    assert.equal("unavailable", select(3, engine:undo(entry)))
    assert.equal("unavailable", select(3, engine:handle { trigger = "sale_won", company = "Acme" }))
    assert.equal("applying undo, updated", statuses(engine))

    -- It is still an undo when it is made, to the host, to those who listen and in the counts.
    function host.set_category(company, to, from, given)
      told[1] = given.reason
      return set(company, to, from, given)
    end
    engine:on("updated", function(event, made) told[2], told[3], told[4] = event.undoes, event.actor, made.reason end)
    time.now = START + 60
    assert.same({ finished = 1, failed = 0, busy = 0 }, engine:recover())
    assert.same({ "undo", entry, ANN, "undo" }, told)
    assert.same({ updated = { matched = 1, undo = 1 }, failed = { undo = 3 } },
      engine:stats().outcomes.sale_registered)
    assert.same({ LEAD, "updated undo, updated" }, { host.companies.Acme, statuses(engine) })
    assert_refused(engine, "conflict", entry)
    engine:close()
  end)

  it("cannot say where the company stands is refused", function()
    local engine = open(HOSTS[2])
    local entry = happen(engine, "sale_won")
    local category = engine.host.category
    function engine.host.category() return nil, "away" end
    assert.same({ nil, "away", "unavailable" }, { engine:undo(entry) })
    engine.host.category = category
    assert.equal("updated", statuses(engine))
    engine:close()
  end)

  it("finds the company changed in the last moment is refused", function()
    local engine = open(HOSTS[2])
    local entry = happen(engine, "sale_won")
    local set = engine.host.set_category
    function engine.host.set_category(...)
      engine.host.companies.Acme = PARTNER
      return set(...)
    end
    assert.equal("conflict", select(3, engine:undo(entry)))
    assert.same({ PARTNER, "conflict undo, updated" }, { engine.host.companies.Acme, statuses(engine) })
    engine:close()
  end)

  it("has its change undone while another event of the company is under way is refused once that is done", function()
    local engine = open(HOSTS[2])
    local set = engine.host.set_category
    local entry = happen(engine, "sale_registered")
    local refused
    function engine.host.set_category(...)
      engine.host.set_category = set
      refused = { engine:undo(entry) }
      return set(...)
    end
    happen(engine, "sale_won")
    assert.equal("unavailable", refused[3]) -- it cannot wait for itself
    assert_refused(engine, "conflict", entry)
    engine:close()
  end)

  it("is another one than made the change: the embedded one does not know the company", function()
    local engine, _, path = open(HOSTS[2])
    local entry = happen(engine, "sale_won")
    happen(engine, "sale_lost", { category = OPPORTUNITY })
    engine:close()
    engine = open(nil, { path = path })
    assert_refused(engine, "conflict", entry)
    assert.equal("open", engine:confirmations({})[1].state)
    engine:close()
  end)
end)

describe("a change that was put aside as failed", function()
  after_each(stores.check)

  -- What is begun is given up by a host that is away; gives its entry. The host is well again then.
  local function give_up(engine, time, begin)
    local set = engine.host.set_category
    function engine.host.set_category() return nil, "away" end
    local entry = assert(begin()).entry
    for _ = 1, 10 do
      time.now = time.now + 3600
      engine:recover()
    end
    assert.equal("failed", engine:history()[1].status)
    engine.host.set_category = set
    return entry
  end

  it("is made by a new entry, once", function()
    local engine, time = open(HOSTS[2])
    local entry = give_up(engine, time, function()
      return engine:handle { trigger = "sale_won", company = "Acme", actor = BOB, sale = { id = 17 } }
    end)
    assert.equal("forbidden", select(3, engine:retry(entry, { actor = BOB })))
    local outcome = assert(engine:retry(entry, { actor = ANN }))
    assert.same({ "updated", "matched", LEAD, CUSTOMER }, { outcome.status, outcome.reason, outcome.from, outcome.to })
    assert.same({ ANN, { id = 17 } }, { engine:history()[1].actor, engine:history()[1].sale })
    assert.same({ { "Acme 1 -> 5" }, "updated, failed" }, { engine.host.changes, statuses(engine) })
    assert.equal("conflict", select(3, engine:retry(entry, { actor = ANN })))
    assert.equal("invalid", select(3, engine:retry(outcome.entry)))
    engine:close()
  end)

  it("is answered again when it was an answer: its question is open", function()
    local engine, time = open(HOSTS[2])
    local question
    engine.host.companies.Acme = OPPORTUNITY
    local entry = give_up(engine, time, function()
      question = assert(engine:handle { trigger = "sale_lost", company = "Acme" }).confirmation
      return engine:resolve(question, { accept = true }, { actor = ANN })
    end)
    assert.equal("open", engine:confirmation(question).state)
    local refused = ("entry %d was the answer to a question that is open again: answer it"):format(entry)
    assert.same({ nil, refused, "invalid" }, { engine:retry(entry, { actor = ANN }) })
    assert.equal("updated", assert(engine:resolve(question, { accept = true }, { actor = ANN })).status)
    assert.equal("conflict", select(3, engine:retry(entry, { actor = ANN })))
    engine:close()
  end)

  it("is still an undo when it was one", function()
    local engine, time = open(HOSTS[2])
    local first = happen(engine, "sale_won")
    local entry = give_up(engine, time, function() return engine:undo(first) end)
    local outcome = assert(engine:retry(entry))
    assert.same({ "updated", "undo", LEAD }, { outcome.status, outcome.reason, engine.host.companies.Acme })
    assert.equal("updated undo, failed undo, updated", statuses(engine))
    engine:close()
  end)
end)

describe("undo of many", function()
  after_each(stores.check)

  local COMPANIES = { "Acme", "Bolt", "Cape", "Dune" }

  -- Companies with a change before the run; then a run that moves each of them twice, but Dune.
  local function open_run(name, options)
    options = options or {}
    options.host = name == HOSTS[2] and crm.new { Acme = LEAD, Bolt = LEAD, Cape = LEAD, Dune = LEAD } or nil
    local engine, time, path = open(name, options)
    if engine.host.create then
      engine.host:create_many(COMPANIES, LEAD)
    end
    happen(engine, "lead_status_set", { company = "Bolt", lead_status = 5 })
    local record = assert(run_of.begin(engine, "replay"))
    local events = {}
    for _, trigger in ipairs { "sale_registered", "sale_won" } do
      for i = 1, trigger == "sale_won" and 3 or 4 do
        events[#events + 1] = { trigger = trigger, company = COMPANIES[i], actor = BOB }
      end
    end
    assert(run_of.engine(engine, record.run):handle_many(events))
    assert(run_of.finish(engine, record))
    return engine, record.run, time, path
  end

  local function categories(engine)
    local found = {}
    for i, company in ipairs(COMPANIES) do
      found[i] = engine.host.category(company)
    end
    return table.concat(found, " ")
  end

  local function companies_of(rows)
    local found = {}
    for i, row in ipairs(rows) do
      found[i] = row.company
    end
    return table.concat(found, " ")
  end

  local function without_entries(result)
    for _, row in ipairs(result.undone) do
      row.undo = nil
    end
    result.run = nil
    return result
  end

  -- Has something happen when the engine is about to write its first changes.
  local function before_writing(engine, act)
    local store = engine._store
    engine._store = setmetatable({ write = function(_, tenant, items, ...)
      local now = #items > 0 and act
      act = act ~= now and act
      if now then
        now()
      end
      return store:write(tenant, items, ...)
    end }, { __index = function(_, name) return function(_, ...) return store[name](store, ...) end end })
  end

  it("takes changes that others make meanwhile one by one", function()
    local engine, run, _, path = open_run(HOSTS[1])
    local other = stores.open { path = path }
    local won = engine:history { run = run, limit = 3 }
    assert.same({ "Cape", "Bolt", "Acme" }, { won[1].company, won[2].company, won[3].company })
    before_writing(engine, function()
      assert(other.host.set_category("Cape", PARTNER, CUSTOMER))
      local undone = assert(other:undo(won[2].entry)) -- Bolt's, and back again
      assert(other:undo(undone.entry))
      assert(other:undo(won[3].entry)) -- Acme's
    end)
    local result = assert(engine:undo({ run = run }, { actor = ANN }))
    assert.equal("1 2 6 1", categories(engine))
    assert.equal("Bolt Dune Bolt Acme", companies_of(result.undone))
    local why = "company Cape has been changed since" -- which holds for its first change, too
    local by = (", by entry %d"):format(won[1].entry)
    assert.same({ { "Cape", why, "conflict" }, { "Cape", why .. by, "conflict" } }, {
      { result.refused[1].company, result.refused[1].why, result.refused[1].code },
      { result.refused[2].company, result.refused[2].why, result.refused[2].code },
    })
    assert.equal(2, #result.refused)
    other:close()
    engine:close()
  end)

  for _, name in ipairs(HOSTS) do
    it("leads a run's companies back to where they stood before, and can be undone as a whole: " .. name, function()
      local engine, run, time = open_run(name)
      assert.equal("5 5 5 3", categories(engine))
      time.now = START + 100
      local undone = assert(engine:undo({ run = run }, { actor = ANN }))
      assert.equal("1 2 1 1", categories(engine))
      assert.equal("Cape Bolt Acme Dune Cape Bolt Acme", companies_of(undone.undone))
      assert.same({}, undone.refused)
      local entries = engine:history { run = undone.run }
      assert.equal(7, #entries)
      for i, entry in ipairs(entries) do
        local row = undone.undone[#entries + 1 - i]
        assert.same({ row.undo, row.entry, row.company, row.from, row.to, ANN, "updated", START + 100 },
          { entry.entry, entry.undoes, entry.company, entry.from, entry.to, entry.actor, entry.status, entry.at })
      end

      local again = assert(engine:undo { run = undone.run }) -- the undo of it
      assert.same({ 7, {}, "5 5 5 3" }, { #again.undone, again.refused, categories(engine) })
      assert(engine:undo { run = run }) -- the changes count again
      assert.equal("1 2 1 1", categories(engine))
      engine:close()
    end)

    it("writes nothing when there is nothing left to undo, and goes on where it was interrupted: " .. name, function()
      local engine, run = open_run(name)
      local newest = engine:history { run = run }[1]
      assert(engine:undo(newest.entry)) -- as an undo of many does first
      local undone = assert(engine:undo { run = run })
      assert.same({ 6, {}, "1 2 1 1" }, { #undone.undone, undone.refused, categories(engine) })
      local before = engine:history()
      assert.same({ undone = {}, cancelled = {}, refused = {} }, engine:undo { run = run })
      assert.same(before, engine:history())
      engine:close()
    end)

    it("cancels what was scheduled, as its preview says: " .. name, function()
      local engine, run, time = open_run(name)
      assert(engine:save(stores.config {
        sale_lost = { LEAD, after = { days = 1 }, from = { groups = { "customer" } } },
      }))
      local record = assert(run_of.read(engine, run))
      local within = run_of.engine(engine, run)
      for _, company in ipairs { "Acme", "Bolt", "Cape" } do
        assert.equal("scheduled", assert(within:handle { trigger = "sale_lost", company = company }).status)
      end
      assert(run_of.finish(engine, record))
      local entries = engine:history { status = "scheduled" }
      assert(engine:cancel(entries[2].entry))
      local preview = assert(engine:undo { run = run, preview = true })
      assert.same({ { entry = entries[1].entry, company = "Cape", to = LEAD, due = START + 24 * 3600 },
        { entry = entries[3].entry, company = "Acme", to = LEAD, due = START + 24 * 3600 } }, preview.cancelled)
      assert.equal(7, #preview.undone)
      assert.equal(2, #engine:history { status = "scheduled" })
      local told = {}
      engine._hooks.cancelled = { function(event, outcome)
        told[#told + 1] = event.company .. " " .. outcome.reason
      end }
      assert.same(preview, without_entries(assert(engine:undo({ run = run }, { actor = ANN }))))
      assert.same({ "Cape undo", "Acme undo" }, told)
      local ended = engine:history { status = "cancelled", company = "Acme" }[1]
      assert.same({ "undo", { id = "ann", name = "Ann" } }, { ended.reason, ended.ended_by })
      assert.is_nil(engine:history({ status = "cancelled", company = "Bolt" })[1].reason)
      time.now = START + 2 * 24 * 3600
      local maintained = assert(engine:maintain())
      assert.same({ 0, 0, "1 2 1 1" }, { maintained.carried_out, maintained.dropped, categories(engine) })
      engine:close()
    end)

    it("keeps and lists what has changed since, as its preview says: " .. name, function()
      local engine, run = open_run(name)
      local elsewhere = happen(engine, "sale_won", { company = "Dune" })
      assert.is_true(engine.host.set_category("Bolt", PARTNER, CUSTOMER))
      local preview = assert(engine:undo { run = run, preview = true })
      assert.equal("5 6 5 5", categories(engine))
      assert.same({ "Cape Acme Cape Acme", "Bolt Dune Bolt" },
        { companies_of(preview.undone), companies_of(preview.refused) })
      assert.equal("company Bolt has been changed since", preview.refused[1].why)
      assert.equal(("company Dune has been changed since, by entry %d"):format(elsewhere), preview.refused[2].why)
      assert.same(preview, without_entries(assert(engine:undo { run = run })))
      assert.equal("1 6 1 5", categories(engine))
      engine:close()
    end)

    it("takes back what came behind somebody else's change, and stops there: " .. name, function()
      local engine, run = open_run(name)
      local entries = engine:history { run = run, company = "Acme" }
      assert(engine:undo(entries[1].entry))
      local by_hand = happen(engine, "lead_status_set", { lead_status = 5 })
      local record = assert(run_of.read(engine, run))
      assert(run_of.engine(engine, run):handle { trigger = "sale_won", company = "Acme" })
      assert(run_of.finish(engine, record))
      local preview = assert(engine:undo { run = run, preview = true })
      local undone = assert(engine:undo { run = run })
      assert.same(preview, without_entries(undone))
      assert.same({ "Acme", ("company Acme has been changed since, by entry %d"):format(by_hand) },
        { companies_of(undone.refused), undone.refused[1].why })
      assert.equal("2 2 1 1", categories(engine))
      engine:close()
    end)

    it("takes back what one revision has changed between two times: " .. name, function()
      local engine, run, time = open_run(name)
      time.now = START + 50
      assert(engine:save(stores.config { sale_registered = OPPORTUNITY, sale_lost = PARTNER }))
      assert(engine:undo { run = run })
      for i, company in ipairs(COMPANIES) do
        time.now = START + 100 * i
        happen(engine, "sale_lost", { company = company, at = 1 }) -- when it was written counts
      end
      assert.equal("6 6 6 6", categories(engine))
      for _, row in ipairs {
        { START + 200, START + 200, "Bolt" }, { START + 200.001, START + 299.999, "" },
        { nil, 2 ^ 53, "Dune Cape Bolt Acme" },
        { nil, START + 100, "Acme" }, { START + 400, nil, "Dune" }, { nil, 0, "" }, { nil, -1, "" },
      } do
        local preview = assert(engine:undo { revision = 2, since = row[1], ["until"] = row[2], preview = true })
        assert.equal(row[3], companies_of(preview.undone))
      end
      local undone = assert(engine:undo { revision = 2, since = START + 200, ["until"] = START + 300 })
      assert.same({ "Cape Bolt", "6 2 1 6" }, { companies_of(undone.undone), categories(engine) })
      undone = assert(engine:undo { revision = 2 })
      assert.same({ "Dune Acme", "1 2 1 1" }, { companies_of(undone.undone), categories(engine) })
      assert.same({ undone = {}, cancelled = {}, refused = {} }, engine:undo { revision = 2 }) -- an undo is not the revision's
      assert.equal("not_found", select(3, engine:undo { revision = 99, preview = true }))
      local last = engine:history()[1].entry
      local preview = assert(engine:undo { entry = last, preview = true })
      assert.same({ { last }, last }, { { preview.undone[1].entry }, engine:history()[1].entry })
      assert.equal("not_found", select(3, engine:undo { entry = 1, preview = true }))
      assert.same({ preview.undone[1].from, preview.undone[1].to }, (function(outcome)
        return { outcome.from, outcome.to }
      end)(assert(engine:undo(last))))
      engine:close()
    end)
  end

  it("is one commit of changes, and tells each", function()
    local engine, run = open_run(HOSTS[1])
    local told, commits = {}, engine:stats().commits.count
    engine:on("updated", function(event, outcome) told[#told + 1] = { event.undoes, outcome.reason } end)
    local undone = assert(engine:undo { run = run })
    assert.equal(3, engine:stats().commits.count - commits) -- one of changes, and the run's two ends
    for i, row in ipairs(undone.undone) do
      assert.same({ row.entry, "undo" }, told[i])
    end
    engine:close()
  end)

  it("takes back many changes of one company in few commits, each entry read once", function()
    local engine = open()
    local events = {}
    for i = 1, 1200 do
      events[i] = { trigger = i % 2 == 1 and "sale_registered" or "lead_status_set", company = "Acme", lead_status = 5 }
    end
    assert(engine:handle_many(events))
    local reads, store = 0, engine._store
    engine._store = setmetatable({ history = function(_, ...)
      reads = reads + 1
      return store:history(...)
    end }, { __index = function(_, name) return function(_, ...) return store[name](store, ...) end end })
    local commits = engine:stats().commits.count
    local preview = assert(engine:undo { revision = 1, preview = true })
    local undone = assert(engine:undo { revision = 1 })
    assert.same({ 1200, 1200, 0 }, { #preview.undone, #undone.undone, #undone.refused })
    assert.equal(LEAD, engine.host.category "Acme")
    assert.equal(4, engine:stats().commits.count - commits)
    assert.is_true(reads < 60, reads .. " reads")
    assert.same({}, assert(engine:undo { revision = 1 }).undone)
    engine._store = store
    engine:close()
  end)

  it("is refused as a whole to who may undo nothing, in part to who may not undo all", function()
    local host = crm.new { Acme = LEAD, Bolt = LEAD, Cape = LEAD, Dune = LEAD }
    local engine = open(nil, { host = host })
    local first, second = happen(engine, "sale_won"), happen(engine, "sale_won", { company = "Bolt" })
    assert.equal("forbidden", select(3, engine:undo({ revision = 1 }, { actor = BOB })))
    function host.can(_, _, entry) return not entry or entry.company ~= "Acme" end
    local undone = assert(engine:undo({ revision = 1 }, { actor = BOB }))
    assert.same({ { second, first, "forbidden" }, "5 1 1 1" },
      { { undone.undone[1].entry, undone.refused[1].entry, undone.refused[1].code }, categories(engine) })
    engine:close()
  end)

  it("goes on when the host cannot do all of it, and can be done again", function()
    local engine, run, time = open_run(HOSTS[2])
    local set, category = engine.host.set_category, engine.host.category
    function engine.host.set_category(company, ...)
      if company == "Cape" then
        return nil, "away"
      end
      return set(company, ...)
    end
    function engine.host.category(company)
      if company == "Bolt" then
        return nil, "no answer"
      end
      return category(company)
    end
    local undone = assert(engine:undo { run = run })
    local why = {}
    for _, row in ipairs(undone.refused) do
      why[row.company] = (why[row.company] or "") .. row.code .. ": " .. row.why .. "; "
    end
    assert.matches("^unavailable: no answer; conflict: company Bolt has been changed since, by entry %d+; $", why.Bolt)
    assert.matches("^unavailable: away; conflict: company Cape has been changed since, by entry %d+; $", why.Cape)
    engine.host.set_category, engine.host.category = set, category
    assert.equal("1 5 5 1", categories(engine))
    time.now = time.now + 60
    engine:recover()
    assert.same({}, engine:undo({ run = run }).refused)
    assert.equal("1 2 1 1", categories(engine))
    engine:close()
  end)

  it("keeps and lists what is not finished", function()
    local engine = open(HOSTS[2])
    engine.host.set_category = function() return nil, "away" end
    happen(engine, "sale_won")
    local entry = engine:history()[1]
    assert.equal("applying", entry.status)
    for _, preview in ipairs { true, false } do
      local refused = assert(engine:undo { revision = 1, preview = preview }).refused[1]
      assert.same({ entry.entry, ("entry %d is not finished"):format(entry.entry), "unavailable" },
        { refused.entry, refused.why, refused.code })
    end
    engine:close()
  end)

  it("gives what the store says when that cannot be written", function()
    local engine, run = open_run(HOSTS[1])
    local mend = stores.fail(engine, "write")
    assert.same({ nil, "no room", "full" }, { engine:undo { run = run } })
    mend()
    mend = stores.fail(engine, "history")
    assert.equal("full", select(3, engine:undo { run = run }))
    mend()
    assert.equal("not_found", select(3, engine:undo { run = "another" }))
    assert.equal("not_found", select(3, engine:tenant("north"):undo { run = run }))
    assert.equal("5 5 5 3", categories(engine))
    engine:close()
  end)

  it("must be told what", function()
    local engine = open()
    for _, row in ipairs {
      { {}, "one of run, revision and entry" }, { { run = "x", revision = 1 }, "one of run, revision and entry" },
      { { run = "x", entry = 1 }, "one of run, revision and entry" },
      { { entry = 1, since = 2 }, "since and until go with revision" },
      { { run = "x", since = 1 }, "since and until go with revision" }, { { run = "a b" }, "option 'run': a run's id" },
      { { entry = 2 ^ 54 }, "option 'entry': an integer" },
      { { revision = 2 ^ 54 }, "option 'revision': an integer" },
      { { run = "x", entries = 1 }, "unknown option 'entries'" }, { { revision = 0 }, "option 'revision': an integer" },
    } do
      local ok, message = pcall(function() engine:undo(row[1]) end)
      assert.is_false(ok)
      assert.matches("_spec%.lua:%d+: " .. row[2], message)
    end
    engine:close()
  end)
end)

describe("undo from many processes", function()
  after_each(stores.check)

  local CHILD = [[
    local path, entry, go = arg[1], tonumber(arg[2]), arg[3]
    local leadcat, core = require "leadcat", require "leadcat.core"
    local engine = assert(leadcat.open { path = path, durability = "relaxed", map_size = 2 ^ 26 })
    io.stdout:setvbuf "line"
    print "ready"
    local file
    repeat
      file = io.open(go)
      core.sleep(0.001)
    until file
    file:close()
    local outcome, _, code = engine:undo(entry)
    print(outcome and outcome.status or code)
    engine:close()
  ]]

  it("takes the change back once", function()
    local engine, _, path = open()
    local entry, go = happen(engine, "sale_won"), stores.path()
    local children, came = {}, { updated = 0, conflict = 0 }
    for i = 1, 6 do
      children[i] = processes.start(CHILD, { path, tostring(entry), go })
      assert.equal("ready", children[i]:line())
    end
    assert(io.open(go, "w")):close()
    for _, child in ipairs(children) do
      local line = child:wait()
      assert.is_truthy(came[line], line)
      came[line] = came[line] + 1
    end
    assert.same({ updated = 1, conflict = 5 }, came)
    assert.same({ LEAD, "updated undo, updated" }, { engine.host:get "Acme", statuses(engine) })
    engine:close()
  end)
end)
