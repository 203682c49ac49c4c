-- The embedded host keeps the companies in the store itself.

local hosting = require "support.hosting"
local lmdb = require "leadcat.host.lmdb"
local stores = require "support.stores"

local LEAD, OPPORTUNITY, CUSTOMER = 1, 3, 5 -- the preset's categories
local open = hosting.open

describe("the embedded host", function()
  after_each(stores.check)

  it("keeps companies, each in a category", function()
    local engine, _, path = open()
    local host = engine.host
    assert.is_nil(host:get "Acme")
    assert.is_true(host:create("Acme", LEAD))
    assert.equal(LEAD, host:get "Acme")
    assert.equal(LEAD, host.category "Acme")
    engine:close()
    engine = open(nil, { path = path })
    assert.equal(LEAD, engine.host:get "Acme")
    engine:close()
  end)

  it("has each company once, by the text of its id", function()
    local engine = open()
    assert.is_true(engine.host:create(42, LEAD))
    for _, id in ipairs { 42, "42" } do
      local created, message, code = engine.host:create(id, CUSTOMER)
      assert.is_nil(created)
      assert.same({ "company 42 exists already", "conflict" }, { message, code })
      assert.equal(LEAD, engine.host:get(id))
    end
    assert.equal(2, engine.host:create_many({ 41, "42", 43 }, CUSTOMER))
    assert.same({ CUSTOMER, LEAD, CUSTOMER }, { engine.host:get(41), engine.host:get(42), engine.host:get "43" })
    assert.equal(1, engine.host:create_many({ "new", "new" }, LEAD))
    assert.equal(0, engine.host:create_many({}, LEAD))
    engine:close()
  end)

  it("changes a category by compare-and-set", function()
    local engine = open()
    local set = engine.host.set_category
    engine.host:create("Acme", LEAD)
    assert.same({ nil, "conflict" }, { set("Acme", CUSTOMER, OPPORTUNITY) })
    assert.equal(LEAD, engine.host:get "Acme")
    assert.is_true(set("Acme", CUSTOMER, LEAD))
    assert.equal(CUSTOMER, engine.host:get "Acme")
    local ok, message = set("Nobody", CUSTOMER, LEAD)
    assert.is_nil(ok)
    assert.is_true(message ~= nil and message ~= "conflict")
    engine:close()
  end)

  it("belongs to a tenant", function()
    local engine = open()
    local north = engine:tenant "north"
    engine.host:create("Acme", LEAD)
    assert.is_nil(north.host:get "Acme")
    assert.is_true(north.host:create("Acme", CUSTOMER))
    assert.same({ LEAD, CUSTOMER }, { engine.host:get "Acme", north.host:get "Acme" })
    local listed = {}
    for company, category in north.host:companies() do
      listed[company] = category
    end
    assert.same({ Acme = CUSTOMER }, listed)
    engine:close()
  end)

  it("goes through all companies, however many, with their ids' types", function()
    for _, count in ipairs { 0, 1, 999, 1000, 1001, 2000, 2500 } do
      local engine = open()
      local ids, expected = {}, {}
      for i = 1, count do
        ids[i] = i % 3 == 0 and i * 7919 or i % 3 == 1 and "company " .. i or tostring(-i)
        expected[ids[i]] = LEAD
      end
      assert.equal(count, engine.host:create_many(ids, LEAD))
      local found, number = {}, 0
      for company, category in engine.host:companies() do
        found[company], number = category, number + 1
      end
      assert.equal(count, number)
      assert.same(expected, found)
      engine:close()
    end
  end)

  it("goes on after what was created meanwhile, and is changed by events", function()
    local engine = open()
    engine.host:create_many({ 1, 2, 3 }, LEAD)
    engine:handle_many { { trigger = "sale_won", company = 2 }, { trigger = "sale_registered", company = "3" } }
    local found = {}
    for company, category in engine.host:companies() do
      found[#found + 1] = ("%s %d"):format(tostring(company), category)
    end
    table.sort(found)
    assert.same({ "1 1", "2 5", "3 3" }, found)
    engine:close()
  end)

  it("takes only companies and categories that can be", function()
    local engine = open()
    local host = engine.host
    for _, row in ipairs {
      { "company must have 1 to 255 bytes", function() host:create("", LEAD) end },
      { "company must have 1 to 255 bytes", function() host:create(("x"):rep(256), LEAD) end },
      { "company must be a string or an integer", function() host:create(1.5, LEAD) end },
      { "company must be a string or an integer", function() host:create_many({ {} }, LEAD) end },
      { "company must be a string or an integer", function() host:get(nil) end },
      { "integer from 1 to 2147483647 expected", function() host:create("Acme", 0) end },
      { "integer from 1 to 2147483647 expected", function() host:create("Acme", 2 ^ 31) end },
      { "integer from 1 to 2147483647 expected", function() host:create("Acme", 1.5) end },
      { "number expected, got string", function() host:create("Acme", "1") end },
      { "unknown option 'cam' %(there are can, facts, fields, licensed, sales%)",
        function() lmdb.new { cam = print } end },
      { "option 'can': a function expected, got boolean", function() lmdb.new { can = true } end },
    } do
      assert.error_matches(row[2], row[1])
    end
    for _ in host:companies() do
      error "something was created"
    end
    engine:close()
  end)
end)
