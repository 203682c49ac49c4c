-- Why nothing happened: each cause in Norwegian and in English, word by word, with what would have to be different, and that
-- it helps. Then what is said of what does happen, of a company, and of what the journal has about it.

local core = require "leadcat.core"
local clock = require "support.clock"
local crm = require "support.crm"
local json = require "leadcat.util.json"
local leadcat = require "leadcat"
local stores = require "support.stores"

local LEAD, QUALIFIED_LEAD, OPPORTUNITY, LOST_OPPORTUNITY, CUSTOMER = 1, 2, 3, 4, 5 -- the preset's categories
local OPEN, CONTACTING, DISQUALIFIED, RE_NURTURE, QUALIFIED = 1, 2, 3, 4, 5 -- and lead statuses
local START = 1700000000 -- 2023-11-14 22:13:20 UTC

local function find(list, id)
  for _, item in ipairs(list) do
    if item.id == id then
      return item
    end
  end
end

-- What is done about it. Each takes the scene: {cfg, host, event}.
local function switch_on(scene)
  for _, rule in ipairs(scene.cfg.rules) do
    rule.enabled = true
  end
end

local function choose_category(scene)
  scene.cfg.rules[1].set_category = OPPORTUNITY
  switch_on(scene)
end

local function add_rule(scene)
  table.insert(scene.cfg.rules, {
    trigger = scene.event.trigger, lead_status = scene.event.lead_status, set_category = OPPORTUNITY, enabled = true,
  })
end

local function move(category)
  return function(scene) scene.host.companies.Acme = category end
end

