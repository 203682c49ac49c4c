--- Long lists on the settings tab: the page has some of their rows, what it has not stays as it is saved, and what was
-- edited goes with it from page to page. Random edits on random pages, beside the same edits of the config itself.

local check = require "leadcat.rules.check"
local config = require "leadcat.rules.config"
local forms = require "support.forms"
local i18n = require "leadcat.words.i18n"
local settings_form = require "leadcat.pages.settings_form"
local settings_page = require "support.settings_page"
local times = require "support.times"

local html = settings_page.html

-- A config with so many lead statuses, each with a rule unless it is one of the first three.
local function long(count, change)
  local rules = { { trigger = "sale_won", enabled = true, set_category = 5, ask = false } }
  for i = 4, count do
    rules[#rules + 1] = { trigger = "lead_status_set", lead_status = i, enabled = true, set_category = i % 3 + 5,
      ask = i % 2 == 0, note = "kept " .. i }
  end
  local cfg = settings_page.with_rules(rules)
  cfg.lead_statuses = {}
  for i = 1, count do
    cfg.lead_statuses[i] = { id = i, name = ("Status %d."):format(i), rank = i, note = "kept" }
  end
  if change then
    change(cfg)
  end
  return config.normalize(cfg)
end

-- A reader of the page: what is stored, and the form that he has.
local function open(stored)
  local reader = { stored = stored, config = stored }
  function reader.page()
    return html(reader.config, { edit = reader.edit, stored = reader.edit and stored })
  end
  -- Changes fields (false: not sent) and presses a button.
  function reader.press(button, changes)
    local fields = forms.fields(reader.page())
    for name, value in pairs(changes or {}) do
      fields[name] = value or nil
    end
    fields["do"] = button
    reader.action, reader.config, reader.edit = settings_form.read(fields, stored, "en")
    return reader.config
  end
  return reader
end

local function count(page, pattern)
  return select(2, page:gsub(pattern, ""))
end

local ROW, ITEM = '<fieldset class="leadcat%-row leadcat%-status%-row"', 'leadcat%-item%-lead_status"'

