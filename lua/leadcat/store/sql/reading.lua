--- Methods of a shared store that only read: the journal, questions, cursors, companies that are kept there. Records
-- are shown by the core.

local core = require "leadcat.core"
local statements = require "leadcat.store.sql.statements"

---@class leadcat.sql.Store
local reading = {}

local LAST = 2 ^ 53

-- One row of a statement; or nil, `what` is not there.
local function one(self, statement, params, what)
  local rows, message, code = self:run(statement, params)
  if not rows then
    return nil, message, code
  elseif not rows[1] then
    return nil, what, "not_found"
  end
  return rows[1]
end

-- The records of the rows, as the method shows them; or nil, message, code.
local function show(self, method, rows, message, code)
  if not rows then
    return nil, message, code
  end
  local list = {}
  for i, row in ipairs(rows) do
    list[i], message, code = self.core[method](self.core, row[1])
    if not list[i] then
      return nil, message, code
    end
  end
  return list
end

function reading:entry(tenant, entry)
  local row, message, code = one(self, statements.entry, { tenant, entry }, "there is no such entry")
  if not row then
    return nil, message, code
  end
  return self.core:show_entry(row[1])
end

function reading:seen(tenant, event_id)
  local row, message, code = one(self, statements.seen, { tenant, event_id }, "the event was not seen")
  if not row and code == "not_found" then
    local mark = self.core:waiting_mark(tenant, event_id)
    row = mark and { mark, 0 }
  end
  if not row then
    return nil, message, code
  elseif row[2] == 1 then
    return self.core:show_entry(row[1])
  end
  return self.core:show_mark(event_id, row[1])
end

function reading:newest(tenant, company)
  local rows, message, code = self:run(statements.newest, { tenant, company })
  if not rows then
    return nil, message, code
  elseif not rows[1] then
    return 0
  elseif rows[1][2] then
    return nil, ("entry %.0f is being applied"):format(rows[1][2]), "conflict"
  end
  return rows[1][1]
end

-- The least number of microseconds that is not before that time.
local function microseconds(seconds)
  return seconds and seconds > -9e9 and seconds < 9e9 and math.ceil(seconds * 1000000) or -LAST
end

function reading:history(tenant, company, since, after, limit, unchanged)
  local log = unchanged and "unchanged" or "entry"
  local params = { tenant, microseconds(since), after and after > 0 and after or LAST, limit, company }
  return show(self, "show_entry", self:run(statements[(company and "company_history_" or "history_") .. log], params))
end

local MOST = 500 -- entries that a search looks at in one statement

-- Everything may be meant: who asks tests it.
function reading:search(tenant, company, only, after)
  local limit = math.min(math.max(only.limit, MOST), only.most)
  local found, message, code = self:history(tenant, company, nil, after, limit, only.unchanged)
  if not found then
    return nil, message, code
  end
  return found, #found, #found == limit and found[limit].entry or nil
end

function reading:applying(tenant, after, limit)
  return show(self, "show_entry", self:run(statements.applying, { tenant, after, limit, self:ahead() }))
end

function reading:held(tenant, after, limit)
  return show(self, "show_entry", self:run(statements.held, { tenant, after, limit }))
end

function reading:scheduled(tenant, now, limit)
  return show(self, "show_entry", self:run(statements.scheduled, { tenant, self:milliseconds(now), limit }))
end

function reading:schedule_of(tenant, company)
  local row, message, code = one(self, statements.schedule_of, { tenant, company }, "the company has nothing scheduled")
  if not row then
    return nil, message, code
  end
  return self.core:show_entry(row[1])
end

-- Questions ----------------------------------------------------------------------------------------------------------

local STATES, ALL = {}, {}
for i, name in ipairs(core.question_states) do
  STATES[name], ALL[i] = i - 1, i - 1
end

function reading:confirmation(tenant, id)
  if #id ~= 32 or not id:find "^[0-9a-f]+$" then
    return nil, "a confirmation's id has 32 hex digits", "not_found"
  end
  local bytes = id:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end)
  local row, message, code = one(self, statements.question, { tenant, bytes }, "there is no such question")
  if not row then
    return nil, message, code
  end
  return self.core:show_question(row[1])
end

local function questions(self, tenant, query)
  local state = query.state
  if state and not STATES[state] then
    error("field 'state': unknown value", 3)
  end
  return self:run(statements.questions, {
    tenant, query.company, query.user, state and { STATES[state] } or ALL, (query.after or 0) > 0 and query.after
      or LAST,
    query.limit, query.unswept and self:milliseconds(query.now) or nil, not state or state == "expired",
  })
end

function reading:confirmations(tenant, query)
  return show(self, "show_question", questions(self, tenant, query))
end

function reading:expiring(tenant, after, entry, until_time, limit)
  return show(self, "show_question",
    self:run(statements.expiring, { tenant, after, entry, self:milliseconds(until_time), limit }))
end

function reading:count_confirmations(tenant, query)
  local rows, message, code = questions(self, tenant, query)
  return rows and #rows, message, code
end

-- Companies and cursors ----------------------------------------------------------------------------------------------

function reading:company(tenant, company)
  local row, message, code = one(self, statements.company, { tenant, company }, "there is no such company")
  if row and not row[1] then
    return nil, "there is no such company", "not_found"
  end
  return row and row[1], message, code
end

function reading:create(tenant, items, category)
  local companies, integers = { n = #items }, { n = #items }
  for i, item in ipairs(items) do
    companies[i], integers[i] = item.company, item.company_is_integer == true
  end
  local rows, message, code = self:run_here(statements.create, { tenant, companies, integers, category })
  return rows and rows[1][1], message, code
end

function reading:set_category(tenant, company, to, from)
  local rows, message, code = self:run_here(statements.set_category, { tenant, company, to, from })
  if not rows then
    return nil, message, code
  elseif rows[1][1] == 1 then
    return true
  elseif not rows[1][3] then
    return nil, "there is no such company", "not_found"
  end
  return nil, ("the company is in category %d, not %d"):format(rows[1][3], from), "conflict"
end

function reading:companies(tenant, after, limit)
  local rows, message, code = self:run(statements.companies, { tenant, 0, after, limit })
  if not rows then
    return nil, message, code
  end
  local companies, categories = {}, {}
  for i, row in ipairs(rows) do
    companies[i], categories[i] = row[2] and tonumber(row[1]) or row[1], row[3]
  end
  return companies, categories
end

-- Of all of them: the database counts faster than it sends.
function reading:tally(tenant)
  local rows, message, code = self:run(statements.tally, { tenant })
  if not rows then
    return nil, message, code
  end
  local counts = {}
  for _, row in ipairs(rows) do
    counts[row[1]] = row[2]
  end
  return counts
end

function reading:cursor(tenant, name)
  local row, message, code = one(self, statements.cursor, { tenant, name }, "there is no such cursor")
  return row and row[1], message, code
end

return reading
