-- What webhooks have left: tried again, given up, listed, dropped, removed after a month, and without persons who are forgotten.

local core = require "leadcat.core"
local files = require "support.files"
local json = require "leadcat.util.json"
local leadcat = require "leadcat"
local stores = require "support.stores"
local webhook = require "leadcat.source.webhook"

local NOW, DAY = 1700000000, 24 * 3600

-- An engine, a hook whose lookup says what `site.known` is, and companies 7 and 8.
local function new_site(more)
  local site = { now = NOW, known = { company = 7 } }
  site.engine, site.path = stores.open { clock = function() return site.now end, durability = "relaxed" }
  assert(site.engine:save(stores.config { sale_won = 5 }))
  assert(site.engine.host:create(7, 1))
  assert(site.engine.host:create(8, 1))
  local options = { kind = "superoffice", secret = "s", lookup = function(sale)
    site.asked = sale.id
    if type(site.known) == "table" then
      return site.known
    end
    return site.known, "HTTP 500"
  end }
  for name, value in pairs(more or {}) do
    options[name] = value
  end
  site.hook = webhook(options)
  return site
end

local function receive(site, id, sale, hook)
  local body = ('{"EventId":"%s","Event":"sale.sold","PrimaryKey":%s,"ChangedByAssociateId":91}'):format(id, sale or 1)
  return (hook or site.hook):receive(site.engine, { method = "POST", path = "/", body = body, headers = {
    ["x-superoffice-signature"] = core.base64(core.hmac_sha256("s", body)), ["x-superoffice-eventid"] = id,
    ["content-type"] = "application/json",
  } })
end

local function newest(site)
  return site.engine:deliveries { limit = 1 }[1]
end

