--- What a process remembers of companies' rows, so that a call on one of them need not read before it writes. It may be
-- outdated: the statement that writes compares (`statements.put`), and what it finds instead is remembered then.
--
-- Only rows are kept beside which nothing else counts: companies with nothing under way, and changes of this process's own that
-- a host is making.

local core = require "leadcat.core"

local memory = {}

local MOST = 16384 -- companies of each of two generations: some 8 MB

---@class leadcat.sql.Memory
---@field young table<string, table> what was used last
---@field old table<string, table>
---@field count integer of the young ones
local Memory = {}
Memory.__index = Memory

local function key_of(tenant, company)
  return tenant .. "\0" .. company
end

-- A company as `store:walk` takes it.
local function company_of(text, known)
  local company = {
    company = text, version = known[1], newest = known[2], category = known[3] or nil, changed = known[4],
    is_integer = known[5], company_is_integer = known[5], attempts = 0, begun = 0,
  }
  local claim = known.claim
  if claim then
    company.applying, company.is_claimed, company.is_mine = claim.applying, true, true
    company.left, company.retry_in = claim.deadline - core.uptime(), claim.retry_at - core.uptime()
    company.attempts, company.begun = claim.attempts, claim.begun
  end
  return company
end

--- What is known of a company; nil: nothing.
---@return table? company as `store:walk` takes it, string? record of its unfinished entry
function Memory:recall(tenant, company)
  local key = key_of(tenant, company)
  local known = self.young[key]
  if not known then
    known = self.old[key]
    if not known then
      return nil
    end
    self:keep(key, known)
  end
  return company_of(company, known), known.claim and known.claim.record
end

-- Where the young ones have become too many, those that were not used since the last time are forgotten.
function Memory:keep(key, known)
  if not self.young[key] then
    if self.count >= MOST then
      self.old, self.young, self.count = self.young, {}, 0
    end
    self.count = self.count + 1
  end
  self.young[key] = known
end

--- Remembers a row, where nothing else counts beside it.
---@param tenant string
---@param row table in the database's columns; times as seconds or milliseconds from now
---@param record? string of its unfinished entry, which is this process's
---@return boolean whether it is remembered
function Memory:learn(tenant, row, record)
  if row.question or row.scheduled or row.applying and not record then
    self:forget(tenant, row.company)
    return false
  end
  local known = { row.version, row.newest, row.category or false, row.changed, row.is_integer }
  if row.applying then
    known.claim = {
      applying = row.applying, deadline = core.uptime() + row.left / 1000,
      retry_at = core.uptime() + row.retry_in / 1000, attempts = row.attempts, begun = row.begun, record = record,
    }
  end
  self:keep(key_of(tenant, row.company), known)
  return true
end

function Memory:forget(tenant, company)
  local key = key_of(tenant, company)
  self.old[key] = nil
  if self.young[key] then
    self.young[key], self.count = nil, self.count - 1
  end
end

--- Forgets everything: the database may be another one.
function Memory:clear()
  self.young, self.old, self.count = {}, {}, 0
end

---@return leadcat.sql.Memory
function memory.new()
  return setmetatable({ young = {}, old = {}, count = 0 }, Memory)
end

return memory
