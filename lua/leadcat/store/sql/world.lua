--- How a shared store decides and writes: it reads what there is of some companies in one statement, or remembers it, has the
-- core decide in memory about that (`store:walk`, src/store/scratch.h), by the same code as on one machine, and sends what
-- has changed as one statement, which compares and sets each company's row. Where a row is otherwise, nothing
-- of that company is written, and it is decided anew.
--
-- What is remembered counts only once the statement that writes has compared it. What comes to nothing is compared with nothing:
-- so it is read, and decided by that.

local core = require "leadcat.core"
local statements = require "leadcat.store.sql.statements"
local theirs = require "leadcat.store.sql.theirs"

local world = {}

local TRIES = 32
local EVENT = "entry_event" -- the constraint that an event's id is new
local MISSED = 3 -- tries in which a CRM's company stayed as it was, though it could be locked
local QUEUED = 100 -- what the status of an entry is raised by that is there already

-- Reading ------------------------------------------------------------------------------------------------------------

---@class leadcat.sql.Keys what a call may look at
---@field companies string[]
---@field ids? string[] of events
---@field entries? integer[]
---@field questions? string[] 16 bytes each
---@field changes? boolean whether earlier changes count
---@field cursor? string its name
---@field unchanged? string[] packed records of the log of unchanged events, as they were read before
---@field all_of? string a company of which everything is looked at
---@field beside? {names?: leadcat.sql.Names} companies stand where a CRM in this database says (store/sql/theirs.lua)

-- The columns in the order in which `statements` gives them.
local COMPANY = { "version", "newest", "category", "changed", "is_integer", "applying", "owner", "left", "retry_in",
  "attempts",
  "begun", "scheduled", "scheduled_at" }

local function company_of(self, text, question, numbers)
  local company = { company = text, question = question }
  for i, name in ipairs(COMPANY) do
    company[name] = numbers[i]
  end
  company.is_integer = company.is_integer == 1
  company.company_is_integer = company.is_integer
  company.left, company.retry_in = (company.left or 0) / 1000, (company.retry_in or 0) / 1000
  company.is_claimed, company.is_mine = company.owner ~= nil, company.owner == self.owner
  return company
end

