--- Nodes that share a store are killed at any moment, while they handle the same events and answer the same
-- questions: what was
-- acknowledged is there, an id makes one entry, changes of a company follow each other, each is made once, and a
-- question has one answer.

local core = require "leadcat.core"
local databases = require "support.databases"
local lfs = require "lfs"
local processes = require "support.processes"
local shared = require "support.shared"
local stores = require "support.stores"
local times = require "support.times"

local SLOW = os.getenv "LEADCAT_SLOW"
local START, NODES, COMPANIES = 1, 4, 4
local RULES = {
  sale_registered = 3, sale_won = { 2, ask = true }, sale_lost = 1, ["lead_status_set:5"] = 4,
    -- potential customers all
}

local function read(name)
  local file = io.open(name)
  local content = file and file:read "*a" or ""
  return file and file:close() and content or content
end

-- A CRM in the same server, or the companies that the store keeps.
local function make_companies(pool, engine, tenant)
  if tenant == "host" then
    shared.run(pool, "CREATE SCHEMA crm")
    shared.run(pool, "CREATE TABLE crm.company (id text PRIMARY KEY, category int NOT NULL)")
    shared.run(pool, "CREATE TABLE crm.change (number bigserial PRIMARY KEY, company text, key text UNIQUE, "
      .. "came_from int, went_to int)")
  end
  for i = 0, COMPANIES - 1 do
    if tenant == "host" then
      shared.run(pool, ("INSERT INTO crm.company VALUES ('c%d', %d)"):format(i, START))
    else
      assert(engine._store:create(tenant, { { company = "c" .. i } }, START))
    end
  end
end

local function check_acks(store, tenant, text)
  local count, entries = 0, {}
  for word, id, entry in text:gmatch "(%l+) (%S+) (%d+) %S+\n" do
    count = count + 1
    if word == "ack" then
      assert.equal(entries[id] or entry, entry, id .. " has two entries")
      entries[id] = entry
      assert.equal(entry, ("%.0f"):format(assert(store:seen(tenant, id)).entry))
    else
      assert(store:entry(tenant, tonumber(entry)))
    end
  end
  assert.is_nil(text:match "error [^\n]*")
  return count
end

-- What was done to each company follows on what was done before, and ends where it is.
local function check_chain(history, category_of)
  local at = {}
  for i = #history, 1, -1 do
    local entry = history[i]
    assert.is_true(entry.status ~= "applying" and entry.status ~= "conflict" and entry.status ~= "failed", entry.status)
    if entry.status == "updated" then
      assert.equal(at[entry.company] or START, entry.from)
      at[entry.company] = entry.to
    end
  end
  for i = 0, COMPANIES - 1 do
    assert.equal(at["c" .. i] or START, category_of("c" .. i))
  end
end

local function check_answers(store, tenant, history)
  local answers = {}
  for _, entry in ipairs(history) do
    if entry.confirmation and entry.status ~= "awaiting_confirmation" then
      assert.is_nil(answers[entry.confirmation], "two answers")
      answers[entry.confirmation] = entry
    end
  end
  for _, question in ipairs(assert(store:confirmations(tenant, { limit = 100000 }))) do
    assert.equal(question.state ~= "open", answers[question.id] ~= nil)
  end
end

-- The CRM was told of each change once.
local function check_crm(pool, history)
  local made, count = {}, 0
  for _, row in ipairs(shared.run(pool, "SELECT key, came_from, went_to FROM crm.change")) do
    made[row[1]] = row
  end
  for _, entry in ipairs(history) do
    if entry.status == "updated" then
      count = count + 1
      assert.same({ entry.from, entry.to }, { made[entry.key][2], made[entry.key][3] })
    end
  end
  assert.equal(count, shared.run(pool, "SELECT count(*) FROM crm.change")[1][1])
end

describe("nodes of a shared store", function()
  if SLOW then
    return
  end
  teardown(databases.stop)
  after_each(function()
    shared.close()
    stores.check()
  end)

  for _, tenant in ipairs { "kept", "host" } do
    it("lose and double nothing when they are killed, with companies of " .. (tenant == "host" and "a CRM"
      or "the store"), function()
      local url, pool = shared.database()
      local directory, rounds = stores.path(), times(6)
      assert(lfs.mkdir(directory))
      local engine = shared.open(url, { tenant = tenant, recover = false })
      assert(engine:save(stores.config(RULES)))
      make_companies(pool, engine, tenant)
      local kills, files = 0, {}
      for round = 1, rounds do
        local nodes = {}
        for i = 1, NODES do
          local number = round * NODES + i
          files[#files + 1] = ("%s/acks.%d"):format(directory, number)
          nodes[i] = processes.launch("shared.lua", url, directory .. "/node" .. i, number, tenant, rounds * 60,
            files[#files])
        end
        core.sleep(0.2 + math.random() * 0.2 * (1 + round / 4))
        for i = 1, NODES do
          kills = kills + (processes.kill(nodes[i]) and 1 or 0)
        end
        -- What they had claimed is free after 30 seconds: not to wait for them
        shared.run(pool, "UPDATE leadcat.company SET deadline = 0, retry_at = 0 WHERE applying IS NOT NULL")
      end
      engine:close()
      assert.equal(rounds * NODES, kills)

      local last = processes.launch("shared.lua", url, directory .. "/node1", 0, tenant, rounds * 60, directory
        .. "/last")
      core.sleep(1)
      processes.kill(last)
      shared.run(pool, "UPDATE leadcat.company SET deadline = 0, retry_at = 0 WHERE applying IS NOT NULL")
      local host
      if tenant == "host" then
        host = require "kill.shared_host".new(url)
      end
      engine = shared.open(url, { tenant = tenant, host = host })
      local store = engine._store
      assert.equal(0, store:stats().unfinished)
      local history = assert(store:history(tenant, nil, nil, nil, 1000000))
      local acks = 0
      for _, name in ipairs(files) do
        acks = acks + check_acks(store, tenant, read(name))
      end
      assert.is_true(acks > rounds * NODES)
      check_chain(history, function(company)
        return host and host.category(company) or store:company(tenant, company)
      end)
      check_answers(store, tenant, history)
      if host then
        check_crm(pool, history)
      end
      engine:close()
    end)
  end
end)
