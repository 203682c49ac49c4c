--- A config is plain data. This spec shows what may be in one, what a save refuses and how it says so.

local check = require "leadcat.rules.check"
local config = require "leadcat.rules.config"
local core = require "leadcat.core"
local json = require "leadcat.util.json"
local preset = require "leadcat.rules.preset"
local times = require "support.times"

local LANGUAGES = { "en", "no", "sv", "da", "de", "nl" }

-- Two categories to start from, one to go to, one deleted; and rules that lead there.
local function small()
  return {
    categories = {
      { id = 1, name = "Lead", group = "potential_customer", lead_status = true },
      { id = 2, name = { en = "Opportunity", no = "Salgsmulighet" }, group = "potential_customer", lead_status = true },
      { id = 3, name = { en = "Customer", no = "Kunde" }, group = "customer" },
      { id = 4, name = "Old customer", group = "customer", deleted = true },
    },
    lead_statuses = {
      { id = 1, name = "Open", description = { en = "Nobody has reached out yet" } },
      { id = 2, name = "Qualified", description = "Ready for a sale" },
      { id = 3, name = "Old", deleted = true },
    },
    rules = {
      { trigger = "sale_won", enabled = true, set_category = 3, ask = true },
      { trigger = "lead_status_set", enabled = true, set_category = 3, lead_status = 2 },
      { trigger = "sale_lost", enabled = false },
    },
  }
end

-- Problems as "path code" lines, so that a table of expectations reads well.
local function lines(problems)
  local found = {}
  for i, problem in ipairs(problems) do
    found[i] = problem.path .. " " .. problem.code
  end
  return found
end

