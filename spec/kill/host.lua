--- A CRM that outlives its processes: each company is a file of lines, one a change, behind a lock that the kernel drops
-- with its holder. A line that a killed process has not written to its end does not count. What is compared, set and
-- logged is the one line, so the log cannot say anything else than the data.

local core = require "leadcat.core"
local lfs = require "lfs"
local plan = require "kill.plan"

local host = {}

local LINE = "(%d+) (%d+) (%d+) (%S+) %.\n" -- from, to, entry of outcome.key (0: changed by somebody else), who

--- The changes of a company, oldest first. Torn lines are left out.
---@param content string
---@return {from: integer, to: integer, entry: integer, who: string}[]
function host.changes(content)
  local changes = {}
  for line in content:gmatch "[^\n]*\n" do
    local from, to, entry, who = line:match("^" .. LINE .. "$")
    if from then
      changes[#changes + 1] = { from = tonumber(from), to = tonumber(to), entry = tonumber(entry), who = who }
    end
  end
  return changes
end

--- What makes a host take its time, before it makes a change and behind it: in the middle of a change its process is most likely
-- to be killed. For `Host:for_leadcat`.
---@param seconds number
---@return fun(set_category: function, ...): ...
function host.slowly(seconds)
  return function(set_category, ...)
    core.sleep(seconds)
    local ok, message = set_category(...)
    core.sleep(seconds)
    return ok, message
  end
end

-- One process's open files. A POSIX lock is dropped when its process closes the file anywhere: so they stay open.
---@class kill.Host
local Host = {}
Host.__index = Host

local function open(self, tenant, company)
  local name = self.files.host(tenant, company)
  local file = self.open[name]
  if not file then
    file = assert(io.open(name, "a+"))
    file:setvbuf "no"
    self.open[name] = file
  end
  return file
end

local function read(file)
  assert(file:seek "set")
  return file:read "*a"
end

local function last(self, content)
  local changes = host.changes(content:sub(-200))
  local change = changes[#changes]
  return change and change.to or self.start
end

local function has_entry(content, entry)
  for _, change in ipairs(host.changes(content)) do
    if change.entry == entry then
      return true
    end
  end
  return false
end

-- Compares, sets and logs, while nobody else does.
local function change(self, tenant, company, to, from, entry, who)
  local file = open(self, tenant, company)
  while not lfs.lock(file, "w") do
    core.sleep(0.0002)
  end
  local content, result, message = read(file), true, nil
  if plan.HAS_KEYS[tenant] and entry ~= 0 and has_entry(content, entry) then
    result = true -- done already
  elseif last(self, content) ~= from then
    result, message = nil, "conflict"
  else
    local torn = content ~= "" and content:sub(-1) ~= "\n"
    assert(file:write(("%s%d %d %.0f %s .\n"):format(torn and "\n" or "", from, to, entry, who)))
  end
  lfs.unlock(file)
  return result, message
end

local function entry_of(key)
  return tonumber(key:match "%-(%d+)$")
end

function Host:category(company, tenant)
  return last(self, read(open(self, tenant, company)))
end

function Host:set_category(company, to, from, outcome, tenant)
  return change(self, tenant, company, to, from, entry_of(outcome.key), self.who)
end

function Host:applied(company, key, tenant)
  return has_entry(read(open(self, tenant, company)), entry_of(key))
end

--- Changes a company as a user of the CRM does, without leadcat.
function Host:change_outside(company, to, tenant)
  return change(self, tenant, company, to, self:category(company, tenant), 0, self.who)
end

--- As `leadcat.open` takes it: `around` is called with what makes a change, and its arguments.
---@param applied boolean whether it can tell what it has made
---@param around? fun(change: function, ...): true?, string?
function Host:for_leadcat(applied, around)
  local function set_category(...)
    return self:set_category(...)
  end
  return {
    category = function(company, tenant) return self:category(company, tenant) end,
    set_category = around and function(...) return around(set_category, ...) end or set_category,
    applied = applied and function(company, key, tenant) return self:applied(company, key, tenant) end or nil,
  }
end

--- The companies of `files`, all in the category `start` at first; `who` is noted with each change.
---@return kill.Host
function host.new(files, start, who)
  return setmetatable({ files = files, start = start, who = who, open = {} }, Host)
end

return host
