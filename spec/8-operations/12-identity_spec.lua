-- Which store this is: copies and restored backups, files that are missing or mixed, owners in other namespaces, claims and
-- the clocks that they do not go by, and the lock files.

local clock = require "support.clock"
local core = require "leadcat.core"
local crm = require "support.crm"
local leadcat = require "leadcat"
local processes = require "support.processes"
local stores = require "support.stores"

local LEAD, OPPORTUNITY, CUSTOMER = 1, 3, 5 -- the preset's categories
local MAP = 2 ^ 26
local WON = { trigger = "sale_won", company = "Acme" }

local function sh(command, ...)
  local status = os.execute("unset LD_PRELOAD; " .. command:format(...)) -- a sanitizer's is for us
  assert(status == true or status == 0, command)
end

-- Opens it, as `leadcat.open` does.
local function open(path, options)
  options = options or {}
  options.path, options.map_size = path, MAP
  return leadcat.open(options)
end

-- A new store with rules; its companies are leads.
local function new_store(options)
  local engine, path = stores.open(options)
  assert(engine:save(stores.config { sale_won = CUSTOMER, sale_registered = OPPORTUNITY, sale_lost = LEAD }))
  if engine.host.create then
    assert(engine.host:create_many({ "Acme", "Bolt" }, LEAD))
  end
  return engine, path
end

local function refused(path, code, ...)
  local engine, message, why = open(path)
  assert.is_nil(engine)
  assert.equal(code, why)
  for _, pattern in ipairs { ... } do
    assert.matches(pattern, message)
  end
end

-- A host that keeps the keys of the changes it has made, as the manual advises.
local function keyed(companies)
  local host, keys = crm.new(companies), {}
  local set = host.set_category
  function host.set_category(company, to, from, outcome, ...)
    local ok, message = set(company, to, from, outcome, ...)
    keys[outcome.key] = ok
    return ok, message
  end
  function host.applied(_, key)
    return keys[key] == true
  end
  return host, keys
end

describe("an entry's key", function()
  after_each(stores.check)

  it("is the same in the outcome, in the journal, for the host, and after the store was opened again", function()
    local told
    local host = crm.new { Acme = LEAD }
    local set = host.set_category
    function host.set_category(company, to, from, outcome, ...)
      told = outcome.key
      return set(company, to, from, outcome, ...)
    end
    local engine, path = new_store { host = host }
    local outcome = assert(engine:handle(WON))
    assert.matches("^%w%w%w%w%w%w%w%w%w%w%-" .. ("%d"):format(outcome.entry) .. "$", outcome.key)
    assert.same({ outcome.key, outcome.key }, { told, engine:history()[1].key })
    engine:close()
    engine = assert(open(path, { host = host }))
    assert.equal(outcome.key, engine:history()[1].key)
    engine:close()
  end)

  -- Ways to put an older state of the store in its place.
  local RESTORES = {
    ["a directory that was copied"] = "rm -rf '%s' && cp -a '%s' '%s'",
    ["a backup copied over the files"] = "true '%s' && cp '%s'/*.mdb '%s'/",
    ["a backup moved over the files"] = "true '%s' && cp -r '%s' '%s'/new && mv '%s'/new/*.mdb '%s'/",
    ["a backup in a new directory"] = "rm -rf '%s' && cp -r '%s' '%s' && rm -f '%s'/*lock",
  }
  for name, command in pairs(RESTORES) do
    it("is never given again: " .. name, function()
      local now = 1700000000
      local options = { clock = function() return now end, durability = "relaxed" }
      local engine, path = new_store(options)
      local backup = stores.path()
      assert(engine:backup(backup))
      local before = assert(engine:handle { trigger = "sale_won", company = "Acme" })
      for _ = 1, 3 do
        engine:handle { trigger = "sale_won", company = "Nobody" }
        assert(engine:handle { trigger = "sale_registered", company = "Bolt" })
        assert(engine:handle { trigger = "sale_lost", company = "Bolt" })
      end
      engine:close()
      sh(command, path, backup, path, path, path)
      assert.same({}, core.check_store(path)) -- looking at it first changes nothing
      engine = assert(open(path, options)) -- the clock stands still: the numbers are given again
      local after = assert(engine:handle { trigger = "sale_won", company = "Acme" })
      assert.equal("updated", after.status)
      assert.equal(before.entry, after.entry)
      assert.are_not.equal(before.key, after.key)
      engine:close()
      engine = assert(open(path, options))
      assert.equal(after.key, engine:history()[1].key)
      engine:close()
    end)
  end

  it("has no new epoch just because the store is opened again, by many", function()
    local engine, path = new_store()
    local first = engine:handle(WON).key:match "^%w+"
    for _ = 1, 3 do
      local other = assert(open(path))
      assert.equal(first, other:handle({ trigger = "sale_won", company = "Bolt", category = LEAD }).key:match "^%w+")
      other:close()
    end
    engine:close()
    local output, status = stores.run([[
      local engine = assert(require("leadcat").open { path = arg[1], map_size = 2 ^ 26 })
      print(engine:history()[1].key)
      engine:close()
    ]], path)
    assert.equal(0, status, output)
    assert.equal(first, output:match "^%w+")
  end)
end)

