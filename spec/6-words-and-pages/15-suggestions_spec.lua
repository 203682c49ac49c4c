-- The page of what the answers teach, and the settings that it opens with a suggested rule in them, which nobody has saved.

local answered = require "support.answered"
local forms = require "support.forms"
local i18n = require "leadcat.words.i18n"
local json = require "leadcat.util.json"
local stores = require "support.stores"
local suggested_rule = require "leadcat.pages.suggested_rule"
local web = require "support.web"

local ask, is_page, contains, lacks, text_of = web.ask, web.is_page, web.contains, web.lacks, web.text_of
local CUSTOMER, VIP = answered.CUSTOMER, answered.VIP

-- A site in which users take VIP for large sales.
local function new_site(options)
  local site = web.new_site(options)
  assert(site.engine:save(answered.config()))
  answered.answer(site.engine, site.engine.host, 1, 500, function(event, random)
    return random() < (event.sale.amount >= 500000 and 0.75 or 0.08) and VIP or CUSTOMER
  end)
  return site
end

local function see(site, path, who)
  return is_page(ask(site, "GET", path, { as = who or "ann" })).body
end

local function link_of(body)
  return (body:match 'href="(/leadcat/settings%?refine=[^"]*)"':gsub("&amp;", "&"))
end

describe("the page of what the answers teach", function()
  after_each(stores.check)

  it("tells each suggestion with its numbers, and below what there is none", function()
    local site = new_site()
    local body = see(site, "/leadcat/suggestions")
    contains(body, "<h1>What the answers teach</h1>")
    contains(body, site.engine:suggest().suggestions[1].sentence)
    assert.matches("In %d+%% of %d+ cases where sale.amount is at least 500000, VIP was chosen", body)
    contains(body, "at least 30 cases")
    contains(body, text_of(site, "suggest.add"))
    contains(see(site, "/leadcat/overview"), 'href="/leadcat/suggestions"')
    contains(see(site, "/leadcat/settings"), 'href="/leadcat/suggestions"')
    lacks(see(site, "/leadcat/overview", "bob"), 'href="/leadcat/suggestions"')
    assert.equal(403, ask(site, "GET", "/leadcat/suggestions", { as = "bob" }).status)
    contains(see(site, "/leadcat/suggestions?cases=5000"), "suggest no new rule")
    site.engine:close()
  end)

  it("speaks the reader's language, each of the six", function()
    for language in pairs(i18n.new():all "suggest.title") do
      local site = new_site { language = language }
      local strings = i18n.new()
      local body = see(site, "/leadcat/suggestions")
      contains(body, strings:text(language, "suggest.title"))
      contains(body, strings:text(language, "suggest.add"))
      contains(body, site.engine:suggest { language = language }.suggestions[1].sentence)
      site.engine:close()
    end
  end)

  it("says that there is none", function()
    local site = web.new_site()
    local body = see(site, "/leadcat/suggestions")
    contains(body, "The answers of the last 365 days suggest no new rule.")
    lacks(body, "leadcat-button")
    site.engine:close()
  end)
end)

describe("the settings with a suggested rule in them", function()
  after_each(stores.check)

  it("save nothing by themselves; sent off, they save the rule in front of the other one", function()
    local site = new_site()
    local before = site.engine:config()
    local body = see(site, link_of(see(site, "/leadcat/suggestions")))
    contains(body, text_of(site, "suggest.added"))
    contains(body, 'data-leadcat-edited="true"')
    assert.same(before, site.engine:config())

    local fields = forms.fields(body)
    fields["do"] = "save"
    assert.matches("saved=3$", ask(site, "POST", "/leadcat/settings", { as = "ann", form = fields }).headers.Location)
    local cfg = site.engine:config()
    assert.same({ trigger = "sale_won", enabled = true, ask = true, set_category = VIP, id = 10, when = { {
      { field = "sale.amount", is = "at_least", value = 500000 } } } }, cfg.rules[1])
    assert.same(before.rules, { cfg.rules[2], cfg.rules[3] })
    assert.same({}, site.engine:suggest().suggestions)
    site.engine:close()
  end)

  it("say so where the rule does not fit any more, and take nothing else that an address says", function()
    local site = new_site()
    local function at(query)
      return see(site, "/leadcat/settings?" .. query)
    end
    local fitting = { rule = "sale_won", to = VIP, conditions = { { field = "sale.amount", is = "above", value = 1 } } }
    contains(at(suggested_rule.query(fitting)), text_of(site, "suggest.added"))
    for _, change in ipairs {
      { rule = "sale_lost" }, { rule = "" }, { to = 99 }, { conditions = {} }, { conditions = { {} } },
      { conditions = { { field = "sale", is = "above", value = 1 } } }, { conditions = { 1 } },
      { conditions = { { field = "sale.amount", is = "above", value = ("x"):rep(5000) } } },
    } do
      local found = {}
      for name, value in pairs(fitting) do
        found[name] = change[name] or value
      end
      found.conditions = json.array(found.conditions)
      contains(at(suggested_rule.query(found)), text_of(site, "suggest.not_added"))
    end
    contains(at "refine=sale_won", text_of(site, "suggest.not_added"))
    contains(at "refine=sale_won&category=10&conditions=%5Bnull%5D", text_of(site, "suggest.not_added"))
    lacks(at "category=10&conditions=%5B%5D", text_of(site, "suggest.not_added"))
    assert.equal(403, ask(site, "GET", "/leadcat/settings?" .. suggested_rule.query(fitting), { as = "bob" }).status)
    site.engine:close()
  end)
end)
