-- Files: how the command line turns what a CRM exports into events. First CSV as such, then events that are written one
-- by one, then an opportunity export: one row a sale.

local csv = require "leadcat.util.csv"
local import = require "leadcat.cli.import"

local DAY = 24 * 60 * 60
local MIB = 1024 * 1024

-- What `io.open` gives, as far as it is used, for a text; it can only be read `chunk` bytes at a time.
local function file_of(text, chunk)
  local at = 1
  return {
    read = function(_, n)
      local piece = text:sub(at, at + (chunk or n) - 1)
      at = at + #piece
      return piece ~= "" and piece or nil
    end,
  }
end

-- The same on a disk that fails after that.
local function failing_file(text)
  local file = file_of(text)
  return {
    read = function(_, n)
      local piece = file:read(n)
      return piece, not piece and "Input/output error" or nil
    end,
  }
end

-- All that an iterator gives: results as `show(result, line)`, and errors as `line: message`.
local function drain(iterator, show)
  local results, errors = {}, {}
  while true do
    local result, line, code, bad_line = iterator:next()
    if result then
      results[#results + 1] = show(result, line)
    elseif line then
      assert.equal("invalid", code)
      errors[#errors + 1] = bad_line .. ": " .. line
    else
      return results, errors
    end
  end
end

local function records(text, chunk, options)
  local file = file_of(text, chunk)
  local reader = csv.reader(function(n)
    return file:read(n)
  end, options)
  local rows, errors = drain(reader, function(fields, line)
    return line .. ": " .. table.concat(fields, "|")
  end)
  return rows, errors, reader
end

local function whole(event)
  return event
end

describe("CSV", function()
  local FILES = {
    -- name, text, records as "line: field|field"
    { "is lines of fields", "a,b\n1,2\n", { "1: a|b", "2: 1|2" } },
    { "may lack the last line break", "a,b\n1,2", { "1: a|b", "2: 1|2" } },
    { "may end its lines with CRLF", "a,b\r\n1,2\r\n", { "1: a|b", "2: 1|2" } },
    { "may mix both", "a,b\r\n1,2\n3,4\r\n5,6", { "1: a|b", "2: 1|2", "3: 3|4", "4: 5|6" } },
    { "may start with a byte order mark", "\239\187\191a,b\n1,2", { "1: a|b", "2: 1|2" } },
    { "may have the mark before a quote", '\239\187\191"a",b\n1,2', { "1: a|b", "2: 1|2" } },
    { "has empty fields", "a,b,c\n,,\n1,,3\n,2,", { "1: a|b|c", "2: ||", "3: 1||3", "4: |2|" } },
    { "has empty quoted fields", 'a,b\n"",\n"",""\r\n', { "1: a|b", "2: |", "3: |" } },
    { "may have empty lines, which are skipped", "\n\r\na,b\n\n1,2\r\n\r\n3,4\n\n", { "3: a|b", "5: 1|2", "7: 3|4" } },
    { "may be one column", 'a\n1\n"2"\n', { "1: a", "2: 1", "3: 2" } },
    { "quotes delimiters", 'a,b\n"1,1","2,"\n', { "1: a|b", "2: 1,1|2," } },
    { "doubles quotes within quotes", 'a,b\n"say ""hi""",""""\n""",""",2', { "1: a|b", '2: say "hi"|"', '3: ","|2' } },
    {
      "quotes line breaks, as they are", 'a,b\n"1\n2","3\r\n\r\n4"\r\n5,6\n',
      { "1: a|b", "2: 1\n2|3\r\n\r\n4", "6: 5|6" },
    },
    { "keeps blanks", "a,b\n 1 ,\t\n", { "1: a|b", "2:  1 |\t" } },
    {
      "takes a quote within an unquoted field as text", 'a,b\n5" disk,x"y"\n"q",6"',
      { "1: a|b", '2: 5" disk|x"y"', '3: q|6"' },
    },
    { "may use semicolons", "a;b;c,d\n1;2;3,5\n", { "1: a|b|c,d", "2: 1|2|3,5" } },
    { "may use tabs", "a\tb\n1,5\t\"2\t2\"\n", { "1: a|b", "2: 1,5|2\t2" } },
    { "has commas where the header has as many semicolons", "a,b;c\n1,2\n", { "1: a|b;c", "2: 1|2" } },
    { "is not misled by what is quoted in the header", '"a;b;c",d\n1,2\n', { "1: a;b;c|d", "2: 1|2" } },
    { "may be nothing", "", {} },
    { "may be nothing but empty lines", "\n\r\n\n", {} },
  }

  for _, case in ipairs(FILES) do
    it(case[1], function()
      for chunk = 1, #case[2] + 1 do
        local rows, errors, reader = records(case[2], chunk)
        assert.same(case[3], rows)
        assert.same({}, errors)
        assert.equal(#case[2], reader:position())
      end
    end)
  end

  local BAD = {
    -- name, text, records that are read all the same, errors as "line: message"
    {
      "with too few or too many fields", "a,b\n1\n2,2\n3,3,3\n4,4\n", { "1: a|b", "3: 2|2", "5: 4|4" },
      { "2: the header has 2 fields, but this row 1", "4: the header has 2 fields, but this row 3" },
    },
    {
      "with text after a closing quote", 'a,b\n1,"2"x\n3,4\n', { "1: a|b", "3: 3|4" },
      { "2: text follows the closing quote of a field that starts on this line" },
    },
    {
      "with text after the closing quote of a field of several lines", 'a,b\n1,"2\n2\r\n"x,\n3,4\n',
      { "1: a|b", "5: 3|4" },
      { "2: text follows the closing quote of a field that starts on this line (lines 2 to 4 are skipped)" },
    },
    {
      "with a blank after a closing quote", 'a,b\n"1" ,2\n3,4', { "1: a|b", "3: 3|4" },
      { "2: text follows the closing quote of a field that starts on this line" },
    },
    {
      "with a quote that is never closed", 'a,b\n1,2\n3,"4\n5,6\n7,8', { "1: a|b", "2: 1|2" },
      { "3: the quote opened on this line is never closed (lines 3 to 5 are skipped)" },
    },
    {
      "with such a quote on a later line of the record", 'a,b\n"1\n1","2\n', { "1: a|b" },
      { "3: the quote opened on this line is never closed (lines 2 to 3 are skipped)" },
    },
  }

  for _, case in ipairs(BAD) do
    it("refuses a row " .. case[1] .. ", and goes on after it", function()
      for chunk = 1, #case[2] + 1 do
        local rows, errors, reader = records(case[2], chunk)
        assert.same(case[3], rows)
        assert.same(case[4], errors)
        assert.equal(#case[2], reader:position())
      end
    end)
  end

  it("reads the same in chunks of any size, torn anywhere", function()
    local torture = '\239\187\191h1,"h,2",h3\r\n"a ""b""\r\n,c",,"d\n"\r\n\r\n"x"y,,\n1,2\n,"",\n'
      .. '"""","\r\n",5"\n"open,\n,,\n'
    local rows, errors = records(torture)
    assert.same({ "1: h1|h,2|h3", '2: a "b"\r\n,c||d\n', "8: ||", '9: "|\r\n|5"' }, rows)
    assert.equal(3, #errors)
    for chunk = 1, #torture do
      local torn, torn_errors = records(torture, chunk)
      assert.same(rows, torn)
      assert.same(errors, torn_errors)
    end
  end)

  it("takes the delimiter it is told", function()
    assert.same({ "1: a,b|c", "2: 1|2" }, (records("a,b|c\n1|2\n", nil, { delimiter = "|" })))
    assert.same({ "1: a;b|c", "2: 1|2" }, (records("a;b,c\n1,2\n", nil, { delimiter = "," })))
    for _, delimiter in ipairs { "", ",,", '"', "\n", "x" } do
      assert.error_matches(function()
        csv.reader(io.read, { delimiter = delimiter })
      end, "the delimiter must be one character")
    end
  end)

  it("bounds a record, so that an open quote does not eat the file", function()
    local filler = ("1234567,\n"):rep(250000)
    local rows, errors = records('a,b\n1,"2\n' .. filler .. "5,6\n")
    assert.same({
      "2: the record is longer than 1 MiB: is a quote never closed? (lines 2 to 116510 are skipped)",
    }, errors)
    assert.equal("1: a|b", rows[1])
    assert.equal("116511: 1234567|", rows[2])
    assert.equal("250003: 5|6", rows[#rows])
  end)

  it("bounds a line", function()
    for _, size in ipairs { MIB + 1, 2 * MIB, 5 * MIB } do
      local rows, errors, reader = records("a\n" .. ("x"):rep(size) .. "\n1\n")
      assert.same({ "1: a", "3: 1" }, rows)
      assert.same({ "2: the line is longer than 1 MiB" }, errors)
      assert.equal(size + 5, reader:position())
    end
    assert.equal(2, #records("a\n" .. ("x"):rep(MIB) .. "\n"))
    assert.equal(1, #records("a\n" .. ("x"):rep(5 * MIB)))
  end)

  for _, rest in ipairs { "", "3,45", '3,"4\n', '3,"4"' } do
    it(("tells a failing disk from the end of the file, and takes no half a row: %q"):format(rest), function()
      local file = failing_file("a,b\n1,2\n" .. rest)
      local reader = csv.reader(function(n)
        return file:read(n)
      end)
      assert.same({ "a", "b" }, (reader:next()))
      assert.same({ "1", "2" }, (reader:next()))
      assert.same({ nil, "Input/output error", "io", 3 }, { reader:next() })
      assert.is_nil((reader:next()))
    end)
  end
end)

describe("events", function()
  -- What came of a file: the events, and the errors as "line: message".
  local function events_of(format, text, options)
    options = options or {}
    options.format = format
    return drain(import.events(file_of(text), options), whole)
  end

  it("are one JSON object a line", function()
    local events, errors = events_of("jsonl", '\239\187\191{"trigger":"sale_won","company":"Acme"}\r\n\n  \n'
      .. '{"trigger":"lead_status_set","company":42,"lead_status":5,"contact":{"id":7,"name":"Ann"},"at":1.5}')
    assert.same({}, errors)
    assert.same({
      { trigger = "sale_won", company = "Acme" },
      { trigger = "lead_status_set", company = 42, lead_status = 5, contact = { id = 7, name = "Ann" }, at = 1.5 },
    }, events)
  end)

  it("are CSV whose columns are the fields of an event", function()
    local events, errors = events_of("csv", "id,trigger,company,category,lead_status,contact,sale,actor,at,choice\n"
      .. "e1,sale_won,Acme,3,,,s1,bob,1488326400,5\n"
      .. "e2,lead_status_set,42,,5,c1,,,2017-03-01,keep\n"
      .. ",sale_lost,,,,,,,1488326400.5,false\n")
    assert.same({}, errors)
    assert.same({
      {
        id = "e1", trigger = "sale_won", company = "Acme", category = 3, sale = { id = "s1" }, actor = { id = "bob" },
        at = 1488326400, choice = 5,
      },
      {
        id = "e2", trigger = "lead_status_set", company = "42", lead_status = 5, contact = { id = "c1" },
        at = 1488326400, choice = false,
      },
      { trigger = "sale_lost", at = 1488326400.5, choice = false },
    }, events)
  end)

  it("may have names in CSV, and columns in any order", function()
    local events = events_of("csv", "sale.name;company;sale;contact.name;trigger;actor.name\n"
      .. "Printers;Acme;17;;sale_won;Bob\n")
    assert.same({
      { company = "Acme", trigger = "sale_won", sale = { id = "17", name = "Printers" }, actor = { name = "Bob" } },
    }, events)
  end)

  it("are the same in both forms", function()
    local from_csv = events_of("csv", "id,trigger,company,category,lead_status,sale,sale.name,at,choice\n"
      .. 'e1,lead_status_set,"Ærlig, ""Kaffe""",3,5,s1,"Two\nlines",1488326400,5\n')
    local from_json = events_of("jsonl", '{"id":"e1","trigger":"lead_status_set","company":"Ærlig, \\"Kaffe\\"",'
      .. '"category":3,"lead_status":5,"sale":{"id":"s1","name":"Two\\nlines"},"at":1488326400,"choice":5}')
    assert.same(from_json, from_csv)
    for _, field in ipairs { "category", "lead_status", "at", "choice" } do
      assert.equal(tostring(from_json[1][field]), tostring(from_csv[1][field])) -- 3, not 3.0
    end
  end)

  local BAD_LINES = {
    -- name, format, text, how many events are read all the same, errors as "line: message"
    {
      "is no JSON object", "jsonl", '{"trigger":"sale_won"}\n{"trigger":\n[1]\n"sale_won"\nnull\n{}', 2,
      { "^2: invalid JSON", "^3: an event is a JSON object$", "^4: an event is a JSON object$", "^5: invalid JSON" },
    },
    { "is too long", "jsonl", '{}\n"' .. ("x"):rep(MIB) .. '"\n{}\n', 2, { "^2: the line is longer than 1 MiB$" } },
    {
      "has no number for a category", "csv",
      "trigger,company,category\nx,A,Lead\nx,A,3.5\nx,A,3\nx,A,0x3\nx,A,1234567890123456", 1,
      {
        '^2: category is "Lead", not a whole number$', '^3: category is "3.5", not a whole number$',
        '^5: category is "0x3", not a whole number$', '^6: category is "1234567890123456", not a whole number$',
      },
    },
    {
      "has no number for a lead status or choice, or too few fields", "csv",
      "trigger,company,lead_status,choice\nx,A,-,\nx,A,,maybe\nx,A,5,keep\nx,A\n", 1,
      {
        '^2: lead_status is "%-", not a whole number$', '^3: choice is "maybe", not a whole number or "keep"$',
        "^5: the header has 4 fields, but this row 2$",
      },
    },
    {
      "has no date", "csv",
      'trigger,company,at\nx,A,yesterday\nx,A,2017-02-31\nx,A,1e9\nx,A,nan\nx,A,"20\n17"\n', 0,
      {
        '^2: at is "yesterday", not a date such as 2017%-03%-01 or ', '^3: at is "2017%-02%-31", not a date',
        '^4: at is "1e9", not a date', '^5: at is "nan", not a date', '^6: at is "20<U%+000A>17", not a date',
      },
    },
  }

  for _, case in ipairs(BAD_LINES) do
    local name, format, text, count, patterns = case[1], case[2], case[3], case[4], case[5]
    it(("name a line of %s that %s, and go on after it"):format(format, name), function()
      local events, errors = events_of(format, text)
      assert.equal(count, #events)
      assert.equal(#patterns, #errors)
      for i, pattern in ipairs(patterns) do
        assert.matches(pattern, errors[i])
      end
    end)
  end

  local BAD_HEADERS = {
    -- what is wrong, text, the only error
    {
      "an unknown column", "trigger,company,colour\nx,A,red\n",
      '^1: an event has no "colour"; the columns may be: id, trigger, company, category, lead_status, contact, '
        .. "contact.name, sale, sale.name, actor, actor.name, at, choice, and those of %-%-field$",
    },
    { "no company", "\ntrigger,at\nx,1\n", '^2: there is no column "company"; the columns are: "trigger", "at"$' },
    { "no trigger", "company\nA\n", '^1: there is no column "trigger"; the columns are: "company"$' },
    { "a column twice", "trigger,company,company\nx,A,B\n", '^1: the column "company" is there twice$' },
    { "nothing", "", "^1: the file is empty: it has no header$" },
    { "an open quote", '"trigger', "^1: the quote opened on this line is never closed$" },
    {
      "zero bytes", "trigger,\0company\n",
      "^1: the header has zero bytes: the file may be UTF%-16, save it as UTF%-8$",
    },
    { "control characters", "tri\1gger\n", '^1: an event has no "tri<U%+0001>gger"; ' },
    { "no end", ("x"):rep(100) .. "\nx\n", '^1: an event has no "' .. ("x"):rep(60) .. '%.%.%."; ' },
  }

  for _, case in ipairs(BAD_HEADERS) do
    it("in CSV end at a header with " .. case[1], function()
      local events, errors = events_of("csv", case[2])
      assert.equal(0, #events)
      assert.equal(1, #errors)
      assert.matches(case[3], errors[1])
    end)
  end

  it("have dates of a form that is told", function()
    local text = "trigger,company,at\nx,A,20170301\nx,A,1488326400\n"
    local events, errors = events_of("csv", text, { date_format = "%Y%m%d" })
    assert.same({ { trigger = "x", company = "A", at = 1488326400 } }, events)
    assert.same({ '3: at is "1488326400", not a date of the form %Y%m%d' }, errors)
  end)

  it("are read no faster than they are taken", function()
    local iterator = import.events(file_of("trigger,company\nx,A\nx,B\n"), { format = "csv" })
    assert.equal(0, iterator:position())
    assert.same({ { trigger = "x", company = "A" }, 2 }, { iterator:next() })
    assert.equal(20, iterator:position())
    iterator:next()
    assert.is_nil((iterator:next()))
    assert.is_nil((iterator:next()))
    assert.equal(24, iterator:position())
  end)

  it("are in the format that the file's name tells", function()
    local names = {
      { "a.csv", "csv" }, { "/b.c/A.CSV", "csv" }, { "a.tsv", "csv" }, { "a.jsonl", "jsonl" }, { "a.ndjson", "jsonl" },
      { "a.json", "jsonl" }, { "a.txt", nil }, { "csv", nil }, { "", nil },
    }
    for _, name in ipairs(names) do
      assert.equal(name[2], import.format_of(name[1]))
    end
    assert.error_matches(function()
      import.events(file_of "", { format = "xml" })
    end, "the format must be csv or jsonl")
  end)
end)

describe("dates", function()
  local DATES = {
    -- text, format (ISO 8601 when there is none), seconds since 1970 or nil
    { "1970-01-01", nil, 0 },
    { "2017-03-01", nil, 1488326400 },
    { "2016-02-29", nil, 1456704000 },
    { "2017-03-01T10:20", nil, 1488363600 },
    { "2017-03-01T10:20:30", nil, 1488363630 },
    { "2017-03-01 10:20:30", nil, 1488363630 },
    { "2017-03-01T10:20:30.5", nil, 1488363630.5 },
    { "2017-03-01T10:20:30Z", nil, 1488363630 },
    { "2017-03-01T10:20:30.25Z", nil, 1488363630.25 },
    { "2017-03-01T10:20+01:00", nil, 1488360000 },
    { "2017-03-01 10:20:30-0530", nil, 1488383430 },
    { "2017-02-29", nil, nil },
    { "2017-13-01", nil, nil },
    { "2017-03-01T10:20:30,5", nil, 1488363630.5 },
    { "2017-03-01 10:20:30.123456 UTC", nil, 1488363630.123456 },
    { "2017-03-01 10:20:30+02", nil, 1488356430 },
    { "2017-03-01 10:20:30 +0000 UTC", nil, 1488363630 },
    { "20170301T102030Z", nil, 1488363630 },
    { "20170301", nil, 1488326400 },
    { "1488363630", nil, 1488363630 },
    { "1488363630250", nil, 1488363630.25 },
    { "2017-3-1", nil, 1488326400 },
    { "2017/03/01 1:20 PM", nil, 1488374400 },
    { "31.3.2017 10:20", nil, 1490955600 },
    { "1.3.2017", nil, 1488326400 }, -- nobody writes a month before a point
    { "3/31/2017, 9:05\226\128\175AM", nil, 1490951100 },
    { "31/12/2017 12:00 am", nil, 1514678400 },
    { "5/5/2017", nil, 1493942400 },
    { " 2017-03-01\194\160", nil, 1488326400 },
    { "31/31/2017", nil, nil },
    { "3/1/17", nil, nil },
    { "13:00 PM", nil, nil },
    { "42795.25", "excel", 1488348000 },
    { "42795", "excel", 1488326400 },
    { "0", "excel", nil },
    { "01.03.2017 10:20:30.5", "%d.%m.%Y %H:%M:%S", 1488363630.5 },
    { "2017-03-01x", nil, nil },
    { "2017-03-01T", nil, nil },
    { "2017-03-01T25:00", nil, nil },
    { "2017-03-01T10:20:30 CET", nil, nil },
    { "2017-03-01T10:20+1", nil, nil },
    { "01.03.2017", "%d.%m.%Y", 1488326400 },
    { "3/1/2017 10:20", "%m/%d/%Y %H:%M", 1488363600 },
    { "2017-03-01", "%d.%m.%Y", nil },
    { "31.02.2017", "%d.%m.%Y", nil },
  }

  for _, case in ipairs(DATES) do
    local text, format, expected = case[1], case[2], case[3]
    it(("%q %s"):format(text, format or "as ISO 8601"), function()
      local options = { company = "c", created = "d", closed = "e", stage = "s", date_format = format }
      local event, message = import.opportunities(file_of('c,d,e,s\nA,"' .. text .. '",,\n'), options):next()
      if expected then
        assert.equal(expected, event.at)
      else
        assert.is_nil(event)
        local expected_form = format == "excel" and "a spreadsheet's number of a day" or "a date " .. (format
          and "of the form " .. format or "such as 2017-03-01 or 2017-03-01T10:20:30+01:00")
        assert.equal(1, message:find(('d is "%s", not %s'):format(text, expected_form), 1, true), message)
      end
    end)
  end
end)

describe("an opportunity export", function()
  local HEADER = "id,account,owner,stage,opened,closed\n"

  local function export(text, more, chunk)
    local options = {
      company = "account", created = "opened", closed = "closed", stage = "stage", won = "Won", lost = "Lost",
    }
    for key, value in pairs(more or {}) do
      options[key] = value
    end
    return import.opportunities(file_of(text, chunk), options)
  end

  -- Events as "line: trigger company day", with days counted from 1 March 2017.
  local function brief(event, line)
    return ("%d: %s %s %g"):format(line, event.trigger, event.company, (event.at - 1488326400) / DAY)
  end

  it("has one row a sale, and gives an event for each thing that happened to it", function()
    local text = HEADER .. "s1,A,ann,Won,2017-03-01,2017-03-05\n"
    local iterator = export(text, { sale = "id", actor = "owner" })
    assert.is_nil(iterator.total)
    local sale, actor = { id = "s1" }, { id = "ann" }
    assert.same({
      {
        id = "s1:sale_registered", trigger = "sale_registered", company = "A", sale = sale, actor = actor,
        at = 1488326400,
      },
      { id = "s1:sale_won", trigger = "sale_won", company = "A", sale = sale, actor = actor, at = 1488672000 },
    }, (drain(iterator, whole)))
    assert.equal(2, iterator.total)
    assert.equal(#text, iterator:position())
  end)

  it("may say less", function()
    local text = HEADER .. ",Acme,,Open,2017-03-01,\n"
    assert.same({ trigger = "sale_registered", company = "Acme", at = 1488326400 }, (export(text):next()))
    local event = export(text, { sale = "id", actor = "owner" }):next()
    assert.same({ trigger = "sale_registered", company = "Acme", at = 1488326400 }, event)
  end)

  local ROWS = {
    -- name, rows, events
    {
      "gives them in the order of their dates",
      "s1,A,,Won,2017-03-03,2017-03-09\ns2,B,,Lost,2017-03-01,2017-03-02\ns3,C,,Open,2017-03-04,\n",
      {
        "3: sale_registered B 0", "3: sale_lost B 1", "2: sale_registered A 2", "4: sale_registered C 3",
        "2: sale_won A 8",
      },
    },
    {
      "on one date gives registrations before closings, and each in the order of the rows",
      "s1,B,,Won,2017-03-01,2017-03-02\ns2,A,,Lost,2017-03-01,2017-03-02\ns3,C,,Open,2017-03-02,\n"
        .. "s4,A,,Won,2017-03-02,2017-03-02\n",
      {
        "2: sale_registered B 0", "3: sale_registered A 0", "4: sale_registered C 1", "5: sale_registered A 1",
        "2: sale_won B 1", "3: sale_lost A 1", "5: sale_won A 1",
      },
    },
    {
      "goes by the time of day where there is one",
      "s1,A,,Won,2017-03-01T12:00,2017-03-02\ns2,B,,Open,2017-03-02T06:00,\n"
        .. "s3,C,,Lost,2017-03-01T06:00Z,2017-03-01T18:00+06:00\n",
      {
        "4: sale_registered C 0.25", "2: sale_registered A 0.5", "4: sale_lost C 0.5", "2: sale_won A 1",
        "3: sale_registered B 1.25",
      },
    },
    {
      "gives nothing for a sale without a company", "s1,,,Won,2017-03-01,2017-03-02\ns2,,,Open,never,\n", {},
    },
    {
      "gives no registration for a sale without a created date", "s1,A,,Open,,\ns2,B,,Won,,2017-03-02\n",
      { "3: sale_won B 1" },
    },
    {
      "closes a sale without a closed date when it was created", "s1,A,,Lost,2017-03-02,\n",
      { "2: sale_registered A 1", "2: sale_lost A 1" },
    },
    {
      "takes every other stage for an open sale, whatever its closed date",
      "s1,A,,on,2017-03-01,2017-03-02\ns2,B,,,2017-03-01,soon\n",
      { "2: sale_registered A 0", "3: sale_registered B 0" },
    },
    {
      "names the line a row starts on", '"s\n1","A\nB",,Open,2017-03-01,\n\ns2,C,,Open,2017-03-01,\n',
      { "2: sale_registered A\nB 0", "6: sale_registered C 0" },
    },
  }

  for _, case in ipairs(ROWS) do
    it(case[1], function()
      for chunk = 1, 64, 7 do
        local events, errors = drain(export(HEADER .. case[2], nil, chunk), brief)
        assert.same({}, errors)
        assert.same(case[3], events)
      end
    end)
  end

  it("may have several stages that mean won, or lost", function()
    local rows = "s1,A,,Closed Won,2017-03-01,\ns2,B,,Renewed,2017-03-01,\ns3,C,,Lost,2017-03-01,\n"
    local iterator = export(HEADER .. rows, { won = { "Closed Won", "Renewed" } })
    local events = drain(iterator, brief)
    assert.same({ "2: sale_won A 0", "3: sale_won B 0", "4: sale_lost C 0" }, { events[4], events[5], events[6] })
    assert.same({}, iterator.warnings)
  end)

  it("without stages gives registrations alone", function()
    local text = HEADER .. "s1,A,,Won,2017-03-01,2017-03-02\n"
    local options = { company = "account", created = "opened", closed = "closed", stage = "stage" }
    local iterator = import.opportunities(file_of(text), options)
    assert.same({ "2: sale_registered A 0" }, (drain(iterator, brief)))
    assert.same({}, iterator.warnings)
  end)

  local BAD_ROWS = HEADER .. "s1,A,,Won,2017-03-01,2017-03-02\ns2,B,,Won,1.3.2017,\ns3,C,,Lost,,\n"
    .. 's4,D,,Lost,,soon\ns5,E\ns6,"F"x,,,,\ns7,G,,Open,2017-03-04,\n'

  it("with a bad row gives no event at all, so that nothing is half applied", function()
    local iterator = export(BAD_ROWS)
    local message = 'opened is "1.3.2017", not a date of the form of "2017-03-01" on line 2'
    assert.same({ nil, message, "invalid", 3 }, { iterator:next() })
    assert.is_nil((iterator:next()))
  end)

  it("leaves bad rows out when it is to keep going", function()
    local iterator = export(BAD_ROWS, { keep_going = true })
    local events, errors = drain(iterator, brief)
    assert.same({ "2: sale_registered A 0", "2: sale_won A 1", "8: sale_registered G 3" }, events)
    assert.same({}, errors)
    assert.equal(5, iterator.bad_count)
    assert.is_false(iterator.failed)
    local lines = {}
    for i, bad in ipairs(iterator.bad) do
      lines[i] = bad.line .. ": " .. bad.message:sub(1, 24)
    end
    assert.same({
      '3: opened is "1.3.2017", no', "4: the sale is closed but h", '5: closed is "soon", not a ',
      "6: the header has 6 fields,", "7: text follows the closing",
    }, lines)
  end)

  it("remembers a thousand bad rows, and counts the others", function()
    local iterator = export(HEADER .. ("s,A,,Won,,\n"):rep(1500) .. "s,A,,Won,2017-03-01,\n", { keep_going = true })
    assert.equal("sale_registered", iterator:next().trigger)
    assert.equal(1500, iterator.bad_count)
    assert.equal(1000, #iterator.bad)
    assert.equal(1001, iterator.bad[1000].line)
  end)

  for _, text in ipairs { "", HEADER, HEADER .. "s1,A,,Won,2017-03-01,2017-03-02\ns2,B" } do
    it(("does not keep going when reading fails: %q"):format(text), function()
      local options = { company = "account", created = "opened", closed = "closed", stage = "stage", keep_going = true }
      local iterator = import.opportunities(failing_file(text), options)
      local event, message, code = iterator:next()
      assert.same({ nil, "Input/output error", "io" }, { event, message, code })
      assert.is_true(iterator.failed)
      assert.is_nil((iterator:next()))
    end)
  end

  local HEADERS = {
    -- what is wrong, text, options, the error
    {
      "lacks a column", HEADER, { company = "Company" },
      '^there is no column "Company"; the columns are: "id", "account", "owner", "stage", "opened", "closed"$',
    },
    { "lacks one that need not be", HEADER, { sale = "number" }, '^there is no column "number"; ' },
    { "has a column twice", "account,stage,opened,opened,closed\n", {}, '^the column "opened" is there twice$' },
    {
      "has very many", ("x,"):rep(1000) .. "x\n", {},
      '^there is no column "account"; the columns are: ' .. ('"x", '):rep(20) .. "%.%.%.$",
    },
    { "is empty", "", {}, "^the file is empty: it has no header$" },
    { "is read with confused stages", HEADER, { lost = { "Won" } }, '^the stage "Won" cannot be both won and lost$' },
  }

  for _, case in ipairs(HEADERS) do
    it("ends at once when it " .. case[1], function()
      local iterator = export(case[2], case[3])
      local event, message, code, line = iterator:next()
      assert.is_nil(event)
      assert.matches(case[4], message)
      assert.same({ "invalid", 1 }, { code, line })
      assert.is_true(iterator.failed)
      assert.is_nil((iterator:next()))
    end)
  end

  it("must be told its columns by the programmer", function()
    assert.error_matches(function()
      import.opportunities(file_of "", { company = "account", created = "opened", stage = "stage" })
    end, "option closed: the name of a column expected")
  end)

  it("warns of a stage that no row has", function()
    local rows = ("s,A,,Won,2017-03-01,\n"):rep(3) .. "s,A,,Lost,2017-03-01,\n" .. "s,,,Open,,\n" .. "s,,,,,\n"
    local iterator = export(HEADER .. rows, { won = "Closed Won", lost = { "Lost", "Dropped" } })
    iterator:next()
    assert.same({
      'no row has the stage "Closed Won"; the stages are: "Won" (3), "" (1), "Lost" (1), "Open" (1)',
      'no row has the stage "Dropped"; the stages are: "Won" (3), "" (1), "Lost" (1), "Open" (1)',
      "rows without a company: 2 (lines 6, 7): nothing comes of them",
    }, iterator.warnings)
    local nothing = export(HEADER, { lost = {} })
    assert.is_nil((nothing:next()))
    assert.equal(0, nothing.total)
    assert.same({ 'no row has the stage "Won"; the stages are: none' }, nothing.warnings)
  end)

  it("warns of sales that end before they begin", function()
    local iterator = export(HEADER .. "s,A,,Won,04/01/2017,03/02/2017\n", { lost = {}, date_format = "%m/%d/%Y" })
    local first = iterator:next()
    assert.same({ "sale_registered", 1488412800 }, { first.trigger, first.at })
    assert.equal(first.at, iterator:next().at)
    assert.same({
      "sales that are closed before they are registered: 1 (the first on line 2; are days and months read the right "
        .. "way round?): they count as registered when they were closed",
    }, iterator.warnings)
  end)
end)

describe("the bundled sample", function()
  local PATH = "lua/leadcat/demo/opportunities.csv"

  it("is what its generator makes", function()
    local file = assert(io.open(PATH, "rb"))
    local text = file:read "*a"
    file:close()
    assert.is_true(text == dofile "spec/support/make_sample.lua")
  end)

  it("is a year of some 320 sales to 30 companies", function()
    local file = assert(io.open(PATH, "rb"))
    local iterator = import.opportunities(file, {
      company = "Company", created = "Registered", closed = "Closed", stage = "Stage", won = "Won", lost = "Lost",
      sale = "Sale", actor = "Owner",
    })
    local counts, companies = {}, {}
    local _, errors = drain(iterator, function(event)
      counts[event.trigger] = (counts[event.trigger] or 0) + 1
      companies[event.company] = true
      assert.is_true(event.at >= 1735689600 and event.at < 1735689600 + 365 * DAY)
    end)
    file:close()
    assert.same({}, errors)
    assert.same({ "rows without a company: 14 (lines 7, 53, 78, 91, 99, ...): nothing comes of them" },
      iterator.warnings)
    assert.is_true(companies['Kaffebaren "Den blå døra"'] and companies["Hagesvale, Moe & Døtre"])
    assert.same({ sale_registered = 306, sale_won = 140, sale_lost = 92 }, counts)
  end)
end)

describe("a real export", function()
  it("gives an event for each registration, win and loss", function()
    local file = io.open("../shared/data/sales_pipeline.csv", "rb")
    if not file then
      pending "../shared/data/sales_pipeline.csv is not here"
      return
    end
    local iterator = import.opportunities(file, {
      company = "account", created = "engage_date", closed = "close_date", stage = "deal_stage", won = "Won",
      lost = "Lost",
    })
    local counts, companies, company_count, last = {}, {}, 0, 0
    local _, errors = drain(iterator, function(event)
      counts[event.trigger] = (counts[event.trigger] or 0) + 1
      company_count = company_count + (companies[event.company] and 0 or 1)
      companies[event.company] = true
      assert.is_true(event.at >= last)
      last = event.at
    end)
    file:close()
    assert.same({}, errors)
    assert.matches("^rows without a company: 1425 %(lines", iterator.warnings[1])
    assert.matches("^rows without a date: %d+ %(lines", iterator.warnings[2])
    assert.same({ sale_registered = 7212, sale_won = 4238, sale_lost = 2473 }, counts)
    assert.equal(13923, iterator.total)
    assert.equal(85, company_count)
  end)
end)