local function add_once(list, seen, value)
  if not seen[value] then
    seen[value] = true
    list[#list + 1] = value
  end
end

-- A company that is not there.
local function new_company(text)
  return { company = text, version = 0, newest = 0, changed = 0, attempts = 0, begun = 0 }
end

local CLOSE = 1024 * 1000 -- numbers of a second

-- Behind which number new entries are numbered: by the clock, behind all of these companies, and behind those that this
-- process has given just now. Others may give the same in the same millisecond, but each begins elsewhere in it, and
-- where they still meet, no one's are overwritten (`statements.put`).
local function last_number(self, found)
  local last = math.floor(found.now * 1000) * 1024 + self.place
  if self.given and self.given > last and self.given < last + CLOSE then
    last = self.given
  end
  for _, company in ipairs(found.companies) do
    last = math.max(last, company.newest)
  end
  return last
end

-- What the rows say. `entries` and `questions` are told by more than one of them.
local function world_of(self, keys, rows)
  local found = { companies = {}, entries = {}, unchanged = {}, questions = {}, seen = {}, cursors = {},
    by_company = {}, categories = {}, limits = {}, limit_versions = {} }
  local seen, known = {}, {}
  for _, row in ipairs(rows) do
    local kind, key, record, numbers = row[1], row[2], row[3], row[4]
    if kind == 0 then
      found.counter, found.now, found.revision, found.cluster = numbers[1], numbers[2] / 1000000, numbers[3], numbers[4]
    elseif kind == 1 then
      local company = company_of(self, key, record, numbers)
      found.companies[#found.companies + 1], found.by_company[key] = company, company
      known[#known + 1] = company
    elseif kind == 2 then
      add_once(found.entries, seen, record)
    elseif kind == 3 then
      add_once(found.questions, seen, record)
    elseif kind == 4 then
      found.seen[#found.seen + 1] = { id = key, entry = numbers[1] }
    elseif kind == 5 then
      found.seen[#found.seen + 1] = { id = key, mark = record }
    elseif kind == 7 then
      found.unchanged[#found.unchanged + 1] = record
    elseif kind == 9 then
      found.limits[#found.limits + 1], found.limit_versions[key] = record, numbers[1]
    elseif kind == 8 then
      found.categories[key] = record
    elseif record ~= "" then
      found.cursors[1] = { name = key, text = record }
    end
  end
  for _, text in ipairs(keys.companies) do
    if not found.by_company[text] then
      local company = new_company(text)
      found.companies[#found.companies + 1], found.by_company[text] = company, company
    end
  end
  found.last = last_number(self, found)
  return found, known
end

-- Whether it is known where all companies stand.
local function put_categories(found, beside)
  local is_known = true
  for _, company in ipairs(found.companies) do
    is_known = theirs.put_category(company, found.categories[company.company], beside.names) and is_known
  end
  return is_known
end

--- Reads what a call may look at.
---@param self leadcat.sql.Store
---@param tenant string
---@param keys leadcat.sql.Keys
---@return table? world as `store:walk` takes it, with `now`, `counter`, `revision`, and companies by their texts; string? message; string? code
function world.read(self, tenant, keys)
  local beside = keys.beside
  local rows, message, code, problem = self:run(beside and self.theirs.look_at or statements.look, {
    tenant, keys.companies, keys.ids or {}, keys.entries or {}, keys.questions or {}, keys.changes == true,
      keys.cursor, self:ahead(),
  })
  if not rows then
    return nil, message, beside and theirs.is_refused(code, problem) and "apart" or code
  end
  if keys.all_of then
    local others
    others, message, code = self:run(statements.all_of, { tenant, keys.all_of })
    if not others then
      return nil, message, code
    end
    for _, row in ipairs(others) do
      rows[#rows + 1] = row
    end
  end
  local found, known = world_of(self, keys, rows)
  for _, company in ipairs(known) do
    self.memory:learn(tenant, company)
  end
  if beside and not put_categories(found, beside) then
    return nil, "a company has a category that is none of ours", "apart"
  end
  for _, record in ipairs(keys.unchanged or {}) do
    found.unchanged[#found.unchanged + 1] = record
  end
  self:heard(found.counter, found.now)
  return found
end

--- The same of what is remembered; nil where that is not enough.
---@param self leadcat.sql.Store
---@param tenant string
---@param keys leadcat.sql.Keys
---@param guesses? boolean companies that are not remembered are new
---@return table? world with `is_recalled`
function world.recall(self, tenant, keys, guesses)
  if not self.offset or self:is_reconnected() then
    return nil
  end
  local found = { companies = {}, entries = {}, unchanged = {}, questions = {}, seen = {}, cursors = {}, by_company = {},
    limits = {}, limit_versions = {}, now = self.offset + core.uptime(), cluster = self.cluster, is_recalled = true }
  for i, text in ipairs(keys.companies) do
    local company, record = self.memory:recall(tenant, text)
    if company and (company.applying ~= nil) ~= (keys.entries ~= nil) or not company and not guesses then
      return nil
    end
    company = company or new_company(text)
    found.companies[i], found.by_company[text], found.entries[#found.entries + 1] = company, company, record
  end
  for i, entry in ipairs(keys.entries or {}) do
    if found.companies[i].applying ~= entry then
      return nil
    end
  end
  found.last = last_number(self, found)
  return found
end

-- Writing ------------------------------------------------------------------------------------------------------------

local COLUMNS = {
  companies = { "company", "version", "newest", "category", "changed", "is_integer", "applying", "owner", "left",
    "retry_in", "attempts",
    "begun", "question", "scheduled", "scheduled_at" },
  entries = { "entry", "company", "former", "event_id", "status", "change", "at", "written", "record" },
  questions = { "id", "entry", "company", "user", "state", "expires_at", "record" },
  unchanged = { "entry", "company", "at", "written", "record" },
  changes = { "made", "entry", "kind", "company" },
  limits = { "rule", "version", "record" },
  marks = { "tenant", "event_id", "written", "record", "company" },
}

-- Appends the columns of the rows to the parameters: arrays.
local function add_columns(params, names, rows)
  local at = params.n
  for k, name in ipairs(names) do
    local column = { n = #rows }
    for i, row in ipairs(rows) do
      column[i] = row[name]
    end
    params[at + k] = column
  end
  params.n = at + #names
end

local function microseconds(seconds)
  return math.floor(seconds * 1000000)
end

local function milliseconds(seconds)
  return math.floor(seconds * 1000)
end

-- The open question of each company, as it is afterwards.
local function set_questions(rows, questions)
  for _, question in ipairs(questions) do
    for _, row in ipairs(rows) do
      if row.question == question.id and (question.state ~= 0 or question.company ~= row.company) then
        row.question = nil
      end
    end
  end
  for _, question in ipairs(questions) do
    if question.state == 0 and rows[question.company] then
      rows[question.company].question = question.id
    end
  end
end

-- A company's row, as it is to be written: `after` as `store:walk` gives it; nothing: as it was, but for its version.
local function row_of(self, before, after)
  local claimed = after or before
  local kept = before.kept or claimed -- a CRM's categories are not the store's
  return {
    company = before.company, version = before.version, newest = claimed.newest, category = kept.category,
    changed = kept.changed or 0, is_integer = kept.is_integer or false, applying = claimed.applying,
    owner = claimed.is_mine and self.owner or claimed.is_claimed and before.owner or nil,
    left = claimed.applying and milliseconds(claimed.left) or nil,
    retry_in = claimed.applying and milliseconds(claimed.retry_in) or nil,
    attempts = claimed.attempts or 0, begun = claimed.begun or 0, question = before.question,
    scheduled = claimed.scheduled, scheduled_at = claimed.scheduled_at,
  }
end

-- The rows of all companies about which something is written, also by their texts.
local function company_rows(self, found, effects)
  local rows = {}
  local function add(before, after)
    if before and not rows[before.company] then
      local row = row_of(self, before, after)
      rows[#rows + 1], rows[before.company] = row, row
    end
  end
  for _, after in ipairs(effects.companies) do
    add(found.companies[after.place], after)
  end
  for _, list in ipairs { effects.entries, effects.questions, effects.unchanged } do
    for _, item in ipairs(list) do
      add(found.by_company[item.company])
    end
  end
  set_questions(rows, effects.questions)
  return rows
end

-- In the units of the columns. Entries with numbers behind the last one are new.
local function to_columns(self, found, effects)
  for _, list in ipairs { effects.entries, effects.unchanged } do
    for _, item in ipairs(list) do
      self.given = math.max(self.given or 0, item.entry)
      item.status = item.entry > found.last and item.status or item.status + QUEUED
      item.at, item.written = microseconds(item.at), microseconds(item.written)
    end
  end
  for _, item in ipairs(effects.changes) do
    self.given = math.max(self.given or 0, item.made)
  end
  for _, item in ipairs(effects.questions) do
    item.expires_at = milliseconds(item.expires_at)
  end
  for _, item in ipairs(effects.limits) do
    item.version = found.limit_versions[item.rule] or 0
  end
end

local function is_empty(effects)
  return #effects.companies + #effects.entries + #effects.questions + #effects.unchanged == 0
end

-- Remembers what was written, and, of recalled companies that are otherwise, how they are. Gives the companies that were written, by
-- their texts, and whether all others are known now.
local function learn(self, tenant, found, rows, answer, records)
  local written, are_known = {}, true
  for _, text in ipairs(answer[1][1]) do
    written[text] = true
  end
  for _, row in ipairs(rows) do
    if written[row.company] then
      row.version = row.version + 1
      self.memory:learn(tenant, row, row.owner == self.owner and records[row.applying] or nil)
    else
      self.memory:forget(tenant, row.company)
    end
  end
  local others = {}
  for i = 2, #answer do
    local company = company_of(self, answer[i][5], answer[i][6], answer[i][4])
    others[company.company] = self.memory:learn(tenant, company) and company.version or nil
  end
  for _, row in ipairs(rows) do
    are_known = are_known and (written[row.company] or (others[row.company] or row.version) ~= row.version)
  end
  return written, are_known
end

-- The ids of events that what was remembered does not tell of, each with its company.
local function add_ids(params, entries)
  local ids, companies, at = { n = 0 }, { n = 0 }, params.n
  for _, item in ipairs(entries) do
    if item.event_id and item.status < QUEUED then
      ids.n, companies.n = ids.n + 1, ids.n + 1
      ids[ids.n], companies[ids.n] = item.event_id, item.company
    end
  end
  params[at + 1], params[at + 2], params.n = ids, companies, at + 2
end

---@class leadcat.sql.Put
---@field fence? integer the revision by whose rules all was decided
---@field all? boolean all or nothing
---@field cursor? table
---@field beside? {names?: leadcat.sql.Names}

local OVERTAKEN = "22P02" -- what the statement says itself (`statements.put`)

-- Whether nothing was written since somebody else was first: to a company, or with an event's id.
local function may_try_again(code, problem)
  if not problem or code == "unavailable" then
    return code == "overtaken"
  elseif problem.sqlstate == "23505" then
    return problem.constraint == EVENT
  end
  return code == "overtaken" or problem.sqlstate == OVERTAKEN and problem.message:find("leadcat: ", 1, true) ~= nil
end

-- The parameters of a CRM's companies behind those of ours; gives what is to be sent with it. A company that changes more
-- than once does so all or nothing.
local function add_theirs(self, params, found, effects, how)
  local columns, further = theirs.changes(self, found, effects.entries, how.beside.names)
  if not columns then
    return nil
  end
  for i = 1, 3 do
    params[params.n + i] = columns[i]
  end
  params.n, params[3] = params.n + 3, params[3] or #further > 0
  return further
end

-- The statement that writes it, with its parameters, marks that go along, and what else there is to do (`theirs.changes`); nil: a CRM's
-- category has no name.
local function compose(self, tenant, found, rows, effects, how)
  local marks = self:take_marks()
  to_columns(self, found, effects)
  local has = {
    entries = #effects.entries > 0, questions = #effects.questions > 0, unchanged = #effects.unchanged > 0,
    changes = #effects.changes > 0, marks = #marks > 0, limits = #effects.limits > 0, cursor = how.cursor,
    recalled = found.is_recalled,
  }
  local statement, parts = statements.put(has, how.beside and self.theirs)
  local params = { tenant, how.fence, how.all == true or #effects.limits > 0, self:ahead(), found.cluster, n = 5 }
  add_columns(params, COLUMNS.companies, rows)
  local further = how.beside and add_theirs(self, params, found, effects, how)
  for _, part in ipairs(parts) do
    if part == "recalled" then
      add_ids(params, effects.entries)
    elseif part == "cursor" then
      local cursor, at = how.cursor, params.n
      params[at + 1], params[at + 2], params[at + 3], params[at + 4] = cursor.name, cursor.before or "", cursor.text
        or "", cursor.anyhow == true
      params.n = at + 4
    else
      add_columns(params, COLUMNS[part], part == "marks" and marks or effects[part])
    end
  end
  return not (how.beside and not further) and statement or nil, params, marks, further
end

-- Packed records of entries, by their numbers.
local function records_of(entries)
  local records = {}
  for _, item in ipairs(entries) do
    records[item.entry] = item.record
  end
  return records
end

-- Sends it. Gives the companies that were written, by their texts, and all rows where some were not; or false, why: "stale" or
-- "overtaken" ("theirs": a CRM's company stayed as it was), or nil, message, code. `found.are_known`: what was otherwise than
-- remembered is known now.
local function put(self, tenant, found, effects, how)
  local rows = company_rows(self, found, effects)
  local statement, params, marks, further = compose(self, tenant, found, rows, effects, how)
  if not statement then
    self:keep_marks(marks)
    return nil, "a category has no `external`", "apart"
  end
  local answer, message, code, problem = self:run(statement, params, true, further, nil, found.is_recalled and self.sessions)
  if not answer then
    self:keep_marks(marks)
    if may_try_again(code, problem) then
      self:take_place()
      return false, problem and problem.message:find("leadcat: missed", 1, true) and "theirs" or "overtaken"
    elseif how.beside and theirs.is_refused(code, problem) then
      return nil, message, "apart"
    end
    return nil, message, code == "overtaken" and "io" or code
  end
  if found.is_recalled then
    self:heard(answer[1][4][1], answer[1][4][2] / 1000000)
  end
  if answer[1][2] == 0 then
    self:keep_marks(marks)
    return false, "stale"
  end
  local written
  written, found.are_known = learn(self, tenant, found, rows, answer, records_of(effects.entries))
  for _, row in ipairs(rows) do
    if not written[row.company] then
      return written, rows
    end
  end
  return written
end

-- One call -----------------------------------------------------------------------------------------------------------

-- Has others go on, the longer the more often we were overtaken.
local function rest(self, try)
  if try > 2 then
    self:sleep(math.random() * 0.002 * try)
  end
end

---@class leadcat.sql.Call
---@field keys fun(): leadcat.sql.Keys
---@field method string of the core's store
---@field arguments fun(found: table): ... behind the tenant
---@field fence? boolean what is written was decided by rules
---@field cursor? table moves with it
---@field is_done? fun(results: table): boolean whether the cursor moves
---@field undo? fun(overtaken: table<string, true>, was_recalled?: boolean): boolean takes back the results of these companies; whether any is left to be decided
---@field before? fun(was_recalled?: boolean) is called before each try: whether the one before was with what is remembered
---@field beside? {names?: leadcat.sql.Names} changes of companies are made in the CRM that is in this database
---@field recalls? fun(keys: leadcat.sql.Keys): boolean, boolean? whether what is remembered will do, and whether other companies are taken for new
---@field unproven? fun(written: table<string, true>): table<string, true> companies of results that rest on what was remembered, but for these

local unpack = rawget(table, "unpack") or rawget(_G, "unpack")

local RECALLS = 2 -- tries in which what is remembered will do

-- What a call may look at: remembered or read. Nil: the rules are looked for first, `anew` or not.
local function find(self, tenant, call, try, reads)
  local keys = call.keys()
  keys.beside = call.beside
  if not reads and try <= RECALLS and call.recalls then
    local recalls, guesses = call.recalls(keys)
    local found = recalls and world.recall(self, tenant, keys, guesses)
    if found then
      return found, call.fence and self:fence(tenant) or nil
    end
  end
  local found, message, code = world.read(self, tenant, keys)
  if not found then
    return nil, nil, message, code
  end
  local reconnected = self:is_reconnected()
  local fence = call.fence and self:fence(tenant) or nil
  if not reconnected and found.cluster == self.cluster and (not fence or fence == found.revision) then
    return found, fence
  end
  local polled
  polled, message, code = self:poll(true, try > 1 and not reconnected)
  return nil, nil, not polled and message or nil, code
end

-- What was decided by what is remembered, and is not written: whether there is any, and whether it has to be read.
local function take_back(call, found, written, rows)
  if not call.unproven then
    return next(written) == nil, true
  end
  local left, reads = call.unproven(written), not found.are_known
  for company in pairs(left) do
    reads = reads or not (rows and rows[company])
  end
  return next(left) ~= nil and call.undo(left, true), reads
end

local function change(self, tenant, call)
  local beside, missed, reads, was_recalled = call.beside, 0, false, nil
  for try = 1, TRIES do
    local found, fence, message, code = find(self, tenant, call, try, reads)
    if not found and message then
      return nil, message, code
    elseif found then
      if call.before then
        call.before(was_recalled)
      end
      was_recalled = found.is_recalled
      local results = self:walk(tenant, found, call.method, call.arguments(found))
      local effects, recalled = results[1], found.is_recalled
      local answer = { n = results.n - 1, unpack(results, 2, results.n) }
      local cursor = call.cursor and (not call.is_done or call.is_done(answer)) and call.cursor or nil
      local written, why, is_left
      if not effects and not recalled then
        return effects == false and answer or nil, results[2], results[3]
      elseif not effects or recalled and #effects.limits + #effects.unchanged > 0 then
        effects, reads = nil, true -- it may be otherwise than remembered
      elseif is_empty(effects) and not cursor then
        written = {}
      else
        written, why, code = put(self, tenant, found, effects, {
          fence = fence, all = not call.undo or cursor ~= nil, cursor = cursor, beside = beside,
        })
        answer.wrote = true
      end
      if effects and written == nil then
        return nil, why, code
      elseif written and recalled then
        is_left, reads = take_back(call, found, written, why)
      elseif written then
        is_left = why and call.undo and call.undo(world.left_out(written, why))
      end
      if written and not is_left then
        return answer
      end
      self.overtaken = self.overtaken + (recalled and 0 or 1)
      reads = reads or effects and not written
      if why == "stale" then
        local polled
        polled, message, code = self:poll(true)
        if not polled then
          return nil, message, code
        end
      elseif why == "theirs" then
        missed = missed + 1
        if missed == MISSED then
          return nil, "the CRM leaves its companies as they are", "apart"
        end
      end
      rest(self, try)
    end
  end
  return nil, "others keep changing the same companies", beside and "apart" or "unavailable"
end

--- Decides and writes.
---@param self leadcat.sql.Store
---@param tenant string
---@param call leadcat.sql.Call
---@return table? results of the method, as `{n = how many, ...}`; `wrote`: whether anything was written; string? message; string? code
function world.change(self, tenant, call)
  local answer, message, code = change(self, tenant, call)
  if code == "apart" then
    self.apart = self.apart + 1
  end
  return answer, message, code
end

-- The companies of rows that were not written.
function world.left_out(written, rows)
  local left = {}
  for _, row in ipairs(rows) do
    if not written[row.company] then
      left[row.company] = true
    end
  end
  return left
end

--- The seconds since 1970 at which a call decides.
---@param self leadcat.sql.Store
---@param now number of the caller
---@param found table
---@return number
function world.now(self, now, found)
  return self.trusts_now and now or found.now
end

return world
