--- The settings tab without a server: a config becomes a form, a form becomes a config, and what changed between two
-- configs becomes sentences.

local conditions = require "leadcat.rules.conditions"
local check = require "leadcat.rules.check"
local config = require "leadcat.rules.config"
local difference = require "leadcat.rules.difference"
local forms = require "support.forms"
local i18n = require "leadcat.words.i18n"
local language_tag = require "leadcat.util.language"
local page = require "leadcat.pages.page"
local preset = require "leadcat.rules.preset"
local settings = require "leadcat.pages.settings"
local settings_form = require "leadcat.pages.settings_form"
local settings_page = require "support.settings_page"
local times = require "support.times"
local views = require "support.views"

local STRINGS = i18n.new()
local unpack = rawget(table, "unpack") or rawget(_G, "unpack")

local with_rules, html = settings_page.with_rules, settings_page.html

-- The page is shown, then changed as `changes` say (false: not sent), then submitted.
local function submit(cfg, changes, language)
  local fields = forms.fields(html(cfg, { language = language }))
  for name, value in pairs(changes or {}) do
    fields[name] = value or nil
  end
  return settings_form.read(fields, cfg, language or "en")
end

local function rule(cfg, trigger, lead_status)
  for _, found in ipairs(cfg.rules) do
    if found.trigger == trigger and found.lead_status == lead_status then
      return found
    end
  end
end

-- The rules of lead statuses in short: "5>3? -4>7", a "-" for off, "?" for asking.
local function rows(cfg)
  local short = {}
  for _, found in ipairs(cfg.rules) do
    if found.trigger == "lead_status_set" then
      short[#short + 1] = ("%s%s>%s%s"):format(found.enabled and "" or "-", found.lead_status or "",
        found.set_category or "", found.ask and "?" or "")
    end
  end
  return table.concat(short, " ")
end

local MIXED = with_rules {
  { trigger = "lead_status_set", enabled = true, lead_status = 5, set_category = 3, ask = true },
  { trigger = "sale_won", enabled = true, set_category = 5, ask = true, note = "kept" },
  { trigger = "lead_status_set", enabled = false, lead_status = 3, set_category = 7, note = "kept" },
  { trigger = "sale_lost", enabled = false, set_category = 4, ask = true },
}

describe("a form that nobody has changed", function()
  local odd = with_rules {
    { trigger = "sale_won", enabled = false, set_category = 77 },
    { trigger = "lead_status_set", enabled = false },
    { trigger = "lead_status_set", enabled = false, lead_status = 99, set_category = 98 },
    { trigger = "lead_status_set", enabled = false, set_category = 5 },
  }
  odd.owner, odd.categories[1].color = "Ann", { "red" }
  odd.categories[2].name, odd.categories[2].rank, odd.categories[2].lead_status = "  Line\none\127 ", -5, false
  odd.categories[3].name = { fi = "Mahdollisuus", ["nb-NO"] = "Mulighet\194\133" }
  odd.categories[4].deleted, odd.categories[5].deleted = true, false
  odd.lead_statuses[1].description, odd.lead_statuses[2].description = "<b> & \"co\"", nil
  odd.lead_statuses[3].description, odd.lead_statuses[3].deleted = {}, true
  for i, text in ipairs { views.HOSTILE.script, views.HOSTILE.directions, views.HOSTILE.long } do
    odd.lead_statuses[i + 2].name = text
  end
  local ROWS = {
    { "the preset", preset.get "superoffice" },
    { "an empty config", config.normalize { revision = 0 } },
    { "a config without rules", with_rules {} },
    { "rules of lead statuses, some of them on", MIXED },
    { "anything odd that can be stored", odd },
  }
  for _, row in ipairs(ROWS) do
    for _, language in ipairs { "en", "no", "nl", "fi" } do
      it(("gives %s again, in %s"):format(row[1], language), function()
        assert.is_false(check.has_errors(check.problems(row[2])))
        local action, cfg, edit = submit(row[2], { ["do"] = "save" }, language)
        assert.equal("save", action)
        assert.same(row[2], cfg)
        assert.same({ { category = {}, lead_status = {} } }, { edit.added, edit.focus })
      end)
    end
  end

  it("leaves the stored config alone", function()
    local cfg = preset.get "superoffice"
    submit(cfg, { ["category.1.name"] = "New", ["rule.sale_won.enabled"] = "on", ["do"] = "delete_category.2" })
    assert.same(preset.get "superoffice", cfg)
  end)
end)

describe("a button", function()
  local ROWS = {
    { "save", "save" }, { "try", "try" }, { "cancel", "cancel" }, { "add_category", "edit" }, { "anything", "edit" },
    { "", "edit" }, { "save.1", "edit" }, { false, "edit" },
  }
  for _, row in ipairs(ROWS) do
    it(("%s means %s"):format(tostring(row[1]), row[2]), function()
      assert.equal(row[2], (submit(MIXED, { ["do"] = row[1] })))
    end)
  end

  it("that cancels gives what is stored", function()
    local _, cfg = submit(MIXED, { ["do"] = "cancel", ["rule.sale_won.enabled"] = false })
    assert.same(MIXED, cfg)
  end)
end)