-- The end of a row.
local function from(row, first)
  local rest = {}
  for i = first, #row do
    rest[#rest + 1] = row[i]
  end
  return rest
end

local function severities(problems)
  local found = {}
  for i, problem in ipairs(problems) do
    found[i] = problem.severity
  end
  return table.concat(found, " ")
end

describe("a config", function()
  it("is clean when every enabled rule knows where to go", function()
    assert.same({}, check.problems(small()))
  end)

  it("may leave out lists, switches and descriptions", function()
    assert.same({}, check.problems({}))
    assert.same({}, check.problems({ categories = { { id = 1, name = "Lead", group = "potential_customer" } } }))
  end)

  it("may come from JSON, where whole numbers can be floats", function()
    assert.same({}, check.problems({ revision = 3.0, categories = { { id = 42.0, name = "A", group = "lost" } } }))
  end)
end)

describe("the preset", function()
  local function texts_of(cfg)
    local texts = {}
    for _, list in ipairs({ cfg.categories, cfg.lead_statuses }) do
      for _, item in ipairs(list) do
        texts[#texts + 1] = item.name
        texts[#texts + 1] = item.description
      end
    end
    return texts
  end

  it("has no problems", function()
    assert.same({}, check.problems(preset.get("superoffice")))
  end)

  it("has the predefined categories, lead statuses and rules", function()
    local cfg = preset.get("superoffice")
    local names, groups = {}, {}
    for i, category in ipairs(cfg.categories) do
      assert.equal(i, category.id)
      assert.equal(i, category.rank)
      assert.equal(i <= 3, category.lead_status == true)
      names[i], groups[i] = config.name(category), category.group
    end
    assert.equal("Lead, Marketing qualified lead, Opportunity, Lost opportunity, Customer, Partner, Lost, Other",
      table.concat(names, ", "))
    assert.equal("potential_customer potential_customer potential_customer potential_customer "
      .. "customer partner lost other", table.concat(groups, " "))
    assert.equal("Kontakt tas", config.name(config.find(cfg.lead_statuses, 2), "sv"))
    for i, rule in ipairs(cfg.rules) do
      assert.same({ trigger = config.TRIGGERS[i], enabled = false, ask = false }, rule)
    end
    assert.equal(4, #cfg.rules)
    assert.equal(5, #cfg.lead_statuses)
  end)

  it("says everything in six languages", function()
    local texts = texts_of(preset.get("superoffice"))
    assert.equal(26, #texts)
    for _, text in ipairs(texts) do
      for _, language in ipairs(LANGUAGES) do
        assert.is_string(text[language], (text.en or "?") .. " in " .. language)
      end
    end
  end)

  it("is a new one each time", function()
    preset.get("superoffice").categories[1].name.en = "changed"
    assert.equal("Lead", preset.get("superoffice").categories[1].name.en)
  end)

  it("blames an unknown name on who asked, and names those there are", function()
    local public = load("local get = ...; return function(name) local cfg = get(name) return cfg end",
      "=public")(preset.get)
    local ok, message = pcall(function()
      local cfg = public("nope")
      return cfg
    end)
    assert.is_false(ok)
    assert.matches("_spec%.lua:%d+: no preset is named nope; there are: superoffice, tiers", message)
    assert.has_error(function() public(nil) end)
  end)
end)

describe("a save refuses", function()
  -- what · how the small config is changed · every problem that must be found, and no other
  local ROWS = {
    { "an id that is used twice",
      function(cfg) cfg.categories[2].id = 1 end,
      "categories[2].id duplicate_id" },
    { "an id that a deleted category has",
      function(cfg) cfg.categories[5] = { id = 4, name = "New", group = "other" } end,
      "categories[5].id duplicate_id" },
    { "a lead status id that is used twice",
      function(cfg) cfg.lead_statuses[3].id = 1 end,
      "lead_statuses[3].id duplicate_id" },
    { "an id that is text",
      function(cfg) cfg.categories[1].id = "1" end,
      "categories[1].id wrong_type" },
    { "a missing id",
      function(cfg) cfg.lead_statuses[1].id = nil end,
      "lead_statuses[1].id wrong_type" },
    { "an id that is not whole",
      function(cfg) cfg.categories[1].id = 1.5 end,
      "categories[1].id wrong_type" },
    { "an id that is no number at all",
      function(cfg) cfg.categories[1].id = 0 / 0 end,
      "categories[1].id wrong_type" },
    { "an id below 1",
      function(cfg) cfg.categories[1].id = 0 end,
      "categories[1].id out_of_range" },
    { "an id above 2^31-1",
      function(cfg) cfg.categories[1].id = 2147483648 end,
      "categories[1].id out_of_range" },
    { "a missing name",
      function(cfg) cfg.categories[1].name = nil end,
      "categories[1].name name_required" },
    { "a blank name",
      function(cfg) cfg.lead_statuses[1].name = " \t" end,
      "lead_statuses[1].name name_required" },
    { "a name in no language",
      function(cfg) cfg.categories[1].name = {} end,
      "categories[1].name name_required" },
    { "a name that is blank in one language",
      function(cfg) cfg.categories[2].name.no = "" end,
      "categories[2].name.no name_required" },
    { "a name that is a number",
      function(cfg) cfg.categories[1].name = 7 end,
      "categories[1].name wrong_type" },
    { "a name that is a number in one language",
      function(cfg) cfg.categories[2].name.no = 7 end,
      "categories[2].name.no wrong_type" },
    { "a list of names",
      function(cfg) cfg.categories[1].name = { "Lead" } end,
      "categories[1].name wrong_type" },
    { "a name in Latin-1",
      function(cfg) cfg.categories[1].name = "\197pen" end,
      "categories[1].name wrong_type" },
    { "a description that is a number",
      function(cfg) cfg.lead_statuses[1].description = 7 end,
      "lead_statuses[1].description wrong_type" },
    { "a missing group",
      function(cfg) cfg.categories[3].group = nil end,
      "categories[3].group unknown_group" },
    { "a group that is not in the list",
      function(cfg) cfg.categories[3].group = "friends" end,
      "categories[3].group unknown_group" },
    { "a group that is not in the list, once, with lead status",
      function(cfg) cfg.categories[1].group = "friends" end,
      "categories[1].group unknown_group" },
    { "a group that is a number",
      function(cfg) cfg.categories[3].group = 1 end,
      "categories[3].group wrong_type" },
    { "lead status outside potential_customer",
      function(cfg) cfg.categories[3].lead_status = true end,
      "categories[3].lead_status lead_status_outside_potential_customer" },
    { "a switch that is text",
      function(cfg) cfg.categories[1].lead_status, cfg.categories[2].deleted = "yes", "no" end,
      "categories[1].lead_status wrong_type", "categories[2].deleted wrong_type" },
    { "a rank that is text",
      function(cfg) cfg.categories[1].rank = "first" end,
      "categories[1].rank wrong_type" },
    { "a rank that is too large",
      function(cfg) cfg.lead_statuses[1].rank = -1e12 end,
      "lead_statuses[1].rank out_of_range" },
    { "two categories with one name",
      function(cfg) cfg.categories[5] = { id = 5, name = "Lead", group = "other" } end,
      "categories[5].name duplicate_name" },
    { "two categories with one name in one language",
      function(cfg) cfg.categories[5] = { id = 5, name = { en = "Buyer", no = "Kunde" }, group = "other" } end,
      "categories[5].name duplicate_name" },
    { "a name that another category shows where it has no text of its own",
      function(cfg) cfg.categories[5] = { id = 5, name = { en = "Tip", no = "Lead" }, group = "other" } end,
      "categories[5].name duplicate_name" },
    { "two lead statuses with one name",
      function(cfg) cfg.lead_statuses[2].name = { no = "Open" } end,
      "lead_statuses[2].name duplicate_name" },
    { "a missing trigger",
      function(cfg) cfg.rules[3].trigger = nil end,
      "rules[3].trigger unknown_trigger" },
    { "a trigger that is not in the list",
      function(cfg) cfg.rules[1].trigger = "Sale doubted" end,
      "rules[1].trigger unknown_trigger" },
    { "a trigger whose name is too long",
      function(cfg) cfg.rules[1].trigger = ("t"):rep(41) end,
      "rules[1].trigger unknown_trigger" },
    { "a rule's switch that is text",
      function(cfg) cfg.rules[1].ask, cfg.rules[3].enabled = "true", "false" end,
      "rules[1].ask wrong_type", "rules[3].enabled wrong_type" },
    { "an enabled rule without a category",
      function(cfg) cfg.rules[1].set_category = nil end,
      "rules[1].set_category category_required" },
    { "a category that does not exist",
      function(cfg) cfg.rules[1].set_category = 99 end,
      "rules[1].set_category category_unknown" },
    { "a category that is deleted",
      function(cfg) cfg.rules[1].set_category = 4 end,
      "rules[1].set_category category_deleted" },
    { "a category named by text, even while the rule is disabled",
      function(cfg) cfg.rules[3].set_category = "3" end,
      "rules[3].set_category wrong_type" },
    { "a category out of range, even while the rule is disabled",
      function(cfg) cfg.rules[3].set_category = -1 end,
      "rules[3].set_category out_of_range" },
    { "an enabled rule without its lead status",
      function(cfg) cfg.rules[2].lead_status = nil end,
      "rules[2].lead_status lead_status_required" },
    { "a lead status that does not exist",
      function(cfg) cfg.rules[2].lead_status = 99 end,
      "rules[2].lead_status lead_status_unknown" },
    { "a lead status that is deleted",
      function(cfg) cfg.rules[2].lead_status = 3 end,
      "rules[2].lead_status lead_status_deleted" },
    { "a lead status out of range",
      function(cfg) cfg.rules[2].lead_status = 2 ^ 40 end,
      "rules[2].lead_status out_of_range" },
    { "a list that is text",
      function(cfg) cfg.lead_statuses, cfg.rules = "none", nil end,
      "lead_statuses wrong_type" },
    { "a list with a gap",
      function(cfg) cfg.rules[2] = nil end,
      "rules wrong_type" },
    { "an item that is no table",
      function(cfg) cfg.rules[3] = "sale_lost" end,
      "rules[3] wrong_type" },
    { "a revision that is text",
      function(cfg) cfg.revision = "7" end,
      "revision wrong_type" },
    { "what cannot be stored",
      function(cfg) cfg.categories[1].colour = print end,
      "categories[1].colour wrong_type" },
  }
  for _, row in ipairs(ROWS) do
    it(row[1], function()
      local cfg = small()
      row[2](cfg)
      local problems = check.problems(cfg)
      assert.same(from(row, 3), lines(problems))
      assert.is_true(check.has_errors(problems))
      for _, problem in ipairs(problems) do
        assert.equal("error", problem.severity)
        assert.equal(problem.path, problem.message:sub(1, #problem.path))
      end
    end)
  end

  it("a config that is no table", function()
    for _, garbage in ipairs({ "config", 7, true, print }) do
      assert.same({ "config wrong_type" }, lines(check.problems(garbage)))
    end
    assert.same({ "config wrong_type" }, lines(check.problems(nil)))
    assert.same({ "config wrong_type" }, lines(check.problems({ "a", "list" })))
  end)

  it("everything at once, in the order of the config", function()
    local cfg = small()
    cfg.rules[1].set_category, cfg.rules[2].lead_status, cfg.rules[3].trigger = 99, 99, "x"
    cfg.lead_statuses[1].name, cfg.categories[3].group, cfg.categories[1].id = "", "x", 0
    assert.same({
      "categories[1].id out_of_range",
      "categories[3].group unknown_group",
      "lead_statuses[1].name name_required",
      "rules[1].set_category category_unknown",
      "rules[2].lead_status lead_status_unknown",
      "rules[3].trigger unknown_trigger",
    }, lines(check.problems(cfg)))
  end)
end)

describe("a save allows", function()
  local ROWS = {
    { "what an enabled rule may not name, while the rule is disabled", function(cfg)
      cfg.rules[1].enabled, cfg.rules[2].enabled = false, false
      cfg.rules[1].set_category, cfg.rules[2].lead_status = 4, 99
    end },
    { "the name of a deleted category", function(cfg) cfg.categories[1].name = "Old customer" end },
    { "one name in different languages", function(cfg)
      cfg.categories[5] = { id = 5, name = { en = "Tip", no = "Opportunity" }, group = "other" }
    end },
    { "a name that only looks the same", function(cfg) cfg.categories[2].name = "lead" end },
    { "unfinished rules for lead statuses, while disabled", function(cfg)
      cfg.rules[4], cfg.rules[5] = { trigger = "lead_status_set" }, { trigger = "lead_status_set" }
    end },
    { "several rules for one trigger, and for one lead status", function(cfg)
      cfg.rules[4], cfg.rules[5] = { trigger = "sale_won" }, { trigger = "lead_status_set", lead_status = 2 }
    end },
    { "a rank of any sign", function(cfg) cfg.categories[1].rank = -5 end },
    { "deleted categories as the only starting points", function(cfg)
      cfg.categories[1].deleted, cfg.categories[2].deleted = true, true
    end },
  }
  for _, row in ipairs(ROWS) do
    it(row[1], function()
      local cfg = small()
      row[2](cfg)
      assert.same({}, check.problems(cfg))
    end)
  end
end)

describe("a warning", function()
  local ROWS = {
    { "is given for a rule that has nowhere to start from", function(cfg)
      cfg.categories = { { id = 3, name = "Customer", group = "customer" } }
    end, "rules[1] rule_never_fires", "rules[2] rule_never_fires" },
    { "is given when only the target could be the start", function(cfg)
      cfg.rules[1].set_category = 1
      table.remove(cfg.categories, 2)
    end, "rules[1] rule_never_fires" },
    { "is given for a lead status rule when no category has lead status", function(cfg)
      cfg.categories[1].lead_status, cfg.categories[2].lead_status = false, nil
    end, "rules[2] rule_never_fires" },
    { "is given for a misspelt field", function(cfg) cfg.rules[1].enabeld = false end,
      "rules[1].enabeld unknown_field" },
    { "is given for unknown fields anywhere, by name", function(cfg)
      cfg.colour, cfg.author, cfg.b, cfg.d, cfg.e = 1, 2, 3, 4, 5
      cfg.categories[1].icon, cfg.lead_statuses[1].group = "x.png", "lost"
    end, "author unknown_field", "b unknown_field", "colour unknown_field", "d unknown_field", "e unknown_field",
      "categories[1].icon unknown_field",
      "lead_statuses[1].group unknown_field" },
    { "is given for a lead status where it means nothing", function(cfg) cfg.rules[3].lead_status = 1 end,
      "rules[3].lead_status unknown_field" },
  }
  for _, row in ipairs(ROWS) do
    it(row[1], function()
      local cfg = small()
      row[2](cfg)
      local problems = check.problems(cfg)
      assert.same(from(row, 3), lines(problems))
      assert.is_nil(severities(problems):find("error"))
      assert.is_false(check.has_errors(problems))
    end)
  end

  it("is not given for a rule that is wrong already", function()
    local cfg = small()
    cfg.categories = { cfg.categories[3] }
    cfg.rules[1].ask, cfg.rules[2].enabled = "yes", false
    assert.same({ "rules[1].ask wrong_type" }, lines(check.problems(cfg)))
  end)
end)

describe("rules that work against each other", function()
  local LEAD, CUSTOMER = 1, 5 -- 2 Marketing qualified lead, 3 Opportunity, 4 Lost opportunity, 6 Partner, 7 Lost
  local STATUS = "lead_status_set"

  -- The preset with these rules: "registered>3 won>5? status:5>3", a "?" for asking, a "-" for off.
  local function with_rules(short)
    local cfg = preset.get("superoffice")
    cfg.rules = {}
    for off, name, status, to, ask in short:gmatch("(%-?)(%l+):?(%d*)>(%d+)(%??)") do
      cfg.rules[#cfg.rules + 1] = {
        trigger = name == "status" and STATUS or "sale_" .. name, enabled = off == "", ask = ask ~= "",
        set_category = tonumber(to), lead_status = tonumber(status),
      }
    end
    return cfg
  end

  local function no_lead_status(cfg)
    for _, category in ipairs(cfg.categories) do
      category.lead_status = nil
    end
  end
  local function lead_status_for(id)
    return function(cfg)
      no_lead_status(cfg)
      cfg.categories[id].lead_status = true
    end
  end
  local function only(id)
    return function(cfg)
      for _, category in ipairs(cfg.categories) do
        category.group = category.id == id and category.group or "other"
        category.lead_status = category.id == id and category.lead_status or nil
      end
    end
  end

  -- Rules, a change of the categories; then for each warning: path, code, what the example's event is and does.
  local ROWS = {
    { "" },
    { "registered>3 won>5 lost>4" },
    { "registered>3? won>5? lost>4? status:5>3" },
    { "won>5" },
    { "-registered>3 -won>3" },
    { "status:1>5 status:2>6 status:3>7 won>5 lost>7" },
    { "status:5>3 lost>4 won>5" },
    { "registered>1 lost>3" }, -- a new sale each time

    { "registered>3", nil, { "categories[3]", "category_dead_end", "sale_registered 3: already_in_category" } },
    { "lost>4 -won>5", nil, { "categories[4]", "category_dead_end", "sale_lost 4: already_in_category" } },
    { "status:5>3", nil, { "categories[3]", "category_dead_end", STATUS .. ":5 3: already_in_category" },
      { "categories[4]", "category_dead_end", STATUS .. ":5 4: lead_status_not_enabled" } },
    { "status:5>3", function(cfg) cfg.categories[3].deleted, cfg.categories[4].deleted = nil, true end,
      { "categories[3]", "category_dead_end", STATUS .. ":5 3: already_in_category" } },

    { "won>5 lost>7", only(CUSTOMER), { "rules[1]", "rule_never_fires", "sale_won 5: not_potential_customer" },
      { "rules[2]", "rule_never_fires", "sale_lost 7: not_potential_customer" } },
    { "won>5 status:5>3", no_lead_status,
      { "rules[2]", "rule_never_fires", STATUS .. ":5 1: lead_status_not_enabled" } },
    { "won>1 status:1>5", only(LEAD), { "rules[1]", "rule_never_fires", "sale_won 1: already_in_category" } },

    { "won>5 status:1>1", lead_status_for(LEAD), { "rules[2]", "rule_hidden", STATUS .. ":1 1: already_in_category" } },
    { "registered>5 won>6", nil, { "rules[2]", "rule_hidden", "sale_won 5: not_potential_customer" } },
    { "lost>7 registered>3 won>3", nil, { "rules[3]", "rule_hidden", "sale_won 3: already_in_category" } },
    { "registered>5 lost>7", nil, { "rules[2]", "rule_hidden", "sale_lost 5: not_potential_customer" } },
    { "registered>5? won>6" },

    { "won>3 lost>4", nil, { "rules[2]", "rule_cycle", "sale_won 4: update 3" } },
    { "won>5 status:1>1 status:4>2 status:5>3", nil, { "rules[3]", "rule_cycle", STATUS .. ":1 2: update 1" } },
    { "won>5 status:5>3 status:1>1?", nil, { "rules[3]", "rule_cycle", STATUS .. ":5 1: update 3" } },
    { "won>5 status:1>1 status:2>1 status:5>4" },

    { "registered>3 won>2 lost>7", nil, { "rules[2]", "rule_chain", "sale_registered 2: update 3" } },
    { "won>2 lost>7", nil, { "rules[1]", "rule_chain", "sale_lost 2: update 7" } },
    { "won>2 status:5>7", nil, { "rules[1]", "rule_chain", STATUS .. ":5 2: update 7" } },
  }
  local function told(cfg, problem)
    local event, decide = problem.example, core.explainer(cfg)
    local action, to, reason = decide(event.trigger, event.category, event.lead_status)
    local result = action == "none" and reason or action .. " " .. to
    return { problem.path, problem.code,
      ("%s %d: %s"):format(config.rule_key(event.trigger, event.lead_status), event.category, result) }
  end

  for _, row in ipairs(ROWS) do
    it("are warned of, with an event that shows it: " .. row[1], function()
      local cfg, found = with_rules(row[1]), {}
      if row[2] then
        row[2](cfg)
      end
      for i, problem in ipairs(check.problems(cfg)) do
        assert.equal("warning", problem.severity)
        found[i] = told(cfg, problem)
      end
      assert.same(from(row, 3), found)
    end)
  end

  it("say in words what happens", function()
    local cfg = with_rules("registered>2 won>3 lost>4")
    assert.equal("rules[2] leaves companies that have bought potential customers: from category 3 (Opportunity), "
      .. "rules[1] (sale_registered) moves them right on to category 2 (Marketing qualified lead)",
      check.problems(cfg)[1].message)
  end)

  it("are not judged while something is wrong", function()
    local cfg = with_rules("registered>5 won>6 lost>99")
    assert.same({ "rules[3].set_category category_unknown" }, lines(check.problems(cfg)))
  end)

  it("do not flood, and take time that grows with the config, not with its square", function()
    local function seconds(count)
      local cfg = with_rules("")
      for i = 1, count do
        cfg.categories[i] = { id = i, name = "c" .. i, group = "potential_customer", lead_status = i % 10 == 0 }
        cfg.lead_statuses[i] = { id = i, name = "s" .. i }
        cfg.rules[i] = { trigger = STATUS, lead_status = i, enabled = true, set_category = i }
      end
      local start = os.clock()
      assert.equal(8 + 1, #check.problems(cfg))
      return os.clock() - start
    end
    local count = times(1000)
    assert.is_true(seconds(10 * count) < 30 * seconds(count) + 0.2)
  end)
end)

describe("a message", function()
  local function message(change)
    local cfg = small()
    change(cfg)
    return check.problems(cfg)[1].message
  end

  it("says where, what is wrong and what would be right", function()
    assert.equal("categories[3].group must be one of customer, lost, other, partner, potential_customer, "
      .. 'but is "friends"', message(function(cfg) cfg.categories[3].group = "friends" end))
    assert.equal('rules[3]["my icon"] is kept, but is not a field of a rule: '
      .. "these are trigger, enabled, set_category, ask, lead_status, id, name, from, when, forward_only, take_back, "
      .. "shadow, on_expiry, after, limit, days",
      message(function(cfg) cfg.rules[3]["my icon"] = 1 end))
    assert.equal("rules[1].set_category is 4 (Old customer), which is deleted; "
      .. "choose from 1 (Lead), 2 (Opportunity), 3 (Customer)",
      message(function(cfg) cfg.rules[1].set_category = 4 end))
    assert.equal('categories[5].name shows "Kunde" in the language no, and so does categories[3]: rename one of them',
      message(function(cfg) cfg.categories[5] = { id = 5, name = { en = "Buyer", no = "Kunde" }, group = "lost" } end))
  end)

  it("shortens what a client sent, and never cuts a character in two", function()
    for length = 38, 42 do
      local sent = ("x"):rep(length - 38) .. ("å"):rep(30)
      assert.matches('but is "x*[å]+%.%.%."$', message(function(cfg) cfg.categories[1].group = sent end))
    end
    local longest = ("x"):rep(40)
    assert.matches('but is "' .. longest .. '"$', message(function(cfg) cfg.categories[1].group = longest end))
    local longer = message(function(cfg) cfg.categories[1].group = longest .. "x" end)
    assert.matches('but is "' .. longest .. '%.%.%."$', longer)
    assert.matches('but is "a<U%+000A>b\239\191\189"$', message(function(cfg) cfg.categories[1].group = "a\nb\255" end))
  end)
end)

describe("names that would be confused", function()
  -- The obvious way, in time that grows with items times items times languages.
  local function clashes(items)
    local found, languages = {}, { en = true, no = true }
    for _, item in ipairs(items) do
      for language in pairs(type(item.name) == "table" and item.name or {}) do
        languages[language] = true
      end
    end
    for i, item in ipairs(items) do
      for j = 1, i - 1 do
        for language in pairs(languages) do
          if config.name(item, language) == config.name(items[j], language) then
            found[("categories[%d] categories[%d]"):format(i, j)] = true
          end
        end
      end
    end
    return found
  end

  it("are found as surely as by comparing all with all", function()
    local seed = 1
    local function random(n)
      seed = (seed * 16807) % 2147483647
      return seed % n + 1
    end
    local function random_name()
      local name = {}
      for _, language in ipairs({ "en", "no", "sv" }) do
        name[language] = random(3) > 1 and "n" .. random(6) or nil
      end
      return next(name) and name or "n" .. random(6)
    end
    local clean, rounds = 0, times(3000)
    for _ = 1, rounds do
      local items = {}
      for i = 1, random(4) do
        items[i] = { id = i, name = random_name(), group = "other" }
      end
      local expected, reported = clashes(items), 0
      for _, problem in ipairs(check.problems({ categories = items })) do
        local first = problem.message:match("so does (categories%[%d%]): rename")
        reported = reported + 1
        if not expected[problem.path:gsub("%.name$", "") .. " " .. first] then
          error(problem.message .. " in " .. json.encode(items))
        end
      end
      if next(expected) and reported == 0 then
        error("nothing found in " .. json.encode(items))
      end
      clean = clean + (reported == 0 and 1 or 0)
    end
    assert.is_true(clean > rounds / 10 and clean < rounds / 10 * 9)
  end)

  it("are found in time that grows with the config, not with its square", function()
    local function seconds(count, name)
      local cfg = { categories = {} }
      for i = 1, count do
        cfg.categories[i] = { id = i, name = name(i), group = "potential_customer" }
      end
      local start = os.clock()
      check.problems(cfg)
      return os.clock() - start
    end
    for _, name in ipairs({
      function(i) return { en = "Category " .. i, no = "Kategori " .. i } end,
      function() return "Same" end,
      function(i) return { en = "Category " .. i, ["x" .. i] = "Same" } end,
      function(i) return i % 2 == 0 and "Same" or { en = "Category " .. i, no = "Same" } end,
    }) do
      local count = times(1000)
      assert.is_true(seconds(10 * count, name) < 30 * seconds(count, name) + 0.2)
    end
  end)
end)

describe("garbage", function()
  local CODES = {}
  for code in ([[duplicate_id name_required unknown_group lead_status_outside_potential_customer unknown_trigger
      category_required category_unknown category_deleted lead_status_required lead_status_unknown lead_status_deleted
      duplicate_name duplicate_external wrong_type out_of_range too_many too_long]]):gmatch("%S+") do
    CODES[code] = "error"
  end
  for code in ("rule_never_fires rule_hidden rule_cycle rule_chain category_dead_end unknown_field"):gmatch("%S+") do
    CODES[code] = "warning"
  end

  local cycle = {}
  cycle.cycle = cycle
  local GARBAGE = {
    0, 1, 2, 5, -1, 1.5, 2 ^ 31, 2 ^ 53, 1e300, math.huge, 0 / 0, "", " ", "1", "Lead", "potential_customer",
    "\255\0\n", ("å"):rep(100), true, false, {}, { {} }, { 1, nil, 3 }, { en = 1 }, { [0] = 1 },
    { [1.5] = true, [print] = {} }, print, coroutine.create(print), cycle, json.array({}),
    "sale_won", "lead_status_set",
  }
  local KEYS = { 1, 2, 3, 9, 0, -1, 1.5, true, "id", "name", "group", "lead_status", "rules", "no", "", "a.b", "\255" }

  local seed = 7
  local function random(n)
    seed = (seed * 16807) % 2147483647
    return seed % n + 1
  end

  -- Walks down a random way and changes what is there.
  local function mutate(value)
    local keys = {}
    for key, field in pairs(value) do
      keys[#keys + 1] = type(field) == "table" and field ~= cycle and { key } or nil
    end
    table.sort(keys, function(a, b) return tostring(a[1]) < tostring(b[1]) end)
    if #keys > 0 and random(4) > 1 then
      return mutate(value[keys[random(#keys)][1]])
    end
    local known = {}
    for key in pairs(value) do
      known[#known + 1] = key
    end
    table.sort(known, function(a, b) return tostring(a) < tostring(b) end)
    local key = #known > 0 and random(3) > 1 and known[random(#known)] or KEYS[random(#KEYS)]
    local garbage = random(6) > 1 and GARBAGE[random(#GARBAGE)] or nil
    value[key] = garbage ~= cycle and config.copy(garbage) or garbage
  end

  local function is_usable(problem)
    local path, message = problem.path, problem.message
    return #path > 0 and #path < 120 and #message > #path + 10 and #message < 800 and not message:find("%c")
      and (CODES[problem.code] == problem.severity or problem.code == "unknown_trigger") -- a warning where it may be an own one
  end

  it("never raises, and every problem can be acted on", function()
    local stored, rounds = 0, times(1500)
    for _ = 1, rounds do
      local cfg = preset.get("superoffice")
      cfg.rules[2].enabled, cfg.rules[2].set_category = true, 5
      for _ = 1, random(5) do
        mutate(cfg)
      end
      local problems = check.problems(cfg)
      for _, problem in ipairs(problems) do
        if not is_usable(problem) then
          error(json.encode(problem))
        end
      end
      if not check.has_errors(problems) then
        local text = json.encode(config.normalize(cfg))
        assert.is_false(check.has_errors(check.problems(assert(json.decode(text)))), text)
        stored = stored + 1
      end
    end
    assert.is_true(stored > rounds / 30 and stored < rounds / 30 * 29)
  end)
end)

describe("normalize", function()
  it("gives the form that is stored", function()
    local cfg = config.normalize({
      revision = 3.0,
      categories = { { id = 42.0, name = "Lead", group = "potential_customer", icon = { "a", "b" } } },
      rules = { { trigger = "sale_won" }, { trigger = "sale_lost", enabled = true, set_category = 42.0, ask = true } },
    })
    assert.equal('{"categories":[{"group":"potential_customer","icon":["a","b"],"id":42,"name":"Lead"}],'
      .. '"lead_statuses":[],"revision":3,"rules":[{"ask":false,"enabled":false,"trigger":"sale_won"},'
      .. '{"ask":true,"enabled":true,"set_category":42,"trigger":"sale_lost"}]}', json.encode(cfg))
    assert.equal("42", tostring(cfg.categories[1].id))
  end)

  it("copies all the way down, and changes nothing when done again", function()
    local cfg = small()
    local normal = config.normalize(cfg)
    cfg.categories[2].name.en = "changed"
    assert.equal("Opportunity", normal.categories[2].name.en)
    assert.equal(json.encode(normal), json.encode(config.normalize(normal)))
    assert.is_nil(normal.revision)
    assert.is_nil(cfg.rules[2].ask)
  end)

  it("keeps the mark of lists that it does not know", function()
    assert.equal('{"tags":[]}', json.encode(config.copy({ tags = json.array({}) })))
  end)
end)

describe("a name", function()
  local ROWS = {
    { "Lead", "no", "Lead" },
    { { en = "Customer", no = "Kunde" }, "no", "Kunde" },
    { { en = "Customer", no = "Kunde" }, "sv", "Customer" },
    { { en = "Customer", no = "Kunde" }, nil, "Customer" },
    { { sv = "Kund", no = "Kunde" }, "nl", "Kunde" },
  }
  for i, row in ipairs(ROWS) do
    it("is shown in the language, in English, or in the first language there is (" .. i .. ")", function()
      assert.equal(row[3], config.name({ name = row[1] }, row[2]))
    end)
  end

  it("finds its category, as do a number in text and another letter case", function()
    local list = small().categories
    list[5] = { id = 5, name = "LEAD", group = "lost" }
    list[6] = { id = 6, name = "3", group = "other" }
    list[7] = { id = 7, name = "Åpen", group = "other" }
    local FINDS = {
      Opportunity = 2, Salgsmulighet = 2, KUNDE = 3, Lead = 1, LEAD = 5, ["2"] = 2, ["3"] = 6,
      ["åPEN"] = 7, ["A\204\138pen"] = 7,
    }
    for text, id in pairs(FINDS) do
      assert.equal(id, config.find_by_name(list, text).id, text)
    end
    for _, text in ipairs({ "lead", "Old customer", "4", "99", "2.0", "" }) do
      assert.is_nil(config.find_by_name(list, text), text)
    end
    assert.is_nil(config.find_by_name(nil, "Lead"))
  end)
end)

describe("an id", function()
  it("finds its item, deleted or not", function()
    local list = small().categories
    assert.equal("Lead", config.find(list, 1).name)
    assert.equal("Old customer", config.find(list, 4).name)
    assert.is_nil(config.find(list, 99))
    assert.is_nil(config.find(nil, 1))
  end)

  it("of a lead status is part of its rule's key", function()
    assert.equal("sale_won", config.rule_key("sale_won"))
    assert.equal("sale_won", config.rule_key("sale_won", 5))
    assert.equal("lead_status_set:5", config.rule_key("lead_status_set", 5.0))
    assert.equal("lead_status_set", config.rule_key("lead_status_set"))
  end)
end)
