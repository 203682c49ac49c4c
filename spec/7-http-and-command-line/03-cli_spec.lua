-- The `leadcat` command, end to end: each test runs it as a person would and looks at its output, its complaints and its
-- exit status (0 done, 1 a failed run, 2 wrong usage).

local json = require "leadcat.util.json"
local leadcat = require "leadcat"
local stores = require "support.stores"
local tables = require "leadcat.cli.tables"

local run = stores.leadcat

local RULES = { sale_registered = 3, sale_won = 5, sale_lost = 4, ["lead_status_set:5"] = 3 }

local function rules_file(rules)
  return stores.file(json.encode(stores.config(rules or RULES)), ".json")
end

-- A store with rules, made by the command itself.
local function store(rules)
  local path = stores.path()
  assert.equal(0, select(3, run("init", "--path", path)))
  assert.equal(0, select(3, run("config", "import", "--path", path, rules_file(rules))))
  return path
end

-- Runs the command and expects this status; gives its output, or the complaint when it failed.
local function expect(status, ...)
  local output, errors, got = run(...)
  assert.equal(status, got, output .. errors)
  return status == 0 and output or errors, errors
end

local function open(path, fn)
  local engine = stores.open { path = path }
  fn(engine)
  engine:close()
end

describe("leadcat", function()
  after_each(stores.check)

  describe("says what it is", function()
    it("with --version", function()
      assert.equal("leadcat " .. leadcat._VERSION .. "\n", expect(0, "--version"))
    end)

    for _, words in ipairs { { "--help" }, { "replay", "--help" }, { "config", "import", "--help" } } do
      it("with " .. table.concat(words, " "), function()
        assert.matches("^Usage: leadcat", expect(0, stores.unpack(words)))
      end)
    end
  end)

  describe("refuses wrong usage with status 2", function()
    local ROWS = {
      { "no command", {}, "a command is required" },
      { "an unknown command", { "explode" }, "unknown command 'explode'" },
      { "an unknown option", { "init", "--path", "x", "--force" }, "unknown option '%-%-force'" },
      { "a missing option", { "init" }, "%-%-path" },
      { "config without more", { "config" }, "a command is required" },
      { "an import of nothing", { "config", "import" }, "\nleadcat config import %-%-help says more" },
      { "check of nothing", { "check" }, "%-%-config FILE or %-%-path DIR" },
      { "check of two things", { "check", "--config", "a", "--path", "b" }, "can not be used together" },
      { "replay of nothing", { "replay", "--path", "x" }, "a file of events or %-%-opportunities" },
      { "replay of two things", { "replay", "--path", "x", "a.csv", "--opportunities", "b.csv" }, "either a file" },
      { "an answer that says nothing", { "resolve", "x", "--path", "y" }, "one of %-%-accept, %-%-category NAME and" },
      { "two answers", { "resolve", "x", "--path", "y", "--accept", "--decline" }, "can not be used together" },
      { "a list in a state that there is not", { "confirmations", "--path", "y", "--state", "shut" }, "%-%-state" },
      { "a list of no length", { "confirmations", "--path", "y", "--limit", "0" }, "an integer from 1 to 1000" },
      { "an undo of nothing", { "undo", "--path", "x" }, "one of ENTRY, %-%-run ID and %-%-revision N" },
      { "an undo of two things", { "undo", "7", "--run", "a", "--path", "x" }, "one of ENTRY" },
      { "an undo of what is no entry", { "undo", "x", "--path", "x" }, "a number expected, got 'x'" },
      { "an undo between times that are none", { "undo", "--revision", "1", "--since", "1.4.2017", "--path", "x" },
        '"1.4.2017" is not a date' },
      { "an undo of a run between times", { "undo", "--run", "a", "--since", "2017-01-01", "--path", "x" },
        "go with %-%-revision" },
      { "a run that cannot be", { "history", "--run", "a b", "--path", "x" }, "%-%-run: a run's id" },
      { "a company without a name", { "history", "--company", "", "--path", "x" }, "an id must have 1 to 255 bytes" },
      { "why of what is no company", { "explain", "--company", ("x"):rep(256), "--path", "x" }, "not 256" },
      { "a store without a name", { "init", "--path", "" }, "a directory's name expected" },
      { "a copy without a name", { "backup", "--path", "x", "" }, "a directory's name expected" },
      { "a revision that cannot be", { "config", "import", "a", "--path", "x", "--revision", "1.5" },
        "an integer from 0" },
      { "an answer by nobody", { "resolve", "x", "--accept", "--as", "", "--path", "x" }, "an id must have" },
      { "a backfill of nothing", { "backfill", "--path", "x" }, "either a file of events" },
      { "a backfill at no rate", { "backfill", "x.csv", "--rate", "0", "--path", "x" }, "a positive number" },
      { "a preview of a run", { "backfill", "x.csv", "--preview", "--run", "a", "--path", "x" }, "of no run" },
      { "an export without its columns", { "simulate", "--config", "x", "--opportunities", "a.csv", "--won", "W" },
        "%-%-company is missing" },
      { "an export without stages", { "simulate", "--config", "x", "--opportunities", "a.csv", "--company", "a",
        "--created", "b", "--closed", "c", "--stage", "d" }, "%-%-won, %-%-lost" },
    }
    for _, row in ipairs(ROWS) do
      it(row[1], function()
        assert.matches(row[3], expect(2, stores.unpack(row[2])))
      end)
    end
  end)

  describe("init and config", function()
    it("make a store with the preset, once", function()
      local path = stores.path()
      assert.matches("revision 1, the preset superoffice", expect(0, "init", "--path", path))
      assert.matches("initialised already %(revision 1%)", expect(0, "init", "--path", path))
      assert.matches("off%s+sale_won", expect(0, "config", "show", "--path", path))
    end)

    it("show names in a language, or all of it as JSON", function()
      local path = store()
      local shown = expect(0, "config", "show", "--path", path, "--language", "no")
      assert.matches("on%s+sale_won%s+Kunde", shown)
      assert.matches("lead_status_set %(Kvalifisert%)", shown)
      assert.equal(2, json.decode(expect(0, "config", "show", "--path", path, "--json")).revision)
    end)

    it("export what import takes", function()
      local path, file = store(), stores.path()
      expect(0, "config", "export", "--path", path, "--output", file)
      local exported = expect(0, "config", "export", "--path", path)
      expect(0, "config", "import", "--path", path, file)
      local function content(json_text)
        return (json_text:gsub('"revision": %d', ""))
      end
      assert.equal(content(exported), content(expect(0, "config", "export", "--path", path)))
    end)

    for _, command in ipairs { "export", "show" } do
      it(command .. " fails where what it prints has no room", function()
        local pipe = assert(io.popen(("%s lua/leadcat/bin/leadcat config %s --path %s 2>&1 >/dev/full; echo $?")
          :format(os.getenv "LEADCAT_LUA" or "lua5.4", command, store())))
        assert.matches("^leadcat: .*No space left on device\n1\n$", pipe:read "*a")
        pipe:close()
      end)
    end

    it("import nothing that is wrong, and name every problem", function()
      local path, cfg = store(), stores.config(RULES)
      cfg.rules[1].set_category, cfg.rules[2].trigger, cfg.categories[1].group = 99, "Sale won", "lead"
      local errors = expect(1, "config", "import", "--path", path, stores.file(json.encode(cfg)))
      for _, code in ipairs { "category_unknown", "unknown_trigger", "unknown_group" } do
        assert.matches(code, errors)
      end
      assert.matches("and 2 more", errors)
      open(path, function(engine)
        assert.equal(2, engine:config().revision)
      end)
    end)

    it("import with a revision only when it is the newest", function()
      local path = store()
      local function import(status, revision)
        return expect(status, "config", "import", "--path", path, "--revision", revision, rules_file())
      end
      assert.matches("revision 1 is not the newest", import(1, "1"))
      assert.matches("revision 3", import(0, "2"))
    end)

    it("tell what they cannot read", function()
      local path = store()
      assert.matches("there is no store in /nowhere", expect(1, "config", "show", "--path", "/nowhere"))
      assert.matches("/no/such.json: No such file", expect(1, "config", "import", "--path", path, "/no/such.json"))
      assert.matches("invalid JSON", expect(1, "config", "import", "--path", path, stores.file "{"))
      assert.matches("cannot make the directory /no/such: No such file", expect(1, "init", "--path", "/no/such"))
    end)
  end)

  describe("check", function()
    it("is content with a clean config", function()
      assert.equal("no problems\n", expect(0, "check", "--config", rules_file()))
      assert.equal("no problems\n", expect(0, "check", "--path", store()))
      assert.equal("[]\n", expect(0, "check", "--config", rules_file(), "--json"))
    end)

    it("prints errors and fails, prints warnings and does not", function()
      local cfg = stores.config { sale_won = 99 }
      local output, _, status = run("check", "--config", stores.file(json.encode(cfg)), "--json")
      assert.equal(1, status)
      assert.equal("category_unknown", json.decode(output)[1].code)

      cfg = stores.config { sale_won = 5 }
      cfg.rules[1].colour = "red"
      assert.matches("^warning: .*unknown_field", expect(0, "check", "--config", stores.file(json.encode(cfg))))
      cfg = stores.config { sale_registered = 3 }
      assert.matches('^warning: .*companies stay.* %[category_dead_end%]\n  for example {"category":3,'
        .. '"company":"example","trigger":"sale_registered"}\n$',
        expect(0, "check", "--config", stores.file(json.encode(cfg))))
    end)
  end)

  -- Events ------------------------------------------------------------------------------------------------------------

  local JSONL = '{"id":"e1","trigger":"sale_registered","company":"Acme",'
    .. '"sale":{"id":"S1","name":"Big, \\"blue\\""}}\r\n\n'
    .. '{"trigger":"lead_status_set","company":42,"lead_status":5,"actor":{"id":"ann"}}\n'
    .. '{"trigger":"sale_lost","company":42,"at":1500000000}\n'
    .. '{"trigger":"sale_won","company":"Acme","lead_status":null}'
  local CSV = '\239\187\191id,trigger,company,lead_status,sale,sale.name,actor,at\r\n'
    .. 'e1,sale_registered,Acme,,S1,"Big, ""blue""",,\r\n,lead_status_set,42,5,,,ann,\r\n'
    .. ',sale_lost,42,,,,,2017-07-14T02:40:00Z\r\n\r\n,sale_won,Acme,,,,,'

  for _, case in ipairs { { "JSON Lines", JSONL, ".jsonl" }, { "CSV", CSV, ".csv" } } do
    describe("events in " .. case[1], function()
      local EXPECTED = {
        events = 4, companies = 2, categories = { Customer = 1, ["Lost opportunity"] = 1 },
        outcomes = { sale_registered = { update = 1 }, lead_status_set = { update = 1 }, sale_lost = { update = 1 },
          sale_won = { update = 1 } },
      }

      it("are simulated", function()
        local file = stores.file(case[2], case[3])
        local output = expect(0, "simulate", "--config", rules_file(), file, "--start-category", "Lead", "--json")
        assert.same(EXPECTED, json.decode(output))
      end)

      it("are replayed, and the journal has them", function()
        local path, file = store(), stores.file(case[2], case[3])
        local output = expect(0, "replay", "--path", path, file, "--start-category", "Lead", "--json")
        local report = json.decode(output)
        local id = report.run
        report.run = nil
        assert.same(EXPECTED, report)
        open(path, function(engine)
          local history = engine:history { run = id }
          assert.equal(4, #history)
          assert.equal('Big, "blue"', history[4].sale.name)
          assert.equal("ann", history[3].actor.id)
          assert.equal(1500000000, history[2].at)
          assert.is_true(history[1].actor.admin) -- the command line's user, where the event names none
          assert.equal("duplicate", engine:handle({ id = "e1", trigger = "sale_won", company = "Acme" }).status)
        end)
      end)
    end)
  end

  it("reads standard input when told the format", function()
    local file, config_file = stores.file(JSONL, ".txt"), rules_file()
    assert.matches("is it csv or jsonl", expect(1, "simulate", "--config", config_file, file))
    local output = expect(0, "simulate", "--config", config_file, file, "--format", "jsonl", "--json")
    assert.equal(4, json.decode(output).events)
    assert.matches("standard input: is it csv or jsonl", expect(1, "simulate", "--config", config_file, "-"))
  end)

  it("prints a table for people", function()
    local output = expect(0, "simulate", "--config", rules_file(), stores.file(JSONL, ".jsonl"), "--language", "no",
      "--start-category", "Lead")
    assert.matches("^4 events, 2 companies\n", output)
    assert.matches("sale_won%s+update%s+1", output)
    assert.matches("Tapt salgsmulighet%s+1", output)
  end)

  it("shows progress on a terminal, once a second, and wipes it", function()
    local file = stores.file(('{"trigger":"sale_won","company":1}\n'):rep(70000))
    local command = ("{ cat %s; sleep 1.2; head -n 5000 %s; } | %s lua/leadcat/bin/leadcat simulate --config %s - %s")
      :format(file, file, os.getenv "LEADCAT_LUA" or "lua5.4", rules_file(), "--format jsonl --json")
    local pipe = io.popen(("script -qec '%s' /dev/null 2>&1 </dev/null"):format(command))
    local shown = pipe:read "*a"
    pipe:close()
    assert.matches("\r[%d,]+ events\27%[K.*\r\27%[K", shown)
    assert.matches('"events": 75000', shown)
    assert.equal("1,000 events", tables.progress(1000, nil, 9))
    for share, expected in pairs {
      [0] = "[------------------------------] 0%  5 events",
      [1] = "[##############################] 100%  5 events, 0 s left",
      [0.337] = "[##########--------------------] 33%  5 events, 20 s left",
      [0.05] = "[#-----------------------------] 5%  5 events, 3 min 10 s left",
      [0.001] = "[------------------------------] 0%  5 events, 2 h 46 min left",
    } do
      assert.equal(expected, tables.progress(5, share, 10))
    end
  end)

  it("shows how much of a file is done", function()
    local file = stores.file(('{"trigger":"sale_won","company":1}\n'):rep(30000), ".jsonl")
    local slow = ("local input = require [[leadcat.cli.import]]; local feed = input.events; function input.events(...) "
      .. "local it = feed(...); local next_event, n = it.next, 0; function it.next(...) n = n + 1; "
      .. "if n == 20 then os.execute [[sleep 1.1]] end return next_event(...) end return it end; "
      .. "os.exit(require [[leadcat.cli]].main { [[simulate]], [[--config]], [[%s]], [[%s]], [[--json]] })")
      :format(rules_file(), file)
    local lua = os.getenv "LEADCAT_LUA" or "lua5.4"
    local pipe = io.popen(("script -qec '%s -e \"%s\"' /dev/null 2>&1 </dev/null"):format(lua, slow))
    local shown = pipe:read "*a"
    pipe:close()
    assert.matches("\r%[####*%-%-*%] %d+%%  [%d,]+ events, %d+ s left\27%[K\r\27%[K", shown)
    assert.matches('"events": 30000', shown)
  end)

  it("refuses a start category that does not exist", function()
    local file = stores.file(JSONL, ".jsonl")
    assert.matches("Laed", expect(1, "simulate", "--config", rules_file(), file, "--start-category", "Laed"))
    assert.matches("Laed", expect(1, "replay", "--path", store(), file, "--start-category", "Laed"))
  end)

  it("refuses to simulate a config with errors, and names them", function()
    local file = stores.file(JSONL, ".jsonl")
    assert.matches("category_unknown", expect(1, "simulate", "--config", rules_file { sale_won = 99 }, file))
  end)

  describe("a bad line", function()
    local BAD = '{"trigger":"sale_registered","company":1}\n{"trigger":"sale_won","company":1}\n'
      .. '{"trigger":"sale_one","company":2}\n{"trigger":"sale_won"}\nnot json\n'
      .. '{"trigger":"sale_registered","company":3}\n'

    it("ends the run; what was before it is handled, what is behind it is not", function()
      local path, file = store(), stores.file(BAD, ".jsonl")
      local errors = expect(1, "replay", "--path", path, file, "--start-category", "Lead")
      assert.matches(":3: trigger must be one of .*'sale_one'", errors)
      assert.matches("the 2 events before it are handled", errors)
      open(path, function(engine)
        assert.equal(5, engine.host:get(1))
        assert.is_nil(engine.host:get(3))
        assert.equal(2, #engine:history())
      end)
    end)

    it("gives no report of a simulation", function()
      local output, errors, status = run("simulate", "--config", rules_file(), stores.file(BAD, ".jsonl"), "--json")
      assert.equal(1, status)
      assert.equal("", output)
      assert.matches(":3: ", errors)
    end)

    for _, command in ipairs { "replay", "simulate" } do
      it("is counted with --keep-going: " .. command, function()
        local where = command == "replay" and { "--path", store() } or { "--config", rules_file() }
        local output, errors = expect(0, command, where[1], where[2], stores.file(BAD, ".jsonl"), "--start-category",
          "Lead", "--keep-going", "--json")
        local report = json.decode(output)
        assert.equal(3, report.bad_lines)
        assert.equal(3, report.events)
        for _, line in ipairs { ":3: ", ":4: company must be", ":5: ", "3 bad lines left out" } do
          assert.matches(line, errors)
        end
      end)
    end
  end)

  -- Opportunity exports -----------------------------------------------------------------------------------------------

  local EXPORT = "Nr;Kunde;Angelegt;Geschlossen;Phase\r\n"
    .. '1;"Müller; Söhne";01.02.2024;01.02.2024;gewonnen\r\n2;Weber;03.02.2024;;offen\r\n'
    .. "3;Weber;;04.02.2024;verloren\r\n"
    .. "4;;01.02.2024;05.02.2024;gewonnen\r\n5;Weber;05.02.2024;06.02.2024;abgesagt\r\n"

  local function opportunities(content, ...)
    return "--opportunities", stores.file(content, ".csv"), "--company", "Kunde", "--created", "Angelegt", "--closed",
      "Geschlossen", "--stage", "Phase", "--won", "gewonnen", "--lost", "verloren", "--lost", "abgesagt",
      "--date-format", "%d.%m.%Y", "--start-category", "Lead", "--json", ...
  end

  describe("an opportunity export", function()
    it("with other column names, another date format and several stages is simulated", function()
      local output, errors = expect(0, "simulate", "--config", rules_file(), opportunities(EXPORT))
      assert.matches("^leadcat: [^\n]*: rows without a company: 1 %(line 5%): nothing comes of them\n"
        .. "leadcat: [^\n]*: rows without a date of registration: 1 %(line 4%)\n$", errors)
      local report = json.decode(output)
      assert.same({ "UTF-8", ";", 5 }, { report.reading.encoding, report.reading.delimiter, report.reading.rows })
      report.reading = nil
      assert.same({
        events = 6, companies = 2, categories = { Customer = 1, ["Lost opportunity"] = 1 },
        outcomes = { sale_registered = { update = 3 }, sale_won = { update = 1 }, sale_lost = { update = 2 } },
      }, report)
    end)

    it("can be replayed again without effect when it names its sales", function()
      local path = store()
      expect(0, "replay", "--path", path, opportunities(EXPORT, "--sale", "Nr"))
      local report = json.decode(expect(0, "replay", "--path", path, opportunities(EXPORT, "--sale", "Nr")))
      assert.same({ sale_registered = { duplicate = 3 }, sale_won = { duplicate = 1 }, sale_lost = { duplicate = 2 } },
        report.outcomes)
    end)

    it("without a column that was named tells which columns there are", function()
      local errors = expect(1, "simulate", "--config", rules_file(), opportunities((EXPORT:gsub("Kunde", "Firma"))))
      assert.matches('there is no column "Kunde"; the columns are: "Nr", "Firma"', errors)
    end)

    it("with a bad date handles nothing, or all but that with --keep-going", function()
      local bad, path = EXPORT:gsub("05.02.2024;06", "31.02.2024;06"), store()
      assert.matches(':6: Angelegt is "31.02.2024", not a date of the form %%d.%%m.%%Y',
        expect(1, "replay", "--path", path, opportunities(bad)))
      open(path, function(engine)
        assert.equal(0, #engine:history())
      end)
      local output, errors = expect(0, "replay", "--path", path, opportunities(bad, "--keep-going"))
      assert.equal(1, json.decode(output).bad_lines)
      assert.matches(":6: ", errors)
    end)

    it("is warned about when no row has a stage that was named", function()
      local content = EXPORT:gsub("gewonnen", "Gewonen")
      local _, errors = expect(0, "simulate", "--config", rules_file(), opportunities(content))
      assert.matches('no row has the stage "gewonnen"; the stages are: ', errors)
      assert.matches('the stage "Gewonen" %(2%) counts as open: is it "gewonnen"%?', errors)
    end)
  end)

  describe("the fields of conditions", function()
    local SALES = "Nr;Kunde;Angelegt;Geschlossen;Phase;Betrag;Art\n"
      .. "1;Acme;01.02.2024;02.02.2024;gewonnen;150000;Neu\n2;Bolt;01.02.2024;03.02.2024;gewonnen;99999.5;NEU\n"
      .. "3;Crux;01.02.2024;03.02.2024;gewonnen;;Alt\n"
    local FIELDS = { "--field", "sale.amount=Betrag", "--field", "sale.type=Art" }

    local function tiers()
      local cfg = leadcat.preset "tiers"
      cfg.rules[3].when = { { { field = "sale.type", is = "equals", value = "neu" } } }
      return cfg
    end

    local function tiers_file(change)
      local cfg = tiers()
      change(cfg.rules)
      return stores.file(json.encode(cfg), ".json")
    end

    it("are read from the columns of an export, by all commands alike", function()
      local cfg, path = tiers_file(function() end), stores.path()
      expect(0, "init", "--path", path)
      expect(0, "config", "import", "--path", path, cfg)
      local expected = { VIP = 1, ["A customer"] = 1, Customer = 1 }
      local function sales()
        return opportunities(SALES, stores.unpack(FIELDS))
      end
      local report = json.decode(expect(0, "simulate", "--config", cfg, sales()))
      assert.same({ update = 2, confirm = 1 }, report.outcomes.sale_won)
      assert.same(expected, report.categories)
      report = json.decode(expect(0, "backfill", "--path", path, "--confirm", "accept", sales()))
      assert.same({ "A customer", "Customer", "VIP" }, {
        report.changes[1].to, report.changes[2].to, report.changes[3].to,
      })
      open(path, function(engine)
        assert.same({ 10, 9, 5 }, { engine.host:get "Acme", engine.host:get "Bolt", engine.host:get "Crux" })
      end)
    end)

    it("are read from the columns of a file of events", function()
      local file = stores.file("trigger,company,Amount\nsale_won,A,100000\nsale_won,B,\n", ".csv")
      local report = json.decode(expect(0, "simulate", "--config", tiers_file(function() end), file, "--start-category",
        "Lead", "--field", "sale.amount=Amount", "--json"))
      assert.same({ update = 1, confirm = 1 }, report.outcomes.sale_won)
    end)

    local ROWS = {
      { "another type", "sale.amount=Art", ':2: Art is "Neu", not a number such as 1200.50' },
      { "another type, which was named", "sale.amount:boolean=Betrag", ':2: Betrag is "150000", not true or false' },
      { "no such column", "sale.amount=Summe", 'there is no column "Summe"; the columns are:' },
    }
    for _, row in ipairs(ROWS) do
      it("end the run where a column has " .. row[1], function()
        local errors = expect(1, "simulate", "--config", tiers_file(function() end),
          opportunities(SALES, "--field", row[2]))
        assert.is_truthy(errors:find(row[3], 1, true), errors)
      end)
    end

    it("have no type of their own where the rules compare them with several", function()
      local cfg = tiers_file(function(rules)
        rules[3].when = { { { field = "sale.amount", is = "one_of", value = { "much", 7 } } } }
      end)
      local errors = expect(1, "simulate", "--config", cfg, opportunities(SALES, "--field", "sale.amount=Betrag"))
      assert.is_truthy(errors:find("--field sale.amount: the rules compare it with values of several types; say which "
        .. "one it has, as in sale.amount:number=Betrag", 1, true), errors)
      expect(0, "simulate", "--config", cfg, opportunities(SALES, "--field", "sale.amount:number=Betrag"))
    end)

    it("that no rule names are told", function()
      local _, errors = expect(0, "simulate", "--config", tiers_file(function() end),
        opportunities(SALES, "--field", "company.kind=Art"))
      assert.matches("%-%-field company.kind: no rule has a condition on it", errors)
    end)

    for word, problem in pairs {
      ["sale.amount"] = "a field of the rules and its column expected", category = "a field of the rules",
      ["category=Art"] = "a field of the rules", ["sale.id=Nr"] = "sale.id is no field of its own",
    } do
      it("are refused as " .. word, function()
        assert.matches(problem, expect(2, "simulate", "--config", "x", opportunities(SALES, "--field", word)))
      end)
    end

    it("in JSON need no columns", function()
      assert.matches("events in JSON have their fields already", expect(2, "simulate", "--config", "x", "a.jsonl",
        "--field", "sale.amount=Amount"))
    end)

    it("can be told to explain", function()
      local path = stores.path()
      expect(0, "init", "--path", path, "--preset", "tiers")
      local function explain(...)
        return "explain", "--path", path, "--company", "A", "--trigger", "sale_won", "--category", "Lead", ...
      end
      assert.matches("from Lead to VIP", expect(0, explain("--fact", "sale.amount=100000")))
      assert.matches("sale.amount is at least 100000 %(it is 5%): no", expect(0, explain("--fact", "sale.amount=5")))
      assert.matches("%-%-fact sale.amount: a number such as 1200.50 expected, not 'much'",
        expect(1, explain("--fact", "sale.amount=much")))
      assert.matches("%-%-fact need %-%-trigger",
        expect(2, "explain", "--path", path, "--company", "A", "--fact", "a=b"))
    end)
  end)

  describe("history and undo", function()
    -- A store in which a replay has won Acme and Bolt in 2017, and lost Acme.
    local function replayed()
      local path = store { sale_won = 5, ["lead_status_set:5"] = 2 }
      local file = stores.file('{"trigger":"lead_status_set","lead_status":5,"company":"Acme","at":1500000000}\n'
        .. '{"trigger":"sale_won","company":"Acme","actor":{"id":"ann","name":"Ann"}}\n'
        .. '{"trigger":"sale_won","company":"Bolt"}\n', ".jsonl")
      local report = json.decode(expect(0, "replay", "--path", path, file, "--start-category", "Lead", "--json"))
      return path, report.run
    end

    it("list the changes as a table or as JSON, and filter them", function()
      local path, id = replayed()
      local list = expect(0, "history", "--path", path, "--language", "no")
      assert.matches("^ *entry .- run\n%d+ .- Bolt +sale_won +Lead +Kunde +updated +%S* +" .. id .. "\n", list)
      assert.matches("Acme +sale_won +%S.- +Kunde +updated +Ann +", list)
      assert.matches("2017%-07%-14 02:40:00 +Acme +lead_status_set:5", list)
      for _, row in ipairs {
        { {}, 3 }, { { "--run", id }, 3 }, { { "--run", "another" }, 0 }, { { "--company", "Acme" }, 2 },
        { { "--sale", "none" }, 0 }, { { "--company", "Bolt", "--run", id }, 1 }, { { "--since", "2017-07-15" }, 2 },
        { { "--since", "2017-07-15", "--run", id }, 2 }, { { "--limit", "1", "--run", id }, 1 },
      } do
        local output = expect(0, "history", "--path", path, "--json", stores.unpack(row[1]))
        assert.equal(row[2], #json.decode(output), table.concat(row[1], " "))
      end
      local first = json.decode(expect(0, "history", "--path", path, "--limit", "1", "--run", id, "--json"))[1].entry
      local last = ("%d"):format(first)
      assert.matches("older ones: %-%-after " .. last, expect(0, "history", "--path", path, "--limit", "1"))
      assert.equal(2, #json.decode(expect(0, "history", "--path", path, "--run", id, "--after", last, "--json")))
      assert.equal("no entries\n", expect(0, "history", "--path", path, "--run", "another"))
    end)

    it("show any name and any time on one line that does not steer the terminal", function()
      local path = store { sale_won = 5 }
      open(path, function(engine)
        assert(engine.host:create_many({ "Evil\27[31m\nCo\194\155", 123456789012345 }, 1))
        for company, at in pairs { ["Evil\27[31m\nCo\194\155"] = -1e300, [123456789012345] = -1e299 } do
          assert(engine:handle { trigger = "sale_won", company = company, at = at, actor = { id = "a\27]0;b" } })
        end
      end)
      local list = expect(0, "history", "--path", path)
      assert.matches("\n%d+ +%? +Evil<U%+001B>%[31m<U%+000A>Co<U%+009B> +sale_won .- a<U%+001B>%]0;b\n", list)
      assert.matches("\n%d+ +%? +123456789012345 +sale_won ", list)
      local told = expect(0, "undo", "--revision", "2", "--path", path)
      assert.matches("\n%d+ +Evil<U%+001B>%[31m<U%+000A>Co<U%+009B> +Customer +Lead +undone\n", told)
    end)

    it("shows what is scheduled, cancel calls it off, and maintain carries it out", function()
      local path = store { sale_lost = { 4, after = { hours = 2 } }, sale_won = 5 }
      open(path, function(engine)
        assert(engine.host:create_many({ "Acme", "Bolt" }, 1))
        assert(engine:handle { trigger = "sale_lost", company = "Acme" })
        assert(engine:handle { trigger = "sale_lost", company = "Bolt", at = 1500000000 })
      end)
      assert.matches("on +sale_lost +Lost opportunity +after 2 hours\n", expect(0, "config", "show", "--path", path))
      assert.matches("Bolt +sale_lost +Lead +Lost opportunity +scheduled for 2017%-07%-14 04:40 UTC\n",
        expect(0, "history", "--path", path, "--status", "scheduled"))
      assert.matches("sale_lost applies, and would be scheduled\n.*Lost opportunity",
        expect(0, "explain", "--path", path, "--company", "Acme", "--trigger", "sale_lost"))
      local entry = json.decode(expect(0, "history", "--path", path, "--company", "Acme", "--json"))[1].entry
      local number = ("%d"):format(entry)
      local told = expect(0, "explain", "--path", path, "--company", "Acme")
      assert.matches("entry " .. number .. ": A sale was lost", told)
      assert.equal("cancelled: entry " .. number .. "\n", expect(0, "cancel", number, "--path", path))
      assert.matches("is cancelled, not scheduled", expect(1, "cancel", number, "--path", path))
      assert.matches("^0 questions expired, 1 carried out, 0 dropped, ", expect(0, "maintain", "--path", path))
      assert.matches("Bolt +sale_lost +Lead +Lost opportunity +carried_out", expect(0, "history", "--path", path))
    end)

    it("undo one entry", function()
      local path = replayed()
      local entry = ("%d"):format(json.decode(expect(0, "history", "--path", path, "--json"))[1].entry)
      assert.matches("1 would be undone, 0 refused", expect(0, "undo", entry, "--path", path, "--preview"))
      assert.matches("^updated: from Customer to Lead, entry %d+\n$", expect(0, "undo", entry, "--path", path))
      assert.matches("company Bolt has been changed since", expect(1, "undo", entry, "--path", path))
    end)

    it("undo a run: first what would be done, then all, with status 1 where something is refused", function()
      local path, id = replayed()
      open(path, function(engine) assert(engine.host.set_category("Bolt", 6, 5)) end)
      local preview, _, status = run("undo", "--run", id, "--path", path, "--preview")
      assert.equal(1, status)
      assert.matches("Acme +Customer +%S.- +would be undone\n.*\n2 would be undone, 1 refused\n$", preview)
      local told
      told, _, status = run("undo", "--run", id, "--path", path)
      assert.equal(1, status)
      assert.matches("Bolt +refused: company Bolt has been changed since\n\n2 undone, 1 refused\n", told)
      local again = told:match "leadcat undo %-%-path %S+ %-%-run (%S+) takes that back"
      open(path, function(engine) assert.same({ 1, 6 }, { engine.host:get "Acme", engine.host:get "Bolt" }) end)
      local result = json.decode(expect(0, "undo", "--run", again, "--path", path, "--json"))
      assert.same({ 2, 0 }, { #result.undone, #result.refused })
      assert.matches("there is no run another", expect(1, "undo", "--run", "another", "--path", path))
    end)

    it("undo cancels what was scheduled", function()
      local path = store { sale_lost = { 4, after = { days = 1 } } }
      open(path, function(engine)
        engine.host:create("Acme", 1)
        assert(engine:handle { trigger = "sale_lost", company = "Acme", at = 1500000000 })
      end)
      local undo = { "undo", "--path", path, "--revision",
        ("%d"):format(json.decode(expect(0, "history", "--path", path, "--json"))[1].revision) }
      undo[#undo + 1] = "--preview"
      assert.matches("Acme +Lost opportunity +would be cancelled, due 2017%-07%-15 02:40 UTC\n\n"
        .. "0 would be undone, 1 scheduled would be cancelled, 0 refused\n$", expect(0, stores.unpack(undo)))
      undo[#undo] = "--json"
      assert.equal(1, #json.decode(expect(0, stores.unpack(undo))).cancelled)
      assert.matches("Acme +sale_lost .- cancelled", expect(0, "history", "--path", path))
    end)

    it("undo what a revision has done, between two times", function()
      local path = replayed()
      local revision = ("%d"):format(json.decode(expect(0, "history", "--path", path, "--json"))[1].revision)
      local nothing = expect(0, "undo", "--revision", revision, "--until", "2017-12-31", "--path", path, "--json")
      assert.same({ refused = {}, cancelled = {}, undone = {} }, json.decode(nothing))
      assert.matches("\n3 undone, 0 refused\n", expect(0, "undo", "--revision", revision, "--since",
        "2017-12-31", "--path", path))
    end)
  end)

  describe("confirmations and resolve", function()
    local ASKING = { sale_won = { 5, ask = true } }

    -- A store in which Ada has been asked about these companies, the last one first in lists; gives the questions' ids.
    local function asked(...)
      local path, ids, companies = store(ASKING), {}, { ... }
      open(path, function(engine)
        for i, company in ipairs(companies) do
          engine.host:create(company, 1)
          ids[i] = engine:handle { trigger = "sale_won", company = company, actor = { id = "ada", name = "Ada" } }
            .confirmation
        end
      end)
      return path, stores.unpack(ids)
    end

    local function ids_of(output)
      local ids = {}
      for _, record in ipairs(json.decode(output)) do
        ids[#ids + 1] = record.id
      end
      return ids
    end

    it("list the open questions, newest first, as a table or as JSON", function()
      local path, acme, bolt = asked("Acme", "Bolt")
      local list = expect(0, "confirmations", "--path", path, "--language", "nb-NO")
      assert.matches("^id%s+company.-\n" .. bolt .. "%s+Bolt%s+Lead%s+Kunde%s+Ada%s.-%s+Åpent\n" .. acme, list)
      assert.same({ bolt, acme }, ids_of(expect(0, "confirmations", "--path", path, "--json")))
    end)

    it("list by company, user and state, a page at a time", function()
      local path, acme, bolt, coil = asked("Acme", "Bolt", "Coil")
      expect(0, "resolve", bolt, "--path", path, "--decline")
      for _, row in ipairs {
        { { "--company", "Acme" }, { acme } },
        { { "--user", "ada" }, { coil, acme } },
        { { "--user", "bob" }, {} },
        { { "--state", "declined" }, { bolt } },
        { { "--state", "all" }, { coil, bolt, acme } },
        { { "--limit", "1" }, { coil } },
        { { "--limit", "1", "--after", coil }, { acme } },
      } do
        local words = { "confirmations", "--path", path, "--json", stores.unpack(row[1]) }
        assert.same(row[2], ids_of(expect(0, stores.unpack(words))), table.concat(row[1], " "))
      end
      assert.matches("older ones: %-%-after " .. coil, expect(0, "confirmations", "--path", path, "--limit", "1"))
      assert.equal("no confirmations\n", expect(0, "confirmations", "--path", path, "--user", "bob"))
      assert.equal("[]\n", expect(0, "confirmations", "--path", path, "--user", "bob", "--json"))
    end)

    it("show one question as its user sees it", function()
      local path, acme = asked "Acme"
      assert.matches("^Oppdater kategori\n.*Foreslått kategori: Kunde\n",
        expect(0, "confirmations", acme, "--path", path, "--language", "no"))
      assert.equal(acme, json.decode(expect(0, "confirmations", acme, "--path", path, "--json")).id)
    end)

    for _, row in ipairs {
      { "accept", { "--accept" }, "updated: Acme is now in Customer %(was Lead%)\n", 5, "accepted" },
      { "choose by name", { "--category", "Partner" }, "updated: Acme is now in Partner %(was Lead%)\n", 6, "changed" },
      { "choose by id", { "--category", "4" }, "updated: Acme is now in Lost opportunity", 4, "changed" },
      { "decline", { "--decline" }, "declined: Acme stays in Lead\n", 1, "declined" },
    } do
      it("answer: " .. row[1], function()
        local path, acme = asked "Acme"
        assert.matches(row[3], expect(0, "resolve", acme, "--path", path, "--as", "eve", stores.unpack(row[2])))
        open(path, function(engine)
          local record = engine:confirmation(acme)
          assert.same({ row[4], row[5], "eve" }, { engine.host:get "Acme", record.state, record.resolved_by.id })
        end)
        local complaint = expect(1, "resolve", acme, "--path", path, stores.unpack(row[2]))
        assert.matches("eve .-on %d+ %a+ %d%d%d%d, %d%d:%d%d UTC", complaint)
      end)
    end

    it("say what stands in the way, with status 1", function()
      local path, acme = asked "Acme"
      assert.matches("no such confirmation", expect(1, "resolve", ("0"):rep(32), "--path", path, "--accept"))
      assert.matches("no category 'Kunden'", expect(1, "resolve", acme, "--path", path, "--category", "Kunden"))
      open(path, function(engine)
        assert(engine.host.set_category("Acme", 7, 1))
      end)
      local output, _, status = run("resolve", acme, "--path", path, "--accept")
      assert.same({ "conflict: Acme is in Lost now, not Lead; nothing changed\n", 1 }, { output, status })
    end)

    it("answer nothing about a company that a CRM keeps elsewhere", function()
      local path = store(ASKING)
      local host = { category = function() return 1 end, set_category = function() end }
      local crm = stores.open { path = path, host = host }
      local id = crm:handle({ trigger = "sale_won", company = "Far" }).confirmation
      crm:close()
      assert.matches("company Far is not kept in this store", expect(1, "resolve", id, "--path", path, "--accept"))
      assert.matches(id, expect(0, "confirmations", "--path", path))
    end)

    it("maintain closes what nobody has answered in time", function()
      local path = store(ASKING)
      local engine = stores.open { path = path, confirmation_ttl = 0.001 }
      engine.host:create("Acme", 1)
      engine:handle { trigger = "sale_won", company = "Acme" }
      engine:close()
      assert.matches("^1 questions expired, 0 entries removed, 0 reader", expect(0, "maintain", "--path", path))
      assert.equal(0, json.decode(expect(0, "maintain", "--path", path, "--json")).expired)
    end)
  end)

  describe("backup, compact and check --store", function()
    it("say as JSON what they have done, as init and import do", function()
      local path, copy, compact = stores.path(), stores.path(), stores.path()
      for _, row in ipairs {
        { { path = path, revision = 1 }, "init" }, { { path = path, revision = 1, already = true }, "init" },
        { { path = path, revision = 2 }, "config", "import", rules_file() },
        { { path = path, copy = copy }, "backup", copy }, { { path = path, copy = compact }, "compact", compact },
      } do
        local words = { stores.unpack(row, 2) }
        for _, word in ipairs { "--path", path, "--json" } do
          words[#words + 1] = word
        end
        assert.same(row[1], json.decode((expect(0, stores.unpack(words)))))
      end
    end)

    it("copy a store, and never over another", function()
      local path, copy = store(), stores.path()
      open(path, function(engine)
        engine.host:create("Acme", 1)
      end)
      assert.matches(": a copy of ", expect(0, "backup", copy, "--path", path))
      open(copy, function(engine)
        assert.equal(1, (engine.host:get "Acme"))
        assert.equal(2, engine:config().revision)
      end)
      assert.matches("config.mdb exists already", expect(1, "backup", copy, "--path", path))
      assert.matches("stop everything that has the store open", expect(0, "compact", stores.path(), "--path", path))
    end)

    it("find a sound store sound, and name what is damaged in another", function()
      local path = store()
      open(path, function(engine)
        for i = 1, 500 do
          engine.host:create(i, 1)
        end
      end)
      assert.equal("no problems\n", expect(0, "check", "--store", "--path", path))
      local file = assert(io.open(path .. "/journal.mdb", "r+b"))
      local content = file:read "*a"
      for page = 2, #content / 4096 - 1 do -- all but LMDB's own two
        file:seek("set", page * 4096 + 2048)
        file:write(("\255"):rep(1024))
      end
      file:close()
      local output, _, status = run("check", "--store", "--path", path)
      assert.equal(1, status)
      assert.matches("error: journal.mdb, .* %[corrupt%]", output)
    end)

    it("need a store", function()
      assert.matches("needs %-%-path", expect(2, "check", "--store", "--config", "x"))
      assert.matches("there is no store", expect(1, "check", "--store", "--path", stores.path()))
    end)
  end)
end)