describe("a change that was under way when the store was copied", function()
  after_each(stores.check)

  -- A store whose host has not made Acme's change, its backup, and the backup restored after the host has made it.
  local function restored(host)
    local set = host.set_category
    function host.set_category() return nil, "away" end
    local engine, path = new_store { host = host }
    local entry = engine:handle(WON).entry
    local backup = stores.path()
    assert(engine:backup(backup))
    host.set_category = set
    core.forward(60)
    assert.same({ finished = 1, failed = 0, busy = 0 }, engine:recover())
    engine:close()
    sh("cp '%s'/*.mdb '%s'/", backup, path)
    return path, entry
  end

  it("is put aside, to be retried by somebody who has looked", function()
    local host = crm.new { Acme = LEAD }
    local path, entry = restored(host)
    host.companies.Acme = LEAD -- somebody has taken it back since
    host.changes = {}
    local engine = assert(open(path, { host = host }))
    local found = engine:history()[1]
    assert.same({ entry, "failed" }, { found.entry, found.status })
    assert.matches("when the store was copied.*retry", found.error)
    assert.same({}, host.changes)
    assert.equal("updated", engine:retry(entry).status)
    assert.same({ "Acme 1 -> 5" }, host.changes)
    engine:close()
  end)

  it("is known to be made where the company tells", function()
    local host = crm.new { Acme = LEAD }
    local path = restored(host)
    local engine = assert(open(path, { host = host }))
    assert.equal("updated", engine:history()[1].status)
    engine:close()
  end)

  it("is known to be made where the host keeps keys, wherever the company is now", function()
    local host = keyed { Acme = LEAD }
    local path = restored(host)
    host.companies.Acme, host.changes = OPPORTUNITY, {}
    local engine = assert(open(path, { host = host }))
    assert.same({ "updated", {} }, { engine:history()[1].status, host.changes })
    engine:close()
  end)
end)

describe("a host that keeps keys", function()
  after_each(stores.check)

  it("is asked before a change is made again", function()
    local host = keyed { Acme = LEAD }
    local set = host.set_category
    function host.set_category(...)
      assert(set(...))
      return nil, "the answer was lost"
    end
    local engine = new_store { host = host }
    assert.equal("failed", engine:handle(WON).status)
    host.companies.Acme, host.changes = OPPORTUNITY, {} -- somebody else has moved it on
    core.forward(60)
    assert.same({ finished = 1, failed = 0, busy = 0 }, engine:recover())
    assert.same({ "updated", {} }, { engine:history()[1].status, host.changes })
    engine:close()
  end)

  it("may not know: the change is tried again later", function()
    for _, answer in ipairs {
      function() return nil, "away" end, function() return 7 end, function() error("no", 0) end,
    } do
      local host = keyed { Acme = LEAD }
      function host.set_category() return nil, "away" end
      local engine = new_store { host = host }
      engine:handle(WON)
      host.applied = answer
      core.forward(60)
      assert.same({ finished = 0, failed = 1, busy = 0 }, engine:recover())
      assert.equal("applying", engine:history()[1].status)
      engine:close()
    end
  end)
end)

