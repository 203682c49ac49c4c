-- What two administrators have changed at the same time, put together field by field.

local config = require "leadcat.rules.config"
local json = require "leadcat.util.json"
local merge = require "leadcat.rules.merge"
local preset = require "leadcat.rules.preset"

local CATEGORIES = 8 -- of the preset

local function changed(change)
  local cfg = config.normalize(preset.get "superoffice")
  cfg.rules[#cfg.rules + 1] = { trigger = "sale_won", id = 4, enabled = true, set_category = 5, ask = false }
  if change then
    change(cfg)
  end
  return config.normalize(cfg)
end

local BASE = changed()

local function merged(theirs, mine)
  return merge.configs(BASE, changed(theirs), changed(mine))
end

local function rule_with(cfg, id)
  for i, rule in ipairs(cfg.rules) do
    if rule.id == id then
      return rule, i
    end
  end
end

describe("what two have made of a config", function()
  it("is what one has made of it, when the other has done nothing", function()
    local function change(cfg)
      cfg.categories[1].name.no, cfg.categories[2].group, cfg.categories[3].deleted = "Ny", "other", true
      cfg.lead_statuses[1].description = nil
      rule_with(cfg, 4).when = { { { field = "sale.amount", is = "above", value = 5 } } }
      table.insert(cfg.rules, 1, { trigger = "sale_won", id = 9, enabled = true, set_category = 6, ask = true })
      cfg.categories[9] = { id = 9, name = "Ninth", group = "other", rank = 0 }
    end
    for _, both in ipairs { { change, nil }, { nil, change }, { change, change } } do
      local result, conflicts = merged(both[1], both[2])
      assert.same({}, conflicts)
      assert.is_true(merge.is_same(changed(change), result), json.encode(result))
    end
  end)

  it("has the fields that each has changed, also in one rule, and one name in two languages", function()
    local result, conflicts = merged(function(cfg)
      rule_with(cfg, 4).ask, cfg.categories[1].name.de = true, "Anders"
      cfg.categories[2].deleted = true
    end, function(cfg)
      rule_with(cfg, 4).set_category, cfg.categories[1].name.no = 6, "Annerledes"
      cfg.categories[3].lead_status = nil
    end)
    assert.same({}, conflicts)
    assert.same({ true, 6 }, { rule_with(result, 4).ask, rule_with(result, 4).set_category })
    assert.same({ "Anders", "Annerledes" }, { result.categories[1].name.de, result.categories[1].name.no })
    assert.same({ true, nil }, { result.categories[2].deleted, result.categories[3].lead_status })
  end)

  it("has what each has added, in the order of each", function()
    local result, conflicts = merged(function(cfg)
      cfg.categories[CATEGORIES + 1] = { id = 20, name = "Theirs", group = "other", rank = 9 }
      table.insert(cfg.rules, 1, { trigger = "sale_won", id = 20, enabled = true, set_category = 6, ask = false })
    end, function(cfg)
      cfg.categories[CATEGORIES + 1] = { id = 21, name = "Mine", group = "other", rank = 10 }
      table.insert(cfg.rules, { trigger = "sale_won", id = 21, enabled = true, set_category = 7, ask = false })
    end)
    assert.same({}, conflicts)
    assert.same({ "Theirs", "Mine" },
      { config.find(result.categories, 20).name, config.find(result.categories, 21).name })
    assert.equal(CATEGORIES + 2, #result.categories)
    local _, first = rule_with(result, 20)
    local _, second = rule_with(result, 4)
    local _, last = rule_with(result, 21)
    assert.is_true(first < second and second < last)
  end)

  local CONFLICTS = {
    ["rules.sale_won#4.set_category"] = function(cfg, value) rule_with(cfg, 4).set_category = value end,
    ["categories.1.name.en"] = function(cfg, value) cfg.categories[1].name.en = "Name " .. value end,
    ["categories.all.order"] = function(cfg, value)
      cfg.categories[1].rank, cfg.categories[value].rank = cfg.categories[value].rank, cfg.categories[1].rank
    end,
    ["rules.sale_won#4.exists"] = function(cfg, value)
      local rule, i = rule_with(cfg, 4)
      rule.ask = true
      if value == 3 then
        table.remove(cfg.rules, i)
      end
    end,
  }
  for path, change in pairs(CONFLICTS) do
    for _, values in ipairs { { 2, 3 }, { 3, 2 } } do
      it(("asks about what both have changed: %s, %d and %d"):format(path, values[1], values[2]), function()
        local function theirs(cfg) change(cfg, values[1]) end
        local function mine(cfg) change(cfg, values[2]) end
        local result, conflicts = merged(theirs, mine)
        assert.same({ path }, conflicts)
        assert.is_true(merge.is_same(changed(mine), result), "mine stands until something else is chosen")
        assert.is_true(merge.differs(result, changed(theirs), path))
        merge.choose(result, changed(theirs), path)
        assert.is_true(merge.is_same(changed(theirs), result))
        assert.is_false(merge.differs(result, changed(theirs), path))
      end)
    end
  end

  it("is not changed by a path that names nothing", function()
    for _, path in ipairs { "", ".", "rules", "rules.x.y", "categories.1", "x.1.name", "categories.99.name",
      "rules..exists", "categories.1.id", "categories.1.name.", ("x"):rep(1e4), "rules.sale_won#4.\0" } do
      local cfg = changed()
      merge.choose(cfg, changed(function(other) other.categories[1].name.en = "Other" end), path)
      assert.is_true(merge.is_same(BASE, cfg), path)
    end
  end)
end)
