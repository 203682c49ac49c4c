-- `make install` and `make uninstall`: for each Lua, below a prefix and below DESTDIR, with what is needed and without.

if rawget(_G, "jit") or os.getenv "LEADCAT_SLOW" then
  return -- which Lua is installed for does not depend on which Lua asks
end

local files = require "support.files"
local leadcat = require "leadcat"
local stores = require "support.stores"

-- Runs a shell command with nothing in the environment but a path; gives its output and whether it succeeded.
local function shell(command, path)
  local script = stores.file(command .. "\n", ".sh")
  local pipe = assert(io.popen(("env -i PATH='%s' HOME=/nonexistent sh -e '%s' 2>&1; echo $?"):format(
    path or "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", script)))
  local output, status = pipe:read("*a"):match "^(.-)(%d+)\n$"
  pipe:close()
  return output, status == "0"
end

local function must(command)
  local output, ok = shell(command)
  assert.is_true(ok, command .. "\n" .. output)
  return output
end

local function refused(command)
  local output, ok = shell(command)
  assert.is_false(ok, command .. "\n" .. output)
  return output
end

-- All that is below a directory.
local function listing(directory)
  return must("find '" .. directory .. "' | sort")
end

local function has(command)
  return (select(2, shell("command -v " .. command)))
end

local VERSION = "leadcat " .. leadcat._VERSION .. "\n"

local KINDS = {
  { "5.4", "lua5.4", "5.4" }, { "lua5.3", "lua5.3", "5.3" }, { "5.2", "lua5.2", "5.2" }, { "luajit", "luajit", "5.1" },
}

describe("make install", function()
  local directory

  before_each(function()
    directory = stores.path()
    must("mkdir " .. directory)
  end)

  after_each(stores.check)

  for _, row in ipairs(KINDS) do
    local lua, command, version = stores.unpack(row)
    local make = function(target)
      return ("make -s %s LUA=%s PREFIX='%s/opt/x'"):format(target, lua, directory)
    end

    it("with LUA=" .. lua .. " gives a command that needs nothing else set, and uninstall leaves nothing", function()
      if not has(command) then
        pending(command .. " is not installed")
        return
      end
      local before = listing(directory)
      must(make "install")
      must(("cd %s && ln -s %s/opt/x/bin/leadcat link && ln -s link again"):format(directory, directory))
      for _, name in ipairs { "opt/x/bin/leadcat", "link", "again" } do
        assert.equal(VERSION, must(("cd / && %s/%s --version"):format(directory, name)))
      end
      must(("cd / && %s/again init --path %s/store && %s/again check --path %s/store"):format(directory, directory,
        directory, directory))
      assert.equal(version .. "\n", must(("ls %s/opt/x/lib/lua"):format(directory)))
      must(("cd %s && rm -r link again store"):format(directory))
      must(make "uninstall")
      must(("rmdir %s/opt"):format(directory)) -- it is above PREFIX
      assert.equal(before, listing(directory))
    end)
  end

  it("below DESTDIR writes no word of it, and uninstall leaves nothing", function()
    local before = listing(directory)
    must("make -s install DESTDIR=" .. directory)
    assert.equal("", must(("grep -rl '%s' '%s' || true"):format(directory, directory)))
    local command = files.read(directory .. "/usr/local/bin/leadcat")
    assert.matches("\npackage.cpath = [[/usr/local/lib/lua/5.4/?.so;", command, 1, true)
    must("make -s uninstall DESTDIR=" .. directory)
    assert.equal(before, listing(directory))
  end)

  it("for one Lua leaves that for another alone, and so does uninstall", function()
    if not has "luajit" then
      pending "luajit is not installed"
      return
    end
    local prefix = " PREFIX=" .. directory .. "/x"
    must("make -s install LUA=5.4" .. prefix)
    must("make -s install LUA=luajit" .. prefix)
    must("make -s uninstall LUA=5.4" .. prefix)
    assert.equal("5.1\n", must(("ls %s/x/lib/lua"):format(directory)))
    assert.equal(VERSION, must(directory .. "/x/bin/leadcat --version"))
    assert.matches("^#!/%S*luajit\n", files.read(directory .. "/x/bin/leadcat"))
    must("make -s uninstall LUA=luajit" .. prefix)
    assert.equal(directory .. "\n", listing(directory))
  end)

  it("leaves what others have put beside it", function()
    must(("cd %s && mkdir -p x/share/lua/5.4/leadcat.d x/bin"):format(directory))
    must(("cd %s/x && touch bin/leadcat2 share/lua/5.4/leadcat.d/a"):format(directory))
    local before = listing(directory)
    must(("make -s install PREFIX=%s/x && make -s uninstall PREFIX=%s/x"):format(directory, directory))
    assert.equal(before, listing(directory))
  end)

  it("for OpenResty goes into its site/lualib, and uninstall keeps that", function()
    if not has "luajit" then
      pending "luajit is not installed"
      return
    end
    must(("cd %s && mkdir -p bin site/lualib lualib"):format(directory))
    local before = listing(directory)
    must("make -s install OPENRESTY=" .. directory)
    must(("make -n OPENRESTY=%s BUILD=%s/b %s/b/luajit/leadcat/core.so | grep -q 'isystem /'"):format(
      directory, directory, directory)) -- the system's headers, where that folder has none
    must(("cd %s/site/lualib/leadcat && test -e core.so && test -e resty.lua"):format(directory))
    assert.equal(VERSION, must("cd / && " .. directory .. "/bin/leadcat --version"))
    must("make -s uninstall OPENRESTY=" .. directory)
    assert.equal(before, listing(directory))
  end)

  describe("copies nothing", function()
    local ROWS = {
      { "of another Lua's core", "LUA=5.4 CORE=build/luajit/leadcat/core.so", "is not for Lua 5.4" },
      { "of a core that is not there", "LUA=5.4 CORE=build/nosuch.so", "build/nosuch.so" },
      { "for Lua 5.1", "LUA=lua5.1", "leadcat is for Lua 5%.4, 5%.3, 5%.2 and LuaJIT" },
      { "for Lua 5.5", "LUA=5.5", "no such command" },
      { "for a Lua that is not there", "LUA=/nonexistent/lua", "no such command" },
      { "without headers", "LUA=5.3 LUA53_INCDIR= BUILD=%s/b", "apt%-get install liblua5%.3%-dev" },
      { "without a compiler", "CC=nosuch-cc BUILD=%s/b", "apt%-get install gcc libc6%-dev liblmdb%-dev" },
      { "without the headers of LMDB", "CFLAGS=-nostdinc BUILD=%s/b", "liblmdb%-dev" },
    }
    for _, row in ipairs(ROWS) do
      it(row[1], function()
        local output = refused(("make -s install PREFIX=%s/x %s"):format(directory, row[2]:format(directory)))
        assert.matches(row[3], output)
        assert.equal("", must(("ls %s | grep -v '^b$' || true"):format(directory)))
      end)
    end
  end)
end)