describe("a store's files", function()
  after_each(stores.check)

  for missing, other in pairs { ["config.mdb"] = "journal.mdb", ["journal.mdb"] = "config.mdb" } do
    it(("are refused without %s, which is not made anew"):format(missing), function()
      local engine, path = new_store()
      engine:close()
      for _, command in ipairs { "mv '%s/%s' '%s/aside'", ": >'%s/%s'" } do
        sh(command, path, missing, path)
        refused(path, "corrupt", missing .. " is missing or empty", other .. " is there", "both files of one backup")
        refused(path, "corrupt", missing)
      end
      sh("mv '%s/aside' '%s/%s'", path, path, missing)
      engine = assert(open(path))
      assert.equal("updated", engine:handle(WON).status)
      engine:close()
    end)

    it(("are refused with another store's %s"):format(missing), function()
      local engine, path = new_store()
      local second, other_path = new_store()
      engine:close()
      second:close()
      sh("cp '%s/%s' '%s/%s'", other_path, missing, path, missing)
      refused(path, "corrupt", "belong to different stores", "both files of one backup")
    end)
  end

  it("may be made by a process that is killed before it is done", function()
    local path = stores.path()
    sh("mkdir '%s'", path)
    sh(": >'%s/config.mdb'", path)
    local engine = assert(open(path))
    engine:close()
  end)

  it("may be made by a process that has no room for a whole one", function()
    local path = stores.path()
    local child = processes.start([[
      print(select(3, require("leadcat").open { path = arg[1], map_size = 2 ^ 26, max_readers = 1 }))
    ]], { path }, "trap '' XFSZ; ulimit -f 8") -- 4 KB: one of the two heads of a file
    assert.same({ "full", 0 }, { child:wait() })
    local engine = assert(open(path))
    engine:close()
  end)

  it("are readable by nobody else, not even while they are copied", function()
    local engine, path = new_store()
    for i = 1, 200 do
      assert(engine:handle { trigger = i % 2 == 1 and "sale_registered" or "sale_lost", company = "Acme" })
    end
    local copy = stores.path()
    assert(engine:backup(copy))
    engine:close()
    for _, directory in ipairs { path, copy } do
      local pipe = io.popen(("find '%s' -type f -perm /007"):format(directory))
      assert.equal("", pipe:read "*a")
      pipe:close()
    end
  end)
end)

describe("a lock file", function()
  after_each(stores.check)

  for _, name in ipairs { "owners.lock", "writers.lock", "config.mdb-lock", "journal.mdb-lock" } do
    it(("is no symbolic link: %s"):format(name), function()
      local engine, path = new_store()
      engine:close()
      sh("rm '%s/%s' && ln -s /dev/null '%s/%s'", path, name, path, name)
      refused(path, "io", name:gsub("%p", "%%%0"), "symbolic link")
      sh("rm '%s/%s'", path, name)
      assert(open(path)):close()
    end)

    it(("has the owner and mode of the store's data: %s"):format(name), function()
      local engine, path = new_store()
      engine:close()
      sh("rm '%s/%s' && chown nobody '%s'/* && chmod 600 '%s'/*.mdb", path, name, path, path)
      assert(open(path)):close()
      local pipe = io.popen(("stat -c '%%U %%a' '%s/%s'"):format(path, name))
      assert.equal("nobody 600\n", pipe:read "*a")
      pipe:close()
    end)
  end
end)

describe("a store in use", function()
  after_each(stores.check)

  -- Has the store open until a file is there.
  local CHILD = [[
    local engine = assert(require("leadcat").open { path = arg[1], map_size = 2 ^ 26 })
    print "open"
    io.stdout:flush()
    while not io.open(arg[1] .. "/stop") do
      require("leadcat.core").sleep(0.01)
    end
    engine:close()
  ]]

  for flag, name in pairs { ["--pid"] = "process ids", ["--time"] = "clocks" } do
    it(("is refused in another namespace of %s, until nobody else has it open"):format(name), function()
      local engine, path = new_store()
      engine:close()
      local child = processes.start(CHILD, { path }, nil, "env ASAN_OPTIONS=detect_leaks=0 unshare --fork " .. flag)
      if child:line() ~= "open" then
        child:wait()
        return pending "namespaces cannot be made here"
      end
      refused(path, "unavailable", "another container", "close it there first")
      sh(": >'%s/stop'", path)
      assert.equal(0, select(2, child:wait()))
      assert(open(path)):close()
    end)
  end

  it("is not waited for without end when a process that writes is stopped", function()
    local engine, path = new_store { durability = "relaxed" }
    local id, kill = processes.stop_writing(path)
    finally(kill)
    local _, message, code = engine:handle(WON)
    assert.equal("unavailable", code)
    assert.matches(("process %s does not end its write to the store"):format(id), message)
    assert.is_number(engine.host:get "Bolt") -- reading goes on
    kill()
    assert.equal("updated", engine:handle(WON).status)
    engine:close()
  end)
end)

