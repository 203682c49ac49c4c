-- `leadcat drift`: reads an export, a host or the journal, lists who has drifted, and sets that right.

local import = require "leadcat.cli.import"
local json = require "leadcat.util.json"
local stores = require "support.stores"

local LEAD, CUSTOMER, PARTNER = 1, 5, 6 -- the preset's categories
local EXPORT = "Account;Created;Closed;Stage;Deal\r\n"
  .. "Acme;1.3.2026;3.3.2026;Gewonnen;S-17\r\nBolt;1.3.2026;;Offen;S-18\r\n"
  .. "Cone;2.3.2026;4.3.2026;Gewonnen;S-19\r\nDust;2.3.2026;4.3.2026;Verloren;S-20\r\n"
local READING = {
  "--company", "Account", "--created", "Created", "--closed", "Closed", "--stage", "Stage", "--sale", "Deal", "--won",
  "Gewonnen", "--lost", "Verloren", "--date-format", "%d.%m.%Y",
}

-- A store in which Acme and Cone have been forgotten, and the export.
local function new_store()
  local engine, path = stores.open { durability = "relaxed" }
  assert(engine:save(stores.config { sale_won = CUSTOMER }))
  assert(engine.host:create_many({ "Acme", "Bolt" }, LEAD))
  assert(engine.host:create("Cone", PARTNER))
  engine:close()
  return path, stores.file(EXPORT, ".csv")
end

