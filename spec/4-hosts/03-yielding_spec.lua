-- Hosts that yield while others go on, and hosts that call back.

local core = require "leadcat.core"
local crm = require "support.crm"
local histories = require "support.histories"
local hosting = require "support.hosting"
local stores = require "support.stores"

local LEAD, OPPORTUNITY, CUSTOMER = 1, 3, 5 -- the preset's categories
local REGISTERED, WON, open = hosting.REGISTERED, hosting.WON, hosting.open
local statuses = histories.statuses

describe("a host that yields", function()
  after_each(stores.check)

  -- A CRM whose functions yield their names before they work, as a socket would.
  local function new_yielding(companies)
    local host = crm.new(companies)
    for _, name in ipairs { "category", "set_category" } do
      local fn = host[name]
      host[name] = function(...)
        coroutine.yield(name)
        return fn(...)
      end
    end
    return host
  end

  -- A coroutine that handles the event, and a function that runs it up to the next yield or result.
  local function start(engine, event)
    local thread = coroutine.create(function() return engine:handle(event) end)
    return function()
      local ok, first, second, third = coroutine.resume(thread)
      assert(ok, first)
      return first, second, third
    end
  end

  it("is waited for, in category and in set_category", function()
    local engine = open(new_yielding { Acme = LEAD })
    local step = start(engine, WON)
    assert.equal("category", (step()))
    assert.equal("set_category", (step()))
    assert.equal("applying", statuses(engine))
    assert.equal("updated", step().status)
    assert.equal("updated", statuses(engine))
    engine:close()
  end)

  it("may do so in a batch and while recovering, and so may guards and listeners", function()
    local host = new_yielding { Acme = LEAD, Bolt = LEAD }
    local engine = open(host)
    engine:on("guard", function() coroutine.yield "guard" end)
    engine:on("updated", function() coroutine.yield "updated" end)
    local thread = coroutine.wrap(function()
      return engine:handle_many { WON, { trigger = "sale_won", company = "Bolt" } }
    end)
    local yielded, result = {}, thread()
    while type(result) == "string" do
      yielded[#yielded + 1] = result
      result = thread()
    end
    assert.equal("category category guard guard set_category set_category updated updated", table.concat(yielded, " "))
    assert.same({ "updated", "updated" }, { result[1].status, result[2].status })
    engine:close()
  end)

  it("does not block two events of different companies", function()
    local host = new_yielding { Acme = LEAD, Bolt = LEAD }
    local engine = open(host)
    local first, second = start(engine, WON), start(engine, { trigger = "sale_won", company = "Bolt" })
    first()
    first() -- within set_category
    second()
    second()
    assert.equal("updated", second().status)
    assert.equal("updated", first().status)
    assert.same({ "Bolt 1 -> 5", "Acme 1 -> 5" }, host.changes)
    engine:close()
  end)

  it("makes a second event of the same company unavailable at once: nobody else could run on", function()
    local host = new_yielding { Acme = LEAD }
    local engine = open(host)
    local first, second = start(engine, REGISTERED), start(engine, WON)
    first()
    assert.equal("set_category", (first()))
    local began = os.time()
    local outcome, message, code = second()
    assert.is_nil(outcome)
    assert.matches("company Acme is being changed by a call that waits for this one", message)
    assert.equal("unavailable", code)
    -- The same event, delivered again before anybody knows what comes of it.
    outcome, message, code = start(engine, REGISTERED)()
    assert.is_nil(outcome)
    assert.same({ "unavailable", true }, { code, message:find("company Acme is being changed", 1, true) ~= nil })
    assert.is_true(os.time() - began <= 2)

    assert.equal("updated", first().status)
    second = start(engine, WON)
    second()
    second()
    assert.same({ "updated", OPPORTUNITY }, { second().status, engine:history()[1].from })
    assert.same({ "Acme 1 -> 3", "Acme 3 -> 5" }, host.changes)
    engine:close()
  end)

  it("makes an event be decided anew that was overtaken while the host was asked", function()
    local host = crm.new { Acme = LEAD }
    local category = host.category
    local engine = open(host)
    function host.category(...)
      local answer = category(...)
      host.category = category
      coroutine.yield "category"
      return answer
    end
    local second = start(engine, WON)
    assert.equal("category", (second()))
    assert.equal("updated", start(engine, REGISTERED)().status)
    local outcome = second()
    assert.same({ "updated", OPPORTUNITY, CUSTOMER }, { outcome.status, outcome.from, outcome.to })
    assert.same({ "Acme 1 -> 3", "Acme 3 -> 5" }, host.changes)
    engine:close()
  end)

  -- The yields of a coroutine until it gives its outcome, and the outcome.
  local function run(step)
    local yielded, result, message, code = {}, step()
    while type(result) == "string" do
      yielded[#yielded + 1] = result
      result, message, code = step()
    end
    return table.concat(yielded, " "), result, message, code
  end

  it("may never come back: after its time another takes the change over, and it is made once all the same", function()
    local host = new_yielding { Acme = LEAD }
    local engine, time = open(host)
    local first = start(engine, REGISTERED)
    first()
    first()
    time.now = time.now + 29
    assert.same({ finished = 0, failed = 0, busy = 1 }, engine:recover())
    time.now = time.now + 3
    local yielded, outcome = run(start(engine, WON))
    assert.equal("category set_category category set_category", yielded)
    assert.same({ "updated", OPPORTUNITY, CUSTOMER }, { outcome.status, outcome.from, outcome.to })
    -- Here it comes back after all.
    outcome = first()
    assert.same({ "updated", LEAD, OPPORTUNITY }, { outcome.status, outcome.from, outcome.to })
    assert.same({ updated = { matched = 1 } }, engine:stats().outcomes.sale_registered)
    assert.same({ "Acme 1 -> 3", "Acme 3 -> 5" }, host.changes)
    assert.equal("updated updated", statuses(engine))
    engine:close()
  end)

  it("may come back while another call has it at work on the same change: that one finishes it", function()
    local host = crm.new { Acme = LEAD }
    local set, calls = host.set_category, 0
    function host.set_category(...)
      calls = calls + 1
      if calls == 1 then
        coroutine.yield "before"
        return set(...)
      end
      local ok, message = set(...)
      coroutine.yield "after"
      return ok, message
    end
    local engine, time = open(host)
    local first = start(engine, REGISTERED)
    assert.equal("before", (first()))
    time.now = time.now + 32
    local recover = coroutine.wrap(function() return engine:recover() end)
    assert.equal("after", recover())
    -- The company is changed already: to the first this looks like a conflict, which it must not write down.
    local outcome = first()
    assert.same({ "failed", "another process has taken this change over" }, { outcome.status, outcome.error })
    assert.equal("applying", statuses(engine))
    assert.same({ finished = 1, failed = 0, busy = 0 }, recover())
    assert.same({ "updated", { "Acme 1 -> 3" } }, { statuses(engine), host.changes })
    engine:close()
  end)

  it("may come back when its entry has been removed since: it delivers the event again", function()
    local host = crm.new { Acme = LEAD, Bolt = LEAD }
    local set, calls = host.set_category, 0
    function host.set_category(...)
      calls = calls + 1
      if calls == 1 then
        coroutine.yield "before"
      end
      return set(...)
    end
    local engine, time = open(host, { retention = { count = 1 } })
    local event = { id = "registered", trigger = "sale_registered", company = "Acme" }
    local first = start(engine, event)
    assert.equal("before", (first()))
    time.now = time.now + 32
    assert.same({ finished = 1, failed = 0, busy = 0 }, engine:recover())
    assert.equal("updated", engine:handle({ trigger = "sale_won", company = "Bolt" }).status)
    assert(engine:maintain())
    assert.equal("updated", statuses(engine), "Bolt's alone")
    local outcome, message, code = first()
    assert.is_nil(outcome)
    assert.same({ "another process has taken this change over, and its entry is not there", "unavailable" },
      { message, code })
    assert.equal("already_in_category", engine:handle(event).reason)
    assert.same({ "Acme 1 -> 3", "Bolt 1 -> 5" }, host.changes)
    engine:close()
  end)

  it("keeps a batch's changes from being taken for abandoned while another's is waited for", function()
    local host = crm.new { Acme = LEAD, Bolt = LEAD }
    local set, category, waiting = host.set_category, host.category, false
    local engine, time, path = open(host)
    -- Another engine has written Bolt's event down, and is gone, when the batch comes to be written.
    local other = open(new_yielding(host.companies), { path = path, clock = function() return time.now end })
    local bolts = { id = "b", trigger = "sale_won", company = "Bolt" }
    local gone = start(other, bolts)
    engine:on("guard", function(event)
      if event.id == "b" then
        gone()
        gone()
        other:close()
        waiting = true
      end
    end)
    function host.category(company)
      if waiting and company == "Bolt" then
        waiting = false
        coroutine.yield "category"
      end
      return category(company)
    end
    function host.set_category(company, ...)
      local ok, message = set(company, ...)
      if company == "Acme" then
        coroutine.yield "set_category"
      end
      return ok, message
    end
    local batch = coroutine.wrap(function() return engine:handle_many { REGISTERED, bolts } end)
    assert.equal("set_category", batch()) -- what is claimed is made first; then Bolt's event is looked up
    assert.equal("unavailable", select(3, start(engine, WON)()))
    assert.equal("category", batch())
    local outcomes = batch()
    assert.same({ "updated", "duplicate" }, { outcomes[1].status, outcomes[2].status })
    assert.same({ OPPORTUNITY, CUSTOMER }, { host.companies.Acme, host.companies.Bolt })
    assert.equal("updated updated", statuses(engine))
    engine:close()
  end)

  it("may come back while another is at it: what the host has made is written down", function()
    local host = new_yielding { Acme = LEAD }
    local engine, time, path = open(host)
    local other = open(host, { path = path, clock = function() return time.now end })
    local told = {}
    for name, one in pairs { first = engine, other = other } do
      for _, status in ipairs { "updated", "failed" } do
        one:on(status, function() told[#told + 1] = name .. " " .. status end)
      end
    end
    local first = start(engine, REGISTERED)
    first()
    first()
    local recover = coroutine.wrap(function() return other:recover() end)
    core.forward(31)
    assert.equal("category", recover())
    assert.equal("updated", first().status)
    assert.equal("updated", statuses(engine))
    assert.same({ finished = 1, failed = 0, busy = 0 }, recover())
    assert.same({ "updated", { "Acme 1 -> 3" } }, { statuses(engine), host.changes })
    assert.same({ { "first updated" }, {} }, { told, other:stats().outcomes }) -- and it is counted once
    other:close()
    engine:close()
  end)

  it("may be given one event twice at once: the second delivery is a duplicate", function()
    local engine = open(crm.new { Acme = LEAD })
    engine:on("guard", function() coroutine.yield "guard" end)
    local event = { id = "w", trigger = "sale_won", company = "Acme", category = LEAD, choice = false }
    local first, second = start(engine, event), start(engine, event)
    first()
    second()
    local outcome = first()
    assert.equal("declined", outcome.status)
    assert.same(outcome, second().first)
    assert.equal("declined", statuses(engine))
    engine:close()
  end)

  it("is left alone by another engine on the store, until the one that waits for it is closed", function()
    local host = new_yielding { Acme = LEAD }
    local engine, time, path = open(host)
    local first = start(engine, REGISTERED)
    first()
    first()
    local plain = crm.new(host.companies)
    local other = open(plain, { path = path, clock = function() return time.now end })
    assert.same({ finished = 0, failed = 0, busy = 1 }, other:recover())
    engine:close()
    assert.same({ finished = 1, failed = 0, busy = 0 }, other:recover())
    assert.same({ "updated", { "Acme 1 -> 3" } }, { statuses(other), plain.changes })
    other:close()
  end)
end)

describe("a host that calls back", function()
  after_each(stores.check)

  -- What it calls within set_category, and what that comes to.
  local CALLS = {
    { "with the company whose change is being made: unavailable", WON, nil, "unavailable" },
    { "with the very event that is being handled: unavailable", REGISTERED, nil, "unavailable" },
    { "with another company: handled", { trigger = "sale_won", company = "Bolt" }, "updated" },
    { "with nothing to do: unchanged", { trigger = "sale_lost", company = "Acme" }, "unchanged" },
    { "with an answer about another company: declined", { trigger = "sale_won", company = "Bolt", choice = false },
      "declined" },
  }
  for _, row in ipairs(CALLS) do
    it(row[1], function()
      local host = crm.new { Acme = LEAD, Bolt = LEAD }
      local set = host.set_category
      local engine, result
      function host.set_category(company, ...)
        if company == "Acme" then
          result = { engine:handle(row[2]) }
        end
        return set(company, ...)
      end
      engine = open(host)
      local began = os.time()
      assert.equal("updated", engine:handle(REGISTERED).status)
      assert.is_true(os.time() - began <= 2)
      assert.equal(row[3], result[1] and result[1].status)
      assert.equal(row[4], result[3])
      assert.equal(OPPORTUNITY, host.companies.Acme)
      engine:close()
    end)
  end

  it("to recover: its own change is busy", function()
    local host = crm.new { Acme = LEAD }
    local set = host.set_category
    local engine, counts
    function host.set_category(...)
      counts = engine:recover()
      return set(...)
    end
    engine = open(host)
    assert.equal("updated", engine:handle(WON).status)
    assert.same({ finished = 0, failed = 0, busy = 1 }, counts)
    engine:close()
  end)
end)