describe("a claim", function()
  after_each(stores.check)

  for name, jump in pairs { ["40 seconds ahead"] = 40, ["a day ahead"] = 86400, ["a day behind"] = -86400 } do
    it("is its living owner's for a process whose clock is " .. name, function()
      local time, other = clock.new(1700000000), nil
      local host = crm.new { Acme = LEAD }
      local set = host.set_category
      local engine, path = new_store { host = host, clock = function() return time.now end }
      function host.set_category(...)
        other = assert(open(path, { host = host, clock = function() return time.now + jump end }))
        assert.same({ finished = 0, failed = 0, busy = 1 }, other:recover())
        return set(...)
      end
      assert.equal("updated", engine:handle(WON).status)
      assert.same({ "Acme 1 -> 5" }, host.changes)
      other:close()
      engine:close()
    end)
  end

  it("that has run out before the host was asked is not used", function()
    local host, asked = crm.new { Acme = LEAD, Bolt = LEAD }, {}
    local set = host.set_category
    function host.set_category(company, ...)
      asked[#asked + 1] = company
      core.forward(100) -- this process was stopped
      return set(company, ...)
    end
    local engine = new_store { host = host }
    local outcomes = engine:handle_many { WON, { trigger = "sale_won", company = "Bolt" } }
    assert.same({ "updated", "failed" }, { outcomes[1].status, outcomes[2].status })
    assert.matches("had been stopped", outcomes[2].error)
    assert.same({ "Acme" }, asked)
    host.set_category = set
    core.forward(60)
    assert.same({ finished = 1, failed = 0, busy = 0 }, engine:recover())
    assert.same({ "Acme 1 -> 5", "Bolt 1 -> 5" }, host.changes)
    engine:close()
  end)

  it("may be taken over from a host call that hangs; what that makes late is written down", function()
    local host = crm.new { Acme = LEAD }
    local set, other = host.set_category, nil
    local engine, path = new_store { host = host }
    function host.set_category(...)
      host.set_category = set
      core.forward(100)
      other = assert(open(path, { host = host })) -- takes it over, and goes on
      assert.equal("updated", other:handle({ trigger = "sale_lost", company = "Acme" }).status)
      return set(...)
    end
    engine:handle { trigger = "sale_registered", company = "Acme" }
    assert.same({ "Acme 1 -> 3", "Acme 3 -> 1", "Acme 1 -> 3" }, host.changes)
    local first = engine:history()[2]
    assert.equal("updated", first.status)
    assert.matches("made this change late.*see that the company's category is right", first.error)
    other:close()
    engine:close()
  end)
end)

describe("a clock that is wrong once", function()
  after_each(stores.check)

  it("removes nothing, and keeps nothing from being removed later", function()
    local time = clock.new(1700000000)
    local engine, path = new_store { clock = function() return time.now end, retention = { age = 86400 } }
    local function change(i)
      local trigger = i % 2 == 1 and "sale_registered" or "sale_lost"
      assert.equal("updated", engine:handle({ id = "e" .. i, trigger = trigger, company = "Acme" }).status)
    end
    for i = 1, 4 do
      change(i)
    end
    time.now = 1700000000 + 3 * 365 * 86400
    assert.equal(0, engine:maintain().removed)
    assert.equal(4, #engine:history())
    change(5) -- written in the future
    time.now = 1700000010
    change(6)
    assert.equal(0, engine:maintain().removed)
    time.now = 1700000000 + 2 * 86400
    change(7)
    assert.equal(5, engine:maintain().removed)
    assert.same({ "e7", "e5" }, { engine:history()[1].event_id, engine:history()[2].event_id })
    assert.equal(2, #engine:history())
    engine:close()
    assert.same({}, core.check_store(path))
  end)
end)
