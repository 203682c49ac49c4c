--- A store of one machine moves into a database of several, and back: everything is there afterwards, whatever is killed
-- on the way, and at no time can both be written to.

local core = require "leadcat.core"
local crm = require "support.crm"
local databases = require "support.databases"
local leadcat = require "leadcat"
local moving = require "leadcat.store.moving"
local shared = require "support.shared"
local stores = require "support.stores"

local SLOW = os.getenv "LEADCAT_SLOW"
local LEAD, CUSTOMER, LOST = 1, 5, 7
local TENANTS = { "", "b", "crm" }
local TRIGGERS = { { trigger = "churned" }, { trigger = "renewed" } }

local function rules()
  return stores.config {
    sale_won = CUSTOMER, sale_lost = { LOST, ask = true }, sale_registered = { 3, after = { days = 1 } },
    ["lead_status_set:5"] = 4, -- potential customers all
  }
end

-- A host whose answers are lost: what it was asked to change stays unfinished.
local function failing()
  local host = crm.new { x = LEAD, y = LEAD }
  function host.set_category() return nil, "unavailable" end
  return host
end

local KINDS = { "sale_won", "sale_lost", "sale_registered", "lead_status_set", "sale_deleted" }

-- Random events of a tenant, some with ids that were given before.
local function use(engine, random)
  assert(engine:save(rules()))
  assert(engine:save(rules(), { actor = { id = "u1", name = "Ann", admin = true } }))
  for i = 1, 12 do
    engine._store:create(engine._tenant, { { company = tostring(i), company_is_integer = i % 2 == 0 } }, LEAD)
  end
  for i = 1, 80 do
    local trigger, company = KINDS[random(#KINDS)], random(12)
    local outcome = assert(engine:handle {
      trigger = trigger, company = company % 2 == 0 and company or tostring(company), id = "e" .. random(70),
      sale = { id = "s" .. company }, lead_status = trigger == "lead_status_set" and 5 or nil,
      actor = { id = "u" .. random(3) },
    })
    if outcome.status == "awaiting_confirmation" and i % 3 == 0 then
      assert(engine:resolve(outcome.confirmation, { accept = true }, { actor = { id = "u1", admin = true } }))
    end
  end
  assert(engine:company_renamed("1", "one"))
  assert(engine:company_merged("3", "5"))
  assert(engine:company_deleted "7")
  engine._store:create(engine._tenant, { { company = "open" } }, LEAD)
  assert(engine:handle { trigger = "sale_lost", company = "open", id = "asks" })
  engine._store:write(engine._tenant, {}, core.now(), 0, { name = "source", text = '{"at":17}' })
  for i = 1, 4 do
    assert(engine._store:put_delivery(engine._tenant, {
      key = ("%016d"):format(i), hook = i < 4 and "crm" or "shop", body = ("{%d}"):format(i), sender_id = "sent " .. i,
      about = i == 2 and '{"a":1}' or nil,
    }, core.now(), 9))
  end
  for i = 1, 2 do
    assert(engine._store:put_draft(engine._tenant, { json = ('{"n":%d}'):format(i), due = i == 2 and 4e9 or nil },
      core.now()))
  end
  local taken = assert(engine._store:take_deliveries(engine._tenant, "crm", core.now() + 1, 60, 2))
  assert(engine._store:end_deliveries(engine._tenant, {
    { id = taken[1].id, state = "done" }, { id = taken[2].id, state = "failed", problem = "no" },
  }))
end

local function make(seed)
  math.randomseed(seed)
  local engine, path = stores.open { record_unchanged = "full", triggers = TRIGGERS }
  use(engine, math.random)
  use(engine:tenant "b", math.random)
  engine:close()
  engine = stores.open { path = path, host = failing() }
  local tenant = engine:tenant "crm"
  assert(tenant:save(rules()))
  for _, company in ipairs { "x", "y" } do
    assert.equal("failed", assert(tenant:handle { trigger = "sale_won", company = company, id = company }).status)
  end
  engine:close()
  return path
end

-- All that the store says of its tenants.
local function snapshot(engine)
  local store = engine._store
  local all = { triggers = { store:triggers() } }
  for _, tenant in ipairs(TENANTS) do
    local counters = assert(store:counters(tenant))
    local found = {
      journal = assert(store:history(tenant, nil, -math.huge, 0, 1000, false)),
      unchanged = assert(store:history(tenant, nil, -math.huge, 0, 1000, true)),
      questions = assert(store:confirmations(tenant, { limit = 1000 })),
      revisions = assert(store:revisions(tenant)), configs = {}, seen = {}, companies = {}, schedules = {},
      kept = { store:companies(tenant, "", 1000) },
      cursor = store:cursor(tenant, "source") or "none", counters = counters,
      changes = { store:changes(tenant, 0, 1000) }, newest_change = store:newest_change(tenant),
      deliveries = assert(store:deliveries(tenant, { limit = 100 })), drafts = assert(store:drafts(tenant, 9)),
    }
    for _, draft in ipairs(found.drafts) do
      draft.id = nil -- each has numbers of its own for them
    end
    counters.deliveries = nil -- only LMDB counts them
    for i, delivery in ipairs(found.deliveries) do
      local whole = assert(store:delivery(tenant, delivery.id))
      whole.id = nil -- each has numbers of its own for them
      for _, time in ipairs { "received", "due" } do
        whole[time] = whole[time] and math.floor(whole[time] * 1000 + 0.5) or nil
      end
      found.deliveries[i] = whole
    end
    for revision = 1, #found.revisions do
      found.configs[revision] = assert(store:config(tenant, revision))
    end
    for i = 1, 70 do
      found.seen[i] = store:seen(tenant, "e" .. i) or "new"
    end
    for _, company in ipairs { "one", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "x", "y",
      "open" } do
      found.companies[company] = assert(store:history(tenant, company, -math.huge, 0, 1000, false))
      found.schedules[company] = store:schedule_of(tenant, company) or "none"
    end
    table.sort(found.kept[1], function(a, b) return tostring(a) < tostring(b) end) -- each has an order of its own
    table.sort(found.kept[2])
    all[tenant] = found
  end
  return all
end

local function same(a, b)
  for _, tenant in ipairs(TENANTS) do
    for name, value in pairs(a[tenant]) do
      assert.same(value, b[tenant][name], ("%s of tenant '%s'"):format(name, tenant))
    end
  end
  assert.same(a.triggers, b.triggers)
end

local function look(options)
  local engine = options.shared and shared.open(options.shared, { host = options.host })
    or stores.open { path = options.path, host = options.host, readonly = options.readonly }
  local found = snapshot(engine)
  engine:close()
  return found
end

local function refused(code, pattern, opened, message, got)
  if opened and opened.close then
    opened:close()
  end
  assert.is_nil(opened)
  assert.equal(code, got, message)
  assert.matches(pattern, message)
end

-- Moves in another process, which kills itself before or after a statement with that text.
local MOVE = [[
  local pg = require "leadcat.store.pg"
  local new, way, path, url, when, text = pg.pool, arg[1], arg[2], arg[3], arg[4], arg[5]
  local function kill() os.execute "kill -9 $PPID" end
  pg.pool = function(...)
    local pool = new(...)
    local acquire = pool.acquire
    function pool:acquire()
      local session = acquire(self)
      local run = session.run
      function session:run(statement, ...)
        local hit = statement.sql:find(text, 1, true)
        if hit and when == "before" then
          kill()
        end
        local result, message, code, problem = run(self, statement, ...)
        if hit then
          kill()
        end
        return result, message, code, problem
      end
      return session
    end
    return pool
  end
  print(require("leadcat.store.moving")[way] { path = path, database = url, map_size = 2 ^ 26 })
]]

local POINTS = {
  there = {
    { "after", "BEGIN" }, { "after", "LOCK TABLE" }, { "after", "INSERT INTO leadcat.entry" },
    { "after", "leadcat.mark WHERE record" }, { "before", "COMMIT" }, { "after", "COMMIT" },
  },
  back = {
    { "after", "FROM leadcat.trigger" }, { "after", "FROM leadcat.entry WHERE (tenant" },
    { "after", "ORDER BY tenant, name" }, { "after", "ALTER TABLE" }, { "before", "COMMIT" }, { "after", "COMMIT" },
  },
}

describe("a store that moves", function()
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

  it("takes everything along, there and back", function()
    local path, back = make(math.floor(core.now() % 1000 * 1000)), stores.path()
    local before = look { path = path }
    assert.is_true(#before[""].journal > 20 and before.crm.companies.y[1].status == "applying")
    assert.is_true(#before[""].changes[1] > 20 and #before[""].deliveries == 4)
    local moved = assert(moving.there { path = path, database = url, map_size = 2 ^ 26 })
    assert.is_true(moved.records > 100)
    same(before, look { shared = url })
    assert(moving.back { path = back, database = url, map_size = 2 ^ 26 })
    same(before, look { path = back })
    assert.same({}, core.check_store(back))
  end)

  it("goes on where it was: ids are known, questions are answered, unfinished changes are finished", function()
    for _, is_shared in ipairs { true, false } do
      local path = make(is_shared and 1 or 2)
      local where = { path = path }
      local here
      url, here = shared.database()
      assert(moving.there { path = path, database = url })
      if not is_shared then
        where.path = stores.path()
        assert(moving.back { path = where.path, database = url })
      end
      local engine = is_shared and shared.open(url) or stores.open(where)
      local question = assert(engine:confirmations { state = "open" })[1]
      local asked = assert(engine:resolve(question.id, { accept = true }, { actor = { id = "u1", admin = true } }))
      assert.equal("updated", asked.status)
      for i = 1, 70 do
        local seen = engine._store:seen("", "e" .. i)
        if seen then
          assert.equal("duplicate", assert(engine:handle { trigger = "sale_won", company = seen.company,
            id = "e" .. i }).status)
        end
      end
      engine:close()
      local host = crm.new { x = LEAD, y = LEAD }
      engine = is_shared and shared.open(url, { host = host }) or stores.open { path = where.path, host = host }
      core.forward(3600)
      if is_shared then -- else they are tried later, by the database's clock
        shared.run(here, "UPDATE leadcat.company SET retry_at = 0, deadline = 0 WHERE applying IS NOT NULL")
      end
      local tenant = engine:tenant "crm"
      assert(tenant:recover())
      table.sort(host.changes)
      assert.same({ "x 1 -> 5", "y 1 -> 5" }, host.changes)
      assert.equal("updated", tenant:history { company = "x" }[1].status)
      engine:close()
      core.forward(-core.forward(0))
    end
  end)

  it("is followed with the same cursor, which misses nothing and gets nothing twice", function()
    local path, cursors, seen = make(7), {}, {}
    local function follow(engine, most) -- of both tenants
      for _, tenant in ipairs { "", "b" } do
        repeat
          local list, going_on = engine:tenant(tenant):changes(cursors[tenant], { limit = most or 100 })
          assert(list, going_on)
          for _, change in ipairs(list) do
            local key = ("%s %s %s %.0f"):format(tenant, change.cursor, change.kind, change.entry.entry)
            assert.is_nil(seen[key], key)
            seen[key], seen[#seen + 1] = true, key
          end
          cursors[tenant] = going_on
        until most or #list == 0
      end
    end
    local function win(engine, company)
      for _, tenant in ipairs { "", "b" } do
        engine._store:create(tenant, { { company = company } }, LEAD)
        local outcome = assert(engine:tenant(tenant):handle { trigger = "sale_won", company = company })
        assert.equal("updated", outcome.status)
      end
    end
    local engine = stores.open { path = path }
    follow(engine, 10)
    engine:close()
    assert(moving.there { path = path, database = url })
    engine = shared.open(url)
    follow(engine)
    local before = #seen
    win(engine, "new")
    follow(engine)
    assert.equal(before + 2, #seen)
    win(engine, "newer") -- and nobody has followed that yet
    engine:close()
    local back = stores.path()
    assert(moving.back { path = back, database = url })
    engine = stores.open { path = back }
    follow(engine)
    assert.equal(before + 4, #seen)
    win(engine, "newest")
    follow(engine)
    assert.equal(before + 6, #seen)
    cursors = {}
    local all = seen
    seen = {}
    follow(engine)
    table.sort(all)
    table.sort(seen)
    assert.same(all, seen)
    engine:close()
    assert.same({}, core.check_store(back))
  end)

  it("tells who follows that changes were removed, as before", function()
    local path = make(8)
    local engine = stores.open { path = path }
    assert((engine._store:trim("", 0, 5, core.now(), 0)))
    local _, _, code, start = engine:changes "1"
    assert.equal("expired", code)
    engine:close()
    assert(moving.there { path = path, database = url })
    engine = shared.open(url)
    assert.same({ "expired", start }, { select(3, engine:changes "1") })
    engine:close()
    path = stores.path()
    assert(moving.back { path = path, database = url })
    engine = stores.open { path = path }
    assert.same({ "expired", start }, { select(3, engine:changes "1") })
    engine:close()
    assert.same({}, core.check_store(path))
  end)

  it("has its deliveries handled by whoever has it then", function()
    local path = make(9)
    assert(moving.there { path = path, database = url })
    local node = shared.open(url)
    local taken = assert(node._store:take_deliveries("", "crm", core.now(), 60, 9))
    assert.same({ "{3}", "sent 3", 1 }, { taken[1].body, taken[1].sender_id, taken[1].attempts, taken[2] })
    local _, is_new = node._store:put_delivery("", { key = ("%016d"):format(1), hook = "crm", body = "{1}" },
      core.now(), 9)
    assert.is_false(is_new)
    assert(node._store:put_delivery("", { key = ("%016d"):format(5), hook = "crm", body = "{5}" }, core.now(), 9))
    assert.equal("{5}", node._store:delivery("", node._store:deliveries("", { limit = 1 })[1].id).body) -- the newest
    node:close()
    path = stores.path()
    assert(moving.back { path = path, database = url })
    local engine = stores.open { path = path }
    taken = assert(engine._store:take_deliveries("", "crm", core.now() + 1, 60, 9))
    assert.same({ "{5}", 1 }, { taken[1].body, #taken })
    taken = assert(engine._store:take_deliveries("", "crm", core.now() + 100, 60, 9))
    assert.equal("{3}", taken[1].body)
    engine:close()
    assert.same({}, core.check_store(path))
  end)

  for _, way in ipairs { "there", "back" } do
    it(("loses and doubles nothing when the move %s is killed anywhere"):format(way), function()
      local path, source = make(3), nil
      local before = look { path = path }
      if way == "back" then
        assert(moving.there { path = path, database = url })
        source, path = path, stores.path()
      end
      for _, point in ipairs(POINTS[way]) do
        local output, status = stores.run(MOVE, way, path, url, point[1], point[2])
        assert.equal(137, status, point[2] .. ": " .. output)
        local usable = way == "there" and leadcat.open { path = path } or leadcat.open { path = stores.path(),
          shared = url, durability = "primary" }
        if usable then
          usable:close()
        end
        if way == "there" and point[2] ~= "COMMIT" then
          assert(usable, point[2])
        end
        same(before, look(way == "there" and { path = path, readonly = true } or { path = source, readonly = true }))
        local other = way == "back" and leadcat.open { path = path }
        if other then
          other:close()
        end
        assert.is_true(not other, point[2] .. ": a half-filled directory was opened")
      end
      assert(moving[way] { path = path, database = url, map_size = 2 ^ 26 })
      same(before, look(way == "there" and { shared = url } or { path = path }))
    end)
  end

  it("can be written to at one place only", function()
    local path, back = make(4), stores.path()
    local node = shared.open(url)
    assert(moving.there { path = path, database = url })
    refused("conflict", "has moved to postgresql://", leadcat.open { path = path })
    look { path = path, readonly = true }
    refused("conflict", "has moved", moving.there { path = path, database = url })
    assert(node:save(rules()))
    assert(moving.back { path = back, database = url })
    refused("conflict", "has moved from this database to /", leadcat.open { path = stores.path(), shared = url,
      durability = "primary" })
    assert.is_nil((node:save(rules())))
    assert.is_nil((node:handle { trigger = "sale_won", company = "open", id = "new" }))
    node:close()
    refused("conflict", "has moved", moving.back { path = stores.path(), database = url })
    refused("conflict", "holds a store already", moving.there { path = back, database = url })
    look { path = back }
  end)

  it("is refused where it would not be safe, and says why", function()
    local path = make(5)
    local engine = stores.open { path = path }
    refused("unavailable", "is in use", moving.there { path = path, database = url })
    engine:close()
    refused("not_found", "shared init", moving.there { path = path, database = (shared.database(true)) })
    refused("conflict", "is not empty", moving.back { path = path, database = url })
    assert(shared.run(pool, "INSERT INTO leadcat.counter VALUES ('', 'n', 1)"))
    refused("conflict", "holds a store already", moving.there { path = path, database = url })
    refused("not_found", "nothing in", moving.there { path = stores.path(), database = url })
    assert(leadcat.open { path = path }):close()
  end)

  it("is moved by the command", function()
    local path, back = make(6), stores.path()
    local before = look { path = path }
    local out, err, status = stores.leadcat("move", "--path", path, "--to", url)
    assert.same({ "", 0 }, { err, status })
    assert.matches("^moved: %S+ records", out)
    out, err, status = stores.leadcat("move", "--path", back, "--from", url, "--json")
    assert.same({ "", 0 }, { err, status })
    assert.matches('"moved": "to the directory"', out)
    same(before, look { path = back })
    assert.equal(1, (select(3, stores.leadcat("move", "--path", path, "--to", url))))
    assert.equal(2, (select(3, stores.leadcat("move", "--path", path, "--to", url, "--from", url))))
    assert.equal(2, (select(3, stores.leadcat("move", "1", "--path", path))))
  end)
end)
