-- Many tenants in one store are kept in order by one call, whoever has something due: no tenant needs to be opened for it,
-- and what goes wrong for one does not keep the others from their turn.

local core = require "leadcat.core"
local clock = require "support.clock"
local crm = require "support.crm"
local json = require "leadcat.util.json"
local lmdb = require "leadcat.host.lmdb"
local stores = require "support.stores"
local times = require "support.times"

local LEAD, OPPORTUNITY, CUSTOMER = 1, 3, 5
local START, TTL = 1700000000, 60
local ROUND_STEPS = 16 -- as in operations/upkeep.lua

-- The empty one, names that begin with others, bytes of all kinds, the longest.
local NAMES = {
  "", "a", "aa", "ab", "a\0", "a\255", "\0", "\0\0", "\255", "\255\255", "\1a", "b", ("a"):rep(63), ("a"):rep(64),
  ("\0"):rep(64), ("\255"):rep(63), ("\255"):rep(64),
}

local HOSTS = {
  { "the embedded host", function() return lmdb.new() end },
  { "a host of one's own", function()
    return { category = function() return LEAD end, set_category = function() return true end }
  end },
}

-- An engine with a clock that a test moves.
local function open(options)
  local time = clock.new(START)
  options.clock, options.durability, options.confirmation_ttl = function() return time.now end, "relaxed", TTL
  local engine, path = stores.open(options)
  return engine, time, path
end

-- Has a tenant ask about a sale that is won, and register others at once. Gives its engine, which is not to be kept.
local function begin(engine, name)
  local tenant = engine:tenant(name)
  assert(tenant:save(stores.config { sale_won = { CUSTOMER, ask = true }, sale_registered = OPPORTUNITY }))
  if tenant.host.create then
    tenant.host:create("Acme", LEAD)
    tenant.host:create("Bolt", LEAD)
  end
  return tenant
end

local function ask(tenant)
  return assert(tenant:handle { trigger = "sale_won", company = "Acme" }).confirmation
end

-- What the store has: to ask the engine would close a question whose time is over.
local function state(engine, name, id)
  return engine._store:confirmation(name, id).state
end

local function entries(engine, name)
  return engine._store:counters(name).journal_entries
end

local function commits(engine)
  return engine:stats().commits.count
end

local NOTHING = { finished = 0, failed = 0, busy = 0, expired = 0, removed = 0, readers = 0 }

local function counts(changed)
  return setmetatable(changed, { __index = NOTHING })
end

local function assert_counts(expected, engine)
  local found = assert(engine:maintain())
  for name in pairs(NOTHING) do
    assert.equal(counts(expected)[name], found[name], name)
  end
end