describe("a long list on the settings tab", function()
  it("is shown by pages, in a page that is small", function()
    local reader = open(long(1003))
    local page = reader.page()
    assert.same({ 25, 50 }, { count(page, ROW), count(page, ITEM) })
    assert.is_true(#page < 400000, #page)
    assert.matches("1–25 of \226\129\1681\226\128\175000\226\129\169", page, 1, true)
    assert.same(reader.stored, reader.press "save")
    for _, row in ipairs { { 2, "26–50", "status_rule.26.set_category" }, { 40, "976–", "status_rule.1000.ask" } } do
      reader.press("page_status_rule." .. row[1])
      page = reader.page()
      assert.matches(row[2], page, 1, true)
      assert.matches('name="' .. row[3] .. '"', page, 1, true)
      assert.equal(25, count(page, ROW))
      assert.matches('autofocus id="leadcat-page-status_rule"', page, 1, true)
      assert.same(reader.stored, reader.press "save")
    end
  end)

  it("is whole where it is not long, without a search", function()
    local page = html(long(27))
    assert.same({ 24, 27, 0, 0 }, { count(page, ROW), count(page, ITEM), count(page, "leadcat%-find"),
      count(page, "leadcat%-pages") })
  end)

  it("is searched by a part of a name, in any case", function()
    local reader = open(long(1003))
    reader.press("search_lead_status", { ["search.lead_status"] = " STATUS 77" })
    local page = reader.page()
    assert.same({ 25, 11 }, { count(page, ROW), count(page, ITEM) })
    assert.matches('autofocus dir="auto" id="leadcat-search-lead_status"', page, 1, true)
    reader.press("page_status_rule.3", { ["search.status_rule"] = "status 7" })
    reader.press("show", { ["search.status_rule"] = "status 77" }) -- what Enter does without JavaScript
    page = reader.page()
    assert.matches("1–11 of 11", page, 1, true)
    assert.equal(11, count(page, ROW))
    reader.press("search_lead_status", { ["search.lead_status"] = "nobody" })
    page = reader.page()
    assert.matches("Nothing is found.", page, 1, true)
    assert.equal(0, count(page, ITEM))
    assert.same(reader.stored, reader.press "save")
  end)

  it("keeps what was edited in the form, wherever one goes", function()
    local reader = open(long(203))
    reader.press("page_status_rule.4", { ["status_rule.2.set_category"] = "1", ["lead_status.3.name"] = "Third" })
    reader.press("page_lead_status.2", { ["status_rule.80.lead_status"] = "2" })
    local page = reader.page()
    assert.same({ 26, 51 }, { count(page, ROW), count(page, ITEM) })
    local cfg = reader.press("save", { ["status_rule.2.ask"] = "on" })
    assert.same({ 1, true, "kept 5" }, { cfg.rules[3].set_category, cfg.rules[3].ask, cfg.rules[3].note })
    assert.same({ 2, "kept 83" }, { cfg.rules[81].lead_status, cfg.rules[81].note })
    assert.equal("Third", cfg.lead_statuses[3].name)
    assert.same({ 201, 203 }, { #cfg.rules, #cfg.lead_statuses })
  end)

  it("follows the switch of its card, page or not; what was off while others were on stays off", function()
    local stored = long(103, function(cfg) cfg.rules[90].enabled = false end)
    local reader = open(stored)
    local function on()
      local found = 0
      for _, rule in ipairs(reader.config.rules) do
        found = found + (rule.trigger == "lead_status_set" and rule.enabled and 1 or 0)
      end
      return found
    end
    reader.press("page_status_rule.2", { ["rule.lead_status_set.enabled"] = false })
    assert.same({ 0, 25 }, { on(), count(reader.page(), ROW) })
    reader.press("page_status_rule.3", { ["rule.lead_status_set.enabled"] = "on" })
    assert.equal(99, on())
    assert.same(stored, reader.press "save")
    stored = long(103, function(cfg)
      for _, rule in ipairs(cfg.rules) do
        rule.enabled = false
      end
    end)
    reader = open(stored)
    reader.press("page_status_rule.2", { ["rule.lead_status_set.enabled"] = "on" })
    assert.same({ 100, 25 }, { on(), count(reader.page(), ROW) })
  end)

  it("is ordered across pages, also where ranks were missing", function()
    local reader = open(long(103))
    reader.press "page_lead_status.2"
    local cfg = reader.press "raise_lead_status.51"
    assert.same({ 51, 50 }, { cfg.lead_statuses[50].rank, cfg.lead_statuses[51].rank })
    reader = open(long(103, function(stored)
      for _, status in ipairs(stored.lead_statuses) do
        status.rank = nil
      end
    end))
    reader.press "lower_lead_status.1"
    assert.is_true(count(reader.page(), ITEM) <= 52)
    cfg = reader.press "save"
    assert.same({ 2, 1, 3, 103 }, { cfg.lead_statuses[1].rank, cfg.lead_statuses[2].rank, cfg.lead_statuses[3].rank,
      cfg.lead_statuses[103].rank })
  end)

  it("shows the first rows with an error, wherever they are, and no link that leads nowhere", function()
    local reader = open(long(1003))
    reader.press("drop_category.6")
    local page = html(reader.config, { edit = reader.edit, stored = reader.stored,
      problems = check.problems(reader.config) })
    assert.is_true(count(page, ROW) <= 50)
    local ids, links = {}, 0
    for id in page:gmatch ' id="([^"]*)"' do
      assert.is_nil(ids[id], id)
      ids[id] = true
    end
    for id in page:gmatch 'href="#([^"]*)"' do
      assert.is_true(ids[id], id)
      links = links + 1
    end
    assert.is_true(links > 25, links)
  end)

  it("is the same after random edits on random pages as after these edits of the config", function()
    for seed = 1, times(3) do
      math.randomseed(seed)
      local stored = long(70)
      local reader, expected = open(stored), config.copy(stored)
      for _ = 1, 6 do
        local sent, fields = {}, forms.fields(reader.page())
        for name in pairs(fields) do
          sent[#sent + 1] = name
        end
        table.sort(sent)
        local changes = {}
        for _ = 1, 3 do
          local name = sent[math.random(#sent)]
          local number = name:match "^status_rule%.(%d+)%.set_category$"
          local status = name:match "^lead_status%.(%d+)%.name$"
          if number and not changes[name] then
            local category = math.random(1, 8)
            changes[name] = ("%d"):format(category)
            expected.rules[tonumber(number) + 1].set_category = category
          elseif status then
            changes[name] = ("Name %d"):format(math.random(1000))
            expected.lead_statuses[tonumber(status)].name = changes[name]
          end
        end
        changes["search.status_rule"] = ({ "", "", "1", "name", "status 7" })[math.random(5)]
        local button
        local removed = math.random(4) == 1
          and sent[math.random(#sent)]:match "^status_rule%.(%d+)%.set_category$"
        if removed then
          button = "remove_status_rule." .. removed
          table.remove(expected.rules, tonumber(removed) + 1)
        else
          button = math.random(2) == 1 and "search_status_rule"
            or ("page_%s.%d"):format(({ "status_rule", "lead_status" })[math.random(2)], math.random(0, 4))
        end
        reader.press(button, changes)
      end
      local saved = reader.press "save"
      for i = 1, math.max(#saved.rules, #expected.rules) do
        assert.same(expected.rules[i], saved.rules[i], "seed " .. seed)
      end
      assert.same(expected, saved, "seed " .. seed)
    end
  end)

  it("says so in six languages", function()
    for _, language in ipairs(i18n.LANGUAGES) do
      local page = html(long(103), { language = language })
      for _, key in ipairs { "search_button", "page_next", "rows_kept" } do
        assert.matches(i18n.new():text(language, "settings." .. key), page, 1, true)
      end
    end
  end)
end)
