-- The page of companies that stand elsewhere than their sales imply: bounded steps, kinds, the file, and setting right after a
-- look at what that would do.

local stores = require "support.stores"
local web = require "support.web"

local ask, is_page, contains, lacks, text_of = web.ask, web.is_page, web.contains, web.lacks, web.text_of

local LEAD, OPPORTUNITY, CUSTOMER = 1, 3, 5 -- the preset's categories
local PAST = 1600000000

-- A site whose host says that each company has won a sale; every third one is a customer already.
local function new_site(count, options)
  local host = web.new_host()
  local ids = {}
  for i = 1, count do
    ids[i] = i % 2 == 0 and i or ("c%04d <b>"):format(i)
    host.companies[tostring(ids[i])] = i % 3 == 0 and CUSTOMER or LEAD
  end
  function host.list_companies(after, limit)
    local first, list = 1, {}
    for place, id in ipairs(ids) do
      first = id == after and place + 1 or first
    end
    for place = first, math.min(first + limit - 1, #ids) do
      list[#list + 1] = ids[place]
    end
    return list
  end
  function host.sales(companies)
    local answers = {}
    for i, company in ipairs(companies) do
      answers[i] = { sales = { { id = "S-" .. company, status = "won", at = PAST } } }
    end
    return answers
  end
  function host.company_name(company)
    return "Company & " .. company
  end
  options = options or {}
  options.host = host
  return web.new_site(options, nil, { sale_won = CUSTOMER, sale_registered = { OPPORTUNITY, ask = true } }), host
end

local function see(site, address, who)
  return is_page(ask(site, "GET", "/leadcat/drift" .. address, { as = who or "ann" })).body
end

local function count(body, part)
  local _, found = body:gsub(part, "")
  return found
end

describe("the page of drift", function()
  after_each(stores.check)

  it("lists what has drifted, and counts each kind", function()
    local site = new_site(9)
    local body = see(site, "")
    contains(body, "<h1 id=\"leadcat-drift\">Category check</h1>")
    contains(body, "Missed: 6")
    contains(body, "As it should be: 3")
    contains(body, "Companies checked: 9")
    contains(body, text_of(site, "drift.of_host"))
    assert.equal(6, count(body, 'type="checkbox"'))
    contains(body, "Company &amp; c0001 &lt;b&gt;")
    lacks(body, "<b>")
    lacks(body, text_of(site, "drift.go_on"))
    body = see(site, "?kind=in_step")
    assert.equal(0, count(body, 'type="checkbox"'))
    assert.equal(3, count(body, "<td class=\"leadcat%-name\""))
    contains(body, 'href="/leadcat/drift.csv?kind=in_step"')
    contains(see(site, "?kind=kept"), text_of(site, "drift.none"))
    assert.equal(404, ask(site, "GET", "/leadcat/drift?kind=bad", { as = "ann" }).status)
    assert.equal(422, ask(site, "GET", "/leadcat/drift?cursor=journal%3A1", { as = "ann" }).status)
    contains(see(site, "", "liv"), "<title>Kategorikontroll</title>")
    site.engine:close()
  end)

  it("looks at 500 companies at a time, and goes on behind them", function()
    local site = new_site(620)
    local body = see(site, "")
    contains(body, "Companies checked: 500")
    local following = body:match 'href="/leadcat/drift(%?cursor=[^"]+)">Check the next'
    body = see(site, following)
    contains(body, "Companies checked: 120")
    lacks(body, "Check the next")
    contains(body, 'href="/leadcat/drift">Check from the beginning')
    contains(body, 'href="/leadcat/drift?kind=missed&amp;cursor=')
    site.engine:close()
  end)

  it("is written as a file", function()
    local site = new_site(7)
    local answer = ask(site, "GET", "/leadcat/drift.csv", { as = "ann" })
    assert.equal("text/csv; charset=utf-8; header=present", answer.headers["Content-Type"])
    assert.equal('attachment; filename="drift.csv"', answer.headers["Content-Disposition"])
    contains(answer.body, "\n2,missed,Lead,Customer,sale_won,S-2,2020-09-13T12:26:40Z,sale_won,,")
    assert.equal(6, count(answer.body, "\n"))
    assert.is_nil(answer.headers.Link)
    site.engine:close()
    site = new_site(5001)
    answer = ask(site, "GET", "/leadcat/drift.csv?kind=in_step", { as = "ann" })
    assert.matches('^</leadcat/drift%.csv%?kind=in_step&cursor=%S+>; rel="next"$', answer.headers.Link)
    site.engine:close()
  end)

  it("sets right what is chosen, after a look at what that would do", function()
    local site, host = new_site(9)
    local chosen = {
      ["company.1"] = "sc0001 <b>", ["company.2"] = "i2", ["company.3"] = "i6", ["company.4"] = "sghost",
    }
    local body = is_page(ask(site, "POST", "/leadcat/drift", { as = "ann", form = chosen })).body
    contains(body, text_of(site, "drift.set_right_title"))
    contains(body, "Will be updated: 2")
    contains(body, "Set right (2)")
    lacks(body, "Users will be asked")
    assert.same({ LEAD, LEAD }, { host.companies["c0001 <b>"], host.companies["2"] })

    local form = { sure = "1" }
    for name, value in body:gmatch '<input name="(company%.%d+)" type="hidden" value="([^"]*)">' do
      form[name] = value:gsub("&lt;", "<"):gsub("&gt;", ">")
    end
    local answer = ask(site, "POST", "/leadcat/drift", { as = "ann", form = form })
    assert.equal(303, answer.status)
    local run = answer.headers.Location:match "^/leadcat/history%?run=(%w+)$"
    assert.same({ CUSTOMER, CUSTOMER, LEAD }, {
      host.companies["c0001 <b>"], host.companies["2"], host.companies["4"],
    })
    contains(see(site, ""), "Missed: 4")

    -- It can be undone as a whole, and then it is not drift: an administrator has decided.
    assert.equal(0, #site.engine:undo({ run = run }, { actor = web.ACTORS.ann }).refused)
    contains(see(site, ""), "Kept by a user: 2")
    site.engine:close()
  end)

  it("asks users where a rule asks", function()
    local site, host = new_site(2)
    host.sales = function(companies)
      local answers = {}
      for i, company in ipairs(companies) do
        answers[i] = { sales = { { id = "S-" .. company, status = "open", at = PAST } } }
      end
      return answers
    end
    local form = { ["company.1"] = "i2" }
    contains(ask(site, "POST", "/leadcat/drift", { as = "ann", form = form }).body, "Users will be asked: 1")
    form.sure = "1"
    assert.equal(303, ask(site, "POST", "/leadcat/drift", { as = "ann", form = form }).status)
    assert.equal(1, #site.engine:confirmations { state = "open" })
    contains(see(site, ""), "Under way: 1")
    site.engine:close()
  end)

  it("says when nothing was chosen, or nothing of it can be set", function()
    local site = new_site(3)
    for _, form in ipairs {
      { cursor = "" }, { ["company.1"] = "" }, { ["company.1"] = "x7" }, { ["company.1"] = "i3" },
    } do
      local answer = ask(site, "POST", "/leadcat/drift", { as = "ann", form = form })
      assert.same({ 303, "/leadcat/drift?chosen=0" }, { answer.status, answer.headers.Location })
    end
    contains(see(site, "?chosen=0"), text_of(site, "drift.nothing_chosen"))
    site.engine:close()
  end)

  it("goes by the journal where the host tells nothing", function()
    local site = web.new_site()
    web.change(site)
    local body = see(site, "")
    contains(body, text_of(site, "drift.of_journal"))
    contains(body, "As it should be: 1")
    site.engine:close()
  end)
end)
