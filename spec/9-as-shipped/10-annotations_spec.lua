-- What a language server shows of leadcat is right: the annotations of all public functions are held to the functions themselves, and the
-- classes of options to the options that the code takes.

local annotations = require "support.annotations"
local api = require "support.api"
local cjson = require "cjson"
local stores = require "support.stores"

local found = annotations.all()

-- The codes of errors: of the engine, and what HTTP and webhooks add.
local CODES = {}
for code in ("invalid stale forbidden not_found expired already_resolved conflict unavailable full corrupt readonly "
  .. "forked io unauthenticated too_large"):gmatch "%S+" do
  CODES[code] = true
end

local function where(item)
  return ("%s:%d"):format(item.file, item.line)
end

-- The problems of all that a list of blocks says.
local function problems_of(block, at)
  local problems = {}
  local function look(kind, item)
    if item.problem then
      problems[#problems + 1] = ("%s: @%s: %s"):format(at, kind, item.problem)
    end
    for _, name in ipairs(item.names or {}) do
      if not annotations.is_known(found, name, block) then
        problems[#problems + 1] = ("%s: @%s: there is no type %s"):format(at, kind, name)
      end
    end
  end
  for kind, list in pairs { param = block.params, field = block.fields, ["return"] = block.returns } do
    for _, item in ipairs(list) do
      look(kind, item)
    end
  end
  look("alias", block.alias or {})
  look("type", block.type or {})
  if block.class and block.class.parent then
    look("class", { names = { block.class.parent } })
  end
  return problems
end

describe("annotations", function()
  it("are well formed, and name types that are declared", function()
    local problems = {}
    for _, item in ipairs(found.blocks) do
      for _, problem in ipairs(problems_of(item.block, where(item))) do
        problems[#problems + 1] = problem
      end
    end
    assert.same({}, problems)
    assert.is_true(#found.blocks > 1000)
  end)

  -- The store of a database is written in several files, each with some of its methods.
  it("declare each class in one place, with each field once", function()
    local problems = {}
    for name, list in pairs(found.classes) do
      if #list > 1 and name ~= "leadcat.sql.Store" then
        problems[#problems + 1] = ("%s: %s is declared before"):format(where(list[2]), name)
      end
      for _, class in ipairs(list) do
        local seen = {}
        for _, field in ipairs(class.fields) do
          problems[#problems + 1] = seen[field.name]
            and ("%s: %s has %s twice"):format(where(class), name, field.name) or nil
          seen[field.name] = true
        end
      end
    end
    assert.same({}, problems)
  end)
end)

-- Public functions ------------------------------------------------------------------------------------------------------

-- Whether the text names an error's code, or another function whose codes it shares.
local function names_codes(text)
  for word in text:gmatch "`([%w_:.]+)`" do
    if CODES[word] or text:find("as %a* ?`" .. word:gsub("%p", "%%%0")) and require("leadcat.engine")[word] then
      return true
    end
  end
  return false
end

-- Each takes what is known of a function, and says what is wrong.
local RULES = {
  function(known)
    return not (known.block and known.block.prose:find "%S") and "nothing says what it does"
  end,
  function(known)
    local expected, got = {}, {}
    for _, name in ipairs(known.arguments) do
      expected[#expected + 1] = name
    end
    expected[#expected + 1] = known.is_vararg and "..." or nil
    for _, param in ipairs(known.block.params) do
      got[#got + 1] = param.name
    end
    local wanted, annotated = table.concat(expected, ", "), table.concat(got, ", ")
    return wanted ~= annotated and ("its parameters are (%s), not (%s)"):format(wanted, annotated)
  end,
  -- A class has its own words.
  function(known)
    for _, item in ipairs(known.block.params) do
      if item.text == "" and item.name ~= "self" and not item.type:find "leadcat%." then
        return ("nothing says what %s is"):format(item.name)
      end
    end
  end,
  function(known)
    local returns = known.block.returns
    return known.gives ~= (returns[1] ~= nil) and (returns[1] and "it returns nothing" or "@return is missing")
  end,
  function(known)
    for _, item in ipairs(known.block.returns) do
      if item.name == "code" and not names_codes(item.text) then
        return "its error codes are not named"
      end
    end
  end,
}

describe("the annotations of a public function", function()
  for _, item in ipairs(api.functions()) do
    it("are those of " .. item.name, function()
      local known = annotations.of(item.fn)
      for _, rule in ipairs(RULES) do
        local problem = rule(known)
        assert.is_falsy(problem, ("%s: %s: %s"):format(where(known), item.name, tostring(problem)))
      end
    end)
  end

  it("are seen where an engine is: methods stand in classes that inherit from it", function()
    local wrong = {}
    local source = io.open("lua/leadcat/engine.lua"):read "*a"
    for variable, field in source:gmatch "Engine%.[%w_]+[%w_%., ]* = ([%a_]+)%.([%a_]+)" do
      local fn = require("leadcat.engine")[field] or require("leadcat.engine")["_" .. field]
      local name = "leadcat.engine." .. annotations.of(fn).file:match "([^/]+)%.lua$"
      local class = (found.classes[name] or {})[1]
      wrong[#wrong + 1] = not (class and class.parent == "leadcat.Engine") and variable .. ": no class " .. name or nil
    end
    assert.same({}, wrong)
  end)

  it("are seen where a module is called: it has them as an overload", function()
    local missing = {}
    for _, item in ipairs(api.functions()) do
      if item.name == item.module then
        local known = annotations.of(item.fn)
        local lines = io.open(known.file):read "*a"
        local param = known.block.params[1]
        local is_function = lines:find "\nreturn function%(" ~= nil
        local overload = "---@overload fun(%s: %s): %s"
        overload = overload:format(param.name, param.type, known.block.returns[1].type)
        missing[#missing + 1] = not is_function and not lines:find(overload, 1, true) and item.name or nil
      end
    end
    assert.same({}, missing)
  end)
end)

-- Options ---------------------------------------------------------------------------------------------------------------

-- What is called with an option that there is not, so that it says which there are; and the class of its options.
local WRONG = { nonsense = 1 }

local function engine_call(name, ...)
  local arguments = { ... }
  return function(engine)
    return engine[name](engine, (table.unpack or unpack)(arguments)) -- luacheck: ignore
  end
end

local function module_call(module, name)
  return function()
    local value = require(module)
    return (name and value[name] or value)(WRONG)
  end
end

local adapter = { dialect = "sqlite" }

local ROWS = {
  { "leadcat.Options", module_call("leadcat", "open") },
  { "leadcat.Render", function() return require("leadcat").open { path = "/nowhere", render = WRONG } end },
  { "leadcat.Retention", function() return require("leadcat").open { path = "/nowhere", retention = WRONG } end },
  { "leadcat.SaleSaved", function() return require("leadcat").hooks.sale_saved(nil, {}, WRONG) end },
  { "leadcat.ContactSaved", function() return require("leadcat").hooks.contact_saved(nil, {}, WRONG) end },
  { "leadcat.SaveOptions", engine_call("save", {}, WRONG) },
  { "leadcat.SaveOptions", engine_call("revert", 1, WRONG) },
  { "leadcat.ExplainOptions", engine_call("explain", {}, WRONG) },
  { "leadcat.WhyOptions", engine_call("why", 1, WRONG) },
  { "leadcat.TriedEvent", engine_call("why", 1, { event = WRONG }) },
  { "leadcat.HandleManyOptions", engine_call("handle_many", {}, WRONG) },
  { "leadcat.ChangesOptions", engine_call("changes", nil, WRONG) },
  { "leadcat.UndoWhat", engine_call("undo", { entry = 1, nonsense = 1 }) },
  { "leadcat.ByActor", engine_call("undo", 1, WRONG) },
  { "leadcat.ByActor", engine_call("retry", 1, WRONG) },
  { "leadcat.ByActor", engine_call("cancel", 1, WRONG) },
  { "leadcat.ByActor", engine_call("company_renamed", 1, 2, WRONG) },
  { "leadcat.ByActor", engine_call("company_merged", 1, 2, WRONG) },
  { "leadcat.ByActor", engine_call("company_deleted", 1, WRONG) },
  { "leadcat.ByActor", engine_call("view", {}, WRONG) },
  { "leadcat.ByActor", engine_call("resolve", "", { accept = true }, WRONG) },
  { "leadcat.ForgetWhat", engine_call("forget", WRONG) },
  { "leadcat.ForgetOptions", engine_call("forget", { actor = 1 }, WRONG) },
  { "leadcat.ConfirmationsQuery", engine_call("confirmations", WRONG) },
  { "leadcat.CountQuery", engine_call("count_confirmations", WRONG) },
  { "leadcat.DeliveriesQuery", engine_call("deliveries", WRONG) },
  { "leadcat.NoticesQuery", engine_call("notices", WRONG) },
  { "leadcat.ShadowQuery", engine_call("shadow", WRONG) },
  { "leadcat.SuggestOptions", engine_call("suggest", WRONG) },
  { "leadcat.SaveOptions", engine_call("make_real", "sale_won", WRONG) },
  { "leadcat.HeldQuery", engine_call("held", WRONG) },
  { "leadcat.ReleaseOptions", engine_call("release", 1, WRONG) },
  { "leadcat.ReleaseOptions", engine_call("drop", 1, WRONG) },
  { "leadcat.BackupOptions", engine_call("backup", "/nowhere", WRONG) },
  { "leadcat.Backfill", engine_call("backfill", {}, WRONG) },
  { "leadcat.HistoryQuery", engine_call("history", WRONG) },
  { "leadcat.SimulateOptions", engine_call("simulate", {}, WRONG) },
  { "leadcat.http.Options", module_call("leadcat.http", "new") },
  { "leadcat.sql.Options", module_call "leadcat.host.sql" },
  { "leadcat.sql.Companies", function()
    return require "leadcat.host.sql" { adapter = adapter, companies = WRONG }
  end },
  { "leadcat.sql.dbi.Options", module_call "leadcat.host.sql.dbi" },
  { "leadcat.sql.pg.Options", module_call "leadcat.host.sql.pg" },
  { "leadcat.host.http.Options", module_call "leadcat.host.http" },
  { "leadcat.host.http.Read", function()
    return require "leadcat.host.http" { url = "http://x", read = WRONG, write = print }
  end },
  { "leadcat.host.http.Write", function()
    return require "leadcat.host.http" { url = "http://x", read = print, write = WRONG }
  end },
  { "leadcat.outbox.Options", module_call "leadcat.source.outbox" },
  { "leadcat.outbox.SchemaOptions", module_call("leadcat.source.outbox", "schema") },
  { "leadcat.poll.Options", module_call "leadcat.source.poll" },
  { "leadcat.webhook.Options", module_call "leadcat.source.webhook" },
  { "leadcat.notify.webhook.Options", module_call "leadcat.notify.webhook" },
  { "leadcat.notify.command.Options", function() return require "leadcat.notify.command" { "true", nonsense = 1 } end },
}

-- The options that there are, by the message of the error about one that there is not.
local function told(message)
  local names = {}
  for name in (message:match "unknown option 'nonsense' %(there are (.-)%)" or ""):gmatch "[%w_]+" do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

local function declared(class)
  local names = {}
  for name in pairs(annotations.fields(found, class)) do
    names[#names + 1] = not name:find "^%[" and name or nil
  end
  table.sort(names)
  return names
end

describe("the class of options", function()
  after_each(stores.check)

  for place, row in ipairs(ROWS) do
    it(("%s has those that the code takes (%d)"):format(row[1], place), function()
      local engine = stores.open()
      local ok, message = pcall(row[2], engine)
      engine:close()
      assert.is_false(ok)
      assert.same(declared(row[1]), told(tostring(message)), tostring(message))
      assert.is_true(found.classes[row[1]][1].is_exact, "(exact): a language server is to flag others")
    end)
  end

  it("leadcat.Answer has what an answer may have", function()
    local engine = stores.open()
    for name in pairs(annotations.fields(found, "leadcat.Answer")) do
      local _, _, code = engine:resolve(("0"):rep(32), { [name] = name == "category" and 1 or true })
      assert.equal("not_found", code, name)
    end
    local _, message, code = engine:resolve(("0"):rep(32), { acept = true })
    assert.equal("invalid", code)
    assert.matches("not 'acept'", message)
    engine:close()
  end)

  it("is asked for: options of a public function are no table without a class", function()
    local loose = {}
    for _, item in ipairs(api.functions()) do
      for _, param in ipairs(annotations.of(item.fn).block.params) do
        local is_loose = param.type:find "^{" or param.name == "options" and param.type == "table"
        loose[#loose + 1] = is_loose and item.name or nil
      end
    end
    assert.same({}, loose)
  end)
end)

describe("a language server's settings", function()
  local function settings()
    return cjson.decode((io.open(".luarc.json"):read "*a"))
  end

  it("find the modules by their names", function()
    local paths = settings()["runtime.path"]
    for _, module in ipairs { "leadcat", "leadcat.hooks", "leadcat.host.sql" } do
      local is_there = false
      for _, path in ipairs(paths) do
        is_there = is_there or io.open((path:gsub("%?", (module:gsub("%.", "/"))))) ~= nil
      end
      assert.is_true(is_there, module)
    end
  end)

  it("know the globals of hosts that the code looks at", function()
    local known = {}
    for _, name in ipairs(settings()["diagnostics.globals"]) do
      known[name] = true
    end
    local pipe = io.popen "luacheck --no-color --formatter plain --std min --only 113 lua 2>&1"
    local unknown = {}
    for name in pipe:read "*a":gmatch "accessing undefined variable '?([%w_]+)" do
      unknown[#unknown + 1] = not known[name] and name or nil
    end
    pipe:close()
    assert.same({}, unknown)
  end)
end)

-- The functions that a row of the manual's table names: `a.b(…)`, and behind it `.c(…)` of the same module, or `:d(…)`.
local function named_in_table()
  local page = io.open("lua/leadcat/README.md"):read "*a"
  local names = {}
  for row in page:match "\n| call | gives |\n|%-%-%-|%-%-%-|\n(.-)\n\n":gmatch "[^\n]+" do
    local module = row:match 'require%W+([%w_.]+)"'
    for text in row:gmatch "`([^`]+)`" do
      local called = text:match '^require *"([%w_.]+)" {'
      local required, field = text:match '^require%W+([%w_.]+)"%)%.([%w_]+)'
      module = called or required or module
      local name = called or required and required .. "." .. field or text:match "^([%w_]+[.:][%w_.]+)"
        or text:match "^%.[%l_]+" and module and module .. text:match "^%.[%l_]+" or text:match "^:[%l_]+"
        and row:match "`([%w_.]+)`" .. text:match "^:[%l_]+"
      -- a second function of `leadcat.hooks` stands as `.contact_saved`
      name = name or ""
      names[name] = true
      module = module or name:match "^(leadcat%.hooks)%."
    end
  end
  return names
end

describe("the manual's table of the API", function()
  it("has every public function", function()
    local names, missing = named_in_table(), {}
    for _, item in ipairs(api.functions()) do
      missing[#missing + 1] = not names[item.name] and item.name or nil
    end
    assert.same({}, missing)
  end)
end)
