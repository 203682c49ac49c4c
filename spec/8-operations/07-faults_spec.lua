-- Faults, made to happen: no room, no permission, damaged files, reader slots used up, processes killed or hanging, clocks
-- that jump. Each ends in the code that is promised, and afterwards the store works, or says why not. What is proved
-- elsewhere: a full map and a file limit (07), files without their end or with garbage (07), all that a host may do wrong
-- within one process (05), failing allocations (c/memory_test.c), kills at any moment (25).

local core = require "leadcat.core"
local clock = require "support.clock"
local crm = require "support.crm"
local disks = require "support.disks"
local files = require "support.files"
local leadcat = require "leadcat"
local processes = require "support.processes"
local stores = require "support.stores"
local times = require "support.times"

local LEAD, OPPORTUNITY, CUSTOMER = 1, 3, 5
local MAP, PAGE = 2 ^ 26, 4096
local RESERVE = 1024 -- kilobytes that are kept for removal
local WON = { id = "w", trigger = "sale_won", company = "Acme" }

local function clean()
  disks.check()
  stores.check()
end

local read, write = files.read, files.write

local function numbers(count)
  local list = {}
  for i = 1, count do
    list[i] = i
  end
  return list
end

-- What a call gives when it fails.
local function assert_code(code, ...)
  local result, message, got = ...
  assert.same({ code, "string" }, { result == nil and got or result, type(message) })
  return message
end

local function assert_sound(path)
  assert.same({}, core.check_store(path))
end

