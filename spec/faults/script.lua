--- What is done with a store while it is watched: a short script of all that writes, and what must be true of the store
-- afterwards, given what was acknowledged. Acknowledgements are lines of words.

local core = require "leadcat.core"
local leadcat = require "leadcat"
local stores = require "support.stores"

local script = {}

local LEAD, OPPORTUNITY, CUSTOMER = 1, 3, 5
local KEEP = 12 -- entries of a tenant's journal
local COMPANIES = 20
local RULES = { sale_registered = OPPORTUNITY, sale_lost = LEAD, sale_won = { CUSTOMER, ask = true } }

-- A CRM of one process; `made` is what it has changed.
local function new_host(made, acknowledge)
  local host = {}
  function host.category(company)
    return made[company] or LEAD
  end
  function host.set_category(company, to, _, outcome)
    made[company] = to
    acknowledge(("made %s %d %.0f"):format(company, to, outcome.entry))
    return true
  end
  return host
end

local function open(path, durability, made, acknowledge)
  local options = {
    path = path, map_size = 2 ^ 24, durability = durability, retention = { count = KEEP, age = false },
  }
  local embedded, message, code = leadcat.open(options)
  if not embedded then
    return nil, message, code
  end
  options.tenant, options.host = "own", new_host(made, acknowledge)
  local own
  own, message, code = leadcat.open(options)
  if not own then
    embedded:close()
    return nil, message, code
  end
  return { [""] = embedded, own = own }
end