-- Rows: name; the rules and what else is to be set up; the company's category; the event; the reason; the sentences; what
-- helps. A rule is off where its target is in braces.
local ROWS = {
  { "there is no license", { sale_won = CUSTOMER }, LEAD, { "sale_won" }, "not_licensed",
    prepare = function(scene) scene.host.licensed = function() return false end end,
    en = "There is no license for lead categorization; without one, no category is updated.",
    no = "Det er ingen lisens for lead-kategorisering; uten lisens oppdateres ingen kategori.",
    remedy = function(scene) scene.host.licensed = function() return true end end },
  { "the rule is off", { sale_won = { CUSTOMER } }, LEAD, { "sale_won" }, "rule_disabled",
    en = "“Update category when a sale is won” is switched off; the rule has to be switched on in the settings.",
    no = "«Oppdater kategori når et salg er vunnet» er slått av; regelen må slås på i innstillingene.",
    remedy = switch_on },
  { "the rule is off and was never set up", { sale_lost = {} }, LEAD, { "sale_lost" }, "rule_disabled",
    en = "“Update category when a sale is lost” is switched off and has no category; "
      .. "a category has to be chosen in the settings, and the rule switched on.",
    no = "«Oppdater kategori når et salg er tapt» er slått av og har ingen kategori; "
      .. "en kategori må velges i innstillingene, og regelen må slås på.",
    remedy = choose_category },
  { "the rule is off and its category deleted", { sale_won = { CUSTOMER } }, LEAD, { "sale_won" }, "rule_disabled",
    prepare = function(scene) find(scene.cfg.categories, CUSTOMER).deleted = true end,
    en = "“Update category when a sale is won” is switched off, and its category Customer (deleted) cannot be used; "
      .. "a category has to be chosen in the settings, and the rule switched on.",
    no = "«Oppdater kategori når et salg er vunnet» er slått av, og kategorien Kunde (slettet) kan ikke brukes; "
      .. "en kategori må velges i innstillingene, og regelen må slås på.",
    remedy = choose_category },
  { "the rule is off and its category gone", { sale_won = { 99 } }, LEAD, { "sale_won" }, "rule_disabled",
    en = "“Update category when a sale is won” is switched off, and its category #99 cannot be used; "
      .. "a category has to be chosen in the settings, and the rule switched on.",
    no = "«Oppdater kategori når et salg er vunnet» er slått av, og kategorien #99 kan ikke brukes; "
      .. "en kategori må velges i innstillingene, og regelen må slås på.",
    remedy = choose_category },
  { "there is no such rule", { sale_won = CUSTOMER }, LEAD, { "sale_registered" }, "rule_disabled",
    en = "There is no rule “Update category when a sale is registered with the company”; "
      .. "the rule has to be added in the settings, with a category, and switched on.",
    no = "Det finnes ingen regel «Oppdater kategori når et salg registreres hos firmaet»; "
      .. "regelen må legges til i innstillingene, med en kategori, og slås på.",
    remedy = add_rule },
  { "all rules of lead statuses are off", { ["lead_status_set:5"] = { 3 }, ["lead_status_set:2"] = { 2 } }, LEAD,
    { "lead_status_set", QUALIFIED }, "rule_disabled",
    en = "“Update category when a lead status is set to Qualified” is switched off; "
      .. "the rule has to be switched on in the settings.",
    no = "«Oppdater kategori når en lead-status settes til Kvalifisert» er slått av; "
      .. "regelen må slås på i innstillingene.",
    remedy = switch_on },
  { "there is no rule of any lead status", {}, LEAD, { "lead_status_set", OPEN }, "rule_disabled",
    en = "There is no rule “Update category when a lead status is set to Open”; "
      .. "the rule has to be added in the settings, with a category, and switched on.",
    no = "Det finnes ingen regel «Oppdater kategori når en lead-status settes til Åpen»; "
      .. "regelen må legges til i innstillingene, med en kategori, og slås på.",
    remedy = add_rule },
  { "all rules of lead statuses are off, and the event names none", { ["lead_status_set:5"] = { 3 } }, LEAD,
    { "lead_status_set" }, "rule_disabled",
    en = "The event does not say which lead status was set, and no rule for a lead status is switched on; "
      .. "both are needed.",
    no = "Hendelsen sier ikke hvilken lead-status som ble satt, og ingen regel for lead-status er slått på; "
      .. "begge deler trengs.",
    remedy = function(scene)
      scene.event.lead_status = QUALIFIED
      switch_on(scene)
    end },
  { "the company has no category", { sale_won = CUSTOMER }, nil, { "sale_won" }, "unknown_category",
    en = "Acme has no category; "
      .. "only companies in a category of the group Potential customer are updated automatically.",
    no = "Acme har ingen kategori; bare firmaer i en kategori i gruppen Potensiell kunde oppdateres automatisk.",
    remedy = move(LEAD) },
  { "the company has no category, and a lead status was set", { ["lead_status_set:5"] = 3 }, nil,
    { "lead_status_set", QUALIFIED }, "unknown_category",
    en = "Acme has no category; only companies in a category of the group Potential customer with lead status enabled "
      .. "are updated automatically.",
    no = "Acme har ingen kategori; bare firmaer i en kategori i gruppen Potensiell kunde med lead-status slått på "
      .. "oppdateres automatisk.",
    remedy = move(LEAD) },
  { "the category is not known", { sale_won = CUSTOMER }, 99, { "sale_won" }, "unknown_category",
    en = "Acme is in #99, which is no category in the settings; "
      .. "only companies in a category of the group Potential customer are updated automatically.",
    no = "Acme er i #99, som ikke er en kategori i innstillingene; "
      .. "bare firmaer i en kategori i gruppen Potensiell kunde oppdateres automatisk.",
    remedy = function(scene)
      table.insert(scene.cfg.categories, { id = 99, name = "Prospect", group = "potential_customer" })
    end },
  { "the category is of another group", { sale_won = CUSTOMER }, 20, { "sale_won" }, "not_potential_customer",
    prepare = function(scene)
      table.insert(scene.cfg.categories, { id = 20, name = { en = "Customer A", no = "A-kunde" }, group = "customer" })
    end,
    en = "Acme is in Customer A, a category of the group Customer; "
      .. "only companies in a category of the group Potential customer are updated automatically.",
    no = "Acme har kategorien A-kunde, som er i gruppen Kunde; "
      .. "bare firmaer i en kategori i gruppen Potensiell kunde oppdateres automatisk.",
    remedy = move(OPPORTUNITY) },
  { "the category is a partner's, and a lead status was set", { ["lead_status_set:5"] = 3 }, 6,
    { "lead_status_set", QUALIFIED }, "not_potential_customer",
    en = "Acme is in Partner, a category of the group Partner; only companies in a category of the group "
      .. "Potential customer with lead status enabled are updated automatically.",
    no = "Acme har kategorien Partner, som er i gruppen Partner; bare firmaer i en kategori i gruppen "
      .. "Potensiell kunde med lead-status slått på oppdateres automatisk.",
    remedy = move(LEAD) },
  { "the category is deleted, and of another group", { sale_won = CUSTOMER }, 7, { "sale_won" },
    "not_potential_customer",
    prepare = function(scene) find(scene.cfg.categories, 7).deleted = true end,
    en = "Acme is in Lost (deleted), a category of the group Lost; "
      .. "only companies in a category of the group Potential customer are updated automatically.",
    no = "Acme har kategorien Tapt (slettet), som er i gruppen Tapt; "
      .. "bare firmaer i en kategori i gruppen Potensiell kunde oppdateres automatisk.",
    remedy = move(LEAD) },
  { "the category has no lead status", { ["lead_status_set:5"] = 3 }, LOST_OPPORTUNITY,
    { "lead_status_set", QUALIFIED }, "lead_status_not_enabled",
    en = "Acme is in Lost opportunity, a category without lead status; "
      .. "only companies in a category with lead status enabled are updated when a lead status is set.",
    no = "Acme er i Tapt salgsmulighet, en kategori uten lead-status; "
      .. "bare firmaer i en kategori med lead-status slått på oppdateres når en lead-status settes.",
    remedy = function(scene) find(scene.cfg.categories, LOST_OPPORTUNITY).lead_status = true end },
  { "the event names no lead status", { ["lead_status_set:5"] = 3 }, LEAD, { "lead_status_set" },
    "lead_status_not_matched",
    en = "The event does not say which lead status was set; it has to name one that has a rule: Qualified.",
    no = "Hendelsen sier ikke hvilken lead-status som ble satt; den må oppgi en som har en regel: Kvalifisert.",
    remedy = function(scene) scene.event.lead_status = QUALIFIED end },
  { "the rule of the lead status is off", { ["lead_status_set:5"] = 3, ["lead_status_set:2"] = { 2 } }, LEAD,
    { "lead_status_set", CONTACTING }, "lead_status_not_matched",
    en = "“Update category when a lead status is set to Contacting” is switched off; "
      .. "the rule has to be switched on in the settings.",
    no = "«Oppdater kategori når en lead-status settes til Kontakter» er slått av; "
      .. "regelen må slås på i innstillingene.",
    remedy = switch_on },
  { "the lead status has no rule", { ["lead_status_set:5"] = 3 }, LEAD, { "lead_status_set", RE_NURTURE },
    "lead_status_not_matched",
    en = "There is no rule “Update category when a lead status is set to Re-nurture”; "
      .. "the rule has to be added in the settings, with a category, and switched on.",
    no = "Det finnes ingen regel «Oppdater kategori når en lead-status settes til Varmes opp igjen»; "
      .. "regelen må legges til i innstillingene, med en kategori, og slås på.",
    remedy = add_rule },
  { "the lead status is deleted", { ["lead_status_set:5"] = 3, ["lead_status_set:3"] = { 4 } }, LEAD,
    { "lead_status_set", DISQUALIFIED }, "lead_status_not_matched",
    prepare = function(scene) find(scene.cfg.lead_statuses, DISQUALIFIED).deleted = true end,
    en = "The lead status Disqualified is deleted; "
      .. "it has to be restored in the settings, and a rule for it switched on.",
    no = "Lead-statusen Diskvalifisert er slettet; "
      .. "den må gjenopprettes i innstillingene, og en regel for den må slås på.",
    remedy = function(scene)
      find(scene.cfg.lead_statuses, DISQUALIFIED).deleted = nil
      switch_on(scene)
    end },
  { "the lead status is not known", { ["lead_status_set:5"] = 3 }, LEAD, { "lead_status_set", 99 },
    "lead_status_not_matched",
    en = "There is no lead status #99; it has to be added in the settings, and a rule for it switched on.",
    no = "Det finnes ingen lead-status #99; den må legges til i innstillingene, og en regel for den må slås på.",
    remedy = function(scene)
      table.insert(scene.cfg.lead_statuses, { id = 99, name = "Waiting" })
      add_rule(scene)
    end },
  { "the company is there already", { sale_registered = OPPORTUNITY }, OPPORTUNITY, { "sale_registered" },
    "already_in_category",
    en = "Acme is already in Opportunity, the category that the rule sets; "
      .. "only companies in another category are updated.",
    no = "Acme har allerede kategorien Salgsmulighet, som er den regelen setter; "
      .. "bare firmaer i en annen kategori oppdateres.",
    remedy = move(LEAD) },
  { "the company is there already, by its lead status", { ["lead_status_set:2"] = { QUALIFIED_LEAD, on = true } },
    QUALIFIED_LEAD, { "lead_status_set", CONTACTING }, "already_in_category",
    en = "Acme is already in Marketing qualified lead, the category that the rule sets; "
      .. "only companies in another category are updated.",
    no = "Acme har allerede kategorien Markedskvalifisert lead, som er den regelen setter; "
      .. "bare firmaer i en annen kategori oppdateres.",
    remedy = move(LEAD) },
  { "the amount is too low", { sale_won = CUSTOMER }, LEAD, { "sale_won" }, "conditions_not_met",
    prepare = function(scene)
      scene.cfg.rules[1].when = {
        {
          { field = "sale.amount", is = "at_least", value = 1000 }, { field = "sale.new", is = "equals", value = true },
        },
        { { field = "sale.amount", is = "above", value = 5 }, { field = "category", is = "equals", value = LEAD } },
      }
      scene.event.sale = { amount = 5 }
    end,
    en = "Acme meets the conditions of no rule for this; what is missing: sale.amount is above 5 (it is 5).",
    no = "Acme oppfyller ikke vilkårene i noen regel for dette; dette mangler: sale.amount er over 5 (det er 5).",
    remedy = function(scene) scene.event.sale = { amount = 6 } end },
  { "nobody knows a fact, and another is of another kind", { sale_won = CUSTOMER }, LEAD, { "sale_won" },
    "conditions_not_met",
    prepare = function(scene)
      scene.cfg.rules[1].when = { {
        { field = "sale.amount", is = "at_least", value = 1000 }, { field = "company.size", is = "equals", value = 10 },
      } }
      scene.event.sale, scene.event.facts = {}, { ["company.size"] = true }
    end,
    en = "Acme meets the conditions of no rule for this; "
      .. "what is missing: sale.amount is at least 1000 (it is not known) and "
      .. "company.size is 10 (it is yes, yes or no).",
    no = "Acme oppfyller ikke vilkårene i noen regel for dette; dette mangler: sale.amount er minst 1000 (det er ikke "
      .. "kjent) og company.size er 10 (det er ja, ja eller nei).",
    remedy = function(scene)
      scene.event.sale, scene.event.facts = { amount = 1000 }, { ["company.size"] = 10 }
    end },
  { "the rules start elsewhere", { sale_won = CUSTOMER }, LEAD, { "sale_won" }, "not_potential_customer",
    prepare = function(scene)
      scene.cfg.rules[1].from = { groups = { "lost", "partner" }, categories = { OPPORTUNITY } }
    end,
    en = "Acme is in Lead, a category of the group Potential customer; "
      .. "the rules for this start only from: Lost, Partner, Opportunity.",
    no = "Acme har kategorien Lead, som er i gruppen Potensiell kunde; reglene for dette starter bare fra: Tapt, "
      .. "Partner, Salgsmulighet.",
    remedy = move(OPPORTUNITY) },
  { "the rule goes forward only", { sale_lost = LEAD }, OPPORTUNITY, { "sale_lost" }, "lower_rank",
    prepare = function(scene) scene.cfg.rules[1].forward_only = true end,
    en = "Acme is in Opportunity, which ranks above the category that the rule sets; the rule goes forward only.",
    no = "Acme er i Salgsmulighet, som har høyere rang enn kategorien som regelen setter; regelen går bare fremover.",
    remedy = function(scene) scene.cfg.rules[1].forward_only = nil end },
}