describe("a full disk", function()
  after_each(clean)

  it("is full for all that writes; what reads goes on, and with room all goes on", function()
    local disk = disks.mount(RESERVE + 800)
    if not disk then
      return -- 07 has the same with a file limit
    end
    local path = disk .. "/store"
    local engine = stores.open { path = path }
    engine:save(stores.config { sale_won = CUSTOMER, sale_registered = { OPPORTUNITY, ask = true } })
    assert(engine.host:create_many(numbers(500), LEAD))
    local asked = assert(engine:handle { trigger = "sale_registered", company = 1 })
    assert.equal("updated", engine:handle({ id = "e2", trigger = "sale_won", company = 2 }).status)
    local before = #engine:history()
    disks.fill(disk)

    local written, fulls = 0, 0
    for i = 3, 300 do -- free pages may take some
      local outcome, message, code = engine:handle { id = "e" .. i, trigger = "sale_won", company = i }
      written = written + (outcome and 1 or 0)
      if not outcome then
        assert_code("full", nil, message, code)
        fulls = fulls + 1
      end
    end
    assert.is_true(fulls > 200)
    assert_code("full", engine:handle_many { { trigger = "sale_won", company = 400 } })
    assert_code("full", engine:resolve(asked.confirmation, { accept = true }))
    assert_code("full", engine:undo(engine:history({ limit = before })[1].entry))
    assert_code("full", engine:save(stores.config { sale_won = OPPORTUNITY }))
    assert_code("full", engine.host:create_many(numbers(2000), LEAD))
    assert_code("full", engine:backup(disk .. "/copy"))
    assert_code("full", leadcat.open { path = disk .. "/new", map_size = MAP })
    assert.is_nil((io.open(disk .. "/copy/journal.mdb")))

    assert.equal(before + written, #engine:history { limit = 1000 })
    assert.same({ "update", CUSTOMER, "matched" }, { engine:decide("sale_won", LEAD) })
    assert.equal("duplicate", engine:handle({ id = "e2", trigger = "sale_won", company = 2 }).status)
    assert.equal("open", engine:confirmation(asked.confirmation).state)
    assert.equal(1, engine:config().revision)
    engine:close()
    engine = stores.open { path = path } -- also by who comes now
    assert.equal(before + written, #engine:history { limit = 1000 })

    disks.free(disk)
    assert.equal("updated", engine:resolve(asked.confirmation, { accept = true }).status)
    assert.equal("updated", engine:handle({ id = "later", trigger = "sale_won", company = 400 }).status)
    assert.equal(2, engine:save(stores.config { sale_won = OPPORTUNITY }))
    assert.is_true(engine:backup(disk .. "/copy"))
    engine:close()
    assert_sound(path)
  end)

  it("does not end the process of a hundredth reader, nor of one that makes a store", function()
    local disk = disks.mount(RESERVE + 700)
    if not disk then
      return
    end
    local engine = stores.open { path = disk .. "/store" }
    engine:save(stores.config { sale_won = CUSTOMER })
    engine:close()
    disks.fill(disk)
    local output, status = stores.run([[
      local leadcat, kept = require "leadcat", {}
      for i = 1, 130 do -- LMDB's lock file has a slot of 64 bytes for each
        kept[i] = assert(leadcat.open { path = arg[1] .. "/store", map_size = 2 ^ 26 })
        assert(kept[i]:history())
      end
      print(select(3, leadcat.open { path = arg[1] .. "/new", map_size = 2 ^ 26 }))
    ]], disk)
    assert.same({ "full\n", 0 }, { output, status })
  end)

  it("between a host's change and the second commit leaves the change to be found made", function()
    local disk = disks.mount(RESERVE + 700)
    if not disk then
      return
    end
    local host, time = crm.new { Acme = LEAD }, clock.new(1700000000)
    local set = host.set_category
    local engine = stores.open { path = disk .. "/store", host = host, clock = function() return time.now end }
    engine:save(stores.config { sale_won = CUSTOMER })
    function host.set_category(...)
      disks.fill(disk)
      return set(...)
    end
    local outcome, message, code = engine:handle(WON)
    if not outcome then -- else the second commit had free pages enough
      assert_code("full", outcome, message, code)
      assert.equal("applying", engine:history()[1].status)
    end
    disks.free(disk)
    time.now = time.now + 60
    engine:recover()
    assert.same({ "updated", { "Acme 1 -> 5" } }, { engine:history()[1].status, host.changes })
    assert.equal("duplicate", engine:handle(WON).status)
    engine:close()
  end)
end)

describe("a directory", function()
  after_each(clean)

  it("that may not be written to is io, with its name", function()
    local disk = disks.mount(1000)
    if not disk then
      return
    end
    local path = disk .. "/store"
    local engine = stores.open { path = path }
    engine:save(stores.config { sale_won = CUSTOMER })
    engine:close()
    disks.protect(disk)
    for _, name in ipairs { path, disk .. "/new" } do
      local message = assert_code("io", leadcat.open { path = name, map_size = MAP })
      assert.matches(name, message, nil, true)
    end
    local other = stores.open()
    assert_code("io", other:backup(disk .. "/copy"))
    other:close()
  end)

  it("that is removed while the store is open costs nobody else: a new one can be made there", function()
    local engine, path = stores.open()
    engine:save(stores.config { sale_won = CUSTOMER })
    assert(os.execute("rm -r '" .. path .. "'"))
    local other = stores.open { path = path }
    assert.equal(0, other:config().revision)
    assert.equal(1, engine:config().revision)
    assert.equal(1, other:save(stores.config { sale_won = OPPORTUNITY }))
    assert.same({ CUSTOMER, OPPORTUNITY },
      { (select(2, engine:decide("sale_won", LEAD))), (select(2, other:decide("sale_won", LEAD))) })
    engine:close()
    other:close()
  end)
end)

-- Damage ---------------------------------------------------------------------------------------------------------------

-- A store with something in every table, of two tenants, and with free pages.
local function new_store()
  local engine, path = stores.open { clock = function() return 1700000000 end, durability = "relaxed" }
  for _, name in ipairs { "", "north" } do
    local tenant = engine:tenant(name)
    for _ = 1, 3 do
      tenant:save(stores.config { sale_registered = OPPORTUNITY, sale_won = { CUSTOMER, ask = true } })
    end
    tenant.host:create_many(numbers(60), LEAD)
    for i = 1, 60 do
      local event = { id = "r" .. i, trigger = "sale_registered", company = i, actor = { id = "bob" } }
      assert(tenant:handle(event))
      event.id, event.trigger = "w" .. i, "sale_won"
      local asked = i % 3 == 0 and assert(tenant:handle(event))
      if asked and i % 2 == 0 then
        assert(tenant:resolve(asked.confirmation, { accept = true }))
      end
    end
    tenant:flush()
  end
  engine:close()
  return path
end

-- Checks a store, says how many problems that has found, opens it and does all that is done with one; says "done" and
-- the codes that it got.
local USE = [[
  print("problems " .. #require("leadcat.core").check_store(arg[1]))
  io.stdout:flush()
  local leadcat, stores = require "leadcat", require "support.stores"
  local codes = {}
  local function try(call, ...)
    local ok, result, message, code = pcall(call, ...)
    if not ok then
      error(result, 0)
    elseif result == nil and code then
      assert(type(message) == "string")
      codes[code] = true
    end
    return result
  end
  local engine = try(leadcat.open, {
    path = arg[1], map_size = 2 ^ 26, durability = "relaxed", retention = { count = 100 },
    clock = function() return 1700000100 end,
  })
  for _, name in ipairs(engine and { "", "north" } or {}) do
    local e = engine:tenant(name)
    try(e.config, e)
    try(e.config, e, 1)
    try(e.revisions, e)
    try(e.explain, e, { trigger = "sale_won", company = 1 })
    try(e.history, e, { limit = 1000 })
    try(e.history, e, { company = 3 })
    for _, record in ipairs(try(e.confirmations, e, { state = "open", user = "bob" }) or {}) do
      try(e.resolve, e, record.id, { accept = true })
    end
    for i = 1, 60, 7 do
      try(e.handle, e, { id = "r" .. i, trigger = "sale_registered", company = i })
    end
    try(e.handle_many, e, { { id = "y", trigger = "sale_lost", company = 5 }, { trigger = "sale_won", company = 8 } })
    pcall(function() -- raises when the store cannot be read
      for _ in e.host:companies() do end
    end)
    try(e.save, e, stores.config { sale_won = 5 })
    try(e.maintain, e)
    try(e.metrics, e)
  end
  if engine then
    engine:close()
  end
  local list = {}
  for code in pairs(codes) do
    list[#list + 1] = code
  end
  print("done " .. table.concat(list, " "))
]]

-- What a page may become.
local DAMAGES = {
  zeros = function() return ("\0"):rep(PAGE) end,
  ones = function() return ("\255"):rep(PAGE) end,
  ["half a page"] = function(page) return page:sub(1, PAGE / 2) .. ("\0"):rep(PAGE / 2) end,
  noise = function()
    local bytes = {}
    for i = 1, PAGE do
      bytes[i] = string.char((i * 7919 + math.floor(i / 256) * 31) % 256)
    end
    return table.concat(bytes)
  end,
}

-- The pages of a file that are free: nothing is lost with them.
local function free_pages(file)
  local pipe = io.popen(("unset LD_PRELOAD; mdb_stat -n -fff '%s'"):format(file))
  local free = {}
  for line in pipe:lines() do
    local first, count = line:match "^%s+(%d+)%[(%d+)%]"
    first = first or line:match "^%s+(%d+)$"
    for page = tonumber(first) or 1, (tonumber(first) or 0) + (tonumber(count) or 1) - 1 do
      free[page] = true
    end
  end
  pipe:close()
  return free
end

local KNOWN = {
  corrupt = true, io = true, not_found = true, already_resolved = true, unavailable = true, full = true,
  invalid = true, -- where a config cannot be found any more, its categories do not exist
}

describe("a damaged page", function()
  after_each(clean)

  for _, name in ipairs { "config.mdb", "journal.mdb" } do
    it("of " .. name .. " is named by leadcat check --store, or free; it ends no process otherwise", function()
      local base = new_store()
      local copy, sound = stores.path(), read(base .. "/" .. name)
      local free, kinds, tried = free_pages(base .. "/" .. name), {}, 0
      for kind in pairs(DAMAGES) do
        kinds[#kinds + 1] = kind
      end
      table.sort(kinds)
      assert_sound(base)
      local pages = #sound / PAGE
      for page = 2, pages - 1, math.max(1, math.floor(pages / times(pages))) do -- 0 and 1 are LMDB's heads
        for shift = 0, 1 do
          local kind = kinds[(page + 2 * shift) % #kinds + 1]
          local what = ("page %d of %s: %s"):format(page, name, kind)
          os.execute(("rm -rf '%s'; cp -r '%s' '%s'"):format(copy, base, copy))
          local damaged = DAMAGES[kind](sound:sub(page * PAGE + 1, page * PAGE + PAGE))
          write(copy .. "/" .. name, sound:sub(1, page * PAGE) .. damaged .. sound:sub(page * PAGE + PAGE + 1))
          local output, status = stores.run(USE, copy)
          local problems = tonumber(output:match "problems (%d+)")
          assert.is_true(problems > 0 or kind == "half a page" or free[page] == true, what .. " is not reported")
          if status ~= 0 or not output:find "done" then
            assert.is_true(problems > 0, ("%s ends a process (%d), unreported: %s"):format(what, status, output))
            local ended = status > 128 or output:find "AddressSanitizer" ~= nil -- by a signal: nothing was raised
            assert.is_true(ended, what .. ": " .. output)
          else
            for code in output:match("done([^\n]*)"):gmatch "%S+" do
              assert.is_true(KNOWN[code], what .. ": " .. code)
            end
          end
          tried = tried + 1
        end
      end
      assert.is_true(tried > 1)
    end)
  end

  it("among LMDB's heads is corrupt when both are gone; one of them is enough", function()
    for _, name in ipairs { "config.mdb", "journal.mdb" } do
      local path = new_store()
      local sound = read(path .. "/" .. name)
      write(path .. "/" .. name, ("\255"):rep(2 * PAGE) .. sound:sub(2 * PAGE + 1))
      assert_code("corrupt", leadcat.open { path = path, map_size = MAP })
      assert.is_true(#core.check_store(path) > 0)
    end
  end)
end)

-- Changes a text wherever it stands in config.mdb. Gives how often that was.
local function replace(path, old, new)
  local name, count = path .. "/config.mdb", 0
  assert.equal(#old, #new)
  local content = read(name)
  local at = content:find(old, 1, true)
  while at do
    content = content:sub(1, at - 1) .. new .. content:sub(at + #old)
    count, at = count + 1, content:find(old, at + #old, true)
  end
  write(name, content)
  return count
end

describe("a damaged ruleset", function()
  after_each(clean)

  local RULESET = "LCRS" -- how one begins
  local USES = {
    decide = function(engine) return (select(2, engine:decide("sale_won", LEAD))) end,
    decider = function(engine) return (select(2, engine:decider()("sale_won", LEAD))) end,
    handle = function(engine) return engine:handle(WON).to end,
    explain = function(engine) return engine:explain(WON).to end,
    propose = function(engine) return engine:propose { trigger = "sale_lost", company = "Acme" }.to.id end,
  }
  for name, use in pairs(USES) do
    it("is made anew from its config by " .. name .. ", for every process", function()
      local engine, path = stores.open()
      engine:save(stores.config { sale_won = CUSTOMER, sale_lost = { CUSTOMER, ask = true } })
      engine.host:create("Acme", LEAD)
      engine:close()
      local magic = read(path .. "/config.mdb"):find(RULESET, 1, true) and RULESET or RULESET:reverse()
      assert.is_true(replace(path, magic, "damn") > 0)
      assert.matches("a packed ruleset is damaged", table.concat((core.check_store(path))))
      engine = stores.open { path = path }
      assert.equal(CUSTOMER, use(engine))
      local output, status = stores.run([[
        local engine = assert(require("leadcat").open { path = arg[1], map_size = 2 ^ 26 })
        print(engine:decide("sale_won", 1))
      ]], path)
      assert.same({ "update\t5\tmatched\n", 0 }, { output, status })
      engine:close()
      assert_sound(path) -- the new one was written down
    end)
  end
end)

describe("a config whose JSON is damaged", function()
  after_each(clean)

  local function damaged()
    local engine, path = stores.open()
    assert(engine:save(stores.config { sale_won = OPPORTUNITY }))
    for _, name in ipairs { "", "north" } do
      local cfg = stores.config { sale_won = CUSTOMER }
      cfg.note = ("note of '%s'"):format(name)
      assert(engine:tenant(name):save(cfg))
    end
    engine.host:create("Acme", LEAD)
    engine:close()
    assert.equal(1, replace(path, [["note of ''"]], "\0note of ''\""))
    return path
  end

  it("is corrupt, by its tenant's name, and decided by as before; other tenants go on", function()
    local path = damaged()
    local engine = stores.open { path = path }
    local message = assert_code("corrupt", engine:config())
    assert.matches("tenant ''", message, nil, true)
    assert_code("corrupt", engine:explain(WON))
    assert.same({ "update", CUSTOMER, "matched" }, { engine:decide("sale_won", LEAD) })
    assert.equal("updated", engine:handle(WON).status)
    assert.equal(1, engine:config(1).revision)
    local north = engine:tenant "north"
    assert.equal("note of 'north'", north:config().note)
    assert.equal(2, north:save(stores.config { sale_won = OPPORTUNITY }))
    assert.matches("a config is damaged", table.concat((core.check_store(path))))
    engine:close()
  end)

  it("is replaced by the next save, or by going back to an older one", function()
    for _, mend in ipairs {
      function(engine) return engine:save(stores.config { sale_won = OPPORTUNITY }) end,
      function(engine) return engine:revert(1) end,
    } do
      local engine = stores.open { path = damaged() }
      assert.equal(3, mend(engine))
      assert.equal(3, engine:config().revision)
      assert.same({ "update", OPPORTUNITY, "matched" }, { engine:decide("sale_won", LEAD) })
      engine:close()
    end
  end)

  it("is all that is left when the ruleset is damaged, too: then it is corrupt to decide", function()
    local path = damaged()
    replace(path, read(path .. "/config.mdb"):find("LCRS", 1, true) and "LCRS" or "SRCL", "damn")
    local engine = stores.open { path = path }
    assert.matches("tenant ''", assert_code("corrupt", engine:decide("sale_won", LEAD)), nil, true)
    engine.host:create("Bolt", LEAD)
    assert_code("corrupt", engine:handle { trigger = "sale_won", company = "Bolt" })
    assert.same({ "update", CUSTOMER, "matched" }, { engine:tenant("north"):decide("sale_won", LEAD) })
    engine:close()
  end)
end)

describe("a seen-mark whose entry is missing", function()
  after_each(clean)

  it("is corrupt, for its event alone, and keeps nobody waiting", function()
    local engine, path = stores.open()
    engine:save(stores.config { sale_won = CUSTOMER })
    engine.host:create("Acme", LEAD)
    engine.host:create("Bolt", LEAD)
    assert.equal("updated", engine:handle(WON).status)
    engine:close()
    assert(os.execute(([[
      unset LD_PRELOAD
      cd '%s' && mdb_dump -n -s seen journal.mdb >whole
      sed -e '/^db_pagesize/d' -e '/^HEADER=END/{n;n;s/.*/ 0100000000000000/;}' whole >dump
      mdb_load -n -s seen -f dump journal.mdb
    ]]):format(path)))
    assert.matches("a seen%-mark names an entry that is missing", table.concat((core.check_store(path))))
    engine = stores.open { path = path }
    assert_code("corrupt", engine:handle(WON))
    assert.equal("updated", engine:handle({ id = "b", trigger = "sale_won", company = "Bolt" }).status)
    engine:close()
  end)
end)

-- Readers --------------------------------------------------------------------------------------------------------------

describe("reader slots", function()
  after_each(clean)

  -- Processes that read until they are killed; each has said "reading" by then.
  local function start_readers(path, count)
    local readers = {}
    for i = 1, count do
      readers[i] = processes.start([[
        local engine = assert(require("leadcat").open { path = arg[1], map_size = 2 ^ 26 })
        engine:history()
        local stat = io.open "/proc/self/stat"
        print(stat:read "*a":match "^%d+")
        io.stdout:flush()
        local core = require "leadcat.core"
        local deadline = core.now() + 60 -- it ends by itself, too
        while core.now() < deadline do
          engine:history { limit = 1000 }
        end
      ]], { path })
    end
    for _, reader in ipairs(readers) do
      reader.id = assert(tonumber(reader:line()))
    end
    return readers
  end

  local function kill(readers)
    for _, reader in ipairs(readers) do
      os.execute("kill -9 " .. reader.id)
      assert.equal(137, select(2, reader:wait()))
    end
  end

  it("that are used up by the living are unavailable, until one is free", function()
    local first, path = stores.open { max_readers = 3 }
    first:save(stores.config { sale_won = CUSTOMER })
    first.host:create("Acme", LEAD)
    first:history()
    local engines = {}
    repeat
      engines[#engines + 1] = stores.open { path = path }
    until not engines[#engines]:history() or #engines == 5
    assert_code("unavailable", engines[#engines]:history())
    assert.matches("all reader slots are taken: open the store with a larger max_readers",
      (select(2, engines[#engines]:history())))
    assert.equal("updated", first:handle(WON).status)
    table.remove(engines, 1):close()
    assert.is_table(engines[#engines]:history())
    for _, engine in ipairs(engines) do
      engine:close()
    end
    first:close()
  end)

  it("of killed readers are freed when they are needed", function()
    local engine, path = stores.open { max_readers = 4 }
    engine:history()
    kill(start_readers(path, 3))
    assert.equal(4, engine:stats().journal.readers)
    local other = stores.open { path = path }
    assert.is_table(other:history())
    assert.equal(2, engine:stats().journal.readers)
    other:close()
    engine:close()
  end)

  it("of readers that were killed while reading are freed by maintain", function()
    local engine, path = stores.open { durability = "relaxed" }
    engine:save(stores.config { sale_registered = OPPORTUNITY, sale_lost = LEAD })
    engine.host:create("Acme", LEAD)
    local function change(count)
      for i = 1, count do
        assert(engine:handle { trigger = i % 2 == 1 and "sale_registered" or "sale_lost", company = "Acme" })
      end
    end
    change(20)
    engine:history()
    local before = engine:stats().journal.readers
    local readers = start_readers(path, 2)
    assert.is_true(engine:stats().journal.readers >= before + 2)
    kill(readers)
    assert.is_true(engine:maintain().readers >= 2)
    assert.equal(before, engine:stats().journal.readers)
    change(100) -- and keep no page from being used again
    local used = engine:stats().journal.used
    change(100)
    assert.is_true(engine:stats().journal.used - used < 100 * PAGE)
    engine:close()
    assert_sound(path)
  end)
end)

-- Clocks ---------------------------------------------------------------------------------------------------------------

describe("a clock", function()
  after_each(clean)

  local DAY = 86400

  it("that goes back or jumps ahead gives entries that are numbered upwards all the same", function()
    local path, last = stores.path(), 0
    for _, now in ipairs { 1700000000, 1700000000 - 30 * DAY, 1700000000 + 3650 * DAY, 0, -5, 1700000000 } do
      local engine = stores.open { path = path, clock = function() return now end }
      if engine:config().revision == 0 then
        engine:save(stores.config { sale_registered = OPPORTUNITY, sale_lost = LEAD })
        engine.host:create("Acme", LEAD)
      end
      for _, trigger in ipairs { "sale_registered", "sale_lost" } do
        local outcome = assert(engine:handle { trigger = trigger, company = "Acme" })
        assert.equal("updated", outcome.status)
        assert.is_true(outcome.entry > last)
        last = outcome.entry
      end
      assert(engine:maintain())
      engine:close()
    end
    assert_sound(path)
  end)

  it("that jumps ahead ends a question; going back does not open it again", function()
    local now = 1700000000
    local engine = stores.open { clock = function() return now end, confirmation_ttl = 60 }
    engine:save(stores.config { sale_won = { CUSTOMER, ask = true } })
    engine.host:create("Acme", LEAD)
    local id = engine:handle(WON).confirmation
    now = now + DAY
    assert.equal("expired", engine:confirmation(id).state)
    now = now - 2 * DAY
    assert.equal("expired", engine:confirmation(id).state)
    assert_code("expired", engine:resolve(id, { accept = true }))
    assert.equal(LEAD, engine.host:get "Acme")
    engine:close()
  end)

  for name, jump in pairs { ["an hour ahead"] = 3600, ["a day back"] = -DAY } do
    it("that jumps " .. name .. " takes no change from the living", function()
      local now, other = 1700000000, nil
      local host = crm.new { Acme = LEAD }
      local set = host.set_category
      local options = { host = host, clock = function() return now end }
      local engine, path = stores.open(options)
      options.path = path
      engine:save(stores.config { sale_won = CUSTOMER })
      function host.set_category(...)
        host.set_category = set
        now = now + jump
        other = stores.open(options)
        assert.same({ finished = 0, failed = 0, busy = 1 }, other:recover())
        return set(...)
      end
      assert.is_truthy(engine:handle(WON))
      now = now + 2 * DAY
      assert(engine:recover())
      assert.same({ { "Acme 1 -> 5" }, "updated" }, { host.changes, engine:history()[1].status })
      assert.equal("duplicate", other:handle(WON).status)
      other:close()
      engine:close()
    end)
  end
end)

-- Hosts ----------------------------------------------------------------------------------------------------------------

describe("a host", function()
  after_each(clean)

  it("whose category is out of all reason has an event that comes to nothing, or is to be delivered again", function()
    local category
    local engine = stores.open { host = { category = function() return category end, set_category = function() end } }
    engine:save(stores.config { sale_won = CUSTOMER })
    for _, row in ipairs {
      { 0 }, { -1 }, { 2 ^ 31 }, { 2 ^ 60 }, { -2 ^ 40 }, { 1e308 },
      { 0 / 0, "unavailable" }, { math.huge, "unavailable" }, { "", "unavailable" }, { print, "unavailable" },
    } do
      category = row[1]
      local outcome, _, code = engine:handle { trigger = "sale_won", company = "Acme" }
      assert.same({ row[2], not row[2] and "unknown_category" or nil }, { code, outcome and outcome.reason })
    end
    assert.same({}, engine:history())
    engine:close()
  end)

  it("that never comes back, in a process that lives, has its change made by another when its time is over", function()
    local file, path = stores.file "1\n", stores.path()
    local child = processes.start([[
      local crm, stores = require "support.crm", require "support.stores"
      local host = crm.file(arg[2])
      function host.set_category()
        print "in the host"
        io.stdout:flush()
        require("leadcat.core").sleep(60)
      end
      local engine = assert(require("leadcat").open {
        path = arg[1], host = host, map_size = 2 ^ 26, clock = function() return 1700000000 end,
      })
      local stat = io.open "/proc/self/stat"
      print(stat:read "*a":match "^%d+")
      assert(engine:save(stores.config { sale_won = 5 }))
      engine:handle { id = "w", trigger = "sale_won", company = "Acme" }
    ]], { path, file })
    local id = child:line()
    assert.equal("in the host", child:line())
    local engine = stores.open { path = path, host = crm.file(file), clock = function() return 1700000032 end }
    assert.same({ finished = 0, failed = 0, busy = 1 }, engine:recover())
    core.forward(31)
    assert.same({ finished = 1, failed = 0, busy = 0 }, engine:recover())
    assert.equal("1\n5\n", read(file))
    assert.same({ "duplicate", "updated" }, { engine:handle(WON).status, engine:handle(WON).first.status })
    engine:close()
    os.execute("kill -9 " .. id)
    assert.equal(137, select(2, child:wait()))
  end)
end)
