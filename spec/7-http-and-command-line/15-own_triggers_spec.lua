-- The integrator's own triggers from outside: over HTTP, on the settings tab and the history page, and on the command line.

local forms = require "support.forms"
local json = require "leadcat.util.json"
local leadcat = require "leadcat"
local stores = require "support.stores"
local web = require "support.web"

local LEAD, CUSTOMER, LOST = 1, 5, 7 -- the preset's categories
local call, ask, contains, lacks = web.call, web.ask, web.contains, web.lacks
local EXPIRED = { trigger = "contract_expired", name = { en = "Contract <expired>", de = "Vertrag abgelaufen" } }
local BACK = {
  trigger = "contract_expired", enabled = true, set_category = LOST, from = { groups = { "customer" } },
}

-- A site whose store knows two triggers, with these rules.
local function site_with(...)
  local site = web.new_site { triggers = { EXPIRED, { trigger = "trial_ended" } } }
  local cfg = leadcat.preset "superoffice"
  cfg.rules = { ... }
  assert(site.engine:save(cfg))
  return site
end

-- The card of a trigger on the settings tab.
local function card_of(page, trigger)
  local from = assert(page:find('data-leadcat-rule="' .. trigger .. '"', 1, true))
  return page:sub(from, page:find("data-leadcat-rule=", from + 1, true))
end

