-- Undo: an entry of the journal is taken back by a new one that leads the other way. This spec undoes a change, undoes
-- that again, and goes through what is refused (which leaves everything as it was), who may, and what happens where the
-- host is away, where others are at it too, and where a question is open.

local crm = require "support.crm"
local processes = require "support.processes"
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
  local time = { now = START }
  options = options or {}
  options.clock, options.durability = options.clock or function() return time.now end, "relaxed"
  options.host = options.host or name == HOSTS[2] and crm.new { Acme = LEAD } or nil
  local engine, path = stores.open(options)
  if engine:config().revision == 0 then
    assert(engine:save(stores.config(RULES)))
    if engine.host.embedded then
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
        from = QUALIFIED, to = LEAD, entry = outcome.entry,
      }, outcome)
      assert.equal(LEAD, engine.host.category "Acme")
      assert.same({ { {
        trigger = "lead_status_set", lead_status = 5, company = "Acme", actor = ANN, at = START + 10, undoes = entry,
      }, outcome } }, told)
      assert.same({ undo = 1 }, { undo = engine:stats().outcomes.lead_status_set.updated.undo })

      -- The journal has both. The entry that was undone says what it said before.
      local entries = engine:history()
      assert.same({
        entry = outcome.entry, tenant = "", at = START + 10, company = "Acme", trigger = "lead_status_set",
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
      { { 0 / 0 }, "entry: an integer expected" }, { { math.huge }, "entry: an integer expected" },
      { { entry, { by = ANN } }, "unknown option 'by'" }, { { entry, { actor = "ann" } }, "option 'actor': a table" },
    } do
      local ok, message = pcall(function() engine:undo(row[1][1], row[1][2]) end)
      assert.is_false(ok)
      assert.matches("23%-undo_spec.lua:%d+: " .. row[2], message)
    end
    assert.equal("updated", engine:undo(entry + 0.0).status) -- whole all the same
    engine:close()
    local _, message = pcall(function() engine:undo(entry) end)
    assert.matches("23%-undo_spec.lua:%d+: the engine is closed", message)
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