-- The scene of a row, with an engine that has its rules.
local function set_up(row)
  local scene = { host = crm.new { Acme = row[3] }, cfg = stores.config {} }
  for key, target in pairs(row[2]) do
    local off = type(target) == "table" and not target.on
    local rule = stores.config({ [key] = type(target) == "table" and target[1] or target or LEAD }).rules[1]
    rule.enabled, rule.set_category = not off, type(target) == "table" and target[1] or not off and target or nil
    table.insert(scene.cfg.rules, rule)
  end
  scene.event = { trigger = row[4][1], lead_status = row[4][2], company = "Acme" }
  if row.prepare then
    row.prepare(scene)
  end
  scene.engine = stores.open { host = scene.host, durability = "relaxed" }
  assert(scene.engine:save(scene.cfg))
  return scene
end

describe("nothing happens when", function()
  after_each(stores.check)

  for _, row in ipairs(ROWS) do
    it(row[1], function()
      local scene = set_up(row)
      local engine, event = scene.engine, scene.event
      assert.equal(row[5], engine:handle(event).reason)
      local decision = engine:explain(event)
      assert.same({ "none", row[5], row.en }, { decision.action, decision.reason, decision.sentence })
      assert.equal(row.no, engine:explain(event, { language = "nb-NO" }).sentence)
      row.remedy(scene)
      assert(engine:save(scene.cfg))
      assert.equal("matched", engine:explain(event).reason)
      assert.equal("updated", engine:handle(event).status)
      engine:close()
    end)
  end
end)

