--- A process of the spec of finalizers: it calls one function again and again. Each time a finalizer runs at another point
-- within the call, and uses the store, closes it, or changes the call's arguments. What the call gives has to be what it
-- gives when nothing happens. The process is small, so that collecting its garbage takes little time.

local core = require "leadcat.core"
local json = require "leadcat.util.json"
local stores = require "support.stores"

local LEAD, OPEN, CUSTOMER = 1, 3, 5
local NOW = 1700000000
local MAP = 64 * 2 ^ 20
local ANN = { id = "ann", name = "Ann", admin = true }
local newproxy = rawget(_G, "newproxy")
local unpack = stores.unpack

local finalizers = {}

local AT_ONCE, LATER = 4, 200 -- percent: when what was dropped is collected

-- Collecting at a given byte ---------------------------------------------------------------------------------------------

--- Makes an object that is garbage at once; its finalizer is `run`.
function finalizers.forget(run)
  if newproxy then
    getmetatable(newproxy(true)).__gc = run
  else
    setmetatable({}, { __gc = run })
  end
end

-- The next collection begins when memory has grown by this, and does all in one step.
local function set_pause(percent)
  if newproxy then
    collectgarbage("setstepmul", 1000000)
    collectgarbage("setpause", percent)
  else
    collectgarbage("incremental", percent, 1000, 30)
  end
end

local function bytes_used()
  return collectgarbage "count" * 1024
end

finalizers.ballast = {} -- what was taken for no purpose but that

-- Has `run` called by the collector when so many bytes more have been taken. The collection after that begins when memory
-- has grown by `pause` percent.
local function arm(bytes, pause, run)
  local ballast = finalizers.ballast
  for i = 1, 4000 do
    ballast[i] = false
  end
  set_pause(LATER)
  collectgarbage()
  local percent = 100 + 4 * math.ceil((bytes + 4096) / bytes_used() * 25) -- Lua keeps it in quarters
  set_pause(percent)
  collectgarbage()
  local place, until_then = 0, math.floor(bytes_used() / 100) * percent - bytes
  set_pause(pause)
  finalizers.forget(run)
  while bytes_used() < until_then do
    place = place + 1
    ballast[place] = ("x"):rep(20) .. place
  end
end

-- Comparing --------------------------------------------------------------------------------------------------------------

