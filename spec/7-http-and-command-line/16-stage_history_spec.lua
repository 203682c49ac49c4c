-- Histories of stages, one row a change of a sale: CRMs write them, and they say what an export of sales has forgotten.

local exports = require "support.exports"
local json = require "leadcat.util.json"
local stores = require "support.stores"
local times = require "support.times"

local OPPORTUNITY, CUSTOMER, LOST = "Opportunity", "Customer", "Lost opportunity"

local FIELD_HISTORY = "Id,OpportunityId,CreatedById,CreatedDate,Field,OldValue,NewValue\n"
local SALES = "Opportunity ID,Account Name,Stage,Created Date,Close Date\n"

local function csv(content)
  return stores.file(content, ".csv")
end

-- Name; the history; where its companies end; what is said; an export, or nil; further words.
local READ = {
  { "Salesforce's field history, with the export of the sales", FIELD_HISTORY
      .. "1,006000000000001AAA,005,2026-01-05T09:00:00.000+0000,created,,\n"
      .. "2,006000000000001AAA,005,2026-01-09T09:00:00.000+0000,Amount,100,200\n"
      .. "3,006000000000001AAA,005,2026-01-19T09:00:00.000+0000,StageName,Prospecting,Closed Lost\n"
      .. "4,006000000000009AAA,005,2026-01-19T09:00:00.000+0000,StageName,Prospecting,Closed Lost\n",
    { Acme = LOST, Beta = CUSTOMER, Gamma = OPPORTUNITY }, "rows of another field: 1 (line 3): nothing comes of them",
    SALES .. "006000000000001,Acme,Closed Lost,2026-01-05,2026-01-19\n006000000000002,Beta,Closed Won,2026-01-05,"
      .. "2026-02-01\n006000000000003,Gamma,Prospecting,2026-01-05,\n", { "--preset", "salesforce" } },
  { "the export's closing, where the history ends before", FIELD_HISTORY
      .. "1,006A,005,2026-01-19T09:00:00.000+0000,StageName,Prospecting,Negotiation\n", { Acme = CUSTOMER },
    "rows of a stage that counts as the one before: 1 (line 2)",
    SALES .. "006A,Acme,Closed Won,2026-01-05,2026-01-19\n", { "--preset", "salesforce" } },
  { "the history, where the export says otherwise", FIELD_HISTORY
      .. "1,006A,005,2026-01-19T09:00:00.000+0000,StageName,Prospecting,Closed Won\n", { Acme = CUSTOMER },
    "sales whose history ends otherwise than the export says: 1: the history counts",
    SALES .. "006A,Acme,Negotiation,2026-01-05,\n", { "--preset", "salesforce" } },
  { "Salesforce's history of stages with its accounts", "OpportunityId,AccountId,StageName,CreatedDate\n"
      .. "A,Acme,Prospecting,2026-01-05\nA,Acme,Closed Lost,2026-01-06\n", { Acme = LOST }, "" },
  { "HubSpot's history of properties", "dealId,Company,property,value,timestamp,updatedByUserId\n"
      .. "7,Acme,dealstage,appointmentscheduled,1767600000000,3\n7,Acme,dealstage,closedwon,1767700000000,3\n",
    { Acme = CUSTOMER }, "" },
  { "Bitrix24's history", "ID,TYPE_ID,OWNER_ID,COMPANY_ID,CREATED_TIME,STAGE_SEMANTIC_ID,STAGE_ID\n"
      .. "1,1,7,Acme,2026-01-05T09:14:58+03:00,P,NEW\n2,5,7,Acme,2026-01-06T09:14:58+03:00,F,LOSE\n", { Acme = LOST },
    "" },
  { "a file of anybody's, newest first", "Deal ID;Company;From stage;To stage;Changed at;Changed by\n"
      .. "7;Acme;Offer;Lost;06.01.2026 12:00;Ann\n7;Acme;New;Offer;06.01.2026 12:00;Ann\n"
      .. "7;;;New;31.12.2025 08:00;Ann\n", { Acme = LOST }, "rows of a stage that counts as the one before: 1 (line 3)",
    nil, { "--won", "Won", "--lost", "Lost" } },
  { "columns that are told", "a,b,c,d\nAcme,7,Won,2026-01-05\n", { Acme = CUSTOMER }, "", nil,
    { "--won", "Won", "--history-column", "company=a", "--history-column", "sale=b", "--history-column", "stage=c",
      "--history-column", "changed=d" } },
  { "rows that lead to nothing", "Deal ID,Company,From stage,To stage,Changed at\n,Acme,,New,2026-01-05\n"
      .. "8,,,New,2026-01-05\n9,Acme,,,2026-01-05\n9,Acme,,Won,\n9,Acme,,Won,2026-01-06\n", { Acme = CUSTOMER },
    "rows without a company: 1 (line 3): nothing comes of them", nil, { "--won", "Won" } },
}

