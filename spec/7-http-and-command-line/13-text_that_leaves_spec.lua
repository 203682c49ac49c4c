-- What users, clients and hosts have written leaves to terminals, logs and spreadsheets as text that none of them obeys.

local csv = require "leadcat.util.csv"
local import = require "leadcat.cli.import"
local json = require "leadcat.util.json"
local leadcat_http = require "leadcat.http"
local stores = require "support.stores"
local unicode = require "leadcat.util.unicode"

-- A name that would steer a terminal, begin a line of a log, or turn the words behind it around.
local EVIL = "A\27[31m\nB\194\155C\226\128\174D\226\128\139E\226\128\175F"
local SHOWN = "A<U+001B>[31m<U+000A>B<U+009B>C<U+202E>D<U+200B>E<U+202F>F"

local UNSEEN = { "\27", "\194\155", "\226\128\174", "\226\128\139", "\226\128\175", "\nB" }

-- Fails when something of the name has come through as it was.
local function check_clean(text)
  for _, raw in ipairs(UNSEEN) do
    assert.falsy(text:find(raw, 1, true), text)
  end
end

describe("visible text", function()
  local ROWS = {
    { "plain text", "Acme 5%, Ærlig & Søn, 日本", "Acme 5%, Ærlig & Søn, 日本" },
    { "line ends", "a\r\nb\226\128\168c\194\133", "a<U+000D><U+000A>b<U+2028>c<U+0085>" },
    { "zero bytes and DEL", "\0\127", "<U+0000><U+007F>" },
    { "escape sequences", "\27]0;x\7", "<U+001B>]0;x<U+0007>" },
    { "changes of direction", "\226\128\174\226\129\166\216\156\226\128\143", "<U+202E><U+2066><U+061C><U+200F>" },
    { "blanks that are none", "\194\160\194\173\227\133\164\239\187\191", "<U+00A0><U+00AD><U+3164><U+FEFF>" },
    { "tags, beyond the basic plane", "\243\160\129\129", "<U+E0041>" },
    { "what is not UTF-8", "a\255", "a\239\191\189" },
    { "all of it at once", EVIL, SHOWN },
  }
  for _, row in ipairs(ROWS) do
    it("shows " .. row[1], function()
      assert.equal(row[3], unicode.visible(row[2]))
    end)

    it("of JSON is the same value with " .. row[1], function()
      local text = json.encode({ name = row[2] }, "  ")
      local cleaned = unicode.visible_json(text)
      assert.same(json.decode(text), json.decode(cleaned))
      check_clean(cleaned)
    end)
  end
end)

