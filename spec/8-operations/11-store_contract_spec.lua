--- The store as a seam: lua/leadcat/store/init.lua lists all that Lua asks of one, and the core's store keeps to it.

local conformance = require "support.conformance"
local core = require "leadcat.core"
local crm = require "support.crm"
local groups = require "leadcat.store"
local handling = require "support.handling"
local stores = require "support.stores"

local MAP = 64 * 1024 * 1024
local opened = {}

local function open(path)
  path = path or stores.path()
  opened[#opened + 1] = assert(core.open { path = path, map_size = MAP, max_readers = 0, relaxed = true })
  return opened[#opened], path
end

-- The methods that are called on a store in Lua's own files, and where; in some files a `store` is a module.
local function called()
  local found = {}
  local pipe = assert(io.popen "grep -rL 'store = require' lua --include=*.lua")
  for file in pipe:lines() do
    for line in io.lines(file) do
      line = line:gsub("%-%-.*", "")
      for name in line:gmatch "%f[%w_]_?store[:.]([%a_]+)%f[^%w_.\"]" do
        found[name] = file
      end
    end
  end
  pipe:close()
  return found
end

describe("the store of the core", function()
  after_each(function()
    for _, store in ipairs(opened) do
      store:close()
    end
    opened = {}
    stores.check()
  end)

  it("is asked for what is listed, all of it and nothing else, and has it", function()
    local listed, asked, store = {}, called(), open()
    for _, names in pairs(groups) do
      for _, name in ipairs(names) do
        listed[name] = true
        assert.is_function(store[name], name)
        assert.is_truthy(asked[name], "nobody calls " .. name)
      end
    end
    for name, file in pairs(asked) do
      assert.is_truthy(listed[name], ("%s calls %s, which is not listed"):format(file, name))
    end
  end)

  -- Over a network a call yields: then a claim of our own must not look as if it was left behind.
  it("may yield while a change is claimed", function()
    local host = crm.new { acme = 1 }
    local set_category, tried = host.set_category, 0
    host.set_category = function() return nil, "away" end
    local engine, time = handling.open({ sale_won = 5 }, { host = host })
    assert.equal("failed", engine:handle({ trigger = "sale_won", company = "acme" }).status)
    time.now = time.now + 3600
    host.set_category = function(...)
      tried = tried + 1
      return set_category(...)
    end
    local store = engine._store
    engine._shared.metatable.__index._store = setmetatable({
      claim = function(_, ...)
        local entry, attempts, age = store:claim(...)
        coroutine.yield()
        return entry, attempts, age
      end,
    }, { __index = function(_, name) return function(_, ...) return store[name](store, ...) end end })
    local first, second = coroutine.wrap(engine.recover), coroutine.wrap(engine.recover)
    first(engine)
    second(engine)
    assert.same({ finished = 0, failed = 0, busy = 1 }, second())
    assert.same({ finished = 1, failed = 0, busy = 0 }, first())
    assert.equal(1, tried)
    engine:close()
  end)

  conformance(open, { describe = describe, it = it, before_each = before_each })
end)
