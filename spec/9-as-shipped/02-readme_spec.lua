-- The READMEs do not lie: their Lua, commands and nginx.conf are run as they stand there, on a store of their own, and what they
-- name is there.

local leadcat = require "leadcat"
local stores = require "support.stores"

local PAGES = { "README.md", "lua/leadcat/README.md", "lua/leadcat/http/README.md", "src/README.md", "spec/README.md",
  "spec/bench/README.md" }

local function read(name)
  local file = assert(io.open(name))
  local content = file:read "*a"
  file:close()
  return content
end

local function readme()
  return read "README.md" .. read "lua/leadcat/README.md"
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
crm.on_sale_saved(sale, { id = 18, company = "Acme", status = "won" }, { id = 7, name = "Ann" })
print(crm.Acme, #engine:history())
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

-- What a page names that is not there: files by their ending, folders by the slash at their end.
local function missing_files(page)
  local folder, missing = page:match "^(.*/)[^/]*$" or "", {}
  local function look_for(name)
    if not (exists(name) or exists(folder .. name)) then
      missing[#missing + 1] = name
    end
  end
  for _, text in ipairs(quoted(page)) do
    if text:find "^[%w_%-./]+$" and (ENDINGS[text:match "%w/?[%w_-]*%.(%l+)$" or ""] or text:find "^%l+/.*/$") then
      look_for(text)
    end
  end
  for link in read(page):gmatch "%]%(([^)#:]+)[#%w-]*%)" do
    look_for(link)
  end
  return missing
end

local SOURCES = io.popen("cat src/*/*.[ch]"):read "*a"

-- The functions of the core, and the methods of the engine, that a page names and that there are not.
local function missing_functions(page, engine)
  local missing = {}
  for _, text in ipairs(quoted(page)) do
    for name in text:gmatch "%f[%w_]l[c]?_[%l_]+" do
      missing[#missing + 1] = not SOURCES:find(name, 1, true) and name or nil
    end
    for name in text:gmatch "engine:([%a_]+)" do
      missing[#missing + 1] = not engine[name] and "engine:" .. name or nil
    end
  end
  return missing
end

describe("the README's", function()
  after_each(stores.check)

  for _, page in ipairs(PAGES) do
    it("files and functions are there: " .. page, function()
      local engine = stores.open()
      assert.same({}, missing_files(page))
      assert.same({}, missing_functions(page, engine))
      engine:close()
    end)
  end

  it("calls of the module are there", function()
    for name in readme():gmatch "leadcat%.([%a]+)[({]" do
      assert(leadcat[name], name)
    end
  end)

  it("contents lead to its headings", function()
    for title, link in read "README.md":gmatch "\n%* %[([^%]]+)%]%(#([%w-]+)%)" do
      assert.equal(title:lower():gsub(" ", "-"), link)
      assert(read "README.md":find("\n## " .. title .. "\n", 1, true), title)
    end
  end)

  it("Lua hooks a CRM, sets the rules, and handles an event", function()
    local lua = blocks "lua"
    assert.equal(8, #lua)
    local path = stores.path()
    local code = (CRM .. lua[1] .. "\n" .. lua[2] .. "\n" .. USE):gsub("/var/lib/leadcat", path)
    local expected = lua[2]:match "%-%-> ([^\n]+)"
    local output, status = stores.run(code)
    assert.equal(0, status, output)
    assert.equal(expected:gsub(" ", "\t") .. "\n5\t2\n", output)
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

  it("inbox asks and is answered", function()
    local output = run(3, "", 'print((engine.host:get "Acme"))')
    assert.matches("^Update category\n.-The sale Printers was won.*\n5\n$", output)
  end)

  it("save dialog asks first", function()
    local before = 'local crm = { ask = function(view) print(view.title) return 6 end }'
    assert.equal("Update category\nupdated\t6\n", run(4, before, 'print(outcome.status, (engine.host:get "Acme"))'))
  end)

  local SHOW = [[
    local record = engine:confirmation(engine:handle(event).confirmation)
    print(engine:render(engine:view(record, { actor = user }), "%s"))
  ]]
  for _, row in ipairs {
    { 5, "html", '^<link rel="stylesheet" href="/crm.css"><dialog .-</dialog>\n$' },
    { 6, "text", "^The sale Printers was won%. .- %(Answer before .-%)\n$" },
    { 7, "json", '"href":"\\?/questions\\?/%x+"' },
    { 8, "text", "^Päivitä luokka\n\nThe sale Printers was won" },
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
    local pipe = io.popen(prepare .. "{ " .. commands .. "\n} 2>&1; echo $?")
    local output = pipe:read "*a"
    pipe:close()
    assert.matches("\n0\n$", output)
    assert.matches("revision 2", output)
    assert.matches("no problems", output)
    assert.matches("%d+ events, 30 companies", output)
    assert.matches("0 of 30 companies end in another category", output)
  end)

  it("targets are the Makefile's", function()
    for target in readme():gmatch "make ([a-z]+)" do
      local ok = os.execute("make -n " .. target .. " >/dev/null 2>&1")
      assert.is_true(ok == true or ok == 0, target)
    end
  end)

  if not rawget(_G, "jit") and not os.getenv "LEADCAT_SLOW" then
    it("nginx block runs in nginx", function()
      local server = require "nginx.server"
      local block, directory = blocks "nginx"[1], server.directory()
      local http, location = block:match "^(.-)\nserver {.-\n(  location.-\n  })\n}$"
      local running, output = server.start(directory, {
        http = [[init_by_lua_block {
          package.preload["crm.leadcat_host"] = function()
            return { category = function() return 1 end, set_category = function() return true end }
          end
          package.preload["crm.session"] = function()
            return { leadcat_actor = function() return { id = "ann", admin = true } end }
          end
        }
        ]] .. http:gsub("/var/lib/leadcat", directory .. "/store"),
        server = location,
      })
      assert(running, output)
      local status, body = running:request("GET", "/leadcat/settings")
      running:stop()
      assert.equal(200, status, body)
    end)
  end
end)
