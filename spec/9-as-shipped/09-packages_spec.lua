-- Packages: the rocks that `make dist` makes, and their rockspecs.

if rawget(_G, "jit") or os.getenv "LEADCAT_SLOW" then
  return -- it is the same package, whichever Lua looks at it
end

local files = require "support.files"
local leadcat = require "leadcat"
local stores = require "support.stores"

-- Runs a shell command without the paths of this tree; gives its output.
local function must(command)
  local script = stores.file(command .. "\n", ".sh")
  local pipe = assert(io.popen(("unset LUA_PATH LUA_CPATH LD_PRELOAD; sh -e '%s' 2>&1; echo $?"):format(script)))
  local output, status = pipe:read("*a"):match "^(.-)(%d+)\n$"
  pipe:close()
  assert.equal("0", status, command .. "\n" .. output)
  return output
end

-- What a rockspec says, as a table.
local function rockspec(name)
  local said = {}
  local chunk
  if rawget(_G, "setfenv") then
    chunk = assert(loadstring(files.read(name))) -- luacheck: ignore
    setfenv(chunk, said) -- luacheck: ignore
  else
    chunk = assert(load(files.read(name), name, "t", said))
  end
  chunk()
  return said
end

local VERSIONED = ("rockspec/leadcat-%s-1.rockspec"):format(leadcat._VERSION)

describe("the rockspec of this version", function()
  it("is the only one beside scm, and says the same but for version and source", function()
    assert.equal(VERSIONED .. "\nrockspec/leadcat-scm-1.rockspec\n", must "ls rockspec/*.rockspec")
    local released, scm = rockspec(VERSIONED), rockspec "rockspec/leadcat-scm-1.rockspec"
    assert.equal(leadcat._VERSION .. "-1", released.version)
    assert.matches("/leadcat%-" .. leadcat._VERSION:gsub("%.", "%%.") .. "%.tar%.gz$", released.source.url)
    released.version, released.source, scm.version, scm.source = nil, nil, nil, nil
    assert.same(scm, released)
  end)
end)

describe("make dist", function()
  local build, tree, name

  before_each(function()
    build, tree, name = stores.path(), stores.path(), "leadcat-" .. leadcat._VERSION
  end)

  after_each(stores.check)

  -- All files below the tree but luarocks' list of what is there, which says that there is nothing.
  local function left()
    return must(("find '%s' -type f -o -type l | grep -v '/manifest' || true"):format(tree))
  end

  local function luarocks(what)
    return must(("cd / && luarocks --lua-version=5.4 --tree '%s' %s"):format(tree, what))
  end

  local function works()
    assert.equal("leadcat " .. leadcat._VERSION .. "\n", must(("cd / && '%s/bin/leadcat' --version"):format(tree)))
    must(("cd / && '%s/bin/leadcat' init --path '%s/store' && rm -r '%s/store'"):format(tree, tree, tree))
    must(("test -s '%s/share/lua/5.4/leadcat/web/leadcat.js'"):format(tree))
  end

  it("makes the same archive again, and rocks that install all, and remove all", function()
    must("make -s dist BUILD=" .. build)
    local sum = must(("cd '%s/dist' && sha256sum %s.tar.gz"):format(build, name))
    must(("make -s dist BUILD=%s && cd %s/dist && echo '%s' | sha256sum -c"):format(build, build, sum:gsub("\n", "")))
    assert.not_matches("/spec/", must(("tar -tf %s/dist/%s.tar.gz"):format(build, name)))

    luarocks(("install --deps-mode=none %s/dist/%s-1.src.rock"):format(build, name))
    works()
    must(("cd '%s' && luarocks --lua-version=5.4 --tree '%s' pack leadcat"):format(build, tree))
    luarocks "remove leadcat"
    assert.equal("", left())

    luarocks(("install --deps-mode=none %s/%s-1.*-*.rock"):format(build, name))
    works()
    luarocks "remove leadcat"
    assert.equal("", left())
  end)
end)
