-- Drift: which companies stand elsewhere than their sales imply, and setting them right. Random companies have lived in
-- known ways; a second implementation, which shares no code with leadcat, says where each should be and what became of it.

local crm = require "support.crm"
local grouped = require "leadcat.insight.grouped"
local processes = require "support.processes"
local stores = require "support.stores"

local LEAD, OPPORTUNITY, LOST_OPPORTUNITY, CUSTOMER, PARTNER = 1, 3, 4, 5, 6 -- the preset's categories
local ANN = { id = "ann", name = "Ann", admin = true }
local NOW, PAST, DAY = 1700000000, 1600000000, 24 * 3600
local RULES = { sale_registered = OPPORTUNITY, sale_won = CUSTOMER, sale_lost = LOST_OPPORTUNITY }
local POTENTIAL = { [LEAD] = true, [2] = true, [OPPORTUNITY] = true, [LOST_OPPORTUNITY] = true }
local ALL = {
  "missed", "unmade", "open", "kept", "by_hand", "older_rules", "overtaken", "untouched", "waits", "unreadable",
  "unknown_category", "no_sales", "in_step",
}

local function open(options, rules)
  options = options or {}
  options.clock, options.durability = function() return NOW end, "relaxed"
  local engine, path = stores.open(options)
  if engine:config().revision == 0 then
    assert(engine:save(stores.config(rules or RULES)))
  end
  return engine, path
end

local function event(trigger, company, days, sale, more)
  local made = { trigger = trigger, company = company, at = PAST + days * DAY + 1, sale = { id = sale } }
  for name, value in pairs(more or {}) do
    made[name] = value
  end
  return made
end

