-- The READMEs do not lie: their Lua, commands and nginx.conf are run as they stand there, on a store of their own, and what they
-- name is there.

local stores = require "support.stores"

local PAGES = { "README.md", "lua/leadcat/README.md", "lua/leadcat/rules/README.md", "lua/leadcat/http/README.md",
  "lua/leadcat/source/README.md", "lua/leadcat/notify/README.md", "src/README.md", "spec/README.md",
  "spec/bench/README.md" }

local function read(name)
  local file = assert(io.open(name))
  local content = file:read "*a"
  file:close()
  return content
end

-- Where the README connects CRMs, the specs of hosts and sources do as it says.
local function readme()
  local page = read "README.md":gsub("\n## Beside your CRM\n.-\n## ", "\n## ")
  return page .. read "lua/leadcat/README.md" .. read "lua/leadcat/rules/README.md"
end

-- The fenced blocks of a language, in order.
local function blocks(language)
  local found = {}
  for block in readme():gmatch("\n```" .. language .. "\n(.-)\n```") do
    found[#found + 1] = block
  end
  return found
end

-- A CRM to hook: its sales are saved with `crm.save`.
local CRM = [[
local crm = { Acme = 1 }
function crm.read_category(company) return crm[company] end
function crm.change_category(company, to, from)
  if crm[company] ~= from then return nil, "conflict" end
  crm[company] = to
  return true
end
]]

local USE = [[
crm.Acme = 1
local sale = { id = 18, company = "Acme", status = "open" }
local won = { id = 18, company = "Acme", status = "won", version = 2 }
local ann = { id = 7, name = "Ann" }
crm.on_sale_saved(sale, won, ann)
crm.on_sale_saved(sale, won, ann)
print(crm.Acme, #engine:history(), engine:history({ limit = 1 })[1].event_id)
engine:close()
]]

-- What is in backticks on a page, outside of its fenced blocks.
local function quoted(page)
  local found = {}
  for text in read(page):gsub("\n```.-\n```", "\n"):gmatch "`([^`\n]+)`" do
    found[#found + 1] = text
  end
  return found
end

local function exists(name)
  local file = io.open(name)
  return file ~= nil and file:close()
end

local ENDINGS = { lua = true, c = true, h = true, md = true, sh = true, mk = true, css = true, js = true, conf = true }

local function is_file(text)
  return text:find "^[%w_%-./]+$" and (ENDINGS[text:match "%w/?[%w_-]*%.(%l+)$" or ""] or text:find "^[%l.][%l%d-]*/.*")
end

-- The files and folders that a page names: in backticks, in links, and in its pictures, which are blocks without a language.
local function named_files(page)
  local content, found = read(page), {}
  for _, text in ipairs(quoted(page)) do
    found[#found + 1] = is_file(text) and text or nil
  end
  for link in content:gmatch "%]%(([^)#:]+)[#%w-]*%)" do
    found[#found + 1] = link
  end
  for picture in content:gmatch "\n\n```\n(.-)\n```" do
    for folder in picture:gmatch "[%l_/]+/" do
      found[#found + 1] = folder
    end
  end
  return found
end

local function missing_files(page)
  local folder, missing = page:match "^(.*/)[^/]*$" or "", {}
  for _, name in ipairs(named_files(page)) do
    missing[#missing + 1] = not (exists(name) or exists(folder .. name)) and name or nil
  end
  return missing
end

-- The links to a heading that is not there.
local function missing_headings(page)
  local folder, missing = page:match "^(.*/)[^/]*$" or "", {}
  for target, anchor in read(page):gmatch "%]%(([^)#:]*)#([%w-]+)%)" do
    local found = false
    for heading in read(target == "" and page or folder .. target):gmatch "\n#+ ([^\n]+)" do
      found = found or heading:lower():gsub("[^%w -]", ""):gsub(" ", "-") == anchor
    end
    missing[#missing + 1] = not found and anchor or nil
  end
  return missing
end

local function output_of(command)
  local pipe = io.popen(command)
  local output = pipe:read "*a"
  pipe:close()
  return output
end

local SOURCES = output_of "cat src/*/*.[ch]":gsub("/%*.-%*/", "")

-- Whether there is a module of this name, such as `leadcat.http`, or one that has this, such as `leadcat.hooks.sale_saved`.
local function is_public(name)
  local module, field = name:match "^(.*)%.([%w_]+)$"
  local found, value = pcall(require, module)
  return found and type(value) == "table" and value[field] ~= nil or (pcall(require, name))
end

-- Each kind of function that a page may name: a pattern, and whether there is what it has found.
local KINDS = {
  { "%f[%w_]lc?_[%l_]+", function(name) return SOURCES:find("%f[%w_]" .. name .. "%f[^%w_]") end },
  { "%f[%w_/]leadcat%.[%w_.]+", is_public },
  { 'require%("([%w_.]+"%)%.[%a_]+)', function(name) return is_public((name:gsub('"%)', ""))) end },
  { "engine:([%a_]+)", function(name, engine) return engine[name] end },
}

local function missing_functions(page, engine)
  local missing = {}
  for _, text in ipairs(quoted(page)) do
    for _, kind in ipairs(KINDS) do
      for name in text:gmatch(kind[1]) do
        missing[#missing + 1] = not (is_file(text) or kind[2](name, engine)) and name or nil
      end
    end
  end
  return missing
end

-- The targets of make that a page names, in backticks or as commands.
local function targets_of(page)
  local text = table.concat(quoted(page), "\n")
  for block in read(page):gmatch "\n```sh\n(.-)\n```" do
    text = text .. "\n" .. block
  end
  return text:gmatch "%f[%w]make ([a-z0-9.]+)"
end

describe("the README's", function()
  after_each(stores.check)

  for _, page in ipairs(PAGES) do
    it("files and functions are there: " .. page, function()
      local engine = stores.open()
      local files, functions = missing_files(page), missing_functions(page, engine)
      engine:close()
      assert.same({}, files)
      assert.same({}, functions)
      assert.same({}, missing_headings(page))
    end)

    it("targets are the Makefile's: " .. page, function()
      for target in targets_of(page) do
        local ok = os.execute("make -n " .. target .. " >/dev/null 2>&1")
        assert.is_true(ok == true or ok == 0, target)
      end
    end)
  end

  it("contents are its headings, in order", function()
    local contents, headings = {}, {}
    for title in read "README.md":gmatch "\n%* %[([^%]]+)%]%(#" do
      contents[#contents + 1] = title
    end
    for title in read "README.md":gmatch "\n## ([^\n]+)" do
      headings[#headings + 1] = title
    end
    assert.same(headings, contents)
  end)

  it("book of specs has every spec, in order", function()
    local listed, there = {}, {}
    for folder, files in read "spec/README.md":gmatch "\n| `(%d%-[%w-]+)` |[^|\n]*| ([^|\n]+) |" do
      for number, name in files:gsub(" %b()", ""):gmatch "(%d%d) ([%l ]+%l)" do
        listed[#listed + 1] = ("spec/%s/%s-%s_spec.lua"):format(folder, number, name:gsub(" ", "_"))
      end
    end
    for name in output_of "ls spec/[0-9]*/*_spec.lua":gmatch "[^\n]+" do
      there[#there + 1] = name
    end
    assert.same(there, listed)
  end)

  it("Lua hooks a CRM, sets the rules, and handles an event", function()
    local lua = blocks "lua"
    assert.equal(18, #lua)
    local path = stores.path()
    local code = (CRM .. lua[1] .. "\n" .. lua[2] .. "\n" .. USE):gsub("/var/lib/leadcat", path)
    local expected = lua[2]:match "%-%-> ([^\n]+)"
    local output, status = stores.run(code)
    assert.equal(0, status, output)
    assert.equal(expected:gsub(" ", "\t") .. "\n5\t2\tcrm/18/sale_won/2\n", output)
  end)

  -- Runs the block with this number between two pieces of code, on a store in which Acme is a Lead and sales that are won ask.
  local function run(number, before, after)
    local prepare = [[
      local leadcat, cjson = require "leadcat", require "cjson"
      local engine = assert(leadcat.open { path = "/var/lib/leadcat" })
      local config = leadcat.preset "superoffice"
      config.rules = { { trigger = "sale_won", enabled = true, set_category = 5, ask = true } }
      assert(engine:save(config))
      assert(engine.host:create("Acme", 1))
      local user = { id = 7, name = "Ann", language = "fi" }
      local event = { trigger = "sale_won", company = "Acme", actor = user, sale = { name = "Printers" } }
    ]]
    local code = table.concat({ prepare, before, blocks("lua")[number], after, "engine:close()" }, "\n")
    local output, status = stores.run((code:gsub("/var/lib/leadcat", stores.path())))
    assert.equal(0, status, output)
    return output
  end

  it("asks a stand-in", function()
    local before = 'local crm = { stand_in_of = function(id) return id == 7 and { id = "eve" } or nil end }'
    local after = "print(engine:confirmation(engine:handle(event).confirmation).assigned.to.id)"
    assert.equal("eve\n", run(13, before, after))
  end)

  it("host lets a stand-in answer", function()
    local before = [[
      local host, crm = engine.host, { stands_in = function(who, whose) return who == "eve" and whose == 7 end }
      local id = engine:handle(event).confirmation
    ]]
    local after = [[
      for _, who in ipairs { { id = "bob" }, { id = "eve" } } do
        print((engine:resolve(id, { accept = true }, { actor = who }) or {}).status)
      end
    ]]
    assert.equal("nil\nupdated\n", run(14, before, after))
  end)

  it("host knows facts", function()
    local before = 'local host, crm = engine.host, { country_of = function() return "NO" end }'
    local after = 'print(host.facts({ { company = "Acme" } }, "")[1]["company.country"])'
    assert.equal("NO\n", run(15, before, after))
  end)

  it("saves a draft, which another one approves", function()
    local before = [[
      local ann, liv, config = { id = "ann", admin = true }, { id = "liv", admin = true }, assert(engine:config())
      config.rules[1].ask = not config.rules[1].ask
    ]]
    assert.equal("0\t0\nliv\n", run(16, before, "print(engine:revisions()[1].approved_by.id)"))
  end)

  it("tries a rule, and switches it on", function()
    local before = [[
      local ann, cfg = { id = "ann", admin = true }, assert(engine:config())
      for _, rule in ipairs(cfg.rules) do
        rule.id, rule.shadow = rule.trigger == "sale_won" and 7 or rule.id, rule.trigger == "sale_won" or nil
      end
      assert(engine:save(cfg))
      assert(engine:handle { trigger = "sale_won", company = "Acme" })
    ]]
    assert.equal("sale_won#7\t1\t0\t0\t0\t1\nconfirm\n", run(17, before, 'print((engine:decide("sale_won", 1)))'))
  end)

  it("releases what is held", function()
    local before = [[
      local ann, cfg = { id = "ann", admin = true }, assert(engine:config())
      for _, rule in ipairs(cfg.rules) do
        rule.limit = rule.trigger == "sale_won" and { changes = 1, hours = 1 } or nil
      end
      assert(engine:save(cfg))
      engine.host:create("Bolt", 1)
      for _, company in ipairs { "Acme", "Bolt" } do
        assert(engine:handle { trigger = "sale_won", company = company })
      end
    ]]
    assert.equal("Bolt\tawaiting_confirmation\n2\n", run(18, before, "print(#engine:confirmations())"))
  end)

  it("host takes many at once", function()
    local before = [[
      local rows, crm = { Acme = 1 }, {}
      function crm.find() return rows end
      function crm.set(_, company, to, from)
        if rows[company] ~= from then return nil, "it has moved", "conflict" end
        rows[company] = to
        return true
      end
    ]]
    local after = [[
      print(host.categories({ "Acme", "Bolt" }, "")[1], host.categories({ "Acme", "Bolt" }, "")[2])
      local change = { company = "Acme", to = 5, from = 1, outcome = {} }
      print(host.set_categories({ change }, "")[1], host.set_categories({ change }, "")[1].code)
    ]]
    assert.equal("1\tfalse\ntrue\tconflict\n", run(5, before, after))
  end)

  it("changes are made by another process", function()
    local before = [[
      local rows, host = { Acme = 1 }, {}
      function host.category(company) return rows[company] end
      function host.set_category(company, to) rows[company] = to return true end
      config.rules[1].ask = false
      assert(engine:save(config))
      local elsewhere = assert(leadcat.open { path = "/var/lib/leadcat", host = host, apply = "elsewhere" })
      print(elsewhere:handle(event).status, elsewhere:handle(event).status, rows.Acme)
      local function ended(done) print(done.failed, rows.Acme) return true end
    ]]
    assert.equal("applying\tqueued\t1\n0\t5\n", run(6, before, "worker:close() elsewhere:close()"))
  end)

  it("inbox asks and is answered", function()
    local output = run(3, "", 'print((engine.host:get "Acme"))')
    assert.matches("^Update category\n.-The sale Printers was won.*\n5\n$", output)
  end)

  it("save dialog asks first", function()
    local before = 'local crm = { ask = function(view) print(view.title) return 6 end }'
    assert.equal("Update category\nupdated\t6\n", run(4, before, 'print(outcome.status, (engine.host:get "Acme"))'))
  end)

  it("source is read with a cursor", function()
    local before = 'local function read_from_webshop(at) return { event }, tostring(at + 1) end'
    assert.matches("^1\t1%.?0?\n$", run(7, before, 'print(#outcomes, (engine:cursor "webshop"))'))
  end)

  it("changes are followed", function()
    local before = [[
      print(engine:handle(event).status)
      local kept, ended = nil, function() return true end
      local function read_cursor() return kept end
      local function write_cursor(cursor) kept = cursor end
      local function follow(changes) print(#changes, changes[1].kind) end
    ]]
    assert.equal("awaiting_confirmation\n1\tasked\n", run(8, before, "assert(kept)"))
  end)

  local SHOW = [[
    local record = engine:confirmation(engine:handle(event).confirmation)
    print(engine:render(engine:view(record, { actor = user }), "%s"))
  ]]
  for _, row in ipairs {
    { 9, "html", '^<link rel="stylesheet" href="/crm.css"><dialog .-</dialog>\n$' },
    { 10, "text", "^The sale Printers was won%. .- %(Answer before .-%)\n$" },
    { 11, "json", '"href":"\\?/questions\\?/%x+"' },
    { 12, "text", "^Päivitä luokka\n\nThe sale Printers was won" },
  } do
    it(("%s is replaced: block %d"):format(row[2], row[1]), function()
      assert.matches(row[3], run(row[1], "", SHOW:format(row[2])))
    end)
  end

  it("commands run one after the other", function()
    local commands = blocks "sh"[2]
    local path, rules = stores.path(), stores.path()
    commands = commands:gsub("/tmp/leadcat", path):gsub("rules%.json", rules):gsub("whatif%.html", stores.path())
      :gsub(" *#[^\n]*", "")
    local prepare = "unset LUA_PATH LUA_CPATH LD_PRELOAD; make -s all && set -e; "
    local output = output_of(prepare .. "{ " .. commands .. "\n} 2>&1; echo $?")
    assert.matches("\n0\n$", output)
    assert.matches("revision 2", output)
    assert.matches("no problems", output)
    assert.matches("%d+ events, 30 companies", output)
    assert.matches("0 of 30 companies end in another category", output)
  end)

  local server = require "nginx.server"
  if rawget(_G, "jit") or os.getenv "LEADCAT_SLOW" or not server.is_installed() then
    return -- nginx has LuaJIT in it either way
  end

  it("nginx block runs in nginx", function()
    local directory, port = server.directory(), server.free_port()
    local block, listens = blocks "nginx"[1]:gsub("127%.0%.0%.1:8081", "127.0.0.1:" .. port)
    local running, output = server.start(directory, {
      http = [[init_by_lua_block {
        package.preload["crm.leadcat_host"] = function()
          return { category = function() return 1 end, set_category = function() return true end }
        end
        package.preload["crm.session"] = function()
          return { leadcat_actor = function() return { id = "ann", admin = true } end }
        end
      }
      ]] .. block:gsub("/var/lib/leadcat", directory .. "/store"),
      server = "",
    })
    assert(running, output)
    local status, body = server.attach(directory, port):request("GET", "/leadcat/settings")
    running:stop()
    assert.equal(1, listens)
    assert.equal(200, status, body)
  end)
end)
