--- A CRM for specs: companies in a Lua table, changed by compare-and-set, and a log of every call. What a test wants to
-- go wrong it puts into the fields.

local core = require "leadcat.core"

local crm = {}

---@class support.Crm: leadcat.Host
---@field companies table<string|integer, integer> the category of each company, by id as text
---@field calls string[] such as "category Acme", "set_category Acme 1 -> 5"
---@field changes string[] the changes made, such as "Acme 1 -> 5"

--- A host for `leadcat.open`. Companies are found by their text; the logs tell integers from strings by a `#`.
---@param companies table<string|integer, integer>
---@return support.Crm
function crm.new(companies)
  local self = { companies = {}, calls = {}, changes = {} }
  for company, category in pairs(companies or {}) do
    self.companies[tostring(company)] = category
  end

  local function shown(company)
    return (type(company) == "number" and "#" or "") .. tostring(company)
  end

  function self.category(company)
    self.calls[#self.calls + 1] = "category " .. shown(company)
    return self.companies[tostring(company)]
  end

  function self.set_category(company, to, from)
    local change = ("%s %d -> %d"):format(shown(company), from, to)
    self.calls[#self.calls + 1] = "set_category " .. change
    if self.companies[tostring(company)] ~= from then
      return nil, "conflict"
    end
    self.companies[tostring(company)] = to
    self.changes[#self.changes + 1] = change
    return true
  end

  return self
end

--- The same, which takes many at once; `asked` has what it was asked so.
---@param companies table<string|integer, integer>
---@return support.Crm
function crm.many(companies)
  local self = crm.new(companies)
  self.asked, self.given = {}, {}

  function self.categories(list)
    local answers = {}
    self.asked[#self.asked + 1] = table.concat(list, " ")
    for i, company in ipairs(list) do
      answers[i] = self.companies[tostring(company)] or false
    end
    return answers
  end

  function self.set_categories(changes)
    local answers, names = {}, {}
    for i, change in ipairs(changes) do
      names[i], self.given[#self.given + 1] = tostring(change.company), change
      local ok, code = self.set_category(change.company, change.to, change.from)
      answers[i] = ok or { code = code }
    end
    self.asked[#self.asked + 1] = "set " .. table.concat(names, " ")
    return answers
  end

  return self
end

--- A CRM that keeps one company in a file, a line per category it has had, so that processes can share it.
---@param name string of the file, which has its first line already
---@return leadcat.Host
function crm.file(name)
  local self = {}

  function self.category()
    local category
    for line in io.lines(name) do
      category = tonumber(line)
    end
    return category
  end

  function self.set_category(_, to, from)
    if self.category() ~= from then
      return nil, "conflict"
    end
    local file = assert(io.open(name, "a"))
    file:write(("%d\n"):format(to))
    file:close()
    return true
  end

  return self
end

--- A CRM that outlives its process: each company is a file with its category. A change takes a little while, before it is
-- made and behind it, so that a process that is killed may be at any point of it.
---@param directory string
---@return leadcat.Host
function crm.directory(directory)
  local self = {}

  function self.category(company)
    local file = assert(io.open(directory .. "/" .. company))
    local category = file:read "*n"
    file:close()
    return category
  end

  function self.set_category(company, to, from)
    if from ~= nil and self.category(company) ~= from then
      return nil, "conflict"
    end
    core.sleep(0.0002)
    local name = directory .. "/" .. company
    local file = assert(io.open(name .. ".new", "w"))
    file:write(("%d\n"):format(to))
    file:close()
    assert(os.rename(name .. ".new", name))
    core.sleep(0.0002)
    return true
  end

  return self
end

return crm
