-- The lists of categories and lead statuses in a submitted form: order, names in other languages, the default lead status,
-- and what rules use.

local check = require "leadcat.rules.check"
local config = require "leadcat.rules.config"
local difference = require "leadcat.rules.difference"
local i18n = require "leadcat.words.i18n"
local preset = require "leadcat.rules.preset"
local settings_form = require "leadcat.pages.settings_form"

local function stored(change)
  local cfg = config.normalize(preset.get "superoffice")
  cfg.rules = { { trigger = "sale_won", enabled = false, set_category = 5, ask = false } }
  if change then
    change(cfg)
  end
  return cfg
end

local function submit(cfg, fields, language)
  return settings_form.read(fields, cfg, language or "en")
end

local function codes(cfg)
  local found = {}
  for i, problem in ipairs(check.problems(cfg)) do
    found[i] = problem.severity == "error" and problem.code or nil
  end
  return found
end

describe("the lists of the settings", function()
  it("swap neighbours; where ranks are missing or the same, all get new ones", function()
    local _, cfg, edit = submit(stored(), { ["do"] = "lower_category.1" })
    assert.same({ 2, 1, 3 }, { cfg.categories[1].rank, cfg.categories[2].rank, cfg.categories[3].rank })
    assert.equal("lower_category.1", edit.focus)
    _, cfg = submit(stored(function(old)
      for _, category in ipairs(old.categories) do
        category.rank = category.id > 2 and 7 or nil
      end
    end), { ["do"] = "raise_category.1" })
    assert.same({ 8, 6, 1 }, { cfg.categories[2].rank, cfg.categories[1].rank, cfg.categories[3].rank })
    for _, button in ipairs { "raise_category.1", "lower_category.8", "lower_category.99", "raise_lead_status.1" } do
      _, cfg = submit(stored(), { ["do"] = button })
      assert.same(stored(), cfg)
    end
  end)

  it("have names in other languages", function()
    local old = stored(function(cfg) cfg.categories[1].name = "One" end)
    local _, cfg = submit(old, { ["category.1.name"] = "One", ["category.1.name.de"] = " Eins ",
      ["category.2.name.no"] = "", ["category.2.name.xx"] = "", ["category.3.name.x"] = "lost" })
    assert.same({ en = "One", de = "Eins" }, cfg.categories[1].name)
    assert.is_nil(cfg.categories[2].name.no)
    assert.same(old.categories[3], cfg.categories[3])
    _, cfg = submit(old, { ["category.1.name"] = "En", ["category.1.name.en"] = "One" }, "no")
    assert.same({ no = "En", en = "One" }, cfg.categories[1].name)
  end)

  it("have one lead status that contacts begin with, which is not deleted", function()
    local _, cfg = submit(stored(), { default_lead_status = "2" })
    assert.same({ nil, true }, { cfg.lead_statuses[1].default, cfg.lead_statuses[2].default })
    assert.same({}, codes(cfg))
    local again
    _, again = submit(cfg, { default_lead_status = "3" })
    assert.is_nil(again.lead_statuses[2].default)
    assert.is_true(again.lead_statuses[3].default)
    _, again = submit(cfg, {})
    assert.is_true(again.lead_statuses[2].default)
    cfg.lead_statuses[3].default = true
    assert.same({ "default_twice" }, codes(cfg))
    cfg.lead_statuses[3].default, cfg.lead_statuses[2].deleted = nil, true
    assert.same({ "default_deleted" }, codes(cfg))
    assert.same({ "Contacts now begin with the lead status Disqualified." },
      difference.sentences(stored(), select(2, submit(stored(), { default_lead_status = "3" })), i18n.new(), "en"))
  end)

  it("delete what rules name only when that is confirmed", function()
    local _, cfg, edit = submit(stored(), { ["do"] = "delete_category.5", ["category.5.name"] = "Customer" })
    assert.same({ nil, { kind = "category", id = 5 }, "drop_category.5" },
      { cfg.categories[5].deleted, edit.confirm, edit.focus })
    _, cfg, edit = submit(stored(), { ["do"] = "drop_category.5", ["category.5.name"] = "Customer" })
    assert.same({ true, nil }, { cfg.categories[5].deleted, edit.confirm })
    _, cfg, edit = submit(stored(), { ["do"] = "delete_category.6", ["category.6.name"] = "Partner" })
    assert.same({ true, nil }, { cfg.categories[6].deleted, edit.confirm })
  end)
end)
