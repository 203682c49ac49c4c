--- `leadcat assign`: an open question is given to somebody else on the command line.

local asking = require "support.asking"
local json = require "leadcat.util.json"
local stores = require "support.stores"

local CUSTOMER = 5 -- the preset's category
local unpack = table.unpack or unpack -- luacheck: ignore (one of 5.1)

describe("leadcat assign", function()
  local engine, path, id

  before_each(function()
    local time
    engine, time, path = asking.open()
    time.now = os.time() -- the command has no clock of its own
    id = asking.ask(engine)
  end)

  after_each(function()
    engine:close()
    stores.check()
  end)

  local function run(...)
    local output, errors, status = stores.leadcat("assign", ...)
    return status, status == 0 and output or errors
  end

  it("gives a question to another user, whose it is from then on", function()
    local status, said = run(id, "--to", "eve", "--name", "Eve", "--as", "ann", "--path", path)
    assert.same({ 0, "Acme: the question is now with Eve\n" }, { status, said })
    local record = engine:confirmation(id)
    assert.same({ id = "eve", name = "Eve" }, record.assigned.to)
    assert.equal("ann", record.assigned.by.id)
    assert.same({ 0, 1 }, { engine:count_confirmations { user = "bob" }, engine:count_confirmations { user = "eve" } })
    assert.matches("Acme .* Eve ", (stores.leadcat("confirmations", "--user", "eve", "--path", path)))
    assert.equal("updated", engine:resolve(id, { accept = true }, { actor = asking.EVE }).status)
    assert.equal(CUSTOMER, engine.host:get "Acme")
  end)

  it("says it as JSON, and calls a user without a name by the id, which may be a number", function()
    local status, said = run(id, "--to", "17", "--path", path, "--json")
    local record = json.decode(said)
    assert.same({ 0, id, "open", { id = "17" } }, { status, record.id, record.state, record.assigned.to })
    assert.matches("the question is now with 18", select(2, run(id, "--to", "18", "--path", path)))
  end)

  it("says why it cannot be, and changes nothing", function()
    for _, row in ipairs {
      { { id }, 2, "to" },
      { { "--to", "eve" }, 2, "id" },
      { { ("0"):rep(32), "--to", "eve" }, 1, "there is no such confirmation" },
      { { id, "--to", ("e"):rep(256) }, 2, "255" },
    } do
      local words = { unpack(row[1]) }
      words[#words + 1], words[#words + 2] = "--path", path
      local status, said = run(unpack(words))
      assert.equal(row[2], status, said)
      assert.matches(row[3], said)
    end
    assert.is_nil(engine:confirmation(id).assigned)
    assert(engine:resolve(id, { decline = true }, { actor = asking.BOB }))
    local status, said = run(id, "--to", "eve", "--path", path)
    assert.equal(1, status)
    assert.matches("Bob kept the category", said)
  end)
end)
