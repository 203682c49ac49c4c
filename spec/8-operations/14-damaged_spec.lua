-- Damage that is found while a store is in use: what reads page by page, or tries again, comes to an end and says why.
-- (08 turned bits is about what is found before.)

local files = require "support.files"
local json = require "leadcat.util.json"
local stores = require "support.stores"

local LEAD, CUSTOMER = 1, 5

local read, write = files.read, files.write

-- Runs the command; one that does not end is killed, with the status 137.
local function run(...)
  local words = { "timeout", "-s", "KILL", "60", os.getenv "LEADCAT_LUA" or "lua5.4", "lua/leadcat/bin/leadcat", ... }
  local pipe = assert(io.popen("'" .. table.concat(words, "' '") .. "' 2>&1; echo status $?"))
  local output = pipe:read "*a"
  pipe:close()
  local text, status = output:match "^(.-)status (%d+)\n$"
  return text, tonumber(status)
end

-- A store with the changes of so many companies.
local function store_of(count)
  local engine, path = stores.open()
  assert(engine:save(stores.config { sale_won = CUSTOMER }))
  assert(engine:save(stores.config { sale_won = CUSTOMER }))
  local events, companies = {}, {}
  for i = 1, count do
    companies[i] = ("company %05d"):format(i)
    events[i] = { trigger = "sale_won", company = companies[i] }
  end
  assert(engine.host:create_many(companies, LEAD))
  assert(engine:handle_many(events))
  return engine, path
end

local HEAD = 80 -- bytes of an entry before the company's text; its number is within them

-- The bytes of a whole number, the lowest first.
local function bytes_of(number)
  local bytes = {}
  for i = 1, 8 do
    bytes[i] = string.char(number % 256)
    number = math.floor(number / 256)
  end
  return table.concat(bytes)
end

-- Gives the company's only entry a number that it does not have.
local function renumber(path, company, entry, to)
  local name = path .. "/journal.mdb"
  local content, from, wanted, changed = read(name), 1, bytes_of(entry), 0
  while true do
    local at = content:find(company, from, true)
    if not at then
      break
    end
    local head = content:sub(at - HEAD, at - 1)
    local inside = at > HEAD and head:find(wanted, 1, true)
    if inside then
      local place = at - HEAD + inside - 1
      content = content:sub(1, place - 1) .. bytes_of(to) .. content:sub(place + 8)
      changed = changed + 1
    end
    from = at + 1
  end
  assert(changed > 0, "the entry was not found")
  write(name, content)
end

describe("an entry that has another one's number", function()
  after_each(stores.check)

  -- Where it stands among 300, and by how much its number is changed: as if it were newer than all, or than some.
  for _, row in ipairs { { 291, 2 ^ 20 }, { 150, 2 ^ 20 }, { 150, 128 }, { 291, 9 } } do
    it(("ends an undo of many: %d, %d"):format(row[1], row[2]), function()
      local engine, path = store_of(300)
      local company = ("company %05d"):format(row[1])
      local entry = assert(engine:history { company = company })[1].entry
      engine:close()
      renumber(path, company, entry, entry + row[2])
      local output, status = run("undo", "--revision", "2", "--preview", "--path", path)
      assert.equal(1, status, output)
      assert.matches("^leadcat: .*journal.*entry", output)
    end)
  end
end)

describe("a config that has another one's revision", function()
  after_each(stores.check)

  it("does not keep the rules from being saved", function()
    local engine, path = store_of(1)
    engine:close()
    local content, count = read(path .. "/config.mdb"):gsub('"revision":2,"rules"', '"revision":1,"rules"')
    assert.is_true(count > 0)
    write(path .. "/config.mdb", content)
    engine = stores.open { path = path }
    assert.same({ nil, "tenant '': config revision 2 says that it is revision 1", "corrupt" }, { engine:config(2) })
    engine:close()
    local file = stores.file(json.encode(stores.config { sale_won = 6 }), ".json")
    local output, status = run("config", "import", "--path", path, file)
    assert.equal(0, status, output)
    assert.matches("revision 3\n$", output)
  end)

  it("is named where nothing tells the right one", function()
    local engine, path = store_of(1)
    engine:close()
    write(path .. "/config.mdb", (read(path .. "/config.mdb"):gsub('"revision":2', '"revision":1')))
    local file = stores.file(json.encode(stores.config { sale_won = 6 }), ".json")
    local output, status = run("config", "import", "--path", path, file)
    assert.equal(1, status, output)
    assert.matches("the newest config says that it is revision 1\n$", output)
  end)
end)

-- Calls of a store that do not move on --------------------------------------------------------------------------------

