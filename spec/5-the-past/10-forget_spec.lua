--- Forgetting a person (GDPR, article 17): afterwards the bytes of the compacted files do not have it any more.

local core = require "leadcat.core"
local handling = require "support.handling"
local processes = require "support.processes"
local stores = require "support.stores"

local LEAD, QUALIFIED, CUSTOMER, LOST = 1, 3, 5, 7 -- the preset's categories
local ANN = { id = "ann-4711", name = "Ann Zetterlund", admin = true }
local BOB = { id = "bob", name = "Bob", admin = true }
local JANE = { id = 770077, name = "Jane Quixote", phone = "555-0199" }

local RULES = {
  sale_won = CUSTOMER, sale_registered = { QUALIFIED, ask = true }, sale_lost = { LOST, after = { days = 30 } },
}

local function event(trigger, company, fields)
  local made = { trigger = trigger, company = company }
  for name, value in pairs(fields or {}) do
    made[name] = value
  end
  return made
end

-- How often each text stands in the files of a compacted copy of the store.
local function traces(engine, ...)
  local copy, found = stores.path(), {}
  assert(engine:backup(copy, { compact = true }))
  for i, text in ipairs { ... } do
    found[i] = 0
    for _, name in ipairs { "config.mdb", "journal.mdb" } do
      local file = assert(io.open(copy .. "/" .. name, "rb"))
      local bytes, at = file:read "*a", 0
      file:close()
      repeat
        at = bytes:find(text, at + 1, true)
        found[i] = found[i] + (at and 1 or 0)
      until not at
    end
  end
  assert.same({}, core.check_store(copy))
  return found
end

local function code_of(_, _, code) return code end

-- How many pages of a file have something in their free space, and how many have none. (LMDB's pages: 16 bytes of head, with the
-- kind in bytes 10 and 11, and the bounds of the free space in 12 to 15.)
local function count_gaps(name)
  local file = assert(io.open(name, "rb"))
  local bytes, dirty, clean, page = file:read "*a", 0, 0, 2
  file:close()
  local function number(at)
    local low, high = bytes:byte(at + 1, at + 2)
    return low + 256 * high
  end
  while page * 4096 < #bytes do
    local at = page * 4096
    local kind, lower, upper = number(at + 10), number(at + 12), number(at + 14)
    if kind == 4 then
      page = page + lower + 65536 * upper
    else
      local is_clean = not bytes:sub(at + lower + 1, at + upper):find "%Z"
      dirty, clean, page = dirty + (is_clean and 0 or 1), clean + (is_clean and 1 or 0), page + 1
    end
  end
  return dirty, clean
end

