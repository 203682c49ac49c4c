-- Answers from many processes: whoever is first answers a question, everybody else is told so; and a process that is
-- killed in the middle of an answer leaves one that is finished exactly once.

local crm = require "support.crm"
local processes = require "support.processes"
local stores = require "support.stores"
local times = require "support.times"

local LEAD, CUSTOMER = 1, 5
local CHOICES = { 5, 6, 7, 8, 2, 3, 4, 5 } -- what each of the processes answers: the first and the last accept

-- Answers every question, with one of CHOICES; says how many of its answers were applied, and by which the others were
-- refused. With a second path the companies are kept there, in another store, by its embedded host.
local RESOLVER = [[
  local path, companies, number, choice, go = arg[1], arg[2], arg[3], tonumber(arg[4]), arg[5]
  local leadcat, core = require "leadcat", require "leadcat.core"
  local made, kept, host = 0, nil, nil
  if companies ~= "" then
    kept = assert(leadcat.open { path = companies, durability = "relaxed", map_size = 2 ^ 26 })
    host = {
      category = kept.host.category,
      set_category = function(...)
        local ok, message = kept.host.set_category(...)
        made = made + (ok and 1 or 0)
        return ok, message
      end,
    }
  end
  local engine = assert(leadcat.open { path = path, host = host, durability = "relaxed", map_size = 2 ^ 26 })
  local ids = {}
  for id in io.lines(arg[6]) do
    ids[#ids + 1] = id
  end
  io.stdout:setvbuf "line"
  print "ready"
  local file
  repeat
    file = io.open(go)
    core.sleep(0.001)
  until file
  file:close()
  local counts, codes = { updated = 0, already_resolved = 0 }, {}
  for _, id in ipairs(ids) do
    local actor = { id = number, name = "P" .. number, admin = true }
    local outcome, message, code, record = engine:resolve(id, { category = choice }, { actor = actor })
    local came = outcome and outcome.status or code
    if counts[came] == nil then
      print("what is this: " .. came .. ": " .. tostring(message or outcome.error))
      counts[came] = 0
    end
    counts[came] = counts[came] + 1
    if code == "already_resolved" then
      local by = tonumber(record.resolved_by.id)
      assert(by ~= tonumber(number) and record.resolved_at and message:find("P" .. by, 1, true), message)
    end
  end
  engine:close()
  if kept then
    kept:close()
  end
  print(("done %d %d %d"):format(counts.updated, counts.already_resolved, made))
]]

-- Questions about so many companies, and a file with their ids.
local function ask(engine, count)
  local events, ids = {}, {}
  for i = 1, count do
    events[i] = { trigger = "sale_won", company = i, category = LEAD, actor = { id = "bob" } }
  end
  for i, outcome in ipairs(assert(engine:handle_many(events))) do
    ids[i] = outcome.confirmation
  end
  return ids, stores.file(table.concat(ids, "\n") .. "\n")
end

-- Starts the processes, lets them go at once, and gives what each has said.
local function resolve_all(path, companies, list)
  local go = stores.path()
  local running, results = {}, {}
  for i, choice in ipairs(CHOICES) do
    running[i] = processes.start(RESOLVER, { path, companies or "", ("%d"):format(i), ("%d"):format(choice), go, list })
  end
  for _, process in ipairs(running) do
    assert.equal("ready", process:line())
  end
  assert(io.open(go, "w")):close()
  for i, process in ipairs(running) do
    local output, status = process:wait()
    assert.equal(0, status, output)
    local updated, resolved, made = output:match "^done (%d+) (%d+) (%d+)$"
    assert.is_truthy(updated, output)
    results[i] = { updated = tonumber(updated), resolved = tonumber(resolved), made = tonumber(made) }
  end
  os.remove(go)
  return results
end

-- All of a list that is read page by page.
local function whole(read, cursor)
  local all, after = {}, nil
  repeat
    local page = assert(read { limit = 1000, after = after })
    for _, item in ipairs(page) do
      all[#all + 1], after = item, item[cursor]
    end
  until #page < 1000
  return all
end

describe("eight processes that answer the same questions at once", function()
  after_each(stores.check)

  for _, name in ipairs { "the embedded host", "a host of one's own" } do
    it("have each of them applied once, whoever was first, with " .. name, function()
      local count = times(1000)
      local companies = name ~= "the embedded host" and stores.path() or nil
      local kept = companies and stores.open { path = companies, durability = "relaxed" }
      local engine, path = stores.open {
        durability = "relaxed",
        host = kept and { category = kept.host.category, set_category = kept.host.set_category } or nil,
      }
      assert(engine:save(stores.config { sale_won = { CUSTOMER, ask = true } }))
      local numbers = {}
      for i = 1, count do
        numbers[i] = i
      end
      local host = (kept or engine).host
      assert.equal(count, host:create_many(numbers, LEAD))
      local ids, list = ask(engine, count)
      local results = resolve_all(path, companies, list)

      -- Every process has answered every question; each was applied once, with the host, too.
      local updated, resolved, made = 0, 0, 0
      for _, result in ipairs(results) do
        assert.equal(count, result.updated + result.resolved)
        updated, resolved, made = updated + result.updated, resolved + result.resolved, made + result.made
      end
      assert.same({ count, 7 * count, kept and count or 0 }, { updated, resolved, made })

      -- The company stands where the one who was first has put it, says the question.
      local by = {}
      for i, id in ipairs(ids) do
        local record = engine:confirmation(id)
        local number = tonumber(record.resolved_by.id)
        by[number] = (by[number] or 0) + 1
        local choice = CHOICES[number]
        assert.same({ i, choice == CUSTOMER and "accepted" or "changed", choice, choice },
          { record.company, record.state, record.category, host:get(i) })
      end
      for number, result in ipairs(results) do
        assert.equal(result.updated, by[number] or 0)
      end
      assert.same({}, engine:confirmations { state = "open" })

      -- And so says the journal: a question and an answer for each, and nothing else.
      local entries, answered = whole(function(query) return engine:history(query) end, "entry"), {}
      for _, entry in ipairs(entries) do
        if entry.status == "updated" then
          assert.is_nil(answered[entry.confirmation])
          answered[entry.confirmation] = entry
        else
          assert.equal("awaiting_confirmation", entry.status)
        end
      end
      assert.equal(2 * count, #entries)
      for i, id in ipairs(ids) do
        assert.same({ i, host:get(i) }, { answered[id].company, answered[id].to })
      end
      engine:close()
      if kept then
        kept:close()
      end
    end)
  end
end)

describe("a process that is killed while the host makes an answer happen", function()
  after_each(stores.check)

  -- Accepts a question with a CRM in a file, and kills itself before or after that has made the change.
  local CHILD = [[
    local path, file, moment, id = arg[1], arg[2], arg[3], arg[4]
    local leadcat, crm = require "leadcat", require "support.crm"
    local host = crm.file(file)
    local set = host.set_category
    local function die()
      local pipe = io.popen "echo $PPID"
      local pid = pipe:read "*l"
      pipe:close()
      os.execute("kill -9 " .. pid)
    end
    function host.set_category(...)
      local ok = moment == "before" and die() or set(...)
      die()
      return ok
    end
    local engine = assert(leadcat.open {
      path = path, host = host, map_size = 2 ^ 26, clock = function() return 1700000010 end,
    })
    print(engine:resolve(id, { accept = true }, { actor = { id = "bob", name = "Bob" } }))
  ]]

  local function lines(name)
    local list = {}
    for line in io.lines(name) do
      list[#list + 1] = line
    end
    return table.concat(list, " ")
  end

  -- What is called by the one that comes next, and what that gives him.
  local NEXT = {
    { "recover", function(engine) assert.same({ finished = 1, failed = 0, busy = 0 }, engine:recover()) end },
    { "maintain", function(engine) assert.equal(1, engine:maintain().finished) end },
    { "another answer", function(engine, id)
      local outcome, message, code, record = engine:resolve(id, { decline = true })
      assert.same({ nil, "already_resolved", "bob" }, { outcome, code, record and record.resolved_by.id })
      assert.matches("Bob", message)
    end },
    { "a newer event", function(engine)
      assert.equal("not_potential_customer", engine:handle({ trigger = "sale_won", company = 42 }).reason)
    end },
    { "opening the store", false },
  }

  for _, moment in ipairs { "before", "after" } do
    for _, row in ipairs(NEXT) do
      it(("%s it has made the change: the question is accepted once, by %s"):format(moment, row[1]), function()
        local file = stores.file "1\n"
        local time = { now = 1700000000 }
        local options = { host = crm.file(file), confirmation_ttl = 15, clock = function() return time.now end }
        local engine, path = stores.open(options)
        assert(engine:save(stores.config { sale_won = { CUSTOMER, ask = true } }))
        local id = engine:handle({ trigger = "sale_won", company = 42, actor = { id = "bob" } }).confirmation
        local output, status = stores.run(CHILD, path, file, moment, id)
        assert.equal(137, status, output) -- 128 + SIGKILL
        assert.equal(moment == "before" and "1" or "1 5", lines(file))

        -- It was answered in time, so it stays open until it is known what has become of that.
        time.now = 1700000020
        assert.same({ expired = 0, removed = 0 }, engine:sweep())
        assert.equal("open", engine:confirmation(id).state)
        if row[2] then
          row[2](engine, id)
        else
          engine:close()
          options.path = path
          engine = stores.open(options)
        end
        local record = engine:confirmation(id)
        assert.same({ "accepted", "bob", 1700000010, CUSTOMER },
          { record.state, record.resolved_by and record.resolved_by.id, record.resolved_at, record.category })
        assert.equal("1 5", lines(file))
        assert.same({ finished = 0, failed = 0, busy = 0 }, engine:recover())
        assert.equal("already_resolved", select(3, engine:resolve(id, { accept = true })))
        assert.equal("1 5", lines(file))
        local entries = engine:history()
        assert.same({ 2, "updated", "awaiting_confirmation" }, { #entries, entries[1].status, entries[2].status })
        engine:close()
      end)
    end
  end
end)
