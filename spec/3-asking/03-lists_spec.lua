-- How questions are listed.

local asking = require "support.asking"
local stores = require "support.stores"
local times = require "support.times"

local LEAD, QUALIFIED, PARTNER = 1, 2, 6 -- the preset's categories
local RULES, open, ask, ask_many, ids_of = asking.RULES, asking.open, asking.ask, asking.ask_many, asking.ids_of

local function copy_of(list)
  return { stores.unpack(list) }
end

describe("a list of questions", function()
  after_each(stores.check)

  local STATES = { "open", "accepted", "changed", "declined", "expired", "superseded", "conflict" }
  local COMPANIES = { "A", "B", 3, "A" .. ("x"):rep(254), "AB" }
  local USERS = { "bob", 7, "bobby", false }

  -- What is done about a question right after it was asked; the others wait until the next of their company.
  local function close(engine, i, id, company)
    local kind = i % 6
    if kind == 1 then
      assert.equal("updated", engine:resolve(id, { accept = true }).status)
    elseif kind == 2 then
      assert.equal("updated", engine:resolve(id, { category = PARTNER }).status)
    elseif kind == 3 then
      assert.equal("declined", engine:resolve(id, { decline = true }).status)
    elseif kind == 4 then
      engine.host.set_category(company, QUALIFIED, LEAD)
      assert.equal("conflict", engine:resolve(id, { accept = true }).status)
    end
    engine.host.set_category(company, LEAD, engine.host:get(company))
  end

  -- Questions in all states, of all companies and users; gives them, newest first.
  local function ask_all(engine, time, count)
    local asked = {}
    engine.host:create_many(COMPANIES, LEAD)
    for i = 1, count do
      local company, user = COMPANIES[i % 5 + 1], USERS[i % 4 + 1]
      local id = ask(engine, { company = company, actor = user and { id = user } or false })
      table.insert(asked, 1, { id = id, company = company, user = user })
      if i < count - 12 then
        close(engine, i, id, company)
      end
      time.now = time.now + (i % 20 == 0 and i <= 40 and 61 or 0.0001)
    end
    for _, question in ipairs(asked) do
      question.state = engine:confirmation(question.id).state
    end
    return asked
  end

  local function expected(asked, query)
    local ids = {}
    for _, question in ipairs(asked) do
      if (query.company == nil or tostring(query.company) == tostring(question.company))
        and (query.user == nil or tostring(query.user) == tostring(question.user))
        and (query.state == nil or query.state == question.state) then
        ids[#ids + 1] = question.id
      end
    end
    return ids
  end

  -- All pages of a list.
  local function paged(engine, query, limit, between)
    local ids = {}
    repeat
      local page = assert(engine:confirmations {
        company = query.company, user = query.user, state = query.state, limit = limit, after = ids[#ids],
      })
      assert.is_true(#page <= limit)
      for _, record in ipairs(page) do
        ids[#ids + 1] = record.id
      end
      if between then
        between(#ids)
      end
    until #page < limit
    return ids
  end

  it("is of a company, a user, a state, or any of them together, newest first, page by page", function()
    local engine, time = open { confirmation_ttl = 60 }
    local asked = ask_all(engine, time, 90)
    local of_state = {}
    for _, question in ipairs(asked) do
      of_state[question.state] = (of_state[question.state] or 0) + 1
    end
    for _, state in ipairs(STATES) do
      assert.is_true((of_state[state] or 0) >= 3, state .. ": " .. (of_state[state] or 0))
    end
    local companies, users, states = copy_of(COMPANIES), { "bob", "7", 7, "bobby", "bo", "none" }, copy_of(STATES)
    companies[#companies + 1], companies[#companies + 2], states[#states + 1] = "3", "C", false
    companies[#companies + 1], users[#users + 1] = false, false
    local found = 0
    for _, company in ipairs(companies) do
      for _, user in ipairs(users) do
        for _, state in ipairs(states) do
          local query = { company = company or nil, user = user or nil, state = state or nil }
          local ids = expected(asked, query)
          local records = assert(engine:confirmations(query))
          assert.same(ids, ids_of(records))
          assert.equal(#ids, engine:count_confirmations(query))
          for _, limit in ipairs(#ids > 0 and { 1, 4, 90 } or {}) do
            assert.same(ids, paged(engine, query, limit))
          end
          found = found + #ids
        end
      end
    end
    assert.is_true(found > 500)
    for _, record in ipairs(engine:confirmations()) do
      assert.same(engine:confirmation(record.id), record)
    end
    engine:close()
  end)

  it("goes on behind any question, also behind one that is not in it", function()
    local engine, time = open { confirmation_ttl = 60 }
    local asked = ask_all(engine, time, 60)
    for i, question in ipairs(asked) do
      local rest = { stores.unpack(asked, i + 1) }
      for _, query in ipairs {
        {}, { company = "B" }, { user = 7 }, { state = "open" }, { state = "accepted", user = "bob" },
      } do
        query.after = question.id
        assert.same(expected(rest, query), ids_of(engine:confirmations(query)))
      end
    end
    engine:close()
  end)

  it("has 100 when not told, at least 1 and at most 1,000", function()
    local engine = open()
    local count = times(1100)
    local ids = ask_many(engine, count)
    for limit, size in pairs { [false] = 100, [1] = 1, [0] = 1, [-7] = 1, [10] = 10, [1000] = 1000, [1001] = 1000,
      [100000] = 1000 } do
      size = math.min(size, count)
      local records = engine:confirmations { limit = limit or nil }
      assert.equal(size, #records)
      assert.same({ ids[count], ids[count - size + 1] }, { records[1].id, records[size].id })
    end
    assert.equal(count, #paged(engine, { state = "open" }, 1000))
    assert.equal(math.min(count, 1000), engine:count_confirmations { state = "open" })
    engine:close()
  end)

  it("shows each question once, though new ones come and old ones are answered between two pages", function()
    for _, state in ipairs { false, "open" } do
      local engine = open()
      local ids, answered = ask_many(engine, 60), {}
      local new = 0
      local seen = paged(engine, { state = state or nil }, 7, function(count)
        if count >= 49 then
          return
        end
        new = new + 1
        ask(engine, { company = "new " .. new, category = LEAD })
        local cursor, unseen = ids[60 - count + 1], ids[5 + new]
        assert.equal("declined", engine:resolve(cursor, { decline = true }).status)
        assert.equal("declined", engine:resolve(unseen, { decline = true }).status)
        answered[unseen] = true
      end)
      local expect = {}
      for i = 60, 1, -1 do
        if not (state and answered[ids[i]]) then
          expect[#expect + 1] = ids[i]
        end
      end
      assert.is_true(new >= 5)
      assert.same(expect, seen)
      engine:close()
    end
  end)

  it("cannot go on behind a question that there is not", function()
    local engine = open()
    local other = engine:tenant "other"
    assert(other:save(stores.config(RULES)))
    ask(engine)
    for _, after in ipairs { ("0"):rep(32), "x", "", ask(other, { category = LEAD }) } do
      assert.same({ nil, "there is no such confirmation", "not_found" }, { engine:confirmations { after = after } })
    end
    engine:close()
  end)

  it("has the questions of its tenant", function()
    local engine = open()
    local lists = {}
    for _, name in ipairs { "", "a", "aa", "b", "\0", "a\0" } do
      local tenant = engine:tenant(name)
      if name ~= "" then
        assert(tenant:save(stores.config(RULES)))
      end
      lists[name] = { ask(tenant, { category = LEAD }) }
      table.insert(lists[name], 1, ask(tenant, { company = "Bolt", category = LEAD }))
    end
    for name, ids in pairs(lists) do
      local tenant = engine:tenant(name)
      for _, query in ipairs { {}, { user = "bob" }, { state = "open" }, { state = "open", user = "bob" } } do
        assert.same(ids, ids_of(tenant:confirmations(query)))
      end
      assert.same({ ids[2] }, ids_of(tenant:confirmations { company = "Acme" }))
      assert.equal(name, tenant:confirmations()[1].tenant)
    end
    engine:close()
  end)

  it("is empty where nothing was asked", function()
    local engine = open()
    assert.same({}, engine:confirmations())
    assert.same({}, engine:confirmations { company = "Acme", user = "bob", state = "conflict" })
    assert.same({ expired = 0, removed = 0 }, engine:sweep())
    engine:close()
  end)
end)
