-- The overview page: companies over time, what each rule did, silent rules, open questions by age.

local asking = require "support.asking"
local overview_of = require "leadcat.insight.overview"
local overview_page = require "leadcat.pages.overview"
local stores = require "support.stores"
local web = require "support.web"

local LEAD, OPPORTUNITY, CUSTOMER, LOST = 1, 3, 5, 7 -- the preset's categories
local DAY = 24 * 3600
local NOW = 19675 * DAY + 9 * 3600 -- 2023-11-14, 09:00 UTC
local ANN = asking.ANN
local PATH = "/leadcat/overview"

describe("the overview", function()
  local site, engine, number

  before_each(function()
    number = 0
    site = web.new_site { confirmation_ttl = 30 * DAY }
    site.now = NOW
    engine = site.engine
    assert(engine:save(stores.config {
      sale_won = CUSTOMER, sale_lost = LOST, sale_registered = { OPPORTUNITY, ask = true },
      ["lead_status_set:5"] = LOST,
    }, { actor = ANN }))
  end)
  after_each(function()
    engine:close()
    stores.check()
  end)

  local function handle(trigger, count, more)
    for _ = 1, count do
      number = number + 1
      local event = { trigger = trigger, company = "n" .. number, actor = asking.BOB }
      for name, value in pairs(more or {}) do
        event[name] = value
      end
      assert(engine.host:create(event.company, LEAD))
      assert(engine:handle(event))
    end
  end

  local function shown(query, options)
    options = options or {}
    options.as = options.as or "ann"
    local answer = web.ask(site, "GET", PATH .. (query or ""), options)
    assert.equal(200, answer.status)
    return answer.body
  end

  -- The rows of a table below a heading, as texts of their cells.
  local function rows(body, heading)
    local found = {}
    local name = heading:gsub("%-", "%%-")
    local table_of = body:match('<section aria%-labelledby="' .. name .. '".-<tbody>(.-)</tbody>')
    for row in (table_of or ""):gmatch "<tr.-</tr>" do
      local cells = {}
      for cell in row:gmatch "<t[hd][^>]*>(.-)</t[hd]>" do
        cells[#cells + 1] = (cell:gsub("<[^>]*>", ""))
      end
      found[#found + 1] = table.concat(cells, "|")
    end
    return found
  end

  it("has nothing to show of a new store, in words", function()
    local body = shown()
    for _, key in ipairs { "overview.moved_none", "overview.open_none" } do
      web.contains(body, web.text_of(site, key))
    end
    assert.is_nil(body:find "leadcat%-bars")
  end)

  it("has the same numbers in the picture and the tables", function()
    handle("sale_won", 3)
    site.now = site.now + 2 * DAY
    handle("sale_lost", 2)
    handle("sale_won", 1)
    handle("lead_status_set", 1, { lead_status = 5 })
    handle("sale_registered", 4)
    local list = engine:confirmations { state = "open" }
    assert(engine:resolve(list[1].id, { accept = true }, { actor = ANN }))
    assert(engine:resolve(list[2].id, { category = CUSTOMER }, { actor = ANN }))
    assert(engine:resolve(list[3].id, { decline = true }, { actor = ANN }))
    assert(engine:undo(engine:history({ trigger = "sale_won", limit = 1 })[1].entry, { actor = ANN }))
    local body = shown()
    assert.same({ "16 Nov 2023|2|3|1|1", "14 Nov 2023|3|0|0|0" }, rows(body, "leadcat-moved-table"))
    local plain = body:gsub("\226\129[\166-\169]", "") -- isolates, which keep the direction of names
    for _, title in ipairs {
      "Customer: 2 (16 Nov 2023)", "Customer: 3 (14 Nov 2023)", "Lost: 3 (16 Nov 2023)",
      "Opportunity: 1 (16 Nov 2023)", "Lead: 1 (16 Nov 2023)",
    } do
      assert.equal(1, select(2, plain:gsub("<title>" .. title:gsub("%p", "%%%0") .. "</title>", "")), title)
    end
    assert.equal(5, select(2, plain:gsub('<rect fill="url%(#leadcat%-pattern%-%d%)"[^>]*><title>', "")))
    local by_rule, of_rules = rows(body, "leadcat-rules"), {}
    for _, row in ipairs(by_rule) do
      of_rules[row] = true
    end
    for _, row in ipairs {
      "Update category when a sale is registered with the company|0|4|1|1|1|0|0|16 Nov 2023",
      "Update category when a sale is won|4|0|0|0|0|1|0|16 Nov 2023",
      "Update category when a sale is lost|2|0|0|0|0|0|0|16 Nov 2023",
    } do
      assert.is_true(of_rules[row], row)
    end
    assert.equal("Total|7|4|1|1|1|1|0|", by_rule[#by_rule])
    assert.matches("Less than 1 day|1|", rows(body, "leadcat-open")[1], 1, true)
    web.contains(body, "/leadcat/history?trigger=sale_won&amp;from=2023-10-18&amp;to=2023-11-16")
  end)

  it("shows the days that were asked for, beyond a month by weeks", function()
    handle("sale_won", 1)
    site.now = site.now + 40 * DAY
    handle("sale_won", 2)
    assert.same({ "24 Dec 2023|2" }, rows(shown "?days=7", "leadcat-moved-table"))
    local body = shown "?days=90"
    assert.same({ "18 Dec 2023|2", "13 Nov 2023|1" }, rows(body, "leadcat-moved-table"))
    assert.matches(">26 Sept 2023</text>", body) -- the first bar has six days
    assert.equal(13, select(2, body:gsub("<g>", "")))
    assert.matches('aria%-current="true"[^>]*>90 days', body)
    assert.equal(422, web.ask(site, "GET", PATH .. "?days=0", { as = "ann" }).status)
  end)

  it("says of what age open questions are", function()
    handle("sale_registered", 2)
    site.now = site.now + 2 * DAY
    handle("sale_registered", 1)
    site.now = site.now + 6 * DAY
    local found = {}
    for i, row in ipairs(rows(shown(), "leadcat-open")) do
      found[i] = row:match "^[^|]*|([^|]*)"
    end
    assert.same({ "0", "0", "1", "2" }, found)
  end)

  it("names rules that are silent, and rules that are gone", function()
    for _ = 1, 10 do
      handle("sale_won", 2)
      site.now = site.now + DAY
    end
    web.lacks(shown(), web.text_of(site, "overview.silent"))
    site.now = site.now + 9 * DAY
    local body = shown()
    web.contains(body, web.text_of(site, "overview.silent"))
    web.contains(body, web.text_of(site, "overview.silent_badge"))
    assert.matches("nothing for .-9 days", body)
    local cfg = engine:config()
    cfg.rules = {}
    assert(engine:save(cfg, { actor = ANN }))
    body = shown()
    web.lacks(body, web.text_of(site, "overview.silent"))
    web.contains(body, web.text_of(site, "overview.gone"))
  end)

  it("is there in each language, for those who may see it", function()
    handle("sale_won", 1)
    for _, language in ipairs { "en", "no", "sv", "da", "de", "nl" } do
      local body = overview_page.html {
        found = assert(overview_of.read(engine, 365, language)), cfg = assert(engine:config()),
        strings = engine.strings, language = language,
      }
      web.contains(body, "<h1>" .. engine.strings:text(language, "overview.title") .. "</h1>")
      assert.is_nil(body:find "overview%.")
    end
    assert.equal(401, web.call(site, "GET", "/leadcat/api/health", {}))
    web.contains(web.ask(site, "GET", "/leadcat/history", { as = "ann" }).body, 'href="/leadcat/overview"')
  end)
end)