-- The engine's store with one call replaced, which fails the test when it is called for ever. `instead` gets the real call.
local function replace(engine, call, instead)
  local store, count = engine._store, 0
  local replaced = setmetatable({
    [call] = function(_, ...)
      count = count + 1
      assert(count < 2000, call .. " is called for ever")
      return instead(function(...) return store[call](store, ...) end, ...)
    end,
  }, { __index = function(_, name) return function(_, ...) return store[name](store, ...) end end })
  engine._store, engine.host.store = replaced, replaced
end

local function overtaken(_, _, items)
  for _, item in ipairs(items) do
    item.result = "overtaken"
  end
  return true
end

local function same_entries(real, tenant, company, since, _, ...)
  return real(tenant, company, since, nil, ...)
end

local function asked(engine)
  assert(engine:save(stores.config { sale_won = { 6, ask = true } }))
  assert(engine.host:create("Acme", LEAD))
  return assert(engine:handle { trigger = "sale_won", company = "Acme" }).confirmation
end

local function backfill(engine, run_id)
  return engine:backfill({ { trigger = "sale_won", company = "company 00001", category = LEAD, at = 1, id = "b" } },
    { run = run_id })
end

-- What is done, the store's call and what it does instead; what comes of it: message and code, or nothing.
local ROWS = {
  { "an undo of many whose journal goes round", "history", same_entries,
    function(engine) return engine:undo { revision = 2, preview = true } end,
    "the journal: entry %d+ does not stand in the place of its number", "corrupt" },
  { "a search whose journal goes round", "search", function(real, tenant, company)
    return real(tenant, company, { most = 3, limit = 3 }, nil)
  end,
    function(engine) return engine:history { status = "failed" } end,
    "the journal: entry %d+ does not stand", "corrupt" },
  { "a list of companies that goes round", "companies", function(real, tenant, _, limit)
    return real(tenant, "", limit)
  end, function(engine)
    local ok, message = pcall(function() for _ in engine.host:companies() do end end)
    return ok or nil, message, "corrupt"
  end, "the companies: what is behind company %d+ leads back to it", "corrupt" },
  { "a retention that stays where it is", "trim", function() return 0, 7 end,
    function(engine) return engine:sweep() end,
    "the entries to be removed: what is behind 7 leads back to it", "corrupt" },
  { "maintenance that comes back to a tenant", "due", function() return {}, "x" end,
    function(engine) return engine:maintain() end,
    "the tenants with timed: what is behind x leads back", "corrupt" },
  { "questions that are never closed", "expire", function() return 0, true end,
    function(engine) return engine:sweep() end },
  { "a save that is always overtaken", "save", function() return nil, "stale", "stale" end,
    function(engine) return engine:save(stores.config { sale_won = 6 }) end,
    "the newest config says that it is revision 2", "corrupt" },
  { "an undo that is always overtaken", "write", overtaken,
    function(engine) return engine:undo(engine:history { limit = 1 }[1].entry) end, "keeps changing", "unavailable" },
  { "an answer that is always overtaken", "write", overtaken,
    function(engine, id) return engine:resolve(id, { accept = true }) end, "keeps changing", "unavailable", asked },
  { "a backfill that is always overtaken", "handle", function(real, tenant, events, results, now, how)
    if how.cursor then
      return nil, "overtaken", "conflict"
    end
    return real(tenant, events, results, now, how)
  end, function(engine) return backfill(engine, "r") end, "its company keeps changing", "unavailable" },
  { "an undo of a backfill that goes on", "write", function(real, tenant, items, now, claim, cursor)
    if cursor and cursor.name == "run r" then
      return nil, "overtaken", "conflict"
    end
    return real(tenant, items, now, claim, cursor)
  end, function(engine) return engine:undo { run = "r" } end, "keeps making progress", "conflict", function(engine)
    assert(backfill(engine, "r"))
  end },
}

describe("a store that does not move on", function()
  after_each(stores.check)

  for _, row in ipairs(ROWS) do
    local name, call, instead, act, message, code, before = stores.unpack(row, 1, 7)
    it("ends " .. name, function()
      local engine = store_of(2500)
      local made = before and before(engine)
      replace(engine, call, instead)
      local result, why, failure = act(engine, made)
      if message then
        assert.is_nil(result)
        assert.matches(message, why)
        assert.equal(code, failure)
      else
        assert.truthy(result, why)
      end
      engine:close()
    end)
  end

  it("ends a recovery that goes round", function()
    local page = {}
    for i = 1, 100 do
      page[i] = { company = "c" .. i, entry = i, at = 1 }
    end
    local engine = stores.open { host = {
      category = function() return LEAD end, set_category = function() return true end,
    } }
    replace(engine, "applying", function() return page end)
    local counts, why, failure = engine:recover()
    assert.is_nil(counts)
    assert.matches("the unfinished changes: what is behind c100 leads back to it", why)
    assert.equal("corrupt", failure)
    engine:close()
  end)
end)
