-- An open question is given to somebody else: whose it is then, who may do that, and who is told.

local asking = require "support.asking"
local core = require "leadcat.core"
local stores = require "support.stores"

local CUSTOMER, PARTNER = 5, 6 -- the preset's categories
local START = 1700000000
local ANN, BOB, EVE = asking.ANN, asking.BOB, asking.EVE
local open, ask, ids_of = asking.open, asking.ask, asking.ids_of

local function code_of(_, _, code) return code end

describe("a question that is given to somebody else", function()
  local engine, time, path

  local function start(options)
    engine, time, path = open(options)
  end

  before_each(function() start() end)
  after_each(function()
    engine:close()
    assert.same({}, core.check_store(path))
    stores.check()
  end)

  local function mine(user)
    return ids_of(assert(engine:confirmations { user = user.id, state = "open" }))
  end

  it("is that person's from then on, and not the other's", function()
    local id = ask(engine)
    time.now = START + 60
    local record = assert(engine:assign(id, { to = EVE }, { actor = BOB }))
    assert.same({ "open", BOB, { to = EVE, by = BOB, at = START + 60 } },
      { record.state, record.actor, record.assigned })
    assert.same(record, engine:confirmation(id))
    assert.same({ {}, { id } }, { mine(BOB), mine(EVE) })
    assert.same({ 0, 1 }, { engine:count_confirmations { user = "bob" }, engine:count_confirmations { user = "eve" } })
    assert.equal("forbidden", code_of(engine:resolve(id, { accept = true }, { actor = BOB })))
    assert.equal("forbidden", code_of(engine:assign(id, { to = BOB }, { actor = BOB })))
    assert.equal("updated", engine:resolve(id, { accept = true }, { actor = EVE }).status)
    record = engine:confirmation(id)
    assert.same({ "accepted", EVE, { to = EVE, by = BOB, at = START + 60 } },
      { record.state, record.resolved_by, record.assigned })
    assert.same({ CUSTOMER, {} }, { engine.host:get "Acme", mine(EVE) })
  end)

  -- Who gives a question of Bob's, and whether that is allowed.
  local ROWS = {
    { "whose it is", BOB, true }, { "an administrator", ANN, true }, { "the program", nil, true },
    { "somebody else", EVE, false }, { "who has no id", {}, false },
    { "a service", { id = "s", service = true }, false },
  }
  for _, row in ipairs(ROWS) do
    it(("%s given by %s"):format(row[3] and "is" or "is not", row[1]), function()
      local id = ask(engine)
      local record, message, code = engine:assign(id, { to = EVE }, { actor = row[2] })
      assert.equal(row[3], record ~= nil, message)
      assert.same(not row[3] and "forbidden" or nil, code)
      assert.equal(row[3] and "eve" or nil, (engine:confirmation(id).assigned or { to = {} }).to.id)
    end)
  end

  it("is given as the host says", function()
    engine:close()
    local given, says = nil, false
    start { host = require "leadcat.host.lmdb".new { can = function(...)
      given = { ... }
      return says, "not today"
    end } }
    local id = ask(engine)
    local _, message, code = engine:assign(id, { to = EVE }, { actor = ANN })
    assert.same({ "not today", "forbidden" }, { message, code })
    assert.same({ ANN, "assign", engine:confirmation(id), "" }, given)
    says = true
    assert.equal("eve", engine:assign(id, { to = EVE }, { actor = BOB }).assigned.to.id)
  end)

  it("goes on to others, and back", function()
    local id = ask(engine)
    assert(engine:assign(id, { to = EVE }, { actor = BOB }))
    assert(engine:assign(id, { to = { id = 7 } }, { actor = EVE }))
    assert.same({ {}, {}, { id } }, { mine(BOB), mine(EVE), mine { id = "7" } })
    assert.same({ to = { id = 7 }, by = EVE, at = START }, engine:confirmation(id).assigned)
    assert.equal("forbidden", code_of(engine:resolve(id, { decline = true }, { actor = EVE })))
    assert(engine:assign(id, { to = BOB }, { actor = { id = "7" } }))
    assert.same({ { id }, {}, {} }, { mine(BOB), mine(EVE), mine { id = 7 } })
    assert.equal("changed", (function()
      assert(engine:resolve(id, { category = PARTNER }, { actor = BOB }))
      return engine:confirmation(id).state
    end)())
  end)

  it("stays as it is when it is that person's already", function()
    local id = ask(engine)
    local before = engine:changes("newest") and select(2, engine:changes "newest")
    assert.is_nil(assert(engine:assign(id, { to = { id = "bob", name = "Robert" } }, { actor = ANN })).assigned)
    assert.same({}, (engine:changes(before)))
  end)

  it("may be one that the program has asked", function()
    local id = ask(engine, { actor = false })
    assert.same({ to = BOB, at = START }, assert(engine:assign(id, { to = BOB })).assigned)
    assert.equal("updated", engine:resolve(id, { accept = true }, { actor = BOB }).status)
  end)

  it("keeps what it was about", function()
    local id = ask(engine, { contact = { id = 3, name = "Zoë \"Z\"" }, sale = { id = 17, name = "Größe\n" } })
    local before = engine:confirmation(id)
    local after = assert(engine:assign(id, { to = { id = "\255\1", name = "Ü" } }, { actor = ANN }))
    assert.equal("\255\1", after.assigned.to.id) -- JSON does not keep every byte
    after.assigned = nil
    assert.same(before, after)
  end)

  it("is not given when it is closed, or not there, or to nobody", function()
    local id, gone = ask(engine), ("0"):rep(32)
    local BAD = {
      { {}, "to: a user {id, name} expected" }, { { to = "eve" }, "to: a user" }, { { to = {} }, "to.id" },
      { { to = { id = "" } }, "to.id" }, { { to = { id = "e", name = 3 } }, "to.name" },
      { { to = { id = "e", name = ("n"):rep(201) } }, "to.name: a text of at most 200 bytes" },
    }
    for _, row in ipairs(BAD) do
      local record, message, code = engine:assign(id, row[1])
      assert.same({ nil, "invalid" }, { record, code })
      assert.matches(row[2], message, 1, true)
    end
    assert.equal("not_found", code_of(engine:assign(gone, { to = EVE })))
    assert(engine:resolve(id, { decline = true }, { actor = BOB }))
    local _, message, code, record = engine:assign(id, { to = EVE }, { actor = BOB })
    assert.same({ "already_resolved", "declined" }, { code, record.state })
    assert.matches("Bob kept the category", message)
    local late = ask(engine, { company = "Bolt" })
    time.now = START + 10 ^ 9
    assert.equal("expired", code_of(engine:assign(late, { to = EVE }, { actor = BOB })))
    assert.error_matches(function() engine:assign(7, { to = EVE }) end, "id: a string expected, got number")
    assert.error_matches(function() engine:assign(id, 7) end, "a table {to = {id, name}} expected, got number", 1, true)
  end)

  it("is told in the sequence of what was done, and to who is notified", function()
    local id = ask(engine)
    local asked = engine:changes()[1]
    assert(engine:assign(id, { to = EVE }, { actor = BOB }))
    local change = assert(engine:changes(asked.cursor))[1]
    assert.same({ "assigned", asked.entry, engine:confirmation(id) },
      { change.kind, change.entry, change.confirmation })
    local notices = require "leadcat.operations.notices"
    local told = notices.told(change)
    assert.same({ "question.assigned", START, "eve" }, { told.type, told.at, told.confirmation.assigned.to.id })
    assert.not_equal(notices.told(asked).id, told.id)
    assert.same(told, notices.find(engine, told.id))
    assert(engine:resolve(id, { accept = true }, { actor = EVE }))
    local kinds = {}
    for i, done in ipairs(assert(engine:changes())) do
      kinds[i] = done.kind
    end
    assert.same({ "asked", "assigned", "ended", "closed" }, kinds)
  end)

  it("says whose it is, in the reader's language", function()
    local id = ask(engine)
    assert(engine:assign(id, { to = EVE }, { actor = BOB }))
    local view = engine:view(engine:confirmation(id), { actor = ANN })
    assert.same({ "Bob", "Eve" }, { view.user, view.owner })
    assert.equal("Bob gave this question to Eve on 14 Nov 2023, 22:13 UTC.", view.assigned)
    assert.matches("Bob gave this question to Eve", engine:render(view, "text"), 1, true)
    assert.matches("Bob gave this question to Eve", engine:render(view, "html"), 1, true)
    local own = engine:view(engine:confirmation(ask(engine, { company = "Bolt" })))
    assert.same({ "Bob" }, { own.owner, own.assigned })
  end)

  it("is given by one of two who try at once, or by both after each other", function()
    local id = ask(engine)
    local store = engine._store
    local stored = store:confirmation("", id)
    assert(engine:assign(id, { to = EVE }, { actor = BOB }))
    local code = code_of(store:assign("", id, {
      company = stored.company, entry = stored.entry, before = stored.body, body = "{}", user = "bob",
    }, START))
    assert.same({ "conflict", { id } }, { code, mine(EVE) })
  end)

  it("forgets who it was given to, and by whom", function()
    local id = ask(engine)
    assert(engine:assign(id, { to = EVE }, { actor = BOB }))
    assert(engine:forget({ actor = "eve" }, { actor = ANN }))
    local record = engine:confirmation(id)
    assert.same({ { to = {}, by = BOB, at = START }, BOB, {} }, { record.assigned, record.actor, mine(EVE) })
    assert.equal("forbidden", code_of(engine:resolve(id, { accept = true }, { actor = EVE })))
    assert(engine:forget({ actor = "bob" }, { actor = ANN }))
    record = engine:confirmation(id)
    assert.same({ { to = {}, by = {}, at = START }, {} }, { record.assigned, record.actor })
    assert.equal("updated", engine:resolve(id, { accept = true }, { actor = ANN }).status)
  end)
end)
