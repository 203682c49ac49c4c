-- Who may answer a question, what is no answer, and who is told of one.

local asking = require "support.asking"
local stores = require "support.stores"

local LEAD, QUALIFIED, CUSTOMER, PARTNER = 1, 2, 5, 6 -- the preset's categories
local START = 1700000000 -- 2023-11-14 22:13:20 UTC
local ANN, BOB, EVE, RULES = asking.ANN, asking.BOB, asking.EVE, asking.RULES
local open, new_crm, ask, assert_refused = asking.open, asking.new_crm, asking.ask, asking.assert_refused

describe("who may answer", function()
  after_each(stores.check)

  -- Who asked, who answers, and whether that is allowed.
  local ROWS = {
    { "the user whose event asked", BOB, BOB, true },
    { "the same user, by another name", BOB, { id = "bob", name = "Robert" }, true },
    { "another user", BOB, EVE, false },
    { "another user of the same name", BOB, { id = "eve", name = "Bob" }, false },
    { "an id that only begins alike", BOB, { id = "bobby" }, false },
    { "an administrator", BOB, ANN, true },
    { "one who says admin = \"yes\"", BOB, { id = "x", admin = "yes" }, false },
    { "a service", BOB, { id = "hook", service = true }, false },
    { "the program", BOB, nil, true },
    { "7 whose event was of \"7\"", { id = "7" }, { id = 7 }, true },
    { "\"7\" whose event was of 7", { id = 7 }, { id = "7" }, true },
    { "7.0 whose event was of 7", { id = 7 }, { id = 7.0 }, true },
    { "70 whose event was of 7", { id = 7 }, { id = 70 }, false },
    { "an actor without an id", BOB, {}, false },
    { "an actor without an id, where nobody asked", nil, {}, false },
    { "a user, where the program asked", nil, BOB, false },
    { "an administrator, where the program asked", nil, ANN, true },
    { "the program, where the program asked", nil, nil, true },
    { "an actor without an id, where one without an id asked", { name = "Bob" }, { name = "Bob" }, false },
    { "an id that is a table", BOB, { id = {} }, false },
  }
  for _, row in ipairs(ROWS) do
    it(("is %s: %s"):format(row[1], row[4] and "yes" or "no"), function()
      local engine = open()
      local id = ask(engine, { actor = row[2] or false })
      if row[4] then
        assert.equal("updated", engine:resolve(id, { accept = true }, { actor = row[3] }).status)
        assert.same(row[3], engine:confirmation(id).resolved_by)
      else
        local message = assert_refused(engine, id, "forbidden", { accept = true }, { actor = row[3] })
        assert.matches("only the user whose question it is, or an administrator, may answer", message)
        assert.equal("open", engine:confirmation(id).state)
      end
      engine:close()
    end)
  end

  local function with_can(host, can)
    if host == "the embedded host" then
      return require "leadcat.host.lmdb".new { can = can }
    end
    local own = new_crm()
    own.can = can
    return own
  end

  for _, host in ipairs { "the embedded host", "a host of one's own" } do
    it("is for the host to say, where it has an opinion: " .. host, function()
      local given, says = nil, true
      local engine = open { host = with_can(host, function(...)
        given = { ... }
        return says
      end), tenant = "north" }
      local id = ask(engine, { category = LEAD })
      says = false
      assert_refused(engine, id, "forbidden", { accept = true }, { actor = ANN })
      assert.same({ ANN, "confirm", engine:confirmation(id), "north" }, given)
      assert_refused(engine, id, "forbidden", { decline = true }, { actor = BOB })
      says = nil
      assert_refused(engine, id, "forbidden", { decline = true }, { actor = BOB })
      says = true
      assert.equal("declined", engine:resolve(id, { decline = true }, { actor = EVE }).status)
      assert.equal("eve", engine:confirmation(id).resolved_by.id)
      engine:close()
    end)

    it("is not known when the host raises; the question stays: " .. host, function()
      local engine = open { host = with_can(host, function() error("no connection", 0) end) }
      local id = ask(engine, { category = LEAD })
      local message = assert_refused(engine, id, "unavailable", { accept = true }, { actor = ANN })
      assert.matches("host.can raised: no connection", message)
      -- The program is not asked about.
      assert.equal("declined", engine:resolve(id, { decline = true }).status)
      engine:close()
    end)
  end
end)

