-- Packages: the rocks that `make dist` makes, and their rockspecs.

if rawget(_G, "jit") or os.getenv "LEADCAT_SLOW" then
  return -- it is the same package, whichever Lua looks at it
end

local core = require "leadcat.core"
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

describe("the command", function()
  after_each(stores.check)

  it("prints a man page with all commands and options", function()
    local page = must "build/bin/leadcat manual"
    for _, text in ipairs { ".SS config import", ".SS worker", ".SS outbox sql", ".B \\-\\-keep\\-days N",
      ".SH EXIT STATUS" } do
      assert.matches(text, page, 1, true)
    end
    for name in must("build/bin/leadcat --help"):match "Commands:\n(.*)":gmatch "\n   ?(%l[%l-]+)%f[^%l-]" do
      assert.matches("\n.SS " .. name:gsub("%-", "\\-"), page, 1, true)
    end
  end)

  it("prints what shells complete", function()
    local script = stores.path()
    must("build/bin/leadcat completion bash >" .. script)
    local complete = [[bash -c '. %s; COMP_WORDS=(leadcat wor); COMP_CWORD=1; _leadcat; echo "${COMPREPLY[@]}"']]
    assert.equal("worker\n", must(complete:format(script)))
    for _, shell in ipairs { "zsh", "fish" } do
      must(("build/bin/leadcat completion %s >%s; test -s %s"):format(shell, script, script))
      must(("! command -v %s || %s -n %s"):format(shell, shell, script))
    end
  end)
end)

describe("a store in which nothing is saved", function()
  after_each(stores.check)

  it("says so, and leadcat init ends that", function()
    local engine, path = stores.open()
    engine:close()
    assert.matches("warning: .*leadcat init %-%-path " .. path, must("build/bin/leadcat check --path " .. path))
    for _, command in ipairs { "config show", "explain --company Acme --trigger sale_won" } do
      assert.matches("^leadcat: nothing has been saved in [^\n]+: leadcat init %-%-path " .. path,
        must(("build/bin/leadcat %s --path %s"):format(command, path)))
    end
    must("build/bin/leadcat init --path " .. path)
    assert.equal("no problems\n", must("build/bin/leadcat check --path " .. path))
  end)
end)

describe("the nginx.conf of the examples", function()
  local server = require "nginx.server"
  after_each(stores.check)

  for _, cache in ipairs { "on", "off" } do
    it("starts as it is, with lua_code_cache " .. cache .. ", and says when nothing is saved", function()
      if not server.is_installed() then
        pending "nginx or its Lua module is not installed"
        return
      end
      local directory, port = stores.path(), server.free_port()
      local conf = files.read "rockspec/examples/nginx.conf"
        :gsub("/var/lib/leadcat", directory .. "/store"):gsub("127.0.0.1:8081", "127.0.0.1:" .. port)
        :gsub("lua_code_cache on", "lua_code_cache " .. cache)
      must(("mkdir -p %s && cd %s && printf 'ann:%%s\\n' \"$(openssl passwd -6 x)\" >leadcat.users"):format(
        directory, directory))
      files.write(directory .. "/nginx.conf", conf)
      local here = must("pwd"):gsub("\n", "")
      local cpath = here .. "/" .. (os.getenv "LEADCAT_BUILD" or "build") .. "/luajit/?.so;;"
      must(("LUA_PATH='%s/lua/?.lua;%s/lua/?/init.lua;;' LUA_CPATH='%s' /usr/sbin/nginx -c %s/nginx.conf -e %s/log "
        .. "-g 'env LUA_PATH; env LUA_CPATH; pid %s/pid; user root;'"):format(here, here, cpath, directory, directory,
        directory))
      local fetch = "curl -sS --retry 5 --retry-connrefused -u ann:x http://127.0.0.1:" .. port .. "/leadcat/settings"
      local page = must(fetch)
      local log, pause = files.read(directory .. "/log"), 0.01
      while log == "" and pause < 20 do -- a timer of a worker that has just started writes it
        core.sleep(pause)
        log, pause = files.read(directory .. "/log"), pause * 2
      end
      must(("kill -QUIT $(cat %s/pid)"):format(directory))
      assert.matches("leadcat init %-%-path DIR", page)
      assert.matches("nothing has been saved in the store yet", log)
    end)
  end
end)

describe("make deb", function()
  it("makes packages without an error of lintian's", function()
    local has = must "command -v dpkg-buildpackage && command -v lintian && command -v dh || true"
    if select(2, has:gsub("\n", "")) < 3 then
      pending "dpkg-dev, debhelper or lintian is not installed"
      return
    end
    local build = stores.path()
    must("make -s deb BUILD=" .. build)
    must(("lintian --fail-on error %s/deb/*.changes"):format(build))
    local content = must(("for deb in %s/deb/*.deb; do dpkg -c $deb; done"):format(build))
    for _, name in ipairs { "/usr/bin/leadcat", "/lua/5.4/leadcat/core.so", "/lua/5.1/leadcat/core.so",
      "/man1/leadcat.1.gz", "/leadcat-worker@.service", "/leadcat-maintain.timer", "/examples/nginx.conf" } do
      assert.matches(name, content, 1, true)
    end
    stores.check()
  end)
end)
