-- Users, disks and backups that may only be read: the commands work, and say what is in the way; stores of an older leadcat.

local core = require "leadcat.core"
local disks = require "support.disks"
local files = require "support.files"
local leadcat = require "leadcat"
local readers = require "support.readers"
local stores = require "support.stores"
local users = require "support.users"

local new_store, read, state_of, own, sh = readers.new_store, readers.open, readers.state_of, readers.own, users.sh

local COMMANDS = { -- each with what it prints
  { "sale_won", "config", "show" }, { "sale_won", "config", "export" }, { "Bolt", "history" },
  { "Acme", "confirmations" }, { "result", "explain", "--company", "Bolt", "--trigger", "sale_won" },
  { "would be", "undo", "--preview", "--revision", "1" },
  { "no problems", "check", "--store" }, { "no problems", "check" },
}

-- Has `run` do all commands that read with a store, and one that writes.
local function try_commands(run, path, refused)
  for _, words in ipairs(COMMANDS) do
    local all = { stores.unpack(words, 2) }
    all[#all + 1], all[#all + 2] = "--path", path
    local output, errors, status = run(stores.unpack(all))
    assert.matches(words[1], output, 1, true)
    assert.equal(0, status or errors, output)
  end
  local output, errors, status = run("maintain", "--path", path)
  assert.matches(refused, output .. (status and errors or ""))
  assert.equal(1, status or errors)
end

describe("every command that reads", function()
  after_each(function()
    disks.check()
    stores.check()
  end)

  it("works on a backup that may not be written", function()
    local path = new_store()
    sh("rm '%s'/*lock* && chmod 444 '%s'/* && chmod 555 '%s'", path, path, path)
    local before = state_of(path)
    for _, words in ipairs(COMMANDS) do
      local all = { stores.unpack(words, 2) }
      all[#all + 1], all[#all + 2] = "--path", path
      assert.equal(0, select(3, stores.leadcat(stores.unpack(all))))
    end
    assert.equal(before, state_of(path)) -- though root might have written
  end)

  it("works for a user who may only read", function()
    if not users.may_be_nobody() then
      return pending(users.WHY)
    end
    local path = new_store()
    sh("chmod 644 '%s'/* && chmod 755 '%s'", path, path)
    try_commands(users.leadcat_as_nobody, path, "as user nobody.*belongs to user root.*run this as root")
  end)

  it("works on a disk that may not be written", function()
    local disk = disks.mount(2000)
    if not disk then
      return pending "disks cannot be mounted here"
    end
    local path = disk .. "/store"
    sh("cp -r '%s' '%s'", new_store(), path)
    disks.protect(disk)
    try_commands(stores.leadcat, path, "Read%-only file system")
    assert.equal("io", select(3, leadcat.open { path = path }))
  end)

  it("says who may read a store that this user may not", function()
    if not users.may_be_nobody() then
      return pending(users.WHY)
    end
    local path = new_store()
    sh("chmod 700 '%s'", path)
    for _, words in ipairs { { "history" }, { "check", "--store" }, { "maintain" } } do
      words[#words + 1], words[#words + 2] = "--path", path
      local output, status = users.leadcat_as_nobody(stores.unpack(words))
      assert.equal(1, status)
      assert.matches("as user nobody.*belongs to user root and has the mode 0700: run this as root", output)
      assert.is_nil(output:find "corrupt")
    end
  end)

  it("says why a store in use cannot be read without its lock files", function()
    if not users.may_be_nobody() then
      return pending(users.WHY)
    end
    local path = new_store()
    sh("chmod 644 '%s'/* && chmod 755 '%s'", path, path)
    local tell = own(path)
    for _, words in ipairs { { "history" }, { "check", "--store" } } do
      words[#words + 1], words[#words + 2] = "--path", path
      local output, status = users.leadcat_as_nobody(stores.unpack(words))
      assert.equal(1, status)
      assert.matches("is in use.*read a backup.*owners.lock as user nobody", output)
    end
    tell()
  end)
end)

describe("a store of an older leadcat, which lacks a table,", function()
  after_each(stores.check)

  local function old_store()
    local path = new_store()
    local bytes = files.read(path .. "/journal.mdb")
    files.write(path .. "/journal.mdb", (bytes:gsub("notes", "notez")))
    return path
  end

  it("is not opened to be read, and says what to do", function()
    local engine, message, code = leadcat.open { path = old_store(), readonly = true }
    assert.is_nil(engine)
    assert.equal("readonly", code)
    assert.matches("older leadcat.*opened to be written", message)
  end)

  it("is no damaged one, and the check says what it left out", function()
    local path = old_store()
    local problems, unchecked = core.check_store(path)
    assert.same({}, problems)
    assert.equal(1, #unchecked)
    assert.matches("^notes was not checked", unchecked[1])
    local output, _, status = stores.leadcat("check", "--store", "--path", path)
    assert.matches("warning: notes was not checked.*unchecked", output)
    assert.equal(0, status)
  end)

  it("is upgraded by a command that may write it", function()
    local path = old_store()
    assert.equal(0, select(3, stores.leadcat("history", "--path", path)))
    assert.equal(0, #select(2, core.check_store(path)))
    local engine = read(path)
    engine:close()
  end)

  it("is told to whoever may not", function()
    if not users.may_be_nobody() then
      return pending(users.WHY)
    end
    local path = old_store()
    sh("chmod 644 '%s'/* && chmod 755 '%s'", path, path)
    local output, status = users.leadcat_as_nobody("history", "--path", path)
    assert.equal(1, status)
    assert.matches("older leadcat.*as user nobody", output)
  end)
end)