describe("the sentence", function()
  after_each(stores.check)

  it("is another one in every language, without a placeholder left", function()
    for _, row in ipairs(ROWS) do
      local scene, seen = set_up(row), {}
      for _, language in ipairs { "en", "no", "sv", "da", "de", "nl" } do
        local sentence = scene.engine:explain(scene.event, { language = language }).sentence
        assert.is_nil(sentence:find "[{}]", row[1])
        assert.is_nil(seen[sentence], row[1])
        seen[sentence] = true
      end
      scene.engine:close()
    end
  end)

  -- An engine whose rules update sales that are won, and ask about those that are registered.
  local function new_engine(options)
    options = options or {}
    options.clock, options.durability = options.clock or function() return START end, "relaxed"
    local engine = stores.open(options)
    assert(engine:save(stores.config { sale_won = CUSTOMER, sale_registered = { OPPORTUNITY, ask = true } }))
    if engine.host.create then
      engine.host:create("Acme", LEAD)
    end
    return engine
  end

  it("says what is going to happen, where something is", function()
    local engine = new_engine()
    for _, row in ipairs {
      { "sale_won", nil, "The category of Acme will be updated from Lead to Customer." },
      { "sale_registered", nil,
        "The user will be asked whether to update the category of Acme from Lead to Opportunity." },
      { "sale_registered", OPPORTUNITY, "The category of Acme will be updated from Lead to Opportunity." },
      { "sale_registered", 6, "The category of Acme will be updated from Lead to Partner." },
      { "sale_won", 6, "The category of Acme will be updated from Lead to Customer." },
      { "sale_won", false, "Acme stays in Lead, as the user has chosen." },
      { "sale_registered", LEAD, "Acme stays in Lead, as the user has chosen." },
    } do
      assert.equal(row[3], engine:explain({ trigger = row[1], company = "Acme", choice = row[2] }).sentence)
    end
    engine:close()
  end)

  it("is in the language asked for, else the actor's, else the engine's", function()
    local engine = new_engine { language = "da" }
    local function word(actor, options)
      local event = { trigger = "sale_won", company = "Acme", actor = actor }
      return engine:explain(event, options).sentence:match "^%S+"
    end
    assert.same({ "Kategorien", "Die", "Kategorin", "The" }, {
      word(), word { id = 1, language = "de" }, word({ id = 1, language = "de" }, { language = "sv" }),
      word(nil, { language = "en-GB" }),
    })
    assert.error_matches(function() word(nil, { languages = "en" }) end, "unknown option 'languages'")
    engine:close()
  end)

  it("names the company as the host does, on one line, without changing the order of the words", function()
    local host = crm.new { [17] = CUSTOMER }
    local engine = new_engine { host = host }
    local function company()
      return engine:explain({ trigger = "sale_won", company = 17 }).sentence:match "^(.-) is in Customer,"
    end
    assert.equal("17", company())
    for _, row in ipairs {
      { "Fjord\nShipping {to}", "Fjord Shipping {to}" }, { "\n", "17" }, { "שלום", "\226\129\168שלום\226\129\169" },
    } do
      host.company_name = function() return row[1] end
      assert.equal(row[2], company())
    end
    host.company_name = function() error "down" end
    assert.equal("17", company())
    engine:close()
  end)

  it("lists some of the lead statuses that have a rule", function()
    local engine, cfg = stores.open(), stores.config {}
    for id = 10, 25 do
      table.insert(cfg.lead_statuses, { id = id, name = "S" .. id })
      table.insert(cfg.rules, { trigger = "lead_status_set", lead_status = id, set_category = 2, enabled = id > 10 })
    end
    assert(engine:save(cfg))
    local sentence = engine:explain({ trigger = "lead_status_set", company = "Acme", category = LEAD }).sentence
    assert.matches("has a rule: S11, S12, S13, S14, S15, S16, S17, S18, %.%.%.%.$", sentence)
    engine:close()
  end)

  it("says that an event was handled before, and what came of it", function()
    local now = START
    local engine = new_engine { clock = function() return now end }
    local event = { id = "e1", trigger = "sale_registered", company = "Acme", sale = { name = "Printers" } }
    assert.is_nil(engine:explain(event).first)
    local asked = engine:handle(event)
    local decision = engine:explain(event)
    assert.same({ asked.entry, "confirm" }, { decision.first.entry, decision.action })
    assert.equal("This event has been handled before. The sale Printers was registered. Whether to update the category "
      .. "of Acme from Lead to Opportunity has been waiting for an answer since 14 Nov 2023, 22:13 UTC.",
      decision.sentence)
    now = START + 3600
    assert(engine:resolve(asked.confirmation, { decline = true }, { actor = { id = 7, name = "Ann", admin = true } }))
    assert.equal("Denne hendelsen er allerede behandlet. Salget Printers ble registrert. Vil du endre kategorien for "
      .. "Acme fra Lead til Salgsmulighet? Ann beholdt kategorien den 14. nov. 2023 kl. 23.13 UTC.",
      engine:explain(event, { language = "no" }).sentence)
    engine:close()
  end)
end)