-- Name; the history; words; what is said.
local REFUSED = {
  { "without companies", FIELD_HISTORY .. "1,A,5,2026-01-05,StageName,,New\n", {},
    "the history has no column of the company: --opportunities SALES.csv names an export of the same sales that has" },
  { "whose stages nobody knows", "Deal ID,Company,From stage,To stage,Changed at\n", {},
    "which stages are won, and which are lost? --won and --lost say it, or --preset" },
  { "without a date", "Deal ID,Company,From stage,To stage\n", { "--won", "Won" },
    "a history of stages needs a column of the changed: --history-column changed=COLUMN says which" },
  { "with two columns that could be one", "Deal ID,Sale ID,Company,From stage,To stage,Changed at\n",
    { "--won", "Won" },
    'the columns "Deal ID" and "Sale ID" could both be the sale: --history-column sale=COLUMN says which' },
  { "with a bad date", "Deal ID,Company,From stage,To stage,Changed at\n7,Acme,,Won,soon\n", { "--won", "Won" },
    ':2: Changed at is "soon", not a date' },
  { "with a sale that is rounded", "Deal ID,Company,From stage,To stage,Changed at\n1.2E+11,Acme,,Won,2026-01-05\n",
    { "--won", "Won" }, ':2: Deal ID is "1.2E+11", a number that a spreadsheet has rounded' },
}

