-- Stores that may only be read: what works on them, what is refused, and that nothing is left behind.

local asking = require "support.asking"
local core = require "leadcat.core"
local leadcat = require "leadcat"
local readers = require "support.readers"
local stores = require "support.stores"
local users = require "support.users"
local web = require "support.web"

local LEAD, CUSTOMER = 1, 5 -- the preset's categories
local ANN = asking.ANN
local new_store, read, state_of, own, now = readers.new_store, readers.open, readers.state_of, readers.own, readers.now

local function entry_of(engine)
  return engine:history({ company = "Bolt" })[1].entry
end

local EVENT = { trigger = "sale_won", company = "Acme", actor = asking.BOB }

-- What only reads: each gives something to compare.
local READS = {
  config = function(e) return e:config(), e:config(1), e:revisions(), e:triggers(), e:fields() end,
  history = function(e) return e:history(), e:history { company = "Bolt" } end,
  changes = function(e) return e:changes(), e:changes "newest" end,
  health = function(e) return e:health() end,
  confirmations = function(e)
    local list = e:confirmations { state = "open" }
    return list, e:confirmation(list[1].id), e:count_confirmations { state = "open" }, e:view(list[1], { actor = ANN })
  end,
  explain = function(e) return e:explain(EVENT), e:why(1) end,
  decide = function(e)
    local action, to, reason = e:decider()("sale_lost", LEAD)
    return { e:decide("sale_lost", LEAD) }, { action, to, reason }
  end,
  simulate = function(e) return e:simulate { EVENT } end,
  propose = function(e)
    return e:propose { trigger = "sale_won", company = "New", category = LEAD, actor = asking.BOB }
  end,
  check = function(e) return e:check(e:config()) end,
  metrics = function(e) return (e:metrics():gsub("leadcat_[mor]%S* %d+\n", "")) end,
  probe = function(e) return e:probe() end,
  tenant = function(e) return e:tenant("other"):config() end,
  undo_preview = function(e) return e:undo({ entry = entry_of(e), preview = true }, { actor = ANN }) end,
  backfill_preview = function(e)
    return e:backfill({ { trigger = "sale_lost", company = "New", at = 5 } }, { preview = true })
  end,
  drift = function(e) return e:drift { kinds = { "in_step", "open", "no_sales" } } end,
  companies = function(e) return e.host:get "Bolt" end,
}

-- What writes.
local WRITES = {
  save = function(e) return e:save(e:config(), { actor = ANN }) end,
  revert = function(e) return e:revert(1) end,
  handle = function(e) return e:handle(EVENT) end,
  handle_many = function(e) return e:handle_many { EVENT } end,
  resolve = function(e) return e:resolve(e:confirmations()[1].id, { actor = ANN, answer = "accept" }) end,
  assign = function(e) return e:assign(e:confirmations()[1].id, { to = { id = "bob" } }, { actor = ANN }) end,
  undo = function(e) return e:undo(entry_of(e), { actor = ANN }) end,
  retry = function(e) return e:retry(entry_of(e), { actor = ANN }) end,
  company_renamed = function(e) return e:company_renamed("acme", "new") end,
  company_merged = function(e) return e:company_merged("acme", "other") end,
  company_deleted = function(e) return e:company_deleted "acme" end,
  forget = function(e) return e:forget { company = "acme" } end,
  cancel = function(e) return e:cancel(entry_of(e), { actor = ANN }) end,
  backfill = function(e) return e:backfill { { trigger = "sale_lost", company = "New", at = 5 } } end,
  set_right = function(e)
    local event = { trigger = "sale_lost", company = "New" }
    return e:set_right { { company = "New", can_be_set = true, events = { event } } }
  end,
  recover = function(e) return e:recover() end,
  recount = function(e) return e:recount() end,
  maintain = function(e) return e:maintain() end,
  sweep = function(e) return e:sweep() end,
  flush = function(e) return e:flush() end,
  create = function(e) return e.host:create("New", LEAD) end,
}