describe("a delivery", function()
  after_each(stores.check)

  it("is tried eight times, later and later, and has failed then", function()
    local site = new_site()
    site.known = nil
    assert(receive(site, "a"))
    local pauses = {}
    for i = 1, 8 do
      local counts = assert(site.hook:step(site.engine))
      local delivery = newest(site)
      assert.same({ i, "lookup: HTTP 500" }, { delivery.attempts, delivery.problem })
      assert.equal(i < 8 and 1 or 0, counts.parked)
      if delivery.due then
        pauses[i] = delivery.due - site.now
        site.now = delivery.due - 1
        assert.equal(0, site.hook:step(site.engine).parked)
        site.now = delivery.due
      end
    end
    assert.same({ 30, 120, 480, 1920, 7680, 28800, 28800 }, pauses)
    assert.equal("failed", newest(site).state)
    site.now = site.now + 30 * DAY
    assert.equal(0, site.hook:step(site.engine).problems)
    site.engine:close()
  end)

  it("that has failed can be tried again, and then is done, without its body", function()
    local site = new_site()
    site.known = false
    assert(receive(site, "a"))
    assert.matches("^delivery %d+: lookup: HTTP 500$", site.hook:step(site.engine).error)
    local id = newest(site).id
    local failed = assert(site.engine:delivery(id))
    assert.same({ "failed", 1, "application/json" }, { failed.state, failed.attempts, failed.headers["content-type"] })
    assert.matches('^{"EventId":"a"', failed.body)
    site.known = { company = 7 }
    assert.same({ "waiting", 0 }, { site.engine:retry_delivery(id).state, site.engine:delivery(id).attempts })
    assert.equal("invalid", select(3, site.engine:retry_delivery(id)))
    assert.equal(1, site.hook:step(site.engine).handled)
    local done = assert(site.engine:delivery(id))
    assert.same({ "done", "sale_won: updated" }, { done.state, done.problem })
    assert.is_nil(done.body or done.headers or done.due)
    assert.equal("superoffice/a/sale_won", site.engine:history()[1].event_id)
    assert.equal("invalid", select(3, site.engine:drop_delivery(id)))
    site.engine:close()
  end)

  it("can be dropped, and does not come again", function()
    local site = new_site()
    assert(receive(site, "a"))
    local id = newest(site).id
    assert.equal("dropped", assert(site.engine:drop_delivery(id)).state)
    assert.same({ true, false }, { receive(site, "a") })
    assert.equal(0, site.hook:step(site.engine).handled)
    assert.equal("not_found", select(3, site.engine:drop_delivery(id + 1)))
    assert.equal("not_found", select(3, site.engine:delivery(id + 1)))
    site.engine:close()
  end)

  it("does not hold up others", function()
    local site = new_site { map = function(payload)
      return payload.PrimaryKey == 2 and { trigger = "sale_won", company = ("x"):rep(300), sale = { id = 2 } }
        or { trigger = "sale_won", company = 7 + payload.PrimaryKey % 2, sale = { id = payload.PrimaryKey } }
    end }
    for i = 1, 3 do
      assert(receive(site, "e" .. i, i))
    end
    local counts = assert(site.hook:step(site.engine))
    assert.same({ 2, 1, 0 }, { counts.handled, counts.problems, counts.parked })
    site.engine:close()
  end)

  it("that was taken by a process that was killed is taken over after the lease", function()
    local site = new_site { lease = 60 }
    assert(receive(site, "a"))
    local store = site.engine._store
    local taken = assert(store:take_deliveries("", "superoffice", NOW, 60, 9))
    assert.equal(0, site.hook:step(site.engine).handled)
    site.now = NOW + 60
    assert.equal(1, site.hook:step(site.engine).handled)
    local late = { { id = taken[1].id, attempts = 1, state = "failed", problem = "late" } }
    assert(store:end_deliveries("", late)) -- it was not killed, but slow
    assert.same({ true, "done" }, { late[1].lost, newest(site).state })
    site.engine:close()
  end)

  it("waits on while the store cannot take its events", function()
    local site = new_site()
    assert(receive(site, "a"))
    site.engine.handle_many = function() return nil, "no room", "full" end
    assert.same({ nil, "no room", "full" }, { site.hook:step(site.engine) })
    assert.equal("waiting", newest(site).state)
    site.engine.handle_many = nil
    site.now = newest(site).due
    assert.equal(1, site.hook:step(site.engine).handled)
    assert.equal(5, site.engine.host.category(7))
    site.engine:close()
  end)

  it("whose record is damaged is told, and does not hold up others", function()
    local site = new_site()
    assert(receive(site, "damaged"))
    assert(receive(site, "whole"))
    local id = site.engine:deliveries()[2].id
    site.engine:close()
    local name = site.path .. "/journal.mdb"
    local count, content = 0, files.read(name)
    -- The first byte of the 64 before its hook and its sender's id is the version of the record.
    for at in content:gmatch "()superofficedamaged" do
      content = content:sub(1, at - 65) .. "\9" .. content:sub(at - 63)
      count = count + 1
    end
    assert.is_true(count > 0)
    files.write(name, content)
    site.engine = stores.open { path = site.path, clock = function() return site.now end }
    local counts = assert(site.hook:step(site.engine))
    assert.same({ 1, 1, 0 }, { counts.handled, counts.problems, counts.parked })
    assert.equal(("delivery %d: its record was damaged: the body is what is left of it"):format(id), counts.error)
    local left = assert(site.engine:delivery(id))
    assert.equal("failed", left.state)
    assert.matches('superofficedamaged.*{"EventId":"damaged"', left.body)
    assert.same({ true, false }, { receive(site, "damaged") })
    assert.equal("dropped", site.engine:drop_delivery(id).state)
    site.engine:close()
    assert.same({}, core.check_store(site.path))
  end)

  it("is refused when too many wait, until some are handled", function()
    local engine = stores.open { durability = "relaxed" }
    local store = engine._store
    local function put(id)
      return store:put_delivery("t", { key = (id):rep(16), hook = "h", body = "" }, NOW, 2)
    end
    assert.truthy(put "a" and put "b")
    assert.same({ "unavailable", false }, { select(3, put "c"), (select(2, put "a")) })
    assert.equal(2, #store:take_deliveries("t", "h", NOW, 9, 9))
    engine:close()
  end)

  it("is that of its hook and its tenant", function()
    local site = new_site()
    local other = webhook {
      kind = "superoffice", secret = "s", name = "other", tenant = "t", map = function() return {} end,
    }
    assert(receive(site, "a", 1, other))
    assert.same({ 0, 1 }, { #site.engine:deliveries(), #site.engine:tenant("t"):deliveries { hook = "other" } })
    assert.equal(0, site.hook:step(site.engine).handled)
    assert.equal(1, other:step(site.engine).handled)
    assert.equal(0, #site.engine:tenant("t"):deliveries { hook = "superoffice" })
    site.engine:close()
  end)
end)

describe("old deliveries", function()
  after_each(stores.check)

  it("are removed after thirty days, but not while they wait", function()
    local site = new_site()
    assert(receive(site, "done"))
    assert(site.hook:step(site.engine))
    site.known = nil
    assert(receive(site, "waiting"))
    site.now = NOW + 30 * DAY
    assert(receive(site, "new"))
    assert(site.engine:maintain())
    assert.equal(3, #site.engine:deliveries())
    site.now = NOW + 30 * DAY + 1
    stores.write_at(site.engine._store, site.now)
    assert.equal(1, assert(site.engine:sweep()).removed)
    local left = site.engine:deliveries()
    assert.same({ "new", "waiting" }, { left[1].sender_id, left[2].sender_id })
    assert.same({ true, true }, { receive(site, "done") }) -- it is not known any more
    site.engine:close()
    local output = stores.leadcat("check", "--store", "--path", site.path)
    assert.equal("no problems\n", output)
  end)
end)

describe("a person who is forgotten", function()
  after_each(stores.check)

  it("is taken out of failed deliveries, and named as long as others wait", function()
    local site = new_site()
    site.known = false
    assert(receive(site, "a"))
    assert(site.hook:step(site.engine))
    local id = newest(site).id
    assert.same({ 0, { "free_pages", "backups" } }, { site.engine:forget { contact = 92 }.deliveries,
      site.engine:forget { contact = 92 }.remains })
    assert.matches("91", site.engine:delivery(id).body)
    assert(receive(site, "b"))
    local forgotten = assert(site.engine:forget { actor = 91 })
    assert.same({ 1, { "free_pages", "backups", "deliveries" } }, { forgotten.deliveries, forgotten.remains })
    local left = site.engine:delivery(id)
    assert.same({ "failed", "its body named a person who was forgotten" }, { left.state, left.problem })
    assert.is_nil(left.body or left.sender_id)
    site.engine:close()
  end)
end)

describe("leadcat deliveries", function()
  after_each(stores.check)

  it("lists, shows, retries and drops", function()
    local site = new_site()
    site.known = false
    assert(receive(site, "a"))
    assert(receive(site, "b"))
    assert(site.hook:step(site.engine))
    local ids = {}
    for place, delivery in ipairs(site.engine:deliveries()) do
      ids[place] = ("%d"):format(delivery.id)
    end
    site.engine:close()
    local function run(...)
      local output, errors, status = stores.leadcat("deliveries", "--path", site.path, ...)
      return output, status, errors
    end
    local output, status = run()
    assert.equal(0, status)
    assert.matches("^ *id +hook +received %(UTC%) +state +tries +next try %(UTC%) +problem *\n", output)
    assert.matches("\n *" .. ids[1] .. " +superoffice +2023%-11%-14 22:13:20 +failed +1 +lookup: HTTP 500", output)
    assert.matches("\nolder ones: %-%-after " .. ids[1], (run("--limit", "1")))
    assert.matches(ids[2], (run("--after", ids[1])))
    assert.equal("no deliveries\n", (run("--state", "waiting")))
    assert.equal("no deliveries\n", (run("--hook", "another")))
    assert.matches('\n\n{"EventId":"b"', (run(ids[1])))
    assert.equal("failed", json.decode((run("--json", ids[1]))).state)
    assert.equal(2, #json.decode((run "--json")))
    assert.equal(("delivery %s waits again\n"):rep(2):format(ids[1], ids[2]), (run("retry", ids[1], ids[2])))
    assert.equal(("delivery %s is dropped\n"):format(ids[1]), (run("drop", ids[1])))
    assert.same({ "", 1, ("leadcat: delivery %s is dropped, not waiting or failed\n"):format(ids[1]) },
      { run("drop", ids[1]) })
    assert.same({ "", 1, "leadcat: there is no delivery 5\n" }, { run "5" })
    for _, words in ipairs { { "retry" }, { "x" }, { "1", "2" }, { "drop", "0" } } do
      assert.equal(2, (select(2, run(stores.unpack(words)))))
    end
  end)

  it("says that a store can only be read", function()
    local site = new_site()
    site.engine:close()
    local reader = assert(leadcat.open { path = site.path, readonly = true })
    assert.equal("readonly", select(3, reader:retry_delivery(1)))
    assert.equal("readonly", select(3, reader:drop_delivery(1)))
    assert.equal("readonly", select(3, receive({ engine = reader, hook = site.hook }, "a")))
    reader:close()
  end)
end)
