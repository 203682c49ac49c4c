-- Changes that the host may or may not have made: it fails or dies in the middle, or the store has no room to write
-- down what was done.

local crm = require "support.crm"
local histories = require "support.histories"
local hosting = require "support.hosting"
local stores = require "support.stores"

local LEAD, OPPORTUNITY, CUSTOMER, PARTNER = 1, 3, 5, 6 -- the preset's categories
local REGISTERED, WON = hosting.REGISTERED, hosting.WON
local open, assert_unavailable = hosting.open, hosting.assert_unavailable
local statuses = histories.statuses

describe("a company with an unfinished change", function()
  after_each(stores.check)

  -- A change from Lead to Opportunity that the host could not make.
  local function open_unfinished(rules)
    local host = crm.new { Acme = LEAD, Bolt = LEAD }
    local set = host.set_category
    host.set_category = function() return nil, "away" end
    local engine, time = open(host, { rules = rules })
    assert.equal("failed", engine:handle(REGISTERED).status)
    return engine, host, function() host.set_category = set end, time
  end

  it("takes no other change while the host is not well", function()
    local engine, host, mend = open_unfinished()
    assert_unavailable(engine, WON, "company Acme has an unfinished change: away")
    local outcomes, _, code = engine:handle_many { { trigger = "sale_lost", company = "Bolt" }, WON }
    assert.same({ "unchanged", "not_taken", "unavailable" }, { outcomes[1].status, outcomes[2].status, code })
    assert.same({ nil, "unavailable" }, { engine:handle_many { WON }, (select(3, engine:handle_many { WON })) })
    host.category = function() return nil, "away too" end
    assert_unavailable(engine, { trigger = "sale_won", company = "Acme", category = LEAD }, "away too")
    mend()
    engine:close()
  end)

  it("has it finished by the next event, whose turn comes then: the order is kept", function()
    local engine, host, mend = open_unfinished()
    mend()
    local outcome = assert(engine:handle(WON))
    assert.same({ "updated", OPPORTUNITY, CUSTOMER }, { outcome.status, outcome.from, outcome.to })
    assert.same({ "Acme 1 -> 3", "Acme 3 -> 5" }, host.changes)
    assert.equal("updated updated", statuses(engine))
    engine:close()
  end)

  it("has it finished by the next batch, too", function()
    local engine, host, mend = open_unfinished()
    mend()
    local outcomes = assert(engine:handle_many { { trigger = "sale_won", company = "Bolt" }, WON, REGISTERED })
    assert.same({ "updated", "updated", "duplicate" },
      { outcomes[1].status, outcomes[2].status, outcomes[3].status })
    assert.same({ "Acme 1 -> 3", "Bolt 1 -> 5", "Acme 3 -> 5" }, host.changes)
    engine:close()
  end)

  it("is not decided about from where it stands before: what would come to nothing there waits, too", function()
    local engine, host, mend = open_unfinished { sale_registered = OPPORTUNITY, sale_lost = LEAD }
    local lost = { trigger = "sale_lost", company = "Acme" }
    assert_unavailable(engine, lost, "company Acme has an unfinished change: away")
    mend()
    assert.equal("updated", engine:handle(lost).status)
    assert.same({ "Acme 1 -> 3", "Acme 3 -> 1" }, host.changes)
    engine:close()
  end)

  it("does not keep an event waiting that no rule is for", function()
    local engine, _, mend = open_unfinished()
    assert.equal("rule_disabled", engine:handle({ trigger = "sale_lost", company = "Acme" }).reason)
    mend()
    engine:close()
  end)

  -- Where the company is found meanwhile, how the entry ends, and what the host is called for.
  local FOUND = {
    { "is done when the company is there already", OPPORTUNITY, "updated", { "category Acme" } },
    { "is made when the company is where it was", LEAD, "updated", { "category Acme", "set_category Acme 1 -> 3" } },
    { "is a conflict when the company is somewhere else", PARTNER, "conflict", { "category Acme" } },
    { "is a conflict when the company is nowhere any more", nil, "conflict", { "category Acme" } },
  }
  for _, row in ipairs(FOUND) do
    it(row[1], function()
      local engine, host, mend, time = open_unfinished()
      mend()
      host.companies.Acme = row[2]
      host.calls, time.now = {}, time.now + 60
      assert.same({ finished = 1, failed = 0, busy = 0 }, engine:recover())
      assert.same({ row[3], row[4] }, { statuses(engine), host.calls })
      assert.equal(row[3], engine:handle(REGISTERED).first.status)
      engine:close()
    end)
  end

  it("stays as it is while the host cannot say where the company stands", function()
    local engine, host, mend, time = open_unfinished()
    mend()
    host.category = function() error("away", 0) end
    time.now = time.now + 60
    assert.same({ finished = 0, failed = 1, busy = 0 }, engine:recover())
    local entry = engine:history()[1]
    assert.same({ "applying", "host.category raised: away" }, { entry.status, entry.error })
    engine:close()
  end)

  it("is still there when the store could not give it; recover says so", function()
    local engine, _, mend, time = open_unfinished()
    mend()
    time.now = time.now + 60
    mend = stores.fail(engine, "claim")
    assert.same({ nil, "no room", "full" }, { engine:recover() })
    mend()
    assert.same({ finished = 1, failed = 0, busy = 0 }, engine:recover())
    engine:close()
  end)

  for _, at_once in ipairs { false, true } do
    it("may be made late by a process that was slow: the host's conflict is none" .. (at_once and ", of many" or ""),
      function()
        local engine, host, mend, time = open_unfinished()
        mend()
        time.now = time.now + 3600
        local made
        host.applied = function(_, key) return made == key end
        host.set_category = function(_, _, _, outcome)
          made = outcome.key -- by whoever had it before, just now
          return nil, "conflict"
        end
        host.set_categories = at_once and function(changes)
          made = changes[1].outcome.key
          return { { error = "conflict", code = "conflict" } }
        end or nil
        assert(engine:recover())
        assert.same({ 0, "updated" }, { engine:stats().unfinished, statuses(engine) })
        host.set_category = function() return nil, "conflict" end
        host.set_categories = nil
        assert.equal("conflict", assert(engine:handle(WON)).status) -- nobody has made that
        engine:close()
      end)
  end

  it("is one of many that recover finishes, page after page", function()
    local host = crm.new {}
    local set = host.set_category
    host.set_category = function() return nil, "away" end
    local engine, time = open(host)
    local events = {}
    for i = 1, 250 do
      host.companies[tostring(i)] = LEAD
      events[i] = { trigger = "sale_won", company = i % 2 == 0 and i or tostring(i) }
    end
    assert(engine:handle_many(events))
    host.set_category = set
    time.now = time.now + 60
    assert.same({ finished = 250, failed = 0, busy = 0 }, engine:recover())
    assert.equal(250, #host.changes)
    engine:close()
  end)
end)

describe("a change that was made and could not be written down", function()
  after_each(stores.check)

  -- An engine whose host has won Acme for `event` while there was no room in the store.
  local function open_full(event)
    local host = crm.new { Acme = LEAD }
    local engine, time, path = open(host)
    local mend = stores.fail(engine, "finish")
    assert.same({ nil, "no room", "full" }, { engine:handle(event) })
    assert.same({ "applying", { "Acme 1 -> 3" } }, { statuses(engine), host.changes })
    mend()
    return engine, host, time, path
  end

  it("is found made by the company's next event, at once", function()
    local engine, host = open_full(REGISTERED)
    local began = os.time()
    local outcome = assert(engine:handle(WON))
    assert.is_true(os.time() - began <= 2)
    assert.same({ "updated", OPPORTUNITY, CUSTOMER }, { outcome.status, outcome.from, outcome.to })
    assert.same({ "updated updated", { "Acme 1 -> 3", "Acme 3 -> 5" } }, { statuses(engine), host.changes })
    engine:close()
  end)

  it("is found made when its event is delivered again, at once", function()
    local engine, host = open_full(REGISTERED)
    local outcome = assert(engine:handle(REGISTERED))
    assert.same({ "duplicate", "updated" }, { outcome.status, outcome.first.status })
    assert.same({ "updated", { "Acme 1 -> 3" } }, { statuses(engine), host.changes })
    engine:close()
  end)

  it("is found made by recover, at once", function()
    local engine, host = open_full(REGISTERED)
    assert.same({ finished = 1, failed = 0, busy = 0 }, engine:recover())
    assert.same({ "updated", { "Acme 1 -> 3" } }, { statuses(engine), host.changes })
    engine:close()
  end)

  it("is still claimed where another engine looks, until the claim's time is over", function()
    local engine, host, time, path = open_full(REGISTERED)
    local other = open(host, { path = path, clock = function() return time.now end })
    assert.same({ finished = 0, failed = 0, busy = 1 }, other:recover())
    time.now = time.now + 32
    assert.same({ finished = 1, failed = 0, busy = 0 }, other:recover())
    assert.same({ "updated", { "Acme 1 -> 3" } }, { statuses(engine), host.changes })
    other:close()
    engine:close()
  end)
end)

describe("a process that is killed while the host works", function()
  after_each(stores.check)

  -- Handles a won sale with a CRM in a file, and kills itself before or after that has made the change.
  local CHILD = [[
    local path, file, moment = arg[1], arg[2], arg[3]
    local leadcat, crm, stores = require "leadcat", require "support.crm", require "support.stores"
    local host = crm.file(file)
    local set = host.set_category
    local function die()
      local pipe = io.popen "echo $PPID"
      local id = pipe:read "*l"
      pipe:close()
      os.execute("kill -9 " .. id)
    end
    function host.set_category(...)
      local ok = moment == "before" and die() or set(...)
      die()
      return ok
    end
    local engine = assert(leadcat.open {
      path = path, host = host, map_size = 2 ^ 26, clock = function() return 1700000000 end,
    })
    assert(engine:save(stores.config { sale_won = 5 }))
    print(engine:handle({ id = "w", trigger = "sale_won", company = 42 }).status)
  ]]

  local function lines(name)
    local list = {}
    for line in io.lines(name) do
      list[#list + 1] = line
    end
    return table.concat(list, " ")
  end

  for moment, written in pairs { before = "1", after = "1 5" } do
    for _, way in ipairs { "the next to open the store", "an engine that was open already" } do
      it(("%s it made the change is succeeded by %s, at once and once"):format(moment, way), function()
        local path, file = stores.path(), stores.path()
        local handle = assert(io.open(file, "w"))
        handle:write "1\n"
        handle:close()
        local options = { path = path, clock = function() return 1700000001 end }
        local early = way ~= "the next to open the store" and open(crm.file(file), options)
        local output, status = stores.run(CHILD, path, file, moment)
        assert.equal(137, status, output) -- 128 + SIGKILL
        assert.equal(written, lines(file))

        local engine = early or open(crm.file(file), { path = path, clock = options.clock })
        assert.same({ finished = early and 1 or 0, failed = 0, busy = 0 }, engine:recover())
        assert.equal("1 5", lines(file))
        local entries = engine:history()
        assert.same({ 1, "updated", 42 }, { #entries, entries[1].status, entries[1].company })
        local again = engine:handle { id = "w", trigger = "sale_won", company = 42 }
        assert.same({ "duplicate", "updated" }, { again.status, again.first.status })
        assert.equal("1 5", lines(file))
        engine:close()
      end)
    end
  end
end)
