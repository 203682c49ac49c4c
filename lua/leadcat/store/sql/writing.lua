--- What has changed in a call is sent as one statement, which compares and sets the version of each company's row.

local statements = require "leadcat.store.sql.statements"
local theirs = require "leadcat.store.sql.theirs"
local worlds = require "leadcat.store.sql.worlds"

local writing = {}

local FIRST = { entry_event = true, entry_pkey = true } -- constraints: an event's id is new, and an entry's number
local QUEUED = 100 -- what the status of an entry is raised by that is there already

local COLUMNS = {
  companies = { "company", "version", "newest", "category", "changed", "is_integer" },
  under_way = { "applying", "owner", "left", "retry_in", "attempts", "begun", "question", "scheduled", "scheduled_at" },
  entries = { "entry", "company", "former", "event_id", "status", "change", "at", "written", "record" },
  questions = { "id", "entry", "company", "user", "state", "expires_at", "on_expiry", "record" },
  unchanged = { "entry", "company", "at", "written", "record" },
  changes = { "made", "entry", "kind", "company" },
  daily = { "counted", "more", "company" },
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

--- Whether nothing has changed.
function writing.is_empty(effects)
  return #effects.companies + #effects.entries + #effects.questions + #effects.unchanged == 0
end

-- Remembers what was written, and, of recalled companies that are otherwise, how they are. Gives the companies that were written, by
-- their texts, and whether all others are known now.
local function learn(self, tenant, rows, answer, records)
  local written, left_out, are_known = {}, {}, true
  for _, text in ipairs(answer[1][1]) do
    left_out[text] = true
  end
  for _, row in ipairs(rows) do
    written[row.company] = not left_out[row.company] or nil
    if written[row.company] then
      row.version = row.version + 1
      self.memory:learn(tenant, row, row.owner == self.owner and records[row.applying] or nil)
    else
      self.memory:forget(tenant, row.company)
    end
  end
  local others = {}
  for i = 2, #answer do
    local company = worlds.company_of(self, answer[i][5], answer[i][6], answer[i][4])
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
    return FIRST[problem.constraint] or false
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

-- Whether none of them is there already.
local function are_new(entries)
  for _, item in ipairs(entries) do
    if item.status >= QUEUED then
      return false
    end
  end
  return true
end

-- Whether nothing is under way of any company.
local function are_idle(rows)
  for _, row in ipairs(rows) do
    if row.applying or row.question or row.scheduled or row.attempts ~= 0 or row.begun ~= 0 then
      return false
    end
  end
  return true
end

-- The statement that writes it, with its parameters, marks that go along, and what else there is to do (`theirs.changes`); nil: a CRM's
-- category has no name.
local function compose(self, tenant, found, rows, effects, how)
  local marks = self:take_marks()
  to_columns(self, found, effects)
  local all_new = are_new(effects.entries)
  local has = {
    new = all_new and #effects.entries > 0, entries = not all_new, questions = #effects.questions > 0,
    unchanged = #effects.unchanged > 0, changes = #effects.changes > 0, daily = #effects.daily > 0,
    marks = #marks > 0, limits = #effects.limits > 0,
    cursor = how.cursor, recalled = found.is_recalled, idle = not how.beside and are_idle(rows),
  }
  local statement, parts = statements.put(has, how.beside and self.theirs)
  local params = { tenant, how.fence, how.all == true or #effects.limits > 0, self:ahead(), found.cluster, n = 5 }
  add_columns(params, COLUMNS.companies, rows)
  if not has.idle then
    add_columns(params, COLUMNS.under_way, rows)
  end
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
      local rows_of = part == "new" and "entries" or part
      add_columns(params, COLUMNS[rows_of], part == "marks" and marks or effects[rows_of])
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
function writing.put(self, tenant, found, effects, how)
  local rows = company_rows(self, found, effects)
  local statement, params, marks, further = compose(self, tenant, found, rows, effects, how)
  if not statement then
    self:keep_marks(marks)
    return nil, "a category has no `external`", "apart"
  end
  local answer, message, code, problem = self:run(statement, params, true, further, nil,
    found.is_recalled and self.sessions)
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
  written, found.are_known = learn(self, tenant, rows, answer, records_of(effects.entries))
  for _, row in ipairs(rows) do
    if not written[row.company] then
      return written, rows
    end
  end
  return written
end

return writing
