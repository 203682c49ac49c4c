--- Nodes that share a store: each has a directory of its own, with a copy of the rules, and one database has all else.

local core = require "leadcat.core"
local crm = require "support.crm"
local databases = require "support.databases"
local leadcat = require "leadcat"
local pg = require "leadcat.store.pg"
local schema = require "leadcat.store.sql.schema"
local shared = require "support.shared"
local stores = require "support.stores"

local SLOW = os.getenv "LEADCAT_SLOW"
local LEAD, OPPORTUNITY, CUSTOMER, LOST = 1, 3, 5, 7

local function won(fields)
  local event = { trigger = "sale_won", company = 42, category = LEAD }
  for name, value in pairs(fields or {}) do
    event[name] = value
  end
  return event
end

describe("nodes that share a store", function()
  if SLOW then
    return
  end
  local url, pool

  before_each(function() url, pool = shared.database() end)
  after_each(function()
    shared.close()
    stores.check()
  end)
  teardown(databases.stop)

  -- Two nodes, with rules.
  local function open_two(rules, options)
    local first = shared.open(url, options)
    assert(first:save(stores.config(rules or { sale_won = CUSTOMER })))
    return first, (shared.open(url, options))
  end

  describe("rules", function()
    it("that one has saved decide on the other within a second", function()
      local first, second = open_two()
      local decide = second:decider()
      assert.equal(CUSTOMER, select(2, decide("sale_won", LEAD)))
      assert(first:save(stores.config { sale_won = LOST }))
      local deadline = core.uptime() + 1
      local to
      repeat
        core.sleep(0.05)
        to = select(2, second:decide("sale_won", LEAD))
      until to == LOST or core.uptime() > deadline
      assert.equal(LOST, to)
      assert.equal(LOST, select(2, decide("sale_won", LEAD)))
      first:close()
      second:close()
    end)

    it("that are not the newest write nothing: the newest decide", function()
      local first, second = open_two()
      for revision = 2, 6 do
        assert(first:save(stores.config { sale_won = revision % 2 == 0 and LOST or CUSTOMER }))
        local outcome = assert(second:handle(won { id = "e" .. revision }))
        assert.same({ revision, revision % 2 == 0 and LOST or CUSTOMER }, { outcome.revision, outcome.to })
      end
      first:close()
      second:close()
    end)

    it("are saved by one of two who have changed the same revision", function()
      local first, second = open_two()
      assert.equal(2, first:save(stores.config { sale_won = LOST }, { revision = 1 }))
      assert.equal("stale", select(3, second:save(stores.config { sale_won = OPPORTUNITY }, { revision = 1 })))
      assert.equal(3, second:save(stores.config { sale_won = OPPORTUNITY }))
      assert.same({ 3, 2, 1 }, { first:revisions()[1].revision, first:revisions()[2].revision,
        first:revisions()[3].revision })
      assert.equal(LOST, first:config(2).rules[1].set_category)
      first:close()
      second:close()
    end)

    it("go on deciding while the database is away, where events are unavailable", function()
      local first = shared.open(url, {})
      assert(first:save(stores.config { sale_won = CUSTOMER }))
      local decide = first:decider()
      databases.stop()
      assert.equal(CUSTOMER, select(2, first:decide("sale_won", LEAD)))
      assert.equal(CUSTOMER, select(2, decide("sale_won", LEAD)))
      assert.equal("unavailable", select(3, first:handle(won())))
      first:close()
    end)

    it("are those of a database that was restored from an older backup", function()
      local first, second = open_two()
      assert(first:save(stores.config { sale_won = LOST }))
      assert(second:handle(won { company = 1 }))
      shared.run(pool, "DELETE FROM leadcat.config WHERE revision = 2")
      shared.run(pool, "UPDATE leadcat.meta SET value = value - 1 WHERE name = 'configs'")
      for _, engine in ipairs { first, second } do
        assert.equal(CUSTOMER, assert(engine:handle(won { company = 2 })).to)
        assert.equal(1, engine:config().revision)
        engine:close()
      end
    end)

    it("are those of a restored database also where it has gone other ways since", function()
      local first, path = shared.open(url)
      assert(first:save(stores.config { sale_won = CUSTOMER }))
      assert(first:save(stores.config { sale_won = LOST }))
      first:close()
      shared.run(pool, "DELETE FROM leadcat.config WHERE revision = 2")
      shared.run(pool, "UPDATE leadcat.meta SET value = value - 1 WHERE name = 'configs'")
      local second = shared.open(url)
      assert(second:save(stores.config { sale_won = OPPORTUNITY }))
      second:close()
      first = shared.open(url, { path = path })
      assert.equal(OPPORTUNITY, select(2, first:decide("sale_won", LEAD)))
      first:close()
    end)

    it("are those of the database that a node is given, also with the directory of another one", function()
      local first, path = shared.open(url, { triggers = { { trigger = "paid" }, { trigger = "moved" } } })
      assert(first:save(stores.config { sale_won = CUSTOMER, paid = LOST }))
      assert(first:tenant "t":save(stores.config { sale_won = CUSTOMER }))
      first:close()
      local other = shared.open((shared.database()), { triggers = { { trigger = "moved" } } })
      assert(other:save(stores.config { moved = OPPORTUNITY }))
      local other_url = other._store.database.info
      other:close()
      local engine = shared.open(("postgresql://leadcat@127.0.0.1:%d/%s?sslmode=disable"):format(
        other_url.hosts[1].port, other_url.database), { path = path })
      assert.equal(OPPORTUNITY, select(2, engine:decide("moved", LEAD)))
      assert.equal("rule_disabled", select(3, engine:decide("sale_won", LEAD)))
      assert.equal(0, engine:tenant "t":config().revision)
      assert.equal("moved", engine._store:triggers()[1])
      engine:close()
    end)
  end)

  describe("events", function()
    it("are handled once, with the same key, whichever node they reach", function()
      local first, second = open_two()
      local outcome = assert(first:handle(won { id = "x" }))
      local again = assert(second:handle(won { id = "x" }))
      assert.same({ "duplicate", outcome.key, outcome.entry }, { again.status, again.first.key, again.entry })
      assert.equal(1, #second:history {})
      first:close()
      second:close()
    end)

    it("of a host of one's own are finished by another node, with the same key, once the claim has run out", function()
      local host = crm.new { acme = LEAD }
      local set_category, keys = host.set_category, {}
      host.set_category = function(_, _, _, outcome)
        keys[#keys + 1] = outcome.key
        return nil, "away"
      end
      local first, second = open_two(nil, { host = host })
      local outcome = first:handle { trigger = "sale_won", company = "acme", id = "x" }
      assert.equal("failed", outcome.status)
      host.set_category = function(company, to, from, told, ...)
        keys[#keys + 1] = told.key
        return set_category(company, to, from, told, ...)
      end
      assert(first._store:claim("", "acme", true, 0, 30))
      assert.equal("conflict", select(3, second._store:claim("", "acme", true, 0, 30)))
      shared.run(pool, "UPDATE leadcat.company SET deadline = 0, retry_at = 0")
      assert.same({ finished = 1, failed = 0, busy = 0 }, second:recover())
      assert.equal(CUSTOMER, host.category "acme")
      assert.same({ outcome.key, outcome.key }, keys)
      assert.equal("updated", first:history {}[1].status)
      first:close()
      second:close()
    end)

    it("that ask are answered once", function()
      local first, second = open_two { sale_won = { CUSTOMER, ask = true } }
      assert(first._store:create("", { { company = "acme" } }, LEAD))
      local asked = assert(second:handle { trigger = "sale_won", company = "acme" })
      assert.equal("updated", assert(first:resolve(asked.confirmation, { accept = true })).status)
      assert.equal("already_resolved", select(3, second:resolve(asked.confirmation, { accept = true })))
      assert.equal(CUSTOMER, second._store:company("", "acme"))
      first:close()
      second:close()
    end)
  end)

  describe("deliveries", function()
    local function put(engine, key, most)
      return engine._store:put_delivery("", { key = (key .. "................"):sub(1, 16), hook = "h", body = key }, 0,
        most or 100)
    end

    it("are taken by one node each, and by another one when its time is over", function()
      local first, second = open_two()
      local ids = {}
      for i = 1, 20 do
        ids[i] = assert(put(i % 2 == 0 and first or second, "k" .. i))
      end
      assert.same({ ids[7], false }, { put(first, "k7") })
      local taken = assert(first._store:take_deliveries("", "h", 0, 60, 12))
      local rest = assert(second._store:take_deliveries("", "h", 0, 60, 12))
      for _, delivery in ipairs(rest) do
        taken[#taken + 1] = delivery
      end
      for i, delivery in ipairs(taken) do
        assert.equal(ids[i], delivery.id)
      end
      assert.same({ 20, {} }, { #taken, first._store:take_deliveries("", "h", 0, 60, 12) })
      shared.run(pool, "UPDATE leadcat.delivery SET due = 0 WHERE body = 'k3'")
      local again = second._store:take_deliveries("", "h", 0, 60, 12)
      assert.same({ 1, ids[3], 2 }, { #again, again[1].id, again[1].attempts })
      local late = { id = ids[3], state = "done", attempts = 1 }
      assert(first._store:end_deliveries("", { late }))
      assert.is_true(late.lost)
      assert.equal("unavailable", select(3, put(first, "new", 20)))
      first:close()
      second:close()
    end)

    it("that a node is taking hold up no other one, and are not taken twice", function()
      local engine = shared.open(url)
      local a, b = assert(put(engine, "a")), assert(put(engine, "b"))
      local session = assert(pool:acquire())
      assert(session:run(pg.statement "BEGIN"))
      assert(session:run(pg.statement("UPDATE leadcat.delivery SET attempts = 1, due = due + 60000000 WHERE id = "
        .. ("%.0f"):format(a))))
      local taken = assert(engine._store:take_deliveries("", "h", 0, 60, 9))
      assert.same({ 1, b }, { #taken, taken[1].id })
      assert(session:run(pg.statement "COMMIT"))
      pool:release(session)
      assert.same({}, engine._store:take_deliveries("", "h", 0, 60, 9))
      engine:close()
    end)

    it("are stored by whole texts of the lengths that the store of one machine takes", function()
      local engine = shared.open(url)
      for _, item in ipairs {
        { key = "short", hook = "h", body = "" }, { key = ("k"):rep(16), hook = "", body = "" },
        { key = ("k"):rep(16), hook = "h", body = ("b"):rep(262145) },
      } do
        assert.has_error(function() engine._store:put_delivery("", item, 0, 1) end)
      end
      assert(engine._store:put_delivery("", { key = ("\0"):rep(16), hook = "h", body = ("\0\255"):rep(131072) }, 0, 1))
      assert.equal(262144, #engine._store:take_deliveries("", "h", 0, 60, 1)[1].body)
      engine:close()
    end)
  end)

  describe("the tables", function()
    it("of each older version are brought here by an upgrade, with what is in them", function()
      local today = schema.VERSION
      for version = 1, today - 1 do
        local old_url, old = shared.database(true)
        schema.VERSION = version
        local made, message = schema.upgrade(old)
        schema.VERSION = today
        assert(made, message)
        shared.run(old, "INSERT INTO leadcat.company (tenant, company, version, newest, category, changed, is_integer) "
          .. "VALUES ('', 'acme', 1, 0, 5, 0, false)")
        assert.equal("conflict", select(3, leadcat.open { path = stores.path(), shared = old_url }))
        assert.same({ version, today }, { schema.upgrade(old), schema.version(old) })
        assert.same({}, schema.missing(old))
        local engine = shared.open(old_url)
        assert.equal(CUSTOMER, engine._store:company("", "acme"))
        engine:close()
      end
    end)
  end)

  describe("leadcat.open", function()
    it("refuses a server that does not replicate synchronously, unless one machine is enough", function()
      local engine, message, code = leadcat.open { path = stores.path(), shared = url }
      assert.same({ nil, "unavailable" }, { engine, code })
      assert.matches("synchronous_standby_names", message)
    end)

    it("refuses a database without tables, or with those of a newer leadcat", function()
      local function open(where)
        local _, message, code = leadcat.open { path = stores.path(), shared = where, durability = "primary" }
        return message, code
      end
      local message, code = open((shared.database(true)))
      assert.equal("not_found", code)
      assert.matches("leadcat shared init", message)
      shared.run(pool, "UPDATE leadcat.meta SET value = 99 WHERE name = 'format'")
      message, code = open(url)
      assert.equal("conflict", code)
      assert.matches("version 99", message)
    end)

    it("keeps the directories of nodes and of stores of one machine apart", function()
      local alone, path = stores.open()
      assert(alone:save(stores.config { sale_won = CUSTOMER }))
      alone:close()
      local _, message, code = leadcat.open { path = path, shared = url, durability = "primary" }
      assert.equal("conflict", code)
      assert.matches("a store of one machine", message)
      local node, mirror = shared.open(url)
      node:close()
      _, message, code = leadcat.open { path = mirror }
      assert.equal("conflict", code)
      assert.matches("mirrors a shared store", message)
    end)

    for _, row in ipairs {
      { "readonly", { readonly = true }, "not with 'shared'" },
      { "relaxed", { durability = "relaxed" }, '"full" or "primary"' },
      { "what is no connection string", { shared = "mysql://x" }, "postgresql://" },
    } do
      it("raises for " .. row[1], function()
        local options = { path = stores.path(), shared = url }
        for name, value in pairs(row[2]) do
          options[name] = value
        end
        local ok, message = pcall(leadcat.open, options)
        assert.is_false(ok)
        assert.matches(row[3], message, 1, true)
      end)
    end
  end)
end)
