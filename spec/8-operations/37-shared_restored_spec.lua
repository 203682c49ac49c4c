--- What happens to a shared store as a whole, while nodes have it open: its database is restored from an older backup, two are
-- swapped, a node has rules of yesterday, clocks go back. Nodes notice, and what the CRM was told it is not told twice.

local crm = require "support.crm"
local databases = require "support.databases"
local shared = require "support.shared"
local stores = require "support.stores"

local SLOW = os.getenv "LEADCAT_SLOW"
local LEAD, OPPORTUNITY, OFFER, CUSTOMER, LOST = 1, 3, 4, 5, 7

-- A CRM that keeps the keys of what it was told, as hosts should.
local function new_crm(companies)
  local host = crm.new(companies)
  local set_category = host.set_category
  host.keys = {}
  function host.set_category(company, to, from, outcome, ...)
    assert(not host.keys[outcome.key], "told twice: " .. outcome.key)
    local done, message = set_category(company, to, from, outcome, ...)
    host.keys[outcome.key] = done and company
    if host.breaks then
      return nil, "the answer is lost"
    end
    return done, message
  end
  function host.applied(_, key) return host.keys[key] ~= nil end
  return host
end

describe("a shared store", function()
  if SLOW then
    return
  end
  local server, url, pool

  setup(function() server = databases.get("postgresql", { has_clock = true }) end)
  before_each(function() url, pool = shared.database() end)
  after_each(function()
    databases.set_clock(server, 0)
    shared.close()
    stores.check()
  end)
  teardown(databases.stop)

  local function won(engine, company, id)
    return assert(engine:handle { trigger = "sale_won", company = company, id = id })
  end

  local function back_up()
    databases.run(server, "pg_basebackup -h $host -p $port -U leadcat -D $dir/backup -c fast")
  end

  local function restore()
    databases.shut_down(server)
    databases.run(server, "rm -rf $dir/data && mv $dir/backup $dir/data")
    databases.restart(server)
  end

  describe("that is restored from an older backup", function()
    it("goes on from there on all nodes, without telling the CRM twice", function()
      local host = new_crm { a = LEAD, b = LEAD, c = LEAD, d = LEAD }
      local first, second = shared.open(url, { host = host }), (shared.open(url, { host = host }))
      assert(first:save(stores.config { sale_won = CUSTOMER }))
      won(first, "a", "before")
      host.breaks = true
      assert.equal("failed", won(first, "b", "between").status) -- but the CRM has it
      host.breaks = nil
      back_up()
      assert(first:save(stores.config { sale_won = LOST }))
      local lost = won(second, "c", "lost")
      shared.run(pool, "UPDATE leadcat.company SET deadline = 0, retry_at = 0")
      assert(second:recover())
      restore()
      assert.equal(LOST, host.category "c")
      shared.run(pool, "UPDATE leadcat.company SET deadline = 0, retry_at = 0")
      assert.equal(1, assert(first:recover()).finished)
      assert.same({ "duplicate", 1 }, { won(second, "b", "between").status, second:config().revision })
      local again = won(second, "c", "lost") -- its source delivers it again: the company is there already
      assert.same({ "unchanged", nil }, { again.status, again.key == lost.key or nil })
      assert.equal(CUSTOMER, won(second, "d", "after").to)
      assert.same({ "a 1 -> 5", "b 1 -> 5", "c 1 -> 7", "d 1 -> 5" }, host.changes)
      assert.equal(0, first:stats().unfinished)
      first:close()
      second:close()
    end)

    it("has its rules decide, also where as many were saved since", function()
      local first, second = shared.open(url), (shared.open(url))
      assert(first:save(stores.config { sale_won = CUSTOMER }))
      back_up()
      assert(first:save(stores.config { sale_won = LOST }))
      assert.equal(LOST, assert(second:handle { trigger = "sale_won", company = 1, category = LEAD }).to)
      restore()
      assert(first:save(stores.config { sale_won = OPPORTUNITY }, { revision = 1 }))
      assert.equal(OPPORTUNITY, assert(second:handle { trigger = "sale_won", company = 2, category = LEAD }).to)
      assert.equal(OPPORTUNITY, select(2, second:decide("sale_won", LEAD)))
      first:close()
      second:close()
    end)
  end)

  it("that is swapped with another one has its own rules and keys", function()
    local other_url = shared.database()
    local here, there = shared.open(url), (shared.open(other_url))
    assert(here:save(stores.config { sale_won = CUSTOMER }))
    assert(there:save(stores.config { sale_won = LOST }))
    local names = { url:match "/([%w_]+)%?", other_url:match "/([%w_]+)%?" }
    databases.psql(server, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
      .. "WHERE datname LIKE 'leadcat%'")
    for _, pair in ipairs { { names[1], "aside" }, { names[2], names[1] }, { "aside", names[2] } } do
      databases.psql(server, ("ALTER DATABASE %s RENAME TO %s"):format(pair[1], pair[2]))
    end
    local function deliver(engine)
      local outcome = engine:handle { trigger = "sale_won", company = 1, category = LEAD, id = "x" }
      return outcome or engine:handle { trigger = "sale_won", company = 1, category = LEAD, id = "x" }
    end
    local outcome = assert(deliver(here))
    assert.equal(LOST, outcome.to)
    assert.equal(CUSTOMER, assert(deliver(there)).to)
    local fresh = shared.open(url)
    assert.equal(outcome.key, fresh:history {}[1].key)
    assert.equal(outcome.key, here:history {}[1].key)
    for _, engine in ipairs { here, there, fresh } do
      engine:close()
    end
  end)

  it("is decided by its newest rules on a node whose directory is of yesterday", function()
    local first, path = shared.open(url)
    assert(first:save(stores.config { sale_won = CUSTOMER }))
    first:close()
    local yesterday = stores.path()
    assert(os.execute(("cp -r '%s' '%s'"):format(path, yesterday)))
    first = shared.open(url, { path = path })
    assert(first:save(stores.config { sale_won = LOST }))
    local second = shared.open(url, { path = yesterday })
    assert.equal(LOST, select(2, second:decide("sale_won", LEAD)))
    assert(first:save(stores.config { sale_won = OPPORTUNITY }))
    assert.equal(OPPORTUNITY, assert(second:handle { trigger = "sale_won", company = 1, category = LEAD }).to)
    first:close()
    second:close()
  end)

  it("whose clock goes back has entries in order, each change once, and rules on all nodes", function()
    local host = new_crm { a = LEAD, b = LEAD }
    local first, second = shared.open(url, { host = host }), (shared.open(url, { host = host }))
    assert(first:save(stores.config { sale_won = OPPORTUNITY, sale_lost = LEAD }))
    local keys, last = {}, 0
    for i, seconds in ipairs { 0, -3600, 3600, 0, -86400 } do
      databases.set_clock(server, seconds)
      for _, trigger in ipairs { "sale_won", "sale_lost" } do
        local engine = i % 2 == 0 and first or second
        local outcome = assert(engine:handle { trigger = trigger, company = "a", id = trigger .. i })
        assert.equal("updated", outcome.status)
        assert.is_true(outcome.entry > last and not keys[outcome.key])
        last, keys[outcome.key] = outcome.entry, true
        assert.equal("duplicate", assert(first:handle { trigger = trigger, company = "a", id = trigger .. i }).status)
      end
      local target = i % 2 == 0 and OPPORTUNITY or OFFER
      assert(first:save(stores.config { sale_won = target, sale_lost = LEAD }))
      assert.equal(target, assert(second:handle {
        trigger = "sale_won", company = i, category = LEAD, id = "other" .. i,
      }).to)
    end
    assert.equal(10, #host.changes)
    first:close()
    second:close()
  end)
end)
