--- Lua collects garbage wherever memory is taken, also in the middle of a call, and runs finalizers then. These may use the
-- engine, close it, or change what the call was given. Every method is called with a finalizer at many points of the call;
-- ASan sees what is read after it is gone. `support/finalizers.lua` has the calls.

local core = require "leadcat.core"
local Engine = require "leadcat.engine"
local finalizers = require "support.finalizers"
local groups = require "leadcat.store"
local stores = require "support.stores"

local TRIES = { store = 40, engine = 10, simulation = 40 } -- of each act

-- Calls the subject in a process of its own, which it may end.
local TRY = [[
  if rawget(_G, "jit") then
    require("jit").off() -- compiling takes memory, too
  end
  local finalizers = require "support.finalizers"
  local most = 0
  for i = 3, #arg - 1 do
    local tries = tonumber(arg[#arg])
    if arg[i] == "change" then -- collects all of the time, and takes fifty times as long as the others
      tries = math.ceil(tries / 4)
    end
    local fired, bytes = finalizers.try(arg[1], arg[2], arg[i], tries)
    most = bytes > 400 and math.max(most, fired) or 1
  end
  assert(most > 0, "no finalizer has run")
  require("support.stores").check() -- removes what was made
  print "same"
]]

local function names_of(rows)
  local names = {}
  for name in pairs(rows) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

local function listed()
  local names = {}
  for _, group in pairs(groups) do
    for _, name in ipairs(group) do
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

local function public(class)
  local names = {}
  for name, value in pairs(class) do
    if type(value) == "function" and name:sub(1, 1) ~= "_" and name ~= "new" then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

-- Runs Lua whose last finalizers run when it ends; gives what it writes.
local function run(code)
  local output, status = stores.run([[
    local core = require "leadcat.core"
    local newproxy = rawget(_G, "newproxy")
    local function finally(fn)
      local object = newproxy and newproxy(true) or setmetatable({}, { __gc = fn })
      if newproxy then
        getmetatable(object).__gc = fn
      end
      return object
    end
    local function try(fn, ...)
      print(select(2, pcall(fn, ...)))
    end
    local config = {
      categories = { { id = 1, group = "potential_customer" }, { id = 5, group = "customer" } },
      rules = { { trigger = "sale_won", enabled = true, set_category = 5 } },
    }
  ]] .. code, stores.path())
  assert.equal(0, status, output)
  return output
end

describe("a finalizer that runs within", function()
  after_each(stores.check)

  for kind, names in pairs { store = listed(), engine = public(Engine) } do
    it(("each method of a %s is tried"):format(kind), function()
      assert.same(names, names_of(finalizers.rows[kind]))
    end)

    for _, name in ipairs(names) do
      it(("%s:%s does no harm"):format(kind, name), function()
        assert.equal("same\n", (stores.run(TRY, kind, name, "use", "close", "change", tostring(TRIES[kind]))))
      end)
    end
  end

  for _, name in ipairs { "add", "finish" } do
    it(("%s of a simulation cannot use it"):format(name), function()
      assert.equal("same\n", (stores.run(TRY, "simulation", name, "use", tostring(TRIES.simulation))))
    end)
  end
end)

describe("a finalizer that runs after that of", function()
  after_each(stores.check)

  -- Those of later objects run first.
  it("a simulation finds it closed", function()
    assert.equal(("the simulation is closed\n"):rep(2), run [[
      local add, lines, finish
      KEPT = finally(function()
        try(add, { trigger = "sale_won", company = "b" })
        try(finish)
      end)
      add, lines, finish = core.simulation(1, config)
      assert(add { trigger = "sale_won", company = "a" })
    ]])
  end)

  it("a decider, a store or an overlay finds it closed", function()
    local output = run [[
      local store, decide, overlay
      local how = { write = true, keeps_companies = true, ttl = 9 }
      KEPT = finally(function()
        how.overlay = overlay
        try(store.handle, store, "", { { trigger = "sale_won", company = "a" } }, {}, 1, how)
        try(decide, "sale_won", 1)
        try(store.counters, store, "")
      end)
      BEFORE = assert(core.open { path = arg[1], map_size = 2 ^ 26, max_readers = 0 })
      store = BEFORE
      decide, overlay = store:decider("", print), store:overlay()
      assert(decide("sale_won", 1))
    ]]
    assert.matches("overlay expected.*closed\n.*closed\n$", output)
  end)

  it("a decider finds it closed while its store is open", function()
    local output = run [[
      local store, decide = assert(core.open { path = arg[1], map_size = 2 ^ 26, max_readers = 0 }), nil
      KEPT = finally(function() try(decide, "sale_won", 1) end)
      decide = store:decider("", print)
      assert(decide("sale_won", 1))
    ]]
    assert.matches("the decider is closed\n$", output)
  end)
end)

describe("texts of a table with a metatable", function()
  after_each(stores.check)

  -- Reading a field could run Lua, and nothing would keep the text of another field.
  it("are refused", function()
    local store = assert(core.open { path = stores.path(), map_size = 2 ^ 26, max_readers = 0 })
    local texts = { company = true, tenant = true, user = true, name = true, text = true }
    local odd = setmetatable({}, { __index = function(_, name) return texts[name] and name .. os.tmpname() or nil end })
    for name, call in pairs {
      confirmations = function() return store:confirmations("", odd) end,
      count_confirmations = function() return store:count_confirmations("", odd) end,
      create = function() return store:create("", { odd }, 1) end,
      add = function() return store:add { odd } end,
      write = function() return store:write("", {}, 1, 1, odd) end,
    } do
      assert.error_matches(call, "a table without a metatable expected", nil, nil, name)
    end
    store:close()
  end)
end)