--- The steps, in order: a name, and a function that returns what a call of leadcat has returned. Each may be done again when
-- it has failed.
---@param path string of the store, which does not exist
---@param durability "full"|"relaxed"
---@param acknowledge fun(line: string)
---@return {name: string, run: function, may_be_done?: string}[]
function script.steps(path, durability, acknowledge)
  local steps, engines, asked, entry, made = {}, nil, nil, nil, {}
  local function add(name, run, may_be_done)
    steps[#steps + 1] = { name = name, run = run, may_be_done = may_be_done }
  end
  local function told(tenant, id, outcome, message, code)
    if outcome then
      local first = outcome.first or outcome
      acknowledge(("event '%s' %s %s %.0f"):format(tenant, id, first.status, first.entry))
    end
    return outcome, message, code
  end
  local function handle(tenant, id, trigger, company)
    return told(tenant, id, engines[tenant]:handle { id = id, trigger = trigger, company = company })
  end
  local function save(tenant)
    add("save", function()
      local revision, message, code = engines[tenant]:save(stores.config(RULES))
      if revision then
        acknowledge(("save '%s' %d"):format(tenant, revision))
      end
      return revision, message, code
    end)
  end

  add("open", function()
    local message, code
    engines, message, code = open(path, durability, made, acknowledge)
    return engines, message, code
  end)
  save ""
  save "own"
  add("create", function()
    local companies = {}
    for i = 1, COMPANIES do
      companies[i] = i
    end
    local count, message, code = engines[""].host:create_many(companies, LEAD)
    if count then
      acknowledge "companies"
    end
    return count, message, code
  end)
  for i = 1, 3 do
    add("handle", function() return handle("", "e" .. i, "sale_registered", i) end)
    add("handle, own host", function() return handle("own", "o" .. i, "sale_registered", "c" .. i) end)
  end
  add("handle many", function()
    local events = {}
    for i = 4, COMPANIES do
      events[#events + 1] = { id = "e" .. i, trigger = "sale_registered", company = i }
    end
    local outcomes, message, code = engines[""]:handle_many(events)
    for i, outcome in ipairs(outcomes or {}) do
      told("", events[i].id, outcome)
    end
    return outcomes, message, code
  end)
  add("ask", function()
    local outcome, message, code = handle("", "ask", "sale_won", 1)
    asked = outcome and (outcome.first or outcome).confirmation
    return outcome, message, code
  end)
  add("answer", function()
    local outcome, message, code = engines[""]:resolve(asked, { accept = true })
    if outcome then
      acknowledge(("answer %s %.0f"):format(asked, outcome.entry))
    end
    return outcome, message, code
  end, "already_resolved")
  add("undo", function()
    local outcome, message, code = handle("own", "u", "sale_registered", "u")
    if outcome then
      entry = (outcome.first or outcome).entry
      outcome, message, code = engines.own:undo(entry)
    end
    return outcome, message, code
  end, "conflict")
  add("maintain", function() return engines[""]:maintain() end)
  save ""
  add("backup", function()
    local done, message, code = engines[""]:backup(path .. ".copy")
    if done then
      acknowledge "backup"
    end
    return done, message, code
  end)
  add("handle", function() return handle("", "last", "sale_lost", 2) end)
  add("close", function()
    engines[""]:close()
    engines.own:close()
    return true
  end)
  return steps
end

-- What must be true ----------------------------------------------------------------------------------------------------

---@class faults.Check
---@field problems string[]
local Check = {}
Check.__index = Check

function Check:problem(...)
  self.problems[#self.problems + 1] = string.format(...)
end

-- The journal by event id and by entry, newest first.
local function read_journal(engine)
  local list = assert(engine:history { limit = 1000 })
  local journal = { list = list, events = {}, entries = {}, answers = {} }
  for _, item in ipairs(list) do
    journal.entries[item.entry] = item
    if item.confirmation and item.status ~= "awaiting_confirmation" then
      journal.answers[item.confirmation] = item
    elseif item.event_id then
      journal.events[item.event_id] = item
    end
  end
  return journal
end

-- Retention keeps the newest, and what is open.
local function may_be_gone(journal, entry)
  return journal.list[KEEP] ~= nil and entry < journal.list[KEEP].entry
end

local CHECKS = {}

function CHECKS.event(self, tenant, id, status, number)
  tenant, number = tenant:sub(2, -2), tonumber(number)
  local journal = self.journals[tenant]
  local item = journal.entries[number]
  if item and item.event_id ~= id then
    self:problem("event %s was given the entry of %s", id, tostring(item.event_id))
  elseif not item and not may_be_gone(journal, number) then
    self:problem("event %s (%s, entry %.0f) is lost", id, status, number)
  elseif item and (status == "updated") ~= (item.status == "updated") then
    self:problem("event %s was acknowledged as %s and is %s", id, status, item.status)
  end
end

function CHECKS.save(self, tenant, revision)
  local engine = self.engines[tenant:sub(2, -2)]
  if not engine:config(tonumber(revision)) then
    self:problem("revision %s of %s is lost", revision, tenant)
  end
end

function CHECKS.answer(self, id, number)
  local item = self.journals[""].entries[tonumber(number)]
  if item and item.confirmation ~= id or not item and not may_be_gone(self.journals[""], tonumber(number)) then
    self:problem("the answer to %s is lost", id)
  end
end

function CHECKS.companies(self)
  if self.companies ~= COMPANIES then
    self:problem("of the companies there are %d", self.companies)
  end
end

function CHECKS.backup(self)
  self:open_backup(true)
end

function CHECKS.made() end

local function has_file(name)
  local file = io.open(name)
  return file ~= nil and file:close()
end

-- A copy whose files have their names is whole. One without the other is refused by leadcat.
function Check:open_backup(must_be_there)
  local path = self.path .. ".copy"
  if has_file(path .. "/journal.mdb") and has_file(path .. "/config.mdb") then
    for _, problem in ipairs(core.check_store(path)) do
      self:problem("the copy is not sound: %s", problem.message or tostring(problem))
    end
  elseif must_be_there then
    self:problem "the copy is lost"
  end
end

-- All of an operation or none of it: companies stand where the journal says, and all was counted.
function Check:check_whole()
  local last = {}
  for _, item in ipairs(self.journals[""].list) do
    last[item.company] = last[item.company] or item.status == "updated" and item.to or nil
  end
  self.companies = 0
  for company, category in self.engines[""].host:companies() do
    self.companies = self.companies + 1
    if last[company] and last[company] ~= category then
      self:problem("company %s stands in %d, by the journal in %d", company, category, last[company])
    end
  end
  if self.companies ~= 0 and self.companies ~= COMPANIES then
    self:problem("%d of %d companies", self.companies, COMPANIES)
  end
  for tenant, journal in pairs(self.journals) do
    for name, count in pairs(self.engines[tenant]._store:counters(tenant)) do
      if name == "journal_entries" and count ~= #journal.list then
        self:problem("%d entries are counted, there are %d", count, #journal.list)
      end
    end
  end
end

-- It goes on: an event is handled, and one that was handled before is known.
function Check:check_use()
  local engine, journal = self.engines[""], self.journals[""]
  for id, item in pairs(journal.events) do
    local outcome = assert(engine:handle { id = id, trigger = item.trigger, company = item.company })
    if outcome.status ~= "duplicate" then
      self:problem("event %s was handled again: %s", id, outcome.status)
    end
  end
  assert(engine:save(stores.config(RULES)))
  engine.host:create("new", LEAD)
  local outcome = assert(engine:handle { id = "new", trigger = "sale_registered", company = "new" })
  if outcome.status ~= "updated" then
    self:problem("a new event is %s", outcome.status)
  end
end

--- Whether a line is one that `acknowledge` was called with.
---@param line string
function script.is_acknowledgement(line)
  return CHECKS[line:match "^%l*"] ~= nil
end

--- What is wrong with the store; it must be nobody's.
---@param path string
---@param acknowledged string[] lines
---@return string[] problems
function script.check(path, acknowledged)
  local self = setmetatable({ path = path, problems = {}, journals = {} }, Check)
  local made = {}
  for _, line in ipairs(acknowledged) do
    local company, to = line:match "^made (%S+) (%d+)"
    made[company or ""] = tonumber(to)
  end
  local engines, message, code = open(path, "full", made, function() end)
  if not engines then
    self:problem("it does not open: %s [%s]", tostring(message), tostring(code))
    return self.problems
  end
  self.engines = engines
  local ran, raised = xpcall(function()
    for tenant, engine in pairs(engines) do
      assert(engine:recover())
      self.journals[tenant] = read_journal(engine)
    end
    self:check_whole()
    self:open_backup(false)
    for _, line in ipairs(acknowledged) do
      local words = {}
      for word in line:gmatch "%S+" do
        words[#words + 1] = word
      end
      CHECKS[table.remove(words, 1)](self, stores.unpack(words))
    end
    self:check_use()
  end, debug.traceback)
  engines[""]:close()
  engines.own:close()
  if not ran then
    self:problem("%s", raised)
  end
  for _, problem in ipairs(core.check_store(path)) do
    self:problem("it is not sound: %s", problem.message or tostring(problem))
  end
  return self.problems
end

return script
