-- The sequence of all that was done: `engine:changes`, and how long it is kept.

local asking = require "support.asking"
local core = require "leadcat.core"
local crm = require "support.crm"
local stores = require "support.stores"

local CUSTOMER, OPPORTUNITY = 5, 3 -- the preset's categories
local NOW, DAY = 1700000000, 24 * 3600
local ANN, BOB = asking.ANN, asking.BOB

describe("engine:changes", function()
  local now, engine, path

  local function open(options)
    options = options or {}
    options.path, options.clock = path, function() return now end
    options.durability = "relaxed"
    engine = stores.open(options)
    return engine
  end

  local function save(rules)
    assert(engine:save(stores.config(rules), { actor = ANN }))
  end

  before_each(function()
    now, path = NOW, stores.path()
  end)
  after_each(function()
    engine:close()
    assert.same({}, core.check_store(path))
    stores.check()
  end)

  local function won(company)
    now = now + 1
    return assert(engine:handle { trigger = "sale_won", company = company, actor = BOB })
  end

  -- What was done, as words, and the cursor behind it.
  local function told(after, options)
    local found, going_on = assert(engine:changes(after, options))
    for i, change in ipairs(found) do
      local question = change.confirmation
      found[i] = change.kind .. " " .. change.entry.status .. (question and " " .. question.state or "")
    end
    return found, going_on
  end

  it("has what was done, once and in order, and says where to go on", function()
    open()
    save { sale_won = CUSTOMER, sale_registered = { OPPORTUNITY, ask = true } }
    assert(engine.host:create_many({ "Acme", "Bolt" }, 1))
    local found, start = told()
    assert.same({}, found)
    won "Acme"
    local asked = assert(engine:handle { trigger = "sale_registered", company = "Bolt", actor = BOB })
    assert.same({ "ended updated", "asked awaiting_confirmation open" }, (told()))
    assert(engine:resolve(asked.confirmation, { decline = true }, { actor = BOB }))
    local all, last = told()
    assert.same({
      "ended updated", "asked awaiting_confirmation declined", "ended declined", "closed declined declined",
    }, all)
    assert.same({}, (told(last)))
    assert.same(all, (told(start)))
    local page, cursor = {}, nil
    repeat
      local some
      some, cursor = told(cursor, { limit = 1 })
      page[#page + 1] = some[1]
    until #some == 0
    assert.same(all, page)
    assert.same({}, (told "newest"))
    local _, newest = told "newest"
    assert(engine:undo(engine:history({ company = "Acme" })[1].entry, { actor = ANN }))
    assert.same({ "ended updated" }, (told(newest)))
    assert.same({}, (engine:tenant("another"):changes()))
  end)

  it("shows entries and questions as history and inbox do", function()
    open()
    save { sale_won = { CUSTOMER, ask = true } }
    assert(engine.host:create("Acme", 1))
    local outcome = won "Acme"
    local change = assert(engine:changes())[1]
    assert.same(engine:history()[1], change.entry)
    assert.same(engine:confirmation(outcome.confirmation), change.confirmation)
  end)

  it("has a change of a host when it has ended, and again when it was tried again", function()
    local host, fails = crm.new { Acme = 1 }, true
    local set = host.set_category
    function host.set_category(...)
      if fails then
        return nil, "no right", "refused"
      end
      return set(...)
    end
    open { host = host }
    save { sale_won = CUSTOMER }
    local outcome = won "Acme"
    local found, cursor = told()
    assert.same({ "ended failed" }, found)
    fails = false
    assert(engine:retry(outcome.entry, { actor = ANN }))
    assert.same({ "ended updated" }, (told(cursor)))
  end)

  it("has what is scheduled or applying only when it has ended", function()
    open()
    local cfg = stores.config { sale_won = CUSTOMER }
    cfg.rules[#cfg.rules + 1] = { trigger = "sale_lost", enabled = true, set_category = 7, after = { days = 1 } }
    assert(engine:save(cfg, { actor = ANN }))
    assert(engine.host:create("Acme", 1))
    assert.equal("scheduled", engine:handle({ trigger = "sale_lost", company = "Acme" }).status)
    assert.same({}, (told()))
    now = now + 2 * DAY
    assert(engine:maintain())
    assert.same({ "ended carried_out", "ended updated" }, (told()))
  end)

  it("is behind what retention has removed: expired, with the start", function()
    open { retention = { age = 10 * DAY, count = false } }
    save { sale_won = CUSTOMER }
    assert(engine.host:create_many({ "A", "B", "C" }, 1))
    won "A"
    local _, first = told()
    won "B"
    now = now + 20 * DAY
    won "C"
    local _, last = told()
    assert(engine:maintain())
    local found, message, code, start = engine:changes(first)
    assert.is_nil(found)
    assert.same({ "expired", "string", "string" }, { code, type(message), type(start) })
    assert.same({ "ended updated" }, (told(start)))
    assert.same({ "ended updated" }, (told()))
    assert.same({}, (told(last)))
  end)

  it("waits for a change, and not where nothing may", function()
    open()
    save { sale_won = CUSTOMER }
    assert(engine.host:create("Acme", 1))
    local begun = core.uptime()
    assert.same({}, (engine:changes(nil, { wait = 0.3 })))
    assert.is_true(core.uptime() - begun >= 0.3)
    won "Acme"
    assert.same(1, #engine:changes(nil, { wait = 30 }))
  end)

  it("refuses what is no cursor, and raises for wrong options", function()
    open()
    for _, text in ipairs { "x", "", "-1", "1e3", ("9"):rep(17) } do
      assert.equal("invalid", (select(3, engine:changes(text))))
    end
    assert.has_error(function() engine:changes(7) end, "after: a cursor, a string, expected, got number")
    assert.has_error(function() engine:changes(nil, { wait = 31 }) end)
    assert.has_error(function() engine:changes(nil, { timeout = 1 }) end)
  end)
end)
