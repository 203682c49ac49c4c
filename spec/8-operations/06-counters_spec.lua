-- What is counted: the outcomes of one engine, how full a store is, and the counters of all processes on it.

local handling = require "support.handling"
local stores = require "support.stores"

local OPPORTUNITY, LOST_OPPORTUNITY, CUSTOMER = 3, 4, 5 -- the preset's categories
local open = handling.open
local commits = stores.commits

describe("stats", function()
  after_each(stores.check)

  it("count outcomes by trigger, status and reason, each tenant's apart", function()
    local engine = open { sale_won = CUSTOMER, sale_lost = { LOST_OPPORTUNITY, ask = true } }
    local other = engine:tenant "other"
    engine:on("guard", function(event)
      if event.company == "Bolt" then
        return false
      end
    end)
    for _, event in ipairs {
      { id = 1, trigger = "sale_lost", company = "Acme" },
      { id = 1, trigger = "sale_lost", company = "Acme" },
      { trigger = "sale_lost", company = "Acme", choice = false },
      { trigger = "sale_won", company = "Bolt" },
      { trigger = "sale_won", company = "Acme", category = OPPORTUNITY },
      { trigger = "sale_won", company = "Acme" },
      { trigger = "sale_won", company = "Acme" },
      { trigger = "sale_won", company = "Acme" },
      { trigger = "sale_registered", company = "Acme" },
      { trigger = "sale_registered" },
    } do
      engine:handle(event)
    end
    other:handle { trigger = "sale_won", company = "Acme" }
    assert.same({
      sale_lost = {
        awaiting_confirmation = { matched = 1 }, duplicate = { matched = 1 }, declined = { matched = 1 },
      },
      sale_won = {
        unchanged = { vetoed = 1, not_potential_customer = 2 }, conflict = { matched = 1 }, updated = { matched = 1 },
      },
      sale_registered = { unchanged = { rule_disabled = 1 } },
    }, engine:stats().outcomes)
    assert.same({ sale_won = { unchanged = { rule_disabled = 1 } } }, other:stats().outcomes)
    -- They are a copy.
    engine:stats().outcomes.sale_won.updated.matched = 17
    assert.equal(1, engine:stats().outcomes.sale_won.updated.matched)
    engine:close()
  end)

  it("show how full the store is and how long commits take", function()
    local engine = open { sale_won = CUSTOMER }
    local stats = engine:stats()
    for _, part in ipairs { "config", "journal" } do
      assert.is_true(stats[part].used > 0 and stats[part].used < stats[part].size, part)
      assert.is_true(stats[part].readers >= 0 and stats[part].readers <= stats[part].max_readers, part)
    end
    assert.is_true(stats.commits.count >= 2)
    assert.is_true(stats.commits.slowest > 0 and stats.commits.slowest <= stats.commits.seconds)
    engine:close()
  end)
end)

describe("the counters of all processes", function()
  after_each(stores.check)

  -- The lines of the metrics that count outcomes, without their common name.
  local function events_of(engine)
    local list = {}
    for labels, count in assert(engine:metrics()):gmatch "leadcat_events_total{(.-)} (%S+)\n" do
      list[#list + 1] = labels .. " " .. count
    end
    return list
  end

  it("meet in the store, each tenant's apart, and each is counted once", function()
    local engine, _, path = open { sale_won = CUSTOMER }
    local other = open({}, { path = path })
    local won = { trigger = "sale_won", company = "Acme" }
    engine:handle(won)
    engine:handle(won)
    other:handle(won)
    engine:tenant("north"):handle(won)
    assert.same({}, events_of(other:tenant "north"))
    assert.is_true(engine:flush()) -- all tenants at once
    local updated = 'trigger="sale_won",status="updated",reason="matched" 1'
    local unchanged = 'trigger="sale_won",status="unchanged",reason="not_potential_customer" '
    assert.same({ unchanged .. 2, updated }, events_of(other))
    assert.same({ 'trigger="sale_won",status="unchanged",reason="rule_disabled" 1' }, events_of(other:tenant "north"))
    engine:handle(won)
    assert.same({ unchanged .. 2, updated }, events_of(other))
    for _ = 1, 2 do
      assert.same({ unchanged .. 3, updated }, events_of(engine))
    end
    assert.equal(0, commits(engine, function() engine:flush() end))
    engine:close()
    other:close()
    engine = open({}, { path = path })
    assert.same({ unchanged .. 3, updated }, events_of(engine))
    engine:close()
  end)

  it("of many tenants are written in a few transactions, and one tenant's when only that is asked about", function()
    local engine = open {}
    for tenant = 1, 1200 do
      engine:tenant("t" .. tenant):handle { trigger = "sale_won", company = "Acme" }
    end
    assert.equal(1, commits(engine, function() engine:tenant("t7"):metrics() end))
    local count = commits(engine, function() assert(engine:flush()) end)
    assert.is_true(count >= 1 and count <= 4, count .. " commits")
    for _, tenant in ipairs { "t1", "t7", "t1200" } do
      assert.equal(1, #events_of(engine:tenant(tenant)))
      assert.matches('reason="rule_disabled" 1$', events_of(engine:tenant(tenant))[1])
    end
    assert.equal(0, commits(engine, function() assert(engine:flush()) end))
    engine:close()
  end)

  it("wait for the store to have room", function()
    local engine = open { sale_won = CUSTOMER }
    engine:handle { trigger = "sale_won", company = "Acme" }
    local mend = stores.fail(engine, "add")
    assert.same({ nil, "no room", "full" }, { engine:flush() })
    assert.same({ nil, "no room", "full" }, { engine:metrics() })
    engine:handle { trigger = "sale_won", company = "Bolt" }
    mend()
    assert.same({ 'trigger="sale_won",status="updated",reason="matched" 2' }, events_of(engine))
    engine:close()
  end)

  it("are shown with the open questions and the state of the store, as Prometheus reads it", function()
    local engine = open { sale_won = { CUSTOMER, ask = true } }
    engine:handle { trigger = "sale_won", company = "Acme" }
    local found = {}
    for line in assert(engine:metrics()):gmatch "[^\n]+" do
      local name, labels, value = line:match '^([%a_]+)({[%a_="]+.*}) (%d+)$'
      if not name then
        name, value = line:match "^([%a_]+) (%d+)$"
      end
      assert.is_truthy(name or line:find "^# HELP [%a_]+ %u.*%.$" or line:find "^# TYPE [%a_]+ %l+$", line)
      if name then
        found[name .. (labels or "")] = tonumber(value)
      end
    end
    assert.equal(1, found.leadcat_confirmations_open)
    for _, file in ipairs { '{file="config"}', '{file="journal"}' } do
      assert.is_true(found["leadcat_map_used_bytes" .. file] < found["leadcat_map_size_bytes" .. file])
      assert.is_true(found["leadcat_reader_slots_used" .. file] <= found["leadcat_reader_slots" .. file])
    end
    engine:close()
  end)
end)
