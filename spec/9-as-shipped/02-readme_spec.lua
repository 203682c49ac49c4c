-- The README does not lie: its Lua and its commands are run as they stand there, on a store of their own.

local stores = require "support.stores"

local function readme()
  local file = assert(io.open "README.md")
  local content = file:read "*a"
  file:close()
  return content
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

describe("the README's", function()
  after_each(stores.check)

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
end)
