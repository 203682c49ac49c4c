-- How the rules fare: what is counted by day as entries are written, `engine:health`, and which rules are silent.

local asking = require "support.asking"
local core = require "leadcat.core"
local crm = require "support.crm"
local days = require "support.days"
local json = require "leadcat.util.json"
local stores = require "support.stores"
local web = require "support.web"

local LEAD, OPPORTUNITY, CUSTOMER, LOST = 1, 3, 5, 7 -- the preset's categories
local DAY = 24 * 3600
local NOW = 19675 * DAY + 9 * 3600 -- 2023-11-14, 09:00 UTC
local ANN, BOB = asking.ANN, asking.BOB

describe("the counters by day", function()
  local now, engine, path

  local function open(options)
    options = options or {}
    options.path, options.clock = path, function() return now end
    options.durability = "relaxed"
    engine = stores.open(options)
    return engine
  end

  local function save(rules)
    assert(engine:save(stores.config(rules), { actor = ANN }))
  end

  before_each(function()
    now, path = NOW, stores.path()
  end)
  after_each(function()
    engine:close()
    assert.same({}, core.check_store(path))
    stores.check()
  end)

  local function day_of(entry)
    return math.floor(entry.entry / 1000 / DAY)
  end

  local function agrees()
    local expected = days.expected(engine._store, "", day_of)
    assert.same(expected, days.found(engine._store, "", true))
    return expected
  end

  local function handle(trigger, company, more)
    now = now + 1
    local event = { trigger = trigger, company = company, actor = BOB }
    for name, value in pairs(more or {}) do
      event[name] = value
    end
    return assert(engine:handle(event))
  end

  local function counts()
    local health = assert(engine:health { days = 1 })
    return health.counts
  end

  describe("count once what comes of a match:", function()
    local ASKING = { sale_won = { CUSTOMER, ask = true }, sale_lost = LOST }

    before_each(function()
      open()
      save(ASKING)
      assert(engine.host:create_many({ "Acme", "Bolt" }, LEAD))
    end)
    after_each(agrees)

    local function answered(answer)
      local asked = handle("sale_won", "Acme")
      assert(engine:resolve(asked.confirmation, answer, { actor = BOB }))
    end

    for name, row in pairs {
      ["a change"] = { { matched = 1, automatic = 1 }, function() handle("sale_lost", "Acme") end },
      ["an event that is delivered again"] = { { matched = 1, automatic = 1 }, function()
        handle("sale_lost", "Acme", { id = "x" })
        handle("sale_lost", "Acme", { id = "x" })
      end },
      ["nothing"] = { {}, function() handle("sale_registered", "Acme") end },
      ["a question"] = { { matched = 1, asked = 1 }, function() handle("sale_won", "Acme") end },
      ["its acceptance"] = { { matched = 1, asked = 1, accepted = 1 }, function() answered { accept = true } end },
      ["another category"] = { { matched = 1, asked = 1, changed = 1 }, function() answered { category = LOST } end },
      ["a refusal"] = { { matched = 1, asked = 1, declined = 1 }, function() answered { decline = true } end },
      ["a question that expires"] = { { matched = 1, asked = 1, expired = 1 }, function()
        handle("sale_won", "Acme")
        now = now + 3600 * 12
        core.forward(0)
        assert(engine:sweep())
      end },
      ["a question that is replaced"] = { { matched = 2, asked = 1, superseded = 1, automatic = 1 }, function()
        handle("sale_won", "Acme")
        handle("sale_lost", "Acme")
      end },
      ["an answer that comes with the event"] = { { matched = 2, chosen = 1, kept = 1 }, function()
        handle("sale_won", "Acme", { choice = CUSTOMER })
        handle("sale_won", "Bolt", { choice = false })
      end },
      ["an undo"] = { { matched = 1, automatic = 1, undone = 1 }, function()
        assert(engine:undo(handle("sale_lost", "Acme").entry, { actor = ANN }))
      end },
      ["an event that only talks of undoing"] = { { matched = 1, automatic = 1 }, function()
        handle("sale_lost", "Acme", { sale = { id = '"undoes":', name = "undoes" } })
      end },
    } do
      it(name, function()
        engine:close()
        open { confirmation_ttl = 6 * 3600 }
        row[2]()
        assert.same(row[1], counts())
      end)
    end
  end)

  it("have the rule whose change was undone, or whose question was answered", function()
    open()
    local cfg = stores.config { sale_lost = LOST }
    cfg.rules[#cfg.rules + 1] = { trigger = "sale_won", enabled = true, set_category = CUSTOMER, id = 7 }
    cfg.rules[#cfg.rules + 1] = {
      trigger = "sale_registered", enabled = true, set_category = OPPORTUNITY, ask = true, id = 8,
    }
    assert(engine:save(cfg, { actor = ANN }))
    assert(engine.host:create_many({ "Acme", "Bolt" }, LEAD))
    assert(engine:undo(handle("sale_won", "Acme").entry, { actor = ANN }))
    assert(engine:resolve(handle("sale_registered", "Bolt").confirmation, { accept = true }, { actor = BOB }))
    local by_rule = {}
    for _, rule in ipairs(engine:health().rules) do
      by_rule[rule.rule] = next(rule.counts) and rule.counts or nil
    end
    assert.same({
      ["sale_won#7"] = { matched = 1, automatic = 1, undone = 1 },
      ["sale_registered#8"] = { matched = 1, asked = 1, accepted = 1 },
    }, by_rule)
    assert.equal("sale_won#7", engine:history({ company = "Acme", limit = 1 })[1].rule)
    agrees()
  end)

  it("count a change of a host once, whatever becomes of it", function()
    local host = crm.new { Acme = LEAD, Bolt = LEAD, Corp = LEAD }
    local tries = 0
    local set = host.set_category
    function host.set_category(company, to, from, ...)
      if company == "Bolt" then
        return nil, "no", "refused"
      elseif company == "Corp" and tries == 0 then
        tries = tries + 1
        return nil, "busy"
      end
      return set(company, to, from, ...)
    end
    open { host = host }
    save { sale_won = CUSTOMER }
    handle("sale_won", "Acme")
    handle("sale_won", "Bolt")
    assert.equal("failed", handle("sale_won", "Corp").status)
    assert.same({ matched = 2, automatic = 1, failed = 1 }, counts())
    core.forward(3600)
    assert.equal(1, engine:recover().finished)
    assert.same({ matched = 3, automatic = 2, failed = 1 }, counts())
    agrees()
  end)

  it("are the sum over the journal, after many random events on many days", function()
    math.randomseed(os.time())
    open { confirmation_ttl = 3 * DAY }
    save { sale_won = { CUSTOMER, ask = true }, sale_lost = LOST, sale_registered = OPPORTUNITY }
    local triggers, entries = { "sale_won", "sale_lost", "sale_registered" }, {}
    for i = 1, 30 do
      engine.host:create("c" .. i, LEAD)
    end
    for i = 1, 400 do
      local roll = math.random(10)
      if roll == 1 then
        now = now + DAY * math.random(2)
        assert(engine:maintain())
      elseif roll == 2 and #entries > 0 then
        engine:undo(entries[math.random(#entries)], { actor = ANN })
      elseif roll == 3 then
        engine.host:create("q" .. i, LEAD)
        handle("sale_won", "q" .. i)
        local list = engine:confirmations { state = "open" }
        local answers = { { accept = true }, { decline = true }, { category = LOST } }
        engine:resolve(list[math.random(#list)].id, answers[math.random(3)], { actor = BOB })
      elseif roll == 4 then
        local from, to = "c" .. math.random(30), "m" .. i
        engine:company_renamed(from, to)
        engine.host:create(from, LEAD)
      elseif roll == 5 then
        local batch = {}
        for k = 1, math.random(40) do
          batch[k] = {
            trigger = triggers[math.random(3)], company = "b" .. i .. "-" .. k % 25, id = ("%d/%d"):format(i, k),
          }
          engine.host:create(batch[k].company, ({ LEAD, OPPORTUNITY })[math.random(2)])
        end
        assert(engine:handle_many(batch))
      else
        local choice = math.random(8) == 1 and ({ CUSTOMER, LOST, false })[math.random(3)] or nil
        local outcome = handle(triggers[math.random(3)], "c" .. math.random(30), { choice = choice })
        entries[#entries + 1] = outcome.entry
      end
    end
    local expected = agrees()
    local seen = {}
    for key in pairs(expected) do
      seen[key:match "^%d+ (%S+)"] = true
    end
    for _, kind in ipairs { "automatic", "asked", "superseded", "undone" } do
      assert.is_true(seen[kind], kind)
    end
    repeat
      local head = assert(engine._store:recount "")
    until head.recount == "done"
    agrees()
  end)
end)

describe("engine:health", function()
  local now, engine
  local config = stores.config { sale_won = CUSTOMER, sale_lost = LOST, sale_registered = { OPPORTUNITY, ask = true } }

  before_each(function()
    now = NOW
    engine = stores.open { clock = function() return now end, durability = "relaxed" }
    assert(engine:save(config, { actor = ANN }))
  end)
  after_each(function()
    engine:close()
    stores.check()
  end)

  local number = 0
  local function won(count)
    for _ = 1, count do
      number = number + 1
      engine.host:create("n" .. number, LEAD)
      assert.equal("updated", engine:handle({ trigger = "sale_won", company = "n" .. number }).status)
    end
  end

  local function rule(key, options)
    for _, found in ipairs(assert(engine:health(options)).rules) do
      if found.rule == key then
        return found
      end
    end
  end

  it("has each rule by day, and the days that were asked for", function()
    won(2)
    now = now + DAY
    won(1)
    now = now + DAY
    local found = rule("sale_won", { days = 3 })
    assert.same({
      { day = "2023-11-14", matched = 2, automatic = 2 }, { day = "2023-11-15", matched = 1, automatic = 1 },
    }, found.days)
    assert.same({ matched = 3, automatic = 3 }, found.counts)
    assert.equal("2023-11-15", found.last)
    assert.is_true(found.enabled)
    assert.same({ matched = 1, automatic = 1 }, rule("sale_won", { days = 2 }).counts)
    assert.same({ {} , {} }, { rule("sale_lost").days, rule("sale_lost").counts })
    local health = engine:health { rule = "sale_won" }
    assert.same({ "2023-10-18", "2023-11-16", 1 }, { health.from, health.to, #health.rules })
    assert.is_nil(health.since)
    assert.same({}, engine:health({ rule = "sale_won#9" }).rules)
  end)

  it("refuses what it does not know", function()
    for _, options in ipairs { { days = 0 }, { days = 1097 }, { rule = 7 }, { since = 1 } } do
      assert.has_error(function() engine:health(options) end)
    end
  end)

  it("goes on with the counters of a rule that is gone, without calling it silent", function()
    for _ = 1, 10 do
      won(2)
      now = now + DAY
    end
    now = now + 30 * DAY
    assert.is_table(rule("sale_won").silent)
    local cfg = engine:config()
    cfg.rules = {}
    assert(engine:save(cfg, { actor = ANN }))
    local found = rule("sale_won", { days = 90 })
    assert.same({ nil, nil, 20 }, { found.enabled, found.silent, found.counts.matched })
  end)

  -- On which days (from the first on) a rule matches how often, and on which it is silent.
  for name, row in pairs {
    ["every day, then three whole days nothing"] = { every = 1, until_day = 20, silent_from = 24 },
    ["every third day: more than twice the usual pause"] = { every = 3, until_day = 60, silent_from = 66 },
    ["every tenth day"] = { every = 10, until_day = 90, silent_from = 110 },
    ["too few days to know"] = { every = 1, until_day = 3, count = 10 },
    ["too few matches to know"] = { every = 1, until_day = 8 },
  } do
    it("calls a rule silent when it is: " .. name, function()
      local first = now
      for day = 0, row.until_day, row.every do
        now = first + day * DAY
        won(row.count or (row.until_day > 10 and 2 or 1))
        assert.is_nil(rule("sale_won").silent)
      end
      local last = now
      for quiet = 1, 60 do
        now = last + quiet * DAY
        local day = math.floor((now - first) / DAY)
        local expected = row.silent_from and day >= row.silent_from or false
        assert.same({ day, expected }, { day, rule("sale_won").silent ~= nil })
      end
      assert.matches("leadcat_rules_silent " .. (row.silent_from and 1 or 0) .. "\n", engine:metrics())
      won(1)
      assert.is_nil(rule("sale_won").silent)
      won(12)
      local cfg = engine:config()
      for _, one in ipairs(cfg.rules) do
        one.enabled = false
      end
      assert(engine:save(cfg, { actor = ANN }))
      now = now + 60 * DAY
      assert.is_nil(rule("sale_won").silent)
    end)
  end

  it("is there for programs, for those who may see the history", function()
    won(2)
    local site = web.new_site()
    assert(site.engine.host:create("Acme", LEAD))
    assert(site.engine:save(config, { actor = ANN }))
    assert(site.engine:handle { trigger = "sale_won", company = "Acme" })
    local status, health = web.call(site, "GET", "/leadcat/api/health?days=7&rule=sale_won", { as = "ann" })
    assert.same({ 200, 1, 1 }, { status, #health.rules, health.rules[1].counts.matched })
    assert.equal(422, (web.call(site, "GET", "/leadcat/api/health?days=0", { as = "ann" })))
    assert.equal(401, (web.call(site, "GET", "/leadcat/api/health", {})))
    site.engine:close()
  end)

  it("is there on the command line, as text, JSON and CSV", function()
    local path = stores.path()
    local other = stores.open { path = path }
    assert(other:save(config))
    for _, company in ipairs { "Acme", "Bolt" } do
      assert(other.host:create(company, LEAD))
      assert(other:handle { trigger = "sale_won", company = company })
    end
    other:close()
    local output, _, status = stores.leadcat("health", "--path", path)
    assert.equal(0, status)
    assert.matches("\nsale_won +on +2 +2 +0 ", output)
    assert.matches("\nall +2 +2 +0 ", output)
    output = stores.leadcat("health", "--path", path, "--rule", "sale_won", "--days", "1")
    assert.matches("\n%d%d%d%d%-%d%d%-%d%d +2 +2 +0 ", output)
    output = assert(json.decode((stores.leadcat("health", "--path", path, "--json"))))
    assert.same({ matched = 2, automatic = 2 }, output.counts)
    output = stores.leadcat("health", "--path", path, "--csv")
    assert.matches("^day,rule,matched,automatic,asked,.*undone\n[%d-]+,sale_won,2,2,0,", output)
    output, _, status = stores.leadcat("health", "--path", path, "--recount")
    assert.equal(0, status)
    assert.matches("\nall +2 +2 +0 ", output)
    assert.equal(2, select(3, stores.leadcat("health", "--path", path, "--csv", "--json")))
    assert.equal(2, select(3, stores.leadcat("health", "--path", path, "--days", "0")))
  end)
end)
