--- What pages say of what is held and on trial, of many changes at once, in a store that is only read, and of what was wrong.

local core = require "leadcat.core"
local crm = require "support.crm"
local forms = require "support.forms"
local i18n = require "leadcat.words.i18n"
local leadcat = require "leadcat"
local stores = require "support.stores"
local web = require "support.web"

local LEAD, CUSTOMER, PARTNER, LOST = 1, 5, 6, 7 -- the preset's categories
local ask, call, is_page = web.ask, web.call, web.is_page
local contains, lacks, text_of = web.contains, web.lacks, web.text_of
local FRAMED = { frame_ancestors = "https://crm.example" }

-- A site whose rule for won sales stops behind one change; a rule on trial for lost ones asks, too.
local function limited_site(options)
  local site = web.new_site(options, FRAMED)
  local cfg = stores.config { sale_won = CUSTOMER, sale_lost = PARTNER }
  for _, rule in ipairs(cfg.rules) do
    rule.limit = rule.trigger == "sale_won" and { changes = 1, hours = 24 } or nil
    rule.shadow = rule.trigger == "sale_lost" or nil
  end
  cfg.rules[#cfg.rules + 1] = { trigger = "sale_lost", id = 4, enabled = true, set_category = LOST, ask = true,
    shadow = true, name = "Slow" }
  assert(site.engine:save(cfg))
  return site
end

local function win(site)
  local company = web.new_company(site)
  assert(site.engine:handle { trigger = "sale_won", company = company, actor = web.ACTORS.bob })
  return company
end

local function get(site, path, as)
  return is_page(ask(site, "GET", "/leadcat" .. path, { as = as or "ann" })).body
end

local function plain(markup)
  return (markup:gsub("<[^>]*>", " "):gsub("\226\129[\166-\169]", ""):gsub("%s+", " "))
end

describe("rules on trial and at their limit", function()
  after_each(stores.check)

  it("are told of where it is told why nothing happened", function()
    local site = limited_site()
    local company = web.new_company(site)
    local body = plain(get(site, "/why?company=" .. company))
    contains(body, "At most 1 changes in 24 hours.")
    contains(body, "Sale won Updated at once")
    lacks(body, text_of(site, "why.at_limit"))
    contains(body, "Rules on trial, which change nothing ✓ Update category when a sale is lost would set the "
      .. "category to Partner ✓ Update category when a sale is lost › Slow would ask the user: Lost?")
    win(site)
    local held = win(site)
    body = plain(get(site, "/why?company=" .. company))
    contains(body, "Sale won Held back")
    contains(body, text_of(site, "why.at_limit"))
    lacks(body, "Look at them")
    body = get(site, "/why?company=" .. held)
    local sentence = ("Setting the category of %s to Customer is held back: the rule was at its limit. "):format(held)
    contains(plain(body), sentence .. "Look at them")
    lacks(get(site, "/why?company=" .. held, "bob"), 'href="/leadcat/held"')
    site.engine:close()
  end)

  it("are told of in the company's panel, which releases and drops what is held", function()
    for _, row in ipairs { { "release", CUSTOMER, "Released: 1." }, { "drop", LEAD, "dropped: 1." } } do
      local site = limited_site()
      win(site)
      local company = win(site)
      local path = ("/leadcat/companies/%s/panel"):format(company)
      local body = get(site, path:sub(9))
      contains(plain(body), "Held back Customer A sale was won.")
      lacks(get(site, path:sub(9), "bob"), 'value="release"')
      local entry = site.engine:held()[1].entry
      local form = { panel = company, [("entry.%d"):format(entry)] = "on", action = row[1] }
      assert.equal(403, ask(site, "POST", "/leadcat/held", { as = "bob", form = form }).status)
      local answer = ask(site, "POST", "/leadcat/held", { as = "ann", form = form })
      local back = answer.headers.Location
      assert.same({ 303, path }, { answer.status, back:match "^[^?]*" })
      assert.equal(row[2], web.category_of(site, company))
      contains(plain(get(site, back:sub(9))), row[3])
      answer = ask(site, "POST", "/leadcat/held", { as = "ann", form = form }) -- once more
      contains(get(site, answer.headers.Location:sub(9)), text_of(site, "held.nothing_done"))
      site.engine:close()
    end
  end)

  for _, language in ipairs(i18n.LANGUAGES) do
    it("are told of in " .. language, function()
      local site = limited_site()
      web.ACTORS.reader = { id = "reader", language = language, admin = true }
      win(site)
      local body, strings = get(site, "/why?company=" .. win(site), "reader"), i18n.new()
      for _, key in ipairs { "why.check.shadows", "why.at_limit", "history.held", "held.look" } do
        contains(body, (strings:text(language, key):gsub("'", "&#39;")))
      end
      web.ACTORS.reader = nil
      site.engine:close()
    end)
  end
end)