describe("the core", function()
  after_each(stores.check)

  -- How the Makefile would compile and link it.
  local function plan(arguments, path)
    local output, ok = shell("make -n BUILD=" .. stores.path() .. " " .. arguments, path)
    assert.is_true(ok, output)
    return output:match "[^\n]+%-c src/lua/core%.c[^\n]+", output:match "[^\n]+%-shared[^\n]+"
  end

  it("is hardened", function()
    local parts = must "readelf --wide --dynamic --segments --symbols build/lua5.4/leadcat/core.so"
    for _, part in ipairs { "BIND_NOW", "GNU_RELRO", "__stack_chk_fail", "__%a+_chk@" } do
      assert.matches(part, parts)
    end
  end)

  it("is compiled and linked with the flags that are given", function()
    local compile, link = plan "CPPFLAGS=-DONE LDFLAGS=-Wl,-z,two CFLAGS=-O3"
    assert.matches("%-DONE .*%-O3 ", compile)
    assert.matches("%-Wl,%-z,two ", link)
  end)

  it("is not hardened where that would be in the way", function()
    assert.not_matches("FORTIFY", (plan "CFLAGS=-O0"))
    assert.not_matches("FORTIFY", (plan "CFLAGS='-O1 -fsanitize=address'"))
    assert.not_matches("stack-protector", (plan "CFLAGS='-O1 -fsanitize=address'"), 1, true)
  end)

  it("is built with what pkg-config says, and without it with what is there", function()
    local bin = stores.path()
    must(("mkdir %s && printf '%%s\\n' '#!/bin/sh' 'echo $1-of-$2' >%s/pkg-config"):format(bin, bin))
    must(("chmod 755 %s/pkg-config"):format(bin))
    local compile, link = plan("", bin .. ":/usr/bin:/bin")
    assert.matches("-isystem --cflags-only-I-of-lua5.4 ", compile, 1, true)
    assert.matches("--libs-of-lmdb --libs-of-libutf8proc --libs-of-libcrypto -pthread", link, 1, true)
    must(("printf '%%s\\n' '#!/bin/sh' 'exit 1' >%s/pkg-config"):format(bin))
    compile, link = plan("", bin .. ":/usr/bin:/bin")
    assert.matches("-isystem /usr/include/lua5.4 ", compile, 1, true)
    assert.matches("-llmdb -lutf8proc -lcrypto -pthread", link, 1, true)
  end)

  it("says with the headers of Lua 5.1 which it wants", function()
    local include = stores.path()
    must(("mkdir %s && cp /usr/include/lua5.4/*.h %s"):format(include, include))
    must(("sed -i 's/\\(LUA_VERSION_NUM[^0-9]*\\)504/\\1501/' %s/lua.h"):format(include))
    assert.matches("leadcat is for Lua 5%.4, 5%.3, 5%.2 and LuaJIT",
      refused("gcc -fsyntax-only -Isrc -isystem " .. include .. " src/lua/core.c"))
  end)
end)

-- A part of the specs, on the Luas that the whole of them is not run on.
local SOME = "spec/1-deciding/01-first_event_spec.lua spec/2-handling/01-outcomes_spec.lua "
  .. "spec/3-asking/04-proposals_spec.lua spec/6-words-and-pages/02-view_spec.lua "
  .. "spec/7-http-and-command-line/01-json_spec.lua"

describe("what leadcat does", function()
  for _, lua in ipairs { "lua5.3", "lua5.2" } do
    it("it does on " .. lua, function()
      if not has(lua) then
        pending(lua .. " is not installed")
        return
      end
      must("make -s " .. lua)
      local output = must("sh spec/support/with_lua.sh " .. lua .. " /usr/bin/busted --output=plainTerminal " .. SOME)
      assert.matches("\n%d%d+ successes / 0 failures / 0 errors", output)
    end)
  end
end)
