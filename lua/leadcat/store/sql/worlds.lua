--- What a call of a shared store may look at: read in one statement, or remembered (store/sql/memory.lua), as `store:walk` takes it.

local core = require "leadcat.core"
local statements = require "leadcat.store.sql.statements"
local theirs = require "leadcat.store.sql.theirs"

local worlds = {}

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

--- A company of a row, as `store:walk` takes it.
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
function worlds.read(self, tenant, keys)
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
function worlds.recall(self, tenant, keys, guesses)
  if not self.offset or self:is_reconnected() then
    return nil
  end
  local found = { companies = {}, entries = {}, unchanged = {}, questions = {}, seen = {}, cursors = {},
    by_company = {}, limits = {}, limit_versions = {},
    now = self.offset + core.uptime(), cluster = self.cluster, is_recalled = true }
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

worlds.company_of = company_of

return worlds
