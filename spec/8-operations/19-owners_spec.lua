-- Whose the files of a store are, and their mode: `mode`, `leadcat init --owner` and `--mode`, and root in a service's store.

local leadcat = require "leadcat"
local stores = require "support.stores"
local users = require "support.users"

local output_of, sh = users.output_of, users.sh

-- The owners, groups and modes of all files in a store and of its directory, each once.
local function owners_of(path)
  return output_of("stat -c '%%U:%%G %%a' '%s' && stat -c '%%U:%%G %%a' '%s'/* | sort -u", path, path)
end

local OPEN = [[
  local leadcat = require "leadcat"
  local engine = assert(leadcat.open { path = arg[1], mode = arg[2] and tonumber(arg[2], 8) })
  assert(engine:save(leadcat.preset "superoffice"))
  engine:close()
]]

local function open_under(umask, path, mode)
  users.run_under(umask, stores.file(OPEN, ".lua"), path, mode)
end

describe("the mode of files", function()
  after_each(stores.check)

  for _, row in ipairs {
    { "077", "660", "770", "660" }, { "000", "600", "700", "600" }, { "027", "644", "755", "644" },
    { "027", nil, "750", "640" }, { "077", nil, "700", "600" }, { "000", nil, "750", "640" },
  } do
    it(("is that of the option, else less the umask: %s, umask %s"):format(row[2] or "none", row[1]), function()
      local path = stores.path()
      open_under(row[1], path, row[2])
      assert.equal(row[3] .. "\n", output_of("stat -c %%a '%s'", path))
      assert.equal(row[4] .. "\n", output_of("stat -c %%a '%s'/* | sort -u", path))
    end)
  end

  it("stays in files that are there, and is that of the data in lock files that are made again", function()
    local path = stores.path()
    open_under("077", path, "660")
    sh("rm '%s'/*lock*", path)
    open_under("077", path)
    open_under("077", path, "600")
    assert.equal("660\n", output_of("stat -c %%a '%s'/* | sort -u", path))
  end)

  it("is one with which the owner may read and write, and nobody execute", function()
    for _, mode in ipairs { 660, 0, 416.5, "660", tonumber("460", 8), tonumber("770", 8), tonumber("662", 8) } do
      local opened, message = pcall(leadcat.open, { path = stores.path(), mode = mode })
      assert.is_false(opened)
      assert.matches('mode.*tonumber%("660", 8%)', message)
    end
  end)

  it("is asked for with init --mode", function()
    local path = stores.path()
    assert.equal(0, select(3, stores.leadcat("init", "--path", path, "--mode", "660")))
    assert.equal("660\n", output_of("stat -c %%a '%s'/* | sort -u", path))
    for _, mode in ipairs { "660x", "8", "777", "", "rw" } do
      local _, errors, status = stores.leadcat("init", "--path", path, "--mode", mode)
      assert.equal(2, status)
      assert.matches("%-%-mode: octal digits", errors)
    end
  end)
end)

describe("the owner of a store", function()
  after_each(stores.check)

  for _, row in ipairs {
    { "nobody", "nobody:nogroup" }, { "nobody:daemon", "nobody:daemon" }, { "65534:1", "nobody:daemon" },
    { "1234", "UNKNOWN:UNKNOWN" }, { "daemon", "daemon:daemon" },
  } do
    it("is whom init --owner names: " .. row[1], function()
      if not users.is_root() then
        return pending "only root may give files away"
      end
      local path = stores.path()
      assert.equal(0, select(3, stores.leadcat("init", "--path", path, "--owner", row[1])))
      assert.equal(("%s 750\n%s 640\n"):format(row[2], row[2]), owners_of(path))
    end)
  end

  for _, owner in ipairs { "no-such-user", "nobody:no-such-group", "", ":nogroup", ("x"):rep(100), "4294967295" } do
    it(("is refused before anything is made: '%s'"):format(owner), function()
      local path = stores.path()
      local _, errors, status = stores.leadcat("init", "--path", path, "--owner", owner)
      assert.equal(2, status)
      assert.matches("%-%-owner: there is no %l+ '", errors)
      sh("test ! -e '%s'", path)
    end)
  end

  it("is only given away by root", function()
    if not users.may_be_nobody() then
      return pending(users.WHY)
    end
    local path = stores.path()
    local output, status = users.leadcat_as_nobody("init", "--path", path, "--owner", "root")
    assert.equal(2, status)
    assert.matches("only root may give a store to another user, and this runs as nobody", output)
    sh("test ! -e '%s'", path)
  end)

  it("stays when root opens it: whatever is made belongs to whom the data belongs to", function()
    if not users.is_root() then
      return pending "only root may open what is another user's"
    end
    local path = stores.path()
    assert.equal(0, select(3, stores.leadcat("init", "--path", path, "--owner", "nobody:daemon", "--mode", "660")))
    for _, words in ipairs { { "maintain" }, { "history" }, { "config", "show" }, { "check", "--store" } } do
      sh("rm -f '%s'/*lock*", path)
      words[#words + 1], words[#words + 2] = "--path", path
      assert.equal(0, select(3, stores.leadcat(stores.unpack(words))))
      assert.equal("nobody:daemon 770\nnobody:daemon 660\n", owners_of(path))
    end
  end)

  it("is that of an empty directory in which root makes it", function()
    if not users.is_root() then
      return pending "only root may make what is another user's"
    end
    local path = stores.path()
    sh("mkdir -m 700 '%s' && chown nobody:daemon '%s'", path, path)
    assert.equal(0, select(3, stores.leadcat("init", "--path", path)))
    assert.equal("nobody:daemon 700\nnobody:daemon 640\n", owners_of(path))
  end)

  it("is named, with the file and who asks, where another user may not open it", function()
    if not users.may_be_nobody() then
      return pending(users.WHY)
    end
    local path = stores.path()
    assert.equal(0, select(3, stores.leadcat("init", "--path", path)))
    sh("chmod 755 '%s'", path)
    local output, status = users.leadcat_as_nobody("maintain", "--path", path)
    assert.equal(1, status)
    assert.matches("cannot open " .. path:gsub("%p", "%%%0") .. "/owners.lock as user nobody: Permission denied. "
      .. "%S+/owners.lock belongs to user root and has the mode 0640: run this as root, or let nobody have the right",
      output)
  end)

  it("may share it with a group", function()
    if not users.may_be_nobody() then
      return pending(users.WHY)
    end
    local path = stores.path()
    assert.equal(0, select(3, stores.leadcat("init", "--path", path, "--owner", "daemon:nogroup", "--mode", "660")))
    for _, words in ipairs { { "maintain" }, { "history" } } do
      words[#words + 1], words[#words + 2] = "--path", path
      local output, status = users.leadcat_as_nobody(stores.unpack(words))
      assert.equal(0, status, output)
    end
  end)
end)