for _, row in ipairs(HOSTS) do
  describe("tenants with " .. row[1], function()
    after_each(stores.check)

    it("have the questions closed whose time is over", function()
      local engine, time, path = open { host = row[2]() }
      local ids, later = {}, {}
      for i, name in ipairs(NAMES) do
        local tenant = begin(engine, name)
        if i % 2 == 1 then
          ids[name] = ask(tenant)
        else
          time.now = START + 1
          later[name] = ask(tenant)
          time.now = START
        end
      end
      time.now = START + TTL - 0.001
      local before = commits(engine)
      assert_counts({}, engine)
      assert.equal(before, commits(engine))
      time.now = START + TTL
      assert_counts({ expired = 9 }, engine)
      for name, id in pairs(ids) do
        assert.equal("expired", state(engine, name, id))
      end
      for name, id in pairs(later) do
        assert.equal("open", state(engine, name, id))
      end
      time.now = START + TTL + 1
      assert_counts({ expired = 8 }, engine)
      assert_counts({}, engine)
      engine:close()
      assert.same({}, core.check_store(path))
    end)

    it("lose what is older or more than is kept, each by its own count", function()
      for _, retention in ipairs { { count = 2, age = false }, { age = 30, count = false } } do
        local engine, time, path = open { host = row[2](), retention = retention, record_unchanged = "full" }
        local tenants = {}
        for i, name in ipairs(NAMES) do
          tenants[i] = begin(engine, name)
        end
        for n = 1, 5 do -- entries of all tenants are numbered by their time
          time.now = START + 20 * n
          for i = 1, n > 3 and #NAMES or 4 do
            assert(tenants[i]:handle { id = n, trigger = "sale_registered", company = "C" .. n, category = LEAD })
            assert(tenants[i]:handle { id = "x" .. n, trigger = "sale_lost", company = "Acme" }) -- comes to nothing
          end
        end
        assert_counts({ removed = 4 * 2 * 3 }, engine)
        for _, name in ipairs(NAMES) do
          assert.equal(2, entries(engine, name))
        end
        time.now = START + 20 * 4 + 30.5
        stores.write_at(engine._store, time.now)
        assert_counts({ removed = retention.age and #NAMES * 2 or 0 }, engine)
        assert_counts({}, engine)
        engine:close()
        assert.same({}, core.check_store(path))
      end
    end)

    it("cost no commit where all that is old has to stay", function()
      local engine, time = open { host = row[2](), retention = { age = 10, count = 1 } }
      for _, name in ipairs { "a", "b" } do
        ask(begin(engine, name))
      end
      time.now = START + 20
      local before = commits(engine)
      assert_counts({}, engine)
      assert.equal(before, commits(engine))
      engine:close()
    end)
  end)
end

-- A process ends in the midst of a change of each tenant whose name it is given as hex digits.
local KILLED = [[
  local leadcat = require "leadcat"
  local path = arg[1]
  local last = arg[#arg]
  local host = { category = function() return 1 end }
  function host.set_category(_, _, _, _, tenant)
    if tenant == last:gsub("%x%x", function(hex) return string.char(tonumber(hex, 16)) end) then
      local pipe = io.popen "echo $PPID"
      local pid = pipe:read "*l"
      pipe:close()
      os.execute("kill -9 " .. pid)
    end
    return nil, "away"
  end
  local engine = assert(leadcat.open {
    path = path, host = host, map_size = 2 ^ 26, clock = function() return 1700000000 end,
  })
  for i = 2, #arg do
    local name = arg[i]:gsub("%x%x", function(hex) return string.char(tonumber(hex, 16)) end)
    engine:tenant(name):handle { id = "e", trigger = "sale_registered", company = "Acme" }
  end
]]

local function hex(name)
  return (name:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

describe("unfinished changes", function()
  after_each(stores.check)

  -- A store with a change in each tenant that a killed process has left: the last one claimed, the others to be tried again.
  local function leave(names)
    local engine, _, path = open { host = crm.new {} }
    for _, name in ipairs(names) do
      begin(engine, name)
    end
    engine:close()
    local arguments = {}
    for i, name in ipairs(names) do
      arguments[i] = hex(name)
    end
    local output, status = stores.run(KILLED, path, stores.unpack(arguments))
    assert.equal(137, status, output) -- 128 + SIGKILL
    return path
  end

  -- A host that knows each tenant's Acme.
  local function new_host()
    local host = { made = {} }
    function host.category(_, tenant) return host.made[tenant] or LEAD end
    function host.set_category(_, to, from, outcome, tenant)
      assert.same({ host.category(nil, tenant), "string", "applying" }, { from, type(tenant), outcome.status })
      host.made[tenant] = to
      return true
    end
    return host
  end

  it("that a killed process left are finished, of tenants that nobody has opened since", function()
    local path = leave(NAMES)
    local host = new_host()
    local engine, time = open { path = path, host = host }
    assert.same({}, host.made)
    time.now = START + 3600
    local told = 0
    engine:on("updated", function() told = told + 1 end)
    assert_counts({ finished = #NAMES }, engine)
    assert.equal(#NAMES, told)
    for _, name in ipairs(NAMES) do
      assert.equal(OPPORTUNITY, host.made[name])
      assert.equal("updated", engine:tenant(name):history()[1].status)
    end
    assert_counts({}, engine)
    engine:close()
    assert.same({}, core.check_store(path))
  end)

  it("are taken up when their time has come, not before", function()
    local path = leave { "a", "b", "c" }
    local host = new_host()
    local engine, time = open { path = path, host = host }
    -- A killed process' claim is nobody's at once; a pause is half a second at least, which passes where everything takes long.
    local is_slow = times(20) < 20
    if not is_slow then
      time.now = START + 0.4
      assert_counts({ finished = 1 }, engine)
      assert.same({ c = OPPORTUNITY }, host.made)
    end
    time.now = START + 3600
    assert_counts({ finished = is_slow and 3 or 2 }, engine)
    engine:close()
  end)

  it("of others are finished where one tenant's host is away, or raises", function()
    for _, failing in ipairs { function() return nil, "away" end, function() error "no connection" end } do
      local path = leave { "a", "b", "c" }
      local host = new_host()
      local category = host.category
      function host.category(company, tenant)
        if tenant == "b" then
          return failing()
        end
        return category(company, tenant)
      end
      local engine, time = open { path = path, host = host }
      time.now = START + 3600
      assert_counts({ finished = 2, failed = 1 }, engine)
      assert.same({ a = OPPORTUNITY, c = OPPORTUNITY }, host.made)
      host.category, time.now = category, START + 7200
      assert_counts({ finished = 1 }, engine)
      engine:close()
    end
  end)

  it("are left alone by the embedded host, whose they are not", function()
    local path = leave { "a", "b" }
    local engine, time = open { path = path }
    time.now = START + 3600
    assert_counts({}, engine)
    engine:close()
  end)
end)

describe("what goes wrong for one tenant", function()
  after_each(stores.check)

  -- The call of the store that fails for tenant "b" alone, and what the others come to all the same.
  it("is told with its name, when the others have had their turn", function()
    for _, call in ipairs { "expire", "trim" } do
      local engine, time = open { retention = { age = 1000 } }
      local ids, held = {}, nil
      for _, name in ipairs { "a", "b\n", "c" } do
        local tenant = begin(engine, name)
        ids[name] = ask(tenant)
        held = name == "b\n" and tenant or held
      end
      local mend = stores.fail(held, call)
      if call == "trim" then
        time.now = START + TTL
        assert_counts({ expired = 3 }, engine)
      end
      time.now = call == "trim" and START + 1001 or START + TTL
      stores.write_at(engine._store, time.now)
      assert.same({ nil, "tenant 'b<U+000A>': no room", "full" }, { engine:maintain() })
      for _, name in ipairs { "a", "c" } do
        if call == "trim" then
          assert.equal(1, entries(engine, name)) -- that of its end
        else
          assert.equal("expired", state(engine, name, ids[name]))
        end
      end
      mend()
      assert_counts(call == "trim" and { removed = 1 } or { expired = 1 }, engine)
      engine:close()
    end
  end)

  it("is told as it is by the tenant's own engine", function()
    local engine, time = open {}
    ask(begin(engine, ""))
    local mend = stores.fail(engine, "expire")
    time.now = START + TTL
    assert.same({ nil, "no room", "full" }, { engine:maintain() })
    mend()
    engine:close()
  end)

  for _, call in ipairs { "due", "check_readers" } do
    it(("is told where the store's %s fails"):format(call), function()
      local engine = open { host = crm.new {} }
      local mend = stores.fail(engine, call)
      assert.same({ nil, "no room", "full" }, { engine:maintain() })
      mend()
      assert_counts({}, engine)
      engine:close()
    end)
  end
end)

describe("retention of very many tenants", function()
  after_each(stores.check)

  -- Of forty tenants the store names one a step. Gives those that were visited since the last time.
  local function watch(engine)
    local store, visited = engine._store, {}
    local stand_in = setmetatable({}, { __index = function(_, name)
      return function(_, ...) return store[name](store, ...) end
    end })
    function stand_in.due(_, work, age, count, now, place)
      if work ~= "journal" or age == 1 then -- that is for the calendar
        return store:due(work, age, count, now, place)
      end
      local number = (tonumber(place) or 0) + 1
      visited[#visited + 1] = number
      return { "t" .. number }, number < 40 and tostring(number) or ""
    end
    engine._store = stand_in
    return function()
      local first, last, all = visited[1], visited[#visited], #visited
      visited = {}
      return { first, last, all }
    end
  end

  it("looks at all of them first, then at some a call, in turn", function()
    local engine = open {}
    local visited = watch(engine)
    for _, expected in ipairs {
      { 1, 40, 40 }, { 1, 16, ROUND_STEPS }, { 17, 32, ROUND_STEPS }, { 33, 40, 8 }, { 1, 16, ROUND_STEPS },
    } do
      assert_counts({}, engine)
      assert.same(expected, visited())
    end
    engine:close()
  end)

  it("goes on where it was, whichever tenant's engine is asked", function()
    local engine = open {}
    assert_counts({}, engine)
    local other = engine:tenant "other"
    local visited = { watch(engine), watch(other) }
    for i, expected in ipairs { { 1, 16, ROUND_STEPS }, { 17, 32, ROUND_STEPS }, { 33, 40, 8 } } do
      assert_counts({}, i % 2 == 1 and engine or other)
      assert.same(expected, visited[2 - i % 2]())
    end
    engine:close()
  end)
end)

describe("an engine that was opened for one tenant", function()
  after_each(stores.check)

  it("keeps that one in order: the others may have other hosts", function()
    local engine, _, path = open {} -- its questions are long over
    ask(begin(engine, "east"))
    ask(begin(engine, "west"))
    engine:close()
    engine = stores.open { path = path, tenant = "east" }
    assert.equal(1, engine:maintain().expired)
    assert.equal(1, engine:tenant("west"):maintain().expired)
    engine:close()
  end)
end)

describe("leadcat maintain", function()
  after_each(stores.check)

  it("keeps all tenants of the store in order", function()
    local engine, _, path = open {} -- its questions are long over
    for _, name in ipairs { "", "east", "west" } do
      ask(begin(engine, name))
    end
    engine:close()
    local output, errors, status = stores.leadcat("maintain", "--path", path, "--json")
    assert.same({ "", 0 }, { errors, status })
    local found = json.decode(output)
    assert.same({ 3, 0 }, { found.expired, found.removed }) -- how long the host keeps its journal is not known here
    output = stores.leadcat("maintain", "--path", path, "--keep-entries", "1", "--json")
    assert.equal(3, json.decode(output).removed)
    output, errors, status = stores.leadcat("maintain", "--path", path, "--keep-days", "0")
    assert.same({ "", 2 }, { output, status })
    assert.matches("%-%-keep%-days: an integer from 1 expected, got '0'", errors)
  end)
end)
