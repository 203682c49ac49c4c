--- Calls the functions of a host that keeps the companies, and reads their answers: what is no answer is a failure of the
-- companies that it was asked about. Only this file calls `host.set_category`.

local as_text = require "leadcat.util.as_text"
local call = require "leadcat.host.call"
local external = require "leadcat.rules.external"
local json = require "leadcat.util.json"
local protected = require "leadcat.util.protected"

local contract = {}

--- How many companies a host is asked about, or has to change, at once.
contract.MOST = 1000

local ANSWER = "true, or a table with error or code, expected"

-- The category that a host has named, which may be none.
local function read_category(self, name, answer, company)
  if type(answer) == "string" then
    local category, message, code = external.category(self, answer)
    return category ~= nil, category or ("host.%s: company %s: %s"):format(name, as_text(company), message), code
  elseif answer ~= nil and (type(answer) ~= "number" or answer % 1 ~= 0) then
    return false, ("host.%s returned %s, not a category's id"):format(name, as_text(answer)), "unavailable"
  end
  return true, answer and json.integer(answer)
end

--- The category of a company: an integer, or nil when it has none.
---@param self leadcat.Engine
---@param company string|integer
---@return boolean ok, integer|string|nil category, string? code category: the message unless ok
function contract.category(self, company)
  local category, message = call("category", protected.call(self.host.category, company, self._tenant))
  if category == nil and message ~= nil then
    return false, as_text(message), "unavailable"
  end
  return read_category(self, "category", category, company)
end

