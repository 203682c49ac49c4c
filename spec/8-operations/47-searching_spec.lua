--- Searching the journal: the core passes over what cannot be meant, so that a page of a million entries takes no longer than one of
--- ten thousand. What it finds is held against a search that reads every entry.

local core = require "leadcat.core"
local handling = require "support.handling"
local pager = require "leadcat.http.pager"
local stores = require "support.stores"

local LEAD = 1
local NAMES = {
  "Ann Berg", "Bjørn Østli", "ÅSE Lund", "Zoë \"Zed\" O'Hara", "a\\b/c", "René", "小林 Kana", "Straße", "№ 7 ⑽",
  "Anna\n", "é",
}
local IDS = { 7, "7", "seven", 70, "b/7", 2 ^ 53 - 1 }
local TEXTS = {
  "ann", "ANN", "bjorn", "Øst", "ase lund", "zed", '"', "o'h", "\\", "b/c", "rene", "kana", "小", "strasse", "no 7",
  "(10)", "7", "x", "e",
}
local STATUSES = { "updated", "declined", "failed", "awaiting_confirmation" }

local function one_of(list)
  return list[math.random(#list)]
end

-- A text as it is compared, told once more.
local function plain(text)
  return (core.plain(text):gsub("ø", "o"))
end

local function has(part, id, name)
  return (plain(id) .. "\n" .. plain(name or "")):find(plain(part), 1, true) ~= nil
end

local function key_of(id)
  return type(id) == "number" and ("%.0f"):format(id) or id
end

-- What a query means, of an entry as hosts see it.
local MEANS = {
  trigger = function(entry, value) return entry.trigger == value end,
  status = function(entry, value) return entry.status == value end,
  revision = function(entry, value) return entry.revision == value end,
  since = function(entry, value) return entry.at >= value end,
  before = function(entry, value) return entry.at < value end,
  company = function(entry, value) return key_of(entry.company) == key_of(value) end,
  sale = function(entry, value) return entry.sale ~= nil and key_of(entry.sale.id) == key_of(value) end,
  actor = function(entry, value)
    local actor = entry.actor
    return actor ~= nil and (key_of(actor.id) == key_of(value) or actor.name == value)
  end,
  actor_name = function(entry, value)
    local actor = entry.actor
    return actor ~= nil and has(value, key_of(actor.id), actor.name)
  end,
  company_name = function(entry, value) return has(value, key_of(entry.company)) end,
}

local function read_all(engine, query)
  local found, after = {}, nil
  repeat
    local page, next_after = assert(engine:history {
      after = after, limit = query.limit, unchanged = query.unchanged, trigger = query.trigger, status = query.status,
      revision = query.revision, since = query.since, before = query.before, company = query.company, sale = query.sale,
      actor = query.actor, actor_name = query.actor_name, company_name = query.company_name,
    })
    for _, entry in ipairs(page) do
      found[#found + 1] = entry.entry
    end
    after = next_after
  until not after
  return found
end

describe("searching the journal", function()
  after_each(stores.check)

  local function filled(count)
    local engine, time = handling.open(
      { sale_won = 5, sale_lost = { 4, ask = true }, sale_registered = 3 }, { record_unchanged = 1 })
    local start = time.now
    for i = 1, count do
      time.now = time.now + 1
      if i == math.floor(count / 2) then
        assert(engine:save(stores.config { sale_won = 5, sale_lost = { 4, ask = true } }))
      end
      assert(engine:handle {
        trigger = one_of { "sale_won", "sale_lost", "sale_registered" },
        company = one_of { i, "Acme " .. one_of(NAMES) },
        category = LEAD, choice = one_of { 4, false, nil }, at = time.now - math.random(3),
        actor = math.random(4) > 1 and { id = one_of(IDS), name = math.random(3) > 1 and one_of(NAMES) or nil } or nil,
        sale = math.random(3) > 1 and { id = one_of(IDS), name = one_of(NAMES) } or nil,
      })
    end
    return engine, start
  end

  local MAKES = {
    trigger = function() return one_of { "sale_won", "sale_lost" } end,
    status = function() return one_of(STATUSES) end,
    revision = function() return math.random(3) end,
    since = function(start) return start + math.random(200) end,
    before = function(start) return start + math.random(200) end,
    company = function() return "Acme " .. one_of(NAMES) end,
    sale = function() return one_of(IDS) end,
    actor = function() return math.random(2) == 1 and one_of(IDS) or one_of(NAMES) end,
    actor_name = function() return one_of(TEXTS) end,
    company_name = function() return one_of(TEXTS) end,
  }
  local FIELDS = {}
  for name in pairs(MAKES) do
    FIELDS[#FIELDS + 1] = name
  end
  table.sort(FIELDS)

  it("finds what reading every entry finds, whatever is asked for, page by page", function()
    local seed = tonumber(os.getenv "SEED") or os.time()
    math.randomseed(seed)
    local engine, start = filled(200)
    local hits = 0
    for _ = 1, 600 do
      local query = { limit = one_of { 2, 7, 100 }, unchanged = one_of { true, nil } }
      for _ = 1, math.random(2) do
        local name = one_of(FIELDS)
        query[name] = MAKES[name](start)
      end
      local expected, words = {}, {}
      for _, entry in ipairs(assert(engine:history { limit = 1000, unchanged = query.unchanged })) do
        local means = true
        for name, test in pairs(MEANS) do
          means = means and (query[name] == nil or test(entry, query[name]))
        end
        expected[#expected + 1] = means and entry.entry or nil
      end
      for name, value in pairs(query) do
        words[#words + 1] = name .. "=" .. tostring(value)
      end
      hits = hits + #expected
      assert.same(expected, read_all(engine, query), ("SEED=%d %s"):format(seed, table.concat(words, " ")))
    end
    assert.is_true(hits > 1000)
    engine:close()
  end)

  it("finds what waits for an answer by its questions, however much does not", function()
    local engine = handling.open { sale_won = { 5, ask = true } }
    local store, searched = engine._store, 0
    assert(engine:handle { trigger = "sale_won", company = "first", category = LEAD })
    for i = 1, 50 do
      assert(engine:handle { trigger = "sale_won", company = i, category = LEAD, choice = false })
    end
    local last = assert(engine:handle { trigger = "sale_won", company = "last", category = LEAD })
    engine._shared.metatable.__index._store = setmetatable({
      search = function() searched = searched + 1 end,
    }, { __index = function(_, name) return function(_, ...) return store[name](store, ...) end end })
    local page, after = engine:history { status = "waiting", limit = 1 }
    assert.same({ "last", last.entry }, { page[1].company, after })
    page, after = engine:history { status = "waiting", limit = 2, after = after }
    assert.same({ 1, "first" }, { #page, page[1].company })
    assert.is_nil(after)
    assert.same({ "first" }, { engine:history({ status = "waiting", company = "first" })[1].company })
    assert.equal(0, searched)
    engine:close()
  end)

  it("passes over what is not meant in the core", function()
    local engine = handling.open { sale_won = { 5, ask = true } }
    for i = 1, 50 do
      assert(engine:handle { trigger = "sale_won", company = i, category = LEAD, actor = { id = i, name = "Bjørn" } })
    end
    for _, row in ipairs {
      { { status = "failed" }, 0 }, { { trigger = "sale_lost" }, 0 }, { { words = "\0017\1" }, 1 },
      { { words = "bjorn" }, 50 }, { { words = "bjarne" }, 0 },
      { { words = "jorn\1" }, 50 }, { { words = "jor\1" }, 0 }, { { name = "49" }, 1 },
      { { revision = 2 }, 0 }, { { before = 0 }, 0 }, { { since = 9e9 }, 0 },
      { { words = "no", asked = true }, 50 },
    } do
      row[1].most, row[1].limit = 100, 100
      local found, looked_at, reached = engine._store:search("", nil, row[1])
      assert.same({ row[2], 50 }, { #found, looked_at }, next(row[1]))
      assert.is_nil(reached)
    end
    local found, looked_at, reached = engine._store:search("", nil, { words = "\0012\1", most = 10, limit = 100 })
    assert.same({ 0, 10 }, { #found, looked_at })
    found, looked_at = engine._store:search("", nil, { words = "\0012\1", most = 100, limit = 9 }, reached)
    assert.same({ 1, 40 }, { #found, looked_at })
    engine:close()
  end)

  it("goes on for a page over HTTP that is not full, a bounded way", function()
    local read = 0
    local function page_of(found_at, tries)
      read = 0
      return pager.read {
        query = {}, limit = 60, tries = tries, visible = function() return true end,
        cursor = function(item) return item.entry end,
        read = function(query)
          read = read + 1
          return read == found_at and { { entry = 1000 - read } } or {}, read < 30 and (query.after or 1000) - 1 or nil
        end,
      }
    end
    local page = page_of(3)
    assert.same({ 1, false, 990, 10 }, { #page.items, page.searched, page.next, read })
    page = page_of(3, 1)
    assert.same({ 0, false, 999, 1 }, { #page.items, page.searched, page.next, read })
    page = page_of(3, 40)
    assert.same({ 1, true, 30 }, { #page.items, page.searched, read })
  end)
end)
