--- Methods of a shared store that decide and write: events, answers, changes, what is scheduled, companies that move.
-- What each does is the core's; here is only what it may look at.

local event_of = require "leadcat.events.event"
local merged = require "leadcat.util.merged"
local platform = require "leadcat.util.platform"
local statements = require "leadcat.store.sql.statements"
local world = require "leadcat.store.sql.world"
local writers = require "leadcat.store.sql.writers"

---@class leadcat.sql.Store
local events = {}

local unpack = rawget(table, "unpack") or rawget(_G, "unpack")

local function is_number(value) return type(value) == "number" end

-- What a call of `world.change` gives, as the method gives it.
local function results_of(answer, message, code)
  if not answer then
    return nil, message, code
  end
  return unpack(answer, 1, answer.n)
end

-- Hex digits as bytes; nil for what is no question's id.
local function id_of(hex)
  if type(hex) ~= "string" or #hex ~= 32 or not hex:find "^%x+$" or hex:find "%u" then
    return nil
  end
  return (hex:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end))
end

-- Events -------------------------------------------------------------------------------------------------------------

local TAKES_BACK = { sale_reopened = true, sale_deleted = true } -- whose rules may look at earlier changes

local Prepared = {}

function events:prepare(how)
  return setmetatable({ how = merged(how), prepared = self.core:prepare(how) }, Prepared)
end

function events:overlay()
  return self.core:overlay()
end

local function is_open(result)
  return result == nil or type(result) == "table" and result.lacks ~= nil
end

-- The company of an event as a key, and its id; nil where the core finds that it is no plain event.
local function keys_of(event)
  if type(event) ~= "table" then
    return nil
  end
  local id = rawget(event, "id")
  return event_of.key(rawget(event, "company")), id ~= nil and event_of.key(id) or nil
end