describe("about a company", function()
  after_each(stores.check)

  local ANN = { id = 7, name = "Ann", admin = true }
  local RULES = { sale_won = CUSTOMER, sale_registered = { OPPORTUNITY, ask = true },
    ["lead_status_set:5"] = OPPORTUNITY, ["lead_status_set:2"] = QUALIFIED_LEAD }

  local function new_engine(host, rules)
    local time = clock.new(START)
    local engine = stores.open { host = host, durability = "relaxed", clock = function() return time.now end }
    assert(engine:save(stores.config(rules or RULES)))
    if not host then
      engine.host:create("Acme", LEAD)
    end
    return engine, time
  end

  -- What each event would come to: "sale_won update", sorted.
  local function shown(found)
    local lines = {}
    for i, decision in ipairs(found.decisions) do
      lines[i] = ("%s %s"):format(decision.trigger .. (decision.lead_status and ":" .. decision.lead_status or ""),
        decision.action == "none" and decision.reason or decision.action)
    end
    table.sort(lines)
    return lines
  end

  it("is said what each trigger would do now, with one decision for each lead status that has a rule", function()
    local engine = new_engine()
    local found = engine:why "Acme"
    assert.same({ "Acme", "Acme", LEAD, "none" }, { found.company, found.name, found.category, found.newest or "none" })
    assert.same({ "lead_status_set:2 update", "lead_status_set:5 update", "sale_lost rule_disabled",
      "sale_registered confirm", "sale_won update" }, shown(found))
    assert(engine.host.set_category("Acme", CUSTOMER, LEAD))
    assert.same({ "lead_status_set not_potential_customer", "sale_lost rule_disabled",
      "sale_registered not_potential_customer", "sale_won not_potential_customer" }, shown(engine:why "Acme"))
    assert(engine:save(stores.config {}))
    assert.equal("No rule for a lead status is switched on; one has to be switched on in the settings.",
      engine:why("Acme").decisions[4].sentence)
    assert.same({ {}, {} }, { engine:stats().outcomes, engine:history() })
    assert(engine:save(stores.config { sale_reopened = LEAD })) -- which is told of only where there is a rule
    assert.same({ "lead_status_set rule_disabled", "sale_lost rule_disabled", "sale_registered rule_disabled",
      "sale_reopened not_potential_customer", "sale_won rule_disabled" }, shown(engine:why "Acme"))
    engine:close()
  end)

  it("is said so much for each lead status, however many have a rule", function()
    local function size_with(count)
      local cfg = stores.config {}
      cfg.lead_statuses, cfg.rules = {}, {}
      for i = 1, count do
        cfg.lead_statuses[i] = { id = i, name = ("status %04d"):format(i) }
        cfg.rules[i] = { trigger = "lead_status_set", lead_status = i, set_category = OPPORTUNITY, enabled = true }
      end
      local engine = stores.open()
      assert(engine:save(cfg))
      assert(engine.host:create("Acme", LEAD))
      local said = assert(engine:why "Acme")
      assert.equal(count, #said.decisions - 3)
      engine:close()
      return #json.encode(said)
    end
    assert.is_true(size_with(400) < 2.2 * size_with(200))
  end)

  it("takes a company, and asks the host with the id of the type that it gave", function()
    local engine = new_engine(crm.new { [17] = LEAD })
    assert(engine:handle { trigger = "sale_won", company = 17 })
    local found = engine:why "17"
    assert.same({ 17, CUSTOMER }, { found.company, found.category })
    assert.error_matches(function() engine:why {} end, "company must be a string or an integer")
    assert.error_matches(function() engine:why("17", { actor = ANN }) end, "unknown option 'actor'")
    engine:close()
  end)

  -- What happened to Acme; what its newest entry says.
  local ENTRIES = {
    { "updated", function(engine)
      assert(engine:handle { trigger = "sale_won", company = "Acme", sale = { id = 4 } })
    end, "The sale 4 was won. The category of Acme was updated from Lead to Customer on 14 Nov 2023, 22:13 UTC." },
    { "updated, undone", function(engine)
      assert(engine:undo(engine:handle({ trigger = "sale_won", company = "Acme" }).entry))
    end, "An earlier change was undone. "
      .. "The category of Acme was updated from Customer to Lead on 14 Nov 2023, 22:13 UTC." },
    { "awaiting_confirmation", function(engine)
      assert(engine:handle { trigger = "sale_registered", company = "Acme" })
    end, "A sale was registered. Whether to update the category of Acme from Lead to Opportunity has been waiting for "
      .. "an answer since 14 Nov 2023, 22:13 UTC." },
    { "declined", function(engine)
      local asked = engine:handle { trigger = "sale_registered", company = "Acme" }
      assert(engine:resolve(asked.confirmation, { decline = true }, { actor = ANN }))
    end, "A sale was registered. Ann kept Acme in Lead on 14 Nov 2023, 22:13 UTC, instead of updating the category to "
      .. "Opportunity." },
    { "awaiting_confirmation, though its time is over", function(engine, time)
      assert(engine:handle { trigger = "sale_registered", company = "Acme" })
      time.now = START + 8 * 86400
    end, "A sale was registered. Change the category of Acme from Lead to Opportunity? "
      .. "This question expired on 21 Nov 2023, 22:13 UTC." },
    { "expired", function(engine, time)
      assert(engine:handle { trigger = "sale_registered", company = "Acme" })
      time.now = START + 8 * 86400
      assert(engine:sweep())
    end, "A sale was registered. Nobody answered in time whether to update the category of Acme from Lead to "
      .. "Opportunity, so it was kept." },
    { "conflict", function(engine)
      assert.equal("conflict", engine:handle({ trigger = "sale_won", company = "Acme", category = OPPORTUNITY }).status)
    end, "A sale was won. On 14 Nov 2023, 22:13 UTC, Acme was no longer in Opportunity, so the category was not "
      .. "updated to Customer." },
  }
  for _, row in ipairs(ENTRIES) do
    it("is said what came of it last: " .. row[1], function()
      local engine, time = new_engine()
      row[2](engine, time)
      local newest = engine:why("Acme").newest
      assert.same({ row[1]:match "^[%l_]+", row[3] }, { newest.status, newest.sentence })
      engine:close()
    end)
  end

  it("is said that a change has not been made yet, and that it was given up", function()
    local host = crm.new { Acme = LEAD }
    local engine, time = new_engine(host)
    host.set_category = function() return nil, "down" end
    engine:handle { trigger = "sale_won", company = "Acme" }
    assert.equal("A sale was won. On 14 Nov 2023, 22:13 UTC, an update of the category of Acme from Lead to Customer "
      .. "was started; it is retried until it succeeds.", engine:why("Acme").newest.sentence)
    for _ = 1, 12 do
      time.now = time.now + 3600
      engine:recover()
    end
    assert.equal("Et salg ble vunnet. Kategorien for Acme kunne ikke oppdateres fra Lead til Kunde den "
      .. "14. nov. 2023 kl. 22.13 UTC.", engine:why("Acme", { language = "no" }).newest.sentence)
    engine:close()
  end)
end)

describe("what came to nothing", function()
  after_each(stores.check)

  local ANN = { id = 7, name = "Ann", admin = true }
  local RULES = { sale_won = CUSTOMER, sale_registered = { OPPORTUNITY, ask = true } }

  local function open(options, rules)
    local time = clock.new(START)
    options.durability, options.clock = "relaxed", function() return time.now end
    local engine, path = stores.open(options)
    assert(engine:save(stores.config(rules or RULES)))
    if engine.host.create then
      engine.host:create("Acme", LEAD)
      engine.host:create("Fjord", CUSTOMER)
    end
    return engine, time, path
  end

  -- The history as "Acme updated", "Fjord not_potential_customer", newest first.
  local function shown(engine, query)
    query = query or {}
    query.unchanged = query.unchanged == nil or query.unchanged
    local lines = {}
    for i, entry in ipairs(assert(engine:history(query))) do
      lines[i] = ("%s %s"):format(entry.company, entry.reason or entry.status)
    end
    return lines
  end

  local function won(company, more)
    local event = { trigger = "sale_won", company = company }
    for name, value in pairs(more or {}) do
      event[name] = value
    end
    return event
  end

  it("is not noted when nothing is said", function()
    local engine = open {}
    local commits = engine:stats().commits.count
    assert(engine:handle(won "Fjord"))
    assert(engine:handle_many { won "Fjord", won "Fjord" })
    assert.same({ {}, commits }, { shown(engine), engine:stats().commits.count })
    engine:close()
  end)

  it("takes all or a share, and nothing else, for an answer", function()
    for _, value in ipairs { true, "none", 0, -1, 1.5, 0 / 0 } do
      local ok, message = pcall(stores.open, { record_unchanged = value })
      assert.is_false(ok)
      assert.matches('option \'record_unchanged\': "full", or a share between 0 and 1, expected, got', message, 1, true)
    end
  end)

  for _, name in ipairs { "the embedded host", "a host of one's own" } do
    it("is noted with its reason, behind what was done, with " .. name, function()
      local host = name ~= "the embedded host" and crm.new { Acme = LEAD, Fjord = CUSTOMER } or nil
      local engine, time, path = open { record_unchanged = "full", host = host }
      engine:on("guard", function(event)
        if event.sale then
          return false, "Frozen by finance."
        end
      end)
      local event = won("Acme", { id = "e1", actor = ANN, sale = { id = 17, name = "Printers" } })
      assert(engine:handle(event))
      time.now = START + 10
      assert(engine:handle_many {
        won "Fjord", won "Acme", won "Acme", { trigger = "sale_lost", company = "Acme" }, won "Nobody",
        { trigger = "lead_status_set", lead_status = QUALIFIED, company = 17, category = LEAD },
      })
      local all = { "17 rule_disabled", "Nobody unknown_category", "Acme rule_disabled", "Acme not_potential_customer",
        "Fjord not_potential_customer", "Acme updated", "Acme vetoed" }
      assert.same(all, shown(engine))
      assert.same({ "Acme updated" }, shown(engine, { unchanged = false }))
      local first = engine:history({ unchanged = true })[7]
      assert.same({
        entry = START * 1000, key = first.key, tenant = "", at = START, company = "Acme", trigger = "sale_won",
        rule = "sale_won",
        revision = 1, from = LEAD, status = "unchanged", reason = "vetoed", error = "Frozen by finance.",
        event_id = "e1", actor = ANN, sale = { id = 17, name = "Printers" },
      }, first)
      assert.equal(17, engine:history({ unchanged = true })[1].company)
      engine:close()
      assert.same({}, core.check_store(path))
    end)
  end

  it("is read in pages, of a company, and since a time, with the rest", function()
    local engine, time = open { record_unchanged = "full" }
    for i = 1, 30 do
      time.now = START + i
      local company = i % 2 == 0 and "Fjord" or "Acme"
      assert(engine:handle(i % 10 == 1 and { trigger = "sale_registered", company = "Acme" } or won(company, {
        category = CUSTOMER })))
    end
    local all, paged, after = shown(engine, { limit = 1000 }), {}, nil
    assert.equal(32, #all) -- two questions were superseded
    repeat
      local page = engine:history { unchanged = true, limit = 5, after = after }
      for _, entry in ipairs(page) do
        paged[#paged + 1], after = ("%s %s"):format(entry.company, entry.reason or entry.status), entry.entry
      end
    until #page < 5
    assert.same(all, paged)
    assert.equal(15, #shown(engine, { company = "Fjord", limit = 1000 }))
    assert.equal(5, #shown(engine, { company = "Acme", since = START + 21, limit = 5 }))
    assert.equal(10, #shown(engine, { since = START + 21.5 }) + 1)
    engine:close()
  end)

  it("stands in nobody's way: of the event delivered again, an open question, an undo or a change", function()
    local host = crm.new { Acme = LEAD }
    local engine = open { record_unchanged = "full", host = host }
    local lost = { id = "e1", trigger = "sale_lost", company = "Acme" }
    local asked = engine:handle { trigger = "sale_registered", company = "Acme" }
    assert.equal("rule_disabled", engine:handle(lost).reason)
    assert.equal("rule_disabled", engine:handle(lost).reason)
    assert.equal("open", engine:confirmation(asked.confirmation).state)
    assert.equal("updated", engine:resolve(asked.confirmation, { accept = true }).status)
    local changed = engine:history()[1]
    assert(engine:handle(lost))
    assert.equal("updated", engine:undo(changed.entry, { actor = ANN }).status)
    local note = engine:history({ unchanged = true })[2]
    assert.same({ "unchanged", "not_found" }, { note.status, select(3, engine:undo(note.entry, { actor = ANN })) })
    -- Noted while an event is between its decision and its commit:
    engine:on("guard", function(event)
      if event.trigger == "sale_won" then
        engine:handle(lost)
      end
    end)
    local before = #host.calls
    assert.equal("updated", engine:handle(won "Acme").status)
    assert.equal("category Acme;category Acme;set_category Acme 1 -> 5", table.concat(host.calls, ";", before + 1))
    assert(engine:save(stores.config { sale_lost = LOST_OPPORTUNITY }))
    host.companies.Acme = LEAD
    assert.equal("updated", engine:handle(lost).status)
    assert.equal("duplicate", engine:handle(lost).status)
    engine:close()
  end)

  it("is the outcome, not what was presumed of a batch's earlier events", function()
    local engine = open { record_unchanged = "full" }
    local outcomes = engine:handle_many {
      won("Fjord", { category = LEAD }), { trigger = "sale_registered", company = "Fjord" }, won "Acme", won "Acme",
    }
    assert.same({ "conflict", "unchanged", "updated", "unchanged" },
      { outcomes[1].status, outcomes[2].status, outcomes[3].status, outcomes[4].status })
    assert.same({ "Acme not_potential_customer", "Fjord not_potential_customer", "Acme updated", "Fjord conflict" },
      shown(engine))
    engine:close()
  end)

  it("is noted in a share of the cases", function()
    local engine, events = open { record_unchanged = 0.25 }, {}
    for i = 1, 1000 do
      events[i] = won "Fjord"
    end
    assert(engine:handle_many(events))
    local noted = #shown(engine, { limit = 1000 })
    assert.is_true(noted > 150 and noted < 350, noted)
    engine:close()
  end)

  it("is left out where it cannot be noted, and the event is handled", function()
    local engine = open { record_unchanged = "full" }
    local mend = stores.fail(engine, "add_unchanged")
    assert.equal("not_potential_customer", engine:handle(won "Fjord").reason)
    assert.equal("unchanged", engine:handle_many({ won "Acme", won "Fjord" })[2].status)
    mend()
    local endless = {}
    endless.self = endless
    assert.equal("unchanged", engine:handle(won("Fjord", { sale = endless })).status)
    assert.equal("unchanged", engine:handle(won("Fjord", { category = 2 ^ 32 + CUSTOMER })).status)
    assert.is_nil(engine:history({ unchanged = true })[1].from)
    assert.same({ "Fjord unknown_category", "Acme updated" }, shown(engine))
    engine:close()
  end)

  it("is kept as long as the journal is", function()
    for _, row in ipairs { { { age = 10 }, 10, 0 }, { { age = false, count = 5 }, 5, 1 }, { { age = 100 }, 20, 1 } } do
      local engine, time, path = open { record_unchanged = "full", retention = row[1] }
      assert(engine:handle(won "Acme"))
      for i = 1, 20 do
        time.now = START + i
        assert(engine:handle(won "Fjord"))
      end
      time.now = START + 20.5
      stores.write_at(engine._store, time.now)
      local sum = engine:sweep().removed + row[2] + row[3]
      assert.same({ row[2], row[3], 21 },
        { #shown(engine, { company = "Fjord" }), #shown(engine, { unchanged = false }), sum })
      local counters = engine._store:counters ""
      assert.same({ row[2], row[3] }, { counters.unchanged_entries, counters.journal_entries })
      assert.equal(0, engine:sweep().removed)
      engine:close()
      assert.same({}, core.check_store(path))
    end
  end)

  it("is told as a sentence, by the rules of its time", function()
    local engine = open { record_unchanged = "full" }
    assert(engine:handle { trigger = "sale_lost", company = "Acme" })
    assert(engine:save(stores.config { sale_lost = LOST_OPPORTUNITY }))
    assert.equal("A sale was lost. Nothing was changed on 14 Nov 2023, 22:13 UTC. There is no rule “Update category "
      .. "when a sale is lost”; the rule has to be added in the settings, with a category, and switched on.",
      engine:why("Acme").newest.sentence)
    local why
    engine:on("guard", function() return false, why end)
    for _, row in ipairs {
      { "Frozen\nby finance.", "CRM-systemet tillot ikke at kategorien for Acme ble oppdatert: Frozen by finance." },
      { nil, "CRM-systemet tillot ikke at kategorien for Acme ble oppdatert." },
    } do
      why = row[1]
      assert(engine:handle { trigger = "sale_lost", company = "Acme" })
      assert.equal("Et salg er merket som tapt. Ingenting ble endret den 14. nov. 2023 kl. 22.13 UTC. " .. row[2],
        engine:why("Acme", { language = "no" }).newest.sentence)
    end
    engine:close()
  end)
end)

describe("leadcat explain", function()
  after_each(stores.check)

  local function store()
    local engine, path = stores.open()
    assert(engine:save(stores.config { sale_won = CUSTOMER, ["lead_status_set:5"] = OPPORTUNITY }))
    engine.host:create("Acme", LEAD)
    engine.host:create("Fjord", CUSTOMER)
    assert(engine:handle { trigger = "lead_status_set", lead_status = QUALIFIED, company = "Acme", actor = { id = 7 } })
    engine:close()
    return path
  end

  local function run(path, ...)
    local output, errors, status = stores.leadcat("explain", "--path", path, ...)
    assert.equal(0, status, errors)
    return output
  end

  it("lists the checks with what they compared, and says what would have to be different", function()
    local path = store()
    assert.equal([[
check                   result       compared
rule_disabled           passed       enabled_rules 1, trigger sale_won
unknown_category        passed       category 5
not_potential_customer  FAILED       category 5, expected potential_customer, group customer
already_in_category     not reached  category 5, target 5

Fjord is in Customer, a category of the group Customer; ]]
      .. "only companies in a category of the group Potential customer are updated automatically.\n",
      run(path, "--company", "Fjord", "--trigger", "sale_won"))
    local as_lead = { "--company", "Fjord", "--trigger", "lead_status_set", "--lead-status", "Kvalifisert",
      "--category", "Lead", "--language", "no" }
    assert.matches("\nKategorien for Fjord blir oppdatert fra Lead til Salgsmulighet%.\n$",
      run(path, stores.unpack(as_lead)))
    as_lead[11] = "--json"
    local decision = json.decode(run(path, stores.unpack(as_lead)))
    assert.same({ "update", OPPORTUNITY, LEAD }, { decision.action, decision.to, decision.category })
    assert.matches("There is no lead status #99;", run(path, "--company", "Acme", "--trigger", "lead_status_set",
      "--lead-status", "99", "--category", "1"))
    local engine = stores.open { path = path }
    assert(engine:save(stores.config {}))
    engine:close()
    assert.matches("\nlead_status_not_matched +not reached +expected none\n",
      run(path, "--company", "Acme", "--trigger", "lead_status_set"))
  end)

  it("lists the rules that were tried, with their conditions", function()
    local engine, path = stores.open()
    local cfg = leadcat.preset "tiers"
    cfg.rules[2].when[2] = {
      { field = "sale.name", is = "known" }, { field = "a\27", is = "not_equals", value = "\27" },
    }
    assert(engine:save(cfg))
    engine:close()
    assert.matches([[

already_in_category     passed  category 1, target 5
  sale_won#1 does not apply
    sale.amount is at least 100000 %(it is not known%): no
    or
    sale.name is known %(it is not known%): no
    a is not “” %(it is not known%): yes
  sale_won#2 does not apply
    company.country is one of “Norway”, “NO” %(it is not known%): no
  sale_won applies

The user will be asked]], run(path, "--company", "Acme", "--trigger", "sale_won", "--category", "Lead"))
  end)

  it("without a trigger says what each would do, and what was done last", function()
    local path = store()
    local output = run(path, "--company", "Acme")
    assert.matches("\nsale_won +update +The category of Acme will be updated from Opportunity to Customer%.\n", output)
    assert.matches("\nlead_status_set %(Qualified%) +already_in_category +Acme is already in Opportunity,", output)
    assert.matches("\n\nentry %d+: A lead status was set to Qualified%. The category of Acme was updated from Lead to",
      output)
    assert.equal("updated", json.decode(run(path, "--company", "Acme", "--json")).newest.status)
    assert.matches("\nsale_won +unknown_category +Nobody has no category;", run(path, "--company", "Nobody"))
  end)

  it("refuses what it cannot take", function()
    local path = store()
    for _, row in ipairs {
      { 2, "%-%-lead%-status, %-%-category and %-%-fact need %-%-trigger", "--company", "Acme", "--category", "Lead" },
      { 2, "%-%-company", "--trigger", "sale_won" },
      { 1, "trigger must be one of sale_registered, .*, not 'sale'", "--company", "Acme", "--trigger", "sale" },
      { 1, "%-%-category: there is no 'Leed'", "--company", "Acme", "--trigger", "sale_won", "--category", "Leed" },
    } do
      local _, errors, status = stores.leadcat("explain", "--path", path, stores.unpack(row, 3))
      assert.equal(row[1], status)
      assert.matches(row[2], errors)
    end
  end)
end)
