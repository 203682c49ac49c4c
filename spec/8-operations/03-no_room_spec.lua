-- What happens when a store cannot be opened or has no more room.

local histories = require "support.histories"
local leadcat = require "leadcat"
local processes = require "support.processes"
local stores = require "support.stores"
local winning = require "support.winning"

local LEAD, CUSTOMER = 1, 5 -- the preset's categories
local MAP = 64 * 1024 * 1024
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
    set_format "03000000"
    local code, message = fails(path)
    assert.equal("corrupt", code)
    assert.matches("format 3", message)
    assert.matches("use a newer leadcat", message)
    set_format "02000000"
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
