--- Processes that make drafts of the rules active are killed: at each step of it, and at any moment, two at a time. A draft was
-- approved or it was not, no revision is saved twice, and what was acknowledged is there.

local core = require "leadcat.core"
local databases = require "support.databases"
local lfs = require "lfs"
local processes = require "support.processes"
local shared = require "support.shared"
local stores = require "support.stores"

local SLOW = os.getenv "LEADCAT_SLOW"
local CUSTOMER, ADDED, DRAFTS = 5, 100, 20 -- draft i adds the category 100 + i
local BEHIND = 3600 -- the clock of whoever approves for later, so that it is due for the processes

local function read(name)
  local file = io.open(name)
  local content = file and file:read "*a" or ""
  return file and file:close() and content or content
end

for _, kind in ipairs { "this machine", "several machines" } do
  describe("drafts in a store of " .. kind, function()
    if SLOW and kind == "several machines" then
      return
    end
    local directory, url, engine, launched

    before_each(function()
      directory, launched = stores.path(), 0
      assert(lfs.mkdir(directory))
      url = kind == "several machines" and shared.database() or nil
      local options = { clock = function() return os.time() - BEHIND end }
      if url then
        engine = shared.open(url, options)
      else
        options.path = directory .. "/store"
        engine = stores.open(options)
      end
      assert(engine:save(stores.config { sale_won = CUSTOMER }))
    end)
    after_each(function()
      engine:close()
      assert.same({}, url and {} or core.check_store(directory .. "/store"))
      shared.close()
      stores.check()
    end)
    teardown(databases.stop)

    local function add_draft(i, at)
      local cfg = engine:config(1)
      cfg.categories[#cfg.categories + 1] = {
        id = ADDED + i, name = { en = "New " .. i }, group = "potential_customer", rank = ADDED + i,
        lead_status = false, deleted = false,
      }
      local draft = assert(engine:save_draft(cfg, { revision = 1, note = tostring(i) }))
      assert(not at or engine:approve(draft.id, { at = at }))
      return draft.id
    end

    -- Kills them. A node takes rules over within a second: this one does so at once.
    local function kill(...)
      local count = 0
      for _, process in ipairs { ... } do
        count = count + (processes.kill(process) and 1 or 0)
      end
      assert(not url or engine._store:poll(true))
      return count
    end

    local function launch(work, ...)
      launched = launched + 1
      local path = url and directory .. "/node" .. launched or directory .. "/store"
      return processes.launch("drafts.lua", path, url or "", work, directory .. "/acks", ...)
    end

    local function is_active(i, revision)
      for _, category in ipairs(assert(engine:config(revision)).categories) do
        if category.id == ADDED + i then
          return true
        end
      end
      return false
    end

    -- How many are active: each by one revision, and what decides is the newest. Those that are not are drafts still.
    local function count_active()
      local active, waits = 0, {}
      for _, draft in ipairs(assert(engine:drafts())) do
        waits[tonumber(draft.note)] = true
      end
      for i = 1, DRAFTS do
        local is = is_active(i)
        assert.equal(is and "update" or "none", (engine:decide("sale_won", ADDED + i)))
        assert.is_true(is or waits[i], "draft " .. i .. " is lost")
        active = active + (is and 1 or 0)
      end
      assert.equal(1 + active, engine:config().revision)
      return active
    end

    for _, row in ipairs {
      { method = "save", moment = "before", revision = 1, left = 1 },
      { method = "save", moment = "after", revision = 2, left = 1 },
      { method = "put_draft", moment = "after", revision = 2, left = 0 },
    } do
      it(("are approved or not, when it is killed %s %s"):format(row.moment, row.method), function()
        local id = add_draft(1)
        assert.equal(1, kill(launch("approve", row.method, row.moment)))
        assert.same({ row.revision, row.left }, { engine:config().revision, #engine:drafts() })
        local again, _, code = engine:approve(id)
        assert.equal(row.left == 1 and 2 or "not_found", again and again.revision or code)
        assert.same({ 2, 0, true }, { engine:config().revision, #engine:drafts(), is_active(1) })
      end)
    end

    for work, at in pairs { approve = false, maintain = true } do
      it("are all approved in the end, each once, whoever is killed while they " .. work, function()
        local kills = 0
        for i = 1, DRAFTS do
          add_draft(i, at and os.time() - BEHIND + 1 or nil)
        end
        repeat
          local first, second = launch(work), launch(work)
          core.sleep(math.random() * 0.01 * launched)
          kills = kills + kill(first, second)
        until count_active() == DRAFTS and #engine:drafts() == 0
        assert.is_true(kills > 0)
        for i, revision in read(directory .. "/acks"):gmatch "(%d+) (%d+)\n" do
          assert.is_true(is_active(tonumber(i), tonumber(revision)))
        end
      end)
    end
  end)
end