describe("taking back very many changes", function()
  after_each(stores.check)

  it("is foreseen page by page, with how many are left", function()
    local site = web.new_site()
    for _ = 1, 120 do
      web.change(site)
    end
    local _, moved = web.change(site)
    assert(site.engine.host.set_category(moved, LEAD, CUSTOMER))
    local first = get(site, "/history/undo?revision=1")
    contains(first, "Will be undone: 120")
    contains(first, "Cannot be undone: 1")
    contains(plain(first), "21 more are not listed.")
    assert.equal(100, select(2, first:gsub("<td class=\"leadcat%-name\"", "")))
    local second = get(site, (first:match 'href="/leadcat(/history/undo[^"]*)"':gsub("&amp;", "&")))
    assert.equal(21, select(2, second:gsub("<td class=\"leadcat%-name\"", "")))
    contains(second, "Will be undone: 120")
    contains(second, text_of(site, "problem.conflict"))
    lacks(second, "more are not listed")
    site.engine:close()
  end)

  it("is foreseen as far as one likes", function()
    local site = web.new_site()
    for _ = 1, 5 do
      web.change(site)
    end
    local found = assert(site.engine:undo({ revision = 1, preview = true, limit = 3 }, { actor = web.ACTORS.ann }))
    assert.same({ 3, true }, { #found.undone, found.more })
    found = assert(site.engine:undo({ revision = 1, preview = true, limit = 5 }, { actor = web.ACTORS.ann }))
    assert.same({ 5, nil }, { #found.undone, found.more })
    assert.has_error(function() site.engine:undo({ revision = 1, limit = 3 }) end, "limit goes with preview")
    local status, result = call(site, "POST", "/leadcat/api/undo", { as = "ann",
      json = { revision = 1, preview = true, limit = 2 } })
    assert.same({ 200, 2, true }, { status, #result.undone, result.more })
    site.engine:close()
  end)
end)

describe("how many companies are in each category", function()
  after_each(stores.check)

  -- What the settings say of each category, by its name.
  local function told(site)
    local found = {}
    for name, companies in get(site, "/settings"):gmatch('aria%-label="([^"]*)" class="[^"]*leadcat%-item%-category".-'
      .. '<summary>More<span class="leadcat%-muted"> \194\183 ([^<]*)</span>') do
      found[name] = companies:gsub("\226\129[\166-\169]", "")
    end
    return found
  end

  local function press(site, button, more)
    local body = get(site, "/settings")
    local fields = forms.fields(body)
    for name, value in pairs(more or {}) do
      fields[name] = value
    end
    fields["do"] = button
    return is_page(ask(site, "POST", "/leadcat/settings", { as = "ann", form = fields })).body
  end

  it("is shown by the settings, and told before one is deleted", function()
    local site = web.new_site()
    for _ = 1, 3 do
      web.new_company(site)
    end
    assert.is_true(site.engine.host:create("A partner", PARTNER))
    site.engine:tenant("other").host:create("Elsewhere", PARTNER)
    local found = told(site)
    assert.same({ "3 companies", "1 company", "0 companies" }, { found.Lead, found.Partner, found.Other })
    local body = press(site, "delete_category.6")
    contains(plain(body), "Partner is the category of 1 company now.")
    contains(body, 'value="drop_category.6"')
    lacks(press(site, "delete_category.8"), 'value="drop_category.8"') -- nothing is in it
    body = press(site, "delete_category.5")
    contains(plain(body), "Customer is used by")
    lacks(plain(body), "is the category of")
    site.engine:close()
  end)

  it("is the host's to say, by its own names, too", function()
    local host = crm.new { Acme = LEAD }
    local answer, calls = { [LEAD] = 1234567, vip = 2, unknown = 9 }, 0
    function host.category_counts(tenant)
      calls = calls + 1
      assert.equal("", tenant)
      if answer == "raises" then
        error(web.SECRET)
      elseif answer == "slow" then
        core.sleep(0.05)
        return { [LEAD] = 1 }
      end
      return answer
    end
    local function seen()
      local site = web.new_site { host = host }
      local cfg = site.engine:config()
      cfg.categories[5].external = "vip"
      assert(site.engine:save(cfg))
      local found = told(site)
      told(site)
      site.engine:close()
      return found
    end
    local found = seen()
    assert.same({ "1\226\128\175234\226\128\175567 companies", "2 companies" }, { found.Lead, found.Customer })
    for _, wrong in ipairs { "none", 5, { [LEAD] = -1 }, { [LEAD] = 1.5 }, { [LEAD] = "3" }, "raises", false } do
      answer = wrong
      assert.same({}, seen()) -- the page is there, without
    end
    answer, calls = "slow", 0
    assert.equal("1 company", seen().Lead)
    assert.equal(1, calls)
    host.category_counts = nil
    assert.same({}, seen())
  end)
end)

describe("what was wrong", function()
  after_each(stores.check)

  it("is said in the reader's language, also to scripts of a page; programs get the engine's words", function()
    local site = web.new_site()
    local event = { trigger = "sale_one", company = "Acme" }
    local _, told = call(site, "POST", "/leadcat/api/events", { as = "liv", json = event })
    assert.equal("Forespørselen inneholder noe som ikke er tillatt.", told.detail)
    contains(told.error, "trigger")
    _, told = call(site, "POST", "/leadcat/api/events", { as = "hook", json = event, site = false })
    contains(told.detail, "trigger")
    assert.is_nil(told.error)
    local id = web.question(site)
    _, told = call(site, "POST", "/leadcat/api/confirmations/" .. id, { as = "liv", json = { category = 99 } })
    assert.equal(i18n.new():text("no", "settings.problem.category_unknown"), told.detail)
    local answer = ask(site, "POST", "/leadcat/api/confirmations/" .. id, { as = "liv", form = { category = "99" } })
    assert.equal(422, answer.status)
    contains(is_page(answer).body, i18n.new():text("no", "settings.problem.category_unknown"))
    answer = ask(site, "GET", "/leadcat/why?company=" .. ("x"):rep(256), { as = "liv" })
    assert.equal(422, answer.status)
    contains(is_page(answer).body, "er ikke mulig her")
    site.engine:close()
  end)
end)

describe("a store that is only read", function()
  after_each(stores.check)

  it("offers nothing that would be refused", function()
    local site = limited_site()
    local cfg = site.engine:config()
    cfg.rules[#cfg.rules + 1] = { trigger = "sale_registered", id = 5, enabled = true, set_category = 3, ask = true }
    assert(site.engine:save(cfg))
    web.question(site)
    local asked = site.engine:confirmations()[1]
    win(site)
    local held = win(site)
    local pages = { "/confirmations", "/confirmations/" .. asked.id, "/history", "/companies/" .. held .. "/panel",
      "/companies/" .. asked.company .. "/panel", "/held", "/trials", "/versions", "/drift" }
    local function offered()
      local found = {}
      for i, path in ipairs(pages) do
        found[i] = get(site, path, path == "/confirmations" and "bob" or "ann"):find('method="post"', 1, true) ~= nil
      end
      return found
    end
    assert.same({ true, true, true, true, true, true, true, false, false }, offered())
    site.engine:close()
    local readonly = assert(leadcat.open { path = site.path, readonly = true })
    site.app = require("leadcat.http").new { engine = readonly, authenticate = web.authenticate,
      frame_ancestors = FRAMED.frame_ancestors }
    assert.same({ false, false, false, false, false, false, false, false, false }, offered())
    lacks(get(site, "/versions"), text_of(site, "versions.go_back"))
    lacks(get(site, "/why?company=" .. held), text_of(site, "held.look"))
    readonly:close()
  end)
end)