describe("a person who is forgotten", function()
  local engine, time, path

  after_each(function()
    if engine then
      engine:close()
      assert.same({}, core.check_store(path))
    end
    engine = nil
    stores.check()
  end)

  -- A store in which Jane and Ann stand wherever they can.
  local function fill(options)
    options = options or {}
    options.record_unchanged = 1
    engine, time, path = handling.open(RULES, options)
    assert(engine:save(engine:config(), { actor = ANN }))
    for i = 1, 20 do
      local fields = {
        contact = JANE, actor = ANN, sale = { id = i, name = "Boat for Jane Quixote" },
        id = ("crm/contact/770077/%d"):format(i),
      }
      engine.host:create("c" .. i, LEAD)
      assert(engine:handle(event("sale_won", "c" .. i, fields)))
      fields.id = nil
      assert(engine:handle(event("sale_won", "c" .. i, fields))) -- unchanged
      engine.host:create("d" .. i, LEAD)
      assert(engine:handle(event("sale_registered", "d" .. i, fields)))
      assert(engine:handle(event("sale_lost", "d" .. i, fields)))
    end
    local asked = engine:confirmations { state = "open" }
    assert(engine:resolve(asked[1].id, { accept = true }, { actor = ANN }))
    assert(engine:resolve(asked[2].id, { decline = true }, { actor = ANN }))
    assert(engine:cancel(engine:history({ status = "scheduled", limit = 1 })[1].entry, { actor = ANN }))
  end

  it("may be a contact: the entries stay, without it", function()
    fill()
    assert.is_true(traces(engine, JANE.name)[1] > 0)
    local before = #engine:history { limit = 1000, unchanged = true }
    local forgotten = assert(engine:forget({ contact = "770077" }, { actor = BOB }))
    assert.same({ 20, 20, 0 }, { forgotten.unchanged, forgotten.questions, forgotten.revisions })
    assert.is_true(forgotten.journal >= 60)
    assert.same({ "free_pages", "backups" }, forgotten.remains)
    assert.same({ 0, 0, 0, 0 }, traces(engine, JANE.name, "770077", JANE.phone, "Quixote"))
    assert.is_true(traces(engine, ANN.name)[1] > 0)
    local entries = engine:history { limit = 1000, unchanged = true }
    assert.equal(before, #entries)
    for _, entry in ipairs(entries) do
      assert.is_nil(entry.contact)
      assert.same({ ANN.id, nil }, { entry.actor and entry.actor.id or ANN.id, entry.sale and entry.sale.name })
      assert.is_nil(entry.event_id)
    end
    assert.same({
      journal = 0, unchanged = 0, questions = 0, revisions = 0, remembered = 0, deliveries = 0,
      remains = forgotten.remains,
    }, engine:forget { contact = 770077 })
  end)

  it("is not remembered by what came to nothing either", function()
    engine, time, path = handling.open(RULES)
    local function deliver()
      local statuses = {}
      for i, given in ipairs {
        event("sale_won", "p", { id = "contact/770077/1" }), event("sale_won", "p", { id = "contact/7700771" }),
        event("sale_won", "person-5", { id = "sale/5" }), event("sale_won", "person-55", { id = "sale/55" }),
      } do
        statuses[i] = assert(engine:handle(given)).status
      end
      return table.concat(statuses, " ")
    end
    for _, company in ipairs { "p", "person-5", "person-55" } do
      engine.host:create(company, LOST) -- from where no rule starts
    end
    assert.equal("unchanged unchanged unchanged unchanged", deliver())
    assert(engine:flush())
    assert.equal("duplicate duplicate duplicate duplicate", deliver())
    assert.equal(1, engine:forget({ contact = 770077 }, { actor = BOB }).remembered)
    assert.equal(1, engine:forget({ company = "person-5" }, { actor = BOB }).remembered)
    assert.same({ 0, 0 }, traces(engine, "770077/", "person%-5%W"))
    assert.equal("unchanged duplicate unchanged duplicate", deliver())
    time.now = time.now + 31 * 24 * 3600
    assert(engine:handle(event("sale_won", "p", { id = "later" })))
    assert(engine:maintain())
    assert.equal("unchanged duplicate", engine:handle(event("sale_won", "p", { id = "contact/7700771" })).status .. " "
      .. engine:handle(event("sale_won", "p", { id = "later" })).status)
  end)

  it("may be a user: somebody did it still", function()
    fill()
    local forgotten = assert(engine:forget({ actor = ANN.id }, { actor = BOB }))
    assert.equal(1, forgotten.revisions)
    assert.same({ 0, 0 }, traces(engine, ANN.name, ANN.id))
    assert.is_true(traces(engine, JANE.name)[1] > 0)
    assert.same({}, engine:history({ limit = 1 })[1].actor)
    assert.equal(0, engine:count_confirmations { user = ANN.id })
    assert.same({}, engine:history({ actor = ANN.id }))
    local open = engine:confirmations { state = "open" }
    assert.equal("forbidden", code_of(engine:resolve(open[1].id, { accept = true }, { actor = { id = ANN.id } })))
    assert.equal("updated", engine:resolve(open[1].id, { accept = true }, { actor = BOB }).status)
    time.now = time.now + 31 * 24 * 3600
    assert.equal(19, engine:maintain().carried_out)
  end)

  it("may be a company: its id is another one, and it counts as deleted", function()
    fill()
    engine.host:create_many({ "Jane Quixote 81", "heir" }, LEAD)
    local id = "Jane Quixote 81"
    local fields = { contact = JANE, sale = { id = 9, name = "A boat" }, id = "x/" .. id .. "/1", actor = BOB }
    local won = engine:handle(event("sale_won", id, fields))
    local asked = engine:handle(event("sale_registered", id, { category = LEAD }))
    assert.equal("awaiting_confirmation", asked.status)
    assert(engine:company_renamed("c1", id .. " old"))
    assert(engine:company_merged(id .. " old", "c2"))
    assert(engine:company_renamed("c3", "heir 2"))
    local forgotten = assert(engine:forget({ company = id }, { actor = BOB }))
    assert.matches("^forgotten%-%x+$", forgotten.company)
    assert.same({ 0, 0 }, traces(engine, id .. "\"", "x/" .. id))
    assert.same({}, engine:history { company = id })
    local entries = engine:history { company = forgotten.company }
    assert.same({ "deleted", true }, { entries[1].status, entries[1].company_deleted })
    for _, entry in ipairs(entries) do
      assert.is_nil(entry.contact)
      assert.is_nil((entry.sale or {}).name)
      assert.is_nil(entry.event_id)
    end
    assert.equal("superseded", engine:confirmation(asked.confirmation).state)
    assert.is_nil(engine.host:get(id))
    assert.matches("was deleted: there is nothing to undo", select(2, engine:undo(won.entry)))
  end)

  it("may be a company that was another one's former name, or was merged into one", function()
    fill()
    assert(engine:company_merged("c4", "c5"))
    assert(engine:company_renamed("c6", "c66"))
    assert(engine:company_deleted("c7"))
    engine.host:create("c6", LEAD)
    for _, id in ipairs { "c4", "c6", "c7" } do
      assert(engine:forget { company = id })
      assert.same({}, engine:history { company = id })
    end
    for _, entry in ipairs(engine:history { limit = 1000, unchanged = true }) do
      for _, id in ipairs { "c4", "c6", "c7" } do
        assert.is_false(entry.company == id or entry.former == id)
        assert.is_nil((" " .. (entry.error or "")):find(" " .. id))
      end
    end
  end)

  it("may be a company that had other names, and was merged with all that was kept of it", function()
    fill()
    engine.host:create_many({ "Quentin 1" }, LEAD)
    local fields = { contact = JANE, sale = { id = 3, name = "A sofa" }, id = "q/Quentin 1/7" }
    engine:handle(event("sale_won", "Quentin 1", fields))
    engine:handle(event("sale_registered", "Quentin 1", { category = LEAD, contact = JANE }))
    assert(engine:company_renamed("Quentin 1", "Quentin 2"))
    assert(engine:company_renamed("Quentin 2", "Quentin 3"))
    local entries = #engine:history { company = "Quentin 3" }
    assert(engine:company_renamed("c9", "c99"))
    local forgotten = assert(engine:forget { company = "Quentin 3" })
    assert.equal(entries + 2, #engine:history { company = forgotten.company }) -- closed, deleted
    assert.same({ 0, 0 }, traces(engine, "Quentin", "A sofa"))
    assert.equal(1, #engine:history { company = "c9" })
    engine:handle(event("sale_won", "c8", { category = LEAD, contact = JANE, sale = { id = 3, name = "A sofa" } }))
    assert(engine:company_merged("c8", "c10"))
    local merged = #engine:history { company = "c10" }
    assert(engine:forget { company = "c8" })
    assert.equal(merged, #engine:history { company = "c10" })
    assert.equal(0, traces(engine, "A sofa")[1])
  end)

  it("is not another one whose id begins in the same way, or who only is named alike", function()
    engine, time, path = handling.open(RULES)
    engine:handle(event("sale_won", "Acme", { contact = { id = 77, name = "Jo" }, sale = { id = 1, name = "Jokes" } }))
    engine:handle(event("sale_won", "Bolt", { contact = { id = 7, name = "Jo" }, sale = { id = 77, name = "for Jo" } }))
    assert.equal(1, engine:forget({ contact = 7 }).journal)
    local bolt, acme = engine:history { company = "Bolt" }, engine:history { company = "Acme" }
    assert.same({ nil, { id = 77 } }, { bolt[1].contact, bolt[1].sale })
    assert.same({ { id = 77, name = "Jo" }, "Jokes" }, { acme[1].contact, acme[1].sale.name })
  end)

  it("is forgotten in one tenant only", function()
    engine, time, path = handling.open(RULES)
    local other = engine:tenant "other"
    assert(other:save(stores.config(RULES)))
    other.host:create("Acme", LEAD)
    engine:handle(event("sale_won", "Acme", { contact = JANE }))
    other:handle(event("sale_won", "Acme", { contact = JANE }))
    assert(engine:forget { contact = JANE.id })
    assert.same({ JANE.name, nil }, { other:history()[1].contact.name, engine:history()[1].contact })
  end)

  it("is forgotten by who may only", function()
    fill()
    assert.equal("forbidden", code_of(engine:forget({ contact = 1 }, { actor = { id = "eve" } })))
    for _, row in ipairs {
      { {}, "one of contact, actor and company expected" },
      { { contact = 1, actor = 2 }, "one of contact, actor and company expected" },
      { { user = 1 }, "unknown option 'user' %(there are actor, company, contact%)" },
      { { contact = "" }, "contact must have 1 to 255 bytes, not 0" },
      { { company = {} }, "option 'company': a string or an integer expected" },
      { 7, "a table with contact, actor or company expected" },
    } do
      local ok, message = pcall(engine.forget, engine, row[1])
      assert.is_false(ok)
      assert.matches(row[2], message)
    end
  end)

  it("is forgotten step by step, in short transactions; what was interrupted goes on where it was", function()
    engine, time, path = handling.open(RULES)
    local events, companies, count = {}, {}, 1000
    for i = 1, count do
      companies[i] = "company" .. i
      events[i] = event("sale_won", "company" .. i, { contact = JANE, id = "e" .. i })
    end
    assert(engine.host:create_many(companies, LEAD))
    assert(engine:handle_many(events))
    local places = {}
    local function stop_at(number)
      return function(where, counts)
        places[#places + 1] = ("%s %d"):format(where, counts.journal)
        if #places == number then
          error "stopped"
        end
      end
    end
    assert.has_error(function() engine:forget({ contact = JANE.id }, { on_progress = stop_at(6) }) end)
    assert.same({ "questions 0", "revisions 0", "unchanged 0", "journal 128", "journal 256", "journal 384" }, places)
    places = {}
    local forgotten = assert(engine:forget({ contact = JANE.id }, { on_progress = stop_at(0) }))
    assert.equal("journal 512", places[1])
    assert.equal(count, forgotten.journal)
    assert.equal(0, traces(engine, JANE.name)[1])
  end)

  it("is forgotten by a second process, when the first is killed", function()
    fill()
    engine:close()
    local CHILD = [=[
      local engine = require("leadcat").open { path = arg[1] }
      print((io.open("/proc/self/stat"):read "*n"))
      io.flush()
      engine:forget({ [arg[2]] = arg[3] }, { on_progress = function(where)
        print(where)
        io.flush()
        require("leadcat.core").sleep(5)
      end })
    ]=]
    for _, row in ipairs { { "contact", "770077" }, { "actor", ANN.id }, { "company", "d1" } } do
      local child = processes.start(CHILD, { path, row[1], row[2] })
      local id = tonumber(child:line())
      assert.equal("questions", child:line())
      os.execute(("kill -KILL %d"):format(id))
      child:wait()
    end
    engine = stores.open { path = path, clock = function() return time.now end }
    assert(engine:forget { contact = 770077 })
    assert(engine:forget { actor = ANN.id })
    local forgotten = assert(engine:forget { company = "d1" })
    assert.same({}, engine:history { company = "d1" })
    assert.is_true(#engine:history { company = forgotten.company } > 0)
    assert.same({ 0, 0, 0 }, traces(engine, JANE.name, ANN.name, ANN.id))
  end)

  -- LMDB leaves there what it has moved or made shorter.
  it("is not in the free space of a compacted copy's pages", function()
    fill()
    assert(engine:forget { contact = JANE.id })
    local copy = stores.path()
    assert(engine:backup(copy, { compact = true }))
    for _, name in ipairs { "config.mdb", "journal.mdb" } do
      local dirty, clean = count_gaps(copy .. "/" .. name)
      assert.same({ 0, true }, { dirty, clean > 0 }, name)
    end
  end)
end)
