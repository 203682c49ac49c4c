-- leadcat beside Tryton, which nobody here wrote: opportunities live their lives, the worker changes the categories of their
-- parties in Tryton, and is killed where it hurts most. `make crm` runs this; DATABASE is sqlite or postgresql.

local core = require "leadcat.core"
local databases = require "support.databases"
local histories = require "support.histories"
local hosts = require "leadcat.demo.tryton.host"
local settings = require "leadcat.demo.tryton.settings"
local stores = require "support.stores"
local tryton = require "support.tryton"

local DIALECT = os.getenv "DATABASE" or "sqlite"
local LUA = "sh spec/support/with_lua.sh " .. (os.getenv "LEADCAT_LUA" or "lua5.4")
local WORKER = " lua/leadcat/bin/leadcat worker spec/kill/tryton.lua"
local KILLED = 128 + 9 -- the status
local PATIENCE = 120 -- seconds

describe("leadcat beside Tryton on " .. DIALECT, function()
  local server, path, ids, root

  -- What a command's environment must have, as the demo's manual says.
  local function environment(user, more)
    local text = "env TRYTON_DATABASE=crm TRYTON_URL=%s TRYTON_USER=%s TRYTONPASSFILE=%s LEADCAT_STORE=%s %s "
    return text:format(server.url, user, server:password_file(user), path, more or "")
  end

  local function run(command)
    local pipe = assert(io.popen("{ " .. command .. "; } 2>&1; echo $?"))
    local output, status = pipe:read "*a":match "^(.-)(%d+)\n$"
    pipe:close()
    return output, tonumber(status)
  end

  -- A worker that runs beside Tryton.
  local function start(dies)
    local command = environment("leadcat", dies and "DIES=" .. dies) .. LUA .. WORKER
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
    local party = customer("Sold", "Lead")
    server:sell(server:lead(party))
    expected[party] = path_of("Lead", "Opportunity", "Customer")

    party = customer("Lost", "Marketing qualified lead")
    server:press(server:lead(party), "lost")
    expected[party] = path_of("Marketing qualified lead", "Opportunity", "Lost opportunity")

    party = customer("Cancelled", "Lead")
    server:press(server:lead(party), "opportunity", "cancel")
    expected[party] = path_of("Lead", "Opportunity")

    party = customer("Known later", "Lead")
    local lead = server:lead()
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
    assert.matches((" %d "):format(server.newsletter), " " .. table.concat(names, " ") .. " ") -- what is not ours stays
  end)

  for _, point in ipairs { "asked", "changed", "known" } do
    it(("comes to the same when the worker is killed: %s"):format(point), function()
      local expected = live()
      for _ = 1, point == "known" and 1 or 2 do -- again at another change
        assert.equal(KILLED, select(2, end_of(start(point))))
      end
      local worker = start()
      wait_for(expected)
      assert.same({ "", 0 }, { stop(worker) })
      check_journal(expected)
    end)
  end

  -- The host of an engine here, between whose reading and writing somebody else does something, once.
  local function open_with(meanwhile)
    local own = server:connect "leadcat"
    local engine = stores.open { path = path, host = hosts { client = own, root = root } }
    local call = own.call
    own.call = function(self, method, ...)
      if method == "model.party.party.write" and meanwhile then
        local now
        now, meanwhile = meanwhile, nil
        now()
      end
      return call(self, method, ...)
    end
    return engine
  end

  it("overwrites nothing that a user saves between its reading and its writing", function()
    local renamed, moved = server:party("Renamed", ids.Lead), server:party("Moved", ids.Lead)
    core.sleep(1.1) -- on SQLite, Tryton's _timestamp has whole seconds
    local engine = open_with(function()
      server:call("party.party.write", { renamed }, { name = "Renamed Ltd" })
    end)
    assert.equal("updated", assert(engine:handle { trigger = "sale_won", company = renamed }).status)
    assert.equal("Renamed Ltd", engine:company_name(renamed))
    assert.equal(path_of("Lead", "Customer"), server:audit(renamed))
    engine:close()
    engine = open_with(function()
      server:call("party.party.write", { moved },
        { categories = { { "remove", { ids.Lead } }, { "add", { ids.Partner } } } })
    end)
    assert.equal("conflict", assert(engine:handle { trigger = "sale_won", company = moved }).status)
    assert.equal(path_of("Lead", "Partner"), server:audit(moved))
    engine:close()
  end)

  it("asks nobody's leave where a party has two categories: it says so", function()
    local party = server:party("Twofold", ids.Lead)
    server:call("party.party.write", { party }, { categories = { { "add", { ids.Partner } } } })
    local engine = open_with()
    local outcome, message = engine:handle { trigger = "sale_won", company = party }
    assert.is_nil(outcome)
    assert.matches(("%d and %d"):format(ids.Lead, ids.Partner), message, 1, true)
    engine:close()
  end)

  if DIALECT == "postgresql" then
    it("takes turns with users who change the same parties all the time", function()
      local parties, engine = {}, open_with()
      for i = 1, 4 do
        parties[i] = server:party("Busy " .. i, ids.Lead)
      end
      local config, qualified = engine:config(), ids["Marketing qualified lead"]
      local before = config.rules
      config.rules = {
        { trigger = "sale_won", enabled = true, set_category = 3, ask = false },
        { trigger = "sale_lost", enabled = true, set_category = 1, ask = false },
      }
      assert(engine:save(config))
      local script = stores.file(([[
        local client = require("leadcat.demo.tryton.client").new { url = "%s", database = "crm", user = "admin",
          password = io.open("%s"):read "*l" }
        io.stdout:write "ready\n"
        io.stdout:flush()
        for i = 1, 120 do
          local party = ({ %s })[i %% 4 + 1]
          local fields = { "categories.parent", "_timestamp" }
          local found = client:find("party.party", { { "id", "=", party } }, fields, 1)[1]
          local now
          for _, category in ipairs(found["categories."]) do
            now = category.parent == %d and category.id or now
          end
          local to = now == %d and %d or %d
          client:call("model.party.party.write", { { party }, i %% 3 == 0 and { name = "Busy " .. i }
            or { categories = { { "remove", { now } }, { "add", { to } } } } },
            { context = { _timestamp = { [("party.party,%%d"):format(party)] = found._timestamp } } })
        end
      ]]):format(server.url, server:password_file "admin", table.concat(parties, ", "), root, qualified,
        ids["Lost opportunity"], qualified), ".lua") -- where no rule leads
      local pipe = assert(io.popen(LUA .. " " .. script .. " 2>&1"))
      assert.equal("ready", pipe:read "*l")
      local made = {}
      for i = 1, 120 do
        local party = parties[i % 4 + 1]
        local outcome = assert(engine:handle { trigger = i % 8 < 4 and "sale_won" or "sale_lost", company = party })
        made[outcome.status] = (made[outcome.status] or 0) + 1
      end
      assert.equal("", pipe:read "*a")
      pipe:close()
      local audited, ours = 0, 0
      for _, party in ipairs(parties) do
        local last
        for sign, id in server:audit(party):gmatch "([+-])(%d+)" do -- one category after the other, never two
          assert.is_true(sign == "+" and last == nil or sign == "-" and last == id, server:audit(party))
          last = sign == "+" and id or nil
        end
        assert.is_truthy(last)
        for _ in server:audit(party, server.worker):gmatch "%+" do
          audited = audited + 1
        end
        for _, entry in ipairs(engine:history { company = party, limit = 1000 }) do
          ours = ours + (entry.status == "updated" and 1 or 0)
        end
      end
      assert.same({ ours, ours }, { audited, made.updated })
      config = engine:config()
      config.rules = before
      assert(engine:save(config))
      engine:close()
    end)
  end
end)
