-- Single bits of a store's files are turned over: what would end a process that uses the store must be named by the check,
-- which reads every page without LMDB before it lets LMDB at them.

local core = require "leadcat.core"
local stores = require "support.stores"
local times = require "support.times"

local SEED = tonumber(os.getenv "SEED") or 7

-- Uses everything in a store; says so at the end.
local USE = [[
  local leadcat = require "leadcat"
  local engine, _, code = leadcat.open { path = arg[1], map_size = 2 ^ 26 }
  if not engine then
    print("refused: " .. code)
    return
  end
  pcall(function()
    for i = 1, 40 do
      engine:handle { id = "f" .. i, trigger = "sale_lost", company = i }
      engine:handle { id = "n" .. i, trigger = "sale_lost", company = i }
    end
    engine:history { limit = 1000 }
    engine:confirmations()
    engine:save(engine:config() or {})
    engine:maintain()
    for _ in engine.host:companies() do end
  end)
  print "used"
]]

local function new_store()
  local engine, path = stores.open()
  for _, target in ipairs { 4, 7 } do
    assert(engine:save(stores.config { sale_won = { 5, ask = true }, sale_lost = target }))
  end
  for i = 1, 40 do
    engine.host:create(i, 1)
    local name = ("x"):rep(i % 9 == 0 and 5000 or 10) -- some values lie on overflow pages
    local trigger = i % 2 == 0 and "sale_lost" or "sale_won"
    engine:handle { id = "e" .. i, trigger = trigger, company = i, actor = { name = name } }
    engine:handle { id = "n" .. i, trigger = trigger, company = i, category = 6 }
  end
  engine:close()
  return path
end

-- Turns one bit of a file over; gives its place.
local function turn_over(name)
  local file = assert(io.open(name, "r+b"))
  local pages = file:seek "end" / 4096
  local at = math.random(0, pages - 1) * 4096 + (math.random(2) == 1 and math.random(0, 60) or math.random(0, 4095))
  file:seek("set", at)
  local byte, bit = file:read(1):byte(), 2 ^ math.random(0, 7)
  file:seek("set", at)
  file:write(string.char(byte % (2 * bit) >= bit and byte - bit or byte + bit))
  file:close()
  return at
end

-- The number in so many bytes behind the first `at` ones, and the bytes of one.
local function number(bytes, at, size)
  local n = 0
  for i = size, 1, -1 do
    n = n * 256 + bytes:byte(at + i)
  end
  return n
end

local function eight(n)
  local bytes = {}
  for i = 1, 8 do
    bytes[i], n = string.char(n % 256), math.floor(n / 256)
  end
  return table.concat(bytes)
end

-- A store with a list of free pages that is too long for one page.
local function new_freed_store()
  local engine, path = stores.open { retention = { count = 1 } }
  local store, now = engine._store, 1700000000
  for _, length in ipairs { 2000000, 1 } do
    local long = { company = "x", trigger = "sale_lost", at = now, reason = "vetoed", error = ("x"):rep(length) }
    assert(store:add_unchanged("", { long }, now))
  end
  assert.equal(1, (store:trim("", 0, 1, now, 0, "unchanged")))
  engine:close()
  return path
end

-- Has the last list of free pages in a file name the page that `choose` gives of the newest head: {root, last}.
local function name_free(path, choose)
  local file = assert(io.open(path, "r+b"))
  local bytes = file:read "*a"
  local head = number(bytes, 144, 8) > number(bytes, 4096 + 144, 8) and 0 or 4096
  local page = number(bytes, head + 80, 8) * 4096
  assert.equal(1, number(bytes, head + 46, 2)) -- the tree of lists is one leaf
  local node = page + number(bytes, page + number(bytes, page + 12, 2) - 2, 2)
  local list = node + 8 + number(bytes, node + 6, 2)
  local is_long = number(bytes, node + 4, 2) == 1
  list = is_long and number(bytes, list, 8) * 4096 + 16 or list
  assert.is_true(number(bytes, list, 8) >= (is_long and 400 or 1))
  file:seek("set", list)
  file:write(eight(1), eight(choose { root = number(bytes, head + 128, 8), last = number(bytes, head + 136, 8) }))
  file:close()
  return is_long
end

describe("a page that is named as free", function()
  after_each(stores.check)

  for _, row in ipairs {
    { "though it is in use", function(head) return head.root end, "tables: page %d+ has two places" },
    { "though it is one of LMDB's heads", function() return 1 end, "free pages: page 1 has two places" },
    { "though there is none", function(head) return head.last + 1 end, "free pages: page %d+ is beyond the end" },
  } do
    it(row[1] .. " is found", function()
      for is_long, new in pairs { [false] = new_store, [true] = new_freed_store } do
        local path = new()
        assert.same({}, core.check_store(path))
        assert.equal(is_long, name_free(path .. "/journal.mdb", row[2]))
        assert.matches("journal.mdb, " .. row[3], core.check_store(path)[1])
      end
    end)
  end
end)

describe("a bit that has turned over", function()
  after_each(stores.check)

  it(("is found where it would end a process (seed %d)"):format(SEED), function()
    math.randomseed(SEED)
    local path, copy = new_store(), stores.path()
    for _ = 1, times(60) do
      os.execute(("unset LD_PRELOAD; rm -rf '%s' && mkdir '%s' && cp '%s'/*.mdb '%s'"):format(copy, copy, path, copy))
      local name = math.random(3) == 1 and "config.mdb" or "journal.mdb"
      local at = turn_over(copy .. "/" .. name)
      local problems = core.check_store(copy)
      local output = stores.run(USE, copy)
      assert.is_true(#problems > 0 or output:find "used" ~= nil or output:find "refused" ~= nil,
        ("%s, byte %d: %s"):format(name, at, output))
    end
  end)

  it("is found in every page's head, and a sound store has none", function()
    local path = new_store()
    assert.same({}, core.check_store(path))
    local file = assert(io.open(path .. "/journal.mdb", "r+b"))
    file:seek("set", 2 * 4096)
    for page = 2, file:seek "end" / 4096 - 1 do -- all but LMDB's own two get another page's number
      file:seek("set", page * 4096)
      file:write "\1\2\3\4"
    end
    file:close()
    assert.matches("journal.mdb, .*: page %d+ is damaged", core.check_store(path)[1])
  end)
end)