describe("over HTTP", function()
  after_each(stores.check)

  it("all triggers are listed, with their names", function()
    local site = site_with()
    local status, list = call(site, "GET", "/leadcat/api/triggers", { as = "bob" })
    assert.equal(200, status)
    assert.same({ "sale_registered", false, "Sale registered" }, { list[1].trigger, list[1].own, list[1].name.en })
    assert.same({ trigger = "contract_expired", own = true, name = EXPIRED.name }, list[#list - 1])
    assert.same({ trigger = "trial_ended", own = true, name = "trial_ended" }, list[#list])
    assert.equal(401, (call(site, "GET", "/leadcat/api/triggers")))
    site.engine:close()
  end)

  it("events may have them, and no others", function()
    local site = site_with(BACK)
    local company = "Acme"
    site.engine.host:create(company, CUSTOMER)
    local status, outcome = call(site, "POST", "/leadcat/api/events", {
      as = "hook", json = { trigger = "contract_expired", company = company, sale = { name = "Printers" } },
    })
    assert.same({ 200, "updated", "contract_expired" }, { status, outcome.status, outcome.rule })
    status, outcome = call(site, "POST", "/leadcat/api/events", {
      as = "hook", json = { { trigger = "trial_ended", company = company }, { trigger = "paid", company = company } },
    })
    assert.equal(422, status)
    assert.matches("events%[2%]: trigger must be one of sale_registered, .*, contract_expired, trial_ended, not 'paid'",
      outcome.error)
    local unknown = { as = "bob", json = { trigger = "paid", company = 1 } }
    status, outcome = call(site, "POST", "/leadcat/api/propose", unknown)
    assert.same({ 422, "invalid" }, { status, outcome.code })
    site.engine:close()
  end)

  it("the history is filtered by them", function()
    local site = site_with(BACK, { trigger = "sale_won", enabled = true, set_category = CUSTOMER })
    local _, company = web.change(site)
    assert.equal("updated", site.engine:handle({ trigger = "contract_expired", company = company }).status)
    local _, found = call(site, "GET", "/leadcat/api/history?trigger=contract_expired", { as = "ann" })
    assert.same({ 1, "contract_expired" }, { #found, found[1].trigger })
    assert.equal(422, (call(site, "GET", "/leadcat/api/history?trigger=paid", { as = "ann" })))
    local reader = { as = "ann", accept = "text/html" }
    local page = ask(site, "GET", "/leadcat/history?trigger=contract_expired", reader).body
    assert.matches('<option [^>]*value="contract_expired"[^>]*>Contract &lt;expired&gt;</option>', page)
    assert.matches('<option value="trial_ended">trial_ended</option>', page)
    contains(page, "Contract &lt;expired&gt;")
    lacks(page, "<expired>")
    contains(ask(site, "GET", "/leadcat/api/explain?company=" .. company, { as = "ann" }).body, "contract_expired")
    site.engine:close()
  end)

  it("a config with one that nobody has declared is saved, and warned of", function()
    local site = site_with()
    local cfg, tag = web.config_json(site)
    cfg.rules = { { trigger = "paid", enabled = true, set_category = CUSTOMER } }
    local sent = { as = "ann", json = cfg, headers = { ["if-match"] = tag } }
    assert.equal(200, (call(site, "PUT", "/leadcat/api/config", sent)))
    local page = ask(site, "GET", "/leadcat/settings", { as = "ann", accept = "text/html" }).body
    contains(page, web.text_of(site, "settings.problem.unknown_trigger"))
    site.engine:close()
  end)
end)

describe("on the settings tab", function()
  after_each(stores.check)

  local function page_of(site)
    return ask(site, "GET", "/leadcat/settings", { as = "ann", accept = "text/html" }).body
  end

  it("there is no card without such a trigger", function()
    local site = web.new_site()
    local page = page_of(site)
    local count = select(2, page:gsub("data%-leadcat%-rule=", ""))
    assert.equal(4, count)
    site.engine:close()
  end)

  it("each declared trigger has a card, and each that only a rule names", function()
    local site = site_with({ trigger = "paid", set_category = CUSTOMER })
    local page = page_of(site)
    for _, trigger in ipairs { "contract_expired", "trial_ended", "paid" } do
      contains(page, ('data-leadcat-rule="%s"'):format(trigger))
      contains(page, ('name="rule.%s.set_category"'):format(trigger))
    end
    contains(page, "Update category on this event: ")
    contains(page, "Contract &lt;expired&gt;")
    local norsk = ask(site, "GET", "/leadcat/settings", { as = "liv", accept = "text/html" }).body
    contains(norsk, "Oppdater kategori ved denne hendelsen: ")
    site.engine:close()
  end)

  it("its form switches the rule on, keeps what the page does not show, and switches it off", function()
    local site = site_with()
    local fields = forms.fields(page_of(site))
    fields["rule.contract_expired.enabled"], fields["rule.contract_expired.ask"] = "on", "on"
    fields["rule.contract_expired.set_category"], fields["do"] = ("%d"):format(CUSTOMER), "save"
    fields["rule.never_declared.enabled"], fields["rule.never_declared.set_category"] = "on", "5" -- from no card
    assert.equal(303, ask(site, "POST", "/leadcat/settings", { as = "ann", form = fields }).status)
    local rules = site.engine:config().rules
    assert.same({ { trigger = "contract_expired", enabled = true, ask = true, set_category = CUSTOMER } }, rules)
    assert.same({ "confirm", CUSTOMER, "matched" }, { site.engine:decide("contract_expired", LEAD) })
    fields = forms.fields(page_of(site))
    assert.equal("on", fields["rule.contract_expired.enabled"])
    fields["rule.contract_expired.enabled"], fields["do"] = nil, "save"
    assert.equal(303, ask(site, "POST", "/leadcat/settings", { as = "ann", form = fields }).status)
    assert.is_false(site.engine:config().rules[1].enabled)
    site.engine:close()
  end)

  it("it says what is wrong beside the card", function()
    local site = site_with()
    local fields = forms.fields(page_of(site))
    fields["rule.contract_expired.enabled"], fields["do"] = "on", "save"
    local answer = ask(site, "POST", "/leadcat/settings", { as = "ann", form = fields })
    assert.equal(422, answer.status)
    contains(card_of(answer.body, "contract_expired"), web.text_of(site, "settings.problem.category_required"))
    site.engine:close()
  end)

  it("what is typed is tried on the events of the past", function()
    local site = site_with(BACK)
    local company = "Acme"
    site.engine.host:create(company, CUSTOMER)
    assert.equal("updated", site.engine:handle({ trigger = "contract_expired", company = company }).status)
    local fields = forms.fields(page_of(site))
    fields["rule.contract_expired.set_category"], fields["do"] = "8", "try"
    local answer = ask(site, "POST", "/leadcat/settings", { as = "ann", form = fields })
    assert.equal(200, answer.status)
    contains(answer.body, "Contract &lt;expired&gt;")
    site.engine:close()
  end)
end)

describe("on the command line", function()
  after_each(stores.check)

  local function store()
    local engine, path = stores.open { triggers = { EXPIRED } }
    local cfg = leadcat.preset "superoffice"
    cfg.rules = { BACK }
    assert(engine:save(cfg))
    engine.host:create_many({ "Acme", "Bolt" }, CUSTOMER)
    engine:close()
    return path, cfg
  end

  local function run(...)
    local output, errors, status = stores.leadcat(...)
    assert.equal(0, status, errors)
    return output
  end

  it("explain, replay, history and backfill take them from the store", function()
    local path = store()
    local why = run("explain", "--path", path, "--company", "Acme", "--trigger", "contract_expired")
    assert.matches("\n.*Acme.*Lost", why)
    assert.matches("\ncontract_expired +update ", run("explain", "--path", path, "--company", "Acme"))
    local events = stores.file('{"trigger":"contract_expired","company":"Acme","at":1700000000}\n', ".jsonl")
    assert.matches("\ncontract_expired +update +1\n", run("replay", "--path", path, events))
    assert.matches("contract_expired", run("history", "--path", path, "--json"))
    events = stores.file("trigger,company,at\ncontract_expired,Bolt,2023-11-14T22:13:20Z\n", ".csv")
    assert.matches("\ncontract_expired +Customer +Lost +update +1\n", run("backfill", "--path", path, events))
    local output, errors, status = stores.leadcat("replay", "--path", path,
      stores.file('{"trigger":"paid","company":"Acme"}\n', ".jsonl"))
    assert.equal(1, status)
    assert.matches("trigger must be one of .*, contract_expired, not 'paid'", errors .. output)
  end)

  it("simulate knows those of the store, and of the rules that are tried", function()
    local path, cfg = store()
    local lines = ('{"trigger":"contract_expired","company":"c%d","category":5}\n'):rep(3):gsub("%%d", "1")
    local events, file = stores.file(lines, ".jsonl"), stores.file(json.encode(cfg), ".json")
    for _, words in ipairs {
      { "--path", path }, { "--config", file }, { "--config", file, "--against", "current", "--path", path },
      { "--config", file, "--against", file },
    } do
      words[#words + 1] = events
      assert.matches("3", run("simulate", stores.unpack(words)))
    end
    assert.matches("\ncontract_expired +update +3\n", run("simulate", "--config", file, events))
    assert.is_nil(run("check", "--path", path):find "unknown_trigger")
  end)

  it("check warns of one that nobody has declared", function()
    local _, cfg = store()
    local output, errors, status = stores.leadcat("check", "--config", stores.file(json.encode(cfg), ".json"))
    assert.equal(0, status)
    assert.matches("warning: rules%[1%].trigger is \"contract_expired\", which is not built in.*%[unknown_trigger%]",
      output .. errors)
  end)
end)