describe("a rule of a sale", function()
  local ON = { trigger = "sale_won", enabled = true, set_category = 5, ask = true, note = "kept" }
  -- What is done, what is sent, the rule then.
  local ROWS = {
    { "switched off", { enabled = false }, { enabled = false, set_category = 5, ask = true } },
    { "of another category", { set_category = "6" }, { enabled = true, set_category = 6, ask = true } },
    { "that no longer asks", { ask = false }, { enabled = true, set_category = 5, ask = false } },
    { "on without a category", { set_category = "" }, { enabled = true, ask = true } },
    { "off and emptied", { set_category = "", ask = false, enabled = false },
      { enabled = false, set_category = 5, ask = true } },
    { "off and changed", { set_category = "6", ask = false, enabled = false },
      { enabled = false, set_category = 6, ask = false } },
    { "whose details are not sent", { set_category = false, ask = false },
      { enabled = true, set_category = 5, ask = true } },
    { "of what is no category", { set_category = "x" }, { enabled = true, ask = true } },
  }
  for _, row in ipairs(ROWS) do
    it(row[1], function()
      local changes, expected = { ["do"] = "save" }, row[3]
      for field, value in pairs(row[2]) do
        changes["rule.sale_won." .. field] = value
      end
      expected.trigger, expected.note = "sale_won", "kept"
      local _, cfg = submit(with_rules { ON }, changes)
      assert.same(expected, rule(cfg, "sale_won"))
      assert.equal(1, #cfg.rules)
    end)
  end

  it("of a trigger that few use has a card where the config has one", function()
    local shown = html(with_rules { ON })
    assert.is_nil(shown:find("sale_reopened", 1, true) or shown:find("sale_deleted", 1, true))
    local reopened = { trigger = "sale_reopened", enabled = false, set_category = 5, ask = true }
    shown = html(with_rules { ON, reopened })
    assert.is_nil(shown:find("sale_deleted", 1, true))
    assert.matches("Update category when a sale is reopened", shown, 1, true)
    local _, cfg = submit(with_rules { ON, reopened }, { ["rule.sale_reopened.enabled"] = "on", ["do"] = "save" })
    assert.same({ trigger = "sale_reopened", enabled = true, set_category = 5, ask = true }, rule(cfg, "sale_reopened"))
  end)

  it("that takes back keeps that, says it, and may ask or not", function()
    local back = { trigger = "sale_deleted", enabled = true, take_back = true, ask = true }
    local shown = html(with_rules { back })
    assert.matches("The company goes back to the category that it was in before the sale changed it", shown, 1, true)
    assert.matches('<option selected value="take_back">The category before the sale</option>', shown, 1, true)
    local ROWS_BACK = { { {}, true, true }, { { ask = false }, true, false }, { { enabled = false }, false, true } }
    for _, row in ipairs(ROWS_BACK) do
      local changes = { ["do"] = "save" }
      for field, value in pairs(row[1]) do
        changes["rule.sale_deleted." .. field] = value
      end
      local _, cfg = submit(with_rules { back }, changes)
      assert.same({ trigger = "sale_deleted", enabled = row[2], take_back = true, ask = row[3] },
        rule(cfg, "sale_deleted"))
    end
  end)

  it("takes back or sets a category, as is chosen", function()
    local back, to = { trigger = "sale_deleted", take_back = true }, { trigger = "sale_deleted", set_category = 5 }
    for _, row in ipairs {
      { to, { set_category = "take_back" }, back }, { back, { set_category = "6" }, { set_category = 6 } },
      { back, { set_category = "" }, {}, "category_required" },
      { to, { ["1.forward_only"] = "on", set_category = "take_back" }, { take_back = true, forward_only = true },
        "take_back_alone", "1-forward_only" },
      { to, { ["1.after"] = "3", set_category = "take_back" }, { take_back = true, after = { days = 3 } },
        "take_back_alone", "1-after" },
      { { trigger = "sale_won", set_category = 5 }, { set_category = "take_back" }, { take_back = true },
        "take_back_trigger", "set_category" },
    } do
      local stored, changes = { enabled = true, ask = true }, { ["do"] = "save" }
      local expected = { trigger = row[1].trigger, enabled = true, ask = true }
      for name, value in pairs(row[1]) do
        stored[name] = value
      end
      for name, value in pairs(row[2]) do
        changes[("rule.%s.%s"):format(row[1].trigger, name)] = value
      end
      for name, value in pairs(row[3]) do
        expected[name] = value
      end
      local _, cfg = submit(with_rules { stored }, changes)
      assert.same(expected, rule(cfg, row[1].trigger))
      local problems = check.problems(cfg)
      assert.equal(row[4], problems[1] and problems[1].code)
      if row[5] then -- at the field, and in the list above
        local shown = html(cfg, { problems = problems })
        local id = ("leadcat-rule-%s-%s"):format(row[1].trigger, row[5])
        assert.matches(' id="' .. id .. '-problem"', shown, 1, true)
        assert.matches('<a href="#' .. id .. '">', shown, 1, true)
      end
    end
  end)

  it("is made where there is none", function()
    local _, cfg = submit(with_rules {}, { ["rule.sale_lost.enabled"] = "on", ["rule.sale_lost.set_category"] = "4" })
    assert.same({ { trigger = "sale_lost", enabled = true, set_category = 4, ask = false } }, cfg.rules)
  end)
end)

describe("the rules of lead statuses", function()
  local TWO = with_rules {
    { trigger = "lead_status_set", enabled = true, lead_status = 5, set_category = 3, ask = true },
    { trigger = "lead_status_set", enabled = true, lead_status = 3, set_category = 7 },
  }
  local ON = "rule.lead_status_set.enabled"
  -- What is done, to which config, what is sent, the rules then, where the work goes on.
  local ROWS = {
    { "are switched off together", TWO, { [ON] = false }, "-5>3? -3>7" },
    { "are switched on together", preset.get "superoffice", { [ON] = "on" }, ">" },
    { "are at least one when they are on", with_rules {}, { [ON] = "on" }, ">" },
    { "are none when nothing is chosen and they are off", with_rules {}, {}, "" },
    { "get a row", TWO, { ["do"] = "add_status_rule" }, "5>3? 3>7 >", "status_rule.3.lead_status" },
    { "lose a row", TWO, { ["do"] = "remove_status_rule.1" }, "3>7", "add_status_rule" },
    { "lose no row that is not there", TWO, { ["do"] = "remove_status_rule.9" }, "5>3? 3>7", "add_status_rule" },
    { "keep an empty row when they lose the last", with_rules { TWO.rules[1] }, { ["do"] = "remove_status_rule.1" },
      ">", "add_status_rule" },
    { "change a status", TWO, { ["status_rule.1.lead_status"] = "2" }, "2>3? 3>7" },
    { "may name a status twice, for the check to see", TWO, { ["status_rule.1.lead_status"] = "3" }, "3>3? 3>7" },
    { "change a category", TWO, { ["status_rule.2.set_category"] = "8", ["status_rule.2.ask"] = "on" }, "5>3? 3>8?" },
    { "stay apart where they are", MIXED, {}, "5>3? -3>7" },
    { "follow their own switch where they have one", MIXED, { ["status_rule.2.enabled"] = "on" }, "5>3? 3>7" },
    { "are all off with their common switch", MIXED, { [ON] = false, ["status_rule.2.enabled"] = "on" }, "-5>3? -3>7" },
    { "come in the order of their numbers", TWO, { ["status_rule.10.lead_status"] = "1" }, "5>3? 3>7 1>" },
  }
  for _, row in ipairs(ROWS) do
    it(row[1], function()
      local _, cfg, edit = submit(row[2], row[3])
      assert.equal(row[4], rows(cfg))
      assert.equal(row[5], edit.focus)
    end)
  end

  it("stay as they are where nothing is sent of them", function()
    local _, cfg = settings_form.read({ ["rule.sale_won.enabled"] = "on", ["do"] = "save" }, TWO, "en")
    assert.equal("5>3? 3>7", rows(cfg))
    _, cfg = settings_form.read({ [ON] = "on", ["do"] = "save" }, MIXED, "en")
    assert.equal("5>3? 3>7", rows(cfg))
  end)

  it("stand where they stood", function()
    local _, cfg = submit(MIXED, { ["do"] = "add_status_rule" })
    local order = {}
    for i, found in ipairs(cfg.rules) do
      order[i] = found.trigger
    end
    assert.same({ "lead_status_set", "sale_won", "lead_status_set", "lead_status_set", "sale_lost" }, order)
    assert.equal("kept", rule(cfg, "lead_status_set", 3).note)
  end)
end)

describe("a name", function()
  -- The stored one, the page's language, what is typed, what is stored then.
  local ROWS = {
    { "Lead", "no", "Emne", "Emne" },
    { { en = "Lead", no = "Lead" }, "no", "Emne", { en = "Lead", no = "Emne" } },
    { { en = "Lead", ["nb-NO"] = "Lead" }, "no", "Lead", { en = "Lead", ["nb-NO"] = "Lead" } },
    { { en = "Lead", nb = "Kundeemne" }, "no", "Emne", { en = "Lead", nb = "Emne" } },
    { { en = "Lead" }, "no", "Emne", { en = "Lead", no = "Emne" } },
    { { en = "Lead" }, "no", "Lead", { en = "Lead" } },
    { "Lead", "en", "  A\tb\0\255 ", "A b \239\191\189" },
    { "Lead", "en", "", "" },
    { { en = "Lead", no = "Emne" }, "no", " ", { en = "Lead", no = "" } },
    { " Lead ", "en", "Lead", " Lead " },
    { "Lead", "no language!", "Emne", "Emne" },
  }
  for i, row in ipairs(ROWS) do
    it(("is set in the language of the page, or stays (%d)"):format(i), function()
      local stored = { categories = { { id = 1, name = row[1], group = "other" } } }
      local _, cfg = settings_form.read({ ["category.1.name"] = row[3] }, stored, row[2])
      assert.same(row[4], cfg.categories[1].name)
    end)
  end
end)

describe("a category", function()
  it("changes its group, and loses its lead status with it", function()
    local _, cfg = submit(MIXED, { ["category.1.group"] = "partner" })
    assert.same({ "partner", nil }, { cfg.categories[1].group, cfg.categories[1].lead_status })
    _, cfg = submit(MIXED, { ["category.4.lead_status"] = "on", ["category.2.group"] = "nonsense" })
    assert.is_true(cfg.categories[4].lead_status)
    assert.equal("potential_customer", cfg.categories[2].group)
  end)

  it("is added behind the others, and stored with a plain name", function()
    local _, cfg, edit = submit(MIXED, { ["do"] = "add_category" })
    assert.same({ id = 9, rank = 9, name = "", group = "potential_customer" }, cfg.categories[9])
    assert.same({ [9] = true }, edit.added.category)
    assert.equal("category.9.name", edit.focus)
    local shown = html(cfg, { edit = edit })
    assert.matches('autofocus[^>]*name="category.9.name"', shown)
    local fields = forms.fields(shown)
    fields["category.9.name"], fields["category.9.group"], fields["do"] = " Vendor ", "partner", "save"
    fields["rule.sale_won.set_category"] = "9"
    _, cfg = settings_form.read(fields, MIXED, "no")
    assert.same({ id = 9, rank = 9, name = "Vendor", group = "partner" }, cfg.categories[9])
    assert.equal(9, rule(cfg, "sale_won").set_category)
    assert.same({}, check.problems { categories = cfg.categories })
  end)

  it("is another one than what somebody else has added meanwhile", function()
    local _, cfg, edit = submit(MIXED, { ["do"] = "add_category" })
    local fields, newest = forms.fields(html(cfg, { edit = edit })), config.copy(MIXED)
    fields["category.9.name"], fields["rule.sale_won.set_category"], fields["do"] = "Mine", "9", "save"
    newest.categories[9] = { id = 9, name = "Theirs", group = "other" }
    _, cfg, edit = settings_form.read(fields, newest, "en")
    assert.same({ "Theirs", "Mine" }, { cfg.categories[9].name, cfg.categories[10].name })
    assert.equal(10, rule(cfg, "sale_won").set_category)
    assert.same({ [10] = true }, edit.added.category)
  end)

  it("vanishes when it is new and deleted, also from the rules", function()
    local _, cfg, edit = submit(MIXED, { ["do"] = "add_category" })
    local fields = forms.fields(html(cfg, { edit = edit }))
    fields["rule.sale_won.set_category"], fields["do"] = "9", "delete_category.9"
    _, cfg, edit = settings_form.read(fields, MIXED, "en")
    assert.same(MIXED.categories, cfg.categories)
    assert.is_nil(rule(cfg, "sale_won").set_category)
    assert.equal("add_category", edit.focus)
  end)

  it("is deleted and restored with what was typed", function()
    local _, cfg = submit(MIXED, { ["do"] = "delete_category.2", ["category.2.name"] = "MQL" })
    assert.is_true(cfg.categories[2].deleted)
    local fields = forms.fields(html(cfg))
    assert.is_nil(html(cfg):match '<input[^>]*type="text"[^>]*value="MQL"')
    fields["do"] = "save"
    _, cfg = settings_form.read(fields, MIXED, "en")
    assert.is_true(cfg.categories[2].deleted)
    fields["do"] = "restore_category.2"
    local _, restored, edit = settings_form.read(fields, MIXED, "en")
    assert.is_nil(restored.categories[2].deleted)
    assert.same({ "MQL", true, "category.2.name" },
      { restored.categories[2].name.en, restored.categories[2].lead_status, edit.focus })
  end)

  it("has an id of its own even behind the highest one", function()
    local cfg = config.normalize {
      categories = { { id = 2147483647, name = "Last", group = "other", rank = 2147483647 } },
    }
    local _, edited = submit(cfg, { ["do"] = "add_category" })
    assert.same({ id = 2147483646, name = "", group = "potential_customer" }, edited.categories[2])
  end)
end)

describe("a lead status", function()
  it("is added, described and deleted", function()
    local _, cfg, edit = submit(MIXED, {
      ["do"] = "add_lead_status", ["lead_status.1.description"] = "", ["lead_status.2.description"] = "Calls",
    })
    assert.same({ id = 6, rank = 6, name = "" }, cfg.lead_statuses[6])
    assert.same({ "", "Calls" }, { cfg.lead_statuses[1].description.en, cfg.lead_statuses[2].description.en })
    assert.same({ { [6] = true }, "lead_status.6.name" }, { edit.added.lead_status, edit.focus })
    local fields = forms.fields(html(cfg, { edit = edit }))
    fields["lead_status.6.name"], fields["lead_status.6.description"] = "Sleeping", "Zzz"
    fields["do"] = "delete_lead_status.1"
    _, cfg = settings_form.read(fields, MIXED, "en")
    assert.same({ id = 6, rank = 6, name = "Sleeping", description = "Zzz" }, cfg.lead_statuses[6])
    assert.is_true(cfg.lead_statuses[1].deleted)
  end)
end)

describe("whatever a client sends", function()
  local NAMES = {
    "", ".", "..", "rule", "rule.", "rule.sale_won", "rule.x.enabled", "rule.sale_won.enabled.x",
    "rule.lead_status_set.ask", "status_rule.0.ask", "status_rule.01.ask", "status_rule.-1.ask",
    "status_rule.1e3.lead_status",
    "status_rule.99999999999999999999.ask", "status_rule.2147483648.ask", "category.1", "category..name",
    "category.1.id", "category.1.rank", "category.1.deleted", "category.77.group", "category.78.deleted",
    "category.79.new", "category.5.new", "lead_status.1.new", "lead_status.1.name.en", "other.1.name",
    "revision", "do", "\0", "\255.1.name",
  }
  local VALUES = {
    "", "on", "0", "-1", "1", "2147483648", "99999999999999999999", "1.5", "0x1", "nan", "\0\255", ("9"):rep(1000),
    "add_category", "addx_category", "add_status_rule", "restore_category", "restore_category.9", "delete_category.1.2",
    "remove_status_rule", "delete_lead_status.99999999999", "add_rule", "_", "cancel.", "save",
  }
  for _, cfg in ipairs { MIXED, config.normalize {} } do
    it(("is read without a mistake (%d categories)"):format(#cfg.categories), function()
      local every = 20 / times(20)
      for i, name in ipairs(NAMES) do
        for j = 1 + i % every, #VALUES, every do
          local value = VALUES[j]
          local ok, action, edited = pcall(settings_form.read, { [name] = value, ["do"] = value }, cfg, "en")
          assert.is_true(ok, action)
          assert.is_string(html(edited))
          for _, problem in ipairs(check.problems(edited)) do
            assert.not_equal("wrong_type", problem.code, problem.message)
          end
          settings_form.revision { revision = value }
        end
      end
    end)
  end

  it("is read also when it is no form", function()
    for _, fields in ipairs { {}, { 1, 2 }, { [true] = "a", ["rule.sale_won.enabled"] = {}, ["do"] = {} }, "x", 1 } do
      local action, cfg = settings_form.read(fields, MIXED, nil)
      assert.equal("edit", action)
      assert.same(MIXED, cfg)
      assert.is_nil(settings_form.revision(fields))
    end
    assert.equal("edit", (settings_form.read(nil, MIXED)))
  end)

  it("makes no more than 10,000 rows", function()
    local fields = { ["rule.lead_status_set.enabled"] = "on", ["do"] = "add_status_rule" }
    for i = 1, 30000 do
      fields[("status_rule.%d.lead_status"):format(i)] = ""
      fields[("category.%d.name"):format(i + 100)] = (" "):rep(10) .. "x"
    end
    local _, cfg = settings_form.read(fields, preset.get "superoffice", "en")
    assert.is_true(#cfg.rules <= 10003 and #cfg.categories <= 10008)
  end)

  it("says from which revision the form is, if any", function()
    local ROWS = { { "0", 0 }, { "7", 7 }, { "007", 7 }, { "-1" }, { "1.5" }, { "" }, { ("9"):rep(16) }, { "9e9" } }
    for _, row in ipairs(ROWS) do
      assert.equal(row[2], settings_form.revision { revision = row[1] })
    end
  end)
end)

describe("the page", function()
  it("has one folded part a card, which tells what is in it", function()
    local shown = html(preset.get "tiers")
    assert.matches('<details class="leadcat%-more leadcat%-has%-more"><summary>'
      .. '<span class="leadcat%-more%-label">Conditions and further rules</span> '
      .. '<span class="leadcat%-muted">Only when sale%.amount is at least 100000%. Further rules: 2%.</span>', shown)
    assert.matches("Bare når sale%.amount er minst 100000%.", html(preset.get "tiers", { language = "no" }))
    assert.is_nil(html(preset.get "superoffice"):find("leadcat-has-more", 1, true))
    assert.equal(4, select(2, html(preset.get "superoffice"):gsub('<details class="leadcat%-more">', "")))
    local of_status = { trigger = "lead_status_set", lead_status = 5, enabled = true, set_category = 3 }
    of_status.when = { { { field = "contact.role", is = "known" } } }
    assert.matches('leadcat%-muted">Rows with conditions: 1%.</span>', html(with_rules { of_status }))
  end)

  local LABELS = {
    en = {
      "Lead categorization", "Settings and maintenance › Workflow", "Update category when a sale is won",
      "Update category when a sale is lost", "Update category when a sale is registered with the company",
      "Update category when a lead status is set to", "Set category to", "Ask for user confirmation before updating",
      ">Save<", ">Cancel<",
    },
    no = {
      "Lead-kategorisering", "Innstillinger og vedlikehold › Arbeidsflyt", "Oppdater kategori når et salg er vunnet",
      "Oppdater kategori når et salg er tapt", "Oppdater kategori når et salg registreres hos firmaet",
      "Oppdater kategori når en lead-status settes til", "Sett kategori til",
        "Be om brukerbekreftelse før oppdatering",
      ">Lagre<", ">Avbryt<",
    },
  }
  for language, labels in pairs(LABELS) do
    it("has the labels of the specification in " .. language .. ", in its order", function()
      local shown, position = html(preset.get "superoffice", { language = language }), 1
      for i, label in ipairs(labels) do
        local found = shown:find(label, i > 6 and 1 or position, true)
        assert.is_number(found, label)
        position = found
      end
      assert.matches('<html lang="' .. language_tag.of_page(language) .. '">', shown)
    end)
  end

  for _, language in ipairs(i18n.LANGUAGES) do
    it("has no word of another language in " .. language, function()
      local shown = html(MIXED, { language = language, problems = check.problems { rules = 1 } })
        .. html(MIXED, { language = language, saved = 8 })
      for _, key in ipairs { "set_category", "ask", "sale_won", "saved", "rules_hint", "problem.wrong_type" } do
        local english = STRINGS:text("en", "settings." .. key)
        assert.equal(language == "en", shown:find(english, 1, true) ~= nil, key)
      end
    end)
  end

  it("offers all categories that are not deleted, by group, and the first choice is none", function()
    local cfg = preset.get "superoffice"
    cfg.categories[5].deleted = true
    local list = html(cfg):match '<select[^>]*name="rule.sale_won.set_category".-</select>'
    assert.matches('^<select[^>]*><option selected value="">Choose a category</option>'
      .. '<optgroup label="Potential customer">', list)
    assert.is_nil(list:find(">Customer<", 1, true))
    assert.equal(8, select(2, list:gsub("<option", "")))
  end)

  it("keeps what is chosen but deleted or unknown, and says so", function()
    local cfg = with_rules { { trigger = "sale_won", set_category = 5 }, { trigger = "sale_lost", set_category = 77 } }
    cfg.categories[5].deleted = true
    assert.matches('<option[^>]* selected value="5">Customer %(deleted%)', html(cfg))
    assert.matches('<option[^>]* selected value="77">#77 %(unknown%)', html(cfg))
  end)

  it("names each field once, each id once, and labels every field", function()
    local shown = html(MIXED):gsub("<template.->.-</template>", "")
    local seen = {}
    for id in shown:gmatch ' id="([^"]*)"' do
      assert.is_nil(seen[id], id)
      seen[id] = true
    end
    for id in shown:gmatch ' for="([^"]*)"' do
      assert.is_true(seen[id], id)
    end
  end)

  it("shows every problem above the form and at its field", function()
    local _, cfg = submit(MIXED, {
      ["rule.sale_won.set_category"] = "", ["status_rule.2.enabled"] = "on", ["status_rule.2.lead_status"] = "99",
      ["category.6.name"] = "Lead",
    }, "no")
    local shown = html(cfg, { language = "no", problems = check.problems(cfg) })
    local alert = shown:match '<div class="leadcat%-alert" id="leadcat%-errors" role="alert".-</div>'
    assert.matches('<a href="#leadcat-rule-sale_won-set_category">', alert, 1, true)
    assert.matches("<bdi>Oppdater kategori når et salg er vunnet</bdi></a>: Velg en kategori.", alert, 1, true)
    assert.matches('<a href="#leadcat-status_rule-2-lead_status">', alert, 1, true)
    assert.matches("› Rad 2", alert, 1, true)
    assert.matches('<a href="#leadcat-category-6-name"><bdi>Lead</bdi>', alert, 1, true)
    assert.equal(3, select(2, alert:gsub("<li>", "")))
    assert.equal(3, select(2, shown:gsub('aria%-invalid="true"', "")))
    for id in shown:gmatch 'aria%-describedby="([^"]*)"' do
      assert.matches(' id="' .. id .. '"', shown, 1, true)
    end
  end)

  it("keeps what the CRM calls a category", function()
    local cfg = config.copy(MIXED)
    cfg.categories[1].external = "lead"
    assert.equal("lead", select(2, submit(cfg)).categories[1].external)
  end)

  it("has words for every code, and shows the English message of any other", function()
    local function shown(code)
      return html(MIXED, { language = "no", problems = {
        { path = "rules[2].set_category", code = code, message = "In English.", severity = "error",
          example = { trigger = "sale_won", company = "example", category = 1 } },
      } })
    end
    for code in ("duplicate_id name_required unknown_group lead_status_outside_potential_customer unknown_trigger "
      .. "category_required category_unknown category_deleted lead_status_required lead_status_unknown "
      .. "lead_status_deleted duplicate_name duplicate_external wrong_type out_of_range rule_never_fires rule_hidden "
      .. "rule_cycle rule_can_cycle rule_chain category_dead_end conditions_required unknown_is field_invalid "
      .. "value_required too_many too_long from_required rule_unreachable forward_only_blocks rank_missing "
      .. "conditions_exclude condition_never_holds type_differs"):gmatch "%S+" do
      assert.is_nil(shown(code):find("In English", 1, true), code)
    end
    assert.matches("In English.", shown "new_code", 1, true)
  end)

  it("shows warnings apart, and none that nobody can mend here", function()
    local cfg = with_rules { { trigger = "sale_won", enabled = true, set_category = 1, note = 1 } }
    for i = 2, 4 do
      cfg.categories[i].group, cfg.categories[i].lead_status = "other", nil
    end
    local shown = html(cfg, { problems = check.problems(cfg) })
    assert.is_nil(shown:find('role="alert"', 1, true))
    assert.matches('<div class="leadcat-notice">', shown, 1, true)
    assert.matches("This rule never does anything", shown, 1, true)
    assert.is_nil(shown:find("unknown_field", 1, true) or shown:find("note is", 1, true))
  end)

  it("says where a company goes by rules that work against each other", function()
    local cfg = with_rules {
      { trigger = "sale_lost", enabled = true, set_category = 7 },
      { trigger = "lead_status_set", lead_status = 1, enabled = true, set_category = 1 },
      { trigger = "lead_status_set", lead_status = 5, enabled = true, set_category = 3 },
    }
    local shown = html(cfg, { language = "no", problems = check.problems(cfg) })
    assert.matches("Fra Salgsmulighet, som denne regelen setter, fører «Oppdater kategori når en lead-status settes "
      .. "til Åpen» tilbake til Lead: ", shown, 1, true)
    assert.is_nil(shown:find("data-leadcat-edited", 1, true))
  end)

  it("shows problems of anything at all", function()
    local paths = { "config", "rules", "rules[99]", "rules[1]", "categories[1].id", "categories[1].name.en", "x[1].y",
      "lead_statuses[1].description.no", "rules[1].\"a\"", "rules[2].trigger", "" }
    for _, path in ipairs(paths) do
      local problems = { { path = path, code = "wrong_type", message = path .. " is wrong", severity = "error" } }
      assert.matches('role="alert"', html(MIXED, { problems = problems }), 1, true)
    end
  end)

  it("says what somebody else has saved, and carries the newest revision", function()
    local shown = html(MIXED, { changes = { "A <b> was renamed." }, revision = 12 })
    assert.matches("A &lt;b&gt; was renamed.", shown, 1, true)
    assert.matches("Your own changes are not saved yet", shown, 1, true)
    assert.equal("12", forms.fields(shown).revision)
    assert.matches("Nothing shown on this page changed.", html(MIXED, { changes = {} }), 1, true)
  end)

  it("says that it is saved", function()
    assert.matches('role="status">Settings saved.', html(MIXED, { saved = 8 }), 1, true)
    assert.matches('role="status"></p>', html(MIXED), 1, true)
  end)

  it("is only to be read without a license, and says so", function()
    local shown = html(MIXED, { licensed = false })
    assert.matches("no license", shown, 1, true)
    assert.matches("<fieldset[^>]* disabled>", shown)
    assert.is_nil(shown:find("<form", 1, true) or shown:find('value="save"', 1, true) or shown:find("<script", 1, true))
  end)

  it("is a sentence for who is no administrator", function()
    local shown = settings.forbidden { strings = STRINGS, language = "no" }
    assert.matches("Bare administratorer", shown, 1, true)
    assert.is_nil(shown:find("<form", 1, true))
  end)

  it("posts to where it is served, and loads its files from there", function()
    local shown = html(MIXED, { base = "/crm/x" })
    for _, text in ipairs { 'action="/crm/x/settings"', 'href="/crm/x/leadcat.css"', 'src="/crm/x/settings.js"' } do
      assert.matches(text, shown, 1, true)
    end
  end)

  for name, text in pairs(views.HOSTILE) do
    it("keeps a hostile name a name: " .. name, function()
      local cfg = preset.get "superoffice"
      cfg.categories[1].name, cfg.lead_statuses[1].description = text, text
      local shown = html(cfg, { changes = { text }, problems = {
        { path = "categories[1].name", code = "x", message = text, severity = "error" },
      } })
      assert.is_nil(shown:find("<script>", 1, true) or shown:find("<img", 1, true) or shown:find("<iframe", 1, true))
    end)
  end

  it("has one head for all pages, and refuses what it does not know", function()
    local MISUSE = {
      { nil, "a table expected" }, { { title = "a", language = "en" }, "main is missing" },
      { { title = "a", language = "en", main = {}, icon = "x" }, "unknown field" },
      { { title = 1, language = "en", main = {} }, "wrong type" },
    }
    for _, row in ipairs(MISUSE) do
      local ok, message = pcall(page.document, row[1])
      assert.is_false(ok)
      assert.matches(row[2], message)
    end
    assert.is_false((pcall(settings.html, {})))
    assert.is_false((pcall(settings.forbidden)))
  end)
end)

describe("what changed", function()
  local function item(list, id, fields)
    return function(cfg)
      for name, value in pairs(fields) do
        config.find(cfg[list], id)[name] = value or nil
      end
    end
  end
  local function set_rules(rules)
    return function(cfg)
      cfg.rules = rules
    end
  end
  local WON = "“Update category when a sale is won”"
  local QUALIFIED = "“Update category when a lead status is set to Qualified”"
  -- The change, the sentences.
  local ROWS = {
    { function() end },
    { set_rules { { trigger = "sale_won", enabled = true, set_category = 5, ask = true } }, WON .. " was switched on.",
      WON .. " now sets the category to Customer.", WON .. " now asks the user for confirmation." },
    { set_rules {} },
    { set_rules { { trigger = "sale_won", set_category = 6 } }, WON .. " now sets the category to Partner." },
    { set_rules { { trigger = "lead_status_set", lead_status = 5, enabled = true, set_category = 99 } },
      QUALIFIED .. " was added.", QUALIFIED .. " now sets the category to #99." },
    { set_rules { { trigger = "lead_status_set", enabled = true } } },
    { set_rules { { trigger = "sale_deleted", enabled = true, take_back = true } },
      "“Update category when a sale is deleted” was switched on.",
      "“Update category when a sale is deleted” now takes back what the sale changed." },
    { item("categories", 1, { name = "Prospect" }), "The category Lead was renamed to Prospect." },
    { item("categories", 1, { name = { en = "Lead", no = "Emne" } }),
      "The name of the category Lead was changed in another language." },
    { item("categories", 1, { description = "x" }), "The description of the category Lead was changed." },
    { item("categories", 1, { external = "x" }), "The id of the category Lead in the CRM was changed." },
    { item("lead_statuses", 5, { external = "x" }), "The id of the lead status Qualified in the CRM was changed." },
    { item("categories", 1, { group = "other", lead_status = false }),
      "The category Lead was moved to the group Other.", "Lead status was disabled for the category Lead." },
    { item("categories", 4, { lead_status = true }), "Lead status was enabled for the category Lost opportunity." },
    { item("categories", 1, { deleted = true }), "The category Lead was deleted." },
    { item("categories", 1, { rank = 20 }), "The order of the categories was changed." },
    { function(cfg) table.remove(cfg.categories, 1) end, "The category Lead was deleted." },
    { function(cfg) cfg.categories[9] = { id = 9, name = "New", group = "other" } end, "The category New was added." },
    { function(cfg) cfg.categories[9] = { id = 9, name = "New", group = "other", deleted = true } end },
    { item("lead_statuses", 5, { name = "Ready", description = false }),
      "The lead status Qualified was renamed to Ready.",
      "The description of the lead status Ready was changed." },
    { item("lead_statuses", 5, { deleted = true }), "The lead status Qualified was deleted." },
    { item("lead_statuses", 5, { rank = false }), "The order of the lead statuses was changed." },
  }
  for i, row in ipairs(ROWS) do
    it(("is said in sentences (%d)"):format(i), function()
      local old = preset.get "superoffice"
      local new = config.copy(old)
      row[1](new)
      assert.same({ unpack(row, 2) }, difference.sentences(old, new, STRINGS, "en"))
    end)
  end

  it("is said of what is taken back, too", function()
    local old, new = with_rules { MIXED.rules[1], MIXED.rules[2] }, with_rules {}
    old.categories[1].deleted = true
    assert.same({
      "«Oppdater kategori når et salg er vunnet» ble slått av.",
      "«Oppdater kategori når et salg er vunnet» har ikke lenger noen kategori.",
      "«Oppdater kategori når et salg er vunnet» ber ikke lenger om brukerbekreftelse.",
      "Kategorien Lead ble gjenopprettet.",
    }, { unpack(difference.sentences(old, new, STRINGS, "no"), 2) })
    assert.same({ "«Oppdater kategori når en lead-status settes til Kvalifisert» ble fjernet." },
      { difference.sentences(old, new, STRINGS, "no")[1] })
    local off = config.copy(MIXED)
    off.rules[1].enabled = false
    assert.same({ QUALIFIED .. " was switched off." }, difference.sentences(MIXED, off, STRINGS, "en"))
    assert.same({ QUALIFIED .. " was switched on." }, difference.sentences(off, MIXED, STRINGS, "en"))
  end)

  describe("of rules with conditions", function()
    local function condition(field, is, value)
      return { field = field, is = is, value = value }
    end
    local BIG = { { condition("sale.amount", "at_least", 100000) } }
    local function won(fields)
      local made = { trigger = "sale_won", enabled = true, set_category = 5, ask = false }
      for name, value in pairs(fields) do
        made[name] = value
      end
      return made
    end
    local NAME, NUMBER = "“Update category when a sale is won › Big sales”",
      "“Update category when a sale is won › #7”"
    local ANY = { groups = { "customer", "lost" }, categories = { 1, 99 } }
    local MANY = { {}, {} }
    for i = 1, 10 do
      MANY[i % 2 + 1][#MANY[i % 2 + 1] + 1] = condition("sale.n", "above", i)
    end

    -- The old rules, the new ones, the sentences.
    for i, row in ipairs {
      { { won { id = 7 } }, { won { id = 7 } } },
      { {}, { won { id = 7 } }, NUMBER .. " was added.", NUMBER .. " now sets the category to Customer." },
      { { won { id = 7, name = "Big sales" } }, {}, NAME .. " was removed." },
      { { won { id = 7 } }, { won { id = 7, name = { en = "Big sales" } } }, NUMBER .. " is now called " .. NAME
        .. "." },
      { { won { name = { en = "Big sales" } } }, { won { name = { en = "Big sales", no = "Store salg" } } },
        "The name of " .. NAME .. " was changed in another language." },
      { { won { id = 7 } }, { won { id = 7, from = ANY } },
        NUMBER .. " now starts from: all of the group Customer, all of the group Lost, Lead, #99." },
      { { won { id = 7, from = ANY } }, { won { id = 7 } },
        NUMBER .. " now starts from: all of the group Potential customer." },
      { { won { id = 7 } }, { won { id = 7, when = BIG } },
        NUMBER .. " now applies only when sale.amount is at least 100000." },
      { { won { when = BIG } }, { won {} }, WON .. " now applies without conditions." },
      { { won {} }, { won { when = { { condition("category", "one_of", { 1, 2 }), condition("a", "equals", false) },
        { condition("company.country", "none_of", { "a", "b", "c", "d", "e", "f" }),
          condition("category.rank", "known") } } } },
        WON .. " now applies only when the category is one of Lead, Marketing qualified lead and a is no, or "
          .. "company.country is none of “a”, “b”, “c”, “d”, “e”, … and "
          .. "the rank of the category is known." },
      { { won {} }, { won { when = MANY } }, WON
        .. " now applies only when sale.n is above 2 and sale.n is above 4 and "
        .. "sale.n is above 6 and sale.n is above 8 and sale.n is above 10, or sale.n is above 1 and "
        .. "sale.n is above 3 and sale.n is above 5 …." },
      { { won {} }, { won { forward_only = true } }, WON .. " now never leads to a category of a lower rank." },
      { { won { forward_only = true } }, { won { forward_only = false } },
        WON .. " may now lead to a category of a lower rank." },
      { { { trigger = "sale_deleted", take_back = true } }, { { trigger = "sale_deleted", set_category = 6 } },
        "“Update category when a sale is deleted” no longer takes back what the sale changed.",
        "“Update category when a sale is deleted” now sets the category to Partner." },
      { { won {} }, { won { after = { days = 1 } } }, WON .. " now decides 1 day after the event." },
      { { won { after = { days = 1 } } }, { won { after = { hours = 24 } } },
        WON .. " now decides 24 hours after the event." },
      { { won { after = { days = 1 } } }, { won {} }, WON .. " now decides at once." },
      { { won { id = 7 }, won {} }, { won {}, won { id = 7 } }, "The order of the rules for " .. WON
        .. " was changed." },
      { { won { id = 7 }, won {} }, { won { id = 8 }, won {}, { trigger = "sale_lost" } },
        "“Update category when a sale is won › #8” was added.",
        "“Update category when a sale is won › #8” now sets the category to Customer.", NUMBER
          .. " was removed." },
    } do
      it(("is said in sentences (%d)"):format(i), function()
        local old, new = with_rules(row[1]), with_rules(row[2])
        local said = difference.sentences(old, new, STRINGS, "en")
        for j, sentence in ipairs(said) do
          said[j] = sentence:gsub("\226\129[\168\169]", "") -- the isolates around names
        end
        assert.same({ unpack(row, 3) }, said)
      end)
    end

    it("has words for each comparison, in every language", function()
      local list = {}
      for _, is in ipairs(conditions.IS) do
        local value = is:find "one" and { "x", 7, true } or not is:find "known" and "x" or nil
        list[#list + 1] = { condition("category", is, value) }
      end
      for _, language in ipairs(i18n.LANGUAGES) do
        for i = 1, #list, 4 do
          local when = { list[i], list[i + 1], list[i + 2], list[i + 3] }
          local said = difference.sentences(with_rules { won {} }, with_rules { won { when = when } }, STRINGS,
            language)
          assert.equal(1, #said)
        end
      end
    end)
  end)

  it("has sentences in every language", function()
    for _, language in ipairs(i18n.LANGUAGES) do
      assert.is_true(#difference.sentences(config.normalize {}, MIXED, STRINGS, language) > 10)
    end
  end)
end)