describe("what is no answer", function()
  after_each(stores.check)

  -- The answer, and what is said about it.
  local ROWS = {
    { "{}", {}, "must have one of accept, category and decline" },
    { "two fields", { accept = true, decline = true }, "must have one of" },
    { "a category and accept", { category = CUSTOMER, accept = true }, "must have one of" },
    { "accept = false", { accept = false }, "accept must be true" },
    { "decline = 1", { decline = 1 }, "decline must be true" },
    { "accept = \"true\"", { accept = "true" }, "accept must be true" },
    { "category = \"x\"", { category = "x" }, "category must be an integer" },
    { "category = \"5\"", { category = "5" }, "category must be an integer" },
    { "category = false", { category = false }, "category must be an integer" },
    { "category = 1.5", { category = 1.5 }, "category must be an integer.* 1.5" },
    { "category = 1/0", { category = 1 / 0 }, "category" },
    { "category = 0/0", { category = 0 / 0 }, "category must be an integer" },
    { "category = {}", { category = {} }, "category must be an integer" },
    { "an unknown field", { agree = true }, "not 'agree'" },
    { "a list", { true }, "not '1'" },
    { "a long name", { [("x"):rep(500)] = true }, "not 'x+'" },
    { "a category there is not", { category = 99 }, "the user chose category 99, which does not exist" },
    { "category = 0", { category = 0 }, "category 0, which does not exist" },
    { "category = -5", { category = -5 }, "category %-5, which does not exist" },
    { "category = 2^40", { category = 2 ^ 40 }, "which does not exist" },
    { "a deleted category", { category = PARTNER }, "the user chose category 6, which is deleted" },
  }
  for _, row in ipairs(ROWS) do
    it("is invalid, and the question stays open: " .. row[1], function()
      local engine = open()
      local id = ask(engine)
      local cfg = stores.config(RULES)
      cfg.categories[PARTNER].deleted = true
      assert(engine:save(cfg))
      for _, actor in ipairs { BOB, false } do
        local message = assert_refused(engine, id, "invalid", row[2], { actor = actor or nil })
        assert.matches(row[3], message)
        assert.is_true(#message < 200)
      end
      assert.equal("updated", engine:resolve(id, { accept = true }).status)
      engine:close()
    end)
  end

  it("is accept when the proposal has been deleted since; another category can be chosen", function()
    for _, host in ipairs { false, new_crm() } do
      local engine = open { host = host or nil }
      local id = ask(engine)
      local cfg = stores.config {}
      cfg.categories[CUSTOMER].deleted = true
      assert(engine:save(cfg))
      assert.matches("category 5, which is deleted", (assert_refused(engine, id, "invalid", { accept = true })))
      assert_refused(engine, id, "invalid", { category = CUSTOMER })
      table.remove(cfg.categories, CUSTOMER)
      assert(engine:save(cfg))
      assert.matches("category 5, which does not exist", (assert_refused(engine, id, "invalid", { accept = true })))
      assert.equal("updated", engine:resolve(id, { category = PARTNER }).status)
      assert.equal("changed", engine:confirmation(id).state)
      engine:close()
    end
  end)

  it("is an answer to a question that there is not", function()
    local engine = open()
    for _, id in ipairs { ("0"):rep(32), "", "x", ("0"):rep(31), ("g"):rep(32), ("0"):rep(33), ("0"):rep(10000) } do
      local outcome, message, code = engine:resolve(id, { accept = true })
      assert.same({ nil, "there is no such confirmation", "not_found" }, { outcome, message, code })
      assert.same({ nil, "there is no such confirmation", "not_found" }, { engine:confirmation(id) })
    end
    engine:close()
  end)

  -- What cannot be kept of an actor, who may answer.
  for name, odd in pairs { ["a function"] = print, ["a text that is no UTF-8"] = "\255", ["infinity"] = 1 / 0 } do
    it("comes from an actor with " .. name .. ": refused or kept, never half", function()
      local engine = open()
      local id = ask(engine)
      local ok, outcome, message, code = pcall(engine.resolve, engine, id, { accept = true },
        { actor = { id = "bob", name = "Bob", more = odd } })
      assert.is_true(ok, tostring(outcome))
      if not outcome then
        assert.equal("invalid", code, message)
        assert.same({ "open", LEAD }, { engine:confirmation(id).state, engine.host:get "Acme" })
      else
        assert.same({ "accepted", CUSTOMER }, { engine:confirmation(id).state, engine.host:get "Acme" })
      end
      engine:close()
    end)
  end

  -- A programmer's mistake, and what is named.
  local MISUSES = {
    { "no answer", function(engine, id) engine:resolve(id) end, "answer: a table expected, got nil" },
    { "an answer that is a text", function(engine, id) engine:resolve(id, "accept") end,
      "answer: a table expected, got string" },
    { "an actor that is a text", function(engine, id) engine:resolve(id, { accept = true }, { actor = "bob" }) end,
      "option 'actor'" },
    { "an unknown option", function(engine, id) engine:resolve(id, { accept = true }, { user = BOB }) end,
      "unknown option 'user'" },
    { "options that are no table", function(engine, id) engine:resolve(id, { accept = true }, "bob") end,
      "a table of options expected" },
    { "no id", function(engine) engine:resolve(nil, { accept = true }) end, "" },
    { "no id to look up", function(engine) engine:confirmation(nil) end, "" },
    { "an id that is a table", function(engine) engine:confirmation {} end, "" },
    { "an unknown state", function(engine) engine:confirmations { state = "closed" } end,
      "option 'state': one of open, accepted, changed, declined, expired, superseded, conflict expected" },
    { "an unknown filter", function(engine) engine:confirmations { rule = "sale_won" } end, "unknown option 'rule'" },
    { "a count with a limit", function(engine) engine:count_confirmations { limit = 5 } end, "unknown option 'limit'" },
    { "a cursor that is a number", function(engine) engine:confirmations { after = 1 } end, "option 'after'" },
    { "a limit that is a text", function(engine) engine:confirmations { limit = "10" } end, "option 'limit'" },
    { "a limit that is a fraction", function(engine) engine:confirmations { limit = 1.5 } end, "option 'limit'" },
    { "a company that is a table", function(engine) engine:confirmations { company = {} } end, "option 'company'" },
    { "a company's empty id", function(engine) engine:confirmations { company = "" } end,
      "company must have 1 to 255" },
    { "a user's empty id", function(engine) engine:confirmations { user = "" } end, "user must have 1 to 255" },
    { "a user's id that is too long", function(engine) engine:confirmations { user = ("x"):rep(256) } end,
      "user must have 1 to 255" },
    { "an event that is a text", function(engine) engine:propose "sale_won" end,
      "event: a table expected, got string" },
  }
  for _, row in ipairs(MISUSES) do
    it("is a mistake that raises: " .. row[1], function()
      local engine = open()
      local id = ask(engine)
      local ok, message = pcall(row[2], engine, id)
      assert.is_false(ok)
      assert.matches("_spec%.lua:%d+: ", message)
      assert.matches(row[3], message, 1, true)
      assert.equal("open", engine:confirmation(id).state)
      engine:close()
    end)
  end

  it("is given to a closed engine: that raises", function()
    local engine = open()
    local id = ask(engine)
    local record = engine:confirmation(id)
    engine:close()
    for name, call in pairs {
      resolve = function() engine:resolve(id, { accept = true }) end,
      confirmation = function() engine:confirmation(id) end,
      confirmations = function() engine:confirmations() end,
      sweep = function() engine:sweep() end,
      maintain = function() engine:maintain() end,
      propose = function() engine:propose { trigger = "sale_won", company = "Acme" } end,
      view = function() engine:view(record) end,
      render = function() engine:render({}, "text") end,
    } do
      local ok, message = pcall(call)
      assert.is_false(ok, name)
      assert.matches("_spec%.lua:%d+: the engine is closed", message)
    end
  end)
end)

describe("those who listen", function()
  after_each(stores.check)

  -- The answer, what is done before it, the hook that fires (if any) and the outcome that is counted.
  local ROWS = {
    { "of an accepted proposal", { accept = true }, nil, "updated", "updated" },
    { "of a choice", { category = PARTNER }, nil, "updated", "updated" },
    { "nothing of a declined one, which is counted", { decline = true }, nil, nil, "declined" },
    { "nothing of a conflict, which is counted", { accept = true },
      function(host) host.companies.Acme = QUALIFIED end, nil, "conflict" },
    { "of a failure", { accept = true }, function(host) host.well = false end, "failed", "failed" },
  }
  for _, row in ipairs(ROWS) do
    it("are told " .. row[1], function()
      local host = new_crm()
      local engine, time = open { host = host }
      local id = ask(engine, { trigger = "lead_status_set", lead_status = 5, contact = { id = 7, name = "Cy" } })
      local told = {}
      for _, hook in ipairs { "updated", "awaiting_confirmation", "unchanged", "failed" } do
        engine:on(hook, function(event, outcome) told[#told + 1] = { hook, event, outcome } end)
      end
      if row[3] then
        row[3](host)
      end
      time.now = START + 10
      local outcome = assert(engine:resolve(id, row[2], { actor = ANN }))
      assert.same(row[4] and { { row[4], {
        trigger = "lead_status_set", company = "Acme", lead_status = 5, sale = { id = 17, name = "Printers" },
        contact = { id = 7, name = "Cy" }, actor = ANN, at = START + 10,
      }, outcome } } or {}, told)
      assert.same({
        lead_status_set = { awaiting_confirmation = { matched = 1 }, [row[5]] = { matched = 1 } },
      }, engine:stats().outcomes)
      -- A refused answer is neither told nor counted.
      engine:resolve(id, { accept = true }, { actor = EVE })
      assert.equal(row[4] and 1 or 0, #told)
      assert.same({ matched = 1 }, engine:stats().outcomes.lead_status_set[row[5]])
      engine:close()
    end)
  end

  it("may raise: the answer stands", function()
    local engine = open()
    local id = ask(engine)
    engine:on("updated", function() error "no" end)
    assert.equal("updated", engine:resolve(id, { accept = true }).status)
    assert.same({ "accepted", 1 }, { engine:confirmation(id).state, engine:stats().hook_errors })
    engine:close()
  end)
end)
