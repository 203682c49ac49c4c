--- What must hold whenever all processes are dead: compares what was acknowledged, the journal and the hosts' logs.

local core = require "leadcat.core"
local host_of = require "kill.host"
local leadcat = require "leadcat"
local lfs = require "lfs"
local plan = require "kill.plan"
local stores = require "support.stores"

local verify = {}

local FINAL = {
  updated = true, conflict = true, declined = true, awaiting_confirmation = true, superseded = true, expired = true,
}
local ANSWERS = { updated = true, declined = true, conflict = true }
local ANSWERED = { accepted = true, changed = true, declined = true, conflict = true }

---@class kill.Verifier
---@field problems string[]
---@field known table<string, table<integer, table>> each tenant's entries, by number, also those that are gone by now
---@field counts table<string, integer> what was seen at the last check, to be told
---@field unfinished integer entries that the checks have found unfinished
local Verifier = {}
Verifier.__index = Verifier

---@param directory string
---@param seed integer
function verify.new(directory, seed)
  local known = {}
  for _, tenant in ipairs(plan.TENANTS) do
    known[tenant] = {}
  end
  return setmetatable({ directory = directory, files = plan.files(directory), seed = seed, known = known, problems = {},
    counts = {}, unfinished = 0 }, Verifier)
end

function Verifier:problem(...)
  self.problems[#self.problems + 1] = string.format(...)
end

function Verifier:count(what, number)
  self.counts[what] = (self.counts[what] or 0) + (number or 1)
end

local function content_of(name)
  local file = io.open(name, "rb")
  local content = file and file:read "*a" or ""
  if file then
    file:close()
  end
  return content
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

-- The journal ----------------------------------------------------------------------------------------------------------

-- What an entry says, which never changes once it is final.
local function said(entry)
  return table.concat({ entry.status, tostring(entry.company), tostring(entry.from), tostring(entry.to),
    tostring(entry.event_id), tostring(entry.confirmation) }, " ")
end

-- Reads a tenant's journal. Nothing stays unfinished, no event has two entries, and what was final stays what it was.
function Verifier:read_journal(engine, tenant)
  local entries = whole(function(query) return engine:history(query) end, "entry")
  local events, known = {}, self.known[tenant]
  for _, entry in ipairs(entries) do
    local before = known[entry.entry]
    if not FINAL[entry.status] then
      self:problem("%s: entry %.0f is %s (%s)", tenant, entry.entry, entry.status, tostring(entry.error))
    end
    if before and said(before) ~= said(entry) then
      self:problem("%s: entry %.0f was '%s' and is '%s'", tenant, entry.entry, said(before), said(entry))
    end
    if entry.event_id and events[entry.event_id] then
      self:problem("%s: event %s has two entries", tenant, entry.event_id)
    end
    events[entry.event_id or 0] = entry
    known[entry.entry] = entry
    self:count(before and "seen again" or entry.status)
  end
  local counted = engine._store:counters(tenant)
  for name, value in pairs(counted) do
    if name == "journal_entries" and value ~= #entries then
      self:problem("%s: %d entries are counted, there are %d", tenant, value, #entries)
    end
  end
  self:count("entries kept of " .. tenant, #entries)
  return entries
end

-- Whether retention is the reason that an entry is not in the journal: as many newer ones are there as are kept, but for
-- what is older and stays: each company may have an open question and an unfinished change.
local function may_be_gone(entries, entry)
  local oldest_kept = entries[plan.KEEP - 2 * plan.COMPANIES]
  return oldest_kept ~= nil and entry < oldest_kept.entry
end

-- The hosts' logs ------------------------------------------------------------------------------------------------------

-- Whether the action in which a process has made a change has come to its end: what it had to write down is written.
function Verifier:was_told(tenant, change)
  return self.made[("%s %.0f %s"):format(tenant, change.entry, change.who)] == true
end

-- Whether another process has asked for the same, too, and so found the company changed.
function Verifier:was_taken_over(tenant, company, change)
  for _, call in ipairs(self.calls[("%s %d %.0f"):format(tenant, company, change.entry)] or {}) do
    if call.who ~= change.who then
      return true
    end
  end
  return false
end

-- Whether a company was changed, behind the line `i` of its log, by what the journal could not foresee: from outside, or late.
local function was_disturbed(changes, i)
  local following = changes[i + 1]
  return following ~= nil and (following.entry == 0 or following.is_late)
end

-- Whether a company was changed, before the line `i` of its log, by what the journal could not foresee.
local function was_put_there(changes, i)
  local before = changes[i - 1]
  return before ~= nil and (before.entry == 0 or before.is_late)
end

-- Whether a conflict may hide a change that the host has made. A process that is killed before it has told what it has made
-- leaves others to find out: a host without `applied` cannot tell them when the company was changed again since, and one
-- without keys cannot when they had asked for the same at the same time. One with `applied` can, unless it is asked too early:
-- who has taken over finds the company elsewhere, then it comes back, and only then the other one makes its change.
function Verifier:may_hide(tenant, company, changes, i)
  local change = changes[i]
  if self:was_told(tenant, change) then
    return false
  elseif tenant == "applied" then
    return self:was_taken_over(tenant, company, change) and (change.is_late or was_put_there(changes, i))
  end
  return change.is_late or was_disturbed(changes, i)
    or not plan.HAS_KEYS[tenant] and self:was_taken_over(tenant, company, change)
end

-- One line of a company's log against the journal.
function Verifier:check_change(tenant, company, changes, i, entries)
  local change = changes[i]
  local entry = self.known[tenant][change.entry]
  local where = ("%s: company %d: line %d (%d -> %d by entry %.0f of %s)"):format(tenant, company, i, change.from,
    change.to, change.entry, change.who)
  if not entry then
    if not may_be_gone(entries, change.entry) then
      self:problem("%s: the journal does not know of it", where)
    end
    return
  end
  if entry.company ~= company or entry.from ~= change.from or entry.to ~= change.to then
    self:problem("%s: the journal has '%s'", where, said(entry))
  end
  local is_hidden = entry.status == "conflict" and self:may_hide(tenant, company, changes, i)
  if is_hidden then
    self:count("conflicts of " .. tenant .. " that hide a change")
  elseif entry.status ~= "updated" then
    self:problem("%s: the journal says %s", where, entry.status)
  end
end

-- Whether the journal calls a change late: its process hung, and others had taken it over. A process that was killed in the
-- same action could not write that down.
function Verifier:is_late(tenant, change, entries)
  local entry = self.known[tenant][change.entry]
  if not entry and may_be_gone(entries, change.entry) then
    return true
  elseif entry and entry.error and entry.error:find "late" then
    self:count "made late"
    return true
  elseif not self:was_told(tenant, change) then
    self:count "made late by the killed"
    return true
  end
  return false
end

-- Marks what came late in a company's log: an entry again, or behind a newer one. A host with keys makes no change twice. One
-- without them does when its company was put back, meanwhile, by what came late: who has taken over finds it unchanged.
function Verifier:mark_late(tenant, company, changes, entries)
  local newest, line_of = 0, {}
  for i, change in ipairs(changes) do
    local before = line_of[change.entry]
    if change.entry ~= 0 and (before or change.entry < newest) then
      local is_unknown = before and changes[before].who ~= change.who and was_disturbed(changes, before)
      change.is_late = is_unknown or self:is_late(tenant, change, entries)
      if before and plan.HAS_KEYS[tenant] or not change.is_late then
        self:problem("%s: company %d: line %d: entry %.0f is applied %s", tenant, company, i, change.entry,
          before and "twice" or ("behind %.0f"):format(newest))
      end
    end
    newest = math.max(newest, change.entry)
    line_of[change.entry] = change.entry ~= 0 and i or nil
  end
end

-- A company's log: each line begins where the one before has ended, no entry comes twice, none behind a newer one, or it is
-- known why.
function Verifier:check_log(tenant, company, entries, applied)
  local category = plan.START
  local changes = host_of.changes(content_of(self.files.host(tenant, company)))
  self:mark_late(tenant, company, changes, entries)
  for i, change in ipairs(changes) do
    if change.from ~= category then
      self:problem("%s: company %d: line %d begins at %d, not %d", tenant, company, i, change.from, category)
    end
    category = change.to
    if change.entry ~= 0 then
      applied[change.entry] = true
      self:check_change(tenant, company, changes, i, entries)
    end
    self:count(change.entry ~= 0 and "changes of hosts" or "changes outside")
  end
  applied[company] = changes
end

-- Whether a company may have stood in an entry's target before its change was begun, which was then found done after a
-- kill: by what came since the entry before it from others or late, or because the event was wrong about where it stood.
local function was_there(changes, entry)
  local before, stood = plan.START, {}
  for _, change in ipairs(changes) do
    if change.entry > entry.entry then
      break
    elseif change.entry ~= 0 and not change.is_late then
      before, stood = change.to, {}
    end
    stood[change.to] = true
  end
  return before == entry.to or stood[entry.to] == true
end

-- Every entry that is updated is in a log, or its work was done.
function Verifier:check_updated(tenant, applied)
  for number, entry in pairs(self.known[tenant]) do
    local is_applied = applied[number] or tenant ~= "applied" and was_there(applied[entry.company], entry)
    if entry.status == "updated" and not is_applied then
      self:problem("%s: entry %.0f (%s) is not in the host's log", tenant, number, said(entry))
    end
  end
end

-- The embedded host has no log but the journal: its entries are a chain that ends where the company stands.
function Verifier:check_embedded(engine, entries)
  local numbers, category, newest = {}, {}, {}
  for number, entry in pairs(self.known.embedded) do
    numbers[#numbers + 1] = entry.status == "updated" and number or nil
  end
  table.sort(numbers)
  for _, number in ipairs(numbers) do
    local entry = self.known.embedded[number]
    local from = category[entry.company] or plan.START
    local something_may_be_gone = may_be_gone(entries, (newest[entry.company] or 0) + 1)
    if entry.from ~= from and not something_may_be_gone then
      self:problem("embedded: entry %.0f of company %d begins at %d, not %d", number, entry.company, entry.from, from)
    end
    category[entry.company], newest[entry.company] = entry.to, number
  end
  for company, last in pairs(category) do
    if engine.host:get(company) ~= last then
      self:problem("embedded: company %d stands in %s, not %d", company, tostring(engine.host:get(company)), last)
    end
  end
end

-- Calls of the hosts ---------------------------------------------------------------------------------------------------

local AT_ONCE = 25 -- seconds: a claim lasts for 30, and more

-- The calls, by tenant, company and entry. One that has no end has ended when its process was killed.
function Verifier:read_calls()
  local killed, calls = {}, {}
  for who, at in content_of(self.files.kills):gmatch "(%S+) (%S+)\n" do
    killed[who] = tonumber(at)
  end
  for worker = 1, plan.WORKERS do
    local lines, last = content_of(self.files.calls(worker)), nil
    for what, who, entry, at, ahead in lines:gmatch "(%l+) (%S+) (%S+ %d+ %d+) (%S+) (%d+)\n" do
      if what == "begin" then
        local call = { who = who, entry = entry, from = tonumber(at), to = killed[who], ahead = tonumber(ahead) }
        calls[entry] = calls[entry] or {}
        table.insert(calls[entry], call)
        last = call
      elseif last then
        last.to = tonumber(at)
      end
    end
  end
  self.calls = calls
end

-- Nobody asks a host for what another living process is asking it for, unless that one hangs for as long as its claim lasts.
-- The one that has taken over may come first: the other one does not know yet that time has jumped.
function Verifier:check_calls()
  for entry, calls in pairs(self.calls) do
    table.sort(calls, function(a, b) return a.from < b.from end)
    for i = 2, #calls do
      local before, call = calls[i - 1], calls[i]
      local hangs_for = math.abs(call.from + call.ahead - before.from - before.ahead)
      if call.from < before.to and call.who ~= before.who and hangs_for < AT_ONCE then
        self:problem("%s: %s has asked the host for %.3f seconds when %s does so, too", entry, before.who, hangs_for,
          call.who)
      elseif call.from < before.to then
        self:count "taken over from the living"
      end
    end
  end
end

-- Questions ------------------------------------------------------------------------------------------------------------

-- A question that was answered has one answer in the journal; one that is open, expired or superseded has none.
function Verifier:check_questions(engine, tenant)
  local answers = {}
  for _, entry in pairs(self.known[tenant]) do
    if entry.confirmation and ANSWERS[entry.status] then
      answers[entry.confirmation] = (answers[entry.confirmation] or 0) + 1
    end
  end
  for id, count in pairs(answers) do
    if count > 1 then
      self:problem("%s: question %s is answered %d times", tenant, id, count)
    end
  end
  for _, record in ipairs(whole(function(query) return engine:confirmations(query) end, "id")) do
    if (answers[record.id] or 0) ~= (ANSWERED[record.state] and 1 or 0) then
      self:problem("%s: question %s is %s and has %d answers", tenant, record.id, record.state, answers[record.id] or 0)
    end
  end
end

-- What was acknowledged ------------------------------------------------------------------------------------------------

-- The entry that an acknowledgement names, which must be known and must have come to what was said.
function Verifier:check_entry(tenant, entries, number, status, what)
  local entry = self.known[tenant][number]
  if not entry then
    if not may_be_gone(entries, number) then
      self:problem("%s: %s was acknowledged (%s, entry %.0f) and is lost", tenant, what, status, number)
    end
  elseif status == "failed" and (entry.status == "updated" or entry.status == "conflict") then
    return entry -- it was tried again
  elseif entry.status == "updated" and entry.error then
    return entry -- it was made late, after all
  elseif status ~= entry.status then
    self:problem("%s: %s was acknowledged as %s, its entry %.0f is %s", tenant, what, status, number, entry.status)
  end
  return entry
end

local CHECKS = {}

function CHECKS.event(self, tenant, entries, id, words)
  local status, first, number = words[1], words[2], tonumber(words[3])
  self:count(status == "duplicate" and "acknowledged again" or "acknowledged")
  if first == "unchanged" then
    return
  end
  local entry = self:check_entry(tenant, entries, number, first, "event " .. id)
  if entry and entry.event_id ~= id then
    self:problem("%s: event %s was given the outcome of %s", tenant, id, tostring(entry.event_id))
  end
  local before = self.outcomes[tenant .. id]
  if before and before ~= number and not may_be_gone(entries, math.min(before, number)) then
    self:problem("%s: event %s has the entries %.0f and %.0f", tenant, id, before, number)
  end
  self.outcomes[tenant .. id] = number
end

function CHECKS.answer(self, tenant, entries, id, words)
  if self.answers[id] then
    self:problem("%s: question %s was answered twice", tenant, id)
  end
  self.answers[id] = true
  local entry = self:check_entry(tenant, entries, tonumber(words[2]), words[1], "the answer to " .. id)
  if entry and entry.confirmation ~= id then
    self:problem("%s: the answer to %s is that to %s", tenant, id, tostring(entry.confirmation))
  end
  self:count "answers"
end

function CHECKS.undo(self, tenant, entries, _, words)
  self:check_entry(tenant, entries, tonumber(words[2]), words[1], "an undo")
  self:count "undone"
end

function CHECKS.save(self, tenant, _, who, words)
  local revision = tonumber(words[1])
  local about = self.revisions[tenant][revision]
  if not about or about.actor.id ~= who then
    self:problem("%s: revision %d was saved by %s and is %s", tenant, revision, who, about and about.actor.id or "lost")
  end
  self:count "saves"
end

-- Read before the rest.
function CHECKS.made() end

-- Which changes of the host were made by actions that have come to their end, by tenant, entry and who made it.
function Verifier:read_made()
  self.made = {}
  for worker = 1, plan.WORKERS do
    for tenant, who, entry in content_of(self.files.acks(worker)):gmatch "made (%S+) (%S+) (%d+)\n" do
      self.made[("%s %s %s"):format(tenant, entry, who)] = true
    end
  end
end

function Verifier:check_acks(journals)
  self.outcomes, self.answers = {}, {}
  for worker = 1, plan.WORKERS do
    for line in io.lines(self.files.acks(worker)) do
      local words = {}
      for word in line:gmatch "%S+" do
        words[#words + 1] = word
      end
      local what, tenant, id = table.remove(words, 1), table.remove(words, 1), table.remove(words, 1)
      CHECKS[what](self, tenant, journals[tenant], id, words)
    end
  end
end

-- The files ------------------------------------------------------------------------------------------------------------

-- Every revision is there, in order, and can be read.
function Verifier:read_revisions(engine, tenant)
  local list = assert(engine:revisions())
  self.revisions[tenant] = {}
  for i, about in ipairs(list) do
    self.revisions[tenant][about.revision] = about
    if about.revision ~= #list - i + 1 or not engine:config(about.revision) then
      self:problem("%s: revision %d is out of place, or cannot be read", tenant, about.revision)
    end
  end
end

local function run(command)
  local pipe = assert(io.popen("unset LD_PRELOAD; " .. command .. " 2>&1"))
  local output = pipe:read "*a"
  pipe:close()
  return output
end

-- What LMDB's own tool says: every page of the file is used by a table, or free; and tables that go together have as
-- many records.
function Verifier:check_pages(name)
  local output = run(("mdb_stat -n -e -f -a '%s/%s'"):format(self.files.store, name))
  local used = tonumber(output:match "Number of pages used: (%d+)")
  local free = tonumber(output:match "Free pages: (%d+)")
  if not used or not free then
    return self:problem("%s: mdb_stat says: %s", name, output)
  end
  local found, records, table_name = 2 + free, {}, "main" -- two pages are the file's heads
  for line in output:gmatch "[^\n]+" do
    local pages = tonumber(line:match "^  Branch pages: (%d+)$" or line:match "^  Leaf pages: (%d+)$"
      or line:match "^  Overflow pages: (%d+)$")
    found = found + (pages or 0)
    table_name = line:match "^Status of (.*)$" or table_name
    records[table_name] = tonumber(line:match "^  Entries: (%d+)$") or records[table_name]
  end
  if found ~= used then
    self:problem("%s: %d pages are used, %d are accounted for", name, used, found)
  end
  if name == "journal.mdb" and (records.journal ~= records.by_company or records.applying ~= 0) then
    self:problem("journal: %s entries, %s by company, %s applying", tostring(records.journal),
      tostring(records.by_company), tostring(records.applying))
  end
end

function Verifier:check_files()
  local output, errors, status = stores.leadcat("check", "--store", "--path", self.files.store)
  if status ~= 0 and not output:find "^no problems" then
    self:problem("leadcat check --store says: %s%s", output, errors)
  end
  self:check_pages "config.mdb"
  self:check_pages "journal.mdb"
end

-- All of it ------------------------------------------------------------------------------------------------------------

local LATER = 3 * 3600 -- whatever is to be tried again later is due then

-- How many entries the killed have left unfinished: opening the store with a host finishes them.
local function count_unfinished(path)
  local store, count = assert(core.open { path = path, map_size = plan.MAP }), 0
  for _, tenant in ipairs(plan.TENANTS) do
    count = count + #assert(store:applying(tenant, "", 1000))
  end
  store:close()
  return count
end

--- Opens the store, finishes what is unfinished, and checks all that is there; nobody else has it open. What the workers
-- complained of counts, too. What is wrong goes to `problems`.
function Verifier:check()
  self.unfinished = self.unfinished + count_unfinished(self.files.store)
  local crm = host_of.new(self.files, plan.START, "verifier")
  local engines, journals = {}, {}
  for _, tenant in ipairs(plan.TENANTS) do
    engines[tenant] = assert(leadcat.open {
      path = self.files.store, tenant = tenant, map_size = plan.MAP,
      host = tenant ~= "embedded" and crm:for_leadcat(tenant == "applied") or nil,
    })
  end
  self.counts, self.revisions = {}, {}
  self:read_made()
  self:read_calls()
  core.forward(LATER + lfs.attributes(self.files.jumps, "size") * plan.JUMP - core.forward(0))
  for _, tenant in ipairs(plan.TENANTS) do
    assert(engines[tenant]:recover())
  end
  for _, tenant in ipairs(plan.TENANTS) do
    local engine, applied = engines[tenant], {}
    journals[tenant] = self:read_journal(engine, tenant)
    if tenant ~= "embedded" then
      for company = 1, plan.COMPANIES do
        self:check_log(tenant, company, journals[tenant], applied)
      end
      self:check_updated(tenant, applied)
    else
      self:check_embedded(engine, journals[tenant])
    end
    self:check_questions(engine, tenant)
    self:read_revisions(engine, tenant)
  end
  self:check_acks(journals)
  for worker = 1, plan.WORKERS do
    local errors = content_of(self.files.errors(worker))
    if errors ~= "" then
      self:problem("worker %d: %s", worker, errors)
    end
  end
  for _, tenant in ipairs(plan.TENANTS) do
    engines[tenant]:close()
  end
  self:check_calls()
  self:check_files()
end

return verify