-- Values as text. Entries and random ids differ from run to run: they are numbered as they come.
local function shape(value)
  local numbers, count = {}, 0
  local function number(id)
    if not numbers[id] then
      count = count + 1
      numbers[id] = "#" .. count
    end
    return numbers[id]
  end
  local function show(v)
    if type(v) == "table" then
      local names, fields = {}, {}
      for name in pairs(v) do
        names[#names + 1] = name
      end
      table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
      for i, name in ipairs(names) do
        fields[i] = tostring(name) .. "=" .. show(v[name])
      end
      return "{" .. table.concat(fields, ",") .. "}"
    elseif type(v) == "function" or type(v) == "userdata" then
      return type(v)
    elseif type(v) == "number" then
      return v > 1e12 and number(v) or ("%.14g"):format(v)
    end
    return (tostring(v):gsub(("%x"):rep(32), number):gsub(("%w"):rep(10) .. "%-%d+", number))
  end
  return show(value)
end

local function types(values)
  local names = {}
  for i = 1, values.n do
    names[i] = type(values[i])
  end
  return table.concat(names, ", ")
end

local function copy(value)
  if type(value) ~= "table" or getmetatable(value) then
    return value
  end
  local copied = {}
  for name, inner in pairs(value) do
    copied[name] = copy(inner)
  end
  return copied
end

local function empty(value)
  if type(value) == "table" then
    for name, inner in pairs(value) do
      empty(inner)
      value[name] = nil
    end
  end
end

-- Stores -----------------------------------------------------------------------------------------------------------------

local CONFIG = {
  categories = {
    { id = LEAD, name = "Lead", group = "potential_customer" },
    { id = OPEN, name = "Open", group = "potential_customer" },
    { id = CUSTOMER, name = "Customer", group = "customer" },
  },
  rules = {
    { trigger = "sale_won", enabled = true, set_category = CUSTOMER },
    { trigger = "sale_registered", enabled = true, set_category = OPEN, ask = true },
    { trigger = "sale_lost", enabled = true, set_category = OPEN, after = { days = 1 },
      when = { { { field = "sale.reason", is = "known" } } } },
  },
}
local KEPT = { write = true, keeps_companies = true, ttl = 100 }
local HOST = { write = true, claim = 30, ttl = 100 }

local function won(company, id)
  return {
    trigger = "sale_won", company = company, id = id, at = NOW - 9, category = LEAD, actor = { id = "bob" .. company },
    sale = { name = "sale of " .. company },
  }
end

local function lost(company, id)
  return { trigger = "sale_lost", company = company, category = LEAD, id = id, sale = { reason = ("r"):rep(100) } }
end

local function asked(company)
  return { trigger = "sale_registered", company = company, category = LEAD, actor = { id = "bob", name = "Bob" } }
end

local function change(company, fields)
  local item = {
    company = company, trigger = "sale_won", at = NOW, revision = 1, from = LEAD, to = CUSTOMER, action = "update",
    status = "updated", newest = 0, details = '{"sale":{"name":"sale of ' .. company .. '"}}',
  }
  for name, value in pairs(fields or {}) do
    item[name] = value
  end
  return item
end

local function handle(store, tenant, event, how)
  local results = {}
  assert(store:handle(tenant, { event }, results, NOW, how))
  return assert(results[1].entry and results[1], results[1].lacks)
end

local function json_of(size)
  return json.encode { name = ("n"):rep(size) }
end

-- Fills the tenant; `size` is that of its texts. Gives what the calls need to know.
local function fill(store, tenant, size)
  assert(store:save(tenant, 0, core.ruleset(CONFIG, 1), json_of(size), json_of(size)))
  assert(store:create(tenant, { { company = "acme" }, { company = "7", company_is_integer = true } }, LEAD))
  assert(store:create(tenant, { { company = ("c"):rep(200) }, { company = "open" } }, LEAD))
  local known = { tenant = tenant, entry = handle(store, tenant, won("acme", "x"), KEPT).entry }
  local question = handle(store, tenant, asked "open", KEPT)
  known.asking, known.question = question.entry, question.confirmation
  known.body = store:confirmation(tenant, question.confirmation).body
  handle(store, tenant, asked(7), KEPT)
  known.applying = handle(store, tenant, won "hosted", HOST).entry
  known.scheduled = handle(store, tenant, lost "later", KEPT).entry
  assert(store:add_unchanged(tenant, { {
    company = "acme", trigger = "sale_won", at = NOW, reason = "vetoed", event_id = "n", error = ("e"):rep(size),
  } }, NOW))
  assert(store:add {
    { tenant = tenant, name = "a counter", value = 2 }, { tenant = tenant, name = "another", value = 3 },
  })
  assert(store:write(tenant, {}, NOW, 0, { name = "c", text = json_of(size) }))
  known.delivery = assert(store:put_delivery(tenant, {
    key = ("d"):rep(16), hook = "hook", sender_id = "s", about = "{}", body = json_of(size),
  }, NOW, 9))
  known.draft = assert(store:put_draft(tenant, { json = json_of(20), due = NOW }, NOW))
  known.trace = store:find_traces(tenant, "journal", { { text = "hosted" } }, "")[1].record
  return known
end

-- The arguments of each method of a store. Those that only read share a tenant; `loose`: what it gives changes all the time.
local STORE = {
  save = { function() return 1, core.ruleset(CONFIG, 2), json_of(20), json_of(9) end },
  config = { function() return 0 end, reads = true },
  revisions = { function() end, reads = true },
  repair = { function() return 1, core.ruleset(CONFIG, 1) end },
  declare = { function()
    return { { trigger = "trial_ended", about = json_of(20) }, { trigger = "paid" } }
  end, no_tenant = true },
  triggers = { function() end, reads = true, no_tenant = true },
  decide = { function() return "sale_won", LEAD end, reads = true },
  explain = { function() return "sale_won", LEAD end, reads = true },
  decider = { function() return function() end end, reads = true },
  handle = { function()
    local long = asked(("c"):rep(200)) -- texts that nothing else keeps
    long.id, long.actor.id = ("i"):rep(100), ("u"):rep(100)
    return { won("7", "new"), asked "open", long, won("nobody", "newer"), lost("later", "last") }, {}, NOW, KEPT
  end },
  prepare = { function() return HOST end, reads = true, no_tenant = true },
  overlay = { function() end, reads = true, no_tenant = true },
  seen = { function() return "x" end, reads = true },
  newest = { function() return "acme" end, reads = true },
  last_change = { function() return "acme", "sale of acme" end, reads = true },
  write = { function(known)
    local answer = change("open", { answers = known.question, trigger = "sale_registered", from = LEAD, to = OPEN })
    return { answer, change(("c"):rep(200)) }, NOW, 30, { name = "new", text = "1" }
  end },
  finish = { function(known)
    return { { entry = known.applying, company = "hosted", status = "failed", error = "because" } }
  end },
  claim = { function() return "hosted", true, NOW, 30 end },
  applying = { function() return "", 9 end, reads = true },
  scheduled = { function() return NOW + 10 ^ 6, 9 end, reads = true },
  schedule_of = { function() return "later" end, reads = true },
  held = { function() return 0, 9 end, reads = true },
  end_scheduled = { function(known)
    return { {
      entry = known.scheduled, company = "later", status = "dropped", reason = "vetoed", error = "because",
      details = "{}",
    } }
  end },
  move = { function()
    return { fate = "merged", company = "acme", to = ("c"):rep(200), details = json_of(20), why = "w" }, NOW
  end },
  find_traces = { function() return "journal", { { text = "acme" }, { text = "e" } }, "" end, reads = true },
  erase_marks = { function() return { { text = "acme" } }, true, 0 end },
  erase = { function(known)
    return "journal", { { record = known.trace, json = json_of(20), former = ("c"):rep(200) } }
  end, loose = true }, -- records have numbers in them
  entry = { function(known) return known.entry end, reads = true },
  history = { function() return nil, nil, nil, 9 end, reads = true },
  search = { function()
    return nil, { words = ("a"):rep(20), name = ("m"):rep(20), trigger = "sale_won", most = 99, limit = 9 }
  end, reads = true },
  changes = { function() return 0, 9 end, reads = true },
  daily = { function() return 0, "", 9 end, reads = true },
  recount = { function() end },
  newest_change = { function() end, reads = true, no_tenant = true },
  add_unchanged = { function()
    return { { company = "acme", trigger = "sale_won", at = NOW, reason = "vetoed", error = "no" } }, NOW
  end },
  remember = { function()
    return {
      company = ("c"):rep(200), trigger = "sale_won", at = NOW, reason = "vetoed", event_id = ("i"):rep(100),
      error = "no",
    }, NOW
  end },
  settle = { function() end, no_tenant = true },
  confirmation = { function(known) return known.question end, reads = true },
  confirmations = { function() return { user = "bob", state = "open", limit = 9 } end, reads = true },
  count_confirmations = { function() return { user = "bob", state = "open", limit = 9 } end, reads = true },
  assign = { function(known)
    return known.question, {
      company = "open", entry = known.asking, before = known.body, body = json_of(20), user = ("u"):rep(200),
    }, NOW
  end },
  expire = { function() return NOW + 1000 end },
  expiring = { function() return 0, 0, NOW + 1000, 9 end, reads = true },
  company = { function() return "acme" end, reads = true },
  create = { function() return { { company = "new" }, { company = "acme" } }, LEAD end },
  set_category = { function() return "acme", LEAD, CUSTOMER end },
  companies = { function() return "", 9 end, reads = true },
  tally = { function() return "", 9 end, reads = true },
  cursor = { function() return "c" end, reads = true },
  add = { function() return { { tenant = "another", name = "a counter", value = 2 } } end, no_tenant = true },
  counters = { function() return end, reads = true },
  put_delivery = { function()
    return { key = ("k"):rep(16), hook = "h", sender_id = "s", about = "{}", body = json_of(20) }, NOW, 9
  end, loose = true }, -- its number grows
  take_deliveries = { function() return "hook", NOW, 9, 9 end, loose = true },
  end_deliveries = { function() return { { id = 1, state = "done", problem = "why" } } end },
  deliveries = { function() return { hook = "hook", state = "waiting", limit = 9 } end, reads = true, loose = true },
  delivery = { function(known) return known.delivery end, reads = true, loose = true },
  put_draft = { function(known)
    return { id = known.draft, before = json_of(20), json = json_of(30), due = NOW + 9 }, NOW
  end, loose = true },
  drafts = { function() return 9, NOW + 9 end, reads = true, loose = true },
  trim = { function() return 1, 1, NOW + 10 ^ 10, 0 end },
  due = { function() return "timed", 0, 0, NOW + 1000, "" end, reads = true, no_tenant = true },
  check_readers = { function() end, reads = true, no_tenant = true },
  probe = { function() return 0 end, reads = true, no_tenant = true },
  stats = { function() end, reads = true, no_tenant = true, loose = true },
  copy = { function() return stores.path() end, reads = true, no_tenant = true, loose = true },
  close = { function() end, reads = true, no_tenant = true },
}

local USED = { "config", "revisions", "history", "confirmations", "companies", "counters", "seen", "decide" }

-- What a finalizer does with a store, in a tenant whose results are larger: their memory is written over, and moves.
local function use(store)
  for _, name in ipairs(USED) do
    assert(store[name](store, "another", STORE[name][1] {}))
  end
  assert(not store:entry("another", 1))
  assert(store:add { { tenant = "another", name = "used", value = 1 } })
end

local subjects = {}

-- Worlds share a store and, of calls that only read, a tenant.
function subjects.store(name)
  local row, path, store, shared, made = assert(STORE[name]), stores.path(), nil, nil, 0
  return {
    loose = row.loose,
    make = function()
      if not store then
        store = assert(core.open { path = path, map_size = MAP, max_readers = 0, relaxed = true })
        if made == 0 then
          fill(store, "another", 3000)
        end
      end
      made = made + 1
      shared = shared or row.reads and fill(store, "shared", 100)
      return shared or fill(store, "tenant" .. made, 100)
    end,
    call = function(known)
      if row.no_tenant then
        return store[name], store, row[1](known)
      end
      return store[name], store, known.tenant, row[1](known)
    end,
    use = function() use(store) end,
    close = function() store:close() end,
    reopen = function() store = nil end,
  }
end

-- A comparison of configs, with all the events that fit before it has to decide some.
function subjects.simulation(method)
  local world = {}
  return {
    make = function()
      local other = { categories = CONFIG.categories, rules = {} }
      world.add, world.lines, world.finish = core.simulation(LEAD, CONFIG, other)
      for i = 1, 2048 do
        assert(world.add(i % 500 == 0 and won("acme" .. i) or { trigger = "sale_lost", company = i }))
      end
      return world
    end,
    call = function() return world[method], method == "finish" and 9 or won "last" end,
    use = function()
      pcall(world.add, won "another")
      pcall(world.finish, 9)
    end,
    close = function() end,
  }
end

-- Engines ----------------------------------------------------------------------------------------------------------------

local function events()
  return { won("acme", "new"), asked "7", won "nobody" }
end

-- The arguments of each method of an engine.
local ENGINE = {
  config = { function() end, reads = true },
  check = { function(known) return known.config end, reads = true },
  save = { function(known) return known.config, { actor = ANN } end },
  revisions = { function() end, reads = true },
  revert = { function() return 1, { actor = ANN } end },
  handle = { function() return won("7", "new") end },
  handle_many = { function() return events(), { cursor = { name = "c", text = ("2"):rep(100) } } end },
  cursor = { function() return "c" end, reads = true },
  explain = { function() return won "7" end, reads = true },
  why = { function() return "acme" end, reads = true },
  backfill = { function() return events() end },
  calendar = { function() return { source = events(), preview = true } end, reads = true },
  drift = { function()
    return { source = events(), kinds = { "missed", "in_step", "unknown_category" } }
  end, reads = true },
  set_right = { function()
    return { { company = "acme", can_be_set = true, events = events() } }, { actor = ANN, run = "r" }
  end, loose = true },
  undo = { function(known) return known.entry end },
  triggers = { function() end, reads = true },
  retry = { function(known) return known.entry end, reads = true },
  cancel = { function(known) return known.scheduled, { actor = ANN } end },
  company_renamed = { function() return "acme", "acme3" end },
  company_merged = { function() return "open", "acme", { actor = ANN } end },
  company_deleted = { function() return "nobody" end },
  forget = { function() return { company = "open" }, { actor = ANN } end, loose = true },
  fields = { function() end, reads = true },
  flush = { function() end },
  metrics = { function() end, reads = true, loose = true },
  propose = { function() return asked "acme2" end, reads = true },
  resolve = { function(known) return known.question, { accept = true }, { actor = ANN } end },
  assign = { function(known)
    return known.question, { to = { id = "eve", name = "Eve" } }, { actor = ANN }
  end, loose = true }, -- the record has the tenant, and when it was given
  confirmation = { function(known) return known.question end, reads = true },
  confirmations = { function() return { state = "open" } end, reads = true },
  count_confirmations = { function() return { state = "open" } end, reads = true },
  view = { function(known) return known.record, { actor = ANN } end, reads = true },
  render = { function(known) return known.view, "text" end, reads = true },
  company_name = { function() return "acme" end, reads = true },
  probe = { function() end, reads = true },
  maintain = { function() end, loose = true },
  apply_pending = { function() end, loose = true },
  deliveries = { function() return { state = "waiting" } end, reads = true, loose = true },
  delivery = { function(known) return known.delivery or 1 end, reads = true, loose = true },
  retry_delivery = { function() return 1 end },
  drop_delivery = { function() return 1 end },
  notices = { function() return { state = "waiting" } end, reads = true, loose = true },
  retry_notices = { function() end, loose = true },
  drop_notices = { function() end, loose = true },
  sweep = { function() end },
  backup = { function() return stores.path() end, reads = true, loose = true },
  tenant = { function() return "one more" end, reads = true, loose = true },
  close = { function() end, reads = true },
  can = { function() return ANN, "configure" end, reads = true },
  decide = { function() return "sale_won", LEAD end, reads = true },
  decider = { function() end, reads = true, loose = true },
  licensed = { function() end, reads = true },
  recover = { function() end, reads = true },
  history = { function() return { company = "acme" } end, reads = true },
  changes = { function() return nil, { limit = 9 } end, reads = true },
  shadow = { function() return { days = 3 } end, reads = true },
  suggest = { function() return { days = 3 } end, reads = true },
  held = { function() return { limit = 9 } end, reads = true },
  release = { function() return { all = true }, { actor = ANN } end },
  drop = { function() return { rule = "sale_won" }, { actor = ANN } end },
  make_real = { function() return "sale_won", { actor = ANN } end },
  save_draft = { function() return copy(CONFIG), { actor = ANN } end, loose = true }, -- its id is a time
  drafts = { function() end, reads = true, loose = true },
  draft = { function(known) return known.draft end, reads = true, loose = true },
  approve = { function(known) return known.draft, { actor = ANN, at = NOW + 99 } end, loose = true },
  discard = { function(known) return known.draft, { actor = ANN } end, loose = true },
  health = { function() return { days = 9 } end, reads = true },
  recount = { function() return { on_progress = function() end } end },
  simulate = { function() return events(), { start_category = LEAD } end, reads = true },
  on = { function() return "updated", print end, reads = true },
  stats = { function() end, reads = true, loose = true },
}

local function clock()
  return NOW
end

local function populate(engine)
  local cfg = assert(engine:save(copy(CONFIG), { actor = ANN }))
  assert(engine.host:create_many({ "acme", "acme2", "nobody", 7 }, LEAD))
  assert(engine.host:create("open", LEAD))
  local entry = assert(engine:handle(won("acme", "x"))).entry
  local question = assert(engine:handle(asked "open")).confirmation
  local scheduled = assert(engine:handle(lost "nobody")).entry
  local record = assert(engine:confirmation(question))
  assert(engine:handle_many({}, { cursor = { name = "c", text = ("1"):rep(100) } }))
  local draft = assert(engine:save_draft(copy(CONFIG), { actor = ANN })).id
  return {
    engine = engine, config = cfg, draft = draft, entry = entry, question = question, record = record,
    scheduled = scheduled,
    view = engine:view(record, { actor = ANN }),
  }
end

function subjects.engine(name)
  local leadcat = require "leadcat"
  local row, path, root, shared, made = assert(ENGINE[name]), stores.path(), nil, nil, 0
  local function another()
    return root:tenant "another"
  end
  return {
    loose = row.loose,
    make = function()
      if not root then
        root = assert(leadcat.open { path = path, map_size = MAP, durability = "relaxed", clock = clock })
        if made == 0 then
          populate(another())
        end
        shared = shared and { engine = root:tenant "shared", known = shared.known }
      end
      made = made + 1
      if row.reads and not shared then
        local engine = root:tenant "shared"
        shared = { engine = engine, known = populate(engine) }
      end
      return shared or populate(root:tenant("tenant" .. made))
    end,
    call = function(known)
      return known.engine[name], known.engine, row[1](known.known or known)
    end,
    use = function()
      local engine = another()
      assert(engine:config() and engine:history() and engine:confirmations() and engine:explain(won "acme"))
      assert(engine._store:add { { tenant = "another", name = "used", value = 1 } })
    end,
    close = function() root:close() end,
    reopen = function() root = nil end,
  }
end

--- The methods that have a row, by kind.
finalizers.rows = { store = STORE, engine = ENGINE }

-- Trying -----------------------------------------------------------------------------------------------------------------

local function pack(...)
  return { n = select("#", ...), ... }
end

-- The arguments of a call that it may fill in.
local function filled(call)
  local tables = {}
  for _, argument in ipairs(call) do
    tables[#tables + 1] = type(argument) == "table" and not getmetatable(argument) and argument or nil
  end
  return tables
end

local ACTS = {
  use = function(subject) subject.use() end,
  close = function(subject) subject.close() end,
  change = function(_, call) empty(filled(call)) end,
}

-- Calls the subject, with `act` when so many bytes have been taken. Gives its results, whether `act` was reached, and how
-- many bytes it took when there is no `act`.
local function once(subject, act, bytes)
  local world = subject.make()
  local call = pack(subject.call(world))
  for i = 2, call.n do
    call[i] = copy(call[i])
  end
  local inside, fired, used = false, false, nil
  if act then
    arm(bytes, act == ACTS.change and AT_ONCE or LATER, function()
      fired = inside
      if inside then
        act(subject, call)
      end
    end)
  else
    collectgarbage()
    collectgarbage "stop"
    used = bytes_used()
  end
  inside = true
  local results = pack(pcall(unpack(call, 1, call.n)))
  inside = false
  if act then
    set_pause(LATER)
  else
    used = bytes_used() - used
    collectgarbage "restart"
  end
  return subject.loose and types(results) or shape { results, filled(call) }, fired, used
end

local function is_as_it_was(act, loose, calm, result)
  return result == calm or act == "change"
    or act == "close" and (result:find("is closed", 1, true) or loose and result == "boolean, string")
end

--- Raises when a finalizer made a difference. Gives how often one ran within the call, and how many bytes that takes.
---@param kind "store"|"engine"|"simulation"
---@param name string the method
---@param act "use"|"close"|"change" what a finalizer does: with `change` only the process has to live on
---@param tries integer
function finalizers.try(kind, name, act, tries)
  local subject, count = subjects[kind](name), 0
  once(subject) -- takes what is taken only once
  local calm, _, used = once(subject)
  for i = 1, used > 0 and tries or 0 do
    local bytes = math.floor(used * (i - 0.5) / tries)
    local result, fired = once(subject, ACTS[act], bytes)
    count = count + (fired and 1 or 0)
    if not is_as_it_was(act, subject.loose, calm, result) then
      error(("after %d of %d bytes, '%s' made of\n%s\nthis:\n%s"):format(used - bytes, used, act, calm, result), 0)
    end
    if fired and act == "close" then
      subject.reopen()
    end
  end
  subject.make()
  subject.close()
  return count, used
end

return finalizers