-- What a host's function answers about many: a list with something in each place; or nil, message.
local function answers_of(self, name, asked)
  local answers, message = call(name, protected.call(self.host[name], asked, self._tenant))
  if type(answers) ~= "table" then
    message = answers == nil and message or nil
    return nil, message and as_text(message) or ("host.%s returned %s, not a list"):format(name, as_text(answers))
  end
  local count = 0
  while answers[count + 1] ~= nil and count <= #asked do
    count = count + 1
  end
  if count ~= #asked then
    return nil, ("host.%s returned a list of %s, not of the %d that it was asked about"):format(name,
      count > #asked and "more" or count, #asked)
  end
  return answers
end

-- Asks about the companies from `first` to `last`, with one call if the host takes many.
local function ask_categories(self, companies, first, last, note)
  local some, list, message = {}, nil, nil
  if last > first and self.host.categories then
    for place = first, last do
      some[place - first + 1] = companies[place]
    end
    list, message = answers_of(self, "categories", some)
  end
  for place = first, last do
    if list then
      local answer = list[place - first + 1] or nil -- false: none
      note(place, read_category(self, "categories", answer, companies[place]))
    elseif message then
      note(place, false, message, "unavailable")
    else
      note(place, contract.category(self, companies[place]))
    end
  end
end

--- Asks for the categories of several companies.
---@param self leadcat.Engine
---@param companies (string|integer)[]
---@param note fun(place: integer, ok: boolean, category?: integer|string, code?: string) is told each answer, as `category` gives it
function contract.categories(self, companies, note)
  for first = 1, #companies, contract.MOST do
    ask_categories(self, companies, first, math.min(first + contract.MOST - 1, #companies), note)
  end
end

-- Sales ---------------------------------------------------------------------------------------------------------------

--- What the host knows of the sales and contacts of up to 1,000 companies.
---@param self leadcat.Engine
---@param companies (string|integer)[]
---@return (leadcat.CurrentSales|false)[]? answers, string? message, string? code in the same places
function contract.sales(self, companies)
  local answers, message = answers_of(self, "sales", companies)
  return answers, message, not answers and "unavailable" or nil
end

--- The host's companies behind one, in an order of its own that does not change.
---@param self leadcat.Engine
---@param after? string|integer nil: from the first
---@param limit integer
---@param since? number only those whose sales or contacts have changed since then, where the host can tell
---@return (string|integer)[]? companies, string? message, string? code at most `limit`; fewer are the last
function contract.companies(self, after, limit, since)
  local list, message = call("list_companies", protected.call(self.host.list_companies, after, limit, self._tenant,
    since))
  if type(list) ~= "table" then
    message = list == nil and message or nil
    return nil, message and as_text(message) or ("host.list_companies returned %s, not a list"):format(as_text(list)),
      "unavailable"
  elseif #list > limit then
    return nil, ("host.list_companies returned %d companies, more than the %d that it was asked for"):format(#list,
      limit), "unavailable"
  end
  return list
end

-- Counting ------------------------------------------------------------------------------------------------------------

--- How many companies the host has in each category, by our ids. What leadcat knows no category for is left out.
---@param self leadcat.Engine
---@return table<integer, integer>? counts, string? message, string? code
function contract.category_counts(self)
  local answer, message = call("category_counts", protected.call(self.host.category_counts, self._tenant))
  if type(answer) ~= "table" then
    message = answer == nil and message or nil
    return nil, message and as_text(message)
      or ("host.category_counts returned %s, not a table"):format(as_text(answer)), "unavailable"
  end
  local counts = {}
  for name, count in pairs(answer) do
    local category = type(name) == "string" and external.category(self, name) or type(name) == "number" and name
    if type(count) ~= "number" or count % 1 ~= 0 or count < 0 then
      return nil, ("host.category_counts returned %s for category %s, not a number of companies"):format(as_text(count),
        as_text(name)), "unavailable"
    elseif category then
      counts[category] = (counts[category] or 0) + json.integer(count)
    end
  end
  return counts
end

-- Changing -------------------------------------------------------------------------------------------------------------

--- What `set_category` needs to name categories as the host does.
contract.names = external.config

-- Whether the host has made the change, going by its keys.
local function by_key(self, change)
  local key = change.outcome.key
  local applied, message = call("applied", protected.call(self.host.applied, change.id, key, self._tenant))
  if applied ~= true and applied ~= false then
    return "failed", ("host.applied returned %s"):format(as_text(message or applied))
  end
  return applied and "updated" or nil
end

-- What a host's `conflict` means: whoever had the change before us, and was slow, may have made it just now.
local function look_again(self, change, ended, ...)
  if ended == "conflict" and self.host.applied then
    local found, why = by_key(self, change)
    return found or "conflict", why
  end
  return ended, ...
end

-- A copy of a change's outcome for the host, which may keep it.
local function told(outcome, names)
  return {
    status = outcome.status, action = outcome.action, reason = outcome.reason, from = outcome.from, to = outcome.to,
    rule = outcome.rule, revision = outcome.revision, confirmation = outcome.confirmation, entry = outcome.entry,
    key = outcome.key, external = external.of(names, outcome),
  }
end

-- How a change has ended that the host has not made, and why. `name`: of its function.
local function refusal(name, answer, message, code)
  if message == "conflict" then
    return "conflict"
  elseif code == "conflict" then
    return "conflict", message and as_text(message)
  elseif message == nil or message == "" then
    message = ("host.%s returned %s"):format(name, as_text(answer))
  end
  return code == "refused" and "refused" or "failed", as_text(message)
end

--- Asks for one change.
---@param self leadcat.Engine
---@param change leadcat.HostChange
---@param names? leadcat.Config from `contract.names`
---@return "updated"|"conflict"|"refused"|"failed" ended, string? why, boolean? made made: the host has just made it
function contract.set_category(self, change, names)
  local outcome = change.outcome
  local ok, message, code = call("set_category", protected.call(self.host.set_category, change.id, outcome.to,
    outcome.from, told(outcome, names), self._tenant))
  if ok == true then
    return "updated", nil, true
  end
  return look_again(self, change, refusal("set_category", ok, message, code))
end

-- What the host answers about one of many, as `set_category` does.
local function read_answer(answer, company)
  if answer == true then
    return "updated", nil, true
  elseif type(answer) ~= "table" or answer.error == nil and answer.code == nil then
    return "failed", ("host.set_categories returned %s for company %s: %s"):format(as_text(answer), as_text(company),
      ANSWER)
  end
  return refusal("set_categories", "code " .. as_text(answer.code), answer.error, answer.code)
end

--- Asks for many changes at once.
---@param self leadcat.Engine
---@param changes leadcat.HostChange[]
---@param names? leadcat.Config from `contract.names`
---@param note fun(change: leadcat.HostChange, ended: string, why?: string, made?: boolean) is told each one's end, as `set_category` gives it
function contract.set_categories(self, changes, names, note)
  local asked = {}
  for place, change in ipairs(changes) do
    local outcome = change.outcome
    asked[place] = { company = change.id, to = outcome.to, from = outcome.from, outcome = told(outcome, names) }
  end
  local answers, message = answers_of(self, "set_categories", asked)
  for place, change in ipairs(changes) do
    if answers then
      note(change, look_again(self, change, read_answer(answers[place], change.id)))
    else
      note(change, "failed", message)
    end
  end
end

-- Whether it was made ---------------------------------------------------------------------------------------------------

-- Whether the host has made the change, going by where the company stands.
local function by_category(change, ok, category)
  if not ok then
    return "failed", category
  elseif category == change.outcome.to then
    return "updated"
  end
  return category ~= change.outcome.from and "conflict" or nil
end

--- Whether the host has made a change that was begun before. A host that keeps keys knows; of another one the company's
-- category tells.
---@param self leadcat.Engine
---@param change leadcat.HostChange
---@return "updated"|"conflict"|"failed"|nil ended, string? why ended: nil when it is to be made
function contract.find_end(self, change)
  if self.host.applied then
    return by_key(self, change)
  end
  return by_category(change, contract.category(self, change.id))
end

--- The same for many changes.
---@param self leadcat.Engine
---@param changes leadcat.HostChange[]
---@param note fun(change: leadcat.HostChange, ended?: string, why?: string) is told each one's end
function contract.find_ends(self, changes, note)
  local companies = {}
  for place, change in ipairs(changes) do
    if self.host.applied then
      note(change, by_key(self, change))
    else
      companies[place] = change.id
    end
  end
  contract.categories(self, companies, function(place, ok, category)
    note(changes[place], by_category(changes[place], ok, category))
  end)
end

return contract
