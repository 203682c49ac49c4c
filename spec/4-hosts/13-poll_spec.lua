-- `leadcat.source.poll`: an API that is asked what has changed. Its cursor passes only what was taken.

local core = require "leadcat.core"
local handling = require "support.handling"
local poll = require "leadcat.source.poll"
local stores = require "support.stores"

local LEAD, OPPORTUNITY, CUSTOMER = 1, 3, 5 -- the preset's categories
local RULES = { sale_registered = OPPORTUNITY, sale_won = CUSTOMER }

local function won(company, at, id)
  return { trigger = "sale_won", company = company, id = id or ("w%s@%s"):format(company, at), at = at }
end

local function registered(company, at)
  return { trigger = "sale_registered", company = company, id = ("r%s@%s"):format(company, at), at = at }
end

-- An API with changes at times: `api.changes` is its list, in order of time; `api.asked` the times that it was asked for.
local function new_api(changes)
  local api = { changes = changes or {}, asked = {} }
  function api.since(time, limit)
    api.asked[#api.asked + 1] = time
    if api.failure then
      return nil, api.failure
    end
    local items = {}
    for _, change in ipairs(api.changes) do
      if change.at >= time and #items < limit then
        items[#items + 1] = change
      end
    end
    return items, items[#items] and items[#items].at
  end
  return api
end

local function new(api, options)
  local all = { name = "api", since = api.since, overlap = 10, start = 1000, every = 5 }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  return poll(all)
end

-- Steps until there is nothing to do at once: {handled, parked, problems}, and the first error.
local function drain(polled, engine)
  local sums, problem = { 0, 0, 0 }, nil
  repeat
    local counts = assert(polled:step(engine))
    sums = { sums[1] + counts.handled, sums[2] + counts.parked, sums[3] + counts.problems }
    problem = problem or counts.error
  until not counts.more
  return sums, problem
end

-- Makes these companies stuck, by what the table has for them.
local function guard(engine, away)
  engine:on("guard", function(event)
    if away[event.company] then
      error(away[event.company], 0)
    end
  end)
end

local function cursor(engine)
  return tonumber((engine:cursor "api"))
end

describe("leadcat.source.poll", function()
  local engine

  before_each(function()
    engine = handling.open(RULES)
    engine.host:create_many({ "Corp", "1", "2" }, LEAD)
  end)

  after_each(function()
    engine:close()
    stores.check()
  end)

  it("handles what has changed, once, and moves its cursor with it", function()
    local api = new_api { registered("Acme", 1001), won("Bolt", 1002) }
    local polled = new(api)
    local commits = stores.commits(engine, function()
      assert.same({ 2, 0, 0 }, drain(polled, engine))
    end)
    assert.equal(2, commits) -- the first cursor; both changes with the second one
    assert.same({ OPPORTUNITY, CUSTOMER, 1002 }, { engine.host:get "Acme", engine.host:get "Bolt", cursor(engine) })
    assert.same({ 0, 0, 0 }, drain(polled, engine)) -- not yet
    assert.same({ 990 }, api.asked)
    core.forward(5)
    api.changes[3] = won("Acme", 1003)
    assert.equal(1, stores.commits(engine, function()
      assert.same({ 1, 0, 0 }, drain(polled, engine))
    end))
    core.forward(5)
    assert.equal(0, stores.commits(engine, drain, polled, engine))
    assert.same({ 990, 992, 993 }, api.asked)
    assert.equal(3, #engine:history())
  end)

  it("sees by its overlap what appears later with an earlier time", function()
    local api = new_api { won("Acme", 1020) }
    local polled = new(api)
    drain(polled, engine)
    table.insert(api.changes, 1, won("Bolt", 1011)) -- of a transaction that took nine seconds
    core.forward(5)
    assert.same({ 1, 0, 0 }, drain(polled, engine))
    assert.same({ CUSTOMER, 1020 }, { engine.host:get "Bolt", cursor(engine) })
  end)

  it("reads page by page, and goes on after a restart where it was", function()
    local api = new_api()
    for i = 1, 10 do
      engine.host:create(100 + i, LEAD)
      api.changes[i] = won(100 + i, 1000 + i)
    end
    local polled = new(api, { limit = 3, overlap = 0 })
    assert.is_true(assert(polled:step(engine)).more)
    assert.equal(1003, cursor(engine))
    polled = new(api, { limit = 3, overlap = 2, start = 1 })
    assert.same({ 7, 0, 0 }, drain(polled, engine))
    assert.same({ 1000, 1001, 1003, 1005, 1007, 1009 }, api.asked)
    assert.equal(10, #engine:history())
  end)

  it("begins now, where it is told, or where a function says, and remembers that", function()
    local asked
    local function since(at) asked = at return {} end
    local before = core.now()
    drain(poll { name = "now", since = since, overlap = 0 }, engine)
    assert.is_true(asked >= before and asked <= core.now())
    local first = asked
    drain(poll { name = "now", since = since, overlap = 0 }, engine)
    assert.is_true(math.abs(first - asked) < 1e-5)
    drain(poll { name = "token", since = since, start = "t0" }, engine)
    assert.equal("t0", asked)
    local is_away = true
    local later = poll { name = "later", since = since, start = function()
      if is_away then
        return nil, "no token"
      end
      return "t9"
    end }
    assert.same({ nil, "no token", "unavailable" }, { later:step(engine) })
    is_away = false
    drain(later, engine)
    assert.same({ "t9", "t9" }, { asked, (engine:cursor "later") })
  end)

  it("takes the API's own cursors", function()
    local pages = { a = { { won("Acme", 1) }, "b", true }, b = { { won("Bolt", 2) }, "c", false }, c = { {} } }
    local asked = {}
    local polled = poll { name = "feed", start = "a", every = 0, since = function(token)
      asked[#asked + 1] = token
      return stores.unpack(pages[token])
    end }
    drain(polled, engine)
    drain(polled, engine)
    pages.c = { { won("Corp", 3) }, "d" }
    drain(polled, engine)
    assert.same({ { "a", "b", "c", "c" }, "d" }, { asked, (engine:cursor "feed") })
    assert.same({ CUSTOMER, CUSTOMER, CUSTOMER },
      { engine.host:get "Acme", engine.host:get "Bolt", engine.host:get "Corp" })
  end)

  it("leaves a stuck company alone: the others go on, and the cursor waits", function()
    local away = { Bolt = "it is being moved" }
    guard(engine, away)
    local api = new_api { won("Acme", 1001), registered("Bolt", 1002), won("Corp", 1003), won("Bolt", 1004) }
    local polled = new(api, { overlap = 0, limit = 2 })
    local sums, problem = drain(polled, engine)
    assert.same({ { 2, 1, 0 }, "company Bolt: a guard raised: it is being moved" }, { sums, problem })
    assert.same({ CUSTOMER, LEAD, CUSTOMER, 1000 },
      { engine.host:get "Acme", engine.host:get "Bolt", engine.host:get "Corp", cursor(engine) })
    core.forward(0.5)
    assert.same({ 0, 0, 0 }, drain(polled, engine))
    core.forward(0.5)
    assert.same({ 0, 1, 0 }, drain(polled, engine)) -- tried again, after a second
    core.forward(1.5)
    assert.same({ 0, 0, 0 }, drain(polled, engine)) -- and after two more
    api.changes[5] = won("1", 1005)
    core.forward(3.5) -- the next pass is due, which goes back
    away.Bolt = nil
    assert.same({ 3, 0, 0 }, drain(polled, engine))
    assert.equal(1005, cursor(engine))
    local entries = engine:history { company = "Bolt" }
    assert.same({ OPPORTUNITY, CUSTOMER }, { entries[2].to, entries[1].to })
  end)

  it("loses nothing of a stuck company when the worker ends, also behind pages that all were taken", function()
    local away, api = { Bolt = "away" }, new_api { won("Bolt", 1001) }
    guard(engine, away)
    for i = 2, 9 do
      api.changes[i] = registered("Acme", 1000 + i)
    end
    drain(new(api, { limit = 2 }), engine)
    away.Bolt = nil
    assert.same({ 1, 0, 0 }, drain(new(api, { limit = 2 }), engine))
    assert.same({ CUSTOMER, 1009 }, { engine.host:get "Bolt", cursor(engine) })
  end)

  it("tells of items that nobody understands, and blocks nothing with them", function()
    local meaning = {}
    local api = new_api {
      { at = 1001, id = 1, company = "Acme", status = "what" }, { at = 1002, id = 2, company = "Bolt", status = "won" },
      { at = 1003, id = 3, company = "Corp", status = "raises" },
    }
    local polled = new(api, { overlap = 0, events = function(item)
      if item.status == "raises" then
        error("no such field", 0)
      elseif item.status ~= "won" and not meaning[item.status] then
        return nil, ("the status is '%s'"):format(item.status)
      end
      return won(item.company, item.at)
    end })
    local sums, problem = drain(polled, engine)
    assert.same({ { 1, 0, 2 }, "item 1: the status is 'what'", CUSTOMER, 1000 },
      { sums, problem, engine.host:get "Bolt", cursor(engine) })
    core.forward(1)
    assert.same({ 0, 0, 2 }, drain(polled, engine))
    meaning.what, api.changes[3].status = true, "won"
    core.forward(2)
    assert.same({ 2, 0, 0 }, drain(polled, engine))
    assert.equal(1003, cursor(engine))
  end)

  it("passes what is set aside", function()
    local kept = {}
    local api = new_api { { at = 1001 }, won("Bolt", 1002) }
    local polled = new(api, { set_aside = function(item, reason)
      kept[#kept + 1] = ("%d %s"):format(item.at, reason:sub(1, 22))
      return true
    end })
    assert.same({ 1, 0, 0 }, drain(polled, engine))
    assert.same({ { "1001 trigger must be one of" }, 1002 }, { kept, cursor(engine) })
  end)

  for _, row in ipairs {
    { "has no id", { trigger = "sale_won", company = "Acme" }, "its event has no id: without one it would be handled" },
    { "has an unknown trigger", { trigger = "sale_what", company = "Acme", id = "x" }, "trigger must be one of" },
    { "has no company", { trigger = "sale_won", id = "x" }, "company must be a string or an integer, not absent" },
    { "is no event", 7, "`events` gave 7, not a list of events" },
    { "is a list with one that is none", { 7 }, "an event must be a table" },
  } do
    it("refuses what " .. row[1], function()
      local api = new_api { { at = 1001, id = "i1" } }
      local sums, problem = drain(new(api, { events = function() return row[2] end }), engine)
      assert.same({ { 0, 0, 1 }, 1000 }, { sums, cursor(engine) })
      assert.equal("item i1: " .. row[3], problem:sub(1, #row[3] + 9))
    end)
  end

  it("takes none, one or several events of an item, and triggers of one's own", function()
    engine:close()
    engine = handling.open({}, { triggers = { { trigger = "contract_expired", name = { en = "Contract expired" } } } })
    local lists = {
      [1001] = { won("Acme", 1), won("Bolt", 2) }, [1002] = { trigger = "contract_expired", company = 3, id = 4 },
      [1003] = {},
    }
    local api = new_api { { at = 1001 }, { at = 1002 }, { at = 1003 }, { at = 1004 } }
    assert.same({ 3, 0, 0 }, drain(new(api, { events = function(item) return lists[item.at] end }), engine))
    assert.equal(1004, cursor(engine))
  end)

  it("goes on behind an event that the engine takes for invalid", function()
    local api = new_api { won("Acme", 1001), registered("Acme", 1002), won("Bolt", 1003) }
    local spy = setmetatable({ handle_many = function(_, events, options)
      local outcomes, is_bad = {}, false
      for i, event in ipairs(events) do
        is_bad = is_bad or event.at == 1001
        local bad = event.company == "Acme" and is_bad
        outcomes[i] = bad and { status = "not_taken", code = "invalid", error = "too long" } or { status = "updated" }
      end
      if is_bad then
        return outcomes, "too long", "invalid"
      end
      assert(engine:handle_many({}, options))
      return outcomes
    end }, { __index = engine })
    local sums, problem = drain(new(api), spy)
    assert.same({ { 2, 0, 1 }, "item w" }, { sums, problem:sub(1, 6) })
    assert.equal(1000, cursor(engine))
    assert.same({ 2, 0, 0 }, drain(new(api, { set_aside = function() return true end }), spy))
    assert.equal(1003, cursor(engine))
  end)

  it("fails when the API fails, or answers with what is no answer, and goes on later", function()
    local api = new_api { won("Acme", 1001) }
    local polled = new(api)
    api.failure = "503 Service Unavailable"
    assert.same({ nil, "503 Service Unavailable", "unavailable" }, { polled:step(engine) })
    api.failure = nil
    assert.same({ 1, 0, 0 }, drain(polled, engine))
    for _, row in ipairs {
      { {}, "`since` gave nil, not a list of items" },
      { { "html" }, "`since` gave html, not a list of items" },
      { { { won("Bolt", 1002) } }, "`since` gave the cursor nil, not seconds since 1970" },
      { { { won("Bolt", 1002) }, "1002" }, "`since` gave the cursor 1002, not seconds since 1970" },
      { { {}, 1000000000000 }, "`since` gave the cursor 1", },
      { { {}, 900, true }, "`since` gets no further than 900, where there is more" },
    } do
      local broken = new({ since = function() return stores.unpack(row[1]) end })
      local counts, message = broken:step(engine)
      assert.is_nil(counts)
      assert.equal(row[2], message:sub(1, #row[2]))
    end
    assert.equal(1001, cursor(engine))
  end)

  it("stays where it is when the store cannot be written", function()
    local polled = new(new_api { won("Acme", 1001), won("Bolt", 1002) })
    drain(new(new_api()), engine)
    local mend = stores.fail(engine, "handle")
    assert.same({ nil, "no room", "full" }, { polled:step(engine) })
    mend()
    assert.same({ 2, 0, 0 }, drain(polled, engine))
  end)

  it("is not misled by a change in the far future", function()
    local api = new_api { won("Acme", 1001), won("Bolt", core.now() + 1e6) }
    local polled = new(api)
    drain(polled, engine)
    assert.is_true(cursor(engine) <= core.now())
    table.insert(api.changes, 2, won("Corp", core.now()))
    core.forward(5)
    assert.same({ 1, 0, 0 }, drain(polled, engine))
  end)

  it("says when its cursor is that of another source", function()
    assert(engine:handle_many({}, { cursor = { name = "api", text = "token" } }))
    local _, message, code = new(new_api()):step(engine)
    assert.same({ "the cursor 'api' is token: was this source another one before? Give it another name", "invalid" },
      { message, code })
  end)

  it("refuses wrong options", function()
    local since = function() end
    for _, row in ipairs {
      { {}, "option 'name' is missing" },
      { { name = "x" }, "option 'since' is missing" },
      { { name = "x", since = since }, "option 'start' is missing: without `overlap` cursors are the API's own" },
      { { name = "", since = since }, "option 'name': a text of 1 to 64 bytes expected" },
      { { name = "x", since = since, overlap = -1 }, "option 'overlap': a number of seconds from 0 to 86400 expected" },
      { { name = "x", since = since, overlap = 1, start = "a" }, "option 'start': seconds since 1970 expected" },
      { { name = "x", since = since, start = 7 }, "option 'start': a text of 1 to 4096 bytes expected" },
      { { name = "x", since = since, limit = 0 }, "option 'limit': an integer from 1 to 1000 expected" },
      { { name = "x", url = "y" }, "unknown option 'url'" },
    } do
      local ok, message = pcall(poll, row[1])
      assert.is_false(ok)
      assert.matches("leadcat.source.poll: " .. row[2], message, 1, true)
    end
  end)
end)