local function drift(...)
  local words = { ... }
  for _, word in ipairs(READING) do
    words[#words + 1] = word
  end
  return stores.leadcat("drift", stores.unpack(words))
end

local function category_of(path, company)
  local engine = stores.open { path = path }
  local category = engine.host:get(company)
  engine:close()
  return category
end

-- An export of so many random sales: many on one day, some with several companies, without a date, or closed too early.
local function random_export(count)
  local state = 7919
  local function random(n) -- Park and Miller: the same in every Lua
    state = state * 16807 % 2147483647
    return state % n + 1
  end
  local lines = { "Account;Created;Closed;Stage;Deal;Amount;Lost to" }
  for i = 1, count do
    local company = "c" .. random(40) .. (random(9) == 1 and "|c" .. random(40) or "")
    local stage, opened = ({ "Won", "Lost", "Open" })[random(3)], random(25)
    local closed = stage ~= "Open" and ("2026-03-%02d"):format(math.max(1, math.min(28, opened + random(6) - 3))) or ""
    lines[#lines + 1] = ("%s;%s;%s;%s;%s;%s;%s"):format(random(50) == 1 and "" or company,
      random(20) > 1 and ("2026-03-%02d"):format(opened) or "", closed, stage, random(15) > 1 and "s" .. i or "",
      random(4) > 1 and tostring(random(900)) or "", random(5) == 1 and "them" or "")
  end
  return table.concat(lines, "\n") .. "\n"
end

-- What an export gives as events, each as a text with its line, and what it warns of.
local function events_of(text, any_order)
  local at = 1
  local file = { read = function(_, n)
    local part = text:sub(at, at + n - 1)
    at = at + n
    return part ~= "" and part or nil
  end }
  local iterator = import.opportunities(file, {
    company = "Account", created = "Created", closed = "Closed", stage = "Stage", sale = "Deal", won = { "Won" },
    lost = { "Lost" }, company_separator = "|", date_formats = {}, any_order = any_order, fields = {
      { name = "sale.amount", key = "amount", place = "sale", type = "number", given = "Amount" },
      { name = "sale.rival", key = "rival", place = "sale", type = "text", given = "Lost to" },
    },
  })
  local events = {}
  repeat
    local event, line = iterator:next()
    if event then
      local sale = event.sale or {}
      local words = {
        event.company, event.trigger, event.id or "-", sale.id or "-", sale.amount or "-", sale.rival or "-", line,
      }
      events[#events + 1] = { at = event.at, place = #events, text = table.concat(words, " ") }
    else
      assert.is_nil(line)
    end
  until not event
  return events, iterator.warnings
end

describe("leadcat drift", function()
  after_each(stores.check)

  it("reads an export that is larger than memory: the same events, which it puts in order by company", function()
    local export = random_export(600)
    local ordered, told = events_of(export, false)
    local as_they_come, told_too = events_of(export, true)
    assert.is_true(#ordered > 900)
    table.sort(as_they_come, function(a, b) return a.at < b.at or a.at == b.at and a.place < b.place end)
    for i, event in ipairs(ordered) do
      assert.same({ event.at, event.text }, { as_they_come[i].at, as_they_come[i].text })
    end
    assert.equal(#ordered, #as_they_come)
    table.sort(told_too)
    assert.is_true(#told > 1)
    assert.same(told, told_too)
  end)

  it("lists who has drifted, and counts all", function()
    local path, export = new_store()
    local output, errors, status = drift("--path", path, "--opportunities", export)
    assert.same({ "", 0 }, { errors, status })
    assert.matches("Acme +Lead +Customer +missed +Should be Customer%. The sale S%-17 was won%.", output)
    assert.matches("4 companies looked at %(only companies of the file were looked at%)", output)
    for _, row in ipairs { "missed +1", "untouched +1", "unknown_category +1", "in_step +1" } do
      assert.matches(row, output)
    end
    assert.is_nil(output:find("Cone", 1, true))

    local report = json.decode((drift("--path", path, "--opportunities", export, "--json", "--kind", "untouched")))
    assert.same({ missed = 1, untouched = 1, unknown_category = 1, in_step = 1 }, report.counts)
    local item = report.items[1]
    assert.same({ 1, "Cone", "not_potential_customer" }, { #report.items, item.company, item.reason })
    assert.is_nil(item.events)
    output = drift("--path", path, "--opportunities", export, "--since", "2026-03-04")
    assert.matches("2 companies looked at", output)
  end)

  it("writes CSV", function()
    local path, export = new_store()
    local output, errors = drift("--path", path, "--opportunities", export, "--csv")
    assert.matches("^company,kind,category,should be,because,sale,at,rule,entry,why\r?\n"
      .. "Acme,missed,Lead,Customer,sale_won,S%-17,2026%-03%-03T00:00:00Z,sale_won,,", output)
    assert.matches("leadcat: missed: 1\nleadcat: untouched: 1\n", errors)
  end)

  it("sets right what is chosen, as a run that can be undone", function()
    local path, export = new_store()
    local output = drift("--path", path, "--opportunities", export, "--set-right", "--preview")
    assert.matches("^what would be done:\n\n1 events, 1 companies updated", output)
    assert.equal(LEAD, category_of(path, "Acme"))
    output = drift("--path", path, "--opportunities", export, "--set-right", "--only", "Bolt")
    assert.matches("^0 events", output)
    assert.equal(LEAD, category_of(path, "Acme"))
    output = drift("--path", path, "--opportunities", export, "--set-right")
    local run = output:match "leadcat undo %-%-path %S+ %-%-run (%S+) takes that back"
    assert.equal(CUSTOMER, category_of(path, "Acme"))
    local _, _, status = stores.leadcat("undo", "--path", path, "--run", run)
    assert.same({ 0, LEAD }, { status, category_of(path, "Acme") })
    assert.matches("kept +1", (drift("--path", path, "--opportunities", export)))
  end)

  it("asks the host of a worker's file", function()
    local path = new_store()
    local worker = stores.file(([[
      local told = { id = "S-1", status = "won", at = 1600000000 }
      local categories = { Acme = 1, Bolt = 5 }
      local host = {
        category = function(company) return categories[company] end,
        set_category = function(company, to) categories[company] = to return true end,
        list_companies = function(after) return after and {} or { "Acme", "Bolt" } end,
        sales = function(companies)
          local answers = {}
          for i in ipairs(companies) do answers[i] = { sales = { told } } end
          return answers
        end,
      }
      return { engine = require("leadcat").open { path = "%s", host = host }, sources = {} }
    ]]):format(path), ".lua")
    local output, errors = stores.leadcat("drift", "--worker", worker)
    assert.equal("", errors)
    assert.matches("Acme +Lead +Customer +missed", output)
    assert.matches("2 companies looked at %(sales are as the host tells them now%)", output)
    assert.matches("1 events, 1 companies updated", (stores.leadcat("drift", "--worker", worker, "--set-right")))
  end)

  it("says what it is not given", function()
    local path = new_store()
    for _, row in ipairs {
      { "one of --path DIR and --worker FILE.lua is needed" },
      { "--csv goes with neither", "--path", path, "--csv", "--json" },
      { "--preview goes with --set-right", "--path", path, "--preview" },
      { "there is no host.sales", "--path", path, "--from", "host" },
      { "--from is of no use with a file", "--path", path, "--from", "journal", "events.jsonl" },
      { "cursor: 'x' is none of the source journal", "--path", path, "--cursor", "x" },
    } do
      local _, errors, status = stores.leadcat("drift", stores.unpack(row, 2))
      assert.matches(row[1], errors, 1, true)
      assert.is_true(status > 0)
    end
    local file = stores.file('{"trigger":"sale_won"}\n', ".jsonl")
    local _, errors = stores.leadcat("drift", "--path", path, file)
    assert.matches(file .. ":1: company must be", errors, 1, true)
  end)
end)
