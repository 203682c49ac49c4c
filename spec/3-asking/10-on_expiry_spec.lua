--- Questions that nobody answers in time, of rules with `on_expiry`: what they propose is carried out, or declined, once.

local asking = require "support.asking"
local core = require "leadcat.core"
local databases = require "support.databases"
local difference = require "leadcat.rules.difference"
local i18n = require "leadcat.words.i18n"
local json = require "leadcat.util.json"
local notifier = require "leadcat.notify.notifier"
local shared = require "support.shared"
local stores = require "support.stores"
local web = require "support.web"

local LEAD, QUALIFIED, CUSTOMER, PARTNER, LOST = 1, 2, 5, 6, 7 -- the preset's categories
local START, TTL = 1700000000, 7 * 86400
local BOB = asking.BOB

local function rules(on_expiry)
  return stores.config {
    sale_won = { CUSTOMER, ask = true, on_expiry = on_expiry }, sale_registered = { QUALIFIED, ask = true },
    sale_lost = LOST,
  }
end

-- Where companies are kept: in the store, or by a host of one's own; and where the store is.
local PLACES = {
  { "the embedded host", function(options) return asking.open(options) end },
  { "a host of one's own", function(options)
    options.host = asking.new_crm()
    return asking.open(options)
  end },
}
if not os.getenv "LEADCAT_SLOW" then
  PLACES[3] = { "a shared store", function(options)
    options.shared, options.durability = shared.database(), "primary"
    local time = { now = START }
    options.clock = function() return time.now end
    local engine = stores.open(options)
    engine._store.trusts_now = true
    engine.host:create_many({ "Acme", "Bolt" }, LEAD)
    return engine, time
  end }
end