describe("the command", function()
  after_each(stores.check)

  -- A store where the name is a company, an actor and a category; and one question.
  local function store()
    local engine, path = stores.open()
    local cfg = stores.config { sale_won = 5, sale_registered = { 3, ask = true } }
    cfg.categories[5].name = EVIL
    assert(engine:save(cfg))
    assert(engine.host:create_many({ EVIL, EVIL .. "2" }, 1))
    local actor = { id = EVIL, name = EVIL }
    assert(engine:handle { trigger = "sale_won", company = EVIL, actor = actor })
    local asked = assert(engine:handle { trigger = "sale_registered", company = EVIL .. "2", actor = actor })
    engine:close()
    return path, asked.confirmation
  end

  local COMMANDS = {
    { "config", "show" }, { "config", "export" }, { "history" }, { "history", "--json" }, { "confirmations" },
    { "confirmations", "--json" }, { "explain", "--company", EVIL }, { "explain", "--company", EVIL, "--json" },
    { "explain", "--company", EVIL, "--trigger", "sale_lost" }, { "undo", "--revision", "1", "--preview" },
    { "undo", "--revision", "1" }, { "confirmations", "ID" }, { "resolve", "ID", "--category", EVIL },
    { "resolve", "ID", "--decline" },
    { "explain", "--company", "x", "--trigger", "sale_won", "--category", EVIL .. "?" },
    { "history", "--since", EVIL }, { "confirmations", EVIL }, { EVIL }, { "history", EVIL },
    { "replay", EVIL }, { "replay", EVIL .. ".csv" }, { "replay", "EVENTS" }, { "replay", "EVENTS", "--keep-going" },
    { "config", "import", "CONFIG" }, { "simulate", "--config", "CONFIG", "EVENTS" }, { "backup", "/" .. EVIL .. "/x" },
  }
  for _, words in ipairs(COMMANDS) do
    it("leaves no name as it is: " .. unicode.visible(table.concat(words, " ")), function()
      local path, id = store()
      local place = {
        ID = id, EVENTS = stores.file(json.encode { trigger = EVIL, company = EVIL } .. "\n", ".jsonl"),
        CONFIG = stores.file(json.encode { rules = { { trigger = EVIL, [EVIL] = EVIL } } }, ".json"),
      }
      local given = {}
      for i, word in ipairs(words) do
        given[i] = place[word] or word
      end
      if words[1] ~= "simulate" and words[1] ~= EVIL then
        given[#given + 1], given[#given + 2] = "--path", path
      end
      local output, errors = stores.leadcat(stores.unpack(given))
      assert.is_true(#output + #errors > 0)
      check_clean(output)
      check_clean(errors)
    end)
  end
end)

describe("a log", function()
  after_each(stores.check)

  it("has what a listener raised in one visible line", function()
    local engine = stores.open()
    assert(engine:save(stores.config { sale_won = 5 }))
    assert(engine.host:create("Acme", 1))
    engine:on("updated", function() error(EVIL, 0) end)
    assert(engine:handle { trigger = "sale_won", company = "Acme" })
    assert.equal(SHOWN, engine:stats().hook_error)
    engine:close()
  end)

  it("in nginx has what a host raised in one visible line", function()
    local engine, lines = stores.open(), {}
    local loaded = package.loaded["leadcat.resty"]
    package.loaded["leadcat.resty"] = nil
    rawset(_G, "ngx", {
      ERR = 1, header = {},
      req = {
        get_method = function() return "GET" end, get_headers = function() return {} end, clear_header = function() end,
      },
      var = { uri = "/leadcat/settings" }, print = function() end,
      log = function(_, ...) lines[#lines + 1] = table.concat { ... } end,
    })
    local ok, message = pcall(function()
      require("leadcat.resty").serve { engine = engine, authenticate = function() error(EVIL, 0) end }
    end)
    rawset(_G, "ngx", nil)
    package.loaded["leadcat.resty"] = loaded
    assert.is_true(ok, message)
    assert.same({ "leadcat: authenticate raised: " .. SHOWN }, lines)
    engine:close()
  end)
end)

describe("a record of CSV", function()
  local ROWS = {
    { "a", "a" }, { "a,b", '"a,b"' }, { 'a"b', '"a""b"' }, { "a\nb", '"a\nb"' }, { "", "" }, { " =1", " =1" },
    { "=1", "'=1" }, { "+1", "'+1" }, { "-1", "'-1" }, { "@a", "'@a" }, { ";=1", '"\';=1"' }, { "\n=1", '"\'\n=1"' },
    { "\t=1", '"\'\t=1"' }, { "\r=1", '"\'\r=1"' }, { "＝1", "'＝1" }, { "＋1", "'＋1" }, { "－1", "'－1" },
    { "＠a", "'＠a" }, { "；a", "；a" }, { ("="):rep(3), "'===" },
  }
  for i, row in ipairs(ROWS) do
    it(("has no cell that a spreadsheet would run (%d)"):format(i), function()
      assert.equal(row[2] .. "," .. row[2] .. "\r\n", csv.record { row[1], row[1] })
    end)
  end

  it("is read as it was written", function()
    local cells, given = { "a", 'b "c"\r\nd', "e;f", "g\th" }, false
    local reader = csv.reader(function()
      local text = not given and csv.record(cells) or nil
      given = true
      return text
    end, { delimiter = "," })
    assert.same(cells, (reader:next()))
  end)
end)

describe("a time", function()
  after_each(stores.check)

  local LONG = ("1"):rep(2000000) .. "x" -- a pattern that took its square would take hours

  it("that is very long is refused on the command line", function()
    local at, problem = import.time(LONG)
    assert.is_nil(at)
    assert.matches("is not a date", problem)
  end)

  for _, name in ipairs { "since", "before" } do
    it("that is very long is refused over HTTP: " .. name, function()
      local engine = stores.open()
      local app = leadcat_http.new { engine = engine, authenticate = function() return { id = 1, admin = true } end }
      local answer = app:respond {
        method = "GET", path = "/leadcat/api/history", query = name .. "=" .. LONG, headers = {},
      }
      assert.equal(422, answer.status)
      engine:close()
    end)
  end
end)