describe("a store that is opened to be read", function()
  after_each(stores.check)

  for name, ask in pairs(READS) do
    it("answers as any other: " .. name, function()
      local path = new_store()
      local engine = asking.open { path = path, clock = now }
      local expected = { ask(engine) }
      engine:close()
      engine = read(path)
      assert.same(expected, { ask(engine) })
      assert.is_not_nil(expected[1])
      engine:close()
    end)
  end

  for name, write in pairs(WRITES) do
    it("refuses what writes: " .. name, function()
      local engine = read(new_store())
      local done, message, code = write(engine)
      assert.is_nil(done)
      assert.equal("readonly", code)
      assert.matches("read only", message)
      engine:close()
    end)
  end

  it("stays as it is, without locks, also where it is a copy", function()
    local path, copy = new_store(), stores.path()
    local engine = read(path)
    assert.is_true(engine:backup(copy))
    engine:close()
    local before = state_of(copy)
    engine = read(copy)
    for _, ask in pairs(READS) do
      ask(engine)
    end
    for _, write in pairs(WRITES) do
      write(engine)
    end
    engine:close()
    assert.equal(before, state_of(copy))
  end)

  it("is not made", function()
    local path = stores.path()
    local engine, message, code = leadcat.open { path = path, readonly = true }
    assert.is_nil(engine)
    assert.equal("io", code)
    assert.matches("journal.mdb", message)
    users.sh("test ! -e '%s'", path)
  end)

  it("is damaged without one of its files", function()
    local path = new_store()
    os.remove(path .. "/config.mdb")
    assert.equal("corrupt", select(3, leadcat.open { path = path, readonly = true }))
  end)

  it("has its damaged rules made again in memory", function()
    local path = new_store()
    local engine = stores.open { path = path }
    local revision = engine:config().revision
    assert(engine._store:repair("", revision, ("x"):rep(100)))
    engine:close()
    local before = state_of(path)
    engine = read(path)
    assert.equal("update", (engine:decide("sale_lost", LEAD)))
    assert.equal("update", (engine:decider()("sale_lost", LEAD)))
    assert.equal("sale_lost", engine:explain({ trigger = "sale_lost", company = "Bolt" }).trigger or "sale_lost")
    engine:close()
    assert.equal(before, state_of(path))
  end)

  it("needs no triggers to be declared", function()
    local engine = read(new_store(), { triggers = { { trigger = "invoice_paid", name = { en = "Paid" } } } })
    assert.is_not_nil(engine:config())
    engine:close()
  end)

  it("is shared by those of the process that write it, but not opened to be written", function()
    local path = new_store()
    local writer = asking.open { path = path }
    local reader = read(path)
    assert(writer:handle { trigger = "sale_lost", company = "Acme" })
    assert.equal("Acme", reader:history()[1].company)
    assert.equal("readonly", select(3, reader:handle(EVENT)))
    writer:close()
    reader:close()
    reader = read(path)
    local other, message, code = leadcat.open { path = path }
    assert.is_nil(other)
    assert.equal("unavailable", code)
    assert.matches("close it", message)
    reader:close()
    asking.open({ path = path }):close()
  end)
end)

describe("what was left unfinished", function()
  after_each(stores.check)

  -- A store with a change that its host has not made, and the host.
  local function unfinished()
    local host = asking.new_crm()
    local engine, _, path = asking.open { host = host }
    host.well = false
    assert(engine:handle { trigger = "sale_lost", company = "Bolt" })
    engine:close()
    host.well = true
    return path, host
  end

  for _, options in ipairs { { readonly = true }, { recover = false } } do
    it("is left so with " .. next(options), function()
      local path, host = unfinished()
      options.path, options.host = path, host
      core.forward(3600)
      local engine = stores.open(options)
      assert.equal("applying", engine:history()[1].status)
      assert.equal("applying", engine:tenant(""):history()[1].status)
      if options.recover == false then
        assert.equal(1, engine:maintain().finished)
        assert.equal("updated", engine:history()[1].status)
      end
      engine:close()
    end)
  end

  it("is finished without them", function()
    local path, host = unfinished()
    core.forward(3600)
    local engine = stores.open { path = path, host = host }
    assert.equal("updated", engine:history()[1].status)
    engine:close()
  end)
end)

describe("beside another process that writes", function()
  after_each(stores.check)

  it("a reader sees each config at once", function()
    local path = new_store()
    local tell = own(path)
    local engine = read(path)
    local decide = engine:decider()
    assert.equal(CUSTOMER, select(2, decide("sale_won", LEAD)))
    tell "save"
    assert.equal(6, select(2, decide("sale_won", LEAD)))
    assert.equal(3, engine:config().revision)
    engine:close()
    tell()
  end)

  it("a reader that was there before it has to open the store again", function()
    local path = new_store()
    local engine = read(path)
    local tell = own(path)
    local config, message, code = engine:config()
    assert.is_nil(config)
    assert.equal("unavailable", code)
    assert.matches("open it again", message)
    assert.equal("unavailable", select(3, engine:backup(stores.path())))
    engine:close()
    engine = read(path)
    assert.equal(2, engine:config().revision)
    engine:close()
    tell()
  end)
end)

describe("over HTTP", function()
  after_each(stores.check)

  it("is shown, and what would change it is 503, for programs and on the settings page", function()
    local site = web.new_site { path = new_store(), readonly = true }
    local words = web.text_of(site, "problem.readonly")
    local answer = web.ask(site, "GET", "/leadcat/settings", { as = "ann" })
    assert.equal(200, answer.status)
    web.contains(answer.body, words)
    web.lacks(answer.body, 'value="save"')
    answer = web.ask(site, "POST", "/leadcat/settings", {
      as = "ann", form = { revision = "2", ["do"] = "save", ["category.1.name"] = "Prospect" },
    })
    assert.equal(503, answer.status)
    web.contains(answer.body, words)
    local status, problem
    status, problem, answer = web.call(site, "PUT", "/leadcat/api/config", {
      as = "ann", json = site.engine:config(), headers = { ["if-match"] = '"2"' },
    })
    assert.same({ 503, "readonly", words }, { status, problem.code, problem.detail })
    assert.is_nil(answer.headers["Retry-After"])
    status, problem = web.call(site, "POST", "/leadcat/api/events", { as = "ann", json = EVENT })
    assert.same({ 503, "readonly" }, { status, problem.code })
    for _, address in ipairs { "/leadcat/metrics", "/leadcat/health", "/leadcat/history", "/leadcat/confirmations" } do
      assert.equal(200, web.ask(site, "GET", address, { as = "ann" }).status, address)
    end
    site.engine:close()
  end)
end)
