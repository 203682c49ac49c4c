--- What the settings tab can say about rules beyond the four switches: conditions, further rules and their order. A config
-- becomes a form, buttons change the form, and what the form does not show stays with its rule.

local condition_row = require "leadcat.pages.condition_row"
local conditions = require "leadcat.rules.conditions"
local check = require "leadcat.rules.check"
local config = require "leadcat.rules.config"
local forms = require "support.forms"
local i18n = require "leadcat.words.i18n"
local json = require "leadcat.util.json"
local preset = require "leadcat.rules.preset"
local settings_form = require "leadcat.pages.settings_form"
local settings_page = require "support.settings_page"
local times = require "support.times"
local views = require "support.views"

local STRINGS = i18n.new()

local FIELDS = {
  { field = "sale.amount", type = "number", name = { en = "Amount", no = "Beløp" } },
  { field = "sale.type", type = "text", options = {
    { value = "new", name = { en = "New business" } }, { value = "renewal", name = "Renewal" }, { value = "upsell" },
  } },
  { field = "sale.closed", type = "date", name = "Closed on" },
  { field = "company.key", type = "boolean", name = "Key account" },
  { field = "company.tags", type = "list", name = "Tags" },
  { field = "company.codes", type = "list", options = { { value = 7 }, { value = 8, name = "Eight" } } },
}

local with_rules, html = settings_page.with_rules, settings_page.html

-- The page is shown, changed as `changes` say (false: not sent) and submitted, as often as there are changes; what the
-- form is applied to is always the stored config.
local function submit(stored, rounds, model)
  local cfg, edit, action = stored, nil, nil
  for _, changes in ipairs(rounds) do
    local shown = {}
    for name, value in pairs(model or {}) do
      shown[name] = value
    end
    shown.edit = edit
    local fields = forms.fields(html(cfg, shown))
    for name, value in pairs(changes) do
      fields[name] = value or nil
    end
    action, cfg, edit = settings_form.read(fields, stored, shown.language or "en")
  end
  return cfg, edit, action
end

local function press(button)
  return { ["do"] = button }
end

local function won(fields)
  local rule = { trigger = "sale_won", enabled = true, set_category = 5, ask = false }
  for name, value in pairs(fields or {}) do
    rule[name] = value
  end
  return rule
end

local function condition(field, is, value)
  return { field = field, is = is, value = value }
end

-- The rules of a trigger in short: "first#7 5? [a is 1, b known | c]".
local function short(cfg, trigger)
  local found = {}
  for _, rule in ipairs(cfg.rules) do
    if rule.trigger == trigger then
      local groups = {}
      for i, group in ipairs(rule.when or {}) do
        local texts = {}
        for j, one in ipairs(group) do
          texts[j] = one.field
        end
        groups[i] = table.concat(texts, " ")
      end
      found[#found + 1] = ("%s%s>%s%s%s"):format(rule.enabled and "" or "-", rule.id and ("#%d"):format(rule.id) or "",
        rule.set_category or "", rule.ask and "?" or "", groups[1] and "[" .. table.concat(groups, "|") .. "]" or "")
    end
  end
  return table.concat(found, " ")
end

