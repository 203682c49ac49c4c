-- What happens when a store cannot be opened or has no more room.

local histories = require "support.histories"
local leadcat = require "leadcat"
local processes = require "support.processes"
local stores = require "support.stores"
local winning = require "support.winning"

local LEAD, CUSTOMER = 1, 5 -- the preset's categories
local MIB = 1024 * 1024
local MAP = 64 * MIB
local win, win_new, numbered = winning.win, winning.win_new, winning.numbered
local whole_journal = histories.whole

describe("a store that cannot be opened", function()
  after_each(stores.check)

  local function write(name, content)
    local file = assert(io.open(name, "wb"))
    file:write(content)
    file:close()
  end

  local function fails(path)
    local engine, message, code = leadcat.open { path = path, map_size = MAP }
    assert.is_nil(engine)
    assert.is_string(message)
    return code, message
  end

  it("has no parent directory", function()
    local code, message = fails(stores.path() .. "/below")
    assert.equal("io", code)
    assert.matches("/below", message, nil, true)
  end)

  it("is a file", function()
    local path = stores.path()
    write(path, "not a directory")
    assert.equal("io", (fails(path)))
    assert.equal("io", (fails(path .. "/below")))
    assert.equal("io", (fails("/" .. ("long/"):rep(1000))))
  end)

  it("has garbage in a data file", function()
    local garbage = {}
    for i = 1, 8192 do
      garbage[i] = string.char((i * 7919 + math.floor(i / 256) * 31) % 256)
    end
    garbage = table.concat(garbage)
    for _, row in ipairs {
      { "config.mdb", garbage }, { "journal.mdb", garbage }, { "config.mdb", ("\0"):rep(8192) }, { "config.mdb", "x" },
    } do
      local path = stores.path()
      assert(os.execute("mkdir '" .. path .. "'"))
      write(path .. "/" .. row[1], row[2])
      local code, message = fails(path)
      assert.equal("corrupt", code)
      assert.matches(path .. "/" .. row[1], message, nil, true)
      assert.equal("corrupt", (fails(path))) -- and again: nothing of it has stayed open
    end
  end)

  it("has lost the end of a data file", function()
    for _, name in ipairs { "config.mdb", "journal.mdb" } do
      for _, pages in ipairs { 2, 3, 5 } do
        local engine, path = stores.open()
        engine:save(stores.config { sale_won = CUSTOMER })
        for i = 1, 20 do
          win_new(engine, i)
        end
        engine:close()
        assert(os.execute(("truncate -s %d '%s/%s'"):format(pages * 4096, path, name)))
        local output, status = stores.run([[
          local engine, message, code = require("leadcat").open { path = arg[1], map_size = tonumber(arg[2]) }
          if engine then
            message, code = select(2, engine:config())
            if not code then
              message, code = select(2, engine:history { limit = 1000 })
            end
          end
          print(code, message)
        ]], path, ("%d"):format(MAP))
        assert.equal(0, status, ("%s of %d pages: %s"):format(name, pages, output))
        assert.matches("^corrupt", output)
      end
    end
  end)

  it("was written by a newer leadcat", function()
    local engine, path = stores.open()
    engine:close()
    local function set_format(number)
      local file = path .. "/journal.mdb"
      local edit = "sed -e '/^db_pagesize/d' -e '/^ 666f726d6174$/{n;s/.*/ " .. number .. "/;}'" -- the key "format"
      assert(os.execute(([[
        unset LD_PRELOAD
        mdb_dump -n -s meta '%s' | %s >'%s/dump' && mdb_load -n -s meta -f '%s/dump' '%s'
      ]]):format(file, edit, path, path, file)))
    end
    set_format "06000000"
    local code, message = fails(path)
    assert.equal("corrupt", code)
    assert.matches("format 6", message)
    assert.matches("use a newer leadcat", message)
    set_format "05000000"
    assert(stores.open { path = path }):close()
  end)
end)