-- What the events that are still open may look at.
local function keys_of_open(list, results, how)
  local keys = { companies = {}, ids = {}, changes = how.skips_late, cursor = how.cursor and how.cursor.name }
  local companies, ids = {}, {}
  for i, event in ipairs(list) do
    local company, id = keys_of(event)
    if company and is_open(results[i]) then
      if not companies[company] then
        companies[company], keys.companies[#keys.companies + 1] = true, company
      end
      local held = type(results[i]) == "table" and results[i].held
      if held then
        keys.entries = keys.entries or {}
        keys.entries[#keys.entries + 1] = held
      end
      if id and not ids[id] then
        ids[id], keys.ids[#keys.ids + 1] = true, id
      end
      keys.changes = keys.changes or TAKES_BACK[rawget(event, "trigger")]
    end
  end
  return keys
end

-- Whether any result is only what was read.
local function tells_of_the_past(results, before)
  for i, result in pairs(results) do
    if before[i] ~= result and (is_number(result) and result ~= 0 or type(result) == "table"
      and result.status == "over") then
      return true
    end
  end
  return false
end

local function copy(results)
  local list = {}
  for i, result in pairs(results) do
    list[i] = result
  end
  return list
end

-- Has the ids of these events be new again, which an earlier try has remembered as of events that came to nothing.
local function forget_marks(self, tenant, ids)
  local marks = self:take_marks()
  for i = #marks, 1, -1 do
    if marks[i].tenant == tenant and ids[marks[i].event_id] then
      table.remove(marks, i)
    end
  end
  self:keep_marks(marks)
end

-- Puts back what the results were; with `overtaken` only those of these companies, and of events with the same ids.
local function put_back(list, results, before, overtaken)
  local ids, any = {}, false
  for i, event in ipairs(list) do
    local company, id = keys_of(event)
    if is_open(before[i]) and (not overtaken or overtaken[company] or id and ids[id]) then
      results[i], any = before[i], true
      if id then
        ids[id] = true
      end
    elseif overtaken then
      before[i] = results[i]
    end
  end
  return any, ids
end

-- How many events are not at their end, of those that were open.
local function count_left(list, results, at_first, how)
  local left = 0
  for i = 1, #list do
    local result = results[i]
    local applies = type(result) == "table" and result.status == "applying" and not how.queues
    if is_open(at_first[i]) and (is_number(result) or is_open(result) or applies) then
      left = left + 1
    end
  end
  return left
end

-- Marks of events that came to nothing wait a moment for a commit that takes them along.
local LONGEST = 3 -- seconds

local function handle(self, tenant, list, results, now, how)
  local plain = how
  if getmetatable(how) == Prepared then
    how, plain = how.how, how.prepared
  elseif how.beside then
    plain = merged(how, { keeps_companies = true })
    plain.beside = nil
  end
  local before, at_first, again, tries = copy(results), copy(results), false, 0
  local function try_again(overtaken)
    local any, ids = put_back(list, results, before, overtaken)
    forget_marks(self, tenant, ids)
    return any
  end
  local answer, message, code = world.change(self, tenant, {
    method = "handle", fence = true, cursor = how.cursor, beside = how.beside,
    keys = function() return keys_of_open(list, before, how) end,
    before = function()
      tries = tries + 1
      if tries > 1 then
        try_again()
      end
    end,
    arguments = function(found) return list, results, world.now(self, now, found), plain end,
    is_done = function(answer) return answer[2] == true end,
    undo = function(overtaken)
      again = true
      return try_again(overtaken)
    end,
  })
  if answer and not answer.wrote and tells_of_the_past(results, at_first) then
    local stands
    stands, message, code = self:barrier()
    answer = stands and answer
  end
  if not answer then
    put_back(list, results, code == "apart" and before or at_first) -- some may be written already
    return nil, message, code
  end
  if again then
    answer[1] = count_left(list, results, at_first, how)
  end
  self.marked_at = now
  if (self.core:marks_age() or 0) > LONGEST then
    self:settle()
  end
  return results_of(answer)
end

function events:handle(tenant, list, results, now, how)
  if type(list) ~= "table" or type(results) ~= "table" then
    error("events and results: tables expected", 2)
  end
  if not self.writers then
    return handle(self, tenant, list, results, now, how)
  end
  return self.writers:run(tenant, list, results, now, how, getmetatable(how) == Prepared and how.how or how)
end

--- Has the events of this process's requests put together, where that is possible.
---@param most? integer events that may wait
function events:gather(most)
  if platform.semaphore then
    self.writers = writers.new(self, handle, count_left, most)
  end
end

function events:remember(tenant, item, now)
  self.marked_at = now
  return self.core:remember(tenant, item, now)
end

-- Answers and changes ------------------------------------------------------------------------------------------------

local function companies_of(items)
  local companies, seen = {}, {}
  for i, item in ipairs(items) do
    local company = item.company
    if type(company) == "string" and not seen[company] then
      seen[company], companies[#companies + 1] = true, company
    end
    seen[i] = true
  end
  return companies
end

local function numbers_of(items)
  local numbers = {}
  for i, item in ipairs(items) do
    numbers[i] = item.entry
  end
  return numbers
end

-- Asks the core for what is wrong with the arguments before anything is read.
local function check_items(items)
  if type(items) ~= "table" then
    error("table expected, got " .. type(items), 3)
  end
end

function events:write(tenant, items, now, claim, cursor, beside)
  check_items(items)
  local questions = {}
  for _, item in ipairs(items) do
    questions[#questions + 1] = id_of(item.answers)
  end
  local status = {}
  for i, item in ipairs(items) do
    status[i] = item.status
  end
  return results_of(world.change(self, tenant, {
    method = "write", cursor = cursor, beside = beside,
    keys = function() return { companies = companies_of(items), questions = questions, cursor = cursor
      and cursor.name } end,
    before = function()
      for i, item in ipairs(items) do
        item.status = status[i]
      end
    end,
    arguments = function(found) return items, world.now(self, now, found), claim, cursor end,
  }))
end

-- A method that writes items of companies.
local function writes(method, with_entries, with_now)
  return function(self, tenant, items, now)
    check_items(items)
    return results_of(world.change(self, tenant, {
      method = method,
      keys = function()
        return { companies = companies_of(items), entries = with_entries and numbers_of(items) or nil }
      end,
      arguments = function(found)
        if with_now then
          return items, world.now(self, now, found)
        end
        return items
      end,
    }))
  end
end

events.finish = writes("finish", true, true)
events.end_scheduled = writes("end_scheduled", true, true)

function events:add_unchanged(tenant, items, now)
  check_items(items)
  return results_of(world.change(self, tenant, {
    method = "add_unchanged",
    keys = function() return { companies = {} } end,
    arguments = function(found) return items, world.now(self, now, found) end,
  }))
end

function events:claim(tenant, company, idle, now, seconds)
  return results_of(world.change(self, tenant, {
    method = "claim",
    keys = function() return { companies = { company } } end,
    arguments = function(found) return company, idle, world.now(self, now, found), seconds end,
  }))
end

function events:last_change(tenant, company, sale)
  return results_of(world.change(self, tenant, {
    method = "last_change",
    keys = function() return { companies = { company }, changes = true } end,
    arguments = function() return company, sale end,
  }))
end

function events:assign(tenant, id, to, now)
  check_items(to)
  return results_of(world.change(self, tenant, {
    method = "assign",
    keys = function() return { companies = { to.company }, questions = { id_of(id) }, entries = { to.entry } } end,
    arguments = function(found) return id, to, world.now(self, now, found) end,
  }))
end

local MOST_EXPIRED = 256

function events:expire(tenant, now)
  local most = false
  local answer, message, code = world.change(self, tenant, {
    method = "expire",
    keys = function()
      local rows = self:run(statements.overdue, { tenant, self:milliseconds(now), MOST_EXPIRED }) or {}
      local items = {}
      for i, row in ipairs(rows) do
        items[i] = { company = row[1] }
      end
      most = #rows == MOST_EXPIRED
      return { companies = companies_of(items) }
    end,
    arguments = function(found) return world.now(self, now, found) end,
  })
  if not answer then
    return nil, message, code
  end
  if answer[1] == nil then
    return unpack(answer, 1, answer.n)
  end
  return answer[1], most
end

-- Companies that move ------------------------------------------------------------------------------------------------

function events:move(tenant, what, now)
  if type(what) ~= "table" then
    error("table expected, got " .. type(what), 2)
  end
  local company = what.company
  return results_of(world.change(self, tenant, {
    method = "move",
    keys = function() return { companies = { company, what.to }, all_of = company } end,
    arguments = function(found) return what, world.now(self, now, found) end,
  }))
end

return events