describe("a condition as the fields of a form", function()
  local SHOWN = {
    condition("sale.amount", "at_least", 100000), condition("sale.amount", "equals", 0.1),
    condition("sale.amount", "equals", -1e300), condition("sale.amount", "above", 2 ^ 53 + 2),
    condition("sale.name", "contains", "a, b"), condition("sale.name", "equals", "100000"),
    condition("company.key", "equals", true), condition("company.key", "not_equals", false),
    condition("company.key", "one_of", json.array { false }), condition("a", "known"), condition("a", "unknown"),
    condition("a", "one_of", json.array { "x", "y, z" }), condition("a", "none_of", json.array { 1, 2.5 }),
    condition("a", "all_one_of", json.array { "Æ" }), condition("a", "equals"),
  }
  for i, one in ipairs(SHOWN) do
    it(("gives itself again (%d)"):format(i), function()
      assert.same({ one, false }, { condition_row.read(condition_row.write(one)) })
      assert.is_true(condition_row.is_shown(one))
    end)
  end

  local KEPT = {
    condition("a", "equals", " x"), condition("a", "equals", "x\ny"), condition("a", "one_of", json.array { 1, "x" }),
    condition("a", "one_of", json.array { true, false }), condition("a", "equals", ""), condition(" a", "known"),
    { field = "a", is = "known", note = 1 }, condition("a", "one_of", json.array { "x", " " }),
  }
  for i, one in ipairs(KEPT) do
    it(("is kept as it is where they cannot show it (%d)"):format(i), function()
      assert.is_false(condition_row.is_shown(one))
      assert.same(one, (condition_row.read { json = json.encode(one) }))
    end)
  end

  -- The row, the condition's value, whether it was misread.
  local READ = {
    { { type = "number", value = " 100 000 " }, 100000 }, { { type = "number", value = "1\194\160000" }, 1000 },
    { { type = "number", value = "1,5" }, nil, true }, { { type = "number", value = "0x10" }, nil, true },
    { { type = "number", value = "1e999" }, nil, true }, { { type = "number", value = "-0.5" }, -0.5 },
    { { type = "number", value = "" } }, { { type = "text", value = "  " } }, { { type = "text", value = "7" }, "7" },
    { { type = "boolean", answer = "no", value = "x" }, false }, { { type = "boolean", answer = "" } },
    { { type = "boolean" } }, { { type = "nonsense", value = "7" }, "7" }, { { value = "7" }, "7" },
    { { is = "one_of", type = "number", values = "1\r\n\r\n 2 \n" }, { 1, 2 } },
    { { is = "one_of", type = "number", values = "1\r\nx" }, nil, true },
    { { is = "one_of", type = "text", values = "" } }, { { is = "one_of", type = "text" } },
    { { is = "one_of", type = "number", choices = "1", one = { [3] = "9", [1] = "7" }, values = "5" }, { 7, 9 } },
    { { is = "known", value = "7" } }, { { is = "nonsense", value = "7" }, "7" },
  }
  for i, row in ipairs(READ) do
    it(("is read (%d)"):format(i), function()
      row[1].field = "sale.amount"
      local one, misread = condition_row.read(row[1])
      assert.same({ row[2], row[3] or false }, { one.value, misread })
      assert.equal(row[1].is ~= "nonsense" and row[1].is or "equals", one.is)
    end)
  end

  it("is none where there is no field, or JSON that is no condition", function()
    for _, text in ipairs { "", "1", "[]", "{}", '{"field":1,"is":"known"}', '{"field":"a","is":"x"}', "{",
      '{"field":"a","is":"equals","value":{"a":{}}}', '{"field":"a","is":"one_of","value":[[1]]}', "null" } do
      local read = condition_row.read { json = text }
      assert.is_true(read == nil or read.field == "a" and read.value ~= nil)
    end
    assert.is_nil((condition_row.read {}))
  end)
end)