describe("a store without room", function()
  after_each(stores.check)

  -- The journal and the companies say the same.
  local function assert_consistent(engine)
    local updated, companies = {}, 0
    for _, entry in ipairs(whole_journal(engine)) do
      assert.equal("updated", entry.status)
      assert.is_nil(updated[entry.company])
      updated[entry.company] = true
    end
    for company, category in engine.host:companies() do
      assert.equal(updated[company] and CUSTOMER or LEAD, category)
      companies = companies + 1
    end
    return companies
  end

  it("refuses what does not fit, and keeps what is there", function()
    local engine, path = stores.open { map_size = 1024 * 1024 }
    engine:save(stores.config { sale_won = CUSTOMER })
    local companies = {}
    for i = 1, 2000 do
      companies[i] = ("company %d "):format(i) .. ("c"):rep(100)
    end
    assert.equal(2000, engine.host:create_many(companies, LEAD))
    local handled, refused = 0, 0
    while refused < 5 do
      local outcome, message, code = win(engine, companies[handled + 1], "e" .. handled + 1)
      handled, refused = handled + (outcome and 1 or 0), outcome and 0 or refused + 1
      if not outcome then
        assert.equal("full", code)
        assert.is_string(message)
      end
    end
    assert.is_true(handled > 100)
    local outcomes, _, code = engine:handle_many {
      { id = "x", trigger = "sale_won", company = companies[handled + 1] },
      { id = "y", trigger = "sale_won", company = companies[handled + 2] },
    }
    assert.same({ nil, "full" }, { outcomes, code })
    -- Reads go on.
    assert.equal(2000, assert_consistent(engine))
    assert.equal(handled, #whole_journal(engine))
    assert.equal("duplicate", win(engine, companies[1], "e1").status)
    assert.equal(LEAD, engine.host:get(companies[handled + 1]))
    assert.same({ "update", CUSTOMER, "matched" }, { engine:decide("sale_won", LEAD) })
    assert.is_true(engine:stats().journal.used > 1024 * 1024 * 0.9)
    engine:close()

    -- With more room it goes on.
    engine = stores.open { path = path }
    assert.equal("updated", win(engine, companies[handled + 1], "e" .. handled + 1).status)
    assert.equal(2000, assert_consistent(engine))
    engine:close()
  end)

  it("refuses a config that does not fit, and goes by the last one that did", function()
    local engine = stores.open { map_size = 1024 * 1024 }
    local function save(n)
      local cfg = numbered(n, 100)
      cfg.note = ("x"):rep(20000)
      return engine:save(cfg)
    end
    local saved = 0
    while save(saved + 1) do
      saved = saved + 1
    end
    local _, message, code = save(saved + 1)
    assert.equal("full", code)
    assert.is_string(message)
    assert.is_true(saved > 5)
    assert.equal(saved, engine:config().revision)
    assert.equal(saved, #engine:revisions())
    assert.equal(saved + 1, select(2, engine:decide("sale_won", 1)))
    engine:close()
  end)

  it("is full, too, where a file may not grow", function()
    local engine, path = stores.open()
    engine:save(stores.config { sale_won = CUSTOMER })
    local companies = {}
    for i = 1, 2000 do
      companies[i] = i
    end
    engine.host:create_many(companies, LEAD)
    engine:close()
    local child = processes.start([[
      local engine = assert(require("leadcat").open { path = arg[1], map_size = tonumber(arg[2]) })
      for i = 1, 2000 do
        local outcome, message, code = engine:handle { trigger = "sale_won", company = i }
        if not outcome then
          print(i > 10, code, engine.host:get(i), #message > 0)
          break
        end
      end
    ]], { path, ("%d"):format(MAP) }, "trap '' XFSZ; ulimit -f 500")
    assert.same({ "true\tfull\t1\ttrue", 0 }, { child:wait() })
    engine = stores.open { path = path }
    assert.equal(2000, assert_consistent(engine))
    engine:close()
  end)
end)

describe("a full store", function()
  after_each(stores.check)

  local function open(path, options)
    local all = { path = path, map_size = MIB, durability = "relaxed", retention = { count = 50, age = false } }
    for name, value in pairs(options or {}) do
      all[name] = value
    end
    return stores.open(all)
  end

  -- Handles events, `count` at once, until there is no room. Returns how many were.
  local function fill(engine, prefix, count)
    local handled = 0
    while true do
      local events = {}
      for i = 1, count or 1 do
        local id = ("%s %d"):format(prefix, handled + i)
        events[i] = { id = id, trigger = "sale_won", company = id, category = LEAD }
      end
      local outcomes, _, code = engine:handle_many(events)
      if not outcomes then
        assert.equal("full", code)
        return handled
      end
      handled = handled + #events
    end
  end

  -- A host of its own keeps the companies, so that removing entries empties the store.
  local host = { category = function() return LEAD end, set_category = function() return true end }

  local function in_use(engine)
    local file = engine:stats().journal
    return file.used - file.free, file.used
  end

  local function sound(path)
    assert.same({}, require("leadcat.core").check_store(path))
  end

  it("is emptied by retention, and filled again, as often as one likes", function()
    for _, count in ipairs { 10, 700 } do -- 700 at once change nearly every page
      local engine, path = open(nil, { host = host })
      engine:save(stores.config { sale_won = CUSTOMER })
      local first = fill(engine, "0", count)
      for round = 1, 6 do
        assert.is_true(engine:sweep().removed > 0)
        assert.is_true(#whole_journal(engine) <= 50 + count)
        assert.equal("updated", win(engine, "after", "after" .. round).status)
        assert.is_true(fill(engine, tostring(round), count) >= first / 2)
        local used, file = in_use(engine)
        assert.is_true(used <= MIB)
        assert.is_true(file <= 3 * MIB, ("the file has %d bytes"):format(file))
      end
      assert.equal(MIB, engine:stats().journal.size)
      engine:close()
      sound(path)
    end
  end)

  it("keeps what the reserve has added for removal, in all processes", function()
    local engine, path = open(nil, { host = host })
    engine:save(stores.config { sale_won = CUSTOMER })
    fill(engine, "a", 10)
    fill(engine, "last")
    local child = [[
      local engine = assert(require("leadcat").open {
        path = arg[1], map_size = tonumber(arg[2]), durability = "relaxed", retention = { count = 50, age = false },
        host = { category = function() return 1 end, set_category = function() return true end },
      })
      local function write(n)
        return (select(3, engine:handle { id = "b" .. n, trigger = "sale_won", company = "b" .. n }))
      end
      print(write(0))
      print(engine:sweep().removed > 100)
      local n = 1
      while not write(n) do
        n = n + 1
      end
      local file = engine:stats().journal
      print(n > 100, write(n), file.used - file.free <= file.size, file.size)
    ]]
    local output, status = stores.run(child, path, ("%d"):format(MIB))
    assert.same({ ("full\ntrue\ntrue\tfull\ttrue\t%d\n"):format(MIB), 0 }, { output, status })
    -- The file is larger than this process's map.
    assert.is_true(select(2, in_use(engine)) > MIB)
    assert.equal("full", select(3, win(engine, "more", "more")))
    assert.is_true(#whole_journal(engine) > 100)
    assert.is_true(engine:sweep().removed > 100)
    assert.equal("updated", win(engine, "more", "more").status)
    engine:close()
    sound(path)
  end)

  it("is full, with the file at any size, for all but removal", function()
    local engine, path = open(nil, { host = host, confirmation_ttl = 60 })
    engine:save(stores.config { sale_won = CUSTOMER })
    fill(engine, "a", 10)
    assert(engine:sweep())
    fill(engine, "b", 1)
    assert.is_true(select(2, in_use(engine)) > MIB) -- there are free pages
    local before = #whole_journal(engine)
    assert.equal("full", select(3, engine:handle_many { { trigger = "sale_won", company = 1 } }))
    assert.equal(before, #whole_journal(engine))
    engine:close()
    engine = open(path, { host = host }) -- also when it is opened
    assert.equal(before, #whole_journal(engine))
    assert.is_true(engine:maintain().removed > 0)
    engine:close()
    sound(path)
  end)

  it("is as it was, or emptier, when who empties it is killed", function()
    local engine, path = open(nil, { host = host })
    engine:save(stores.config { sale_won = CUSTOMER })
    for round = 1, 4 do
      fill(engine, tostring(round), 10)
      local before = #whole_journal(engine)
      local child = processes.start([[
        local core = require "leadcat.core"
        local store = assert(core.open { path = arg[1], map_size = tonumber(arg[2]), relaxed = true })
        print(io.open("/proc/self/stat"):read "*a":match "^%d+")
        local from, steps = 0, tonumber(arg[3])
        repeat
          local removed, following = store:trim("", 0, 50, os.time(), from)
          from, steps = assert(removed and following), steps - 1
          if steps == 0 then
            print "some"
            io.stdout:flush()
          end
        until from == 0
        while true do
          core.sleep(1)
        end
      ]], { path, ("%d"):format(MIB), tostring(round) })
      local id = child:line()
      assert.equal("some", child:line())
      os.execute("kill -9 " .. id)
      child:wait()
      sound(path)
      local after = #whole_journal(engine)
      assert.is_true(after < before and after >= 50)
      assert(engine:sweep())
      assert.equal("updated", win(engine, "after", "after" .. round).status)
    end
    engine:close()
  end)
end)

describe("processes with different sizes of map", function()
  after_each(stores.check)

  local function sizes(engine)
    local stats = engine:stats()
    return { stats.config.size / MIB, stats.journal.size / MIB }
  end

  local GROWER = [[
    local leadcat = require "leadcat"
    local engine = assert(leadcat.open { path = arg[1], map_size = tonumber(arg[2]), durability = "relaxed" })
    local cfg = engine:config()
    cfg.note = ("x"):rep(20000)
    for _ = 1, 100 do
      cfg.revision = nil
      assert(engine:save(cfg))
    end
    for i = 1, 3000 do
      local id = "grown " .. i .. ("c"):rep(100)
      assert(engine.host:create(id, 1))
      assert(engine:handle { id = id, trigger = "sale_won", company = id })
    end
    print(engine:stats().journal.used > 2 ^ 20, engine:stats().config.used > 2 ^ 20)
  ]]

  it("go on with the smaller one when another has outgrown it", function()
    local engine, path = stores.open { map_size = MIB }
    engine:save(stores.config { sale_won = CUSTOMER })
    local decide = engine:decider()
    assert.same({ 1, 1 }, sizes(engine))
    assert.same({ "true\ttrue\n", 0 }, { stores.run(GROWER, path, ("%d"):format(32 * MIB)) })
    assert.same({ 32, 32 }, sizes(engine))
    assert.equal(101, engine:config().revision)
    assert.equal(CUSTOMER, select(2, decide("sale_won", LEAD)))
    assert.equal(3000, #whole_journal(engine))
    assert.equal("updated", win_new(engine, "Acme").status)
    assert.equal(102, engine:save(stores.config { sale_won = CUSTOMER }))
    engine:close()
  end)

  it("may write as much as the larger one as soon as it is open", function()
    local engine, path = stores.open { map_size = MIB }
    engine:save(stores.config { sale_won = CUSTOMER })
    local output, status = stores.run([[
      assert(require("leadcat").open { path = arg[1], map_size = tonumber(arg[2]) }):close()
    ]], path, ("%d"):format(32 * MIB))
    assert.same({ "", 0 }, { output, status })
    for i = 1, 60 do
      local companies = {}
      for n = 1, 100 do
        companies[n] = ("%d %d "):format(i, n) .. ("c"):rep(200)
      end
      assert(engine.host:create_many(companies, LEAD))
    end
    assert.is_true(engine:stats().journal.used > MIB)
    engine:close()
  end)

  it("have the one that was asked for last, if what is in use fits", function()
    local engine, path = stores.open { map_size = 32 * MIB, durability = "relaxed" }
    engine:save(stores.config { sale_won = CUSTOMER })
    assert.same({ 32, 32 }, sizes(engine))
    for _, row in ipairs {
      { 2, { 2, 2 } }, { nil, { 2, 2 } }, { 4096, { 1024, 4096 } }, { nil, { 1024, 4096 } }, { 1, { 1, 1 } },
      { 16, { 16, 16 } },
    } do
      local output, status = stores.run([[
        local size = tonumber(arg[2])
        local engine = assert(require("leadcat").open { path = arg[1], map_size = size and size * 2 ^ 20 })
        engine:close()
      ]], path, tostring(row[1]))
      assert.same({ "", 0 }, { output, status })
      assert.same(row[2], sizes(engine)) -- in a process that has it open
    end
    local companies = {}
    for i = 1, 10000 do
      companies[i] = i .. ("c"):rep(200)
    end
    assert(engine.host:create_many(companies, LEAD))
    engine:close()
    engine = stores.open { path = path, map_size = MIB } -- does not fit
    assert.same({ 1, 16 }, sizes(engine))
    assert.equal("updated", win_new(engine, "Acme").status)
    local used = engine:stats().journal.used
    engine:close()
    engine = stores.open { path = path, map_size = used + MIB } -- does
    assert.equal(used + MIB, engine:stats().journal.size)
    engine:close()
  end)

  it("are refused what the smaller one, asked for later, does not allow", function()
    local engine, path = stores.open { map_size = 32 * MIB, durability = "relaxed" }
    engine:save(stores.config { sale_won = CUSTOMER })
    stores.run([[assert(require("leadcat").open { path = arg[1], map_size = 2 ^ 20 }):close()]], path)
    local code, i = nil, 0
    while not code do
      i = i + 1
      code = select(3, engine.host:create(i .. ("c"):rep(200), LEAD))
    end
    assert.equal("full", code)
    assert.is_true(i > 1000 and i < 5000)
    engine:close()
  end)
end)

describe("a full disk", function()
  after_each(stores.check)

  -- A file system of 8 MiB of its own, for one process; nil where that is not permitted.
  local DISK = "unshare --mount sh -c 'mount -t tmpfs -o size=8m none \"$0\" && exec \"$@\"' "

  local function has_disks(path)
    return os.execute(DISK .. path .. " true 2>/dev/null") == (_VERSION == "Lua 5.1" and 0 or true)
  end

  -- Fills the disk with entries, removes them, and fills it again. Prints what that came to.
  local FILL = [[
    local leadcat, stores = require "leadcat", require "support.stores"
    local directory = arg[1]
    local engine = assert(leadcat.open {
      path = directory .. "/store", map_size = 2 ^ 26, retention = { count = 20, age = false },
      host = { category = function() return 1 end, set_category = function() return true end },
    })
    assert(engine:save(stores.config { sale_won = 5 }))
    local n = 0
    local function fill()
      while true do
        n = n + 1
        local outcome, _, code = engine:handle { id = "e" .. n, trigger = "sale_won", company = "c" .. n }
        if not outcome then
          return code
        end
      end
    end
    -- Leaves the file no room to grow, and no free pages in it.
    local function no_room()
      os.execute("dd if=/dev/zero of='" .. directory .. "/other' bs=4k 2>/dev/null")
      return fill()
    end
    os.execute("dd if=/dev/zero of='" .. directory .. "/other' bs=1M count=3 2>/dev/null")
    print(fill(), no_room())
    for _ = 1, 3 do
      local before = n
      local swept, message = engine:sweep()
      print(swept and swept.removed > 20 or message, fill(), n - before > 20, no_room())
    end
    engine:close()
    print(#require("leadcat.core").check_store(directory .. "/store"))
  ]]

  it("is left by removing", function()
    local path = stores.path()
    assert(os.execute("mkdir '" .. path .. "'"))
    if not has_disks(path) then
      return pending "a file system may not be mounted here"
    end
    local output, status = processes.start(FILL, { path }, nil, DISK .. path .. " "):wait()
    assert.same({ "full\tfull\n" .. ("true\tfull\ttrue\tfull\n"):rep(3) .. "0", 0 }, { output, status })
  end)
end)