-- The only item of a company.
local function look(engine, events, options)
  options = options or {}
  options.source, options.kinds = events, options.kinds or ALL
  local page = assert(engine:drift(options))
  assert.equal(1, #page.items)
  return page.items[1]
end

-- The second implementation -------------------------------------------------------------------------------------------------

-- One company's life, as it is told to the engine, and as it is written down here.
local function new_life(name)
  return { name = name, category = LEAD, happened = {}, journal = {} }
end

local function write(life, record)
  life.journal[#life.journal + 1] = record
  if record.to then
    life.category = record.to
  end
end

-- What the rules say about an event of a company there; nil: nothing.
local function decide(trigger, category)
  local to = RULES[trigger]
  return POTENTIAL[category] and to ~= category and to or nil
end

-- Where the events lead from a category, and those that move.
local function replay(events, category)
  local moving = {}
  for _, e in ipairs(events) do
    local to = decide(e.trigger, category)
    if to then
      category, moving[#moving + 1] = to, e
    end
  end
  return category, moving
end

-- What should be said of a company.
local function expect(life)
  if life.is_unknown then
    return "unknown_category"
  end
  local implied, moving = replay(life.happened, LEAD)
  local decisive = moving[#moving]
  if not decisive or implied == life.category then
    return "in_step"
  end
  local can_be_set = replay({ decisive }, life.category) == implied or replay(moving, life.category) == implied
  local change, own
  for i, record in ipairs(life.journal) do
    record.number = i
    if record.to then
      change = record
    end
    if record.event == decisive and not record.undoes then
      own = record
    end
  end
  local since = own and own.number or 0
  if change and change.to ~= life.category or not change and life.was_moved then -- nobody told that it was moved
    if own and own.number > (change and change.number or 0) and own.from == life.category then
      return own.kept and "kept", implied
    end
    local kind = (change or own) and "by_hand" or "missed"
    return can_be_set and kind or "untouched", implied
  elseif own and own.kept and (not change or change.number < since) then
    return "kept", implied
  elseif change and change.undoes then
    return "kept", implied
  elseif change and change.number >= since and (own or change.event.at > decisive.at) then
    return change == own and "older_rules" or "overtaken", implied
  end
  return can_be_set and "missed" or "untouched", implied
end

-- Lives --------------------------------------------------------------------------------------------------------------------

local state
local function random(n) -- Park and Miller: the same in every Lua
  state = state * 16807 % 2147483647
  return state % n + 1
end

-- The event is handled; a user who is asked beforehand may keep the category.
local function handle(engine, life, e, keeps)
  local to = decide(e.trigger, life.category)
  local copy = {}
  for name, value in pairs(e) do
    copy[name] = value
  end
  if keeps then
    copy.choice = false
  end
  local outcome = assert(engine:handle(copy))
  if to then
    assert.equal(keeps and "declined" or "updated", outcome.status)
    write(life, { event = e, from = life.category, to = not keeps and to or nil, kept = keeps, entry = outcome.entry })
  end
end

local function undo(engine, life)
  local last = life.journal[#life.journal]
  if last and last.to and not last.undoes and last.to == life.category then
    assert(engine:undo(last.entry, { actor = ANN }))
    write(life, { event = last.event, from = last.to, to = last.from, undoes = true })
  end
end

-- Somebody moves the company in the CRM, and tells nobody.
local function move_by_hand(engine, life)
  local to = ({ LEAD, 2, OPPORTUNITY, LOST_OPPORTUNITY, CUSTOMER, PARTNER })[random(6)]
  if to ~= life.category then
    assert(engine._store:set_category("", life.name, to, life.category))
    life.category, life.was_moved = to, true
  end
end

local ENDS = { "sale_won", "sale_lost", "sale_registered" }

local function live(engine, i)
  local life, way = new_life("company " .. i), random(8)
  if way == 1 then
    life.is_unknown = true
  else
    assert(engine.host:create(life.name, LEAD))
  end
  local sales = random(3)
  for n = 1, sales do
    local sale, begins = ("s%d-%d"):format(i, n), n * 40
    life.happened[#life.happened + 1] = event("sale_registered", life.name, begins, sale)
    if ENDS[random(3)] ~= "sale_registered" then
      life.happened[#life.happened + 1] = event(ENDS[random(2)], life.name, begins + random(30), sale)
    end
  end
  for n, e in ipairs(life.happened) do
    local is_last = n == #life.happened
    if life.is_unknown or way == 2 or way == 3 and random(2) == 1 then -- it is missed
      life.has_missed = true
    else
      handle(engine, life, e, is_last and way == 4)
    end
  end
  if way == 5 then
    undo(engine, life)
  elseif way == 6 then
    move_by_hand(engine, life)
  end
  return life
end

describe("drift", function()
  after_each(stores.check)

  for seed = 1, 4 do
    it(("finds what has drifted in known ways, and nothing more (%d)"):format(seed), function()
      state = seed * 7919
      local engine = open()
      local lives, lines, counts, seen = {}, {}, {}, {}
      for i = 1, 300 do
        local life = live(engine, i)
        lives[life.name] = life
        for _, e in ipairs(life.happened) do
          table.insert(lines, random(#lines + 1), e) -- in no order
        end
      end
      local cursor
      repeat
        local page = assert(engine:drift { source = lines, limit = 70, cursor = cursor, kinds = ALL })
        for _, item in ipairs(page.items) do
          local kind, implied = expect(lives[item.company])
          assert.same({ item.company, kind, implied or item.implied }, { item.company, item.kind, item.implied })
          assert.is_nil(seen[item.company])
          seen[item.company], counts[kind] = true, (counts[kind] or 0) + 1
        end
        cursor = page.cursor
      until not cursor
      for name in pairs(lives) do
        assert.is_true(seen[name], name)
      end
      for _, kind in ipairs { "missed", "kept", "by_hand", "untouched", "unknown_category", "in_step" } do
        assert.is_true((counts[kind] or 0) > 0, kind)
      end

      -- Those that drifted are set right, and then nothing has drifted.
      local items = assert(engine:drift { source = lines, limit = 10000 }).items
      assert.equal(counts.missed, #items)
      local preview = assert(engine:set_right(items, { preview = true }))
      assert.equal(counts.missed, preview.companies)
      local report = assert(engine:set_right(items, { actor = ANN }))
      assert.equal(counts.missed, report.companies)
      for _, item in ipairs(items) do
        assert.equal(item.implied, engine.host:get(item.company))
      end
      local after = assert(engine:drift { source = lines, limit = 10000 })
      assert.same({}, after.items)
      assert.equal(counts.in_step + counts.missed, after.counts.in_step)

      -- It is a run, which can be undone; what an administrator has undone is not drift.
      assert.equal(0, #assert(engine:undo({ run = report.run }, { actor = ANN })).refused)
      for _, item in ipairs(items) do
        assert.equal(lives[item.company].category, engine.host:get(item.company))
      end
      assert.same({}, assert(engine:drift { source = lines, limit = 10000 }).items)
      engine:close()
    end)
  end

  it("says in a sentence where a company should be, and why", function()
    local engine = open()
    assert(engine.host:create("Acme", LEAD))
    local item = look(engine, { event("sale_won", "Acme", 10, "S-17") })
    assert.same({ "missed", LEAD, CUSTOMER, true }, { item.kind, item.category, item.implied, item.can_be_set })
    assert.equal("Should be Customer. The sale S-17 was won. That was on 23 Sept 2020. Nothing has moved the company "
      .. "since.", (item.sentence:gsub("\226\129[\166-\169]", "")))
    local other = look(engine, { event("sale_won", "Acme", 10, "S-17") }, { language = "no" })
    assert.matches("^Skal være Kunde%. Salget S%-17 ble vunnet%. Det var 23%. ",
      (other.sentence:gsub("\226\129[\166-\169]", "")))
    engine:close()
  end)

  it("tells what was asked, refused, decided by older rules, or moved by something else since", function()
    local rules = { sale_registered = { OPPORTUNITY, ask = true }, sale_won = CUSTOMER }
    local engine = open({ triggers = { { trigger = "contract_expired" } } }, rules)
    local registered = event("sale_registered", "Acme", 1, "s")
    assert(engine.host:create_many({ "Acme", "Bolt", "Cone" }, LEAD))

    assert.equal("missed", look(engine, { registered }).kind)
    local outcome = assert(engine:handle(registered))
    assert.equal("open", look(engine, { registered }).kind)
    assert(engine:resolve(outcome.confirmation, { decline = true }, { actor = ANN }))
    local item = look(engine, { registered })
    assert.same({ "kept", "declined" }, { item.kind, item.status })

    -- A question that nobody has answered.
    local bolts = event("sale_registered", "Bolt", 1, "t")
    assert(engine:handle(bolts))
    engine._shared.clock = function() return NOW + 30 * DAY end
    engine:sweep()
    item = look(engine, { bolts })
    assert.same({ "unmade", "expired", true }, { item.kind, item.status, item.can_be_set })

    -- Rules that were other ones.
    local won = event("sale_won", "Cone", 2, "u")
    rules.sale_won = 2
    assert(engine:save(stores.config(rules)))
    assert(engine:handle(won))
    rules.sale_won, rules.contract_expired = CUSTOMER, { LOST_OPPORTUNITY, from = { groups = { "customer" } } }
    assert(engine:save(stores.config(rules)))
    assert.equal("older_rules", look(engine, { won }).kind)

    -- An event of which the source does not know.
    assert(engine:undo(engine:history({ company = "Cone" })[1].entry, { actor = ANN }))
    assert.equal("updated", engine:handle(event("sale_won", "Cone", 3, "v")).status)
    assert.equal("updated", engine:handle(event("contract_expired", "Cone", 4, "v")).status)
    assert.equal("overtaken", look(engine, { event("sale_won", "Cone", 3, "v") }).kind)
    engine:close()
  end)

  it("goes by what the rules take back, and by rules that wait", function()
    local cfg = stores.config { sale_won = CUSTOMER, sale_lost = { LOST_OPPORTUNITY, after = { days = 30 } } }
    cfg.rules[#cfg.rules + 1] = { trigger = "sale_reopened", enabled = true, take_back = true }
    local engine = open()
    assert(engine:save(cfg))
    assert(engine.host:create_many({ "Acme", "Bolt", "Cone" }, LEAD))
    local won, reopened = event("sale_won", "Acme", 1, "s"), event("sale_reopened", "Acme", 2, "s")
    assert.equal("in_step", look(engine, { won, reopened }).kind)
    assert.equal("in_step", look(engine, { reopened }).kind)
    assert.equal("waits", look(engine, { event("sale_lost", "Bolt", 1, "t") }).kind)

    -- Only what the replay has done is taken back, not what the journal says that the sale did.
    assert(engine:handle(event("sale_won", "Cone", 1, "u")))
    assert.equal("in_step", look(engine, { event("sale_reopened", "Cone", 2, "u") }).kind)
    local item = look(engine, { event("sale_won", "Cone", 1, "u"), event("sale_reopened", "Cone", 2, "u") })
    assert.same({ "missed", LEAD, true }, { item.kind, item.implied, item.can_be_set })
    assert(engine:set_right({ item }, { actor = ANN }))
    assert.equal(LEAD, engine.host:get "Cone")
    engine:close()
  end)

  it("needs several events where one alone would not lead there", function()
    local engine = open(nil, { sale_registered = OPPORTUNITY,
      sale_won = { CUSTOMER, from = { categories = { OPPORTUNITY } } } })
    assert(engine.host:create("Acme", LEAD))
    local item = look(engine, { event("sale_registered", "Acme", 1, "s"), event("sale_won", "Acme", 2, "s") })
    assert.same({ "missed", 2 }, { item.kind, #item.events })
    assert(engine:set_right({ item }, { actor = ANN }))
    assert.equal(CUSTOMER, engine.host:get "Acme")
    engine:close()
  end)

  it("asks the host for sales, contacts and companies", function()
    local host = crm.new { Acme = LEAD, [7] = OPPORTUNITY, Bolt = LEAD, Cone = LEAD, Dust = LEAD, Elf = LEAD }
    local ids, asked = { "Acme", 7, "Bolt", "Cone", "Dust", "Elf" }, {}
    local known = {
      Acme = { sales = { { id = "S-1", status = "won", registered = PAST, at = PAST + DAY, amount = 5 } } },
      ["7"] = { sales = { { id = 1, status = "open", at = PAST } } },
      Bolt = { contacts = { { id = "ann", lead_status = 2, at = PAST } } },
      Cone = { sales = { { id = "S-2", status = "won", at = PAST } }, moved = { at = PAST + 2 * DAY } },
      Dust = { sales = { { id = "S-3", status = "signed", at = PAST } } },
    }
    function host.list_companies(after, limit, tenant, since)
      asked[#asked + 1] = { after or "none", limit, tenant, since or "none" }
      local first, list = 1, {}
      for place, id in ipairs(ids) do
        first = id == after and place + 1 or first
      end
      for place = first, math.min(first + limit - 1, #ids) do
        list[#list + 1] = ids[place]
      end
      return list
    end
    function host.sales(companies)
      local answers = {}
      for place, company in ipairs(companies) do
        answers[place] = known[tostring(company)] or false
      end
      return answers
    end
    local engine = open({ host = host }, {
      sale_registered = OPPORTUNITY, sale_won = CUSTOMER, ["lead_status_set:2"] = 2,
    })
    local kinds, cursor = {}, nil
    repeat
      local page = assert(engine:drift { limit = 2, cursor = cursor, kinds = ALL })
      assert.equal("host", page.source)
      for _, item in ipairs(page.items) do
        kinds[tostring(item.company)] = item.kind
      end
      cursor = page.cursor
    until not cursor
    assert.same({
      Acme = "missed", ["7"] = "in_step", Bolt = "missed", Cone = "by_hand", Dust = "unreadable", Elf = "no_sales",
    }, kinds)
    assert.same({
      { "none", 2, "", "none" }, { 7, 2, "", "none" }, { "Cone", 2, "", "none" }, { "Elf", 2, "", "none" },
    }, asked)
    assert(engine:drift { since = 5, limit = 3 })
    assert.same({ "none", 3, "", 5 }, asked[#asked])

    -- Single companies, and the whole way.
    local page = assert(engine:drift { companies = { "Acme", "Bolt" } })
    assert.same({ 2, 2 }, { #page.items, page.looked_at })
    assert(engine:set_right(page.items, { actor = ANN }))
    assert.same({ CUSTOMER, 2 }, { host.companies.Acme, host.companies.Bolt })

    host.sales = function() return { {} } end
    assert.same({ "host.sales returned a list of 1, not of the 2 that it was asked about", "unavailable" },
      { select(2, engine:drift { companies = { "Acme", "Bolt" } }) })
    host.sales = function() error "no" end
    assert.matches("host.sales raised", select(2, engine:drift { companies = { "Acme" } }))
    host.list_companies = function() return { 1, 2, 3 } end
    assert.matches("returned 3 companies", select(2, engine:drift { limit = 2 }))
    host.sales = nil
    assert.same({ "there is no host.sales that could tell of sales", "invalid" },
      { select(2, engine:drift { source = "host" }) })
    engine:close()
  end)

  for _, name in ipairs { "the embedded host", "a host of one's own" } do
    it("goes by the journal where nothing else tells: " .. name, function()
      local host = name ~= "the embedded host" and crm.new { Acme = LEAD, Bolt = LEAD, Cone = LEAD } or nil
      local engine = open { host = host }
      if not host then
        assert(engine.host:create_many({ "Acme", "Bolt", "Cone" }, LEAD))
      end
      for _, company in ipairs { "Acme", "Bolt" } do
        assert(engine:handle(event("sale_registered", company, 1, "s" .. company)))
      end
      local declined = event("sale_won", "Bolt", 2, "sBolt")
      declined.choice = false
      assert(engine:handle(declined))
      assert(engine:save(stores.config { sale_registered = 2, sale_won = CUSTOMER }))
      local kinds, cursor, looked_at = {}, nil, 0
      repeat
        local page = assert(engine:drift { limit = 1, cursor = cursor, kinds = ALL })
        for _, item in ipairs(page.items) do
          kinds[item.company] = item.kind
        end
        cursor, looked_at = page.cursor, looked_at + page.looked_at
      until not cursor
      assert.same({ Acme = "older_rules", Bolt = "kept", Cone = not host and "no_sales" or nil }, kinds)
      assert.equal(host and 2 or 3, looked_at)

      -- Since then only Acme has changed.
      engine._shared.clock = function() return NOW + DAY end
      assert(engine:handle(event("sale_won", "Acme", 3, "sAcme")))
      local page = assert(engine:drift { since = NOW + DAY - 1, kinds = ALL })
      assert.same({ 1, "Acme", "in_step" }, { #page.items, page.items[1].company, page.items[1].kind })
      engine:close()
    end)
  end

  it("is refused what it cannot use", function()
    local engine = open()
    local rows = {
      { { source = { { trigger = "sale_won" } } }, "event 1: company must be a string or an integer, not absent" },
      { { source = { event("paid", "Acme", 1, 1) } }, "event 1: trigger must be one of" },
      { { cursor = "host:sAcme" }, "cursor: 'host:sAcme' is none of the source journal" },
      { { start_category = "Nowhere" }, "start_category: there is no category 'Nowhere'" },
      { { source = {}, companies = { 1 } }, "companies: events of a file are looked at page by page" },
    }
    for _, row in ipairs(rows) do
      local page, message, code = engine:drift(row[1])
      assert.is_nil(page)
      assert.matches(row[2], message, 1, true)
      assert.equal("invalid", code)
    end
    for _, options in ipairs {
      { kinds = { "bad" } }, { source = "crm" }, { limit = 0 }, { companies = { {} } }, { no = 1 },
    } do
      assert.error(function() engine:drift(options) end)
    end
    local _, message, code = engine:set_right({ { company = "x", can_be_set = true, events = {} } },
      { actor = { id = "bob" } })
    assert.same({ "only an administrator may do a backfill", "forbidden" }, { message, code })
    engine:close()
  end)

  it("reads all events of a file once, in parts", function()
    local count, given = 5000, 0
    local source = assert(grouped.new(function()
      given = given + 1
      return given <= count and event("sale_won", given % 1000, given, given) or nil
    end))
    local companies, events, after = 0, 0, nil
    repeat
      local page = assert(source:page(nil, after, 64))
      for _, company in ipairs(page.companies) do
        companies, events = companies + 1, events + #company.events
        for place = 2, #company.events do
          assert.is_true(company.events[place - 1].at < company.events[place].at)
        end
      end
      after = page.after
    until not after
    source:close()
    assert.same({ 1000, 5000 }, { companies, events })
  end)

  -- A process that sets right, and is killed after each batch until nothing is left.
  local SETS_RIGHT = [[
    local leadcat = require "leadcat"
    local engine = assert(leadcat.open { path = arg[1], clock = function() return tonumber(arg[2]) end })
    local source = {}
    for i = 1, tonumber(arg[3]) do
      source[i] = { trigger = "sale_won", company = i, at = 1600000000 + i, sale = { id = i } }
    end
    local page = assert(engine:drift { source = source, limit = 10000 })
    if #page.items == 0 then
      print "nothing left"
    else
      local id = io.open "/proc/self/stat":read "*a":match "^%d+"
      engine:set_right(page.items, { actor = { id = "ann", admin = true }, on_progress = function(done)
        print(done)
        io.stdout:flush()
        os.execute("kill -9 " .. id)
      end })
    end
  ]]

  it("sets each company right once, whoever is killed", function()
    local engine, path = open { durability = "relaxed" }
    local count, companies = 2500, {}
    for i = 1, count do
      companies[i] = i
    end
    assert(engine.host:create_many(companies, LEAD))
    local rounds, is_done = 0
    repeat
      local output = processes.start(SETS_RIGHT, { path, tostring(NOW), tostring(count) }):wait()
      rounds, is_done = rounds + 1, output:find "nothing left" ~= nil
    until is_done or rounds > 9
    assert.is_true(is_done)
    assert.is_true(rounds > 3)
    local entries, after = 0, nil
    repeat
      local page, next_page = assert(engine:history { limit = 1000, after = after })
      entries, after = entries + #page, next_page
    until not after
    assert.equal(count, entries)
    for i = 1, count do
      assert.equal(CUSTOMER, engine.host:get(i))
    end
    engine:close()
  end)
end)