describe("a form that nobody has changed", function()
  local NAMES = { "sale.amount", "sale.type", "sale.closed", "company.key", "company.tags", "company.codes", "category",
    "category.rank", "contact.role" }
  local VALUES = { 1, 2.5, "new", "x", "2026-01-01", true, false, "x\ny", 7, " x", "æ\"<&>'" }

  local function any(list)
    return list[math.random(#list)]
  end

  local function random_condition()
    local one = condition(any(NAMES), any(conditions.IS))
    if one.is:find "one_of" or one.is == "none_of" then
      one.value = json.array {}
      for i = 1, math.random(3) do
        one.value[i] = any(VALUES)
      end
    elseif one.is == "contains" or one.is == "starts_with" then
      one.value = any { "x", "new", "a, b" }
    elseif one.is ~= "known" and one.is ~= "unknown" then
      one.value = any(VALUES)
      one.value = type(one.value) == "boolean" and not one.is:find "equals" and 3 or one.value
    end
    one.note = math.random(8) == 1 and "kept" or nil
    return one
  end

  local function random_when()
    local when = json.array {}
    for i = 1, math.random(3) do
      when[i] = json.array {}
      for j = 1, math.random(3) do
        when[i][j] = random_condition()
      end
    end
    return when
  end

  local function random_rule(id)
    local trigger = any(config.TRIGGERS)
    return {
      trigger = trigger, id = id, set_category = math.random(8), ask = math.random(2) == 1,
      enabled = math.random(2) == 1, lead_status = trigger == "lead_status_set" and math.random(5) or nil,
      when = math.random(2) == 1 and random_when() or nil, forward_only = any { true, false, 1 } == true or nil,
      name = any { "A", { en = "B", no = "C" }, false } or nil,
      from = trigger ~= "lead_status_set" and any { false, { groups = { "customer" } } } or nil,
      note = any { "kept", false } or nil, after = any { { days = 3 }, { hours = 48 }, false } or nil,
    }
  end

  for _, described in ipairs { false, true } do
    it("gives any rules again" .. (described and ", also where the host describes fields" or ""), function()
      math.randomseed(1) -- lists of options in another order than theirs, too
      local tried, made = 0, 0
      while tried < times(20) and made < 200 do
        made = made + 1
        local rules = {}
        for i = 1, math.random(8) do
          rules[i] = random_rule(math.random(3) > 1 and i * 7 % 11 + 1 or nil)
        end
        local cfg = with_rules(rules)
        if not check.has_errors(check.problems(cfg)) then
          for _, language in ipairs { "en", "no", "fi" } do
            local read = submit(cfg, { press "save" }, { language = language, fields = described and FIELDS or nil })
            assert.same(cfg, read)
          end
          tried = tried + 1
        end
      end
      assert.equal(times(20), tried, "so few of 200 configs can be saved")
    end)
  end

  it("gives them again after a button, too", function()
    local cfg = preset.get "tiers"
    local before = json.encode(cfg)
    local read = submit(cfg, { press "add_rule.sale_won", press "remove_rule.sale_won.4",
      press "remove_rule.rule.sale_won.4", press "save" })
    assert.same(config.normalize(cfg), read)
    assert.equal(before, json.encode(cfg))
  end)

  it("gives 1,000 rules again, of which it shows 25, in a page that is small", function()
    local rules = {}
    for i = 1, 1000 do
      rules[i] = won { id = i, set_category = i % 8 + 1, when = { { condition("sale.amount", "at_least", i) } } }
    end
    local cfg = with_rules(rules)
    local shown = html(cfg)
    assert.is_true(#shown < 320000, #shown)
    assert.matches("975 further rules are tried after these", shown, 1, true)
    assert.matches('<a href="/leadcat/api/config">JSON</a>', shown, 1, true)
    assert.same(cfg, submit(cfg, { press "save" }))
    local read, edit = submit(cfg, { press "add_rule.sale_won", { ["do"] = "save",
      ["rule.sale_won.26.set_category"] = "6" } })
    assert.equal(1001, #read.rules)
    assert.same({ 6, nil, 26 }, { read.rules[26].set_category, read.rules[26].id, read.rules[27].id })
    assert.matches('name="rule.sale_won.26.set_category"', html(read, { edit = edit }), 1, true)
    read = submit(cfg, { { ["do"] = "save", ["rule.sale_won.enabled"] = false } })
    for _, rule in ipairs(read.rules) do
      assert.is_false(rule.enabled)
    end
  end)
end)

describe("where a rule starts", function()
  local POTENTIAL, CUSTOMER = "group.potential_customer", "group.customer"
  -- Before, what is ticked (true) and no longer ticked (false), and then.
  for i, row in ipairs {
    { nil, {}, nil }, { nil, { [CUSTOMER] = true }, { groups = { "customer", "potential_customer" } } },
    { nil, { [POTENTIAL] = false, ["category.4"] = true, ["category.2"] = true }, { categories = { 2, 4 } } },
    { { groups = { "potential_customer" } }, {}, { groups = { "potential_customer" } } },
    { { groups = { "potential_customer", "customer" }, categories = { 4, 2, 2 } }, {},
      { groups = { "potential_customer", "customer" }, categories = { 4, 2, 2 } } },
    { { groups = { "customer" }, categories = { 2 } },
      { [CUSTOMER] = false, ["category.2"] = false, [POTENTIAL] = true }, nil },
    { { groups = { "customer" }, note = "kept" }, { ["category.99"] = true },
      { groups = { "customer" }, categories = { 99 }, note = "kept" } },
    { { categories = { 99 } }, { ["category.1"] = true }, { categories = { 1, 99 } } },
    { { groups = { "customer" } }, { [CUSTOMER] = false }, {}, "from_required" },
    { { groups = { "customer" } },
      { ["group.nonsense"] = true, ["category.0"] = true, ["category.99999999999"] = true },
      { groups = { "customer" } } },
  } do
    it(("is what is ticked (%d)"):format(i), function()
      for _, place in ipairs { "rule.sale_won.1", "rule.sale_won.2", "status_rule.1" } do
        local by_status = place == "status_rule.1" and { trigger = "lead_status_set", lead_status = 1, id = 3 } or {}
        local number = place == "rule.sale_won.2" and 2 or 1
        local rules = { won(by_status), won { id = 2 } }
        rules[number].from = row[1]
        local changes = press "save"
        for name, is_ticked in pairs(row[2]) do
          changes[place .. ".from." .. name] = is_ticked and "on"
        end
        local cfg = submit(with_rules(rules), { changes })
        assert.same(row[3], cfg.rules[number].from)
        local problem = check.problems(cfg)[1]
        if row[4] and place ~= "status_rule.1" then
          assert.equal(row[4], problem.code)
          local shown = html(cfg, { problems = check.problems(cfg) })
          local id = ("leadcat-%s-from"):format((place:gsub("%.", "-")))
          assert.matches('<a href="#' .. id .. '">', shown, 1, true)
          assert.matches(' id="' .. id .. '-problem"', shown, 1, true)
        end
      end
    end)
  end

  it("stays as it is where the form does not have it", function()
    local fields = { ["do"] = "save", ["rule.sale_won.enabled"] = "on", ["rule.sale_won.set_category"] = "6",
      ["rule.sale_won.1.when"] = "1" }
    local _, cfg = settings_form.read(fields, with_rules { won { from = { groups = { "lost" } } } }, "en")
    assert.same({ groups = { "lost" } }, cfg.rules[1].from)
  end)

  it("is offered by group and by category; for lead statuses only where contacts may have one", function()
    local of_status = { trigger = "lead_status_set", lead_status = 1, enabled = true, set_category = 3 }
    local shown = html(with_rules { won(), of_status })
    local function offered(place)
      local names = {}
      for name in shown:gmatch('name="' .. place:gsub("%.", "%%.") .. '%.from%.([%w_.]+)"') do
        names[#names + 1] = name
      end
      return table.concat(names, " ")
    end
    local potential = "group.potential_customer category.1 category.2 category.3 category.4"
    assert.equal(potential, offered "status_rule.1")
    assert.equal(potential .. " group.customer group.partner group.lost group.other", offered "rule.sale_won.1")
    assert.matches("<summary>Starts from: all of the group Potential customer.</summary>", shown, 1, true)
  end)

  it("is offered by group alone where there are very many categories, and what is ticked stays", function()
    local cfg = with_rules { won { from = { categories = { 1, 150 } } } }
    for id = 9, 150 do
      cfg.categories[id] = { id = id, name = "C" .. id, group = "customer", deleted = id == 150 or nil }
    end
    local shown = html(cfg)
    assert.equal(7, select(2, shown:gsub('name="rule.sale_won.1.from%.', "")))
    assert.matches("C150 (deleted)", shown, 1, true)
    assert.same({ categories = { 1, 150 } }, submit(cfg, { press "save" }).rules[1].from)
  end)
end)

describe("a button", function()
  local THREE = {
    won { id = 3, note = "three", when = { { condition("a", "known") } } }, won { set_category = 6, note = "first" },
    { trigger = "sale_lost", enabled = true, set_category = 7, ask = false },
    won { id = 9, set_category = 4, note = "nine" },
  }
  local A, B = condition("a", "known"), condition("b", "known")
  local WHEN = { won { when = { { A, B }, { B } } } }
  -- What is done, the rules, the rounds, the rules then, the focus, other fields of the page.
  local ROWS = {
    { "adds a rule", { won() }, { press "add_rule.sale_won" }, ">5 #1>", "rule.sale_won.2.set_category" },
    { "adds another", { won() }, { press "add_rule.sale_won", press "add_rule.sale_won" }, ">5 #1> #2>",
      "rule.sale_won.3.set_category" },
    { "adds the first rule and one behind it", {}, { press "add_rule.sale_won" }, "-> ->",
      "rule.sale_won.2.set_category" },
    { "removes a rule", THREE, { press "remove_rule.rule.sale_won.2" }, "#3>5[a] #9>4", "add_rule.sale_won" },
    { "removes the first rule", THREE, { press "remove_rule.rule.sale_won.1", press "save" }, ">6 #9>4", nil },
    { "removes no only rule", { won() }, { press "remove_rule.rule.sale_won.1" }, ">5", nil },
    { "removes nothing that is not there", THREE, { press "remove_rule.rule.sale_won.7" }, "#3>5[a] >6 #9>4", nil },
    { "moves a rule up", THREE, { press "move_up.rule.sale_won.3" }, "#3>5[a] #9>4 >6", "move_up.rule.sale_won.2" },
    { "moves a rule to the front", THREE, { press "move_up.rule.sale_won.2" }, ">6 #3>5[a] #9>4",
      "move_down.rule.sale_won.1" },
    { "moves a rule down, and again", THREE, { press "move_down.rule.sale_won.1", press "move_down.rule.sale_won.2" },
      ">6 #9>4 #3>5[a]", "move_up.rule.sale_won.3" },
    { "moves nothing beyond the ends", THREE, { press "move_up.rule.sale_won.1" }, "#3>5[a] >6 #9>4", nil },
    { "adds a condition to be typed", { won() }, { press "add_condition.rule.sale_won.1.1" }, ">5[]",
      "rule.sale_won.1.when.1.1.field" },
    { "adds a condition of a field that is chosen", { won() },
      { { ["do"] = "add_condition.rule.sale_won.1.1", ["rule.sale_won.1.add.1"] = "sale.amount" } }, ">5[sale.amount]",
      "rule.sale_won.1.when.1.1.is", FIELDS },
    { "adds a condition of another field", { won() },
      { { ["do"] = "add_condition.rule.sale_won.1.1", ["rule.sale_won.1.add.1"] = "*" } }, ">5[]",
      "rule.sale_won.1.when.1.1.field", FIELDS },
    { "adds no condition while no field is chosen", { won() }, { press "add_condition.rule.sale_won.1.1" }, ">5",
      "rule.sale_won.1.add.1", FIELDS },
    { "adds a condition to a group", WHEN, { { ["do"] = "add_condition.rule.sale_won.1.1" },
      { ["do"] = "save", ["rule.sale_won.1.when.1.3.field"] = "c" } }, ">5[a b c|b]", nil },
    { "adds a group", WHEN, { press "add_group.rule.sale_won.1.2",
      { ["do"] = "save", ["rule.sale_won.1.when.3.1.field"] = "c" } }, ">5[a b|b|c]", nil },
    { "removes a condition", WHEN, { press "remove_condition.rule.sale_won.1.1.1" }, ">5[b|b]",
      "add_condition.rule.sale_won.1.1" },
    { "removes a group with its last condition", WHEN, { press "remove_condition.rule.sale_won.1.2.1" }, ">5[a b]",
      "add_condition.rule.sale_won.1.1" },
    { "removes all conditions", { won { when = { { A } } } },
      { press "remove_condition.rule.sale_won.1.1.1", press "save" }, ">5", nil },
    { "removes no condition that is not there", WHEN, { press "remove_condition.rule.sale_won.1.7.1" }, ">5[a b|b]",
      nil },
  }
  for _, row in ipairs(ROWS) do
    it(row[1], function()
      local cfg, edit = submit(with_rules(row[2]), row[3], { fields = row[6] })
      assert.same({ row[4], row[5] }, { short(cfg, "sale_won"), edit.focus })
      if edit.focus then
        local shown = html(cfg, { edit = edit, fields = row[6] })
        assert.equal(1, select(2, shown:gsub(" autofocus", "")))
        assert.matches("<details[^>]* open>", shown)
      end
    end)
  end

  it("leaves each rule what the form does not show of it", function()
    local cfg = submit(with_rules(THREE),
      { press "move_up.rule.sale_won.3", press "move_up.rule.sale_won.2", press "save" })
    local notes = {}
    for i, rule in ipairs(cfg.rules) do
      notes[i] = rule.note or rule.trigger
    end
    assert.same({ "nine", "three", "sale_lost", "first" }, notes)
  end)

  it("gives a new rule an id of its own, so that the one without keeps its key", function()
    local cfg = submit(with_rules { won { id = 4 }, won { note = "first" } },
      { press "remove_rule.rule.sale_won.1", press "add_rule.sale_won", press "move_up.rule.sale_won.2",
        { ["do"] = "save", ["rule.sale_won.set_category"] = "6" } })
    assert.equal("#5>6 >5", short(config.normalize(cfg), "sale_won"))
    assert.equal("first", cfg.rules[2].note)
  end)

  local function status(id, lead_status, target, more)
    local rule = { trigger = "lead_status_set", id = id, enabled = true, lead_status = lead_status,
      set_category = target, ask = false }
    for name, value in pairs(more or {}) do
      rule[name] = value
    end
    return rule
  end
  local STATUSES = { status(nil, 5, 3, { note = "first" }), status(7, 5, 4, { when = { { A } } }), status(nil, 3, 4) }

  it("moves, changes and removes rows of lead statuses with what belongs to them", function()
    local cfg = with_rules(STATUSES)
    assert.same(cfg, submit(cfg, { press "save" }))
    local read, edit = submit(cfg, { press "move_up.status_rule.2" })
    assert.same({ "#7>4[a] >3 >4", "move_down.status_rule.1" }, { short(read, "lead_status_set"), edit.focus })
    read = submit(cfg, { press "move_down.status_rule.1", press "remove_status_rule.1", press "save" })
    assert.equal(">3 >4", short(read, "lead_status_set"))
    assert.equal("first", read.rules[1].note)
    read, edit = submit(cfg, { { ["do"] = "add_condition.status_rule.3.1" } })
    assert.same({ ">3 #7>4[a] >4[]", "status_rule.3.when.1.1.field" }, { short(read, "lead_status_set"), edit.focus })
    local new = { ["do"] = "move_up.status_rule.4", ["status_rule.4.lead_status"] = "5" }
    new["status_rule.4.set_category"] = "6"
    read = submit(cfg, { press "add_status_rule", new, press "move_up.status_rule.3", press "move_up.status_rule.2",
      press "save" })
    assert.equal("#8>6 >3 #7>4[a] >4", short(config.normalize(read), "lead_status_set"))
  end)

  it("changes a row's status without losing what belongs to it", function()
    local read = submit(with_rules(STATUSES), { { ["do"] = "save", ["status_rule.1.lead_status"] = "2" } })
    assert.same({ 2, "first" }, { read.rules[1].lead_status, read.rules[1].note })
    read = submit(with_rules(STATUSES), { { ["do"] = "save", ["status_rule.3.lead_status"] = "5" } })
    assert.equal(">3 #7>4[a] #8>4", short(read, "lead_status_set"))
  end)
end)

describe("a card of the integrator's own trigger, or of one that is used", function()
  it("has all that the others have", function()
    local stored = with_rules { { trigger = "sale_reopened", enabled = true, set_category = 3, ask = false } }
    local fields = forms.fields(html(stored, { own_triggers = { "contract_expired" } }))
    fields["do"], fields["rule.contract_expired.enabled"] = "add_condition.rule.contract_expired.1.1", "on"
    fields["rule.contract_expired.set_category"] = "7"
    local _, cfg, edit = settings_form.read(fields, stored, "en", { "contract_expired" })
    assert.equal("rule.contract_expired.1.when.1.1.field", edit.focus)
    fields = forms.fields(html(cfg, { own_triggers = { "contract_expired" }, edit = edit }))
    fields["do"], fields["rule.contract_expired.1.when.1.1.field"] = "add_rule.sale_reopened", "sale.x"
    _, cfg, edit = settings_form.read(fields, stored, "en", { "contract_expired" })
    assert.equal("rule.sale_reopened.2.set_category", edit.focus)
    assert.same({ ">7[sale.x]", ">3 #1>" }, { short(cfg, "contract_expired"), short(cfg, "sale_reopened") })
  end)
end)

describe("a rule that decides later", function()
  -- The stored one, what is sent, then.
  local ROWS = {
    { nil, { after = "3" }, { days = 3 } }, { { days = 3 }, { after_unit = "hours" }, { hours = 3 } },
    { { days = 3 }, { after = " " }, nil }, { { hours = 5 }, { after = "1 000" }, { hours = 1000 } },
    { { hours = 5 }, { after = "soon", after_unit = "x" }, { days = "soon" } }, { { hours = 5 }, {}, { hours = 5 } },
  }
  for i, row in ipairs(ROWS) do
    it(("is set, and shown again (%d)"):format(i), function()
      local changes = press "save"
      for name, value in pairs(row[2]) do
        changes["rule.sale_won.1." .. name] = value
      end
      local cfg, edit = submit(with_rules { won { after = row[1] } }, { changes })
      assert.same(row[3], cfg.rules[1].after)
      assert.same(cfg, submit(cfg, { press "save" }))
      local shown = html(cfg, { edit = edit, problems = check.problems(cfg) })
      local wrong = row[3] and row[3].days == "soon"
      local field = shown:match '<input[^>]*name="rule.sale_won.1.after"[^>]*>'
      assert.equal(wrong or false, field:find('aria-invalid="true"', 1, true) ~= nil)
    end)
  end

  it("is told while its part is closed", function()
    assert.matches('leadcat%-muted">Decided 1 day later%.</span>', html(with_rules { won { after = { days = 1 } } }))
  end)
end)

describe("the switch of a card with several rules", function()
  local TWO = { won { id = 1 }, won { enabled = false, set_category = 6 } }
  -- What is done, the rules, what is sent, the rules then.
  local ROWS = {
    { "is on when one of them is", { won { enabled = false }, won { id = 1 } }, {}, "->5 #1>5" },
    { "switches all off", TWO, { ["rule.sale_won.enabled"] = false }, "-#1>5 ->6" },
    { "leaves each its own", TWO, { ["rule.sale_won.2.used"] = "on" }, "#1>5 >6" },
    { "leaves the first its own", TWO, { ["rule.sale_won.1.used"] = false }, "-#1>5 ->6" },
    { "switches all on", { won { enabled = false }, won { id = 1, enabled = false } },
      { ["rule.sale_won.enabled"] = "on" }, ">5 #1>5" },
  }
  for _, row in ipairs(ROWS) do
    it(row[1], function()
      row[3]["do"] = "save"
      assert.equal(row[4], short(submit(with_rules(row[2]), { row[3] }), "sale_won"))
    end)
  end
end)

describe("a form whose config somebody else has changed", function()
  local stored = with_rules { won { id = 1 }, won { set_category = 6 } }
  local fields = forms.fields(html(stored))

  it("keeps the rules that it does not know", function()
    local newest = config.copy(stored)
    table.insert(newest.rules, 2, won { id = 5, set_category = 8 })
    fields["do"] = "save"
    local _, read, edit = settings_form.read(fields, newest, "en")
    assert.equal("#1>5 #5>8 >6", short(read, "sale_won"))
    local again = forms.fields(html(read, { edit = edit }))
    again["do"] = "remove_rule.rule.sale_won.2"
    _, read = settings_form.read(again, newest, "en")
    assert.equal("#1>5 >6", short(read, "sale_won"))
  end)

  it("has a rule again that is gone", function()
    local newest = config.copy(stored)
    table.remove(newest.rules, 1)
    local _, read = settings_form.read(fields, newest, "en")
    assert.equal("#1>5 >6", short(config.normalize(read), "sale_won"))
  end)

  it("changes only the first rule, and not its conditions, when a program sends no more", function()
    local cfg = config.copy(stored)
    cfg.rules[1].when, cfg.rules[1].forward_only = { { condition("a", "known") } }, true
    cfg.rules[3] = { trigger = "lead_status_set", lead_status = 1, set_category = 3, when = cfg.rules[1].when }
    local _, read = settings_form.read({ ["do"] = "save", ["rule.sale_won.set_category"] = "7",
      ["rule.sale_won.enabled"] = "on", ["status_rule.1.lead_status"] = "1", ["status_rule.1.set_category"] = "2" },
      cfg, "en")
    assert.equal("#1>7[a] >6", short(read, "sale_won"))
    assert.equal("->2[a]", short(read, "lead_status_set"))
    assert.is_true(read.rules[1].forward_only)
  end)
end)

describe("the page", function()
  it("has a list of the fields that the host describes, in the reader's language", function()
    local shown = html(with_rules { won() }, { fields = FIELDS, language = "no" })
    local list = shown:match '<select[^>]*name="rule.sale_won.1.add.1".-</select>'
    assert.matches('<option selected value="">Velg et felt</option><option value="sale.amount">Beløp</option>'
      .. '<option value="sale.type">sale.type</option>', list, 1, true)
    assert.matches('<option value="category">Firmaets kategori</option><option value="category.rank">'
      .. 'Kategoriens rang</option><option value="*">Et annet felt</option></select>', list, 1, true)
    assert.is_nil(html(with_rules { won() }):find("add.1", 1, true))
  end)

  -- The condition, what its fields are, without or with descriptions.
  local ROWS = {
    { condition("sale.amount", "at_least", 5), { ' inputmode="decimal"[^>]* value="5"', 'hidden" value="number"' } },
    { condition("sale.type", "equals", "new"), { '<select[^>]*%.value".-selected value="new">New business',
      'checked[^>]*value="new">' } },
    { condition("sale.type", "equals", "old"), { 'selected value="old">old %(unknown%)' } },
    { condition("sale.type", "one_of", { "new", "old" }), { 'checked[^>]*%.one%.1"[^>]*value="new"',
      'checked[^>]*%.one%.2"[^>]*value="old"' } },
    { condition("sale.closed", "above", "2026-01-01"), { '%.value" type="date" value="2026%-01%-01"',
      'selected value="above">is after<' } },
    { condition("sale.closed", "above", "2026"), { '%.value" type="text" value="2026"' } },
    { condition("company.key", "equals", false), { '%.answer">.-selected value="no">no<' } },
    { condition("company.tags", "all_one_of", { "a", "b" }), { '%.type">.-selected value="text"', ">\na\nb</textarea>",
      'selected value="all_one_of">are all among<' } },
    { condition("company.codes", "one_of", { 8 }), { 'checked[^>]*value="8">', "Eight", 'hidden" value="number"' } },
    { condition("category", "equals", 5), { 'selected value="5">Customer<', 'hidden" value="number"' } },
    { condition("category", "equals", 77), { 'selected value="77">77 %(unknown%)<' } },
    { condition("sale.amount", "equals", "5"), { '%.type">.-selected value="text"',
      '%.value" type="text" value="5"' } },
    { condition("company.key", "at_least", 5), { 'selected value="at_least"', '%.type">.-selected value="number"' } },
  }
  for i, row in ipairs(ROWS) do
    it(("has the field that fits a condition (%d)"):format(i), function()
      local shown = html(with_rules { won { when = { { row[1] } } } }, { fields = FIELDS })
      local fieldset = shown:match '<fieldset class="leadcat%-condition">.*$'
      fieldset = fieldset:sub(1, fieldset:find('<div class="leadcat-adding">', 1, true))
      for _, pattern in ipairs(row[2]) do
        assert.matches(pattern, fieldset)
      end
    end)
  end

  it("shows nothing that is sent in the place of a comparison or a type", function()
    local cfg, edit = submit(with_rules { won { when = { { condition("sale.amount", "at_least", 5) } } } }, { {
      ["rule.sale_won.1.when.1.1.is"] = "nonsense", ["rule.sale_won.1.when.1.1.type"] = "nonsense",
      ["rule.sale_won.1.when.1.2.json"] = '{"field":"a","is":"nonsense"}',
    } })
    assert.same({ { condition("sale.amount", "equals", "5") } }, cfg.rules[1].when)
    assert.matches('<option selected value="equals">', html(cfg, { edit = edit }), 1, true)
  end)

  it("tells a condition that it cannot change, and keeps it", function()
    local kept = condition("sale.x", "one_of", json.array { 1, "x" })
    kept.note = "kept"
    local cfg = with_rules { won { when = { { kept } } } }
    assert.matches('<p class="leadcat%-kept">sale%.x is one of .-1, “x”.-</p>', html(cfg))
    assert.same(cfg, submit(cfg, { press "add_rule.sale_won", press "remove_rule.rule.sale_won.2", press "save" }))
  end)

  it("shows what was typed again, also what was not understood", function()
    local cfg, edit = submit(with_rules { won { when = { { condition("sale.amount", "at_least", 5) } } } },
      { { ["do"] = "save", ["rule.sale_won.1.when.1.1.value"] = "1,5" } })
    assert.is_nil(cfg.rules[1].when[1][1].value)
    local shown = html(cfg, { edit = edit, problems = check.problems(cfg) })
    local input = shown:match '<input[^>]*name="rule.sale_won.1.when.1.1.value"[^>]*>'
    assert.matches('aria%-describedby="leadcat%-rule%-sale_won%-1%-when%-1%-1%-value%-problem"', input)
    assert.matches('aria%-invalid="true".* value="1,5"', input)
    assert.matches("Enter a number, such as 100000 or 0.5.", shown, 1, true)
    assert.matches('href="#leadcat%-rule%-sale_won%-1%-when%-1%-1%-value"><bdi>Update category when a sale is won › '
      .. "sale.amount</bdi></a>: Enter a number", shown)
    assert.matches("<details[^>]* open>", shown)
  end)

  -- The path of a problem, the control where it is shown.
  local PATHS = {
    { "rules[1].when[1][1].value", "rule.sale_won.1.when.1.1.value" },
    { "rules[1].when[1][2].value[3]", "rule.sale_won.1.when.1.2.values" },
    { "rules[1].when[2][1].field", "rule.sale_won.1.when.2.1.field" },
    { "rules[1].when[2][1]", "rule.sale_won.1.when.2.1.is" },
    { "rules[1].when[2][1].is", "rule.sale_won.1.when.2.1.is" },
    { "rules[1].when[1]", "add_condition.rule.sale_won.1.1" }, { "rules[1].when", "add_condition.rule.sale_won.1.1" },
    { "rules[2].set_category", "rule.sale_won.2.set_category" }, { "rules[2].name", "rule.sale_won.2.name" },
    { "rules[1].set_category", "rule.sale_won.set_category" },
    { "rules[1].forward_only", "rule.sale_won.1.forward_only" },
    { "rules[1].from.groups[1]", "rule.sale_won.1.from" }, { "rules[3].when[1][1]", "status_rule.1.when.1.1.is" },
    { "rules[3].lead_status", "status_rule.1.lead_status" },
  }
  for _, row in ipairs(PATHS) do
    it("shows the problem of " .. row[1] .. " at its field", function()
      local of_status = { trigger = "lead_status_set", lead_status = 1, set_category = 3, enabled = true }
      of_status.when = { { condition("c", "known") } }
      local when = { { condition("a", "equals", 1), condition("b", "one_of", { 1, 2, 3 }) }, of_status.when[1] }
      local cfg = with_rules { won { id = 1, when = when }, won(), of_status }
      local shown = html(cfg, { problems = {
        { path = row[1], code = "wrong_type", message = "x", severity = "error" },
      } })
      local id = "leadcat-" .. row[2]:gsub("%.", "-")
      assert.matches('<a href="#' .. id .. '">', shown, 1, true)
      assert.matches(' id="' .. id .. '"', shown, 1, true)
      assert.matches(' id="' .. id .. '-problem"', shown, 1, true)
      local is_on_card = row[2]:find "^rule.sale_won.set" or row[2] == "status_rule.1.lead_status"
      local folded = is_on_card and 0 or row[2]:find "from$" and 2 or 1
      assert.equal(folded, select(2, shown:gsub("<details[^>]* open>", "")))
    end)
  end

  it("names each field once, each id once, and labels every field", function()
    local of_status = { trigger = "lead_status_set", lead_status = 1, set_category = 3, enabled = true }
    of_status.when = { { condition("c", "known") } }
    local cfg = with_rules { of_status, won { id = 3, when = { { condition("category", "equals", 1) } } },
      won { when = { { condition("a", "equals", 1) }, { condition("sale.type", "equals", "x") } } } }
    for _, fields in ipairs { {}, FIELDS } do
      local shown = html(cfg, { fields = fields }):gsub("<template.->.-</template>", "")
      local seen = {}
      for id in shown:gmatch ' id="([^"]*)"' do
        assert.is_nil(seen[id], id)
        seen[id] = true
      end
      for id in shown:gmatch ' for="([^"]*)"' do
        assert.is_true(seen[id], id)
      end
    end
  end)

  it("has words for all of it in every language", function()
    local all = {}
    for i, is in ipairs(conditions.IS) do
      all[i] = condition("sale.closed", is, is:find "one" and { "x" } or not is:find "known" and "x" or nil)
    end
    for _, language in ipairs(i18n.LANGUAGES) do
      local cfg = with_rules { won { when = { all } }, won { id = 2 } }
      local shown = html(cfg, { language = language, fields = FIELDS })
      for _, key in ipairs { "more", "when", "add_rule", "move_down", "is_contains", "forward_only", "always" } do
        assert.matches(STRINGS:text(language, "settings." .. key), shown, 1, true)
      end
    end
  end)

  for name, text in pairs(views.HOSTILE) do
    it("keeps hostile fields, values and descriptions text: " .. name, function()
      local fields = { { field = text, type = "text", name = text, options = { { value = text, name = text } } } }
      local when = { { condition(text, "equals", text), condition("a", "one_of", { text }) } }
      local cfg = with_rules { won { name = text, when = when } }
      for _, described in ipairs { {}, fields } do
        local shown = html(cfg, { fields = described })
        assert.is_nil(shown:find("<script>", 1, true) or shown:find("<img", 1, true) or shown:find("<iframe", 1, true))
        assert.same(cfg.rules[1].when, submit(cfg, { press "save" }, { fields = described }).rules[1].when)
      end
    end)
  end
end)
