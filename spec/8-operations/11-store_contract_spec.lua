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
  local pipe = assert(io.popen "grep -rL 'store = require' lua --include=*.lua | grep -v ^lua/leadcat/store/")
  for file in pipe:lines() do
    for line in io.lines(file) do
      line = line:gsub("%-%-.*", ""):gsub("leadcat%.store%f[^%w_][%w_.]*", "") -- a module's name
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

  local OBJECT = setmetatable({}, {})
  local UNREADABLE = {
    { "a tenant's name that is too long", "company", { ("t"):rep(65), "acme" }, "the text is too long" },
    { "a company that is too long", "company", { "", ("c"):rep(256) }, "the text is too long" },
    { "a category that is none", "create", { "", {}, 0 }, "an integer from 1 to 2147483647 expected" },
    { "a category beyond 31 bits", "create", { "", {}, 2 ^ 31 }, "an integer from 1 to 2147483647 expected" },
    { "a category as text", "create", { "", {}, "1" }, "number expected, got string" },
    { "items that are no table", "create", { "", "acme", 1 }, "table expected, got string" },
    { "an item with a metatable", "create", { "", { OBJECT }, 1 }, "a table without a metatable expected" },
    { "an item that is no table", "create", { "", { "acme" }, 1 }, "a table without a metatable expected" },
    { "a company that is no text", "create", { "", { { company = 7 } }, 1 },
      "field 'company': string expected, got number" },
    { "a long company in an item", "create", { "", { { company = ("c"):rep(256) } }, 1 },
      "field 'company': the text is too long" },
    { "a question's state that there is not", "confirmations", { "", { state = "opened", limit = 1 } },
      "field 'state': unknown value" },
    { "a limit that is no integer", "confirmations", { "", { limit = 1.5 } },
      "field 'limit': integer expected, got number" },
    { "a limit as text", "confirmations", { "", { limit = "1" } }, "field 'limit': integer expected, got string" },
    { "a time as text", "confirmations", { "", { limit = 1, now = "1" } }, "field 'now': number expected, got string" },
    { "an answer to what cannot be a question's id", "write",
      { "", { { company = "a", trigger = "sale_won", action = "update", status = "updated", answers = "x" } }, 1, 1 },
      "field 'answers': 32 hex digits expected" },
    { "a change that would ask", "write",
      { "", { { company = "a", trigger = "sale_won", action = "update", status = "awaiting_confirmation" } }, 1, 1 },
      "field 'status': only events ask" },
    { "a trigger that there is not", "write",
      { "", { { company = "a", trigger = "sale_lots", action = "update", status = "updated" } }, 1, 1 },
      "field 'trigger': unknown value" },
    { "a company that is moved to itself", "move", { "", { fate = "merged", company = "a", to = "a" }, 1 },
      "field 'to': another company expected" },
    { "a company that is moved nowhere", "move", { "", { fate = "renamed", company = "a" }, 1 },
      "field 'to': another company expected" },
    { "a company that is moved and deleted", "move", { "", { fate = "deleted", company = "a", to = "b" }, 1 },
      "field 'to': another company expected" },
    { "a fate that there is not", "move", { "", { fate = "sold", company = "a", to = "b" }, 1 },
      "field 'fate': unknown value" },
    { "marks to be erased from no place", "erase_marks", { "", {}, true, "x" }, "number expected" },
    { "traces where there are none", "find_traces", { "", "counters", {}, "" },
      "questions, revisions, unchanged or journal expected" },
    { "a place that is none", "find_traces", { "", "journal", {}, ("x"):rep(17) }, "the text is too long" },
    { "no status", "write", { "", { { company = "a", trigger = "sale_won", action = "update" } }, 1, 1 },
      "field 'status': unknown value" },
  }
  for _, row in ipairs(UNREADABLE) do
    it("raises for " .. row[1] .. ", and writes nothing", function()
      local store = open()
      local ok, message = pcall(store[row[2]], store, stores.unpack(row[3]))
      assert.is_false(ok)
      assert.matches(row[4], message)
      assert.equal(0, store:stats().commits.count)
    end)
  end

  it("takes the longest names that there may be", function()
    local store, tenant, company = open(), ("t"):rep(64), ("c"):rep(255)
    assert.equal(1, store:create(tenant, { { company = company } }, 2 ^ 31 - 1))
    assert.equal(2 ^ 31 - 1, store:company(tenant, company))
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
        if age ~= "not_found" then
          coroutine.yield()
        end
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
