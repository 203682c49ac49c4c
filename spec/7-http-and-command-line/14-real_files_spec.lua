-- Files as CRMs, databases and spreadsheets write them: each kind is read right, or refused with the remedy; what leads
-- to nothing is counted; and simulate, replay and backfill agree about every file.

local exports = require "support.exports"
local json = require "leadcat.util.json"
local stores = require "support.stores"
local times = require "support.times"

local RULES = exports.RULES
local OPPORTUNITY, CUSTOMER, LOST = "Opportunity", "Customer", "Lost opportunity"

-- The options of a file whose columns are called as the fields are.
local function options(more)
  local list = {}
  local given = { company = "company", created = "created", closed = "closed", stage = "stage", won = "Closed Won" }
  for name, value in pairs(more or {}) do
    given[name] = value or nil
  end
  for name, value in pairs(given) do
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      list[#list + 1] = "--" .. name:gsub("_", "-")
      list[#list + 1] = one
    end
  end
  return list
end

local function simulate(content, more)
  return exports.simulate("--opportunities", stores.file(content, ".csv"), stores.unpack(options(more)))
end

local UTF16 = "\255\254" .. ("company,stage,created,closed\n"
      .. "M\252hle,closed won,2024-01-05,2024-01-31\n"):gsub(".", "%0\0")

local HEADER = "company,stage,created,closed\n"

-- What kind; the file; options; where its companies end; what is said.
local READ = {
  { "two forms of dates, a column each",
    HEADER .. "North,Lost,5/20/2024 7:42,8/31/2024\nSouth,Closed Won,5/27/2021 0:00,6/26/2021\n"
      .. "East,Open,6/1/2024 13:05,\n",
    { lost = "Lost" }, { North = LOST, South = CUSTOMER, East = OPPORTUNITY }, "" },
  { "times with offsets, fractions and UTC",
    HEADER .. "A,closed won,2023-09-26 15:15:00.000000 UTC,2023-10-30\nB,Closed Lost,2026-06-02 09:14:58+02,"
      .. "2026-06-09 16:45:00.5+00\n", { lost = "closed lost" }, { A = CUSTOMER, B = LOST }, "" },
  { "labels in any case and with any blanks",
    HEADER .. "A,Closed Won,2026-01-05,2026-02-01\nB,closed won,2026-01-05,2026-02-01\n"
      .. "C,Closed Won ,2026-01-05,2026-02-01\n"
      .. "D,Closed  Won,2026-01-05,2026-02-01\nE,Closed Lost,2026-01-05,2026-02-01\n", {},
    { A = CUSTOMER, B = CUSTOMER, C = CUSTOMER, D = CUSTOMER, E = OPPORTUNITY }, "" },
  { "a label that is nearly a known one", HEADER .. "A,Closed Wonn,2026-01-05,\n", {},
    { A = OPPORTUNITY }, 'the stage "Closed Wonn" (1) counts as open: is it "Closed Won"?' },
  { "one company in several spellings", HEADER .. "North Mill,Closed Won,2026-01-05,2026-02-01\n"
      .. "North Mill ,Open,2026-02-05,\nMühle,Open,2026-02-05,\nMu\204\136hle,Closed Won,2026-02-05,2026-03-01\n"
      .. "north mill,Open,2026-02-05,\n", {},
    { ["North Mill"] = CUSTOMER, ["Mühle"] = CUSTOMER, ["north mill"] = OPPORTUNITY },
    'the companies "North Mill" and "north mill" are taken for two' },
  { "a column for won and one for lost", "company,stage,created,won,lost\n"
      .. "A,Won,2026-01-05 10:11:12,2026-02-01 09:00:00,\n"
      .. "B,Lost,2026-01-06 10:11:12,,2026-02-03 09:00:00\nA,Lost,2026-01-07 10:11:12,,2026-01-20 09:00:00\n",
    { closed = false, won_at = "won", lost_at = "lost", won = "won", lost = "lost" }, { A = CUSTOMER, B = LOST }, "" },
  { "several companies in a row, and none", HEADER .. "North;South,Closed Won,2026-01-05,2026-02-01\n"
      .. ",Closed Won,2026-01-05,2026-02-01\n ; ,Open,2026-01-05,\n", { company_separator = ";" },
    { North = CUSTOMER, South = CUSTOMER }, "rows without a company: 2 (lines 3, 4): nothing comes of them" },
  { "a closing of a day, and a registration in that day",
    HEADER .. "A,Lost,2026-02-03T15:15:00Z,2026-02-03\nB,Lost,2026-02-03,2026-02-03\n"
      .. "C,Lost,2026-02-03T15:15:00+13:00,2026-02-03\n"
      .. "D,Lost,2026-02-03,2026-02-03T01:00:00+13:00\n",
    { lost = "lost" }, { A = LOST, B = LOST, C = LOST, D = LOST }, 'no row has the stage "Closed Won"' },
  { "a sale that was entered after it was closed", HEADER .. "A,Closed Won,2026-05-03,2026-02-03\n", {},
    { A = CUSTOMER }, "sales that are closed before they are registered: 1 (the first on line 2;" },
  { "UTF-16", UTF16, {}, { ["Mühle"] = CUSTOMER }, "" },
  { "windows-1252", "company;stage;created;closed\r\nM\252ller & S\246hne;Closed Won;05.01.2024;31.01.2024\r\n",
    { encoding = "windows-1252" }, { ["Müller & Söhne"] = CUSTOMER }, "" },
  { "a first line sep=", 'sep=;\r\ncompany;stage;created;closed\r\nA;Closed Won;2024-01-05;2024-01-31\r\n', {},
    { A = CUSTOMER }, "" },
  { "pipes", "company|stage|created|closed\nA|Closed Won|2026-01-05|2026-02-01\n", {}, { A = CUSTOMER }, "" },
  { "a delimiter that is told", "company~stage~created~closed\n"
      .. "A~Closed Won~2026-01-05~2026-02-01\n", { delimiter = "~" },
    { A = CUSTOMER }, "" },
  { "line ends of old Macs", "company,stage,created,closed\rA,Closed Won,2026-01-05,2026-02-01\r", {}, { A = CUSTOMER },
    "" },
  { "nothing as MySQL writes it", HEADER .. "A,Closed Won,2026-01-05,\\N\n"
      .. "B,Closed Won,0000-00-00,2026-01-05 00:00:00\nC,Open,0000-00-00 00:00:00,\\N\n", {},
    { A = CUSTOMER, B = CUSTOMER }, "rows without a date: 1 (line 4): nothing comes of them" },
  { "a spreadsheet's text and days", HEADER .. '"=""0012""",Closed Won,45321.5,45322\n',
    { date_format = "excel" }, { ["0012"] = CUSTOMER }, "" },
  { "seconds and milliseconds", HEADER .. "A,Closed Won,1769000000,1769100000000\n", {},
    { A = CUSTOMER }, "" },
  { "a form for one column", HEADER .. "A,Closed Won,05-Jan-2026,2026-02-01\n",
    { date_format = "created=%d-%b-%Y" }, { A = CUSTOMER }, "" },
  { "an order that is told", HEADER .. 'A,Closed Won,"1/5/2024, 3:45 PM","1/6/2024, 9:00 AM"\n',
    { date_order = "mdy" }, { A = CUSTOMER }, "" },
  { "offsets, letters and hours that are rare",
    HEADER .. "A,Closed Won,2026-01-05T10:00:00-0330,2026-01-06T10:00:00Z\n"
      .. "B,Closed Won,2026-01-05t10:00:00z,2026-01-06t24:00:00z\n"
      .. "C,Closed Won,2026-01-05 10:00:00 GMT+0100,2026-01-06\n",
    {}, { A = CUSTOMER, B = CUSTOMER, C = CUSTOMER }, "" },
  { "half days, behind a blank that nobody sees", HEADER .. 'A,Closed Won,"1/25/2026, 3:45\226\128\175PM",'
      .. '"1/26/2026, 12:05\226\128\175a.m."\n', {}, { A = CUSTOMER }, "" },
  { "years of two digits, whose place is told", HEADER .. "A,Closed Won,01/02/26,03/02/2026\nB,Open,31/12/99,\n",
    { date_order = "dmy" }, { A = CUSTOMER, B = OPPORTUNITY }, "" },
  { "months by name", HEADER .. 'A,Closed Won,"Jan 5, 2026",1-Feb-2026\nB,Open,"Monday, 5 January 2026 10:00",\n', {},
    { A = CUSTOMER, B = OPPORTUNITY }, "" },
  { "nothing as databases write it", HEADER .. "A,Closed Won,NULL,2026-01-06\nNULL,Closed Won,2026-01-05,\\N\n"
      .. "B,Open,2026-01-05,0000-00-00 00:00:00.000\nC,Open,0001-01-01T00:00:00,(null)\n", {},
    { A = CUSTOMER, B = OPPORTUNITY }, "rows without a company: 1 (line 3): nothing comes of them" },
  { "dates that are never reached", HEADER .. "A,Closed Won,2026-01-05,9999-12-31\n", {}, { A = CUSTOMER },
    "events more than ten years from now: 1 (the last on line 2): are these dates right?" },
  { "no dates of registration", "company,stage,closed\nA,Closed Won,2026-01-05\nB,Open,\n", { created = "closed" },
    { A = CUSTOMER }, "rows without a date: 1 (line 3): nothing comes of them" },
  { "ids that a program has written as amounts", "company,stage,created,closed,id\n"
      .. "12345.0,Closed Won,2026-01-05,2026-01-06,1\n\"1,234\",Open,2026-01-05,,2\n1234,Open,2026-01-05,,3\n",
    { sale = "id" }, { ["12345.0"] = CUSTOMER, ["1,234"] = OPPORTUNITY, ["1234"] = OPPORTUNITY },
    'company: ids that look as if a program had written them as amounts, such as "12345.0": 2.' },
  { "a footer that Salesforce writes, and lines of blanks", "   \n" .. HEADER .. "A,Closed Won,2026-01-05,2026-01-06\n"
      .. " \t\n\nGrand Totals (1 records)\n\n\"Copyright (c) 2000-2026 salesforce.com, inc.\"\n   \n", {},
    { A = CUSTOMER }, "rows of a report's footer: 2 (lines 6, 8)" },
  { "a byte order mark, sep=, and line ends of both kinds",
    "\239\187\191sep=;\ncompany;stage;created;closed;note\r\n"
      .. 'A;Closed Won;2026-01-05;2026-01-06;"a\nb\r\nc"\nB;Open;2026-01-05;;\r\n', {},
    { A = CUSTOMER, B = OPPORTUNITY }, "" },
  { "columns of one name that nobody reads", "company,stage,created,closed,note,note\n"
      .. "A,Closed Won,2026-01-05,2026-01-06,x,y\n", {}, { A = CUSTOMER }, "" },
  { "a header only", HEADER, {}, {}, 'no row has the stage "Closed Won"; the stages are: none' },
  { "UTF-16 without a mark", ("company,stage,created,closed\nA,Closed Won,2026-01-05,2026-01-06\n"):gsub(".", "%0\0"),
    {}, { A = CUSTOMER }, "" },
  { "times of a zone, and of none", HEADER .. "A,Closed Won,2026-07-01 23:30,2026-07-01T22:00:00Z\n",
    { timezone = "Europe/Oslo" }, { A = CUSTOMER }, "" },
}

-- What kind; the file; options; what is said.
local REFUSED = {
  { "days and months that cannot be told apart", HEADER .. "A,Closed Won,1/5/2024,2/6/2024\n", {},
    'created: the dates, such as "1/5/2024", do not tell whether the day or the month comes first: '
      .. "--date-order dmy or" },
  { "an order that does not fit", HEADER .. "A,Closed Won,13/5/2024,\n", { date_order = "mdy" },
    ':2: created is "13/5/2024", not a date' },
  { "two forms in one column", HEADER .. "A,Open,13/5/2024,\nB,Open,5/13/2024,\n", {},
    ':3: created is "5/13/2024", not a date of the form of "13/5/2024" on line 2' },
  { "ids that a spreadsheet has rounded", HEADER .. "9.87654E+11,Open,2026-01-05,\n", {},
    ':2: company is "9.87654E+11", a number that a spreadsheet has rounded: '
      .. "several ids look the same. Export the column" },
  { "sales whose ids it has rounded", "company,stage,created,closed,id\n"
      .. "A,Open,2026-01-05,,\"1,23E+11\"\n", { sale = "id" },
    ':2: id is "1,23E+11", a number that a spreadsheet has rounded' },
  { "bytes of an unknown encoding", HEADER .. "M\252ller,Open,2026-01-05,\n", {},
    ":2: this line is not in UTF-8: say which encoding the file has, such as --encoding windows-1252" },
  { "bytes that the encoding does not have", HEADER .. "M\255\255ller,Open,2026-01-05,\n",
    { encoding = "EUC-JP" }, "the file is not in EUC-JP: there is no such character in EUC-JP (byte 31)" },
  { "a spreadsheet's days that nobody told", HEADER .. "A,Open,45321.5,\n", {},
    "--date-format excel" },
  { "years of two digits", HEADER .. "A,Open,25/01/26,\n", {},
    "(of a year of two digits --date-order says where it stands: dmy, mdy or ymd)" },
  { "zero bytes", HEADER .. "A\0B,Open,2026-01-05,\n", {}, ":2: this line has zero bytes: the file is damaged" },
  { "a carriage return for a line end", HEADER .. "A,Open,2026-01-05,\rB,Open,2026-01-05,\n", {},
    ":2: the header has 4 fields, but this row 7: it has a carriage return within, where the line may end" },
  { "a column of two that have its name", "company,stage,created,closed,stage\n", {},
    ':1: the column "stage" is there twice' },
  { "nothing in it", "", {}, "the file is empty: it has no header" },
  { "blanks alone", "  \n\n \t \n", {}, "the file is empty: it has no header" },
  { "a workbook in it", "PK\3\4" .. ("\0\1"):rep(100), {},
    "the file is a ZIP archive or an Excel workbook (.xlsx): open it, and save the sheet as CSV" },
  { "a workbook of old in it", "\208\207\17\224\161\177\26\225" .. ("\0"):rep(100), {},
    "an old Excel workbook (.xls)" },
  { "what gzip has compressed", "\31\139\8\0\0", {}, "the file is compressed by gzip: unpack it first" },
  { "a web page in it", "<html><table>", {}, "the file is HTML: export the data as CSV" },
  { "half a character at its end", "\255\254c\0x", {}, "it ends within a character of UTF-16LE" },
  { "more cells than columns", HEADER .. "A,Open,2026-01-05,,\n", {},
    ":2: the header has 4 fields, but this row 5" },
}

describe("a file with", function()
  after_each(stores.check)

  for i = 1, #READ, times(20) == 20 and 1 or 5 do -- each is read by three processes
    local row = READ[i]
    it(row[1] .. " is read alike by all commands", function()
      exports.agree(row[4], row[5], "--opportunities", stores.file(row[2], ".csv"), stores.unpack(options(row[3])))
    end)
  end

  for _, row in ipairs(REFUSED) do
    it(row[1] .. " is refused", function()
      local _, errors, status = simulate(row[2], row[3])
      assert.equal(1, status)
      assert.is_truthy(errors:find(row[4], 1, true), errors)
    end)
  end

  it("bytes of an unknown encoding is refused although bad lines are left out", function()
    local _, errors, status = exports.simulate("--opportunities",
      stores.file("company,stage,created,closed\nM\252ller,Open,2026-01-05,\n", ".csv"), "--keep-going",
      stores.unpack(options()))
    assert.equal(1, status)
    assert.matches("this line is not in UTF%-8", errors)
  end)

  for _, words in ipairs {
    { "encoding", "windows-9999", "there is no encoding 'windows%-9999'" },
    { "encoding", "a b", "there is no encoding" }, { "delimiter", "a", "comma, semicolon, tab, pipe" },
    { "timezone", "Mars/Base", "a time zone such as Europe/Oslo or %+01:00 expected, got 'Mars/Base'" },
    { "timezone", "../passwd", "a time zone" }, { "stage", { "a", "b" },
    "option '%-%-stage' must be used at most 1 time" },
  } do
    it(("the option --%s %s is refused"):format(words[1], tostring(words[2])), function()
      local _, errors, status = simulate("", { [words[1]] = words[2] })
      assert.equal(2, status)
      assert.matches(words[3], errors)
    end)
  end
end)

describe("events in a file", function()
  after_each(stores.check)

  -- Lost on the second day, registered on the first: newest first.
  local EVENTS = {
    { trigger = "sale_lost", company = "A", at = 2 * 86400.5 },
    { trigger = "sale_registered", company = "A", at = 86400 },
  }
  local LINES = {}
  for i, event in ipairs(EVENTS) do
    LINES[i] = json.encode(event) .. "\n"
  end
  local CSV = "trigger,company,at\nsale_lost,A,1970-01-03\nsale_registered,A,1970-01-02\n"

  local function simulated(name, content, ...)
    local output, errors, status = exports.simulate(stores.file(content, name), ...)
    assert.equal(0, status, errors)
    return json.decode(output).categories, errors
  end

  for name, content in pairs { [".jsonl"] = table.concat(LINES), [".csv"] = CSV } do
    it("are taken in the order of their times: " .. name, function()
      local ends, errors = simulated(name, content)
      assert.same({ [LOST] = 1 }, ends)
      assert.matches("the events are taken in the order of their times, which is not the file's", errors)
      local engine, path = stores.open { durability = "relaxed" }
      assert(engine:save(stores.config(RULES)))
      engine:close()
      local _, said, status = stores.leadcat("replay", "--path", path, stores.file(content, name), "--start-category",
        "Lead")
      assert.equal(0, status, said)
      assert.matches("which is not the file's", said)
      engine = stores.open { path = path }
      assert.equal(4, engine.host:get "A")
      engine:close()
    end)

    it("are taken in the order of the file where that is wished: " .. name, function()
      local ends, errors = simulated(name, content, "--in-file-order")
      assert.same({ [OPPORTUNITY] = 1 }, ends)
      assert.equal("", errors)
    end)
  end

  it("of a pipe are replayed as they come, which is told", function()
    local engine, path = stores.open { durability = "relaxed" }
    assert(engine:save(stores.config(RULES)))
    engine:close()
    local file = stores.file(table.concat(LINES), ".jsonl")
    local command = ("cat '%s' | %s lua/leadcat/bin/leadcat replay --path '%s' --start-category Lead --format jsonl - "
      .. "2>&1"):format(file, os.getenv "LEADCAT_LUA" or "lua5.4", path)
    local pipe = assert(io.popen(command))
    assert.matches("an event is older than one before it; they are taken as they come", pipe:read "*a")
    pipe:close()
    engine = stores.open { path = path }
    assert.equal(3, engine.host:get "A")
    engine:close()
  end)

  it("that are in order are not sorted, and those without a time stay behind the one before them", function()
    local UNTIMED = '{"trigger":"sale_registered","company":"A"}\n'
    local ends, errors = simulated(".jsonl", LINES[2] .. UNTIMED .. LINES[1])
    assert.same({ [LOST] = 1 }, ends)
    assert.equal("", errors)
    ends = simulated(".jsonl", LINES[1] .. UNTIMED .. LINES[2])
    assert.same({ [OPPORTUNITY] = 1 }, ends)
  end)

  it("are sorted with a bad line told once", function()
    local lines = {}
    for i = 1, 2000 do
      lines[i] = ('{"trigger":"sale_registered","company":"%d","at":%d}\n'):format(i % 7, i < 1500 and i or 3000 - i)
    end
    lines[1700] = "{\n"
    local ends, errors = simulated(".jsonl", table.concat(lines), "--keep-going")
    assert.same({ [OPPORTUNITY] = 7 }, ends)
    assert.equal(2, select(2, errors:gsub("1700", "")) + select(2, errors:gsub("1 bad line left out", "")))
  end)

  it("are shown by a backfill on a terminal, which asks before it begins", function()
    local engine, path = stores.open { durability = "relaxed" }
    assert(engine:save(stores.config(RULES)))
    engine:close()
    local file = stores.file(HEADER .. "A,Closed Won,2026-01-05,2026-02-01\n", ".csv")
    local command = ("%s lua/leadcat/bin/leadcat backfill --path %s --opportunities %s --start-category Lead %s")
      :format(os.getenv "LEADCAT_LUA" or "lua5.4", path, file,
      (table.concat(options(), " "):gsub("Closed Won", '"Closed Won"')))

    -- What a terminal shows when this is typed, and how many changes the store has then.
    local function typed(answer, more)
      local pipe = assert(io.popen(("printf '%s' | script -qc '%s %s' /dev/null"):format(answer, command, more or "")))
      local shown = pipe:read "*a"
      pipe:close()
      engine = stores.open { path = path }
      local count = #engine:history()
      engine:close()
      return shown, count
    end

    local shown, count = typed "n\\n"
    assert.equal(0, count)
    assert.matches("closed +closed +ISO 8601.-apply the rules to these 2 events%? %[y/N%].*nothing was done", shown)
    shown, count = typed("", "--yes")
    assert.equal(2, count)
    assert.not_matches("apply the rules", shown)
    shown, count = typed("y\\n", "--run again")
    assert.equal(2, count)
    assert.matches("apply the rules to these 2 events", shown)
  end)

  it("cannot be kept in the order of a file by a backfill", function()
    local _, errors, status = stores.leadcat("backfill", "--path", "x", "a.jsonl", "--in-file-order")
    assert.equal(2, status)
    assert.matches("a backfill goes by the dates of its events", errors)
  end)
end)

describe("leadcat import inspect", function()
  after_each(stores.check)

  local HUBSPOT = "\239\187\191Record ID,Deal Name,Deal Stage,Create Date,Close Date,Associated Company\n"
    .. "1,NM,Closed Won (Sales Pipeline),2026-01-05 10:11,2026-02-01 09:00,North Mill;South Mill\n"
    .. "2,XM,Appointment Scheduled (Renewals),2026-01-07 10:11,,\n"

  local function inspect(content, ...)
    local output, errors, status = stores.leadcat("import", "inspect", stores.file(content, ".csv"), ...)
    return output, errors, status
  end

  it("says how a file would be read, and the command that does it", function()
    local output, errors, status = inspect(HUBSPOT)
    assert.equal(0, status, errors)
    for _, line in ipairs {
      ": UTF%-8 %(by its byte order mark%), parted by commas; 2 rows; it looks like an export of hubspot\n",
      "\nClose Date +closed +1 +dates: ISO 8601 +2026%-02%-01 09:00\n", "\nDeal Name +2 +text +NM\n",
      "\nClosed Won %(Sales Pipeline%) +1 +won\n", "\nAppointment Scheduled %(Renewals%) +1 +open\n", "\n4 events\n",
      "\nrows without a company: 1 %(line 3%): nothing comes of them\n",
      "\nread so by:\n  leadcat simulate %-%-config rules.json %-%-opportunities [^ ]+ %-%-preset hubspot\n$",
    } do
      assert.matches(line, output)
    end
  end)

  it("says it as JSON", function()
    local report = json.decode((inspect(HUBSPOT, "--json")))
    assert.same({ "UTF-8", "mark", ",", 2, 0, 4, "hubspot" }, {
      report.encoding, report.encoding_is, report.delimiter, report.rows, report.bad_rows, report.events,
      report.looks_like,
    })
    assert.same({ title = "Create Date", taken_for = "created", filled = 2, has = "dates", form = "ISO 8601",
      example = "2026-01-05 10:11" }, report.columns[4])
    assert.same({ { rows = 1, fate = "without a company", lines = { 3 } } }, report.fates)
  end)

  it("takes no events in JSON for an export", function()
    local _, errors, status = stores.leadcat("import", "inspect", stores.file('{"trigger":"sale_won"}', ".jsonl"))
    assert.equal(1, status)
    assert.matches("events in JSON need no reading: leadcat simulate says what comes of them", errors)
  end)

  it("tells what is not known of another file", function()
    local output = inspect("a;b;c\nx;1/2/2024;5\ny;3/4/2024;\n;;\n")
    assert.matches("parted by semicolons; 3 rows\n", output)
    assert.matches("\nb +2 +dates: day or month first%? %-%-date%-order says it +1/2/2024\n", output)
    assert.matches("\nc +1 +numbers +5\n", output)
    assert.matches("%-%-company COLUMN %-%-created COLUMN %-%-closed COLUMN %-%-stage COLUMN %-%-won LABEL", output)
  end)

  for name, case in pairs {
    ["in English"] = {
      "id,Account,Status,created_at,Closed On\n1,A,WON,2026-01-05,2026-02-01\n2,B,won,2026-01-05,2026-02-01\n",
      "%-%-company Account %-%-created created_at %-%-closed 'Closed On' %-%-stage Status %-%-sale id %-%-won WON\n$",
    },
    ["in German"] = {
      "Firma;Phase;Angelegt;Abgeschlossen\nA;Gewonnen;2026-01-05;2026-02-01\nB;Verloren;2026-01-05;2026-02-01\n",
      "%-%-company Firma %-%-created Angelegt %-%-closed Abgeschlossen %-%-stage Phase %-%-won Gewonnen "
        .. "%-%-lost Verloren\n$",
    },
    ["with a name and an id of the company"] = {
      "Account ID,Company,Stage,Created,Won time,Lost time\n7,A,Open,2026-01-05,,\n",
      "%-%-company Company %-%-created Created %-%-won%-at 'Won time' %-%-lost%-at 'Lost time' %-%-stage Stage "
        .. "%-%-won LABEL %-%-lost LABEL\n$",
    },
    ["where a CRM's titles stand over other stages"] = {
      "Sale,Company,Owner,Stage,Registered,Closed\n1,A,C,Won,2026-01-05,2026-02-01\n2,B,C,Lost,2026-01-05,\n",
      "%-%-company Company %-%-created Registered %-%-closed Closed %-%-stage Stage %-%-won Won %-%-lost Lost\n$",
    },
    ["where a CRM's titles stand over its own stages"] = {
      "Sale,Company,Owner,Stage,Registered,Closed\n1,A,C,Sold,2026-01-05,2026-02-01\n2,B,C,Lost,2026-01-05,\n",
      "%-%-preset superoffice\n$",
    },
    ["with two that could be it"] = {
      "Company,Customer,Stage,Created,Closed\nA,B,Won,2026-01-05,2026-02-01\n",
      "%-%-company COLUMN %-%-created Created %-%-closed Closed %-%-stage Stage %-%-won LABEL %-%-lost LABEL\n$",
    },
  } do
    it("proposes columns and stages by their names, " .. name, function()
      assert.matches(case[2], (inspect(case[1])))
    end)
  end

  it("proposes a command that reads the file as it was shown", function()
    local file = stores.file("company,stage,created,closed\nA,Won,2026-01-05,2026-02-01\n", ".csv")
    local shown = stores.leadcat("import", "inspect", file)
    assert.matches("\nWon +1 +won\n\n2 events\n", shown)
    local words = {}
    for word in shown:match("\n  leadcat simulate %-%-config rules%.json (.-)\n$"):gmatch "%S+" do
      words[#words + 1] = word
    end
    exports.agree({ A = CUSTOMER }, "", stores.unpack(words))
  end)

  it("knows a file of events in CSV", function()
    local _, errors, status = inspect "trigger,company,at\nsale_won,A,2026-01-05\n"
    assert.equal(1, status)
    assert.matches("events in this file need no reading: leadcat simulate says what comes of them", errors)
  end)

  it("says why a file cannot be read", function()
    local _, errors, status = inspect ""
    assert.same({ 1, true }, { status, errors:find("the file is empty: it has no header", 1, true) ~= nil })
    _, errors, status = inspect "a,b\n\252,x\n"
    assert.same({ 1, true }, { status, errors:find(":2: this line is not in UTF-8", 1, true) ~= nil })
  end)
end)

describe("a preset", function()
  after_each(stores.check)

  for name, content in pairs {
    salesforce = "Opportunity ID,Account Name,Stage,Created Date,Close Date\n1,A,Closed Won,2026-01-05,2026-02-01\n"
      .. "Grand Totals (1 records)\n\n\"Copyright (c) 2000-2026 salesforce.com, inc. All rights reserved.\"\n",
    pipedrive = "Deal - ID,Deal - Status,Deal - Organization,Deal - Deal created,Deal - Won time,Deal - Lost time\n"
      .. "1,Won,A,2026-01-05 10:11:12,2026-02-01 09:00:00,\n",
    dynamics = "Created On,Potential Customer,Status,Actual Close Date\n5/20/2024 7:42,A,Won,8/31/2024\n",
    zoho = "Record Id,Deal Owner.id,Deal Owner,Amount,Deal Name,Closing Date,Account Name.id,Account Name,Stage,"
      .. "Created Time\n"
      .. "zcrm_554023000000328074,zcrm_5,Ann,100,Mill,2026-02-01,zcrm_7,A,Closed Won,2026-01-05 10:11:12\n",
    superoffice = "Sale ID;Sale;Company;Owner;Sale date;Amount;Stage;Status;Registered\n"
      .. "17;Mill;A;Ann;01.02.2026;1 200,00;90 %;Sold;25.01.2026 10:11\n",
    odoo = '"External ID","Opportunity","Customer","Stage","Created on","Closed Date","Salesperson"\n'
      .. '"__export__.crm_lead_17_a1","Mill","A","Won","2026-01-05 10:11:12","2026-02-01 09:00:00","Ann"\n',
    espocrm = "id,name,deleted,amount,stage,closeDate,createdAt,accountId,accountName,assignedUserName\n"
      .. "65f1c0a3b2f9d4e7c,Mill,0,100,Closed Won,2026-02-01,2026-01-05 10:11:12,65f1c0a3b2f9d4e7d,A,Ann\n",
    bitrix24 = "deal_id,created_at,stage_id,company_id,closed_at\nD1,2026-06-01T09:14:58+05:00,WON,A,"
      .. "2026-06-08T16:45:00+05:00\n",
  } do
    it("knows the columns and stages of " .. name, function()
      local output, errors, status = exports.simulate("--opportunities", stores.file(content, ".csv"), "--preset",
        name)
      assert.equal(0, status, errors)
      local report = json.decode(output)
      assert.same({ [CUSTOMER] = 1 }, report.categories)
      assert.equal(2, report.events)
      assert.equal(name == "salesforce", errors:find("rows of a report's footer: 2 (lines 3, 5)", 1, true) ~= nil)
    end)
  end

  it("of Odoo takes a sale with a reason for being lost for lost, as it keeps its stage", function()
    local HEAD = '"External ID","Customer","Stage","Created on","Closed Date","Lost Reason"\n'
    exports.agree({ A = LOST, B = OPPORTUNITY }, "", "--preset", "odoo", "--opportunities", stores.file(HEAD
      .. '"1","A","Proposition","2026-01-05 10:11:12","2026-02-01 09:00:00","Too expensive"\n'
      .. '"2","B","Proposition","2026-01-05 10:11:12","",""\n', ".csv"))
  end)

  it("gives way to what the user says, and tells what it does not find", function()
    local content = "Account Name,Phase,Created Date,Close Date\nA,Closed Won,2026-01-05,2026-02-01\n"
    local function simulated(...)
      return exports.simulate("--opportunities", stores.file(content, ".csv"), "--preset", "salesforce", ...)
    end
    local _, errors, status = simulated()
    assert.equal(1, status)
    assert.matches('the preset salesforce finds no column for %-%-stage; the columns are: "Account Name", "Phase"',
      errors)
    local output
    output, errors, status = simulated("--stage", "Phase")
    assert.equal(0, status, errors)
    assert.same({ [CUSTOMER] = 1 }, json.decode(output).categories)
  end)
end)
