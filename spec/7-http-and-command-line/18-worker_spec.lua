-- `leadcat worker`: a process that steps sources until it is asked to end.

local core = require "leadcat.core"
local crm = require "support.crm"
local stores = require "support.stores"

-- A worker whose only source has this function as its step.
local FILE = [[
local core, leadcat = require "leadcat.core", require "leadcat"
local engine = assert(leadcat.open { path = "%s", map_size = 2 ^ 26 })
assert(engine:config().revision > 0 or engine:save(leadcat.preset "superoffice"))
return { engine = engine, sources = { { name = "sales", step = function(self, given)
  assert(given == engine)
  self.steps = (self.steps or 0) + 1
  %s
end, close = function() print "closed" end } } }
]]

local function file(step)
  return stores.file(FILE:format(stores.path(), step), ".lua")
end

local COMMAND = "sh spec/support/with_lua.sh %s lua/leadcat/bin/leadcat worker %s & echo $!; wait $!; echo status $?"

-- A worker that runs: its output, and its process id.
local function start(step)
  local lua = os.getenv "LEADCAT_LUA" or "lua5.4"
  local pipe = assert(io.popen("{ " .. COMMAND:format(lua, file(step)) .. "; } 2>&1"))
  return pipe, pipe:read "*l"
end

describe("leadcat worker", function()
  after_each(stores.check)

  for _, row in ipairs {
    { "is no Lua", "return {", "%.lua:1: .*near .*<eof>'?\n$" },
    { "raises", "error('no such CRM')", "no such CRM\n$" },
    { "returns nothing", "", "a table {engine = ..., sources = {...}} expected, got nil\n$" },
    { "has no engine", "return {}", "option 'engine' is missing: an engine of leadcat.open\n$" },
    { "has another engine", "return { engine = {} }", "option 'engine': an engine of leadcat.open expected" },
    { "has an unknown field", "return { x = {} }", "unknown option 'x' %(there are engine, .*sources%)\n$" },
    { "has no source", "return { sources = { 5 } }", "option 'sources': a list of sources, such as" },
  } do
    it("says what is wrong with a file that " .. row[1], function()
      local _, errors, status = stores.leadcat("worker", stores.file(row[2], ".lua"))
      assert.equal(1, status)
      assert.matches("^leadcat: [^\n]*\n$", errors)
      assert.matches(row[3], errors)
    end)
  end

  it("needs a file that is there", function()
    local _, errors, status = stores.leadcat("worker", "/nowhere.lua")
    assert.same({ 1, "leadcat: /nowhere.lua: No such file or directory\n" }, { status, errors })
    assert.equal(2, select(3, stores.leadcat("worker")))
  end)

  it("says so where nothing has been saved yet", function()
    local work = [[
      local engine = assert(require "leadcat".open { path = "%s", map_size = 2 ^ 26 })
      local function source(tenant)
        return { tenant = tenant, step = function() return { handled = 0, parked = 0, problems = 0 } end }
      end
      %s
      return { engine = engine, sources = { source "north", source() } }
    ]]
    local path = stores.path()
    local _, errors, status = stores.leadcat("worker", "--once", stores.file(work:format(path, ""), ".lua"))
    assert.same({ 0, "leadcat: nothing has been saved in the store yet, so no rule does anything: "
      .. "save the settings, or a preset by leadcat init --path DIR\n" }, { status, errors })
    local saved = 'assert(engine:tenant "north":save(require "leadcat".preset "superoffice"))'
    _, errors, status = stores.leadcat("worker", "--once", stores.file(work:format(path, saved), ".lua"))
    assert.same({ 0, "" }, { status, errors }) -- one of its tenants has something
  end)

  it("does all there is to do, once", function()
    local output, errors, status = stores.leadcat("worker", "--once", "--verbose", file [[
      return { handled = self.steps < 4 and self.steps or 0, parked = 0, problems = 0, more = self.steps == 4 }
    ]])
    assert.same({ 0, "closed\n" }, { status, output })
    assert.equal(("leadcat: source sales: %d handled\n"):rep(3):format(1, 2, 3), errors)
  end)

  for _, row in ipairs {
    { "fails", "return nil, 'the table\\nis gone', 'unavailable'", "the table<U+000A>is gone" },
    { "raises", "error('no such column', 0)", "no such column" },
    { "has problems", "return { handled = 0, parked = 0, problems = 0, error = 'row 7: what?' }", "row 7: what?" },
  } do
    it("says in a line that a source " .. row[1], function()
      local output, errors, status = stores.leadcat("worker", "--once", file(row[2]))
      assert.same({ 1, "closed\n", "leadcat: source sales: " .. row[3] .. "\n" }, { status, output, errors })
    end)
  end

  it("makes the changes that an engine has only written down", function()
    local path = stores.path()
    local engine = stores.open { path = path, host = crm.new() }
    assert(engine:save(stores.config { sale_won = 5 }))
    engine:close()
    local _, errors, status = stores.leadcat("worker", "--once", "--verbose", stores.file(([[
      local leadcat, crm = require "leadcat", require("support.crm").new { Acme = 1 }
      return { engine = leadcat.open { path = "%s", host = crm }, sources = { { step = function(self)
        if not self.engine then
          self.engine = assert(leadcat.open { path = "%s", host = crm, apply = "elsewhere" })
          assert(self.engine:handle({ trigger = "sale_won", company = "Acme" }).status == "applying")
        end
        return { handled = 0, parked = 0, problems = 0, more = false }
      end, close = function(self) self.engine:close() end } } }
    ]]):format(path, path), ".lua"))
    assert.same({ 0, "leadcat: changes: 1 finished\n" }, { status, errors })
  end)

  it("says in a line that a change has failed, and tries the host out before anything else", function()
    local path = stores.path()
    local engine = stores.open { path = path, host = crm.new() }
    assert(engine:save(stores.config { sale_won = 5 }))
    engine:close()
    local text = [[
      local host = require("support.crm").new { Acme = 1 }
      host.set_category = function() return nil, "may not", "refused" end
      host.try_out = function() %s end
      local engine = require("leadcat").open { path = "%s", host = host }
      return { engine = engine, sources = { { step = function()
        return { handled = #engine:handle_many { { id = 1, trigger = "sale_won", company = "Acme" } } and 0 }
      end } } }
    ]]
    local _, errors, status = stores.leadcat("worker", "--once", stores.file(
      text:format("return nil, 'no right'", path), ".lua"))
    assert.same({ 1, "leadcat: host: no right\n" }, { status, errors })
    _, errors, status = stores.leadcat("worker", "--once", stores.file(text:format("return true", path), ".lua"))
    assert.equal(0, status)
    assert.matches("^leadcat: company Acme: its change to category 5 has failed %(entry %d+%): may not\n$", errors)
  end)

  it("maintains the store", function()
    local path = stores.path()
    local engine = stores.open { path = path, confirmation_ttl = 60, clock = function() return core.now() - 3600 end }
    assert(engine:save(stores.config { sale_won = { 5, ask = true } }))
    engine.host:create("Acme", 1)
    assert(engine:handle { trigger = "sale_won", company = "Acme" })
    engine:close()
    local _, errors, status = stores.leadcat("worker", "--once", "--verbose", stores.file(
      ("return { engine = require('leadcat').open { path = '%s' } }"):format(path), ".lua"))
    assert.same({ 0, "leadcat: maintain: 1 expired\n" }, { status, errors })
  end)

  for _, signal in ipairs { "TERM", "INT" } do
    it("ends after the current batch when it gets SIG" .. signal, function()
      local pipe, id = start [[
        print "begun"
        io.stdout:flush()
        core.sleep(0.4)
        print "done"
        return { handled = 1, parked = 0, problems = 0, more = true }
      ]]
      assert.equal("begun", pipe:read "*l")
      os.execute(("kill -%s %s"):format(signal, id))
      assert.equal("done\nclosed\nstatus 0\n", pipe:read "*a")
      pipe:close()
    end)
  end

  it("ends at once when it has nothing to do", function()
    local pipe, id = start [[
      print "idle"
      io.stdout:flush()
      return { handled = 0, parked = 0, problems = 0, more = false }
    ]]
    assert.equal("idle", pipe:read "*l")
    core.sleep(0.2)
    local before = core.uptime()
    os.execute("kill -TERM " .. id)
    assert.equal("closed\nstatus 0\n", pipe:read "*a")
    pipe:close()
    assert.is_true(core.uptime() - before < 0.7)
  end)

  it("ends at the second signal whatever it is doing", function()
    local pipe, id = start "print 'begun' io.stdout:flush() core.sleep(60)"
    assert.equal("begun", pipe:read "*l")
    os.execute(("kill -TERM %s; sleep 0.1; kill -TERM %s"):format(id, id))
    assert.equal("status 143\n", pipe:read "*a":match "status %d+\n$")
    pipe:close()
  end)
end)
