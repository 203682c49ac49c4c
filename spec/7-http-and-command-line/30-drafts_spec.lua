--- Drafts of the config over HTTP and on the command line.

local json = require "leadcat.util.json"
local stores = require "support.stores"
local web = require "support.web"

local CUSTOMER, PARTNER, LOST = 5, 6, 7 -- the preset's categories
local ask = web.ask

local function with_target(cfg, target)
  for _, rule in ipairs(cfg.rules) do
    rule.set_category = rule.trigger == "sale_won" and target or rule.set_category
  end
  return cfg
end

describe("drafts over HTTP", function()
  local site
  before_each(function() site = web.new_site() end)
  after_each(function()
    site.engine:close()
    stores.check()
  end)

  local function post(path, value, who)
    return ask(site, "POST", "/leadcat/api/drafts" .. path, { as = who or "ann", json = value })
  end

  local function get(path, who)
    return ask(site, "GET", "/leadcat/api/drafts" .. path, { as = who or "ann" })
  end

  it("are written, listed, shown beside what is in force, and approved", function()
    site.engine:handle { trigger = "sale_won", company = web.new_company(site) }
    local answer = post("", { config = with_target(site.engine:config(), PARTNER), note = "why" })
    assert.equal(200, answer.status)
    local draft = json.decode(answer.body)
    assert.same({ 1, "ann", "why", { events = 1, companies = 1, moved = 1 } }, {
      draft.base, draft.actor.id, draft.note, draft.effect,
    })
    assert.same({ draft }, json.decode(get("").body))
    local view = json.decode(get(("/%d"):format(draft.id)).body)
    assert.same({ {}, {}, 1 }, { view.conflicts, view.others, #view.changes })
    assert.matches("Partner", view.changes[1])
    answer = post(("/%d/approve"):format(draft.id), { at = site.now + 60 }, "liv")
    assert.equal(site.now + 60, json.decode(answer.body).due)
    answer = post(("/%d/approve"):format(draft.id), nil, "liv")
    assert.same({ 200, 2 }, { answer.status, json.decode(answer.body).revision })
    assert.equal("liv", site.engine:revisions()[1].approved_by.id)
    assert.equal("[]", get("").body)
    assert.equal(404, get(("/%d"):format(draft.id)).status)
  end)

  it("are refused where they contradict what others have saved, or have errors", function()
    local draft = json.decode(post("", { config = with_target(site.engine:config(), PARTNER) }).body)
    assert(site.engine:save(with_target(site.engine:config(), LOST)))
    local view = json.decode(get(("/%d"):format(draft.id)).body)
    assert.same({ "rules.sale_won.set_category" }, view.conflicts)
    assert.equal(1, #view.others)
    local answer = post(("/%d/approve"):format(draft.id), {})
    assert.equal(409, answer.status)
    assert.matches("rules.sale_won.set_category", json.decode(answer.body).detail)
    assert.same({ discarded = draft.id }, json.decode(post(("/%d/discard"):format(draft.id)).body))
    assert.equal(404, post(("/%d/discard"):format(draft.id), {}).status)
    answer = post("", { config = with_target(site.engine:config(), 4711) })
    assert.same({ 422, true }, { answer.status, json.decode(answer.body).problems[1] ~= nil })
    for _, body in ipairs { { config = 7 }, {}, { config = { revision = -1 } }, { config = {}, note = 7 } } do
      assert.equal(422, post("", body).status)
    end
    assert.equal(422, post("/5/approve", { at = "soon" }).status)
    assert.equal(404, post("/x/approve", {}).status)
  end)

  it("are for who may change the rules or approve", function()
    local draft = assert(site.engine:save_draft(site.engine:config()))
    for _, path in ipairs { "", ("/%d"):format(draft.id) } do
      assert.equal(403, get(path, "bob").status)
    end
    for _, path in ipairs { "", ("/%d/approve"):format(draft.id), ("/%d/discard"):format(draft.id) } do
      assert.equal(403, post(path, { config = {} }, "bob").status)
    end
    assert.equal(1, #site.engine:drafts())
  end)

  it("are what four eyes make of what is saved", function()
    site.engine:close()
    site = web.new_site { four_eyes = true }
    local cfg = with_target(site.engine:config(), PARTNER)
    local answer = ask(site, "PUT", "/leadcat/api/config", {
      as = "ann", json = cfg, headers = { ["if-match"] = '"1"' },
    })
    assert.equal(202, answer.status)
    local id = json.decode(answer.body).draft.id
    assert.equal(403, post(("/%d/approve"):format(id), {}).status)
    assert.equal(2, json.decode(post(("/%d/approve"):format(id), {}, "liv").body).revision)
  end)
end)

describe("leadcat draft", function()
  after_each(stores.check)

  it("saves, lists, shows, approves and discards drafts", function()
    local engine, path = stores.open { durability = "relaxed" }
    assert(engine:save(stores.config { sale_won = CUSTOMER }))
    assert(engine.host:create("Acme", 1))
    assert(engine:handle { trigger = "sale_won", company = "Acme" })
    local file = stores.file(json.encode(with_target(engine:config(), PARTNER)), ".json")
    engine:close()
    local function draft(command, ...)
      return stores.leadcat("draft", command, "--path", path, ...)
    end

    assert.equal("no drafts\n", (draft "list"))
    local output, errors, status = draft("save", file, "--note", "Try it")
    assert.same({ "", 0 }, { errors, status })
    local id = output:match "^draft (%d+) would move 1 of 1 companies %(1 events%)\n$"
    assert.matches("\n" .. id .. " ", (draft "list"))
    assert.equal("Try it", json.decode((draft("list", "--json")))[1].note)
    assert.matches("%- .*Partner", (draft("show", id)))
    output, errors, status = draft("approve", id, "--at", "2036-01-01 06:00")
    assert.same({ "", 0 }, { errors, status })
    assert.matches("becomes active on 2036%-01%-01 06:00", output)
    assert.equal(2082780000, json.decode((draft("show", id, "--json"))).due)
    errors, status = select(2, draft("approve", id, "--at", "soon"))
    assert.same({ true, 2 }, { errors:find("a time in UTC", 1, true) ~= nil, status })
    assert.matches("is revision 2 now\n$", (draft("approve", id)))
    output = draft("save", file)
    id = output:match "^draft (%d+) "
    assert.matches("is discarded\n$", (draft("discard", id)))
    errors, status = select(2, draft("discard", id))
    assert.same({ "leadcat: there is no draft " .. id .. "\n", 1 }, { errors, status })
  end)
end)
