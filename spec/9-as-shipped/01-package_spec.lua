-- What is shipped: one version everywhere, a rock that works in a fresh tree, a prefix install, files that are all there.

local core = require "leadcat.core"
local leadcat = require "leadcat"
local stores = require "support.stores"

local function read(path)
  local file = assert(io.open(path, "rb"))
  local content = file:read "*a"
  file:close()
  return content
end

-- Runs a shell command away from the tree and from its paths; gives its output and whether it succeeded.
local function shell(command)
  local pipe = assert(io.popen("unset LUA_PATH LUA_CPATH LD_PRELOAD; { " .. command .. "; } 2>&1; echo $?"))
  local output, status = pipe:read("*a"):match "^(.-)(%d+)\n$"
  pipe:close()
  return output, status == "0"
end

-- Asks leadcat below a directory for a decision, away from this tree.
local ASK = [[cd / && export LUA_PATH='$T/share/lua/5.4/?.lua;$T/share/lua/5.4/?/init.lua;;' &&
  LUA_CPATH='$T/lib/lua/5.4/?.so;;' lua5.4 -e 'local leadcat = require "leadcat"
  local engine = assert(leadcat.open { path = "$STORE", map_size = 2^24 })
  print(leadcat._VERSION, engine:decide("sale_won", 1)) engine:close()']]

local function ask(directory)
  return (shell((ASK:gsub("$STORE", stores.path()):gsub("$T", directory))))
end

local EXPECTED = leadcat._VERSION .. "\tnone\tnil\trule_disabled\n"

describe("the version", function()
  it("is the Lua module's and the core's", function()
    assert.matches("^%d+%.%d+%.%d+$", leadcat._VERSION)
    assert.equal(leadcat._VERSION, core.version)
  end)

  it("stands in one file only, and in the rockspec that has it in its name", function()
    local output = shell("grep -rlF '" .. leadcat._VERSION .. "' src lua rockspec Makefile README.md")
    assert.equal(("lua/leadcat/init.lua\nrockspec/leadcat-%s-1.rockspec\n"):format(leadcat._VERSION), output)
  end)

  it("differing between Lua and core is refused", function()
    local loaded = package.loaded["leadcat"]
    package.loaded["leadcat"], core.version = nil, "0.0.0"
    local ok, message = pcall(require, "leadcat")
    package.loaded["leadcat"], core.version = loaded, loaded._VERSION
    assert.is_false(ok)
    assert.matches("its core is 0%.0%.0", message)
  end)
end)

describe("installing", function()
  after_each(stores.check)

  it("with luarocks gives module and command in a fresh tree", function()
    local tree = stores.path()
    local make = "luarocks --lua-version=5.4 make --deps-mode=none rockspec/leadcat-scm-1.rockspec --tree "
    local output, ok = shell(make .. tree)
    assert.is_true(ok, output)
    assert.equal(EXPECTED, ask(tree))
    assert.equal("leadcat " .. leadcat._VERSION .. "\n", (shell("cd / && " .. tree .. "/bin/leadcat --version")))
  end)

  it("below a prefix gives module and command", function()
    local prefix = stores.path()
    local output, ok = shell("make -s install PREFIX=" .. prefix)
    assert.is_true(ok, output)
    assert.equal(EXPECTED, ask(prefix))
    assert.equal("leadcat " .. leadcat._VERSION .. "\n", (shell("cd / && " .. prefix .. "/bin/leadcat --version")))
  end)
end)

describe("the tree", function()
  it("builds without its specs, as a release does", function()
    local tree = stores.path()
    local output, ok = shell("mkdir " .. tree .. " && cp -r Makefile src lua rockspec " .. tree .. " && cd " .. tree
      .. " && make -s install DESTDIR=" .. tree .. "/to PREFIX= CFLAGS=-O0")
    assert.is_true(ok, output)
    assert.equal(EXPECTED, ask(tree .. "/to"))
  end)

  it("has the launcher find it from anywhere", function()
    assert.equal("leadcat " .. leadcat._VERSION .. "\n",
      (shell 'make -s all && here=$(pwd) && cd / && "$here/build/bin/leadcat" --version'))
  end)

  it("has a line of help for each target of the Makefile that a person calls", function()
    local help = shell "make -s help"
    for target in (read "Makefile" .. read "spec/checks.mk"):gmatch "\n([a-z][a-z0-9.]*):[^\n]*##" do
      assert.matches("\n?  " .. target:gsub("%.", "%%.") .. " +%S", help)
    end
  end)
end)