for _, place in ipairs(PLACES) do
  describe("a question that nobody answers in time: " .. place[1], function()
    local engine, time

    local function start(on_expiry, options)
      engine, time = place[2](options or {})
      assert(engine:save(rules(on_expiry)))
    end

    teardown(databases.stop)
    after_each(function()
      engine:close()
      shared.close()
      stores.check()
    end)

    it("is accepted, when its rule says so", function()
      start "accept"
      local id, told = asking.ask(engine), {}
      engine:on("updated", function(event, outcome) told[#told + 1] = { event, outcome } end)
      assert.same({ "open", "accept" }, { engine:confirmation(id).state, engine:confirmation(id).on_expiry })
      time.now = START + TTL - 1
      assert.equal(0, assert(engine:maintain()).expired)
      assert.equal("open", engine:confirmation(id).state)
      time.now = START + TTL
      assert.equal(1, assert(engine:maintain()).expired)
      local record, entry = engine:confirmation(id), engine:history()[1]
      assert.same({ "accepted", true, CUSTOMER, nil },
        { record.state, record.by_expiry, record.category, record.resolved_by })
      assert.same({ "updated", true, id, LEAD, CUSTOMER, "sale_won", nil, { id = 17, name = "Printers" } }, {
        entry.status, entry.by_expiry, entry.confirmation, entry.from, entry.to, entry.rule, entry.actor, entry.sale,
      })
      assert.equal(CUSTOMER, engine.host.category "Acme")
      assert.same({ 1, entry.entry, true, "Acme" },
        { #told, told[1][2].entry, told[1][2].by_expiry, told[1][1].company })
      assert.same({ 0, 0 }, { assert(engine:maintain()).expired, #engine:confirmations { state = "open" } })
      assert.equal("updated", assert(engine:undo(entry.entry)).status)
      assert.equal(LEAD, engine.host.category "Acme")
    end)

    it("is declined, when its rule says so", function()
      start "decline"
      local id = asking.ask(engine)
      time.now = START + TTL
      assert.equal(1, assert(engine:maintain()).expired)
      local record, entry = engine:confirmation(id), engine:history()[1]
      assert.same({ "declined", true }, { record.state, record.by_expiry })
      assert.same({ "declined", true, id }, { entry.status, entry.by_expiry, entry.confirmation })
      assert.equal(LEAD, engine.host.category "Acme")
    end)

    it("expires without effect, where its rule says nothing, beside the others", function()
      start "accept"
      local mine, other = asking.ask(engine), asking.ask(engine, { trigger = "sale_registered", company = "Bolt" })
      time.now = START + TTL
      assert.same("expired", engine:confirmation(other).state) -- whoever looks closes it
      assert.same("open", engine:confirmation(mine).state) -- but does not set a category
      assert.equal(1, assert(engine:maintain()).expired)
      assert.same({ "accepted", "expired" }, { engine:confirmation(mine).state, engine:confirmation(other).state })
      assert.is_nil(engine:confirmation(other).by_expiry)
      assert.same({ CUSTOMER, LEAD }, { engine.host.category "Acme", engine.host.category "Bolt" })
    end)

    it("can be answered, or closed by a newer event, as long as that was not done", function()
      for _, on_expiry in ipairs { "accept", "decline" } do
        start(on_expiry)
        local answered, superseded = asking.ask(engine), asking.ask(engine, { company = "Bolt" })
        time.now = START + TTL + 1
        assert.equal("updated", assert(engine:resolve(answered, { category = PARTNER }, { actor = BOB })).status)
        assert.equal("updated", assert(engine:handle { trigger = "sale_lost", company = "Bolt" }).status)
        assert.equal(0, assert(engine:maintain()).expired)
        assert.same({ "changed", BOB, "superseded" }, {
          engine:confirmation(answered).state, engine:confirmation(answered).resolved_by,
          engine:confirmation(superseded).state,
        })
        assert.same({ PARTNER, LOST }, { engine.host.category "Acme", engine.host.category "Bolt" })
        local _, message, code = engine:resolve(answered, { accept = true }, { actor = BOB })
        assert.same({ "already_resolved", true }, { code, message:find("Bob", 1, true) ~= nil })
        if on_expiry == "accept" then
          engine:close()
        end
      end
    end)

    it("is a conflict when the company stands elsewhere by then", function()
      start "accept"
      local id = asking.ask(engine)
      assert.is_true(engine.host.set_category("Acme", PARTNER, LEAD))
      time.now = START + TTL
      assert.equal(1, assert(engine:maintain()).expired)
      assert.same({ "conflict", true }, { engine:confirmation(id).state, engine:confirmation(id).by_expiry })
      assert.equal(PARTNER, engine.host.category "Acme")
    end)

    it("expires, and says why, when its category is deleted", function()
      start "accept"
      local id = asking.ask(engine)
      local cfg = engine:config()
      for _, category in ipairs(cfg.categories) do
        category.deleted = category.id == CUSTOMER or nil
      end
      for _, rule in ipairs(cfg.rules) do
        rule.enabled = rule.trigger ~= "sale_won"
      end
      assert(engine:save(cfg))
      time.now = START + TTL
      assert.equal(1, assert(engine:maintain()).expired)
      local entry = engine:history()[1]
      assert.same({ "expired", "expired", "the user chose category 5, which is deleted" },
        { engine:confirmation(id).state, entry.status, entry.error })
      assert.equal(0, assert(engine:maintain()).expired)
    end)

    it("does what its rule said when it was asked", function()
      start "accept"
      local id = asking.ask(engine)
      assert(engine:save(rules(nil)))
      assert.equal("accept", engine:confirmation(id).on_expiry)
      time.now = START + TTL
      assert.equal(1, assert(engine:maintain()).expired)
      assert.equal("accepted", engine:confirmation(id).state)
    end)

    it("may be one of many", function()
      start "accept"
      local events, companies, left = {}, {}, 0
      for i = 1, 130 do
        companies[i] = "Many " .. i
        events[i] = { trigger = i % 2 == 0 and "sale_won" or "sale_registered", company = companies[i] }
      end
      if engine.host.create_many then
        engine.host:create_many(companies, LEAD)
      else
        for _, company in ipairs(companies) do
          engine.host.companies[company] = LEAD
        end
      end
      assert(engine:handle_many(events))
      time.now = START + TTL
      assert.equal(130, assert(engine:maintain()).expired)
      for i = 1, 130 do
        left = left + (engine.host.category("Many " .. i) == LEAD and 1 or 0)
      end
      assert.same({ 65, 65, 65 }, {
        left, engine:count_confirmations { state = "accepted" }, engine:count_confirmations { state = "expired" },
      })
    end)
  end)
end

describe("a question whose change is not made at once", function()
  local engine, time, host

  before_each(function()
    host = asking.new_crm()
    engine, time = asking.open { host = host }
    assert(engine:save(rules "accept"))
  end)
  after_each(function()
    engine:close()
    stores.check()
  end)

  it("is closed when the host has made it", function()
    local id = asking.ask(engine)
    time.now, host.well = START + TTL, false
    assert.equal(1, assert(engine:maintain()).expired)
    assert.same({ "open", "applying", true },
      { engine:confirmation(id).state, engine:history()[1].status, engine:history()[1].by_expiry })
    assert.equal(0, assert(engine:maintain()).expired) -- it waits for its next try
    host.well = true
    core.forward(3600)
    assert.equal(1, assert(engine:recover()).finished)
    assert.same({ "accepted", true }, { engine:confirmation(id).state, engine:confirmation(id).by_expiry })
    assert.same({ "Acme 1 -> 5" }, host.changes)
  end)

  it("expires when the host refuses it, and is not tried again", function()
    local id, calls = asking.ask(engine), 0
    function host.set_category()
      calls = calls + 1
      return nil, "not this one", "refused"
    end
    time.now = START + TTL
    assert.equal(1, assert(engine:maintain()).expired)
    assert.same({ "expired", "failed", "not this one" },
      { engine:confirmation(id).state, engine:history()[1].status, engine:history()[1].error })
    assert.equal(0, assert(engine:maintain()).expired)
    assert.equal(1, calls)
  end)

  it("stays open when the host refuses what a user has chosen before", function()
    local id, set = asking.ask(engine), host.set_category
    function host.set_category() return nil, "not this one", "refused" end
    assert.equal("failed", assert(engine:resolve(id, { category = PARTNER }, { actor = BOB })).status)
    assert.equal("open", engine:confirmation(id).state)
    host.set_category, time.now = set, START + TTL
    assert.equal(1, assert(engine:maintain()).expired)
    assert.equal("accepted", engine:confirmation(id).state)
  end)
end)

describe("a question with on_expiry", function()
  after_each(stores.check)

  it("is asked so by a rule that has waited, and by one that takes back", function()
    local engine, time = asking.open()
    local cfg = rules "accept"
    for _, rule in ipairs(cfg.rules) do
      rule.after = rule.trigger == "sale_won" and { hours = 1 } or nil
    end
    cfg.rules[#cfg.rules + 1] = { trigger = "sale_deleted", enabled = true, ask = true, take_back = true,
      on_expiry = "accept" }
    assert(engine:save(cfg))
    local sale = { id = 3 }
    assert.equal("scheduled", assert(engine:handle { trigger = "sale_won", company = "Acme", sale = sale }).status)
    time.now = START + 3600
    assert(engine:maintain())
    assert.equal("accept", engine:confirmations({ company = "Acme" })[1].on_expiry)
    time.now = time.now + TTL
    assert(engine:maintain())
    assert.equal(CUSTOMER, engine.host.category "Acme")
    local id = assert(engine:handle { trigger = "sale_deleted", company = "Acme", sale = sale }).confirmation
    time.now = time.now + TTL
    assert(engine:maintain())
    assert.same({ "accepted", LEAD }, { engine:confirmation(id).state, engine.host.category "Acme" })
    assert.is_true(engine:history()[1].takes_back)
    engine:close()
  end)

  it("says what happens without an answer, and what has happened, in every language", function()
    local engine, time = asking.open()
    for _, row in ipairs { { "accept", "accepted" }, { "decline", "declined" }, { "accept", "conflict" } } do
      assert(engine:save(rules(row[1])))
      local company = "C" .. time.now
      engine.host:create(company, LEAD)
      local id = asking.ask(engine, { company = company })
      local open, said = engine:confirmation(id), {}
      if row[2] == "conflict" then
        assert(engine.host.set_category(company, PARTNER, LEAD))
      end
      time.now = time.now + TTL
      assert(engine:maintain())
      local closed = engine:confirmation(id)
      assert.equal(row[2], closed.state)
      for _, language in ipairs(i18n.LANGUAGES) do
        local before = engine:view(open, { actor = { id = 1, language = language } })
        local after = engine:view(closed, { actor = { id = 1, language = language } })
        assert.truthy(before.expires:find(before.expires_time, 1, true))
        assert.truthy(before.expires:find(row[1] == "accept" and before.to.name or before.from.name, 1, true))
        assert.is_nil(said[before.expires] or said[after.closed])
        said[before.expires], said[after.closed] = true, true
        local why = assert(engine:why(company, { language = language }))
        assert.is_nil(why.newest.sentence:find("[{}]"))
      end
    end
    engine:close()
  end)

  it("is told to be expiring once, with what is done then", function()
    local engine, time = asking.open()
    assert(engine:save(rules "accept"))
    local sent = {}
    local mail = notifier.new({ name = "mail", events = { "question.expiring" } }, function(notice)
      sent[#sent + 1] = json.decode(notice.body)
      return true
    end)
    assert(mail:step(engine))
    local id = asking.ask(engine)
    for _, row in ipairs { { TTL - 3601, 0 }, { TTL - 3599, 1 }, { TTL - 1, 1 }, { TTL + 5, 1 } } do
      time.now = START + row[1]
      assert(mail:step(engine))
      assert.equal(row[2], #sent)
    end
    assert.same({ "question.expiring", id, "accept" },
      { sent[1].type, sent[1].data.confirmation.id, sent[1].data.confirmation.on_expiry })
    engine:close()
  end)

  it("teaches nothing: nobody has chosen", function()
    local engine, time = asking.open()
    assert(engine:save(rules "accept"))
    asking.ask(engine)
    assert(engine:resolve(asking.ask(engine, { company = "Bolt" }), { accept = true }, { actor = BOB }))
    time.now = START + TTL
    assert(engine:maintain())
    local found = assert(require "leadcat.insight.answers".read(engine, 0))
    assert.same({ 1, "Bolt" }, { #found.cases, found.cases[1].company })
    engine:close()
  end)
end)

describe("on_expiry of a rule", function()
  after_each(stores.check)

  it("is accept, decline, or nothing", function()
    local engine = asking.open()
    local cfg = rules "accept"
    assert.same({}, assert(engine:check(cfg)).problems or {})
    for _, bad in ipairs { "expire", "", 1, true } do
      local saved, message, code = engine:save(rules(bad))
      assert.same({ nil, "invalid" }, { saved, code })
      assert.matches("on_expiry must be one of accept, decline, but is ", message)
    end
    engine:close()
  end)

  it("is told where rules are told, in every language", function()
    for _, language in ipairs(i18n.LANGUAGES) do
      local strings, said = i18n.new {}, {}
      for _, row in ipairs { { nil, "accept" }, { "accept", "decline" }, { "decline", nil } } do
        local sentences = difference.sentences(rules(row[1]), rules(row[2]), strings, language)
        assert.equal(1, #sentences)
        assert.is_nil(said[sentences[1]])
        said[sentences[1]] = true
      end
    end
    local engine, _, path = asking.open()
    assert(engine:save(rules "decline"))
    assert.matches("Customer *asks first, else declines", (stores.leadcat("config", "show", "--path", path)))
    engine:close()
  end)

  it("is set on the settings page, and stays as it is where that is not sent", function()
    local site = web.new_site()
    assert(site.engine:save(rules(nil)))
    local function page() return web.ask(site, "GET", "/leadcat/settings", { as = "ann" }).body end
    local function send(fields)
      fields.revision, fields["do"] = ("%d"):format(site.engine:config().revision), "save"
      fields["rule.sale_won.enabled"], fields["rule.sale_won.ask"] = "on", "on"
      fields["rule.sale_won.set_category"] = "5"
      local answer = web.ask(site, "POST", "/leadcat/settings", { as = "ann", form = fields })
      assert.equal(303, answer.status)
      for _, rule in ipairs(site.engine:config().rules) do
        if rule.trigger == "sale_won" then
          return rule.on_expiry
        end
      end
    end
    web.contains(page(), 'name="rule.sale_won.1.on_expiry"')
    web.lacks(page(), "Without an answer in time")
    local folded = { ["rule.sale_won.1.of"] = "sale_won", ["rule.sale_won.1.when"] = "1" }
    local function with(value)
      local fields = { ["rule.sale_won.1.on_expiry"] = value }
      for name, one in pairs(folded) do
        fields[name] = one
      end
      return fields
    end
    assert.equal("accept", send(with "accept"))
    web.contains(page(), "Without an answer in time, the category is set.")
    assert.equal("accept", send {})
    assert.equal("decline", send(with "decline"))
    assert.is_nil(send(with ""))
    assert.is_nil(send(with "nonsense"))
    site.engine:close()
  end)

  it("is in what HTTP tells of the question, and of its end", function()
    local site = web.new_site()
    assert(site.engine:save(stores.config { sale_registered = { CUSTOMER, ask = true, on_expiry = "accept" } }))
    local id, company = web.question(site)
    local _, record = web.call(site, "GET", "/leadcat/api/confirmations/" .. id, { as = "ann" })
    assert.equal("accept", record.on_expiry)
    web.contains(web.ask(site, "GET", "/leadcat/confirmations/" .. id, { as = "ann" }).body, "If no one answers before")
    site.now = site.now + TTL
    assert(site.engine:maintain())
    _, record = web.call(site, "GET", "/leadcat/api/confirmations/" .. id, { as = "ann" })
    assert.same({ "accepted", true }, { record.state, record.by_expiry })
    web.contains(web.ask(site, "GET", "/leadcat/confirmations/" .. id, { as = "ann" }).body, "No one answered in time")
    web.contains(web.ask(site, "GET", "/leadcat/history", { as = "ann" }).body, "No one answered in time")
    assert.equal(CUSTOMER, web.category_of(site, company))
    site.engine:close()
  end)

  it("is done by the leadcat command, too", function()
    local engine, time, path = asking.open()
    assert(engine:save(rules "accept"))
    time.now = os.time() - TTL - 10
    asking.ask(engine)
    engine:close()
    local output = stores.leadcat("maintain", "--path", path)
    assert.matches("1", output)
    assert.matches("updated %(no answer%)", (stores.leadcat("history", "--path", path)))
  end)
end)
