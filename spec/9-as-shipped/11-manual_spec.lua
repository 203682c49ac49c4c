-- The manual: what its pages say is done as they say it, and `make doc` builds it whole.

local api = require "support.api"
local contents = require "support.doc.contents"
local databases = require "support.databases"
local leadcat = require "leadcat"
local pages = require "support.pages"
local stores = require "support.stores"

local function output_of(command)
  local pipe = assert(io.popen("{ " .. command .. "; } 2>&1; echo $?"))
  local output, status = pipe:read "*a":match "^(.-)(%d+)\n$"
  pipe:close()
  return output, status == "0"
end

-- Building ----------------------------------------------------------------------------------------------------------------

describe("make doc", function()
  local folder

  setup(function() folder = os.tmpname() end)

  teardown(function() os.execute("rm -rf " .. folder) end)

  it("builds a folder without a link that leads nowhere", function()
    local build = "unset LUA_PATH LUA_CPATH; sh spec/support/with_lua.sh lua5.4 spec/support/doc/build.lua "
    local output, ok = output_of(build .. folder)
    assert.is_true(ok, output)
    for _, part in ipairs(contents) do
      assert.is_true(#part[2] > 0)
    end
    for name in ("index.html start-apache.html api.html types.html manual.css grafana.json"):gmatch "%S+" do
      assert(io.open(folder .. "/" .. name)):close()
    end
  end)

  it("has all public functions, with an example each", function()
    local page = assert(io.open(folder .. "/api.html")):read "*a"
    local examples = dofile "spec/manual/examples.lua"
    for _, item in ipairs(api.functions()) do
      local id = item.name:lower():gsub("[^%w]+", "-")
      assert.is_truthy(page:find('<h3 id="' .. id .. '">', 1, true), item.name)
      assert.is_string(examples[item.name], item.name)
      examples[item.name] = nil
    end
    assert.same({}, examples)
  end)

  it("has every README of the project", function()
    local listed, there = {}, {}
    for _, part in ipairs(contents) do
      for _, page in ipairs(part[2]) do
        listed[page[1]] = true
      end
    end
    local list = output_of "ls README.md CHANGELOG.md src/*.md; find lua spec/manual -name '*.md'"
    for name in list:gmatch "[^\n]+" do
      there[#there + 1] = not listed[name] and name or nil
    end
    assert.same({}, there)
  end)

  it("needs no server, and nothing from elsewhere", function()
    for page in output_of("ls " .. folder .. "/*.html"):gmatch "[^\n]+" do
      local html = assert(io.open(page)):read "*a"
      assert.is_nil(html:find "<[^<>]+ src=", page)
      assert.is_nil(html:find('href="/', 1, true), page)
      assert.is_truthy(html:find('<html lang="en">', 1, true), page)
      local _, count = html:gsub("<h1", "")
      assert.equal(1, count, page)
    end
  end)
end)

-- Examples ----------------------------------------------------------------------------------------------------------------

-- What an example finds, as spec/manual/examples.lua says it.
local function surroundings(engine)
  local config = leadcat.preset "superoffice"
  config.rules = {
    { trigger = "sale_won", enabled = true, set_category = 5 },
    { trigger = "sale_registered", enabled = true, set_category = 3, ask = true },
  }
  assert(engine:save(config))
  assert(engine.host:create_many({ "Acme", "Bolt", "Coil" }, 1))
  local ann = { id = "ann", name = "Ann", admin = true }
  return setmetatable({
    leadcat = leadcat, engine = engine, ann = ann, print = function() end,
    entry = assert(engine:handle { trigger = "sale_won", company = "Bolt" }).entry,
    question = assert(engine:handle { trigger = "sale_registered", company = "Coil", actor = ann }).confirmation,
  }, { __index = _G })
end

local function loaded(code, name, environment)
  if setfenv then -- luacheck: ignore setfenv
    return setfenv(assert(loadstring(code, name)), environment) -- luacheck: ignore setfenv loadstring
  end
  return assert(load(code, name, "t", environment))
end

describe("the example of", function()
  after_each(stores.check)

  for name, code in pairs(dofile "spec/manual/examples.lua") do
    it(name .. " runs", function()
      local engine = stores.open()
      code = code:gsub("/var/lib/leadcat", stores.path()):gsub("/backup/leadcat", stores.path())
      local example = loaded(code, name, surroundings(engine))
      local ok, problem = true, nil
      if not name:find "^leadcat%.resty" then -- nginx's page runs these
        ok, problem = pcall(example)
      end
      engine:close()
      assert.is_true(ok, name .. ": " .. tostring(problem))
    end)
  end
end)

-- Hosts -------------------------------------------------------------------------------------------------------------------

-- Each once, whichever Lua runs the specs; servers are slow under a sanitizer.
if not os.getenv "LEADCAT_SLOW" and not rawget(_G, "jit") then
  local MODULES = {
    nginx = "luajit", lua = "lua5.4", haproxy = "lua5.3", apache = "lua5.3", prosody = "lua5.4", tarantool = "luajit",
  }

  describe("the page of", function()
    for _, name in ipairs { "recipes", "operations" } do
      it(name .. " is true", function()
        local page = { name = "spec/manual/" .. name .. ".md", lua = "lua5.4" }
        local ok, problem = pcall(pages.follow, page)
        pages.leave(page)
        assert(ok, problem)
      end)
    end
  end)

  describe("the page of getting started with", function()
    for name, module in pairs(MODULES) do
      it(name .. " is true", function()
        local page = { name = "spec/manual/start/" .. name .. ".md", lua = module }
        local ok, problem = pcall(pages.follow, page)
        pages.leave(page)
        assert(ok, problem)
      end)
    end

    it("others is true", function()
      local cores = output_of("pwd"):match "[^\n]+" .. "/" .. (os.getenv "LEADCAT_BUILD" or "build")
      local page = { name = "spec/manual/start/others.md", lua = "luajit" }
      page.environment = ("LUA_CPATH_5_2='%s/lua5.2/?.so;;' LUA_CPATH_5_3='%s/lua5.3/?.so;;'"):format(cores, cores)
      local ok, problem = pcall(pages.follow, page)
      pages.leave(page)
      assert(ok, problem)
    end)

    it("postgresql is true", function()
      local database, tree = databases.get "postgresql", output_of "pwd":match "[^\n]+"
      local path = ("''%s/lua/?.lua;%s/lua/?/init.lua;'' .. package.path"):format(tree, tree)
      local cpath = ("''%s/%s/lua5.3/?.so;'' .. package.cpath"):format(tree, os.getenv "LEADCAT_BUILD" or "build")
      local init = "ALTER DATABASE crm SET pllua.on_common_init = 'package.path = %s package.cpath = %s'"
      databases.psql(database, init:format(path, cpath))
      local page = { name = "spec/manual/start/postgresql.md", lua = "lua5.4", user = "postgres" }
      page.environment = ("PGHOST=127.0.0.1 PGPORT=%d PGUSER=leadcat"):format(database.port)
      local ok, problem = pcall(pages.follow, page)
      pages.leave(page)
      databases.stop()
      assert(ok, problem)
    end)
  end)
end

-- Metrics -----------------------------------------------------------------------------------------------------------------

describe("the dashboard", function()
  after_each(stores.check)

  it("asks for metrics that there are", function()
    local engine = stores.open()
    local told = assert(engine:metrics())
    engine:close()
    local text = assert(io.open "spec/manual/grafana.json"):read "*a"
    local dashboard = assert(require("cjson").decode(text))
    local count = 0
    for _, panel in ipairs(dashboard.panels) do
      for _, target in ipairs(panel.targets or {}) do
        for name in target.expr:gmatch "leadcat_[%l_]+" do
          count = count + 1
          assert.is_truthy(told:find("# TYPE " .. name .. " ", 1, true), panel.title .. ": " .. name)
        end
      end
    end
    assert.is_true(count >= 6)
  end)
end)

