-- What the answers teach, for programs and on the command line.

local answered = require "support.answered"
local json = require "leadcat.util.json"
local stores = require "support.stores"
local web = require "support.web"

local ask = web.ask

local function answer(engine, host)
  answered.answer(engine, host, 2, 500, function(event, random)
    return random() < (event.sale.amount >= 500000 and 0.75 or 0.08) and answered.VIP or answered.CUSTOMER
  end)
end

describe("suggestions for programs", function()
  after_each(stores.check)

  it("are what the engine gives, with its limits", function()
    local site = web.new_site()
    assert(site.engine:save(answered.config()))
    answer(site.engine, site.engine.host)
    local function get(query)
      return ask(site, "GET", "/leadcat/api/suggestions" .. query, { as = "ann" })
    end
    local found = json.decode(get("").body)
    assert.equal(1, #found.suggestions)
    assert.same(site.engine:suggest().suggestions[1].inside, found.suggestions[1].inside)
    local limited = json.decode(get("?rule=sale_won&days=7&cases=40&share=0.95&margin=0.5&doubt=0.001").body)
    assert.same({ {}, 7, { cases = 40, share = 0.95, margin = 0.5, doubt = 0.001 } },
      { limited.suggestions, limited.days, limited.limits })
    for _, query in ipairs { "?cases=9", "?share=2", "?margin=x", "?doubt=0.5", "?days=0" } do
      assert.equal(422, get(query).status)
    end
    assert.equal(404, get("?rule=sale_lost%23404").status)
    site.engine:close()
  end)
end)

describe("leadcat suggest", function()
  after_each(stores.check)

  it("prints each with the rule to be added, and as JSON", function()
    local engine, path, host = answered.open()
    answer(engine, host)
    engine:close()
    local function run(words)
      return stores.run('os.exit(require("leadcat.cli").main(arg))', "suggest", "--path", path, stores.unpack(words))
    end
    local text, status = run {}
    assert.equal(0, status)
    assert.matches("sale_won: In %d+%% of %d+ cases where sale.amount is at least 500000, VIP was chosen", text)
    assert.matches('"value":500000', text, 1, true)
    assert.matches("sale_won +500 +", text)
    local found = json.decode((run { "--json", "--days", "30", "--cases", "40" }))
    assert.same({ 30, 40, "sale_won" }, { found.days, found.limits.cases, found.suggestions[1].rule })
    assert.matches("suggest no new rule", (run { "--share", "0.99" }))
    assert.equal(2, select(2, run { "--cases", "3" }))
    assert.equal(1, select(2, run { "--rule", "sale_lost#404" }))
  end)
end)
