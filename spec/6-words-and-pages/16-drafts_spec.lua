--- Drafts of the rules, four eyes, and what becomes active at a time: the engine's methods and the pages.

local config = require "leadcat.rules.config"
local forms = require "support.forms"
local json = require "leadcat.util.json"
local stores = require "support.stores"
local web = require "support.web"

local LEAD, CUSTOMER, PARTNER, LOST = 1, 5, 6, 7 -- the preset's categories
local ANN, LIV, BOB = web.ACTORS.ann, web.ACTORS.liv, web.ACTORS.bob
local ask, contains, is_page, lacks, text_of = web.ask, web.contains, web.is_page, web.lacks, web.text_of

local function code_of(_, _, code)
  return code
end

-- The config in force with another target for won sales.
local function with_target(engine, target, trigger)
  local cfg = engine:config()
  for _, rule in ipairs(cfg.rules) do
    if rule.trigger == (trigger or "sale_won") then
      rule.set_category = target
    end
  end
  return cfg
end

local function target_of(engine, trigger)
  return (select(2, engine:decide(trigger or "sale_won", LEAD)))
end

describe("a draft", function()
  local site, engine
  before_each(function()
    site = web.new_site()
    engine = site.engine
  end)
  after_each(function()
    engine:close()
    stores.check()
  end)

  it("changes nothing, and says what it would have done with the newest events", function()
    for i = 1, 3 do
      engine:handle { trigger = i < 3 and "sale_won" or "sale_lost", company = web.new_company(site) }
    end
    local draft = assert(engine:save_draft(with_target(engine, PARTNER), { actor = ANN, note = "Try it" }))
    assert.same({ events = 3, companies = 3, moved = 2 }, draft.effect)
    assert.same({ 1, "ann", "Try it", site.now }, { draft.base, draft.actor.id, draft.note, draft.at })
    assert.is_nil(draft.config or draft.key or draft.json)
    assert.same({ CUSTOMER, 1 }, { target_of(engine), engine:config().revision })
    assert.same({ draft }, engine:drafts())
    local found, foreseen = engine:draft(draft.id)
    assert.equal(PARTNER, config.rule_of(found.config, "sale_won").set_category)
    assert.equal(PARTNER, config.rule_of(foreseen.config, "sale_won").set_category)
    assert.same({}, foreseen.conflicts)
  end)

  it("becomes a revision that says who wrote and who approved it, and is gone", function()
    local draft = assert(engine:save_draft(with_target(engine, PARTNER), { actor = ANN }))
    site.now = site.now + 60
    local approved = assert(engine:approve(draft.id, { actor = LIV }))
    assert.same({ 2, PARTNER, 0 }, { approved.revision, target_of(engine), #engine:drafts() })
    local revision = engine:revisions()[1]
    assert.same({ "ann", "liv", site.now, site.now }, {
      revision.actor.id, revision.approved_by.id, revision.at, revision.approved_at,
    })
    contains(is_page(ask(site, "GET", "/leadcat/history/revisions/2", { as = "ann" })).body, "Approved by")
    assert.equal("not_found", code_of(engine:approve(draft.id, { actor = LIV })))
  end)

  it("keeps what others have saved since, and is refused where that contradicts it", function()
    local first = assert(engine:save_draft(with_target(engine, PARTNER), { actor = ANN }))
    local second = assert(engine:save_draft(with_target(engine, LOST), { actor = LIV }))
    assert(engine:save(with_target(engine, PARTNER, "sale_lost"), { actor = ANN }))
    assert.equal(3, assert(engine:approve(first.id, { actor = ANN })).revision)
    assert.same({ PARTNER, PARTNER }, { target_of(engine), target_of(engine, "sale_lost") })
    local _, message, code = engine:approve(second.id, { actor = ANN })
    assert.same({ "conflict", "others have changed the same since: rules.sale_won.set_category" }, { code, message })
    assert.same({ "rules.sale_won.set_category" }, (select(2, engine:draft(second.id))).conflicts)
    assert.same({ 3, 1 }, { engine:config().revision, #engine:drafts() })
    local same = assert(engine:save_draft(engine:config(), { actor = ANN }))
    assert.equal(3, engine:approve(same.id, { actor = ANN }).revision) -- nothing is saved that is there already
    assert.equal(3, engine:config().revision)
  end)

  it("has new rules of its own beside those of others", function()
    local function with_rule(name, id)
      local cfg = engine:config()
      table.insert(cfg.rules, 1, { id = id or 7, trigger = "sale_won", name = { en = name }, enabled = true,
        set_category = PARTNER, when = { { { field = "sale.amount", is = "above", value = #name } } } })
      return cfg
    end
    local draft = assert(engine:save_draft(with_rule "mine"))
    assert(engine:save(with_rule "of others"))
    assert(engine:approve(draft.id))
    local names = {}
    for _, rule in ipairs(engine:config().rules) do
      names[rule.id or 0] = rule.name and rule.name.en
    end
    assert.same({ "of others", "mine" }, { names[7], names[8] })
    draft = assert(engine:save_draft(with_rule("the last", config.MAX_ID)))
    assert(engine:save(with_rule("the last, too", config.MAX_ID)))
    assert(engine:approve(draft.id)) -- there is no id above
    local cfg = engine:config()
    local new = { id = 99, name = { en = "Mine" }, group = "other", rank = 99, lead_status = false, deleted = false }
    cfg.categories[#cfg.categories + 1] = new
    draft = assert(engine:save_draft(cfg))
    new.name = { en = "Theirs" }
    assert(engine:save(cfg))
    assert.equal("conflict", code_of(engine:approve(draft.id)))
  end)

  it("is for who may: configure writes and discards, approve approves", function()
    local function host(actor, permission)
      return actor.id == "ann" and permission == "configure" or actor.id == "liv" and permission == "approve"
    end
    engine:close()
    local own = web.new_host()
    own.can = host
    site = web.new_site { host = own }
    engine = site.engine
    local draft = assert(engine:save_draft(with_target(engine, PARTNER), { actor = ANN }))
    assert.equal("forbidden", code_of(engine:save_draft(engine:config(), { actor = LIV })))
    assert.equal("forbidden", code_of(engine:approve(draft.id, { actor = ANN })))
    assert.equal("forbidden", code_of(engine:discard(draft.id, { actor = LIV })))
    assert.equal("forbidden", code_of(engine:approve(draft.id, { actor = BOB })))
    assert.equal(2, engine:approve(draft.id, { actor = LIV }).revision)
    assert.equal(200, ask(site, "GET", "/leadcat/drafts", { as = "liv" }).status)
    assert.equal(403, ask(site, "GET", "/leadcat/drafts", { as = "bob" }).status)
  end)

  it("is refused with errors, and beyond 20", function()
    local cfg = with_target(engine, 4711)
    local _, message, code, problems = engine:save_draft(cfg, { actor = ANN })
    assert.same({ "invalid", true }, { code, problems[1] ~= nil })
    assert.matches("^the config is refused", message)
    assert.equal("not_found", code_of(engine:save_draft(engine:config(), { revision = 99 })))
    for _ = 1, 20 do
      assert(engine:save_draft(engine:config()))
    end
    assert.equal("full", code_of(engine:save_draft(engine:config())))
    assert.is_true(engine:discard(engine:drafts()[1].id))
    assert(engine:save_draft(engine:config()))
    assert.equal("not_found", code_of(engine:discard(1)))
  end)

  it("is saved once, whoever is killed between saving and removing it", function()
    local draft = assert(engine:save_draft(with_target(engine, PARTNER), { actor = ANN }))
    local store = engine._store
    local engine_store = setmetatable({ put_draft = function() return nil, "killed", "io" end }, {
      __index = function(_, name)
        return function(_, ...) return store[name](store, ...) end
      end,
    })
    local killed = setmetatable({ _store = engine_store }, { __index = engine })
    assert.equal("io", code_of(killed:approve(draft.id, { actor = ANN })))
    assert.same({ 2, 1 }, { engine:config().revision, #engine:drafts() })
    assert.equal(2, engine:approve(draft.id, { actor = ANN }).revision)
    assert.same({ 2, 0 }, { engine:config().revision, #engine:drafts() })
  end)

  it("forgets who wrote and approved it, and keeps the rules", function()
    local cfg = with_target(engine, PARTNER)
    cfg.rules[1].name = { en = "Rule of Ann" }
    local draft = assert(engine:save_draft(cfg, { actor = ANN, note = "Ann says so" }))
    assert(engine:approve(draft.id, { actor = LIV, at = site.now + 60 }))
    assert(engine:forget { actor = "ann" })
    local kept = engine:draft(draft.id)
    assert.same({ {}, "liv", nil, "Rule of Ann" }, {
      json.decode(json.encode(kept.actor)), kept.approved_by.id, kept.note, kept.config.rules[1].name.en,
    })
    assert(engine:forget { actor = "liv" })
    site.now = site.now + 60
    assert.equal(1, engine:maintain().carried_out)
    assert.is_nil(engine:revisions()[1].approved_by.id)
  end)
end)

describe("a draft that was approved for a time", function()
  local site, engine
  before_each(function()
    site = web.new_site()
    engine = site.engine
  end)
  after_each(function()
    engine:close()
    stores.check()
  end)

  it("becomes active when maintain comes by then, also after the store was opened anew", function()
    local draft = assert(engine:save_draft(with_target(engine, PARTNER), { actor = ANN }))
    local waiting = assert(engine:approve(draft.id, { actor = LIV, at = site.now + 100 }))
    assert.same({ site.now + 100, "liv" }, { waiting.due, waiting.approved_by.id })
    assert.equal(0, engine:maintain().carried_out)
    assert.equal(CUSTOMER, target_of(engine))
    engine:close()
    engine = stores.open { path = site.path, clock = function() return site.now end }
    site.now = site.now + 100
    assert.equal(1, engine:maintain().carried_out)
    assert.same({ PARTNER, 0 }, { target_of(engine), #engine:drafts() })
    assert.same({ "ann", "liv" }, { engine:revisions()[1].actor.id, engine:revisions()[1].approved_by.id })
    assert.equal(0, engine:maintain().carried_out)
  end)

  it("of another tenant, too", function()
    local other = engine:tenant "other"
    assert(other:save(stores.config { sale_won = CUSTOMER }))
    local draft = assert(other:save_draft(with_target(other, LOST), { actor = ANN }))
    assert(other:approve(draft.id, { at = site.now + 1 }))
    site.now = site.now + 1
    assert.equal(1, engine:maintain().carried_out)
    assert.same({ LOST, CUSTOMER }, { target_of(other), target_of(engine) })
  end)

  it("stays, says why, and waits for another approval where it cannot", function()
    local draft = assert(engine:save_draft(with_target(engine, PARTNER), { actor = ANN }))
    assert(engine:approve(draft.id, { actor = LIV, at = site.now + 100 }))
    assert(engine:save(with_target(engine, LOST)))
    site.now = site.now + 100
    assert.equal(1, engine:maintain().dropped)
    local kept = engine:drafts()[1]
    assert.matches("others have changed the same since", kept.problem)
    assert.is_nil(kept.due or kept.approved_by)
    assert.same({ LOST, 0 }, { target_of(engine), engine:maintain().dropped })
    contains(is_page(ask(site, "GET", "/leadcat/drafts", { as = "ann" })).body, text_of(site, "drafts.failed"))
  end)

  it("can be discarded, and approved at once instead", function()
    local draft = assert(engine:save_draft(with_target(engine, PARTNER), { actor = ANN }))
    assert(engine:approve(draft.id, { actor = LIV, at = site.now + 100 }))
    assert.equal(2, engine:approve(draft.id, { actor = ANN }).revision)
    draft = assert(engine:save_draft(with_target(engine, LOST), { actor = ANN }))
    assert(engine:approve(draft.id, { actor = LIV, at = site.now + 100 }))
    assert.is_true(engine:discard(draft.id, { actor = ANN }))
    site.now = site.now + 100
    assert.equal(0, engine:maintain().carried_out)
    assert.equal(PARTNER, target_of(engine))
  end)
end)

describe("with four eyes", function()
  local site, engine
  before_each(function()
    site = web.new_site { four_eyes = true }
    engine = site.engine
  end)
  after_each(function()
    engine:close()
    stores.check()
  end)

  it("what an actor saves is a draft that another one has to approve", function()
    local _, message, code, draft = engine:save(with_target(engine, PARTNER), { actor = ANN })
    assert.equal("approval", code)
    assert.matches("another administrator has to approve it", message)
    assert.same({ 1, draft.id }, { engine:config().revision, engine:drafts()[1].id })
    assert.equal("forbidden", code_of(engine:approve(draft.id, { actor = ANN })))
    assert.equal("forbidden", code_of(engine:approve(draft.id, { actor = { admin = true } })))
    assert.equal("forbidden", code_of(engine:approve(draft.id, { actor = BOB })))
    assert.equal(2, engine:approve(draft.id, { actor = LIV }).revision)
    _, _, code, draft = engine:revert(1, { actor = ANN })
    assert.same({ "approval", 1 }, { code, draft.reverted })
    engine:approve(draft.id, { actor = LIV })
    assert.same({ 1, CUSTOMER }, { engine:revisions()[1].reverted, target_of(engine) })
    assert.equal("invalid", code_of(engine:save(with_target(engine, 4711), { actor = ANN })))
    assert.equal(4, engine:save(with_target(engine, LOST))) -- the program itself
  end)

  it("the pages lead there", function()
    local page = is_page(ask(site, "GET", "/leadcat/settings", { as = "ann" })).body
    local fields = forms.fields(page)
    fields["rule.sale_won.set_category"], fields["do"] = tostring(PARTNER), "save"
    local answer = ask(site, "POST", "/leadcat/settings", { as = "ann", form = fields })
    local id = answer.headers.Location:match "^/leadcat/settings%?drafted=(%d+)$"
    contains(is_page(ask(site, "GET", "/leadcat/settings?drafted=" .. id, { as = "ann" })).body,
      text_of(site, "drafts.saved"))
    page = is_page(ask(site, "GET", "/leadcat/drafts/" .. id, { as = "ann" })).body
    contains(page, text_of(site, "drafts.needs_another"))
    lacks(page, text_of(site, "drafts.approve"))
    assert.equal(403, ask(site, "POST", "/leadcat/drafts/" .. id, { as = "ann", form = { action = "approve" } }).status)
    page = is_page(ask(site, "GET", "/leadcat/drafts/" .. id, { as = "liv" })).body
    contains(page, 'value="approve"')
    answer = ask(site, "POST", "/leadcat/drafts/" .. id, { as = "liv", form = { action = "approve" } })
    assert.equal("/leadcat/settings?saved=2", answer.headers.Location)
    assert.equal(PARTNER, target_of(engine))
    answer = ask(site, "POST", "/leadcat/versions/1", { as = "ann", form = { newest = "2" } })
    assert.matches("^/leadcat/settings%?drafted=", answer.headers.Location)
  end)
end)

describe("the pages of drafts", function()
  local site, engine
  before_each(function()
    site = web.new_site()
    engine = site.engine
  end)
  after_each(function()
    engine:close()
    stores.check()
  end)

  local function get(path, who)
    return is_page(ask(site, "GET", "/leadcat" .. path, { as = who or "ann" })).body
  end

  local function post(path, form)
    return ask(site, "POST", "/leadcat" .. path, { as = "ann", form = form })
  end

  it("has what the settings have saved as one, to be looked at, edited, approved and discarded", function()
    engine:handle { trigger = "sale_won", company = web.new_company(site) }
    lacks(get "/settings", "/leadcat/drafts")
    local fields = forms.fields(get "/settings")
    fields["rule.sale_won.set_category"], fields["do"] = tostring(PARTNER), "draft"
    local id = post("/settings", fields).headers.Location:match "drafted=(%d+)$"
    assert.equal(CUSTOMER, target_of(engine))
    contains(get "/settings", 'href="/leadcat/drafts"')
    contains(get "/drafts", "1")
    local page = get("/drafts/" .. id)
    contains(page, "Partner")
    contains(page, "With the last")
    contains(page, 'href="/leadcat/drafts"')
    contains(page, 'href="/leadcat/settings?draft=' .. id)
    local form = forms.fields(get("/settings?draft=" .. id))
    assert.same({ tostring(PARTNER), "1" }, { form["rule.sale_won.set_category"], form.revision })
    for _, at in ipairs { "nonsense", "2001-01-01T06:00", "", "9999-12-31T23:59" } do
      local answer = post("/drafts/" .. id, { action = "approve", when = "later", at = at, zone = "-840" })
      assert.equal(422, answer.status)
      contains(answer.body, text_of(site, "drafts.no_time"))
    end
    local answer = post("/drafts/" .. id, { action = "approve", when = "later", at = "2036-01-01T06:00" })
    assert.equal("/leadcat/drafts?scheduled=" .. id, answer.headers.Location)
    contains(get("/drafts?scheduled=" .. id), "It takes effect on")
    assert.equal(2082780000, engine:drafts()[1].due)
    for zone, seconds in pairs { ["120"] = -7200, ["-330"] = 19800, ["900"] = 0, ["x"] = 0 } do
      fields["do"] = "draft"
      local other = post("/settings", fields).headers.Location:match "drafted=(%d+)$"
      post("/drafts/" .. other, { action = "approve", when = "later", at = "2036-01-01T06:00", zone = zone })
      assert.equal(2082780000 + seconds, engine:draft(tonumber(other)).due)
      post("/drafts/" .. other, { action = "discard" })
    end
    assert.equal("/leadcat/drafts?discarded=true", post("/drafts/" .. id, { action = "discard" }).headers.Location)
    assert.equal("/leadcat/drafts?gone=true", post("/drafts/" .. id, { action = "discard" }).headers.Location)
    contains(get "/drafts?gone=true", text_of(site, "drafts.none"))
    assert.equal(404, ask(site, "GET", "/leadcat/drafts/" .. id, { as = "ann" }).status)
    for _, none in ipairs { "/drafts/x", "/drafts/9007199254740993", "/api/drafts/9007199254740993" } do
      assert.equal(404, ask(site, "GET", "/leadcat" .. none, { as = "ann" }).status)
    end
    get "/settings?draft=9007199254740993" -- likewise none
    contains(get("/settings?draft=" .. id), "leadcat-settings") -- the form with what is in force
  end)

  it("says what others have changed the same, and that it is refused", function()
    local draft = assert(engine:save_draft(with_target(engine, PARTNER), { actor = LIV }))
    assert(engine:save(with_target(engine, LOST)))
    local path = ("/drafts/%d"):format(draft.id)
    local page = get(path)
    contains(page, text_of(site, "drafts.conflict"))
    contains(page, text_of(site, "drafts.others"))
    lacks(page, 'value="approve"')
    local answer = post(path, { action = "approve" })
    assert.equal(409, answer.status)
    contains(answer.body, text_of(site, "drafts.refused"))
    assert.equal(404, post(path, { action = "burn" }).status)
  end)

  it("says what cannot be saved as one", function()
    for _ = 1, 20 do
      assert(engine:save_draft(engine:config()))
    end
    local fields = forms.fields(get "/settings")
    fields["rule.sale_won.set_category"], fields["do"] = tostring(PARTNER), "draft"
    local answer = post("/settings", fields)
    assert.equal(507, answer.status)
    contains(answer.body, text_of(site, "drafts.too_many"))
    fields["rule.sale_won.set_category"] = "0"
    assert.equal(422, post("/settings", fields).status)
  end)
end)
