--- A stand-in: who is asked instead of another user, as the integrator's `stand_in` says.

local asking = require "support.asking"
local core = require "leadcat.core"
local databases = require "support.databases"
local i18n = require "leadcat.words.i18n"
local json = require "leadcat.util.json"
local shared = require "support.shared"
local stores = require "support.stores"
local web = require "support.web"

local LEAD, CUSTOMER, PARTNER = 1, 5, 6 -- the preset's categories
local START = 1700000000
local ANN, BOB, EVE = asking.ANN, asking.BOB, asking.EVE
local ask, ids_of = asking.ask, asking.ids_of

local function code_of(_, _, code) return code end

-- Where companies are kept, and where the store is.
local PLACES = {
  { "the embedded host", function(options) return asking.open(options) end },
  { "a host of one's own", function(options)
    options.host = asking.new_crm()
    return asking.open(options)
  end },
}
if not os.getenv "LEADCAT_SLOW" then
  PLACES[3] = { "a shared store", function(options)
    options.shared, options.durability = shared.database(), "primary"
    local engine = stores.open(options)
    assert(engine:save(stores.config(asking.RULES)))
    engine.host:create_many({ "Acme", "Bolt" }, LEAD)
    return engine
  end }
end

for _, place in ipairs(PLACES) do
  describe("the question to a user who has a stand-in: " .. place[1], function()
    local engine, away, asked

    before_each(function()
      away, asked = { bob = EVE }, {}
      engine = place[2] { stand_in = function(user, tenant)
        asked[#asked + 1] = { user, tenant }
        return away[user.id]
      end }
    end)
    teardown(databases.stop)
    after_each(function()
      engine:close()
      shared.close()
      stores.check()
    end)

    it("is the stand-in's from the beginning", function()
      local id = ask(engine)
      local record = engine:confirmation(id)
      assert.same({ BOB, EVE, nil, BOB }, { record.actor, record.assigned.to, record.assigned.by,
        record.assigned.stands_in_for })
      assert.same({ { BOB, "" } }, asked)
      assert.same({ { id }, {} }, { ids_of(engine:confirmations { user = "eve" }),
        ids_of(engine:confirmations { user = "bob" }) })
      assert.equal("forbidden", code_of(engine:resolve(id, { accept = true }, { actor = BOB })))
      assert.equal("updated", assert(engine:resolve(id, { accept = true }, { actor = EVE })).status)
      assert.equal(CUSTOMER, engine.host.category "Acme")
      assert.same({ id = 17, name = "Printers" }, record.sale)
    end)

    it("is asked for where a user is asked only, and for each", function()
      away.bob = nil
      assert(engine:handle { trigger = "sale_lost", company = "Acme", actor = BOB }) -- a rule that does not ask
      assert.same({}, asked)
      local outcomes = assert(engine:handle_many {
        { trigger = "sale_won", company = "Bolt", category = LEAD, actor = ANN },
        { trigger = "sale_won", company = "Coil", category = LEAD, actor = BOB },
        { trigger = "sale_won", company = "Dyno", category = LEAD },
        { trigger = "sale_won", company = "Edge", category = LEAD, actor = BOB, choice = false },
      })
      assert.equal(2, #asked)
      for i = 1, 3 do
        assert.is_nil(engine:confirmation(outcomes[i].confirmation).assigned)
      end
      assert.equal("declined", outcomes[4].status)
    end)

    it("is given to the stand-in, too, when somebody gives it to that user", function()
      local id = ask(engine, { actor = ANN })
      assert.is_nil(engine:confirmation(id).assigned)
      local record = assert(engine:assign(id, { to = BOB }, { actor = ANN }))
      assert.same({ EVE, "ann", BOB }, { record.assigned.to, record.assigned.by.id, record.assigned.stands_in_for })
      assert.same({ id }, ids_of(engine:confirmations { user = "eve" }))
      local before = engine:confirmation(id)
      assert.same(before, assert(engine:assign(id, { to = BOB }, { actor = EVE }))) -- it is hers already
      away.bob, away.eve = nil, BOB
      assert.same(BOB, assert(engine:assign(id, { to = EVE }, { actor = EVE })).assigned.to)
    end)

    it("is not asked while nobody can say who is asked", function()
      for _, row in ipairs {
        { function() error "no calendar" end, "stand_in raised: .*no calendar" },
        { function() return "eve" end, "stand_in: the user: a user {id, name} expected" },
        { function() return { name = "Eve" } end, "stand_in: the user.id " },
        { function() return { id = "eve", name = 7 } end, "stand_in: the user.name: a text" },
      } do
        local before = #engine:history()
        setmetatable(away, { __index = row[1] })
        away.bob = nil
        local outcome, message, code = engine:handle { trigger = "sale_won", company = "Acme", actor = BOB }
        assert.same({ nil, "unavailable" }, { outcome, code })
        assert.matches(row[2], message)
        assert.equal(before, #engine:history())
      end
      setmetatable(away, nil)
      assert.is_string(ask(engine))
    end)

    it("is nobody else's when that user stands in for himself, or nobody does", function()
      for _, instead in ipairs { { id = "bob", name = "Robert" }, false } do
        away.bob = instead
        assert.is_nil(engine:confirmation(ask(engine)).assigned)
      end
      away = {}
      assert.is_nil(engine:confirmation(ask(engine)).assigned)
    end)
  end)
end

describe("a stand-in", function()
  local engine, path, time

  local function start(options)
    options.stand_in = options.stand_in or function(user) return user.id == "bob" and EVE or nil end
    engine, time, path = asking.open(options)
  end

  after_each(function()
    engine:close()
    assert.same({}, core.check_store(path))
    stores.check()
  end)

  it("is asked also what was scheduled, and what a guard has passed or turned", function()
    start {}
    local cfg = stores.config { sale_won = { CUSTOMER, ask = true, after = { hours = 1 } } }
    assert(engine:save(cfg))
    engine:on("guard", function() return PARTNER end)
    assert.equal("scheduled", assert(engine:handle { trigger = "sale_won", company = "Acme", actor = BOB }).status)
    time.now = START + 3600
    assert(engine:maintain())
    local record = engine:confirmations()[1]
    assert.same({ EVE, PARTNER }, { record.assigned.to, record.to })
  end)

  it("is asked for nothing that is only foreseen", function()
    start { stand_in = function() error "asked" end }
    assert.equal("Bob", assert(engine:propose { trigger = "sale_won", company = "Acme", actor = BOB }).owner)
  end)

  it("may have an id of any bytes, or a number", function()
    local ids = { "\255\1", 7 }
    start { stand_in = function() return { id = table.remove(ids, 1), more = "is not kept" } end }
    for _, id in ipairs { "\255\1", 7 } do
      local record = engine:confirmation(ask(engine))
      assert.same({ id = id }, record.assigned.to)
      assert.equal(1, engine:count_confirmations { user = id, state = "open" })
    end
  end)

  it("is named in every language, and in a host's own text", function()
    start {}
    local record = engine:confirmation(ask(engine))
    local said = {}
    for _, language in ipairs(i18n.LANGUAGES) do
      local view = engine:view(record, { actor = { id = 1, language = language } })
      assert.truthy(view.assigned:find("Eve", 1, true) and view.assigned:find("Bob", 1, true))
      assert.is_nil(said[view.assigned])
      said[view.assigned] = true
      assert.truthy(engine:render(view, "text"):find("Eve", 1, true))
    end
    record = assert(engine:assign(record.id, { to = ANN }, { actor = EVE }))
    record = assert(engine:assign(record.id, { to = BOB }, { actor = ANN }))
    assert.matches("Ann.* gave this question to .*Eve.* Eve.* is asked in place of .*Bob",
      (engine:view(record).assigned:gsub("\226\129[\168\169]", "")))
  end)

  it("is forgotten, and so is whose place was taken", function()
    start {}
    local id, given = ask(engine), ask(engine, { company = "Bolt", actor = ANN })
    assert(engine:assign(given, { to = { id = "bob" } }, { actor = ANN }))
    assert(engine:forget({ actor = "bob" }, { actor = ANN }))
    assert.same({}, engine:confirmation(given).assigned.stands_in_for)
    assert.same({ to = EVE, at = START, stands_in_for = {} }, engine:confirmation(id).assigned)
    assert(engine:forget({ actor = "eve" }, { actor = ANN }))
    assert.same({ to = {}, at = START, stands_in_for = {} }, engine:confirmation(id).assigned)
    assert.is_nil(json.encode(engine:confirmation(id)):find("[Bb]ob"))
  end)

  it("must be a function", function()
    start {}
    local ok, message = pcall(stores.open, { stand_in = EVE })
    assert.is_false(ok)
    assert.matches("stand_in", message)
  end)
end)

describe("over HTTP, a stand-in", function()
  after_each(stores.check)

  it("has the question in the inbox, and sees in whose place", function()
    local site = web.new_site { stand_in = function(user) return user.id == "bob" and web.ACTORS.eve or nil end }
    local id = web.question(site)
    local _, record = web.call(site, "GET", "/leadcat/api/confirmations/" .. id, { as = "eve" })
    assert.same({ "eve", "bob" }, { record.assigned.to.id, record.assigned.stands_in_for.id })
    for _, path in ipairs { "/leadcat/confirmations", "/leadcat/confirmations/" .. id } do
      local page = web.ask(site, "GET", path, { as = "eve" }).body:gsub("\226\129[\168\169]", "")
      web.contains(page, "Eve is asked in place of Bob.")
    end
    assert.equal(200, (web.call(site, "POST", "/leadcat/api/confirmations/" .. id, { as = "eve",
      json = { accept = true } })))
    site.engine:close()
  end)
end)