describe("a history of stages", function()
  after_each(stores.check)

  for i = 1, #READ, times(20) == 20 and 1 or 4 do
    local row = READ[i]
    it("is read alike by all commands: " .. row[1], function()
      local words = { "--stage-history", csv(row[2]) }
      if row[5] then
        words[3], words[4] = "--opportunities", csv(row[5])
      end
      for _, word in ipairs(row[6] or {}) do
        words[#words + 1] = word
      end
      assert.equal("history", exports.agree(row[3], row[4], stores.unpack(words)).reading.kind)
    end)
  end

  for _, row in ipairs(REFUSED) do
    it("is refused " .. row[1], function()
      local _, errors, status = exports.simulate("--stage-history", csv(row[2]), stores.unpack(row[3]))
      assert.equal(1, status)
      assert.is_truthy(errors:find(row[4], 1, true), errors)
    end)
  end

  it("is known by its columns, whatever it is given as", function()
    local history = csv "OpportunityId,Account Name,CreatedDate,Field,OldValue,NewValue\n"
    for _, words in ipairs { { history }, { "--opportunities", history, "--preset", "salesforce" } } do
      local output, errors, status = exports.simulate(stores.unpack(words))
      assert.same({ 0, "" }, { status, errors })
      assert.equal(0, json.decode(output).events)
    end
    exports.agree({ Acme = LOST }, "", csv("OpportunityId,Account Name,CreatedDate,Field,OldValue,NewValue\n"
      .. "A,Acme,2026-01-05,created,,\nA,Acme,2026-01-06,StageName,New,Closed Lost\n"))
  end)

  it("gives each win, loss and reopening an event with an id of its own", function()
    local history = csv("Deal ID,Company,From stage,To stage,Changed at,Changed by\n7,Acme,,New,2026-01-05,ann\n"
      .. "7,Acme,New,Won,2026-01-06,ann\n7,Acme,Won,New,2026-01-07,ann\n7,Acme,New,Won,2026-01-08,bob\n"
      .. "8,Acme,Won,Lost,2026-01-09,bob\n")
    local words = { "--stage-history", history, "--won", "Won", "--lost", "Lost" }
    local output = exports.simulate(stores.unpack(words))
    local outcomes, counts = json.decode(output).outcomes, {}
    for trigger, by_outcome in pairs(outcomes) do
      for _, count in pairs(by_outcome) do
        counts[trigger] = (counts[trigger] or 0) + count
      end
    end
    -- the second sale is registered, and was won, at the latest when it was lost
    assert.same({ sale_registered = 2, sale_won = 3, sale_lost = 1, sale_reopened = 1 }, counts)
    local engine, path = stores.open { durability = "relaxed" }
    assert(engine:save(stores.config(exports.RULES)))
    engine:close()
    for _ = 1, 2 do
      output = stores.leadcat("replay", "--path", path, "--start-category", "Lead", "--json", stores.unpack(words))
    end
    local again = json.decode(output).outcomes
    assert.same({ 1, 1 }, { again.sale_registered.duplicate, again.sale_won.duplicate })
    assert.is_nil(again.sale_registered.update or again.sale_won.update)
  end)

  it("is inspected, with the command that reads it", function()
    local output, errors, status = stores.leadcat("import", "inspect", csv(FIELD_HISTORY
      .. "1,006A,5,2026-01-05,StageName,New,Closed Won\n"))
    assert.equal(0, status, errors)
    assert.matches("1 rows; it looks like a history of stages of salesforce\n", output)
    assert.matches("the history has no column of the company", output)
    assert.matches("simulate %-%-config rules.json %-%-stage%-history [^ ]+ %-%-opportunities SALES.csv "
      .. "%-%-preset salesforce\n$", output)
    output = stores.leadcat("import", "inspect",
      csv "Deal ID,Company,From stage,To stage,Changed at\n7,A,,W,2026-01-05\n", "--won", "W")
    assert.matches("\nTo stage +stage +1 +text +W\n", output)
    assert.matches("\nW +1 +won\n", output)
    assert.matches("%-%-stage%-history [^ ]+ %-%-won W %-%-lost LABEL\n$", output)
  end)

  it("names its columns by options of their own", function()
    local _, errors, status = exports.simulate("--stage-history", "x", "--created", "y")
    assert.equal(2, status)
    assert.matches("%-%-created is a column of an export: %-%-history%-column names one of a history, such as "
      .. "changed=COLUMN", errors)
    _, errors, status = exports.simulate("--stage-history", "x", "--history-column", "close=y")
    assert.equal(2, status)
    assert.matches("one of sale, company, stage, from, changed, actor, property, and its column expected", errors)
    _, errors, status = exports.simulate("x.csv", "--history-column", "sale=y")
    assert.equal(2, status)
    assert.matches("%-%-history%-column needs %-%-stage%-history", errors)
  end)
end)

describe("how a file was read", function()
  after_each(stores.check)

  local EXPORT = "Opportunity ID;Account Name;Stage;Created Date;Close Date;Other\n"
    .. "1;Acme;Closed Won;05.01.2026;31.01.2026;\n2;;New;06.01.2026;;\n3;ACME;New;06.01.2026;;\n"
  local function words()
    return "--opportunities", csv(EXPORT), "--preset", "salesforce"
  end
  local HEAD = "leadcat: [^\n]+: rows without a company: 1 %(line 3%): nothing comes of them\n"
    .. "leadcat: [^\n]+: the companies \"Acme\" and \"ACME\" are taken for two\n"
    .. "[^\n]+: UTF%-8 %(as nothing shows another%), parted by semicolons; 3 rows\n"
    .. "column +taken for +dates\nOpportunity ID +sale\nAccount Name +company\nStage +stage\n"
    .. "Created Date +created +day, month, year\nClose Date +closed +day, month, year\n"
    .. "stage +rows +counts as\nNew +2 +open\nClosed Won +1 +won\n\n$"

  it("is told before what simulate and a preview of backfill say", function()
    local output, errors = stores.leadcat("simulate", "--config", exports.rules_file(), "--start-category",
      "Lead", words())
    assert.matches("^3 events, 2 companies\n", output)
    assert.matches(HEAD, errors)
    local engine, path = stores.open { durability = "relaxed" }
    assert(engine:save(stores.config(exports.RULES)))
    engine:close()
    assert.matches(HEAD, (select(2, stores.leadcat("backfill", "--path", path, "--preview", "--start-category",
      "Lead", words()))))
    assert.not_matches("taken for +dates", (select(2, stores.leadcat("backfill", "--path", path, "--start-category",
      "Lead", words()))))
  end)

  it("is a field of the report in JSON", function()
    local report = json.decode((exports.simulate(words()))).reading
    assert.same({ "UTF-8", ";", "sales", 3, 3, { { "Acme", "ACME" } } }, {
      report.encoding, report.delimiter, report.kind, report.rows, report.events, report.near,
    })
    assert.same({ title = "Close Date", taken_for = "closed", form = "day, month, year" }, report.columns[5])
    assert.same({
      { label = "New", rows = 2, counts_as = "open" }, { label = "Closed Won", rows = 1, counts_as = "won" },
    }, report.stages)
    assert.same({ { fate = "without a company", rows = 1, lines = { 3 } } }, report.fates)
  end)
end)
