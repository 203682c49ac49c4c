-- leadcat beside Tryton, which nobody here wrote: opportunities live their lives, the worker changes the categories of their
-- parties in Tryton, and is killed where it hurts most. `make crm` runs this; DATABASE is sqlite or postgresql.

local client = require "leadcat.demo.tryton.client"
local core = require "leadcat.core"
local databases = require "support.databases"
local histories = require "support.histories"
local hosts = require "leadcat.demo.tryton.host"
local processes = require "support.processes"
local settings = require "leadcat.demo.tryton.settings"
local stores = require "support.stores"
local tryton = require "support.tryton"

local DIALECT = os.getenv "DATABASE" or "sqlite"
local LUA = "sh spec/support/with_lua.sh " .. (os.getenv "LEADCAT_LUA" or "lua5.4")
local FILE = "spec/kill/tryton.lua"
local KILLED = 128 + 9 -- the status
local PATIENCE = 120 -- seconds

describe("leadcat beside Tryton on " .. DIALECT, function()
  local server, path, ids, root

  -- What a shell command of the demo says, and its status, with the environment that its manual names.
  local function environment(user, more)
    return ("env TRYTON_URL=%s TRYTON_DATABASE=crm TRYTON_USER=%s TRYTONPASSFILE=%s LEADCAT_STORE=%s %s "):format(
      server.url, user, server:password_file(user), path, more or "")
  end

  local function run(command)
    local pipe = assert(io.popen("{ " .. command .. "; } 2>&1; echo $?"))
    local output, status = pipe:read "*a":match "^(.-)(%d+)\n$"
    pipe:close()
    return output, tonumber(status)
  end

  -- A worker that runs beside Tryton.
  local function start(dies)
    local command = environment("leadcat", dies and "DIES=" .. dies) .. LUA .. " lua/leadcat/bin/leadcat worker " .. FILE
    local pipe = assert(io.popen(("{ %s & echo $!; wait $!; echo status $?; } 2>&1"):format(command)))
    return { pipe = pipe, id = pipe:read "*l" }
  end

  -- Waits for the end of a worker: what it has said, and its status.
  local function end_of(worker)
    local said, status = worker.pipe:read "*a":match "^(.-)[^\n]*status (%d+)\n$"
    worker.pipe:close()
    return said, tonumber(status)
  end

  local function stop(worker)
    os.execute("kill -TERM " .. worker.id)
    return end_of(worker)
  end

  -- Waits until the audit of each party is what it should be.
  local function wait_for(expected)
    local last = core.uptime() + PATIENCE
    for party, audit in pairs(expected) do
      while server:audit(party) ~= audit and core.uptime() < last do
        core.sleep(0.1)
      end
      assert.same({ party, audit }, { party, server:audit(party) })
    end
  end

  -- An audit of these categories, one after the other: "+2 -2 +4".
  local function path_of(...)
    local parts, last = {}, nil
    for _, name in ipairs { ... } do
      parts[#parts + 1] = last and ("-%d"):format(ids[last])
      parts[#parts + 1] = ("+%d"):format(ids[name])
      last = name
    end
    return table.concat(parts, " ")
  end

  setup(function()
    server = tryton.start(DIALECT)
    server:furnish()
    path = stores.path()
    local output, status = run(environment "admin" .. LUA .. " lua/leadcat/demo/tryton/prepare.lua")
    assert(status == 0, output)
    ids = {}
    for id, name in output:gmatch "party category (%d+): Company category / ([^\n]+)" do
      ids[name] = tonumber(id)
    end
    root = settings.categories(server.client)(settings.ROOT)
  end)

  teardown(function()
    if server then
      server:stop()
    end
    databases.stop()
    stores.check()
  end)

  -- Opportunities' real life: gives what the audit of each party must be.
  local function live()
    local expected = {}
    local function customer(name, category)
      return server:party(name, category and ids[category])
    end
    local lead, party = nil, customer("Sold", "Lead")
    server:sell(server:lead(party))
    expected[party] = path_of("Lead", "Opportunity", "Customer")

    party = customer("Lost", "Marketing qualified lead")
    server:press(server:lead(party), "lost")
    expected[party] = path_of("Marketing qualified lead", "Opportunity", "Lost opportunity")

    party = customer("Cancelled", "Lead")
    server:press(server:lead(party), "opportunity", "cancel")
    expected[party] = path_of("Lead", "Opportunity")

    party, lead = customer("Known later", "Lead"), server:lead()
    server:set_party(lead, party)
    server:press(lead, "opportunity", "convert")
    server:press_sale(lead, "cancel") -- the quotation, and with it the opportunity is lost
    expected[party] = path_of("Lead", "Opportunity", "Lost opportunity")

    party = customer("Won in the end", "Lead")
    lead = server:lead(party)
    server:press(lead, "lost", "lead")
    server:sell(lead)
    expected[party] = path_of("Lead", "Opportunity", "Lost opportunity", "Customer")

    party = customer("Customer already", "Customer")
    server:press(server:lead(party), "lost")
    expected[party] = path_of "Customer"

    party = customer "In no category"
    server:sell(server:lead(party))
    expected[party] = ""
    return expected
  end

  -- What leadcat's journal says must be what the audit says.
  local function check_journal(expected)
    local engine = stores.open { path = path, host = hosts { client = server.client, root = root } }
    local externals, changes = {}, {}
    for _, category in ipairs(engine:config().categories) do
      externals[category.id] = category.external
    end
    local whole = histories.whole(engine)
    for i = #whole, 1, -1 do
      local entry = whole[i]
      local party = tonumber(entry.company)
      assert.equal("updated", entry.status)
      changes[party] = ("%s -%s +%s"):format(changes[party] or "+" .. externals[entry.from], externals[entry.from],
        externals[entry.to])
    end
    for party, audit in pairs(expected) do
      assert.equal(audit:find " " and audit or nil, changes[party])
    end
    engine:close()
    assert.same({}, core.check_store(path))
  end

  it("changes the categories of parties as their opportunities live", function()
    local worker = start()
    core.sleep(1)
    local expected = live()
    wait_for(expected)
    assert.same({ "", 0 }, { stop(worker) })
    check_journal(expected)
    local party = next(expected)
    local names = assert(server.client:find("party.party", { { "id", "=", party } }, { "categories" }, 1))[1].categories
    assert.equal(server.newsletter, math.max(stores.unpack(names))) -- what is not leadcat's stays
  end)

  for _, point in ipairs { "asked", "changed", "known" } do
    it(("comes to the same when the worker is killed: %s"):format(point), function()
      local expected = live()
      for _ = 1, point == "known" and 1 or 2 do -- again at another change
        assert.same({ "", KILLED }, { end_of(start(point)) })
      end
      local worker = start()
      wait_for(expected)
      assert.same({ "", 0 }, { stop(worker) })
      check_journal(expected)
    end)
  end
end)

_G.unused = { client, processes }
